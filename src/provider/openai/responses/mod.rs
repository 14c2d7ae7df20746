//! Language models over `POST /responses`, streamed as server-sent events.

mod answer;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use reqwest::RequestBuilder;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde_json::{Map, Value};

use crate::conversation::{Failure, GenerationEnd};
use crate::provider::exchange::{Exchange, Host, Patience};
use crate::provider::{Llm, LlmRequest, LlmStream, ProviderError, Secret};

use super::{RESPONSES, address, is_openai};
use answer::Answer;

/// How to reach a language model.
#[derive(Clone, PartialEq, Debug)]
pub struct OpenAiResponsesConfig {
    /// Where it is: `https://api.openai.com/v1`.
    pub base_url: String,
    /// The key; empty for a server that asks for none.
    pub key: Secret,
    /// The model for calls that name none.
    pub model: String,
    /// How long the first word may take, connecting and thinking included.
    pub first_token: Duration,
    /// How long the stream may pause after that.
    pub idle: Duration,
    /// How long the whole answer may take.
    pub total: Duration,
    /// Further fields of the request, `reasoning` or `service_tier` say; they win over ours.
    pub extra: Map<String, Value>,
}

impl Default for OpenAiResponsesConfig {
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

/// The language model. It is told the whole conversation each time and keeps none of it (`store` is off). Dropping a
/// stream closes its HTTP/2 stream or connection, which stops the model.
#[derive(Clone, Debug)]
pub struct OpenAiResponses(Arc<Service>);

#[derive(Debug)]
struct Service {
    config: OpenAiResponsesConfig,
    host: Host,
    authorization: Option<HeaderValue>,
}

impl OpenAiResponses {
    /// A language model; the error says which setting is wrong. Nothing is connected yet.
    pub fn new(config: OpenAiResponsesConfig) -> Result<Self, ProviderError> {
        let url = address(&RESPONSES, &config.base_url, "responses")?;
        let authorization = match config.key.is_empty() {
            true => None,
            false => Some(RESPONSES.key_header("Bearer ", &config.key)?),
        };
        let patience = Patience { first_token: config.first_token, idle: config.idle, total: config.total };
        let host = Host::new(&RESPONSES, url, config.key.clone(), patience)?;
        Ok(Self(Arc::new(Service { config, host, authorization })))
    }
}

impl Llm for OpenAiResponses {
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
    async fn answer(&self, request: &LlmRequest, exchange: &Exchange<'_>) -> Result<GenerationEnd, ProviderError> {
        let response = exchange.send(request, self.request(request)?).await?.map_err(|refused| refused.error)?;
        exchange.read(response, Answer::new(exchange.meter().clone())).await
    }

    fn request(&self, request: &LlmRequest) -> Result<RequestBuilder, ProviderError> {
        let tools = wire::tools(&request.tools).map_err(|name| {
            let what = format!("the parameters of tool {name} are not a JSON Schema object");
            ProviderError::new(Failure::BadRequest, format!("{}: {what}", RESPONSES.name))
        })?;
        let obfuscation = wire::StreamOptions { include_obfuscation: false };
        let body = wire::Request {
            model: request.model.as_deref().unwrap_or(&self.config.model),
            input: wire::input(&request.messages),
            stream: true,
            store: false,
            stream_options: is_openai(&self.host.url).then_some(obfuscation),
            tools,
            max_output_tokens: request.max_tokens.map(|tokens| tokens.max(wire::LEAST_TOKENS)),
            temperature: request.temperature,
        };
        let mut body = serde_json::to_value(&body)
            .map_err(|_| RESPONSES.failure(Failure::BadRequest, "the request could not be written"))?;
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
