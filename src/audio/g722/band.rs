//! One band: the prediction both sides make from what was sent before.

use super::mirror::saturated;

/// The adaptive predictor and quantiser of one band. Coder and decoder hold the same one and feed it the same codes, so
/// that both predict the same. All numbers are those of the recommendation's 16-bit arithmetic (its sub-blocks are named
/// in capitals).
#[derive(Clone, Debug)]
pub(super) struct Band {
    /// What the next value is predicted to be, and the part of it that the zeros give.
    signal: i32,
    zeros: i32,
    /// Reconstructed values, the newest first, and the sums without the poles' part.
    reconstructed: [i32; 2],
    partial: [i32; 2],
    /// The predictor: two poles, six zeros over the last differences.
    poles: [i32; 2],
    taps: [i32; 6],
    differences: [i32; 6],
    /// The logarithm of the quantiser's step, and the step.
    log_step: i32,
    step: i32,
}

impl Band {
    /// The lower band before anything was sent.
    pub(super) const fn lower() -> Self {
        Self::new(32)
    }

    /// The upper band.
    pub(super) const fn upper() -> Self {
        Self::new(8)
    }

    const fn new(step: i32) -> Self {
        Self {
            signal: 0,
            zeros: 0,
            reconstructed: [0; 2],
            partial: [0; 2],
            poles: [0; 2],
            taps: [0; 6],
            differences: [0; 6],
            log_step: 0,
            step,
        }
    }

    /// The six bits for a value of the lower band (SUBTRA, QUANTL).
    pub(super) fn quantise_lower(&self, value: i32) -> u8 {
        let difference = sat(value - self.signal);
        let size = if difference < 0 { -(difference + 1) } else { difference };
        let level = DECISIONS.iter().take_while(|decision| size >= (*decision * self.step) >> 12).count() as u8;
        // The codes fall as the difference grows, first those of the negative side.
        if difference >= 0 {
            61 - level
        } else if level < 2 {
            63 - level
        } else {
            33 - level
        }
    }

    /// The two bits for a value of the upper band (SUBTRA, QUANTH).
    pub(super) fn quantise_upper(&self, value: i32) -> u8 {
        let difference = sat(value - self.signal);
        let size = if difference < 0 { -(difference + 1) } else { difference };
        let is_large = size >= (564 * self.step) >> 12;
        match (difference < 0, is_large) {
            (true, false) => 1,
            (true, true) => 0,
            (false, false) => 3,
            (false, true) => 2,
        }
    }

    /// The value that six bits of the lower band stand for; the predictor moves on by its four highest, which every mode
    /// of the codec sends (INVQBL, RECONS, LIMIT; INVQAL, LOGSCL, SCALEL).
    pub(super) fn lower_value(&mut self, code: u8) -> i32 {
        let code = usize::from(code & 0x3F);
        let value = limited(self.signal + ((self.step * SIX_BITS[code]) >> 15));
        let coarse = code >> 2;
        let difference = (self.step * FOUR_BITS[coarse]) >> 15;
        self.log_step = (((self.log_step * 127) >> 7) + LOWER_LOGS[coarse]).clamp(0, 18_432);
        self.step = step(self.log_step, 8);
        self.adapt(difference);
        value
    }

    /// The value that two bits of the upper band stand for (INVQAH, RECONS, LIMIT; LOGSCH, SCALEH).
    pub(super) fn upper_value(&mut self, code: u8) -> i32 {
        let code = usize::from(code & 0x03);
        let difference = (self.step * TWO_BITS[code]) >> 15;
        let value = limited(self.signal + difference);
        self.log_step = (((self.log_step * 127) >> 7) + UPPER_LOGS[code]).clamp(0, 22_528);
        self.step = step(self.log_step, 10);
        self.adapt(difference);
        value
    }

    /// Takes back the quantiser's step of `before`, whatever was coded since.
    pub(super) const fn keep_step(&mut self, before: (i32, i32)) {
        (self.log_step, self.step) = before;
    }

    /// The quantiser's step: its logarithm, and itself.
    pub(super) const fn step(&self) -> (i32, i32) {
        (self.log_step, self.step)
    }

    /// Moves the predictor on by one quantised difference (block 4).
    fn adapt(&mut self, difference: i32) {
        let reconstructed = sat(self.signal + difference);
        let partial = sat(self.zeros + difference);
        let like = |before: i32| (partial < 0) == (before < 0);
        // UPPOL2
        let turn = sat(self.poles[0] * 4);
        let turn = sat(if like(self.partial[0]) { -turn } else { turn });
        let push = if like(self.partial[1]) { 128 } else { -128 };
        let second = ((turn >> 7) + push + ((self.poles[1] * 32_512) >> 15)).clamp(-12_288, 12_288);
        // UPPOL1
        let push = if like(self.partial[0]) { 192 } else { -192 };
        let most = sat(15_360 - second);
        let first = sat(push + ((self.poles[0] * 32_640) >> 15)).clamp(-most, most);
        // UPZERO
        let push = if difference == 0 { 0 } else { 128 };
        for (tap, before) in self.taps.iter_mut().zip(self.differences) {
            let signed = if (difference < 0) == (before < 0) { push } else { -push };
            *tap = sat(signed + ((*tap * 32_640) >> 15));
        }
        // DELAYA
        self.differences.copy_within(..5, 1);
        self.differences[0] = difference;
        self.reconstructed = [reconstructed, self.reconstructed[0]];
        self.partial = [partial, self.partial[0]];
        self.poles = [first, second];
        // FILTEP, FILTEZ, PREDIC
        let product = |factor: i32, value: i32| (factor * sat(2 * value)) >> 15;
        let poles = sat(product(first, self.reconstructed[0]) + product(second, self.reconstructed[1]));
        self.zeros = sat(self.taps.iter().zip(self.differences).map(|(&tap, value)| product(tap, value)).sum());
        self.signal = sat(poles + self.zeros);
    }
}

/// The quantiser's step for its logarithm; `shift` is where the band's range begins (SCALEL, SCALEH).
fn step(log_step: i32, shift: i32) -> i32 {
    let mantissa = STEPS[(log_step >> 6 & 31) as usize];
    let shift = shift - (log_step >> 11);
    (if shift < 0 { mantissa << -shift } else { mantissa >> shift }) << 2
}

fn sat(value: i32) -> i32 {
    i32::from(saturated(value))
}

/// What a band holds at most: 15 bits.
fn limited(value: i32) -> i32 {
    value.clamp(-16_384, 16_383)
}

/// Sizes of the difference, in steps by 2^12, at which its code changes (Q6, table 14).
const DECISIONS: [i32; 29] = [
    35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1_023, 1_121, 1_219, 1_339,
    1_458, 1_612, 1_765, 1_980, 2_195, 2_557, 2_919,
];
/// What the codes of the lower band stand for, in steps by 2^15, all six bits and the highest four (QQ6, QQ4, table 17).
const SIX_BITS: [i32; 64] = [
    -136, -136, -136, -136, -24_808, -21_904, -19_008, -16_704, -14_984, -13_512, -12_280, -11_192, -10_232, -9_360,
    -8_576, -7_856, -7_192, -6_576, -6_000, -5_456, -4_944, -4_464, -4_008, -3_576, -3_168, -2_776, -2_400, -2_032,
    -1_688, -1_360, -1_040, -728, 24_808, 21_904, 19_008, 16_704, 14_984, 13_512, 12_280, 11_192, 10_232, 9_360, 8_576,
    7_856, 7_192, 6_576, 6_000, 5_456, 4_944, 4_464, 4_008, 3_576, 3_168, 2_776, 2_400, 2_032, 1_688, 1_360, 1_040,
    728, 432, 136, -432, -136,
];
const FOUR_BITS: [i32; 16] =
    [0, -20_456, -12_896, -8_968, -6_288, -4_240, -2_584, -1_200, 20_456, 12_896, 8_968, 6_288, 4_240, 2_584, 1_200, 0];
/// What the codes of the upper band stand for (QQ2).
const TWO_BITS: [i32; 4] = [-7_408, -1_616, 7_408, 1_616];
/// By how much a code moves the logarithm of the step (WL by RL42, WH by RH2).
const LOWER_LOGS: [i32; 16] = [-60, 3_042, 1_198, 538, 334, 172, 58, -30, 3_042, 1_198, 538, 334, 172, 58, -30, -60];
const UPPER_LOGS: [i32; 4] = [798, -214, 798, -214];
/// 2^11 by the powers of the 32nd root of two (ILB, table 18).
const STEPS: [i32; 32] = [
    2_048, 2_093, 2_139, 2_186, 2_233, 2_282, 2_332, 2_383, 2_435, 2_489, 2_543, 2_599, 2_656, 2_714, 2_774, 2_834,
    2_896, 2_960, 3_025, 3_091, 3_158, 3_228, 3_298, 3_371, 3_444, 3_520, 3_597, 3_676, 3_756, 3_838, 3_922, 4_008,
];
