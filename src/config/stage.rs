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

/// `[stt.backup]`, `[llm.backup]`, `[tts.backup]`: what a call falls back on.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Backups {
    /// Another recogniser.
    pub stt: Option<Stt>,
    /// Another model; its temperature and length are those of `[llm]`.
    pub llm: Option<Stage<LlmVendor>>,
    /// Another voice.
    pub tts: Option<Tts>,
}

const KEYS: [&str; 6] = ["api_key", "key", "apikey", "token", "secret", "api_token"];

/// A vendor of one of the three kinds.
trait Vendor: Copy + PartialEq + 'static {
    /// Their names in the file; the first is the one of a file that names none, the last the simulator.
    const NAMES: &'static [(&'static str, Self)];
    /// What the environment variables of the vendor begin with; `None`: the simulator, which needs none.
    fn prefix(self) -> Option<&'static str>;
}

impl Vendor for SttVendor {
    const NAMES: &'static [(&'static str, Self)] = &[("deepgram", Self::Deepgram), ("simulator", Self::Simulator)];

    fn prefix(self) -> Option<&'static str> {
        match self {
            Self::Deepgram => Some("DEEPGRAM"),
            Self::Simulator => None,
        }
    }
}

impl Vendor for LlmVendor {
    const NAMES: &'static [(&'static str, Self)] = &[("openai", Self::OpenAi), ("simulator", Self::Simulator)];

    fn prefix(self) -> Option<&'static str> {
        match self {
            Self::OpenAi => Some("OPENAI"),
            Self::Simulator => None,
        }
    }
}

impl Vendor for TtsVendor {
    const NAMES: &'static [(&'static str, Self)] =
        &[("elevenlabs", Self::ElevenLabs), ("openai", Self::OpenAi), ("simulator", Self::Simulator)];

    fn prefix(self) -> Option<&'static str> {
        match self {
            Self::ElevenLabs => Some("ELEVENLABS"),
            Self::OpenAi => Some("OPENAI"),
            Self::Simulator => None,
        }
    }
}

pub(super) fn stt(mut section: Section<'_>, env: Env<'_>, problems: &Problems) -> (Stt, Option<Stt>) {
    let first = first(&mut section, SttVendor::Deepgram, SttVendor::Simulator, env, problems);
    let backup = backup(&mut section, "[stt.backup]", &first, SttVendor::Simulator, env, problems, |_| ());
    section.finish();
    (first, backup.map(|(stage, ())| stage))
}

pub(super) fn llm(mut section: Section<'_>, env: Env<'_>, problems: &Problems) -> (Llm, Option<Stage<LlmVendor>>) {
    let stage = first(&mut section, LlmVendor::OpenAi, LlmVendor::Simulator, env, problems);
    let temperature = section.number("temperature", 0.0..=2.0).map(|number| number as f32);
    let max_tokens = section.integer("max_tokens", 1..=100_000).and_then(|number| u32::try_from(number).ok());
    let mut table = section.section("tiers");
    let tiers = Tiers { turbo: table.text("turbo"), balanced: table.text("balanced"), max: table.text("max") };
    table.finish();
    let backup = backup(&mut section, "[llm.backup]", &stage, LlmVendor::Simulator, env, problems, |_| ());
    section.finish();
    (Llm { stage, temperature, max_tokens, tiers }, backup.map(|(stage, ())| stage))
}

pub(super) fn tts(mut section: Section<'_>, env: Env<'_>, problems: &Problems) -> (Tts, Option<Tts>) {
    let stage = first(&mut section, TtsVendor::ElevenLabs, TtsVendor::Simulator, env, problems);
    let voice = section.text("voice");
    let backup = backup(&mut section, "[tts.backup]", &stage, TtsVendor::Simulator, env, problems, |section| {
        section.text("voice")
    });
    section.finish();
    (Tts { stage, voice }, backup.map(|(stage, voice)| Tts { stage, voice }))
}

/// The first choice of a stage. Without a key and a place it is the simulator.
fn first<V: Vendor>(section: &mut Section<'_>, usual: V, simulator: V, env: Env<'_>, problems: &Problems) -> Stage<V> {
    let vendor = section.one_of("provider", V::NAMES).unwrap_or(usual);
    let model = section.text("model");
    let Some(prefix) = vendor.prefix() else {
        refuse_place(section);
        return Stage { vendor, stand_in: None, key: None, base_url: None, model };
    };
    let url = format!("{prefix}_BASE_URL");
    let base_url = match (place(section), place_of(&url, env, problems)) {
        // A base URL that is wrong is a problem of its own, not a service left out.
        (_, Place::Given(url)) | (Place::Given(url), Place::None) => Some(Some(url)),
        (Place::None, Place::None) => None,
        (Place::Wrong, _) | (_, Place::Wrong) => Some(None),
    };
    let variable = format!("{prefix}_API_KEY");
    let key = key(section, &variable, base_url.as_ref().and_then(Option::as_ref), env, problems);
    if key.is_none() && base_url.is_none() {
        return Stage { vendor: simulator, stand_in: Some(prefix), key: None, base_url: None, model };
    }
    Stage { vendor, stand_in: None, key, base_url: base_url.flatten(), model }
}

/// What stands by for `first`, and what else `more` reads of its table; `None` when there is no such table. Its own base
/// URL outranks the environment's, which is the first choice's.
fn backup<V: Vendor, T>(
    section: &mut Section<'_>,
    title: &str,
    first: &Stage<V>,
    simulator: V,
    env: Env<'_>,
    problems: &Problems,
    more: impl FnOnce(&mut Section<'_>) -> T,
) -> Option<(Stage<V>, T)> {
    let mut section = section.section("backup");
    if !section.is_present() {
        return None;
    }
    let provider = section.one_of("provider", V::NAMES);
    let (model, rest) = (section.text("model"), more(&mut section));
    let named = section.text("key_env");
    let Some(vendor) = provider else {
        if !section.has("provider") {
            let names: Vec<_> = V::NAMES.iter().map(|(name, _)| format!("\"{name}\"")).collect();
            section.missing("provider", &format!("one of {}", names.join(", ")));
        }
        return None;
    };
    let Some(prefix) = vendor.prefix() else {
        refuse_place(&mut section);
        if first.vendor != simulator {
            section.wrong("provider", "a simulator cannot stand by for a real service; name another provider");
        }
        section.finish();
        return Some((Stage { vendor, stand_in: None, key: None, base_url: None, model }, rest));
    };
    if let Some(name) = &named
        && !is_variable(name)
    {
        // What is there may be the key itself: it is not repeated.
        section.wrong("key_env", "expected the name of an environment variable, like \"GROQ_API_KEY\"");
    }
    if let Some(name) = named.as_ref().filter(|name| is_variable(name))
        && env(name).is_none_or(|key| key.trim().is_empty())
    {
        problems.warn(name.clone(), format!("is not set, though {title} names it: no key is sent there"));
    }
    let variable = named.filter(|name| is_variable(name)).unwrap_or_else(|| format!("{prefix}_API_KEY"));
    let base_url = match place(&mut section) {
        Place::Given(url) => Some(Some(url)),
        Place::Wrong => Some(None),
        Place::None => match place_of(&format!("{prefix}_BASE_URL"), env, problems) {
            Place::Given(url) => Some(Some(url)),
            Place::Wrong => Some(None),
            Place::None => None,
        },
    };
    let key = key(&mut section, &variable, base_url.as_ref().and_then(Option::as_ref), env, problems);
    section.finish();
    if key.is_none() && base_url.is_none() {
        if first.vendor == simulator {
            return Some((Stage { vendor: simulator, stand_in: Some(prefix), key: None, base_url: None, model }, rest));
        }
        let message = format!("is not set; {title} needs it, or a base_url of a server that wants no key");
        problems.outside(&variable, message);
    }
    Some((Stage { vendor, stand_in: None, key, base_url: base_url.flatten(), model }, rest))
}

/// Where a service is said to be.
enum Place {
    /// There.
    Given(String),
    /// Somewhere that is no address; the problem is noted.
    Wrong,
    /// Nothing is said.
    None,
}

fn place(section: &mut Section<'_>) -> Place {
    match section.text("base_url") {
        None if section.has("base_url") => Place::Wrong,
        None => Place::None,
        Some(url) => match check_url(&url) {
            Ok(()) => Place::Given(url),
            Err(reason) => {
                section.wrong("base_url", reason);
                Place::Wrong
            }
        },
    }
}

fn place_of(variable: &str, env: Env<'_>, problems: &Problems) -> Place {
    match env(variable).map(|url| url.trim().to_owned()).filter(|url| !url.is_empty()) {
        None => Place::None,
        Some(url) => match check_url(&url) {
            Ok(()) => Place::Given(url),
            Err(reason) => {
                problems.outside(variable, reason);
                Place::Wrong
            }
        },
    }
}

fn refuse_place(section: &mut Section<'_>) {
    section.refuse(&KEYS, "the simulator needs no key");
    if section.text("base_url").is_some() {
        section.wrong("base_url", "the simulator runs inside this process and has no base URL; name a provider");
    }
}

/// The key in `variable`, when it may be sent to `base_url`.
fn key(
    section: &mut Section<'_>,
    variable: &str,
    base_url: Option<&String>,
    env: Env<'_>,
    problems: &Problems,
) -> Option<Pii<String>> {
    section.refuse(&KEYS, &format!("keys do not belong in the file, which gets copied and shown; set {variable}"));
    let key = env(variable).map(|key| key.trim().to_owned()).filter(|key| !key.is_empty())?;
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        problems.outside(variable, "holds characters that no key has (spaces or control characters)");
    }
    if let Some(url) = base_url
        && !may_carry_key(url)
    {
        let message = format!(
            "is not sent to {url}, which is neither https nor on this machine: anybody on the way could read it; use https \
             there, or unset the key if that server wants none"
        );
        problems.warn(variable, message);
        return None;
    }
    Some(Pii::new(key))
}

fn is_variable(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
        && !name.starts_with(|first: char| first.is_ascii_digit())
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
