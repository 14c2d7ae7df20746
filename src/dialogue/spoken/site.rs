//! A place in a text where a word begins, and what is found there.

use super::grammar::Grammar;

/// A place in a segment where a word begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    pub(super) grammar: &'static Grammar,
    /// The region of the call's language, in upper case: "GB".
    pub(super) region: &'a str,
}

/// What is put into words: lengths of the written parts in bytes and how they are spoken; `None`: as they are written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Found {
    pub(super) parts: Vec<(usize, Option<String>)>,
}

impl Found {
    /// One part of this length.
    pub(super) fn one(len: usize, spoken: String) -> Self {
        Self { parts: vec![(len, Some(spoken))] }
    }

    /// How long it is as written.
    pub(super) fn len(&self) -> usize {
        self.parts.iter().map(|(len, _)| len).sum()
    }
}

impl<'a> Site<'a> {
    /// Whether a word begins at a place of a text.
    pub(super) fn is_word_start(text: &str, at: usize) -> bool {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        before.is_none_or(|c| {
            c.is_whitespace() || matches!(c, '(' | '[' | '"' | '“' | '„' | '‘' | '\'' | '«' | '¿' | '¡' | '—')
        }) && text.get(at..).is_some_and(|rest| !rest.starts_with(char::is_whitespace))
    }

    /// The text from here on.
    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The word at this place, up to white space, without the marks that close a sentence or a bracket.
    pub(super) fn word(&self) -> &'a str {
        let word = self.rest().split(char::is_whitespace).next().unwrap_or_default();
        word.trim_end_matches(['.', ',', '!', '?', ';', ':', ')', ']', '"', '”', '“', '’', '\'', '»', '…', '—'])
    }

    /// The words before, the nearest first, in lower case and without marks.
    pub(super) fn before(&self) -> impl Iterator<Item = String> + use<'a> {
        let before = self.text.get(..self.at).unwrap_or_default();
        before.split_whitespace().rev().map(bare)
    }

    /// The nearest word before.
    pub(super) fn last(&self) -> String {
        self.before().next().unwrap_or_default()
    }

    /// Whether a part that ends at the beginning of `rest` is whole: no word, number or code goes on.
    pub(super) fn is_end(rest: &str) -> bool {
        let mut after = rest.chars();
        let Some(first) = after.next() else { return true };
        let second = after.next();
        let is_digit = second.is_some_and(|c| c.is_ascii_digit());
        match first {
            c if c.is_alphanumeric() => false,
            '.' | ':' | '@' | '_' => !second.is_some_and(char::is_alphanumeric),
            ',' | '-' | '–' | '/' | '\'' | '’' | '+' | '#' => !is_digit,
            '%' | '°' | '€' | '$' | '£' => false,
            _ => true,
        }
    }
}

/// A word in lower case without the marks around it.
pub(super) fn bare(word: &str) -> String {
    word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase()
}

/// How long the spaces at the beginning of a text are that may stand inside of a quantity: none or one.
pub(super) fn one_space(text: &str) -> usize {
    text.chars().next().filter(|c| matches!(c, ' ' | '\u{a0}' | '\u{202f}')).map_or(0, char::len_utf8)
}

/// How many digits a text begins with.
pub(super) fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}
