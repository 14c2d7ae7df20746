//! What the caller says, told to the recogniser as it is said, and which answer of the model is next.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What the caller is about to say: told with [`Simulators::cue`](super::Simulators::cue) when its sound begins.
///
/// The recogniser still hears for itself that there is a voice and when it pauses; the cue tells it the words and their
/// times. It holds for the next voice that begins, and ends what it was hearing before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cue {
    /// The words; empty: a sound without words (a cough), of which nothing is reported.
    pub text: String,
    /// How long the sound is, pauses included. What is heard after it belongs to nobody.
    pub lasts: Duration,
    /// When each word ends, from the beginning of the sound; empty: the words take equal shares.
    pub word_ends: Vec<Duration>,
    /// How long after the voice the final comes; `None`: never. A `Finalize` neither hastens it nor is answered.
    pub final_after: Option<Duration>,
}

impl Cue {
    /// The words and when they end.
    pub(super) fn words(&self) -> (Vec<String>, Vec<Duration>) {
        let words: Vec<String> = self.text.split_whitespace().map(str::to_owned).collect();
        let count = words.len().max(1) as u32;
        let ends = match self.word_ends.len() == words.len() {
            true => self.word_ends.clone(),
            false => (1..=words.len() as u32).map(|n| self.lasts * n / count).collect(),
        };
        (words, ends)
    }
}

/// What a recogniser is made to report, whatever it hears.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Utter {
    /// The words.
    pub text: String,
    /// Whether they will not change any more.
    pub is_final: bool,
    /// Whether the speaker has paused for the endpointing time.
    pub speech_final: bool,
}

/// What befalls the recogniser's open streams at once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Order {
    /// Their connections are dropped.
    Drop,
    /// They hear nothing any more, and say nothing.
    Deafen,
    /// They report this.
    Report(Utter),
}

/// Orders that may wait for a busy stream.
pub(super) const ORDERS: usize = 64;

/// The different requests the model has had, in order: which answer of a counted script each of them is given.
#[derive(Debug, Default)]
pub(super) struct Requests(Mutex<Vec<Asked>>);

/// One request: a digest of its messages, and when it first came.
#[derive(Clone, Copy, Debug)]
struct Asked {
    messages: u64,
    at: Instant,
}

impl Requests {
    /// Requests that are told apart; later ones all are the last.
    const MOST: usize = 4_096;

    /// A request came at `at`; the same messages once more are the same request.
    pub(super) fn note(&self, messages: u64, at: Instant) {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.len() < Self::MOST && asked.iter().all(|known| known.messages != messages) {
            asked.push(Asked { messages, at });
        }
    }

    /// The number of a request that was noted, from 1; one that was forgotten since is the next one.
    pub(super) fn number(&self, messages: u64) -> usize {
        let asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        asked.iter().position(|known| known.messages == messages).unwrap_or(asked.len()) + 1
    }

    /// Forgets the last request that came before `before`: its answer is still to be given.
    pub(super) fn forget(&self, before: Instant) {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = asked.iter().rposition(|known| known.at < before) {
            asked.remove(last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_count_once_and_a_forgotten_one_leaves_its_number_to_the_next() {
        let (requests, now) = (Requests::default(), Instant::now());
        let at = |ms| now + Duration::from_millis(ms);
        requests.note(70, at(0));
        requests.note(80, at(100));
        requests.note(70, at(200));
        assert_eq!((requests.number(70), requests.number(80)), (1, 2));
        // 80 was a thought that came to nothing; what came in its place was asked a moment later.
        requests.note(90, at(301));
        requests.forget(at(300));
        assert_eq!((requests.number(70), requests.number(90)), (1, 2));
    }

    #[test]
    fn words_without_times_share_their_sound() {
        let lasts = Duration::from_millis(900);
        let cue = Cue { text: "one two  three".into(), lasts, word_ends: vec![lasts], final_after: None };
        assert_eq!(cue.words().1.iter().map(Duration::as_millis).collect::<Vec<_>>(), [300, 600, 900]);
        let silent = Cue { text: String::new(), ..cue };
        assert_eq!(silent.words(), (Vec::new(), Vec::new()));
    }
}
