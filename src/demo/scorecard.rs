//! What was measured, and whether the conversation happened as scripted.

use std::io::{self, Write};
use std::time::Duration;

use crate::engine::{EndReason, EngineStats, Histogram, Outcome, Speaker, TurnReport, Waterfall};

use super::caller::Measured;
use super::script;

/// What the simulators were told to take; with real services nobody knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    pub(super) first_token: Duration,
    pub(super) per_token: Duration,
    pub(super) first_audio: Duration,
}

impl Told {
    /// What of a turn's delay is the engine's own: the whole less the endpointing wait and less what the simulators took
    /// because they were told to.
    fn engine_share(&self, turn: &TurnReport) -> Duration {
        let tokens = self.per_token * turn.segment_words.saturating_sub(1);
        let told = turn.waterfall.endpoint + self.first_token + tokens + self.first_audio;
        turn.waterfall.total().saturating_sub(told)
    }
}

/// Prints each turn's waterfall and the sum of everything else.
pub(super) fn write_figures(
    out: &mut impl Write,
    outcome: &Outcome,
    measured: &Measured,
    stats: &EngineStats,
    told: Option<Told>,
    cpu: Option<Duration>,
) -> io::Result<()> {
    let report = &outcome.report;
    writeln!(
        out,
        "\nLatency of each turn in ms, from the caller's last voiced sample to the first packet of the answer\n"
    )?;
    writeln!(
        out,
        "  turn   end of turn   final   first   speakable   first   first   | whole   engine's\n         \
           decided     text   token     segment   sound  packet   | delay      own"
    )?;
    for turn in &report.turns {
        let [endpoint, transcript, token, segment, audio, packet] = turn.waterfall.parts().map(ms);
        let own = told.map_or("–".to_owned(), |told| format!("{:.1}", ms(told.engine_share(turn))));
        writeln!(
            out,
            "  {:>4} {endpoint:>13.1} {transcript:>7.1} {token:>7.1} {segment:>11.1} {audio:>7.1} {packet:>7.1}   | {:>5.0} {own:>10}",
            turn.turn,
            ms(turn.waterfall.total()),
        )?;
    }
    if let Some(told) = told {
        let mut own: Vec<Duration> = report.turns.iter().map(|turn| told.engine_share(turn)).collect();
        own.sort();
        writeln!(
            out,
            "\n  engine-added delay   p50 {:.1} ms (goal ≤ 5), p99 {:.1} ms (goal ≤ 25)",
            ms(quantile(&own, 0.50)),
            ms(quantile(&own, 0.99))
        )?;
    }
    for (engine, caller) in report.silenced.iter().rev().take(1).zip(&measured.silenced) {
        writeln!(
            out,
            "  barge-in             {:.0} ms from the caller's first voiced sample to the first silent packet; \
             {:.0} ms by the caller's own ear (goal ≤ 150)",
            ms(*engine),
            ms(*caller)
        )?;
    }
    let (inbound, outbound) = (&report.inbound, &report.outbound);
    let mut spacing = measured.spacing.clone();
    spacing.sort();
    writeln!(
        out,
        "  caller's packets     {} sent, {} received, {} lost, {} late, {:.0} ms concealed",
        measured.sent,
        inbound.received,
        inbound.lost,
        inbound.late,
        ms(inbound.concealed)
    )?;
    writeln!(
        out,
        "  agent's packets      {} sent, {} received by the caller, {} underruns; 20 ms apart within {:.1} ms at p99",
        outbound.sent,
        measured.received,
        outbound.underruns,
        ms(quantile(&spacing, 0.99))
    )?;
    writeln!(
        out,
        "  packets left         p50 {}, p99 {} after their deadline (goal p99 ≤ 5 ms)",
        bucket(&stats.pacing_lateness, 0.50),
        bucket(&stats.pacing_lateness, 0.99)
    )?;
    match (cpu, report.ended) {
        (Some(cpu), Some((length, _))) if !length.is_zero() => writeln!(
            out,
            "  CPU                  {:.2} s for {:.0} s of call: engine, simulators and caller together ({:.1} % of a core)",
            cpu.as_secs_f64(),
            length.as_secs_f64(),
            100.0 * cpu.as_secs_f64() / length.as_secs_f64()
        )?,
        _ => {}
    }
    Ok(())
}

/// One thing that had to come of the conversation.
#[derive(Clone, Debug)]
pub(super) struct Assertion {
    pub(super) what: String,
    pub(super) holds: bool,
}

/// What had to come of the scripted conversation.
pub(super) fn assertions(outcome: &Outcome, measured: &Measured) -> Vec<Assertion> {
    let report = &outcome.report;
    let agent: Vec<_> = report.lines.iter().filter(|line| line.speaker == Speaker::Agent).collect();
    let caller: Vec<_> = report.lines.iter().filter(|line| line.speaker == Speaker::Caller).collect();
    let mut all = Vec::new();
    let mut assert = |what: &str, holds: bool| all.push(Assertion { what: what.to_owned(), holds });

    assert(
        "the greeting was heard to its end",
        agent.first().is_some_and(|line| line.text == script::BEGIN_MESSAGE && !line.interrupted),
    );
    let said: Vec<&str> = caller.iter().map(|line| line.text.as_str()).collect();
    let scripted: Vec<&str> = script::EXCHANGES.iter().map(|(caller, _)| *caller).collect();
    assert("all five sentences of the caller became turns, in order, and nothing else did", said == scripted);
    assert("every turn was answered", report.turns.len() == script::EXCHANGES.len());
    assert("the greeting and every answer are in the transcript", agent.len() == 1 + script::EXCHANGES.len());
    let whole = agent
        .iter()
        .skip(1)
        .filter(|line| !line.interrupted)
        .all(|line| script::EXCHANGES.iter().any(|(_, answer)| *answer == line.text));
    assert("every answer that was not interrupted was heard word for word", whole);
    let cut: Vec<_> = agent.iter().filter(|line| line.interrupted).collect();
    assert("exactly one answer was interrupted", cut.len() == 1 && report.interruptions == 1);
    let prefix = cut.first().is_some_and(|line| {
        let heard = heard_words(&line.text);
        !heard.is_empty() && script::INTERRUPTED.starts_with(&heard) && heard.len() < script::INTERRUPTED.len()
    });
    assert("the interrupted answer stands in history only as far as it was heard", prefix);
    let long = cut.first().is_some_and(|line| line.text.split_whitespace().count() >= 12);
    assert("the cough and the mm-hmm did not end it", long && report.holds >= 1);
    assert(
        "the agent fell silent within 150 ms of the interruption's first sample, by the caller's own ear",
        matches!(measured.silenced[..], [after] if after <= BARGE_IN),
    );
    let sums = report.turns.iter().all(|turn| {
        let sum: Duration = turn.waterfall.parts().iter().sum();
        sum.abs_diff(turn.waterfall.total()) <= Duration::from_millis(1)
    });
    assert("the parts of every turn's delay sum to the whole", sums);
    assert(
        "the call ended because the caller hung up",
        report.ended.is_some_and(|(_, reason)| reason == EndReason::UserHangup),
    );
    all
}

/// What a barge-in may take.
const BARGE_IN: Duration = Duration::from_millis(150);

/// With a caller of the user's own nothing is scripted: somebody spoke, somebody answered.
pub(super) fn assertions_for_any_caller(outcome: &Outcome, measured: &Measured) -> Vec<Assertion> {
    let report = &outcome.report;
    let spoke = |speaker| report.lines.iter().any(|line| line.speaker == speaker);
    vec![
        Assertion { what: "the file was played to its end".into(), holds: measured.done },
        Assertion { what: "the caller was understood".into(), holds: spoke(Speaker::Caller) },
        Assertion { what: "the agent was heard".into(), holds: spoke(Speaker::Agent) },
        Assertion { what: "a turn of the caller was answered".into(), holds: !report.turns.is_empty() },
    ]
}

/// The heard words of a cut line, without the mark that says it was cut.
fn heard_words(text: &str) -> String {
    text.trim_end_matches(|c: char| !c.is_alphanumeric() && c != '.' && c != ',').trim_end_matches('.').to_owned()
}

fn quantile(sorted: &[Duration], q: f64) -> Duration {
    let index = ((sorted.len() as f64 * q).ceil() as usize).clamp(1, sorted.len().max(1)) - 1;
    sorted.get(index).copied().unwrap_or_default()
}

fn bucket(histogram: &Histogram, q: f64) -> String {
    let total = histogram.count();
    let mut seen = 0;
    for (bound, count) in histogram.bounds.iter().zip(&histogram.counts) {
        seen += count;
        if seen as f64 >= total as f64 * q {
            return format!("≤ {} ms", bound.as_millis());
        }
    }
    format!("> {} ms", histogram.bounds.last().copied().unwrap_or_default().as_millis())
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// The names of the parts, for `call.json`.
pub(super) const PARTS: [&str; 6] = Waterfall::NAMES;
