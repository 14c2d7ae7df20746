//! Every input of a call with its time, so that the call can be replayed, to the byte on the same platform.
//!
//! A log is text, one record a line, so that it can be read, searched and cut; a log whose end is missing still replays up
//! to there. The first line names the format and its version, the second holds the [`CallSpec`](super::CallSpec), then come, in order:
//!
//! ```text
//! <nanoseconds since the call began> <kind> <fields…>     an input, or `timeout` for a deadline that came
//! = <count> <digest>                                      the outputs it caused: how many, and a digest of all so far
//! # <seconds> <event>                                     an event, for the reader; ignored by the replay
//! ! full                                                  the bound was reached: nothing follows
//! ```
//!
//! Fields are separated by single spaces; bytes are base64, text is percent-escaped. A log holds the caller's voice and
//! words: treat it like a recording.

mod decode;
mod encode;
mod fields;
mod line;

pub use decode::{Owned, Record, Records, UnreadableLog};
pub use encode::{Digest, Encoder};

/// The first word and the version of a log. A replay refuses other versions instead of guessing.
const HEADER: &str = "agentphone-call-log 2";
