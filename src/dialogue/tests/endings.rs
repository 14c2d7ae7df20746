//! How calls end.

use std::time::Duration;

use crate::conversation::TranscriptKind::*;
use crate::dialogue::{Command, DialogueEvent, DialogueSpec, EndReason, Timing};

use super::stage::{Answer, Coming, Stage};

const LONG: &str = "one two three four five six seven eight nine ten eleven twelve.";

#[test]
fn silence_is_asked_about_twice_and_then_ended() {
    let mut stage = Stage::new(DialogueSpec::default(), &[]);
    stage.run(60_000);
    let spec = DialogueSpec::default();
    let said: Vec<String> = stage.said().into_iter().map(|said| said.0).collect();
    assert_eq!(said, [spec.idle_prompt.clone(), spec.idle_prompt, spec.goodbye]);
    assert_eq!(stage.ended.unwrap().1, EndReason::Inactivity);
    let heard = stage.when("heard");
    assert_eq!(stage.when("speak"), [8_000, heard[0] + 8_000, heard[1] + 8_000]);
}

/// The rule by which the call ended and what it saw, and those of what was dropped.
fn reasons(stage: &Stage) -> (Vec<String>, Vec<String>) {
    let (mut endings, mut dropped) = (Vec::new(), Vec::new());
    for (_, event) in &stage.events {
        match event {
            DialogueEvent::Ending { why, .. } => endings.push(format!("{}: {}", why.rule, why.inputs)),
            DialogueEvent::Dropped { why, .. } => dropped.push(format!("{}: {}", why.rule, why.inputs)),
            _ => {}
        }
    }
    (endings, dropped)
}

#[test]
fn the_end_says_by_which_rule_it_came_and_what_was_waited_for() {
    let mut stage = Stage::new(DialogueSpec::default(), &[]);
    stage.run(60_000);
    let (endings, _) = reasons(&stage);
    assert!(matches!(&endings[..], [one] if one.starts_with("idle.end: the goodbye is over, ")), "{endings:?}");
    let mut stage = Stage::new(DialogueSpec::default(), &[]);
    stage.at(500, Coming::Command(Command::End));
    stage.run(2_000);
    assert_eq!(reasons(&stage).0, ["command.end: no words were pending, 0 ms after it was decided"]);
}

#[test]
fn what_is_dropped_says_by_which_rule() {
    let mut stage = Stage::new(DialogueSpec::default(), &[]);
    stage.at(500, Coming::Command(Command::Transfer { to: None }));
    stage.run(2_000);
    assert_eq!(reasons(&stage).1, ["transfer.no-number: none is ordered, none is configured"]);
}

#[test]
fn a_caller_who_speaks_up_is_not_hung_up_on() {
    let mut stage = Stage::new(DialogueSpec::default(), &[]);
    stage.says(20_500, 21_500, "I am still here.");
    stage.run(28_000);
    assert_eq!(stage.ended, None);
    assert_eq!(stage.commits().len(), 1);
}

#[test]
fn the_longest_call_ends_with_a_goodbye() {
    let timing = Timing { max_duration: Duration::from_secs(5), ..Timing::default() };
    let mut stage = Stage::new(DialogueSpec { timing, ..DialogueSpec::default() }, &[]);
    stage.run(30_000);
    assert_eq!(stage.when("speak"), [5_000]);
    assert_eq!(stage.ended.unwrap().1, EndReason::MaxDuration);
}

#[test]
fn the_model_hangs_up_after_its_last_word() {
    let mut stage = Stage::new(DialogueSpec::default(), &[]);
    stage.answers = [Answer { text: "Goodbye and take care.", tools: vec![("end_call", 99_000)], hangs: false }].into();
    stage.says(1_000, 2_000, "That is all.");
    stage.run(20_000);
    assert_eq!(stage.said(), [("Goodbye and take care.".to_owned(), false)]);
    assert_eq!(stage.ended.unwrap(), (stage.when("heard")[0], EndReason::AgentHangup));
    assert_eq!(stage.when("invoke"), Vec::<u64>::new());
}

#[test]
fn a_goodbye_can_be_talked_into_staying_once() {
    let mut stage = Stage::new(DialogueSpec::default(), &[]);
    let goodbye =
        || Answer { text: "Goodbye and take care my friend.", tools: vec![("end_call", 99_000)], hangs: false };
    stage.answers = [goodbye(), Answer { text: "Yes, what is it?", ..Answer::default() }].into();
    stage.says(1_000, 2_000, "That is all.");
    stage.says(3_200, 4_200, "wait one more thing.");
    stage.run(10_000);
    assert_eq!(stage.ended, None);
    assert_eq!(stage.said().last().unwrap().0, "Yes, what is it?");
}

#[test]
fn words_that_correct_those_a_goodbye_was_made_for_are_answered() {
    let mut stage = Stage::new(DialogueSpec::default(), &[]);
    let goodbye = Answer { text: "Goodbye and take care.", tools: vec![("end_call", 99_000)], hangs: false };
    stage.answers = [goodbye, Answer { text: "Which table do you mean?", ..Answer::default() }].into();
    stage.voice(1_000, 2_000);
    stage.words(1_900, Interim, "that is all");
    // The answer is written from 2800 and sounds at 2950.
    stage.words(2_900, Final, "that is a lot for one table");
    stage.run(20_000);
    assert_eq!(stage.when("generate"), [2_500, 3_400]);
    assert_eq!(stage.prompts[1].last().unwrap().content, "that is a lot for one table");
    assert_eq!(stage.said()[0], ("Which table do you mean?".to_owned(), false));
    assert_eq!(stage.ended, None);
}

#[test]
fn hanging_up_keeps_the_last_words_of_both() {
    let begin_message = LONG.to_owned();
    let mut stage = Stage::new(DialogueSpec { begin_message, ..DialogueSpec::default() }, &[]);
    stage.voice(1_000, 1_090);
    stage.at(1_100, Coming::Closed);
    stage.words(1_500, Final, "bye then");
    stage.run(9_000);
    assert_eq!(stage.commits(), [(1_500, "endpoint.closed", "bye then".to_owned())]);
    assert_eq!(stage.ended, Some((1_500, EndReason::UserHangup)));
    assert_eq!(stage.said(), [("one two three".to_owned(), true)]);
}

#[test]
fn last_words_that_never_come_are_not_waited_for_forever() {
    let mut stage = Stage::new(DialogueSpec::default(), &[]);
    stage.voice(1_000, 1_090);
    stage.words(1_050, Interim, "bye");
    stage.at(1_100, Coming::Closed);
    stage.run(9_000);
    assert_eq!(stage.commits(), [(3_100, "endpoint.closed", "bye".to_owned())]);
    assert_eq!(stage.ended, Some((3_100, EndReason::UserHangup)));
}

#[test]
fn an_end_from_outside_is_at_once() {
    let begin_message = LONG.to_owned();
    let mut stage = Stage::new(DialogueSpec { begin_message, ..DialogueSpec::default() }, &[]);
    stage.at(1_000, Coming::Command(Command::End));
    stage.run(9_000);
    assert_eq!(stage.ended, Some((1_000, EndReason::Ended)));
    assert_eq!(stage.said(), [("one two".to_owned(), true)]);
}
