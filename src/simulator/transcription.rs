//! A recogniser of whole files: `POST /v1/audio/transcriptions` as OpenAI, speaches and their like have it, and
//! `POST /inference` of whisper.cpp's server.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State as Shared};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};

use crate::audio::SampleRate;
use crate::audio::wav::Wav;
use crate::conversation::Service;

use super::chat::{failure, refused};
use super::fault::Cut;
use super::hearing::seconds;
use super::recogniser::{Options, Recogniser, Report};
use super::state::{Key, Outlet, Session, State};
use super::streaming::spoken;

/// Its paths.
pub(super) fn routes() -> Router<Arc<State>> {
    Router::new()
        .route("/v1/audio/transcriptions", post(transcribe))
        .route("/inference", post(infer))
        .layer(DefaultBodyLimit::max(LARGEST_FILE))
}

/// OpenAI's way: a key, a model, any rate.
async fn transcribe(Shared(state): Shared<Arc<State>>, headers: HeaderMap, body: Bytes) -> Response {
    let key = Key::Given(Key::authorization(&headers, &["Bearer"]));
    let mut session = match state.admit(Service::Stt, key) {
        Ok(session) => session,
        Err(refusal) => return refused(refusal),
    };
    session.connect().await;
    session.state.note(Service::Stt, |log| *log.messages.entry("Audio").or_default() += 1);
    let bad = |session: &mut Session, message: &str, param: Option<&str>| {
        session.refuse();
        failure(StatusCode::BAD_REQUEST, "invalid_request_error", message, None, param)
    };
    let Some(form) = Form::parse(&headers, &body) else {
        return bad(&mut session, "Could not parse multipart form.", None);
    };
    if form.text("model").is_none_or(str::is_empty) {
        return bad(&mut session, "you must provide a model parameter", Some("model"));
    }
    let Some(file) =
        form.part("file").filter(|part| part.file_name.as_deref().is_some_and(|name| name.ends_with(".wav")))
    else {
        return bad(&mut session, "Unrecognized file format: this simulator reads .wav.", Some("file"));
    };
    let format = match form.text("response_format").unwrap_or("json") {
        _ if form.text("stream") == Some("true") => Format::Events,
        "json" => Format::Json,
        "text" => Format::Text,
        "verbose_json" => Format::Verbose,
        _ => return bad(&mut session, "this simulator answers json, text and verbose_json", Some("response_format")),
    };
    match Wav::parse(file.bytes) {
        Ok(wav) => respond(session, wav, format),
        Err(_) => bad(&mut session, "Audio file might be corrupted or unsupported", Some("file")),
    }
}

/// whisper.cpp's way: no key, no model, 16 kHz and nothing else.
async fn infer(Shared(state): Shared<Arc<State>>, headers: HeaderMap, body: Bytes) -> Response {
    let mut session = match state.admit(Service::Stt, Key::Later) {
        Ok(session) => session,
        Err(refusal) => return refusal.status().into_response(),
    };
    session.connect().await;
    session.state.note(Service::Stt, |log| *log.messages.entry("Audio").or_default() += 1);
    let bad = |session: &mut Session, why: &str| {
        session.refuse();
        (StatusCode::BAD_REQUEST, axum::Json(json!({"error": why}))).into_response()
    };
    let Some(form) = Form::parse(&headers, &body) else { return bad(&mut session, "no multipart form") };
    let Some(file) = form.part("file") else { return bad(&mut session, "no 'file' field in the request") };
    let format = match form.text("response_format").unwrap_or("json") {
        "text" => Format::Text,
        "verbose_json" => Format::Verbose,
        _ => Format::WhisperJson,
    };
    match Wav::parse(file.bytes) {
        Ok(wav) if wav.rate() == SampleRate::HZ_16000 => respond(session, wav, format),
        _ => bad(&mut session, "failed to read audio data"),
    }
}

/// How the text is given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Format {
    Json,
    /// As whisper.cpp writes it: a blank before, a line end behind.
    WhisperJson,
    Text,
    Verbose,
    /// Server-sent events.
    Events,
}

impl Format {
    const fn content_type(self) -> &'static str {
        match self {
            Self::Json | Self::WhisperJson | Self::Verbose => "application/json",
            Self::Text => "text/plain; charset=utf-8",
            Self::Events => "text/event-stream",
        }
    }
}

/// Answers with the words of `wav`, when they would be known.
fn respond(session: Session, wav: Wav, format: Format) -> Response {
    let duration = seconds(wav.duration());
    let (heard, words) = recognise(&session, wav);
    let text = spoken(&words);
    session.note_text(&text);
    session.stream(format.content_type(), move |session, outlet| async move {
        if session.trouble.is_blackhole() {
            session.state.stopped().await;
        }
        let recogniser = &session.state.config.recogniser;
        let due = session.at + recogniser.finalize_delay + session.trouble.delay();
        session.pace(0, due).await?;
        if session.trouble.is_garbage() {
            outlet.send("<html>this is not the protocol</html>").await;
            return Ok(());
        }
        deliver(&text, duration, heard, format, &session, &outlet).await
    })
}

async fn deliver(
    text: &str,
    duration: f64,
    heard: f64,
    format: Format,
    session: &Session,
    outlet: &Outlet,
) -> Result<(), Cut> {
    let usage = json!({"type": "duration", "seconds": duration.ceil()});
    let whole = match format {
        Format::Json => json!({"text": text, "usage": usage}).to_string(),
        Format::WhisperJson => json!({"text": format!(" {text}\n")}).to_string(),
        Format::Text => format!("{text}\n"),
        Format::Verbose => {
            let segments: Vec<Value> = (!text.is_empty())
                .then(|| json!({"id": 0, "start": 0.0, "end": heard, "text": text, "no_speech_prob": 0.01, "avg_logprob": -0.1}))
                .into_iter()
                .collect();
            json!({"task": "transcribe", "language": "english", "duration": duration, "text": text, "segments": segments})
                .to_string()
        }
        Format::Events => {
            for (n, word) in text.split_inclusive(' ').enumerate() {
                session.pace(n as u32, Instant::now()).await?;
                outlet.send(format!("data: {}\n\n", json!({"type": "transcript.text.delta", "delta": word}))).await;
            }
            format!("data: {}\n\n", json!({"type": "transcript.text.done", "text": text, "usage": usage}))
        }
    };
    outlet.send(whole).await;
    // A trouble after the text still comes before the end.
    session.pace(1, session.at).await
}

/// The words of a file, and where they end. A file is one utterance, and all files share one place in the script.
fn recognise(session: &Session, wav: Wav) -> (f64, Vec<super::lines::Word>) {
    let options =
        Options { rate: wav.rate(), interim_results: false, endpointing: None, utterance_end: None, vad_events: false };
    let state = &session.state;
    let mut recogniser = Recogniser::new(options, state.config.recogniser.clone(), state.lines.clone());
    recogniser.hear(&wav.into_mono(), session.at);
    recogniser.close();
    let mut words = Vec::new();
    while let Some(report) = recogniser.poll_report() {
        if let Report::Results(results) = report
            && results.is_final
        {
            words.extend(results.words);
        }
    }
    (seconds(recogniser.heard()), words)
}

/// A body of `multipart/form-data` (RFC 7578).
#[derive(Debug)]
struct Form<'a> {
    parts: Vec<Part<'a>>,
}

/// One field of a form.
#[derive(Debug)]
struct Part<'a> {
    name: String,
    file_name: Option<String>,
    bytes: &'a [u8],
}

impl<'a> Form<'a> {
    fn parse(headers: &HeaderMap, body: &'a [u8]) -> Option<Self> {
        let content_type = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
        let (kind, parameters) = content_type.split_once(';')?;
        if kind.trim() != "multipart/form-data" {
            return None;
        }
        let boundary = format!("--{}", parameter(parameters, "boundary")?);
        let mut parts = Vec::new();
        let mut rest = body.get(find(body, boundary.as_bytes())? + boundary.len()..)?;
        while !rest.starts_with(b"--") {
            let end = find(rest, format!("\r\n{boundary}").as_bytes())?;
            parts.push(Part::parse(rest.get(2..end)?)?);
            if parts.len() > MOST_PARTS {
                return None;
            }
            rest = rest.get(end + 2 + boundary.len()..)?;
        }
        Some(Self { parts })
    }

    fn part(&self, name: &str) -> Option<&Part<'a>> {
        self.parts.iter().find(|part| part.name == name)
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        self.part(name).and_then(|part| std::str::from_utf8(part.bytes).ok())
    }
}

impl<'a> Part<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let end = find(bytes, b"\r\n\r\n")?;
        let head = std::str::from_utf8(bytes.get(..end)?).ok()?;
        let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))?;
        let (_, parameters) = line.split_once(';')?;
        Some(Self {
            name: parameter(parameters, "name")?,
            file_name: parameter(parameters, "filename"),
            bytes: bytes.get(end + 4..)?,
        })
    }
}

/// The value of `name="value"` or `name=value` among parameters.
fn parameter(parameters: &str, name: &str) -> Option<String> {
    parameters.split(';').find_map(|parameter| {
        let (key, value) = parameter.trim().split_once('=')?;
        (key == name).then(|| value.trim_matches('"').to_owned())
    })
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

const MOST_PARTS: usize = 50;
/// OpenAI's own limit.
const LARGEST_FILE: usize = 25 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn form_of(boundary: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, format!("multipart/form-data; boundary={boundary}").parse().unwrap());
        headers
    }

    #[test]
    fn a_form_gives_its_fields_and_files() {
        let body = b"--b1\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--b1\r\n\
            content-disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n\r\n\
            RI\r\nFF--b\r\n--b1--\r\n";
        let headers = form_of("b1");
        let form = Form::parse(&headers, body).unwrap();
        assert_eq!(form.text("model"), Some("whisper-1"));
        let file = form.part("file").unwrap();
        assert_eq!((file.file_name.as_deref(), file.bytes), (Some("a.wav"), &b"RI\r\nFF--b"[..]));
        assert!(form.part("language").is_none());
    }

    #[test]
    fn what_is_no_form_is_none() {
        let headers = form_of("b1");
        for body in [&b""[..], b"--b1", b"--b1\r\n", b"--b1\r\nx\r\n--b1--", b"--b2\r\n\r\n--b2--", b"{}"] {
            assert!(Form::parse(&headers, body).is_none(), "{}", String::from_utf8_lossy(body));
        }
        assert!(Form::parse(&HeaderMap::new(), b"--b1--").is_none());
    }
}
