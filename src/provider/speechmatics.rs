//! Speechmatics: streaming recognition over its real-time WebSocket, version 2.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, ready};
use reqwest::header::HeaderValue;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use url::Url;

use crate::audio::SampleRate;
use crate::conversation::{Failure, TranscriptKind};

use super::http::{self, Vendor};
use super::listening::{
    self, Coding, Dialect, Greeting, Habits, Heard, Route, Timeline, Unreadable, language_code, mean_confidence, words,
};
use super::stt::usual_final_wait;
use super::websocket::Dialer;
use super::{ProviderError, Secret, Stt, SttSpec, SttStream};

const VENDOR: Vendor = Vendor { name: "speechmatics", key: "SPEECHMATICS_API_KEY", base_url: "SPEECHMATICS_BASE_URL" };

/// How to reach Speechmatics, or a container of it.
#[derive(Clone, PartialEq, Debug)]
pub struct SpeechmaticsConfig {
    /// Where it is: `wss://eu2.rt.speechmatics.com`, or `ws://127.0.0.1:9000` of a container.
    pub base_url: String,
    /// The key; empty for a container.
    pub key: Secret,
    /// The model for calls that name none: `enhanced` or `standard`.
    pub model: String,
    /// The longest that words may be held back until they are final, in milliseconds: 700 to 4 000.
    pub max_delay_ms: u32,
    /// The pause after which Speechmatics calls an utterance over, in milliseconds: less than `max_delay_ms`, 0 for never.
    pub end_of_utterance_ms: u32,
    /// Words to be expected: names, products.
    pub vocabulary: Vec<String>,
}

impl Default for SpeechmaticsConfig {
    fn default() -> Self {
        Self {
            base_url: "wss://eu2.rt.speechmatics.com".to_owned(),
            key: Secret::default(),
            model: "enhanced".to_owned(),
            max_delay_ms: 1_000,
            end_of_utterance_ms: 500,
            vocabulary: Vec::new(),
        }
    }
}

/// The Speechmatics recogniser.
#[derive(Clone, Debug)]
pub struct Speechmatics(Arc<Service>);

/// What all streams share.
#[derive(Debug)]
struct Service {
    config: SpeechmaticsConfig,
    url: Url,
    authorization: Option<HeaderValue>,
    dialer: Dialer,
}

impl Speechmatics {
    /// A recogniser; the error says which setting is wrong. Nothing is connected yet.
    pub fn new(config: SpeechmaticsConfig) -> Result<Self, ProviderError> {
        let base = http::as_websocket(VENDOR.base(&config.base_url)?);
        let has_version = base.path().split('/').any(|part| part == "v2");
        let url = if has_version { base } else { http::endpoint(&base, "v2") };
        let authorization = match config.key.is_empty() {
            true => None,
            false => Some(VENDOR.key_header("Bearer ", &config.key)?),
        };
        let dialer = Dialer::new(VENDOR, &url)?;
        Ok(Self(Arc::new(Service { config, url, authorization, dialer })))
    }
}

impl Stt for Speechmatics {
    fn open(&self, spec: SttSpec) -> SttStream {
        listening::open(Stream::new(Arc::clone(&self.0), &spec), &spec)
    }

    fn final_wait(&self) -> Duration {
        usual_final_wait(VENDOR.name)
    }
}

/// One stream's protocol.
struct Stream {
    service: Arc<Service>,
    rate: SampleRate,
    opening: Value,
    /// Messages of sound sent over this connection. The vendor wants no more than some 500 of them on the way to it: the
    /// sound that is kept is fewer.
    added: u64,
    /// It was asked to end the utterance and has not yet.
    asked: bool,
    utterance: Utterance,
}

/// The words since the last end of an utterance.
#[derive(Clone, Default, Debug)]
struct Utterance {
    has_final: bool,
    has_partial: bool,
    confidence: f32,
    end: Option<Duration>,
}

impl Stream {
    fn new(service: Arc<Service>, spec: &SttSpec) -> Self {
        let config = &service.config;
        let encoding = if Coding::of(spec.rate) == Coding::Mulaw { "mulaw" } else { "pcm_s16le" };
        let seconds = |ms: u32| f64::from(ms) / 1_000.0;
        let max_delay = config.max_delay_ms.clamp(700, 4_000);
        // The vendor refuses a pause that is not shorter than the delay, or longer than two seconds.
        let pause = config.end_of_utterance_ms.min(2_000).min(max_delay - 1);
        let mut transcription = json!({
            "language": language_code(&spec.language).unwrap_or_else(|| "en".to_owned()),
            "operating_point": spec.model.as_deref().unwrap_or(&config.model),
            "enable_partials": true,
            "max_delay": seconds(max_delay),
            "max_delay_mode": "flexible",
        });
        if pause > 0 {
            transcription["conversation_config"] = json!({"end_of_utterance_silence_trigger": seconds(pause)});
        }
        // English is written in three ways.
        if let Some(locale) = ["en-US", "en-GB", "en-AU"].into_iter().find(|l| l.eq_ignore_ascii_case(&spec.language)) {
            transcription["output_locale"] = locale.into();
        }
        if !config.vocabulary.is_empty() {
            let words: Vec<Value> = config.vocabulary.iter().map(|word| json!({"content": word})).collect();
            transcription["additional_vocab"] = words.into();
        }
        let opening = json!({
            "message": "StartRecognition",
            "audio_format": {"type": "raw", "encoding": encoding, "sample_rate": spec.rate.hz()},
            "transcription_config": transcription,
        });
        Self { service, rate: spec.rate, opening, added: 0, asked: false, utterance: Utterance::default() }
    }

    fn transcript(&mut self, message: &Transcribed, is_final: bool, timeline: &Timeline) -> Vec<Heard> {
        let text = message.metadata.transcript.trim();
        let end = timeline.seconds(message.metadata.end_time);
        if !is_final {
            self.utterance.has_partial = !text.is_empty();
            let told =
                self.utterance.has_partial.then(|| words(TranscriptKind::Interim, text, message.confidence(), end));
            return told.map(Heard::Words).into_iter().collect();
        }
        self.utterance.has_partial = false;
        let mut heard = Vec::new();
        if !text.is_empty() {
            self.utterance = Utterance { has_final: true, has_partial: false, confidence: message.confidence(), end };
            heard.push(Heard::Words(words(TranscriptKind::Final, text, message.confidence(), end)));
        }
        heard.extend(end.map(Heard::Settled));
        heard
    }

    fn end_of_utterance(&mut self) -> Vec<Heard> {
        let ended = std::mem::take(&mut self.utterance);
        if std::mem::take(&mut self.asked) {
            // We asked because we heard the pause ourselves: that the turn is over is no news.
            let settled = words(TranscriptKind::Final, "", ended.confidence, ended.end);
            return vec![Heard::Words(settled), Heard::Answered];
        }
        let told = ended.has_final.then(|| words(TranscriptKind::EndOfTurn, "", ended.confidence, ended.end));
        told.map(Heard::Words).into_iter().collect()
    }

    fn error(&self, kind: &str) -> Heard {
        let codes: Vec<String> = http::code(kind).into_iter().collect();
        let codes =
            http::listed(&codes, &self.service.config.key).map_or_else(String::new, |codes| format!(" ({codes})"));
        Heard::Failed(VENDOR.failure(failure_of(kind), &format!("reported an error{codes}")))
    }
}

impl Dialect for Stream {
    fn vendor(&self) -> &Vendor {
        &VENDOR
    }

    fn key(&self) -> &Secret {
        &self.service.config.key
    }

    fn dialer(&self) -> &Dialer {
        &self.service.dialer
    }

    fn habits(&self) -> Habits {
        Habits { greeting: Greeting::Awaited, ..Habits::easy(Coding::of(self.rate), self.rate) }
    }

    fn route(&mut self) -> BoxFuture<'static, Result<Route, ProviderError>> {
        let headers = self.service.authorization.iter().map(|key| ("authorization", key.clone())).collect();
        ready(Ok(Route { url: self.service.url.clone(), headers })).boxed()
    }

    fn opening(&mut self) -> Option<Message> {
        (self.added, self.asked) = (0, false);
        self.utterance.has_partial = false;
        Some(Message::text(self.opening.to_string()))
    }

    fn sound(&mut self, sound: Vec<u8>) -> Message {
        self.added += 1;
        Message::Binary(sound.into())
    }

    fn finalize(&mut self, _sent: Duration) -> Option<Message> {
        self.asked = true;
        Some(Message::text(r#"{"message":"ForceEndOfUtterance"}"#))
    }

    fn farewell(&self) -> Option<Message> {
        Some(Message::text(json!({"message": "EndOfStream", "last_seq_no": self.added}).to_string()))
    }

    fn read(&mut self, text: &str, timeline: &Timeline) -> Result<Vec<Heard>, Unreadable> {
        Ok(match serde_json::from_str(text)? {
            ServerMessage::RecognitionStarted => vec![Heard::Ready],
            ServerMessage::AddPartialTranscript(message) => self.transcript(&message, false, timeline),
            ServerMessage::AddTranscript(message) => self.transcript(&message, true, timeline),
            ServerMessage::EndOfUtterance => self.end_of_utterance(),
            ServerMessage::Error { kind } => vec![self.error(&kind)],
            ServerMessage::Other => Vec::new(),
        })
    }

    fn is_between_turns(&self) -> bool {
        !self.utterance.has_partial && !self.asked
    }

    fn closed(&self, code: u16, _reason: &str) -> Failure {
        match code {
            4001 | 4003 => Failure::Auth,
            4005 => Failure::RateLimit,
            1002 | 1003 | 1008 | 4004 => Failure::BadRequest,
            _ => Failure::Unavailable,
        }
    }
}

/// What an error's type means. `quota_exceeded` says that too many streams are open at once.
fn failure_of(kind: &str) -> Failure {
    match kind {
        "not_authorised" | "not_allowed" => Failure::Auth,
        "insufficient_funds" => Failure::Quota,
        "quota_exceeded" => Failure::RateLimit,
        "idle_timeout" | "session_timeout" => Failure::Timeout,
        "protocol_error" => Failure::Protocol,
        _ if kind.starts_with("invalid") => Failure::BadRequest,
        _ => Failure::Unavailable,
    }
}

/// A message of the server. What is not named here is of no use to us.
#[derive(Deserialize, Debug)]
#[serde(tag = "message")]
enum ServerMessage {
    /// Sound may be sent.
    RecognitionStarted,
    /// Words that may change, after the last final ones.
    AddPartialTranscript(Transcribed),
    /// Words that will not.
    AddTranscript(Transcribed),
    /// The speaker has paused, or we asked.
    EndOfUtterance,
    /// It is over.
    Error {
        /// Why, in a word.
        #[serde(rename = "type", default)]
        kind: String,
    },
    /// `AudioAdded`, `Info`, `Warning`, `EndOfTranscript` and what is to come.
    #[serde(other)]
    Other,
}

/// Words over a stretch of sound. Times are seconds of sound sent over this connection.
#[derive(Deserialize, Default, Debug)]
#[serde(default)]
struct Transcribed {
    metadata: Metadata,
    results: Vec<Recognised>,
}

#[derive(Deserialize, Default, Debug)]
#[serde(default)]
struct Metadata {
    end_time: f64,
    transcript: String,
}

/// A word or a punctuation mark.
#[derive(Deserialize, Default, Debug)]
#[serde(default)]
struct Recognised {
    alternatives: Vec<Alternative>,
}

#[derive(Deserialize, Default, Debug)]
#[serde(default)]
struct Alternative {
    confidence: f32,
}

impl Transcribed {
    fn confidence(&self) -> f32 {
        mean_confidence(
            self.results.iter().filter_map(|result| result.alternatives.first()).map(|best| best.confidence),
        )
    }
}
