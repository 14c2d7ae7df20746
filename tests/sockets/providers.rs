//! The vendors' clients against small servers that behave as vendors do on their bad days.
#![expect(clippy::disallowed_methods, reason = "servers live in real time")]

mod chat;
mod deepgram;
mod elevenlabs;
mod server;
mod speech;
