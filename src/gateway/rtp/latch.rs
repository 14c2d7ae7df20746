//! Whom to listen to and whom to send to.

use std::net::SocketAddr;
use std::time::Instant;

use crate::rtp::{Packet, PayloadType, Ssrc};

/// Symmetric RTP (RFC 4961) without RTP bleed: learns the other side's address once, from a short run of plausible
/// packets, and never lets a stranger move it.
///
/// * The signalled address is the other side, from its first datagram on.
/// * Another source is learned only while nobody is, within the learning window, and by [`Latch::RUN`] packets of one
///   SSRC with growing sequence numbers and an agreed payload type. When an address was signalled, only another port of
///   its host qualifies, unless the line is `symmetric` (the other side is behind a NAT).
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
    run: u8,
}

impl Latch {
    /// Packets in a row that make a source the other side.
    pub(super) const RUN: u8 = 5;
    /// Sources that are watched at once while learning; the one with the shortest run makes room.
    const CANDIDATES: usize = 4;
    /// The largest step of the sequence number within a run: a few packets may be lost.
    const MAX_STEP: u16 = 10;

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

    /// Whether a datagram that came from `from` is the other side's.
    pub(super) fn accepts(&mut self, from: SocketAddr, datagram: &[u8], now: Instant) -> bool {
        if self.source == Some(from) {
            return true;
        }
        if self.signalled == Some(from) {
            self.source = Some(from);
            return true;
        }
        if self.source.is_some() || now >= self.learn_until || !self.may_learn(from) {
            return false;
        }
        let learned = self.watch(from, datagram);
        if learned {
            self.source = Some(from);
        }
        learned
    }

    /// Where sound goes; `None` while nobody is known.
    pub(super) fn target(&self) -> Option<SocketAddr> {
        if self.symmetric { self.source.or(self.signalled) } else { self.signalled.or(self.source) }
    }

    fn may_learn(&self, from: SocketAddr) -> bool {
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
        let fresh = Candidate { source: from, ssrc: header.ssrc, sequence: header.sequence, run: 1 };
        if let Some(known) = self.candidates.iter_mut().flatten().find(|known| known.source == from) {
            let step = header.sequence.wrapping_sub(known.sequence);
            let continues = known.ssrc == header.ssrc && (1..=Self::MAX_STEP).contains(&step);
            *known = if continues { Candidate { run: known.run + 1, ..fresh } } else { fresh };
            return known.run >= Self::RUN;
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
        let header = Header { marker: false, payload_type, sequence, timestamp: 0, ssrc: Ssrc(ssrc) };
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
        (0..count).filter(|&n| latch.accepts(address(from), packet(7, n, PCMU).as_bytes(), now)).count()
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
            assert!(!latch.accepts(address("198.51.100.1:1"), &[0xFF; 40], now));
            assert!(!latch.accepts(address("198.51.100.2:1"), packet(1, n, PayloadType(96)).as_bytes(), now));
            assert!(!latch.accepts(address("198.51.100.3:1"), packet(1, 9, PCMU).as_bytes(), now));
            assert!(!latch.accepts(address("198.51.100.4:1"), packet(u32::from(n), n, PCMU).as_bytes(), now));
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
            if latch.accepts(address("192.0.2.1:4000"), packet(7, n, PCMU).as_bytes(), now) && learned.is_none() {
                learned = Some(n);
            }
            let stranger = SocketAddr::from(([198, 51, 100, n as u8], 9));
            assert!(!latch.accepts(stranger, packet(9, n, PCMU).as_bytes(), now));
        }
        assert_eq!(learned, Some(4));
    }
}
