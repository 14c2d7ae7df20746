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
    /// How loud it is: root mean square in decibels below full scale.
    pub level_dbfs: f32,
    /// Whether speech is heard in it.
    pub heard: bool,
    /// Whether it counts as speech: it is heard, or was less than [`Vad::HANGOVER`] ago.
    pub voiced: bool,
}

/// Voice activity detector of one stream.
///
/// A hop goes through two stages. What is quieter than any voice on a line is dismissed by its level, at almost no cost.
/// The rest is looked at in critical bands: each band that stands out of the noise tracked in it adds its
/// log-likelihood ratio (Sohn, Kim and Sung, 1999), so that a voice is found by the few bands it fills while a steady
/// noise or hum, however loud, is silence once it is known (a third of a second to a second). Speech lasts
/// [`HANGOVER`](Self::HANGOVER) longer than it is heard. A cough or other voices may count as speech.
///
/// Whatever the rate, only the telephone band is looked at. [`push`](Self::push) allocates nothing.
#[derive(Clone)]
pub struct Vad {
    rate: SampleRate,
    to_narrowband: Resampler,
    spectrum: Spectrum,
    noise: Noise,
    /// The last 20 ms at 8 kHz; the newest hop, at its end, is filled so far.
    window: [i16; WINDOW],
    filled: usize,
    pushed: u64,
    hops: u64,
    score: f32,
    /// How many hops in a row were likely speech, and for how many more speech lasts.
    likely: u32,
    hangover: u32,
}

impl Vad {
    /// How much sound one decision is about.
    pub const HOP: Duration = Duration::from_millis(10);
    /// How much longer than it is heard speech counts as such: the closure of a "t", the fading of a word.
    pub const HANGOVER: Duration = Duration::from_millis(10 * HANGOVER_HOPS as u64);

    /// A detector for sound of this rate.
    pub fn new(rate: SampleRate) -> Self {
        Self {
            rate,
            to_narrowband: Resampler::new(rate, SampleRate::HZ_8000),
            spectrum: Spectrum::new(),
            noise: Noise::new(),
            window: [0; WINDOW],
            filled: 0,
            pushed: 0,
            hops: 0,
            score: 0.0,
            likely: 0,
            hangover: 0,
        }
    }

    /// Takes the next piece of the stream and reports every hop that it completes. A frame of another rate than the
    /// detector's is left out.
    pub fn push(&mut self, frame: &Frame, hop: impl FnMut(Hop)) {
        if frame.rate() != self.rate {
            return;
        }
        self.pushed += frame.samples().len() as u64;
        if self.rate == SampleRate::HZ_8000 {
            return self.take(frame.samples(), hop);
        }
        let mut narrow = [0i16; NARROW];
        let mut count = 0;
        self.to_narrowband.process(frame.samples(), |samples| {
            let room = &mut narrow[count..];
            let taken = samples.len().min(room.len());
            room[..taken].copy_from_slice(&samples[..taken]);
            count += taken;
        });
        self.take(&narrow[..count], hop);
    }

    /// Takes sound at 8 kHz.
    fn take(&mut self, mut rest: &[i16], mut hop: impl FnMut(Hop)) {
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(HOP - self.filled));
            let start = WINDOW - HOP + self.filled;
            self.window[start..start + now.len()].copy_from_slice(now);
            self.filled += now.len();
            if self.filled == HOP {
                hop(self.decide());
                self.window.copy_within(HOP.., 0);
                self.filled = 0;
            }
            rest = later;
        }
    }

    /// How loud the background is, in decibels below full scale; −68 when it is quieter than that.
    pub fn noise_floor_dbfs(&self) -> f32 {
        let mean = self.noise.level().iter().sum::<f32>() / BANDS as f32;
        level::rms_to_dbfs(mean.sqrt())
    }

    /// Forgets the stream so far. Allocates nothing.
    pub fn reset(&mut self) {
        self.to_narrowband.reset();
        self.noise = Noise::new();
        self.window = [0; WINDOW];
        (self.filled, self.pushed, self.hops) = (0, 0, 0);
        (self.score, self.likely, self.hangover) = (0.0, 0, 0);
    }

    /// The decision about the hop that is full.
    fn decide(&mut self) -> Hop {
        self.hops += 1;
        let end = self.hops * HOP as u64 * u64::from(self.rate.hz()) / u64::from(SampleRate::HZ_8000.hz());
        let level_dbfs = level::dbfs(&self.window[WINDOW - HOP..]);
        let probability = if level_dbfs < SILENT_DBFS { 0.0 } else { self.listen(level_dbfs) };
        self.score = if probability > 0.0 { self.score } else { 0.0 };
        self.likely = if probability > 0.5 { self.likely + 1 } else { 0 };
        // One hop alone must be beyond doubt.
        let heard = self.likely >= 2 || probability > CERTAIN;
        let voiced = heard || self.hangover > 0;
        self.hangover = if heard { HANGOVER_HOPS } else { self.hangover.saturating_sub(1) };
        // A resampler completes a hop up to a few samples before the input does.
        Hop { end: end.min(self.pushed), probability, level_dbfs, heard, voiced }
    }

    /// The second stage: how likely the last 20 ms are speech.
    fn listen(&mut self, level_dbfs: f32) -> f32 {
        let power = self.spectrum.bands(&self.window);
        let score = score(&power, self.noise.level());
        // Up at once, down more slowly: words are longer than hops.
        self.score = score.max(self.score + DECAY * (score - self.score));
        let probability = self.score / (self.score + EVEN);
        self.noise.update(&power, level_dbfs, probability);
        probability
    }
}

impl fmt::Debug for Vad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vad({:?}, {} hops, floor {:.0} dBFS)", self.rate, self.hops, self.noise_floor_dbfs())
    }
}

/// The mean log-likelihood ratio of the bands that stand out of the noise, each weighed by the width that makes it
/// reliable.
fn score(power: &Bands, noise: &Bands) -> f32 {
    let bands = power.iter().zip(noise).zip(&WEIGHTS);
    let sum: f32 = bands
        .map(|((power, noise), weight)| {
            let ratio = power / noise;
            if ratio > 1.0 { weight * (ratio - 1.0 - ratio.ln()).min(MOST) } else { 0.0 }
        })
        .sum();
    sum / WEIGHTS.iter().sum::<f32>()
}

/// Samples in a hop at 8 kHz.
const HOP: usize = 80;
/// The most samples at 8 kHz a frame can become: from 4 kHz twice its own.
const NARROW: usize = 2 * Frame::CAPACITY;
/// What is quieter is nobody's voice.
const SILENT_DBFS: f32 = -64.0;
/// The score at which speech and noise are equally likely.
const EVEN: f32 = 0.4;
/// How fast the score falls.
const DECAY: f32 = 0.4;
/// How likely one hop alone must be.
const CERTAIN: f32 = 0.8;
const HANGOVER_HOPS: u32 = 6;
/// The most one band can say.
const MOST: f32 = 10.0;
/// About the square root of each band's bins.
const WEIGHTS: [f32; BANDS] = [1.0, 1.1, 1.0, 1.0, 1.1, 1.2, 1.1, 1.3, 1.3, 1.3, 1.5, 1.6, 1.7, 1.8, 2.0, 2.1];
