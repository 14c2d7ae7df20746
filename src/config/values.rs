//! Values of a section that are more than a text or a number.

use serde_json::Value;
use toml::de::DeValue;

use crate::conversation::Pii;

use super::document::Section;
use super::settings::Env;

impl Section<'_> {
    /// Yes or no.
    pub(super) fn flag(&mut self, key: &'static str) -> Option<bool> {
        match self.value(key)?.get_ref() {
            DeValue::Boolean(flag) => Some(*flag),
            _ => {
                self.wrong(key, "expected true or false");
                None
            }
        }
    }

    /// A text of at most `most` characters, perhaps empty.
    pub(super) fn short_text(&mut self, key: &'static str, most: usize) -> Option<String> {
        let text = self.any_text(key)?;
        let count = text.chars().count();
        if count > most {
            self.wrong(key, format!("found {count} characters, expected at most {most}"));
        }
        Some(text)
    }

    /// A telephone number in E.164; `None` too when it is empty.
    pub(super) fn number_e164(&mut self, key: &'static str) -> Option<Pii<String>> {
        let text = self.any_text(key)?;
        let digits = text.strip_prefix('+').unwrap_or_default();
        if text.is_empty() {
            return None;
        }
        if !(7..=15).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            // Not repeated: it may be a number all the same.
            self.wrong(key, "expected a number in E.164, like \"+14155550100\"");
        }
        Some(Pii::new(text))
    }

    /// A JSON object, written as a table or as a text.
    pub(super) fn json_object(&mut self, key: &'static str) -> Option<String> {
        let value = match self.value(key)?.get_ref() {
            DeValue::String(text) => serde_json::from_str(text).ok(),
            table @ DeValue::Table(_) => json(table),
            _ => None,
        };
        match value {
            Some(object @ Value::Object(_)) => Some(object.to_string()),
            _ => {
                self.wrong(key, "expected a JSON object, as a table or as a text");
                None
            }
        }
    }

    /// A list of short texts.
    pub(super) fn words(&mut self, key: &'static str) -> Option<Vec<String>> {
        let DeValue::Array(items) = self.value(key)?.get_ref() else {
            self.wrong(key, "expected a list of texts, like [\"mm-hmm\", \"right\"]");
            return None;
        };
        let word = |item: &DeValue<'_>| match item {
            DeValue::String(text) if !text.trim().is_empty() && text.chars().count() <= 40 => Some(text.to_string()),
            _ => None,
        };
        let words: Option<Vec<_>> = items.iter().map(|item| word(item.get_ref())).collect();
        if words.as_ref().is_none_or(|words| words.len() > 20) {
            self.wrong(key, "expected at most 20 texts of at most 40 characters each");
            return None;
        }
        words
    }

    /// A table of names and what each stands for, at most `most` of them.
    pub(super) fn names(&mut self, key: &'static str, most: usize) -> Vec<(String, String)> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let DeValue::Table(table) = value.get_ref() else {
            self.wrong(key, "expected a table of texts");
            return Vec::new();
        };
        if table.len() > most {
            self.wrong(key, format!("found {} names, expected at most {most}", table.len()));
        }
        let mut names = Vec::new();
        for (name, value) in table.iter().take(most) {
            let name = name.get_ref().as_ref();
            match value.get_ref() {
                DeValue::String(text) if !text.trim().is_empty() => names.push((name.to_owned(), text.to_string())),
                _ => self.wrong(key, format!("{name}: expected a text in quotes")),
            }
        }
        names
    }

    /// A table of texts; `${NAME}` in them stands for a variable of the environment.
    pub(super) fn texts(&mut self, key: &'static str, env: Env<'_>) -> Vec<(String, Pii<String>)> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let DeValue::Table(table) = value.get_ref() else {
            self.wrong(key, "expected a table of texts");
            return Vec::new();
        };
        let mut texts = Vec::new();
        for (name, value) in table.iter() {
            let name = name.get_ref().as_ref();
            match value.get_ref() {
                DeValue::String(text) => match with_environment(text, env) {
                    Ok(text) => texts.push((name.to_owned(), Pii::new(text))),
                    Err(missing) => self.wrong(key, format!("{name} names {missing}, which is not set")),
                },
                _ => self.wrong(key, format!("{name}: expected a text in quotes")),
            }
        }
        texts
    }
}

/// `text` with each `${NAME}` replaced; `Err`: the first name that is not set.
fn with_environment(text: &str, env: Env<'_>) -> Result<String, String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, behind)) = after.split_once('}') else { break };
        filled.push_str(before);
        filled.push_str(env(name).ok_or_else(|| name.to_owned())?.trim());
        rest = behind;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// A TOML value as JSON; `None`: it holds a date or a number too large.
fn json(value: &DeValue<'_>) -> Option<Value> {
    Some(match value {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Boolean(flag) => Value::from(*flag),
        DeValue::Integer(digits) => {
            Value::from(i64::from_str_radix(&digits.as_str().replace('_', ""), digits.radix()).ok()?)
        }
        DeValue::Float(digits) => Value::from(digits.as_str().replace('_', "").parse::<f64>().ok()?),
        DeValue::Array(items) => {
            Value::from(items.iter().map(|item| json(item.get_ref())).collect::<Option<Vec<_>>>()?)
        }
        DeValue::Table(table) => {
            let fields =
                table.iter().map(|(name, value)| Some((name.get_ref().as_ref().to_owned(), json(value.get_ref())?)));
            Value::Object(fields.collect::<Option<_>>()?)
        }
        DeValue::Datetime(_) => return None,
    })
}
