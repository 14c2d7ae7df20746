//! One packet's sound from what plays.

use std::time::{Duration, Instant};

use crate::audio::level::{Ramp, Shape, gain};
use crate::audio::{Frame, SampleRate};

use super::playout::{Playout, Taken};

/// Takes the playout's sound and gives it its loudness: ducking, and fades where speech starts or breaks off in the
/// middle. Later sources (ambience, a second party) are added here.
#[derive(Debug)]
pub(super) struct Mixer {
    rate: SampleRate,
    ptime: Duration,
    level: Ramp,
    ducked: bool,
    /// The end of what was cut, dying away, for the beginning of a packet that has no speech.
    tail: Option<Frame>,
}

impl Mixer {
    /// Ducked speech is this much softer.
    const DUCK_DB: f32 = -12.0;
    /// How long the level takes to move, and how long resumed speech takes to come back.
    const GLIDE: Duration = Duration::from_millis(20);
    /// How long speech takes to fade where the voice was too slow, and to come back.
    const SEAM: Duration = Duration::from_millis(5);

    /// Full level.
    pub(super) fn new(rate: SampleRate, ptime: Duration) -> Self {
        Self { rate, ptime, level: steady(1.0), ducked: false, tail: None }
    }

    /// Softer, or back to full level.
    pub(super) fn duck(&mut self, ducked: bool) {
        if self.ducked != ducked {
            self.ducked = ducked;
            self.level.turn(self.target(), Self::GLIDE, self.rate);
        }
    }

    /// Held speech goes on at full level, fading in.
    pub(super) fn resume(&mut self) {
        self.ducked = false;
        self.level = Ramp::new(0.0, 1.0, Self::GLIDE, self.rate, Shape::RaisedCosine);
    }

    /// What comes next has nothing to do with what was.
    pub(super) fn unduck(&mut self) {
        self.ducked = false;
        self.level = steady(1.0);
    }

    /// What the playout would say next is cut: the next packet lets it die away.
    pub(super) fn fade(&mut self, playout: &Playout) {
        let mut tail = Frame::silence(self.rate, Self::SEAM);
        if playout.peek(tail.samples_mut()) == 0 {
            return;
        }
        self.level.apply(tail.samples_mut());
        Ramp::new(1.0, 0.0, Self::SEAM, self.rate, Shape::RaisedCosine).apply(tail.samples_mut());
        self.tail = Some(tail);
    }

    /// What was to die away is not heard any more.
    pub(super) fn forget_tail(&mut self) {
        self.tail = None;
    }

    /// One packet's sound.
    pub(super) fn frame(&mut self, playout: &mut Playout, now: Instant) -> (Frame, Taken) {
        let mut frame = Frame::silence(self.rate, self.ptime);
        let taken = playout.take(frame.samples_mut(), now);
        let tail = self.tail.take();
        if taken.samples == 0 {
            if let Some(tail) = tail {
                frame.samples_mut().iter_mut().zip(tail.samples()).for_each(|(sample, tail)| *sample = *tail);
            }
            return (frame, taken);
        }
        if taken.rejoined {
            self.level = Ramp::new(0.0, self.target(), Self::SEAM, self.rate, Shape::RaisedCosine);
        }
        if let Some(sound) = frame.samples_mut().get_mut(..taken.samples) {
            self.level.apply(sound);
            if taken.underrun.is_some() {
                let tail = sound.len().saturating_sub(self.rate.samples_in(Self::SEAM));
                let mut fade = Ramp::new(1.0, 0.0, Self::SEAM, self.rate, Shape::RaisedCosine);
                fade.apply(sound.get_mut(tail..).unwrap_or_default());
            }
        }
        (frame, taken)
    }

    fn target(&self) -> f32 {
        if self.ducked { gain(Self::DUCK_DB) } else { 1.0 }
    }
}

fn steady(gain: f32) -> Ramp {
    Ramp::new(gain, gain, Duration::ZERO, SampleRate::HZ_8000, Shape::RaisedCosine)
}
