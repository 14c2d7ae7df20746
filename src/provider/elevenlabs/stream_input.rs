//! One reply on a `stream-input` connection of its own.

use crate::conversation::Failure;
use crate::provider::ProviderError;
use crate::provider::voice::{Dialect, Format, Heard, Meaning};
use crate::provider::websocket::Received;

use super::wire::{END, First, More, VoiceSettings, json};
use super::{Service, VENDOR};

/// The messages of `stream-input`.
#[derive(Debug)]
pub(super) struct StreamInput {
    service: std::sync::Arc<Service>,
    format: Format,
    settings: VoiceSettings,
    /// Whether the text is complete: then a proper close says that all has been delivered.
    ended: bool,
}

impl StreamInput {
    /// The messages of one reply.
    pub(super) const fn new(service: std::sync::Arc<Service>, format: Format, settings: VoiceSettings) -> Self {
        Self { service, format, settings, ended: false }
    }
}

impl Dialect for StreamInput {
    fn format(&self) -> Format {
        self.format
    }

    fn begin(&mut self) -> Option<String> {
        Some(json(&First { text: " ", voice_settings: &self.settings, context_id: None }))
    }

    fn text(&mut self, text: &str) -> Vec<String> {
        vec![json(&More { text: &whole_words(text), context_id: None, flush: None })]
    }

    fn end(&mut self) -> Vec<String> {
        self.ended = true;
        vec![END.to_owned()]
    }

    fn read(&mut self, received: Received, heard: &mut Heard) -> Result<Meaning, ProviderError> {
        match received {
            Received::Text(text) => self.service.read(&text, None, heard),
            Received::Binary(_) | Received::Life => Ok(Meaning::Nothing),
            Received::Closed { code: Some(1000), .. } if self.ended => {
                heard.done = true;
                Ok(Meaning::Ours)
            }
            Received::Closed { code, reason } => Err(closed(code, &reason)),
        }
    }
}

/// `text` with one blank behind it: without, the vendor waits for the rest of the word.
pub(super) fn whole_words(text: &str) -> String {
    let text = text.trim_start();
    if text.ends_with(char::is_whitespace) { text.to_owned() } else { format!("{text} ") }
}

/// A connection that closed before all sound was delivered: `1008` a refusal, `1011` a server in trouble.
pub(super) fn closed(code: Option<u16>, reason: &str) -> ProviderError {
    let known = crate::provider::http::failure_named(&[super::as_code(reason)]);
    match code {
        Some(1008) => VENDOR.failure(known.unwrap_or(Failure::BadRequest), "refused the stream (1008)"),
        Some(code) => VENDOR.failure(Failure::Unavailable, &format!("closed the connection before the end ({code})")),
        None => VENDOR.failure(Failure::Unavailable, "the connection was lost before the end"),
    }
}
