//! HEART · one phone call.
//!
//! [`Call`] holds the sound (`media`) and the turn-taking (`dialogue`) of one call and carries facts and actions between
//! them. It is sans-IO: told the time, owned by one body, failing at nothing.
//!
//! May import: `media`, `dialogue`, `audio`, `rtp`, `conversation`. Must never know: tokio, sockets, JSON, other calls.

mod input;
pub mod log;
mod machine;
mod output;
mod replies;
mod spec;
mod story;
mod timeline;
mod voiceless;

pub use crate::conversation::Ambience;
pub use crate::dialogue::{
    AnsweredBy, Backups, Command, DialogueEvent, DialogueSpec, Direction, EndReason, KeyRules, Normalise,
    Pronunciation, Screening, Speculation, SttMode, Timing, ToolRule, Update, Why,
};
pub use crate::media::{Format, Formats, InboundReport, OutboundReport, Quality, RtcpSpec, prepare_ambience};
pub use input::Input;
pub use machine::Call;
pub use output::{Event, EventKind, Output, Stereo};
pub use spec::{CallSpec, LineSpec, SoundSpec};
pub use story::Story;
pub use timeline::{Hedges, Line, Report, Speaker, SpeculationReport, TurnReport, Waterfall};
pub use voiceless::Voiceless;
