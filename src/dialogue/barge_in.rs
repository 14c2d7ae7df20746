//! Interruption, "mm-hmm", or a cough?

use std::time::{Duration, Instant};

use crate::conversation::Backdrop;

use super::Timing;
use super::words::Meaning;

/// From how much voice and how many words the agent gives way, by `interruption_sensitivity`.
///
/// At 0.8 the times are those of [`Timing`]. Below, they grow linearly to three times as much (towards 0) and an
/// interruption needs one word more below 0.6, two below 0.3. Up to there voice alone only holds the agent: a long voice
/// interrupts when there is any word in it. Above, times shrink linearly and voice alone interrupts too: at 1 the first
/// voiced hop silences the agent, one word is enough, and 200 ms of voice are an interruption. At 0 nothing interrupts.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct BargeIn {
    /// Whether the caller may interrupt at all.
    pub(super) is_allowed: bool,
    /// Voice this long makes the agent softer.
    duck_after: Duration,
    /// Voice this long silences it for the moment: over quiet, noise and echo.
    hold_after: [Duration; 3],
    /// Voice this long is an interruption with any word, or without one when `needs_word` is not set.
    interrupt_after: Duration,
    needs_word: bool,
    /// In the first moments of an utterance a hold needs words.
    pub(super) boundary: Duration,
    /// Words that interrupt after a question of the agent, and otherwise.
    words: (usize, usize),
}

/// What a held reply's fate depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evidence {
    /// What the caller has said since.
    pub(super) meaning: Meaning,
    /// Whether those words may still change, or words are still expected.
    pub(super) pending: bool,
    /// The voice that is going on.
    pub(super) voiced: Duration,
    /// When the voice ended; `None` while it goes on.
    pub(super) stopped: Option<Instant>,
    /// Whether the agent had asked a question.
    pub(super) asked: bool,
}

/// What is to become of a held reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// The caller has the floor, by this rule.
    Interrupt(&'static str),
    /// The agent goes on, by this rule.
    Resume(&'static str),
    /// Ask again then; `None`: when there is more evidence.
    Wait(Option<Instant>),
}

impl BargeIn {
    /// The thresholds of a sensitivity between 0 and 1.
    pub(super) fn new(sensitivity: f32, timing: &Timing) -> Self {
        const DEFAULT: f32 = 0.8;
        let sensitivity = if sensitivity.is_nan() { DEFAULT } else { sensitivity.clamp(0.0, 1.0) };
        let factor = if sensitivity <= DEFAULT {
            1.0 + 2.0 * (DEFAULT - sensitivity) / DEFAULT
        } else {
            (1.0 - sensitivity) / (1.0 - DEFAULT)
        };
        // In whole thousandths, so that a factor of one changes nothing.
        let scale = |time: Duration, factor: f32| time * (factor * 1_000.0).round() as u32 / 1_000;
        let least = Duration::from_millis(200).min(timing.interrupt_after);
        let words = match sensitivity {
            s if s >= 1.0 => (1, 1),
            s if s >= 0.6 => (1, 2),
            s if s >= 0.3 => (2, 3),
            _ => (3, 4),
        };
        Self {
            is_allowed: sensitivity > 0.0,
            duck_after: scale(timing.duck_after, factor),
            // However eager: what may well be noise or an echo takes as long as a voice over quiet.
            hold_after: [
                scale(timing.hold_after, factor),
                scale(timing.hold_noisy, factor).max(timing.hold_after),
                scale(timing.hold_echo, factor).max(timing.hold_after),
            ],
            needs_word: sensitivity <= DEFAULT,
            interrupt_after: scale(timing.interrupt_after, factor).max(least),
            boundary: scale(timing.backchannel_boundary, factor.min(1.0)),
            words,
        }
    }

    /// Voice this long silences the agent for the moment.
    pub(super) fn hold_after(&self, over: Backdrop) -> Duration {
        let [quiet, noise, echo] = self.hold_after;
        match over {
            Backdrop::Quiet => quiet,
            Backdrop::Noise => noise,
            Backdrop::Echo => echo,
        }
    }

    /// Voice this long makes it softer: in the same proportion to the hold.
    pub(super) fn duck_after(&self, over: Backdrop) -> Duration {
        match over {
            Backdrop::Quiet => self.duck_after,
            _ => self.hold_after(over) / 2,
        }
    }

    /// Whether words alone take the floor.
    pub(super) fn interrupts(&self, meaning: Meaning, asked: bool) -> Option<&'static str> {
        let needed = if asked { self.words.0 } else { self.words.1 };
        if meaning.stop {
            Some("barge-in.stop-phrase")
        } else if meaning.answer && meaning.real >= needed {
            Some("barge-in.answer")
        } else if meaning.real >= needed {
            Some("barge-in.words")
        } else {
            None
        }
    }

    /// What is to become of a held reply now.
    pub(super) fn verdict(&self, evidence: &Evidence, timing: &Timing, now: Instant) -> Verdict {
        let Evidence { meaning, pending, voiced, stopped, asked } = *evidence;
        if let Some(rule) = self.interrupts(meaning, asked) {
            return Verdict::Interrupt(rule);
        }
        // Somebody who says "yeah, okay" at length still listens.
        let patience = if meaning.is_backchannel() { 2 } else { 1 };
        let has_word = meaning.real > 0 || meaning.is_backchannel();
        if voiced >= self.interrupt_after * patience && (has_word || !self.needs_word) {
            return Verdict::Interrupt("barge-in.duration");
        }
        let Some(stopped) = stopped else { return Verdict::Wait(None) };
        let silent = stopped + timing.resume_after;
        let hard = stopped + if meaning.real > 0 && pending { timing.verdict_cap } else { timing.verdict_after };
        if meaning.real == 0 {
            let rule = if meaning.is_backchannel() { "barge-in.backchannel" } else { "barge-in.no-words" };
            return if now >= silent { Verdict::Resume(rule) } else { Verdict::Wait(Some(silent)) };
        }
        // A word, but not enough of them: the caller who says nothing more meant it.
        if now >= hard { Verdict::Interrupt("barge-in.word") } else { Verdict::Wait(Some(hard)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialogue::tests::base;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn evidence(text: &str, voiced: u64, stopped: Option<u64>) -> Evidence {
        Evidence {
            meaning: Meaning::of(text, crate::dialogue::language::Language::of("en")),
            pending: false,
            voiced: MS(voiced),
            stopped: stopped.map(|at| base() + MS(at)),
            asked: false,
        }
    }

    fn verdict(evidence: &Evidence, at: u64) -> Verdict {
        let timing = Timing::default();
        BargeIn::new(0.8, &timing).verdict(evidence, &timing, base() + MS(at))
    }

    #[test]
    fn a_cough_resumes_after_its_silence() {
        let cough = evidence("", 160, Some(160));
        assert_eq!(verdict(&cough, 400), Verdict::Wait(Some(base() + MS(510))));
        assert_eq!(verdict(&cough, 510), Verdict::Resume("barge-in.no-words"));
    }

    #[test]
    fn words_interrupt_and_backchannels_do_not() {
        assert_eq!(verdict(&evidence("no I meant", 300, None), 300), Verdict::Interrupt("barge-in.words"));
        assert_eq!(verdict(&evidence("wait", 300, None), 300), Verdict::Interrupt("barge-in.stop-phrase"));
        assert_eq!(verdict(&evidence("mm-hmm", 300, Some(300)), 650), Verdict::Resume("barge-in.backchannel"));
        assert_eq!(verdict(&evidence("yeah okay", 900, None), 900), Verdict::Wait(None));
        assert_eq!(verdict(&evidence("Tuesday", 700, None), 700), Verdict::Interrupt("barge-in.duration"));
        assert_eq!(verdict(&evidence("", 3_000, None), 3_000), Verdict::Wait(None), "voice alone only holds");
    }

    #[test]
    fn a_single_word_decides_after_a_question_and_at_the_latest_when_nothing_follows() {
        let mut word = evidence("Tuesday", 300, Some(300));
        assert_eq!(verdict(&word, 700), Verdict::Wait(Some(base() + MS(1_000))));
        assert_eq!(verdict(&word, 1_000), Verdict::Interrupt("barge-in.word"));
        word.asked = true;
        assert_eq!(verdict(&word, 400), Verdict::Interrupt("barge-in.words"));
        word.asked = false;
        word.pending = true;
        assert_eq!(verdict(&word, 1_000), Verdict::Wait(Some(base() + MS(1_800))));
    }

    #[test]
    fn sensitivity_scales_from_never_to_the_first_sound() {
        let timing = Timing::default();
        assert!(!BargeIn::new(0.0, &timing).is_allowed);
        let default = BargeIn::new(0.8, &timing);
        assert_eq!(default.duck_after(Backdrop::Quiet), timing.duck_after);
        for (over, after) in [
            (Backdrop::Quiet, timing.hold_after),
            (Backdrop::Noise, timing.hold_noisy),
            (Backdrop::Echo, timing.hold_echo),
        ] {
            assert_eq!(default.hold_after(over), after);
            assert!(default.duck_after(over) < after);
        }
        assert_eq!((default.interrupt_after, default.words), (timing.interrupt_after, (1, 2)));
        let first_sound = BargeIn::new(1.0, &timing);
        assert_eq!((first_sound.hold_after(Backdrop::Quiet), first_sound.boundary), (Duration::ZERO, Duration::ZERO));
        assert_eq!(first_sound.hold_after(Backdrop::Echo), timing.hold_after);
        assert!(default.needs_word && !first_sound.needs_word);
        let mut last = Duration::MAX;
        for step in 1..=20 {
            let hold = BargeIn::new(step as f32 / 20.0, &timing).hold_after(Backdrop::Quiet);
            assert!(hold <= last);
            last = hold;
        }
        assert_eq!(BargeIn::new(f32::NAN, &timing), default);
    }
}
