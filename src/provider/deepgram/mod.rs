//! Deepgram: streaming recognition over its `/v1/listen` WebSocket, and over `/v2/listen` with [`Flux`].
//!
//! Telephone sound (8 kHz) goes out as the µ-law it came in; other rates as 16-bit samples. Each frame is sent as it
//! comes. A lost connection is opened again and given the sound since the last settled words.

mod flux;
mod listen;
mod utterance;
mod wire;

pub use flux::{Flux, FluxConfig};

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderValue;
use url::Url;

use crate::audio::SampleRate;

use super::http::{self, Vendor};
use super::stt::usual_final_wait;
use super::websocket::Dialer;
use super::{ProviderError, Secret, Stt, SttSpec, SttStream, listening};
use listen::Listen;
use listening::Route;

const VENDOR: Vendor = Vendor { name: "deepgram", key: "DEEPGRAM_API_KEY", base_url: "DEEPGRAM_BASE_URL" };

/// How to reach Deepgram, or a server that speaks its protocol.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeepgramConfig {
    /// Where it is: `https://api.deepgram.com`, `wss://…`, or a plain `ws://` server nearby.
    pub base_url: String,
    /// The key; empty for a server that asks for none.
    pub key: Secret,
    /// The model for calls that name none.
    pub model: String,
    /// The pause after which Deepgram calls an utterance over, in milliseconds.
    pub endpointing_ms: u32,
    /// The gap between words after which it says so when the pause was too noisy for that, in milliseconds; at least
    /// 1 000, or 0 for never.
    pub utterance_end_ms: u32,
    /// Words to be expected: names, products.
    pub keyterms: Vec<String>,
    /// More parameters of the query, as Deepgram names them.
    pub extra: Vec<(String, String)>,
}

impl Default for DeepgramConfig {
    fn default() -> Self {
        Self {
            base_url: "https://api.deepgram.com".to_owned(),
            key: Secret::default(),
            model: "nova-3".to_owned(),
            endpointing_ms: 300,
            utterance_end_ms: 1_000,
            keyterms: Vec::new(),
            extra: Vec::new(),
        }
    }
}

/// The recogniser.
///
/// Of one utterance it tells finals that follow one another, between them interims that hold only the words after the
/// last final, and at the end an end of turn whose text, often empty, belongs behind the finals.
#[derive(Clone, Debug)]
pub struct Deepgram(Arc<Service>);

/// What all streams share.
#[derive(Debug)]
struct Service {
    config: DeepgramConfig,
    listen: Url,
    authorization: Option<HeaderValue>,
    dialer: Dialer,
}

impl Deepgram {
    /// A recogniser; the error says which setting is wrong. Nothing is connected yet.
    pub fn new(config: DeepgramConfig) -> Result<Self, ProviderError> {
        let base = http::as_websocket(VENDOR.base(&config.base_url)?);
        let authorization = match config.key.is_empty() {
            true => None,
            false => Some(VENDOR.key_header("Token ", &config.key)?),
        };
        let dialer = Dialer::new(VENDOR, &base)?;
        Ok(Self(Arc::new(Service { listen: http::endpoint(&base, "v1/listen"), config, authorization, dialer })))
    }
}

impl Stt for Deepgram {
    fn open(&self, spec: SttSpec) -> SttStream {
        listening::open(Listen::new(Arc::clone(&self.0), &spec), &spec)
    }

    fn final_wait(&self) -> Duration {
        usual_final_wait(VENDOR.name)
    }
}

impl Service {
    /// A connection to `url`.
    fn route(&self, url: Url) -> Route {
        Route { url, headers: self.authorization.iter().map(|key| ("authorization", key.clone())).collect() }
    }

    /// The address of a stream, its whole configuration in the query.
    fn address(&self, spec: &SttSpec) -> Url {
        let mut url = self.listen.clone();
        let encoding = if spec.rate == SampleRate::HZ_8000 { "mulaw" } else { "linear16" };
        let mut query = url.query_pairs_mut();
        query
            .append_pair("model", spec.model.as_deref().unwrap_or(&self.config.model))
            .append_pair("language", &spec.language)
            .append_pair("encoding", encoding)
            .append_pair("sample_rate", &spec.rate.hz().to_string())
            .append_pair("channels", "1")
            .append_pair("interim_results", "true")
            .append_pair("punctuate", "true")
            .append_pair("smart_format", "true")
            // Formatting must not hold words back.
            .append_pair("no_delay", "true")
            .append_pair("endpointing", &self.config.endpointing_ms.to_string());
        if self.config.utterance_end_ms > 0 {
            query.append_pair("utterance_end_ms", &self.config.utterance_end_ms.max(1_000).to_string());
        }
        query.extend_pairs(self.config.keyterms.iter().map(|term| ("keyterm", term)));
        query.extend_pairs(self.config.extra.iter().map(|(name, value)| (name, value)));
        drop(query);
        url
    }
}
