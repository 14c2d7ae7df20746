//! How the services of a scenario behave.

use std::time::Duration;

use crate::conversation::{Failure, TransferEnd};

use super::value::{duration, failure};
use crate::world::words::Args;

#[derive(Clone, Copy, Debug)]
pub(in crate::world) struct SttScript {
    pub(in crate::world) interim_lag: Duration,
    pub(in crate::world) final_lag: Option<Duration>,
    /// When it announces the end of a turn, behind the end of the voice; then its final ends the turn too.
    pub(in crate::world) eager_lag: Option<Duration>,
    pub(in crate::world) backup: Option<Ear>,
}

/// How another recogniser hears.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::world) enum Ear {
    Well,
    Deaf,
    Fails,
}

#[derive(Clone, Debug)]
pub(in crate::world) struct LlmScript {
    /// The backup's first token; `None`: never.
    pub(in crate::world) backup: Option<Duration>,
    pub(in crate::world) backup_replies: Vec<ReplyScript>,
    pub(in crate::world) first_token: Duration,
    pub(in crate::world) per_token: Duration,
    pub(in crate::world) replies: Vec<ReplyScript>,
}

#[derive(Clone, Debug)]
pub(in crate::world) enum ReplyScript {
    Text(String),
    TextThenStall(String),
    /// A text, then tools with their arguments.
    Tools {
        text: String,
        calls: Vec<(String, String)>,
    },
    Fail(Failure),
}

#[derive(Clone, Copy, Debug)]
pub(in crate::world) struct TtsScript {
    pub(in crate::world) first_byte: Duration,
    /// The backup's first sound; `None`: never.
    pub(in crate::world) backup: Option<Duration>,
    pub(in crate::world) per_word: Duration,
    pub(in crate::world) word_times: bool,
}

#[derive(Clone, Debug)]
pub(in crate::world) struct ToolScript {
    pub(in crate::world) name: String,
    /// `None`: it never answers.
    pub(in crate::world) takes: Option<Duration>,
    pub(in crate::world) answer: String,
}

/// How a transfer ends, and after how long; `None`: nobody ever says.
#[derive(Clone, Copy, Debug)]
pub(in crate::world) struct TransferScript {
    pub(in crate::world) takes: Duration,
    pub(in crate::world) end: Option<TransferEnd>,
}

impl TransferScript {
    /// The line has no way to hand a caller on, and says so at once.
    pub(in crate::world) const UNSUPPORTED: Self = Self { takes: Duration::ZERO, end: Some(TransferEnd::Unsupported) };
}

/// What comes of a transfer.
pub(super) fn transfer(args: &mut Args<'_>) -> Result<TransferScript, String> {
    let takes = duration(args.word()?.bare()?)?;
    let end = match args.word()?.bare()? {
        "ok" => Some(TransferEnd::Taken),
        "fail" => Some(TransferEnd::NoAnswer),
        "refused" => Some(TransferEnd::Refused),
        "unsupported" => Some(TransferEnd::Unsupported),
        "never" => None,
        other => return Err(format!("a transfer cannot end `{other}`")),
    };
    Ok(TransferScript { takes, end })
}

/// The model's next answer.
pub(super) fn reply(args: &mut Args<'_>) -> Result<ReplyScript, String> {
    let first = args.word()?;
    if first.quoted {
        let text = first.text.clone();
        return Ok(match args.next_bare() {
            Some("then-stall") => ReplyScript::TextThenStall(text),
            Some("tool") => ReplyScript::Tools { text, calls: calls(args)? },
            Some(other) => return Err(format!("expected `then-stall`, `tool` or nothing, found `{other}`")),
            None => ReplyScript::Text(text),
        });
    }
    match first.bare()? {
        "tool" => Ok(ReplyScript::Tools { text: String::new(), calls: calls(args)? }),
        "fail" => Ok(ReplyScript::Fail(failure(args.word()?.bare()?)?)),
        other => Err(format!("expected a text, `tool` or `fail`, found `{other}`")),
    }
}

/// The tools of an answer, behind the first `tool`.
fn calls(args: &mut Args<'_>) -> Result<Vec<(String, String)>, String> {
    let mut calls = Vec::new();
    loop {
        let name = args.word()?.bare()?.to_owned();
        calls.push((name, args.word()?.text.clone()));
        match args.next_bare() {
            None => return Ok(calls),
            Some("tool") => {}
            Some(other) => return Err(format!("expected `tool` or nothing, found `{other}`")),
        }
    }
}

/// How another recogniser hears, by its name.
pub(super) fn ear(name: &str) -> Result<Ear, String> {
    Ok(match name {
        "ok" => Ear::Well,
        "deaf" => Ear::Deaf,
        "fail" => Ear::Fails,
        _ => return Err(format!("a recogniser's backup is `ok`, `deaf` or `fail`, not `{name}`")),
    })
}
