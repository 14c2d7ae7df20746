//! GROUND · what a sound is, and pure transforms of it.
//!
//! May import: nothing of this crate. Must never know: packets, calls, tokio.

mod codec;
mod frame;
mod g711;

pub use codec::{Codec, DecodeError, Decoder, Encoder};
pub use frame::{Frame, SampleRate};
