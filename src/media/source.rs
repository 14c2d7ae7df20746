//! Which stream we listen to: SSRC changes, restarts and strangers.

use std::time::{Duration, Instant};

use crate::rtp::{Header, SeqExtender, Sequenced, Ssrc};

/// Gives every packet of the stream we listen to its place, counted without gaps across restarts and SSRC changes.
///
/// A new SSRC or a jump of the sequence number (RFC 3550 appendix A.1) is believed when its second packet follows the
/// first in order, or at once when the old stream has been silent for [`Source::SILENT`]. A single foreign packet in a
/// live stream moves nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Source {
    ssrc: Option<Ssrc>,
    numbers: SeqExtender,
    /// Place = extended sequence number + offset, modulo 2^64.
    offset: u64,
    heard_at: Option<Instant>,
    suspect: Option<(Ssrc, u16)>,
}

/// What to do with a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Admission {
    /// It belongs here.
    At(u64),
    /// It begins a new stream, here.
    Restart(u64),
    /// It proves that the suspect kept before it begins a new stream, at this place; this packet follows it.
    RestartWithSuspect(u64),
    /// It may begin a new stream: keep it until the next one tells.
    Suspect,
}

impl Source {
    /// After this long without a packet the old stream has no say any more.
    pub(super) const SILENT: Duration = Duration::from_secs(1);

    /// Judges one packet. `end` is the first place beyond everything known, where a new stream would begin.
    pub(super) fn admit(&mut self, header: &Header, end: u64, now: Instant) -> Admission {
        let Some(ssrc) = self.ssrc else {
            return self.restart(header, end, now);
        };
        if ssrc == header.ssrc {
            match self.numbers.extend(header.sequence) {
                Sequenced::At(number) => {
                    self.heard_at = Some(now);
                    self.suspect = None;
                    return Admission::At(number.0.wrapping_add(self.offset));
                }
                Sequenced::Restarted(number) if self.suspect == Some((ssrc, header.sequence.wrapping_sub(1))) => {
                    self.offset = end.wrapping_add(1).wrapping_sub(number.0);
                    self.heard_at = Some(now);
                    self.suspect = None;
                    return Admission::RestartWithSuspect(end);
                }
                Sequenced::Restarted(_) | Sequenced::Suspect => {}
            }
        } else if self.suspect == Some((header.ssrc, header.sequence.wrapping_sub(1))) {
            self.restart(header, end.wrapping_add(1), now);
            return Admission::RestartWithSuspect(end);
        }
        if self.heard_at.is_none_or(|at| now.saturating_duration_since(at) >= Self::SILENT) {
            return self.restart(header, end, now);
        }
        self.suspect = Some((header.ssrc, header.sequence));
        Admission::Suspect
    }

    /// Whether this is the source we listen to.
    pub(super) fn is_current(&self, ssrc: Ssrc) -> bool {
        self.ssrc == Some(ssrc)
    }

    fn restart(&mut self, header: &Header, place: u64, now: Instant) -> Admission {
        self.ssrc = Some(header.ssrc);
        self.numbers = SeqExtender::new();
        if let Sequenced::At(number) = self.numbers.extend(header.sequence) {
            self.offset = place.wrapping_sub(number.0);
        }
        self.heard_at = Some(now);
        self.suspect = None;
        Admission::Restart(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::PayloadType;

    const MS: Duration = Duration::from_millis(1);

    fn header(ssrc: u32, sequence: u16) -> Header {
        Header { marker: false, payload_type: PayloadType(0), sequence, timestamp: 0, ssrc: Ssrc(ssrc) }
    }

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to begin with")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn the_first_packet_is_believed_and_places_go_on_from_the_end() {
        let (t, mut source) = (start(), Source::default());
        assert_eq!(source.admit(&header(1, 65_535), 1_000, t), Admission::Restart(1_000));
        assert_eq!(source.admit(&header(1, 0), 1_001, t), Admission::At(1_001));
        assert_eq!(source.admit(&header(1, 65_534), 1_002, t), Admission::At(999));
    }

    #[test]
    fn a_single_foreign_packet_never_moves_us() {
        let (t, mut source) = (start(), Source::default());
        source.admit(&header(1, 10), 1_000, t);
        assert_eq!(source.admit(&header(2, 500), 1_001, t), Admission::Suspect);
        assert_eq!(source.admit(&header(1, 11), 1_001, t), Admission::At(1_001));
        assert_eq!(source.admit(&header(2, 501), 1_002, t), Admission::Suspect, "the run was broken");
    }

    #[test]
    fn two_packets_in_order_of_another_source_move_us_and_both_have_a_place() {
        let (t, mut source) = (start(), Source::default());
        source.admit(&header(1, 10), 1_000, t);
        assert_eq!(source.admit(&header(2, 65_535), 1_001, t), Admission::Suspect);
        assert_eq!(source.admit(&header(2, 0), 1_001, t), Admission::RestartWithSuspect(1_001));
        assert_eq!(source.admit(&header(2, 1), 1_003, t), Admission::At(1_003));
        assert!(source.is_current(Ssrc(2)));
    }

    #[test]
    fn a_jump_of_the_sequence_restarts_after_its_second_packet() {
        let (t, mut source) = (start(), Source::default());
        source.admit(&header(1, 40_000), 1_000, t);
        assert_eq!(source.admit(&header(1, 7), 1_001, t), Admission::Suspect);
        assert_eq!(source.admit(&header(1, 8), 1_001, t), Admission::RestartWithSuspect(1_001));
        assert_eq!(source.admit(&header(1, 9), 1_003, t), Admission::At(1_003));
    }

    #[test]
    fn a_silent_stream_is_left_at_once() {
        let (t, mut source) = (start(), Source::default());
        source.admit(&header(1, 10), 1_000, t);
        assert_eq!(source.admit(&header(2, 500), 1_001, t + Source::SILENT - MS), Admission::Suspect);
        assert_eq!(source.admit(&header(3, 500), 1_001, t + Source::SILENT), Admission::Restart(1_001));
        assert_eq!(source.admit(&header(3, 501), 1_002, t + Source::SILENT), Admission::At(1_002));
    }
}
