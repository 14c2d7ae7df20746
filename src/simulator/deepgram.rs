//! A recogniser that speaks Deepgram's streaming protocol: `GET /v1/listen`.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{RawQuery, State as Shared};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::audio::{Codec, SampleRate};
use crate::conversation::Service;

use super::alarm::Standing;
use super::calendar::{rfc3339, unix_seconds};
use super::fault::Cut;
use super::lines::{Lines, Word};
use super::prompter::Order;
use super::recogniser::{Options, Recogniser, Report, Results};
use super::sound::{Coding, SoundReader};
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
    let stream = Stream::new(session, asked, request_id.clone());
    let upgrade = upgrade.protocols(["token", "bearer"]).max_message_size(LARGEST_MESSAGE).read_buffer_size(READ);
    let mut response = upgrade.on_upgrade(move |socket| stream.serve(socket));
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert("dg-request-id", id);
    }
    response
}

/// The key of `Sec-WebSocket-Protocol: token, <key>`, which is how browsers send it.
fn protocol_key(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers.get(header::SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?.split_once(',')?;
    ["token", "bearer"].contains(&scheme.trim()).then(|| key.trim())
}

fn refused(refusal: Refusal, request_id: &str) -> Response {
    let (code, message) = match refusal {
        Refusal::NoKey | Refusal::WrongKey | Refusal::Status(401) => ("INVALID_AUTH", "Invalid credentials."),
        Refusal::TooMany | Refusal::Status(429) => ("TOO_MANY_REQUESTS", "Too many requests. Please try again later."),
        Refusal::Status(402) => ("ASR_PAYMENT_REQUIRED", "Project does not have enough credits."),
        Refusal::Status(403) => ("INSUFFICIENT_PERMISSIONS", "Project does not have access to the requested model."),
        Refusal::Status(_) => ("INTERNAL_SERVER_ERROR", "An error occurred."),
    };
    failure(refusal.status(), code, message, request_id)
}

fn failure(status: StatusCode, code: &str, message: &str, request_id: &str) -> Response {
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

/// One open stream.
struct Stream {
    session: Session,
    asked: Asked,
    request_id: String,
    recogniser: Recogniser,
    reader: SoundReader,
    /// Answers to what the client configured.
    answers: VecDeque<Value>,
    /// Reports sent, for faults that count them.
    sent: u32,
    /// A stall has begun: nothing is sent any more.
    is_silent: bool,
    /// It hears nothing any more.
    is_deaf: bool,
}

/// Why a stream ends.
enum End {
    /// The client is done.
    Done,
    /// The server closes it, with this code and reason.
    Close(u16, &'static str),
    /// Without a word.
    Drop,
}

impl Stream {
    fn new(session: Session, asked: Asked, request_id: String) -> Self {
        let state = &session.state;
        let mut config = state.config.recogniser.clone();
        config.final_delay += session.trouble.delay();
        config.finalize_delay += session.trouble.delay();
        config.interim_lag += session.trouble.delay();
        let lines =
            if config.script.shared { state.lines.clone() } else { Lines::new(Arc::new(config.script.clone())) };
        let recogniser = Recogniser::new(asked.options, config, lines);
        let reader = SoundReader::new(asked.coding);
        let is_silent = session.trouble.is_blackhole();
        Self {
            session,
            asked,
            request_id,
            recogniser,
            reader,
            answers: VecDeque::new(),
            sent: 0,
            is_silent,
            is_deaf: is_silent,
        }
    }

    async fn serve(mut self, mut socket: WebSocket) {
        match self.listen(&mut socket).await {
            End::Drop => {}
            End::Close(code, reason) => close(&mut socket, code, reason).await,
            End::Done => {
                self.recogniser.close();
                if self.flush(&mut socket).await.is_ok() && !self.is_silent {
                    let metadata = self.metadata().to_string();
                    if socket.send(Message::Text(metadata.into())).await.is_ok() {
                        self.session.complete();
                        close(&mut socket, 1000, "").await;
                    }
                }
            }
        }
    }

    /// Serves the stream until it ends.
    async fn listen(&mut self, socket: &mut WebSocket) -> End {
        let state = Arc::clone(&self.session.state);
        let mut idle_due = Instant::now() + state.config.recogniser.idle_timeout;
        let mut cut_due = self.session.trouble.cut_due();
        let mut orders = state.orders.subscribe();
        // Kept from message to message: each costs more to set up than to ask.
        let mut reports = Standing::new(&state.alarm);
        let mut idle = pin!(tokio::time::sleep_until(idle_due.into()));
        let mut stopped = pin!(state.stopped());
        loop {
            tokio::select! {
                message = socket.recv() => {
                    let Some(Ok(message)) = message else { return End::Drop };
                    match self.take(message) {
                        Ok(true) => idle_due = Instant::now() + state.config.recogniser.idle_timeout,
                        Ok(false) => {}
                        Err(end) => return end,
                    }
                }
                () = reports.until_some(self.recogniser.poll_timeout()) => {
                    self.recogniser.handle_timeout(Instant::now());
                }
                () = state.alarm.until_some(cut_due.map(|(at, _)| at)) => match cut_due.take() {
                    Some((_, Cut::Drop)) => return End::Drop,
                    _ => self.is_silent = true,
                },
                order = orders.recv() => match order {
                    Ok(Order::Drop) => return End::Drop,
                    Ok(Order::Deafen) => self.is_deaf = true,
                    Ok(Order::Report(utter)) => self.recogniser.utter(&utter),
                    // The state outlives its streams; what a busy stream missed is lost.
                    Err(_) => {}
                },
                () = &mut idle, if !self.session.trouble.is_blackhole() => {
                    if idle_due <= Instant::now() {
                        return End::Close(1011, "NET-0001: no audio or KeepAlive within the timeout window");
                    }
                    idle.as_mut().reset(idle_due.into());
                }
                () = &mut stopped => return End::Close(1001, "the simulator stops"),
            }
            if let Err(end) = self.flush(socket).await {
                return end;
            }
        }
    }

    /// Takes a message and says whether it keeps the stream alive.
    fn take(&mut self, message: Message) -> Result<bool, End> {
        match message {
            Message::Binary(bytes) if bytes.is_empty() => Err(End::Done),
            Message::Binary(bytes) => {
                self.count("Audio");
                let samples = self.reader.read(&bytes);
                if !self.is_deaf {
                    self.recogniser.hear(&samples, Instant::now());
                }
                Ok(true)
            }
            Message::Text(text) => {
                let message: Value = serde_json::from_str(&text).unwrap_or_default();
                match message.get("type").and_then(Value::as_str) {
                    Some("KeepAlive") => self.count("KeepAlive"),
                    Some("Finalize") => {
                        self.count("Finalize");
                        self.recogniser.finalize(Instant::now());
                    }
                    Some("CloseStream") => {
                        self.count("CloseStream");
                        return Err(End::Done);
                    }
                    Some("Configure") => {
                        self.count("Configure");
                        self.answers.push_back(self.configured(&message));
                    }
                    _ => return Err(End::Close(1008, "DATA-0000: the message could not be decoded")),
                }
                Ok(true)
            }
            Message::Close(_) => Err(End::Drop),
            Message::Ping(_) | Message::Pong(_) => Ok(false),
        }
    }

    fn count(&self, kind: &'static str) {
        self.session.state.note(Service::Stt, |log| *log.messages.entry(kind).or_default() += 1);
    }

    /// Sends what the recogniser has to report.
    async fn flush(&mut self, socket: &mut WebSocket) -> Result<(), End> {
        while let Some(message) = self.next_message() {
            match self.session.trouble.cut_after(self.sent) {
                Some(Cut::Drop) => return Err(End::Drop),
                Some(Cut::Stall) => self.is_silent = true,
                None => {}
            }
            if self.is_silent {
                continue;
            }
            let text = if self.session.trouble.is_garbage() {
                "<html>this is not the protocol".to_owned()
            } else {
                message.to_string()
            };
            self.sent += 1;
            if socket.send(Message::Text(text.into())).await.is_err() {
                return Err(End::Drop);
            }
        }
        Ok(())
    }

    fn next_message(&mut self) -> Option<Value> {
        self.answers.pop_front().or_else(|| self.recogniser.poll_report().map(|report| self.render(&report)))
    }

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

    fn render(&self, report: &Report) -> Value {
        match report {
            Report::SpeechStarted(at) => json!({"type": "SpeechStarted", "channel": [0, 1], "timestamp": seconds(*at)}),
            Report::UtteranceEnd(at) => {
                json!({"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": seconds(*at)})
            }
            Report::Results(results) => self.results(results),
        }
    }

    fn results(&self, results: &Results) -> Value {
        let written = |word: &Word| if self.asked.punctuate { word.text.clone() } else { bare(&word.text) };
        let transcript = results.words.iter().map(written).collect::<Vec<_>>().join(" ");
        if results.is_final && !transcript.is_empty() {
            self.session.note_text(&transcript);
        }
        let words: Vec<Value> = results.words.iter().map(|word| self.word(word)).collect();
        let confidence = if words.is_empty() { 0.0 } else { CONFIDENCE };
        json!({
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
        })
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

    fn metadata(&self) -> Value {
        json!({
            "type": "Metadata",
            "transaction_key": "deprecated",
            "request_id": self.request_id,
            // Shaped like a digest of the audio, which nobody here computes.
            "sha256": "0".repeat(64),
            "created": rfc3339(unix_seconds()),
            "duration": seconds(self.recogniser.heard()),
            "channels": 1,
            "models": [MODEL_UUID],
            "model_info": {MODEL_UUID: {"name": self.asked.model, "version": "simulated", "arch": self.asked.model}},
        })
    }
}

/// Closes the socket and waits a moment for the client to agree, so that nothing sent before is lost to a reset.
pub(super) async fn close(socket: &mut WebSocket, code: u16, reason: &'static str) {
    if socket.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await.is_ok() {
        let agreed = async { while let Some(Ok(_)) = socket.recv().await {} };
        // A client that does not answer is left anyway.
        let _ = tokio::time::timeout(CLOSING, agreed).await;
    }
}

/// A word as it is without punctuation: lower case, nothing around it.
fn bare(word: &str) -> String {
    word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase()
}

/// Seconds to the millisecond, as numbers of the wire.
fn seconds(time: Duration) -> f64 {
    time.as_millis() as f64 / 1_000.0
}

const DEFAULT_ENDPOINTING: Duration = Duration::from_millis(10);
const MOST_PARAMETERS: usize = 200;
/// More than a minute of any encoding at once is not streaming.
const LARGEST_MESSAGE: usize = 1 << 20;
/// Bytes read at a time: the library fills so many with zeros before each look.
pub(super) const READ: usize = 4 << 10;
const CLOSING: Duration = Duration::from_secs(1);
const CONFIDENCE: f64 = 0.98;
const MODEL_UUID: &str = "51a00000-aaaa-4000-8000-000000000000";
