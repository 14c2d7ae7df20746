//! What Gladia's live sessions send and take.

use serde::Deserialize;

/// Keeps a connection without sound open: a piece of sound with nothing in it.
pub(super) const KEEP_ALIVE: &str = r#"{"type":"audio_chunk","data":{"chunk":""}}"#;
/// Says that no more sound comes.
pub(super) const STOP_RECORDING: &str = r#"{"type":"stop_recording"}"#;

/// The answer to the request for a session.
#[derive(Deserialize, Debug)]
pub(super) struct NewSession {
    /// Where to connect; a token is in it.
    pub url: String,
}

/// A message of the server. What is not named here is of no use to us.
#[derive(Deserialize, Debug)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ServerMessage {
    /// Words.
    Transcript {
        /// Them.
        data: Transcript,
    },
    /// A voice was heard.
    SpeechStart,
    /// It is over.
    SpeechEnd,
    /// Acknowledgements, the session's own events and what is to come.
    #[serde(other)]
    Other,
}

/// Words of one utterance.
#[derive(Deserialize, Default, Debug)]
#[serde(default)]
pub(super) struct Transcript {
    /// Whether they will not change any more.
    pub is_final: bool,
    /// The utterance.
    pub utterance: Utterance,
}

/// The words between two short pauses. Times are seconds of sound of the session.
#[derive(Deserialize, Default, Debug)]
#[serde(default)]
pub(super) struct Utterance {
    /// Its words.
    pub text: String,
    /// 0 to 1.
    pub confidence: f32,
    /// Where it ends.
    pub end: f64,
}
