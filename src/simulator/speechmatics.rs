//! A recogniser that speaks Speechmatics' real-time protocol: `GET /v2`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State as Shared;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::audio::{Codec, SampleRate};
use crate::conversation::Service;

use super::hearing::{CONFIDENCE, seconds};
use super::lines::Word;
use super::recogniser::{Options, Report, Results};
use super::sound::Coding;
use super::state::{Key, Refusal, State};
use super::streaming::{Dialect, End, Stream, refuse, serve};

/// Its path.
pub(super) fn routes() -> Router<Arc<State>> {
    Router::new().route("/v2", get(open))
}

async fn open(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let key = Key::Given(Key::authorization(&headers, &["Bearer"]));
    let refused = |status: StatusCode, detail: &str| {
        (status, Json(json!({"code": status.as_u16(), "error": detail}))).into_response()
    };
    match (state.admit(Service::Stt, key), upgrade) {
        (Ok(session), Ok(upgrade)) => {
            session.connect().await;
            serve(upgrade, session, Speechmatics::new(state.request_id()))
        }
        (Ok(mut session), Err(_)) => {
            session.refuse();
            refused(StatusCode::UPGRADE_REQUIRED, "open a WebSocket")
        }
        // Too many sessions and trouble of the server show in the stream, keys at the door.
        (Err(Refusal::TooMany | Refusal::Status(429)), Ok(upgrade)) => {
            refuse(upgrade, error("quota_exceeded", "Maximum number of concurrent connections reached."), 4005)
        }
        (Err(Refusal::Status(500..=599)), Ok(upgrade)) => {
            refuse(upgrade, error("internal_error", "Something went wrong."), 1011)
        }
        (Err(refusal), _) => refused(refusal.status(), "Unauthorized"),
    }
}

fn error(kind: &str, reason: &str) -> Value {
    json!({"message": "Error", "type": kind, "reason": reason, "code": 0})
}

/// One stream.
struct Speechmatics {
    id: String,
    /// When sound may be sent; `None` before `StartRecognition`.
    ready: Option<Instant>,
    partials: bool,
    /// Messages of sound received.
    added: u64,
    /// The silence after which an end of utterance is told.
    trigger: Option<Duration>,
}

/// What `StartRecognition` asks for.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Start {
    coding: Coding,
    rate: SampleRate,
    partials: bool,
    trigger: Option<Duration>,
}

impl Start {
    /// Reads the message; the error is its type and what is wrong.
    fn parse(message: &Value) -> Result<Self, (&'static str, &'static str)> {
        let (format, config) = (&message["audio_format"], &message["transcription_config"]);
        let coding = match (format["type"].as_str(), format["encoding"].as_str()) {
            (Some("raw"), Some("mulaw")) => Coding::G711(Codec::Pcmu),
            (Some("raw"), Some("pcm_s16le")) => Coding::Pcm16,
            _ => return Err(("invalid_audio_type", "This simulator decodes raw mulaw and pcm_s16le.")),
        };
        let rate = format["sample_rate"].as_u64().and_then(|hz| SampleRate::new(u32::try_from(hz).ok()?));
        let rate = rate.ok_or(("invalid_audio_type", "sample_rate is missing or not supported."))?;
        if config["language"].as_str().is_none_or(|language| !(2..=3).contains(&language.len())) {
            return Err(("invalid_language", "The language is not supported."));
        }
        let model = config["model"].as_str().or(config["operating_point"].as_str()).unwrap_or("standard");
        if !["standard", "enhanced", "melia-1"].contains(&model) {
            return Err(("invalid_model", "The model is not known."));
        }
        let delay = config["max_delay"].as_f64().unwrap_or(4.0);
        if !(0.7..=4.0).contains(&delay) {
            return Err(("invalid_config", "max_delay must be from 0.7 to 4."));
        }
        let trigger = config["conversation_config"]["end_of_utterance_silence_trigger"].as_f64();
        if trigger.is_some_and(|trigger| !(0.0..=2.0).contains(&trigger) || trigger >= delay) {
            return Err((
                "invalid_config",
                "end_of_utterance_silence_trigger must be from 0 to 2 and below max_delay.",
            ));
        }
        let trigger = trigger.filter(|trigger| *trigger > 0.0).map(Duration::from_secs_f64);
        Ok(Self { coding, rate, partials: config["enable_partials"].as_bool().unwrap_or(false), trigger })
    }
}

impl Speechmatics {
    fn new(id: String) -> Self {
        Self { id, ready: None, partials: false, added: 0, trigger: None }
    }

    fn fail(kind: &str, reason: &str, code: u16, stream: &mut Stream) -> End {
        stream.answer(&error(kind, reason));
        End::Close(code, "")
    }

    fn start(&mut self, message: &Value, stream: &mut Stream) -> Result<(), End> {
        if self.ready.is_some() {
            return Err(Self::fail("protocol_error", "Recognition has started already.", 1002, stream));
        }
        let start = match Start::parse(message) {
            Ok(start) => start,
            Err((kind, reason)) => {
                stream.session.refuse();
                return Err(Self::fail(kind, reason, 4004, stream));
            }
        };
        let options = Options {
            rate: start.rate,
            interim_results: start.partials,
            endpointing: start.trigger,
            utterance_end: None,
            vad_events: false,
        };
        stream.begin(options, start.coding);
        (self.partials, self.trigger) = (start.partials, start.trigger);
        // It takes a moment, and whoever does not wait for it is found out.
        self.ready = Some(Instant::now() + STARTING);
        let started = json!({"message": "RecognitionStarted", "id": self.id, "orchestrator_version": "simulated",
            "language_pack_info": {"word_delimiter": " ", "writing_direction": "left-to-right", "adapted": false,
                "itn": true, "language_description": "Simulated"}});
        stream.answer_after(&started, STARTING);
        Ok(())
    }

    fn results(&self, results: &Results, stream: &mut Stream) {
        let end = results.start + results.duration;
        if !results.words.is_empty() {
            let message = if results.is_final { "AddTranscript" } else { "AddPartialTranscript" };
            let text = transcript(&results.words, results.is_final);
            if results.is_final {
                stream.session.note_text(text.trim());
            }
            let items: Vec<Value> = results.words.iter().flat_map(|word| items(word, results.is_final)).collect();
            stream.tell(&json!({
                "message": message, "format": "2.9",
                "metadata": {"start_time": seconds(results.start), "end_time": seconds(end), "transcript": text},
                "results": items,
            }));
        }
        if results.from_finalize || (self.trigger.is_some() && results.speech_final) {
            let at = results.words.last().map_or(end, |word| word.end);
            let metadata = json!({"start_time": seconds(at), "end_time": seconds(at)});
            stream.tell(&json!({"message": "EndOfUtterance", "format": "2.9", "metadata": metadata}));
        }
    }
}

impl Dialect for Speechmatics {
    fn take(&mut self, message: Message, stream: &mut Stream) -> Result<(), End> {
        match message {
            Message::Close(_) => Err(End::Drop),
            Message::Binary(bytes) => {
                if self.ready.is_none_or(|ready| Instant::now() < ready) {
                    return Err(Self::fail("protocol_error", "Audio before RecognitionStarted.", 1002, stream));
                }
                stream.hear(&bytes);
                self.added += 1;
                stream.answer(&json!({"message": "AudioAdded", "seq_no": self.added}));
                Ok(())
            }
            Message::Text(text) => {
                let message: Value = serde_json::from_str(&text).unwrap_or_default();
                match message["message"].as_str() {
                    Some("StartRecognition") => self.start(&message, stream),
                    Some("ForceEndOfUtterance") if self.ready.is_some() => {
                        stream.finalize();
                        Ok(())
                    }
                    Some("SetRecognitionConfig") if self.ready.is_some() => Ok(()),
                    // Clients take the last number they were told: it may be behind, never ahead.
                    Some("EndOfStream") if message["last_seq_no"].as_u64().is_some_and(|last| last <= self.added) => {
                        stream.count("CloseStream");
                        Err(End::Done)
                    }
                    Some("EndOfStream") => Err(Self::fail(
                        "protocol_error",
                        "last_seq_no is not that of the audio received.",
                        1002,
                        stream,
                    )),
                    _ => Err(Self::fail("protocol_error", "Unexpected message.", 1002, stream)),
                }
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
        stream.answer(&json!({"message": "EndOfTranscript"}));
    }
}

/// The text of a message: a final's ends in a blank, a partial has no punctuation.
fn transcript(words: &[Word], is_final: bool) -> String {
    let mut text = String::new();
    for word in words {
        let (bare, mark) = parts(&word.text);
        text.push_str(bare);
        if is_final {
            text.push_str(mark);
        }
        text.push(' ');
    }
    if !is_final {
        text.truncate(text.trim_end().len());
    }
    text
}

/// A word, and the punctuation behind it as a result of its own.
fn items(word: &Word, is_final: bool) -> Vec<Value> {
    let (bare, mark) = parts(&word.text);
    let alternatives =
        |content: &str| json!([{"content": content, "confidence": CONFIDENCE, "language": "en", "speaker": "UU"}]);
    let mut items = vec![json!({"type": "word", "start_time": seconds(word.start), "end_time": seconds(word.end),
        "alternatives": alternatives(bare)})];
    if is_final && !mark.is_empty() {
        let is_eos = mark.contains(['.', '?', '!']);
        items.push(json!({"type": "punctuation", "start_time": seconds(word.end), "end_time": seconds(word.end),
            "attaches_to": "previous", "is_eos": is_eos, "alternatives": alternatives(mark)}));
    }
    items
}

/// A word and the punctuation behind it.
fn parts(word: &str) -> (&str, &str) {
    word.split_at(word.trim_end_matches(['.', ',', '?', '!', ';', ':']).len())
}

/// From `StartRecognition` until sound may be sent.
const STARTING: Duration = Duration::from_millis(15);
