//! Twilio Media Streams, bidirectional (`<Connect><Stream>`): µ-law in base64 in JSON, a far side that buffers.
//!
//! `wire` reads and writes the messages, `line` is the open stream, [`accept`] the way from a WebSocket to a [`Leg`].
//!
//! [`Leg`]: crate::gateway::Leg

mod accept;
mod line;
mod wire;

pub use accept::{AcceptError, Accepted, StartInfo, accept};
