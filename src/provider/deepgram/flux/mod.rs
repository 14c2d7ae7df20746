//! Deepgram Flux: recognition that knows turns, over `/v2/listen`.

mod dialect;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderValue;
use url::Url;

use crate::provider::http;
use crate::provider::listening::{self, Coding};
use crate::provider::websocket::Dialer;
use crate::provider::{ProviderError, Secret, Stt, SttSpec, SttStream};

use super::VENDOR;
use dialect::Turns;

/// How to reach Deepgram Flux, or a server that speaks its protocol. Ranges are those of Deepgram's documents.
#[derive(Clone, PartialEq, Debug)]
pub struct FluxConfig {
    /// Where it is: `https://api.deepgram.com`, `wss://…`, or a plain `ws://` server nearby.
    pub base_url: String,
    /// The key; empty for a server that asks for none.
    pub key: Secret,
    /// The model for calls that name none. A call in another language than English gets `flux-general-multi` in place of
    /// `flux-general-en`.
    pub model: String,
    /// How sure Flux must be that a turn is over, 0.5 to 0.9.
    pub eot_threshold: f32,
    /// How sure it must be to say that a turn may be over, 0.3 to 0.9 and no more than `eot_threshold`; `None`: it never
    /// says so.
    pub eager_eot_threshold: Option<f32>,
    /// The silence after which a turn is over however unsure Flux is, in milliseconds, 500 to 10 000.
    pub eot_timeout_ms: u32,
    /// Words to be expected: names, products.
    pub keyterms: Vec<String>,
    /// More parameters of the query, as Deepgram names them.
    pub extra: Vec<(String, String)>,
}

impl Default for FluxConfig {
    fn default() -> Self {
        Self {
            base_url: "https://api.deepgram.com".to_owned(),
            key: Secret::default(),
            model: ENGLISH.to_owned(),
            eot_threshold: 0.7,
            eager_eot_threshold: Some(0.5),
            eot_timeout_ms: 5_000,
            keyterms: Vec::new(),
            extra: Vec::new(),
        }
    }
}

/// The recogniser.
///
/// Of one turn it tells interims that hold all its words so far, may say that the turn may be over and that it goes on
/// after all, and tells all words once more with the end of the turn.
#[derive(Clone, Debug)]
pub struct Flux(Arc<Service>);

/// What all streams share.
#[derive(Debug)]
struct Service {
    config: FluxConfig,
    listen: Url,
    authorization: Option<HeaderValue>,
    dialer: Dialer,
}

impl Flux {
    /// A recogniser; the error says which setting is wrong. Nothing is connected yet.
    pub fn new(config: FluxConfig) -> Result<Self, ProviderError> {
        let base = http::as_websocket(VENDOR.base(&config.base_url)?);
        let authorization = match config.key.is_empty() {
            true => None,
            false => Some(VENDOR.key_header("Token ", &config.key)?),
        };
        let dialer = Dialer::new(VENDOR, &base)?;
        Ok(Self(Arc::new(Service { listen: http::endpoint(&base, "v2/listen"), config, authorization, dialer })))
    }
}

impl Stt for Flux {
    fn open(&self, spec: SttSpec) -> SttStream {
        listening::open(Turns::new(Arc::clone(&self.0), &spec), &spec)
    }

    /// Nobody has measured it: the words are looked at each 250 ms of sound, and the end of a turn is said within 260 ms
    /// (Deepgram's figure).
    fn final_wait(&self) -> Duration {
        Duration::from_millis(500)
    }
}

impl Service {
    /// The address of a stream, its whole configuration in the query.
    fn address(&self, spec: &SttSpec) -> Url {
        let config = &self.config;
        let mut model = spec.model.as_deref().unwrap_or(&config.model);
        let language = spec.language.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
        if model == ENGLISH && language != "en" {
            model = MULTILINGUAL;
        }
        let encoding = if Coding::of(spec.rate) == Coding::Mulaw { "mulaw" } else { "linear16" };
        let mut url = self.listen.clone();
        let mut query = url.query_pairs_mut();
        query
            .append_pair("model", model)
            .append_pair("encoding", encoding)
            .append_pair("sample_rate", &spec.rate.hz().to_string())
            .append_pair("eot_threshold", &config.eot_threshold.to_string())
            .append_pair("eot_timeout_ms", &config.eot_timeout_ms.to_string());
        if let Some(threshold) = config.eager_eot_threshold {
            query.append_pair("eager_eot_threshold", &threshold.min(config.eot_threshold).to_string());
        }
        if model == MULTILINGUAL && language != "multi" && !language.is_empty() {
            query.append_pair("language_hint", &language);
        }
        query.extend_pairs(config.keyterms.iter().map(|term| ("keyterm", term)));
        query.extend_pairs(config.extra.iter().map(|(name, value)| (name, value)));
        drop(query);
        url
    }
}

const ENGLISH: &str = "flux-general-en";
const MULTILINGUAL: &str = "flux-general-multi";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::SampleRate;
    use std::collections::HashMap;

    fn query(config: FluxConfig, language: &str, rate: SampleRate) -> HashMap<String, String> {
        let spec = SttSpec { language: language.to_owned(), rate, model: None };
        Flux::new(config).unwrap().0.address(&spec).query_pairs().into_owned().collect()
    }

    #[test]
    fn the_language_chooses_the_model_and_is_its_hint() {
        let english = query(FluxConfig::default(), "en-US", SampleRate::HZ_8000);
        assert_eq!((english["model"].as_str(), english.get("language_hint")), (ENGLISH, None));
        assert_eq!((english["encoding"].as_str(), english["eager_eot_threshold"].as_str()), ("mulaw", "0.5"));
        let german = query(FluxConfig::default(), "de-DE", SampleRate::HZ_16000);
        assert_eq!((german["model"].as_str(), german["language_hint"].as_str()), (MULTILINGUAL, "de"));
        assert_eq!((german["encoding"].as_str(), german["sample_rate"].as_str()), ("linear16", "16000"));
        let any = query(FluxConfig::default(), "multi", SampleRate::HZ_8000);
        assert_eq!((any["model"].as_str(), any.get("language_hint")), (MULTILINGUAL, None));
    }

    #[test]
    fn an_eager_end_is_never_surer_than_the_end() {
        let config = FluxConfig { eot_threshold: 0.6, eager_eot_threshold: Some(0.8), ..Default::default() };
        assert_eq!(query(config, "en", SampleRate::HZ_8000)["eager_eot_threshold"], "0.6");
        let config = FluxConfig { eager_eot_threshold: None, ..Default::default() };
        assert_eq!(query(config, "en", SampleRate::HZ_8000).get("eager_eot_threshold"), None);
    }
}
