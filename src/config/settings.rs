//! The whole configuration.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::conversation::Pii;

use super::agent::{self, Agent};
use super::document::{Document, Problems, Section};
use super::prices::{self, Prices};
use super::stage::{self, Backups, Llm, Stt, Tts};
use super::tool::{self, ToolPolicy};
use super::vendor::{LlmVendor, SttVendor, TtsVendor};
use super::{ConfigError, Problem};

/// How the environment is asked: a function, so that a test needs no real one.
pub type Env<'e> = &'e dyn Fn(&str) -> Option<String>;

/// Everything `main` needs to build the house.
#[derive(Clone, PartialEq, Debug)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[engine]`
    pub engine: Engine,
    /// `[rtp]`
    pub rtp: Rtp,
    /// `[recording]`: where stereo recordings go, and as what; `None`: nothing is recorded.
    pub recording: Option<Recording>,
    /// `[log] dir`: where replayable call logs go; `None`: none are written.
    pub log: Option<PathBuf>,
    /// `[stt]`
    pub stt: Stt,
    /// `[llm]`
    pub llm: Llm,
    /// `[tts]`
    pub tts: Tts,
    /// `[tools]`
    pub tools: ToolPolicy,
    /// `[stt.backup]`, `[llm.backup]` and `[tts.backup]`
    pub backups: Backups,
    /// `[prices]`; `None`: calls are counted in tokens, characters and seconds only.
    pub prices: Option<Prices>,
    /// `[[agents]]`, at least one.
    pub agents: Vec<Agent>,
    /// What is not wrong, and not as it was meant either: to be told at start. Never holds a key.
    pub warnings: Vec<Problem>,
}

/// `[server]`: the HTTP door.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Server {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The keys that open it; none only on a loopback address.
    pub keys: Vec<Pii<String>>,
    /// How long calls may go on after the order to stop.
    pub drain: Duration,
}

/// `[engine]`: limits of the whole process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Engine {
    /// Calls at one time; more are refused with 503.
    pub max_calls: usize,
    /// The longest call.
    pub max_call: Duration,
    /// Threads that drive calls; 0: calls share the runtime's own.
    pub media_threads: usize,
    /// With more calls than this, new ones are not cleaned of noise; `None`: the engine's own figure.
    pub cleaned_calls: Option<usize>,
    /// Bytes of sound kept of what agents say in every call (their first words, fillers, apologies); 0: none is kept.
    pub kept_speech: usize,
}

/// `[rtp]`: the media ports.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rtp {
    /// The address the ports are bound to.
    pub address: IpAddr,
    /// The address told to the other side, when it is another one (NAT, `0.0.0.0`).
    pub advertise: Option<IpAddr>,
    /// The ports.
    pub ports: RangeInclusive<u16>,
    /// What one of our packets holds where a leg does not say: 10, 20, 30, 40 or 60 ms.
    pub ptime: Duration,
    /// Whether calls without SRTP keys are refused.
    pub require_srtp: bool,
    /// How long a closed port rests before another call may have it.
    pub rest: Duration,
}

/// `[recording]`: what is kept of the sound of calls.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recording {
    /// The directory.
    pub directory: PathBuf,
    /// How the sound is written.
    pub format: RecordingFormat,
}

/// How the sound of a recording is written.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum RecordingFormat {
    /// WAV, 16 bits a sample.
    #[default]
    Pcm16,
    /// WAV, µ-law.
    Ulaw,
    /// Opus in Ogg.
    Opus,
}

impl RecordingFormat {
    /// The name in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcm16 => "pcm16",
            Self::Ulaw => "ulaw",
            Self::Opus => "opus",
        }
    }
}

impl Config {
    /// Reads `file` and the environment; `listen` from the command line outranks the file.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, each with its place, what was found and what was expected.
    pub fn load(file: &Path, listen: Option<SocketAddr>, env: Env<'_>) -> Result<Self, ConfigError> {
        let name = file.display().to_string();
        let text = fs::read_to_string(file).map_err(|error| {
            let message = match error.kind() {
                std::io::ErrorKind::NotFound => "no such file; start from agentphone.example.toml".to_owned(),
                _ => format!("could not be read: {error}"),
            };
            ConfigError { problems: vec![Problem { place: name.clone(), message }] }
        })?;
        Self::parse(&name, &text, listen, env)
    }

    /// Reads a configuration from `text`; `name` is what messages call it.
    ///
    /// # Errors
    ///
    /// As [`Config::load`].
    pub fn parse(name: &str, text: &str, listen: Option<SocketAddr>, env: Env<'_>) -> Result<Self, ConfigError> {
        let problems = Problems::default();
        let config = {
            let document = Document { name, text, problems: &problems };
            match toml::de::DeTable::parse(text) {
                Ok(table) => Some(read(document.root(table.get_ref()), listen, env, &problems)),
                Err(error) => {
                    document.syntax(&error);
                    None
                }
            }
        };
        match (config, problems.into_sorted()) {
            (Some(config), problems) if problems.is_empty() => Ok(config),
            (_, problems) => Err(ConfigError { problems }),
        }
    }

    /// The stages that run on the simulator, by the names of the file: they are told at start and in `/healthz`.
    pub fn simulated(&self) -> Vec<&'static str> {
        let mut stages = Vec::new();
        if self.stt.vendor == SttVendor::Simulator {
            stages.push("stt");
        }
        if self.llm.stage.vendor == LlmVendor::Simulator {
            stages.push("llm");
        }
        if self.tts.stage.vendor == TtsVendor::Simulator {
            stages.push("tts");
        }
        stages
    }
}

fn read(mut root: Section<'_>, listen: Option<SocketAddr>, env: Env<'_>, problems: &Problems) -> Config {
    let server = server(root.section("server"), listen, env, problems);
    let engine = engine(root.section("engine"));
    let rtp = rtp(root.section("rtp"));
    let recording = recording(root.section("recording"));
    let log = log(root.section("log"));
    let (stt, stt_backup) = stage::stt(root.section("stt"), env, problems);
    let (llm, llm_backup) = stage::llm(root.section("llm"), env, problems);
    let (tts, tts_backup) = stage::tts(root.section("tts"), env, problems);
    let backups = Backups { stt: stt_backup, llm: llm_backup, tts: tts_backup };
    stage::all_or_none(&stt, &llm, &tts, problems);
    let tools = tool::policy(root.section("tools"));
    let prices = prices::prices(root.section("prices"));
    let tables = root.sections("agents");
    if tables.is_empty() && !root.has("agents") {
        root.missing("agents", "at least one [[agents]] table with id and systemPrompt");
    }
    let agents = agent::agents(tables, env);
    root.finish();
    let warnings = problems.warnings();
    Config { server, engine, rtp, recording, log, stt, llm, tts, backups, tools, prices, agents, warnings }
}

fn server(mut section: Section<'_>, over: Option<SocketAddr>, env: Env<'_>, problems: &Problems) -> Server {
    let listen = section.parsed("listen", "an address and a port, like \"127.0.0.1:8080\"");
    let listen = over.or(listen).unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)));
    let drain = section.integer("drain_seconds", 0..=3_600).unwrap_or(30);
    let file = section.text("api_keys_file");
    section.refuse(
        &["api_key", "api_keys", "key", "keys", "token", "secret"],
        "keys do not belong in the file, which gets copied and shown; set AGENTPHONE_API_KEY or api_keys_file",
    );
    let mut keys = Vec::new();
    for variable in ["AGENTPHONE_API_KEY", "AGENTPHONE_API_KEYS"] {
        for key in env(variable).iter().flat_map(|keys| keys.split(',')).map(str::trim).filter(|key| !key.is_empty()) {
            if let Err(reason) = check_key(key) {
                problems.outside(variable, reason);
            }
            keys.push(Pii::new(key.to_owned()));
        }
    }
    if let Some(file) = file {
        match fs::read_to_string(&file) {
            Err(error) => section.wrong("api_keys_file", format!("\"{file}\" could not be read: {error}")),
            Ok(text) => {
                let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
                for key in lines {
                    if let Err(reason) = check_key(key) {
                        section.wrong("api_keys_file", format!("a key in it {reason}"));
                    }
                    keys.push(Pii::new(key.to_owned()));
                }
            }
        }
    }
    if keys.is_empty() && !listen.ip().is_loopback() {
        let message = format!(
            "found {listen}, which others can reach, and no key; set AGENTPHONE_API_KEY, or listen on 127.0.0.1"
        );
        if over.is_some() {
            problems.outside("--listen", message);
        } else {
            section.wrong("listen", message);
        }
    }
    section.finish();
    Server { listen, keys, drain: Duration::from_secs(drain) }
}

fn check_key(key: &str) -> Result<(), &'static str> {
    if key.len() < 8 {
        return Err("is too short to be a secret; expected at least 8 characters");
    }
    // The unreserved characters of RFC 3986: a carrier's stream brings its key as a path segment.
    if !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte)) {
        return Err("holds characters a key cannot have; expected letters, digits and `.`, `_`, `~`, `-`");
    }
    Ok(())
}

fn engine(mut section: Section<'_>) -> Engine {
    let max_calls = section.integer("max_calls", 1..=100_000).unwrap_or(100);
    let max_call = section.integer("max_call_seconds", 10..=86_400).unwrap_or(3_600);
    let media_threads = section.integer("media_threads", 0..=256).map_or(0, |threads| threads as usize);
    let cleaned_calls = section.integer("cleaned_calls", 0..=100_000).map(|calls| calls as usize);
    let kept_speech = section.integer("kept_speech_mb", 0..=4_096).unwrap_or(16) as usize * (1 << 20);
    section.finish();
    let max_calls = usize::try_from(max_calls).unwrap_or(usize::MAX);
    Engine { max_calls, max_call: Duration::from_secs(max_call), media_threads, cleaned_calls, kept_speech }
}

fn rtp(mut section: Section<'_>) -> Rtp {
    let address = section.parsed("address", "an IP address").unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let advertise = section.parsed("advertise", "an IP address the other side can reach");
    let ports = match section.text("ports") {
        None => None,
        Some(text) => {
            let range = ports(&text);
            if range.is_none() {
                let message = format!("found \"{text}\", expected a range of ports from 1024 up, like \"10000-20000\"");
                section.wrong("ports", message);
            }
            range
        }
    };
    let ptime = section.integer("ptime", 10..=60).unwrap_or(20);
    if ![10, 20, 30, 40, 60].contains(&ptime) {
        section.wrong("ptime", format!("found {ptime}, expected 10, 20, 30, 40 or 60 milliseconds"));
    }
    if address.is_unspecified() && advertise.is_none() && section.is_present() {
        section.missing("advertise", "the address to tell the other side, since `address` is every address");
    }
    let require_srtp = section.flag("require_srtp").unwrap_or(false);
    let rest = section.integer("port_rest_seconds", 0..=3_600).unwrap_or(30);
    section.finish();
    let (ports, ptime) = (ports.unwrap_or(10_000..=20_000), Duration::from_millis(ptime));
    Rtp { address, advertise, ports, ptime, require_srtp, rest: Duration::from_secs(rest) }
}

fn ports(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-')?;
    let (first, last) = (first.trim().parse::<u16>().ok()?, last.trim().parse::<u16>().ok()?);
    (first >= 1024 && last > first).then_some(first..=last)
}

fn recording(mut section: Section<'_>) -> Option<Recording> {
    let directory = directory(&mut section);
    let formats = [RecordingFormat::Pcm16, RecordingFormat::Ulaw, RecordingFormat::Opus];
    let format = section.one_of("format", &formats.map(|format| (format.name(), format))).unwrap_or_default();
    section.finish();
    directory.map(|directory| Recording { directory, format })
}

fn log(mut section: Section<'_>) -> Option<PathBuf> {
    let directory = directory(&mut section);
    section.finish();
    directory
}

fn directory(section: &mut Section<'_>) -> Option<PathBuf> {
    let directory = section.text("dir").map(PathBuf::from);
    if directory.is_none() && section.is_present() && !section.has("dir") {
        section.missing("dir", "a directory");
    }
    directory
}
