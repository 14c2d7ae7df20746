//! Backups: the first of two is heard, and whatever fails in the middle is gone on with.

use std::time::Duration;

use crate::conversation::{
    Digit, Failure, GenerationEnd, Message, ReplyId, Role, Service, ToolCall, TranscriptKind::*, WordTime,
};
use crate::dialogue::{Action, Backups, Command, DialogueEvent, DialogueSpec, EndReason, Fact, LAST_RESORT, Timing};

use super::stage::{Answer, Coming, Death, Stage, says};

const FIRST: ReplyId = ReplyId(1);
const SECOND: ReplyId = ReplyId(2);
const TEN: &str = "one two three four five six seven eight nine ten.";
const DEAD: Death = Death { from: Some(0), is_told: false };
const REFUSES: Death = Death { from: Some(0), is_told: true };

/// When the turn of [`asked`] is committed.
const ASKED: u64 = 2_250;

fn spec() -> DialogueSpec {
    DialogueSpec { backups: Backups { stt: true, llm: true, tts: true }, ..DialogueSpec::default() }
}

fn asked(answers: Vec<Answer>) -> Stage {
    let mut stage = Stage::new(spec(), &[]);
    stage.answers = answers.into();
    stage.says(1_000, 2_000, "Book a table.");
    stage
}

fn hangs() -> Answer {
    Answer { hangs: true, ..Answer::default() }
}

/// What the model is told the agent said, of the last prompt.
fn told(stage: &Stage) -> Vec<&str> {
    let agents = |message: &&Message| message.role == Role::Assistant;
    stage.prompts.last().unwrap().iter().filter(agents).map(|message| message.content.as_str()).collect()
}

#[test]
fn a_late_model_gets_its_backup_beside_it_and_the_first_to_answer_wins() {
    let mut stage = asked(vec![hangs(), says("All booked.")]);
    stage.run(6_000);
    assert_eq!(stage.when("generate 1"), [ASKED]);
    assert_eq!(stage.when("generate 2 by the backup"), [ASKED + 1_500]);
    assert_eq!(stage.prompts[0], stage.prompts[1]);
    assert_eq!(stage.when("cancel 1"), [ASKED + 1_500 + 320]);
    assert_eq!(stage.said(), [("All booked.".to_owned(), false)]);
    // The one that lost may still say something; it is not heard.
    stage.tell(Fact::Token { reply: FIRST, text: "Too late." });
    stage.tell(Fact::GenerationEnded { reply: FIRST, end: GenerationEnd::Stop });
    stage.run(20_000);
    assert_eq!(stage.said()[0], ("All booked.".to_owned(), false));
    assert!(!stage.log.iter().any(|(_, line)| line.contains("Too late")), "{:?}", stage.log);
}

#[test]
fn a_first_choice_that_answers_before_its_backup_is_heard() {
    let mut stage = asked(vec![hangs(), hangs()]);
    stage.at(4_000, Coming::Token(FIRST, "All booked for you. ".into()));
    stage.at(4_010, Coming::Ended(FIRST, GenerationEnd::Stop));
    stage.run(8_000);
    assert_eq!(stage.when("cancel"), [4_000]);
    assert_eq!(stage.when("cancel 2"), [4_000]);
    assert_eq!(stage.said(), [("All booked for you.".to_owned(), false)]);
    assert_eq!(stage.rules().iter().filter(|rule| rule.starts_with("llm")).count(), 0);
}

#[test]
fn what_a_backup_has_begun_to_write_counts_only_when_it_can_be_spoken() {
    let mut stage = asked(vec![hangs(), hangs()]);
    stage.at(4_000, Coming::Token(SECOND, "**".into()));
    stage.at(4_100, Coming::Token(FIRST, "All".into()));
    stage.at(4_200, Coming::Token(SECOND, "Nothing is free".into()));
    stage.run(4_499);
    assert_eq!((stage.when("cancel"), stage.when("speak")), (vec![], vec![]));
    // The tokens pause: what can be spoken of them is.
    stage.run(4_500);
    assert_eq!((stage.when("cancel 1"), stage.when("speak 2")), (vec![4_500], vec![4_500]));
}

#[test]
fn a_tool_both_ask_for_runs_once() {
    let mut stage = asked(vec![hangs(), hangs()]);
    let call = |id: &str| ToolCall { id: id.into(), name: "look_up".into(), arguments: "{}".into() };
    stage.run(4_000);
    stage.tell(Fact::ToolCall { reply: SECOND, call: call("b") });
    stage.tell(Fact::ToolCall { reply: FIRST, call: call("a") });
    assert_eq!(stage.when("invoke"), [4_000]);
    assert_eq!(stage.when("cancel 1"), [4_000]);
}

#[test]
fn both_models_are_given_up_together_and_apologised_for() {
    let mut stage = asked(vec![hangs(), hangs()]);
    stage.run(12_000);
    assert_eq!(stage.when("cancel 1"), [ASKED + 5_000]);
    assert_eq!(stage.when("cancel 2"), [ASKED + 5_000]);
    assert_eq!(stage.said(), [(spec().apology, false)]);
    assert_eq!(stage.ended, None);
}

#[test]
fn a_model_that_fails_or_has_nothing_to_say_is_replaced_at_once() {
    for fails in [true, false] {
        let empty = Answer { text: "**", ..Answer::default() };
        let mut stage =
            asked(if fails { vec![hangs(), says("All booked.")] } else { vec![empty, says("All booked.")] });
        stage.run(2_400);
        if fails {
            stage.tell(Fact::Failed { service: Service::Llm, reply: Some(FIRST), failure: Failure::Unavailable });
        }
        stage.run(9_000);
        let asked_again = if fails { 2_400 } else { ASKED + 310 };
        assert_eq!(stage.when("generate 2 by the backup"), [asked_again]);
        assert_eq!(stage.said(), [("All booked.".to_owned(), false)]);
        // There is no third.
        let mut stage = asked(vec![hangs(), hangs()]);
        stage.models = [REFUSES, REFUSES];
        stage.run(9_000);
        assert_eq!(stage.when("generate").len(), 2);
        assert_eq!(stage.said(), [(spec().apology, false)]);
    }
}

#[test]
fn a_backup_that_fails_leaves_the_first_choice_its_time() {
    let mut stage = asked(vec![hangs(), hangs()]);
    stage.models[1] = REFUSES;
    stage.at(5_000, Coming::Token(FIRST, "All booked for you. ".into()));
    stage.at(5_010, Coming::Ended(FIRST, GenerationEnd::Stop));
    stage.run(9_000);
    assert_eq!(stage.said(), [("All booked for you.".to_owned(), false)]);
}

#[test]
fn a_caller_who_goes_on_cancels_both_runs() {
    let mut stage = asked(vec![hangs(), hangs(), says("For three, then.")]);
    stage.says(3_900, 4_600, "For three people please.");
    stage.run(12_000);
    assert_eq!((stage.when("cancel 1").len(), stage.when("cancel 2").len()), (1, 1));
    assert_eq!(stage.prompts[2].last().unwrap().content, "Book a table. For three people please.");
    assert_eq!(stage.said()[0].0, "For three, then.");
}

#[test]
fn a_backup_is_asked_at_once_while_the_first_choice_has_just_been_late() {
    let mut stage = asked(vec![hangs(), says("All booked."), hangs(), says("Welcome.")]);
    stage.says(8_000, 9_000, "Thank you.");
    stage.run(14_000);
    let generated = stage.when("generate");
    assert_eq!((generated.len(), generated[3] - generated[2]), (4, 0), "{:?}", stage.log);
    assert_eq!(stage.said().last().unwrap().0, "Welcome.");
}

#[test]
fn a_first_choice_that_was_late_gets_its_head_start_again_after_a_while() {
    let timing = Timing { idle_prompt: Duration::from_secs(100), ..Timing::default() };
    let mut stage = Stage::new(DialogueSpec { timing, ..spec() }, &[]);
    stage.answers = [hangs(), says("All booked."), hangs(), says("Welcome.")].into();
    stage.says(1_000, 2_000, "Book a table.");
    stage.says(35_000, 36_000, "Thank you.");
    stage.run(42_000);
    let generated = stage.when("generate");
    assert_eq!((generated.len(), generated[3] - generated[2]), (4, 1_500), "{:?}", stage.log);
}

#[test]
fn a_mute_voice_gets_its_backup_beside_it_and_later_text_goes_to_the_winner() {
    let mut stage = asked(vec![hangs(), says("Unused.")]);
    stage.voices[0] = DEAD;
    stage.at(2_400, Coming::Token(FIRST, "Your table is booked. ".into()));
    stage.at(3_200, Coming::Token(FIRST, "See you on Monday then. ".into()));
    stage.at(4_000, Coming::Token(FIRST, "And do bring an umbrella.".into()));
    stage.at(4_000, Coming::Ended(FIRST, GenerationEnd::Stop));
    stage.says(9_000, 10_000, "Thank you.");
    stage.run(9_000);
    assert_eq!(stage.when("speak 2 \"Your table is booked. \" by the backup"), [3_100]);
    assert_eq!(stage.when("play 2"), [3_220]);
    // The model writes on: only its first voice is stopped.
    assert_eq!(stage.when("cancel the voice of 1"), [3_220]);
    assert_eq!(stage.when("cancel 1"), [0; 0]);
    assert_eq!(stage.when("speak 2").len(), 3);
    assert_eq!(stage.when("speak 1").len(), 2);
    let text = "Your table is booked. See you on Monday then. And do bring an umbrella.";
    assert_eq!(stage.said(), [(text.to_owned(), false)]);
    stage.run(12_000);
    assert_eq!(told(&stage), [text]);
}

#[test]
fn a_voice_that_is_only_late_is_heard_and_its_backup_is_not() {
    let mut stage = asked(vec![says("All booked for you.")]);
    stage.voices = [DEAD, DEAD];
    stage.run(3_600);
    let told = |text: &str| stage.log.iter().filter(|(_, line)| line.contains(text)).count();
    assert_eq!(told("by the backup"), 1);
    stage.at(3_600, Coming::Ready(FIRST));
    stage.run(3_600);
    assert_eq!((stage.when("cancel 2"), stage.when("play 1")), (vec![3_600], vec![3_600]));
    assert_eq!(stage.when("cancel 1"), [0; 0]);
}

#[test]
fn a_voice_that_refuses_is_replaced_at_once() {
    let mut stage = asked(vec![says("All booked for you.")]);
    stage.voices[0] = REFUSES;
    stage.run(9_000);
    let spoken = stage.when("speak 1")[0];
    assert_eq!(stage.when("speak 2"), [spoken + 100]);
    assert_eq!(stage.said(), [("All booked for you.".to_owned(), false)]);
    assert_eq!(stage.rules().iter().filter(|rule| **rule == "tts.failed").count(), 1);
}

#[test]
fn a_voice_that_stalls_is_gone_on_with_from_the_next_unheard_word_in_one_message() {
    let mut stage = asked(vec![says(TEN), says("Gladly.")]);
    stage.voice_limit = Some(4);
    stage.says(9_000, 10_000, "Thank you.");
    stage.run(8_000);
    let started = stage.when("play 1")[0];
    assert_eq!(stage.when("speak 2 \"five six seven eight nine ten. \" by the backup"), [started + 4 * 300 + 600]);
    assert_eq!(stage.when("play 2"), [started + 4 * 300 + 720]);
    assert_eq!(stage.said(), [(TEN.to_owned(), false)]);
    stage.run(12_000);
    assert_eq!(told(&stage), [TEN]);
}

#[test]
fn a_voice_that_fails_is_heard_out_and_gone_on_with_without_a_wait() {
    let mut stage = asked(vec![says(TEN)]);
    stage.voice_limit = Some(4);
    stage.run(3_000);
    let started = stage.when("play 1")[0];
    stage.tell(Fact::Failed { service: Service::Tts, reply: Some(FIRST), failure: Failure::Unavailable });
    assert_eq!((stage.when("flush"), stage.when("cancel 1")), (vec![], vec![3_000]));
    stage.run(9_000);
    assert_eq!(stage.when("speak 2"), [started + 4 * 300]);
    assert_eq!(stage.said(), [(TEN.to_owned(), false)]);
}

#[test]
fn a_model_writes_on_while_its_voice_is_replaced() {
    let mut stage = asked(vec![hangs()]);
    stage.voice_limit = Some(3);
    stage.at(2_400, Coming::Token(FIRST, "one two three four five. ".into()));
    stage.at(2_900, Coming::Token(FIRST, "six seven eight. ".into()));
    stage.run(3_000);
    stage.tell(Fact::Failed { service: Service::Tts, reply: Some(FIRST), failure: Failure::Unavailable });
    assert_eq!(stage.when("cancel the voice of 1"), [3_000]);
    stage.at(3_200, Coming::Token(FIRST, "nine ten eleven. ".into()));
    stage.run(3_420);
    stage.starve(FIRST);
    // What was handed to the dead voice, and what was written since, in one piece; then the rest as it comes.
    assert_eq!(stage.when("speak 2 \"four five. six seven eight. nine ten eleven. \" by the backup"), [3_420]);
    stage.at(3_600, Coming::Token(FIRST, "twelve.".into()));
    stage.at(3_600, Coming::Ended(FIRST, GenerationEnd::Stop));
    stage.run(12_000);
    assert_eq!(stage.when("speak 2 \"twelve.\" by the backup"), [3_600]);
    let text = "one two three four five. six seven eight. nine ten eleven. twelve.";
    assert_eq!(stage.said()[0], (text.to_owned(), false));
}

#[test]
fn a_voice_that_stalls_while_the_model_still_writes_is_replaced_too() {
    let mut stage = asked(vec![hangs()]);
    stage.at(2_400, Coming::Token(FIRST, "one two three. ".into()));
    stage.run(2_520 + 900);
    stage.starve(FIRST);
    stage.voices[0] = DEAD;
    stage.at(3_600, Coming::Token(FIRST, "four five six. ".into()));
    stage.at(4_000, Coming::Token(FIRST, "seven eight nine. ".into()));
    stage.run(4_300);
    assert_eq!(stage.when("speak 2 \"four five six. seven eight nine. \" by the backup"), [4_300]);
}

#[test]
fn a_voice_that_fails_after_its_last_word_is_not_gone_on_with() {
    let mut stage = asked(vec![says("one two three four.")]);
    stage.stalls_voice = true;
    stage.run(2_800);
    let started = stage.when("play 1")[0];
    stage.tell(Fact::Failed { service: Service::Tts, reply: Some(FIRST), failure: Failure::Protocol });
    stage.run(started + 1_200);
    stage.starve(FIRST);
    stage.run(9_000);
    assert_eq!(stage.when("speak 2"), [0; 0]);
    assert_eq!(stage.said(), [("one two three four.".to_owned(), false)]);
}

#[test]
fn marks_alone_are_not_handed_to_the_backup() {
    // French puts white space before the mark; vendors that time words leave it out.
    for (text, ends) in [("un deux trois quatre ! ", 20), ("one two three four. ", 18)] {
        let mut stage = asked(vec![hangs()]);
        (stage.stalls_voice, stage.wordless_voice) = (true, true);
        stage.at(2_400, Coming::Token(FIRST, text.into()));
        stage.run(2_800);
        let words = [WordTime { text_end: ends, start: Duration::ZERO, end: Duration::from_millis(1_000) }];
        stage.tell(Fact::WordTimes { reply: FIRST, words: &words });
        stage.run(3_700);
        stage.starve(FIRST);
        stage.tell(Fact::Failed { service: Service::Tts, reply: Some(FIRST), failure: Failure::Protocol });
        stage.at(4_000, Coming::Token(FIRST, "Next. And more. ".into()));
        stage.run(4_100);
        let asked: Vec<&str> =
            stage.log.iter().map(|(_, line)| &**line).filter(|line| line.contains("speak 2")).collect();
        assert_eq!(asked.first(), Some(&"speak 2 \"Next. \" by the backup"), "{:?}", stage.log);
    }
}

#[test]
fn a_backup_begins_with_the_number_that_was_not_heard_to_its_end() {
    let text = "That house costs you $125 before tax and after it.";
    let mut stage = asked(vec![says(text)]);
    stage.voice_limit = Some(6);
    stage.run(14_000);
    let asked: Vec<&str> =
        stage.log.iter().map(|(_, line)| &**line).filter(|line| line.contains("by the backup")).collect();
    assert!(asked.len() == 1 && asked[0].contains("\"one hundred twenty-five dollars before tax"), "{:?}", stage.log);
    assert_eq!(stage.said(), [(text.to_owned(), false)]);
}

#[test]
fn words_during_the_gap_take_the_floor_and_what_was_heard_before_it_stays() {
    let mut stage = asked(vec![says(TEN), says("Stopping.")]);
    (stage.voice_limit, stage.voices[1]) = (Some(4), DEAD);
    stage.run(3_000);
    let started = stage.when("play 1")[0];
    // The stall is noticed at +1800; the backup is silent as well, and the caller speaks meanwhile.
    stage.says(started + 2_000, started + 3_000, "No that is enough.");
    stage.voices[1].from = Some(started + 1_700);
    stage.run(started + 3_500);
    assert_eq!(stage.said(), [("one two three four".to_owned(), true)]);
    assert_eq!(stage.when("play").len(), 1);
    stage.run(started + 9_000);
    assert_eq!(told(&stage), ["one two three four—"]);
}

#[test]
fn a_cough_during_the_gap_only_delays_the_rest() {
    let mut stage = asked(vec![says(TEN)]);
    stage.voice_limit = Some(4);
    stage.run(3_000);
    let started = stage.when("play 1")[0];
    stage.voice(started + 1_700, started + 1_860);
    stage.run(started + 9_000);
    assert_eq!(stage.said(), [(TEN.to_owned(), false)]);
    let resumed = stage.when("play 2")[0];
    assert!((started + 1_920..=started + 2_300).contains(&resumed), "{}", resumed - started);
}

#[test]
fn a_cut_in_the_continuation_counts_both_parts() {
    let mut stage = asked(vec![says(TEN), says("Stopping.")]);
    stage.voice_limit = Some(4);
    stage.run(3_000);
    let started = stage.when("play 1")[0];
    // 1.92 s after the start the backup goes on with "five".
    stage.says(started + 2_600, started + 3_400, "No stop that.");
    stage.run(started + 9_000);
    let (text, is_cut) = &stage.said()[0];
    assert!(*is_cut && text.starts_with("one two three four five six"), "{text}");
    assert_eq!(told(&stage), [format!("{text}—")]);
}

#[test]
fn without_a_backup_a_failed_voice_is_apologised_for() {
    let mut stage = asked(vec![says(TEN)]);
    stage.voice_limit = Some(4);
    stage.dialogue = crate::dialogue::Dialogue::new(DialogueSpec::default(), super::base());
    stage.run(4_600);
    stage.voice_limit = None;
    stage.run(12_000);
    assert_eq!(stage.said()[0], ("one two three four".to_owned(), true));
    assert_eq!(stage.said()[1].0, DialogueSpec::default().apology);
    assert!(!stage.log.iter().any(|(_, line)| line.contains("backup")));
}

#[test]
fn when_both_voices_are_dead_the_kept_sound_is_heard_and_the_second_time_the_call_ends() {
    let mut stage = asked(vec![]);
    stage.voices = [DEAD, DEAD];
    stage.says(12_000, 13_000, "Hello again.");
    stage.run(30_000);
    let spoken = stage.when("speak 1")[0];
    assert_eq!(stage.when("kept")[0], spoken + 2_000);
    assert_eq!(stage.said(), [(LAST_RESORT.to_owned(), false), (LAST_RESORT.to_owned(), false)]);
    assert_eq!(stage.ended.unwrap().1, EndReason::ServiceFailure);
    assert_eq!(told(&stage), [LAST_RESORT]);
    let kept = stage
        .events
        .iter()
        .filter(|(_, event)| matches!(event, DialogueEvent::Unstuck { why } if why.rule == "tts.kept"));
    assert_eq!(kept.count(), 2);
}

#[test]
fn without_a_kept_sound_dead_voices_end_the_call_all_the_same() {
    let spec = DialogueSpec { last_resort: String::new(), ..spec() };
    let mut stage = Stage::new(spec, &[]);
    stage.voices = [DEAD, DEAD];
    stage.says(1_000, 2_000, "Book a table.");
    stage.says(8_000, 9_000, "Hello again.");
    stage.run(30_000);
    assert_eq!(stage.said(), []);
    assert_eq!(stage.ended.unwrap().1, EndReason::ServiceFailure);
}

#[test]
fn every_line_has_a_backup_voice() {
    let spec = DialogueSpec { begin_message: "Hello there, my friend.".into(), ..spec() };
    let mut stage = Stage::new(spec.clone(), &[]);
    stage.voices[0] = DEAD;
    // The greeting was asked for before the stage could mute its voice.
    stage.at(5_000, Coming::Command(Command::Say { text: "Mind the step.".into(), interruptible: false }));
    stage.run(40_000);
    let said: Vec<String> = stage.said().into_iter().map(|said| said.0).collect();
    let prompt = spec.idle_prompt.clone();
    assert_eq!(said, [spec.begin_message, "Mind the step.".into(), prompt.clone(), prompt, spec.goodbye]);
    assert_eq!(stage.ended.unwrap().1, EndReason::Inactivity);
}

#[test]
fn a_voice_without_words_is_heard_again_once_and_then_asked_about() {
    let mut stage = Stage::new(DialogueSpec::default(), &[]);
    stage.voice(1_000, 2_500);
    stage.run(9_000);
    assert_eq!(stage.when("Rehear"), [3_500]);
    assert_eq!(stage.log.iter().find(|(_, line)| line.starts_with("Rehear")).unwrap().1, "Rehear { since: 500ms }");
    assert_eq!(stage.said()[0].0, DialogueSpec::default().repeat_request);
    assert_eq!(stage.when("speak"), [5_000]);
    // Words that come of it are answered like any others.
    let mut stage = Stage::new(DialogueSpec::default(), &["All booked."]);
    stage.voice(1_000, 2_500);
    stage.words(3_800, Final, "Book a table.");
    stage.run(9_000);
    assert_eq!(stage.said(), [("All booked.".to_owned(), false)]);
}

#[test]
fn a_short_sound_or_one_with_words_is_not_heard_again() {
    let mut stage = Stage::new(DialogueSpec::default(), &[]);
    stage.voice(1_000, 1_600);
    stage.says(9_000, 12_000, "I would like to tell you a long story.");
    stage.run(13_000);
    assert_eq!(stage.when("Rehear"), [0; 0]);
}

#[test]
fn a_recogniser_that_fails_is_replaced_once_and_then_the_call_ends() {
    let fails = || Fact::Failed { service: Service::Stt, reply: None, failure: Failure::Unavailable };
    let mut stage = Stage::new(spec(), &["All booked."]);
    stage.voice(1_000, 2_000);
    stage.words(1_400, Interim, "book");
    stage.run(1_500);
    stage.tell(fails());
    assert_eq!(stage.log.iter().find(|(_, line)| line.starts_with("Rehear")).unwrap().1, "Rehear { since: 500ms }");
    stage.words(2_300, Final, "book a table");
    stage.run(8_000);
    assert_eq!(stage.commits()[0].2, "book a table");
    assert_eq!(stage.said(), [("All booked.".to_owned(), false)]);
    stage.tell(fails());
    stage.tell(fails());
    stage.run(20_000);
    assert_eq!(stage.said().last().unwrap().0, spec().apology);
    assert_eq!(stage.ended.unwrap().1, EndReason::ServiceFailure);
    assert_eq!(stage.when("Rehear").len(), 1);
}

#[test]
fn the_caller_is_warned_of_the_end_once_at_the_next_quiet_moment() {
    let seconds = Duration::from_secs;
    let timing = Timing { max_duration: seconds(60), idle_prompt: seconds(100), ..Timing::default() };
    let mut stage = Stage::new(DialogueSpec { timing, ..DialogueSpec::default() }, &[TEN]);
    stage.says(27_500, 28_800, "Count to ten please.");
    stage.run(90_000);
    let heard = stage.when("heard 1")[0];
    assert!(heard > 30_000, "the answer is being heard when the warning is due: {heard}");
    assert_eq!(stage.when("speak 2"), [heard]);
    let said: Vec<String> = stage.said().into_iter().map(|said| said.0).collect();
    let spec = DialogueSpec::default();
    assert_eq!(said, [TEN.to_owned(), spec.duration_warning, spec.goodbye]);
    assert_eq!(stage.ended.unwrap().1, EndReason::MaxDuration);
}

#[test]
fn a_model_that_stalls_in_mid_answer_is_gone_on_with_behind_what_was_spoken() {
    for is_told in [false, true] {
        let mut stage = asked(vec![hangs(), says("again on Tuesday at nine.")]);
        stage.at(2_400, Coming::Token(FIRST, "Monday is free. And we open ".into()));
        if is_told {
            stage.at(3_000, Coming::Failed(Service::Llm, FIRST));
        }
        stage.run(11_000);
        // What was pending is spoken after 300 ms; 2 s later nothing has followed it.
        let asked = if is_told { 3_000 } else { 2_400 + 300 + 2_000 };
        assert_eq!(stage.when("generate 2 by the backup"), [asked]);
        let prompt = stage.prompts.last().unwrap();
        assert!(prompt[0].content.contains("Go on with its next word"), "{prompt:?}");
        assert_eq!(told(&stage), ["Monday is free. And we open "], "what was spoken is given to the backup");
        assert_eq!(
            stage.said(),
            [("Monday is free. And we open again on Tuesday at nine.".to_owned(), false)],
            "told: {is_told}"
        );
        // What the first still says is late, and so is its end.
        stage.tell(Fact::Token { reply: FIRST, text: "Too late." });
        assert!(!stage.log.iter().any(|(_, line)| line.contains("Too late") || line.contains("sorry")));
    }
}

#[test]
fn a_model_that_goes_on_by_itself_is_kept() {
    let mut stage = asked(vec![hangs(), hangs()]);
    stage.at(2_400, Coming::Token(FIRST, "Monday is free. And we open ".into()));
    stage.at(5_000, Coming::Token(FIRST, "again on Tuesday at nine.".into()));
    stage.at(5_010, Coming::Ended(FIRST, GenerationEnd::Stop));
    stage.run(11_000);
    assert_eq!(stage.when("generate 2 by the backup"), [4_700]);
    assert_eq!(stage.when("cancel 2"), [5_010]);
    assert_eq!(stage.said(), [("Monday is free. And we open again on Tuesday at nine.".to_owned(), false)]);
}

#[test]
fn a_model_that_stalls_in_mid_answer_is_stopped_and_what_there_is_is_spoken() {
    let mut stage = Stage::new(DialogueSpec::default(), &[]);
    stage.answers = [hangs()].into();
    stage.says(1_000, 2_000, "Book a table.");
    stage.at(2_600, Coming::Token(FIRST, "Monday is free. ".into()));
    stage.run(12_000);
    assert_eq!(stage.when("cancel the model of 1"), [7_600]);
    assert_eq!(stage.said(), [("Monday is free.".to_owned(), true)]);
}

/// A flush that is never answered must not stop the continuation.
#[test]
fn a_continuation_does_not_wait_for_a_playout_that_is_gone() {
    let mut dialogue = crate::dialogue::Dialogue::new(spec(), super::base());
    let at = |ms: u64| super::base() + Duration::from_millis(ms);
    let drain =
        |dialogue: &mut crate::dialogue::Dialogue| -> Vec<Action> { std::iter::from_fn(|| dialogue.poll()).collect() };
    dialogue.handle(Fact::Answered, at(0));
    let command = Command::Say { text: TEN.into(), interruptible: true };
    dialogue.handle(Fact::Command(&command), at(10));
    drain(&mut dialogue);
    dialogue.handle(Fact::SpeechReady { reply: FIRST }, at(130));
    dialogue.handle(Fact::PlayoutStarted { reply: FIRST }, at(140));
    dialogue.handle(Fact::SpeechStarved { reply: FIRST }, at(700));
    drain(&mut dialogue);
    for ms in (700..6_000).step_by(100) {
        dialogue.handle_timeout(at(ms));
    }
    let spoken = drain(&mut dialogue);
    let goes_on =
        |action: &Action| matches!(action, Action::Synthesize { rank: 1, text, .. } if text.trim_end() == TEN);
    assert!(spoken.iter().any(goes_on), "{spoken:?}");
    // The backup is silent as well: the kept sound says so.
    assert!(spoken.iter().any(|action| matches!(action, Action::PlayKept { .. })), "{spoken:?}");
}

#[test]
fn what_was_barely_heard_of_a_backup_voice_is_told_of_its_reply() {
    let mut stage = asked(vec![says("Seven words are in this answer here.")]);
    stage.voices[0] = REFUSES;
    stage.run(3_200);
    let played = stage.when("play 2")[0];
    stage.run(played + 350);
    stage.tell(Fact::Digit(Digit::new('1').unwrap()));
    let said = stage.events.iter().find_map(|(_, event)| match event {
        DialogueEvent::AgentSaid { reply, text, .. } => Some((*reply, text.as_str())),
        _ => None,
    });
    assert_eq!(said.map(|(reply, _)| reply), Some(FIRST), "{:?}", stage.log);
}

#[test]
fn who_has_just_heard_the_agent_is_not_told_at_once_that_nothing_was_understood() {
    let mut stage = Stage::new(DialogueSpec::default(), &[]);
    stage.voice(1_000, 2_500);
    let line = Command::Say { text: "one two three four five six seven eight nine ten.".into(), interruptible: false };
    stage.at(3_000, Coming::Command(line));
    stage.run(14_000);
    let heard = stage.when("heard")[0];
    assert!(heard > 5_000, "the caller would have been asked while the agent spoke");
    assert_eq!(stage.when("speak")[1], heard + 2_500);
    assert_eq!(stage.said()[1].0, DialogueSpec::default().repeat_request);
}
