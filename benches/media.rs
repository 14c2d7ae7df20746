//! What one packet costs: in order, out of order, and one frame on its way out.

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use agentphone::audio::wav::Wav;
use agentphone::audio::{Codec, Encoder, SampleRate};
use agentphone::conversation::{Ambience, Denoising, ReplyId};
use agentphone::media::{Inbound, InboundSpec, Outbound, OutboundSpec, Sent};
use agentphone::rtp::{Header, PacketBuf, PayloadType, Ssrc};
use criterion::{Criterion, criterion_group, criterion_main};

const PTIME: Duration = Duration::from_millis(20);
const RATE: SampleRate = SampleRate::HZ_8000;

/// Where virtual time begins.
#[expect(clippy::disallowed_methods, reason = "virtual time needs some instant to begin with")]
fn start() -> Instant {
    Instant::now()
}

/// The samples of a recording of `fixtures/audio`.
fn fixture(name: &str) -> Vec<i16> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/audio").join(name);
    let bytes = std::fs::read(path).expect("the fixtures are part of the repository");
    Wav::parse(&bytes).expect("the fixtures are WAV files").into_mono()
}

/// The sound as µ-law payloads of 20 ms.
fn payloads(samples: &[i16]) -> Vec<[u8; 160]> {
    let mut encoder = Encoder::new(Codec::Pcmu);
    let pieces = samples.chunks_exact(160);
    pieces
        .map(|piece| {
            let mut payload = [0xFF; 160];
            encoder.encode(piece, &mut payload);
            payload
        })
        .collect()
}

/// An endless sender: its nth packet.
fn packet(payloads: &[[u8; 160]], n: u32) -> PacketBuf {
    let header = Header {
        marker: false,
        payload_type: PayloadType(0),
        sequence: n as u16,
        timestamp: n.wrapping_mul(160),
        ssrc: Ssrc(7),
    };
    PacketBuf::write(header, |room| {
        let payload = &payloads[n as usize % payloads.len()];
        room[..160].copy_from_slice(payload);
        160
    })
}

fn inbound(c: &mut Criterion) {
    let spec = InboundSpec { telephone_event: Some(PayloadType(101)), ..InboundSpec::new(Codec::Pcmu, PayloadType(0)) };
    let mut group = c.benchmark_group("inbound");
    let speech = payloads(&fixture("talk.wav"));
    let silence = payloads(&[0; 1_600]);
    for (name, payloads) in [("speech", &speech), ("silence", &silence)] {
        for (order, swapped) in [("in-order", false), ("reordered", true)] {
            let mut now = start();
            let mut inbound = Inbound::new(spec, now);
            let mut n = 0u32;
            group.bench_function(format!("{name}/{order}"), |b| {
                b.iter(|| {
                    // Every pair of packets changes places.
                    let sent = if swapped { n ^ 1 } else { n };
                    inbound.handle_packet(packet(payloads, sent).as_bytes(), now);
                    while let Some(heard) = inbound.poll() {
                        black_box(&heard);
                    }
                    n = n.wrapping_add(1);
                    now += PTIME;
                });
            });
        }
        let mut now = start();
        let mut inbound = Inbound::new(spec, now);
        let mut n = 0u32;
        group.bench_function(format!("{name}/one-in-ten-lost"), |b| {
            b.iter(|| {
                if n % 10 != 9 {
                    inbound.handle_packet(packet(payloads, n).as_bytes(), now);
                }
                inbound.handle_timeout(now);
                while let Some(heard) = inbound.poll() {
                    black_box(&heard);
                }
                n = n.wrapping_add(1);
                now += PTIME;
            });
        });
    }
    group.finish();
}

/// What the recogniser's sound costs beside the rest: a clean line, a noisy one, one that is always cleaned, and gain.
fn cleaning(c: &mut Criterion) {
    let (clean, noisy) = (payloads(&fixture("talk.wav")), payloads(&fixture("talk-white-10db.wav")));
    let plain = InboundSpec::new(Codec::Pcmu, PayloadType(0));
    let with = |denoising, auto_gain| InboundSpec { denoising, auto_gain, ..plain };
    let mut group = c.benchmark_group("cleaning");
    for (name, spec, payloads) in [
        ("none/noisy", with(Denoising::None, false), &noisy),
        ("noise/clean", with(Denoising::Noise, false), &clean),
        ("noise/noisy", with(Denoising::Noise, false), &noisy),
        ("always/clean", with(Denoising::NoiseAndSpeech, false), &clean),
        ("gain/noisy", with(Denoising::None, true), &noisy),
    ] {
        let (mut now, mut n) = (start(), 0u32);
        let mut inbound = Inbound::new(spec, now);
        let mut one = || {
            inbound.handle_timeout(now);
            inbound.handle_packet(packet(payloads, n).as_bytes(), now);
            while let Some(heard) = inbound.poll() {
                black_box(&heard);
                black_box(inbound.cleaned());
            }
            n = n.wrapping_add(1);
            now += PTIME;
        };
        // The line is known by then.
        (0..500).for_each(|_| one());
        group.bench_function(name, |b| b.iter(&mut one));
    }
    group.finish();
}

fn outbound(c: &mut Criterion) {
    let spec = OutboundSpec {
        telephone_event: Some(PayloadType(101)),
        seed: 1,
        ..OutboundSpec::new(Codec::Pcmu, PayloadType(0))
    };
    let mut group = c.benchmark_group("outbound");
    let recording = fixture("talk.wav");
    let wide = fixture("caller-booking-24k.wav");
    let (narrow, wide) = (Some((&recording, RATE)), Some((&wide, SampleRate::HZ_24000)));
    let over = OutboundSpec { ambience: Ambience::CoffeeShop, ..spec };
    let level = OutboundSpec { level_voices: true, voices: [Some(-26.0), None], ..spec };
    let cases = [
        ("speech-8k", narrow, spec),
        ("speech-24k", wide, spec),
        ("speech-8k/levelled", narrow, level),
        ("speech-8k/ambience", narrow, over),
        ("silence", None, spec),
        ("silence/ambience", None, over),
    ];
    for (name, speech, spec) in cases {
        let mut now = start();
        let mut outbound = Outbound::new(spec, now);
        outbound.spoken_by(ReplyId(1), 0);
        outbound.answer(now);
        outbound.play(ReplyId(1), now);
        let mut at = 0;
        group.bench_function(format!("frame/{name}"), |b| {
            b.iter(|| {
                if let Some((samples, rate)) = speech {
                    let length = rate.samples_in(PTIME);
                    at = if at + length > samples.len() { 0 } else { at };
                    outbound.speech(ReplyId(1), &samples[at..at + length], rate, now);
                    at += length;
                }
                outbound.handle_timeout(now);
                while let Some(sent) = outbound.poll() {
                    if let Sent::Packet(packet) = &sent {
                        black_box(packet.as_bytes());
                    }
                }
                now += PTIME;
            });
        });
    }
    group.finish();
}

criterion_group!(benches, inbound, cleaning, outbound);
criterion_main!(benches);
