//! Gladia: streaming recognition over its live sessions, asked for with a request and held over a WebSocket.
//!
//! A lost connection is replaced by a new session that is given the sound since the last settled words. Gladia cannot be
//! asked for what it has: it settles words at each short pause by itself.

mod dialect;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderValue;
use url::Url;

use super::http::{self, Vendor};
use super::listening;
use super::stt::usual_final_wait;
use super::websocket::Dialer;
use super::{ProviderError, Secret, Stt, SttSpec, SttStream};
use dialect::Live;

const VENDOR: Vendor = Vendor { name: "gladia", key: "GLADIA_API_KEY", base_url: "GLADIA_BASE_URL" };

/// How to reach Gladia, or a server that speaks its protocol.
#[derive(Clone, PartialEq, Debug)]
pub struct GladiaConfig {
    /// Where sessions are asked for: `https://api.gladia.io`, or a plain `http://` server nearby. A session's own address
    /// comes with it.
    pub base_url: String,
    /// The key; empty for a server that asks for none.
    pub key: Secret,
    /// The model for calls that name none.
    pub model: String,
    /// The pause after which words are settled, in seconds, 0.01 to 10.
    pub endpointing: f32,
    /// After how long words are settled without a pause, in seconds, 5 to 60.
    pub longest_utterance: f32,
    /// Words to be expected: names, products.
    pub keyterms: Vec<String>,
}

impl Default for GladiaConfig {
    fn default() -> Self {
        Self {
            base_url: "https://api.gladia.io".to_owned(),
            key: Secret::default(),
            model: "solaria-1".to_owned(),
            endpointing: 0.05,
            longest_utterance: 5.0,
            keyterms: Vec::new(),
        }
    }
}

/// The recogniser.
///
/// It tells finals that follow one another, between them interims that hold only the words after the last final, and no
/// ends of turns.
#[derive(Clone, Debug)]
pub struct Gladia(Arc<Service>);

/// What all streams share.
#[derive(Debug)]
struct Service {
    config: GladiaConfig,
    live: Url,
    key: Option<HeaderValue>,
    client: reqwest::Client,
    dialer: Dialer,
}

impl Gladia {
    /// A recogniser; the error says which setting is wrong. Nothing is connected yet.
    pub fn new(config: GladiaConfig) -> Result<Self, ProviderError> {
        let base = http::as_http(VENDOR.base(&config.base_url)?);
        let key = match config.key.is_empty() {
            true => None,
            false => Some(VENDOR.key_header("", &config.key)?),
        };
        let (client, dialer) = (http::client(&VENDOR, &base)?, Dialer::new(VENDOR, &base)?);
        Ok(Self(Arc::new(Service { live: http::endpoint(&base, "v2/live"), config, key, client, dialer })))
    }
}

impl Stt for Gladia {
    fn open(&self, spec: SttSpec) -> SttStream {
        listening::open(Live::new(Arc::clone(&self.0), &spec), &spec)
    }

    fn final_wait(&self) -> Duration {
        usual_final_wait(VENDOR.name)
    }
}
