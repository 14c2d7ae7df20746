//! DOORS · scenario files in real time over RTP, against the running engine.
//!
//! [`rehearse`] takes the same [`Scenario`] that [`world::run`] plays in virtual time: it starts an engine with its RTP
//! gateway and the vendor simulators on loopback sockets, lets a [`Telephone`] play the caller's part as RTP in real time,
//! and judges what came of it by the caller's own ear and by the call's record. What plain RTP or the services' protocols
//! cannot do is skipped with its reason, and is never a pass. [`campaign`] repeats a few situations with recorded voices,
//! many calls at once.
//!
//! May import: `engine`, `world`, `simulator`, `gateway`, `provider`, and the ground. Must never know: control, media,
//! dialogue.
//!
//! [`Scenario`]: crate::world::Scenario
//! [`world::run`]: crate::world::run
#![expect(clippy::disallowed_methods, reason = "doors live in real time")]

mod account;
mod campaign;
mod ear;
mod rehearse;
mod skip;
mod stage;
mod telephone;

pub use campaign::{Campaign, campaign};
pub use ear::{Ear, Hearing, Utterance};
pub use rehearse::{RehearsalError, Rehearsed, Settings, rehearse};
pub use telephone::{Happened, Lateness, Telephone, recording};
