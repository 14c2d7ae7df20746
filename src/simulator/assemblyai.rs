//! A recogniser that speaks AssemblyAI's streaming protocol: `GET /v3/ws`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{RawQuery, State as Shared};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};

use crate::audio::{Codec, SampleRate};
use crate::conversation::Service;

use super::calendar::unix_seconds;
use super::hearing::{CONFIDENCE, Hearing, Incoming, LARGEST_MESSAGE, Outbox, READ, Taken, Tongue, bare};
use super::lines::Word;
use super::recogniser::{Options, Report, Results};
use super::sound::Coding;
use super::state::{Key, State};

/// Its paths.
pub(super) fn routes() -> Router<Arc<State>> {
    Router::new().route("/v3/ws", get(stream))
}

async fn stream(
    Shared(state): Shared<Arc<State>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let query = query.unwrap_or_default();
    let token = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "token").map(|(_, token)| token);
    // The key alone, without a scheme before it: with one it is another key.
    let key = headers.get(header::AUTHORIZATION).and_then(|key| key.to_str().ok()).or(token.as_deref());
    let mut session = match state.admit(Service::Stt, Key::Given(key.filter(|key| !key.contains(' ')))) {
        Ok(session) => session,
        Err(refusal) => return refused(refusal.status(), "Unauthorized"),
    };
    session.connect().await;
    let (asked, upgrade) = match (Asked::parse(&query), upgrade) {
        (Ok(asked), Ok(upgrade)) => (asked, upgrade),
        (asked, _) => {
            session.refuse();
            return refused(StatusCode::BAD_REQUEST, &asked.err().unwrap_or_else(|| "open a WebSocket".to_owned()));
        }
    };
    let options = Options {
        rate: asked.rate,
        interim_results: true,
        endpointing: Some(asked.silence),
        utterance_end: None,
        vad_events: true,
    };
    let coding = asked.coding;
    let tongue = Turns {
        id: state.request_id(),
        bytes_per_second: asked.rate.hz() * if asked.coding == Coding::Pcm16 { 2 } else { 1 },
        formats: asked.formats,
        allowance: Allowance::new(Instant::now()),
        heard: Duration::ZERO,
        order: 0,
        settled: Vec::new(),
        open: Vec::new(),
    };
    let stream = Hearing::new(session, options, coding, tongue);
    upgrade.max_message_size(LARGEST_MESSAGE).read_buffer_size(READ).on_upgrade(move |socket| stream.serve(socket))
}

fn refused(status: StatusCode, why: &str) -> Response {
    (status, Json(json!({"error": why}))).into_response()
}

/// The query, understood.
#[derive(Clone, PartialEq, Debug)]
struct Asked {
    rate: SampleRate,
    coding: Coding,
    formats: bool,
    /// The silence that ends a turn.
    silence: Duration,
}

impl Asked {
    /// Parses the query; the error is for the client and quotes only parameter names. Booleans come as `true` and `True`.
    fn parse(query: &str) -> Result<Self, String> {
        let (mut rate, mut coding, mut formats, mut silence) = (None, Coding::Pcm16, false, 0);
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()).take(MOST_PARAMETERS) {
            match name.as_ref() {
                "sample_rate" => rate = value.parse().ok().and_then(SampleRate::new),
                "encoding" if value == "pcm_mulaw" => coding = Coding::G711(Codec::Pcmu),
                "encoding" if value == "pcm_s16le" => coding = Coding::Pcm16,
                "encoding" => return Err("this simulator decodes encoding=pcm_mulaw and pcm_s16le".to_owned()),
                "format_turns" => match value.to_ascii_lowercase().as_str() {
                    "true" => formats = true,
                    "false" => formats = false,
                    _ => return Err(format!("{name} must be true or false")),
                },
                "min_turn_silence" | "min_end_of_turn_silence_when_confident" => {
                    silence = value.parse::<u32>().map_err(|_| format!("{name} must be a number of milliseconds"))?;
                }
                "keyterms_prompt" if serde_json::from_str::<Vec<String>>(&value).is_err() => {
                    return Err(format!("{name} must be a JSON array of texts"));
                }
                _ => {}
            }
        }
        let rate = rate.ok_or("sample_rate is required")?;
        Ok(Self { rate, coding, formats, silence: Duration::from_millis(silence.into()) })
    }
}

/// How much faster than it was spoken sound may come.
#[derive(Clone, Debug)]
struct Allowance {
    left: f64,
    since: Instant,
}

impl Allowance {
    /// Seconds of sound allowed in a second.
    const SPEED: f64 = 2.5;
    /// Seconds of sound allowed at once.
    const BURST: f64 = 1.0;

    fn new(now: Instant) -> Self {
        Self { left: Self::BURST, since: now }
    }

    /// Takes `sound` at `now`; `false` when there was too much of it.
    fn take(&mut self, sound: Duration, now: Instant) -> bool {
        let grown = now.saturating_duration_since(self.since).as_secs_f64() * Self::SPEED;
        self.left = (self.left + grown).min(Self::BURST) - sound.as_secs_f64();
        self.since = now;
        self.left >= 0.0
    }
}

/// `/v3/ws` of one stream.
struct Turns {
    id: String,
    bytes_per_second: u32,
    formats: bool,
    allowance: Allowance,
    heard: Duration,
    order: u64,
    /// Words that will not change, and those that may.
    settled: Vec<Word>,
    open: Vec<Word>,
}

impl Tongue for Turns {
    fn greet(&mut self, out: &mut Outbox) {
        out.say(json!({"type": "Begin", "id": self.id, "expires_at": unix_seconds() + LONGEST_SESSION}));
    }

    fn take(&mut self, message: Incoming<'_>, out: &mut Outbox) -> Taken {
        let text = match message {
            Incoming::Binary(sound) => return self.sound(sound, out),
            Incoming::Text(text) => text,
        };
        let message: Value = serde_json::from_str(text).unwrap_or_default();
        match message.get("type").and_then(Value::as_str) {
            Some("ForceEndpoint") => Taken::Finalize("ForceEndpoint"),
            Some("KeepAlive") => Taken::Noted("KeepAlive"),
            Some("Terminate") => Taken::Done("Terminate"),
            Some("UpdateConfiguration") => self.update(&message),
            _ => self.wrong(3006, "Invalid message", out),
        }
    }

    fn report(&mut self, report: &Report, out: &mut Outbox) {
        match report {
            Report::SpeechStarted(at) => out.say(json!({"type": "SpeechStarted", "timestamp": at.as_millis() as u64})),
            Report::UtteranceEnd(_) => {}
            Report::Results(results) => self.results(results, out),
        }
    }

    fn heard(&mut self, heard: Duration, _silence: Option<Duration>, _out: &mut Outbox) {
        self.heard = heard;
    }

    fn end(&mut self, heard: Duration, out: &mut Outbox) {
        if !self.settled.is_empty() || !self.open.is_empty() {
            self.end_turn(out);
        }
        out.say(json!({"type": "Termination", "audio_duration_seconds": heard.as_secs(),
            "session_duration_seconds": heard.as_secs()}));
    }
}

impl Turns {
    fn sound(&mut self, sound: &[u8], out: &mut Outbox) -> Taken {
        let length = Duration::from_secs_f64(sound.len() as f64 / f64::from(self.bytes_per_second.max(1)));
        if length < SHORTEST || length > LONGEST {
            return self.wrong(3007, "Input duration violation: a message must hold 50 to 1000 ms", out);
        }
        match self.allowance.take(length, Instant::now()) {
            true => Taken::Sound(sound.to_vec()),
            false => self.wrong(3007, "Audio transmission rate exceeded", out),
        }
    }

    fn results(&mut self, results: &Results, out: &mut Outbox) {
        let before = self.settled.len() + self.open.len();
        match results.is_final {
            true => {
                self.settled.extend(results.words.iter().cloned());
                self.open.clear();
            }
            false => self.open.clone_from(&results.words),
        }
        let is_open = !self.settled.is_empty() || !self.open.is_empty();
        if results.from_finalize || (results.speech_final && is_open) {
            self.end_turn(out);
        } else if self.settled.len() + self.open.len() != before || !results.is_final {
            out.say(self.turn(false, false));
        }
    }

    fn end_turn(&mut self, out: &mut Outbox) {
        let words: Vec<&str> = self.settled.iter().chain(&self.open).map(|word| word.text.as_str()).collect();
        out.note(&words.join(" "));
        self.settled.append(&mut self.open);
        out.say(self.turn(true, false));
        if self.formats {
            out.say(self.turn(true, true));
        }
        self.settled.clear();
        self.order += 1;
    }

    /// The turn as it is. The last word may still change, as long as the turn lasts: it is in the list and not in the text.
    fn turn(&self, end: bool, formatted: bool) -> Value {
        let all: Vec<&Word> = self.settled.iter().chain(&self.open).collect();
        let certain = if end { all.len() } else { all.len().saturating_sub(1) };
        let written = |word: &Word| if formatted { word.text.clone() } else { bare(&word.text) };
        let text: Vec<String> = all.iter().take(certain).map(|word| written(word)).collect();
        let words = all.iter().enumerate().map(|(n, word)| {
            json!({"text": written(word), "start": word.start.as_millis() as u64, "end": word.end.as_millis() as u64,
                "confidence": CONFIDENCE, "word_is_final": n < certain})
        });
        let text = text.join(" ");
        json!({
            "type": "Turn",
            "turn_order": self.order,
            "turn_is_formatted": formatted,
            "end_of_turn": end,
            "transcript": text,
            "utterance": if end { text.as_str() } else { "" },
            "end_of_turn_confidence": if end { 0.9 } else { 0.1 },
            "words": words.collect::<Vec<_>>(),
        })
    }

    fn update(&mut self, message: &Value) -> Taken {
        if let Some(formats) = message.get("format_turns").and_then(Value::as_bool) {
            self.formats = formats;
        }
        match message.get("min_turn_silence").and_then(Value::as_u64) {
            Some(silence) => Taken::Endpointing("UpdateConfiguration", Duration::from_millis(silence.min(10_000))),
            None => Taken::Noted("UpdateConfiguration"),
        }
    }

    /// What is not allowed is told, and ends the stream.
    fn wrong(&self, code: u16, why: &'static str, out: &mut Outbox) -> Taken {
        out.say(json!({"type": "Error", "error_code": code, "error": why}));
        Taken::Wrong(code, why)
    }
}

const MOST_PARAMETERS: usize = 200;
/// Seconds after which a session ends.
const LONGEST_SESSION: u64 = 3 * 60 * 60;
/// The sound of one message.
const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_millis(1_000);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_may_come_a_little_faster_than_it_was_spoken_and_no_more() {
        let began = Instant::now();
        let mut allowance = Allowance::new(began);
        let piece = Duration::from_millis(100);
        assert!((0..10).all(|_| allowance.take(piece, began)), "a second at once");
        assert!(!allowance.take(piece, began));
        let mut allowance = Allowance::new(began);
        assert!((1..100).all(|n| allowance.take(piece, began + piece * n / 2)), "twice as fast");
        let mut allowance = Allowance::new(began);
        assert!(!(1..100).all(|n| allowance.take(piece, began + piece * n / 4)), "four times as fast");
    }

    #[test]
    fn booleans_come_in_either_spelling_and_lists_as_json() {
        let asked = Asked::parse("sample_rate=8000&encoding=pcm_mulaw&format_turns=True&keyterms_prompt=%5B%22a%22%5D");
        let asked = asked.unwrap();
        assert_eq!((asked.formats, asked.coding), (true, Coding::G711(Codec::Pcmu)));
        for wrong in ["encoding=pcm_mulaw", "sample_rate=8000&keyterms_prompt=a,b", "sample_rate=8000&format_turns=1"] {
            assert!(Asked::parse(wrong).is_err(), "{wrong}");
        }
    }
}
