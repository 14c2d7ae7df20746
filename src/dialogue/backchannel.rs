//! The agent's own "mm-hmm" while the caller speaks at length.
//!
//! ```text
//! caller  ▁▃▅▇▅▃▅▇▅▃▅▇▃▁          ▃▅▇▅▃▁
//!         │          │  │ 250 ms  │
//!         turn      5 s └ "mm-hmm" cut at the first voiced hop
//!         begins    it is synthesised
//! ```

use std::time::{Duration, Instant};

use crate::conversation::ReplyId;

use super::machine::{Dialogue, why};
use super::profile::Sounds;
use super::timer::Timer;
use super::{Action, DialogueEvent};

/// A turn has lasted so long when the agent says something …
const AFTER: Duration = Duration::from_secs(6);
/// … and again so much later.
const AGAIN: Duration = Duration::from_secs(8);
/// Its sound is made so long before it may be wanted.
const AHEAD: Duration = Duration::from_secs(1);
/// It is said in a pause of this length …
const PAUSE: Duration = Duration::from_millis(250);
/// … when the turn will not be over for so long.
const ROOM: Duration = Duration::from_millis(600);

/// What the agent says in between, of which there is at most one at a time.
#[derive(Clone, Debug, Default)]
pub(super) struct Backchannel {
    /// How many were said or thrown away.
    count: usize,
    said: Option<Instant>,
    made: Option<Made>,
}

/// One that is made, or being heard.
#[derive(Clone, Debug)]
struct Made {
    reply: ReplyId,
    text: String,
    is_ready: bool,
    is_playing: bool,
}

impl Dialogue {
    /// A voiced hop: what is being said is cut, and something is made to be said later.
    pub(super) fn hear_on(&mut self, now: Instant) {
        if self.backchannel.made.as_ref().is_some_and(|made| made.is_playing) {
            self.cut_in_between();
        }
        let at = self.backchannel_from().filter(|&at| now + AHEAD >= at);
        if at.is_none() || self.backchannel.made.is_some() || !self.may_say_in_between() {
            return;
        }
        let texts = &self.spec.backchannels;
        let Some(text) = texts.get(self.backchannel.count % texts.len().max(1)).cloned() else { return };
        // A voice may fail on a run of marks alone.
        if !text.contains(char::is_alphanumeric) {
            self.backchannel.count += 1;
            return;
        }
        let reply = self.next_id();
        self.act(Action::Synthesize { reply, rank: 0, text: text.clone() });
        self.act(Action::EndSpeech { reply });
        self.backchannel.made = Some(Made { reply, text, is_ready: false, is_playing: false });
    }

    /// Whether the caller has the floor and nobody waits for anything.
    fn may_say_in_between(&self) -> bool {
        self.spec.backchannel
            && self.answered.is_some()
            && self.replies.is_empty()
            && self.tools.is_empty()
            && self.owed.is_none()
            && self.cut.is_none()
            && self.ending.is_none()
            && !self.is_on_hold()
            && self.turn.has_text()
            && self.turn.keys.is_empty()
            && !self.thinking.is_under_way()
    }

    /// From when on the turn is long enough.
    fn backchannel_from(&self) -> Option<Instant> {
        let from = self.turn.began? + AFTER;
        Some(self.backchannel.said.map_or(from, |said| from.max(said + AGAIN)))
    }

    /// When the agent may say something in between: in the middle of a sentence, with the end of the turn far away.
    fn backchannel_at(&self, now: Instant) -> Option<Instant> {
        self.backchannel.made.as_ref().filter(|made| made.is_ready && !made.is_playing)?;
        let stopped = self.turn.stopped.filter(|_| self.voice.current.is_none() && self.may_say_in_between())?;
        let endpoint = self.turn.endpoint(&self.manner())?;
        // After "um" the caller thinks and is not to be nodded at.
        let is_open = endpoint.sounds == Sounds::Unfinished && endpoint.rule != "endpoint.filler";
        let at = self.backchannel_from()?.max(stopped + PAUSE).max(now);
        (is_open && at + ROOM <= endpoint.settled).then_some(at)
    }

    pub(super) fn arm_backchannel(&mut self, now: Instant) {
        let at = self.backchannel_at(now);
        self.timers.set(Timer::Backchannel, at);
    }

    /// Says what was made.
    pub(super) fn say_in_between(&mut self, now: Instant) {
        let Some(made) = &mut self.backchannel.made else { return };
        made.is_playing = true;
        let (reply, text) = (made.reply, made.text.clone());
        self.backchannel.said = Some(now);
        self.act(Action::Duck);
        self.act(Action::Play { reply });
        let lasted = self.turn.began.map_or(Duration::ZERO, |began| now.saturating_duration_since(began));
        let paused = self.turn.stopped.map_or(Duration::ZERO, |stopped| now.saturating_duration_since(stopped));
        let inputs = format!("turn {} ms, pause {} ms, sentence unfinished", lasted.as_millis(), paused.as_millis());
        self.tell(DialogueEvent::AgentBackchannel { reply, text, why: why("backchannel.long-turn", inputs) });
    }

    /// There is sound of what is to be said in between, if this is its reply.
    pub(super) fn in_between_ready(&mut self, reply: ReplyId) {
        if let Some(made) = self.backchannel.made.as_mut().filter(|made| made.reply == reply) {
            made.is_ready = true;
        }
    }

    /// All of it was heard.
    pub(super) fn in_between_heard(&mut self, reply: ReplyId) {
        if self.backchannel.made.take_if(|made| made.reply == reply).is_some() {
            self.backchannel.count += 1;
            self.act(Action::Unduck);
        }
    }

    /// Its voice has failed: nobody misses it.
    pub(super) fn in_between_failed(&mut self, reply: ReplyId) {
        if self.backchannel.made.as_ref().is_some_and(|made| made.reply == reply) {
            self.cut_in_between();
        }
    }

    /// Throws away what does not fit any more: the caller's turn is over, or somebody else speaks.
    pub(super) fn drop_in_between(&mut self) {
        if self.backchannel.made.is_some() && !self.may_say_in_between() {
            self.cut_in_between();
        }
    }

    pub(super) fn cut_in_between(&mut self) {
        let Some(made) = self.backchannel.made.take() else { return };
        self.backchannel.count += 1;
        self.act(Action::Flush { reply: made.reply });
        self.act(Action::Cancel { reply: made.reply });
        if made.is_playing {
            self.act(Action::Unduck);
        }
    }
}
