//! A language model that speaks OpenAI's chat completions: `POST /v1/chat/completions`, streamed or whole.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State as Shared};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::conversation::Service;

use super::answering::{Asked, AskedMessage, Halt, Plan, PlannedCall};
use super::calendar::unix_seconds;
use super::dialect::Dialect;
use super::fault::Cut;
use super::script::Ending;
use super::state::{Key, Outlet, Refusal, Session, State};

/// What this simulator reads of a request; the rest is accepted and ignored.
#[derive(Clone, Debug, Deserialize)]
struct Request {
    #[serde(default)]
    model: String,
    #[serde(default)]
    messages: Vec<RequestMessage>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    #[serde(default)]
    tools: Option<Vec<Tool>>,
    #[serde(default)]
    max_tokens: Option<u32>,
    #[serde(default)]
    max_completion_tokens: Option<u32>,
    #[serde(default)]
    n: Option<u32>,
}

#[derive(Clone, Debug, Deserialize)]
struct RequestMessage {
    role: String,
    #[serde(default)]
    content: Value,
    #[serde(default)]
    tool_call_id: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: Option<bool>,
}

#[derive(Clone, Debug, Deserialize)]
struct Tool {
    function: ToolFunction,
}

#[derive(Clone, Debug, Deserialize)]
struct ToolFunction {
    name: String,
}

/// Answers a request from the script, in the dialect that its path names.
pub(super) async fn complete(
    Shared(state): Shared<Arc<State>>,
    prefix: Option<Path<HashMap<String, String>>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let dialect = prefix.and_then(|Path(path)| Dialect::named(path.get("prefix")?)).unwrap_or_default();
    let key = Key::authorization(&headers, &["Bearer"]);
    let key = if dialect.needs_key() { Key::Given(key) } else { Key::Later };
    let whole: Value = serde_json::from_slice(&body).unwrap_or_default();
    // Nothing befalls what is refused for its fields: the same request is about to come in other words.
    if let Some(refusal) = dialect.refuses(&whole) {
        state.note(Service::Llm, |log| (log.requests, log.refused) = (log.requests + 1, log.refused + 1));
        return refusal;
    }
    let mut session = match state.admit(Service::Llm, key) {
        Ok(session) => session,
        Err(refusal) => return refused_by(dialect, refusal),
    };
    session.connect().await;
    let bad = |session: &mut Session, message: &str, param: Option<&str>| {
        session.refuse();
        let error = json!({"message": message, "type": "invalid_request_error", "param": param, "code": null});
        dialect.failure(StatusCode::BAD_REQUEST, error)
    };
    let Ok(request) = serde_json::from_value::<Request>(whole) else {
        return bad(&mut session, "We could not parse the JSON body of your request.", None);
    };
    if let Err((message, param)) = request.check() {
        return bad(&mut session, message, Some(param));
    }
    let (session, plan) = match request.asked().plan(session).await {
        Ok(planned) => planned,
        Err(Halt::Refused(refusal)) => return refused_by(dialect, refusal),
        Err(Halt::Over) => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
    };
    let reply = Reply::to(&request, dialect, plan);
    let mut response = if request.stream == Some(true) {
        let include_usage = request.stream_options.is_some_and(|options| options.include_usage == Some(true));
        session.stream("text/event-stream", move |session, outlet| reply.stream(session, outlet, include_usage))
    } else {
        reply.whole(session).await
    };
    if let Ok(id) = HeaderValue::from_str(&state.request_id()) {
        response.headers_mut().insert("x-request-id", id);
    }
    response
}

/// `GET /v1/models`.
pub(super) async fn models(Shared(state): Shared<Arc<State>>, headers: HeaderMap) -> Response {
    match (Key::authorization(&headers, &["Bearer"]), &state.config.key) {
        (None, _) => return refused(Refusal::NoKey),
        (Some(given), Some(wanted)) if given != wanted => return refused(Refusal::WrongKey),
        _ => {}
    }
    let model = |id: &str| json!({"id": id, "object": "model", "created": 1_700_000_000, "owned_by": "simulator"});
    let models = ["gpt-4o-mini", "gpt-4.1-mini", "gpt-4o-mini-tts"].map(model);
    Json(json!({"object": "list", "data": models})).into_response()
}

/// Refuses as OpenAI does.
pub(super) fn refused(refusal: Refusal) -> Response {
    refused_by(Dialect::OpenAi, refusal)
}

/// Refuses as a server of this dialect does.
fn refused_by(dialect: Dialect, refusal: Refusal) -> Response {
    let status = refusal.status();
    let (kind, code, message) = match refusal {
        Refusal::NoKey => ("invalid_request_error", None, "You didn't provide an API key: use a Bearer token."),
        Refusal::WrongKey | Refusal::Status(401) => {
            ("invalid_request_error", Some("invalid_api_key"), "Incorrect API key provided.")
        }
        Refusal::TooMany | Refusal::Status(429) => {
            ("requests", Some("rate_limit_exceeded"), "Rate limit reached. Please try again later.")
        }
        Refusal::Status(403) => ("request_forbidden", None, "This is not for you."),
        Refusal::Status(400..=499) => ("invalid_request_error", None, "The request was refused."),
        Refusal::Status(_) => ("server_error", None, "The server had an error while processing."),
    };
    let mut response = dialect.failure(status, json!({"message": message, "type": kind, "param": null, "code": code}));
    if status == StatusCode::TOO_MANY_REQUESTS {
        response.headers_mut().insert("retry-after", HeaderValue::from_static("2"));
    }
    response
}

/// An error body of OpenAI.
pub(super) fn failure(
    status: StatusCode,
    kind: &str,
    message: &str,
    code: Option<&str>,
    param: Option<&str>,
) -> Response {
    let body = json!({"error": {"message": message, "type": kind, "param": param, "code": code}});
    (status, Json(body)).into_response()
}

impl Request {
    /// Whether it can be answered; otherwise why not, and which parameter is wrong.
    fn check(&self) -> Result<(), (&'static str, &'static str)> {
        const ROLES: [&str; 6] = ["system", "developer", "user", "assistant", "tool", "function"];
        if self.model.is_empty() {
            return Err(("you must provide a model parameter", "model"));
        }
        if self.messages.is_empty() {
            return Err(("'messages' must hold at least one message", "messages"));
        }
        if self.messages.iter().any(|message| !ROLES.contains(&message.role.as_str())) {
            return Err(("a message has a role this model does not know", "messages"));
        }
        if self.messages.iter().any(|message| message.role == "tool" && message.tool_call_id.is_none()) {
            return Err(("a message of role 'tool' needs a tool_call_id", "messages"));
        }
        if self.n.unwrap_or(1) != 1 {
            return Err(("this simulator gives one choice", "n"));
        }
        Ok(())
    }

    /// The same in plain words.
    fn asked(&self) -> Asked {
        let message = |message: &RequestMessage| AskedMessage {
            role: message.role.clone(),
            text: message.text(),
            tool_call_id: message.tool_call_id.clone(),
        };
        Asked {
            messages: self.messages.iter().map(message).collect(),
            tools: self.tools.iter().flatten().map(|tool| tool.function.name.clone()).collect(),
            most: self.max_completion_tokens.or(self.max_tokens),
        }
    }
}

impl RequestMessage {
    /// The text, whether it came as a string or in parts.
    fn text(&self) -> String {
        match &self.content {
            Value::String(text) => text.clone(),
            Value::Array(parts) => {
                parts.iter().filter_map(|part| part.get("text")?.as_str()).collect::<Vec<_>>().join(" ")
            }
            _ => String::new(),
        }
    }
}

/// One answer on its way.
struct Reply {
    dialect: Dialect,
    plan: Plan,
    model: String,
    created: u64,
    finish: &'static str,
}

impl Reply {
    fn to(request: &Request, dialect: Dialect, plan: Plan) -> Self {
        let finish = match plan.calls.as_slice() {
            _ if plan.is_cut => "length",
            [] => "stop",
            _ => "tool_calls",
        };
        Self { dialect, plan, model: request.model.chars().take(128).collect(), created: unix_seconds(), finish }
    }

    /// Streams it as server-sent events, each delta at its time.
    async fn stream(self, session: Arc<Session>, outlet: Outlet, include_usage: bool) -> Result<(), Cut> {
        match self.write(&session, &outlet, include_usage).await {
            Err(Cut::Drop) if session.trouble.is_told() => {
                outlet.send(self.dialect.error()).await;
                Ok(())
            }
            written => written,
        }
    }

    async fn write(&self, session: &Session, outlet: &Outlet, include_usage: bool) -> Result<(), Cut> {
        let plan = &self.plan;
        if !self.dialect.waiting().is_empty() {
            outlet.send(self.dialect.waiting()).await;
        }
        if session.trouble.is_garbage() {
            session.pace(0, plan.first_due).await?;
            outlet.send("data: {\"this is not\ndata: the protocol\n\n").await;
            return Ok(());
        }
        let mut sent = 0;
        let mut deltas: Vec<Value> = plan.tokens.iter().map(|token| self.dialect.token(token)).collect();
        for (n, call) in plan.calls.iter().enumerate() {
            deltas.extend(self.dialect.call(n, call));
        }
        for delta in deltas {
            session.pace(sent, plan.due(sent)).await?;
            let opening = if sent == 0 { self.dialect.opening() } else { Vec::new() };
            let events: String = opening.iter().chain([&delta]).map(|delta| self.event(delta, include_usage)).collect();
            outlet.send(events).await;
            sent += 1;
        }
        if plan.ending == Ending::Stall {
            return Err(Cut::Stall);
        }
        session.pace(sent, plan.first_due).await?;
        let ends = self.dialect.end(self.finish, &self.usage(), include_usage);
        let ends: String = ends.into_iter().map(|(choices, fields)| self.chunk(choices, fields)).collect();
        outlet.send(ends + "data: [DONE]\n\n").await;
        Ok(())
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
        let content = if plan.tokens.is_empty() { Value::Null } else { Value::from(plan.tokens.concat()) };
        let mut message = json!({"role": "assistant", "content": content, "refusal": null, "annotations": []});
        if let (false, Some(fields)) = (plan.calls.is_empty(), message.as_object_mut()) {
            let call = |call: &PlannedCall| {
                let function = json!({"name": call.name, "arguments": call.arguments});
                json!({"id": call.id, "type": "function", "function": function})
            };
            fields.insert("tool_calls".into(), plan.calls.iter().map(call).collect());
        }
        session.complete();
        Json(json!({
            "id": self.id(), "object": "chat.completion", "created": self.created, "model": self.model,
            "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": self.finish}],
            "usage": self.usage(), "service_tier": "default", "system_fingerprint": null,
        }))
        .into_response()
    }

    fn id(&self) -> String {
        format!("chatcmpl-{}", self.plan.id)
    }

    fn event(&self, delta: &Value, include_usage: bool) -> String {
        let choices = json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": null}]);
        let fields = if include_usage { json!({"usage": null}) } else { json!({}) };
        self.chunk(choices, fields)
    }

    /// One event of the stream, with further `fields`.
    fn chunk(&self, choices: Value, fields: Value) -> String {
        let mut chunk = json!({
            "id": self.id(), "object": "chat.completion.chunk", "created": self.created, "model": self.model,
            "service_tier": "default", "system_fingerprint": null, "choices": choices,
        });
        if let (Some(chunk), Value::Object(fields)) = (chunk.as_object_mut(), fields) {
            chunk.extend(fields);
        }
        format!("data: {chunk}\n\n")
    }

    fn usage(&self) -> Value {
        let (prompt, completion) = (self.plan.prompt_tokens, self.plan.completion_tokens());
        json!({
            "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 0},
        })
    }
}
