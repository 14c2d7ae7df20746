//! The other side puts us on hold, and takes us back.
//!
//! ```text
//! caller  ▁▃▅▇▅▃▁│ music, somebody else …          │▁▃▅▇▅▃▁
//! words          │ final: still the caller's        │
//! line           └ held: nothing else is heard      └ back: the words are answered, or, after 10 s and more,
//!                                                      the agent says that it is still there
//! ```

use std::time::{Duration, Instant};

use crate::conversation::{Transcript, TranscriptKind};

use super::Action;
use super::DialogueEvent;
use super::endpointing::CONFIRMED;
use super::machine::{Dialogue, Floor, why};
use super::reply::Purpose;

/// Whoever was away for longer than this is told that the agent is still there.
const LONG: Duration = Duration::from_secs(10);

impl Dialogue {
    /// Whether the other side holds us.
    pub(super) fn is_on_hold(&self) -> bool {
        self.line_held.is_some()
    }

    /// The other side has put us on hold, or has taken us back.
    pub(super) fn line_hold(&mut self, held: bool, now: Instant) {
        match (held, self.line_held) {
            (true, None) => self.put_on_hold(now),
            (false, Some(since)) => self.taken_off_hold(since, now),
            _ => {}
        }
    }

    fn put_on_hold(&mut self, now: Instant) {
        self.line_held = Some(now);
        let front = self.replies.front();
        let is_sounding = front.is_some_and(|front| front.playing);
        let is_heard = front.is_some_and(|front| front.interruptible && front.is_sounding());
        if let Some((_, voiced)) = std::mem::take(&mut self.voice).current
            && voiced >= CONFIRMED
        {
            self.turn.stopped = Some(now);
        }
        let inputs = if self.turn.awaits_words() && !(is_heard && self.turn.keys.is_empty()) {
            // The recogniser still has the caller's last words, and gets nothing else to hear.
            if !self.turn.finalized {
                self.turn.finalized = true;
                self.act(Action::Finalize);
            }
            "words are still under way"
        } else if is_heard && self.turn.keys.is_empty() {
            // What could have taken the floor has not.
            self.turn.forget_words(now);
            "the agent falls silent"
        } else {
            self.turn.keep_settled(now);
            "nothing is under way"
        };
        if is_sounding {
            if !matches!(self.floor, Floor::Held { .. }) {
                self.act(Action::Hold);
            }
            self.floor = Floor::Held { since: now, began: now };
        }
        self.tell(DialogueEvent::LineHeld { held: true, why: why("line.hold", inputs) });
    }

    /// What the recogniser tells while the line is held: the words that were under way are the caller's.
    pub(super) fn words_on_hold(&mut self, since: Instant, transcript: &Transcript, now: Instant) {
        let is_late = now >= since + self.spec.timing.drain && self.ending.is_none();
        if is_late || !self.turn.awaits_words() {
            return;
        }
        let settled = matches!(transcript.kind, TranscriptKind::Final | TranscriptKind::EndOfTurn);
        if !transcript.text.trim().is_empty() {
            self.words_at = now;
            self.tell(DialogueEvent::CallerHeard { text: transcript.text.trim().to_owned(), settled });
        }
        self.turn.hear(transcript, now);
        if settled {
            self.turn.keep_settled(now);
            self.words_settled(now);
        }
    }

    fn taken_off_hold(&mut self, since: Instant, now: Instant) {
        self.line_held = None;
        let lasted = now.saturating_duration_since(since);
        self.quiet_since = now;
        self.words_at = now;
        if lasted >= self.spec.timing.drain {
            // Words that have not become final by now never will.
            self.turn.keep_words(now);
        }
        self.turn.go_on(&self.spec.timing, now);
        let inputs = format!("held for {} ms", lasted.as_millis());
        self.tell(DialogueEvent::LineHeld { held: false, why: why("line.unhold", inputs) });
        if let Floor::Held { since, .. } = self.floor {
            return self.go_on(since, now);
        }
        let has_answer =
            self.turn.is_open() || self.owed.is_some() || !self.replies.is_empty() || !self.tools.is_empty();
        if lasted > LONG && !has_answer && self.transfer.is_none() && self.ending.is_none() && !self.answer.is_machine()
        {
            let line = self.spec.welcome_back.clone();
            self.script(Purpose::Prompt, &line, now);
        }
    }
}
