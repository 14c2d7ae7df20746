//! HEART · sound in time.
//!
//! Two doors: [`Inbound`] turns packets into frames, activity and digits; [`Outbound`] turns a reply's sound into paced
//! packets and knows to the sample what was heard.
//!
//! May import: `audio`, `rtp`, `conversation` (`Digit`, `ReplyId`). Must never know: words, turns, providers; why it is
//! told to hold.

mod activity;
mod continuity;
mod dtmf;
mod inbound;
mod jitter;
mod report;
mod source;

pub use inbound::{Heard, Inbound, InboundSpec};
pub use report::{InboundReport, OutboundReport};
