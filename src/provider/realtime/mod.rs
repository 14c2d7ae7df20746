//! OpenAI Realtime: one model that hears, thinks and speaks, over one WebSocket a call.
//!
//! The call sees three services as always: [`RealtimeCall`] has an end for each. Sound goes up as it comes; what the call's
//! own turn-taking takes for the end of an utterance is committed and comes back as words; an answer comes as words and
//! sound side by side, the words to the end that thinks, the sound to the end that speaks as soon as it is given those
//! words. Text the model did not say (a greeting, an apology) is read aloud by it beside the conversation. Before each
//! answer the server's conversation is brought in line with what the caller has really heard.
//!
//! µ-law both ways on telephone lines, 24 kHz PCM on others. Sources: OpenAI's Realtime API, generally available form.

mod answers;
mod ends;
mod hearing;
mod mirror;
mod session;
mod wire;

use std::sync::Arc;

use reqwest::header::HeaderValue;
use url::Url;

use super::http::{self, Vendor};
use super::websocket::Dialer;
use super::{Llm, ProviderError, Secret, Stt, Tts};

const VENDOR: Vendor = Vendor { name: "openai realtime", key: "OPENAI_API_KEY", base_url: "OPENAI_BASE_URL" };

/// How to reach the model.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenAiRealtimeConfig {
    /// Where it is: `https://api.openai.com/v1`, or a server that speaks the protocol.
    pub base_url: String,
    /// The key; empty for a server that asks for none.
    pub key: Secret,
    /// The model.
    pub model: String,
    /// The voice of calls that name none.
    pub voice: String,
    /// The model that writes down what the caller says.
    pub transcription: String,
}

impl Default for OpenAiRealtimeConfig {
    fn default() -> Self {
        Self {
            base_url: "https://api.openai.com/v1".to_owned(),
            key: Secret::default(),
            model: "gpt-realtime".to_owned(),
            voice: "marin".to_owned(),
            transcription: "gpt-4o-mini-transcribe".to_owned(),
        }
    }
}

/// The model. Each call opens a [`RealtimeCall`].
#[derive(Clone, Debug)]
pub struct OpenAiRealtime(Arc<Service>);

/// What all calls share.
#[derive(Debug)]
struct Service {
    config: OpenAiRealtimeConfig,
    address: Url,
    authorization: Option<HeaderValue>,
    dialer: Dialer,
}

/// The three ends of one call's session, which lasts as long as any of them or of their streams.
#[derive(Clone, Debug)]
pub struct RealtimeCall {
    /// Hears.
    pub stt: Arc<dyn Stt>,
    /// Thinks.
    pub llm: Arc<dyn Llm>,
    /// Speaks.
    pub tts: Arc<dyn Tts>,
}

impl OpenAiRealtime {
    /// The model behind an address; the error says which setting is wrong. Nothing is connected yet.
    pub fn new(config: OpenAiRealtimeConfig) -> Result<Self, ProviderError> {
        let base = http::as_websocket(VENDOR.base(&config.base_url)?);
        let authorization = match config.key.is_empty() {
            true => None,
            false => Some(VENDOR.key_header("Bearer ", &config.key)?),
        };
        let dialer = Dialer::new(VENDOR, &base)?;
        let mut address = http::endpoint(&base, "v1/realtime");
        address.query_pairs_mut().append_pair("model", &config.model);
        Ok(Self(Arc::new(Service { config, address, authorization, dialer })))
    }

    /// The ends of a new call. It connects when the first of them is used.
    pub fn call(&self) -> RealtimeCall {
        let end = Arc::new(ends::End::new(Arc::clone(&self.0)));
        RealtimeCall { stt: end.clone(), llm: end.clone(), tts: end }
    }
}
