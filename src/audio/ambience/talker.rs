//! People who talk somewhere else: a voice, and nothing to be understood.

use std::f32::consts::PI;

use super::canvas::{Canvas, Random, hill};

/// Adds somebody who speaks in phrases with pauses between them, about this loud while speaking.
pub(super) fn talk(canvas: &mut Canvas, seed: u64, rms: f32) {
    let mut random = Random(seed);
    let pitch = random.between(95.0, 215.0);
    let (hz, length) = (canvas.hz(), canvas.length());
    let mut at = random.between(0.0, 3.0);
    let end = at + length;
    while at < end {
        let lasts = random.between(1.2, 3.6).min(end - at);
        let sound = phrase(&mut random, pitch, lasts, hz);
        let energy: f32 = sound.iter().map(|value| value * value).sum();
        let scale = rms / (energy / sound.len().max(1) as f32).sqrt().max(f32::MIN_POSITIVE);
        canvas.add(at % length, sound.into_iter().map(|value| value * scale));
        at += lasts + random.between(0.3, 1.4);
    }
}

/// So many seconds of syllables: a train of glottal pulses through three formants that move from vowel to vowel.
fn phrase(random: &mut Random, pitch: f32, seconds: f32, hz: f32) -> Vec<f32> {
    let samples = (seconds * hz) as usize;
    let mut sound = Vec::with_capacity(samples);
    let mut formants = Formants::default();
    let (mut phase, mut pulse) = (0.0f32, 0.0f32);
    let dies = (-2.0 * PI * 400.0 / hz).exp();
    let mut vowel = VOWELS[0];
    while sound.len() < samples {
        let length = (random.between(0.13, 0.26) * hz) as usize;
        let (from, to) = (vowel, VOWELS[random.between(0.0, VOWELS.len() as f32 - 0.01) as usize]);
        let stress = random.between(0.5, 1.0);
        for at in 0..length.min(samples - sound.len()) {
            let along = at as f32 / length as f32;
            if at % 16 == 0 {
                formants.tune(std::array::from_fn(|n| from[n] + (to[n] - from[n]) * along), hz);
            }
            // The voice falls towards the end of what is said.
            let fallen = 1.0 - 0.2 * sound.len() as f32 / samples as f32;
            phase += pitch * fallen * (1.0 + 0.08 * hill(along)) / hz;
            pulse *= dies;
            if phase >= 1.0 {
                phase -= 1.0;
                pulse += 1.0;
            }
            sound.push(formants.next(pulse) * stress * hill(0.08 + 0.84 * along));
        }
        vowel = to;
    }
    // Neither end is a step.
    let edge = ((0.05 * hz) as usize).min(samples / 2);
    for at in 0..edge {
        let gain = at as f32 / edge as f32;
        sound[at] *= gain;
        sound[samples - 1 - at] *= gain;
    }
    sound
}

/// Three resonances side by side.
#[derive(Default)]
struct Formants {
    /// Of each: the coefficients, and the last two values.
    rows: [[f32; 5]; 3],
}

impl Formants {
    fn tune(&mut self, centres: [f32; 3], hz: f32) {
        for ((row, centre), (width, gain)) in self.rows.iter_mut().zip(centres).zip(SHAPES) {
            let radius = (-PI * width / hz).exp();
            (row[0], row[1]) = (2.0 * radius * (2.0 * PI * centre / hz).cos(), -radius * radius);
            row[2] = gain * (1.0 - radius);
        }
    }

    fn next(&mut self, input: f32) -> f32 {
        let mut sum = 0.0;
        for [first, second, gain, last, before] in &mut self.rows {
            let value = *gain * input + *first * *last + *second * *before;
            (*before, *last) = (*last, value);
            sum += value;
        }
        sum
    }
}

/// How wide each formant is, in hertz, and how strong.
const SHAPES: [(f32, f32); 3] = [(80.0, 1.0), (110.0, 0.8), (160.0, 0.5)];
/// The formants of some vowels, in hertz (Peterson and Barney 1952, rounded).
const VOWELS: [[f32; 3]; 6] = [
    [500.0, 1_500.0, 2_500.0],
    [730.0, 1_090.0, 2_440.0],
    [530.0, 1_840.0, 2_480.0],
    [270.0, 2_290.0, 3_010.0],
    [570.0, 840.0, 2_410.0],
    [300.0, 870.0, 2_240.0],
];
