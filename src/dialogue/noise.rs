//! Voice without words: noise that the conversation goes on over.

use std::time::{Duration, Instant};

use crate::conversation::Backdrop;

use super::DialogueEvent;
use super::endpointing::Voice;
use super::machine::{Dialogue, Floor, why};
use super::words::Meaning;

/// Who talks around a caller leaves no longer pauses.
const RUN_PAUSE: Duration = Duration::from_millis(1_000);

impl Dialogue {
    /// How long a voice may bring no word before it is taken for noise. Nobody speaks for four seconds without one; while
    /// the agent is held for it, patience is shorter.
    pub(super) fn noise_after(&self) -> Duration {
        let timing = &self.spec.timing;
        match (self.floor, self.voice.over) {
            _ if self.withheld && self.voice.over == Backdrop::Noise => timing.noise_after.min(timing.stuck_turn),
            (Floor::Held { .. }, Backdrop::Noise) => timing.noise_after_noisy.min(timing.stuck_turn),
            (Floor::Held { .. }, _) => timing.noise_after.min(timing.stuck_turn),
            _ => timing.stuck_turn,
        }
    }

    /// How long the caller's voice has brought no word, over pauses too short for one to be waited for.
    pub(super) fn wordless(&self, now: Instant) -> Duration {
        let Some((began, voiced)) = self.voice.current else { return Duration::ZERO };
        let (began, before) = self.voice.run.unwrap_or((began, Duration::ZERO));
        let worded = self.turn.text_at().map_or(began, |at| at.max(began)).max(self.words_at.min(now));
        let wordless = now.saturating_duration_since(worded);
        // While the agent is held for it, its pauses count: they are silence to the caller.
        if matches!(self.floor, Floor::Held { .. }) { wordless } else { wordless.min(before + voiced) }
    }

    /// A stretch of voice begins: whether it goes on from the one before.
    pub(super) fn follow_run(&mut self, began: Instant) {
        let goes_on = self.voice.stopped.is_some_and(|stopped| stopped + RUN_PAUSE >= began);
        self.voice.run = match self.voice.run {
            Some((since, before)) if goes_on => Some((since, before + self.voice.last_voiced)),
            _ => Some((began, Duration::ZERO)),
        };
    }

    /// The voice that goes on is noise: the conversation goes on over it.
    pub(super) fn take_for_noise(&mut self, now: Instant) {
        self.voice.is_noise = true;
        self.voice.noise_until = Some(now + self.spec.timing.noise_memory);
        self.voice.stopped = Some(now);
        if self.replies.is_empty() || self.turn.has_text() {
            self.turn.stopped = self.turn.began.filter(|_| !self.turn.has_text()).map(|_| now);
        } else if self.turn.keys.is_empty() {
            // The agent has something to say: nobody needs to be asked to repeat what was noise.
            self.turn.forget_words(now);
        }
        self.withheld = false;
        let voiced = self.voice.current.map_or(Duration::ZERO, |(_, voiced)| voiced);
        let inputs = format!("voiced {} ms, no words{}", voiced.as_millis(), self.voice.under());
        self.tell(DialogueEvent::Ignored { why: why("noise.no-words", inputs) });
        match self.floor {
            Floor::Held { since, .. } if !self.turn.has_text() => self.resume("barge-in.noise", since, now),
            _ => self.decide(now),
        }
    }

    /// Voice that comes up soon after noise is the same noise: only words tell it from a caller.
    pub(super) fn remember_noise(&mut self, now: Instant) {
        if self.voice.noise_until.is_some_and(|until| now < until) {
            if self.voice.current.is_none() {
                self.voice.is_noise = true;
            }
            if self.voice.is_noise {
                self.voice.noise_until = Some(now + self.spec.timing.noise_memory);
            }
        }
    }

    /// Somebody wants to stop a line that may not be stopped: told once of each turn.
    pub(super) fn note_objection(&mut self, meaning: Meaning) {
        if meaning.stop && !std::mem::replace(&mut self.turn.objected, true) {
            let inputs = format!("words {}", meaning.real + meaning.backchannel);
            self.tell(DialogueEvent::Ignored { why: why("barge-in.uninterruptible", inputs) });
        }
    }
}

impl Voice {
    /// What lies under it, for a decision's inputs.
    pub(super) const fn under(&self) -> &'static str {
        match self.over {
            Backdrop::Quiet => "",
            Backdrop::Noise => ", over noise",
            Backdrop::Echo => ", over echo",
        }
    }
}
