//! What the simulators are told.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::fault::Fault;
use super::script::{AnswerScript, LineScript};

/// Everything the simulators need; the default is a plausible set of services on a free loopback port.
#[derive(Clone, PartialEq, Debug)]
pub struct SimulatorConfig {
    /// Where to listen; port 0 takes a free one.
    pub address: SocketAddr,
    /// The one key that is accepted, by every service; `None`: any key that is not empty.
    pub key: Option<String>,
    /// Connections served at once over all services; more are answered 429.
    pub sessions: usize,
    /// The Deepgram-like recogniser.
    pub recogniser: RecogniserConfig,
    /// The OpenAI-like language model.
    pub model: ModelConfig,
    /// The voices, ElevenLabs-like and OpenAI-like.
    pub voice: VoiceConfig,
    /// Troubles waiting from the start.
    pub faults: Vec<Fault>,
}

impl Default for SimulatorConfig {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            key: None,
            sessions: 1_024,
            recogniser: RecogniserConfig::default(),
            model: ModelConfig::default(),
            voice: VoiceConfig::default(),
            faults: Vec::new(),
        }
    }
}

/// How the recogniser behaves.
#[derive(Clone, PartialEq, Debug)]
pub struct RecogniserConfig {
    /// The words it finds.
    pub script: LineScript,
    /// How far an interim is behind the sound of its last word.
    pub interim_lag: Duration,
    /// How long after the voice ended its final comes; longer when the client asks for a longer `endpointing`.
    pub final_delay: Duration,
    /// How long after a `Finalize` the final comes.
    pub finalize_delay: Duration,
    /// Silence on the socket (neither audio nor KeepAlive) after which it closes with 1011 NET-0001.
    pub idle_timeout: Duration,
}

impl Default for RecogniserConfig {
    fn default() -> Self {
        Self {
            script: LineScript::default(),
            interim_lag: Duration::from_millis(200),
            final_delay: Duration::from_millis(250),
            finalize_delay: Duration::from_millis(20),
            idle_timeout: Duration::from_secs(10),
        }
    }
}

/// How the language model behaves.
#[derive(Clone, PartialEq, Debug)]
pub struct ModelConfig {
    /// What it answers.
    pub script: AnswerScript,
    /// From the request to the first token.
    pub first_token: Duration,
    /// Tokens (words) a second after the first.
    pub tokens_per_second: f64,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self { script: AnswerScript::default(), first_token: Duration::from_millis(300), tokens_per_second: 60.0 }
    }
}

/// How the voices behave.
#[derive(Clone, PartialEq, Debug)]
pub struct VoiceConfig {
    /// From the text that starts a generation to its first sound.
    pub first_byte: Duration,
    /// How many seconds of sound are delivered in a second.
    pub speed_over_real_time: f64,
    /// Whether the times of the characters are told (ElevenLabs).
    pub word_times: bool,
    /// What it sounds like; `None`: a murmur with the rhythm of speech.
    pub tones: Option<Tones>,
}

/// A voice of plain tones: every word equally long, every stream of speech with a tone of its own, so that a listener can
/// tell whose sound it hears and how many words of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tones {
    /// How long a word takes: four fifths of it sound, the rest is silence.
    pub word: Duration,
    /// Half the period of the square wave of the first stream of speech, the second and so on, then from the first again.
    pub half_periods: Vec<Duration>,
}

impl Default for VoiceConfig {
    fn default() -> Self {
        Self { first_byte: Duration::from_millis(120), speed_over_real_time: 8.0, word_times: true, tones: None }
    }
}
