//! Faster or slower speech of the same pitch.

use std::fmt;

use super::frame::SampleRate;

/// Changes how fast a voice speaks and leaves its pitch: WSOLA (Verhelst and Roelands 1993), piece by piece.
///
/// The sound is cut into pieces of 10 ms that overlap; each is taken from about where the speed asks for it, within 8 ms
/// of there at the place that best continues what was handed out. It runs no more than [`Tempo::DELAY_MS`] behind. How
/// the stream is cut into pieces makes no difference.
#[derive(Clone)]
pub struct Tempo {
    rate: SampleRate,
    speed: f64,
    hop: usize,
    reach: usize,
    /// Sound not used up; its first sample is the `begin`th of the stream.
    input: Vec<f32>,
    begin: usize,
    received: usize,
    /// Samples laid out to be compared.
    thinned: Vec<f32>,
    /// Where what was handed out last would go on.
    continues: usize,
    /// Pieces handed out.
    pieces: usize,
    emitted: usize,
}

impl Tempo {
    /// How much sound is held back at the most, in milliseconds of the input, at any speed from 0.5 to 2.
    pub const DELAY_MS: usize = 40;

    /// So many times as fast, between 0.5 and 2.
    pub fn new(rate: SampleRate, speed: f32) -> Self {
        let hop = (rate.hz() as usize / 100).max(1);
        let speed = if speed.is_finite() { f64::from(speed).clamp(0.5, 2.0) } else { 1.0 };
        Self {
            rate,
            speed,
            hop,
            reach: hop * 4 / 5,
            input: Vec::new(),
            thinned: Vec::new(),
            begin: 0,
            received: 0,
            continues: 0,
            pieces: 0,
            emitted: 0,
        }
    }

    /// Takes input and hands out what it completes.
    pub fn process(&mut self, input: &[i16]) -> Vec<i16> {
        self.received += input.len();
        if self.speed == 1.0 {
            self.emitted += input.len();
            return input.to_vec();
        }
        self.input.extend(input.iter().map(|&sample| f32::from(sample)));
        let mut output = Vec::with_capacity((input.len() as f64 / self.speed) as usize + self.hop);
        self.run(&mut output);
        self.emitted += output.len();
        output
    }

    /// The input is complete: hands out the rest and forgets the sound so far. In all there is as much output as the speed
    /// asks for, to the sample.
    pub fn finish(&mut self) -> Vec<i16> {
        let whole = (self.received as f64 / self.speed).round() as usize;
        let mut output = Vec::new();
        while self.emitted + output.len() < whole {
            self.input.extend(std::iter::repeat_n(0.0, 4 * self.hop));
            self.run(&mut output);
        }
        output.truncate(whole.saturating_sub(self.emitted));
        *self = Self::new(self.rate, self.speed as f32);
        output
    }

    /// The rate of what it takes and gives.
    pub const fn rate(&self) -> SampleRate {
        self.rate
    }

    fn run(&mut self, output: &mut Vec<i16>) {
        loop {
            let wanted = (self.pieces as f64 * self.hop as f64 * self.speed) as usize;
            let needed = (wanted + self.reach).max(self.continues) + self.hop;
            if needed > self.begin + self.input.len() {
                return;
            }
            let place = if self.pieces == 0 { 0 } else { self.best(wanted) };
            for n in 0..self.hop {
                let (old, new) = (self.at(self.continues + n), self.at(place + n));
                // Two places that resemble each other add up in amplitude, not in power.
                let share = 0.5 - 0.5 * (std::f32::consts::PI * (n as f32 + 0.5) / self.hop as f32).cos();
                output.push((old + (new - old) * share).round() as i16);
            }
            self.continues = place + self.hop;
            self.pieces += 1;
            let next = (self.pieces as f64 * self.hop as f64 * self.speed) as usize;
            let unused = self.continues.min(next.saturating_sub(self.reach)).saturating_sub(self.begin);
            // Moving what is left costs more than keeping it for a while.
            if unused >= 16 * self.hop {
                self.input.drain(..unused.min(self.input.len()));
                self.begin += unused;
            }
        }
    }

    /// The place near `wanted` whose sound resembles most what would come next: looked for roughly, every few samples,
    /// then exactly.
    fn best(&mut self, wanted: usize) -> usize {
        let (least, most) = (wanted.saturating_sub(self.reach).max(self.begin), wanted + self.reach);
        let coarse = (self.hop / 40).max(1);
        let rough = self.likest(least, most, coarse).unwrap_or(wanted);
        let (from, to) = (rough.saturating_sub(coarse).max(least), (rough + coarse).min(most));
        self.likest(from, to, 1).unwrap_or(rough)
    }

    /// The best of every `step`th place, of each of which every `step`th sample is compared.
    fn likest(&mut self, from: usize, to: usize, step: usize) -> Option<usize> {
        // Laid out side by side first: that is what makes the rest fast.
        let (continuation, region) = (self.continues.checked_sub(self.begin)?, from.checked_sub(self.begin)?);
        let mut thinned = std::mem::take(&mut self.thinned);
        thinned.clear();
        thinned.extend(self.input.get(continuation..continuation + self.hop)?.iter().step_by(step));
        let size = thinned.len();
        thinned.extend(self.input.get(region..to - self.begin + self.hop)?.iter().step_by(step));
        let (wanted, region) = thinned.split_at(size);
        let away = |place: usize| place.abs_diff(self.continues);
        let places = region.windows(size).zip((from..=to).step_by(step));
        let scored =
            places.map(|(candidate, place)| (place, dot(wanted, candidate) / (1.0 + dot(candidate, candidate)).sqrt()));
        // Where all are alike, in silence say, the one that goes on.
        let best = scored.max_by(|a, b| a.1.total_cmp(&b.1).then(away(b.0).cmp(&away(a.0))));
        let best = best.map(|(place, _)| place);
        self.thinned = thinned;
        best
    }

    fn at(&self, place: usize) -> f32 {
        place.checked_sub(self.begin).and_then(|at| self.input.get(at)).copied().unwrap_or(0.0)
    }
}

/// The sum of products, in lanes that the compiler can keep side by side.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 8;
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f32 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    let mut sums = [0.0f32; LANES];
    for (a, b) in a.zip(b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    rest + sums.iter().sum::<f32>()
}

impl fmt::Debug for Tempo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tempo({} at {:?})", self.speed, self.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{level, tone::Goertzel, wav::Wav};

    const SPEEDS: [f32; 6] = [0.5, 0.7, 0.9, 1.3, 1.67, 2.0];

    fn voiced(pitch: f32, seconds: f32, rate: SampleRate) -> Vec<i16> {
        let hz = rate.hz() as f32;
        let wave = |n: usize, harmonic: f32| (std::f32::consts::TAU * pitch * harmonic * n as f32 / hz).sin();
        (0..(hz * seconds) as usize)
            .map(|n| ([1.0, 2.0, 3.0, 5.0].iter().map(|&h| wave(n, h) / h).sum::<f32>() * 6_000.0) as i16)
            .collect()
    }

    fn at_speed(sound: &[i16], rate: SampleRate, speed: f32, piece: usize) -> Vec<i16> {
        let mut tempo = Tempo::new(rate, speed);
        let mut out: Vec<i16> = sound.chunks(piece).flat_map(|piece| tempo.process(piece)).collect();
        out.extend(tempo.finish());
        out
    }

    fn talk() -> (Vec<i16>, SampleRate) {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/audio/caller-booking-24k.wav");
        let wav = Wav::parse(&std::fs::read(path).unwrap()).unwrap();
        let rate = wav.rate();
        (wav.into_mono(), rate)
    }

    fn steepest(sound: &[i16]) -> u32 {
        sound.windows(2).map(|pair| i32::from(pair[0]).abs_diff(i32::from(pair[1]))).max().unwrap_or(0)
    }

    /// How strong a frequency is, on the average over pieces of 100 ms.
    fn strength(sound: &[i16], hz: f32, rate: SampleRate) -> f32 {
        let size = rate.hz() as usize / 10;
        let powers = sound.chunks_exact(size).map(|piece| {
            let mut goertzel = Goertzel::new(hz, rate);
            piece.iter().for_each(|sample| goertzel.push(f32::from(*sample)));
            goertzel.power(size)
        });
        powers.sum::<f32>() / (sound.len() / size) as f32
    }

    #[test]
    fn speech_lasts_as_long_as_the_speed_says() {
        let (talk, rate) = talk();
        for speed in SPEEDS {
            let out = at_speed(&talk, rate, speed, 480);
            let ratio = talk.len() as f32 / out.len() as f32;
            assert!((ratio / speed - 1.0).abs() < 0.001, "{speed}: {ratio}");
            // And all along: a third of the words within a third of the time.
            let mut tempo = Tempo::new(rate, speed);
            let third = talk.len() / 3;
            let early = tempo.process(&talk[..third]).len() as f32 * speed;
            assert!((early / third as f32 - 1.0).abs() < 0.02, "{speed}: {early} of {third}");
        }
    }

    #[test]
    fn a_voice_keeps_its_pitch_and_its_loudness_and_does_not_click() {
        for rate in [SampleRate::HZ_8000, SampleRate::HZ_24000] {
            for hz in [85.0, 120.0, 210.0] {
                let sound = voiced(hz, 2.0, rate);
                let before = strength(&sound, hz, rate);
                for speed in SPEEDS {
                    let out = at_speed(&sound, rate, speed, 333);
                    let (kept, moved) = (strength(&out, hz, rate), strength(&out, hz * speed, rate));
                    assert!((kept / before - 1.0).abs() < 0.15, "{hz} Hz at {speed}: {}", kept / before);
                    let was = strength(&sound, hz * speed, rate);
                    assert!(moved < was + 0.1 * before, "{hz} Hz at {speed} has become {} Hz", hz * speed);
                    let middle = &out[out.len() / 10..out.len() * 9 / 10];
                    assert!((level::dbfs(middle) - level::dbfs(&sound)).abs() < 0.7, "{hz} Hz at {speed}");
                    assert!(steepest(middle) <= steepest(&sound) * 5 / 4, "{hz} Hz at {speed}: a click");
                }
            }
        }
        let (talk, rate) = talk();
        for speed in SPEEDS {
            let out = at_speed(&talk, rate, speed, 480);
            assert!(steepest(&out) <= steepest(&talk) * 5 / 4, "{speed}: {} of {}", steepest(&out), steepest(&talk));
            assert!((level::dbfs(&out) - level::dbfs(&talk)).abs() < 1.0, "{speed}");
        }
    }

    #[test]
    fn it_is_never_far_behind_and_the_cut_of_the_stream_makes_no_difference() {
        let (talk, rate) = talk();
        for speed in SPEEDS {
            let whole = at_speed(&talk, rate, speed, talk.len());
            let mut tempo = Tempo::new(rate, speed);
            let (mut came, mut out) = (0, Vec::new());
            for piece in talk.chunks(241) {
                out.extend(tempo.process(piece));
                came += piece.len();
                let behind = came as f32 - out.len() as f32 * speed;
                assert!(behind <= (Tempo::DELAY_MS * rate.hz() as usize / 1_000) as f32, "{speed}: {behind}");
                assert!(tempo.input.len() <= 32 * tempo.hop + 241, "bounded");
            }
            out.extend(tempo.finish());
            assert!(out == whole, "{speed}");
        }
    }

    #[test]
    fn at_its_own_speed_nothing_changes_and_nothing_gives_nothing() {
        let (talk, rate) = talk();
        assert!(at_speed(&talk, rate, 1.0, 480) == talk);
        assert!(at_speed(&[], rate, 1.5, 480).is_empty());
        for length in 1..400 {
            assert_eq!(at_speed(&vec![100; length], rate, 2.0, 7).len(), (length as f64 / 2.0).round() as usize);
        }
    }
}
