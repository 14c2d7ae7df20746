//! Numbers, alone or with a currency, a unit, a percent sign; ranges of them.

use super::grammar::{Currency, Form, Grammar, Scale, Unit};
use super::number::Number;
use super::site::{Found, Site, bare, digits, one_space};

/// What stands behind a number.
enum Behind {
    Nothing,
    Percent,
    Unit(&'static Unit),
}

/// Finds a number with what belongs to it.
pub(super) fn find(site: &Site<'_>) -> Option<Found> {
    let (text, grammar) = (site.rest(), site.grammar);
    let mut len = 0;
    let mut spoken = String::new();
    if let Some(rest) =
        text.strip_prefix(['~', '≈']).filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit() || is_sign(c)))
    {
        len = text.len() - rest.len();
        spoken.push_str(grammar.about);
        spoken.push(' ');
    } else if let Some(rest) = text.strip_prefix('#').filter(|rest| digits(rest) > 0) {
        len = text.len() - rest.len();
        spoken.push_str(grammar.number_sign);
        spoken.push(' ');
        if digits(rest) > 4 {
            return None;
        }
    }
    if let Some(rest) = text
        .get(len..)?
        .strip_prefix(['-', '−'])
        .filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit() || is_sign(c)))
    {
        len = text.len() - rest.len();
        spoken.push_str(grammar.minus);
        spoken.push(' ');
    }
    let currency = currency_at(text.get(len..)?, site);
    if let Some((currency_len, _)) = currency {
        len += currency_len;
        len += one_space(text.get(len..)?);
    }
    let first = Number::read(text.get(len..)?, grammar)?;
    len += first.len;
    let second = range(text.get(len..)?, &first, site);
    let last = second.as_ref().map_or(&first, |(_, last)| last).clone();
    len += second.as_ref().map_or(0, |(len, _)| *len);

    let scale = scale_at(text.get(len..)?, grammar, currency.is_some());
    len += scale.map_or(0, |(len, _)| len);
    let currency = match currency {
        Some((_, currency)) => Some(currency),
        None => {
            let space = one_space(text.get(len..)?);
            let behind = currency_at(text.get(len + space..)?, site);
            len += behind.map_or(0, |(len, _)| space + len);
            behind.map(|(_, currency)| currency)
        }
    };
    let behind = if currency.is_some() { Behind::Nothing } else { behind(text.get(len..)?, grammar, &mut len) };
    if !Site::is_end(text.get(len..)?)
        || (first.width > 1
            && text.starts_with('0')
            && first.whole > 0
            && first.decimals.is_empty()
            && second.is_none())
    {
        return None;
    }
    let is_bare = currency.is_none() && scale.is_none() && matches!(behind, Behind::Nothing);
    if is_bare && second.is_none() {
        if let Some(year) = year(site, &first, text.get(len..)?) {
            let (more, year) = year;
            return Some(Found::one(len + more, year));
        }
        if is_counted(&first, text.get(len..)?, grammar) {
            return None;
        }
    }
    if is_bare && second.is_some() && is_counted(&last, text.get(len..)?, grammar) {
        return None;
    }
    let unit = match &behind {
        Behind::Unit(unit) => Some(*unit),
        _ => currency.map(|currency| &currency.unit),
    };
    let form = unit.filter(|_| scale.is_none()).map_or(Form::Alone, |unit| unit.form);
    let is_years = is_bare && second.is_some() && first.width == 4 && last.width == 4 && !first.is_parted;
    let words = |number: &Number| match scale {
        Some(_) => number.words(Form::Masculine, grammar),
        None if is_years => (grammar.year)(number.whole),
        None => number.words(form, grammar),
    };
    if second.is_some() {
        spoken.push_str(&format!("{} {} ", words(&first), grammar.to));
    }
    spoken.push_str(&amount(
        &last,
        words(&last),
        scale.map(|(_, scale)| scale),
        currency,
        unit,
        second.is_some(),
        grammar,
    ));
    if matches!(behind, Behind::Percent) {
        spoken.push(' ');
        spoken.push_str(grammar.percent);
    }
    Some(Found::one(len, spoken))
}

/// An amount of something.
fn amount(
    number: &Number,
    words: String,
    scale: Option<&Scale>,
    currency: Option<&'static Currency>,
    unit: Option<&Unit>,
    is_range: bool,
    grammar: &Grammar,
) -> String {
    if let Some(scale) = scale {
        let is_one = number.is_one() && !is_range;
        let scaled = match scale.one {
            one @ ("Million" | "Milliarde" | "Billion") if is_one => format!("eine {one}"),
            one => format!("{words} {}", if is_one { one } else { scale.many }),
        };
        // "mil euros", but "un millón de euros".
        let of = match unit {
            _ if scale.one == scale.many && scale.one.starts_with("mil") => "",
            Some(unit) if grammar.tag == "fr" && unit.many.starts_with("euro") => "d'",
            _ => grammar.of,
        };
        return unit.map_or(scaled.clone(), |unit| format!("{scaled} {of}{}", unit.many));
    }
    if let Some(currency) = currency
        && number.decimals.len() == 2
        && !is_range
    {
        let cents: u64 = number.decimals.parse().unwrap_or_default();
        let noun = if number.whole == 1 {
            currency.unit.one.to_owned()
        } else {
            noun_of(number.whole, &currency.unit, grammar)
        };
        let whole = format!("{} {noun}", (grammar.cardinal)(number.whole, currency.unit.form));
        return match (number.whole, cents) {
            (_, 0) => whole,
            (0, cents) => {
                let noun = if cents == 1 { currency.cent.one } else { currency.cent.many };
                format!("{} {noun}", (grammar.cardinal)(cents, currency.cent.form))
            }
            (_, cents) => (grammar.with_cents)(&whole, cents, currency),
        };
    }
    match unit {
        Some(unit) if number.is_one() && !is_range => elided(&words, unit.one),
        Some(unit) if number.decimals.is_empty() => format!("{words} {}", noun_of(number.whole, unit, grammar)),
        Some(unit) => format!("{words} {}", unit.many),
        None => words,
    }
}

/// One of something: in Italian "una" loses its vowel before another.
fn elided(words: &str, noun: &str) -> String {
    match words.strip_suffix("una") {
        Some(head) if noun == "ora" => format!("{head}un'{noun}"),
        _ => format!("{words} {noun}"),
    }
}

/// "de" stands before what round millions count.
fn noun_of(number: u64, unit: &Unit, grammar: &Grammar) -> String {
    let of = if number >= 1_000_000 && number.is_multiple_of(1_000_000) { grammar.of } else { "" };
    format!("{of}{}", unit.many)
}

/// Whether a noun behind a number decides on its form.
fn is_counted(number: &Number, rest: &str, grammar: &Grammar) -> bool {
    if !number.decimals.is_empty() || !(grammar.needs_noun)(number.whole) {
        return false;
    }
    let Some(behind) = rest.strip_prefix([' ', '\u{a0}', '-']) else { return false };
    let word = bare(behind.split(char::is_whitespace).next().unwrap_or_default());
    word.starts_with(char::is_alphabetic) && !grammar.no_nouns.contains(&word.as_str())
}

/// A number of four digits that the words before it make a year, or a decade, and how much longer that is.
fn year(site: &Site<'_>, number: &Number, rest: &str) -> Option<(usize, String)> {
    let is_year =
        number.width == 4 && !number.is_parted && number.decimals.is_empty() && (1_100..2_100).contains(&number.whole);
    if !is_year {
        return None;
    }
    let last = site.last();
    let grammar = site.grammar;
    let is_named = grammar.year_words.contains(&last.as_str()) || grammar.month_of(&last).is_some();
    let is_end = rest.trim_start_matches([',', '.', '!', '?', ')', ';', ':']).is_empty();
    // Years of this and the last century that nothing is counted with.
    let is_recent = (1_900..2_100).contains(&number.whole) && (is_end || rest.starts_with([',', '.', ')']));
    (is_named || is_recent).then(|| (0, (grammar.year)(number.whole)))
}

/// The other end of a range, and how much longer it makes the number.
fn range(text: &str, first: &Number, site: &Site<'_>) -> Option<(usize, Number)> {
    let sign = text.chars().next().filter(|c| matches!(c, '-' | '–'))?;
    let behind = text.get(sign.len_utf8()..)?;
    let skipped = currency_at(behind, site).map_or(0, |(len, _)| len);
    let second = Number::read(behind.get(skipped..)?, site.grammar)?;
    let is_small = first.width <= 4 && second.width <= 4 || first.is_parted || second.is_parted;
    let is_code = behind.get(skipped..)?.starts_with('0') && second.width > 1 && second.decimals.is_empty();
    let grows =
        (first.whole, &first.decimals) < (second.whole, &second.decimals) || (first.whole <= 12 && second.whole <= 12);
    (is_small && !is_code && (grows || sign == '–')).then(|| (sign.len_utf8() + skipped + second.len, second))
}

/// The large number's word that a text begins with. Behind money letters will do: "$5M".
fn scale_at(text: &str, grammar: &Grammar, is_money: bool) -> Option<(usize, &'static Scale)> {
    let space = one_space(text);
    let rest = text.get(space..)?;
    let letters = grammar.scales.iter().flat_map(|scale| scale.signs.iter().map(move |sign| (*sign, scale)));
    letters
        .filter(|(sign, _)| {
            (is_money && space == 0) || sign.len() > 1 || rest.get(sign.len()..).is_some_and(|r| r.starts_with(is_sign))
        })
        .filter(|(sign, _)| space > 0 || sign.len() <= 2)
        .filter(|(sign, _)| {
            rest.starts_with(sign) && !rest.get(sign.len()..).is_some_and(|r| r.starts_with(char::is_alphanumeric))
        })
        .max_by_key(|(sign, _)| sign.len())
        .map(|(sign, scale)| (space + sign.len(), scale))
}

/// The currency whose sign a text begins with.
fn currency_at(text: &str, site: &Site<'_>) -> Option<(usize, &'static Currency)> {
    let signs =
        site.grammar.currencies.iter().flat_map(|currency| currency.unit.signs.iter().map(move |s| (*s, currency)));
    let is_at = |sign: &str| {
        let is_code = sign.ends_with(|c: char| c.is_alphabetic());
        text.starts_with(sign)
            && !(is_code && text.get(sign.len()..).is_some_and(|rest| rest.starts_with(char::is_alphabetic)))
    };
    let (sign, currency) = signs.filter(|(sign, _)| is_at(sign)).max_by_key(|(sign, _)| sign.len())?;
    // A bare "$" is the peso where that is the money.
    let is_peso = sign == "$" && matches!(site.region, "MX" | "CO" | "CL" | "AR" | "UY");
    let peso = || site.grammar.currencies.iter().find(|currency| currency.unit.signs.contains(&"MXN"));
    Some((sign.len(), if is_peso { peso().unwrap_or(currency) } else { currency }))
}

fn is_sign(c: char) -> bool {
    matches!(c, '$' | '€' | '£' | '¥')
}

/// The unit or percent sign behind a number; `len` grows by it.
fn behind(text: &str, grammar: &Grammar, len: &mut usize) -> Behind {
    let space = one_space(text);
    let Some(rest) = text.get(space..) else { return Behind::Nothing };
    if rest.starts_with('%') {
        *len += space + 1;
        return Behind::Percent;
    }
    let signs = grammar.units.iter().flat_map(|unit| unit.signs.iter().map(move |sign| (*sign, unit)));
    let fits = |sign: &str| {
        rest.starts_with(sign)
            && !rest
                .get(sign.len()..)
                .is_some_and(|r| r.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '\'' | '’' | '/')))
    };
    let Some((sign, unit)) = signs.filter(|(sign, _)| fits(sign)).max_by_key(|(sign, _)| sign.len()) else {
        return Behind::Nothing;
    };
    *len += space + sign.len();
    Behind::Unit(unit)
}
