//! Cartesia: streaming speech over its WebSocket, each reply a context of its own on a connection that is kept.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use reqwest::header::HeaderValue;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use crate::conversation::Failure;

use super::http::{self, Vendor};
use super::voice::{Dialect, Door, Format, Heard, Meaning, Pool, Spoken, open_stream};
use super::websocket::{Dialer, Received};
use super::{ProviderError, Secret, Tts, TtsSpec, TtsStream};

const VENDOR: Vendor = Vendor { name: "cartesia", key: "CARTESIA_API_KEY", base_url: "CARTESIA_BASE_URL" };
/// The speeds of models that have any.
const SPEEDS: RangeInclusive<f32> = 0.6..=1.5;
/// How long a context in which all was spoken is still used: half of the time for which the vendor keeps it.
const QUIET: Duration = Duration::from_millis(500);
/// How long a connection nobody uses is kept; Cartesia closes it after five minutes.
const IDLE: Duration = Duration::from_secs(240);

/// How to reach Cartesia, or a server that speaks its protocol.
#[derive(Clone, PartialEq, Debug)]
pub struct CartesiaConfig {
    /// Where it is: `https://api.cartesia.ai`, or a plain `ws://` server nearby.
    pub base_url: String,
    /// The key; empty for a server that asks for none.
    pub key: Secret,
    /// The model.
    pub model: String,
    /// The voice id for calls that name none.
    pub voice: String,
    /// The version of the protocol, a date.
    pub version: String,
    /// How long the first sound may take once there is text, and any further sound once the text is complete.
    pub patience: Duration,
    /// Further fields of each message; they win over ours.
    pub extra: Map<String, Value>,
}

impl Default for CartesiaConfig {
    fn default() -> Self {
        Self {
            base_url: "https://api.cartesia.ai".to_owned(),
            key: Secret::default(),
            model: "sonic-3".to_owned(),
            voice: "694f9389-aac1-45b6-b726-9d9369183238".to_owned(),
            version: "2025-04-16".to_owned(),
            patience: Duration::from_secs(10),
            extra: Map::new(),
        }
    }
}

/// The voice. It tells when each word is spoken.
#[derive(Clone, Debug)]
pub struct Cartesia(Arc<Service>);

#[derive(Debug)]
struct Service {
    config: CartesiaConfig,
    url: Url,
    door: Arc<Door>,
    /// Contexts opened so far.
    contexts: AtomicU64,
}

impl Cartesia {
    /// A voice; the error says which setting is wrong. Nothing is connected yet.
    pub fn new(config: CartesiaConfig) -> Result<Self, ProviderError> {
        let base = http::as_websocket(VENDOR.base(&config.base_url)?);
        let mut headers = Vec::with_capacity(2);
        if !config.key.is_empty() {
            headers.push(("x-api-key", VENDOR.key_header("", &config.key)?));
        }
        let version = HeaderValue::from_str(&config.version)
            .map_err(|_| VENDOR.failure(Failure::BadRequest, "the version is not a date"))?;
        headers.push(("cartesia-version", version));
        let door = Door {
            vendor: VENDOR,
            key: config.key.clone(),
            headers,
            farewell: None,
            dialer: Dialer::new(VENDOR, &base)?,
            pool: Some(Pool::new(IDLE)),
            patience: config.patience,
        };
        let url = http::endpoint(&base, "tts/websocket");
        Ok(Self(Arc::new(Service { config, url, door: Arc::new(door), contexts: AtomicU64::new(1) })))
    }
}

impl Tts for Cartesia {
    fn speeds(&self, _spec: &TtsSpec) -> RangeInclusive<f32> {
        if self.0.has_speeds() { SPEEDS } else { 1.0..=1.0 }
    }

    fn voice_name(&self, spec: &TtsSpec) -> Option<String> {
        let config = &self.0.config;
        Some(format!("cartesia {} {}", config.model, spec.voice.as_ref().unwrap_or(&config.voice)))
    }

    fn open(&self, spec: TtsSpec) -> TtsStream {
        let service = Arc::clone(&self.0);
        let (door, url) = (Arc::clone(&service.door), service.url.clone());
        let settings = service.settings(&spec);
        let format = Format::nearest(spec.rate);
        let reply = Context {
            service,
            format,
            settings,
            ids: Vec::new(),
            owed: 0,
            quiet_since: None,
            heard: None,
            answers: false,
            ended: false,
        };
        open_stream(door, url, reply)
    }
}

impl Service {
    /// Only the models from Sonic 3 on mind a speed.
    fn has_speeds(&self) -> bool {
        !["sonic-2", "sonic-turbo", "sonic-english", "sonic-multilingual"]
            .iter()
            .any(|old| self.config.model.starts_with(old))
            && self.config.model != "sonic"
    }

    /// What every message of a reply repeats: the vendor refuses a context whose messages differ in it.
    fn settings(&self, spec: &TtsSpec) -> Map<String, Value> {
        let (encoding, format) = match Format::nearest(spec.rate) {
            format @ Format::Ulaw => ("pcm_mulaw", format),
            format => ("pcm_s16le", format),
        };
        let settings = json!({
            "model_id": self.config.model,
            "voice": {"mode": "id", "id": spec.voice.as_deref().unwrap_or(&self.config.voice)},
            "output_format": {"container": "raw", "encoding": encoding, "sample_rate": format.rate().hz()},
            "add_timestamps": true,
            // Whole segments come, and none is to wait for the next.
            "max_buffer_delay_ms": 0,
        });
        let Value::Object(mut settings) = settings else { return Map::new() };
        if let Some(language) = spec.language.split('-').next().filter(|language| language.len() == 2) {
            settings.insert("language".to_owned(), language.to_ascii_lowercase().into());
        }
        if self.has_speeds() && (spec.speed - 1.0).abs() > 0.001 {
            let speed = f64::from(spec.speed.clamp(*SPEEDS.start(), *SPEEDS.end()));
            settings.insert("generation_config".to_owned(), json!({"speed": speed}));
        }
        settings.extend(self.config.extra.clone());
        settings
    }
}

/// One reply: a context, or more than one when its text comes slowly, since the vendor ends a context a second after its
/// last sound. Each text is followed by a flush, whose answer says that it has been spoken: so is known what a context that
/// ends still owes.
#[derive(Debug)]
struct Context {
    service: Arc<Service>,
    format: Format,
    settings: Map<String, Value>,
    /// The names so far, that of the present context last.
    ids: Vec<String>,
    /// Texts of it that have not been spoken.
    owed: usize,
    /// When the last of them was; `None`: there has been none in this context.
    quiet_since: Option<Instant>,
    /// The context that was heard last: each counts time from its own beginning.
    heard: Option<String>,
    /// Whether flushes are answered.
    answers: bool,
    /// Whether the text is complete.
    ended: bool,
}

impl Context {
    fn message(&self, transcript: &str, goes_on: bool, flush: bool) -> String {
        let mut message = self.settings.clone();
        message.insert("context_id".to_owned(), self.ids.last().cloned().into());
        message.insert("transcript".to_owned(), transcript.into());
        message.insert("continue".to_owned(), goes_on.into());
        if flush {
            message.insert("flush".to_owned(), true.into());
        }
        Value::Object(message).to_string()
    }
}

impl Dialect for Context {
    fn format(&self) -> Format {
        self.format
    }

    fn begin(&mut self) -> Option<String> {
        self.ids.clear();
        (self.owed, self.ended) = (0, false);
        None
    }

    fn text(&mut self, text: &str) -> Vec<String> {
        let is_old = self.owed == 0 && self.quiet_since.is_none_or(|since| since.elapsed() >= QUIET);
        if is_old || self.ids.is_empty() {
            self.ids.push(format!("r{}", self.service.contexts.fetch_add(1, Ordering::Relaxed)));
            self.quiet_since = None;
        }
        self.owed += 1;
        // Verbatim: the vendor puts the texts together as they are.
        vec![self.message(text, true, false), self.message("", true, true)]
    }

    fn end(&mut self) -> Vec<String> {
        self.ended = true;
        if self.is_complete() { Vec::new() } else { vec![self.message("", false, false)] }
    }

    fn is_complete(&self) -> bool {
        self.ended && self.owed == 0
    }

    fn cancel(&mut self) -> Option<String> {
        Some(json!({"context_id": self.ids.last(), "cancel": true}).to_string())
    }

    fn read(&mut self, received: Received, heard: &mut Heard) -> Result<Meaning, ProviderError> {
        let text = match received {
            Received::Text(text) => text,
            Received::Binary(_) | Received::Life => return Ok(Meaning::Nothing),
            Received::Closed { code, .. } => {
                let code = code.map_or_else(|| "lost".to_owned(), |code| code.to_string());
                return Err(VENDOR.failure(Failure::Unavailable, &format!("the connection was closed ({code})")));
            }
        };
        let Ok(message) = serde_json::from_str::<Message>(&text) else { return Ok(Meaning::Garbage) };
        if message.context_id.as_ref().is_some_and(|context| !self.ids.contains(context)) {
            // Of a reply that was cancelled: what was being made still comes.
            return Ok(Meaning::Nothing);
        }
        if matches!(message.kind.as_str(), "chunk" | "timestamps") && self.heard != message.context_id {
            heard.begins_again = true;
            self.heard.clone_from(&message.context_id);
        }
        match message.kind.as_str() {
            "chunk" => match base64_simd::STANDARD.decode_to_vec(message.data.unwrap_or_default()) {
                Ok(bytes) => heard.audio = bytes,
                Err(_) => return Ok(Meaning::Garbage),
            },
            "timestamps" => heard.spoken = message.word_timestamps.map(|times| Spoken::Words(times.words())),
            "flush_done" => {
                (self.answers, self.quiet_since) = (true, Some(Instant::now()));
                self.owed = self.owed.saturating_sub(1);
                heard.done = self.is_complete();
            }
            "done" => {
                if !self.answers {
                    self.owed = 0;
                }
                heard.done = self.is_complete();
                // What it still owes comes as if of another context.
                self.heard = None;
            }
            "error" => return Err(self.failed(&message)),
            _ => {}
        }
        Ok(Meaning::Ours)
    }
}

impl Context {
    fn failed(&self, message: &Message) -> ProviderError {
        let codes: Vec<String> = message.error_code.as_deref().and_then(http::code).into_iter().collect();
        VENDOR.refusal(message.status_code.unwrap_or(500), &codes, &self.service.config.key)
    }
}

/// A message of the server.
#[derive(Deserialize, Default, Debug)]
#[serde(default)]
struct Message {
    #[serde(rename = "type")]
    kind: String,
    context_id: Option<String>,
    /// Base64.
    data: Option<String>,
    word_timestamps: Option<WordTimestamps>,
    status_code: Option<u16>,
    error_code: Option<String>,
}

/// When words are spoken, in seconds of the context.
#[derive(Deserialize, Default, Debug)]
#[serde(default)]
pub(super) struct WordTimestamps {
    words: Vec<String>,
    start: Vec<f64>,
    end: Vec<f64>,
}

impl WordTimestamps {
    /// Word by word.
    pub(super) fn words(self) -> Vec<(String, f64, f64)> {
        self.words.into_iter().zip(self.start).zip(self.end).map(|((word, start), end)| (word, start, end)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::SampleRate;

    #[test]
    fn a_telephone_line_gets_mu_law_and_a_speed_only_where_there_are_speeds() {
        let spec = TtsSpec { voice: Some("v".into()), language: "pt-BR".into(), speed: 1.4, rate: SampleRate::HZ_8000 };
        for (model, speeds) in
            [("sonic-3", SPEEDS), ("sonic-3.5", SPEEDS), ("sonic-2", 1.0..=1.0), ("sonic", 1.0..=1.0)]
        {
            let voice = Cartesia::new(CartesiaConfig { model: model.into(), ..Default::default() }).unwrap();
            let settings = voice.0.settings(&spec);
            assert_eq!(settings.contains_key("generation_config"), speeds.contains(&1.4), "{model}");
            assert_eq!(voice.speeds(&spec), speeds, "{model}");
            assert_eq!(settings["output_format"]["encoding"], "pcm_mulaw");
            assert_eq!(settings["language"], "pt");
        }
    }
}
