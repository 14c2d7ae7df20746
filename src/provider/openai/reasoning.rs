//! Thoughts that a model writes into its answer.

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// Leaves out a `<think>…</think>` at the beginning of an answer: what models write there when their server does not
/// put it into a field of its own. Tags may come in pieces. Text is held back only while it may still become a tag.
#[derive(Default, Debug)]
pub(super) struct ReasoningFilter {
    state: State,
    held: String,
}

#[derive(Default, PartialEq, Eq, Debug)]
enum State {
    /// Nothing but blanks or a piece of the tag has come.
    #[default]
    Undecided,
    /// Inside the thoughts.
    Thinking,
    /// Behind them, before the first word.
    Blanks,
    /// In the answer.
    Answering,
}

impl ReasoningFilter {
    /// Takes a piece of the model's text and gives what of it is to be spoken.
    pub(super) fn push(&mut self, text: &str) -> String {
        if self.state == State::Answering {
            return text.to_owned();
        }
        self.held.push_str(text);
        if self.state == State::Undecided {
            let begin = self.held.trim_start();
            if let Some(thoughts) = begin.strip_prefix(OPEN) {
                self.held = thoughts.to_owned();
                self.state = State::Thinking;
            } else if OPEN.starts_with(begin) {
                return String::new();
            } else {
                self.state = State::Answering;
                return std::mem::take(&mut self.held);
            }
        }
        if self.state == State::Thinking {
            if let Some(at) = self.held.find(CLOSE) {
                self.held.drain(..at + CLOSE.len());
                self.state = State::Blanks;
            } else {
                // Keep no more than what may be the beginning of the closing tag.
                let keep = (0..CLOSE.len()).rev().find(|&length| self.held.ends_with(&CLOSE[..length])).unwrap_or(0);
                self.held.drain(..self.held.len() - keep);
                return String::new();
            }
        }
        let spoken = std::mem::take(&mut self.held).trim_start().to_owned();
        if !spoken.is_empty() {
            self.state = State::Answering;
        }
        spoken
    }

    /// The answer is over: gives what was held back, unless it was thought.
    pub(super) fn finish(&mut self) -> String {
        let held = std::mem::take(&mut self.held);
        let is_text = self.state == State::Undecided && !held.trim().is_empty();
        if is_text { held } else { String::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spoken(pieces: &[&str]) -> String {
        let mut filter = ReasoningFilter::default();
        let mut spoken: String = pieces.iter().map(|piece| filter.push(piece)).collect();
        spoken.push_str(&filter.finish());
        spoken
    }

    #[test]
    fn thoughts_are_not_spoken_wherever_they_split() {
        let text = "\n<think>The caller wants < 3 </thin or é?</think>\n\nSure, a <b> it is.";
        let cuts: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        for &at in &cuts {
            let (front, back) = text.split_at(at);
            assert_eq!(spoken(&[front, back]), "Sure, a <b> it is.", "split at {at}");
        }
        let letters: Vec<String> = text.chars().map(String::from).collect();
        let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
        assert_eq!(spoken(&letters), "Sure, a <b> it is.");
    }

    #[test]
    fn an_answer_without_thoughts_passes_at_once() {
        let mut filter = ReasoningFilter::default();
        assert_eq!(filter.push("<"), "");
        assert_eq!(filter.push("3 of them"), "<3 of them");
        assert_eq!(filter.push(" <think>"), " <think>");
        assert_eq!(spoken(&["<thi"]), "<thi");
        assert_eq!(spoken(&["<think>never ends"]), "");
    }
}
