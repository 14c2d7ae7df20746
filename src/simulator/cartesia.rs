//! A voice that speaks Cartesia's protocol: `GET /tts/websocket`, a WebSocket with contexts.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::extract::{RawQuery, State as Shared};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::audio::{Codec, SampleRate};
use crate::conversation::Service;

use super::contexts::{Manner, Tongue, Wish, Wrong, upgrade};
use super::sound::{Coding, SoundFormat};
use super::state::{Key, Refusal, State};
use super::voice::Piece;

/// The paths of this vendor.
pub(super) fn routes() -> Router<Arc<State>> {
    Router::new().route("/tts/websocket", get(open))
}

async fn open(
    Shared(state): Shared<Arc<State>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    socket: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let query: HashMap<String, String> =
        url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().take(MOST_PARAMETERS).collect();
    let in_head = headers.get("x-api-key").and_then(|key| key.to_str().ok());
    let in_query = query.get("api_key").or(query.get("access_token")).map(String::as_str);
    let key = in_head.or_else(|| Key::authorization(&headers, &["Bearer"])).or(in_query);
    let mut session = match state.admit(Service::Tts, Key::Given(key)) {
        Ok(session) => session,
        Err(refusal) => return refused(refusal),
    };
    session.connect().await;
    if !headers.contains_key("cartesia-version") && !query.contains_key("cartesia_version") {
        session.refuse();
        return failure(StatusCode::BAD_REQUEST, "version_missing", "The version is missing.");
    }
    upgrade(session, socket, Cartesia::default())
}

fn refused(refusal: Refusal) -> Response {
    let (code, message) = match refusal {
        Refusal::NoKey | Refusal::WrongKey | Refusal::Status(401) => ("unauthorized", "Invalid API key."),
        Refusal::Status(403) => ("forbidden", "The key lacks a permission."),
        Refusal::Status(402) => ("quota_exceeded", "The credits are used up."),
        Refusal::TooMany | Refusal::Status(429) => ("concurrency_limited", "Too many contexts."),
        Refusal::Status(_) => ("internal", "An error occurred."),
    };
    failure(refusal.status(), code, message)
}

fn failure(status: StatusCode, code: &str, message: &str) -> Response {
    (status, Json(json!({"error_code": code, "title": "Error", "message": message}))).into_response()
}

/// The messages of one connection.
#[derive(Debug, Default)]
struct Cartesia {
    /// How often each open context was flushed.
    flushes: HashMap<String, u64>,
    /// The open contexts that want to be told of words.
    timed: HashSet<String>,
}

/// A message of the client.
#[derive(Debug, Deserialize)]
struct Input {
    context_id: String,
    #[serde(default)]
    cancel: bool,
    #[serde(default)]
    model_id: Option<String>,
    #[serde(default)]
    transcript: Option<String>,
    #[serde(default)]
    voice: Option<Value>,
    #[serde(default)]
    output_format: Option<OutputFormat>,
    #[serde(default, rename = "continue")]
    goes_on: bool,
    #[serde(default)]
    flush: bool,
    #[serde(default)]
    max_buffer_delay_ms: Option<u64>,
    #[serde(default)]
    generation_config: Option<GenerationConfig>,
    #[serde(default)]
    add_timestamps: bool,
}

#[derive(Debug, Deserialize)]
struct OutputFormat {
    container: String,
    encoding: String,
    sample_rate: u32,
}

impl OutputFormat {
    fn understood(&self) -> Option<SoundFormat> {
        let rate = SampleRate::new(self.sample_rate)?;
        let coding = match self.encoding.as_str() {
            "pcm_s16le" => Coding::Pcm16,
            "pcm_mulaw" => Coding::G711(Codec::Pcmu),
            "pcm_alaw" => Coding::G711(Codec::Pcma),
            _ => return None,
        };
        let is_rate = [8_000, 16_000, 22_050, 24_000, 44_100, 48_000].contains(&self.sample_rate);
        (self.container == "raw" && is_rate).then_some(SoundFormat { coding, rate })
    }
}

#[derive(Debug, Deserialize)]
struct GenerationConfig {
    #[serde(default)]
    speed: Option<f32>,
}

impl Tongue for Cartesia {
    const CONTEXTS: usize = 32;
    const LIFE: Option<Duration> = Some(Duration::from_secs(1));

    fn take(&mut self, message: &str) -> Result<Vec<Wish>, Wrong> {
        let input: Input = serde_json::from_str(message).map_err(|_| Wrong::message("invalid message"))?;
        let context = input.context_id.clone();
        if input.cancel {
            self.flushes.remove(&context);
            self.timed.remove(&context);
            return Ok(vec![Wish::Cancel(context)]);
        }
        let wrong = |what: &str| Wrong::within(&context, what);
        let text = input.transcript.as_deref().ok_or_else(|| wrong("transcript is missing"))?;
        if input.model_id.as_deref().unwrap_or_default().is_empty() {
            return Err(wrong("model_id is missing"));
        }
        let voice = input.voice.as_ref().filter(|voice| voice["mode"] == "id");
        let voice = voice.and_then(|voice| voice["id"].as_str()).ok_or_else(|| wrong("voice is missing"))?;
        let format = input.output_format.as_ref().and_then(OutputFormat::understood);
        let format = format.ok_or_else(|| wrong("output_format is not one of this simulator"))?;
        let speed = input.generation_config.as_ref().and_then(|config| config.speed).unwrap_or(1.0);
        if !(0.6..=1.5).contains(&speed) {
            return Err(wrong("speed must be from 0.6 to 1.5"));
        }
        if input.add_timestamps && self.timed.len() < MOST_TIMED {
            self.timed.insert(context.clone());
        }
        let mut wishes = Vec::new();
        if !text.is_empty() {
            // Text that may go on waits for more, unless a sentence ends with it.
            let is_sentence = text.trim_end().ends_with(['.', '!', '?', '。']);
            let delay = Duration::from_millis(input.max_buffer_delay_ms.unwrap_or(3_000).min(5_000));
            let wait = if is_sentence || input.flush || !input.goes_on { Duration::ZERO } else { delay };
            let manner = Manner { voice: voice.to_owned(), speed, format };
            wishes.push(Wish::Speak { context: context.clone(), text: text.to_owned(), manner, wait });
        }
        if input.flush {
            let flushes = self.flushes.entry(context.clone()).or_default();
            *flushes += 1;
            wishes.push(Wish::Mark(context.clone(), *flushes));
        }
        if !input.goes_on {
            wishes.push(Wish::Finish(context));
        }
        Ok(wishes)
    }

    fn words(&mut self, context: &str, words: &[(String, u32, u32)], base_ms: u32) -> Vec<Message> {
        if !self.timed.contains(context) {
            return Vec::new();
        }
        let times = |time: fn(&(String, u32, u32)) -> u32| -> Vec<f64> {
            words.iter().map(|word| f64::from(base_ms + time(word)) / 1_000.0).collect()
        };
        let texts: Vec<&str> = words.iter().map(|(word, ..)| word.as_str()).collect();
        let times = json!({"words": texts, "start": times(|word| word.1), "end": times(|word| word.2)});
        vec![message(&json!({"type": "timestamps", "context_id": context, "done": false, "status_code": 206,
            "word_timestamps": times}))]
    }

    fn sound(&mut self, context: &str, _: &Piece, bytes: Vec<u8>, _: bool) -> Vec<Message> {
        let data = base64_simd::STANDARD.encode_to_string(bytes);
        vec![message(&json!({"type": "chunk", "context_id": context, "data": data, "done": false, "status_code": 206,
            "step_time": 1.0, "flush_id": self.flushes.get(context).copied().unwrap_or(0)}))]
    }

    fn mark(&mut self, context: &str, mark: u64) -> Vec<Message> {
        vec![message(&json!({"type": "flush_done", "context_id": context, "flush_done": true, "flush_id": mark,
            "done": false, "status_code": 206}))]
    }

    fn done(&mut self, context: &str) -> Vec<Message> {
        self.flushes.remove(context);
        self.timed.remove(context);
        vec![message(&json!({"type": "done", "context_id": context, "done": true, "status_code": 200}))]
    }

    fn wrong(&mut self, context: Option<&str>, wrong: &Wrong) -> (Vec<Message>, Option<u16>) {
        let code = match wrong.status {
            401 | 403 => "unauthorized",
            402 => "quota_exceeded",
            429 => "concurrency_limited",
            400..=499 => "invalid_request",
            _ => "internal",
        };
        let error = json!({"type": "error", "context_id": context, "done": true, "status_code": wrong.status,
            "title": "Error", "message": wrong.what, "error_code": code, "request_id": "51a0"});
        (vec![message(&error)], context.is_none().then_some(1008))
    }
}

fn message(body: &Value) -> Message {
    Message::Text(body.to_string().into())
}

const MOST_PARAMETERS: usize = 100;
const MOST_TIMED: usize = 64;
