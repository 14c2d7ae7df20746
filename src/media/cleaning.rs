//! What the recogniser gets of the caller's sound: without its noise and at a good level, where that was asked for.

use std::time::{Duration, Instant};

use crate::audio::level::{Ramp, Shape};
use crate::audio::{AutoGain, Denoiser, Frame, SampleRate};
use crate::conversation::Denoising;

use super::line_noise::LineNoise;

/// Takes noise out of the frames of a line, while it is noisy or always, and evens out their level.
///
/// Detectors hear what came: only the frames for the recogniser pass through here. The suppressor keeps some 45 kB and holds
/// the sound back by 16 ms, so it is made when it is first needed, at a deadline of its own rather than under a packet:
///
/// ```text
///   clean ──noisy for 1 s──▶ a deadline: made ──▶ warms up 200 ms ──in a pause, or after 1 s──▶ faded in, 20 ms
///     ▲                                                                                                │
///     └─────────── faded out, 20 ms ◀──in a pause, or after 1 s── clean for 5 s ◀──────────────────────┘
/// ```
///
/// Fading in a pause, what the 16 ms are put into or left out of is noise, not a word.
#[derive(Debug)]
pub(super) struct Cleaning {
    mode: Denoising,
    rate: SampleRate,
    noise: LineNoise,
    denoiser: Option<Box<Denoiser>>,
    /// When it is to be made.
    make_at: Option<Instant>,
    /// Whether noise is wanted out, and for how long the line has said otherwise.
    wanted: bool,
    otherwise: Duration,
    /// How long the suppressor has run, and for how long it could be faded in or out.
    ran: Duration,
    waited: Duration,
    /// The share of what the suppressor makes.
    share: Ramp,
    gain: Option<AutoGain>,
    frame: Frame,
    /// Whether the last frame was changed.
    changed: bool,
    cleaned: Duration,
}

impl Cleaning {
    /// A voice less than this above the noise makes a line noisy; more than this a clean one again. In decibels, as
    /// [`LineNoise::ratio`] counts, which is 2 to 4 more than the mean ratio of voice to noise.
    const NOISY: f32 = 21.0;
    const CLEAN: f32 = 26.0;
    /// For how long a line must be so.
    const ENGAGE: Duration = Duration::from_secs(1);
    const RELEASE: Duration = Duration::from_secs(5);
    /// How long the suppressor runs before it is heard.
    const WARM_UP: Duration = Duration::from_millis(200);
    /// How long a pause is waited for.
    const PATIENCE: Duration = Duration::from_secs(1);
    const FADE: Duration = Duration::from_millis(20);
    /// How long after it is known to be needed the suppressor is made.
    const SOON: Duration = Duration::from_millis(1);

    pub(super) fn new(mode: Denoising, auto_gain: bool, rate: SampleRate) -> Self {
        let always = mode == Denoising::NoiseAndSpeech;
        Self {
            mode,
            rate,
            noise: LineNoise::new(),
            denoiser: always.then(|| Box::new(Denoiser::new(rate))),
            make_at: None,
            wanted: always,
            otherwise: Duration::ZERO,
            ran: Duration::ZERO,
            waited: Duration::ZERO,
            share: Ramp::steady(if always { 1.0 } else { 0.0 }),
            gain: auto_gain.then(AutoGain::new),
            frame: Frame::empty(rate),
            changed: false,
            cleaned: Duration::ZERO,
        }
    }

    /// Goes on in another mode, faded.
    pub(super) fn set_mode(&mut self, mode: Denoising) {
        self.mode = mode;
        self.make_at = None;
        self.otherwise = Duration::ZERO;
        self.wanted = match mode {
            Denoising::None => false,
            Denoising::Noise => self.wanted,
            Denoising::NoiseAndSpeech => true,
        };
        if self.wanted && self.denoiser.is_none() {
            self.make();
        }
    }

    /// Takes the next frame; `is_real`: it came, and was not made up or silenced.
    pub(super) fn take(&mut self, frame: &Frame, is_real: bool, now: Instant) {
        self.changed = false;
        if self.mode == Denoising::None && self.is_idle() && self.gain.is_none() {
            return;
        }
        if is_real {
            self.noise.take(frame);
            if self.mode == Denoising::Noise {
                self.judge(frame.duration(), now);
            }
        }
        if self.is_idle() && self.gain.is_none() {
            return;
        }
        self.frame = *frame;
        self.denoise();
        if let Some(gain) = &mut self.gain {
            let voice = self.noise.voice().filter(|_| is_real && self.noise.has_voice());
            gain.process(&mut self.frame, voice);
            self.changed = true;
        }
    }

    /// The last frame as the recogniser gets it; `None`: as it came.
    pub(super) fn frame(&self) -> Option<&Frame> {
        self.changed.then_some(&self.frame)
    }

    /// How much older its sound is than that of the frame that was taken.
    pub(super) fn delay(&self) -> Duration {
        self.denoiser.as_ref().filter(|_| self.share.gain() >= 0.5).map_or(Duration::ZERO, |denoiser| denoiser.delay())
    }

    /// How much sound was cleaned.
    pub(super) const fn cleaned(&self) -> Duration {
        self.cleaned
    }

    /// When the suppressor is to be made.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.make_at
    }

    /// Makes the suppressor if it is time.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.make_at.is_some_and(|at| at <= now) {
            self.make();
        }
    }

    /// What comes next may come from elsewhere.
    pub(super) fn reset(&mut self) {
        self.noise.reset();
        self.otherwise = Duration::ZERO;
    }

    fn make(&mut self) {
        self.make_at = None;
        self.denoiser.get_or_insert_with(|| Box::new(Denoiser::new(self.rate)));
    }

    /// Nothing is suppressed, nor about to be.
    fn is_idle(&self) -> bool {
        self.denoiser.is_none() || (!self.wanted && self.share.is_steady() && self.share.gain() == 0.0)
    }

    /// Whether the line has become noisy, or clean.
    fn judge(&mut self, length: Duration, now: Instant) {
        let Some(ratio) = self.noise.ratio() else { return };
        let other = if self.wanted { ratio > Self::CLEAN } else { ratio < Self::NOISY };
        self.otherwise = if other { self.otherwise + length } else { Duration::ZERO };
        let patience = if self.wanted { Self::RELEASE } else { Self::ENGAGE };
        if self.otherwise < patience {
            return;
        }
        self.wanted = !self.wanted;
        self.otherwise = Duration::ZERO;
        if self.wanted && self.denoiser.is_none() {
            self.make_at = Some(now + Self::SOON);
        }
    }

    /// Runs the suppressor over the frame, and fades between what came and what it makes.
    fn denoise(&mut self) {
        if self.is_idle() {
            (self.ran, self.waited) = (Duration::ZERO, Duration::ZERO);
            return;
        }
        let Some(denoiser) = &mut self.denoiser else { return };
        let length = self.frame.duration();
        let came = self.frame;
        denoiser.process(&mut self.frame);
        self.ran = (self.ran + length).min(Self::WARM_UP);
        let to = if self.wanted { 1.0 } else { 0.0 };
        if self.share.is_steady() && self.share.gain() != to && (!self.wanted || self.ran >= Self::WARM_UP) {
            self.waited += length;
            if !self.noise.has_voice() || self.waited >= Self::PATIENCE {
                self.waited = Duration::ZERO;
                self.share = Ramp::new(self.share.gain(), to, Self::FADE, self.rate, Shape::RaisedCosine);
            }
        }
        if self.share.is_steady() && self.share.gain() == 0.0 {
            self.frame = came;
            return;
        }
        self.cleaned = self.cleaned.saturating_add(length);
        self.changed = true;
        if !self.share.is_steady() {
            for (clean, &raw) in self.frame.samples_mut().iter_mut().zip(came.samples()) {
                let share = self.share.advance();
                *clean = (f32::from(raw) + (f32::from(*clean) - f32::from(raw)) * share).round() as i16;
            }
        }
    }
}

#[cfg(test)]
mod tests;
