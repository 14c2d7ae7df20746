//! `agentphone replay`: the log of a call run through this version, as it was or under another policy.

use std::path::PathBuf;

use agentphone::engine::DialogueSpec;
use agentphone::world::{self, Changed, Decision, Failure, Faith, Moment, Outcome, Replayed, Scenario};
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
    /// Tell what another policy would have changed, like endpoint.normal=400ms or sensitivity=0.5: the first decision
    /// exactly, from the inputs that were recorded, and what follows as far as the call can be told as a scenario.
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
    verdict(&replayed);
    let mut is_settled = true;
    if !args.set.is_empty() {
        is_settled = change(args, &log, &replayed)?;
    }
    if args.scenario.is_none() && args.expect.is_empty() && !args.minimize {
        return Ok(is_same && is_settled);
    }
    let told = tell(args, &log)?;
    if let Some(path) = &args.scenario {
        std::fs::write(path, &told.file).map_err(|error| format!("{}: {error}", path.display()))?;
        say(&format!("told as a scenario in {}", path.display()));
    }
    let faith = world::faith(&replayed, &told.outcome);
    say(&fidelity(&faith));
    if args.expect.is_empty() && !args.minimize {
        return Ok(is_same && is_settled);
    }
    if !faith.is_enough() {
        say("that is another call: nothing is concluded from it (nine of ten decisions must be the same)");
        return Ok(false);
    }
    for failure in &told.outcome.failures {
        say(&format!("failed: {failure}"));
    }
    if args.minimize {
        is_settled &= minimize(&told, &replayed);
    }
    Ok(is_same && is_settled && told.outcome.failures.is_empty())
}

/// Whether the log replays, and what is the first thing that does not.
fn verdict(replayed: &Replayed) {
    let Some(divergence) = &replayed.divergence else {
        let upto = if replayed.is_whole { "" } else { " (the log ends before the call does)" };
        return say(&format!(
            "identical: {} replayed, every decision is the same{upto}",
            count(replayed.inputs, "input")
        ));
    };
    let (logged, came) = divergence.outputs;
    say(&format!(
        "differs after {}, {:.3} s into the call: the log has {} there, {came} came",
        count(divergence.inputs, "input"),
        divergence.at.as_secs_f64(),
        count(logged as usize, "output")
    ));
    match &divergence.decision {
        Some(changed) => {
            let same = count(changed.after, "decision");
            say(&format!("{same} the same, then (- as in the log, + as it is):"));
            tell_changed(changed);
        }
        None if replayed.logged.is_empty() => say("which decision that was this log does not say: it names none"),
        None => say("every decision is the same: only the sound is not, or what services were asked"),
    }
}

fn tell_changed(Changed { was, is, .. }: &Changed) {
    say(&format!("- {}", or_nothing(was.as_ref())));
    say(&format!("+ {}", or_nothing(is.as_ref())));
}

fn or_nothing(decision: Option<&Decision>) -> String {
    decision.map_or_else(|| "nothing".into(), Decision::to_string)
}

/// A log told as a scenario, and what came of it.
struct Told {
    file: String,
    scenario: Scenario,
    outcome: Outcome,
}

fn tell(args: &Replay, log: &str) -> Result<Told, String> {
    let mut file = world::scenario_of(log).map_err(|error| format!("{}: {error}", args.file.display()))?;
    for expectation in &args.expect {
        file += &format!("expect {expectation}\n");
    }
    let scenario = Scenario::parse("told", &file).map_err(|error| format!("--expect: {}", error.problem))?;
    let outcome = world::run(&scenario);
    Ok(Told { file, scenario, outcome })
}

fn fidelity(faith: &Faith) -> String {
    let mut said = format!(
        "told as a scenario, the call reproduces {} of the log's {}",
        faith.reproduced,
        count(faith.logged, "decision")
    );
    if faith.told > faith.reproduced {
        said += &format!(" and makes {} of its own", faith.told - faith.reproduced);
    }
    if let Some(Changed { was, is, .. }) = &faith.mismatch {
        let (was, is) = (or_nothing(was.as_ref()), or_nothing(is.as_ref()));
        said += &format!("; the first that is another, by the time since the answer: {was} in the log, {is} as told");
    }
    said
}

/// Tells what another policy changes: exactly, up to the first decision that changes, and beyond it as far as the call can
/// be told. Whether it could.
fn change(args: &Replay, log: &str, replayed: &Replayed) -> Result<bool, String> {
    let mut told = tell(args, log)?;
    let policy = args.set.join(" ");
    for setting in &args.set {
        world::set(&mut told.scenario.spec, setting).map_err(|error| format!("--set {setting}: {error}"))?;
    }
    let rerun = world::rerun(log, |spec| {
        // They were tried just before.
        args.set.iter().for_each(|setting| drop(world::set(spec, setting)));
    });
    let rerun = rerun.map_err(|error| format!("{}: {error}", args.file.display()))?;
    let same = count(rerun.same, "decision");
    let Some(changed) = &rerun.changed else {
        say(&format!("with {policy}: all {same} are the same, with the inputs that were recorded"));
        return Ok(true);
    };
    say(&format!(
        "with {policy}: {same} the same with the inputs that were recorded, then (- as it was, + as it would be):"
    ));
    tell_changed(changed);
    let faith = world::faith(replayed, &told.outcome);
    say(&format!("what follows depends on what the services would have answered. {}", sentence(&fidelity(&faith))));
    if !faith.is_enough() {
        say("That is too little to go on from (nine of ten decisions must be the same): nothing more is concluded.");
        return Ok(false);
    }
    compare(&told.outcome, &world::run(&told.scenario), &policy);
    Ok(true)
}

fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map_or(String::new(), |first| first.to_uppercase().collect::<String>() + characters.as_str() + ".")
}

/// Prints the smallest scenario that fails as the told call does. Whether there is one to be trusted.
fn minimize(told: &Told, replayed: &Replayed) -> bool {
    // A failure over a decision that the log does not have is one of the telling.
    let invented = |failure: &Failure| {
        let at = |moment: &&Moment| Some(moment.at) == failure.at && failure.text.contains(moment.kind);
        let Some(moment) = told.outcome.moments.iter().find(at) else { return false };
        let Some((_, rule)) = moment.text.strip_suffix(']').and_then(|text| text.rsplit_once('[')) else {
            return false;
        };
        !replayed.decided.iter().any(|decision| decision.rule == rule && decision.kind == moment.kind)
    };
    if let Some(failure) = told.outcome.failures.iter().find(|failure| invented(failure)) {
        say(&format!("the log has no such decision by that rule, the telling alone fails so: {failure}"));
        return false;
    }
    match world::minimize(&DialogueSpec::default(), &told.file) {
        Some(small) => say(&format!("# The smallest scenario that still fails:\n{}", small.trim_end())),
        None => say("told as a scenario, the call breaks no invariant; say with --expect what it should have done"),
    }
    true
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
        return say(&format!(
            "told with {policy}: all {} moments are the same: it is a matter of details",
            before.len()
        ));
    }
    say(&format!(
        "told with {policy}: {} the same, then (- as it was, + as it would be; milliseconds since the answer)",
        count(same, "moment")
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
