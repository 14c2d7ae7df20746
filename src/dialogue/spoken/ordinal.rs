//! Ordinals: "3rd", "1.º", "2e", "am 3. Mai".

use super::site::{Found, Site, digits, one_space};

/// Finds an ordinal.
pub(super) fn find(site: &Site<'_>) -> Option<Found> {
    let text = site.rest();
    let count = Some(digits(text)).filter(|count| (1..=4).contains(count))?;
    let number: u64 = text.get(..count)?.parse().ok()?;
    let rest = text.get(count..)?;
    if site.grammar.stop_orders && rest.starts_with('.') {
        return by_stop(site, number, count);
    }
    let mark =
        site.grammar.ordinal_marks.iter().filter(|mark| rest.starts_with(**mark)).max_by_key(|mark| mark.len())?;
    let len = count + mark.len();
    if !Site::is_end(text.get(len..)?) {
        return None;
    }
    Some(Found::one(len, (site.grammar.ordinal)(number, mark, &site.last())?))
}

/// A number with a full stop that is no end of a sentence.
fn by_stop(site: &Site<'_>, number: u64, count: usize) -> Option<Found> {
    let behind = site.rest().get(count + 1..)?;
    let space = one_space(behind);
    let word = behind.get(space..)?.split(char::is_whitespace).next().unwrap_or_default();
    if space == 0 || !word.starts_with(char::is_alphabetic) || site.before().next().is_none() {
        return None;
    }
    let spoken = (site.grammar.ordinal)(number, ".", &site.last())?;
    Some(Found::one(count + 1, spoken))
}
