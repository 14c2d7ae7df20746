//! What was said, in the two shapes of the API.

use serde::Serialize;

use crate::store::{CallRecord, LineRecord, Side};

use super::time::iso;

/// `GET /v1/calls/{id}/transcript`: both shapes in one object.
#[derive(Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Transcript {
    call_id: String,
    status: String,
    direction: String,
    agent_id: String,
    from_number: String,
    to_number: String,
    data: Vec<Row>,
    transcript: Vec<Said>,
}

/// One exchange: what the person said and what the agent answered.
#[derive(Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    id: String,
    transcript: String,
    response: Option<String>,
    confidence: f64,
    created_at: String,
}

/// One line: who said what.
#[derive(Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    role: &'static str,
    content: String,
    created_at: String,
}

impl Transcript {
    /// The transcript of a call. In `data` an opening greeting stands in `transcript`, as the oldest clients expect.
    pub fn of(call: &CallRecord) -> Self {
        let mut data = Row::all(call);
        let greeting = call.lines.first().is_some_and(|line| line.side == Side::Agent);
        if let (true, Some(first)) = (greeting, data.first_mut()) {
            first.transcript = first.response.take().unwrap_or_default();
        }
        let said = |line: &LineRecord| Said {
            role: role(line.side),
            content: line.text.clone(),
            created_at: iso(call.started + line.at),
        };
        Self {
            call_id: call.id.clone(),
            status: call.status.clone(),
            direction: call.direction.clone(),
            agent_id: call.agent_id.clone(),
            from_number: call.from.clone(),
            to_number: call.to.clone(),
            data,
            transcript: call.lines.iter().map(said).collect(),
        }
    }
}

impl Row {
    /// The rows of a call: each turn of the caller with all the agent said until the next. What the agent says before
    /// the caller's first turn stands alone, with an empty `transcript`.
    pub(super) fn all(call: &CallRecord) -> Vec<Self> {
        let suffix = call.id.strip_prefix("call_").unwrap_or(&call.id);
        let mut rows: Vec<Self> = Vec::new();
        let mut answering = false;
        for line in &call.lines {
            if line.side == Side::Agent
                && answering
                && let Some(row) = rows.last_mut()
            {
                match &mut row.response {
                    Some(response) => {
                        response.push(' ');
                        response.push_str(&line.text);
                    }
                    response => *response = Some(line.text.clone()),
                }
                continue;
            }
            let caller = line.side == Side::Caller;
            answering |= caller;
            rows.push(Self {
                id: format!("tx_{suffix}_{}", rows.len() + 1),
                transcript: if caller { line.text.clone() } else { String::new() },
                response: (!caller).then(|| line.text.clone()),
                confidence: round(line.confidence),
                created_at: iso(call.started + line.at),
            });
        }
        rows
    }
}

/// The role of the API.
pub(super) const fn role(side: Side) -> &'static str {
    match side {
        Side::Caller => "user",
        Side::Agent => "agent",
    }
}

/// A confidence with three digits: an `f32` would show its binary tail.
pub(super) fn round(confidence: f32) -> f64 {
    (f64::from(confidence) * 1_000.0).round() / 1_000.0
}
