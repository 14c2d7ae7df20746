//! Secure RTP and RTCP (RFC 3711) with keys from signalling (SDES, RFC 4568).
//!
//! [`SdesCrypto`] brings the key of one direction; [`SrtpSender`] protects what leaves and [`SrtpReceiver`] opens what comes,
//! in place and without touching the heap. Counter mode with HMAC-SHA1: 128 bits (RFC 3711) and 256 (RFC 6188).

mod key;
mod receiver;
mod sender;
mod session;
mod window;

pub use key::{BadCrypto, SdesCrypto, SrtpKey, SrtpSuite};
pub use receiver::SrtpReceiver;
pub use sender::SrtpSender;
pub use session::SrtpError;

#[cfg(test)]
mod tests;
