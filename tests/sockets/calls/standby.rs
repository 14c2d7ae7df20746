//! What a caller gets when a service is dead and another one stands by.

use std::sync::Arc;
use std::time::Duration;

use agentphone::conversation::Service;
use agentphone::engine::{DialogueSpec, Outcome, Speaker};
use agentphone::simulator::{After, Answer, AnswerScript, Fault, FaultKind, Simulators, When};
use futures_util::future::join_all;

use super::caller::{Heard, call, lines, simulators};
use super::services::{BOOKING, WORDS, config};

const ANSWER: &str = "Gladly, for which day and at what time would you like to come to us?";
const MS: Duration = Duration::from_millis(1);

/// A call in which the first choice of `service` has the trouble from the beginning to the end, and one sentence of the
/// caller is answered.
async fn troubled(service: Service, kind: FaultKind) -> (Arc<Outcome>, Heard, Simulators) {
    let mut first = config();
    first.model.script = AnswerScript::new([Answer::new(When::Says("table".into()), ANSWER)]);
    let second = simulators(first.clone()).await;
    first.faults = vec![Fault { service, kind, count: 100 }];
    let first = simulators(first).await;
    let dialogue = DialogueSpec { begin_message: String::new(), ..DialogueSpec::default() };
    let mut call = call(&first, Some(&second), dialogue, vec![(400 * MS, BOOKING)]).await;
    call.said(1).await;
    let (outcome, heard) = call.over().await;
    assert_eq!(
        lines(&outcome),
        [(Speaker::Caller, WORDS), (Speaker::Agent, ANSWER)],
        "{service:?} {kind:?}: one turn and one whole answer"
    );
    (outcome, heard, second)
}

/// As [`troubled`], with each of the troubles in a call of its own, at the same time.
async fn each(service: Service, kinds: &[FaultKind]) -> Vec<(FaultKind, Arc<Outcome>, Heard, Simulators)> {
    join_all(kinds.iter().map(async |&kind| {
        let (outcome, heard, second) = troubled(service, kind).await;
        (kind, outcome, heard, second)
    }))
    .await
}

/// The longest silence of the agent between its first and its last sound.
fn longest_gap(heard: &Heard) -> Duration {
    let loud: Vec<Duration> = heard.iter().filter(|(_, loud)| *loud).map(|(at, _)| *at).collect();
    loud.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).max().unwrap_or_default()
}

/// Scenario 32.
#[tokio::test]
async fn the_second_voice_speaks_when_the_first_keeps_silent() {
    for (kind, outcome, ..) in each(Service::Tts, &[FaultKind::Blackhole, FaultKind::Status(503)]).await {
        let waterfall = outcome.report.turns.first().expect("an answered turn").waterfall;
        assert!(waterfall.first_audio <= 1_200 * MS, "{kind:?}: dead air of {waterfall:?}");
        assert_eq!(outcome.services.tts_standby, 1, "{kind:?}");
    }
}

/// Scenario 33.
#[tokio::test]
async fn the_second_voice_goes_on_where_the_first_one_stopped() {
    let kinds = [FaultKind::Stall(After::Units(3)), FaultKind::Drop(After::Units(3))];
    for (kind, outcome, heard, second) in each(Service::Tts, &kinds).await {
        assert_eq!(outcome.services.tts_standby, 1, "{kind:?}");
        let rest = second.received().tts.last_text;
        assert!(!rest.is_empty() && ANSWER.ends_with(rest.trim()), "{kind:?}: it was given {rest:?}");
        assert!(longest_gap(&heard) <= 1_500 * MS, "{kind:?}: a gap of {:?}", longest_gap(&heard));
    }
}

/// Scenario 34.
#[tokio::test]
async fn the_second_model_answers_when_the_first_does_not() {
    let kinds = [FaultKind::Blackhole, FaultKind::Stall(After::Units(0)), FaultKind::Status(500)];
    for (kind, outcome, ..) in each(Service::Llm, &kinds).await {
        let waterfall = outcome.report.turns.first().expect("an answered turn").waterfall;
        assert!(waterfall.first_token <= 2_500 * MS, "{kind:?}: {waterfall:?}");
        assert_eq!(outcome.services.llm_standby, 1, "{kind:?}");
    }
}

/// Scenario 19, and a recogniser that refuses us.
#[tokio::test]
async fn the_second_recogniser_hears_what_the_first_does_not() {
    for (kind, outcome, _, second) in each(Service::Stt, &[FaultKind::Blackhole, FaultKind::Status(401)]).await {
        assert_eq!(outcome.services.rehears, 1, "{kind:?}");
        assert_eq!(outcome.services.unheard, Duration::ZERO, "{kind:?}");
        assert_eq!(second.received().stt.requests, 1, "{kind:?}");
    }
}
