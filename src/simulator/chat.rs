//! A language model that speaks OpenAI's chat completions: `POST /v1/chat/completions`, streamed or whole.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::body::Bytes;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::conversation::Service;

use super::calendar::unix_seconds;
use super::fault::Cut;
use super::script::{Answer, Ending, When};
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

/// Answers a request from the script.
pub(super) async fn complete(Shared(state): Shared<Arc<State>>, headers: HeaderMap, body: Bytes) -> Response {
    let key = Key::Given(Key::authorization(&headers, &["Bearer"]));
    let mut session = match state.admit(Service::Llm, key) {
        Ok(session) => session,
        Err(refusal) => return refused(refusal),
    };
    session.connect().await;
    let bad = |session: &mut Session, message: String, param: Option<&str>| {
        session.refuse();
        failure(StatusCode::BAD_REQUEST, "invalid_request_error", &message, None, param)
    };
    let request: Request = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(_) => return bad(&mut session, "We could not parse the JSON body of your request.".into(), None),
    };
    if let Err((message, param)) = request.check() {
        return bad(&mut session, message.into(), Some(param));
    }
    if session.trouble.is_blackhole() {
        return session.swallow().await;
    }
    session.state.requests().note(request.digest(), session.at);
    let model = &state.config.model;
    if model.script.is_counted() {
        // Which one it is shows when it would be given: until then an earlier one may be taken back.
        state.alarm.until(session.at + model.first_token).await;
    }
    let reply = Reply::to(&request, &session);
    session.note_text(&request.last_said());
    if let Ending::Refusal(status) = reply.ending {
        state.alarm.until(reply.first_due).await;
        session.refuse();
        return refused(Refusal::Status(status));
    }
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
    let status = refusal.status();
    match refusal {
        Refusal::NoKey => {
            failure(status, "invalid_request_error", "You didn't provide an API key: use a Bearer token.", None, None)
        }
        Refusal::WrongKey | Refusal::Status(401) => {
            failure(status, "invalid_request_error", "Incorrect API key provided.", Some("invalid_api_key"), None)
        }
        Refusal::TooMany | Refusal::Status(429) => failure(
            status,
            "requests",
            "Rate limit reached. Please try again later.",
            Some("rate_limit_exceeded"),
            None,
        ),
        Refusal::Status(400..=499) => failure(status, "invalid_request_error", "The request was refused.", None, None),
        Refusal::Status(_) => failure(status, "server_error", "The server had an error while processing.", None, None),
    }
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

    /// What the user said last.
    fn last_said(&self) -> String {
        self.messages.iter().rev().find(|message| message.role == "user").map(RequestMessage::text).unwrap_or_default()
    }

    /// What it says, as a number: the same messages give the same.
    fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for message in &self.messages {
            (message.role.as_str(), message.text(), message.tool_call_id.as_deref()).hash(&mut hasher);
        }
        hasher.finish()
    }

    fn offers(&self, tool: &str) -> bool {
        self.tools.iter().flatten().any(|offered| offered.function.name == tool)
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
    id: String,
    model: String,
    created: u64,
    tokens: Vec<String>,
    tool_calls: Vec<Value>,
    finish: &'static str,
    ending: Ending,
    prompt_tokens: usize,
    /// When the first token is due, and how far apart the others are.
    first_due: Instant,
    interval: Duration,
}

impl Reply {
    fn to(request: &Request, session: &Session) -> Self {
        let config = &session.state.config.model;
        let turn = request.messages.iter().filter(|message| message.role == "user").count();
        let tool_result = request.messages.last().filter(|message| message.role == "tool").map(RequestMessage::text);
        let number = session.state.requests().number(request.digest());
        let answer = config.script.choose(number, turn, &request.last_said(), tool_result.as_deref());
        let mut tokens = tokens(&answer.text);
        let id = session.state.request_id();
        let tool_calls = Self::tool_calls(&answer, request, &id);
        let most = request.max_completion_tokens.or(request.max_tokens).map_or(usize::MAX, |most| most as usize);
        let finish = match tool_calls.as_slice() {
            _ if tokens.len() > most => "length",
            [] => "stop",
            _ => "tool_calls",
        };
        tokens.truncate(most);
        let words = |message: &RequestMessage| message.text().split_whitespace().count() + 3;
        Self {
            model: request.model.chars().take(128).collect(),
            created: unix_seconds(),
            tokens,
            tool_calls: if finish == "length" { Vec::new() } else { tool_calls },
            finish,
            ending: answer.ending,
            prompt_tokens: request.messages.iter().map(words).sum(),
            first_due: session.at + answer.first_token.unwrap_or(config.first_token) + session.trouble.delay(),
            interval: Duration::from_secs_f64(1.0 / config.tokens_per_second.clamp(0.1, 100_000.0)),
            id: format!("chatcmpl-{id}"),
        }
    }

    fn tool_calls(answer: &Answer, request: &Request, id: &str) -> Vec<Value> {
        let is_counted = matches!(answer.when, When::Request(_));
        let offered = answer.tool_calls.iter().filter(|call| is_counted || request.offers(&call.name));
        let calls = offered.enumerate().map(|(n, call)| {
            let function = json!({"name": call.name, "arguments": call.arguments});
            json!({"id": format!("call_{id}_{n}"), "type": "function", "function": function})
        });
        calls.collect()
    }

    /// Streams it as server-sent events, each delta at its time.
    async fn stream(self, session: Arc<Session>, outlet: Outlet, include_usage: bool) -> Result<(), Cut> {
        if session.trouble.is_garbage() {
            session.pace(0, self.first_due).await?;
            outlet.send("data: {\"this is not\ndata: the protocol\n\n").await;
            return Ok(());
        }
        let mut sent = 0;
        let mut deltas: Vec<Value> = self.tokens.iter().map(|token| json!({"content": token})).collect();
        for (n, call) in self.tool_calls.iter().enumerate() {
            deltas.extend(call_deltas(n, call));
        }
        for delta in deltas {
            session.pace(sent, self.first_due + self.interval * sent).await?;
            let role = if sent == 0 {
                self.event(&json!({"role": "assistant", "content": ""}), None, include_usage)
            } else {
                String::new()
            };
            outlet.send(role + &self.event(&delta, None, include_usage)).await;
            sent += 1;
        }
        if self.ending == Ending::Stall {
            return Err(Cut::Stall);
        }
        session.pace(sent, self.first_due).await?;
        let mut end = self.event(&json!({}), Some(self.finish), include_usage);
        if include_usage {
            let mut chunk = self.chunk(json!([]));
            if let Some(fields) = chunk.as_object_mut() {
                fields.insert("usage".into(), self.usage());
            }
            end += &format!("data: {chunk}\n\n");
        }
        outlet.send(end + "data: [DONE]\n\n").await;
        Ok(())
    }

    /// Gives it whole, when its last token would have come.
    async fn whole(self, mut session: Session) -> Response {
        let units = (self.tokens.len() + self.tool_calls.len()) as u32;
        let due = self.first_due + self.interval * units.saturating_sub(1);
        // The cut of a whole answer has no units to count: any stall or drop befalls it entirely.
        let cut = session.trouble.cut_after(u32::MAX);
        if cut.is_some() || self.ending == Ending::Stall || session.pace(0, due).await.is_err() {
            return session.swallow().await;
        }
        if session.trouble.is_garbage() {
            return "{\"this is not\": the protocol".into_response();
        }
        let content = if self.tokens.is_empty() { Value::Null } else { Value::from(self.tokens.concat()) };
        let mut message = json!({"role": "assistant", "content": content, "refusal": null, "annotations": []});
        if let (false, Some(fields)) = (self.tool_calls.is_empty(), message.as_object_mut()) {
            fields.insert("tool_calls".into(), Value::from(self.tool_calls.clone()));
        }
        session.complete();
        Json(json!({
            "id": self.id, "object": "chat.completion", "created": self.created, "model": self.model,
            "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": self.finish}],
            "usage": self.usage(), "service_tier": "default", "system_fingerprint": null,
        }))
        .into_response()
    }

    fn event(&self, delta: &Value, finish: Option<&str>, include_usage: bool) -> String {
        let choices = json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]);
        let mut chunk = self.chunk(choices);
        if let (true, Some(fields)) = (include_usage, chunk.as_object_mut()) {
            fields.insert("usage".into(), Value::Null);
        }
        format!("data: {chunk}\n\n")
    }

    fn chunk(&self, choices: Value) -> Value {
        json!({
            "id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": self.model,
            "service_tier": "default", "system_fingerprint": null, "choices": choices,
        })
    }

    fn usage(&self) -> Value {
        let completion = self.tokens.len() + self.tool_calls.len() * 10;
        json!({
            "prompt_tokens": self.prompt_tokens, "completion_tokens": completion,
            "total_tokens": self.prompt_tokens + completion,
            "prompt_tokens_details": {"cached_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 0},
        })
    }
}

/// A tool call as deltas: its name first, then its arguments in pieces of a few characters.
fn call_deltas(index: usize, call: &Value) -> Vec<Value> {
    let part = |path: &str| call.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let delta = |call: Value| json!({"tool_calls": [call]});
    let head = json!({"name": part("/function/name"), "arguments": ""});
    let mut deltas = vec![delta(json!({"index": index, "id": part("/id"), "type": "function", "function": head}))];
    let arguments: Vec<char> = part("/function/arguments").chars().collect();
    for piece in arguments.chunks(ARGUMENT_PIECE) {
        let piece: String = piece.iter().collect();
        deltas.push(delta(json!({"index": index, "function": {"arguments": piece}})));
    }
    deltas
}

/// A text as tokens: words, each with the space before it.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    for letter in text.chars() {
        let starts_word =
            letter.is_whitespace() && tokens.last().is_some_and(|token| !token.ends_with(char::is_whitespace));
        match tokens.last_mut() {
            Some(token) if !starts_word => token.push(letter),
            _ => tokens.push(letter.to_string()),
        }
    }
    tokens
}

const ARGUMENT_PIECE: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_words_with_their_spaces_and_lose_nothing() {
        assert_eq!(tokens("Hello there,  friend."), ["Hello", " there,", "  friend."]);
        assert_eq!(tokens(""), [] as [&str; 0]);
        assert_eq!(tokens(" a\n\nb ").concat(), " a\n\nb ");
    }

    #[test]
    fn arguments_come_in_pieces_that_join_to_the_whole() {
        let call =
            json!({"id": "c1", "function": {"name": "book", "arguments": "{\"day\":\"Tuesday\",\"at\":\"2pm\"}"}});
        let deltas = call_deltas(0, &call);
        assert!(deltas.len() > 3);
        let arguments: String =
            deltas.iter().filter_map(|d| d.pointer("/tool_calls/0/function/arguments")?.as_str()).collect();
        assert_eq!(arguments, "{\"day\":\"Tuesday\",\"at\":\"2pm\"}");
    }
}
