//! RTP packets (RFC 3550 section 5.1), read in place and written inline.

use std::fmt;

/// Who sends: the synchronisation source of RFC 3550.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Ssrc(pub u32);

/// What a payload is: 0–127.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PayloadType(pub u8);

/// The fixed part of an RTP header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// First packet of a talkspurt or of a telephone event.
    pub marker: bool,
    /// Which codec the payload is in.
    pub payload_type: PayloadType,
    /// Counts packets, modulo 2^16.
    pub sequence: u16,
    /// Sampling instant of the first sample, in units of the codec's clock rate, modulo 2^32.
    pub timestamp: u32,
    /// Who sends.
    pub ssrc: Ssrc,
}

/// One RTP packet, borrowed from the datagram it came in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The header's fixed part; CSRCs and extensions are skipped.
    pub header: Header,
    /// The payload without padding.
    pub payload: &'a [u8],
}

const HEADER_LEN: usize = 12;

impl<'a> Packet<'a> {
    /// Reads a datagram in place. Copies nothing and never panics, whatever the bytes are.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let (head, mut rest) = bytes.split_at(Self::header_len(bytes)?);
        if head[0] & 0x20 != 0 {
            let padding = usize::from(rest.last().copied().unwrap_or(0));
            if padding == 0 || padding > rest.len() {
                return Err(ParseError::Padding { padding, payload: rest.len() });
            }
            rest = &rest[..rest.len() - padding];
        }
        Ok(Self {
            header: Header {
                marker: head[1] & 0x80 != 0,
                payload_type: PayloadType(head[1] & 0x7F),
                sequence: u16::from_be_bytes([head[2], head[3]]),
                timestamp: u32::from_be_bytes([head[4], head[5], head[6], head[7]]),
                ssrc: Ssrc(u32::from_be_bytes([head[8], head[9], head[10], head[11]])),
            },
            payload: rest,
        })
    }

    /// How many bytes the header has, CSRCs and extension included: at least twelve, and all of them are there.
    pub(super) fn header_len(bytes: &[u8]) -> Result<usize, ParseError> {
        let truncated = ParseError::Truncated { bytes: bytes.len() };
        let Some(head) = bytes.first_chunk::<HEADER_LEN>() else { return Err(truncated) };
        let version = head[0] >> 6;
        if version != 2 {
            return Err(ParseError::Version(version));
        }
        let mut length = HEADER_LEN + usize::from(head[0] & 0x0F) * 4;
        if head[0] & 0x10 != 0 {
            let Some(&[_, _, high, low]) = bytes.get(length..).and_then(<[u8]>::first_chunk) else {
                return Err(truncated);
            };
            length += 4 + usize::from(u16::from_be_bytes([high, low])) * 4;
        }
        if length > bytes.len() { Err(truncated) } else { Ok(length) }
    }

    /// Whether these bytes are RTCP sharing the port (RFC 5761 section 4: packet types 192–223).
    pub fn is_rtcp(bytes: &[u8]) -> bool {
        bytes.len() >= 8 && bytes[0] >> 6 == 2 && (192..=223).contains(&bytes[1])
    }
}

impl fmt::Debug for Packet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Packet({:?}, {} bytes)", self.header, self.payload.len())
    }
}

/// One RTP packet, owned and inline: what the call sends.
#[derive(Clone, Copy)]
pub struct PacketBuf {
    len: u16,
    bytes: [u8; PacketBuf::CAPACITY],
}

impl PacketBuf {
    /// The longest payload we send: with every header it stays one packet of Ethernet.
    pub const MAX_PAYLOAD: usize = 1_280;
    const CAPACITY: usize = HEADER_LEN + Self::MAX_PAYLOAD;

    /// Room for a packet, with nothing in it.
    pub const EMPTY: Self = Self { len: 0, bytes: [0; Self::CAPACITY] };

    /// Writes a packet whose payload `fill` produces: it is given the room there is and returns how much it used.
    pub fn write(header: Header, fill: impl FnOnce(&mut [u8]) -> usize) -> Self {
        let mut packet = Self::EMPTY;
        packet.rewrite(header, fill);
        packet
    }

    /// Writes a packet as [`write`](Self::write) does, in the place of this one.
    pub fn rewrite(&mut self, header: Header, fill: impl FnOnce(&mut [u8]) -> usize) {
        let Self { len, bytes } = self;
        bytes[0] = 0x80;
        bytes[1] = (header.payload_type.0 & 0x7F) | if header.marker { 0x80 } else { 0 };
        bytes[2..4].copy_from_slice(&header.sequence.to_be_bytes());
        bytes[4..8].copy_from_slice(&header.timestamp.to_be_bytes());
        bytes[8..12].copy_from_slice(&header.ssrc.0.to_be_bytes());
        let filled = fill(&mut bytes[HEADER_LEN..]).min(Self::MAX_PAYLOAD);
        *len = (HEADER_LEN + filled) as u16;
    }

    /// The packet as it goes on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The payload alone, for gateways whose wire has no RTP header.
    pub fn payload(&self) -> &[u8] {
        &self.bytes[HEADER_LEN..usize::from(self.len)]
    }
}

impl fmt::Debug for PacketBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PacketBuf({} bytes)", self.len)
    }
}

/// Why a datagram is not an RTP packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ParseError {
    /// Shorter than its header says.
    Truncated {
        /// How long the datagram was.
        bytes: usize,
    },
    /// The version is not 2.
    Version(u8),
    /// The padding count is zero or longer than the payload.
    Padding {
        /// What the last byte claims.
        padding: usize,
        /// How long payload and padding are together.
        payload: usize,
    },
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { bytes } => write!(f, "datagram of {bytes} bytes ends inside its RTP header"),
            Self::Version(version) => write!(f, "RTP version {version}, expected 2"),
            Self::Padding { padding, payload } => {
                write!(f, "{padding} bytes of padding in a payload of {payload} bytes")
            }
        }
    }
}

impl std::error::Error for ParseError {}
