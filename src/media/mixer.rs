//! One packet's sound from what plays.

use std::time::{Duration, Instant};

use crate::audio::level::{self, Ramp, Shape, gain};
use crate::audio::{Frame, SampleRate};
use crate::conversation::{Ambience, ReplyId};

use super::bed::Bed;
use super::loudness::Loudness;
use super::playout::{Playout, Taken};

/// Takes the playout's sound and gives it its loudness: ducking, and edges that do not click wherever speech starts,
/// breaks off or ends. Under it lies the [`Bed`], which none of this moves.
#[derive(Debug)]
pub(super) struct Mixer {
    rate: SampleRate,
    ptime: Duration,
    level: Ramp,
    ducked: bool,
    /// The end of what was cut, dying away over the beginning of what comes next.
    tail: Option<Frame>,
    /// The last sample of speech that may go on in the next packet.
    last: i16,
    bed: Bed,
    loudness: Loudness,
}

impl Mixer {
    /// Ducked speech is this much softer.
    const DUCK_DB: f32 = -12.0;
    /// How long the level takes to move, and how long resumed speech takes to come back.
    const GLIDE: Duration = Duration::from_millis(20);
    /// How long speech takes to fade where it is cut or the voice was too slow, and to come back.
    const SEAM: Duration = Duration::from_millis(5);
    /// How long a voice takes to come that begins in the middle of a wave, and with what step it does: a voice that begins
    /// by itself, with a plosive say, begins with less (−12 dBFS).
    const ONSET: Duration = Duration::from_millis(3);
    const ONSET_STEP: u16 = 8_192;
    /// A last value that may be followed by silence: −42 dBFS, which nobody hears as a click.
    const STEP: u16 = 256;

    /// Full level.
    pub(super) fn new(rate: SampleRate, ptime: Duration, bed: Bed, loudness: Loudness) -> Self {
        Self { rate, ptime, level: steady(1.0), ducked: false, tail: None, last: 0, bed, loudness }
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

    /// What lies under the speech from here on.
    pub(super) fn set_ambience(&mut self, ambience: Ambience) {
        self.bed.want(ambience);
    }

    /// Sound of a reply has come.
    pub(super) fn hear(&mut self, reply: ReplyId, samples: &[i16], rate: SampleRate) {
        self.loudness.hear(reply, samples, rate);
    }

    /// The voice of `rank` speaks a reply.
    pub(super) fn spoken_by(&mut self, reply: ReplyId, rank: u8) {
        self.loudness.expect(reply, rank);
    }

    /// Another voice is the first from here on.
    pub(super) fn change_voice(&mut self) {
        self.loudness.change_voice(self.rate);
    }

    /// How loud each voice was found to be.
    pub(super) fn voices(&self) -> [Option<f32>; 2] {
        self.loudness.found()
    }

    /// What the playout would say next is cut: the next packet lets it die away.
    pub(super) fn fade(&mut self, playout: &Playout) {
        if self.last == 0 {
            // Nothing goes on, or it dies away already.
            return;
        }
        let mut tail = Frame::silence(self.rate, Self::SEAM);
        let there = playout.peek(tail.samples_mut());
        if there < tail.samples().len() / 2 {
            // It was about to end, or has: what is left is its last value.
            self.die_away();
            return;
        }
        self.last = 0;
        let there = tail.samples_mut().get_mut(..there).unwrap_or_default();
        level::scale(there, self.loudness.factor());
        self.level.apply(there);
        let length = self.rate.duration_of(there.len());
        Ramp::new(1.0, 0.0, length, self.rate, Shape::RaisedCosine).apply(there);
        self.tail = Some(tail);
    }

    /// What the playout would say next is cut at the far side, which throws away what it has.
    pub(super) fn cut(&mut self) {
        (self.tail, self.last) = (None, 0);
    }

    /// The packet before a key, in which speech dies away, and the bed where `silent`; `None`: there is nothing to be
    /// heard that would. What was being said fades in when it goes on.
    pub(super) fn give_way(&mut self, playout: &Playout, silent: bool) -> Option<Frame> {
        if self.last != 0 {
            self.fade(playout);
            self.level = Ramp::new(0.0, self.target(), Self::SEAM, self.rate, Shape::RaisedCosine);
        }
        let gives_way = silent && self.bed.is_audible();
        if self.tail.is_none() && !gives_way {
            return None;
        }
        self.bed.mute(silent);
        let mut frame = Frame::silence(self.rate, self.ptime);
        self.add_tail(frame.samples_mut());
        self.bed.mix(&mut frame);
        // A packet is longer than any tail.
        self.tail = None;
        Some(frame)
    }

    /// A packet in which something else sounds than speech: adds the bed.
    pub(super) fn under(&mut self, frame: &mut Frame) {
        self.bed.mix(frame);
    }

    /// Writes one packet's sound in the place of what `frame` held.
    pub(super) fn fill(&mut self, frame: &mut Frame, playout: &mut Playout, now: Instant) -> Taken {
        frame.restart(self.rate);
        frame.grow(self.rate.samples_in(self.ptime));
        let taken = playout.take(frame.samples_mut(), now);
        if taken.samples == 0 || taken.first {
            self.die_away();
        }
        if let Some(speech) = frame.samples_mut().get_mut(..taken.samples).filter(|speech| !speech.is_empty()) {
            if self.loudness.is_enabled()
                && let Some(reply) = taken.reply
            {
                let next = || playout.peak(self.rate.samples_in(self.ptime));
                self.loudness.apply(speech, next, reply, taken.first, self.ptime);
            }
            self.speak(speech, taken);
        }
        self.add_tail(frame.samples_mut());
        if taken.samples > 0 && taken.samples < frame.samples().len() {
            // It ended in the middle of the packet.
            self.die_away();
            self.add_tail(frame.samples_mut().get_mut(taken.samples..).unwrap_or_default());
        }
        self.bed.mute(false);
        self.bed.mix(frame);
        taken
    }

    /// Gives speech its level and its edges.
    fn speak(&mut self, speech: &mut [i16], taken: Taken) {
        if taken.rejoined {
            self.level = Ramp::new(0.0, self.target(), Self::SEAM, self.rate, Shape::RaisedCosine);
        }
        let is_abrupt = taken.first && speech.first().is_some_and(|first| first.unsigned_abs() > Self::ONSET_STEP);
        self.level.apply(speech);
        if is_abrupt {
            Ramp::new(0.0, 1.0, Self::ONSET, self.rate, Shape::RaisedCosine).apply(speech);
        }
        // Of what is too short to fade its last value is left to die away.
        if taken.underrun.is_some()
            && let Some(tail) = speech.len().checked_sub(self.rate.samples_in(Self::SEAM))
        {
            let fading = speech.get_mut(tail..).unwrap_or_default();
            Ramp::new(1.0, 0.0, Self::SEAM, self.rate, Shape::RaisedCosine).apply(fading);
        }
        self.last = speech.last().copied().unwrap_or(0);
    }

    /// Speech that ended where it was loud glides to nothing from there.
    fn die_away(&mut self) {
        let last = std::mem::take(&mut self.last);
        if last.unsigned_abs() > Self::STEP {
            let mut tail = Frame::silence(self.rate, Self::SEAM);
            tail.samples_mut().fill(last);
            Ramp::new(1.0, 0.0, Self::SEAM, self.rate, Shape::RaisedCosine).apply(tail.samples_mut());
            self.tail = Some(tail);
        }
    }

    /// Adds what dies away; what there is no room for is kept.
    fn add_tail(&mut self, samples: &mut [i16]) {
        let Some(tail) = self.tail.take() else { return };
        level::mix(samples, tail.samples());
        let rest = tail.samples().get(samples.len()..).unwrap_or_default();
        if !rest.is_empty() {
            self.tail = Frame::from_samples(self.rate, rest);
        }
    }

    fn target(&self) -> f32 {
        if self.ducked { gain(Self::DUCK_DB) } else { 1.0 }
    }
}

fn steady(gain: f32) -> Ramp {
    Ramp::new(gain, gain, Duration::ZERO, SampleRate::HZ_8000, Shape::RaisedCosine)
}
