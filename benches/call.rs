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

/// A call that lives as long as the bench wants: nobody recognises anything, and nobody waits for it.
fn call(begin_message: &str, now: Instant) -> Call {
    let mut dialogue = DialogueSpec { begin_message: begin_message.into(), ..DialogueSpec::default() };
    for wait in [&mut dialogue.timing.stuck_turn, &mut dialogue.timing.idle_prompt, &mut dialogue.timing.max_silence] {
        *wait = Duration::from_secs(3_600);
    }
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

fn run_until(call: &mut Call, now: Instant) {
    while let Some(due) = call.poll_timeout().filter(|due| *due <= now) {
        call.handle_timeout(due);
        drain(call);
    }
}

fn packet_path(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("call");
    group.throughput(Throughput::Elements(1));
    let silence = PacketBuf::write(
        Header { marker: false, payload_type: PayloadType(0), sequence: 0, timestamp: 0, ssrc: Ssrc(1) },
        |payload| {
            payload[..160].fill(0xFF);
            160
        },
    );
    let inputs = [("packet in, speech", packets("talk.wav")), ("packet in, silence", vec![silence; 900])];
    for (name, mut packets) in inputs {
        renumber(&mut packets);
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|rounds| {
                let mut now = Instant::now();
                let mut spent = Duration::ZERO;
                let mut running = call("", now);
                for round in 0..rounds {
                    let index = round as usize % packets.len();
                    if index == 0 {
                        running = call("", now);
                    }
                    now += PTIME;
                    let start = Instant::now();
                    running.handle_input(Input::Packet(packets[index].as_bytes()), now);
                    drain(&mut running);
                    spent += start.elapsed();
                    run_until(&mut running, now);
                    assert!(!running.is_over(), "the bench measures a live call");
                }
                spent
            });
        });
    }
    let caller = packets_of_silence(silence);
    let words = "These words take a while to say. ".repeat(20);
    for (name, rate) in
        [("frame out, 8 kHz voice", SampleRate::HZ_8000), ("frame out, 24 kHz voice", SampleRate::HZ_24000)]
    {
        let piece: Vec<i16> = (0..rate.hz() / 5).map(|n| ((n as f32 * 0.35).sin() * 8_000.0) as i16).collect();
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|rounds| {
                let mut now = Instant::now();
                let mut spent = Duration::ZERO;
                let mut running = call(&words, now);
                for round in 0..rounds {
                    // Ten seconds of a reply, then a new call: 200 ms of speech every 200 ms.
                    let index = round as usize % 500;
                    if index == 0 {
                        running = call(&words, now);
                    }
                    if index.is_multiple_of(10) {
                        for _ in 0..if index == 0 { 3 } else { 1 } {
                            running.handle_input(Input::Speech { reply: ReplyId(1), samples: &piece, rate }, now);
                            drain(&mut running);
                        }
                    }
                    now += PTIME;
                    running.handle_input(Input::Packet(caller[index].as_bytes()), now);
                    drain(&mut running);
                    let start = Instant::now();
                    run_until(&mut running, now);
                    spent += start.elapsed();
                    assert!(!running.is_over(), "the bench measures a live call");
                }
                spent
            });
        });
    }
    group.finish();
}

fn packets_of_silence(packet: PacketBuf) -> Vec<PacketBuf> {
    let mut packets = vec![packet; 500];
    renumber(&mut packets);
    packets
}

/// Gives packets the numbers and timestamps of one stream.
fn renumber(packets: &mut [PacketBuf]) {
    for (index, packet) in packets.iter_mut().enumerate() {
        let header = Header {
            marker: false,
            payload_type: PayloadType(0),
            sequence: index as u16,
            timestamp: index as u32 * 160,
            ssrc: Ssrc(1),
        };
        let payload = packet.payload().to_vec();
        *packet = PacketBuf::write(header, |room| {
            room[..payload.len()].copy_from_slice(&payload);
            payload.len()
        });
    }
}

/// A two-minute conversation in virtual time, services, log and invariants included, on one core.
fn virtual_call(criterion: &mut Criterion) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/bench/two-minutes.scn");
    let text = std::fs::read_to_string(path).expect("a scenario");
    let scenario = Scenario::parse("two-minutes", &text).expect("a readable scenario");
    let outcome = run(&scenario);
    assert!(outcome.failures.is_empty() && outcome.generations >= 10, "{:?}", outcome.failures);
    let mut group = criterion.benchmark_group("world");
    // Elements per second are seconds of call per second of real time.
    group.throughput(Throughput::Elements(outcome.lasted.as_secs()));
    group.sample_size(20);
    group.bench_function("two minutes of conversation, seconds of call", |bencher| {
        bencher.iter(|| black_box(run(black_box(&scenario))));
    });
    group.finish();
}

criterion_group!(benches, packet_path, virtual_call);
criterion_main!(benches);
