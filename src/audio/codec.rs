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
        let samples = frame.grow(payload.len());
        match self.codec {
            Codec::Pcmu => g711::decode_ulaw(payload, samples),
            Codec::Pcma => g711::decode_alaw(payload, samples),
        };
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
        match self.codec {
            Codec::Pcmu => g711::encode_ulaw(samples, payload),
            Codec::Pcma => g711::encode_alaw(samples, payload),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_becomes_a_frame_of_its_length_and_back() {
        for codec in [Codec::Pcmu, Codec::Pcma] {
            let payload: Vec<u8> = (0..160).map(|n| (n * 37 % 256) as u8 & 0x7F | 0x80).collect();
            let frame = Decoder::new(codec).decode(&payload).unwrap();
            assert_eq!(frame.duration().as_millis(), 20);
            let mut back = [0; 200];
            assert_eq!(Encoder::new(codec).encode(frame.samples(), &mut back), 160);
            assert_eq!(back[..160], payload);
            assert_eq!(Encoder::new(codec).encode(frame.samples(), &mut back[..10]), 10);
        }
    }

    #[test]
    fn payloads_too_short_or_too_long_are_refused() {
        let mut decoder = Decoder::new(Codec::Pcmu);
        assert_eq!(decoder.decode(&[]), Err(DecodeError::Empty));
        assert_eq!(decoder.decode(&[0; 961]), Err(DecodeError::TooLong { bytes: 961, most: 960 }));
        assert_eq!(decoder.decode(&[0xFF; 960]).map(|frame| frame.samples().len()), Ok(960));
    }

    #[test]
    fn names_are_those_of_sdp_in_any_case() {
        assert_eq!(Codec::from_name("pcmu"), Some(Codec::Pcmu));
        assert_eq!(Codec::from_name("PCMA"), Some(Codec::Pcma));
        assert_eq!(Codec::from_name("G722"), None);
    }
}
