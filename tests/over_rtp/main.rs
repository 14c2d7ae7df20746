//! Scenario files in real time: the same files that `tests/scenarios` plays in virtual time, over UDP against the running
//! engine and the vendor simulators. All at once, so that they take as long as the longest.
#![cfg(feature = "engine")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]
#![allow(clippy::disallowed_methods, reason = "these tests live in real time")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use agentphone::rehearsal::{Campaign, Rehearsed, Settings, campaign, rehearse};
use agentphone::world::Scenario;

/// The scenarios that must hold over real sockets, by the beginning of their file's name.
const SCENARIOS: &[&str] = &[
    "01-happy-turn",
    "04-talk-over-greeting",
    "05-cough-during-speech",
    "06-mm-hmm-during-speech",
    "09-real-barge-in",
    "11-barge-in-before-audio",
    "14-pause-mid-thought",
    "15-slow-digits",
    "43-digits",
    "43-dtmf-barge-in",
    "46-packet-loss-10",
    "46b-duplicates-and-a-law",
    "32c-tts-blackhole",
    "33-tts-stall-mid-sentence",
    "34b-llm-hedge",
    "35b-stt-drop-mid-utterance",
];

fn scenario(name: &str) -> Scenario {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/scenarios").join(format!("{name}.scn"));
    let file = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Scenario::parse(name, &file).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn logs() -> PathBuf {
    let logs = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("over_rtp");
    fs::create_dir_all(&logs).unwrap();
    logs
}

/// Rehearses all at once.
async fn rehearse_all(names: &[&str]) -> Vec<Rehearsed> {
    let settings = Settings { logs: Some(logs()), ..Settings::default() };
    let runs: Vec<_> = names
        .iter()
        .map(|name| {
            let (scenario, settings) = (scenario(name), settings.clone());
            tokio::spawn(async move { rehearse(&scenario, &settings).await.unwrap() })
        })
        .collect();
    let mut rehearsed = Vec::new();
    for run in runs {
        rehearsed.push(run.await.unwrap());
    }
    rehearsed
}

/// How late the caller's own clock may have been for a failure to be the engine's: beyond it the machine was too busy to
/// tell, and the scenario is played once more.
const BUSY: Duration = Duration::from_millis(25);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenarios_hold_over_real_sockets() {
    let mut names: Vec<&str> = SCENARIOS.to_vec();
    let mut complaints = String::new();
    for _ in 0..3 {
        let rehearsed = rehearse_all(&names).await;
        let mut again = Vec::new();
        complaints.clear();
        for (name, run) in names.iter().zip(&rehearsed) {
            let sending = &run.sending;
            let late = (sending.quantile(0.99), sending.worst());
            println!("{name}: {} (caller late: p99 {:?}, worst {:?})", run.passed, late.0, late.1);
            if run.passed {
                continue;
            }
            let timeline = run.outcome.as_ref().map(|outcome| outcome.timeline()).unwrap_or_default();
            let failures = run.failures().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n  ");
            writeln!(complaints, "{name}, caller late by {late:?}:\n  {failures}\n{:?}\n{timeline}", run.skipped)
                .unwrap();
            if run.skipped.is_empty() && late.1 > BUSY {
                again.push(*name);
            } else {
                panic!("{complaints}");
            }
        }
        names = again;
        if names.is_empty() {
            return;
        }
    }
    panic!("the machine is too busy to tell:\n{complaints}");
}

/// All files there are, for whoever wants to see: `cargo test --test over_rtp -- --ignored --nocapture every`.
#[ignore = "a look at all files; those that must hold are in `SCENARIOS`"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_scenario_as_far_as_it_can_be_played() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/scenarios");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let stem = |path: PathBuf| path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let mut names: Vec<String> = files.map(stem).collect();
    names.sort();
    for some in names.chunks(12) {
        let some: Vec<&str> = some.iter().map(String::as_str).collect();
        for (name, run) in some.iter().zip(rehearse_all(&some).await) {
            let verdict = if run.passed { "passed" } else { "NOT PASSED" };
            println!("{name}: {verdict} (caller late by {:?} at p99)", run.sending.quantile(0.99));
            run.skipped.iter().for_each(|why| println!("    {why}"));
            run.failures().iter().for_each(|failure| println!("    {failure}"));
        }
    }
}

/// `AGENTPHONE_CAMPAIGN=50 cargo test --release --test over_rtp -- --ignored --nocapture campaign`
#[ignore = "takes minutes"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_campaign_holds() {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse().ok());
    let defaults = Campaign::default();
    let told = Campaign {
        repeat: number("AGENTPHONE_CAMPAIGN").unwrap_or(defaults.repeat),
        at_once: number("AGENTPHONE_CAMPAIGN_AT_ONCE").map_or(defaults.at_once, |calls| calls as usize),
        only: std::env::var("AGENTPHONE_CAMPAIGN_ONLY").unwrap_or_default(),
        settings: Settings { logs: Some(logs()), ..Settings::default() },
    };
    assert!(campaign(&told, &mut std::io::stdout()).await.unwrap());
}

#[tokio::test]
async fn what_cannot_be_done_over_rtp_is_skipped_with_its_reason_and_does_not_pass() {
    for name in ["45-hold-unhold", "35-stt-dead", "48-transfer-fail"] {
        let run = rehearse(&scenario(name), &Settings::default()).await.unwrap();
        assert!(!run.passed && run.outcome.is_none());
        assert!(run.skipped.iter().all(|why| why.starts_with("not over rtp: ")) && !run.skipped.is_empty());
        // In words, not in the names of types.
        assert!(!run.skipped.iter().any(|why| why.contains(['(', '{'])), "{:?}", run.skipped);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expectation_that_is_not_met_fails_the_rehearsal() {
    let file = "reply \"Fine.\"\n0 says 800 \"how are you\"\nrun 3000\nexpect commit 5000..6000\nexpect generations 2\n\
                expect line 1 caller \"how are you\"\n";
    let scenario = Scenario::parse("t", file).unwrap();
    let run = rehearse(&scenario, &Settings::default()).await.unwrap();
    assert!(!run.passed);
    let failures = run.failures();
    assert_eq!(failures.len(), 2, "{failures:?}");
    assert!(failures[0].text.starts_with("line 4: ") && failures[1].text.starts_with("line 5: "), "{failures:?}");
}
