//! Voices of one's own machine over HTTP: Piper's server and Kokoro-FastAPI. Neither asks for a key.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::audio::SampleRate;
use crate::conversation::Service;

use super::sound::{Coding, SoundFormat};
use super::speech::{Wrapping, deliver};
use super::state::{Key, Session, State};

/// The paths of both, each under its name: they collide with others'.
pub(super) fn routes() -> Router<Arc<State>> {
    Router::new()
        .route("/piper", post(piper))
        .route("/piper/synthesize", post(piper))
        .route("/kokoro/v1/audio/speech", post(kokoro))
}

/// A request to Piper.
#[derive(Debug, Deserialize)]
struct Text {
    #[serde(default)]
    text: String,
    #[serde(default)]
    voice: Option<String>,
    #[serde(default)]
    length_scale: Option<f32>,
}

/// Speaks as Piper does: a whole WAV file at the voice's own rate.
async fn piper(Shared(state): Shared<Arc<State>>, body: Bytes) -> Response {
    let mut session = match admit(&state).await {
        Ok(session) => session,
        Err(status) => return (status, "refused").into_response(),
    };
    let Some(asked) = serde_json::from_slice::<Text>(&body).ok().filter(|asked| !asked.text.trim().is_empty()) else {
        session.refuse();
        return (StatusCode::BAD_REQUEST, "no text").into_response();
    };
    if session.trouble.is_blackhole() {
        return session.swallow().await;
    }
    session.note_text(&asked.text);
    let speed = asked.length_scale.map_or(1.0, |length| 1.0 / length.clamp(0.25, 4.0));
    let Some(rate) = SampleRate::new(22_050) else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let format = SoundFormat { coding: Coding::Pcm16, rate };
    let voice = asked.voice.as_deref().unwrap_or("piper");
    let speech = state.speech(&asked.text, voice, speed, rate, state.voice_number());
    session.stream("audio/wav", move |session, outlet| deliver(speech, format, Wrapping::Wav, session, outlet))
}

/// A request to Kokoro.
#[derive(Debug, Deserialize)]
struct Speech {
    #[serde(default)]
    input: String,
    #[serde(default)]
    voice: Option<String>,
    #[serde(default)]
    response_format: Option<String>,
    #[serde(default)]
    speed: Option<f32>,
    #[serde(default)]
    lang_code: Option<String>,
}

/// Speaks as Kokoro-FastAPI does: raw samples at 24 kHz, as they are made.
async fn kokoro(Shared(state): Shared<Arc<State>>, body: Bytes) -> Response {
    let mut session = match admit(&state).await {
        Ok(session) => session,
        Err(status) => return refused(status, "processing_error", "refused"),
    };
    let Ok(asked) = serde_json::from_slice::<Speech>(&body) else {
        session.refuse();
        return refused(StatusCode::UNPROCESSABLE_ENTITY, "validation_error", "the body is not one of speech");
    };
    let letters = ["a", "b", "e", "f", "h", "i", "j", "p", "z"];
    let is_language = asked.lang_code.as_deref().is_none_or(|letter| letters.contains(&letter));
    let is_voice =
        asked.voice.as_deref().is_none_or(|voice| voice.chars().all(|c| c.is_alphanumeric() || "_+().".contains(c)));
    let is_fast = asked.speed.is_none_or(|speed| (0.25..=4.0).contains(&speed));
    // Without a format it sends MP3, which is compressed.
    if asked.input.trim().is_empty()
        || !(is_language && is_voice && is_fast)
        || asked.response_format.as_deref() != Some("pcm")
    {
        session.refuse();
        return refused(StatusCode::BAD_REQUEST, "validation_error", "this simulator supports response_format pcm");
    }
    if session.trouble.is_blackhole() {
        return session.swallow().await;
    }
    session.note_text(&asked.input);
    let format = SoundFormat::OPENAI_PCM;
    let voice = asked.voice.as_deref().unwrap_or("af_heart");
    let speech = state.speech(&asked.input, voice, asked.speed.unwrap_or(1.0), format.rate, state.voice_number());
    session.stream("audio/pcm", move |session, outlet| deliver(speech, format, Wrapping::Bare, session, outlet))
}

async fn admit(state: &Arc<State>) -> Result<Session, StatusCode> {
    let session = state.admit(Service::Tts, Key::Later).map_err(|refusal| refusal.status())?;
    session.connect().await;
    Ok(session)
}

fn refused(status: StatusCode, error: &str, message: &str) -> Response {
    let detail: Value = json!({"detail": {"error": error, "message": message}});
    (status, Json(detail)).into_response()
}
