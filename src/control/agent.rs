//! An agent that can be called.

use crate::engine::{DialogueSpec, LlmSettings, Providers, Standby, SttSpec, TtsSpec};

/// Who answers a call, and everything a call is started with.
#[derive(Clone, Debug)]
pub struct Agent {
    /// What people see of it.
    pub profile: Profile,
    /// How it converses; the direction is that of each call.
    pub dialogue: DialogueSpec,
    /// Who hears, thinks and speaks.
    pub providers: Providers,
    /// How the recogniser is asked; the rate is that of each line.
    pub stt: SttSpec,
    /// How the model is asked.
    pub llm: LlmSettings,
    /// How the voice is asked; the rate is that of each line.
    pub tts: TtsSpec,
    /// What its calls fall back on.
    pub standby: Standby,
}

/// What people see of an agent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Profile {
    /// Its name in URLs.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// `turbo`, `balanced` or `max`.
    pub model_tier: String,
}
