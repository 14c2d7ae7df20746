//! What all streaming recognisers share: one call's sound through one connection after another.
//!
//! A vendor is a [`Dialect`]: where to connect, how a piece of sound looks, how to ask for what it has, what its messages
//! mean. The rest is [`open`]'s: the sound kept and sent again after a loss, the pauses between tries, the signs of life,
//! the order of sound and questions.
//!
//! May import: `audio`, `conversation`, what all of `provider` shares. Must never know: any vendor's JSON.

mod coding;
mod dialect;
mod outage;
mod pace;
mod replay;
mod session;
mod timeline;
mod words;

pub(super) use coding::Coding;
pub(super) use dialect::{Dialect, Greeting, Habits, Heard, Idle, Route, Unreadable};
pub(super) use outage::Outage;
pub(super) use replay::ReplayBuffer;
pub(super) use session::open;
pub(super) use timeline::Timeline;
pub(super) use words::{UNTOLD_CONFIDENCE, language_code, mean_confidence, words};
