//! The decisions of a call as a log names them: what was decided and by which rule, nothing that was said.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::time::Duration;

use crate::call::{DialogueEvent, Event, EventKind, Why};
use crate::conversation::ReplyId;

use super::fields;

/// One decision of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    /// When, since the call began.
    pub at: Duration,
    /// What was decided: `commit`, `held`, `failed-tts-timeout` …
    pub kind: Cow<'static, str>,
    /// About which reply; `None`: about none.
    pub reply: Option<ReplyId>,
    /// By which rule; empty: it follows from others.
    pub rule: Cow<'static, str>,
    /// What the rule saw; never what the caller said.
    pub inputs: String,
}

impl Decision {
    /// The decision an event tells of; `None`: it tells of none.
    pub fn of(event: &Event) -> Option<Self> {
        let decided = |kind: &'static str, reply: Option<ReplyId>, why: Option<&Why>| Self {
            at: event.at,
            kind: kind.into(),
            reply,
            rule: why.map_or("", |why| why.rule).into(),
            inputs: why.map_or_else(String::new, |why| why.inputs.clone()),
        };
        let decision = match &event.kind {
            EventKind::Dialogue(decision) => decision,
            EventKind::Ended { reason } => {
                return Some(Self { rule: reason.name().into(), ..decided("ended", None, None) });
            }
            EventKind::SoundWithoutVoice { why, .. } => return Some(decided("voiceless", None, Some(why))),
            EventKind::Answered | EventKind::TurnAnswered(_) | EventKind::Silenced { .. } | EventKind::DigitPressed => {
                return None;
            }
        };
        Some(match decision {
            DialogueEvent::CallerStarted => decided("caller", None, None),
            DialogueEvent::CallerHeard { .. } => return None,
            DialogueEvent::Dropped { why, .. } => decided("late", None, Some(why)),
            DialogueEvent::TurnCommitted { reply, why, .. } => decided("commit", Some(*reply), Some(why)),
            DialogueEvent::ThoughtAhead { reply, why } => decided("thinks", Some(*reply), Some(why)),
            DialogueEvent::ThoughtKept { reply, why, .. } => decided("kept", Some(*reply), Some(why)),
            DialogueEvent::ThoughtDropped { reply, why, .. } => decided("dropped", Some(*reply), Some(why)),
            DialogueEvent::Ducked { reply, why } => decided("ducked", Some(*reply), Some(why)),
            DialogueEvent::Held { reply, why, .. } => decided("held", Some(*reply), Some(why)),
            DialogueEvent::Resumed { reply, why } => decided("resumed", Some(*reply), Some(why)),
            DialogueEvent::Interrupted { reply, why } => decided("interrupted", Some(*reply), Some(why)),
            DialogueEvent::TakenBack { reply, why } => decided("taken-back", Some(*reply), Some(why)),
            DialogueEvent::Backchannel { why, .. } => decided("backchannel", None, Some(why)),
            DialogueEvent::AgentBackchannel { reply, why, .. } => decided("agent-backchannel", Some(*reply), Some(why)),
            DialogueEvent::AgentSaid { reply, interrupted, why, .. } => {
                decided(if *interrupted { "said-cut" } else { "said" }, Some(*reply), Some(why))
            }
            DialogueEvent::ToolStarted { why, .. } => decided("tool", None, Some(why)),
            DialogueEvent::ToolEnded { why, .. } => decided("tool-ended", None, Some(why)),
            DialogueEvent::TransferStarted { why } => decided("transfer", None, Some(why)),
            DialogueEvent::LineHeld { held, why } => {
                decided(if *held { "line-held" } else { "line-back" }, None, Some(why))
            }
            DialogueEvent::Withheld { reply, why } => decided("withheld", Some(*reply), Some(why)),
            DialogueEvent::TransferFailed { end, why } => {
                Self { kind: format!("transfer-{}", end.name()).into(), ..decided("", None, Some(why)) }
            }
            DialogueEvent::ServiceFailed { service, failure, why } => {
                let kind = format!("failed-{}-{}", service.name(), failure.name()).into();
                Self { kind, ..decided("", None, Some(why)) }
            }
            DialogueEvent::Ignored { why } => decided("ignored", None, Some(why)),
            DialogueEvent::Hedged { service, reply, why, .. } => {
                Self { kind: format!("hedged-{}", service.name()).into(), ..decided("", *reply, Some(why)) }
            }
            DialogueEvent::Unstuck { why } => decided("unstuck", None, Some(why)),
            DialogueEvent::AnsweredBy { by, why } => {
                Self { kind: format!("answered-by-{}", by.name()).into(), ..decided("", None, Some(why)) }
            }
            DialogueEvent::Ending { reason, why } => {
                Self { kind: format!("ending-{}", reason.name()).into(), ..decided("", None, Some(why)) }
            }
        })
    }

    /// Whether another decision is the same at the same time, whatever the rule saw: under another setting a rule may see
    /// another limit and decide as before.
    pub fn is_same(&self, other: &Self) -> bool {
        (self.at, &self.kind, self.reply, &self.rule) == (other.at, &other.kind, other.reply, &other.rule)
    }

    /// Appends the line of this decision, without its end. Readers that do not know it take it for a comment.
    pub(super) fn put(&self, line: &mut String) {
        let _ = write!(line, "{MARK}{} ", self.at.as_nanos());
        fields::put_text(line, &self.kind);
        let _ = match self.reply {
            Some(reply) => write!(line, " {reply} "),
            None => write!(line, " - "),
        };
        fields::put_text(line, &self.rule);
        line.push(' ');
        fields::put_text(line, &self.inputs);
    }

    /// Reads a line of [`put`](Decision::put); `None`: it is none.
    pub(super) fn read(line: &str) -> Option<Self> {
        let mut fields = line.strip_prefix(MARK)?.split(' ');
        let at = Duration::from_nanos(fields.next()?.parse().ok()?);
        let kind = fields::text(fields.next()?)?.into();
        let reply = match fields.next()? {
            "-" => None,
            id => Some(ReplyId(id.parse().ok()?)),
        };
        let rule = fields::text(fields.next()?)?.into();
        Some(Self { at, kind, reply, rule, inputs: fields::text(fields.next()?)? })
    }
}

impl fmt::Display for Decision {
    /// `held at 12.340 s by barge-in.hold (voiced 100 ms)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:.3} s", self.kind, self.at.as_secs_f64())?;
        if !self.rule.is_empty() {
            write!(f, " by {}", self.rule)?;
        }
        if !self.inputs.is_empty() {
            write!(f, " ({})", self.inputs)?;
        }
        Ok(())
    }
}

/// What a decision's line begins with.
const MARK: &str = "#~ ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_reads_back_as_it_was_written_and_quotes_nobody() {
        let why = Why { rule: "endpoint.normal", inputs: "quiet 500 ms; of 500".into() };
        let committed = DialogueEvent::TurnCommitted {
            turn: 1,
            reply: ReplyId(7),
            text: "my secret".into(),
            replaces: None,
            confidence: 0.9,
            stopped: None,
            decided: Duration::ZERO,
            settled: Duration::ZERO,
            why,
        };
        let event = Event { at: Duration::from_nanos(12_340_000_001), kind: EventKind::Dialogue(committed) };
        let decision = Decision::of(&event).unwrap();
        let mut line = String::new();
        decision.put(&mut line);
        assert!(line.starts_with('#') && !line.contains("secret"), "{line}");
        assert_eq!(Decision::read(&line), Some(decision.clone()));
        assert_eq!(decision.to_string(), "commit at 12.340 s by endpoint.normal (quiet 500 ms; of 500)");
        assert_eq!(Decision::read("# 12.340 TurnCommitted"), None);
    }

    #[test]
    fn what_a_rule_saw_makes_no_other_decision_of_it() {
        let decision = |at, rule: &'static str, inputs: &str| Decision {
            at: Duration::from_millis(at),
            kind: "held".into(),
            reply: Some(ReplyId(1)),
            rule: rule.into(),
            inputs: inputs.into(),
        };
        let held = decision(900, "barge-in.hold", "96 ms");
        assert!(held.is_same(&decision(900, "barge-in.hold", "100 ms")));
        assert!(!held.is_same(&decision(901, "barge-in.hold", "96 ms")));
        assert!(!held.is_same(&decision(900, "barge-in.words", "96 ms")));
    }
}
