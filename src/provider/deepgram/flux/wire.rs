//! What Deepgram's `/v2/listen` sends and takes.

use serde::Deserialize;

/// Ends the turn on the sound transcribed so far. Ignored when there is no turn.
pub(super) const FORCE_END_TURN: &str = r#"{"type":"ForceEndTurn"}"#;

/// A message of the server. What is not named here is of no use to us.
#[derive(Deserialize, Debug)]
#[serde(tag = "type")]
pub(super) enum ServerMessage {
    /// The first one.
    Connected,
    /// The turn and what was said in it.
    TurnInfo(TurnInfo),
    /// The server cannot go on.
    Error(FatalError),
    /// `ConfigureSuccess`, `Warning` and what is to come.
    #[serde(other)]
    Other,
}

/// A turn. Times are seconds of sound sent over this connection.
#[derive(Deserialize, Default, Debug)]
#[serde(default)]
pub(super) struct TurnInfo {
    /// What happened.
    pub event: Event,
    /// Up to where the sound was transcribed.
    pub audio_window_end: f64,
    /// All words of the turn so far.
    pub transcript: String,
    /// Each word.
    pub words: Vec<Word>,
    /// Why the turn ended: `model`, `timeout` or `manual`.
    pub trigger: Option<String>,
}

/// What happened to a turn.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) enum Event {
    /// The first words of one.
    StartOfTurn,
    /// It may be over.
    EagerEndOfTurn,
    /// It goes on after all.
    TurnResumed,
    /// It is over.
    EndOfTurn,
    /// More sound was transcribed (`Update`), or something unknown.
    #[default]
    #[serde(other)]
    Update,
}

/// One word; its text is in the transcript.
#[derive(Deserialize, Default, Debug)]
#[serde(default)]
pub(super) struct Word {
    /// 0 to 1.
    pub confidence: f32,
    /// Where it ends, in seconds, if that is told.
    pub end: Option<f64>,
}

/// Why the server cannot go on.
#[derive(Deserialize, Default, Debug)]
#[serde(default)]
pub(super) struct FatalError {
    /// A code in capitals.
    pub code: String,
}
