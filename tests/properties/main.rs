//! Random bytes and random orders of operations: whatever comes, a call does not panic, does not stop, and stays bounded.
#![expect(clippy::disallowed_methods, reason = "virtual time is counted from some instant")]

use std::time::{Duration, Instant};

use agentphone::audio::SampleRate;
use agentphone::call::log::Encoder;
use agentphone::call::{Call, CallSpec, Command, DialogueSpec, Input, Output};
use agentphone::conversation::{
    Digit, Failure, GenerationEnd, ReplyId, Service, ToolCall, ToolResult, Transcript, TranscriptKind, WordTime,
};
use agentphone::rtp::{Header, Packet, PacketBuf, PayloadType, Ssrc};
use agentphone::world::replay;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

/// One thing that may happen to a call. Ids and times are drawn from small ranges so that they meet often.
#[derive(Clone, Debug)]
enum Op {
    Wait(u16),
    Garbage(Vec<u8>),
    Packet { marker: bool, payload_type: u8, sequence: u16, timestamp: u32, ssrc: u8, payload: Vec<u8> },
    Voice(u8),
    Transcript(u8, String),
    Token(u8, String),
    ToolCall(u8),
    GenerationEnded(u8, u8),
    Speech(u8, u16, bool),
    Words(u8, u16, u16),
    SpeechEnded(u8),
    ToolResult(bool),
    Failed(u8, Option<u8>, u8),
    Digit(u8),
    Played(u32),
    Say(String, bool),
    Interrupt,
    Held(bool),
}

fn op() -> impl Strategy<Value = Op> {
    let reply = 0u8..6;
    prop_oneof![
        6 => (0u16..1_500).prop_map(Op::Wait),
        2 => prop::collection::vec(any::<u8>(), 0..300).prop_map(Op::Garbage),
        4 => (any::<bool>(), prop_oneof![Just(0u8), Just(101), Just(13), 0u8..128], 0u16..40, 0u32..9_000, 0u8..3,
              prop::collection::vec(any::<u8>(), 0..520))
            .prop_map(|(marker, payload_type, sequence, timestamp, ssrc, payload)| Op::Packet {
                marker, payload_type, sequence, timestamp, ssrc, payload,
            }),
        6 => (1u8..40).prop_map(Op::Voice),
        4 => (0u8..5, "[a-z ]{0,12}|stop|mm-hmm|no wait I meant Tuesday").prop_map(|(kind, text)| Op::Transcript(kind, text)),
        4 => (reply.clone(), "[ a-zA-Z0-9.,!?*#é—-]{0,24}").prop_map(|(reply, text)| Op::Token(reply, text)),
        1 => reply.clone().prop_map(Op::ToolCall),
        2 => (reply.clone(), 0u8..4).prop_map(|(reply, end)| Op::GenerationEnded(reply, end)),
        4 => (reply.clone(), 0u16..4_000, any::<bool>()).prop_map(|(reply, samples, wide)| Op::Speech(reply, samples, wide)),
        2 => (reply.clone(), 0u16..400, 0u16..9_000).prop_map(|(reply, end, at)| Op::Words(reply, end, at)),
        2 => reply.clone().prop_map(Op::SpeechEnded),
        1 => any::<bool>().prop_map(Op::ToolResult),
        1 => (0u8..4, prop::option::of(reply), 0u8..7).prop_map(|(service, reply, failure)| Op::Failed(service, reply, failure)),
        1 => (0u8..16).prop_map(Op::Digit),
        1 => any::<u32>().prop_map(Op::Played),
        1 => ("[a-z ]{0,20}", any::<bool>()).prop_map(|(text, interruptible)| Op::Say(text, interruptible)),
        1 => Just(Op::Interrupt),
        1 => any::<bool>().prop_map(Op::Held),
    ]
}

struct Bench {
    call: Call,
    now: Instant,
    sequence: u16,
    outputs: usize,
    ended: bool,
    last_packet: Option<(u16, u32)>,
    pending: Vec<ReplyId>,
    encoder: Encoder,
    log: String,
}

impl Bench {
    fn new(begin: &str, far_buffer: bool) -> Self {
        let now = Instant::now();
        let mut spec = CallSpec::new(DialogueSpec { begin_message: begin.into(), ..DialogueSpec::default() });
        spec.line.far_buffer = far_buffer;
        spec.line.lead = if far_buffer { Duration::from_millis(60) } else { Duration::ZERO };
        let mut log = String::new();
        let encoder = Encoder::new(&spec, Encoder::LIMIT, &mut log, now);
        let call = Call::new(spec, now);
        let mut bench = Self {
            call,
            now,
            sequence: 0,
            outputs: 0,
            ended: false,
            last_packet: None,
            pending: Vec::new(),
            encoder,
            log,
        };
        bench.input(Input::Answered);
        bench
    }

    fn input(&mut self, input: Input<'_>) {
        self.encoder.input(&input, &mut self.log, self.now);
        self.call.handle_input(input, self.now);
        self.drain();
    }

    fn drain(&mut self) {
        let mut burst = 0;
        while let Some(output) = self.call.poll_output() {
            assert!(!self.ended || matches!(output, Output::Event(_)), "after the end came {output:?}");
            burst += 1;
            self.encoder.output(&output, &mut self.log);
            assert!(burst < 2_000, "one input caused {burst} outputs");
            match output {
                Output::Close { .. } => self.ended = true,
                Output::Transmit(packet) => self.sent(&packet),
                Output::Generate { reply, messages, .. } => {
                    assert!(!messages.is_empty(), "a model was asked nothing");
                    self.pending.push(reply);
                }
                _ => {}
            }
        }
        self.outputs += burst;
        self.encoder.outputs_done(&mut self.log);
        if self.call.is_over() {
            assert!(self.ended && self.call.poll_timeout().is_none());
        } else {
            // There is always a next thing to wait for: a live call never hangs.
            assert!(self.call.poll_timeout().is_some());
        }
    }

    fn sent(&mut self, packet: &PacketBuf) {
        let packet = Packet::parse(packet.as_bytes()).expect("we send RTP");
        if let Some((sequence, timestamp)) = self.last_packet {
            assert_eq!(packet.header.sequence, sequence.wrapping_add(1), "a hole in our own stream");
            let step = packet.header.timestamp.wrapping_sub(timestamp);
            let event = packet.header.payload_type == PayloadType(101);
            assert!(step < 8_000 * 30 || event, "the timestamp jumped by {step}");
        }
        self.last_packet = Some((packet.header.sequence, packet.header.timestamp));
    }

    fn wait(&mut self, duration: Duration) {
        let until = self.now + duration;
        let mut rounds = 0;
        while let Some(due) = self.call.poll_timeout().filter(|due| *due <= until) {
            rounds += 1;
            assert!(rounds < 20_000, "deadlines do not go away");
            self.now = self.now.max(due);
            self.encoder.timeout(&mut self.log, self.now);
            self.call.handle_timeout(self.now);
            self.drain();
        }
        self.now = until;
    }

    fn voice(&mut self, packets: u8) {
        for index in 0..packets {
            let header = Header {
                marker: index == 0,
                payload_type: PayloadType(0),
                sequence: self.sequence,
                timestamp: u32::from(self.sequence) * 160,
                ssrc: Ssrc(0),
            };
            self.sequence = self.sequence.wrapping_add(1);
            let packet = PacketBuf::write(header, |payload| {
                for (n, byte) in payload[..160].iter_mut().enumerate() {
                    *byte = if (n / 23) % 2 == 0 { 0x90 } else { 0x10 };
                }
                160
            });
            self.input(Input::Packet(packet.as_bytes()));
            self.wait(Duration::from_millis(20));
        }
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Wait(ms) => self.wait(Duration::from_millis(u64::from(*ms))),
            Op::Garbage(bytes) => self.input(Input::Packet(bytes)),
            Op::Packet { marker, payload_type, sequence, timestamp, ssrc, payload } => {
                let header = Header {
                    marker: *marker,
                    payload_type: PayloadType(*payload_type),
                    sequence: *sequence,
                    timestamp: *timestamp,
                    ssrc: Ssrc(u32::from(*ssrc)),
                };
                let packet = PacketBuf::write(header, |room| {
                    room[..payload.len()].copy_from_slice(payload);
                    payload.len()
                });
                self.input(Input::Packet(packet.as_bytes()));
            }
            Op::Voice(packets) => self.voice(*packets),
            Op::Transcript(kind, text) => {
                let kinds = [
                    TranscriptKind::Interim,
                    TranscriptKind::Final,
                    TranscriptKind::Eager,
                    TranscriptKind::Resumed,
                    TranscriptKind::EndOfTurn,
                ];
                let kind = kinds[usize::from(*kind) % kinds.len()];
                let transcript = Transcript { kind, text: text.clone(), confidence: 0.5, audio_end: None };
                self.input(Input::Transcript(&transcript));
            }
            Op::Token(reply, text) => self.input(Input::Token { reply: self.reply(*reply), text }),
            Op::ToolCall(reply) => {
                let call = ToolCall { id: "c".into(), name: "lookup".into(), arguments: "{}".into() };
                self.input(Input::ToolCall { reply: self.reply(*reply), call: &call });
            }
            Op::GenerationEnded(reply, end) => {
                let ends =
                    [GenerationEnd::Stop, GenerationEnd::Length, GenerationEnd::ToolCalls, GenerationEnd::Filtered];
                let end = ends[usize::from(*end) % ends.len()];
                self.input(Input::GenerationEnded { reply: self.reply(*reply), end });
            }
            Op::Speech(reply, samples, wide) => {
                let samples = vec![3_000i16; usize::from(*samples)];
                let rate = if *wide { SampleRate::HZ_24000 } else { SampleRate::HZ_8000 };
                self.input(Input::Speech { reply: self.reply(*reply), samples: &samples, rate });
            }
            Op::Words(reply, end, at) => {
                let start = Duration::from_millis(u64::from(*at));
                let word = WordTime { text_end: usize::from(*end), start, end: start + Duration::from_millis(200) };
                self.input(Input::WordTimes { reply: self.reply(*reply), words: &[word] });
            }
            Op::SpeechEnded(reply) => self.input(Input::SpeechEnded { reply: self.reply(*reply) }),
            Op::ToolResult(known) => {
                let id = if *known { "c" } else { "unheard of" };
                self.input(Input::ToolResult(&ToolResult { id: id.into(), content: "42".into() }));
            }
            Op::Failed(service, reply, failure) => {
                let services = [Service::Stt, Service::Llm, Service::Tts, Service::Tool];
                let failures = [
                    Failure::Auth,
                    Failure::Quota,
                    Failure::RateLimit,
                    Failure::BadRequest,
                    Failure::Unavailable,
                    Failure::Timeout,
                    Failure::Protocol,
                ];
                self.input(Input::Failed {
                    service: services[usize::from(*service) % services.len()],
                    reply: reply.map(|reply| self.reply(reply)),
                    failure: failures[usize::from(*failure) % failures.len()],
                });
            }
            Op::Digit(code) => {
                if let Some(digit) = Digit::from_event_code(*code) {
                    self.input(Input::Digit(digit));
                }
            }
            Op::Played(mark) => self.input(Input::Played { mark: *mark }),
            Op::Say(text, interruptible) => {
                self.input(Input::Command(&Command::Say { text: text.clone(), interruptible: *interruptible }));
            }
            Op::Interrupt => self.input(Input::Command(&Command::Interrupt)),
            Op::Held(held) => self.input(Input::Held(*held)),
        }
    }

    /// Mostly a reply that was really asked for, sometimes one that never was.
    fn reply(&self, choice: u8) -> ReplyId {
        match self.pending.len() {
            0 => ReplyId(u32::from(choice)),
            known if choice < 5 => self.pending[known - 1 - usize::from(choice).min(known - 1)],
            _ => ReplyId(u32::from(choice) + 1_000),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var_os("PROPTEST_CASES").map_or(120, |_| ProptestConfig::default().cases),
        max_shrink_iters: 2_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("fixtures/seeds/call.txt"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_order_of_events_breaks_a_call(
        begin in prop_oneof![Just(""), Just("Hello, how can I help?")],
        far_buffer in any::<bool>(),
        ops in prop::collection::vec(op(), 1..60),
    ) {
        let mut bench = Bench::new(begin, far_buffer);
        for op in &ops {
            bench.apply(op);
        }
        // It can always be ended, within the time a goodbye or the last words may take.
        bench.input(Input::Closed);
        bench.wait(Duration::from_secs(5));
        prop_assert!(bench.call.is_over(), "a closed line did not end the call");
        bench.encoder.finish(&mut bench.log);
        let replayed = replay(&bench.log).expect("a log reads back");
        prop_assert!(replayed.divergence.is_none(), "the log replays otherwise: {:?}", replayed.divergence);
    }

    #[test]
    fn random_bytes_are_counted_and_nothing_else(packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 1..200)) {
        let mut bench = Bench::new("", false);
        for packet in &packets {
            bench.input(Input::Packet(packet));
        }
        bench.wait(Duration::from_millis(500));
        prop_assert!(!bench.call.is_over());
        let inbound = bench.call.report().inbound;
        let counted = inbound.received + inbound.malformed + inbound.foreign + inbound.unknown_payload + inbound.rtcp;
        // Late, doubled and undecodable packets were received first (RFC 3550 counts them so); a packet that waits to see
        // whether a new stream begins is not counted yet.
        let sent = packets.len() as u64;
        prop_assert!(counted <= sent && counted + 1 >= sent, "{counted} of {sent}: {inbound:?}");
    }
}
