//! Lines back to inputs.

use std::fmt;
use std::time::Duration;

use crate::audio::{Codec, Decoder, SampleRate};
use crate::conversation::{
    Ambience, Denoising, Digit, Failure, GenerationEnd, Pii, ReplyId, Service, ToolCall, ToolResult, Transcript,
    TranscriptKind, TransferEnd, WordTime,
};
use crate::dialogue::{Command, KeyRules, Update};

use super::super::{CallSpec, Input};
use super::{Decision, HEADER, encode, fields};

/// One record of a log.
#[derive(Clone, PartialEq, Debug)]
pub enum Record {
    /// An input; borrow it with [`Owned::as_input`].
    Input {
        /// When, since the call began.
        at: Duration,
        /// What.
        input: Owned,
    },
    /// A deadline that came.
    Timeout {
        /// When, since the call began.
        at: Duration,
    },
    /// What the inputs since the last such record caused.
    Outputs {
        /// How many outputs.
        count: u32,
        /// The digest of all outputs so far.
        digest: u64,
    },
    /// A decision among the outputs of the record that follows.
    Decision(Decision),
    /// The log ends here and the call went on: its bound was reached, or keys began that are to be hidden.
    Full,
}

/// An [`Input`] that owns what it holds.
#[derive(Clone, PartialEq, Debug)]
pub enum Owned {
    /// [`Input::Answered`]
    Answered,
    /// [`Input::Packet`]
    Packet(Vec<u8>),
    /// [`Input::Played`]
    Played(u32),
    /// [`Input::Digit`]
    Digit(Digit),
    /// [`Input::Transcript`]
    Transcript(Transcript),
    /// [`Input::Token`]
    Token(ReplyId, String),
    /// [`Input::ToolCall`]
    ToolCall(ReplyId, ToolCall),
    /// [`Input::GenerationEnded`]
    GenerationEnded(ReplyId, GenerationEnd),
    /// [`Input::Speech`]
    Speech(ReplyId, Vec<i16>, SampleRate),
    /// [`Input::WordTimes`]
    WordTimes(ReplyId, Vec<WordTime>),
    /// [`Input::SpeechEnded`]
    SpeechEnded(ReplyId),
    /// [`Input::ToolResult`]
    ToolResult(ToolResult),
    /// [`Input::TransferEnded`]
    TransferEnded(TransferEnd),
    /// [`Input::Failed`]
    Failed(Service, Option<ReplyId>, Failure),
    /// [`Input::Command`]
    Command(Command),
    /// [`Input::Held`]
    Held(bool),
    /// [`Input::Closed`]
    Closed,
}

impl Owned {
    /// The input to hand to a call.
    pub fn as_input(&self) -> Input<'_> {
        match self {
            Self::Answered => Input::Answered,
            Self::Packet(datagram) => Input::Packet(datagram),
            Self::Played(mark) => Input::Played { mark: *mark },
            Self::Digit(digit) => Input::Digit(*digit),
            Self::Transcript(transcript) => Input::Transcript(transcript),
            Self::Token(reply, text) => Input::Token { reply: *reply, text },
            Self::ToolCall(reply, call) => Input::ToolCall { reply: *reply, call },
            Self::GenerationEnded(reply, end) => Input::GenerationEnded { reply: *reply, end: *end },
            Self::Speech(reply, samples, rate) => Input::Speech { reply: *reply, samples, rate: *rate },
            Self::WordTimes(reply, words) => Input::WordTimes { reply: *reply, words },
            Self::SpeechEnded(reply) => Input::SpeechEnded { reply: *reply },
            Self::ToolResult(result) => Input::ToolResult(result),
            Self::TransferEnded(end) => Input::TransferEnded(*end),
            Self::Failed(service, reply, failure) => {
                Input::Failed { service: *service, reply: *reply, failure: *failure }
            }
            Self::Command(command) => Input::Command(command),
            Self::Held(held) => Input::Held(*held),
            Self::Closed => Input::Closed,
        }
    }
}

/// Why a log cannot be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnreadableLog {
    /// Which line, from 1.
    pub line: usize,
    /// What was expected there.
    pub expected: &'static str,
}

impl fmt::Display for UnreadableLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call log, line {}: expected {}", self.line, self.expected)
    }
}

impl std::error::Error for UnreadableLog {}

/// The records of a log, in order. A last line without its end (the process was killed) is left out; any other broken line
/// is an error that names it.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    spec: CallSpec,
    rest: &'a str,
    line: usize,
}

impl<'a> Records<'a> {
    /// Reads the head of a log.
    pub fn new(log: &'a str) -> Result<Self, UnreadableLog> {
        let unreadable = |line, expected| UnreadableLog { line, expected };
        let (header, rest) = log.split_once('\n').ok_or(unreadable(1, "a complete first line"))?;
        if header != HEADER {
            return Err(unreadable(1, "`agentphone-call-log 2` (this version reads only that format)"));
        }
        let (spec, rest) = rest.split_once('\n').ok_or(unreadable(2, "a complete `spec` line"))?;
        let spec = fields::spec(spec).ok_or(unreadable(2, "the spec of a call"))?;
        Ok(Self { spec, rest, line: 2 })
    }

    /// What the call was started with.
    pub const fn spec(&self) -> &CallSpec {
        &self.spec
    }
}

impl Iterator for Records<'_> {
    type Item = Result<Record, UnreadableLog>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (line, rest) = self.rest.split_once('\n')?;
            self.rest = rest;
            self.line += 1;
            if let Some(decision) = Decision::read(line) {
                return Some(Ok(Record::Decision(decision)));
            }
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            return Some(record(line).ok_or(UnreadableLog { line: self.line, expected: "a record of a call" }));
        }
    }
}

fn record(line: &str) -> Option<Record> {
    let mut fields = line.split(' ');
    let first = fields.next()?;
    match first {
        "=" => {
            let count = fields.next()?.parse().ok()?;
            let digest = u64::from_str_radix(fields.next()?, 16).ok()?;
            Some(Record::Outputs { count, digest })
        }
        "!" => Some(Record::Full),
        time => {
            let at = Duration::from_nanos(time.parse().ok()?);
            match fields.next()? {
                "timeout" => Some(Record::Timeout { at }),
                kind => Some(Record::Input { at, input: input(kind, &mut fields)? }),
            }
        }
    }
}

fn input<'a>(kind: &str, fields: &mut impl Iterator<Item = &'a str>) -> Option<Owned> {
    let mut next = || fields.next();
    Some(match kind {
        "answered" => Owned::Answered,
        "packet" => Owned::Packet(fields::bytes(next()?)?),
        "played" => Owned::Played(next()?.parse().ok()?),
        "digit" => Owned::Digit(Digit::from_event_code(next()?.parse().ok()?)?),
        "transcript" => {
            let name = next()?;
            let kind = TRANSCRIPT_KINDS.into_iter().find(|kind| encode::transcript_kind(*kind) == name)?;
            let confidence = f32::from_bits(u32::from_str_radix(next()?, 16).ok()?);
            let audio_end = u64::try_from(next()?.parse::<i64>().ok()?).ok().map(Duration::from_nanos);
            Owned::Transcript(Transcript { kind, text: fields::text(next()?)?, confidence, audio_end })
        }
        "token" => Owned::Token(reply(next()?)?, fields::text(next()?)?),
        "tool-call" => Owned::ToolCall(
            reply(next()?)?,
            ToolCall { id: fields::text(next()?)?, name: fields::text(next()?)?, arguments: fields::text(next()?)? },
        ),
        "generation-ended" => {
            let reply = reply(next()?)?;
            let name = next()?;
            Owned::GenerationEnded(reply, GENERATION_ENDS.into_iter().find(|end| encode::generation_end(*end) == name)?)
        }
        "speech" => {
            let reply = reply(next()?)?;
            let rate = SampleRate::new(next()?.parse().ok()?)?;
            let form = next()?;
            let bytes = fields::bytes(next()?)?;
            Owned::Speech(reply, samples(form, &bytes)?, rate)
        }
        "words" => {
            let reply = reply(next()?)?;
            Owned::WordTimes(reply, fields.map(word).collect::<Option<_>>()?)
        }
        "speech-ended" => Owned::SpeechEnded(reply(next()?)?),
        "tool-result" => Owned::ToolResult(ToolResult { id: fields::text(next()?)?, content: fields::text(next()?)? }),
        "failed" => {
            let service = next()?;
            let service = SERVICES.into_iter().find(|known| known.name() == service)?;
            let reply = u32::try_from(next()?.parse::<i64>().ok()?).ok().map(ReplyId);
            let failure = next()?;
            Owned::Failed(service, reply, FAILURES.into_iter().find(|known| known.name() == failure)?)
        }
        "say" => {
            let interruptible = next()? == "1";
            Owned::Command(Command::Say { text: fields::text(next()?)?, interruptible })
        }
        "interrupt" => Owned::Command(Command::Interrupt),
        "end" => Owned::Command(Command::End),
        "transfer" => {
            let to = next().map(|to| fields::text(to).map(Pii::new).ok_or(())).transpose().ok()?;
            Owned::Command(Command::Transfer { to })
        }
        "update" => {
            let number = |field: &str| match field {
                "-" => Some(None),
                bits => Some(Some(f32::from_bits(u32::from_str_radix(bits, 16).ok()?))),
            };
            let (interruption_sensitivity, voice_speed) = (number(next()?)?, number(next()?)?);
            let mut optional = || Some(fields::text(next()?)?.strip_prefix('+').map(str::to_owned));
            let (system_prompt, voice) = (optional()?, optional()?);
            let (mut denoising, mut ambience) = (None, None);
            for field in fields.by_ref() {
                match field.split_once('=')? {
                    ("denoising", name) => denoising = Some(Denoising::from_name(name)?),
                    ("ambience", name) => ambience = Some(Ambience::from_name(name)?),
                    _ => return None,
                }
            }
            let update = Update { system_prompt, voice, voice_speed, ambience, interruption_sensitivity, denoising };
            Owned::Command(Command::Update(update))
        }
        "collect" => {
            let terminator = match next()? {
                "-1" => None,
                code => Some(Digit::from_event_code(code.parse().ok()?)?),
            };
            let (most, redact) = (next()?.parse().ok()?, next()? == "1");
            Owned::Command(Command::Collect(KeyRules { terminator, most, redact }))
        }
        "transfer-ended" => {
            let name = next()?;
            Owned::TransferEnded(TransferEnd::ALL.into_iter().find(|end| end.name() == name)?)
        }
        "held" => Owned::Held(next()? == "1"),
        "closed" => Owned::Closed,
        _ => return None,
    })
}

fn reply(field: &str) -> Option<ReplyId> {
    field.parse().ok().map(ReplyId)
}

fn word(field: &str) -> Option<WordTime> {
    let mut parts = field.split(':');
    let text_end = parts.next()?.parse().ok()?;
    let start = Duration::from_nanos(parts.next()?.parse().ok()?);
    let end = Duration::from_nanos(parts.next()?.parse().ok()?);
    Some(WordTime { text_end, start, end })
}

fn samples(form: &str, bytes: &[u8]) -> Option<Vec<i16>> {
    match form {
        "u" => {
            let mut decoder = Decoder::new(Codec::Pcmu);
            let mut samples = Vec::with_capacity(bytes.len());
            for bytes in bytes.chunks(160) {
                samples.extend_from_slice(decoder.decode(bytes).ok()?.samples());
            }
            Some(samples)
        }
        "l" => Some(bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()),
        _ => None,
    }
}

const TRANSCRIPT_KINDS: [TranscriptKind; 5] = [
    TranscriptKind::Interim,
    TranscriptKind::Final,
    TranscriptKind::Eager,
    TranscriptKind::Resumed,
    TranscriptKind::EndOfTurn,
];

const GENERATION_ENDS: [GenerationEnd; 4] =
    [GenerationEnd::Stop, GenerationEnd::Length, GenerationEnd::ToolCalls, GenerationEnd::Filtered];

const SERVICES: [Service; 4] = [Service::Stt, Service::Llm, Service::Tts, Service::Tool];

const FAILURES: [Failure; 7] = [
    Failure::Auth,
    Failure::Quota,
    Failure::RateLimit,
    Failure::BadRequest,
    Failure::Unavailable,
    Failure::Timeout,
    Failure::Protocol,
];

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::Encoder;
    use super::*;
    use crate::call::{Event, EventKind, Output};
    use crate::dialogue::DialogueSpec;
    use crate::rtp::{Header, PacketBuf, PayloadType, Ssrc};

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
    fn base() -> Instant {
        Instant::now()
    }

    fn samples_of_every_input() -> Vec<Owned> {
        vec![
            Owned::Answered,
            Owned::Packet(vec![0x80, 0, 1, 2, 255]),
            Owned::Packet(Vec::new()),
            Owned::Played(7),
            Owned::Digit(Digit::new('#').unwrap()),
            Owned::Transcript(Transcript {
                kind: TranscriptKind::EndOfTurn,
                text: "a table — for two".into(),
                confidence: 0.93,
                audio_end: Some(Duration::from_millis(1_234)),
            }),
            Owned::Transcript(Transcript {
                kind: TranscriptKind::Interim,
                text: String::new(),
                confidence: 0.0,
                audio_end: None,
            }),
            Owned::Token(ReplyId(3), " Sure,\n".into()),
            Owned::ToolCall(
                ReplyId(3),
                ToolCall { id: "call_1".into(), name: "end_call".into(), arguments: "{\"a\": 1}".into() },
            ),
            Owned::GenerationEnded(ReplyId(3), GenerationEnd::ToolCalls),
            Owned::Speech(ReplyId(3), vec![0, 1, -2, 32_767], SampleRate::HZ_24000),
            Owned::Speech(ReplyId(3), vec![0, 132, -132, 32_124], SampleRate::HZ_8000),
            Owned::WordTimes(
                ReplyId(3),
                vec![WordTime { text_end: 4, start: Duration::ZERO, end: Duration::from_millis(300) }],
            ),
            Owned::SpeechEnded(ReplyId(3)),
            Owned::ToolResult(ToolResult { id: "call_1".into(), content: "42 seats".into() }),
            Owned::Failed(Service::Tts, Some(ReplyId(4)), Failure::RateLimit),
            Owned::Failed(Service::Stt, None, Failure::Auth),
            Owned::Command(Command::Say { text: "One moment.".into(), interruptible: true }),
            Owned::Command(Command::Interrupt),
            Owned::Command(Command::End),
            Owned::Command(Command::Transfer { to: Some(Pii::new("+1 415".into())) }),
            Owned::Command(Command::Transfer { to: None }),
            Owned::Command(Command::Update(Update::default())),
            Owned::Command(Command::Update(Update {
                system_prompt: Some("Be kind.".into()),
                voice: Some(String::new()),
                voice_speed: Some(1.1),
                ambience: Some(Ambience::Outdoor),
                interruption_sensitivity: Some(0.0),
                denoising: None,
            })),
            Owned::Command(Command::Update(Update { denoising: Some(Denoising::NoiseAndSpeech), ..Update::default() })),
            Owned::Command(Command::Collect(KeyRules::default())),
            Owned::Command(Command::Collect(KeyRules { terminator: None, most: 4, redact: true })),
            Owned::TransferEnded(TransferEnd::NoAnswer),
            Owned::TransferEnded(TransferEnd::Taken),
            Owned::Held(true),
            Owned::Closed,
        ]
    }

    #[test]
    fn every_input_comes_back_from_its_line() {
        let start = base();
        let spec = CallSpec::new(DialogueSpec::default());
        let mut lines = String::new();
        let mut encoder = Encoder::new(&spec, Encoder::LIMIT, &mut lines, start);
        let inputs = samples_of_every_input();
        for (index, input) in inputs.iter().enumerate() {
            encoder.input(&input.as_input(), &mut lines, start + Duration::from_millis(index as u64));
        }
        encoder.timeout(&mut lines, start + Duration::from_secs(1));
        encoder.finish(&mut lines);
        let records = Records::new(&lines).unwrap();
        assert_eq!(records.spec(), &spec);
        let records: Vec<Record> = records.map(Result::unwrap).collect();
        assert_eq!(records.len(), inputs.len() + 1);
        for (index, (record, input)) in records.iter().zip(&inputs).enumerate() {
            let at = Duration::from_millis(index as u64);
            assert_eq!(record, &Record::Input { at, input: input.clone() });
        }
        assert_eq!(records.last(), Some(&Record::Timeout { at: Duration::from_secs(1) }));
    }

    #[test]
    fn a_log_that_is_cut_off_reads_up_to_there_and_a_broken_line_is_named() {
        let start = base();
        let mut lines = String::new();
        let mut encoder = Encoder::new(&CallSpec::new(DialogueSpec::default()), Encoder::LIMIT, &mut lines, start);
        encoder.input(&Input::Answered, &mut lines, start);
        encoder.input(&Input::Closed, &mut lines, start);
        let cut = &lines[..lines.len() - 3];
        assert_eq!(Records::new(cut).unwrap().count(), 1);
        let broken = lines.replace("answered", "anxwered");
        let error = Records::new(&broken).unwrap().next().unwrap().unwrap_err();
        assert_eq!(error.line, 3);
        assert_eq!(Records::new("something else\n").unwrap_err().line, 1);
    }

    #[test]
    fn a_log_ends_before_the_first_key_that_is_to_be_hidden() {
        let start = base();
        let packet = |payload_type: u8, payload: &[u8]| {
            let payload_type = PayloadType(payload_type);
            let header = Header { marker: false, payload_type, sequence: 1, timestamp: 160, ssrc: Ssrc(1) };
            let write = |room: &mut [u8]| {
                room[..payload.len()].copy_from_slice(payload);
                payload.len()
            };
            PacketBuf::write(header, write).as_bytes().to_vec()
        };
        let sound = packet(0, &[0xff; 160]);
        let pressed = Output::Event(Event { at: Duration::from_secs(1), kind: EventKind::DigitPressed });
        let redact = Command::Collect(KeyRules { redact: true, ..KeyRules::default() });
        // A telephone event, a gateway's word, and a key that was heard in the sound; hidden for the whole call or when asked.
        for sign in
            [Some(Owned::Packet(packet(101, &[4, 10, 0, 160]))), Some(Owned::Digit(Digit::new('4').unwrap())), None]
        {
            for asked in [false, true] {
                let spec = CallSpec::new(DialogueSpec { redact_keys: !asked, ..DialogueSpec::default() });
                let mut lines = String::new();
                let mut encoder = Encoder::new(&spec, Encoder::LIMIT, &mut lines, start);
                encoder.input(&Input::Answered, &mut lines, start);
                if asked {
                    encoder.input(&Input::Command(&redact), &mut lines, start);
                }
                for n in 1..=50 {
                    encoder.input(&Input::Packet(&sound), &mut lines, start + Duration::from_millis(20) * n);
                }
                let now = start + Duration::from_secs(1);
                match &sign {
                    Some(input) => encoder.input(&input.as_input(), &mut lines, now),
                    None => encoder.output(&pressed, &mut lines),
                }
                encoder.input(&Input::Packet(&sound), &mut lines, now);
                encoder.finish(&mut lines);
                let records: Vec<Record> = Records::new(&lines).unwrap().map(Result::unwrap).collect();
                assert_eq!(records.last(), Some(&Record::Full), "{lines}");
                let last = records.iter().rev().find_map(|record| match record {
                    Record::Input { at, .. } => Some(*at),
                    _ => None,
                });
                // What a key's beginning may be in is not there either.
                assert_eq!(last, Some(Duration::from_millis(780)), "{lines}");
                assert!(lines.ends_with("! keys\n"));
            }
        }
    }

    #[test]
    fn a_log_stops_at_its_bound_and_says_so() {
        let start = base();
        let mut lines = String::new();
        let mut encoder = Encoder::new(&CallSpec::new(DialogueSpec::default()), 2_000, &mut lines, start);
        for _ in 0..1_000 {
            encoder.input(&Input::Packet(&[0; 172]), &mut lines, start);
        }
        assert!(lines.len() < 4_000, "{}", lines.len());
        assert_eq!(Records::new(&lines).unwrap().last(), Some(Ok(Record::Full)));
    }
}
