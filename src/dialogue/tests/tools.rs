//! The built-in tools: keys and transfers.

use crate::conversation::{GenerationEnd, Pii, ReplyId, Role, ToolCall, ToolResult, TransferEnd};
use crate::dialogue::{Command, DialogueEvent, DialogueSpec, EndReason, Fact, SEND_DTMF, TRANSFER_CALL, Update};

use super::stage::{Answer, Coming, Stage};

/// A stage whose model is asked at 2 250 and waits for what the test has it say.
fn asked(spec: DialogueSpec) -> Stage {
    let mut stage = Stage::new(spec, &[]);
    stage.answers = [Answer { hangs: true, ..Answer::default() }].into();
    stage.says(1_000, 2_000, "Book a table.");
    stage.run(2_300);
    assert_eq!(stage.when("generate"), [2_250]);
    stage
}

fn with_number() -> DialogueSpec {
    DialogueSpec { transfer_number: Some(Pii::new("+14155550100".into())), ..DialogueSpec::default() }
}

fn calls(stage: &mut Stage, text: &str, name: &str, arguments: &str) {
    let reply = ReplyId(1);
    stage.tell(Fact::Token { reply, text });
    let call = ToolCall { id: "call-1".into(), name: name.into(), arguments: arguments.into() };
    stage.tell(Fact::ToolCall { reply, call });
    stage.tell(Fact::GenerationEnded { reply, end: GenerationEnd::ToolCalls });
}

/// What the model was told last that its tool had answered.
fn result(stage: &Stage) -> Option<&str> {
    let prompt = stage.prompts.last()?;
    prompt.iter().rfind(|message| message.role == Role::Tool).map(|message| message.content.as_str())
}

fn dropped(stage: &Stage) -> Vec<&'static str> {
    let what = |(_, event): &(u64, DialogueEvent)| match event {
        DialogueEvent::Dropped { what, .. } => Some(*what),
        _ => None,
    };
    stage.events.iter().filter_map(what).collect()
}

#[test]
fn keys_are_sent_once_with_their_pauses_and_the_other_side_is_waited_for() {
    let mut stage = asked(DialogueSpec::default());
    calls(&mut stage, "", SEND_DTMF, r#"{"digits":"12ww#,*"}"#);
    stage.run(6_000);
    assert_eq!(stage.when("SendDigits"), [2_300, 3_700, 3_700 + 200 + 2_000], "w waits 0.5 s, a comma 2 s");
    assert_eq!(stage.when("generate"), [2_250], "after keys the other side speaks");
    assert!(stage.said().is_empty(), "keys are not spoken");
    stage.says(6_000, 7_000, "Which extension?");
    stage.run(8_000);
    assert_eq!(result(&stage), Some("sent"));
}

#[test]
fn keys_that_are_none_are_given_back_to_the_model() {
    let mut stage = asked(DialogueSpec::default());
    calls(&mut stage, "", SEND_DTMF, r#"{"digits":"one"}"#);
    stage.run(4_000);
    assert_eq!(stage.when("SendDigits"), [0; 0]);
    assert_eq!(stage.when("generate"), [2_250, 2_300]);
    assert!(result(&stage).unwrap().starts_with("error: `digits` must be"));
}

#[test]
fn keys_are_bounded() {
    let mut stage = asked(DialogueSpec::default());
    let digits = format!(r#"{{"digits":"{}"}}"#, "1w".repeat(16));
    for n in 0..3 {
        let call = ToolCall { id: format!("call-{n}"), name: SEND_DTMF.into(), arguments: digits.clone() };
        stage.tell(Fact::ToolCall { reply: ReplyId(1), call });
    }
    assert_eq!(dropped(&stage), ["keys beyond the limit"], "the third request finds no room");
}

#[test]
fn a_transfer_waits_for_the_agents_words_and_ends_the_call_when_it_is_taken() {
    let mut stage = asked(with_number());
    calls(&mut stage, "I connect you now. ", TRANSFER_CALL, "{}");
    stage.run(5_000);
    let heard = stage.when("heard")[0];
    assert_eq!(stage.when("Transfer"), [heard]);
    stage.tell(Fact::TransferEnded(TransferEnd::Taken));
    assert_eq!(stage.ended.map(|(_, reason)| reason), Some(EndReason::Transferred));
}

#[test]
fn a_transfer_without_a_number_is_given_back_to_the_model() {
    let mut stage = asked(DialogueSpec::default());
    calls(&mut stage, "", TRANSFER_CALL, "{}");
    stage.run(4_000);
    assert_eq!(stage.when("Transfer"), [0; 0]);
    assert_eq!(stage.when("generate"), [2_250, 2_300]);
    assert!(result(&stage).unwrap().starts_with("error: there is nobody"));
}

#[test]
fn a_second_transfer_is_refused_and_a_late_end_of_one_is_dropped() {
    let mut stage = asked(with_number());
    calls(&mut stage, "I connect you now. ", TRANSFER_CALL, "{}");
    stage.tell(Fact::Command(&Command::Transfer { to: None }));
    stage.run(60_000);
    assert_eq!(stage.when("Transfer").len(), 1);
    assert!(stage.rules().len() < 40 && stage.ended.is_some(), "20 s, idle prompts, goodbye");
    stage = asked(with_number());
    stage.tell(Fact::TransferEnded(TransferEnd::Taken));
    assert_eq!(stage.ended, None);
    assert_eq!(dropped(&stage), ["end of no transfer"]);
}

#[test]
fn nobody_is_left_in_silence_while_it_rings() {
    let mut stage = Stage::new(with_number(), &[]);
    stage.at(1_000, Coming::Command(Command::Transfer { to: None }));
    stage.run(21_500);
    let spec = DialogueSpec::default();
    let said: Vec<_> = stage.said().into_iter().map(|(text, _)| text).collect();
    assert_eq!(said[..2], [spec.filler, spec.transfer_wait]);
    let plays = stage.when("play");
    assert_eq!(plays[0], 1_000 + 1_200 + 120);
    assert!(plays.windows(2).all(|pair| pair[1] - pair[0] < 12_000), "{plays:?}");
    assert_eq!(stage.when("speak").last(), Some(&21_000), "then it has failed");
}

#[test]
fn words_cut_from_outside_call_a_transfer_off() {
    let mut stage = asked(with_number());
    calls(&mut stage, "I connect you to somebody else now. ", TRANSFER_CALL, "{}");
    stage.at(3_000, Coming::Command(Command::Interrupt));
    stage.run(6_000);
    assert_eq!(stage.when("Transfer"), [0; 0]);
    assert!(stage.events.iter().any(|(at, event)| {
        *at == 3_000 && matches!(event, DialogueEvent::TransferFailed { why, .. } if why.rule == "transfer.called-off")
    }));
}

#[test]
fn a_caller_who_hangs_up_while_it_rings_is_gone() {
    let mut stage = Stage::new(with_number(), &[]);
    stage.at(1_000, Coming::Command(Command::Transfer { to: None }));
    stage.at(3_000, Coming::Closed);
    stage.run(60_000);
    assert_eq!(stage.ended, Some((3_000, EndReason::UserHangup)));
    assert_eq!(stage.dialogue.poll_timeout(), None);
}

#[test]
fn silence_does_not_end_a_call_that_is_being_transferred() {
    let mut spec = with_number();
    spec.timing.max_silence = std::time::Duration::from_secs(10);
    spec.timing.transfer = std::time::Duration::from_secs(15);
    let mut stage = Stage::new(spec, &[]);
    stage.at(1_000, Coming::Command(Command::Transfer { to: None }));
    stage.run(16_500);
    assert_eq!(stage.when("Transfer"), [1_000]);
    assert_eq!(stage.ended, None);
    assert!(!stage.rules().contains(&"silence.max") && !stage.rules().contains(&"idle.prompt"), "{:?}", stage.rules());
}

#[test]
fn other_instructions_hold_from_the_next_answer_on() {
    let mut spec = DialogueSpec { system_prompt: "Be brief.".into(), ..DialogueSpec::default() };
    spec.begin_message = "Good morning to you, this is the agent.".into();
    let mut stage = Stage::new(spec, &["Yes."]);
    let update = Update { system_prompt: Some("Be chatty.".into()), ..Update::default() };
    stage.at(600, Coming::Command(Command::Update(update)));
    stage.says(4_000, 5_000, "Book a table.");
    stage.run(8_000);
    assert_eq!(stage.said()[0], ("Good morning to you, this is the agent.".into(), false), "it finishes");
    assert_eq!(stage.prompts.len(), 1);
    assert_eq!(stage.prompts[0][0].content, "Be chatty.");
}

#[test]
fn keys_that_are_hidden_are_told_the_model_and_nobody_else() {
    let digits = |stage: &mut Stage, keys: &str| {
        for key in keys.chars() {
            stage.tell(Fact::Digit(crate::conversation::Digit::new(key).unwrap()));
        }
    };
    let spec = DialogueSpec { redact_keys: true, ..DialogueSpec::default() };
    let mut stage = Stage::new(spec, &["You typed 4111, and 2 of them are left."]);
    stage.run(1_000);
    digits(&mut stage, "4111#");
    stage.run(1_100);
    // They go on before the answer is heard: its turn is taken back, with its keys.
    digits(&mut stage, "2");
    stage.run(12_000);
    let user: Vec<_> = stage.prompts.iter().filter_map(|p| p.last()).map(|m| m.content.as_str()).collect();
    assert_eq!(user, ["4111", "4111 2"]);
    let shown: Vec<_> = stage.commits().into_iter().map(|(_, _, text)| text).collect();
    assert_eq!(shown, ["••••", "••••"]);
    let told = format!(
        "{:?} {:?}",
        stage.events,
        stage.log.iter().filter(|(_, l)| !l.starts_with("speak")).collect::<Vec<_>>()
    );
    assert!(!told.contains("4111"), "{told}");
}

#[test]
fn a_tool_that_is_given_up_is_stopped() {
    let mut stage = asked(DialogueSpec::default());
    calls(&mut stage, "", "lookup", "{}");
    stage.run(20_000);
    assert_eq!((stage.when("invoke lookup"), stage.when("cancel tool call-1")), (vec![2_300], vec![12_300]));
    assert_eq!(result(&stage), Some("error: the tool did not answer in time"));
}

#[test]
fn a_tool_that_has_answered_is_not_stopped() {
    let mut stage = asked(DialogueSpec::default());
    calls(&mut stage, "", "lookup", "{}");
    stage.run(3_000);
    stage.tell(Fact::ToolResult(&ToolResult { id: "call-1".into(), content: "found".into() }));
    stage.run(20_000);
    assert_eq!(stage.when("cancel tool"), Vec::<u64>::new());
}

#[test]
fn the_model_waits_while_enough_lines_are_to_be_heard() {
    let mut stage = asked(DialogueSpec::default());
    calls(&mut stage, "", "lookup", "{}");
    for n in 0..10 {
        let line = Command::Say { text: "Please hold the line.".into(), interruptible: false };
        stage.at(2_400 + n, Coming::Command(line));
    }
    stage.run(2_500);
    assert_eq!(dropped(&stage), ["words from outside"; 2]);
    stage.tell(Fact::ToolResult(&ToolResult { id: "call-1".into(), content: "found".into() }));
    stage.run(40_000);
    assert_eq!(stage.when("generate")[1..], stage.when("heard")[..1], "when one has been heard");
    assert_eq!(stage.said().iter().filter(|(text, _)| text == "Please hold the line.").count(), 8);
}
