//! How fast kept sound may be sent.

use std::time::Duration;

use tokio::time::Instant;

/// An allowance of sound that grows with time, for a vendor that takes sound little faster than it is spoken.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    /// How much sound may be sent in a second.
    speed: f64,
    /// Seconds of sound that may be sent at once; below zero after a piece that was longer.
    credit: f64,
    since: Instant,
}

impl Pace {
    /// An allowance at its fullest.
    pub(super) fn new(speed: f64, now: Instant) -> Self {
        Self { speed: speed.max(1.0), credit: BURST.as_secs_f64(), since: now }
    }

    /// When the next piece may be sent: `now` or later.
    pub(super) fn due(&mut self, now: Instant) -> Instant {
        let grown = now.saturating_duration_since(self.since).as_secs_f64() * self.speed;
        self.credit = (self.credit + grown).min(BURST.as_secs_f64());
        self.since = now;
        if self.credit > 0.0 {
            return now;
        }
        // A little more than nothing is needed.
        now + Duration::from_secs_f64(-self.credit / self.speed) + Duration::from_millis(1)
    }

    /// A piece of `length` is sent.
    pub(super) fn send(&mut self, length: Duration) {
        self.credit -= length.as_secs_f64();
    }
}

/// What may be sent at once after a while of real time: less is in a network's hiccup than any vendor minds.
const BURST: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn kept_sound_goes_out_at_its_speed_and_live_sound_at_once() {
        let began = Instant::now();
        let mut pace = Pace::new(2.0, began);
        let (mut now, mut sent) = (began, Duration::ZERO);
        while sent < 6_000 * MS {
            now = pace.due(now);
            assert_eq!(pace.due(now), now, "due is due");
            pace.send(100 * MS);
            sent += 100 * MS;
        }
        let took = (now - began).as_millis();
        assert!((2_650..=2_850).contains(&took), "5.5 s at twice the speed took {took} ms");
        // Real time is slower than the allowance grows: it never waits.
        now += 1_000 * MS;
        for _ in 0..500 {
            now += 20 * MS;
            assert_eq!(pace.due(now), now);
            pace.send(20 * MS);
        }
    }
}
