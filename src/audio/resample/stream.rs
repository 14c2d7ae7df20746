//! Change of the sample rate of a live stream.

use std::f64::consts::PI;
use std::fmt;
use std::time::Duration;

use crate::audio::frame::SampleRate;

/// Changes the sample rate of a stream, piece by piece, with a polyphase windowed-sinc filter.
///
/// How the stream is cut into pieces makes no difference to a single sample. Between the ratios of telephony (1:2, 1:3,
/// 2:3, 160:441 …) every phase of the filter is exact. [`new`](Self::new) computes the filter and allocates;
/// [`process`](Self::process) and [`reset`](Self::reset) do not, so a resampler is worth keeping.
#[derive(Clone)]
pub struct Resampler {
    from: SampleRate,
    to: SampleRate,
    /// The input advances `down / up` samples for each output sample.
    up: usize,
    down: usize,
    /// Taps per phase, a multiple of [`LANES`].
    taps: usize,
    phases: usize,
    /// `phases` rows of `taps` coefficients, oldest sample first.
    filter: Vec<f32>,
    /// The last `taps` input samples and room for one block more.
    window: Vec<f32>,
    filled: usize,
    /// Where the next output lies: `taps` samples of `window` from `start`, and `fraction / up` of a sample on.
    start: usize,
    fraction: usize,
}

impl Resampler {
    /// A resampler between two rates; between equal rates it passes the samples through untouched.
    pub fn new(from: SampleRate, to: SampleRate) -> Self {
        let common = gcd(from.hz(), to.hz());
        let (up, down) = ((to.hz() / common) as usize, (from.hz() / common) as usize);
        if up == down {
            return Self {
                from,
                to,
                up,
                down,
                taps: 0,
                phases: 0,
                filter: Vec::new(),
                window: Vec::new(),
                filled: 0,
                start: 0,
                fraction: 0,
            };
        }
        let half = half_length(from, to);
        let taps = (2 * half).next_multiple_of(LANES);
        let phases = up.min(MAX_PHASES);
        let filter = design(from, to, half, taps, phases);
        let mut made = Self {
            from,
            to,
            up,
            down,
            taps,
            phases,
            filter,
            window: vec![0.0; taps + BLOCK],
            filled: 0,
            start: 0,
            fraction: 0,
        };
        made.reset();
        made
    }

    /// Takes input and hands out, in one or more pieces, every output sample it completes.
    pub fn process(&mut self, input: &[i16], mut emit: impl FnMut(&[i16])) {
        if self.taps == 0 {
            if !input.is_empty() {
                emit(input);
            }
            return;
        }
        let mut block = [0i16; BLOCK];
        let mut made = 0;
        for piece in input.chunks(BLOCK) {
            for (slot, &sample) in self.window[self.filled..].iter_mut().zip(piece) {
                *slot = f32::from(sample);
            }
            self.filled += piece.len();
            while self.start + self.taps <= self.filled {
                block[made] = self.sample();
                made += 1;
                if made == BLOCK {
                    emit(&block);
                    made = 0;
                }
                self.fraction += self.down;
                self.start += self.fraction / self.up;
                self.fraction %= self.up;
            }
            // A step may lead beyond what has come: the rest of it is then skipped in the next piece.
            let used = self.start.min(self.filled);
            self.window.copy_within(used..self.filled, 0);
            self.filled -= used;
            self.start -= used;
        }
        if made > 0 {
            emit(&block[..made]);
        }
    }

    /// Hands out what the filter still holds of the sound so far, [`delay`](Self::delay) of it, and forgets it.
    pub fn finish(&mut self, emit: impl FnMut(&[i16])) {
        let held = if self.taps == 0 { 0 } else { half_length(self.from, self.to) };
        self.process(&[0; MAX_TAPS][..held.min(MAX_TAPS)], emit);
        self.reset();
    }

    /// Forgets the sound so far.
    pub fn reset(&mut self) {
        self.window.fill(0.0);
        self.filled = self.taps.saturating_sub(1);
        self.start = 0;
        self.fraction = 0;
    }

    /// By how much the output lags behind the input: 3 ms where either side is 8 kHz, nothing between equal rates.
    pub fn delay(&self) -> Duration {
        if self.taps == 0 { Duration::ZERO } else { self.from.duration_of(half_length(self.from, self.to)) }
    }

    /// The rate of the input.
    pub const fn from(&self) -> SampleRate {
        self.from
    }

    /// The rate of the output.
    pub const fn to(&self) -> SampleRate {
        self.to
    }

    /// The output sample at the present position.
    fn sample(&self) -> i16 {
        let phase = if self.phases == self.up { self.fraction } else { self.fraction * self.phases / self.up };
        let filter = &self.filter[phase * self.taps..(phase + 1) * self.taps];
        let window = &self.window[self.start..self.start + self.taps];
        // Several sums side by side: one alone would wait for every addition.
        let mut sums = [0f32; LANES];
        for (coefficients, samples) in filter.chunks_exact(LANES).zip(window.chunks_exact(LANES)) {
            for lane in 0..LANES {
                sums[lane] += coefficients[lane] * samples[lane];
            }
        }
        sums.iter().sum::<f32>().round() as i16
    }
}

impl fmt::Debug for Resampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Resampler({:?} to {:?})", self.from, self.to)
    }
}

/// Zero crossings on each side of the filter's centre, counted at the lower rate.
const HALF: usize = 24;
/// Where the filter is 6 dB down, in parts of half the lower rate: flat to 0.85, closed from 1.08.
const CUTOFF: f64 = 0.965;
/// Shape of the Kaiser window: side lobes below −86 dB.
const BETA: f64 = 8.6;
/// Sums kept side by side.
const LANES: usize = 16;
/// Input samples taken, and output samples handed out, at a time.
const BLOCK: usize = 256;
/// Rates with less in common than this take the nearest of so many phases.
const MAX_PHASES: usize = 1_024;
/// The longest filter: 192 kHz to 4 kHz.
const MAX_TAPS: usize = 2_400;

/// Half the filter's length in input samples.
fn half_length(from: SampleRate, to: SampleRate) -> usize {
    (HALF * from.hz() as usize).div_ceil(from.hz().min(to.hz()) as usize)
}

/// The rows of the polyphase filter. Each row sums to one, so that a constant stays that constant.
fn design(from: SampleRate, to: SampleRate, half: usize, taps: usize, phases: usize) -> Vec<f32> {
    let cutoff = CUTOFF * f64::from(to.hz().min(from.hz())) / f64::from(from.hz());
    let mut filter = Vec::with_capacity(phases * taps);
    let mut row = vec![0f64; taps];
    for phase in 0..phases {
        for (tap, coefficient) in row.iter_mut().enumerate() {
            // The newest sample is the last tap; the centre lies half a filter behind it.
            let newer = (taps - 1 - tap) as f64;
            let time = newer + phase as f64 / phases as f64 - half as f64;
            *coefficient = sinc(cutoff * time) * kaiser(time / half as f64);
        }
        let sum: f64 = row.iter().sum();
        filter.extend(row.iter().map(|coefficient| (coefficient / sum) as f32));
    }
    filter
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

/// The Kaiser window, up to a constant factor, for −1 to 1; zero outside.
fn kaiser(x: f64) -> f64 {
    let inside = 1.0 - x * x;
    if inside <= 0.0 { 0.0 } else { bessel_i0(BETA * inside.sqrt()) }
}

/// The modified Bessel function of order zero, by its power series.
fn bessel_i0(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let (mut sum, mut term, mut n) = (1.0, 1.0, 1.0);
    while term > sum * 1e-12 {
        term *= quarter / (n * n);
        sum += term;
        n += 1.0;
    }
    sum
}

pub(super) fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
