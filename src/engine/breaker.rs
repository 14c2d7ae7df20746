//! Whether a service is worth asking: a circuit breaker, told the time.
//!
//! ```text
//! closed ── 3 failures in a minute, and half of all that was asked ──→ open, 10 s
//!    ↑                                                                  │ 10 s later: one question is let through
//!    └────────────── it is answered ────────── half open ←──────────────┘
//!                                              │ it fails: open again, twice as long (2 min at the most)
//! ```

use std::time::{Duration, Instant};

/// The state of one service, as many calls have found it.
#[derive(Clone, Debug)]
pub(super) struct Breaker {
    state: State,
    /// How it went lately, by the time in which it was.
    lately: [Bucket; BUCKETS],
    /// How long it stays open the next time.
    pause: Duration,
    /// How often it has opened, half-open ones that failed included.
    opened: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Closed,
    /// Nothing is asked until then.
    Open(Instant),
    /// One question was let through then.
    HalfOpen(Instant),
}

/// What was found in a stretch of time.
#[derive(Clone, Copy, Default, Debug)]
struct Bucket {
    began: Option<Instant>,
    answered: u32,
    failed: u32,
}

/// How many failures open it …
const FAILURES: u32 = 3;
/// … within this time …
const WINDOW: Duration = Duration::from_secs(60);
/// … which is kept in so many pieces.
const BUCKETS: usize = 12;
/// How long it stays open the first time.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
/// How long at the most.
const LONGEST_PAUSE: Duration = Duration::from_secs(120);
/// How long the one question may go without a verdict before another is let through: a caller may have cut it short.
const PROBE: Duration = Duration::from_secs(15);

impl Default for Breaker {
    fn default() -> Self {
        Self { state: State::Closed, lately: [Bucket::default(); BUCKETS], pause: FIRST_PAUSE, opened: 0 }
    }
}

impl Breaker {
    /// Whether the service may be asked. Of an open one that has rested a single question is let through.
    pub(super) fn may_ask(&mut self, now: Instant) -> bool {
        let is_due = match self.state {
            State::Closed => return true,
            State::Open(until) => now >= until,
            State::HalfOpen(asked) => now.saturating_duration_since(asked) >= PROBE,
        };
        if is_due {
            self.state = State::HalfOpen(now);
        }
        is_due
    }

    /// Whether it is taken for gone.
    pub(super) const fn is_open(&self) -> bool {
        !matches!(self.state, State::Closed)
    }

    /// How often it has opened.
    pub(super) const fn opened(&self) -> u64 {
        self.opened
    }

    /// The service has answered.
    pub(super) fn answered(&mut self, now: Instant) {
        match self.state {
            State::Closed => self.bucket(now).answered += 1,
            // Whoever was asked before it opened may still be answered: that is no less of an answer.
            State::Open(_) | State::HalfOpen(_) => *self = Self { opened: self.opened, ..Self::default() },
        }
    }

    /// The service has failed, or was not waited for any longer.
    pub(super) fn failed(&mut self, now: Instant) {
        match self.state {
            State::Closed => {
                self.bucket(now).failed += 1;
                if self.is_bad(now) {
                    self.open(now);
                }
            }
            State::HalfOpen(_) => {
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                self.open(now);
            }
            // A question from before.
            State::Open(_) => {}
        }
    }

    fn open(&mut self, now: Instant) {
        self.opened += 1;
        self.state = State::Open(now + self.pause);
        self.lately = [Bucket::default(); BUCKETS];
    }

    fn is_bad(&self, now: Instant) -> bool {
        let is_recent =
            |bucket: &&Bucket| bucket.began.is_some_and(|began| now.saturating_duration_since(began) < WINDOW);
        let lately = self.lately.iter().filter(is_recent);
        let (failed, answered) = lately.fold((0, 0), |(failed, answered), bucket| {
            (failed + u64::from(bucket.failed), answered + u64::from(bucket.answered))
        });
        failed >= u64::from(FAILURES) && failed >= answered
    }

    /// Where what happens now is counted: in the newest stretch, or in a new one in place of the oldest.
    fn bucket(&mut self, now: Instant) -> &mut Bucket {
        let length = WINDOW / BUCKETS as u32;
        self.lately.sort_unstable_by_key(|bucket| std::cmp::Reverse(bucket.began));
        let is_new = self.lately[0].began.is_none_or(|began| now.saturating_duration_since(began) >= length);
        if is_new {
            self.lately.rotate_right(1);
            self.lately[0] = Bucket { began: Some(now), ..Bucket::default() };
        }
        &mut self.lately[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEC: Duration = Duration::from_secs(1);

    fn failed(breaker: &mut Breaker, times: u32, now: Instant) {
        for _ in 0..times {
            breaker.failed(now);
        }
    }

    #[test]
    fn three_failures_in_a_minute_open_it_and_a_question_that_is_answered_closes_it() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        failed(&mut breaker, 2, now);
        assert!(breaker.may_ask(now) && !breaker.is_open());
        breaker.failed(now + 59 * SEC);
        assert!(breaker.is_open() && !breaker.may_ask(now + 59 * SEC));
        assert!(!breaker.may_ask(now + 68 * SEC));
        assert!(breaker.may_ask(now + 69 * SEC), "one question is let through");
        assert!(!breaker.may_ask(now + 69 * SEC), "and no other meanwhile");
        breaker.answered(now + 70 * SEC);
        assert!(!breaker.is_open() && breaker.may_ask(now + 70 * SEC));
        failed(&mut breaker, 2, now + 70 * SEC);
        assert!(!breaker.is_open(), "what was before is forgotten");
        assert_eq!(breaker.opened(), 1);
    }

    #[test]
    fn failures_that_lie_far_apart_or_are_few_among_many_do_not_open_it() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        for n in 0..20 {
            breaker.failed(now + 31 * SEC * n);
        }
        assert!(!breaker.is_open());
        let (mut breaker, mut at) = (Breaker::default(), now);
        for _ in 0..1_000 {
            at += SEC / 10;
            breaker.answered(at);
            breaker.answered(at);
            breaker.failed(at);
        }
        assert!(!breaker.is_open(), "a third of many");
        for _ in 0..600 {
            at += SEC / 10;
            breaker.failed(at);
        }
        assert!(breaker.is_open(), "all of a minute");
    }

    #[test]
    fn a_service_that_stays_gone_is_asked_less_and_less_often() {
        let (mut breaker, mut now) = (Breaker::default(), Instant::now());
        failed(&mut breaker, 3, now);
        let mut pauses = Vec::new();
        for _ in 0..6 {
            let began = now;
            while !breaker.may_ask(now) {
                now += SEC;
            }
            pauses.push((now - began).as_secs());
            breaker.failed(now);
        }
        assert_eq!(pauses, [10, 20, 40, 80, 120, 120]);
        assert_eq!(breaker.opened(), 7);
    }

    #[test]
    fn a_question_without_a_verdict_lets_another_through() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        failed(&mut breaker, 3, now);
        assert!(breaker.may_ask(now + 10 * SEC) && !breaker.may_ask(now + 24 * SEC));
        assert!(breaker.may_ask(now + 25 * SEC));
        // Late failures of questions from before change nothing while it is open.
        let mut open = Breaker::default();
        failed(&mut open, 50, now);
        assert_eq!(open.opened(), 1);
    }
}
