//! Loudness, and gain that changes without a click.

use std::f32::consts::PI;
use std::time::Duration;

use super::frame::SampleRate;

/// What [`dbfs`] calls digital silence: below the quietest 16-bit sine.
pub const SILENCE_DBFS: f32 = -100.0;

/// Sum of the squared samples.
pub fn energy(samples: &[i16]) -> u64 {
    // Half-words of the squares are summed in 32 bits, as many at a time as cannot overflow them: a processor does several
    // of those at once.
    let pieces = samples.chunks(1 << 15).map(|piece| {
        let squares = piece.iter().map(|&sample| (i32::from(sample) * i32::from(sample)) as u32);
        let (low, high) =
            squares.fold((0u32, 0u32), |(low, high), square| (low + (square & 0xFFFF), high + (square >> 16)));
        u64::from(low) + (u64::from(high) << 16)
    });
    pieces.sum()
}

/// Root mean square, 0 to 32 768; zero for no samples.
pub fn rms(samples: &[i16]) -> f32 {
    if samples.is_empty() {
        return 0.0;
    }
    (energy(samples) as f64 / samples.len() as f64).sqrt() as f32
}

/// Root mean square in decibels below a square wave of full scale: 0 is the loudest there is, [`SILENCE_DBFS`] silence.
pub fn dbfs(samples: &[i16]) -> f32 {
    rms_to_dbfs(rms(samples))
}

/// The largest magnitude, 0 to 32 768.
pub fn peak(samples: &[i16]) -> u16 {
    samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0)
}

/// The factor of a gain in decibels.
pub fn gain(decibels: f32) -> f32 {
    10f32.powf(decibels / 20.0)
}

/// Decibels below full scale of a root mean square.
pub fn rms_to_dbfs(rms: f32) -> f32 {
    if rms > 0.0 { (20.0 * (rms / 32_768.0).log10()).max(SILENCE_DBFS) } else { SILENCE_DBFS }
}

/// Multiplies every sample by `gain`, held within 16 bits.
pub fn scale(samples: &mut [i16], gain: f32) {
    for sample in samples {
        *sample = scaled(*sample, gain);
    }
}

/// Adds `other` to `samples`, held within 16 bits; what is longer than the other stays as it is.
pub fn mix(samples: &mut [i16], other: &[i16]) {
    for (sample, &added) in samples.iter_mut().zip(other) {
        *sample = sample.saturating_add(added);
    }
}

/// How a [`Ramp`] goes from one gain to the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// In a straight line.
    Linear,
    /// Along half a cosine: no corner at either end.
    RaisedCosine,
}

/// A gain on its way from one value to another; once there it stays.
///
/// Apply it to one piece of sound after the other: where the pieces are cut makes no difference.
#[derive(Clone, Debug)]
pub struct Ramp {
    from: f32,
    to: f32,
    length: usize,
    done: usize,
    shape: Shape,
}

impl Ramp {
    /// A gain that stays where it is.
    pub const fn steady(gain: f32) -> Self {
        Self { from: gain, to: gain, length: 0, done: 0, shape: Shape::Linear }
    }

    /// A gain that goes from `from` to `to` within `over`.
    pub const fn new(from: f32, to: f32, over: Duration, rate: SampleRate, shape: Shape) -> Self {
        Self { from, to, length: rate.samples_in(over), done: 0, shape }
    }

    /// Turns towards another gain from wherever this one is.
    pub fn turn(&mut self, to: f32, over: Duration, rate: SampleRate) {
        *self = Self::new(self.gain(), to, over, rate, self.shape);
    }

    /// The gain of the next sample.
    pub fn gain(&self) -> f32 {
        if self.done >= self.length {
            return self.to;
        }
        let way = self.done as f32 / self.length as f32;
        let way = match self.shape {
            Shape::Linear => way,
            Shape::RaisedCosine => 0.5 - 0.5 * (PI * way).cos(),
        };
        self.from + (self.to - self.from) * way
    }

    /// Whether it has arrived.
    pub const fn is_steady(&self) -> bool {
        self.done >= self.length
    }

    /// The gain of the next sample, which is then behind it.
    pub fn advance(&mut self) -> f32 {
        let gain = self.gain();
        if !self.is_steady() {
            self.done += 1;
        }
        gain
    }

    /// Scales the samples, each by the gain of its moment.
    pub fn apply(&mut self, samples: &mut [i16]) {
        for (at, sample) in samples.iter_mut().enumerate() {
            if self.is_steady() {
                if self.to != 1.0 {
                    scale(&mut samples[at..], self.to);
                }
                return;
            }
            *sample = scaled(*sample, self.gain());
            self.done += 1;
        }
    }
}

fn scaled(sample: i16, gain: f32) -> i16 {
    // A float becomes the nearest value an i16 can hold.
    (f32::from(sample) * gain).round() as i16
}

#[cfg(test)]
mod tests {
    #[test]
    fn energy_is_exact_at_any_length_and_loudness() {
        for (length, value) in [(0, 1), (7, -1), (160, i16::MIN), (40_000, i16::MIN), (70_001, i16::MAX), (333, 181)] {
            let samples = vec![value; length];
            assert_eq!(super::energy(&samples), length as u64 * u64::from(value.unsigned_abs()).pow(2));
        }
    }

    use super::*;

    const MS_20: Duration = Duration::from_millis(20);

    #[test]
    fn levels_of_known_sounds() {
        assert_eq!(rms(&[]), 0.0);
        assert_eq!(dbfs(&[0; 80]), SILENCE_DBFS);
        assert_eq!(dbfs(&[i16::MIN; 80]), 0.0);
        assert!((dbfs(&[3277, -3277, 3277, -3277]) - -20.0).abs() < 0.01);
        let sine: Vec<i16> =
            (0..800).map(|n| (32_767.0 * (2.0 * std::f64::consts::PI * f64::from(n) / 8.0).sin()) as i16).collect();
        assert!((dbfs(&sine) - -3.01).abs() < 0.01);
        assert_eq!(peak(&[1, -7, 3]), 7);
        assert_eq!(peak(&[i16::MIN]), 32_768);
        assert_eq!(energy(&[i16::MIN, 3]), (1 << 30) + 9);
    }

    #[test]
    fn gain_and_mix_stop_at_the_rails() {
        let mut samples = [20_000, -20_000, 100];
        scale(&mut samples, gain(6.0206));
        assert_eq!(samples, [32_767, -32_768, 200]);
        mix(&mut samples, &[1, -1]);
        assert_eq!(samples, [32_767, -32_768, 200]);
    }

    #[test]
    fn a_linear_fade_goes_evenly_and_then_holds() {
        let mut samples = [1000i16; 200];
        Ramp::new(1.0, 0.0, MS_20, SampleRate::HZ_8000, Shape::Linear).apply(&mut samples);
        assert_eq!((samples[0], samples[80], samples[159], samples[160]), (1000, 500, 6, 0));
        assert!(samples.windows(2).all(|pair| pair[0] >= pair[1]));
    }

    #[test]
    fn a_cosine_fade_starts_and_ends_without_a_corner() {
        let mut samples = [10_000i16; 160];
        Ramp::new(0.0, 1.0, MS_20, SampleRate::HZ_8000, Shape::RaisedCosine).apply(&mut samples);
        assert!(samples[1] <= 2 && samples[80] == 5_000 && samples[159] >= 9_998);
        assert!(samples.windows(2).all(|pair| pair[0] <= pair[1]));
    }

    #[test]
    fn a_ramp_does_not_care_how_the_sound_is_cut() {
        let sound: Vec<i16> = (0..400).map(|n| (n * 79 % 2_000 - 1_000) as i16).collect();
        let ramp = Ramp::new(1.0, 0.25, MS_20, SampleRate::HZ_8000, Shape::RaisedCosine);
        let mut whole = sound.clone();
        ramp.clone().apply(&mut whole);
        let (mut pieces, mut piecewise) = (sound, ramp);
        pieces.chunks_mut(7).for_each(|piece| piecewise.apply(piece));
        assert_eq!(whole, pieces);
    }

    #[test]
    fn a_ramp_turned_midway_goes_on_from_where_it_is() {
        let mut ramp = Ramp::new(1.0, 0.0, MS_20, SampleRate::HZ_8000, Shape::Linear);
        ramp.apply(&mut [0; 80]);
        ramp.turn(1.0, MS_20, SampleRate::HZ_8000);
        assert!((ramp.gain() - 0.5).abs() < 1e-6);
        ramp.apply(&mut [0; 160]);
        assert!(ramp.is_steady() && ramp.gain() == 1.0);
    }
}
