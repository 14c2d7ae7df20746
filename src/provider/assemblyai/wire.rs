//! What AssemblyAI's `/v3/ws` sends and takes.

use serde::Deserialize;

/// Ends the turn.
pub(super) const FORCE_ENDPOINT: &str = r#"{"type":"ForceEndpoint"}"#;
/// Keeps a connection without sound open.
pub(super) const KEEP_ALIVE: &str = r#"{"type":"KeepAlive"}"#;
/// Says that no more sound comes.
pub(super) const TERMINATE: &str = r#"{"type":"Terminate"}"#;

/// A message of the server. What is not named here is of no use to us.
#[derive(Deserialize, Debug)]
#[serde(tag = "type")]
pub(super) enum ServerMessage {
    /// The first one.
    Begin,
    /// A turn and what was said in it.
    Turn(Turn),
    /// The server cannot go on.
    Error(StreamingError),
    /// `Termination`, `SpeechStarted`, `Heartbeat` and what is to come.
    #[serde(other)]
    Other,
}

/// A turn so far.
#[derive(Deserialize, Default, Debug)]
#[serde(default)]
pub(super) struct Turn {
    /// Its number within the connection.
    pub turn_order: u64,
    /// Whether the text has punctuation, capitals and figures.
    pub turn_is_formatted: bool,
    /// Whether it is over.
    pub end_of_turn: bool,
    /// Its words that will not change any more.
    pub transcript: String,
    /// The same when the server has found a pause; empty otherwise.
    pub utterance: String,
    /// All its words.
    pub words: Vec<Word>,
}

/// One word.
#[derive(Deserialize, Default, Debug)]
#[serde(default)]
pub(super) struct Word {
    /// As heard.
    pub text: String,
    /// 0 to 1.
    pub confidence: f32,
    /// Where it ends, in milliseconds of sound sent over this connection.
    pub end: u64,
}

/// Why the server cannot go on. Its sentence is left unread: it may hold anything.
#[derive(Deserialize, Default, Debug)]
#[serde(default)]
pub(super) struct StreamingError {
    /// The code the connection will be closed with.
    pub error_code: Option<u16>,
}
