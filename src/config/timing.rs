//! `[agents.timing]`: the waits of a conversation, by the names that `simulate --set` and `replay --set` know.

use toml::de::DeValue;

use crate::call::Timing;

use super::document::Section;

/// The settings that are plain counts.
const COUNTS: [&str; 2] = ["idle_prompts", "turn_words"];

/// The settings that are there, by name: nanoseconds, or a plain count, as [`Timing::set_named`] takes them.
pub(super) fn timing(mut section: Section<'_>) -> Vec<(&'static str, u64)> {
    let mut settings = Vec::new();
    let names: Vec<_> = Timing::default().named().map(|(name, _)| name).collect();
    for name in names {
        let Some(value) = section.value(name) else { continue };
        let set = match value.get_ref() {
            DeValue::Integer(digits) => Timing::read_named(name, &digits.as_str().replace('_', "")),
            DeValue::String(text) if !COUNTS.contains(&name) => Timing::read_named(name, text),
            _ => None,
        };
        match set {
            Some(set) => settings.push(set),
            None if COUNTS.contains(&name) => section.wrong(name, "expected a count from 0 to 10000"),
            None => section.wrong(name, "expected a time up to a day, like \"400ms\", \"1.5s\" or 400 (milliseconds)"),
        }
    }
    section.finish();
    settings
}
