//! BODY · virtual time: a scripted caller, a seeded network and scripted services around one real [`Call`].
//!
//! A [`Scenario`] is a small text file: what the caller does, how the services behave, what must come of it. [`run`] plays
//! it in virtual time, hundreds of times faster than life, and returns an [`Outcome`]: the timeline, what was heard, and
//! every expectation that was not met. [`replay`] runs the log of a real call through the current code.
//!
//! May import: `call`, `rtp`, `audio`, `conversation`. Must never know: sockets, real clocks, the engine.
//!
//! [`Call`]: crate::call::Call

mod caller;
mod check;
mod composed_call;
mod ear;
mod faith;
mod from_log;
mod minimize;
mod moment;
mod network;
mod part;
mod policy;
mod random;
mod random_call;
mod receiver;
mod replay;
mod rerun;
mod scenario;
mod services;
mod sound;
mod words;
#[expect(clippy::module_inception, reason = "the world is the room's one type")]
mod world;

pub use crate::call::log::Decision;
pub use caller::Caller;
pub use composed_call::composed_call;
pub use faith::{Faith, faith};
pub use from_log::scenario_of;
pub use minimize::minimize;
pub use moment::{Failure, Moment};
pub use network::{Delivery, Network, NetworkSpec};
pub use part::{
    Act, AnswerEnd, Answered, BackupEar, BackupModel, BackupPart, Pace, Part, Recorded, ToolAnswer, VoiceTrouble, What,
    read,
};
pub use policy::set;
pub use random::Random;
pub use random_call::random_call;
pub use receiver::Receiver;
pub use replay::{Changed, Divergence, Replayed, replay};
pub use rerun::{Rerun, rerun};
pub use scenario::{BadScenario, Expectation, Scenario};
pub use world::{Outcome, run};
