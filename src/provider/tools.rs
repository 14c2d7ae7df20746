//! What the model may call.

use std::fmt;

use tokio::sync::mpsc;

use crate::conversation::{ToolCall, ToolResult};

use super::AbortOnDrop;

/// Something that runs tools.
pub trait Tools: Send + Sync + fmt::Debug {
    /// Runs one tool, once. A failure is a result too: text the model can read.
    fn open(&self, call: ToolCall) -> ToolStream;
}

/// A tool under way. Dropping it abandons the tool.
#[derive(Debug)]
pub struct ToolStream {
    result: mpsc::Receiver<ToolResult>,
    _task: AbortOnDrop,
}

impl ToolStream {
    /// A stream whose `task` sends one result.
    pub fn spawn<F>(task: impl FnOnce(mpsc::Sender<ToolResult>) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (sender, result) = mpsc::channel(1);
        Self { result, _task: AbortOnDrop::spawn(task(sender)) }
    }

    /// The result; `None` when the task ended without one. Cancel-safe.
    pub async fn recv(&mut self) -> Option<ToolResult> {
        self.result.recv().await
    }
}
