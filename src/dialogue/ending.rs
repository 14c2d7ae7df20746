//! How a call ends: last words, and the words that were still under way.

use std::time::{Duration, Instant};

use super::machine::{Dialogue, why};
use super::reply::{Purpose, Reply};
use super::timer::Timer;
use super::{Action, DialogueEvent, EndReason};

/// Whoever is asked whether they are there has so long to say so, the question included.
const TO_ANSWER: Duration = Duration::from_secs(5);

/// A call that is about to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ending {
    reason: EndReason,
    /// By which rule, and since when.
    rule: &'static str,
    since: Instant,
    step: Step,
    /// What came of what was waited for.
    came: &'static str,
}

/// What the end waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// A goodbye that is under way since then; whether the caller may talk the agent out of it.
    Goodbye { may_stay: bool, since: Instant },
    /// The recogniser's last words.
    Words,
    /// Only what was heard of a reply that was cut.
    Cut,
}

impl Ending {
    /// Whether the call may go on after all.
    pub(super) fn may_stay(&self) -> bool {
        matches!(self.step, Step::Goodbye { may_stay: true, .. })
    }
}

impl Dialogue {
    /// Says the goodbye of the spec, then hangs up.
    pub(super) fn say_goodbye(&mut self, reason: EndReason, rule: &'static str, may_stay: bool, now: Instant) {
        let line = self.spec.goodbye.clone();
        self.say_last(&line, reason, rule, may_stay && !self.has_stayed, now);
    }

    /// Says a line, then hangs up.
    pub(super) fn say_last(&mut self, line: &str, reason: EndReason, rule: &'static str, may_stay: bool, now: Instant) {
        if self.ending.as_ref().is_some_and(|ending| !matches!(ending.step, Step::Goodbye { .. })) {
            return;
        }
        for reply in &mut self.replies {
            reply.interruptible = true;
        }
        self.drop_replies(None);
        self.owed = None;
        self.tell(DialogueEvent::Unstuck { why: why(rule, format!("last words, then {}", reason.name())) });
        match self.script(Purpose::Goodbye, line, now) {
            Some(id) => {
                if let Some(reply) = self.reply(id) {
                    reply.interruptible = may_stay;
                    reply.hangs_up = Some((reason, may_stay));
                }
                self.drain_goodbye(reason, rule, may_stay, now);
            }
            None => self.finish(reason, rule, now),
        }
    }

    /// From here a goodbye is under way.
    pub(super) fn drain_goodbye(&mut self, reason: EndReason, rule: &'static str, may_stay: bool, now: Instant) {
        let step = Step::Goodbye { may_stay, since: now };
        self.ending = Some(Ending { reason, rule, since: now, step, came: "nothing was waited for" });
    }

    /// A goodbye is waited for as long as it gets on, within a bound.
    pub(super) fn arm_goodbye(&mut self) {
        let Some(Ending { step: Step::Goodbye { since, .. }, .. }) = self.ending else { return };
        let timing = &self.spec.timing;
        let front = self.replies.front();
        let spoken = front.and_then(|front| front.spoken).unwrap_or(since);
        let idle = since.max(spoken).max(self.quiet_since) + timing.goodbye_cap;
        let due = front.and_then(Reply::lasts_until).map_or(idle, |end| end.max(idle));
        self.timers.set(Timer::Drain, Some(due.min(since + timing.goodbye_most)));
    }

    /// The caller has talked the agent out of hanging up.
    pub(super) fn stay(&mut self) {
        if !self.call_off_goodbye() {
            return;
        }
        let front = self.replies.front().map(|reply| reply.id);
        self.drop_replies(None);
        if let Some(reply) = front {
            let why = why("goodbye.talked-over", "the caller has more to say");
            self.tell(DialogueEvent::Interrupted { reply, why });
        }
    }

    /// The agent does not hang up after all; whether it may be talked out of that.
    pub(super) fn call_off_goodbye(&mut self) -> bool {
        if !self.ending.as_ref().is_some_and(Ending::may_stay) {
            return false;
        }
        self.ending = None;
        self.has_stayed = true;
        self.idle_prompts = 0;
        self.timers.stop(Timer::Drain);
        true
    }

    /// A goodbye that was cut from outside ends nothing.
    pub(super) fn forget_goodbye(&mut self) {
        if self.ending.as_ref().is_some_and(|ending| matches!(ending.step, Step::Goodbye { .. })) {
            self.ending = None;
            self.timers.stop(Timer::Drain);
        }
    }

    /// When something is to be said, or ended, because nobody has spoken for a while.
    pub(super) fn idle_at(&self) -> Option<Instant> {
        let timing = &self.spec.timing;
        // Who is asked is given the time to answer: no prompt comes just before the silence ends the call.
        let latest = self.words_at + timing.max_silence.saturating_sub(TO_ANSWER);
        let silent = self.quiet_since;
        if self.idle_prompts < timing.idle_prompts {
            let at = silent + timing.idle_prompt;
            // The first one is moved up rather than left out.
            let at = if self.idle_prompts == 0 { at.min(latest) } else { at };
            return (at <= latest && latest >= silent).then_some(at);
        }
        (timing.idle_prompts > 0 && !timing.idle_end.is_zero()).then_some(silent + timing.idle_end)
    }

    /// Nobody has spoken for a while.
    pub(super) fn idle(&mut self, now: Instant) {
        if self.idle_prompts >= self.spec.timing.idle_prompts {
            return self.say_goodbye(EndReason::Inactivity, "idle.end", true, now);
        }
        self.idle_prompts += 1;
        self.quiet_since = now;
        let inputs = format!("prompt {} of {}", self.idle_prompts, self.spec.timing.idle_prompts);
        self.tell(DialogueEvent::Unstuck { why: why("idle.prompt", inputs) });
        let line = self.spec.idle_prompt.clone();
        self.script(Purpose::Prompt, &line, now);
    }

    /// When the caller is to be told that the longest call is about to end; then at the next moment nobody speaks.
    pub(super) fn duration_warning_at(&self) -> Option<Instant> {
        let timing = &self.spec.timing;
        let after = timing.max_duration.checked_sub(timing.duration_warning).filter(|after| !after.is_zero())?;
        let may = !self.is_warned && self.ending.is_none() && !self.spec.duration_warning.is_empty();
        Some(self.answered.filter(|_| may)? + after)
    }

    /// The call has nearly lasted as long as it may: the caller is told, once.
    pub(super) fn warn_of_end(&mut self, now: Instant) {
        self.is_warned = true;
        self.quiet_since = now;
        let inputs = format!("the call may last {} s", self.spec.timing.max_duration.as_secs());
        self.tell(DialogueEvent::Unstuck { why: why("duration.warning", inputs) });
        let line = self.spec.duration_warning.clone();
        self.script(Purpose::Prompt, &line, now);
    }

    /// The line is gone, or the call is to end at once. `drains`: the recogniser may still give the last words.
    pub(super) fn close(&mut self, reason: EndReason, rule: &'static str, drains: bool, now: Instant) {
        if self.ending.as_ref().is_some_and(|ending| !matches!(ending.step, Step::Goodbye { .. })) {
            return;
        }
        // Whoever was saying goodbye has hung up, even if the other side was faster.
        let reason = match &self.ending {
            Some(ending) if reason == EndReason::UserHangup && ending.reason != EndReason::AgentHangup => ending.reason,
            _ => reason,
        };
        for reply in &mut self.replies {
            reply.interruptible = true;
        }
        self.drop_replies(None);
        self.owed = None;
        if let Some((_, voiced)) = self.voice.current.take()
            && voiced >= super::endpointing::CONFIRMED
        {
            self.turn.stopped = Some(now);
            self.turn.finalized = false;
        }
        let is_pending = drains && self.has_stt && self.turn.is_pending();
        let step = if is_pending { Step::Words } else { Step::Cut };
        if is_pending && !self.turn.finalized {
            self.turn.finalized = true;
            self.act(Action::Finalize);
        }
        if !is_pending {
            self.commit_record(now);
        }
        let came = if is_pending { "the last words did not come" } else { "no words were pending" };
        self.ending = Some(Ending { reason, rule, since: now, step, came });
        self.timers.set(Timer::Drain, Some(now + self.spec.timing.drain));
    }

    /// The recogniser has settled words: the last ones, if those are waited for.
    pub(super) fn words_settled(&mut self, now: Instant) {
        if let Some(ending) = &mut self.ending
            && ending.step == Step::Words
        {
            (ending.step, ending.came) = (Step::Cut, "the last words are settled");
            self.commit_record(now);
        }
    }

    /// What was waited for before hanging up has not come.
    pub(super) fn drained(&mut self, now: Instant) {
        let Some(ending) = self.ending else { return };
        match ending.step {
            Step::Goodbye { .. } => {
                for reply in &mut self.replies {
                    reply.interruptible = true;
                }
                self.drop_replies(None);
                self.finish(ending.reason, ending.rule, now);
                self.came("the goodbye took too long");
            }
            Step::Words => {
                self.words_settled(now);
                self.came("the last words did not come");
            }
            Step::Cut => self.cut = None,
        }
    }

    /// Nothing more is to be said: what is heard was the last, by this rule unless a goodbye was under way by another.
    pub(super) fn finish(&mut self, reason: EndReason, rule: &'static str, now: Instant) {
        let (rule, since, came) = match self.ending {
            Some(ending) => (ending.rule, ending.since, "the goodbye is over"),
            None => (rule, now, "nothing is left to say"),
        };
        self.ending = Some(Ending { reason, rule, since, step: Step::Cut, came });
    }

    fn came(&mut self, came: &'static str) {
        if let Some(ending) = &mut self.ending {
            ending.came = came;
        }
    }

    /// Hangs up when nothing more is waited for.
    pub(super) fn end_if_done(&mut self, now: Instant) {
        let Some(ending) = self.ending else { return };
        if ending.step != Step::Cut {
            return;
        }
        for reply in &mut self.replies {
            reply.interruptible = true;
        }
        if !self.replies.is_empty() {
            self.drop_replies(None);
        }
        if self.cut.is_some() {
            // What was heard of it is told at once.
            self.timers.set(Timer::Drain, Some(now + self.spec.timing.drain));
            return;
        }
        self.commit_record(now);
        let waited = now.saturating_duration_since(ending.since).as_millis();
        let why = why(ending.rule, format!("{}, {waited} ms after it was decided", ending.came));
        self.hang_up(ending.reason, why);
    }
}
