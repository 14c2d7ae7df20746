//! Random facts in random order: nothing panics, nothing is stuck, nothing grows.

use std::collections::HashSet;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use crate::conversation::{
    Backdrop, Digit, Failure, GenerationEnd, Pii, ReplyId, Service, ToolCall, ToolResult, TranscriptKind, TransferEnd,
    WordTime,
};
use crate::dialogue::{
    Action, Backups, Command, Dialogue, DialogueEvent, DialogueSpec, Direction, Fact, KeyRules, SttMode, Update,
};

use super::stage::{Answer, Coming, Death, Stage};
use super::{base, transcript};

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Voice(u64, Backdrop),
    Echo,
    Silence(u64),
    Words(u8, &'static str),
    Key(char),
    Token(u32, &'static str),
    Call(u32, &'static str),
    Ended(u32, bool),
    Ready(u32),
    Starved(u32),
    Times(u32, usize, u64),
    Delivered(u32, u64),
    Started(u32),
    Heard(u32),
    Flushed(u32, u64, f32),
    Result(u32),
    Failed(u8, u32),
    Command(u8),
    Transferred(usize),
    Hold(bool),
    Answered,
    MediaUp,
    Beep(u64),
    Closed,
}

fn step() -> impl Strategy<Value = Step> {
    let over = prop::sample::select(vec![Backdrop::Quiet, Backdrop::Quiet, Backdrop::Noise, Backdrop::Echo]);
    let id = 0..12_u32;
    let words = prop::sample::select(vec![
        "",
        "mm-hmm",
        "stop",
        "book a table for",
        "Yes.",
        "um",
        "hello there my",
        "hello",
        "leave a message",
        "press 1",
        "please hold",
        "state your name",
        "4 1 5",
        "…",
        "j o h n at",
        "may,",
    ]);
    let tokens = prop::sample::select(vec!["Hello ", "**", "there. ", "3", ".5 ", "```", "a long clause, ", "é"]);
    let tools = prop::sample::select(vec!["end_call", "look_up", "transfer_call", "send_dtmf"]);
    prop_oneof![
        6 => prop_oneof![0..50_u64, 0..3_000_u64, Just(60_000_u64)].prop_map(Step::Wait),
        6 => (0..5_000_u64, over).prop_map(|(voiced, over)| Step::Voice(voiced, over)),
        1 => Just(Step::Echo),
        3 => (0..400_u64).prop_map(Step::Silence),
        6 => (0..5_u8, words).prop_map(|(kind, text)| Step::Words(kind, text)),
        1 => prop::sample::select(vec!['1', '#', '*']).prop_map(Step::Key),
        6 => (id.clone(), tokens).prop_map(|(id, text)| Step::Token(id, text)),
        1 => (id.clone(), tools).prop_map(|(id, name)| Step::Call(id, name)),
        3 => (id.clone(), any::<bool>()).prop_map(|(id, tools)| Step::Ended(id, tools)),
        4 => id.clone().prop_map(Step::Ready),
        1 => id.clone().prop_map(Step::Starved),
        2 => (id.clone(), 0..50_usize, 0..2_000_u64).prop_map(|(id, end, at)| Step::Times(id, end, at)),
        2 => (id.clone(), 0..3_000_u64).prop_map(|(id, length)| Step::Delivered(id, length)),
        4 => id.clone().prop_map(Step::Started),
        3 => id.clone().prop_map(Step::Heard),
        1 => (id.clone(), 0..3_000_u64, 0.0..1.0_f32).prop_map(|(id, at, share)| Step::Flushed(id, at, share)),
        2 => id.clone().prop_map(Step::Result),
        1 => (0..4_u8, id).prop_map(|(service, id)| Step::Failed(service, id)),
        1 => (0..6_u8).prop_map(Step::Command),
        1 => (0..4_usize).prop_map(Step::Transferred),
        1 => any::<bool>().prop_map(Step::Hold),
        2 => Just(Step::Answered),
        1 => Just(Step::MediaUp),
        1 => (0..3_000_u64).prop_map(Step::Beep),
    ]
}

struct Bench {
    dialogue: Dialogue,
    now: u64,
    playing: Option<ReplyId>,
    held: bool,
    /// A committed turn that nothing audible has been asked for since.
    waiting: Option<u64>,
    last_reply: u32,
    generated: HashSet<ReplyId>,
    /// The reply that is thought ahead.
    thought: Option<ReplyId>,
    over: bool,
}

impl Bench {
    fn drain(&mut self, answers_flushes: bool) {
        let now = base() + Duration::from_millis(self.now);
        let mut actions = 0;
        while let Some(action) = self.dialogue.poll() {
            actions += 1;
            assert!(actions < 1_000, "actions must not feed on themselves");
            assert!(!self.over, "nothing comes after the end: {action:?}");
            match action {
                Action::Invoke { reply, .. } => assert_ne!(self.thought, Some(reply), "no tool before the commit"),
                Action::Event(DialogueEvent::ThoughtAhead { reply, .. }) => {
                    assert_eq!(self.thought.replace(reply), None, "two thoughts at once");
                }
                Action::Event(
                    DialogueEvent::ThoughtKept { reply, .. } | DialogueEvent::ThoughtDropped { reply, .. },
                ) => assert_eq!(self.thought.take(), Some(reply), "a thought ends once"),
                Action::Event(DialogueEvent::AgentSaid { reply, .. }) => {
                    assert_ne!(self.thought, Some(reply), "nothing of a thought is heard");
                }
                Action::Hold => self.held = true,
                Action::Resume { .. } => self.held = false,
                Action::Play { reply } => {
                    assert_ne!(self.thought, Some(reply), "nothing of a thought is heard");
                    assert_eq!(self.playing, None, "two replies at once");
                    self.playing = Some(reply);
                }
                Action::Flush { reply } => {
                    if self.playing == Some(reply) {
                        (self.playing, self.held) = (None, false);
                    }
                    if answers_flushes {
                        let heard = Duration::from_millis(500);
                        self.dialogue.handle(Fact::Flushed { reply, heard, share: 0.5 }, now);
                    }
                }
                Action::Synthesize { reply, text, .. } => {
                    assert!(text.contains(char::is_alphanumeric), "{text:?} cannot be spoken");
                    assert!(reply.0 > 0);
                    self.last_reply = self.last_reply.max(reply.0);
                    self.waiting = None;
                }
                Action::PlayKept { .. } => self.waiting = None,
                Action::Generate { reply, messages, .. } => {
                    assert!(self.generated.insert(reply), "an id is used once");
                    self.last_reply = self.last_reply.max(reply.0);
                    assert!(messages.len() <= 4 * 200);
                }
                Action::HangUp(_) => {
                    assert_eq!(self.thought, None, "the end leaves no thought");
                    (self.over, self.held) = (true, false);
                    self.waiting = None;
                }
                Action::Event(DialogueEvent::TurnCommitted { .. }) => {
                    self.waiting = Some(self.now);
                }
                _ => {}
            }
        }
        assert_eq!(self.dialogue.is_over(), self.over);
        assert!(!self.over || self.dialogue.poll_timeout().is_none());
    }

    /// Lets time pass, firing every deadline on its way when `exactly`, else jumping over them.
    fn wait(&mut self, by: u64, exactly: bool) {
        let until = self.now + by;
        for round in 0.. {
            assert!(round < 5_000, "deadlines must move on");
            let due = self.dialogue.poll_timeout().map(|at| at.saturating_duration_since(base()));
            let due = due.map(|at| at.as_micros().div_ceil(1_000) as u64);
            let Some(due) = due.filter(|&due| due <= until) else { break };
            self.now = if exactly { self.now.max(due) } else { until };
            self.dialogue.handle_timeout(base() + Duration::from_millis(self.now));
            self.drain(true);
        }
        self.now = until;
    }

    fn take(&mut self, step: &Step, exactly: bool) {
        let ms = Duration::from_millis;
        let now = base() + ms(self.now);
        // Ids count from the newest, so that most steps meet a living reply and some a dead one.
        let id = |back: &u32| ReplyId((self.last_reply + 1).saturating_sub(back / 3));
        let d = &mut self.dialogue;
        match step {
            Step::Wait(by) => return self.wait(*by, exactly),
            Step::Voice(voiced, over) => {
                let (began, voiced) = (now.checked_sub(ms(*voiced)).unwrap_or(now), ms(*voiced));
                d.handle(Fact::Voice { began, voiced, over: *over }, now);
            }
            Step::Echo => d.handle(Fact::Echo, now),
            Step::Silence(ago) => d.handle(Fact::Silence { since: now.checked_sub(ms(*ago)).unwrap_or(now) }, now),
            Step::Words(kind, text) => {
                use TranscriptKind::*;
                let kind = [Interim, Final, Eager, Resumed, EndOfTurn][usize::from(*kind)];
                d.handle(Fact::Transcript(&transcript(kind, text)), now);
            }
            Step::Key(key) => d.handle(Fact::Digit(Digit::new(*key).unwrap()), now),
            Step::Token(back, text) => d.handle(Fact::Token { reply: id(back), text }, now),
            Step::Call(back, name) => {
                let call =
                    ToolCall { id: back.to_string(), name: (*name).into(), arguments: r#"{"digits":"1w2"}"#.into() };
                d.handle(Fact::ToolCall { reply: id(back), call }, now);
            }
            Step::Ended(back, tools) => {
                let end = if *tools { GenerationEnd::ToolCalls } else { GenerationEnd::Stop };
                d.handle(Fact::GenerationEnded { reply: id(back), end }, now);
            }
            Step::Ready(back) => d.handle(Fact::SpeechReady { reply: id(back) }, now),
            Step::Starved(back) => d.handle(Fact::SpeechStarved { reply: id(back) }, now),
            Step::Times(back, text_end, at) => {
                let word = WordTime { text_end: *text_end, start: ms(*at), end: ms(at + 100) };
                d.handle(Fact::WordTimes { reply: id(back), words: &[word] }, now);
            }
            Step::Delivered(back, length) => d.handle(Fact::SpeechEnded { reply: id(back), length: ms(*length) }, now),
            Step::Started(back) => d.handle(Fact::PlayoutStarted { reply: id(back) }, now),
            Step::Heard(back) => {
                // The playout only ends what it plays; a stale report must do nothing.
                let reply = id(back);
                if self.playing == Some(reply) {
                    (self.playing, self.held) = (None, false);
                }
                d.handle(Fact::PlayoutEnded { reply, heard: ms(900) }, now);
            }
            Step::Flushed(back, heard, share) => {
                d.handle(Fact::Flushed { reply: id(back), heard: ms(*heard), share: *share }, now);
            }
            Step::Result(back) => {
                d.handle(Fact::ToolResult(&ToolResult { id: back.to_string(), content: "x".repeat(40_000) }), now);
            }
            Step::Failed(service, back) => {
                let service = [Service::Stt, Service::Llm, Service::Tts, Service::Tool][usize::from(*service)];
                d.handle(Fact::Failed { service, reply: Some(id(back)), failure: Failure::Unavailable }, now);
            }
            Step::Command(0) => {
                d.handle(Fact::Command(&Command::Say { text: "Listen now.".into(), interruptible: false }), now);
            }
            Step::Command(1) => d.handle(Fact::Command(&Command::Interrupt), now),
            Step::Command(2) => d.handle(Fact::Command(&Command::Transfer { to: None }), now),
            Step::Command(3) => {
                let rules = KeyRules { terminator: None, most: 2, redact: true };
                d.handle(Fact::Command(&Command::Collect(rules)), now);
            }
            Step::Command(4) => {
                let update = Update { interruption_sensitivity: Some(1.0), ..Update::default() };
                d.handle(Fact::Command(&Command::Update(update)), now);
            }
            Step::Transferred(end) => d.handle(Fact::TransferEnded(TransferEnd::ALL[*end]), now),
            Step::Command(_) => d.handle(Fact::Command(&Command::Say { text: "**".into(), interruptible: true }), now),
            Step::Hold(held) => d.handle(Fact::Hold { held: *held }, now),
            Step::Answered => d.handle(Fact::Answered, now),
            Step::MediaUp => d.handle(Fact::MediaUp, now),
            Step::Beep(ago) => {
                let ended = now.checked_sub(ms(*ago)).unwrap_or(now);
                d.handle(Fact::Beep { length: ms(400), ended }, now);
            }
            Step::Closed => d.handle(Fact::Closed, now),
        }
        self.drain(true);
    }
}

fn bench(has_backups: bool, options: bool) -> Bench {
    let backups = Backups { stt: has_backups, llm: has_backups, tts: has_backups };
    let mut spec = DialogueSpec { begin_message: "Hello there, my friend.".into(), backups, ..DialogueSpec::default() };
    spec.transfer_number = Some(Pii::new("+14155550100".into()));
    if options {
        spec.direction = Direction::Outbound;
        spec.voicemail_message = Some("Please call us back.".into());
        spec.backchannel = true;
        spec.stt_mode = SttMode::Accurate;
        spec.timing.turn_limit = Duration::from_secs(7);
        spec.timing.turn_words = 12;
    }
    let dialogue = Dialogue::new(spec, base());
    Bench {
        dialogue,
        now: 0,
        playing: None,
        thought: None,
        held: false,
        waiting: None,
        last_reply: 0,
        generated: HashSet::new(),
        over: false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases.max(512),
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("fixtures/seeds/dialogue.txt"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn random_facts_never_panic_never_overlap_and_always_end(
        steps in prop::collection::vec(step(), 1..200),
        exactly in any::<bool>(),
        has_backups in any::<bool>(),
        options in any::<bool>(),
    ) {
        let mut bench = bench(has_backups, options);
        bench.drain(true);
        for step in &steps {
            bench.take(step, exactly);
        }
        // When the line closes, the call is over within the drain.
        bench.take(&Step::Closed, exactly);
        bench.wait(2_100, true);
        prop_assert!(bench.over);
    }

    #[test]
    fn a_held_reply_goes_on_or_is_dropped_within_two_seconds_of_the_last_voice(
        steps in prop::collection::vec(step(), 1..150),
    ) {
        let mut bench = bench(false, false);
        bench.drain(true);
        bench.take(&Step::Answered, true);
        for step in &steps {
            bench.take(step, true);
        }
        bench.take(&Step::Hold(false), true);
        bench.take(&Step::Silence(0), true);
        bench.wait(2_000, true);
        prop_assert!(!bench.held);
    }

    #[test]
    fn over_a_voice_without_words_a_held_reply_goes_on_within_its_patience(
        over in prop::sample::select(vec![Backdrop::Quiet, Backdrop::Noise, Backdrop::Echo]),
        from in 100..2_000_u64,
    ) {
        let mut bench = bench(false, false);
        bench.drain(true);
        bench.take(&Step::Answered, true);
        bench.take(&Step::Ready(3), true);
        bench.wait(400 + from, true);
        bench.take(&Step::Started(3), true);
        bench.wait(450, true);
        let mut longest = 0;
        for voiced in (10..6_000_u64).step_by(10) {
            bench.take(&Step::Voice(voiced, over), true);
            longest += u64::from(bench.held) * 10;
            bench.wait(10, true);
        }
        prop_assert!((500..=2_600).contains(&longest), "{longest}");
        prop_assert!(!bench.held);
    }

    #[test]
    fn a_committed_turn_is_answered_or_the_call_ends_within_the_bound(
        steps in prop::collection::vec(step(), 1..100),
        has_backups in any::<bool>(),
        options in any::<bool>(),
    ) {
        let mut bench = bench(has_backups, options);
        bench.drain(true);
        bench.take(&Step::Answered, true);
        for step in &steps {
            bench.take(step, true);
        }
        bench.take(&Step::Command(1), true);
        bench.take(&Step::Hold(false), true);
        bench.wait(5_000, true);
        bench.waiting = None;
        bench.take(&Step::Words(1, "Yes."), true);
        // Every service is dead from here, and the caller says nothing more.
        bench.wait(13_000, true);
        prop_assert_eq!(bench.waiting, None);
    }

    #[test]
    fn whichever_services_die_and_when_a_turn_is_answered_or_the_call_ends(
        voices in prop::array::uniform2(death()),
        models in prop::array::uniform2(death()),
        recognisers in prop::collection::vec(0..60_000_u64, 0..3),
        backups in (any::<bool>(), any::<bool>(), any::<bool>()),
        answers in prop::collection::vec(0..4_usize, 12),
        turns in prop::collection::vec((2_000..12_000_u64, 600..2_500_u64), 1..6),
        wordless in any::<bool>(),
    ) {
        let backups = Backups { stt: backups.0, llm: backups.1, tts: backups.2 };
        let mut stage = Stage::new(DialogueSpec { backups, ..DialogueSpec::default() }, &[]);
        (stage.voices, stage.models, stage.wordless_voice) = (voices, models, wordless);
        stage.answers = answers.iter().map(|&which| ANSWERS[which]()).collect();
        let mut at = 0;
        for (pause, length) in turns {
            stage.says(at + pause, at + pause + length, "Book a table.");
            at += pause + length;
        }
        let end = at + 13_000;
        for at in recognisers {
            stage.at(at, Coming::Failed(Service::Stt, ReplyId(0)));
        }
        for now in (0..=end).step_by(500) {
            stage.run(now);
            prop_assert!(stage.ended.is_some() || stage.dialogue.poll_timeout().is_some(), "nothing is pending at {now}");
        }
        let mut sounds = stage.when("play");
        sounds.extend(stage.ended.map(|ended| ended.0));
        // A turn that goes on is not over.
        sounds.extend(stage.events.iter().filter(|(_, e)| matches!(e, DialogueEvent::TakenBack { .. })).map(|e| e.0));
        for (committed, _, _) in stage.commits() {
            let in_time = sounds.iter().any(|at| (committed..=committed + 12_000).contains(at));
            prop_assert!(in_time || committed + 12_000 > end, "nothing after {committed}: {:?}", stage.log);
        }
        // The same tool call never runs twice, and nothing is said of a reply more than once.
        let said = stage.events.iter().filter_map(|(_, event)| match event {
            DialogueEvent::AgentSaid { reply, .. } => Some(*reply),
            _ => None,
        });
        let said: Vec<ReplyId> = said.collect();
        prop_assert_eq!(said.iter().collect::<HashSet<_>>().len(), said.len());
    }
}

fn death() -> impl Strategy<Value = Death> {
    let from = prop_oneof![1 => Just(None), 3 => (0..60_000_u64).prop_map(Some), 1 => Just(Some(0))];
    (from, any::<bool>()).prop_map(|(from, is_told)| Death { from, is_told })
}

const ANSWERS: [fn() -> Answer; 4] = [
    || Answer { text: "Certainly, a table for two it is.", ..Answer::default() },
    || Answer { text: "Let me look.", tools: vec![("look_up", 3_000)], hangs: false },
    || Answer { text: "", tools: vec![("look_up", 30_000)], hangs: false },
    || Answer { hangs: true, ..Answer::default() },
];
