//! What a caller gets when a service is dead and another one stands by.

use std::sync::Arc;
use std::time::Duration;

use agentphone::conversation::Service;
use agentphone::engine::{DialogueSpec, Instances, Outcome, Speaker};
use agentphone::simulator::{After, Answer, AnswerScript, Fault, FaultKind, Simulators, When};
use futures_util::future::join_all;
use tokio::time::{sleep, timeout};

use super::caller::{Heard, call, call_knowing, lines, simulators};
use super::services::{BOOKING, WORDS, config};

/// Said sooner than a booking.
const NAME: &[u8] = include_bytes!("../../../fixtures/audio/caller-name.wav");

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
        // Sound is handed over in pieces: the end of one may fall to the first.
        assert!(outcome.services.unheard < 20 * MS, "{kind:?}: {:?}", outcome.services.unheard);
        assert_eq!(second.received().stt.requests, 1, "{kind:?}");
    }
}

/// A service that was gone in the calls before is not asked first in the next one; one that is back is asked again.
#[tokio::test]
async fn calls_learn_from_one_another_that_a_service_is_gone() {
    let second = simulators(config()).await;
    let mut gone = config();
    gone.faults = [Service::Stt, Service::Llm, Service::Tts]
        .map(|service| Fault { service, kind: FaultKind::Status(503), count: 1_000 })
        .to_vec();
    let first = simulators(gone).await;
    let known = Instances::default();
    let dialogue = || DialogueSpec { begin_message: "Hello.".into(), ..DialogueSpec::default() };
    let new_call = || call_knowing(&known, &first, Some(&second), dialogue(), vec![(1_500 * MS, NAME)]);
    // All three at the same time, and then one at once: after ten seconds a service that is gone is asked whether it is back.
    let before = join_all([new_call(), new_call(), new_call()]).await;
    let all_failed = async {
        while !(known.llm[0].is_open() && known.tts[0].is_open()) {
            sleep(MS).await;
        }
    };
    let failed = timeout(30_000 * MS, all_failed).await;
    assert!(failed.is_ok(), "three calls in which they failed: {known:?}");
    assert!(!known.llm[1].is_open() && !known.tts[1].is_open());
    join_all(before.into_iter().map(|call| call.over())).await;
    let asked = first.received();
    let mut call = new_call().await;
    call.said(2).await;
    let now_asked = first.received();
    let (outcome, _) = call.over().await;
    assert_eq!(now_asked.llm.requests, asked.llm.requests, "the model that is gone is left alone");
    assert_eq!(now_asked.tts.requests, asked.tts.requests, "and the voice");
    assert_eq!(outcome.report.hedges.llm, 0, "nobody waited for it");
    assert_eq!(lines(&outcome).last().map(|(speaker, _)| *speaker), Some(Speaker::Agent));
    let used = |service| outcome.costs.iter().filter(move |cost| cost.service == service).count();
    assert_eq!((used(Service::Llm), used(Service::Tts)), (1, 1));
}
