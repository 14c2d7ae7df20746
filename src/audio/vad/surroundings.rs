//! How loud it is, beside how loud it was: what tells a voice from the room behind it.

use super::spectrum::{BINS, PIECES};

/// Follows the loudness of a line, hop by hop and band by band. All in decibels.
#[derive(Clone, Debug)]
pub(super) struct Surroundings {
    /// How quiet it gets, and how loud: over a second or two, and over many.
    floor: f32,
    long_floor: f32,
    top: f32,
    long_top: f32,
    mean: f32,
    /// The louder of the two hops before.
    before: f32,
    bands: Option<Bands>,
    even: Even,
}

/// What the readout is told of them.
pub(super) type Levels = [f32; LEVELS];
/// How many numbers that are.
pub(super) const LEVELS: usize = 11;
/// Power in each band.
pub(super) type Bands = [f32; BANDS];
/// How many bands there are, 125 to 3 600 Hz.
pub(super) const BANDS: usize = EDGES.len() - 1;

impl Surroundings {
    pub(super) const fn new() -> Self {
        let (floor, top) = (-50.0, -30.0);
        let (mean, before) = (floor, QUIETEST);
        Self { floor, long_floor: floor, top, long_top: top, mean, before, bands: None, even: Even::new() }
    }

    /// How loud the background is.
    pub(super) const fn floor(&self) -> f32 {
        self.floor
    }

    /// Takes the loudness of the next two hops.
    pub(super) fn take(&mut self, hops: [f32; 2]) -> Levels {
        let [first, second] = hops.map(|level| level.max(QUIETEST));
        for level in [first, second] {
            rise(&mut self.floor, level, 0.3, 0.03, 0.004);
            rise(&mut self.long_floor, level, 0.1, 0.005, 0.001);
            fall(&mut self.top, level, 0.3, 0.02, 0.002);
            fall(&mut self.long_top, level, 0.1, 0.003, 0.0005);
            self.mean += 0.1 * (level - self.mean);
            self.even.take(level);
        }
        let before = std::mem::replace(&mut self.before, first.max(second));
        let levels = [
            first - self.floor,
            second - self.floor,
            before - self.floor,
            self.top - first,
            self.top - second,
            self.top - self.floor,
            second + 40.0,
            second - self.long_floor,
            self.long_top - second,
            self.long_top - self.long_floor,
            second - self.mean,
        ];
        levels.map(|level| level / SCALE)
    }

    /// Whether it has been so even for a while that it is hardly a voice.
    pub(super) const fn is_even(&self) -> bool {
        self.even.hops >= Even::LONG
    }

    /// Takes the magnitudes of the newest window: how far each band stands out of the least it has been, and how loud it
    /// is.
    pub(super) fn take_bands(&mut self, magnitudes: &[[f32; PIECES]; BINS]) -> [Bands; 2] {
        let mut loud = [0.0; BANDS];
        for (loud, edges) in loud.iter_mut().zip(EDGES.windows(2)) {
            let bins = magnitudes.get(edges[0]..edges[1]).unwrap_or_default();
            // What came last says most.
            let power: f32 = bins.iter().map(|[.., third, fourth]| third * third + fourth * fourth).sum();
            *loud = 10.0 * (power / (2 * bins.len()) as f32 + 1e-7).log10();
        }
        let floor = self.bands.get_or_insert_with(|| loud.map(|loud| loud.min(-30.0)));
        for (floor, loud) in floor.iter_mut().zip(loud) {
            rise(floor, loud, 0.4, 0.06, 0.008);
        }
        let above = std::array::from_fn(|band| (loud[band] - floor[band]) / SCALE);
        [above, loud.map(|loud| (loud + 20.0) / SCALE)]
    }

    /// Nothing was there in the newest window.
    pub(super) fn pass_bands(&mut self) {
        self.bands.get_or_insert([NOTHING; BANDS]);
    }
}

/// Whether one hop is as loud as the other.
#[derive(Clone, Debug)]
struct Even {
    mean: f32,
    /// How far the last few hops are off it.
    drift: f32,
    hops: u32,
}

impl Even {
    /// So long it must have been even.
    const LONG: u32 = 60;
    /// How far one hop may be off, and a few: white noise spreads by 0.7 dB, a voice by ten.
    const SPREAD: f32 = 2.2;
    const DRIFT: f32 = 0.8;

    const fn new() -> Self {
        Self { mean: QUIETEST, drift: 0.0, hops: 0 }
    }

    fn take(&mut self, level: f32) {
        let off = level - self.mean;
        self.drift += 0.2 * (off - self.drift);
        if off.abs() > Self::SPREAD || self.drift.abs() > Self::DRIFT {
            // Whatever it is, it may be even from here on.
            *self = Self { mean: level, drift: 0.0, hops: 0 };
        } else {
            self.mean += 0.03 * off;
            self.hops = self.hops.saturating_add(1);
        }
    }
}

/// Follows the least: down by so much of the way, up by a little and by a little of the way.
fn rise(least: &mut f32, level: f32, down: f32, up: f32, chase: f32) {
    let way = level - *least;
    *least += if way < 0.0 { down * way } else { (up + chase * way).min(way) };
}

/// Follows the most.
fn fall(most: &mut f32, level: f32, up: f32, down: f32, chase: f32) {
    let way = level - *most;
    *most += if way > 0.0 { up * way } else { (chase * way - down).max(way) };
}

/// What is quieter does not count.
pub(super) const QUIETEST: f32 = -64.0;
/// A band in which nothing is.
const NOTHING: f32 = -70.0;
/// So many decibels are one for the readout.
const SCALE: f32 = 20.0;
/// Where each band begins, in bins, and where the last one ends.
const EDGES: [usize; 13] = [2, 4, 6, 8, 10, 13, 16, 20, 25, 31, 38, 47, 58];
