//! HANDS · services that hear, think and speak.
//!
//! One trait each: `open(spec)` gives a stream; dropping the stream cancels whatever is behind it. One module a vendor,
//! whatever traits it serves: [`Deepgram`], [`Flux`], [`AssemblyAi`] and [`Gladia`] hear, [`OpenAiChat`] thinks, [`OpenAiSpeech`] and [`ElevenLabs`] speak. Each
//! takes its own configuration with a base address of its own, so that any server of the same protocol can stand in.
//!
//! Errors say who failed, in which of few ways, and what to do; they hold the vendors' short codes but never their
//! sentences, which may repeat what was said.
//!
//! May import: `audio`, `conversation`. Must never know: turns, packets, barge-in, `Call`.
#![expect(clippy::disallowed_methods, reason = "hands live in real time")]

mod assemblyai;
mod deepgram;
mod elevenlabs;
mod error;
mod gladia;
mod http;
mod http_tool;
mod listening;
mod llm;
mod openai;
mod paced;
mod pcm;
mod secret;
mod sherpa;
mod soniox;
mod speechmatics;
mod sse;
mod stream;
mod stt;
mod tools;
mod tts;
mod vosk;
mod websocket;
mod whisper;

pub use assemblyai::{AssemblyAi, AssemblyAiConfig};
pub use deepgram::{Deepgram, DeepgramConfig, Flux, FluxConfig};
pub use elevenlabs::{ElevenLabs, ElevenLabsConfig, ElevenLabsScribe, ElevenLabsScribeConfig};
pub use error::ProviderError;
pub use gladia::{Gladia, GladiaConfig};
pub use http_tool::{HttpTool, HttpTools, ToolMethod, ToolPolicy};
pub use llm::{Llm, LlmEvent, LlmRequest, LlmStream, Usage};
pub use openai::{
    OpenAiChat, OpenAiChatConfig, OpenAiSpeech, OpenAiSpeechConfig, OpenAiTranscription, OpenAiTranscriptionConfig,
};
pub(crate) use paced::open as open_voice;
pub use secret::Secret;
pub use sherpa::{Sherpa, SherpaConfig};
pub use soniox::{Soniox, SonioxConfig};
pub use speechmatics::{Speechmatics, SpeechmaticsConfig};
pub use stream::AbortOnDrop;
pub use stt::{Stt, SttCommand, SttEvent, SttSpec, SttStream};
pub use tools::{NoTools, ToolStream, Tools};
pub use tts::{Tts, TtsCommand, TtsEvent, TtsSpec, TtsStream};
pub use vosk::{Vosk, VoskConfig};
pub use whisper::{Whisper, WhisperConfig};
