//! `/healthz` and `/readyz`: open to everybody, and tell nothing private.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::control::{Api, wire};

use super::refusal::json;

/// 200 as long as the process answers.
pub(super) async fn alive(State(api): State<Arc<Api>>) -> Response {
    json(StatusCode::OK, &health(&api, "ok"))
}

/// 200 while calls are admitted, 503 once the server drains.
pub(super) async fn ready(State(api): State<Arc<Api>>) -> Response {
    if api.is_draining() {
        return json(StatusCode::SERVICE_UNAVAILABLE, &health(&api, "draining"));
    }
    json(StatusCode::OK, &health(&api, "ok"))
}

fn health(api: &Api, status: &'static str) -> wire::Health {
    wire::Health {
        status,
        version: env!("CARGO_PKG_VERSION"),
        live_calls: api.calls.engine().stats().live,
        simulated: api.simulated.clone(),
        open_circuits: api.calls.catalogue().open_circuits(),
    }
}
