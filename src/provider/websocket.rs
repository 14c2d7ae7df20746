//! WebSockets to vendors: dialling with headers and a deadline, and saying goodbye when dropped.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt, SinkExt, StreamExt};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use rustls::ClientConfig;
use rustls_platform_verifier::ConfigVerifierExt;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config, connect_async_tls_with_config,
};
use url::Url;

use crate::conversation::Failure;

use super::ProviderError;
use super::http::{self, Vendor};
use super::proxy::Proxy;

/// The longest message a vendor may send; some seconds of sound in base64 are a tenth of it.
const MESSAGE: usize = 4 * 1024 * 1024;
/// Bytes read at a time. The library fills this much with zeros before every look at the socket, and its own choice of 128 KiB
/// cost a fifth of a call's CPU time and a third of its memory.
const READ: usize = 4 * 1024;
/// How long one message may take to be handed to the network before the connection counts as dead.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens WebSockets to one vendor. The root certificates are read once, not for each call.
#[derive(Clone, Debug)]
pub(super) struct Dialer {
    vendor: Vendor,
    tls: Option<Arc<ClientConfig>>,
    proxy: Option<Proxy>,
}

/// Why a connection did not come up.
#[derive(Debug)]
pub(super) enum DialError {
    /// The server answered the upgrade with something else.
    Refused(Box<Response>),
    /// There was no answer to the upgrade.
    Failed(ProviderError),
}

impl Dialer {
    /// A dialer for addresses like `base`.
    pub(super) fn new(vendor: Vendor, base: &Url) -> Result<Self, ProviderError> {
        let tls = if matches!(base.scheme(), "https" | "wss") {
            http::install_crypto();
            let config = ClientConfig::with_platform_verifier().map_err(|error| {
                vendor.failure(Failure::Unavailable, &format!("no root certificates to trust ({error})"))
            })?;
            Some(Arc::new(config))
        } else {
            None
        };
        let proxy = Proxy::on_the_way(base, |name| std::env::var(name).ok())
            .map_err(|error| vendor.failure(Failure::Unavailable, &error.to_string()))?;
        Ok(Self { vendor, tls, proxy })
    }

    /// Connects and upgrades, within [`http::CONNECT_TIMEOUT`]. `farewell` is sent when the socket is dropped.
    pub(super) async fn dial(
        &self,
        url: &Url,
        headers: &[(&'static str, HeaderValue)],
        farewell: Option<&'static str>,
    ) -> Result<Socket, DialError> {
        let mut request = url.as_str().into_client_request().map_err(|error| self.failed(error))?;
        extend(request.headers_mut(), headers);
        let config = WebSocketConfig::default()
            .read_buffer_size(READ)
            .max_message_size(Some(MESSAGE))
            .max_frame_size(Some(MESSAGE));
        let connector = self.tls.clone().map_or(Connector::Plain, Connector::Rustls);
        // In a box: a session is as large as its largest step, and this one is over soon.
        let dial = Box::pin(async {
            let Some(proxy) = &self.proxy else {
                let dial = connect_async_tls_with_config(request, Some(config), true, Some(connector));
                return dial.await.map_err(|error| self.failed(error));
            };
            let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(443));
            let lost = |what: String| DialError::Failed(self.vendor.failure(Failure::Unavailable, &what));
            let stream = proxy.tunnel(host, port).await.map_err(|error| lost(error.to_string()))?;
            stream.set_nodelay(true).map_err(|error| lost(error.to_string()))?;
            let dial = client_async_tls_with_config(request, stream, Some(config), Some(connector));
            dial.await.map_err(|error| self.failed(error))
        });
        match tokio::time::timeout(http::CONNECT_TIMEOUT, dial).await {
            Ok(Ok((stream, _))) => Ok(Socket { stream, farewell: farewell.map(Message::text), closed: false }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(DialError::Failed(self.vendor.failure(Failure::Timeout, "no connection in time"))),
        }
    }

    fn failed(&self, error: Error) -> DialError {
        let error = match error {
            Error::Http(response) => return DialError::Refused(response),
            Error::Io(cause) => {
                self.vendor.failure(Failure::Unavailable, &format!("cannot connect ({})", http::root_cause(&cause)))
            }
            Error::Tls(cause) => self.vendor.failure(Failure::Unavailable, &format!("no secure connection ({cause})")),
            Error::Url(_) | Error::HttpFormat(_) => {
                self.vendor.failure(Failure::BadRequest, "the address is not one of a WebSocket")
            }
            // A server that is going down or coming up accepts connections and closes them before its answer is complete.
            Error::ConnectionClosed
            | Error::AlreadyClosed
            | Error::Protocol(ProtocolError::HandshakeIncomplete | ProtocolError::ResetWithoutClosingHandshake) => {
                self.vendor.failure(Failure::Unavailable, "the connection was closed before it was up")
            }
            _ => self.vendor.failure(Failure::Protocol, "the server does not speak WebSocket"),
        };
        DialError::Failed(error)
    }
}

fn extend(map: &mut HeaderMap, headers: &[(&'static str, HeaderValue)]) {
    for (name, value) in headers {
        map.insert(HeaderName::from_static(name), value.clone());
    }
}

/// One open WebSocket. Dropping it says goodbye, as far as that goes without waiting, and closes the connection.
#[derive(Debug)]
pub(super) struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    farewell: Option<Message>,
    closed: bool,
}

/// What a server sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Received {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Bytes),
    /// A ping or a pong: a sign of life.
    Life,
    /// The end, with the server's close code and reason; both empty when the connection broke.
    Closed {
        /// The close code; `None` when there was no closing handshake.
        code: Option<u16>,
        /// The reason given, not to be printed as it is.
        reason: String,
    },
}

impl Socket {
    /// What is to be sent when the socket is dropped, in place of what was to be.
    pub(super) fn set_farewell(&mut self, farewell: Option<Message>) {
        self.farewell = farewell;
    }

    /// Sends a message; `false` when the connection is dead or stuck.
    pub(super) async fn send(&mut self, message: Message) -> bool {
        let mut sending = pin!(self.stream.send(message));
        // Nearly always the network takes it at once, and no timer is needed.
        match poll_fn(|cx| Poll::Ready(sending.as_mut().poll(cx))).await {
            Poll::Ready(sent) => sent.is_ok(),
            Poll::Pending => matches!(tokio::time::timeout(SEND_TIMEOUT, sending).await, Ok(Ok(()))),
        }
    }

    /// Sends a message if that goes without waiting; `false` when it did not.
    pub(super) fn try_send(&mut self, text: &str) -> bool {
        matches!(self.stream.send(Message::text(text)).now_or_never(), Some(Ok(())))
    }

    /// Whether the end was read.
    pub(super) const fn is_closed(&self) -> bool {
        self.closed
    }

    /// The next thing the server sends. Cancel-safe.
    pub(super) async fn receive(&mut self) -> Received {
        let received = match self.stream.next().await {
            Some(Ok(Message::Text(text))) => Received::Text(text.as_str().to_owned()),
            Some(Ok(Message::Binary(bytes))) => Received::Binary(bytes),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Received::Life,
            Some(Ok(Message::Close(Some(frame)))) => {
                Received::Closed { code: Some(frame.code.into()), reason: frame.reason.as_str().to_owned() }
            }
            Some(Ok(Message::Close(None))) => Received::Closed { code: Some(1005), reason: String::new() },
            Some(Err(_)) | None => Received::Closed { code: None, reason: String::new() },
        };
        self.closed |= matches!(received, Received::Closed { .. });
        received
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.closed {
            return;
        }
        // One try and no waiting: a socket with room takes it at once, a full one is simply closed.
        if let Some(farewell) = self.farewell.take() {
            let _ = self.stream.send(farewell).now_or_never();
        }
        let _ = self.stream.close(None).now_or_never();
    }
}
