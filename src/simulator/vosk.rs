//! A recogniser that speaks vosk-server's protocol: `GET /vosk`, which stands for the server's root.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State as Shared;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};

use crate::audio::SampleRate;
use crate::conversation::Service;

use super::hearing::{bare, seconds};
use super::lines::Word;
use super::recogniser::{Options, Report};
use super::sound::Coding;
use super::state::{Key, Session, State};
use super::streaming::{Dialect, End, Stream, serve};

/// Its path.
pub(super) fn routes() -> Router<Arc<State>> {
    Router::new().route("/vosk", get(open))
}

async fn open(
    Shared(state): Shared<Arc<State>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    match open_local(&state, upgrade).await {
        Ok((upgrade, session)) => serve(upgrade, session, Vosk::default()),
        Err(refusal) => refusal,
    }
}

/// Lets a stream of a server in that asks for no key; the refusals are those of a proxy before it.
pub(super) async fn open_local(
    state: &Arc<State>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<(WebSocketUpgrade, Session), Response> {
    let mut session = state.admit(Service::Stt, Key::Later).map_err(|refusal| refusal.status().into_response())?;
    session.connect().await;
    match upgrade {
        Ok(upgrade) => Ok((upgrade, session)),
        Err(_) => {
            session.refuse();
            Err((StatusCode::UPGRADE_REQUIRED, "open a WebSocket").into_response())
        }
    }
}

/// One stream. Every message of sound has exactly one answer.
#[derive(Default)]
struct Vosk {
    rate: Option<SampleRate>,
    shows_words: bool,
    has_begun: bool,
    /// The words of the utterance under way.
    partial: Vec<Word>,
}

impl Vosk {
    fn configure(&mut self, config: &Value) {
        self.rate = config["sample_rate"].as_f64().and_then(|hz| SampleRate::new(hz as u32));
        self.shows_words = config["words"] == true;
    }

    fn begin(&mut self, stream: &mut Stream) {
        if std::mem::replace(&mut self.has_begun, true) {
            return;
        }
        let options = Options {
            rate: self.rate.unwrap_or(SampleRate::HZ_8000),
            interim_results: true,
            endpointing: Some(ENDPOINT),
            utterance_end: None,
            vad_events: false,
        };
        stream.begin(options, Coding::Pcm16);
    }

    /// The one answer: an utterance when one has ended, what is heard of one otherwise.
    fn answer(&mut self, is_forced: bool, stream: &mut Stream) {
        let mut ended: Option<Vec<Word>> = is_forced.then(Vec::new);
        while let Some(report) = stream.next_report() {
            let Report::Results(results) = report else { continue };
            if results.is_final {
                ended.get_or_insert_default().extend(results.words);
                self.partial.clear();
            } else {
                self.partial = results.words;
            }
        }
        let answer = match ended {
            Some(words) => {
                let text = bare_text(&words);
                if !text.is_empty() {
                    stream.session.note_text(&text);
                }
                let mut answer = json!({"text": text});
                if let (true, Some(fields)) = (self.shows_words && !words.is_empty(), answer.as_object_mut()) {
                    let words: Vec<Value> = words.iter().map(shown).collect();
                    fields.insert("result".into(), words.into());
                }
                answer
            }
            None => json!({"partial": bare_text(&self.partial)}),
        };
        // The server writes its answers over several lines.
        stream.tell_text(serde_json::to_string_pretty(&answer).unwrap_or_default(), true);
    }
}

impl Dialect for Vosk {
    fn take(&mut self, message: Message, stream: &mut Stream) -> Result<(), End> {
        match message {
            Message::Close(_) => return Err(End::Left),
            Message::Binary(bytes) => {
                self.begin(stream);
                // What is late by the clock comes with the sound, for nothing is said unasked.
                stream.hear(&bytes);
                self.answer(false, stream);
            }
            // The texts are compared letter by letter, as the server does.
            Message::Text(text) if text.as_str() == r#"{"eof" : 1}"# => {
                stream.count("CloseStream");
                self.begin(stream);
                stream.conclude();
                self.answer(true, stream);
                return Err(End::Done);
            }
            Message::Text(text) if text.contains("config") && !self.has_begun => {
                let message: Value = serde_json::from_str(&text).unwrap_or_default();
                self.configure(&message["config"]);
            }
            // Sound is bytes: a text breaks the server's recogniser.
            Message::Text(_) => return Err(End::Close(1011, "internal error")),
            Message::Ping(_) | Message::Pong(_) => {}
        }
        Ok(())
    }

    fn report(&mut self, _report: &Report, _stream: &mut Stream) {}

    fn tells_unasked(&self) -> bool {
        false
    }
}

/// The words as this recogniser writes them: small, without punctuation.
pub(super) fn bare_text(words: &[Word]) -> String {
    words.iter().map(|word| bare(&word.text)).collect::<Vec<_>>().join(" ")
}

fn shown(word: &Word) -> Value {
    json!({"conf": 1.0, "start": seconds(word.start), "end": seconds(word.end), "word": bare(&word.text)})
}

/// The silence that ends an utterance.
const ENDPOINT: Duration = Duration::from_millis(500);
