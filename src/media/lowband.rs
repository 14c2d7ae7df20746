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
    /// How many of the last ones are nothing at all, as far as it matters.
    nothing: u64,
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
            nothing: Self::KEPT as u64,
            origin,
            started: false,
        })
    }

    /// Takes the next frame, whose first sample is as old as `begins`.
    pub(super) fn push(&mut self, frame: &Frame, begins: Instant) {
        self.reach(begins);
        if self.is_still() && frame.samples().iter().all(|&sample| sample == 0) {
            return self.be_still(frame.samples().len());
        }
        let mut rest = frame.samples();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(self.group.len() - self.phase));
            for (place, &sample) in self.group.iter_mut().skip(self.phase).zip(now) {
                *place = f32::from(sample);
            }
            self.phase += now.len();
            if self.phase == self.group.len() {
                self.phase = 0;
                let value = self.filter.next(&self.group);
                // A voice falls towards the top; made flatter, two voices resemble each other less.
                self.flat = value - self.before + 0.5 * self.flat;
                if self.flat.abs() < NEAR_NOTHING {
                    self.flat = 0.0;
                }
                self.before = value;
                self.write(self.flat);
            }
            rest = later;
        }
    }

    /// Takes the next frame for silence, whatever is in it.
    pub(super) fn pass(&mut self, frame: &Frame, begins: Instant) {
        self.reach(begins);
        self.filter.state = [0.0; 4];
        (self.before, self.flat) = (0.0, 0.0);
        self.group.fill(0.0);
        self.be_still(frame.samples().len());
    }

    /// Whether nothing at all is kept.
    pub(super) const fn is_empty(&self) -> bool {
        self.nothing >= Self::KEPT as u64
    }

    /// Makes up for a step in time.
    fn reach(&mut self, begins: Instant) {
        let due = samples(begins.saturating_duration_since(self.origin)) + Self::KEPT as u64;
        if !self.started || due.abs_diff(self.count) > samples(Self::SLACK) {
            let gap = due.saturating_sub(self.count).min(Self::KEPT as u64);
            self.count = due - gap;
            (0..gap).for_each(|_| self.write(0.0));
            self.started = true;
        }
    }

    /// Whether silence would come out of silence.
    fn is_still(&self) -> bool {
        self.filter.state == [0.0; 4]
            && self.before == 0.0
            && self.flat == 0.0
            && self.group.iter().take(self.phase).all(|&sample| sample == 0.0)
    }

    /// So many samples of the line's rate are nothing.
    fn be_still(&mut self, samples: usize) {
        self.phase += samples;
        let groups = self.phase / self.group.len();
        self.phase %= self.group.len();
        if self.is_empty() {
            self.count += groups as u64;
        } else {
            (0..groups).for_each(|_| self.write(0.0));
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
        let length = (end.min(self.count).saturating_sub(begin) as usize).min(Self::KEPT);
        if self.is_empty() || length == 0 {
            return 0.0;
        }
        let (late, early) = self.ring.split_at((begin % Self::KEPT as u64) as usize);
        let first = early.len().min(length);
        energy(&early[..first]) + energy(&late[..length - first])
    }

    fn write(&mut self, value: f32) {
        self.ring[(self.count % Self::KEPT as u64) as usize] = value;
        self.count += 1;
        self.nothing = if value == 0.0 { self.nothing.saturating_add(1) } else { 0 };
    }
}

/// The sum of squares, in lanes that the compiler can keep side by side.
fn energy(samples: &[f32]) -> f32 {
    let (lanes, rest) = samples.as_chunks::<8>();
    let mut sums = [0.0f32; 8];
    for values in lanes {
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum += value * value;
        }
    }
    sums.iter().sum::<f32>() + rest.iter().map(|value| value * value).sum::<f32>()
}

/// What has died away so far is gone: numbers near nothing are slow.
const NEAR_NOTHING: f32 = 1e-6;

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
    kept: [Weights; 4],
    /// What each sample of a group adds to them.
    added: Box<[Weights]>,
    state: [f32; 4],
}

/// What one number adds to the four of state, which the compiler can keep side by side, and to the output.
type Weights = ([f32; 4], f32);

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
            (state.map(|value| value as f32), output as f32)
        };
        Self {
            kept: std::array::from_fn(|lane| answer(std::array::from_fn(|at| f64::from(u8::from(at == lane))), None)),
            added: (0..factor).map(|at| answer([0.0; 4], Some(at))).collect(),
            state: [0.0; 4],
        }
    }

    /// Takes a group of samples; the output behind the last.
    fn next(&mut self, group: &[f32]) -> f32 {
        let (mut state, mut output) = ([0.0; 4], 0.0);
        for (value, weights) in self.state.iter().zip(&self.kept) {
            add(&mut state, &mut output, *value, weights);
        }
        for (sample, weights) in group.iter().zip(&self.added) {
            add(&mut state, &mut output, *sample, weights);
        }
        let [a, b, c, d] = state;
        let is_gone =
            a.abs() < NEAR_NOTHING && b.abs() < NEAR_NOTHING && c.abs() < NEAR_NOTHING && d.abs() < NEAR_NOTHING;
        self.state = if is_gone { [0.0; 4] } else { state };
        output
    }
}

/// Adds a value to each sum by its weight. Written out: it is most of what a test build does.
#[inline(always)]
fn add(state: &mut [f32; 4], output: &mut f32, value: f32, weights: &Weights) {
    state[0] += value * weights.0[0];
    state[1] += value * weights.0[1];
    state[2] += value * weights.0[2];
    state[3] += value * weights.0[3];
    *output += value * weights.1;
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
    fn silence_that_is_passed_over_is_silence_and_sound_after_it_is_as_it_would_have_been() {
        let t = start();
        let ms = Duration::from_millis;
        let (mut one, mut other) = (Lowband::new(RATE, t).unwrap(), Lowband::new(RATE, t).unwrap());
        assert!(one.is_empty());
        let (silent, voiced) = (Frame::silence(RATE, ms(20)), Frame::from_samples(RATE, &tone(500.0)[..160]).unwrap());
        let mut was_empty = 0;
        for n in 0..300 {
            let frame = if n % 150 < 5 { &voiced } else { &silent };
            one.push(frame, t + ms(20) * n);
            // The other takes every sample, however silent.
            other.nothing = 0;
            other.before += 1e-30;
            other.push(frame, t + ms(20) * n);
            was_empty += u32::from(one.is_empty());
            let (mut ours, mut theirs) = ([0.0; 1_024], [0.0; 1_024]);
            assert!(one.copy(one.count(), &mut ours) && other.copy(one.count(), &mut theirs));
            let off = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(off < 1e-3, "{off} in frame {n}");
            assert!((one.energy(one.count(), 1_000) - energy(&theirs[24..])).abs() <= 1e-4 * energy(&theirs[24..]));
        }
        assert!((150..250).contains(&was_empty), "{was_empty}");
        let mut passed = one.clone();
        passed.pass(&voiced, t + ms(6_000));
        assert!(passed.is_empty() && passed.count() == one.count() + 40);
    }

    #[test]
    fn a_rate_that_does_not_divide_is_left_out() {
        assert!(Lowband::new(SampleRate::new(11_025).unwrap(), start()).is_none());
        assert!(Lowband::new(SampleRate::HZ_16000, start()).is_some());
    }
}
