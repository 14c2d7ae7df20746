//! Sound in place of sound that did not come.

use std::fmt;
use std::time::Duration;

use super::frame::{Frame, SampleRate};
use super::level;

/// Fills the gaps of a decoded stream in the manner of ITU-T G.711 Appendix I.
///
/// The last pitch periods are repeated (one in the first 10 ms, then two, then three, so that it does not buzz), fading
/// by a fifth of the volume every 10 ms from the second 10 ms on. 60 ms into a gap nothing is left of the voice; what
/// remains is noise as loud as the background was. Unlike the appendix it delays nothing: the start of the gap is
/// joined to what was already handed out. After [`new`](Self::new) nothing is allocated.
#[derive(Clone)]
pub struct Concealer {
    rate: SampleRate,
    /// The last sound handed out, made up or not.
    history: Vec<i16>,
    /// The history as it was when the gap began, and its pitch period.
    source: Vec<i16>,
    period: usize,
    /// How far the gap is, in samples, and by how much its first sample missed the one before.
    gap: usize,
    step: f32,
    /// How loud the background is; nothing before the first frame.
    background: Option<f32>,
    noise: u32,
}

impl Concealer {
    /// A concealer for sound of this rate.
    pub fn new(rate: SampleRate) -> Self {
        let history = vec![0; 3 * longest_period(rate) + longest_period(rate) / 4 + 1];
        let period = longest_period(rate);
        Self { rate, source: history.clone(), history, period, gap: 0, step: 0.0, background: None, noise: SEED }
    }

    /// Takes a frame that came. The first one after a gap is changed at its start: what was made up fades into it. A
    /// frame of another rate is left alone.
    pub fn good(&mut self, frame: &mut Frame) {
        if frame.rate() != self.rate {
            return;
        }
        self.follow_background(level::rms(frame.samples()));
        if self.gap > 0 && !frame.is_empty() {
            let samples = frame.samples_mut();
            let overlap = self.overlap().min(samples.len());
            for (at, sample) in samples[..overlap].iter_mut().enumerate() {
                let share = (at + 1) as f32 / (overlap + 1) as f32;
                *sample = (f32::from(*sample) * share + self.next() * (1.0 - share)).round() as i16;
            }
            self.gap = 0;
        }
        self.remember(frame.samples());
    }

    /// Makes up the next `duration` of sound, at most what one frame holds.
    pub fn lost(&mut self, duration: Duration) -> Frame {
        let mut frame = Frame::silence(self.rate, duration);
        if self.gap == 0 {
            self.source.copy_from_slice(&self.history);
            self.period = pitch(&self.source, self.rate);
            self.step = f32::from(self.behind(1)) - f32::from(self.behind(1 + self.period));
        }
        for sample in frame.samples_mut() {
            *sample = self.next().round() as i16;
        }
        self.remember(frame.samples());
        frame
    }

    /// Takes sound that was made up elsewhere in the place of what did not come; a gap of its own is over.
    pub fn heard(&mut self, frame: &Frame) {
        if frame.rate() == self.rate {
            self.gap = 0;
            self.remember(frame.samples());
        }
    }

    /// Noise of this root mean square for the next `duration`, at most what one frame holds.
    pub fn noise(&mut self, duration: Duration, rms: f32) -> Frame {
        let mut frame = Frame::silence(self.rate, duration);
        for sample in frame.samples_mut() {
            *sample = (self.uniform() * rms * 3f32.sqrt()).round() as i16;
        }
        self.heard(&frame);
        frame
    }

    /// Forgets the sound so far.
    pub fn reset(&mut self) {
        self.history.fill(0);
        self.gap = 0;
        self.background = None;
        self.noise = SEED;
    }

    /// The next made-up sample.
    fn next(&mut self) -> f32 {
        let ten = self.rate.hz() as usize / 100;
        let gain = 1.0 - FADE * self.gap.saturating_sub(ten) as f32 / ten as f32;
        let noise = self.uniform() * self.background.unwrap_or(0.0) * 3f32.sqrt();
        let sample = if gain <= 0.0 { noise } else { self.voice() * gain + noise * (1.0 - gain) };
        self.gap = self.gap.saturating_add(1);
        sample
    }

    /// The next number of a noise between −1 and 1: xorshift (Marsaglia, 2003). It is √3 times its root mean square at most.
    fn uniform(&mut self) -> f32 {
        self.noise ^= self.noise << 13;
        self.noise ^= self.noise >> 17;
        self.noise ^= self.noise << 5;
        self.noise as i32 as f32 / i32::MAX as f32
    }

    /// The voice as it would go on, without its fading.
    fn voice(&self) -> f32 {
        let ten = self.rate.hz() as usize / 100;
        let quarter = (self.period / 4).max(1);
        let cycles = (self.gap / ten + 1).min(MOST_CYCLES);
        let mut sample = self.cycle(cycles, self.gap);
        // One cycle more from here on: blend over from as it was.
        let since = if self.gap < MOST_CYCLES * ten { self.gap % ten } else { ten };
        if cycles > 1 && since < quarter {
            let share = (since + 1) as f32 / (quarter + 1) as f32;
            sample = sample * share + self.cycle(cycles - 1, self.gap) * (1.0 - share);
        }
        // The very first sample follows the last one heard without a step.
        if self.gap < quarter {
            sample += self.step * (1.0 - self.gap as f32 / quarter as f32);
        }
        sample
    }

    /// The sample at `at` of the last `cycles` pitch periods repeated for ever; before each repetition the last quarter
    /// period glides into the one that leads up to the first.
    fn cycle(&self, cycles: usize, at: usize) -> f32 {
        let length = cycles * self.period;
        let quarter = (self.period / 4).max(1);
        let behind = length - at % length;
        let sample = f32::from(self.behind(behind));
        if behind > quarter {
            return sample;
        }
        let share = (quarter - behind + 1) as f32 / (quarter + 1) as f32;
        sample * (1.0 - share) + f32::from(self.behind(behind + length)) * share
    }

    /// The sample this far from the end of the source: 1 is the last one.
    fn behind(&self, samples: usize) -> i16 {
        self.source.len().checked_sub(samples).and_then(|at| self.source.get(at)).copied().unwrap_or(0)
    }

    /// How many samples of the first good frame the made-up sound fades out over: a quarter period, and 4 ms more for
    /// every 10 ms of the gap, up to 10 ms.
    fn overlap(&self) -> usize {
        let ten = self.rate.hz() as usize / 100;
        (self.period / 4 + (self.gap / ten).saturating_sub(1) * ten * 2 / 5).min(ten)
    }

    fn remember(&mut self, samples: &[i16]) {
        let kept = samples.len().min(self.history.len());
        let length = self.history.len();
        self.history.copy_within(kept.., 0);
        self.history[length - kept..].copy_from_slice(&samples[samples.len() - kept..]);
    }

    /// The background is as loud as the quietest sound of late: down at once, up by 3 dB in a second.
    fn follow_background(&mut self, rms: f32) {
        let most = self.background.map_or(LOUDEST_BACKGROUND, |before| before.max(1.0) * RISE);
        self.background = Some(rms.min(most).min(LOUDEST_BACKGROUND));
    }
}

impl fmt::Debug for Concealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Concealer({:?}, {:?} into a gap)", self.rate, self.rate.duration_of(self.gap))
    }
}

/// The part of the volume lost every 10 ms.
const FADE: f32 = 0.2;
/// The most pitch periods repeated as one.
const MOST_CYCLES: usize = 3;
/// Less alike than this, periods are not of a voice; the longest is then repeated, which buzzes least.
const LEAST_LIKENESS: f32 = 0.3;
/// How much louder the background may be with each frame (3 dB a second at 50 frames).
const RISE: f32 = 1.007;
/// −46 dBFS: a background made up louder than this is worse than none.
const LOUDEST_BACKGROUND: f32 = 164.0;
const SEED: u32 = 0x9E37_79B9;

/// 15 ms: the pitch of 66 Hz.
const fn longest_period(rate: SampleRate) -> usize {
    rate.hz() as usize * 15 / 1_000
}

/// 5 ms: the pitch of 200 Hz; of a higher voice two or more periods are one.
const fn shortest_period(rate: SampleRate) -> usize {
    rate.hz() as usize * 5 / 1_000
}

/// The pitch period at the end of `sound`: the lag at which the last 10 ms are most like what came before. (Over the
/// appendix's 20 ms the pitch has moved: on our recordings half of them predict the waveform 1.3 dB better.)
fn pitch(sound: &[i16], rate: SampleRate) -> usize {
    let (shortest, longest) = (shortest_period(rate), longest_period(rate));
    let compared = (rate.hz() as usize / 100).min(sound.len().saturating_sub(longest));
    let recent = &sound[sound.len() - compared..];
    let own = recent.iter().map(|&sample| f32::from(sample).powi(2)).sum::<f32>() + 1.0;
    let mut best = (LEAST_LIKENESS, longest);
    for lag in shortest..=longest {
        let before = &sound[sound.len() - compared - lag..sound.len() - lag];
        let (mut product, mut power) = (0f32, 1f32);
        for (&a, &b) in recent.iter().zip(before) {
            product += f32::from(a) * f32::from(b);
            power += f32::from(b) * f32::from(b);
        }
        let likeness = product / (power * own).sqrt();
        if likeness > best.0 {
            best = (likeness, lag);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use std::f32::consts::PI;
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;
    use crate::audio::wav::Wav;

    const RATE: SampleRate = SampleRate::HZ_8000;
    const MS_10: Duration = Duration::from_millis(10);
    const MS_20: Duration = Duration::from_millis(20);

    /// A voice-like sound: a pitch and its harmonics.
    fn voice(pitch: f32, samples: usize) -> Vec<i16> {
        let wave =
            |n: usize| (1..6).map(|h| (2.0 * PI * pitch * h as f32 * n as f32 / 8_000.0).sin() / h as f32).sum::<f32>();
        (0..samples).map(|n| (4_000.0 * wave(n)) as i16).collect()
    }

    fn frame(samples: &[i16]) -> Frame {
        Frame::from_samples(RATE, samples).unwrap()
    }

    /// A concealer that has heard `sound` in frames of 20 ms.
    fn after(sound: &[i16]) -> Concealer {
        let mut concealer = Concealer::new(RATE);
        sound.chunks(160).for_each(|piece| concealer.good(&mut frame(piece)));
        concealer
    }

    fn largest_step(samples: &[i16]) -> i32 {
        samples.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max().unwrap_or(0)
    }

    fn error_db(heard: &[i16], truth: &[i16]) -> f32 {
        let difference: f32 = heard.iter().zip(truth).map(|(&a, &b)| (f32::from(a) - f32::from(b)).powi(2)).sum();
        10.0 * (difference / level::energy(truth).max(1) as f32).log10()
    }

    #[test]
    fn a_vowel_goes_on_as_if_nothing_were_lost() {
        for pitch in [70.0, 100.0, 123.0, 160.0, 195.0, 240.0, 330.0] {
            let sound = voice(pitch, 1_600 + 80);
            let made_up = after(&sound[..1_600]).lost(MS_10);
            let error = error_db(made_up.samples(), &sound[1_600..]);
            assert!(error < -12.0, "{pitch} Hz: {error} dB");
        }
    }

    #[test]
    fn neither_end_of_a_gap_clicks() {
        for (pitch, lost_ms) in [(100.0, 10), (123.0, 20), (160.0, 40), (210.0, 60)] {
            let lost = lost_ms * 8;
            let sound = voice(pitch, 3_200 + lost);
            let mut concealer = after(&sound[..1_600]);
            let mut heard = sound[1_500..1_600].to_vec();
            for _ in 0..lost_ms / 10 {
                heard.extend_from_slice(concealer.lost(MS_10).samples());
            }
            let mut back = frame(&sound[1_600 + lost..1_600 + lost + 160]);
            concealer.good(&mut back);
            heard.extend_from_slice(back.samples());
            let (step, natural) = (largest_step(&heard), largest_step(&sound));
            assert!(step <= natural * 3 / 2, "{pitch} Hz, {lost_ms} ms: {step}, by itself {natural}");
            assert_eq!(back.samples()[100..], sound[1_600 + lost + 100..1_600 + lost + 160], "the rest is untouched");
        }
    }

    #[test]
    fn the_voice_fades_and_is_gone_after_60_ms() {
        let mut sound = vec![0; 160];
        sound.extend(voice(120.0, 1_600));
        let mut concealer = after(&sound);
        let levels: Vec<f32> = (0..8).map(|_| level::rms(concealer.lost(MS_10).samples())).collect();
        assert!(levels[..6].windows(2).all(|pair| pair[1] < pair[0] * 1.05), "{levels:?}");
        assert!(levels[3] < 0.65 * levels[0] && levels[5] < 0.2 * levels[0], "{levels:?}");
        assert!(levels[6] < 30.0 && levels[7] < 30.0, "{levels:?}");
    }

    #[test]
    fn a_long_gap_sounds_as_loud_as_the_background() {
        let mut noise = 1u32;
        let mut hiss = |amplitude: i32, count: usize| -> Vec<i16> {
            (0..count)
                .map(|_| {
                    noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (((noise >> 16) as i32 - 32_768) * amplitude / 32_768) as i16
                })
                .collect()
        };
        let mut sound = hiss(100, 16_000);
        sound.extend(voice(120.0, 1_600).iter().zip(hiss(100, 1_600)).map(|(a, b)| a + b));
        let background = level::rms(&sound[..16_000]);
        let mut concealer = after(&sound);
        assert_eq!(concealer.lost(Duration::from_millis(60)).samples().len(), 480);
        let late = level::rms(concealer.lost(Duration::from_millis(100)).samples());
        assert!((0.6..1.6).contains(&(late / background)), "{late} for {background}");
    }

    #[test]
    fn before_anything_was_heard_a_gap_is_silence() {
        let mut concealer = Concealer::new(RATE);
        assert_eq!(concealer.lost(MS_20).samples(), [0; 160]);
        let mut first = frame(&[500; 160]);
        concealer.good(&mut first);
        assert!(first.samples()[0] < 500 && first.samples()[159] == 500);
    }

    #[test]
    fn how_a_gap_is_cut_makes_no_difference() {
        let concealer = after(&voice(140.0, 1_600));
        let whole = concealer.clone().lost(Duration::from_millis(60));
        let (mut pieces, mut piecewise) = (Vec::new(), concealer);
        for ms in [10, 20, 5, 25] {
            pieces.extend_from_slice(piecewise.lost(Duration::from_millis(ms)).samples());
        }
        assert_eq!(whole.samples(), pieces);
    }

    #[test]
    fn of_real_speech_with_losses_more_is_saved_than_by_silence() {
        // Of each gap its first 5 ms, where the voice has not yet moved on, and how loud all of it is.
        let (mut made_up, mut truth) = (Vec::new(), Vec::new());
        let mut off_by = Vec::new();
        for name in ["caller-booking", "voice-us-male-slow", "voice-gb-male", "voice-nyc-female"] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/audio/{name}.wav"));
            let sound = Wav::parse(&std::fs::read(path).unwrap()).unwrap().into_mono();
            for turn in 0..10 {
                let mut concealer = Concealer::new(RATE);
                for (n, piece) in sound.chunks_exact(160).enumerate() {
                    if n % 10 == turn && level::dbfs(piece) > -40.0 {
                        let filled = concealer.lost(MS_20);
                        made_up.extend_from_slice(&filled.samples()[..40]);
                        truth.extend_from_slice(&piece[..40]);
                        off_by.push((level::dbfs(filled.samples()) - level::dbfs(piece)).abs());
                    } else {
                        concealer.good(&mut frame(piece));
                    }
                }
            }
        }
        // Silence would be 0 dB off the waveform and about 20 dB off the level.
        let error = error_db(&made_up, &truth);
        off_by.sort_by(f32::total_cmp);
        let typical = off_by[off_by.len() / 2];
        assert!(error < -2.5 && typical < 2.5, "{error} dB off the waveform, {typical} dB off the level");
    }

    #[test]
    fn other_rates_are_filled_just_as_well() {
        let rate = SampleRate::HZ_16000;
        let sound: Vec<i16> =
            (0..3_360).map(|n| (8_000.0 * (2.0 * PI * 150.0 * n as f32 / 16_000.0).sin()) as i16).collect();
        let mut concealer = Concealer::new(rate);
        sound[..3_200].chunks(320).for_each(|piece| concealer.good(&mut Frame::from_samples(rate, piece).unwrap()));
        assert!(error_db(concealer.lost(MS_10).samples(), &sound[3_200..]) < -12.0);
        let mut other = frame(&[1; 160]);
        concealer.good(&mut other);
        assert_eq!(other.samples(), [1; 160]);
    }

    proptest! {
        #[test]
        fn no_order_of_frames_and_gaps_makes_it_panic(
            steps in prop::collection::vec((any::<bool>(), 0usize..961, any::<i16>()), 0..40),
            hz in 4_000u32..50_000,
        ) {
            let rate = SampleRate::new(hz).unwrap();
            let mut concealer = Concealer::new(rate);
            for (lost, length, value) in steps {
                if lost {
                    let made_up = concealer.lost(rate.duration_of(length));
                    prop_assert!(made_up.samples().len() <= length);
                } else {
                    let samples: Vec<i16> = (0..length).map(|n| if n % 7 < 3 { value } else { !value }).collect();
                    concealer.good(&mut Frame::from_samples(rate, &samples).unwrap());
                }
            }
        }
    }
}
