//! One configured agent.

use std::collections::HashSet;

use crate::conversation::Pii;

use super::document::Section;
use super::lines::{self, Lines};
use super::settings::Env;
use super::timing;
use super::tool::{self, CustomTool};

/// How good and how slow the model may be.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum ModelTier {
    /// The fastest.
    Turbo,
    /// For most calls.
    #[default]
    Balanced,
    /// The best.
    Max,
}

impl ModelTier {
    /// The name in the API and in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Turbo => "turbo",
            Self::Balanced => "balanced",
            Self::Max => "max",
        }
    }
}

/// `[[agents]]`: who answers, and how. The names are those of the AgentPhone API, in either spelling.
#[derive(Clone, PartialEq, Debug)]
pub struct Agent {
    /// Its name in URLs: 1 to 64 letters, digits, `_` and `-`.
    pub id: String,
    /// Its name for people; the id when none is given.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Instructions to the model.
    pub system_prompt: String,
    /// Its first words; `None` or empty: the caller speaks first.
    pub begin_message: Option<String>,
    /// The vendor's voice id; `None`: the voice of `[tts]`.
    pub voice: Option<String>,
    /// BCP 47, for recognition and pronunciation.
    pub language: String,
    /// Which of the configured models.
    pub model_tier: ModelTier,
    /// 0: never interrupted; 1: stops at the first sound.
    pub interruption_sensitivity: f32,
    /// How much of the model's tokens answers may cost that were begun early and dropped, in percent (0 to 100); 0: none is
    /// begun early.
    pub speculation_percent: u32,
    /// The caller's silence that ends the call, in milliseconds (10 000 to 3 600 000); `None`: 600 000, and the call ends
    /// sooner when two questions whether the caller is there were not answered.
    pub max_silence_ms: Option<u64>,
    /// Whether the caller is asked if they are there after some silence.
    pub idle_prompts: bool,
    /// How much of what is written is put into words before the voice is given it, by its name.
    pub normalise: &'static str,
    /// `[[agents.pronunciations]]`: words the voice is to say otherwise than they are written; each as the model writes it
    /// and as the voice is given it.
    pub pronunciations: Vec<(String, String)>,
    /// `[agents.lines]`
    pub lines: Lines,
    /// `[agents.timing]`, as [`Timing::set_named`](crate::call::Timing::set_named) takes it.
    pub timing: Vec<(&'static str, u64)>,
    /// 1 is the voice's own speed (0.5 to 2).
    pub voice_speed: f32,
    /// Whom the model may hand the caller to.
    pub transfer_number: Option<Pii<String>>,
    /// Whether the recogniser is to be accurate rather than fast.
    pub is_accurate: bool,
    /// Whether the agent says "uh-huh" while the caller speaks at length.
    pub enable_backchannel: bool,
    /// What is left on an answering machine.
    pub voicemail_message: Option<String>,
    /// Who a call screener is told is calling.
    pub call_screening_identity: Option<String>,
    /// And why.
    pub call_screening_purpose: Option<String>,
    /// What is taken out of the caller's sound, by the API's name.
    pub denoising_mode: &'static str,
    /// Whether quiet and loud callers are brought to about one level for the recogniser.
    pub auto_gain: bool,
    /// What is put under the agent's voice, by the API's name.
    pub ambient_sound: &'static str,
    /// Whether its voices are brought to the same loudness.
    pub level_voices: bool,
    /// Whether the caller's keys are kept out of what is told, written and recorded.
    pub redact_keys: bool,
    /// Whether its calls are kept from being recorded.
    pub disable_recording: bool,
    /// Its own tools.
    pub custom_tools: Vec<CustomTool>,
}

/// Names of `denoisingMode`.
const DENOISING: [&str; 3] = ["noise-cancellation", "noise-and-background-speech-cancellation", "none"];
/// Names of `normalise`.
const NORMALISE: [&str; 3] = ["full", "light", "off"];
/// Names of `ambientSound`.
const AMBIENT: [&str; 4] = ["none", "office", "coffee-shop", "outdoor"];

/// Options of the API's agents that this version has no deed for: refused rather than ignored.
const NOT_YET: [&str; 2] = ["enable_messaging", "numbers"];

pub(super) fn agents(sections: Vec<Section<'_>>, env: Env<'_>) -> Vec<Agent> {
    let mut seen = HashSet::new();
    let mut agents = Vec::new();
    for mut section in sections {
        let Some(agent) = agent(&mut section, env) else {
            section.finish();
            continue;
        };
        if !seen.insert(agent.id.clone()) {
            section.wrong("id", format!("\"{}\" is the id of another agent too", agent.id));
        }
        section.finish();
        agents.push(agent);
    }
    agents
}

fn agent(section: &mut Section<'_>, env: Env<'_>) -> Option<Agent> {
    let id = section.text("id");
    match &id {
        None if !section.has("id") => section.missing("id", "the agent's name in URLs, like \"front-desk\""),
        Some(id) if !is_id(id) => {
            section.wrong("id", format!("found \"{id}\", expected 1 to 64 letters, digits, `_` and `-`"));
        }
        _ => {}
    }
    let prompt = section.text("system_prompt");
    if prompt.is_none() && !section.has("system_prompt") {
        section.missing("system_prompt", "the instructions to the model");
    }
    let name = section.text("name");
    let description = section.text("description");
    let begin_message = section.any_text("begin_message");
    let voice = section.text("voice");
    let language = section.text("language").unwrap_or_else(|| "en-US".into());
    if !is_language(&language) {
        section.wrong("language", format!("found \"{language}\", expected a language code like \"en-US\""));
    }
    let tiers = [ModelTier::Turbo, ModelTier::Balanced, ModelTier::Max].map(|tier| (tier.name(), tier));
    let model_tier = section.one_of("model_tier", &tiers).unwrap_or_default();
    let interruption_sensitivity = section.number("interruption_sensitivity", 0.0..=1.0).unwrap_or(0.8) as f32;
    let speculation_percent = section.integer("speculation_percent", 0..=100).unwrap_or(30) as u32;
    let max_silence_ms = section.integer("max_silence_ms", 10_000..=3_600_000);
    let idle_prompts = section.flag("idle_prompts").unwrap_or(true);
    let pronunciations = lines::pronunciations(section);
    let lines = lines::lines(section.section("lines"));
    let timing = timing::timing(section.section("timing"));
    let voice_speed = section.number("voice_speed", 0.5..=2.0).unwrap_or(1.0) as f32;
    if let Some("webhook") = section.one_of("voice_mode", &[("hosted", "hosted"), ("webhook", "webhook")]) {
        section.wrong("voice_mode", "agents answered by a webhook are not supported yet; expected \"hosted\"");
    }
    section.refuse(&NOT_YET, "this option of the AgentPhone API is not supported yet; leave it out");
    let word = |name: &&'static str| (*name, *name);
    let normalise = section.one_of("normalise", &NORMALISE.each_ref().map(word)).unwrap_or(NORMALISE[0]);
    let denoising_mode = section.one_of("denoising_mode", &DENOISING.each_ref().map(word)).unwrap_or(DENOISING[0]);
    let auto_gain = section.flag("auto_gain").unwrap_or(false);
    let ambient_sound = section.one_of("ambient_sound", &AMBIENT.each_ref().map(word)).unwrap_or(AMBIENT[0]);
    let level_voices = section.flag("level_voices").unwrap_or(true);
    let is_accurate = section.one_of("stt_mode", &[("fast", false), ("accurate", true)]).unwrap_or(false);
    let enable_backchannel = section.flag("enable_backchannel").unwrap_or(true);
    let disable_recording = section.flag("disable_recording").unwrap_or(false);
    let redact_keys = section.flag("redact_keys").unwrap_or(false);
    let transfer_number = section.number_e164("transfer_number");
    let text = |text: Option<String>| text.filter(|text| !text.is_empty());
    let voicemail_message = text(section.short_text("voicemail_message", 1_000));
    let call_screening_purpose = text(section.short_text("call_screening_purpose", 300));
    let call_screening_identity = text(section.short_text("call_screening_identity", 100));
    let custom_tools = tool::tools(section, env);
    let id = id?;
    Some(Agent {
        transfer_number,
        is_accurate,
        enable_backchannel,
        voicemail_message,
        call_screening_identity,
        call_screening_purpose,
        denoising_mode,
        auto_gain,
        ambient_sound,
        level_voices,
        redact_keys,
        disable_recording,
        custom_tools,
        name: name.unwrap_or_else(|| id.clone()),
        id,
        description,
        system_prompt: prompt?,
        begin_message,
        voice,
        language,
        model_tier,
        interruption_sensitivity,
        speculation_percent,
        max_silence_ms,
        idle_prompts,
        normalise,
        pronunciations,
        lines,
        timing,
        voice_speed,
    })
}

fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

fn is_language(code: &str) -> bool {
    let mut parts = code.split('-');
    let language =
        parts.next().is_some_and(|part| (2..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_lowercase()));
    language && parts.all(|part| (2..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()))
}
