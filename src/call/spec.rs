//! Everything a call is told once, at the start.

use std::time::Duration;

use crate::audio::Codec;
use crate::dialogue::DialogueSpec;
use crate::media::RtcpSpec;
use crate::rtp::PayloadType;

/// One call: its line and its conversation.
#[derive(Clone, PartialEq, Debug)]
pub struct CallSpec {
    /// How sound travels.
    pub line: LineSpec,
    /// How the conversation is held.
    pub dialogue: DialogueSpec,
    /// What is played when every voice is down, in µ-law at 8 kHz, at most 5 s: the sound of
    /// [`DialogueSpec::last_resort`]. `None`: what is built in, an English voice saying
    /// [`LAST_RESORT`](crate::dialogue::LAST_RESORT).
    pub last_resort: Option<Vec<u8>>,
    /// What is done to the sound.
    pub sound: SoundSpec,
    /// Whether [`Output::Record`](super::Output::Record) is wanted.
    pub record: bool,
    /// Where SSRC, first sequence number and first timestamp come from (RFC 3550 wants them unpredictable).
    pub seed: u64,
}

/// What is done to the sound of a call, as the AgentPhone API names it. Kept with the call; no stage of the media applies
/// it yet.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct SoundSpec {
    /// What is taken out of the caller's sound.
    pub denoising: Denoising,
    /// What is put under the agent's.
    pub ambience: Ambience,
}

/// What is taken out of the caller's sound.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Denoising {
    /// Noise.
    #[default]
    Noise,
    /// Noise, and other people's speech.
    NoiseAndSpeech,
}

impl Denoising {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Noise, Self::NoiseAndSpeech];

    /// The name in the API (`denoisingMode`).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Noise => "noise-cancellation",
            Self::NoiseAndSpeech => "noise-and-background-speech-cancellation",
        }
    }
}

/// The quiet bed under the agent's voice.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Ambience {
    /// None.
    #[default]
    None,
    /// An office.
    Office,
    /// A coffee shop.
    CoffeeShop,
    /// Out of doors.
    Outdoor,
}

impl Ambience {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::None, Self::Office, Self::CoffeeShop, Self::Outdoor];

    /// The name in the API (`ambientSound`).
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Office => "office",
            Self::CoffeeShop => "coffee-shop",
            Self::Outdoor => "outdoor",
        }
    }
}

/// How sound travels between us and the other side.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct LineSpec {
    /// What we send, and what we expect.
    pub codec: Codec,
    /// Its payload type on this line.
    pub payload_type: PayloadType,
    /// The payload type of telephone events (RFC 4733); `None`: keys come and go another way.
    pub telephone_event: Option<PayloadType>,
    /// How much sound we may send ahead of time. Zero for lines that play what comes; at most 60 ms for gateways that
    /// buffer, so that silencing the agent never needs the far side's help.
    pub lead: Duration,
    /// Whether the far side buffers: it can be cleared and answers marks.
    pub far_buffer: bool,
    /// How reports travel on it (RFC 3550 section 6); `None`: it carries none.
    pub rtcp: Option<RtcpSpec>,
}

impl LineSpec {
    /// A plain RTP line in `codec` with telephone events on payload type 101 and without reports.
    pub const fn rtp(codec: Codec) -> Self {
        Self {
            codec,
            payload_type: PayloadType(codec.static_payload_type()),
            telephone_event: Some(PayloadType(101)),
            lead: Duration::ZERO,
            far_buffer: false,
            rtcp: None,
        }
    }
}

impl CallSpec {
    /// A recorded call over a plain µ-law RTP line.
    pub fn new(dialogue: DialogueSpec) -> Self {
        let (line, sound) = (LineSpec::rtp(Codec::Pcmu), SoundSpec::default());
        Self { line, dialogue, last_resort: None, sound, record: true, seed: 0 }
    }
}
