//! The services of one scenario: vendor simulators on loopback sockets that behave as its script says.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::conversation::{Service, ToolCall, ToolResult};
use crate::engine::{LlmSettings, Providers, Standby, SttSpec, Tools, TtsSpec};
use crate::provider::{
    Deepgram, DeepgramConfig, ElevenLabs, ElevenLabsConfig, NoTools, OpenAiChat, OpenAiChatConfig, ProviderError,
    Secret, ToolStream,
};
use crate::simulator::{
    After, Answer, AnswerScript, Cue, Ending, Fault, FaultKind, LineScript, ModelConfig, RecogniserConfig,
    SimulatorConfig, Simulators, Tones, Utter, VoiceConfig, When,
};
use crate::world::{AnswerEnd, Answered, BackupEar, BackupPart, Part, ToolAnswer, VoiceTrouble};

use super::skip::status;

/// Half periods of the tones of a voice, in samples of 8 kHz: any two neighbours differ by at least two edges a packet.
pub(super) const TONES: [u32; 8] = [4, 5, 6, 8, 10, 13, 17, 23];
/// That of the sound a scenario keeps for the case that every voice is down.
pub(super) const KEPT_TONE: u32 = 30;

/// What the agent sounds like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Voice {
    /// Every word equally long, every reply with a tone of its own.
    Tones,
    /// With the rhythm of speech.
    Murmur,
}

/// The services of one call.
#[derive(Debug)]
pub(super) struct Stage {
    simulators: Simulators,
    /// What the call falls back on.
    backups: BackupPart,
    backup: Option<Simulators>,
    tools: Vec<ToolAnswer>,
}

impl Stage {
    /// Starts the services of `part`.
    pub(super) async fn start(part: &Part, voice: Voice) -> io::Result<Self> {
        let simulators = Simulators::start(config(part, voice)).await?;
        let backups = part.backups.clone();
        let backup = match backups == BackupPart::default() {
            true => None,
            false => {
                let same = backups.model.as_ref().is_none_or(|model| model.answers.is_empty());
                Some(simulators.beside(backup_config(part, voice), same).await?)
            }
        };
        Ok(Self { simulators, backups, backup, tools: part.tools.clone() })
    }

    /// The services as an engine leans on them.
    pub(super) fn providers(&self) -> Result<Providers, ProviderError> {
        let tools = Arc::new(ScriptedTools { tools: self.tools.clone(), ran: Mutex::default() });
        providers(&self.simulators, tools)
    }

    /// The services the call falls back on.
    pub(super) fn standby(&self, stt: &SttSpec, tts: &TtsSpec) -> Result<Standby, ProviderError> {
        let Some(backup) = &self.backup else { return Ok(Standby::default()) };
        let backups = providers(backup, Arc::new(NoTools))?;
        Ok(Standby {
            stt: self.backups.recogniser.map(|_| (backups.stt, stt.clone())),
            llm: self.backups.model.as_ref().map(|_| (backups.llm, LlmSettings::default())),
            tts: self.backups.voice.map(|_| (backups.tts, tts.clone())),
            ..Standby::default()
        })
    }

    /// The caller begins to make a sound.
    pub(super) fn cue(&self, cue: Cue) {
        if let Some(backup) = &self.backup {
            backup.cue(cue.clone());
        }
        self.simulators.cue(cue);
    }

    /// The recogniser says this, whatever it hears.
    pub(super) fn utter(&self, utter: Utter) {
        self.simulators.utter(utter);
    }

    /// The model's last request before `before` came to nothing.
    pub(super) fn forget_request(&self, before: Instant) {
        self.simulators.forget_request(before);
    }

    /// From here on a voice is well, or not.
    pub(super) fn ail_voice(&self, backup: bool, trouble: Option<VoiceTrouble>) {
        let whose = if backup { self.backup.as_ref() } else { Some(&self.simulators) };
        let Some(simulators) = whose else { return };
        simulators.heal_service(Service::Tts);
        let kind = match trouble {
            None => return,
            Some(VoiceTrouble::Silent) => FaultKind::Blackhole,
            Some(VoiceTrouble::Fails(failure)) => FaultKind::Status(status(failure).unwrap_or(500)),
            Some(VoiceTrouble::Stalls(after)) => FaultKind::Stall(After::Units(pieces(after))),
            Some(VoiceTrouble::Breaks(after)) => FaultKind::Drop(After::Units(pieces(after))),
        };
        simulators.inject(Fault { service: Service::Tts, kind, count: u32::MAX });
    }

    /// The recogniser's connection is reset; the next comes up after `outage`.
    pub(super) fn drop_recogniser(&self, outage: Duration) {
        self.simulators.inject(Fault { service: Service::Stt, kind: FaultKind::Connect(outage), count: 1 });
        self.simulators.drop_listeners();
    }

    /// The recogniser's connection hears nothing any more.
    pub(super) fn deafen_recogniser(&self) {
        self.simulators.deafen_listeners();
    }

    /// The recogniser refuses from here on with this HTTP status, whoever is connected.
    pub(super) fn end_recogniser(&self, status: u16) {
        let kind = FaultKind::Status(status);
        self.simulators.inject(Fault { service: Service::Stt, kind, count: u32::MAX });
        self.simulators.drop_listeners();
    }

    /// How often the model was asked.
    pub(super) fn generations(&self) -> usize {
        let asked = |simulators: &Simulators| simulators.received().llm.requests;
        let all = asked(&self.simulators) + self.backup.as_ref().map_or(0, asked);
        usize::try_from(all).unwrap_or(usize::MAX)
    }
}

/// The clients of `simulators`, and `tools`.
pub(crate) fn providers(simulators: &Simulators, tools: Arc<dyn Tools>) -> Result<Providers, ProviderError> {
    let key = || Secret::new("simulated");
    let stt = DeepgramConfig {
        base_url: simulators.deepgram_url(),
        key: key(),
        // What ends a turn is for the engine to find out, as in virtual time.
        utterance_end_ms: 0,
        ..DeepgramConfig::default()
    };
    let llm = OpenAiChatConfig { base_url: simulators.openai_url(), key: key(), ..OpenAiChatConfig::default() };
    let tts = ElevenLabsConfig { base_url: simulators.elevenlabs_url(), key: key(), ..ElevenLabsConfig::default() };
    Ok(Providers {
        stt: Arc::new(Deepgram::new(stt)?),
        llm: Arc::new(OpenAiChat::new(llm)?),
        tts: Arc::new(ElevenLabs::new(tts)?),
        tools,
    })
}

fn config(part: &Part, voice: Voice) -> SimulatorConfig {
    let pace = part.pace;
    let answers = part.answers.iter().enumerate().map(|(n, answered)| answer(n + 1, answered));
    // What the virtual services say when the script is over.
    let more =
        (part.answers.len() + 1..=part.answers.len() + MORE_ANSWERS).map(|n| Answer::new(When::Request(n), MORE));
    SimulatorConfig {
        recogniser: RecogniserConfig {
            script: LineScript::prompted(),
            interim_lag: pace.interim_lag,
            ..RecogniserConfig::default()
        },
        model: ModelConfig {
            script: AnswerScript::new(answers.chain(more)),
            first_token: pace.first_token,
            tokens_per_second: 1.0 / pace.per_token.as_secs_f64().max(0.000_1),
        },
        voice: VoiceConfig {
            first_byte: pace.first_sound,
            // As the virtual voice delivers.
            speed_over_real_time: 10.0,
            word_times: pace.word_times,
            tones: (voice == Voice::Tones).then(|| Tones {
                word: pace.per_word,
                half_periods: TONES.iter().map(|half| Duration::from_micros(125) * *half).collect(),
            }),
        },
        ..SimulatorConfig::default()
    }
}

/// The services to fall back on: like the first, with their own waits and troubles.
fn backup_config(part: &Part, voice: Voice) -> SimulatorConfig {
    let BackupPart { recogniser, model, voice: voice_after } = &part.backups;
    let mut pace = part.pace;
    let mut answers = part.answers.clone();
    let mut faults = Vec::new();
    let mut ail = |service, kind| faults.push(Fault { service, kind, count: u32::MAX });
    match recogniser {
        Some(BackupEar::Deaf) => ail(Service::Stt, FaultKind::Blackhole),
        Some(BackupEar::Fails) => ail(Service::Stt, FaultKind::Status(401)),
        Some(BackupEar::Well) | None => {}
    }
    if let Some(model) = model {
        match model.first_token {
            Some(first_token) => pace.first_token = first_token,
            None => ail(Service::Llm, FaultKind::Blackhole),
        }
        if !model.answers.is_empty() {
            answers.clone_from(&model.answers);
        }
    }
    match voice_after {
        Some(Some(first_sound)) => pace.first_sound = *first_sound,
        Some(None) => ail(Service::Tts, FaultKind::Blackhole),
        None => {}
    }
    let part = Part {
        acts: Vec::new(),
        answers,
        pace,
        tools: Vec::new(),
        backups: BackupPart::default(),
        transfers: Vec::new(),
    };
    SimulatorConfig { faults, ..config(&part, voice) }
}

/// How many pieces the simulated voice delivers for so much sound: the first is short, the others are longer.
fn pieces(sound: Duration) -> u32 {
    let rest = sound.saturating_sub(Duration::from_millis(100)).as_millis();
    1 + u32::try_from(rest / 160).unwrap_or(u32::MAX - 1)
}

const MORE: &str = "All right.";
const MORE_ANSWERS: usize = 50;

fn answer(request: usize, answered: &Answered) -> Answer {
    let ending = match answered.end {
        AnswerEnd::Whole => Ending::Whole,
        AnswerEnd::Stall => Ending::Stall,
        AnswerEnd::Fails(failure) => Ending::Refusal(status(failure).unwrap_or(500)),
    };
    let answer = Answer::new(When::Request(request), &answered.text).ending(ending);
    answered.tools.iter().fold(answer, |answer, (name, arguments)| answer.calling(name, arguments))
}

/// Tools that answer what the script says, when it says.
#[derive(Debug)]
struct ScriptedTools {
    tools: Vec<ToolAnswer>,
    /// The tools that ran, in order.
    ran: Mutex<Vec<String>>,
}

impl ScriptedTools {
    /// How often a tool ran before; it runs once more.
    fn runs_before(&self, name: &str) -> usize {
        let mut ran = self.ran.lock().unwrap_or_else(PoisonError::into_inner);
        let before = ran.iter().filter(|other| *other == name).count();
        ran.push(name.to_owned());
        before
    }
}

impl Tools for ScriptedTools {
    fn open(&self, call: ToolCall) -> ToolStream {
        let before = self.runs_before(&call.name);
        let mut scripts = self.tools.iter().filter(|tool| tool.name == call.name);
        let script = scripts.clone().nth(before).or_else(|| scripts.next_back());
        let (takes, content) = script.map_or_else(
            || (Some(Duration::ZERO), format!("no such tool: {}", call.name)),
            |tool| (tool.takes, tool.answer.clone()),
        );
        ToolStream::spawn(move |result| async move {
            match takes {
                Some(takes) => tokio::time::sleep(takes).await,
                None => std::future::pending().await,
            }
            // Fails only when nobody waits for the result.
            let _ = result.send(ToolResult { id: call.id, content }).await;
        })
    }
}
