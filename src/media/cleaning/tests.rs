use std::path::Path;

use super::*;
use crate::audio::level;
use crate::audio::wav::Wav;

const RATE: SampleRate = SampleRate::HZ_8000;
const MS: Duration = Duration::from_millis(1);

#[expect(clippy::disallowed_methods, reason = "a test needs some instant to begin with")]
fn start() -> Instant {
    Instant::now()
}

fn fixture(name: &str) -> Vec<i16> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/audio").join(format!("{name}.wav"));
    Wav::parse(&std::fs::read(path).unwrap()).unwrap().into_mono()
}

/// A line: what the recogniser got of it, and from when on it was changed.
struct Line {
    cleaning: Cleaning,
    now: Instant,
    came: Vec<i16>,
    got: Vec<i16>,
    /// For each frame.
    changed: Vec<bool>,
}

impl Line {
    fn new(mode: Denoising) -> Self {
        Self::with(Cleaning::new(mode, false, RATE))
    }

    fn with(cleaning: Cleaning) -> Self {
        Self { cleaning, now: start(), came: Vec::new(), got: Vec::new(), changed: Vec::new() }
    }

    fn hears(&mut self, sound: &[i16]) {
        for piece in sound.chunks_exact(160) {
            let frame = Frame::from_samples(RATE, piece).unwrap();
            self.now += 20 * MS;
            self.cleaning.handle_timeout(self.now);
            self.cleaning.take(&frame, true, self.now);
            let got = self.cleaning.frame().unwrap_or(&frame);
            assert_eq!(got.samples().len(), piece.len());
            self.came.extend(piece);
            self.got.extend(got.samples());
            self.changed.push(self.cleaning.frame().is_some());
        }
    }

    /// When the first frame was changed, and how many were.
    fn changes(&self) -> (Option<Duration>, usize) {
        let first = self.changed.iter().position(|changed| *changed);
        (first.map(|frame| 20 * MS * frame as u32), self.changed.iter().filter(|changed| **changed).count())
    }
}

/// White noise (sum of four uniform values) of a root mean square, seeded.
fn white(dbfs: f32, length: Duration) -> Vec<i16> {
    let mut state = 7u32;
    let mut uniform = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f32::from((state >> 16) as i16) / 32_768.0
    };
    let gain = 32_768.0 * 10f32.powf(dbfs / 20.0) / (4.0f32 / 3.0).sqrt();
    (0..RATE.samples_in(length)).map(|_| (gain * (uniform() + uniform() + uniform() + uniform())) as i16).collect()
}

#[test]
fn a_clean_line_is_left_to_the_bit_and_costs_no_memory() {
    for name in ["talk", "talk-quiet", "talk-clipped", "caller-booking", "voice-gb-male", "voice-nyc-female"] {
        let mut line = Line::new(Denoising::Noise);
        line.hears(&fixture(name));
        println!("{name}: {:?} over {:?}", line.cleaning.noise.voice(), line.cleaning.noise.floor());
        assert_eq!(line.changes(), (None, 0), "{name}");
        assert!(line.cleaning.denoiser.is_none() && line.got == line.came);
    }
}

#[test]
fn a_noisy_line_is_cleaned_within_seconds_and_for_as_long_as_it_is_noisy() {
    for name in ["talk-white-10db", "talk-white-5db", "talk-hum-10db", "talk-hum-5db", "talk-babble-5db"] {
        let mut line = Line::new(Denoising::Noise);
        line.hears(&fixture(name)[..80_000]);
        let (first, changed) = line.changes();
        println!("{name}: from {first:?}, {changed} of {}, {:?}", line.changed.len(), line.cleaning.noise.ratio());
        assert!(first.is_some_and(|first| first < 4_000 * MS), "{name}: {first:?}");
        let later = line.changed.len() - first.unwrap().as_millis() as usize / 20;
        assert!(changed * 10 > later * 9, "{name}: {changed} of {later}");
        assert!(line.cleaning.delay() >= 16 * MS && line.cleaning.delay() < 17 * MS);
    }
}

#[test]
fn noise_that_ends_leaves_the_line_as_it_came_again_and_neither_change_clicks() {
    let mut line = Line::new(Denoising::Noise);
    line.hears(&white(-38.0, 6_000 * MS));
    let (first, _) = line.changes();
    assert!(first.is_some_and(|first| first < 4_000 * MS), "{first:?}");
    line.hears(&fixture("talk")[..128_000]);
    let last = line.changed.iter().rposition(|changed| *changed).unwrap();
    let after = 20 * MS * last as u32 - 6_000 * MS;
    assert!(after + 100 * MS > Cleaning::RELEASE && after < 14_000 * MS, "{after:?} after the noise");
    let left = (last + 1) * 160;
    assert_eq!(line.got[left..], line.came[left..]);
    assert_eq!(line.cleaning.delay(), Duration::ZERO);
    // No step is larger than the steepest that came.
    let steepest = |sound: &[i16]| sound.windows(2).map(|two| (i32::from(two[0]) - i32::from(two[1])).abs()).max();
    let noise = ..6_000 * 8;
    assert!(steepest(&line.got[noise]) <= steepest(&line.came[noise]));
    let faded = (left - 480)..(left + 160);
    assert!(steepest(&line.got[faded.clone()]) <= steepest(&line.came[faded]).map(|step| step.max(64)));
}

#[test]
fn nothing_is_done_where_nothing_is_wanted() {
    let mut line = Line::new(Denoising::None);
    line.hears(&fixture("talk-white-5db"));
    assert!(line.got == line.came && line.cleaning.deadline().is_none());
}

#[test]
fn the_suppressor_is_made_at_its_deadline_and_not_under_a_packet() {
    let mut cleaning = Cleaning::new(Denoising::Noise, false, RATE);
    let now = start();
    for (n, piece) in white(-38.0, 4_000 * MS).chunks_exact(160).enumerate() {
        cleaning.take(&Frame::from_samples(RATE, piece).unwrap(), true, now + 20 * MS * n as u32);
        assert!(cleaning.denoiser.is_none() && cleaning.frame().is_none());
    }
    let due = cleaning.deadline().unwrap();
    cleaning.handle_timeout(due - MS);
    assert!(cleaning.denoiser.is_none(), "early");
    cleaning.handle_timeout(due);
    assert!(cleaning.denoiser.is_some() && cleaning.deadline().is_none());
}

#[test]
fn the_mode_can_change_at_any_moment_without_a_click() {
    let noise = white(-38.0, 4_000 * MS);
    let mut line = Line::new(Denoising::None);
    for mode in [Denoising::NoiseAndSpeech, Denoising::None, Denoising::Noise, Denoising::None] {
        line.hears(&noise);
        line.cleaning.set_mode(mode);
    }
    line.hears(&noise);
    let cleaned = |part: usize| line.changed[200 * part..][..200].iter().filter(|changed| **changed).count();
    let cleaned = [0, 1, 2, 3, 4].map(cleaned);
    assert!(matches!(cleaned, [0, 185..=200, 0..=60, 1..=200, 0..=60]), "{cleaned:?}");
    let steepest = |sound: &[i16]| sound.windows(2).map(|two| (i32::from(two[0]) - i32::from(two[1])).abs()).max();
    assert!(steepest(&line.got) <= steepest(&line.came));
}

#[test]
fn the_other_mode_cleans_from_the_first_sample_on() {
    let mut line = Line::new(Denoising::NoiseAndSpeech);
    line.hears(&fixture("talk")[..40_000]);
    assert_eq!(line.changes(), (Some(Duration::ZERO), line.changed.len()));
}

/// How loud the loudest quarter and the softest quarter of the frames are, in dBFS.
fn loud_and_soft(sound: &[i16]) -> (f32, f32) {
    let mut levels: Vec<f32> = sound.chunks_exact(160).map(level::dbfs).collect();
    levels.sort_by(f32::total_cmp);
    (levels[levels.len() * 7 / 8], levels[levels.len() / 8])
}

#[test]
fn a_quiet_caller_becomes_louder_and_the_pauses_no_more_than_the_voice() {
    let mut line = Line::with(Cleaning::new(Denoising::None, true, RATE));
    let sound: Vec<i16> = fixture("talk-quiet").iter().zip(white(-66.0, 120_000 * MS)).map(|(a, b)| a + b).collect();
    line.hears(&sound);
    let from = line.got.len() / 2;
    let (before, after) = (loud_and_soft(&line.came[from..]), loud_and_soft(&line.got[from..]));
    println!("voice and pauses {before:?} became {after:?}");
    assert!(after.0 > before.0 + 6.0, "{before:?} {after:?}");
    assert!(after.1 - before.1 <= after.0 - before.0 + 1.0, "{before:?} {after:?}");
    assert!(line.got.iter().all(|sample| sample.unsigned_abs() < 32_701));
}

#[test]
fn a_loud_caller_becomes_softer_and_a_usual_one_stays_about_as_loud() {
    let loud: Vec<i16> = fixture("talk").iter().map(|sample| sample.saturating_mul(4)).collect();
    let mut line = Line::with(Cleaning::new(Denoising::None, true, RATE));
    line.hears(&loud);
    let from = line.got.len() / 2;
    let (before, after) = (loud_and_soft(&line.came[from..]).0, loud_and_soft(&line.got[from..]).0);
    assert!(after < before - 4.0 && after > -30.0, "{before} {after}");
}
