//! The listener.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use crate::control::Api;

use super::router;

/// What a stranger may take of the listener before any key is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// How long the head of a request may take to come. A connection kept open between requests is closed after it, too;
    /// a request that came whole may take as long as it needs.
    pub header_timeout: Duration,
    /// Connections at one time; more wait to be accepted. A media stream counts until its WebSocket is open: from there it
    /// is a call, which the engine admits.
    pub connections: usize,
}

impl Limits {
    /// Long enough for a few lost packets on a slow line.
    const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
    /// An event stream for every call of a large server, and half of the 1024 open files a process usually may have: the
    /// other half is for the calls.
    const CONNECTIONS: usize = 512;
    /// How long to leave the system alone when it has no more sockets to give.
    const BREATH: Duration = Duration::from_secs(1);
}

impl Default for Limits {
    fn default() -> Self {
        Self { header_timeout: Self::HEADER_TIMEOUT, connections: Self::CONNECTIONS }
    }
}

/// Serves the API on `listener` until `stop` comes, then lets open requests finish. Dropping it ends them.
pub async fn serve(
    listener: TcpListener,
    api: Arc<Api>,
    limits: Limits,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let router = router(api);
    let slots = Arc::new(Semaphore::new(limits.connections));
    let (stopping, stopped) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        let (stream, slot) = tokio::select! {
            accepted = accept(&listener, &slots) => accepted,
            // A connection that panicked has been logged, and was the only one to suffer.
            Some(_) = connections.join_next() => continue,
            () = &mut stop => break,
        };
        connections.spawn(connection(stream, router.clone(), limits.header_timeout, stopped.clone(), slot));
    }
    drop((listener, stopping));
    while connections.join_next().await.is_some() {}
}

/// The next connection, once there is room for it. Cancel-safe.
async fn accept(listener: &TcpListener, slots: &Arc<Semaphore>) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    // The semaphore is never closed.
    let slot = Arc::clone(slots).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, slot),
            Err(error) => {
                // The other side may be gone already; otherwise we are out of descriptors or memory.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Limits::BREATH).await;
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    router: Router,
    header_timeout: Duration,
    mut stopped: watch::Receiver<()>,
    _slot: Option<OwnedSemaphorePermit>,
) {
    // Events and media frames are small and urgent.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "could not set TCP_NODELAY");
    }
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(header_timeout);
    let served = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut served = pin!(served.with_upgrades());
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        _ = stopped.changed() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
