//! Handing the caller to someone else: the agent's words first, then it rings, then the call is theirs or goes on.
//!
//! ```text
//!   asked ── words heard ──► rings ── taken ──► the call ends: transferred
//!     │                        │
//!     │ the caller goes on     └── nobody, refused, 20 s ──► the caller is told, the model too: live again
//!     └──► called off, the model is told
//! ```
//!
//! While it rings the caller is not left in silence, is heard, and is answered if it comes to nothing.

use std::time::Instant;

use crate::conversation::{Pii, ReplyId, ToolCall, ToolResult, TransferEnd};

use super::builtin::TRANSFER_CALL;
use super::machine::{Dialogue, why};
use super::reply::Purpose;
use super::timer::Timer;
use super::{Action, DialogueEvent, EndReason};

/// A transfer that was asked for.
#[derive(Clone, Debug)]
pub(super) struct Transfer {
    to: Pii<String>,
    /// The tool call that asked for it; `None`: somebody outside did.
    tool: Option<(ReplyId, String)>,
    asked: Instant,
    /// The caller's turns when it was asked for.
    turns: u32,
    /// Whether the caller, or somebody outside, has cut the words before it.
    is_cut: bool,
    /// Since when it rings.
    ringing: Option<Instant>,
    /// When the caller was last told that it does, and the caller's turns then.
    comforted: Option<(Instant, u32)>,
}

impl Transfer {
    /// Words of the agent were cut.
    pub(super) fn words_cut(&mut self) {
        self.is_cut |= self.ringing.is_none();
    }
}

impl Dialogue {
    /// The model asks for a transfer.
    pub(super) fn transfer_asked(&mut self, reply: ReplyId, call: &ToolCall, now: Instant) {
        let refusal = match &self.spec.transfer_number {
            _ if self.transfer.is_some() => "error: a transfer is under way already",
            None => "error: there is nobody to transfer to; help the caller yourself",
            Some(to) => {
                self.transfer = Some(Transfer {
                    to: to.clone(),
                    tool: Some((reply, call.id.clone())),
                    asked: now,
                    turns: self.turns,
                    is_cut: false,
                    ringing: None,
                    comforted: None,
                });
                return;
            }
        };
        self.built_in_result(reply, &call.id, TRANSFER_CALL, refusal, true);
    }

    /// Somebody outside orders a transfer; `to` outranks the number of the spec.
    pub(super) fn transfer_ordered(&mut self, to: Option<Pii<String>>, now: Instant) {
        let Some(to) = to.or_else(|| self.spec.transfer_number.clone()) else {
            return self.drop_event("transfer to nobody", "transfer.no-number", "none is ordered, none is configured");
        };
        if self.transfer.is_some() || self.ending.is_some() {
            let inputs = format!("transfer under way {}, ending {}", self.transfer.is_some(), self.ending.is_some());
            return self.drop_event("transfer beside another, or at the end", "limit.transfers", inputs);
        }
        let (tool, turns) = (None, self.turns);
        self.transfer = Some(Transfer { to, tool, asked: now, turns, is_cut: false, ringing: None, comforted: None });
    }

    /// Lets it ring once the agent's words were heard, unless the caller went on before that.
    pub(super) fn transfer_next(&mut self, now: Instant) {
        if self.ending.is_some() {
            self.transfer = None;
            return;
        }
        let Some(transfer) = &self.transfer else { return };
        let is_caller_on = self.voice.is_confirmed() || self.turn.is_open();
        let waits = transfer.ringing.is_some() || self.answered.is_none() || self.is_on_hold();
        if waits || is_caller_on || self.cut.is_some() {
            return;
        }
        if transfer.turns != self.turns || transfer.is_cut {
            let content = "error: the caller went on before the transfer began; transfer again if they still want it";
            self.tell(DialogueEvent::TransferFailed {
                end: TransferEnd::Refused,
                why: why("transfer.called-off", "the caller went on before it rang"),
            });
            return self.transfer_over(content, now);
        }
        if !self.replies.is_empty() || !self.tools.is_empty() || self.keys.due().is_some() {
            return;
        }
        let to = transfer.to.clone();
        let waited = now.saturating_duration_since(transfer.asked).as_millis();
        if let Some(transfer) = &mut self.transfer {
            transfer.ringing = Some(now);
        }
        self.quiet_since = now;
        let inputs = format!("{waited} ms after it was asked for, nothing more to say");
        self.tell(DialogueEvent::TransferStarted { why: why("transfer.rings", inputs) });
        self.act(Action::Transfer { to });
    }

    /// How the transfer ended.
    pub(super) fn transfer_ended(&mut self, end: TransferEnd, now: Instant) {
        self.transfer_came_to(end, "transfer.failed", now);
    }

    /// Nobody has answered in time.
    pub(super) fn transfer_late(&mut self, now: Instant) {
        self.transfer_came_to(TransferEnd::NoAnswer, "transfer.timeout", now);
    }

    fn transfer_came_to(&mut self, end: TransferEnd, rule: &'static str, now: Instant) {
        let Some(since) = self.transfer.as_ref().and_then(|transfer| transfer.ringing) else {
            return self.drop_event("end of no transfer", "late.no-transfer", end.name());
        };
        if end == TransferEnd::Taken {
            self.transfer_over("the caller was transferred", now);
            return self.close(EndReason::Transferred, "transfer.taken", false, now);
        }
        let rang = now.saturating_duration_since(since).as_millis();
        let inputs = format!("{} after {rang} ms: the caller is told", end.name());
        self.tell(DialogueEvent::TransferFailed { end, why: why(rule, inputs) });
        let content = format!("error: the transfer failed ({}); the caller is still with you", end.name());
        self.transfer_over(&content, now);
        self.drop_unheard(Purpose::Filler);
        self.quiet_since = now;
        self.words_at = now;
        if !self.has_stt {
            // Nobody hears the caller any more.
            let line = self.spec.apology.clone();
            return self.say_last(&line, EndReason::ServiceFailure, "stt.failed", false, now);
        }
        let line = self.spec.transfer_failed.clone();
        self.script(Purpose::Prompt, &line, now);
    }

    /// The transfer is over; the tool that asked for it says how.
    fn transfer_over(&mut self, content: &str, now: Instant) {
        let Some(transfer) = self.transfer.take() else { return };
        if let Some((reply, id)) = transfer.tool {
            self.history.result(reply, &ToolResult { id, content: content.into() });
            let took = now.saturating_duration_since(transfer.asked);
            let why = why("tool.built-in", "the transfer is over");
            self.tell(DialogueEvent::ToolEnded { name: TRANSFER_CALL.into(), took, why });
        }
    }

    /// The caller has waited in silence while it rings.
    pub(super) fn comfort(&mut self, now: Instant) {
        let turns = self.turns;
        let Some(transfer) = &mut self.transfer else { return };
        let is_first = transfer.comforted.replace((now, turns)).is_none();
        let line = if is_first { &self.spec.filler } else { &self.spec.transfer_wait };
        let line = line.clone();
        self.script(Purpose::Filler, &line, now);
    }

    pub(super) fn arm_transfer(&mut self) {
        let timing = self.spec.timing;
        let ringing = self.transfer.as_ref().and_then(|transfer| Some((transfer.ringing?, transfer.comforted)));
        self.timers.set(Timer::Transfer, ringing.map(|(since, _)| since + timing.transfer));
        let is_silent = self.replies.is_empty() && !self.voice.is_confirmed() && !self.turn.is_open();
        let comfort =
            ringing.filter(|_| is_silent && !self.is_on_hold() && self.cut.is_none()).map(|(since, comforted)| {
                let wait = match comforted {
                    Some((_, turns)) if turns == self.turns => timing.transfer_comfort,
                    // The first time, and when the caller has said something since.
                    _ => timing.filler_after,
                };
                since.max(self.quiet_since).max(comforted.map_or(since, |(at, _)| at)) + wait
            });
        self.timers.set(Timer::Comfort, comfort);
    }
}
