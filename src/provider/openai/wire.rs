//! The JSON of chat completions: strict where we write it, lenient where others do.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::conversation::{Message, Role, ToolSpec};
use crate::provider::LlmRequest;

/// A request.
#[derive(Serialize, Debug)]
pub(super) struct Request<'a> {
    pub model: &'a str,
    pub messages: Vec<RequestMessage<'a>>,
    pub stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_options: Option<StreamOptions>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<RequestTool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f32>,
}

/// What the stream is to hold.
#[derive(Serialize, Debug)]
pub(super) struct StreamOptions {
    pub include_usage: bool,
    /// Random padding that only OpenAI adds and only OpenAI can be asked to leave out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub include_obfuscation: Option<bool>,
}

/// A message of the history.
#[derive(Serialize, Debug)]
pub(super) struct RequestMessage<'a> {
    pub role: &'static str,
    /// `null` only for an assistant that did nothing but call tools.
    pub content: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<RequestToolCall<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<&'a str>,
}

#[derive(Serialize, Debug)]
pub(super) struct RequestToolCall<'a> {
    pub id: &'a str,
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub function: RequestFunction<'a>,
}

#[derive(Serialize, Debug)]
pub(super) struct RequestFunction<'a> {
    pub name: &'a str,
    pub arguments: &'a str,
}

#[derive(Serialize, Debug)]
pub(super) struct RequestTool<'a> {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub function: RequestToolFunction<'a>,
}

#[derive(Serialize, Debug)]
pub(super) struct RequestToolFunction<'a> {
    pub name: &'a str,
    pub description: &'a str,
    pub parameters: Value,
}

/// The history in the shape of the protocol.
pub(super) fn messages(messages: &[Message]) -> Vec<RequestMessage<'_>> {
    messages.iter().map(RequestMessage::from).collect()
}

/// The tools in the shape of the protocol; the error names the tool whose parameters are not a JSON Schema.
pub(super) fn tools(request: &LlmRequest) -> Result<Vec<RequestTool<'_>>, &str> {
    request
        .tools
        .iter()
        .map(|tool| {
            let parameters = schema(tool).ok_or(tool.name.as_str())?;
            let function = RequestToolFunction { name: &tool.name, description: &tool.description, parameters };
            Ok(RequestTool { kind: "function", function })
        })
        .collect()
}

/// A JSON Schema as its tool describes it; `None` if it is not an object.
pub(super) fn schema(tool: &ToolSpec) -> Option<Value> {
    let text = if tool.parameters.trim().is_empty() { EMPTY_SCHEMA } else { &tool.parameters };
    serde_json::from_str(text).ok().filter(Value::is_object)
}

const EMPTY_SCHEMA: &str = r#"{"type":"object","properties":{}}"#;

impl<'a> From<&'a Message> for RequestMessage<'a> {
    fn from(message: &'a Message) -> Self {
        let only_calls = message.content.is_empty() && !message.tool_calls.is_empty();
        let call = |call: &'a crate::conversation::ToolCall| RequestToolCall {
            id: &call.id,
            kind: "function",
            function: RequestFunction { name: &call.name, arguments: &call.arguments },
        };
        Self {
            role: match message.role {
                Role::System => "system",
                Role::User => "user",
                Role::Assistant => "assistant",
                Role::Tool => "tool",
            },
            content: (!only_calls).then_some(message.content.as_str()),
            tool_calls: message.tool_calls.iter().map(call).collect(),
            tool_call_id: message.tool_call_id.as_deref(),
        }
    }
}

/// One event of the stream, or a whole answer of a server that does not stream.
#[derive(Deserialize, Default, Debug)]
#[serde(default)]
pub(super) struct Chunk {
    pub choices: Option<Vec<Choice>>,
    pub usage: Option<ChunkUsage>,
    /// An object, or with some servers a sentence.
    pub error: Option<Value>,
    /// `error` when the event itself is one (vLLM).
    pub object: Option<Value>,
    /// Groq's own: usage, and why a stream was stopped.
    pub x_groq: Option<Groq>,
}

#[derive(Deserialize, Default, Debug)]
#[serde(default)]
pub(super) struct Groq {
    pub usage: Option<ChunkUsage>,
    pub error: Option<Value>,
}

#[derive(Deserialize, Default, Debug)]
#[serde(default)]
pub(super) struct Choice {
    pub index: Option<u32>,
    #[serde(alias = "message")]
    pub delta: Option<Delta>,
    pub finish_reason: Option<String>,
}

/// What is new. Reasoning is only counted: it is never spoken.
#[derive(Deserialize, Default, Debug)]
#[serde(default)]
pub(super) struct Delta {
    pub content: Option<Content>,
    pub refusal: Option<String>,
    pub tool_calls: Option<Vec<ToolDelta>>,
    /// A text; with some servers something else.
    pub reasoning: Option<Value>,
    /// The same by another name.
    pub reasoning_content: Option<Value>,
}

/// Text, or with some servers a list of parts.
#[derive(Deserialize, Debug)]
#[serde(untagged)]
pub(super) enum Content {
    Text(String),
    Parts(Vec<Part>),
    Other(serde::de::IgnoredAny),
}

#[derive(Deserialize, Debug)]
pub(super) struct Part {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    text: String,
}

impl Content {
    /// The text to be spoken.
    pub(super) fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Parts(parts) => parts.into_iter().filter(|part| part.kind == "text").map(|part| part.text).collect(),
            Self::Other(_) => String::new(),
        }
    }
}

/// A piece of a tool call.
#[derive(Deserialize, Default, Debug)]
#[serde(default)]
pub(super) struct ToolDelta {
    pub index: Option<u32>,
    pub id: Option<String>,
    pub function: Option<FunctionDelta>,
}

#[derive(Deserialize, Default, Debug)]
#[serde(default)]
pub(super) struct FunctionDelta {
    pub name: Option<String>,
    /// Text; with some servers the object itself.
    pub arguments: Option<Value>,
}

/// The tokens used, so far or in all.
#[derive(Deserialize, Clone, Copy, Default, Debug)]
#[serde(default)]
pub(super) struct ChunkUsage {
    pub prompt_tokens: Option<u64>,
    pub completion_tokens: Option<u64>,
}
