//! The three services a call sees, in front of the one session behind them.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::{mpsc, oneshot};

use crate::audio::SampleRate;
use crate::conversation::Failure;
use crate::provider::pcm::SampleReader;
use crate::provider::{
    Llm, LlmEvent, LlmRequest, LlmStream, ProviderError, Stt, SttCommand, SttEvent, SttSpec, SttStream, Tts,
    TtsCommand, TtsEvent, TtsSpec, TtsStream,
};

use super::session::Session;
use super::{Service, VENDOR};

/// What an end wants of the session.
#[derive(Debug)]
pub(super) enum Order {
    /// Somebody listens to the caller's words.
    Hear(SttSpec, mpsc::Sender<SttEvent>),
    /// More of the caller's sound, or the wish for what there is.
    Caller(SttCommand),
    /// An answer is wanted under this number.
    Answer(u64, LlmRequest, mpsc::Sender<LlmEvent>),
    /// Nobody wants that answer any more.
    GiveUp(u64),
    /// These words are to be spoken: if they are of an answer, its sound is handed over.
    Speak(String, TtsSpec, oneshot::Sender<Option<mpsc::Receiver<Sound>>>),
    /// This is to be read aloud.
    Say(u64, String, mpsc::Sender<Sound>),
}

/// Sound of an answer.
#[derive(Clone, Debug)]
pub(super) enum Sound {
    /// More of it, as it came, and its rate: µ-law at 8 kHz, 16-bit samples at 24 kHz.
    Piece(Vec<u8>, SampleRate),
    /// It is complete.
    End,
    /// It will not be completed.
    Failed(ProviderError),
}

/// Orders that may wait: two seconds of sound, and whatever else is wanted meanwhile.
const ORDERS: usize = 128;
/// Words, sound or transcripts that may wait between the session and an end: more than one answer has.
pub(super) const WAITING: usize = 4_096;

/// All three ends in one.
pub(super) struct End {
    service: Arc<Service>,
    session: OnceLock<mpsc::Sender<Order>>,
    numbers: AtomicU64,
}

impl fmt::Debug for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("End").field("model", &self.service.config.model).finish_non_exhaustive()
    }
}

impl End {
    /// The ends of a call that has not begun.
    pub(super) fn new(service: Arc<Service>) -> Self {
        Self { service, session: OnceLock::new(), numbers: AtomicU64::new(1) }
    }

    /// Where orders go. The session runs from the first of them until nobody can give any more.
    fn orders(&self) -> mpsc::Sender<Order> {
        let start = || {
            let (orders, inbox) = mpsc::channel(ORDERS);
            tokio::spawn(Session::new(Arc::clone(&self.service), inbox).run());
            orders
        };
        self.session.get_or_init(start).clone()
    }

    fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }
}

impl Stt for End {
    fn open(&self, spec: SttSpec) -> SttStream {
        let orders = self.orders();
        SttStream::spawn(move |mut commands, events| async move {
            let (heard, mut hears) = mpsc::channel(WAITING);
            if orders.send(Order::Hear(spec, heard)).await.is_err() {
                return;
            }
            loop {
                tokio::select! {
                    command = commands.recv() => {
                        let Some(command) = command else { return };
                        if orders.send(Order::Caller(command)).await.is_err() {
                            return;
                        }
                    }
                    event = hears.recv() => {
                        let Some(event) = event else { return };
                        if events.send(event).await.is_err() {
                            return;
                        }
                    }
                }
            }
        })
    }
}

/// Gives an answer up when it is dropped.
struct GiveUp(mpsc::Sender<Order>, u64);

impl Drop for GiveUp {
    fn drop(&mut self) {
        // A session whose inbox is full notices that nobody reads the answer.
        let _ = self.0.try_send(Order::GiveUp(self.1));
    }
}

impl Llm for End {
    fn open(&self, request: LlmRequest) -> LlmStream {
        let (orders, number) = (self.orders(), self.number());
        LlmStream::spawn(move |events| async move {
            let (words, mut answer) = mpsc::channel(WAITING);
            let _asked = GiveUp(orders.clone(), number);
            if orders.send(Order::Answer(number, request, words)).await.is_ok() {
                while let Some(event) = answer.recv().await {
                    let is_last = matches!(event, LlmEvent::Ended { .. } | LlmEvent::Failed(_));
                    if events.send(event).await.is_err() || is_last {
                        return;
                    }
                }
            }
            // Nobody may listen.
            let _ = events.send(LlmEvent::Failed(gone())).await;
        })
    }
}

impl Tts for End {
    fn open(&self, spec: TtsSpec) -> TtsStream {
        let (orders, number) = (self.orders(), self.number());
        TtsStream::spawn(move |mut commands, events| async move {
            let last = match speak(&orders, number, spec, &mut commands, &events).await {
                Ok(()) => TtsEvent::Ended,
                Err(error) => TtsEvent::Failed(error),
            };
            // Nobody may listen.
            let _ = events.send(last).await;
        })
    }

    /// The model's pace is its own.
    fn speeds(&self, _spec: &TtsSpec) -> RangeInclusive<f32> {
        1.0..=1.0
    }

    fn voice_name(&self, spec: &TtsSpec) -> Option<String> {
        let config = &self.service.config;
        Some(format!("openai realtime {} {}", config.model, spec.voice.as_ref().unwrap_or(&config.voice)))
    }
}

/// Speaks one reply: the sound of the answer it is of, or the text read aloud.
async fn speak(
    orders: &mpsc::Sender<Order>,
    number: u64,
    spec: TtsSpec,
    commands: &mut mpsc::Receiver<TtsCommand>,
    events: &mpsc::Sender<TtsEvent>,
) -> Result<(), ProviderError> {
    let mut text = String::new();
    while text.trim().is_empty() {
        match commands.recv().await {
            Some(TtsCommand::Speak(more)) => text.push_str(&more),
            Some(TtsCommand::End) | None => return Ok(()),
        }
    }
    let (tell, told) = oneshot::channel();
    orders.send(Order::Speak(text.clone(), spec, tell)).await.map_err(|_| gone())?;
    // What is read aloud is known to its end.
    let mut has_text = false;
    let mut sound = match told.await.map_err(|_| gone())? {
        Some(sound) => {
            has_text = true;
            sound
        }
        None => {
            while let Some(TtsCommand::Speak(more)) = commands.recv().await {
                text.push_str(&more);
            }
            let (tell, sound) = mpsc::channel(WAITING);
            orders.send(Order::Say(number, text, tell)).await.map_err(|_| gone())?;
            sound
        }
    };
    let _said = GiveUp(orders.clone(), number);
    let mut reader = SampleReader::default();
    loop {
        let piece = tokio::select! {
            piece = sound.recv() => piece,
            // The words of an answer are known already.
            more = commands.recv(), if has_text => {
                has_text = matches!(more, Some(TtsCommand::Speak(_)));
                continue;
            }
        };
        match piece {
            Some(Sound::Piece(bytes, rate)) => {
                let samples = match rate {
                    SampleRate::HZ_8000 => bytes.into_iter().map(crate::audio::g711::ulaw_to_linear).collect(),
                    _ => reader.push(&bytes),
                };
                if events.send(TtsEvent::Audio { samples, rate }).await.is_err() {
                    return Ok(());
                }
            }
            Some(Sound::End) => {
                // Words may still come that were spoken long ago.
                while has_text {
                    has_text = matches!(commands.recv().await, Some(TtsCommand::Speak(_)));
                }
                return Ok(());
            }
            Some(Sound::Failed(error)) => return Err(error),
            None => return Err(gone()),
        }
    }
}

fn gone() -> ProviderError {
    VENDOR.failure(Failure::Unavailable, "the session is over")
}
