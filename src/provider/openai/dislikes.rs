//! Fields of a request that a server refuses and that can be done without.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::provider::http::Refused;

/// What a server is known to dislike, for each model: OpenAI's reasoning models refuse a temperature and the old name of
/// the limit, older servers know only that name, and some know no `stream_options`. It is found out by the first refusal,
/// which costs one round trip, and not forgotten.
#[derive(Default, Debug)]
pub(super) struct Dislikes(Mutex<HashMap<String, Disliked>>);

impl Dislikes {
    /// Models that are told apart; of more nothing is remembered.
    const MODELS: usize = 64;

    /// What is known of a model.
    pub(super) fn of(&self, model: &str) -> Disliked {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(model).copied().unwrap_or_default()
    }

    /// A request in these words was accepted.
    pub(super) fn note(&self, model: &str, disliked: Disliked) {
        if disliked == Disliked::default() {
            return;
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() < Self::MODELS || known.contains_key(model) {
            known.insert(model.to_owned(), disliked);
        }
    }
}

/// What one model dislikes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Disliked {
    /// `stream_options`.
    pub stream_options: bool,
    /// The name of the limit of tokens that is customary there: it gets the other one.
    pub limit: bool,
    /// `temperature`.
    pub temperature: bool,
}

impl Disliked {
    /// In other words, after a refusal that names one of these fields; `None` when there is nothing to change.
    pub(super) fn after(self, refused: &Refused) -> Option<Self> {
        if !matches!(refused.status, 400 | 422) {
            return None;
        }
        let body: Value = serde_json::from_slice(&refused.body).ok()?;
        let names = |field: &str| mentions(&body, field, DEPTH);
        // The refusal of one name of the limit recommends the other, so that both may be named.
        if !self.limit && (names("max_tokens") || names("max_completion_tokens")) {
            Some(Self { limit: true, ..self })
        } else if !self.stream_options && (names("stream_options") || names("include_usage")) {
            Some(Self { stream_options: true, ..self })
        } else if !self.temperature && names("temperature") {
            Some(Self { temperature: true, ..self })
        } else {
            None
        }
    }
}

/// How deep an error is looked through.
const DEPTH: usize = 6;

/// Whether a text in `value` is `field` or holds it as a word.
fn mentions(value: &Value, field: &str, depth: usize) -> bool {
    let inner = depth.saturating_sub(1);
    match value {
        Value::String(text) => {
            let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
            text.split(|letter| !is_part(letter)).any(|word| word == field)
        }
        Value::Array(parts) if depth > 0 => parts.iter().any(|part| mentions(part, field, inner)),
        Value::Object(fields) if depth > 0 => fields.values().any(|part| mentions(part, field, inner)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Failure;
    use crate::provider::ProviderError;

    fn after(disliked: Disliked, status: u16, body: &str) -> Option<Disliked> {
        let error = ProviderError::new(Failure::BadRequest, "refused");
        disliked.after(&Refused { error, status, body: body.as_bytes().to_vec() })
    }

    const RENAMED: &str = r#"{"error":{"message":"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.","type":"invalid_request_error","param":"max_tokens","code":"unsupported_parameter"}}"#;
    const STRICT: &str = r#"{"object":"error","message":{"detail":[{"type":"extra_forbidden","loc":["body","stream_options"],"msg":"Extra inputs are not permitted"}]}}"#;

    #[test]
    fn a_refusal_that_names_a_field_is_answered_in_other_words_once() {
        let first = after(Disliked::default(), 400, RENAMED).unwrap();
        assert_eq!(first, Disliked { limit: true, ..Disliked::default() });
        assert_eq!(after(first, 400, RENAMED), None, "the other name is refused as well");
        let second = after(first, 422, STRICT).unwrap();
        assert_eq!(second, Disliked { stream_options: true, ..first });
        let third = after(second, 400, r#"{"error":{"message":"x","param":"temperature"}}"#).unwrap();
        assert_eq!(third, Disliked { temperature: true, ..second });
        assert_eq!(after(third, 400, r#"{"error":{"message":"'temperature'"}}"#), None);
    }

    #[test]
    fn other_refusals_stand() {
        let asked = Disliked::default();
        assert_eq!(after(asked, 429, STRICT), None);
        assert_eq!(after(asked, 400, r#"{"error":{"message":"max_tokens_to_sample"}}"#), None);
        assert_eq!(after(asked, 400, "temperature"), None);
        assert_eq!(after(asked, 404, RENAMED), None);
    }

    #[test]
    fn what_is_known_of_models_is_bounded() {
        let known = Dislikes::default();
        let disliked = Disliked { limit: true, ..Disliked::default() };
        known.note("easy", Disliked::default());
        for n in 0..=Dislikes::MODELS {
            known.note(&format!("m{n}"), disliked);
        }
        assert_eq!((known.of("m0"), known.of("easy")), (disliked, Disliked::default()));
        assert_eq!(known.of(&format!("m{}", Dislikes::MODELS)), Disliked::default());
    }
}
