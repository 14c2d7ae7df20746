//! Language models.

use std::fmt;

use tokio::sync::mpsc;

use crate::conversation::{GenerationEnd, Message, ToolCall, ToolSpec};

use super::meter::Meter;
use super::{AbortOnDrop, ProviderError};

/// A language model.
pub trait Llm: Send + Sync + fmt::Debug {
    /// Starts one answer.
    fn open(&self, request: LlmRequest) -> LlmStream;

    /// Gets a connection ready for the first answer of a call that has just begun. Costs nothing, fails silently and
    /// returns at once; may be called for every call.
    fn warm(&self) {}
}

/// What a model is asked.
#[derive(Clone, PartialEq, Debug)]
pub struct LlmRequest {
    /// Model name; `None`: the provider's configured default.
    pub model: Option<String>,
    /// The conversation so far, system prompt first.
    pub messages: Vec<Message>,
    /// What it may call.
    pub tools: Vec<ToolSpec>,
    /// The most tokens it may write.
    pub max_tokens: Option<u32>,
    /// Sampling temperature.
    pub temperature: Option<f32>,
}

/// Tokens used.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Usage {
    /// Read.
    pub prompt: u64,
    /// Written, thoughts included.
    pub completion: u64,
    /// Whether any of it is our estimate, because the vendor did not say or was not heard to its end.
    pub is_estimate: bool,
}

/// What a model tells.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum LlmEvent {
    /// A piece of the answer, never empty and never its reasoning.
    Token(String),
    /// A tool it wants run, with complete arguments.
    ToolCall(ToolCall),
    /// The answer is complete.
    Ended {
        /// How.
        end: GenerationEnd,
        /// What it cost: told by the vendor or estimated; `None` where neither is possible.
        usage: Option<Usage>,
    },
    /// The answer will not be completed.
    Failed(ProviderError),
}

/// One answer under way. Dropping it stops the model.
#[derive(Debug)]
pub struct LlmStream {
    events: mpsc::Receiver<LlmEvent>,
    meter: Meter,
    _task: AbortOnDrop,
}

impl LlmStream {
    /// Tokens that may wait while the driver is busy; the vendor is then held back by its socket.
    pub const EVENTS: usize = 64;

    /// A stream whose `task` writes the events.
    pub fn spawn<F>(task: impl FnOnce(mpsc::Sender<LlmEvent>) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::metered(|events, _| task(events))
    }

    /// A stream whose `task` writes the events and counts what the answer costs.
    pub(super) fn metered<F>(task: impl FnOnce(mpsc::Sender<LlmEvent>, Meter) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (sender, events) = mpsc::channel(Self::EVENTS);
        let meter = Meter::default();
        Self { events, meter: meter.clone(), _task: AbortOnDrop::spawn(task(sender, meter)) }
    }

    /// What the answer has cost so far, for one that is about to be dropped before its end.
    pub fn usage(&self) -> Usage {
        self.meter.usage()
    }

    /// The next event; `None` after the last. Cancel-safe.
    pub async fn recv(&mut self) -> Option<LlmEvent> {
        self.events.recv().await
    }
}
