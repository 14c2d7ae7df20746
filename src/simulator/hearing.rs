//! One open stream of a recogniser, whatever vendor's protocol it speaks.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use serde_json::Value;

use crate::conversation::Service;

use super::alarm::Standing;
use super::fault::Cut;
use super::lines::Lines;
use super::prompter::Order;
use super::recogniser::{Options, Recogniser, Report};
use super::sound::{Coding, SoundReader};
use super::state::Session;

/// One vendor's protocol over a stream.
pub(super) trait Tongue: Send + 'static {
    /// What is said when the stream opens.
    fn greet(&mut self, _out: &mut Outbox) {}

    /// What a message of the client means.
    fn take(&mut self, message: Incoming<'_>, out: &mut Outbox) -> Taken;

    /// Says what the recogniser reports.
    fn report(&mut self, report: &Report, out: &mut Outbox);

    /// So much sound was heard in all, and what there was to report of it was. A voice that was heard and is not settled
    /// yet has been silent for `silence`.
    fn heard(&mut self, _heard: Duration, _silence: Option<Duration>, _out: &mut Outbox) {}

    /// The client is done and has been told everything: what is said last, after `heard` of sound.
    fn end(&mut self, heard: Duration, out: &mut Outbox);

    /// How long the client may stay silent, and the code and reason of the close that follows; `None`: as long as it likes.
    fn idle(&self) -> Option<(Duration, u16, &'static str)> {
        None
    }
}

/// A message of the client.
#[derive(Clone, Copy, Debug)]
pub(super) enum Incoming<'a> {
    /// Text.
    Text(&'a str),
    /// Binary.
    Binary(&'a [u8]),
}

/// What a message of the client means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Taken {
    /// Sound.
    Sound(Vec<u8>),
    /// It wants what there is. The name is for the log.
    Finalize(&'static str),
    /// From here on so much silence ends an utterance. The name is for the log.
    Endpointing(&'static str, Duration),
    /// A sign of life and no more. The name is for the log.
    Noted(&'static str),
    /// It is done. The name is for the log.
    Done(&'static str),
    /// It is not of the protocol: the stream is closed with this code and reason.
    Wrong(u16, &'static str),
}

/// What is to be said to the client.
#[derive(Clone, Default, Debug)]
pub(super) struct Outbox {
    messages: VecDeque<Value>,
    note: Option<String>,
}

impl Outbox {
    /// Says `message`.
    pub(super) fn say(&mut self, message: Value) {
        self.messages.push_back(message);
    }

    /// Notes the words that were settled, for the log.
    pub(super) fn note(&mut self, text: &str) {
        if !text.is_empty() {
            self.note = Some(text.to_owned());
        }
    }
}

/// One open stream.
pub(super) struct Hearing<T> {
    session: Session,
    tongue: T,
    recogniser: Recogniser,
    reader: SoundReader,
    out: Outbox,
    /// Messages sent, for faults that count them; the greeting is none.
    sent: u32,
    /// A stall has begun: nothing is sent any more.
    is_silent: bool,
    /// It hears nothing any more.
    is_deaf: bool,
}

/// Why a stream ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// The client is done.
    Done,
    /// The server closes it, with this code and reason.
    Close(u16, &'static str),
    /// Without a word.
    Drop,
}

impl<T: Tongue> Hearing<T> {
    /// A stream that has heard nothing.
    pub(super) fn new(session: Session, options: Options, coding: Coding, tongue: T) -> Self {
        let state = &session.state;
        let mut config = state.config.recogniser.clone();
        config.final_delay += session.trouble.delay();
        config.finalize_delay += session.trouble.delay();
        config.interim_lag += session.trouble.delay();
        let lines =
            if config.script.shared { state.lines.clone() } else { Lines::new(Arc::new(config.script.clone())) };
        let is_silent = session.trouble.is_blackhole();
        Self {
            recogniser: Recogniser::new(options, config, lines),
            reader: SoundReader::new(coding),
            session,
            tongue,
            out: Outbox::default(),
            sent: 0,
            is_silent,
            is_deaf: is_silent,
        }
    }

    /// Serves the stream to its end.
    pub(super) async fn serve(mut self, mut socket: WebSocket) {
        let end = self.run(&mut socket).await;
        self.finish(socket, end).await;
    }

    /// Serves the stream until it ends, and says how.
    pub(super) async fn run(&mut self, socket: &mut WebSocket) -> End {
        self.tongue.greet(&mut self.out);
        while let Some(message) = self.out.messages.pop_front() {
            if let Err(end) = self.send(message, socket).await {
                return end;
            }
        }
        self.listen(socket).await
    }

    /// Its trouble is over: what comes is served.
    pub(super) fn heal(&mut self) {
        self.session.trouble.heal();
        (self.is_silent, self.is_deaf) = (false, false);
    }

    /// Says what is left to say at such an end.
    pub(super) async fn finish(mut self, mut socket: WebSocket, end: End) {
        match end {
            End::Drop => {}
            End::Close(code, reason) => {
                if self.flush(&mut socket).await.is_ok() {
                    close(&mut socket, code, reason).await;
                }
            }
            End::Done => {
                self.recogniser.close();
                let heard = self.recogniser.heard();
                if self.flush(&mut socket).await.is_err() {
                    return;
                }
                self.tongue.end(heard, &mut self.out);
                if self.flush(&mut socket).await.is_ok() && !self.is_silent {
                    self.session.complete();
                    close(&mut socket, 1000, "").await;
                }
            }
        }
    }

    async fn listen(&mut self, socket: &mut WebSocket) -> End {
        let state = Arc::clone(&self.session.state);
        let idle = self.tongue.idle().filter(|_| !self.session.trouble.is_blackhole());
        let idle_after = |now: Instant| idle.map(|(longest, ..)| now + longest);
        let mut idle_due = idle_after(Instant::now());
        let mut cut_due = self.session.trouble.cut_due();
        let mut orders = state.orders.subscribe();
        // Kept from message to message: each costs more to set up than to ask.
        let mut reports = Standing::new(&state.alarm);
        let mut idling = pin!(tokio::time::sleep_until(idle_due.unwrap_or_else(Instant::now).into()));
        let mut stopped = pin!(state.stopped());
        loop {
            tokio::select! {
                message = socket.recv() => {
                    let Some(Ok(message)) = message else { return End::Drop };
                    match self.take(&message) {
                        Ok(true) => idle_due = idle_after(Instant::now()),
                        Ok(false) => {}
                        Err(end) => return end,
                    }
                }
                () = reports.until_some(self.recogniser.poll_timeout()) => {
                    self.recogniser.handle_timeout(Instant::now());
                }
                () = state.alarm.until_some(cut_due.map(|(at, _)| at)) => match cut_due.take() {
                    Some((_, Cut::Drop)) => return End::Drop,
                    _ => self.is_silent = true,
                },
                order = orders.recv() => match order {
                    Ok(Order::Drop) => return End::Drop,
                    Ok(Order::Deafen) => self.is_deaf = true,
                    Ok(Order::Report(utter)) => self.recogniser.utter(&utter),
                    // The state outlives its streams; what a busy stream missed is lost.
                    Err(_) => {}
                },
                () = &mut idling, if idle_due.is_some() => match (idle, idle_due) {
                    (Some((_, code, reason)), Some(due)) if due <= Instant::now() => return End::Close(code, reason),
                    // Something came since it was set.
                    (_, Some(due)) => idling.as_mut().reset(due.into()),
                    (_, None) => {}
                },
                () = &mut stopped => return End::Close(1001, "the simulator stops"),
            }
            if let Err(end) = self.flush(socket).await {
                return end;
            }
        }
    }

    /// Takes a message and says whether it keeps the stream alive.
    fn take(&mut self, message: &Message) -> Result<bool, End> {
        let incoming = match message {
            Message::Binary(bytes) => Incoming::Binary(bytes),
            Message::Text(text) => Incoming::Text(text),
            Message::Close(_) => return Err(End::Drop),
            Message::Ping(_) | Message::Pong(_) => return Ok(false),
        };
        match self.tongue.take(incoming, &mut self.out) {
            Taken::Sound(sound) => {
                self.count("Audio");
                let samples = self.reader.read(&sound);
                if !self.is_deaf {
                    self.recogniser.hear(&samples, Instant::now());
                    self.report();
                    let silence = self.recogniser.silence();
                    self.tongue.heard(self.recogniser.heard(), silence, &mut self.out);
                }
            }
            Taken::Finalize(name) => {
                self.count(name);
                self.recogniser.finalize(Instant::now());
            }
            Taken::Endpointing(name, silence) => {
                self.count(name);
                self.recogniser.set_endpointing(silence);
            }
            Taken::Noted(name) => self.count(name),
            Taken::Done(name) => {
                self.count(name);
                return Err(End::Done);
            }
            Taken::Wrong(code, reason) => return Err(End::Close(code, reason)),
        }
        Ok(true)
    }

    fn count(&self, kind: &'static str) {
        self.session.state.note(Service::Stt, |log| *log.messages.entry(kind).or_default() += 1);
    }

    fn report(&mut self) {
        while let Some(report) = self.recogniser.poll_report() {
            self.tongue.report(&report, &mut self.out);
        }
    }

    /// Sends what there is to say.
    async fn flush(&mut self, socket: &mut WebSocket) -> Result<(), End> {
        self.report();
        if let Some(text) = self.out.note.take() {
            self.session.note_text(&text);
        }
        while let Some(message) = self.out.messages.pop_front() {
            match self.session.trouble.cut_after(self.sent) {
                Some(Cut::Drop) => return Err(End::Drop),
                Some(Cut::Stall) => self.is_silent = true,
                None => {}
            }
            self.sent += u32::from(!self.is_silent);
            self.send(message, socket).await?;
        }
        Ok(())
    }

    async fn send(&mut self, message: Value, socket: &mut WebSocket) -> Result<(), End> {
        if self.is_silent {
            return Ok(());
        }
        let text = match self.session.trouble.is_garbage() {
            true => "<html>this is not the protocol".to_owned(),
            false => message.to_string(),
        };
        socket.send(Message::Text(text.into())).await.map_err(|_| End::Drop)
    }
}

/// Closes the socket and waits a moment for the client to agree, so that nothing sent before is lost to a reset.
pub(super) async fn close(socket: &mut WebSocket, code: u16, reason: &'static str) {
    if socket.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await.is_ok() {
        let agreed = async { while let Some(Ok(_)) = socket.recv().await {} };
        // A client that does not answer is left anyway.
        let _ = tokio::time::timeout(CLOSING, agreed).await;
    }
}

/// A word as it is without punctuation: lower case, nothing around it.
pub(super) fn bare(word: &str) -> String {
    word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase()
}

/// Seconds to the millisecond, as numbers of the wire.
pub(super) fn seconds(time: Duration) -> f64 {
    time.as_millis() as f64 / 1_000.0
}

/// How sure a simulated recogniser is of its words.
pub(super) const CONFIDENCE: f64 = 0.98;
/// More than a minute of any encoding at once is not streaming.
pub(super) const LARGEST_MESSAGE: usize = 1 << 20;
/// Bytes read at a time: the library fills so many with zeros before each look.
pub(super) const READ: usize = 4 << 10;
const CLOSING: Duration = Duration::from_secs(1);
