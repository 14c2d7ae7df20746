//! Is somebody speaking?
//!
//! May import: `audio`'s own frame, levels and resampling. Must never know: words, turns, packets.

mod detector;
mod noise;
mod spectrum;
#[cfg(test)]
mod tests;

pub use detector::{Hop, Vad};
