//! How loud the background is, band by band.

use super::spectrum::{BANDS, Bands};

/// Follows the noise under speech: the least each band has been in the last second, refined while nobody speaks.
#[derive(Clone, Debug)]
pub(super) struct Noise {
    level: Bands,
    smoothed: Bands,
    /// The least of each past piece of the last second, and of the present piece.
    least: [Bands; PIECES],
    present: Bands,
    hops: usize,
    /// Loudness of the last hops in decibels, for how steady it is.
    loudness: [f32; STEADY_HOPS],
}

impl Noise {
    pub(super) const fn new() -> Self {
        Self {
            level: [QUIETEST; BANDS],
            smoothed: [QUIETEST; BANDS],
            // Nothing is known yet: as far as we know it was quiet.
            least: [[QUIETEST; BANDS]; PIECES],
            present: [f32::MAX; BANDS],
            hops: 0,
            loudness: [0.0; STEADY_HOPS],
        }
    }

    /// The power of the noise in each band, never below the quietest that matters.
    pub(super) const fn level(&self) -> &Bands {
        &self.level
    }

    /// Takes the power of one hop, how loud it is in decibels and how likely it is speech.
    pub(super) fn update(&mut self, power: &Bands, loudness: f32, probability: f32) {
        let pace = if self.is_steady(loudness) { PACE } else { PACE * (1.0 - 2.0 * probability).max(0.0) };
        for band in 0..BANDS {
            self.smoothed[band] += SMOOTHING * (power[band] - self.smoothed[band]);
            self.present[band] = self.present[band].min(self.smoothed[band]);
            let least = self.least.iter().fold(self.present[band], |least, piece| least.min(piece[band]));
            let level = self.level[band] + pace * (power[band] - self.level[band]);
            self.level[band] = level.max(BIAS * least).max(QUIETEST);
        }
        self.hops += 1;
        if self.hops == PIECE {
            self.least.rotate_left(1);
            self.least[PIECES - 1] = self.present;
            self.present = [f32::MAX; BANDS];
            self.hops = 0;
        }
    }

    /// Whether the loudness has hardly moved for a third of a second: no voice is so even.
    fn is_steady(&mut self, loudness: f32) -> bool {
        self.loudness.rotate_left(1);
        self.loudness[STEADY_HOPS - 1] = loudness;
        let mean = self.loudness.iter().sum::<f32>() / STEADY_HOPS as f32;
        let variance = self.loudness.iter().map(|one| (one - mean).powi(2)).sum::<f32>() / STEADY_HOPS as f32;
        variance < STEADY_DB * STEADY_DB
    }
}

/// Power of the quietest noise worth following: −68 dBFS.
const QUIETEST: f32 = 170.0;
/// Hops in a piece, and past pieces: with the present one they are the second over which the least is sought.
const PIECE: usize = 10;
const PIECES: usize = 9;
/// How fast the smoothed power follows.
const SMOOTHING: f32 = 0.25;
/// How fast the level follows while nobody speaks.
const PACE: f32 = 0.08;
/// The least of a smoothed noise lies below its mean by this factor.
const BIAS: f32 = 1.6;
/// How many hops must be even, and how even: white noise spreads by 0.7 dB.
const STEADY_HOPS: usize = 32;
const STEADY_DB: f32 = 1.2;
