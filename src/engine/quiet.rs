//! Whether a caller has been quiet for so long that nobody minds when a recogniser learns of it a moment later.

/// Follows the level of a caller's sound, frame by frame. Nothing depends on it but how sound is packed for a recogniser:
/// wrongly loud costs a few small messages, wrongly quiet keeps the beginning of a faint word back for less than a piece.
#[derive(Clone, Debug)]
pub(super) struct Quiet {
    /// The mean size of a sample where it is quiet: falls at once, rises slowly.
    floor: f32,
    /// Frames since the last that was louder.
    frames: u32,
}

impl Quiet {
    /// Frames without voice after which a caller counts as quiet: longer than any recogniser waits for the end of a turn.
    const AFTER: u32 = 75;
    /// How much the floor rises in a frame: by half in a second of 20 ms frames.
    const RISE: f32 = 1.008;
    /// The lowest floor: digital silence is no measure of what is loud.
    const LOWEST: f32 = 8.0;
    /// Where it begins, about −50 dBFS: a call may begin with a voice.
    const FIRST: f32 = 100.0;
    /// What is this many times the floor is loud.
    const LOUD: f32 = 3.0;

    /// Nothing heard yet: not quiet.
    pub(super) const fn new() -> Self {
        Self { floor: Self::FIRST, frames: 0 }
    }

    /// Hears a frame; whether the caller is quiet.
    pub(super) fn hear(&mut self, samples: &[i16]) -> bool {
        let sum: u32 = samples.iter().map(|sample| u32::from(sample.unsigned_abs())).sum();
        let level = sum as f32 / samples.len().max(1) as f32;
        self.floor = (self.floor * Self::RISE).min(level).max(Self::LOWEST);
        self.frames = if level > self.floor * Self::LOUD { 0 } else { self.frames.saturating_add(1) };
        self.frames > Self::AFTER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hear(quiet: &mut Quiet, level: i16, frames: usize) -> Vec<bool> {
        let samples: Vec<i16> = (0..160).map(|n| if n % 2 == 0 { level } else { -level }).collect();
        (0..frames).map(|_| quiet.hear(&samples)).collect()
    }

    #[test]
    fn a_second_and_a_half_after_the_voice_it_is_quiet_and_with_the_first_loud_frame_no_more() {
        for noise in [0, 30, 300] {
            let mut quiet = Quiet::new();
            hear(&mut quiet, noise, 100);
            assert!(hear(&mut quiet, noise * 5 + 400, 50).iter().all(|quiet| !quiet), "voice over {noise}");
            let after = hear(&mut quiet, noise, 200);
            assert_eq!(after.iter().position(|quiet| *quiet), Some(75), "after voice over {noise}");
            assert_eq!(hear(&mut quiet, noise * 5 + 400, 1), [false], "over {noise}");
        }
    }

    #[test]
    fn noise_that_stays_becomes_the_floor() {
        let mut quiet = Quiet::new();
        hear(&mut quiet, 20, 100);
        let found = hear(&mut quiet, 400, 1_000);
        assert!(!found[100] && found[900]);
    }
}
