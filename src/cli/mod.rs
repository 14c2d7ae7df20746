//! DOORS · the commands that hold calls in virtual time or many at once, look at calls that are over or at services, and the
//! agents and services of the configuration as calls need them.
//!
//! May import: `world`, `bench`, `config`, `engine`, `control` (an agent), `provider`, `simulator` (where it listens).
//! Must never know: HTTP.

pub mod agent;
pub mod bench;
pub mod build;
pub mod catalogue;
pub mod check;
pub mod replay;
pub mod simulate;

use std::io::{self, Write};

/// Writes text for the user. Nobody reading is no reason to stop.
pub fn say(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Several of one thing: "1 file", "2 files".
pub fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}
