//! Is there a voice in these 10 ms?

use std::collections::VecDeque;

/// A detector of loudness over a tracked noise floor.
///
/// The floor is the quietest smoothed 10 ms of the last two seconds: speech has gaps at least that often, noise has none.
/// A stretch is voiced when it is 8 dB above the floor and above −48 dBFS.
#[derive(Clone, Debug)]
pub(super) struct Ear {
    /// Power of the last frames, newest last.
    recent: VecDeque<f64>,
    /// Smoothed levels in dBFS over the window, newest last.
    window: VecDeque<f64>,
}

impl Ear {
    /// Frames a level is averaged over.
    const SMOOTHING: usize = 3;
    /// Frames in the window of the floor.
    const WINDOW: usize = 200;
    const ABOVE_FLOOR_DB: f64 = 8.0;
    const QUIETEST_DBFS: f64 = -48.0;
    /// Digital silence counts as this.
    const NOTHING_DBFS: f64 = -70.0;

    /// An ear that has heard nothing yet.
    pub(super) fn new() -> Self {
        Self { recent: VecDeque::new(), window: VecDeque::new() }
    }

    /// Whether `frame`, 10 ms of sound, is voiced.
    pub(super) fn is_voiced(&mut self, frame: &[i16]) -> bool {
        let power = Self::power(frame);
        self.recent.push_back(power);
        if self.recent.len() > Self::SMOOTHING {
            self.recent.pop_front();
        }
        let decibels = |power: f64| Self::decibels(power).max(Self::NOTHING_DBFS);
        self.window.push_back(decibels(self.recent.iter().sum::<f64>() / self.recent.len() as f64));
        if self.window.len() > Self::WINDOW {
            self.window.pop_front();
        }
        let floor = self.window.iter().copied().fold(f64::INFINITY, f64::min);
        // The frame itself, not the smoothed level: the end of a voice must not smear.
        decibels(power) > (floor + Self::ABOVE_FLOOR_DB).max(Self::QUIETEST_DBFS)
    }

    /// Whether `frame` holds any sound loud enough for a voice, be it noise.
    pub(super) fn is_sound(frame: &[i16]) -> bool {
        Self::decibels(Self::power(frame)) > Self::QUIETEST_DBFS
    }

    fn power(frame: &[i16]) -> f64 {
        frame.iter().map(|&s| (f64::from(s) / 32_768.0).powi(2)).sum::<f64>() / frame.len().max(1) as f64
    }

    fn decibels(power: f64) -> f64 {
        10.0 * power.max(1e-12).log10()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::SampleRate;
    use crate::simulator::voice::Speech;

    /// White noise of `level` dBFS.
    fn noise(level: f64, frames: usize) -> Vec<i16> {
        let amplitude = 10f64.powf(level / 20.0) * 32_768.0 * 3f64.sqrt();
        let mut state = 1u32;
        let mut sample = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((f64::from(state >> 8) / f64::from(1 << 23) - 1.0) * amplitude) as i16
        };
        (0..frames * 80).map(|_| sample()).collect()
    }

    fn voiced(samples: &[i16]) -> usize {
        let mut ear = Ear::new();
        samples.chunks(80).filter(|frame| ear.is_voiced(frame)).count()
    }

    #[test]
    fn steady_noise_is_not_a_voice_however_loud() {
        for level in [-70.0, -40.0, -20.0] {
            let frames = voiced(&noise(level, 500));
            assert!(frames < 5, "{frames} voiced frames of noise at {level} dBFS");
        }
    }

    #[test]
    fn a_voice_is_heard_above_the_noise_it_stands_in() {
        let speech = Speech::plan("this is somebody speaking", "alice", 1.0, SampleRate::HZ_8000).make(u32::MAX);
        for level in [-90.0, -45.0, -35.0] {
            let mut samples = noise(level, 100 + speech.len() / 80);
            samples[8_000..].iter_mut().zip(&speech).for_each(|(s, v)| *s += v);
            let share = voiced(&samples) as f64 / (speech.len() / 80) as f64;
            assert!(share > 0.6, "{share:.2} of the voice heard in noise of {level} dBFS");
        }
    }
}
