//! Runs the log of a call through the current code.

use std::time::{Duration, Instant};

use crate::call::log::{Decision, Digest, Record, Records, UnreadableLog};
use crate::call::{Call, Event, Output, Report};

/// What a replay came to.
#[derive(Clone, PartialEq, Debug)]
pub struct Replayed {
    /// How many inputs and deadlines were replayed.
    pub inputs: usize,
    /// The first place where the current code did something else; `None`: identical.
    pub divergence: Option<Divergence>,
    /// The events of the replayed call.
    pub events: Vec<Event>,
    /// The decisions of the call as the log names them; none in logs of versions that did not name them.
    pub logged: Vec<Decision>,
    /// The decisions of the replayed call.
    pub decided: Vec<Decision>,
    /// Whether the log goes to the call's end: it is neither full nor cut off, and hides no keys.
    pub is_whole: bool,
    /// When the last input or deadline came, since the call began.
    pub last: Duration,
    /// Its record.
    pub report: Report,
}

/// Where a replay first differs from the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Divergence {
    /// After this many inputs and deadlines.
    pub inputs: usize,
    /// At this time of the call.
    pub at: Duration,
    /// How many outputs the log has there, and how many came.
    pub outputs: (u32, u32),
    /// The first decision from there on that is another, as the log has it and as it came; `None`: the log names no
    /// decisions, or all are the same and only the sound or what services were asked is not.
    pub decision: Option<Changed>,
}

/// A decision that is another one; `None` on one side: there is none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Changed {
    /// How many decisions before it are the same.
    pub after: usize,
    /// As it was.
    pub was: Option<Decision>,
    /// As it is.
    pub is: Option<Decision>,
}

/// The first of two series' decisions that differ, in what they say or only in what was decided.
pub(super) fn first_changed(
    was: &[Decision],
    is: &[Decision],
    same: fn(&Decision, &Decision) -> bool,
) -> Option<Changed> {
    let after = was.iter().zip(is).take_while(|(was, is)| same(was, is)).count();
    let (was, is) = (was.get(after).cloned(), is.get(after).cloned());
    (was.is_some() || is.is_some()).then_some(Changed { after, was, is })
}

/// Replays a log to its end, or to where it is cut off. What the current code does after the last input is compared
/// too, unless the log is full or its last line is cut: then its end is not there to be compared with.
#[expect(clippy::disallowed_methods, reason = "virtual time is counted from some instant; which one does not matter")]
pub fn replay(log: &str) -> Result<Replayed, UnreadableLog> {
    let mut records = Records::new(log)?;
    let base = Instant::now();
    let mut call = Call::new(records.spec().clone(), base);
    let mut replay = Tape::default();
    let mut logged = Vec::new();
    let mut inputs = 0;
    let mut divergence = None;
    let mut last = Duration::ZERO;
    let mut is_whole = log.ends_with('\n');
    replay.drain(&mut call);
    for record in &mut records {
        match record? {
            Record::Input { at, input } => {
                call.handle_input(input.as_input(), base + at);
                (inputs, last) = (inputs + 1, at);
            }
            Record::Timeout { at } => {
                call.handle_timeout(base + at);
                (inputs, last) = (inputs + 1, at);
            }
            Record::Decision(decision) => {
                logged.push(decision);
                continue;
            }
            Record::Outputs { count, digest } => {
                let outputs = std::mem::take(&mut replay.outputs);
                if divergence.is_none() && (outputs, replay.digest.value()) != (count, digest) {
                    divergence = Some(Divergence { inputs, at: last, outputs: (count, outputs), decision: None });
                }
                continue;
            }
            Record::Full => {
                is_whole = false;
                break;
            }
        }
        replay.drain(&mut call);
    }
    if is_whole && divergence.is_none() && replay.outputs > 0 {
        divergence = Some(Divergence { inputs, at: last, outputs: (0, replay.outputs), decision: None });
    }
    if let (Some(divergence), false) = (&mut divergence, logged.is_empty()) {
        // Where a log is cut its last decisions may be missing.
        let changed = first_changed(&logged, &replay.decided, Decision::eq);
        divergence.decision = changed.filter(|changed| is_whole || changed.was.is_some());
    }
    let Tape { events, decided, .. } = replay;
    Ok(Replayed { inputs, divergence, events, logged, decided, is_whole, last, report: call.report() })
}

#[derive(Default)]
struct Tape {
    digest: Digest,
    outputs: u32,
    events: Vec<Event>,
    decided: Vec<Decision>,
}

impl Tape {
    fn drain(&mut self, call: &mut Call) {
        while let Some(output) = call.poll_output() {
            self.outputs += 1;
            self.digest.add(&output);
            if let Output::Event(event) = output {
                self.decided.extend(Decision::of(&event));
                self.events.push(event);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::log::Encoder;
    use crate::call::{CallSpec, DialogueSpec, Input};
    use crate::world::{Scenario, run};

    /// The log of a call that is answered and then waits; with the outputs of the answer, or without.
    #[expect(clippy::disallowed_methods, reason = "virtual time is counted from some instant")]
    fn log(limit: u64, with_outputs: bool) -> String {
        let spec = CallSpec::new(DialogueSpec { begin_message: "Hello.".into(), ..DialogueSpec::default() });
        let (start, mut log) = (Instant::now(), String::new());
        let mut encoder = Encoder::new(&spec, limit, &mut log, start);
        let mut call = Call::new(spec, start);
        let drain = |call: &mut Call, encoder: &mut Encoder, log: &mut String, is_noted: bool| {
            while let Some(output) = call.poll_output() {
                if is_noted {
                    encoder.output(&output, log);
                }
            }
            encoder.outputs_done(log);
        };
        drain(&mut call, &mut encoder, &mut log, true);
        let answered = start + Duration::from_millis(500);
        encoder.input(&Input::Answered, &mut log, answered);
        call.handle_input(Input::Answered, answered);
        drain(&mut call, &mut encoder, &mut log, with_outputs);
        log
    }

    #[test]
    fn what_is_done_after_the_last_input_is_compared_too() {
        assert_eq!(replay(&log(Encoder::LIMIT, true)).unwrap().divergence, None);
        let divergence = replay(&log(Encoder::LIMIT, false)).unwrap().divergence.unwrap();
        assert_eq!((divergence.inputs, divergence.at, divergence.outputs.0), (1, Duration::from_millis(500), 0));
        assert!(divergence.outputs.1 > 0);
    }

    #[test]
    fn a_log_that_is_cut_or_full_ends_where_it_ends() {
        let whole = log(Encoder::LIMIT, true);
        let cut = whole.trim_end_matches('\n');
        assert_eq!(replay(cut).unwrap().divergence, None);
        let until_answer = whole.find("answered\n").unwrap() + "answered\n".len();
        let full = log(until_answer as u64 - 1, true);
        assert!(full.ends_with("! full\n") && full.contains("answered"), "{full}");
        assert_eq!(replay(&full).unwrap().divergence, None);
    }

    /// A call with a hold and an interruption.
    const CALL: &str = "reply \"On Monday at seven, a table for two by the window.\"\nreply \"Very well.\"\n\
                        0 says 1200 \"book a table\"\na1+1200 says 1200 \"no wait I meant Tuesday\"\nrun 9000\n";

    #[test]
    fn a_divergence_names_the_first_decision_that_is_another() {
        let log = run(&Scenario::parse("t", CALL).unwrap()).log;
        let other = log.replacen("endpoint_normal=500000000", "endpoint_normal=600000000", 1);
        assert_ne!(log, other);
        let changed = replay(&other).unwrap().divergence.unwrap().decision.unwrap();
        let (was, is) = (changed.was.unwrap(), changed.is.unwrap());
        assert_eq!((was.kind.as_ref(), is.kind.as_ref()), ("commit", "commit"));
        assert_eq!((is.at - was.at).as_millis(), 100, "{was} / {is}");
        assert!(was.rule == "endpoint.normal" && !was.inputs.is_empty() && was.inputs != is.inputs, "{was} / {is}");
        assert!(changed.after > 0);
    }

    #[test]
    fn a_log_that_names_no_decisions_still_replays_and_diverges() {
        let log = run(&Scenario::parse("t", CALL).unwrap()).log;
        let bare: String = log.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
        assert_eq!(replay(&bare).unwrap().divergence, None);
        let other = bare.replacen("endpoint_normal=500000000", "endpoint_normal=600000000", 1);
        assert_eq!(replay(&other).unwrap().divergence.unwrap().decision, None);
    }
}
