//! BODY · real time: one task drives one call.
//!
//! [`Engine`] admits calls up to a limit, starts them, lists them and lets them finish; [`CallHandle`] steers and watches
//! one of them. Whatever the outside can do, it does through these two: HTTP and the linked library have the same verbs.
//!
//! May import: `call`, `gateway`, `provider`, and the ground. Must never know: HTTP, databases, what a turn is.

#![expect(
    clippy::disallowed_methods,
    reason = "the body in real time: it reads the clock for the call and runs its task"
)]

mod ambience;
mod bells;
mod breaker;
mod driver;
#[expect(clippy::module_inception, reason = "the room is named after its main type")]
mod engine;
mod files;
mod handle;
mod hearing;
mod instance;
mod journal;
mod ledger;
mod log;
mod loudness;
mod quiet;
mod recording;
mod registry;
mod replies;
mod ring;
mod services;
mod sound_file;
mod spare;
mod start;
mod stats;
#[cfg(test)]
mod tests;
mod threads;
mod wake;

pub use crate::audio::{Codec, Frame, OpusSettings, SampleRate};
pub use crate::call::{
    Ambience, AnsweredBy, Backups, CallSpec, Command, DialogueEvent, DialogueSpec, Direction, EndReason, Event,
    EventKind, Formats, Hedges, InboundReport, KeyRules, Line, LineSpec, Normalise, OutboundReport, Pronunciation,
    Quality, Report, RtcpSpec, Screening, SoundSpec, Speaker, Speculation, SpeculationReport, Story, SttMode, Timing,
    ToolRule, TurnReport, Update, Voiceless, Waterfall, Why,
};
pub use crate::conversation::{Denoising, Pii, Service, Variables};
pub use crate::gateway::websocket::{WsFrame, twilio};
pub use crate::gateway::{Gateway, Leg, LegCounters, LegError, LegMedia, LegSpec, SrtpSpec};
pub use crate::provider::{Llm, Stt, SttSpec, Tools, Tts, TtsSpec};
pub use crate::rtp::{PayloadType, SdesCrypto};
pub use ambience::ready_ambience;
pub use engine::{Engine, EngineConfig};
pub use handle::{Account, CallHandle, CallId, Outcome, Subscription};
pub use instance::{Instance, Instances};
pub use ledger::Cost;
pub use recording::{RecordingFormat, RecordingSpec};
pub use registry::{Busy, Permit};
pub use sound_file::repair_recordings;
pub use start::{LlmSettings, Providers, Standby, Start};
pub use stats::{EngineStats, Histogram, Scores, ServiceCounters, Totals};
