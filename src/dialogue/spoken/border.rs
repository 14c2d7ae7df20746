//! Where a text may be cut while more of it is to come.

use super::grammar::{Grammar, When};
use super::site::digits;

/// The most words that wait for what follows them.
const MOST_HELD: usize = 6;

/// Whether a cut would part what is spoken as one: "$5| million", "January 5,| 2024", "am 3.| Mai". What has not come yet
/// counts as the worst of what may come.
pub(in crate::dialogue) fn parts(before: &str, after: &str, grammar: Option<&'static Grammar>) -> bool {
    let before = before.trim_end();
    let next = after.trim_start();
    let (word, next) = (last_word(before), next.split(char::is_whitespace).next().unwrap_or_default());
    let is_whole = after.trim_start().len() > next.len();
    let may_be_digit = next.is_empty() || next.starts_with(|c: char| c.is_ascii_digit() || "$€£¥%°(".contains(c));
    if let Some(head) = word.strip_suffix(',') {
        // The year behind a day.
        return may_be_digit && ends_in_digit(head) && names_month(before, head, grammar);
    }
    if let Some(head) =
        word.strip_suffix('.').filter(|head| (1..=2).contains(&head.len()) && digits(head) == head.len())
    {
        return orders(before, head, next, is_whole, grammar);
    }
    if ends_in_digit(word) || word.ends_with(['$', '€', '£', '+', ')']) && word.contains(|c: char| c.is_ascii_digit())
    {
        return may_be_digit || grammar.is_some_and(|grammar| goes_on(next, is_whole, grammar));
    }
    if word.ends_with(['$', '€', '£', '+', '#', '~']) {
        return may_be_digit;
    }
    grammar.is_some_and(|grammar| {
        let leads = |when: &When| matches!(when, When::BeforeName | When::BeforeDigit);
        let is_short = grammar.abbreviations.iter().any(|(written, _, when)| *written == word && leads(when));
        // "May I" and "you may" are the same word in small.
        let is_name = grammar.tag != "en" || word.starts_with(char::is_uppercase);
        (is_short && next.is_empty()) || (is_name && grammar.month_of(word).is_some() && may_be_digit)
    })
}

/// A place at or before `at`, a beginning of a word, where a text may be cut; `at` itself when none is near.
pub(in crate::dialogue) fn before(text: &str, at: usize, grammar: Option<&'static Grammar>) -> usize {
    let mut place = at;
    for _ in 0..MOST_HELD {
        let (Some(head), Some(rest)) = (text.get(..place), text.get(place..)) else { return at };
        if !parts(head, rest, grammar) {
            return place;
        }
        let Some(space) = head.trim_end().rfind(' ') else { return 0 };
        place = space + 1;
    }
    at
}

/// Whether a full stop behind a word ends no sentence, by the abbreviations of a language.
pub(in crate::dialogue) fn abbreviates(word: &str, grammar: Option<&'static Grammar>) -> bool {
    const LAST: [&str; 4] = ["etc.", "usw.", "ecc.", "Uds."];
    let is_it = |(written, _, when): &&(&str, &str, When)| {
        let is_leading = !matches!(when, When::BehindName | When::BehindDigit) && !LAST.contains(written);
        is_leading && written.strip_suffix('.').is_some_and(|written| written.eq_ignore_ascii_case(word))
    };
    grammar.is_some_and(|grammar| grammar.abbreviations.iter().find(is_it).is_some())
}

fn last_word(text: &str) -> &str {
    text.rsplit(char::is_whitespace).next().unwrap_or_default()
}

fn ends_in_digit(word: &str) -> bool {
    word.ends_with(|c: char| c.is_ascii_digit())
}

/// Whether the word before a day is a month: "January 5,".
fn names_month(before: &str, day: &str, grammar: Option<&'static Grammar>) -> bool {
    let behind = before.len().checked_sub(day.len() + 1);
    let month = behind.and_then(|at| before.get(..at)).map(|head| last_word(head.trim_end())).unwrap_or_default();
    grammar.is_some_and(|grammar| grammar.month_of(month).is_some())
}

/// Whether "3." is an ordinal.
fn orders(before: &str, head: &str, next: &str, is_whole: bool, grammar: Option<&'static Grammar>) -> bool {
    let Some(grammar) = grammar.filter(|grammar| grammar.stop_orders) else { return false };
    let ahead = before.get(..before.len().saturating_sub(head.len() + 1)).unwrap_or_default();
    let lead = super::site::bare(last_word(ahead.trim_end()));
    let is_led = head.parse().is_ok_and(|number| (grammar.ordinal)(number, ".", &lead).is_some());
    is_led || next.is_empty() || !is_whole || grammar.month_of(next.trim_end_matches([',', '.', '!', '?'])).is_some()
}

/// Whether a word, or what there is of it, goes on with the number before it: "million", "p.m.", "km", "Mai".
fn goes_on(next: &str, is_whole: bool, grammar: &Grammar) -> bool {
    const HALVES: [&str; 4] = ["am", "pm", "a.m.", "p.m."];
    let word = next.trim_end_matches([',', ';', '!', '?', ')']);
    let signs = grammar.scales.iter().flat_map(|scale| scale.signs.iter());
    let signs = signs.chain(grammar.units.iter().flat_map(|unit| unit.signs.iter()));
    let signs = signs.chain(grammar.currencies.iter().flat_map(|currency| currency.unit.signs.iter()));
    let words = signs.chain(grammar.clock_words).chain(&HALVES).chain(&grammar.months).chain(&grammar.short_months);
    let of = ["of", "de"];
    let fits = |known: &str| {
        let word = word.strip_suffix('.').unwrap_or(word);
        known == word || known == next || (!is_whole && known.to_lowercase().starts_with(&word.to_lowercase()))
    };
    words.chain(&of).any(|known| fits(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spoken_as_one_is_not_parted() {
        for (tag, before, after, expected) in [
            ("en", "It costs $5 ", "", true),
            ("en", "It costs $5 ", "m", true),
            ("en", "It costs $5 ", "million now", true),
            ("en", "It costs $5 ", "mine", false),
            ("en", "It costs $5 ", "min now", true),
            ("en", "It costs $5 ", "each", false),
            ("en", "It costs ", "$5", false),
            ("en", "Call 415 ", "555", true),
            ("en", "at 3 ", "p", true),
            ("en", "at 3 ", "o'clock ", false),
            ("en", "on January ", "5", true),
            ("en", "on January ", "we", false),
            ("en", "and you may ", "", false),
            ("en", "on January 5, ", "", true),
            ("en", "on January 5, ", "20", true),
            ("en", "on January 5, ", "we", false),
            ("en", "we take 5, ", "6", false),
            ("en", "This is No. ", "", true),
            ("en", "There are 3. ", "", false),
            ("de", "am 3. ", "", true),
            ("de", "am 3. ", "Tag ist", true),
            ("de", "es sind 3. ", "Wi", true),
            ("de", "es sind 3. ", "Wir gehen", false),
            ("de", "Montag, 3. ", "Mai um", true),
            ("ja", "a 5 ", "", true),
            ("ja", "a 5 ", "x", false),
            ("ja", "a b ", "5", false),
        ] {
            assert_eq!(parts(before, after, Grammar::of(tag)), expected, "{before:?} | {after:?} in {tag}");
        }
    }

    #[test]
    fn a_cut_goes_back_before_what_belongs_together_but_not_far() {
        let english = Grammar::of("en");
        for (text, at, expected) in [
            ("Please call 415 555 0", 20, 12),
            ("It costs $5 ", 12, 9),
            ("It costs five ", 14, 14),
            ("415 555 ", 8, 0),
            ("a 1 2 3 4 5 6 7 8 9 ", 20, 20),
        ] {
            assert_eq!(before(text, at, english), expected, "{text:?}");
        }
    }
}
