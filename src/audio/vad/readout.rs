//! From what the network's cells say to what is wanted to be known.

use super::kernel::{Block, LANES, Machine};
use super::silero::{CELLS, logistic, tanh};
use super::surroundings::{BANDS, LEVELS};

/// What is known of two hops.
#[derive(Debug)]
pub(super) struct Inputs {
    /// The cells of the newest window, and of the one 20 ms before.
    pub(super) cells: [[f32; CELLS]; 2],
    /// How loud it is beside how loud it was.
    pub(super) levels: [f32; LEVELS],
    /// Each band, above its floor and as it is.
    pub(super) bands: [[f32; BANDS]; 2],
}

/// How likely it is, 0 to 1, for each of the two hops.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Chances {
    /// That somebody is speaking; short closures within words count.
    pub(super) speaking: [f32; 2],
    /// That the voice sounds in that very hop.
    pub(super) sounding: [f32; 2],
}

impl Chances {
    /// Nobody.
    pub(super) const NONE: Self = Self { speaking: [0.0; 2], sounding: [0.0; 2] };

    /// Reads them out by a layer of [`UNITS`] and one behind it, which `fixtures/vad/readout.py` trained.
    #[inline(always)]
    pub(super) fn read(inputs: &Inputs, machine: impl Machine) -> Self {
        let [newest, before] = &inputs.cells;
        let [above, loud] = &inputs.bands;
        let (weights, sums, outputs, bias) = &WEIGHTS;
        let (mut sums, mut rows) = (*sums, weights.as_slice());
        for values in [newest.as_slice(), before, &inputs.levels, above, loud] {
            let (now, later) = rows.split_at(values.len());
            rows = later;
            machine.weigh(&mut sums, values, now);
        }
        let sums = sums.as_flattened_mut();
        let mut unit = 0;
        while unit < UNITS {
            sums[unit] = tanh(sums[unit]);
            unit += 1;
        }
        let [a, b, c, d] = std::array::from_fn(|output| {
            let weighed = sums.iter().zip(&outputs[output]).map(|(sum, weight)| sum * weight);
            logistic(weighed.fold(bias[output], |total, one| total + one))
        });
        Self { speaking: [a, b], sounding: [c, d] }
    }
}

const UNITS: usize = 24;
const OUTPUTS: usize = 4;
const INPUTS: usize = 2 * CELLS + LEVELS + 2 * BANDS;

/// One number of each unit.
type Units = [Block; UNITS / LANES];
type Weights = ([Units; INPUTS], Units, [[f32; UNITS]; OUTPUTS], [f32; OUTPUTS]);

static WEIGHTS: Weights = {
    let bytes = include_bytes!("readout.bin");
    assert!(bytes.len() == size_of::<f32>() * (INPUTS * UNITS + UNITS + OUTPUTS * UNITS + OUTPUTS), "its size");
    let nothing = [[0.0; LANES]; UNITS / LANES];
    let mut weights: Weights = ([nothing; INPUTS], nothing, [[0.0; UNITS]; OUTPUTS], [0.0; OUTPUTS]);
    let mut row = 0;
    while row < INPUTS {
        weights.0[row] = units(bytes, row * UNITS);
        row += 1;
    }
    weights.1 = units(bytes, row * UNITS);
    let mut output = 0;
    while output < OUTPUTS {
        weights.2[output] = floats(bytes, (row + 1 + output) * UNITS);
        output += 1;
    }
    weights.3 = floats(bytes, (row + 1 + OUTPUTS) * UNITS);
    weights
};

const fn units(bytes: &[u8], from: usize) -> Units {
    let mut units = [[0.0; LANES]; UNITS / LANES];
    let mut block = 0;
    while block < units.len() {
        units[block] = floats(bytes, from + block * LANES);
        block += 1;
    }
    units
}

const fn floats<const COUNT: usize>(bytes: &[u8], from: usize) -> [f32; COUNT] {
    let (bytes, _) = bytes.as_chunks::<4>();
    let mut floats = [0.0; COUNT];
    let mut at = 0;
    while at < COUNT {
        floats[at] = f32::from_le_bytes(bytes[from + at]);
        at += 1;
    }
    floats
}
