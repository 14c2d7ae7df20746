//! HANDS · where the caller's sound comes from.
//!
//! A [`Gateway`] is asked once per call for a [`Leg`]: one open line to one party. Adding a way in touches one file.
//!
//! May import: `audio` (codec names), `rtp`. Must never know: turns, prompts, providers, `Call`.
#![expect(clippy::disallowed_methods, reason = "hands live in real time")]

mod leg;
pub mod loopback;
pub mod rtp;
pub mod websocket;

pub use leg::{
    CannotTransfer, Gateway, Leg, LegCounters, LegError, LegEvent, LegFuture, LegMedia, LegSpec, LegTransfer, Line,
    SrtpSpec,
};
pub use loopback::LoopbackPeer;
pub use rtp::{RtpConfig, RtpGateway};
