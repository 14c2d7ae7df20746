//! Streaming recognition over OpenAI's Realtime protocol (`/v1/realtime?intent=transcription`).

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, ready};
use reqwest::header::HeaderValue;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use url::Url;

use crate::audio::SampleRate;
use crate::conversation::Failure;
use crate::provider::http::{self, Vendor};
use crate::provider::listening::{
    self, Coding, Dialect, Greeting, Habits, Heard, Route, Timeline, Unreadable, language_code,
};
use crate::provider::stt::usual_final_wait;
use crate::provider::websocket::Dialer;
use crate::provider::{ProviderError, Secret, Stt, SttSpec, SttStream};

use super::address;
use super::items::Items;
use super::transcription_wire::{ErrorBody, ServerEvent};

const VENDOR: Vendor = Vendor { name: "openai transcription", key: "OPENAI_API_KEY", base_url: "OPENAI_BASE_URL" };

/// How to reach OpenAI's streaming recognition, or a server that speaks its protocol (speaches).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenAiTranscriptionConfig {
    /// Where it is: `https://api.openai.com/v1`, or `http://127.0.0.1:8000` of a server nearby.
    pub base_url: String,
    /// The key; empty for a server that asks for none.
    pub key: Secret,
    /// The model for calls that name none. Live models (`gpt-live-transcribe`, `gpt-realtime-whisper`) give words while
    /// they are spoken, the others when the caller pauses.
    pub model: String,
    /// What the recogniser may expect to hear, in words; empty: nothing is said about it. `gpt-realtime-whisper` takes none.
    pub prompt: String,
    /// The silence after which OpenAI calls an utterance over, in milliseconds; 0: never, it is asked at each pause of the
    /// caller's. Live models hear no pauses: for them it is always 0.
    pub silence_ms: u32,
}

impl Default for OpenAiTranscriptionConfig {
    fn default() -> Self {
        Self {
            base_url: "https://api.openai.com/v1".to_owned(),
            key: Secret::default(),
            model: "gpt-live-transcribe".to_owned(),
            prompt: String::new(),
            silence_ms: 0,
        }
    }
}

/// OpenAI's streaming recogniser.
///
/// The caller's pauses settle what was said: each becomes an item, whose words come as a final. Telephone sound goes out
/// as µ-law, other rates as 16-bit samples of 24 kHz, the only linear format there is.
#[derive(Clone, Debug)]
pub struct OpenAiTranscription(Arc<Service>);

/// What all streams share.
#[derive(Debug)]
struct Service {
    config: OpenAiTranscriptionConfig,
    url: Url,
    authorization: Option<HeaderValue>,
    dialer: Dialer,
}

impl OpenAiTranscription {
    /// A recogniser; the error says which setting is wrong. Nothing is connected yet.
    pub fn new(config: OpenAiTranscriptionConfig) -> Result<Self, ProviderError> {
        let mut url = http::as_websocket(address(&VENDOR, &config.base_url, "realtime")?);
        url.query_pairs_mut().append_pair("intent", "transcription");
        let authorization = match config.key.is_empty() {
            true => None,
            false => Some(VENDOR.key_header("Bearer ", &config.key)?),
        };
        let dialer = Dialer::new(VENDOR, &url)?;
        Ok(Self(Arc::new(Service { config, url, authorization, dialer })))
    }
}

impl Stt for OpenAiTranscription {
    fn open(&self, spec: SttSpec) -> SttStream {
        listening::open(Transcription::new(Arc::clone(&self.0), &spec), &spec)
    }

    fn final_wait(&self) -> Duration {
        usual_final_wait(VENDOR.name)
    }
}

/// One stream's protocol.
struct Transcription {
    service: Arc<Service>,
    is_telephone: bool,
    is_live: bool,
    /// The first message: what is to be heard, and how.
    session: Value,
    is_ready: bool,
    items: Items,
}

impl Transcription {
    fn new(service: Arc<Service>, spec: &SttSpec) -> Self {
        let config = &service.config;
        let model = spec.model.as_deref().unwrap_or(&config.model);
        let (is_telephone, is_live) = (spec.rate == SampleRate::HZ_8000, is_live(model));
        let mut transcription = json!({"model": model});
        if let Some(language) = language_code(&spec.language) {
            transcription["language"] = language.into();
        }
        if !config.prompt.is_empty() {
            transcription["prompt"] = config.prompt.as_str().into();
        }
        let format =
            if is_telephone { json!({"type": "audio/pcmu"}) } else { json!({"type": "audio/pcm", "rate": 24_000}) };
        let turn_detection = match config.silence_ms {
            silence_ms if silence_ms > 0 && !is_live => {
                json!({"type": "server_vad", "silence_duration_ms": silence_ms})
            }
            // Left out, it would be on.
            _ => Value::Null,
        };
        let input = json!({"format": format, "transcription": transcription, "turn_detection": turn_detection});
        let session = json!({"type": "transcription", "audio": {"input": input}});
        Self { service, is_telephone, is_live, session, is_ready: false, items: Items::default() }
    }

    /// What an error of the vendor's means. One that leaves the session as it was means nothing.
    fn failed(&mut self, error: &ErrorBody) -> Vec<Heard> {
        if error.is_about_an_empty_buffer() {
            return self.items.nothing_to_commit();
        }
        let codes = error.codes();
        let kind = match http::failure_named(&codes) {
            // Nothing that waits for an answer any more: a message too many.
            Some(Failure::BadRequest) | None if self.is_ready => {
                tracing::debug!(vendor = VENDOR.name, ?codes, "an error that ends nothing");
                return Vec::new();
            }
            kind => kind.unwrap_or(Failure::BadRequest),
        };
        vec![Heard::Failed(self.error(kind, &codes))]
    }

    fn error(&self, kind: Failure, codes: &[String]) -> ProviderError {
        let codes =
            http::listed(codes, &self.service.config.key).map_or_else(String::new, |codes| format!(" ({codes})"));
        VENDOR.failure(kind, &format!("reported an error{codes}"))
    }
}

impl Dialect for Transcription {
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
        let (coding, rate) = match self.is_telephone {
            true => (Coding::Mulaw, SampleRate::HZ_8000),
            false => (Coding::Pcm16, SampleRate::HZ_24000),
        };
        // Sound before the session is configured would be taken for another format.
        Habits { greeting: Greeting::Awaited, ..Habits::easy(coding, rate) }
    }

    fn route(&mut self) -> BoxFuture<'static, Result<Route, ProviderError>> {
        let headers = self.service.authorization.iter().map(|key| ("authorization", key.clone())).collect();
        ready(Ok(Route { url: self.service.url.clone(), headers })).boxed()
    }

    fn opening(&mut self) -> Option<Message> {
        (self.is_ready, self.items) = (false, Items::default());
        Some(Message::text(json!({"type": "session.update", "session": self.session}).to_string()))
    }

    fn sound(&mut self, sound: Vec<u8>) -> Message {
        let audio = base64_simd::STANDARD.encode_to_string(sound);
        Message::text(format!(r#"{{"type":"input_audio_buffer.append","audio":"{audio}"}}"#))
    }

    fn finalize(&mut self, sent: Duration) -> Option<Message> {
        self.items.ask(sent);
        Some(Message::text(r#"{"type":"input_audio_buffer.commit"}"#))
    }

    fn farewell(&self) -> Option<Message> {
        None
    }

    fn read(&mut self, text: &str, timeline: &Timeline) -> Result<Vec<Heard>, Unreadable> {
        Ok(match serde_json::from_str(text)? {
            ServerEvent::SessionUpdated => {
                self.is_ready = true;
                vec![Heard::Ready]
            }
            ServerEvent::SpeechStopped { audio_end_ms } => {
                self.items.pause(Duration::from_millis(audio_end_ms));
                Vec::new()
            }
            ServerEvent::Committed { item_id } => {
                self.items.committed(&item_id, timeline);
                Vec::new()
            }
            ServerEvent::Delta { item_id, delta } => self.items.grown(&item_id, &delta.unwrap_or_default()),
            ServerEvent::Completed { item_id, transcript } => self.items.completed(&item_id, &transcript, timeline),
            ServerEvent::Failed { item_id, error } => match http::failure_named(&error.codes()) {
                Some(kind) if kind != Failure::BadRequest => vec![Heard::Failed(self.error(kind, &error.codes()))],
                // Another try would fail as well: the caller goes on without these words.
                _ => self.items.completed(&item_id, "", timeline),
            },
            ServerEvent::Error { error } => self.failed(&error),
            ServerEvent::Other => Vec::new(),
        })
    }

    fn is_between_turns(&self) -> bool {
        // Of a model that says nothing while the caller speaks nobody knows.
        self.is_live && self.items.is_empty()
    }

    fn closed(&self, _code: u16, reason: &str) -> Failure {
        let code = reason.split_whitespace().next().and_then(http::code);
        http::failure_named(code.as_slice()).unwrap_or(Failure::Unavailable)
    }
}

/// Whether a model gives words while they are spoken; such a model hears no pauses.
fn is_live(model: &str) -> bool {
    model.contains("live") || model.contains("realtime")
}
