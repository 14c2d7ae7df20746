//! Thinking ahead: what is begun, kept and dropped, and that nothing of it shows before the turn is committed.

use std::time::Duration;

use crate::conversation::{Failure, GenerationEnd, ReplyId, Role, Service, TranscriptKind::*};
use crate::dialogue::{Command, DialogueEvent, DialogueSpec, Direction, Fact, Screening, Speculation};

use super::stage::{Answer, Coming, Stage, says};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn stage(answers: &[&'static str]) -> Stage {
    Stage::thinking(DialogueSpec::default(), answers)
}

/// The rules of what was done with thoughts, with their times.
fn thoughts(stage: &Stage) -> Vec<(u64, &'static str)> {
    let rule = |(at, event): &(u64, DialogueEvent)| match event {
        DialogueEvent::ThoughtAhead { why, .. }
        | DialogueEvent::ThoughtKept { why, .. }
        | DialogueEvent::ThoughtDropped { why, .. } => Some((*at, why.rule)),
        _ => None,
    };
    stage.events.iter().filter_map(rule).collect()
}

fn saved(stage: &Stage) -> Vec<u64> {
    let saved = |(_, event): &(u64, DialogueEvent)| match event {
        DialogueEvent::ThoughtKept { saved, .. } => Some(saved.as_millis() as u64),
        _ => None,
    };
    stage.events.iter().filter_map(saved).collect()
}

#[test]
fn settled_words_are_thought_about_before_the_turn_is_over() {
    let mut stage = stage(&["A table for two, at what time would you like it?"]);
    stage.says(1_000, 2_000, "book a table for two");
    stage.run(8_000);
    assert_eq!(thoughts(&stage), [(2_250, "speculation.settled"), (2_500, "speculation.same-input")]);
    assert_eq!(stage.commits(), [(2_500, "endpoint.normal", "book a table for two".to_owned())]);
    assert_eq!(stage.when("generate"), [2_250]);
    assert_eq!(stage.when("play"), [2_250 + 300 + 30 + 120]);
    assert_eq!(stage.said(), [("A table for two, at what time would you like it?".to_owned(), false)]);
    assert_eq!(saved(&stage), [250]);
}

#[test]
fn the_committed_turn_carries_the_id_of_the_thought_that_answers_it() {
    let mut stage = stage(&[]);
    stage.says(1_000, 2_000, "book a table for two");
    stage.run(3_000);
    let ids: Vec<_> = stage
        .events
        .iter()
        .filter_map(|(_, event)| match event {
            DialogueEvent::ThoughtAhead { reply, .. } | DialogueEvent::TurnCommitted { reply, .. } => Some(*reply),
            _ => None,
        })
        .collect();
    assert_eq!(ids, [ReplyId(1), ReplyId(1)]);
}

#[test]
fn nothing_is_begun_when_it_is_switched_off() {
    let spec = DialogueSpec {
        speculation: Speculation { enabled: false, ..Speculation::default() },
        ..DialogueSpec::default()
    };
    let mut stage = Stage::thinking(spec, &[]);
    stage.says(1_000, 2_000, "book a table for two");
    stage.run(8_000);
    assert_eq!(thoughts(&stage), []);
    assert_eq!(stage.when("generate"), [2_500]);
}

#[test]
fn the_first_piece_is_synthesised_ahead_only_when_the_end_looks_certain() {
    let mut spec = DialogueSpec::default();
    spec.timing.endpoint_normal = MS(1_500);
    for (kind, spoken, played, saves) in [(Eager, 2_100 + 310, 3_500, 310 + 120), (Final, 3_500, 3_500 + 120, 310)] {
        let mut stage = Stage::thinking(spec.clone(), &["Certainly sir, when would that be?"]);
        stage.voice(1_000, 2_000);
        stage.words(1_900, Interim, "book a table");
        stage.words(2_100, kind, "book a table for two");
        stage.words(2_600, Final, if kind == Eager { "book a table for two" } else { "" });
        stage.run(9_000);
        assert_eq!(stage.commits().len(), 1);
        assert_eq!(stage.when("speak 1")[0], spoken, "{kind:?}");
        assert_eq!(stage.when("speak 1")[1..], [3_500], "{kind:?}: the rest waits for the commit");
        assert_eq!(stage.when("play"), [played], "{kind:?}");
        assert_eq!(saved(&stage), [saves], "{kind:?}");
    }
}

#[test]
fn words_that_stay_unchanged_in_silence_are_thought_about_without_a_final() {
    let mut stage = stage(&["Two people it is, then."]);
    stage.voice(1_000, 2_000);
    stage.words(1_900, Interim, "two people");
    stage.words(2_900, Final, "Two people.");
    stage.run(8_000);
    assert_eq!(thoughts(&stage), [(2_360, "speculation.unchanged"), (2_500, "speculation.same-input")]);
    assert_eq!(stage.when("generate").len(), 1);
}

#[test]
fn a_final_with_the_same_words_keeps_the_thought_and_goes_into_history_as_it_is() {
    let mut stage = stage(&["At what time do you want it?", "All right then, eight o'clock."]);
    stage.voice(1_000, 2_000);
    stage.words(2_000, Eager, "book a table for two");
    stage.words(2_300, Final, "Book a table for two.");
    stage.says(5_000, 6_000, "eight o'clock please");
    stage.run(12_000);
    assert_eq!(stage.when("generate"), [2_000, 6_250]);
    assert_eq!(stage.prompts[0].last().unwrap().content, "book a table for two");
    assert_eq!(stage.prompts[1][0].content, "Book a table for two.");
}

#[test]
fn other_words_drop_the_thought_and_nothing_of_it_is_heard() {
    let mut stage = stage(&["wrong answer to it all.", "the right answer to it."]);
    stage.says(1_000, 2_000, "book a table.");
    stage.says(2_150, 3_200, "for three people.");
    stage.words(2_010, Eager, "book a table.");
    stage.run(9_000);
    let drop = thoughts(&stage)[1];
    assert_eq!(drop, (2_700, "speculation.other-words"));
    assert_eq!(stage.when("speak 1"), [2_350], "the first piece was synthesised");
    assert_eq!((stage.when("flush 1"), stage.when("cancel 1")), (vec![2_700], vec![2_700]));
    assert_eq!(stage.when("play 1"), Vec::<u64>::new());
    assert_eq!(stage.prompts.last().unwrap().last().unwrap().content, "book a table. for three people.");
    assert_eq!(stage.said(), [("the right answer to it.".to_owned(), false)]);
}

#[test]
fn a_commit_with_other_words_in_the_same_breath_does_not_adopt_the_thought() {
    let mut stage = stage(&["wrong answer to it all.", "the right answer to it."]);
    stage.voice(1_000, 2_000);
    stage.words(1_950, Eager, "book a table");
    stage.words(2_300, Final, "Book a table for three.");
    stage.run(9_000);
    assert_eq!(stage.commits()[0].0, 2_300);
    assert_eq!(thoughts(&stage)[1], (2_300, "speculation.other-input"));
    assert_eq!(stage.when("generate"), [1_950, 2_300]);
    assert_eq!(stage.said(), [("the right answer to it.".to_owned(), false)]);
}

#[test]
fn a_recogniser_that_hears_the_caller_go_on_drops_the_thought_and_the_same_words_start_none() {
    let mut stage = stage(&["wrong answer to it all.", "the right answer to it."]);
    stage.voice(1_000, 2_000);
    stage.words(1_900, Eager, "book a table");
    stage.words(2_050, Resumed, "");
    stage.words(2_100, Interim, "book a table");
    stage.run(2_490);
    assert_eq!(thoughts(&stage), [(1_900, "speculation.eager"), (2_050, "speculation.resumed")]);
    stage.run(9_000);
    assert_eq!(stage.said(), [("the right answer to it.".to_owned(), false)]);
}

#[test]
fn tools_run_once_after_the_commit() {
    let mut stage = stage(&[]);
    stage.answers = [
        Answer { text: "Let me look that up.", tools: vec![("look_up", 700)], ..Answer::default() },
        says("There is a table at eight."),
    ]
    .into();
    stage.voice(1_000, 2_000);
    stage.words(1_900, Eager, "is there a table");
    stage.words(2_250, Final, "is there a table");
    stage.run(9_000);
    // The model asked for it at 1900 + 300 + 50.
    assert_eq!(stage.commits()[0].0, 2_500);
    assert_eq!(stage.when("invoke look_up"), [2_500]);
    assert_eq!(stage.when("generate").len(), 2);
    let last = stage.prompts.last().unwrap();
    assert_eq!(last.iter().filter(|message| message.role == Role::Tool).count(), 1);
    assert_eq!(stage.said().len(), 2);
}

#[test]
fn tools_of_a_dropped_thought_never_run_and_its_goodbye_is_not_said() {
    for tool in ["look_up", "end_call"] {
        let mut stage = stage(&[]);
        stage.answers =
            [Answer { text: "Very well.", tools: vec![(tool, 200)], ..Answer::default() }, says("Three it is.")].into();
        stage.voice(1_000, 2_000);
        stage.words(1_900, Eager, "book a table");
        stage.words(2_300, Interim, "book a table for three");
        stage.words(2_400, Final, "book a table for three");
        stage.run(6_000);
        assert_eq!(stage.when("invoke"), Vec::<u64>::new());
        assert_eq!(stage.ended, None);
        assert_eq!(stage.said(), [("Three it is.".to_owned(), false)]);
    }
}

#[test]
fn a_wish_to_hang_up_takes_effect_with_the_commit() {
    let mut stage = stage(&[]);
    stage.answers = [Answer { text: "Goodbye then.", tools: vec![("end_call", 0)], ..Answer::default() }].into();
    stage.voice(1_000, 2_000);
    stage.words(1_900, Eager, "that is all thank you");
    stage.words(2_250, Final, "that is all thank you");
    stage.run(9_000);
    assert_eq!(stage.when("play"), [2_500]);
    assert_eq!(stage.said(), [("Goodbye then.".to_owned(), false)]);
    assert_eq!(stage.ended.map(|(at, _)| at), Some(2_500 + 600));
}

#[test]
fn there_are_two_tries_a_turn() {
    let spec =
        DialogueSpec { speculation: Speculation { share: 1_000, ..Speculation::default() }, ..DialogueSpec::default() };
    let mut stage = Stage::thinking(spec, &[]);
    stage.voice(1_000, 2_600);
    for (n, text) in ["one", "one more", "one more time", "one more time please"].into_iter().enumerate() {
        stage.words(1_500 + 300 * n as u64, Eager, text);
    }
    stage.run(2_900);
    let begun = thoughts(&stage).iter().filter(|(_, rule)| *rule == "speculation.eager").count();
    assert_eq!((begun, stage.when("generate").len()), (2, 2));
    stage.says(8_000, 9_000, "and another thing");
    stage.run(9_400);
    assert_eq!(thoughts(&stage).last(), Some(&(9_250, "speculation.settled")), "the next turn has its own");
}

#[test]
fn dropped_thoughts_stop_thinking_ahead_until_the_call_has_outgrown_them() {
    let prompt = "You take bookings for a restaurant. Be brief and kind.";
    let mut stage = Stage::thinking(DialogueSpec { system_prompt: prompt.into(), ..DialogueSpec::default() }, &[]);
    let mut turn = 0;
    let mut begun_again = None;
    while begun_again.is_none() && turn < 12 {
        let at = stage.now + 3_000;
        if turn == 0 {
            stage.words(at + 700, Eager, "I would");
        }
        stage.says(at, at + 1_000, "I would book a table");
        stage.run(at + 4_000);
        turn += 1;
        if stage.when("generate").len() > turn + 1 {
            panic!("a second thought was dropped");
        }
        begun_again = thoughts(&stage).iter().position(|(_, rule)| *rule == "speculation.settled").map(|_| turn);
    }
    // One prompt of four was wasted when the fourth turn comes: less than 30 in 100.
    assert_eq!(begun_again, Some(3), "{:?}", thoughts(&stage));
}

#[test]
fn long_speeches_and_unfinished_words_are_not_thought_about() {
    let mut stage = stage(&[]);
    stage.says(1_000, 12_000, "and that is how it all came about");
    stage.run(15_000);
    assert_eq!(thoughts(&stage), []);
    for text in ["I would like to", "my name is um", "four one five"] {
        let mut stage = self::stage(&[]);
        stage.says(1_000, 2_000, text);
        stage.run(9_000);
        assert_eq!(thoughts(&stage), [], "{text}");
    }
    // Unless the recogniser says that it is the end.
    let mut stage = self::stage(&[]);
    stage.says(1_000, 2_000, "four one five");
    stage.words(1_990, Eager, "four one five");
    stage.run(9_000);
    assert_eq!(thoughts(&stage), [(1_990, "speculation.eager"), (2_900, "speculation.same-input")]);
}

#[test]
fn whole_words_are_thought_about_as_soon_as_it_is_quiet() {
    let mut stage = stage(&["Two people it is, then."]);
    stage.voice(1_000, 2_000);
    stage.words(1_800, Interim, "Two people.");
    stage.words(2_250, Final, "Two people.");
    stage.run(8_000);
    // The last voiced hop was told at 1992.
    assert_eq!(thoughts(&stage), [(2_092, "speculation.unchanged"), (2_250, "speculation.same-input")]);
    // Not while they may be the beginning of more.
    let mut stage = self::stage(&["Two people it is, then."]);
    stage.voice(1_000, 2_000);
    stage.words(1_300, Interim, "Book a table.");
    stage.words(1_900, Interim, "Book a table. For two.");
    stage.words(2_050, Interim, "Book a table. For two people.");
    stage.words(2_250, Final, "Book a table. For two people.");
    stage.run(8_000);
    assert_eq!(thoughts(&stage), [(2_210, "speculation.unchanged"), (2_250, "speculation.same-input")]);
}

#[test]
fn a_model_that_fails_ahead_is_asked_again_when_the_turn_is_over() {
    let mut stage = stage(&[]);
    stage.answers = [Answer { hangs: true, ..Answer::default() }, says("There you are, at last.")].into();
    stage.says(1_000, 2_000, "book a table for two");
    stage.run(2_300);
    stage.tell(Fact::Failed { service: Service::Llm, reply: Some(ReplyId(1)), failure: Failure::RateLimit });
    stage.run(9_000);
    assert_eq!(thoughts(&stage)[1], (2_300, "speculation.failed"));
    assert_eq!(stage.when("generate"), [2_250, 2_500]);
    assert_eq!(stage.said(), [("There you are, at last.".to_owned(), false)]);
    assert!(!stage.events.iter().any(|(_, event)| matches!(event, DialogueEvent::ServiceFailed { .. })));
}

#[test]
fn an_empty_thought_is_no_answer() {
    let mut stage = stage(&[]);
    stage.answers = [Answer { hangs: true, ..Answer::default() }, says("There you are, at last.")].into();
    stage.says(1_000, 2_000, "book a table for two");
    stage.run(2_300);
    stage.tell(Fact::GenerationEnded { reply: ReplyId(1), end: GenerationEnd::Filtered });
    stage.run(9_000);
    assert_eq!(stage.said(), [("There you are, at last.".to_owned(), false)]);
}

#[test]
fn a_thought_whose_model_hangs_is_given_up_like_any_answer() {
    let mut stage = stage(&[]);
    stage.answers = [Answer { hangs: true, ..Answer::default() }].into();
    stage.says(1_000, 2_000, "book a table for two");
    stage.run(9_000);
    assert_eq!(thoughts(&stage).len(), 2);
    assert_eq!(stage.when("cancel 1"), [2_250 + 5_000]);
}

#[test]
fn whatever_takes_the_floor_ends_the_thought() {
    type Deed = fn(&mut Stage);
    let deeds: [(&str, Deed); 4] = [
        ("words from outside", |stage| {
            stage.at(2_400, Coming::Command(Command::Say { text: "One moment.".into(), interruptible: true }));
        }),
        ("the line is held", |stage| {
            stage.run(2_400);
            stage.tell(Fact::Hold { held: true });
        }),
        ("the line is closed", |stage| stage.at(2_400, Coming::Closed)),
        ("the call is ended", |stage| stage.at(2_400, Coming::Command(Command::End))),
    ];
    for (what, deed) in deeds {
        let mut stage = stage(&[]);
        stage.says(1_000, 2_000, "book a table for two");
        deed(&mut stage);
        stage.run(2_450);
        assert_eq!(thoughts(&stage).last(), Some(&(2_400, "speculation.overtaken")), "{what}");
        assert_eq!(stage.when("cancel 1"), [2_400], "{what}");
    }
}

#[test]
fn a_turn_that_goes_on_before_its_answer_is_heard_is_thought_about_as_a_whole() {
    let mut stage = stage(&["A table for two, right away.", "A table for three, right away."]);
    stage.says(1_000, 2_000, "book a table for two");
    stage.says(2_550, 3_400, "actually three people");
    stage.run(9_000);
    assert_eq!(stage.when("generate"), [2_250, 3_650]);
    assert_eq!(stage.prompts[1].last().unwrap().content, "book a table for two actually three people");
    assert_eq!(thoughts(&stage).last().map(|thought| thought.1), Some("speculation.same-input"));
    assert_eq!(stage.said(), [("A table for three, right away.".to_owned(), false)]);
}

#[test]
fn a_machine_that_has_answered_is_not_thought_about() {
    let screening = Some(Screening { identity: "Anna".into(), purpose: "your order".into() });
    let spec = DialogueSpec { direction: Direction::Outbound, screening, ..DialogueSpec::default() };
    let mut stage = Stage::thinking(spec, &[]);
    stage.says(500, 3_000, "please say your name and why you are calling");
    stage.words(2_900, Eager, "please say your name and why you are calling");
    stage.run(6_000);
    assert_eq!(thoughts(&stage), []);
    assert_eq!(stage.when("generate"), Vec::<u64>::new());
    assert_eq!(stage.said().len(), 1);
}

#[test]
fn a_turn_that_is_dropped_costs_the_next_one_no_tries() {
    let speculation = Speculation { share: 100, ..Speculation::default() };
    let mut stage = Stage::thinking(DialogueSpec { speculation, ..DialogueSpec::default() }, &[]);
    for (at, words) in [(1_500, "book"), (1_600, "book a"), (1_700, "book a table"), (1_800, "book a table for")] {
        stage.words(at, Eager, words);
    }
    stage.at(2_000, Coming::Command(Command::Interrupt));
    stage.run(2_000);
    assert_eq!(stage.when("generate"), [1_500, 1_600], "as many as the budget has");
    stage.words(3_000, Eager, "book a table for two");
    stage.run(3_100);
    assert_eq!(stage.when("generate"), [1_500, 1_600, 3_000]);
    assert!(stage.commits().is_empty());
}
