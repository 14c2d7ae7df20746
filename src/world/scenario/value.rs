//! Times, counts and names as a scenario writes them.

use std::time::Duration;

use crate::conversation::{Denoising, Failure};

/// A moment of a scenario.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::world) struct When {
    /// The agent's n-th utterance, from 1; 0: the answer.
    pub(in crate::world) anchor: usize,
    pub(in crate::world) offset: Duration,
}

pub(super) fn count(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("`{text}` is no count"))
}

/// What is taken out of the caller's sound.
pub(super) fn denoising(text: &str) -> Result<Denoising, String> {
    Denoising::from_name(text).ok_or_else(|| {
        let names = Denoising::ALL.map(Denoising::name).join("`, `");
        format!("`{text}` is none of `{names}`")
    })
}

/// An echo as `delay:decibels`.
pub(super) fn echo(text: &str) -> Result<(Duration, f64), String> {
    let wrong = || format!("`{text}` is no echo: write `180:-12`, the delay and the decibels");
    let (delay, decibels) = text.split_once(':').ok_or_else(wrong)?;
    let decibels = decibels.parse().ok().filter(|decibels: &f64| decibels.abs() <= 60.0).ok_or_else(wrong)?;
    Ok((duration(delay).map_err(|_| wrong())?, decibels))
}

pub(super) fn failure(name: &str) -> Result<Failure, String> {
    let all = [
        Failure::Auth,
        Failure::Quota,
        Failure::RateLimit,
        Failure::BadRequest,
        Failure::Unavailable,
        Failure::Timeout,
        Failure::Protocol,
    ];
    all.into_iter().find(|failure| failure.name() == name).ok_or(format!("`{name}` is no kind of failure"))
}

pub(super) fn range(text: &str) -> Result<(When, Option<When>), String> {
    let (from, to) = text.split_once("..").ok_or(format!("`{text}` is no range: write `1200..1500`"))?;
    let from = if from.is_empty() { When { anchor: 0, offset: Duration::ZERO } } else { when(from)? };
    let to = if to.is_empty() { None } else { Some(when(to)?) };
    Ok((from, to))
}

pub(super) fn when(text: &str) -> Result<When, String> {
    let (anchor, offset) = match text.strip_prefix('a') {
        Some(rest) => {
            let (nth, offset) = rest.split_once('+').unwrap_or((rest, "0"));
            (count(nth).map_err(|_| format!("`{text}` is neither a moment nor a statement"))?, offset)
        }
        None => (0, text),
    };
    let offset = duration(offset).map_err(|_| format!("`{text}` is neither a moment nor a statement"))?;
    Ok(When { anchor, offset })
}

pub(in crate::world) fn duration(text: &str) -> Result<Duration, String> {
    let (number, scale) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(number), _) => (number, 0.001),
        (None, Some(number)) => (number, 1.0),
        (None, None) => (text, 0.001),
    };
    number
        .parse()
        .ok()
        .and_then(|number: f64| Duration::try_from_secs_f64(number * scale).ok())
        .filter(|duration| *duration <= Duration::from_secs(86_400))
        .ok_or(format!("`{text}` is no time: write `300`, `300ms` or `1.5s`, at most a day"))
}

pub(super) fn duration_or_never(text: &str) -> Result<Option<Duration>, String> {
    if text == "never" { Ok(None) } else { duration(text).map(Some) }
}
