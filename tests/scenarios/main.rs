//! Whole calls in virtual time: every scenario file meets its expectations, matches its golden timeline and replays to the
//! byte from its own log.
//!
//! After a change of behaviour run `AGENTPHONE_BLESS=1 cargo test --test scenarios` and read the diff of
//! `fixtures/timelines`: it is the review.
#![expect(clippy::panic, reason = "a scenario that cannot be read fails the test")]

mod ahead;
mod barge_in;
mod codecs;
mod lossy;
mod noisy;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

use agentphone::call::log::{Record, Records};
use agentphone::world::{Outcome, Scenario, composed_call, replay, run};

fn fixtures(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(folder)
}

fn scenarios() -> Vec<Scenario> {
    let mut files: Vec<PathBuf> = fs::read_dir(fixtures("scenarios"))
        .expect("the scenarios are part of the repository")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "scn"))
        .collect();
    files.sort();
    // For work on some of them: `AGENTPHONE_ONLY=38,45-hold` keeps those whose names begin so.
    if let Ok(only) = std::env::var("AGENTPHONE_ONLY") {
        let begins = |name: &str| only.split(',').any(|prefix| name.starts_with(prefix));
        files.retain(|path| path.file_stem().and_then(|stem| stem.to_str()).is_some_and(begins));
    }
    files
        .iter()
        .map(|path| {
            let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a name in UTF-8");
            let text = fs::read_to_string(path).expect("a readable scenario");
            Scenario::parse(name, &text).unwrap_or_else(|problem| panic!("{}: {problem}", path.display()))
        })
        .collect()
}

/// Every scenario with what came of it, played once for all tests.
static PLAYED: LazyLock<Vec<(Scenario, Outcome)>> = LazyLock::new(|| {
    let scenarios = scenarios();
    let (first, second) = scenarios.split_at(scenarios.len() / 2);
    let play = |scenarios: &[Scenario]| scenarios.iter().map(run).collect::<Vec<_>>();
    let (first, second) = thread::scope(|scope| {
        let second = scope.spawn(|| play(second));
        (play(first), second.join().expect("a call does not panic"))
    });
    scenarios.iter().cloned().zip(first.into_iter().chain(second)).collect()
});

#[test]
fn every_scenario_meets_its_expectations() {
    assert!(PLAYED.len() >= 12 || std::env::var_os("AGENTPHONE_ONLY").is_some(), "only {} scenarios", PLAYED.len());
    let mut report = String::new();
    for (scenario, outcome) in &*PLAYED {
        if !outcome.failures.is_empty() {
            let _ = writeln!(report, "\n{}", scenario.name);
            for failure in &outcome.failures {
                let _ = writeln!(report, "  {failure}");
            }
            for line in outcome.timeline().lines() {
                let _ = writeln!(report, "    {line}");
            }
        }
    }
    assert!(report.is_empty(), "{report}");
}

#[test]
fn every_timeline_matches_its_golden() {
    let bless = std::env::var_os("AGENTPHONE_BLESS").is_some();
    let mut different = Vec::new();
    for (scenario, outcome) in &*PLAYED {
        let path = fixtures("timelines").join(format!("{}.txt", scenario.name));
        let timeline = outcome.timeline();
        if bless {
            fs::write(&path, &timeline).expect("a writable fixture");
        } else {
            match fs::read_to_string(&path) {
                Ok(golden) if golden == timeline => {}
                Ok(_) => different.push(format!("{}:\n{timeline}", scenario.name)),
                Err(_) => different.push(format!("{}: has no golden timeline yet", scenario.name)),
            }
        }
    }
    for entry in fs::read_dir(fixtures("timelines")).expect("the goldens are part of the repository") {
        let path = entry.expect("a readable folder").path();
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a name in UTF-8");
        if !fixtures("scenarios").join(format!("{name}.scn")).exists() {
            different.push(format!("{name}: is a golden of no scenario"));
        }
    }
    assert!(different.is_empty(), "timelines differ from fixtures/timelines:\n{}", different.join("\n"));
}

#[test]
fn every_scenario_keeps_the_invariants_over_a_buffering_line_and_without_word_times() {
    let mut report = String::new();
    for scenario in scenarios() {
        for variant in [scenario.clone().over_a_buffering_line(), scenario.clone().without_word_times()] {
            let outcome = run(&variant);
            let replayed = replay(&outcome.log).expect("a readable log");
            if !outcome.failures.is_empty() || replayed.divergence.is_some() {
                let buffered = if variant.spec.line.far_buffer { "buffered" } else { "no word times" };
                let _ = writeln!(
                    report,
                    "\n{} ({buffered}): {:?} {:?}",
                    variant.name, outcome.failures, replayed.divergence
                );
                for line in outcome.timeline().lines() {
                    let _ = writeln!(report, "    {line}");
                }
            }
        }
    }
    assert!(report.is_empty(), "{report}");
}

#[test]
fn every_call_replays_to_the_byte() {
    for (scenario, outcome) in &*PLAYED {
        let replayed = replay(&outcome.log).unwrap_or_else(|problem| panic!("{}: {problem}", scenario.name));
        assert_eq!(replayed.divergence, None, "{}", scenario.name);
        assert!(replayed.inputs > 50, "{}: only {} inputs", scenario.name, replayed.inputs);
        // A log ends before keys that are to be hidden.
        assert_eq!(replayed.is_whole, !scenario.spec.dialogue.redact_keys, "{}", scenario.name);
        if replayed.is_whole {
            assert_eq!(replayed.report, outcome.report, "{}", scenario.name);
            assert_eq!(replayed.decided, outcome.decisions, "{}", scenario.name);
        }
    }
}

/// Two runs of a scenario are one: the log of the second says so line by line, and a few stand for all.
#[test]
fn two_runs_of_a_scenario_are_the_same() {
    for (scenario, outcome) in PLAYED.iter().step_by(12) {
        assert_eq!(run(scenario).digest, outcome.digest, "{}", scenario.name);
    }
}

/// Keys that are to be hidden are in no line of a log: neither as events, nor as tones, nor repeated by the model.
#[test]
fn a_log_holds_no_key_that_is_to_be_hidden() {
    let (_, outcome) = PLAYED.iter().find(|(scenario, _)| scenario.name.starts_with("43c")).expect("scenario 43c");
    let first =
        outcome.decisions.iter().find(|decision| decision.rule == "barge-in.key").expect("a key stops the agent");
    let records: Vec<Record> =
        Records::new(&outcome.log).expect("a log").map(|record| record.expect("a record")).collect();
    assert_eq!(records.last(), Some(&Record::Full));
    let last = records.iter().rev().find_map(|record| match record {
        Record::Input { at, .. } | Record::Timeout { at } => Some(*at),
        _ => None,
    });
    assert!(last.is_some_and(|last| last + Duration::from_millis(100) < first.at), "{last:?} {first}");
    assert!(!outcome.log.contains("4111") && outcome.log.ends_with("! keys\n"));
}

/// The fiftieth scenario is composed of situations of the others.
#[test]
fn the_fiftieth_scenario_is_the_composition_of_its_seed() {
    let path = fixtures("scenarios").join("50-composed-call.scn");
    if std::env::var_os("AGENTPHONE_BLESS").is_some() {
        fs::write(&path, composed_call(50)).expect("a writable fixture");
    }
    assert_eq!(fs::read_to_string(&path).expect("scenario 50"), composed_call(50));
}

#[test]
fn a_changed_policy_shows_as_a_divergence() {
    let log = &PLAYED.iter().find(|(scenario, _)| scenario.name.contains("happy")).expect("scenario 1").1.log;
    let other = log.replacen("endpoint_normal=500000000", "endpoint_normal=900000000", 1);
    assert_ne!(*log, other);
    let replayed = replay(&other).expect("a readable log");
    assert!(replayed.divergence.is_some());
}
