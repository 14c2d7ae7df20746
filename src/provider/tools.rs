//! What the model may call.

use std::fmt;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::conversation::{ToolCall, ToolResult, Variables};

use super::AbortOnDrop;

/// Something that runs tools.
pub trait Tools: Send + Sync + fmt::Debug {
    /// Runs one tool, once. A failure is a result too: text the model can read.
    fn open(&self, call: ToolCall) -> ToolStream;

    /// The same tools for a call with these variables; `None`: they hold none.
    fn for_call(&self, _variables: &Variables) -> Option<Arc<dyn Tools>> {
        None
    }
}

/// No tools at all: each call is answered with a text that tells the model so.
#[derive(Clone, Copy, Default, Debug)]
pub struct NoTools;

impl Tools for NoTools {
    fn open(&self, call: ToolCall) -> ToolStream {
        ToolStream::spawn(move |result| async move {
            let content = "error: this tool is not available in this call; answer without it".to_owned();
            // Fails only when nobody waits for the result.
            let _ = result.send(ToolResult { id: call.id, content }).await;
        })
    }
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
