//! RTCP (RFC 3550 section 6): reports on what was sent and on what came.

use std::fmt;

use super::Ssrc;

/// What a sender tells of its stream (RFC 3550 section 6.4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SenderInfo {
    /// When it was told, as an NTP timestamp: seconds since 1900 in 32.32 bits.
    pub ntp: u64,
    /// The same moment in the stream's timestamps.
    pub timestamp: u32,
    /// Packets sent, modulo 2^32.
    pub packets: u32,
    /// Bytes of payload sent, modulo 2^32.
    pub octets: u32,
}

/// What a receiver tells of one source (RFC 3550 section 6.4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReportBlock {
    /// Which source.
    pub ssrc: Ssrc,
    /// How much of it was lost since the report before, in 256ths.
    pub fraction: u8,
    /// How many packets were lost in all; less than zero where more came twice. 24 bits on the wire.
    pub lost: i32,
    /// The highest sequence number that came, extended by its cycles.
    pub highest: u32,
    /// Interarrival jitter in units of the timestamps.
    pub jitter: u32,
    /// The middle 32 bits of the NTP timestamp of the source's last report; 0: none came.
    pub last_report: u32,
    /// How long ago that came, in 65 536ths of a second.
    pub since: u32,
}

/// One packet of a compound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Rtcp<'a> {
    /// A sender's report.
    Sender {
        /// Who sends it.
        ssrc: Ssrc,
        /// On its own stream.
        info: SenderInfo,
        /// On what it hears.
        blocks: ReportBlocks<'a>,
    },
    /// The report of somebody who sends nothing.
    Receiver {
        /// Who sends it.
        ssrc: Ssrc,
        /// On what it hears.
        blocks: ReportBlocks<'a>,
    },
    /// These sources leave.
    Bye(Sources<'a>),
    /// Something else: source descriptions, application data, feedback, extended reports.
    Other(u8),
}

/// The report blocks of a packet, in order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReportBlocks<'a>(&'a [[u8; BLOCK]]);

/// The sources of a packet, in order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sources<'a>(&'a [[u8; 4]]);

impl ReportBlocks<'_> {
    /// The blocks.
    pub fn iter(&self) -> impl Iterator<Item = ReportBlock> + '_ {
        self.0.iter().map(ReportBlock::read)
    }
}

impl Sources<'_> {
    /// Whether this source is among them.
    pub fn contains(&self, ssrc: Ssrc) -> bool {
        self.0.iter().any(|bytes| u32::from_be_bytes(*bytes) == ssrc.0)
    }
}

const HEADER: usize = 4;
const BLOCK: usize = 24;
const SENDER: u8 = 200;
const RECEIVER: u8 = 201;
const DESCRIPTION: u8 = 202;
const BYE: u8 = 203;

impl<'a> Rtcp<'a> {
    /// Reads a compound packet in place, all of it or nothing (RFC 3550 appendix A.2).
    ///
    /// # Errors
    ///
    /// [`BadRtcp`] when it is no compound that begins with a report.
    pub fn parse(bytes: &'a [u8]) -> Result<impl Iterator<Item = Rtcp<'a>>, BadRtcp> {
        if !matches!(bytes.get(1), Some(&(SENDER | RECEIVER))) || bytes.first().is_none_or(|first| first & 0x20 != 0) {
            return Err(BadRtcp);
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let (packet, behind) = split(rest)?;
            // Padding is for the last one only.
            if packet.first().is_some_and(|first| first & 0x20 != 0) && !behind.is_empty() {
                return Err(BadRtcp);
            }
            Self::read(packet).ok_or(BadRtcp)?;
            rest = behind;
        }
        let mut rest = bytes;
        Ok(std::iter::from_fn(move || {
            let (packet, behind) = split(rest).ok()?;
            rest = behind;
            Self::read(packet)
        }))
    }

    /// Reads one packet; `None` when it is shorter than it says.
    fn read(packet: &'a [u8]) -> Option<Self> {
        let (head, body) = packet.split_first_chunk::<HEADER>()?;
        let count = usize::from(head[0] & 0x1F);
        Some(match head[1] {
            SENDER => {
                let (ssrc, body) = body.split_first_chunk()?;
                let (info, body) = body.split_first_chunk::<20>()?;
                Self::Sender {
                    ssrc: Ssrc(u32::from_be_bytes(*ssrc)),
                    info: SenderInfo::read(info),
                    blocks: blocks(body, count)?,
                }
            }
            RECEIVER => {
                let (ssrc, body) = body.split_first_chunk()?;
                Self::Receiver { ssrc: Ssrc(u32::from_be_bytes(*ssrc)), blocks: blocks(body, count)? }
            }
            BYE => Self::Bye(Sources(body.as_chunks().0.get(..count)?)),
            other => Self::Other(other),
        })
    }
}

/// The first packet of a compound, and what is behind it.
fn split(bytes: &[u8]) -> Result<(&[u8], &[u8]), BadRtcp> {
    let head = bytes.first_chunk::<HEADER>().filter(|head| head[0] >> 6 == 2).ok_or(BadRtcp)?;
    let length = (usize::from(u16::from_be_bytes([head[2], head[3]])) + 1) * 4;
    bytes.split_at_checked(length).ok_or(BadRtcp)
}

fn blocks(body: &[u8], count: usize) -> Option<ReportBlocks<'_>> {
    body.as_chunks().0.get(..count).map(ReportBlocks)
}

impl SenderInfo {
    fn read(bytes: &[u8; 20]) -> Self {
        let word = |at: usize| word(bytes, at);
        let ntp = u64::from(word(0)) << 32 | u64::from(word(1));
        Self { ntp, timestamp: word(2), packets: word(3), octets: word(4) }
    }
}

impl ReportBlock {
    fn read(bytes: &[u8; BLOCK]) -> Self {
        let word = |at: usize| word(bytes, at);
        Self {
            ssrc: Ssrc(word(0)),
            fraction: bytes[4],
            // Shifted up and down again, so that the sign is kept.
            lost: (word(1) << 8) as i32 >> 8,
            highest: word(2),
            jitter: word(3),
            last_report: word(4),
            since: word(5),
        }
    }

    fn words(&self) -> [u32; 6] {
        let lost = self.lost.clamp(-(1 << 23), (1 << 23) - 1) as u32 & 0xFF_FFFF;
        let lost = u32::from(self.fraction) << 24 | lost;
        [self.ssrc.0, lost, self.highest, self.jitter, self.last_report, self.since]
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.as_chunks().0.get(at).map_or(0, |word| u32::from_be_bytes(*word))
}

/// One compound RTCP packet, owned and inline: what a call sends.
#[derive(Clone, Copy)]
pub struct RtcpBuf {
    len: u8,
    bytes: [u8; RtcpBuf::CAPACITY],
}

impl RtcpBuf {
    /// A sender's report with one block, a name of [`RtcpBuf::NAME`] bytes and a goodbye.
    pub const CAPACITY: usize = 96;
    /// How many bytes of a name are sent.
    pub const NAME: usize = 16;

    /// Writes the compound of one participant: a report (a sender's if there is `info`), its canonical name, and its
    /// goodbye if it leaves. A name beyond [`RtcpBuf::NAME`] bytes is cut.
    pub fn write(ssrc: Ssrc, info: Option<SenderInfo>, block: Option<ReportBlock>, name: &str, leaves: bool) -> Self {
        let mut buffer = Self { len: 0, bytes: [0; Self::CAPACITY] };
        let kind = if info.is_some() { SENDER } else { RECEIVER };
        let start = buffer.begin(u8::from(block.is_some()), kind, ssrc);
        if let Some(info) = info {
            for word in [(info.ntp >> 32) as u32, info.ntp as u32, info.timestamp, info.packets, info.octets] {
                buffer.put(&word.to_be_bytes());
            }
        }
        for word in block.iter().flat_map(ReportBlock::words) {
            buffer.put(&word.to_be_bytes());
        }
        buffer.end(start);
        let name = &name.as_bytes()[..name.len().min(Self::NAME)];
        let start = buffer.begin(1, DESCRIPTION, ssrc);
        buffer.put(&[1, name.len() as u8]);
        buffer.put(name);
        // The list of items ends with at least one zero, and then at a word.
        let zeros = 4 - usize::from(buffer.len) % 4;
        buffer.put(&[0; 4][..zeros]);
        buffer.end(start);
        if leaves {
            let start = buffer.begin(1, BYE, ssrc);
            buffer.end(start);
        }
        buffer
    }

    /// The packet as it goes on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    fn begin(&mut self, count: u8, kind: u8, ssrc: Ssrc) -> usize {
        let start = usize::from(self.len);
        self.put(&[0x80 | count, kind, 0, 0]);
        self.put(&ssrc.0.to_be_bytes());
        start
    }

    fn end(&mut self, start: usize) {
        let words = (usize::from(self.len) - start) / 4 - 1;
        self.bytes[start + 2..start + 4].copy_from_slice(&(words as u16).to_be_bytes());
    }

    fn put(&mut self, bytes: &[u8]) {
        let start = usize::from(self.len);
        self.bytes[start..start + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len() as u8;
    }
}

impl fmt::Debug for RtcpBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RtcpBuf({} bytes)", self.len)
    }
}

/// A datagram that is no compound RTCP packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadRtcp;

impl fmt::Display for BadRtcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a compound RTCP packet that begins with a report")
    }
}

impl std::error::Error for BadRtcp {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const INFO: SenderInfo = SenderInfo { ntp: 0xB44D_B705_2000_0000, timestamp: 160, packets: 7, octets: 1_120 };

    fn block(lost: i32) -> ReportBlock {
        ReportBlock {
            ssrc: Ssrc(9),
            fraction: 3,
            lost,
            highest: 70_000,
            jitter: 12,
            last_report: 0xB705_2000,
            since: 65_536,
        }
    }

    #[test]
    fn the_bytes_of_a_report_are_those_of_the_rfc() {
        let report = RtcpBuf::write(Ssrc(0xDEAD_BEEF), Some(INFO), Some(block(-2)), "ab", true);
        let mut expected = vec![0x81, 200, 0, 12, 0xDE, 0xAD, 0xBE, 0xEF];
        expected.extend([0xB4, 0x4D, 0xB7, 0x05, 0x20, 0, 0, 0, 0, 0, 0, 160, 0, 0, 0, 7, 0, 0, 4, 0x60]);
        expected.extend([0, 0, 0, 9, 3, 0xFF, 0xFF, 0xFE, 0, 1, 0x11, 0x70, 0, 0, 0, 12]);
        expected.extend([0xB7, 0x05, 0x20, 0, 0, 1, 0, 0]);
        expected.extend([0x81, 202, 0, 3, 0xDE, 0xAD, 0xBE, 0xEF, 1, 2, b'a', b'b', 0, 0, 0, 0]);
        expected.extend([0x81, 203, 0, 1, 0xDE, 0xAD, 0xBE, 0xEF]);
        assert_eq!(report.as_bytes(), expected);
        assert!(super::super::Packet::is_rtcp(report.as_bytes()));
    }

    #[test]
    fn what_is_no_compound_is_refused_whole() {
        let good = RtcpBuf::write(Ssrc(1), None, Some(block(0)), "name", true);
        let good = good.as_bytes();
        assert!(Rtcp::parse(good).is_ok());
        for bad in [&good[..good.len() - 1], &good[8..], &good[32..], &[], &good[..3]] {
            assert!(Rtcp::parse(bad).is_err(), "{bad:?}");
        }
        let mut more = good.to_vec();
        more[0] |= 2;
        assert!(Rtcp::parse(&more).is_err(), "more blocks than there are");
        let mut padded = good.to_vec();
        padded[0] |= 0x20;
        assert!(Rtcp::parse(&padded).is_err(), "padding in front");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            ssrc: u32, sends: bool, hears: bool, leaves: bool, lost in -(1 << 23)..(1 << 23), name in "[a-z]{0,16}",
        ) {
            let (info, heard) = (sends.then_some(INFO), hears.then(|| block(lost)));
            let written = RtcpBuf::write(Ssrc(ssrc), info, heard, &name, leaves);
            let read: Vec<_> = Rtcp::parse(written.as_bytes()).unwrap().collect();
            let blocks = match read[0] {
                Rtcp::Sender { ssrc: sender, info: found, blocks } => {
                    prop_assert_eq!((sender, Some(found)), (Ssrc(ssrc), info));
                    blocks
                }
                Rtcp::Receiver { ssrc: sender, blocks } => {
                    prop_assert_eq!((sender, info), (Ssrc(ssrc), None));
                    blocks
                }
                other => panic!("{other:?}"),
            };
            prop_assert_eq!(blocks.iter().next(), heard);
            prop_assert_eq!(read[1], Rtcp::Other(202));
            let bye = read.get(2).map(|packet| matches!(packet, Rtcp::Bye(who) if who.contains(Ssrc(ssrc))));
            prop_assert_eq!(bye, leaves.then_some(true));
        }

        #[test]
        fn no_bytes_whatever_make_it_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 200u8..204) {
            if let [first, second, ..] = bytes.as_mut_slice() {
                (*first, *second) = (0x80 | *first & 0x1F, kind);
            }
            if let Ok(packets) = Rtcp::parse(&bytes) {
                for packet in packets {
                    if let Rtcp::Sender { blocks, .. } | Rtcp::Receiver { blocks, .. } = packet {
                        prop_assert!(blocks.iter().count() < 32);
                    }
                }
            }
        }
    }
}
