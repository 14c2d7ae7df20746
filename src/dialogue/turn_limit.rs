//! A caller who speaks without end is politely cut in on.

use std::time::{Duration, Instant};

use super::endpointing::Endpoint;
use super::machine::Dialogue;
use super::reply::Purpose;
use super::timer::Timer;

impl Dialogue {
    /// When the caller has had the floor for as long as they may, with words to be answered.
    fn turn_limit_at(&self) -> Option<Instant> {
        let (limit, words) = (self.spec.timing.turn_limit, self.spec.timing.turn_words as usize);
        let is_free = self.replies.is_empty() && self.cut.is_none() && self.ending.is_none() && !self.is_on_hold();
        if !is_free || (limit.is_zero() && words == 0) || !self.turn.has_text() {
            return None;
        }
        // Who goes on after having been cut in on has the floor anew.
        let began = self.turn.began.map(|began| self.committed.as_ref().map_or(began, |last| began.max(last.at)));
        let long = began.filter(|_| !limit.is_zero()).map(|began| began + limit);
        let is_wordy = words > 0 && self.turn.text().split_whitespace().count() >= words;
        [long, self.turn.text_at().filter(|_| is_wordy)].into_iter().flatten().min()
    }

    pub(super) fn arm_turn_limit(&mut self, now: Instant) {
        // It may have been reached while somebody else spoke.
        let at = self.turn_limit_at().map(|at| at.max(now));
        self.timers.set(Timer::TurnLimit, at);
    }

    /// Commits what the caller has said so far and says so; the answer follows when they have stopped.
    pub(super) fn cut_in(&mut self, now: Instant) {
        // What is said now comes before any answer.
        self.drop_thought("speculation.overtaken", "the caller is cut in on");
        let promoted = !self.turn.interim().is_empty();
        let lasted = self.turn.began.map_or(Duration::ZERO, |began| now.saturating_duration_since(began));
        self.commit(&Endpoint { promoted, ..Endpoint::at(now, "turn.limit", lasted) }, None, now);
        if let Some(committed) = &mut self.committed {
            committed.goes_on = self.voice.is_confirmed();
        }
        let line = self.spec.cut_in.clone();
        if let Some(id) = self.script(Purpose::Say, &line, now)
            && let Some(reply) = self.reply(id)
        {
            reply.interruptible = false;
        }
    }
}
