//! Keys the caller presses: a turn of their own, and kept out of what others read.

use std::time::Instant;

use crate::conversation::Digit;

use super::DialogueEvent;
use super::endpointing::append;
use super::machine::{Dialogue, why};
use super::reply::Purpose;
use super::timer::Timer;

/// What stands for keys that nobody but the model is to see, however many they are.
const HIDDEN: &str = "••••";
/// The most turns whose keys are remembered, to be hidden when they are repeated.
const REMEMBERED: usize = 16;

/// How the keys of one turn are taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyRules {
    /// The key that ends them at once and is none of them; `None`: only time and number end them.
    pub terminator: Option<Digit>,
    /// With this many they are complete; at most 64.
    pub most: u8,
    /// Whether they are hidden as with [`DialogueSpec::redact_keys`](super::DialogueSpec::redact_keys).
    pub redact: bool,
}

impl Default for KeyRules {
    fn default() -> Self {
        Self { terminator: Digit::new('#'), most: Self::MOST, redact: false }
    }
}

impl KeyRules {
    /// The most keys of one turn.
    pub const MOST: u8 = 64;
}

/// What is known of the caller's keys beyond those of the open turn.
#[derive(Clone, Debug, Default)]
pub(super) struct Collect {
    /// Keys were asked for: by these rules, since then.
    asked: Option<(KeyRules, Instant)>,
    /// Keys that are not to be shown.
    hidden: Vec<String>,
}

impl Dialogue {
    /// Whether the caller's keys are to be kept out of what is told and recorded.
    pub fn hides_keys(&self) -> bool {
        self.spec.redact_keys || self.collect.asked.is_some_and(|(rules, _)| rules.redact)
    }

    /// A key.
    pub(super) fn digit(&mut self, digit: Digit, now: Instant) {
        if self.is_on_hold() || self.ending.as_ref().is_some_and(|ending| !ending.may_stay()) {
            return;
        }
        self.words_at = now;
        let timing = self.spec.timing;
        let rules = self.collect.asked.map_or_else(KeyRules::default, |(rules, _)| rules);
        let most = usize::from(rules.most.clamp(1, KeyRules::MOST));
        if Some(digit) == rules.terminator {
            if self.turn.keys.is_empty() {
                return;
            }
            self.turn.keys_until = Some(now);
        } else if self.turn.keys.len() < most {
            self.turn.keys.push(digit.as_char());
            let since = *self.turn.keys_since.get_or_insert(now);
            let is_complete = self.turn.keys.len() == most;
            self.turn.keys_until =
                Some(if is_complete { now } else { (now + timing.key_wait).min(since + timing.key_total) });
        }
        let Some(front) = self.replies.front() else { return };
        if front.hangs_up.is_some() {
            self.stay();
        } else if front.interruptible && (self.barge_in.is_allowed || !front.is_sounding()) {
            self.interrupt("barge-in.key", now);
        }
    }

    /// Somebody outside asks for keys.
    pub(super) fn collect_keys(&mut self, rules: KeyRules, now: Instant) {
        self.collect.asked = Some((rules, now));
    }

    /// Words of the agent were heard: who is asked for keys has all the time from there on.
    pub(super) fn asked_in(&mut self, purpose: Purpose, now: Instant) {
        if let Some((_, since)) = &mut self.collect.asked
            && matches!(purpose, Purpose::Greeting | Purpose::Say | Purpose::Answer)
        {
            *since = now;
        }
    }

    pub(super) fn arm_collect(&mut self) {
        let is_quiet =
            self.replies.is_empty() && !self.turn.is_open() && !self.voice.is_confirmed() && !self.is_on_hold();
        let is_free = self.tools.is_empty() && self.owed.is_none() && self.cut.is_none();
        let since = self.collect.asked.filter(|_| is_quiet && is_free && self.answered.is_some());
        let due = since.map(|(_, since)| since + self.spec.timing.key_total);
        self.timers.set(Timer::Collect, due);
    }

    /// Keys were asked for and none came.
    pub(super) fn no_keys(&mut self, now: Instant) {
        self.collect.asked = None;
        let inputs = format!("none within {} ms: asked again", self.spec.timing.key_total.as_millis());
        self.tell(DialogueEvent::Unstuck { why: why("keys.none", inputs) });
        let line = self.spec.repeat_request.clone();
        self.quiet_since = now;
        self.script(Purpose::Prompt, &line, now);
    }

    /// The keys of a turn are complete: what is shown of it, its words and, hidden or not, its keys.
    pub(super) fn keys_committed(&mut self, words: &str, keys: &str) -> String {
        let hides = self.hides_keys();
        self.collect.asked = None;
        let mut shown = words.to_owned();
        if keys.is_empty() {
            return shown;
        }
        if hides {
            if self.collect.hidden.len() == REMEMBERED {
                self.collect.hidden.remove(0);
            }
            self.collect.hidden.push(keys.to_owned());
        }
        append(&mut shown, if hides { HIDDEN } else { keys });
        shown
    }

    /// A text without the hidden keys it repeats, of those that are at least so many.
    pub(super) fn without_keys(&self, text: &str, least: usize) -> String {
        let hidden = self.collect.hidden.iter().filter(|keys| keys.len() >= least);
        hidden.fold(text.to_owned(), |text, keys| text.replace(keys.as_str(), HIDDEN))
    }
}
