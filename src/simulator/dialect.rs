//! How the servers that speak OpenAI's chat completions differ.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::answering::{PlannedCall, pieces};

/// A server that speaks OpenAI's chat completions in its own way. A base URL names it by its first segment
/// ([`Simulators::chat_url`](super::Simulators::chat_url)). All but OpenAI's think before they answer.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Dialect {
    /// OpenAI. Models named like its reasoning models refuse `max_tokens` and `temperature`.
    #[default]
    OpenAi,
    /// Groq: whole calls, usage in `x_groq` too, thoughts in `reasoning`, a failure as a word in `x_groq`.
    Groq,
    /// Together: usage with the end, which is `eos`; thoughts between tags.
    Together,
    /// OpenRouter: comments while it waits, usage beside a choice, failures inside the stream.
    OpenRouter,
    /// Ollama: no key, whole calls, thoughts in `reasoning`; a failure is a line that is no event.
    Ollama,
    /// vLLM: no key, names without arguments, thoughts in `reasoning_content`, errors that are the event itself.
    Vllm,
    /// llama.cpp: no key, `content` of null, timings, an event of the field `error`.
    LlamaCpp,
    /// A server that refuses every field it does not know (`stream_options`, `max_completion_tokens`), never counts
    /// tokens, gives calls as objects without index or id, always ends with `stop`, and puts thoughts into parts.
    Strict,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::OpenAi,
        Self::Groq,
        Self::Together,
        Self::OpenRouter,
        Self::Ollama,
        Self::Vllm,
        Self::LlamaCpp,
        Self::Strict,
    ];

    /// A short lower-case name: the first segment of its base URL.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Groq => "groq",
            Self::Together => "together",
            Self::OpenRouter => "openrouter",
            Self::Ollama => "ollama",
            Self::Vllm => "vllm",
            Self::LlamaCpp => "llamacpp",
            Self::Strict => "strict",
        }
    }

    /// The path of its base URL, as with the vendor.
    pub(super) const fn base(self) -> &'static str {
        match self {
            Self::OpenAi => "/v1",
            Self::Groq => "/groq/openai/v1",
            Self::Together => "/together/v1",
            Self::OpenRouter => "/openrouter/api/v1",
            Self::Ollama => "/ollama/v1",
            Self::Vllm => "/vllm/v1",
            Self::LlamaCpp => "/llamacpp/v1",
            Self::Strict => "/strict/v1",
        }
    }

    /// The one of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.name() == name)
    }

    /// Whether it asks for a key.
    pub(super) const fn needs_key(self) -> bool {
        !matches!(self, Self::Ollama | Self::Vllm | Self::LlamaCpp)
    }

    /// The refusal of a request that holds a field it does not take.
    pub(super) fn refuses(self, body: &Value) -> Option<Response> {
        match self {
            Self::OpenAi
                if REASONING.iter().any(|name| body["model"].as_str().is_some_and(|model| model.starts_with(name))) =>
            {
                let why = |field: &str, code: &str, more: &str| {
                    let message = format!("Unsupported parameter: '{field}' is not supported with this model.{more}");
                    let error =
                        json!({"message": message, "type": "invalid_request_error", "param": field, "code": code});
                    Some((StatusCode::BAD_REQUEST, Json(json!({"error": error}))).into_response())
                };
                if body.get("max_tokens").is_some() {
                    why("max_tokens", "unsupported_parameter", " Use 'max_completion_tokens' instead.")
                } else if body.get("temperature").is_some_and(|value| value.as_f64() != Some(1.0)) {
                    why("temperature", "unsupported_value", "")
                } else {
                    None
                }
            }
            Self::Strict => {
                let fields = body.as_object()?.keys().filter(|field| !KNOWN.contains(&field.as_str()));
                let detail: Vec<Value> = fields
                    .map(|field| {
                        json!({"type": "extra_forbidden", "loc": ["body", field], "msg": "Extra inputs are not permitted"})
                    })
                    .collect();
                let body = json!({"object": "error", "message": {"detail": detail}, "type": "invalid_request_error"});
                (!detail.is_empty()).then(|| (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response())
            }
            _ => None,
        }
    }

    /// An error body, from OpenAI's fields.
    pub(super) fn failure(self, status: StatusCode, error: Value) -> Response {
        let message = &error["message"];
        let number = status.as_u16();
        let body = match self {
            Self::Vllm => {
                json!({"object": "error", "message": message, "type": "BadRequestError", "param": null, "code": number})
            }
            Self::OpenRouter => json!({"error": {"message": message, "code": number}}),
            Self::LlamaCpp => {
                let kind = match number {
                    401 => "authentication_error",
                    403 => "permission_error",
                    404 => "not_found_error",
                    400..=499 => "invalid_request_error",
                    503 => "unavailable_error",
                    _ => "server_error",
                };
                json!({"error": {"code": number, "message": message, "type": kind}})
            }
            _ => json!({"error": error}),
        };
        (status, Json(body)).into_response()
    }

    /// What is sent while nothing has been thought of.
    pub(super) const fn waiting(self) -> &'static str {
        match self {
            Self::OpenRouter => ": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\n",
            Self::Strict => ": keep-alive\r\n\r\n",
            _ => "",
        }
    }

    /// The deltas before the first token: the role, then the thoughts.
    pub(super) fn opening(self) -> Vec<Value> {
        let [one, two] = THOUGHTS;
        let thoughts = match self {
            Self::OpenAi => return vec![json!({"role": "assistant", "content": ""})],
            Self::Groq => [json!({"reasoning": one}), json!({"reasoning": two})],
            Self::Together => [json!({"content": "<thi"}), json!({"content": format!("nk>{one}{two}</think>\n\n")})],
            Self::OpenRouter => [one, two].map(|text| {
                let details = json!([{"type": "reasoning.text", "text": text, "format": "unknown", "index": 0}]);
                json!({"role": "assistant", "content": "", "reasoning": text, "reasoning_details": details})
            }),
            Self::Ollama => [one, two].map(|text| json!({"role": "assistant", "content": "", "reasoning": text})),
            Self::Vllm => [one, two].map(|text| json!({"reasoning_content": text, "reasoning": text})),
            Self::LlamaCpp => [one, two].map(|text| json!({"content": null, "reasoning_content": text})),
            Self::Strict => [one, two]
                .map(|text| json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]})),
        };
        let content = if self == Self::LlamaCpp { Value::Null } else { Value::from("") };
        let role = json!({"role": "assistant", "content": content});
        std::iter::once(role).chain(thoughts).collect()
    }

    /// The delta of a token.
    pub(super) fn token(self, token: &str) -> Value {
        match self {
            Self::Ollama | Self::OpenRouter => json!({"role": "assistant", "content": token}),
            Self::Together => json!({"role": "assistant", "content": token, "token_id": 11}),
            _ => json!({"content": token}),
        }
    }

    /// The deltas of a call.
    pub(super) fn call(self, index: usize, call: &PlannedCall) -> Vec<Value> {
        let delta = |call: Value| json!({"tool_calls": [call]});
        let whole = json!({"name": call.name, "arguments": call.arguments});
        match self {
            Self::Groq | Self::Together | Self::Ollama => {
                vec![delta(json!({"index": index, "id": call.id, "type": "function", "function": whole}))]
            }
            Self::Strict => {
                let arguments: Value = serde_json::from_str(&call.arguments).unwrap_or_default();
                vec![delta(json!({"function": {"name": call.name, "arguments": arguments}}))]
            }
            _ => {
                let mut head = json!({"name": call.name});
                if let (true, Some(fields)) = (self != Self::Vllm, head.as_object_mut()) {
                    fields.insert("arguments".into(), "".into());
                }
                let first = json!({"index": index, "id": call.id, "type": "function", "function": head});
                let rest = pieces(&call.arguments)
                    .into_iter()
                    .map(|piece| json!({"index": index, "function": {"arguments": piece}}));
                std::iter::once(first).chain(rest).map(delta).collect()
            }
        }
    }

    /// The chunks that end an answer: `(choices, further fields)` each. `usage` is given where it was asked for.
    pub(super) fn end(self, finish: &str, usage: &Value, is_asked: bool) -> Vec<(Value, Value)> {
        let choice = |delta: Value, finish: Value, key: &str, more: Value| {
            let mut choice = json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish});
            if let (false, Some(fields)) = (key.is_empty(), choice.as_object_mut()) {
                fields.insert(key.into(), more);
            }
            json!([choice])
        };
        let counted = || (json!([]), json!({"usage": usage}));
        let asked = || is_asked.then(counted).into_iter();
        let plain = |fields: Value| (choice(json!({}), finish.into(), "", Value::Null), fields);
        match self {
            Self::OpenAi | Self::Ollama => {
                let null = if is_asked { json!({"usage": null}) } else { json!({}) };
                [plain(null)].into_iter().chain(asked()).collect()
            }
            Self::Groq => {
                [plain(json!({"x_groq": {"id": "req_1", "usage": usage}}))].into_iter().chain(asked()).collect()
            }
            Self::Together => {
                let finish = if finish == "stop" { "eos" } else { finish };
                vec![(choice(json!({"content": ""}), finish.into(), "text", "".into()), json!({"usage": usage}))]
            }
            Self::OpenRouter => {
                let empty = || json!({"role": "assistant", "content": ""});
                vec![
                    (choice(empty(), finish.into(), "native_finish_reason", finish.into()), json!({})),
                    (choice(empty(), Value::Null, "native_finish_reason", Value::Null), json!({"usage": usage})),
                ]
            }
            Self::Vllm => {
                let ended = (choice(json!({"content": ""}), finish.into(), "stop_reason", Value::Null), json!({}));
                [ended].into_iter().chain(asked()).collect()
            }
            Self::LlamaCpp => {
                let timings = json!({"usage": usage, "timings": {"prompt_n": 3, "predicted_ms": 12.5}});
                vec![plain(json!({})), (json!([]), timings)]
            }
            Self::Strict => vec![(choice(json!({"content": ""}), "stop".into(), "", Value::Null), json!({}))],
        }
    }

    /// What a stream says that fails on the way.
    pub(super) fn error(self) -> String {
        let message = "The model is overloaded: what you said was too much.";
        match self {
            Self::OpenAi | Self::Together => {
                let error = json!({"message": message, "type": "server_error", "param": null, "code": null});
                format!("data: {}\n\n", json!({"error": error}))
            }
            Self::Groq => {
                let chunk = json!({"choices": [], "x_groq": {"id": "req_1", "error": "over_capacity"}});
                format!("data: {chunk}\n\ndata: [DONE]\n\n")
            }
            Self::OpenRouter => {
                let choice = json!({"index": 0, "delta": {"content": ""}, "finish_reason": "error"});
                let error =
                    json!({"code": 502, "message": message, "metadata": {"provider_name": "x", "raw": message}});
                format!("data: {}\n\ndata: [DONE]\n\n", json!({"error": error, "choices": [choice]}))
            }
            Self::Ollama => format!("{}\n", json!({"error": message})),
            Self::Vllm => {
                let error = json!({"object": "error", "message": message, "type": "InternalServerError", "code": 500});
                format!("data: {error}\n\ndata: [DONE]\n\n")
            }
            Self::LlamaCpp => {
                format!("error: {}\n\n", json!({"code": 500, "message": message, "type": "server_error"}))
            }
            Self::Strict => format!("data: {}\n\n", json!({"error": message})),
        }
    }
}

/// What a model thinks before it answers.
const THOUGHTS: [&str; 2] = ["The caller wants something. ", "I must not say this aloud."];

/// The beginnings of the names of OpenAI's reasoning models.
const REASONING: [&str; 4] = ["o1", "o3", "o4", "gpt-5"];

/// The fields a strict server knows.
const KNOWN: [&str; 11] = [
    "model",
    "messages",
    "stream",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "max_tokens",
    "temperature",
    "top_p",
    "stop",
    "response_format",
];
