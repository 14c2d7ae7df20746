//! `agentphone simulate`: scenario files in virtual time.

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use agentphone::engine::DialogueSpec;
use agentphone::rehearsal::{Settings, rehearse};
use agentphone::world::{self, Outcome, Scenario};
use clap::Args;
use futures_util::future::join_all;

use super::{count, say};

/// Run scenario files in virtual time and tell which pass.
#[derive(Args)]
pub struct Simulate {
    /// Scenario files, or folders of them (`*.scn`). What may stand in one is in docs/scenarios.md.
    #[arg(required_unless_present = "random", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Run so many random calls besides, and as many that are composed of the situations of the numbered scenarios: any
    /// caller, any line, any failure. What holds for every call is checked of them.
    #[arg(long, value_name = "N", default_value = "0")]
    pub random: u32,
    /// The first of them are those of this seed.
    #[arg(long, value_name = "SEED", default_value = "0", requires = "random")]
    pub seed: u64,
    /// Run each file so often, each time with another voice of the caller and other fates of its packets.
    #[arg(long, value_name = "N", default_value = "1")]
    pub repeat: NonZero<u32>,
    /// Write the random calls that fail into this folder, as scenario files.
    #[arg(long, value_name = "DIR", requires = "random")]
    pub save: Option<PathBuf>,
    /// Change a setting of every call, like endpoint.normal=400ms or sensitivity=0.5.
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// Take the agent's settings from this configuration (what a file says of its agent goes before).
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Which of the configuration's agents; without it, the first.
    #[arg(long, value_name = "ID", requires = "config")]
    pub agent: Option<String>,
    /// Play the files in virtual time, or in real time as RTP on loopback against the running engine.
    #[arg(long, value_enum, default_value = "virtual")]
    pub over: Over,
    /// Over RTP: how many milliseconds a time may lie outside of what is expected.
    #[arg(long, value_name = "MS", default_value = "80")]
    pub tolerance: u64,
    /// Over RTP: how many calls at a time.
    #[arg(long, value_name = "N", default_value = "8")]
    pub at_once: NonZero<usize>,
    /// Print the timeline of every call, not only of what failed.
    #[arg(long)]
    pub timeline: bool,
}

/// What a scenario is played over.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Over {
    /// Nothing real: one clock, which is set forward.
    Virtual,
    /// UDP sockets, the vendor simulators and the running engine.
    Rtp,
}

/// One run of one file.
struct Run {
    scenario: Scenario,
    /// Which repetition, from 1; `None` when there is only one.
    nth: Option<u32>,
    /// The file of a random call.
    random: Option<String>,
}

/// Runs the files for this agent; whether all passed.
pub async fn simulate(args: &Simulate, agent: &DialogueSpec) -> Result<bool, String> {
    let runs = runs(args, agent)?;
    match args.over {
        Over::Virtual => simulate_all(args, &runs),
        Over::Rtp => rehearse_all(args, &runs).await,
    }
}

fn runs(args: &Simulate, agent: &DialogueSpec) -> Result<Vec<Run>, String> {
    let scenarios = read(args, agent)?;
    let repeat = args.repeat.get();
    let mut runs: Vec<Run> = scenarios
        .iter()
        .flat_map(|scenario| {
            (1..=repeat).map(move |nth| Run {
                scenario: if nth == 1 { scenario.clone() } else { scenario.clone().with_seed(u64::from(nth)) },
                nth: (repeat > 1).then_some(nth),
                random: None,
            })
        })
        .collect();
    for seed in (args.seed..).take(args.random as usize) {
        for (kind, file) in [("random", world::random_call(seed)), ("composed", world::composed_call(seed))] {
            let name = format!("{kind}-{seed}");
            let mut scenario = Scenario::parse_for(agent, &name, &file).map_err(|e| format!("{name}: {e}"))?;
            change(&mut scenario, args)?;
            runs.push(Run { scenario, random: Some(file), nth: None });
        }
    }
    Ok(runs)
}

fn simulate_all(args: &Simulate, runs: &[Run]) -> Result<bool, String> {
    let began = Instant::now();
    let outcomes = run_all(runs);
    let took = began.elapsed();
    let mut failed = 0;
    let mut called = Duration::ZERO;
    for (run, outcome) in runs.iter().zip(&outcomes) {
        failed += usize::from(!outcome.failures.is_empty());
        called += outcome.lasted;
        tell(run, outcome, args);
        if let (Some(file), Some(folder), false) = (&run.random, &args.save, outcome.failures.is_empty()) {
            let path = folder.join(format!("{}.scn", run.scenario.name));
            std::fs::write(&path, file).map_err(|error| format!("{}: {error}", path.display()))?;
        }
    }
    let passed = outcomes.len() - failed;
    let (called, took) = (called.as_secs_f64(), took.as_secs_f64().max(1e-6));
    say(&format!(
        "{passed} passed, {failed} failed: {called:.0} s of calls in {took:.2} s ({:.0} x real time)",
        called / took
    ));
    Ok(failed == 0)
}

/// Plays the runs in real time, some at once. What cannot be played over RTP is told and is no pass.
async fn rehearse_all(args: &Simulate, runs: &[Run]) -> Result<bool, String> {
    let settings = Settings { tolerance: Duration::from_millis(args.tolerance), ..Settings::default() };
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for some in runs.chunks(args.at_once.get()) {
        let calls = some.iter().map(|run| rehearse(&run.scenario, &settings));
        for (run, rehearsed) in some.iter().zip(join_all(calls).await) {
            let rehearsed = rehearsed.map_err(|error| format!("{}: {error}", run.scenario.name))?;
            match &rehearsed.outcome {
                Some(outcome) => {
                    passed += usize::from(rehearsed.passed);
                    failed += usize::from(!rehearsed.passed);
                    tell(run, outcome, args);
                }
                None => {
                    skipped += 1;
                    say(&format!("not over rtp: {}: {}", run.scenario.name, rehearsed.skipped.join("; ")));
                }
            }
        }
    }
    say(&format!("{passed} passed, {failed} failed, {skipped} cannot be played over RTP"));
    Ok(failed == 0 && passed > 0)
}

fn tell(run: &Run, outcome: &Outcome, args: &Simulate) {
    let nth = run.nth.map_or(String::new(), |nth| format!(" #{nth}"));
    let name = &run.scenario.name;
    if outcome.failures.is_empty() {
        if args.timeline || (run.nth.is_none() && run.random.is_none()) {
            say(&format!("ok      {name}{nth}"));
        }
        if args.timeline {
            say(&indented(&outcome.timeline()));
        }
        return;
    }
    say(&format!("FAILED  {name}{nth}: {}", count(outcome.failures.len(), "failure")));
    for failure in &outcome.failures {
        say(&format!("  {failure}"));
        if !args.timeline {
            say(&indented(&outcome.around(failure)));
        }
    }
    if args.timeline {
        say(&indented(&outcome.timeline()));
    }
}

fn indented(lines: &str) -> String {
    lines.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

fn read(args: &Simulate, agent: &DialogueSpec) -> Result<Vec<Scenario>, String> {
    let mut scenarios = Vec::new();
    for path in files(&args.files)? {
        let problem = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let text = std::fs::read_to_string(&path).map_err(|error| problem(&error))?;
        let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy();
        let mut scenario = Scenario::parse_for(agent, &name, &text).map_err(|error| problem(&error))?;
        change(&mut scenario, args)?;
        scenarios.push(scenario);
    }
    Ok(scenarios)
}

fn change(scenario: &mut Scenario, args: &Simulate) -> Result<(), String> {
    args.set.iter().try_for_each(|setting| {
        world::set(&mut scenario.spec, setting).map_err(|error| format!("--set {setting}: {error}"))
    })
}

/// The files themselves, and the scenarios of the folders in the order of their names.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let problem = |error: std::io::Error| format!("{}: {error}", path.display());
        let entries = std::fs::read_dir(path).map_err(problem)?;
        let mut found =
            entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(problem)?;
        found.retain(|file| is_scenario(file));
        if found.is_empty() {
            return Err(format!("{}: there is no .scn file in this folder", path.display()));
        }
        found.sort();
        files.append(&mut found);
    }
    Ok(files)
}

fn is_scenario(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "scn")
}

/// Runs all on as many threads as there are cores.
fn run_all(runs: &[Run]) -> Vec<Outcome> {
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(Vec::with_capacity(runs.len()));
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(runs.len());
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((index, run)) = claim(&next, runs) {
                    let outcome = world::run(&run.scenario);
                    outcomes.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push((index, outcome));
                }
            });
        }
    });
    let mut outcomes = outcomes.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    outcomes.sort_by_key(|(index, _)| *index);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

fn claim<'a>(next: &AtomicUsize, runs: &'a [Run]) -> Option<(usize, &'a Run)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    runs.get(index).map(|run| (index, run))
}
