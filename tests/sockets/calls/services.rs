//! What a caller gets of services that are slow or lose their connection.

use std::time::Duration;

use agentphone::conversation::Service;
use agentphone::engine::{DialogueSpec, ServiceCounters, Speaker};
use agentphone::simulator::{After, Answer, AnswerScript, Fault, FaultKind, Line, LineScript, SimulatorConfig, When};

use super::caller::{call, lines, simulators};

pub const BOOKING: &[u8] = include_bytes!("../../../fixtures/audio/caller-booking.wav");
pub const WORDS: &str = "Hi, I'd like to book a table for two, please.";
const ANSWER: &str = "Gladly, for which day?";
const MS: Duration = Duration::from_millis(1);

/// Services that hear the one sentence and answer it, in little time.
pub fn config() -> SimulatorConfig {
    let mut config = SimulatorConfig::default();
    // The pause before "please" is not the end of the line.
    config.recogniser.script = LineScript::new([Line::new(WORDS).lasting(3_100 * MS)]);
    config.model.script = AnswerScript::new([Answer::new(When::Says("table".into()), ANSWER)]);
    config.model.first_token = 100 * MS;
    config.voice.first_byte = 20 * MS;
    config
}

fn silent_begin() -> DialogueSpec {
    DialogueSpec { begin_message: String::new(), ..DialogueSpec::default() }
}

/// Scenario 2: the greeting is asked for before the line is up, and begins within 200 ms of that.
#[tokio::test]
async fn the_greeting_is_heard_at_once() {
    let services = simulators(config()).await;
    let greeting = "Hello, this is the front desk.";
    let dialogue = DialogueSpec { begin_message: greeting.into(), ..DialogueSpec::default() };
    let mut call = call(&services, None, dialogue, Vec::new()).await;
    call.said(1).await;
    let (outcome, heard) = call.over().await;
    let (at, _) = heard.iter().find(|(_, loud)| *loud).expect("a greeting");
    assert!(*at <= 200 * MS, "it begins {at:?} after the answer");
    assert_eq!(lines(&outcome), [(Speaker::Agent, greeting)]);
    let voice = outcome.costs.iter().find(|cost| cost.service == Service::Tts).expect("a voice");
    assert_eq!((voice.requests, voice.characters), (1, greeting.len() as u64));
    assert!(voice.audio > 500 * MS, "{voice:?}");
}

#[tokio::test]
async fn the_first_words_do_not_wait_for_the_voices_connection() {
    let mut config = config();
    config.faults = vec![Fault { service: Service::Tts, kind: FaultKind::Connect(600 * MS), count: 1 }];
    config.model.first_token = 900 * MS;
    let services = simulators(config).await;
    let mut call = call(&services, None, silent_begin(), vec![(300 * MS, BOOKING)]).await;
    call.said(1).await;
    let (outcome, _) = call.over().await;
    let waterfall = outcome.report.turns.first().expect("an answered turn").waterfall;
    assert!(waterfall.first_audio < 400 * MS, "the connection took 600 ms of the model's 900: {waterfall:?}");
    assert_eq!(services.received().tts.requests, 1, "one connection for one answer");
    assert_eq!(outcome.services, ServiceCounters::default());
}

/// Scenario 35: the recogniser's socket is reset 600 ms into an utterance.
#[tokio::test]
async fn a_recogniser_that_loses_its_connection_in_mid_utterance_still_hears_one_turn() {
    let mut config = config();
    let kind = FaultKind::Drop(After::Time(1_800 * MS));
    config.faults = vec![Fault { service: Service::Stt, kind, count: 1 }];
    let services = simulators(config).await;
    let mut call = call(&services, None, silent_begin(), vec![(1_200 * MS, BOOKING)]).await;
    call.said(1).await;
    let (outcome, _) = call.over().await;
    assert_eq!(lines(&outcome), [(Speaker::Caller, WORDS), (Speaker::Agent, ANSWER)]);
    let cost = |service| outcome.costs.iter().find(|cost| cost.service == service).expect("something was used");
    let (ears, model) = (cost(Service::Stt), cost(Service::Llm));
    assert!(ears.audio > 4_000 * MS && model.prompt_tokens > 0 && model.completion_tokens > 0, "{ears:?} {model:?}");
    assert_eq!(outcome.report.turns.len(), 1);
    assert_eq!(services.received().stt.requests, 2);
    assert_eq!(outcome.services, ServiceCounters { reconnects: 1, ..ServiceCounters::default() });
}
