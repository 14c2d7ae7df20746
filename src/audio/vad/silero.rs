//! The network that knows a voice.

use super::kernel::{GROUP, Machine};
use super::spectrum::{BINS, PIECES, SPAN, Spectrum};
use super::weights::{BIN_PAIRS, GATES, Matrix, NARROW, NARROW_PAIRS, WEIGHTS, WIDE, WIDE_PAIRS};

/// Samples at 8 kHz that the network sees at once: 36 ms. What it has not seen yet is 32 ms long when it is run one window
/// behind the other.
pub(super) const WINDOW: usize = 288;
/// Cells that remember.
pub(super) const CELLS: usize = WIDE;

/// What the network has kept of the windows before, one of them 32 ms or so behind the other.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Memory {
    /// What its cells say, and what they hold.
    pub(super) said: [f32; CELLS],
    held: [f32; CELLS],
}

impl Memory {
    pub(super) const fn new() -> Self {
        Self { said: [0.0; CELLS], held: [0.0; CELLS] }
    }

    /// Takes in what [`encode`] made of the next window: a layer of long short-term memory (Hochreiter and Schmidhuber,
    /// 1997).
    #[inline(always)]
    pub(super) fn take(&mut self, encoded: &[f32; WIDE], machine: impl Machine) {
        let mut gates = begin::<GATES>(WEIGHTS.cell_bias);
        let (encoded, scale) = whole::<WIDE, WIDE_PAIRS, 1>(&[*encoded]);
        add(machine, &WEIGHTS.heard, &encoded, [0], &scale, [&mut gates]);
        let (said, scale) = scaled::<WIDE, WIDE_PAIRS, 1>(&[self.said], [1.0]);
        add(machine, &WEIGHTS.held, &said, [0], &scale, [&mut gates]);
        let (input, rest) = gates.split_at(CELLS);
        let (forget, rest) = rest.split_at(CELLS);
        let (new, output) = rest.split_at(CELLS);
        let mut cell = 0;
        while cell < CELLS {
            let held = logistic(forget[cell]) * self.held[cell] + logistic(input[cell]) * tanh(new[cell]);
            self.held[cell] = held;
            self.said[cell] = logistic(output[cell]) * tanh(held);
            cell += 1;
        }
    }
}

/// What the network's convolutions make of a window, whatever came before it, and the magnitudes they saw. Samples go from
/// −1 to 1.
#[inline(always)]
pub(super) fn encode(
    spectrum: &Spectrum,
    window: &[f32; WINDOW],
    machine: impl Machine,
) -> ([f32; WIDE], [[f32; PIECES]; BINS]) {
    // The end is mirrored.
    let mut sound = [0.0; SPAN];
    sound[..WINDOW].copy_from_slice(window);
    let mut at = 0;
    while at < SPAN - WINDOW {
        sound[WINDOW + at] = window[WINDOW - 2 - at];
        at += 1;
    }
    let magnitudes = spectrum.magnitudes(&sound);
    let mut frames = [[0.0; 2 * BIN_PAIRS]; PIECES];
    for (piece, frame) in frames.iter_mut().enumerate() {
        let mut bin = 0;
        while bin < BINS {
            frame[bin] = magnitudes[bin][piece];
            bin += 1;
        }
    }

    let [a, b, c, d] = &mut [begin::<WIDE>(WEIGHTS.first_bias); PIECES];
    let (inputs, scale) = whole::<{ 2 * BIN_PAIRS }, BIN_PAIRS, PIECES>(&frames);
    let [before, at, after] = &WEIGHTS.first;
    add(machine, before, &inputs, [0, 1, 2], &scale, [b, c, d]);
    add(machine, at, &inputs, [0, 1], &scale, [a, b]);
    add(machine, at, &inputs, [2, 3], &scale, [c, d]);
    add(machine, after, &inputs, [1, 2, 3], &scale, [a, b, c]);
    let frames = [*a, *b, *c, *d];

    let [a, b] = &mut [begin::<NARROW>(WEIGHTS.second_bias); 2];
    let (inputs, scale) = positive::<WIDE, WIDE_PAIRS, PIECES>(frames);
    let [before, at, after] = &WEIGHTS.second;
    add(machine, before, &inputs, [1], &scale, [b]);
    add(machine, at, &inputs, [0, 2], &scale, [a, b]);
    add(machine, after, &inputs, [1, 3], &scale, [a, b]);

    let mut third = begin::<NARROW>(WEIGHTS.third_bias);
    let (inputs, scale) = positive::<NARROW, NARROW_PAIRS, 2>([*a, *b]);
    let [at, after] = &WEIGHTS.third;
    add(machine, at, &inputs, [0], &scale, [&mut third]);
    add(machine, after, &inputs, [1], &scale, [&mut third]);

    let mut fourth = begin::<WIDE>(WEIGHTS.fourth_bias);
    let (inputs, scale) = positive::<NARROW, NARROW_PAIRS, 1>([third]);
    add(machine, &WEIGHTS.fourth, &inputs, [0], &scale, [&mut fourth]);
    (fourth.map(|value| value.max(0.0)), magnitudes)
}

/// What is added to the outputs of a layer.
#[inline(always)]
fn begin<const ROWS: usize>(bias: &[f32]) -> [f32; ROWS] {
    let mut outputs = [0.0; ROWS];
    outputs.copy_from_slice(bias);
    outputs
}

/// Adds the matrix times some of the inputs to as many outputs.
#[inline(always)]
fn add<const WANTED: usize, const ALL: usize, const ROWS: usize>(
    machine: impl Machine,
    matrix: &Matrix,
    inputs: &[[i32; ALL]],
    lanes: [usize; WANTED],
    scale: &[f32; ALL],
    mut outputs: [&mut [f32; ROWS]; WANTED],
) {
    let groups = matrix.tiles.chunks_exact(matrix.tiles.len() / (ROWS / GROUP));
    for (group, (tiles, scales)) in groups.zip(matrix.scales.as_chunks::<GROUP>().0).enumerate() {
        let sums = machine.multiply(tiles, inputs, lanes);
        for (output, (sums, lane)) in outputs.iter_mut().zip(sums.iter().zip(lanes)) {
            let rows = &mut output.as_chunks_mut::<GROUP>().0[group];
            machine.scale(rows, sums, scales, scale[lane]);
        }
    }
}

/// The positive parts of frames as whole numbers.
#[inline(always)]
fn positive<const COUNT: usize, const PAIRS: usize, const FRAMES: usize>(
    frames: [[f32; COUNT]; FRAMES],
) -> ([[i32; FRAMES]; PAIRS], [f32; FRAMES]) {
    whole(&frames.map(|frame| frame.map(|value| value.max(0.0))))
}

/// Frames as whole numbers, pair by pair, and what they are to be multiplied by.
#[inline(always)]
fn whole<const COUNT: usize, const PAIRS: usize, const FRAMES: usize>(
    frames: &[[f32; COUNT]; FRAMES],
) -> ([[i32; FRAMES]; PAIRS], [f32; FRAMES]) {
    let most = frames.each_ref().map(|frame| {
        let mut most = [0.0f32; 8];
        for values in frame.as_chunks::<8>().0 {
            let mut lane = 0;
            while lane < 8 {
                most[lane] = if values[lane] > most[lane] { values[lane] } else { most[lane] };
                lane += 1;
            }
        }
        let rest = frame.as_chunks::<8>().1;
        most.iter().chain(rest).fold(LEAST, |most, &value| if value > most { value } else { most })
    });
    scaled(frames, most)
}

/// Frames whose values are at most so large, as whole numbers, pair by pair, and what they are to be multiplied by.
#[inline(always)]
fn scaled<const COUNT: usize, const PAIRS: usize, const FRAMES: usize>(
    frames: &[[f32; COUNT]; FRAMES],
    most: [f32; FRAMES],
) -> ([[i32; FRAMES]; PAIRS], [f32; FRAMES]) {
    let mut inputs = [[0; FRAMES]; PAIRS];
    let mut frame = 0;
    while frame < FRAMES {
        let scale = WHOLE / most[frame];
        let mut pair = 0;
        while pair < PAIRS {
            let (first, second) =
                (nearest(frames[frame][2 * pair] * scale), nearest(frames[frame][2 * pair + 1] * scale));
            inputs[pair][frame] = (first & 0xFFFF) | second << 16;
            pair += 1;
        }
        frame += 1;
    }
    (inputs, most.map(|most| most / WHOLE))
}

/// The nearest whole number, without a branch or a call. Correct up to 2²².
#[inline(always)]
fn nearest(value: f32) -> i32 {
    (value + ROUNDING).to_bits() as i32 - ROUNDING.to_bits() as i32
}

/// The logistic function.
#[inline(always)]
pub(super) fn logistic(x: f32) -> f32 {
    1.0 / (1.0 + power_of_two(-x * std::f32::consts::LOG2_E))
}

/// The hyperbolic tangent.
#[inline(always)]
pub(super) fn tanh(x: f32) -> f32 {
    1.0 - 2.0 / (1.0 + power_of_two(x * (2.0 * std::f32::consts::LOG2_E)))
}

/// 2 to the power of `x`, good to seven digits; the same on every machine, which a library's is not.
#[inline(always)]
fn power_of_two(x: f32) -> f32 {
    let x = if x > -60.0 { x } else { -60.0 };
    let x = if x < 60.0 { x } else { 60.0 };
    let whole = nearest(x);
    let part = x - whole as f32;
    let mut value = POWERS[5];
    let mut at = 5;
    while at > 0 {
        at -= 1;
        value = value * part + POWERS[at];
    }
    value * f32::from_bits(((whole + 127) << 23) as u32)
}

/// Added and taken away, it rounds: 1.5 · 2²³.
const ROUNDING: f32 = 12_582_912.0;
/// The largest whole number an input becomes: with it no sum of products leaves 32 bits (`silero.py` sees to it).
const WHOLE: f32 = 16_383.0;
/// Inputs that are all smaller are nothing.
const LEAST: f32 = 1e-9;
/// The polynomial nearest to 2ˣ between −½ and ½.
const POWERS: [f32; 6] = [1.000_000_1, 0.693_146_94, 0.240_221_22, 0.055_507_425, 0.009_675_46, 0.001_326_697_1];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::vad::kernel::{Width, Work};
    use crate::audio::wav::Wav;

    fn read(path: &str) -> Vec<u8> {
        std::fs::read(format!("{}/fixtures/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    /// The probability of each window of 32 ms by the model's own last layer.
    struct Own<'a>(&'a [i16]);

    impl Work for Own<'_> {
        type Result = Vec<f32>;

        #[inline(always)]
        fn run(self, machine: impl Machine) -> Vec<f32> {
            let (spectrum, mut memory) = (Spectrum::new(), Memory::new());
            let mut sound = vec![0.0; WINDOW - 256];
            sound.extend(self.0.iter().map(|&sample| f32::from(sample) / 32_768.0));
            let windows = sound.windows(WINDOW).step_by(256);
            windows
                .map(|window| {
                    let (encoded, _) = encode(&spectrum, window.try_into().unwrap(), machine);
                    memory.take(&encoded, machine);
                    let (weights, bias) = WEIGHTS.own_readout.split_at(CELLS);
                    let sum: f32 = memory.said.iter().zip(weights).map(|(said, weight)| said.max(0.0) * weight).sum();
                    logistic(sum + bias[0])
                })
                .collect()
        }
    }

    #[test]
    fn it_says_what_the_original_says() {
        for (name, seconds) in [("talk", 4), ("talk-babble-10db", 2), ("talk-white-10db", 2)] {
            let samples = Wav::parse(&read(&format!("audio/{name}.wav"))).unwrap().into_mono();
            let found = Width::best().run(Own(&samples[..seconds * 8_000]));
            let expected = String::from_utf8(read(&format!("vad/silero-{name}.txt"))).unwrap();
            let expected = expected.lines().map(|line| line.parse::<f32>().unwrap());
            let worst =
                found.iter().zip(expected).map(|(found, expected)| (found - expected).abs()).fold(0.0, f32::max);
            println!("{name}: {worst}");
            assert!(found.len() > 50 && worst < 5e-3, "{name} is off by {worst}");
        }
    }

    #[test]
    fn every_machine_says_the_same_to_the_bit() {
        let samples = Wav::parse(&read("audio/talk-babble-5db.wav")).unwrap().into_mono();
        let samples = &samples[4_000..12_000];
        assert_eq!(Width::best().run(Own(samples)), Width::Plain.run(Own(samples)));
    }

    #[test]
    fn its_curves_are_those_of_the_definitions() {
        for step in -400..=400 {
            let x = step as f32 / 20.0;
            assert!((tanh(x) - x.tanh()).abs() < 1e-6 && (logistic(x) - 1.0 / (1.0 + (-x).exp())).abs() < 1e-6, "{x}");
        }
        assert!(logistic(-1e9) < 1e-15 && logistic(1e9) == 1.0 && tanh(-1e9) == -1.0);
    }
}
