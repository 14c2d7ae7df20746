//! The Agent object.

use serde::Serialize;

/// One agent, with every key of the API; what this version has no deed for stands at its default.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Agent {
    id: String,
    name: String,
    description: Option<String>,
    voice_mode: &'static str,
    system_prompt: String,
    begin_message: Option<String>,
    voice: String,
    model_tier: String,
    transfer_number: Option<String>,
    voicemail_message: Option<String>,
    call_screening_identity: Option<String>,
    call_screening_purpose: Option<String>,
    stt_mode: &'static str,
    ambient_sound: &'static str,
    denoising_mode: &'static str,
    max_silence_ms: u64,
    voice_speed: f64,
    interruption_sensitivity: f64,
    enable_backchannel: bool,
    enable_messaging: bool,
    language: String,
    custom_tools: Option<()>,
    created_at: String,
    numbers: Vec<String>,
    phone_numbers: Vec<String>,
}

/// A page of agents.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentList {
    /// The agents, in the order of the configuration.
    pub data: Vec<Agent>,
    /// How many there are in all.
    pub total: usize,
    /// Whether there are more after these.
    pub has_more: bool,
}

/// The API's name of the voice an agent has when it names none.
const DEFAULT_VOICE: &str = "11labs-Brian";

impl Agent {
    /// The object of a configured agent.
    pub fn of(agent: &crate::control::Agent, created: std::time::SystemTime) -> Self {
        let profile = &agent.profile;
        Self {
            id: profile.id.clone(),
            name: profile.name.clone(),
            description: profile.description.clone(),
            voice_mode: "hosted",
            system_prompt: agent.dialogue.system_prompt.clone(),
            begin_message: (!agent.dialogue.begin_message.is_empty()).then(|| agent.dialogue.begin_message.clone()),
            voice: agent.tts.voice.clone().unwrap_or_else(|| DEFAULT_VOICE.into()),
            model_tier: profile.model_tier.clone(),
            transfer_number: None,
            voicemail_message: None,
            call_screening_identity: None,
            call_screening_purpose: None,
            stt_mode: "fast",
            ambient_sound: "none",
            denoising_mode: "noise-cancellation",
            max_silence_ms: u64::try_from(agent.dialogue.timing.max_silence.as_millis()).unwrap_or(u64::MAX),
            voice_speed: super::transcript::round(agent.tts.speed),
            interruption_sensitivity: super::transcript::round(agent.dialogue.interruption_sensitivity),
            enable_backchannel: true,
            enable_messaging: true,
            language: agent.tts.language.clone(),
            custom_tools: None,
            created_at: super::time::iso(created),
            numbers: Vec::new(),
            phone_numbers: Vec::new(),
        }
    }
}
