//! GROUND · what a sound is, and pure transforms of it.
//!
//! May import: nothing of this crate. Must never know: packets, calls, tokio.

mod beep;
mod codec;
mod conceal;
mod frame;
pub mod g711;
mod last_resort;
pub mod level;
mod resample;
pub mod tone;
mod vad;
pub mod wav;

pub use beep::{Beep, BeepDetector};
pub use codec::{Codec, DecodeError, Decoder, Encoder};
pub use conceal::Concealer;
pub use frame::{Frame, SampleRate};
pub use last_resort::LAST_RESORT;
pub use resample::{Resampler, resample_all};
pub use vad::{Hop, Vad};
