//! The two directions of G.722.

use super::band::Band;
use super::mirror::Mirror;

/// Codes sound of 16 kHz.
#[derive(Clone, Debug)]
pub struct G722Encoder {
    mirror: Mirror,
    lower: Band,
    upper: Band,
}

impl G722Encoder {
    /// A coder that has sent nothing.
    pub fn new() -> Self {
        Self { mirror: Mirror::default(), lower: Band::lower(), upper: Band::upper() }
    }

    /// Codes pairs of samples into the front of `payload`, as many as both hold, and says how many bytes it wrote. A last
    /// sample without a partner is left out.
    pub fn encode(&mut self, samples: &[i16], payload: &mut [u8]) -> usize {
        let pairs = samples.chunks_exact(2).zip(payload);
        pairs.map(|(pair, byte)| *byte = self.byte(pair)).count()
    }

    fn byte(&mut self, pair: &[i16]) -> u8 {
        let &[earlier, later] = pair else { return SILENCE };
        let (low, high) = self.mirror.split(earlier, later);
        let (lower, upper) = (self.lower.quantise_lower(low), self.upper.quantise_upper(high));
        self.lower.lower_value(lower);
        self.upper.upper_value(upper);
        upper << 6 | lower
    }
}

impl Default for G722Encoder {
    fn default() -> Self {
        Self::new()
    }
}

/// Decodes to sound of 16 kHz.
///
/// The decoder predicts from what came before, so a gap leaves it beside the sender: let it
/// [`follow`](G722Decoder::follow) what was played in the place of what was lost, and it comes back sooner.
#[derive(Clone, Debug)]
pub struct G722Decoder {
    mirror: Mirror,
    lower: Band,
    upper: Band,
    /// The sender's filter, as far as it can be told from what was played.
    sender: Mirror,
    gap: u32,
}

impl G722Decoder {
    /// A decoder that has heard nothing.
    pub fn new() -> Self {
        let (lower, upper) = (Band::lower(), Band::upper());
        Self { mirror: Mirror::default(), lower, upper, sender: Mirror::default(), gap: 0 }
    }

    /// Decodes bytes into the front of `samples`, two for each, as many as both hold; says how many bytes it decoded.
    pub fn decode(&mut self, payload: &[u8], samples: &mut [i16]) -> usize {
        self.gap = 0;
        let pairs = samples.chunks_exact_mut(2).zip(payload);
        pairs
            .map(|(pair, byte)| {
                let (low, high) = (self.lower.lower_value(byte & 0x3F), self.upper.upper_value(byte >> 6));
                let joined = self.mirror.join(low, high);
                self.sender.split(joined[0], joined[1]);
                pair.copy_from_slice(&joined);
            })
            .count()
    }

    /// Takes what was played while nothing came: the predictor moves on as the sender's would have, while the quantiser
    /// stays as wide as it was, since what is made up fades and the voice may not. For the first
    /// [`FOLLOWED`](Self::FOLLOWED) samples of a gap: beyond them what is made up says nothing about what was sent, and the
    /// decoder begins anew.
    pub fn follow(&mut self, played: &[i16]) {
        let before = self.gap;
        self.gap = self.gap.saturating_add(u32::try_from(played.len()).unwrap_or(u32::MAX));
        if self.gap > Self::FOLLOWED {
            if before <= Self::FOLLOWED {
                *self = Self { gap: self.gap, ..Self::new() };
            }
            return;
        }
        let (lower_step, upper_step) = (self.lower.step(), self.upper.step());
        for pair in played.chunks_exact(2) {
            let &[earlier, later] = pair else { break };
            let (low, high) = self.sender.split(earlier, later);
            let (lower, upper) = (self.lower.quantise_lower(low), self.upper.quantise_upper(high));
            let (low, high) = (self.lower.lower_value(lower), self.upper.upper_value(upper));
            self.mirror.join(low, high);
        }
        self.lower.keep_step(lower_step);
        self.upper.keep_step(upper_step);
    }

    /// 200 ms.
    pub const FOLLOWED: u32 = 3_200;
}

impl Default for G722Decoder {
    fn default() -> Self {
        Self::new()
    }
}

/// A small step up in both bands.
const SILENCE: u8 = 0xFA;
