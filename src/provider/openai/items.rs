//! Items of a Realtime transcription to transcripts.

use std::collections::VecDeque;
use std::time::Duration;

use crate::conversation::TranscriptKind;
use crate::provider::listening::{Heard, Timeline, UNTOLD_CONFIDENCE, words};

/// The items of one connection whose words are not all told yet, in the order they were spoken.
///
/// Words of several items come in any order: an item waits for those before it. Until then its words are part of the
/// interim.
#[derive(Default, Debug)]
pub(super) struct Items {
    items: VecDeque<Item>,
    /// How much sound had been sent at each commit of ours that has not become an item yet.
    asked: VecDeque<Duration>,
    /// Where the server heard the last pause.
    paused: Option<Duration>,
}

/// One of them.
#[derive(Debug)]
struct Item {
    id: String,
    text: String,
    is_complete: bool,
    commit: Option<Commit>,
}

/// Where an item ends, in sound of the call.
#[derive(Clone, Copy, Debug)]
struct Commit {
    end: Duration,
    /// Whether it was ours.
    is_ours: bool,
}

impl Items {
    /// Items and questions that may be open at once; the oldest are given up.
    const MOST: usize = 32;

    /// We commit, after `sent` of the connection's sound.
    pub(super) fn ask(&mut self, sent: Duration) {
        if self.asked.len() == Self::MOST {
            self.asked.pop_front();
        }
        self.asked.push_back(sent);
    }

    /// The server heard a pause `at` in the connection's sound.
    pub(super) fn pause(&mut self, at: Duration) {
        self.paused = Some(at);
    }

    /// There was too little sound for our last commit.
    pub(super) fn nothing_to_commit(&mut self) -> Vec<Heard> {
        if self.asked.pop_front().is_none() {
            return Vec::new();
        }
        vec![Heard::Words(words(TranscriptKind::Final, "", UNTOLD_CONFIDENCE, None)), Heard::Answered]
    }

    /// The sound so far is the item `id`.
    pub(super) fn committed(&mut self, id: &str, timeline: &Timeline) {
        let (ours, paused) = (self.asked.pop_front(), self.paused.take());
        let end = timeline.at(ours.or(paused).unwrap_or_else(|| timeline.sent()));
        self.item(id).commit = Some(Commit { end, is_ours: ours.is_some() });
    }

    /// The item `id` has more words.
    pub(super) fn grown(&mut self, id: &str, delta: &str) -> Vec<Heard> {
        let item = self.item(id);
        if !item.is_complete {
            item.text.push_str(delta);
        }
        self.interim().into_iter().collect()
    }

    /// The item `id` has all its words.
    pub(super) fn completed(&mut self, id: &str, text: &str, timeline: &Timeline) -> Vec<Heard> {
        if self.items.iter().all(|item| item.id != id || item.commit.is_none()) {
            self.committed(id, timeline);
        }
        let item = self.item(id);
        (item.text, item.is_complete) = (text.to_owned(), true);
        // What was never committed before something that was will not be any more.
        if let Some(at) = self.items.iter().rposition(|item| item.commit.is_some()) {
            let mut places = 0..self.items.len();
            self.items.retain(|item| {
                let is_after = places.next() > Some(at);
                item.commit.is_some() || is_after
            });
        }
        let mut heard = Vec::new();
        while self.items.front().is_some_and(|item| item.is_complete) {
            heard.extend(self.items.pop_front().into_iter().flat_map(Item::told));
        }
        heard.extend(self.interim());
        heard
    }

    /// Whether no words are under way.
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty() && self.asked.is_empty()
    }

    fn interim(&self) -> Option<Heard> {
        let texts = self.items.iter().map(|item| item.text.trim()).filter(|text| !text.is_empty());
        let text = texts.collect::<Vec<_>>().join(" ");
        (!text.is_empty()).then(|| Heard::Words(words(TranscriptKind::Interim, &text, UNTOLD_CONFIDENCE, None)))
    }

    /// The item `id`, which may be new.
    fn item(&mut self, id: &str) -> &mut Item {
        let known = self.items.iter().position(|item| item.id == id);
        let at = known.unwrap_or_else(|| {
            if self.items.len() == Self::MOST {
                self.items.pop_front();
            }
            self.items.push_back(Item { id: id.to_owned(), text: String::new(), is_complete: false, commit: None });
            self.items.len() - 1
        });
        self.items.get_mut(at).expect("it was found there or put there")
    }
}

impl Item {
    /// What it tells when it is complete.
    fn told(self) -> impl Iterator<Item = Heard> {
        let Self { text, commit, .. } = self;
        let is_ours = commit.is_some_and(|commit| commit.is_ours);
        // That a pause is over which we heard ourselves is no news.
        let kind = if is_ours { TranscriptKind::Final } else { TranscriptKind::EndOfTurn };
        let end = commit.map(|commit| commit.end);
        let is_worth_telling = is_ours || !text.trim().is_empty();
        let told = is_worth_telling.then(|| Heard::Words(words(kind, &text, UNTOLD_CONFIDENCE, end)));
        let settled = end.map(Heard::Settled);
        told.into_iter().chain(settled).chain(is_ours.then_some(Heard::Answered))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// The kind, the words and where they end.
    fn told(heard: Vec<Heard>) -> Vec<(TranscriptKind, String, Option<u64>)> {
        let words = heard.into_iter().filter_map(|heard| match heard {
            Heard::Words(words) => Some((words.kind, words.text, words.audio_end.map(|end| end.as_secs()))),
            _ => None,
        });
        words.collect()
    }

    fn timeline() -> Timeline {
        Timeline::new(60 * SECOND)
    }

    #[test]
    fn words_grow_and_become_final_where_we_committed() {
        use TranscriptKind::{Final, Interim};
        let (mut items, timeline) = (Items::default(), timeline());
        assert_eq!(told(items.grown("a", "Hello")), [(Interim, "Hello".into(), None)]);
        assert_eq!(told(items.grown("a", " wor")), [(Interim, "Hello wor".into(), None)]);
        assert!(!items.is_empty());
        items.ask(3 * SECOND);
        items.committed("a", &timeline);
        let heard = items.completed("a", "Hello, world.", &timeline);
        assert!(heard.contains(&Heard::Settled(63 * SECOND)) && heard.contains(&Heard::Answered), "{heard:?}");
        assert_eq!(told(heard), [(Final, "Hello, world.".into(), Some(63))]);
        assert!(items.is_empty());
    }

    #[test]
    fn items_are_told_in_the_order_they_were_spoken() {
        use TranscriptKind::{Final, Interim};
        let (mut items, timeline) = (Items::default(), timeline());
        for (id, sent) in [("a", 1), ("b", 2)] {
            items.ask(sent * SECOND);
            items.committed(id, &timeline);
        }
        assert_eq!(told(items.completed("b", "two", &timeline)), [(Interim, "two".into(), None)]);
        let both = [(Final, "one".into(), Some(61)), (Final, "two".into(), Some(62))];
        assert_eq!(told(items.completed("a", "one", &timeline)), both);
        assert!(items.is_empty());
    }

    #[test]
    fn a_pause_of_the_servers_ends_the_turn() {
        let (mut items, timeline) = (Items::default(), timeline());
        items.pause(2 * SECOND);
        items.committed("a", &timeline);
        let heard = items.completed("a", "Yes.", &timeline);
        assert!(!heard.contains(&Heard::Answered));
        assert_eq!(told(heard), [(TranscriptKind::EndOfTurn, "Yes.".into(), Some(62))]);
        items.committed("b", &timeline);
        assert_eq!(told(items.completed("b", " ", &timeline)), [], "noise ends nothing");
    }

    #[test]
    fn a_question_with_nothing_to_settle_is_answered_without_words() {
        let mut items = Items::default();
        items.ask(SECOND);
        let heard = items.nothing_to_commit();
        assert_eq!(heard.last(), Some(&Heard::Answered));
        assert_eq!(told(heard), [(TranscriptKind::Final, String::new(), None)]);
        assert_eq!(items.nothing_to_commit(), [], "nobody asked");
    }

    #[test]
    fn an_item_that_is_never_committed_holds_nothing_up() {
        let (mut items, timeline) = (Items::default(), timeline());
        items.grown("stray", "uh");
        items.ask(SECOND);
        items.committed("a", &timeline);
        items.grown("next", "and");
        let heard = told(items.completed("a", "one", &timeline));
        assert_eq!(heard[0], (TranscriptKind::Final, "one".into(), Some(61)));
        assert_eq!(heard[1], (TranscriptKind::Interim, "and".into(), None), "what comes after it stays");
    }

    #[test]
    fn a_server_gone_mad_fills_nothing() {
        let (mut items, timeline) = (Items::default(), timeline());
        for n in 0..1_000 {
            items.grown(&n.to_string(), "x");
            items.ask(SECOND);
        }
        assert!(items.items.len() <= Items::MOST && items.asked.len() <= Items::MOST);
        items.committed("0", &timeline);
        assert!(items.items.len() <= Items::MOST);
    }
}
