//! A recogniser that hears nothing, or fails: the caller's voice is given to another, or to the same one again.

use std::time::{Duration, Instant};

use crate::conversation::{Failure, Service};

use super::machine::{Dialogue, why};
use super::{Action, DialogueEvent};

/// What is heard again begins this long before the voice did: the detector is later than the first sound of a word.
const PREROLL: Duration = Duration::from_millis(500);

impl Dialogue {
    /// When a voice without words is heard again: once a turn.
    pub(super) fn rehear_at(&self) -> Option<Instant> {
        let timing = &self.spec.timing;
        let may = !self.turn.reheard && !self.turn.is_open() && self.turn.voiced >= timing.interrupt_after;
        let is_free = self.replies.is_empty() && self.tools.is_empty() && self.owed.is_none();
        let listens = !self.is_on_hold() && self.cut.is_none() && !self.voice.is_noise;
        let lives = self.has_stt && self.ending.is_none();
        Some(self.turn.longest.filter(|_| may && is_free && listens && lives)? + timing.rehear_after)
    }

    /// Voice, and no words for long: perhaps it is the recogniser that does not hear.
    pub(super) fn hear_again(&mut self, now: Instant) {
        let began = self.turn.began.unwrap_or(now);
        self.turn.reheard = true;
        let inputs = format!("voiced {} ms, no words", self.turn.voiced.as_millis());
        self.rehear(began, "stt.rehear", inputs);
    }

    /// The recogniser has failed and there is another: it hears what was not settled, and goes on.
    pub(super) fn replace_stt(&mut self, failure: Failure, now: Instant) {
        let why = why("stt.failed", "its backup hears what was not settled, and goes on");
        self.tell(DialogueEvent::ServiceFailed { service: Service::Stt, failure, why });
        // Where everything was settled, nothing of what was said before is heard twice.
        let settled = self.voice.stopped.map_or(now, |stopped| now.max(stopped + PREROLL));
        let since = self.turn.unsettled_since().unwrap_or(settled);
        self.turn.reheard = true;
        self.turn.finalized = false;
        self.rehear(since, "stt.backup", "the recogniser has failed".into());
    }

    fn rehear(&mut self, since: Instant, rule: &'static str, inputs: String) {
        self.tell(DialogueEvent::Hedged { service: Service::Stt, reply: None, backup: None, why: why(rule, inputs) });
        let since = self.since_begin(since).saturating_sub(PREROLL);
        self.act(Action::Rehear { since });
    }
}
