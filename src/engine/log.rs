//! The replayable log of one call, on its way to its file.

use super::files::FileSink;

/// Bytes of a call log, appended in pieces. The encoding is the heart's; here they are only carried.
#[derive(Debug)]
pub(super) struct LogSink {
    sink: FileSink,
    pending: Vec<u8>,
    written: u64,
}

/// What is lost when the process dies: about two seconds of a µ-law call.
const PIECE: usize = 16_384;

impl LogSink {
    /// A log with nothing in it.
    pub(super) fn new(sink: FileSink) -> Self {
        Self { sink, pending: Vec::with_capacity(PIECE + 4_096), written: 0 }
    }

    /// Appends what `encode` writes.
    pub(super) fn append(&mut self, encode: impl FnOnce(&mut Vec<u8>)) {
        encode(&mut self.pending);
        if self.pending.len() >= PIECE {
            self.flush();
        }
    }

    /// Completes the file.
    pub(super) async fn finish(mut self) {
        self.flush();
        self.sink.close().await;
    }

    fn flush(&mut self) {
        let piece = std::mem::replace(&mut self.pending, Vec::with_capacity(PIECE + 4_096));
        let length = piece.len() as u64;
        self.sink.write_at(self.written, piece);
        self.written += length;
    }
}

#[cfg(test)]
mod tests {
    use super::super::files::{Files, tests::TestFile};
    use super::*;

    #[tokio::test]
    async fn what_is_appended_is_in_the_file_in_order() {
        let path = TestFile::new("append.log");
        let mut log = LogSink::new(Files::start().create(path.0.clone()));
        for n in 0..10_000u32 {
            log.append(|bytes| bytes.extend_from_slice(&n.to_le_bytes()));
        }
        log.finish().await;
        let bytes = std::fs::read(&path.0).unwrap();
        assert!(bytes.chunks(4).enumerate().all(|(n, chunk)| chunk == (n as u32).to_le_bytes()));
        assert_eq!(bytes.len(), 40_000);
    }
}
