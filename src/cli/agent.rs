//! Agents of the configuration with everything a call needs.

use std::sync::Arc;
use std::time::Duration;

use agentphone::config::{self, Config};
use agentphone::control::{Agent, Options, Profile, ToolProfile};
use agentphone::conversation::ToolSpec;
use agentphone::engine::{
    Ambience, Denoising, DialogueSpec, LlmSettings, Normalise, Pronunciation, Providers, SampleRate, SoundSpec,
    Speculation, Standby, SttMode, SttSpec, Timing, ToolRule, Tools, TtsSpec,
};
use agentphone::provider::{HttpTool, HttpTools, NoTools, ProviderError, Secret, ToolMethod, ToolPolicy};

use super::build::Services;
use super::catalogue;

/// How much longer than a tool's own patience the dialogue waits for it: the tool gives up first and says so.
const TOOL_SLACK: Duration = Duration::from_millis(250);

/// An agent of the configuration with everything a call needs.
pub(crate) fn callable(agent: &config::Agent, config: &Config, services: &Services) -> Result<Agent, ProviderError> {
    let tiers = &config.llm.tiers;
    let model = match agent.model_tier {
        config::ModelTier::Turbo => &tiers.turbo,
        config::ModelTier::Balanced => &tiers.balanced,
        config::ModelTier::Max => &tiers.max,
    };
    // The engine puts the line's own rate in place of these.
    let stt = SttSpec { language: agent.language.clone(), rate: SampleRate::HZ_8000, model: None };
    let llm =
        LlmSettings { model: model.clone(), max_tokens: config.llm.max_tokens, temperature: config.llm.temperature };
    let asked = agent.voice.as_deref().filter(|voice| *voice != "11labs-Brian");
    let tts = TtsSpec {
        // The API's name of "whatever voice the server has".
        voice: asked.map(|voice| config.tts.voice_id(voice).to_owned()),
        language: agent.language.clone(),
        speed: agent.voice_speed,
        rate: SampleRate::HZ_8000,
    };
    let backups = &services.backups;
    let backup_voice = config.backups.tts.as_ref().and_then(|backup| backup_voice(asked?, config, backup));
    let standby = Standby {
        stt: backups.stt.as_ref().map(|backup| (Arc::clone(&backup.service), stt.clone())),
        // The model of a tier is the first vendor's.
        llm: backups.llm.as_ref().map(|backup| {
            let settings = LlmSettings { model: None, ..llm.clone() };
            (Arc::clone(&backup.service), settings)
        }),
        tts: backups.tts.as_ref().map(|backup| {
            let spec = TtsSpec { voice: backup_voice, ..tts.clone() };
            (Arc::clone(&backup.service), spec)
        }),
        instances: services.instances(),
    };
    let sound = SoundSpec {
        denoising: Denoising::from_name(agent.denoising_mode).unwrap_or_default(),
        auto_gain: agent.auto_gain,
        ambience: Ambience::from_name(agent.ambient_sound).unwrap_or_default(),
        level_voices: agent.level_voices,
    };
    Ok(Agent {
        profile: Profile {
            id: agent.id.clone(),
            name: agent.name.clone(),
            description: agent.description.clone(),
            model_tier: agent.model_tier.name().into(),
        },
        dialogue: dialogue(agent, config),
        providers: Providers { tools: tools(agent, config)?, ..services.providers() },
        stt,
        llm,
        tts,
        standby,
        options: Options {
            sound,
            record: !agent.disable_recording,
            stt_mode: if agent.is_accurate { "accurate" } else { "fast" },
            enable_backchannel: agent.enable_backchannel,
            voicemail_message: agent.voicemail_message.clone(),
            call_screening_identity: agent.call_screening_identity.clone(),
            call_screening_purpose: agent.call_screening_purpose.clone(),
            models: vec![
                ("turbo", tiers.turbo.clone()),
                ("balanced", tiers.balanced.clone()),
                ("max", tiers.max.clone()),
            ],
            voices: catalogue::voice_names(config),
            custom_tools: agent.custom_tools.iter().map(shown).collect(),
        },
    })
}

/// What the voice that stands by has for a voice that was asked for: what its own table says, or the same id where the
/// vendor is the same.
fn backup_voice(asked: &str, config: &Config, backup: &config::Tts) -> Option<String> {
    let named = backup.voices.iter().find(|(name, _)| name == asked).map(|(_, id)| id.clone());
    let is_same = backup.stage.vendor == config.tts.stage.vendor;
    named.or_else(|| is_same.then(|| config.tts.voice_id(asked).to_owned()))
}

/// How an agent of the configuration holds its calls.
pub(crate) fn dialogue(agent: &config::Agent, config: &Config) -> DialogueSpec {
    let mut timing = Timing { max_duration: config.engine.max_call, ..Timing::default() };
    if let Some(most) = agent.max_silence_ms {
        // Who says how long the caller may be silent means the end of the call, not of the questions.
        (timing.max_silence, timing.idle_end) = (Duration::from_millis(most), Duration::ZERO);
    }
    if !agent.idle_prompts {
        timing.idle_prompts = 0;
    }
    for (name, value) in &agent.timing {
        timing.set_named(name, *value);
    }
    let spec = |tool: &config::CustomTool| ToolSpec {
        name: tool.name.clone(),
        description: tool.description.clone(),
        parameters: tool.parameters.clone(),
    };
    let rule = |tool: &config::CustomTool| ToolRule {
        name: tool.name.clone(),
        timeout: Some(tool.timeout + TOOL_SLACK),
        filler: tool.execution_message.clone(),
    };
    let pronunciation =
        |(written, spoken): &(String, String)| Pronunciation { written: written.clone(), spoken: spoken.clone() };
    let mut spec = DialogueSpec {
        system_prompt: agent.system_prompt.clone(),
        begin_message: agent.begin_message.clone().unwrap_or_default(),
        interruption_sensitivity: agent.interruption_sensitivity,
        tools: agent.custom_tools.iter().map(spec).collect(),
        tool_rules: agent.custom_tools.iter().map(rule).collect(),
        transfer_number: agent.transfer_number.clone(),
        redact_keys: agent.redact_keys,
        language: agent.language.clone(),
        stt_mode: if agent.is_accurate { SttMode::Accurate } else { SttMode::Fast },
        backchannel: agent.enable_backchannel,
        normalise: Normalise::from_name(agent.normalise).unwrap_or_default(),
        pronunciations: agent.pronunciations.iter().map(pronunciation).collect(),
        speculation: Speculation {
            enabled: agent.speculation_percent > 0,
            share: agent.speculation_percent,
            ..Speculation::default()
        },
        timing,
        ..DialogueSpec::default()
    };
    spec = spec.in_its_language();
    for (name, text) in &agent.lines.texts {
        if let Some(line) = line_mut(&mut spec, name) {
            line.clone_from(text);
        }
    }
    if let Some(backchannels) = &agent.lines.backchannels {
        spec.backchannels.clone_from(backchannels);
    }
    spec
}

/// The line of this name.
fn line_mut<'s>(spec: &'s mut DialogueSpec, name: &str) -> Option<&'s mut String> {
    Some(match name {
        "apology" => &mut spec.apology,
        "repeat_request" => &mut spec.repeat_request,
        "idle_prompt" => &mut spec.idle_prompt,
        "goodbye" => &mut spec.goodbye,
        "filler" => &mut spec.filler,
        "transfer_failed" => &mut spec.transfer_failed,
        "transfer_wait" => &mut spec.transfer_wait,
        "handing_over" => &mut spec.handing_over,
        "welcome_back" => &mut spec.welcome_back,
        "duration_warning" => &mut spec.duration_warning,
        "cut_in" => &mut spec.cut_in,
        _ => return None,
    })
}

/// What runs an agent's own tools; the error says which of them is wrong.
pub(crate) fn tools(agent: &config::Agent, config: &Config) -> Result<Arc<dyn Tools>, ProviderError> {
    if agent.custom_tools.is_empty() {
        return Ok(Arc::new(NoTools));
    }
    let tool = |tool: &config::CustomTool| HttpTool {
        name: tool.name.clone(),
        url: tool.url.clone(),
        method: if tool.is_get { ToolMethod::Get } else { ToolMethod::Post },
        headers: tool.headers.iter().map(|(name, value)| (name.clone(), Secret::new(value.reveal()))).collect(),
        timeout: tool.timeout,
    };
    let tools: Vec<_> = agent.custom_tools.iter().map(tool).collect();
    let config::ToolPolicy { allow_http, allow_private } = config.tools;
    Ok(Arc::new(HttpTools::new(&tools, ToolPolicy { allow_http, allow_private })?))
}

fn shown(tool: &config::CustomTool) -> ToolProfile {
    ToolProfile {
        name: tool.name.clone(),
        description: tool.description.clone(),
        url: tool.url.clone(),
        method: if tool.is_get { "GET" } else { "POST" },
        timeout_ms: u64::try_from(tool.timeout.as_millis()).unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_file_says_of_words_reaches_the_dialogue() {
        for (name, level) in [("full", Normalise::Full), ("light", Normalise::Light), ("off", Normalise::Off)] {
            let text = format!(
                "[[agents]]\nid = \"desk\"\nsystem_prompt = \"Be brief.\"\nnormalise = \"{name}\"\n\
                 pronunciations = [{{ written = \"SQL\", spoken = \"sequel\" }}]\n"
            );
            let config = Config::parse("a.toml", &text, None, &|_| None).unwrap();
            let spec = dialogue(&config.agents[0], &config);
            assert_eq!(spec.normalise, level);
            let known = Pronunciation { written: "SQL".into(), spoken: "sequel".into() };
            assert_eq!(spec.pronunciations, [known]);
        }
    }
}
