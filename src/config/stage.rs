//! The three services a call leans on: who serves them, where and with which key.

use crate::conversation::Pii;

use super::document::{Problems, Section};
use super::settings::Env;

/// One service of a call, as configured.
#[derive(Clone, PartialEq, Debug)]
pub struct Stage<V> {
    /// Who serves it: what was asked for, or the simulator when nothing else could work.
    pub vendor: V,
    /// Set when the simulator stands in although another vendor was named, since no service has a key or a base URL: what
    /// the vendor's variables begin with, like `DEEPGRAM`.
    pub stand_in: Option<&'static str>,
    /// The key, from the environment; local servers often want none.
    pub key: Option<Pii<String>>,
    /// Where the service is; `None`: the vendor's own address.
    pub base_url: Option<String>,
    /// The model; `None`: the vendor's default.
    pub model: Option<String>,
}

/// Who hears.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SttVendor {
    /// Deepgram, or what speaks its protocol.
    Deepgram,
    /// Our own simulator.
    Simulator,
}

/// Who thinks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LlmVendor {
    /// OpenAI, or what speaks its chat completions (Ollama, vLLM, llama.cpp …).
    OpenAi,
    /// Our own simulator.
    Simulator,
}

/// Who speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TtsVendor {
    /// ElevenLabs, or what speaks its protocol.
    ElevenLabs,
    /// OpenAI, or what serves `/v1/audio/speech` (Kokoro …).
    OpenAi,
    /// Our own simulator.
    Simulator,
}

/// `[stt]`: speech to text.
pub type Stt = Stage<SttVendor>;

/// `[llm]`: the language model.
#[derive(Clone, PartialEq, Debug)]
pub struct Llm {
    /// Who, where, which model.
    pub stage: Stage<LlmVendor>,
    /// Sampling temperature, 0 to 2.
    pub temperature: Option<f32>,
    /// The most tokens of one answer.
    pub max_tokens: Option<u32>,
    /// `[llm.tiers]`: the models behind an agent's `modelTier`.
    pub tiers: Tiers,
}

/// Models by tier; `None`: the stage's own model.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Tiers {
    /// The fastest.
    pub turbo: Option<String>,
    /// For most calls.
    pub balanced: Option<String>,
    /// The best.
    pub max: Option<String>,
}

/// `[tts]`: text to speech.
#[derive(Clone, PartialEq, Debug)]
pub struct Tts {
    /// Who, where, which model.
    pub stage: Stage<TtsVendor>,
    /// The voice of agents that name none; `None`: the vendor's default.
    pub voice: Option<String>,
}

const KEYS: [&str; 6] = ["api_key", "key", "apikey", "token", "secret", "api_token"];

pub(super) fn stt(mut section: Section<'_>, env: Env<'_>, problems: &Problems) -> Stt {
    let choices = [("deepgram", SttVendor::Deepgram), ("simulator", SttVendor::Simulator)];
    let vendor = section.one_of("provider", &choices).unwrap_or(SttVendor::Deepgram);
    let prefix = match vendor {
        SttVendor::Deepgram => Some("DEEPGRAM"),
        SttVendor::Simulator => None,
    };
    let stage = stage(&mut section, vendor, SttVendor::Simulator, prefix, env, problems);
    section.finish();
    stage
}

pub(super) fn llm(mut section: Section<'_>, env: Env<'_>, problems: &Problems) -> Llm {
    let choices = [("openai", LlmVendor::OpenAi), ("simulator", LlmVendor::Simulator)];
    let vendor = section.one_of("provider", &choices).unwrap_or(LlmVendor::OpenAi);
    let prefix = match vendor {
        LlmVendor::OpenAi => Some("OPENAI"),
        LlmVendor::Simulator => None,
    };
    let stage = stage(&mut section, vendor, LlmVendor::Simulator, prefix, env, problems);
    let temperature = section.number("temperature", 0.0..=2.0).map(|number| number as f32);
    let max_tokens = section.integer("max_tokens", 1..=100_000).and_then(|number| u32::try_from(number).ok());
    let mut table = section.section("tiers");
    let tiers = Tiers { turbo: table.text("turbo"), balanced: table.text("balanced"), max: table.text("max") };
    table.finish();
    section.finish();
    Llm { stage, temperature, max_tokens, tiers }
}

pub(super) fn tts(mut section: Section<'_>, env: Env<'_>, problems: &Problems) -> Tts {
    let choices =
        [("elevenlabs", TtsVendor::ElevenLabs), ("openai", TtsVendor::OpenAi), ("simulator", TtsVendor::Simulator)];
    let vendor = section.one_of("provider", &choices).unwrap_or(TtsVendor::ElevenLabs);
    let prefix = match vendor {
        TtsVendor::ElevenLabs => Some("ELEVENLABS"),
        TtsVendor::OpenAi => Some("OPENAI"),
        TtsVendor::Simulator => None,
    };
    let stage = stage(&mut section, vendor, TtsVendor::Simulator, prefix, env, problems);
    let voice = section.text("voice");
    section.finish();
    Tts { stage, voice }
}

/// What all stages have in common. `prefix` is that of the vendor's environment variables; `None`: the simulator, which
/// needs none.
fn stage<V: Copy>(
    section: &mut Section<'_>,
    vendor: V,
    simulator: V,
    prefix: Option<&'static str>,
    env: Env<'_>,
    problems: &Problems,
) -> Stage<V> {
    let mut base_url = section.text("base_url");
    let mut place = section.has("base_url");
    if let Some(url) = &base_url
        && let Err(reason) = check_url(url)
    {
        section.wrong("base_url", reason);
        base_url = None;
    }
    let model = section.text("model");
    let Some(prefix) = prefix else {
        section.refuse(&KEYS, "the simulator needs no key");
        if section.has("base_url") {
            section.wrong("base_url", "the simulator runs inside this process and has no base URL; name a provider");
        }
        return Stage { vendor: simulator, stand_in: None, key: None, base_url: None, model };
    };
    let variable = format!("{prefix}_API_KEY");
    section.refuse(&KEYS, &format!("keys do not belong in the file, which gets copied and shown; set {variable}"));
    let key = env(&variable).map(|key| key.trim().to_owned()).filter(|key| !key.is_empty());
    if key.as_ref().is_some_and(|key| !key.bytes().all(|byte| byte.is_ascii_graphic())) {
        problems.outside(&variable, "holds characters that no key has (spaces or control characters)");
    }
    let variable = format!("{prefix}_BASE_URL");
    if let Some(url) = env(&variable).map(|url| url.trim().to_owned()).filter(|url| !url.is_empty()) {
        place = true;
        match check_url(&url) {
            Ok(()) => base_url = Some(url),
            Err(reason) => problems.outside(&variable, reason),
        }
    }
    let mut key = key.map(Pii::new);
    if let Some(url) = &base_url
        && key.is_some()
        && !may_carry_key(url)
    {
        key = None;
        let message = format!(
            "is not sent to {url}, which is neither https nor on this machine: anybody on the way could read it; use https \
             there, or unset the key if that server wants none"
        );
        problems.warn(format!("{prefix}_API_KEY"), message);
    }
    // A base URL that is wrong is a problem of its own, not a service left out.
    if key.is_none() && !place {
        return Stage { vendor: simulator, stand_in: Some(prefix), key: None, base_url: None, model };
    }
    Stage { vendor, stand_in: None, key, base_url, model }
}

/// Simulators stand in for all services or for none: a forgotten key must not put a script on a real line.
pub(super) fn all_or_none(stt: &Stt, llm: &Llm, tts: &Tts, problems: &Problems) {
    let stand_ins = [("stt", stt.stand_in), ("llm", llm.stage.stand_in), ("tts", tts.stage.stand_in)];
    let real = [
        stt.vendor != SttVendor::Simulator,
        llm.stage.vendor != LlmVendor::Simulator,
        tts.stage.vendor != TtsVendor::Simulator,
    ];
    if !real.contains(&true) {
        return;
    }
    for (title, prefix) in stand_ins {
        let Some(prefix) = prefix else { continue };
        let message = format!(
            "is not set, and no base URL is, while another service has one; set {prefix}_API_KEY, or {prefix}_BASE_URL \
             of a server that wants no key, or say `provider = \"simulator\"` in [{title}]"
        );
        problems.outside(format!("{prefix}_API_KEY"), message);
    }
}

/// Whether a key may be sent to this base URL: only where nobody on the way can read it, over TLS or within this machine.
pub fn may_carry_key(base_url: &str) -> bool {
    let Ok(url) = url::Url::parse(base_url) else { return false };
    match url.host() {
        _ if matches!(url.scheme(), "https" | "wss") => true,
        // RFC 6761 section 6.3: this name is this machine.
        Some(url::Host::Domain(name)) => name.trim_end_matches('.') == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.to_canonical().is_loopback(),
        None => false,
    }
}

fn check_url(text: &str) -> Result<(), String> {
    const EXPECTED: &str = "expected an address like \"https://api.example.com/v1\"";
    let url = url::Url::parse(text).map_err(|error| format!("is no URL ({error}); {EXPECTED}"))?;
    if !matches!(url.scheme(), "http" | "https" | "ws" | "wss") {
        return Err(format!("has the scheme \"{}\"; {EXPECTED}", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds a user name or password; keys come from the environment only".into());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!("has a query or a fragment; {EXPECTED}"));
    }
    Ok(())
}
