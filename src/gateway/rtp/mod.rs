//! RTP over UDP: one port and one socket per call, read by the driver itself.
//!
//! `ports` hands out ports, `latch` decides whom to listen to, `line` moves the bytes.

mod gateway;
mod latch;
mod line;
mod ports;

pub use gateway::{RtpConfig, RtpGateway};
