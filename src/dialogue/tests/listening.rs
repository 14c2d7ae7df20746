//! How long the caller is listened to: values, own pauses, limits, and the agent's "mm-hmm".

use std::time::Duration;

use crate::conversation::TranscriptKind::*;
use crate::dialogue::{DialogueEvent, DialogueSpec, SttMode, Timing};

use super::stage::Stage;

const MS: fn(u64) -> Duration = Duration::from_millis;

fn asked(question: &str) -> DialogueSpec {
    DialogueSpec { begin_message: question.into(), ..DialogueSpec::default() }
}

fn inputs(stage: &Stage) -> Vec<String> {
    let inputs = |(_, event): &(u64, DialogueEvent)| match event {
        DialogueEvent::TurnCommitted { why, .. } => Some(why.inputs.clone()),
        _ => None,
    };
    stage.events.iter().filter_map(inputs).collect()
}

#[test]
fn digits_with_pauses_are_one_turn_whatever_marks_the_recogniser_sets() {
    for mark in ["", ".", ",", "?"] {
        for is_asked in [true, false] {
            let question = if is_asked { "What is your phone number?" } else { "" };
            let mut stage = Stage::new(asked(question), &["Thank you very much."]);
            let digits = ["4", "1", "5", "5", "5", "5", "0", "1", "2", "3"];
            // Nobody asked: the first two alone could be anything, and are said in one breath.
            let mut at = 3_000;
            for (n, digit) in digits.into_iter().enumerate() {
                stage.voice(at, at + 400);
                stage.words(at + 650, Final, &format!("{digit}{mark}"));
                stage.words(at + 720, EndOfTurn, "");
                at += if n < 2 && !is_asked { 500 } else { 1_100 };
            }
            stage.run(at + 5_000);
            let commits = stage.commits();
            let rule = if is_asked { "endpoint.phone" } else { "endpoint.digits" };
            let wait = if is_asked { 500 } else { 900 };
            assert_eq!(commits.len(), 1, "{mark:?} asked {is_asked}: {commits:?}");
            assert_eq!((commits[0].0, commits[0].1), (at - 700 + wait, rule), "{mark:?} asked {is_asked}");
            assert_eq!(stage.when("generate").len(), 1);
        }
    }
}

#[test]
fn a_value_cut_in_two_is_known_to_go_on_and_its_longer_gaps_are_waited_for() {
    let mut stage =
        Stage::new(asked("What is your phone number?"), &["Never heard by anyone.", "Thank you very much."]);
    // A gap of 1100 ms is longer than a value is waited for: the first time it is taken for the end …
    stage.voice(3_000, 4_000);
    stage.words(4_250, Final, "four one five");
    stage.voice(5_100, 6_000);
    stage.words(6_250, Final, "five five five");
    // … and the second time not.
    stage.voice(7_100, 8_000);
    stage.words(8_250, Final, "oh one oh oh");
    stage.run(14_000);
    let rules: Vec<_> = stage.commits().iter().map(|commit| (commit.0, commit.1)).collect();
    assert_eq!(rules, [(4_900, "endpoint.phone"), (8_500, "endpoint.phone")]);
    let last = stage.prompts.last().and_then(|prompt| prompt.last()).unwrap();
    assert_eq!(last.content, "four one five five five five oh one oh oh");
    assert_eq!(stage.said().len(), 2, "the question and one answer");
}

#[test]
fn a_callers_own_pauses_lengthen_the_normal_wait_little_by_little() {
    let mut stage = Stage::new(DialogueSpec::default(), &["For Tuesday, very well.", "And a window seat, fine."]);
    for (from, text) in
        [(1_000, "I want a table"), (2_400, "on Tuesday"), (8_000, "one more thing"), (9_400, "a window")]
    {
        stage.voice(from, from + 1_000);
        stage.words(from + 1_200, Final, text);
    }
    stage.run(16_000);
    // 400 ms of pause are 200 more than the shortest that counts: a tenth of that, then a tenth nearer.
    let commits: Vec<_> = stage.commits().into_iter().map(|commit| commit.0).collect();
    assert_eq!(commits, [3_400 + 520, 10_400 + 538]);
    assert!(inputs(&stage)[0].ends_with("20 ms for this caller's pauses"), "{:?}", inputs(&stage));
}

#[test]
fn a_pause_behind_a_full_stop_makes_no_later_turn_slower() {
    let mut stage = Stage::new(DialogueSpec::default(), &["Never heard by anyone.", "Very well.", "Fine."]);
    for (from, text) in [(1_000, "I want a table."), (2_400, "For Tuesday."), (8_000, "One more thing.")] {
        stage.voice(from, from + 1_000);
        stage.words(from + 1_200, Final, text);
    }
    stage.run(16_000);
    let commits: Vec<_> = stage.commits().into_iter().map(|commit| commit.0).collect();
    assert_eq!(commits, [2_250, 3_650, 9_250]);
    assert_eq!(stage.said().len(), 2, "the answer that came too early is never heard");
}

#[test]
fn pauses_in_mid_sentence_or_in_a_number_make_nobody_wait_elsewhere() {
    let mut stage = Stage::new(DialogueSpec::default(), &[]);
    for (from, text) in [(1_000, "I would like to"), (2_800, "give you four one five"), (4_500, "five five five.")] {
        stage.voice(from, from + 1_000);
        stage.words(from + 1_200, Final, text);
    }
    stage.run(6_700);
    stage.voice(10_000, 11_000);
    stage.words(11_200, Final, "That is all.");
    stage.run(15_000);
    assert_eq!(stage.commits().last().map(|commit| commit.0), Some(11_250));
}

#[test]
fn voice_that_has_just_begun_keeps_the_turn_open_and_a_click_does_not() {
    let mut stage = Stage::new(DialogueSpec::default(), &[]);
    stage.voice(1_000, 2_000);
    stage.words(2_200, Final, "Book a table.");
    // 32 ms of the voice are known when the turn would be over.
    stage.voice(2_215, 3_000);
    stage.words(3_200, Final, "For two.");
    stage.run(6_000);
    assert_eq!(stage.commits().into_iter().map(|commit| commit.2).collect::<Vec<_>>(), ["Book a table. For two."]);
    let mut stage = Stage::new(DialogueSpec::default(), &[]);
    stage.voice(1_000, 2_000);
    stage.words(2_200, Final, "Book a table.");
    stage.voice(2_215, 2_260);
    stage.run(6_000);
    assert_eq!(stage.commits().into_iter().map(|commit| commit.0).collect::<Vec<_>>(), [2_315]);
}

#[test]
fn accurate_mode_waits_for_the_final_of_a_number_and_fast_mode_takes_the_interim() {
    for (stt_mode, at) in [(SttMode::Fast, 3_800), (SttMode::Accurate, 5_400)] {
        let mut stage = Stage::new(DialogueSpec { stt_mode, ..asked("What is your account number?") }, &[]);
        stage.voice(1_900, 2_900);
        stage.words(2_800, Interim, "four one five");
        stage.run(9_000);
        assert_eq!(stage.commits().into_iter().map(|commit| commit.0).collect::<Vec<_>>(), [at], "{stt_mode:?}");
    }
    // A name that was asked for, too.
    for (stt_mode, at) in [(SttMode::Fast, 3_400), (SttMode::Accurate, 5_400)] {
        let mut stage = Stage::new(DialogueSpec { stt_mode, ..asked("What is your name?") }, &[]);
        stage.voice(1_900, 2_900);
        stage.words(2_800, Interim, "jon smyth");
        stage.run(9_000);
        assert_eq!(stage.commits().into_iter().map(|commit| commit.0).collect::<Vec<_>>(), [at], "{stt_mode:?}");
    }
}

#[test]
fn a_caller_without_end_is_cut_in_on_and_answered_when_they_stop() {
    let timing = Timing { turn_limit: MS(10_000), ..Timing::default() };
    let mut stage = Stage::new(DialogueSpec { timing, ..DialogueSpec::default() }, &["Here is your answer."]);
    stage.voice(1_000, 14_000);
    for second in 1..13_u64 {
        let words: Vec<_> = (1..=second).map(|n| format!("word{n}")).collect();
        stage.words(1_000 * second + 1_200, Interim, &words.join(" "));
    }
    stage.words(14_250, Final, "word1 word2 word3 word4 word5 word6 word7 word8 word9 word10 word11 word12 word13");
    stage.run(25_000);
    let commits = stage.commits();
    assert_eq!((commits[0].0, commits[0].1), (11_000, "turn.limit"));
    assert_eq!(commits[0].2.split(' ').count(), 9);
    assert_eq!(commits[1].2, "word10 word11 word12 word13");
    assert_eq!(commits.len(), 2, "{commits:?}");
    let said: Vec<_> = stage.said().into_iter().map(|said| said.0).collect();
    assert_eq!(said, [DialogueSpec::default().cut_in, "Here is your answer.".to_owned()]);
    // One run of the model sees all of it.
    assert_eq!(stage.prompts.len(), 1);
    let asked = stage.prompts[0].iter().map(|message| message.content.clone()).collect::<Vec<_>>().join(" ");
    assert!((1..=13).all(|n| asked.contains(&format!("word{n}"))), "{asked}");
}

#[test]
fn so_many_words_are_enough_as_well_and_by_default_there_is_no_limit() {
    let timing = Timing { turn_words: 5, ..Timing::default() };
    for (timing, rule) in [(timing, "turn.limit"), (Timing::default(), "endpoint.normal")] {
        let mut stage = Stage::new(DialogueSpec { timing, ..DialogueSpec::default() }, &[]);
        stage.voice(1_000, 4_000);
        stage.words(3_000, Interim, "one more thing I need now");
        stage.words(4_250, Final, "one more thing I need now please");
        stage.run(9_000);
        assert_eq!(stage.commits()[0].1, rule);
    }
}

#[test]
fn a_limit_reached_while_nobody_could_be_cut_in_on_is_due_at_once() {
    let timing = Timing { turn_limit: MS(1_000), ..Timing::default() };
    let begin_message = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen.".to_owned();
    let spec = DialogueSpec { begin_message, interruption_sensitivity: 0.0, timing, ..DialogueSpec::default() };
    let mut stage = Stage::new(spec, &[]);
    stage.says(500, 4_600, "and another thing is that");
    stage.run(12_000);
    assert_eq!(stage.commits()[0].1, "turn.limit");
    assert_eq!(Some(stage.commits()[0].0), stage.when("heard").first().copied());
}

/// A caller who speaks for `first` ms, pauses in mid-sentence, and goes on at `again`.
fn at_length(backchannel: bool, first: u64, again: u64) -> Stage {
    let mut stage = Stage::new(DialogueSpec { backchannel, ..DialogueSpec::default() }, &["I will see to it."]);
    stage.voice(1_000, 1_000 + first);
    stage.words(2_000, Interim, "so what happened");
    stage.words(5_000, Interim, "so what happened is that");
    stage.words(first + 900, Interim, "so what happened is that I came home and");
    stage.voice(again, again + 2_000);
    stage.words(again + 2_250, Final, "so what happened is that I came home and the door was open");
    stage
}

fn in_between(stage: &Stage) -> Vec<u64> {
    let at =
        |(at, event): &(u64, DialogueEvent)| matches!(event, DialogueEvent::AgentBackchannel { .. }).then_some(*at);
    stage.events.iter().filter_map(at).collect()
}

#[test]
fn a_caller_who_speaks_at_length_is_told_that_somebody_listens() {
    let mut stage = at_length(true, 7_000, 8_900);
    stage.run(18_000);
    assert_eq!(in_between(&stage), [8_250]);
    assert_eq!((stage.when("play 1"), stage.when("heard 1")), (vec![8_250], vec![8_550]));
    // It is soft, no turn, not in the transcript and not in what the model is told; the turn ends as it would without it.
    assert_eq!((stage.when("duck"), stage.when("unduck")), (vec![8_250], vec![8_550]));
    assert_eq!(stage.said(), [("I will see to it.".to_owned(), false)]);
    assert_eq!(stage.prompts[0].len(), 1);
    let mut without = at_length(false, 7_000, 8_900);
    without.run(18_000);
    assert_eq!(in_between(&without), [0; 0]);
    assert_eq!(stage.commits(), without.commits());
    assert_eq!(stage.when("play 2"), without.when("play 1"));
}

#[test]
fn the_callers_voice_cuts_it_at_the_first_hop_and_is_no_interruption() {
    let mut stage = at_length(true, 7_000, 8_300);
    stage.run(18_000);
    assert_eq!(in_between(&stage), [8_250]);
    assert_eq!((stage.when("flush 1"), stage.when("unduck")), (vec![8_364], vec![8_364]));
    assert_eq!(stage.when("heard 1"), [0; 0]);
    assert!(!stage.rules().iter().any(|rule| rule.starts_with("barge-in")), "{:?}", stage.rules());
    assert_eq!(stage.commits().len(), 1);
}

#[test]
fn nothing_is_said_in_between_when_it_is_too_early_or_nearly_over() {
    // The turn is not long enough.
    let mut stage = at_length(true, 4_000, 6_000);
    stage.run(18_000);
    assert_eq!(in_between(&stage), [0; 0]);
    // The sentence is finished: the answer comes instead, and what was made is thrown away unheard.
    let mut stage = Stage::new(DialogueSpec { backchannel: true, ..DialogueSpec::default() }, &["I will see to it."]);
    stage.voice(1_000, 8_000);
    stage.words(4_500, Interim, "and that");
    stage.words(7_900, Interim, "and that is the whole story");
    stage.words(8_250, Final, "And that is the whole story.");
    stage.run(18_000);
    assert_eq!(in_between(&stage), [0; 0]);
    assert_eq!(stage.when("flush 1"), [8_250]);
    assert_eq!(stage.said().len(), 1);
    // The caller spells a number.
    let mut stage =
        Stage::new(DialogueSpec { backchannel: true, ..DialogueSpec::default() }, &["Thank you very much."]);
    stage.voice(1_000, 8_000);
    stage.words(4_500, Interim, "my number");
    stage.words(7_900, Interim, "my number is four one five");
    stage.run(18_000);
    assert_eq!(in_between(&stage), [0; 0]);
}

#[test]
fn words_that_are_still_being_recognised_are_not_doubled_when_a_click_follows_the_turn() {
    let mut stage = Stage::new(DialogueSpec::default(), &["Never heard.", "I can."]);
    stage.voice(1_000, 2_000);
    stage.words(1_900, Interim, "hello can you");
    // Taken as final at 2 500: the recogniser has not settled them yet. A sound of 100 ms follows, and then the rest.
    stage.voice(2_505, 2_605);
    stage.words(2_820, Interim, "hello can you hear");
    stage.words(2_900, Interim, "hello can you hear me");
    stage.run(8_000);
    let commits: Vec<_> = stage.commits().into_iter().map(|commit| commit.2).collect();
    assert_eq!(commits, ["hello can you", "hello can you hear me"], "{:?} {:?}", stage.commits(), stage.log);
    assert_eq!(stage.prompts.last().and_then(|prompt| prompt.last()).unwrap().content, "hello can you hear me");
}

#[test]
fn words_that_are_said_again_after_the_turn_are_words_again() {
    let mut stage = Stage::new(DialogueSpec::default(), &["Never heard.", "Very well."]);
    stage.voice(1_000, 2_000);
    stage.words(1_900, Interim, "hello can you");
    stage.voice(2_510, 3_300);
    stage.words(3_520, Final, "hello can you");
    stage.run(8_000);
    let prompt = stage.prompts.last().and_then(|prompt| prompt.last()).unwrap();
    assert_eq!(prompt.content, "hello can you hello can you", "{:?} {:?}", stage.commits(), stage.log);
}
