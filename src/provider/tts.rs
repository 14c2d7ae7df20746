//! Text to speech.

use std::fmt;
use std::ops::RangeInclusive;

use tokio::sync::mpsc;

use crate::audio::SampleRate;
use crate::conversation::WordTime;

use super::{AbortOnDrop, ProviderError};

/// A voice.
pub trait Tts: Send + Sync + fmt::Debug {
    /// Opens a stream for one reply. Connecting happens behind the stream.
    fn open(&self, spec: TtsSpec) -> TtsStream;

    /// The speeds at which it can speak by itself; what lies beyond is made of its sound. Without a word of its own: any
    /// that may be asked for.
    fn speeds(&self, _spec: &TtsSpec) -> RangeInclusive<f32> {
        0.0..=f32::MAX
    }

    /// Whose voice that is, vendor, model and voice in one, to know it again in another call; `None`: nothing is kept of
    /// it.
    fn voice_name(&self, _spec: &TtsSpec) -> Option<String> {
        None
    }

    /// Gets a connection ready for the first reply of a call that has just begun. Costs nothing, fails silently and
    /// returns at once; may be called for every call.
    fn warm(&self) {}
}

/// How to speak.
#[derive(Clone, PartialEq, Debug)]
pub struct TtsSpec {
    /// The vendor's voice id; `None`: the provider's configured default.
    pub voice: Option<String>,
    /// BCP 47 language, `en-US`.
    pub language: String,
    /// 1.0 is the voice's own speed.
    pub speed: f32,
    /// The rate the line wants; a voice that cannot deliver it delivers another and says so with its audio.
    pub rate: SampleRate,
}

/// What the owner tells the task behind a [`TtsStream`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TtsCommand {
    /// Speak this next.
    Speak(String),
    /// No more text comes.
    End,
}

/// What a voice tells.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum TtsEvent {
    /// Sound, in order.
    Audio {
        /// Mono samples.
        samples: Vec<i16>,
        /// Their rate.
        rate: SampleRate,
    },
    /// When words are spoken; counted from the stream's first sample and first byte of text.
    Words(Vec<WordTime>),
    /// All sound was delivered.
    Ended,
    /// No more sound will come.
    Failed(ProviderError),
}

/// One reply being spoken. Dropping it stops the voice.
#[derive(Debug)]
pub struct TtsStream {
    commands: mpsc::Sender<TtsCommand>,
    events: mpsc::Receiver<TtsEvent>,
    _task: AbortOnDrop,
}

impl TtsStream {
    /// More segments than any answer has at once; a fuller queue is refused.
    pub const COMMANDS: usize = 256;
    /// Chunks that may wait while the playout is full; the vendor is then held back by its socket.
    pub const EVENTS: usize = 16;

    /// A stream whose `task` reads the commands and writes the events.
    pub fn spawn<F>(task: impl FnOnce(mpsc::Receiver<TtsCommand>, mpsc::Sender<TtsEvent>) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (commands, command_receiver) = mpsc::channel(Self::COMMANDS);
        let (event_sender, events) = mpsc::channel(Self::EVENTS);
        Self { commands, events, _task: AbortOnDrop::spawn(task(command_receiver, event_sender)) }
    }

    /// Hands over text; `false` when the queue is full or the task has ended.
    pub fn speak(&mut self, text: String) -> bool {
        self.commands.try_send(TtsCommand::Speak(text)).is_ok()
    }

    /// No more text comes; `false` when the queue is full or the task has ended.
    pub fn end(&mut self) -> bool {
        self.commands.try_send(TtsCommand::End).is_ok()
    }

    /// The next event; `None` after the last. Cancel-safe.
    pub async fn recv(&mut self) -> Option<TtsEvent> {
        self.events.recv().await
    }
}
