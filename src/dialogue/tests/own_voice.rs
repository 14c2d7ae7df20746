//! The agent's own voice, noise, and words that are nobody's.

use crate::conversation::{Backdrop, TranscriptKind::*};
use crate::dialogue::DialogueSpec;

use super::stage::{Coming, Stage};

/// 20 words: six seconds from 150 ms.
const LONG: &str =
    "one two three four five six seven eight nine ten eleven twelve red green blue white grey black pink tan.";

fn speaking() -> Stage {
    Stage::new(DialogueSpec { begin_message: LONG.into(), ..DialogueSpec::default() }, &["Very well, Tuesday it is."])
}

fn was_heard_whole(stage: &Stage) -> bool {
    stage.said().first() == Some(&(LONG.to_owned(), false))
}

#[test]
fn an_echo_that_held_the_agent_lets_it_go_on_as_soon_as_it_is_known() {
    let mut stage = speaking();
    for at in [2_032, 2_064, 2_096, 2_128] {
        stage.at(at, Coming::Voice { began: 2_000 });
    }
    stage.at(2_200, Coming::Echo);
    stage.run(12_000);
    assert_eq!((stage.when("hold"), stage.when("resume")), (vec![2_096], vec![2_200]));
    assert!(stage.rules().contains(&"barge-in.echo"));
    assert!(was_heard_whole(&stage) && stage.commits().is_empty());
}

#[test]
fn an_echo_does_not_undo_words() {
    let mut stage = speaking();
    for at in [2_032, 2_064, 2_096, 2_128] {
        stage.at(at, Coming::Voice { began: 2_000 });
    }
    stage.words(2_150, Interim, "excuse");
    stage.at(2_200, Coming::Echo);
    stage.words(2_600, Final, "excuse me sir");
    stage.run(12_000);
    assert_eq!((stage.when("resume"), stage.when("flush")), (vec![], vec![2_600]));
}

#[test]
fn over_noise_and_over_echo_a_hold_takes_longer() {
    for (over, held) in [(Backdrop::Quiet, 2_096), (Backdrop::Noise, 2_192), (Backdrop::Echo, 2_320)] {
        let mut stage = speaking();
        stage.over = over;
        stage.says(2_000, 3_500, "no wait I meant Tuesday.");
        stage.run(9_000);
        assert_eq!(stage.when("hold"), [held], "{over:?}");
        assert_eq!(stage.commits().len(), 1, "{over:?}");
    }
}

#[test]
fn over_a_voice_without_words_the_agent_goes_on_and_is_not_held_again() {
    for (over, resumed) in [(Backdrop::Quiet, 4_528), (Backdrop::Noise, 3_024)] {
        let mut stage = speaking();
        stage.over = over;
        stage.voice(2_000, 5_000);
        stage.voice(5_300, 6_300);
        stage.run(14_000);
        assert_eq!((stage.when("hold").len(), stage.when("resume")), (1, vec![resumed]), "{over:?}");
        assert!(stage.rules().contains(&"barge-in.noise") && stage.rules().contains(&"noise.no-words"));
        assert!(was_heard_whole(&stage) && stage.commits().is_empty(), "{over:?}");
    }
}

#[test]
fn over_noise_words_still_take_the_floor() {
    let mut stage = speaking();
    stage.voice(2_000, 9_000);
    stage.words(6_000, Interim, "no wait");
    stage.words(6_300, Final, "no wait I meant Tuesday");
    stage.run(14_000);
    assert_eq!(stage.when("flush"), [6_000]);
    assert_eq!(stage.commits().len(), 1);
}

#[test]
fn people_who_talk_around_the_caller_do_not_keep_the_agent_from_beginning() {
    let mut stage = speaking();
    // Stretches too short to be noise each by itself.
    for n in 0..20 {
        stage.voice(n * 1_000, n * 1_000 + 700);
    }
    stage.run(20_000);
    assert!(stage.when("play").first().is_some_and(|&at| at < 7_000), "{:?}", stage.when("play"));
    assert!(was_heard_whole(&stage));
}

#[test]
fn a_held_reply_goes_on_from_the_beginning_of_its_word() {
    let mut stage = speaking();
    stage.voice(2_000, 2_160);
    stage.run(12_000);
    // Held at 2096, 1946 ms into its sound: the seventh word had begun at 1800.
    assert_eq!(stage.when("resume"), [2_510]);
    assert_eq!(stage.when("heard"), [2_510 + 6_000 - 1_800]);
}

#[test]
fn the_agents_own_words_are_no_turn() {
    let mut stage = speaking();
    stage.words(1_500, Interim, "one two");
    stage.words(1_800, Interim, "one two three");
    stage.words(2_400, Final, "One two three four five.");
    stage.words(7_000, Final, "grey black pink tan");
    stage.run(14_000);
    assert_eq!((stage.when("hold"), stage.when("flush")), (vec![], vec![]));
    assert_eq!(stage.rules().iter().filter(|rule| **rule == "echo.words").count(), 4);
    assert!(was_heard_whole(&stage) && stage.commits().is_empty());
}

#[test]
fn words_behind_the_agents_own_are_the_callers() {
    let mut stage = speaking();
    stage.words(2_400, Final, "one two three four please stop it");
    stage.run(9_000);
    assert_eq!(stage.when("flush"), [2_400]);
    assert_eq!(stage.commits()[0].2, "please stop it");
}

#[test]
fn what_the_agent_has_not_said_yet_is_not_its_own() {
    let mut stage = speaking();
    stage.words(1_500, Final, "grey black pink tan");
    stage.run(9_000);
    assert_eq!(stage.when("flush"), [1_500]);
}

#[test]
fn a_caller_who_repeats_a_word_is_heard() {
    let mut stage = speaking();
    stage.says(6_500, 7_000, "tan?");
    stage.run(14_000);
    assert_eq!(stage.commits().iter().map(|commit| commit.2.as_str()).collect::<Vec<_>>(), ["tan?"]);
    // Several, once the agent has fallen silent.
    let mut stage = speaking();
    stage.says(6_400, 7_400, "grey black pink tan?");
    stage.run(14_000);
    assert_eq!(stage.commits().len(), 1);
    assert!(!stage.rules().contains(&"echo.words"));
}

#[test]
fn a_caller_who_repeats_what_the_agent_is_saying_is_heard() {
    // Six words had been heard when the caller came up with three of them.
    let mut stage = speaking();
    stage.says(2_000, 3_200, "four five six?");
    stage.run(14_000);
    assert_eq!(stage.commits().iter().map(|commit| commit.2.as_str()).collect::<Vec<_>>(), ["four five six?"]);
    assert!(!stage.rules().contains(&"echo.words"));
}

#[test]
fn words_that_come_while_they_are_said_are_an_echo() {
    // The voice came up with the second word, and brings it.
    let spec = DialogueSpec { interruption_sensitivity: 0.0, begin_message: LONG.into(), ..DialogueSpec::default() };
    let mut stage = Stage::new(spec, &[]);
    stage.voice(480, 1_700);
    stage.words(1_800, Interim, "two three four five");
    stage.words(2_000, Final, "two three four five");
    stage.run(14_000);
    assert_eq!(stage.commits(), []);
    assert_eq!(stage.rules().iter().filter(|rule| **rule == "echo.words").count(), 2);
    // As is a voice too short for them.
    let mut stage = speaking();
    stage.voice(2_000, 2_160);
    stage.words(2_400, Final, "four five six");
    stage.run(14_000);
    assert!(stage.commits().is_empty() && stage.rules().contains(&"echo.words"));
}

#[test]
fn over_a_line_that_has_shown_its_echo_repeated_words_are_the_agents() {
    let mut stage = speaking();
    stage.voice(700, 760);
    stage.at(800, Coming::Echo);
    stage.says(2_000, 3_200, "four five six?");
    stage.run(14_000);
    assert!(stage.commits().is_empty() && stage.rules().contains(&"echo.words"), "{:?}", stage.rules());
}
