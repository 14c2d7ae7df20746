use std::time::Duration;

use agentphone::audio::SampleRate;
use agentphone::conversation::{Failure, WordTime};
use agentphone::provider::{ElevenLabs, ElevenLabsConfig, Secret, Tts, TtsEvent, TtsSpec, TtsStream};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::server::{Server, Socket, bounded};

fn open(config: ElevenLabsConfig, rate: SampleRate) -> TtsStream {
    let spec = TtsSpec { voice: Some("v/1".into()), language: "en-US".into(), speed: 1.1, rate };
    ElevenLabs::new(config).unwrap().open(spec)
}

fn config(server: &Server) -> ElevenLabsConfig {
    ElevenLabsConfig { base_url: server.url(), key: Secret::new("k-1"), ..Default::default() }
}

async fn all(mut stream: TtsStream) -> (Vec<i16>, Vec<WordTime>, TtsEvent) {
    let (mut sound, mut words) = (Vec::new(), Vec::new());
    loop {
        match bounded(stream.recv()).await.expect("a last event") {
            TtsEvent::Audio { samples, .. } => sound.extend(samples),
            TtsEvent::Words(more) => words.extend(more),
            last => return (sound, words, last),
        }
    }
}

fn failure(event: &TtsEvent) -> Failure {
    match event {
        TtsEvent::Failed(error) => error.kind,
        other => panic!("a failure expected, not {other:?}"),
    }
}

/// A chunk of `bytes` with the alignment of `text`, 10 ms a character.
fn chunk(bytes: &[u8], text: &str) -> String {
    let chars: Vec<String> = text.chars().map(String::from).collect();
    let starts: Vec<usize> = (0..chars.len()).map(|n| 10 * n).collect();
    let durations = vec![10; chars.len()];
    let alignment = json!({"chars": chars, "charStartTimesMs": starts, "charsDurationsMs": durations});
    let audio = base64_simd::STANDARD.encode_to_string(bytes);
    json!({"audio": audio, "isFinal": null, "alignment": alignment, "normalizedAlignment": alignment}).to_string()
}

async fn until_end(socket: &mut Socket) -> Vec<Value> {
    let mut texts = Vec::new();
    while let Some(message) = socket.next_json().await {
        let text = message["text"].clone();
        if text == "" {
            break;
        }
        texts.push(message);
    }
    texts
}

#[tokio::test]
async fn a_reply_goes_out_as_text_and_comes_back_as_sound_with_words() {
    let (seen, mut requests) = mpsc::channel(1);
    let server = Server::websocket(move |_, request, mut socket| {
        let seen = seen.clone();
        async move {
            let texts = until_end(&mut socket).await;
            seen.send((request, texts)).await.unwrap();
            socket.send(chunk(&[0xFF; 800], " Hello there. ")).await;
            socket.send("{not json").await;
            socket.send(chunk(&[0xFF; 400], "Bye")).await;
            socket.send(r#"{"audio":null,"isFinal":true}"#).await;
            socket.close(1000, "").await;
        }
    })
    .await;
    let mut stream = open(config(&server), SampleRate::HZ_8000);
    for text in ["Hello there. ", "  ", "Bye"] {
        assert!(stream.speak(text.to_owned()));
    }
    assert!(stream.end());
    let (sound, words, last) = all(stream).await;
    assert_eq!(last, TtsEvent::Ended);
    assert_eq!(sound, vec![0; 1_200]);
    let word = |text_end, start, end| WordTime {
        text_end,
        start: Duration::from_millis(start),
        end: Duration::from_millis(end),
    };
    // The second group begins where 800 samples have ended, whatever its own clock says.
    assert_eq!(words, [word(5, 10, 60), word(12, 70, 130), word(18, 100, 130)]);

    let (request, texts) = requests.recv().await.unwrap();
    assert!(request.target.starts_with("/v1/text-to-speech/v%2F1/stream-input?"), "{}", request.target);
    assert_eq!(request.headers["xi-api-key"], "k-1");
    let query = request.query();
    assert_eq!(query["output_format"], "ulaw_8000");
    assert_eq!((query["auto_mode"].as_str(), query["sync_alignment"].as_str()), ("true", "true"));
    assert_eq!((query["model_id"].as_str(), query["language_code"].as_str()), ("eleven_flash_v2_5", "en"));
    let expected = [
        json!({"text": " ", "voice_settings": {"speed": f64::from(1.1f32)}}),
        json!({"text": "Hello there. "}),
        json!({"text": "Bye "}),
    ];
    assert_eq!(texts, expected);
}

#[tokio::test]
async fn wider_lines_get_samples_put_together_over_chunks() {
    let server = Server::websocket(|_, request, mut socket| async move {
        assert_eq!(request.query()["output_format"], "pcm_16000");
        until_end(&mut socket).await;
        socket.send(chunk(&[1, 0, 2], "")).await;
        socket.send(chunk(&[0, 3, 0], "")).await;
        // No last message: a proper close after the end of the text will do.
        socket.close(1000, "").await;
    })
    .await;
    let mut stream = open(config(&server), SampleRate::HZ_16000);
    stream.speak("Hi.".into());
    stream.end();
    assert_eq!(all(stream).await, (vec![1, 2, 3], Vec::new(), TtsEvent::Ended));
}

#[tokio::test]
async fn refusals_say_what_kind_they_are() {
    let server = Server::http(|number, _, connection| async move {
        let (status, body) = [
            ("401 Unauthorized", r#"{"detail":{"status":"invalid_api_key","message":"no"}}"#),
            ("401 Unauthorized", r#"{"detail":{"status":"quota_exceeded","message":"no"}}"#),
            ("429 Too Many Requests", r#"{"detail":{"status":"too_many_concurrent_requests"}}"#),
            ("500 Internal Server Error", ""),
        ][number];
        connection.answer(status, "", body).await;
    })
    .await;
    for kind in [Failure::Auth, Failure::Quota, Failure::RateLimit, Failure::Unavailable] {
        let (_, _, last) = all(open(config(&server), SampleRate::HZ_8000)).await;
        assert_eq!(failure(&last), kind);
    }
}

#[tokio::test]
async fn errors_and_closes_on_the_way_are_failures_after_the_sound_before_them() {
    const CASES: [(&str, u16, &str, Failure); 5] = [
        (r#"{"message":"You said hello","error":"quota_exceeded","code":1008}"#, 1008, "", Failure::Quota),
        (
            r#"{"message":"A voice with this id","error":"voice_id_does_not_exist","code":1008}"#,
            1008,
            "",
            Failure::BadRequest,
        ),
        ("", 1008, "Invalid API key", Failure::Auth),
        ("", 1011, "", Failure::Unavailable),
        ("", 1000, "", Failure::Unavailable),
    ];
    let server = Server::websocket(|number, _, mut socket| async move {
        socket.next_json().await;
        socket.next_json().await;
        socket.send(chunk(&[0xFF; 80], "Hel")).await;
        let (error, code, reason, _) = CASES[number];
        if !error.is_empty() {
            socket.send(error).await;
        }
        socket.close(code, reason).await;
    })
    .await;
    for (_, _, _, kind) in CASES {
        let mut stream = open(config(&server), SampleRate::HZ_8000);
        stream.speak("Hello there. ".into());
        let (sound, _, last) = all(stream).await;
        assert_eq!((sound.len(), failure(&last)), (80, kind));
        let TtsEvent::Failed(error) = last else { unreachable!() };
        assert!(!error.message.contains("hello"), "{error}");
    }
}

#[tokio::test]
async fn a_voice_that_stays_silent_is_too_slow() {
    let server = Server::websocket(|_, _, mut socket| async move { while socket.next().await.is_some() {} }).await;
    let config = ElevenLabsConfig { patience: Duration::from_millis(150), ..config(&server) };
    let mut stream = open(config, SampleRate::HZ_8000);
    stream.speak("Hello. ".into());
    assert_eq!(failure(&all(stream).await.2), Failure::Timeout);
}

#[tokio::test]
async fn a_reply_without_words_ends_at_once() {
    let server = Server::websocket(|_, _, mut socket| async move { while socket.next().await.is_some() {} }).await;
    let mut stream = open(config(&server), SampleRate::HZ_8000);
    stream.speak(" ".into());
    stream.end();
    assert_eq!(all(stream).await, (Vec::new(), Vec::new(), TtsEvent::Ended));
}

#[tokio::test]
async fn dropping_the_stream_closes_the_socket() {
    let (closed, mut is_closed) = mpsc::channel(1);
    let server = Server::websocket(move |_, _, mut socket| {
        let closed = closed.clone();
        async move {
            socket.next_json().await;
            socket.next_json().await;
            socket.send(chunk(&[0xFF; 80], "Hel")).await;
            while socket.next().await.is_some() {}
            closed.send(()).await.unwrap();
        }
    })
    .await;
    let mut stream = open(config(&server), SampleRate::HZ_8000);
    stream.speak("Hello. ".into());
    assert!(matches!(bounded(stream.recv()).await, Some(TtsEvent::Audio { .. })));
    drop(stream);
    bounded(is_closed.recv()).await.unwrap();
}
