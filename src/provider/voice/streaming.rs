//! A reply spoken over a WebSocket: text out in segments, sound and word times in.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderValue;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use url::Url;

use crate::conversation::{Failure, WordTime};
use crate::provider::http::{self, Vendor};
use crate::provider::websocket::{DialError, Dialer, Received, Socket};
use crate::provider::{ProviderError, Secret, TtsCommand, TtsEvent, TtsStream};

use super::pool::Pool;
use super::sound::{Format, Sound};
use super::words::{Alignment, WordClock};

/// How a refusal that comes after a failed message is waited for.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How one vendor's messages look, for one reply.
pub(in crate::provider) trait Dialect: Send + 'static {
    /// The form of the sound that was asked for.
    fn format(&self) -> Format;

    /// Begins the reply, on a connection that may have carried others; the message that comes before any text, if there is
    /// one. Called again when the connection turned out to be dead.
    fn begin(&mut self) -> Option<String>;

    /// The messages that hand over `text`, which is more than blanks.
    fn text(&mut self, text: &str) -> Vec<String>;

    /// The messages that say that the text is complete.
    fn end(&mut self) -> Vec<String>;

    /// Whether all sound had come already when the text was said to be complete, so that nothing more will.
    fn is_complete(&self) -> bool {
        false
    }

    /// The message that stops the reply on a connection that goes on; `None`: only closing the connection does.
    fn cancel(&mut self) -> Option<String> {
        None
    }

    /// Understands what came and adds it to `heard`; the error is the end of the reply.
    fn read(&mut self, received: Received, heard: &mut Heard) -> Result<Meaning, ProviderError>;
}

/// What something that came was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::provider) enum Meaning {
    /// Part of this reply.
    Ours,
    /// Something to be passed over: a sign of life, or of a reply that is over.
    Nothing,
    /// Not of the protocol.
    Garbage,
}

/// What the vendor sent with one message.
#[derive(Default, Debug)]
pub(in crate::provider) struct Heard {
    /// Sound, in the format asked for.
    pub audio: Vec<u8>,
    /// When words are spoken.
    pub spoken: Option<Spoken>,
    /// The times of words begin again with this message.
    pub begins_again: bool,
    /// All sound has come.
    pub done: bool,
}

/// When words are spoken.
#[derive(Debug)]
pub(in crate::provider) enum Spoken {
    /// Letter by letter; the times begin again with each group of chunks.
    Letters(Alignment),
    /// Words with their beginning and end, in seconds from where the times began.
    Words(Vec<(String, f64, f64)>),
    /// Words with times from the beginning of a clip that begins here, in seconds.
    Clip(Vec<(String, f64, f64)>),
    /// The first so many texts have been spoken with the sound so far.
    Texts(usize),
}

/// The way to one vendor, shared by all replies.
#[derive(Debug)]
pub(in crate::provider) struct Door {
    /// Whom errors are about.
    pub vendor: Vendor,
    /// The key, so that it is not repeated in an error.
    pub key: Secret,
    /// Sent with every upgrade.
    pub headers: Vec<(&'static str, HeaderValue)>,
    /// Sent when a connection is given up.
    pub farewell: Option<&'static str>,
    /// Opens connections.
    pub dialer: Dialer,
    /// Connections that are kept, where the vendor takes one reply after another on one.
    pub pool: Option<Pool>,
    /// How long the first sound may take once there is text, and any further sound once the text is complete.
    pub patience: Duration,
}

impl Door {
    async fn enter(self: &Arc<Self>, url: &Url, may_be_warm: bool) -> Result<Line, ProviderError> {
        if may_be_warm
            && let Some(pool) = &self.pool
            && let Some(socket) = pool.take(url.as_str()).await
        {
            return Ok(Line {
                door: Arc::clone(self),
                url: url.clone(),
                socket: Some(socket),
                is_warm: true,
                stop: None,
            });
        }
        let dial = self.dialer.dial(url, &self.headers, self.farewell).await;
        let socket = dial.map_err(|error| refused(&self.vendor, error, &self.key))?;
        Ok(Line { door: Arc::clone(self), url: url.clone(), socket: Some(socket), is_warm: false, stop: None })
    }
}

/// Speaks one reply in `dialect`. `url` holds what is said once.
pub(in crate::provider) fn open(door: Arc<Door>, url: Url, dialect: impl Dialect) -> TtsStream {
    TtsStream::spawn(move |commands, events| async move {
        let last = match Session::new(door, dialect, events.clone()).run(&url, commands).await {
            Ok(()) => TtsEvent::Ended,
            Err(error) => TtsEvent::Failed(error),
        };
        // Fails only when nobody listens.
        let _ = events.send(last).await;
    })
}

/// The answer to an upgrade, or why there was none.
pub(in crate::provider) fn refused(vendor: &Vendor, error: DialError, key: &Secret) -> ProviderError {
    match error {
        DialError::Failed(error) => error,
        DialError::Refused(response) => {
            let codes = http::codes_in(response.body().as_deref().unwrap_or_default());
            vendor.refusal(response.status().as_u16(), &codes, key)
        }
    }
}

/// A connection while a reply has it. Dropping it stops the reply: the connection is kept for others where the vendor can
/// be told to stop, and closed where not.
struct Line {
    door: Arc<Door>,
    url: Url,
    socket: Option<Socket>,
    is_warm: bool,
    stop: Option<Stop>,
}

/// What has to be done before another reply may have the connection.
enum Stop {
    /// Say this.
    Say(String),
    /// Close it.
    Close,
}

impl Drop for Line {
    fn drop(&mut self) {
        let (Some(pool), Some(mut socket)) = (&self.door.pool, self.socket.take()) else { return };
        let is_free = match &self.stop {
            None => true,
            Some(Stop::Say(message)) => socket.try_send(message),
            Some(Stop::Close) => false,
        };
        if is_free && !socket.is_closed() {
            pool.put(self.url.as_str().to_owned(), socket);
        }
    }
}

/// One reply being spoken.
struct Session<D> {
    door: Arc<Door>,
    dialect: D,
    events: Sender<TtsEvent>,
    sound: Sound,
    words: WordClock,
    /// The texts handed over, in case the connection was dead; none once there is sound.
    texts: Vec<String>,
    /// Where each text handed over ends, in bytes of the reply.
    ends: Vec<usize>,
    /// Blanks before the next text.
    blanks: String,
    /// How much of the sound belongs to texts that are told as spoken.
    told: Duration,
    clips: Clips,
    /// From where the times of words are counted, in seconds of the reply.
    base: f64,
    /// Whether something came that was not of the protocol.
    garbage: bool,
    /// Whether the text is complete.
    ended: bool,
    /// By when something has to come; `None` while nothing is owed.
    deadline: Option<Instant>,
}

impl<D: Dialect> Session<D> {
    fn new(door: Arc<Door>, dialect: D, events: Sender<TtsEvent>) -> Self {
        Self {
            sound: Sound::new(dialect.format()),
            door,
            dialect,
            events,
            words: WordClock::default(),
            texts: Vec::new(),
            ends: Vec::new(),
            blanks: String::new(),
            told: Duration::ZERO,
            clips: Clips::default(),
            base: 0.0,
            garbage: false,
            ended: false,
            deadline: None,
        }
    }

    /// Speaks what it is given until all sound has been delivered.
    async fn run(mut self, url: &Url, mut commands: Receiver<TtsCommand>) -> Result<(), ProviderError> {
        let mut line = self.door.enter(url, true).await?;
        let mut served = self.serve(&mut line, &mut commands).await;
        if line.is_warm
            && self.sound.length().is_zero()
            && served.as_ref().is_err_and(|error| error.kind == Failure::Unavailable)
        {
            // It was closed while nobody used it.
            line.stop = Some(Stop::Close);
            drop(line);
            line = self.door.enter(url, false).await?;
            served = self.serve(&mut line, &mut commands).await;
        }
        if served.is_err() {
            line.stop = Some(Stop::Close);
        }
        served
    }

    async fn serve(&mut self, line: &mut Line, commands: &mut Receiver<TtsCommand>) -> Result<(), ProviderError> {
        self.start(line).await?;
        self.converse(line, commands).await
    }

    /// Begins the reply on a connection, with whatever text there is already.
    async fn start(&mut self, line: &mut Line) -> Result<(), ProviderError> {
        if let Some(message) = self.dialect.begin() {
            self.send(line, vec![message]).await?;
        }
        for text in self.texts.clone() {
            let messages = self.dialect.text(&text);
            self.send(line, messages).await?;
        }
        if self.ended {
            let messages = self.dialect.end();
            self.send(line, messages).await?;
        }
        if !self.texts.is_empty() {
            self.expect();
        }
        Ok(())
    }

    async fn converse(&mut self, line: &mut Line, commands: &mut Receiver<TtsCommand>) -> Result<(), ProviderError> {
        loop {
            let deadline = self.deadline;
            let Some(socket) = line.socket.as_mut() else { return Err(self.lost()) };
            tokio::select! {
                // What came is known before more is said.
                biased;
                received = socket.receive() => if self.receive(received).await? {
                    line.stop = None;
                    return Ok(());
                },
                command = commands.recv(), if !self.ended => match command {
                    Some(TtsCommand::Speak(text)) => self.speak(line, &text).await?,
                    Some(TtsCommand::End) | None => {
                        self.ended = true;
                        if self.ends.is_empty() {
                            return Ok(());
                        }
                        let messages = self.dialect.end();
                        self.send(line, messages).await?;
                        if self.dialect.is_complete() {
                            return Ok(());
                        }
                        self.expect();
                    }
                },
                () = until(deadline) => return Err(self.door.vendor.failure(Failure::Timeout, "no sound in time")),
            }
        }
    }

    async fn speak(&mut self, line: &mut Line, text: &str) -> Result<(), ProviderError> {
        self.words.push_text(text);
        self.blanks.push_str(text);
        if text.trim().is_empty() {
            // Blanks alone say nothing; they stand before the next text.
            return Ok(());
        }
        let text = std::mem::take(&mut self.blanks);
        self.ends.push(self.words.text_length());
        let messages = self.dialect.text(&text);
        if self.sound.length().is_zero() {
            self.texts.push(text);
        }
        self.send(line, messages).await?;
        if self.ends.len() == 1 {
            self.expect();
        }
        Ok(())
    }

    async fn send(&mut self, line: &mut Line, messages: Vec<String>) -> Result<(), ProviderError> {
        let Some(socket) = line.socket.as_mut() else { return Err(self.lost()) };
        for message in messages {
            line.stop = Some(self.dialect.cancel().map_or(Stop::Close, Stop::Say));
            if socket.send(Message::text(message)).await {
                continue;
            }
            line.stop = Some(Stop::Close);
            // The vendor closes when it refuses something, and says why before it does.
            let mut heard = Heard::default();
            while let Ok(received) = tokio::time::timeout(LAST_WORDS, socket.receive()).await {
                let is_end = matches!(received, Received::Closed { .. });
                self.dialect.read(received, &mut heard)?;
                if is_end {
                    break;
                }
            }
            return Err(self.lost());
        }
        Ok(())
    }

    /// Takes what came; `true` when all sound has been delivered.
    async fn receive(&mut self, received: Received) -> Result<bool, ProviderError> {
        let mut heard = Heard::default();
        match self.dialect.read(received, &mut heard)? {
            Meaning::Ours => {}
            Meaning::Nothing => return Ok(false),
            Meaning::Garbage => {
                http::count_garbage(&self.door.vendor);
                self.garbage = true;
                return Ok(false);
            }
        }
        let begin = self.sound.length();
        if heard.begins_again {
            self.base = begin.as_secs_f64();
        }
        if !heard.audio.is_empty() {
            let samples = self.sound.decode(&heard.audio);
            if !samples.is_empty() {
                // Nothing is said twice: from here on a lost connection is a failure.
                self.texts.clear();
                // Fails only when nobody listens; waits while the listener is full, and so holds the vendor back.
                let _ = self.events.send(TtsEvent::Audio { samples, rate: self.sound.rate() }).await;
            }
            self.deadline = None;
        }
        if heard.done && self.garbage && self.sound.length().is_zero() {
            return Err(self.door.vendor.failure(Failure::Protocol, "what came was no sound"));
        }
        let mut words = Vec::new();
        if let Some(spoken) = heard.spoken {
            self.place(spoken, begin, &mut words);
        }
        if heard.done {
            self.words.finish(&mut words);
        }
        if !words.is_empty() {
            // Fails only when nobody listens.
            let _ = self.events.send(TtsEvent::Words(words)).await;
        }
        if heard.done {
            self.deadline = None;
        } else if self.ended {
            self.expect();
        }
        Ok(heard.done)
    }

    fn place(&mut self, spoken: Spoken, begin: Duration, words: &mut Vec<WordTime>) {
        match spoken {
            Spoken::Letters(alignment) => self.words.push(&alignment, begin, words),
            Spoken::Words(times) => {
                for (word, start, end) in times {
                    self.words.push_word(&word, self.base + start, self.base + end, words);
                }
            }
            Spoken::Clip(times) => {
                let base = self.clips.next(&times, begin.as_secs_f64());
                for (word, start, end) in times {
                    self.words.push_word(&word, base + start, base + end, words);
                }
            }
            Spoken::Texts(count) => {
                let end = self.sound.length();
                let place = count.checked_sub(1).and_then(|last| self.ends.get(last));
                if let Some(&text_end) = place {
                    self.words.push_stretch(text_end, self.told, end, words);
                    self.told = end;
                }
            }
        }
    }

    fn expect(&mut self) {
        self.deadline = Some(Instant::now() + self.door.patience);
    }

    fn lost(&self) -> ProviderError {
        self.door.vendor.failure(Failure::Unavailable, "the connection was lost before the end")
    }
}

/// Where clips begin whose words are told from their own beginning. A vendor tells the words of each clip before its sound
/// or behind it; the first clip shows which.
#[derive(Clone, Copy, Default, Debug)]
struct Clips {
    /// Where the last word so far ends, in seconds of the reply.
    end: f64,
    /// The sound that had come with the words of the last clip, in seconds.
    sound: f64,
    /// Whether words come before their sound.
    early: Option<bool>,
}

impl Clips {
    /// The beginning of a clip whose words come when `sound` seconds have.
    fn next(&mut self, words: &[(String, f64, f64)], sound: f64) -> f64 {
        let early = *self.early.get_or_insert(sound <= 0.0);
        // Pauses between clips are in the sound and not in the words.
        let base = self.end.max(if early { sound } else { self.sound });
        self.end = base + words.last().map_or(0.0, |(_, _, end)| if end.is_finite() { end.max(0.0) } else { 0.0 });
        self.sound = sound;
        base
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clips_follow_one_another_with_the_pauses_between_them() {
        let words = |end: f64| vec![("word".to_owned(), 0.0, end)];
        let mut early = Clips::default();
        assert_eq!(
            [(0.8, 0.0), (0.5, 1.0), (0.5, 1.6)].map(|(end, sound)| early.next(&words(end), sound)),
            [0.0, 1.0, 1.6]
        );
        let mut late = Clips::default();
        assert_eq!(
            [(0.8, 1.0), (0.5, 1.6), (0.5, 2.2)].map(|(end, sound)| late.next(&words(end), sound)),
            [0.0, 1.0, 1.6]
        );
        assert_eq!(late.next(&words(f64::NAN), 2.8), 2.2);
    }
}
