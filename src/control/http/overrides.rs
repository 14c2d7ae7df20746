//! What a request may say of one call that differs from its agent.

use crate::control::Overrides;
use crate::engine::{Ambience, Pii, Variables};

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
            disable_recording: body.flag("disableRecording").unwrap_or(false),
            call_screening_identity,
            call_screening_purpose,
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
