//! The conversation as it happens, a line an event.

use std::io::{self, Write};
use std::time::Duration;

use crate::engine::{DialogueEvent, Event, EventKind};

/// Writes the line of an event, if it has one.
pub(super) fn write_event(out: &mut impl Write, event: &Event) -> io::Result<()> {
    let EventKind::Dialogue(decision) = &event.kind else {
        return match &event.kind {
            EventKind::Answered => line(out, event.at, "line", "answered"),
            EventKind::Silenced { after, .. } => line(
                out,
                event.at,
                "agent",
                &format!("· silent {} ms after the first sample of that voice", after.as_millis()),
            ),
            EventKind::TurnAnswered(turn) => {
                let total = turn.waterfall.total().as_millis();
                line(
                    out,
                    event.at,
                    "agent",
                    &format!("· answers turn {}, {total} ms after the caller stopped", turn.turn),
                )
            }
            EventKind::Ended { reason } => line(out, event.at, "line", &format!("ended: {}", reason.name())),
            _ => Ok(()),
        };
    };
    match decision {
        DialogueEvent::TurnCommitted { text, .. } => line(out, event.at, "CALLER", text),
        DialogueEvent::AgentSaid { text, interrupted, .. } => {
            line(out, event.at, "AGENT", &format!("{text}{}", if *interrupted { " ✂" } else { "" }))
        }
        DialogueEvent::Ducked { why, .. } => line(out, event.at, "agent", &format!("· speaks softer  [{}]", why.rule)),
        DialogueEvent::Held { why, .. } => line(out, event.at, "agent", &format!("· holds its tongue  [{}]", why.rule)),
        DialogueEvent::Resumed { why, .. } => line(out, event.at, "agent", &format!("· goes on  [{}]", why.rule)),
        DialogueEvent::TakenBack { why, .. } => {
            line(out, event.at, "agent", &format!("· takes its answer back: the caller goes on  [{}]", why.rule))
        }
        DialogueEvent::Interrupted { why, .. } => {
            line(out, event.at, "agent", &format!("✂ BARGE-IN: the caller takes the floor  [{}]", why.rule))
        }
        DialogueEvent::Backchannel { text } => line(out, event.at, "caller", &format!("· \"{text}\" is no turn")),
        DialogueEvent::TransferStarted => line(out, event.at, "agent", "· hands the caller on: it rings there"),
        DialogueEvent::TransferFailed { end, why } => {
            line(out, event.at, "engine", &format!("! transfer {}  [{}]", end.name(), why.rule))
        }
        DialogueEvent::ServiceFailed { service, failure, why } => {
            line(out, event.at, "engine", &format!("! {} {}  [{}]", service.name(), failure.name(), why.rule))
        }
        DialogueEvent::Unstuck { why } => line(out, event.at, "engine", &format!("! [{}]", why.rule)),
        _ => Ok(()),
    }
}

/// Writes what the caller itself does.
pub(super) fn write_deed(out: &mut impl Write, at: Duration, what: &str) -> io::Result<()> {
    line(out, at, "caller", &format!("· {what}"))
}

fn line(out: &mut impl Write, at: Duration, who: &str, text: &str) -> io::Result<()> {
    writeln!(out, "{:>7.2} s  {who:<7} {text}", at.as_secs_f64())?;
    out.flush()
}
