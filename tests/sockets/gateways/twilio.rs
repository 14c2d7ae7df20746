//! Twilio Media Streams over a real WebSocket.

use std::future::ready;
use std::time::Duration;

use agentphone::gateway::websocket::twilio::{AcceptError, Accepted, accept};
use agentphone::gateway::websocket::{WsFrame, WsSocket};
use agentphone::gateway::{Leg, LegEvent};
use agentphone::rtp::{Header, Packet, PacketBuf, PayloadType, Ssrc};
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

const PATIENCE: Duration = Duration::from_secs(5);
const CONNECTED: &str = r#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#;
const START: &str = r#"{"event":"start","sequenceNumber":"1","streamSid":"MZ1","start":{"streamSid":"MZ1",
    "accountSid":"AC1","callSid":"CA1","tracks":["inbound"],"customParameters":{"k":"v"},
    "mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}}}"#;

type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A client's end and ours of one WebSocket.
async fn connect() -> (Client, impl WsSocket<Error>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let (client, server) = tokio::join!(tokio_tungstenite::connect_async(url), async {
        tokio_tungstenite::accept_async(listener.accept().await.unwrap().0).await.unwrap()
    });
    let ours = server.map(|message| message.map(to_frame)).with(|frame| ready(to_message(frame)));
    (client.unwrap().0, ours)
}

fn to_frame(message: Message) -> WsFrame {
    match message {
        Message::Text(text) => WsFrame::Text(text.into()),
        Message::Binary(bytes) => WsFrame::Binary(bytes),
        Message::Close(_) => WsFrame::Close,
        _ => WsFrame::Other,
    }
}

fn to_message(frame: WsFrame) -> Result<Message, Error> {
    Ok(match frame {
        WsFrame::Text(text) => Message::Text(Utf8Bytes::try_from(text).expect("we send UTF-8")),
        WsFrame::Binary(bytes) => Message::Binary(bytes),
        WsFrame::Close => Message::Close(None),
        WsFrame::Other => Message::Ping(Default::default()),
    })
}

/// A stream that has started.
async fn started() -> (Client, Accepted) {
    let (mut client, ours) = connect().await;
    say(&mut client, CONNECTED).await;
    say(&mut client, START).await;
    let accepted = timeout(PATIENCE, accept(ours)).await.unwrap().unwrap();
    (client, accepted)
}

async fn say(client: &mut Client, text: &str) {
    client.send(Message::text(text)).await.unwrap();
}

async fn recv(leg: &mut Leg, buffer: &mut [u8]) -> LegEvent {
    timeout(PATIENCE, leg.line.recv(buffer)).await.expect("something comes from the line")
}

/// What the client is told next, while we drive our end as a driver does.
async fn told(client: &mut Client, leg: &mut Leg) -> Message {
    let mut buffer = [0; 2_048];
    tokio::select! {
        event = leg.line.recv(&mut buffer) => panic!("unexpected {event:?}"),
        message = timeout(PATIENCE, client.next()) => message.expect("a message").expect("open").unwrap(),
    }
}

fn packet(payload: &[u8]) -> PacketBuf {
    let header = Header { marker: false, payload_type: PayloadType(0), sequence: 1, timestamp: 0, ssrc: Ssrc(1) };
    PacketBuf::write(header, |room| {
        room[..payload.len()].copy_from_slice(payload);
        payload.len()
    })
}

#[tokio::test]
async fn the_callers_sound_keys_and_marks_reach_the_call_and_noise_is_counted() {
    let (mut client, Accepted { info, mut leg }) = started().await;
    assert_eq!((info.stream_sid.as_str(), info.call_sid.as_str()), ("MZ1", "CA1"));
    assert!(leg.far_buffer && leg.lead == Duration::from_millis(60) && leg.telephone_event.is_none());
    assert!(!format!("{info:?}").contains("custom"), "what callers are is not printed");

    client.send(Message::binary(vec![0; 160])).await.unwrap();
    say(&mut client, "{nonsense").await;
    say(
        &mut client,
        r#"{"event":"media","media":{"track":"inbound","chunk":"65537","timestamp":"345","payload":"//7+"}}"#,
    )
    .await;
    let mut buffer = [0; 2_048];
    let LegEvent::Packet(length) = recv(&mut leg, &mut buffer).await else { panic!("not a packet") };
    let packet = Packet::parse(&buffer[..length]).unwrap();
    assert_eq!(
        (packet.header.sequence, packet.header.timestamp, packet.header.payload_type),
        (1, 2_760, PayloadType(0))
    );
    assert_eq!(packet.payload, [0xFF, 0xFE, 0xFE]);
    assert_eq!(leg.line.counters().malformed, 2);

    say(&mut client, r##"{"event":"dtmf","dtmf":{"track":"inbound_track","digit":"#"}}"##).await;
    assert_eq!(recv(&mut leg, &mut buffer).await, LegEvent::Digit('#'));
    say(&mut client, r#"{"event":"mark","mark":{"name":"7"}}"#).await;
    assert_eq!(recv(&mut leg, &mut buffer).await, LegEvent::Played(7));
    say(&mut client, r#"{"event":"stop","stop":{"accountSid":"AC1","callSid":"CA1"}}"#).await;
    assert_eq!(recv(&mut leg, &mut buffer).await, LegEvent::Closed);
    assert_eq!(recv(&mut leg, &mut buffer).await, LegEvent::Closed, "and stays closed");
}

#[tokio::test]
async fn the_agents_sound_marks_and_clears_reach_the_far_side_in_order() {
    let (mut client, Accepted { mut leg, .. }) = started().await;
    leg.line.send(&packet(&[0xFF, 0xFE, 0xFE]));
    leg.line.mark(7);
    let media = r#"{"event":"media","streamSid":"MZ1","media":{"payload":"//7+"}}"#;
    assert_eq!(told(&mut client, &mut leg).await, Message::text(media));
    let mark = r#"{"event":"mark","streamSid":"MZ1","mark":{"name":"7"}}"#;
    assert_eq!(told(&mut client, &mut leg).await, Message::text(mark));

    // What has not left when the agent is silenced never leaves.
    leg.line.send(&packet(&[0xFF]));
    leg.line.mark(8);
    leg.line.clear();
    assert_eq!(told(&mut client, &mut leg).await, Message::text(mark.replace('7', "8")));
    assert_eq!(told(&mut client, &mut leg).await, Message::text(r#"{"event":"clear","streamSid":"MZ1"}"#));
}

#[tokio::test]
async fn closing_the_line_closes_the_socket_properly() {
    let (mut client, Accepted { mut leg, .. }) = started().await;
    leg.line.close();
    leg.line.send(&packet(&[0xFF]));
    let far_side = tokio::spawn(async move {
        let first = timeout(PATIENCE, client.next()).await.unwrap().unwrap().unwrap();
        // Answering the closing handshake is the library's, while it reads on to the end.
        while timeout(PATIENCE, client.next()).await.unwrap().is_some_and(|message| message.is_ok()) {}
        first
    });
    assert_eq!(recv(&mut leg, &mut [0; 64]).await, LegEvent::Closed);
    drop(leg);
    assert_eq!(far_side.await.unwrap(), Message::Close(None));
}

#[tokio::test]
async fn a_far_side_that_does_not_read_costs_sound_and_never_memory() {
    let (_client, Accepted { mut leg, .. }) = started().await;
    for _ in 0..150 {
        leg.line.send(&packet(&[0xFF; 160]));
    }
    assert_eq!(leg.line.counters().send_failed, 50);
    leg.line.clear();
    leg.line.send(&packet(&[0xFF; 160]));
    assert_eq!(leg.line.counters().send_failed, 50, "a clear makes room");
}

#[tokio::test]
async fn a_stream_that_does_not_start_as_it_should_is_refused() {
    let media = r#"{"event":"media","media":{"track":"inbound","chunk":"1","timestamp":"5","payload":""}}"#;
    let linear = START.replace("audio/x-mulaw", "audio/l16");
    for (first, refused) in [(media, AcceptError::Protocol), (&linear, AcceptError::Format)] {
        let (mut client, ours) = connect().await;
        say(&mut client, first).await;
        assert_eq!(timeout(PATIENCE, accept(ours)).await.unwrap().err(), Some(refused));
    }
    let (client, ours) = connect().await;
    drop(client);
    assert_eq!(timeout(PATIENCE, accept(ours)).await.unwrap().err(), Some(AcceptError::Closed));
}
