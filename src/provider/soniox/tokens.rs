//! Tokens to transcripts.

use std::time::Duration;

use serde::Deserialize;

use crate::conversation::TranscriptKind;
use crate::provider::listening::{Heard, Timeline, Unreadable, mean_confidence, words};

/// A message of the server.
#[derive(Deserialize, Debug)]
pub(super) struct Response {
    tokens: Option<Vec<Token>>,
    /// Milliseconds of sound whose words are settled.
    #[serde(default)]
    final_audio_proc_ms: u64,
    /// An HTTP status, and why in a word: the stream is over.
    pub(super) error_code: Option<u16>,
    pub(super) error_type: Option<String>,
}

/// A word or a piece of one, with the blank before it if there is one.
#[derive(Clone, Deserialize, Debug)]
struct Token {
    text: String,
    #[serde(default)]
    end_ms: Option<u64>,
    #[serde(default)]
    confidence: Option<f32>,
    #[serde(default)]
    is_final: bool,
}

impl Token {
    /// What a mark among the tokens means.
    fn mark(&self) -> Option<Mark> {
        match self.text.as_str() {
            "<end>" => Some(Mark::End),
            "<fin>" => Some(Mark::Finalized),
            _ => None,
        }
    }
}

/// A token that is no word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mark {
    /// The speaker has paused.
    End,
    /// What there was is settled, as asked.
    Finalized,
}

/// The words of one connection that are not told as final yet.
///
/// Settled tokens come once and stay, the others are replaced by each message. As finals are told with blanks between
/// them, one never ends within a word.
#[derive(Clone, Default, Debug)]
pub(super) struct Tokens {
    settled: Vec<Token>,
    /// Whether the last message held words that are not settled.
    has_open: bool,
}

impl Tokens {
    /// What a message tells.
    pub(super) fn read(&mut self, response: &Response, timeline: &Timeline) -> Result<Vec<Heard>, Unreadable> {
        let tokens = response.tokens.as_ref().ok_or(Unreadable)?;
        let (mut heard, mut open) = (Vec::new(), String::new());
        for token in tokens {
            match token.mark() {
                Some(mark) => self.mark(mark, response, timeline, &mut heard),
                None if token.is_final => self.settled.push(token.clone()),
                None => open.push_str(&token.text),
            }
        }
        self.split(timeline, &mut heard);
        self.has_open = !open.trim().is_empty();
        let text: String = self.settled.iter().map(|token| token.text.as_str()).chain([open.as_str()]).collect();
        if !text.trim().is_empty() {
            let confidence = mean_confidence(tokens.iter().filter_map(|token| token.confidence));
            heard.push(Heard::Words(words(TranscriptKind::Interim, &text, confidence, None)));
        }
        Ok(heard)
    }

    /// Whether no words are under way.
    pub(super) fn is_empty(&self) -> bool {
        self.settled.is_empty() && !self.has_open
    }

    fn mark(&mut self, mark: Mark, response: &Response, timeline: &Timeline, heard: &mut Vec<Heard>) {
        let kind = match mark {
            Mark::End => TranscriptKind::EndOfTurn,
            // We asked because we heard the pause ourselves: that the turn is over is no news.
            Mark::Finalized => TranscriptKind::Final,
        };
        let settled = timeline.at(Duration::from_millis(response.final_audio_proc_ms));
        let tokens = std::mem::take(&mut self.settled);
        if mark == Mark::Finalized || !tokens.is_empty() {
            heard.push(told(kind, &tokens, timeline));
        }
        heard.push(Heard::Settled(settled));
        if mark == Mark::Finalized {
            heard.push(Heard::Answered);
        }
    }

    /// Tells words that have been settled for long, up to the last that is surely whole.
    fn split(&mut self, timeline: &Timeline, heard: &mut Vec<Heard>) {
        let end = |token: &Token| Duration::from_millis(token.end_ms.unwrap_or_default());
        let (Some(first), Some(last)) = (self.settled.first(), self.settled.last()) else { return };
        if end(last).saturating_sub(end(first)) < LONGEST && self.settled.len() < MOST {
            return;
        }
        let Some(at) = self.settled.iter().rposition(|token| token.text.starts_with(char::is_whitespace)) else {
            return;
        };
        let rest = self.settled.split_off(at);
        let whole = std::mem::replace(&mut self.settled, rest);
        if let Some(until) = whole.last().map(end) {
            heard.push(told(TranscriptKind::Final, &whole, timeline));
            heard.push(Heard::Settled(timeline.at(until)));
        }
    }
}

fn told(kind: TranscriptKind, tokens: &[Token], timeline: &Timeline) -> Heard {
    let text: String = tokens.iter().map(|token| token.text.as_str()).collect();
    let confidence = mean_confidence(tokens.iter().filter_map(|token| token.confidence));
    let end = tokens.last().and_then(|token| token.end_ms).map(|ms| timeline.at(Duration::from_millis(ms)));
    Heard::Words(words(kind, &text, confidence, end))
}

/// Settled words of a stretch this long are told though nobody paused: less than the sound that is kept.
const LONGEST: Duration = Duration::from_secs(8);
/// Tokens that are kept; more than anybody says in that time.
const MOST: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(tokens: &mut Tokens, json: &str) -> Vec<Heard> {
        tokens.read(&serde_json::from_str(json).unwrap(), &Timeline::new(Duration::from_secs(60))).unwrap()
    }

    fn told(heard: &[Heard]) -> Vec<(TranscriptKind, String)> {
        let words = heard.iter().filter_map(|heard| match heard {
            Heard::Words(words) => Some((words.kind, words.text.clone())),
            _ => None,
        });
        words.collect()
    }

    fn message(tokens: &[(&str, bool)], settled_ms: u64) -> String {
        let tokens: Vec<_> = tokens
            .iter()
            .map(|(text, is_final)| serde_json::json!({"text": text, "end_ms": settled_ms, "confidence": 0.5, "is_final": is_final}))
            .collect();
        serde_json::json!({"tokens": tokens, "final_audio_proc_ms": settled_ms, "total_audio_proc_ms": settled_ms})
            .to_string()
    }

    #[test]
    fn settled_pieces_join_without_blanks_and_open_ones_are_replaced() {
        use TranscriptKind::{EndOfTurn, Interim};
        let mut tokens = Tokens::default();
        assert_eq!(
            told(&read(&mut tokens, &message(&[(" Hel", true), ("lo th", false)], 100))),
            [(Interim, "Hello th".into())]
        );
        assert_eq!(
            told(&read(&mut tokens, &message(&[("lo", true), (" there", false)], 200))),
            [(Interim, "Hello there".into())]
        );
        let heard = read(&mut tokens, &message(&[(" there.", true), ("<end>", true)], 900));
        assert_eq!(told(&heard), [(EndOfTurn, "Hello there.".into())]);
        assert!(heard.contains(&Heard::Settled(Duration::from_millis(60_900))), "{heard:?}");
        assert!(tokens.is_empty());
        assert_eq!(told(&read(&mut tokens, &message(&[("<end>", true)], 1_500))), [], "nothing was said since");
    }

    #[test]
    fn an_answer_is_told_even_without_words_and_ends_no_turn() {
        let mut tokens = Tokens::default();
        let heard = read(&mut tokens, &message(&[(" Yes", true), ("<fin>", true), (" but", false)], 500));
        assert_eq!(told(&heard), [(TranscriptKind::Final, "Yes".into()), (TranscriptKind::Interim, "but".into())]);
        assert!(heard.contains(&Heard::Answered));
        let heard = read(&mut tokens, &message(&[("<fin>", true)], 600));
        assert_eq!(told(&heard), [(TranscriptKind::Final, String::new())]);
    }

    #[test]
    fn a_caller_who_never_pauses_is_told_in_whole_words() {
        let mut tokens = Tokens::default();
        let mut said = Vec::new();
        for n in 0..200u64 {
            let heard = read(&mut tokens, &message(&[(" so", true), ("me", true)], 100 * n));
            said.extend(told(&heard).into_iter().filter(|(kind, _)| *kind == TranscriptKind::Final));
            assert!(tokens.settled.len() < MOST);
        }
        assert!(said.len() >= 2, "{said:?}");
        assert!(said.iter().all(|(_, text)| text.split(' ').all(|word| word == "some")), "{said:?}");
    }

    #[test]
    fn what_has_no_tokens_is_not_of_the_protocol() {
        for json in ["{}", r#"{"type":"x"}"#] {
            assert!(
                Tokens::default().read(&serde_json::from_str(json).unwrap(), &Timeline::default()).is_err(),
                "{json}"
            );
        }
    }
}
