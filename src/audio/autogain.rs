//! Brings quiet and loud voices to about one level.

use super::frame::Frame;
use super::level;

/// A slow gain for a voice whose level is known: towards [`TARGET_DBFS`](Self::TARGET_DBFS), bounded, and without steps.
///
/// It moves only while [`process`](Self::process) is told that somebody speaks, so what lies in the pauses is never pumped
/// up; and what it makes louder never reaches full scale, so nothing is clipped that was not clipped before. Allocates
/// nothing.
#[derive(Clone, Debug)]
pub struct AutoGain {
    /// In decibels.
    gain: f32,
}

impl AutoGain {
    /// The level a voice is brought to, as a root mean square while it sounds.
    pub const TARGET_DBFS: f32 = -22.0;
    /// The most it makes louder, in decibels.
    pub const MOST: f32 = 18.0;
    /// The most it makes softer, in decibels.
    pub const LEAST: f32 = -12.0;
    /// Decibels a second of voice.
    const UP: f32 = 4.0;
    const DOWN: f32 = 8.0;
    /// A voice this near to the target is left alone, in decibels.
    const DEAD: f32 = 1.0;

    /// A gain of nothing.
    pub const fn new() -> Self {
        Self { gain: 0.0 }
    }

    /// The gain at present, in decibels.
    pub const fn gain(&self) -> f32 {
        self.gain
    }

    /// Scales the frame. `voice_dbfs` is how loud the voice is that sounds in it; `None`: nobody speaks.
    pub fn process(&mut self, frame: &mut Frame, voice_dbfs: Option<f32>) {
        let from = level::gain(self.gain);
        if let Some(voice) = voice_dbfs {
            let wanted = (Self::TARGET_DBFS - voice).clamp(Self::LEAST, Self::MOST);
            let seconds = frame.duration().as_secs_f32();
            let off = wanted - self.gain;
            if off.abs() > Self::DEAD {
                self.gain += off.clamp(-Self::DOWN * seconds, Self::UP * seconds);
            }
        }
        let to = level::gain(self.gain);
        if from == 1.0 && to == 1.0 {
            return;
        }
        let samples = frame.samples_mut();
        let step = (to - from) / samples.len().max(1) as f32;
        let mut gain = from;
        for sample in samples {
            gain += step;
            let scaled = f32::from(*sample) * gain;
            *sample = if gain > 1.0 { rounded_off(scaled, f32::from(*sample).abs()) } else { scaled.round() as i16 };
        }
    }
}

impl Default for AutoGain {
    fn default() -> Self {
        Self::new()
    }
}

/// Bends what comes near full scale so that it never gets there: a straight line up to [`KNEE`], then ever flatter. What
/// was above the bend before it was made louder stays at least as loud.
fn rounded_off(scaled: f32, before: f32) -> i16 {
    let size = scaled.abs();
    if size <= KNEE {
        return scaled.round() as i16;
    }
    let room = FULL - KNEE;
    let bent = (FULL - room * (-(size - KNEE) / room).exp()).max(before);
    bent.copysign(scaled).round() as i16
}

const KNEE: f32 = 22_000.0;
const FULL: f32 = 32_700.0;

#[cfg(test)]
mod tests {
    use std::f32::consts::TAU;
    use std::time::Duration;

    use super::*;
    use crate::audio::SampleRate;

    const RATE: SampleRate = SampleRate::HZ_8000;

    /// 20 ms of 200 Hz, the `n`th of a stream.
    fn tone(n: usize, amplitude: f32) -> Frame {
        let mut frame = Frame::silence(RATE, Duration::from_millis(20));
        for (at, sample) in frame.samples_mut().iter_mut().enumerate() {
            *sample = (amplitude * ((n * 160 + at) as f32 * 200.0 / 8_000.0 * TAU).sin()) as i16;
        }
        frame
    }

    #[test]
    fn a_quiet_voice_becomes_louder_and_a_loud_one_softer_slowly_and_within_bounds() {
        for (amplitude, wanted) in [(200.0, AutoGain::MOST), (1_500.0, 7.8), (30_000.0, AutoGain::LEAST)] {
            let mut auto = AutoGain::new();
            for n in 0..500 {
                let mut frame = tone(n, amplitude);
                let (voice, before) = (level::dbfs(frame.samples()), auto.gain());
                auto.process(&mut frame, Some(voice));
                let moved = (auto.gain() - before).abs();
                assert!(moved <= 0.17, "{moved} dB in a frame");
            }
            assert!((auto.gain() - wanted).abs() <= 1.1, "{amplitude}: {} dB, not {wanted}", auto.gain());
        }
    }

    #[test]
    fn a_pause_is_not_pumped_up() {
        let mut auto = AutoGain::new();
        for n in 0..100 {
            auto.process(&mut tone(n, 1_000.0), Some(-33.0));
        }
        let reached = auto.gain();
        for n in 0..3_000 {
            auto.process(&mut tone(n, 20.0), None);
        }
        assert_eq!(auto.gain(), reached);
    }

    #[test]
    fn a_shout_after_a_whisper_is_not_clipped_and_steps_no_further_than_its_gain() {
        let mut auto = AutoGain::new();
        (0..500).for_each(|n| auto.process(&mut tone(n, 300.0), Some(-44.0)));
        assert!(auto.gain() > 17.0);
        let (mut last, mut steepest) = (0i32, 0);
        for n in 0..10 {
            let mut frame = tone(n, 30_000.0);
            let before = frame;
            auto.process(&mut frame, Some(-3.0));
            for (louder, sample) in frame.samples().iter().zip(before.samples()) {
                assert!(
                    i32::from(louder.unsigned_abs()) < 32_701 && louder.unsigned_abs() + 1 >= sample.unsigned_abs()
                );
                steepest = steepest.max((i32::from(*louder) - last).abs());
                last = i32::from(*louder);
            }
        }
        // The steepest step of the tone itself is 4 710; made eight times as loud it is steeper, but never a jump.
        assert!(steepest < 4_710 * 8, "{steepest}");
    }

    #[test]
    fn a_voice_at_its_level_is_left_to_the_bit() {
        let (mut auto, mut frame) = (AutoGain::new(), tone(0, 3_600.0));
        let before = frame;
        auto.process(&mut frame, Some(-22.5));
        assert_eq!(frame.samples(), before.samples());
    }
}
