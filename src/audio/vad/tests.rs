//! The detector against labelled sound.

use std::path::Path;

use super::*;
use crate::audio::frame::{Frame, SampleRate};
use crate::audio::wav::Wav;

fn fixture(name: &str) -> (SampleRate, Vec<i16>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/audio").join(name);
    let wav = Wav::parse(&std::fs::read(path).unwrap()).unwrap();
    (wav.rate(), wav.into_mono())
}

/// Spans of voice in milliseconds.
fn labels(name: &str) -> Vec<(u64, u64)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/audio").join(name);
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .filter_map(|line| {
            let fields: Vec<u64> = line.split_whitespace().map(|field| field.parse().unwrap()).collect();
            (fields[2] == 1).then_some((fields[0], fields[1]))
        })
        .collect()
}

fn hops(rate: SampleRate, samples: &[i16]) -> Vec<Hop> {
    let mut vad = Vad::new(rate);
    let mut hops = Vec::new();
    for piece in samples.chunks(rate.hz() as usize / 50) {
        vad.push(&Frame::from_samples(rate, piece).unwrap(), |hop| hops.push(hop));
    }
    hops
}

struct Score {
    f1: f32,
    precision: f32,
    recall: f32,
    onsets_ms: Vec<i64>,
    ends_ms: Vec<i64>,
}

fn score(sound: &str, label: &str) -> Score {
    let (rate, samples) = fixture(sound);
    let spans = labels(label);
    let hops = hops(rate, &samples);
    let ms = |hop: &Hop| hop.end * 1_000 / u64::from(rate.hz());
    let (mut hit, mut false_alarm, mut miss) = (0.0, 0.0, 0.0);
    for hop in &hops {
        let truth = spans.iter().any(|&(from, to)| (from..to).contains(&(ms(hop) - 5)));
        match (hop.voiced, truth) {
            (true, true) => hit += 1.0,
            (true, false) => false_alarm += 1.0,
            (false, true) => miss += 1.0,
            (false, false) => {}
        }
    }
    let mut onsets_ms: Vec<i64> = spans
        .iter()
        .filter_map(|&(from, to)| {
            let first = hops.iter().find(|hop| ms(hop) > from && ms(hop) <= to && hop.voiced)?;
            Some(ms(first) as i64 - from as i64)
        })
        .collect();
    onsets_ms.sort_unstable();
    let mut ends_ms: Vec<i64> = spans
        .iter()
        .filter_map(|&(_, to)| {
            let quiet = hops.iter().find(|hop| ms(hop) > to && !hop.voiced)?;
            Some(ms(quiet) as i64 - 10 - to as i64)
        })
        .collect();
    ends_ms.sort_unstable();
    let precision = hit / (hit + false_alarm);
    let recall = hit / (hit + miss);
    Score { f1: 2.0 * precision * recall / (precision + recall), precision, recall, onsets_ms, ends_ms }
}

#[test]
fn print_scores() {
    for name in [
        "talk",
        "talk-quiet",
        "talk-clipped",
        "talk-coughs",
        "talk-white-20db",
        "talk-white-10db",
        "talk-white-5db",
        "talk-hum-20db",
        "talk-hum-10db",
        "talk-hum-5db",
        "talk-babble-20db",
        "talk-babble-10db",
        "talk-babble-5db",
    ] {
        let Score { f1, precision, recall, onsets_ms, ends_ms } = score(&format!("{name}.wav"), "talk.txt");
        println!("{name:20} f1 {f1:.3} p {precision:.3} r {recall:.3} onsets {onsets_ms:?} ends {ends_ms:?}");
    }
    for name in [
        "caller-booking",
        "caller-time",
        "digits-slow",
        "email-spelled",
        "voice-gb-female-fast",
        "voice-scot-elderly",
        "voice-us-male-slow",
        "yeah",
        "stop",
        "hello",
        "mm-hmm",
        "pause-thought",
    ] {
        let Score { f1, precision, recall, onsets_ms, ends_ms } = score(&format!("{name}.wav"), &format!("{name}.txt"));
        println!("{name:20} f1 {f1:.3} p {precision:.3} r {recall:.3} onsets {onsets_ms:?} ends {ends_ms:?}");
    }
}
