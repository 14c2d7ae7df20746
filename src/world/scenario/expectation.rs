//! What must come of a scenario.

use std::time::Duration;

use super::value::{When, count, range};
use crate::world::words::Args;

/// One thing that must come of a scenario, with the line it was written on.
#[derive(Clone, PartialEq, Debug)]
pub struct Expectation {
    /// The line in the file, from 1.
    pub line: usize,
    /// The statement as written.
    pub text: String,
    pub(in crate::world) what: What,
}

#[derive(Clone, PartialEq, Debug)]
pub(in crate::world) enum What {
    /// The n-th moment of this kind, of those whose text holds this, lies in the range.
    Moment {
        kind: String,
        holds: String,
        nth: usize,
        from: When,
        to: Option<When>,
    },
    Never(String),
    Line {
        nth: usize,
        agent: bool,
        text: String,
        exact: bool,
        cut: Option<bool>,
    },
    Lines(usize),
    Generations(usize),
    Gap(Duration),
    /// Sound of the caller had to be made up so often at the most.
    Gaps(usize),
    Ended {
        reason: String,
        from: When,
        to: Option<When>,
    },
}

/// What follows `expect`.
pub(super) fn expectation(args: &mut Args<'_>) -> Result<What, String> {
    Ok(match args.word()?.bare()? {
        "never" => What::Never(kind(args.word()?.bare()?)?),
        "line" => {
            let nth = count(args.word()?.bare()?)?;
            let agent = match args.word()?.bare()? {
                "agent" => true,
                "caller" => false,
                other => return Err(format!("expected `agent` or `caller`, found `{other}`")),
            };
            let text = args.word()?;
            let (exact, text) = (!text.contains, text.text.clone());
            let cut = match args.next_bare() {
                None => None,
                Some("cut") => Some(true),
                Some("whole") => Some(false),
                Some(other) => return Err(format!("expected `cut` or `whole`, found `{other}`")),
            };
            What::Line { nth, agent, text, exact, cut }
        }
        "lines" => What::Lines(count(args.word()?.bare()?)?),
        "generations" => What::Generations(count(args.word()?.bare()?)?),
        "gap" => What::Gap(range(args.word()?.bare()?)?.1.ok_or("expected `..` and a length")?.offset),
        "gaps" => {
            let word = args.word()?.bare()?;
            What::Gaps(count(word.strip_prefix("..").ok_or("expected `..` and a count")?)?)
        }
        "ended" => {
            let reason = args.word()?.bare()?.to_owned();
            let (from, to) = range(args.next_bare().unwrap_or("0.."))?;
            What::Ended { reason, from, to }
        }
        name => {
            let kind = kind(name)?;
            let mut nth = 1;
            let mut holds = String::new();
            let mut word = args.word()?;
            if let Some(number) = word.text.strip_prefix('#').filter(|_| !word.quoted) {
                nth = count(number)?;
                word = args.word()?;
            }
            if word.quoted && word.contains {
                holds.clone_from(&word.text);
                word = args.word()?;
            }
            let (from, to) = range(word.bare()?)?;
            What::Moment { kind, holds, nth, from, to }
        }
    })
}

/// The moments a scenario may expect.
const KINDS: &[&str] = &[
    "hedged",
    "commit",
    "thinks",
    "kept",
    "dropped",
    "audio",
    "ducked",
    "held",
    "resumed",
    "interrupted",
    "taken-back",
    "silent",
    "backchannel",
    "agent-backchannel",
    "caller",
    "said",
    "tool",
    "key",
    "transfer",
    "failed",
    "ignored",
    "unstuck",
    "ending",
    "answered-by",
    "hold",
    "withheld",
    "voiceless",
];

fn kind(name: &str) -> Result<String, String> {
    if KINDS.contains(&name) {
        Ok(name.to_owned())
    } else {
        Err(format!("nothing is called `{name}`; known are {}", KINDS.join(", ")))
    }
}
