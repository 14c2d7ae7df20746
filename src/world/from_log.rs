//! The log of a real call, told again as a scenario.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::audio::{Beep, BeepDetector, Decoder, Hop, Vad};
use crate::call::log::{Owned, Record, Records, UnreadableLog};
use crate::call::{
    Call, CallSpec, Command, DialogueEvent, Event, EventKind, LineSpec, Output, Screening, Speculation, Timing,
};
use crate::conversation::{Failure, ReplyId, Service, ToolCall, TranscriptKind};
use crate::rtp::{Packet, PayloadType};

use super::caller::PTIME;

/// Tells a log as a scenario file: the caller's voice as stretches of humming, the recogniser's words as they came, the
/// model's answers in their order, and the services' delays as medians.
///
/// The scenario is a closed loop, the log an open one: under another policy the model and the voice answer what they are
/// then asked, while the caller still does the same at the same times. Texts lose their line breaks, and their double
/// quotes become single ones.
pub fn scenario_of(log: &str) -> Result<String, UnreadableLog> {
    let mut records = Records::new(log)?;
    let mut telling = Telling::new(records.spec());
    for record in &mut records {
        match record? {
            Record::Input { at, input } => telling.input(at, &input),
            Record::Timeout { at } => telling.timeout(at),
            Record::Outputs { .. } => {}
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
    voice: Voice,
    /// What the caller, the recogniser and the line did, by time.
    deeds: Vec<(Duration, String)>,
    replies: BTreeMap<ReplyId, Reply>,
    tools: Vec<Tool>,
}

/// One run of the model, and its voice.
#[derive(Default)]
struct Reply {
    /// By which model or voice: 0 is the first choice.
    rank: u8,
    asked: Option<Duration>,
    tokens: Vec<Duration>,
    text: String,
    call: Option<ToolCall>,
    failed: Option<Failure>,
    ended: bool,
    handed: Option<Duration>,
    first_sound: Option<Duration>,
    sound: Duration,
    words: u32,
    has_word_times: bool,
}

struct Tool {
    call: ToolCall,
    asked: Duration,
    answer: Option<(Duration, String)>,
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
            voice: Voice::new(&spec.line),
            deeds: Vec::new(),
            replies: BTreeMap::new(),
            tools: Vec::new(),
        };
        telling.drain(Duration::ZERO);
        telling
    }

    fn timeout(&mut self, at: Duration) {
        self.call.handle_timeout(self.base + at);
        self.drain(at);
    }

    fn input(&mut self, at: Duration, input: &Owned) {
        self.last = at;
        self.note(at, input);
        self.call.handle_input(input.as_input(), self.base + at);
        self.drain(at);
    }

    fn note(&mut self, at: Duration, input: &Owned) {
        let reply = |replies: &mut BTreeMap<ReplyId, Reply>, id: ReplyId, what: &dyn Fn(&mut Reply)| {
            what(replies.entry(id).or_default());
        };
        let deed = match input {
            Owned::Answered => {
                self.answered = at;
                return;
            }
            Owned::Packet(datagram) => return self.voice.hear(datagram, at),
            Owned::Transcript(transcript) => {
                format!("hears {} \"{}\"", kind_name(transcript.kind), quotable(&transcript.text))
            }
            Owned::Digit(digit) => format!("digit \"{}\"", digit.as_char()),
            Owned::Command(Command::Say { text, .. }) => format!("say \"{}\"", quotable(text)),
            Owned::Command(Command::Interrupt) => "interrupt".into(),
            Owned::Command(Command::End) => "end".into(),
            Owned::Held(true) => "hold".into(),
            Owned::Held(false) => "unhold".into(),
            Owned::Closed => "hangup".into(),
            Owned::Failed(Service::Stt, _, failure) => format!("stt fail {}", failure.name()),
            Owned::Failed(Service::Tts, _, failure) => format!("tts fail {}", failure.name()),
            Owned::Failed(Service::Llm, Some(id), failure) => {
                return reply(&mut self.replies, *id, &|reply| reply.failed = Some(*failure));
            }
            Owned::Token(id, text) => {
                return reply(&mut self.replies, *id, &|reply| {
                    reply.tokens.push(at);
                    reply.text.push_str(text);
                });
            }
            Owned::ToolCall(id, call) => {
                return reply(&mut self.replies, *id, &|reply| reply.call = Some(call.clone()));
            }
            Owned::GenerationEnded(id, _) => return reply(&mut self.replies, *id, &|reply| reply.ended = true),
            Owned::Speech(id, samples, rate) => {
                return reply(&mut self.replies, *id, &|reply| {
                    reply.first_sound.get_or_insert(at);
                    reply.sound += rate.duration_of(samples.len());
                });
            }
            Owned::WordTimes(id, _) => return reply(&mut self.replies, *id, &|reply| reply.has_word_times = true),
            Owned::ToolResult(result) => {
                if let Some(tool) = self.tools.iter_mut().find(|tool| tool.call.id == result.id) {
                    tool.answer = Some((at, result.content.clone()));
                }
                return;
            }
            _ => return,
        };
        self.deeds.push((at, deed));
    }

    fn drain(&mut self, at: Duration) {
        while let Some(output) = self.call.poll_output() {
            match output {
                Output::Generate { reply, rank, .. } => {
                    let reply = self.replies.entry(reply).or_default();
                    (reply.asked, reply.rank) = (Some(at), rank);
                }
                Output::Synthesize { reply, rank, text } => {
                    let reply = self.replies.entry(reply).or_default();
                    reply.rank = reply.rank.max(rank);
                    reply.handed.get_or_insert(at);
                    reply.words += u32::try_from(text.split_whitespace().count()).unwrap_or(u32::MAX);
                }
                // The world's model gives the answer of a dropped thought again.
                Output::Event(Event {
                    kind: EventKind::Dialogue(DialogueEvent::ThoughtDropped { reply, .. }), ..
                }) => {
                    self.replies.remove(&reply);
                }
                Output::Invoke { call, .. } => self.tools.push(Tool { call, asked: at, answer: None }),
                _ => {}
            }
        }
    }

    fn file(mut self) -> String {
        let mut file =
            String::from("# Told from the log of a call. It holds what the caller said: treat it like a recording.\n");
        self.put_agent(&mut file);
        self.put_services(&mut file);
        if let Some(first) = self.voice.first.filter(|&first| first > self.answered + PTIME) {
            self.deeds.push((first, "line up".into()));
        }
        for (began, beep) in std::mem::take(&mut self.voice.beeps) {
            self.deeds.push((began, format!("beep {} {:.0}hz", beep.length.as_millis(), beep.hz)));
        }
        for (began, length) in std::mem::take(&mut self.voice).stretches() {
            self.deeds.push((began, format!("hum {}", length.as_millis())));
        }
        self.deeds.sort_by_key(|(at, _)| *at);
        for (at, deed) in &self.deeds {
            let since = at.saturating_sub(self.answered);
            let _ = writeln!(file, "{} {deed}", millis(since));
        }
        let _ = writeln!(file, "run {}", (self.last.saturating_sub(self.answered) + REST).as_millis());
        file
    }

    fn put_agent(&self, file: &mut String) {
        let dialogue = &self.spec.dialogue;
        let _ = writeln!(
            file,
            "agent begin=\"{}\" prompt=\"{}\" sensitivity={} direction={}",
            quotable(&dialogue.begin_message),
            quotable(&dialogue.system_prompt),
            dialogue.interruption_sensitivity,
            if dialogue.direction == crate::call::Direction::Outbound { "outbound" } else { "inbound" },
        );
        if !dialogue.answer_detection {
            let _ = writeln!(file, "agent detect=no");
        }
        if let Some(message) = &dialogue.voicemail_message {
            let _ = writeln!(file, "agent voicemail=\"{}\"", quotable(message));
        }
        if let Some(Screening { identity, purpose }) = &dialogue.screening {
            let _ = writeln!(file, "agent identity=\"{}\" purpose=\"{}\"", quotable(identity), quotable(purpose));
        }
        let backchannel = if dialogue.backchannel { "yes" } else { "no" };
        let _ = writeln!(
            file,
            "agent language=\"{}\" stt={} backchannel={backchannel}",
            quotable(&dialogue.language),
            dialogue.stt_mode.name(),
        );
        let defaults = Timing::default();
        for ((name, value), (_, default)) in dialogue.timing.named().zip(defaults.named()) {
            if value != default {
                // Counts are small; no wait of less than a microsecond means anything.
                let _ = match value {
                    0..1_000 => writeln!(file, "set {name}={value}"),
                    _ => writeln!(file, "set {name}={}ms", millis(Duration::from_nanos(value))),
                };
            }
        }
        let Speculation { enabled, tries, share } = dialogue.speculation;
        if dialogue.speculation != Speculation::default() {
            let enabled = if enabled { "yes" } else { "no" };
            let _ = writeln!(file, "set speculation={enabled} speculation_tries={tries} speculation_share={share}");
        }
        let line = &self.spec.line;
        let _ = writeln!(file, "line {}", line.codec.name());
        if line.far_buffer {
            let _ = writeln!(file, "line buffered");
        }
    }

    fn put_services(&self, file: &mut String) {
        let replies = || self.replies.values();
        let of_rank = |rank: u8| replies().filter(move |reply| reply.rank == rank);
        let first_token = |rank| median(of_rank(rank).filter_map(|reply| Some(*reply.tokens.first()? - reply.asked?)));
        let per_token = median(replies().flat_map(|reply| reply.tokens.windows(2)).map(|pair| pair[1] - pair[0]));
        let first_sound =
            |rank| median(of_rank(rank).filter_map(|reply| reply.first_sound?.checked_sub(reply.handed?)));
        let whole = replies().filter(|reply| reply.ended || reply.asked.is_none()).filter(|reply| reply.words > 0);
        let per_word = median(whole.map(|reply| reply.sound / reply.words));
        let _ = writeln!(file, "llm first={} token={}", millis(first_token(0)), millis(per_token));
        let times = if replies().any(|reply| reply.has_word_times) { "yes" } else { "no" };
        let per_word = if per_word.is_zero() { Duration::from_millis(300) } else { per_word };
        let _ =
            writeln!(file, "tts first={} word={} times={times}", millis(first_sound(0)), per_word.as_millis().max(20));
        let backups = self.spec.dialogue.backups;
        if backups.llm {
            let _ = writeln!(file, "llm backup={}", millis(first_token(1)));
        }
        if backups.tts {
            let _ = writeln!(file, "tts backup={}", millis(first_sound(1)));
        }
        if backups.stt {
            file.push_str("stt backup=ok\n");
        }
        for reply in replies().filter(|reply| reply.asked.is_some()) {
            let text = quotable(&reply.text);
            file.push_str(if reply.rank == 0 { "reply " } else { "backup " });
            let _ = match (&reply.call, reply.failed) {
                (Some(call), _) => {
                    let spoken = if text.is_empty() { String::new() } else { format!("\"{text}\" ") };
                    writeln!(file, "{spoken}tool {} \"{}\"", quotable(&call.name), quotable(&call.arguments))
                }
                (None, Some(failure)) if text.is_empty() => writeln!(file, "fail {}", failure.name()),
                (None, None) if !text.is_empty() || reply.ended => writeln!(file, "\"{text}\""),
                (None, _) => writeln!(file, "\"{text}\" then-stall"),
            };
        }
        for tool in &self.tools {
            let (at, answer) = tool.answer.clone().unwrap_or((self.last, String::new()));
            let takes = at.saturating_sub(tool.asked).as_millis();
            let _ = writeln!(file, "tool {} {takes} \"{}\"", quotable(&tool.call.name), quotable(&answer));
        }
    }
}

/// How long the scenario goes on after the last thing that happened.
const REST: Duration = Duration::from_millis(500);

/// Stretches of the caller's voice.
#[derive(Default)]
struct Voice {
    decoder: Option<(PayloadType, Decoder, Vad, BeepDetector)>,
    /// When the first packet came.
    first: Option<Duration>,
    pushed: u64,
    /// Where each stretch began and where its last voiced hop ended.
    found: Vec<(Duration, Duration)>,
    /// Where each beep began.
    beeps: Vec<(Duration, Beep)>,
}

impl Voice {
    /// Of what comes in the line's first codec.
    fn new(line: &LineSpec) -> Self {
        let (codec, rate) = (line.codec, line.codec.sample_rate());
        let detectors = (line.payload_type, Decoder::new(codec), Vad::new(rate), BeepDetector::new(rate));
        Self { decoder: Some(detectors), ..Self::default() }
    }

    fn hear(&mut self, datagram: &[u8], at: Duration) {
        let Self { decoder: Some((agreed, decoder, vad, detector)), first, pushed, found, beeps } = self else {
            return;
        };
        let Ok(packet) = Packet::parse(datagram) else { return };
        if packet.header.payload_type != *agreed {
            return;
        }
        first.get_or_insert(at);
        let Ok(frame) = decoder.decode(packet.payload) else { return };
        *pushed += frame.samples().len() as u64;
        let (end, rate) = (*pushed, frame.rate());
        detector.push(&frame, |beep| beeps.push((at.saturating_sub(beep.ago + beep.length), beep)));
        vad.push(&frame, |hop: Hop| {
            if !hop.heard {
                return;
            }
            let after = rate.duration_of(usize::try_from(end.saturating_sub(hop.end)).unwrap_or(0));
            let end = at.saturating_sub(after);
            let began = end.saturating_sub(Vad::HOP);
            match found.last_mut() {
                Some((_, last)) if began <= *last + Vad::HANGOVER => *last = end.max(*last),
                _ => found.push((began, end)),
            }
        });
    }

    fn stretches(self) -> impl Iterator<Item = (Duration, Duration)> {
        self.found.into_iter().map(|(began, end)| (began, end - began))
    }
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
    text.replace('"', "'").replace(char::is_control, " ")
}

/// Milliseconds with as many digits as they need.
fn millis(time: Duration) -> String {
    let micros = time.as_micros();
    if micros.is_multiple_of(1_000) { (micros / 1_000).to_string() } else { format!("{:.3}", micros as f64 / 1_000.0) }
}

fn median(values: impl Iterator<Item = Duration>) -> Duration {
    let mut values: Vec<Duration> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
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
