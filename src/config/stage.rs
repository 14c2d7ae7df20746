//! The three services a call leans on: who serves them, where and with which key.

use crate::conversation::Pii;

use super::document::{Problems, Section};
use super::settings::Env;
use super::vendor::{self, Access, LlmVendor, Preset, SttVendor, TtsVendor, Vendor};

/// One service of a call, as configured.
#[derive(Clone, PartialEq, Debug)]
pub struct Stage<V> {
    /// Whose protocol is spoken: what was asked for, or the simulator when nothing else could work.
    pub vendor: V,
    /// Who serves it, by the name of the file: `groq` speaks the protocol of OpenAI.
    pub name: &'static str,
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
    /// `[tts.voices]`: what voices are called outside, and what the vendor calls them.
    pub voices: Vec<(String, String)>,
}

impl Tts {
    /// The vendor's id of a voice that is asked for: what the table says, or else the id itself.
    pub fn voice_id<'v>(&'v self, asked: &'v str) -> &'v str {
        self.voices.iter().find(|(name, _)| name == asked).map_or(asked, |(_, id)| id)
    }
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

/// The most voices that may have names of their own.
const MOST_VOICES: usize = 200;
const KEYS: [&str; 6] = ["api_key", "key", "apikey", "token", "secret", "api_token"];

pub(super) fn stt(mut section: Section<'_>, env: Env<'_>, problems: &Problems) -> (Stt, Option<Stt>) {
    let first = first(&mut section, env, problems);
    let backup = backup(&mut section, "[stt.backup]", &first, env, problems, |_| ());
    section.finish();
    (first, backup.map(|(stage, ())| stage))
}

pub(super) fn llm(mut section: Section<'_>, env: Env<'_>, problems: &Problems) -> (Llm, Option<Stage<LlmVendor>>) {
    let stage = first(&mut section, env, problems);
    let temperature = section.number("temperature", 0.0..=2.0).map(|number| number as f32);
    let max_tokens = section.integer("max_tokens", 1..=100_000).and_then(|number| u32::try_from(number).ok());
    let mut table = section.section("tiers");
    let tiers = Tiers { turbo: table.text("turbo"), balanced: table.text("balanced"), max: table.text("max") };
    table.finish();
    let backup = backup(&mut section, "[llm.backup]", &stage, env, problems, |_| ());
    section.finish();
    (Llm { stage, temperature, max_tokens, tiers }, backup.map(|(stage, ())| stage))
}

pub(super) fn tts(mut section: Section<'_>, env: Env<'_>, problems: &Problems) -> (Tts, Option<Tts>) {
    let stage = first(&mut section, env, problems);
    let voices = |section: &mut Section<'_>| (section.text("voice"), section.names("voices", MOST_VOICES));
    let (voice, named) = voices(&mut section);
    let backup = backup(&mut section, "[tts.backup]", &stage, env, problems, voices);
    section.finish();
    let backup = backup.map(|(stage, (voice, voices))| Tts { stage, voice, voices });
    (Tts { stage, voice, voices: named }, backup)
}

/// The first choice of a stage. Without anything that it takes it is the simulator.
fn first<V: Vendor>(section: &mut Section<'_>, env: Env<'_>, problems: &Problems) -> Stage<V> {
    let named = vendor::named(section);
    let preset = named.unwrap_or_else(|| vendor::usual(section, env));
    let model = section.text("model");
    if preset.access == Access::Here {
        return here(section, preset, model);
    }
    let url = format!("{}_BASE_URL", preset.prefix);
    let said = match (place(section), place_of(&url, env, problems)) {
        // A base URL that is wrong is a problem of its own, not a service left out.
        (_, Place::Given(url)) | (Place::Given(url), Place::None) => Some(Some(url)),
        (Place::None, Place::None) => None,
        (Place::Wrong, _) | (_, Place::Wrong) => Some(None),
    };
    let title = section.title().to_owned();
    let Reach { key, base_url, .. } = reach(section, &title, preset, said.as_ref(), env, problems);
    let model = model_of(section, preset, model);
    if key.is_none() && said.is_none() && preset.access == Access::Account {
        return stand_in(preset, model);
    }
    Stage { vendor: preset.vendor, name: preset.name, stand_in: None, key, base_url, model }
}

/// What stands by for `first`, and what else `more` reads of its table; `None` when there is no such table. Its own base
/// URL outranks the environment's, which is the first choice's.
fn backup<V: Vendor, T>(
    section: &mut Section<'_>,
    title: &str,
    first: &Stage<V>,
    env: Env<'_>,
    problems: &Problems,
    more: impl FnOnce(&mut Section<'_>) -> T,
) -> Option<(Stage<V>, T)> {
    let mut section = section.section("backup");
    if !section.is_present() {
        return None;
    }
    let named = vendor::named::<V>(&mut section);
    let (model, rest) = (section.text("model"), more(&mut section));
    let Some(preset) = named else {
        if !section.has("provider") {
            let names: Vec<_> = V::PRESETS.iter().map(|preset| format!("\"{}\"", preset.name)).collect();
            section.missing("provider", &format!("one of {}", names.join(", ")));
        }
        return None;
    };
    if preset.access == Access::Here {
        let stage = here(&mut section, preset, model);
        if preset.vendor == V::SIMULATOR && first.vendor != V::SIMULATOR {
            section.wrong("provider", "a simulator cannot stand by for a real service; name another provider");
        }
        section.finish();
        return Some((stage, rest));
    }
    let said = match place(&mut section) {
        Place::Given(url) => Some(Some(url)),
        Place::Wrong => Some(None),
        Place::None => match place_of(&format!("{}_BASE_URL", preset.prefix), env, problems) {
            Place::Given(url) => Some(Some(url)),
            Place::Wrong => Some(None),
            Place::None => None,
        },
    };
    let Reach { key, base_url, variable } = reach(&mut section, title, preset, said.as_ref(), env, problems);
    let model = model_of(&mut section, preset, model);
    section.finish();
    if key.is_none() && said.is_none() && preset.access == Access::Account {
        if first.vendor == V::SIMULATOR {
            return Some((stand_in(preset, model), rest));
        }
        let message = format!("is not set; {title} needs it, or a base_url of a server that wants no key");
        problems.outside(variable, message);
    }
    Some((Stage { vendor: preset.vendor, name: preset.name, stand_in: None, key, base_url, model }, rest))
}

/// What runs inside this process or on this machine.
fn here<V: Vendor>(section: &mut Section<'_>, preset: &Preset<V>, model: Option<String>) -> Stage<V> {
    refuse_place(section, preset.name);
    Stage { vendor: preset.vendor, name: preset.name, stand_in: None, key: None, base_url: None, model }
}

/// The simulator, because there is nothing with which to use `preset`.
fn stand_in<V: Vendor>(preset: &Preset<V>, model: Option<String>) -> Stage<V> {
    let stand_in = Some(preset.prefix);
    Stage { vendor: V::SIMULATOR, name: "simulator", stand_in, key: None, base_url: None, model }
}

/// How a vendor is reached.
struct Reach {
    key: Option<Pii<String>>,
    base_url: Option<String>,
    /// Where the key is looked for.
    variable: String,
}

/// The key and the address of a vendor: `said` is the base URL that was given, if any, `Some(None)` when it was wrong.
fn reach<V: Vendor>(
    section: &mut Section<'_>,
    title: &str,
    preset: &Preset<V>,
    said: Option<&Option<String>>,
    env: Env<'_>,
    problems: &Problems,
) -> Reach {
    let base_url = match said {
        Some(url) => url.clone(),
        None => preset.base_url.map(str::to_owned),
    };
    let named = section.text("key_env");
    if let Some(name) = &named {
        if !is_variable(name) {
            // What is there may be the key itself: it is not repeated.
            section.wrong("key_env", "expected the name of an environment variable, like \"GROQ_API_KEY\"");
        } else if env(name).is_none_or(|key| key.trim().is_empty()) {
            problems.warn(name.clone(), format!("is not set, though {title} names it: no key is sent there"));
        }
    }
    let variable = named.filter(|name| is_variable(name)).unwrap_or_else(|| format!("{}_API_KEY", preset.prefix));
    Reach { key: key(section, &variable, base_url.as_ref(), env, problems), base_url, variable }
}

/// The model that is asked for, or else what the vendor is asked for when nothing is said. A server of one's own has
/// whatever models it was given: there one must be named.
fn model_of<V>(section: &mut Section<'_>, preset: &Preset<V>, said: Option<String>) -> Option<String> {
    if said.is_none() && preset.model.is_none() && preset.names_models && !section.has("model") {
        section.missing("model", &format!("the name of a model that {} serves there", preset.name));
    }
    said.or_else(|| preset.model.map(str::to_owned))
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

fn refuse_place(section: &mut Section<'_>, name: &str) {
    let (no_key, no_place) = match name {
        "simulator" => ("the simulator needs no key", "runs inside this process"),
        _ => ("this provider needs no key", "runs on this machine"),
    };
    section.refuse(&KEYS, no_key);
    for key in ["base_url", "key_env"] {
        if section.text(key).is_some() {
            section.wrong(key, format!("the {name} {no_place} and has no {key}; name another provider"));
        }
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
             of a server that wants no key, or name in [{title}] a provider that has one, or say \
             `provider = \"simulator\"` in [{title}]"
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
