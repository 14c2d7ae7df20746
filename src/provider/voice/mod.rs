//! What voices share, whoever their vendor is.
//!
//! A vendor that takes text over a WebSocket is a [`Dialect`], spoken by [`streaming`], over connections that are kept
//! ([`Pool`]) where a vendor has several replies on one. A vendor that is asked once for each segment is a [`Source`], read
//! by [`segments`], the next segment on its way while the former is heard.

mod body;
mod fetch;
mod pool;
mod segments;
mod sound;
mod streaming;
mod words;

pub(super) use fetch::{Fetch, SoundReader};
pub(super) use pool::Pool;
pub(super) use segments::{Chunks, Source, open as open_segments};
pub(super) use sound::Format;
pub(super) use streaming::{Dialect, Door, Heard, Meaning, Spoken, open as open_stream};
pub(super) use words::Alignment;
