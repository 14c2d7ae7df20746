//! What comes.

use super::key::SrtpKey;
use super::sender::{be16, be32};
use super::session::{ENCRYPTED, Protocol, RTCP_HEADER, RTCP_INDEX, RTCP_TAG, Session, SrtpError};
use super::window::Window;
use crate::rtp::Packet;

/// Opens what comes under one key: checks the tag, refuses what came before, decrypts.
///
/// Nothing a packet says is believed, nor does it change anything here, before its tag is proved right.
#[derive(Clone, Debug)]
pub struct SrtpReceiver {
    rtp: Session,
    rtcp: Session,
    tag: usize,
    streams: [Option<Stream>; Self::SOURCES],
}

#[derive(Clone, Copy, Debug)]
struct Stream {
    ssrc: u32,
    rtp: Window,
    rtcp: Window,
}

impl SrtpReceiver {
    /// Sources one line may come from in one call. To forget one would let its old packets in again, so a call with more
    /// does not hear the ones beyond.
    pub const SOURCES: usize = 16;

    /// A receiver that has heard nothing.
    pub fn new(key: &SrtpKey) -> Self {
        Self {
            rtp: Session::new(key, Protocol::Rtp),
            rtcp: Session::new(key, Protocol::Rtcp),
            tag: key.suite().tag_len(),
            streams: [None; Self::SOURCES],
        }
    }

    /// Opens an SRTP packet in place; returns how many bytes the RTP packet at the beginning of `packet` has.
    ///
    /// # Errors
    ///
    /// [`SrtpError`]; the packet may then be anybody's.
    pub fn open(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let length = packet.len().checked_sub(self.tag).ok_or(SrtpError::Malformed)?;
        let (protected, tag) = packet.split_at_mut(length);
        let payload = Packet::header_len(protected).map_err(|_| SrtpError::Malformed)?;
        let (sequence, ssrc) = (be16(protected, 2), be32(protected, 8));
        let place = self.place(ssrc).ok_or(SrtpError::Sources)?;
        let mut stream = self.stream(place, ssrc);
        let index = stream.rtp.index(sequence).ok_or(SrtpError::Replayed)?;
        if !stream.rtp.admits(index) {
            return Err(SrtpError::Replayed);
        }
        if !self.rtp.verifies(protected, Some((index >> 16) as u32), tag) {
            return Err(SrtpError::BadTag);
        }
        stream.rtp.take(index);
        self.streams[place] = Some(stream);
        self.rtp.xor(ssrc, index, &mut protected[payload..]);
        Ok(length)
    }

    /// Opens an SRTCP packet in place; returns how many bytes the RTCP packet at the beginning of `packet` has.
    ///
    /// # Errors
    ///
    /// [`SrtpError`]; the packet may then be anybody's.
    pub fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let indexed = packet.len().checked_sub(RTCP_TAG).ok_or(SrtpError::Malformed)?;
        let length = indexed.checked_sub(RTCP_INDEX).filter(|&length| length >= RTCP_HEADER);
        let length = length.ok_or(SrtpError::Malformed)?;
        let (protected, tag) = packet.split_at_mut(indexed);
        let (ssrc, flagged) = (be32(protected, 4), be32(protected, length));
        let place = self.place(ssrc).ok_or(SrtpError::Sources)?;
        let mut stream = self.stream(place, ssrc);
        let index = u64::from(flagged & !ENCRYPTED);
        if !stream.rtcp.admits(index) {
            return Err(SrtpError::Replayed);
        }
        if !self.rtcp.verifies(protected, None, tag) {
            return Err(SrtpError::BadTag);
        }
        stream.rtcp.take(index);
        self.streams[place] = Some(stream);
        if flagged & ENCRYPTED != 0 {
            self.rtcp.xor(ssrc, index, &mut protected[RTCP_HEADER..length]);
        }
        Ok(length)
    }

    /// Where a source is kept, or would be.
    fn place(&self, ssrc: u32) -> Option<usize> {
        let known = self.streams.iter().position(|stream| stream.is_some_and(|stream| stream.ssrc == ssrc));
        known.or_else(|| self.streams.iter().position(Option::is_none))
    }

    fn stream(&self, place: usize, ssrc: u32) -> Stream {
        let fresh = Stream { ssrc, rtp: Window::default(), rtcp: Window::default() };
        self.streams.get(place).copied().flatten().unwrap_or(fresh)
    }
}
