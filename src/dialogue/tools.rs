//! Tools the model asks for: run once, after the turn was committed, their results kept whatever is heard.

use std::time::{Duration, Instant};

use crate::conversation::{Failure, ReplyId, Service, ToolCall, ToolResult};

use super::builtin::{END_CALL, SEND_DTMF, TRANSFER_CALL};
use super::machine::{Dialogue, why};
use super::reply::Purpose;
use super::timer::Timer;
use super::{Action, DialogueEvent, EndReason, Timing};

/// The most tools of one reply; more are answered with a refusal.
pub(super) const MAX_CALLS: usize = 16;
/// The most runs of the model for one turn that only ask for more tools.
const MAX_ROUNDS: u32 = 8;
/// The most fillers of one turn.
const MAX_FILLERS: u32 = 2;

/// The tools that run.
#[derive(Clone, Debug, Default)]
pub(super) struct Tools {
    running: Vec<Running>,
    rounds: u32,
    fillers: u32,
    filled_at: Option<Instant>,
}

#[derive(Clone, Debug)]
struct Running {
    reply: ReplyId,
    id: String,
    name: String,
    since: Instant,
    /// It is given up after this.
    timeout: Duration,
    /// What the caller is told while waiting for it; empty: nothing.
    filler: String,
}

impl Tools {
    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// A new turn may ask for as much as the one before.
    pub(super) fn new_turn(&mut self) {
        self.rounds = 0;
        self.fillers = 0;
        self.filled_at = None;
    }

    /// A filler was heard, or could not be.
    pub(super) fn filled(&mut self, now: Instant) {
        self.filled_at = Some(now);
    }

    /// A filler that was asked for was not needed.
    fn not_filled(&mut self) {
        self.fillers = self.fillers.saturating_sub(1);
    }

    /// When the caller has waited in silence for too long; `quiet_since` is when they last heard something.
    fn filler_at(&self, timing: &Timing, quiet_since: Instant) -> Option<Instant> {
        let since = self.running.iter().map(|tool| tool.since).min()?;
        if self.filler().is_empty() {
            return None;
        }
        let wait = if self.fillers == 0 { timing.filler_after } else { timing.filler_again };
        (self.fillers < MAX_FILLERS).then(|| since.max(quiet_since).max(self.filled_at.unwrap_or(since)) + wait)
    }

    /// What the caller is told: for the tool that has run longest.
    fn filler(&self) -> &str {
        self.running.iter().min_by_key(|tool| tool.since).map_or("", |tool| tool.filler.as_str())
    }

    fn due(&self) -> Option<Instant> {
        self.running.iter().map(|tool| tool.since + tool.timeout).min()
    }
}

impl Dialogue {
    /// The model asks for a tool.
    pub(super) fn tool_call(&mut self, id: ReplyId, call: ToolCall, now: Instant) {
        let Some(id) = self.written_by(id) else { return };
        self.favour(id, now);
        let id = self.made_of(id);
        let Some(reply) = self.reply(id).filter(|reply| reply.generating) else {
            let inputs = format!("reply {id} is not being written");
            return self.drop_event("tool call of a dropped reply", "late.reply-over", inputs);
        };
        if call.name == END_CALL {
            if reply.hangs_up.is_none() {
                let may_stay = !self.has_stayed;
                if let Some(reply) = self.reply(id) {
                    reply.hangs_up = Some((EndReason::AgentHangup, may_stay));
                    reply.interruptible = may_stay;
                }
                self.drain_goodbye(EndReason::AgentHangup, "tool.end-call", may_stay, now);
            }
            return;
        }
        if reply.calls >= MAX_CALLS {
            let inputs = format!("{MAX_CALLS} a reply");
            return self.drop_event("tool call beyond the limit", "limit.tool-calls", inputs);
        }
        reply.calls += 1;
        let text = reply.text.written().to_owned();
        self.history.called(id, &text, call.clone());
        let inputs = format!("asked by reply {id}");
        self.tell(DialogueEvent::ToolStarted { name: call.name.clone(), why: why("tool.asked", inputs) });
        match call.name.as_str() {
            TRANSFER_CALL => self.transfer_asked(id, &call, now),
            SEND_DTMF => self.keys_asked(id, &call, now),
            _ => {
                let rule = self.spec.tool_rules.iter().find(|rule| rule.name == call.name);
                let timeout = rule.and_then(|rule| rule.timeout).unwrap_or(self.spec.timing.tool);
                let filler = rule.and_then(|rule| rule.filler.as_ref()).unwrap_or(&self.spec.filler).clone();
                let running =
                    Running { reply: id, id: call.id.clone(), name: call.name.clone(), since: now, timeout, filler };
                self.tools.running.push(running);
                self.act(Action::Invoke { reply: id, call });
            }
        }
    }

    /// A built-in tool has answered. `is_news`: the model is to go on with what it says.
    pub(super) fn built_in_result(&mut self, reply: ReplyId, call: &str, name: &str, content: &str, is_news: bool) {
        self.history.result(reply, &ToolResult { id: call.into(), content: content.into() });
        let why = why("tool.built-in", if is_news { "the model goes on with the result" } else { "" });
        self.tell(DialogueEvent::ToolEnded { name: name.into(), took: Duration::ZERO, why });
        if is_news && self.owed.is_none() {
            self.owed = Some(self.next_id());
        }
    }

    /// A tool has answered.
    pub(super) fn tool_result(&mut self, result: &ToolResult, now: Instant) {
        self.tool_ended(result, "tool.answered", now);
    }

    fn tool_ended(&mut self, result: &ToolResult, rule: &'static str, now: Instant) {
        let Some(at) = self.tools.running.iter().position(|tool| tool.id == result.id) else {
            let inputs = format!("{} tools run", self.tools.running.len());
            return self.drop_event("result of no running tool", "late.tool-over", inputs);
        };
        let tool = self.tools.running.swap_remove(at);
        self.history.result(tool.reply, result);
        let took = now.saturating_duration_since(tool.since);
        let inputs = format!("{} bytes, {} more running", result.content.len(), self.tools.running.len());
        self.tell(DialogueEvent::ToolEnded { name: tool.name, took, why: why(rule, inputs) });
        if self.tools.is_empty() {
            self.tools_done(now);
        }
    }

    /// All tools have answered: the model goes on with what they said.
    fn tools_done(&mut self, now: Instant) {
        if self.drop_unheard(Purpose::Filler) {
            self.tools.not_filled();
        }
        self.tools.rounds += 1;
        if self.tools.rounds > MAX_ROUNDS {
            let inputs = format!("{MAX_ROUNDS} rounds of tools without an answer");
            self.tell(DialogueEvent::Unstuck { why: why("tool.rounds", inputs) });
            let line = self.spec.apology.clone();
            self.quiet_since = now;
            self.script(Purpose::Apology, &line, now);
            return;
        }
        if self.owed.is_none() {
            self.owed = Some(self.next_id());
        }
    }

    /// Tools that have not answered in time answer with that.
    pub(super) fn tools_late(&mut self, now: Instant) {
        let is_late = |tool: &&Running| now.saturating_duration_since(tool.since) >= tool.timeout;
        let late: Vec<_> = self.tools.running.iter().filter(is_late).map(|t| (t.id.clone(), t.timeout)).collect();
        for (id, timeout) in late {
            let inputs = format!("no answer within {} ms", timeout.as_millis());
            let (failure, why) = (Failure::Timeout, why("tool.timeout", inputs));
            self.tell(DialogueEvent::ServiceFailed { service: Service::Tool, failure, why });
            self.act(Action::CancelTool { call: id.clone() });
            let result = ToolResult { id, content: "error: the tool did not answer in time".into() };
            self.tool_ended(&result, "tool.timeout", now);
        }
    }

    /// The tools of a reply (or all of them) have failed.
    pub(super) fn tools_failed(&mut self, reply: Option<ReplyId>, failure: Failure, now: Instant) {
        let is_meant = |of: ReplyId| reply.is_none_or(|reply| reply == of);
        let failed: Vec<_> = self.tools.running.iter().filter(|t| is_meant(t.reply)).map(|t| t.id.clone()).collect();
        for id in failed {
            let why = why("tool.failed", "the model is told");
            self.tell(DialogueEvent::ServiceFailed { service: Service::Tool, failure, why });
            self.act(Action::CancelTool { call: id.clone() });
            let result = ToolResult { id, content: format!("error: {}", failure.name()) };
            self.tool_ended(&result, "tool.failed", now);
        }
    }

    /// The caller waits for a tool in silence.
    pub(super) fn fill(&mut self, now: Instant) {
        let line = self.tools.filler().to_owned();
        self.tools.fillers += 1;
        self.tools.filled(now);
        self.script(Purpose::Filler, &line, now);
    }

    pub(super) fn arm_tools(&mut self) {
        let timing = self.spec.timing;
        let is_silent = self.replies.is_empty() && !self.voice.is_confirmed() && !self.turn.is_open();
        let filler = self
            .tools
            .filler_at(&timing, self.quiet_since)
            .filter(|_| is_silent && !self.is_on_hold() && self.cut.is_none() && self.transfer.is_none());
        self.timers.set(Timer::Filler, filler);
        self.timers.set(Timer::Tool, self.tools.due());
    }
}
