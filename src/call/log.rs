//! Every input of a call with its time, so that the call can be replayed, to the byte on the same platform.
//!
//! A log is text, one record a line, so that it can be read, searched and cut; a log whose end is missing still replays up
//! to there. The first line names the format and its version, the second holds the [`CallSpec`](super::CallSpec), then come, in order:
//!
//! ```text
//! <nanoseconds since the call began> <kind> <fields…>     an input, or `timeout` for a deadline that came
//! = <count> <digest>                                      the outputs it caused: how many, and a digest of all so far
//! # <seconds> <event>                                     an event, for the reader; ignored by the replay
//! #~ <nanoseconds> <kind> <reply> <rule> <inputs>         a decision of those outputs, so that a divergence can be named
//! ! full                                                  the bound was reached: nothing follows
//! ! keys                                                  keys that are to be hidden begin here: nothing follows
//! ```
//!
//! Fields are separated by single spaces; bytes are base64, text is percent-escaped. A log holds the caller's voice and
//! words: treat it like a recording. Where the caller's keys are to be hidden
//! ([`DialogueSpec::redact_keys`](super::DialogueSpec::redact_keys), or keys that were asked for so), the log ends before
//! the first of them: a call cannot be replayed without its keys, and what comes after may repeat them.

mod decision;
mod decode;
mod encode;
mod fields;
mod line;

pub use decision::Decision;
pub use decode::{Owned, Record, Records, UnreadableLog};
pub use encode::{Digest, Encoder};

/// The first word and the version of a log. A replay refuses other versions instead of guessing.
const HEADER: &str = "agentphone-call-log 2";
