//! What all simulators of one listener share.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc, watch};

use crate::audio::SampleRate;
use crate::conversation::Service;

use super::alarm::Alarm;
use super::config::SimulatorConfig;
use super::fault::{Cut, Faults, Trouble};
use super::gladia;
use super::lines::Lines;
use super::prompter::{ORDERS, Order, Requests};
use super::voice::Speech;

/// What the simulators received since they started.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize)]
pub struct Received {
    /// The recogniser.
    pub stt: ServiceLog,
    /// The language model.
    pub llm: ServiceLog,
    /// The voices.
    pub tts: ServiceLog,
}

/// What one service received.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize)]
pub struct ServiceLog {
    /// Requests and connections, refused ones too.
    pub requests: u64,
    /// Refused: wrong key, malformed, too many, or by a fault.
    pub refused: u64,
    /// Served to their end.
    pub completed: u64,
    /// Given up by the client before their end, or cut by a fault.
    pub broken_off: u64,
    /// The last text: of the recogniser the last final, of the model the last user message, of the voice the last text.
    pub last_text: String,
    /// Messages of each kind from the client (recogniser: `Audio`, `KeepAlive`, `Finalize`, `CloseStream`).
    pub messages: BTreeMap<&'static str, u64>,
}

/// What all simulators of one listener share.
#[derive(Debug)]
pub(super) struct State {
    pub(super) config: SimulatorConfig,
    pub(super) alarm: Alarm,
    pub(super) faults: Faults,
    /// The place in the script when all connections share one.
    pub(super) lines: Lines,
    /// Sessions of the Gladia-like recogniser without a connection.
    pub(super) gladia: gladia::Sessions,
    /// What befalls the recogniser's open streams.
    pub(super) orders: broadcast::Sender<Order>,
    /// The different requests the model has had.
    requests: Arc<Requests>,
    /// Streams of speech begun so far.
    voices: Arc<AtomicU64>,
    sessions: Arc<Semaphore>,
    received: Mutex<Received>,
    ids: AtomicU64,
    connections: AtomicU64,
    stopped: watch::Receiver<()>,
}

impl State {
    /// The state of a listener that runs until the sender of `stopped` is gone.
    pub(super) fn new(config: SimulatorConfig, stopped: watch::Receiver<()>) -> io::Result<Self> {
        let faults = Faults::default();
        for fault in &config.faults {
            if !faults.add(*fault) {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "too many faults, or one for a tool"));
            }
        }
        Ok(Self {
            lines: Lines::new(Arc::new(config.recogniser.script.clone())),
            gladia: gladia::Sessions::default(),
            orders: broadcast::Sender::new(ORDERS),
            requests: Arc::default(),
            voices: Arc::default(),
            sessions: Arc::new(Semaphore::new(config.sessions.min(Semaphore::MAX_PERMITS))),
            alarm: Alarm::start()?,
            faults,
            received: Mutex::default(),
            ids: AtomicU64::new(1),
            connections: AtomicU64::new(0),
            stopped,
            config,
        })
    }

    /// Counts requests and voices together with `other`; requests only if `requests`.
    pub(super) fn count_with(&mut self, other: &Self, requests: bool) {
        self.voices = Arc::clone(&other.voices);
        if requests {
            self.requests = Arc::clone(&other.requests);
        }
    }

    /// Waits for the end of the simulators.
    pub(super) async fn stopped(&self) {
        let mut stopped = self.stopped.clone();
        // Nothing is ever sent: the channel closes.
        while stopped.changed().await.is_ok() {}
    }

    /// A name no other request of this listener has, shaped like a UUID.
    pub(super) fn request_id(&self) -> String {
        let n = self.ids.fetch_add(1, Ordering::Relaxed);
        format!("51a0{:04x}-0000-4000-8000-{:012x}", n >> 48, n & 0xFFFF_FFFF_FFFF)
    }

    /// A client has connected.
    pub(super) fn note_connection(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// Connections accepted so far.
    pub(super) fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// The different requests the model has had.
    pub(super) fn requests(&self) -> &Requests {
        &self.requests
    }

    /// `text` as the voice of the `stream`-th stream of speech says it.
    pub(super) fn speech(&self, text: &str, voice: &str, speed: f32, rate: SampleRate, stream: u64) -> Speech {
        match &self.config.voice.tones {
            None => Speech::plan(text, voice, speed, rate),
            Some(tones) => Speech::tones(text, tones, stream, rate),
        }
    }

    /// Which stream of speech this is, from 0.
    pub(super) fn voice_number(&self) -> u64 {
        self.voices.fetch_add(1, Ordering::Relaxed)
    }

    /// Everything received so far.
    pub(super) fn received(&self) -> Received {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes something about a service.
    pub(super) fn note(&self, service: Service, note: impl FnOnce(&mut ServiceLog)) {
        let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        match service {
            Service::Stt => note(&mut received.stt),
            Service::Llm => note(&mut received.llm),
            Service::Tts => note(&mut received.tts),
            Service::Tool => {}
        }
    }

    /// Lets a request in, or says why not. `key` is the one it brought.
    pub(super) fn admit(self: &Arc<Self>, service: Service, key: Key<'_>) -> Result<Session, Refusal> {
        let now = Instant::now();
        self.note(service, |log| log.requests += 1);
        let trouble = self.faults.take(service, now);
        let refusal = match (trouble.status(), key, &self.config.key) {
            (Some(status), ..) => Some(Refusal::Status(status)),
            (None, Key::Later, _) => None,
            (None, Key::Given(None | Some("")), _) => Some(Refusal::NoKey),
            (None, Key::Given(Some(given)), Some(wanted)) if given != wanted => Some(Refusal::WrongKey),
            _ => None,
        };
        let permit = Arc::clone(&self.sessions).try_acquire_owned();
        match (refusal, permit) {
            (None, Ok(permit)) => {
                Ok(Session { state: Arc::clone(self), service, trouble, at: now, ended: false, _permit: permit })
            }
            (refusal, _) => {
                self.note(service, |log| log.refused += 1);
                Err(refusal.unwrap_or(Refusal::TooMany))
            }
        }
    }
}

/// The key of a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Key<'a> {
    /// In its head, or missing there.
    Given(Option<&'a str>),
    /// It may still come, in a first message.
    Later,
}

impl<'a> Key<'a> {
    /// The key of `Authorization: <scheme> <key>`, in any of `schemes`.
    pub(super) fn authorization(headers: &'a HeaderMap, schemes: &[&str]) -> Option<&'a str> {
        let (scheme, key) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
        schemes.iter().any(|known| known.eq_ignore_ascii_case(scheme)).then(|| key.trim())
    }
}

/// Why a request is not served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Refusal {
    /// A fault says so.
    Status(u16),
    /// It brought no key.
    NoKey,
    /// It brought another key than the one.
    WrongKey,
    /// Too many are being served.
    TooMany,
}

impl Refusal {
    /// The HTTP status.
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Status(status) => StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            Self::NoKey | Self::WrongKey => StatusCode::UNAUTHORIZED,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
        }
    }
}

/// One request or connection being served. Counted as broken off unless [`Session::complete`] was called.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) state: Arc<State>,
    pub(super) service: Service,
    pub(super) trouble: Trouble,
    /// When it came.
    pub(super) at: Instant,
    ended: bool,
    _permit: OwnedSemaphorePermit,
}

impl Session {
    /// Waits until it may be answered.
    pub(super) async fn connect(&self) {
        if let Some(due) = self.trouble.answer_due() {
            self.state.alarm.until(due).await;
        }
    }

    /// It was served to its end.
    pub(super) fn complete(&mut self) {
        if !self.ended {
            self.state.note(self.service, |log| log.completed += 1);
        }
        self.ended = true;
    }

    /// It was refused after all.
    pub(super) fn refuse(&mut self) {
        if !self.ended {
            self.state.note(self.service, |log| log.refused += 1);
        }
        self.ended = true;
    }

    /// Notes the text it is about.
    pub(super) fn note_text(&self, text: &str) {
        let text: String = text.chars().take(LONGEST_NOTE).collect();
        self.state.note(self.service, |log| log.last_text = text);
    }

    /// Waits until `due`, when the unit after `sent` others may be sent, or until its trouble cuts it off.
    pub(super) async fn pace(&self, sent: u32, due: Instant) -> Result<(), Cut> {
        match self.trouble.cut_due() {
            Some((at, cut)) if at <= due => {
                self.state.alarm.until(at).await;
                Err(cut)
            }
            _ => {
                self.state.alarm.until(due).await;
                self.trouble.cut_after(sent).map_or(Ok(()), Err)
            }
        }
    }

    /// A response whose body `work` writes while it is being sent. It ends early when the client leaves.
    pub(super) fn stream<F>(self, content_type: &'static str, work: impl FnOnce(Arc<Self>, Outlet) -> F) -> Response
    where
        F: Future<Output = Result<(), Cut>> + Send + 'static,
    {
        let (pieces, body) = mpsc::channel(Outlet::PIECES);
        let session = Arc::new(self);
        let work = work(Arc::clone(&session), Outlet(pieces.clone()));
        tokio::spawn(async move {
            let served = tokio::select! {
                end = work => end,
                () = pieces.closed() => return,
                () = session.state.stopped() => return,
            };
            match served {
                Ok(()) => {
                    // `work` held the other reference and is gone.
                    if let Ok(mut session) = Arc::try_unwrap(session) {
                        session.complete();
                    }
                }
                Err(Cut::Stall) => tokio::select! {
                    () = pieces.closed() => {}
                    () = session.state.stopped() => {}
                },
                // An error as body makes the server drop the connection, and with it what it has not yet written.
                Err(Cut::Drop) => {
                    while pieces.capacity() < Outlet::PIECES && !pieces.is_closed() {
                        tokio::task::yield_now().await;
                    }
                    session.state.alarm.until(Instant::now() + Outlet::WRITTEN).await;
                    drop(pieces.send(Err(io::Error::other("dropped on command"))).await);
                }
            }
        });
        let body = stream::unfold(body, |mut body| async move { body.recv().await.map(|piece| (piece, body)) });
        ([(header::CONTENT_TYPE, content_type)], Body::from_stream(body)).into_response()
    }

    /// Never answers, until the client or the simulators are gone.
    pub(super) async fn swallow(self) -> Response {
        self.state.stopped().await;
        StatusCode::SERVICE_UNAVAILABLE.into_response()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.ended {
            self.state.note(self.service, |log| log.broken_off += 1);
        }
    }
}

/// Where a streamed body is written.
#[derive(Clone, Debug)]
pub(super) struct Outlet(mpsc::Sender<Result<Bytes, io::Error>>);

impl Outlet {
    /// Pieces that may wait for a slow client.
    const PIECES: usize = 8;
    /// How long after it was taken a piece is surely on the wire.
    const WRITTEN: Duration = Duration::from_millis(2);

    /// Writes a piece. When the client is gone, the whole work is about to be dropped.
    pub(super) async fn send(&self, piece: impl Into<Bytes>) {
        // The stream's task sees the closed channel and ends.
        let _ = self.0.send(Ok(piece.into())).await;
    }
}

/// How long a stretch of `ms` takes at `speed` times real time.
pub(super) fn faster(ms: u32, speed: f64) -> Duration {
    Duration::from_secs_f64(f64::from(ms) / 1_000.0 / speed.clamp(0.1, 10_000.0))
}

/// Characters of a text that the log keeps.
const LONGEST_NOTE: usize = 2_000;
