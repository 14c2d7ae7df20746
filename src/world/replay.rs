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

/// Replays a log to its end, or to where it is cut off.
#[expect(clippy::disallowed_methods, reason = "virtual time is counted from some instant; which one does not matter")]
pub fn replay(log: &str) -> Result<Replayed, UnreadableLog> {
    let mut records = Records::new(log)?;
    let base = Instant::now();
    let mut call = Call::new(records.spec().clone(), base);
    let mut replay = Tape { digest: Digest::default(), outputs: 0, events: Vec::new() };
    let mut inputs = 0;
    let mut divergence = None;
    let mut last = std::time::Duration::ZERO;
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
            Record::Full => break,
        }
        replay.drain(&mut call);
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
