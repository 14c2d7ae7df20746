//! The vendors' clients against small servers that behave as vendors do on their bad days.
#![expect(clippy::disallowed_methods, reason = "servers live in real time")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly")]

mod chat;
mod deepgram;
mod elevenlabs;
mod espeak;
mod realtime;
mod recognisers;
pub(crate) mod server;
mod simulated;
mod speech;
mod tools;

pub(crate) use server::bounded;
