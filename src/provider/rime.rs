//! Rime: streaming speech over its `ws3` WebSocket, one connection a reply.
//!
//! Its `clear` leaves what is being spoken alone, so a reply is cancelled by closing the connection.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::conversation::Failure;

use super::cartesia::WordTimestamps;
use super::http::{self, Vendor};
use super::voice::{Dialect, Door, Format, Heard, Meaning, Spoken, open_stream};
use super::websocket::{Dialer, Received};
use super::{ProviderError, Secret, Tts, TtsSpec, TtsStream};

const VENDOR: Vendor = Vendor { name: "rime", key: "RIME_API_KEY", base_url: "RIME_BASE_URL" };

/// How to reach Rime, or a server that speaks its protocol.
#[derive(Clone, PartialEq, Debug)]
pub struct RimeConfig {
    /// Where it is: `wss://users-ws.rime.ai`, or a plain `ws://` server nearby.
    pub base_url: String,
    /// The key; empty for a server that asks for none.
    pub key: Secret,
    /// The model.
    pub model: String,
    /// The speaker for calls that name none.
    pub voice: String,
    /// How long the first sound may take once there is text, and any further sound once the text is complete.
    pub patience: Duration,
    /// More parameters of the query, as Rime names them.
    pub extra: Vec<(String, String)>,
}

impl Default for RimeConfig {
    fn default() -> Self {
        Self {
            base_url: "wss://users-ws.rime.ai".to_owned(),
            key: Secret::default(),
            model: "mistv3".to_owned(),
            voice: "astra".to_owned(),
            patience: Duration::from_secs(10),
            extra: Vec::new(),
        }
    }
}

/// The voice. It tells when each word is spoken, for the languages the vendor does so.
#[derive(Clone, Debug)]
pub struct Rime(Arc<Service>);

#[derive(Debug)]
struct Service {
    config: RimeConfig,
    url: Url,
    door: Arc<Door>,
}

impl Rime {
    /// A voice; the error says which setting is wrong. Nothing is connected yet.
    pub fn new(config: RimeConfig) -> Result<Self, ProviderError> {
        let base = http::as_websocket(VENDOR.base(&config.base_url)?);
        let key = match config.key.is_empty() {
            true => None,
            false => Some(VENDOR.key_header("Bearer ", &config.key)?),
        };
        let door = Door {
            vendor: VENDOR,
            key: config.key.clone(),
            headers: key.into_iter().map(|key| ("authorization", key)).collect(),
            farewell: None,
            dialer: Dialer::new(VENDOR, &base)?,
            pool: None,
            patience: config.patience,
        };
        let url = http::endpoint(&base, "ws3");
        Ok(Self(Arc::new(Service { config, url, door: Arc::new(door) })))
    }
}

impl Tts for Rime {
    fn speeds(&self, _spec: &TtsSpec) -> RangeInclusive<f32> {
        1.0..=1.0
    }

    fn voice_name(&self, spec: &TtsSpec) -> Option<String> {
        let config = &self.0.config;
        Some(format!("rime {} {}", config.model, spec.voice.as_ref().unwrap_or(&config.voice)))
    }

    fn open(&self, spec: TtsSpec) -> TtsStream {
        let service = &self.0;
        let format = Format::nearest(spec.rate);
        let mut url = service.url.clone();
        let mut query = url.query_pairs_mut();
        query
            .append_pair("speaker", spec.voice.as_deref().unwrap_or(&service.config.voice))
            .append_pair("modelId", &service.config.model)
            .append_pair("audioFormat", if format == Format::Ulaw { "mulaw" } else { "pcm" })
            .append_pair("samplingRate", &format.rate().hz().to_string())
            // Text comes in segments that are to be spoken at once; the vendor need not look for sentences.
            .append_pair("segment", "never");
        if let Some(language) = language(&spec.language) {
            query.append_pair("lang", language);
        }
        query.extend_pairs(&service.config.extra);
        drop(query);
        open_stream(Arc::clone(&service.door), url, Reply { format, ended: false })
    }
}

/// Rime's three letters for a language; `None`: the speaker's own.
fn language(tag: &str) -> Option<&'static str> {
    const NAMES: [(&str, &str); 10] = [
        ("en", "eng"),
        ("es", "spa"),
        ("fr", "fra"),
        ("de", "ger"),
        ("pt", "por"),
        ("it", "ita"),
        ("hi", "hin"),
        ("ja", "jpn"),
        ("ar", "ara"),
        ("he", "heb"),
    ];
    let primary = tag.split('-').next().unwrap_or_default();
    NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(primary)).map(|(_, letters)| *letters)
}

/// The messages of one reply.
#[derive(Debug)]
struct Reply {
    format: Format,
    /// Whether the text is complete: then a proper close says that all has been delivered.
    ended: bool,
}

impl Dialect for Reply {
    fn format(&self) -> Format {
        self.format
    }

    fn begin(&mut self) -> Option<String> {
        None
    }

    fn text(&mut self, text: &str) -> Vec<String> {
        vec![json!({"text": text}).to_string(), json!({"operation": "flush"}).to_string()]
    }

    fn end(&mut self) -> Vec<String> {
        self.ended = true;
        vec![json!({"operation": "eos"}).to_string()]
    }

    fn read(&mut self, received: Received, heard: &mut Heard) -> Result<Meaning, ProviderError> {
        let text = match received {
            Received::Text(text) => text,
            Received::Binary(_) | Received::Life => return Ok(Meaning::Nothing),
            // Flushes that overlap have one `done` between them, so only the close says that nothing more comes.
            Received::Closed { code: Some(1000 | 1005), .. } if self.ended => {
                heard.done = true;
                return Ok(Meaning::Ours);
            }
            Received::Closed { code, .. } => {
                let kind = if code == Some(1008) { Failure::BadRequest } else { Failure::Unavailable };
                let code = code.map_or_else(|| "lost".to_owned(), |code| code.to_string());
                return Err(VENDOR.failure(kind, &format!("the connection was closed before the end ({code})")));
            }
        };
        let Ok(message) = serde_json::from_str::<Message>(&text) else { return Ok(Meaning::Garbage) };
        match message.kind.as_str() {
            "chunk" => match base64_simd::STANDARD.decode_to_vec(message.data.unwrap_or_default()) {
                Ok(bytes) => heard.audio = bytes,
                Err(_) => return Ok(Meaning::Garbage),
            },
            "timestamps" => heard.spoken = message.word_timestamps.map(|times| Spoken::Clip(times.words())),
            "error" => {
                // The vendor has sentences and no codes: they may tell the kind, and are not repeated.
                let sentence = message.message.as_ref().and_then(Value::as_str).unwrap_or_default();
                let kind = http::failure_named(&[sentence.replace([' ', '-'], "_")]).unwrap_or(Failure::BadRequest);
                return Err(VENDOR.failure(kind, "refused or failed"));
            }
            _ => {}
        }
        Ok(Meaning::Ours)
    }
}

/// A message of the server.
#[derive(Deserialize, Default, Debug)]
#[serde(default)]
struct Message {
    #[serde(rename = "type")]
    kind: String,
    /// Base64.
    data: Option<String>,
    word_timestamps: Option<WordTimestamps>,
    message: Option<Value>,
}
