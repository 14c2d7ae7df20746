//! What ElevenLabs sends and takes, over its WebSockets and in requests.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::provider::voice::Alignment;

/// The end of the text of `stream-input`; with contexts an empty text ends nothing.
pub(super) const END: &str = r#"{"text":""}"#;

/// The first message of a reply: a blank, with everything that is said once.
#[derive(Serialize, Debug)]
pub(super) struct First<'a> {
    pub text: &'static str,
    pub voice_settings: &'a VoiceSettings,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_id: Option<&'a str>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flush: Option<bool>,
}

/// The end of a context: what it was given is still spoken, unless nobody listens any more.
#[derive(Serialize, Debug)]
pub(super) struct Close<'a> {
    pub context_id: &'a str,
    pub close_context: bool,
}

/// One request over HTTP.
#[derive(Serialize, Debug)]
pub(super) struct Request<'a> {
    pub text: &'a str,
    pub model_id: &'a str,
    pub voice_settings: &'a VoiceSettings,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language_code: Option<String>,
}

/// A message of the server: sound, the end, or an error. Its names are in camel case, unlike the client's.
#[derive(Deserialize, Default, Debug)]
#[serde(default)]
pub(super) struct ServerMessage {
    /// Base64.
    pub audio: Option<String>,
    #[serde(alias = "is_final", rename = "isFinal")]
    pub is_final: Option<bool>,
    #[serde(alias = "context_id", rename = "contextId")]
    pub context_id: Option<String>,
    pub alignment: Option<Alignment>,
    pub error: Option<Value>,
    pub code: Option<Value>,
    pub message: Option<Value>,
}

/// The JSON form of a message. Structs of strings and numbers always have one.
pub(super) fn json(message: &impl Serialize) -> String {
    serde_json::to_string(message).unwrap_or_default()
}
