//! Runs the log of a call through the current code.

use std::time::Instant;

use crate::call::log::{Digest, Record, Records, UnreadableLog};
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
    /// Its record.
    pub report: Report,
}

/// Where a replay first differs from the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Divergence {
    /// After this many inputs and deadlines.
    pub inputs: usize,
    /// At this time of the call.
    pub at: std::time::Duration,
    /// How many outputs the log has there, and how many came.
    pub outputs: (u32, u32),
}

/// Replays a log to its end, or to where it is cut off. What the current code does after the last input is compared
/// too, unless the log is full or its last line is cut: then its end is not there to be compared with.
#[expect(clippy::disallowed_methods, reason = "virtual time is counted from some instant; which one does not matter")]
pub fn replay(log: &str) -> Result<Replayed, UnreadableLog> {
    let mut records = Records::new(log)?;
    let base = Instant::now();
    let mut call = Call::new(records.spec().clone(), base);
    let mut replay = Tape { digest: Digest::default(), outputs: 0, events: Vec::new() };
    let mut inputs = 0;
    let mut divergence = None;
    let mut last = std::time::Duration::ZERO;
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
            Record::Outputs { count, digest } => {
                let outputs = std::mem::take(&mut replay.outputs);
                if divergence.is_none() && (outputs, replay.digest.value()) != (count, digest) {
                    divergence = Some(Divergence { inputs, at: last, outputs: (count, outputs) });
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
        divergence = Some(Divergence { inputs, at: last, outputs: (0, replay.outputs) });
    }
    Ok(Replayed { inputs, divergence, events: replay.events, report: call.report() })
}

struct Tape {
    digest: Digest,
    outputs: u32,
    events: Vec<Event>,
}

impl Tape {
    fn drain(&mut self, call: &mut Call) {
        while let Some(output) = call.poll_output() {
            self.outputs += 1;
            self.digest.add(&output);
            if let Output::Event(event) = output {
                self.events.push(event);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::call::log::Encoder;
    use crate::call::{CallSpec, DialogueSpec, Input};

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
}
