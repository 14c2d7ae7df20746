//! The task behind one stream: connections one after another, one call's sound through all of them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{Bytes, Message};
use url::Url;

use crate::audio::{Codec, Encoder, Frame, SampleRate};
use crate::conversation::{Failure, Transcript};
use crate::provider::replay::ReplayBuffer;
use crate::provider::stt::count_dropped_audio;
use crate::provider::websocket::{DialError, Received, Socket};
use crate::provider::{ProviderError, Secret, SttCommand, SttEvent, SttSpec, http};

use super::outage::Outage;
use super::utterance::Utterance;
use super::wire::{CLOSE_STREAM, FINALIZE, KEEP_ALIVE, ServerMessage};
use super::{Service, VENDOR};

/// How much sound one message carries at most: the longest piece that is handed over.
const PIECE: Duration = Duration::from_millis(120);
/// How often a connection is looked after.
const TICK: Duration = Duration::from_secs(2);
/// Silence on our side after which a keep-alive is due; with the tick, one goes out each 4 s.
const KEEP_ALIVE_AFTER: Duration = Duration::from_secs(3);
/// How long a server that answered pings before may stay silent. Less than the sound kept to be sent again.
const DEAD_AFTER: Duration = Duration::from_secs(5);

/// One call's recognition.
pub(super) struct Session {
    service: Arc<Service>,
    url: Url,
    rate: SampleRate,
    encoder: Encoder,
    buffer: ReplayBuffer,
    utterance: Utterance,
    /// A request to settle is to be sent behind the sound.
    finalize: bool,
    /// One was sent over the present connection and nothing was settled since.
    asked: bool,
    /// How much lost sound was told of.
    lost: Duration,
    commands: Receiver<SttCommand>,
    events: Sender<SttEvent>,
}

/// Why something stopped.
enum Stop {
    /// Nobody listens any more.
    Over,
    /// The connection failed or was lost; another may do better.
    Lost(ProviderError),
    /// No other connection would do better.
    Fatal(ProviderError),
}

/// The state of one connection.
struct Connection {
    socket: Socket,
    /// Whether there was one before.
    again: bool,
    last_sent: Instant,
    last_heard: Instant,
    answers_pings: bool,
}

impl Session {
    /// A session for one stream.
    pub(super) fn new(
        service: Arc<Service>,
        spec: &SttSpec,
        commands: Receiver<SttCommand>,
        events: Sender<SttEvent>,
    ) -> Self {
        let bytes_per_sample = if spec.rate == SampleRate::HZ_8000 { 1 } else { 2 };
        Self {
            url: service.address(spec),
            service,
            rate: spec.rate,
            encoder: Encoder::new(Codec::Pcmu),
            buffer: ReplayBuffer::new(spec.rate.hz(), bytes_per_sample),
            utterance: Utterance::default(),
            finalize: false,
            asked: false,
            lost: Duration::ZERO,
            commands,
            events,
        }
    }

    /// Listens until nobody wants to know any more or it cannot go on.
    pub(super) async fn run(mut self) {
        if let Some(error) = self.listen().await {
            // Fails only when nobody listens.
            let _ = self.events.send(SttEvent::Failed(error)).await;
        }
    }

    async fn listen(&mut self) -> Option<ProviderError> {
        let mut outage = Outage::new(Instant::now());
        let mut again = false;
        loop {
            let mut lived = Duration::ZERO;
            let stop = match self.connect(outage.deadline()).await {
                Ok(socket) => {
                    let now = Instant::now();
                    let connection =
                        Connection { socket, again, last_sent: now, last_heard: now, answers_pings: false };
                    let Err(stop) = self.serve(connection).await;
                    again = true;
                    lived = now.elapsed();
                    stop
                }
                Err(stop) => stop,
            };
            let error = match stop {
                Stop::Over => return None,
                Stop::Fatal(error) => return Some(error),
                Stop::Lost(error) => error,
            };
            tracing::info!(?lived, %error, "recogniser connection lost");
            let Some(pause) = outage.pause(lived, share(), Instant::now()) else { return Some(error) };
            match self.keeping(tokio::time::sleep(pause)).await {
                Ok(()) => {}
                Err(Stop::Fatal(error) | Stop::Lost(error)) => return Some(error),
                Err(Stop::Over) => return None,
            }
        }
    }

    /// Connects by `deadline`. A refusal that no waiting mends is fatal.
    async fn connect(&mut self, deadline: Instant) -> Result<Socket, Stop> {
        let (service, url) = (Arc::clone(&self.service), self.url.clone());
        let dial = async move {
            let headers: Vec<_> = service.authorization.iter().map(|key| ("authorization", key.clone())).collect();
            let dial = service.dialer.dial(&url, &headers, Some(CLOSE_STREAM));
            tokio::time::timeout_at(deadline, dial)
                .await
                .unwrap_or_else(|_| Err(DialError::Failed(VENDOR.failure(Failure::Timeout, "no connection in time"))))
        };
        let error = match self.keeping(dial).await? {
            Ok(socket) => return Ok(socket),
            Err(DialError::Failed(error)) => error,
            Err(DialError::Refused(response)) => {
                let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
                let mut codes = http::codes_in(response.body().as_deref().unwrap_or_default());
                codes.extend(header("dg-error").and_then(http::code).filter(|code| !codes.contains(code)));
                codes.extend(header("dg-request-id").and_then(http::request_id).map(|id| format!("request {id}")));
                let status = response.status().as_u16();
                let error = VENDOR.refusal(status, &codes, &self.service.config.key);
                if matches!(status, 400..=403) {
                    return Err(Stop::Fatal(error));
                }
                error
            }
        };
        Err(match error.kind {
            Failure::RateLimit | Failure::Unavailable | Failure::Timeout => Stop::Lost(error),
            Failure::Auth | Failure::Quota | Failure::BadRequest | Failure::Protocol => Stop::Fatal(error),
        })
    }

    /// Waits for `future` and keeps the sound that comes meanwhile.
    async fn keeping<T>(&mut self, future: impl Future<Output = T>) -> Result<T, Stop> {
        tokio::pin!(future);
        loop {
            tokio::select! {
                output = &mut future => return Ok(output),
                command = self.commands.recv() => self.keep(command.ok_or(Stop::Over)?)?,
            }
        }
    }

    fn keep(&mut self, command: SttCommand) -> Result<(), Stop> {
        match command {
            SttCommand::Finalize => self.finalize = true,
            SttCommand::Audio { rate, samples } if rate == self.rate => self.keep_sound(&samples),
            SttCommand::Audio { rate, .. } => {
                let what = format!("was opened for sound at {:?} and given {rate:?}", self.rate);
                return Err(Stop::Fatal(ProviderError::new(Failure::BadRequest, format!("{}: {what}", VENDOR.name))));
            }
        }
        Ok(())
    }

    fn keep_sound(&mut self, samples: &[i16]) {
        let mut bytes = [0u8; 2 * Frame::CAPACITY];
        let samples = samples.get(..Frame::CAPACITY).unwrap_or(samples);
        let length = if self.rate == SampleRate::HZ_8000 {
            self.encoder.encode(samples, &mut bytes)
        } else {
            for (pair, sample) in bytes.chunks_exact_mut(2).zip(samples) {
                pair.copy_from_slice(&sample.to_le_bytes());
            }
            2 * samples.len()
        };
        if !self.buffer.push(bytes.get(..length).unwrap_or_default()) {
            count_dropped_audio();
        }
    }

    /// Runs one connection to its end.
    async fn serve(&mut self, mut connection: Connection) -> Result<std::convert::Infallible, Stop> {
        let base = self.buffer.rewind();
        self.utterance.rebase(base);
        // The connection before took the question with it.
        self.finalize |= std::mem::take(&mut self.asked);
        if connection.again {
            tracing::info!(from = ?base, lost = ?self.buffer.lost(), "recogniser connected again");
        }
        // Kept from message to message: to set a timer costs more than to ask it.
        let mut tick = std::pin::pin!(tokio::time::sleep_until(connection.last_heard + TICK));
        loop {
            while let Ok(command) = self.commands.try_recv() {
                self.keep(command)?;
            }
            let sound = self.buffer.take(PIECE);
            if !sound.is_empty() {
                // An empty binary message would end the stream.
                self.keeping(connection.send(Message::Binary(Bytes::from(sound)))).await??;
                continue;
            }
            if std::mem::take(&mut connection.again) {
                let lost = self.buffer.lost().saturating_sub(self.lost);
                self.lost += lost;
                self.tell(SttEvent::Reconnected { lost }).await?;
            }
            if std::mem::take(&mut self.finalize) {
                self.asked = true;
                self.keeping(connection.send(Message::text(FINALIZE))).await??;
            }
            tokio::select! {
                command = self.commands.recv() => self.keep(command.ok_or(Stop::Over)?)?,
                received = connection.socket.receive() => {
                    connection.last_heard = Instant::now();
                    self.receive(received, &mut connection).await?;
                }
                () = &mut tick => {
                    let next = tick.deadline() + TICK;
                    tick.as_mut().reset(next);
                    self.keeping(connection.look_after()).await??;
                }
            }
        }
    }

    async fn receive(&mut self, received: Received, connection: &mut Connection) -> Result<(), Stop> {
        let text = match received {
            Received::Text(text) => text,
            Received::Life => {
                connection.answers_pings = true;
                return Ok(());
            }
            Received::Closed { code, reason } => {
                return Err(Stop::Lost(closed(code, &reason, &self.service.config.key)));
            }
        };
        let transcript = match serde_json::from_str(&text) {
            Ok(ServerMessage::Results(results)) => {
                if let Some(moment) = self.utterance.settled_until(&results) {
                    self.buffer.settle(moment);
                }
                self.asked &= !results.from_finalize && !results.speech_final;
                self.utterance.results(&results)
            }
            Ok(ServerMessage::UtteranceEnd(end)) => self.utterance.utterance_end(&end),
            Ok(ServerMessage::Other) => None,
            Err(_) => {
                http::count_garbage(&VENDOR);
                None
            }
        };
        match transcript {
            Some(transcript) => self.tell_words(transcript).await,
            None => Ok(()),
        }
    }

    async fn tell_words(&mut self, transcript: Transcript) -> Result<(), Stop> {
        self.tell(SttEvent::Transcript(transcript)).await
    }

    async fn tell(&mut self, event: SttEvent) -> Result<(), Stop> {
        self.events.send(event).await.map_err(|_| Stop::Over)
    }
}

impl Connection {
    async fn send(&mut self, message: Message) -> Result<(), Stop> {
        self.last_sent = Instant::now();
        if self.socket.send(message).await { Ok(()) } else { Err(Stop::Lost(lost())) }
    }

    async fn look_after(&mut self) -> Result<(), Stop> {
        let now = Instant::now();
        if self.answers_pings && now.saturating_duration_since(self.last_heard) >= DEAD_AFTER {
            return Err(Stop::Lost(VENDOR.failure(Failure::Timeout, "the connection fell silent")));
        }
        if now.saturating_duration_since(self.last_sent) >= KEEP_ALIVE_AFTER {
            self.send(Message::text(KEEP_ALIVE)).await?;
        }
        if self.socket.send(Message::Ping(Bytes::new())).await { Ok(()) } else { Err(Stop::Lost(lost())) }
    }
}

/// What a closed connection means: `1008` sound that could not be read, `1011` a server in trouble or no sound for 10 s.
fn closed(code: Option<u16>, reason: &str, key: &Secret) -> ProviderError {
    let Some(code) = code else { return lost() };
    let kind = if code == 1008 { Failure::BadRequest } else { Failure::Unavailable };
    let detail = reason.split_whitespace().next().and_then(http::code);
    let detail = http::listed(detail.as_slice(), key).map_or_else(String::new, |detail| format!(" {detail}"));
    VENDOR.failure(kind, &format!("closed the connection ({code}{detail})"))
}

fn lost() -> ProviderError {
    VENDOR.failure(Failure::Unavailable, "the connection was lost")
}

/// A share from 0 to 1, by chance.
fn share() -> f64 {
    getrandom::u32().map_or(0.5, |value| f64::from(value) / f64::from(u32::MAX))
}
