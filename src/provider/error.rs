//! What went wrong at a vendor.

use std::fmt;
use std::time::Duration;

use crate::conversation::Failure;

/// A vendor's failure, in words an operator can act on. Never holds keys, numbers or speech.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProviderError {
    /// Which of the few kinds.
    pub kind: Failure,
    /// Who, what and what to do about it.
    pub message: String,
    /// How long the vendor asks to be left alone, if it says so.
    pub retry_after: Option<Duration>,
}

impl ProviderError {
    /// A failure of `kind`.
    pub fn new(kind: Failure, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), retry_after: None }
    }
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.message)
    }
}

impl std::error::Error for ProviderError {}
