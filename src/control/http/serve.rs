//! The listener.

use std::future::Future;
use std::io;
use std::sync::Arc;

use axum::serve::ListenerExt;
use tokio::net::TcpListener;

use crate::control::Api;

use super::router;

/// Serves the API on `listener` until `stop` comes, then lets open requests finish.
///
/// # Errors
///
/// When the listener fails for good.
pub async fn serve(
    listener: TcpListener,
    api: Arc<Api>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    // Events and media frames are small and urgent.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "could not set TCP_NODELAY");
        }
    });
    axum::serve(listener, router(api)).with_graceful_shutdown(stop).await
}
