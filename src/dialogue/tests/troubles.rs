//! Services that are late, mute or dead.

use crate::conversation::{Failure, GenerationEnd, ReplyId, Service};
use crate::dialogue::{Command, DialogueEvent, DialogueSpec, EndReason, Fact};

use super::stage::{Answer, Coming, Stage};

fn asked(answers: Vec<Answer>) -> Stage {
    let mut stage = Stage::new(DialogueSpec::default(), &[]);
    stage.answers = answers.into();
    stage.says(1_000, 2_000, "Book a table.");
    stage
}

fn hangs() -> Answer {
    Answer { hangs: true, ..Answer::default() }
}

#[test]
fn a_model_that_stays_silent_is_apologised_for_and_the_call_lives() {
    let mut stage = asked(vec![hangs()]);
    stage.run(12_000);
    assert_eq!(stage.when("speak"), [2_250 + 5_000]);
    assert_eq!(stage.said(), [(DialogueSpec::default().apology, false)]);
    assert_eq!(stage.rules().last(), Some(&"llm.first-token"));
    assert_eq!(stage.ended, None);
}

#[test]
fn a_model_that_stays_silent_twice_ends_the_call_with_a_goodbye() {
    let mut stage = asked(vec![hangs(), hangs()]);
    stage.says(13_000, 14_000, "Book a table.");
    stage.run(40_000);
    assert_eq!(stage.said().last().unwrap().0, DialogueSpec::default().goodbye);
    assert_eq!(stage.ended.unwrap().1, EndReason::ServiceFailure);
}

#[test]
fn a_dead_voice_ends_the_call_within_the_bound() {
    let mut stage = asked(vec![]);
    stage.mute_voice = true;
    stage.run(20_000);
    let (at, reason) = stage.ended.unwrap();
    assert_eq!(reason, EndReason::ServiceFailure);
    assert!(at <= 2_250 + 12_000, "{at}");
}

#[test]
fn an_answer_of_marks_alone_is_asked_for_again_and_is_no_failure_of_the_service() {
    let marks = || Answer { text: "**", ..Answer::default() };
    let mut stage = asked(vec![marks(), Answer { text: "Gladly.", ..Answer::default() }]);
    stage.run(9_000);
    assert_eq!(stage.said(), [("Gladly.".to_owned(), false)]);
    assert!(stage.prompts[1][0].content.contains("plain words"), "{:?}", stage.prompts[1]);
    let mut stage = asked(vec![marks(), marks()]);
    stage.says(9_000, 10_000, "Hello?");
    stage.run(16_000);
    assert_eq!(stage.said()[0], (DialogueSpec::default().repeat_request, false));
    assert_eq!((stage.prompts.len(), stage.ended), (3, None));
    assert!(!stage.prompts[2][0].content.contains("plain words"), "a new turn begins anew");
}

#[test]
fn a_voice_that_dies_is_heard_out_before_the_apology() {
    let mut stage = asked(vec![Answer { text: "one two three four five six seven eight.", ..Answer::default() }]);
    stage.stalls_voice = true;
    let reply = ReplyId(1);
    let dies = || Fact::Failed { service: Service::Tts, reply: Some(reply), failure: Failure::Unavailable };
    stage.run(3_800);
    let started = stage.when("play")[0];
    assert!(started < 3_000);
    stage.tell(dies());
    stage.tell(dies());
    assert_eq!((stage.when("flush"), stage.when("cancel 1")), (vec![], vec![3_800]));
    stage.run(started + 5 * 300);
    stage.starve(reply);
    assert_eq!(stage.when("flush"), [started + 5 * 300]);
    stage.run(9_000);
    assert_eq!(stage.said()[0], ("one two three four five".to_owned(), true));
    assert_eq!(stage.said()[1].0, DialogueSpec::default().apology);
    assert_eq!(stage.rules().iter().filter(|rule| **rule == "tts.failed").count(), 1);
}

#[test]
fn a_voice_that_dies_when_it_had_run_dry_is_apologised_for_at_once() {
    let mut stage = asked(vec![Answer { text: "one two three four five six seven eight.", ..Answer::default() }]);
    stage.stalls_voice = true;
    stage.run(3_800);
    stage.starve(ReplyId(1));
    stage.run(3_900);
    stage.tell(Fact::Failed { service: Service::Tts, reply: Some(ReplyId(1)), failure: Failure::Unavailable });
    assert_eq!((stage.when("flush"), stage.when("speak 2")), (vec![3_900], vec![3_900]));
}

#[test]
fn a_voice_that_stalls_is_given_up_after_its_patience_and_one_that_goes_on_is_not() {
    for goes_on in [false, true] {
        let begin_message = "one two three four five six seven eight nine ten.".to_owned();
        let mut stage = Stage::new(DialogueSpec { begin_message, ..DialogueSpec::default() }, &[]);
        stage.stalls_voice = true;
        stage.run(2_000);
        stage.tell(Fact::SpeechStarved { reply: ReplyId(1) });
        stage.run(2_599);
        assert_eq!(stage.when("flush").len(), 0);
        if goes_on {
            stage.tell(Fact::SpeechReady { reply: ReplyId(1) });
        }
        stage.run(2_600);
        assert_eq!(stage.when("flush").len(), usize::from(!goes_on));
        assert_eq!(stage.when("speak 2").len(), usize::from(!goes_on));
    }
}

#[test]
fn words_just_handed_to_the_voice_have_as_long_as_a_first_sound() {
    let mut stage = asked(vec![hangs()]);
    let reply = ReplyId(1);
    stage.stalls_voice = true;
    stage.at(2_600, Coming::Token(reply, "Let me look. ".into()));
    stage.run(3_620);
    stage.starve(reply);
    stage.at(5_000, Coming::Token(reply, "It is three.".into()));
    stage.at(5_000, Coming::Ended(reply, GenerationEnd::Stop));
    stage.run(6_999);
    assert_eq!(stage.when("flush"), [0; 0]);
    stage.run(7_000);
    assert_eq!(stage.when("flush"), [7_000]);
}

#[test]
fn a_reply_whose_voice_ran_dry_is_heard_to_its_end() {
    let mut stage = asked(vec![hangs()]);
    let reply = ReplyId(1);
    stage.at(2_600, Coming::Token(reply, "Let me look that up for you now. ".into()));
    stage.run(2_720 + 8 * 300);
    stage.starve(reply);
    stage.at(7_500, Coming::Token(reply, "It is three.".into()));
    stage.at(7_500, Coming::Ended(reply, GenerationEnd::Stop));
    stage.run(7_600);
    stage.feed(reply);
    stage.run(15_000);
    assert_eq!(stage.when("heard"), [7_600 + 3 * 300]);
    assert_eq!(stage.said()[0], ("Let me look that up for you now. It is three.".to_owned(), false));
}

#[test]
fn a_line_that_waits_behind_another_is_not_given_up_for_its_silence() {
    let mut stage = Stage::new(DialogueSpec::default(), &[]);
    let say = |text: &str| Coming::Command(Command::Say { text: text.into(), interruptible: true });
    stage.at(1_000, say("one two three four five six seven eight nine ten eleven twelve."));
    stage.run(1_050);
    stage.mute_voice = true;
    stage.at(1_100, say("And this comes next."));
    stage.run(6_000);
    assert_eq!(stage.when("heard 1"), [1_120 + 12 * 300]);
    stage.run(6_719);
    assert_eq!(stage.when("flush"), [0; 0]);
    // From when it is its turn, it has as long as any other.
    stage.run(7_000);
    assert_eq!(stage.when("flush 2"), [4_720 + 2_000]);
    assert_eq!(stage.rules(), ["tts.first-audio"]);
}

#[test]
fn words_that_never_became_sound_are_not_told_as_heard() {
    // Six words of twelve have come, and all of that was heard.
    let mut stage = Stage::new(DialogueSpec::default(), &[]);
    (stage.stalls_voice, stage.wordless_voice) = (true, true);
    let text = "one two three four five six seven eight nine ten eleven twelve.".to_owned();
    stage.at(1_000, Coming::Command(Command::Say { text, interruptible: true }));
    stage.run(2_920);
    stage.starve(ReplyId(1));
    stage.run(9_000);
    assert_eq!(stage.said()[0], ("one two three four five six".to_owned(), true));
}

#[test]
fn without_a_recogniser_the_call_ends_with_an_apology() {
    let mut stage = Stage::new(DialogueSpec::default(), &[]);
    stage.run(1_000);
    stage.tell(Fact::Failed { service: Service::Stt, reply: None, failure: Failure::Auth });
    stage.run(12_000);
    assert_eq!(stage.said(), [(DialogueSpec::default().apology, false)]);
    assert_eq!(stage.ended.map(|ended| ended.1), Some(EndReason::ServiceFailure));
}

#[test]
fn a_tool_that_never_answers_is_told_to_the_model() {
    let mut stage = asked(vec![
        Answer { text: "", tools: vec![("slow", 60_000)], hangs: false },
        Answer { text: "That did not work out.", ..Answer::default() },
    ]);
    stage.run(30_000);
    assert!(stage.prompts[1].last().unwrap().content.starts_with("error"));
    // The caller is told to wait, twice, and not asked whether they are still there.
    let filler = DialogueSpec::default().filler;
    assert_eq!(stage.said().iter().filter(|said| said.0 == filler).count(), 2);
    let idle =
        stage.events.iter().find(|(_, e)| matches!(e, DialogueEvent::Unstuck { why } if why.rule == "idle.prompt"));
    assert!(idle.is_none_or(|(at, _)| *at > 20_000));
}
