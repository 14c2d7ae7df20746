//! The engine: admits, starts, lists and ends calls.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::sync::{mpsc, watch};

use super::driver::{Driver, Shared};
use super::files::Files;
use super::handle::{Request, random_bytes};
use super::registry::{Busy, Permit, Registry};
use super::stats::{Counters, EngineStats};
use super::threads::Threads;
use super::{CallHandle, CallId, Outcome, ServiceCounters, Start};
use crate::call::{EndReason, Event, EventKind, Report, SoundSpec};
use crate::conversation::Denoising;
use crate::gateway::LegCounters;
use crate::provider::{Cached, SoundCache, Tts};

/// How an engine is limited.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EngineConfig {
    /// The most calls at once; more are refused.
    pub max_calls: usize,
    /// What a refused caller is told to wait.
    pub retry_after: Duration,
    /// Threads that drive calls and do nothing else; 0: calls run as tasks of the runtime they are started in.
    pub media_threads: usize,
    /// With more calls than this at once, new ones are not cleaned of noise: a noisy call that is cleaned costs about a
    /// sixtieth of a core. Whoever asks for it in a live call gets it all the same.
    pub cleaned_calls: usize,
    /// Bytes of sound kept of lines that are said in every call as they stand (greeting, filler, apology and their like), by
    /// voice; 0: each is synthesised anew.
    pub kept_speech: usize,
}

impl Default for EngineConfig {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            max_calls: 200,
            retry_after: Duration::from_secs(5),
            media_threads: 0,
            cleaned_calls: 25 * cores,
            kept_speech: 0,
        }
    }
}

/// The body in real time: one task drives one call. Cheap to clone; the calls end when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Engine {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: EngineConfig,
    registry: Arc<Registry>,
    shared: Shared,
    threads: Threads,
    /// The sound of fixed lines; `None`: none is kept.
    speech: Option<Arc<SoundCache>>,
    serial: AtomicU64,
    stop: watch::Sender<bool>,
}

/// How long after `drain`'s deadline a call that was told to end is waited for: longer than its driver's own patience.
const STOP_TIMEOUT: Duration = Duration::from_secs(8);

impl Engine {
    /// An engine with no call.
    pub fn new(config: EngineConfig) -> Self {
        let threads = Threads::start(config.media_threads).unwrap_or_else(|error| {
            tracing::error!(%error, "no media threads: calls run as tasks");
            Threads::none()
        });
        let inner = Inner {
            registry: Registry::new(config.max_calls),
            speech: (config.kept_speech > 0).then(|| Arc::new(SoundCache::new(config.kept_speech))),
            config,
            shared: Shared { counters: Arc::new(Counters::new()), levels: Arc::default(), files: Files::start() },
            threads,
            serial: AtomicU64::new(0),
            stop: watch::Sender::new(false),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Room for one call, to be had before its line is opened.
    pub fn reserve(&self) -> Result<Permit, Busy> {
        self.inner.registry.reserve().ok_or_else(|| {
            self.inner.shared.counters.refused.fetch_add(1, Relaxed);
            Busy { retry_after: self.inner.config.retry_after }
        })
    }

    /// Starts a call in a task of its own, on a media thread if there are any. Must be called within a tokio runtime.
    pub fn start(&self, permit: Permit, mut start: Start) -> CallHandle {
        let inner = &self.inner;
        if start.call.seed == 0 {
            start.call.seed = u64::from_ne_bytes(random_bytes());
        }
        if !afford_cleaning(&mut start.call.sound, inner.registry.live(), inner.config.cleaned_calls) {
            tracing::info!(call = %start.id, limit = inner.config.cleaned_calls, "too many calls to clean this one of noise");
        }
        if let Some(cache) = &inner.speech {
            remember_lines(&mut start, cache);
        }
        let (requests, receiver) = mpsc::channel(CallHandle::REQUESTS);
        let (outcome, outcome_receiver) = watch::channel(None);
        let id = start.id.clone();
        let handle = CallHandle { id: id.clone(), requests, outcome: outcome_receiver };
        let serial = inner.serial.fetch_add(1, Relaxed);
        inner.registry.insert(handle.clone(), serial);
        inner.shared.counters.started.fetch_add(1, Relaxed);
        tracing::info!(call = %id, "call started");

        let (registry, shared) = (Arc::clone(&inner.registry), inner.shared.clone());
        let stop = inner.stop.subscribe();
        // Not detached: the permit it holds is what `drain` waits for.
        inner.threads.spawn(async move {
            let ended = drive(start, receiver, stop, &shared).await;
            let reason = ended.report.ended.map(|(_, reason)| reason.name());
            tracing::info!(call = %id, reason, "call ended");
            registry.remove(&id, serial);
            shared.counters.ended.fetch_add(1, Relaxed);
            drop(permit);
            outcome.send_replace(Some(Arc::new(ended)));
        });
        handle
    }

    /// Bytes of sound kept of fixed lines.
    pub fn kept_speech(&self) -> usize {
        self.inner.speech.as_ref().map_or(0, |cache| cache.bytes())
    }

    /// A live call; `None` when there is none of that name.
    pub fn get(&self, id: &CallId) -> Option<CallHandle> {
        self.inner.registry.get(id)
    }

    /// The live calls, oldest first.
    pub fn list(&self) -> Vec<CallHandle> {
        self.inner.registry.list()
    }

    /// Stops the engine: admits no call any more, lets the live ones finish until `deadline`, then ends them. Returns
    /// how many had to be ended.
    pub async fn drain(&self, deadline: Instant) -> usize {
        let registry = &self.inner.registry;
        registry.close();
        if registry.emptied(deadline).await {
            return 0;
        }
        let cut = registry.live();
        self.inner.stop.send_replace(true);
        if !registry.emptied(Instant::now() + STOP_TIMEOUT).await {
            tracing::error!(calls = registry.live(), "calls that do not end are left behind");
        }
        cut
    }

    /// What the engine has done so far.
    pub fn stats(&self) -> EngineStats {
        let Inner { registry, shared: Shared { counters, files, .. }, .. } = &*self.inner;
        let (mos_inbound, mos_outbound) = counters.scores();
        EngineStats {
            live: registry.live(),
            capacity: registry.capacity(),
            draining: registry.is_draining(),
            started: counters.started.load(Relaxed),
            refused: counters.refused.load(Relaxed),
            ended: counters.ended.load(Relaxed),
            panicked: counters.panicked.load(Relaxed),
            writes_dropped: files.dropped(),
            totals: counters.totals(),
            answer_delay: counters.answer_delay.snapshot(),
            silence_delay: counters.silence_delay.snapshot(),
            pacing_lateness: counters.pacing_lateness.snapshot(),
            mos_inbound,
            mos_outbound,
        }
    }
}

/// Leaves a call uncleaned that is the `live`th of which `most` may be cleaned; `false`: it was to be cleaned.
fn afford_cleaning(sound: &mut SoundSpec, live: usize, most: usize) -> bool {
    let is_refused = sound.denoising != Denoising::None && live > most;
    if is_refused {
        sound.denoising = Denoising::None;
    }
    !is_refused
}

/// Drives one call from beginning to end. A panic ends this call and no other.
async fn drive(
    start: Start,
    requests: mpsc::Receiver<Request>,
    stop: watch::Receiver<bool>,
    shared: &Shared,
) -> Outcome {
    let (id, began) = (start.id.clone(), Instant::now());
    let mut driver = None;
    // In a box: a task's future has room for each value it hands on, and a call is the largest there is.
    let run = async { driver.insert(Box::new(Driver::new(start, requests, stop, shared))).run().await };
    let panicked = AssertUnwindSafe(run).catch_unwind().await.is_err();
    if panicked {
        shared.counters.panicked.fetch_add(1, Relaxed);
        tracing::error!(call = %id, "the call was ended by a bug in the engine, other calls go on");
    }
    let summed_up = match driver {
        Some(driver) => AssertUnwindSafe(driver.finish(panicked)).catch_unwind().await.ok(),
        None => None,
    };
    summed_up.unwrap_or_else(|| {
        let (at, reason) = (began.elapsed(), EndReason::ServiceFailure);
        Outcome {
            report: Report { ended: Some((at, reason)), ..Report::default() },
            leg: LegCounters::default(),
            services: ServiceCounters::default(),
            costs: Vec::new(),
            events: vec![Event { at, kind: EventKind::Ended { reason } }],
        }
    })
}

/// Has a call's voices say its fixed lines from memory.
fn remember_lines(start: &mut Start, cache: &Arc<SoundCache>) {
    let lines: Arc<[String]> = start.call.dialogue.fixed_lines().into();
    let cached = |voice: &Arc<dyn Tts>| -> Arc<dyn Tts> {
        Arc::new(Cached::new(Arc::clone(voice), Arc::clone(cache), Arc::clone(&lines)))
    };
    start.providers.tts = cached(&start.providers.tts);
    if let Some((voice, _)) = &mut start.standby.tts {
        *voice = cached(voice);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_calls_task_has_no_room_for_the_call_itself() {
        fn size<F: Future>(
            _: fn(Start, mpsc::Receiver<Request>, watch::Receiver<bool>, &'static Shared) -> F,
        ) -> usize {
            size_of::<F>()
        }
        let task = size(drive);
        assert!(task < size_of::<Driver>() / 2, "{task} bytes beside {} of the call", size_of::<Driver>());
    }

    #[test]
    fn beyond_so_many_calls_a_new_one_is_not_cleaned() {
        for (live, wanted, expected) in [
            (2, Denoising::Noise, Denoising::Noise),
            (3, Denoising::Noise, Denoising::None),
            (3, Denoising::NoiseAndSpeech, Denoising::None),
            (3, Denoising::None, Denoising::None),
        ] {
            let mut sound = SoundSpec { denoising: wanted, auto_gain: true, ..SoundSpec::default() };
            assert_eq!(afford_cleaning(&mut sound, live, 2), wanted == expected, "{live} {wanted:?}");
            assert_eq!((sound.denoising, sound.auto_gain), (expected, true));
        }
    }
}
