//! G.722: wideband speech at 64 kbit/s, in two sub-bands of adaptive differential PCM (ITU-T G.722, mode 1).
//!
//! May import: nothing but `audio`'s frames. Must never know: packets, calls.
//!
//! The sound of 16 kHz is split by a quadrature mirror filter into two bands of 8 kHz. Of each the difference to what was
//! predicted is sent: 6 bits of the lower band and 2 of the upper, together one byte for two samples.

mod band;
mod codec;
mod mirror;
#[cfg(test)]
mod tests;

pub use codec::{G722Decoder, G722Encoder};
