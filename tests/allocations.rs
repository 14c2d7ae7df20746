//! The packet path allocates nothing: after set-up, one packet in and one frame out touch no heap.
#![expect(clippy::disallowed_methods, reason = "virtual time is counted from some instant")]

use std::time::{Duration, Instant};

use agentphone::audio::wav::Wav;
use agentphone::audio::{Codec, Encoder, SampleRate};
use agentphone::call::{Call, CallSpec, DialogueSpec, Input, Output};
use agentphone::conversation::ReplyId;
use agentphone::rtp::{Header, PacketBuf, PayloadType, Ssrc};

const PTIME: Duration = Duration::from_millis(20);

/// A caller's packets: speech from a fixture, over and over.
struct Caller {
    samples: Vec<i16>,
    at: usize,
    sequence: u16,
    encoder: Encoder,
}

impl Caller {
    fn new() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/audio/talk.wav");
        let wav = Wav::parse(&std::fs::read(path).expect("a fixture")).expect("a WAV file");
        Self { samples: wav.into_mono(), at: 0, sequence: 0, encoder: Encoder::new(Codec::Pcmu) }
    }

    fn packet(&mut self) -> PacketBuf {
        let header = Header {
            marker: false,
            payload_type: PayloadType(0),
            sequence: self.sequence,
            timestamp: u32::from(self.sequence) * 160,
            ssrc: Ssrc(1),
        };
        self.sequence += 1;
        let samples = &self.samples[self.at..self.at + 160];
        self.at = (self.at + 160) % (self.samples.len() - 160);
        PacketBuf::write(header, |payload| self.encoder.encode(samples, &mut payload[..160]))
    }
}

/// Drains the outputs, keeping none; says whether all of them were of the packet path (sound and packets).
fn drain(call: &mut Call) -> bool {
    let mut only_sound = true;
    while let Some(output) = call.poll_output() {
        only_sound &= matches!(output, Output::Transmit(_) | Output::Transcribe(_) | Output::Record(_));
    }
    only_sound
}

#[test]
fn one_packet_in_and_one_frame_out_allocate_nothing() {
    let mut now = Instant::now();
    let dialogue = DialogueSpec { begin_message: "Hello there.".into(), ..DialogueSpec::default() };
    let mut call = Call::new(CallSpec::new(dialogue), now);
    let mut caller = Caller::new();
    call.handle_input(Input::Answered, now);
    drain(&mut call);
    // The greeting plays during the whole test: the outbound path carries speech, not silence.
    let speech: Vec<i16> = (0..8_000).map(|n| ((n as f32 * 0.35).sin() * 8_000.0) as i16).collect();
    let mut measured = (0, 0);
    for round in 0..400 {
        if round % 40 == 0 && call.wants_speech(ReplyId(1)) {
            call.handle_input(Input::Speech { reply: ReplyId(1), samples: &speech, rate: SampleRate::HZ_8000 }, now);
            drain(&mut call);
        }
        now += PTIME;
        let packet = caller.packet();
        let mut quiet = true;
        let inbound = allocation_counter::measure(|| {
            call.handle_input(Input::Packet(packet.as_bytes()), now);
            quiet &= drain(&mut call);
        });
        if round > 50 && quiet {
            assert_eq!(inbound.count_total, 0, "round {round}: a packet in allocated {} bytes", inbound.bytes_total);
            measured.0 += 1;
        }
        let mut quiet = true;
        let mut sent = false;
        let outbound = allocation_counter::measure(|| {
            while let Some(due) = call.poll_timeout().filter(|due| *due <= now) {
                call.handle_timeout(due.max(now));
                while let Some(output) = call.poll_output() {
                    sent |= matches!(output, Output::Transmit(_));
                    quiet &= matches!(output, Output::Transmit(_) | Output::Transcribe(_) | Output::Record(_));
                }
            }
        });
        if round > 50 && quiet && sent {
            assert_eq!(outbound.count_total, 0, "round {round}: a frame out allocated {} bytes", outbound.bytes_total);
            measured.1 += 1;
        }
    }
    assert!(measured.0 > 200 && measured.1 > 200, "too little was measured: {measured:?}");
}
