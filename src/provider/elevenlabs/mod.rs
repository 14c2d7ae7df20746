//! ElevenLabs: streaming speech over its WebSockets, or request by request.
//!
//! An 8 kHz line gets µ-law as the telephone network carries it, so nothing is resampled.

mod contexts;
mod scribe;
mod stream_input;
mod wire;

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;
use url::Url;

use crate::conversation::Failure;

use super::http::{self, Vendor};
use super::voice::{
    Chunks, Dialect, Door, Fetch, Format, Heard, Meaning, Pool, SoundReader, Source, Spoken, open_segments, open_stream,
};
use super::websocket::Dialer;
use super::{ProviderError, Secret, Tts, TtsSpec, TtsStream};
use contexts::Contexts;
use stream_input::StreamInput;
use wire::{Request, ServerMessage, VoiceSettings};

/// The speeds the vendor takes.
const SPEEDS: RangeInclusive<f32> = 0.7..=1.2;

pub use scribe::{ElevenLabsScribe, ElevenLabsScribeConfig};

const VENDOR: Vendor = Vendor { name: "elevenlabs", key: "ELEVENLABS_API_KEY", base_url: "ELEVENLABS_BASE_URL" };

/// Which of the vendor's ways a reply takes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum ElevenLabsTransport {
    /// A `stream-input` WebSocket for each reply, opened while the model thinks.
    #[default]
    StreamInput,
    /// A `multi-stream-input` WebSocket that is kept between replies, each a context of its own: a connection less to wait
    /// for when the agent speaks without having thought.
    MultiContext,
    /// A request for each segment. No word times; for models that do not take a stream of text (`eleven_v3`).
    Http,
}

/// How to reach ElevenLabs, or a server that speaks its protocol.
#[derive(Clone, PartialEq, Debug)]
pub struct ElevenLabsConfig {
    /// Where it is: `https://api.elevenlabs.io`, `wss://…`, or a plain `ws://` server nearby.
    pub base_url: String,
    /// The key; empty for a server that asks for none.
    pub key: Secret,
    /// The model; one that can stream its input (`eleven_v3` cannot), unless `transport` is a request for each segment.
    pub model: String,
    /// The voice id for calls that name none.
    pub voice: String,
    /// 0 (lively) to 1 (even); `None`: the voice's own.
    pub stability: Option<f64>,
    /// How close to the original, 0 to 1; `None`: the voice's own.
    pub similarity_boost: Option<f64>,
    /// How long the vendor waits for more text before it closes, in seconds, at most 180.
    pub inactivity_timeout: u32,
    /// How long the first sound may take once there is text, and any further sound once the text is complete.
    pub patience: Duration,
    /// More parameters of the query, as ElevenLabs names them.
    pub extra: Vec<(String, String)>,
    /// How its speech is asked for.
    pub transport: ElevenLabsTransport,
}

impl Default for ElevenLabsConfig {
    fn default() -> Self {
        Self {
            base_url: "https://api.elevenlabs.io".to_owned(),
            key: Secret::default(),
            model: "eleven_flash_v2_5".to_owned(),
            voice: "21m00Tcm4TlvDq8ikWAM".to_owned(),
            stability: None,
            similarity_boost: None,
            inactivity_timeout: 60,
            patience: Duration::from_secs(10),
            extra: Vec::new(),
            transport: ElevenLabsTransport::default(),
        }
    }
}

/// The voice. Over a WebSocket it tells when each word is spoken.
#[derive(Clone, Debug)]
pub struct ElevenLabs(Arc<Service>);

/// What all streams share.
#[derive(Debug)]
struct Service {
    config: ElevenLabsConfig,
    base: Url,
    door: Arc<Door>,
    client: reqwest::Client,
    /// Contexts opened so far.
    contexts: AtomicU64,
}

impl ElevenLabs {
    /// A voice; the error says which setting is wrong. Nothing is connected yet.
    pub fn new(config: ElevenLabsConfig) -> Result<Self, ProviderError> {
        let base = VENDOR.base(&config.base_url)?;
        let key = match config.key.is_empty() {
            true => None,
            false => Some(VENDOR.key_header("", &config.key)?),
        };
        let patience = Duration::from_secs(config.inactivity_timeout.clamp(10, 180).into()) - Duration::from_secs(5);
        let door = Door {
            vendor: VENDOR,
            key: config.key.clone(),
            headers: key.into_iter().map(|key| ("xi-api-key", key)).collect(),
            farewell: None,
            dialer: Dialer::new(VENDOR, &base)?,
            pool: (config.transport == ElevenLabsTransport::MultiContext).then(|| Pool::new(patience)),
            patience: config.patience,
        };
        let client = http::client(&VENDOR, &base)?;
        Ok(Self(Arc::new(Service { config, base, door: Arc::new(door), client, contexts: AtomicU64::new(1) })))
    }
}

impl Tts for ElevenLabs {
    fn speeds(&self, _spec: &TtsSpec) -> RangeInclusive<f32> {
        SPEEDS
    }

    fn voice_name(&self, spec: &TtsSpec) -> Option<String> {
        let config = &self.0.config;
        Some(format!("elevenlabs {} {}", config.model, spec.voice.as_ref().unwrap_or(&config.voice)))
    }

    fn open(&self, spec: TtsSpec) -> TtsStream {
        let service = Arc::clone(&self.0);
        let (format, settings) = (Format::nearest(spec.rate), service.settings(&spec));
        match service.config.transport {
            ElevenLabsTransport::StreamInput => {
                let url = service.stream(&spec, "stream-input");
                service.stream_with(url, StreamInput::new(Arc::clone(&service), format, settings))
            }
            ElevenLabsTransport::MultiContext => {
                let url = service.stream(&spec, "multi-stream-input");
                service.stream_with(url, Contexts::new(Arc::clone(&service), format, settings))
            }
            ElevenLabsTransport::Http => open_segments(service, spec),
        }
    }
}

impl Source for Service {
    const LONGEST: usize = 5_000;

    async fn fetch(&self, spec: &TtsSpec, text: &str, chunks: &Chunks) -> Result<(), ProviderError> {
        let format = Format::nearest(spec.rate);
        let mut url = http::as_http(self.address(spec, "stream"));
        url.query_pairs_mut().append_pair("output_format", name(format)).extend_pairs(&self.config.extra);
        let (model_id, language_code) = (&self.config.model, self.language(spec));
        let body = Request { text, model_id, voice_settings: &self.settings(spec), language_code };
        let mut request = self.client.post(url).json(&body);
        for (name, value) in &self.door.headers {
            request = request.header(*name, value.clone());
        }
        let patience = self.config.patience;
        let fetch = Fetch { vendor: &VENDOR, key: &self.config.key, first_audio: patience, idle: patience };
        fetch.run(request, SoundReader::new(format), chunks).await
    }
}

impl Service {
    fn stream_with(&self, url: Url, dialect: impl Dialect) -> TtsStream {
        open_stream(Arc::clone(&self.door), url, dialect)
    }

    /// The address of a voice and what is asked of it.
    fn address(&self, spec: &TtsSpec, what: &str) -> Url {
        let voice = spec.voice.as_deref().unwrap_or(&self.config.voice);
        let mut url = http::endpoint(&self.base, "v1/text-to-speech");
        // Pushed as one segment, so that no voice id can lead elsewhere.
        if let Ok(mut path) = url.path_segments_mut() {
            path.push(voice).push(what);
        }
        url
    }

    /// The address of a WebSocket, most of its configuration in the query.
    fn stream(&self, spec: &TtsSpec, what: &str) -> Url {
        let mut url = http::as_websocket(self.address(spec, what));
        let mut query = url.query_pairs_mut();
        query
            .append_pair("model_id", &self.config.model)
            .append_pair("output_format", name(Format::nearest(spec.rate)))
            .append_pair("auto_mode", "true")
            .append_pair("sync_alignment", "true")
            .append_pair("inactivity_timeout", &self.config.inactivity_timeout.min(180).to_string());
        if let Some(language) = self.language(spec) {
            query.append_pair("language_code", &language);
        }
        query.extend_pairs(&self.config.extra);
        drop(query);
        url
    }

    /// The language, for the only models that take one; the others refuse the connection for it.
    fn language(&self, spec: &TtsSpec) -> Option<String> {
        let language = spec.language.split('-').next().filter(|language| language.len() == 2)?;
        self.config.model.contains("_v2_5").then(|| language.to_ascii_lowercase())
    }

    fn settings(&self, spec: &TtsSpec) -> VoiceSettings {
        let speed = (spec.speed - 1.0).abs() > 0.001;
        VoiceSettings {
            stability: self.config.stability,
            similarity_boost: self.config.similarity_boost,
            speed: speed.then(|| f64::from(spec.speed.clamp(*SPEEDS.start(), *SPEEDS.end()))),
        }
    }

    /// A name for a context that no other one has.
    fn context(&self) -> String {
        format!("r{}", self.contexts.fetch_add(1, Ordering::Relaxed))
    }

    /// Understands a message; with `context`, what is said of another is passed over.
    fn read(&self, text: &str, context: Option<&str>, heard: &mut Heard) -> Result<Meaning, ProviderError> {
        let Ok(message) = serde_json::from_str::<ServerMessage>(text) else { return Ok(Meaning::Garbage) };
        if let (Some(ours), Some(theirs)) = (context, &message.context_id)
            && ours != theirs
        {
            return Ok(Meaning::Nothing);
        }
        if is_error(&message) {
            return Err(failed(&message, &self.config.key));
        }
        if let Some(audio) = message.audio.as_deref().filter(|audio| !audio.is_empty()) {
            match base64_simd::STANDARD.decode_to_vec(audio) {
                Ok(bytes) => heard.audio = bytes,
                Err(_) => return Ok(Meaning::Garbage),
            }
        }
        heard.spoken = message.alignment.map(Spoken::Letters);
        heard.done = message.is_final == Some(true);
        Ok(Meaning::Ours)
    }
}

/// The vendor's name for a form of sound.
const fn name(format: Format) -> &'static str {
    match format {
        Format::Ulaw => "ulaw_8000",
        Format::Wide => "pcm_16000",
        Format::Full => "pcm_24000",
    }
}

fn is_error(message: &ServerMessage) -> bool {
    let says = |value: &Option<Value>| value.as_ref().is_some_and(|value| !value.is_null());
    says(&message.error) || (message.audio.is_none() && says(&message.code))
}

/// An error message: `{"message", "error", "code"}`.
fn failed(message: &ServerMessage, key: &Secret) -> ProviderError {
    let field = |value: &Option<Value>| value.as_ref().and_then(Value::as_str).and_then(http::code);
    let mut codes: Vec<String> = [field(&message.error), field(&message.code)].into_iter().flatten().collect();
    codes.extend(message.error.as_ref().map(http::codes_of).unwrap_or_default());
    codes.dedup();
    // The vendor's sentence may help to tell the kind, but is not repeated.
    let sentence = message.message.as_ref().and_then(Value::as_str).map(as_code);
    let known = http::failure_named(&codes).or_else(|| http::failure_named(sentence.as_slice()));
    let policy = message.code.as_ref().and_then(Value::as_u64) == Some(1008);
    let kind = known.unwrap_or(if policy { Failure::BadRequest } else { Failure::Unavailable });
    let codes = http::listed(&codes, key).unwrap_or_else(|| "no code".to_owned());
    VENDOR.failure(kind, &format!("refused or failed ({codes})"))
}

/// A sentence in the shape of a code, to be looked up and not to be shown.
fn as_code(sentence: &str) -> String {
    sentence.replace([' ', '-'], "_")
}
