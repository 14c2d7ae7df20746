//! `[agents.timing]`: the waits of a conversation, by the names that `simulate --set` and `replay --set` know.

use std::time::Duration;

use toml::de::DeValue;

use crate::call::Timing;

use super::document::Section;

/// No wait is longer.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);
/// The settings that are plain counts.
const COUNTS: [&str; 2] = ["idle_prompts", "turn_words"];

/// The settings that are there, by name: nanoseconds, or a plain count, as [`Timing::set_named`] takes them.
pub(super) fn timing(mut section: Section<'_>) -> Vec<(&'static str, u64)> {
    let mut settings = Vec::new();
    let names: Vec<_> = Timing::default().named().map(|(name, _)| name).collect();
    for name in names {
        let Some(value) = section.value(name) else { continue };
        let whole = |digits: &str| digits.replace('_', "").parse::<u64>().ok();
        let set = match value.get_ref() {
            DeValue::Integer(digits) if COUNTS.contains(&name) => whole(digits.as_str()).filter(|n| *n <= 10_000),
            DeValue::Integer(digits) => whole(digits.as_str()).map(Duration::from_millis).and_then(nanos),
            DeValue::String(text) if !COUNTS.contains(&name) => duration(text).and_then(nanos),
            _ => None,
        };
        match set {
            Some(set) => settings.push((name, set)),
            None if COUNTS.contains(&name) => section.wrong(name, "expected a count from 0 to 10000"),
            None => section.wrong(name, "expected a time up to a day, like \"400ms\", \"1.5s\" or 400 (milliseconds)"),
        }
    }
    section.finish();
    settings
}

fn nanos(wait: Duration) -> Option<u64> {
    u64::try_from(wait.as_nanos()).ok().filter(|_| wait <= LONGEST)
}

/// `400ms`, `1.5s` or `400`.
fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 0.001),
        None => text.strip_suffix('s').map_or((text, 0.001), |number| (number, 1.0)),
    };
    let seconds = number.trim().parse::<f64>().ok()? * unit;
    Duration::try_from_secs_f64((seconds * 1e6).round() / 1e6).ok()
}
