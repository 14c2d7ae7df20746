//! The engine under test, and the services it uses: processes of their own.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::BenchError;
use super::process::{Running, Usage, usage};
use super::script::{GREETING, SYSTEM_PROMPT};

/// An engine of ours that serves, and the simulated services it was pointed at.
#[derive(Debug)]
pub(super) struct Subject {
    engine: Running,
    services: Running,
    http: reqwest::Client,
    address: SocketAddr,
    directory: PathBuf,
}

/// One call attached to it.
#[derive(Clone, Debug)]
pub(super) struct Attached {
    /// The call's name.
    pub(super) id: String,
    /// Where to send the caller's sound.
    pub(super) far: SocketAddr,
}

/// The numbers an engine tells of itself, by the name of the metric; buckets of a histogram by name and bound.
#[derive(Clone, Debug, Default)]
pub(super) struct Metrics {
    values: BTreeMap<String, f64>,
    buckets: BTreeMap<String, Vec<(f64, f64)>>,
}

impl Subject {
    /// Starts both, for up to `calls` calls. Their logs and the configuration go to `directory`.
    pub(super) async fn start(
        binary: &Path,
        calls: usize,
        threads: Option<usize>,
        directory: &Path,
    ) -> Result<Self, BenchError> {
        fs::create_dir_all(directory)?;
        let mut services = Running::start(
            binary,
            &["simulators", "--bench", "--listen", "127.0.0.1:0"],
            &[],
            &directory.join("services.log"),
        )?;
        let mut environment = Vec::new();
        let told = services.read_until(|line| {
            let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
            environment.push((name.to_owned(), value.to_owned()));
            (name == LAST_EXPORT).then_some(())
        });
        told.ok_or_else(|| BenchError::Start("the simulated services", directory.join("services.log")))?;

        let address = free_address()?;
        let config = directory.join("agentphone.toml");
        fs::write(&config, configuration(address, calls, threads))?;
        let log = directory.join("engine.log");
        environment.push(("AGENTPHONE_LOG".into(), "warn".into()));
        let arguments = ["serve".as_ref(), "--config".as_ref(), config.as_os_str()];
        let engine = Running::start(binary, &arguments, &environment, &log)?;
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().map_err(BenchError::http)?;
        let mut subject = Self { engine, services, http, address, directory: directory.to_owned() };
        subject.until_ready().await?;
        Ok(subject)
    }

    async fn until_ready(&mut self) -> Result<(), BenchError> {
        let give_up = Instant::now() + PATIENCE;
        loop {
            if let Ok(response) = self.http.get(self.url("/readyz")).send().await
                && response.status().is_success()
            {
                return Ok(());
            }
            if self.engine.is_over() || Instant::now() >= give_up {
                return Err(BenchError::Start("the engine", self.directory.join("engine.log")));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Where carriers' media streams connect.
    pub(super) fn twilio(&self) -> String {
        format!("ws://{}/v1/streams/twilio/{AGENT}", self.address)
    }

    /// Attaches a call whose caller receives at `remote`.
    pub(super) async fn attach(&self, remote: SocketAddr) -> Result<Attached, BenchError> {
        let body = json!({"agentId": AGENT, "transport": "rtp", "remote": remote.to_string(), "codec": "PCMU"});
        let response = self.http.post(self.url("/v1/media/legs")).json(&body).send().await;
        let response = response.map_err(BenchError::http)?;
        let status = response.status();
        let answer: Value = response.json().await.map_err(BenchError::http)?;
        let text = |name: &str| answer.get(name).and_then(Value::as_str).map(str::to_owned);
        let far = text("local").and_then(|local| local.parse().ok());
        match (text("callId"), far) {
            (Some(id), Some(far)) => Ok(Attached { id, far }),
            _ => Err(BenchError::Refused(format!("{status}: {answer}"))),
        }
    }

    /// Ends a call.
    pub(super) async fn detach(&self, id: &str) -> Result<(), BenchError> {
        let response = self.http.delete(self.url(&format!("/v1/media/legs/{id}"))).send().await;
        response.map(drop).map_err(BenchError::http)
    }

    /// What it tells of itself.
    pub(super) async fn metrics(&self) -> Result<Metrics, BenchError> {
        let response = self.http.get(self.url("/metrics")).send().await.map_err(BenchError::http)?;
        Ok(Metrics::parse(&response.text().await.map_err(BenchError::http)?))
    }

    /// What the engine has used.
    pub(super) fn usage(&self) -> Option<Usage> {
        usage(self.engine.id())
    }

    /// The engine's process.
    pub(super) fn id(&self) -> u32 {
        self.engine.id()
    }

    /// What the services have used.
    pub(super) fn services(&self) -> Option<Usage> {
        usage(self.services.id())
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Metrics {
    /// Reads Prometheus' text format, as far as it is used here.
    fn parse(page: &str) -> Self {
        let mut metrics = Self::default();
        for line in page.lines().filter(|line| !line.starts_with('#')) {
            let Some((name, value)) = line.rsplit_once(' ') else { continue };
            let Ok(value) = value.parse::<f64>() else { continue };
            match name.split_once("_bucket{le=\"").map(|(name, bound)| (name, bound.trim_end_matches("\"}"))) {
                Some((name, bound)) => {
                    let bound = bound.parse().unwrap_or(f64::INFINITY);
                    metrics.buckets.entry(name.to_owned()).or_default().push((bound, value));
                }
                None => _ = metrics.values.insert(name.to_owned(), value),
            }
        }
        metrics
    }

    /// How much a counter has grown since `before`; 0 when there is none of that name.
    pub(super) fn grown(&self, name: &str, before: &Self) -> u64 {
        let of = |metrics: &Self| metrics.values.get(name).copied().unwrap_or_default();
        (of(self) - of(before)).max(0.0) as u64
    }

    /// What the share `q` of all that a histogram has counted since `before` did not exceed, interpolated within its bucket.
    pub(super) fn quantile(&self, name: &str, q: f64, before: &Self) -> Option<Duration> {
        let (now, then) = (self.buckets.get(name)?, before.buckets.get(name));
        let grown = now.iter().enumerate().map(|(n, (bound, count))| {
            (*bound, count - then.and_then(|then| then.get(n)).map_or(0.0, |(_, count)| *count))
        });
        let grown: Vec<(f64, f64)> = grown.collect();
        let all = grown.last().map(|(_, count)| *count).filter(|count| *count > 0.0)?;
        let (mut lower, mut below) = (0.0, 0.0);
        for (bound, count) in grown {
            if count >= all * q {
                let share = if count > below { (all * q - below) / (count - below) } else { 1.0 };
                let upper = if bound.is_finite() { bound } else { lower };
                return Some(Duration::from_secs_f64(lower + (upper - lower) * share.clamp(0.0, 1.0)));
            }
            (lower, below) = (bound, count);
        }
        None
    }
}

/// A port nobody has: asked for, and given back.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

fn configuration(listen: SocketAddr, calls: usize, threads: Option<usize>) -> String {
    let threads = threads.map_or_else(String::new, |threads| format!("media_threads = {threads}\n"));
    format!(
        "[server]\nlisten = \"{listen}\"\n\n[engine]\nmax_calls = {calls}\nmax_call_seconds = 86400\n{threads}\n\
         [rtp]\naddress = \"127.0.0.1\"\nports = \"10000-29999\"\n\n\
         [[agents]]\nid = \"{AGENT}\"\nname = \"Bench\"\nsystemPrompt = \"{SYSTEM_PROMPT}\"\n\
         beginMessage = \"{GREETING}\"\nlanguage = \"en-US\"\n"
    )
}

const AGENT: &str = "bench";
/// The last line `agentphone simulators` announces itself with.
const LAST_EXPORT: &str = "ELEVENLABS_API_KEY";
/// How long the engine may take to start, and to answer.
const PATIENCE: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "# HELP x\na_total 5\nd_seconds_bucket{le=\"0.001\"} 10\nd_seconds_bucket{le=\"0.005\"} 20\n\
                          d_seconds_bucket{le=\"+Inf\"} 20\nd_seconds_sum 0.1\nother{vendor=\"x\"} 3\n";
    const AFTER: &str = "a_total 12\nd_seconds_bucket{le=\"0.001\"} 100\nd_seconds_bucket{le=\"0.005\"} 120\n\
                         d_seconds_bucket{le=\"+Inf\"} 121\nd_seconds_sum 0.2\n";

    #[test]
    fn metrics_are_read_as_what_they_have_grown_by() {
        let (before, after) = (Metrics::parse(BEFORE), Metrics::parse(AFTER));
        assert_eq!((after.grown("a_total", &before), after.grown("b_total", &before)), (7, 0));
        let of = |q| after.quantile("d_seconds", q, &before).unwrap().as_secs_f64() * 1_000.0;
        // 90 of the 101 new ones took at most 1 ms, 10 more at most 5 ms.
        assert!((of(0.5) - 0.561).abs() < 0.01, "{}", of(0.5));
        assert!((1.0..=5.0).contains(&of(0.95)), "{}", of(0.95));
        assert!((of(1.0) - 5.0).abs() < 1e-9, "beyond the last bound nothing is known: {}", of(1.0));
        assert_eq!(after.quantile("d_seconds", 0.5, &after), None, "nothing new");
        assert_eq!(after.quantile("e_seconds", 0.5, &before), None);
    }
}
