//! The few tests that need true sockets. Loopback only, bounded in time.
#![cfg(feature = "engine")]

mod gateways;
mod providers;
mod simulators;
