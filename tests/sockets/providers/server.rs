//! Servers of a few lines: raw HTTP/1.1 and WebSocket, one handler a connection.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request as Upgrade, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

/// Bounds a test: nothing here takes longer unless it is broken.
pub async fn bounded<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("the test took too long")
}

/// A server that stops when dropped.
pub struct Server {
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Serves HTTP: `handler` gets the number of the connection, its one request, and the connection to answer on.
    pub async fn http<F>(handler: impl Fn(usize, Request, Connection) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let handler = Arc::new(handler);
        Self::accept(move |number, mut stream| {
            let handler = Arc::clone(&handler);
            async move {
                if let Some(request) = Request::read(&mut stream).await {
                    handler(number, request, Connection { stream }).await;
                }
            }
        })
        .await
    }

    /// Serves WebSockets: `handler` gets the number of the connection, the upgrade request and the socket.
    pub async fn websocket<F>(handler: impl Fn(usize, Request, Socket) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let handler = Arc::new(handler);
        Self::accept(move |number, stream| {
            let handler = Arc::clone(&handler);
            async move {
                if let Some((request, socket)) = upgrade(stream).await {
                    handler(number, request, socket).await;
                }
            }
        })
        .await
    }

    async fn accept<F>(serve: impl Fn(usize, TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut tasks = tokio::task::JoinSet::new();
            for number in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                tasks.spawn(serve(number, stream));
            }
        });
        Self { address, task }
    }
}

/// Answers the upgrade of a WebSocket.
#[expect(clippy::result_large_err, reason = "the library's signature")]
pub async fn upgrade(stream: TcpStream) -> Option<(Request, Socket)> {
    let mut request = Request::default();
    let read = |upgrade: &Upgrade, response: Response| -> Result<Response, ErrorResponse> {
        request.target = upgrade.uri().to_string();
        for (name, value) in upgrade.headers() {
            request.headers.insert(name.as_str().to_owned(), value.to_str().unwrap_or_default().to_owned());
        }
        Ok(response)
    };
    let stream = tokio_tungstenite::accept_hdr_async(stream, read).await.ok()?;
    Some((request, Socket { stream }))
}

/// What was asked.
#[derive(Clone, Default, Debug)]
pub struct Request {
    pub target: String,
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The parameters of the query.
    pub fn query(&self) -> HashMap<String, String> {
        let url = url::Url::parse(&format!("http://h{}", self.target)).unwrap();
        url.query_pairs().into_owned().collect()
    }

    async fn read(stream: &mut TcpStream) -> Option<Self> {
        let mut bytes = Vec::new();
        let mut block = [0; 4096];
        let head = loop {
            if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break at;
            }
            match stream.read(&mut block).await {
                Ok(count) if count > 0 => bytes.extend_from_slice(&block[..count]),
                _ => return None,
            }
        };
        let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
        let mut lines = text.lines();
        let target = lines.next()?.split(' ').nth(1)?.to_owned();
        let headers: HashMap<String, String> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let length: usize = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        while bytes.len() < head + 4 + length {
            match stream.read(&mut block).await {
                Ok(count) if count > 0 => bytes.extend_from_slice(&block[..count]),
                _ => return None,
            }
        }
        Some(Self { target, headers, body: bytes[head + 4..].to_vec() })
    }
}

/// A connection to answer on, by hand.
pub struct Connection {
    stream: TcpStream,
}

impl Connection {
    /// A whole answer, then the end.
    pub async fn answer(mut self, status: &str, headers: &str, body: &str) {
        let length = body.len();
        let text = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}");
        let _ = self.stream.write_all(text.as_bytes()).await;
        let _ = self.stream.shutdown().await;
        self.closed().await;
    }

    /// The head of an answer whose body follows in pieces.
    pub async fn begin(&mut self, content_type: &str) {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
        );
        self.stream.set_nodelay(true).unwrap();
        self.stream.write_all(head.as_bytes()).await.unwrap();
    }

    /// One piece of the body; `false` when the client is gone.
    pub async fn piece(&mut self, bytes: &[u8]) -> bool {
        let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
        chunk.extend_from_slice(bytes);
        chunk.extend_from_slice(b"\r\n");
        self.stream.write_all(&chunk).await.is_ok()
    }

    /// The proper end of the body. A connection dropped without it has broken off.
    pub async fn end(mut self) {
        let _ = self.stream.write_all(b"0\r\n\r\n").await;
        let _ = self.stream.shutdown().await;
        self.closed().await;
    }

    /// Waits until the client has closed.
    pub async fn closed(&mut self) {
        let mut block = [0; 1024];
        while matches!(self.stream.read(&mut block).await, Ok(count) if count > 0) {}
    }
}

/// The server's end of a WebSocket.
pub struct Socket {
    stream: WebSocketStream<TcpStream>,
}

impl Socket {
    /// The next text or binary message; `None` when the client closed or is gone.
    pub async fn next(&mut self) -> Option<Message> {
        loop {
            match self.stream.next().await? {
                Ok(message @ (Message::Text(_) | Message::Binary(_))) => return Some(message),
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// The next text message as JSON; sound before it is skipped.
    pub async fn next_json(&mut self) -> Option<serde_json::Value> {
        loop {
            if let Message::Text(text) = self.next().await? {
                return Some(serde_json::from_str(&text).unwrap());
            }
        }
    }

    /// Reads until `count` bytes of sound have come.
    pub async fn sound(&mut self, count: usize) -> Vec<u8> {
        let mut sound = Vec::new();
        while sound.len() < count {
            match self.next().await {
                Some(Message::Binary(bytes)) => {
                    assert!(!bytes.is_empty(), "an empty binary message ends a stream");
                    sound.extend_from_slice(&bytes);
                }
                other => panic!("sound expected, not {other:?}"),
            }
        }
        sound
    }

    pub async fn send(&mut self, text: impl Into<Utf8Bytes>) {
        let _ = self.stream.send(Message::text(text)).await;
    }

    /// Closes with a code and waits for the client's answer.
    pub async fn close(&mut self, code: u16, reason: &str) {
        let frame = CloseFrame { code: code.into(), reason: reason.to_owned().into() };
        let _ = self.stream.close(Some(frame)).await;
        while self.next().await.is_some() {}
    }
}
