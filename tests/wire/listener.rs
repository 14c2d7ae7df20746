//! What a stranger can take of the listener.

use std::time::{Duration, Instant};

use agentphone::control::http::Limits;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::client::{get, post};
use super::door::Door;

const PATIENCE: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn a_connection_that_asks_for_nothing_is_closed() {
    let door = Door::open_within(&[], 1, Limits { header_timeout: SHORT, ..Limits::default() }).await;
    let began = Instant::now();
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", door.address);
    // Says nothing; begins a request and goes on no further; asks once and stays.
    for (sent, answered) in [("", false), ("GET /healthz HTTP/1.1\r\nHo", false), (request.as_str(), true)] {
        let mut socket = TcpStream::connect(door.address).await.unwrap();
        socket.write_all(sent.as_bytes()).await.unwrap();
        let mut received = Vec::new();
        timeout(PATIENCE, socket.read_to_end(&mut received)).await.expect("it is closed").unwrap();
        assert_eq!(received.starts_with(b"HTTP/1.1 200"), answered, "{sent:?}");
    }
    assert!(began.elapsed() >= 2 * SHORT, "they were given their time");
}

#[tokio::test]
async fn an_answer_may_take_longer_than_its_question() {
    let door = Door::open_within(&[], 1, Limits { header_timeout: SHORT, ..Limits::default() }).await;
    let caller = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let body = json!({"agentId": "front-desk", "transport": "rtp", "remote": caller.local_addr().unwrap()});
    let leg = post(door.address, "/v1/media/legs", &body.to_string()).await.json();
    let id = leg["callId"].as_str().unwrap();
    let mut events = TcpStream::connect(door.address).await.unwrap();
    let request = format!("GET /v1/calls/{id}/events HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", door.address);
    events.write_all(request.as_bytes()).await.unwrap();
    // The agent's sound is the clock: fifty packets are a second.
    let began = Instant::now();
    for _ in 0..50 {
        timeout(PATIENCE, caller.recv_from(&mut [0; 2_048])).await.expect("the line goes on").unwrap();
    }
    assert!(began.elapsed() > 2 * SHORT);
    assert_eq!(post(door.address, &format!("/v1/calls/{id}/end"), "").await.status, 200);
    let mut told = String::new();
    timeout(PATIENCE, events.read_to_string(&mut told)).await.expect("the stream ends with the call").unwrap();
    assert!(told.contains("event: connected") && told.contains("event: ended"), "{told}");
}

#[tokio::test]
async fn beyond_the_limit_a_connection_waits_for_room() {
    let door = Door::open_within(&[], 1, Limits { header_timeout: 2 * SHORT, connections: 1 }).await;
    let mut silent = TcpStream::connect(door.address).await.unwrap();
    let began = Instant::now();
    // Accepted after the silent one, which came first and has to time out.
    assert_eq!(get(door.address, "/healthz").await.status, 200);
    assert!(began.elapsed() >= SHORT, "there was room for one");
    assert_eq!(timeout(PATIENCE, silent.read(&mut [0; 8])).await.expect("it is closed").unwrap(), 0);
}
