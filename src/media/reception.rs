//! How the other side's stream has come (RFC 3550 section 6.4.1, appendix A.3).

use std::time::Duration;

use crate::rtp::{ReportBlock, Ssrc};

/// Counts the packets of the source we listen to against its sequence numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Reception {
    stream: Option<Stream>,
    /// Packets that were missed for good, and how often in a row some were.
    missed: u64,
    gaps: u64,
}

/// One stream, from its beginning or from its last restart.
#[derive(Clone, Copy, Debug)]
struct Stream {
    ssrc: Ssrc,
    first: u16,
    /// The places of its first packet and of its highest, as `Source` counts them.
    base: u64,
    highest: u64,
    received: u64,
    /// What was expected and received at the last report.
    before: (u64, u64),
}

impl Reception {
    /// A stream begins with the packet of this sequence number, at `place`.
    pub(super) fn begin(&mut self, ssrc: Ssrc, first: u16, place: u64) {
        self.stream = Some(Stream { ssrc, first, base: place, highest: place, received: 1, before: (0, 0) });
    }

    /// A packet of the stream came, whatever became of it.
    pub(super) fn received(&mut self, place: u64) {
        if let Some(stream) = &mut self.stream {
            stream.received += 1;
            stream.highest = stream.highest.max(place);
        }
    }

    /// So many packets in a row are given up.
    pub(super) fn missed(&mut self, packets: u64) {
        self.missed += packets;
        self.gaps += u64::from(packets > 0);
    }

    /// Who sends.
    pub(super) fn ssrc(&self) -> Option<Ssrc> {
        self.stream.map(|stream| stream.ssrc)
    }

    /// How many packets are missed in a row, on average; `None`: none was.
    pub(super) fn burst(&self) -> Option<f64> {
        (self.gaps > 0).then(|| self.missed as f64 / self.gaps as f64)
    }

    /// The block of the next report, but for what it answers; what was lost counts from the report before.
    pub(super) fn block(&mut self, jitter: Duration, clock: u32) -> Option<ReportBlock> {
        let stream = self.stream.as_mut()?;
        let expected = stream.highest - stream.base + 1;
        let lost = expected as i64 - stream.received as i64;
        let since = (expected - stream.before.0, stream.received - stream.before.1);
        stream.before = (expected, stream.received);
        let missing = since.0.saturating_sub(since.1);
        let fraction = (missing << 8).checked_div(since.0).unwrap_or(0);
        Some(ReportBlock {
            ssrc: stream.ssrc,
            fraction: u8::try_from(fraction).unwrap_or(u8::MAX),
            lost: lost.clamp(-(1 << 23), (1 << 23) - 1) as i32,
            highest: (u64::from(stream.first) + (stream.highest - stream.base)) as u32,
            jitter: (jitter.as_nanos() * u128::from(clock) / 1_000_000_000) as u32,
            last_report: 0,
            since: 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(reception: &mut Reception) -> ReportBlock {
        reception.block(Duration::from_millis(3), 8_000).unwrap()
    }

    #[test]
    fn loss_is_counted_in_all_and_since_the_report_before() {
        let mut reception = Reception::default();
        assert_eq!(reception.block(Duration::ZERO, 8_000), None);
        reception.begin(Ssrc(5), 65_530, 1_000);
        for place in (1_001..1_100).filter(|place| place % 4 != 0) {
            reception.received(place);
        }
        let first = block(&mut reception);
        assert_eq!((first.ssrc, first.lost, first.jitter), (Ssrc(5), 24, 24));
        assert_eq!(first.highest, 65_530 + 99, "across the wrap");
        assert_eq!(first.fraction, (24 * 256 / 100) as u8);
        (1_100..1_200).for_each(|place| reception.received(place));
        let second = block(&mut reception);
        assert_eq!((second.lost, second.fraction), (24, 0));
    }

    #[test]
    fn more_copies_than_losses_count_below_zero_and_a_new_stream_counts_anew() {
        let mut reception = Reception::default();
        reception.begin(Ssrc(5), 10, 1_000);
        for place in 1_001..1_050 {
            reception.received(place);
            reception.received(place);
        }
        assert_eq!((block(&mut reception).lost, block(&mut reception).fraction), (-49, 0));
        reception.begin(Ssrc(6), 7, 2_000);
        let anew = block(&mut reception);
        assert_eq!((anew.ssrc, anew.lost, anew.highest), (Ssrc(6), 0, 7));
    }

    #[test]
    fn bursts_are_the_mean_length_of_what_is_missed_in_a_row() {
        let mut reception = Reception::default();
        assert_eq!(reception.burst(), None);
        [0, 3, 0, 1, 2].into_iter().for_each(|packets| reception.missed(packets));
        assert_eq!(reception.burst(), Some(2.0));
    }
}
