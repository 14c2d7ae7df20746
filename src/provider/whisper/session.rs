//! The task behind one stream: one utterance after another, while the caller goes on.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::Instant;

use crate::conversation::{Failure, TranscriptKind};
use crate::provider::listening::{UNTOLD_CONFIDENCE, words};
use crate::provider::stt::count_dropped_audio;
use crate::provider::{ProviderError, SttCommand, SttEvent, SttSpec};

use super::slicer::{Slicer, Utterance};
use super::{Service, VENDOR};

/// One call's recognition.
pub(super) struct Session {
    service: Arc<Service>,
    spec: SttSpec,
    slicer: Slicer,
    /// Utterances that wait, the first of them for its answer.
    waiting: VecDeque<Arc<Utterance>>,
    /// Since when no utterance was answered though one was sent, and how often it was tried.
    outage: Option<(Instant, u32)>,
    commands: Receiver<SttCommand>,
    events: Sender<SttEvent>,
}

/// Why something stopped.
enum Stop {
    /// Nobody listens any more.
    Over,
    /// It cannot go on.
    Failed(ProviderError),
}

/// The exchange under way, or the pause before the next try.
type Exchange = BoxFuture<'static, Result<String, ProviderError>>;

impl Session {
    /// A session for one stream.
    pub(super) fn new(
        service: Arc<Service>,
        spec: SttSpec,
        commands: Receiver<SttCommand>,
        events: Sender<SttEvent>,
    ) -> Self {
        let slicer = Slicer::new(spec.rate);
        Self { service, spec, slicer, waiting: VecDeque::new(), outage: None, commands, events }
    }

    /// Listens until nobody wants to know any more or it cannot go on.
    pub(super) async fn run(mut self) {
        if let Err(Stop::Failed(error)) = self.listen().await {
            // Fails only when nobody listens.
            let _ = self.events.send(SttEvent::Failed(error)).await;
        }
    }

    async fn listen(&mut self) -> Result<std::convert::Infallible, Stop> {
        let mut exchange: Option<Exchange> = None;
        loop {
            if exchange.is_none() {
                exchange = self.waiting.front().cloned().map(|utterance| self.exchange(utterance, Duration::ZERO));
            }
            let answered = async {
                match &mut exchange {
                    Some(exchange) => exchange.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                command = self.commands.recv() => self.take(command.ok_or(Stop::Over)?).await?,
                answer = answered => exchange = self.answered(answer).await?,
            }
        }
    }

    /// Asks for the words of an utterance, after a pause.
    fn exchange(&self, utterance: Arc<Utterance>, pause: Duration) -> Exchange {
        let (service, spec) = (Arc::clone(&self.service), self.spec.clone());
        async move {
            tokio::time::sleep(pause).await;
            service.transcribe(&spec, &utterance.samples).await
        }
        .boxed()
    }

    /// Takes a command. The first utterance that waits stays the first: it is under way.
    async fn take(&mut self, command: SttCommand) -> Result<(), Stop> {
        let utterance = match command {
            SttCommand::Audio { rate, samples } if rate == self.spec.rate => self.slicer.push(&samples),
            SttCommand::Audio { rate, .. } => {
                let what = format!("{}: was opened for sound at {:?} and given {rate:?}", VENDOR.name, self.spec.rate);
                return Err(Stop::Failed(ProviderError::new(Failure::BadRequest, what)));
            }
            SttCommand::Finalize => match self.slicer.cut() {
                // What waits will be the answer.
                None if self.waiting.is_empty() => return self.tell("", None).await,
                utterance => utterance,
            },
        };
        if let Some(utterance) = utterance {
            if self.waiting.len() > MOST_WAITING {
                self.waiting.remove(1);
                count_dropped_audio();
            }
            self.waiting.push_back(Arc::new(utterance));
        }
        Ok(())
    }

    /// Takes the answer for the first utterance that waits; gives the next try if there is to be one.
    async fn answered(&mut self, answer: Result<String, ProviderError>) -> Result<Option<Exchange>, Stop> {
        let error = match answer {
            Ok(text) => {
                self.outage = None;
                let end = self.waiting.pop_front().map(|utterance| utterance.end);
                self.tell(&text, end).await?;
                return Ok(None);
            }
            Err(error) => error,
        };
        tracing::info!(%error, "an utterance got no words");
        let now = Instant::now();
        let (since, tries) = self.outage.unwrap_or((now, 0));
        let pause = FIRST_PAUSE.saturating_mul(1 << tries.min(2));
        let may_pass = match error.kind {
            Failure::RateLimit | Failure::Unavailable | Failure::Timeout => now + pause < since + PATIENCE,
            // A proxy's page may stand in once for the service, not twice.
            Failure::Protocol => tries == 0,
            Failure::Auth | Failure::Quota | Failure::BadRequest => false,
        };
        if !may_pass {
            return Err(Stop::Failed(error));
        }
        self.outage = Some((since, tries + 1));
        Ok(self.waiting.front().cloned().map(|utterance| self.exchange(utterance, pause)))
    }

    async fn tell(&mut self, text: &str, end: Option<Duration>) -> Result<(), Stop> {
        let event = SttEvent::Transcript(words(TranscriptKind::Final, text, UNTOLD_CONFIDENCE, end));
        self.events.send(event).await.map_err(|_| Stop::Over)
    }
}

/// Utterances that may wait behind the one under way: of a server that is so slow the oldest are given up.
const MOST_WAITING: usize = 4;
/// How long utterances may get no words before nobody waits any more.
const PATIENCE: Duration = Duration::from_secs(9);
/// The pause after the first failure; twice as long after the second, and so on up to a second.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
