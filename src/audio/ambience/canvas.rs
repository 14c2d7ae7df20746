//! A loop of sound that is painted on.

use std::f32::consts::{FRAC_PI_2, PI, TAU};
use std::time::Duration;

use crate::audio::frame::SampleRate;
use crate::audio::level;

/// A stretch of sound whose end is followed by its beginning. Whatever is painted goes on over that seam.
pub(super) struct Canvas {
    hz: f32,
    samples: Vec<f32>,
}

impl Canvas {
    pub(super) fn new(rate: SampleRate, length: Duration) -> Self {
        Self { hz: rate.hz() as f32, samples: vec![0.0; rate.samples_in(length).max(1)] }
    }

    /// Samples a second.
    pub(super) const fn hz(&self) -> f32 {
        self.hz
    }

    /// Seconds.
    pub(super) fn length(&self) -> f32 {
        self.samples.len() as f32 / self.hz
    }

    /// Adds something that begins at this second.
    pub(super) fn add(&mut self, at: f32, sound: impl IntoIterator<Item = f32>) {
        let length = self.samples.len();
        let begin = (at * self.hz) as usize;
        for (offset, value) in sound.into_iter().enumerate() {
            if let Some(sample) = self.samples.get_mut((begin + offset) % length) {
                *sample += value;
            }
        }
    }

    /// Adds noise that never ends, of this root mean square, through these filters. `swell` is its loudness at each part
    /// (0 to 1) of the loop, and ends as it began.
    pub(super) fn noise(&mut self, seed: u64, rms: f32, filters: &[Filter], swell: impl Fn(f32) -> f32) {
        let length = self.samples.len();
        // What was painted last glides into what was painted first.
        let seam = ((self.hz * 0.5) as usize).min(length / 2);
        let mut noise = burst(seed, length + seam, self.hz, filters);
        let (body, end) = noise.split_at_mut(length);
        for (at, (first, last)) in body.iter_mut().zip(end).enumerate() {
            let (rising, falling) = (FRAC_PI_2 * at as f32 / seam as f32).sin_cos();
            *first = *first * rising + *last * falling;
        }
        let energy: f64 = body.iter().map(|value| f64::from(*value).powi(2)).sum();
        let scale = rms / ((energy / length as f64).sqrt() as f32).max(f32::MIN_POSITIVE);
        for (at, (sample, value)) in self.samples.iter_mut().zip(body.iter()).enumerate() {
            *sample += value * scale * swell(at as f32 / length as f32);
        }
    }

    /// Adds a hum of about this frequency: the nearest that has a whole number of turns.
    pub(super) fn hum(&mut self, hz: f32, rms: f32) {
        let turns = (hz * self.length()).round() / self.samples.len() as f32;
        for (at, sample) in self.samples.iter_mut().enumerate() {
            *sample += rms * 2f32.sqrt() * (TAU * (turns * at as f32).fract()).sin();
        }
    }

    /// The loop as loud as asked. What stands far out of it is bent back, so that no event is a shock.
    pub(super) fn finish(self, dbfs: f32) -> Box<[i16]> {
        let wanted = 32_768.0 * level::gain(dbfs);
        let most = MOST_CREST * wanted;
        let mut samples = self.samples;
        // No line carries what is so low. The filter has heard the end of the loop before its beginning.
        let mut high = Running::new(Filter::High(80.0), self.hz);
        let warm = samples.len().saturating_sub(self.hz as usize);
        samples.iter().skip(warm).for_each(|value| _ = high.next(*value));
        samples.iter_mut().for_each(|value| *value = high.next(*value));
        // Again and again: what is bent back is missing from the loudness.
        for _ in 0..4 {
            let energy: f64 = samples.iter().map(|value| f64::from(*value).powi(2)).sum();
            let scale = wanted / ((energy / samples.len() as f64).sqrt() as f32).max(f32::MIN_POSITIVE);
            samples.iter_mut().for_each(|value| *value = most * (*value * scale / most).tanh());
        }
        samples.iter().map(|value| value.round() as i16).collect()
    }
}

/// How far the loudest moment of a bed may stand out of it: 12 dB.
const MOST_CREST: f32 = 4.0;

/// So many samples of noise through these filters.
pub(super) fn burst(seed: u64, samples: usize, hz: f32, filters: &[Filter]) -> Vec<f32> {
    let mut random = Random(seed);
    let mut filters: Vec<Running> = filters.iter().map(|filter| Running::new(*filter, hz)).collect();
    let mut next = || filters.iter_mut().fold(random.between(-1.0, 1.0), |value, filter| filter.next(value));
    // A filter that has just begun is not as loud as it will be.
    (0..256).for_each(|_| _ = next());
    (0..samples).map(|_| next()).collect()
}

/// What is let through, in hertz.
#[derive(Clone, Copy, Debug)]
pub(super) enum Filter {
    /// Everything below.
    Low(f32),
    /// Everything above.
    High(f32),
    /// What lies around the first, as wide as the second.
    Band(f32, f32),
}

/// A filter of the second order at work (Bristow-Johnson's cookbook), transposed direct form.
pub(super) struct Running {
    b: [f32; 3],
    a: [f32; 2],
    state: [f32; 2],
}

impl Running {
    pub(super) fn new(filter: Filter, hz: f32) -> Self {
        let (centre, q) = match filter {
            Filter::Low(corner) | Filter::High(corner) => (corner, std::f32::consts::FRAC_1_SQRT_2),
            Filter::Band(centre, width) => (centre, centre / width),
        };
        // Below half the rate, whatever was asked for.
        let (sin, cos) = (TAU * (centre / hz).min(0.45)).sin_cos();
        let alpha = sin / (2.0 * q);
        let b = match filter {
            Filter::Low(_) => [(1.0 - cos) / 2.0, 1.0 - cos, (1.0 - cos) / 2.0],
            Filter::High(_) => [f32::midpoint(1.0, cos), -1.0 - cos, f32::midpoint(1.0, cos)],
            Filter::Band(..) => [alpha, 0.0, -alpha],
        };
        let a0 = 1.0 + alpha;
        Self { b: b.map(|b| b / a0), a: [-2.0 * cos / a0, (1.0 - alpha) / a0], state: [0.0; 2] }
    }

    pub(super) fn next(&mut self, input: f32) -> f32 {
        let output = self.b[0] * input + self.state[0];
        self.state[0] = self.b[1] * input - self.a[0] * output + self.state[1];
        self.state[1] = self.b[2] * input - self.a[1] * output;
        output
    }
}

/// From nothing to one and back along half a sine, for 0 to 1.
pub(super) fn hill(along: f32) -> f32 {
    (PI * along.clamp(0.0, 1.0)).sin()
}

/// Numbers that look random and are the same every time (SplitMix64: Steele, Lea, Flood 2014).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn between(&mut self, least: f32, most: f32) -> f32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        least + (most - least) * ((mixed >> 40) as f32 / (1u32 << 24) as f32)
    }
}
