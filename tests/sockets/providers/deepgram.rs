use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use agentphone::audio::{Frame, Piece, SampleRate};
use agentphone::conversation::{Failure, TranscriptKind};
use agentphone::provider::{Deepgram, DeepgramConfig, Secret, Stt, SttEvent, SttSpec, SttStream};
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use super::server::{Server, bounded, upgrade};

const MS: Duration = Duration::from_millis(1);

fn open_at(url: String, rate: SampleRate) -> SttStream {
    let config = DeepgramConfig { base_url: url, key: Secret::new("k-1"), ..Default::default() };
    Deepgram::new(config).unwrap().open(SttSpec { language: "en-US".into(), rate, model: None })
}

fn open(server: &Server) -> SttStream {
    open_at(server.url(), SampleRate::HZ_8000)
}

/// 20 ms of one value.
fn frame(value: i16) -> Frame {
    Frame::from_samples(SampleRate::HZ_8000, &[value; 160]).unwrap()
}

fn results(text: &str, start: f64, duration: f64, is_final: bool, speech_final: bool) -> String {
    json!({"type": "Results", "channel_index": [0, 1], "start": start, "duration": duration, "is_final": is_final,
        "speech_final": speech_final, "from_finalize": false, "metadata": {},
        "channel": {"alternatives": [{"transcript": text, "confidence": 0.9, "words": []}]}})
    .to_string()
}

async fn transcript(stream: &mut SttStream) -> (TranscriptKind, String, Option<Duration>) {
    match bounded(stream.recv()).await {
        Some(SttEvent::Transcript(transcript)) => (transcript.kind, transcript.text, transcript.audio_end),
        other => panic!("words expected, not {other:?}"),
    }
}

async fn failure(stream: &mut SttStream) -> Failure {
    match bounded(stream.recv()).await {
        Some(SttEvent::Failed(error)) => error.kind,
        other => panic!("a failure expected, not {other:?}"),
    }
}

#[tokio::test]
async fn telephone_sound_goes_straight_through_and_words_come_back() {
    let (seen, mut requests) = mpsc::channel(1);
    let server = Server::websocket(move |_, request, mut socket| {
        let seen = seen.clone();
        async move {
            seen.send(request).await.unwrap();
            let first = socket.next().await.unwrap();
            assert_eq!(first, Message::binary(vec![0xFF; 160]), "one message a frame, as µ-law");
            socket.send(r#"{"type":"SpeechStarted","channel":[0],"timestamp":0.0}"#).await;
            socket.send(results("I would", 0.0, 1.0, false, false)).await;
            socket.send("garbage").await;
            socket.send(r#"{"type":"Results","start":"no"}"#).await;
            socket.send(results("I would like", 0.0, 1.5, true, false)).await;
            socket.send(results("to book.", 1.5, 0.5, true, true)).await;
            socket.send(r#"{"type":"UtteranceEnd","channel":[0,1],"last_word_end":2.0}"#).await;
            socket.send(results("Bye", 3.0, 1.0, true, false)).await;
            socket.send(r#"{"type":"UtteranceEnd","channel":[0,1],"last_word_end":3.9}"#).await;
            while socket.next().await.is_some() {}
        }
    })
    .await;
    let mut stream = open(&server);
    stream.send(&frame(0));
    let expected = [
        (TranscriptKind::Interim, "I would", 1_000),
        (TranscriptKind::Final, "I would like", 1_500),
        (TranscriptKind::EndOfTurn, "to book.", 2_000),
        (TranscriptKind::Final, "Bye", 4_000),
        (TranscriptKind::EndOfTurn, "", 3_900),
    ];
    for (kind, text, end) in expected {
        assert_eq!(transcript(&mut stream).await, (kind, text.to_owned(), Some(end * MS)));
    }
    let request = requests.recv().await.unwrap();
    assert!(request.target.starts_with("/v1/listen?"));
    assert_eq!(request.headers["authorization"], "Token k-1");
    let query = request.query();
    for (name, value) in [
        ("model", "nova-3"),
        ("language", "en-US"),
        ("encoding", "mulaw"),
        ("sample_rate", "8000"),
        ("interim_results", "true"),
        ("endpointing", "300"),
        ("utterance_end_ms", "1000"),
    ] {
        assert_eq!(query[name], value, "{name}");
    }
}

#[tokio::test]
async fn wider_sound_goes_as_samples() {
    let (seen, mut sound) = mpsc::channel(1);
    let server = Server::websocket(move |_, request, mut socket| {
        let seen = seen.clone();
        async move { seen.send((request.query(), socket.sound(4).await)).await.unwrap() }
    })
    .await;
    let mut stream = open_at(server.url(), SampleRate::HZ_16000);
    stream.send(&Piece::empty(SampleRate::HZ_16000));
    stream.send(&Piece::from_samples(SampleRate::HZ_16000, &[1, -2]).unwrap());
    let (query, bytes) = bounded(sound.recv()).await.unwrap();
    assert_eq!((query["encoding"].as_str(), query["sample_rate"].as_str()), ("linear16", "16000"));
    assert_eq!(bytes, [1, 0, 0xFE, 0xFF]);
}

#[tokio::test]
async fn finalize_follows_the_sound_and_goodbye_is_said() {
    let (seen, mut texts) = mpsc::channel(4);
    let server = Server::websocket(move |_, _, mut socket| {
        let seen = seen.clone();
        async move {
            seen.send(json!(socket.sound(320).await.len())).await.unwrap();
            while let Some(message) = socket.next_json().await {
                seen.send(message).await.unwrap();
            }
            seen.send(Value::Null).await.unwrap();
        }
    })
    .await;
    let mut stream = open(&server);
    stream.send(&frame(0));
    stream.send(&frame(0));
    stream.finalize();
    assert_eq!(bounded(texts.recv()).await, Some(json!(320)));
    assert_eq!(bounded(texts.recv()).await, Some(json!({"type": "Finalize"})));
    drop(stream);
    assert_eq!(bounded(texts.recv()).await, Some(json!({"type": "CloseStream"})));
    assert_eq!(bounded(texts.recv()).await, Some(Value::Null), "and the connection is closed");
}

#[tokio::test]
async fn sound_from_before_the_connection_is_not_lost() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut stream = open_at(format!("ws://{}", listener.local_addr().unwrap()), SampleRate::HZ_8000);
    // The client has dialled; the upgrade is answered only after three seconds of sound.
    let (tcp, _) = bounded(listener.accept()).await.unwrap();
    for _ in 0..150 {
        stream.send(&frame(0));
        tokio::task::yield_now().await;
    }
    let (_, mut socket) = bounded(upgrade(tcp)).await.unwrap();
    assert_eq!(stream.dropped(), 0);
    assert_eq!(bounded(socket.sound(24_000)).await.len(), 24_000);
}

#[tokio::test]
async fn sound_beyond_what_is_kept_is_counted() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut stream = open_at(format!("ws://{}", listener.local_addr().unwrap()), SampleRate::HZ_8000);
    // Twenty seconds are kept for the connection that does not come up.
    for _ in 0..1_000 + 7 {
        stream.send(&frame(0));
        tokio::task::yield_now().await;
    }
    let (tcp, _) = bounded(listener.accept()).await.unwrap();
    let (_, mut socket) = bounded(upgrade(tcp)).await.unwrap();
    assert_eq!(bounded(socket.sound(160_000)).await.len(), 160_000);
    assert_eq!(stream.dropped(), 0);
    let page = recorder.handle().render();
    assert!(page.contains("agentphone_stt_audio_dropped_total 7\n"), "{page}");
}

#[tokio::test]
async fn sound_is_kept_while_the_connection_takes_none() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let mut stream = open_at(format!("ws://{}", listener.local_addr().unwrap()), SampleRate::HZ_16000);
    let (tcp, _) = bounded(listener.accept()).await.unwrap();
    let (_, socket) = bounded(upgrade(tcp)).await.unwrap();
    // More than the network between the two holds: the server never reads.
    let frame: Frame = Frame::from_samples(SampleRate::HZ_16000, &[1; 960]).unwrap();
    for _ in 0..16 * 1_024 * 1_024 / (2 * 960) {
        stream.send(&frame);
        tokio::task::yield_now().await;
    }
    assert_eq!(stream.dropped(), 0);
    drop(socket);
}

#[tokio::test]
async fn a_lost_connection_comes_back_with_the_sound_since_the_last_settled_words() {
    let server = Server::websocket(|number, _, mut socket| async move {
        if number == 0 {
            // Two seconds; the first one and a half are settled, then the server goes away.
            socket.sound(16_000).await;
            socket.send(results("one", 0.0, 1.5, true, false)).await;
            socket.send(results("tw", 1.5, 0.5, false, false)).await;
            return;
        }
        let sound = socket.sound(4_000 + 160).await;
        assert_eq!(sound.len(), 4_160);
        assert_eq!(sound[..160], [0xFF - 75; 160], "it begins with frame 75, at 1.5 s");
        socket.send(results("two", 0.0, 0.5, true, true)).await;
        while socket.next().await.is_some() {}
    })
    .await;
    let mut stream = open(&server);
    for number in 0..100u8 {
        let value = ulaw_value(0xFF - number);
        stream.send(&frame(value));
        tokio::task::yield_now().await;
    }
    assert_eq!(transcript(&mut stream).await, (TranscriptKind::Final, "one".into(), Some(1_500 * MS)));
    assert_eq!(transcript(&mut stream).await.0, TranscriptKind::Interim);
    stream.send(&frame(0));
    assert_eq!(bounded(stream.recv()).await, Some(SttEvent::Reconnected { lost: Duration::ZERO }));
    assert_eq!(transcript(&mut stream).await, (TranscriptKind::EndOfTurn, "two".into(), Some(2_000 * MS)));
}

#[tokio::test]
async fn a_question_the_lost_connection_took_along_is_asked_again() {
    let server = Server::websocket(|number, _, mut socket| async move {
        socket.sound(320).await;
        assert_eq!(socket.next_json().await, Some(json!({"type": "Finalize"})));
        if number == 0 {
            return;
        }
        let answer =
            results("two", 0.0, 0.04, true, true).replace(r#""from_finalize":false"#, r#""from_finalize":true"#);
        socket.send(answer).await;
        while socket.next().await.is_some() {}
    })
    .await;
    let mut stream = open(&server);
    stream.send(&frame(0));
    stream.send(&frame(0));
    stream.finalize();
    assert_eq!(bounded(stream.recv()).await, Some(SttEvent::Reconnected { lost: Duration::ZERO }));
    assert_eq!(transcript(&mut stream).await, (TranscriptKind::Final, "two".into(), Some(40 * MS)));
}

/// The sample that is encoded as `code`.
fn ulaw_value(code: u8) -> i16 {
    let mut decoder = agentphone::audio::Decoder::new(agentphone::audio::Codec::Pcmu);
    decoder.decode(&[code]).unwrap().samples()[0]
}

#[tokio::test]
async fn a_refused_key_is_not_tried_again() {
    let tries = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&tries);
    let server = Server::http(move |_, _, connection| {
        counter.fetch_add(1, Ordering::SeqCst);
        async move {
            let body = r#"{"err_code":"INVALID_AUTH","err_msg":"Invalid credentials.","request_id":"r7"}"#;
            connection
                .answer("401 Unauthorized", "dg-error: Invalid credentials.\r\ndg-request-id: r7\r\n", body)
                .await;
        }
    })
    .await;
    let mut stream = open(&server);
    let Some(SttEvent::Failed(error)) = bounded(stream.recv()).await else { panic!("a failure expected") };
    assert_eq!(error.kind, Failure::Auth);
    assert!(error.message.contains("DEEPGRAM_API_KEY") && error.message.contains("request r7"), "{error}");
    assert_eq!(bounded(stream.recv()).await, None);
    assert_eq!(tries.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn refusals_that_no_waiting_mends_are_not_tried_again() {
    // A code that would be worth another try under another status.
    let body = r#"{"err_code":"TIMEOUT"}"#;
    for status in ["400 Bad Request", "401 Unauthorized", "402 Payment Required", "403 Forbidden"] {
        let tries = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&tries);
        let server = Server::http(move |_, _, connection| {
            counter.fetch_add(1, Ordering::SeqCst);
            async move { connection.answer(status, "", body).await }
        })
        .await;
        failure(&mut open(&server)).await;
        assert_eq!(tries.load(Ordering::SeqCst), 1, "{status}");
    }
}

#[tokio::test]
async fn a_recogniser_that_restarts_under_a_call_is_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut stream = open_at(format!("ws://{}", listener.local_addr().unwrap()), SampleRate::HZ_8000);
    stream.send(&frame(0));
    let (tcp, _) = bounded(listener.accept()).await.unwrap();
    let (_, mut socket) = bounded(upgrade(tcp)).await.unwrap();
    assert_eq!(bounded(socket.sound(160)).await.len(), 160);
    drop(socket);
    // Four tries in a row meet a server that is not ready.
    for _ in 0..4 {
        let (mut tcp, _) = bounded(listener.accept()).await.unwrap();
        let refusal = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        tcp.write_all(refusal).await.unwrap();
        stream.send(&frame(0));
    }
    let (tcp, _) = bounded(listener.accept()).await.unwrap();
    let (_, mut socket) = bounded(upgrade(tcp)).await.unwrap();
    assert_eq!(bounded(socket.sound(800)).await.len(), 800, "the sound before the loss and since");
    assert_eq!(bounded(stream.recv()).await, Some(SttEvent::Reconnected { lost: Duration::ZERO }));
    assert_eq!(stream.dropped(), 0);
}

#[tokio::test]
async fn a_server_that_closes_before_its_answer_is_complete_is_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut stream = open_at(format!("ws://{}", listener.local_addr().unwrap()), SampleRate::HZ_8000);
    stream.send(&frame(0));
    for answer in ["", "HTTP/1.1 101 Switching Proto"] {
        let (mut tcp, _) = bounded(listener.accept()).await.unwrap();
        // Read first: a socket closed with unread bytes is reset, which is another error.
        assert!(bounded(tcp.read(&mut [0; 4_096])).await.unwrap() > 0);
        tcp.write_all(answer.as_bytes()).await.unwrap();
    }
    let (tcp, _) = bounded(listener.accept()).await.unwrap();
    let (_, mut socket) = bounded(upgrade(tcp)).await.unwrap();
    assert_eq!(bounded(socket.sound(160)).await.len(), 160);
}

#[tokio::test]
async fn a_server_of_another_protocol_is_not_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut stream = open_at(format!("ws://{}", listener.local_addr().unwrap()), SampleRate::HZ_8000);
    let (mut tcp, _) = bounded(listener.accept()).await.unwrap();
    tcp.write_all(b"220 mail.example ESMTP\r\n\r\n").await.unwrap();
    assert_eq!(failure(&mut stream).await, Failure::Protocol);
}

#[tokio::test]
async fn a_recogniser_that_stays_away_is_given_up() {
    let refusing =
        Server::http(|_, _, connection| async move { connection.answer("429 Too Many Requests", "", "").await }).await;
    let closing = Server::websocket(|_, _, mut socket| async move { socket.close(1011, "NET-0000 busy").await }).await;
    let began = Instant::now();
    let last = async |server: &Server| {
        let mut stream = open(server);
        loop {
            match bounded(stream.recv()).await {
                Some(SttEvent::Reconnected { .. }) => {}
                Some(SttEvent::Failed(error)) => return (error, began.elapsed()),
                other => panic!("a failure expected, not {other:?}"),
            }
        }
    };
    let (refused, closed) = tokio::join!(last(&refusing), last(&closing));
    assert_eq!(refused.0.kind, Failure::RateLimit);
    assert_eq!(closed.0.kind, Failure::Unavailable);
    assert!(closed.0.message.contains("1011 NET-0000"), "{}", closed.0);
    for (_, after) in [refused, closed] {
        assert!(after > 7_000 * MS && after < 10_000 * MS, "given up after {after:?}");
    }
}

#[tokio::test]
async fn silence_is_bridged_and_a_dead_connection_noticed() {
    let (seen, mut kept) = mpsc::channel(2);
    let server = Server::websocket(move |number, _, mut socket| {
        let seen = seen.clone();
        async move {
            let message = socket.next_json().await;
            seen.send((number, message)).await.unwrap();
            if number == 0 {
                // It answered pings until here; from here on it neither reads nor closes.
                std::future::pending::<()>().await;
            }
        }
    })
    .await;
    let mut stream = open(&server);
    assert_eq!(bounded(kept.recv()).await, Some((0, Some(json!({"type": "KeepAlive"})))));
    assert_eq!(bounded(stream.recv()).await, Some(SttEvent::Reconnected { lost: Duration::ZERO }));
}

#[tokio::test]
async fn sound_at_another_rate_than_agreed_is_refused() {
    let server = Server::websocket(|_, _, mut socket| async move { while socket.next().await.is_some() {} }).await;
    let mut stream = open(&server);
    stream.send(&Piece::silence(SampleRate::HZ_16000, 20 * MS));
    assert_eq!(failure(&mut stream).await, Failure::BadRequest);
}
