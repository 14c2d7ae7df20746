//! HEART · sound in time.
//!
//! Two doors: [`Inbound`] turns packets into frames, activity and digits; [`Outbound`] turns a reply's sound into paced
//! packets and knows to the sample what was heard. [`Recorder`] pairs the two sides, [`Reports`] tells the other side how it
//! is heard and listens to what it tells.
//!
//! May import: `audio`, `rtp`, `conversation` (`Ambience`, `Backdrop`, `Denoising`, `Digit`, `ReplyId`). Must never know: words, turns, providers;
//! why it is told to hold.

mod activity;
mod assembly;
mod bed;
mod cleaning;
mod continuity;
mod decoders;
mod drift;
mod dtmf;
mod dtx;
mod echo;
mod far;
mod formats;
mod heard;
mod inbound;
mod interarrival;
mod jitter;
mod key_tone;
mod keys;
mod line_noise;
mod loudness;
mod lowband;
mod mixer;
mod outbound;
mod pacer;
mod playout;
mod pool;
mod quality;
mod reception;
mod recorder;
mod report;
mod rtcp;
mod source;

pub use bed::prepare_ambience;
pub use formats::{Format, Formats};
pub use heard::Heard;
pub use inbound::{Inbound, InboundSpec};
pub use outbound::{Outbound, OutboundSpec, Sent};
pub use playout::Cut;
pub use quality::Quality;
pub use recorder::Recorder;
pub use report::{InboundReport, OutboundReport};
pub use rtcp::{Reports, RtcpSpec};

#[cfg(test)]
mod bad_line;
