//! The events of a call, as a stream tells them.

use std::time::SystemTime;

use serde::Serialize;

use crate::engine::{DialogueEvent, Event, EventKind, TurnReport, Waterfall, Why};
use crate::store::{CallRecord, EventRecord};

use super::call::{self, duration_seconds};
use super::time::{iso, ms};

/// One event: where and when, and what is particular to it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EventData<'e> {
    call_id: &'e str,
    at_ms: f64,
    created_at: String,
    #[serde(flatten)]
    what: What<'e>,
}

/// The first event of every stream.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Connected<'e> {
    call_id: &'e str,
    agent_id: &'e str,
    direction: &'e str,
    from_number: &'e str,
    to_number: &'e str,
    from: &'e str,
    to: &'e str,
    status: &'e str,
    started_at: String,
}

/// The last event of every stream.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ended<'e> {
    call_id: &'e str,
    status: &'e str,
    ended_at: Option<String>,
    duration_seconds: Option<u64>,
    disconnection_reason: Option<&'e str>,
}

#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum What<'e> {
    Nothing {},
    Reply {
        reply: u32,
        why: Reason<'e>,
    },
    Thought {
        reply: u32,
        tokens: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        saved_ms: Option<f64>,
        why: Reason<'e>,
    },
    Said {
        reply: u32,
        text: &'e str,
        why: Reason<'e>,
    },
    Held {
        reply: u32,
        voice_began_ms: f64,
        why: Reason<'e>,
    },
    Heard {
        text: &'e str,
        settled: bool,
    },
    UserTurn {
        role: &'static str,
        content: &'e str,
        /// What of the turn before, which was taken back, this content replaces.
        #[serde(skip_serializing_if = "Option::is_none")]
        replaces: Option<&'e str>,
        turn: u32,
        reply: u32,
        confidence: f64,
        stopped_ms: Option<f64>,
        decided_ms: f64,
        settled_ms: f64,
        why: Reason<'e>,
    },
    AgentTurn {
        role: &'static str,
        content: &'e str,
        reply: u32,
        interrupted: bool,
        why: Reason<'e>,
    },
    Text {
        text: &'e str,
        why: Reason<'e>,
    },
    ToolStarted {
        name: &'e str,
        why: Reason<'e>,
    },
    ToolEnded {
        name: &'e str,
        took_ms: f64,
        why: Reason<'e>,
    },
    Decided {
        why: Reason<'e>,
    },
    TransferFailed {
        end: &'static str,
        why: Reason<'e>,
    },
    ServiceFailed {
        service: &'static str,
        failure: &'static str,
        why: Reason<'e>,
    },
    Ignored {
        why: Reason<'e>,
    },
    Hedged {
        service: &'static str,
        reply: Option<u32>,
        backup: Option<u32>,
        why: Reason<'e>,
    },
    Unstuck {
        why: Reason<'e>,
    },
    Dropped {
        what: &'static str,
        why: Reason<'e>,
    },
    AnsweredBy {
        answered_by: &'static str,
        why: Reason<'e>,
    },
    Ending {
        disconnection_reason: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        why: Option<Reason<'e>>,
    },
    SoundWithoutVoice {
        since_ms: f64,
        why: Reason<'e>,
    },
    TurnAnswered {
        turn: u32,
        reply: u32,
        stopped_ms: f64,
        segment_words: u32,
        total_ms: f64,
        waterfall_ms: call::Waterfall,
    },
    Silenced {
        reply: u32,
        after_ms: f64,
    },
    Missed {
        events: u64,
    },
}

/// Which rule decided, and on what.
#[derive(Serialize)]
struct Reason<'e> {
    rule: &'static str,
    inputs: &'e str,
}

impl<'e> EventData<'e> {
    /// An event with the name it is told under. `started` is when the call began.
    pub fn record(call_id: &'e str, started: SystemTime, event: &'e Event) -> EventRecord {
        let (name, what) = what(&event.kind);
        let data = Self { call_id, at_ms: ms(event.at), created_at: iso(started + event.at), what };
        EventRecord { name, data: ascii(&data) }
    }

    /// Told to a listener that was too slow and missed some events.
    pub fn missed(events: u64) -> EventRecord {
        EventRecord { name: "missed", data: ascii(&What::Missed { events }) }
    }
}

impl<'e> Connected<'e> {
    /// The opening of a call's stream.
    pub fn record(call: &'e CallRecord) -> EventRecord {
        let data = Self {
            call_id: &call.id,
            agent_id: &call.agent_id,
            direction: &call.direction,
            from_number: &call.from,
            to_number: &call.to,
            from: &call.from,
            to: &call.to,
            status: &call.status,
            started_at: iso(call.started),
        };
        EventRecord { name: "connected", data: ascii(&data) }
    }
}

impl<'e> Ended<'e> {
    /// The close of a call's stream.
    pub fn record(call: &'e CallRecord) -> EventRecord {
        let data = Self {
            call_id: &call.id,
            status: &call.status,
            ended_at: call.ended.map(iso),
            duration_seconds: duration_seconds(call),
            disconnection_reason: call.reason.as_deref(),
        };
        EventRecord { name: "ended", data: ascii(&data) }
    }
}

/// JSON on one line and in ASCII: a reader that guesses the charset, or that splits lines at U+2028, stays whole.
pub fn ascii(value: &impl Serialize) -> String {
    // Only maps with keys that are no text, or a failing `Serialize`, could fail here; our shapes have neither.
    let json = serde_json::to_string(value).unwrap_or_else(|_| "{}".into());
    if json.is_ascii() && !json.contains('\u{7f}') {
        return json;
    }
    let mut escaped = String::with_capacity(json.len() + json.len() / 2);
    for letter in json.chars() {
        if letter.is_ascii() && letter != '\u{7f}' {
            escaped.push(letter);
            continue;
        }
        for unit in letter.encode_utf16(&mut [0; 2]) {
            escaped.push_str(&format!("\\u{unit:04x}"));
        }
    }
    escaped
}

fn what(kind: &EventKind) -> (&'static str, What<'_>) {
    match kind {
        EventKind::Answered => ("answered", What::Nothing {}),
        EventKind::Dialogue(event) => dialogue(event),
        EventKind::TurnAnswered(report) => ("turn-answered", turn_answered(report)),
        EventKind::Silenced { reply, after } => ("silenced", What::Silenced { reply: reply.0, after_ms: ms(*after) }),
        EventKind::SoundWithoutVoice { since, why } => {
            ("sound-without-voice", What::SoundWithoutVoice { since_ms: ms(*since), why: reason(why) })
        }
        EventKind::DigitPressed => ("digit", What::Nothing {}),
        EventKind::Ended { reason } => ("closed", What::Ending { disconnection_reason: reason.name(), why: None }),
    }
}

fn dialogue(event: &DialogueEvent) -> (&'static str, What<'_>) {
    match event {
        DialogueEvent::CallerStarted => ("caller-started", What::Nothing {}),
        DialogueEvent::CallerHeard { text, settled } => ("caller-heard", What::Heard { text, settled: *settled }),
        DialogueEvent::TurnCommitted { turn, reply, text, replaces, confidence, stopped, decided, settled, why } => {
            let what = What::UserTurn {
                role: "user",
                content: text,
                replaces: replaces.as_deref(),
                turn: *turn,
                reply: reply.0,
                confidence: super::transcript::round(*confidence),
                stopped_ms: stopped.map(ms),
                decided_ms: ms(*decided),
                settled_ms: ms(*settled),
                why: reason(why),
            };
            ("turn", what)
        }
        DialogueEvent::ThoughtAhead { reply, why } => {
            ("thought-ahead", What::Reply { reply: reply.0, why: reason(why) })
        }
        DialogueEvent::ThoughtKept { reply, tokens, saved, why } => {
            let saved_ms = Some(ms(*saved));
            ("thought-kept", What::Thought { reply: reply.0, tokens: *tokens, saved_ms, why: reason(why) })
        }
        DialogueEvent::ThoughtDropped { reply, tokens, why } => {
            ("thought-dropped", What::Thought { reply: reply.0, tokens: *tokens, saved_ms: None, why: reason(why) })
        }
        DialogueEvent::Ducked { reply, why } => ("ducked", What::Reply { reply: reply.0, why: reason(why) }),
        DialogueEvent::Held { reply, voice_began, why } => {
            ("held", What::Held { reply: reply.0, voice_began_ms: ms(*voice_began), why: reason(why) })
        }
        DialogueEvent::Resumed { reply, why } => ("resumed", What::Reply { reply: reply.0, why: reason(why) }),
        DialogueEvent::TakenBack { reply, why } => ("taken-back", What::Reply { reply: reply.0, why: reason(why) }),
        DialogueEvent::Interrupted { reply, why } => ("interrupted", What::Reply { reply: reply.0, why: reason(why) }),
        DialogueEvent::Backchannel { text, why } => ("backchannel", What::Text { text, why: reason(why) }),
        DialogueEvent::AgentBackchannel { reply, text, why } => {
            ("agent-backchannel", What::Said { reply: reply.0, text, why: reason(why) })
        }
        DialogueEvent::AgentSaid { reply, text, interrupted, why } => {
            let (role, interrupted) = ("agent", *interrupted);
            ("turn", What::AgentTurn { role, content: text, reply: reply.0, interrupted, why: reason(why) })
        }
        DialogueEvent::ToolStarted { name, why } => ("tool-started", What::ToolStarted { name, why: reason(why) }),
        DialogueEvent::ToolEnded { name, took, why } => {
            ("tool-ended", What::ToolEnded { name, took_ms: ms(*took), why: reason(why) })
        }
        DialogueEvent::TransferStarted { why } => ("transfer-started", What::Decided { why: reason(why) }),
        DialogueEvent::LineHeld { held, why } => {
            (if *held { "line-held" } else { "line-resumed" }, What::Decided { why: reason(why) })
        }
        DialogueEvent::Withheld { reply, why } => ("withheld", What::Reply { reply: reply.0, why: reason(why) }),
        DialogueEvent::TransferFailed { end, why } => {
            ("transfer-failed", What::TransferFailed { end: end.name(), why: reason(why) })
        }
        DialogueEvent::ServiceFailed { service, failure, why } => {
            let (service, failure) = (service.name(), failure.name());
            ("service-failed", What::ServiceFailed { service, failure, why: reason(why) })
        }
        DialogueEvent::Ignored { why } => ("ignored", What::Ignored { why: reason(why) }),
        DialogueEvent::Hedged { service, reply, backup, why } => {
            let (reply, backup) = (reply.map(|id| id.0), backup.map(|id| id.0));
            ("hedged", What::Hedged { service: service.name(), reply, backup, why: reason(why) })
        }
        DialogueEvent::Unstuck { why } => ("unstuck", What::Unstuck { why: reason(why) }),
        DialogueEvent::Dropped { what, why } => ("dropped", What::Dropped { what, why: reason(why) }),
        DialogueEvent::AnsweredBy { by, why } => {
            ("answered-by", What::AnsweredBy { answered_by: by.name(), why: reason(why) })
        }
        DialogueEvent::Ending { reason: end, why } => {
            ("ending", What::Ending { disconnection_reason: end.name(), why: Some(reason(why)) })
        }
    }
}

fn turn_answered(report: &TurnReport) -> What<'_> {
    let parts = Waterfall::NAMES.into_iter().zip(report.waterfall.parts()).collect();
    What::TurnAnswered {
        turn: report.turn,
        reply: report.reply.0,
        stopped_ms: ms(report.stopped),
        segment_words: report.segment_words,
        total_ms: ms(report.waterfall.total()),
        waterfall_ms: call::Waterfall(parts),
    }
}

fn reason(why: &Why) -> Reason<'_> {
    Reason { rule: why.rule, inputs: &why.inputs }
}
