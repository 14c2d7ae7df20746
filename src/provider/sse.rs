//! Server-sent events: bytes in any pieces to the data of whole events.

use std::fmt;

/// Takes a `text/event-stream` apart (HTML Living Standard, section 9.2.6): LF, CR and CRLF, comments, data over several
/// lines, pieces that split anywhere, even inside a character. Only the data matters here; names and ids are dropped.
#[derive(Clone, Default, Debug)]
pub(super) struct SseDecoder {
    line: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    after_cr: bool,
    first_line_seen: bool,
}

/// An event grew beyond [`SseDecoder::EVENT`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an event of more than {} bytes", SseDecoder::EVENT)
    }
}

impl SseDecoder {
    /// The longest event: far above any delta, far below what hurts.
    pub(super) const EVENT: usize = 1024 * 1024;

    /// Takes the next bytes and appends the data of each event that they complete to `events`.
    pub(super) fn push(&mut self, bytes: &[u8], events: &mut Vec<String>) -> Result<(), TooLong> {
        for &byte in bytes {
            let follows_cr = std::mem::take(&mut self.after_cr);
            match byte {
                b'\n' if follows_cr => {}
                b'\n' => self.end_line(events),
                b'\r' => {
                    self.after_cr = true;
                    self.end_line(events);
                }
                _ if self.line.len() + self.data.len() >= Self::EVENT => return Err(TooLong),
                _ => self.line.push(byte),
            }
        }
        Ok(())
    }

    /// The data of an event that the end of the stream left without its blank line.
    pub(super) fn finish(&mut self) -> Option<String> {
        let mut events = Vec::new();
        self.end_line(&mut events);
        self.dispatch(&mut events);
        events.pop()
    }

    fn end_line(&mut self, events: &mut Vec<String>) {
        let mut line = std::mem::take(&mut self.line);
        let mut text = line.as_slice();
        if !std::mem::replace(&mut self.first_line_seen, true) {
            text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
        }
        if text.is_empty() {
            self.dispatch(events);
        } else if let Some(rest) = text.strip_prefix(b"data")
            && let Some(value) = rest.strip_prefix(b":").or(rest.is_empty().then_some(rest))
        {
            if self.has_data {
                self.data.push(b'\n');
            }
            self.data.extend_from_slice(value.strip_prefix(b" ").unwrap_or(value));
            self.has_data = true;
        }
        line.clear();
        self.line = line; // its room serves the next line
    }

    fn dispatch(&mut self, events: &mut Vec<String>) {
        if std::mem::take(&mut self.has_data) {
            events.push(String::from_utf8_lossy(&self.data).into_owned());
            self.data.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(pieces: &[&[u8]]) -> Vec<String> {
        let mut decoder = SseDecoder::default();
        let mut events = Vec::new();
        for piece in pieces {
            decoder.push(piece, &mut events).unwrap();
        }
        events.extend(decoder.finish());
        events
    }

    const STREAM: &str =
        "\u{feff}: hello\r\ndata: {\"a\":\"é€😀\"}\r\n\r\n:\nevent: x\nid: 7\ndata:b\ndata: c\n\n\rdata\n\ndata:  d";

    #[test]
    fn events_are_the_same_wherever_the_bytes_split() {
        let whole = decode(&[STREAM.as_bytes()]);
        assert_eq!(whole, ["{\"a\":\"é€😀\"}", "b\nc", "", " d"]);
        for at in 0..STREAM.len() {
            let (front, back) = STREAM.as_bytes().split_at(at);
            assert_eq!(decode(&[front, back]), whole, "split at {at}");
        }
        let bytes: Vec<&[u8]> = STREAM.as_bytes().chunks(1).collect();
        assert_eq!(decode(&bytes), whole);
    }

    #[test]
    fn other_fields_that_begin_like_data_are_not_data() {
        assert_eq!(decode(&[b"database: x\n\ndata: y\n\n"]), ["y"]);
    }

    #[test]
    fn an_endless_event_is_refused() {
        let mut decoder = SseDecoder::default();
        let mut events = Vec::new();
        let piece = vec![b'x'; SseDecoder::EVENT];
        assert_eq!(decoder.push(&piece, &mut events), Ok(()));
        assert_eq!(decoder.push(b"x", &mut events), Err(TooLong));
        assert!(events.is_empty());
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..20)) {
            let mut decoder = SseDecoder::default();
            let mut events = Vec::new();
            for piece in &pieces {
                decoder.push(piece, &mut events).unwrap();
            }
            let total: usize = pieces.iter().map(Vec::len).sum();
            prop_assert!(events.iter().map(|event| event.chars().count()).sum::<usize>() <= total);
        }
    }
}
