//! The times of a connection as times of the call.

use std::collections::VecDeque;
use std::time::Duration;

/// Where the sound of one connection lies in the call's.
///
/// A connection begins with sound kept from before it came up, and silence may be put in between the call's sound:
///
/// ```text
/// call         base ├────────────┤                ├──────────┤
/// connection      0 ├────────────┤▒▒▒▒ silence ▒▒▒├──────────┤ sent
/// ```
///
/// A time within such silence is the moment of the call it was put at.
#[derive(Clone, Default, Debug)]
pub(in crate::provider) struct Timeline {
    base: Duration,
    sent: Duration,
    /// Silence that was put in, by where it begins, counted in the connection's sound.
    fills: VecDeque<Fill>,
}

/// Silence that was put in.
#[derive(Clone, Copy, Debug)]
struct Fill {
    at: Duration,
    length: Duration,
}

impl Timeline {
    /// A connection whose sound begins with `base` of the call's.
    pub(in crate::provider) fn new(base: Duration) -> Self {
        Self { base, ..Self::default() }
    }

    /// Where the connection's sound begins in the call's.
    pub(in crate::provider) fn base(&self) -> Duration {
        self.base
    }

    /// Sound sent over the connection, silence put in included.
    pub(in crate::provider) fn sent(&self) -> Duration {
        self.sent
    }

    /// The moment of the call that lies `at` in the connection's sound.
    pub(in crate::provider) fn at(&self, at: Duration) -> Duration {
        let within = |fill: &Fill| at.saturating_sub(fill.at).min(fill.length);
        let silence: Duration = self.fills.iter().map(within).sum();
        self.base.saturating_add(at.saturating_sub(silence))
    }

    /// The same of a number of seconds; `None` when it is not a time.
    pub(in crate::provider) fn seconds(&self, seconds: f64) -> Option<Duration> {
        Duration::try_from_secs_f64(seconds).ok().map(|at| self.at(at))
    }

    /// Sound of the call was sent.
    pub(super) fn send(&mut self, length: Duration) {
        self.sent += length;
    }

    /// Silence was sent that is none of the call's.
    pub(super) fn fill(&mut self, length: Duration) {
        match self.fills.back_mut() {
            Some(last) if last.at + last.length == self.sent => last.length += length,
            _ => self.fills.push_back(Fill { at: self.sent, length }),
        }
        self.sent += length;
        if self.fills.len() > MOST {
            self.fold();
        }
    }

    /// Takes the two oldest for one that begins where the first does: times between them come out up to the second's
    /// length too early.
    fn fold(&mut self) {
        if let Some(first) = self.fills.pop_front()
            && let Some(second) = self.fills.front_mut()
        {
            *second = Fill { at: first.at, length: first.length + second.length };
        }
    }
}

/// Silences that are told apart: far more than there are in the sound a vendor still speaks of.
const MOST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn silence_that_was_put_in_takes_no_time_of_the_call() {
        let mut timeline = Timeline::new(60_000 * MS);
        timeline.send(1_000 * MS);
        timeline.fill(300 * MS);
        timeline.fill(200 * MS);
        timeline.send(1_000 * MS);
        assert_eq!((timeline.sent(), timeline.fills.len()), (2_500 * MS, 1));
        for (at, of_call) in
            [(0, 60_000), (999, 60_999), (1_000, 61_000), (1_250, 61_000), (1_500, 61_000), (2_500, 62_000)]
        {
            assert_eq!(timeline.at(at * MS), of_call * MS, "{at} ms of the connection");
        }
        assert_eq!(timeline.seconds(1.75), Some(61_250 * MS));
        assert_eq!((timeline.seconds(-1.0), timeline.seconds(f64::NAN)), (None, None), "nonsense is not a time");
    }

    #[test]
    fn the_latest_times_stay_exact_however_often_silence_is_put_in() {
        let mut timeline = Timeline::default();
        for _ in 0..10 * MOST {
            timeline.send(10 * MS);
            timeline.fill(5 * MS);
        }
        assert_eq!(timeline.fills.len(), MOST);
        assert_eq!(timeline.at(timeline.sent()), 10 * MS * 10 * MOST as u32);
    }
}
