//! The REST door: `/v1`, one file a resource.
//!
//! Errors have one shape everywhere ([`Refusal`]), bodies are bounded and may be empty, every answer has a request id.

mod agents;
mod body;
mod calls;
mod events;
mod guard;
mod health;
mod legs;
mod metrics;
mod not_yet;
mod overrides;
mod query;
mod refusal;
mod router;
mod segment;
mod serve;
mod sound;
mod streams;

pub use refusal::Refusal;
pub use router::router;
pub use serve::{Limits, serve};
