//! `agentphone bench`: how many calls a machine holds, and what each costs.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use agentphone::bench::{self, Plan, Sample, Soak, Target};
use clap::Args;

use super::say;

/// Hold many calls at once against a running engine, more and more, and tell what each level came to.
///
/// Three processes on this machine: the engine, the simulated services it uses, and the callers, who play recorded voices over
/// real sockets, interrupt, and measure with their own ears. A level breaks when 1 packet in 100 is more than 5 ms late, any
/// turn fails, or 1 answer in 20 comes 100 ms later than it does for a single call.
#[derive(Args)]
pub struct Bench {
    /// Calls at once, level by level.
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_values_t = [1, 50, 100, 200, 400, 600, 800, 1_000])]
    calls: Vec<usize>,
    /// How long each level is measured.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    seconds: u64,
    /// How long each level runs before that.
    #[arg(long, value_name = "SECONDS", default_value_t = 8)]
    warm_up: u64,
    /// New calls in a second.
    #[arg(long, value_name = "CALLS", default_value_t = 40.0)]
    rate: f64,
    /// Go on with the next level though this one breaks a promise.
    #[arg(long)]
    keep_going: bool,
    /// Write all figures here, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draw all figures here, as SVG.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Instead of an engine measure a loop that only receives and sends a packet every 20 ms for so many streams: what this
    /// machine can do at all.
    #[arg(long, value_name = "STREAMS", conflicts_with_all = ["target", "twilio", "soak"])]
    bare: Option<usize>,
    /// Instead of levels hold many short calls beside a few long ones for so long, and tell what memory and files do.
    #[arg(long, value_name = "MINUTES", conflicts_with_all = ["target", "twilio"])]
    soak: Option<f64>,
    /// The loop of --bare: sends to the addresses in this file.
    #[arg(long, hide = true, value_name = "FILE")]
    bare_loop: Option<PathBuf>,
    /// Another engine, at its Twilio Media Streams address; point its services at `agentphone simulators --bench`.
    #[arg(long, value_name = "URL", conflicts_with = "twilio")]
    target: Option<String>,
    /// The process of --target, to be measured too.
    #[arg(long, value_name = "PID", requires = "target")]
    process: Option<u32>,
    /// This engine, over Twilio Media Streams instead of RTP.
    #[arg(long)]
    twilio: bool,
    /// The media threads of the engine under test, to compare; 0: calls as tasks of its runtime.
    #[arg(long, value_name = "THREADS", conflicts_with = "target")]
    media_threads: Option<usize>,
    /// Where the configuration and the logs of the engine under test go.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Runs the benchmark; whether every level held.
pub async fn bench(args: &Bench) -> Result<bool, String> {
    if let Some(file) = &args.bare_loop {
        return bare_loop(file).map(|()| true);
    }
    let given = args.out.clone();
    let directory =
        given.unwrap_or_else(|| std::env::temp_dir().join(format!("agentphone-bench-{}", std::process::id())));
    let binary = std::env::current_exe().map_err(|error| error.to_string())?;
    let held = match (args.bare, args.soak) {
        (Some(streams), _) => bare(args, streams, binary, &directory).await,
        (None, Some(minutes)) => soak(minutes, binary, &directory).await,
        (None, None) => ramp(args, binary, &directory).await,
    };
    if args.out.is_none() && held.is_ok() {
        // Only what this run wrote; a directory that stays disturbs nobody.
        let _ = std::fs::remove_dir_all(&directory);
    }
    held
}

async fn ramp(args: &Bench, binary: PathBuf, directory: &Path) -> Result<bool, String> {
    let mut levels = args.calls.clone();
    levels.sort_unstable();
    levels.dedup();
    levels.retain(|calls| *calls > 0);
    if levels.is_empty() || levels.iter().any(|calls| *calls > MOST_CALLS) {
        return Err(format!("--calls takes numbers from 1 to {MOST_CALLS}"));
    }
    let target = match &args.target {
        Some(url) => Target::Twilio { url: url.clone(), process: args.process },
        None if args.twilio => Target::OwnTwilio,
        None => Target::Own,
    };
    let plan = Plan {
        levels,
        measure: Duration::from_secs(args.seconds.max(1)),
        warm_up: Duration::from_secs(args.warm_up),
        rate: args.rate,
        keep_going: args.keep_going,
        target,
        media_threads: args.media_threads,
        binary,
        directory: directory.to_owned(),
    };
    say(&bench::head());
    let levels = bench::run(&plan, |level| say(&bench::line(level))).await.map_err(|error| error.to_string())?;
    if let Some(file) = &args.json {
        write(file, &format!("{:#}\n", bench::document(&levels)))?;
    }
    if let Some(file) = &args.plot {
        write(file, &bench::plot(&levels))?;
    }
    Ok(levels.iter().all(|level| level.broken.is_empty()))
}

async fn bare(args: &Bench, streams: usize, binary: PathBuf, directory: &Path) -> Result<bool, String> {
    let (warm_up, measure) = (Duration::from_secs(args.warm_up), Duration::from_secs(args.seconds.max(1)));
    if streams == 0 || streams > MOST_CALLS {
        return Err(format!("--bare takes a number from 1 to {MOST_CALLS}"));
    }
    say(&bench::head());
    let level = bench::bare(streams, warm_up, measure, &binary, directory).await.map_err(|error| error.to_string())?;
    say(&bench::line(&level));
    if let Some(file) = &args.json {
        write(file, &format!("{:#}\n", bench::document(std::slice::from_ref(&level))))?;
    }
    Ok(true)
}

fn bare_loop(file: &Path) -> Result<(), String> {
    let list = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let far: Result<Vec<SocketAddr>, _> = list.lines().map(str::parse).collect();
    let far = far.map_err(|error| format!("{}: {error}", file.display()))?;
    bench::bare_loop(&far, |address| say(&address.to_string())).map_err(|error| error.to_string())
}

async fn soak(minutes: f64, binary: PathBuf, directory: &Path) -> Result<bool, String> {
    let soak = Soak {
        lasts: Duration::try_from_secs_f64(minutes * 60.0).map_err(|_| "--soak takes minutes".to_owned())?,
        short: SHORT_CALLS,
        long: LONG_CALLS,
        call: SHORT_CALL,
        every: Duration::try_from_secs_f64(minutes).unwrap_or(SHORT_CALL).clamp(Duration::from_secs(1), SHORT_CALL),
        binary,
        directory: directory.to_owned(),
    };
    say(&format!(
        "{SHORT_CALLS} short calls at once, {LONG_CALLS} long ones\n\n  minute   calls    MB   files   turns  failed"
    ));
    let tell = |sample: &Sample| {
        say(&format!(
            "{:>8.1} {:>7} {:>5.1} {:>7} {:>7} {:>7}",
            sample.at.as_secs_f64() / 60.0,
            sample.ended,
            sample.resident as f64 / 1e6,
            sample.descriptors,
            sample.turns,
            sample.failed
        ));
    };
    let samples = bench::soak(&soak, tell).await.map_err(|error| error.to_string())?;
    let failed = samples.last().is_some_and(|sample| sample.failed > 0);
    if let Some(slope) = bench::slope(&samples) {
        say(&format!(
            "\nin the second half: {:+.0} kB and {:+.2} files in a minute, {:+.0} bytes a call",
            slope.resident / 1e3,
            slope.descriptors,
            slope.resident_per_call
        ));
    }
    Ok(!failed)
}

fn write(file: &Path, text: &str) -> Result<(), String> {
    std::fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
}

/// Who soaks: enough calls in ten minutes to see what one of them leaves behind.
const SHORT_CALLS: usize = 40;
const LONG_CALLS: usize = 4;
const SHORT_CALL: Duration = Duration::from_secs(15);
/// The ports of the engine under test.
const MOST_CALLS: usize = 9_000;
