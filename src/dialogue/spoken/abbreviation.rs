//! Abbreviations, and signs that stand for words.

use super::grammar::When;
use super::site::{Found, Site};

/// Finds an abbreviation or a sign.
pub(super) fn find(site: &Site<'_>) -> Option<Found> {
    sign(site).or_else(|| abbreviation(site))
}

/// A sign between spaces: "you & me", "2 + 2", "~ 5".
fn sign(site: &Site<'_>) -> Option<Found> {
    let text = site.rest();
    let (sign, spoken) = site.grammar.signs.iter().find(|(sign, _)| text.starts_with(sign))?;
    let behind = text.get(sign.len()..)?;
    let is_between = site.at > 0 && (behind.starts_with(' ') || behind.starts_with(|c: char| c.is_ascii_digit()));
    is_between.then(|| {
        let space = if behind.starts_with(' ') { "" } else { " " };
        Found::one(sign.len(), format!("{spoken}{space}"))
    })
}

fn abbreviation(site: &Site<'_>) -> Option<Found> {
    let text = site.rest();
    let fits = |entry: &&&(&str, &str, When)| {
        let (written, _, when) = ***entry;
        let is_it = text.get(..written.len()).is_some_and(|head| is_same(head, written));
        let behind = text.get(written.len()..).unwrap_or_default();
        is_it && !behind.starts_with(char::is_alphanumeric) && holds(site, when, behind)
    };
    let (written, spoken, _) =
        site.grammar.abbreviations.iter().filter(|e| fits(&e)).max_by_key(|(written, ..)| written.len())?;
    let behind = text.get(written.len()..)?;
    // A full stop that ends the sentence as well stays.
    let ends = written.ends_with('.') && !spoken.ends_with('.') && ends_sentence(behind, site, written);
    Some(Found::one(written.len() - usize::from(ends), (*spoken).to_owned()))
}

/// Whether a text is an abbreviation, at the beginning of a sentence too.
fn is_same(text: &str, written: &str) -> bool {
    let mut own = text.chars();
    let mut other = written.chars();
    match (own.next(), other.next()) {
        (Some(a), Some(b)) => (a == b || a.to_lowercase().eq(std::iter::once(b))) && own.eq(other),
        _ => false,
    }
}

fn holds(site: &Site<'_>, when: When, behind: &str) -> bool {
    let next = behind.trim_start();
    let has_space = behind.starts_with([' ', '\u{a0}']);
    let before = site.text.get(..site.at).unwrap_or_default().trim_end();
    let last = before.split_whitespace().next_back().unwrap_or_default();
    match when {
        When::Always => true,
        When::BeforeName => has_space && next.starts_with(char::is_uppercase),
        When::BehindName => {
            last.starts_with(|c: char| c.is_uppercase() || c.is_ascii_digit())
                && !(last.ends_with(['.', ',', '!', '?']))
        }
        When::BeforeDigit => next.starts_with(|c: char| c.is_ascii_digit()),
        When::BehindDigit => last.ends_with(|c: char| c.is_ascii_digit()),
    }
}

/// Whether the sentence is over behind an abbreviation. Names follow those that stand before names.
fn ends_sentence(behind: &str, site: &Site<'_>, written: &str) -> bool {
    let next = behind.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '”' | ')' | '’'));
    let is_title = site
        .grammar
        .abbreviations
        .iter()
        .any(|(known, _, when)| known == &written && matches!(when, When::BeforeName | When::BeforeDigit));
    next.is_empty() || (!is_title && next.starts_with(char::is_uppercase))
}
