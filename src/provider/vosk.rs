//! vosk-server: recognition on a machine of one's own, over its WebSocket.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, ready};
use reqwest::header::HeaderValue;
use serde::Deserialize;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;
use url::Url;

use crate::audio::SampleRate;
use crate::conversation::{Failure, TranscriptKind};

use super::http::{self, Vendor};
use super::listening::{self, Coding, Dialect, Habits, Heard, Route, Timeline, Unreadable, mean_confidence, words};
use super::websocket::Dialer;
use super::{ProviderError, Secret, Stt, SttSpec, SttStream};

const VENDOR: Vendor = Vendor { name: "vosk", key: "VOSK_API_KEY", base_url: "VOSK_BASE_URL" };

/// How to reach a vosk server. Its model is the server's choice.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VoskConfig {
    /// Where it is: `ws://127.0.0.1:2700`.
    pub base_url: String,
    /// A bearer token for a proxy before it; the server itself asks for none.
    pub key: Secret,
    /// The silence that makes the server's recogniser end an utterance whatever it heard, in milliseconds
    /// (`--endpoint.rule4.min-trailing-silence` of its model). So much is sent when the stream is asked for what it has:
    /// the protocol has no other way to ask that all servers understand.
    pub flush_ms: u32,
}

impl Default for VoskConfig {
    fn default() -> Self {
        Self { base_url: "ws://127.0.0.1:2700".to_owned(), key: Secret::default(), flush_ms: 1_000 }
    }
}

/// The recogniser of a vosk server.
#[derive(Clone, Debug)]
pub struct Vosk(Arc<Service>);

/// What all streams share.
#[derive(Debug)]
struct Service {
    config: VoskConfig,
    url: Url,
    authorization: Option<HeaderValue>,
    dialer: Dialer,
}

impl Vosk {
    /// A recogniser; the error says which setting is wrong. Nothing is connected yet.
    pub fn new(config: VoskConfig) -> Result<Self, ProviderError> {
        let url = http::as_websocket(VENDOR.base(&config.base_url)?);
        let authorization = match config.key.is_empty() {
            true => None,
            false => Some(VENDOR.key_header("Bearer ", &config.key)?),
        };
        let dialer = Dialer::new(VENDOR, &url)?;
        Ok(Self(Arc::new(Service { config, url, authorization, dialer })))
    }
}

impl Stt for Vosk {
    fn open(&self, spec: SttSpec) -> SttStream {
        listening::open(Stream::new(Arc::clone(&self.0), spec.rate), &spec)
    }
}

/// One stream's protocol: every message of sound has one answer, in order, so the answers themselves tell how far the
/// server has come.
struct Stream {
    service: Arc<Service>,
    rate: SampleRate,
    /// Sound sent over this connection, without what was put in to be answered.
    sent: Duration,
    /// Messages that have no answer yet.
    open: VecDeque<Sent>,
    has_partial: bool,
}

/// A message of sound.
#[derive(Clone, Copy, Debug)]
struct Sent {
    /// Where it ends.
    end: Duration,
    /// Whether it is the silence that asks for what there is.
    is_question: bool,
}

impl Stream {
    fn new(service: Arc<Service>, rate: SampleRate) -> Self {
        Self { service, rate, sent: Duration::ZERO, open: VecDeque::new(), has_partial: false }
    }

    fn silence(&self, length: Duration) -> Vec<u8> {
        vec![0; 2 * self.rate.samples_in(length)]
    }

    fn ended(&mut self, utterance: &Answer, text: &str, sent: Sent, timeline: &Timeline) -> Vec<Heard> {
        self.has_partial = false;
        let end = timeline.at(sent.end);
        let mut heard = Vec::new();
        let kind = if sent.is_question { TranscriptKind::Final } else { TranscriptKind::EndOfTurn };
        if sent.is_question || !text.is_empty() {
            let confidence = mean_confidence(utterance.result.iter().map(|word| word.conf));
            heard.push(Heard::Words(words(kind, text, confidence, Some(end))));
        }
        heard.push(Heard::Settled(end));
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
        // Each message costs an answer.
        Habits { least: Duration::from_millis(100), ..Habits::easy(Coding::Pcm16, self.rate) }
    }

    fn route(&mut self) -> BoxFuture<'static, Result<Route, ProviderError>> {
        let headers = self.service.authorization.iter().map(|key| ("authorization", key.clone())).collect();
        ready(Ok(Route { url: self.service.url.clone(), headers })).boxed()
    }

    fn opening(&mut self) -> Option<Message> {
        (self.sent, self.has_partial) = (Duration::ZERO, false);
        self.open.clear();
        Some(Message::text(json!({"config": {"sample_rate": self.rate.hz(), "words": true}}).to_string()))
    }

    fn sound(&mut self, sound: Vec<u8>) -> Message {
        self.sent += self.rate.duration_of(sound.len() / 2);
        self.open.push_back(Sent { end: self.sent, is_question: false });
        Message::Binary(sound.into())
    }

    fn finalize(&mut self, _sent: Duration) -> Option<Message> {
        self.open.push_back(Sent { end: self.sent, is_question: true });
        let length = Duration::from_millis(self.service.config.flush_ms.clamp(100, 5_000).into());
        Some(Message::Binary(self.silence(length).into()))
    }

    fn farewell(&self) -> Option<Message> {
        // Compared letter by letter.
        Some(Message::text(r#"{"eof" : 1}"#))
    }

    fn read(&mut self, text: &str, timeline: &Timeline) -> Result<Vec<Heard>, Unreadable> {
        let answer: Answer = serde_json::from_str(text)?;
        if answer.text.is_none() && answer.partial.is_none() {
            return Err(Unreadable);
        }
        let Some(sent) = self.open.pop_front() else { return Err(Unreadable) };
        let mut heard = match (&answer.text, &answer.partial) {
            (Some(text), _) => self.ended(&answer, text.trim(), sent, timeline),
            (None, Some(partial)) if !partial.trim().is_empty() => {
                self.has_partial = true;
                let end = Some(timeline.at(sent.end));
                vec![Heard::Words(words(TranscriptKind::Interim, partial, mean_confidence([]), end))]
            }
            // Nothing was under way.
            _ if sent.is_question => self.ended(&answer, "", sent, timeline),
            _ => Vec::new(),
        };
        if sent.is_question {
            heard.push(Heard::Answered);
        }
        if self.open.len() > MOST_BEHIND {
            heard.push(Heard::Failed(VENDOR.failure(Failure::Timeout, "recognises more slowly than people speak")));
        }
        Ok(heard)
    }

    fn is_between_turns(&self) -> bool {
        !self.has_partial && self.open.iter().all(|sent| !sent.is_question)
    }
}

/// An answer: an utterance that is over, or what is heard of one.
#[derive(Deserialize, Debug)]
struct Answer {
    text: Option<String>,
    partial: Option<String>,
    #[serde(default)]
    result: Vec<Word>,
}

/// A word of an utterance.
#[derive(Deserialize, Debug)]
struct Word {
    #[serde(default)]
    conf: f32,
}

/// Messages the server may be behind: what is sent again at once after an outage, and some seconds.
const MOST_BEHIND: usize = 300;
