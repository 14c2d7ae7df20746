//! The vendors' clients against the simulators, which share no code with them.

use std::time::{Duration, Instant};

use agentphone::audio::{Frame, SampleRate};
use agentphone::conversation::{Failure, GenerationEnd, Message, Role, Service, ToolSpec, TranscriptKind, WordTime};
use agentphone::provider::{
    Deepgram, DeepgramConfig, ElevenLabs, ElevenLabsConfig, Llm, LlmEvent, LlmRequest, OpenAiChat, OpenAiChatConfig,
    OpenAiSpeech, OpenAiSpeechConfig, Secret, Stt, SttEvent, SttSpec, SttStream, Tts, TtsEvent, TtsSpec, TtsStream,
};
use agentphone::simulator::{
    After, Answer, AnswerScript, Fault, FaultKind, Line, LineScript, RecogniserConfig, SimulatorConfig, Simulators,
    When,
};

use super::server::bounded;

async fn start(config: SimulatorConfig) -> Simulators {
    Simulators::start(SimulatorConfig { address: "127.0.0.1:0".parse().unwrap(), ..config }).await.unwrap()
}

fn key() -> Secret {
    Secret::new("k-1")
}

fn recogniser(simulators: &Simulators) -> SttStream {
    let config = DeepgramConfig { base_url: simulators.deepgram_url(), key: key(), ..Default::default() };
    let spec = SttSpec { language: "en-US".into(), rate: SampleRate::HZ_8000, model: None };
    Deepgram::new(config).unwrap().open(spec)
}

/// 20 ms of a hum that an energy detector takes for a voice, or of silence.
fn frame(voiced: bool) -> Frame {
    let samples: Vec<i16> = (0..160i32).map(|n| if voiced { ((n % 40 - 20) * 400) as i16 } else { 0 }).collect();
    Frame::from_samples(SampleRate::HZ_8000, &samples).unwrap()
}

/// Sends `length` of sound in real time and takes what is told meanwhile.
async fn send(stream: &mut SttStream, voiced: bool, length: Duration, told: &mut Vec<SttEvent>) {
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..length.as_millis() / 20 {
        loop {
            tokio::select! {
                _ = tick.tick() => break,
                event = stream.recv() => told.push(event.expect("a stream that goes on")),
            }
        }
        stream.send(&frame(voiced));
    }
}

fn words(told: &[SttEvent], kinds: &[TranscriptKind]) -> Vec<String> {
    let text = |event: &SttEvent| match event {
        SttEvent::Transcript(transcript) if kinds.contains(&transcript.kind) => Some(transcript.text.clone()),
        _ => None,
    };
    told.iter().filter_map(text).filter(|text| !text.is_empty()).collect()
}

const SETTLED: [TranscriptKind; 2] = [TranscriptKind::Final, TranscriptKind::EndOfTurn];

#[tokio::test]
async fn the_simulated_recogniser_is_understood() {
    let script = LineScript::new([Line::new("I would like a table.")]);
    let recogniser_config = RecogniserConfig { script, ..Default::default() };
    let simulators = start(SimulatorConfig { recogniser: recogniser_config, ..Default::default() }).await;
    let mut stream = recogniser(&simulators);
    let mut told = Vec::new();
    send(&mut stream, false, Duration::from_millis(200), &mut told).await;
    send(&mut stream, true, Duration::from_millis(1_400), &mut told).await;
    send(&mut stream, false, Duration::from_millis(1_000), &mut told).await;
    assert!(!words(&told, &[TranscriptKind::Interim]).is_empty(), "{told:?}");
    assert_eq!(words(&told, &SETTLED).join(" "), "I would like a table.");
    let end = told.iter().find_map(|event| match event {
        SttEvent::Transcript(transcript) if transcript.kind == TranscriptKind::EndOfTurn => transcript.audio_end,
        _ => None,
    });
    let end = end.expect("an end of turn").as_millis();
    assert!((1_300..=1_900).contains(&end), "the words end at {end} ms");
    assert_eq!(stream.dropped(), 0);
}

#[tokio::test]
async fn no_word_is_lost_when_the_simulated_recogniser_drops_the_connection() {
    let script = LineScript::new([Line::new("I would like a table.")]);
    let recogniser_config = RecogniserConfig { script, ..Default::default() };
    let kind = FaultKind::Drop(After::Time(Duration::from_millis(900)));
    let faults = vec![Fault { service: Service::Stt, kind, count: 1 }];
    let simulators = start(SimulatorConfig { recogniser: recogniser_config, faults, ..Default::default() }).await;
    let mut stream = recogniser(&simulators);
    let mut told = Vec::new();
    send(&mut stream, false, Duration::from_millis(200), &mut told).await;
    send(&mut stream, true, Duration::from_millis(1_400), &mut told).await;
    send(&mut stream, false, Duration::from_millis(1_200), &mut told).await;
    assert!(told.contains(&SttEvent::Reconnected { lost: Duration::ZERO }), "{told:?}");
    assert_eq!(words(&told, &SETTLED).join(" "), "I would like a table.", "{told:?}");
}

/// Scenario 35: the socket is reset 600 ms into an utterance of two seconds.
#[tokio::test]
async fn a_reset_in_mid_utterance_loses_no_word_and_doubles_none() {
    let text = "I would like to book a table for two on Monday evening.";
    let script = LineScript::new([Line::new(text)]);
    let recogniser_config = RecogniserConfig { script, ..Default::default() };
    let kind = FaultKind::Drop(After::Time(Duration::from_millis(1_600)));
    let faults = vec![Fault { service: Service::Stt, kind, count: 1 }];
    let simulators = start(SimulatorConfig { recogniser: recogniser_config, faults, ..Default::default() }).await;
    let mut stream = recogniser(&simulators);
    let mut told = Vec::new();
    send(&mut stream, false, Duration::from_millis(1_000), &mut told).await;
    send(&mut stream, true, Duration::from_millis(2_000), &mut told).await;
    send(&mut stream, false, Duration::from_millis(1_200), &mut told).await;
    let reset = told.iter().position(|event| matches!(event, SttEvent::Reconnected { .. })).expect("a reset");
    assert!(!words(&told[..reset], &[TranscriptKind::Interim]).is_empty(), "words had been understood: {told:?}");
    assert_eq!(told.iter().filter(|event| matches!(event, SttEvent::Reconnected { .. })).count(), 1, "{told:?}");
    assert_eq!(words(&told, &SETTLED).join(" "), text, "{told:?}");
    let ends = told.iter().filter_map(|event| match event {
        SttEvent::Transcript(transcript) if transcript.kind == TranscriptKind::EndOfTurn => transcript.audio_end,
        _ => None,
    });
    let ends: Vec<u128> = ends.map(|end| end.as_millis()).collect();
    assert_eq!(ends.len(), 1, "one end of turn: {told:?}");
    assert!((2_900..=3_100).contains(&ends[0]), "counted in sound of the call: {ends:?}");
}

fn model(simulators: &Simulators) -> OpenAiChat {
    let config = OpenAiChatConfig { base_url: simulators.openai_url(), key: key(), ..Default::default() };
    OpenAiChat::new(config).unwrap()
}

async fn ask(llm: &OpenAiChat, user: &str) -> Vec<LlmEvent> {
    let messages = vec![Message::text(Role::System, "be kind"), Message::text(Role::User, user)];
    let tool = ToolSpec { name: "book".into(), description: "Books.".into(), parameters: String::new() };
    let request = LlmRequest { model: None, messages, tools: vec![tool], max_tokens: None, temperature: None };
    let mut stream = llm.open(request);
    let mut events = Vec::new();
    while let Some(event) = bounded(stream.recv()).await {
        events.push(event);
    }
    events
}

#[tokio::test]
async fn the_simulated_model_is_understood() {
    let script = AnswerScript::new([
        Answer::new(When::Says("table".into()), "One moment.").calling("book", r#"{"people":4}"#),
        Answer::new(When::Says("hello".into()), "Grüß Gott, what can I do?"),
    ]);
    let mut config = SimulatorConfig::default();
    config.model.script = script;
    let simulators = start(config).await;
    let llm = model(&simulators);
    let began = Instant::now();
    let events = ask(&llm, "hello").await;
    assert!(began.elapsed() >= simulators.config().model.first_token);
    let text: String = events
        .iter()
        .filter_map(|event| if let LlmEvent::Token(text) = event { Some(text.as_str()) } else { None })
        .collect();
    assert_eq!(text, "Grüß Gott, what can I do?");
    let Some(LlmEvent::Ended { end: GenerationEnd::Stop, usage: Some(usage) }) = events.last() else {
        panic!("{events:?}")
    };
    assert!(usage.prompt > 0 && usage.completion > 0);

    let events = ask(&llm, "a table please").await;
    let call = events.iter().find_map(|event| if let LlmEvent::ToolCall(call) = event { Some(call) } else { None });
    let call = call.expect("a tool call");
    let arguments: serde_json::Value = serde_json::from_str(&call.arguments).unwrap();
    assert_eq!((call.name.as_str(), arguments), ("book", serde_json::json!({"people": 4})));
    assert!(matches!(events.last(), Some(LlmEvent::Ended { end: GenerationEnd::ToolCalls, .. })));
}

#[tokio::test]
async fn the_faults_of_the_simulated_model_are_told() {
    let fault = |kind| Fault { service: Service::Llm, kind, count: 1 };
    let faults = vec![
        fault(FaultKind::Status(401)),
        fault(FaultKind::Status(429)),
        fault(FaultKind::Status(500)),
        fault(FaultKind::Drop(After::Units(2))),
    ];
    let simulators = start(SimulatorConfig { faults, ..Default::default() }).await;
    let llm = model(&simulators);
    for kind in [Failure::Auth, Failure::RateLimit, Failure::Unavailable, Failure::Unavailable] {
        let events = ask(&llm, "hello").await;
        let Some(LlmEvent::Failed(error)) = events.last() else { panic!("{events:?}") };
        assert_eq!(error.kind, kind, "{error}");
    }
    assert!(matches!(ask(&llm, "hello").await.last(), Some(LlmEvent::Ended { .. })));
}

const REPLY: [&str; 2] = ["Of course, for how many? ", "We have a table at seven."];

async fn spoken(mut stream: TtsStream, rate: SampleRate) -> (Duration, Vec<WordTime>) {
    for segment in REPLY {
        assert!(stream.speak(segment.to_owned()));
    }
    assert!(stream.end());
    let (mut samples, mut words) = (0, Vec::new());
    loop {
        match bounded(stream.recv()).await {
            Some(TtsEvent::Audio { samples: more, rate: told }) => {
                assert_eq!(told, rate);
                samples += more.len();
            }
            Some(TtsEvent::Words(more)) => words.extend(more),
            Some(TtsEvent::Ended) => return (rate.duration_of(samples), words),
            other => panic!("{other:?}"),
        }
    }
}

fn spec(rate: SampleRate) -> TtsSpec {
    TtsSpec { voice: None, language: "en-US".into(), speed: 1.0, rate }
}

#[tokio::test]
async fn the_simulated_voices_are_understood() {
    let simulators = start(SimulatorConfig::default()).await;
    let config = ElevenLabsConfig { base_url: simulators.elevenlabs_url(), key: key(), ..Default::default() };
    let voice = ElevenLabs::new(config).unwrap();
    let text = REPLY.concat();
    let ends: Vec<usize> = text
        .split_inclusive(' ')
        .scan(0, |end, word| {
            *end += word.len();
            Some(*end - word.len() + word.trim_end().len())
        })
        .collect();
    for rate in [SampleRate::HZ_8000, SampleRate::HZ_16000, SampleRate::HZ_24000] {
        let (length, words) = spoken(voice.open(spec(rate)), rate).await;
        assert!(length > Duration::from_secs(2), "{length:?}");
        assert_eq!(words.iter().map(|word| word.text_end).collect::<Vec<_>>(), ends, "every word, at its place");
        assert!(words.windows(2).all(|pair| pair[0].end <= pair[1].start + Duration::from_millis(2)), "{words:?}");
        assert!(words.iter().all(|word| word.start < word.end && word.end <= length), "{words:?} in {length:?}");
    }
    let config = OpenAiSpeechConfig { base_url: simulators.openai_url(), key: key(), ..Default::default() };
    let rate = SampleRate::HZ_24000;
    let (length, words) = spoken(OpenAiSpeech::new(config).unwrap().open(spec(SampleRate::HZ_8000)), rate).await;
    assert_eq!(words.iter().map(|word| word.text_end).collect::<Vec<_>>(), [REPLY[0].len(), text.len()]);
    assert_eq!(words.last().map(|word| word.end), Some(length));
}
