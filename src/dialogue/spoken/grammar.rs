//! What a language says numbers, signs and abbreviations with.

use super::{de, en, es, fr, it, pt};

/// Whether a number stands alone or before a noun, of which gender.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::dialogue) enum Form {
    Alone,
    Masculine,
    Feminine,
}

/// How digits behind the decimal point are said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::dialogue) enum Decimals {
    /// One after the other.
    Digits,
    /// As a number, when there are at most two and the first is no zero.
    Number,
}

/// A unit or currency: how it is written behind (or before) a number, one of it, many of it, its gender.
#[derive(Clone, Copy, Debug)]
pub(in crate::dialogue) struct Unit {
    pub(super) signs: &'static [&'static str],
    pub(super) one: &'static str,
    pub(super) many: &'static str,
    pub(super) form: Form,
}

/// A currency and its hundredth.
#[derive(Clone, Copy, Debug)]
pub(in crate::dialogue) struct Currency {
    pub(super) unit: Unit,
    pub(super) cent: Unit,
}

/// A word for a large number: how it is written, one of it, many of it.
#[derive(Clone, Copy, Debug)]
pub(in crate::dialogue) struct Scale {
    pub(super) signs: &'static [&'static str],
    pub(super) one: &'static str,
    pub(super) many: &'static str,
}

/// Where an abbreviation means what it stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::dialogue) enum When {
    Always,
    /// Before a word with a capital: "Dr. Smith".
    BeforeName,
    /// Behind a word with a capital: "Main St.".
    BehindName,
    /// Before a digit: "No. 5".
    BeforeDigit,
    /// Behind a digit: "5 min."
    BehindDigit,
}

/// A language's numbers and signs.
#[derive(Debug)]
pub(in crate::dialogue) struct Grammar {
    /// The primary subtag.
    pub(super) tag: &'static str,
    /// A whole number below 10^15.
    pub(super) cardinal: fn(u64, Form) -> String,
    /// Whether the form of a number depends on the noun behind it.
    pub(super) needs_noun: fn(u64) -> bool,
    /// Words behind a number that are no noun it counts.
    pub(super) no_nouns: &'static [&'static str],
    /// A year.
    pub(super) year: fn(u64) -> String,
    /// Words before a number of four digits that make it a year, where years are said in their own way.
    pub(super) year_words: &'static [&'static str],
    /// Digits one by one.
    pub(super) digits: [&'static str; 10],
    /// The sign before decimals; another one (or a space) parts thousands.
    pub(super) decimal_sign: char,
    /// Whether a plain space parts thousands.
    pub(super) space_parts: bool,
    pub(super) decimals: Decimals,
    pub(super) point: &'static str,
    pub(super) minus: &'static str,
    /// Between the two numbers of a range.
    pub(super) to: &'static str,
    pub(super) percent: &'static str,
    /// Between a large number's word and what it counts: "million(s) de".
    pub(super) of: &'static str,
    pub(super) scales: &'static [Scale],
    pub(super) currencies: &'static [Currency],
    /// An amount with cents; the parts are in words: "five dollars", 20.
    pub(super) with_cents: fn(&str, u64, &Currency) -> String,
    pub(super) units: &'static [Unit],
    /// A day of a month of a year, by the word before it and the region.
    pub(super) date: fn(Date, &str, &str) -> String,
    pub(super) months: [&'static str; 12],
    /// Abbreviations of months, without full stop.
    pub(super) short_months: [&'static str; 12],
    /// A time of day, if it is to be said otherwise than it is written.
    pub(super) time: fn(Time) -> String,
    /// What may stand behind a time and is said with it.
    pub(super) clock_words: &'static [&'static str],
    /// An ordinal: its number and the mark behind it; the word before.
    pub(super) ordinal: fn(u64, &str, &str) -> Option<String>,
    /// The marks that make a number an ordinal.
    pub(super) ordinal_marks: &'static [&'static str],
    pub(super) fraction: fn(u64, u64) -> Option<String>,
    /// Between a whole number and a fraction.
    pub(super) and: &'static str,
    /// Words before a number that is read digit by digit.
    pub(super) code_words: &'static [&'static str],
    /// Whether telephone numbers written in pairs are read in pairs.
    pub(super) pairs: bool,
    pub(super) at: &'static str,
    pub(super) dot: &'static str,
    pub(super) slash: &'static str,
    pub(super) dash: &'static str,
    pub(super) underscore: &'static str,
    pub(super) plus: &'static str,
    /// Signs that are said between spaces, or before a number.
    pub(super) signs: &'static [(&'static str, &'static str)],
    pub(super) number_sign: &'static str,
    pub(super) about: &'static str,
    pub(super) abbreviations: &'static [(&'static str, &'static str, When)],
    /// Whether a full stop behind a number makes it an ordinal.
    pub(super) stop_orders: bool,
}

/// A day.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::dialogue) struct Date {
    pub(super) day: u64,
    /// From 1.
    pub(super) month: u64,
    pub(super) year: Option<u64>,
}

/// A time of day.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::dialogue) struct Time {
    pub(super) hour: u64,
    pub(super) minute: u64,
    /// "am": false, "pm": true.
    pub(super) half: Option<bool>,
    /// Whether a word like "Uhr" or "h" stood behind it.
    pub(super) is_named: bool,
}

impl Grammar {
    /// The grammar of a BCP 47 tag, by its primary subtag.
    pub(super) fn of(tag: &str) -> Option<&'static Self> {
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        KNOWN.into_iter().find(|grammar| primary.eq_ignore_ascii_case(grammar.tag))
    }

    /// Digits one by one.
    pub(super) fn spell(&self, digits: &str) -> String {
        let words: Vec<&str> = digits
            .bytes()
            .filter(u8::is_ascii_digit)
            .filter_map(|digit| self.digits.get(usize::from(digit - b'0')).copied())
            .collect();
        words.join(" ")
    }

    /// The name of a month from 1 on.
    pub(super) fn month(&self, month: u64) -> &'static str {
        let at = usize::try_from(month).ok().and_then(|month| month.checked_sub(1));
        at.and_then(|at| self.months.get(at)).copied().unwrap_or_default()
    }

    /// The month, from 1 on, that a word names, whole or short.
    pub(super) fn month_of(&self, word: &str) -> Option<u64> {
        let word = word.trim_end_matches('.');
        let is_it = |month: &&str| month.to_lowercase() == word.to_lowercase();
        let at = self.months.iter().position(&is_it).or_else(|| self.short_months.iter().position(is_it));
        at.filter(|_| word.len() > 1).map(|at| at as u64 + 1)
    }
}

const KNOWN: [&Grammar; 6] = [&en::GRAMMAR, &de::GRAMMAR, &es::GRAMMAR, &fr::GRAMMAR, &it::GRAMMAR, &pt::GRAMMAR];

/// A number's part of each thousand, the highest first, with its power of thousand; parts of 0 are left out.
pub(super) fn thousands(number: u64) -> Vec<(u64, u32)> {
    (0..6).rev().map(|power| (number / 1_000_u64.pow(power) % 1_000, power)).filter(|(part, _)| *part > 0).collect()
}

/// An entry of a table of number words; out of it nothing.
pub(super) fn entry(words: &[&'static str], at: u64) -> &'static str {
    usize::try_from(at).ok().and_then(|at| words.get(at)).copied().unwrap_or_default()
}
