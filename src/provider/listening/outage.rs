//! How long a recogniser may stay away, and when it is tried again.

use std::time::Duration;

use tokio::time::Instant;

/// How long there may be no connection before nobody waits for one any more. The sound that is kept to be sent again is
/// longer, so that a connection that comes back in time gets all of the outage and the utterance it came upon.
const PATIENCE: Duration = Duration::from_secs(9);
/// A connection that lives less than this has not ended the outage before it.
const HELD: Duration = Duration::from_secs(1);
/// The pause after the first failure; twice as long after each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The time since a recogniser was last connected for good.
///
/// What ends a call's recognition is how long nobody listened, not how often it was tried: a vendor that restarts refuses
/// many connections within a second and takes the next one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::provider) struct Outage {
    began: Instant,
    failures: u32,
}

impl Outage {
    /// An outage that begins at `now`: nobody has connected yet.
    pub(in crate::provider) const fn new(now: Instant) -> Self {
        Self { began: now, failures: 0 }
    }

    /// When nobody waits for a connection any more.
    pub(in crate::provider) fn deadline(&self) -> Instant {
        self.began + PATIENCE
    }

    /// How long to wait before the next try, a connection being lost at `now` that `lived` so long; zero lived that never
    /// came up. `None`: it is not worth another. Pauses are longer by up to a half as `share` goes from 0 to 1, so that
    /// the calls of one outage do not come back at one moment.
    pub(in crate::provider) fn pause(&mut self, lived: Duration, share: f64, now: Instant) -> Option<Duration> {
        if lived >= HELD {
            *self = Self::new(now);
            return Some(Duration::ZERO);
        }
        let doubled = FIRST_PAUSE.saturating_mul(1 << self.failures.min(8));
        let pause = doubled.min(LONGEST_PAUSE).mul_f64(1.0 + share.clamp(0.0, 1.0) / 2.0);
        self.failures = self.failures.saturating_add(1);
        (now + pause < self.deadline()).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::listening::replay::ReplayBuffer;

    const MS: Duration = Duration::from_millis(1);

    /// The moments, in milliseconds from the first, at which a vendor is tried that refuses each at once.
    fn tries(outage: &mut Outage, share: f64, mut now: Instant) -> Vec<u128> {
        let began = now;
        let mut tries = vec![0];
        while let Some(pause) = outage.pause(Duration::ZERO, share, now) {
            now += pause;
            tries.push((now - began).as_millis());
        }
        tries
    }

    #[test]
    fn a_recogniser_is_tried_again_until_the_outage_has_lasted_too_long() {
        let now = Instant::now();
        let expected = [0, 250, 750, 1_750, 2_750, 3_750, 4_750, 5_750, 6_750, 7_750, 8_750];
        assert_eq!(tries(&mut Outage::new(now), 0.0, now), expected);
        let expected = [0, 375, 1_125, 2_625, 4_125, 5_625, 7_125, 8_625];
        assert_eq!(tries(&mut Outage::new(now), 1.0, now), expected, "with the longest pauses");
    }

    #[test]
    fn giving_up_comes_before_sound_is_lost() {
        let now = Instant::now();
        let utterance = Duration::from_secs(10);
        assert!(Outage::new(now).deadline() + utterance < now + ReplayBuffer::CAPACITY);
    }

    #[test]
    fn a_connection_that_held_ends_the_outage_and_is_replaced_at_once() {
        let now = Instant::now();
        let mut outage = Outage::new(now);
        tries(&mut outage, 0.0, now);
        let later = now + 60_000 * MS;
        assert_eq!(outage.pause(1_000 * MS, 1.0, later), Some(Duration::ZERO));
        assert_eq!(outage, Outage::new(later));
        assert_eq!(outage.pause(Duration::ZERO, 0.0, later), Some(250 * MS));
    }

    #[test]
    fn connections_that_break_at_once_are_still_an_outage() {
        let began = Instant::now();
        let mut outage = Outage::new(began);
        let mut now = began;
        loop {
            now += 999 * MS;
            let Some(pause) = outage.pause(999 * MS, 0.0, now) else { break };
            now += pause;
        }
        assert!((7_000 * MS..10_000 * MS).contains(&(now - began)), "{:?}", now - began);
    }
}
