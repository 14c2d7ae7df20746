//! Codecs: payload bytes to frames and back.

use std::fmt;

use super::frame::{Frame, SampleRate};
use super::g711;

/// A speech codec of the telephone network.
///
/// [`clock_rate`](Codec::clock_rate) (what RTP timestamps count) and [`sample_rate`](Codec::sample_rate) (what the
/// samples are) are two things: G.722 has 8 000 and 16 000 (RFC 3551 section 4.5.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Codec {
    /// G.711 µ-law, static payload type 0 (ITU-T G.711; RFC 3551 table 4).
    Pcmu,
    /// G.711 A-law, static payload type 8.
    Pcma,
}

impl Codec {
    /// The encoding name of SDP and of our configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    /// The codec of an SDP encoding name, upper or lower case.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Pcmu, Self::Pcma].into_iter().find(|codec| codec.name().eq_ignore_ascii_case(name))
    }

    /// The payload type RFC 3551 assigns.
    pub const fn static_payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
        }
    }

    /// What one second counts in RTP timestamp units.
    pub const fn clock_rate(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma => 8_000,
        }
    }

    /// Samples per second of the decoded sound.
    pub const fn sample_rate(self) -> SampleRate {
        match self {
            Self::Pcmu | Self::Pcma => SampleRate::HZ_8000,
        }
    }
}

/// One direction of a codec: payload bytes in, samples out.
#[derive(Clone, Debug)]
pub struct Decoder {
    codec: Codec,
}

impl Decoder {
    /// A decoder with no history.
    pub const fn new(codec: Codec) -> Self {
        Self { codec }
    }

    /// Decodes one payload into one frame. The length of the payload says how long it lasts.
    pub fn decode(&mut self, payload: &[u8]) -> Result<Frame, DecodeError> {
        let mut frame = Frame::empty(self.codec.sample_rate());
        if payload.is_empty() {
            return Err(DecodeError::Empty);
        }
        if payload.len() > Frame::CAPACITY {
            return Err(DecodeError::TooLong { bytes: payload.len(), most: Frame::CAPACITY });
        }
        let table = match self.codec {
            Codec::Pcmu => g711::ulaw_to_linear,
            Codec::Pcma => g711::alaw_to_linear,
        };
        let mut block = [0i16; 160];
        for bytes in payload.chunks(block.len()) {
            for (sample, &byte) in block.iter_mut().zip(bytes) {
                *sample = table(byte);
            }
            frame.push(&block[..bytes.len()]);
        }
        Ok(frame)
    }
}

/// The other direction: samples in, payload bytes out.
#[derive(Clone, Debug)]
pub struct Encoder {
    codec: Codec,
}

impl Encoder {
    /// An encoder with no history.
    pub const fn new(codec: Codec) -> Self {
        Self { codec }
    }

    /// Encodes `samples` (at the codec's sample rate) into the front of `payload` and says how many bytes it wrote.
    /// Samples beyond what `payload` holds are left out.
    pub fn encode(&mut self, samples: &[i16], payload: &mut [u8]) -> usize {
        let table = match self.codec {
            Codec::Pcmu => g711::linear_to_ulaw,
            Codec::Pcma => g711::linear_to_alaw,
        };
        let count = samples.len().min(payload.len());
        for (byte, &sample) in payload.iter_mut().zip(samples) {
            *byte = table(sample);
        }
        count
    }
}

/// Why a payload could not be decoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DecodeError {
    /// The packet carried no payload.
    Empty,
    /// The payload lasts longer than a frame may.
    TooLong {
        /// Its length in bytes.
        bytes: usize,
        /// The longest this codec may have.
        most: usize,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "empty payload"),
            Self::TooLong { bytes, most } => write!(f, "payload of {bytes} bytes, expected at most {most}"),
        }
    }
}

impl std::error::Error for DecodeError {}
