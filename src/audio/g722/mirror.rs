//! The quadrature mirror filters that split sound into two bands and join them.

/// The taps of the filter, by 2^13 (table 11 of the recommendation): symmetric, so that each half has its own parity.
const EVEN: [i32; HALF] = [3, -11, 12, 32, -210, 951, 3_876, -805, 362, -156, 53, -11];
const ODD: [i32; HALF] = {
    let mut odd = [0; HALF];
    let mut tap = 0;
    while tap < HALF {
        odd[tap] = EVEN[HALF - 1 - tap];
        tap += 1;
    }
    odd
};
const HALF: usize = 12;

/// Two lines of delay, one for each half of the filter; the newest value comes first.
#[derive(Clone, Debug, Default)]
pub(super) struct Mirror {
    first: [i32; HALF],
    second: [i32; HALF],
}

impl Mirror {
    /// Splits two samples of 16 kHz into one of the lower and one of the upper band, at half the loudness.
    pub(super) fn split(&mut self, earlier: i16, later: i16) -> (i32, i32) {
        let (even, odd) = self.filter(i32::from(later), i32::from(earlier));
        ((even + odd) >> 14, (even - odd) >> 14)
    }

    /// Joins the bands to two samples, the earlier one first.
    pub(super) fn join(&mut self, low: i32, high: i32) -> [i16; 2] {
        let (first, second) = self.filter(low - high, low + high);
        [saturated(first >> 11), saturated(second >> 11)]
    }

    /// Both halves of the filter, after a new value for each.
    fn filter(&mut self, first: i32, second: i32) -> (i32, i32) {
        self.first.copy_within(..HALF - 1, 1);
        self.second.copy_within(..HALF - 1, 1);
        (self.first[0], self.second[0]) = (first, second);
        let sum = |taps: &[i32; HALF], line: &[i32; HALF]| taps.iter().zip(line).map(|(tap, value)| tap * value).sum();
        (sum(&EVEN, &self.first), sum(&ODD, &self.second))
    }
}

/// The nearest value that 16 bits hold.
pub(super) fn saturated(value: i32) -> i16 {
    value.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
}
