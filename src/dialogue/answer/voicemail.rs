//! A machine that takes messages: its beep, the message, and somebody who picks up after all.

use std::time::{Duration, Instant};

use crate::dialogue::endpointing::Endpoint;
use crate::dialogue::machine::{Dialogue, why};
use crate::dialogue::profile::Sounds;
use crate::dialogue::reply::{Purpose, Reply};
use crate::dialogue::words::normalise;
use crate::dialogue::{DialogueEvent, EndReason};

use super::{AnsweredBy, BEEP_WAIT, LATE_BEEP, Signs};

impl Dialogue {
    /// An answering machine's beep has ended.
    pub(in crate::dialogue) fn beeped(&mut self, length: Duration, ended: Instant, now: Instant) {
        if !self.answer.is_on || self.answered.is_none() || self.ending.is_some() {
            return;
        }
        let signs = Signs::of(&self.turn.text());
        let is_suspect = signs.is_hint || signs.machine == Some(AnsweredBy::Voicemail) || self.is_suspected(now);
        let inputs = || format!("beep {} ms, ended {} ms ago", length.as_millis(), (now - ended.min(now)).as_millis());
        match self.answer.by {
            AnsweredBy::Voicemail if self.answer.may_leave => self.begin_again(ended, now),
            AnsweredBy::Voicemail => {
                self.answer.beeped = Some(ended);
                if !self.answer.is_certain {
                    self.take_for(AnsweredBy::Voicemail, true, "answer.beep", inputs(), now);
                }
            }
            AnsweredBy::Unknown | AnsweredBy::Hold => {
                self.answer.beeped = Some(ended);
                self.take_for(AnsweredBy::Voicemail, true, "answer.beep", inputs(), now);
            }
            AnsweredBy::Human | AnsweredBy::Screening if is_suspect => {
                self.answer.beeped = Some(ended);
                self.take_for(AnsweredBy::Voicemail, true, "answer.beep", inputs(), now);
            }
            _ => {}
        }
    }

    pub(super) fn is_suspected(&self, now: Instant) -> bool {
        self.answer.suspected.is_some_and(|at| now.saturating_duration_since(at) < BEEP_WAIT)
    }

    /// The message was begun before the beep: the machine has missed its beginning.
    fn begin_again(&mut self, ended: Instant, now: Instant) {
        let Some((id, began)) = self.message().map(|reply| (reply.id, reply.sounding)) else { return };
        let is_early = began.is_none_or(|at| now.saturating_duration_since(at) < LATE_BEEP);
        if !is_early || std::mem::replace(&mut self.answer.was_again, true) {
            return;
        }
        self.tell(DialogueEvent::Unstuck { why: why("answer.beep-late", "the message begins again") });
        self.drop_reply(id);
        self.answer.beeped = Some(ended);
        self.answer.may_leave = false;
        self.write_message(now);
    }

    /// The message for the machine.
    pub(super) fn message(&self) -> Option<&Reply> {
        self.replies.iter().find(|reply| reply.purpose == Purpose::Voicemail)
    }

    /// Has the message for the machine spoken, to be heard when it listens.
    pub(super) fn write_message(&mut self, now: Instant) {
        let Some(line) = self.spec.voicemail_message.clone() else { return };
        let id = self.script(Purpose::Voicemail, &line, now);
        if let Some(reply) = id.and_then(|id| self.reply(id)) {
            reply.interruptible = false;
            reply.hangs_up = Some((EndReason::VoicemailReached, false));
        }
    }

    /// Nothing is to be said to a machine that takes messages.
    pub(super) fn hang_up_on_machine(&mut self, now: Instant) {
        if self.answer.by == AnsweredBy::Voicemail && self.answer.is_certain && self.message().is_none() {
            self.finish(EndReason::VoicemailReached, "answer.no-message", now);
        }
    }

    pub(super) fn wants_beep(&self, now: Instant) -> bool {
        let Some(answered) = self.answered.filter(|_| self.answer.is_on && self.ending.is_none()) else { return false };
        match self.answer.by {
            AnsweredBy::Voicemail => true,
            AnsweredBy::Ivr => false,
            _ if self.is_suspected(now) => true,
            _ => !self.answer.is_settled && now < answered + BEEP_WAIT,
        }
    }

    /// Since when the callee has been quiet.
    pub(super) fn callee_quiet(&self) -> Option<Instant> {
        if self.voice.is_confirmed() {
            return None;
        }
        self.voice.stopped.or(self.turn.text_at()).max(self.answer.since.filter(|_| self.voice.stopped.is_none()))
    }

    /// When somebody who speaks after an announcement, or into the message, is taken for one who picked up.
    pub(super) fn picked_up_at(&self) -> Option<Instant> {
        if self.voice.is_confirmed() {
            return None;
        }
        let text = self.turn.text();
        let signs = Signs::of(&text);
        // Over the message there is no announcement: a greeting that is none of our own words is enough.
        let is_own = || {
            let message = self.spec.voicemail_message.as_deref().map(normalise).unwrap_or_default();
            let words = normalise(&text);
            message.windows(words.len().max(1)).any(|piece| piece == words)
        };
        let is_person = signs.is_person || (self.answer.may_leave && signs.is_hello && !is_own());
        self.turn.endpoint(&self.manner()).filter(|_| is_person).map(|endpoint| endpoint.settled)
    }

    pub(super) fn voicemail_due(&mut self, now: Instant) {
        let signs = Signs::of(&self.turn.text());
        let endpoint = self.turn.endpoint(&self.manner());
        if let (Some(at), Some(endpoint)) = (self.picked_up_at(), endpoint)
            && at <= now
        {
            let inputs = format!("words {} after the announcement", signs.tail);
            return self.person_picked_up("answer.picked-up", inputs, signs, &endpoint, now);
        }
        if !self.answer.is_certain && self.answer.beeped.is_none() {
            // It read like an announcement, but whoever it was waits for an answer.
            let inputs = format!("no beep, silence {} ms", self.spec.timing.voicemail_silence.as_millis());
            let endpoint = endpoint.unwrap_or(Endpoint {
                decided: now,
                settled: now,
                rule: "endpoint.announcement",
                sounds: Sounds::Unfinished,
                delay: self.spec.timing.voicemail_silence,
                promoted: false,
            });
            let signs = Signs { machine: None, is_person: true, ..signs };
            return self.person_picked_up("answer.waited", inputs, signs, &endpoint, now);
        }
        if self.message().is_none() {
            return self.finish(EndReason::VoicemailReached, "answer.no-message", now);
        }
        self.answer.may_leave = true;
        self.pass_over(now);
        let waited = self.answer.beeped.map_or("silence", |_| "beep");
        self.tell(DialogueEvent::Unstuck { why: why("answer.message", waited) });
    }

    fn person_picked_up(&mut self, rule: &'static str, inputs: String, signs: Signs, at: &Endpoint, now: Instant) {
        self.take_for(AnsweredBy::Human, true, rule, inputs, now);
        // While a message is being cut the words wait, and are dealt with like those of any turn.
        self.greet_person(signs, at, now);
    }
}
