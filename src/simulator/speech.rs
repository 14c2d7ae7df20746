//! A voice that speaks OpenAI's protocol: `POST /v1/audio/speech`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;

use crate::conversation::Service;

use super::chat::{failure, refused};
use super::fault::Cut;
use super::sound::SoundFormat;
use super::state::{Key, Outlet, Session, State, faster};
use super::voice::Speech;

/// What this simulator reads of a request.
#[derive(Clone, Debug, Deserialize)]
struct Request {
    #[serde(default)]
    model: String,
    #[serde(default)]
    input: String,
    #[serde(default)]
    voice: Option<serde_json::Value>,
    #[serde(default)]
    response_format: Option<String>,
    #[serde(default)]
    speed: Option<f32>,
    #[serde(default)]
    stream_format: Option<String>,
}

/// Speaks the text of a request, as PCM or WAV of 24 kHz.
pub(super) async fn speak(Shared(state): Shared<Arc<State>>, headers: HeaderMap, body: Bytes) -> Response {
    let key = Key::Given(Key::authorization(&headers, &["Bearer"]));
    let mut session = match state.admit(Service::Tts, key) {
        Ok(session) => session,
        Err(refusal) => return refused(refusal),
    };
    session.connect().await;
    let bad = |session: &mut Session, message: &str, param: Option<&str>| {
        session.refuse();
        failure(StatusCode::BAD_REQUEST, "invalid_request_error", message, None, param)
    };
    let Ok(request) = serde_json::from_slice::<Request>(&body) else {
        return bad(&mut session, "We could not parse the JSON body of your request.", None);
    };
    if let Err((message, param)) = request.check() {
        return bad(&mut session, message, Some(param));
    }
    if session.trouble.is_blackhole() {
        return session.swallow().await;
    }
    session.note_text(&request.input);
    let voice = request.voice.as_ref().map(ToString::to_string).unwrap_or_default();
    let format = SoundFormat::OPENAI_PCM;
    let speed = request.speed.unwrap_or(1.0);
    let speech = state.speech(&request.input, &voice, speed, format.rate, state.voice_number());
    let wrapping = match (request.stream_format.as_deref(), request.response_format.as_deref()) {
        (Some("sse"), _) => Wrapping::Events,
        (_, Some("wav")) => Wrapping::Wav,
        _ => Wrapping::Bare,
    };
    let content_type = match wrapping {
        Wrapping::Events => "text/event-stream",
        Wrapping::Wav => "audio/wav",
        Wrapping::Bare => "audio/pcm",
    };
    session.stream(content_type, move |session, outlet| deliver(speech, format, wrapping, session, outlet))
}

impl Request {
    fn check(&self) -> Result<(), (&'static str, &'static str)> {
        if self.model.is_empty() {
            return Err(("you must provide a model parameter", "model"));
        }
        if self.voice.is_none() {
            return Err(("you must provide a voice parameter", "voice"));
        }
        if self.input.is_empty() || self.input.chars().count() > LONGEST_INPUT {
            return Err(("'input' must have 1 to 4096 characters", "input"));
        }
        if !matches!(self.response_format.as_deref(), Some("pcm" | "wav")) {
            return Err((
                "this simulator supports response_format pcm and wav (the default, mp3, is compressed)",
                "response_format",
            ));
        }
        if !matches!(self.stream_format.as_deref(), None | Some("audio" | "sse")) {
            return Err(("stream_format must be audio or sse", "stream_format"));
        }
        if self.speed.is_some_and(|speed| !(0.25..=4.0).contains(&speed)) {
            return Err(("'speed' must be from 0.25 to 4.0", "speed"));
        }
        Ok(())
    }
}

/// What is around the sound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wrapping {
    /// Nothing.
    Bare,
    /// A WAV header before it.
    Wav,
    /// Server-sent events with base64.
    Events,
}

/// Delivers `speech` piece by piece, faster than real time, the first at its time.
pub(super) async fn deliver(
    mut speech: Speech,
    format: SoundFormat,
    wrapping: Wrapping,
    session: Arc<Session>,
    outlet: Outlet,
) -> Result<(), Cut> {
    let config = &session.state.config.voice;
    let first_due = session.at + config.first_byte + session.trouble.delay();
    if session.trouble.is_garbage() {
        session.pace(0, first_due).await?;
        outlet.send("<html>this is not sound</html>").await;
        return Ok(());
    }
    let mut sent = 0;
    while let Some(piece) = speech.next_piece(if sent == 0 { FIRST_PIECE_MS } else { PIECE_MS }) {
        session.pace(sent, first_due + faster(piece.start_ms, config.speed_over_real_time)).await?;
        let mut bytes = format.encode(&piece.samples);
        match wrapping {
            Wrapping::Wav if sent == 0 => {
                bytes.splice(0..0, format.wav_header());
            }
            Wrapping::Events => {
                let audio = base64_simd::STANDARD.encode_to_string(&bytes);
                bytes = format!("data: {}\n\n", json!({"type": "speech.audio.delta", "audio": audio})).into_bytes();
            }
            Wrapping::Wav | Wrapping::Bare => {}
        }
        outlet.send(bytes).await;
        sent += 1;
    }
    // A trouble after the last piece still comes before the end.
    session.pace(sent, first_due).await?;
    if wrapping == Wrapping::Events {
        let usage = json!({"input_tokens": 0, "output_tokens": 0, "total_tokens": 0});
        outlet.send(format!("data: {}\n\n", json!({"type": "speech.audio.done", "usage": usage}))).await;
    }
    Ok(())
}

/// The first piece is short, to be early.
pub(super) const FIRST_PIECE_MS: u32 = 100;
/// The others.
pub(super) const PIECE_MS: u32 = 160;
const LONGEST_INPUT: usize = 4_096;
