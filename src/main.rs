//! The command line: the only place that builds things and hands them to each other.
#![expect(clippy::disallowed_methods, reason = "the process lives in real time")]

mod cli;

use cli::build::{Services, Wish, hearing, speaking, thinking};

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agentphone::bench;
use agentphone::config::{self, Config, ConfigError, LlmVendor, SttVendor, TtsVendor};
use agentphone::control::{Api, ApiConfig, Keys, Recordings, http};
use agentphone::conversation::Pii;
use agentphone::demo::{self, Demo};
use agentphone::engine::{
    Ambience, DialogueSpec, Engine, EngineConfig, RecordingFormat, ready_ambience, repair_recordings,
};
use agentphone::gateway::{RtpConfig, RtpGateway};
use agentphone::provider::ProviderError;
use agentphone::simulator::{self, SimulatorConfig, Simulators};
use agentphone::store::{Limits, Store};
use clap::builder::FalseyValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// The voice engine that lets an AI agent hold a phone call.
#[derive(Parser)]
#[command(version, about, max_term_width = 100)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
    /// Write log lines as JSON. What is logged is set by AGENTPHONE_LOG or RUST_LOG, like `info,agentphone=debug`.
    #[arg(long, global = true, env = "AGENTPHONE_LOG_JSON", value_parser = FalseyValueParser::new())]
    log_json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server: HTTP API, RTP media ports, media streams.
    Serve(Serve),
    /// Hold one phone call end to end, with no keys and no services.
    Demo(DemoArgs),
    /// Run the simulators of the speech services alone, until interrupted.
    Simulators {
        /// Where to listen: loopback only, since there is no access control.
        #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8600")]
        listen: SocketAddr,
        /// Hear and answer the conversation of `agentphone bench`.
        #[arg(long)]
        bench: bool,
    },
    /// Read the configuration, tell what is wrong with it or what it comes to, and stop.
    CheckConfig(Serve),
    /// Ask every configured service for the least it can do, and tell which of them a call could not lean on.
    Check(Serve),
    /// Run scenario files in virtual time and tell which pass.
    Simulate(cli::simulate::Simulate),
    /// Run the log of a call through this version and tell whether it decides the same.
    Replay(cli::replay::Replay),
    /// Hold many calls at once and tell what each costs.
    Bench(cli::bench::Bench),
}

#[derive(Args)]
struct Serve {
    /// The configuration; start from agentphone.example.toml.
    #[arg(long, value_name = "FILE", default_value = "agentphone.toml")]
    config: PathBuf,
    /// Listen here, whatever the file says.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
}

#[derive(Args)]
struct DemoArgs {
    /// Where the recording, the record and the log go.
    #[arg(long, value_name = "DIR", default_value = "demo")]
    out: PathBuf,
    /// Play this WAV file as the caller.
    #[arg(long, value_name = "WAV")]
    play_file: Option<PathBuf>,
    /// A real recogniser; its key and base URL come from the environment.
    #[arg(long, value_name = "VENDOR")]
    stt: Option<SttName>,
    /// A real language model.
    #[arg(long, value_name = "VENDOR")]
    llm: Option<LlmName>,
    /// A real voice.
    #[arg(long, value_name = "VENDOR")]
    tts: Option<TtsName>,
}

#[derive(Clone, Copy, ValueEnum)]
enum SttName {
    Deepgram,
}

#[derive(Clone, Copy, ValueEnum)]
enum LlmName {
    Openai,
}

#[derive(Clone, Copy, ValueEnum)]
enum TtsName {
    Elevenlabs,
    Openai,
}

/// Why the program stops early.
enum Failure {
    /// The configuration is bad: exit status 2, as for a bad command line.
    Config(ConfigError),
    /// Anything else: exit status 1.
    Other(String),
}

/// How long the records of ended calls may take to be stored.
const LAST_RECORDS: Duration = Duration::from_secs(2);
/// How long open requests may take once all calls are over.
const LAST_REQUESTS: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> ExitCode {
    let line = CommandLine::parse();
    // The demo tells what happens itself; a server tells it in its log.
    let level = if matches!(line.command, Command::Serve(_) | Command::Simulators { .. }) { "info" } else { "warn" };
    start_log(line.log_json, level);
    tell_only_where_it_panicked();
    let done = match line.command {
        Command::Serve(args) => serve(args).await,
        Command::Demo(args) => play_demo(args).await,
        Command::Simulators { listen, bench } => simulators(listen, bench).await,
        Command::CheckConfig(args) => check_config(&args),
        Command::Check(args) => check(&args).await,
        Command::Replay(args) => {
            let same = cli::replay::replay(&args).map_err(Failure::Other);
            same.map(|same| if same { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Simulate(args) => simulate(&args).await,
        Command::Bench(args) => {
            let held = cli::bench::bench(&args).await.map_err(Failure::Other);
            held.map(|held| if held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    };
    match done {
        Ok(code) => code,
        Err(Failure::Config(error)) => {
            complain(&error.to_string());
            ExitCode::from(2)
        }
        Err(Failure::Other(message)) => {
            complain(&format!("agentphone: {message}"));
            ExitCode::FAILURE
        }
    }
}

async fn serve(args: Serve) -> Result<ExitCode, Failure> {
    let config = load(&args)?;
    let recordings = config.recording.as_ref().map(|recording| &recording.directory);
    for directory in [recordings, config.log.as_ref()].into_iter().flatten() {
        std::fs::create_dir_all(directory).map_err(|error| Failure::other(&directory.display(), &error))?;
    }
    repair(recordings);
    let metrics = PrometheusBuilder::new().install_recorder().map_err(|error| Failure::other(&"metrics", &error))?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    warn_of_simulators(&config);
    let simulators = simulators_of(&config).await?;
    let services = Services::of(&config, simulators.as_ref())?;
    let defaults = EngineConfig::default();
    let engine = Engine::new(EngineConfig {
        max_calls: config.engine.max_calls,
        media_threads: config.engine.media_threads,
        cleaned_calls: config.engine.cleaned_calls.unwrap_or(defaults.cleaned_calls),
        kept_speech: config.engine.kept_speech,
        ..defaults
    });
    let rtp = RtpConfig {
        address: config.rtp.address,
        advertised: config.rtp.advertise,
        ports: config.rtp.ports.clone(),
        ptime: config.rtp.ptime,
        require_srtp: config.rtp.require_srtp,
        rest: config.rtp.rest,
        ..RtpConfig::default()
    };
    let rtp = RtpGateway::new(rtp);
    rtp.check().map_err(|error| Failure::other(&format_args!("[rtp] address {}", config.rtp.address), &error))?;
    for agent in &config.agents {
        ready_ambience(Ambience::from_name(agent.ambient_sound).unwrap_or_default()).await;
    }
    let api = Arc::new(Api::new(ApiConfig {
        engine: engine.clone(),
        store: Arc::new(Store::new(Limits::default())),
        agents: config
            .agents
            .iter()
            .map(|agent| cli::agent::callable(agent, &config, &services))
            .collect::<Result<_, _>>()?,
        keys: Keys::new(config.server.keys.clone()),
        rtp: Arc::new(rtp),
        recordings: config.recording.as_ref().map(kept),
        logs: config.log.clone(),
        simulated: config.simulated(),
        catalogue: cli::catalogue::catalogue(&config, &services),
        metrics: Some(metrics),
    }));

    let mut signals = Signals::new().map_err(|error| Failure::other(&"signals", &error))?;
    let listener = TcpListener::bind(config.server.listen).await;
    let listener = listener.map_err(|error| Failure::other(&config.server.listen, &error))?;
    let address = listener.local_addr().map_err(|error| Failure::other(&config.server.listen, &error))?;
    let (stop, stopped) = oneshot::channel::<()>();
    let until = async move { drop(stopped.await) };
    let mut server = tokio::spawn(http::serve(listener, Arc::clone(&api), http::Limits::default(), until));
    tracing::info!(%address, agents = config.agents.len(), "listening");

    tokio::select! {
        () = signals.next() => {}
        ended = &mut server => {
            let how = if ended.is_ok() { "ended" } else { "panicked" };
            return Err(Failure::Other(format!("the HTTP server {how}")));
        }
    }
    api.stop_admitting();
    let (calls, drain) = (engine.stats().live, config.server.drain);
    tracing::info!(
        calls,
        seconds = drain.as_secs(),
        "stopping: no new calls, live ones may finish; again to stop at once"
    );
    let wind_up = async {
        let cut = engine.drain(Instant::now() + drain).await;
        // A call that was left behind has no record to wait for.
        if tokio::time::timeout(LAST_RECORDS, api.calls().settled()).await.is_err() {
            tracing::error!("calls that do not end are left without a record");
        }
        let _ = stop.send(());
        // Whoever still reads after that has had its time.
        let _ = tokio::time::timeout(LAST_REQUESTS, server).await;
        cut
    };
    tokio::select! {
        cut = wind_up => {
            tracing::info!(cut, "stopped");
            Ok(ExitCode::SUCCESS)
        }
        () = signals.next() => Err(Failure::Other("stopped at once; live calls were cut".into())),
    }
}

/// Makes whole what a killed process has left, beside the calls that come in.
fn repair(recordings: Option<&PathBuf>) {
    let Some(directory) = recordings.cloned() else { return };
    tokio::task::spawn_blocking(move || match repair_recordings(&directory) {
        Ok(0) => {}
        Ok(repaired) => tracing::info!(repaired, "recordings that were cut short are whole again"),
        Err(error) => tracing::warn!(%error, "recordings could not be looked through"),
    });
}

/// Where recordings go, and as what.
fn kept(recording: &config::Recording) -> Recordings {
    let format = match recording.format {
        config::RecordingFormat::Pcm16 => RecordingFormat::Pcm16,
        config::RecordingFormat::Ulaw => RecordingFormat::Ulaw,
        config::RecordingFormat::Opus => RecordingFormat::Opus,
    };
    Recordings { directory: recording.directory.clone(), format }
}

async fn play_demo(args: DemoArgs) -> Result<ExitCode, Failure> {
    let key = |name: &str| env(name).filter(|key| !key.is_empty());
    let real = |option: &str, prefix: &str| {
        let (name, url) = (format!("{prefix}_API_KEY"), format!("{prefix}_BASE_URL"));
        match (key(&name).map(Pii::new), key(&url)) {
            (None, None) => {
                Err(Failure::Other(format!("{option} needs {name}, or {url} of a server that wants no key")))
            }
            (Some(_), Some(address)) if !config::may_carry_key(&address) => {
                tracing::warn!("{name} is not sent to {url}, which is neither https nor on this machine");
                Ok((None, Some(address)))
            }
            both => Ok(both),
        }
        .map(|(key, base_url)| Wish { key, base_url, ..Wish::default() })
    };
    let stt = match args.stt {
        None => None,
        Some(SttName::Deepgram) => Some(hearing(SttVendor::Deepgram, &real("--stt", "DEEPGRAM")?)?.0),
    };
    let llm = match args.llm {
        None => None,
        Some(LlmName::Openai) => Some(thinking(LlmVendor::OpenAi, &real("--llm", "OPENAI")?)?.0),
    };
    let tts = match args.tts {
        None => None,
        Some(TtsName::Elevenlabs) => Some(speaking(TtsVendor::ElevenLabs, &real("--tts", "ELEVENLABS")?)?.0),
        Some(TtsName::Openai) => Some(speaking(TtsVendor::OpenAi, &real("--tts", "OPENAI")?)?.0),
    };
    let demo = Demo { out: args.out, play_file: args.play_file, stt, llm, tts };
    let happened = demo::run(demo, &mut io::stdout()).await.map_err(|error| Failure::other(&"demo", &error))?;
    Ok(if happened { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn simulators(listen: SocketAddr, bench: bool) -> Result<ExitCode, Failure> {
    if !listen.ip().is_loopback() {
        return Err(Failure::Other(format!(
            "{listen} can be reached by others; the simulators have no access control"
        )));
    }
    let mut signals = Signals::new().map_err(|error| Failure::other(&"signals", &error))?;
    let config = if bench { bench::services() } else { SimulatorConfig::default() };
    let config = SimulatorConfig { address: listen, ..config };
    let announce = |simulators: &Simulators| {
        say(&format!("# Simulated speech services on {}, until interrupted. To use them:", simulators.address()));
        for (name, value) in simulators.environment() {
            say(&format!("export {name}={value}"));
        }
    };
    simulator::run(config, announce, signals.next()).await.map_err(|error| Failure::other(&listen, &error))?;
    Ok(ExitCode::SUCCESS)
}

fn check_config(args: &Serve) -> Result<ExitCode, Failure> {
    let config = load(args)?;
    let simulated = config.simulated();
    let keys = config.server.keys.len();
    say(&format!("{} is valid", args.config.display()));
    say(&format!("  server  http://{} ({keys} keys)", config.server.listen));
    say(&format!("  rtp     {} ports {}-{}", config.rtp.address, config.rtp.ports.start(), config.rtp.ports.end()));
    let backups = &config.backups;
    let who = [
        ("stt", config.stt.name, backups.stt.as_ref().map(|backup| backup.name)),
        ("llm", config.llm.stage.name, backups.llm.as_ref().map(|backup| backup.name)),
        ("tts", config.tts.stage.name, backups.tts.as_ref().map(|backup| backup.stage.name)),
    ];
    for (stage, vendor, backup) in who {
        let note = if simulated.contains(&stage) { " (SIMULATED)" } else { "" };
        let backup = backup.map_or_else(String::new, |vendor| format!(", backup {vendor}"));
        say(&format!("  {stage}     {vendor}{note}{backup}"));
    }
    for agent in &config.agents {
        // Wrong addresses of tools are found here rather than at the start.
        cli::agent::tools(agent, &config)?;
        say(&format!("  agent   {}", agent.id));
    }
    for warning in &config.warnings {
        say(&format!("  warning {warning}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Exit status 1 when a service is wrong.
async fn check(args: &Serve) -> Result<ExitCode, Failure> {
    let config = load(args)?;
    for warning in &config.warnings {
        say(&format!("warning {warning}"));
    }
    let simulators = simulators_of(&config).await?;
    let services = Services::of(&config, simulators.as_ref())?;
    Ok(if cli::check::check(&config, &services).await { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The simulators, when a stage is played by one.
async fn simulators_of(config: &Config) -> Result<Option<Simulators>, Failure> {
    if config.simulated().is_empty() {
        return Ok(None);
    }
    Simulators::start(SimulatorConfig::default()).await.map(Some).map_err(|error| Failure::other(&"simulators", &error))
}

async fn simulate(args: &cli::simulate::Simulate) -> Result<ExitCode, Failure> {
    let agent = match &args.config {
        None => DialogueSpec::default(),
        Some(file) => agent_of(file, args.agent.as_deref())?,
    };
    let passed = cli::simulate::simulate(args, &agent).await.map_err(Failure::Other)?;
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How an agent of a configuration holds its calls.
fn agent_of(file: &Path, id: Option<&str>) -> Result<DialogueSpec, Failure> {
    let config = Config::load(file, None, &env).map_err(Failure::Config)?;
    let agent = match id {
        None => config.agents.first(),
        Some(id) => config.agents.iter().find(|agent| agent.id == id),
    };
    let agent = agent.ok_or_else(|| Failure::Other(format!("{}: there is no such agent", file.display())))?;
    Ok(cli::agent::dialogue(agent, &config))
}

fn warn_of_simulators(config: &Config) {
    for (stage, does, stand_in) in [
        ("stt", "hears what a script says", config.stt.stand_in),
        ("llm", "answers from a script", config.llm.stage.stand_in),
        ("tts", "murmurs", config.tts.stage.stand_in),
    ] {
        if let Some(vendor) = stand_in {
            tracing::warn!(
                "[{stage}] is SIMULATED: it {does}. To make it real set {vendor}_API_KEY, or {vendor}_BASE_URL or \
                 base_url in [{stage}]"
            );
        } else if config.simulated().contains(&stage) {
            tracing::warn!("[{stage}] is SIMULATED, as configured: it {does}");
        }
    }
}

fn load(args: &Serve) -> Result<Config, Failure> {
    Config::load(&args.config, args.listen, &env).map_err(Failure::Config)
}

fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn start_log(json: bool, level: &str) {
    let filter = env("AGENTPHONE_LOG").or_else(|| env("RUST_LOG")).unwrap_or_else(|| level.into());
    let filter = tracing_subscriber::EnvFilter::try_new(&filter).unwrap_or_else(|error| {
        complain(&format!("agentphone: AGENTPHONE_LOG or RUST_LOG: {error}; logging at {level}"));
        tracing_subscriber::EnvFilter::new(level)
    });
    let colours = io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(colours);
    if json {
        log.json().init();
    } else {
        log.init();
    }
}

/// Panics are logged by their place alone: their message may quote what was being worked on, which is people's speech.
fn tell_only_where_it_panicked() {
    std::panic::set_hook(Box::new(|panic| match panic.location() {
        Some(place) => tracing::error!(file = place.file(), line = place.line(), "a bug: this place panicked"),
        None => tracing::error!("a bug: a panic without a place"),
    }));
}

/// Writes a line for the user. Nobody reading is no reason to stop.
fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

fn complain(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

impl Failure {
    fn other(what: &dyn std::fmt::Display, error: &dyn std::fmt::Display) -> Self {
        Self::Other(format!("{what}: {error}"))
    }
}

impl From<ProviderError> for Failure {
    fn from(error: ProviderError) -> Self {
        Self::Other(error.to_string())
    }
}

/// The orders to stop: SIGINT and, where there is one, SIGTERM.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    #[cfg(unix)]
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    #[cfg(not(unix))]
    fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    async fn next(&mut self) {
        // Without a handler the order can only come by ending the process.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::panic;

    use super::*;

    #[test]
    fn a_panic_is_told_by_its_place_and_not_by_its_words() {
        let (mut log, writer) = io::pipe().unwrap();
        let subscriber = tracing_subscriber::fmt().with_writer(Arc::new(writer)).with_ansi(false).finish();
        let speech = String::from("my card number is");
        tell_only_where_it_panicked();
        let panicked =
            tracing::subscriber::with_default(subscriber, || panic::catch_unwind(|| speech[..99].len()).is_err());
        drop(panic::take_hook());
        let mut told = String::new();
        log.read_to_string(&mut told).unwrap();
        assert!(panicked && told.contains("main.rs") && told.contains("line="), "{told}");
        assert!(!told.contains("card"), "{told}");
    }
}
