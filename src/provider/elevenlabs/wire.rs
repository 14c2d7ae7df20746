//! What ElevenLabs' `stream-input` sends and takes.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The end of the text; in this protocol (unlike the one with contexts) an empty text closes.
pub(super) const END: &str = r#"{"text":""}"#;

/// The first message: a blank, with everything that is said once.
#[derive(Serialize, Debug)]
pub(super) struct First {
    pub text: &'static str,
    pub voice_settings: VoiceSettings,
}

/// How the voice sounds; what is left out is the voice's own setting.
#[derive(Clone, PartialEq, Serialize, Debug)]
pub(super) struct VoiceSettings {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stability: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub similarity_boost: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed: Option<f64>,
}

/// More text.
#[derive(Serialize, Debug)]
pub(super) struct More<'a> {
    pub text: &'a str,
}

/// A message of the server: sound, the end, or an error.
#[derive(Deserialize, Default, Debug)]
#[serde(default)]
pub(super) struct ServerMessage {
    /// Base64.
    pub audio: Option<String>,
    #[serde(alias = "is_final", rename = "isFinal")]
    pub is_final: Option<bool>,
    pub alignment: Option<Alignment>,
    pub error: Option<Value>,
    pub code: Option<Value>,
    pub message: Option<Value>,
}

/// When each character of the text is spoken, in milliseconds from the beginning of a group of chunks.
#[derive(Deserialize, Default, Debug)]
#[serde(default)]
pub(super) struct Alignment {
    pub chars: Vec<String>,
    #[serde(rename = "charStartTimesMs")]
    pub starts: Vec<f64>,
    #[serde(rename = "charDurationsMs", alias = "charsDurationsMs")]
    pub durations: Vec<f64>,
}
