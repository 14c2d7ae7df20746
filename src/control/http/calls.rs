//! `/v1/calls`: what is and was on the line.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;

use crate::control::{Api, Filter, Found, LiveCall, wire};
use crate::engine::{Command, Pii, Update, ready_ambience};
use crate::store::CallRecord;

use super::Refusal;
use super::body::Body;
use super::overrides::ambience;
use super::query::Query;
use super::refusal::json;
use super::segment::Segment;

/// The longest text that can be said at once, in bytes.
const LONGEST_TEXT: usize = 2_000;
const STATUSES: [&str; 8] =
    ["in-progress", "ringing", "ending", "completed", "failed", "busy", "no-answer", "voicemail"];

pub(super) async fn list(State(api): State<Arc<Api>>, uri: Uri) -> Result<Response, Refusal> {
    let mut query = Query::of(&uri);
    let agent = query.text("agent_id").or_else(|| query.text("agentId"));
    page(&api, query, agent).await
}

pub(super) async fn of_agent(State(api): State<Arc<Api>>, Segment(id): Segment, uri: Uri) -> Result<Response, Refusal> {
    if api.agent(&id).is_none() {
        return Err(Refusal::not_found("Agent"));
    }
    page(&api, Query::of(&uri), Some(id)).await
}

async fn page(api: &Api, mut query: Query, agent: Option<String>) -> Result<Response, Refusal> {
    let limit = query.integer("limit", 1..=100, 20);
    let offset = query.integer("offset", 0..=usize::MAX, 0);
    let filter = Filter {
        status: query.one_of("status", &STATUSES),
        direction: query.one_of("direction", &["inbound", "outbound", "web"]),
        web: query.one_of("type", &["pstn", "web"]).map(|kind| kind == "web"),
        agent,
        search: query.text("search").map(Pii::new),
    };
    query.finish()?;
    let (page, total) = api.calls.page(&filter, offset, limit).await;
    let data = page.iter().map(|call| wire::Call::of(call)).collect();
    Ok(json(StatusCode::OK, &wire::CallList { data, total, has_more: offset.saturating_add(limit) < total }))
}

/// One call; with `wait=true` the answer comes when it ends, or after `timeout` seconds.
pub(super) async fn one(State(api): State<Arc<Api>>, Segment(id): Segment, uri: Uri) -> Result<Response, Refusal> {
    let mut query = Query::of(&uri);
    let wait = query.flag("wait");
    let timeout = query.integer("timeout", 10..=300, 120) as u64;
    query.finish()?;
    let found = find(&api, &id)?;
    let record = match &found {
        Found::Live(call) if wait => ended_within(call, Duration::from_secs(timeout)).await,
        _ => found.record().await,
    };
    Ok(json(StatusCode::OK, &wire::Call::of(&record)))
}

pub(super) async fn transcript(State(api): State<Arc<Api>>, Segment(id): Segment) -> Result<Response, Refusal> {
    let record = find(&api, &id)?.record().await;
    Ok(json(StatusCode::OK, &wire::Transcript::of(&record)))
}

/// Ends a call. The answer does not wait for the end: its status is `ending`.
pub(super) async fn end(State(api): State<Arc<Api>>, Segment(id): Segment) -> Result<Response, Refusal> {
    let call = live(&api, &id)?;
    order(&call, Command::End).await?;
    let record = call.record().await;
    Ok(json(StatusCode::OK, &wire::Call::of(&record).with_status("ending")))
}

/// Says a text as the agent.
pub(super) async fn say(
    State(api): State<Arc<Api>>,
    Segment(id): Segment,
    mut body: Body,
) -> Result<Response, Refusal> {
    let text = body.required("text");
    let interruptible = body.flag("interruptible").unwrap_or(true);
    if let Some(text) = &text
        && (text.trim().is_empty() || text.len() > LONGEST_TEXT)
    {
        body.wrong("text", "value", format!("expected 1 to {LONGEST_TEXT} bytes of text"));
    }
    body.finish()?;
    let call = live(&api, &id)?;
    order(&call, Command::Say { text: text.unwrap_or_default(), interruptible }).await?;
    let record = call.record().await;
    Ok(json(StatusCode::OK, &wire::Call::of(&record)))
}

/// Changes how a call goes on: what is being said finishes, what comes next uses the new settings.
pub(super) async fn update(
    State(api): State<Arc<Api>>,
    Segment(id): Segment,
    mut body: Body,
) -> Result<Response, Refusal> {
    let mut update = Update {
        system_prompt: body.text("systemPrompt"),
        voice: body.text("voice").filter(|voice| !voice.is_empty()),
        voice_speed: body.number("voiceSpeed", 0.5, 2.0).map(|speed| speed as f32),
        ambience: ambience(&mut body),
        interruption_sensitivity: body.number("interruptionSensitivity", 0.0, 1.0).map(|number| number as f32),
        denoising: body.denoising(),
    };
    body.finish()?;
    let call = live(&api, &id)?;
    if let Some((agent, voice)) = api.agent(call.agent_id()).zip(update.voice.clone()) {
        update.voice = Some(agent.voice_id(voice));
    }
    ready_ambience(update.ambience.unwrap_or_default()).await;
    order(&call, Command::Update(update)).await?;
    let record = call.record().await;
    Ok(json(StatusCode::OK, &wire::Call::of(&record)))
}

/// Hands the caller to someone else: to the number in the body, or to the agent's.
pub(super) async fn transfer(
    State(api): State<Arc<Api>>,
    Segment(id): Segment,
    mut body: Body,
) -> Result<Response, Refusal> {
    let to = body.text("to").filter(|to| !to.is_empty());
    if to.as_ref().is_some_and(|to| !is_e164(to)) {
        body.wrong("to", "value", "expected a number in E.164, like \"+14155550100\"");
    }
    body.finish()?;
    let call = live(&api, &id)?;
    order(&call, Command::Transfer { to: to.map(Pii::new) }).await?;
    let record = call.record().await;
    Ok(json(StatusCode::OK, &wire::Call::of(&record)))
}

/// Whether a text is a number as carriers write it: `+` and 7 to 15 digits.
pub(super) fn is_e164(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

pub(super) fn find(api: &Api, id: &str) -> Result<Found, Refusal> {
    api.calls.find(id).ok_or_else(|| Refusal::not_found("Call"))
}

/// The record of a call once it has ended, or as it stands when `patience` is over.
pub(super) async fn ended_within(call: &LiveCall, patience: Duration) -> Arc<CallRecord> {
    match tokio::time::timeout(patience, call.ended()).await {
        Ok(record) => Arc::new(record),
        Err(_) => Arc::new(call.record().await),
    }
}

/// Gives a call an order: 409 when it is over, 503 when too many orders wait.
pub(super) async fn order(call: &LiveCall, command: Command) -> Result<(), Refusal> {
    if call.handle().command(command) {
        return Ok(());
    }
    if call.record().await.ended.is_some() {
        return Err(not_in_progress());
    }
    Err(Refusal::unavailable("the call has too many orders waiting", Duration::from_secs(1)))
}

fn live(api: &Api, id: &str) -> Result<Arc<LiveCall>, Refusal> {
    match find(api, id)? {
        Found::Live(call) => Ok(call),
        Found::Over(_) => Err(not_in_progress()),
    }
}

fn not_in_progress() -> Refusal {
    Refusal::conflict("the call is not in progress")
}
