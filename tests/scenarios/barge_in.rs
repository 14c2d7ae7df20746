//! Many variants of one call: what must never end the agent's answer, and what always must.

use std::time::Duration;

use agentphone::world::{Outcome, Scenario, run};

/// How many variants of each; `AGENTPHONE_VARIANTS` asks for more.
const VARIANTS: u64 = 10;

fn variants() -> u64 {
    std::env::var("AGENTPHONE_VARIANTS").ok().and_then(|count| count.parse().ok()).unwrap_or(VARIANTS)
}

const SENTENCE: &str =
    "We are open from nine in the morning until six in the evening, every day of the week but Sunday.";

/// Runs the variants: the agent speaks, and `what` happens, at a place, with a length and a voice that differ.
fn outcomes(what: impl Fn(u64, u64) -> String) -> Vec<(String, Outcome)> {
    (0..variants())
        .map(|n| {
            // Places all over the answer, not on the grid of its packets or words.
            let (place, length) = (700 + n * 613 % 3_400, n * 37 % 100);
            let happens = what(place, length);
            let file = format!(
                "network seed={}\nagent begin=\"{SENTENCE}\"\nreply \"Certainly.\"\n{happens}\nrun 12000",
                n + 1
            );
            let scenario = Scenario::parse("variant", &file).expect("a scenario");
            (happens, run(&scenario))
        })
        .collect()
}

/// The answer was heard to its end, with no more than this of it missing at a time, and nobody's turn came of it.
fn goes_on(outcomes: &[(String, Outcome)], gap_ms: u128) {
    for (happens, outcome) in outcomes {
        assert!(outcome.failures.is_empty(), "{happens}\n{}", outcome.timeline());
        let whole = outcome.report.lines.first().is_some_and(|line| line.text == SENTENCE && !line.interrupted);
        assert!(whole, "{happens}\n{}", outcome.timeline());
        assert!(outcome.longest_gap.as_millis() <= gap_ms, "{happens}: {:?}", outcome.longest_gap);
        assert!(outcome.moments.iter().all(|moment| moment.kind != "commit"), "{happens}\n{}", outcome.timeline());
    }
}

#[test]
fn a_cough_never_ends_the_answer() {
    goes_on(&outcomes(|at, more| format!("a1+{at} cough {}", 120 + 2 * more)), 900);
}

#[test]
fn an_mm_hmm_never_ends_the_answer() {
    goes_on(&outcomes(|at, more| format!("a1+{at} says {} \"mm-hmm\"", 250 + 2 * more)), 1_500);
}

#[test]
fn people_talking_around_the_caller_never_end_the_answer() {
    // From before the answer, or from its middle on; 5 dB softer than the caller would be.
    goes_on(&outcomes(|at, more| format!("a1+{at} babble {} level=-25", 2_000 + 30 * more)), 3_000);
}

#[test]
fn an_echo_never_ends_the_answer() {
    let line = |at: u64, more| format!("network echo={}:-{}", 40 + at / 10, 6 + more % 18);
    goes_on(&outcomes(line), 700);
}

#[test]
fn a_real_interruption_always_ends_it_within_130_ms_at_the_median() {
    let outcomes = outcomes(|at, more| format!("a1+{at} says {} \"no wait I meant Tuesday\"", 1_200 + 5 * more));
    let mut silenced: Vec<Duration> = Vec::new();
    for (happens, outcome) in &outcomes {
        assert!(outcome.failures.is_empty(), "{happens}\n{}", outcome.timeline());
        let cut = outcome.report.lines.first().is_some_and(|line| line.interrupted);
        assert!(cut && outcome.report.interruptions == 1, "{happens}\n{}", outcome.timeline());
        silenced.extend(outcome.report.silenced.first().copied());
    }
    assert_eq!(silenced.len(), outcomes.len());
    silenced.sort();
    let (median, worst) = (silenced[silenced.len() / 2], silenced[silenced.len() - 1]);
    println!("{} interruptions: silent after {median:?} at the median, {worst:?} at the worst", silenced.len());
    assert!(median.as_millis() <= 130 && worst.as_millis() <= 160, "{silenced:?}");
}
