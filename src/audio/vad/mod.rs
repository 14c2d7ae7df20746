//! Is somebody speaking?
//!
//! May import: `audio`'s own frame, levels and resampling. Must never know: words, turns, packets.

mod detector;
mod kernel;
mod readout;
mod silero;
mod spectrum;
mod surroundings;
#[cfg(test)]
mod tests;
mod weights;

pub use detector::{Hop, Vad};
