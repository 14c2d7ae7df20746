//! Piper's HTTP server: a voice on a machine of one's own, one WAV file a segment.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde_json::{Map, Value, json};
use url::Url;

use super::http::{self, Vendor};
use super::voice::{Chunks, Fetch, SoundReader, Source, open_segments};
use super::warmth::Warmth;
use super::{ProviderError, Secret, Tts, TtsSpec, TtsStream};

const VENDOR: Vendor = Vendor { name: "piper", key: "PIPER_API_KEY", base_url: "PIPER_BASE_URL" };
/// The speeds at which it is still understood.
const SPEEDS: RangeInclusive<f32> = 0.5..=2.0;

/// How to reach a Piper server (`python -m piper.http_server`).
#[derive(Clone, PartialEq, Debug)]
pub struct PiperConfig {
    /// Where it is: `http://127.0.0.1:5000`. With a path, that path is asked; else `/synthesize`, which servers before
    /// version 1.4 do not have: name them with their `/`, `http://127.0.0.1:5000//`.
    pub base_url: String,
    /// The key of a proxy before it; empty: the server itself asks for none.
    pub key: Secret,
    /// The voice for calls that name none, `en_US-lessac-medium`; empty: the one the server was started with.
    pub voice: String,
    /// How long the sound of a segment may take, connecting included: it comes when it is complete.
    pub first_audio: Duration,
    /// How long the sound may pause after that.
    pub idle: Duration,
    /// Further fields of the request, `speaker_id` say; they win over ours.
    pub extra: Map<String, Value>,
}

impl Default for PiperConfig {
    fn default() -> Self {
        Self {
            base_url: "http://127.0.0.1:5000".to_owned(),
            key: Secret::default(),
            voice: String::new(),
            first_audio: Duration::from_secs(10),
            idle: Duration::from_secs(5),
            extra: Map::new(),
        }
    }
}

/// The voice, at a rate of its own (16 or 22.05 kHz). The end of each segment is told as if it were one word.
#[derive(Clone, Debug)]
pub struct Piper(Arc<Service>);

#[derive(Debug)]
struct Service {
    config: PiperConfig,
    url: Url,
    authorization: Option<HeaderValue>,
    client: reqwest::Client,
    warmth: Warmth,
}

impl Piper {
    /// A voice; the error says which setting is wrong. Nothing is connected yet.
    pub fn new(config: PiperConfig) -> Result<Self, ProviderError> {
        let base = http::as_http(VENDOR.base(&config.base_url)?);
        let authorization = match config.key.is_empty() {
            true => None,
            false => Some(VENDOR.key_header("Bearer ", &config.key)?),
        };
        let client = http::client(&VENDOR, &base)?;
        let url = match base.path() {
            "/" => http::endpoint(&base, "synthesize"),
            "//" => http::endpoint(&base, ""),
            _ => base,
        };
        Ok(Self(Arc::new(Service { config, url, authorization, client, warmth: Warmth::default() })))
    }
}

impl Tts for Piper {
    fn speeds(&self, _spec: &TtsSpec) -> RangeInclusive<f32> {
        SPEEDS
    }

    fn voice_name(&self, spec: &TtsSpec) -> Option<String> {
        let voice = spec.voice.as_ref().unwrap_or(&self.0.config.voice);
        Some(format!("piper {voice}").trim_end().to_owned())
    }

    fn warm(&self) {
        self.0.warmth.open(&self.0.client, &self.0.url);
    }

    fn open(&self, spec: TtsSpec) -> TtsStream {
        open_segments(Arc::clone(&self.0), spec)
    }
}

impl Service {
    fn body(&self, spec: &TtsSpec, text: &str) -> Value {
        let mut body = Map::new();
        body.insert("text".to_owned(), text.into());
        let voice = spec.voice.as_deref().unwrap_or(&self.config.voice);
        if !voice.is_empty() {
            body.insert("voice".to_owned(), voice.into());
        }
        if (spec.speed - 1.0).abs() > 0.001 {
            // How long its sounds are, which is the other way round.
            let length = 1.0 / f64::from(spec.speed.clamp(*SPEEDS.start(), *SPEEDS.end()));
            body.insert("length_scale".to_owned(), json!(length));
        }
        body.extend(self.config.extra.clone());
        Value::Object(body)
    }
}

impl Source for Service {
    const LONGEST: usize = 2_000;

    async fn fetch(&self, spec: &TtsSpec, text: &str, chunks: &Chunks) -> Result<(), ProviderError> {
        let mut request = self.client.post(self.url.clone()).json(&self.body(spec, text));
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        let PiperConfig { key, first_audio, idle, .. } = &self.config;
        let fetch = Fetch { vendor: &VENDOR, key, first_audio: *first_audio, idle: *idle };
        fetch.run(request, SoundReader::wav(), chunks).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::SampleRate;

    #[test]
    fn older_and_newer_servers_are_asked_where_they_answer() {
        for (base_url, path) in [
            ("http://h:5000", "/synthesize"),
            ("http://h:5000//", "/"),
            ("http://h:5000/piper/synthesize", "/piper/synthesize"),
        ] {
            let voice = Piper::new(PiperConfig { base_url: base_url.into(), ..Default::default() }).unwrap();
            assert_eq!(voice.0.url.path(), path, "{base_url}");
        }
    }

    #[test]
    fn twice_as_fast_is_half_as_long() {
        let voice = Piper::new(PiperConfig::default()).unwrap();
        let spec = TtsSpec { voice: None, language: "de".into(), speed: 2.0, rate: SampleRate::HZ_8000 };
        assert_eq!(voice.0.body(&spec, "Hallo."), json!({"text": "Hallo.", "length_scale": 0.5}));
    }
}
