//! A language model that speaks OpenAI's responses: `POST /v1/responses`, streamed or whole.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::conversation::Service;

use super::answering::{Asked, AskedMessage, Halt, Plan, PlannedCall, pieces};
use super::calendar::unix_seconds;
use super::chat::{failure, refused};
use super::fault::Cut;
use super::script::Ending;
use super::state::{Key, Outlet, Session, State};

/// The paths of this protocol.
pub(super) fn routes() -> Router<Arc<State>> {
    Router::new().route("/v1/responses", post(answer))
}

/// What this simulator reads of a request; the rest is accepted and ignored.
#[derive(Clone, Debug, Deserialize)]
struct Request {
    #[serde(default)]
    model: String,
    #[serde(default)]
    input: Value,
    #[serde(default)]
    instructions: Option<String>,
    #[serde(default)]
    tools: Vec<Value>,
    #[serde(default)]
    stream: bool,
    #[serde(default)]
    max_output_tokens: Option<u32>,
    #[serde(default)]
    reasoning: Option<Value>,
    /// The field of the older protocol, which is refused.
    #[serde(default)]
    messages: Option<Value>,
    #[serde(default)]
    max_tokens: Option<Value>,
}

type Refused = (String, &'static str);

/// Answers a request from the script.
async fn answer(Shared(state): Shared<Arc<State>>, headers: HeaderMap, body: Bytes) -> Response {
    let key = Key::authorization(&headers, &["Bearer"]);
    let mut session = match state.admit(Service::Llm, Key::Given(key)) {
        Ok(session) => session,
        Err(refusal) => return refused(refusal),
    };
    session.connect().await;
    let unreadable = |_| ("We could not parse the JSON body of your request.".to_owned(), "body");
    let asked = serde_json::from_slice::<Request>(&body).map_err(unreadable);
    let asked = asked.and_then(|request| Ok((request.asked()?, request)));
    let (asked, request) = match asked {
        Ok(asked) => asked,
        Err((why, param)) => {
            session.refuse();
            return failure(StatusCode::BAD_REQUEST, "invalid_request_error", &why, None, Some(param));
        }
    };
    let (session, plan) = match asked.plan(session).await {
        Ok(planned) => planned,
        Err(Halt::Refused(refusal)) => return refused(refusal),
        Err(Halt::Over) => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
    };
    let reply = Reply {
        plan,
        model: request.model.chars().take(128).collect(),
        created: unix_seconds(),
        thinks: request.reasoning.is_some_and(|reasoning| reasoning.is_object()),
    };
    let mut response = if request.stream {
        session.stream("text/event-stream; charset=utf-8", move |session, outlet| reply.stream(session, outlet))
    } else {
        reply.whole(session).await
    };
    if let Ok(id) = HeaderValue::from_str(&state.request_id()) {
        response.headers_mut().insert("x-request-id", id);
    }
    response
}

impl Request {
    /// The same in plain words; otherwise why it cannot be answered, and which parameter is wrong.
    fn asked(&self) -> Result<Asked, Refused> {
        let wrong = |why: &str, param: &'static str| Err((why.to_owned(), param));
        if self.model.is_empty() {
            return wrong("Missing required parameter: 'model'.", "model");
        }
        if self.messages.is_some() {
            return wrong("Unsupported parameter: 'messages' has moved to 'input' in the Responses API.", "messages");
        }
        if self.max_tokens.is_some() {
            return wrong("Unsupported parameter: 'max_tokens' has moved to 'max_output_tokens'.", "max_tokens");
        }
        if self.max_output_tokens.is_some_and(|tokens| tokens < LEAST_TOKENS) {
            return wrong("Invalid 'max_output_tokens': integer below minimum value.", "max_output_tokens");
        }
        let mut tools = Vec::new();
        for tool in &self.tools {
            match (tool["type"].as_str(), tool["name"].as_str()) {
                (Some("function"), Some(name)) if strict_is_kept(tool) => tools.push(name.to_owned()),
                (Some("function"), Some(_)) => return wrong("Invalid schema for function: not strict.", "tools"),
                _ => return wrong("Missing required parameter: 'tools[0].name'.", "tools"),
            }
        }
        let mut messages: Vec<AskedMessage> = self.instructions.iter().map(|text| said("system", text, None)).collect();
        match &self.input {
            Value::String(text) => messages.push(said("user", text, None)),
            Value::Array(items) if !items.is_empty() => messages.extend(self.items(items)?),
            _ => return wrong("Missing required parameter: 'input'.", "input"),
        }
        Ok(Asked { messages, tools, most: self.max_output_tokens })
    }

    /// The items of the input; every call needs its output and every output its call.
    fn items(&self, items: &[Value]) -> Result<Vec<AskedMessage>, Refused> {
        let wrong = |why: String| Err((why, "input"));
        let mut messages = Vec::new();
        let mut open: Vec<&str> = Vec::new();
        for item in items {
            let field = |name: &str| item[name].as_str();
            match (field("type").unwrap_or("message"), field("role")) {
                ("message", Some(role @ ("user" | "assistant" | "system" | "developer"))) => {
                    let Some(text) = text(role, &item["content"]) else {
                        return wrong("Invalid value: a part of 'content' has the wrong type.".to_owned());
                    };
                    messages.push(said(role, &text, None));
                }
                ("function_call", _) => match (field("call_id"), field("name"), field("arguments")) {
                    (Some(id), Some(_), Some(_)) if !id.is_empty() => open.push(id),
                    _ => return wrong("Missing required parameter of a function call.".to_owned()),
                },
                ("function_call_output", _) => match (field("call_id"), field("output")) {
                    (Some(id), Some(output)) if open.contains(&id) => {
                        open.retain(|known| *known != id);
                        messages.push(said("tool", output, Some(id)));
                    }
                    _ => return wrong("No tool call found for function call output.".to_owned()),
                },
                ("reasoning", _) => {}
                _ => {
                    return wrong("Invalid value: an item of 'input' has a type or role that is not known.".to_owned());
                }
            }
        }
        match open.first() {
            Some(id) => wrong(format!("No tool output found for function call {id}.")),
            None => Ok(messages),
        }
    }
}

fn said(role: &str, text: &str, id: Option<&str>) -> AskedMessage {
    AskedMessage { role: role.to_owned(), text: text.to_owned(), tool_call_id: id.map(str::to_owned) }
}

/// The text of a message, whether it came as a string or in parts of the kind that its role has.
fn text(role: &str, content: &Value) -> Option<String> {
    let kind = if role == "assistant" { "output_text" } else { "input_text" };
    match content {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => {
            parts.iter().map(|part| part["text"].as_str().filter(|_| part["type"] == kind)).collect()
        }
        _ => None,
    }
}

/// A schema that is strict, as it is unless told otherwise, forbids further properties and requires all it has.
fn strict_is_kept(tool: &Value) -> bool {
    let schema = &tool["parameters"];
    let properties = schema["properties"].as_object().map_or(0, serde_json::Map::len);
    let required = schema["required"].as_array().map_or(0, Vec::len);
    tool["strict"] == false || (schema["additionalProperties"] == false && required == properties)
}

/// One answer on its way.
struct Reply {
    plan: Plan,
    model: String,
    created: u64,
    thinks: bool,
}

/// The events of a stream, numbered.
#[derive(Default)]
struct Events {
    number: u32,
    text: String,
}

impl Events {
    fn add(&mut self, kind: &str, mut event: Value) {
        if let Some(fields) = event.as_object_mut() {
            fields.insert("type".into(), kind.into());
            fields.insert("sequence_number".into(), self.number.into());
        }
        self.number += 1;
        self.text += &format!("event: {kind}\ndata: {event}\n\n");
    }

    fn take(&mut self) -> String {
        std::mem::take(&mut self.text)
    }
}

impl Reply {
    /// Streams it as server-sent events, each delta at its time.
    async fn stream(self, session: Arc<Session>, outlet: Outlet) -> Result<(), Cut> {
        let mut events = Events::default();
        match self.write(&session, &outlet, &mut events).await {
            Err(Cut::Drop) if session.trouble.is_told() => {
                let mut failed = self.response("failed", &json!([]), None);
                failed["error"] = json!({"code": "server_error", "message": "Broken by what was said"});
                events.add("response.failed", json!({"response": failed}));
                outlet.send(events.take()).await;
                Ok(())
            }
            written => written,
        }
    }

    async fn write(&self, session: &Session, outlet: &Outlet, events: &mut Events) -> Result<(), Cut> {
        let plan = &self.plan;
        let begun = self.response("in_progress", &json!([]), None);
        events.add("response.created", json!({"response": begun}));
        events.add("response.in_progress", json!({"response": begun}));
        outlet.send(events.take()).await;
        if session.trouble.is_garbage() {
            session.pace(0, plan.first_due).await?;
            outlet.send("event: response.output_text.delta\ndata: {\"this is not\ndata: the protocol\n\n").await;
            return Ok(());
        }
        let (mut sent, mut index) = (0, 0);
        if self.thinks {
            self.think(events);
            index += 1;
        }
        let id = self.message_id();
        let at = |index: usize| json!({"item_id": id, "output_index": index, "content_index": 0});
        for token in &plan.tokens {
            session.pace(sent, plan.due(sent)).await?;
            if sent == 0 {
                let item =
                    json!({"id": id, "type": "message", "status": "in_progress", "role": "assistant", "content": []});
                events.add("response.output_item.added", json!({"output_index": index, "item": item}));
                events.add("response.content_part.added", with(at(index), "part", part("")));
            }
            let delta = with(with(at(index), "delta", token.as_str().into()), "logprobs", json!([]));
            events.add("response.output_text.delta", delta);
            outlet.send(events.take()).await;
            sent += 1;
        }
        if sent > 0 {
            let text = plan.tokens.concat();
            let done = with(with(at(index), "text", text.as_str().into()), "logprobs", json!([]));
            events.add("response.output_text.done", done);
            events.add("response.content_part.done", with(at(index), "part", part(&text)));
            events.add("response.output_item.done", json!({"output_index": index, "item": self.message()}));
            index += 1;
        }
        for call in &plan.calls {
            let mut item = function_call(call, "in_progress");
            item["arguments"] = "".into();
            events.add("response.output_item.added", json!({"output_index": index, "item": item}));
            for piece in pieces(&call.arguments) {
                session.pace(sent, plan.due(sent)).await?;
                let delta = json!({"item_id": item_id(call), "output_index": index, "delta": piece});
                events.add("response.function_call_arguments.delta", delta);
                outlet.send(events.take()).await;
                sent += 1;
            }
            let done = json!({
                "item_id": item_id(call), "output_index": index, "name": call.name, "arguments": call.arguments,
            });
            events.add("response.function_call_arguments.done", done);
            let item = function_call(call, "completed");
            events.add("response.output_item.done", json!({"output_index": index, "item": item}));
            index += 1;
        }
        if plan.ending == Ending::Stall {
            outlet.send(events.take()).await;
            return Err(Cut::Stall);
        }
        session.pace(sent, plan.first_due).await?;
        let kind = if plan.is_cut { "response.incomplete" } else { "response.completed" };
        events.add(kind, json!({"response": self.complete()}));
        outlet.send(events.take()).await;
        Ok(())
    }

    fn think(&self, events: &mut Events) {
        let item = json!({"id": "rs_1", "type": "reasoning", "summary": []});
        events.add("response.output_item.added", json!({"output_index": 0, "item": item}));
        let at = json!({"item_id": "rs_1", "output_index": 0, "summary_index": 0});
        events.add("response.reasoning_summary_text.delta", with(at.clone(), "delta", THOUGHT.into()));
        events.add("response.reasoning_summary_text.done", with(at, "text", THOUGHT.into()));
        events.add("response.output_item.done", json!({"output_index": 0, "item": item}));
    }

    /// Gives it whole, when its last token would have come.
    async fn whole(self, session: Session) -> Response {
        let Some(mut session) = self.plan.completed(session).await else {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        };
        if session.trouble.is_garbage() {
            return "{\"this is not\": the protocol".into_response();
        }
        session.complete();
        Json(self.complete()).into_response()
    }

    /// The answer at its end.
    fn complete(&self) -> Value {
        let plan = &self.plan;
        let message = (!plan.tokens.is_empty()).then(|| self.message());
        let calls = plan.calls.iter().map(|call| function_call(call, "completed"));
        let output: Value = message.into_iter().chain(calls).collect();
        let (read, written) = (plan.prompt_tokens, plan.completion_tokens());
        let usage = json!({
            "input_tokens": read, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": written, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": read + written,
        });
        self.response(if plan.is_cut { "incomplete" } else { "completed" }, &output, Some(usage))
    }

    fn response(&self, status: &str, output: &Value, usage: Option<Value>) -> Value {
        let details = (status == "incomplete").then(|| json!({"reason": "max_output_tokens"}));
        json!({
            "id": format!("resp_{}", self.plan.id), "object": "response", "created_at": self.created,
            "status": status, "error": null, "incomplete_details": details, "instructions": null,
            "max_output_tokens": null, "metadata": {}, "model": self.model, "output": output,
            "parallel_tool_calls": true, "previous_response_id": null, "store": false, "temperature": 1.0,
            "text": {"format": {"type": "text"}}, "tool_choice": "auto", "tools": [], "top_p": 1.0,
            "truncation": "disabled", "usage": usage,
        })
    }

    fn message_id(&self) -> String {
        format!("msg_{}", self.plan.id)
    }

    fn message(&self) -> Value {
        let status = if self.plan.is_cut { "incomplete" } else { "completed" };
        let content = json!([part(&self.plan.tokens.concat())]);
        json!({"id": self.message_id(), "type": "message", "status": status, "role": "assistant", "content": content})
    }
}

fn part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

fn item_id(call: &PlannedCall) -> String {
    format!("fc_{}", call.id)
}

fn function_call(call: &PlannedCall, status: &str) -> Value {
    json!({
        "id": item_id(call), "type": "function_call", "status": status, "call_id": call.id, "name": call.name,
        "arguments": call.arguments,
    })
}

/// `object` with one more field.
fn with(mut object: Value, name: &str, value: Value) -> Value {
    object[name] = value;
    object
}

/// The least limit of tokens that is accepted.
const LEAST_TOKENS: u32 = 16;

const THOUGHT: &str = "I must not say this aloud.";
