//! Fractions: "1/2", "2 1/2", "¾".

use super::number::Number;
use super::site::{Found, Site, digits};

const SIGNS: [(char, u64, u64); 9] = [
    ('½', 1, 2),
    ('⅓', 1, 3),
    ('⅔', 2, 3),
    ('¼', 1, 4),
    ('¾', 3, 4),
    ('⅕', 1, 5),
    ('⅛', 1, 8),
    ('⅜', 3, 8),
    ('⅝', 5, 8),
];

/// Finds a fraction, with the whole number before it.
pub(super) fn find(site: &Site<'_>) -> Option<Found> {
    let (text, grammar) = (site.rest(), site.grammar);
    let (part_len, top, below) = match part(text) {
        Some(part) => part,
        None => {
            let whole = Number::read(text, grammar).filter(|whole| whole.decimals.is_empty() && whole.whole < 1_000)?;
            let rest = text.get(whole.len..)?;
            let space = usize::from(rest.starts_with([' ', '-']));
            let (len, top, below) = part(rest.get(space..)?)?;
            if (space == 0 && digits(rest) > 0) || !Site::is_end(rest.get(space + len..)?) {
                return None;
            }
            let words = whole.words(super::grammar::Form::Alone, grammar);
            let spoken = format!("{words} {} {}", grammar.and, (grammar.fraction)(top, below)?);
            return Some(Found::one(whole.len + space + len, spoken));
        }
    };
    Site::is_end(text.get(part_len..)?).then_some(())?;
    Some(Found::one(part_len, (grammar.fraction)(top, below)?))
}

/// The fraction that a text begins with. Of those with a slash only what is hardly a date: halves to tenths below one.
fn part(text: &str) -> Option<(usize, u64, u64)> {
    let first = text.chars().next()?;
    if let Some((sign, top, below)) = SIGNS.into_iter().find(|(sign, ..)| *sign == first) {
        return Some((sign.len_utf8(), top, below));
    }
    let above = Some(digits(text)).filter(|len| *len == 1)?;
    let behind = text.get(above..)?.strip_prefix(['/', '⁄'])?;
    let count = Some(digits(behind)).filter(|count| (1..=2).contains(count))?;
    let (top, below) = (text.get(..above)?.parse().ok()?, behind.get(..count)?.parse().ok()?);
    let is_usual = top > 0 && top < below && matches!(below, 2 | 3 | 4 | 5 | 8 | 10);
    is_usual.then_some((text.len() - behind.len() + count, top, below))
}
