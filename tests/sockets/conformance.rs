//! What every vendor's client must do, whatever its protocol: each case runs for every vendor of its table, against the
//! simulators.
#![expect(clippy::disallowed_methods, reason = "services live in real time")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly")]

mod stt;
