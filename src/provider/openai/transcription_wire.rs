//! What OpenAI's Realtime transcription sends.

use serde::Deserialize;

use crate::provider::http;

/// An event of the server. What is not named here is of no use to us.
#[derive(Deserialize, Debug)]
#[serde(tag = "type")]
pub(super) enum ServerEvent {
    /// The session is as we asked.
    #[serde(rename = "session.updated")]
    SessionUpdated,
    /// The server heard a pause; only where it was asked to listen for them.
    #[serde(rename = "input_audio_buffer.speech_stopped")]
    SpeechStopped {
        /// Where, in sound sent over this connection.
        #[serde(default)]
        audio_end_ms: u64,
    },
    /// The sound so far is an item, whose words follow.
    #[serde(rename = "input_audio_buffer.committed")]
    Committed {
        /// Its name.
        item_id: String,
    },
    /// More words of an item, which may be under way still.
    #[serde(rename = "conversation.item.input_audio_transcription.delta")]
    Delta {
        /// Its name.
        item_id: String,
        /// They go behind those before, blanks and all.
        #[serde(default)]
        delta: Option<String>,
    },
    /// All words of an item.
    #[serde(rename = "conversation.item.input_audio_transcription.completed")]
    Completed {
        /// Its name.
        item_id: String,
        /// They replace those before.
        #[serde(default)]
        transcript: String,
    },
    /// An item whose words will not come.
    #[serde(rename = "conversation.item.input_audio_transcription.failed")]
    Failed {
        /// Its name.
        item_id: String,
        /// Why.
        #[serde(default)]
        error: ErrorBody,
    },
    /// Something went wrong; most errors leave the session as it was.
    #[serde(rename = "error")]
    Error {
        /// What.
        #[serde(default)]
        error: ErrorBody,
    },
    /// Anything else.
    #[serde(other)]
    Other,
}

/// An error; its sentences are left out.
#[derive(Deserialize, Default, Debug)]
#[serde(default)]
pub(super) struct ErrorBody {
    code: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    param: Option<String>,
}

impl ErrorBody {
    /// Whether it says that there was too little sound for an item.
    pub(super) fn is_about_an_empty_buffer(&self) -> bool {
        self.code.as_deref() == Some("input_audio_buffer_commit_empty")
    }

    /// The short codes.
    pub(super) fn codes(&self) -> Vec<String> {
        [&self.code, &self.kind, &self.param].into_iter().flatten().filter_map(|text| http::code(text)).collect()
    }
}
