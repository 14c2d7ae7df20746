//! Digits that are no quantity: telephone numbers, versions, addresses of machines, order numbers.

use super::grammar::{Form, Grammar};
use super::site::{Found, Site, digits};

/// Finds a telephone number: "+49 30 1234567", "(415) 555-0100", "06 12 34 56 78".
pub(super) fn telephone(site: &Site<'_>) -> Option<Found> {
    // The bracket before the area code is no part of the word.
    let opens = site.text.get(..site.at).is_some_and(|before| before.ends_with('('));
    let text = site.rest();
    let groups = groups(text, opens)?;
    let has_plus = text.starts_with('+');
    let count: usize = groups.iter().map(|group| group.digits.len()).sum();
    let sizes: Vec<usize> = groups.iter().map(|group| group.digits.len()).collect();
    let has_zero = groups.first().is_some_and(|group| group.digits.starts_with('0'));
    let is_one = groups.len() == 1;
    let is_number = match sizes.as_slice() {
        _ if has_plus => (8..=15).contains(&count),
        [3, 3, 4] | [1, 3, 3, 4] => true,
        // "555-0100"; with a space only where it begins with no thousands.
        [3, 4] => text.get(3..)?.starts_with('-'),
        _ if has_zero && !is_one => (7..=13).contains(&count) && !text.contains('/'),
        [3, 3, 3] | [3, 2, 2, 2] => site.grammar.tag == "es" && text.starts_with(['6', '7', '8', '9']),
        [2, 2, 2, 2, 2] => true,
        [2, 4 | 5, 4] => site.grammar.tag == "pt",
        _ => false,
    };
    let len: usize = groups.iter().map(|group| group.len).sum();
    if !is_number || !Site::is_end(text.get(len..)?) {
        return None;
    }
    let last = groups.len() - 1;
    let part = |(at, group): (usize, Group)| {
        let mut spoken = if at == 0 && has_plus { format!("{} ", site.grammar.plus) } else { String::new() };
        spoken.push_str(&say_group(&group.digits, site.grammar));
        if at < last {
            spoken.push(',');
            if !group.spaced {
                spoken.push(' ');
            }
        }
        // A space behind the group stays outside of what is replaced, so that a cut may fall there.
        let gap = usize::from(group.spaced);
        [(group.len - gap, Some(spoken)), (gap, None)]
    };
    Some(Found { parts: groups.into_iter().enumerate().flat_map(part).filter(|(len, _)| *len > 0).collect() })
}

/// Digits between two separators.
struct Group {
    digits: String,
    /// With the separator behind it.
    len: usize,
    /// Whether that ends in a space.
    spaced: bool,
}

/// The groups of digits a text begins with, at most eight.
fn groups(text: &str, opens: bool) -> Option<Vec<Group>> {
    let mut groups = Vec::new();
    let mut at = usize::from(text.starts_with('+'));
    let mut from = 0;
    let mut is_open = opens;
    loop {
        if text.get(at..)?.starts_with('(') && !is_open {
            (at, is_open) = (at + 1, true);
        }
        let count = digits(text.get(at..)?);
        let group = text.get(at..at + count).filter(|group| !group.is_empty())?.to_owned();
        at += count;
        if is_open && text.get(at..)?.starts_with(')') {
            (at, is_open) = (at + 1, false);
        }
        let rest = text.get(at..)?;
        let sign = rest.chars().next().filter(|c| matches!(c, ' ' | '-' | '.' | '/' | '\u{a0}'));
        let behind = sign.and_then(|sign| rest.get(sign.len_utf8()..));
        let goes_on = behind.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit() || c == '('));
        let gap = sign.filter(|_| goes_on).map_or(0, char::len_utf8);
        at += gap;
        groups.push(Group { digits: group, len: at - from, spaced: gap == 1 && sign == Some(' ') });
        from = at;
        if gap == 0 || groups.len() == 8 {
            return Some(groups);
        }
    }
}

fn say_group(group: &str, grammar: &Grammar) -> String {
    match group.parse::<u64>() {
        Ok(pair) if grammar.pairs && group.len() == 2 && pair >= 10 => (grammar.cardinal)(pair, Form::Alone),
        _ => spell(group, grammar),
    }
}

/// Digits one by one, in groups one can follow.
fn spell(digits: &str, grammar: &Grammar) -> String {
    let mut groups = Vec::new();
    let mut rest = digits;
    while !rest.is_empty() {
        let size = match rest.len() {
            left @ ..=4 => left,
            left if left.is_multiple_of(4) && !left.is_multiple_of(3) => 4,
            _ => 3,
        };
        let (group, behind) = rest.split_at(size);
        groups.push(grammar.spell(group));
        rest = behind;
    }
    groups.join(", ")
}

/// Finds versions and addresses of machines: "2.1.0", "v1.2", "192.168.0.1".
pub(super) fn dotted(site: &Site<'_>) -> Option<Found> {
    let (word, grammar) = (site.word(), site.grammar);
    let (lead, numbers) = match word.strip_prefix(['v', 'V']) {
        Some(rest) => ("version ", rest),
        None => ("", word),
    };
    let parts: Vec<&str> = numbers.split('.').collect();
    let is_plain = parts.iter().all(|part| (1..=5).contains(&part.len()) && digits(part) == part.len());
    let is_machine = parts.len() == 4 && parts.iter().all(|part| part.parse::<u64>().is_ok_and(|part| part < 256));
    // Three parts of three digits are a large number.
    let is_large = parts.len() > 1 && parts.iter().skip(1).all(|part| part.len() == 3) && grammar.decimal_sign == ',';
    let is_enough = if lead.is_empty() { parts.len() >= 3 } else { parts.len() >= 2 };
    if !is_plain || !is_enough || (is_large && lead.is_empty()) || parts.len() > 6 {
        return None;
    }
    let is_long = is_machine && parts.iter().any(|part| part.len() > 1);
    let say = |part: &&str| match part.parse() {
        Ok(number) if !(is_long || part.len() > 1 && part.starts_with('0')) => (grammar.cardinal)(number, Form::Alone),
        _ => grammar.spell(part),
    };
    let words: Vec<String> = parts.iter().map(say).collect();
    let sign = if is_long || grammar.tag != "en" { grammar.dot } else { grammar.point };
    Some(Found::one(word.len(), format!("{lead}{}", words.join(&format!(" {sign} ")))))
}

/// Finds order numbers and the like: "#1234567", "AB-1234", "00420", "account 12345".
pub(super) fn mixed(site: &Site<'_>) -> Option<Found> {
    let (word, grammar) = (site.word(), site.grammar);
    let code = word.strip_prefix('#').unwrap_or(word);
    let is_code = |c: char| c.is_ascii_digit() || c.is_ascii_uppercase() || matches!(c, '-' | '/');
    if !(2..=40).contains(&code.len()) || !code.chars().all(is_code) || !Site::is_end(site.rest().get(word.len()..)?) {
        return None;
    }
    let count = code.bytes().filter(u8::is_ascii_digit).count();
    let letters = code.bytes().filter(u8::is_ascii_uppercase).count();
    let blocks = blocks(code);
    let is_all_digits = count == code.len();
    let is_known = site.before().take(2).any(|word| grammar.code_words.contains(&word.as_str()));
    let is_number = code.parse::<u64>().is_ok_and(|number| number.is_multiple_of(1_000));
    let applies = if is_all_digits {
        (code.starts_with('0') && count > 1)
            || (count >= 7 && !is_number)
            || (is_known && count >= 3)
            || (word.len() > code.len() && count > 4)
    } else if letters == 0 {
        is_known && count >= 5 && !code.contains('/')
    } else {
        !code.contains('/') && count > 0 && (count >= 3 || (blocks.len() >= 3 && code.len() >= 5))
    };
    if !applies || code.starts_with(['-', '/']) || code.ends_with(['-', '/']) {
        return None;
    }
    // What looks like a code may be a price or a unit: "5GB", "200KM".
    let is_quantity = blocks.len() == 2 && code.starts_with(|c: char| c.is_ascii_digit()) && letters <= 3;
    if is_quantity && !is_known {
        return None;
    }
    let say = |block: &&str| match block.bytes().next() {
        Some(first) if first.is_ascii_digit() => spell(block, grammar),
        // A run of letters is an acronym, and read as one.
        _ if block.len() > 2 => (*block).to_owned(),
        _ => block.chars().map(String::from).collect::<Vec<_>>().join(" "),
    };
    let words: Vec<String> = blocks.iter().map(say).collect();
    let lead = if word.len() > code.len() { format!("{} ", grammar.number_sign) } else { String::new() };
    let joined = if words.len() > 4 { words.join(" ") } else { words.join(", ") };
    Some(Found::one(word.len(), format!("{lead}{joined}")))
}

/// Runs of digits and runs of letters.
fn blocks(code: &str) -> Vec<&str> {
    let mut blocks = Vec::new();
    for part in code.split(['-', '/']) {
        let mut from = 0;
        for at in 1..=part.len() {
            let is_digit = |at: usize| part.as_bytes().get(at).map(u8::is_ascii_digit);
            if at == part.len() || is_digit(at) != is_digit(at - 1) {
                blocks.extend(part.get(from..at).filter(|block| !block.is_empty()));
                from = at;
            }
        }
    }
    blocks
}
