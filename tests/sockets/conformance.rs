//! What every vendor of a kind does alike, whatever its protocol: each case runs for each of them.

mod llm;
mod stt;
mod tts;
