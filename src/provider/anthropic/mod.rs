//! Anthropic's Messages, streamed as server-sent events.

mod answer;
mod history;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use reqwest::RequestBuilder;
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::{Map, Value};

use crate::conversation::{Failure, GenerationEnd};

use super::exchange::{Exchange, Host, Patience};
use super::http::{self, Vendor};
use super::{Llm, LlmRequest, LlmStream, ProviderError, Secret};
use answer::Answer;

const VENDOR: Vendor = Vendor { name: "anthropic", key: "ANTHROPIC_API_KEY", base_url: "ANTHROPIC_BASE_URL" };

/// How to reach Anthropic, or a server that speaks its protocol.
#[derive(Clone, PartialEq, Debug)]
pub struct AnthropicConfig {
    /// Where it is: `https://api.anthropic.com`.
    pub base_url: String,
    /// The key; empty for a server that asks for none.
    pub key: Secret,
    /// Sends the key as `Authorization: Bearer` rather than as `x-api-key`.
    pub bearer: bool,
    /// The version of the protocol (`anthropic-version`).
    pub version: String,
    /// The model for calls that name none.
    pub model: String,
    /// The most tokens of an answer for calls that name no limit: the protocol demands one.
    pub max_tokens: u32,
    /// Asks the vendor to keep the tools and the system prompt between turns. Shorter prompts than the vendor's least
    /// (1024 tokens and more, by model) are not kept, and nothing is charged for having asked.
    pub cache: bool,
    /// How long the first word may take, connecting included.
    pub first_token: Duration,
    /// How long the stream may pause after that.
    pub idle: Duration,
    /// How long the whole answer may take.
    pub total: Duration,
    /// Further fields of the request, `service_tier` say; they win over ours. A model told to think (`thinking`) is not
    /// heard thinking, but its thoughts are not kept for the next turn, which some models demand of one that uses tools.
    pub extra: Map<String, Value>,
}

impl Default for AnthropicConfig {
    fn default() -> Self {
        Self {
            base_url: "https://api.anthropic.com".to_owned(),
            key: Secret::default(),
            bearer: false,
            version: "2023-06-01".to_owned(),
            model: "claude-haiku-4-5".to_owned(),
            max_tokens: 1_024,
            cache: true,
            first_token: Duration::from_secs(10),
            idle: Duration::from_secs(5),
            total: Duration::from_secs(60),
            extra: Map::new(),
        }
    }
}

/// The language model. Dropping a stream closes its HTTP/2 stream or connection, which stops the model.
#[derive(Clone, Debug)]
pub struct Anthropic(Arc<Service>);

#[derive(Debug)]
struct Service {
    config: AnthropicConfig,
    host: Host,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Anthropic {
    /// A language model; the error says which setting is wrong. Nothing is connected yet.
    pub fn new(config: AnthropicConfig) -> Result<Self, ProviderError> {
        let url = http::endpoint(&http::as_http(VENDOR.base(&config.base_url)?), "v1/messages");
        let version = HeaderValue::from_str(&config.version)
            .map_err(|_| VENDOR.failure(Failure::BadRequest, "the version cannot be sent as a header"))?;
        let mut headers = vec![(HeaderName::from_static("anthropic-version"), version)];
        if !config.key.is_empty() {
            let (name, scheme) = if config.bearer { ("authorization", "Bearer ") } else { ("x-api-key", "") };
            headers.push((HeaderName::from_static(name), VENDOR.key_header(scheme, &config.key)?));
        }
        let patience = Patience { first_token: config.first_token, idle: config.idle, total: config.total };
        let host = Host::new(&VENDOR, url, config.key.clone(), patience)?;
        Ok(Self(Arc::new(Service { config, host, headers })))
    }
}

impl Llm for Anthropic {
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
            ProviderError::new(Failure::BadRequest, format!("{}: {what}", VENDOR.name))
        })?;
        let body = wire::Request {
            model: request.model.as_deref().unwrap_or(&self.config.model),
            max_tokens: request.max_tokens.unwrap_or(self.config.max_tokens),
            system: history::system(&request.messages, self.config.cache),
            messages: history::messages(&request.messages),
            tools,
            temperature: request.temperature,
            stream: true,
        };
        let mut body = serde_json::to_value(&body)
            .map_err(|_| VENDOR.failure(Failure::BadRequest, "the request could not be written"))?;
        if let Some(fields) = body.as_object_mut() {
            fields.extend(self.config.extra.clone());
        }
        let builder = self.host.post().json(&body);
        Ok(self.headers.iter().fold(builder, |builder, (name, value)| builder.header(name, value.clone())))
    }
}
