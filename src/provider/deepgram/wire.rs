//! What Deepgram's `/v1/listen` sends and takes.

use serde::Deserialize;

/// Keeps a connection open while there is no sound. A text message: a binary one would be sound.
pub(super) const KEEP_ALIVE: &str = r#"{"type":"KeepAlive"}"#;
/// Asks for what is buffered to be settled.
pub(super) const FINALIZE: &str = r#"{"type":"Finalize"}"#;
/// Says that no more sound comes.
pub(super) const CLOSE_STREAM: &str = r#"{"type":"CloseStream"}"#;

/// A message of the server. What is not named here is of no use to us.
#[derive(Deserialize, Debug)]
#[serde(tag = "type")]
pub(super) enum ServerMessage {
    /// Words, or the lack of them, over a stretch of sound.
    Results(Results),
    /// A gap between words, measured on their times.
    UtteranceEnd(UtteranceEnd),
    /// `Metadata`, `SpeechStarted`, `Error` and what is to come.
    #[serde(other)]
    Other,
}

/// Words over a stretch of sound. Times are seconds of sound sent over this connection.
#[derive(Deserialize, Debug)]
#[serde(default)]
#[derive(Default)]
pub(super) struct Results {
    /// Where the stretch begins.
    pub start: f64,
    /// How long it is.
    pub duration: f64,
    /// Whether these words will not change any more.
    pub is_final: bool,
    /// Whether the speaker has paused for the endpointing time.
    pub speech_final: bool,
    /// Whether this answers a `Finalize`.
    pub from_finalize: bool,
    /// The readings.
    pub channel: Channel,
}

/// The readings of one channel.
#[derive(Deserialize, Default, Debug)]
#[serde(default)]
pub(super) struct Channel {
    /// Best first.
    pub alternatives: Vec<Alternative>,
}

/// One reading.
#[derive(Deserialize, Default, Debug)]
#[serde(default)]
pub(super) struct Alternative {
    /// Its words.
    pub transcript: String,
    /// 0 to 1.
    pub confidence: f32,
    /// Each word with its time.
    pub words: Vec<Word>,
}

/// One word; its text is in the transcript.
#[derive(Deserialize, Default, Debug)]
#[serde(default)]
pub(super) struct Word {
    /// Where it ends, in seconds.
    pub end: f64,
}

/// A gap between words.
#[derive(Deserialize, Default, Debug)]
#[serde(default)]
pub(super) struct UtteranceEnd {
    /// Where the last word ends, in seconds; −1 when unknown.
    pub last_word_end: Option<f64>,
}
