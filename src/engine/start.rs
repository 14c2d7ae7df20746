//! What it takes to start a call.

use std::path::PathBuf;
use std::sync::Arc;

use crate::call::CallSpec;
use crate::gateway::Leg;
use crate::provider::{Llm, Stt, SttSpec, Tools, Tts, TtsSpec};

use super::{CallId, Instances, RecordingSpec};

/// The services a call leans on.
#[derive(Clone, Debug)]
pub struct Providers {
    /// Hears.
    pub stt: Arc<dyn Stt>,
    /// Thinks.
    pub llm: Arc<dyn Llm>,
    /// Speaks.
    pub tts: Arc<dyn Tts>,
    /// Does.
    pub tools: Arc<dyn Tools>,
}

/// The services a call falls back on when its first choice fails or keeps the caller waiting, each with how it is asked.
#[derive(Clone, Default, Debug)]
pub struct Standby {
    /// Another recogniser. It is given the line's own rate.
    pub stt: Option<(Arc<dyn Stt>, SttSpec)>,
    /// Another model.
    pub llm: Option<(Arc<dyn Llm>, LlmSettings)>,
    /// Another voice. It is given the line's own rate.
    pub tts: Option<(Arc<dyn Tts>, TtsSpec)>,
    /// What is known of all of them, the first choices too: shared by the calls that use them.
    pub instances: Instances,
}

/// How the model is asked.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct LlmSettings {
    /// Model name; `None`: the provider's configured default.
    pub model: Option<String>,
    /// The most tokens of one answer.
    pub max_tokens: Option<u32>,
    /// Sampling temperature.
    pub temperature: Option<f32>,
}

/// One call to be started.
pub struct Start {
    /// Its name.
    pub id: CallId,
    /// Its conversation. The line's parameters (`call.line`) are taken from the leg, and what there is to fall back on
    /// (`call.dialogue.backups`) from `standby`. Give `timing.final_wait` what the
    /// recogniser needs ([`Stt::final_wait`]).
    pub call: CallSpec,
    /// The open line.
    pub leg: Leg,
    /// Who hears, thinks, speaks and does.
    pub providers: Providers,
    /// How the recogniser is asked.
    pub stt: SttSpec,
    /// How the model is asked.
    pub llm: LlmSettings,
    /// How the voice is asked.
    pub tts: TtsSpec,
    /// What the call falls back on.
    pub standby: Standby,
    /// Where the stereo recording goes, and as what; `None`: nowhere, and nothing is recorded.
    pub recording: Option<RecordingSpec>,
    /// Where the replayable call log goes; `None`: nowhere.
    pub log: Option<PathBuf>,
}
