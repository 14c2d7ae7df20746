//! Is somebody speaking?

use std::time::Duration;

use super::frame::{Frame, SampleRate};
use super::level;

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
#[derive(Clone, Debug)]
pub struct Vad {
    rate: SampleRate,
    heard: u64,
    sum: u64,
    count: usize,
    floor_dbfs: f32,
}

impl Vad {
    /// How much sound one decision is about.
    pub const HOP: Duration = Duration::from_millis(10);

    /// A detector for sound of this rate.
    pub fn new(rate: SampleRate) -> Self {
        Self { rate, heard: 0, sum: 0, count: 0, floor_dbfs: -60.0 }
    }

    /// Takes the next piece of the stream and reports every hop that it completes. A frame of another rate than the
    /// detector's is left out.
    pub fn push(&mut self, frame: &Frame, mut hop: impl FnMut(Hop)) {
        if frame.rate() != self.rate {
            return;
        }
        let length = self.rate.samples_in(Self::HOP);
        for &sample in frame.samples() {
            self.sum += u64::from(i32::from(sample).unsigned_abs()).pow(2);
            self.count += 1;
            self.heard += 1;
            if self.count == length {
                let level_dbfs = level::rms_to_dbfs((self.sum as f32 / length as f32).sqrt());
                let step = if level_dbfs > self.floor_dbfs { 0.02 } else { 1.0 };
                self.floor_dbfs += (level_dbfs.max(-70.0) - self.floor_dbfs).clamp(-10.0, 10.0) * step;
                let voiced = level_dbfs > self.floor_dbfs + 10.0;
                let probability = if voiced { 0.9 } else { 0.1 };
                hop(Hop { end: self.heard, probability, level_dbfs, voiced });
                (self.sum, self.count) = (0, 0);
            }
        }
    }

    /// How loud the background is.
    pub const fn noise_floor_dbfs(&self) -> f32 {
        self.floor_dbfs
    }

    /// Forgets the stream so far.
    pub fn reset(&mut self) {
        *self = Self::new(self.rate);
    }
}
