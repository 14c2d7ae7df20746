//! Everything a call is told once, at the start.

use std::time::Duration;

use crate::audio::{Codec, OpusSettings, SampleRate};
use crate::conversation::{Ambience, Denoising};
use crate::dialogue::DialogueSpec;
use crate::media::{Format, Formats, Inbound, RtcpSpec};
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
    /// What is known of the loudness of the first voice and of its backup: active speech level (ITU-T P.56) in dBFS.
    pub voices: [Option<f32>; 2],
    /// Whether [`Output::Record`](super::Output::Record) is wanted.
    pub record: bool,
    /// Where SSRC, first sequence number and first timestamp come from (RFC 3550 wants them unpredictable).
    pub seed: u64,
}

/// What is done to the sound of a call, as the AgentPhone API names it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct SoundSpec {
    /// What is taken out of the caller's sound before the recogniser gets it.
    pub denoising: Denoising,
    /// Whether quiet and loud callers are brought to about one level for the recogniser.
    pub auto_gain: bool,
    /// What is put under the agent's.
    pub ambience: Ambience,
    /// Whether every voice is brought to the same loudness.
    pub level_voices: bool,
}

/// How sound travels between us and the other side.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct LineSpec {
    /// What we send, and what we expect.
    pub codec: Codec,
    /// Its payload type on this line.
    pub payload_type: PayloadType,
    /// What else the other side may send, packet by packet.
    pub others: Formats,
    /// The payload type of comfort noise (RFC 3389); 13 is taken for it as well.
    pub comfort_noise: PayloadType,
    /// What one of our packets holds: 10, 20, 30, 40 or 60 ms. Theirs may hold anything up to 60 ms.
    pub ptime: Duration,
    /// Whether we leave long silence out (discontinuous transmission). Only where the other side was told; theirs is
    /// always understood.
    pub dtx: bool,
    /// How Opus is sent.
    pub opus: OpusSettings,
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
    /// The payload type that is always taken for comfort noise (RFC 3551 table 4).
    pub const COMFORT_NOISE: PayloadType = Inbound::COMFORT_NOISE;

    /// A plain RTP line in `codec` with telephone events on payload type 101 and without reports.
    pub const fn rtp(codec: Codec) -> Self {
        Self {
            codec,
            payload_type: PayloadType(codec.usual_payload_type()),
            others: Formats::NONE,
            comfort_noise: Inbound::COMFORT_NOISE,
            ptime: Duration::from_millis(20),
            dtx: false,
            opus: OpusSettings::USUAL,
            telephone_event: Some(PayloadType(101)),
            lead: Duration::ZERO,
            far_buffer: false,
            rtcp: None,
        }
    }

    /// Samples a second of the call's sound: what the widest codec of the line has.
    pub fn rate(&self) -> SampleRate {
        let first = Format { payload_type: self.payload_type, codec: self.codec };
        std::iter::once(first).chain(self.others.iter()).collect::<Formats>().rate()
    }
}

impl CallSpec {
    /// A recorded call over a plain µ-law RTP line.
    pub fn new(dialogue: DialogueSpec) -> Self {
        let (line, sound) = (LineSpec::rtp(Codec::Pcmu), SoundSpec::default());
        Self { line, dialogue, last_resort: None, sound, voices: [None; 2], record: true, seed: 0 }
    }
}
