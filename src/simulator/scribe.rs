//! A recogniser that speaks ElevenLabs' real-time protocol: `GET /v1/speech-to-text/realtime`.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::extract::{RawQuery, State as Shared};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};

use crate::conversation::Service;

use super::hearing::seconds;
use super::recogniser::{Options, Report, Results};
use super::sound::SoundFormat;
use super::state::{Key, Refusal, State};
use super::streaming::{Dialect, Draft, End, Stream, refuse, serve};

/// Its path.
pub(super) fn routes() -> Router<Arc<State>> {
    Router::new().route("/v1/speech-to-text/realtime", get(open))
}

/// Upgrades every request: what is wrong with one is said in the stream.
async fn open(
    Shared(state): Shared<Arc<State>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let Ok(upgrade) = upgrade else {
        return (StatusCode::UPGRADE_REQUIRED, "open a WebSocket").into_response();
    };
    let key = headers.get("xi-api-key").and_then(|key| key.to_str().ok());
    let mut session = match state.admit(Service::Stt, Key::Given(key)) {
        Ok(session) => session,
        Err(refusal) => {
            let (kind, message) = match refusal {
                Refusal::NoKey | Refusal::WrongKey | Refusal::Status(401 | 403) => {
                    ("auth_error", "You must be authenticated to use this endpoint.")
                }
                Refusal::Status(402) => ("quota_exceeded", "You have exceeded your quota."),
                Refusal::TooMany | Refusal::Status(429) => ("rate_limited", "You are rate limited."),
                Refusal::Status(400..=499) => ("input_error", "The request was refused."),
                Refusal::Status(_) => ("transcriber_error", "The transcription service failed."),
            };
            return refuse(upgrade, error(kind, message), 1008);
        }
    };
    session.connect().await;
    match Asked::parse(query.as_deref().unwrap_or_default()) {
        Ok(asked) => {
            let id = state.request_id();
            serve(
                upgrade,
                session,
                Scribe { id, asked, draft: Draft::default(), told: String::new(), uncommitted: 0, has_heard: false },
            )
        }
        Err(why) => {
            session.refuse();
            refuse(upgrade, error("invalid_request", &why), 1008)
        }
    }
}

fn error(kind: &str, message: &str) -> Value {
    json!({"message_type": kind, "error": message})
}

/// The query, understood.
#[derive(Clone, Debug)]
struct Asked {
    model: String,
    format_name: String,
    format: SoundFormat,
    /// The silence after which it commits; `None`: the client does.
    silence: Option<Duration>,
    language: Option<String>,
    timestamps: bool,
}

impl Asked {
    fn parse(query: &str) -> Result<Self, String> {
        let (mut model, mut format_name, mut strategy) = (String::new(), "pcm_16000".to_owned(), "manual".to_owned());
        let (mut silence, mut language, mut timestamps) = (1.5, None, false);
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()).take(MOST_PARAMETERS) {
            match name.as_ref() {
                "model_id" => model = value.into_owned(),
                "audio_format" => format_name = value.into_owned(),
                "commit_strategy" => strategy = value.into_owned(),
                "language_code" => language = Some(value.into_owned()),
                "include_timestamps" => timestamps = value == "true",
                "vad_silence_threshold_secs" => match value.parse::<f64>() {
                    Ok(seconds) if (0.3..=3.0).contains(&seconds) => silence = seconds,
                    _ => return Err("vad_silence_threshold_secs must be from 0.3 to 3".to_owned()),
                },
                _ => {}
            }
        }
        if !model.starts_with("scribe_v2_realtime") {
            return Err("model_id must be scribe_v2_realtime".to_owned());
        }
        if language.as_ref().is_some_and(|language| !(2..=3).contains(&language.len())) {
            return Err("language_code must be of ISO 639-1 or ISO 639-3".to_owned());
        }
        let format = SoundFormat::from_elevenlabs(&format_name).filter(|_| !format_name.starts_with("alaw"));
        let format = format.ok_or("audio_format must be pcm_* or ulaw_8000")?;
        let silence = match strategy.as_str() {
            "manual" => None,
            "vad" => Some(Duration::from_secs_f64(silence)),
            _ => return Err("commit_strategy must be manual or vad".to_owned()),
        };
        Ok(Self { model, format_name, format, silence, language, timestamps })
    }
}

/// One stream.
struct Scribe {
    id: String,
    asked: Asked,
    /// The words since the last commit.
    draft: Draft,
    /// The last partial transcript.
    told: String,
    /// Samples since the last commit.
    uncommitted: usize,
    has_heard: bool,
}

impl Scribe {
    fn commit(&mut self, stream: &mut Stream) {
        let draft = std::mem::take(&mut self.draft);
        self.told.clear();
        let text = draft.text();
        if !text.is_empty() {
            stream.session.note_text(&text);
        }
        stream.tell(&json!({"message_type": "committed_transcript", "text": text}));
        if self.asked.timestamps {
            let mut words = Vec::new();
            for word in draft.words() {
                if !words.is_empty() {
                    words.push(json!({"text": " ", "start": seconds(word.start), "end": seconds(word.start), "type": "spacing"}));
                }
                words.push(json!({"text": word.text, "start": seconds(word.start), "end": seconds(word.end),
                    "type": "word", "logprob": -0.02}));
            }
            let language = self.asked.language.as_deref().unwrap_or("en");
            stream.answer(&json!({"message_type": "committed_transcript_with_timestamps", "text": text,
                "language_code": language, "words": words}));
        }
    }

    fn results(&mut self, results: &Results, stream: &mut Stream) {
        self.draft.add(results);
        let is_over = match () {
            () if stream.is_prompted() => results.is_final,
            () => results.from_finalize || (self.asked.silence.is_some() && results.speech_final),
        };
        if is_over {
            // Without words nothing is committed, unless the client asks.
            if !self.draft.is_empty() || results.from_finalize {
                self.commit(stream);
            }
            return;
        }
        let text = self.draft.text();
        if text != self.told {
            stream.tell(&json!({"message_type": "partial_transcript", "text": text}));
            self.told = text;
        }
    }

    /// A chunk of sound; it may ask for a commit.
    fn chunk(&mut self, message: &Value, stream: &mut Stream) -> Result<(), End> {
        let sound = message["audio_base_64"].as_str().and_then(|text| base64_simd::STANDARD.decode_to_vec(text).ok());
        let Some(sound) = sound else {
            return Err(fail("input_error", "audio_base_64 could not be decoded.", stream));
        };
        if !message["sample_rate"].is_null() && message["sample_rate"] != self.asked.format.rate.hz() {
            return Err(fail("input_error", "sample_rate is not that of audio_format.", stream));
        }
        if !message["previous_text"].is_null() && self.has_heard {
            return Err(fail("input_error", "previous_text belongs to the first chunk.", stream));
        }
        if sound.len() > LARGEST_CHUNK {
            return Err(fail("chunk_size_exceeded", "The chunk is too large.", stream));
        }
        if !sound.is_empty() {
            self.uncommitted += stream.hear(&sound);
            self.has_heard = true;
        }
        if message["commit"] == true {
            if self.asked.format.rate.duration_of(self.uncommitted) < SHORTEST_COMMIT {
                stream.answer(&error("commit_throttled", "At least 0.3s of uncommitted audio are needed."));
            } else {
                self.uncommitted = 0;
                stream.finalize();
            }
        }
        Ok(())
    }
}

fn fail(kind: &str, message: &str, stream: &mut Stream) -> End {
    stream.answer(&error(kind, message));
    End::Close(1008, "")
}

impl Dialect for Scribe {
    fn open(&mut self, stream: &mut Stream) {
        let options = Options {
            rate: self.asked.format.rate,
            interim_results: true,
            endpointing: self.asked.silence,
            utterance_end: None,
            vad_events: false,
        };
        stream.begin(options, self.asked.format.coding);
        let strategy = if self.asked.silence.is_some() { "vad" } else { "manual" };
        let config = json!({"model_id": self.asked.model, "audio_format": self.asked.format_name,
            "sample_rate": self.asked.format.rate.hz(), "commit_strategy": strategy,
            "language_code": self.asked.language, "include_timestamps": self.asked.timestamps});
        stream.answer(&json!({"message_type": "session_started", "session_id": self.id, "config": config}));
    }

    fn take(&mut self, message: Message, stream: &mut Stream) -> Result<(), End> {
        let text = match message {
            Message::Text(text) => text,
            Message::Close(_) => return Err(End::Left),
            _ => return Err(fail("input_error", "Sound comes as input_audio_chunk.", stream)),
        };
        let message: Value = serde_json::from_str(&text).unwrap_or_default();
        match message["message_type"].as_str() {
            Some("input_audio_chunk") => self.chunk(&message, stream),
            _ => Err(fail("input_error", "Unknown message_type.", stream)),
        }
    }

    fn report(&mut self, report: &Report, stream: &mut Stream) {
        if let Report::Results(results) = report {
            self.results(results, stream);
        }
    }

    fn idle(&mut self, stream: &mut Stream) -> Option<End> {
        Some(fail("insufficient_audio_activity", "No audio was received.", stream))
    }
}

/// Less sound than this is not committed.
const SHORTEST_COMMIT: Duration = Duration::from_millis(300);
/// Bytes of sound in one message.
const LARGEST_CHUNK: usize = 256 << 10;
const MOST_PARAMETERS: usize = 100;
