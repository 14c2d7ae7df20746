//! Media streams over WebSocket: the dialects of carriers and PBXs, one folder a dialect.
//!
//! A dialect is fed by any `Stream + Sink` of [`WsFrame`]s, so the server's and a test's WebSocket both fit.

mod frame;
pub mod twilio;

pub use frame::{WsFrame, WsSocket};
