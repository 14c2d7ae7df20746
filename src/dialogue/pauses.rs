//! How long this caller pauses and then goes on.

use std::time::{Duration, Instant};

use super::Timing;
use super::machine::Dialogue;
use super::profile::{Manner, Sounds};

/// What is known of the caller's own pauses.
///
/// One that ends a wait too early is worth more than one that does not: of a longer pause the estimate takes in nine
/// tenths at once, of a shorter one, or of a turn without any, a tenth. Only pauses behind words that sounded finished
/// count; who gives a number or stops in mid-sentence is waited for anyway.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Pauses {
    usual: Duration,
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
        self.usual = if after > self.usual { (after * 9 + self.usual) / 10 } else { (self.usual * 9 + after) / 10 };
    }

    /// A turn is over.
    pub(super) fn turn_ended(&mut self) {
        if !std::mem::take(&mut self.had_one) {
            self.usual = self.usual * 9 / 10;
        }
    }

    /// A wait that this caller's usual pause does not end: with a margin, and longer by at most the ceiling.
    pub(super) fn outlast(&self, wait: Duration, timing: &Timing) -> Duration {
        if self.usual < timing.pause_floor {
            return wait;
        }
        wait.max(self.usual + MARGIN).min(wait + timing.pause_ceiling)
    }

    /// The estimate.
    pub(super) fn usual(&self) -> Duration {
        self.usual
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

/// Pauses differ: a wait is longer than the usual one by this.
const MARGIN: Duration = Duration::from_millis(150);

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn one_pause_is_enough_to_wait_longer_and_turns_without_any_let_it_go() {
        let timing = Timing::default();
        let mut pauses = Pauses::default();
        assert_eq!(pauses.outlast(MS(250), &timing), MS(250));
        pauses.went_on(MS(400), &timing);
        assert_eq!(pauses.usual(), MS(360));
        assert_eq!(pauses.outlast(MS(250), &timing), MS(510));
        assert_eq!(pauses.outlast(MS(700), &timing), MS(700));
        // The turn that had the pause does not count against it; the ones without do.
        pauses.turn_ended();
        assert_eq!(pauses.usual(), MS(360));
        for _ in 0..6 {
            pauses.turn_ended();
        }
        assert_eq!(pauses.outlast(MS(250), &timing), MS(250));
    }

    #[test]
    fn longer_pauses_weigh_more_than_shorter_ones() {
        let timing = Timing::default();
        let mut pauses = Pauses::default();
        pauses.went_on(MS(800), &timing);
        pauses.went_on(MS(300), &timing);
        assert_eq!(pauses.usual(), MS(678));
        pauses.went_on(MS(1_000), &timing);
        assert!(pauses.usual() > MS(950));
    }

    #[test]
    fn only_what_can_be_a_pause_counts_and_the_wait_is_bounded() {
        let timing = Timing { pause_ceiling: MS(300), ..Timing::default() };
        let mut pauses = Pauses::default();
        pauses.went_on(MS(199), &timing);
        pauses.went_on(MS(801), &timing);
        assert_eq!(pauses.usual(), Duration::ZERO);
        pauses.went_on(MS(800), &timing);
        assert_eq!(pauses.outlast(MS(250), &timing), MS(550));
        let off = Timing { pause_ceiling: Duration::ZERO, ..Timing::default() };
        let mut pauses = Pauses::default();
        pauses.went_on(MS(400), &off);
        assert_eq!(pauses.usual(), Duration::ZERO);
    }
}
