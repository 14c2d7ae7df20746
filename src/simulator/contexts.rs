//! Voices over a WebSocket that may speak several replies at once, each a context.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::conversation::Service;

use super::fault::Cut;
use super::hearing::{READ, close};
use super::sound::SoundFormat;
use super::speech::{FIRST_PIECE_MS, PIECE_MS};
use super::state::{Key, Refusal, Session, State, faster};
use super::voice::{Piece, Speech};

/// How one vendor's messages look.
pub(super) trait Tongue: Send + 'static {
    /// Contexts at once; a client that opens more is refused.
    const CONTEXTS: usize;
    /// Whether the server closes once a context is done.
    const CLOSES: bool = false;
    /// How long a context without text lives behind its last sound; `None`: as long as the connection.
    const LIFE: Option<Duration> = None;

    /// What a message of the client asks for.
    fn take(&mut self, message: &str) -> Result<Vec<Wish>, Wrong>;

    /// What is sent before the sound of a stretch of text that begins `base_ms` into the context: its words with their
    /// times in milliseconds.
    fn words(&mut self, _context: &str, _words: &[(String, u32, u32)], _base_ms: u32) -> Vec<Message> {
        Vec::new()
    }

    /// What carries a piece of sound, `bytes` in the format asked for.
    fn sound(&mut self, context: &str, piece: &Piece, bytes: Vec<u8>, has_times: bool) -> Vec<Message>;

    /// What is sent when a mark is reached.
    fn mark(&mut self, _context: &str, _mark: u64) -> Vec<Message> {
        Vec::new()
    }

    /// What is sent when all text of a context has been spoken.
    fn done(&mut self, context: &str) -> Vec<Message>;

    /// How a context, or with `None` the connection, is told that something is wrong; with a code it is closed.
    fn wrong(&mut self, context: Option<&str>, wrong: &Wrong) -> (Vec<Message>, Option<u16>);
}

/// What a client asks for.
#[derive(Debug)]
pub(super) enum Wish {
    /// Speak this in a context, which begins with it if need be.
    Speak {
        /// The context.
        context: String,
        /// What is spoken.
        text: String,
        /// How.
        manner: Manner,
        /// How long it waits for more text.
        wait: Duration,
    },
    /// Say when all before has been spoken.
    Mark(String, u64),
    /// No more text comes.
    Finish(String),
    /// What has not been sent is not wanted, but a piece under way may still come.
    Cancel(String),
    /// An answer.
    Say(Message),
    /// The client leaves.
    Leave,
}

/// How a text is spoken.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Manner {
    pub(super) voice: String,
    pub(super) speed: f32,
    pub(super) format: SoundFormat,
}

/// What is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Wrong {
    /// An HTTP status that says which kind it is.
    pub(super) status: u16,
    /// A word for the client.
    pub(super) what: String,
    /// Whose message it was.
    pub(super) context: Option<String>,
}

impl Wrong {
    /// Something wrong with a message.
    pub(super) fn message(what: impl Into<String>) -> Self {
        Self { status: 400, what: what.into(), context: None }
    }

    /// Something wrong with a message of a context.
    pub(super) fn within(context: &str, what: impl Into<String>) -> Self {
        Self { status: 400, what: what.into(), context: Some(context.to_owned()) }
    }
}

/// Upgrades an admitted request; its session is that of the first context.
pub(super) fn upgrade<T: Tongue>(
    mut session: Session,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    tongue: T,
) -> Response {
    let Ok(upgrade) = upgrade else {
        session.refuse();
        return (StatusCode::UPGRADE_REQUIRED, "open a WebSocket").into_response();
    };
    let talk = Talk { state: Arc::clone(&session.state), tongue, contexts: Vec::new(), first: Some(session) };
    upgrade.max_message_size(LARGEST_MESSAGE).read_buffer_size(READ).on_upgrade(|socket| talk.serve(socket))
}

/// One connection.
struct Talk<T> {
    state: Arc<State>,
    tongue: T,
    contexts: Vec<Context>,
    /// The session of the upgrade, until a context takes it.
    first: Option<Session>,
}

/// One reply.
struct Context {
    id: String,
    session: Session,
    items: VecDeque<Item>,
    /// What goes out next, and when.
    next: Option<(Instant, Step)>,
    /// When the stretch being delivered began.
    began: Option<Instant>,
    /// When all before was delivered.
    free_at: Option<Instant>,
    /// How much of the context's sound was delivered, without the stretch under way.
    base_ms: u32,
    sent: u32,
    number: Option<u64>,
    manner: Option<Manner>,
    finished: bool,
    stalled: bool,
}

/// What waits to be spoken.
enum Item {
    /// A stretch of text with the earliest time of its first sound; whether its words were told.
    Speech(Instant, Box<Speech>, bool),
    Mark(u64),
}

/// What goes out.
enum Step {
    Sound(Piece, Vec<Message>),
    Mark(u64),
    Done,
}

impl Context {
    /// Makes the next step, unless one waits already.
    fn prepare<T: Tongue>(&mut self, tongue: &mut T) {
        let speed = self.session.state.config.voice.speed_over_real_time;
        let told = self.session.state.config.voice.word_times;
        while self.next.is_none() && !self.stalled && !self.session.trouble.is_blackhole() {
            let free = self.free_at.unwrap_or(self.session.at);
            match self.items.front_mut() {
                Some(Item::Speech(earliest, speech, has_told)) => {
                    let began = *self.began.get_or_insert(free.max(*earliest));
                    let first = match std::mem::replace(has_told, true) || !told {
                        true => Vec::new(),
                        false => tongue.words(&self.id, &speech.words(), self.base_ms),
                    };
                    match speech.next_piece(if self.sent == 0 { FIRST_PIECE_MS } else { PIECE_MS }) {
                        Some(piece) => {
                            self.next = Some((began + faster(piece.start_ms, speed), Step::Sound(piece, first)));
                        }
                        None => {
                            let length = u32::try_from(speech.length().as_millis()).unwrap_or(u32::MAX);
                            self.free_at = Some(began + faster(length, speed));
                            self.base_ms = self.base_ms.saturating_add(length);
                            self.began = None;
                            self.items.pop_front();
                        }
                    }
                }
                Some(Item::Mark(mark)) => {
                    self.next = Some((free, Step::Mark(*mark)));
                    self.items.pop_front();
                }
                None if self.finished => self.next = Some((free, Step::Done)),
                None => match (T::LIFE, self.free_at) {
                    (Some(life), Some(free)) => self.next = Some((free + life, Step::Done)),
                    _ => return,
                },
            }
        }
    }
}

/// Why a connection ends.
enum End {
    /// All is said.
    Close,
    /// The client left.
    Left,
    /// Without a word.
    Drop,
    /// With an error.
    Wrong(Wrong),
}

impl<T: Tongue> Talk<T> {
    async fn serve(mut self, mut socket: WebSocket) {
        let end = self.converse(&mut socket).await;
        if matches!(end, End::Left | End::Close) {
            // What was asked for has been said.
            let is_idle = |context: &&mut Context| {
                context.sent > 0
                    && context.items.is_empty()
                    && !matches!(context.next, Some((_, Step::Sound(..) | Step::Mark(_))))
            };
            self.contexts.iter_mut().filter(is_idle).for_each(|context| context.session.complete());
        }
        match end {
            End::Drop | End::Left => {}
            End::Close => close(&mut socket, 1000, "").await,
            End::Wrong(wrong) => {
                let (messages, code) = self.tongue.wrong(None, &wrong);
                if send(&mut socket, messages).await {
                    close(&mut socket, code.unwrap_or(1008), "").await;
                }
            }
        }
    }

    async fn converse(&mut self, socket: &mut WebSocket) -> End {
        let state = Arc::clone(&self.state);
        loop {
            for context in &mut self.contexts {
                context.prepare(&mut self.tongue);
            }
            let next = self.contexts.iter().filter_map(|c| Some((c, c.next.as_ref()?.0))).min_by_key(|(_, due)| *due);
            tokio::select! {
                message = socket.recv() => {
                    let text = match message {
                        Some(Ok(Message::Text(text))) => text,
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                        Some(Ok(Message::Binary(_))) => return End::Wrong(Wrong::message("the messages of this socket are text")),
                        Some(Ok(Message::Close(_)) | Err(_)) | None => return End::Left,
                    };
                    if let Err(end) = self.take(socket, &text).await {
                        return end;
                    }
                }
                (id, paced) = async { match next {
                    Some((context, due)) => (context.id.clone(), context.session.pace(context.sent, due).await),
                    None => std::future::pending().await,
                } } => match paced {
                    Ok(()) => if let Err(end) = self.step(socket, &id).await { return end },
                    Err(Cut::Drop) => return End::Drop,
                    Err(Cut::Stall) => self.contexts.iter_mut().filter(|c| c.id == id).for_each(|c| {
                        c.stalled = true;
                        c.next = None;
                    }),
                },
                () = state.stopped() => return End::Drop,
            }
        }
    }

    /// Carries out what a message of the client asks for.
    async fn take(&mut self, socket: &mut WebSocket, text: &str) -> Result<(), End> {
        let wishes = match self.tongue.take(text) {
            Ok(wishes) => wishes,
            Err(wrong) => return self.refuse(socket, wrong).await,
        };
        for wish in wishes {
            match wish {
                Wish::Speak { context, text, manner, wait } => {
                    if let Err(wrong) = self.speak(&context, &text, manner, wait) {
                        self.refuse(socket, wrong).await?;
                    }
                }
                Wish::Mark(id, mark) => {
                    let at = match self.context(&id) {
                        Ok(at) => at,
                        Err(wrong) => return self.refuse(socket, wrong).await,
                    };
                    if let Some(context) = self.contexts.get_mut(at) {
                        context.items.push_back(Item::Mark(mark));
                    }
                }
                Wish::Finish(id) => {
                    if let Some(context) = self.contexts.iter_mut().find(|context| context.id == id) {
                        context.finished = true;
                        if matches!(context.next, Some((_, Step::Done))) {
                            // The end of its life, which comes at once.
                            context.next = None;
                        }
                    } else if T::CLOSES {
                        return Err(End::Close);
                    }
                }
                Wish::Cancel(id) => {
                    let at = self.contexts.iter().position(|context| context.id == id);
                    let Some(context) = at.map(|at| self.contexts.remove(at)) else { continue };
                    if let Some((_, Step::Sound(piece, _))) = context.next.as_ref().filter(|_| context.sent > 0) {
                        let messages = carry(&mut self.tongue, &context, piece);
                        if !send(socket, messages).await {
                            return Err(End::Left);
                        }
                    }
                }
                Wish::Say(message) => {
                    if !send(socket, vec![message]).await {
                        return Err(End::Left);
                    }
                }
                Wish::Leave => return Err(End::Close),
            }
        }
        Ok(())
    }

    async fn refuse(&mut self, socket: &mut WebSocket, wrong: Wrong) -> Result<(), End> {
        let Some(id) = wrong.context.clone() else { return Err(End::Wrong(wrong)) };
        let (messages, code) = self.tongue.wrong(Some(&id), &wrong);
        self.contexts.retain(|context| context.id != id);
        if !send(socket, messages).await {
            return Err(End::Left);
        }
        match code {
            None => Ok(()),
            Some(code) => {
                close(socket, code, "").await;
                Err(End::Left)
            }
        }
    }

    fn speak(&mut self, id: &str, text: &str, manner: Manner, wait: Duration) -> Result<(), Wrong> {
        let at = self.context(id)?;
        let Some(context) = self.contexts.get_mut(at) else { return Ok(()) };
        if context.manner.get_or_insert_with(|| manner.clone()) != &manner {
            return Err(Wrong::within(id, "all messages of a context must have the same settings"));
        }
        if text.trim().is_empty() {
            return Ok(());
        }
        context.session.note_text(text);
        let state = Arc::clone(&self.state);
        let number = *context.number.get_or_insert_with(|| state.voice_number());
        let first = Instant::now() + state.config.voice.first_byte + context.session.trouble.delay() + wait;
        let speech = state.speech(text, &manner.voice, manner.speed, manner.format.rate, number);
        if matches!(context.next, Some((_, Step::Done))) {
            context.next = None;
        }
        context.items.push_back(Item::Speech(first, Box::new(speech), false));
        Ok(())
    }

    /// A context, which begins if it is not there.
    fn context(&mut self, id: &str) -> Result<usize, Wrong> {
        if let Some(at) = self.contexts.iter().position(|context| context.id == id) {
            return Ok(at);
        }
        let wrong = |status, what: &str| Wrong { status, what: what.into(), context: Some(id.to_owned()) };
        if self.contexts.len() >= T::CONTEXTS {
            return Err(wrong(429, "too many contexts"));
        }
        let session = match self.first.take() {
            Some(session) => session,
            None => self
                .state
                .admit(Service::Tts, Key::Later)
                .map_err(|refusal| wrong(Refusal::status(refusal).as_u16(), "the request was refused"))?,
        };
        self.contexts.push(Context {
            id: id.to_owned(),
            session,
            items: VecDeque::new(),
            next: None,
            began: None,
            free_at: None,
            base_ms: 0,
            sent: 0,
            number: None,
            manner: None,
            finished: false,
            stalled: false,
        });
        Ok(self.contexts.len() - 1)
    }

    /// Sends what is due in a context.
    async fn step(&mut self, socket: &mut WebSocket, id: &str) -> Result<(), End> {
        let Some(at) = self.contexts.iter().position(|context| context.id == id) else { return Ok(()) };
        let Some(context) = self.contexts.get_mut(at) else { return Ok(()) };
        let Some((_, step)) = context.next.take() else { return Ok(()) };
        let (messages, is_done) = match step {
            Step::Sound(piece, mut messages) => {
                messages.extend(carry(&mut self.tongue, context, &piece));
                context.sent += 1;
                (messages, false)
            }
            Step::Mark(mark) => (self.tongue.mark(id, mark), false),
            Step::Done => (self.tongue.done(id), true),
        };
        if !send(socket, messages).await {
            return Err(End::Left);
        }
        if is_done {
            self.contexts.remove(at).session.complete();
            if T::CLOSES {
                return Err(End::Close);
            }
        }
        Ok(())
    }
}

/// The messages of a piece of sound, as its context's trouble wants them.
fn carry(tongue: &mut impl Tongue, context: &Context, piece: &Piece) -> Vec<Message> {
    if context.session.trouble.is_garbage() {
        return vec![Message::Text("<html>this is not the protocol".into())];
    }
    let Some(manner) = &context.manner else { return Vec::new() };
    let has_times = context.session.state.config.voice.word_times;
    tongue.sound(&context.id, piece, manner.format.encode(&piece.samples), has_times)
}

async fn send(socket: &mut WebSocket, messages: Vec<Message>) -> bool {
    for message in messages {
        if socket.send(message).await.is_err() {
            return false;
        }
    }
    true
}

const LARGEST_MESSAGE: usize = 1 << 17;
