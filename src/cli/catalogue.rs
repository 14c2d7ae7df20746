//! What the doors are told of the configured services.

use agentphone::config::{self, Config};
use agentphone::control::{Catalogue, Prices, Rate, Voice, VoiceName};
use agentphone::engine::Service;
use agentphone::provider::known_voices;

use super::build::Services;

/// What there is to know before any call.
pub fn catalogue(config: &Config, services: &Services) -> Catalogue {
    Catalogue {
        instances: services.known(),
        prices: config.prices.as_ref().map(prices),
        voices: voices(config, services.tts.vendor),
    }
}

/// The names of `[tts.voices]`, and of `[tts.backup.voices]`.
pub fn voice_names(config: &Config) -> Vec<VoiceName> {
    let backup = config.backups.tts.as_ref().map(|backup| &backup.voices[..]).unwrap_or_default();
    let id = |voices: &[(String, String)], name: &str| {
        voices.iter().find(|(known, _)| known == name).map(|(_, id)| id.clone())
    };
    let mut names: Vec<VoiceName> = Vec::new();
    for (name, _) in config.tts.voices.iter().chain(backup) {
        if names.iter().all(|known| known.name != *name) {
            let (first, second) = (id(&config.tts.voices, name), id(backup, name));
            names.push(VoiceName { name: name.clone(), first, second });
        }
    }
    names
}

fn prices(prices: &config::Prices) -> Prices {
    let rate = |service, name: &String| Rate {
        service,
        name: name.clone(),
        minute: 0.0,
        input: 0.0,
        output: 0.0,
        characters: 0.0,
    };
    let stt = prices.stt.iter().map(|(name, minute)| Rate { minute: *minute, ..rate(Service::Stt, name) });
    let llm = prices.llm.iter();
    let llm = llm.map(|(name, input, output)| Rate { input: *input, output: *output, ..rate(Service::Llm, name) });
    let tts = prices.tts.iter().map(|(name, price)| Rate { characters: *price, ..rate(Service::Tts, name) });
    Prices { currency: prices.currency.clone(), rates: stt.chain(llm).chain(tts).collect() }
}

/// The voices an agent may have: those with names of their own, those that are configured, and those the vendor is known
/// to have.
fn voices(config: &Config, vendor: &str) -> Vec<Voice> {
    // The ways to reach one vendor have one name in common: `elevenlabs-http`.
    let known = known_voices(vendor.split('-').next().unwrap_or(vendor));
    let of = |id: &str, name: &str| {
        let known = known.iter().find(|voice| voice.id == config.tts.voice_id(id));
        let word = |word: &str| (!word.is_empty()).then(|| word.to_owned());
        Voice {
            id: id.to_owned(),
            name: if name.is_empty() { known.map_or(id, |voice| voice.name) } else { name }.to_owned(),
            provider: vendor.to_owned(),
            gender: known.and_then(|voice| word(voice.gender)),
            accent: known.and_then(|voice| word(voice.accent)),
        }
    };
    // The API's name of "whatever voice the server has".
    let mut voices = vec![of("11labs-Brian", "Default")];
    let named = config.tts.voices.iter().map(|(name, _)| (name.as_str(), name.as_str()));
    let used = config.tts.voice.iter().chain(config.agents.iter().filter_map(|agent| agent.voice.as_ref()));
    let all = named.chain(used.map(|id| (id.as_str(), ""))).chain(known.iter().map(|voice| (voice.id, voice.name)));
    for (id, name) in all {
        if voices.iter().all(|voice| voice.id != id) {
            voices.push(of(id, name));
        }
    }
    voices
}
