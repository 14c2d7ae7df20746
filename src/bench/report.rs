//! Levels as a table and as JSON.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::level::{LATEST, Level, SLOWEST, ms};
use super::spread::Spread;

/// The table's head: one line for a terminal of 140 columns.
pub fn head() -> String {
    format!(
        "{:>5} | {:>17} | {:>11} | {:>17} | {:>11} | {:>6} | {:>13} | {:>6} {:>6} {:>5} | {:>14}\n\
         {:>5} | {:>5} {:>5} {:>5} | {:>5} {:>5} | {:>5} {:>5} {:>5} | {:>5} {:>5} | {:>6} | {:>6} {:>6} | {:>6} {:>6} {:>5} | {:>4} {:>4} {:>4}",
        "",
        "response ms",
        "barge-in ms",
        "late at caller ms",
        "in engine",
        "own",
        "turns",
        "CPU s/",
        "kB/",
        "",
        "cores of",
        "calls",
        "p50",
        "p95",
        "p99",
        "p50",
        "p95",
        "p50",
        "p99",
        "p99.9",
        "p99",
        "p99.9",
        "p99",
        "all",
        "failed",
        "call-m",
        "call",
        "files",
        "eng.",
        "serv",
        "call"
    )
}

/// One level as a line under [`head`].
pub fn line(level: &Level) -> String {
    let of = |spread: &Spread, q: f64, digits: usize| match spread.quantile(q) {
        Some(value) => format!("{:.digits$}", ms(value)),
        None => "–".into(),
    };
    let engine = |n: usize| level.engine_lateness.and_then(|late| late.get(n).copied());
    let engine = |n: usize| engine(n).map_or("–".to_owned(), |late| format!("{:.2}", ms(late)));
    let share = |cores: Option<f64>| cores.map_or("–".to_owned(), |cores| format!("{cores:.2}"));
    let failed: u64 = level.failed.iter().map(|(_, count)| count).sum();
    let cost = |text: &dyn Fn(&super::level::Cost) -> Option<String>| {
        level.engine.as_ref().and_then(text).unwrap_or_else(|| "–".into())
    };
    let mut line = format!(
        "{:>5} | {:>5} {:>5} {:>5} | {:>5} {:>5} | {:>5} {:>5} {:>5} | {:>5} {:>5} | {:>6} | {:>6} {:>6} | {:>6} {:>6} {:>5} | {:>4} {:>4} {:>4}",
        level.calls,
        of(&level.response, 0.5, 0),
        of(&level.response, 0.95, 0),
        of(&level.response, 0.99, 0),
        of(&level.silenced, 0.5, 0),
        of(&level.silenced, 0.95, 0),
        of(&level.lateness, 0.5, 2),
        of(&level.lateness, 0.99, 2),
        of(&level.lateness, 0.999, 2),
        engine(1),
        engine(2),
        of(&level.own_lateness, 0.99, 2),
        level.turns,
        failed,
        cost(&|cost| Some(format!("{:.3}", cost.cpu_per_call_minute))),
        cost(&|cost| cost.resident_per_call.map(|bytes| format!("{:.0}", bytes / 1_000.0))),
        cost(&|cost| Some(cost.descriptors.to_string())),
        cost(&|cost| Some(format!("{:.2}", cost.cores))),
        share(level.services_cores),
        share(level.callers_cores),
    );
    // Writing to a String cannot fail.
    let _ = write!(line, "\n{:>7} {}", "", level.verdict());
    if !level.failed.is_empty() || level.lost > 0 || level.underruns.is_some_and(|count| count > 0) {
        let kinds: Vec<String> =
            level.failed.iter().map(|(fault, count)| format!("{count} {}", fault.name())).collect();
        let _ = write!(
            line,
            " [{}{}packets: {} lost, {} late; playout underruns: {}]",
            kinds.join(", "),
            if kinds.is_empty() { "" } else { "; " },
            level.lost,
            level.late,
            level.underruns.map_or("–".to_owned(), |count| count.to_string())
        );
    }
    line
}

/// All levels.
pub fn document(levels: &[Level]) -> Value {
    json!({
        "unit": "ms",
        "contracts": {"latenessP99": ms(LATEST), "responseP95Over": ms(SLOWEST), "failedTurns": 0},
        "levels": levels.iter().map(object).collect::<Vec<_>>(),
        "held": levels.iter().filter(|level| level.broken.is_empty()).map(|level| level.calls).max(),
    })
}

fn object(level: &Level) -> Value {
    let spread = |spread: &Spread| {
        let of = |q| spread.quantile(q).map(ms);
        json!({
            "count": spread.count(), "p50": of(0.5), "p95": of(0.95), "p99": of(0.99), "p999": of(0.999),
            "worst": (spread.count() > 0).then(|| ms(spread.worst())),
        })
    };
    let late = |[p50, p99, p999]: [Duration; 3]| json!({"p50": ms(p50), "p99": ms(p99), "p999": ms(p999)});
    let failed: u64 = level.failed.iter().map(|(_, count)| count).sum();
    json!({
        "calls": level.calls,
        "seconds": level.measured.as_secs_f64(),
        "response": spread(&level.response),
        "bargeIn": spread(&level.silenced),
        "lateness": spread(&level.lateness),
        "latenessInEngine": level.engine_lateness.map(late),
        "callersOwnLateness": spread(&level.own_lateness),
        "turns": level.turns,
        "failedTurns": failed,
        "failures": level.failed.iter().map(|(fault, count)| (fault.name().to_owned(), Value::from(*count)))
            .collect::<serde_json::Map<_, _>>(),
        "packets": {"received": level.received, "lost": level.lost, "late": level.late},
        "underruns": level.underruns,
        "engine": level.engine.map(|cost| json!({
            "cpuSecondsPerCallMinute": cost.cpu_per_call_minute,
            "cores": cost.cores,
            "residentBytes": cost.resident,
            "residentBytesPerCall": cost.resident_per_call,
            "fileDescriptors": cost.descriptors,
        })),
        "servicesCores": level.services_cores,
        "callersCores": level.callers_cores,
        "measuringSideSaturated": level.is_saturated(),
        "broken": level.broken.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}
