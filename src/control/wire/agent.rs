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
    custom_tools: Option<Vec<Tool>>,
    created_at: String,
    numbers: Vec<String>,
    phone_numbers: Vec<String>,
}

/// One of its own tools.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Tool {
    name: String,
    description: String,
    url: String,
    method: &'static str,
    timeout_ms: u64,
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
            transfer_number: agent.dialogue.transfer_number.as_ref().map(|number| number.reveal().clone()),
            voicemail_message: agent.options.voicemail_message.clone(),
            call_screening_identity: agent.options.call_screening_identity.clone(),
            call_screening_purpose: agent.options.call_screening_purpose.clone(),
            stt_mode: agent.options.stt_mode,
            ambient_sound: agent.options.sound.ambience.name(),
            denoising_mode: agent.options.sound.denoising.name(),
            max_silence_ms: u64::try_from(agent.dialogue.timing.max_silence.as_millis()).unwrap_or(u64::MAX),
            voice_speed: super::transcript::round(agent.tts.speed),
            interruption_sensitivity: super::transcript::round(agent.dialogue.interruption_sensitivity),
            enable_backchannel: agent.options.enable_backchannel,
            enable_messaging: true,
            language: agent.tts.language.clone(),
            custom_tools: (!agent.options.custom_tools.is_empty()).then(|| tools(agent)),
            created_at: super::time::iso(created),
            numbers: Vec::new(),
            phone_numbers: Vec::new(),
        }
    }
}

fn tools(agent: &crate::control::Agent) -> Vec<Tool> {
    let tool = |tool: &crate::control::ToolProfile| Tool {
        name: tool.name.clone(),
        description: tool.description.clone(),
        url: tool.url.clone(),
        method: tool.method,
        timeout_ms: tool.timeout_ms,
    };
    agent.options.custom_tools.iter().map(tool).collect()
}
