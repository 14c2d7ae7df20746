//! Products of whole numbers, as wide as the machine allows.

/// Rows of a matrix that are summed side by side, and how many tiles they are.
pub(super) const GROUP: usize = 32;
const TILES: usize = 4;
/// Rows of one tile.
const ROWS: usize = GROUP / TILES;

/// Two columns of eight rows of a matrix: little-endian `i16`, the two of a row beside each other.
pub(super) type Tile = [u8; 4 * ROWS];

/// What a machine can do. Whole numbers, so that every kind gives the same result to the bit.
pub(super) trait Machine: Copy {
    /// Some rows of a matrix times several inputs. Each item of `inputs` holds two values of every input (the first in the
    /// lower half), for as many inputs as there are; `lanes` says which of them are wanted.
    fn multiply<const WANTED: usize, const ALL: usize>(
        self,
        group: &[Tile],
        inputs: &[[i32; ALL]],
        lanes: [usize; WANTED],
    ) -> [[i32; GROUP]; WANTED];

    /// Adds sums to outputs, each times its own scale and one for all.
    fn scale(self, outputs: &mut [f32; GROUP], sums: &[i32; GROUP], scales: &[f32; GROUP], scale: f32);

    /// Adds rows of weights to sums, each times its value, one row after the other.
    fn weigh<const BLOCKS: usize>(self, sums: &mut [Block; BLOCKS], values: &[f32], rows: &[[Block; BLOCKS]]);
}

/// Numbers that are added and multiplied side by side.
pub(super) type Block = [f32; LANES];
pub(super) const LANES: usize = 8;

/// Any machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Plain;

impl Machine for Plain {
    #[inline(always)]
    fn multiply<const WANTED: usize, const ALL: usize>(
        self,
        group: &[Tile],
        inputs: &[[i32; ALL]],
        lanes: [usize; WANTED],
    ) -> [[i32; GROUP]; WANTED] {
        let mut sums = [[0i32; GROUP]; WANTED];
        for (tiles, pairs) in group.as_chunks::<TILES>().0.iter().zip(inputs) {
            for (sums, lane) in sums.iter_mut().zip(lanes) {
                let (first, second) = (i32::from(pairs[lane] as i16), pairs[lane] >> 16);
                for (sums, tile) in sums.as_chunks_mut::<ROWS>().0.iter_mut().zip(tiles) {
                    for (sum, [a, b, c, d]) in sums.iter_mut().zip(tile.as_chunks::<4>().0) {
                        let weights = (i16::from_le_bytes([*a, *b]), i16::from_le_bytes([*c, *d]));
                        *sum += i32::from(weights.0) * first + i32::from(weights.1) * second;
                    }
                }
            }
        }
        sums
    }

    #[inline(always)]
    fn scale(self, outputs: &mut [f32; GROUP], sums: &[i32; GROUP], scales: &[f32; GROUP], scale: f32) {
        let mut row = 0;
        while row < GROUP {
            outputs[row] += sums[row] as f32 * (scales[row] * scale);
            row += 1;
        }
    }

    #[inline(always)]
    fn weigh<const BLOCKS: usize>(self, sums: &mut [Block; BLOCKS], values: &[f32], rows: &[[Block; BLOCKS]]) {
        for (&value, row) in values.iter().zip(rows) {
            for (sums, weights) in sums.iter_mut().zip(row) {
                for (sum, weight) in sums.iter_mut().zip(weights) {
                    *sum += value * weight;
                }
            }
        }
    }
}

/// x86-64 with AVX2, as about every server has it.
#[cfg(target_arch = "x86_64")]
impl Machine for pulp::x86::V3 {
    #[inline(always)]
    fn multiply<const WANTED: usize, const ALL: usize>(
        self,
        group: &[Tile],
        inputs: &[[i32; ALL]],
        lanes: [usize; WANTED],
    ) -> [[i32; GROUP]; WANTED] {
        let mut sums = [[self.avx._mm256_setzero_si256(); TILES]; WANTED];
        for (tiles, pairs) in group.as_chunks::<TILES>().0.iter().zip(inputs) {
            for (sums, lane) in sums.iter_mut().zip(lanes) {
                let pair = self.avx._mm256_set1_epi32(pairs[lane]);
                for (sum, tile) in sums.iter_mut().zip(tiles) {
                    let products = self.avx2._mm256_madd_epi16(pulp::cast(*tile), pair);
                    *sum = self.avx2._mm256_add_epi32(*sum, products);
                }
            }
        }
        sums.map(pulp::cast)
    }

    #[inline(always)]
    fn scale(self, outputs: &mut [f32; GROUP], sums: &[i32; GROUP], scales: &[f32; GROUP], scale: f32) {
        let Self { avx, .. } = self;
        let scale = avx._mm256_set1_ps(scale);
        let places = outputs.as_chunks_mut::<LANES>().0.iter_mut().zip(sums.as_chunks::<LANES>().0);
        for ((outputs, sums), scales) in places.zip(scales.as_chunks::<LANES>().0) {
            let sums = avx._mm256_cvtepi32_ps(pulp::cast(*sums));
            let added = avx._mm256_mul_ps(sums, avx._mm256_mul_ps(pulp::cast(*scales), scale));
            *outputs = pulp::cast(avx._mm256_add_ps(pulp::cast(*outputs), added));
        }
    }

    #[inline(always)]
    fn weigh<const BLOCKS: usize>(self, sums: &mut [Block; BLOCKS], values: &[f32], rows: &[[Block; BLOCKS]]) {
        let Self { avx, .. } = self;
        let mut totals = sums.map(pulp::cast::<_, core::arch::x86_64::__m256>);
        for (&value, row) in values.iter().zip(rows) {
            let value = avx._mm256_set1_ps(value);
            for (total, weights) in totals.iter_mut().zip(row) {
                *total = avx._mm256_add_ps(*total, avx._mm256_mul_ps(value, pulp::cast(*weights)));
            }
        }
        *sums = totals.map(pulp::cast);
    }
}

/// Work that is compiled once for each kind of machine: all it calls must be `#[inline(always)]`.
pub(super) trait Work {
    /// What comes of it.
    type Result;

    /// Does it.
    fn run(self, machine: impl Machine) -> Self::Result;
}

/// The best this machine can do.
#[derive(Clone, Copy, Debug)]
pub(super) enum Width {
    /// Nothing is known of it.
    Plain,
    /// AVX2.
    #[cfg(target_arch = "x86_64")]
    V3(pulp::x86::V3),
}

impl Width {
    /// Asks the processor.
    pub(super) fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(v3) = pulp::x86::V3::try_new() {
            return Self::V3(v3);
        }
        Self::Plain
    }

    /// Does the work on this machine.
    pub(super) fn run<W: Work>(self, work: W) -> W::Result {
        match self {
            Self::Plain => work.run(Plain),
            #[cfg(target_arch = "x86_64")]
            Self::V3(v3) => v3.vectorize(On { machine: v3, work }),
        }
    }
}

/// Work on its way to a machine.
#[cfg(target_arch = "x86_64")]
struct On<W> {
    machine: pulp::x86::V3,
    work: W,
}

#[cfg(target_arch = "x86_64")]
impl<W: Work> pulp::NullaryFnOnce for On<W> {
    type Output = W::Result;

    #[inline(always)]
    fn call(self) -> Self::Output {
        self.work.run(self.machine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_machine_scales_and_weighs_alike_to_the_bit() {
        struct Both([i32; GROUP], [f32; GROUP], [f32; 5], [[Block; 3]; 5]);
        impl Work for &Both {
            type Result = ([f32; GROUP], [Block; 3]);
            #[inline(always)]
            fn run(self, machine: impl Machine) -> Self::Result {
                let (mut outputs, mut sums) = (self.1, self.3[1]);
                machine.scale(&mut outputs, &self.0, &self.1, 0.37);
                machine.weigh(&mut sums, &self.2, &self.3);
                (outputs, sums)
            }
        }
        let value = |n: usize| ((n * 7_919) % 1_013) as f32 / 97.0 - 5.0;
        let both = Both(
            std::array::from_fn(|n| (n as i32 - 16) * 16_777_259),
            std::array::from_fn(value),
            std::array::from_fn(|n| value(n + 40)),
            std::array::from_fn(|a| std::array::from_fn(|b| std::array::from_fn(|c| value(a * 24 + b * 8 + c)))),
        );
        let (outputs, sums) = Width::Plain.run(&both);
        assert_eq!(Width::best().run(&both), (outputs, sums));
        assert_eq!(outputs[3], both.1[3] + both.0[3] as f32 * (both.1[3] * 0.37));
        let by_hand = (0..5).fold(both.3[1][2][7], |sum, row| sum + both.2[row] * both.3[row][2][7]);
        assert_eq!(sums[2][7], by_hand);
    }

    #[test]
    fn every_machine_sums_alike_and_as_by_hand() {
        let mut seed = 1u32;
        let mut next = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            seed >> 16
        };
        const PAIRS: usize = 33;
        let tiles: Vec<Tile> = (0..PAIRS * TILES).map(|_| std::array::from_fn(|_| next() as u8)).collect();
        let inputs: [[i32; 4]; PAIRS] = std::array::from_fn(|_| {
            std::array::from_fn(|_| (next() >> 4) as i32 | ((next() as i32 - 32_768) >> 4) << 16)
        });
        struct Sum<'a>(&'a [Tile], &'a [[i32; 4]]);
        impl Work for Sum<'_> {
            type Result = [[i32; GROUP]; 3];
            #[inline(always)]
            fn run(self, machine: impl Machine) -> Self::Result {
                machine.multiply(self.0, self.1, [3, 0, 1])
            }
        }
        let plain = Width::Plain.run(Sum(&tiles, &inputs));
        assert_eq!(Width::best().run(Sum(&tiles, &inputs)), plain);
        let by_hand = |lane: usize, row: usize| -> i32 {
            (0..PAIRS)
                .map(|pair| {
                    let tile = tiles[pair * TILES + row / ROWS];
                    let at = row % ROWS * 4;
                    let weight = |at: usize| i32::from(i16::from_le_bytes([tile[at], tile[at + 1]]));
                    let value = inputs[pair][lane];
                    weight(at) * i32::from(value as i16) + weight(at + 2) * (value >> 16)
                })
                .sum()
        };
        for (sums, lane) in plain.iter().zip([3, 0, 1]) {
            assert!((0..GROUP).all(|row| sums[row] == by_hand(lane, row)));
        }
    }
}
