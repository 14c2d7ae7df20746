//! The task behind one stream: connections one after another, one call's sound through all of them.

use std::convert::Infallible;
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{Bytes, Message};

use crate::audio::{Frame, SampleRate};
use crate::conversation::Failure;
use crate::provider::stt::count_dropped_audio;
use crate::provider::websocket::{DialError, Received, Socket};
use crate::provider::{ProviderError, SttCommand, SttEvent, SttSpec, SttStream, http};

use super::coding::Writer;
use super::outage::Outage;
use super::pace::Pace;
use super::replay::ReplayBuffer;
use super::{Dialect, Greeting, Habits, Heard, Idle, Timeline};

/// How often a connection is looked after.
const TICK: Duration = Duration::from_secs(2);
/// Silence on our side after which a keep-alive is due; with the tick, one goes out each 4 s.
const KEEP_ALIVE_AFTER: Duration = Duration::from_secs(3);
/// How long a server that answered pings before may stay silent. Less than the sound kept to be sent again.
const DEAD_AFTER: Duration = Duration::from_secs(5);
/// How long words may be behind their sound. Between turns no more sound than this, before the last sign of life, is
/// sent again.
const LONGEST_LAG: Duration = Duration::from_secs(5);

/// Opens a stream of `spec` in `dialect`.
pub(in crate::provider) fn open(dialect: impl Dialect, spec: &SttSpec) -> SttStream {
    let rate = spec.rate;
    SttStream::spawn(move |commands, events| Session::new(dialect, rate, commands, events).run())
}

/// One call's recognition.
struct Session<D> {
    dialect: D,
    habits: Habits,
    rate: SampleRate,
    writer: Writer,
    buffer: ReplayBuffer,
    timeline: Timeline,
    /// A request to settle is to be sent behind the sound.
    finalize: bool,
    /// One was made over the present connection and has no answer yet.
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

impl Stop {
    /// What an error of the vendor's own means for the next connection.
    fn of(error: ProviderError) -> Self {
        match error.kind {
            Failure::RateLimit | Failure::Unavailable | Failure::Timeout => Self::Lost(error),
            Failure::Auth | Failure::Quota | Failure::BadRequest | Failure::Protocol => Self::Fatal(error),
        }
    }
}

/// The state of one connection.
struct Connection {
    socket: Socket,
    /// Whether there was one before.
    again: bool,
    /// Since when the server has been ready; `None`: it has not said so yet.
    ready: Option<Instant>,
    pace: Option<Pace>,
    opened: Instant,
    last_sent: Instant,
    last_sound: Instant,
    last_heard: Instant,
    answers_pings: bool,
}

impl<D: Dialect> Session<D> {
    fn new(dialect: D, rate: SampleRate, commands: Receiver<SttCommand>, events: Sender<SttEvent>) -> Self {
        let habits = dialect.habits();
        Self {
            dialect,
            rate,
            writer: Writer::new(habits.coding, rate, habits.rate),
            buffer: ReplayBuffer::new(habits.rate.hz(), habits.coding.bytes()),
            habits,
            timeline: Timeline::default(),
            finalize: false,
            asked: false,
            lost: Duration::ZERO,
            commands,
            events,
        }
    }

    /// Listens until nobody wants to know any more or it cannot go on.
    async fn run(mut self) {
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
                    let mut connection = Connection::new(socket, &self.habits, again, Instant::now());
                    let Err(stop) = self.serve(&mut connection).await;
                    // One that was never ready has ended no outage.
                    if let Some(ready) = connection.ready {
                        again = true;
                        lived = ready.elapsed();
                    }
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
        let (route, dialer) = (self.dialect.route(), self.dialect.dialer().clone());
        let dial = async move {
            let route = route.await.map_err(DialError::Failed)?;
            dialer.dial(&route.url, &route.headers, None).await
        };
        let late = DialError::Failed(self.dialect.vendor().failure(Failure::Timeout, "no connection in time"));
        let dial = async { tokio::time::timeout_at(deadline, dial).await.unwrap_or(Err(late)) };
        match self.keeping(dial).await? {
            Ok(socket) => Ok(socket),
            Err(DialError::Failed(error)) => Err(Stop::of(error)),
            Err(DialError::Refused(response)) => {
                let codes = self.dialect.refusal_codes(&response);
                let status = response.status().as_u16();
                let error = self.dialect.vendor().refusal(status, &codes, self.dialect.key());
                Err(if matches!(status, 400..=403) { Stop::Fatal(error) } else { Stop::of(error) })
            }
        }
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
            SttCommand::Audio { rate, samples } if rate == self.rate => {
                let samples = samples.get(..Frame::CAPACITY).unwrap_or(&samples);
                if !self.buffer.push(self.writer.write(samples)) {
                    count_dropped_audio();
                }
            }
            SttCommand::Audio { rate, .. } => {
                let name = self.dialect.vendor().name;
                let what = format!("{name}: was opened for sound at {:?} and given {rate:?}", self.rate);
                return Err(Stop::Fatal(ProviderError::new(Failure::BadRequest, what)));
            }
        }
        Ok(())
    }

    /// Runs one connection to its end.
    async fn serve(&mut self, connection: &mut Connection) -> Result<Infallible, Stop> {
        let base = self.buffer.rewind();
        self.timeline = Timeline::new(base);
        // The connection before took the question with it.
        self.finalize |= std::mem::take(&mut self.asked);
        if connection.again {
            tracing::info!(from = ?base, lost = ?self.buffer.lost(), "recogniser connected again");
        }
        if let Some(first) = self.dialect.opening() {
            self.send(first, connection).await?;
        }
        connection.socket.set_farewell(self.dialect.farewell());
        // Kept from message to message: to set a timer costs more than to ask it.
        let mut tick = std::pin::pin!(tokio::time::sleep_until(connection.opened + TICK));
        loop {
            while let Ok(command) = self.commands.try_recv() {
                self.keep(command)?;
            }
            let is_open = connection.ready.is_some() || self.habits.greeting != Greeting::Awaited;
            let due = connection.sound_due(Instant::now());
            if is_open && self.has_sound() {
                if due.is_none() {
                    let sound = self.next_sound(connection);
                    self.send_sound(sound, connection).await?;
                    continue;
                }
            } else if is_open {
                if std::mem::take(&mut connection.again) {
                    let lost = self.buffer.lost().saturating_sub(self.lost);
                    self.lost += lost;
                    self.tell(SttEvent::Reconnected { lost }).await?;
                }
                if std::mem::take(&mut self.finalize) {
                    self.asked = true;
                    if let Some(question) = self.dialect.finalize(self.timeline.sent()) {
                        self.send(question, connection).await?;
                    }
                }
            }
            let due = due.filter(|_| is_open && self.has_sound());
            let ready_due = connection.ready_due();
            let idle = self.idle(connection).filter(|_| is_open);
            tokio::select! {
                command = self.commands.recv() => self.keep(command.ok_or(Stop::Over)?)?,
                received = connection.socket.receive() => self.receive(received, connection).await?,
                () = &mut tick => {
                    let next = tick.deadline() + TICK;
                    tick.as_mut().reset(next);
                    self.look_after(connection).await?;
                }
                () = until(due) => {}
                () = until(idle.map(|(due, _)| due)) => {
                    let silence = self.put_in(idle.map_or(Duration::ZERO, |(_, length)| length));
                    self.send_sound(silence, connection).await?;
                }
                () = until(ready_due) => {
                    return Err(Stop::Lost(self.dialect.vendor().failure(Failure::Timeout, "was not ready in time")));
                }
            }
        }
    }

    /// Whether there is sound enough for a message.
    fn has_sound(&self) -> bool {
        let unsent = self.buffer.unsent();
        !unsent.is_zero() && (self.finalize || unsent >= self.habits.least)
    }

    /// The next message's sound, filled up to the least a message may have.
    fn next_sound(&mut self, connection: &mut Connection) -> Vec<u8> {
        let mut sound = self.buffer.take(self.habits.most);
        let length = self.writer.duration(sound.len());
        self.timeline.send(length);
        if length < self.habits.least {
            sound.extend(self.put_in(self.habits.least - length));
        }
        if let Some(pace) = &mut connection.pace {
            pace.send(length);
        }
        sound
    }

    /// Silence as if it were the call's.
    fn put_in(&mut self, length: Duration) -> Vec<u8> {
        self.timeline.fill(length);
        self.writer.silence(length).collect()
    }

    /// When silence is to be sent in place of sound, and how much of it, if at all.
    fn idle(&self, connection: &Connection) -> Option<(Instant, Duration)> {
        match self.habits.idle {
            Idle::Silence(after) if !self.has_sound() => Some((connection.last_sound + after, after)),
            Idle::Silence(_) | Idle::Message => None,
        }
    }

    async fn send_sound(&mut self, sound: Vec<u8>, connection: &mut Connection) -> Result<(), Stop> {
        connection.last_sound = Instant::now();
        // An empty message would end the stream of more than one vendor.
        if !sound.is_empty() {
            let message = self.dialect.sound(sound);
            self.send(message, connection).await?;
            connection.socket.set_farewell(self.dialect.farewell());
        }
        Ok(())
    }

    async fn send(&mut self, message: Message, connection: &mut Connection) -> Result<(), Stop> {
        connection.last_sent = Instant::now();
        match self.keeping(connection.socket.send(message)).await? {
            true => Ok(()),
            false => Err(Stop::Lost(self.lost_connection())),
        }
    }

    async fn receive(&mut self, received: Received, connection: &mut Connection) -> Result<(), Stop> {
        connection.last_heard = Instant::now();
        let text = match received {
            Received::Text(text) => text,
            Received::Binary(_) | Received::Life => {
                connection.answers_pings = true;
                self.forget_silence();
                return Ok(());
            }
            Received::Closed { code, reason } => return Err(self.closed(code, &reason)),
        };
        let Ok(heard) = self.dialect.read(&text, &self.timeline) else {
            http::count_garbage(self.dialect.vendor());
            return Ok(());
        };
        for heard in heard {
            match heard {
                Heard::Ready => _ = connection.ready.get_or_insert_with(Instant::now),
                Heard::Words(words) => self.tell(SttEvent::Transcript(words)).await?,
                Heard::Settled(moment) => self.buffer.settle(moment),
                Heard::Answered => self.asked = false,
                Heard::Send(message) => self.send(message, connection).await?,
                Heard::Failed(error) => return Err(Stop::of(error)),
            }
        }
        self.forget_silence();
        Ok(())
    }

    /// Between turns only the sound that words may still come of is worth sending again.
    fn forget_silence(&mut self) {
        if self.dialect.is_between_turns() {
            self.buffer.settle(self.buffer.sent().saturating_sub(LONGEST_LAG));
        }
    }

    async fn look_after(&mut self, connection: &mut Connection) -> Result<(), Stop> {
        let now = Instant::now();
        if connection.answers_pings && now.saturating_duration_since(connection.last_heard) >= DEAD_AFTER {
            let error = self.dialect.vendor().failure(Failure::Timeout, "the connection fell silent");
            return Err(Stop::Lost(error));
        }
        if self.habits.idle == Idle::Message
            && now.saturating_duration_since(connection.last_sent) >= KEEP_ALIVE_AFTER
            && let Some(message) = self.dialect.keep_alive()
        {
            self.send(message, connection).await?;
        }
        match self.keeping(connection.socket.send(Message::Ping(Bytes::new()))).await? {
            true => Ok(()),
            false => Err(Stop::Lost(self.lost_connection())),
        }
    }

    async fn tell(&mut self, event: SttEvent) -> Result<(), Stop> {
        let events = self.events.clone();
        self.keeping(async move { events.send(event).await }).await?.map_err(|_| Stop::Over)
    }

    /// What a closed connection means.
    fn closed(&self, code: Option<u16>, reason: &str) -> Stop {
        let Some(code) = code else { return Stop::Lost(self.lost_connection()) };
        let detail = reason.split_whitespace().next().and_then(http::code);
        let detail = http::listed(detail.as_slice(), self.dialect.key());
        let detail = detail.map_or_else(String::new, |detail| format!(" {detail}"));
        let kind = self.dialect.closed(code, reason);
        let error = self.dialect.vendor().failure(kind, &format!("closed the connection ({code}{detail})"));
        if matches!(kind, Failure::Auth | Failure::Quota) { Stop::Fatal(error) } else { Stop::Lost(error) }
    }

    fn lost_connection(&self) -> ProviderError {
        self.dialect.vendor().failure(Failure::Unavailable, "the connection was lost")
    }
}

impl Connection {
    fn new(socket: Socket, habits: &Habits, again: bool, now: Instant) -> Self {
        Self {
            socket,
            again,
            ready: (habits.greeting == Greeting::None).then_some(now),
            pace: habits.catch_up.map(|speed| Pace::new(speed, now)),
            opened: now,
            last_sent: now,
            last_sound: now,
            last_heard: now,
            answers_pings: false,
        }
    }

    /// When it is given up if it is not ready by then; `None`: it is ready.
    fn ready_due(&self) -> Option<Instant> {
        self.ready.is_none().then(|| self.opened + http::CONNECT_TIMEOUT)
    }

    /// When the next sound may be sent; `None`: at once.
    fn sound_due(&mut self, now: Instant) -> Option<Instant> {
        self.pace.as_mut().map(|pace| pace.due(now)).filter(|&due| due > now)
    }
}

/// Waits until then; forever when there is no such time.
async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// A share from 0 to 1, by chance.
fn share() -> f64 {
    getrandom::u32().map_or(0.5, |value| f64::from(value) / f64::from(u32::MAX))
}
