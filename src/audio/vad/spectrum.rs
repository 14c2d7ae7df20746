//! Magnitudes of the sound in short pieces.

use std::f32::consts::TAU;

/// Pieces that are looked at together, each [`SIZE`] samples long and [`STEP`] behind the one before.
pub(super) const PIECES: usize = 4;
/// Bins of a piece, 62.5 Hz apart.
pub(super) const BINS: usize = HALF + 1;
/// Samples at 8 kHz of a piece.
const SIZE: usize = 128;
/// Samples at 8 kHz between the beginnings of two pieces.
const STEP: usize = 64;
/// Samples at 8 kHz of all pieces together.
pub(super) const SPAN: usize = SIZE + (PIECES - 1) * STEP;

/// What is computed once for everybody.
#[derive(Debug)]
pub(super) struct Spectrum {
    /// A Hann window.
    window: [f32; SIZE],
    /// Powers of the primitive root of unity of order [`SIZE`], the first half of them: real and imaginary parts.
    roots: [(f32, f32); HALF],
}

/// One value of each piece.
type Each = [f32; PIECES];

impl Spectrum {
    pub(super) fn new() -> Self {
        let turn = |n: usize| TAU * n as f32 / SIZE as f32;
        Self {
            window: std::array::from_fn(|n| 0.5 - 0.5 * turn(n).cos()),
            roots: std::array::from_fn(|n| (turn(n).cos(), -turn(n).sin())),
        }
    }

    /// The magnitude of each bin in each piece.
    #[inline(always)]
    pub(super) fn magnitudes(&self, sound: &[f32; SPAN]) -> [Each; BINS] {
        // Even samples become real parts, odd ones imaginary parts: half the size does. All pieces go side by side.
        let mut re = [[0.0; PIECES]; HALF];
        let mut im = [[0.0; PIECES]; HALF];
        let mut n = 0;
        while n < HALF {
            let place = n.reverse_bits() >> (usize::BITS - HALF.ilog2());
            let mut piece = 0;
            while piece < PIECES {
                let at = piece * STEP + 2 * n;
                re[place][piece] = sound[at] * self.window[2 * n];
                im[place][piece] = sound[at + 1] * self.window[2 * n + 1];
                piece += 1;
            }
            n += 1;
        }
        self.transform(&mut re, &mut im);
        let mut magnitudes = [[0.0; PIECES]; BINS];
        let mut bin = 0;
        while bin < BINS {
            let (here, there) = (bin % HALF, (HALF - bin) % HALF);
            let (cos, sin) = if bin < HALF { self.roots[bin] } else { (-1.0, 0.0) };
            let mut piece = 0;
            while piece < PIECES {
                let (even_re, odd_im) = (re[here][piece] + re[there][piece], re[there][piece] - re[here][piece]);
                let (even_im, odd_re) = (im[here][piece] - im[there][piece], im[here][piece] + im[there][piece]);
                let sum_re = even_re + odd_re * cos - odd_im * sin;
                let sum_im = even_im + odd_re * sin + odd_im * cos;
                magnitudes[bin][piece] = 0.5 * (sum_re * sum_re + sum_im * sum_im).sqrt();
                piece += 1;
            }
            bin += 1;
        }
        magnitudes
    }

    /// Radix-2 transform of bit-reversed input, in place.
    #[inline(always)]
    fn transform(&self, re: &mut [Each; HALF], im: &mut [Each; HALF]) {
        let mut width = 1;
        while width < HALF {
            let stride = HALF / width;
            let mut n = 0;
            while n < width {
                let (cos, sin) = self.roots[n * stride];
                let mut low = n;
                while low < HALF {
                    let high = low + width;
                    let mut piece = 0;
                    while piece < PIECES {
                        let turned_re = re[high][piece] * cos - im[high][piece] * sin;
                        let turned_im = re[high][piece] * sin + im[high][piece] * cos;
                        re[high][piece] = re[low][piece] - turned_re;
                        im[high][piece] = im[low][piece] - turned_im;
                        re[low][piece] += turned_re;
                        im[low][piece] += turned_im;
                        piece += 1;
                    }
                    low += 2 * width;
                }
                n += 1;
            }
            width *= 2;
        }
    }
}

const HALF: usize = SIZE / 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transform_agrees_with_its_definition() {
        let sound: [f32; SPAN] = std::array::from_fn(|n| ((n * n * 37) % 4_001) as f32 / 4_001.0 - 0.5);
        let found = Spectrum::new().magnitudes(&sound);
        for (bin, pieces) in found.iter().enumerate() {
            for (piece, &magnitude) in pieces.iter().enumerate() {
                let (mut re, mut im) = (0.0f64, 0.0f64);
                for n in 0..SIZE {
                    let turn = std::f64::consts::TAU * n as f64 / SIZE as f64;
                    let value = f64::from(sound[piece * STEP + n]) * (0.5 - 0.5 * turn.cos());
                    re += value * (turn * bin as f64).cos();
                    im += value * (turn * bin as f64).sin();
                }
                let expected = re.hypot(im);
                assert!(
                    (f64::from(magnitude) - expected).abs() < 2e-5,
                    "bin {bin} of piece {piece}: {magnitude} for {expected}"
                );
            }
        }
    }
}
