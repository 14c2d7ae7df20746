//! How loud somebody speaks while speaking.

use super::frame::SampleRate;
use super::level;

/// The active speech level of ITU-T P.56 (method B), followed in steps of 5 ms: the mean power of the moments in which
/// somebody speaks, short pauses within words included.
///
/// For each of fifteen thresholds 6 dB apart it is counted for how long the smoothed sound was above it, or had been within
/// the last 200 ms. The level is that of the threshold that lies 15.9 dB below the level it gives. What was long ago
/// counts for less and less. Allocates nothing.
#[derive(Clone, Debug)]
pub struct ActiveLevel {
    rate: SampleRate,
    /// The piece that is being filled: its energy, its sum of magnitudes, its samples.
    piece: (u64, u64, usize),
    smooth: [f32; 2],
    /// Mean squares of all pieces, added up.
    energy: f64,
    /// Of each threshold: pieces above it, and pieces since the last one that was.
    above: [(f64, u32); THRESHOLDS],
}

impl ActiveLevel {
    /// Nothing heard yet.
    pub fn new(rate: SampleRate) -> Self {
        Self { rate, piece: (0, 0, 0), smooth: [0.0; 2], energy: 0.0, above: [(0.0, HANGOVER); THRESHOLDS] }
    }

    /// Hears the next samples. At another rate than before, an unfinished piece is left out.
    pub fn push(&mut self, samples: &[i16], rate: SampleRate) {
        if rate != self.rate {
            (self.rate, self.piece) = (rate, (0, 0, 0));
        }
        let size = (rate.hz() as usize / PIECES_A_SECOND).max(1);
        let mut rest = samples;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(size - self.piece.2));
            self.piece.0 += level::energy(now);
            self.piece.1 += now.iter().map(|sample| u64::from(sample.unsigned_abs())).sum::<u64>();
            self.piece.2 += now.len();
            if self.piece.2 == size {
                self.count(size);
            }
            rest = later;
        }
    }

    /// The level in decibels below full scale, as [`level::dbfs`] has it, and for how many seconds somebody spoke; `None`
    /// before anybody did.
    pub fn level(&self) -> Option<(f32, f32)> {
        let mut before: Option<(f32, f32, f64)> = None;
        for (n, (pieces, _)) in self.above.iter().enumerate() {
            if *pieces <= 0.0 {
                break;
            }
            let active = level::rms_to_dbfs((self.energy / pieces).sqrt() as f32);
            let distance = active - level::rms_to_dbfs(threshold(n));
            if distance > MARGIN {
                before = Some((active, distance, *pieces));
                continue;
            }
            // Between this threshold and the one below.
            let (level, pieces) = before.map_or((active, *pieces), |(lower, wider, more)| {
                let share = (wider - MARGIN) / (wider - distance).max(f32::MIN_POSITIVE);
                (lower + share * (active - lower), more + f64::from(share) * (pieces - more))
            });
            return Some((level, pieces as f32 / PIECES_A_SECOND as f32));
        }
        None
    }

    fn count(&mut self, size: usize) {
        let (energy, magnitudes, _) = std::mem::take(&mut self.piece);
        let mut value = magnitudes as f32 / size as f32;
        for smooth in &mut self.smooth {
            *smooth += (value - *smooth) * PACE;
            value = *smooth;
        }
        self.energy += energy as f64 / size as f64;
        for (n, (pieces, since)) in self.above.iter_mut().enumerate() {
            *since = if value >= threshold(n) { 0 } else { since.saturating_add(1) };
            *pieces += f64::from(u8::from(*since < HANGOVER));
        }
        if self.above.first().is_some_and(|(pieces, _)| *pieces > MEMORY) {
            self.energy /= 2.0;
            self.above.iter_mut().for_each(|(pieces, _)| *pieces /= 2.0);
        }
    }
}

fn threshold(n: usize) -> f32 {
    (1u32 << n) as f32
}

const THRESHOLDS: usize = 15;
const PIECES_A_SECOND: usize = 200;
/// 200 ms.
const HANGOVER: u32 = 40;
/// How fast the smoothed magnitude follows, twice over: 30 ms.
const PACE: f32 = 0.153_5;
/// How far the level lies above its threshold, in decibels.
const MARGIN: f32 = 15.9;
/// Pieces after which the past counts half: 30 s.
const MEMORY: f64 = 6_000.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::tone::Tone;

    const RATE: SampleRate = SampleRate::HZ_8000;

    fn tone(dbfs: f32, ms: usize) -> Vec<i16> {
        let mut samples = vec![0; ms * 8];
        Tone::single(400.0, dbfs, RATE).fill(&mut samples);
        samples
    }

    fn heard(pieces: &[Vec<i16>]) -> Option<(f32, f32)> {
        let mut meter = ActiveLevel::new(RATE);
        pieces.iter().for_each(|piece| meter.push(piece, RATE));
        meter.level()
    }

    #[test]
    fn a_steady_sound_is_as_loud_as_it_is() {
        for dbfs in [-40.0, -26.0, -12.0] {
            let (level, seconds) = heard(&[tone(dbfs, 2_000)]).unwrap();
            assert!((level - dbfs).abs() < 0.3, "{level} for {dbfs}");
            assert!((seconds - 2.0).abs() < 0.1, "{seconds}");
        }
        assert_eq!(heard(&[vec![0; 8_000]]), None);
    }

    #[test]
    fn pauses_do_not_count_however_long_but_those_within_words_do() {
        let (level, seconds) = heard(&[tone(-20.0, 1_000), vec![0; 80_000], tone(-20.0, 1_000)]).unwrap();
        // Each second of sound has 200 ms of hangover: 0.8 dB.
        assert!((-21.2..-20.3).contains(&level) && (2.2..2.8).contains(&seconds), "{level}, {seconds}");
        let syllables: Vec<Vec<i16>> = (0..20).flat_map(|_| [tone(-20.0, 100), vec![0; 800]]).collect();
        let (level, seconds) = heard(&syllables).unwrap();
        assert!((level - -23.0).abs() < 0.4 && (seconds - 4.0).abs() < 0.3, "{level}, {seconds}");
    }

    #[test]
    fn a_voice_ten_decibels_louder_is_found_to_be() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/audio/talk.wav");
        let talk = crate::audio::wav::Wav::parse(&std::fs::read(path).unwrap()).unwrap().into_mono();
        let mut softer = talk.clone();
        level::scale(&mut softer, level::gain(-10.0));
        let [(loud, _), (soft, _)] = [talk, softer].map(|talk| heard(&[talk]).unwrap());
        assert!((loud - soft - 10.0).abs() < 0.3, "{loud} and {soft}");
    }

    #[test]
    fn how_the_sound_is_cut_makes_no_difference_and_the_past_fades() {
        let sound = [tone(-30.0, 700), tone(-15.0, 900)].concat();
        let mut pieces = ActiveLevel::new(RATE);
        sound.chunks(37).for_each(|piece| pieces.push(piece, RATE));
        assert_eq!(pieces.level(), heard(&[sound]));
        (0..90).for_each(|_| pieces.push(&tone(-35.0, 1_000), RATE));
        assert!((pieces.level().unwrap().0 - -35.0).abs() < 1.5, "{:?}", pieces.level());
    }
}
