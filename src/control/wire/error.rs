//! The one shape of every error.

use serde::Serialize;

/// An error body that every client of the API can read: `detail` and `message` are the same text, `error` has the code.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ErrorBody {
    /// What is wrong and what would be right, for a person. Never holds keys, numbers or speech.
    pub detail: String,
    /// The same.
    pub message: String,
    /// The same, for programs.
    pub error: Error,
}

/// The part of an [`ErrorBody`] for programs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Error {
    message: String,
    code: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    details: Vec<Detail>,
}

/// One field that was refused.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Detail {
    /// Its name.
    pub field: String,
    /// What was found and what was expected.
    pub message: String,
    /// Which kind of mistake: `missing`, `type`, `value`.
    #[serde(rename = "type")]
    pub kind: &'static str,
}

impl ErrorBody {
    /// An error with its `code`; `kind` is the broad class of it.
    pub fn new(code: &'static str, kind: &'static str, message: impl Into<String>, details: Vec<Detail>) -> Self {
        let message = message.into();
        Self { detail: message.clone(), message: message.clone(), error: Error { message, code, kind, details } }
    }
}
