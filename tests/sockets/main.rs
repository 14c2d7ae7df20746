//! The few tests that touch sockets, on the loopback only.
#![cfg(feature = "engine")]

mod gateways;
