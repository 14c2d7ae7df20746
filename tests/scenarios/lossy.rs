//! Every scenario over a bad line: 5 % of the caller's packets are lost, and each comes up to 40 ms late.

use std::fmt::Write as _;
use std::time::Duration;

use agentphone::call::Speaker;
use agentphone::world::{Outcome, Scenario, run};

use super::PLAYED;

/// Scenarios whose own network is worse, or that are about single packets.
const WORSE: [&str; 3] = ["46-packet-loss-10", "46b-duplicates-and-a-law", "47-burst-reorder"];

/// Who said what, in order. What the caller was left with of words that were cut differs by when they were cut.
fn turns(outcome: &Outcome) -> Vec<String> {
    let line = |line: &agentphone::call::Line| match (line.speaker, line.interrupted) {
        (Speaker::Caller, _) => format!("caller: {}", line.text),
        (Speaker::Agent, false) => format!("agent: {}", line.text),
        (Speaker::Agent, true) => "agent: … cut".to_owned(),
    };
    let ended = outcome.report.ended.map(|(_, reason)| format!("ended: {}", reason.name()));
    outcome.report.lines.iter().map(line).chain(ended).collect()
}

fn over_a_bad_line(scenario: &Scenario) -> Scenario {
    let mut scenario = scenario.clone();
    scenario.network.loss = 0.05;
    scenario.network.jitter = Duration::from_millis(40);
    scenario.expectations.clear();
    scenario
}

#[test]
fn five_percent_loss_and_40_ms_jitter_leave_every_turn_as_it_is() {
    let mut report = String::new();
    for (scenario, clean) in PLAYED.iter().filter(|(scenario, _)| !WORSE.contains(&scenario.name.as_str())) {
        let lossy = run(&over_a_bad_line(scenario));
        if turns(&lossy) != turns(clean) || !lossy.failures.is_empty() {
            let _ = writeln!(report, "\n{}: {:?}", scenario.name, lossy.failures);
            let _ = writeln!(report, "  clean {:#?}\n  lossy {:#?}", turns(clean), turns(&lossy));
            let _ = writeln!(report, "{}", lossy.timeline());
        }
    }
    assert!(report.is_empty(), "{report}");
}
