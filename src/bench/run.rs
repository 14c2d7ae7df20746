//! Level after level, until a promise breaks.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::level::{Cost, Level, Reference};
use super::process::{Usage, usage};
use super::rtp::{self, Measured};
use super::sound::Script;
use super::subject::{Attached, Metrics, Subject};
use super::twilio;

/// What is to be measured.
#[derive(Clone, PartialEq, Debug)]
pub struct Plan {
    /// Calls at once, level by level, each more than the one before.
    pub levels: Vec<usize>,
    /// How long each level is measured.
    pub measure: Duration,
    /// How long a level runs before it is measured: the greetings are over then.
    pub warm_up: Duration,
    /// New calls in a second.
    pub rate: f64,
    /// Goes on though a promise is broken.
    pub keep_going: bool,
    /// Who is measured.
    pub target: Target,
    /// The media threads of this engine; `None`: as it would itself.
    pub media_threads: Option<usize>,
    /// This program, to start the engine and its services with.
    pub binary: PathBuf,
    /// Where their configuration and logs go.
    pub directory: PathBuf,
}

/// Who is measured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// This engine, over RTP.
    Own,
    /// This engine, over Twilio Media Streams.
    OwnTwilio,
    /// Whoever speaks Twilio Media Streams at this address; its process, where it runs on this machine.
    Twilio {
        /// `ws://…` or `wss://…`.
        url: String,
        /// Its process id.
        process: Option<u32>,
    },
}

/// Why a benchmark stops early.
#[derive(Debug)]
#[non_exhaustive]
pub enum BenchError {
    /// A socket, a file or a process.
    Io(io::Error),
    /// A process did not start; why is in its log.
    Start(&'static str, PathBuf),
    /// The engine did not answer a request.
    Http(String),
    /// The engine did not take a call.
    Refused(String),
}

impl BenchError {
    pub(super) fn http(error: reqwest::Error) -> Self {
        Self::Http(error.to_string())
    }
}

impl fmt::Display for BenchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "{error}"),
            Self::Start(what, log) => write!(f, "{what} did not start, see {}", log.display()),
            Self::Http(error) => write!(f, "the engine did not answer: {error}"),
            Self::Refused(why) => write!(f, "the engine took no call: {why}"),
        }
    }
}

impl std::error::Error for BenchError {}

impl From<io::Error> for BenchError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Runs all levels of `plan`, telling each as soon as it is measured. Ends with the first that breaks a promise, unless told
/// to go on.
pub async fn run(plan: &Plan, mut tell: impl FnMut(&Level)) -> Result<Vec<Level>, BenchError> {
    let most = plan.levels.iter().copied().max().unwrap_or(0);
    let mut bench = Bench::start(plan, most).await?;
    let mut levels = Vec::new();
    let mut reference = None;
    for &calls in &plan.levels {
        bench.raise(calls, plan.rate).await?;
        tokio::time::sleep(plan.warm_up).await;
        let before = bench.snapshot().await;
        drop(bench.lines.take());
        tokio::time::sleep(plan.measure).await;
        let after = bench.snapshot().await;
        let mut measured = bench.lines.take();
        let reference: &Reference = reference.get_or_insert_with(|| Reference::of(&measured));
        reference.judge_answers(&mut measured);
        let mut level = Level::of(calls, after.at - before.at, measured);
        bench.account(&mut level, &before, &after);
        level.broken = reference.broken(&level);
        tell(&level);
        let broken = !level.broken.is_empty();
        levels.push(level);
        if broken && !plan.keep_going {
            break;
        }
    }
    bench.end().await;
    Ok(levels)
}

/// Everything at work.
pub(super) struct Bench {
    pub(super) subject: Option<Subject>,
    process: Option<u32>,
    pub(super) lines: Lines,
    /// Memory with no call, or with the fewest that were measured; and how many those were.
    base: Option<(u64, usize)>,
}

/// The callers, by what carries their sound.
pub(super) enum Lines {
    Rtp(rtp::Callers, Vec<Attached>),
    Twilio(twilio::Callers),
}

/// All clocks at one moment.
pub(super) struct Snapshot {
    at: Instant,
    metrics: Option<Metrics>,
    engine: Option<Usage>,
    services: Option<Usage>,
    callers: Option<Usage>,
}

impl Lines {
    fn take(&self) -> Measured {
        match self {
            Self::Rtp(callers, _) => callers.take(),
            Self::Twilio(callers) => callers.take(),
        }
    }
}

impl Bench {
    /// Starts what is to be measured, and callers who have not called yet.
    pub(super) async fn start(plan: &Plan, most: usize) -> Result<Self, BenchError> {
        // Whoever comes second finds it done.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let script = Script::prepare()?;
        let subject = match plan.target {
            Target::Twilio { .. } => None,
            Target::Own | Target::OwnTwilio => {
                Some(Subject::start(&plan.binary, most + SPARE, plan.media_threads, &plan.directory).await?)
            }
        };
        let lines = match (&plan.target, &subject) {
            (Target::Twilio { url, .. }, _) => Lines::Twilio(twilio::Callers::new(script, url.clone())),
            (Target::OwnTwilio, Some(subject)) => Lines::Twilio(twilio::Callers::new(script, subject.twilio())),
            _ => Lines::Rtp(rtp::Callers::start(script, most)?, Vec::new()),
        };
        let process = match plan.target {
            Target::Twilio { process, .. } => process,
            Target::Own | Target::OwnTwilio => subject.as_ref().map(Subject::id),
        };
        let base = process.and_then(usage).map(|usage| (usage.resident, 0));
        Ok(Self { subject, process, lines, base })
    }

    /// Calls until `calls` are up, `rate` in a second.
    pub(super) async fn raise(&mut self, calls: usize, rate: f64) -> Result<(), BenchError> {
        let apart = Duration::from_secs_f64(1.0 / rate.max(0.1));
        let mut due = Instant::now();
        loop {
            match (&mut self.lines, &self.subject) {
                (Lines::Rtp(callers, attached), Some(subject)) if attached.len() < calls => {
                    let n = attached.len();
                    let call = subject.attach(callers.address(n)?).await?;
                    callers.pick_up(n, call.far);
                    attached.push(call);
                }
                (Lines::Twilio(callers), _) if callers.count() < calls => callers.call(),
                _ => return Ok(()),
            }
            due += apart;
            tokio::time::sleep_until(due.into()).await;
        }
    }

    pub(super) async fn snapshot(&self) -> Snapshot {
        let metrics = match &self.subject {
            Some(subject) => subject.metrics().await.ok(),
            None => None,
        };
        Snapshot {
            at: Instant::now(),
            metrics,
            engine: self.process.and_then(usage),
            services: self.subject.as_ref().and_then(Subject::services),
            callers: usage(std::process::id()),
        }
    }

    /// What the processes used between two moments.
    fn account(&mut self, level: &mut Level, before: &Snapshot, after: &Snapshot) {
        let seconds = (after.at - before.at).as_secs_f64().max(0.001);
        let cores = |before: Option<Usage>, after: Option<Usage>| {
            before.zip(after).map(|(before, after)| (after.cpu.saturating_sub(before.cpu)).as_secs_f64() / seconds)
        };
        level.services_cores = cores(before.services, after.services);
        level.callers_cores = cores(before.callers, after.callers);
        level.engine = cores(before.engine, after.engine).zip(after.engine).map(|(cores, usage)| {
            let more = self
                .base
                .filter(|(_, calls)| level.calls > *calls)
                .map(|(base, calls)| (usage.resident as f64 - base as f64) / (level.calls - calls) as f64);
            // With one call everything that is only needed once is there.
            if self.base.is_none_or(|(_, calls)| calls == 0) {
                self.base = Some((usage.resident, level.calls));
            }
            Cost {
                cpu_per_call_minute: cores * 60.0 / level.calls.max(1) as f64,
                cores,
                resident: usage.resident,
                resident_per_call: more.filter(|_| level.calls > 1),
                descriptors: usage.descriptors,
            }
        });
        if let Some((before, after)) = before.metrics.as_ref().zip(after.metrics.as_ref()) {
            let late = |q| after.quantile(LATENESS, q, before);
            level.engine_lateness =
                late(0.5).zip(late(0.99)).zip(late(0.999)).map(|((p50, p99), p999)| [p50, p99, p999]);
            level.underruns = Some(after.grown("agentphone_playout_underruns_total", before));
        }
    }

    /// Hangs all calls up.
    pub(super) async fn end(self) {
        if let (Lines::Rtp(_, attached), Some(subject)) = (&self.lines, &self.subject) {
            for call in attached {
                // The engine is ended next, whatever it says.
                let _ = subject.detach(&call.id).await;
            }
        }
    }
}

/// Room for calls beside those of a level.
const SPARE: usize = 16;
const LATENESS: &str = "agentphone_pacing_lateness_seconds";
