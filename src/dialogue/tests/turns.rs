//! When a turn is committed and what is answered.

use crate::conversation::{Digit, Message, Role, TranscriptKind::*};
use crate::dialogue::{DialogueEvent, DialogueSpec, Fact};

use super::stage::{Answer, Stage};

fn spec() -> DialogueSpec {
    DialogueSpec { system_prompt: "be kind".into(), ..DialogueSpec::default() }
}

#[test]
fn a_happy_turn_is_answered_once_and_in_time() {
    let mut stage = Stage::new(spec(), &["A table for two, at what time would you like it?"]);
    stage.says(1_000, 2_200, "book a table for two");
    stage.run(8_000);
    assert_eq!(stage.commits(), [(2_700, "endpoint.normal", "book a table for two".to_owned())]);
    assert_eq!(stage.when("generate").len(), 1);
    // 300 ms to the first token, three tokens more to the first clause, 120 ms to the first sound.
    assert_eq!(stage.when("play"), [2_700 + 300 + 30 + 120]);
    assert_eq!(stage.said(), [("A table for two, at what time would you like it?".to_owned(), false)]);
    let expected = [Message::text(Role::System, "be kind"), Message::text(Role::User, "book a table for two")];
    assert_eq!(stage.prompts, [expected]);
}

#[test]
fn a_turn_tells_when_it_stopped_was_decided_and_settled() {
    let mut stage = Stage::new(spec(), &[]);
    stage.voice(1_000, 2_000);
    stage.words(2_450, Final, "Two people.");
    stage.run(3_000);
    let times = stage.events.iter().find_map(|(at, event)| match event {
        DialogueEvent::TurnCommitted { stopped, decided, settled, .. } => Some((*at, *stopped, *decided, *settled)),
        _ => None,
    });
    let at = std::time::Duration::from_millis;
    assert_eq!(times, Some((2_450, Some(at(2_000)), at(2_250), at(2_450))));
}

#[test]
fn a_finished_sentence_commits_sooner_and_an_unfinished_one_later() {
    for (text, at) in [("Book a table.", 2_250), ("book a table", 2_500), ("book a table for", 3_200)] {
        let mut stage = Stage::new(spec(), &[]);
        stage.says(1_000, 2_000, text);
        stage.run(4_000);
        assert_eq!(stage.commits().iter().map(|commit| commit.0).collect::<Vec<_>>(), [at], "{text}");
    }
}

#[test]
fn a_pause_in_mid_thought_is_one_turn() {
    let mut stage = Stage::new(spec(), &[]);
    stage.says(1_000, 1_800, "I would like to");
    stage.says(2_700, 3_600, "change my address");
    stage.run(6_000);
    assert_eq!(stage.commits(), [(4_100, "endpoint.normal", "I would like to change my address".to_owned())]);
}

#[test]
fn a_final_that_does_not_come_is_replaced_by_the_interim_and_its_twin_changes_nothing() {
    let mut stage = Stage::new(spec(), &["Two people it is, then."]);
    stage.voice(1_000, 2_000);
    stage.words(1_900, Interim, "two people");
    stage.words(2_900, Final, "Two people.");
    stage.run(8_000);
    assert_eq!(stage.commits(), [(2_500, "endpoint.normal", "two people".to_owned())]);
    assert_eq!(stage.when("generate").len(), 1);
    assert_eq!(stage.said().len(), 1);
}

#[test]
fn a_late_final_with_other_words_replaces_them_while_the_answer_is_unheard() {
    let mut stage = Stage::new(spec(), &["wrong answer to it all", "the right answer to it"]);
    stage.voice(1_000, 2_000);
    stage.words(1_900, Interim, "two people");
    stage.words(2_700, Final, "Two people and a dog.");
    stage.run(9_000);
    assert_eq!(stage.when("generate").len(), 2);
    assert_eq!(stage.prompts[1][1].content, "Two people and a dog.");
    assert_eq!(stage.said(), [("the right answer to it".to_owned(), false)]);
}

#[test]
fn two_finals_of_one_utterance_are_one_message() {
    let mut stage = Stage::new(spec(), &[]);
    stage.voice(1_000, 2_000);
    stage.words(2_100, Final, "book a");
    stage.words(2_250, Final, "table");
    stage.run(5_000);
    assert_eq!(stage.commits(), [(2_500, "endpoint.normal", "book a table".to_owned())]);
}

#[test]
fn a_final_before_the_detector_is_sure_commits_once() {
    let mut stage = Stage::new(spec(), &[]);
    stage.voice(1_000, 2_000);
    stage.words(2_100, Final, "Book a table.");
    stage.run(5_000);
    assert_eq!(stage.commits(), [(2_250, "endpoint.complete", "Book a table.".to_owned())]);
    assert_eq!(stage.when("finalize"), Vec::<u64>::new());
}

#[test]
fn words_without_voice_open_a_turn() {
    let mut stage = Stage::new(spec(), &[]);
    stage.words(3_000, Final, "hello?");
    stage.run(7_000);
    assert_eq!(stage.commits(), [(3_250, "endpoint.complete", "hello?".to_owned())]);
}

#[test]
fn voice_without_words_is_asked_again() {
    let mut stage = Stage::new(spec(), &[]);
    stage.voice(0, 1_500);
    stage.run(8_000);
    assert_eq!(stage.when("speak"), [4_000]);
    assert_eq!(stage.said(), [(spec().repeat_request, false)]);
}

#[test]
fn the_greeting_is_ready_before_the_line_and_an_empty_one_leaves_the_caller_first() {
    let begin_message = "Hello, how can I help?".to_owned();
    let mut stage = Stage::new(DialogueSpec { begin_message: begin_message.clone(), ..spec() }, &[]);
    stage.run(5_000);
    assert_eq!((stage.when("speak"), stage.when("play")), (vec![0], vec![150]));
    assert_eq!(stage.said(), [(begin_message, false)]);
    let mut stage = Stage::new(spec(), &[]);
    stage.run(7_999);
    assert_eq!(stage.log, []);
    stage.run(8_000);
    assert_eq!(stage.when("speak"), [8_000]);
}

#[test]
fn going_on_before_the_answer_is_heard_makes_one_message_and_one_answer() {
    let mut stage = Stage::new(spec(), &["never heard at all by anyone", "Three people, very well."]);
    stage.says(1_000, 2_000, "Book a table.");
    stage.says(2_400, 3_200, "actually three people");
    stage.run(9_000);
    assert_eq!(stage.when("generate").len(), 2);
    assert_eq!(stage.prompts[1].len(), 2);
    assert_eq!(stage.prompts[1][1].content, "Book a table. actually three people");
    assert_eq!(stage.said(), [("Three people, very well.".to_owned(), false)]);
}

#[test]
fn a_tool_runs_once_and_its_result_is_answered() {
    let mut stage = Stage::new(spec(), &[]);
    stage.answers = [
        Answer { text: "Let me look that up.", tools: vec![("look_up", 3_000)], hangs: false },
        Answer { text: "It is forty two.", ..Answer::default() },
    ]
    .into();
    stage.says(1_000, 2_000, "How much is it?");
    stage.run(12_000);
    assert_eq!(stage.when("invoke").len(), 1);
    let roles: Vec<Role> = stage.prompts[1].iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::System, Role::User, Role::Assistant, Role::Tool]);
    assert_eq!(stage.prompts[1][2].content, "Let me look that up.");
    let said: Vec<String> = stage.said().into_iter().map(|said| said.0).collect();
    assert_eq!(said.first().map(String::as_str), Some("Let me look that up."));
    assert_eq!(said.last().map(String::as_str), Some("It is forty two."));
    assert!(!stage.rules().contains(&"idle.prompt"));
}

#[test]
fn words_during_a_tool_are_answered_together_with_its_result() {
    let mut stage = Stage::new(spec(), &[]);
    stage.answers = [
        Answer { text: "", tools: vec![("look_up", 5_000)], hangs: false },
        Answer { text: "Both are done now.", ..Answer::default() },
    ]
    .into();
    stage.says(1_000, 2_000, "How much is it?");
    stage.says(3_000, 4_000, "also add parking.");
    stage.run(14_000);
    assert_eq!((stage.when("invoke").len(), stage.when("generate").len()), (1, 2));
    let roles: Vec<Role> = stage.prompts[1].iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::System, Role::User, Role::Assistant, Role::Tool, Role::User]);
    assert_eq!(stage.said().last().map(|said| said.0.as_str()), Some("Both are done now."));
}

#[test]
fn keys_are_a_turn() {
    let mut stage = Stage::new(spec(), &[]);
    stage.run(1_000);
    for key in "123#".chars() {
        stage.tell(Fact::Digit(Digit::new(key).unwrap()));
    }
    stage.run(3_000);
    assert_eq!(stage.commits(), [(1_000, "endpoint.keys", "123".to_owned())]);
}

#[test]
fn words_and_keys_from_before_a_hold_are_answered_after_it() {
    let mut stage = Stage::new(spec(), &[]);
    stage.says(1_000, 2_000, "book a table");
    stage.run(2_300);
    stage.tell(Fact::Hold { held: true });
    stage.run(10_000);
    assert_eq!(stage.commits(), []);
    stage.tell(Fact::Hold { held: false });
    stage.run(11_000);
    assert_eq!(stage.commits(), [(10_500, "endpoint.taken-back", "book a table".to_owned())]);
    assert_eq!(stage.when("generate"), [10_500]);

    let mut stage = Stage::new(spec(), &[]);
    stage.run(1_000);
    for key in "12".chars() {
        stage.tell(Fact::Digit(Digit::new(key).unwrap()));
    }
    stage.tell(Fact::Hold { held: true });
    stage.run(5_000);
    stage.tell(Fact::Hold { held: false });
    stage.run(9_000);
    assert_eq!(stage.commits(), [(8_000, "endpoint.keys", "12".to_owned())]);
}
