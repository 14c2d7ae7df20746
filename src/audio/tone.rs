//! Tones: keys, beeps, and the ear that hears keys.

use std::f32::consts::{PI, SQRT_2};
use std::fmt;

use super::frame::{Frame, SampleRate};
use super::level;

/// One or two steady tones.
#[derive(Clone, Debug)]
pub struct Tone {
    /// Phase and its step per sample, in turns, and amplitude of each.
    partials: [Partial; 2],
}

#[derive(Clone, Copy, Debug)]
struct Partial {
    phase: f32,
    step: f32,
    amplitude: f32,
}

impl Tone {
    /// A single tone whose root mean square is `dbfs` below full scale.
    pub fn single(hz: f32, dbfs: f32, rate: SampleRate) -> Self {
        Self { partials: [Partial::new(hz, dbfs, rate), Partial::new(0.0, level::SILENCE_DBFS, rate)] }
    }

    /// The pair of tones of a telephone key (ITU-T Q.23): `0`–`9`, `*`, `#`, `A`–`D`; nothing for other characters. The
    /// higher tone is 2 dB louder, as lines lose more of it.
    pub fn key(key: char, rate: SampleRate) -> Option<Self> {
        let place = KEYS.iter().position(|&known| known == key.to_ascii_uppercase())?;
        let (low, high) = (ROWS[place / 4], COLUMNS[place % 4]);
        Some(Self { partials: [Partial::new(low, KEY_DBFS, rate), Partial::new(high, KEY_DBFS + 2.0, rate)] })
    }

    /// Writes the next samples.
    pub fn fill(&mut self, samples: &mut [i16]) {
        for sample in samples {
            *sample = self.partials.iter_mut().map(Partial::next).sum::<f32>().round() as i16;
        }
    }
}

impl Partial {
    fn new(hz: f32, dbfs: f32, rate: SampleRate) -> Self {
        Self { phase: 0.0, step: hz / rate.hz() as f32, amplitude: 32_768.0 * SQRT_2 * level::gain(dbfs) }
    }

    fn next(&mut self) -> f32 {
        let value = self.amplitude * (2.0 * PI * self.phase).sin();
        self.phase = (self.phase + self.step).fract();
        value
    }
}

/// Hears the keys of a telephone in sound (ITU-T Q.24).
///
/// Looks at pieces of 12.75 ms and reports a key once when two pieces in a row hold it: any key of 40 ms is found, none
/// shorter than 13 ms. A piece holds a key when one tone of each group stands out of its group, the two are about
/// equally loud, together make up nearly all of the sound, and have no second harmonics, which a voice has.
#[derive(Clone)]
pub struct KeyDetector {
    rate: SampleRate,
    /// The piece that is being filled; it never grows beyond `size`.
    piece: Vec<i16>,
    size: usize,
    /// Of the eight tones, and of their second harmonics.
    coefficients: [[f32; 4]; 2],
    harmonics: [f32; 8],
    last: Option<char>,
    reported: Option<char>,
}

impl KeyDetector {
    /// A detector for sound of this rate.
    pub fn new(rate: SampleRate) -> Self {
        let frequency = |n: usize| if n < 4 { ROWS[n] } else { COLUMNS[n - 4] };
        // 102 samples at 8 kHz: wide enough to forgive 1.5 % of frequency, narrow enough to tell the tones apart.
        let size = (102 * rate.hz() as usize / 8_000).max(1);
        Self {
            rate,
            piece: Vec::with_capacity(size),
            size,
            coefficients: [ROWS, COLUMNS].map(|group| group.map(|frequency| coefficient(frequency, rate))),
            harmonics: std::array::from_fn(|n| coefficient(2.0 * frequency(n), rate)),
            last: None,
            reported: None,
        }
    }

    /// Takes the next piece of the stream and reports every key that begins in it. A frame of another rate is left out.
    pub fn push(&mut self, frame: &Frame, mut key: impl FnMut(char)) {
        if frame.rate() != self.rate {
            return;
        }
        let mut rest = frame.samples();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(self.size - self.piece.len()));
            self.piece.extend_from_slice(now);
            if self.piece.len() == self.size
                && let Some(found) = self.finish_piece()
            {
                key(found);
            }
            rest = later;
        }
    }

    /// Some sound is missing here: what was heard so far still counts, but what comes next does not follow on it.
    pub fn skip(&mut self) {
        self.piece.clear();
    }

    /// Whether a key that was reported sounds on.
    pub const fn is_sounding(&self) -> bool {
        self.reported.is_some()
    }

    /// The key that begins with the piece that is full.
    fn finish_piece(&mut self) -> Option<char> {
        let found = self.judge();
        self.piece.clear();
        // Two pieces alike begin a key, and two without it end it.
        let settled = found == self.last;
        self.last = found;
        if !settled || found == self.reported {
            return None;
        }
        self.reported = found;
        found
    }

    /// The key that the full piece holds.
    fn judge(&self) -> Option<char> {
        let samples = &self.piece;
        let total = level::energy(samples) as f32 / self.size as f32;
        if total < LEAST_RMS * LEAST_RMS {
            return None;
        }
        // Most sound has no tone that stands out of the first group, and needs no look at the second.
        let [rows, columns] = &self.coefficients;
        let (row, low) = strongest(&powers(samples, rows))?;
        let (column, high) = strongest(&powers(samples, columns))?;
        let even = high <= MOST_TWIST * low && low <= MOST_TWIST * high;
        let pure = low + high >= LEAST_SHARE * total;
        if !even || !pure {
            return None;
        }
        let harmonics = powers(samples, &[self.harmonics[row], self.harmonics[4 + column]]);
        // A piece is too short to tell the harmonic of a low tone from a high tone right beside it.
        let apart = (2.0 * ROWS[row] - COLUMNS[column]).abs() > 100.0;
        let voiceless = (!apart || harmonics[0] <= MOST_HARMONIC * low) && harmonics[1] <= MOST_HARMONIC * high;
        voiceless.then(|| KEYS[row * 4 + column])
    }
}

/// The power of several frequencies in one piece of sound, all at once so that a processor can work at them side by side.
fn powers<const N: usize>(samples: &[i16], coefficients: &[f32; N]) -> [f32; N] {
    let (mut last, mut before) = ([0.0_f32; N], [0.0_f32; N]);
    for &sample in samples {
        let sample = f32::from(sample);
        for n in 0..N {
            let next = sample + coefficients[n] * last[n] - before[n];
            (before[n], last[n]) = (last[n], next);
        }
    }
    std::array::from_fn(|n| power(last[n], before[n], coefficients[n], samples.len()))
}

impl fmt::Debug for KeyDetector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not which key: it may be part of a card number.
        write!(f, "KeyDetector({:?})", self.rate)
    }
}

/// The one tone of a group that stands out of it, and its power.
fn strongest(powers: &[f32]) -> Option<(usize, f32)> {
    let powers = || powers.iter().copied().enumerate();
    let (place, most) = powers().max_by(|a, b| a.1.total_cmp(&b.1))?;
    powers().all(|(other, power)| other == place || power * MOST_NEIGHBOUR <= most).then_some((place, most))
}

/// How much of one frequency there is in a piece of sound: one bin of a Fourier transform (Goertzel, 1958).
#[derive(Clone, Copy, Debug)]
pub struct Goertzel {
    coefficient: f32,
    last: f32,
    before: f32,
}

impl Goertzel {
    /// Listens for one frequency.
    pub fn new(hz: f32, rate: SampleRate) -> Self {
        Self { coefficient: coefficient(hz, rate), last: 0.0, before: 0.0 }
    }

    /// Takes one sample.
    pub fn push(&mut self, sample: f32) {
        let next = sample + self.coefficient * self.last - self.before;
        (self.last, self.before) = (next, self.last);
    }

    /// The power of the frequency in the `samples` pushed so far: of a pure tone, its mean square.
    pub fn power(&self, samples: usize) -> f32 {
        power(self.last, self.before, self.coefficient, samples)
    }

    /// Begins another piece.
    pub fn reset(&mut self) {
        (self.last, self.before) = (0.0, 0.0);
    }
}

fn coefficient(hz: f32, rate: SampleRate) -> f32 {
    2.0 * (2.0 * PI * hz / rate.hz() as f32).cos()
}

fn power(last: f32, before: f32, coefficient: f32, samples: usize) -> f32 {
    let squared = last * last + before * before - coefficient * last * before;
    2.0 * squared / (samples as f32 * samples as f32)
}

const ROWS: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS: [f32; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];
const KEYS: [char; 16] = ['1', '2', '3', 'A', '4', '5', '6', 'B', '7', '8', '9', 'C', '*', '0', '#', 'D'];
/// The lower tone we send: −8 dBm0.
const KEY_DBFS: f32 = -14.0;
/// What is quieter is no key: −42 dBFS, about −36 dBm0.
const LEAST_RMS: f32 = 260.0;
/// How much louder one tone may be than the other: 9 dB.
const MOST_TWIST: f32 = 8.0;
/// How much of the power the two must be.
const LEAST_SHARE: f32 = 0.75;
/// How far a tone must stand out of its group: 6 dB.
const MOST_NEIGHBOUR: f32 = 4.0;
/// How strong a second harmonic may be: −11 dB.
const MOST_HARMONIC: f32 = 0.08;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::audio::wav::Wav;

    const RATE: SampleRate = SampleRate::HZ_8000;

    fn keys(samples: &[i16]) -> String {
        let mut detector = KeyDetector::new(RATE);
        let mut keys = String::new();
        for piece in samples.chunks(160) {
            detector.push(&Frame::from_samples(RATE, piece).unwrap(), |key| keys.push(key));
        }
        keys
    }

    fn fixture(name: &str) -> Vec<i16> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/audio").join(name);
        Wav::parse(&std::fs::read(path).unwrap()).unwrap().into_mono()
    }

    /// A pair of tones, each of a level of its own, after some silence.
    fn pair(low: (f32, f32), high: (f32, f32), ms: usize) -> Vec<i16> {
        let mut samples = vec![0; 37];
        let (mut a, mut b) = (Tone::single(low.0, low.1, RATE), Tone::single(high.0, high.1, RATE));
        let (mut one, mut other) = (vec![0; ms * 8], vec![0; ms * 8]);
        a.fill(&mut one);
        b.fill(&mut other);
        level::mix(&mut one, &other);
        samples.extend(one);
        samples.extend([0; 400]);
        samples
    }

    #[test]
    fn every_key_is_heard_once_however_short_or_long() {
        for ms in [40, 50, 100, 1_000] {
            let mut sound = Vec::new();
            for key in KEYS {
                let mut tone = vec![0; ms * 8];
                Tone::key(key, RATE).unwrap().fill(&mut tone);
                sound.extend(tone);
                sound.extend([0; 8 * 40]);
            }
            assert_eq!(keys(&sound), KEYS.iter().collect::<String>(), "{ms} ms");
        }
        assert!(Tone::key('x', RATE).is_none());
    }

    #[test]
    fn keys_recorded_elsewhere_are_heard() {
        assert_eq!(keys(&fixture("dtmf.wav")), "123456789*0#");
    }

    #[test]
    fn frequencies_a_little_off_are_forgiven_and_others_are_not() {
        for off in [0.985, 1.0, 1.015] {
            assert_eq!(keys(&pair((770.0 * off, -15.0), (1_477.0 * off, -15.0), 60)), "6", "{off}");
        }
        assert_eq!(keys(&pair((730.0, -15.0), (1_477.0, -15.0), 60)), "");
        assert_eq!(keys(&pair((770.0, -15.0), (1_800.0, -15.0), 60)), "");
    }

    #[test]
    fn one_tone_may_be_louder_but_not_by_much() {
        assert_eq!(keys(&pair((852.0, -18.0), (1_209.0, -10.0), 60)), "7");
        assert_eq!(keys(&pair((852.0, -10.0), (1_209.0, -14.0), 60)), "7");
        assert_eq!(keys(&pair((852.0, -10.0), (1_209.0, -25.0), 60)), "");
        assert_eq!(keys(&pair((852.0, -60.0), (1_209.0, -60.0), 60)), "", "too quiet");
        assert_eq!(keys(&pair((852.0, -15.0), (1_209.0, -15.0), 12)), "", "too short");
    }

    #[test]
    fn speech_holds_no_keys() {
        for name in ["talk.wav", "talk-babble-10db.wav", "digits-slow.wav", "email-spelled.wav", "talk-white-5db.wav"] {
            assert_eq!(keys(&fixture(name)), "", "{name}");
        }
    }

    #[test]
    fn a_tone_is_as_loud_and_as_high_as_asked() {
        let mut samples = [0; 1_600];
        Tone::single(1_000.0, -20.0, RATE).fill(&mut samples);
        assert!((level::dbfs(&samples) - -20.0).abs() < 0.05);
        let mut goertzel = Goertzel::new(1_000.0, RATE);
        samples.iter().for_each(|&sample| goertzel.push(f32::from(sample)));
        assert!((goertzel.power(1_600).sqrt() / level::rms(&samples) - 1.0).abs() < 0.01);
    }
}
