//! What 20 ms of sound costs: codecs, resampling, voice detection, concealment.

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use agentphone::audio::tone::KeyDetector;
use agentphone::audio::wav::Wav;
use agentphone::audio::{Codec, Concealer, Decoder, Encoder, Frame, Resampler, SampleRate, Vad, resample_all};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

/// A recording of `fixtures/audio` at its own rate.
fn fixture(name: &str) -> (SampleRate, Vec<i16>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/audio").join(name);
    let bytes = std::fs::read(path).expect("the fixtures are part of the repository");
    let wav = Wav::parse(&bytes).expect("the fixtures are WAV files");
    (wav.rate(), wav.into_mono())
}

/// The recording as frames of 20 ms, over and over.
fn frames(rate: SampleRate, samples: &[i16]) -> impl Iterator<Item = Frame> {
    let length = rate.samples_in(Duration::from_millis(20));
    let frames: Vec<Frame> =
        samples.chunks_exact(length).filter_map(|samples| Frame::from_samples(rate, samples)).collect();
    frames.into_iter().cycle()
}

fn codecs(c: &mut Criterion) {
    let (rate, samples) = fixture("talk.wav");
    for codec in Codec::ALL.into_iter().filter(|codec| codec.can_send(Duration::from_millis(20))) {
        let own = codec.sample_rate();
        let samples = resample_all(&samples, rate, own);
        let mut speech = frames(own, &samples);
        let mut payload = [0; Codec::LONGEST_SENT];
        // The packets of a few seconds, in order: a codec that predicts costs what its input is like.
        let mut encoder = Encoder::new(codec);
        let packets: Vec<Vec<u8>> = speech
            .by_ref()
            .take(500)
            .map(|frame| {
                let length = encoder.encode(frame.samples(), &mut payload);
                payload[..length].to_vec()
            })
            .collect();
        c.bench_function(&format!("encode/{}", codec.name()), |b| {
            let mut encoder = Encoder::new(codec);
            b.iter(|| speech.next().map(|frame| encoder.encode(frame.samples(), black_box(&mut payload))));
        });
        let mut came = packets.iter().cycle();
        c.bench_function(&format!("decode/{}", codec.name()), |b| {
            let mut decoder = Decoder::new(codec);
            b.iter(|| came.next().map(|packet| decoder.decode(black_box(packet))));
        });
    }
    c.bench_function("conceal/opus", |b| {
        let mut decoder = Decoder::new(Codec::Opus);
        b.iter(|| black_box(decoder.conceal(Duration::from_millis(20))));
    });
    c.bench_function("new/opus", |b| b.iter(|| (Encoder::new(Codec::Opus), Decoder::new(Codec::Opus))));
}

fn resampling(c: &mut Criterion) {
    let mut group = c.benchmark_group("resample");
    let (_, samples) = fixture("caller-booking-24k.wav");
    for (from, to) in
        [(8_000, 16_000), (16_000, 8_000), (24_000, 8_000), (8_000, 24_000), (24_000, 16_000), (22_050, 8_000)]
    {
        let (Some(from), Some(to)) = (SampleRate::new(from), SampleRate::new(to)) else { continue };
        let mut speech = frames(from, &samples);
        let mut resampler = Resampler::new(from, to);
        group.bench_function(BenchmarkId::from_parameter(format!("{}-{}", from.hz(), to.hz())), |b| {
            b.iter(|| {
                if let Some(frame) = speech.next() {
                    resampler.process(frame.samples(), |samples| {
                        black_box(samples);
                    });
                }
            });
        });
    }
    group.bench_function("new/24000-8000", |b| {
        b.iter(|| Resampler::new(black_box(SampleRate::HZ_24000), SampleRate::HZ_8000));
    });
    group.finish();
}

fn voice(c: &mut Criterion) {
    let (rate, speech) = fixture("talk.wav");
    let (_, noisy) = fixture("talk-white-10db.wav");
    for (name, samples) in [("speech", speech), ("white-10db", noisy), ("silence", vec![0; 8_000])] {
        let mut sound = frames(rate, &samples);
        let mut vad = Vad::new(rate);
        c.bench_function(&format!("vad/{name}"), |b| {
            b.iter(|| {
                if let Some(frame) = sound.next() {
                    vad.push(&frame, |hop| {
                        black_box(hop);
                    });
                }
            });
        });
    }
    let (rate, wide) = fixture("caller-booking-16k.wav");
    let mut sound = frames(rate, &wide);
    let mut vad = Vad::new(rate);
    c.bench_function("vad/speech-16k", |b| {
        b.iter(|| {
            if let Some(frame) = sound.next() {
                vad.push(&frame, |hop| {
                    black_box(hop);
                });
            }
        });
    });
}

fn losses(c: &mut Criterion) {
    let (rate, samples) = fixture("talk.wav");
    let mut speech = frames(rate, &samples[8_000..]);
    let mut concealer = Concealer::new(rate);
    c.bench_function("conceal/good", |b| {
        b.iter(|| {
            if let Some(mut frame) = speech.next() {
                concealer.good(&mut frame);
            }
        });
    });
    // One frame lost and the next one joined to it.
    c.bench_function("conceal/lost-and-back", |b| {
        b.iter(|| {
            let made_up = concealer.lost(Duration::from_millis(20));
            if let Some(mut frame) = speech.next() {
                concealer.good(&mut frame);
            }
            made_up
        });
    });
}

fn keys(c: &mut Criterion) {
    let (rate, samples) = fixture("dtmf.wav");
    let mut sound = frames(rate, &samples);
    let mut detector = KeyDetector::new(rate);
    c.bench_function("keys/dtmf", |b| {
        b.iter(|| {
            if let Some(frame) = sound.next() {
                detector.push(&frame, |key| {
                    black_box(key);
                });
            }
        });
    });
}

criterion_group!(benches, codecs, resampling, voice, losses, keys);
criterion_main!(benches);
