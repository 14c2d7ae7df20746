//! One packet through a whole call, one frame out of it, and whole virtual calls.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use agentphone::audio::wav::Wav;
use agentphone::audio::{Codec, Encoder, SampleRate};
use agentphone::call::{Call, CallSpec, DialogueSpec, Input};
use agentphone::conversation::ReplyId;
use agentphone::rtp::{Header, PacketBuf, PayloadType, Ssrc};
use agentphone::world::{Scenario, run};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const PTIME: Duration = Duration::from_millis(20);

fn packets(file: &str) -> Vec<PacketBuf> {
    let path = format!("{}/fixtures/audio/{file}", env!("CARGO_MANIFEST_DIR"));
    let wav = Wav::parse(&std::fs::read(path).expect("a fixture")).expect("a WAV file");
    let mut encoder = Encoder::new(Codec::Pcmu);
    let samples = wav.into_mono();
    samples
        .chunks_exact(160)
        .enumerate()
        .map(|(index, samples)| {
            let header = Header {
                marker: false,
                payload_type: PayloadType(0),
                sequence: index as u16,
                timestamp: index as u32 * 160,
                ssrc: Ssrc(1),
            };
            PacketBuf::write(header, |payload| encoder.encode(samples, &mut payload[..160]))
        })
        .collect()
}

fn call(now: Instant) -> Call {
    let dialogue = DialogueSpec { begin_message: "Hello there.".into(), ..DialogueSpec::default() };
    let mut call = Call::new(CallSpec::new(dialogue), now);
    call.handle_input(Input::Answered, now);
    drain(&mut call);
    call
}

fn drain(call: &mut Call) {
    while let Some(output) = call.poll_output() {
        black_box(&output);
    }
}

fn inbound(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("call");
    group.throughput(Throughput::Elements(1));
    for (name, file) in [("packet in, speech", "talk.wav"), ("packet in, quiet line", "talk-quiet.wav")] {
        let packets = packets(file);
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|rounds| {
                let mut now = Instant::now();
                let mut spent = Duration::ZERO;
                let mut running = call(now);
                for round in 0..rounds {
                    let index = round as usize % packets.len();
                    if index == 0 {
                        running = call(now);
                    }
                    now += PTIME;
                    let start = Instant::now();
                    running.handle_input(Input::Packet(packets[index].as_bytes()), now);
                    drain(&mut running);
                    spent += start.elapsed();
                    while let Some(due) = running.poll_timeout().filter(|due| *due <= now) {
                        running.handle_timeout(due);
                        drain(&mut running);
                    }
                }
                spent
            });
        });
    }
    group.bench_function("frame out, speech", |bencher| {
        let speech: Vec<i16> = (0..1_600).map(|n| ((n as f32 * 0.35).sin() * 8_000.0) as i16).collect();
        bencher.iter_custom(|rounds| {
            let mut now = Instant::now();
            let mut spent = Duration::ZERO;
            let mut running = call(now);
            for round in 0..rounds {
                if round % 10 == 0 && running.wants_speech(ReplyId(1)) {
                    let input = Input::Speech { reply: ReplyId(1), samples: &speech, rate: SampleRate::HZ_8000 };
                    running.handle_input(input, now);
                    drain(&mut running);
                }
                now += PTIME;
                let start = Instant::now();
                while let Some(due) = running.poll_timeout().filter(|due| *due <= now) {
                    running.handle_timeout(due);
                    drain(&mut running);
                }
                spent += start.elapsed();
            }
            spent
        });
    });
    group.finish();
}

fn virtual_call(criterion: &mut Criterion) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/scenarios/09-real-barge-in.scn");
    let text = std::fs::read_to_string(path).expect("a scenario");
    let scenario = Scenario::parse("barge-in", &text).expect("a readable scenario");
    let mut group = criterion.benchmark_group("world");
    // 14 s of call: elements per second are seconds of call per second of real time.
    group.throughput(Throughput::Elements(14));
    group.sample_size(20);
    group.bench_function("a call with a barge-in, seconds of call", |bencher| {
        bencher.iter(|| black_box(run(black_box(&scenario))));
    });
    group.finish();
}

criterion_group!(benches, inbound, virtual_call);
criterion_main!(benches);
