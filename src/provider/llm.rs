//! Language models.

use std::fmt;

use tokio::sync::mpsc;

use crate::conversation::{GenerationEnd, Message, ToolCall, ToolSpec};

use super::{AbortOnDrop, ProviderError};

/// A language model.
pub trait Llm: Send + Sync + fmt::Debug {
    /// Starts one answer.
    fn open(&self, request: LlmRequest) -> LlmStream;
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
    /// Written.
    pub completion: u64,
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
        /// What it cost, when the vendor says so.
        usage: Option<Usage>,
    },
    /// The answer will not be completed.
    Failed(ProviderError),
}

/// One answer under way. Dropping it stops the model.
#[derive(Debug)]
pub struct LlmStream {
    events: mpsc::Receiver<LlmEvent>,
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
        let (sender, events) = mpsc::channel(Self::EVENTS);
        Self { events, _task: AbortOnDrop::spawn(task(sender)) }
    }

    /// The next event; `None` after the last. Cancel-safe.
    pub async fn recv(&mut self) -> Option<LlmEvent> {
        self.events.recv().await
    }
}
