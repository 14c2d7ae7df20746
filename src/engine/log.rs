//! The replayable log of one call, on its way to its file.

use std::time::Instant;

use super::files::FileSink;
use crate::call::log::Encoder;
use crate::call::{CallSpec, Input, Output};

/// Everything a call is told and what it answered, as the lines of `call::log`, handed over in pieces.
#[derive(Debug)]
pub(super) struct LogSink {
    encoder: Encoder,
    sink: FileSink,
    pending: String,
    written: u64,
}

/// What is lost when the process dies: about a second of a call.
const PIECE: usize = 16_384;
/// Room for the longest line: a second of speech in base64.
const SLACK: usize = 65_536;

impl LogSink {
    /// The log of a call that begins now.
    pub(super) fn new(sink: FileSink, spec: &CallSpec, now: Instant) -> Self {
        let mut pending = String::with_capacity(PIECE + SLACK);
        let encoder = Encoder::new(spec, Encoder::LIMIT, &mut pending, now);
        Self { encoder, sink, pending, written: 0 }
    }

    /// Notes an input that is about to be handled.
    pub(super) fn input(&mut self, input: &Input<'_>, now: Instant) {
        self.encoder.input(input, &mut self.pending, now);
    }

    /// Notes a deadline that is about to be handled.
    pub(super) fn timeout(&mut self, now: Instant) {
        self.encoder.timeout(&mut self.pending, now);
    }

    /// Notes an output that is about to be carried out.
    pub(super) fn output(&mut self, output: &Output) {
        self.encoder.output(output, &mut self.pending);
    }

    /// Notes that the outputs were drained.
    pub(super) fn outputs_done(&mut self) {
        self.encoder.outputs_done(&mut self.pending);
        if self.pending.len() >= PIECE {
            self.flush();
        }
    }

    /// Completes the file.
    pub(super) async fn finish(mut self) {
        self.encoder.finish(&mut self.pending);
        self.flush();
        self.sink.close().await;
    }

    fn flush(&mut self) {
        let piece = std::mem::replace(&mut self.pending, String::with_capacity(PIECE + SLACK));
        let length = piece.len() as u64;
        if length > 0 {
            self.sink.write_at(self.written, piece.into_bytes());
        }
        self.written += length;
    }
}

#[cfg(test)]
mod tests {
    use super::super::files::{Files, tests::TestFile};
    use super::*;
    use crate::call::DialogueSpec;
    use crate::call::log::{Owned, Record, Records};
    use std::time::Duration;

    #[tokio::test]
    async fn what_happened_can_be_read_back_in_order() {
        let path = TestFile::new("inputs.log");
        let (spec, begin) = (CallSpec::new(DialogueSpec::default()), Instant::now());
        let mut log = LogSink::new(Files::start().create(path.0.clone()), &spec, begin);
        for n in 0..2_000u64 {
            log.input(&Input::Packet(&n.to_be_bytes()), begin + Duration::from_millis(n));
            log.outputs_done();
        }
        log.timeout(begin + Duration::from_secs(2));
        log.finish().await;
        let text = std::fs::read_to_string(&path.0).unwrap();
        let records = Records::new(&text).unwrap();
        assert_eq!(records.spec(), &spec);
        let read: Vec<_> = records.map(Result::unwrap).collect();
        assert_eq!(read.len(), 2_001);
        for (n, record) in (0u64..).zip(&read[..2_000]) {
            let input = Owned::Packet(n.to_be_bytes().to_vec());
            assert_eq!(*record, Record::Input { at: Duration::from_millis(n), input });
        }
        assert_eq!(read[2_000], Record::Timeout { at: Duration::from_secs(2) });
    }
}
