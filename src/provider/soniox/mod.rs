//! Soniox: streaming recognition over its `/transcribe-websocket`.

mod tokens;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, ready};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use url::Url;

use crate::audio::SampleRate;

use super::http::{self, Vendor};
use super::listening::{self, Coding, Dialect, Habits, Heard, Route, Timeline, Unreadable, language_code};
use super::stt::usual_final_wait;
use super::websocket::Dialer;
use super::{ProviderError, Secret, Stt, SttSpec, SttStream};
use tokens::{Response, Tokens};

const VENDOR: Vendor = Vendor { name: "soniox", key: "SONIOX_API_KEY", base_url: "SONIOX_BASE_URL" };

/// How to reach Soniox, or a server that speaks its protocol.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SonioxConfig {
    /// Where it is: `wss://stt-rt.soniox.com`.
    pub base_url: String,
    /// The key.
    pub key: Secret,
    /// The model for calls that name none.
    pub model: String,
    /// The longest pause, in milliseconds, before Soniox calls an utterance over: 500 to 3 000, or 0 for never.
    pub max_endpoint_delay_ms: u32,
    /// Words to be expected: names, products.
    pub terms: Vec<String>,
}

impl Default for SonioxConfig {
    fn default() -> Self {
        Self {
            base_url: "wss://stt-rt.soniox.com".to_owned(),
            key: Secret::default(),
            model: "stt-rt-v5".to_owned(),
            max_endpoint_delay_ms: 1_000,
            terms: Vec::new(),
        }
    }
}

/// Soniox's streaming recogniser.
///
/// Its words come in pieces that settle one by one; they are told as final where a pause ends, or at the latest after some
/// seconds, never in the middle of a word.
#[derive(Clone, Debug)]
pub struct Soniox(Arc<Service>);

/// What all streams share.
#[derive(Debug)]
struct Service {
    config: SonioxConfig,
    url: Url,
    dialer: Dialer,
}

impl Soniox {
    /// A recogniser; the error says which setting is wrong. Nothing is connected yet.
    pub fn new(config: SonioxConfig) -> Result<Self, ProviderError> {
        let base = http::as_websocket(VENDOR.base(&config.base_url)?);
        let url = match base.path().trim_end_matches('/').ends_with(PATH) {
            true => base,
            false => http::endpoint(&base, PATH),
        };
        let dialer = Dialer::new(VENDOR, &url)?;
        Ok(Self(Arc::new(Service { config, url, dialer })))
    }
}

impl Stt for Soniox {
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
    /// The first message, but for the key.
    opening: Value,
    tokens: Tokens,
}

impl Stream {
    fn new(service: Arc<Service>, spec: &SttSpec) -> Self {
        let config = &service.config;
        let format = if Coding::of(spec.rate) == Coding::Mulaw { "mulaw" } else { "pcm_s16le" };
        let mut opening = json!({
            "model": spec.model.as_deref().unwrap_or(&config.model),
            "audio_format": format, "sample_rate": spec.rate.hz(), "num_channels": 1,
            "enable_endpoint_detection": config.max_endpoint_delay_ms > 0,
        });
        if config.max_endpoint_delay_ms > 0 {
            opening["max_endpoint_delay_ms"] = config.max_endpoint_delay_ms.clamp(500, 3_000).into();
        }
        if let Some(language) = language_code(&spec.language) {
            opening["language_hints"] = json!([language]);
        }
        if !config.terms.is_empty() {
            opening["context"] = json!({"terms": config.terms});
        }
        Self { service, rate: spec.rate, opening, tokens: Tokens::default() }
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
        Habits::easy(Coding::of(self.rate), self.rate)
    }

    fn route(&mut self) -> BoxFuture<'static, Result<Route, ProviderError>> {
        ready(Ok(Route { url: self.service.url.clone(), headers: Vec::new() })).boxed()
    }

    fn opening(&mut self) -> Option<Message> {
        self.tokens = Tokens::default();
        let mut opening = self.opening.clone();
        opening["api_key"] = self.service.config.key.reveal().into();
        Some(Message::text(opening.to_string()))
    }

    fn finalize(&mut self, _sent: Duration) -> Option<Message> {
        Some(Message::text(r#"{"type":"finalize"}"#))
    }

    fn keep_alive(&mut self) -> Option<Message> {
        Some(Message::text(r#"{"type":"keepalive"}"#))
    }

    fn farewell(&self) -> Option<Message> {
        // The end of the sound.
        Some(Message::text(""))
    }

    fn read(&mut self, text: &str, timeline: &Timeline) -> Result<Vec<Heard>, Unreadable> {
        let response: Response = serde_json::from_str(text)?;
        if let Some(status) = response.error_code {
            let codes: Vec<String> = response.error_type.as_deref().and_then(http::code).into_iter().collect();
            return Ok(vec![Heard::Failed(VENDOR.refusal(status, &codes, &self.service.config.key))]);
        }
        self.tokens.read(&response, timeline)
    }

    fn is_between_turns(&self) -> bool {
        self.tokens.is_empty()
    }
}

const PATH: &str = "transcribe-websocket";
