//! Another policy for the same call: one setting by its name.

use crate::call::CallSpec;

use super::scenario::duration;

/// Sets one setting of a call: any of [`Timing`](crate::call::Timing) by its field's name (`endpoint_normal=400ms`,
/// also written `endpoint.normal`; `idle_prompts=1`), `sensitivity=0.5`, or how far the agent thinks ahead
/// (`speculation=no`, `speculation.tries=2`, `speculation.share=30`).
///
/// `Err` says what is wrong and what was expected.
pub fn set(spec: &mut CallSpec, setting: &str) -> Result<(), String> {
    let (name, value) = setting.split_once('=').ok_or_else(|| format!("`{setting}`: write `name=value`"))?;
    let name = name.trim().replace('.', "_");
    let value = value.trim();
    if name == "sensitivity" {
        let number: f32 = value.parse().map_err(|_| format!("`{value}` is no number"))?;
        if !(0.0..=1.0).contains(&number) {
            return Err(format!("the sensitivity lies between 0 and 1, not at {value}"));
        }
        spec.dialogue.interruption_sensitivity = number;
        return Ok(());
    }
    if name == "speculation" {
        spec.dialogue.speculation.enabled = match value {
            "yes" => true,
            "no" => false,
            _ => return Err(format!("`{value}`: write `speculation=yes` or `speculation=no`")),
        };
        return Ok(());
    }
    let limit = match name.as_str() {
        "speculation_tries" => Some(&mut spec.dialogue.speculation.tries),
        "speculation_share" => Some(&mut spec.dialogue.speculation.share),
        _ => None,
    };
    if let Some(limit) = limit {
        *limit = value.parse().map_err(|_| format!("`{value}` is no count"))?;
        return Ok(());
    }
    let timing = &mut spec.dialogue.timing;
    if !timing.named().any(|(known, _)| known == name) {
        let known: Vec<_> = timing.named().map(|(known, _)| known).collect();
        return Err(format!("no timing is called `{name}`; known are {}", known.join(", ")));
    }
    let number = match value.parse::<u64>() {
        Ok(count) if COUNTS.contains(&name.as_str()) => count,
        _ if COUNTS.contains(&name.as_str()) => return Err(format!("`{value}` is no count")),
        _ => u64::try_from(duration(value)?.as_nanos()).unwrap_or(u64::MAX),
    };
    if timing.set_named(&name, number) { Ok(()) } else { Err(format!("`{value}` is out of range for {name}")) }
}

/// The settings that are plain counts.
const COUNTS: [&str; 2] = ["idle_prompts", "turn_words"];

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::call::DialogueSpec;

    #[test]
    fn a_setting_is_found_by_its_name() {
        let mut spec = CallSpec::new(DialogueSpec::default());
        for setting in [
            "endpoint.normal=400ms",
            "hold_after = 0.2s",
            "idle_prompts=3",
            "sensitivity=0.25",
            "speculation=no",
            "speculation.share=10",
        ] {
            set(&mut spec, setting).unwrap();
        }
        let timing = spec.dialogue.timing;
        assert_eq!(timing.endpoint_normal, Duration::from_millis(400));
        assert_eq!((timing.hold_after, timing.idle_prompts), (Duration::from_millis(200), 3));
        assert_eq!(spec.dialogue.interruption_sensitivity, 0.25);
        assert_eq!((spec.dialogue.speculation.enabled, spec.dialogue.speculation.share), (false, 10));
    }

    #[test]
    fn what_is_wrong_with_a_setting_is_said() {
        let mut spec = CallSpec::new(DialogueSpec::default());
        for (setting, problem) in [
            ("endpoint", "`endpoint`: write `name=value`"),
            ("endpoint.odd=1", "no timing is called `endpoint_odd`; known are duck_after"),
            ("hold_after=soon", "`soon` is no time"),
            ("idle_prompts=2s", "`2s` is no count"),
            ("speculation=maybe", "`maybe`: write `speculation=yes`"),
            ("speculation.tries=some", "`some` is no count"),
            ("sensitivity=2", "the sensitivity lies between 0 and 1"),
        ] {
            let found = set(&mut spec, setting).unwrap_err();
            assert!(found.starts_with(problem), "{found}");
        }
    }
}
