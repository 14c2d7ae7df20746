//! Query parameters. An empty one is as good as absent; unknown ones are ignored.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use axum::http::Uri;

use crate::control::wire::Detail;

use super::Refusal;

/// The parameters of one request.
pub(super) struct Query {
    parameters: HashMap<String, String>,
    wrong: Vec<Detail>,
}

impl Query {
    pub(super) fn of(uri: &Uri) -> Self {
        let pairs = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        let parameters =
            pairs.filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name.into_owned(), value.into_owned()));
        Self { parameters: parameters.collect(), wrong: Vec::new() }
    }

    /// A text.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        self.parameters.remove(name)
    }

    /// A whole number within `range`, or `default`.
    pub(super) fn integer(&mut self, name: &str, range: RangeInclusive<usize>, default: usize) -> usize {
        let Some(text) = self.text(name) else { return default };
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.unwrap_or_else(|| {
            let (least, most) = range.into_inner();
            let message = if most == usize::MAX {
                format!("expected a whole number from {least} up")
            } else {
                format!("expected a whole number from {least} to {most}")
            };
            self.wrong(name, message);
            default
        })
    }

    /// One of a few words.
    pub(super) fn one_of(&mut self, name: &str, words: &[&str]) -> Option<String> {
        let word = self.text(name)?.replace('_', "-");
        if !words.contains(&word.as_str()) {
            self.wrong(name, format!("expected one of {}", words.join(", ")));
        }
        Some(word)
    }

    /// Yes or no; absent means no.
    pub(super) fn flag(&mut self, name: &str) -> bool {
        match self.text(name).as_deref() {
            None | Some("false" | "0") => false,
            Some("true" | "1") => true,
            Some(_) => {
                self.wrong(name, "expected true or false");
                false
            }
        }
    }

    /// Ends the reading: 422 when anything was wrong.
    pub(super) fn finish(self) -> Result<(), Refusal> {
        if self.wrong.is_empty() { Ok(()) } else { Err(Refusal::invalid(self.wrong)) }
    }

    fn wrong(&mut self, name: &str, message: impl Into<String>) {
        self.wrong.push(Detail { field: name.into(), message: message.into(), kind: "value" });
    }
}
