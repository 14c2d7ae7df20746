//! One written number, and its words.

use super::grammar::{Decimals, Form, Grammar};
use super::site::digits;

/// A number as it is written, without its sign.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Number {
    /// How long it is as written.
    pub(super) len: usize,
    pub(super) whole: u64,
    /// The digits behind the decimal sign.
    pub(super) decimals: String,
    /// Whether its thousands are parted.
    pub(super) is_parted: bool,
    /// How many digits its whole part is written with.
    pub(super) width: usize,
}

/// The most digits of a number that is said as one.
const MOST_DIGITS: usize = 15;

impl Number {
    /// The number that a text begins with; `None`: there is none, or how it is meant cannot be told.
    pub(super) fn read(text: &str, grammar: &Grammar) -> Option<Self> {
        let head = digits(text);
        let mut whole = text.get(..head).filter(|head| !head.is_empty())?.to_owned();
        let mut len = head;
        let mut parts: Option<char> = None;
        if head <= 3 && !whole.starts_with('0') {
            while let Some((sign, group)) =
                group(text.get(len..)?, grammar).filter(|(s, _)| parts.is_none_or(|p| p == *s))
            {
                whole.push_str(group);
                len += sign.len_utf8() + 3;
                parts = Some(sign);
            }
        }
        let rest = text.get(len..)?;
        let mut decimals = String::new();
        if let Some(sign) = rest.chars().next().filter(|c| matches!(c, '.' | ',')) {
            let behind = rest.get(1..).unwrap_or_default();
            let count = digits(behind);
            if count > 0 {
                // In English a comma with digits behind it that are no thousands may be a list. The other way round, a
                // point in a language with decimal commas is how programs write decimals.
                let is_decimal = sign == grammar.decimal_sign || (sign == '.' && parts.is_none());
                if !is_decimal || parts == Some(sign) {
                    return None;
                }
                behind.get(..count)?.clone_into(&mut decimals);
                len += 1 + count;
            }
        }
        if whole.len() > MOST_DIGITS || decimals.len() > MOST_DIGITS {
            return None;
        }
        let width = whole.len();
        Some(Self { len, whole: whole.parse().ok()?, decimals, is_parted: parts.is_some(), width })
    }

    /// Whether its noun stands in the singular.
    pub(super) fn is_one(&self) -> bool {
        self.whole == 1 && self.decimals.is_empty()
    }

    /// Its words, before a noun of such a gender.
    pub(super) fn words(&self, form: Form, grammar: &Grammar) -> String {
        if self.decimals.is_empty() {
            return (grammar.cardinal)(self.whole, form);
        }
        let as_number =
            grammar.decimals == Decimals::Number && self.decimals.len() <= 2 && !self.decimals.starts_with('0');
        let behind = match self.decimals.parse() {
            Ok(number) if as_number => (grammar.cardinal)(number, Form::Alone),
            _ => grammar.spell(&self.decimals),
        };
        format!("{} {} {behind}", (grammar.cardinal)(self.whole, Form::Alone), grammar.point)
    }
}

/// The sign that parts thousands and the three digits behind it, with which a text begins.
fn group<'a>(text: &'a str, grammar: &Grammar) -> Option<(char, &'a str)> {
    let sign = text.chars().next()?;
    let parts = match sign {
        '.' | ',' => sign != grammar.decimal_sign,
        ' ' => grammar.space_parts,
        '\u{a0}' | '\u{202f}' | '\'' | '’' => true,
        _ => false,
    };
    let behind = text.get(sign.len_utf8()..)?;
    (parts && digits(behind) == 3).then(|| behind.get(..3).map(|group| (sign, group)))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_by_the_signs_of_the_language() {
        for (tag, text, expected) in [
            ("en", "1,234,567.89 x", Some((12, 1_234_567, "89"))),
            ("en", "3.5", Some((3, 3, "5"))),
            ("en", "12,", Some((2, 12, ""))),
            ("en", "12.", Some((2, 12, ""))),
            ("en", "1,2", None),
            ("en", "1.2.3", Some((3, 1, "2"))),
            ("en", "0,123", None),
            ("de", "1.234,50", Some((8, 1_234, "50"))),
            ("de", "1.234", Some((5, 1_234, ""))),
            ("de", "3.5", Some((3, 3, "5"))),
            ("de", "1.234.5", None),
            ("fr", "1 234,5", Some((7, 1_234, "5"))),
            ("fr", "1\u{202f}234", Some((7, 1_234, ""))),
            ("es", "1 234", Some((1, 1, ""))),
            ("en", "1234567890123456", None),
            ("en", "x", None),
            ("en", "", None),
        ] {
            let grammar = Grammar::of(tag).expect("a known language");
            let read = Number::read(text, grammar);
            let read = read.as_ref().map(|number| (number.len, number.whole, number.decimals.as_str()));
            assert_eq!(read, expected, "{text:?} in {tag}");
        }
    }
}
