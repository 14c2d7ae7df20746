//! What is done about whoever has answered.

use std::time::{Duration, Instant};

use crate::conversation::{Transcript, TranscriptKind};
use crate::dialogue::endpointing::append;
use crate::dialogue::endpointing::{Endpoint, Turn};
use crate::dialogue::machine::{Committed, Dialogue, why};
use crate::dialogue::profile::Sounds;
use crate::dialogue::reply::{Purpose, Reply};
use crate::dialogue::timer::Timer;
use crate::dialogue::words::{Meaning, normalise};
use crate::dialogue::{Action, DialogueEvent, EndReason};

use super::{
    AnsweredBy, LEAST_HELLO, LONGEST_ANNOUNCEMENT, MENU_REPEATS, MOST_AFTER_HOLD, MOST_CHANGES, MOST_TOLD, Signs,
};

impl Dialogue {
    /// The line's first sound has come.
    pub(in crate::dialogue) fn media_up(&mut self, now: Instant) {
        self.answer.media_up.get_or_insert(now);
    }

    /// When the greeting may be heard; `None`: not before something happens.
    ///
    /// A caller hears us a moment after their first packet, or the answer if packets are late. A callee speaks first: once
    /// they have, and until it is known who they are, the greeting waits.
    pub(in crate::dialogue) fn greeting_due(&self) -> Option<Instant> {
        let answered = self.answered?;
        let timing = &self.spec.timing;
        if !self.answer.is_on {
            let latest = answered + timing.greeting_latest;
            return Some(
                self.answer.media_up.map_or(latest, |up| latest.min(up.max(answered) + timing.greeting_delay)),
            );
        }
        match self.answer.by {
            AnsweredBy::Human => Some(answered),
            AnsweredBy::Unknown if self.turn.began.is_none() && !self.turn.has_text() => {
                Some(answered + timing.hello_wait)
            }
            _ => None,
        }
    }

    /// Whether a reply may be heard by whoever has answered.
    pub(in crate::dialogue) fn may_be_heard(&self, reply: &Reply, now: Instant) -> bool {
        if reply.purpose == Purpose::Greeting && self.greeting_due().is_none_or(|at| at > now) {
            return false;
        }
        match self.answer.by {
            AnsweredBy::Voicemail if reply.purpose == Purpose::Voicemail => self.answer.may_leave,
            AnsweredBy::Voicemail | AnsweredBy::Hold => reply.purpose == Purpose::Say,
            _ => true,
        }
    }

    /// A reply has begun to be heard.
    pub(in crate::dialogue) fn heard_by(&mut self, purpose: Purpose) {
        if self.answer.by.is_machine() {
            return;
        }
        match purpose {
            Purpose::Greeting => self.answer.is_greeted = true,
            Purpose::Answer if self.answer.by == AnsweredBy::Human => self.answer.is_settled = true,
            _ => {}
        }
    }

    /// What the caller's words mean while the agent has the floor: a callee's "hello" over our greeting only says "go on".
    pub(in crate::dialogue) fn meaning(&self) -> Meaning {
        let text = self.turn.text();
        let meaning = Meaning::of(&text, self.language);
        let greets = || self.replies.front().is_some_and(|front| front.purpose == Purpose::Greeting);
        if self.answer.is_on && meaning.real > 0 && !meaning.stop && greets() && Signs::of(&text).is_hello {
            return Meaning { backchannel: meaning.backchannel + meaning.real, real: 0, ..meaning };
        }
        self.with_answer(meaning)
    }

    /// New words: a machine is recognised in the middle of its announcement.
    pub(in crate::dialogue) fn recognise(&mut self, now: Instant) {
        if !self.answer.is_on || self.answered.is_none() || self.ending.is_some() {
            return;
        }
        let signs = Signs::of(&self.turn.text());
        let Some(machine) = signs.machine.filter(|_| !signs.is_person) else { return };
        if self.answer.is_settled && !self.answer.by.is_machine() {
            if machine == AnsweredBy::Voicemail {
                self.answer.suspected = Some(now);
            }
            return;
        }
        let rule = match machine {
            AnsweredBy::Voicemail => "answer.voicemail-words",
            AnsweredBy::Screening => "answer.screening-words",
            AnsweredBy::Ivr => "answer.menu-words",
            // Who asks to hold has not stopped speaking.
            _ => return,
        };
        let is_news = match (self.answer.by, machine) {
            (AnsweredBy::Voicemail, AnsweredBy::Voicemail) => signs.is_certain && !self.answer.is_certain,
            // A mailbox may have a menu.
            (AnsweredBy::Voicemail, _) => !self.answer.is_certain,
            (by, machine) if by == machine => false,
            (by, _) => signs.is_certain || !by.is_machine(),
        };
        if !is_news {
            return;
        }
        let inputs = format!("phrases {}, words {}", signs.phrases, signs.words);
        self.take_for(machine, signs.is_certain, rule, inputs, now);
    }

    /// A voiced hop: somebody who says so much without a pause reads it out.
    pub(in crate::dialogue) fn callee_talks(&mut self, began: Instant, now: Instant) {
        let talks = now.saturating_duration_since(began);
        if !self.answer.is_open() || self.answered.is_none() || self.ending.is_some() || !self.turn.has_text() {
            return;
        }
        if talks >= self.spec.timing.monologue && !Signs::of(&self.turn.text()).is_person {
            let inputs = format!("voice {} ms without a pause", talks.as_millis());
            self.take_for(AnsweredBy::Voicemail, false, "answer.monologue", inputs, now);
        }
    }

    /// Takes whoever answered for something else than before.
    pub(super) fn take_for(
        &mut self,
        by: AnsweredBy,
        is_certain: bool,
        rule: &'static str,
        inputs: String,
        now: Instant,
    ) {
        if by.is_machine() && self.answer.changes >= MOST_CHANGES {
            return;
        }
        let before = std::mem::replace(&mut self.answer.by, by);
        self.answer.is_certain = is_certain;
        if before == by {
            // Only more certain: whoever waited for that goes on.
            return self.hang_up_on_machine(now);
        }
        self.answer.changes += 1;
        self.answer.since = Some(now);
        self.quiet_since = self.quiet_since.max(now);
        self.tell(DialogueEvent::AnsweredBy { by, why: why(rule, inputs) });
        self.answer.was_machine |= before.is_machine();
        if before == AnsweredBy::Voicemail {
            self.answer.may_leave = false;
            if let Some(id) = self.message().map(|reply| reply.id) {
                self.drop_reply(id);
            }
        }
        if !by.is_machine() {
            return;
        }
        self.answer.is_greeted &= before == AnsweredBy::Human && self.answer.is_settled;
        self.owed = None;
        let front = self.replies.front().filter(|front| front.is_sounding() && front.interruptible);
        let front = front.map(|front| front.id);
        self.forget_goodbye();
        // A machine is not greeted, not even by a line that nobody may talk down.
        self.drop_unheard(Purpose::Greeting);
        self.drop_replies(None);
        if let Some(reply) = front {
            self.tell(DialogueEvent::Interrupted { reply, why: why(rule, by.name()) });
        }
        if by == AnsweredBy::Voicemail {
            self.write_message(now);
            self.hang_up_on_machine(now);
        }
    }

    /// When the caller's turn is over, as far as whoever has answered lets it be told.
    pub(in crate::dialogue) fn endpoint(&self) -> Option<Endpoint> {
        let mut endpoint = self.turn.endpoint(&self.manner())?;
        if !self.answer.is_on || !self.turn.keys.is_empty() || (!self.answer.is_machine() && !self.answer.is_open()) {
            return Some(endpoint);
        }
        let timing = &self.spec.timing;
        let signs = Signs::of(&self.turn.text());
        let anchor = self.turn.stopped.or(self.turn.text_at());
        let mut wait = |rule, delay: Duration, at_least: bool| {
            let Some(decided) = anchor.map(|anchor| anchor + delay) else { return };
            if !at_least || decided > endpoint.decided {
                (endpoint.rule, endpoint.delay) = (rule, delay);
                endpoint.settled = if at_least { endpoint.settled.max(decided) } else { endpoint.settled };
                endpoint.decided = decided;
            }
        };
        match self.answer.by {
            AnsweredBy::Ivr if !signs.is_person && !signs.is_hello => wait("endpoint.menu", timing.menu_pause, true),
            // Whoever is not known to be a person may only pause for breath, or for another announcement.
            AnsweredBy::Hold if signs.machine.is_none() && !signs.is_person && !signs.greets => {
                wait("endpoint.announcement", timing.endpoint_cap, true);
            }
            AnsweredBy::Unknown if signs.is_hello => wait("endpoint.hello", timing.endpoint_confident, false),
            AnsweredBy::Unknown if signs.is_hint && !signs.is_person => {
                wait("endpoint.announcement", timing.endpoint_unsure, true);
            }
            _ => {}
        }
        if endpoint.rule == "endpoint.hello" && self.turn.is_final() {
            endpoint.settled = endpoint.decided.max(self.turn.final_at().unwrap_or(endpoint.decided));
        }
        Some(endpoint)
    }

    /// Whether the end of a turn means anything to whoever has answered.
    pub(in crate::dialogue) fn hears_turns(&self) -> bool {
        self.answer.by != AnsweredBy::Voicemail
    }

    /// The callee is done. `true`: that was dealt with here.
    pub(in crate::dialogue) fn callee_done(&mut self, endpoint: &Endpoint, now: Instant) -> bool {
        if self.answer.is_on && self.answer.by == AnsweredBy::Hold && !self.turn.keys.is_empty() {
            let inputs = format!("{} keys: a queue presses none", self.turn.keys.len());
            self.take_for(AnsweredBy::Human, true, "answer.keys", inputs, now);
        }
        if !self.answer.is_on || !self.turn.keys.is_empty() || !self.turn.has_text() {
            return false;
        }
        let signs = Signs::of(&self.turn.text());
        // A person who goes on speaking has only interrupted themselves.
        let goes_on = self.answer.by == AnsweredBy::Human && signs.rest > MOST_AFTER_HOLD;
        let asks_to_hold = signs.machine == Some(AnsweredBy::Hold) && !signs.is_person && !signs.asks && !goes_on;
        let inputs = format!("phrases {}, words {}", signs.phrases, signs.words);
        match self.answer.by {
            AnsweredBy::Voicemail => return false,
            AnsweredBy::Hold if asks_to_hold => {
                self.pass_over(now);
                return true;
            }
            AnsweredBy::Screening if asks_to_hold => {
                self.pass_over(now);
                return true;
            }
            by if asks_to_hold => {
                if by == AnsweredBy::Human {
                    // The model is to know of it, when it has somebody to answer again.
                    let mut text = std::mem::take(&mut self.turn.carried);
                    append(&mut text, &self.turn.text());
                    self.history.user(text);
                }
                self.take_for(AnsweredBy::Hold, true, "answer.hold-words", inputs, now);
                self.pass_over(now);
                return true;
            }
            AnsweredBy::Screening if signs.machine == Some(AnsweredBy::Screening) && !signs.is_person => {
                return self.answer_screening(endpoint, now);
            }
            AnsweredBy::Ivr if !signs.is_person && !signs.is_hello => return self.hear_menu(now),
            AnsweredBy::Unknown => {
                self.take_for(AnsweredBy::Human, true, "answer.words", inputs, now);
                if !signs.is_opening() {
                    // It wants another answer than a greeting.
                    self.drop_unheard(Purpose::Greeting);
                }
                return false;
            }
            AnsweredBy::Human if !self.answer.was_machine || !self.replies.is_empty() => return false,
            AnsweredBy::Human => {}
            _ => self.take_for(AnsweredBy::Human, true, "answer.person", inputs, now),
        }
        self.greet_person(signs, endpoint, now)
    }

    /// Somebody has come to the telephone: they are greeted, or the model answers them. Whether they are greeted.
    pub(super) fn greet_person(&mut self, signs: Signs, endpoint: &Endpoint, now: Instant) -> bool {
        let is_opening = signs.is_person || signs.is_opening();
        if signs.machine.is_some() && signs.tail > 0 {
            self.keep_tail(signs.tail, now);
        }
        if self.answer.is_greeted || !is_opening || self.cut.is_some() {
            return false;
        }
        let line = self.spec.begin_message.clone();
        let Some(id) = self.script(Purpose::Greeting, &line, now) else { return false };
        self.commit(endpoint, Some(id), now);
        true
    }

    /// Keeps only the last words of the turn: those of the person, not those of the machine before.
    fn keep_tail(&mut self, words: usize, now: Instant) {
        let text = self.turn.text();
        let all: Vec<&str> = text.split_whitespace().filter(|word| !normalise(word).is_empty()).collect();
        let tail = all.get(all.len().saturating_sub(words)..).unwrap_or_default().join(" ");
        let promoted = if self.turn.interim().is_empty() { String::new() } else { text };
        let confidence = self.turn.confidence();
        self.turn.forget_words(now);
        self.turn.hear(&Transcript { kind: TranscriptKind::Final, text: tail, confidence, audio_end: None }, now);
        self.expect_again(promoted, now);
    }

    /// The recogniser may yet tell these words in their final form.
    fn expect_again(&mut self, promoted: String, now: Instant) {
        let (stopped, sounds) = (self.turn.stopped, Sounds::Unfinished);
        self.committed = Some(Committed { at: now, promoted, stopped, sounds, goes_on: false });
    }

    /// What was said was not said to us.
    pub(super) fn pass_over(&mut self, now: Instant) {
        let interim = self.turn.interim().to_owned();
        if !interim.is_empty() {
            self.expect_again(interim, now);
        }
        // Words of a turn that was taken back were told as a turn before: the model is to know of them.
        let carried = std::mem::take(&mut self.turn.carried);
        if !carried.is_empty() {
            self.history.user(carried);
        }
        self.turn = Turn::default();
        self.quiet_since = now;
    }

    /// The screening has asked who calls. `true`: it is told so, or has been often enough.
    fn answer_screening(&mut self, endpoint: &Endpoint, now: Instant) -> bool {
        let Some(line) = self.spec.screening.as_ref().map(|screening| screening.line()) else { return false };
        if self.answer.told >= MOST_TOLD {
            self.pass_over(now);
            return true;
        }
        let Some(id) = self.script(Purpose::Screening, &line, now) else { return false };
        self.answer.told += 1;
        self.commit(endpoint, Some(id), now);
        true
    }

    /// A menu was heard to its end. `true`: it has come too often.
    fn hear_menu(&mut self, now: Instant) -> bool {
        let repeats = self.answer.menu.hear(normalise(&self.turn.text()));
        if repeats < MENU_REPEATS {
            return false;
        }
        let inputs = format!("the same menu for the {}. time: hang up", repeats + 1);
        self.tell(DialogueEvent::Unstuck { why: why("answer.menu-loop", inputs) });
        self.pass_over(now);
        self.finish(EndReason::MachineDetected, "answer.menu-loop", now);
        true
    }

    pub(in crate::dialogue) fn arm_answer(&mut self, now: Instant) {
        // What was to be done may show only when it is late already: words come some time after their sound.
        let at = self.answer_due().map(|at| at.max(now));
        self.timers.set(Timer::Answer, at);
        let wanted = self.wants_beep(now);
        if std::mem::replace(&mut self.answer.listens, wanted) != wanted {
            self.act(Action::ListenForBeep(wanted));
        }
    }

    /// When something is to be done about whoever has answered, if nothing happens before.
    fn answer_due(&self) -> Option<Instant> {
        let timing = &self.spec.timing;
        self.answered.filter(|_| self.answer.is_on && self.ending.is_none() && !self.is_on_hold())?;
        let since = self.answer.since;
        let last = since.map(|since| since.max(self.words_at).max(self.quiet_since));
        match self.answer.by {
            AnsweredBy::Unknown => self.wordless_at(),
            AnsweredBy::Human => None,
            AnsweredBy::Voicemail if self.answer.may_leave => self.picked_up_at(),
            AnsweredBy::Voicemail => {
                let beep = self.answer.beeped.map(|ended| ended + timing.beep_pause);
                let quiet = self.callee_quiet().map(|at| at + timing.voicemail_silence);
                let latest = since.map(|since| since + LONGEST_ANNOUNCEMENT);
                [beep, quiet, latest, self.picked_up_at()].into_iter().flatten().min()
            }
            AnsweredBy::Screening | AnsweredBy::Ivr => {
                last.filter(|_| self.replies.is_empty() && self.owed.is_none()).map(|last| last + timing.machine_wait)
            }
            AnsweredBy::Hold => since.map(|since| since + timing.hold_wait),
        }
    }

    /// When a voice that came without words is taken for a person's hello.
    fn wordless_at(&self) -> Option<Instant> {
        let timing = &self.spec.timing;
        self.replies.front().filter(|front| front.purpose == Purpose::Greeting && !front.playing)?;
        let stopped = self.turn.stopped.filter(|_| !self.turn.is_open() && !self.voice.is_confirmed())?;
        Some(stopped + timing.final_wait + timing.interim_grace)
    }

    /// The deadline of [`Timer::Answer`] has come.
    pub(in crate::dialogue) fn answer_is_due(&mut self, now: Instant) {
        match self.answer.by {
            AnsweredBy::Unknown => {
                let voiced = std::mem::take(&mut self.turn).voiced;
                self.withheld = false;
                if self.voice.is_noise || voiced < LEAST_HELLO {
                    return;
                }
                let inputs = format!("voice {} ms, then silence, no words", voiced.as_millis());
                self.take_for(AnsweredBy::Human, true, "answer.rhythm", inputs, now);
            }
            AnsweredBy::Human => {}
            AnsweredBy::Voicemail => self.voicemail_due(now),
            AnsweredBy::Screening | AnsweredBy::Ivr | AnsweredBy::Hold => {
                let inputs = format!("{} for too long: hang up", self.answer.by.name());
                self.tell(DialogueEvent::Unstuck { why: why("answer.machine-wait", inputs) });
                self.finish(EndReason::MachineDetected, "answer.machine-wait", now);
            }
        }
    }
}
