//! How loud a line's noise is, and how loud the voice over it.

use std::time::Duration;

use crate::audio::{Frame, level};

/// Follows the level of the noise (the least loudness of the last seconds) and of the voice (what rises well above it).
///
/// Frames are looked at one by one: a voice without a pause for seconds still has frames that are next to silent (before a
/// p, t or k), and noise has none.
///
/// ```text
///   level     ╭╮  ╭─╮╭╮        ╭──╮
///   voice ────││──│ ││├────────│──│───  follows what is loud, stays where it is in pauses
///             ││  │ ╰╯│        │  │
///   floor ~~~~╯╰~~╯~~~╰~~~~~~~~╯~~╰~~~  the least of sixteen pieces of 250 ms
/// ```
#[derive(Clone, Debug)]
pub(super) struct LineNoise {
    /// The least level of each of the last pieces, in dBFS, the newest last.
    least: [f32; Self::PIECES],
    piece: Duration,
    /// The level of the last frame.
    level: f32,
    voice: Option<f32>,
    /// How much sound was taken, up to a bound; how much of it was voice.
    taken: Duration,
    voiced: Duration,
}

impl LineNoise {
    /// What a voice is thought to be like before there was one, in dBFS.
    const USUAL_VOICE: f32 = -26.0;
    /// A line whose noise is softer than this is not noisy, however soft the voice; in dBFS.
    const INAUDIBLE: f32 = -62.0;
    /// By how much the voice rises above the noise, in decibels.
    const ABOVE: f32 = 8.0;
    /// Before so much sound nothing is known, and before so much voice nothing of it.
    const LEAST: Duration = Duration::from_millis(1_500);
    const LEAST_VOICE: Duration = Duration::from_millis(300);
    const PIECES: usize = 16;
    const PIECE: Duration = Duration::from_millis(250);

    /// Nothing is known.
    pub(super) const fn new() -> Self {
        Self {
            least: [f32::MAX; Self::PIECES],
            piece: Duration::ZERO,
            level: level::SILENCE_DBFS,
            voice: None,
            taken: Duration::ZERO,
            voiced: Duration::ZERO,
        }
    }

    /// Takes a frame that really came.
    pub(super) fn take(&mut self, frame: &Frame) {
        self.level = level::dbfs(frame.samples());
        let length = frame.duration();
        if self.piece >= Self::PIECE {
            self.piece = Duration::ZERO;
            self.least.rotate_left(1);
            self.least[Self::PIECES - 1] = f32::MAX;
        }
        self.piece += length;
        self.taken = (self.taken + length).min(Self::LEAST);
        if let Some(last) = self.least.last_mut() {
            *last = last.min(self.level);
        }
        if self.has_voice() {
            self.voiced = (self.voiced + length).min(Self::LEAST_VOICE);
            let voice = self.voice.get_or_insert(self.level);
            let pace = if self.level > *voice { 2.0 } else { 0.6 };
            *voice += (self.level - *voice) * (pace * length.as_secs_f32()).min(1.0);
        }
    }

    /// The level of the noise, in dBFS; `None`: not known yet.
    pub(super) fn floor(&self) -> Option<f32> {
        (self.taken >= Self::LEAST).then(|| self.least.iter().copied().fold(f32::MAX, f32::min))
    }

    /// The level of the voice while it sounds, in dBFS; `None`: there was not enough of it.
    pub(super) fn voice(&self) -> Option<f32> {
        self.voice.filter(|_| self.voiced >= Self::LEAST_VOICE)
    }

    /// Whether the last frame rises above the noise.
    pub(super) fn has_voice(&self) -> bool {
        self.floor().is_some_and(|floor| self.level > (floor + Self::ABOVE).max(-60.0))
    }

    /// By how many decibels the voice, or what is usual for one, rises above the noise; `None`: not known yet, or
    /// nothing anybody would hear.
    pub(super) fn ratio(&self) -> Option<f32> {
        let floor = self.floor()?;
        let ratio = self.voice().unwrap_or(Self::USUAL_VOICE) - floor;
        Some(if floor < Self::INAUDIBLE { f32::MAX } else { ratio })
    }

    /// Forgets the noise but not the voice: what comes next may come from elsewhere.
    pub(super) const fn reset(&mut self) {
        *self = Self { voice: self.voice, voiced: self.voiced, ..Self::new() };
    }
}
