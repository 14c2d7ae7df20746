//! HANDS · small servers that speak the vendors' own protocols, for the demo, tests and benchmarks.
//!
//! [`Simulators`] listens on one loopback socket and is a recogniser (Deepgram, Flux, AssemblyAI, Gladia), language
//! models (OpenAI chat completions in several [`Dialect`]s, OpenAI responses, Anthropic messages) and voices (ElevenLabs,
//! OpenAI speech, Cartesia, Deepgram, Rime, Kokoro, Piper), each in the vendor's wire protocol, each proved with the
//! vendor's own SDK (`tests/interop/sdk_*.py`). What they say comes from scripts, how long they take from
//! [`SimulatorConfig`], and they break on command: [`Fault`], or `POST /simulator/faults`. What they received is at
//! `GET /simulator/log`.
//!
//! They hear for real (an energy detector over the audio they are sent) but understand nothing: the words of the n-th
//! utterance are those of the script.
//!
//! May import: `audio`, `conversation`. Must never know: the engine, `Call`, `provider` (it must not share their JSON, or
//! a shared mistake passes).
#![expect(clippy::disallowed_methods, reason = "hands live in real time")]

mod alarm;
mod answering;
mod anthropic;
mod assemblyai;
mod aura;
mod calendar;
mod cartesia;
mod chat;
mod config;
mod contexts;
mod deepgram;
mod dialect;
mod ear;
mod elevenlabs;
mod fault;
mod flux;
mod gladia;
mod hearing;
mod lines;
mod local_voices;
mod multi_context;
mod prompter;
mod realtime_transcription;
mod recogniser;
mod responses;
mod rime;
mod scribe;
mod script;
mod server;
mod sherpa;
mod soniox;
mod sound;
mod speech;
mod speech_to_speech;
mod speechmatics;
mod spoken_answer;
mod state;
mod stream_input;
mod streaming;
mod transcription;
mod voice;
mod vosk;

pub use config::{ModelConfig, RecogniserConfig, SimulatorConfig, Tones, VoiceConfig};
pub use dialect::Dialect;
pub use fault::{After, Fault, FaultKind};
pub use prompter::{Cue, Utter};
pub use script::{Answer, AnswerScript, Ending, Line, LineScript, ScriptedToolCall, When};
pub use server::{Simulators, run};
pub use state::{Received, ServiceLog};
