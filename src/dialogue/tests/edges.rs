//! The recogniser and the detector disagree, repeat themselves or come late.

use crate::conversation::{Transcript, TranscriptKind::*};
use crate::dialogue::{DialogueSpec, Fact};

use super::stage::{Coming, Stage};
use super::transcript;

fn stage(answers: &[&'static str]) -> Stage {
    Stage::new(DialogueSpec::default(), answers)
}

#[test]
fn a_final_that_says_what_the_last_interim_said_changes_nothing() {
    let mut stage = stage(&["Two people it is, then."]);
    stage.voice(1_000, 2_000);
    stage.words(1_900, Interim, "two people");
    stage.words(2_250, Final, "two people");
    stage.run(8_000);
    assert_eq!(stage.commits(), [(2_500, "endpoint.normal", "two people".to_owned())]);
    assert_eq!((stage.when("generate").len(), stage.said().len()), (1, 1));
    // Told again after the turn, it is a turn of its own only when somebody spoke.
    let mut stage = self::stage(&["Two people it is, then."]);
    stage.voice(1_000, 2_000);
    stage.words(1_900, Interim, "two people");
    stage.words(2_600, Final, "Two people");
    stage.words(2_900, Final, "");
    stage.run(8_000);
    assert_eq!((stage.commits().len(), stage.when("generate").len()), (1, 1));
}

#[test]
fn a_final_whose_sound_ended_before_the_commit_belongs_to_that_turn() {
    let late = |at: u64| {
        let mut stage = stage(&["Never heard by anyone.", "For two and a dog, very well."]);
        stage.voice(1_000, 2_000);
        stage.words(2_100, Final, "Book a table.");
        let tail =
            Transcript { audio_end: Some(std::time::Duration::from_millis(1_990)), ..transcript(Final, "for two") };
        stage.at(at, Coming::Words(tail));
        stage.run(12_000);
        stage
    };
    // The answer is unheard: one message, one answer.
    let stage = late(2_450);
    assert_eq!(stage.prompts.last().map(|prompt| prompt.len()), Some(1));
    assert_eq!(stage.prompts.last().unwrap()[0].content, "Book a table. for two");
    assert_eq!(stage.said().len(), 1);
    // It has been heard for long enough: words that come now take the floor, as a turn of their own.
    let stage = late(4_000);
    assert_eq!(stage.prompts.last().map(|prompt| prompt.len()), Some(3));
}

#[test]
fn an_empty_final_settles_what_the_interims_said_before_and_is_nothing_alone() {
    let mut stage = stage(&[]);
    stage.voice(1_000, 2_000);
    stage.words(2_250, Final, "");
    stage.words(2_300, Final, "  ");
    stage.run(3_900);
    assert_eq!((stage.commits().len(), stage.when("generate").len()), (0, 0));
    // The caller is asked to repeat, for there was voice.
    stage.run(9_000);
    assert_eq!(stage.said(), [(DialogueSpec::default().repeat_request, false)]);
}

#[test]
fn an_end_of_voice_without_its_begin_is_nothing() {
    let mut stage = stage(&[]);
    stage.at(1_000, Coming::Silence { since: 800 });
    stage.run(3_000);
    assert_eq!((stage.commits().len(), stage.when("finalize").len(), stage.events.len()), (0, 0, 0));
    // And it does not end a turn that only words opened.
    stage.words(3_100, Interim, "book a table for");
    stage.at(3_200, Coming::Silence { since: 3_000 });
    stage.run(4_299);
    assert_eq!(stage.commits(), []);
    stage.run(6_000);
    assert_eq!(stage.commits().into_iter().map(|commit| commit.0).collect::<Vec<_>>(), [4_300]);
}

#[test]
fn words_without_voice_are_a_turn_and_an_end_of_turn_ends_it_at_once() {
    let mut stage = stage(&[]);
    stage.words(1_000, Interim, "book a");
    stage.words(1_300, EndOfTurn, "book a table");
    stage.run(4_000);
    assert_eq!(stage.commits(), [(1_300, "endpoint.recogniser", "book a table".to_owned())]);
}

#[test]
fn an_end_of_turn_before_the_detectors_silence_waits_for_it_and_one_after_it_does_not() {
    for (told, committed) in [(1_900, 2_250), (2_100, 2_250), (2_300, 2_300), (2_450, 2_450)] {
        let mut stage = stage(&[]);
        stage.voice(1_000, 2_000);
        stage.words(told, EndOfTurn, "book a table");
        stage.run(5_000);
        assert_eq!(stage.commits(), [(committed, "endpoint.recogniser", "book a table".to_owned())], "told at {told}");
    }
}

#[test]
fn a_caller_who_is_heard_to_go_on_is_waited_for() {
    let mut stage = stage(&[]);
    stage.voice(1_000, 2_000);
    stage.words(2_100, Eager, "book a table");
    // The detector hears nothing of it.
    stage.words(2_400, Resumed, "");
    stage.words(2_800, Interim, "book a table for two");
    stage.words(3_000, EndOfTurn, "book a table for two");
    stage.run(6_000);
    assert_eq!(stage.commits().len(), 1);
    assert_eq!(stage.commits()[0].2, "book a table for two");
}

#[test]
fn of_an_event_and_a_deadline_at_the_same_moment_the_event_counts_first() {
    // The final comes at the very moment at which the interim would have been taken in its place …
    let mut stage = stage(&["Three people it is."]);
    stage.voice(1_000, 2_000);
    stage.words(1_900, Interim, "two people");
    stage.words(2_500, Final, "three people");
    stage.run(8_000);
    assert_eq!(stage.commits(), [(2_500, "endpoint.normal", "three people".to_owned())]);
    assert_eq!(stage.when("generate").len(), 1);
    // … and the voice at the moment at which the turn would have been over.
    let mut stage = self::stage(&[]);
    stage.voice(1_000, 2_000);
    stage.words(2_100, Final, "Book a table.");
    stage.run(2_249);
    stage.now = 2_250;
    let began = stage.instant() - std::time::Duration::from_millis(64);
    stage.tell(Fact::Voice {
        began,
        voiced: std::time::Duration::from_millis(64),
        over: crate::conversation::Backdrop::Quiet,
    });
    assert_eq!(stage.commits(), []);
}
