//! HANDS · services that hear, think and speak.
//!
//! One trait each: `open(spec)` gives a stream; dropping the stream cancels whatever is behind it. One file a vendor,
//! whatever traits it serves.
//!
//! May import: `audio`, `conversation`. Must never know: turns, packets, barge-in, `Call`.
#![expect(clippy::disallowed_methods, reason = "hands live in real time")]

mod error;
mod llm;
mod stream;
mod stt;
mod tools;
mod tts;

pub use error::ProviderError;
pub use llm::{Llm, LlmEvent, LlmRequest, LlmStream, Usage};
pub use stream::AbortOnDrop;
pub use stt::{Stt, SttCommand, SttEvent, SttSpec, SttStream};
pub use tools::{ToolStream, Tools};
pub use tts::{Tts, TtsCommand, TtsEvent, TtsSpec, TtsStream};
