//! How much may come.

use std::time::Instant;

/// A token bucket that holds one second's worth of packets.
#[derive(Debug)]
pub(super) struct RateLimit {
    per_second: f64,
    tokens: f64,
    filled: Instant,
}

impl RateLimit {
    pub(super) fn new(per_second: u32, now: Instant) -> Self {
        Self { per_second: per_second.into(), tokens: per_second.into(), filled: now }
    }

    /// Whether one more may come; if so, it is counted.
    pub(super) fn admits(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.filled = now;
        self.tokens = (self.tokens + passed * self.per_second).min(self.per_second);
        let admitted = self.tokens >= 1.0;
        if admitted {
            self.tokens -= 1.0;
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_of_one_second_passes_and_then_only_the_rate() {
        let begin = Instant::now();
        let mut limit = RateLimit::new(500, begin);
        assert_eq!((0..10_000).filter(|_| limit.admits(begin)).count(), 500);
        let later = begin + Duration::from_millis(100);
        assert_eq!((0..10_000).filter(|_| limit.admits(later)).count(), 50);
    }

    #[test]
    fn a_caller_at_fifty_packets_a_second_is_never_limited() {
        let begin = Instant::now();
        let mut limit = RateLimit::new(500, begin);
        assert!((0..10_000u32).all(|n| limit.admits(begin + Duration::from_millis(20) * n)));
    }
}
