//! Replies as contexts of a `multi-stream-input` connection, which stays open between them.

use std::sync::Arc;

use crate::provider::ProviderError;
use crate::provider::voice::{Dialect, Format, Heard, Meaning};
use crate::provider::websocket::Received;

use super::Service;
use super::stream_input::{closed, whole_words};
use super::wire::{Close, First, More, VoiceSettings, json};

/// The messages of one context.
#[derive(Debug)]
pub(super) struct Contexts {
    service: Arc<Service>,
    format: Format,
    settings: VoiceSettings,
    id: String,
}

impl Contexts {
    /// The messages of one reply.
    pub(super) const fn new(service: Arc<Service>, format: Format, settings: VoiceSettings) -> Self {
        Self { service, format, settings, id: String::new() }
    }
}

impl Dialect for Contexts {
    fn format(&self) -> Format {
        self.format
    }

    fn begin(&mut self) -> Option<String> {
        self.id = self.service.context();
        Some(json(&First { text: " ", voice_settings: &self.settings, context_id: Some(&self.id) }))
    }

    fn text(&mut self, text: &str) -> Vec<String> {
        vec![json(&More { text: &whole_words(text), context_id: Some(&self.id), flush: None })]
    }

    fn end(&mut self) -> Vec<String> {
        // Not an empty text: here that only keeps a context alive.
        let flush = More { text: " ", context_id: Some(&self.id), flush: Some(true) };
        vec![json(&flush), json(&Close { context_id: &self.id, close_context: true })]
    }

    fn cancel(&mut self) -> Option<String> {
        Some(json(&Close { context_id: &self.id, close_context: true }))
    }

    fn read(&mut self, received: Received, heard: &mut Heard) -> Result<Meaning, ProviderError> {
        match received {
            Received::Text(text) => self.service.read(&text, Some(&self.id), heard),
            Received::Binary(_) | Received::Life => Ok(Meaning::Nothing),
            Received::Closed { code, reason } => Err(closed(code, &reason)),
        }
    }
}
