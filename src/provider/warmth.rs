//! Connections that are open before they are needed.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::task::JoinSet;
use url::Url;

use super::AbortOnDrop;

/// Keeps a vendor's connections ready: opens one when a call begins, and gives one back that has served its request.
///
/// To open one it asks for the head of the server's root, without a key: that is no use of the service, and whatever is
/// answered leaves the connection open.
#[derive(Debug, Default)]
pub(super) struct Warmth {
    opening: Mutex<Option<Opening>>,
    ending: Mutex<JoinSet<()>>,
}

/// The last attempt to open a connection. A new one, or the end of the provider, ends it.
#[derive(Debug)]
struct Opening {
    began: Instant,
    _task: AbortOnDrop,
}

impl Warmth {
    /// Within this time a connection is not opened again, however many calls begin: well below the shortest idle time
    /// that is common among servers (5 s), so that a connection opened before is still there.
    const INTERVAL: Duration = Duration::from_secs(3);
    /// How long an attempt may take; the connection is lost if nobody answers on it by then.
    const PATIENCE: Duration = Duration::from_secs(5);

    /// How long a server may take to end a body in which everything has been said.
    const END_WAIT: Duration = Duration::from_secs(1);
    /// Bodies that may be waited for at once; the connections of more are closed.
    const ENDING: usize = 64;

    /// Opens a connection of `client` to the server of `url`, unless that has just been done. Returns at once.
    pub(super) fn open(&self, client: &reqwest::Client, url: &Url) {
        // Outside a runtime nothing can be sent, and nothing will be asked either.
        if tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let now = Instant::now();
        let mut last = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_ref().is_some_and(|last| now.saturating_duration_since(last.began) < Self::INTERVAL) {
            return;
        }
        let mut root = url.clone();
        root.set_path("/");
        root.set_query(None);
        let request = client.head(root).timeout(Self::PATIENCE);
        let task = AbortOnDrop::spawn(async move {
            if let Err(error) = request.send().await {
                tracing::debug!(error = %super::http::root_cause(&error), "no connection could be opened ahead");
            }
        });
        *last = Some(Opening { began: now, _task: task });
    }
    /// Reads `response` to its end, though nothing more is to be learnt from it: over HTTP/1.1 only then can its
    /// connection serve the next request. Returns at once.
    pub(super) fn give_back(&self, mut response: reqwest::Response) {
        let mut rest = Box::pin(async move { while let Ok(Some(_)) = response.chunk().await {} });
        // The end of the body mostly comes in one packet with the end of the answer.
        if (&mut rest).now_or_never().is_some() {
            return;
        }
        let mut ending = self.ending.lock().unwrap_or_else(PoisonError::into_inner);
        while ending.try_join_next().is_some() {}
        if ending.len() < Self::ENDING {
            ending.spawn(async move { _ = tokio::time::timeout(Self::END_WAIT, rest).await });
        }
    }
}
