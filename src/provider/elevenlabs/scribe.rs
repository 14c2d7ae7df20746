//! Streaming recognition over ElevenLabs' `/v1/speech-to-text/realtime`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, ready};
use reqwest::header::HeaderValue;
use serde::Deserialize;
use tokio_tungstenite::tungstenite::Message;
use url::Url;

use crate::audio::SampleRate;
use crate::conversation::{Failure, TranscriptKind};
use crate::provider::http::{self, Vendor};
use crate::provider::listening::{
    self, Coding, Dialect, Greeting, Habits, Heard, Route, Timeline, UNTOLD_CONFIDENCE, Unreadable, language_code,
    words,
};
use crate::provider::stt::usual_final_wait;
use crate::provider::websocket::Dialer;
use crate::provider::{ProviderError, Secret, Stt, SttSpec, SttStream};

const VENDOR: Vendor = Vendor { name: "elevenlabs scribe", key: "ELEVENLABS_API_KEY", base_url: "ELEVENLABS_BASE_URL" };

/// How to reach ElevenLabs' streaming recognition, or a server that speaks its protocol.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ElevenLabsScribeConfig {
    /// Where it is: `https://api.elevenlabs.io`.
    pub base_url: String,
    /// The key.
    pub key: Secret,
    /// The model for calls that name none.
    pub model: String,
    /// Words to be expected: names, products; at most 50 of at most 20 characters.
    pub keyterms: Vec<String>,
}

impl Default for ElevenLabsScribeConfig {
    fn default() -> Self {
        Self {
            base_url: "https://api.elevenlabs.io".to_owned(),
            key: Secret::default(),
            model: "scribe_v2_realtime".to_owned(),
            keyterms: Vec::new(),
        }
    }
}

/// ElevenLabs' streaming recogniser.
///
/// Words are settled ("committed") at the caller's pauses, when the stream is asked for what it has.
#[derive(Clone, Debug)]
pub struct ElevenLabsScribe(Arc<Service>);

/// What all streams share.
#[derive(Debug)]
struct Service {
    config: ElevenLabsScribeConfig,
    url: Url,
    key: Option<HeaderValue>,
    dialer: Dialer,
}

impl ElevenLabsScribe {
    /// A recogniser; the error says which setting is wrong. Nothing is connected yet.
    pub fn new(config: ElevenLabsScribeConfig) -> Result<Self, ProviderError> {
        let base = http::as_websocket(VENDOR.base(&config.base_url)?);
        let key = match config.key.is_empty() {
            true => None,
            false => Some(VENDOR.key_header("", &config.key)?),
        };
        let dialer = Dialer::new(VENDOR, &base)?;
        let url = http::endpoint(&base, "v1/speech-to-text/realtime");
        Ok(Self(Arc::new(Service { config, url, key, dialer })))
    }
}

impl Stt for ElevenLabsScribe {
    fn open(&self, spec: SttSpec) -> SttStream {
        listening::open(Scribe::new(Arc::clone(&self.0), &spec), &spec)
    }

    fn final_wait(&self) -> Duration {
        usual_final_wait("elevenlabs")
    }
}

/// One stream's protocol.
struct Scribe {
    service: Arc<Service>,
    url: Url,
    coding: Coding,
    rate: SampleRate,
    /// How much sound had been sent at each commit that has no answer yet.
    asked: VecDeque<Duration>,
    has_partial: bool,
}

impl Scribe {
    fn new(service: Arc<Service>, spec: &SttSpec) -> Self {
        let (coding, rate) = match spec.rate.hz() {
            8_000 => (Coding::Mulaw, spec.rate),
            16_000 | 24_000 | 48_000 => (Coding::Pcm16, spec.rate),
            _ => (Coding::Pcm16, SampleRate::HZ_16000),
        };
        let format = if coding == Coding::Mulaw { "ulaw" } else { "pcm" };
        let mut url = service.url.clone();
        let mut query = url.query_pairs_mut();
        query
            .append_pair("model_id", spec.model.as_deref().unwrap_or(&service.config.model))
            .append_pair("audio_format", &format!("{format}_{}", rate.hz()))
            .append_pair("commit_strategy", "manual");
        if let Some(language) = language_code(&spec.language) {
            query.append_pair("language_code", &language);
        }
        query.extend_pairs(service.config.keyterms.iter().map(|term| ("keyterms", term)));
        drop(query);
        Self { service, url, coding, rate, asked: VecDeque::new(), has_partial: false }
    }

    fn chunk(&self, sound: &[u8], commit: bool) -> Message {
        let audio = base64_simd::STANDARD.encode_to_string(sound);
        let rate = self.rate.hz();
        Message::text(format!(
            r#"{{"message_type":"input_audio_chunk","audio_base_64":"{audio}","commit":{commit},"sample_rate":{rate}}}"#
        ))
    }

    fn committed(&mut self, text: &str, timeline: &Timeline) -> Vec<Heard> {
        self.has_partial = false;
        let Some(sent) = self.asked.pop_front() else {
            // The vendor commits by itself what has not been for long. The latest sound may not be in it.
            let end = timeline.at(timeline.sent()).saturating_sub(UNASKED_LAG);
            let told = words(TranscriptKind::Final, text, UNTOLD_CONFIDENCE, None);
            return vec![Heard::Words(told), Heard::Settled(end)];
        };
        let end = timeline.at(sent);
        let told = words(TranscriptKind::Final, text, UNTOLD_CONFIDENCE, Some(end));
        vec![Heard::Words(told), Heard::Settled(end), Heard::Answered]
    }

    /// There was too little sound to commit.
    fn nothing_to_commit(&mut self) -> Vec<Heard> {
        if self.asked.pop_front().is_none() {
            return Vec::new();
        }
        vec![Heard::Words(words(TranscriptKind::Final, "", UNTOLD_CONFIDENCE, None)), Heard::Answered]
    }

    fn error(&self, kind: &str) -> Heard {
        let codes: Vec<String> = http::code(kind).into_iter().collect();
        let codes =
            http::listed(&codes, &self.service.config.key).map_or_else(String::new, |codes| format!(" ({codes})"));
        Heard::Failed(VENDOR.failure(failure_of(kind), &format!("reported an error{codes}")))
    }
}

impl Dialect for Scribe {
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
        Habits { greeting: Greeting::Awaited, ..Habits::easy(self.coding, self.rate) }
    }

    fn route(&mut self) -> BoxFuture<'static, Result<Route, ProviderError>> {
        let headers = self.service.key.iter().map(|key| ("xi-api-key", key.clone())).collect();
        ready(Ok(Route { url: self.url.clone(), headers })).boxed()
    }

    fn opening(&mut self) -> Option<Message> {
        self.asked.clear();
        self.has_partial = false;
        None
    }

    fn sound(&mut self, sound: Vec<u8>) -> Message {
        self.chunk(&sound, false)
    }

    fn finalize(&mut self, sent: Duration) -> Option<Message> {
        if self.asked.len() == MOST_ASKED {
            self.asked.pop_front();
        }
        self.asked.push_back(sent);
        Some(self.chunk(&[], true))
    }

    fn keep_alive(&mut self) -> Option<Message> {
        // There is no message for it: 100 ms of silence.
        let (byte, width) = if self.coding == Coding::Mulaw { (0xFF, 1) } else { (0, 2) };
        Some(self.chunk(&vec![byte; self.rate.samples_in(Duration::from_millis(100)) * width], false))
    }

    fn farewell(&self) -> Option<Message> {
        None
    }

    fn read(&mut self, text: &str, timeline: &Timeline) -> Result<Vec<Heard>, Unreadable> {
        let message: ServerMessage = serde_json::from_str(text)?;
        Ok(match message.message_type.as_str() {
            "session_started" => vec![Heard::Ready],
            "partial_transcript" => {
                self.has_partial = !message.text.trim().is_empty();
                let told =
                    self.has_partial.then(|| words(TranscriptKind::Interim, &message.text, UNTOLD_CONFIDENCE, None));
                told.map(Heard::Words).into_iter().collect()
            }
            "committed_transcript" => self.committed(&message.text, timeline),
            "commit_throttled" => self.nothing_to_commit(),
            kind if message.error.is_some() && kind != "warning" => vec![self.error(kind)],
            // What was not asked for, and what is to come.
            _ => Vec::new(),
        })
    }

    fn is_between_turns(&self) -> bool {
        !self.has_partial && self.asked.is_empty()
    }
}

/// What an error's type means.
fn failure_of(kind: &str) -> Failure {
    match kind {
        "auth_error" | "unaccepted_terms" | "unaccepted_terms_error" => Failure::Auth,
        "quota_exceeded" => Failure::Quota,
        "rate_limited" => Failure::RateLimit,
        "input_error" | "invalid_request" | "chunk_size_exceeded" => Failure::BadRequest,
        // `error`, `queue_overflow`, `resource_exhausted`, `transcriber_error`, the end of a session by its length or for
        // want of sound: another connection may do better.
        _ => Failure::Unavailable,
    }
}

/// A message of the server.
#[derive(Deserialize, Debug)]
struct ServerMessage {
    message_type: String,
    #[serde(default)]
    text: String,
    /// What went wrong, in a sentence, which is left out. In the messages of errors only.
    error: Option<serde::de::IgnoredAny>,
}

/// How far the vendor's own commits may be behind the sound.
const UNASKED_LAG: Duration = Duration::from_secs(1);
/// Commits without an answer that are remembered.
const MOST_ASKED: usize = 32;
