//! DOORS · one phone call end to end, with no keys and no services.
//!
//! Starts the engine with its RTP gateway, the vendor simulators on loopback sockets, and a caller that plays recorded
//! sounds as RTP in real time; prints the conversation as it happens, then what was measured; writes the recording, the
//! record and the replayable log. Succeeds only if the conversation happened as scripted.
//!
//! May import: `rehearsal` (its telephone), `world` (the caller and its network), `engine`, `simulator`, `gateway`,
//! `provider`, `config`, `audio`, `rtp`. Must never know: control, media, dialogue.
#![expect(clippy::disallowed_methods, reason = "doors live in real time")]

mod caller;
mod files;
mod play;
mod scorecard;
mod script;
mod transcript;

pub use play::{Demo, DemoError, run};
