//! Many durations in little room.

use std::time::Duration;

/// Durations counted in buckets that are 1/64 of an octave wide, from 1 µs on: any quantile within 1.6 %, in 9 kB however
/// many there are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Spread {
    counts: Vec<u32>,
    count: u64,
    worst: Duration,
}

/// Buckets in an octave, as a power of two.
const FINE: u32 = 6;
/// The longest that is told apart: 2^32 µs.
const OCTAVES: u32 = 32 - FINE;

impl Spread {
    /// Nothing yet.
    pub fn new() -> Self {
        Self { counts: vec![0; bucket(u32::MAX) + 1], count: 0, worst: Duration::ZERO }
    }

    /// One more.
    pub fn note(&mut self, value: Duration) {
        let micros = u32::try_from(value.as_micros()).unwrap_or(u32::MAX);
        if let Some(count) = self.counts.get_mut(bucket(micros)) {
            *count = count.saturating_add(1);
        }
        self.count += 1;
        self.worst = self.worst.max(value);
    }

    /// All of another.
    pub fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.saturating_add(*more);
        }
        self.count += other.count;
        self.worst = self.worst.max(other.worst);
    }

    /// How many there are.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The longest.
    pub const fn worst(&self) -> Duration {
        self.worst
    }

    /// What the share `q` (0 to 1) of all did not exceed; `None` when there are none.
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        let rank = ((self.count as f64 * q).ceil() as u64).clamp(1, self.count.max(1));
        let mut so_far = 0;
        let found = self.counts.iter().position(|count| {
            so_far += u64::from(*count);
            so_far >= rank
        })?;
        Some(Duration::from_micros(upper(found)).min(self.worst))
    }
}

impl Default for Spread {
    fn default() -> Self {
        Self::new()
    }
}

/// Where `micros` is counted: below 2^FINE one bucket each, above 2^FINE buckets an octave.
fn bucket(micros: u32) -> usize {
    let octave = (u32::BITS - micros.leading_zeros()).saturating_sub(FINE + 1).min(OCTAVES);
    ((octave << FINE) + (micros >> octave)) as usize
}

/// The largest value of a bucket.
fn upper(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let octave = (bucket >> FINE).saturating_sub(1);
    ((bucket - (octave << FINE) + 1) << octave) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_a_bucket_that_is_a_sixty_fourth_wide() {
        let mut before = 0;
        for value in (0..200_000u32).chain([1_000_000, 123_456_789, u32::MAX]) {
            let found = bucket(value);
            assert!(found >= before, "{value}");
            before = found;
            let upper = upper(found);
            assert!(upper >= u64::from(value) && upper - u64::from(value) <= u64::from(value) / 64, "{value} {upper}");
        }
    }

    #[test]
    fn quantiles_are_those_of_what_was_noted() {
        let mut spread = Spread::new();
        assert_eq!(spread.quantile(0.5), None);
        for ms in (1..=1_000).rev() {
            spread.note(Duration::from_millis(ms));
        }
        let of = |q| spread.quantile(q).unwrap().as_secs_f64() * 1_000.0;
        for (q, expected) in [(0.0, 1.0), (0.5, 500.0), (0.99, 990.0), (0.999, 999.0), (1.0, 1_000.0)] {
            assert!((of(q) / expected - 1.0).abs() < 0.017, "{q}: {}", of(q));
        }
        let mut twice = spread.clone();
        twice.add(&spread);
        assert_eq!((twice.count(), twice.quantile(0.5)), (2_000, spread.quantile(0.5)));
        assert_eq!(spread.worst(), Duration::from_secs(1));
    }
}
