//! A recogniser that speaks Deepgram's streaming protocol: `GET /v1/listen`.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{RawQuery, State as Shared};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::audio::{Codec, SampleRate};
use crate::conversation::Service;

use super::calendar::{rfc3339, unix_seconds};
use super::hearing::{CONFIDENCE, Hearing, Incoming, LARGEST_MESSAGE, Outbox, READ, Taken, Tongue, bare, seconds};
use super::lines::Word;
use super::recogniser::{Options, Report, Results};
use super::sound::Coding;
use super::state::{Key, Refusal, Session, State};

/// Upgrades a good request to a stream, refuses any other as Deepgram does.
pub(super) async fn listen(
    Shared(state): Shared<Arc<State>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let request_id = state.request_id();
    let key = Key::authorization(&headers, &["Token", "Bearer"]).or_else(|| protocol_key(&headers));
    let mut session = match state.admit(Service::Stt, Key::Given(key)) {
        Ok(session) => session,
        Err(refusal) => return refused(refusal, &request_id),
    };
    session.connect().await;
    let bad = |session: &mut Session, message: &str| {
        session.refuse();
        failure(StatusCode::BAD_REQUEST, "Bad Request", message, &request_id)
    };
    let asked = match Asked::parse(query.as_deref().unwrap_or_default()) {
        Ok(asked) => asked,
        Err(why) => return bad(&mut session, &why),
    };
    let Ok(upgrade) = upgrade else {
        return bad(&mut session, "this simulator recognises streams: open a WebSocket");
    };
    let idle_timeout = state.config.recogniser.idle_timeout;
    let (options, coding) = (asked.options, asked.coding);
    let stream = Hearing::new(session, options, coding, Listen { asked, request_id: request_id.clone(), idle_timeout });
    let upgrade = upgrade.protocols(["token", "bearer"]).max_message_size(LARGEST_MESSAGE).read_buffer_size(READ);
    let mut response = upgrade.on_upgrade(move |socket| stream.serve(socket));
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert("dg-request-id", id);
    }
    response
}

/// The key of `Sec-WebSocket-Protocol: token, <key>`, which is how browsers send it.
pub(super) fn protocol_key(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers.get(header::SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?.split_once(',')?;
    ["token", "bearer"].contains(&scheme.trim()).then(|| key.trim())
}

/// Refuses as Deepgram does.
pub(super) fn refused(refusal: Refusal, request_id: &str) -> Response {
    let (code, message) = match refusal {
        Refusal::NoKey | Refusal::WrongKey | Refusal::Status(401) => ("INVALID_AUTH", "Invalid credentials."),
        Refusal::TooMany | Refusal::Status(429) => ("TOO_MANY_REQUESTS", "Too many requests. Please try again later."),
        Refusal::Status(402) => ("ASR_PAYMENT_REQUIRED", "Project does not have enough credits."),
        Refusal::Status(403) => ("INSUFFICIENT_PERMISSIONS", "Project does not have access to the requested model."),
        Refusal::Status(_) => ("INTERNAL_SERVER_ERROR", "An error occurred."),
    };
    failure(refusal.status(), code, message, request_id)
}

/// A refusal with Deepgram's fields.
pub(super) fn failure(status: StatusCode, code: &str, message: &str, request_id: &str) -> Response {
    let body = json!({"err_code": code, "err_msg": message, "request_id": request_id});
    let mut response = (status, Json(body)).into_response();
    let said = HeaderValue::from_str(message).unwrap_or(HeaderValue::from_static("bad request"));
    response.headers_mut().insert("dg-error", said);
    if let Ok(id) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert("dg-request-id", id);
    }
    response
}

/// The query, understood.
#[derive(Clone, Debug)]
struct Asked {
    options: Options,
    coding: Coding,
    model: String,
    punctuate: bool,
}

impl Asked {
    /// Parses the query; the error is for the client and quotes only parameter names.
    fn parse(query: &str) -> Result<Self, String> {
        let (mut encoding, mut rate, mut model) = (None, None, "nova-3".to_owned());
        let (mut interim_results, mut vad_events, mut punctuate) = (false, false, false);
        let (mut endpointing, mut utterance_end) = (Some(DEFAULT_ENDPOINTING), None);
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()).take(MOST_PARAMETERS) {
            let flag = || match value.as_ref() {
                "true" => Ok(true),
                "false" => Ok(false),
                _ => Err(format!("{name} must be true or false")),
            };
            let number = |least: u32, most: u32| match value.parse::<u32>() {
                Ok(number) if (least..=most).contains(&number) => Ok(number),
                _ => Err(format!("{name} must be a whole number from {least} to {most}")),
            };
            match name.as_ref() {
                "model" => model = value.chars().take(64).collect(),
                "encoding" => encoding = Some(value.to_string()),
                "sample_rate" => rate = Some(number(8_000, 48_000)?),
                "channels" if number(1, 1).is_err() => return Err("this simulator hears one channel".into()),
                "multichannel" if flag()? => return Err("this simulator hears one channel".into()),
                "interim_results" => interim_results = flag()?,
                "vad_events" => vad_events = flag()?,
                "punctuate" | "smart_format" => punctuate |= flag()?,
                "endpointing" if value == "false" => endpointing = None,
                "endpointing" if value == "true" => endpointing = Some(DEFAULT_ENDPOINTING),
                "endpointing" => endpointing = Some(Duration::from_millis(number(0, 10_000)?.into())),
                "utterance_end_ms" => utterance_end = Some(Duration::from_millis(number(1_000, 10_000)?.into())),
                _ => {}
            }
        }
        if utterance_end.is_some() && !interim_results {
            return Err("utterance_end_ms needs interim_results=true".into());
        }
        let coding = match encoding.as_deref() {
            Some("mulaw") => Coding::G711(Codec::Pcmu),
            Some("alaw") => Coding::G711(Codec::Pcma),
            Some("linear16") => Coding::Pcm16,
            Some(_) => return Err("this simulator decodes encoding=mulaw, alaw and linear16".into()),
            None => return Err("this simulator hears raw audio: give encoding and sample_rate".into()),
        };
        let rate = rate.and_then(SampleRate::new).ok_or("encoding needs sample_rate")?;
        let options = Options { rate, interim_results, endpointing, utterance_end, vad_events };
        Ok(Self { options, coding, model, punctuate })
    }
}

/// `/v1/listen` of one stream.
struct Listen {
    asked: Asked,
    request_id: String,
    idle_timeout: Duration,
}

impl Tongue for Listen {
    fn take(&mut self, message: Incoming<'_>, out: &mut Outbox) -> Taken {
        let text = match message {
            Incoming::Binary([]) => return Taken::Done("Empty"),
            Incoming::Binary(sound) => return Taken::Sound(sound.to_vec()),
            Incoming::Text(text) => text,
        };
        let message: Value = serde_json::from_str(text).unwrap_or_default();
        match message.get("type").and_then(Value::as_str) {
            Some("KeepAlive") => Taken::Noted("KeepAlive"),
            Some("Finalize") => Taken::Finalize("Finalize"),
            Some("CloseStream") => Taken::Done("CloseStream"),
            Some("Configure") => {
                out.say(self.configured(&message));
                Taken::Noted("Configure")
            }
            _ => Taken::Wrong(1008, "DATA-0000: the message could not be decoded"),
        }
    }

    fn report(&mut self, report: &Report, out: &mut Outbox) {
        match report {
            Report::SpeechStarted(at) => {
                out.say(json!({"type": "SpeechStarted", "channel": [0, 1], "timestamp": seconds(*at)}));
            }
            Report::UtteranceEnd(at) => {
                out.say(json!({"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": seconds(*at)}));
            }
            Report::Results(results) => self.results(results, out),
        }
    }

    fn end(&mut self, heard: Duration, out: &mut Outbox) {
        out.say(self.metadata(heard));
    }

    fn idle(&self) -> Option<(Duration, u16, &'static str)> {
        Some((self.idle_timeout, 1011, "NET-0001: no audio or KeepAlive within the timeout window"))
    }
}

impl Listen {
    /// The answer to a `Configure`: what was asked for is in effect, since a script cares for no key term.
    fn configured(&self, message: &Value) -> Value {
        let mut answer = json!({"type": "ConfigureSuccess", "request_id": self.request_id});
        if let (Some(fields), Some(keyterms)) =
            (answer.as_object_mut(), message.get("keyterms").filter(|k| k.is_array()))
        {
            fields.insert("keyterms".into(), keyterms.clone());
        }
        answer
    }

    fn results(&self, results: &Results, out: &mut Outbox) {
        let written = |word: &Word| if self.asked.punctuate { word.text.clone() } else { bare(&word.text) };
        let transcript = results.words.iter().map(written).collect::<Vec<_>>().join(" ");
        if results.is_final {
            out.note(&transcript);
        }
        let words: Vec<Value> = results.words.iter().map(|word| self.word(word)).collect();
        let confidence = if words.is_empty() { 0.0 } else { CONFIDENCE };
        out.say(json!({
            "type": "Results",
            "channel_index": [0, 1],
            "start": seconds(results.start),
            "duration": seconds(results.duration),
            "is_final": results.is_final,
            "speech_final": results.speech_final,
            "from_finalize": results.from_finalize,
            "channel": {"alternatives": [{"transcript": transcript, "confidence": confidence, "words": words}]},
            "metadata": {
                "request_id": self.request_id,
                "model_uuid": MODEL_UUID,
                "model_info": {"name": self.asked.model, "version": "simulated", "arch": self.asked.model},
            },
        }));
    }

    fn word(&self, word: &Word) -> Value {
        let mut json = json!({
            "word": bare(&word.text), "start": seconds(word.start), "end": seconds(word.end), "confidence": CONFIDENCE,
        });
        if let (true, Some(fields)) = (self.asked.punctuate, json.as_object_mut()) {
            fields.insert("punctuated_word".into(), Value::from(word.text.clone()));
        }
        json
    }

    fn metadata(&self, heard: Duration) -> Value {
        json!({
            "type": "Metadata",
            "transaction_key": "deprecated",
            "request_id": self.request_id,
            // Shaped like a digest of the audio, which nobody here computes.
            "sha256": "0".repeat(64),
            "created": rfc3339(unix_seconds()),
            "duration": seconds(heard),
            "channels": 1,
            "models": [MODEL_UUID],
            "model_info": {MODEL_UUID: {"name": self.asked.model, "version": "simulated", "arch": self.asked.model}},
        })
    }
}

const DEFAULT_ENDPOINTING: Duration = Duration::from_millis(10);
const MOST_PARAMETERS: usize = 200;
const MODEL_UUID: &str = "51a00000-aaaa-4000-8000-000000000000";
