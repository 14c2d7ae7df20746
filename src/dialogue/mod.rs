//! HEART · who has the floor.
//!
//! [`Dialogue`] is told [`Fact`]s and the time, and answers with [`Action`]s. It decides when the caller is done, when
//! the agent speaks, when it falls silent and what the language model is told was heard.
//!
//! May import: `conversation`. Must never know: samples, packets, codecs, vendors; that a telephone exists.

mod action;
mod answer;
mod arguments;
mod backchannel;
mod barge_in;
mod builtin;
mod collect;
mod ending;
mod endpointing;
mod entity;
mod fact;
mod failing;
mod floor;
mod hedging;
mod history;
mod keys;
mod known;
mod language;
mod lines;
mod listening;
mod machine;
mod named;
mod noise;
mod on_hold;
mod own_voice;
mod pauses;
mod profile;
mod question;
mod rehearing;
mod reply;
mod segment;
mod speakable;
mod speaking;
mod spec;
mod speculation;
mod spoken;
#[cfg(test)]
mod tests;
mod timer;
mod tools;
mod transfer;
mod turn_limit;
mod words;

pub use action::{Action, DialogueEvent, EndReason, Why};
pub use answer::{AnsweredBy, Screening};
pub use builtin::{END_CALL, RESERVED, SEND_DTMF, TRANSFER_CALL};
pub use collect::KeyRules;
pub use fact::{Command, Fact, Update};
pub use machine::Dialogue;
pub use spec::{Backups, DialogueSpec, Direction, LAST_RESORT, Speculation, SttMode, Timing, ToolRule};
pub use spoken::{Normalise, Pronunciation};
