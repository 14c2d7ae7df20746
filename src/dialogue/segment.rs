//! Tokens → speakable segments.

use super::speakable::Speakable;
use super::spoken::{Grammar, Normaliser, border};

/// Cuts a model's text into pieces worth speaking.
///
/// The first piece is short, so that the voice can begin early: a clause of at least 12 characters, a single word with a
/// comma behind it ("Sure,"), or a sentence of at least three words. Later pieces are sentences of at most 200 characters, because a voice intones whole sentences
/// better. The pieces put together are the reply's spoken text, byte for byte: a run of marks without a letter or digit that
/// fills a piece is not part of it. A piece never ends inside a number or what is spoken as one with it ("$5 million"), nor
/// after a common abbreviation, and holds at least one letter or digit.
#[derive(Clone, Debug, Default)]
pub(super) struct Segmenter {
    speakable: Speakable,
    /// Of the language, if it is known: what belongs together.
    grammar: Option<&'static Grammar>,
    pending: String,
    begun: bool,
    /// The space behind the first piece was given with it, before it came.
    owes_space: bool,
    given: usize,
}

impl Segmenter {
    /// The most text of one reply, in bytes; what comes after is dropped.
    pub(super) const MAX_REPLY: usize = 16 * 1024;
    const FIRST_CLAUSE: usize = 12;
    const FIRST_WORDS: usize = 3;
    const LONGEST: usize = 200;

    /// For the language of a call.
    pub(super) fn new(normaliser: &Normaliser) -> Self {
        Self { grammar: normaliser.grammar(), ..Self::default() }
    }

    /// Takes one token; the segments that are complete with it.
    pub(super) fn push(&mut self, token: &str) -> Vec<String> {
        self.speakable.push(token, &mut self.pending);
        if self.owes_space && !self.pending.is_empty() {
            self.owes_space = false;
            if self.pending.starts_with(' ') {
                self.pending.remove(0);
            }
        }
        if self.pending.ends_with(is_stop) || self.pending.ends_with(is_closing) || self.pending.ends_with(is_clause) {
            self.speakable.end_word(&mut self.pending);
        }
        let mut segments = Vec::new();
        while let Some(at) = self.boundary() {
            let rest = self.pending.split_off(at);
            let segment = std::mem::replace(&mut self.pending, rest);
            segments.extend(self.give(segment));
        }
        if !self.begun && self.ends_early() {
            self.owes_space = true;
            let mut segment = std::mem::take(&mut self.pending);
            segment.push(' ');
            segments.extend(self.give(segment));
        }
        segments
    }

    /// Whether the first piece is complete although nothing behind it shows so yet. Waiting for the next token would cost
    /// the caller its time; models put the "." of "example.com" and of "3.5" in one token with what follows, so that a
    /// token which ends in a mark after a word ends the clause.
    fn ends_early(&self) -> bool {
        let Some(mark) = self.pending.chars().next_back() else { return false };
        let before = &self.pending[..self.pending.len() - mark.len_utf8()];
        let word = before.rsplit(' ').next().unwrap_or_default();
        if !speaks(before) || !word.ends_with(char::is_alphabetic) {
            return false;
        }
        if is_stop(mark) {
            let whole = mark != '.' || (word.chars().count() > 1 && !word.contains('.') && !self.abbreviates(before));
            whole && before.split_whitespace().count() >= Self::FIRST_WORDS
        } else {
            is_clause(mark) && (self.pending.chars().count() >= Self::FIRST_CLAUSE || is_opener(&self.pending))
        }
    }

    /// No token has come for a while: what can be spoken of the rest, up to the last whole word.
    pub(super) fn flush(&mut self) -> Option<String> {
        self.speakable.end_word(&mut self.pending);
        // A number may go on after its comma or point, and a word after any letter.
        let at = border::before(&self.pending, self.pending.rfind(' ')? + 1, self.grammar);
        if !speaks(self.pending.get(..at)?) {
            return None;
        }
        let rest = self.pending.split_off(at);
        let segment = std::mem::replace(&mut self.pending, rest);
        self.give(segment)
    }

    /// No more tokens will come: the rest.
    pub(super) fn finish(&mut self) -> Option<String> {
        self.speakable.finish(&mut self.pending);
        let segment = std::mem::take(&mut self.pending);
        if speaks(&segment) { self.give(segment) } else { None }
    }

    /// Whether text is waiting for its segment to end.
    pub(super) fn is_waiting(&self) -> bool {
        speaks(&self.pending)
    }

    /// Counts a piece as given; what there is no voice for, or no room, is dropped.
    fn give(&mut self, mut segment: String) -> Option<String> {
        let room = Self::MAX_REPLY.saturating_sub(self.given);
        if segment.len() > room {
            let at = (0..=room).rev().find(|&at| segment.is_char_boundary(at)).unwrap_or(0);
            segment.truncate(at);
        }
        // A voice may refuse, or fail on, a run of marks alone.
        if !speaks(&segment) {
            return None;
        }
        self.begun = true;
        self.given += segment.len();
        Some(segment)
    }

    /// Where the first segment of the pending text ends, if it has ended.
    fn boundary(&self) -> Option<usize> {
        let text = self.pending.as_str();
        let mut end = text.char_indices().peekable();
        while let Some((at, c)) = end.next() {
            let mut after = at + c.len_utf8();
            if after > Self::LONGEST && at > 0 {
                return self.forced(text);
            }
            // White space, or the letter after a long dash, shows that neither a number nor a word goes on.
            let broken = match end.peek() {
                Some(&(_, next)) => next == ' ' || c == '—' || is_closing(next),
                None => false,
            };
            if !broken {
                continue;
            }
            if is_stop(c) {
                after += closing_len(text.get(after..).unwrap_or_default());
                let rest = text.get(after..)?;
                if !rest.starts_with(' ') {
                    continue;
                }
                after += 1;
                let before = text.get(..after).unwrap_or_default();
                let enough = self.begun || before.split_whitespace().count() >= Self::FIRST_WORDS;
                let is_open = c == '.'
                    && (self.abbreviates(text.get(..at).unwrap_or_default())
                        || border::parts(before, text.get(after..).unwrap_or_default(), self.grammar));
                if enough && speaks(before) && !is_open {
                    return Some(after);
                }
            } else if is_clause(c) && !self.begun {
                let before = text.get(..after).unwrap_or_default();
                if c == ',' && border::parts(before, text.get(after..).unwrap_or_default(), self.grammar) {
                    continue;
                }
                if is_opener(before) || (before.chars().count() >= Self::FIRST_CLAUSE && speaks(before)) {
                    return Some(after + usize::from(text.get(after..).is_some_and(|rest| rest.starts_with(' '))));
                }
            }
        }
        None
    }

    /// Whether the text before a full stop ends in what is no end of a sentence.
    fn abbreviates(&self, before: &str) -> bool {
        let word = before.rsplit(' ').next().unwrap_or_default();
        is_abbreviation(before) || border::abbreviates(word, self.grammar)
    }

    /// Where a sentence that is too long is cut: after its last clause, else its last word, else anywhere.
    fn forced(&self, text: &str) -> Option<usize> {
        let most = (0..=Self::LONGEST).rev().find(|&at| text.is_char_boundary(at))?;
        let head = text.get(..most)?;
        let clause = head.char_indices().rev().find_map(|(at, c)| {
            let after = at + c.len_utf8();
            (is_clause(c) && head.get(after..)?.starts_with(' ')).then_some(after + 1)
        });
        let word = || head.rfind(' ').map(|at| at + 1);
        let whole = |at: &usize| *at > 0;
        let clause = clause.map(|at| border::before(text, at, self.grammar)).filter(whole);
        let at = clause.or_else(|| word().map(|at| border::before(text, at, self.grammar)).filter(whole));
        let at = at.or_else(word).unwrap_or(most);
        let at = if speaks(text.get(..at)?) { at } else { most };
        (at > 0).then_some(at)
    }
}

/// Whether there is anything to speak in a text.
pub(super) fn speaks(text: &str) -> bool {
    text.contains(char::is_alphanumeric)
}

fn is_stop(c: char) -> bool {
    matches!(c, '.' | '!' | '?' | '…' | '。' | '！' | '？')
}

fn is_clause(c: char) -> bool {
    matches!(c, ',' | ';' | ':' | '—' | '、' | '，')
}

/// Whether a text is one word that leads up to what follows: "Sure,". Speakers pause behind it as well.
fn is_opener(text: &str) -> bool {
    let word = text.trim().strip_suffix([',', '，']).unwrap_or_default();
    word.chars().count() >= 3 && word.chars().all(char::is_alphabetic)
}

fn is_closing(c: char) -> bool {
    matches!(c, '"' | '\'' | '”' | '’' | ')' | '»')
}

fn closing_len(text: &str) -> usize {
    text.chars().take_while(|&c| is_closing(c)).map(char::len_utf8).sum()
}

/// Whether the text before a full stop ends in an abbreviation, an initial, or the number of a list's item.
fn is_abbreviation(before: &str) -> bool {
    let word = before.rsplit(' ').next().unwrap_or_default().trim_start_matches(['(', '"', '“', '\'']);
    let mut letters = word.chars();
    let initial = letters.next().is_some_and(char::is_uppercase) && letters.next().is_none() && word != "I";
    let item = before == word && !word.is_empty() && word.chars().all(|c| c.is_ascii_digit());
    initial || item || ABBREVIATIONS.iter().any(|known| known.eq_ignore_ascii_case(word))
}

/// Abbreviations that a full stop ends and a sentence goes on after.
const ABBREVIATIONS: [&str; 30] = [
    "Dr", "Mr", "Mrs", "Ms", "Prof", "St", "Jr", "Sr", "vs", "e.g", "i.e", "a.m", "p.m", "No", "Inc", "Ltd", "Co",
    "approx", "U.S", "U.K", "Mt", "Ave", "Blvd", "Rd", "Apt", "Dept", "ext", "Rev", "Gen", "Hon",
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds a text in tokens of `size` characters.
    fn segments(text: &str, size: usize) -> Vec<String> {
        let mut segmenter = Segmenter::default();
        let chars: Vec<char> = text.chars().collect();
        let mut out: Vec<String> =
            chars.chunks(size).flat_map(|token| segmenter.push(&token.iter().collect::<String>())).collect();
        out.extend(segmenter.finish());
        out
    }

    #[test]
    fn the_first_clause_comes_early_and_later_text_by_sentence() {
        for size in [1, 3, 7, 1_000] {
            assert_eq!(
                segments("Of course I can, let me look that up, please. It takes a moment, as always. Thanks!", size),
                ["Of course I can, ", "let me look that up, please. ", "It takes a moment, as always. ", "Thanks!"],
                "tokens of {size}"
            );
        }
    }

    #[test]
    fn a_short_first_sentence_waits_for_more_words() {
        assert_eq!(segments("Sure. I can do that. Really.", 2), ["Sure. I can do that. ", "Really."]);
        assert_eq!(segments("Yes.", 1), ["Yes."]);
        assert_eq!(segments("Oh, well then: here", 1), ["Oh, well then: ", "here"]);
    }

    #[test]
    fn numbers_and_abbreviations_stay_whole() {
        for text in ["That is $1,200.50 and 3.5 percent", "Ask Dr. Smith or J. Doe, e.g. at 9 a.m. today"] {
            for size in [1, 4] {
                let segments = segments(text, size);
                assert_eq!(segments.concat(), text);
                assert!(
                    segments.iter().all(|s| !s.trim_end().ends_with(['1', '3']) && !s.trim_end().ends_with("Dr.")),
                    "{segments:?}"
                );
            }
        }
        assert_eq!(segments("We meet Dr. Smith at noon. Bye.", 1), ["We meet Dr. Smith at noon. ", "Bye."]);
        assert_eq!(segments("It is 3.5 miles away. Go.", 1), ["It is 3.5 miles away. ", "Go."]);
    }

    #[test]
    fn a_flush_never_cuts_inside_a_number_or_a_word() {
        let mut segmenter = Segmenter::default();
        assert_eq!(segmenter.push("It costs $3"), Vec::<String>::new());
        assert_eq!(segmenter.flush().as_deref(), Some("It costs "));
        assert_eq!(segmenter.flush(), None);
        segmenter.push(".5");
        assert_eq!(segmenter.flush(), None);
        segmenter.push("0 each");
        assert_eq!(segmenter.flush().as_deref(), Some("$3.50 "));
        assert_eq!(segmenter.finish().as_deref(), Some("each"));
    }

    #[test]
    fn what_is_spoken_as_one_waits_for_its_end() {
        let of = |language: &str| {
            let spec = crate::dialogue::DialogueSpec { language: language.into(), ..Default::default() };
            Segmenter::new(&Normaliser::new(&spec))
        };
        for (language, tokens, expected) in [
            (
                "en",
                &["It opens on January 5", ", ", "20", "24, at noon", "."][..],
                &["It opens on January 5, 2024, ", "at noon."][..],
            ),
            ("en", &["Call me at 415 5", "55 0100, please"], &["Call me at 415 555 0100, ", "please"]),
            (
                "de",
                &["Das ist am ", "3", ". ", "Mai", " um 10 Uhr. Gut", "."],
                &["Das ist am 3. Mai um 10 Uhr. ", "Gut."],
            ),
            ("de", &["Es sind 3. ", "Wir ", "gehen."], &["Es sind 3. ", "Wir gehen."]),
            ("de", &["Das geht z.B. ", "bzw. ca. ", "morgen. ", "Ja."], &["Das geht z.B. bzw. ca. morgen. ", "Ja."]),
        ] {
            let mut segmenter = of(language);
            let mut out: Vec<String> = tokens.iter().flat_map(|token| segmenter.push(token)).collect();
            out.extend(segmenter.finish());
            assert_eq!(out, expected, "{tokens:?}");
        }
        let mut segmenter = of("en");
        assert_eq!(segmenter.push("That makes $5 "), Vec::<String>::new());
        assert_eq!(segmenter.flush().as_deref(), Some("That makes "));
        assert_eq!(segmenter.flush(), None, "a million may follow");
        segmenter.push("mil");
        assert_eq!(segmenter.flush(), None);
        segmenter.push("lion in");
        assert_eq!(segmenter.flush().as_deref(), Some("$5 million "));
        assert_eq!(segmenter.finish().as_deref(), Some("in"));
        let mut segmenter = of("en");
        segmenter.push(&"7 ".repeat(30));
        assert!(segmenter.flush().is_some(), "not for ever");
    }

    #[test]
    fn an_answer_that_is_one_number_is_spoken() {
        for size in [1, 5] {
            assert_eq!(segments("42", size), ["42"]);
            assert_eq!(segments("7.", size), ["7."]);
        }
    }

    #[test]
    fn long_sentences_are_cut_at_a_clause_or_a_word() {
        let text = format!("Here we go now, {}and more, {}end.", "word ".repeat(30), "other ".repeat(40));
        let segments = segments(&text, 5);
        assert_eq!(segments.concat(), text);
        assert!(segments.iter().all(|s| s.len() <= 200), "{:?}", segments.iter().map(String::len).collect::<Vec<_>>());
        assert!(segments.iter().any(|s| s.ends_with("and more, ")), "{segments:?}");
    }

    #[test]
    fn text_without_anything_to_speak_gives_nothing() {
        assert_eq!(segments("😀 ** ... ** —", 1), Vec::<String>::new());
        assert_eq!(segments("```\ncode\n```", 1), Vec::<String>::new());
        assert_eq!(segments(&"=".repeat(1_000), 7), Vec::<String>::new());
    }

    #[test]
    fn a_long_run_of_marks_is_left_out_and_what_follows_is_spoken() {
        for size in [1, 50, 2_000] {
            let text = format!("Here is the table. {} That was the table.", "=".repeat(650));
            let segments = segments(&text, size);
            assert_eq!(segments.first().map(String::as_str), Some("Here is the table. "), "tokens of {size}");
            assert!(segments.iter().all(|segment| speaks(segment)), "{segments:?}");
            assert!(segments.concat().ends_with("That was the table."), "{segments:?}");
        }
    }

    #[test]
    fn a_reply_is_bounded() {
        let text = "word ".repeat(10_000);
        assert!(segments(&text, 50).concat().len() <= Segmenter::MAX_REPLY);
        let word = "é".repeat(20_000);
        let segments = segments(&word, 1_000);
        assert!(segments.iter().all(|s| s.len() <= 200));
        assert!(segments.concat().len() <= Segmenter::MAX_REPLY);
    }
}
