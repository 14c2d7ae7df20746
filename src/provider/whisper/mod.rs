//! Recognition of whole utterances over HTTP: whisper.cpp's server, speaches, and whoever else has OpenAI's
//! `POST /v1/audio/transcriptions`.
//!
//! The sound is cut into utterances here: where the caller pauses, when the stream is asked for what it has, and at the
//! latest after half a minute. Silence is never sent, and there are no interims.

mod session;
mod slicer;

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::multipart::{Form, Part};
use serde::Deserialize;
use url::Url;

use crate::audio::{SampleRate, resample_all, wav};
use crate::conversation::Failure;

use super::http::{self, Vendor};
use super::listening::language_code;
use super::{ProviderError, Secret, Stt, SttSpec, SttStream};
use session::Session;

const VENDOR: Vendor = Vendor { name: "whisper", key: "WHISPER_API_KEY", base_url: "WHISPER_BASE_URL" };

/// How to reach a server that transcribes files.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WhisperConfig {
    /// Where it is: `http://127.0.0.1:8000/v1` of speaches, `https://api.openai.com/v1`, or the whole address of the
    /// request, which ends in `/inference` (whisper.cpp: `http://127.0.0.1:8080/inference`) or `/transcriptions`.
    pub base_url: String,
    /// The key; empty for a server that asks for none.
    pub key: Secret,
    /// The model for calls that name none; empty for a server that has only one.
    pub model: String,
    /// What the recogniser may expect to hear, in words; empty: nothing is said about it.
    pub prompt: String,
}

impl Default for WhisperConfig {
    fn default() -> Self {
        Self {
            base_url: "http://127.0.0.1:8000/v1".to_owned(),
            key: Secret::default(),
            model: "whisper-1".to_owned(),
            prompt: String::new(),
        }
    }
}

/// A recogniser of utterances.
#[derive(Clone, Debug)]
pub struct Whisper(Arc<Service>);

/// What all streams share.
#[derive(Debug)]
struct Service {
    config: WhisperConfig,
    url: Url,
    authorization: Option<HeaderValue>,
    client: reqwest::Client,
}

impl Whisper {
    /// A recogniser; the error says which setting is wrong. Nothing is connected yet.
    pub fn new(config: WhisperConfig) -> Result<Self, ProviderError> {
        let base = http::as_http(VENDOR.base(&config.base_url)?);
        let path = base.path().trim_end_matches('/');
        let url = match path {
            path if ["/inference", "/transcriptions"].iter().any(|end| path.ends_with(end)) => base,
            "" => http::endpoint(&base, "v1/audio/transcriptions"),
            _ => http::endpoint(&base, "audio/transcriptions"),
        };
        let authorization = match config.key.is_empty() {
            true => None,
            false => Some(VENDOR.key_header("Bearer ", &config.key)?),
        };
        let client = http::client(&VENDOR, &url)?;
        Ok(Self(Arc::new(Service { config, url, authorization, client })))
    }
}

impl Stt for Whisper {
    fn open(&self, spec: SttSpec) -> SttStream {
        let service = Arc::clone(&self.0);
        SttStream::spawn(move |commands, events| Session::new(service, spec, commands, events).run())
    }

    fn final_wait(&self) -> Duration {
        // The field's figure for OpenAI's; a machine of one's own with a small model is faster.
        Duration::from_millis(2_010)
    }
}

impl Service {
    /// The words of an utterance.
    async fn transcribe(&self, spec: &SttSpec, samples: &[i16]) -> Result<String, ProviderError> {
        let exchange = async {
            let mut request = self.client.post(self.url.clone()).multipart(self.form(spec, samples)?);
            if let Some(key) = &self.authorization {
                request = request.header(AUTHORIZATION, key.clone());
            }
            let response = request.send().await.map_err(|error| VENDOR.transport(&error))?;
            match response.status().is_success() {
                true => Self::text(response).await,
                false => Err(http::refusal(&VENDOR, response, &self.config.key).await),
            }
        };
        let late = |_| VENDOR.failure(Failure::Timeout, "gave no words in time");
        tokio::time::timeout(ANSWER, exchange).await.map_err(late)?
    }

    /// The form: a WAV file of 16 kHz, the only rate that all of them read, and what the words may be like.
    fn form(&self, spec: &SttSpec, samples: &[i16]) -> Result<Form, ProviderError> {
        let sound = resample_all(samples, spec.rate, SampleRate::HZ_16000);
        let file = Part::bytes(wav::to_bytes(SampleRate::HZ_16000, &[&sound])).file_name("utterance.wav");
        let file = file.mime_str("audio/wav").map_err(|error| VENDOR.transport(&error))?;
        let mut form = Form::new().text("response_format", "json").part("file", file);
        let model = spec.model.as_deref().unwrap_or(&self.config.model);
        for (name, value) in [("model", model), ("prompt", &self.config.prompt)] {
            if !value.is_empty() {
                form = form.text(name, value.to_owned());
            }
        }
        if let Some(language) = language_code(&spec.language) {
            form = form.text("language", language);
        }
        Ok(form)
    }

    async fn text(mut response: reqwest::Response) -> Result<String, ProviderError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| VENDOR.transport(&error))? {
            if body.len() + chunk.len() > LONGEST_ANSWER {
                return Err(VENDOR.failure(Failure::Protocol, "answered more than a transcript"));
            }
            body.extend_from_slice(&chunk);
        }
        let answer: Answer = serde_json::from_slice(&body).map_err(|_| {
            http::count_garbage(&VENDOR);
            VENDOR.failure(Failure::Protocol, "answered no transcript")
        })?;
        Ok(spoken(&answer.text).to_owned())
    }
}

/// What a server answers.
#[derive(Deserialize)]
struct Answer {
    text: String,
}

/// What was said of `text`: what a model writes about noises (`[BLANK_AUDIO]`, `(wind blowing)`) was not.
fn spoken(text: &str) -> &str {
    let text = text.trim();
    let is_about_noise = [('[', ']'), ('(', ')')].iter().any(|&(opening, closing)| {
        let inside = text.strip_prefix(opening).and_then(|text| text.strip_suffix(closing));
        inside.is_some_and(|inside| !inside.contains([opening, closing]))
    });
    if is_about_noise { "" } else { text }
}

/// How long a server may take over an utterance.
const ANSWER: Duration = Duration::from_secs(10);
/// Far more than anybody says in half a minute.
const LONGEST_ANSWER: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn url(base_url: &str) -> String {
        let config = WhisperConfig { base_url: base_url.to_owned(), ..WhisperConfig::default() };
        Whisper::new(config).unwrap().0.url.to_string()
    }

    #[test]
    fn an_address_is_a_base_or_the_whole_of_it() {
        assert_eq!(url("http://127.0.0.1:8000"), "http://127.0.0.1:8000/v1/audio/transcriptions");
        assert_eq!(url("http://127.0.0.1:8000/v1/"), "http://127.0.0.1:8000/v1/audio/transcriptions");
        assert_eq!(url("http://127.0.0.1/openai/v1"), "http://127.0.0.1/openai/v1/audio/transcriptions");
        assert_eq!(url("http://127.0.0.1:8080/inference"), "http://127.0.0.1:8080/inference");
    }

    #[test]
    fn what_is_written_about_noises_was_not_said() {
        for noise in ["", " [BLANK_AUDIO]\n", "(wind blowing)", "[ Silence ]"] {
            assert_eq!(spoken(noise), "", "{noise}");
        }
        for text in ["Hello.", "(555) 01 (00)", "[yes] or [no]"] {
            assert_eq!(spoken(text), text);
        }
    }
}
