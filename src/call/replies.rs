//! Which replies are alive.

use std::collections::VecDeque;
use std::time::Duration;

use crate::conversation::ReplyId;

/// The living replies of a call and how much sound each has so far.
///
/// Bounded: the oldest is forgotten when a call has more than [`Replies::MOST`] of them, which only a dialogue that never
/// cancels could bring about.
#[derive(Debug, Default)]
pub(super) struct Replies {
    alive: VecDeque<Reply>,
}

#[derive(Debug)]
struct Reply {
    id: ReplyId,
    /// The sound received so far; zero until the first of it.
    length: Duration,
    /// Whether the playout has run dry since sound came last.
    starved: bool,
}

impl Replies {
    const MOST: usize = 16;

    /// From here on results for `id` are welcome.
    pub(super) fn add(&mut self, id: ReplyId) {
        if self.is_alive(id) {
            return;
        }
        if self.alive.len() == Self::MOST {
            self.alive.pop_front();
        }
        self.alive.push_back(Reply { id, length: Duration::ZERO, starved: false });
    }

    /// From here on results for `id` are late.
    pub(super) fn remove(&mut self, id: ReplyId) {
        self.alive.retain(|reply| reply.id != id);
    }

    pub(super) fn is_alive(&self, id: ReplyId) -> bool {
        self.alive.iter().any(|reply| reply.id == id)
    }

    /// The playout ran dry before all sound of a reply had come.
    pub(super) fn starve(&mut self, id: ReplyId) {
        if let Some(reply) = self.alive.iter_mut().find(|reply| reply.id == id) {
            reply.starved = true;
        }
    }

    /// Counts sound of a reply; `true` when it is the first, or the first after the playout had run dry.
    pub(super) fn add_speech(&mut self, id: ReplyId, length: Duration) -> bool {
        match self.alive.iter_mut().find(|reply| reply.id == id) {
            Some(reply) => {
                let first = reply.length.is_zero() || std::mem::take(&mut reply.starved);
                reply.length += length;
                first
            }
            None => false,
        }
    }

    /// Whether sound of a living reply has come.
    pub(super) fn has_sound(&self, id: ReplyId) -> bool {
        self.alive.iter().any(|reply| reply.id == id && !reply.length.is_zero())
    }

    /// How long the sound of a reply is so far.
    pub(super) fn length(&self, id: ReplyId) -> Duration {
        self.alive.iter().find(|reply| reply.id == id).map_or(Duration::ZERO, |reply| reply.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_welcome_between_add_and_remove() {
        let mut replies = Replies::default();
        assert!(!replies.is_alive(ReplyId(1)));
        replies.add(ReplyId(1));
        replies.add(ReplyId(1));
        assert!(replies.is_alive(ReplyId(1)));
        replies.remove(ReplyId(1));
        assert!(!replies.is_alive(ReplyId(1)));
    }

    #[test]
    fn only_the_first_sound_of_a_reply_is_its_first() {
        let mut replies = Replies::default();
        replies.add(ReplyId(3));
        assert!(replies.add_speech(ReplyId(3), Duration::from_millis(20)));
        assert!(!replies.add_speech(ReplyId(3), Duration::from_millis(30)));
        assert_eq!(replies.length(ReplyId(3)), Duration::from_millis(50));
        assert!(!replies.add_speech(ReplyId(4), Duration::from_millis(30)));
        replies.starve(ReplyId(3));
        assert!(replies.add_speech(ReplyId(3), Duration::from_millis(20)));
        assert!(!replies.add_speech(ReplyId(3), Duration::from_millis(20)));
    }

    #[test]
    fn a_dialogue_that_never_cancels_cannot_grow_the_table() {
        let mut replies = Replies::default();
        for id in 0..100 {
            replies.add(ReplyId(id));
        }
        assert_eq!(replies.alive.len(), Replies::MOST);
        assert!(replies.is_alive(ReplyId(99)) && !replies.is_alive(ReplyId(0)));
    }
}
