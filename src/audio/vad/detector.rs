//! The decision, hop by hop.

use std::fmt;
use std::time::Duration;

use super::noise::Noise;
use super::spectrum::{BANDS, Bands, Spectrum, WINDOW};
use crate::audio::frame::{Frame, SampleRate};
use crate::audio::level;
use crate::audio::resample::Resampler;

/// What the detector says of one hop of sound.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Hop {
    /// Where the hop ends: samples pushed since the stream began, at the input's rate.
    pub end: u64,
    /// How likely it is speech, 0 to 1.
    pub probability: f32,
    /// How loud it is.
    pub level_dbfs: f32,
    /// Whether it counts as speech.
    pub voiced: bool,
}

/// Voice activity detector of one stream.
#[derive(Clone)]
pub struct Vad {
    rate: SampleRate,
    to_narrowband: Resampler,
    spectrum: Spectrum,
    noise: Noise,
    window: [i16; WINDOW],
    filled: usize,
    hops: u64,
    score: f32,
    likely: u32,
    hangover: u32,
}

impl Vad {
    /// How much sound one decision is about.
    pub const HOP: Duration = Duration::from_millis(10);

    /// A detector for sound of this rate.
    pub fn new(rate: SampleRate) -> Self {
        Self {
            rate,
            to_narrowband: Resampler::new(rate, SampleRate::HZ_8000),
            spectrum: Spectrum::new(),
            noise: Noise::new(),
            window: [0; WINDOW],
            filled: 0,
            hops: 0,
            score: 0.0,
            likely: 0,
            hangover: 0,
        }
    }

    /// Takes the next piece of the stream and reports every hop that it completes. A frame of another rate than the
    /// detector's is left out.
    pub fn push(&mut self, frame: &Frame, mut hop: impl FnMut(Hop)) {
        if frame.rate() != self.rate {
            return;
        }
        let Self { to_narrowband, .. } = self;
        let mut narrow = [0i16; 2 * Frame::CAPACITY];
        let mut count = 0;
        to_narrowband.process(frame.samples(), |samples| {
            let room = &mut narrow[count..];
            let taken = samples.len().min(room.len());
            room[..taken].copy_from_slice(&samples[..taken]);
            count += taken;
        });
        for &sample in &narrow[..count] {
            self.window[WINDOW - HOP + self.filled] = sample;
            self.filled += 1;
            if self.filled == HOP {
                hop(self.decide());
                self.window.copy_within(HOP.., 0);
                self.filled = 0;
            }
        }
    }

    /// How loud the background is.
    pub fn noise_floor_dbfs(&self) -> f32 {
        let power: f32 = self.noise.level().iter().sum::<f32>() / BANDS as f32;
        level::rms_to_dbfs(power.sqrt())
    }

    /// Forgets the stream so far.
    pub fn reset(&mut self) {
        *self = Self::new(self.rate);
    }

    fn decide(&mut self) -> Hop {
        self.hops += 1;
        let level_dbfs = level::dbfs(&self.window[WINDOW - HOP..]);
        let mut probability = 0.0;
        if level_dbfs > SILENT_DBFS {
            let power = self.spectrum.bands(&self.window);
            let score = score(&power, self.noise.level());
            self.score = score;
            probability = score / (score + THRESHOLD);
            self.noise.update(&power, probability);
        }
        if probability > 0.5 {
            self.likely += 1;
        } else {
            self.likely = 0;
        }
        if self.likely >= 2 || probability > 0.8 {
            self.hangover = HANGOVER + 1;
        }
        self.hangover = self.hangover.saturating_sub(1);
        let voiced = self.hangover > 0;
        Hop { end: self.hops * (HOP as u64) * u64::from(self.rate.hz()) / 8000, probability, level_dbfs, voiced }
    }
}

fn score(power: &Bands, noise: &Bands) -> f32 {
    let mut sum = 0.0;
    for band in 0..BANDS {
        let ratio = power[band] / noise[band];
        if ratio > 1.0 {
            sum += (ratio - 1.0 - ratio.ln()).min(10.0);
        }
    }
    sum / BANDS as f32
}

impl fmt::Debug for Vad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vad({:?}, {} hops, floor {:.0} dBFS)", self.rate, self.hops, self.noise_floor_dbfs())
    }
}

/// Samples in a hop at 8 kHz.
const HOP: usize = 80;
/// What is quieter is nobody's voice.
const SILENT_DBFS: f32 = -64.0;
const THRESHOLD: f32 = 0.5;
const HANGOVER: u32 = 6;
