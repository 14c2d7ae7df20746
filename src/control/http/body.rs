//! Request bodies: bounded, perhaps empty, read field by field so that every mistake is named.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use serde_json::{Map, Value};

use crate::control::wire::Detail;
use crate::engine::Denoising;

use super::Refusal;

/// The largest body that is read, in bytes.
pub(super) const LIMIT: usize = 64 << 10;
/// How long a body may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A JSON object. An empty body is an empty object, whatever its Content-Type says.
#[derive(Debug)]
pub(super) struct Body {
    fields: Map<String, Value>,
    wrong: Vec<Detail>,
}

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let body = axum::body::to_bytes(request.into_body(), LIMIT);
        let bytes = tokio::time::timeout(PATIENCE, body).await.map_err(|_| Refusal::too_slow())?;
        // It fails when the body is longer than the limit, and when the peer goes away in the middle: then nobody reads
        // the answer.
        Self::parse(&bytes.map_err(|_| Refusal::too_large(LIMIT))?)
    }
}

impl Body {
    pub(super) fn parse(bytes: &Bytes) -> Result<Self, Refusal> {
        if bytes.trim_ascii().is_empty() {
            return Ok(Self { fields: Map::new(), wrong: Vec::new() });
        }
        let found = match serde_json::from_slice(bytes) {
            Ok(Value::Object(fields)) => return Ok(Self { fields, wrong: Vec::new() }),
            Ok(other) => format!("found {}, expected a JSON object", kind(&other)),
            Err(error) => format!("is not JSON (line {}, column {})", error.line(), error.column()),
        };
        Err(Refusal::invalid(vec![Detail { field: "body".into(), message: found, kind: "json_invalid" }]))
    }

    /// A text that must be there.
    pub(super) fn required(&mut self, field: &str) -> Option<String> {
        let text = self.text(field);
        if text.is_none() && self.given(field).is_none() {
            self.wrong(field, "missing", "is missing; expected a text");
        }
        text
    }

    /// A text that may be left out.
    pub(super) fn text(&mut self, field: &str) -> Option<String> {
        match self.given(field)? {
            Value::String(text) => Some(text.clone()),
            other => {
                let message = format!("found {}, expected a text", kind(other));
                self.wrong(field, "type", message);
                None
            }
        }
    }

    /// Yes or no; may be left out.
    pub(super) fn flag(&mut self, field: &str) -> Option<bool> {
        match self.given(field)? {
            Value::Bool(flag) => Some(*flag),
            other => {
                let message = format!("found {}, expected true or false", kind(other));
                self.wrong(field, "type", message);
                None
            }
        }
    }

    /// A whole number from `least` to `most`; may be left out.
    pub(super) fn integer(&mut self, field: &str, least: u64, most: u64) -> Option<u64> {
        let value = self.given(field)?;
        let number = value.as_u64().filter(|number| (least..=most).contains(number));
        if number.is_none() {
            let found = if value.is_number() { value.to_string() } else { kind(value).into() };
            self.wrong(field, "value", format!("found {found}, expected a whole number from {least} to {most}"));
        }
        number
    }

    /// A number from `least` to `most`; may be left out.
    pub(super) fn number(&mut self, field: &str, least: f64, most: f64) -> Option<f64> {
        let value = self.given(field)?;
        let number = value.as_f64().filter(|number| (least..=most).contains(number));
        if number.is_none() {
            let found = if value.is_number() { value.to_string() } else { kind(value).into() };
            self.wrong(field, "value", format!("found {found}, expected a number from {least} to {most}"));
        }
        number
    }

    /// `denoisingMode`; may be left out.
    pub(super) fn denoising(&mut self) -> Option<Denoising> {
        let name = self.text("denoisingMode")?;
        let mode = Denoising::from_name(&name);
        if mode.is_none() {
            let [none, noise, speech] = Denoising::ALL.map(Denoising::name);
            self.wrong("denoisingMode", "value", format!("expected \"{none}\", \"{noise}\" or \"{speech}\""));
        }
        mode
    }

    /// An object of texts, null as good as absent; may be left out.
    pub(super) fn texts(&mut self, field: &str) -> Vec<(String, String)> {
        let Some(value) = self.given(field) else { return Vec::new() };
        let Value::Object(fields) = value else {
            let message = format!("found {}, expected an object of texts", kind(value));
            self.wrong(field, "type", message);
            return Vec::new();
        };
        let is_fine = fields.values().all(|value| value.is_string() || value.is_null());
        let texts =
            fields.iter().filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect();
        if !is_fine {
            self.wrong(field, "type", "expected an object of texts");
        }
        texts
    }

    /// An object, its entries that are null left out; may be left out.
    pub(super) fn object(&mut self, field: &str) -> Vec<(String, Value)> {
        let Some(value) = self.given(field) else { return Vec::new() };
        let Value::Object(fields) = value else {
            let message = format!("found {}, expected an object", kind(value));
            self.wrong(field, "type", message);
            return Vec::new();
        };
        fields.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// A list of one to `most` values; may be left out.
    pub(super) fn list(&mut self, field: &str, most: usize) -> Option<Vec<Value>> {
        match self.given(field)? {
            Value::Array(list) if (1..=most).contains(&list.len()) => Some(list.clone()),
            Value::Array(list) => {
                let message = format!("found {} entries, expected 1 to {most}", list.len());
                self.wrong(field, "value", message);
                None
            }
            other => {
                let message = format!("found {}, expected a list", kind(other));
                self.wrong(field, "type", message);
                None
            }
        }
    }

    /// Whether `field` is there and null.
    pub(super) fn is_null(&self, field: &str) -> bool {
        self.fields.get(field).is_some_and(Value::is_null)
    }

    /// Notes what is wrong with a field.
    pub(super) fn wrong(&mut self, field: &str, kind: &'static str, message: impl Into<String>) {
        self.wrong.push(Detail { field: field.into(), message: message.into(), kind });
    }

    /// How many mistakes were noted.
    #[cfg(test)]
    pub(super) fn mistakes(&self) -> usize {
        self.wrong.len()
    }

    /// Ends the reading: 422 when anything was wrong.
    pub(super) fn finish(self) -> Result<(), Refusal> {
        if self.wrong.is_empty() { Ok(()) } else { Err(Refusal::invalid(self.wrong)) }
    }

    /// The value of a field; null is as good as absent.
    fn given(&self, field: &str) -> Option<&Value> {
        self.fields.get(field).filter(|value| !value.is_null())
    }
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
