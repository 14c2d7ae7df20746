//! Something that happened in a scenario, for its timeline.

use std::fmt;

use crate::call::DialogueEvent;
use crate::conversation::ReplyId;

/// Something that happened in a scenario, with its time since the answer (negative while it rang).
#[derive(Clone, PartialEq, Debug)]
pub struct Moment {
    /// Milliseconds since the answer.
    pub at: i64,
    /// What kind of moment: `commit`, `held`, `audio` …
    pub kind: &'static str,
    /// The rest.
    pub text: String,
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>7} {:<11} {}", self.at, self.kind, self.text)?;
        Ok(())
    }
}

/// What should not have happened in a scenario, or should have and did not.
#[derive(Clone, PartialEq, Debug)]
pub struct Failure {
    /// Around which moment to look, in milliseconds since the answer; `None`: it concerns the whole call.
    pub at: Option<i64>,
    /// What is wrong.
    pub text: String,
}

impl Failure {
    pub(super) fn at(at: i64, text: impl Into<String>) -> Self {
        Self { at: Some(at), text: text.into() }
    }
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self { at: None, text }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// How a decision reads in the timeline; `None`: it is left out.
pub(super) fn describe(event: &DialogueEvent) -> Option<(&'static str, String)> {
    Some(match event {
        DialogueEvent::CallerStarted => ("caller", "is heard".into()),
        DialogueEvent::CallerHeard { .. } => return None,
        DialogueEvent::TurnCommitted { turn, text, why, .. } => {
            ("commit", format!("turn {turn} \"{text}\" [{}]", why.rule))
        }
        DialogueEvent::ThoughtAhead { reply, why } => ("thinks", format!("reply {reply} [{}]", why.rule)),
        DialogueEvent::ThoughtKept { reply, tokens, saved, why } => {
            ("kept", format!("reply {reply}, {tokens} tokens, saved {} ms [{}]", saved.as_millis(), why.rule))
        }
        DialogueEvent::ThoughtDropped { reply, tokens, why } => {
            ("dropped", format!("reply {reply}, {tokens} tokens [{}]", why.rule))
        }
        DialogueEvent::Ducked { reply, why } => ("ducked", format!("reply {reply} [{}]", why.rule)),
        DialogueEvent::Held { reply, why, .. } => ("held", format!("reply {reply} [{}]", why.rule)),
        DialogueEvent::Resumed { reply, why } => ("resumed", format!("reply {reply} [{}]", why.rule)),
        DialogueEvent::Interrupted { reply, why } => ("interrupted", format!("reply {reply} [{}]", why.rule)),
        DialogueEvent::TakenBack { reply, why } => ("taken-back", format!("reply {reply} [{}]", why.rule)),
        DialogueEvent::Backchannel { text, .. } => ("backchannel", format!("\"{text}\"")),
        DialogueEvent::AgentBackchannel { reply, text, why } => {
            ("agent-backchannel", format!("reply {reply} \"{text}\" [{}]", why.rule))
        }
        DialogueEvent::AgentSaid { reply, text, interrupted, .. } => {
            ("said", format!("reply {reply} \"{text}\"{}", if *interrupted { " (cut)" } else { "" }))
        }
        DialogueEvent::ToolStarted { name, .. } => ("tool", format!("{name} starts")),
        DialogueEvent::ToolEnded { name, took, .. } => ("tool", format!("{name} took {} ms", took.as_millis())),
        DialogueEvent::TransferStarted { .. } => ("transfer", "rings".into()),
        DialogueEvent::TransferFailed { end, why } => ("transfer", format!("{} [{}]", end.name(), why.rule)),
        DialogueEvent::ServiceFailed { service, failure, why } => {
            ("failed", format!("{} {} [{}]", service.name(), failure.name(), why.rule))
        }
        DialogueEvent::Ignored { why } => ("ignored", format!("[{}]", why.rule)),
        DialogueEvent::Hedged { service, reply, backup, why } => {
            let by = |id: &Option<ReplyId>, who| id.map_or(String::new(), |id| format!(" {who} {id}"));
            ("hedged", format!("{}{}{} [{}]", service.name(), by(reply, "reply"), by(backup, "as"), why.rule))
        }
        DialogueEvent::Unstuck { why } => ("unstuck", format!("[{}]", why.rule)),
        DialogueEvent::LineHeld { held, why } => {
            ("hold", format!("{} [{}]", if *held { "begins" } else { "ends" }, why.rule))
        }
        DialogueEvent::Withheld { reply, why } => ("withheld", format!("reply {reply} [{}]", why.rule)),
        DialogueEvent::Dropped { .. } => return None,
        DialogueEvent::AnsweredBy { by, why } => ("answered-by", format!("{} [{}]", by.name(), why.rule)),
        DialogueEvent::Ending { reason, why } => ("ending", format!("{} [{}]", reason.name(), why.rule)),
    })
}
