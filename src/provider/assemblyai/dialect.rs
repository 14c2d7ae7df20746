//! `/v3/ws` as the shared session speaks it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, ready};
use tokio_tungstenite::tungstenite::Message;
use url::Url;

use crate::audio::SampleRate;
use crate::conversation::Failure;
use crate::provider::http::Vendor;
use crate::provider::listening::{Coding, Dialect, Greeting, Habits, Heard, Route, Timeline, Unreadable};
use crate::provider::websocket::Dialer;
use crate::provider::{ProviderError, Secret, SttSpec};

use super::turns::Turns;
use super::wire::{FORCE_ENDPOINT, KEEP_ALIVE, ServerMessage, TERMINATE};
use super::{Service, VENDOR};

/// One stream's `/v3/ws`.
pub(super) struct Streaming {
    service: Arc<Service>,
    url: Url,
    rate: SampleRate,
    turns: Turns,
}

impl Streaming {
    /// The protocol of a stream of `spec`.
    pub(super) fn new(service: Arc<Service>, spec: &SttSpec) -> Self {
        let turns = Turns::new(service.config.format_turns);
        Self { url: service.address(spec), service, rate: spec.rate, turns }
    }
}

impl Dialect for Streaming {
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
        Habits {
            // From 50 ms to 1 s is allowed.
            least: Duration::from_millis(50),
            catch_up: Some(self.service.config.catch_up),
            greeting: Greeting::Told,
            ..Habits::easy(Coding::of(self.rate), self.rate)
        }
    }

    fn route(&mut self) -> BoxFuture<'static, Result<Route, ProviderError>> {
        let headers = self.service.authorization.iter().map(|key| ("authorization", key.clone())).collect();
        ready(Ok(Route { url: self.url.clone(), headers })).boxed()
    }

    fn opening(&mut self) -> Option<Message> {
        self.turns = Turns::new(self.service.config.format_turns);
        None
    }

    fn finalize(&mut self, sent: Duration) -> Option<Message> {
        self.turns.asked = Some(sent);
        Some(Message::text(FORCE_ENDPOINT))
    }

    fn keep_alive(&mut self) -> Option<Message> {
        Some(Message::text(KEEP_ALIVE))
    }

    fn farewell(&self) -> Option<Message> {
        Some(Message::text(TERMINATE))
    }

    fn read(&mut self, text: &str, timeline: &Timeline) -> Result<Vec<Heard>, Unreadable> {
        Ok(match serde_json::from_str(text)? {
            ServerMessage::Begin => vec![Heard::Ready],
            ServerMessage::Turn(turn) => self.turns.hear(&turn, timeline),
            ServerMessage::Error(error) => {
                let code = error.error_code.map_or_else(|| "an error".to_owned(), |code| format!("error {code}"));
                let kind = error.error_code.map_or(Failure::Unavailable, failure);
                vec![Heard::Failed(VENDOR.failure(kind, &format!("reported {code}")))]
            }
            ServerMessage::Other => Vec::new(),
        })
    }

    fn is_between_turns(&self) -> bool {
        self.turns.is_between()
    }

    fn closed(&self, code: u16, reason: &str) -> Failure {
        match code {
            1008 => refused(reason),
            code => failure(code),
        }
    }
}

/// What a code means: `1008` the account, `3005` the server, `3006` a message, `3007` a message's length or speed, `3008` a
/// session after three hours, `3009` too many sessions.
fn failure(code: u16) -> Failure {
    match code {
        1008 => Failure::Auth,
        3006 => Failure::BadRequest,
        3009 => Failure::RateLimit,
        _ => Failure::Unavailable,
    }
}

/// What `1008` means by its sentence: one code for three troubles.
fn refused(reason: &str) -> Failure {
    let reason = reason.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    if says(&["balance", "funds", "credit", "payment"]) {
        Failure::Quota
    } else if says(&["concurren", "too many"]) {
        Failure::RateLimit
    } else {
        Failure::Auth
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_code_for_three_troubles_is_told_apart_by_its_sentence() {
        assert_eq!(refused("Insufficient account balance"), Failure::Quota);
        assert_eq!(refused("Too many concurrent sessions"), Failure::RateLimit);
        assert_eq!(refused("Unauthorized connection: invalid API key"), Failure::Auth);
        assert_eq!(
            [3005, 3006, 3008, 3009].map(failure),
            [Failure::Unavailable, Failure::BadRequest, Failure::Unavailable, Failure::RateLimit]
        );
    }
}
