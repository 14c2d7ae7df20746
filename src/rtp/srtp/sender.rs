//! What leaves.

use super::key::SrtpKey;
use super::session::{ENCRYPTED, Protocol, RTCP_HEADER, RTCP_INDEX, RTCP_TAG, Session, SrtpError};
use super::window::Window;
use crate::rtp::Packet;

/// Protects what is sent under one key.
#[derive(Clone, Debug)]
pub struct SrtpSender {
    rtp: Session,
    rtcp: Session,
    tag: usize,
    streams: [Option<Stream>; Self::SOURCES],
    /// How many packets the key may still protect; RTP and RTCP have one each.
    left: (u64, u64),
    rtcp_index: u32,
}

#[derive(Clone, Copy, Debug)]
struct Stream {
    ssrc: u32,
    window: Window,
}

impl SrtpSender {
    /// The most that is added to a packet: the SRTCP index and the longest tag.
    pub const OVERHEAD: usize = RTCP_INDEX + RTCP_TAG;
    /// Sources one line may send as.
    const SOURCES: usize = 4;

    /// A sender that has sent nothing.
    pub fn new(key: &SrtpKey) -> Self {
        Self {
            rtp: Session::new(key, Protocol::Rtp),
            rtcp: Session::new(key, Protocol::Rtcp),
            tag: key.suite().tag_len(),
            streams: [None; Self::SOURCES],
            // An SRTCP index has 31 bits.
            left: (key.lifetime(), key.lifetime().min(1 << 31)),
            rtcp_index: 0,
        }
    }

    /// Protects the RTP packet of `length` bytes at the beginning of `buffer`; returns its new length.
    ///
    /// # Errors
    ///
    /// [`SrtpError`]; then nothing must be sent. A number that was sent before is refused: the same key stream would
    /// hide two packets.
    pub fn protect(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, SrtpError> {
        let packet = buffer.get(..length).ok_or(SrtpError::Malformed)?;
        let payload = Packet::header_len(packet).map_err(|_| SrtpError::Malformed)?;
        let (sequence, ssrc) = (be16(packet, 2), be32(packet, 8));
        if length + self.tag > buffer.len() {
            return Err(SrtpError::Room);
        }
        let known = self.streams.iter().flatten().position(|stream| stream.ssrc == ssrc);
        let place = known.or_else(|| self.streams.iter().position(Option::is_none)).ok_or(SrtpError::Sources)?;
        let stream = self.streams[place].get_or_insert(Stream { ssrc, window: Window::default() });
        let index = stream.window.index(sequence).ok_or(SrtpError::Expired)?;
        if !stream.window.admits(index) {
            return Err(SrtpError::Replayed);
        }
        self.left.0 = self.left.0.checked_sub(1).ok_or(SrtpError::Expired)?;
        stream.window.take(index);
        self.rtp.xor(ssrc, index, &mut buffer[payload..length]);
        let tag = self.rtp.tag(&buffer[..length], Some((index >> 16) as u32));
        buffer[length..length + self.tag].copy_from_slice(&tag[..self.tag]);
        Ok(length + self.tag)
    }

    /// Protects the compound RTCP packet of `length` bytes at the beginning of `buffer`; returns its new length.
    ///
    /// # Errors
    ///
    /// [`SrtpError`]; then nothing must be sent.
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, SrtpError> {
        let packet = buffer.get(..length).ok_or(SrtpError::Malformed)?;
        if length < RTCP_HEADER {
            return Err(SrtpError::Malformed);
        }
        let ssrc = be32(packet, 4);
        let (indexed, end) = (length + RTCP_INDEX, length + RTCP_INDEX + RTCP_TAG);
        if end > buffer.len() {
            return Err(SrtpError::Room);
        }
        self.left.1 = self.left.1.checked_sub(1).ok_or(SrtpError::Expired)?;
        let index = self.rtcp_index;
        self.rtcp_index += 1;
        self.rtcp.xor(ssrc, index.into(), &mut buffer[RTCP_HEADER..length]);
        buffer[length..indexed].copy_from_slice(&(index | ENCRYPTED).to_be_bytes());
        let tag = self.rtcp.tag(&buffer[..indexed], None);
        buffer[indexed..end].copy_from_slice(&tag[..RTCP_TAG]);
        Ok(end)
    }
}

/// The number at `at`, which the caller has checked to be there; 0 otherwise.
pub(super) fn be16(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u16::from_be_bytes(*bytes))
}

/// As [`be16`], with 32 bits.
pub(super) fn be32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u32::from_be_bytes(*bytes))
}
