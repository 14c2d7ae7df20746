//! Puts the demo together and runs it.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{fmt, fs};

use tokio::sync::{mpsc, watch};

use crate::audio::Codec;
use crate::engine::{
    CallHandle, CallId, CallSpec, DialogueSpec, Engine, EngineConfig, Gateway, LegError, LegSpec, Llm, LlmSettings,
    Outcome, Providers, RecordingSpec, SampleRate, Standby, Start, Stt, SttSpec, Tts, TtsSpec,
};
use crate::gateway::{RtpConfig, RtpGateway};
use crate::provider::{
    Deepgram, DeepgramConfig, ElevenLabs, ElevenLabsConfig, NoTools, OpenAiChat, OpenAiChatConfig, ProviderError,
    Secret,
};
use crate::rehearsal::Telephone;
use crate::simulator::{SimulatorConfig, Simulators};

use super::caller::{self, Measured};
use super::script::{self, Cue, Deed, Sound, Step};
use super::{files, scorecard, transcript};

/// What the demo is told.
#[derive(Debug, Default)]
pub struct Demo {
    /// Where the recording, the record and the log go.
    pub out: PathBuf,
    /// A caller of the user's own: any WAV file. Nothing is scripted then.
    pub play_file: Option<PathBuf>,
    /// A real recogniser; `None`: simulated.
    pub stt: Option<Arc<dyn Stt>>,
    /// A real model; `None`: simulated.
    pub llm: Option<Arc<dyn Llm>>,
    /// A real voice; `None`: simulated.
    pub tts: Option<Arc<dyn Tts>>,
}

/// Why the demo could not run.
#[derive(Debug)]
#[non_exhaustive]
pub enum DemoError {
    /// A file or socket.
    Io(PathBuf, io::Error),
    /// The media socket.
    Leg(LegError),
    /// A service could not be set up.
    Provider(ProviderError),
    /// The engine had no room, or the line no address.
    Engine(&'static str),
}

impl fmt::Display for DemoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error) if path.as_os_str().is_empty() => write!(f, "{error}"),
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Leg(error) => write!(f, "{error}"),
            Self::Provider(error) => write!(f, "{error}"),
            Self::Engine(what) => write!(f, "{what}"),
        }
    }
}

impl std::error::Error for DemoError {}

impl From<io::Error> for DemoError {
    fn from(error: io::Error) -> Self {
        Self::Io(PathBuf::new(), error)
    }
}

/// Runs the demo; `true` when the conversation happened as it must.
pub async fn run(demo: Demo, out: &mut (impl Write + Send)) -> Result<bool, DemoError> {
    let at = |path: &PathBuf, error| DemoError::Io(path.clone(), error);
    fs::create_dir_all(&demo.out).map_err(|error| at(&demo.out, error))?;
    let steps = match &demo.play_file {
        None => script::STEPS.to_vec(),
        Some(path) => own_caller(fs::read(path).map_err(|error| at(path, error))?),
    };
    let config = simulators(&demo);
    let told = scorecard::Told {
        first_token: config.model.first_token,
        per_token: Duration::from_secs_f64(1.0 / config.model.tokens_per_second),
        first_audio: config.voice.first_byte,
    };
    let simulators = Simulators::start(config).await?;
    introduce(&demo, out)?;

    let cpu_before = cpu_time();
    let call = start(&demo, &simulators).await?;
    let engine = call.engine.clone();
    let (outcome, measured) = converse(call, &steps, out).await?;
    let cpu = cpu_before.zip(cpu_time()).map(|(before, after)| after.saturating_sub(before));

    let simulated = demo.stt.is_none() && demo.llm.is_none() && demo.tts.is_none();
    let scripted = simulated && demo.play_file.is_none();
    let stats = engine.stats();
    scorecard::write_figures(out, &outcome, &measured, &stats, simulated.then_some(told), cpu)?;
    let assertions = if scripted {
        scorecard::assertions(&outcome, &measured)
    } else {
        scorecard::assertions_for_any_caller(&outcome, &measured)
    };
    writeln!(out, "\nWhat had to happen\n")?;
    for assertion in &assertions {
        writeln!(out, "  {} {}", if assertion.holds { "✔" } else { "✘ NOT:" }, assertion.what)?;
    }
    let record = demo.out.join("call.json");
    files::write_record(&record, &outcome, &measured, &assertions).map_err(|error| at(&record, error))?;
    writeln!(out, "\nWritten to {}\n", demo.out.display())?;
    writeln!(out, "  call.wav    the call: caller left, agent right")?;
    writeln!(out, "  call.json   its record and transcript")?;
    writeln!(
        out,
        "  call.log    every input with its time: `agentphone replay {}`",
        demo.out.join("call.log").display()
    )?;
    let held = assertions.iter().all(|assertion| assertion.holds);
    writeln!(
        out,
        "\n{}",
        if held { "The conversation happened as it should." } else { "The conversation did NOT happen as it should." }
    )?;
    Ok(held)
}

fn introduce(demo: &Demo, out: &mut impl Write) -> io::Result<()> {
    let stages = [
        ("speech recognition", demo.stt.is_none(), "--stt deepgram with DEEPGRAM_API_KEY"),
        (
            "language model",
            demo.llm.is_none(),
            "--llm openai with OPENAI_API_KEY, or OPENAI_BASE_URL of any compatible server",
        ),
        ("voice", demo.tts.is_none(), "--tts elevenlabs with ELEVENLABS_API_KEY, or --tts openai"),
    ];
    writeln!(out, "One phone call over RTP on loopback, in real time.\n")?;
    for (stage, simulated, real) in stages {
        if simulated {
            writeln!(out, "  {stage:<19} SIMULATED (to make it real: {real})")?;
        } else {
            writeln!(out, "  {stage:<19} real")?;
        }
    }
    writeln!(out)?;
    out.flush()
}

/// The simulators' scripts. With a caller of the user's own the recogniser makes up generic sentences.
fn simulators(demo: &Demo) -> SimulatorConfig {
    let mut config = SimulatorConfig::default();
    if demo.play_file.is_none() {
        config.recogniser.script = script::lines();
        config.model.script = script::answers();
    }
    config
}

/// The call and what it needs to stay alive.
struct LiveCall {
    engine: Engine,
    handle: CallHandle,
    /// Where the engine receives.
    local: SocketAddr,
    telephone: Telephone,
}

async fn start(demo: &Demo, simulators: &Simulators) -> Result<LiveCall, DemoError> {
    let telephone = caller::telephone().await?;
    let engine = Engine::new(EngineConfig::default());
    let permit = engine.reserve().map_err(|_| DemoError::Engine("the engine has no room for one call"))?;
    let gateway = RtpGateway::new(RtpConfig::default());
    let leg = gateway.open(LegSpec::new(Codec::Pcmu, Some(telephone.address()?))).await.map_err(DemoError::Leg)?;
    let local = leg.local.ok_or(DemoError::Engine("the RTP gateway gave no address"))?;
    let providers = providers(demo, simulators)?;
    let mut dialogue = DialogueSpec {
        system_prompt: script::SYSTEM_PROMPT.into(),
        begin_message: script::BEGIN_MESSAGE.into(),
        ..DialogueSpec::default()
    };
    dialogue.timing.final_wait = providers.stt.final_wait();
    let handle = engine.start(
        permit,
        Start {
            id: CallId::random(),
            call: CallSpec { seed: 7, ..CallSpec::new(dialogue) },
            leg,
            providers,
            stt: SttSpec { language: "en-US".into(), rate: SampleRate::HZ_8000, model: None },
            llm: LlmSettings::default(),
            tts: TtsSpec { voice: None, language: "en-US".into(), speed: 1.0, rate: SampleRate::HZ_8000 },
            standby: Standby::default(),
            recording: Some(RecordingSpec::new(demo.out.join("call.wav"))),
            log: Some(demo.out.join("call.log")),
        },
    );
    Ok(LiveCall { engine, handle, local, telephone })
}

fn providers(demo: &Demo, simulators: &Simulators) -> Result<Providers, DemoError> {
    let key = || Secret::new("simulated");
    let stt: Arc<dyn Stt> = match &demo.stt {
        Some(stt) => Arc::clone(stt),
        None => {
            let config =
                DeepgramConfig { base_url: simulators.deepgram_url(), key: key(), ..DeepgramConfig::default() };
            Arc::new(Deepgram::new(config).map_err(DemoError::Provider)?)
        }
    };
    let llm: Arc<dyn Llm> = match &demo.llm {
        Some(llm) => Arc::clone(llm),
        None => {
            let config =
                OpenAiChatConfig { base_url: simulators.openai_url(), key: key(), ..OpenAiChatConfig::default() };
            Arc::new(OpenAiChat::new(config).map_err(DemoError::Provider)?)
        }
    };
    let tts: Arc<dyn Tts> = match &demo.tts {
        Some(tts) => Arc::clone(tts),
        None => {
            let config =
                ElevenLabsConfig { base_url: simulators.elevenlabs_url(), key: key(), ..ElevenLabsConfig::default() };
            Arc::new(ElevenLabs::new(config).map_err(DemoError::Provider)?)
        }
    };
    Ok(Providers { stt, llm, tts, tools: Arc::new(NoTools) })
}

/// A caller of the user's own: waits for the greeting, plays the file, waits for the answer, hangs up.
fn own_caller(file: Vec<u8>) -> Vec<Step> {
    let pause = Cue::AfterAgent(Duration::from_millis(1_500));
    // The demo plays one file in its life: leaking it makes it as static as the built-in sounds.
    let sound = Sound { name: "plays your file", file: file.leak(), interrupts: false };
    vec![Step { cue: pause, deed: Deed::Play(sound) }, Step { cue: pause, deed: Deed::HangUp }]
}

/// Runs the conversation to its end, printing it.
async fn converse(call: LiveCall, steps: &[Step], out: &mut impl Write) -> Result<(Arc<Outcome>, Measured), DemoError> {
    let longest = PATIENCE + steps.iter().map(|step| caller::length(step.deed)).sum::<Duration>();
    let began = Instant::now();
    let mut events = call.handle.subscribe().await.ok_or(DemoError::Engine("the call ended before it began"))?;
    let (tell, mut told) = mpsc::channel(16);
    let (hang_up, over) = watch::channel(false);
    let LiveCall { handle, local, telephone, .. } = call;
    let talk = caller::call(telephone, local, steps, tell, over);
    let print = async {
        for event in &events.past {
            transcript::write_event(out, event)?;
        }
        let mut on_line = true;
        loop {
            tokio::select! {
                event = events.live.recv() => match event {
                    Ok(event) => transcript::write_event(out, &event)?,
                    Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
                    Err(tokio::sync::broadcast::error::RecvError::Closed) => break,
                },
                what = told.recv(), if on_line => match what {
                    Some(caller::Told::Did { what }) => transcript::write_deed(out, began.elapsed(), what)?,
                    Some(caller::Told::Done) | None => {
                        on_line = false;
                        transcript::write_deed(out, began.elapsed(), "hangs up")?;
                        handle.hang_up();
                    }
                },
                () = tokio::time::sleep(longest.saturating_sub(began.elapsed())) => {
                    handle.hang_up();
                    break;
                }
            }
        }
        let _ = hang_up.send(true);
        io::Result::Ok(())
    };
    let (measured, printed) = tokio::join!(talk, print);
    printed?;
    Ok((handle.ended().await, measured?))
}

/// A conversation that takes this much longer than what the caller says has gone wrong.
const PATIENCE: Duration = Duration::from_secs(120);

/// The CPU time of this process so far, where the system tells it (Linux).
fn cpu_time() -> Option<Duration> {
    // Fields 14 and 15 of /proc/self/stat (proc(5)) are user and system time in clock ticks of 10 ms; the name before them
    // stands in parentheses and may hold spaces.
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 10))
}
