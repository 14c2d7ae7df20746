//! What holds for any text.

use proptest::prelude::*;

use super::{Normalise, normaliser};

const LANGUAGES: [&str; 6] = ["en-US", "de", "es-MX", "fr", "it", "pt-BR"];

/// Texts that look like what is put into words.
fn text() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        "[0-9]{1,16}",
        "[$€£#~+-]?[0-9]{1,4}([.,:/-][0-9]{1,4}){0,4}(%|km|°C|€|er|th|º|h)?",
        "[A-Z0-9-]{1,8}",
        "[a-z]{1,5}[.@]?[a-z]{2,3}",
        "(Dr|St|Nr|etc|M|a\\.m|am|le|January|Mai|de|Uhr|h|pm|million|½)\\.?",
        ".{0,3}",
    ];
    prop::collection::vec(word, 0..8).prop_map(|words| words.join(" "))
}

proptest! {
    #[test]
    fn any_text_is_put_into_words_and_stays_what_was_written(text in text(), language in 0..6_usize) {
        let wording = normaliser(LANGUAGES[language], Normalise::Full).put(&text);
        prop_assert_eq!(wording.written(), text.as_str());
        // The most a character grows by is a digit's longest word with its separator.
        prop_assert!(wording.spoken().len() <= 48 * text.len().max(1), "{:?}", wording);
        prop_assert_eq!(
            wording.spoken().contains(char::is_alphanumeric), text.contains(char::is_alphanumeric) || wording.spoken() != text
        );
    }

    #[test]
    fn whole_numbers_have_words_in_every_language(number in 0..1_000_000_000_000_000_u64) {
        for language in LANGUAGES {
            let grammar = super::super::grammar::Grammar::of(language).expect("a known language");
            let words = (grammar.cardinal)(number, super::super::grammar::Form::Alone);
            prop_assert!(!words.is_empty() && !words.contains("  ") && words.trim() == words, "{:?}", words);
            prop_assert!(!words.contains(|c: char| c.is_ascii_digit()), "{:?}", words);
        }
    }
}

#[test]
fn no_two_numbers_have_the_same_words() {
    for language in LANGUAGES {
        let grammar = super::super::grammar::Grammar::of(language).expect("a known language");
        let mut all: Vec<String> =
            (0..20_000).map(|number| (grammar.cardinal)(number, super::super::grammar::Form::Alone)).collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 20_000, "{language}");
    }
}
