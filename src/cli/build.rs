//! The services a configuration names.

use std::sync::Arc;

use agentphone::config::{self, Config, LlmVendor, SttVendor, TtsVendor};
use agentphone::conversation::Pii;
use agentphone::engine::{Instance, Instances, Llm, Providers, Service, Stt, Tts};
use agentphone::provider::{
    Anthropic, AnthropicConfig, AssemblyAi, AssemblyAiConfig, Aura, AuraConfig, Cartesia, CartesiaConfig, Deepgram,
    DeepgramConfig, ElevenLabs, ElevenLabsConfig, ElevenLabsScribe, ElevenLabsScribeConfig, ElevenLabsTransport,
    Espeak, EspeakConfig, Flux, FluxConfig, Gladia, GladiaConfig, Kokoro, KokoroConfig, NoTools, OpenAiChat,
    OpenAiChatConfig, OpenAiResponses, OpenAiResponsesConfig, OpenAiSpeech, OpenAiSpeechConfig, OpenAiTranscription,
    OpenAiTranscriptionConfig, Piper, PiperConfig, ProviderError, Rime, RimeConfig, Secret, Sherpa, SherpaConfig,
    Soniox, SonioxConfig, Speechmatics, SpeechmaticsConfig, Vosk, VoskConfig, Whisper, WhisperConfig,
};
use agentphone::simulator::Simulators;

/// A service, and what it is asked for when a call names nothing.
#[derive(Debug)]
pub struct Built<S: ?Sized> {
    /// The service.
    pub service: Arc<S>,
    /// The vendor, by the name of the configuration.
    pub vendor: &'static str,
    /// The model.
    pub model: String,
    /// What all calls know of it.
    pub instance: Arc<Instance>,
}

impl<S: ?Sized> Built<S> {
    fn new(kind: Service, vendor: &'static str, (service, model): (Arc<S>, String)) -> Self {
        Self { service, vendor, instance: Instance::new(kind, vendor, model.clone()), model }
    }
}

/// All services of a configuration, built once for all calls.
#[derive(Debug)]
pub struct Services {
    /// Hears.
    pub stt: Built<dyn Stt>,
    /// Thinks.
    pub llm: Built<dyn Llm>,
    /// Speaks.
    pub tts: Built<dyn Tts>,
    /// What stands by for each.
    pub backups: Backups,
}

/// The services that stand by, for when the first are slow or gone.
#[derive(Default, Debug)]
pub struct Backups {
    /// Hears.
    pub stt: Option<Built<dyn Stt>>,
    /// Thinks.
    pub llm: Option<Built<dyn Llm>>,
    /// Speaks.
    pub tts: Option<Built<dyn Tts>>,
}

impl Services {
    /// The services of all calls. Simulated stages go to `simulators`, which runs when there is one.
    pub fn of(config: &Config, simulators: Option<&Simulators>) -> Result<Self, ProviderError> {
        let config::Backups { stt, llm, tts } = &config.backups;
        let backups = Backups {
            stt: stt.as_ref().map(|stt| recogniser(stt, simulators)).transpose()?,
            llm: llm.as_ref().map(|llm| model(llm, simulators)).transpose()?,
            tts: tts.as_ref().map(|tts| voice(tts, simulators)).transpose()?,
        };
        Ok(Self {
            stt: recogniser(&config.stt, simulators)?,
            llm: model(&config.llm.stage, simulators)?,
            tts: voice(&config.tts, simulators)?,
            backups,
        })
    }

    /// What all calls know of them. Where nobody stands by there is one that nobody asks.
    pub fn instances(&self) -> Instances {
        let Backups { stt, llm, tts } = &self.backups;
        let nobody = Instances::default();
        let second = |kept: Option<&Arc<Instance>>, [_, nobody]: [Arc<Instance>; 2]| kept.cloned().unwrap_or(nobody);
        Instances {
            stt: [Arc::clone(&self.stt.instance), second(stt.as_ref().map(|stt| &stt.instance), nobody.stt)],
            llm: [Arc::clone(&self.llm.instance), second(llm.as_ref().map(|llm| &llm.instance), nobody.llm)],
            tts: [Arc::clone(&self.tts.instance), second(tts.as_ref().map(|tts| &tts.instance), nobody.tts)],
        }
    }

    /// All of them that are configured.
    pub fn known(&self) -> Vec<Arc<Instance>> {
        let Backups { stt, llm, tts } = &self.backups;
        let first = [&self.stt.instance, &self.llm.instance, &self.tts.instance];
        let second = [
            stt.as_ref().map(|stt| &stt.instance),
            llm.as_ref().map(|llm| &llm.instance),
            tts.as_ref().map(|tts| &tts.instance),
        ];
        first.into_iter().chain(second.into_iter().flatten()).cloned().collect()
    }

    /// The first choices.
    pub fn providers(&self) -> Providers {
        Providers {
            stt: Arc::clone(&self.stt.service),
            llm: Arc::clone(&self.llm.service),
            tts: Arc::clone(&self.tts.service),
            tools: Arc::new(NoTools),
        }
    }
}

/// What to use in place of a vendor's defaults.
#[derive(Clone, Default, Debug)]
pub struct Wish {
    /// The key, if there is one.
    pub key: Option<Pii<String>>,
    /// The address.
    pub base_url: Option<String>,
    /// The model.
    pub model: Option<String>,
    /// The voice.
    pub voice: Option<String>,
}

impl Wish {
    fn of<V>(stage: &config::Stage<V>, voice: Option<&String>) -> Self {
        let config::Stage { key, base_url, model, .. } = stage;
        Self { key: key.clone(), base_url: base_url.clone(), model: model.clone(), voice: voice.cloned() }
    }

    /// At a simulator, which takes any key.
    fn simulated(url: Option<String>) -> Self {
        Self { key: Some(Pii::new("simulator".to_owned())), base_url: url, ..Self::default() }
    }

    fn secret(&self) -> Secret {
        self.key.as_ref().map(|key| Secret::new(key.reveal())).unwrap_or_default()
    }
}

/// A service of this configuration type, with the wish's key and address and with the settings that are named, by the
/// first of which it is known.
macro_rules! service {
    ($seam:ty, $wish:expr, $config:ident $({ $own:ident })? => $service:ident $(, $field:ident)*) => {{
        let wish: &Wish = $wish;
        let mut config = $config { key: wish.secret(), $($own,)? ..$config::default() };
        take(&mut config.base_url, &wish.base_url);
        $(take(&mut config.$field, &wish.$field);)*
        let names: Vec<String> = vec![$(config.$field.clone(),)*];
        (Arc::new($service::new(config)?) as Arc<$seam>, names.into_iter().next().unwrap_or_default())
    }};
}

fn recogniser(stt: &config::Stt, simulators: Option<&Simulators>) -> Result<Built<dyn Stt>, ProviderError> {
    let (vendor, wish) = match stt.vendor {
        SttVendor::Simulator => (SttVendor::Deepgram, Wish::simulated(simulators.map(Simulators::deepgram_url))),
        vendor => (vendor, Wish::of(stt, None)),
    };
    Ok(Built::new(Service::Stt, stt.name, hearing(vendor, &wish)?))
}

fn model(llm: &config::Stage<LlmVendor>, simulators: Option<&Simulators>) -> Result<Built<dyn Llm>, ProviderError> {
    let (vendor, wish) = match llm.vendor {
        LlmVendor::Simulator => (LlmVendor::OpenAi, Wish::simulated(simulators.map(Simulators::openai_url))),
        vendor => (vendor, Wish::of(llm, None)),
    };
    Ok(Built::new(Service::Llm, llm.name, thinking(vendor, &wish)?))
}

fn voice(tts: &config::Tts, simulators: Option<&Simulators>) -> Result<Built<dyn Tts>, ProviderError> {
    let voice = tts.voice.as_ref().map(|voice| tts.voice_id(voice).to_owned());
    let (vendor, wish) = match tts.stage.vendor {
        TtsVendor::Simulator => (TtsVendor::ElevenLabs, Wish::simulated(simulators.map(Simulators::elevenlabs_url))),
        vendor => (vendor, Wish::of(&tts.stage, voice.as_ref())),
    };
    Ok(Built::new(Service::Tts, tts.stage.name, speaking(vendor, &wish)?))
}

/// A recogniser, and the model it is asked for; empty where a server has only one.
pub fn hearing(vendor: SttVendor, wish: &Wish) -> Result<(Arc<dyn Stt>, String), ProviderError> {
    Ok(match vendor {
        SttVendor::AssemblyAi => service!(dyn Stt, wish, AssemblyAiConfig => AssemblyAi, model),
        SttVendor::Deepgram | SttVendor::Simulator => service!(dyn Stt, wish, DeepgramConfig => Deepgram, model),
        SttVendor::ElevenLabs => service!(dyn Stt, wish, ElevenLabsScribeConfig => ElevenLabsScribe, model),
        SttVendor::Flux => service!(dyn Stt, wish, FluxConfig => Flux, model),
        SttVendor::Gladia => service!(dyn Stt, wish, GladiaConfig => Gladia, model),
        SttVendor::OpenAi => service!(dyn Stt, wish, OpenAiTranscriptionConfig => OpenAiTranscription, model),
        SttVendor::Sherpa => service!(dyn Stt, wish, SherpaConfig => Sherpa),
        SttVendor::Soniox => service!(dyn Stt, wish, SonioxConfig => Soniox, model),
        SttVendor::Speechmatics => service!(dyn Stt, wish, SpeechmaticsConfig => Speechmatics, model),
        SttVendor::Vosk => service!(dyn Stt, wish, VoskConfig => Vosk),
        SttVendor::Whisper => service!(dyn Stt, wish, WhisperConfig => Whisper, model),
    })
}

/// A model, and its name.
pub fn thinking(vendor: LlmVendor, wish: &Wish) -> Result<(Arc<dyn Llm>, String), ProviderError> {
    Ok(match vendor {
        LlmVendor::Anthropic => service!(dyn Llm, wish, AnthropicConfig => Anthropic, model),
        LlmVendor::OpenAi | LlmVendor::Simulator => service!(dyn Llm, wish, OpenAiChatConfig => OpenAiChat, model),
        LlmVendor::OpenAiResponses => service!(dyn Llm, wish, OpenAiResponsesConfig => OpenAiResponses, model),
    })
}

/// A voice, and the model that has it, or its name where a voice is a model of its own.
pub fn speaking(vendor: TtsVendor, wish: &Wish) -> Result<(Arc<dyn Tts>, String), ProviderError> {
    let by_voice = Wish { voice: wish.voice.clone().or(wish.model.clone()), ..wish.clone() };
    Ok(match vendor {
        TtsVendor::Cartesia => service!(dyn Tts, wish, CartesiaConfig => Cartesia, model, voice),
        TtsVendor::Deepgram => service!(dyn Tts, &by_voice, AuraConfig => Aura, voice),
        TtsVendor::ElevenLabs | TtsVendor::Simulator => {
            service!(dyn Tts, wish, ElevenLabsConfig => ElevenLabs, model, voice)
        }
        TtsVendor::ElevenLabsContexts => {
            let transport = ElevenLabsTransport::MultiContext;
            service!(dyn Tts, wish, ElevenLabsConfig { transport } => ElevenLabs, model, voice)
        }
        TtsVendor::ElevenLabsHttp => {
            let transport = ElevenLabsTransport::Http;
            service!(dyn Tts, wish, ElevenLabsConfig { transport } => ElevenLabs, model, voice)
        }
        TtsVendor::Espeak => {
            let mut config = EspeakConfig::default();
            take(&mut config.voice, &by_voice.voice);
            let voice = config.voice.clone();
            (Arc::new(Espeak::new(config)?) as Arc<dyn Tts>, voice)
        }
        TtsVendor::Kokoro => service!(dyn Tts, wish, KokoroConfig => Kokoro, model, voice),
        TtsVendor::OpenAi => service!(dyn Tts, wish, OpenAiSpeechConfig => OpenAiSpeech, model, voice),
        TtsVendor::Piper => service!(dyn Tts, &by_voice, PiperConfig => Piper, voice),
        TtsVendor::Rime => service!(dyn Tts, wish, RimeConfig => Rime, model, voice),
    })
}

fn take(setting: &mut String, wish: &Option<String>) {
    if let Some(wish) = wish {
        setting.clone_from(wish);
    }
}
