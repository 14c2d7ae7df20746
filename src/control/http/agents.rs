//! `/v1/agents`: the configured agents, read only.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;

use crate::control::{Api, wire};

use super::Refusal;
use super::query::Query;
use super::refusal::json;
use super::segment::Segment;

pub(super) async fn list(State(api): State<Arc<Api>>, uri: Uri) -> Result<Response, Refusal> {
    let mut query = Query::of(&uri);
    let limit = query.integer("limit", 1..=100, 20);
    let offset = query.integer("offset", 0..=usize::MAX, 0);
    query.finish()?;
    let total = api.agents.len();
    let page = api.agents.iter().skip(offset).take(limit);
    let data = page.map(|agent| wire::Agent::of(agent, api.started)).collect();
    Ok(json(StatusCode::OK, &wire::AgentList { data, total, has_more: offset.saturating_add(limit) < total }))
}

pub(super) async fn voices(State(api): State<Arc<Api>>) -> Response {
    json(StatusCode::OK, &wire::VoiceList::of(&api.calls.catalogue().voices))
}

pub(super) async fn one(State(api): State<Arc<Api>>, Segment(id): Segment) -> Result<Response, Refusal> {
    let agent = api.agent(&id).ok_or_else(|| Refusal::not_found("Agent"))?;
    Ok(json(StatusCode::OK, &wire::Agent::of(agent, api.started)))
}
