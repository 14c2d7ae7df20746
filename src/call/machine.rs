//! The call itself: one struct, five verbs.

use std::time::Instant;

use super::{CallSpec, Input, Output, Report};

/// One phone call. Told the time, owned by one body, failing at nothing.
///
/// After every `handle_…` drain [`poll_output`](Call::poll_output) until it is empty, then wait for the next input or
/// until [`poll_timeout`](Call::poll_timeout).
#[derive(Debug)]
pub struct Call {
    spec: CallSpec,
    report: Report,
}

impl Call {
    /// A call that has not begun; the agent's first words may be prepared already.
    pub fn new(spec: CallSpec, now: Instant) -> Self {
        let _ = now;
        Self { spec, report: Report::default() }
    }

    /// Something happened.
    pub fn handle_input(&mut self, input: Input<'_>, now: Instant) {
        let _ = (input, now, &self.spec);
    }

    /// The deadline of [`poll_timeout`](Call::poll_timeout) has come. Early calls do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        let _ = now;
    }

    /// The next thing to carry out.
    pub fn poll_output(&mut self) -> Option<Output> {
        None
    }

    /// When to call [`handle_timeout`](Call::handle_timeout) at the latest; `None`: nothing is pending.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Whether there is room for more speech. While there is not, leave the voice's stream unread: its socket then holds
    /// the vendor back. (What is pushed all the same is dropped beyond the playout's bound, and counted.)
    pub fn wants_speech(&self) -> bool {
        true
    }

    /// Whether the call has ended: drop it after draining the outputs.
    pub fn is_over(&self) -> bool {
        false
    }

    /// The record so far.
    pub fn report(&self) -> Report {
        self.report.clone()
    }
}
