//! WAV bytes to samples and back.
//!
//! May import: `audio`'s own frame and G.711. Must never know: files, paths, calls.

mod read;
#[cfg(test)]
mod tests;
mod write;

pub use read::{Wav, WavError};
pub use write::{Encoding, StereoWriter, repaired_header, to_bytes};
