//! Change of sample rate.
//!
//! May import: `audio`'s own sample rate. Must never know: codecs, packets, calls.

mod offline;
mod stream;
#[cfg(test)]
mod tests;

pub use offline::resample_all;
pub use stream::Resampler;
