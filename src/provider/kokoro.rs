//! Kokoro-FastAPI: a voice on a machine of one's own, over OpenAI's speech protocol with fields of its own.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde_json::{Map, Value, json};
use url::Url;

use crate::audio::SampleRate;

use super::http::{self, Vendor};
use super::voice::{Chunks, Fetch, SoundReader, Source, open_segments};
use super::warmth::Warmth;
use super::{ProviderError, Secret, Tts, TtsSpec, TtsStream};

const VENDOR: Vendor = Vendor { name: "kokoro", key: "KOKORO_API_KEY", base_url: "KOKORO_BASE_URL" };
/// The speeds the server takes.
const SPEEDS: RangeInclusive<f32> = 0.25..=4.0;

/// How to reach a Kokoro-FastAPI server.
#[derive(Clone, PartialEq, Debug)]
pub struct KokoroConfig {
    /// Where it is: `http://127.0.0.1:8880`.
    pub base_url: String,
    /// The key of a proxy before it; empty: the server itself asks for none.
    pub key: Secret,
    /// The model.
    pub model: String,
    /// The voice for calls that name none; `af_heart+af_bella` mixes two.
    pub voice: String,
    /// How long the first sound of a segment may take, connecting included: on a processor, some tenths of a second.
    pub first_audio: Duration,
    /// How long the sound may pause after that.
    pub idle: Duration,
    /// Further fields of the request; they win over ours.
    pub extra: Map<String, Value>,
}

impl Default for KokoroConfig {
    fn default() -> Self {
        Self {
            base_url: "http://127.0.0.1:8880".to_owned(),
            key: Secret::default(),
            model: "kokoro".to_owned(),
            voice: "af_heart".to_owned(),
            first_audio: Duration::from_secs(10),
            idle: Duration::from_secs(5),
            extra: Map::new(),
        }
    }
}

/// The voice. The end of each segment is told as if it were one word.
#[derive(Clone, Debug)]
pub struct Kokoro(Arc<Service>);

#[derive(Debug)]
struct Service {
    config: KokoroConfig,
    url: Url,
    authorization: Option<HeaderValue>,
    client: reqwest::Client,
    warmth: Warmth,
}

impl Kokoro {
    /// A voice; the error says which setting is wrong. Nothing is connected yet.
    pub fn new(config: KokoroConfig) -> Result<Self, ProviderError> {
        let base = http::as_http(VENDOR.base(&config.base_url)?);
        let authorization = match config.key.is_empty() {
            true => None,
            false => Some(VENDOR.key_header("Bearer ", &config.key)?),
        };
        let client = http::client(&VENDOR, &base)?;
        let url = http::endpoint(&base, "v1/audio/speech");
        Ok(Self(Arc::new(Service { config, url, authorization, client, warmth: Warmth::default() })))
    }
}

impl Tts for Kokoro {
    fn speeds(&self, _spec: &TtsSpec) -> RangeInclusive<f32> {
        SPEEDS
    }

    fn voice_name(&self, spec: &TtsSpec) -> Option<String> {
        let config = &self.0.config;
        Some(format!("kokoro {} {}", config.model, spec.voice.as_ref().unwrap_or(&config.voice)))
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
        let mut body = json!({
            "model": self.config.model,
            "input": text,
            "voice": spec.voice.as_deref().unwrap_or(&self.config.voice),
            "response_format": "pcm",
            "stream": true,
            // Numbers and addresses have been put into words already, in the language of the call.
            "normalization_options": {"normalize": false},
        });
        if let Some(fields) = body.as_object_mut() {
            if let Some(letter) = language(&spec.language) {
                fields.insert("lang_code".to_owned(), letter.into());
            }
            if (spec.speed - 1.0).abs() > 0.001 {
                let speed = f64::from(spec.speed.clamp(*SPEEDS.start(), *SPEEDS.end()));
                fields.insert("speed".to_owned(), speed.into());
            }
            fields.extend(self.config.extra.clone());
        }
        body
    }
}

impl Source for Service {
    const LONGEST: usize = 4_096;

    async fn fetch(&self, spec: &TtsSpec, text: &str, chunks: &Chunks) -> Result<(), ProviderError> {
        let mut request = self.client.post(self.url.clone()).json(&self.body(spec, text));
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        let KokoroConfig { key, first_audio, idle, .. } = &self.config;
        let fetch = Fetch { vendor: &VENDOR, key, first_audio: *first_audio, idle: *idle };
        fetch.run(request, SoundReader::linear(SampleRate::HZ_24000), chunks).await
    }
}

/// Kokoro's letter for a language; without one it goes by the voice's first letter, which is that of its mother tongue.
fn language(tag: &str) -> Option<&'static str> {
    let tag = tag.to_ascii_lowercase();
    let primary = tag.split('-').next().unwrap_or_default();
    match (tag.as_str(), primary) {
        ("en-gb" | "en-au" | "en-ie" | "en-nz", _) => Some("b"),
        (_, "en") => Some("a"),
        (_, "es") => Some("e"),
        (_, "fr") => Some("f"),
        (_, "hi") => Some("h"),
        (_, "it") => Some("i"),
        (_, "ja") => Some("j"),
        (_, "pt") => Some("p"),
        (_, "zh") => Some("z"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_language_and_speed_in_the_servers_way() {
        let voice = Kokoro::new(KokoroConfig::default()).unwrap();
        let spec = |language: &str, speed| TtsSpec {
            voice: None,
            language: language.into(),
            speed,
            rate: SampleRate::HZ_8000,
        };
        let body = voice.0.body(&spec("en-GB", 1.5), "Hello.");
        assert_eq!((body["lang_code"].as_str(), body["speed"].as_f64()), (Some("b"), Some(1.5)));
        let body = voice.0.body(&spec("sv-SE", 1.0), "Hej.");
        assert!(body.get("lang_code").is_none() && body.get("speed").is_none());
        assert_eq!((body["voice"].as_str(), body["response_format"].as_str()), (Some("af_heart"), Some("pcm")));
    }
}
