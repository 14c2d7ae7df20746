//! One open stream of a recogniser that learns from the client's messages what it is to hear, and in which coding.
//!
//! Vendors whose upgrade request says everything are [`hearing`](super::hearing)'s.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use serde_json::Value;

use crate::conversation::Service;

use super::fault::Cut;
use super::hearing::{LARGEST_MESSAGE, READ, close};
use super::lines::{Lines, Word};
use super::prompter::Order;
use super::recogniser::{Options, Recogniser, Report, Results};
use super::sound::{Coding, SoundReader};
use super::state::Session;

/// A vendor's protocol over the shared recogniser.
pub(super) trait Dialect: Send + 'static {
    /// The connection is up.
    fn open(&mut self, _stream: &mut Stream) {}

    /// The client sent this: text, sound, or its close.
    fn take(&mut self, message: Message, stream: &mut Stream) -> Result<(), End>;

    /// The recogniser has this to report.
    fn report(&mut self, report: &Report, stream: &mut Stream);

    /// Whether reports are told as they come. Otherwise the dialect asks for them, and the recogniser's clock stands still
    /// between two messages.
    fn tells_unasked(&self) -> bool {
        true
    }

    /// The client is done and everything heard is final: the last words of the protocol.
    fn farewell(&mut self, _stream: &mut Stream) {}

    /// The client has sent nothing for the recogniser's `idle_timeout`. `None`: this vendor does not mind.
    fn idle(&mut self, _stream: &mut Stream) -> Option<End> {
        None
    }
}

/// Why a stream ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// The client is done and gets the last words.
    Done,
    /// The client closed, which is how streams of this vendor end.
    Left,
    /// The server closes, with this code and reason, after what it has still to say.
    Close(u16, &'static str),
    /// Without a word.
    Drop,
}

/// Upgrades and serves a stream.
pub(super) fn serve(upgrade: WebSocketUpgrade, session: Session, dialect: impl Dialect) -> Response {
    let upgrade = upgrade.max_message_size(LARGEST_MESSAGE).read_buffer_size(READ);
    upgrade.on_upgrade(move |socket| Stream::new(session).serve(socket, dialect))
}

/// Upgrades a request that is refused, says why in the vendor's own way, and closes.
pub(super) fn refuse(upgrade: WebSocketUpgrade, why: Value, code: u16) -> Response {
    upgrade.on_upgrade(move |mut socket| async move {
        if socket.send(Message::Text(why.to_string().into())).await.is_ok() {
            close(&mut socket, code, "").await;
        }
    })
}

/// What a dialect has at hand: the recogniser, once it knows what it is to hear, and the way to the client.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) session: Session,
    ear: Option<(Recogniser, SoundReader)>,
    answers: VecDeque<Answer>,
    /// Transcripts sent, for faults that count them.
    sent: u32,
    /// A stall has begun: nothing is sent any more.
    is_silent: bool,
    /// It hears nothing any more.
    is_deaf: bool,
}

/// Something to be sent.
#[derive(Debug)]
struct Answer {
    due: Instant,
    text: String,
    is_transcript: bool,
}

impl Stream {
    fn new(session: Session) -> Self {
        let is_silent = session.trouble.is_blackhole();
        Self { session, ear: None, answers: VecDeque::new(), sent: 0, is_silent, is_deaf: is_silent }
    }

    /// Begins to hear sound of this kind.
    pub(super) fn begin(&mut self, options: Options, coding: Coding) {
        let state = &self.session.state;
        let mut config = state.config.recogniser.clone();
        config.final_delay += self.session.trouble.delay();
        config.finalize_delay += self.session.trouble.delay();
        config.interim_lag += self.session.trouble.delay();
        let lines =
            if config.script.shared { state.lines.clone() } else { Lines::new(Arc::new(config.script.clone())) };
        self.ear = Some((Recogniser::new(options, config, lines), SoundReader::new(coding)));
    }

    /// Hears bytes of the agreed coding; gives how many samples they were. Before [`Stream::begin`] nothing is heard.
    pub(super) fn hear(&mut self, bytes: &[u8]) -> usize {
        self.count("Audio");
        let Some((recogniser, reader)) = &mut self.ear else { return 0 };
        let samples = reader.read(bytes);
        if !self.is_deaf {
            recogniser.hear(&samples, Instant::now());
        }
        samples.len()
    }

    /// Hears samples.
    pub(super) fn hear_samples(&mut self, samples: &[i16]) {
        self.count("Audio");
        if let Some((recogniser, _)) = &mut self.ear
            && !self.is_deaf
        {
            recogniser.hear(samples, Instant::now());
        }
    }

    /// The client wants what there is.
    pub(super) fn finalize(&mut self) {
        self.count("Finalize");
        if let Some((recogniser, _)) = &mut self.ear {
            recogniser.finalize(Instant::now());
        }
    }

    /// Everything heard so far becomes final, at once.
    pub(super) fn conclude(&mut self) {
        if let Some((recogniser, _)) = &mut self.ear {
            recogniser.close();
        }
    }

    /// The next report, for dialects that ask; others are told.
    pub(super) fn next_report(&mut self) -> Option<Report> {
        self.ear.as_mut().and_then(|(recogniser, _)| recogniser.poll_report())
    }

    /// Whether the words are told as they are said: then they are final when they are said to be, and nobody's asking
    /// hastens them.
    pub(super) fn is_prompted(&self) -> bool {
        self.session.state.config.recogniser.script.prompted
    }

    /// Sound heard so far.
    pub(super) fn heard(&self) -> Duration {
        self.ear.as_ref().map_or(Duration::ZERO, |(recogniser, _)| recogniser.heard())
    }

    /// Sends something that holds no words.
    pub(super) fn answer(&mut self, answer: &Value) {
        self.push(answer.to_string(), Duration::ZERO, false);
    }

    /// Sends it after a while; what comes behind it waits as well.
    pub(super) fn answer_after(&mut self, answer: &Value, after: Duration) {
        self.push(answer.to_string(), after, false);
    }

    /// Sends something that holds words, or tells that there are none.
    pub(super) fn tell(&mut self, transcript: &Value) {
        self.push(transcript.to_string(), Duration::ZERO, true);
    }

    /// Sends a text as it is.
    pub(super) fn tell_text(&mut self, text: impl Into<String>, is_transcript: bool) {
        self.push(text.into(), Duration::ZERO, is_transcript);
    }

    fn push(&mut self, text: String, after: Duration, is_transcript: bool) {
        let due = Instant::now() + after;
        let due = self.answers.back().map_or(due, |last| last.due.max(due));
        self.answers.push_back(Answer { due, text, is_transcript });
    }

    /// Counts a message of the client.
    pub(super) fn count(&self, kind: &'static str) {
        self.session.state.note(Service::Stt, |log| *log.messages.entry(kind).or_default() += 1);
    }

    async fn serve(mut self, mut socket: WebSocket, mut dialect: impl Dialect) {
        dialect.open(&mut self);
        let end = self.listen(&mut socket, &mut dialect).await;
        if end == End::Done {
            self.conclude();
            self.drain(&mut dialect);
            dialect.farewell(&mut self);
        }
        let said = match end {
            End::Drop => return,
            End::Left => {
                self.session.complete();
                return;
            }
            End::Done | End::Close(..) => self.flush(&mut socket).await,
        };
        match end {
            _ if said.is_err() || self.is_silent => {}
            End::Close(code, reason) => close(&mut socket, code, reason).await,
            _ => {
                self.session.complete();
                close(&mut socket, 1000, "").await;
            }
        }
    }

    /// Serves the stream until it ends.
    async fn listen(&mut self, socket: &mut WebSocket, dialect: &mut impl Dialect) -> End {
        let state = Arc::clone(&self.session.state);
        let idle = state.config.recogniser.idle_timeout;
        let mut idle_due = Instant::now() + idle;
        let mut cut_due = self.session.trouble.cut_due();
        let mut orders = state.orders.subscribe();
        loop {
            self.drain(dialect);
            if let Err(end) = self.flush_due(socket).await {
                return end;
            }
            let is_clocked = dialect.tells_unasked();
            let due = self.ear.as_ref().filter(|_| is_clocked).and_then(|(recogniser, _)| recogniser.poll_timeout());
            let answer_due = self.answers.front().map(|answer| answer.due);
            tokio::select! {
                message = socket.recv() => {
                    let Some(Ok(message)) = message else { return End::Drop };
                    if matches!(message, Message::Ping(_) | Message::Pong(_)) {
                        continue;
                    }
                    idle_due = Instant::now() + idle;
                    if let Err(end) = dialect.take(message, self) {
                        return end;
                    }
                }
                () = state.alarm.until_some(due) => {
                    if let Some((recogniser, _)) = &mut self.ear {
                        recogniser.handle_timeout(Instant::now());
                    }
                }
                () = state.alarm.until_some(answer_due) => {}
                () = state.alarm.until_some(cut_due.map(|(at, _)| at)) => match cut_due.take() {
                    Some((_, Cut::Drop)) => return End::Drop,
                    _ => self.is_silent = true,
                },
                order = orders.recv() => match order {
                    Ok(Order::Drop) => return End::Drop,
                    Ok(Order::Deafen) => self.is_deaf = true,
                    Ok(Order::Report(utter)) => {
                        if let Some((recogniser, _)) = &mut self.ear {
                            recogniser.utter(&utter);
                        }
                    }
                    // The state outlives its streams; what a busy stream missed is lost.
                    Err(_) => {}
                },
                () = tokio::time::sleep_until(idle_due.into()), if !self.session.trouble.is_blackhole() => {
                    if let Some(end) = dialect.idle(self) {
                        return end;
                    }
                    idle_due = Instant::now() + idle;
                }
                () = state.stopped() => return End::Close(1001, "the simulator stops"),
            }
        }
    }

    fn drain(&mut self, dialect: &mut impl Dialect) {
        if !dialect.tells_unasked() {
            return;
        }
        while let Some(report) = self.next_report() {
            dialect.report(&report, self);
        }
    }

    /// Sends the answers whose time has come.
    async fn flush_due(&mut self, socket: &mut WebSocket) -> Result<(), End> {
        while self.answers.front().is_some_and(|answer| answer.due <= Instant::now()) {
            let Some(answer) = self.answers.pop_front() else { break };
            self.send(answer, socket).await?;
        }
        Ok(())
    }

    /// Sends all answers.
    async fn flush(&mut self, socket: &mut WebSocket) -> Result<(), End> {
        while let Some(answer) = self.answers.pop_front() {
            self.send(answer, socket).await?;
        }
        Ok(())
    }

    async fn send(&mut self, answer: Answer, socket: &mut WebSocket) -> Result<(), End> {
        let mut text = answer.text;
        if answer.is_transcript {
            match self.session.trouble.cut_after(self.sent) {
                Some(Cut::Drop) => return Err(End::Drop),
                Some(Cut::Stall) => self.is_silent = true,
                None => self.sent += 1,
            }
            if self.session.trouble.is_garbage() {
                text = "<html>this is not the protocol".to_owned();
            }
        }
        if self.is_silent {
            return Ok(());
        }
        socket.send(Message::Text(text.into())).await.map_err(|_| End::Drop)
    }
}

/// The words of an utterance that is over only when the client says so.
#[derive(Clone, Default, Debug)]
pub(super) struct Draft {
    settled: Vec<Word>,
    open: Vec<Word>,
}

impl Draft {
    /// Takes what was recognised.
    pub(super) fn add(&mut self, results: &Results) {
        if results.is_final {
            self.settled.extend(results.words.iter().cloned());
            self.open.clear();
        } else {
            self.open.clone_from(&results.words);
        }
    }

    /// All words so far.
    pub(super) fn words(&self) -> impl Iterator<Item = &Word> {
        self.settled.iter().chain(&self.open)
    }

    /// Their text.
    pub(super) fn text(&self) -> String {
        spoken(self.words())
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.settled.is_empty() && self.open.is_empty()
    }
}

/// Words with blanks between them.
pub(super) fn spoken<'a>(words: impl IntoIterator<Item = &'a Word>) -> String {
    words.into_iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
}

/// Whole milliseconds, as numbers of the wire.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
