//! A recogniser that speaks Soniox's streaming protocol: `GET /transcribe-websocket`.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State as Shared;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};

use crate::audio::{Codec, SampleRate};
use crate::conversation::Service;

use super::hearing::CONFIDENCE;
use super::lines::Word;
use super::recogniser::{Options, Report, Results};
use super::sound::Coding;
use super::state::{Key, Refusal, State};
use super::streaming::{Dialect, End, Stream, millis, refuse, serve, spoken};

/// Its path.
pub(super) fn routes() -> Router<Arc<State>> {
    Router::new().route("/transcribe-websocket", get(open))
}

/// Upgrades every request: what is wrong with one is said in the stream.
async fn open(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let Ok(upgrade) = upgrade else {
        return (StatusCode::UPGRADE_REQUIRED, "open a WebSocket").into_response();
    };
    let given = Key::authorization(&headers, &["Bearer"]);
    let key = given.map_or(Key::Later, |key| Key::Given(Some(key)));
    match state.admit(Service::Stt, key) {
        Ok(session) => {
            session.connect().await;
            let soniox = Soniox { has_key: given.is_some(), config: None, ending: None };
            serve(upgrade, session, soniox)
        }
        Err(refusal) => {
            let (code, message) = match refusal {
                Refusal::NoKey | Refusal::WrongKey => (401, "Incorrect API key provided."),
                Refusal::TooMany => (429, "Rate limit exceeded."),
                Refusal::Status(status) => (status, "The request was refused."),
            };
            refuse(upgrade, error(code, message), 1000)
        }
    }
}

fn error(code: u16, message: &str) -> Value {
    json!({"tokens": [], "error_code": code, "error_message": message})
}

/// One stream.
struct Soniox {
    /// The key came with the upgrade.
    has_key: bool,
    config: Option<Config>,
    /// The error that ends it.
    ending: Option<u16>,
}

/// What the first message asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Config {
    coding: Coding,
    rate: SampleRate,
    detects_endpoints: bool,
}

impl Config {
    /// Reads the first message; the error is the code and what is wrong.
    fn parse(message: &Value, has_key: bool, state: &State) -> Result<Self, (u16, &'static str)> {
        match (message["api_key"].as_str(), has_key) {
            (Some(_), true) => return Err((400, "The API key was given twice.")),
            (None | Some(""), false) => return Err((401, "Missing API key.")),
            (Some(key), false) if state.config.key.as_deref().is_some_and(|wanted| wanted != key) => {
                return Err((401, "Incorrect API key provided."));
            }
            _ => {}
        }
        if message["model"].as_str().is_none_or(str::is_empty) {
            return Err((400, "Missing model."));
        }
        let coding = match message["audio_format"].as_str() {
            Some("mulaw") => Coding::G711(Codec::Pcmu),
            Some("alaw") => Coding::G711(Codec::Pcma),
            Some("pcm_s16le" | "s16le") => Coding::Pcm16,
            _ => return Err((400, "This simulator decodes audio_format mulaw, alaw and pcm_s16le.")),
        };
        if message["num_channels"] != 1 {
            return Err((400, "This simulator hears one channel: num_channels must be 1."));
        }
        let rate = message["sample_rate"].as_u64().and_then(|hz| SampleRate::new(u32::try_from(hz).ok()?));
        let rate = rate.ok_or((400, "Invalid sample_rate."))?;
        let delay = &message["max_endpoint_delay_ms"];
        if !delay.is_null() && !delay.as_u64().is_some_and(|ms| (500..=3_000).contains(&ms)) {
            return Err((400, "max_endpoint_delay_ms must be from 500 to 3000."));
        }
        let hints = message["language_hints"].as_array().map(Vec::as_slice).unwrap_or_default();
        if hints.iter().any(|hint| hint.as_str().is_none_or(|hint| hint.len() != 2)) {
            return Err((400, "Invalid language hint."));
        }
        let detects_endpoints = message["enable_endpoint_detection"].as_bool().unwrap_or(false);
        Ok(Self { coding, rate, detects_endpoints })
    }
}

impl Soniox {
    fn fail(&mut self, code: u16, message: &str, stream: &mut Stream) -> End {
        self.ending = Some(code);
        stream.answer(&error(code, message));
        End::Close(1000, "")
    }

    fn configure(&mut self, text: &str, stream: &mut Stream) -> Result<(), End> {
        let message: Value = serde_json::from_str(text).unwrap_or_default();
        let state = Arc::clone(&stream.session.state);
        match Config::parse(&message, self.has_key, &state) {
            Ok(config) => {
                let options = Options {
                    rate: config.rate,
                    interim_results: true,
                    endpointing: config.detects_endpoints.then_some(ENDPOINT),
                    utterance_end: None,
                    vad_events: false,
                };
                stream.begin(options, config.coding);
                self.config = Some(config);
                Ok(())
            }
            Err((code, message)) => {
                stream.session.refuse();
                Err(self.fail(code, message, stream))
            }
        }
    }

    fn results(&self, results: &Results, stream: &mut Stream) {
        let mut tokens: Vec<Value> = results.words.iter().flat_map(|word| tokens(word, results.is_final)).collect();
        if results.is_final && !results.words.is_empty() {
            stream.session.note_text(&spoken(&results.words));
        }
        let end = results.start + results.duration;
        let mark = match (results.from_finalize, results.speech_final) {
            (true, _) => Some("<fin>"),
            (false, true) => Some("<end>"),
            (false, false) => None,
        };
        if let Some(mark) = mark {
            tokens.push(json!({"text": mark, "start_ms": millis(end), "end_ms": millis(end), "confidence": 1.0, "is_final": true}));
        }
        let settled = if results.is_final { end } else { results.start };
        stream.tell(&json!({
            "tokens": tokens, "final_audio_proc_ms": millis(settled), "total_audio_proc_ms": millis(end),
        }));
    }
}

impl Dialect for Soniox {
    fn take(&mut self, message: Message, stream: &mut Stream) -> Result<(), End> {
        match message {
            Message::Close(_) => Err(End::Drop),
            Message::Text(text) if self.config.is_none() => self.configure(&text, stream),
            Message::Binary(_) if self.config.is_none() => {
                Err(self.fail(400, "The first message must be the configuration.", stream))
            }
            Message::Text(text) if text.is_empty() => {
                stream.count("CloseStream");
                Err(End::Done)
            }
            Message::Binary(bytes) if bytes.is_empty() => {
                stream.count("CloseStream");
                Err(End::Done)
            }
            Message::Binary(bytes) => {
                stream.hear(&bytes);
                Ok(())
            }
            Message::Text(text) => {
                let message: Value = serde_json::from_str(&text).unwrap_or_default();
                match message["type"].as_str() {
                    Some("keepalive") => stream.count("KeepAlive"),
                    Some("finalize") => stream.finalize(),
                    _ => return Err(self.fail(400, "Unknown control message.", stream)),
                }
                Ok(())
            }
            Message::Ping(_) | Message::Pong(_) => Ok(()),
        }
    }

    fn report(&mut self, report: &Report, stream: &mut Stream) {
        if let Report::Results(results) = report {
            self.results(results, stream);
        }
    }

    fn farewell(&mut self, stream: &mut Stream) {
        let heard = millis(stream.heard());
        stream.answer(&json!({
            "tokens": [], "final_audio_proc_ms": heard, "total_audio_proc_ms": heard, "finished": true,
        }));
    }

    fn idle(&mut self, stream: &mut Stream) -> Option<End> {
        Some(self.fail(408, "Audio or keepalive not received in time.", stream))
    }
}

/// A word in two pieces, the first with the blank before it: whoever puts blanks between tokens splits words.
fn tokens(word: &Word, is_final: bool) -> Vec<Value> {
    let half = word.text.char_indices().nth(word.text.chars().count() / 2).map_or(0, |(at, _)| at);
    let (head, tail) = word.text.split_at(half);
    let middle = word.start + (word.end.saturating_sub(word.start)) / 2;
    let token = |text: String, start: Duration, end: Duration| json!({"text": text, "start_ms": millis(start), "end_ms": millis(end), "confidence": CONFIDENCE, "is_final": is_final});
    if head.is_empty() {
        return vec![token(format!(" {tail}"), word.start, word.end)];
    }
    vec![token(format!(" {head}"), word.start, middle), token(tail.to_owned(), middle, word.end)]
}

/// The silence taken for an end, where ends are asked for.
const ENDPOINT: Duration = Duration::from_millis(500);
