//! Who has answered an outbound call, and what is done about it.

use std::time::Duration;

use proptest::prelude::*;

use crate::conversation::TranscriptKind::*;
use crate::dialogue::{AnsweredBy, Command, DialogueEvent, DialogueSpec, Direction, EndReason, Screening};

use super::stage::{Answer, Coming, Stage};

const GREETING: &str = "Hi, this is Anna from Acme.";
const MESSAGE: &str = "Hi John, please call Anna back.";

fn outbound() -> DialogueSpec {
    DialogueSpec { direction: Direction::Outbound, begin_message: GREETING.into(), ..DialogueSpec::default() }
}

fn with_message() -> DialogueSpec {
    DialogueSpec { voicemail_message: Some(MESSAGE.into()), ..outbound() }
}

/// Who answered, as thought from then on, and by which rule.
fn answered(stage: &Stage) -> Vec<(u64, AnsweredBy, &'static str)> {
    let by = |(at, event): &(u64, DialogueEvent)| match event {
        DialogueEvent::AnsweredBy { by, why } => Some((*at, *by, why.rule)),
        _ => None,
    };
    stage.events.iter().filter_map(by).collect()
}

#[test]
fn a_caller_is_greeted_when_they_hear_us_and_at_the_latest_after_400_ms() {
    let spec = || DialogueSpec { begin_message: GREETING.into(), ..DialogueSpec::default() };
    let mut stage = Stage::new(spec(), &[]);
    stage.run(3_000);
    assert_eq!(stage.when("play"), [150]);
    let mut late = Stage::unheard(spec(), &[]);
    late.run(3_000);
    assert_eq!(late.when("play"), [400]);
}

#[test]
fn a_hello_is_greeted_at_once_and_silence_after_a_while() {
    let mut stage = Stage::new(outbound(), &[]);
    stage.says(700, 1_100, "Hello?");
    stage.run(9_000);
    assert_eq!(stage.when("play"), [1_350]);
    assert_eq!(answered(&stage), [(1_350, AnsweredBy::Human, "answer.words")]);
    assert_eq!(stage.commits(), [(1_350, "endpoint.hello", "Hello?".to_owned())]);
    let mut silent = Stage::new(outbound(), &[]);
    silent.run(3_000);
    assert_eq!((silent.when("play"), answered(&silent)), (vec![1_500], vec![]));
}

#[test]
fn a_voice_without_words_is_a_hello_and_a_click_is_not() {
    let mut stage = Stage::new(outbound(), &[]);
    stage.voice(400, 900);
    stage.run(5_000);
    assert_eq!(answered(&stage), [(1_400, AnsweredBy::Human, "answer.rhythm")]);
    assert_eq!(stage.when("play"), [1_400]);
    let mut click = Stage::new(outbound(), &[]);
    click.voice(400, 500);
    click.run(5_000);
    assert_eq!((click.when("play"), answered(&click)), (vec![1_500], vec![]));
}

#[test]
fn noise_on_the_line_does_not_keep_the_callee_from_being_greeted() {
    let mut stage = Stage::new(outbound(), &[]);
    stage.voice(300, 30_000);
    stage.run(9_000);
    assert!(matches!(stage.when("play")[..], [at] if at <= 5_500), "{:?}", stage.when("play"));
}

#[test]
fn an_answer_to_more_than_a_hello_is_the_models() {
    let mut stage = Stage::new(outbound(), &["Of course, when suits you?"]);
    stage.says(500, 3_500, "listen I am driving right now so can you call me again tomorrow.");
    stage.run(9_000);
    assert_eq!(stage.said(), [("Of course, when suits you?".to_owned(), false)]);
    assert_eq!(stage.commits().len(), 1);
}

#[test]
fn the_message_begins_after_the_beep_and_nothing_but_words_stops_it() {
    let mut stage = Stage::new(with_message(), &[]);
    stage.says(300, 4_300, "please leave a message after the tone.");
    stage.at(5_000, Coming::Beep { length: 400 });
    stage.voice(5_400, 6_000);
    stage.run(12_000);
    assert_eq!(stage.when("play"), [5_150]);
    assert_eq!((stage.when("hold"), stage.said()), (vec![], vec![(MESSAGE.to_owned(), false)]));
    assert_eq!(stage.ended, Some((stage.when("heard")[0], EndReason::VoicemailReached)));
    assert_eq!(stage.commits(), []);
}

#[test]
fn a_beep_alone_tells_of_a_voicemail_and_none_tells_of_a_person_who_speaks() {
    let mut stage = Stage::new(with_message(), &[]);
    stage.at(900, Coming::Beep { length: 400 });
    stage.run(9_000);
    assert_eq!(answered(&stage), [(900, AnsweredBy::Voicemail, "answer.beep")]);
    assert_eq!(stage.ended.unwrap().1, EndReason::VoicemailReached);
    let mut waiting = Stage::new(with_message(), &[]);
    waiting.says(300, 800, "Hello?");
    waiting.at(3_000, Coming::Beep { length: 300 });
    waiting.run(9_000);
    assert_eq!(answered(&waiting).len(), 1);
    assert_eq!(waiting.said()[0], (GREETING.to_owned(), false));
}

#[test]
fn a_voicemail_that_began_like_a_person_is_still_found_out() {
    let mut stage = Stage::new(with_message(), &[]);
    stage.says(300, 1_300, "Hi, it's John.");
    stage.says(2_400, 4_400, "please leave a message.");
    stage.run(12_000);
    let who: Vec<AnsweredBy> = answered(&stage).into_iter().map(|answered| answered.1).collect();
    assert_eq!(who, [AnsweredBy::Human, AnsweredBy::Voicemail]);
    assert_eq!(stage.said().last(), Some(&(MESSAGE.to_owned(), false)));
    assert_eq!(stage.ended.unwrap().1, EndReason::VoicemailReached);
}

#[test]
fn somebody_who_reads_it_all_out_and_then_waits_is_a_person() {
    let long = "we are open from nine to five on every day of the week but not on Sundays and the car park is behind";
    let mut stage = Stage::new(with_message(), &["I see."]);
    stage.says(300, 8_300, long);
    stage.run(20_000);
    assert_eq!(
        answered(&stage).into_iter().map(|answered| (answered.1, answered.2)).collect::<Vec<_>>(),
        [(AnsweredBy::Voicemail, "answer.monologue"), (AnsweredBy::Human, "answer.waited")]
    );
    assert_eq!(stage.when("play"), [10_420]);
    assert_eq!((stage.ended, &stage.said()[0].0[..]), (None, GREETING));
    let mut machine = Stage::new(with_message(), &[]);
    machine.says(300, 8_300, long);
    machine.at(9_000, Coming::Beep { length: 400 });
    machine.run(20_000);
    assert_eq!(machine.said(), [(MESSAGE.to_owned(), false)]);
}

#[test]
fn a_mere_absence_does_not_hang_up_on_whoever_tells_of_it() {
    let mut stage = Stage::new(outbound(), &[]);
    stage.says(300, 2_300, "he is not available right now.");
    stage.run(8_000);
    assert_eq!(stage.ended, None);
    assert_eq!(stage.said(), [(GREETING.to_owned(), false)]);
}

#[test]
fn a_screening_is_told_twice_at_most_and_given_up_after_a_minute() {
    let screening = Some(Screening { identity: "Anna".into(), purpose: "your order".into() });
    let mut stage = Stage::new(DialogueSpec { screening, ..outbound() }, &[]);
    for at in [300, 8_300, 16_300] {
        stage.says(at, at + 3_000, "please state your name and why you are calling.");
    }
    stage.run(120_000);
    assert_eq!(stage.said(), vec![("This is Anna, calling about your order.".to_owned(), false); 2]);
    assert_eq!(stage.commits().len(), 2);
    assert!(matches!(stage.ended, Some((79_000..=80_000, EndReason::MachineDetected))), "{:?}", stage.ended);
}

#[test]
fn a_menu_is_given_to_the_model_after_its_pauses_and_hung_up_on_when_it_comes_a_fourth_time() {
    let mut stage = Stage::new(outbound(), &["Sales please.", "Sales please.", "Sales please.", "Sales please."]);
    stage.says(300, 2_300, "for sales press one.");
    stage.says(3_000, 5_000, "for support press two.");
    for at in [12_000, 22_000, 32_000] {
        stage.says(at, at + 4_000, "for sales press one. for support press two.");
    }
    stage.run(60_000);
    assert_eq!(answered(&stage)[0].1, AnsweredBy::Ivr);
    let menu = "for sales press one. for support press two.";
    let turns: Vec<_> = stage.commits().into_iter().map(|commit| (commit.0, commit.2)).collect();
    assert_eq!(turns, [6_000, 17_000, 27_000].map(|at| (at, menu.to_owned())));
    assert_eq!(stage.ended, Some((37_000, EndReason::MachineDetected)));
    assert_eq!(stage.when("hold"), Vec::<u64>::new(), "nothing was said over the menu");
}

#[test]
fn a_model_that_has_nothing_to_say_to_a_menu_says_nothing() {
    let mut stage = Stage::new(outbound(), &[]);
    stage.answers = [Answer::default()].into();
    stage.says(300, 2_300, "for sales press one.");
    stage.run(20_000);
    assert_eq!((stage.when("generate").len(), stage.said().len(), stage.ended), (1, 0, None));
}

#[test]
fn a_queue_is_waited_out_in_silence_for_ten_minutes() {
    let mut stage = Stage::new(outbound(), &[]);
    for at in (0..30).map(|n| 300 + n * 30_000) {
        stage.says(at, at + 3_000, "all of our agents are busy please hold");
    }
    stage.run(900_000);
    assert_eq!((stage.when("speak").len(), stage.commits().len()), (1, 0));
    assert!(matches!(stage.ended, Some((600_000..=610_000, EndReason::MachineDetected))), "{:?}", stage.ended);
}

#[test]
fn music_and_advertisements_in_a_queue_are_no_person_while_they_go_on() {
    let mut stage = Stage::new(outbound(), &[]);
    stage.says(300, 2_300, "please hold the line");
    for at in [5_000, 9_000, 13_000] {
        stage.says(at, at + 2_500, "did you know that you can order online at any time of the day");
    }
    stage.run(17_000);
    assert_eq!(stage.when("play"), Vec::<u64>::new());
    // Then nobody says anything more: it was meant for us.
    stage.run(30_000);
    assert_eq!(stage.commits().len(), 1);
    assert!(stage.when("play")[0] <= 15_500 + 2_500 + 500);
}

#[test]
fn nothing_of_it_is_done_when_it_is_switched_off_or_the_call_came_in() {
    for spec in [
        DialogueSpec { answer_detection: false, ..with_message() },
        DialogueSpec { direction: Direction::Inbound, ..with_message() },
    ] {
        let mut stage = Stage::new(spec, &["Certainly."]);
        stage.says(3_000, 5_000, "please leave a message after the tone.");
        stage.at(5_500, Coming::Beep { length: 400 });
        stage.run(12_000);
        assert_eq!((answered(&stage), stage.ended), (vec![], None));
        assert_eq!((stage.commits().len(), stage.when("play")[0]), (1, 150));
        assert!(!stage.log.iter().any(|(_, line)| line.contains("ListenForBeep")));
    }
}

#[test]
fn beeps_are_listened_for_only_while_they_may_come() {
    let listens = |stage: &Stage| -> Vec<(u64, bool)> {
        let of = |(at, line): &(u64, String)| line.strip_prefix("ListenForBeep(").map(|rest| (*at, rest == "true)"));
        stage.log.iter().filter_map(of).collect()
    };
    let mut stage = Stage::new(outbound(), &["Very good, thank you."]);
    stage.says(500, 900, "Hello?");
    stage.says(5_000, 6_000, "yes that is right.");
    stage.run(12_000);
    let answer = stage.when("play")[1];
    assert_eq!(listens(&stage), [(0, true), (answer, false)]);
}

#[test]
fn words_from_outside_are_heard_by_a_queue() {
    let mut stage = Stage::new(outbound(), &[]);
    stage.says(300, 2_300, "please hold the line.");
    stage.at(6_000, Coming::Command(Command::Say { text: "We are still here.".into(), interruptible: true }));
    stage.run(9_000);
    assert_eq!(stage.said(), [("We are still here.".to_owned(), false)]);
}

#[test]
fn a_hello_said_again_is_heard_again() {
    let mut stage = Stage::new(DialogueSpec::default(), &["Yes?", "I am here."]);
    stage.voice(500, 900);
    stage.words(1_000, Interim, "hello");
    stage.says(3_000, 3_400, "hello");
    stage.run(8_000);
    assert_eq!(stage.commits().len(), 2);
}

/// What a callee may open with, as people, machines and recognisers' mistakes put it.
const OPENINGS: [&str; 16] = [
    "hello",
    "yes",
    "hi this is john",
    "acme plumbing",
    "good afternoon thank you for calling how may I help you",
    "who is this",
    "he is not available right now",
    "please hold",
    "one moment",
    "your call",
    "record your name",
    "press one",
    "you have reached the smiths",
    "what do you want from me",
    "I was just about to leave the house so please be quick",
    "um",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a person began with and whoever they were taken for: when they say hello, they are spoken to within 12 s,
    /// unless the call was ended.
    #[test]
    fn a_person_is_never_met_with_silence(
        openings in prop::collection::vec((0..OPENINGS.len(), 0..4_000_u64, 400..7_000_u64, any::<bool>()), 0..5),
        beep in prop::option::of(0..20_000_u64),
        has_message in any::<bool>(),
        is_screened in any::<bool>(),
    ) {
        let mut spec = outbound();
        spec.voicemail_message = has_message.then(|| MESSAGE.to_owned());
        spec.screening = is_screened.then(|| Screening { identity: "Anna".into(), purpose: "a visit".into() });
        let mut stage = Stage::new(spec, &[]);
        let mut at = 0;
        for (which, pause, length, has_words) in openings {
            at += pause;
            if has_words {
                stage.says(at, at + length, OPENINGS[which]);
            } else {
                stage.voice(at, at + length);
                stage.words(at + length + 300, Interim, OPENINGS[which]);
                stage.words(at + length + 1_200, Final, OPENINGS[which]);
            }
            at += length + 250;
        }
        if let Some(beep) = beep {
            stage.at(beep, Coming::Beep { length: 300 });
        }
        at += 3_000;
        stage.says(at, at + 500, "hello?");
        stage.run(at + 500 + 12_000);
        let spoken = stage.when("play").into_iter().any(|played| played + 500 >= at);
        let is_over = stage.ended.is_some();
        prop_assert!(spoken || is_over, "{:?}\n{:?}", stage.log, stage.events);
        prop_assert!(stage.dialogue.poll_timeout().is_some() || is_over);
    }
}

#[test]
fn a_setting_of_time_is_followed() {
    let mut spec = outbound();
    spec.timing.hello_wait = Duration::from_millis(700);
    let mut stage = Stage::new(spec, &[]);
    stage.run(3_000);
    assert_eq!(stage.when("play"), [700]);
}
