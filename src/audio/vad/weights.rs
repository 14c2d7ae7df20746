//! The weights of the network, as `fixtures/vad/silero.py` laid them out.

use super::kernel::{GROUP, Tile};

/// A matrix of whole numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Matrix {
    /// By groups of rows; within a group two columns after the other.
    pub(super) tiles: &'static [Tile],
    /// What each row is to be multiplied by.
    pub(super) scales: &'static [f32],
}

/// All of Silero VAD 6.2 for 8 kHz (MIT licence, `LICENSE-silero`): read where it lies in the binary, by all calls.
#[derive(Debug)]
pub(super) struct Weights {
    /// The first convolution: 65 bins (and one of nothing) to 128 channels; a matrix for each tap.
    pub(super) first: [Matrix; 3],
    /// 128 to 64 channels, every other frame.
    pub(super) second: [Matrix; 3],
    /// 64 to 64 channels, every other of the two frames that are left; its first tap sees only padding.
    pub(super) third: [Matrix; 2],
    /// 64 to 128 channels; of its three taps the middle one sees the only frame.
    pub(super) fourth: Matrix,
    /// Of the recurrent cells: what is heard, and what they held. Rows: input, forget, new, output gates.
    pub(super) heard: Matrix,
    pub(super) held: Matrix,
    /// What is added in each layer.
    pub(super) first_bias: &'static [f32],
    pub(super) second_bias: &'static [f32],
    pub(super) third_bias: &'static [f32],
    pub(super) fourth_bias: &'static [f32],
    pub(super) cell_bias: &'static [f32],
    /// The model's own last layer: the cells to one number.
    #[cfg_attr(not(test), expect(dead_code, reason = "our own readout takes its place; tests hold the rest to it"))]
    pub(super) own_readout: &'static [f32],
}

/// Channels of the wide layers, and of the narrow ones.
pub(super) const WIDE: usize = 128;
pub(super) const NARROW: usize = 64;
/// Rows of the four gates.
pub(super) const GATES: usize = 4 * WIDE;
/// Pairs of inputs of each layer.
pub(super) const BIN_PAIRS: usize = 33;
pub(super) const WIDE_PAIRS: usize = WIDE / 2;
pub(super) const NARROW_PAIRS: usize = NARROW / 2;

pub(super) static WEIGHTS: Weights = {
    let (first, tile, float) = matrix(WIDE, BIN_PAIRS, 0, 0);
    let (first_1, tile, float) = matrix(WIDE, BIN_PAIRS, tile, float);
    let (first_2, tile, float) = matrix(WIDE, BIN_PAIRS, tile, float);
    let (second, tile, float) = matrix(NARROW, WIDE_PAIRS, tile, float);
    let (second_1, tile, float) = matrix(NARROW, WIDE_PAIRS, tile, float);
    let (second_2, tile, float) = matrix(NARROW, WIDE_PAIRS, tile, float);
    let (third, tile, float) = matrix(NARROW, NARROW_PAIRS, tile, float);
    let (third_1, tile, float) = matrix(NARROW, NARROW_PAIRS, tile, float);
    let (fourth, tile, float) = matrix(WIDE, NARROW_PAIRS, tile, float);
    let (heard, tile, float) = matrix(GATES, WIDE_PAIRS, tile, float);
    let (held, tile, float) = matrix(GATES, WIDE_PAIRS, tile, float);
    assert!(tile == TILES, "the matrices fill the tiles");
    let bias = [float, float + WIDE, float + WIDE + NARROW, float + WIDE + 2 * NARROW, float + 2 * WIDE + 2 * NARROW];
    let last = bias[4] + GATES;
    assert!(last + WIDE + 1 == FLOATS, "the rest fills the floats");
    Weights {
        first: [first, first_1, first_2],
        second: [second, second_1, second_2],
        third: [third, third_1],
        fourth,
        heard,
        held,
        first_bias: floats(bias[0], WIDE),
        second_bias: floats(bias[1], NARROW),
        third_bias: floats(bias[2], NARROW),
        fourth_bias: floats(bias[3], WIDE),
        cell_bias: floats(bias[4], GATES),
        own_readout: floats(last, WIDE + 1),
    }
};

/// Tiles and floats in the file.
const TILES: usize = 12_336;
const FLOATS: usize = 2_881;

/// Bytes that do not straddle the lines of a cache more often than they must.
#[repr(C, align(64))]
struct Aligned([u8; size_of::<Tile>() * TILES + size_of::<f32>() * FLOATS]);

static BYTES: Aligned = Aligned(*include_bytes!("silero.bin"));
static FLOAT_VALUES: [f32; FLOATS] = {
    let mut values = [0.0; FLOATS];
    let (_, bytes) = BYTES.0.split_at(size_of::<Tile>() * TILES);
    let (bytes, _) = bytes.as_chunks::<4>();
    let mut at = 0;
    while at < FLOATS {
        values[at] = f32::from_le_bytes(bytes[at]);
        at += 1;
    }
    values
};

/// The matrix that begins at this tile and whose scales begin at this float, and where the next one begins.
const fn matrix(rows: usize, pairs: usize, tile: usize, float: usize) -> (Matrix, usize, usize) {
    let count = rows / GROUP * pairs * (size_of::<[i16; 2]>() * GROUP / size_of::<Tile>());
    let (tiles, _) = BYTES.0.as_chunks::<{ size_of::<Tile>() }>();
    let tiles = tiles.split_at(tile).1.split_at(count).0;
    (Matrix { tiles, scales: floats(float, rows) }, tile + count, float + rows)
}

const fn floats(from: usize, count: usize) -> &'static [f32] {
    let (_, rest): (_, &'static [f32]) = FLOAT_VALUES.split_at(from);
    rest.split_at(count).0
}
