//! The speech-to-speech model against its simulator, which shares no code with it.

use std::time::Duration;

use agentphone::audio::{Frame, SampleRate};
use agentphone::conversation::{Failure, GenerationEnd, Message, Role, Service, ToolSpec, TranscriptKind};
use agentphone::provider::{
    LlmEvent, LlmRequest, LlmStream, OpenAiRealtime, OpenAiRealtimeConfig, RealtimeCall, Secret, SttEvent, SttSpec,
    SttStream, TtsEvent, TtsSpec, TtsStream,
};
use agentphone::simulator::{
    After, Answer, AnswerScript, Fault, FaultKind, Line, LineScript, ModelConfig, RecogniserConfig, SimulatorConfig,
    Simulators, When,
};

use super::server::bounded;

const ASKED: &str = "I would like a table.";
const ANSWERED: &str = "Of course. For how many people shall I book it?";

async fn simulators(faults: Vec<Fault>) -> Simulators {
    let recogniser =
        RecogniserConfig { script: LineScript::new([Line::new(ASKED), Line::new("Thank you.")]), ..Default::default() };
    let tools = Answer::new(When::Says("thank".into()), "One moment.").calling("book", r#"{"people":2}"#);
    let answers = [Answer::new(When::Says("table".into()), ANSWERED), tools];
    let model = ModelConfig { script: AnswerScript::new(answers), ..Default::default() };
    Simulators::start(SimulatorConfig { recogniser, model, faults, ..Default::default() }).await.unwrap()
}

fn call(simulators: &Simulators) -> RealtimeCall {
    let config =
        OpenAiRealtimeConfig { base_url: simulators.openai_url(), key: Secret::new("k-1"), ..Default::default() };
    OpenAiRealtime::new(config).unwrap().call()
}

fn listen(call: &RealtimeCall) -> SttStream {
    call.stt.open(SttSpec { language: "en-US".into(), rate: SampleRate::HZ_8000, model: None })
}

fn answer(call: &RealtimeCall, history: &[(Role, &str)]) -> LlmStream {
    let mut messages = vec![Message::text(Role::System, "Be kind.")];
    messages.extend(history.iter().map(|(role, text)| Message::text(*role, *text)));
    let parameters = r#"{"type":"object","properties":{"people":{"type":"integer"}}}"#.into();
    let tools = vec![ToolSpec { name: "book".into(), description: "Books.".into(), parameters }];
    call.llm.open(LlmRequest { model: None, messages, tools, max_tokens: None, temperature: None })
}

fn voice(call: &RealtimeCall) -> TtsStream {
    call.tts.open(TtsSpec { voice: None, language: "en-US".into(), speed: 1.0, rate: SampleRate::HZ_8000 })
}

/// Says something for `length`, quiet before and after it, and asks for what was heard; the words.
async fn say(stream: &mut SttStream, length: Duration) -> String {
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    for n in 0..(length.as_millis() / 20 + 30) {
        tick.tick().await;
        let is_voiced = (300..300 + length.as_millis()).contains(&(n * 20));
        let samples: Vec<i16> = (0..160i32).map(|n| if is_voiced { ((n % 40 - 20) * 400) as i16 } else { 0 }).collect();
        stream.send(&Frame::<960>::from_samples(SampleRate::HZ_8000, &samples).unwrap());
    }
    stream.finalize();
    loop {
        match bounded(stream.recv()).await {
            Some(SttEvent::Transcript(told)) if told.kind == TranscriptKind::Final => return told.text,
            Some(SttEvent::Transcript(_) | SttEvent::Reconnected { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// All words of an answer and how it ended, spoken by `voice` as they come; its sound.
async fn spoken(mut words: LlmStream, mut voice: TtsStream) -> (String, LlmEvent, usize) {
    let mut text = String::new();
    let last = loop {
        match bounded(words.recv()).await.expect("an answer ends with its last event") {
            LlmEvent::Token(token) => {
                text.push_str(&token);
                assert!(voice.speak(token));
            }
            LlmEvent::ToolCall(_) => {}
            last => break last,
        }
    };
    assert!(voice.end());
    (text, last, sound(&mut voice).await.unwrap())
}

/// How many samples a voice gives, at 8 kHz.
async fn sound(voice: &mut TtsStream) -> Result<usize, Failure> {
    let mut length = 0;
    loop {
        match bounded(voice.recv()).await.expect("a voice ends with its last event") {
            TtsEvent::Audio { samples, rate } => {
                assert_eq!(rate, SampleRate::HZ_8000);
                length += samples.len();
            }
            TtsEvent::Ended => return Ok(length),
            TtsEvent::Failed(error) => return Err(error.kind),
            _ => {}
        }
    }
}

fn count(simulators: &Simulators, what: &str) -> u64 {
    simulators.received().stt.messages.get(what).copied().unwrap_or_default()
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), wait).await.expect(what);
}

#[tokio::test]
async fn one_session_hears_thinks_and_speaks() {
    let simulators = simulators(Vec::new()).await;
    let call = call(&simulators);
    let mut ears = listen(&call);
    // A greeting is read aloud; the model's own words have their own sound.
    let mut greeting = voice(&call);
    assert!(greeting.speak("Hello, this is ".into()) && greeting.speak("the front desk.".into()) && greeting.end());
    let greeted = sound(&mut greeting).await.unwrap();
    assert!((8_000..32_000).contains(&greeted), "{greeted} samples");
    assert_eq!(simulators.received().llm.last_text, "Hello, this is the front desk.");
    assert_eq!(say(&mut ears, Duration::from_millis(1_400)).await, ASKED);
    let history = [(Role::Assistant, "Hello, this is the front desk."), (Role::User, ASKED)];
    let (text, last, length) = spoken(answer(&call, &history), voice(&call)).await;
    assert_eq!(text, ANSWERED);
    let LlmEvent::Ended { end: GenerationEnd::Stop, usage: Some(usage) } = last else { panic!("{last:?}") };
    assert!(usage.prompt > 0 && usage.completion > 5, "{usage:?}");
    assert!((16_000..64_000).contains(&length), "{length} samples");
    assert_eq!(simulators.received().llm.requests, 2, "no sound is asked for that is there");
    assert_eq!((count(&simulators, "Create"), count(&simulators, "Truncate")), (1, 0), "the greeting is told");
    drop((ears, call));
    until("the session ends with its call", || simulators.received().stt.completed == 1).await;
}

#[tokio::test]
async fn an_answer_that_is_cut_stops_and_the_model_knows_what_was_heard_of_it() {
    let simulators = simulators(Vec::new()).await;
    let call = call(&simulators);
    let mut ears = listen(&call);
    say(&mut ears, Duration::from_millis(1_400)).await;
    let mut words = answer(&call, &[(Role::User, ASKED)]);
    let Some(LlmEvent::Token(first)) = bounded(words.recv()).await else { panic!("no word") };
    let mut speech = voice(&call);
    assert!(speech.speak(first));
    assert!(matches!(bounded(speech.recv()).await, Some(TtsEvent::Audio { .. })));
    drop((words, speech));
    until("the response is cancelled", || count(&simulators, "Cancel") == 1).await;
    say(&mut ears, Duration::from_millis(1_000)).await;
    let history = [(Role::User, ASKED), (Role::Assistant, "O—"), (Role::User, "Thank you.")];
    let (text, last, _) = spoken(answer(&call, &history), voice(&call)).await;
    assert_eq!(text, "One moment.");
    assert!(matches!(last, LlmEvent::Ended { end: GenerationEnd::ToolCalls, .. }), "{last:?}");
    assert_eq!((count(&simulators, "Truncate"), count(&simulators, "Create")), (1, 0));
}

#[tokio::test]
async fn a_lost_connection_fails_what_it_was_asked_and_loses_no_word() {
    let drop =
        Fault { service: Service::Stt, kind: FaultKind::Drop(After::Time(Duration::from_millis(900))), count: 1 };
    let simulators = simulators(vec![drop]).await;
    let call = call(&simulators);
    let mut ears = listen(&call);
    assert_eq!(say(&mut ears, Duration::from_millis(1_400)).await, ASKED);
    assert_eq!(simulators.received().stt.requests, 2);
    let (text, ..) = spoken(answer(&call, &[(Role::User, ASKED)]), voice(&call)).await;
    assert_eq!(text, ANSWERED);
    let fails = Fault { service: Service::Llm, kind: FaultKind::Drop(After::Units(2)), count: 1 };
    assert!(simulators.inject(fails));
    let mut words = answer(&call, &[(Role::User, ASKED), (Role::Assistant, ANSWERED), (Role::User, "And a table?")]);
    let failed = loop {
        match bounded(words.recv()).await {
            Some(LlmEvent::Failed(error)) => break error,
            Some(LlmEvent::Token(_)) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(failed.kind, Failure::Unavailable);
    // The next connection is told the conversation anew.
    let again = [(Role::User, ASKED), (Role::Assistant, ANSWERED), (Role::User, "And a table?")];
    let (text, ..) = spoken(answer(&call, &again), voice(&call)).await;
    assert_eq!((text.as_str(), count(&simulators, "Create")), (ANSWERED, 4), "one before, three after");
}

#[tokio::test]
async fn a_key_that_is_refused_fails_every_end() {
    let refused = Fault { service: Service::Stt, kind: FaultKind::Status(401), count: 9 };
    let simulators = simulators(vec![refused]).await;
    let call = call(&simulators);
    let (mut ears, mut words, mut speech) = (listen(&call), answer(&call, &[(Role::User, ASKED)]), voice(&call));
    assert!(speech.speak("Hello.".into()) && speech.end());
    let Some(SttEvent::Failed(error)) = bounded(ears.recv()).await else { panic!("it hears") };
    assert_eq!(error.kind, Failure::Auth);
    assert!(error.message.contains("OPENAI_API_KEY"), "{error}");
    let Some(LlmEvent::Failed(error)) = bounded(words.recv()).await else { panic!("it thinks") };
    assert_eq!(error.kind, Failure::Auth);
    assert_eq!(sound(&mut speech).await, Err(Failure::Auth));
    assert_eq!(simulators.received().stt.requests, 1, "no other connection would do better");
}

#[tokio::test]
async fn a_response_the_server_refuses_fails_alone() {
    let refused = Fault { service: Service::Llm, kind: FaultKind::Status(500), count: 1 };
    let simulators = simulators(vec![refused]).await;
    let call = call(&simulators);
    let mut words = answer(&call, &[(Role::User, ASKED)]);
    let Some(LlmEvent::Failed(error)) = bounded(words.recv()).await else { panic!("it answers") };
    assert_eq!(error.kind, Failure::Unavailable);
    let (text, ..) = spoken(answer(&call, &[(Role::User, ASKED)]), voice(&call)).await;
    assert_eq!(text, ANSWERED);
    assert_eq!(simulators.received().stt.requests, 1);
}
