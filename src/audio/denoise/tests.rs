use std::path::Path;

use super::*;
use crate::audio::wav::Wav;

fn fixture(name: &str) -> Vec<f32> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/audio").join(name);
    Wav::parse(&std::fs::read(path).unwrap()).unwrap().into_mono().into_iter().map(f32::from).collect()
}

/// A stream through a suppressor in frames of so many samples, laid over what went in.
fn cleaned(sound: &[f32], size: usize) -> Vec<f32> {
    let mut denoiser = Denoiser::new(SampleRate::HZ_8000);
    let mut out = Vec::new();
    let samples: Vec<i16> = sound.iter().map(|&sample| sample as i16).chain([0; 960]).collect();
    for piece in samples.chunks_exact(size) {
        let mut frame = Frame::from_samples(SampleRate::HZ_8000, piece).unwrap();
        denoiser.process(&mut frame);
        assert_eq!(frame.samples().len(), piece.len());
        out.extend(frame.samples().iter().map(|&sample| f32::from(sample)));
    }
    out.drain(..SampleRate::HZ_8000.samples_in(denoiser.delay()));
    out.truncate(sound.len());
    out
}

/// Signal to noise in dB: how much of `heard` is the best multiple of `voice`, over all of it.
fn ratio(voice: &[f32], heard: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
    let share = dot(voice, heard) / dot(voice, voice);
    let error: f64 = voice.iter().zip(heard).map(|(v, h)| (f64::from(*h) - share * f64::from(*v)).powi(2)).sum();
    (10.0 * (share * share * dot(voice, voice) / error).log10()) as f32
}

/// How much louder the sound is while somebody speaks than while nobody does, in dB.
fn contrast(sound: &[f32]) -> f32 {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/audio/talk.txt");
    let labels = std::fs::read_to_string(path).unwrap();
    let (mut voiced, mut quiet) = ((0.0, 0), (0.0, 0));
    for line in labels.lines() {
        let [from, to, is_voiced] = *line.split(' ').map(|n| n.parse::<usize>().unwrap()).collect::<Vec<_>>() else {
            panic!("a label has three fields")
        };
        // The first half second is for getting to know the noise.
        if from == 0 {
            continue;
        }
        let piece = &sound[from * 8..(to * 8).min(sound.len())];
        let sum = if is_voiced == 1 { &mut voiced } else { &mut quiet };
        *sum = (sum.0 + piece.iter().map(|s| f64::from(s * s)).sum::<f64>(), sum.1 + piece.len());
    }
    (10.0 * (voiced.0 / voiced.1 as f64 / (quiet.0 / quiet.1 as f64 + 1e-3)).log10()) as f32
}

#[test]
fn noise_goes_and_the_voice_stays() {
    let voice = &fixture("talk.wav");
    // By how much what is left of it must be nearer to the voice, and by how much the pauses must be quieter.
    for (name, nearer, quieter) in [
        ("white-10db", 3.0, 10.0),
        ("white-5db", 4.0, 10.0),
        ("hum-10db", 3.0, 10.0),
        ("hum-5db", 4.0, 10.0),
        ("babble-10db", 1.0, 2.0),
        ("babble-5db", 1.0, 2.0),
    ] {
        let noisy = &fixture(&format!("talk-{name}.wav"));
        let clean = cleaned(noisy, 160);
        let (before, after) = (ratio(voice, noisy), ratio(voice, &clean));
        let (loud, quiet) = (contrast(noisy), contrast(&clean));
        println!("{name}: signal to noise {before:.1} to {after:.1} dB, voice over pauses {loud:.1} to {quiet:.1} dB");
        assert!(after > before + nearer, "{name}: signal to noise {before:.1} became {after:.1} dB");
        assert!(quiet > loud + quieter, "{name}: the voice over the pauses {loud:.1} became {quiet:.1} dB");
    }
}

#[test]
fn what_comes_out_is_as_late_as_it_says() {
    let voice = &fixture("caller-booking.wav")[..16_000];
    let clean = cleaned(voice, 160);
    let likeness = |lag: usize| {
        let pairs = voice[200..].iter().zip(&clean[200 + lag - 100..]);
        (pairs.map(|(a, b)| f64::from(a * b)).sum::<f64>() / 1e6) as i64
    };
    let best = (0..200).max_by_key(|&lag| likeness(lag)).unwrap();
    assert_eq!(best, 100, "{} samples too late", best as i64 - 100);
}

#[test]
fn a_clean_voice_stays_as_it_is() {
    let voice = &fixture("talk.wav");
    let same = ratio(voice, &cleaned(voice, 160));
    println!("clean: {same:.1} dB");
    assert!(same > 12.0, "{same}");
}

#[test]
fn frames_of_any_length_make_one_stream_as_late_as_it_says() {
    let voice = &fixture("caller-booking.wav")[..16_000];
    let whole = cleaned(voice, 160);
    assert_eq!(cleaned(voice, 80), whole);
    assert_eq!(cleaned(voice, 480), whole);
    // Lengths that are no whole number of pieces cost a piece of delay at most, and after that nothing.
    for size in [1, 33, 100, 250] {
        let odd = cleaned(voice, size);
        let alike = ratio(&whole[2_000..], &odd[2_000..]);
        assert!(alike > 40.0, "frames of {size}: {alike:.1} dB");
    }
}

#[test]
fn a_frame_of_another_rate_is_left_alone() {
    let mut denoiser = Denoiser::new(SampleRate::HZ_8000);
    let mut frame = Frame::from_samples(SampleRate::HZ_16000, &[1_000; 320]).unwrap();
    denoiser.process(&mut frame);
    assert_eq!(frame.samples(), [1_000; 320]);
}
