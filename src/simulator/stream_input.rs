//! ElevenLabs' streaming of text into a voice: `GET /v1/text-to-speech/{voice}/stream-input`, a WebSocket.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, RawQuery, State as Shared};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::conversation::Service;

use super::elevenlabs::{Asked, VoicePath, VoiceSettings, key, refused};
use super::fault::Cut;
use super::hearing::{READ, close};
use super::speech::{FIRST_PIECE_MS, PIECE_MS};
use super::state::{Key, Refusal, Session, State, faster};
use super::voice::{CharTime, Piece, Speech};

/// Upgrades a request. A key may still come in the first message, and what is wrong with the query is told on the socket.
pub(super) async fn open(
    Shared(state): Shared<Arc<State>>,
    Path(path): Path<VoicePath>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let asked = Asked::parse(query.as_deref().unwrap_or_default());
    let in_query = asked.as_ref().ok().and_then(|asked| asked.key.as_deref());
    let key = match key(&headers).or(in_query) {
        Some(key) => Key::Given(Some(key)),
        None => Key::Later,
    };
    let mut session = match state.admit(Service::Tts, key) {
        Ok(session) => session,
        Err(refusal) => {
            // Trouble within a service shows when it would have spoken.
            if matches!(refusal, Refusal::Status(500..=599)) {
                state.alarm.until(Instant::now() + state.config.voice.first_byte).await;
            }
            return refused(refusal);
        }
    };
    session.connect().await;
    let Ok(upgrade) = upgrade else {
        session.refuse();
        return (StatusCode::UPGRADE_REQUIRED, "open a WebSocket").into_response();
    };
    let is_known = matches!(key, Key::Given(_)) || state.config.key.is_none();
    let upgrade = upgrade.max_message_size(LARGEST_MESSAGE).read_buffer_size(READ);
    match asked {
        Ok(asked) => {
            let stream = Stream {
                session,
                asked,
                voice: path.voice,
                is_known,
                text: Text::default(),
                out: Out::default(),
                number: None,
            };
            upgrade.on_upgrade(|socket| stream.serve(socket))
        }
        Err(why) => upgrade.on_upgrade(|mut socket| async move {
            session.refuse();
            fail(&mut socket, "invalid_output_format", &why).await;
        }),
    }
}

/// A message of the client.
#[derive(Clone, Debug, Deserialize)]
struct Input {
    text: String,
    #[serde(default)]
    flush: Option<bool>,
    #[serde(default)]
    try_trigger_generation: Option<bool>,
    #[serde(default)]
    voice_settings: Option<VoiceSettings>,
    #[serde(default)]
    generation_config: Option<GenerationConfig>,
    #[serde(default, rename = "xi-api-key", alias = "xi_api_key", alias = "authorization")]
    key: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct GenerationConfig {
    #[serde(default)]
    chunk_length_schedule: Option<Vec<u32>>,
}

/// The text that waits to be spoken.
#[derive(Clone, Debug)]
struct Text {
    buffer: String,
    /// Characters that start a generation, one figure after the other; the last stays.
    schedule: VecDeque<u32>,
    /// Characters received.
    total: usize,
    speed: f32,
    is_complete: bool,
}

impl Default for Text {
    fn default() -> Self {
        Self { buffer: String::new(), schedule: DEFAULT_SCHEDULE.into(), total: 0, speed: 1.0, is_complete: false }
    }
}

impl Text {
    /// Takes more text; gives what is to be spoken now.
    fn push(&mut self, input: &Input, auto_mode: bool) -> Option<String> {
        if self.total == 0 {
            self.speed = input.voice_settings.and_then(|settings| settings.speed).unwrap_or(1.0);
            let schedule = input.generation_config.as_ref().and_then(|config| config.chunk_length_schedule.clone());
            if let Some(schedule) = schedule.filter(|schedule| !schedule.is_empty()) {
                self.schedule = schedule.into_iter().take(MOST_STEPS).map(|step| step.clamp(50, 500)).collect();
            }
        }
        self.is_complete = input.text.is_empty();
        self.total += input.text.chars().count().max(1);
        self.buffer.push_str(&input.text);
        let waiting = self.buffer.chars().count();
        let wanted = self.schedule.front().copied().unwrap_or_default() as usize;
        let wants_try = input.try_trigger_generation == Some(true) && waiting >= FEWEST_FOR_TRY;
        let all = auto_mode || self.is_complete || input.flush == Some(true);
        let spoken = if all {
            std::mem::take(&mut self.buffer)
        } else if waiting >= wanted || wants_try {
            if self.schedule.len() > 1 {
                self.schedule.pop_front();
            }
            // A word may still be on its way.
            let last_space = self.buffer.char_indices().rev().find(|(_, letter)| letter.is_whitespace());
            let end = last_space.map_or(0, |(at, letter)| at + letter.len_utf8());
            self.buffer.drain(..end).collect()
        } else {
            String::new()
        };
        (!spoken.trim().is_empty()).then_some(spoken)
    }
}

/// The sound on its way.
#[derive(Debug, Default)]
struct Out {
    /// Generations, the one being delivered first; each with the earliest time of its first sound.
    waiting: VecDeque<(Instant, Speech)>,
    /// The piece that goes out next, and when.
    next: Option<(Instant, Piece)>,
    /// When the generation being delivered began.
    began: Option<Instant>,
    /// When the last generation was delivered.
    free_at: Option<Instant>,
    sent: u32,
}

impl Out {
    /// Makes the next piece, unless one waits already.
    fn prepare(&mut self, speed: f64) {
        while self.next.is_none() {
            let Some((earliest, speech)) = self.waiting.front_mut() else { return };
            let began = *self.began.get_or_insert_with(|| self.free_at.map_or(*earliest, |free| free.max(*earliest)));
            match speech.next_piece(if self.sent == 0 { FIRST_PIECE_MS } else { PIECE_MS }) {
                Some(piece) => self.next = Some((began + faster(piece.start_ms, speed), piece)),
                None => {
                    let length = u32::try_from(speech.length().as_millis()).unwrap_or(u32::MAX);
                    self.free_at = Some(began + faster(length, speed));
                    self.began = None;
                    self.waiting.pop_front();
                }
            }
        }
    }
}

/// One open stream.
struct Stream {
    session: Session,
    asked: Asked,
    voice: String,
    /// Its key is known to be good.
    is_known: bool,
    text: Text,
    out: Out,
    /// Which stream of speech it is, once it has something to say.
    number: Option<u64>,
}

/// Why a stream ends.
enum End {
    /// All is said.
    Done,
    /// With an error for the client.
    Fail(&'static str, &'static str),
    /// Without a word.
    Drop,
}

impl Stream {
    async fn serve(mut self, mut socket: WebSocket) {
        match self.converse(&mut socket).await {
            End::Drop => {}
            End::Fail(error, message) => fail(&mut socket, error, message).await,
            End::Done => {
                let last = json!({"audio": null, "isFinal": true, "alignment": null, "normalizedAlignment": null});
                if socket.send(Message::Text(last.to_string().into())).await.is_ok() {
                    self.session.complete();
                    close(&mut socket, 1000, "").await;
                }
            }
        }
    }

    /// Reads text and sends sound until one of them ends.
    async fn converse(&mut self, socket: &mut WebSocket) -> End {
        let state = Arc::clone(&self.session.state);
        let patience = Duration::from_secs(self.asked.inactivity_timeout);
        let mut idle_due = Instant::now() + patience;
        loop {
            self.out.prepare(state.config.voice.speed_over_real_time);
            let due = match &self.out.next {
                Some((due, _)) => Some(*due),
                None if self.text.is_complete => Some(Instant::now()),
                None => None,
            };
            tokio::select! {
                message = socket.recv() => {
                    let Some(Ok(message)) = message else { return End::Drop };
                    match self.take(message) {
                        Ok(()) => idle_due = Instant::now() + patience,
                        Err(end) => return end,
                    }
                }
                paced = async { match due {
                    Some(due) => self.session.pace(self.out.sent, due).await,
                    None => std::future::pending().await,
                } }, if !self.session.trouble.is_blackhole() => match paced {
                    Ok(()) => match self.out.next.take() {
                        Some((_, piece)) => if self.send(socket, &piece).await.is_err() { return End::Drop },
                        None => return End::Done,
                    },
                    Err(Cut::Drop) => return End::Drop,
                    Err(Cut::Stall) => return self.hold(socket).await,
                },
                () = tokio::time::sleep_until(idle_due.into()), if !self.text.is_complete => {
                    return End::Fail("input_timeout_exceeded", "No text was received within the inactivity timeout.");
                }
                () = state.stopped() => return End::Drop,
            }
        }
    }

    /// Says nothing more, until the client leaves.
    async fn hold(&self, socket: &mut WebSocket) -> End {
        let left = async { while let Some(Ok(_)) = socket.recv().await {} };
        tokio::select! {
            () = left => {}
            () = self.session.state.stopped() => {}
        }
        End::Drop
    }

    /// Takes a message of the client.
    fn take(&mut self, message: Message) -> Result<(), End> {
        let text = match message {
            Message::Text(text) => text,
            Message::Close(_) => return Err(End::Drop),
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
            Message::Binary(_) => return Err(End::Fail("invalid_message", "The messages of this socket are text.")),
        };
        let Ok(input) = serde_json::from_str::<Input>(&text) else {
            return Err(End::Fail("invalid_message", "A message could not be decoded: it needs a text."));
        };
        if !self.is_known {
            let given = input.key.as_deref().map(|key| key.strip_prefix("Bearer ").unwrap_or(key));
            if given != self.session.state.config.key.as_deref() {
                self.session.refuse();
                return Err(End::Fail("invalid_api_key", "Invalid API key."));
            }
            self.is_known = true;
        }
        if self.text.is_complete {
            return Ok(());
        }
        if self.text.total + input.text.len() > LONGEST_TEXT {
            return Err(End::Fail("max_character_limit_exceeded", "The text of one stream is limited to 40000 bytes."));
        }
        if let Some(spoken) = self.text.push(&input, self.asked.auto_mode) {
            self.session.note_text(&spoken);
            let first = self.session.state.config.voice.first_byte + self.session.trouble.delay();
            let state = Arc::clone(&self.session.state);
            let number = *self.number.get_or_insert_with(|| state.voice_number());
            let speech = state.speech(&spoken, &self.voice, self.text.speed, self.asked.format.rate, number);
            self.out.waiting.push_back((Instant::now() + first, speech));
        }
        Ok(())
    }

    /// Sends a piece with the times of its characters, which begin at 0 in every message.
    async fn send(&mut self, socket: &mut WebSocket, piece: &Piece) -> Result<(), axum::Error> {
        self.out.sent += 1;
        let message = if self.session.trouble.is_garbage() {
            "<html>this is not the protocol".to_owned()
        } else {
            let audio = base64_simd::STANDARD.encode_to_string(self.asked.format.encode(&piece.samples));
            let told = self.session.state.config.voice.word_times;
            let alignment = if told { alignment(piece) } else { Value::Null };
            json!({"audio": audio, "isFinal": null, "alignment": alignment, "normalizedAlignment": alignment})
                .to_string()
        };
        socket.send(Message::Text(message.into())).await
    }
}

/// When the characters of `piece` are spoken, from its own first sample.
pub(super) fn alignment(piece: &Piece) -> Value {
    let times = |time: fn(&CharTime, u32) -> Value| -> Vec<Value> {
        piece.chars.iter().map(|char| time(char, piece.start_ms)).collect()
    };
    json!({
        "chars": times(|char, _| char.letter.to_string().into()),
        "charStartTimesMs": times(|char, start| (char.start_ms - start).into()),
        "charDurationsMs": times(|char, _| char.length_ms.into()),
    })
}

/// Tells the client what is wrong and closes.
async fn fail(socket: &mut WebSocket, error: &'static str, message: &str) {
    let body = json!({"message": message, "error": error, "code": 1008});
    if socket.send(Message::Text(body.to_string().into())).await.is_ok() {
        close(socket, 1008, error).await;
    }
}

const DEFAULT_SCHEDULE: [u32; 4] = [120, 160, 250, 290];
const MOST_STEPS: usize = 16;
/// `try_trigger_generation` starts nothing before so many characters.
const FEWEST_FOR_TRY: usize = 50;
const LONGEST_TEXT: usize = 40_000;
const LARGEST_MESSAGE: usize = 1 << 17;

#[cfg(test)]
mod tests {
    use super::*;

    fn input(json: &Value) -> Input {
        serde_json::from_value(json.clone()).unwrap()
    }

    #[test]
    fn text_waits_for_the_schedule_and_a_half_word_stays() {
        let mut text = Text::default();
        assert_eq!(
            text.push(&input(&json!({"text": " ", "generation_config": {"chunk_length_schedule": [50, 60]}})), false),
            None
        );
        assert_eq!(text.push(&input(&json!({"text": "These are thirty characters!! "})), false), None);
        let spoken = text.push(&input(&json!({"text": "And so many more than twen"})), false);
        assert_eq!(spoken.as_deref(), Some(" These are thirty characters!! And so many more than "));
        assert_eq!(text.push(&input(&json!({"text": "ty "})), false), None);
        assert_eq!(text.push(&input(&json!({"text": ""})), false).as_deref(), Some("twenty "));
        assert!(text.is_complete);
    }

    #[test]
    fn flush_and_auto_mode_speak_at_once() {
        let mut text = Text::default();
        assert_eq!(text.push(&input(&json!({"text": "Yes. ", "flush": true})), false).as_deref(), Some("Yes. "));
        assert_eq!(text.push(&input(&json!({"text": "No. "})), true).as_deref(), Some("No. "));
        assert_eq!(text.push(&input(&json!({"text": " "})), true), None);
    }
}
