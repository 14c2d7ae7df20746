//! The harness as people run it: three processes, real sockets, figures at the end.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

/// Runs two calls for a while and gives the one level that was measured.
fn bench(name: &str, more: &[&str]) -> Value {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-{name}.json"));
    let plot = file.with_extension("svg");
    let output = Command::new(env!("CARGO_BIN_EXE_agentphone"))
        .args(["bench", "--calls", "2", "--seconds", "12", "--warm-up", "4", "--json"])
        .arg(&file)
        .arg("--plot")
        .arg(&plot)
        .args(more)
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{error}: {printed}{complaint}"));
    let report: Value = serde_json::from_str(&report).unwrap();
    assert!(printed.contains("calls") && std::fs::read_to_string(&plot).unwrap().contains("polyline"), "{printed}");
    assert_eq!(report["levels"].as_array().unwrap().len(), 1, "{report:#}");
    let level = report["levels"][0].clone();
    let held = level["broken"].as_array().unwrap().is_empty();
    assert_eq!(output.status.success(), held, "the exit status tells: {printed}");
    level
}

/// What holds on any machine, however busy it is.
fn assert_measured(level: &Value) {
    let number =
        |path: &str| level.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("{path}: {level:#}"));
    assert!(number("/turns") >= 2.0, "{level:#}");
    assert!((150.0..4_000.0).contains(&number("/response/p50")), "{level:#}");
    assert!(number("/packets/received") > 800.0 && number("/callersOwnLateness/count") > 800.0, "{level:#}");
    assert!(number("/engine/cpuSecondsPerCallMinute") > 0.0 && number("/engine/residentBytes") > 1e6, "{level:#}");
    // A turn fails on a machine that stands still; there the callers' own clock says so.
    if number("/callersOwnLateness/p99") < 5.0 {
        assert_eq!(number("/failedTurns"), 0.0, "{level:#}");
    }
}

#[test]
fn two_calls_over_rtp_are_held_measured_and_told() {
    let level = bench("rtp", &[]);
    assert_measured(&level);
    assert!(level["latenessInEngine"]["p99"].as_f64().is_some(), "{level:#}");
}

#[test]
fn the_same_two_calls_over_twilio_media_streams() {
    assert_measured(&bench("twilio", &["--twilio"]));
}
