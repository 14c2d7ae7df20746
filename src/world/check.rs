//! What must come of a scenario, and of every scenario.

use std::time::Duration;

use crate::call::Speaker;

use super::moment::Failure;
use super::scenario::{Scenario, What, When};
use super::world::Outcome;

/// Adds to the outcome's failures what was expected and did not happen, or happened and must never.
pub(super) fn check(scenario: &Scenario, outcome: &mut Outcome) {
    let mut failures = Vec::new();
    for expectation in &scenario.expectations {
        if let Err(Missed { at, found }) = met(&expectation.what, outcome) {
            let text = format!("line {}: {}: {found}", expectation.line, expectation.text);
            failures.push(Failure { at, text });
        }
    }
    failures.extend(answered_in_time(scenario, outcome));
    outcome.failures.extend(failures);
}

/// What was found in place of what was expected, and when.
struct Missed {
    at: Option<i64>,
    found: String,
}

impl From<&str> for Missed {
    fn from(found: &str) -> Self {
        Self { at: None, found: found.to_owned() }
    }
}

impl From<String> for Missed {
    fn from(found: String) -> Self {
        Self { at: None, found }
    }
}

fn met(what: &What, outcome: &Outcome) -> Result<(), Missed> {
    match what {
        What::Moment { kind, holds, nth, from, to } => {
            let such = outcome.moments.iter().filter(|moment| moment.kind == kind && moment.text.contains(holds));
            let Some(at) = such.map(|moment| moment.at).nth(nth.saturating_sub(1)) else {
                return Err(Missed { at: Some(resolve(*from, outcome)?), found: "it never happened".into() });
            };
            within(at, *from, *to, outcome)
        }
        What::Never(kind) => match moments(outcome, kind).next() {
            None => Ok(()),
            Some(at) => Err(Missed { at: Some(at), found: format!("it happened at {at}") }),
        },
        What::Ended { reason, from, to } => {
            let ended = outcome.moments.iter().rev().find(|moment| moment.kind == "ended");
            let ended = ended.ok_or("the call did not end")?;
            if ended.text != *reason {
                return Err(Missed {
                    at: Some(ended.at),
                    found: format!("it ended with {} at {}", ended.text, ended.at),
                });
            }
            within(ended.at, *from, *to, outcome)
        }
        What::Generations(count) => same(*count, outcome.generations),
        What::Lines(count) => same(*count, outcome.report.lines.len()),
        What::Gaps(most) => {
            let gaps = outcome.report.inbound.gaps;
            if gaps <= *most as u64 { Ok(()) } else { Err(format!("there are {gaps}").into()) }
        }
        What::Gap(most) => {
            let gap = outcome.longest_gap;
            if gap <= *most + outcome.tolerance { Ok(()) } else { Err(format!("it was {} ms", gap.as_millis()).into()) }
        }
        What::Line { nth, agent, text, exact, cut } => {
            let line = outcome.report.lines.get(nth - 1).ok_or("there is no such line")?;
            let speaker = if *agent { Speaker::Agent } else { Speaker::Caller };
            let matches = if *exact { line.text == *text } else { line.text.contains(text.as_str()) };
            if line.speaker == speaker && matches && cut.is_none_or(|cut| cut == line.interrupted) {
                Ok(())
            } else {
                let cut = if line.interrupted { " cut" } else { "" };
                let at = line.at.as_millis() as i64 - outcome.report.answered.unwrap_or_default().as_millis() as i64;
                Err(Missed { at: Some(at), found: format!("it is {:?} \"{}\"{cut}", line.speaker, line.text) })
            }
        }
    }
}

fn moments<'a>(outcome: &'a Outcome, kind: &'a str) -> impl Iterator<Item = i64> + 'a {
    outcome.moments.iter().filter(move |moment| moment.kind == kind).map(|moment| moment.at)
}

fn within(at: i64, from: When, to: Option<When>, outcome: &Outcome) -> Result<(), Missed> {
    let tolerance = outcome.tolerance.as_millis() as i64;
    let from = resolve(from, outcome)? - tolerance;
    let to = to.map(|to| resolve(to, outcome)).transpose()?.map(|to| to + tolerance);
    if at >= from && to.is_none_or(|to| at <= to) {
        return Ok(());
    }
    Err(Missed { at: Some(at), found: format!("it happened at {at}") })
}

fn resolve(when: When, outcome: &Outcome) -> Result<i64, Missed> {
    let anchor = match when.anchor {
        0 => Duration::ZERO,
        nth => *outcome.utterances.get(nth - 1).ok_or(format!("the agent's utterance {nth} was never heard"))?,
    };
    Ok((anchor + when.offset).as_millis() as i64)
}

fn same(expected: usize, found: usize) -> Result<(), Missed> {
    if expected == found { Ok(()) } else { Err(format!("there are {found}").into()) }
}

/// The liveness bound of every scenario: a committed turn is answered by sound, replaced by another, or ends the call,
/// within 12 s.
fn answered_in_time(scenario: &Scenario, outcome: &Outcome) -> Vec<Failure> {
    let end = scenario.length.as_millis() as i64;
    let answers = ["audio", "commit", "ended", "ending", "tool", "taken-back", "interrupted"];
    moments(outcome, "commit")
        .filter(|&committed| committed + LIVENESS_MS < end)
        .filter(|&committed| {
            let soon = committed..=committed + LIVENESS_MS;
            let answer = outcome.moments.iter().skip_while(|moment| moment.at < committed);
            let mut answer = answer.skip_while(|moment| moment.kind != "commit").skip(1);
            !answer.any(|moment| soon.contains(&moment.at) && answers.contains(&moment.kind))
        })
        .map(|at| Failure::at(at, format!("nothing was heard within 12 s of the turn committed at {at}")))
        .collect()
}

const LIVENESS_MS: i64 = LIVENESS.as_millis() as i64;
/// For how long there may be nothing to be heard.
pub(super) const LIVENESS: Duration = Duration::from_secs(12);
