//! A call's events as lines a person reads.

use std::fmt;
use std::time::Duration;

use crate::dialogue::{AnsweredBy, DialogueEvent, Why};

use super::{Event, EventKind};

/// One line of a call's story: who did what when, by which rule. It may quote what was said: not for a log above debug.
#[derive(Clone, PartialEq, Debug)]
pub struct Story<'a> {
    /// Time since the call began.
    pub at: Duration,
    /// Who: `CALLER` and `AGENT` for their words, in lower case for what they do.
    pub who: &'static str,
    /// What.
    pub text: String,
    /// Why, when it was a decision.
    pub why: Option<&'a Why>,
}

impl Event {
    /// The line of this event; `None` for what only machines care about.
    pub fn story(&self) -> Option<Story<'_>> {
        let (who, text, why) = match &self.kind {
            EventKind::Answered => ("line", "answered".into(), None),
            EventKind::Dialogue(event) => decision(event)?,
            EventKind::TurnAnswered(turn) => {
                let total = turn.waterfall.total().as_millis();
                ("agent", format!("· answers turn {}, {total} ms after the caller stopped", turn.turn), None)
            }
            EventKind::Silenced { after, .. } => {
                let after = after.as_millis();
                ("agent", format!("· silent {after} ms after the first sample of that voice"), None)
            }
            EventKind::SoundWithoutVoice { since, why } => {
                let for_ms = self.at.saturating_sub(*since).as_millis();
                ("caller", format!("· sounds for {for_ms} ms without a voice"), Some(why))
            }
            EventKind::DigitPressed => ("caller", "· presses a key".into(), None),
            EventKind::Ended { reason } => ("line", format!("ended: {}", reason.name()), None),
        };
        Some(Story { at: self.at, who, text, why })
    }
}

type Told<'a> = (&'static str, String, Option<&'a Why>);

fn decision(event: &DialogueEvent) -> Option<Told<'_>> {
    let told = |who, text: &str, why| (who, text.to_owned(), why);
    Some(match event {
        DialogueEvent::CallerStarted => told("caller", "· is heard", None),
        DialogueEvent::CallerHeard { .. } | DialogueEvent::Dropped { .. } => return None,
        DialogueEvent::TurnCommitted { text, why, .. } => told("CALLER", text, Some(why)),
        DialogueEvent::AgentSaid { text, interrupted: false, why, .. } => told("AGENT", text, Some(why)),
        DialogueEvent::AgentSaid { text, interrupted: true, why, .. } => ("AGENT", format!("{text} ✂"), Some(why)),
        DialogueEvent::ThoughtAhead { why, .. } => told("agent", "· thinks ahead", Some(why)),
        DialogueEvent::ThoughtKept { saved, why, .. } => {
            ("agent", format!("· has thought right: {} ms saved", saved.as_millis()), Some(why))
        }
        DialogueEvent::ThoughtDropped { why, .. } => told("agent", "· drops the thought", Some(why)),
        DialogueEvent::Ducked { why, .. } => told("agent", "· speaks softer", Some(why)),
        DialogueEvent::Held { why, .. } => told("agent", "· holds its tongue", Some(why)),
        DialogueEvent::Resumed { why, .. } => told("agent", "· goes on", Some(why)),
        DialogueEvent::TakenBack { why, .. } => told("agent", "· takes its answer back: the caller goes on", Some(why)),
        DialogueEvent::Interrupted { why, .. } => told("agent", "✂ BARGE-IN: the caller takes the floor", Some(why)),
        DialogueEvent::Backchannel { text, why } => ("caller", format!("· \"{text}\" is no turn"), Some(why)),
        DialogueEvent::AgentBackchannel { text, why, .. } => ("agent", format!("· \"{text}\" in between"), Some(why)),
        DialogueEvent::ToolStarted { name, why } => ("agent", format!("· runs {name}"), Some(why)),
        DialogueEvent::ToolEnded { name, took, why } => {
            ("agent", format!("· {name} answered after {} ms", took.as_millis()), Some(why))
        }
        DialogueEvent::TransferStarted { why } => told("agent", "· hands the caller on: it rings there", Some(why)),
        DialogueEvent::LineHeld { held: true, why } => told("line", "· is put on hold", Some(why)),
        DialogueEvent::LineHeld { held: false, why } => told("line", "· is taken back", Some(why)),
        DialogueEvent::Withheld { why, .. } => told("agent", "· waits with its answer", Some(why)),
        DialogueEvent::TransferFailed { end, why } => {
            ("agent", format!("· the caller stays: transfer {}", end.name()), Some(why))
        }
        DialogueEvent::ServiceFailed { service, failure, why } => {
            ("engine", format!("! {} {}", service.name(), failure.name()), Some(why))
        }
        DialogueEvent::Ignored { why } => told("agent", "· lets something pass", Some(why)),
        DialogueEvent::Hedged { service, why, .. } => {
            ("engine", format!("+ asks a backup: {}", service.name()), Some(why))
        }
        DialogueEvent::Unstuck { why } => told("engine", "!", Some(why)),
        DialogueEvent::AnsweredBy { by, why } => {
            let who = match by {
                AnsweredBy::Human => "a person answers",
                AnsweredBy::Voicemail => "a voicemail answers",
                AnsweredBy::Screening => "a call screening answers",
                AnsweredBy::Ivr => "a menu answers",
                AnsweredBy::Hold => "a queue answers",
                _ => "nobody knows who answers",
            };
            ("callee", format!("· {who}"), Some(why))
        }
        DialogueEvent::Ending { reason, why } => ("agent", format!("· ends the call: {}", reason.name()), Some(why)),
    })
}

impl fmt::Display for Story<'_> {
    /// `  12.34 s  agent   · speaks softer  [barge-in.duck]`; with `{:#}` the rule's inputs stand behind it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>7.2} s  {:<7} {}", self.at.as_secs_f64(), self.who, self.text)?;
        match self.why {
            Some(why) if f.alternate() && !why.inputs.is_empty() => write!(f, "  [{}: {}]", why.rule, why.inputs),
            Some(why) => write!(f, "  [{}]", why.rule),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::ReplyId;

    #[test]
    fn a_decision_reads_as_a_line_with_its_rule_and_on_wish_its_inputs() {
        let why = Why { rule: "barge-in.hold", inputs: "voiced 100 ms".into() };
        let held = DialogueEvent::Held { reply: ReplyId(1), voice_began: Duration::ZERO, why };
        let event = Event { at: Duration::from_millis(22_880), kind: EventKind::Dialogue(held) };
        let story = event.story().unwrap();
        assert_eq!(story.to_string(), "  22.88 s  agent   · holds its tongue  [barge-in.hold]");
        assert_eq!(format!("{story:#}"), "  22.88 s  agent   · holds its tongue  [barge-in.hold: voiced 100 ms]");
    }
}
