//! The conversation as it happens, a line an event.

use std::io::{self, Write};
use std::time::Duration;

use crate::engine::{DialogueEvent, Event, EventKind, Story};

/// Writes the line of an event, if it has one.
pub(super) fn write_event(out: &mut impl Write, event: &Event) -> io::Result<()> {
    // The words of a turn say enough; and the caller's beginnings are told by the caller.
    let story = match &event.kind {
        EventKind::Dialogue(DialogueEvent::CallerStarted | DialogueEvent::Ending { .. }) => None,
        EventKind::Dialogue(DialogueEvent::TurnCommitted { .. }) => {
            event.story().map(|story| Story { why: None, ..story })
        }
        _ => event.story(),
    };
    let Some(story) = story else { return Ok(()) };
    writeln!(out, "{story}")?;
    out.flush()
}

/// Writes what the caller itself does.
pub(super) fn write_deed(out: &mut impl Write, at: Duration, what: &str) -> io::Result<()> {
    line(out, at, "caller", &format!("· {what}"))
}

fn line(out: &mut impl Write, at: Duration, who: &str, text: &str) -> io::Result<()> {
    writeln!(out, "{:>7.2} s  {who:<7} {text}", at.as_secs_f64())?;
    out.flush()
}
