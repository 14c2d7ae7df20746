//! Whole conversations at the level of facts and actions, with exact virtual times.

mod answer;
mod backups;
mod edges;
mod endings;
mod floor;
mod listening;
mod own_voice;
mod properties;
mod speculation;
mod spoken;
mod stage;
mod tools;
mod troubles;
mod turns;

use std::sync::OnceLock;
use std::time::Instant;

use crate::conversation::{Transcript, TranscriptKind};

/// The one instant all virtual times count from.
#[expect(clippy::disallowed_methods, reason = "an `Instant` cannot be made up; every time is counted from this one")]
pub(in crate::dialogue) fn base() -> Instant {
    static BASE: OnceLock<Instant> = OnceLock::new();
    *BASE.get_or_init(Instant::now)
}

pub(in crate::dialogue) fn transcript(kind: TranscriptKind, text: &str) -> Transcript {
    Transcript { kind, text: text.into(), confidence: 0.9, audio_end: None }
}
