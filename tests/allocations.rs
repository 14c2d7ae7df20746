//! The packet path allocates nothing: after set-up, one packet in and one frame out touch no heap.
#![expect(clippy::disallowed_methods, reason = "virtual time is counted from some instant")]

use std::time::{Duration, Instant};

use agentphone::audio::wav::Wav;
use agentphone::audio::{Codec, Encoder, SampleRate, resample_all};
use agentphone::call::{Call, CallSpec, DialogueSpec, Input, Output};
use agentphone::conversation::{Ambience, Denoising, Digit, ReplyId};
use agentphone::media::{Heard, Inbound, InboundSpec, Outbound, OutboundSpec, Sent};
use agentphone::rtp::{Header, PacketBuf, PayloadType, Ssrc};

const PTIME: Duration = Duration::from_millis(20);
const HOUR: Duration = Duration::from_secs(3_600);

/// A caller's packets: these samples, over and over.
struct Caller {
    samples: Vec<i16>,
    at: usize,
    sequence: u16,
    encoder: Encoder,
}

impl Caller {
    fn new(samples: Vec<i16>) -> Self {
        Self { samples, at: 0, sequence: 0, encoder: Encoder::new(Codec::Pcmu) }
    }

    fn talking() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/audio/talk.wav");
        Self::new(Wav::parse(&std::fs::read(path).expect("a fixture")).expect("a WAV file").into_mono())
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

/// A call in which nothing is decided for want of words: nobody recognises anything, and nobody waits for it.
fn call(begin_message: &str, now: Instant) -> Call {
    let mut dialogue = DialogueSpec { begin_message: begin_message.into(), ..DialogueSpec::default() };
    for wait in [&mut dialogue.timing.stuck_turn, &mut dialogue.timing.idle_prompt, &mut dialogue.timing.max_silence] {
        *wait = HOUR;
    }
    let mut call = Call::new(CallSpec::new(dialogue), now);
    call.handle_input(Input::Answered, now);
    drain(&mut call);
    call
}

/// What one drain gave, and whether all of it was of the packet path.
#[derive(Default)]
struct Drained {
    decisions: usize,
    transcribed: usize,
    audible: usize,
}

fn drain(call: &mut Call) -> Drained {
    let mut drained = Drained::default();
    while let Some(output) = call.poll_output() {
        match output {
            Output::Transmit(packet) => {
                drained.audible += usize::from(packet.payload().iter().any(|&byte| byte | 0x80 != 0xFF));
            }
            Output::Transcribe(_) => drained.transcribed += 1,
            Output::Record(_) => {}
            _ => drained.decisions += 1,
        }
    }
    drained
}

fn run(call: &mut Call, until: Instant) -> Drained {
    let mut all = Drained::default();
    while let Some(due) = call.poll_timeout().filter(|due| *due <= until) {
        call.handle_timeout(due.max(until));
        let drained = drain(call);
        all.decisions += drained.decisions;
        all.audible += drained.audible;
        all.transcribed += drained.transcribed;
    }
    all
}

#[test]
fn a_packet_of_speech_in_allocates_nothing() {
    let mut now = Instant::now();
    let (mut call, mut caller) = (call("", now), Caller::talking());
    let mut measured = 0;
    for round in 0..800 {
        now += PTIME;
        let packet = caller.packet();
        let mut drained = Drained::default();
        let count = allocation_counter::measure(|| {
            call.handle_input(Input::Packet(packet.as_bytes()), now);
            drained = drain(&mut call);
        });
        run(&mut call, now);
        // A decision (the caller was heard to begin) may allocate; the packets between decisions may not.
        if round > 50 && drained.decisions == 0 {
            assert!(drained.transcribed > 0, "round {round}: nothing was heard");
            assert_eq!(count.count_total, 0, "round {round}: {} bytes", count.bytes_total);
            measured += 1;
        }
    }
    assert!(measured > 700 && !call.is_over(), "only {measured} packets were measured");
}

#[test]
fn packets_late_doubled_and_lost_allocate_nothing_either() {
    let mut now = Instant::now();
    let (mut call, mut caller) = (call("", now), Caller::talking());
    let mut kept: Option<PacketBuf> = None;
    for round in 0..600u32 {
        now += PTIME;
        let packet = caller.packet();
        // Every seventh is lost, every fifth changes places with the next, every third comes twice.
        let mut sends: [Option<PacketBuf>; 3] = [None; 3];
        if round % 7 != 0 {
            if round % 5 == 0 && kept.is_none() {
                kept = Some(packet);
            } else {
                sends = [Some(packet), kept.take(), (round % 3 == 0).then_some(packet)];
            }
        }
        let mut decisions = 0;
        let count = allocation_counter::measure(|| {
            for packet in sends.iter().flatten() {
                call.handle_input(Input::Packet(packet.as_bytes()), now);
                decisions += drain(&mut call).decisions;
            }
            decisions += run(&mut call, now).decisions;
        });
        if round > 50 && decisions == 0 {
            assert_eq!(count.count_total, 0, "round {round}: {} bytes", count.bytes_total);
        }
    }
    let inbound = call.report().inbound;
    assert!(inbound.lost > 50 && inbound.duplicate > 50 && inbound.reordered > 20, "{inbound:?}");
}

#[test]
fn a_frame_of_speech_out_allocates_nothing() {
    for rate in [SampleRate::HZ_8000, SampleRate::HZ_24000] {
        let mut now = Instant::now();
        let mut call = call(&"These words take a while to say. ".repeat(20), now);
        let mut caller = Caller::new(vec![0; 1_600]);
        let piece: Vec<i16> = (0..rate.hz() / 5).map(|n| ((n as f32 * 0.35).sin() * 8_000.0) as i16).collect();
        let mut measured = 0;
        for round in 0..500 {
            // 200 ms of speech every 200 ms, two pieces ahead.
            if round % 10 == 0 {
                for _ in 0..if round == 0 { 3 } else { 1 } {
                    call.handle_input(Input::Speech { reply: ReplyId(1), samples: &piece, rate }, now);
                    drain(&mut call);
                }
            }
            now += PTIME;
            call.handle_input(Input::Packet(caller.packet().as_bytes()), now);
            drain(&mut call);
            let mut drained = Drained::default();
            let count = allocation_counter::measure(|| drained = run(&mut call, now));
            if round > 50 && drained.decisions == 0 && drained.audible > 0 {
                assert_eq!(count.count_total, 0, "round {round} at {rate:?}: {} bytes", count.bytes_total);
                measured += 1;
            }
        }
        assert!(measured > 400, "only {measured} audible frames were measured at {rate:?}");
    }
}

#[test]
fn cleaning_allocates_where_it_is_made_and_never_under_a_packet() {
    for (denoising, auto_gain) in [(Denoising::Noise, false), (Denoising::NoiseAndSpeech, true)] {
        let start = Instant::now();
        let spec = InboundSpec { denoising, auto_gain, ..InboundSpec::new(Codec::Pcmu, PayloadType(0)) };
        let mut inbound = Inbound::new(spec, start);
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/audio/talk-white-5db.wav");
        let mut caller = Caller::new(Wav::parse(&std::fs::read(path).expect("a fixture")).expect("WAV").into_mono());
        let (mut now, mut cleaned, mut made, mut under_packets) = (start, 0, 0, Vec::new());
        for round in 0..800 {
            now += PTIME;
            // One packet in nine is lost.
            let packet = caller.packet();
            let taken = allocation_counter::measure(|| {
                if round % 9 != 8 {
                    inbound.handle_packet(packet.as_bytes(), now);
                }
                while let Some(heard) = inbound.poll() {
                    cleaned += usize::from(matches!(heard, Heard::Frame(_)) && inbound.cleaned().is_some());
                }
            });
            if taken.count_total > 0 && round > 0 {
                under_packets.push((round, taken.count_total, taken.bytes_total));
            }
            let timeout = allocation_counter::measure(|| {
                inbound.handle_timeout(now);
                while inbound.poll().is_some() {}
            });
            if timeout.count_total > 0 {
                println!("{denoising:?}: {} bytes kept in round {round}", timeout.bytes_current);
                made += 1;
                assert!(timeout.bytes_current < 200_000, "{timeout:?}");
            }
        }
        assert!(under_packets.is_empty(), "{denoising:?}: {under_packets:?}");
        assert_eq!(made, usize::from(denoising == Denoising::Noise), "{denoising:?}: made once, at its deadline");
        assert!(cleaned > 300, "{denoising:?}: {cleaned}");
    }
}

#[test]
fn neither_a_bed_nor_keys_nor_a_voices_gain_allocate() {
    let start = Instant::now();
    let spec = OutboundSpec {
        ambience: Ambience::Office,
        level_voices: true,
        voices: [Some(-30.0), None],
        ..OutboundSpec::new(Codec::Pcmu, PayloadType(0))
    };
    let (mut outbound, mut now) = (Outbound::new(spec, start), start);
    outbound.answer(start);
    outbound.expect(ReplyId(1));
    outbound.spoken_by(ReplyId(1), 0);
    outbound.play(ReplyId(1), start);
    let piece: Vec<i16> = (0..160).map(|n| ((n as f32 * 0.35).sin() * 3_000.0) as i16).collect();
    let keys = [Digit::new('5').expect("a key")];
    let mut sent = 0;
    (0..100).for_each(|_| outbound.speech(ReplyId(1), &piece, SampleRate::HZ_8000, now));
    for round in 0..600 {
        now += PTIME;
        let count = allocation_counter::measure(|| {
            // As much comes as is said: what waits neither grows nor runs out.
            if !matches!(round % 100, 41..52 | 71..81) {
                outbound.speech(ReplyId(1), &piece, SampleRate::HZ_8000, now);
            }
            match round % 100 {
                40 => _ = outbound.send_digits(&keys, now),
                60 => outbound.set_ambience(Ambience::CoffeeShop),
                70 => outbound.hold(now),
                75 => outbound.resume(None, Duration::from_millis(100), now),
                90 => outbound.set_ambience(Ambience::Office),
                _ => {}
            }
            outbound.handle_timeout(now);
            while let Some(next) = outbound.poll() {
                sent += u32::from(matches!(next, Sent::Packet(_)));
            }
        });
        // A place nobody has been to yet is made.
        if round > 99 {
            assert_eq!(count.count_total, 0, "round {round}: {count:?}");
        }
    }
    assert!(sent > 590, "{sent} packets");
}

#[test]
fn no_codec_allocates_in_either_direction_but_opus_where_it_codes() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/audio/talk.wav");
    let speech = Wav::parse(&std::fs::read(path).expect("a fixture")).expect("a WAV file").into_mono();
    for codec in Codec::ALL {
        let start = Instant::now();
        let payload_type = PayloadType(codec.usual_payload_type());
        let mut spec = OutboundSpec::new(codec, payload_type);
        spec.ptime = if codec.can_send(PTIME) { PTIME } else { PTIME / 2 };
        let (mut outbound, mut now) = (Outbound::new(spec, start), start);
        let mut inbound = Inbound::new(InboundSpec::new(codec, payload_type), start);
        let samples = resample_all(&speech, SampleRate::HZ_8000, spec.rate);
        let mut speech = samples.chunks_exact(spec.rate.samples_in(PTIME));
        outbound.answer(start);
        outbound.expect(ReplyId(1));
        outbound.play(ReplyId(1), start);
        let (mut sent, mut heard, mut lost) = (0u32, 0, 0);
        let mut made_up = Duration::ZERO;
        let mut packets: Vec<PacketBuf> = Vec::with_capacity(16);
        for round in 0..600 {
            now += PTIME;
            let piece = speech.next().unwrap_or_default();
            packets.clear();
            let out = allocation_counter::measure(|| {
                outbound.speech(ReplyId(1), piece, spec.rate, now);
                outbound.handle_timeout(now);
                while let Some(next) = outbound.poll() {
                    if let Sent::Packet(packet) = next {
                        packets.push(packet);
                    }
                }
            });
            let taken = allocation_counter::measure(|| {
                for packet in &packets {
                    sent += 1;
                    // One in nine is lost, and two in a row now and then.
                    if sent % 9 == 0 || sent % 45 == 1 {
                        lost += 1;
                    } else {
                        inbound.handle_packet(packet.as_bytes(), now);
                    }
                    heard += std::iter::from_fn(|| inbound.poll()).filter(|one| matches!(one, Heard::Frame(_))).count();
                }
                inbound.handle_timeout(now);
                heard += std::iter::from_fn(|| inbound.poll()).filter(|one| matches!(one, Heard::Frame(_))).count();
            });
            // What codes Opus copies its own state a few times a packet; nothing of ours does.
            let most = if codec == Codec::Opus { 8 } else { 0 };
            // Nor does decoding; where it makes up what was lost, its library takes some 5 kB and gives them back.
            let concealed = inbound.report().concealed;
            let makes_up = codec == Codec::Opus && std::mem::replace(&mut made_up, concealed) != concealed;
            if round > 20 {
                assert!(out.count_total <= most, "{} out, round {round}: {out:?}", codec.name());
                assert!(
                    taken.count_total <= if makes_up { 8 } else { 0 },
                    "{} in, round {round}: {taken:?}",
                    codec.name()
                );
            }
        }
        assert!(heard > 550 && lost > 50, "{}: {heard} frames, {lost} lost", codec.name());
    }
}

#[test]
fn a_call_begins_with_little_memory() {
    let now = Instant::now();
    let mut held = None;
    let made = allocation_counter::measure(|| held = Some(Call::new(CallSpec::new(DialogueSpec::default()), now)));
    let kilobytes = (made.bytes_current as usize + size_of::<Call>()) / 1_000;
    assert!(kilobytes < 150, "{kilobytes} kB");
    println!("{kilobytes} kB");
}
