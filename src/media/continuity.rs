//! How much sound there should be: the inbound side's account of made-up sound against the clock.

use std::time::{Duration, Instant};

/// Decides what is made up when packets are missing, so that the sound handed on neither falls behind the clock nor
/// runs ahead of it.
///
/// ```text
///   packets   1   2   3                               4 5 6 7 (a burst)     8
///   clock   ──┼───┼───┼───────────────┬───┬───┬───┬───┼────────────────────┼──
///   handed    1   2   3               fill to now, then by the clock  4 5 6 8
///                     └── GRACE ──────┘                7: late, its place was filled
/// ```
#[derive(Clone, Debug, Default)]
pub(super) struct Continuity {
    /// Up to where sound was handed on, on the call's clock.
    end: Option<Instant>,
    /// When the last packet came.
    heard_at: Option<Instant>,
    /// Made up by the clock since the last packet with sound.
    filled: Duration,
    /// Until then a burst may bring what was already made up.
    guarded_until: Option<Instant>,
    /// By how much sound runs ahead of the clock because a burst was let in; the next fill is so much shorter.
    surplus: Duration,
}

/// What is handed on for one packet with sound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Placement {
    /// Conceal this much, be silent for that much, then the packet.
    After {
        /// Lost sound.
        conceal: Duration,
        /// Sound the sender did not send (RFC 3389, discontinuous transmission).
        silence: Duration,
    },
    /// Not at all: its place was filled while it was on its way.
    Late,
}

impl Continuity {
    /// No packet for this long: the sound is made up by the clock from here on. Longer than any gap is waited for.
    pub(super) const GRACE: Duration = Duration::from_millis(120);
    /// One step of making up.
    pub(super) const STEP: Duration = Duration::from_millis(20);
    /// How far network delay may vary before the account follows it, and how far a burst may run ahead of the clock.
    const SLACK: Duration = Duration::from_millis(60);
    /// How long after the last made-up step a burst is measured against the clock.
    const GUARD: Duration = Duration::from_secs(1);

    /// A packet came; perhaps it still waits for one before it.
    pub(super) fn heard(&mut self, at: Instant) {
        self.heard_at = self.heard_at.max(Some(at));
    }

    /// Places a packet that came at `at` and holds `length` of sound, after `lost` that never came and `unsent` that its
    /// timestamp says was never sent.
    pub(super) fn place(&mut self, length: Duration, lost: Duration, unsent: Duration, at: Instant) -> Placement {
        self.heard(at);
        let Some(end) = self.end else {
            self.end = Some(at);
            return Placement::After { conceal: Duration::ZERO, silence: Duration::ZERO };
        };
        let guarded = self.guarded_until.is_some_and(|until| at < until);
        if guarded && end + length > at + Self::SLACK {
            self.filled = self.filled.saturating_sub(length);
            return Placement::Late;
        }
        let room = (at + Self::SLACK).saturating_duration_since(end + length);
        let lost = lost.saturating_sub(self.filled).min(room);
        let silence = unsent.saturating_sub(self.filled).saturating_sub(lost).min(room - lost);
        let reached = end + lost + silence + length;
        let earliest = at.checked_sub(Self::SLACK).unwrap_or(at);
        self.end = Some(if guarded {
            self.surplus = reached.saturating_duration_since(at);
            reached.max(earliest)
        } else {
            reached.min(at + self.surplus).max(earliest)
        });
        self.filled = Duration::ZERO;
        Placement::After { conceal: lost, silence }
    }

    /// A packet came that holds no sound (a telephone event, comfort noise): says how much silence has passed by it.
    pub(super) fn silent(&mut self, at: Instant) -> Duration {
        self.heard(at);
        let Some(end) = self.end else { return Duration::ZERO };
        let steps = at.saturating_duration_since(end).as_nanos() / Self::STEP.as_nanos();
        let silence = Self::STEP * steps.min(50) as u32;
        self.advance(end, silence);
        silence
    }

    /// Whether a step has to be made up by `now`; if so, says where it ends and counts it as made up.
    pub(super) fn fill(&mut self, now: Instant) -> Option<Instant> {
        let end = self.end?;
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return None;
        }
        // Nobody asked for a long time: what nobody heard is not made up.
        let end = end.max(now.checked_sub(Self::GUARD).unwrap_or(end));
        self.advance(end, Self::STEP);
        self.end
    }

    /// When the next step has to be made up, if nothing comes.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let (end, heard_at) = (self.end?, self.heard_at?);
        Some((end + Self::STEP).max(heard_at + Self::GRACE))
    }

    /// How much was made up since the last packet with sound.
    pub(super) const fn filled(&self) -> Duration {
        self.filled
    }

    fn advance(&mut self, end: Instant, by: Duration) {
        if by > Duration::ZERO {
            self.end = Some(end + by);
            self.filled += by;
            self.guarded_until = Some(end + by + Self::GUARD);
            self.surplus = Duration::ZERO;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PTIME: Duration = Duration::from_millis(20);
    const ZERO: Duration = Duration::ZERO;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to begin with")]
    fn start() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    fn at_once() -> Placement {
        Placement::After { conceal: ZERO, silence: ZERO }
    }

    #[test]
    fn packets_in_time_need_nothing() {
        let (t, mut account) = (start(), Continuity::default());
        for n in 0..500 {
            assert_eq!(account.place(PTIME, ZERO, ZERO, t + n * PTIME), at_once());
            assert_eq!(account.fill(t + n * PTIME + ms(119)), None);
        }
    }

    #[test]
    fn lost_packets_are_concealed_in_full() {
        let (t, mut account) = (start(), Continuity::default());
        account.place(PTIME, ZERO, ZERO, t);
        let placed = account.place(PTIME, 2 * PTIME, ZERO, t + ms(60));
        assert_eq!(placed, Placement::After { conceal: ms(40), silence: ZERO });
    }

    #[test]
    fn when_packets_stop_the_clock_fills_to_now_and_goes_on() {
        let (t, mut account) = (start(), Continuity::default());
        account.place(PTIME, ZERO, ZERO, t);
        assert_eq!(account.deadline(), Some(t + ms(120)));
        let filled: Vec<_> = std::iter::from_fn(|| account.fill(t + ms(120))).collect();
        assert_eq!(filled, [20, 40, 60, 80, 100, 120].map(|n| t + ms(n)));
        assert_eq!(account.deadline(), Some(t + ms(140)));
    }

    #[test]
    fn a_burst_after_a_stall_runs_at_most_60_ms_ahead() {
        let (t, mut account) = (start(), Continuity::default());
        account.place(PTIME, ZERO, ZERO, t);
        while account.fill(t + ms(200)).is_some() {}
        let placed: Vec<_> = (0..10).map(|_| account.place(PTIME, ZERO, ZERO, t + ms(200))).collect();
        assert_eq!(placed.iter().filter(|placed| **placed == Placement::Late).count(), 7);
        assert_eq!(account.place(PTIME, ZERO, ZERO, t + ms(220)), at_once(), "the live stream goes on");
        // What ran ahead is taken from the next fill.
        while account.fill(t + ms(400)).is_some() {}
        assert_eq!(account.filled(), ms(120));
    }

    #[test]
    fn a_talkspurt_after_a_pause_is_heard_from_its_first_packet() {
        let (t, mut account) = (start(), Continuity::default());
        account.place(PTIME, ZERO, ZERO, t);
        while account.deadline().is_some_and(|at| at <= t + ms(5_000)) {
            account.fill(account.deadline().unwrap());
        }
        for n in 0..100 {
            let unsent = if n == 0 { ms(4_990) } else { ZERO };
            let placed = account.place(PTIME, ZERO, unsent, t + ms(5_010) + n * PTIME);
            assert_eq!(placed, at_once());
        }
    }

    #[test]
    fn a_short_pause_is_silence_as_far_as_the_clock_agrees() {
        let (t, mut account) = (start(), Continuity::default());
        account.place(PTIME, ZERO, ZERO, t);
        let placed = account.place(PTIME, ZERO, ms(80), t + ms(100));
        assert_eq!(placed, Placement::After { conceal: ZERO, silence: ms(80) });
        let placed = account.place(PTIME, ZERO, ms(9_000), t + ms(120));
        assert_eq!(
            placed,
            Placement::After { conceal: ZERO, silence: ms(60) },
            "a timestamp alone adds at most the slack"
        );
    }

    #[test]
    fn a_slow_sender_never_builds_up_a_debt() {
        let (t, mut account) = (start(), Continuity::default());
        for n in 0..10_000u32 {
            account.place(PTIME, ZERO, ZERO, t + n * Duration::from_micros(20_100));
        }
        let last = t + 9_999 * Duration::from_micros(20_100);
        while account.fill(last + ms(120)).is_some() {}
        assert!(account.filled() <= ms(180));
    }
}
