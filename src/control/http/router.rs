//! Which path leads where.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{delete, get, post};

use crate::control::Api;

use super::guard::guard;
use super::not_yet::{not_yet, unknown_method, unknown_path};
use super::{agents, calls, events, health, legs, metrics, streams};

/// The whole door.
pub fn router(api: Arc<Api>) -> Router {
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::text))
        .route("/v1/media/legs", post(legs::open))
        .route("/v1/media/legs/{call_id}", delete(legs::close))
        .route("/v1/agents", get(agents::list).post(not_yet))
        .route("/v1/agents/voices", get(agents::voices))
        .route("/v1/agents/{agent_id}", get(agents::one).patch(not_yet).delete(not_yet))
        .route("/v1/agents/{agent_id}/calls", get(calls::of_agent))
        .route("/v1/calls", get(calls::list).post(not_yet))
        .route("/v1/calls/web", post(not_yet))
        .route("/v1/calls/{call_id}", get(calls::one).patch(calls::update))
        .route("/v1/calls/{call_id}/events", get(events::all))
        .route("/v1/calls/{call_id}/transcript", get(calls::transcript))
        .route("/v1/calls/{call_id}/end", post(calls::end))
        .route("/v1/calls/{call_id}/transfer", post(calls::transfer))
        .route("/v1/calls/{call_id}/say", post(calls::say))
        .route("/v1/streams/twilio/{agent_id}", get(streams::twilio))
        .route("/v1/streams/twilio/{agent_id}/{key}", get(streams::twilio_with_key))
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .layer(from_fn_with_state(Arc::clone(&api), guard))
        .with_state(api)
}
