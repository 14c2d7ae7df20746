//! What of a socket reaches the call.

use std::net::SocketAddr;
use std::time::Instant;

use super::super::LegCounters;
use super::latch::Latch;
use super::rate::RateLimit;
use crate::rtp::{Packet, SrtpError, SrtpReceiver};

/// Which of a line's two ports a datagram came on. With RTCP on the media port there is only one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Port {
    Media,
    Rtcp,
}

/// Looks at every datagram in the order of what that costs, and counts what it refuses: whose address it is, whether its
/// sender is within its rate, and only then what it holds.
///
/// On an encrypted line only packets with a right tag pass, and they pass from anywhere: nobody else can have made them.
#[derive(Debug)]
pub(super) struct Gate {
    latch: Latch,
    rate: RateLimit,
    /// For strangers whose packets must be proved: that costs a thousand times what an address does.
    proofs: RateLimit,
    srtp: Option<Box<SrtpReceiver>>,
    counters: LegCounters,
}

impl Gate {
    /// Packets a second of strangers on an encrypted line that are tried.
    const PROOFS: u32 = 200;

    /// A gate nothing has come to. The other side may send so many packets a second.
    pub(super) fn new(latch: Latch, packets_per_second: u32, srtp: Option<SrtpReceiver>, now: Instant) -> Self {
        Self {
            latch,
            rate: RateLimit::new(packets_per_second, now),
            proofs: RateLimit::new(Self::PROOFS, now),
            srtp: srtp.map(Box::new),
            counters: LegCounters::default(),
        }
    }

    /// Judges one datagram: so many bytes at its beginning are for the call; `None`: it was refused and counted.
    pub(super) fn admit(&mut self, from: SocketAddr, port: Port, datagram: &mut [u8], now: Instant) -> Option<usize> {
        let known = match port {
            Port::Media => self.latch.knows(from),
            Port::Rtcp => self.latch.knows_beside(from),
        };
        if !known && (port == Port::Rtcp || !self.latch.may_learn(from, now)) && self.srtp.is_none() {
            self.counters.foreign_source += 1;
            return None;
        }
        let rate = if known || self.srtp.is_none() { &mut self.rate } else { &mut self.proofs };
        if (known || self.srtp.is_some()) && !rate.admits(now) {
            let counter = if known { &mut self.counters.rate_limited } else { &mut self.counters.foreign_source };
            *counter += 1;
            return None;
        }
        let rtcp = Packet::is_rtcp(datagram);
        if port == Port::Rtcp && !rtcp {
            self.counters.malformed += 1;
            return None;
        }
        let length = match &mut self.srtp {
            None => datagram.len(),
            Some(srtp) => match if rtcp { srtp.open_rtcp(datagram) } else { srtp.open(datagram) } {
                Ok(length) => length,
                Err(_) if !known => {
                    self.counters.foreign_source += 1;
                    return None;
                }
                Err(error) => {
                    let counter = match error {
                        SrtpError::Malformed => &mut self.counters.malformed,
                        SrtpError::Replayed => &mut self.counters.replayed,
                        _ => &mut self.counters.bad_tag,
                    };
                    *counter += 1;
                    return None;
                }
            },
        };
        if port == Port::Media {
            let authentic = self.srtp.is_some();
            let learned = self.latch.came(from, datagram.get(..length).unwrap_or_default(), authentic, now);
            if !learned && !authentic {
                self.counters.foreign_source += 1;
                return None;
            }
        }
        Some(length)
    }

    /// Where sound goes; `None` while nobody is known.
    pub(super) fn target(&self) -> Option<SocketAddr> {
        self.latch.target()
    }

    /// What was refused so far.
    pub(super) const fn counters(&self) -> LegCounters {
        self.counters
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::rtp::{Header, PacketBuf, PayloadType, RtcpBuf, SdesCrypto, SrtpKey, SrtpSender, Ssrc};

    const PEER: &str = "192.0.2.1:4000";
    const STRANGER: &str = "198.51.100.9:4000";

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn key() -> SrtpKey {
        let line = "1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
        SdesCrypto::parse(line).unwrap().key
    }

    fn gate(remote: Option<&str>, srtp: bool, now: Instant) -> Gate {
        let agreed = vec![PayloadType(0)];
        let latch = Latch::new(remote.map(address), false, agreed, now + Duration::from_secs(5));
        Gate::new(latch, 100, srtp.then(|| SrtpReceiver::new(&key())), now)
    }

    fn packet(sequence: u16) -> PacketBuf {
        let timestamp = u32::from(sequence) * 160;
        let header = Header { marker: false, payload_type: PayloadType(0), sequence, timestamp, ssrc: Ssrc(7) };
        PacketBuf::write(header, |room| {
            room[..160].fill(0xFF);
            160
        })
    }

    fn protected(sender: &mut SrtpSender, sequence: u16) -> Vec<u8> {
        let mut bytes = packet(sequence).as_bytes().to_vec();
        let length = bytes.len();
        bytes.resize(length + SrtpSender::OVERHEAD, 0);
        let length = sender.protect(&mut bytes, length).unwrap();
        bytes.truncate(length);
        bytes
    }

    fn come(gate: &mut Gate, from: &str, bytes: &[u8], now: Instant) -> Option<Vec<u8>> {
        let mut bytes = bytes.to_vec();
        let length = gate.admit(address(from), Port::Media, &mut bytes, now)?;
        bytes.truncate(length);
        Some(bytes)
    }

    #[test]
    fn a_strangers_flood_takes_nothing_from_the_callers_rate() {
        let now = Instant::now();
        let mut gate = gate(Some(PEER), false, now);
        for n in 0..10_000 {
            assert_eq!(come(&mut gate, STRANGER, packet(n).as_bytes(), now), None);
        }
        let heard = (0..200).filter(|n| come(&mut gate, PEER, packet(*n).as_bytes(), now).is_some()).count();
        assert_eq!(heard, 100);
        let LegCounters { foreign_source, rate_limited, .. } = gate.counters();
        assert_eq!((foreign_source, rate_limited), (10_000, 100));
        assert_eq!(gate.target(), Some(address(PEER)));
    }

    #[test]
    fn on_an_encrypted_line_only_right_tags_pass_and_each_once() {
        let now = Instant::now();
        let (mut gate, mut sender) = (gate(Some(PEER), true, now), SrtpSender::new(&key()));
        assert_eq!(come(&mut gate, PEER, packet(1).as_bytes(), now), None, "not protected");
        let good = protected(&mut sender, 1);
        let mut bad = good.clone();
        bad[20] ^= 1;
        assert_eq!(come(&mut gate, PEER, &bad, now), None);
        assert_eq!(come(&mut gate, PEER, &good, now).as_deref(), Some(packet(1).as_bytes()));
        assert_eq!(come(&mut gate, PEER, &good, now), None);
        let LegCounters { bad_tag, replayed, foreign_source, .. } = gate.counters();
        assert_eq!((bad_tag, replayed, foreign_source), (2, 1, 0));
    }

    #[test]
    fn an_encrypted_caller_who_moves_is_heard_at_once_and_followed_after_a_run() {
        let now = Instant::now();
        let (mut gate, mut sender) = (gate(None, true, now), SrtpSender::new(&key()));
        for n in 0..10 {
            assert!(come(&mut gate, PEER, &protected(&mut sender, n), now).is_some());
        }
        assert_eq!(gate.target(), Some(address(PEER)));
        // Long after the window, and while a stranger repeats what he has seen.
        let later = now + Duration::from_secs(60);
        let stolen = protected(&mut sender, 10);
        assert!(come(&mut gate, PEER, &stolen, later).is_some());
        for n in 11..15 {
            assert!(come(&mut gate, "203.0.113.5:61000", &protected(&mut sender, n), later).is_some());
            assert_eq!(come(&mut gate, STRANGER, &stolen, later), None);
            assert_eq!(gate.target(), Some(address(PEER)));
        }
        assert!(come(&mut gate, "203.0.113.5:61000", &protected(&mut sender, 15), later).is_some());
        assert_eq!(gate.target(), Some(address("203.0.113.5:61000")));
        assert_eq!(gate.counters().foreign_source, 4);
    }

    #[test]
    fn a_strangers_packets_are_tried_at_a_bounded_rate() {
        let now = Instant::now();
        let mut gate = gate(Some(PEER), true, now);
        let mut tried = 0;
        for n in 0..10_000u16 {
            let before = gate.proofs.admits(now);
            tried += u32::from(before);
            assert_eq!(come(&mut gate, STRANGER, packet(n).as_bytes(), now), None);
        }
        assert!(tried <= Gate::PROOFS, "{tried}");
        assert_eq!(gate.counters().foreign_source, 10_000);
        let mut sender = SrtpSender::new(&key());
        assert!(come(&mut gate, PEER, &protected(&mut sender, 1), now).is_some(), "the caller has a rate of his own");
    }

    #[test]
    fn reports_on_a_port_of_their_own_come_from_the_port_after_the_callers() {
        let now = Instant::now();
        let mut gate = gate(Some(PEER), false, now);
        let report = RtcpBuf::write(Ssrc(7), None, None, "them", false);
        let mut admit = |from: &str, bytes: &[u8]| gate.admit(address(from), Port::Rtcp, &mut bytes.to_vec(), now);
        assert_eq!(admit("192.0.2.1:4001", report.as_bytes()), Some(report.as_bytes().len()));
        assert_eq!(admit(PEER, report.as_bytes()), None);
        assert_eq!(admit("198.51.100.9:4001", report.as_bytes()), None);
        assert_eq!(admit("192.0.2.1:4001", packet(1).as_bytes()), None, "no sound on this port");
    }
}
