//! The lower part of a voice, kept for a second.

use std::time::{Duration, Instant};

use crate::audio::{Frame, SampleRate};

/// The last second of one direction below 900 Hz, at [`Lowband::HZ`], laid out on the call's clock.
///
/// Frames follow one another whatever their times say within [`Lowband::SLACK`], so that the jitter of a line does not
/// move the sound; only a larger step becomes silence, or overwrites. Allocates nothing after `new`.
#[derive(Clone, Debug)]
pub(super) struct Lowband {
    filter: Decimator,
    /// Samples that wait for their group to be whole.
    group: Box<[f32]>,
    phase: usize,
    before: f32,
    flat: f32,
    ring: Box<[f32]>,
    /// Samples since the origin and a ring full of silence before it.
    count: u64,
    origin: Instant,
    started: bool,
}

impl Lowband {
    /// Samples per second.
    pub(super) const HZ: usize = 2_000;
    /// How many samples are kept: about a second.
    pub(super) const KEPT: usize = 2_048;
    /// How far a frame may be off its time.
    const SLACK: Duration = Duration::from_millis(100);

    /// Nothing yet; times count from `origin`. `None` at a rate that is no multiple of [`Lowband::HZ`].
    pub(super) fn new(rate: SampleRate, origin: Instant) -> Option<Self> {
        let hz = rate.hz() as usize;
        hz.is_multiple_of(Self::HZ).then(|| Self {
            // A Butterworth low-pass of the fourth order.
            filter: Decimator::new(
                [0.541_196_1, 1.306_563].map(|q| Biquad::low_pass(800.0 / hz as f32, q)),
                hz / Self::HZ,
            ),
            group: vec![0.0; hz / Self::HZ].into_boxed_slice(),
            phase: 0,
            before: 0.0,
            flat: 0.0,
            ring: vec![0.0; Self::KEPT].into_boxed_slice(),
            count: Self::KEPT as u64,
            origin,
            started: false,
        })
    }

    /// Takes the next frame, whose first sample is as old as `begins`.
    pub(super) fn push(&mut self, frame: &Frame, begins: Instant) {
        let due = samples(begins.saturating_duration_since(self.origin)) + Self::KEPT as u64;
        if !self.started || due.abs_diff(self.count) > samples(Self::SLACK) {
            let gap = due.saturating_sub(self.count).min(Self::KEPT as u64);
            self.count = due - gap;
            (0..gap).for_each(|_| self.write(0.0));
            self.started = true;
        }
        for &sample in frame.samples() {
            if let Some(place) = self.group.get_mut(self.phase) {
                *place = f32::from(sample);
            }
            self.phase += 1;
            if self.phase == self.group.len() {
                self.phase = 0;
                let value = self.filter.next(&self.group);
                // A voice falls towards the top; made flatter, two voices resemble each other less.
                self.flat = value - self.before + 0.5 * self.flat;
                self.before = value;
                self.write(self.flat);
            }
        }
    }

    /// How many samples there have been, with [`Lowband::KEPT`] of silence before the origin.
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// Copies what ends at sample `end`; `false` when some of it is not there (any more, or yet).
    pub(super) fn copy(&self, end: u64, into: &mut [f32]) -> bool {
        let Some(begin) = end.checked_sub(into.len() as u64) else { return false };
        if end > self.count || begin + (Self::KEPT as u64) < self.count {
            return false;
        }
        let at = (begin % Self::KEPT as u64) as usize;
        let (late, early) = self.ring.split_at(at);
        let head = early.len().min(into.len());
        let (first, second) = into.split_at_mut(head);
        first.copy_from_slice(&early[..head]);
        second.copy_from_slice(&late[..second.len()]);
        true
    }

    /// The energy of the `length` samples that end at `end`; zero where there are none.
    pub(super) fn energy(&self, end: u64, length: usize) -> f32 {
        let kept = self.count.saturating_sub(Self::KEPT as u64);
        let begin = end.saturating_sub(length as u64).max(kept);
        (begin..end.min(self.count)).map(|at| self.ring[(at % Self::KEPT as u64) as usize].powi(2)).sum()
    }

    fn write(&mut self, value: f32) {
        self.ring[(self.count % Self::KEPT as u64) as usize] = value;
        self.count += 1;
    }
}

/// How many samples a time has.
fn samples(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX) / (1_000_000 / Lowband::HZ as u64)
}

/// Two filters of the second order, one behind the other, of which only every so many-th output is wanted.
///
/// The filters are linear, so what a whole group of samples does to their four numbers of state, and the output behind it,
/// are sums with fixed weights. No sample waits for the one before it, as it would if the filters were run step by step.
#[derive(Clone, Debug)]
struct Decimator {
    /// What each number of state adds to all four after a group, and to the last output of the group.
    kept: [[f32; 5]; 4],
    /// What each sample of a group adds to them.
    added: Box<[[f32; 5]]>,
    state: [f32; 4],
}

impl Decimator {
    /// The filters, with the output behind every `factor`-th sample.
    fn new(filters: [Biquad; 2], factor: usize) -> Self {
        // The weights are what the filters answer to one alone.
        let answer = |mut state: [f64; 4], impulse: Option<usize>| {
            let mut output = 0.0;
            for at in 0..factor {
                output = f64::from(u8::from(impulse == Some(at)));
                for (filter, state) in filters.iter().zip(state.as_chunks_mut().0) {
                    output = filter.next(output, state);
                }
            }
            let [a, b, c, d] = state;
            [a, b, c, d, output].map(|value| value as f32)
        };
        Self {
            kept: std::array::from_fn(|lane| answer(std::array::from_fn(|at| f64::from(u8::from(at == lane))), None)),
            added: (0..factor).map(|at| answer([0.0; 4], Some(at))).collect(),
            state: [0.0; 4],
        }
    }

    /// Takes a group of samples; the output behind the last.
    fn next(&mut self, group: &[f32]) -> f32 {
        let mut sums = [0.0; 5];
        for (value, weights) in self.state.iter().zip(&self.kept) {
            add(&mut sums, *value, weights);
        }
        for (sample, weights) in group.iter().zip(&self.added) {
            add(&mut sums, *sample, weights);
        }
        let [a, b, c, d, output] = sums;
        // What has died away is gone: numbers near nothing are slow.
        let is_gone = a.abs() < 1e-6 && b.abs() < 1e-6 && c.abs() < 1e-6 && d.abs() < 1e-6;
        self.state = if is_gone { [0.0; 4] } else { [a, b, c, d] };
        output
    }
}

/// Adds a value to each sum by its weight. Written out: it is most of what a test build does.
fn add(sums: &mut [f32; 5], value: f32, weights: &[f32; 5]) {
    sums[0] += value * weights[0];
    sums[1] += value * weights[1];
    sums[2] += value * weights[2];
    sums[3] += value * weights[3];
    sums[4] += value * weights[4];
}

/// A filter of the second order, transposed direct form.
#[derive(Clone, Copy, Debug)]
struct Biquad {
    b: [f64; 3],
    a: [f64; 2],
}

impl Biquad {
    /// A low-pass with its corner at `corner` of the sample rate (Bristow-Johnson's cookbook).
    fn low_pass(corner: f32, q: f32) -> Self {
        let (corner, q) = (f64::from(corner), f64::from(q));
        let (sin, cos) = (std::f64::consts::TAU * corner).sin_cos();
        let alpha = sin / (2.0 * q);
        let a0 = 1.0 + alpha;
        let b1 = (1.0 - cos) / a0;
        Self { b: [b1 / 2.0, b1, b1 / 2.0], a: [-2.0 * cos / a0, (1.0 - alpha) / a0] }
    }

    fn next(&self, input: f64, state: &mut [f64; 2]) -> f64 {
        let output = self.b[0] * input + state[0];
        *state = [self.b[1] * input - self.a[0] * output + state[1], self.b[2] * input - self.a[1] * output];
        output
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: SampleRate = SampleRate::HZ_8000;
    const KEPT: u64 = Lowband::KEPT as u64;

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to begin with")]
    fn start() -> Instant {
        Instant::now()
    }

    fn tone(hz: f32) -> Vec<i16> {
        (0..8_000).map(|n| ((std::f32::consts::TAU * hz * n as f32 / 8_000.0).sin() * 8_000.0) as i16).collect()
    }

    fn filled(sound: &[i16]) -> Lowband {
        let t = start();
        let mut band = Lowband::new(RATE, t).unwrap();
        for (n, piece) in sound.chunks_exact(160).enumerate() {
            band.push(&Frame::from_samples(RATE, piece).unwrap(), t + Duration::from_millis(20) * n as u32);
        }
        band
    }

    #[test]
    fn what_is_low_stays_and_what_is_high_goes() {
        let loudness = |hz| filled(&tone(hz)).energy(2_000 + KEPT, 1_000);
        let (low, high, higher) = (loudness(500.0), loudness(1_600.0), loudness(3_000.0));
        assert!(low > 100.0 * high && low > 10_000.0 * higher, "{low} {high} {higher}");
    }

    #[test]
    fn a_group_at_once_is_its_samples_one_by_one() {
        for factor in [4, 8, 24] {
            let filters = [0.54, 1.31].map(|q| Biquad::low_pass(0.4 / factor as f32, q));
            let mut decimator = Decimator::new(filters, factor);
            let mut states = [[0.0; 2]; 2];
            let sound: Vec<f32> = (0..480).map(|n| ((n * n * 7919) % 16_001) as f32 - 8_000.0).collect();
            for group in sound.chunks_exact(factor) {
                let stepped = group.iter().fold(0.0, |_, sample| {
                    let mut value = f64::from(*sample);
                    for (filter, state) in filters.iter().zip(&mut states) {
                        value = filter.next(value, state);
                    }
                    value
                });
                let jumped = f64::from(decimator.next(group));
                assert!((jumped - stepped).abs() < 0.1, "{factor}: {jumped} for {stepped}");
            }
        }
    }

    #[test]
    fn sound_stays_where_its_clock_says_through_jitter_and_gaps() {
        let t = start();
        let ms = Duration::from_millis;
        let mut band = Lowband::new(RATE, t).unwrap();
        let frame = Frame::from_samples(RATE, &tone(500.0)[..160]).unwrap();
        for at in [1_000, 1_055, 1_030, 1_061] {
            band.push(&frame, t + ms(at));
        }
        assert_eq!(band.count(), 2_160 + KEPT, "jitter moves nothing");
        band.push(&frame, t + ms(1_500));
        assert_eq!(band.count(), 3_040 + KEPT, "a gap is silence");
        assert!(band.energy(3_000 + KEPT, 800) < 1.0 && band.energy(3_040 + KEPT, 40) > 1_000.0);
        let mut piece = [0.0; 64];
        assert!(band.copy(3_040 + KEPT, &mut piece) && piece[..24].iter().all(|&value| value.abs() < 0.1));
        assert!(!band.copy(3_041 + KEPT, &mut piece), "the future is not there");
        assert!(!band.copy(900 + KEPT, &mut piece), "nor what is long gone");
        band.push(&frame, t + ms(60_000));
        assert_eq!((band.count(), band.energy(120_000 + KEPT, 2_000)), (120_040 + KEPT, 0.0));
    }

    #[test]
    fn a_rate_that_does_not_divide_is_left_out() {
        assert!(Lowband::new(SampleRate::new(11_025).unwrap(), start()).is_none());
        assert!(Lowband::new(SampleRate::HZ_16000, start()).is_some());
    }
}
