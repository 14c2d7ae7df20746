//! The ear that hears the beep of an answering machine.

use std::fmt;
use std::time::Duration;

use super::frame::{Frame, SampleRate};
use super::tone::Goertzel;

/// Hears the beep after which an answering machine records: one steady tone of 380 to 1450 Hz that lasts 180 ms to 2 s
/// and that quiet follows.
///
/// Looks at 40 ms of sound every 20 ms and searches the frequency that holds most of it. A beep keeps its frequency and
/// its level from look to look, holds nearly all of the sound, and ends in quiet. So speech (harmonics, gliding pitch),
/// keys and ringback (two tones), chords (several) and melodies or an operator's three tones (one tone right behind
/// another) are none. Ringing of 425 Hz, a single tone in most of Europe, is left out by its frequency.
///
/// Some 4 000 multiplications for each 20 ms of speech at 8 kHz, three times as many for a tone, so listen only while it matters. Nothing
/// allocates after `new`.
#[derive(Clone)]
pub struct BeepDetector {
    rate: SampleRate,
    /// The last 40 ms.
    window: Vec<f32>,
    /// Samples of the current step, a step being half a window.
    filled: usize,
    /// What the looks since then have in common.
    run: Option<Run>,
    /// Tones followed one another: no beep, until there has been quiet for a while.
    is_melody: bool,
    /// Looks without a tone since the last one with.
    toneless: u32,
}

/// A beep that has ended.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Beep {
    /// Its frequency, to about 5 Hz.
    pub hz: f32,
    /// How long it lasted, to about 20 ms.
    pub length: Duration,
    /// How long before the end of the frame that told of it its last sample was.
    pub ago: Duration,
}

/// One tone that goes on, or that has just ended.
#[derive(Clone, Copy)]
struct Run {
    hz: f32,
    power: f32,
    looks: u32,
}

/// What one look found.
struct Look {
    /// The one tone that makes up the sound: its frequency.
    tone: Option<f32>,
    /// The power of all of it.
    power: f32,
}

impl BeepDetector {
    /// A detector for sound of this rate that has heard nothing.
    pub fn new(rate: SampleRate) -> Self {
        let window = vec![0.0; 2 * rate.samples_in(STEP).max(1)];
        Self { rate, window, filled: 0, run: None, is_melody: false, toneless: 0 }
    }

    /// Takes the next piece of the stream and reports every beep whose end has become certain in it. A frame of another
    /// rate is left out.
    pub fn push(&mut self, frame: &Frame, mut beep: impl FnMut(Beep)) {
        if frame.rate() != self.rate {
            return;
        }
        let step = self.window.len() / 2;
        let mut rest = frame.samples();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.len().min(step - self.filled));
            rest = after;
            let places = self.window.iter_mut().skip(step + self.filled);
            for (place, &sample) in places.zip(piece) {
                *place = f32::from(sample);
            }
            self.filled += piece.len();
            if self.filled == step {
                let look = self.look();
                if let Some((hz, length, ago)) = self.take(&look) {
                    beep(Beep { hz, length, ago: ago + self.rate.duration_of(rest.len()) });
                }
                self.window.copy_within(step.., 0);
                self.filled = 0;
            }
        }
    }

    /// Searches the window for a tone.
    fn look(&self) -> Look {
        let power = mean_square(&self.window);
        if power < LEAST_RMS * LEAST_RMS {
            return Look { tone: None, power };
        }
        let (_, newest) = self.window.split_at(self.window.len() / 2);
        let coarse = (0..=COARSE_STEPS).map(|n| LOWEST + n as f32 * COARSE);
        let (coarse, most) = strongest(coarse, |hz| self.power_at(hz, newest));
        if most < LEAST_COARSE_SHARE * mean_square(newest) {
            return Look { tone: None, power };
        }
        let fine = (-FINE_STEPS..=FINE_STEPS).map(|n| coarse + n as f32 * FINE);
        let (hz, most) = strongest(fine, |hz| self.power_at(hz, &self.window));
        let is_tone =
            most >= LEAST_SHARE * power && (LOWEST..=HIGHEST).contains(&hz) && (hz - RINGING).abs() > RINGING_WIDTH;
        Look { tone: is_tone.then_some(hz), power }
    }

    fn power_at(&self, hz: f32, samples: &[f32]) -> f32 {
        let mut goertzel = Goertzel::new(hz, self.rate);
        samples.iter().for_each(|&sample| goertzel.push(sample));
        goertzel.power(samples.len())
    }

    /// Takes a look into account: a beep's frequency, its length, and how long ago it ended, once that is certain.
    fn take(&mut self, look: &Look) -> Option<(f32, Duration, Duration)> {
        let Some(hz) = look.tone else {
            self.toneless = self.toneless.saturating_add(1);
            if self.toneless < QUIET_LOOKS {
                return None;
            }
            let run = self.run.take();
            let was_melody = self.is_melody;
            if self.toneless >= FORGET_LOOKS {
                self.is_melody = false;
            }
            let run = run.filter(|run| !was_melody && (LEAST_LOOKS..=MOST_LOOKS).contains(&run.looks))?;
            // One look lasts two steps, and the end lies within the step behind the last of them.
            let length = STEP * (run.looks + 1) + STEP / 2;
            return (look.power * MOST_QUIET <= run.power).then_some((run.hz, length, STEP * QUIET_LOOKS - STEP / 2));
        };
        let gap = std::mem::take(&mut self.toneless);
        match &mut self.run {
            // A lost packet leaves a hole in it.
            Some(run) if (run.hz - hz).abs() <= MOST_DRIFT => {
                let is_steady = look.power <= run.power * MOST_SWELL && run.power <= look.power * MOST_SWELL;
                run.power = run.power.max(look.power);
                run.looks = run.looks.saturating_add(gap + 1);
                self.is_melody |= !is_steady;
            }
            Some(_) => {
                self.is_melody = true;
                self.run = Some(Run { hz, power: look.power, looks: 1 });
            }
            None => self.run = Some(Run { hz, power: look.power, looks: 1 }),
        }
        None
    }
}

impl fmt::Debug for BeepDetector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BeepDetector({:?})", self.rate)
    }
}

fn mean_square(samples: &[f32]) -> f32 {
    samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len().max(1) as f32
}

/// The frequency with the most power, and that power.
fn strongest(frequencies: impl Iterator<Item = f32>, power: impl Fn(f32) -> f32) -> (f32, f32) {
    let mut best = (0.0, f32::MIN);
    for hz in frequencies {
        let found = power(hz);
        if found > best.1 {
            best = (hz, found);
        }
    }
    best
}

/// From look to look.
const STEP: Duration = Duration::from_millis(20);
/// 20 ms tell frequencies 50 Hz apart from each other …
const COARSE: f32 = 50.0;
const COARSE_STEPS: u32 = 22;
/// … and 40 ms those between them, by which of them fits best.
const FINE: f32 = 3.125;
const FINE_STEPS: i32 = 8;
const LOWEST: f32 = 380.0;
const HIGHEST: f32 = 1_450.0;
/// Ringing and busy tone of most of Europe.
const RINGING: f32 = 425.0;
const RINGING_WIDTH: f32 = 7.0;
/// What is quieter is no beep: −40 dBFS.
const LEAST_RMS: f32 = 328.0;
/// How much of the sound the tone must be: all but −11 dB, which no pair of tones leaves that counts as a key (8 dB).
const LEAST_SHARE: f32 = 0.92;
/// What a frequency holds of a tone that lies half way to the next one: most of what looks like speech ends here.
const LEAST_COARSE_SHARE: f32 = 0.3;
/// How far its frequency may move, in hertz.
const MOST_DRIFT: f32 = 10.0;
/// How much louder it may be at one look than at another: 3 dB.
const MOST_SWELL: f32 = 2.0;
/// How much quieter it must be behind it: 10 dB.
const MOST_QUIET: f32 = 10.0;
/// 180 ms hold at least seven windows of 40 ms, however they fall.
const LEAST_LOOKS: u32 = 7;
/// 2 s.
const MOST_LOOKS: u32 = 99;
/// So many looks without a tone end it: 90 ms of quiet, more than there are between the notes of a melody.
const QUIET_LOOKS: u32 = 6;
/// After 200 ms without a tone a melody is over.
const FORGET_LOOKS: u32 = 10;

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::audio::tone::Tone;
    use crate::audio::wav::Wav;
    use crate::audio::{Codec, Decoder, Encoder, level};

    const RATE: SampleRate = SampleRate::HZ_8000;

    /// Every beep heard: its frequency and length, and when it ended, in ms.
    fn beeps_at(rate: SampleRate, samples: &[i16]) -> Vec<(f32, u64, u64)> {
        let mut detector = BeepDetector::new(rate);
        let (mut found, mut pushed) = (Vec::new(), 0);
        for piece in samples.chunks(rate.samples_in(STEP)) {
            pushed += piece.len();
            let end = rate.duration_of(pushed);
            detector.push(&Frame::from_samples(rate, piece).unwrap(), |beep| {
                found.push((beep.hz, beep.length.as_millis() as u64, (end - beep.ago).as_millis() as u64));
            });
        }
        found
    }

    fn beeps(samples: &[i16]) -> Vec<(f32, u64, u64)> {
        beeps_at(RATE, samples)
    }

    fn tone(tones: &[(f32, f32)], ms: usize) -> Vec<i16> {
        let mut sum = vec![0; ms * 8];
        for &(hz, dbfs) in tones {
            let mut one = vec![0; ms * 8];
            Tone::single(hz, dbfs, RATE).fill(&mut one);
            level::mix(&mut sum, &one);
        }
        sum
    }

    fn silence(ms: usize) -> Vec<i16> {
        vec![0; ms * 8]
    }

    fn around(sound: Vec<i16>) -> Vec<i16> {
        // An odd amount of silence, so that nothing begins with a window.
        [silence(307), sound, silence(500)].concat()
    }

    /// White noise of this level over a sound, from a linear congruential generator.
    fn noisy(mut samples: Vec<i16>, dbfs: f32) -> Vec<i16> {
        let mut state = 7_u32;
        let peak = 32_768.0 * level::gain(dbfs) * 3_f32.sqrt();
        for sample in &mut samples {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (state >> 8) as f32 / (1 << 23) as f32 - 1.0;
            *sample = (f32::from(*sample) + noise * peak) as i16;
        }
        samples
    }

    fn over_the_line(codec: Codec, samples: &[i16]) -> Vec<i16> {
        let (mut encoder, mut decoder) = (Encoder::new(codec), Decoder::new(codec));
        let mut payload = [0; 160];
        samples
            .chunks(160)
            .flat_map(|piece| {
                encoder.encode(piece, &mut payload[..piece.len()]);
                decoder.decode(&payload[..piece.len()]).unwrap().samples().to_vec()
            })
            .collect()
    }

    #[test]
    fn beeps_of_any_usual_pitch_level_and_length_are_heard_once_and_dated() {
        for hz in [390.0, 440.0, 620.0, 800.0, 950.0, 1_000.0, 1_004.0, 1_012.5, 1_237.0, 1_400.0] {
            for (dbfs, ms) in [(-6.0, 180), (-20.0, 250), (-35.0, 400), (-12.0, 1_000), (-12.0, 1_900)] {
                let found = beeps(&over_the_line(Codec::Pcmu, &around(tone(&[(hz, dbfs)], ms))));
                let [(heard, length, ended)] = found[..] else { panic!("{hz} Hz, {dbfs} dBFS, {ms} ms: {found:?}") };
                assert!((heard - hz).abs() < 5.0, "{heard} / {hz}");
                assert!(length.abs_diff(ms as u64) <= 25, "{length} / {ms}");
                assert!(ended.abs_diff(307 + ms as u64) <= 20, "{ended} / {}", 307 + ms);
            }
        }
    }

    #[test]
    fn a_beep_is_heard_through_noise_and_at_other_rates() {
        let beep = around(tone(&[(1_000.0, -15.0)], 300));
        assert_eq!(beeps(&noisy(beep, -30.0)).len(), 1);
        for rate in [SampleRate::HZ_16000, SampleRate::HZ_48000] {
            let mut sound = vec![0; rate.samples_in(Duration::from_millis(700))];
            let part = rate.samples_in(Duration::from_millis(100))..rate.samples_in(Duration::from_millis(400));
            Tone::single(880.0, -18.0, rate).fill(&mut sound[part]);
            assert_eq!(beeps_at(rate, &sound).len(), 1, "{rate:?}");
        }
    }

    #[test]
    fn what_is_too_short_too_long_too_quiet_or_of_another_pitch_is_none() {
        for (hz, dbfs, ms) in [
            (1_000.0, -12.0, 60),
            (1_000.0, -12.0, 140),
            (1_000.0, -12.0, 2_600),
            (1_000.0, -45.0, 400),
            (250.0, -12.0, 400),
            (1_800.0, -12.0, 400),
            (2_100.0, -12.0, 400),
            (425.0, -12.0, 1_000),
        ] {
            assert_eq!(beeps(&around(tone(&[(hz, dbfs)], ms))), [], "{hz} Hz, {dbfs} dBFS, {ms} ms");
        }
    }

    #[test]
    fn two_tones_are_no_beep() {
        // Ringback, busy and dial tone of America, ringback of Britain and Australia.
        for pair in [(440.0, 480.0), (480.0, 620.0), (350.0, 440.0), (400.0, 450.0), (400.0, 425.0)] {
            for ms in [250, 400, 1_000, 2_000] {
                assert_eq!(beeps(&around(tone(&[(pair.0, -19.0), (pair.1, -19.0)], ms))), [], "{pair:?}, {ms} ms");
            }
        }
        for key in "0123456789*#ABCD".chars() {
            for ms in [100, 250, 600] {
                let mut sound = vec![0; ms * 8];
                Tone::key(key, RATE).unwrap().fill(&mut sound);
                assert_eq!(beeps(&around(sound)), [], "{key}, {ms} ms");
            }
        }
        // The most uneven pair that still is a key.
        assert_eq!(beeps(&around(tone(&[(852.0, -18.0), (1_209.0, -10.0)], 400))), []);
    }

    #[test]
    fn chords_melodies_and_the_three_tones_of_an_operator_are_no_beep() {
        let chord = tone(&[(523.25, -16.0), (659.25, -18.0), (783.99, -18.0)], 400);
        assert_eq!(beeps(&around(chord)), []);
        let notes = [523.25, 587.33, 659.25, 698.46, 783.99, 698.46, 659.25, 587.33, 523.25];
        let melody: Vec<i16> = notes.iter().flat_map(|&hz| tone(&[(hz, -14.0)], 250)).collect();
        assert_eq!(beeps(&around(melody)), []);
        let detached: Vec<i16> =
            notes.iter().flat_map(|&hz| [tone(&[(hz, -14.0)], 250), silence(50)].concat()).collect();
        assert_eq!(beeps(&around(detached)), []);
        // Special information tones (ITU-T E.180).
        for first in [913.8, 985.2] {
            let three = [(first, 276), (1_370.6, 276), (1_776.7, 380)];
            let sound: Vec<i16> = three.iter().flat_map(|&(hz, ms)| tone(&[(hz, -14.0)], ms)).collect();
            assert_eq!(beeps(&around(sound)), [], "{first}");
        }
        // A siren.
        let mut phase = 0.0_f32;
        let glide = (0..8_000).map(|n| {
            phase += (600.0 + n as f32 / 20.0) / 8_000.0;
            ((phase.fract() * std::f32::consts::TAU).sin() * 8_000.0) as i16
        });
        assert_eq!(beeps(&around(glide.collect())), []);
    }

    #[test]
    fn a_lost_packet_does_not_hide_a_beep() {
        let mut sound = around(tone(&[(1_000.0, -14.0)], 400));
        sound[(307 + 180) * 8..(307 + 200) * 8].fill(0);
        let found = beeps(&sound);
        assert!(matches!(found[..], [(_, length, _)] if length.abs_diff(400) <= 25), "{found:?}");
    }

    #[test]
    fn a_beep_ends_in_quiet() {
        let talk = fixture("talk.wav");
        let voiced = talk.iter().position(|&sample| sample.unsigned_abs() > 3_000).unwrap();
        let sound = [tone(&[(1_000.0, -14.0)], 300), talk[voiced..voiced + 4_000].to_vec()].concat();
        assert_eq!(beeps(&around(sound)), []);
    }

    fn fixture(name: &str) -> Vec<i16> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/audio").join(name);
        Wav::parse(&std::fs::read(path).unwrap()).unwrap().into_mono()
    }

    #[test]
    fn no_recorded_speech_noise_cough_or_key_holds_a_beep() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/audio");
        let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "wav"));
        assert!(files.len() >= 30, "{}", files.len());
        for path in files {
            let wav = Wav::parse(&std::fs::read(&path).unwrap()).unwrap();
            let rate = wav.rate();
            assert_eq!(beeps_at(rate, &wav.into_mono()), [], "{}", path.display());
        }
    }
}
