//! RTP over UDP, SRTP and RTCP: one port and one socket per call, read by the driver itself; RTCP has the next port where
//! it is not to share.
//!
//! `ports` hands out ports, `latch` decides whom to listen to, `gate` what is let in, `line` moves the bytes.

mod gate;
mod gateway;
mod latch;
mod line;
mod ports;
mod rate;
mod socket;

pub use gateway::{RtpConfig, RtpGateway};
