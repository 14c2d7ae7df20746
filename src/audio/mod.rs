//! GROUND · what a sound is, and pure transforms of it.
//!
//! May import: nothing of this crate. Must never know: packets, calls, tokio.

mod active;
pub mod ambience;
mod autogain;
mod beep;
mod codec;
mod conceal;
mod denoise;
mod frame;
pub mod g711;
mod g722;
mod last_resort;
pub mod level;
mod linear;
mod ogg;
mod opus;
mod resample;
mod tempo;
pub mod tone;
mod vad;
pub mod wav;

pub use active::ActiveLevel;
pub use autogain::AutoGain;
pub use beep::{Beep, BeepDetector};
pub use codec::{Codec, DecodeError, Decoder, Encoder};
pub use conceal::Concealer;
pub use denoise::Denoiser;
pub use frame::{Frame, Piece, SampleRate};
pub use g722::{G722Decoder, G722Encoder};
pub use last_resort::LAST_RESORT;
pub use linear::LinearRate;
pub use ogg::OggStereoWriter;
pub use opus::{OpusDecoder, OpusEncoder, OpusSettings};
pub use resample::{Resampler, resample_all};
pub use tempo::Tempo;
pub use vad::{Hop, Vad};
