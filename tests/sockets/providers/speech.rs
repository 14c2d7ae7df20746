use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use agentphone::audio::SampleRate;
use agentphone::conversation::{Failure, WordTime};
use agentphone::provider::{OpenAiSpeech, OpenAiSpeechConfig, Secret, Tts, TtsEvent, TtsSpec, TtsStream};
use agentphone::simulator::{SimulatorConfig, Simulators};
use tokio::sync::{Semaphore, mpsc};

use super::server::{Server, bounded};

fn speak(config: OpenAiSpeechConfig, segments: &[&str]) -> TtsStream {
    let spec = TtsSpec { voice: None, language: "en-US".into(), speed: 1.25, rate: SampleRate::HZ_8000 };
    let mut stream = OpenAiSpeech::new(config).unwrap().open(spec);
    for segment in segments {
        assert!(stream.speak((*segment).to_owned()));
    }
    assert!(stream.end());
    stream
}

fn config(server: &Server) -> OpenAiSpeechConfig {
    let (base_url, key) = (format!("{}/v1", server.url()), Secret::new("k-1"));
    // A model that has speeds.
    OpenAiSpeechConfig { base_url, key, model: "tts-1".into(), ..Default::default() }
}

/// All sound in one piece, all words, and the last event.
async fn all(mut stream: TtsStream) -> (Vec<i16>, Vec<WordTime>, TtsEvent) {
    let (mut sound, mut words) = (Vec::new(), Vec::new());
    loop {
        match bounded(stream.recv()).await.expect("a last event") {
            TtsEvent::Audio { samples, rate } => {
                assert_eq!(rate, SampleRate::HZ_24000);
                sound.extend(samples);
            }
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

fn bytes(value: i16, count: usize) -> Vec<u8> {
    std::iter::repeat_n(value.to_le_bytes(), count).flatten().collect()
}

#[tokio::test]
async fn segments_are_heard_in_order_and_the_next_is_asked_for_meanwhile() {
    // The first answer ends only when the second has been asked for, the second only when the third has.
    let asked = Arc::new(Semaphore::new(0));
    let (busy, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (seen, mut requests) = mpsc::channel(8);
    let high_water = Arc::clone(&most);
    let server = Server::http(move |number, request, mut connection| {
        let (asked, busy, most, seen) = (Arc::clone(&asked), Arc::clone(&busy), Arc::clone(&most), seen.clone());
        async move {
            most.fetch_max(busy.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            asked.add_permits(1);
            seen.send(request).await.unwrap();
            connection.begin("audio/pcm").await;
            let sound = bytes(number as i16 + 1, 2_400);
            // An odd cut: samples are put together again.
            connection.piece(&sound[..1_001]).await;
            if number < 2 {
                asked.acquire_many(number as u32 + 2).await.unwrap().forget();
                asked.add_permits(number + 2);
            }
            connection.piece(&sound[1_001..]).await;
            busy.fetch_sub(1, Ordering::SeqCst);
            connection.end().await;
        }
    })
    .await;
    let (sound, words, last) = all(speak(config(&server), &["Grüß Gott. ", "   ", "How are you? ", "Bye."])).await;
    assert_eq!(last, TtsEvent::Ended);
    assert_eq!(sound, [vec![1; 2_400], vec![2; 2_400], vec![3; 2_400]].concat());
    let at = |n: u64| Duration::from_millis(100 * n);
    let word = |text_end, n| WordTime { text_end, start: at(n), end: at(n + 1) };
    assert_eq!(words, [word(13, 0), word(29, 1), word(33, 2)]);
    assert_eq!(high_water.load(Ordering::SeqCst), 2, "two at once, never three");

    let request = requests.recv().await.unwrap();
    assert_eq!(request.target, "/v1/audio/speech");
    assert_eq!(request.headers["authorization"], "Bearer k-1");
    assert_eq!(
        request.json(),
        serde_json::json!({"model": "tts-1", "input": "Grüß Gott.", "voice": "alloy",
            "response_format": "pcm", "speed": 1.25})
    );
}

#[tokio::test]
async fn a_segment_that_fails_comes_after_the_sound_before_it() {
    let server = Server::http(|number, _, mut connection| async move {
        if number == 0 {
            connection.begin("audio/pcm").await;
            connection.piece(&bytes(7, 240)).await;
            connection.end().await;
        } else {
            connection.answer("429 Too Many Requests", "", r#"{"error":{"code":"rate_limit_exceeded"}}"#).await;
        }
    })
    .await;
    let (sound, _, last) = all(speak(config(&server), &["One. ", "Two."])).await;
    assert_eq!((sound.len(), failure(&last)), (240, Failure::RateLimit));
}

#[tokio::test]
async fn sound_that_breaks_off_stalls_or_is_compressed_is_a_failure() {
    let server = Server::http(|number, _, mut connection| async move {
        if number == 2 {
            return connection.answer("200 OK", "content-type: audio/mpeg\r\n", "ID3").await;
        }
        connection.begin("audio/pcm").await;
        connection.piece(&bytes(7, 240)).await;
        if number == 1 {
            connection.closed().await;
        }
    })
    .await;
    let short = OpenAiSpeechConfig { idle: Duration::from_millis(150), ..config(&server) };
    for (samples, kind) in [(240, Failure::Unavailable), (240, Failure::Timeout), (0, Failure::Protocol)] {
        let (sound, _, last) = all(speak(short.clone(), &["One."])).await;
        assert_eq!((sound.len(), failure(&last)), (samples, kind));
    }
}

#[tokio::test]
async fn dropping_the_stream_closes_every_connection() {
    let (gone, mut both) = mpsc::channel(2);
    let server = Server::http(move |_, _, mut connection| {
        let gone = gone.clone();
        async move {
            connection.begin("audio/pcm").await;
            connection.piece(&bytes(7, 240)).await;
            gone.send("asked").await.unwrap();
            connection.closed().await;
            gone.send("closed").await.unwrap();
        }
    })
    .await;
    let stream = speak(config(&server), &["One. ", "Two. ", "Three."]);
    for _ in 0..2 {
        assert_eq!(bounded(both.recv()).await, Some("asked"));
    }
    drop(stream);
    for _ in 0..2 {
        assert_eq!(bounded(both.recv()).await, Some("closed"));
    }
}

#[tokio::test]
async fn a_connection_opened_ahead_serves_the_first_words() {
    let simulators = Simulators::start(SimulatorConfig::default()).await.unwrap();
    let key = Secret::new("k-1");
    let openai = OpenAiSpeechConfig { base_url: simulators.openai_url(), key: key.clone(), ..Default::default() };
    let voice = OpenAiSpeech::new(openai).unwrap();
    (0..5).for_each(|_| voice.warm());
    let opened = async {
        while simulators.connections() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    bounded(opened).await;
    // The greeting is spoken no sooner.
    tokio::time::sleep(Duration::from_millis(250)).await;
    let spec = TtsSpec { voice: None, language: "en-US".into(), speed: 1.0, rate: SampleRate::HZ_8000 };
    let mut stream = voice.open(spec);
    assert!(stream.speak("Good day.".to_owned()) && stream.end());
    let (sound, ..) = all(stream).await;
    assert!(!sound.is_empty());
    assert_eq!(simulators.connections(), 1);
}
