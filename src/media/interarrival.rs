//! How unevenly packets come.

use std::time::{Duration, Instant};

/// The interarrival jitter of a stream (RFC 3550 section 6.4.1 and appendix A.8), kept in nanoseconds.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Interarrival {
    /// Arrival, timestamp and format of the packet before: another format's timestamps may count another clock.
    before: Option<(Instant, u32)>,
    format: u8,
    nanos: f64,
}

impl Interarrival {
    /// A timestamp this far off is a restarted clock and says nothing.
    const CLOCK_JUMP: Duration = Duration::from_secs(1);

    /// A packet of this format, whose timestamps count `clock` a second, came.
    pub(super) fn came(&mut self, format: u8, clock: u32, timestamp: u32, at: Instant) {
        if std::mem::replace(&mut self.format, format) != format {
            self.before = None;
        }
        if let Some((before, stamp)) = self.before {
            let apart = at.saturating_duration_since(before).as_nanos() as f64;
            let sent = f64::from(timestamp.wrapping_sub(stamp) as i32) * 1e9 / f64::from(clock);
            let difference = (apart - sent).abs();
            if difference < Self::CLOCK_JUMP.as_nanos() as f64 {
                self.nanos += (difference - self.nanos) / 16.0;
            }
        }
        self.before = Some((at, timestamp));
    }

    /// Another stream begins: its first packet says nothing.
    pub(super) const fn restart(&mut self) {
        self.before = None;
    }

    /// The jitter so far.
    pub(super) const fn jitter(&self) -> Duration {
        Duration::from_nanos(self.nanos as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to begin with")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn packets_that_are_a_little_late_every_other_time_are_as_uneven_as_that() {
        let (t, mut uneven) = (start(), Interarrival::default());
        for n in 0..400u32 {
            let late = if n % 2 == 0 { 0 } else { 8 };
            uneven.came(0, 8_000, n * 160, t + Duration::from_millis(20 * u64::from(n) + late));
        }
        assert!(uneven.jitter().abs_diff(Duration::from_millis(8)) < Duration::from_micros(50), "{uneven:?}");
        let before = uneven.jitter();
        uneven.came(1, 48_000, 900_000, t + Duration::from_secs(9));
        uneven.restart();
        uneven.came(1, 48_000, 7, t + Duration::from_secs(10));
        assert_eq!(uneven.jitter(), before, "another clock and another stream say nothing at first");
    }
}
