//! The JSON of Messages: strict where we write it, lenient where it is read.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::conversation::ToolSpec;

/// A request.
#[derive(Serialize, Debug)]
pub(super) struct Request<'a> {
    pub model: &'a str,
    pub max_tokens: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub system: Vec<Block<'a>>,
    pub messages: Vec<RequestMessage<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<RequestTool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f32>,
    pub stream: bool,
}

/// A message: what one side did until the other's turn.
#[derive(Serialize, PartialEq, Debug)]
pub(super) struct RequestMessage<'a> {
    pub role: &'static str,
    pub content: Vec<Block<'a>>,
}

/// A part of a message.
#[derive(Serialize, PartialEq, Debug)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block<'a> {
    Text {
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
    ToolUse {
        id: String,
        name: &'a str,
        input: Map<String, Value>,
    },
    ToolResult {
        tool_use_id: String,
        content: &'a str,
    },
}

/// Keep everything up to here for the next request.
#[derive(Serialize, PartialEq, Debug)]
pub(super) struct CacheControl {
    #[serde(rename = "type")]
    pub kind: &'static str,
}

#[derive(Serialize, Debug)]
pub(super) struct RequestTool<'a> {
    pub name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub description: &'a str,
    pub input_schema: Map<String, Value>,
}

/// The tools in the shape of the protocol; the error names the tool whose parameters are not a JSON Schema.
pub(super) fn tools(tools: &[ToolSpec]) -> Result<Vec<RequestTool<'_>>, &str> {
    tools
        .iter()
        .map(|tool| {
            let text = if tool.parameters.trim().is_empty() { "{}" } else { &tool.parameters };
            let mut input_schema: Map<String, Value> = serde_json::from_str(text).map_err(|_| tool.name.as_str())?;
            // Demanded, and what every schema of arguments means.
            input_schema.entry("type").or_insert_with(|| "object".into());
            Ok(RequestTool { name: &tool.name, description: &tool.description, input_schema })
        })
        .collect()
}

/// One event of the stream. What is not listed here is of no interest.
#[derive(Deserialize, Default, Debug)]
#[serde(default)]
pub(super) struct Event {
    #[serde(rename = "type")]
    pub kind: String,
    pub index: Option<u32>,
    pub message: Option<Begun>,
    pub content_block: Option<ContentBlock>,
    pub delta: Option<Delta>,
    pub usage: Option<EventUsage>,
    pub error: Option<Value>,
}

/// The message as it begins.
#[derive(Deserialize, Default, Debug)]
#[serde(default)]
pub(super) struct Begun {
    pub usage: Option<EventUsage>,
}

#[derive(Deserialize, Default, Debug)]
#[serde(default)]
pub(super) struct ContentBlock {
    #[serde(rename = "type")]
    pub kind: String,
    pub text: Option<String>,
    pub id: Option<String>,
    pub name: Option<String>,
    /// Empty, and then comes in pieces; or whole.
    pub input: Option<Value>,
}

#[derive(Deserialize, Default, Debug)]
#[serde(default)]
pub(super) struct Delta {
    #[serde(rename = "type")]
    pub kind: String,
    pub text: Option<String>,
    pub partial_json: Option<String>,
    pub thinking: Option<String>,
    pub stop_reason: Option<String>,
}

#[derive(Deserialize, Clone, Copy, Default, Debug)]
#[serde(default)]
pub(super) struct EventUsage {
    pub input_tokens: Option<u64>,
    pub cache_creation_input_tokens: Option<u64>,
    pub cache_read_input_tokens: Option<u64>,
    pub output_tokens: Option<u64>,
}

impl EventUsage {
    /// All that was read, from the cache or not.
    pub(super) fn read(&self) -> Option<u64> {
        let cached = [self.cache_creation_input_tokens, self.cache_read_input_tokens];
        self.input_tokens.map(|tokens| cached.into_iter().flatten().fold(tokens, u64::saturating_add))
    }
}
