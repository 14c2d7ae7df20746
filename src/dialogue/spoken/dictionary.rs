//! The agent's own pronunciations.

use std::collections::BTreeMap;

use super::site::Found;

/// A word, or some, that the voice is to say otherwise than it is written.
///
/// Whole words only. One that is written without capitals stands for every spelling of it; one with capitals only for
/// itself. The longest that fits holds.
#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
pub struct Pronunciation {
    /// As the model writes it.
    pub written: String,
    /// As the voice is given it.
    pub spoken: String,
}

/// All of them, by their first word in lower case.
#[derive(Clone, Debug, Default)]
pub(super) struct Dictionary {
    entries: BTreeMap<String, Vec<Pronunciation>>,
}

impl Dictionary {
    /// The most entries; later ones are not looked at.
    const MOST: usize = 1_000;

    pub(super) fn new(pronunciations: &[Pronunciation]) -> Self {
        let mut entries: BTreeMap<String, Vec<Pronunciation>> = BTreeMap::new();
        for Pronunciation { written, spoken } in pronunciations.iter().take(Self::MOST) {
            let (written, spoken) = (written.trim(), spoken.trim());
            if written.contains(char::is_alphanumeric) && spoken.contains(char::is_alphanumeric) {
                let entry = Pronunciation { written: written.to_owned(), spoken: spoken.to_owned() };
                entries.entry(first_word(written)).or_default().push(entry);
            }
        }
        for same in entries.values_mut() {
            same.sort_by_key(|entry| std::cmp::Reverse(entry.written.len()));
        }
        Self { entries }
    }

    /// The entry that a text begins with.
    pub(super) fn find(&self, text: &str) -> Option<Found> {
        if self.entries.is_empty() {
            return None;
        }
        self.entries.get(&first_word(text))?.iter().find_map(|entry| {
            let len = entry.len_in(text)?;
            let goes_on = text.get(len..).is_some_and(|rest| rest.starts_with(char::is_alphanumeric));
            (!goes_on).then(|| Found::one(len, entry.spoken.clone()))
        })
    }
}

impl Pronunciation {
    /// How long it is in a text that begins with it.
    fn len_in(&self, text: &str) -> Option<usize> {
        if self.written.contains(char::is_uppercase) {
            return text.starts_with(&self.written).then_some(self.written.len());
        }
        let mut rest = text.char_indices();
        for wanted in self.written.chars() {
            let (_, c) = rest.next()?;
            if c != wanted && !c.to_lowercase().eq(std::iter::once(wanted)) {
                return None;
            }
        }
        Some(rest.next().map_or(text.len(), |(at, _)| at))
    }
}

/// The letters and digits a text begins with, in lower case; of one that begins otherwise, its first character.
fn first_word(text: &str) -> String {
    let end = text.find(|c: char| !c.is_alphanumeric()).unwrap_or(text.len());
    let end = if end == 0 { text.chars().next().map_or(0, char::len_utf8) } else { end };
    text.get(..end).unwrap_or_default().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words_are_replaced_and_capitals_mean_what_they_say() {
        let entry = |written: &str, spoken: &str| Pronunciation { written: written.into(), spoken: spoken.into() };
        let dictionary = Dictionary::new(&[
            entry("acme", "ack mee"),
            entry("acme corp", "the company"),
            entry("SQL", "sequel"),
            entry("ångström", "angstrom"),
            entry("C++", "see plus plus"),
            entry(".NET", "dot net"),
            entry("", "nothing"),
            entry("silent", " "),
        ]);
        for (text, spoken) in [
            ("acme is", Some("ack mee")),
            ("Acme, yes", Some("ack mee")),
            ("ACME", Some("ack mee")),
            ("Acme Corp.", Some("the company")),
            ("acme corporation", Some("ack mee")),
            ("acmes", None),
            ("SQL", Some("sequel")),
            ("sql", None),
            ("Sql", None),
            ("ÅNGSTRÖM!", Some("angstrom")),
            ("C++ is", Some("see plus plus")),
            (".NET", Some("dot net")),
            ("silent", None),
            ("", None),
        ] {
            let found = dictionary.find(text).and_then(|found| found.parts.into_iter().next());
            assert_eq!(found.and_then(|(_, spoken)| spoken).as_deref(), spoken, "{text:?}");
        }
    }

    #[test]
    fn a_dictionary_is_bounded() {
        let many: Vec<_> =
            (0..5_000).map(|i| Pronunciation { written: format!("word{i}"), spoken: "word".into() }).collect();
        let dictionary = Dictionary::new(&many);
        assert!(dictionary.find("word999").is_some());
        assert!(dictionary.find("word1000").is_none());
    }
}
