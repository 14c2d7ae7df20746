//! Whom to listen to and whom to send to.

use std::net::SocketAddr;
use std::time::Instant;

use crate::rtp::{Packet, PayloadType, Ssrc};

/// Symmetric RTP (RFC 4961) without RTP bleed: learns the other side's address once, from a short run of plausible
/// packets, and never lets a stranger move it.
///
/// * The signalled address is the other side, from its first datagram on.
/// * Another source is learned only while nobody is, within the learning window, and by [`Latch::RUN`] packets of one
///   SSRC with growing sequence numbers, timestamps that go on and an agreed payload type. When an address was signalled, only another port of
///   its host qualifies, unless the line is `symmetric` (the other side is behind a NAT).
/// * Who was learned stays, but for two: the signalled address itself, and, on an encrypted line, whoever sends such a run
///   of packets with right tags.
/// * Sound goes to the signalled address when there is one, so that nobody can divert it; to the learned source when
///   there is none or the line is `symmetric`.
#[derive(Debug)]
pub(super) struct Latch {
    signalled: Option<SocketAddr>,
    symmetric: bool,
    agreed: Vec<PayloadType>,
    learn_until: Instant,
    source: Option<SocketAddr>,
    candidates: [Option<Candidate>; Self::CANDIDATES],
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    source: SocketAddr,
    ssrc: Ssrc,
    sequence: u16,
    /// Of the run's first packet and of its last.
    timestamps: (u32, u32),
    run: u8,
}

impl Latch {
    /// Packets in a row that make a source the other side.
    pub(super) const RUN: u8 = 5;
    /// Sources that are watched at once while learning; the one with the shortest run makes room.
    const CANDIDATES: usize = 4;
    /// The largest step of the sequence number within a run: a few packets may be lost.
    const MAX_STEP: u16 = 10;
    /// The largest step of the timestamp for one of the sequence number: 120 ms at 48 kHz.
    const MAX_ADVANCE: u32 = 5_760;

    /// A latch that has heard nobody.
    pub(super) fn new(
        signalled: Option<SocketAddr>,
        symmetric: bool,
        agreed: Vec<PayloadType>,
        learn_until: Instant,
    ) -> Self {
        // 0.0.0.0 and port 0 are how a peer says "not known yet".
        let signalled = signalled.filter(|address| !address.ip().is_unspecified() && address.port() != 0);
        Self { signalled, symmetric, agreed, learn_until, source: None, candidates: [None; Self::CANDIDATES] }
    }

    /// Whether `from` is the other side.
    pub(super) fn knows(&self, from: SocketAddr) -> bool {
        self.source == Some(from) || self.signalled == Some(from)
    }

    /// Whether `from` is where the other side's RTCP comes from that does not share the media port: the next port.
    pub(super) fn knows_beside(&self, from: SocketAddr) -> bool {
        let media = SocketAddr::new(from.ip(), from.port().wrapping_sub(1));
        self.knows(media)
    }

    /// Whether a source that is not known may become so.
    pub(super) fn may_learn(&self, from: SocketAddr, now: Instant) -> bool {
        self.source.is_none() && now < self.learn_until && self.is_plausible(from)
    }

    /// A datagram of `from` came on the media port; says whether it is the other side's. `authentic`: its tag was right.
    pub(super) fn came(&mut self, from: SocketAddr, datagram: &[u8], authentic: bool, now: Instant) -> bool {
        if self.source == Some(from) {
            return true;
        }
        if self.signalled == Some(from) {
            self.source = Some(from);
            return true;
        }
        let learned = (authentic || self.may_learn(from, now)) && self.watch(from, datagram);
        if learned {
            self.source = Some(from);
            self.candidates = [None; Self::CANDIDATES];
        }
        learned
    }

    /// Where sound goes; `None` while nobody is known.
    pub(super) fn target(&self) -> Option<SocketAddr> {
        if self.symmetric { self.source.or(self.signalled) } else { self.signalled.or(self.source) }
    }

    fn is_plausible(&self, from: SocketAddr) -> bool {
        self.symmetric || self.signalled.is_none_or(|signalled| signalled.ip() == from.ip())
    }

    /// Counts a packet towards its source's run; `true` when the run is complete.
    fn watch(&mut self, from: SocketAddr, datagram: &[u8]) -> bool {
        if Packet::is_rtcp(datagram) {
            return false;
        }
        let Ok(Packet { header, .. }) = Packet::parse(datagram) else { return false };
        if !self.agreed.contains(&header.payload_type) {
            return false;
        }
        let (ssrc, sequence, timestamp) = (header.ssrc, header.sequence, header.timestamp);
        let fresh = Candidate { source: from, ssrc, sequence, timestamps: (timestamp, timestamp), run: 1 };
        if let Some(known) = self.candidates.iter_mut().flatten().find(|known| known.source == from) {
            let step = sequence.wrapping_sub(known.sequence);
            // The packets of a key repeat their timestamp.
            let advance = timestamp.wrapping_sub(known.timestamps.1);
            let continues = known.ssrc == ssrc
                && (1..=Self::MAX_STEP).contains(&step)
                && advance <= Self::MAX_ADVANCE * u32::from(step);
            if !continues {
                *known = fresh;
                return false;
            }
            let (first, run) = (known.timestamps.0, known.run.saturating_add(1));
            *known = Candidate { timestamps: (first, timestamp), run, ..fresh };
            return run >= Self::RUN && first != timestamp;
        }
        if let Some(place) = self.candidates.iter_mut().min_by_key(|place| place.map_or(0, |known| known.run)) {
            *place = Some(fresh);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::{Header, PacketBuf};
    use std::time::Duration;

    const PCMU: PayloadType = PayloadType(0);

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn packet(ssrc: u32, sequence: u16, payload_type: PayloadType) -> PacketBuf {
        let timestamp = u32::from(sequence) * 160;
        let header = Header { marker: false, payload_type, sequence, timestamp, ssrc: Ssrc(ssrc) };
        PacketBuf::write(header, |room| {
            room[..160].fill(0xFF);
            160
        })
    }

    fn latch(signalled: Option<&str>, symmetric: bool, now: Instant) -> Latch {
        Latch::new(signalled.map(address), symmetric, vec![PCMU], now + Duration::from_secs(5))
    }

    /// Feeds `count` good packets and says how many were accepted.
    fn feed(latch: &mut Latch, from: &str, count: u16, now: Instant) -> usize {
        (0..count).filter(|&n| latch.came(address(from), packet(7, n, PCMU).as_bytes(), false, now)).count()
    }

    #[test]
    fn the_signalled_address_is_heard_from_its_first_packet_and_strangers_never() {
        let now = Instant::now();
        let mut latch = latch(Some("192.0.2.1:4000"), false, now);
        assert_eq!(latch.target(), Some(address("192.0.2.1:4000")));
        assert_eq!(feed(&mut latch, "198.51.100.9:4000", 100, now), 0);
        assert_eq!(feed(&mut latch, "192.0.2.1:4000", 3, now), 3);
        assert_eq!(feed(&mut latch, "192.0.2.1:4002", 100, now), 0, "locked");
        assert_eq!(latch.target(), Some(address("192.0.2.1:4000")));
    }

    #[test]
    fn another_port_of_the_signalled_host_may_send_but_sound_still_goes_where_signalling_said() {
        let now = Instant::now();
        let mut latch = latch(Some("192.0.2.1:4000"), false, now);
        assert_eq!(feed(&mut latch, "192.0.2.1:53124", 10, now), 6, "the fifth packet and all after it");
        assert_eq!(latch.target(), Some(address("192.0.2.1:4000")));
    }

    #[test]
    fn behind_a_nat_sound_follows_the_learned_source() {
        let now = Instant::now();
        let mut latch = latch(Some("10.0.0.4:4000"), true, now);
        assert_eq!(feed(&mut latch, "203.0.113.5:61000", 5, now), 1);
        assert_eq!(latch.target(), Some(address("203.0.113.5:61000")));
    }

    #[test]
    fn with_no_address_signalled_a_run_of_packets_is_learned_and_then_locked() {
        let now = Instant::now();
        let mut latch = latch(None, false, now);
        assert_eq!(latch.target(), None);
        assert_eq!(feed(&mut latch, "192.0.2.1:4000", 5, now), 1);
        assert_eq!(latch.target(), Some(address("192.0.2.1:4000")));
        assert_eq!(feed(&mut latch, "198.51.100.9:4000", 100, now), 0);
        assert_eq!(latch.target(), Some(address("192.0.2.1:4000")));
    }

    #[test]
    fn garbage_wrong_payload_types_and_repeats_are_never_learned() {
        let now = Instant::now();
        let mut latch = latch(None, false, now);
        for n in 0..50u16 {
            assert!(!latch.came(address("198.51.100.1:1"), &[0xFF; 40], false, now));
            assert!(!latch.came(address("198.51.100.2:1"), packet(1, n, PayloadType(96)).as_bytes(), false, now));
            assert!(!latch.came(address("198.51.100.3:1"), packet(1, 9, PCMU).as_bytes(), false, now));
            assert!(!latch.came(address("198.51.100.4:1"), packet(u32::from(n), n, PCMU).as_bytes(), false, now));
        }
        assert_eq!(latch.target(), None);
    }

    #[test]
    fn the_signalled_address_is_taken_back_from_whoever_was_learned_before_it_spoke() {
        let now = Instant::now();
        let mut latch = latch(Some("192.0.2.1:4000"), true, now);
        assert_eq!(feed(&mut latch, "203.0.113.5:61000", 5, now), 1);
        assert_eq!(latch.target(), Some(address("203.0.113.5:61000")));
        assert_eq!(feed(&mut latch, "192.0.2.1:4000", 1, now), 1);
        assert_eq!(latch.target(), Some(address("192.0.2.1:4000")));
        assert_eq!(feed(&mut latch, "203.0.113.5:61000", 100, now), 0);
    }

    #[test]
    fn a_run_whose_timestamps_stand_still_or_jump_is_no_stream() {
        let now = Instant::now();
        let mut latch = latch(None, false, now);
        let with = |sequence: u16, timestamp: u32| {
            let header = Header { marker: false, payload_type: PCMU, sequence, timestamp, ssrc: Ssrc(7) };
            PacketBuf::write(header, |_| 160)
        };
        for n in 0..50u16 {
            let (still, jumps) = (with(n, 9), with(n, u32::from(n).wrapping_mul(0x0123_4567)));
            assert!(!latch.came(address("198.51.100.1:1"), still.as_bytes(), false, now));
            assert!(!latch.came(address("198.51.100.2:1"), jumps.as_bytes(), false, now));
        }
        assert_eq!(latch.target(), None);
    }

    #[test]
    fn the_window_closes() {
        let now = Instant::now();
        let mut latch = latch(None, false, now);
        assert_eq!(feed(&mut latch, "192.0.2.1:4000", 100, now + Duration::from_secs(5)), 0);
    }

    #[test]
    fn many_strangers_cannot_keep_the_other_side_from_being_learned() {
        let now = Instant::now();
        let mut latch = latch(None, false, now);
        let mut learned = None;
        for n in 0..20u16 {
            if latch.came(address("192.0.2.1:4000"), packet(7, n, PCMU).as_bytes(), false, now) && learned.is_none() {
                learned = Some(n);
            }
            let stranger = SocketAddr::from(([198, 51, 100, n as u8], 9));
            assert!(!latch.came(stranger, packet(9, n, PCMU).as_bytes(), false, now));
        }
        assert_eq!(learned, Some(4));
    }
}
