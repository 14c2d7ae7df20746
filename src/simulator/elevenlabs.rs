//! A voice that speaks ElevenLabs' protocol over HTTP: `POST /v1/text-to-speech/{voice}[/stream]`.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State as Shared};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::conversation::Service;

use super::sound::SoundFormat;
use super::speech::{Wrapping, deliver};
use super::state::{Key, Refusal, State};

/// The voice of a path; a prefix before the vendor's path is not looked at.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct VoicePath {
    pub(super) voice: String,
}

/// What this simulator reads of a request.
#[derive(Clone, Debug, Deserialize)]
struct Request {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    voice_settings: Option<VoiceSettings>,
}

/// What this simulator reads of the voice's settings.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct VoiceSettings {
    #[serde(default)]
    pub(super) speed: Option<f32>,
}

/// Speaks the text of a request.
pub(super) async fn speak(
    Shared(state): Shared<Arc<State>>,
    Path(path): Path<VoicePath>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut session = match state.admit(Service::Tts, Key::Given(key(&headers))) {
        Ok(session) => session,
        Err(refusal) => return refused(refusal),
    };
    session.connect().await;
    let asked = match Asked::parse(query.as_deref().unwrap_or_default()) {
        Ok(asked) => asked,
        Err(message) => {
            session.refuse();
            return failure(StatusCode::BAD_REQUEST, "invalid_output_format", &message);
        }
    };
    let request = serde_json::from_slice::<Request>(&body).ok();
    let Some((text, settings)) = request.and_then(|request| Some((request.text?, request.voice_settings))) else {
        session.refuse();
        let missing = json!([{"loc": ["body", "text"], "msg": "Field required", "type": "missing"}]);
        return (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({"detail": missing}))).into_response();
    };
    if text.trim().is_empty() || text.chars().count() > LONGEST_TEXT {
        session.refuse();
        let message = "the text must have 1 to 10000 characters";
        return failure(StatusCode::BAD_REQUEST, "invalid_text", message);
    }
    if session.trouble.is_blackhole() {
        return session.swallow().await;
    }
    session.note_text(&text);
    let speed = settings.and_then(|settings| settings.speed).unwrap_or(1.0);
    let speech = state.speech(&text, &path.voice, speed, asked.format.rate, state.voice_number());
    let work = move |session, outlet| deliver(speech, asked.format, Wrapping::Bare, session, outlet);
    session.stream("application/octet-stream", work)
}

/// The key of a request's head.
pub(super) fn key(headers: &HeaderMap) -> Option<&str> {
    headers.get("xi-api-key").and_then(|key| key.to_str().ok()).or_else(|| Key::authorization(headers, &["Bearer"]))
}

/// The query, understood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Asked {
    pub(super) format: SoundFormat,
    pub(super) auto_mode: bool,
    /// Seconds without text after which a stream of text is closed.
    pub(super) inactivity_timeout: u64,
    /// A key in the query: how browsers send it.
    pub(super) key: Option<String>,
}

impl Asked {
    /// Parses the query; the error is for the client.
    pub(super) fn parse(query: &str) -> Result<Self, String> {
        let (mut format, mut auto_mode, mut inactivity_timeout, mut key) = (None, false, 20, None);
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()).take(MOST_PARAMETERS) {
            match name.as_ref() {
                "output_format" => format = SoundFormat::from_elevenlabs(&value),
                "auto_mode" => auto_mode = value.eq_ignore_ascii_case("true"),
                "inactivity_timeout" => match value.parse() {
                    Ok(seconds @ 1..=180) => inactivity_timeout = seconds,
                    _ => return Err("inactivity_timeout must be from 1 to 180 seconds".into()),
                },
                "single_use_token" | "authorization" => key = Some(value.into_owned()),
                _ => {}
            }
        }
        let format = format.ok_or_else(|| {
            format!(
                "this simulator supports output_format {} (the default, mp3, is compressed)",
                SoundFormat::ELEVENLABS
            )
        })?;
        Ok(Self { format, auto_mode, inactivity_timeout, key })
    }
}

/// Refuses as ElevenLabs does.
pub(super) fn refused(refusal: Refusal) -> Response {
    let (status, message) = match refusal {
        Refusal::NoKey => ("needs_authorization", "Neither authorization header nor xi-api-key received."),
        Refusal::WrongKey | Refusal::Status(401) => ("invalid_api_key", "Invalid API key."),
        Refusal::TooMany => ("too_many_concurrent_requests", "Too many concurrent requests."),
        Refusal::Status(429) => ("system_busy", "The system is busy. Please try again later."),
        Refusal::Status(403) => ("missing_permissions", "The key lacks a permission."),
        Refusal::Status(402) => ("quota_exceeded", "This request exceeds your quota."),
        Refusal::Status(_) => ("internal_server_error", "An internal error occurred."),
    };
    failure(refusal.status(), status, message)
}

/// Refuses what is wrong with a query.
pub(super) fn unusable(message: &str) -> Response {
    failure(StatusCode::BAD_REQUEST, "invalid_output_format", message)
}

fn failure(code: StatusCode, status: &str, message: &str) -> Response {
    let detail: Value = json!({"detail": {"status": status, "message": message}});
    (code, Json(detail)).into_response()
}

const LONGEST_TEXT: usize = 10_000;
const MOST_PARAMETERS: usize = 100;
