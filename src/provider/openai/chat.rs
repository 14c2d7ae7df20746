//! Language models over `POST /chat/completions`, streamed as server-sent events.
//!
//! The stream is read here rather than by `async-openai`: its reader fills an unbounded queue from a task of its own, so
//! a slow reader could not hold the server back and a server could fill our memory, and its event parser has no bound on
//! a line.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Response;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use serde_json::{Map, Value};
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, timeout, timeout_at};
use url::Url;

use crate::conversation::{Failure, GenerationEnd};
use crate::provider::sse::SseDecoder;
use crate::provider::{Llm, LlmEvent, LlmRequest, LlmStream, ProviderError, Secret, Usage, http};

use super::answer::Answer;
use super::wire::{self, Request, StreamOptions};
use super::{CHAT, address, is_openai};

/// How long the count of tokens may come after the last word.
const USAGE_WAIT: Duration = Duration::from_secs(1);
/// The longest answer of a server that does not stream.
const WHOLE_ANSWER: usize = SseDecoder::EVENT;

/// How to reach a language model.
#[derive(Clone, PartialEq, Debug)]
pub struct OpenAiChatConfig {
    /// Where it is: `https://api.openai.com/v1`, `http://127.0.0.1:11434` (Ollama), and so on.
    pub base_url: String,
    /// The key; empty for a server that asks for none.
    pub key: Secret,
    /// The model for calls that name none.
    pub model: String,
    /// How long the first word may take, connecting included.
    pub first_token: Duration,
    /// How long the stream may pause after that.
    pub idle: Duration,
    /// How long the whole answer may take.
    pub total: Duration,
    /// Further fields of the request, `reasoning_effort` or `service_tier` say; they win over ours.
    pub extra: Map<String, Value>,
}

impl Default for OpenAiChatConfig {
    fn default() -> Self {
        Self {
            base_url: "https://api.openai.com/v1".to_owned(),
            key: Secret::default(),
            model: "gpt-4.1-mini".to_owned(),
            first_token: Duration::from_secs(10),
            idle: Duration::from_secs(5),
            total: Duration::from_secs(60),
            extra: Map::new(),
        }
    }
}

/// The language model. Dropping a stream closes its HTTP/2 stream or connection, which stops the model.
#[derive(Clone, Debug)]
pub struct OpenAiChat(Arc<Service>);

#[derive(Debug)]
struct Service {
    config: OpenAiChatConfig,
    url: Url,
    authorization: Option<HeaderValue>,
    client: reqwest::Client,
}

impl OpenAiChat {
    /// A language model; the error says which setting is wrong. Nothing is connected yet.
    pub fn new(config: OpenAiChatConfig) -> Result<Self, ProviderError> {
        let url = address(&CHAT, &config.base_url, "chat/completions")?;
        let authorization = match config.key.is_empty() {
            true => None,
            false => Some(CHAT.key_header("Bearer ", &config.key)?),
        };
        let client = http::client(&CHAT, &url)?;
        Ok(Self(Arc::new(Service { config, url, authorization, client })))
    }
}

impl Llm for OpenAiChat {
    fn open(&self, request: LlmRequest) -> LlmStream {
        let service = Arc::clone(&self.0);
        LlmStream::spawn(move |events| async move {
            let answer = timeout(service.config.total, service.answer(&request, &events)).await;
            let slow = || Err(CHAT.failure(Failure::Timeout, "the answer took too long as a whole"));
            let last = match answer.unwrap_or_else(|_| slow()) {
                Ok((end, usage)) => LlmEvent::Ended { end, usage },
                Err(error) => LlmEvent::Failed(error),
            };
            // Fails only when nobody listens.
            let _ = events.send(last).await;
        })
    }
}

type Ended = (GenerationEnd, Option<Usage>);

impl Service {
    async fn answer(&self, request: &LlmRequest, events: &Sender<LlmEvent>) -> Result<Ended, ProviderError> {
        let first_token = Instant::now() + self.config.first_token;
        let slow = |_| CHAT.failure(Failure::Timeout, "no answer in time");
        let send = self.request(request)?.send();
        let response = timeout_at(first_token, send).await.map_err(slow)?.map_err(|error| CHAT.transport(&error))?;
        if !response.status().is_success() {
            return Err(http::refusal(&CHAT, response, &self.config.key).await);
        }
        let content_type =
            response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if content_type.starts_with("application/json") {
            return timeout_at(first_token, whole(response, &self.config.key, events)).await.map_err(slow)?;
        }
        self.read(response, first_token, events).await
    }

    fn request(&self, request: &LlmRequest) -> Result<reqwest::RequestBuilder, ProviderError> {
        let openai = is_openai(&self.url);
        let tools = wire::tools(request).map_err(|name| {
            let what = format!("the parameters of tool {name} are not a JSON Schema object");
            ProviderError::new(Failure::BadRequest, format!("{}: {what}", CHAT.name))
        })?;
        let body = Request {
            model: request.model.as_deref().unwrap_or(&self.config.model),
            messages: wire::messages(&request.messages),
            stream: true,
            stream_options: StreamOptions { include_usage: true, include_obfuscation: openai.then_some(false) },
            tools,
            // OpenAI has renamed the field; the others know the old name.
            max_tokens: request.max_tokens.filter(|_| !openai),
            max_completion_tokens: request.max_tokens.filter(|_| openai),
            temperature: request.temperature,
        };
        let mut body = serde_json::to_value(&body)
            .map_err(|_| CHAT.failure(Failure::BadRequest, "the request could not be written"))?;
        if let Some(fields) = body.as_object_mut() {
            fields.extend(self.config.extra.clone());
        }
        let mut builder = self.client.post(self.url.clone()).header(ACCEPT, "text/event-stream").json(&body);
        if let Some(authorization) = &self.authorization {
            builder = builder.header(AUTHORIZATION, authorization.clone());
        }
        Ok(builder)
    }

    async fn read(
        &self,
        mut response: Response,
        first_token: Instant,
        events: &Sender<LlmEvent>,
    ) -> Result<Ended, ProviderError> {
        let mut decoder = SseDecoder::default();
        let mut answer = Answer::default();
        let mut data = Vec::new();
        let mut news = Vec::new();
        while !answer.done() {
            let (deadline, what) = if answer.ended() {
                (Instant::now() + USAGE_WAIT, "")
            } else if answer.begun() {
                (Instant::now() + self.config.idle, "the answer stalled")
            } else {
                (first_token, "the first word took too long")
            };
            let bytes = match timeout_at(deadline, response.chunk()).await {
                Ok(Ok(Some(bytes))) => bytes,
                Ok(Ok(None)) => break,
                // Everything was said: whatever happens to the connection is of no interest.
                Ok(Err(_)) | Err(_) if answer.ended() => break,
                Ok(Err(error)) => return Err(CHAT.transport(&error)),
                Err(_) => return Err(CHAT.failure(Failure::Timeout, what)),
            };
            decoder
                .push(&bytes, &mut data)
                .map_err(|error| CHAT.failure(Failure::Protocol, &format!("the stream holds {error}")))?;
            for event in data.drain(..) {
                answer.take(&event, &self.config.key, &mut news)?;
                tell(&mut news, events).await;
            }
        }
        if let Some(event) = decoder.finish() {
            answer.take(&event, &self.config.key, &mut news)?;
        }
        let ended = answer.close(&mut news);
        tell(&mut news, events).await;
        ended
    }
}

/// Reads an answer that comes in one piece, although a stream was asked for.
async fn whole(mut response: Response, key: &Secret, events: &Sender<LlmEvent>) -> Result<Ended, ProviderError> {
    let mut body = Vec::new();
    while let Some(bytes) = response.chunk().await.map_err(|error| CHAT.transport(&error))? {
        if body.len() + bytes.len() > WHOLE_ANSWER {
            return Err(CHAT.failure(Failure::Protocol, "the answer is too long"));
        }
        body.extend_from_slice(&bytes);
    }
    let mut answer = Answer::default();
    let mut news = Vec::new();
    answer.take(&String::from_utf8_lossy(&body), key, &mut news)?;
    let ended = answer.close(&mut news);
    tell(&mut news, events).await;
    ended
}

/// Waits where the listener is slow, and so holds the server back. When nobody listens the task is about to be aborted.
async fn tell(news: &mut Vec<LlmEvent>, events: &Sender<LlmEvent>) {
    for event in news.drain(..) {
        let _ = events.send(event).await;
    }
}
