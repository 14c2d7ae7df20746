//! Calls through the door: attached, watched, steered and ended.

use std::time::Duration;

use agentphone::rtp::{SdesCrypto, SrtpReceiver};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::client::{get, post, send};
use super::door::Door;

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_leg_is_attached_shown_and_taken_away() {
    let door = Door::open(&[], 4).await;
    let caller = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let leg = attach(&door, &caller).await;
    let id = leg["callId"].as_str().unwrap();
    assert_eq!(leg["agentId"], "front-desk");
    assert_eq!(leg["status"], "in-progress");
    assert_eq!((&leg["codec"], &leg["payloadType"], &leg["telephoneEvent"]), (&json!("PCMU"), &json!(0), &json!(101)));
    assert_eq!(leg["remote"], caller.local_addr().unwrap().to_string());
    let local: std::net::SocketAddr = leg["local"].as_str().unwrap().parse().unwrap();
    assert!((20_000..=29_999).contains(&local.port()) && local.port().is_multiple_of(2));

    // The greeting comes as RTP from the address that was told.
    let mut packet = [0; 2_048];
    let (length, from) = timeout(PATIENCE, caller.recv_from(&mut packet)).await.expect("the agent speaks").unwrap();
    assert_eq!((from, length, packet[0], packet[1] & 0x7f), (local, 172, 0x80, 0));

    let call = get(door.address, &format!("/v1/calls/{id}")).await.json();
    assert_eq!((&call["id"], &call["status"]), (&json!(id), &json!("in-progress")));
    assert_eq!((&call["fromNumber"], &call["toNumber"]), (&json!("+14155550100"), &json!("+14155550101")));
    assert_eq!(call["engine"]["state"], "live");
    assert!(call["engine"]["outbound"]["sent"].as_u64().is_some_and(|sent| sent > 0), "{call}");
    let calls = get(door.address, "/v1/calls?status=in-progress&search=5550100").await.json();
    assert_eq!((&calls["total"], &calls["data"][0]["id"]), (&json!(1), &json!(id)));
    assert_eq!(get(door.address, "/v1/agents/front-desk/calls?direction=outbound").await.json()["total"], 0);
    assert_eq!(get(door.address, "/healthz").await.json()["liveCalls"], 1);

    let over = send(door.address, "DELETE", &format!("/v1/media/legs/{id}"), &[], "").await;
    assert_eq!(over.status, 200);
    assert_eq!(over.json()["status"], "completed");
    assert_eq!(over.json()["engine"]["state"], "ended");
    // Again: both sides may hang up at one time.
    let again = send(door.address, "DELETE", &format!("/v1/media/legs/{id}"), &[], "").await;
    assert_eq!((again.status, again.json()), (200, over.json()));
    assert_eq!(get(door.address, &format!("/v1/calls/{id}")).await.json(), over.json());
    post(door.address, &format!("/v1/calls/{id}/end"), "").await.refused(409, "CONFLICT");
    post(door.address, &format!("/v1/calls/{id}/say"), r#"{"text":"Hi."}"#).await.refused(409, "CONFLICT");
    assert_eq!(get(door.address, "/v1/calls?status=completed").await.json()["total"], 1);
}

#[tokio::test]
async fn the_events_of_a_call_are_told_live_and_again_when_it_is_over() {
    let door = Door::open(&[], 4).await;
    let caller = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let leg = attach(&door, &caller).await;
    let id = leg["callId"].as_str().unwrap();
    let path = format!("/v1/calls/{id}/events");

    let mut socket = TcpStream::connect(door.address).await.unwrap();
    socket.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).await.unwrap();
    let mut lines = BufReader::new(socket).lines();
    let mut live = Vec::new();
    let mut head = Vec::new();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut next = async || tokio::time::timeout_at(deadline, lines.next_line()).await;
    while let Some(line) = next().await.expect("the stream comes to its end").unwrap() {
        if live.is_empty() && !line.starts_with("event: ") {
            head.push(line.to_ascii_lowercase());
        }
        if let Some(name) = line.strip_prefix("event: ") {
            live.push(name.to_owned());
        }
        // The greeting is under way: end the call from another connection.
        if live.last().is_some_and(|name| name == "answered") && line.starts_with("data: ") {
            let ending = post(door.address, &format!("/v1/calls/{id}/end"), "").await;
            assert_eq!((ending.status, &ending.json()["status"]), (200, &json!("ending")));
        }
        if line.starts_with("data: ") && live.last().is_some_and(|name| name == "ended") {
            let data: Value = serde_json::from_str(&line[6..]).unwrap();
            assert_eq!((&data["callId"], &data["status"]), (&json!(id), &json!("completed")));
            assert_eq!(data["disconnectionReason"], "agent_hangup");
            break;
        }
    }
    assert!(head.contains(&"content-type: text/event-stream; charset=utf-8".to_owned()), "{head:?}");
    assert!(head.contains(&"transfer-encoding: chunked".to_owned()), "{head:?}");
    assert_eq!((live.first().map(String::as_str), live.last().map(String::as_str)), (Some("connected"), Some("ended")));

    let told = get(door.address, &path).await;
    let again: Vec<_> = told.body.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!(again, live, "the same story, told from the record");
    for block in told.body.split_terminator("\n\n") {
        let lines: Vec<_> = block.lines().collect();
        assert!(lines.len() == 2 && lines[0].starts_with("event: ") && lines[1].starts_with("data: {"), "{block:?}");
    }
}

#[tokio::test]
async fn a_text_is_said_and_stands_in_the_transcript() {
    let door = Door::open(&[], 4).await;
    let caller = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let id = attach(&door, &caller).await["callId"].as_str().unwrap().to_owned();
    let said =
        post(door.address, &format!("/v1/calls/{id}/say"), r#"{"text":"One moment.","interruptible":false}"#).await;
    assert_eq!(said.status, 200, "{}", said.body);
    let wrong = post(door.address, &format!("/v1/calls/{id}/say"), r#"{"text":" ","interruptible":"no"}"#).await;
    assert_eq!(wrong.refused(422, "VALIDATION_ERROR")["error"]["details"].as_array().unwrap().len(), 2);

    let mut socket = TcpStream::connect(door.address).await.unwrap();
    let request = format!("GET /v1/calls/{id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut lines = BufReader::new(socket).lines();
    let heard = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.starts_with("data: ") && line.contains("One moment.") {
                return true;
            }
        }
        false
    };
    assert!(timeout(PATIENCE, heard).await.expect("it is said"));
    let transcript = get(door.address, &format!("/v1/calls/{id}/transcript")).await.json();
    assert!(transcript["transcript"].as_array().unwrap().iter().any(|line| line["content"] == "One moment."));
    let all = get(door.address, &format!("/v1/calls/{id}?timeout=10")).await.json();
    assert_eq!(all["status"], "in-progress");
}

#[tokio::test]
async fn a_call_may_differ_from_its_agent_and_change_while_it_lasts() {
    let door = Door::open(&[], 4).await;
    let caller = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut wish: Value = serde_json::from_str(&body(&caller)).unwrap();
    wish["initialGreeting"] = json!("Hello {{name}}{{title}}.");
    wish["variables"] = json!({"name": "Ada", "unused": null});
    wish["modelTier"] = json!("turbo");
    wish["denoisingMode"] = json!("none");
    wish["ambientSound"] = json!("coffee-shop");
    let answer = post(door.address, "/v1/media/legs", &wish.to_string()).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let id = answer.json()["callId"].as_str().unwrap().to_owned();
    let (call, transfer) = (format!("/v1/calls/{id}"), format!("/v1/calls/{id}/transfer"));

    let wrong = r#"{"voiceSpeed":3,"systemPrompt":7,"ambientSound":"disco","denoisingMode":"loud"}"#;
    let wrong = send(door.address, "PATCH", &call, &[], wrong).await;
    assert_eq!(wrong.refused(422, "VALIDATION_ERROR")["error"]["details"].as_array().unwrap().len(), 4);
    let changed =
        r#"{"systemPrompt":"Be kind.","voice":"Ada","ambientSound":"office","denoisingMode":"noise-cancellation"}"#;
    let changed = send(door.address, "PATCH", &call, &[], changed).await;
    assert_eq!(changed.status, 200, "{}", changed.body);
    let wrong = post(door.address, &transfer, r#"{"to":"555 0100"}"#).await;
    assert!(!wrong.refused(422, "VALIDATION_ERROR").to_string().contains("0100\""), "{}", wrong.body);
    assert_eq!(post(door.address, &transfer, r#"{"to":"+14155550100"}"#).await.status, 200);

    let mut socket = TcpStream::connect(door.address).await.unwrap();
    let request = format!("GET /v1/calls/{id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut lines = BufReader::new(socket).lines();
    let heard = async {
        let (mut greeted, mut refused) = (false, false);
        while !(greeted && refused) {
            let Some(line) = lines.next_line().await.unwrap() else { return false };
            greeted |= line.starts_with("data: ") && line.contains("Hello Ada.");
            // RTP has no way to hand anybody on: that is said at once, after the greeting was heard.
            refused |= line.contains("unsupported") && line.contains("transfer.failed");
        }
        true
    };
    assert!(timeout(PATIENCE, heard).await.expect("it greets, and refuses"));
    for (field, value) in [
        ("voiceSpeed", json!(3)),
        ("ambientSound", json!("disco")),
        ("modelTier", json!("huge")),
        ("denoisingMode", json!("magic")),
        ("variables", json!({"name": 7})),
        ("transferNumber", json!("0100")),
        ("interruptionSensitivity", json!("high")),
    ] {
        let mut wish: Value = serde_json::from_str(&body(&caller)).unwrap();
        wish[field] = value;
        let answer = post(door.address, "/v1/media/legs", &wish.to_string()).await;
        assert_eq!(answer.refused(422, "VALIDATION_ERROR")["error"]["details"][0]["field"], field);
    }
}

#[tokio::test]
async fn an_encrypted_leg_is_answered_with_our_key_and_speaks_only_under_it() {
    let door = Door::open(&[], 4).await;
    let caller = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut wish: Value = serde_json::from_str(&body(&caller)).unwrap();
    wish["srtp"] = json!({"receive": "2 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^31"});
    let answer = post(door.address, "/v1/media/legs", &wish.to_string()).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let answer = answer.json();
    let ours = SdesCrypto::parse(answer["srtp"]["send"].as_str().unwrap()).unwrap();
    assert_eq!((ours.tag, ours.key.suite().name()), (2, "AES_CM_128_HMAC_SHA1_80"));
    let mut receiver = SrtpReceiver::new(&ours.key);
    for _ in 0..5 {
        let mut buffer = [0; 2_048];
        let length = timeout(PATIENCE, caller.recv(&mut buffer)).await.expect("sound comes").unwrap();
        assert_eq!(length, 12 + 160 + 10);
        assert_eq!(receiver.open(&mut buffer[..length]), Ok(172));
    }
    // Only the answer to whoever attached the call tells the key.
    let id = answer["callId"].as_str().unwrap();
    let call = get(door.address, &format!("/v1/calls/{id}")).await;
    assert!(!call.body.contains("inline:"), "{}", call.body);
    assert_eq!(call.json()["engine"]["quality"]["reportsReceived"], 0);
}

#[tokio::test]
async fn beyond_the_limit_calls_are_refused_with_when_to_come_again() {
    let door = Door::open(&[], 1).await;
    let caller = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    attach(&door, &caller).await;
    let busy = post(door.address, "/v1/media/legs", &body(&caller)).await;
    busy.refused(503, "UNAVAILABLE");
    assert!(busy.header("retry-after").is_some_and(|wait| wait.parse::<u64>().is_ok_and(|wait| wait > 0)));
    // What is refused for another reason takes no room, and what is busy is told only to those who asked rightly.
    post(door.address, "/v1/media/legs", r#"{"agentId":"nobody","transport":"rtp"}"#).await.refused(404, "NOT_FOUND");
}

#[tokio::test]
async fn a_drained_engine_leaves_the_record_of_every_call() {
    let door = Door::open(&[], 4).await;
    let caller = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let id = attach(&door, &caller).await["callId"].as_str().unwrap().to_owned();
    door.api.stop_admitting();
    let now = std::time::Instant::now();
    assert_eq!(timeout(PATIENCE, door.api.calls().engine().drain(now)).await.expect("it drains"), 1);
    timeout(PATIENCE, door.api.calls().settled()).await.expect("records are kept");
    let call = get(door.address, &format!("/v1/calls/{id}")).await.json();
    assert_eq!((&call["status"], &call["engine"]["disconnectionReason"]), (&json!("failed"), &json!("error_shutdown")));
    assert_eq!(door.api.calls().store().len(), 1);
}

async fn attach(door: &Door, caller: &UdpSocket) -> Value {
    let answer = post(door.address, "/v1/media/legs", &body(caller)).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.json()
}

fn body(caller: &UdpSocket) -> String {
    let remote = caller.local_addr().unwrap();
    json!({
        "agentId": "front-desk", "transport": "rtp", "remote": remote, "codec": "PCMU",
        "from": "+14155550100", "to": "+14155550101", "direction": "inbound",
    })
    .to_string()
}
