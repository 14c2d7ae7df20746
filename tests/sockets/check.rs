//! `agentphone check` as people run it: against services that are well, and against services that are not.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use agentphone::conversation::Service;
use agentphone::simulator::{After, Fault, FaultKind, SimulatorConfig, Simulators};

const AGENT: &str = "[[agents]]\nid = \"desk\"\nsystemPrompt = \"Be brief.\"\n";

/// What the command printed, and how it ended.
struct Told {
    lines: Vec<String>,
    is_well: bool,
    took: Duration,
}

/// Checks these settings with nothing in the environment but what `simulators` want.
async fn check(name: &str, settings: &str, simulators: &Simulators) -> Told {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("check-{name}.toml"));
    std::fs::write(&file, format!("{settings}\n{AGENT}")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_agentphone"));
    command.args(["check", "--config"]).arg(&file).env_clear().envs(simulators.environment());
    let began = Instant::now();
    let Output { status, stdout, stderr } =
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(matches!(status.code(), Some(0 | 1)), "{status}: {stdout}{stderr}");
    let lines = stdout.lines().map(str::to_owned).collect();
    Told { lines, is_well: status.success(), took: began.elapsed() }
}

async fn simulators(key: Option<&str>, faults: Vec<Fault>) -> Simulators {
    let key = key.map(str::to_owned);
    Simulators::start(SimulatorConfig { key, faults, ..SimulatorConfig::default() }).await.unwrap()
}

fn fault(service: Service, kind: FaultKind) -> Fault {
    Fault { service, kind, count: 50 }
}

impl Told {
    /// The line of a stage, its columns as one text with single blanks.
    #[track_caller]
    fn line(&self, stage: &str) -> String {
        let line = self.lines.iter().find(|line| line.get(..12).is_some_and(|front| front.trim() == stage));
        let line = line.unwrap_or_else(|| panic!("no line of {stage}: {:#?}", self.lines));
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

#[tokio::test]
async fn services_that_are_well_are_told_one_a_line() {
    let simulators = simulators(Some("sim-key"), Vec::new()).await;
    let settings = "[llm.tiers]\nmax = \"better\"\n[tts.backup]\nprovider = \"openai\"\n";
    let told = check("well", settings, &simulators).await;
    assert!(told.is_well, "{:#?}", told.lines);
    assert_eq!(told.lines.len(), 5, "{:#?}", told.lines);
    assert!(told.line("stt").starts_with("stt deepgram nova-3 ok reachable, authorised, answered the end"));
    assert!(told.line("llm").contains("ok reachable, authorised, first token after "), "{}", told.line("llm"));
    assert!(told.line("llm max").starts_with("llm max openai better ok "), "{}", told.line("llm max"));
    assert!(told.line("tts").contains("sound at 8000 Hz after "), "{}", told.line("tts"));
    assert!(told.line("tts backup").contains("sound at 24000 Hz, brought to a line's 8 kHz here,"));
    assert!(!told.lines.concat().contains("sim-key"));
}

#[tokio::test]
async fn a_key_that_is_refused_and_a_model_that_is_unknown_are_told_with_what_mends_them() {
    let refused = vec![
        fault(Service::Stt, FaultKind::Status(401)),
        fault(Service::Llm, FaultKind::Status(404)),
        fault(Service::Tts, FaultKind::Status(402)),
    ];
    let simulators = simulators(None, refused).await;
    let told = check("refused", "[llm.tiers]\nmax = \"better\"\n", &simulators).await;
    assert!(!told.is_well, "{:#?}", told.lines);
    assert!(told.line("stt").contains("WRONG reachable, not authorised: deepgram: "), "{}", told.line("stt"));
    assert!(told.line("stt").contains("check DEEPGRAM_API_KEY"), "{}", told.line("stt"));
    for stage in ["llm", "llm max"] {
        assert!(
            told.line(stage).contains("WRONG reachable, does not know what it is asked for: "),
            "{}",
            told.line(stage)
        );
        assert!(told.line(stage).contains("check model, voice and language"), "{}", told.line(stage));
    }
    assert!(told.line("tts").contains("WRONG reachable, authorised, without credit: "), "{}", told.line("tts"));
}

#[tokio::test]
async fn services_that_never_answer_do_not_hold_the_check_up() {
    let lost = [Service::Stt, Service::Llm, Service::Tts].map(|service| fault(service, FaultKind::Blackhole)).to_vec();
    let simulators = simulators(None, lost).await;
    let told = check("lost", "[llm.tiers]\nmax = \"better\"\n", &simulators).await;
    assert!(!told.is_well, "{:#?}", told.lines);
    for stage in ["stt", "llm", "tts"] {
        assert!(told.line(stage).contains(" WRONG "), "{}", told.line(stage));
    }
    assert!(told.line("llm max").ends_with("not tried"), "{}", told.line("llm max"));
    assert!(told.took < Duration::from_secs(25), "{:?}", told.took);
}

#[tokio::test]
async fn slow_services_are_well_but_said_to_be_slow() {
    let late = [Service::Llm, Service::Tts].map(|service| fault(service, FaultKind::Delay(Duration::from_secs(2))));
    let simulators = simulators(None, late.to_vec()).await;
    let told = check("slow", "", &simulators).await;
    assert!(told.is_well, "{:#?}", told.lines);
    assert!(!told.line("stt").contains("SLOW"), "{}", told.line("stt"));
    for stage in ["llm", "tts"] {
        assert!(told.line(stage).contains("; SLOW: more than "), "{}", told.line(stage));
    }
}

#[tokio::test]
async fn a_voice_that_breaks_off_and_a_model_that_talks_nonsense_are_wrong() {
    let broken = vec![fault(Service::Llm, FaultKind::Garbage), fault(Service::Tts, FaultKind::Drop(After::Units(0)))];
    let simulators = simulators(None, broken).await;
    let told = check("broken", "[stt]\nprovider = \"simulator\"\n", &simulators).await;
    assert!(!told.is_well, "{:#?}", told.lines);
    assert!(told.line("stt").starts_with("stt simulator nova-3 (SIMULATED) ok "), "{}", told.line("stt"));
    assert!(told.line("llm").contains("WRONG reachable, not understood: "), "{}", told.line("llm"));
    assert!(told.line("tts").contains(" WRONG "), "{}", told.line("tts"));
}
