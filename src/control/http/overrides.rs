//! What a request may say of one call that differs from its agent.

use serde_json::Value;

use crate::control::Overrides;
use crate::engine::{Ambience, Pii, Timing, Variables};

use super::body::Body;
use super::calls::is_e164;

/// The longest instructions and the longest greeting, in bytes.
const LONGEST: (usize, usize) = (32 << 10, 4 << 10);

impl Overrides {
    /// Reads them from a body, by the names of the API's `POST /calls` and of its agents.
    pub(super) fn read(body: &mut Body) -> Self {
        let mut short = |field: &str, most: usize| {
            let text = body.text(field);
            if text.as_ref().is_some_and(|text| text.len() > most) {
                body.wrong(field, "value", format!("expected at most {most} bytes"));
            }
            text
        };
        let system_prompt = short("systemPrompt", LONGEST.0).filter(|text| !text.is_empty());
        let begin_message = short("initialGreeting", LONGEST.1);
        let voice = short("voice", 200).filter(|voice| !voice.is_empty() && voice != "11labs-Brian");
        let language = short("language", 16).filter(|language| !language.is_empty());
        let call_screening_identity = short("callScreeningIdentity", 400).filter(|text| !text.is_empty());
        let call_screening_purpose = short("callScreeningPurpose", 1_200).filter(|text| !text.is_empty());
        let model_tier = short("modelTier", 16);
        let transfer_number = short("transferNumber", 20).filter(|text| !text.is_empty());
        if model_tier.as_ref().is_some_and(|tier| !["turbo", "balanced", "max"].contains(&tier.as_str())) {
            body.wrong("modelTier", "value", "expected \"turbo\", \"balanced\" or \"max\"");
        }
        if transfer_number.as_ref().is_some_and(|number| !is_e164(number)) {
            body.wrong("transferNumber", "value", "expected a number in E.164, like \"+14155550100\"");
        }
        let denoising = body.denoising();
        let mut variables = Variables::default();
        for (name, value) in body.texts("variables") {
            if !variables.set(name, value) {
                let (name, value) = Variables::LONGEST;
                let most = Variables::MOST;
                let message = format!("expected at most {most}, names of {name} and values of {value} bytes at most");
                body.wrong("variables", "value", message);
                break;
            }
        }
        let timing = timing(body);
        Self {
            begin_message,
            system_prompt,
            voice,
            voice_speed: body.number("voiceSpeed", 0.5, 2.0).map(|speed| speed as f32),
            ambience: ambience(body),
            language,
            model_tier,
            interruption_sensitivity: body.number("interruptionSensitivity", 0.0, 1.0).map(|number| number as f32),
            transfer_number: transfer_number.map(Pii::new),
            denoising,
            disable_recording: body.flag("disableRecording").unwrap_or(false),
            call_screening_identity,
            call_screening_purpose,
            timing,
            variables,
        }
    }
}

/// `ambientSound`: what lies under the voice.
pub(super) fn ambience(body: &mut Body) -> Option<Ambience> {
    let name = body.text("ambientSound").filter(|name| !name.is_empty())?;
    let ambience = Ambience::from_name(&name);
    if ambience.is_none() {
        let names = Ambience::ALL.map(|ambience| format!("\"{}\"", ambience.name())).join(", ");
        body.wrong("ambientSound", "value", format!("expected one of {names}"));
    }
    ambience
}

/// The waits of this call, by the names of `[agents.timing]` in either spelling: `{"endpoint_normal": "400ms"}`; a number is
/// milliseconds, or a plain count.
fn timing(body: &mut Body) -> Vec<(&'static str, u64)> {
    let mut settings = Vec::new();
    for (name, value) in body.object("timing") {
        let text = match &value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => String::new(),
        };
        match Timing::read_named(&snake(&name), &text) {
            Some(set) => settings.push(set),
            None => {
                let message = "expected a wait of [agents.timing] and a time up to a day, like \"400ms\" or 400, or a \
                               count up to 10000";
                let field: String =
                    name.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '_').collect();
                body.wrong(&format!("timing.{}", field.get(..64).unwrap_or(&field)), "value", message);
            }
        }
    }
    settings
}

/// `endpointNormal` → `endpoint_normal`.
fn snake(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for letter in name.chars().take(LONGEST_NAME) {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// Longer names are no setting's.
const LONGEST_NAME: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> (Overrides, usize) {
        let mut body = Body::parse(&axum::body::Bytes::copy_from_slice(json.as_bytes())).unwrap();
        let overrides = Overrides::read(&mut body);
        (overrides, body.mistakes())
    }

    #[test]
    fn a_call_has_waits_of_its_own_in_either_spelling() {
        let (overrides, mistakes) =
            read(r#"{"timing": {"endpoint_normal": "0.4s", "holdAfter": 120, "idle_prompts": 3, "tool": null}}"#);
        assert_eq!(mistakes, 0);
        let mut settings = overrides.timing;
        settings.sort_unstable();
        assert_eq!(settings, [("endpoint_normal", 400_000_000), ("hold_after", 120_000_000), ("idle_prompts", 3)]);
        assert_eq!(read("{}").0.timing, []);
    }

    #[test]
    fn a_wait_that_is_none_is_named() {
        for wrong in [
            r#"{"timing": {"endpoint_odd": "1s"}}"#,
            r#"{"timing": {"endpoint_normal": "soon"}}"#,
            r#"{"timing": {"endpoint_normal": 90000000}}"#,
            r#"{"timing": {"endpoint_normal": true}}"#,
            r#"{"timing": {"idle_prompts": "2s"}}"#,
            r#"{"timing": "400ms"}"#,
        ] {
            let (overrides, mistakes) = read(wrong);
            assert_eq!((overrides.timing, mistakes), (vec![], 1), "{wrong}");
        }
    }
}
