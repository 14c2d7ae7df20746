//! The task behind one call: one connection after another, and what is asked of them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{Bytes, Message};

use crate::audio::SampleRate;
use crate::conversation::{Failure, Message as Said, Role, ToolCall};
use crate::provider::listening::Outage;
use crate::provider::websocket::{DialError, Received, Socket};
use crate::provider::{LlmEvent, LlmRequest, ProviderError, SttCommand, SttEvent, http};

use super::answers::{Answers, failed};
use super::ends::{Order, Sound};
use super::hearing::{Hearing, Wish};
use super::mirror::Mirror;
use super::wire::{self, ServerEvent};
use super::{Service, VENDOR};

/// How often a connection is looked after.
const TICK: Duration = Duration::from_secs(2);
/// How long a server that answered pings before may stay silent.
const DEAD_AFTER: Duration = Duration::from_secs(5);
/// Answers that may wait for the one before them to be over; the dialogue never asks for so many.
const MOST_WAITING: usize = 8;

/// One call's session.
pub(super) struct Session {
    service: Arc<Service>,
    orders: mpsc::Receiver<Order>,
    hearing: Hearing,
    ears: Option<mpsc::Sender<SttEvent>>,
    language: String,
    voice: Option<String>,
    mirror: Mirror,
    answers: Answers,
    /// Answers that wait until the one before them is over.
    waiting: VecDeque<(u64, LlmRequest, mpsc::Sender<LlmEvent>)>,
    /// Events to be sent.
    out: VecDeque<Value>,
    /// The instructions and tools the server was told last; `None`: nothing over this connection.
    told: Option<(String, Value)>,
    instructions: String,
    tools: Value,
    lost: Duration,
}

/// Why something stopped.
enum Stop {
    /// Nobody wants anything any more.
    Over,
    /// The connection failed or was lost; another may do better.
    Lost(ProviderError),
    /// No other connection would do better.
    Fatal(ProviderError),
}

impl Session {
    /// A session that takes its orders from `orders`.
    pub(super) fn new(service: Arc<Service>, orders: mpsc::Receiver<Order>) -> Self {
        Self {
            service,
            orders,
            hearing: Hearing::new(SampleRate::HZ_8000),
            ears: None,
            language: String::new(),
            voice: None,
            mirror: Mirror::default(),
            answers: Answers::default(),
            waiting: VecDeque::new(),
            out: VecDeque::new(),
            told: None,
            instructions: String::new(),
            tools: json!([]),
            lost: Duration::ZERO,
        }
    }

    /// Runs until nobody can order anything any more.
    pub(super) async fn run(mut self) {
        let mut outage = Outage::new(Instant::now());
        let mut again = false;
        loop {
            let mut lived = Duration::ZERO;
            let stop = match self.connect(outage.deadline()).await {
                Ok(socket) => {
                    let now = Instant::now();
                    let Err(stop) = self.serve(socket, again).await;
                    again = true;
                    lived = now.elapsed();
                    stop
                }
                Err(stop) => stop,
            };
            let (error, pause) = match stop {
                Stop::Over => return,
                Stop::Fatal(error) => (error, None),
                Stop::Lost(error) => {
                    let pause = outage.pause(lived, share(), Instant::now());
                    (error, pause)
                }
            };
            tracing::info!(?lived, %error, "speech-to-speech connection lost");
            self.give_up(&error);
            let Some(pause) = pause else {
                if let Some(ears) = self.ears.take() {
                    // The end is told behind all that was heard.
                    let _ = ears.try_send(SttEvent::Failed(error.clone()));
                }
                return self.refuse(&error).await;
            };
            if self.keeping(tokio::time::sleep(pause)).await.is_err() {
                return;
            }
        }
    }

    /// Fails all that waits for an answer.
    fn give_up(&mut self, error: &ProviderError) {
        self.answers.lost(error);
        for (_, _, words) in self.waiting.drain(..) {
            let _ = words.try_send(LlmEvent::Failed(error.clone()));
        }
        self.out.clear();
    }

    /// Answers every order with what went wrong, until nobody orders anything.
    async fn refuse(mut self, error: &ProviderError) {
        while let Some(order) = self.orders.recv().await {
            match order {
                Order::Hear(_, ears) => _ = ears.try_send(SttEvent::Failed(error.clone())),
                Order::Answer(_, _, words) => _ = words.try_send(LlmEvent::Failed(error.clone())),
                Order::Speak(words, _, tell) => _ = tell.send(self.answers.take_sound(&words)),
                Order::Say(_, _, sound) => _ = sound.try_send(Sound::Failed(error.clone())),
                Order::Caller(_) | Order::GiveUp(_) => {}
            }
        }
    }

    async fn connect(&mut self, deadline: Instant) -> Result<Socket, Stop> {
        let service = Arc::clone(&self.service);
        let dial = async move {
            let headers: Vec<_> = service.authorization.iter().map(|key| ("authorization", key.clone())).collect();
            let dial = service.dialer.dial(&service.address, &headers, None);
            tokio::time::timeout_at(deadline, dial)
                .await
                .unwrap_or_else(|_| Err(DialError::Failed(VENDOR.failure(Failure::Timeout, "no connection in time"))))
        };
        let error = match self.keeping(dial).await? {
            Ok(socket) => return Ok(socket),
            Err(DialError::Failed(error)) => error,
            Err(DialError::Refused(response)) => {
                let codes = http::codes_in(response.body().as_deref().unwrap_or_default());
                VENDOR.refusal(response.status().as_u16(), &codes, &self.service.config.key)
            }
        };
        Err(match error.kind {
            Failure::RateLimit | Failure::Unavailable | Failure::Timeout => Stop::Lost(error),
            Failure::Auth | Failure::Quota | Failure::BadRequest | Failure::Protocol => Stop::Fatal(error),
        })
    }

    /// Waits for `future` and takes the orders that come meanwhile.
    async fn keeping<T>(&mut self, future: impl Future<Output = T>) -> Result<T, Stop> {
        tokio::pin!(future);
        loop {
            tokio::select! {
                output = &mut future => return Ok(output),
                order = self.orders.recv() => self.take(order.ok_or(Stop::Over)?),
            }
        }
    }

    /// Runs one connection to its end.
    async fn serve(&mut self, mut socket: Socket, again: bool) -> Result<std::convert::Infallible, Stop> {
        self.told = None;
        self.mirror.forget();
        let lost = self.hearing.rewind();
        if again {
            let new = lost.saturating_sub(self.lost);
            self.lost = lost;
            self.tell(SttEvent::Reconnected { lost: new });
        }
        let (mut last_heard, mut answers_pings) = (Instant::now(), false);
        let mut tick = last_heard + TICK;
        loop {
            while let Ok(order) = self.orders.try_recv() {
                self.take(order);
            }
            if let Some(message) = self.next_message() {
                // What is sent takes its time on a slow line: orders are taken meanwhile.
                if !self.keeping(socket.send(message)).await? {
                    return Err(Stop::Lost(VENDOR.failure(Failure::Unavailable, "the connection was lost")));
                }
                continue;
            }
            tokio::select! {
                order = self.orders.recv() => self.take(order.ok_or(Stop::Over)?),
                received = socket.receive() => {
                    last_heard = Instant::now();
                    match received {
                        Received::Text(text) => self.receive(&text)?,
                        Received::Binary(_) | Received::Life => answers_pings = true,
                        Received::Closed { code, .. } => {
                            let code = code.map_or_else(String::new, |code| format!(" ({code})"));
                            let what = format!("closed the connection{code}");
                            return Err(Stop::Lost(VENDOR.failure(Failure::Unavailable, &what)));
                        }
                    }
                }
                () = tokio::time::sleep_until(tick) => {
                    tick += TICK;
                    if answers_pings && last_heard.elapsed() >= DEAD_AFTER {
                        return Err(Stop::Lost(VENDOR.failure(Failure::Timeout, "the connection fell silent")));
                    }
                    if !self.keeping(socket.send(Message::Ping(Bytes::new()))).await? {
                        return Err(Stop::Lost(VENDOR.failure(Failure::Unavailable, "the connection was lost")));
                    }
                }
            }
        }
    }

    fn take(&mut self, order: Order) {
        match order {
            Order::Hear(spec, ears) => {
                if spec.rate != self.hearing.rate() {
                    self.hearing = Hearing::new(spec.rate);
                }
                self.language = spec.language.split(['-', '_']).next().unwrap_or_default().to_owned();
                self.ears = Some(ears);
            }
            Order::Caller(SttCommand::Audio { rate, samples }) if rate == self.hearing.rate() => {
                self.hearing.push(&samples);
            }
            Order::Caller(SttCommand::Audio { .. }) => {}
            Order::Caller(SttCommand::Finalize) => self.hearing.ask(),
            Order::Answer(number, request, words) => {
                if self.waiting.len() >= MOST_WAITING {
                    let error = VENDOR.failure(Failure::RateLimit, "too many answers were asked for at once");
                    // Nobody may listen.
                    let _ = words.try_send(LlmEvent::Failed(error));
                } else {
                    self.waiting.push_back((number, request, words));
                }
            }
            Order::GiveUp(number) => {
                self.waiting.retain(|(waiting, ..)| *waiting != number);
                if let Some(response) = self.answers.give_up(number) {
                    self.out.push_back(json!({"type": "response.cancel", "response_id": response}));
                }
            }
            Order::Speak(words, spec, tell) => {
                self.voice = spec.voice.or(self.voice.take());
                // Whoever asked may be gone.
                let _ = tell.send(self.answers.take_sound(&words));
            }
            Order::Say(number, text, sound) => {
                self.answers.reads(number, self.out_rate(), sound);
                self.out.push_back(wire::say(number, &event_id(number), &text));
            }
        }
    }

    /// What is sent next.
    fn next_message(&mut self) -> Option<Message> {
        let sound = if self.told.is_some() { self.hearing.take() } else { Vec::new() };
        if !sound.is_empty() {
            let audio = base64_simd::STANDARD.encode_to_string(sound);
            return Some(text(&json!({"type": "input_audio_buffer.append", "audio": audio})));
        }
        if self.told.is_some() {
            match self.hearing.wish() {
                Wish::Commit => return Some(text(&json!({"type": "input_audio_buffer.commit", "event_id": COMMIT}))),
                Wish::Clear => return Some(text(&json!({"type": "input_audio_buffer.clear"}))),
                Wish::Nothing { settled: true } => {
                    let nothing = self.hearing.is_empty();
                    self.tell(SttEvent::Transcript(nothing));
                }
                Wish::Nothing { settled: false } => {}
            }
        }
        self.start_answer();
        let is_told =
            |(instructions, tools): &(String, Value)| *instructions == self.instructions && *tools == self.tools;
        if !self.told.as_ref().is_some_and(is_told) {
            let session = self.description();
            self.told = Some((self.instructions.clone(), self.tools.clone()));
            return Some(text(&json!({"type": "session.update", "session": session})));
        }
        self.out.pop_front().map(|event| text(&event))
    }

    /// Asks for the next answer, once there is none under way.
    fn start_answer(&mut self) {
        if self.answers.is_answering() || !self.out.is_empty() {
            return;
        }
        let Some((number, request, words)) = self.waiting.pop_front() else { return };
        self.instructions = instructions(&request.messages);
        self.tools = wire::tools(&request.tools);
        self.out.extend(self.mirror.sync(&request.messages));
        self.out.push_back(wire::respond(number, &event_id(number), request.max_tokens));
        self.answers.asked(number, self.out_rate(), words);
    }

    fn out_rate(&self) -> SampleRate {
        Hearing::wire_rate(self.hearing.rate())
    }

    /// How the session is to be; after the first time only what may change: a voice that has spoken stays.
    fn description(&self) -> Value {
        let mut session = json!({"type": "realtime", "instructions": self.instructions, "tools": self.tools});
        if self.told.is_some() {
            return session;
        }
        let format = match self.out_rate() {
            SampleRate::HZ_8000 => json!({"type": "audio/pcmu"}),
            _ => json!({"type": "audio/pcm", "rate": 24_000}),
        };
        let config = &self.service.config;
        let mut transcription = json!({"model": config.transcription});
        if !self.language.is_empty() {
            transcription["language"] = self.language.as_str().into();
        }
        session["output_modalities"] = json!(["audio"]);
        session["audio"] = json!({
            // Turns are ours: what the caller says is committed when the dialogue wants it.
            "input": {"format": format, "turn_detection": null, "transcription": transcription},
            "output": {"format": format, "voice": self.voice.as_ref().unwrap_or(&config.voice)},
        });
        session
    }

    fn receive(&mut self, text: &str) -> Result<(), Stop> {
        let Ok(event) = serde_json::from_str::<ServerEvent>(text) else {
            http::count_garbage(&VENDOR);
            return Ok(());
        };
        match event {
            ServerEvent::Committed { item_id } => {
                self.mirror.heard(item_id.clone());
                self.hearing.is_item(item_id);
            }
            ServerEvent::TranscriptionDelta { item_id, delta } => {
                if let Some(words) = self.hearing.words(&item_id, &delta) {
                    self.tell(SttEvent::Transcript(words));
                }
            }
            ServerEvent::Transcription { item_id, transcript } => self.understood(&item_id, Some(transcript)),
            ServerEvent::TranscriptionFailed { item_id } => self.understood(&item_id, None),
            ServerEvent::Created { response } => {
                if let Some(number) = response.number()
                    && self.answers.begun(number, &response.id)
                {
                    self.out.push_back(json!({"type": "response.cancel", "response_id": response.id}));
                }
            }
            ServerEvent::Words { response_id, item_id, delta } => self.answers.words(&response_id, &item_id, &delta),
            ServerEvent::Sound { response_id, delta } => match base64_simd::STANDARD.decode_to_vec(delta) {
                Ok(bytes) => {
                    if !self.answers.sound(&response_id, bytes) {
                        self.out.push_back(json!({"type": "response.cancel", "response_id": response_id}));
                    }
                }
                Err(_) => http::count_garbage(&VENDOR),
            },
            ServerEvent::Call { response_id, call_id, name, arguments } => {
                self.answers.call(&response_id, ToolCall { id: call_id, name, arguments });
            }
            ServerEvent::Done { response } => {
                if let Some(answered) = self.answers.done(&response, &self.service.config.key) {
                    self.mirror.answered(answered);
                }
            }
            ServerEvent::Error { error } => {
                let asked = error.event_id.as_deref().unwrap_or_default();
                let failure = failed(&error, &self.service.config.key);
                if asked == COMMIT {
                    let nothing = self.hearing.is_empty();
                    self.tell(SttEvent::Transcript(nothing));
                } else if let Some(number) = asked.strip_prefix(ANSWER).and_then(|number| number.parse().ok()) {
                    self.answers.refused(number, &failure);
                } else if matches!(failure.kind, Failure::Auth | Failure::Quota) {
                    return Err(Stop::Fatal(failure));
                } else {
                    tracing::info!(error = %failure, "the speech-to-speech server refused something");
                }
            }
            ServerEvent::Other => {}
        }
        Ok(())
    }

    fn understood(&mut self, item: &str, words: Option<String>) {
        for told in self.hearing.complete(item, words) {
            self.tell(SttEvent::Transcript(told));
        }
    }

    fn tell(&mut self, event: SttEvent) {
        if let Some(ears) = &self.ears {
            // The queue is longer than any outage of its reader; who is gone wants nothing.
            let _ = ears.try_send(event);
        }
    }
}

/// The instructions among the messages.
fn instructions(messages: &[Said]) -> String {
    let system = messages.iter().filter(|message| message.role == Role::System);
    system.map(|message| message.content.as_str()).collect::<Vec<_>>().join("\n\n")
}

fn text(event: &Value) -> Message {
    Message::text(event.to_string())
}

fn event_id(number: u64) -> String {
    format!("{ANSWER}{number}")
}

/// A share from 0 to 1, by chance.
fn share() -> f64 {
    getrandom::u32().map_or(0.5, |value| f64::from(value) / f64::from(u32::MAX))
}

/// What our events are named, to know them again in an error.
const COMMIT: &str = "commit";
const ANSWER: &str = "answer_";
