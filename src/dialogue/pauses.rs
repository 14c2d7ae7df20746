//! How long this caller pauses and then goes on.

use std::time::{Duration, Instant};

use super::Timing;
use super::machine::Dialogue;
use super::profile::{Manner, Sounds};

/// What is known of the caller's own pauses: a moving average to which each pause adds a tenth, and which a turn without
/// any brings a tenth nearer to the shortest that counts.
///
/// What it is above that one lengthens the wait after words that may be finished, by at most the ceiling. A wait after
/// words that sound finished, or that the recogniser takes for finished, stays as it is: the caller who goes on after it all
/// the same takes the answer back before it is heard. Only pauses behind words that sounded finished count; who gives a
/// number or stops in mid-sentence is waited for anyway.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Pauses {
    /// How much longer than the shortest that counts they are.
    longer: Duration,
    /// Whether the turn that goes on had such a pause.
    had_one: bool,
}

impl Pauses {
    /// The caller went on after a pause.
    pub(super) fn went_on(&mut self, after: Duration, timing: &Timing) {
        // Longer than could ever be waited for is no pause but a new thought.
        if timing.pause_ceiling.is_zero()
            || after < timing.pause_floor
            || after > timing.endpoint_normal + timing.pause_ceiling
        {
            return;
        }
        self.had_one = true;
        self.longer = (self.longer * 9 + (after - timing.pause_floor)) / 10;
    }

    /// A turn is over.
    pub(super) fn turn_ended(&mut self) {
        if !std::mem::take(&mut self.had_one) {
            self.longer = self.longer * 9 / 10;
        }
    }

    /// A wait that this caller's usual pause does not end.
    pub(super) fn outlast(&self, wait: Duration, timing: &Timing) -> Duration {
        wait + self.longer.min(timing.pause_ceiling)
    }

    /// By how much a wait is lengthened.
    pub(super) fn longer(&self) -> Duration {
        self.longer
    }
}

impl Dialogue {
    /// What the end of the caller's turn depends on besides the turn.
    pub(super) fn manner(&self) -> Manner<'_> {
        Manner {
            timing: &self.spec.timing,
            language: self.language,
            mode: self.spec.stt_mode,
            pauses: &self.pauses,
            agent_said: self.history.last_said(),
        }
    }

    /// Reads the caller's words once for all who ask how long to wait after them.
    pub(super) fn read_words(&mut self) {
        self.turn.read(&Manner {
            timing: &self.spec.timing,
            language: self.language,
            mode: self.spec.stt_mode,
            pauses: &self.pauses,
            agent_said: self.history.last_said(),
        });
    }

    /// A voice that began then may go on with the turn after a pause.
    pub(super) fn learn_pause(&mut self, began: Instant) {
        if self.replies.front().is_some_and(|front| front.is_sounding()) {
            return;
        }
        let pause = self.turn.pause(began, &self.manner());
        self.take_pause(pause);
    }

    /// The caller goes on with the turn that was committed last.
    pub(super) fn learn_taken_back(&mut self) {
        let pause = self.committed.as_ref().zip(self.turn.began).and_then(|(committed, began)| {
            Some((began.saturating_duration_since(committed.stopped?), committed.sounds))
        });
        self.take_pause(pause);
    }

    fn take_pause(&mut self, pause: Option<(Duration, Sounds)>) {
        match pause {
            Some((pause, Sounds::Finished)) => self.pauses.went_on(pause, &self.spec.timing),
            Some((pause, Sounds::Value)) => self.turn.paused_in_value(pause),
            Some((_, Sounds::Unfinished)) | None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn each_pause_adds_a_tenth_and_turns_without_any_let_it_go() {
        let timing = Timing::default();
        let mut pauses = Pauses::default();
        assert_eq!(pauses.outlast(MS(500), &timing), MS(500));
        pauses.went_on(MS(700), &timing);
        assert_eq!(pauses.outlast(MS(500), &timing), MS(550));
        // The turn that had the pause does not count against it; the ones without do.
        pauses.turn_ended();
        assert_eq!(pauses.longer(), MS(50));
        pauses.turn_ended();
        assert_eq!(pauses.longer(), MS(45));
        for _ in 0..40 {
            pauses.went_on(MS(700), &timing);
        }
        let waits = pauses.outlast(MS(500), &timing);
        assert!(waits > MS(700) + MS(200) && waits < MS(1_000), "who always pauses is outlasted: {waits:?}");
    }

    #[test]
    fn only_what_can_be_a_pause_counts_and_the_wait_is_bounded() {
        let timing = Timing { pause_ceiling: MS(300), ..Timing::default() };
        let mut pauses = Pauses::default();
        pauses.went_on(MS(199), &timing);
        pauses.went_on(MS(801), &timing);
        assert_eq!(pauses.longer(), Duration::ZERO);
        (0..40).for_each(|_| pauses.went_on(MS(800), &timing));
        assert_eq!(pauses.outlast(MS(500), &timing), MS(800));
        let off = Timing { pause_ceiling: Duration::ZERO, ..Timing::default() };
        let mut pauses = Pauses::default();
        pauses.went_on(MS(400), &off);
        assert_eq!(pauses.longer(), Duration::ZERO);
    }
}
