//! The promises to the outside: every JSON shape against its golden, and the HTTP door over a real loopback socket.
#![cfg(feature = "engine")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "tests in real time")]

mod client;
mod door;
mod doors;
mod fakes;
mod flood;
mod goldens;
mod kept;
mod listener;
mod live;
mod stream;
