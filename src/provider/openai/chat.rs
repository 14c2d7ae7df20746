//! Language models over `POST /chat/completions`, streamed as server-sent events.
//!
//! The stream is read here rather than by `async-openai`: its reader fills an unbounded queue from a task of its own, so
//! a slow reader could not hold the server back and a server could fill our memory, and its event parser has no bound on
//! a line.

use std::sync::Arc;
use std::time::Duration;

use reqwest::RequestBuilder;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde_json::{Map, Value};

use crate::conversation::{Failure, GenerationEnd};
use crate::provider::exchange::{Exchange, Host, Patience};
use crate::provider::{Llm, LlmRequest, LlmStream, ProviderError, Secret};

use super::answer::Answer;
use super::dislikes::{Disliked, Dislikes};
use super::wire::{self, Request, StreamOptions};
use super::{CHAT, address, is_openai};

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
    host: Host,
    authorization: Option<HeaderValue>,
    dislikes: Dislikes,
}

impl OpenAiChat {
    /// A language model; the error says which setting is wrong. Nothing is connected yet.
    pub fn new(config: OpenAiChatConfig) -> Result<Self, ProviderError> {
        let url = address(&CHAT, &config.base_url, "chat/completions")?;
        let authorization = match config.key.is_empty() {
            true => None,
            false => Some(CHAT.key_header("Bearer ", &config.key)?),
        };
        let patience = Patience { first_token: config.first_token, idle: config.idle, total: config.total };
        let host = Host::new(&CHAT, url, config.key.clone(), patience)?;
        Ok(Self(Arc::new(Service { config, host, authorization, dislikes: Dislikes::default() })))
    }
}

impl Llm for OpenAiChat {
    fn open(&self, request: LlmRequest) -> LlmStream {
        let service = Arc::clone(&self.0);
        LlmStream::metered(move |events, meter| async move {
            let exchange = Exchange::new(&service.host, &events, &meter);
            exchange.conclude(service.answer(&request, &exchange)).await;
        })
    }

    fn warm(&self) {
        self.0.host.warm();
    }
}

impl Service {
    /// Asks, in other words where the server dislikes a field that can be done without.
    async fn answer(&self, request: &LlmRequest, exchange: &Exchange<'_>) -> Result<GenerationEnd, ProviderError> {
        let model = request.model.as_deref().unwrap_or(&self.config.model);
        let mut disliked = self.dislikes.of(model);
        loop {
            match exchange.send(request, self.request(request, disliked)?).await? {
                Ok(response) => {
                    self.dislikes.note(model, disliked);
                    return exchange.read(response, Answer::new(exchange.meter().clone())).await;
                }
                Err(refused) => disliked = disliked.after(&refused).ok_or(refused.error)?,
            }
        }
    }

    fn request(&self, request: &LlmRequest, disliked: Disliked) -> Result<RequestBuilder, ProviderError> {
        let openai = is_openai(&self.host.url);
        let tools = wire::tools(request).map_err(|name| {
            let what = format!("the parameters of tool {name} are not a JSON Schema object");
            ProviderError::new(Failure::BadRequest, format!("{}: {what}", CHAT.name))
        })?;
        let stream_options = StreamOptions { include_usage: true, include_obfuscation: openai.then_some(false) };
        // OpenAI has renamed the field; the others know the old name.
        let renamed = openai != disliked.limit;
        let body = Request {
            model: request.model.as_deref().unwrap_or(&self.config.model),
            messages: wire::messages(&request.messages),
            stream: true,
            stream_options: (!disliked.stream_options).then_some(stream_options),
            tools,
            max_tokens: request.max_tokens.filter(|_| !renamed),
            max_completion_tokens: request.max_tokens.filter(|_| renamed),
            temperature: request.temperature.filter(|_| !disliked.temperature),
        };
        let mut body = serde_json::to_value(&body)
            .map_err(|_| CHAT.failure(Failure::BadRequest, "the request could not be written"))?;
        if let Some(fields) = body.as_object_mut() {
            fields.extend(self.config.extra.clone());
        }
        let mut builder = self.host.post().json(&body);
        if let Some(authorization) = &self.authorization {
            builder = builder.header(AUTHORIZATION, authorization.clone());
        }
        Ok(builder)
    }
}
