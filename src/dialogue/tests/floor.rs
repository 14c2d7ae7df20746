//! Who has the floor while the agent speaks.

use crate::conversation::{Role, TranscriptKind::*};
use crate::dialogue::{Command, DialogueEvent, DialogueSpec};

use super::stage::{Coming, Stage};

/// 20 words: six seconds from 150 ms.
const LONG: &str = "one two three four five six seven eight nine ten one two three four five six seven eight nine ten.";

fn speaking() -> Stage {
    Stage::new(DialogueSpec { begin_message: LONG.into(), ..DialogueSpec::default() }, &["Very well, Tuesday it is."])
}

#[test]
fn a_cough_ducks_holds_and_resumes() {
    let mut stage = speaking();
    stage.voice(2_000, 2_160);
    stage.run(12_000);
    assert_eq!((stage.when("duck"), stage.when("hold")), (vec![2_064], vec![2_096]));
    assert_eq!(stage.when("resume"), [2_510]);
    assert_eq!(stage.rules()[..3], ["barge-in.duck", "barge-in.hold", "barge-in.no-words"]);
    assert_eq!(stage.said().first(), Some(&(LONG.to_owned(), false)));
    assert_eq!(stage.commits(), []);
}

#[test]
fn a_short_click_only_ducks() {
    let mut stage = speaking();
    stage.voice(2_000, 2_064);
    stage.run(5_000);
    assert_eq!((stage.when("duck").len(), stage.when("hold").len(), stage.when("unduck")), (1, 0, vec![2_264]));
}

#[test]
fn mm_hmm_resumes_and_is_no_turn() {
    let mut stage = speaking();
    stage.says(2_000, 2_300, "mm-hmm");
    stage.run(12_000);
    assert_eq!(stage.when("resume"), [2_650]);
    assert_eq!(stage.commits(), []);
    assert!(stage.events.iter().any(|(_, event)| matches!(event, DialogueEvent::Backchannel { .. })));
    assert_eq!(stage.said().first(), Some(&(LONG.to_owned(), false)));
}

#[test]
fn words_take_the_floor_and_history_is_what_was_heard() {
    let mut stage = speaking();
    stage.says(2_000, 3_500, "no wait I meant Tuesday.");
    stage.run(9_000);
    assert_eq!(stage.when("hold"), [2_096]);
    // The first interim comes at 2500: "no" is one word, and the voice is not yet long enough to do without.
    let cut = stage.when("flush")[0];
    assert!((2_500..=2_800).contains(&cut), "{cut}");
    assert_eq!(stage.commits(), [(3_750, "endpoint.complete", "no wait I meant Tuesday.".to_owned())]);
    assert_eq!(stage.when("generate").len(), 1);
    // 1946 ms were heard: six words.
    assert_eq!(stage.prompts[0][0].role, Role::System);
    assert!(stage.prompts[0][0].content.contains("interrupted there by the caller"));
    assert_eq!(stage.prompts[0][1].role, Role::Assistant);
    assert_eq!(stage.prompts[0][1].content, "one two three four five six—");
    assert_eq!(stage.said()[0], ("one two three four five six".to_owned(), true));
    assert_eq!(stage.said()[1], ("Very well, Tuesday it is.".to_owned(), false));
}

#[test]
fn stop_stops() {
    let mut stage = speaking();
    stage.voice(2_000, 2_250);
    stage.words(2_200, Interim, "stop");
    stage.words(2_500, Final, "Stop.");
    stage.run(9_000);
    assert_eq!((stage.when("hold"), stage.when("flush")), (vec![2_096], vec![2_200]));
    assert!(stage.rules().contains(&"barge-in.stop-phrase"));
    assert_eq!(stage.commits().len(), 1);
}

#[test]
fn words_without_voice_take_the_floor_too() {
    let mut stage = speaking();
    stage.words(2_000, Final, "excuse me please");
    stage.run(9_000);
    assert_eq!((stage.when("hold"), stage.when("flush")), (vec![], vec![2_000]));
    assert_eq!(stage.commits().len(), 1);
}

#[test]
fn an_answer_barely_heard_is_taken_back_and_one_heard_longer_is_not() {
    for (from, messages) in [(3_000, 1), (3_600, 4)] {
        let answers = &["Seven words are in this answer here.", "Very well, all of it."];
        let mut stage = Stage::new(DialogueSpec::default(), answers);
        stage.says(1_000, 2_000, "Book a table.");
        stage.says(from, from + 1_000, "wait make it three people.");
        stage.run(12_000);
        assert_eq!(stage.when("play")[0], 2_250 + 300 + 60 + 120);
        assert_eq!(stage.prompts[1].len(), messages, "voice at {from}");
    }
}

#[test]
fn two_interruptions_in_a_row_leave_two_cuts_and_an_answer() {
    let answers =
        ["one two three four five six seven eight nine.", "ten nine eight seven six five.", "Third answer plays."];
    let mut stage = Stage::new(DialogueSpec::default(), &answers);
    stage.says(1_000, 2_000, "Tell me everything.");
    stage.says(4_000, 5_000, "no wait stop it.");
    stage.says(6_600, 7_400, "no wait once more.");
    stage.run(15_000);
    let said = stage.said();
    assert_eq!(said.iter().map(|said| said.1).collect::<Vec<_>>(), [true, true, false], "{said:?}");
    assert_eq!(said[2].0, "Third answer plays.");
    assert_eq!(stage.commits().len(), 3);
}

#[test]
fn sensitivity_zero_is_never_interrupted_and_answers_afterwards() {
    let spec = DialogueSpec { begin_message: LONG.into(), interruption_sensitivity: 0.0, ..DialogueSpec::default() };
    let mut stage = Stage::new(spec, &[]);
    stage.says(2_000, 3_500, "no wait I meant Tuesday.");
    stage.run(12_000);
    assert_eq!(stage.when("hold"), Vec::<u64>::new());
    assert_eq!(stage.said()[0], (LONG.to_owned(), false));
    assert_eq!(stage.commits()[0].0, stage.when("heard")[0]);
}

#[test]
fn an_uninterruptible_line_plays_to_its_end_and_the_words_are_answered_next() {
    let mut stage = Stage::new(DialogueSpec::default(), &["Of course, sir, with pleasure."]);
    stage.at(1_000, Coming::Command(Command::Say { text: LONG.into(), interruptible: false }));
    stage.says(2_000, 3_000, "stop I have a question.");
    stage.run(15_000);
    assert_eq!(stage.said()[0], (LONG.to_owned(), false));
    assert_eq!(stage.said()[1].0, "Of course, sir, with pleasure.");
}

#[test]
fn an_interrupt_from_outside_silences_at_once() {
    let mut stage = speaking();
    stage.at(2_000, Coming::Command(Command::Interrupt));
    stage.run(5_000);
    assert_eq!((stage.when("flush"), stage.commits().len()), (vec![2_000], 0));
    assert!(stage.said()[0].1);
}

#[test]
fn a_constant_noise_does_not_keep_the_agent_silent() {
    let mut stage = Stage::new(DialogueSpec::default(), &["Here is your answer, then."]);
    stage.voice(1_000, 20_000);
    stage.words(900, Final, "Book a table.");
    stage.run(15_000);
    assert!(!stage.when("play").is_empty());
}
