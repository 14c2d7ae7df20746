//! What a dialect sees of a WebSocket.

use bytes::Bytes;
use futures_util::{Sink, Stream};

/// One message of a WebSocket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum WsFrame {
    /// A text message, as its bytes. What we send is always UTF-8.
    Text(Bytes),
    /// A binary message.
    Binary(Bytes),
    /// The closing handshake.
    Close,
    /// Pings, pongs: answered by the library below.
    Other,
}

/// An open WebSocket: whatever gives and takes [`WsFrame`]s.
///
/// For axum: `socket.map(|message| …to WsFrame…).with(|frame| ready(Ok(…to Message…)))`.
pub trait WsSocket<E>: Stream<Item = Result<WsFrame, E>> + Sink<WsFrame, Error = E> + Send + Unpin + 'static {}

impl<S, E> WsSocket<E> for S where
    S: Stream<Item = Result<WsFrame, E>> + Sink<WsFrame, Error = E> + Send + Unpin + 'static
{
}
