//! Change of sample rate.

use std::f64::consts::PI;
use std::fmt;
use std::time::Duration;

use rubato::audioadapter::Adapter;
use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{Fft, FixedSync, Resampler as _};

use super::frame::SampleRate;

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

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Resamples a whole recording at once, without delay and at the quality of files, between any two rates.
///
/// For sound that is there in full. Allocates; live streams take a [`Resampler`].
pub fn resample_all(samples: &[i16], from: SampleRate, to: SampleRate) -> Vec<i16> {
    if from == to || samples.is_empty() {
        return samples.to_vec();
    }
    offline(samples, from, to).unwrap_or_else(|| {
        // The library refused the ratio: our own filter takes any.
        let mut resampler = Resampler::new(from, to);
        let mut resampled = Vec::new();
        resampler.process(samples, |piece| resampled.extend_from_slice(piece));
        resampler.finish(|piece| resampled.extend_from_slice(piece));
        let delay = to.samples_in(resampler.delay()).min(resampled.len());
        resampled.split_off(delay)
    })
}

fn offline(samples: &[i16], from: SampleRate, to: SampleRate) -> Option<Vec<i16>> {
    let input: Vec<f32> = samples.iter().map(|&sample| f32::from(sample)).collect();
    let input = SequentialSlice::new(&input, 1, samples.len()).ok()?;
    // Whole, even chunks on both sides: the delay that is taken off is then a whole number of samples.
    let even = 2 * (from.hz() / gcd(from.hz(), to.hz())) as usize;
    let chunk = OFFLINE_CHUNK.next_multiple_of(even);
    let mut resampler = Fft::<f32>::new(from.hz() as usize, to.hz() as usize, chunk, 1, FixedSync::Input).ok()?;
    let output = resampler.process_all(&input, samples.len(), None).ok()?;
    Some((0..output.frames()).map(|at| output.read_sample(0, at).unwrap_or(0.0).round() as i16).collect())
}

/// About how many samples the library takes at a time.
const OFFLINE_CHUNK: usize = 1_024;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::audio::level;
    use crate::audio::tone::Tone;
    use crate::audio::wav::Wav;

    /// The pairs a call uses: recognisers at 16 kHz, voices at 16 to 48 kHz, lines at 8 and 16 kHz.
    const PAIRS: [(u32, u32); 10] = [
        (8_000, 16_000),
        (16_000, 8_000),
        (8_000, 24_000),
        (24_000, 8_000),
        (24_000, 16_000),
        (16_000, 24_000),
        (48_000, 8_000),
        (22_050, 8_000),
        (44_100, 8_000),
        (8_000, 48_000),
    ];

    fn rates((from, to): (u32, u32)) -> (SampleRate, SampleRate) {
        (SampleRate::new(from).unwrap(), SampleRate::new(to).unwrap())
    }

    fn stream(resampler: &mut Resampler, samples: &[i16], piece: usize) -> Vec<i16> {
        let mut out = Vec::new();
        samples.chunks(piece).for_each(|piece| resampler.process(piece, |samples| out.extend_from_slice(samples)));
        out
    }

    fn tone(hz: f32, rate: SampleRate) -> Vec<i16> {
        let mut samples = vec![0; rate.hz() as usize / 2];
        Tone::single(hz, -9.0, rate).fill(&mut samples);
        samples
    }

    /// How much louder a tone leaves a resampler than it came, with the ends left out.
    fn gain_db(hz: f32, pair: (u32, u32)) -> f32 {
        let (from, to) = rates(pair);
        let out = stream(&mut Resampler::new(from, to), &tone(hz, from), 160);
        level::dbfs(&out[out.len() / 4..out.len() * 3 / 4]) - -9.0
    }

    #[test]
    fn the_telephone_band_passes_without_ripple() {
        for pair in PAIRS {
            let lower = pair.0.min(pair.1) as f32;
            for part in [0.01, 0.05, 0.125, 0.2, 0.3, 0.35, 0.4, 0.425] {
                let gain = gain_db(part * lower, pair);
                assert!(gain.abs() < 0.05, "{pair:?} at {part}: {gain} dB");
            }
        }
    }

    #[test]
    fn what_does_not_fit_the_lower_rate_is_gone() {
        for pair in PAIRS.into_iter().filter(|(from, to)| from > to) {
            let (from, to) = (pair.0 as f32, pair.1 as f32);
            for part in [0.58, 0.7, 0.9, 1.0, 1.3] {
                if part * to < 0.49 * from {
                    let gain = gain_db(part * to, pair);
                    // What is left is the rounding to 16 bits.
                    assert!(gain < -80.0, "{pair:?} at {part}: {gain} dB");
                }
            }
        }
    }

    #[test]
    fn nothing_appears_above_the_band_of_the_lower_rate() {
        for pair in PAIRS.into_iter().filter(|(from, to)| from < to) {
            let (from, to) = rates(pair);
            for part in [0.1, 0.25, 0.4] {
                let hz = part * from.hz() as f32;
                let out = stream(&mut Resampler::new(from, to), &tone(hz, from), 160);
                let middle = &out[out.len() / 4..out.len() * 3 / 4];
                // Take the tone itself away, by its sine and cosine.
                let turn = |n: usize| 2.0 * PI * f64::from(hz) * n as f64 / f64::from(to.hz());
                let (mut sine, mut cosine) = (0.0, 0.0);
                for (n, &sample) in middle.iter().enumerate() {
                    sine += f64::from(sample) * turn(n).sin() * 2.0 / middle.len() as f64;
                    cosine += f64::from(sample) * turn(n).cos() * 2.0 / middle.len() as f64;
                }
                let rest: f64 = middle
                    .iter()
                    .enumerate()
                    .map(|(n, &sample)| (f64::from(sample) - sine * turn(n).sin() - cosine * turn(n).cos()).powi(2))
                    .sum();
                let rest = level::rms_to_dbfs((rest / middle.len() as f64).sqrt() as f32) - -9.0;
                assert!(rest < -70.0, "{pair:?} at {hz} Hz: {rest} dB");
            }
        }
    }

    #[test]
    fn how_the_stream_is_cut_makes_no_difference() {
        for pair in PAIRS {
            let (from, to) = rates(pair);
            let sound: Vec<i16> = (0..4_000i32).map(|n| (n * n % 20_011 - 10_000) as i16).collect();
            let whole = stream(&mut Resampler::new(from, to), &sound, sound.len());
            for piece in [1, 7, 160, 255, 256, 257, 480] {
                assert_eq!(stream(&mut Resampler::new(from, to), &sound, piece), whole, "{pair:?} by {piece}");
            }
        }
    }

    #[test]
    fn a_frame_in_is_a_frame_out() {
        for pair in PAIRS {
            let (from, to) = rates(pair);
            let mut resampler = Resampler::new(from, to);
            let mut out = 0;
            for n in 1..=200 {
                resampler.process(&vec![0; from.hz() as usize / 50], |samples| out += samples.len());
                let exact = n as f64 * f64::from(to.hz()) / 50.0 * (from.hz() / 50 * 50) as f64 / f64::from(from.hz());
                assert!((out as f64 - exact).abs() <= 1.0, "{pair:?}: {out} for {exact}");
            }
        }
    }

    #[test]
    fn equal_rates_pass_untouched_and_at_once() {
        let mut resampler = Resampler::new(SampleRate::HZ_8000, SampleRate::HZ_8000);
        assert_eq!(stream(&mut resampler, &[1, -2, i16::MAX, i16::MIN], 3), [1, -2, i16::MAX, i16::MIN]);
        assert_eq!(resampler.delay(), Duration::ZERO);
        resampler.finish(|_| panic!("nothing is held"));
    }

    #[test]
    fn the_delay_is_what_it_says_and_the_end_can_be_had() {
        for pair in PAIRS {
            let (from, to) = rates(pair);
            let mut resampler = Resampler::new(from, to);
            assert!(resampler.delay() <= Duration::from_micros(3_050), "{pair:?}: {:?}", resampler.delay());
            let at = from.hz() as usize / 10;
            let mut pulse = vec![0; at + 1];
            pulse[at] = 20_000;
            let mut out = stream(&mut resampler, &pulse, 160);
            resampler.finish(|samples| out.extend_from_slice(samples));
            let loudest = (0..out.len()).max_by_key(|&n| out[n]).unwrap();
            let expected = (0.1 + resampler.delay().as_secs_f64()) * f64::from(to.hz());
            assert!((loudest as f64 - expected).abs() <= 1.0, "{pair:?}: {loudest} for {expected}");
        }
    }

    #[test]
    fn after_a_reset_it_is_as_new() {
        let mut resampler = Resampler::new(SampleRate::HZ_24000, SampleRate::HZ_8000);
        let sound: Vec<i16> = (0..1_000).map(|n| (n * 31 % 9_000) as i16).collect();
        let first = stream(&mut resampler, &sound, 100);
        resampler.reset();
        assert_eq!(stream(&mut resampler, &sound, 100), first);
        resampler.finish(|_| ());
        assert_eq!(stream(&mut resampler, &sound, 100), first);
    }

    #[test]
    fn full_scale_is_clipped_not_wrapped() {
        let square: Vec<i16> = (0..8_000).map(|n| if n / 20 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
        let out = stream(&mut Resampler::new(SampleRate::HZ_8000, SampleRate::HZ_16000), &square, 160);
        // A wrap would jump from one rail to the other between two samples.
        assert!(out.windows(2).all(|pair| i32::from(pair[0]).abs_diff(i32::from(pair[1])) < 60_000));
        assert!(out.contains(&i16::MAX) && out.contains(&i16::MIN));
    }

    #[test]
    fn rates_with_little_in_common_still_come_out_right() {
        let (from, to) = rates((44_101, 8_000));
        let out = stream(&mut Resampler::new(from, to), &tone(1_000.0, from), 441);
        assert!((level::dbfs(&out[1_000..3_000]) - -9.0).abs() < 0.05);
    }

    #[test]
    fn a_whole_recording_keeps_its_length_and_its_place() {
        for pair in PAIRS {
            let (from, to) = rates(pair);
            let sound = tone(440.0, from);
            let out = resample_all(&sound, from, to);
            let expected = tone(440.0, to);
            assert!(out.len().abs_diff(expected.len()) <= 1, "{pair:?}: {} for {}", out.len(), expected.len());
            let middle = out.len() / 4..out.len() * 3 / 4;
            let off = out[middle.clone()].iter().zip(&expected[middle]).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
            assert!(off <= 40, "{pair:?}: off by {off}");
        }
        assert_eq!(resample_all(&[], SampleRate::HZ_8000, SampleRate::HZ_16000), []);
    }

    #[test]
    fn speech_brought_down_is_the_speech_recorded_below() {
        let read = |name: &str| {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/audio").join(name);
            Wav::parse(&std::fs::read(path).unwrap()).unwrap()
        };
        let (high, low) = (read("caller-booking-24k.wav"), read("caller-booking.wav").into_mono());
        let mut resampler = Resampler::new(high.rate(), SampleRate::HZ_8000);
        let out = stream(&mut resampler, &high.into_mono(), 480);
        // Loudness over time agrees, 20 ms by 20 ms; the waveform was filtered and coded in between.
        let late = SampleRate::HZ_8000.samples_in(resampler.delay());
        let pairs = out[late..].chunks_exact(160).zip(low.chunks_exact(160));
        let (mut close, mut all) = (0, 0);
        for (a, b) in pairs.filter(|(_, b)| level::dbfs(b) > -45.0) {
            close += i32::from((level::dbfs(a) - level::dbfs(b)).abs() < 1.5);
            all += 1;
        }
        assert!(all > 100 && close * 10 >= all * 9, "{close} of {all}");
    }
}
