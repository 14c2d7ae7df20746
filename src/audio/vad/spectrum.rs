//! The power of sound in critical bands.

use std::f32::consts::PI;

/// How many bands there are.
pub(super) const BANDS: usize = 16;
/// Samples at 8 kHz that one analysis sees: 20 ms.
pub(super) const WINDOW: usize = 160;

/// Power in each band, in squared sample units: white noise of a given root mean square gives its square in each.
pub(super) type Bands = [f32; BANDS];

/// Looks at 20 ms of sound at 8 kHz through bands as wide as those of hearing (Zwicker's critical bands), 100 to 3 700 Hz.
#[derive(Clone)]
pub(super) struct Spectrum {
    window: [f32; WINDOW],
    /// Powers of the primitive root of unity of order [`SIZE`], the first half of them.
    roots: [Complex; SIZE / 2],
    /// So that white noise of power 1 has power 1 in every bin.
    scale: f32,
}

impl Spectrum {
    pub(super) fn new() -> Self {
        let turn = |n: usize, of: usize| 2.0 * PI * n as f32 / of as f32;
        let window: [f32; WINDOW] = std::array::from_fn(|n| 0.5 - 0.5 * turn(2 * n + 1, 2 * WINDOW).cos());
        let roots = std::array::from_fn(|n| Complex { re: turn(n, SIZE).cos(), im: -turn(n, SIZE).sin() });
        let scale = 1.0 / window.iter().map(|weight| weight * weight).sum::<f32>();
        Self { window, roots, scale }
    }

    pub(super) fn bands(&self, samples: &[i16; WINDOW]) -> Bands {
        let power = self.power(samples);
        std::array::from_fn(|band| {
            let bins = &power[EDGES[band]..EDGES[band + 1]];
            bins.iter().sum::<f32>() * self.scale / bins.len() as f32
        })
    }

    /// The squared magnitude of each bin of the real transform.
    fn power(&self, samples: &[i16; WINDOW]) -> [f32; HALF] {
        // Even samples become real parts, odd ones imaginary parts: half the size does.
        let mut z = [Complex { re: 0.0, im: 0.0 }; HALF];
        for (n, pair) in samples.chunks_exact(2).enumerate() {
            let place = (n as u32).reverse_bits() >> (u32::BITS - HALF.ilog2());
            z[place as usize] = Complex {
                re: f32::from(pair[0]) * self.window[2 * n],
                im: f32::from(pair[1]) * self.window[2 * n + 1],
            };
        }
        self.transform(&mut z);
        std::array::from_fn(|bin| {
            let (a, b) = (z[bin], z[(HALF - bin) % HALF].conjugate());
            let even = a.plus(b);
            let odd = a.minus(b).times(Complex { re: 0.0, im: -1.0 }).times(self.roots[bin]);
            even.plus(odd).squared() / 4.0
        })
    }

    /// Radix-2 transform of bit-reversed input, in place.
    fn transform(&self, z: &mut [Complex; HALF]) {
        let mut width = 1;
        while width < HALF {
            let stride = SIZE / (2 * width);
            for block in z.chunks_exact_mut(2 * width) {
                let (low, high) = block.split_at_mut(width);
                for (n, (a, b)) in low.iter_mut().zip(high).enumerate() {
                    let turned = b.times(self.roots[n * stride]);
                    (*a, *b) = (a.plus(turned), a.minus(turned));
                }
            }
            width *= 2;
        }
    }
}

/// Size of the transform: the window and zeros behind it.
const SIZE: usize = 256;
const HALF: usize = SIZE / 2;
/// Where each band begins, in bins of 31.25 Hz, and where the last one ends.
const EDGES: [usize; BANDS + 1] = [3, 6, 10, 13, 16, 20, 25, 29, 35, 41, 47, 55, 64, 74, 86, 101, 118];

#[derive(Clone, Copy)]
struct Complex {
    re: f32,
    im: f32,
}

impl Complex {
    fn plus(self, other: Self) -> Self {
        Self { re: self.re + other.re, im: self.im + other.im }
    }

    fn minus(self, other: Self) -> Self {
        Self { re: self.re - other.re, im: self.im - other.im }
    }

    fn times(self, other: Self) -> Self {
        Self { re: self.re * other.re - self.im * other.im, im: self.re * other.im + self.im * other.re }
    }

    fn conjugate(self) -> Self {
        Self { re: self.re, im: -self.im }
    }

    fn squared(self) -> f32 {
        self.re * self.re + self.im * self.im
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transform_agrees_with_its_definition() {
        let samples: [i16; WINDOW] = std::array::from_fn(|n| ((n * n * 37) % 4_001) as i16 - 2_000);
        let spectrum = Spectrum::new();
        for (bin, &power) in spectrum.power(&samples).iter().enumerate() {
            let (mut re, mut im) = (0.0f64, 0.0f64);
            for (n, &sample) in samples.iter().enumerate() {
                let angle = -2.0 * std::f64::consts::PI * (bin * n) as f64 / SIZE as f64;
                let value = f64::from(sample) * f64::from(spectrum.window[n]);
                re += value * angle.cos();
                im += value * angle.sin();
            }
            let expected = re * re + im * im;
            assert!((f64::from(power) - expected).abs() <= 1e-4 * expected + 10.0, "bin {bin}: {power} for {expected}");
        }
    }

    #[test]
    fn a_tone_lands_in_its_band() {
        let samples = std::array::from_fn(|n| (8_000.0 * (2.0 * PI * 1_000.0 * n as f32 / 8_000.0).sin()) as i16);
        let bands = Spectrum::new().bands(&samples);
        // 1 000 Hz is bin 32, in the band of bins 29 to 34.
        assert!((0..BANDS).filter(|&band| band != 7).all(|band| bands[band] < bands[7] / 100.0), "{bands:?}");
    }
}
