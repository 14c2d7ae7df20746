//! The vendors there are: their names in the file, what their environment variables begin with, and what each wants.

use super::document::Section;
use super::settings::Env;

/// Who hears.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SttVendor {
    /// AssemblyAI.
    AssemblyAi,
    /// Deepgram, or what speaks its protocol.
    Deepgram,
    /// ElevenLabs Scribe, realtime.
    ElevenLabs,
    /// Deepgram Flux.
    Flux,
    /// Gladia.
    Gladia,
    /// OpenAI's realtime transcription.
    OpenAi,
    /// A streaming server of sherpa-onnx.
    Sherpa,
    /// Soniox.
    Soniox,
    /// Speechmatics.
    Speechmatics,
    /// vosk-server.
    Vosk,
    /// A server that transcribes files: whisper.cpp, speaches, or what has `/v1/audio/transcriptions`.
    Whisper,
    /// Our own simulator.
    Simulator,
}

/// Who thinks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LlmVendor {
    /// Anthropic's messages.
    Anthropic,
    /// OpenAI, or what speaks its chat completions (Ollama, vLLM, llama.cpp …).
    OpenAi,
    /// OpenAI's responses.
    OpenAiResponses,
    /// Our own simulator.
    Simulator,
}

/// Who speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TtsVendor {
    /// Cartesia.
    Cartesia,
    /// Deepgram's Aura.
    Deepgram,
    /// ElevenLabs, or what speaks its protocol: a connection for each reply.
    ElevenLabs,
    /// The same, with one connection for several replies.
    ElevenLabsContexts,
    /// The same, with a request for each segment.
    ElevenLabsHttp,
    /// The program espeak-ng of this machine.
    Espeak,
    /// Kokoro-FastAPI.
    Kokoro,
    /// OpenAI, or what serves `/v1/audio/speech`.
    OpenAi,
    /// Piper's HTTP server.
    Piper,
    /// Rime.
    Rime,
    /// Our own simulator.
    Simulator,
}

/// What it takes to use a vendor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Access {
    /// A key, or a base URL of a server that wants none.
    Account,
    /// A server of one's own, at its usual address unless another is given; a key only if it asks for one.
    Server,
    /// Nothing: it runs inside this process, or on this machine.
    Here,
}

/// One vendor by its name in the file. Several names may share a protocol.
#[derive(Debug)]
pub(super) struct Preset<V> {
    /// The name in the file.
    pub(super) name: &'static str,
    /// Whose protocol is spoken.
    pub(super) vendor: V,
    /// What its environment variables begin with: `DEEPGRAM` has `DEEPGRAM_API_KEY` and `DEEPGRAM_BASE_URL`.
    pub(super) prefix: &'static str,
    /// Where it is; `None`: where its protocol is at home.
    pub(super) base_url: Option<&'static str>,
    /// What it takes.
    pub(super) access: Access,
    /// The model when none is named; `None`: that of its protocol.
    pub(super) model: Option<&'static str>,
    /// Whether a model must be named, since nobody knows what is served there.
    pub(super) names_models: bool,
}

impl<V> Preset<V> {
    /// The vendor whose protocol it is.
    const fn account(name: &'static str, vendor: V, prefix: &'static str) -> Self {
        Self { name, vendor, prefix, base_url: None, access: Access::Account, model: None, names_models: false }
    }

    /// A host that speaks the protocol of another.
    const fn host(
        name: &'static str,
        vendor: V,
        prefix: &'static str,
        base_url: &'static str,
        model: &'static str,
    ) -> Self {
        let (base_url, model) = (Some(base_url), Some(model));
        Self { name, vendor, prefix, base_url, access: Access::Account, model, names_models: false }
    }

    /// A server of one's own.
    const fn server(name: &'static str, vendor: V, prefix: &'static str, base_url: &'static str) -> Self {
        let base_url = Some(base_url);
        Self { name, vendor, prefix, base_url, access: Access::Server, model: None, names_models: false }
    }

    /// What needs no address.
    const fn here(name: &'static str, vendor: V) -> Self {
        Self { name, vendor, prefix: "", base_url: None, access: Access::Here, model: None, names_models: false }
    }

    /// The same, and a model must be named.
    const fn naming_models(self) -> Self
    where
        V: Copy,
    {
        Self { names_models: true, ..self }
    }
}

/// A vendor of one of the three kinds.
pub(super) trait Vendor: Copy + PartialEq + 'static {
    /// The vendors of a kind, in the order in which a stage that names none takes them: the first is the usual one.
    const PRESETS: &'static [Preset<Self>];
    /// The usual one of a kind.
    const USUAL: &'static Preset<Self> = &Self::PRESETS[0];
    /// Our own.
    const SIMULATOR: Self;
}

impl Vendor for SttVendor {
    const PRESETS: &'static [Preset<Self>] = &[
        Preset::account("deepgram", Self::Deepgram, "DEEPGRAM"),
        Preset::account("deepgram-flux", Self::Flux, "DEEPGRAM"),
        Preset::account("assemblyai", Self::AssemblyAi, "ASSEMBLYAI"),
        Preset::account("soniox", Self::Soniox, "SONIOX"),
        Preset::account("speechmatics", Self::Speechmatics, "SPEECHMATICS"),
        Preset::account("elevenlabs", Self::ElevenLabs, "ELEVENLABS"),
        Preset::account("gladia", Self::Gladia, "GLADIA"),
        Preset::account("openai", Self::OpenAi, "OPENAI"),
        Preset::server("whisper", Self::Whisper, "WHISPER", "http://127.0.0.1:8000/v1"),
        Preset::server("vosk", Self::Vosk, "VOSK", "ws://127.0.0.1:2700"),
        Preset::server("sherpa", Self::Sherpa, "SHERPA", "ws://127.0.0.1:6006"),
        Preset::here("simulator", Self::Simulator),
    ];
    const SIMULATOR: Self = Self::Simulator;
}

impl Vendor for LlmVendor {
    const PRESETS: &'static [Preset<Self>] = &[
        Preset::account("openai", Self::OpenAi, "OPENAI"),
        Preset::account("openai-responses", Self::OpenAiResponses, "OPENAI"),
        Preset::account("anthropic", Self::Anthropic, "ANTHROPIC"),
        Preset::host("groq", Self::OpenAi, "GROQ", "https://api.groq.com/openai/v1", "llama-3.3-70b-versatile"),
        Preset::host(
            "together",
            Self::OpenAi,
            "TOGETHER",
            "https://api.together.xyz/v1",
            "meta-llama/Llama-3.3-70B-Instruct-Turbo",
        ),
        Preset::host("openrouter", Self::OpenAi, "OPENROUTER", "https://openrouter.ai/api/v1", "openai/gpt-4.1-mini"),
        Preset::server("ollama", Self::OpenAi, "OLLAMA", "http://127.0.0.1:11434/v1").naming_models(),
        Preset::server("vllm", Self::OpenAi, "VLLM", "http://127.0.0.1:8000/v1").naming_models(),
        Preset::server("llamacpp", Self::OpenAi, "LLAMACPP", "http://127.0.0.1:8080/v1"),
        Preset::here("simulator", Self::Simulator),
    ];
    const SIMULATOR: Self = Self::Simulator;
}

impl Vendor for TtsVendor {
    const PRESETS: &'static [Preset<Self>] = &[
        Preset::account("elevenlabs", Self::ElevenLabs, "ELEVENLABS"),
        Preset::account("elevenlabs-contexts", Self::ElevenLabsContexts, "ELEVENLABS"),
        Preset::account("elevenlabs-http", Self::ElevenLabsHttp, "ELEVENLABS"),
        Preset::account("cartesia", Self::Cartesia, "CARTESIA"),
        Preset::account("deepgram", Self::Deepgram, "DEEPGRAM"),
        Preset::account("rime", Self::Rime, "RIME"),
        Preset::account("openai", Self::OpenAi, "OPENAI"),
        Preset::server("kokoro", Self::Kokoro, "KOKORO", "http://127.0.0.1:8880"),
        Preset::server("piper", Self::Piper, "PIPER", "http://127.0.0.1:5000"),
        Preset::here("espeak", Self::Espeak),
        Preset::here("simulator", Self::Simulator),
    ];
    const SIMULATOR: Self = Self::Simulator;
}

/// The vendor a section names, if any. A name that is none is a problem.
pub(super) fn named<V: Vendor>(section: &mut Section<'_>) -> Option<&'static Preset<V>> {
    let names: Vec<_> = V::PRESETS.iter().map(|preset| (preset.name, preset)).collect();
    section.one_of("provider", &names)
}

/// The vendor of a section that names none: the usual one when the section says where or with which key, else the first
/// that the environment has something for, else the usual one.
///
/// A key counts for any vendor. A base URL alone counts for the usual one and for servers of one's own: whoever sets
/// `OPENAI_BASE_URL` to a server that has a model does not say that it can hear and speak as well.
pub(super) fn usual<V: Vendor>(section: &Section<'_>, env: Env<'_>) -> &'static Preset<V> {
    let is_set = |preset: &Preset<V>, what: &str| {
        preset.access != Access::Here
            && env(&format!("{}_{what}", preset.prefix)).is_some_and(|value| !value.trim().is_empty())
    };
    let is_ready = |preset: &&Preset<V>| {
        let is_usual = preset.name == V::USUAL.name;
        is_set(preset, "API_KEY") || ((is_usual || preset.access == Access::Server) && is_set(preset, "BASE_URL"))
    };
    if section.has("base_url") || section.has("key_env") {
        return V::USUAL;
    }
    V::PRESETS.iter().find(is_ready).unwrap_or(V::USUAL)
}
