//! When the next packet leaves.

use std::time::{Duration, Instant};

/// Absolute deadlines, one for each packet, with two liberties.
///
/// *Lead*: to a gateway that buffers, speech is sent up to `lead` ahead of time; silence never is, so that a reply does
/// not queue behind it.
///
/// *Kick*: while only silence is sent, a reply's first packet does not wait for the tick. It leaves at once and the ticks
/// after it move with it; the receiver is then less than one packet ahead of the grid. The advance is paid back by the
/// first silent packet after the reply, which waits for the grid again; so however many replies there are, the stream
/// never runs more than one packet ahead.
///
/// ```text
///   grid  |       |       |       |       |       |       |
///   sent  s       s    R      R      R            s       s        s silence, R reply
///                      └ kick                └ paid back
/// ```
#[derive(Clone, Debug)]
pub(super) struct Pacer {
    lead: Duration,
    /// What one packet holds.
    ptime: Duration,
    /// When the next packet belongs without liberties, and with them: `due <= grid < due + ptime`.
    grid: Instant,
    due: Instant,
    running: bool,
    /// The packet before held speech.
    speaking: bool,
    sent_at: Option<Instant>,
    /// When the sound that is being sent became available: nothing before it counts as late.
    available: Instant,
}

impl Pacer {
    /// What one packet holds unless something else was agreed.
    pub(super) const PTIME: Duration = Duration::from_millis(20);
    /// Two packets are at least this far apart unless there is something to catch up with.
    const APART: Duration = Duration::from_millis(2);
    /// Later than this, packets are skipped instead of sent in a burst.
    const TOO_LATE: Duration = Duration::from_millis(100);
    /// The furthest lead.
    pub(super) const MOST_LEAD: Duration = Duration::from_millis(60);

    /// Not started.
    pub(super) fn new(lead: Duration, ptime: Duration, now: Instant) -> Self {
        let lead = lead.min(Self::MOST_LEAD);
        Self { lead, ptime, grid: now, due: now, running: false, speaking: false, sent_at: None, available: now }
    }

    /// Starts: the first packet is due now.
    pub(super) fn start(&mut self, now: Instant) {
        if !self.running {
            (self.grid, self.due, self.available, self.running) = (now, now, now, true);
        }
    }

    /// When the next packet leaves, given whether it will hold speech; `None` before the start.
    pub(super) fn deadline(&self, speech: bool) -> Option<Instant> {
        let sooner = self.due.checked_sub(self.lead).unwrap_or(self.due);
        self.running.then_some(if speech { sooner } else { self.grid })
    }

    /// Speech has come while there was none: after silence it leaves at once, after other speech not before its time.
    pub(super) fn kick(&mut self, now: Instant) {
        let soonest =
            if self.speaking { now.max(self.due) } else { self.sent_at.map_or(now, |at| now.max(at + Self::APART)) };
        if self.grid.saturating_duration_since(soonest) <= self.ptime {
            self.due = soonest.min(self.grid);
        }
        self.available = self.available.max(now);
    }

    /// How many packets must be skipped because it is far too late for them.
    pub(super) fn skip(&mut self, speech: bool, now: Instant) -> u32 {
        let late = self.lateness(speech, now);
        if late <= Self::TOO_LATE {
            return 0;
        }
        let skipped = u32::try_from(late.as_nanos() / self.ptime.as_nanos().max(1)).unwrap_or(u32::MAX);
        self.grid += self.ptime * skipped;
        self.due += self.ptime * skipped;
        skipped
    }

    /// How late a packet sent now would be.
    pub(super) fn lateness(&self, speech: bool, now: Instant) -> Duration {
        self.deadline(speech).map_or(Duration::ZERO, |at| now.saturating_duration_since(at.max(self.available)))
    }

    /// A packet leaves now; says when the sound in it belongs.
    pub(super) fn sent(&mut self, speech: bool, now: Instant) -> Instant {
        let belongs = if speech { self.due } else { self.grid };
        self.grid += self.ptime;
        self.due = if speech { self.due + self.ptime } else { self.grid };
        (self.sent_at, self.speaking) = (Some(now), speech);
        belongs
    }

    /// The far side threw away what it had: what comes next is wanted now.
    pub(super) fn restart(&mut self, now: Instant) {
        (self.grid, self.due, self.available) = (now, now, now);
    }

    /// How far the next packet is ahead of the grid.
    #[cfg(test)]
    pub(super) fn advance(&self) -> Duration {
        self.grid.saturating_duration_since(self.due)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to begin with")]
    fn start() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    #[test]
    fn deadlines_are_absolute() {
        let t = start();
        let mut pacer = Pacer::new(Duration::ZERO, Pacer::PTIME, t);
        assert_eq!(pacer.deadline(false), None);
        pacer.start(t);
        for n in 0..100 {
            assert_eq!(pacer.deadline(false), Some(t + ms(20) * n));
            pacer.sent(false, t + ms(20) * n + ms(7));
        }
    }

    #[test]
    fn a_reply_does_not_wait_for_the_tick_and_silence_pays_it_back() {
        let t = start();
        let mut pacer = Pacer::new(Duration::ZERO, Pacer::PTIME, t);
        pacer.start(t);
        pacer.sent(false, t);
        pacer.kick(t + ms(5));
        assert_eq!(pacer.deadline(true), Some(t + ms(5)));
        pacer.sent(true, t + ms(5));
        assert_eq!(pacer.deadline(true), Some(t + ms(25)));
        pacer.sent(true, t + ms(25));
        assert_eq!(pacer.deadline(false), Some(t + ms(60)), "back on the grid");
    }

    #[test]
    fn two_packets_are_not_sent_on_one_another() {
        let t = start();
        let mut pacer = Pacer::new(Duration::ZERO, Pacer::PTIME, t);
        pacer.start(t);
        pacer.sent(false, t);
        pacer.kick(t);
        assert_eq!(pacer.deadline(true), Some(t + ms(2)));
    }

    #[test]
    fn a_buffering_gateway_gets_speech_ahead_and_silence_on_time() {
        let t = start();
        let mut pacer = Pacer::new(ms(60), Pacer::PTIME, t);
        pacer.start(t);
        pacer.sent(false, t);
        pacer.kick(t + ms(10));
        let mut burst = 0;
        while pacer.deadline(true).is_some_and(|at| at <= t + ms(10)) {
            assert_eq!(pacer.lateness(true, t + ms(10)), Duration::ZERO);
            pacer.sent(true, t + ms(10));
            burst += 1;
        }
        assert_eq!(burst, 4);
        assert_eq!(pacer.deadline(true), Some(t + ms(30)));
    }

    #[test]
    fn far_too_late_skips_and_a_little_late_does_not() {
        let t = start();
        let mut pacer = Pacer::new(Duration::ZERO, Pacer::PTIME, t);
        pacer.start(t);
        assert_eq!(pacer.skip(false, t + ms(100)), 0);
        assert_eq!(pacer.skip(false, t + ms(130)), 6);
        assert_eq!(pacer.deadline(false), Some(t + ms(120)));
    }

    proptest! {
        #[test]
        fn however_many_turns_the_stream_stays_within_one_packet_of_the_grid(
            turns in prop::collection::vec((0u64..40_000, 1u64..20, any::<bool>()), 1..200),
        ) {
            let t = start();
            let mut pacer = Pacer::new(Duration::ZERO, Pacer::PTIME, t);
            pacer.start(t);
            let (mut now, mut count, mut last) = (t, 0u32, None::<Instant>);
            let mut send = |pacer: &mut Pacer, speech: bool, now: &mut Instant| {
                *now = (*now).max(pacer.deadline(speech).unwrap());
                pacer.sent(speech, *now);
                let grid = t + Pacer::PTIME * count;
                count += 1;
                prop_assert!(grid.saturating_duration_since(*now) <= Pacer::PTIME, "ahead of the grid");
                prop_assert!(now.saturating_duration_since(grid) <= Pacer::PTIME, "behind the grid");
                prop_assert!(pacer.advance() <= Pacer::PTIME);
                prop_assert!(last.is_none_or(|last| *now >= last + Pacer::APART), "on one another");
                last = Some(*now);
                Ok(())
            };
            for (wait, packets, gap) in turns {
                // Silence until the reply comes, somewhere between two ticks.
                let comes = now + Duration::from_micros(wait);
                while pacer.deadline(false).unwrap() <= comes {
                    send(&mut pacer, false, &mut now)?;
                }
                now = now.max(comes);
                pacer.kick(now);
                for _ in 0..packets {
                    send(&mut pacer, true, &mut now)?;
                }
                if gap {
                    send(&mut pacer, false, &mut now)?;
                }
            }
        }
    }
}
