//! The Call object.

use serde::{Serialize, Serializer};

use crate::store::{CallRecord, CostRecord, Counter, LineRecord, TurnRecord, Value};

use super::time::{iso, ms};
use super::transcript::{Row, role, round};

/// One call, live or over.
#[derive(Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    id: String,
    agent_id: String,
    agent_name: String,
    phone_number_id: Option<String>,
    phone_number: Option<String>,
    from_number: String,
    to_number: String,
    direction: String,
    status: String,
    started_at: String,
    ended_at: Option<String>,
    duration_seconds: Option<u64>,
    last_transcript_snippet: Option<String>,
    recording_url: Option<String>,
    recording_available: bool,
    retell_call_id: Option<String>,
    transcripts: Vec<Row>,
    engine: Extras,
}

/// A page of calls.
#[derive(Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CallList {
    /// The calls, newest first.
    pub data: Vec<Call>,
    /// How many there are in all.
    pub total: usize,
    /// Whether there are more after these.
    pub has_more: bool,
}

/// What the engine knows and the API does not.
#[derive(Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Extras {
    state: &'static str,
    disconnection_reason: Option<String>,
    transport: String,
    codec: String,
    local: Option<String>,
    stream_sid: Option<String>,
    call_sid: Option<String>,
    answered_ms: Option<f64>,
    answered_by: Option<String>,
    holds: u32,
    interruptions: u32,
    silenced_ms: Vec<f64>,
    speculation: Counters,
    hedges: Counters,
    dropped: u64,
    turns: Vec<Turn>,
    lines: Vec<Line>,
    inbound: Counters,
    outbound: Counters,
    leg: Counters,
    quality: Counters,
    services: Counters,
    costs: Vec<Cost>,
    price: Option<Price>,
    unrecorded_ms: f64,
    recording: Option<String>,
}

/// The latency of one answered turn.
#[derive(Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Turn {
    turn: u32,
    reply: u32,
    stopped_ms: f64,
    segment_words: u32,
    total_ms: f64,
    waterfall_ms: Waterfall,
}

/// Parts in their order; they sum to the total.
#[derive(Clone, PartialEq)]
pub(super) struct Waterfall(pub(super) Vec<(&'static str, std::time::Duration)>);

/// One line of the transcript with what the API's rows leave out.
#[derive(Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    role: &'static str,
    content: String,
    at_ms: f64,
    confidence: f64,
    interrupted: bool,
}

/// Named numbers in their order.
#[derive(Clone, PartialEq)]
struct Counters(Vec<Counter>);

/// How much of the last line `lastTranscriptSnippet` shows, in characters.
const SNIPPET: usize = 120;

impl Call {
    /// The object of a record.
    pub fn of(call: &CallRecord) -> Self {
        let ours = if call.direction == "outbound" { &call.from } else { &call.to };
        Self {
            id: call.id.clone(),
            agent_id: call.agent_id.clone(),
            agent_name: call.agent_name.clone(),
            phone_number_id: None,
            phone_number: (!ours.is_empty()).then(|| ours.clone()),
            from_number: call.from.clone(),
            to_number: call.to.clone(),
            direction: call.direction.clone(),
            status: call.status.clone(),
            started_at: iso(call.started),
            ended_at: call.ended.map(iso),
            duration_seconds: duration_seconds(call),
            last_transcript_snippet: call.lines.last().map(|line| line.text.chars().take(SNIPPET).collect()),
            recording_url: None,
            recording_available: false,
            retell_call_id: None,
            transcripts: Row::all(call),
            engine: Extras::of(call),
        }
    }

    /// The same call with another status: the answer to the order to end it.
    pub fn with_status(mut self, status: &str) -> Self {
        status.clone_into(&mut self.status);
        self
    }
}

impl Extras {
    fn of(call: &CallRecord) -> Self {
        Self {
            state: if call.ended.is_some() { "ended" } else { "live" },
            disconnection_reason: call.reason.clone(),
            transport: call.transport.clone(),
            codec: call.codec.clone(),
            local: call.local.clone(),
            stream_sid: call.stream_sid.clone(),
            call_sid: call.call_sid.clone(),
            answered_ms: call.answered.map(ms),
            answered_by: call.answered_by.clone(),
            holds: call.holds,
            interruptions: call.interruptions,
            silenced_ms: call.silenced.iter().copied().map(ms).collect(),
            speculation: Counters(call.speculation.clone()),
            hedges: Counters(call.hedges.clone()),
            dropped: call.dropped,
            turns: call.turns.iter().map(Turn::of).collect(),
            lines: call.lines.iter().map(Line::of).collect(),
            inbound: Counters(call.inbound.clone()),
            outbound: Counters(call.outbound.clone()),
            leg: Counters(call.line.clone()),
            quality: Counters(call.quality.clone()),
            services: Counters(call.services.clone()),
            costs: call.costs.iter().map(Cost::of).collect(),
            price: Price::of(call),
            unrecorded_ms: ms(call.unrecorded),
            recording: call.recording.clone(),
        }
    }
}

/// What was used of one model of one vendor.
#[derive(Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Cost {
    service: &'static str,
    vendor: String,
    model: String,
    requests: u64,
    prompt_tokens: u64,
    completion_tokens: u64,
    estimated_tokens: u64,
    characters: u64,
    audio_ms: f64,
    price: Option<f64>,
}

/// What all of it cost.
#[derive(Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Price {
    currency: String,
    total: f64,
    /// Whether everything that was used has a price.
    complete: bool,
}

impl Cost {
    fn of(cost: &CostRecord) -> Self {
        Self {
            service: cost.service,
            vendor: cost.vendor.clone(),
            model: cost.model.clone(),
            requests: cost.requests,
            prompt_tokens: cost.prompt_tokens,
            completion_tokens: cost.completion_tokens,
            estimated_tokens: cost.estimated_tokens,
            characters: cost.characters,
            audio_ms: ms(cost.audio),
            price: cost.price.map(money),
        }
    }
}

impl Price {
    fn of(call: &CallRecord) -> Option<Self> {
        let total = call.costs.iter().filter_map(|cost| cost.price).sum();
        let complete = call.costs.iter().all(|cost| cost.price.is_some());
        Some(Self { currency: call.currency.clone()?, total: money(total), complete })
    }
}

/// A price to the millionth.
fn money(price: f64) -> f64 {
    (price * 1e6).round() / 1e6
}

impl Turn {
    fn of(turn: &TurnRecord) -> Self {
        Self {
            turn: turn.turn,
            reply: turn.reply,
            stopped_ms: ms(turn.stopped),
            segment_words: turn.segment_words,
            total_ms: ms(turn.waterfall.iter().map(|(_, part)| *part).sum()),
            waterfall_ms: Waterfall(turn.waterfall.clone()),
        }
    }
}

impl Line {
    fn of(line: &LineRecord) -> Self {
        Self {
            role: role(line.side),
            content: line.text.clone(),
            at_ms: ms(line.at),
            confidence: round(line.confidence),
            interrupted: line.interrupted,
        }
    }
}

impl Serialize for Waterfall {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, part)| (camel(name), ms(*part))))
    }
}

/// `first_token` → `firstToken`.
fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

impl Serialize for Counters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|counter| (counter.name, Number(counter.value))))
    }
}

struct Number(Value);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Count(count) => serializer.serialize_u64(count),
            Value::Time(time) => serializer.serialize_f64(ms(time)),
            Value::Score(score) => serializer.serialize_f64(round(score)),
        }
    }
}

/// Whole seconds from the answer to the end; `None` while it goes on.
pub(super) fn duration_seconds(call: &CallRecord) -> Option<u64> {
    let ended = call.ended?;
    let Some(answered) = call.answered else { return Some(0) };
    Some(ended.duration_since(call.started + answered).unwrap_or_default().as_secs())
}
