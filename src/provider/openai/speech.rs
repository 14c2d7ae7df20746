//! Voices over `POST /audio/speech`: one request a segment, the next one under way while the former is heard.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde_json::{Map, Value, json};
use url::Url;

use crate::audio::SampleRate;
use crate::provider::voice::{Chunks, Fetch, SoundReader, Source, open_segments};
use crate::provider::warmth::Warmth;
use crate::provider::{ProviderError, Secret, Tts, TtsSpec, TtsStream, http};

use super::{SPEECH, address};

/// How to reach a voice.
#[derive(Clone, PartialEq, Debug)]
pub struct OpenAiSpeechConfig {
    /// Where it is: `https://api.openai.com/v1`, `http://127.0.0.1:8880` (Kokoro-FastAPI), and so on.
    pub base_url: String,
    /// The key; empty for a server that asks for none.
    pub key: Secret,
    /// The model.
    pub model: String,
    /// The voice for calls that name none.
    pub voice: String,
    /// The rate of the raw samples the server sends; OpenAI's is 24 kHz.
    pub rate: SampleRate,
    /// How long the first sound of a segment may take, connecting included.
    pub first_audio: Duration,
    /// How long the sound may pause after that.
    pub idle: Duration,
    /// Further fields of the request, `instructions` say; they win over ours. With `response_format` as `wav`, the rate
    /// is read from the file.
    pub extra: Map<String, Value>,
}

impl Default for OpenAiSpeechConfig {
    fn default() -> Self {
        Self {
            base_url: "https://api.openai.com/v1".to_owned(),
            key: Secret::default(),
            model: "gpt-4o-mini-tts".to_owned(),
            voice: "alloy".to_owned(),
            rate: SampleRate::HZ_24000,
            first_audio: Duration::from_secs(10),
            idle: Duration::from_secs(5),
            extra: Map::new(),
        }
    }
}

/// The voice. The protocol has no word times: the end of each segment is told as if it were one word, so that what was
/// heard can be anchored there.
#[derive(Clone, Debug)]
pub struct OpenAiSpeech(Arc<Service>);

#[derive(Debug)]
struct Service {
    config: OpenAiSpeechConfig,
    url: Url,
    authorization: Option<HeaderValue>,
    client: reqwest::Client,
    warmth: Warmth,
}

impl OpenAiSpeech {
    /// A voice; the error says which setting is wrong. Nothing is connected yet.
    pub fn new(config: OpenAiSpeechConfig) -> Result<Self, ProviderError> {
        let url = address(&SPEECH, &config.base_url, "audio/speech")?;
        let authorization = match config.key.is_empty() {
            true => None,
            false => Some(SPEECH.key_header("Bearer ", &config.key)?),
        };
        let client = http::client(&SPEECH, &url)?;
        Ok(Self(Arc::new(Service { config, url, authorization, client, warmth: Warmth::default() })))
    }
}

impl Tts for OpenAiSpeech {
    fn speeds(&self, _spec: &TtsSpec) -> RangeInclusive<f32> {
        if self.0.has_speeds() { 0.25..=4.0 } else { 1.0..=1.0 }
    }

    fn voice_name(&self, spec: &TtsSpec) -> Option<String> {
        let config = &self.0.config;
        Some(format!("openai {} {}", config.model, spec.voice.as_ref().unwrap_or(&config.voice)))
    }

    fn warm(&self) {
        self.0.warmth.open(&self.0.client, &self.0.url);
    }

    fn open(&self, spec: TtsSpec) -> TtsStream {
        open_segments(Arc::clone(&self.0), spec)
    }
}

impl Service {
    /// Whether the model minds the speed it is asked for: OpenAI's models that take instructions do not.
    fn has_speeds(&self) -> bool {
        !self.config.model.starts_with("gpt-")
    }

    fn body(&self, spec: &TtsSpec, text: &str) -> Value {
        let mut body = json!({
            "model": self.config.model,
            "input": text,
            "voice": spec.voice.as_deref().unwrap_or(&self.config.voice),
            "response_format": "pcm",
        });
        if let Some(fields) = body.as_object_mut() {
            if self.has_speeds() && (spec.speed - 1.0).abs() > 0.001 {
                fields.insert("speed".to_owned(), json!(f64::from(spec.speed.clamp(0.25, 4.0))));
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
        let OpenAiSpeechConfig { key, first_audio, idle, rate, .. } = &self.config;
        let fetch = Fetch { vendor: &SPEECH, key, first_audio: *first_audio, idle: *idle };
        fetch.run(request, SoundReader::linear(*rate), chunks).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_without_speeds_is_not_asked_for_one() {
        let spec = TtsSpec { voice: None, language: "en-US".into(), speed: 1.5, rate: SampleRate::HZ_8000 };
        for (model, speeds) in [("gpt-4o-mini-tts", 1.0..=1.0), ("tts-1-hd", 0.25..=4.0), ("kokoro", 0.25..=4.0)] {
            let config = OpenAiSpeechConfig { model: model.into(), ..OpenAiSpeechConfig::default() };
            let voice = OpenAiSpeech::new(config).unwrap();
            assert_eq!(voice.0.body(&spec, "Hi.").get("speed").is_some(), speeds.contains(&1.5), "{model}");
            assert_eq!(voice.speeds(&spec), speeds);
            assert_eq!(voice.voice_name(&spec), Some(format!("openai {model} alloy")));
        }
    }
}
