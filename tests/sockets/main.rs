//! The few tests that need true sockets. Loopback only, bounded in time.
#![cfg(feature = "engine")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]
#![allow(clippy::disallowed_methods, reason = "these tests live in real time")]

mod bench;
mod calls;
mod check;
mod conformance;
mod gateways;
mod providers;
mod recording;
mod simulators;
