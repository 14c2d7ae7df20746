//! What the virtual caller and the virtual voice sound like.

use std::f64::consts::{PI, TAU};

use super::Random;

/// Voice-like sound: a glottal pulse train through three formants that glide from syllable to syllable, at 8 kHz. Its
/// melody falls over each phrase; most syllables begin with a hiss, as no tongue only sings. Continuous, and loud from its
/// first sample to its last: a detector of voice has no reason to see a pause in it.
pub(super) fn voice(samples: usize, seed: u64) -> Vec<i16> {
    let mut random = Random::new(seed ^ 0x76_6f_69_63_65);
    let pitch = 105.0 + random.unit() * 70.0;
    let mut vowels = Vowels::new(&mut random);
    let mut syllable = Syllable::default();
    let (mut phase, mut breath) = (0.0, 0.0);
    let mut harmonics = Vec::with_capacity(48);
    let mut sound = Vec::with_capacity(samples.next_multiple_of(SHAPE));
    for begin in (0..samples).step_by(SHAPE) {
        if begin >= syllable.end() {
            vowels.glide(&mut random);
            syllable = Syllable::new(begin, &mut random);
        }
        let along = syllable.along(begin);
        let melody =
            1.0 + 0.15 * (PI * (begin % PHRASE) as f64 / PHRASE as f64).cos() + syllable.accent * (PI * along).sin();
        let time = begin as f64 / RATE;
        let pitch = pitch * melody * (1.0 + 0.06 * (TAU * 2.1 * time).sin() + 0.01 * (TAU * 5.3 * time).sin());
        shape(&mut harmonics, pitch, &vowels.at(along));
        // The fundamental turns on by the same angle from sample to sample.
        let (turn_sine, turn_cosine) = (TAU * pitch / RATE).sin_cos();
        let (mut sine, mut cosine) = (TAU * phase).sin_cos();
        let (mut sines, mut cosines) = ([0.0; SHAPE], [0.0; SHAPE]);
        for (s, c) in sines.iter_mut().zip(&mut cosines) {
            (sine, cosine) = (sine * turn_cosine + cosine * turn_sine, cosine * turn_cosine - sine * turn_sine);
            (*s, *c) = (sine, cosine);
        }
        phase = (phase + SHAPE as f64 * pitch / RATE) % 1.0;
        let is_last = begin + LAST >= samples;
        let [now, next] = [begin, begin + SHAPE].map(|at| if is_last { Mix::LOUD } else { syllable.mix(at) });
        for (offset, value) in sung(&harmonics, sines, cosines).into_iter().enumerate() {
            let before = std::mem::replace(&mut breath, random.unit() - 0.5);
            let way = offset as f64 / SHAPE as f64;
            let part = |now: f64, next: f64| now + (next - now) * way;
            let sung = value * part(now.sung, next.sung) + breath * 0.02;
            let hissed = (breath - before) * part(now.hissed, next.hissed);
            let swell = part(now.swell, next.swell);
            sound.push(((sung + hissed) * swell * 9_000.0).clamp(-30_000.0, 30_000.0) as i16);
        }
    }
    sound.truncate(samples);
    fade_edges(&mut sound);
    sound
}

/// One syllable of the virtual voice.
#[derive(Default)]
struct Syllable {
    begin: usize,
    length: usize,
    loud: f64,
    accent: f64,
    hisses: bool,
}

/// How much of what sounds at a moment.
struct Mix {
    sung: f64,
    hissed: f64,
    swell: f64,
}

impl Mix {
    const LOUD: Self = Self { sung: 1.0, hissed: 0.0, swell: 0.9 };
}

impl Syllable {
    fn new(begin: usize, random: &mut Random) -> Self {
        let length = (1_120.0 + random.unit() * 640.0) as usize / SHAPE * SHAPE;
        let loud = 10f64.powf(-random.unit() * 6.0 / 20.0);
        let accent = 0.1 * (2.0 * random.unit() - 0.3);
        Self { begin, length, loud, accent, hisses: random.happens(0.7) && begin > 0 }
    }

    const fn end(&self) -> usize {
        self.begin + self.length
    }

    fn along(&self, at: usize) -> f64 {
        at.saturating_sub(self.begin) as f64 / self.length.max(1) as f64
    }

    fn mix(&self, at: usize) -> Mix {
        // It swells and fades, but never to silence.
        let along = self.along(at);
        let swell = 0.1 + 0.9 * (PI * along.min(1.0)).sin().max(0.0);
        // Who begins to speak begins loud.
        let swell = if self.begin == 0 && along < 0.5 { swell.max(0.7) } else { swell };
        let since = at.saturating_sub(self.begin);
        if !self.hisses || since >= HISS {
            return Mix { sung: 1.0, hissed: 0.0, swell: swell * self.loud };
        }
        let hiss = (PI * since as f64 / HISS as f64).sin();
        Mix { sung: 0.1, hissed: 0.5 * hiss, swell: swell.max(0.6 * hiss) * self.loud }
    }
}

/// Sums of these harmonics where the fundamental has these sines and cosines. Exact at any pitch, without filter state: each
/// sine follows from the two before it; the moments are summed side by side, as within one every step waits for the last.
fn sung(harmonics: &[f64], sines: [f64; SHAPE], cosines: [f64; SHAPE]) -> [f64; SHAPE] {
    const LANES: usize = 4;
    let mut values = [0.0; SHAPE];
    let moments = sines.as_chunks::<LANES>().0.iter().zip(cosines.as_chunks::<LANES>().0);
    for (values, (sines, cosines)) in values.as_chunks_mut::<LANES>().0.iter_mut().zip(moments) {
        let (mut before, mut current) = ([0.0; LANES], *sines);
        for amplitude in harmonics {
            for lane in 0..LANES {
                values[lane] += amplitude * current[lane];
                let next = 2.0 * cosines[lane] * current[lane] - before[lane];
                (before[lane], current[lane]) = (current[lane], next);
            }
        }
    }
    values
}

/// A cough: two bursts of noise that start sharply and die away.
pub(super) fn cough(samples: usize, seed: u64) -> Vec<i16> {
    let mut random = Random::new(seed ^ 0x63_6f_75_67_68);
    let mut low = 0.0;
    (0..samples)
        .map(|index| {
            let burst = (index % (samples / 2).max(1)) as f64 / RATE;
            low += 0.35 * ((random.unit() - 0.5) - low);
            (low * (-burst * 18.0).exp() * 40_000.0).clamp(-30_000.0, 30_000.0) as i16
        })
        .collect()
}

/// White noise at about this level.
pub(super) fn noise(samples: usize, dbfs: f64, seed: u64) -> Vec<i16> {
    let mut random = Random::new(seed ^ 0x6e_6f_69_73_65);
    let peak = 32_768.0 * 10f64.powf(dbfs / 20.0) * 3f64.sqrt();
    (0..samples).map(|_| ((random.unit() * 2.0 - 1.0) * peak) as i16).collect()
}

/// Five people who talk at once in the same room, at about this level in all. Nobody's words can be made out.
pub(super) fn babble(samples: usize, dbfs: f64, seed: u64) -> Vec<i16> {
    let mut mixed = vec![0.0f64; samples];
    for talker in 0..5 {
        // Nobody keeps time with another.
        let early = 289 * talker;
        let talk = voice(samples + early, seed.wrapping_mul(5).wrapping_add(talker as u64));
        mixed.iter_mut().zip(talk.into_iter().skip(early)).for_each(|(mixed, sample)| *mixed += f64::from(sample));
    }
    let rms = (mixed.iter().map(|sample| sample.powi(2)).sum::<f64>() / samples.max(1) as f64).sqrt();
    let gain = 32_768.0 * 10f64.powf(dbfs / 20.0) / rms.max(1.0);
    mixed.iter().map(|sample| (sample * gain).clamp(-32_768.0, 32_767.0) as i16).collect()
}

/// One word of the agent as the virtual voice speaks it: a square wave whose period names the reply, so that a packet on
/// the wire tells whose sound it carries, then a short gap. No two of its waves are as high, so that it resembles itself
/// nowhere but in its place, as a voice does.
pub(super) fn agent_word(reply: u32, samples: usize) -> Vec<i16> {
    let half = half_period(reply);
    let sounding = samples * 4 / 5;
    let mut random = Random::new(u64::from(reply) << 32 | samples as u64);
    let mut sound = Vec::with_capacity(samples);
    let mut sign = 1.0;
    while sound.len() < sounding {
        let height = sign * f64::from(AGENT_PEAK) * (0.3 + 0.7 * random.unit());
        sound.extend(std::iter::repeat_n(height as i16, half.min(sounding - sound.len())));
        sign = -sign;
    }
    sound.resize(samples, 0);
    sound
}

/// Which of two replies a packet's samples sound like; `None` for silence and for pieces too short to tell.
pub(super) fn sounds_like(samples: &[i16], replies: &[u32]) -> Option<u32> {
    let loud: Vec<usize> = (0..samples.len()).filter(|&index| samples[index].unsigned_abs() > 300).collect();
    if loud.len() < samples.len() * 3 / 4 {
        return None;
    }
    // Where a word begins or ends within the packet, only what sounds counts.
    let (Some(&first), Some(&last)) = (loud.first(), loud.last()) else { return None };
    let sounding = &samples[first..=last];
    let crossings = sounding.windows(2).filter(|pair| (pair[0] > 0) != (pair[1] > 0)).count();
    let expected = |reply: u32| sounding.len() as f64 / half_period(reply) as f64;
    replies
        .iter()
        .copied()
        .min_by(|a, b| {
            let distance = |reply| (expected(reply) - crossings as f64).abs();
            distance(*a).total_cmp(&distance(*b))
        })
        .filter(|reply| (expected(*reply) - crossings as f64).abs() <= 1.2)
}

/// Whether a packet's samples are loud enough to be the agent speaking.
pub(super) fn is_audible(samples: &[i16]) -> bool {
    samples.iter().any(|sample| sample.unsigned_abs() > 60)
}

/// What stands for a reply in the sound kept for the case that every voice is down.
pub(super) const KEPT: u32 = u32::MAX;

fn half_period(reply: u32) -> usize {
    if reply == KEPT {
        return 45;
    }
    // At least two crossings apart over 160 samples for any two.
    [4, 5, 6, 8, 10, 13, 17, 23][(reply % 8) as usize]
}

fn fade_edges(sound: &mut [i16]) {
    let edge = (sound.len() / 2).min(24);
    let length = sound.len();
    for index in 0..edge {
        let gain = index as f64 / edge as f64;
        sound[index] = (f64::from(sound[index]) * gain) as i16;
        sound[length - 1 - index] = (f64::from(sound[length - 1 - index]) * gain) as i16;
    }
}

/// How loud each harmonic of `pitch` below 3600 Hz is behind these formants.
fn shape(harmonics: &mut Vec<f64>, pitch: f64, formants: &[f64; 3]) {
    harmonics.clear();
    let mut frequency = pitch;
    while frequency < 3_600.0 {
        harmonics.push(amplitude(frequency, formants));
        frequency += pitch;
    }
}

fn amplitude(frequency: f64, formants: &[f64; 3]) -> f64 {
    // Source falls by 6 dB an octave above 300 Hz; each formant is a resonance about 60 Hz wide.
    let source = 1.0 / (1.0 + frequency / 300.0);
    let gains = [1.0, 0.7, 0.35];
    let resonance: f64 =
        formants.iter().zip(gains).map(|(formant, gain)| gain / (1.0 + ((frequency - formant) / 60.0).powi(2))).sum();
    source * (0.08 + resonance)
}

struct Vowels {
    from: [f64; 3],
    to: [f64; 3],
}

impl Vowels {
    fn new(random: &mut Random) -> Self {
        let first = VOWELS[random.below(VOWELS.len() as u64) as usize];
        Self { from: first, to: first }
    }

    fn glide(&mut self, random: &mut Random) {
        self.from = self.to;
        self.to = VOWELS[random.below(VOWELS.len() as u64) as usize];
    }

    /// It has arrived in the middle of the syllable.
    fn at(&self, along: f64) -> [f64; 3] {
        let way = (2.0 * along).min(1.0);
        let way = way * way * (3.0 - 2.0 * way);
        let mut formants = self.from;
        for (formant, to) in formants.iter_mut().zip(self.to) {
            *formant += (to - *formant) * way;
        }
        formants
    }
}

const RATE: f64 = 8_000.0;
/// The mouth and the pitch are taken to stand still for 2 ms.
const SHAPE: usize = 16;
/// How long a syllable hisses: 40 ms.
const HISS: usize = 320;
/// How long the end is loud: 90 ms.
const LAST: usize = 720;
/// 1.6 s.
const PHRASE: usize = 12_800;
const AGENT_PEAK: i16 = 6_000;
/// Formants of a, e, i, o, u and a neutral vowel, in hertz.
const VOWELS: [[f64; 3]; 6] = [
    [730.0, 1_090.0, 2_440.0],
    [530.0, 1_840.0, 2_480.0],
    [300.0, 2_200.0, 2_950.0],
    [570.0, 840.0, 2_410.0],
    [320.0, 870.0, 2_240.0],
    [500.0, 1_500.0, 2_500.0],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_tells_whose_sound_it_carries() {
        for reply in 1..=8 {
            let word = agent_word(reply, 2_400);
            let others: Vec<u32> = (1..=8).collect();
            assert_eq!(sounds_like(&word[320..480], &others), Some(reply));
        }
        assert_eq!(sounds_like(&[0; 160], &[1, 2]), None);
    }

    #[test]
    fn voice_is_loud_enough_and_never_clips() {
        let sound = voice(16_000, 3);
        let rms = (sound.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / sound.len() as f64).sqrt();
        let dbfs = 20.0 * (rms / 32_768.0).log10();
        assert!((-30.0..-12.0).contains(&dbfs), "{dbfs}");
        assert!(sound.iter().all(|sample| sample.unsigned_abs() < 30_000));
    }
}
