//! ElevenLabs' streaming of several texts into a voice: `GET /v1/text-to-speech/{voice}/multi-stream-input`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::extract::{Path, RawQuery, State as Shared};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::conversation::Service;

use super::contexts::{Manner, Tongue, Wish, Wrong, upgrade};
use super::elevenlabs::{Asked, VoicePath, VoiceSettings, key, refused, unusable};
use super::state::{Key, State};
use super::stream_input::alignment;
use super::voice::Piece;

/// The paths of this protocol.
pub(super) fn routes() -> Router<Arc<State>> {
    Router::new().route("/v1/text-to-speech/{voice}/multi-stream-input", get(open))
}

async fn open(
    Shared(state): Shared<Arc<State>>,
    Path(path): Path<VoicePath>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    socket: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let asked = Asked::parse(query.as_deref().unwrap_or_default());
    let in_query = asked.as_ref().ok().and_then(|asked| asked.key.as_deref());
    let mut session = match state.admit(Service::Tts, Key::Given(key(&headers).or(in_query))) {
        Ok(session) => session,
        Err(refusal) => return refused(refusal),
    };
    session.connect().await;
    match asked {
        Ok(asked) => upgrade(session, socket, Multi { asked, voice: path.voice, open: HashMap::new() }),
        Err(why) => {
            session.refuse();
            unusable(&why)
        }
    }
}

/// A message of the client.
#[derive(Debug, Deserialize)]
struct Input {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    context_id: Option<String>,
    #[serde(default)]
    flush: bool,
    #[serde(default)]
    close_context: bool,
    #[serde(default)]
    close_socket: bool,
    #[serde(default)]
    voice_settings: Option<VoiceSettings>,
}

/// The messages of one connection.
#[derive(Debug)]
struct Multi {
    asked: Asked,
    voice: String,
    /// The open contexts, each with its speed and the text that waits.
    open: HashMap<String, (f32, String)>,
}

impl Tongue for Multi {
    const CONTEXTS: usize = 5;

    fn take(&mut self, message: &str) -> Result<Vec<Wish>, Wrong> {
        let input: Input = serde_json::from_str(message).map_err(|_| Wrong::message("invalid_message"))?;
        if input.close_socket {
            return Ok(vec![Wish::Leave]);
        }
        let id = input.context_id.unwrap_or_else(|| "default".to_owned());
        let text = input.text.unwrap_or_default();
        if !self.open.contains_key(&id) {
            if input.close_context {
                return Ok(Vec::new());
            }
            if !text.starts_with(' ') {
                return Err(Wrong::message("invalid_message"));
            }
            if self.open.len() >= Self::CONTEXTS {
                return Err(Wrong { status: 429, what: "max_active_conversations".into(), context: None });
            }
            let speed = input.voice_settings.and_then(|settings| settings.speed).unwrap_or(1.0);
            self.open.insert(id.clone(), (speed, String::new()));
        }
        let Some((speed, buffer)) = self.open.get_mut(&id) else { return Ok(Vec::new()) };
        buffer.push_str(&text);
        let ready = self.asked.auto_mode || input.flush || input.close_context;
        let mut wishes = Vec::new();
        if ready && !buffer.trim().is_empty() {
            let manner = Manner { voice: self.voice.clone(), speed: *speed, format: self.asked.format };
            let text = std::mem::take(buffer);
            wishes.push(Wish::Speak { context: id.clone(), text, manner, wait: Duration::ZERO });
        }
        if input.close_context {
            self.open.remove(&id);
            wishes.push(Wish::Finish(id));
        }
        Ok(wishes)
    }

    fn sound(&mut self, context: &str, piece: &Piece, bytes: Vec<u8>, has_times: bool) -> Vec<Message> {
        let audio = base64_simd::STANDARD.encode_to_string(bytes);
        let alignment = if has_times { alignment(piece) } else { Value::Null };
        vec![message(&json!({"audio": audio, "isFinal": null, "alignment": alignment,
            "normalizedAlignment": alignment, "contextId": context}))]
    }

    fn done(&mut self, context: &str) -> Vec<Message> {
        vec![message(&json!({"isFinal": true, "contextId": context}))]
    }

    fn wrong(&mut self, context: Option<&str>, wrong: &Wrong) -> (Vec<Message>, Option<u16>) {
        let (error, code) = match wrong.status {
            401 | 403 => ("invalid_api_key", 1008),
            402 => ("quota_exceeded", 1008),
            429 => ("too_many_concurrent_requests", 1008),
            400..=499 => (wrong.what.as_str(), 1008),
            _ => ("internal_server_error", 1011),
        };
        let body = json!({"message": "The request was refused.", "error": error, "code": code, "contextId": context});
        (vec![message(&body)], Some(code))
    }
}

fn message(body: &Value) -> Message {
    Message::Text(body.to_string().into())
}
