//! A recogniser that speaks Deepgram Flux's protocol: `GET /v2/listen`.
//!
//! How sure it is that a turn is over grows with the silence after it: as sure as the default threshold asks after the
//! recogniser's own delay.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{RawQuery, State as Shared};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::get;
use serde_json::{Value, json};

use crate::audio::{Codec, SampleRate};
use crate::conversation::Service;

use super::deepgram::{failure, protocol_key, refused};
use super::hearing::{CONFIDENCE, Hearing, Incoming, LARGEST_MESSAGE, Outbox, READ, Taken, Tongue, seconds};
use super::lines::Word;
use super::recogniser::{Options, Report, Results};
use super::sound::Coding;
use super::state::{Key, State};

/// Its paths.
pub(super) fn routes() -> Router<Arc<State>> {
    Router::new().route("/v2/listen", get(listen))
}

async fn listen(
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
    let asked = Asked::parse(query.as_deref().unwrap_or_default());
    let (asked, upgrade) = match (asked, upgrade) {
        (Ok(asked), Ok(upgrade)) => (asked, upgrade),
        (asked, _) => {
            session.refuse();
            let why = asked.err().unwrap_or_else(|| "open a WebSocket".to_owned());
            return failure(StatusCode::BAD_REQUEST, "INVALID_QUERY_PARAMETER", &why, &request_id);
        }
    };
    let config = &state.config.recogniser;
    let pace = Certainty { normal: config.final_delay };
    let options = Options {
        rate: asked.rate,
        interim_results: true,
        endpointing: Some(pace.silence(asked.thresholds)),
        utterance_end: None,
        vad_events: false,
    };
    let lag = config.interim_lag + session.trouble.delay();
    let coding = asked.coding;
    let tongue = Turns { asked, certainty: pace, lag, request_id: request_id.clone(), ..Turns::default() };
    let stream = Hearing::new(session, options, coding, tongue);
    let upgrade = upgrade.protocols(["token", "bearer"]).max_message_size(LARGEST_MESSAGE).read_buffer_size(READ);
    let mut response = upgrade.on_upgrade(move |socket| stream.serve(socket));
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert("dg-request-id", id);
    }
    response
}

/// The query, understood.
#[derive(Clone, Debug)]
struct Asked {
    rate: SampleRate,
    coding: Coding,
    thresholds: Thresholds,
    keyterms: Vec<String>,
}

impl Default for Asked {
    fn default() -> Self {
        Self {
            rate: SampleRate::HZ_8000,
            coding: Coding::Pcm16,
            thresholds: Thresholds::default(),
            keyterms: Vec::new(),
        }
    }
}

/// When a turn is over.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Thresholds {
    eot: f64,
    eager: Option<f64>,
    timeout: Duration,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { eot: 0.7, eager: None, timeout: Duration::from_millis(5_000) }
    }
}

impl Thresholds {
    /// Takes one setting; the error is for the client.
    fn set(&mut self, name: &str, value: f64) -> Result<(), String> {
        match name {
            "eot_threshold" if (0.5..=1.0).contains(&value) => self.eot = value,
            "eager_eot_threshold" if (0.3..=0.9).contains(&value) => self.eager = Some(value),
            "eot_timeout_ms" if (500.0..=60_000.0).contains(&value) => {
                self.timeout = Duration::from_millis(value as u64);
            }
            _ => return Err(format!("{name} is out of its range")),
        }
        Ok(())
    }

    fn check(self) -> Result<Self, String> {
        match self.eager.is_some_and(|eager| eager > self.eot) {
            true => Err("eager_eot_threshold must not be above eot_threshold".to_owned()),
            false => Ok(self),
        }
    }
}

impl Asked {
    /// Parses the query; the error is for the client and quotes only parameter names.
    fn parse(query: &str) -> Result<Self, String> {
        let (mut encoding, mut rate, mut model) = (None, None, String::new());
        let (mut thresholds, mut keyterms) = (Thresholds::default(), Vec::new());
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()).take(MOST_PARAMETERS) {
            match name.as_ref() {
                "model" => model = value.chars().take(64).collect(),
                "encoding" => encoding = Some(value.to_string()),
                "sample_rate" => rate = value.parse().ok().and_then(SampleRate::new),
                "eot_threshold" | "eager_eot_threshold" | "eot_timeout_ms" => {
                    thresholds.set(&name, value.parse().unwrap_or(f64::NAN))?;
                }
                "keyterm" => keyterms.push(value.to_string()),
                "interim_results" | "endpointing" | "punctuate" | "smart_format" | "utterance_end_ms"
                | "vad_events" => {
                    return Err(format!("{name} is no parameter of this version"));
                }
                _ => {}
            }
        }
        if !model.starts_with("flux-general-") {
            return Err("model must be flux-general-en or flux-general-multi".to_owned());
        }
        let coding = match encoding.as_deref() {
            Some("mulaw") => Coding::G711(Codec::Pcmu),
            Some("alaw") => Coding::G711(Codec::Pcma),
            Some("linear16") => Coding::Pcm16,
            Some(_) => return Err("this simulator decodes encoding=mulaw, alaw and linear16".to_owned()),
            None => return Err("this simulator hears raw audio: give encoding and sample_rate".to_owned()),
        };
        let rate = rate.ok_or("encoding needs sample_rate")?;
        Ok(Self { rate, coding, thresholds: thresholds.check()?, keyterms })
    }
}

/// How sure it is that a turn is over.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Certainty {
    /// The silence after which it is as sure as the default threshold asks.
    normal: Duration,
}

impl Certainty {
    /// The silence after which it is so sure; endless for a certainty of 1.
    fn after(self, threshold: f64) -> Duration {
        let times = (1.0 - threshold).ln() / (1.0 - Thresholds::default().eot).ln();
        Duration::try_from_secs_f64(self.normal.as_secs_f64() * times).unwrap_or(Duration::MAX)
    }

    /// How sure it is after `silence`.
    fn at(self, silence: Duration) -> f64 {
        let times = silence.as_secs_f64() / self.normal.as_secs_f64().max(0.001);
        let sure = 1.0 - (1.0 - Thresholds::default().eot).powf(times);
        (sure.min(0.99) * 1_000.0).round() / 1_000.0
    }

    /// The silence that ends a turn.
    fn silence(self, thresholds: Thresholds) -> Duration {
        self.after(thresholds.eot).min(thresholds.timeout)
    }
}

/// `/v2/listen` of one stream.
#[derive(Default)]
struct Turns {
    asked: Asked,
    certainty: Certainty,
    /// How far words are behind their sound.
    lag: Duration,
    request_id: String,
    sequence: u64,
    turn: u64,
    /// Words that will not change, and those that may.
    settled: Vec<Word>,
    open: Vec<Word>,
    phase: Phase,
    /// What the last message covered of the sound.
    told: Duration,
    heard: Duration,
    silence: Duration,
}

/// Where a turn is.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
enum Phase {
    /// There is none.
    #[default]
    None,
    /// Somebody speaks.
    Speaking,
    /// It may be over, with these words.
    Eager(String),
}

impl Tongue for Turns {
    fn greet(&mut self, out: &mut Outbox) {
        self.say(json!({"type": "Connected"}), out);
    }

    fn take(&mut self, message: Incoming<'_>, out: &mut Outbox) -> Taken {
        let text = match message {
            Incoming::Binary([]) => return self.wrong(out),
            Incoming::Binary(sound) => return Taken::Sound(sound.to_vec()),
            Incoming::Text(text) => text,
        };
        let message: Value = serde_json::from_str(text).unwrap_or_default();
        match message.get("type").and_then(Value::as_str) {
            // Without a turn it is ignored; the recogniser's answer without words ends none.
            Some("ForceEndTurn") => Taken::Finalize("ForceEndTurn"),
            Some("CloseStream") => Taken::Done("CloseStream"),
            Some("Configure") => self.configure(&message, out),
            _ => self.wrong(out),
        }
    }

    fn report(&mut self, report: &Report, out: &mut Outbox) {
        if let Report::Results(results) = report {
            self.results(results, out);
        }
    }

    fn heard(&mut self, heard: Duration, silence: Option<Duration>, out: &mut Outbox) {
        (self.heard, self.silence) = (heard, silence.unwrap_or(Duration::ZERO));
        let eager_after = self.asked.thresholds.eager.map(|eager| self.certainty.after(eager).max(self.lag + STEP));
        let is_quiet = silence.zip(eager_after).is_some_and(|(silence, wanted)| silence >= wanted);
        if is_quiet && self.phase == Phase::Speaking {
            self.eager(out);
        } else if heard >= self.told + UPDATE {
            self.tell("Update", None, out);
        }
    }

    fn end(&mut self, heard: Duration, out: &mut Outbox) {
        self.heard = heard;
        self.end_turn("timeout", out);
    }
}

impl Turns {
    fn results(&mut self, results: &Results, out: &mut Outbox) {
        let before = self.transcript();
        match results.is_final {
            true => {
                self.settled.extend(results.words.iter().cloned());
                self.open.clear();
            }
            false => self.open.clone_from(&results.words),
        }
        let is_new = self.transcript() != before;
        match &self.phase {
            Phase::None if self.transcript().is_empty() => {}
            Phase::None => {
                self.phase = Phase::Speaking;
                self.tell("StartOfTurn", None, out);
            }
            // An end has the words of the eager end before it, or the turn was resumed.
            Phase::Eager(_) if is_new => {
                self.phase = Phase::Speaking;
                self.tell("TurnResumed", None, out);
            }
            Phase::Speaking if is_new => self.tell("Update", None, out),
            Phase::Speaking | Phase::Eager(_) => {}
        }
        if results.from_finalize {
            self.end_turn("manual", out);
        } else if results.speech_final {
            let thresholds = self.asked.thresholds;
            let is_sure = self.certainty.after(thresholds.eot) <= thresholds.timeout;
            if thresholds.eager.is_some() && self.phase == Phase::Speaking {
                self.eager(out);
            }
            self.end_turn(if is_sure { "model" } else { "timeout" }, out);
        }
    }

    fn eager(&mut self, out: &mut Outbox) {
        self.phase = Phase::Eager(self.transcript());
        self.tell("EagerEndOfTurn", None, out);
    }

    fn end_turn(&mut self, trigger: &str, out: &mut Outbox) {
        if self.phase == Phase::None {
            return;
        }
        out.note(&self.transcript());
        self.tell("EndOfTurn", Some(trigger), out);
        self.phase = Phase::None;
        self.turn += 1;
        self.settled.clear();
        self.open.clear();
    }

    fn transcript(&self) -> String {
        let words: Vec<&str> = self.settled.iter().chain(&self.open).map(|word| word.text.as_str()).collect();
        words.join(" ")
    }

    fn tell(&mut self, event: &str, trigger: Option<&str>, out: &mut Outbox) {
        let words = self.settled.iter().chain(&self.open).map(|word| {
            json!({"word": word.text, "confidence": CONFIDENCE, "start": seconds(word.start), "end": seconds(word.end)})
        });
        let mut message = json!({
            "type": "TurnInfo",
            "event": event,
            "turn_index": self.turn,
            "audio_window_start": seconds(self.told.min(self.heard)),
            "audio_window_end": seconds(self.heard),
            "transcript": self.transcript(),
            "words": words.collect::<Vec<_>>(),
            "end_of_turn_confidence": self.certainty.at(self.silence),
        });
        if let (Some(trigger), Some(fields)) = (trigger, message.as_object_mut()) {
            fields.insert("trigger".to_owned(), trigger.into());
        }
        self.told = self.heard;
        self.say(message, out);
    }

    /// Takes new settings for what comes, whole or not at all.
    fn configure(&mut self, message: &Value, out: &mut Outbox) -> Taken {
        let mut thresholds = self.asked.thresholds;
        let mut wanted = Ok(());
        for (name, value) in message.get("thresholds").and_then(Value::as_object).into_iter().flatten() {
            wanted = wanted.and_then(|()| thresholds.set(name, value.as_f64().unwrap_or(f64::NAN)));
        }
        let thresholds = match wanted.and_then(|()| thresholds.check()) {
            Ok(thresholds) => thresholds,
            Err(why) => {
                let failure = json!({"type": "ConfigureFailure", "code": "INVALID_CONFIGURATION", "description": why});
                self.say(failure, out);
                return Taken::Noted("Configure");
            }
        };
        self.asked.thresholds = thresholds;
        if let Some(keyterms) = message.get("keyterms").and_then(Value::as_array) {
            self.asked.keyterms = keyterms.iter().filter_map(|term| term.as_str().map(str::to_owned)).collect();
        }
        let mut active =
            json!({"eot_threshold": thresholds.eot, "eot_timeout_ms": thresholds.timeout.as_millis() as u64});
        if let (Some(eager), Some(fields)) = (thresholds.eager, active.as_object_mut()) {
            fields.insert("eager_eot_threshold".to_owned(), eager.into());
        }
        self.say(json!({"type": "ConfigureSuccess", "thresholds": active, "keyterms": self.asked.keyterms}), out);
        Taken::Endpointing("Configure", self.certainty.silence(thresholds))
    }

    /// A message that is not of the protocol ends the stream.
    fn wrong(&mut self, out: &mut Outbox) -> Taken {
        let what = "the message is none of this version";
        self.say(json!({"type": "Error", "code": "UNPARSABLE_CLIENT_MESSAGE", "description": what}), out);
        Taken::Wrong(1008, "UNPARSABLE_CLIENT_MESSAGE")
    }

    fn say(&mut self, mut message: Value, out: &mut Outbox) {
        if let Some(fields) = message.as_object_mut() {
            fields.insert("request_id".to_owned(), self.request_id.clone().into());
            fields.insert("sequence_id".to_owned(), self.sequence.into());
        }
        self.sequence += 1;
        out.say(message);
    }
}

const MOST_PARAMETERS: usize = 200;
/// How much sound is transcribed before the next message at the latest.
const UPDATE: Duration = Duration::from_millis(250);
/// What is transcribed at a time.
const STEP: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_silence_makes_it_surer_and_certainty_takes_for_ever() {
        let certainty = Certainty { normal: Duration::from_millis(250) };
        assert_eq!(certainty.after(0.7), Duration::from_millis(250));
        assert!(certainty.after(0.5) < Duration::from_millis(150));
        assert!(certainty.after(0.9) > Duration::from_millis(450));
        assert_eq!(certainty.at(Duration::from_millis(250)), 0.7);
        let patient = Thresholds { eot: 1.0, ..Default::default() };
        assert_eq!(certainty.silence(patient), patient.timeout);
    }

    #[test]
    fn only_settings_of_this_version_are_taken() {
        let raw = "model=flux-general-en&encoding=mulaw&sample_rate=8000";
        assert!(Asked::parse(raw).is_ok());
        for wrong in [
            "encoding=mulaw&sample_rate=8000",
            "model=nova-3&encoding=mulaw&sample_rate=8000",
            "model=flux-general-en&encoding=mulaw",
        ] {
            assert!(Asked::parse(wrong).is_err(), "{wrong}");
        }
        for wrong in ["interim_results=true", "eot_threshold=0.2", "eager_eot_threshold=0.9", "eot_timeout_ms=x"] {
            assert!(Asked::parse(&format!("{raw}&{wrong}")).is_err(), "{wrong}");
        }
    }
}
