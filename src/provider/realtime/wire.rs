//! The events of the Realtime protocol (the generally available one), as far as a call needs them.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::conversation::{Failure, ToolSpec};
use crate::provider::Usage;

/// An event of the server.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "type")]
pub(super) enum ServerEvent {
    /// What was heard so far has become an item.
    #[serde(rename = "input_audio_buffer.committed")]
    Committed { item_id: String },
    /// More of an item's words.
    #[serde(rename = "conversation.item.input_audio_transcription.delta")]
    TranscriptionDelta {
        item_id: String,
        #[serde(default)]
        delta: String,
    },
    /// All of an item's words.
    #[serde(rename = "conversation.item.input_audio_transcription.completed")]
    Transcription {
        item_id: String,
        #[serde(default)]
        transcript: String,
    },
    /// An item without words.
    #[serde(rename = "conversation.item.input_audio_transcription.failed")]
    TranscriptionFailed { item_id: String },
    /// A response begins.
    #[serde(rename = "response.created")]
    Created { response: Response },
    /// More of its words.
    #[serde(rename = "response.output_audio_transcript.delta", alias = "response.audio_transcript.delta")]
    Words { response_id: String, item_id: String, delta: String },
    /// More of its sound.
    #[serde(rename = "response.output_audio.delta", alias = "response.audio.delta")]
    Sound { response_id: String, delta: String },
    /// A tool it wants run.
    #[serde(rename = "response.function_call_arguments.done")]
    Call {
        response_id: String,
        call_id: String,
        #[serde(default)]
        name: String,
        arguments: String,
    },
    /// It is over.
    #[serde(rename = "response.done")]
    Done { response: Response },
    /// Something was refused or went wrong.
    #[serde(rename = "error")]
    Error { error: ErrorBody },
    /// What nobody here needs.
    #[serde(other)]
    Other,
}

/// A response, as its first and last event tell of it.
#[derive(Clone, Default, Debug, Deserialize)]
#[serde(default)]
pub(super) struct Response {
    pub(super) id: String,
    pub(super) status: String,
    pub(super) status_details: Option<Details>,
    pub(super) metadata: Option<Value>,
    pub(super) usage: Option<UsageBody>,
}

/// Why it ended as it did.
#[derive(Clone, Default, Debug, Deserialize)]
#[serde(default)]
pub(super) struct Details {
    pub(super) reason: Option<String>,
    pub(super) error: Option<ErrorBody>,
}

#[derive(Clone, Copy, Default, Debug, Deserialize)]
#[serde(default)]
pub(super) struct UsageBody {
    input_tokens: u64,
    output_tokens: u64,
}

/// An error, without its sentences.
#[derive(Clone, Default, Debug, Deserialize)]
#[serde(default)]
pub(super) struct ErrorBody {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) code: Option<String>,
    pub(super) event_id: Option<String>,
}

impl Response {
    /// Which of our answers it is: the number it was asked for with.
    pub(super) fn number(&self) -> Option<u64> {
        self.metadata.as_ref()?.get(NUMBER)?.as_str()?.parse().ok()
    }

    /// What it cost.
    pub(super) fn used(&self) -> Option<Usage> {
        self.usage.map(|usage| Usage {
            prompt: usage.input_tokens,
            completion: usage.output_tokens,
            is_estimate: false,
        })
    }
}

impl ErrorBody {
    /// Which of the few kinds of failure it is.
    pub(super) fn failure(&self) -> Failure {
        match (self.kind.as_deref(), self.code.as_deref()) {
            (_, Some("invalid_api_key" | "authentication_error")) | (Some("authentication_error"), _) => Failure::Auth,
            (_, Some("insufficient_quota")) | (Some("insufficient_quota"), _) => Failure::Quota,
            (_, Some("rate_limit_exceeded")) | (Some("rate_limit_error" | "requests" | "tokens"), _) => {
                Failure::RateLimit
            }
            (Some("invalid_request_error"), _) => Failure::BadRequest,
            _ => Failure::Unavailable,
        }
    }

    /// Its codes, for an error text.
    pub(super) fn codes(&self) -> Vec<String> {
        [&self.kind, &self.code].into_iter().flatten().cloned().collect()
    }
}

/// The name under which a response carries its number.
const NUMBER: &str = "agentphone";

/// Whole items as the client makes them.
pub(super) fn text_item(id: &str, role: &str, text: &str) -> Value {
    let kind = if role == "assistant" { "output_text" } else { "input_text" };
    json!({"id": id, "type": "message", "role": role, "content": [{"type": kind, "text": text}]})
}

/// What a tool answered.
pub(super) fn result_item(id: &str, call_id: &str, output: &str) -> Value {
    json!({"id": id, "type": "function_call_output", "call_id": call_id, "output": output})
}

/// Asks for the answer of this number.
pub(super) fn respond(number: u64, event_id: &str, max_tokens: Option<u32>) -> Value {
    let mut response = json!({"metadata": {NUMBER: number.to_string()}});
    if let Some(most) = max_tokens {
        response["max_output_tokens"] = most.into();
    }
    json!({"type": "response.create", "event_id": event_id, "response": response})
}

/// Asks for a text to be spoken as it stands, beside the conversation.
pub(super) fn say(number: u64, event_id: &str, text: &str) -> Value {
    let instructions = "Read the text of the message aloud, word for word, in its own language. Add nothing and leave \
                        nothing out. Do not answer it.";
    let response = json!({
        "conversation": "none", "metadata": {NUMBER: number.to_string()}, "output_modalities": ["audio"],
        "instructions": instructions, "tools": [],
        "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}],
    });
    json!({"type": "response.create", "event_id": event_id, "response": response})
}

/// The tools the model may ask for. Parameters that are no JSON are left out.
pub(super) fn tools(tools: &[ToolSpec]) -> Value {
    let tool = |tool: &ToolSpec| {
        let parameters =
            serde_json::from_str(&tool.parameters).unwrap_or_else(|_| json!({"type": "object", "properties": {}}));
        json!({"type": "function", "name": tool.name, "description": tool.description, "parameters": parameters})
    };
    tools.iter().map(tool).collect()
}
