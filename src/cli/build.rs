//! The services a configuration names.

use std::sync::Arc;

use agentphone::config::{self, Config, LlmVendor, SttVendor, TtsVendor};
use agentphone::conversation::Pii;
use agentphone::engine::{Llm, Providers, Stt, Tts};
use agentphone::provider::{
    Deepgram, DeepgramConfig, ElevenLabs, ElevenLabsConfig, NoTools, OpenAiChat, OpenAiChatConfig, OpenAiSpeech,
    OpenAiSpeechConfig, ProviderError, Secret,
};
use agentphone::simulator::Simulators;

use super::agent::Backups;

/// The services of all calls. Simulated stages go to `simulators`, which runs when there is one.
pub fn providers(config: &Config, simulators: Option<&Simulators>) -> Result<Providers, ProviderError> {
    Ok(Providers {
        stt: recogniser(&config.stt, simulators)?,
        llm: model(&config.llm.stage, simulators)?,
        tts: voice(&config.tts, simulators)?,
        tools: Arc::new(NoTools),
    })
}

/// The second services, for when the first are slow or gone.
pub fn backups(config: &Config, simulators: Option<&Simulators>) -> Result<Backups, ProviderError> {
    let config::Backups { stt, llm, tts } = &config.backups;
    Ok(Backups {
        stt: stt.as_ref().map(|stt| recogniser(stt, simulators)).transpose()?,
        llm: llm.as_ref().map(|llm| model(llm, simulators)).transpose()?,
        tts: tts.as_ref().map(|tts| voice(tts, simulators)).transpose()?,
    })
}

fn recogniser(stt: &config::Stt, simulators: Option<&Simulators>) -> Result<Arc<dyn Stt>, ProviderError> {
    match stt.vendor {
        SttVendor::Deepgram => deepgram(&stt.key, &stt.base_url, &stt.model),
        SttVendor::Simulator => deepgram(&any_key(), &simulators.map(Simulators::deepgram_url), &None),
    }
}

fn model(llm: &config::Stage<LlmVendor>, simulators: Option<&Simulators>) -> Result<Arc<dyn Llm>, ProviderError> {
    match llm.vendor {
        LlmVendor::OpenAi => chat(&llm.key, &llm.base_url, &llm.model),
        LlmVendor::Simulator => chat(&any_key(), &simulators.map(Simulators::openai_url), &None),
    }
}

fn voice(tts: &config::Tts, simulators: Option<&Simulators>) -> Result<Arc<dyn Tts>, ProviderError> {
    let (stage, voice) = (&tts.stage, &tts.voice);
    match stage.vendor {
        TtsVendor::ElevenLabs => elevenlabs(&stage.key, &stage.base_url, &stage.model, voice),
        TtsVendor::OpenAi => speech(&stage.key, &stage.base_url, &stage.model, voice),
        TtsVendor::Simulator => elevenlabs(&any_key(), &simulators.map(Simulators::elevenlabs_url), &None, &None),
    }
}

/// A key for the simulators, which take any.
fn any_key() -> Key {
    Some(Pii::new("simulator".to_owned()))
}

/// A vendor's key, if there is one.
pub type Key = Option<Pii<String>>;
/// What to use in place of the vendor's default.
pub type Wish = Option<String>;

/// Deepgram as the recogniser.
pub fn deepgram(key: &Key, url: &Wish, model: &Wish) -> Result<Arc<dyn Stt>, ProviderError> {
    let mut config = DeepgramConfig { key: secret(key), ..DeepgramConfig::default() };
    take(&mut config.base_url, url);
    take(&mut config.model, model);
    Ok(Arc::new(Deepgram::new(config)?))
}

/// A model that speaks the protocol of OpenAI.
pub fn chat(key: &Key, url: &Wish, model: &Wish) -> Result<Arc<dyn Llm>, ProviderError> {
    let mut config = OpenAiChatConfig { key: secret(key), ..OpenAiChatConfig::default() };
    take(&mut config.base_url, url);
    take(&mut config.model, model);
    Ok(Arc::new(OpenAiChat::new(config)?))
}

/// ElevenLabs as the voice.
pub fn elevenlabs(key: &Key, url: &Wish, model: &Wish, voice: &Wish) -> Result<Arc<dyn Tts>, ProviderError> {
    let mut config = ElevenLabsConfig { key: secret(key), ..ElevenLabsConfig::default() };
    take(&mut config.base_url, url);
    take(&mut config.model, model);
    take(&mut config.voice, voice);
    Ok(Arc::new(ElevenLabs::new(config)?))
}

/// A voice that speaks the protocol of OpenAI.
pub fn speech(key: &Key, url: &Wish, model: &Wish, voice: &Wish) -> Result<Arc<dyn Tts>, ProviderError> {
    let mut config = OpenAiSpeechConfig { key: secret(key), ..OpenAiSpeechConfig::default() };
    take(&mut config.base_url, url);
    take(&mut config.model, model);
    take(&mut config.voice, voice);
    Ok(Arc::new(OpenAiSpeech::new(config)?))
}

fn secret(key: &Key) -> Secret {
    key.as_ref().map(|key| Secret::new(key.reveal())).unwrap_or_default()
}

fn take(setting: &mut String, wish: &Wish) {
    if let Some(wish) = wish {
        setting.clone_from(wish);
    }
}
