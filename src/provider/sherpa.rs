//! sherpa-onnx: recognition on a machine of one's own, over the WebSocket of its streaming server.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, ready};
use reqwest::header::HeaderValue;
use serde::Deserialize;
use tokio_tungstenite::tungstenite::Message;
use url::Url;

use crate::audio::SampleRate;
use crate::conversation::{Failure, TranscriptKind};

use super::http::{self, Vendor};
use super::listening::{self, Coding, Dialect, Habits, Heard, Route, Timeline, UNTOLD_CONFIDENCE, Unreadable, words};
use super::websocket::Dialer;
use super::{ProviderError, Secret, Stt, SttSpec, SttStream};

const VENDOR: Vendor = Vendor { name: "sherpa-onnx", key: "SHERPA_API_KEY", base_url: "SHERPA_BASE_URL" };

/// How to reach the streaming server of sherpa-onnx. Its model, and the language, are the server's choice.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SherpaConfig {
    /// Where it is: `ws://127.0.0.1:6006`.
    pub base_url: String,
    /// A bearer token for a proxy before it; the server itself asks for none.
    pub key: Secret,
    /// Samples per second of its model: the protocol does not tell.
    pub sample_rate: u32,
    /// The silence after which the server ends a segment that holds words, in milliseconds
    /// (`--rule2-min-trailing-silence`). So much is sent when the stream is asked for what it has: the protocol has no
    /// other way to ask.
    pub flush_ms: u32,
}

impl Default for SherpaConfig {
    fn default() -> Self {
        Self {
            base_url: "ws://127.0.0.1:6006".to_owned(),
            key: Secret::default(),
            sample_rate: 16_000,
            flush_ms: 1_200,
        }
    }
}

/// The recogniser of a sherpa-onnx streaming server.
#[derive(Clone, Debug)]
pub struct Sherpa(Arc<Service>);

/// What all streams share.
#[derive(Debug)]
struct Service {
    config: SherpaConfig,
    rate: SampleRate,
    url: Url,
    authorization: Option<HeaderValue>,
    dialer: Dialer,
}

impl Sherpa {
    /// A recogniser; the error says which setting is wrong. Nothing is connected yet.
    pub fn new(config: SherpaConfig) -> Result<Self, ProviderError> {
        let url = http::as_websocket(VENDOR.base(&config.base_url)?);
        let rate = SampleRate::new(config.sample_rate).ok_or_else(|| {
            let what = format!("{}: there is no model of {} samples per second", VENDOR.name, config.sample_rate);
            ProviderError::new(Failure::BadRequest, what)
        })?;
        let authorization = match config.key.is_empty() {
            true => None,
            false => Some(VENDOR.key_header("Bearer ", &config.key)?),
        };
        let dialer = Dialer::new(VENDOR, &url)?;
        Ok(Self(Arc::new(Service { config, rate, url, authorization, dialer })))
    }
}

impl Stt for Sherpa {
    fn open(&self, spec: SttSpec) -> SttStream {
        listening::open(Stream { service: Arc::clone(&self.0), asked: None, has_words: false }, &spec)
    }
}

/// One stream's protocol.
struct Stream {
    service: Arc<Service>,
    /// How much sound had been sent when it was asked for what it has.
    asked: Option<Duration>,
    /// The segment under way holds words.
    has_words: bool,
}

impl Stream {
    fn ended(&mut self, text: &str, timeline: &Timeline) -> Vec<Heard> {
        self.has_words = false;
        // Nothing comes back of silence: a question of long ago had no answer.
        let asked = self.asked.take().filter(|&asked| timeline.sent().saturating_sub(asked) <= ANSWER_WITHIN);
        // A segment of its own accord ends well after the words in it, and is told somewhat later.
        let end = timeline.at(asked.unwrap_or_else(|| timeline.sent().saturating_sub(LAG)));
        let kind = if asked.is_some() { TranscriptKind::Final } else { TranscriptKind::EndOfTurn };
        let mut heard = Vec::new();
        if asked.is_some() || !text.is_empty() {
            heard.push(Heard::Words(words(kind, text, UNTOLD_CONFIDENCE, Some(end))));
        }
        heard.push(Heard::Settled(end));
        heard.extend(asked.is_some().then_some(Heard::Answered));
        heard
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
        Habits { least: Duration::from_millis(60), ..Habits::easy(Coding::Float32, self.service.rate) }
    }

    fn route(&mut self) -> BoxFuture<'static, Result<Route, ProviderError>> {
        let headers = self.service.authorization.iter().map(|key| ("authorization", key.clone())).collect();
        ready(Ok(Route { url: self.service.url.clone(), headers })).boxed()
    }

    fn opening(&mut self) -> Option<Message> {
        (self.asked, self.has_words) = (None, false);
        None
    }

    fn finalize(&mut self, sent: Duration) -> Option<Message> {
        self.asked = Some(sent);
        let length = Duration::from_millis(self.service.config.flush_ms.clamp(100, 5_000).into()) + MARGIN;
        Some(Message::Binary(vec![0; 4 * self.service.rate.samples_in(length)].into()))
    }

    fn farewell(&self) -> Option<Message> {
        Some(Message::text("Done"))
    }

    fn read(&mut self, text: &str, timeline: &Timeline) -> Result<Vec<Heard>, Unreadable> {
        if text == "Done!" {
            return Ok(Vec::new());
        }
        let segment: Segment = serde_json::from_str(text)?;
        let text = in_small_letters(segment.text.trim());
        if segment.is_final {
            return Ok(self.ended(&text, timeline));
        }
        self.has_words = !text.is_empty();
        let told = self.has_words.then(|| words(TranscriptKind::Interim, &text, UNTOLD_CONFIDENCE, None));
        Ok(told.map(Heard::Words).into_iter().collect())
    }

    fn is_between_turns(&self) -> bool {
        !self.has_words
    }
}

/// What is heard of a segment: all of it, each time.
#[derive(Deserialize, Debug)]
struct Segment {
    text: String,
    #[serde(default)]
    is_final: bool,
}

/// Many models know capital letters only, which read like shouting to whoever answers.
fn in_small_letters(text: &str) -> String {
    if text.chars().any(char::is_lowercase) { text.to_owned() } else { text.to_lowercase() }
}

/// How far a segment's end is behind the sound when it is told.
const LAG: Duration = Duration::from_millis(500);
/// How much more sound may be sent before the answer to a question comes.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// What is sent beyond the server's own figure.
const MARGIN: Duration = Duration::from_millis(100);
