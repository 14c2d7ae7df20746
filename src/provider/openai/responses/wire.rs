//! The JSON of responses: strict where we write it, lenient where it is read.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::conversation::{Message, Role, ToolSpec};
use crate::provider::openai::wire::schema;

/// The least limit of tokens that is accepted.
pub(super) const LEAST_TOKENS: u32 = 16;

/// A request.
#[derive(Serialize, Debug)]
pub(super) struct Request<'a> {
    pub model: &'a str,
    pub input: Vec<Item<'a>>,
    pub stream: bool,
    pub store: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_options: Option<StreamOptions>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<RequestTool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f32>,
}

/// What the stream is to hold.
#[derive(Serialize, Debug)]
pub(super) struct StreamOptions {
    /// Random padding.
    pub include_obfuscation: bool,
}

/// A part of the conversation.
#[derive(Serialize, PartialEq, Debug)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Item<'a> {
    Message { role: &'static str, content: &'a str },
    FunctionCall { call_id: &'a str, name: &'a str, arguments: &'a str },
    FunctionCallOutput { call_id: &'a str, output: &'a str },
}

#[derive(Serialize, Debug)]
pub(super) struct RequestTool<'a> {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub name: &'a str,
    pub description: &'a str,
    pub parameters: Value,
    /// Unless told otherwise, schemas must name every property as required and forbid others.
    pub strict: bool,
}

/// The conversation in the shape of the protocol: every call with one answer, every answer with its call.
pub(super) fn input(messages: &[Message]) -> Vec<Item<'_>> {
    let answered: HashSet<&str> = messages.iter().filter_map(|message| message.tool_call_id.as_deref()).collect();
    let mut open = HashSet::new();
    let mut items = Vec::with_capacity(messages.len());
    for message in messages {
        let content = message.content.as_str();
        let role = match message.role {
            Role::System => "system",
            Role::Assistant => "assistant",
            Role::User | Role::Tool => "user",
        };
        let answers = message.tool_call_id.as_deref().filter(|_| message.role == Role::Tool);
        match answers.filter(|id| open.remove(id)) {
            Some(call_id) => items.push(Item::FunctionCallOutput { call_id, output: content }),
            // An answer to nothing would be refused, and what it says is worth knowing all the same.
            None if !content.is_empty() => items.push(Item::Message { role, content }),
            None => {}
        }
        for call in &message.tool_calls {
            let call_id = call.id.as_str();
            items.push(Item::FunctionCall { call_id, name: &call.name, arguments: &call.arguments });
            if answered.contains(call_id) {
                open.insert(call_id);
            } else {
                items.push(Item::FunctionCallOutput { call_id, output: "no answer yet" });
            }
        }
    }
    items
}

/// The tools in the shape of the protocol; the error names the tool whose parameters are not a JSON Schema.
pub(super) fn tools(tools: &[ToolSpec]) -> Result<Vec<RequestTool<'_>>, &str> {
    tools
        .iter()
        .map(|tool| {
            let parameters = schema(tool).ok_or(tool.name.as_str())?;
            let (name, description) = (tool.name.as_str(), tool.description.as_str());
            Ok(RequestTool { kind: "function", name, description, parameters, strict: false })
        })
        .collect()
}

/// One event of the stream. What is not listed here is of no interest.
#[derive(Deserialize, Default, Debug)]
#[serde(default)]
pub(super) struct Event {
    #[serde(rename = "type")]
    pub kind: String,
    pub output_index: Option<u32>,
    pub delta: Option<Value>,
    pub arguments: Option<String>,
    pub item: Option<OutputItem>,
    pub response: Option<Whole>,
}

/// A part of the answer.
#[derive(Deserialize, Default, Debug)]
#[serde(default)]
pub(super) struct OutputItem {
    #[serde(rename = "type")]
    pub kind: String,
    pub call_id: Option<String>,
    pub name: Option<String>,
    pub arguments: Option<String>,
}

/// The answer as a whole.
#[derive(Deserialize, Default, Debug)]
#[serde(default)]
pub(super) struct Whole {
    pub usage: Option<EventUsage>,
    pub error: Option<Value>,
    pub incomplete_details: Option<Incomplete>,
}

#[derive(Deserialize, Default, Debug)]
#[serde(default)]
pub(super) struct Incomplete {
    pub reason: Option<String>,
}

#[derive(Deserialize, Clone, Copy, Default, Debug)]
#[serde(default)]
pub(super) struct EventUsage {
    pub input_tokens: Option<u64>,
    pub output_tokens: Option<u64>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::conversation::ToolCall;

    #[test]
    fn every_call_has_one_answer_and_every_answer_its_call() {
        let call = |id: &str| ToolCall { id: id.into(), name: "f".into(), arguments: "{}".into() };
        let mut asked = Message::text(Role::Assistant, "One moment.");
        asked.tool_calls = vec![call("a"), call("b")];
        let result =
            |id: &str, content: &str| Message { tool_call_id: Some(id.into()), ..Message::text(Role::Tool, content) };
        let history = [
            Message::text(Role::System, "be kind"),
            Message::text(Role::User, "book"),
            asked,
            result("a", "done"),
            result("a", "again"),
            Message::text(Role::Assistant, ""),
        ];
        let message = |role: &str, content: &str| json!({"type": "message", "role": role, "content": content});
        let called = |id: &str| json!({"type": "function_call", "call_id": id, "name": "f", "arguments": "{}"});
        let answered =
            |id: &str, output: &str| json!({"type": "function_call_output", "call_id": id, "output": output});
        assert_eq!(
            serde_json::to_value(input(&history)).unwrap(),
            json!([
                message("system", "be kind"),
                message("user", "book"),
                message("assistant", "One moment."),
                called("a"),
                called("b"),
                answered("b", "no answer yet"),
                answered("a", "done"),
                message("user", "again"),
            ])
        );
    }
}
