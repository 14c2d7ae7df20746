//! `agentphone replay`: the log of a call run through this version, as it was or under another policy.

use std::path::PathBuf;

use agentphone::engine::DialogueSpec;
use agentphone::world::{self, Moment, Outcome, Scenario};
use clap::Args;

use super::{count, say};

/// Run the log of a call through this version and tell whether it decides the same.
#[derive(Args)]
pub struct Replay {
    /// The call log, as written under `[log] dir`.
    pub file: PathBuf,
    /// Print every decision of the call with its rule and what it saw. This prints what was said.
    #[arg(long)]
    pub story: bool,
    /// Tell what another policy would have changed, like endpoint.normal=400ms or sensitivity=0.5.
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// Write the call as a scenario file, to be changed and run by `agentphone simulate`.
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,
    /// Shrink the call to the smallest scenario that still fails, and print it: an invariant that is broken, or what
    /// --expect says.
    #[arg(long)]
    pub minimize: bool,
    /// What should have come of the call, as in a scenario file: "never interrupted", "commit #2 ..9000".
    #[arg(long, value_name = "EXPECTATION")]
    pub expect: Vec<String>,
}

/// Replays the file; whether it went as the log says, and as expected.
pub fn replay(args: &Replay) -> Result<bool, String> {
    let problem = |error: &dyn std::fmt::Display| format!("{}: {error}", args.file.display());
    let log = std::fs::read_to_string(&args.file).map_err(|error| problem(&error))?;
    let replayed = world::replay(&log).map_err(|error| problem(&error))?;
    if args.story {
        replayed.events.iter().filter_map(|event| event.story()).for_each(|story| say(&format!("{story:#}")));
    }
    let is_same = replayed.divergence.is_none();
    match replayed.divergence {
        None => say(&format!("identical: {} replayed, every decision is the same", count(replayed.inputs, "input"))),
        Some(divergence) => {
            let (logged, came) = divergence.outputs;
            say(&format!(
                "differs after {}, {:.3} s into the call: the log has {logged} outputs there, {came} came",
                count(divergence.inputs, "input"),
                divergence.at.as_secs_f64()
            ));
        }
    }
    if args.scenario.is_none() && args.set.is_empty() && args.expect.is_empty() && !args.minimize {
        return Ok(is_same);
    }
    let mut file = world::scenario_of(&log).map_err(|error| problem(&error))?;
    for expectation in &args.expect {
        file += &format!("expect {expectation}\n");
    }
    if let Some(path) = &args.scenario {
        std::fs::write(path, &file).map_err(|error| format!("{}: {error}", path.display()))?;
        say(&format!("told as a scenario in {}", path.display()));
    }
    let scenario = Scenario::parse("told", &file).map_err(|error| format!("--expect: {}", error.problem))?;
    let told = world::run(&scenario);
    if !args.set.is_empty() {
        let mut other = scenario.clone();
        for setting in &args.set {
            world::set(&mut other.spec, setting).map_err(|error| format!("--set {setting}: {error}"))?;
        }
        compare(&told, &world::run(&other), &args.set.join(" "));
    }
    for failure in &told.failures {
        say(&format!("failed: {failure}"));
    }
    if args.minimize {
        match world::minimize(&DialogueSpec::default(), &file) {
            Some(small) => say(&format!("# The smallest scenario that still fails:\n{}", small.trim_end())),
            None => say("told as a scenario, the call breaks no invariant; say with --expect what it should have done"),
        }
    }
    Ok(is_same && told.failures.is_empty())
}

/// Tells side by side where the decisions of two policies differ.
///
/// Both sides are the call told as a scenario, so that services answer what each of them asks; the caller does the same
/// at the same times in both.
fn compare(before: &Outcome, after: &Outcome, policy: &str) {
    let decisions =
        |outcome: &Outcome| outcome.moments.iter().filter(|m| !PLUMBING.contains(&m.kind)).cloned().collect();
    let (before, after): (Vec<Moment>, Vec<Moment>) = (decisions(before), decisions(after));
    let same = before.iter().zip(&after).take_while(|(before, after)| before == after).count();
    let (old, new) = (&before[same..], &after[same..]);
    if old.is_empty() && new.is_empty() {
        return say(&format!("with {policy}: all {} decisions are the same", before.len()));
    }
    say(&format!(
        "with {policy}: {} the same, then (- as it was, + as it would be; milliseconds since the answer)",
        count(same, "decision")
    ));
    // The two sides merged by time; what both have at one moment is told once.
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    loop {
        match (old.peek(), new.peek()) {
            (Some(a), Some(b)) if a == b => {
                say(&format!("  {a}"));
                old.next();
                new.next();
            }
            (Some(a), Some(b)) if a.at <= b.at => {
                say(&format!("- {a}"));
                old.next();
            }
            (Some(a), None) => {
                say(&format!("- {a}"));
                old.next();
            }
            (_, Some(b)) => {
                say(&format!("+ {b}"));
                new.next();
            }
            (None, None) => return,
        }
    }
}

/// Moments that follow from decisions and are none.
const PLUMBING: [&str; 3] = ["generate", "synthesize", "cancel"];
