//! Codecs: payload bytes to frames and back.

use std::fmt;
use std::time::Duration;

use super::frame::{Frame, SampleRate};
use super::g711;
use super::g722::{G722Decoder, G722Encoder};
use super::linear::{LinearDecoder, LinearEncoder, LinearRate};
use super::opus::{OpusDecoder, OpusEncoder, OpusSettings};

/// A speech codec of the telephone network.
///
/// [`clock_rate`](Codec::clock_rate) (what RTP timestamps count) and [`sample_rate`](Codec::sample_rate) (what the
/// samples are) are two things: G.722 has 8 000 and 16 000 (RFC 3551 section 4.5.2), Opus 48 000 (RFC 7587) and 16 000.
/// No codec is decoded to more than 16 kHz: no recogniser hears more.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Codec {
    /// G.711 µ-law, static payload type 0 (ITU-T G.711; RFC 3551 table 4).
    Pcmu,
    /// G.711 A-law, static payload type 8.
    Pcma,
    /// G.722 at 64 kbit/s, static payload type 9.
    G722,
    /// Opus, mono (RFC 6716, RFC 7587). Its payload type is agreed for each line.
    Opus,
    /// Linear 16-bit sound in network byte order, mono (RFC 3551 section 4.5.11).
    L16(LinearRate),
}

impl Codec {
    /// Every codec, in the order of how good a voice sounds in it for what it costs.
    pub const ALL: [Self; 9] = [
        Self::Opus,
        Self::G722,
        Self::L16(LinearRate::Hz16000),
        Self::L16(LinearRate::Hz24000),
        Self::L16(LinearRate::Hz44100),
        Self::L16(LinearRate::Hz48000),
        Self::Pcmu,
        Self::Pcma,
        Self::L16(LinearRate::Hz8000),
    ];

    /// The encoding name of SDP and of our configuration; L16 stands with its rate.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::G722 => "G722",
            Self::Opus => "opus",
            Self::L16(rate) => rate.name(),
        }
    }

    /// The codec of an SDP encoding name, upper or lower case; a clock rate may stand behind a slash where SDP has one.
    pub fn from_name(name: &str) -> Option<Self> {
        let with_rate = |codec: Self| match codec {
            Self::L16(_) => codec.name().eq_ignore_ascii_case(name),
            _ => name.split_once('/').is_some_and(|(encoding, rate)| {
                let rate = rate.strip_suffix("/2").filter(|_| codec == Self::Opus).unwrap_or(rate);
                codec.name().eq_ignore_ascii_case(encoding) && rate.parse() == Ok(codec.clock_rate())
            }),
        };
        Self::ALL.into_iter().find(|codec| codec.name().eq_ignore_ascii_case(name) || with_rate(*codec))
    }

    /// The payload type RFC 3551 assigns; `None`: one of 96 to 127 is agreed for each line.
    pub const fn static_payload_type(self) -> Option<u8> {
        match self {
            Self::Pcmu => Some(0),
            Self::Pcma => Some(8),
            Self::G722 => Some(9),
            Self::L16(LinearRate::Hz44100) => Some(11),
            Self::Opus | Self::L16(_) => None,
        }
    }

    /// The payload type where none was agreed: the static one, or else the one most telephones take.
    pub const fn usual_payload_type(self) -> u8 {
        match (self, self.static_payload_type()) {
            (_, Some(assigned)) => assigned,
            (Self::Opus, None) => 111,
            (_, None) => 96,
        }
    }

    /// What one second counts in RTP timestamp units.
    pub const fn clock_rate(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => 8_000,
            Self::Opus => 48_000,
            Self::L16(rate) => rate.hz(),
        }
    }

    /// Samples per second of the decoded sound.
    pub const fn sample_rate(self) -> SampleRate {
        match self {
            Self::Pcmu | Self::Pcma | Self::L16(LinearRate::Hz8000) => SampleRate::HZ_8000,
            Self::G722 | Self::Opus | Self::L16(_) => SampleRate::HZ_16000,
        }
    }

    /// The longest payload that is taken, in bytes: 80 ms of G.711 and G.722, 60 ms of L16, any packet of Opus up to 60 ms.
    pub const fn longest_payload(self) -> usize {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => 640,
            Self::Opus => 1_500,
            Self::L16(rate) => rate.hz() as usize * 2 * 60 / 1_000,
        }
    }

    /// Whether packets of this length can be sent: 10, 20, 30, 40 or 60 ms, where the codec has them and they fit into one
    /// datagram of [`Codec::LONGEST_SENT`].
    pub fn can_send(self, ptime: Duration) -> bool {
        let millis = ptime.as_millis() as u32;
        if !matches!(millis, 10 | 20 | 30 | 40 | 60) || ptime != Duration::from_millis(u64::from(millis)) {
            return false;
        }
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => true,
            Self::Opus => millis != 30,
            Self::L16(rate) => rate.hz() * 2 * millis / 1_000 <= Self::LONGEST_SENT as u32,
        }
    }

    /// The longest payload that is sent: with all headers, even those of SRTP and IPv6, it stays one packet of Ethernet.
    pub const LONGEST_SENT: usize = 1_280;
}

/// One direction of a codec: payload bytes in, samples out.
#[derive(Debug)]
pub struct Decoder {
    codec: Codec,
    state: DecoderState,
}

#[derive(Debug)]
enum DecoderState {
    /// Each byte stands for itself.
    G711,
    G722(Box<G722Decoder>),
    Opus(OpusDecoder),
    L16(LinearDecoder),
}

impl Decoder {
    /// A decoder with no history. Allocates; nothing else does.
    pub fn new(codec: Codec) -> Self {
        let state = match codec {
            Codec::Pcmu | Codec::Pcma => DecoderState::G711,
            Codec::G722 => DecoderState::G722(Box::default()),
            Codec::Opus => DecoderState::Opus(OpusDecoder::new()),
            Codec::L16(rate) => DecoderState::L16(LinearDecoder::new(rate)),
        };
        Self { codec, state }
    }

    /// What it decodes.
    pub const fn codec(&self) -> Codec {
        self.codec
    }

    /// How many samples a payload holds, by its length or its first bytes alone.
    ///
    /// # Errors
    ///
    /// What [`decode`](Self::decode) says of it; but what cannot be decoded may be found out only there.
    pub fn samples(&self, payload: &[u8]) -> Result<usize, DecodeError> {
        if payload.is_empty() {
            return Err(DecodeError::Empty);
        }
        let bytes = payload.len();
        let samples = match self.codec {
            Codec::Pcmu | Codec::Pcma => bytes,
            Codec::G722 => 2 * bytes,
            Codec::Opus => OpusDecoder::samples(payload).ok_or(DecodeError::Corrupt { bytes })?,
            Codec::L16(rate) => rate.samples(bytes).ok_or(DecodeError::Corrupt { bytes })?,
        };
        if samples > Frame::CAPACITY {
            Err(DecodeError::TooLong { samples, most: Frame::CAPACITY })
        } else {
            Ok(samples)
        }
    }

    /// Decodes one payload into one frame. The payload itself says how long it lasts.
    ///
    /// # Errors
    ///
    /// When it holds nothing, more than a frame, or nothing this codec knows.
    pub fn decode(&mut self, payload: &[u8]) -> Result<Frame, DecodeError> {
        let mut frame = Frame::empty(self.codec.sample_rate());
        self.decode_into(payload, &mut frame)?;
        Ok(frame)
    }

    /// Decodes one payload in the place of what `frame` held; on an error there is nothing in it.
    pub fn decode_into(&mut self, payload: &[u8], frame: &mut Frame) -> Result<(), DecodeError> {
        frame.restart(self.codec.sample_rate());
        let count = self.samples(payload)?;
        match &mut self.state {
            DecoderState::G711 if self.codec == Codec::Pcma => g711::decode_alaw(payload, frame.grow(count)),
            DecoderState::G711 => g711::decode_ulaw(payload, frame.grow(count)),
            DecoderState::G722(decoder) => decoder.decode(payload, frame.grow(count)),
            DecoderState::L16(decoder) => decoder.decode(payload, frame),
            DecoderState::Opus(decoder) => {
                *frame = decoder.decode(payload).ok_or(DecodeError::Corrupt { bytes: payload.len() })?;
                payload.len()
            }
        };
        Ok(())
    }

    /// Makes up `duration` of lost sound in the codec's own way; `None`: it has none. Only Opus does: others are left to a
    /// [`Concealer`](super::Concealer).
    pub fn conceal(&mut self, duration: Duration) -> Option<Frame> {
        match &mut self.state {
            DecoderState::Opus(decoder) => decoder.conceal(duration),
            _ => None,
        }
    }

    /// The lost packet before `next`, as long as that one, if the codec sends such copies (Opus).
    pub fn recover(&mut self, next: &[u8]) -> Option<Frame> {
        match &mut self.state {
            DecoderState::Opus(decoder) => decoder.recover(next),
            _ => None,
        }
    }

    /// Takes what was played in the place of sound that did not come: a decoder that predicts from what it decoded stays
    /// near the sender that way (G.722).
    pub fn follow(&mut self, played: &Frame) {
        if let DecoderState::G722(decoder) = &mut self.state
            && played.rate() == self.codec.sample_rate()
        {
            decoder.follow(played.samples());
        }
    }

    /// Forgets the stream. Allocates nothing.
    pub fn reset(&mut self) {
        match &mut self.state {
            DecoderState::G711 => {}
            DecoderState::G722(decoder) => **decoder = G722Decoder::new(),
            DecoderState::Opus(decoder) => decoder.reset(),
            DecoderState::L16(decoder) => decoder.reset(),
        }
    }
}

/// The other direction: samples in, payload bytes out.
#[derive(Debug)]
pub struct Encoder {
    codec: Codec,
    state: EncoderState,
}

#[derive(Debug)]
enum EncoderState {
    G711,
    G722(Box<G722Encoder>),
    Opus(OpusEncoder),
    L16(LinearEncoder),
}

impl Encoder {
    /// An encoder with no history and usual settings. Allocates; [`encode`](Self::encode) does so only for Opus, whose
    /// library does.
    pub fn new(codec: Codec) -> Self {
        Self::with(codec, OpusSettings::default())
    }

    /// An encoder with no history; `opus` is how Opus is sent.
    pub fn with(codec: Codec, opus: OpusSettings) -> Self {
        let state = match codec {
            Codec::Pcmu | Codec::Pcma => EncoderState::G711,
            Codec::G722 => EncoderState::G722(Box::default()),
            Codec::Opus => EncoderState::Opus(OpusEncoder::new(opus)),
            Codec::L16(rate) => EncoderState::L16(LinearEncoder::new(rate)),
        };
        Self { codec, state }
    }

    /// Encodes `samples` (at the codec's sample rate) into the front of `payload` and says how many bytes it wrote.
    /// Samples beyond what `payload` holds are left out. Opus takes 10, 20, 40 or 60 ms and nothing else.
    pub fn encode(&mut self, samples: &[i16], payload: &mut [u8]) -> usize {
        match &mut self.state {
            EncoderState::G711 if self.codec == Codec::Pcma => g711::encode_alaw(samples, payload),
            EncoderState::G711 => g711::encode_ulaw(samples, payload),
            EncoderState::G722(encoder) => encoder.encode(samples, payload),
            EncoderState::Opus(encoder) => encoder.encode(samples, payload),
            EncoderState::L16(encoder) => encoder.encode(samples, payload),
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
        /// How many samples it holds.
        samples: usize,
        /// The most a frame holds.
        most: usize,
    },
    /// The payload is nothing this codec sends.
    Corrupt {
        /// Its length in bytes.
        bytes: usize,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "empty payload"),
            Self::TooLong { samples, most } => write!(f, "payload of {samples} samples, expected at most {most}"),
            Self::Corrupt { bytes } => write!(f, "payload of {bytes} bytes that the codec does not know"),
        }
    }
}

impl std::error::Error for DecodeError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::audio::tone::{Goertzel, Tone};

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
    fn every_codec_carries_a_tone_in_every_length_it_can_send() {
        for codec in Codec::ALL {
            for ptime in [10, 20, 30, 40, 60].map(Duration::from_millis) {
                if !codec.can_send(ptime) {
                    continue;
                }
                let rate = codec.sample_rate();
                let (mut tone, mut heard) = (Tone::single(1_000.0, -20.0, rate), Vec::new());
                let (mut encoder, mut decoder) = (Encoder::new(codec), Decoder::new(codec));
                let mut payload = [0; Codec::LONGEST_SENT];
                for _ in 0..100 {
                    let mut frame: Frame = Frame::silence(rate, ptime);
                    tone.fill(frame.samples_mut());
                    let length = encoder.encode(frame.samples(), &mut payload);
                    let frame = decoder.decode(&payload[..length]).unwrap();
                    assert_eq!(frame.duration(), ptime, "{codec:?}");
                    heard.extend_from_slice(frame.samples());
                }
                let heard = &heard[heard.len() / 2..];
                let mut goertzel = Goertzel::new(1_000.0, rate);
                heard.iter().for_each(|&sample| goertzel.push(f32::from(sample)));
                let power = crate::audio::level::energy(heard) as f32 / heard.len() as f32;
                let share = goertzel.power(heard.len()) / power;
                assert!(share > 0.95, "{codec:?} {ptime:?}: {share}");
                let dbfs = crate::audio::level::dbfs(heard);
                assert!((-21.5..-18.5).contains(&dbfs), "{codec:?} {ptime:?}: {dbfs}");
            }
        }
    }

    #[test]
    fn payloads_too_short_or_too_long_are_refused() {
        let mut decoder = Decoder::new(Codec::Pcmu);
        assert_eq!(decoder.decode(&[]), Err(DecodeError::Empty));
        assert_eq!(decoder.decode(&[0; 961]), Err(DecodeError::TooLong { samples: 961, most: 960 }));
        assert_eq!(decoder.decode(&[0xFF; 960]).map(|frame| frame.samples().len()), Ok(960));
        let mut decoder = Decoder::new(Codec::G722);
        assert_eq!(decoder.decode(&[0; 481]), Err(DecodeError::TooLong { samples: 962, most: 960 }));
        let mut decoder = Decoder::new(Codec::L16(LinearRate::Hz16000));
        assert_eq!(decoder.decode(&[0; 639]), Err(DecodeError::Corrupt { bytes: 639 }), "half a sample");
        let mut decoder = Decoder::new(Codec::Opus);
        // Six frames of 20 ms: 120 ms.
        assert_eq!(
            decoder.decode(&[0x4B, 6, 0, 0, 0, 0, 0, 0]),
            Err(DecodeError::TooLong { samples: 1_920, most: 960 })
        );
        assert_eq!(decoder.decode(&[0x4B, 0]), Err(DecodeError::Corrupt { bytes: 2 }), "no frame at all");
    }

    #[test]
    fn names_are_those_of_sdp_in_any_case() {
        assert_eq!(Codec::from_name("pcmu"), Some(Codec::Pcmu));
        assert_eq!(Codec::from_name("PCMA/8000"), Some(Codec::Pcma));
        assert_eq!(Codec::from_name("PCMA/16000"), None);
        assert_eq!(Codec::from_name("g722/8000"), Some(Codec::G722), "its clock is half its rate");
        assert_eq!(Codec::from_name("OPUS/48000/2"), Some(Codec::Opus));
        assert_eq!(Codec::from_name("l16/16000"), Some(Codec::L16(LinearRate::Hz16000)));
        assert_eq!(Codec::from_name("L16"), None, "at which rate?");
        assert_eq!(Codec::from_name("G729"), None);
        for codec in Codec::ALL {
            assert_eq!(Codec::from_name(codec.name()), Some(codec));
        }
    }

    #[test]
    fn what_does_not_fit_into_a_datagram_or_a_codec_is_not_sent() {
        let lengths = |codec: Codec| {
            [10, 15, 20, 30, 40, 60]
                .into_iter()
                .filter(|ms| codec.can_send(Duration::from_millis(*ms)))
                .collect::<Vec<_>>()
        };
        assert_eq!(lengths(Codec::Pcmu), [10, 20, 30, 40, 60]);
        assert_eq!(lengths(Codec::Opus), [10, 20, 40, 60]);
        assert_eq!(lengths(Codec::L16(LinearRate::Hz16000)), [10, 20, 30, 40]);
        assert_eq!(lengths(Codec::L16(LinearRate::Hz48000)), [10]);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_a_frame_of_the_length_that_was_told_or_an_error(
            which in 0..Codec::ALL.len(),
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..1_500), 1..8),
        ) {
            let mut decoder = Decoder::new(Codec::ALL[which]);
            for payload in payloads {
                let told = decoder.samples(&payload);
                match decoder.decode(&payload) {
                    Ok(frame) => prop_assert!(told.is_ok_and(|told| frame.samples().len().abs_diff(told) <= 1)),
                    Err(error) => {
                        let is_corrupt = matches!(error, DecodeError::Corrupt { .. });
                        prop_assert!(told == Err(error) || is_corrupt);
                    }
                }
                if let Some(frame) = decoder.conceal(Duration::from_millis(20)) {
                    decoder.follow(&frame);
                }
                decoder.recover(&payload);
            }
            decoder.reset();
        }
    }
}
