//! A client that sends exactly the bytes it is told to.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Nothing on loopback may take longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// One answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    /// A header, by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// That it is an error in the one shape, with this status and code.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{} {}", self.head, self.body);
        assert_eq!(self.header("content-type"), Some("application/json"));
        let json = self.json();
        assert_eq!(json["error"]["code"], code, "{json}");
        assert!(json["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{json}");
        assert_eq!(json["detail"], json["message"]);
        assert_eq!(json["detail"], json["error"]["message"]);
        assert!(json["error"]["details"].is_array());
        json
    }
}

/// Sends a request and reads the whole answer. `headers` are lines without their line ends.
pub async fn send(address: SocketAddr, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    if !headers.iter().any(|header| header.to_ascii_lowercase().starts_with("content-length")) {
        request += &format!("Content-Length: {}\r\n", body.len());
    }
    for header in headers {
        request += header;
        request += "\r\n";
    }
    request += "\r\n";
    request += body;
    raw(address, request.as_bytes()).await
}

/// `GET` with nothing but a key, if any.
pub async fn get(address: SocketAddr, path: &str) -> Answer {
    send(address, "GET", path, &[], "").await
}

/// `POST` of a JSON text.
pub async fn post(address: SocketAddr, path: &str, body: &str) -> Answer {
    send(address, "POST", path, &["Content-Type: application/json"], body).await
}

/// Sends these bytes and reads to the end.
pub async fn raw(address: SocketAddr, request: &[u8]) -> Answer {
    let talk = async {
        let mut socket = TcpStream::connect(address).await.unwrap();
        // The server may answer and close before it has read everything: what was said before still counts.
        let _ = socket.write_all(request).await;
        let mut bytes = Vec::new();
        let _ = socket.read_to_end(&mut bytes).await;
        answer(&bytes)
    };
    timeout(PATIENCE, talk).await.expect("the server answers")
}

fn answer(bytes: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no HTTP answer: {text:?}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { dechunk(body) } else { body.to_owned() };
    Answer { status, head: head.to_owned(), body }
}

/// RFC 9112 section 7.1, for bodies in ASCII.
fn dechunk(mut rest: &str) -> String {
    let mut body = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("a chunk size");
        if size == 0 {
            break;
        }
        body += &after[..size];
        rest = &after[size + 2..];
    }
    body
}
