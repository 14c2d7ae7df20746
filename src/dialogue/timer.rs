//! The deadlines of a dialogue.

use std::time::Instant;

/// Makes the enum of timers and the list of them from one list; of equal deadlines the first in it fires first.
macro_rules! timers {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What a dialogue may be waiting for. Each has at most one deadline.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(super) enum Timer {
            $($(#[$doc])* $name,)*
        }

        impl Timer {
            const ALL: &[Self] = &[$(Self::$name),*];
            const COUNT: usize = Self::ALL.len();
        }
    };
}

timers! {
    /// The recogniser is asked for what it has.
    Finalize,
    /// The caller's turn is over.
    Endpoint,
    /// The model may begin on an answer to the turn as it stands.
    ThinkAhead,
    /// A duck, a hold or a withheld reply is decided.
    Verdict,
    /// Voice without words: it is heard again.
    Rehear,
    /// The caller has had the floor for as long as they may.
    TurnLimit,
    /// The agent may say "mm-hmm".
    Backchannel,
    /// Voice without words: the caller is asked to repeat.
    Stuck,
    /// The detector has told nothing more of a voice.
    VoiceLost,
    /// The model has given nothing to speak yet: its backup is asked too.
    HedgeModel,
    /// The model has given nothing to speak.
    FirstToken,
    /// The model's answer takes too long.
    WholeAnswer,
    /// Text is spoken although no clause has ended.
    SegmentFlush,
    /// The voice has given no sound yet: its backup is asked too.
    HedgeVoice,
    /// The voice has given no sound.
    FirstAudio,
    /// The voice has stalled in the middle.
    Stall,
    /// A reply should long have been heard in full.
    Overdue,
    /// A tool has not answered.
    Tool,
    /// The caller waits for a tool in silence.
    Filler,
    /// The caller was asked for keys and has pressed none.
    Collect,
    /// The next keys may be sent.
    Keys,
    /// Nobody has answered a transfer.
    Transfer,
    /// The caller waits for a transfer in silence.
    Comfort,
    /// The greeting may be heard.
    Greeting,
    /// Something is to be done about whoever has answered.
    Answer,
    /// Nobody has spoken for a while.
    Idle,
    /// The caller has said nothing for very long.
    MaxSilence,
    /// The call will soon have lasted as long as it may.
    DurationWarning,
    /// The call has lasted as long as it may.
    MaxDuration,
    /// A goodbye, or the last words after the line closed, are waited for no longer.
    Drain,
}

/// A fixed table of deadlines, one place for each [`Timer`], and the earliest of them: that one is asked for with every
/// packet, and the timers are mostly set to what they were.
#[derive(Clone, Debug, Default)]
pub(super) struct Timers {
    at: [Option<Instant>; Timer::COUNT],
    next: Option<Instant>,
}

impl Timers {
    /// Arms, moves or (with `None`) stops a timer.
    pub(super) fn set(&mut self, timer: Timer, at: Option<Instant>) {
        let Some(place) = self.at.get_mut(timer as usize) else { return };
        if *place == at {
            return;
        }
        let before = std::mem::replace(place, at);
        if before.is_some() && before == self.next {
            self.next = self.at.iter().flatten().min().copied();
        } else if let Some(at) = at {
            self.next = Some(self.next.map_or(at, |next| next.min(at)));
        }
    }

    /// Stops a timer.
    pub(super) fn stop(&mut self, timer: Timer) {
        self.set(timer, None);
    }

    /// Stops all timers.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// When a timer is due, if it is armed.
    pub(super) fn at(&self, timer: Timer) -> Option<Instant> {
        self.at.get(timer as usize).copied().flatten()
    }

    /// The earliest deadline.
    pub(super) const fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Takes the earliest timer that is due; of equal ones the first of the enum.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Timer> {
        let timer = Timer::ALL
            .iter()
            .copied()
            .filter_map(|timer| self.at(timer).filter(|&at| at <= now).map(|at| (at, timer)))
            .min_by_key(|&(at, _)| at)
            .map(|(_, timer)| timer)?;
        self.stop(timer);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn base() -> Instant {
        crate::dialogue::tests::base()
    }

    #[test]
    fn every_timer_has_its_own_place() {
        for (place, timer) in Timer::ALL.iter().copied().enumerate() {
            assert_eq!(timer as usize, place);
        }
    }

    #[test]
    fn the_next_is_the_earliest_whatever_is_set_moved_and_stopped() {
        let (base, mut timers, mut seed) = (base(), Timers::default(), 7u64);
        for _ in 0..10_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let timer = Timer::ALL[(seed >> 33) as usize % Timer::COUNT];
            let at = (seed >> 40) % 20;
            timers.set(timer, (at > 4).then(|| base + Duration::from_millis(at)));
            assert_eq!(timers.next(), Timer::ALL.iter().filter_map(|&timer| timers.at(timer)).min());
        }
    }

    #[test]
    fn timers_fire_in_the_order_of_their_deadlines() {
        let (base, ms) = (base(), Duration::from_millis);
        let mut timers = Timers::default();
        timers.set(Timer::Idle, Some(base + ms(30)));
        timers.set(Timer::Endpoint, Some(base + ms(40)));
        timers.set(Timer::Drain, Some(base + ms(10)));
        assert_eq!(timers.next(), Some(base + ms(10)));
        assert_eq!(timers.pop_due(base + ms(9)), None);
        assert_eq!(timers.pop_due(base + ms(35)), Some(Timer::Drain));
        assert_eq!(timers.pop_due(base + ms(35)), Some(Timer::Idle));
        assert_eq!(timers.pop_due(base + ms(35)), None);
        assert_eq!(timers.next(), Some(base + ms(40)));
    }

    #[test]
    fn of_equal_deadlines_the_first_timer_fires_first() {
        let base = base();
        let mut timers = Timers::default();
        timers.set(Timer::Idle, Some(base));
        timers.set(Timer::Endpoint, Some(base));
        assert_eq!(timers.pop_due(base), Some(Timer::Endpoint));
    }
}
