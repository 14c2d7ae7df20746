//! A voice that speaks Deepgram's protocol: `GET /v1/speak`, a WebSocket with one queue of text.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::extract::{RawQuery, State as Shared};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::audio::{Codec, SampleRate};
use crate::conversation::Service;

use super::contexts::{Manner, Tongue, Wish, Wrong, upgrade};
use super::deepgram::{failure, refused};
use super::sound::{Coding, SoundFormat};
use super::state::{Key, State};
use super::voice::Piece;

/// The paths of this protocol.
pub(super) fn routes() -> Router<Arc<State>> {
    Router::new().route("/v1/speak", get(open))
}

async fn open(
    Shared(state): Shared<Arc<State>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    socket: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let request = state.request_id();
    let key = Key::authorization(&headers, &["Token", "Bearer"]);
    let mut session = match state.admit(Service::Tts, Key::Given(key)) {
        Ok(session) => session,
        Err(refusal) => return refused(refusal, &request),
    };
    session.connect().await;
    match asked(query.as_deref().unwrap_or_default()) {
        Ok((model, format, speed)) => {
            let manner = Manner { voice: model, speed, format };
            let hello = json!({"type": "Metadata", "request_id": request, "model_name": manner.voice,
                "model_version": "simulated", "model_uuid": "51a00000-bbbb-4000-8000-000000000000"});
            let aura =
                Aura { manner, hello: Some(hello), text: String::new(), flushes: VecDeque::new(), count: 0, epoch: 0 };
            upgrade(session, socket, aura)
        }
        Err(why) => {
            session.refuse();
            failure(StatusCode::BAD_REQUEST, "Bad Request", &why, &request)
        }
    }
}

/// The query, understood: the model, the form of the sound, the speed.
fn asked(query: &str) -> Result<(String, SoundFormat, f32), String> {
    let (mut model, mut encoding, mut hz, mut speed) =
        ("aura-2-thalia-en".to_owned(), "linear16".to_owned(), 24_000, 1.0);
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()).take(MOST_PARAMETERS) {
        match name.as_ref() {
            "model" => model = value.into_owned(),
            "encoding" => encoding = value.into_owned(),
            "sample_rate" => hz = value.parse().map_err(|_| "sample_rate must be a number")?,
            "speed" => speed = value.parse().map_err(|_| "speed must be a number")?,
            _ => {}
        }
    }
    if !model.starts_with("aura-") {
        return Err("model must be one of Aura".into());
    }
    let coding = match (encoding.as_str(), hz) {
        ("mulaw", 8_000 | 16_000) => Coding::G711(Codec::Pcmu),
        ("alaw", 8_000 | 16_000) => Coding::G711(Codec::Pcma),
        ("linear16", 8_000 | 16_000 | 24_000 | 32_000 | 48_000) => Coding::Pcm16,
        _ => return Err("encoding and sample_rate do not go together".into()),
    };
    let rate = SampleRate::new(hz).ok_or("sample_rate is impossible")?;
    Ok((model, SoundFormat { coding, rate }, speed))
}

/// A message of the client.
#[derive(Debug, Deserialize)]
struct Input {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    text: Option<String>,
}

/// The messages of one connection.
#[derive(Debug)]
struct Aura {
    manner: Manner,
    /// What is told first.
    hello: Option<Value>,
    /// Text that waits for a flush.
    text: String,
    /// When flushes came.
    flushes: VecDeque<Instant>,
    count: u64,
    /// How often it was cleared: sound of before is not sent.
    epoch: u64,
}

impl Aura {
    fn context(&self) -> String {
        self.epoch.to_string()
    }
}

impl Tongue for Aura {
    const CONTEXTS: usize = 2;

    fn take(&mut self, text: &str) -> Result<Vec<Wish>, Wrong> {
        let input: Input = serde_json::from_str(text).map_err(|_| Wrong::message("DATA-0000"))?;
        let mut wishes: Vec<Wish> = self.hello.take().map(|hello| Wish::Say(message(&hello))).into_iter().collect();
        match (input.kind.as_str(), input.text) {
            ("Speak", Some(text)) if text.chars().count() <= LONGEST_TEXT => self.text.push_str(&text),
            ("Speak", Some(_)) => return Err(Wrong { status: 413, what: "BIG-0000".into(), context: None }),
            ("Flush", _) => {
                let now = Instant::now();
                while self.flushes.front().is_some_and(|at| now.saturating_duration_since(*at) >= WINDOW) {
                    self.flushes.pop_front();
                }
                if self.flushes.len() >= MOST_FLUSHES {
                    let warning = json!({"type": "Warning", "code": "FLUSH-LIMIT", "description": "Too many flushes."});
                    wishes.push(Wish::Say(message(&warning)));
                    return Ok(wishes);
                }
                self.flushes.push_back(now);
                let text = std::mem::take(&mut self.text);
                if !text.trim().is_empty() {
                    let (context, manner) = (self.context(), self.manner.clone());
                    wishes.push(Wish::Speak { context, text, manner, wait: Duration::ZERO });
                }
                wishes.push(Wish::Mark(self.context(), self.count));
                self.count += 1;
            }
            ("Clear", _) => {
                self.text.clear();
                wishes.push(Wish::Cancel(self.context()));
                self.epoch += 1;
                wishes.push(Wish::Say(message(&json!({"type": "Cleared", "sequence_id": self.count}))));
            }
            ("Close", _) => {
                self.text.clear();
                wishes.push(Wish::Leave);
            }
            _ => return Err(Wrong::message("DATA-0000")),
        }
        Ok(wishes)
    }

    fn sound(&mut self, _: &str, _: &Piece, bytes: Vec<u8>, _: bool) -> Vec<Message> {
        vec![Message::Binary(Bytes::from(bytes))]
    }

    fn mark(&mut self, _: &str, mark: u64) -> Vec<Message> {
        vec![message(&json!({"type": "Flushed", "sequence_id": mark}))]
    }

    fn done(&mut self, _: &str) -> Vec<Message> {
        Vec::new()
    }

    fn wrong(&mut self, _: Option<&str>, wrong: &Wrong) -> (Vec<Message>, Option<u16>) {
        let error = json!({"type": "Error", "err_code": wrong.what, "err_msg": "The message was refused."});
        (vec![message(&error)], Some(if wrong.status == 413 { 1009 } else { 1008 }))
    }
}

fn message(body: &Value) -> Message {
    Message::Text(body.to_string().into())
}

const LONGEST_TEXT: usize = 2_000;
const MOST_FLUSHES: usize = 20;
const WINDOW: Duration = Duration::from_secs(60);
const MOST_PARAMETERS: usize = 100;
