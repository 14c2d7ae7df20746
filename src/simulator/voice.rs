//! A murmur with the rhythm of speech.

use std::f32::consts::TAU;
use std::time::Duration;

use crate::audio::SampleRate;

use super::config::Tones;

/// What a text sounds like: when each character is spoken, and the sound itself, made piece by piece.
///
/// One burst per syllable (the harmonics of a gliding pitch under three formants, now and then a breath of noise before
/// it), a gap between words, a longer one at punctuation; about 300 ms a word. The same voice says the same text with the
/// same samples. Bursts lie at −18.5 dBFS, speech as a whole near −20, and nothing ever clips: with the harmonics it
/// has, no alignment of their phases can reach full scale.
#[derive(Clone, Debug)]
pub(super) struct Speech {
    rate: SampleRate,
    chars: Vec<CharTime>,
    syllables: Vec<Syllable>,
    length_ms: u32,
    /// Samples made so far.
    made: u64,
    /// Where in `syllables` the next sample may be.
    next: usize,
    /// Characters given out by [`Speech::next_piece`].
    given: usize,
    phase: f32,
    noise: u32,
    /// Half the period of the square wave it is, in milliseconds, when it is no murmur.
    half_period_ms: Option<f32>,
}

/// When a character is spoken, in milliseconds from the start of the speech.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct CharTime {
    pub(super) letter: char,
    pub(super) start_ms: u32,
    pub(super) length_ms: u32,
}

/// A stretch of speech that begins and ends with a character.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Piece {
    pub(super) chars: Vec<CharTime>,
    pub(super) samples: Vec<i16>,
    /// When it begins, in milliseconds from the start of the speech.
    pub(super) start_ms: u32,
}

/// One burst of sound.
#[derive(Clone, Debug)]
struct Syllable {
    start_ms: u32,
    length_ms: u32,
    pitch: f32,
    breathy: bool,
    /// Amplitudes of the harmonics, the fundamental first.
    harmonics: Vec<f32>,
}

impl Speech {
    /// Plans `text` as `voice` says it; `speed` 1.0 is its usual pace.
    pub(super) fn plan(text: &str, voice: &str, speed: f32, rate: SampleRate) -> Self {
        let speed = if speed.is_finite() { speed.clamp(0.25, 4.0) } else { 1.0 };
        let pace = |ms: u32| ((ms as f32 / speed) as u32).max(1);
        let speaker = hash(voice, 0);
        let mut speech = Self {
            rate,
            chars: Vec::new(),
            syllables: Vec::new(),
            length_ms: 0,
            made: 0,
            next: 0,
            given: 0,
            phase: 0.0,
            noise: speaker | 1,
            half_period_ms: None,
        };
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let is_space = first.is_whitespace();
            let end = rest.find(|c: char| c.is_whitespace() != is_space).unwrap_or(rest.len());
            let (piece, after) = rest.split_at(end);
            rest = after;
            if is_space {
                let gap = if speech.syllables.is_empty() { 0 } else { pace(WORD_GAP_MS) };
                speech.letters(piece, gap);
            } else {
                let spoken = piece.trim_end_matches(|c: char| !c.is_alphanumeric());
                let seed = hash(piece, speaker);
                let length = speech.word(spoken, seed, speaker, &pace);
                speech.letters(spoken, length);
                let punctuation = piece.get(spoken.len()..).unwrap_or_default();
                let pause = punctuation.chars().map(pause_ms).max().unwrap_or(0);
                speech.letters(punctuation, if pause == 0 { 0 } else { pace(pause) });
            }
        }
        speech
    }

    /// Plans `text` as tones, those of the `stream`-th stream of speech (from 0).
    pub(super) fn tones(text: &str, tones: &Tones, stream: u64, rate: SampleRate) -> Self {
        let count = tones.half_periods.len().max(1);
        let half_period = tones.half_periods.get(usize::try_from(stream).unwrap_or_default() % count);
        let word_ms = u32::try_from(tones.word.as_millis()).unwrap_or(u32::MAX).max(5);
        let mut speech = Self::plan("", "", 1.0, rate);
        speech.half_period_ms = Some(half_period.map_or(1.0, |half| half.as_secs_f32() * 1_000.0));
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let is_space = first.is_whitespace();
            let end = rest.find(|c: char| c.is_whitespace() != is_space).unwrap_or(rest.len());
            let (piece, after) = rest.split_at(end);
            rest = after;
            if is_space {
                let gap = if speech.syllables.is_empty() { 0 } else { word_ms / 5 };
                speech.letters(piece, gap);
                continue;
            }
            let length_ms = word_ms - word_ms / 5;
            let start_ms = speech.length_ms;
            speech.syllables.push(Syllable { start_ms, length_ms, pitch: 0.0, breathy: false, harmonics: Vec::new() });
            speech.letters(piece, length_ms);
        }
        speech
    }

    /// How long it lasts.
    pub(super) fn length(&self) -> Duration {
        Duration::from_millis(self.length_ms.into())
    }

    /// Its words with the marks around them, each with where its letters begin and end, in milliseconds.
    pub(super) fn words(&self) -> Vec<(String, u32, u32)> {
        let mut words: Vec<(String, u32, u32)> = Vec::new();
        let mut inside = false;
        for char in &self.chars {
            if char.letter.is_whitespace() {
                inside = false;
                continue;
            }
            if !inside {
                words.push((String::new(), char.start_ms, char.start_ms));
                inside = true;
            }
            if let Some((word, _, end)) = words.last_mut() {
                word.push(char.letter);
                if char.letter.is_alphanumeric() {
                    *end = char.start_ms + char.length_ms;
                }
            }
        }
        words
    }

    /// The next stretch of about `length_ms`; `None` when all is said.
    pub(super) fn next_piece(&mut self, length_ms: u32) -> Option<Piece> {
        let rest = self.chars.get(self.given..)?;
        let start_ms = rest.first()?.start_ms;
        let mut end_ms = start_ms;
        let mut chars = Vec::new();
        for &char in rest {
            if end_ms >= start_ms + length_ms && char.length_ms > 0 {
                break;
            }
            end_ms = char.start_ms + char.length_ms;
            chars.push(char);
        }
        self.given += chars.len();
        Some(Piece { chars, samples: self.make(end_ms), start_ms })
    }

    /// The samples from where the last call ended up to `end_ms`.
    pub(super) fn make(&mut self, end_ms: u32) -> Vec<i16> {
        let hz = u64::from(self.rate.hz());
        let end = u64::from(end_ms.min(self.length_ms)) * hz / 1_000;
        let mut samples = Vec::with_capacity(end.saturating_sub(self.made) as usize);
        while self.made < end {
            let ms = self.made as f32 * 1_000.0 / hz as f32;
            samples.push((self.sample(ms, hz as f32) * 32_767.0) as i16);
            self.made += 1;
        }
        samples
    }

    /// The sound at `ms`, between −1 and 1.
    fn sample(&mut self, ms: f32, hz: f32) -> f32 {
        while self.syllables.get(self.next).is_some_and(|s| ms >= (s.start_ms + s.length_ms) as f32) {
            self.next += 1;
            self.phase = 0.0;
        }
        let Some(syllable) = self.syllables.get(self.next) else { return 0.0 };
        let at = ms - syllable.start_ms as f32;
        if at < 0.0 {
            return 0.0;
        }
        if let Some(half) = self.half_period_ms {
            // Half a sample on, so that rounding never decides on which side of an edge a sample lies.
            let edges = ((at + 500.0 / hz) / half) as u32;
            return if edges.is_multiple_of(2) { TONE_LEVEL } else { -TONE_LEVEL };
        }
        let length = syllable.length_ms as f32;
        // The pitch glides down by a tenth over the syllable.
        self.phase = (self.phase + syllable.pitch * (1.05 - 0.1 * at / length) / hz).fract();
        // sin(kθ) for all k by the Chebyshev recurrence: one sine and one cosine for the whole spectrum.
        let (sine, cosine) = (self.phase * TAU).sin_cos();
        let (mut before, mut current, mut sound) = (0.0, sine, 0.0);
        for amplitude in &syllable.harmonics {
            sound += amplitude * current;
            (before, current) = (current, 2.0 * cosine * current - before);
        }
        if syllable.breathy && at < BREATH_MS {
            self.noise = self.noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            sound += ((self.noise >> 16) as f32 / 32_768.0 - 1.0) * BREATH_LEVEL;
        }
        let edge = (at / ATTACK_MS).min((length - at) / RELEASE_MS).clamp(0.0, 1.0);
        let envelope = 0.5 - 0.5 * (edge * std::f32::consts::PI).cos();
        (sound * envelope).clamp(-0.99, 0.99)
    }

    /// Adds the syllables of a word and says how long it lasts.
    fn word(&mut self, word: &str, seed: u32, speaker: u32, pace: &dyn Fn(u32) -> u32) -> u32 {
        let mut length = 0;
        for n in 0..syllables(word) {
            let seed = hash("syllable", seed.wrapping_add(n));
            let length_ms = pace(150 + seed % 71);
            let base = 105.0 + (speaker % 90) as f32;
            let pitch = base * (0.94 + (seed >> 8 & 0xFF) as f32 / 255.0 * 0.14);
            let vowel = VOWELS.get((seed >> 16) as usize % VOWELS.len()).copied().unwrap_or([500.0, 1_500.0, 2_500.0]);
            self.syllables.push(Syllable {
                start_ms: self.length_ms + length,
                length_ms,
                pitch,
                breathy: (seed >> 24).is_multiple_of(3),
                harmonics: harmonics(pitch, vowel, self.rate),
            });
            length += length_ms;
        }
        length
    }

    /// Adds the characters of `piece`, sharing `length_ms` evenly.
    fn letters(&mut self, piece: &str, length_ms: u32) {
        let count = piece.chars().count() as u32;
        for (n, letter) in (0..).zip(piece.chars()) {
            let (from, to) = (length_ms * n / count, length_ms * (n + 1) / count);
            self.chars.push(CharTime { letter, start_ms: self.length_ms + from, length_ms: to - from });
        }
        self.length_ms += length_ms;
    }
}

/// How many syllables a word has, by its groups of vowels; digits are said one by one.
pub(super) fn syllables(word: &str) -> u32 {
    let mut count = 0;
    let mut in_vowel = false;
    for letter in word.chars() {
        let vowel = "aeiouyäöüáéíóúàèìòùâêîôûåøæœ".contains(letter.to_lowercase().next().unwrap_or(letter));
        let ideograph = ('\u{3040}'..='\u{9FFF}').contains(&letter) || ('\u{AC00}'..='\u{D7A3}').contains(&letter);
        match letter {
            '7' => count += 2,
            '0'..='9' => count += 1,
            _ if ideograph || (vowel && !in_vowel) => count += 1,
            _ => {}
        }
        in_vowel = vowel;
    }
    let lower = word.to_lowercase();
    if count > 1 && lower.ends_with('e') && !lower.ends_with("le") && !lower.ends_with("ee") {
        count -= 1;
    }
    if count == 0 && word.chars().any(char::is_alphanumeric) { 1 } else { count }
}

/// Amplitudes of the harmonics of `pitch` under the formants of a vowel, at the level of a burst.
fn harmonics(pitch: f32, formants: [f32; 3], rate: SampleRate) -> Vec<f32> {
    let highest = (rate.hz() as f32 * 0.45).min(3_500.0);
    let envelope = |hz: f32| -> f32 {
        let bumps = formants.iter().zip([(1.0, 90.0), (0.5, 130.0), (0.25, 180.0)]);
        bumps.map(|(formant, (weight, width))| weight / (1.0 + ((hz - formant) / width).powi(2))).sum()
    };
    let mut amplitudes: Vec<f32> =
        (1..).map(|k| k as f32 * pitch).take_while(|&hz| hz < highest).map(|hz| envelope(hz) + 0.01).collect();
    let power: f32 = amplitudes.iter().map(|a| a * a / 2.0).sum();
    let gain = BURST_LEVEL / power.sqrt();
    amplitudes.iter_mut().for_each(|a| *a *= gain);
    amplitudes
}

/// How long a punctuation mark is.
const fn pause_ms(mark: char) -> u32 {
    match mark {
        '.' | '!' | '?' | '…' | '。' | '！' | '？' => 220,
        ',' | ';' | ':' | '–' | '—' | '、' | '，' => 140,
        _ => 0,
    }
}

/// FNV-1a of `text`, from `seed`.
fn hash(text: &str, seed: u32) -> u32 {
    let start = 0x811C_9DC5 ^ seed.wrapping_mul(0x9E37_79B1);
    let mixed = text.bytes().fold(start, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    // The last rounds of a murmur: neighbouring seeds must not sound alike.
    let mixed = (mixed ^ mixed >> 16).wrapping_mul(0x85EB_CA6B);
    mixed ^ mixed >> 13
}

const WORD_GAP_MS: u32 = 45;
const ATTACK_MS: f32 = 20.0;
const RELEASE_MS: f32 = 40.0;
const BREATH_MS: f32 = 35.0;
const BREATH_LEVEL: f32 = 0.03;
/// −15 dBFS.
const TONE_LEVEL: f32 = 0.18;
/// −18.5 dBFS.
const BURST_LEVEL: f32 = 0.119;
/// First three formants in hertz, of vowels as in bee, bed, bat, father, law, book, boot, bird.
const VOWELS: [[f32; 3]; 8] = [
    [280.0, 2_250.0, 2_900.0],
    [530.0, 1_840.0, 2_480.0],
    [660.0, 1_720.0, 2_410.0],
    [730.0, 1_090.0, 2_440.0],
    [570.0, 840.0, 2_410.0],
    [440.0, 1_020.0, 2_240.0],
    [310.0, 870.0, 2_250.0],
    [490.0, 1_350.0, 1_690.0],
];

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Good afternoon, this is the clinic. How may I help you today?";

    fn dbfs(samples: &[i16]) -> f64 {
        let power = samples.iter().map(|&s| (f64::from(s) / 32_768.0).powi(2)).sum::<f64>() / samples.len() as f64;
        10.0 * power.log10()
    }

    #[test]
    fn the_same_voice_says_the_same_text_the_same_way_however_it_is_cut() {
        let mut whole = Speech::plan(TEXT, "alice", 1.0, SampleRate::HZ_8000);
        let whole = whole.make(u32::MAX);
        let mut cut = Speech::plan(TEXT, "alice", 1.0, SampleRate::HZ_8000);
        let mut pieces = Vec::new();
        while let Some(piece) = cut.next_piece(137) {
            assert_eq!(pieces.len(), piece.start_ms as usize * 8);
            pieces.extend(piece.samples);
        }
        assert_eq!(pieces, whole);
        assert_ne!(Speech::plan(TEXT, "bob", 1.0, SampleRate::HZ_8000).make(u32::MAX), whole);
    }

    #[test]
    fn characters_cover_the_sound_without_gaps() {
        for text in [TEXT, "", "  a", "...", "7, 8 — 9", "日本 ok"] {
            let mut speech = Speech::plan(text, "alice", 1.0, SampleRate::HZ_16000);
            let mut end = 0;
            for char in &speech.chars {
                assert_eq!(char.start_ms, end, "{text}");
                end += char.length_ms;
            }
            assert_eq!(speech.chars.iter().map(|c| c.letter).collect::<String>(), text);
            assert_eq!(speech.length(), Duration::from_millis(end.into()));
            assert_eq!(speech.make(u32::MAX).len(), end as usize * 16);
        }
    }

    #[test]
    fn it_has_the_pace_and_the_level_of_speech_and_never_clips() {
        for rate in [8_000, 16_000, 24_000, 44_100].map(|hz| SampleRate::new(hz).unwrap()) {
            for voice in ["alice", "bob", "carol", "dave", "21m00Tcm4TlvDq8ikWAM"] {
                let mut speech = Speech::plan(TEXT, voice, 1.0, rate);
                let per_word = speech.length() / TEXT.split_whitespace().count() as u32;
                assert!((250..400).contains(&per_word.as_millis()), "{per_word:?}");
                let samples = speech.make(u32::MAX);
                let level = dbfs(&samples);
                assert!((-23.5..-18.0).contains(&level), "{voice} at {rate:?}: {level:.1} dBFS");
                assert!(samples.iter().all(|s| s.unsigned_abs() < 31_000), "{voice} at {rate:?} is too loud");
            }
        }
    }

    #[test]
    fn there_is_a_gap_between_sentences_and_speed_shortens_everything() {
        let mut speech = Speech::plan("Yes. No", "alice", 1.0, SampleRate::HZ_8000);
        let dot = speech.chars[3];
        let samples = speech.make(u32::MAX);
        let gap = &samples[dot.start_ms as usize * 8..(dot.start_ms + dot.length_ms) as usize * 8];
        assert!(gap.iter().all(|&s| s == 0) && gap.len() > 1_000);
        let fast = Speech::plan(TEXT, "alice", 2.0, SampleRate::HZ_8000).length().as_secs_f64();
        let usual = Speech::plan(TEXT, "alice", 1.0, SampleRate::HZ_8000).length().as_secs_f64();
        assert!((usual / fast - 2.0).abs() < 0.05, "{usual} s, {fast} s");
    }

    #[test]
    fn tones_name_their_stream_and_give_every_word_the_same_time() {
        let half_periods = [4, 10].map(|samples| Duration::from_micros(125 * samples)).to_vec();
        let tones = Tones { word: Duration::from_millis(300), half_periods };
        for (stream, half) in [(0, 4), (1, 10), (2, 4)] {
            let mut speech = Speech::tones("One two, three. ", &tones, stream, SampleRate::HZ_8000);
            assert_eq!(speech.length(), Duration::from_millis(900));
            let samples = speech.make(u32::MAX);
            for word in samples.chunks(2_400) {
                assert!(
                    word[..1_920].iter().all(|s| s.unsigned_abs() > 5_000) && word[1_920..].iter().all(|&s| s == 0)
                );
                let edges = word[..1_920].windows(2).filter(|pair| (pair[0] > 0) != (pair[1] > 0)).count();
                assert_eq!(edges, 1_920 / half - 1, "stream {stream}");
            }
        }
    }

    #[test]
    fn syllables_are_counted_as_they_are_said() {
        let counts = ["hello", "one", "table", "rhythm", "a", "question", "47", "tsk", "--"].map(syllables);
        assert_eq!(counts, [2, 1, 2, 1, 1, 2, 3, 1, 0]);
    }
}
