//! ElevenLabs: streaming speech over its `stream-input` WebSocket.
//!
//! One connection a reply. An 8 kHz line gets µ-law as the telephone network carries it, so nothing is resampled.

mod scribe;
mod session;
mod sound;
mod wire;
mod words;

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderValue;
use url::Url;

use super::http::{self, Vendor};
use super::websocket::Dialer;
use super::{ProviderError, Secret, Tts, TtsEvent, TtsSpec, TtsStream};
use session::Session;
use sound::Format;

/// The speeds the vendor takes.
const SPEEDS: RangeInclusive<f32> = 0.7..=1.2;

pub use scribe::{ElevenLabsScribe, ElevenLabsScribeConfig};

const VENDOR: Vendor = Vendor { name: "elevenlabs", key: "ELEVENLABS_API_KEY", base_url: "ELEVENLABS_BASE_URL" };

/// How to reach ElevenLabs, or a server that speaks its protocol.
#[derive(Clone, PartialEq, Debug)]
pub struct ElevenLabsConfig {
    /// Where it is: `https://api.elevenlabs.io`, `wss://…`, or a plain `ws://` server nearby.
    pub base_url: String,
    /// The key; empty for a server that asks for none.
    pub key: Secret,
    /// The model; one that can stream its input (`eleven_v3` cannot).
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
        }
    }
}

/// The voice. It tells when each word is spoken.
#[derive(Clone, Debug)]
pub struct ElevenLabs(Arc<Service>);

/// What all streams share.
#[derive(Debug)]
struct Service {
    config: ElevenLabsConfig,
    base: Url,
    key: Option<HeaderValue>,
    dialer: Dialer,
}

impl ElevenLabs {
    /// A voice; the error says which setting is wrong. Nothing is connected yet.
    pub fn new(config: ElevenLabsConfig) -> Result<Self, ProviderError> {
        let base = http::as_websocket(VENDOR.base(&config.base_url)?);
        let key = match config.key.is_empty() {
            true => None,
            false => Some(VENDOR.key_header("", &config.key)?),
        };
        let dialer = Dialer::new(VENDOR, &base)?;
        Ok(Self(Arc::new(Service { config, base, key, dialer })))
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
        TtsStream::spawn(move |commands, events| async move {
            let last = match Session::new(service, spec, events.clone()).run(commands).await {
                Ok(()) => TtsEvent::Ended,
                Err(error) => TtsEvent::Failed(error),
            };
            // Fails only when nobody listens.
            let _ = events.send(last).await;
        })
    }
}

impl Service {
    /// The address of a stream, most of its configuration in the query.
    fn address(&self, spec: &TtsSpec) -> Url {
        let voice = spec.voice.as_deref().unwrap_or(&self.config.voice);
        let mut url = http::endpoint(&self.base, "v1/text-to-speech");
        // Pushed as one segment, so that no voice id can lead elsewhere.
        if let Ok(mut path) = url.path_segments_mut() {
            path.push(voice).push("stream-input");
        }
        let mut query = url.query_pairs_mut();
        query
            .append_pair("model_id", &self.config.model)
            .append_pair("output_format", Format::nearest(spec.rate).name())
            .append_pair("auto_mode", "true")
            .append_pair("sync_alignment", "true")
            .append_pair("inactivity_timeout", &self.config.inactivity_timeout.min(180).to_string());
        // Only these models take a language; the others refuse the connection for it.
        if self.config.model.contains("_v2_5")
            && let Some(language) = spec.language.split('-').next().filter(|language| language.len() == 2)
        {
            query.append_pair("language_code", &language.to_ascii_lowercase());
        }
        query.extend_pairs(self.config.extra.iter().map(|(name, value)| (name, value)));
        drop(query);
        url
    }
}
