//! Whether the caller answers the question that the agent is still asking.
//!
//! ```text
//! agent   We are full on Monday. │ Shall I book it for Tuesday? │ It takes a minute.
//! caller  "okay": go on          │ "okay": yes, book it         │ "okay": go on
//! ```

use std::time::Instant;

use super::language::Language;
use super::machine::{Dialogue, Floor};
use super::words::{Meaning, is_closed_question, normalise};

/// A tag of at most so many words ("…, right?") asks what stands before it.
const TAG_WORDS: usize = 2;

impl Dialogue {
    /// What the caller's words mean while the agent has the floor: a yes over a question that yes or no answers is the
    /// answer, however much it sounds like "go on".
    pub(super) fn with_answer(&self, meaning: Meaning) -> Meaning {
        if meaning.is_backchannel()
            && self.says_yes()
            && self.asked_of(|said, at| asks_yes_or_no(said, at, self.language))
        {
            return Meaning { real: meaning.backchannel, backchannel: 0, answer: true, ..meaning };
        }
        meaning
    }

    /// Whether what is being said, or was when the caller spoke up, is a question.
    pub(super) fn asks(&self) -> bool {
        self.asked_of(|said, at| sentence(said, at).1.ends_with(['?', '？']))
    }

    fn says_yes(&self) -> bool {
        normalise(&self.turn.text()).iter().any(|word| self.language.yes_no.contains(&word.as_str()))
    }

    /// Whether this holds for the text that is heard and the place where it is, or was when the caller spoke up.
    fn asked_of(&self, holds: impl Fn(&str, usize) -> bool) -> bool {
        let Some(front) = self.replies.front() else { return false };
        let at = |moment: Instant| front.position(moment).map(|position| front.heard_by(position).len());
        let began = self.voice.current.map(|(began, _)| began).or(self.turn.began);
        let latest = match self.floor {
            Floor::Held { since, .. } => Some(since),
            _ => self.turn.text_at(),
        };
        [began, latest].into_iter().flatten().filter_map(at).any(|at| holds(front.text.written(), at))
    }
}

/// The sentence that is heard when `at` bytes of a text have been, and where it begins; one that has just ended still is.
fn sentence(text: &str, at: usize) -> (usize, &str) {
    let heard = text.get(..at).unwrap_or(text).trim_end().trim_end_matches(STOPS);
    let from = heard.match_indices(STOPS).rfind(|(at, stop)| ends(heard, at + stop.len()));
    let from = from.map_or(0, |(at, stop)| at + stop.len());
    let rest = text.get(from..).unwrap_or_default();
    let from = from + rest.len() - rest.trim_start().len();
    let rest = rest.trim_start();
    let to = rest.match_indices(STOPS).map(|(at, stop)| at + stop.len()).find(|&to| ends(rest, to));
    (from, rest.get(..to.unwrap_or(rest.len())).unwrap_or(rest).trim_end())
}

/// Whether a mark that ends there is not in the middle of a number or a word.
fn ends(text: &str, at: usize) -> bool {
    text.get(at..).is_none_or(|rest| !rest.starts_with(char::is_alphanumeric))
}

/// Whether a question that yes or no answers is heard when `at` bytes of a text have been. In a long sentence it may be the
/// last clause alone that asks.
fn asks_yes_or_no(text: &str, at: usize, language: &Language) -> bool {
    let (from, sentence) = sentence(text, at);
    if !is_closed_question(sentence, language) {
        return false;
    }
    let opens = normalise(sentence).first().is_some_and(|word| language.closed.contains(&word.as_str()));
    let mut clauses = sentence.rmatch_indices([',', ';', '—']).map(|(at, mark)| at + mark.len());
    let is_tag = |&from: &usize| normalise(sentence.get(from..).unwrap_or_default()).len() <= TAG_WORDS;
    let clause = clauses.find(|from| !is_tag(from)).unwrap_or(0);
    // The clause is heard from its first word on: the space before it need not have been.
    opens || at + 1 >= from + clause
}

const STOPS: [char; 6] = ['.', '!', '?', '。', '！', '？'];

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the words of a text end.
    fn ends(text: &str) -> impl Iterator<Item = usize> {
        text.match_indices(' ').map(|(at, _)| at).chain([text.len()])
    }

    #[test]
    fn a_question_is_being_asked_from_its_first_word_to_its_last() {
        let english = Language::of("en");
        let text = "We are full on Monday. Shall I book it for 3.30 on Tuesday? It takes a minute.";
        let question = text.find("Shall").unwrap()..=text.find(" It takes").unwrap();
        for at in ends(text) {
            assert_eq!(asks_yes_or_no(text, at, english), question.contains(&at), "{:?}", &text[..at]);
        }
    }

    #[test]
    fn the_last_clause_asks_and_a_tag_asks_with_the_one_before() {
        let english = Language::of("en");
        for (text, from) in [
            ("There is one at eight on the terrace, would that work?", "would"),
            ("It is for four people, on Tuesday at eight, right?", "on Tuesday"),
            ("Would you like the one at eight, or another?", "Would"),
        ] {
            let begins = text.find(from).unwrap();
            for at in ends(text) {
                assert_eq!(asks_yes_or_no(text, at, english), at + 1 >= begins, "{:?}", &text[..at]);
            }
        }
        assert!(!asks_yes_or_no("How many people are you?", 8, english));
        assert!(!asks_yes_or_no("", 0, english));
    }
}
