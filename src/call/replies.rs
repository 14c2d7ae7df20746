//! Which replies are alive.

use std::collections::VecDeque;
use std::time::Duration;

use crate::conversation::ReplyId;

/// The living replies of a call and how much sound each has so far.
///
/// A reply lives from the moment a service is asked to work for it until it is cancelled, or until the model is done with
/// it and all of its sound was heard; whatever a service says of it later is late. Bounded: the oldest is forgotten when
/// a call has more than [`Replies::MOST`] of them, which only services that never finish could bring about.
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
    /// The model still writes it.
    generating: bool,
    /// Some of it is to be spoken, or is being heard.
    speaking: bool,
}

impl Replies {
    const MOST: usize = 16;

    /// The model writes a reply: results for it are welcome.
    pub(super) fn generate(&mut self, id: ReplyId) {
        if let Some(reply) = self.entry(id) {
            reply.generating = true;
        }
    }

    /// The voice speaks a reply: results for it are welcome.
    pub(super) fn speak(&mut self, id: ReplyId) {
        if let Some(reply) = self.entry(id) {
            reply.speaking = true;
        }
    }

    /// The model is done with a reply.
    pub(super) fn generated(&mut self, id: ReplyId) {
        if let Some(reply) = self.find(id) {
            reply.generating = false;
        }
    }

    /// All of a reply's sound was heard.
    pub(super) fn spoken(&mut self, id: ReplyId) {
        if let Some(reply) = self.find(id) {
            reply.speaking = false;
        }
    }

    /// Forgets the replies nobody works for any more. Not before the dialogue has come to rest: it may speak what the
    /// model left unfinished.
    pub(super) fn settle(&mut self) {
        self.alive.retain(|reply| reply.generating || reply.speaking);
    }

    /// A reply was cancelled: from here on results for it are late.
    pub(super) fn remove(&mut self, id: ReplyId) {
        self.alive.retain(|reply| reply.id != id);
    }

    pub(super) fn is_alive(&self, id: ReplyId) -> bool {
        self.alive.iter().any(|reply| reply.id == id)
    }

    /// The playout ran dry before all sound of a reply had come.
    pub(super) fn starve(&mut self, id: ReplyId) {
        if let Some(reply) = self.find(id) {
            reply.starved = true;
        }
    }

    /// Counts sound of a reply; `true` when it is the first, or the first after the playout had run dry.
    pub(super) fn add_speech(&mut self, id: ReplyId, length: Duration) -> bool {
        match self.find(id) {
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

    fn find(&mut self, id: ReplyId) -> Option<&mut Reply> {
        self.alive.iter_mut().find(|reply| reply.id == id)
    }

    /// The entry of a reply, made if need be.
    fn entry(&mut self, id: ReplyId) -> Option<&mut Reply> {
        if !self.is_alive(id) {
            if self.alive.len() == Self::MOST {
                self.alive.pop_front();
            }
            let (length, starved, generating, speaking) = (Duration::ZERO, false, false, false);
            self.alive.push_back(Reply { id, length, starved, generating, speaking });
        }
        self.find(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_welcome_until_the_reply_is_cancelled() {
        let mut replies = Replies::default();
        assert!(!replies.is_alive(ReplyId(1)));
        replies.generate(ReplyId(1));
        replies.speak(ReplyId(1));
        replies.settle();
        assert!(replies.is_alive(ReplyId(1)));
        replies.remove(ReplyId(1));
        assert!(!replies.is_alive(ReplyId(1)));
    }

    #[test]
    fn a_reply_lives_until_the_model_is_done_and_all_of_it_was_heard() {
        for heard_first in [true, false] {
            let mut replies = Replies::default();
            replies.generate(ReplyId(1));
            replies.speak(ReplyId(1));
            if heard_first {
                replies.spoken(ReplyId(1))
            } else {
                replies.generated(ReplyId(1))
            }
            replies.settle();
            assert!(replies.is_alive(ReplyId(1)));
            if heard_first {
                replies.generated(ReplyId(1))
            } else {
                replies.spoken(ReplyId(1))
            }
            replies.settle();
            assert!(!replies.is_alive(ReplyId(1)));
        }
    }

    #[test]
    fn only_the_first_sound_of_a_reply_is_its_first() {
        let mut replies = Replies::default();
        replies.speak(ReplyId(3));
        assert!(replies.add_speech(ReplyId(3), Duration::from_millis(20)));
        assert!(!replies.add_speech(ReplyId(3), Duration::from_millis(30)));
        assert_eq!(replies.length(ReplyId(3)), Duration::from_millis(50));
        assert!(!replies.add_speech(ReplyId(4), Duration::from_millis(30)));
        replies.starve(ReplyId(3));
        assert!(replies.add_speech(ReplyId(3), Duration::from_millis(20)));
        assert!(!replies.add_speech(ReplyId(3), Duration::from_millis(20)));
    }

    #[test]
    fn services_that_never_finish_cannot_grow_the_table() {
        let mut replies = Replies::default();
        for id in 0..100 {
            replies.speak(ReplyId(id));
        }
        assert_eq!(replies.alive.len(), Replies::MOST);
        assert!(replies.is_alive(ReplyId(99)) && !replies.is_alive(ReplyId(0)));
    }
}
