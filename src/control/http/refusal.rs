//! Saying no, in one shape.

use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::control::wire::{Detail, ErrorBody};

/// An error answer: status, body, and when to try again.
#[derive(Clone, PartialEq, Debug)]
pub struct Refusal {
    status: StatusCode,
    body: Box<ErrorBody>,
    retry_after: Option<Duration>,
}

const CALLER: &str = "invalid_request_error";
const SERVER: &str = "api_error";

impl Refusal {
    /// 401.
    pub fn unauthorized() -> Self {
        let message = "no valid API key was sent; expected the header `Authorization: Bearer <key>`";
        Self::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "authentication_error", message)
    }

    /// 403.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "FORBIDDEN", CALLER, message)
    }

    /// 404; `what` is `Call`, `Agent` …
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", CALLER, format!("{what} not found"))
    }

    /// 405.
    pub fn method_not_allowed() -> Self {
        let message = "this method is not allowed on this path; see the Allow header";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", CALLER, message)
    }

    /// 408: the body did not come.
    pub fn too_slow() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "REQUEST_TIMEOUT", CALLER, "the request body did not arrive in time")
    }

    /// 409: not in this state.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "CONFLICT", CALLER, message)
    }

    /// 413.
    pub fn too_large(most: usize) -> Self {
        let message = format!("the request body is too large; at most {most} bytes are read");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", CALLER, message)
    }

    /// 422: these fields. There is at least one.
    pub fn invalid(details: Vec<Detail>) -> Self {
        let summary: Vec<_> = details.iter().map(|detail| format!("{}: {}", detail.field, detail.message)).collect();
        let body = ErrorBody::new("VALIDATION_ERROR", CALLER, summary.join("; "), details);
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, body: Box::new(body), retry_after: None }
    }

    /// 426: a WebSocket was expected.
    pub fn upgrade_required() -> Self {
        let message = "this path is a WebSocket; expected an upgrade request";
        Self::new(StatusCode::UPGRADE_REQUIRED, "UPGRADE_REQUIRED", CALLER, message)
    }

    /// 501: part of the AgentPhone API, and not of this version.
    pub fn not_implemented() -> Self {
        let message = "this operation of the AgentPhone API is not implemented by this server yet";
        Self::new(StatusCode::NOT_IMPLEMENTED, "NOT_IMPLEMENTED", SERVER, message)
    }

    /// 503: later.
    pub fn unavailable(message: impl Into<String>, retry_after: Duration) -> Self {
        let refusal = Self::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", SERVER, message);
        Self { retry_after: Some(retry_after), ..refusal }
    }

    fn new(status: StatusCode, code: &'static str, kind: &'static str, message: impl Into<String>) -> Self {
        Self { status, body: Box::new(ErrorBody::new(code, kind, message, Vec::new())), retry_after: None }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = json(self.status, &*self.body);
        if let Some(wait) = self.retry_after {
            // Whole seconds, and never zero: that would be "at once".
            let seconds = wait.as_millis().div_ceil(1_000).max(1);
            if let Ok(value) = HeaderValue::from_str(&seconds.to_string()) {
                response.headers_mut().insert(RETRY_AFTER, value);
            }
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// An answer in JSON.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => (status, [(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response(),
        // Our shapes have no map whose keys are not text, which is all that can fail.
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
