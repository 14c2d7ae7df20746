//! One answer of a language model over HTTP: a request out, server-sent events in.

use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{RequestBuilder, Response};
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, timeout, timeout_at};
use url::Url;

use crate::conversation::{Failure, GenerationEnd};

use super::http::{self, Refused, Vendor};
use super::meter::Meter;
use super::sse::SseDecoder;
use super::warmth::Warmth;
use super::{LlmEvent, LlmRequest, ProviderError, Secret};

/// How long the count of tokens may come after the last word.
const USAGE_WAIT: Duration = Duration::from_secs(1);
/// The longest answer of a server that does not stream.
const WHOLE_ANSWER: usize = SseDecoder::EVENT;

/// What a vendor's events mean.
pub(super) trait Reader: Send {
    /// Takes the data of one event and appends what it means to `news`. An error in it does not repeat `key`.
    fn take(&mut self, data: &str, key: &Secret, news: &mut Vec<LlmEvent>) -> Result<(), ProviderError>;

    /// Whether the first word or tool has come.
    fn begun(&self) -> bool;

    /// Whether everything has been said and only the count of tokens may follow.
    fn ended(&self) -> bool;

    /// Whether the stream has said that nothing follows.
    fn done(&self) -> bool;

    /// How the answer ended, when its stream did. A stream that broke off before the end has failed.
    fn close(self, news: &mut Vec<LlmEvent>) -> Result<GenerationEnd, ProviderError>;
}

/// How patient one is with an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// How long the first word may take, connecting included.
    pub first_token: Duration,
    /// How long the stream may pause after that.
    pub idle: Duration,
    /// How long the whole answer may take.
    pub total: Duration,
}

/// A language model's server.
#[derive(Debug)]
pub(super) struct Host {
    /// Whose it is.
    pub vendor: &'static Vendor,
    /// Where answers are asked for.
    pub url: Url,
    /// The key, which no error may repeat.
    pub key: Secret,
    patience: Patience,
    client: reqwest::Client,
    warmth: Warmth,
}

impl Host {
    /// The server at `url`; the error says why it cannot be one. Nothing is connected yet.
    pub(super) fn new(
        vendor: &'static Vendor,
        url: Url,
        key: Secret,
        patience: Patience,
    ) -> Result<Self, ProviderError> {
        let client = http::client(vendor, &url)?;
        Ok(Self { vendor, url, key, patience, client, warmth: Warmth::default() })
    }

    /// A request to be filled in.
    pub(super) fn post(&self) -> RequestBuilder {
        self.client.post(self.url.clone()).header(ACCEPT, "text/event-stream")
    }

    /// Opens a connection for the next request.
    pub(super) fn warm(&self) {
        self.warmth.open(&self.client, &self.url);
    }
}

/// One request and its answer.
#[derive(Debug)]
pub(super) struct Exchange<'a> {
    host: &'a Host,
    events: &'a Sender<LlmEvent>,
    meter: &'a Meter,
    /// When the first word is due.
    first_token: Instant,
}

impl<'a> Exchange<'a> {
    /// An exchange that begins; its answer goes to `events`, its cost to `meter`.
    pub(super) fn new(host: &'a Host, events: &'a Sender<LlmEvent>, meter: &'a Meter) -> Self {
        Self { host, events, meter, first_token: Instant::now() + host.patience.first_token }
    }

    /// Waits for the `answer`, which this exchange is used to get, and tells how it ended.
    pub(super) async fn conclude(&self, answer: impl Future<Output = Result<GenerationEnd, ProviderError>>) {
        let slow = || Err(self.host.vendor.failure(Failure::Timeout, "the answer took too long as a whole"));
        let last = match timeout(self.host.patience.total, answer).await.unwrap_or_else(|_| slow()) {
            Ok(end) => LlmEvent::Ended { end, usage: Some(self.meter.usage()) },
            Err(error) => LlmEvent::Failed(error),
        };
        // Fails only when nobody listens.
        let _ = self.events.send(last).await;
    }

    /// What is written is counted here.
    pub(super) const fn meter(&self) -> &'a Meter {
        self.meter
    }

    /// Sends the request; the inner error is a refusal that a request in other words may avoid.
    pub(super) async fn send(
        &self,
        asked: &LlmRequest,
        request: RequestBuilder,
    ) -> Result<Result<Response, Refused>, ProviderError> {
        self.meter.ask(asked);
        let response = match timeout_at(self.first_token, request.send()).await {
            Err(_) => return Err(self.host.vendor.failure(Failure::Timeout, "no answer in time")),
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                self.meter.refused();
                return Err(self.host.vendor.transport(&error));
            }
        };
        if response.status().is_success() {
            return Ok(Ok(response));
        }
        self.meter.refused();
        Ok(Err(http::refused(self.host.vendor, response, &self.host.key).await))
    }

    /// Reads the answer to its end.
    pub(super) async fn read(&self, response: Response, reader: impl Reader) -> Result<GenerationEnd, ProviderError> {
        let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if kind.starts_with("application/json") {
            let slow = |_| self.host.vendor.failure(Failure::Timeout, "no answer in time");
            return timeout_at(self.first_token, self.read_whole(response, reader)).await.map_err(slow)?;
        }
        self.read_stream(response, reader).await
    }

    async fn read_stream(
        &self,
        mut response: Response,
        mut reader: impl Reader,
    ) -> Result<GenerationEnd, ProviderError> {
        let mut decoder = SseDecoder::default();
        let mut data = Vec::new();
        let mut news = Vec::new();
        while !reader.done() {
            let (deadline, what) = if reader.ended() {
                (Instant::now() + USAGE_WAIT, "")
            } else if reader.begun() {
                (Instant::now() + self.host.patience.idle, "the answer stalled")
            } else {
                (self.first_token, "the first word took too long")
            };
            let bytes = match timeout_at(deadline, response.chunk()).await {
                Ok(Ok(Some(bytes))) => bytes,
                Ok(Ok(None)) => break,
                // Everything was said: whatever happens to the connection is of no interest.
                Ok(Err(_)) | Err(_) if reader.ended() => break,
                Ok(Err(error)) => return Err(self.host.vendor.transport(&error)),
                Err(_) => return Err(self.host.vendor.failure(Failure::Timeout, what)),
            };
            let too_long = |error| self.host.vendor.failure(Failure::Protocol, &format!("the stream holds {error}"));
            decoder.push(&bytes, &mut data).map_err(too_long)?;
            for event in data.drain(..) {
                reader.take(&event, &self.host.key, &mut news)?;
                self.tell(&mut news).await;
            }
        }
        if let Some(event) = decoder.finish() {
            reader.take(&event, &self.host.key, &mut news)?;
        }
        let is_done = reader.done();
        let ended = reader.close(&mut news);
        self.tell(&mut news).await;
        if is_done {
            self.host.warmth.give_back(response);
        }
        ended
    }

    /// Reads an answer that comes in one piece, although a stream was asked for.
    async fn read_whole(
        &self,
        mut response: Response,
        mut reader: impl Reader,
    ) -> Result<GenerationEnd, ProviderError> {
        let mut body = Vec::new();
        while let Some(bytes) = response.chunk().await.map_err(|error| self.host.vendor.transport(&error))? {
            if body.len() + bytes.len() > WHOLE_ANSWER {
                return Err(self.host.vendor.failure(Failure::Protocol, "the answer is too long"));
            }
            body.extend_from_slice(&bytes);
        }
        let mut news = Vec::new();
        reader.take(&String::from_utf8_lossy(&body), &self.host.key, &mut news)?;
        let ended = reader.close(&mut news);
        self.tell(&mut news).await;
        ended
    }

    /// Waits where the listener is slow, and so holds the server back. When nobody listens the task is about to be aborted.
    async fn tell(&self, news: &mut Vec<LlmEvent>) {
        for event in news.drain(..) {
            let _ = self.events.send(event).await;
        }
    }
}
