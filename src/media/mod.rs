//! HEART · sound in time.
//!
//! Two doors: [`Inbound`] turns packets into frames, activity and digits; [`Outbound`] turns a reply's sound into paced
//! packets and knows to the sample what was heard.
//!
//! May import: `audio`, `rtp`, `conversation` (`Digit`, `ReplyId`). Must never know: words, turns, providers; why it is
//! told to hold.

mod report;

pub use report::{InboundReport, OutboundReport};
