//! `{{name}}` in the texts of an agent.

use std::collections::BTreeMap;
use std::fmt;

/// What stands for the names in a call's texts. What they hold may be private: it does not print.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Variables(BTreeMap<String, String>);

/// A text with its variables filled in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Filled {
    /// The text.
    pub text: String,
    /// How many names nothing was known of; they are left out of the text, for nobody wants to hear braces.
    pub unknown: usize,
}

impl Variables {
    /// The most variables of one call.
    pub const MOST: usize = 100;
    /// The longest name and the longest value, in bytes.
    pub const LONGEST: (usize, usize) = (64, 4 * 1024);

    /// Sets one; `false` when there are [too many](Variables::MOST), or it is [too long](Variables::LONGEST).
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) -> bool {
        let (name, value) = (name.into(), value.into());
        let fits = name.len() <= Self::LONGEST.0 && value.len() <= Self::LONGEST.1;
        let is_free = self.0.len() < Self::MOST || self.0.contains_key(&name);
        if fits && is_free {
            self.0.insert(name, value);
        }
        fits && is_free
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `text` with each `{{name}}` replaced; spaces inside the braces do not matter. What is put in is not looked through
    /// again. Braces around anything but a name (letters, digits, `_`, `-`, `.`) stay as they are.
    pub fn fill(&self, text: &str) -> Filled {
        let mut filled = Filled { text: String::with_capacity(text.len()), unknown: 0 };
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            filled.text.push_str(before);
            match after.split_once("}}").map(|(name, behind)| (name.trim(), behind)) {
                Some((name, behind)) if is_name(name) => {
                    match self.0.get(name) {
                        Some(value) => filled.text.push_str(value),
                        None => filled.unknown += 1,
                    }
                    rest = behind;
                }
                _ => {
                    filled.text.push_str("{{");
                    rest = after;
                }
            }
        }
        filled.text.push_str(rest);
        filled
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Variables({})", self.0.len())
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables() -> Variables {
        let mut variables = Variables::default();
        assert!(variables.set("name", "Ada") && variables.set("odd", "{{name}}"));
        variables
    }

    #[test]
    fn names_are_filled_in_and_unknown_ones_left_out_and_counted() {
        let fill = |text: &str| {
            let filled = variables().fill(text);
            (filled.text, filled.unknown)
        };
        assert_eq!(fill("Hello {{name}}, {{ name }}!"), ("Hello Ada, Ada!".into(), 0));
        assert_eq!(fill("Hello {{title}}{{name}}."), ("Hello Ada.".into(), 1));
        assert_eq!(fill("{{odd}}"), ("{{name}}".into(), 0), "what is put in is not looked through again");
    }

    #[test]
    fn other_braces_stay_as_they_are() {
        for text in ["", "{}", "{{", "{{}}", "{{ }}", "{{a b}}", "a }} b", r#"{"a":{"b":1}}"#, "{{name"] {
            assert_eq!(variables().fill(text).text, text);
        }
        assert_eq!(variables().fill("{{{name}}}").text, "{{{name}}}", "the name begins with a brace");
        assert_eq!(variables().fill("{{ {{name}}").text, "{{ Ada");
    }

    #[test]
    fn variables_are_bounded_and_private() {
        let mut variables = variables();
        assert!(!variables.set("long", "x".repeat(5_000)));
        for n in 0..200 {
            variables.set(format!("n{n}"), "");
        }
        assert!(!variables.set("one-more", "") && variables.set("name", "Grace"));
        assert_eq!(format!("{variables:?}"), "Variables(100)");
    }
}
