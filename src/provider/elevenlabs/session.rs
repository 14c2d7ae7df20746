//! The task behind one reply: text out, sound and word times in.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use crate::conversation::Failure;
use crate::provider::websocket::{DialError, Received, Socket};
use crate::provider::{ProviderError, Secret, TtsCommand, TtsEvent, TtsSpec, http};

use super::sound::{Format, Sound};
use super::wire::{END, First, More, ServerMessage, VoiceSettings};
use super::words::WordClock;
use super::{SPEEDS, Service, VENDOR};

/// One reply being spoken.
pub(super) struct Session {
    service: Arc<Service>,
    spec: TtsSpec,
    events: Sender<TtsEvent>,
    sound: Sound,
    words: WordClock,
    /// Whether any text with words in it was sent.
    spoke: bool,
    /// Whether the text is complete.
    ended: bool,
    /// By when something has to come; `None` while nothing is owed.
    deadline: Option<Instant>,
}

impl Session {
    /// A session for one reply.
    pub(super) fn new(service: Arc<Service>, spec: TtsSpec, events: Sender<TtsEvent>) -> Self {
        Self {
            sound: Sound::new(Format::nearest(spec.rate)),
            service,
            spec,
            events,
            words: WordClock::default(),
            spoke: false,
            ended: false,
            deadline: None,
        }
    }

    /// Speaks what it is given until all sound has been delivered.
    pub(super) async fn run(mut self, mut commands: Receiver<TtsCommand>) -> Result<(), ProviderError> {
        let url = self.service.address(&self.spec);
        let headers: Vec<_> = self.service.key.iter().map(|key| ("xi-api-key", key.clone())).collect();
        let dial = self.service.dialer.dial(&url, &headers, None).await;
        let mut socket = dial.map_err(|error| refused(error, &self.service.config.key))?;
        self.send(&mut socket, &self.first()).await?;
        loop {
            let deadline = self.deadline;
            tokio::select! {
                command = commands.recv(), if !self.ended => match command {
                    Some(TtsCommand::Speak(text)) => self.speak(&mut socket, &text).await?,
                    Some(TtsCommand::End) | None => {
                        self.ended = true;
                        if !self.spoke {
                            return Ok(());
                        }
                        self.send(&mut socket, END).await?;
                        self.expect();
                    }
                },
                received = socket.receive() => if self.receive(received).await? {
                    return Ok(());
                },
                () = until(deadline) => return Err(VENDOR.failure(Failure::Timeout, "no sound in time")),
            }
        }
    }

    fn first(&self) -> String {
        let speed = (self.spec.speed - 1.0).abs() > 0.001;
        let voice_settings = VoiceSettings {
            stability: self.service.config.stability,
            similarity_boost: self.service.config.similarity_boost,
            speed: speed.then(|| f64::from(self.spec.speed.clamp(*SPEEDS.start(), *SPEEDS.end()))),
        };
        json(&First { text: " ", voice_settings })
    }

    async fn speak(&mut self, socket: &mut Socket, text: &str) -> Result<(), ProviderError> {
        self.words.push_text(text);
        if text.trim().is_empty() {
            // An empty text would end the stream, and blanks alone say nothing.
            return Ok(());
        }
        let message = if text.ends_with(char::is_whitespace) {
            json(&More { text })
        } else {
            // Without a blank the vendor waits for the rest of the word.
            json(&More { text: &format!("{text} ") })
        };
        self.send(socket, &message).await?;
        if !self.spoke {
            self.spoke = true;
            self.expect();
        }
        Ok(())
    }

    async fn send(&self, socket: &mut Socket, text: &str) -> Result<(), ProviderError> {
        if socket.send(Message::text(text)).await {
            return Ok(());
        }
        // The vendor closes when it refuses something, and says why before it does.
        while let Ok(received) = tokio::time::timeout(Duration::from_secs(1), socket.receive()).await {
            match received {
                Received::Text(text) => match serde_json::from_str::<ServerMessage>(&text) {
                    Ok(message) if is_error(&message) => return Err(failed(&message, &self.service.config.key)),
                    _ => {}
                },
                Received::Life => {}
                Received::Closed { code, reason } => return Err(closed(code, &reason)),
            }
        }
        Err(closed(None, ""))
    }

    /// Takes one message; `true` when all sound has been delivered.
    async fn receive(&mut self, received: Received) -> Result<bool, ProviderError> {
        let text = match received {
            Received::Text(text) => text,
            Received::Life => return Ok(false),
            Received::Closed { code: Some(1000), .. } if self.ended => {
                self.finish().await;
                return Ok(true);
            }
            Received::Closed { code, reason } => return Err(closed(code, &reason)),
        };
        let Ok(message) = serde_json::from_str::<ServerMessage>(&text) else {
            http::count_garbage(&VENDOR);
            return Ok(false);
        };
        if is_error(&message) {
            return Err(failed(&message, &self.service.config.key));
        }
        let begin = self.sound.length();
        let audio = message.audio.as_deref().filter(|audio| !audio.is_empty());
        if let Some(audio) = audio {
            match base64_simd::STANDARD.decode_to_vec(audio) {
                Ok(bytes) => self.hear(&bytes).await,
                Err(_) => http::count_garbage(&VENDOR),
            }
            self.deadline = None;
        }
        if let Some(alignment) = &message.alignment {
            let mut words = Vec::new();
            self.words.push(alignment, begin, &mut words);
            self.tell_words(words).await;
        }
        if message.is_final == Some(true) {
            self.finish().await;
            return Ok(true);
        }
        if self.ended {
            self.expect();
        }
        Ok(false)
    }

    async fn hear(&mut self, bytes: &[u8]) {
        let samples = self.sound.decode(bytes);
        if !samples.is_empty() {
            // Fails only when nobody listens; waits while the listener is full, and so holds the vendor back.
            let _ = self.events.send(TtsEvent::Audio { samples, rate: self.sound.rate() }).await;
        }
    }

    async fn finish(&mut self) {
        let mut words = Vec::new();
        self.words.finish(&mut words);
        self.tell_words(words).await;
    }

    async fn tell_words(&self, words: Vec<crate::conversation::WordTime>) {
        if !words.is_empty() {
            // Fails only when nobody listens.
            let _ = self.events.send(TtsEvent::Words(words)).await;
        }
    }

    fn expect(&mut self) {
        self.deadline = Some(Instant::now() + self.service.config.patience);
    }
}

fn json(message: &impl serde::Serialize) -> String {
    // Structs of strings and numbers always have a JSON form.
    serde_json::to_string(message).unwrap_or_default()
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

fn is_error(message: &ServerMessage) -> bool {
    let says = |value: &Option<Value>| value.as_ref().is_some_and(|value| !value.is_null());
    says(&message.error) || (message.audio.is_none() && says(&message.code))
}

/// An error message: `{"message", "error", "code"}`.
fn failed(message: &ServerMessage, key: &Secret) -> ProviderError {
    let field = |value: &Option<Value>| value.as_ref().and_then(Value::as_str).and_then(http::code);
    let mut codes: Vec<String> = [field(&message.error), field(&message.code)].into_iter().flatten().collect();
    codes.extend(message.error.as_ref().map(http::codes_of).unwrap_or_default());
    codes.dedup();
    // The vendor's sentence may help to tell the kind, but is not repeated.
    let sentence = message.message.as_ref().and_then(Value::as_str).map(as_code);
    let known = http::failure_named(&codes).or_else(|| http::failure_named(sentence.as_slice()));
    let policy = message.code.as_ref().and_then(Value::as_u64) == Some(1008);
    let kind = known.unwrap_or(if policy { Failure::BadRequest } else { Failure::Unavailable });
    let codes = http::listed(&codes, key).unwrap_or_else(|| "no code".to_owned());
    VENDOR.failure(kind, &format!("refused or failed ({codes})"))
}

/// A connection that closed before all sound was delivered: `1008` a refusal, `1011` a server in trouble.
fn closed(code: Option<u16>, reason: &str) -> ProviderError {
    let known = http::failure_named(&[as_code(reason)]);
    match code {
        Some(1008) => VENDOR.failure(known.unwrap_or(Failure::BadRequest), "refused the stream (1008)"),
        Some(code) => VENDOR.failure(Failure::Unavailable, &format!("closed the connection before the end ({code})")),
        None => VENDOR.failure(Failure::Unavailable, "the connection was lost before the end"),
    }
}

/// A sentence in the shape of a code, to be looked up and not to be shown.
fn as_code(sentence: &str) -> String {
    sentence.replace([' ', '-'], "_")
}

fn refused(error: DialError, key: &Secret) -> ProviderError {
    match error {
        DialError::Failed(error) => error,
        DialError::Refused(response) => {
            let codes = http::codes_in(response.body().as_deref().unwrap_or_default());
            VENDOR.refusal(response.status().as_u16(), &codes, key)
        }
    }
}
