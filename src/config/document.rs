//! A TOML file read key by key, remembering where everything was.

use std::cell::RefCell;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Problem;

/// The problems found so far, with the line each was found on, and the warnings.
#[derive(Debug, Default)]
pub(super) struct Problems(RefCell<Vec<(usize, Problem)>>, RefCell<Vec<Problem>>);

impl Problems {
    /// Notes a problem that has no line (the environment): it goes last.
    pub(super) fn outside(&self, place: impl Into<String>, message: impl Into<String>) {
        self.0.borrow_mut().push((usize::MAX, Problem { place: place.into(), message: message.into() }));
    }

    /// Notes what is not wrong enough to refuse.
    pub(super) fn warn(&self, place: impl Into<String>, message: impl Into<String>) {
        self.1.borrow_mut().push(Problem { place: place.into(), message: message.into() });
    }

    /// Takes what was warned of.
    pub(super) fn warnings(&self) -> Vec<Problem> {
        self.1.take()
    }

    /// All problems, in the order of the file.
    pub(super) fn into_sorted(self) -> Vec<Problem> {
        let mut problems = self.0.into_inner();
        problems.sort_by_key(|(line, _)| *line);
        problems.into_iter().map(|(_, problem)| problem).collect()
    }
}

/// The file: its name for messages, its text for line numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Document<'d> {
    pub(super) name: &'d str,
    pub(super) text: &'d str,
    pub(super) problems: &'d Problems,
}

impl<'d> Document<'d> {
    /// The section that is the whole file.
    pub(super) fn root(self, table: &'d DeTable<'d>) -> Section<'d> {
        Section {
            document: self,
            title: String::new(),
            table: Some(table),
            known: Vec::new(),
            refused: Vec::new(),
            at: 0,
        }
    }

    /// Notes that the file is no TOML.
    pub(super) fn syntax(self, error: &toml::de::Error) {
        let at = error.span().map_or(0, |span| span.start);
        self.note(at, "", format!("not TOML: {}", error.message()));
    }

    fn line(self, at: usize) -> usize {
        self.text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
    }

    fn note(self, at: usize, what: &str, message: String) {
        let line = self.line(at);
        let gap = if what.is_empty() { "" } else { " " };
        let place = format!("{}:{line}:{gap}{what}", self.name).trim_end_matches(':').to_owned();
        self.problems.0.borrow_mut().push((line, Problem { place, message }));
    }
}

/// One table of the file. Keys are asked for by their snake_case name and found in both spellings; what nobody asked for
/// is a problem when the section is [finished](Section::finish).
#[derive(Debug)]
pub(super) struct Section<'d> {
    document: Document<'d>,
    title: String,
    table: Option<&'d DeTable<'d>>,
    known: Vec<&'static str>,
    refused: Vec<&'static str>,
    at: usize,
}

impl<'d> Section<'d> {
    /// Whether the section is in the file at all.
    pub(super) const fn is_present(&self) -> bool {
        self.table.is_some()
    }

    /// What messages call it: `[llm]`.
    pub(super) fn title(&self) -> &str {
        &self.title
    }

    /// Whether `key` is in it, whatever its value.
    pub(super) fn has(&self, key: &str) -> bool {
        self.find(key).is_some()
    }

    /// A text; an empty one is a problem.
    pub(super) fn text(&mut self, key: &'static str) -> Option<String> {
        let text = self.any_text(key)?;
        if text.trim().is_empty() {
            self.wrong(key, "found an empty text; leave the key out instead");
            return None;
        }
        Some(text)
    }

    /// A text, perhaps empty.
    pub(super) fn any_text(&mut self, key: &'static str) -> Option<String> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::String(text) => Some(text.clone().into_owned()),
            other => {
                self.wrong(key, format!("found {}, expected a text in quotes", article(other)));
                None
            }
        }
    }

    /// A text that is something else in disguise: an address, a range.
    pub(super) fn parsed<T: FromStr>(&mut self, key: &'static str, expected: &str) -> Option<T> {
        let text = self.text(key)?;
        let parsed = text.trim().parse().ok();
        if parsed.is_none() {
            self.wrong(key, format!("found \"{text}\", expected {expected}"));
        }
        parsed
    }

    /// One of a few words.
    pub(super) fn one_of<T: Copy>(&mut self, key: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(key)?;
        let found = choices.iter().find(|(word, _)| *word == text).map(|(_, choice)| *choice);
        if found.is_none() {
            let words: Vec<_> = choices.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            self.wrong(key, format!("found \"{text}\", expected one of {}", words.join(", ")));
        }
        found
    }

    /// A whole number within `range`.
    pub(super) fn integer(&mut self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let value = self.value(key)?;
        let number = match value.get_ref() {
            DeValue::Integer(digits) => i128::from_str_radix(&digits.as_str().replace('_', ""), digits.radix()).ok(),
            other => {
                self.wrong(key, format!("found {}, expected a whole number", article(other)));
                return None;
            }
        };
        let inside = number.and_then(|number| u64::try_from(number).ok()).filter(|number| range.contains(number));
        if inside.is_none() {
            self.out_of_range(key, number.map_or_else(|| "a number too large".into(), |n| n.to_string()), &range);
        }
        inside
    }

    /// A number within `range`.
    pub(super) fn number(&mut self, key: &'static str, range: RangeInclusive<f64>) -> Option<f64> {
        let value = self.value(key)?;
        let number = match value.get_ref() {
            DeValue::Integer(digits) => {
                i64::from_str_radix(&digits.as_str().replace('_', ""), digits.radix()).ok().map(|n| n as f64)
            }
            DeValue::Float(digits) => digits.as_str().replace('_', "").parse::<f64>().ok(),
            other => {
                self.wrong(key, format!("found {}, expected a number", article(other)));
                return None;
            }
        };
        let inside = number.filter(|number| range.contains(number));
        if inside.is_none() {
            self.out_of_range(key, number.map_or_else(|| "a number too large".into(), |n| n.to_string()), &range);
        }
        inside
    }

    /// The table `[key]` below this one.
    pub(super) fn section(&mut self, key: &'static str) -> Section<'d> {
        let title = self.child_title(key);
        let (table, at) = match self.value(key) {
            None => (None, self.at),
            Some(value) => match value.get_ref() {
                DeValue::Table(table) => (Some(table), value.span().start),
                other => {
                    self.wrong(key, format!("found {}, expected a table [{title}]", article(other)));
                    (None, self.at)
                }
            },
        };
        Section {
            document: self.document,
            title: format!("[{title}]"),
            table,
            known: Vec::new(),
            refused: Vec::new(),
            at,
        }
    }

    /// The tables `[[key]]` below this one.
    pub(super) fn sections(&mut self, key: &'static str) -> Vec<Section<'d>> {
        let title = self.child_title(key);
        let Some(value) = self.value(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong(key, format!("found {}, expected tables [[{title}]]", article(value.get_ref())));
            return Vec::new();
        };
        let mut sections = Vec::new();
        for item in items.iter() {
            let (DeValue::Table(table), at) = (item.get_ref(), item.span().start) else {
                self.document.note(item.span().start, &title, format!("expected a table [[{title}]]"));
                continue;
            };
            let title = format!("[[{title}]]");
            let (known, refused) = (Vec::new(), Vec::new());
            sections.push(Section { document: self.document, title, table: Some(table), known, refused, at });
        }
        sections
    }

    /// Notes that `key` must be there and is not.
    pub(super) fn missing(&self, key: &'static str, expected: &str) {
        self.document.note(self.at, &self.named(key), format!("is missing; expected {expected}"));
    }

    /// Notes what is wrong with `key`, or with the section when the key is not there.
    pub(super) fn wrong(&self, key: &'static str, message: impl Into<String>) {
        let at = self.find(key).map_or(self.at, |(at, _)| at);
        self.document.note(at, &self.named(key), message.into());
    }

    /// Refuses `keys` with a reason instead of not knowing them.
    pub(super) fn refuse(&mut self, keys: &[&'static str], reason: &str) {
        for key in keys {
            self.refused.push(key);
            if self.find(key).is_some() {
                self.wrong(key, reason);
            }
        }
    }

    /// Ends the reading: what was not asked for is a problem.
    pub(super) fn finish(self) {
        let Some(table) = self.table else { return };
        for key in table.keys() {
            let found = key.get_ref().as_ref();
            if self.known.iter().chain(&self.refused).any(|known| spelled(found, known)) {
                continue;
            }
            let near = self
                .known
                .iter()
                .map(|known| (distance(&snake(found), known), *known))
                .filter(|(distance, known)| *distance <= 1 + known.len() / 5)
                .min_by_key(|(distance, _)| *distance);
            let message = match near {
                Some((_, known)) => format!("unknown key; did you mean `{known}`?"),
                None => format!("unknown key; known here: {}", self.known.join(", ")),
            };
            self.document.note(key.span().start, &self.named(found), message);
        }
    }

    /// The value of `key` in either spelling.
    pub(super) fn value(&mut self, key: &'static str) -> Option<&'d Spanned<DeValue<'d>>> {
        if !self.known.contains(&key) {
            self.known.push(key);
            let mut places: Vec<_> = self.spellings(key).map(|(at, _)| at).collect();
            places.sort_unstable();
            for at in places.into_iter().skip(1) {
                self.document.note(at, &self.named(key), "is given in both spellings; keep one".into());
            }
        }
        self.find(key).map(|(_, value)| value)
    }

    fn find(&self, key: &str) -> Option<(usize, &'d Spanned<DeValue<'d>>)> {
        self.spellings(key).next()
    }

    fn spellings<'k>(&self, key: &'k str) -> impl Iterator<Item = (usize, &'d Spanned<DeValue<'d>>)> + use<'d, 'k> {
        self.table
            .into_iter()
            .flat_map(|table| table.iter())
            .filter(move |(name, _)| spelled(name.get_ref(), key))
            .map(|(name, value)| (name.span().start, value))
    }

    fn out_of_range<T: Display>(&self, key: &'static str, found: String, range: &RangeInclusive<T>) {
        self.wrong(key, format!("found {found}, expected {} to {}", range.start(), range.end()));
    }

    fn named(&self, key: &str) -> String {
        if self.title.is_empty() { key.to_owned() } else { format!("{} {key}", self.title) }
    }

    fn child_title(&self, key: &str) -> String {
        let own = self.title.trim_matches(['[', ']']);
        if own.is_empty() { key.to_owned() } else { format!("{own}.{key}") }
    }
}

/// Whether `found` is `key` in snake_case or in camelCase.
fn spelled(found: &str, key: &str) -> bool {
    found == key || (!found.contains('_') && snake(found) == key)
}

/// `beginMessage` → `begin_message`.
fn snake(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
            snake.push(letter.to_ascii_lowercase());
        } else {
            snake.push(letter);
        }
    }
    snake
}

/// The Levenshtein distance of two names.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(64).enumerate() {
        let mut next = Vec::with_capacity(row.len());
        next.push(i + 1);
        for ((y, above), diagonal) in b.iter().zip(row.iter().skip(1)).zip(row.iter()) {
            let left = next.last().copied().unwrap_or_default();
            next.push((diagonal + usize::from(x != *y)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

fn article(value: &DeValue<'_>) -> String {
    let kind = value.type_str();
    let article = if kind.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {kind}")
}
