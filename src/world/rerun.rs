//! The log of a call under another policy: what was recorded is told again, for as long as it may be.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::call::log::{Decision, Owned, Record, Records, UnreadableLog};
use crate::call::{Call, CallSpec, Output};
use crate::conversation::ReplyId;

use super::replay::{Changed, first_changed};

/// What another policy first changes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rerun {
    /// Decisions that are the same, up to the first change or in all.
    pub same: usize,
    /// The first decision that is another, or the first thing that is asked of a service otherwise; `None`: nothing is.
    pub changed: Option<Changed>,
}

/// Runs a log twice side by side, as it was and with a changed spec, and tells the first decision that changes.
///
/// Up to there both are told the very inputs that were recorded, at their times, so the answer is exact: as long as both
/// ask the same of the services, the services answer the same. Beyond it the log knows no answers. Only the other
/// policy's own next decision is waited for, while the caller goes on as recorded and the services finish what both had
/// asked for.
#[expect(clippy::disallowed_methods, reason = "virtual time is counted from some instant; which one does not matter")]
pub fn rerun(log: &str, change: impl FnOnce(&mut CallSpec)) -> Result<Rerun, UnreadableLog> {
    let mut records = Records::new(log)?;
    let base = Instant::now();
    let mut spec = records.spec().clone();
    let mut was = Side::new(records.spec().clone(), base);
    change(&mut spec);
    let mut is = Side::new(spec, base);
    let mut changed_at = was.differs(&is).then_some(Duration::ZERO);
    while changed_at.is_none() {
        let Some(record) = records.next() else { break };
        let (at, input) = match record? {
            Record::Input { at, input } => (at, Some(input)),
            Record::Timeout { at } => (at, None),
            Record::Outputs { .. } | Record::Decision(_) => continue,
            Record::Full => break,
        };
        // A deadline that only the other policy has comes when it is due; one that both have, when it came.
        let own = is.due().filter(|&due| due < base + at && was.due().is_none_or(|other| due < other));
        if let Some(due) = own {
            is.deadlines(was.due().unwrap_or(base + at).min(base + at));
            if was.differs(&is) {
                changed_at = Some(due.saturating_duration_since(base));
            }
        }
        was.told(input.as_ref(), base + at);
        if changed_at.is_none() {
            is.told(input.as_ref(), base + at);
            if was.differs(&is) {
                changed_at = Some(at);
            }
        }
    }
    let Some(changed_at) = changed_at else { return Ok(Rerun { same: was.decisions(was.made.len()), changed: None }) };
    let known = is.asked.clone();
    let after = was.made.iter().zip(&is.made).take_while(|(was, is)| was.is_same(is)).count();
    let until = changed_at + PATIENCE;
    for record in records {
        if was.made.len() > after && is.made.len() > after {
            break;
        }
        let (at, input) = match record? {
            Record::Input { at, input } => (at, Some(input)),
            Record::Timeout { at } => (at, None),
            Record::Outputs { .. } | Record::Decision(_) => continue,
            Record::Full => break,
        };
        if at > until {
            break;
        }
        was.told(input.as_ref(), base + at);
        is.deadlines(base + at);
        if let Some(input) = input.filter(|input| reply_of(input).is_none_or(|reply| known.contains(&reply))) {
            is.told(Some(&input), base + at);
        }
    }
    is.deadlines(base + until.min(changed_at + PATIENCE));
    let changed = first_changed(&was.made, &is.made, Decision::is_same);
    Ok(Rerun { same: was.decisions(after), changed })
}

/// How long the other policy's next decision is waited for.
const PATIENCE: Duration = Duration::from_secs(20);
/// Deadlines that are served at one go.
const MOST_DEADLINES: usize = 10_000;

/// One of the two calls.
struct Side {
    call: Call,
    base: Instant,
    /// Decisions, and what was asked of the services.
    made: Vec<Decision>,
    /// Replies of which something was asked.
    asked: BTreeSet<ReplyId>,
}

impl Side {
    fn new(spec: CallSpec, base: Instant) -> Self {
        let mut side = Self { call: Call::new(spec, base), base, made: Vec::new(), asked: BTreeSet::new() };
        side.drain(base);
        side
    }

    fn due(&self) -> Option<Instant> {
        self.call.poll_timeout()
    }

    /// How many of the first `made` are decisions.
    fn decisions(&self, made: usize) -> usize {
        self.made.iter().take(made).filter(|made| !ASKED.contains(&made.kind.as_ref())).count()
    }

    /// Whether it has not made the same so far. What was compared before is not compared again.
    fn differs(&self, other: &Self) -> bool {
        let new = self.made.len().saturating_sub(COMPARED);
        self.made.len() != other.made.len()
            || self.made.iter().zip(&other.made).skip(new).any(|(one, other)| !one.is_same(other))
    }

    /// Serves its own deadlines before `until`.
    fn deadlines(&mut self, until: Instant) {
        for _ in 0..MOST_DEADLINES {
            let Some(due) = self.due().filter(|&due| due < until) else { return };
            self.call.handle_timeout(due);
            self.drain(due);
        }
    }

    /// Something was recorded: an input, or a deadline that came.
    fn told(&mut self, input: Option<&Owned>, now: Instant) {
        match input {
            Some(input) => self.call.handle_input(input.as_input(), now),
            None => self.call.handle_timeout(now),
        }
        self.drain(now);
    }

    fn drain(&mut self, now: Instant) {
        let at = now.saturating_duration_since(self.base);
        while let Some(output) = self.call.poll_output() {
            let (kind, reply) = match &output {
                Output::Event(event) => {
                    self.made.extend(Decision::of(event));
                    continue;
                }
                Output::Generate { reply, .. } => (GENERATE, Some(*reply)),
                Output::Synthesize { reply, .. } => (SYNTHESIZE, Some(*reply)),
                Output::Cancel { reply } | Output::CancelModel { reply } | Output::CancelVoice { reply } => {
                    (CANCEL, Some(*reply))
                }
                Output::Invoke { reply, .. } => (INVOKE, Some(*reply)),
                Output::Rehear { .. } => (REHEAR, None),
                Output::Finalize => (FINALIZE, None),
                _ => continue,
            };
            self.asked.extend(reply);
            self.made.push(Decision { at, kind: kind.into(), reply, rule: "".into(), inputs: String::new() });
        }
    }
}

/// One input makes no more than this many decisions.
const COMPARED: usize = 256;
const GENERATE: &str = "asks-the-model";
const SYNTHESIZE: &str = "asks-the-voice";
const CANCEL: &str = "cancels";
const INVOKE: &str = "runs-a-tool";
const REHEAR: &str = "has-it-heard-again";
const FINALIZE: &str = "asks-for-the-final";
/// What is asked of services, and decides nothing.
const ASKED: [&str; 6] = [GENERATE, SYNTHESIZE, CANCEL, INVOKE, REHEAR, FINALIZE];

/// Whose a service's result is; `None`: the caller's side, the recogniser's, or a command from outside.
const fn reply_of(input: &Owned) -> Option<ReplyId> {
    match input {
        Owned::Token(reply, _)
        | Owned::ToolCall(reply, _)
        | Owned::GenerationEnded(reply, _)
        | Owned::Speech(reply, ..)
        | Owned::WordTimes(reply, _)
        | Owned::SpeechEnded(reply)
        | Owned::Failed(_, Some(reply), _) => Some(*reply),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{Scenario, run, set};

    fn with(file: &str, setting: &str) -> Rerun {
        let log = run(&Scenario::parse("t", file).unwrap()).log;
        rerun(&log, |spec| set(spec, setting).unwrap()).unwrap()
    }

    /// Keys that come as telephone events, in a call that is told less well than it is run again.
    const KEYS: &str = "agent begin=\"Please type your number, and press the hash key when you are done.\"\n\
                        reply \"Thank you.\"\na1+1000 keys \"12\" events\nrun 20000\n";

    #[test]
    fn another_wait_for_keys_changes_when_their_turn_is_committed_to_the_millisecond() {
        let changed = with(KEYS, "key_wait=5s").changed.unwrap();
        let (was, is) = (changed.was.unwrap(), changed.is.unwrap());
        assert_eq!((was.kind.as_ref(), is.kind.as_ref()), ("commit", "commit"));
        assert_eq!((is.at - was.at).as_millis(), 2_000, "{was} / {is}");
        // Earlier as well.
        let changed = with(KEYS, "key_wait=1s").changed.unwrap();
        let (was, is) = (changed.was.unwrap(), changed.is.unwrap());
        assert_eq!((was.at - is.at).as_millis(), 2_000, "{was} / {is}");
    }

    #[test]
    fn what_changes_nothing_is_told_as_nothing() {
        let rerun = with(KEYS, "endpoint_entity=901ms");
        assert_eq!(rerun.changed, None);
        assert!(rerun.same > 3, "{rerun:?}");
    }

    #[test]
    fn what_is_begun_under_another_policy_from_the_first_moment_on_is_told() {
        let changed = with(KEYS, "greeting_latest=200ms").changed;
        assert!(changed.is_none_or(|changed| changed.after < 3));
        let changed = with("0 says 900 \"book a table\"\nrun 4000\n", "speculation=no").changed.unwrap();
        assert_eq!(changed.was.map(|was| was.kind), Some("thinks".into()));
    }
}
