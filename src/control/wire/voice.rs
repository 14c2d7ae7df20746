//! The voices.

use serde::Serialize;

/// `GET /v1/agents/voices`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct VoiceList {
    /// The voices an agent may have.
    pub data: Vec<Voice>,
}

/// One voice, each name in both of the API's spellings.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Voice {
    voice_id: String,
    #[serde(rename = "voiceId")]
    voice_id_too: String,
    voice_name: String,
    name: String,
    provider: String,
    gender: Option<String>,
    accent: Option<String>,
    preview_audio_url: Option<String>,
}

impl VoiceList {
    /// The list of these voices.
    pub fn of(voices: &[crate::control::Voice]) -> Self {
        let voice = |voice: &crate::control::Voice| Voice {
            voice_id: voice.id.clone(),
            voice_id_too: voice.id.clone(),
            voice_name: voice.name.clone(),
            name: voice.name.clone(),
            provider: voice.provider.clone(),
            gender: voice.gender.clone(),
            accent: voice.accent.clone(),
            preview_audio_url: None,
        };
        Self { data: voices.iter().map(voice).collect() }
    }
}
