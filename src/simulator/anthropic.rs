//! A language model that speaks Anthropic's messages: `POST /v1/messages`, streamed or whole.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::conversation::Service;

use super::answering::{Asked, AskedMessage, Halt, Plan, pieces};
use super::fault::Cut;
use super::script::Ending;
use super::state::{Key, Outlet, Refusal, Session, State};

/// The paths of this vendor.
pub(super) fn routes() -> Router<Arc<State>> {
    Router::new().route("/v1/messages", post(answer))
}

/// What this simulator reads of a request; the rest is accepted and ignored.
#[derive(Clone, Debug, Deserialize)]
struct Request {
    #[serde(default)]
    model: String,
    #[serde(default)]
    max_tokens: Option<u32>,
    #[serde(default)]
    system: Value,
    #[serde(default)]
    messages: Vec<RequestMessage>,
    #[serde(default)]
    tools: Vec<Tool>,
    #[serde(default)]
    stream: bool,
    #[serde(default)]
    thinking: Option<Thinking>,
}

#[derive(Clone, Debug, Deserialize)]
struct RequestMessage {
    role: String,
    content: Content,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Blocks(Vec<Block>),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block {
    Text {
        text: String,
    },
    ToolUse {
        id: String,
        name: String,
        /// An object, or the request is refused.
        #[serde(rename = "input")]
        _input: Map<String, Value>,
    },
    ToolResult {
        tool_use_id: String,
        #[serde(default)]
        content: Value,
    },
    #[serde(other)]
    Other,
}

#[derive(Clone, Debug, Deserialize)]
struct Tool {
    name: String,
    input_schema: Map<String, Value>,
}

#[derive(Clone, Debug, Deserialize)]
struct Thinking {
    #[serde(rename = "type")]
    kind: String,
}

/// Answers a request from the script.
async fn answer(Shared(state): Shared<Arc<State>>, headers: HeaderMap, body: Bytes) -> Response {
    let id = format!("req_{}", state.request_id());
    let mut response = serve(state, &headers, &body, &id).await;
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("request-id", id);
    }
    response
}

async fn serve(state: Arc<State>, headers: &HeaderMap, body: &Bytes, id: &str) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let key = header("x-api-key").or_else(|| Key::authorization(headers, &["Bearer"]));
    let mut session = match state.admit(Service::Llm, Key::Given(key)) {
        Ok(session) => session,
        Err(refusal) => return refused(refusal, id),
    };
    session.connect().await;
    let asked = match header("anthropic-version") {
        None => Err("anthropic-version: header is required".to_owned()),
        Some(_) => serde_json::from_slice::<Request>(body).map_err(|error| error.to_string()),
    };
    let asked = asked.and_then(|request| request.check().map(|()| request).map_err(str::to_owned));
    let request = match asked {
        Ok(request) => request,
        Err(why) => {
            session.refuse();
            return failure(StatusCode::BAD_REQUEST, "invalid_request_error", &why, id);
        }
    };
    let (session, plan) = match request.asked().plan(session).await {
        Ok(planned) => planned,
        Err(Halt::Refused(refusal)) => return refused(refusal, id),
        Err(Halt::Over) => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
    };
    let reply = Reply {
        plan,
        model: request.model.chars().take(128).collect(),
        thinks: request.thinking.is_some_and(|thinking| thinking.kind == "enabled"),
    };
    if request.stream {
        session.stream("text/event-stream; charset=utf-8", move |session, outlet| reply.stream(session, outlet))
    } else {
        reply.whole(session).await
    }
}

/// Refuses as Anthropic does.
fn refused(refusal: Refusal, id: &str) -> Response {
    let status = refusal.status();
    let kind = match status.as_u16() {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    };
    let mut response = failure(status, kind, "The request was refused.", id);
    if status == StatusCode::TOO_MANY_REQUESTS {
        response.headers_mut().insert("retry-after", HeaderValue::from_static("2"));
    }
    response
}

/// An error body of Anthropic.
fn failure(status: StatusCode, kind: &str, message: &str, id: &str) -> Response {
    let error = json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": id});
    (status, Json(error)).into_response()
}

impl Request {
    /// Whether it can be answered; otherwise why not.
    fn check(&self) -> Result<(), &'static str> {
        if self.model.is_empty() {
            return Err("model: field required");
        }
        if self.max_tokens.is_none_or(|tokens| tokens == 0) {
            return Err("max_tokens: field required, at least 1");
        }
        if self.messages.first().is_none_or(|first| first.role != "user") {
            return Err("messages: first message must use the \"user\" role");
        }
        if self.messages.windows(2).any(|pair| matches!(pair, [one, two] if one.role == two.role)) {
            return Err("messages: roles must alternate between \"user\" and \"assistant\"");
        }
        if self.messages.iter().any(|message| !matches!(message.role.as_str(), "user" | "assistant")) {
            return Err("messages: unexpected role; the system prompt is a top-level parameter");
        }
        if self.tools.iter().any(|tool| tool.name.is_empty() || tool.input_schema.get("type") != Some(&"object".into()))
        {
            return Err("tools.input_schema.type: field required, must be \"object\"");
        }
        let system = self.system.as_array().into_iter().flatten().filter_map(|block| block["text"].as_str());
        let texts = self.messages.iter().flat_map(RequestMessage::texts).chain(system);
        if texts.into_iter().any(|text| text.trim().is_empty()) {
            return Err("messages: text content blocks must be non-empty");
        }
        let last = self.messages.last().filter(|last| last.role == "assistant");
        if last.is_some_and(|last| last.texts().last().is_some_and(|text| text.ends_with(char::is_whitespace))) {
            return Err("messages: final assistant content cannot end with trailing whitespace");
        }
        self.check_tools()
    }

    /// Every use of a tool has its result at the front of the next message, and every result its use.
    fn check_tools(&self) -> Result<(), &'static str> {
        let mut open: Vec<&str> = Vec::new();
        for message in &self.messages {
            let results = message.blocks().iter().take_while(|block| matches!(block, Block::ToolResult { .. })).count();
            for (at, block) in message.blocks().iter().enumerate() {
                let Block::ToolResult { tool_use_id, .. } = block else { continue };
                let Some(known) = open.iter().position(|id| id == tool_use_id).filter(|_| at < results) else {
                    return Err("messages: unexpected `tool_use_id` found in `tool_result` blocks");
                };
                open.remove(known);
            }
            if !open.is_empty() {
                return Err("messages: `tool_use` ids were found without `tool_result` blocks immediately after");
            }
            let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter);
            for block in message.blocks() {
                if let Block::ToolUse { id, name, .. } = block {
                    if message.role != "assistant" || name.is_empty() {
                        return Err("messages: `tool_use` blocks belong to the assistant");
                    }
                    if id.is_empty() || !id.chars().all(is_plain) {
                        return Err("messages.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'");
                    }
                    open.push(id);
                }
            }
        }
        if open.is_empty() { Ok(()) } else { Err("messages: a `tool_use` has no `tool_result`") }
    }

    /// The same in plain words.
    fn asked(&self) -> Asked {
        let system = match &self.system {
            Value::String(text) => text.clone(),
            blocks => blocks.as_array().into_iter().flatten().filter_map(|block| block["text"].as_str()).collect(),
        };
        let mut messages = vec![AskedMessage { role: "system".to_owned(), text: system, tool_call_id: None }];
        for message in &self.messages {
            for block in message.blocks() {
                if let Block::ToolResult { tool_use_id, content } = block {
                    let text = content.as_str().map_or_else(|| content.to_string(), str::to_owned);
                    let tool_call_id = Some(tool_use_id.clone());
                    messages.push(AskedMessage { role: "tool".to_owned(), text, tool_call_id });
                }
            }
            let text = message.texts().collect::<Vec<_>>().join(" ");
            if !text.is_empty() {
                messages.push(AskedMessage { role: message.role.clone(), text, tool_call_id: None });
            }
        }
        let tools = self.tools.iter().map(|tool| tool.name.clone()).collect();
        Asked { messages, tools, most: self.max_tokens }
    }
}

impl RequestMessage {
    fn blocks(&self) -> &[Block] {
        match &self.content {
            Content::Text(_) => &[],
            Content::Blocks(blocks) => blocks,
        }
    }

    fn texts(&self) -> impl Iterator<Item = &str> {
        let whole = if let Content::Text(text) = &self.content { Some(text.as_str()) } else { None };
        let texts = self.blocks().iter().filter_map(|block| match block {
            Block::Text { text } => Some(text.as_str()),
            _ => None,
        });
        whole.into_iter().chain(texts)
    }
}

/// One answer on its way.
struct Reply {
    plan: Plan,
    model: String,
    thinks: bool,
}

impl Reply {
    /// Streams it as server-sent events, each delta at its time.
    async fn stream(self, session: Arc<Session>, outlet: Outlet) -> Result<(), Cut> {
        match self.write(&session, &outlet).await {
            Err(Cut::Drop) if session.trouble.is_told() => {
                let error = json!({"type": "overloaded_error", "message": "Overloaded by what was said"});
                outlet.send(event(&json!({"type": "error", "error": error}))).await;
                Ok(())
            }
            written => written,
        }
    }

    async fn write(&self, session: &Session, outlet: &Outlet) -> Result<(), Cut> {
        let plan = &self.plan;
        let usage = json!({
            "input_tokens": plan.prompt_tokens, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
            "output_tokens": 1,
        });
        let begun = json!({"type": "message_start", "message": self.message(&json!([]), None, &usage)});
        outlet.send(event(&begun) + &event(&json!({"type": "ping"}))).await;
        if session.trouble.is_garbage() {
            session.pace(0, plan.first_due).await?;
            outlet.send("event: content_block_delta\ndata: {\"this is not\ndata: the protocol\n\n").await;
            return Ok(());
        }
        let mut sent = 0;
        for unit in self.units() {
            session.pace(sent, plan.due(sent)).await?;
            outlet.send(unit).await;
            sent += 1;
        }
        if plan.ending == Ending::Stall {
            return Err(Cut::Stall);
        }
        session.pace(sent, plan.first_due).await?;
        let delta = json!({"stop_reason": self.stop_reason(), "stop_sequence": null});
        let usage = json!({"output_tokens": plan.completion_tokens()});
        let end = event(&json!({"type": "message_delta", "delta": delta, "usage": usage}));
        outlet.send(end + &event(&json!({"type": "message_stop"}))).await;
        Ok(())
    }

    /// The events of its blocks, in units that have a time each.
    fn units(&self) -> Vec<String> {
        let start = |index: usize, block: Value| {
            event(&json!({"type": "content_block_start", "index": index, "content_block": block}))
        };
        let delta =
            |index: usize, delta: Value| event(&json!({"type": "content_block_delta", "index": index, "delta": delta}));
        let stop = |index: usize| event(&json!({"type": "content_block_stop", "index": index}));
        let mut units: Vec<String> = Vec::new();
        // What belongs to the unit that comes next.
        let mut front = String::new();
        let mut index = 0;
        if self.thinks {
            front += &start(index, json!({"type": "thinking", "thinking": "", "signature": ""}));
            front += &delta(index, json!({"type": "thinking_delta", "thinking": THOUGHT}));
            front += &delta(index, json!({"type": "signature_delta", "signature": "c2lnbmVk"}));
            front += &stop(index);
            index += 1;
        }
        for (n, token) in self.plan.tokens.iter().enumerate() {
            if n == 0 {
                front += &start(index, json!({"type": "text", "text": ""}));
            }
            units.push(std::mem::take(&mut front) + &delta(index, json!({"type": "text_delta", "text": token})));
        }
        if !self.plan.tokens.is_empty() {
            front += &stop(index);
            index += 1;
        }
        for call in &self.plan.calls {
            let block = json!({"type": "tool_use", "id": call.id, "name": call.name, "input": {}});
            front += &start(index, block);
            front += &delta(index, json!({"type": "input_json_delta", "partial_json": ""}));
            let arguments = if call.arguments.trim() == "{}" { Vec::new() } else { pieces(&call.arguments) };
            for piece in arguments {
                let piece = delta(index, json!({"type": "input_json_delta", "partial_json": piece}));
                units.push(std::mem::take(&mut front) + &piece);
            }
            front += &stop(index);
            index += 1;
        }
        units.push(front);
        units
    }

    /// Gives it whole, when its last token would have come.
    async fn whole(self, session: Session) -> Response {
        let Some(mut session) = self.plan.completed(session).await else {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        };
        if session.trouble.is_garbage() {
            return "{\"this is not\": the protocol".into_response();
        }
        let plan = &self.plan;
        let text = (!plan.tokens.is_empty()).then(|| json!({"type": "text", "text": plan.tokens.concat()}));
        let calls = plan.calls.iter().map(|call| {
            let input: Value = serde_json::from_str(&call.arguments).unwrap_or_default();
            json!({"type": "tool_use", "id": call.id, "name": call.name, "input": input})
        });
        let blocks: Value = text.into_iter().chain(calls).collect();
        let usage = json!({"input_tokens": plan.prompt_tokens, "output_tokens": plan.completion_tokens()});
        session.complete();
        Json(self.message(&blocks, Some(self.stop_reason()), &usage)).into_response()
    }

    fn message(&self, content: &Value, stop_reason: Option<&str>, usage: &Value) -> Value {
        json!({
            "id": format!("msg_{}", self.plan.id), "type": "message", "role": "assistant", "model": self.model,
            "content": content, "stop_reason": stop_reason, "stop_sequence": null, "usage": usage,
        })
    }

    fn stop_reason(&self) -> &'static str {
        match self.plan.calls.as_slice() {
            _ if self.plan.is_cut => "max_tokens",
            [] => "end_turn",
            _ => "tool_use",
        }
    }
}

/// A server-sent event named like its type.
fn event(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap_or_default())
}

const THOUGHT: &str = "I must not say this aloud.";
