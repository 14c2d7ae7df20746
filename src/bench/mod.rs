//! BODY · the harness: scripted callers against a running engine, level by level, until a promise breaks.
//!
//! Three processes, so that each pays for itself: the engine under test (`agentphone serve`, or any engine that speaks
//! Twilio Media Streams), the services it uses (`agentphone simulators --bench`) and this one, which is the callers. A
//! `Talk` is one caller's part, told the time and the agent's sound; `rtp` and `twilio` carry many of them
//! over sockets; [`run`] ramps, [`soak`] watches memory, [`bare`] is the least an engine could do.
//!
//! May import: `engine`, `world`, `simulator`, `gateway`, and the ground. Must never know: control, media, dialogue.
#![expect(clippy::disallowed_methods, reason = "the callers and their clocks live in real time")]

mod bare;
mod lateness;
mod level;
mod plot;
mod process;
mod report;
mod rtp;
mod run;
mod script;
mod soak;
mod sound;
mod spread;
mod subject;
mod talk;
mod twilio;

pub use bare::{bare, bare_loop};
pub use level::{Broken, Cost, LATEST, Level, SLOWEST};
pub use plot::plot;
pub use report::{document, head, line};
pub use run::{BenchError, Plan, Target, run};
pub use script::services;
pub use soak::{Sample, Slope, Soak, slope, soak};
pub use spread::Spread;
pub use talk::Fault;
