//! An agent that can be called.

use crate::engine::{
    Ambience, Denoising, DialogueSpec, LlmSettings, Pii, Providers, Screening, SoundSpec, Standby, SttSpec, TtsSpec,
    Variables,
};

use super::VoiceName;

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
    /// What else the API says of it.
    pub options: Options,
}

/// Options of the API that no other part of an agent holds.
#[derive(Clone, PartialEq, Debug)]
pub struct Options {
    /// What is done to the sound.
    pub sound: SoundSpec,
    /// Whether calls are recorded where recordings are kept at all.
    pub record: bool,
    /// `sttMode`: `fast` or `accurate`.
    pub stt_mode: &'static str,
    /// Whether the agent says "uh-huh" while the caller speaks at length.
    pub enable_backchannel: bool,
    /// What is left on an answering machine.
    pub voicemail_message: Option<String>,
    /// Who a call screener is told is calling.
    pub call_screening_identity: Option<String>,
    /// And why.
    pub call_screening_purpose: Option<String>,
    /// The models behind `modelTier`, by its names.
    pub models: Vec<(&'static str, Option<String>)>,
    /// Voices that have names of their own.
    pub voices: Vec<VoiceName>,
    /// Its own tools, as they are shown.
    pub custom_tools: Vec<ToolProfile>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            sound: SoundSpec::default(),
            record: true,
            stt_mode: "fast",
            enable_backchannel: true,
            voicemail_message: None,
            call_screening_identity: None,
            call_screening_purpose: None,
            models: Vec::new(),
            voices: Vec::new(),
            custom_tools: Vec::new(),
        }
    }
}

/// What people see of a tool; its headers are not among it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ToolProfile {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Where it is.
    pub url: String,
    /// `GET` or `POST`.
    pub method: &'static str,
    /// How long it may take, in milliseconds.
    pub timeout_ms: u64,
}

impl Agent {
    /// What the first voice calls a voice that is asked for: what its name stands for, or else what was asked for.
    pub fn voice_id(&self, asked: String) -> String {
        let named = self.options.voices.iter().find(|voice| voice.name == asked);
        named.and_then(|voice| voice.first.clone()).unwrap_or(asked)
    }

    /// Speaks with this voice. What stands by has it too where the names say so, and else speaks with its own.
    fn speak_as(&mut self, asked: String) {
        let named = self.options.voices.iter().find(|voice| voice.name == asked);
        let second = named.and_then(|voice| voice.second.clone());
        if let Some((_, spec)) = &mut self.standby.tts {
            spec.voice = second.or(spec.voice.take());
        }
        self.tts.voice = Some(self.voice_id(asked));
    }

    /// What a call screening is told: needs a purpose; whoever has no other identity is called by the agent's name.
    pub(super) fn screening(&self) -> Option<Screening> {
        let Options { call_screening_identity, call_screening_purpose, .. } = &self.options;
        let purpose = call_screening_purpose.clone()?;
        let identity = call_screening_identity.as_ref().unwrap_or(&self.profile.name).clone();
        Some(Screening { identity, purpose })
    }

    /// This agent for one call: its variables filled in, in what it is told, says and sends. Names nothing is known of are
    /// left out; how many they were is logged.
    #[must_use]
    pub fn with_variables(&self, variables: &Variables) -> Self {
        let mut agent = self.clone();
        let mut unknown = 0;
        let dialogue = &mut agent.dialogue;
        let texts = [
            Some(&mut dialogue.system_prompt),
            Some(&mut dialogue.begin_message),
            Some(&mut dialogue.goodbye),
            agent.options.voicemail_message.as_mut(),
            agent.options.call_screening_identity.as_mut(),
            agent.options.call_screening_purpose.as_mut(),
        ];
        for text in texts.into_iter().flatten() {
            let filled = variables.fill(text);
            unknown += filled.unknown;
            *text = filled.text;
        }
        agent.dialogue.voicemail_message =
            agent.options.voicemail_message.clone().filter(|text| !text.trim().is_empty());
        // Who gives only a purpose calls under the agent's name.
        let purpose = agent.options.call_screening_purpose.clone().filter(|text| !text.trim().is_empty());
        agent.dialogue.screening = purpose.map(|purpose| {
            let identity = agent.options.call_screening_identity.clone().filter(|text| !text.trim().is_empty());
            Screening { identity: identity.unwrap_or_else(|| agent.profile.name.clone()), purpose }
        });
        if let Some(tools) = agent.providers.tools.for_call(variables) {
            agent.providers.tools = tools;
        }
        if unknown > 0 {
            tracing::warn!(agent = %agent.profile.id, unknown, "variables of this call are not set, and were left out");
        }
        agent
    }
}

/// What one call has that its agent has not; `None`: as the agent.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Overrides {
    /// Its first words; empty: the caller speaks first.
    pub begin_message: Option<String>,
    /// Instructions to the model.
    pub system_prompt: Option<String>,
    /// The vendor's voice id.
    pub voice: Option<String>,
    /// 1 is the voice's own speed.
    pub voice_speed: Option<f32>,
    /// What lies under the voice.
    pub ambience: Option<Ambience>,
    /// BCP 47.
    pub language: Option<String>,
    /// `turbo`, `balanced` or `max`.
    pub model_tier: Option<String>,
    /// 0 to 1.
    pub interruption_sensitivity: Option<f32>,
    /// Whom the model may hand the caller to.
    pub transfer_number: Option<Pii<String>>,
    /// Whether the call is kept from being recorded.
    pub disable_recording: bool,
    /// What is taken out of the caller's sound.
    pub denoising: Option<Denoising>,
    /// Who a call screener is told is calling.
    pub call_screening_identity: Option<String>,
    /// And why.
    pub call_screening_purpose: Option<String>,
    /// Waits of turn-taking, by the names of [`Timing`](crate::engine::Timing), as its `read_named` gives them. The call
    /// lasts no longer than its agent's may.
    pub timing: Vec<(&'static str, u64)>,
    /// What stands for the names in texts.
    pub variables: Variables,
}

impl Overrides {
    /// The agent as this call wants it, its variables filled in.
    #[must_use]
    pub fn apply(self, agent: &Agent) -> Agent {
        let mut agent = agent.clone();
        set(&mut agent.dialogue.begin_message, self.begin_message);
        set(&mut agent.dialogue.system_prompt, self.system_prompt);
        set(&mut agent.tts.speed, self.voice_speed);
        set(&mut agent.options.sound.ambience, self.ambience);
        set(&mut agent.dialogue.interruption_sensitivity, self.interruption_sensitivity);
        if let Some(voice) = self.voice {
            agent.speak_as(voice);
        }
        agent.dialogue.transfer_number = self.transfer_number.or(agent.dialogue.transfer_number);
        if let Some(language) = self.language {
            agent.stt.language.clone_from(&language);
            agent.dialogue.language.clone_from(&language);
            agent.tts.language = language;
        }
        if let Some(tier) = self.model_tier {
            if let Some((_, model)) = agent.options.models.iter().find(|(name, _)| *name == tier) {
                agent.llm.model.clone_from(model);
            }
            agent.profile.model_tier = tier;
        }
        agent.options.record &= !self.disable_recording;
        set(&mut agent.options.sound.denoising, self.denoising);
        let longest = agent.dialogue.timing.max_duration;
        for (name, value) in self.timing {
            agent.dialogue.timing.set_named(name, value);
        }
        agent.dialogue.timing.max_duration = agent.dialogue.timing.max_duration.min(longest);
        agent.options.call_screening_identity = self.call_screening_identity.or(agent.options.call_screening_identity);
        agent.options.call_screening_purpose = self.call_screening_purpose.or(agent.options.call_screening_purpose);
        agent.with_variables(&self.variables)
    }
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
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
