//! What every stream has behind it.

use tokio::task::JoinHandle;

/// The task behind a stream: aborted when the stream is dropped, so that dropping a stream cancels it.
#[derive(Debug)]
pub struct AbortOnDrop(JoinHandle<()>);

impl AbortOnDrop {
    /// Runs `task` until it ends or the stream is dropped.
    pub fn spawn(task: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(task))
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
