//! BODY · what outlives a call: plain records, in memory and bounded.
//!
//! [`Store`] keeps the newest ended calls; the oldest make room for new ones and are counted. A record is complete: what
//! the doors show of an ended call comes from here alone.
//!
//! May import: nothing of this crate. Must never know: the engine, HTTP, where its records come from.

mod call;
mod memory;

pub use call::{CallRecord, CostRecord, Counter, EventRecord, LineRecord, Side, TurnRecord, Value};
pub use memory::{Limits, Store};
