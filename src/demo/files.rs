//! What the demo leaves behind beside the recording and the log: the record of the call as JSON.

use std::path::Path;
use std::{fs, io};

use serde_json::{Value, json};

use crate::engine::{Outcome, Speaker};

use super::caller::Measured;
use super::scorecard::{Assertion, PARTS};

/// Writes `call.json`.
pub(super) fn write_record(
    path: &Path,
    outcome: &Outcome,
    measured: &Measured,
    assertions: &[Assertion],
) -> io::Result<()> {
    let report = &outcome.report;
    let millis = |duration: std::time::Duration| (duration.as_secs_f64() * 1e6).round() / 1e3;
    let transcript: Vec<Value> = report
        .lines
        .iter()
        .map(|line| {
            let role = if line.speaker == Speaker::Agent { "agent" } else { "user" };
            json!({
                "role": role,
                "content": line.text,
                "atMs": millis(line.at),
                "confidence": line.confidence,
                "interrupted": line.interrupted,
            })
        })
        .collect();
    let turns: Vec<Value> = report
        .turns
        .iter()
        .map(|turn| {
            let parts: serde_json::Map<String, Value> = PARTS
                .iter()
                .zip(turn.waterfall.parts())
                .map(|(name, part)| ((*name).to_owned(), json!(millis(part))))
                .collect();
            json!({
                "turn": turn.turn,
                "stoppedMs": millis(turn.stopped),
                "waterfallMs": parts,
                "totalMs": millis(turn.waterfall.total()),
            })
        })
        .collect();
    let (inbound, outbound) = (&report.inbound, &report.outbound);
    let record = json!({
        "durationMs": report.ended.map(|(at, _)| millis(at)),
        "disconnectionReason": report.ended.map(|(_, reason)| reason.name()),
        "transcript": transcript,
        "turns": turns,
        "holds": report.holds,
        "interruptions": report.interruptions,
        "silencedMs": report.silenced.iter().map(|after| millis(*after)).collect::<Vec<_>>(),
        "silencedByEarMs": measured.silenced.iter().map(|after| millis(*after)).collect::<Vec<_>>(),
        "speculation": {
            "tries": report.speculation.tries,
            "adopted": report.speculation.adopted,
            "dropped": report.speculation.dropped,
            "tokensSpent": report.speculation.tokens_spent,
            "tokensWasted": report.speculation.tokens_wasted,
            "savedMs": millis(report.speculation.saved),
        },
        "inbound": {
            "received": inbound.received,
            "lost": inbound.lost,
            "late": inbound.late,
            "duplicate": inbound.duplicate,
            "reordered": inbound.reordered,
            "malformed": inbound.malformed,
            "concealedMs": millis(inbound.concealed),
            "jitterMs": millis(inbound.jitter),
        },
        "outbound": {
            "sent": outbound.sent,
            "underruns": outbound.underruns,
            "worstLatenessMs": millis(outbound.worst_lateness),
        },
        "assertions": assertions.iter().map(|a| json!({"what": a.what, "holds": a.holds})).collect::<Vec<_>>(),
    });
    let text = serde_json::to_string_pretty(&record).map_err(io::Error::other)?;
    fs::write(path, text + "\n")
}
