//! What one call costs among many: time and instructions for a packet in and a packet out, and memory.
//!
//! ```text
//! cargo bench --bench density -- [calls] [seconds]
//! valgrind --tool=callgrind --toggle-collect='*talk*' target/release/deps/density-… 1 120
//! ```
//!
//! Every call holds the same conversation, each a little later than the one before, and the calls take turns packet by
//! packet, as they do on a media thread: what one has in the caches, the others push out. The services are scripted:
//! interim words while the caller speaks, tokens at once, sound as fast as the call takes it.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![expect(clippy::print_stdout, reason = "it reports")]

use std::collections::VecDeque;
use std::hint::black_box;
use std::time::{Duration, Instant};

use agentphone::audio::wav::Wav;
use agentphone::audio::{Codec, Encoder, SampleRate};
use agentphone::call::{Call, CallSpec, DialogueSpec, Input, Output, RtcpSpec, SoundSpec};
use agentphone::conversation::{GenerationEnd, ReplyId, Transcript, TranscriptKind};
use agentphone::rtp::{Header, PacketBuf, PayloadType, Ssrc};

const PTIME: Duration = Duration::from_millis(20);
const RATE: SampleRate = SampleRate::HZ_8000;
/// Packets from one thing the caller says to the next, and before the first.
const CYCLE: usize = 500;
const BEFORE: usize = 150;
/// What a voice brings at once: 200 ms.
const PIECE: usize = 1_600;

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<usize>().ok());
    let (calls, seconds) = (numbers.next().unwrap_or(200), numbers.next().unwrap_or(60));
    let sound = Sound::load();
    let before = resident();
    let start = Instant::now();
    let mut lines: Vec<Line> = (0..calls).map(|n| Line::new(n, start)).collect();
    let fresh = resident();
    talk(&mut lines, &sound, start, 0..500);
    let (begun, grown) = (processor(), resident());
    let packets = seconds * 50;
    talk(&mut lines, &sound, start, 500..500 + packets);
    let spent = processor().saturating_sub(begun);
    let per_call = |bytes: usize| bytes.saturating_sub(before) / calls / 1_000;
    println!("{calls} calls, {seconds} s each: {:.2} µs a packet in and out", micros(spent) / (packets * calls) as f64);
    println!("{:.4} s of a processor a minute of call", spent.as_secs_f64() / (seconds * calls) as f64 * 60.0);
    println!(
        "{} kB a call at first, {} after 10 s, {} at the end",
        per_call(fresh),
        per_call(grown),
        per_call(resident())
    );
    println!("{} bytes of it in place, {} an output", size_of::<Call>(), size_of::<Output>());
    let sum = lines.iter().fold([0; 3], |sum, line| {
        let report = line.call.report();
        [sum[0] + report.turns.len(), sum[1] + line.sent, sum[2] + line.spoken]
    });
    println!("{} turns, {} packets sent, {} pieces of speech", sum[0], sum[1], sum[2]);
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Plays these packets' times, one call after the other.
#[inline(never)]
fn talk(lines: &mut [Line], sound: &Sound, start: Instant, times: std::ops::Range<usize>) {
    for n in times {
        let now = start + PTIME * n as u32;
        for line in lines.iter_mut() {
            line.step(n, sound, now);
        }
    }
}

/// What the caller and the agent say.
struct Sound {
    caller: Vec<[u8; 160]>,
    agent: Vec<i16>,
}

impl Sound {
    fn load() -> Self {
        let load = |name: &str| {
            let path = format!("{}/fixtures/audio/{name}", env!("CARGO_MANIFEST_DIR"));
            Wav::parse(&std::fs::read(path).expect("a fixture")).expect("a WAV file").into_mono()
        };
        let mut encoder = Encoder::new(Codec::Pcmu);
        // A line that is not quite silent.
        let noise = |n: usize| ((n * 7_919 % 13) as i16 - 6) * 2;
        let mut samples: Vec<i16> = (0..CYCLE * 160).map(noise).collect();
        for (at, sample) in load("caller-booking.wav").into_iter().enumerate() {
            samples[BEFORE * 160 + at] += sample;
        }
        let caller = samples.as_chunks::<160>().0.iter().map(|piece| {
            let mut payload = [0; 160];
            encoder.encode(piece, &mut payload);
            payload
        });
        Self { caller: caller.collect(), agent: load("voice-gb-male.wav") }
    }
}

/// One call with its caller and its services.
struct Line {
    call: Call,
    /// How much later than the first.
    later: usize,
    sequence: u16,
    /// Replies whose speech is still to come: how much of it has.
    voices: VecDeque<(ReplyId, usize)>,
    sent: usize,
    spoken: usize,
}

impl Line {
    fn new(n: usize, now: Instant) -> Self {
        let mut dialogue = DialogueSpec {
            begin_message: "Hello, this is the Lighthouse. How can I help you?".into(),
            ..DialogueSpec::default()
        };
        dialogue.timing.max_duration = Duration::from_secs(36_000);
        let mut spec = CallSpec::new(dialogue);
        spec.sound = SoundSpec { level_voices: true, ..SoundSpec::default() };
        spec.record = false;
        spec.line.rtcp = Some(RtcpSpec { ntp: 0 });
        let mut call = Call::new(spec, now);
        call.handle_input(Input::Answered, now);
        Self { call, later: n * 37, sequence: 0, voices: VecDeque::new(), sent: 0, spoken: 0 }
    }

    fn step(&mut self, n: usize, sound: &Sound, now: Instant) {
        let at = (n + self.later) % CYCLE;
        let header = Header {
            marker: false,
            payload_type: PayloadType(0),
            sequence: self.sequence,
            timestamp: u32::from(self.sequence) * 160,
            ssrc: Ssrc(1),
        };
        self.sequence = self.sequence.wrapping_add(1);
        let payload = &sound.caller[at];
        let packet = PacketBuf::write(header, |room| {
            room[..160].copy_from_slice(payload);
            160
        });
        self.call.handle_input(Input::Packet(packet.as_bytes()), now);
        self.drain(now);
        let interim = |text: &str, kind| Transcript { kind, text: text.into(), confidence: 0.9, audio_end: None };
        let words = match at.checked_sub(BEFORE) {
            Some(50) => Some(interim("hi I'd like", TranscriptKind::Interim)),
            Some(100) => Some(interim("hi I'd like to book a table", TranscriptKind::Interim)),
            Some(165) => Some(interim("Hi, I'd like to book a table for two, please.", TranscriptKind::Final)),
            _ => None,
        };
        if let Some(words) = words {
            self.call.handle_input(Input::Transcript(&words), now);
            self.drain(now);
        }
        while let Some(due) = self.call.poll_timeout().filter(|due| *due <= now) {
            self.call.handle_timeout(due.max(now));
            self.drain(now);
        }
        self.speak(sound, now);
    }

    /// One piece of speech, if it is wanted.
    fn speak(&mut self, sound: &Sound, now: Instant) {
        let Some((reply, came)) = self.voices.front_mut() else { return };
        let reply = *reply;
        if !self.call.wants_speech(reply) {
            return;
        }
        let rest = sound.agent.get(*came..).unwrap_or_default();
        if rest.is_empty() {
            self.voices.pop_front();
            self.call.handle_input(Input::SpeechEnded { reply }, now);
        } else {
            let samples = &rest[..PIECE.min(rest.len())];
            *came += samples.len();
            self.spoken += 1;
            self.call.handle_input(Input::Speech { reply, samples, rate: RATE }, now);
        }
        self.drain(now);
    }

    fn drain(&mut self, now: Instant) {
        while let Some(output) = self.call.poll_output() {
            match &output {
                Output::Transmit(packet) => {
                    self.sent += 1;
                    black_box(packet.as_bytes());
                }
                Output::Generate { reply, .. } => {
                    for text in ["Of course, ", "a table for two. ", "For which day and time?"] {
                        self.call.handle_input(Input::Token { reply: *reply, text }, now);
                    }
                    let ended = Input::GenerationEnded { reply: *reply, end: GenerationEnd::Stop };
                    self.call.handle_input(ended, now);
                }
                Output::Synthesize { reply, .. } if self.voices.iter().all(|(voice, _)| voice != reply) => {
                    self.voices.push_back((*reply, 0));
                }
                Output::Cancel { reply } => self.voices.retain(|(voice, _)| voice != reply),
                output => _ = black_box(output),
            }
        }
    }
}

/// For how long this thread has had a processor: what else the machine does does not count (Linux).
fn processor() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split_whitespace().next().and_then(|nanos| nanos.parse().ok()).unwrap_or_default())
}

/// Bytes of memory this process has in use (Linux).
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split_whitespace().nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or_default() * 4_096
}
