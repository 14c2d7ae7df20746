//! BODY · real time: one task drives one call.
//!
//! [`Engine`] admits calls up to a limit, starts them, lists them and lets them finish; [`CallHandle`] steers and watches
//! one of them. Whatever the outside can do, it does through these two: HTTP and the linked library have the same verbs.
//!
//! May import: `call`, `gateway`, `provider`, and the ground. Must never know: HTTP, databases, what a turn is.

mod handle;
mod start;

pub use crate::audio::{Codec, SampleRate};
pub use crate::call::{
    CallSpec, Command, DialogueEvent, DialogueSpec, Direction, EndReason, Event, EventKind, InboundReport, Line,
    LineSpec, OutboundReport, Report, Speaker, Timing, TurnReport, Waterfall, Why,
};
pub use crate::conversation::Pii;
pub use crate::gateway::{Gateway, Leg, LegCounters, LegError, LegSpec};
pub use crate::provider::{Llm, Stt, SttSpec, Tools, Tts, TtsSpec};
pub use handle::{CallHandle, CallId, Outcome, Subscription};
pub use start::{LlmSettings, Providers, Start};
