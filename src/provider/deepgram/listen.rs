//! `/v1/listen` as the shared session speaks it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, ready};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use url::Url;

use crate::audio::SampleRate;
use crate::provider::http::{self, Vendor};
use crate::provider::listening::{Coding, Dialect, Habits, Heard, Route, Timeline, Unreadable};
use crate::provider::websocket::Dialer;
use crate::provider::{ProviderError, Secret, SttSpec};

use super::utterance::Utterance;
use super::wire::{CLOSE_STREAM, FINALIZE, KEEP_ALIVE, ServerMessage};
use super::{Service, VENDOR};

/// One stream's `/v1/listen`.
pub(super) struct Listen {
    service: Arc<Service>,
    url: Url,
    rate: SampleRate,
    utterance: Utterance,
}

impl Listen {
    /// The protocol of a stream of `spec`.
    pub(super) fn new(service: Arc<Service>, spec: &SttSpec) -> Self {
        Self { url: service.address(spec), service, rate: spec.rate, utterance: Utterance::default() }
    }
}

impl Dialect for Listen {
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
        Habits::easy(Coding::of(self.rate), self.rate)
    }

    fn route(&mut self) -> BoxFuture<'static, Result<Route, ProviderError>> {
        ready(Ok(self.service.route(self.url.clone()))).boxed()
    }

    fn finalize(&mut self, _sent: Duration) -> Option<Message> {
        Some(Message::text(FINALIZE))
    }

    fn keep_alive(&mut self) -> Option<Message> {
        Some(Message::text(KEEP_ALIVE))
    }

    fn farewell(&self) -> Option<Message> {
        Some(Message::text(CLOSE_STREAM))
    }

    fn read(&mut self, text: &str, timeline: &Timeline) -> Result<Vec<Heard>, Unreadable> {
        self.utterance.rebase(timeline.base());
        let mut heard = Vec::new();
        let words = match serde_json::from_str(text)? {
            ServerMessage::Results(results) => {
                heard.extend(self.utterance.settled_until(&results).map(Heard::Settled));
                if results.from_finalize || results.speech_final {
                    heard.push(Heard::Answered);
                }
                self.utterance.results(&results)
            }
            ServerMessage::UtteranceEnd(end) => self.utterance.utterance_end(&end),
            ServerMessage::Other => None,
        };
        heard.extend(words.map(Heard::Words));
        Ok(heard)
    }

    fn refusal_codes(&self, response: &Response) -> Vec<String> {
        refusal_codes(response)
    }
}

/// The short codes of a refused upgrade: those of the body, `dg-error`, and the name of the request.
pub(super) fn refusal_codes(response: &Response) -> Vec<String> {
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let mut codes = http::codes_in(response.body().as_deref().unwrap_or_default());
    codes.extend(header("dg-error").and_then(http::code).filter(|code| !codes.contains(code)));
    codes.extend(header("dg-request-id").and_then(http::request_id).map(|id| format!("request {id}")));
    codes
}
