//! Paths of the AgentPhone API that this version does not serve.

use axum::http::Uri;

use super::Refusal;

/// The first segments below `/v1` that the API knows.
const RESOURCES: [&str; 15] = [
    "agents",
    "calls",
    "contacts",
    "conversations",
    "credits",
    "feedback",
    "location",
    "messages",
    "numbers",
    "register",
    "sip-trunks",
    "sub-accounts",
    "usage",
    "verify",
    "webhooks",
];

/// What is said of a path nobody serves: 501 when it belongs to the API, 404 otherwise.
pub(super) async fn unknown_path(uri: Uri) -> Refusal {
    let mut segments = uri.path().split('/').skip(1);
    let known = match segments.next() {
        Some("v1") => segments.next().is_some_and(|segment| RESOURCES.contains(&segment)),
        Some("v0") => segments.next() == Some("agent"),
        Some("integrations") => segments.next() == Some("whatsapp"),
        Some("openapi.json") => true,
        _ => false,
    };
    if known { Refusal::not_implemented() } else { Refusal::not_found("Path") }
}

/// What is said of a method nobody serves on a path that is served: 405.
pub(super) async fn unknown_method() -> Refusal {
    Refusal::method_not_allowed()
}

/// What is said of an operation of the API that comes with a later version.
pub(super) async fn not_yet() -> Refusal {
    Refusal::not_implemented()
}
