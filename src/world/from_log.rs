//! The log of a real call, told again as a scenario.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::call::log::{Owned, Record, Records, UnreadableLog};
use crate::call::{Call, CallSpec, Command, DialogueEvent, Event, EventKind, KeyRules, Output, Update};
use crate::conversation::{Service, TranscriptKind};

use super::caller::PTIME;
use caller::Heard;
use services::{Services, Tool, Transfer, Trouble};

mod agent;
mod caller;
mod services;

/// Tells a log as a scenario file: the agent's settings, the caller's voice as stretches of humming, keys and beeps, the
/// recogniser's words as they came, the answers of models and tools in their order, what ailed the services, and their
/// delays as medians.
///
/// The scenario is a closed loop, the log an open one: under another policy the model and the voice answer what they are
/// then asked, while the caller still does the same at the same times. It is an approximation:
/// [`faith`](super::faith) tells how far it reproduces the decisions of the log. Texts lose their line breaks.
pub fn scenario_of(log: &str) -> Result<String, UnreadableLog> {
    let mut records = Records::new(log)?;
    let mut telling = Telling::new(records.spec());
    for record in &mut records {
        match record? {
            Record::Input { at, input } => telling.input(at, &input),
            Record::Timeout { at } => telling.timeout(at),
            Record::Outputs { .. } | Record::Decision(_) => {}
            Record::Full => break,
        }
    }
    Ok(telling.file())
}

/// What is known of a call so far.
struct Telling {
    spec: CallSpec,
    base: Instant,
    /// Tells what was asked of the services, and when.
    call: Call,
    answered: Duration,
    last: Duration,
    line: Heard,
    is_held: bool,
    /// What the caller, the recogniser and others did, by time.
    deeds: Vec<(Duration, String)>,
    services: Services,
}

impl Telling {
    #[expect(
        clippy::disallowed_methods,
        reason = "virtual time is counted from some instant; which one does not matter"
    )]
    fn new(spec: &CallSpec) -> Self {
        let base = Instant::now();
        let mut telling = Self {
            spec: spec.clone(),
            base,
            call: Call::new(spec.clone(), base),
            answered: Duration::ZERO,
            last: Duration::ZERO,
            line: Heard::new(&spec.line),
            is_held: false,
            deeds: Vec::new(),
            services: Services::default(),
        };
        telling.drain(Duration::ZERO);
        telling
    }

    fn timeout(&mut self, at: Duration) {
        self.last = at;
        self.call.handle_timeout(self.base + at);
        self.drain(at);
    }

    fn input(&mut self, at: Duration, input: &Owned) {
        self.last = at;
        if let Some(deed) = self.note(at, input) {
            self.deeds.push((at, deed));
        }
        self.call.handle_input(input.as_input(), self.base + at);
        self.drain(at);
    }

    /// Takes note of an input; the statement it is told by, if it is one of its own.
    fn note(&mut self, at: Duration, input: &Owned) -> Option<String> {
        let services = &mut self.services;
        match input {
            Owned::Answered => self.answered = at,
            Owned::Packet(datagram) => self.line.hear(datagram, at),
            Owned::Transcript(transcript) => {
                return Some(format!("hears {} \"{}\"", kind_name(transcript.kind), quotable(&transcript.text)));
            }
            Owned::Digit(digit) => return Some(format!("digit \"{}\"", digit.as_char())),
            Owned::Command(command) => return told(command),
            Owned::Held(held) => {
                self.is_held = *held;
                return Some(if *held { "hold" } else { "unhold" }.into());
            }
            Owned::Closed => return Some("hangup".into()),
            Owned::Failed(Service::Stt, _, failure) => return Some(format!("stt fail {}", failure.name())),
            Owned::Failed(Service::Tts, Some(id), failure) => {
                services.reply(*id).voice_failed.get_or_insert((at, *failure));
            }
            Owned::Failed(Service::Llm, Some(id), failure) => services.reply(*id).failed = Some(*failure),
            Owned::Token(id, text) => {
                let reply = services.reply(*id);
                reply.tokens.push(at);
                reply.text.push_str(text);
            }
            Owned::ToolCall(id, call) => services.reply(*id).calls.push(call.clone()),
            Owned::GenerationEnded(id, _) => services.reply(*id).ended = true,
            Owned::Speech(id, samples, rate) => {
                let reply = services.reply(*id);
                reply.first_sound.get_or_insert(at);
                reply.last_sound = Some(at);
                reply.sound += rate.duration_of(samples.len());
            }
            Owned::SpeechEnded(id) => services.reply(*id).spoken = true,
            Owned::WordTimes(id, _) => services.reply(*id).has_word_times = true,
            Owned::ToolResult(result) => {
                let asked = |tool: &&mut Tool| tool.call.id == result.id && tool.answer.is_none();
                if let Some(tool) = services.tools.iter_mut().find(asked) {
                    tool.answer = Some((at, result.content.clone()));
                }
            }
            Owned::TransferEnded(end) => {
                if let Some(transfer) = services.transfers.last_mut() {
                    transfer.end.get_or_insert((at, *end));
                }
            }
            Owned::Played(_) | Owned::Failed(..) => {}
        }
        None
    }

    fn drain(&mut self, at: Duration) {
        let services = &mut self.services;
        while let Some(output) = self.call.poll_output() {
            match output {
                Output::Generate { reply, rank, .. } => {
                    let reply = services.reply(reply);
                    (reply.asked, reply.rank) = (Some(at), rank);
                }
                Output::Synthesize { reply, rank, text } => {
                    let reply = services.reply(reply);
                    reply.rank = reply.rank.max(rank);
                    reply.handed.get_or_insert(at);
                    reply.words += u32::try_from(text.split_whitespace().count()).unwrap_or(u32::MAX);
                }
                Output::Cancel { reply } | Output::CancelVoice { reply } => {
                    if let Some(reply) = services.replies.get_mut(&reply) {
                        reply.silenced.get_or_insert(at);
                    }
                }
                // The world's model gives the answer of a dropped thought again.
                Output::Event(Event {
                    kind: EventKind::Dialogue(DialogueEvent::ThoughtDropped { reply, .. }), ..
                }) => {
                    services.replies.remove(&reply);
                }
                Output::Invoke { call, .. } => services.tools.push(Tool { call, asked: at, answer: None }),
                Output::Transfer { .. } => services.transfers.push(Transfer { asked: at, end: None }),
                _ => {}
            }
        }
    }

    fn file(mut self) -> String {
        let mut file =
            String::from("# Told from the log of a call. It holds what the caller said: treat it like a recording.\n");
        agent::put_agent(&mut file, &self.spec);
        self.services.put(&mut file, &self.spec.dialogue);
        self.put_line();
        for Trouble { from, until, rank, what } in self.services.troubles(self.last) {
            let whose = if rank == 0 { "tts" } else { "tts backup" };
            self.deeds.push((from, format!("{whose} {what}")));
            self.deeds.push((until, format!("{whose} ok")));
        }
        self.deeds.extend(self.line.deeds());
        self.deeds.sort_by_key(|(at, _)| *at);
        for (at, deed) in &self.deeds {
            let since = at.saturating_sub(self.answered);
            let _ = writeln!(file, "{} {deed}", millis(since));
        }
        let _ = writeln!(file, "run {}", (self.last.saturating_sub(self.answered) + REST).as_millis());
        file
    }

    /// When the line was there at all.
    fn put_line(&mut self) {
        match self.line.first {
            Some(first) if first > self.answered + PTIME => self.deeds.push((first, "line up".into())),
            None if self.last > self.answered + DEAD => self.deeds.push((self.answered, "line dead".into())),
            _ => {}
        }
        // Nobody sends while we are held.
        if let Some(last) = self.line.last.filter(|&last| !self.is_held && last + DEAD < self.last) {
            self.deeds.push((last, "line dead".into()));
        }
    }
}

/// How long the scenario goes on after the last thing that happened.
const REST: Duration = Duration::from_millis(500);
/// A line is dead when nothing came of it for so long before the log ends.
const DEAD: Duration = Duration::from_secs(2);

/// A command as a statement.
fn told(command: &Command) -> Option<String> {
    Some(match command {
        Command::Say { text, interruptible: true } => format!("say \"{}\"", quotable(text)),
        Command::Say { text, interruptible: false } => format!("say \"{}\" uninterruptible", quotable(text)),
        Command::Interrupt => "interrupt".into(),
        Command::End => "end".into(),
        Command::Transfer { to: None } => "transfer".into(),
        Command::Transfer { to: Some(to) } => format!("transfer \"{}\"", quotable(to.reveal())),
        Command::Collect(KeyRules { terminator, most, redact }) => {
            let terminator = terminator.map_or("none".into(), |key| key.as_char().to_string());
            let redact = if *redact { "yes" } else { "no" };
            format!("collect most={most} terminator={terminator} redact={redact}")
        }
        Command::Update(Update {
            system_prompt,
            voice,
            voice_speed,
            ambience,
            interruption_sensitivity,
            denoising,
        }) => {
            let mut statement = String::from("update");
            for (name, text) in [("prompt", system_prompt), ("voice", voice)] {
                if let Some(text) = text {
                    let _ = write!(statement, " {name}=\"{}\"", quotable(text));
                }
            }
            if let Some(ambience) = ambience {
                let _ = write!(statement, " ambience={}", ambience.name());
            }
            for (name, number) in [("speed", voice_speed), ("sensitivity", interruption_sensitivity)] {
                if let Some(number) = number {
                    let _ = write!(statement, " {name}={number}");
                }
            }
            if let Some(mode) = denoising {
                let _ = write!(statement, " denoising={}", mode.name());
            }
            statement
        }
    })
}

const fn kind_name(kind: TranscriptKind) -> &'static str {
    match kind {
        TranscriptKind::Interim => "interim",
        TranscriptKind::Final => "final",
        TranscriptKind::Eager => "eager",
        TranscriptKind::Resumed => "resumed",
        TranscriptKind::EndOfTurn => "end-of-turn",
    }
}

/// A text as it can stand between double quotes on one line.
fn quotable(text: &str) -> String {
    let mut text = text.replace(char::is_control, " ").replace('"', "\\\"");
    // A backslash before the closing quote would be read with it.
    if text.ends_with('\\') {
        text.push(' ');
    }
    text
}

/// Milliseconds with as many digits as they need.
fn millis(time: Duration) -> String {
    let micros = time.as_micros();
    if micros.is_multiple_of(1_000) { (micros / 1_000).to_string() } else { format!("{:.3}", micros as f64 / 1_000.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{Scenario, run};

    /// A call told from its own log goes the way it went.
    #[test]
    fn a_call_told_from_its_log_goes_the_same_way() {
        let file = "agent begin=\"Hello.\" prompt=\"Be \nbrief\"\nset endpoint_normal=450\nllm first=250 token=20\n\
                    reply \"On Monday at seven, a table for two by the window.\"\nreply \"Very well, Tuesday.\"\n\
                    a1+1000 says 1200 \"book a table for monday\"\na2+1200 says 1200 \"no wait I meant Tuesday\"\n\
                    9000 hangup\nrun 10000\n"
            .replace(" \nbrief", " brief");
        let original = run(&Scenario::parse("original", &file).unwrap());
        assert_eq!(original.failures, []);
        let told = scenario_of(&original.log).unwrap();
        let again = run(&Scenario::parse("told", &told).unwrap_or_else(|problem| panic!("{problem}\n{told}")));
        assert_eq!(again.failures, [], "{told}");
        let lines = |outcome: &crate::world::Outcome| {
            outcome.report.lines.iter().map(|line| (line.speaker, line.text.clone())).collect::<Vec<_>>()
        };
        assert_eq!(lines(&again), lines(&original), "{told}");
        let commits = |outcome: &crate::world::Outcome| {
            outcome.moments.iter().filter(|moment| moment.kind == "commit").map(|moment| moment.at).collect::<Vec<_>>()
        };
        for (again, original) in commits(&again).iter().zip(commits(&original)) {
            assert!(again.abs_diff(original) <= 60, "{again} {original}\n{told}");
        }
    }

    /// The answer of a thought that was dropped is the one that was given in the end, not one more.
    #[test]
    fn a_dropped_thought_takes_no_answer() {
        let file = "set speculation_share=50\nstt final=never\nreply \"A table for two.\"\nreply \"At eight, then.\"\n\
                    0 hum 1000\n700 hears eager \"book a table\"\n1100 hears resumed \"\"\n1200 hum 800\n\
                    1700 hears interim \"book a table for two\"\n2250 hears end-of-turn \"book a table for two\"\n\
                    a1+2000 hum 700\na1+2900 hears end-of-turn \"at eight\"\nrun 9000\n";
        let original = run(&Scenario::parse("original", file).unwrap());
        assert!(original.moments.iter().any(|moment| moment.kind == "dropped"), "{}", original.timeline());
        let told = scenario_of(&original.log).unwrap();
        assert!(told.contains("speculation_share=50") && told.matches("reply ").count() == 2, "{told}");
        let again = run(&Scenario::parse("told", &told).unwrap());
        let lines = |outcome: &crate::world::Outcome| {
            outcome.report.lines.iter().map(|line| line.text.clone()).collect::<Vec<_>>()
        };
        assert_eq!(lines(&again), lines(&original), "{told}");
    }

    /// … also when it was a machine that answered.
    #[test]
    fn a_call_that_a_voicemail_answered_is_told_with_its_beep() {
        let file = "agent direction=outbound voicemail=\"Please call Anna back.\"\n100 line up\n\
                    200 says 3000 \"please leave a message\"\n3500 beep 400 1000hz\nrun 9000\n";
        let original = run(&Scenario::parse("original", file).unwrap());
        let told = scenario_of(&original.log).unwrap();
        assert!(told.contains("voicemail=") && told.contains(" line up\n") && told.contains(" beep "), "{told}");
        let again = run(&Scenario::parse("told", &told).unwrap_or_else(|problem| panic!("{problem}\n{told}")));
        let audio = |outcome: &crate::world::Outcome| {
            outcome.moments.iter().find(|moment| moment.kind == "audio").map(|moment| moment.at).unwrap()
        };
        assert!(audio(&again).abs_diff(audio(&original)) <= 60, "{told}");
        assert_eq!(again.report.ended.map(|ended| ended.1), original.report.ended.map(|ended| ended.1));
    }

    #[test]
    fn what_a_backup_did_is_told_as_its_own() {
        let file = "llm first=9000 backup=300\nreply \"Too late.\"\nbackup \"It is sunny today.\"\n\
                    0 says 1000 \"what is the weather\"\nrun 8000\n";
        let original = run(&Scenario::parse("original", file).unwrap());
        let told = scenario_of(&original.log).unwrap();
        assert!(told.contains("llm backup=300\n") && told.contains("reply \"\" then-stall\n"), "{told}");
        let again = run(&Scenario::parse("told", &told).unwrap());
        let said = again.report.lines.last().map(|line| line.text.clone());
        assert_eq!(said.as_deref(), Some("It is sunny today."), "{told}");
        assert_eq!(again.report.hedges, original.report.hedges);
    }

    #[test]
    fn a_cut_log_is_told_up_to_its_cut_and_a_broken_one_names_its_line() {
        let file = "agent begin=\"Hello.\"\n500 says 800 \"yes please\"\nrun 5000\n";
        let log = run(&Scenario::parse("t", file).unwrap()).log;
        let cut = &log[..log.len() * 2 / 3 + 7];
        let told = scenario_of(cut).unwrap();
        assert!(Scenario::parse("t", &told).is_ok(), "{told}");
        let broken = log.replacen("\n= ", "\n?? ", 1);
        assert!(scenario_of(&broken).unwrap_err().line >= 3);
    }
}
