//! Who has the floor while the agent speaks or is about to: duck, hold, then resume or give way.

use std::time::{Duration, Instant};

use super::barge_in::{Evidence, Verdict};
use super::endpointing::append;
use super::machine::{Dialogue, Floor, why};
use super::reply::Purpose;
use super::{Action, DialogueEvent};

/// A callee who says no more than this before the greeting is greeted.
const HELLO_WORDS: usize = 2;

impl Dialogue {
    /// Decides who has the floor after something new from the caller.
    pub(super) fn weigh(&mut self, now: Instant) {
        let Some(front) = self.replies.front() else { return };
        let meaning = self.meaning();
        if !front.interruptible {
            return self.note_objection(meaning);
        }
        if front.hangs_up.is_some() {
            // A goodbye is talked over by words, not by a sound.
            if meaning.stop || meaning.real >= 2 {
                self.stay();
            }
            return;
        }
        if !front.is_sounding() {
            let is_hello = front.purpose == Purpose::Greeting && (meaning.real <= HELLO_WORDS || self.answer.is_open());
            if meaning.real > 0 && !is_hello {
                self.take_back();
            }
            return;
        }
        if !self.barge_in.is_allowed {
            return;
        }
        if matches!(self.floor, Floor::Held { .. }) || (self.floor == Floor::Ducked && self.voice.current.is_none()) {
            return self.decide(now);
        }
        if let Some(rule) = self.barge_in.interrupts(meaning, self.asks()) {
            return self.interrupt(rule, now);
        }
        let (id, age) = (front.id, front.sounding.map_or(Duration::ZERO, |at| now.saturating_duration_since(at)));
        let Some((began, voiced)) = self.voice.current.filter(|_| !self.voice.is_noise) else { return };
        let under = self.voice.under();
        let over = self.voice.over;
        let (hold, duck) = (self.barge_in.hold_after(over), self.barge_in.duck_after(over));
        let inputs =
            |after: Duration| format!("voiced {} ms, enough is {} ms{under}", voiced.as_millis(), after.as_millis());
        if voiced >= hold && (age >= self.barge_in.boundary || meaning.real > 0) {
            self.floor = Floor::Held { since: now, began };
            let verdict = self.spec.timing.verdict_cap.as_millis();
            if !self.is_on_hold() {
                self.act(Action::Hold);
            }
            self.tell(DialogueEvent::Held {
                reply: id,
                voice_began: self.since_begin(began),
                why: why(
                    "barge-in.hold",
                    format!("{}, decided {verdict} ms after it ends at the latest", inputs(hold)),
                ),
            });
            self.decide(now);
        } else if voiced >= duck && self.floor == Floor::Free {
            self.floor = Floor::Ducked;
            self.act(Action::Duck);
            self.tell(DialogueEvent::Ducked { reply: id, why: why("barge-in.duck", inputs(duck)) });
        }
    }

    fn evidence(&self) -> Evidence {
        let voiced = self.voice.current.map_or(self.voice.last_voiced, |(_, voiced)| voiced);
        Evidence {
            meaning: self.meaning(),
            pending: !self.turn.interim().is_empty(),
            voiced: if self.voice.is_noise { Duration::ZERO } else { voiced },
            stopped: self.voice.stopped.filter(|_| self.voice.current.is_none() || self.voice.is_noise),
            asked: self.asks(),
        }
    }

    /// Decides what becomes of a reply that is ducked, held or withheld.
    pub(super) fn decide(&mut self, now: Instant) {
        let evidence = self.evidence();
        let silent = evidence.stopped.is_some_and(|stopped| now >= stopped + self.spec.timing.resume_after);
        match self.floor {
            Floor::Free => {
                if silent || evidence.stopped.is_none() && !self.voice.is_confirmed() {
                    self.withheld = false;
                }
            }
            Floor::Ducked => {
                if evidence.stopped.is_some() {
                    self.floor = Floor::Free;
                    self.act(Action::Unduck);
                }
            }
            Floor::Held { since, .. } => match self.barge_in.verdict(&evidence, &self.spec.timing, now) {
                Verdict::Interrupt(rule) => self.interrupt(rule, now),
                Verdict::Resume(rule) => self.resume(rule, since, now),
                Verdict::Wait(_) => {}
            },
        }
    }

    /// The agent goes on; what the caller said meanwhile was not meant to stop it.
    pub(super) fn resume(&mut self, rule: &'static str, since: Instant, now: Instant) {
        let Some(id) = self.replies.front().map(|front| front.id) else { return };
        let inputs = format!("silent {} ms", self.voice.stopped.map_or(0, |at| (now - at.min(now)).as_millis()));
        self.go_on(since, now);
        self.tell(DialogueEvent::Resumed { reply: id, why: why(rule, inputs) });
        self.drop_backchannel(rule, now);
    }

    /// What was held since then is heard again from the beginning of its word.
    pub(super) fn go_on(&mut self, since: Instant, now: Instant) {
        let rewind = self.spec.timing.resume_rewind;
        let Some(front) = self.replies.front_mut() else { return };
        let position = front.position(since).unwrap_or_default();
        let from = front.word_before(position, rewind);
        let back = from.map_or(rewind.min(position), |from| position.saturating_sub(from));
        front.held += now.saturating_duration_since(since) + back;
        self.floor = Floor::Free;
        self.act(Action::Resume { from, rewind });
        self.act(Action::Unduck);
    }

    /// Drops words that were not meant to take the floor.
    pub(super) fn drop_backchannel(&mut self, rule: &'static str, now: Instant) {
        let text = self.turn.text();
        if !text.is_empty() {
            let inputs = format!("words {}, none of them takes the floor", text.split_whitespace().count());
            self.tell(DialogueEvent::Backchannel { text, why: why(rule, inputs) });
        }
        self.turn.forget_words(now);
        self.quiet_since = now;
    }

    /// The caller takes the floor.
    pub(super) fn interrupt(&mut self, rule: &'static str, now: Instant) {
        let evidence = self.evidence();
        let Some(front) = self.replies.front() else { return };
        if !front.is_sounding() {
            return self.take_back();
        }
        let id = front.id;
        let overlap = match (self.floor, self.voice.current) {
            (Floor::Held { since, began }, _) => since.saturating_duration_since(began),
            (_, Some((began, _))) => now.saturating_duration_since(began),
            _ => Duration::ZERO,
        };
        let takes_back = (front.purpose == Purpose::Answer).then_some(overlap);
        let inputs = format!(
            "words {}, backchannel {}, voiced {} ms",
            evidence.meaning.real,
            evidence.meaning.backchannel,
            evidence.voiced.as_millis()
        );
        self.drop_replies(takes_back);
        self.tell(DialogueEvent::Interrupted { reply: id, why: why(rule, inputs) });
    }

    /// The caller goes on before the answer was heard: it is dropped, and its turn goes on.
    pub(super) fn take_back(&mut self) {
        let front = self.replies.front().map(|reply| (reply.id, reply.purpose));
        let owed = self.owed.take();
        if self.replies.front().is_some_and(|front| front.hangs_up.is_some()) {
            self.call_off_goodbye();
        }
        self.drop_replies(None);
        if front.is_some_and(|(_, purpose)| purpose == Purpose::Answer) || owed.is_some() {
            self.carry_turn();
            if self.turn.carried.is_empty() && self.tools.is_empty() {
                // What the model was told last still wants an answer, whether or not words follow.
                self.owed = Some(self.next_id());
            }
        }
        if let Some((reply, _)) = front {
            self.tell(DialogueEvent::TakenBack { reply, why: why("barge-in.before-audio", "heard 0 ms") });
        }
    }

    /// The last message of the caller becomes the beginning of the turn that goes on.
    pub(super) fn carry_turn(&mut self) {
        self.learn_taken_back();
        if let Some(mut text) = self.history.take_user() {
            append(&mut text, &std::mem::take(&mut self.turn.carried));
            self.turn.carried = text;
        }
    }

    pub(super) fn verdict_at(&self) -> Option<Instant> {
        // While the voice goes on, each of its hops is weighed; its loss has a timer of its own.
        if self.voice.current.is_some() && !self.voice.is_noise {
            return None;
        }
        let evidence = self.evidence();
        match self.floor {
            Floor::Free => {
                let from = self.voice.stopped.filter(|_| self.withheld)?;
                Some(from + self.spec.timing.resume_after)
            }
            Floor::Ducked => evidence.stopped,
            Floor::Held { since, .. } => match self.barge_in.verdict(&evidence, &self.spec.timing, since) {
                Verdict::Wait(at) => Some(at.unwrap_or(since + self.spec.timing.verdict_cap)),
                _ => Some(since),
            },
        }
    }
}
