//! HANDS · services that hear, think and speak.
//!
//! One trait each: `open(spec)` gives a stream; dropping the stream cancels whatever is behind it. One module a vendor,
//! whatever traits it serves: [`Deepgram`] hears; [`OpenAiChat`], [`OpenAiResponses`] and [`Anthropic`] think;
//! [`OpenAiSpeech`], [`ElevenLabs`], [`Cartesia`], [`Aura`], [`Rime`], [`Kokoro`], [`Piper`] and [`Espeak`] speak; [`Cached`]
//! says fixed lines from memory. Each takes its own configuration with a base address of its own, so that any server of the
//! same protocol can stand in.
//!
//! Errors say who failed, in which of few ways, and what to do; they hold the vendors' short codes but never their
//! sentences, which may repeat what was said.
//!
//! May import: `audio`, `conversation`. Must never know: turns, packets, barge-in, `Call`.
#![expect(clippy::disallowed_methods, reason = "hands live in real time")]

mod anthropic;
mod assemblyai;
mod aura;
mod cached;
mod cartesia;
mod deepgram;
mod elevenlabs;
mod error;
mod espeak;
mod exchange;
mod gladia;
mod http;
mod http_tool;
mod kokoro;
mod listening;
mod llm;
mod meter;
mod openai;
mod paced;
mod pcm;
mod piper;
mod proxy;
mod realtime;
mod rime;
mod secret;
mod sherpa;
mod soniox;
mod speechmatics;
mod sse;
mod stream;
mod stt;
mod tools;
mod tts;
mod voice;
mod voices;
mod vosk;
mod warmth;
mod websocket;
mod whisper;

pub use anthropic::{Anthropic, AnthropicConfig};
pub use assemblyai::{AssemblyAi, AssemblyAiConfig};
pub use aura::{Aura, AuraConfig};
pub use cached::{Cached, SoundCache};
pub use cartesia::{Cartesia, CartesiaConfig};
pub use deepgram::{Deepgram, DeepgramConfig, Flux, FluxConfig};
pub use elevenlabs::{ElevenLabs, ElevenLabsConfig, ElevenLabsScribe, ElevenLabsScribeConfig, ElevenLabsTransport};
pub use error::ProviderError;
pub use espeak::{Espeak, EspeakConfig};
pub use gladia::{Gladia, GladiaConfig};
pub use http_tool::{HttpTool, HttpTools, ToolMethod, ToolPolicy};
pub use kokoro::{Kokoro, KokoroConfig};
pub use llm::{Llm, LlmEvent, LlmRequest, LlmStream, Usage};
pub use openai::{
    OpenAiChat, OpenAiChatConfig, OpenAiResponses, OpenAiResponsesConfig, OpenAiSpeech, OpenAiSpeechConfig,
    OpenAiTranscription, OpenAiTranscriptionConfig,
};
pub(crate) use paced::open as open_voice;
pub use piper::{Piper, PiperConfig};
pub use realtime::{OpenAiRealtime, OpenAiRealtimeConfig, RealtimeCall};
pub use rime::{Rime, RimeConfig};
pub use secret::Secret;
pub use sherpa::{Sherpa, SherpaConfig};
pub use soniox::{Soniox, SonioxConfig};
pub use speechmatics::{Speechmatics, SpeechmaticsConfig};
pub use stream::AbortOnDrop;
pub use stt::{Stt, SttCommand, SttEvent, SttSpec, SttStream};
pub use tools::{NoTools, ToolStream, Tools};
pub use tts::{Tts, TtsCommand, TtsEvent, TtsSpec, TtsStream};
pub use voices::{KnownVoice, known_voices};
pub use vosk::{Vosk, VoskConfig};
pub use whisper::{Whisper, WhisperConfig};
