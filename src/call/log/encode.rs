//! Inputs and outputs to lines.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::time::{Duration, Instant};

use crate::audio::{Codec, Decoder, Encoder as Payload, SampleRate};
use crate::conversation::{GenerationEnd, TranscriptKind};
use crate::dialogue::Command;
use crate::rtp::{Packet, PayloadType};

use super::super::{CallSpec, EventKind, Input, Output};
use super::{Decision, HEADER, fields};

/// Turns what happens to a call into the lines of its log. The body writes the lines; this type only makes them.
///
/// Bounded: once more than `limit` bytes were made, the log says that it is full and stays silent. It stays silent, too,
/// from the first key on that is to be hidden; a key is known only when its tone has sounded for a while, so the newest
/// lines of a call that hides keys are held back until nothing of a key can be in them.
#[derive(Debug)]
pub struct Encoder {
    begun: Instant,
    written: u64,
    limit: u64,
    full: bool,
    digest: Digest,
    outputs: u32,
    now: Instant,
    /// The payload type of keys (RFC 4733).
    telephone_event: Option<PayloadType>,
    hides_keys: bool,
    /// Lines in which the beginning of a key may be, with their times.
    held: VecDeque<(Instant, String)>,
}

impl Encoder {
    /// The default bound of one log: some hours of a two-way G.711 call.
    pub const LIMIT: u64 = 512 << 20;

    /// A log of at most about `limit` bytes for a call that begins now. Its first lines are appended to `lines`.
    pub fn new(spec: &CallSpec, limit: u64, lines: &mut String, now: Instant) -> Self {
        let start = lines.len();
        let _ = writeln!(lines, "{HEADER}");
        fields::put_spec(lines, spec);
        lines.push('\n');
        let written = (lines.len() - start) as u64;
        Self {
            begun: now,
            written,
            limit,
            full: false,
            digest: Digest::default(),
            outputs: 0,
            now,
            telephone_event: spec.line.telephone_event,
            hides_keys: spec.dialogue.redact_keys,
            held: VecDeque::new(),
        }
    }

    /// Appends the line of an input. Call it before the input is handled.
    pub fn input(&mut self, input: &Input<'_>, lines: &mut String, now: Instant) {
        self.now = now;
        self.hides_keys |= matches!(input, Input::Command(Command::Collect(rules)) if rules.redact);
        if self.hides_keys && self.is_key(input) {
            self.stop(lines);
        }
        self.line(lines, |encoder, line| {
            encoder.time(line, now);
            put_input(line, input);
        });
    }

    /// Appends the line of a deadline that came. Call it before the deadline is handled.
    pub fn timeout(&mut self, lines: &mut String, now: Instant) {
        self.now = now;
        self.line(lines, |encoder, line| {
            encoder.time(line, now);
            line.push_str("timeout");
        });
    }

    /// Takes note of an output; events are appended as a line for the reader, and decisions as one of their own.
    pub fn output(&mut self, output: &Output, lines: &mut String) {
        self.outputs += 1;
        self.digest.add(output);
        if let Output::Event(event) = output {
            if self.hides_keys && event.kind == EventKind::DigitPressed {
                self.stop(lines);
            }
            self.line(lines, |_, line| {
                let _ = write!(line, "# {:.3} ", event.at.as_secs_f64());
                match &event.kind {
                    EventKind::Dialogue(event) => put_escaped(line, event),
                    kind => put_escaped(line, kind),
                }
            });
            if let Some(decision) = Decision::of(event) {
                self.line(lines, |_, line| decision.put(line));
            }
        }
    }

    /// Appends the digest of the outputs since the last input. Call it after the outputs were drained.
    pub fn outputs_done(&mut self, lines: &mut String) {
        if self.outputs > 0 {
            let (count, digest) = (self.outputs, self.digest.value());
            self.outputs = 0;
            self.line(lines, |_, line| {
                let _ = write!(line, "= {count} {digest:016x}");
            });
        }
    }

    /// Appends what was held back. Call it when the call is over.
    pub fn finish(&mut self, lines: &mut String) {
        for (_, line) in std::mem::take(&mut self.held) {
            self.release(lines, &line);
        }
    }

    fn is_key(&self, input: &Input<'_>) -> bool {
        match input {
            Input::Digit(_) => true,
            Input::Packet(datagram) => {
                let packet = Packet::parse(datagram).ok();
                packet.is_some_and(|packet| Some(packet.header.payload_type) == self.telephone_event)
            }
            _ => false,
        }
    }

    /// A key that is to be hidden has begun: what was held back is dropped, and nothing follows.
    fn stop(&mut self, lines: &mut String) {
        self.held.clear();
        if !self.full {
            self.full = true;
            lines.push_str("! keys\n");
        }
    }

    fn time(&self, line: &mut String, now: Instant) {
        let _ = write!(line, "{} ", now.saturating_duration_since(self.begun).as_nanos());
    }

    fn line(&mut self, lines: &mut String, put: impl FnOnce(&Self, &mut String)) {
        if self.full {
            return;
        }
        if self.hides_keys {
            let mut line = String::new();
            put(self, &mut line);
            line.push('\n');
            self.held.push_back((self.now, line));
            while self.held.front().is_some_and(|(at, _)| *at + KEY_ONSET < self.now) {
                if let Some((_, line)) = self.held.pop_front() {
                    self.release(lines, &line);
                }
            }
            return;
        }
        let start = lines.len();
        put(self, lines);
        lines.push('\n');
        self.count(lines.len() - start, lines);
    }

    fn release(&mut self, lines: &mut String, line: &str) {
        if !self.full {
            lines.push_str(line);
            self.count(line.len(), lines);
        }
    }

    fn count(&mut self, written: usize, lines: &mut String) {
        self.written += written as u64;
        if self.written > self.limit {
            self.full = true;
            lines.push_str("! full\n");
        }
    }
}

/// How long a key may have sounded before it is known as one, packets that were late on the line included.
const KEY_ONSET: Duration = Duration::from_millis(200);

/// A running digest of a call's outputs: two runs with equal digests did the same. Not meant against forgery.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Digest {
    /// Takes in one output: sound and packets byte for byte, decisions by everything they say.
    pub fn add(&mut self, output: &Output) {
        match output {
            Output::Transmit(packet) => {
                self.bytes(b"transmit");
                self.bytes(packet.as_bytes());
            }
            Output::Report(report) => self.bytes(report.as_bytes()),
            Output::Transcribe(frame) => {
                self.bytes(b"transcribe");
                self.samples(frame.samples());
            }
            Output::Record(stereo) => {
                self.bytes(b"record");
                self.samples(stereo.caller.samples());
                self.samples(stereo.agent.samples());
            }
            Output::Transfer { to } => self.bytes(to.reveal().as_bytes()),
            other => {
                let _ = write!(self, "{other:?}");
            }
        }
    }

    /// The digest so far.
    pub const fn value(self) -> u64 {
        self.0
    }

    fn word(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    /// Whole packets: eight bytes at a time.
    fn bytes(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        for &byte in rest {
            self.word(u64::from(byte));
        }
    }

    fn samples(&mut self, samples: &[i16]) {
        let (words, rest) = samples.as_chunks::<4>();
        for &[a, b, c, d] in words {
            self.word(
                u64::from(a as u16) | u64::from(b as u16) << 16 | u64::from(c as u16) << 32 | u64::from(d as u16) << 48,
            );
        }
        for &sample in rest {
            self.word(u64::from(sample as u16));
        }
    }
}

impl fmt::Write for Digest {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Byte by byte: into how many pieces a text is cut must not matter.
        for byte in text.bytes() {
            self.word(u64::from(byte));
        }
        Ok(())
    }
}

fn put_input(line: &mut String, input: &Input<'_>) {
    match input {
        Input::Answered => line.push_str("answered"),
        Input::Packet(datagram) => {
            line.push_str("packet ");
            fields::put_bytes(line, datagram);
        }
        Input::Played { mark } => {
            let _ = write!(line, "played {mark}");
        }
        Input::Digit(digit) => {
            let _ = write!(line, "digit {}", digit.event_code());
        }
        Input::Transcript(transcript) => {
            let audio_end = transcript.audio_end.map_or(-1, |end| end.as_nanos() as i128);
            let kind = transcript_kind(transcript.kind);
            let _ = write!(line, "transcript {kind} {:x} {audio_end} ", transcript.confidence.to_bits());
            fields::put_text(line, &transcript.text);
        }
        Input::Token { reply, text } => {
            let _ = write!(line, "token {reply} ");
            fields::put_text(line, text);
        }
        Input::ToolCall { reply, call } => {
            let _ = write!(line, "tool-call {reply}");
            for text in [&call.id, &call.name, &call.arguments] {
                line.push(' ');
                fields::put_text(line, text);
            }
        }
        Input::GenerationEnded { reply, end } => {
            let _ = write!(line, "generation-ended {reply} {}", generation_end(*end));
        }
        Input::Speech { reply, samples, rate } => put_speech(line, *reply, samples, *rate),
        Input::WordTimes { reply, words } => {
            let _ = write!(line, "words {reply}");
            for word in *words {
                let _ = write!(line, " {}:{}:{}", word.text_end, word.start.as_nanos(), word.end.as_nanos());
            }
        }
        Input::SpeechEnded { reply } => {
            let _ = write!(line, "speech-ended {reply}");
        }
        Input::ToolResult(result) => {
            line.push_str("tool-result ");
            fields::put_text(line, &result.id);
            line.push(' ');
            fields::put_text(line, &result.content);
        }
        Input::Failed { service, reply, failure } => {
            let reply = reply.map_or(-1, |reply| i64::from(reply.0));
            let _ = write!(line, "failed {} {reply} {}", service.name(), failure.name());
        }
        Input::Command(Command::Say { text, interruptible }) => {
            let _ = write!(line, "say {} ", u8::from(*interruptible));
            fields::put_text(line, text);
        }
        Input::Command(Command::Interrupt) => line.push_str("interrupt"),
        Input::Command(Command::End) => line.push_str("end"),
        Input::Command(Command::Transfer { to }) => {
            line.push_str("transfer");
            if let Some(to) = to {
                line.push(' ');
                fields::put_text(line, to.reveal());
            }
        }
        Input::Command(Command::Update(update)) => {
            // Voice and speed are the body's: they stand here to be read, as everything that was asked.
            let number = |number: Option<f32>| number.map_or_else(|| "-".into(), |n| format!("{:x}", n.to_bits()));
            let _ = write!(line, "update {} {}", number(update.interruption_sensitivity), number(update.voice_speed));
            for text in [&update.system_prompt, &update.voice] {
                line.push(' ');
                fields::put_text(line, &text.as_ref().map_or_else(String::new, |text| format!("+{text}")));
            }
            if let Some(denoising) = update.denoising {
                let _ = write!(line, " denoising={}", denoising.name());
            }
            if let Some(ambience) = update.ambience {
                let _ = write!(line, " ambience={}", ambience.name());
            }
        }
        Input::Command(Command::Collect(rules)) => {
            let terminator = rules.terminator.map_or(-1, |digit| i16::from(digit.event_code()));
            let _ = write!(line, "collect {terminator} {} {}", rules.most, u8::from(rules.redact));
        }
        Input::TransferEnded(end) => {
            let _ = write!(line, "transfer-ended {}", end.name());
        }
        Input::Held(held) => {
            let _ = write!(line, "held {}", u8::from(*held));
        }
        Input::Closed => line.push_str("closed"),
    }
}

/// Speech takes most of a log: what survives µ-law unchanged (it came as µ-law) is written as µ-law, half the size.
fn put_speech(line: &mut String, reply: crate::conversation::ReplyId, samples: &[i16], rate: SampleRate) {
    let mut bytes = vec![0; samples.len()];
    let mut payload = Payload::new(Codec::Pcmu);
    let mut decoder = Decoder::new(Codec::Pcmu);
    payload.encode(samples, &mut bytes);
    let same = samples
        .chunks(160)
        .zip(bytes.chunks(160))
        .all(|(samples, bytes)| decoder.decode(bytes).is_ok_and(|frame| frame.samples() == samples));
    if same {
        let _ = write!(line, "speech {reply} {} u ", rate.hz());
    } else {
        let _ = write!(line, "speech {reply} {} l ", rate.hz());
        bytes.clear();
        bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    }
    fields::put_bytes(line, &bytes);
}

fn put_escaped(line: &mut String, value: &impl fmt::Debug) {
    let start = line.len();
    let _ = write!(line, "{value:?}");
    // Debug escapes line breaks inside strings; a derived Debug has none outside.
    debug_assert!(!line[start..].contains('\n'));
}

pub(super) const fn transcript_kind(kind: TranscriptKind) -> &'static str {
    match kind {
        TranscriptKind::Interim => "interim",
        TranscriptKind::Final => "final",
        TranscriptKind::Eager => "eager",
        TranscriptKind::Resumed => "resumed",
        TranscriptKind::EndOfTurn => "end-of-turn",
    }
}

pub(super) const fn generation_end(end: GenerationEnd) -> &'static str {
    match end {
        GenerationEnd::Stop => "stop",
        GenerationEnd::Length => "length",
        GenerationEnd::ToolCalls => "tool-calls",
        GenerationEnd::Filtered => "filtered",
    }
}
