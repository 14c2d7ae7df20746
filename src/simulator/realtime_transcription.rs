//! A recogniser that speaks OpenAI's Realtime protocol: `GET /v1/realtime?intent=transcription`. Without that intent the
//! same address is a [speech-to-speech model](super::speech_to_speech).

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::extract::{RawQuery, State as Shared};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;
use serde_json::{Value, json};

use crate::audio::{Codec, SampleRate};
use crate::conversation::Service;

use super::chat::{failure, refused};
use super::recogniser::{Options, Report, Results};
use super::sound::Coding;
use super::speech_to_speech;
use super::state::{Key, State};
use super::streaming::{Dialect, Draft, End, Stream, millis, serve};

/// Its path.
pub(super) fn routes() -> Router<Arc<State>> {
    Router::new().route("/v1/realtime", get(open))
}

async fn open(
    Shared(state): Shared<Arc<State>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let key = Key::Given(Key::authorization(&headers, &["Bearer"]));
    let mut session = match state.admit(Service::Stt, key) {
        Ok(session) => session,
        Err(refusal) => return refused(refusal),
    };
    session.connect().await;
    let query = query.unwrap_or_default();
    let is_transcription = url::form_urlencoded::parse(query.as_bytes())
        .take(MOST_PARAMETERS)
        .any(|(name, value)| name == "intent" && value == "transcription");
    match upgrade {
        Ok(upgrade) if is_transcription => serve(upgrade, session, Transcription::new(state.request_id())),
        Ok(upgrade) => speech_to_speech::serve(upgrade, session),
        Err(_) => {
            session.refuse();
            let message = "This is a WebSocket endpoint.";
            failure(StatusCode::BAD_REQUEST, "invalid_request_error", message, None, None)
        }
    }
}

/// One transcription session.
struct Transcription {
    id: String,
    events: u32,
    items: u32,
    /// The last item committed.
    last_item: Option<String>,
    settings: Option<Settings>,
    /// The words since the last commit.
    draft: Draft,
    /// Words of the draft that were told.
    told: usize,
    /// Samples since the last commit.
    uncommitted: usize,
    /// Items committed whose words are still to come.
    pending: std::collections::VecDeque<String>,
}

/// What a `session.update` asks for.
#[derive(Clone, PartialEq, Debug)]
struct Settings {
    model: String,
    coding: Coding,
    rate: SampleRate,
    /// The silence that ends an utterance; `None`: the client commits.
    silence: Option<Duration>,
    session: Value,
}

impl Settings {
    /// Whether words come while they are spoken.
    fn is_live(&self) -> bool {
        LIVE_MODELS.contains(&self.model.as_str())
    }

    /// Reads a `session.update`; the error names the code, the parameter and what is wrong with it.
    fn parse(session: &Value) -> Result<Self, (&'static str, &'static str, String)> {
        let wrong = |param: &'static str, what: &str| Err(("invalid_value", param, what.to_owned()));
        if session["type"] != "transcription" {
            return wrong(
                "session.type",
                "Passing a realtime session update event to a transcription session is not allowed.",
            );
        }
        let input = &session["audio"]["input"];
        let format = &input["format"];
        let (coding, rate) = match format["type"].as_str() {
            Some("audio/pcmu") => (Coding::G711(Codec::Pcmu), SampleRate::HZ_8000),
            Some("audio/pcma") => (Coding::G711(Codec::Pcma), SampleRate::HZ_8000),
            Some("audio/pcm") | None if format["rate"].as_u64().unwrap_or(24_000) == 24_000 => {
                (Coding::Pcm16, SampleRate::HZ_24000)
            }
            Some("audio/pcm") => return wrong("session.audio.input.format.rate", "Only 24000 is supported."),
            _ => return wrong("session.audio.input.format.type", "Supported: audio/pcm, audio/pcmu and audio/pcma."),
        };
        let Some(model) = input["transcription"]["model"].as_str().filter(|model| !model.is_empty()) else {
            return Err((
                "missing_required_parameter",
                "session.audio.input.transcription.model",
                "Missing required parameter.".to_owned(),
            ));
        };
        // ISO 639: `en`, never `en-US`.
        let language = input["transcription"]["language"].as_str().unwrap_or("en");
        if !(2..=3).contains(&language.len()) || !language.chars().all(|c| c.is_ascii_lowercase()) {
            return wrong("session.audio.input.transcription.language", "Invalid language.");
        }
        let detection = &input["turn_detection"];
        // Left out, it is on.
        let silence = match (input.get("turn_detection"), detection["type"].as_str()) {
            (Some(Value::Null), _) => None,
            (None, _) => Some(500),
            (_, Some("server_vad")) => Some(detection["silence_duration_ms"].as_u64().unwrap_or(500)),
            (_, Some("semantic_vad")) => Some(800),
            _ => {
                return wrong(
                    "session.audio.input.turn_detection.type",
                    "Supported: server_vad, semantic_vad and null.",
                );
            }
        };
        if silence.is_some() && LIVE_MODELS.contains(&model) {
            return wrong("session.audio.input.turn_detection", "This model needs turn_detection to be null.");
        }
        Ok(Self {
            model: model.chars().take(64).collect(),
            coding,
            rate,
            silence: silence.map(Duration::from_millis),
            session: session.clone(),
        })
    }
}

impl Transcription {
    fn new(id: String) -> Self {
        Self {
            id,
            events: 0,
            items: 1,
            last_item: None,
            settings: None,
            draft: Draft::default(),
            told: 0,
            uncommitted: 0,
            pending: std::collections::VecDeque::new(),
        }
    }

    /// An event of this type.
    fn event(&mut self, kind: &str, fields: Value) -> Value {
        self.events += 1;
        let mut event = json!({"type": kind, "event_id": format!("event_{:04}", self.events)});
        if let (Some(event), Value::Object(fields)) = (event.as_object_mut(), fields) {
            event.extend(fields);
        }
        event
    }

    fn error(&mut self, code: &str, param: Option<&str>, message: &str, stream: &mut Stream) {
        let error = json!({"type": "invalid_request_error", "code": code, "message": message, "param": param, "event_id": null});
        let event = self.event("error", json!({"error": error}));
        stream.answer(&event);
    }

    fn session(&self) -> Value {
        let mut session = self.settings.as_ref().map_or_else(
            || json!({"type": "transcription", "audio": {"input": {"format": {"type": "audio/pcm", "rate": 24_000}}}}),
            |settings| settings.session.clone(),
        );
        if let Some(session) = session.as_object_mut() {
            session.insert("id".into(), format!("sess_{}", self.id).into());
            session.insert("object".into(), "realtime.transcription_session".into());
        }
        session
    }

    /// The item that the sound under way will be.
    fn item(&self) -> String {
        format!("item_{:04}", self.items)
    }

    /// The item under way is closed; its words follow.
    fn commit(&mut self, stream: &mut Stream) {
        let item = self.item();
        self.items += 1;
        self.uncommitted = 0;
        let fields = json!({"item_id": item, "previous_item_id": self.last_item});
        let event = self.event("input_audio_buffer.committed", fields);
        stream.answer(&event);
        self.last_item = Some(item.clone());
        self.pending.push_back(item);
    }

    /// Words that were not told yet.
    fn deltas(&mut self, item: &str, stream: &mut Stream) {
        let words: Vec<String> = self.draft.words().skip(self.told).map(|word| word.text.clone()).collect();
        for word in words {
            let delta = if self.told == 0 { word } else { format!(" {word}") };
            self.told += 1;
            let fields = json!({"item_id": item, "content_index": 0, "delta": delta});
            let event = self.event("conversation.item.input_audio_transcription.delta", fields);
            stream.tell(&event);
        }
    }

    /// All words of the oldest committed item are known.
    fn complete(&mut self, stream: &mut Stream) {
        let Some(item) = self.pending.pop_front() else { return };
        self.deltas(&item, stream);
        let text = self.draft.text();
        if !text.is_empty() {
            stream.session.note_text(&text);
        }
        let usage = json!({"type": "duration", "seconds": stream.heard().as_secs_f64().ceil()});
        let fields = json!({"item_id": item, "content_index": 0, "transcript": text, "usage": usage});
        let event = self.event("conversation.item.input_audio_transcription.completed", fields);
        stream.tell(&event);
        (self.draft, self.told) = (Draft::default(), 0);
    }

    fn update(&mut self, message: &Value, stream: &mut Stream) {
        match Settings::parse(&message["session"]) {
            Ok(settings) => {
                let options = Options {
                    rate: settings.rate,
                    interim_results: settings.is_live(),
                    endpointing: settings.silence,
                    utterance_end: None,
                    vad_events: settings.silence.is_some(),
                };
                if self.settings.as_ref().is_none_or(|old| (old.coding, old.rate) != (settings.coding, settings.rate)) {
                    stream.begin(options, settings.coding);
                }
                self.settings = Some(settings);
                let session = self.session();
                let event = self.event("session.updated", json!({"session": session}));
                stream.answer(&event);
            }
            Err((code, param, message)) => self.error(code, Some(param), &message, stream),
        }
    }

    fn results(&mut self, results: &Results, stream: &mut Stream) {
        let Some(settings) = self.settings.clone() else { return };
        self.draft.add(results);
        let item = self.item();
        if settings.is_live() && self.pending.is_empty() {
            self.deltas(&item, stream);
        }
        if stream.is_prompted() {
            if results.is_final {
                self.commit(stream);
                self.complete(stream);
            }
            return;
        }
        if settings.silence.is_some() && results.speech_final {
            let end = millis(results.start + results.duration);
            let event = self.event("input_audio_buffer.speech_stopped", json!({"audio_end_ms": end, "item_id": item}));
            stream.answer(&event);
            self.commit(stream);
            self.complete(stream);
        } else if results.from_finalize {
            self.complete(stream);
        }
    }
}

impl Dialect for Transcription {
    fn open(&mut self, stream: &mut Stream) {
        let session = self.session();
        let event = self.event("session.created", json!({"session": session}));
        stream.answer(&event);
    }

    fn take(&mut self, message: Message, stream: &mut Stream) -> Result<(), End> {
        let text = match message {
            Message::Text(text) => text,
            Message::Close(_) => return Err(End::Left),
            _ => {
                self.error("invalid_json", None, "Binary messages are not understood.", stream);
                return Ok(());
            }
        };
        let message: Value = serde_json::from_str(&text).unwrap_or_default();
        match message["type"].as_str() {
            Some("session.update") => self.update(&message, stream),
            Some("input_audio_buffer.append") => {
                let sound = message["audio"].as_str().and_then(|text| base64_simd::STANDARD.decode_to_vec(text).ok());
                match sound {
                    Some(sound) => self.uncommitted += stream.hear(&sound),
                    None => self.error("invalid_value", Some("audio"), "Invalid base64.", stream),
                }
            }
            Some("input_audio_buffer.commit") => {
                let rate = self.settings.as_ref().map_or(SampleRate::HZ_24000, |settings| settings.rate);
                if rate.duration_of(self.uncommitted) < SHORTEST_COMMIT {
                    let message = "Error committing input audio buffer: buffer too small.";
                    self.error("input_audio_buffer_commit_empty", None, message, stream);
                } else if !self.pending.is_empty() {
                    // One transcription at a time: the sound of both commits is one item's.
                    stream.count("Finalize");
                } else {
                    self.commit(stream);
                    stream.finalize();
                }
            }
            Some("input_audio_buffer.clear") => {
                self.uncommitted = 0;
                (self.draft, self.told) = (Draft::default(), 0);
                let event = self.event("input_audio_buffer.cleared", json!({}));
                stream.answer(&event);
            }
            Some(_) => self.error("invalid_value", Some("type"), "Invalid value for 'type'.", stream),
            None => self.error("invalid_json", None, "The message could not be read.", stream),
        }
        Ok(())
    }

    fn report(&mut self, report: &Report, stream: &mut Stream) {
        match report {
            Report::SpeechStarted(at) => {
                let fields = json!({"audio_start_ms": millis(*at), "item_id": self.item()});
                let event = self.event("input_audio_buffer.speech_started", fields);
                stream.answer(&event);
            }
            Report::Results(results) => self.results(results, stream),
            Report::UtteranceEnd(_) => {}
        }
    }
}

/// The models that give words while they are spoken; they hear no pauses.
const LIVE_MODELS: [&str; 2] = ["gpt-live-transcribe", "gpt-realtime-whisper"];
/// Less sound than this is no item.
const SHORTEST_COMMIT: Duration = Duration::from_millis(100);
const MOST_PARAMETERS: usize = 50;
