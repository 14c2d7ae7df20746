//! Whether a caller speaks, has just spoken or has been quiet for long, as far as the packing of sound cares.

/// Follows the level of a caller's sound, frame by frame. Nothing depends on it but how sound is packed for a recogniser and
/// kept for another: wrongly loud costs a few small messages, wrongly quiet keeps the beginning of a faint word back for
/// less than a piece.
#[derive(Clone, Debug)]
pub(super) struct Quiet {
    /// The mean size of a sample where it is quiet: falls at once, rises slowly.
    floor: f32,
    /// Frames since the last that was louder.
    frames: u32,
    /// Whether the last was no more than the noise of the line.
    still: bool,
}

/// What a frame is to the recogniser.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Moment {
    /// The first of a voice.
    Onset,
    /// Within a voice, or a gap between two sounds of it.
    Voice,
    /// The voice seems to be over: the first frame that is no gap any more.
    End,
    /// The recogniser decides whether the caller is done.
    Pause,
    /// Nobody minds when a recogniser learns of it a moment later.
    Quiet,
}

impl Quiet {
    /// Frames without voice that are a gap between two sounds of a word, and no end.
    const GAP: u32 = 5;
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
    /// What is this many times the floor may be a voice, however faint: even noise varies by less.
    const FAINT: f32 = 1.5;
    /// What is louder than this, about −50 dBFS, may be a voice whatever the floor.
    const STILL: f32 = 80.0;

    /// Nothing heard yet: the recogniser listens as after a voice.
    pub(super) const fn new() -> Self {
        Self { floor: Self::FIRST, frames: Self::GAP, still: false }
    }

    /// Hears a frame.
    pub(super) fn hear(&mut self, samples: &[i16]) -> Moment {
        let sum: u32 = samples.iter().map(|sample| u32::from(sample.unsigned_abs())).sum();
        let level = sum as f32 / samples.len().max(1) as f32;
        self.floor = (self.floor * Self::RISE).min(level).max(Self::LOWEST);
        self.still = level <= (self.floor * Self::FAINT).min(Self::STILL);
        let before = self.frames;
        self.frames = if level > self.floor * Self::LOUD { 0 } else { before.saturating_add(1) };
        match self.frames {
            0 if before >= Self::GAP => Moment::Onset,
            Self::GAP => Moment::End,
            frames if frames < Self::GAP => Moment::Voice,
            frames if frames <= Self::AFTER => Moment::Pause,
            _ => Moment::Quiet,
        }
    }

    /// Whether the last frame held no more than the noise of a quiet line, in which there is nothing to be heard again.
    pub(super) const fn is_still(&self) -> bool {
        self.still
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hear(quiet: &mut Quiet, level: i16, frames: usize) -> Vec<Moment> {
        let samples: Vec<i16> = (0..160).map(|n| if n % 2 == 0 { level } else { -level }).collect();
        (0..frames).map(|_| quiet.hear(&samples)).collect()
    }

    #[test]
    fn a_second_and_a_half_after_the_voice_it_is_quiet_and_with_the_first_loud_frame_no_more() {
        for noise in [0, 30, 300] {
            let mut quiet = Quiet::new();
            hear(&mut quiet, noise, 100);
            let voice = hear(&mut quiet, noise * 5 + 400, 50);
            assert_eq!(voice[0], Moment::Onset, "over {noise}");
            assert!(voice[1..].iter().all(|moment| *moment == Moment::Voice), "voice over {noise}");
            let after = hear(&mut quiet, noise, 200);
            let first = |wanted| after.iter().position(|moment| *moment == wanted);
            assert_eq!(
                [Moment::Voice, Moment::End, Moment::Pause, Moment::Quiet].map(first),
                [Some(0), Some(4), Some(5), Some(75)],
                "after voice over {noise}"
            );
            assert_eq!(hear(&mut quiet, noise * 5 + 400, 1), [Moment::Onset], "over {noise}");
        }
    }

    #[test]
    fn a_gap_within_a_word_is_no_end_of_the_voice() {
        let mut quiet = Quiet::new();
        hear(&mut quiet, 20, 100);
        hear(&mut quiet, 800, 10);
        assert_eq!(hear(&mut quiet, 20, 4), [Moment::Voice; 4]);
        assert_eq!(hear(&mut quiet, 800, 2), [Moment::Voice; 2]);
    }

    #[test]
    fn only_the_even_noise_of_a_quiet_line_is_still() {
        let mut quiet = Quiet::new();
        let mut still = |level| {
            hear(&mut quiet, level, 1);
            quiet.is_still()
        };
        assert!((0..50).all(|_| still(20)));
        assert!(still(26) && !still(40), "a faint voice");
        assert!((0..2_000).all(|_| !still(400)), "a loud line, however even");
    }

    #[test]
    fn noise_that_stays_becomes_the_floor() {
        let mut quiet = Quiet::new();
        hear(&mut quiet, 20, 100);
        let found = hear(&mut quiet, 400, 1_000);
        assert!(found[100] != Moment::Quiet && found[900] == Moment::Quiet);
    }
}
