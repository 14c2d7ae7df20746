//! A carrier's media stream through the door.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::client::{get, send};
use super::door::Door;

const KEY: &str = "sk_live_0123456789";
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_media_stream_is_a_call_like_any_other() {
    let door = Door::open(&[KEY], 4).await;
    let mut socket = connect(&door).await;
    socket.send(text(json!({"event": "connected", "protocol": "Call", "version": "1.0.0"}))).await.unwrap();
    socket.send(text(start())).await.unwrap();

    // The greeting comes as media of this stream.
    let media = next(&mut socket, "media").await;
    assert_eq!(media["streamSid"], "MZ01");
    assert!(media["media"]["payload"].as_str().is_some_and(|payload| !payload.is_empty()));

    let bearer = format!("Authorization: Bearer {KEY}");
    let calls = send(door.address, "GET", "/v1/calls", &[&bearer], "").await.json();
    let call = &calls["data"][0];
    assert_eq!((&call["status"], &call["engine"]["transport"]), (&json!("in-progress"), &json!("twilio")));
    assert_eq!((&call["fromNumber"], &call["toNumber"]), (&json!("+14155550100"), &json!("+14155550101")));
    assert_eq!((&call["engine"]["streamSid"], &call["engine"]["callSid"]), (&json!("MZ01"), &json!("CA01")));
    let id = call["id"].as_str().unwrap().to_owned();

    socket.send(text(json!({"event": "stop", "streamSid": "MZ01", "stop": {"callSid": "CA01"}}))).await.unwrap();
    let path = format!("/v1/calls/{id}?wait=true&timeout=20");
    let over = send(door.address, "GET", &path, &[&bearer], "").await.json();
    assert_eq!((&over["status"], &over["engine"]["disconnectionReason"]), (&json!("completed"), &json!("user_hangup")));
}

#[tokio::test]
async fn a_media_stream_that_does_not_start_leaves_no_call_and_gives_its_room_back() {
    let door = Door::open(&[KEY], 1).await;
    let mut socket = connect(&door).await;
    socket.send(text(json!({"event": "media", "streamSid": "MZ01", "media": {"payload": "AAAA"}}))).await.unwrap();
    let end = async { while let Some(Ok(_)) = socket.next().await {} };
    timeout(PATIENCE, end).await.expect("the stream is closed");
    // The room is free again: another stream is admitted.
    let mut socket = connect(&door).await;
    socket.send(text(start())).await.unwrap();
    next(&mut socket, "media").await;
    assert_eq!(get(door.address, "/healthz").await.json()["liveCalls"], 1);
}

async fn connect(door: &Door) -> WebSocketStream<TcpStream> {
    let socket = TcpStream::connect(door.address).await.unwrap();
    let url = format!("ws://{}/v1/streams/twilio/front-desk/{KEY}", door.address);
    let (socket, _) = timeout(PATIENCE, client_async(url, socket)).await.expect("the door answers").unwrap();
    socket
}

fn start() -> Value {
    json!({
        "event": "start", "sequenceNumber": "1", "streamSid": "MZ01",
        "start": {
            "accountSid": "AC01", "streamSid": "MZ01", "callSid": "CA01", "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {"from": "+14155550100", "to": "+14155550101"},
        },
    })
}

fn text(message: Value) -> Message {
    Message::text(message.to_string())
}

/// The next message with this `event`.
async fn next(socket: &mut WebSocketStream<TcpStream>, event: &str) -> Value {
    let found = async {
        loop {
            let message = socket.next().await.expect("the stream goes on").unwrap();
            let Message::Text(text) = message else { continue };
            let message: Value = serde_json::from_str(&text).unwrap();
            if message["event"] == event {
                return message;
            }
        }
    };
    timeout(PATIENCE, found).await.expect("it comes")
}
