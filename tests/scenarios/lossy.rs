//! Every scenario over a bad line: 5 % of the caller's packets are lost, and each comes up to 40 ms late.

use std::fmt::Write as _;
use std::time::Duration;

use agentphone::call::Speaker;
use agentphone::world::{Outcome, Scenario, run};

use super::PLAYED;

/// As much is lost, and so late is what comes.
const LOSS: f64 = 0.05;
const JITTER: Duration = Duration::from_millis(40);

/// Who said what, in order. What the caller was left with of words that were cut differs by when they were cut. The
/// scripted model gives its answers in the order it is asked, and an answer that was taken back puts off the next idle
/// prompt, so what the agent said is compared only `in_step`; what the caller said always.
fn turns(outcome: &Outcome, in_step: bool) -> Vec<String> {
    let line = |line: &agentphone::call::Line| match (line.speaker, line.interrupted) {
        (Speaker::Caller, _) => Some(format!("caller: {}", line.text)),
        (Speaker::Agent, _) if !in_step => None,
        (Speaker::Agent, false) => Some(format!("agent: {}", line.text)),
        (Speaker::Agent, true) => Some("agent: … cut".to_owned()),
    };
    let ended = outcome.report.ended.map(|(_, reason)| format!("ended: {}", reason.name()));
    outcome.report.lines.iter().filter_map(line).chain(ended).collect()
}

/// How often the model was asked, and how often for nothing.
fn asked(outcome: &Outcome) -> (usize, usize) {
    let taken_back = outcome.moments.iter().filter(|moment| moment.kind == "taken-back").count();
    (outcome.generations, taken_back)
}

fn over_a_bad_line(scenario: &Scenario) -> Scenario {
    let mut scenario = scenario.clone();
    scenario.network.loss = LOSS;
    scenario.network.jitter = JITTER;
    scenario.expectations.clear();
    scenario
}

#[test]
fn five_percent_loss_and_40_ms_jitter_leave_every_turn_as_it_is() {
    let mut report = String::new();
    // Some have a worse line of their own.
    let worse = |scenario: &Scenario| scenario.network.loss > LOSS || scenario.network.jitter > JITTER;
    for (scenario, clean) in PLAYED.iter().filter(|(scenario, _)| !worse(scenario)) {
        let lossy = run(&over_a_bad_line(scenario));
        let in_step = asked(&lossy) == asked(clean);
        let (clean, heard) = (turns(clean, in_step), turns(&lossy, in_step));
        if heard != clean || !lossy.failures.is_empty() {
            let _ = writeln!(report, "\n{}: {:?}", scenario.name, lossy.failures);
            let _ = writeln!(report, "  clean {clean:#?}\n  lossy {heard:#?}");
            let _ = writeln!(report, "{}", lossy.timeline());
        }
    }
    assert!(report.is_empty(), "{report}");
}
