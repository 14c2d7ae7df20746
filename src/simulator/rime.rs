//! A voice that speaks Rime's protocol: `GET /ws3`, a WebSocket with one queue of text.

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
    Router::new().route("/ws3", get(open))
}

async fn open(
    Shared(state): Shared<Arc<State>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    socket: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let key = Key::authorization(&headers, &["Bearer"]);
    let mut session = match state.admit(Service::Tts, Key::Given(key)) {
        Ok(session) => session,
        Err(refusal) => return failure(refusal.status(), sentence(refusal)),
    };
    session.connect().await;
    match Rime::parse(query.as_deref().unwrap_or_default()) {
        Ok(rime) => upgrade(session, socket, rime),
        Err(why) => {
            session.refuse();
            failure(StatusCode::BAD_REQUEST, why)
        }
    }
}

fn sentence(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::NoKey | Refusal::WrongKey | Refusal::Status(401) => "Invalid API key.",
        Refusal::Status(402) => "Payment is required.",
        Refusal::TooMany | Refusal::Status(429) => "Too many requests.",
        Refusal::Status(_) => "An error occurred.",
    }
}

fn failure(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({"error": message}))).into_response()
}

/// When buffered text is spoken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Segment {
    Never,
    BySentence,
    Immediate,
}

/// The messages of one connection.
#[derive(Debug)]
struct Rime {
    manner: Manner,
    segment: Segment,
    text: String,
    flushes: u64,
}

impl Rime {
    fn parse(query: &str) -> Result<Self, &'static str> {
        let (mut speaker, mut model, mut format, mut hz, mut segment) =
            (None, None, "mp3".to_owned(), 24_000, Segment::BySentence);
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()).take(MOST_PARAMETERS) {
            match name.as_ref() {
                "speaker" => speaker = Some(value.into_owned()),
                "modelId" => model = Some(value.into_owned()),
                "audioFormat" => format = value.into_owned(),
                "samplingRate" => hz = value.parse().map_err(|_| "samplingRate must be a number")?,
                "segment" => {
                    segment = match value.as_ref() {
                        "never" => Segment::Never,
                        "bySentence" => Segment::BySentence,
                        "immediate" => Segment::Immediate,
                        _ => return Err("segment must be never, bySentence or immediate"),
                    }
                }
                _ => {}
            }
        }
        let coding = match format.as_str() {
            "pcm" => Coding::Pcm16,
            "mulaw" => Coding::G711(Codec::Pcmu),
            _ => return Err("this simulator supports audioFormat pcm and mulaw"),
        };
        let rate =
            SampleRate::new(hz).filter(|_| (4_000..=48_000).contains(&hz)).ok_or("samplingRate is impossible")?;
        let (Some(voice), Some(_)) = (speaker, model) else { return Err("speaker and modelId are needed") };
        let manner = Manner { voice, speed: 1.0, format: SoundFormat { coding, rate } };
        Ok(Self { manner, segment, text: String::new(), flushes: 0 })
    }

    fn speak(&mut self, wishes: &mut Vec<Wish>) {
        let text = std::mem::take(&mut self.text);
        if text.trim().is_empty() {
            return;
        }
        let (context, manner) = (CONTEXT.to_owned(), self.manner.clone());
        wishes.push(Wish::Speak { context, text, manner, wait: Duration::ZERO });
        self.flushes += 1;
        wishes.push(Wish::Mark(CONTEXT.to_owned(), self.flushes));
    }
}

/// A message of the client.
#[derive(Debug, Deserialize)]
struct Input {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    operation: Option<String>,
}

impl Tongue for Rime {
    const CONTEXTS: usize = 1;
    const CLOSES: bool = true;

    fn take(&mut self, message: &str) -> Result<Vec<Wish>, Wrong> {
        let input: Input = serde_json::from_str(message).map_err(|_| Wrong::message("invalid message"))?;
        let mut wishes = Vec::new();
        match (input.text, input.operation.as_deref()) {
            (Some(text), None) => {
                self.text.push_str(&text);
                let is_sentence = self.text.trim_end().ends_with(['.', '?', '!']);
                if self.segment == Segment::Immediate || (self.segment == Segment::BySentence && is_sentence) {
                    self.speak(&mut wishes);
                }
            }
            (None, Some("flush")) => self.speak(&mut wishes),
            // What is being spoken goes on.
            (None, Some("clear")) => self.text.clear(),
            (None, Some("eos")) => {
                self.speak(&mut wishes);
                wishes.push(Wish::Finish(CONTEXT.to_owned()));
            }
            _ => return Err(Wrong::message("a message has a text or an operation")),
        }
        Ok(wishes)
    }

    fn words(&mut self, _: &str, words: &[(String, u32, u32)], _: u32) -> Vec<Message> {
        // From the beginning of each clip.
        let times = |time: fn(&(String, u32, u32)) -> u32| -> Vec<f64> {
            words.iter().map(|word| f64::from(time(word)) / 1_000.0).collect()
        };
        let texts: Vec<&str> = words.iter().map(|(word, ..)| word.as_str()).collect();
        let times = json!({"words": texts, "start": times(|word| word.1), "end": times(|word| word.2)});
        vec![message(&json!({"type": "timestamps", "word_timestamps": times, "contextId": null}))]
    }

    fn sound(&mut self, _: &str, _: &Piece, bytes: Vec<u8>, _: bool) -> Vec<Message> {
        let data = base64_simd::STANDARD.encode_to_string(bytes);
        vec![message(&json!({"type": "chunk", "data": data, "contextId": null}))]
    }

    fn mark(&mut self, _: &str, mark: u64) -> Vec<Message> {
        // Flushes that came meanwhile are answered as one.
        if mark < self.flushes { Vec::new() } else { vec![message(&json!({"type": "done", "done": true}))] }
    }

    fn done(&mut self, _: &str) -> Vec<Message> {
        Vec::new()
    }

    fn wrong(&mut self, _: Option<&str>, wrong: &Wrong) -> (Vec<Message>, Option<u16>) {
        (vec![message(&json!({"type": "error", "message": wrong.what}))], Some(1008))
    }
}

fn message(body: &Value) -> Message {
    Message::Text(body.to_string().into())
}

/// The one queue there is.
const CONTEXT: &str = "";
const MOST_PARAMETERS: usize = 100;
