//! AssemblyAI: streaming recognition over its `/v3/ws` WebSocket.
//!
//! Sound goes out in messages of at least 50 ms and, after a lost connection, little faster than it was spoken: the vendor
//! closes connections that do otherwise.

mod dialect;
mod turns;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderValue;
use url::Url;

use super::http::{self, Vendor};
use super::listening::{self, Coding};
use super::stt::usual_final_wait;
use super::websocket::Dialer;
use super::{ProviderError, Secret, Stt, SttSpec, SttStream};
use dialect::Streaming;

const VENDOR: Vendor = Vendor { name: "assemblyai", key: "ASSEMBLYAI_API_KEY", base_url: "ASSEMBLYAI_BASE_URL" };

/// How to reach AssemblyAI, or a server that speaks its protocol.
#[derive(Clone, PartialEq, Debug)]
pub struct AssemblyAiConfig {
    /// Where it is: `https://streaming.assemblyai.com`, in Europe `https://streaming.eu.assemblyai.com`, `wss://…`, or a
    /// plain `ws://` server nearby.
    pub base_url: String,
    /// The key; empty for a server that asks for none.
    pub key: Secret,
    /// The model for calls that name none. A call in another language than English gets
    /// `universal-streaming-multilingual` in place of `universal-streaming-english`.
    pub model: String,
    /// Whether a turn's words come with punctuation, capitals and figures. The end of the turn is then told a moment after
    /// its eager end, which has the plain words.
    pub format_turns: bool,
    /// How sure it must be that a turn is over, 0 to 1; `None`: the vendor's choice.
    pub end_of_turn_confidence_threshold: Option<f32>,
    /// The least silence before the end of a turn, in milliseconds; `None`: the vendor's choice.
    pub min_turn_silence_ms: Option<u32>,
    /// The silence after which a turn is over in any case, in milliseconds; `None`: the vendor's choice.
    pub max_turn_silence_ms: Option<u32>,
    /// How many times faster than it was spoken sound is sent that was kept while there was no connection; at least 1. The
    /// vendor tells no limit, only that much faster than real time is refused.
    pub catch_up: f64,
    /// Words to be expected: names, products.
    pub keyterms: Vec<String>,
    /// More parameters of the query, as AssemblyAI names them.
    pub extra: Vec<(String, String)>,
}

impl Default for AssemblyAiConfig {
    fn default() -> Self {
        Self {
            base_url: "https://streaming.assemblyai.com".to_owned(),
            key: Secret::default(),
            model: ENGLISH.to_owned(),
            format_turns: true,
            end_of_turn_confidence_threshold: None,
            min_turn_silence_ms: None,
            max_turn_silence_ms: None,
            catch_up: 2.0,
            keyterms: Vec::new(),
            extra: Vec::new(),
        }
    }
}

/// The recogniser.
///
/// Of one turn it tells interims that hold all its words so far, an eager end when a pause makes it likely, and all words
/// once more with the end of the turn.
#[derive(Clone, Debug)]
pub struct AssemblyAi(Arc<Service>);

/// What all streams share.
#[derive(Debug)]
struct Service {
    config: AssemblyAiConfig,
    streaming: Url,
    authorization: Option<HeaderValue>,
    dialer: Dialer,
}

impl AssemblyAi {
    /// A recogniser; the error says which setting is wrong. Nothing is connected yet.
    pub fn new(config: AssemblyAiConfig) -> Result<Self, ProviderError> {
        let base = http::as_websocket(VENDOR.base(&config.base_url)?);
        let authorization = match config.key.is_empty() {
            true => None,
            false => Some(VENDOR.key_header("", &config.key)?),
        };
        let dialer = Dialer::new(VENDOR, &base)?;
        Ok(Self(Arc::new(Service { streaming: http::endpoint(&base, "v3/ws"), config, authorization, dialer })))
    }
}

impl Stt for AssemblyAi {
    fn open(&self, spec: SttSpec) -> SttStream {
        listening::open(Streaming::new(Arc::clone(&self.0), &spec), &spec)
    }

    fn final_wait(&self) -> Duration {
        usual_final_wait(VENDOR.name)
    }
}

impl Service {
    /// The address of a stream, its whole configuration in the query. Lists are JSON there.
    fn address(&self, spec: &SttSpec) -> Url {
        let config = &self.config;
        let mut model = spec.model.as_deref().unwrap_or(&config.model);
        let is_english = spec.language.split(['-', '_']).next().is_some_and(|word| word.eq_ignore_ascii_case("en"));
        if model == ENGLISH && !is_english {
            model = MULTILINGUAL;
        }
        let encoding = if Coding::of(spec.rate) == Coding::Mulaw { "pcm_mulaw" } else { "pcm_s16le" };
        let mut url = self.streaming.clone();
        let mut query = url.query_pairs_mut();
        query
            .append_pair("speech_model", model)
            .append_pair("encoding", encoding)
            .append_pair("sample_rate", &spec.rate.hz().to_string())
            .append_pair("format_turns", if config.format_turns { "true" } else { "false" });
        if let Some(threshold) = config.end_of_turn_confidence_threshold {
            query.append_pair("end_of_turn_confidence_threshold", &threshold.to_string());
        }
        for (name, silence) in
            [("min_turn_silence", config.min_turn_silence_ms), ("max_turn_silence", config.max_turn_silence_ms)]
        {
            if let Some(silence) = silence {
                query.append_pair(name, &silence.to_string());
            }
        }
        if !config.keyterms.is_empty() {
            query.append_pair("keyterms_prompt", &serde_json::json!(config.keyterms).to_string());
        }
        query.extend_pairs(config.extra.iter().map(|(name, value)| (name, value)));
        drop(query);
        url
    }
}

const ENGLISH: &str = "universal-streaming-english";
const MULTILINGUAL: &str = "universal-streaming-multilingual";
