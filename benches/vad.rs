//! How well, how soon and at what cost voices are found: our detector and two others, condition by condition.
//!
//!     cargo bench --bench vad                  over fixtures/audio
//!     cargo bench --bench vad -- DIRECTORY     over the labelled recordings (NAME.wav, NAME.txt) of a directory
//!
//! A hop of 10 ms counts as the label says at its middle. Onset is from the label's beginning to the end of the first hop
//! that counts as speech, or 16 and 10 ms later where the detector looks at longer pieces; of those that were found within
//! the label. F1 is of hops. Cost is per 20 ms of sound.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![expect(clippy::print_stdout, reason = "its table is its result")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use agentphone::audio::wav::Wav;
use agentphone::audio::{Frame, Resampler, SampleRate, Vad};

const RATE: SampleRate = SampleRate::HZ_8000;
/// Sounds of `fixtures/audio` that share the labels of `talk`.
const CONDITIONS: [&str; 13] = [
    "talk",
    "talk-quiet",
    "talk-clipped",
    "talk-coughs",
    "talk-white-20db",
    "talk-white-10db",
    "talk-white-5db",
    "talk-hum-10db",
    "talk-hum-5db",
    "talk-babble-20db",
    "talk-babble-10db",
    "talk-babble-5db",
    "digits-slow",
];

/// Finds the spans of voice of a recording: one answer a hop of 10 ms.
type Find = fn(&[i16]) -> Vec<bool>;

fn main() {
    let given: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/audio");
    let sounds: Vec<(PathBuf, PathBuf)> = match given.first() {
        Some(directory) => labelled(Path::new(directory)),
        None => CONDITIONS
            .iter()
            .map(|name| {
                let label = if name.starts_with("talk") { "talk" } else { name };
                (directory.join(format!("{name}.wav")), directory.join(format!("{label}.txt")))
            })
            .collect(),
    };
    let detectors: [(&str, Find); 3] = [("agentphone", ours), ("earshot", earshot), ("webrtc-vad 3", webrtc)];
    println!(
        "{:24} {:14} {:>5} {:>9} {:>6} {:>9} {:>9} {:>7}",
        "sound", "detector", "F1", "precision", "recall", "onset p50", "onset p90", "µs"
    );
    for (sound, label) in sounds {
        let bytes = std::fs::read(&sound).expect("a recording");
        let samples = Wav::parse(&bytes).expect("a WAV file").into_mono();
        let spans = spans(&std::fs::read_to_string(label).expect("labels"));
        let name = sound.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        for (detector, find) in detectors {
            let begun = Instant::now();
            let found = find(&samples);
            let spent = begun.elapsed();
            let score = Score::of(&found, &spans);
            let frames = (samples.len() / 160).max(1) as f64;
            println!(
                "{name:24} {detector:14} {:5.3} {:9.3} {:6.3} {:6} ms {:6} ms {:7.2}",
                score.f1,
                score.precision,
                score.recall,
                score.onset(50).as_millis(),
                score.onset(90).as_millis(),
                spent.as_secs_f64() * 1e6 / frames,
            );
        }
    }
}

fn ours(samples: &[i16]) -> Vec<bool> {
    let mut vad = Vad::new(RATE);
    let mut found = Vec::new();
    for piece in samples.chunks(160) {
        let frame = Frame::from_samples(RATE, piece).expect("20 ms fit");
        vad.push(&frame, |hop| found.push(hop.voiced));
    }
    found
}

/// Looks at 16 ms at 16 kHz; its own threshold is a half.
fn earshot(samples: &[i16]) -> Vec<bool> {
    let mut detector = earshot::Detector::default();
    let mut up = Resampler::new(RATE, SampleRate::HZ_16000);
    let mut wide = Vec::new();
    up.process(samples, |more| wide.extend_from_slice(more));
    let pieces: Vec<bool> = wide.chunks_exact(256).map(|piece| detector.predict_i16(piece) > 0.5).collect();
    // A hop is what the last piece that is complete at its end said.
    (1..=samples.len() / 80).map(|hop| (hop * 160 / 256).checked_sub(1).is_some_and(|piece| pieces[piece])).collect()
}

fn webrtc(samples: &[i16]) -> Vec<bool> {
    let mut vad =
        webrtc_vad::Vad::new_with_rate_and_mode(webrtc_vad::SampleRate::Rate8kHz, webrtc_vad::VadMode::VeryAggressive);
    samples.chunks_exact(80).map(|hop| vad.is_voice_segment(hop).unwrap_or(false)).collect()
}

struct Score {
    f1: f64,
    precision: f64,
    recall: f64,
    onsets: Vec<Duration>,
}

impl Score {
    fn of(found: &[bool], spans: &[(u64, u64)]) -> Self {
        let is_voice = |ms: u64| spans.iter().any(|&(from, to)| (from..to).contains(&ms));
        let (mut hits, mut said, mut true_) = (0.0, 0.0, 0.0);
        for (hop, &voiced) in found.iter().enumerate() {
            let truth = is_voice(hop as u64 * 10 + 5);
            hits += f64::from(voiced && truth);
            said += f64::from(voiced);
            true_ += f64::from(truth);
        }
        let first = |&(from, to): &(u64, u64)| {
            let hop = (from / 10..to / 10).find(|&hop| found.get(hop as usize) == Some(&true))?;
            Some(Duration::from_millis(((hop + 1) * 10).saturating_sub(from)))
        };
        let mut onsets: Vec<Duration> = spans.iter().filter_map(first).collect();
        onsets.sort_unstable();
        Self { f1: 2.0 * hits / (said + true_), precision: hits / said, recall: hits / true_, onsets }
    }

    /// A percentile of the delays at the beginnings.
    fn onset(&self, percent: usize) -> Duration {
        let place = self.onsets.len().saturating_sub(1) * percent / 100;
        self.onsets.get(place).copied().unwrap_or_default()
    }
}

/// The recordings of a directory that have labels.
fn labelled(directory: &Path) -> Vec<(PathBuf, PathBuf)> {
    let entries = std::fs::read_dir(directory).expect("a directory");
    let mut sounds: Vec<PathBuf> = entries.map(|entry| entry.expect("a file").path()).collect();
    sounds.retain(|path| path.extension().is_some_and(|kind| kind == "wav") && path.with_extension("txt").exists());
    sounds.sort();
    sounds.into_iter().map(|sound| (sound.clone(), sound.with_extension("txt"))).collect()
}

/// The spans of voice of `start_ms end_ms voiced` lines.
fn spans(labels: &str) -> Vec<(u64, u64)> {
    let lines = labels.lines().filter_map(|line| {
        let fields: Vec<u64> = line.split(' ').filter_map(|field| field.parse().ok()).collect();
        (fields.get(2) == Some(&1)).then(|| (fields[0], fields[1]))
    });
    lines.collect()
}
