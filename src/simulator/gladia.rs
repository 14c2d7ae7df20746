//! A recogniser that speaks Gladia's protocol: `POST /v2/live` for a session, then its WebSocket.
//!
//! A session outlives a connection that is lost: whoever dials its address again goes on behind the last sound that was
//! acknowledged.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{RawQuery, State as Shared};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use base64_simd::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::audio::{Codec, SampleRate};
use crate::conversation::Service;

use super::calendar::{rfc3339, unix_seconds};
use super::hearing::{
    CONFIDENCE, End, Hearing, Incoming, LARGEST_MESSAGE, Outbox, READ, Taken, Tongue, close, seconds,
};
use super::recogniser::{Options, Report, Results};
use super::sound::Coding;
use super::state::{Key, State};

/// Its paths.
pub(super) fn routes() -> Router<Arc<State>> {
    Router::new().route("/v2/live", post(grant).get(connect))
}

/// Sessions without a connection, oldest first, with the tokens of their addresses.
#[derive(Default)]
pub(super) struct Sessions(Mutex<VecDeque<(String, Hearing<Live>)>>);

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sessions")
    }
}

impl Sessions {
    /// Sessions that may wait; for one more the oldest is over.
    const MOST: usize = 256;

    fn keep(&self, token: String, session: Hearing<Live>) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push_back((token, session));
        if waiting.len() > Self::MOST {
            waiting.pop_front();
        }
    }

    fn take(&self, token: &str) -> Option<Hearing<Live>> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = waiting.iter().position(|(known, _)| known == token)?;
        waiting.remove(at).map(|(_, session)| session)
    }
}

/// Grants a session.
async fn grant(Shared(state): Shared<Arc<State>>, headers: HeaderMap, body: axum::body::Bytes) -> Response {
    let request_id = state.request_id();
    let key = headers.get("x-gladia-key").and_then(|key| key.to_str().ok());
    let mut session = match state.admit(Service::Stt, Key::Given(key)) {
        Ok(session) => session,
        Err(refusal) => return refused(refusal.status(), "refused", &request_id),
    };
    session.connect().await;
    let asked = serde_json::from_slice::<Asked>(&body).map_err(|error| error.to_string()).and_then(Asked::check);
    let (asked, rate, coding) = match asked {
        Ok(asked) => asked,
        Err(why) => {
            session.refuse();
            return refused(StatusCode::BAD_REQUEST, &why, &request_id);
        }
    };
    let options = Options {
        rate,
        interim_results: asked.messages_config.receive_partial_transcripts,
        endpointing: Some(Duration::from_secs_f64(asked.endpointing.clamp(0.01, 10.0))),
        utterance_end: None,
        vad_events: true,
    };
    let tongue = Live {
        id: request_id.clone(),
        bytes_per_second: rate.hz() * if coding == Coding::Pcm16 { 2 } else { 1 },
        messages: asked.messages_config,
        ..Live::default()
    };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let url = format!("ws://{host}/v2/live?token={request_id}");
    state.gladia.keep(request_id.clone(), Hearing::new(session, options, coding, tongue));
    let granted = json!({"id": request_id, "created_at": rfc3339(unix_seconds()), "url": url});
    (StatusCode::CREATED, Json(granted)).into_response()
}

fn refused(status: StatusCode, why: &str, request_id: &str) -> Response {
    let body = json!({"timestamp": rfc3339(unix_seconds()), "path": "/v2/live", "request_id": request_id,
        "statusCode": status.as_u16(), "message": why});
    (status, Json(body)).into_response()
}

/// Connects to a session, for the first time or again.
async fn connect(
    Shared(state): Shared<Arc<State>>,
    RawQuery(query): RawQuery,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let query = query.unwrap_or_default();
    let token = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "token");
    let token = token.map(|(_, token)| token.into_owned()).unwrap_or_default();
    let Ok(upgrade) = upgrade else {
        return refused(StatusCode::BAD_REQUEST, "open a WebSocket", &token);
    };
    let upgrade = upgrade.max_message_size(LARGEST_MESSAGE).read_buffer_size(READ);
    upgrade.on_upgrade(move |mut socket| async move {
        let Some(mut session) = state.gladia.take(&token) else {
            // A session that is over is found out only by connecting to it.
            return close(&mut socket, 4403, "Session not found or ended").await;
        };
        match session.run(&mut socket).await {
            End::Drop => {
                session.heal();
                state.gladia.keep(token, session);
            }
            end => session.finish(socket, end).await,
        }
    })
}

/// What a session is asked for with.
#[derive(Deserialize, Debug)]
struct Asked {
    #[serde(default)]
    encoding: Option<String>,
    #[serde(default)]
    bit_depth: Option<u8>,
    #[serde(default)]
    sample_rate: Option<u32>,
    #[serde(default)]
    channels: Option<u8>,
    #[serde(default = "short_pause")]
    endpointing: f64,
    #[serde(default)]
    messages_config: Messages,
}

fn short_pause() -> f64 {
    0.05
}

/// What a client wants to be told.
#[derive(Deserialize, Clone, Debug)]
#[serde(default)]
struct Messages {
    receive_partial_transcripts: bool,
    receive_final_transcripts: bool,
    receive_speech_events: bool,
    receive_acknowledgments: bool,
    receive_lifecycle_events: bool,
}

impl Default for Messages {
    fn default() -> Self {
        Self {
            receive_partial_transcripts: false,
            receive_final_transcripts: true,
            receive_speech_events: true,
            receive_acknowledgments: true,
            receive_lifecycle_events: false,
        }
    }
}

impl Asked {
    /// The sound it means; the error is for the client.
    fn check(self) -> Result<(Self, SampleRate, Coding), String> {
        let coding = match (self.encoding.as_deref().unwrap_or("wav/pcm"), self.bit_depth.unwrap_or(16)) {
            ("wav/ulaw", 8) => Coding::G711(Codec::Pcmu),
            ("wav/alaw", 8) => Coding::G711(Codec::Pcma),
            ("wav/pcm", 16) => Coding::Pcm16,
            _ => return Err("this simulator hears wav/ulaw and wav/alaw of 8 bits and wav/pcm of 16".to_owned()),
        };
        let rate = match self.sample_rate.unwrap_or(16_000) {
            hz @ (8_000 | 16_000 | 32_000 | 44_100 | 48_000) => SampleRate::new(hz),
            _ => None,
        };
        let rate = rate.ok_or("sample_rate must be 8000, 16000, 32000, 44100 or 48000")?;
        match self.channels.unwrap_or(1) {
            1 => Ok((self, rate, coding)),
            _ => Err("this simulator hears one channel".to_owned()),
        }
    }
}

/// One session.
#[derive(Default)]
pub(super) struct Live {
    id: String,
    bytes_per_second: u32,
    messages: Messages,
    /// Sound received.
    bytes: u64,
    utterance: u64,
    is_greeted: bool,
    is_speaking: bool,
}

impl Tongue for Live {
    fn greet(&mut self, out: &mut Outbox) {
        if !std::mem::replace(&mut self.is_greeted, true) && self.messages.receive_lifecycle_events {
            self.say("start_session", json!({}), out);
        }
    }

    fn take(&mut self, message: Incoming<'_>, out: &mut Outbox) -> Taken {
        let text = match message {
            Incoming::Binary(sound) => return self.sound(sound.to_vec(), out),
            Incoming::Text(text) => text,
        };
        let message: Value = serde_json::from_str(text).unwrap_or_default();
        match message.get("type").and_then(Value::as_str) {
            Some("audio_chunk") => {
                let chunk = message.pointer("/data/chunk").and_then(Value::as_str);
                match chunk.and_then(|chunk| STANDARD.decode_to_vec(chunk).ok()) {
                    Some(sound) => self.sound(sound, out),
                    None => Taken::Wrong(4400, "the chunk is not base64"),
                }
            }
            Some("stop_recording") => {
                let length = seconds(self.length(self.bytes));
                if self.messages.receive_acknowledgments {
                    let data = json!({"recording_duration": length, "recording_left_to_process": 0.0});
                    self.say("stop_recording", json!({"acknowledged": true, "error": null, "data": data}), out);
                }
                Taken::Done("stop_recording")
            }
            _ => Taken::Wrong(4400, "the message is none of the protocol"),
        }
    }

    fn report(&mut self, report: &Report, out: &mut Outbox) {
        match report {
            Report::SpeechStarted(at) => self.speech("speech_start", *at, out),
            Report::UtteranceEnd(_) => {}
            Report::Results(results) => self.results(results, out),
        }
    }

    fn end(&mut self, heard: Duration, out: &mut Outbox) {
        if self.messages.receive_lifecycle_events {
            self.say("end_recording", json!({"data": {"recording_duration": seconds(heard)}}), out);
            self.say("end_session", json!({}), out);
        }
    }
}

impl Live {
    fn sound(&mut self, sound: Vec<u8>, out: &mut Outbox) -> Taken {
        if sound.is_empty() {
            return Taken::Noted("Empty");
        }
        let (from, to) = (self.bytes, self.bytes + sound.len() as u64);
        self.bytes = to;
        if self.messages.receive_acknowledgments {
            let times = [self.length(from), self.length(to)].map(seconds);
            let data = json!({"byte_range": [from, to], "time_range": times});
            self.say("audio_chunk", json!({"acknowledged": true, "error": null, "data": data}), out);
        }
        Taken::Sound(sound)
    }

    fn speech(&mut self, kind: &str, at: Duration, out: &mut Outbox) {
        self.is_speaking = kind == "speech_start";
        if self.messages.receive_speech_events {
            self.say(kind, json!({"data": {"time": seconds(at), "channel": 0}}), out);
        }
    }

    fn results(&mut self, results: &Results, out: &mut Outbox) {
        let end = results.words.last().map_or(results.start + results.duration, |word| word.end);
        if let Some(first) = results.words.first() {
            let text: Vec<&str> = results.words.iter().map(|word| word.text.as_str()).collect();
            let text = text.join(" ");
            let words = results.words.iter().map(|word| {
                json!({"word": word.text, "start": seconds(word.start), "end": seconds(word.end), "confidence": CONFIDENCE})
            });
            let utterance = json!({"text": text, "start": seconds(first.start), "end": seconds(end), "language": "en",
                "channel": 0, "confidence": CONFIDENCE, "words": words.collect::<Vec<_>>()});
            if results.is_final {
                out.note(&text);
            }
            if !results.is_final || self.messages.receive_final_transcripts {
                let id = format!("00_{:08}", self.utterance);
                let data = json!({"id": id, "is_final": results.is_final, "utterance": utterance});
                self.say("transcript", json!({"data": data}), out);
            }
            self.utterance += u64::from(results.is_final);
        }
        if results.is_final && self.is_speaking {
            self.speech("speech_end", end, out);
        }
    }

    fn say(&self, kind: &str, mut message: Value, out: &mut Outbox) {
        if let Some(fields) = message.as_object_mut() {
            fields.insert("type".to_owned(), kind.into());
            fields.insert("session_id".to_owned(), self.id.clone().into());
            fields.insert("created_at".to_owned(), rfc3339(unix_seconds()).into());
        }
        out.say(message);
    }

    fn length(&self, bytes: u64) -> Duration {
        Duration::from_micros(bytes * 1_000_000 / u64::from(self.bytes_per_second.max(1)))
    }
}
