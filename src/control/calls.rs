//! The calls of this server, live and over.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::task::JoinSet;

use crate::engine::{
    Busy, CallHandle, CallId, CallSpec, Direction, Engine, Leg, Outcome, Permit, Pii, RecordingFormat, RecordingSpec,
    Start, Subscription, Timing,
};
use crate::store::{CallRecord, EventRecord, Store};

use super::record::Facts;
use super::{Agent, Catalogue};

/// Starts calls, finds them, and keeps the record of each when it ends.
#[derive(Debug)]
pub struct Calls {
    engine: Engine,
    store: Arc<Store>,
    recordings: Option<Recordings>,
    logs: Option<PathBuf>,
    catalogue: Arc<Catalogue>,
    live: Live,
    /// One task a live call: it waits for the end and stores the record. Dropping them all with `Calls` loses nothing
    /// but what nobody could ask for any more.
    keepers: Mutex<JoinSet<()>>,
}

/// Where recordings are kept, and as what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recordings {
    /// The directory.
    pub directory: PathBuf,
    /// How their sound is written.
    pub format: RecordingFormat,
}

type Live = Arc<Mutex<BTreeMap<String, Arc<LiveCall>>>>;

/// Who is on the line, and how.
#[derive(Clone, Debug)]
pub struct Party {
    /// Who called whom.
    pub direction: Direction,
    /// The calling number; empty when it is not known.
    pub from: Pii<String>,
    /// The called number; empty when it is not known.
    pub to: Pii<String>,
    /// How the sound travels: `rtp`, `twilio` …
    pub transport: &'static str,
    /// What the carrier calls its stream, and the call.
    pub carrier: Option<CarrierNames>,
}

/// What a carrier calls a stream and its call: the way from our record to theirs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CarrierNames {
    /// Of the stream.
    pub stream_sid: String,
    /// Of the call.
    pub call_sid: String,
}

/// A call under way.
#[derive(Debug)]
pub struct LiveCall {
    handle: CallHandle,
    facts: Facts,
}

/// A call that was looked for.
#[derive(Clone, Debug)]
pub enum Found {
    /// It is under way.
    Live(Arc<LiveCall>),
    /// It is over.
    Over(Arc<CallRecord>),
}

/// Which calls are wanted; `None` means all.
#[derive(Clone, Default, Debug)]
pub struct Filter {
    /// Of this status.
    pub status: Option<String>,
    /// In this direction.
    pub direction: Option<String>,
    /// Web calls only, or telephone calls only.
    pub web: Option<bool>,
    /// Answered by this agent.
    pub agent: Option<String>,
    /// With this in one of the numbers.
    pub search: Option<Pii<String>>,
}

impl Calls {
    /// No calls yet. Recordings and call logs of calls to come go to these directories.
    pub fn new(
        engine: Engine,
        store: Arc<Store>,
        recordings: Option<Recordings>,
        logs: Option<PathBuf>,
        catalogue: Arc<Catalogue>,
    ) -> Self {
        Self { engine, store, recordings, logs, catalogue, live: Live::default(), keepers: Mutex::default() }
    }

    /// The engine that holds the calls.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What is known of the services.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// The records of ended calls.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Room for one call, taken before its line is opened.
    ///
    /// # Errors
    ///
    /// [`Busy`] when there is none.
    pub fn reserve(&self) -> Result<Permit, Busy> {
        self.engine.reserve()
    }

    /// Starts a call on an open line.
    pub fn start(&self, permit: Permit, agent: &Agent, leg: Leg, party: Party) -> Arc<LiveCall> {
        let id = CallId::random();
        let file = |directory: &PathBuf, kind: &str| directory.join(format!("{id}.{kind}"));
        let recording = self
            .recordings
            .as_ref()
            .filter(|_| agent.options.record)
            .map(|kept| RecordingSpec { path: file(&kept.directory, kept.format.extension()), format: kept.format });
        let log = self.logs.as_ref().map(|directory| file(directory, "log"));
        let (stream_sid, call_sid) = party.carrier.map(|names| (names.stream_sid, names.call_sid)).unzip();
        let facts = Facts {
            id: id.to_string(),
            agent_id: agent.profile.id.clone(),
            agent_name: agent.profile.name.clone(),
            direction: party.direction.name(),
            from: party.from,
            to: party.to,
            transport: party.transport,
            codec: leg.codec.name(),
            local: leg.local.map(|local| local.to_string()),
            stream_sid,
            call_sid,
            started: SystemTime::now(),
            recording: recording.as_ref().and_then(|to| to.path.file_name()).map(|n| n.to_string_lossy().into_owned()),
            catalogue: Arc::clone(&self.catalogue),
        };
        let mut dialogue = agent.dialogue.clone();
        dialogue.direction = party.direction;
        dialogue.voicemail_message = agent.options.voicemail_message.clone();
        dialogue.screening = agent.screening();
        // What the recogniser needs, unless somebody has said what it is to be given.
        if dialogue.timing.final_wait == Timing::default().final_wait {
            dialogue.timing.final_wait = agent.providers.stt.final_wait();
        }
        let start = Start {
            id,
            // The engine takes the line from the leg, and draws the seed.
            call: CallSpec { sound: agent.options.sound, ..CallSpec::new(dialogue) },
            leg,
            providers: agent.providers.clone(),
            stt: agent.stt.clone(),
            llm: agent.llm.clone(),
            tts: agent.tts.clone(),
            standby: agent.standby.clone(),
            recording,
            log,
        };
        let call = Arc::new(LiveCall { handle: self.engine.start(permit, start), facts });
        lock(&self.live).insert(call.facts.id.clone(), Arc::clone(&call));
        self.keep(Arc::clone(&call));
        call
    }

    /// The call of this name.
    pub fn find(&self, id: &str) -> Option<Found> {
        // A call is stored before it leaves the live ones: in this order it cannot be missed.
        if let Some(call) = lock(&self.live).get(id) {
            return Some(Found::Live(Arc::clone(call)));
        }
        self.store.call(id).map(Found::Over)
    }

    /// A page of the calls that `filter` wants, newest first, and how many there are in all.
    pub async fn page(&self, filter: &Filter, offset: usize, limit: usize) -> (Vec<Arc<CallRecord>>, usize) {
        let live: Vec<_> = lock(&self.live).values().filter(|call| filter.wants_live(&call.facts)).cloned().collect();
        let mut all: Vec<Found> = live.into_iter().map(Found::Live).collect();
        let known: std::collections::BTreeSet<String> = all.iter().map(|found| found.id().to_owned()).collect();
        let over = self.store.calls(|call| filter.wants(call) && !known.contains(&call.id));
        all.extend(over.into_iter().map(Found::Over));
        all.sort_by(|a, b| b.started().cmp(&a.started()).then_with(|| b.id().cmp(a.id())));
        let total = all.len();
        let mut page = Vec::new();
        for found in all.into_iter().skip(offset).take(limit) {
            page.push(found.record().await);
        }
        (page, total)
    }

    /// Waits until the record of every call is stored. Call it when no call can start any more.
    pub async fn settled(&self) {
        let mut keepers = std::mem::take(&mut *lock(&self.keepers));
        while keepers.join_next().await.is_some() {}
    }

    fn keep(&self, call: Arc<LiveCall>) {
        let (live, store) = (Arc::clone(&self.live), Arc::clone(&self.store));
        let mut keepers = lock(&self.keepers);
        while keepers.try_join_next().is_some() {}
        keepers.spawn(async move {
            let outcome = call.handle.ended().await;
            store.insert(call.over(&outcome));
            lock(&live).remove(&call.facts.id);
        });
    }
}

impl LiveCall {
    /// How long the engine may take to tell a call's record.
    const PATIENCE: Duration = Duration::from_secs(2);

    /// Its name.
    pub fn id(&self) -> &str {
        &self.facts.id
    }

    /// The agent that answers it.
    pub fn agent_id(&self) -> &str {
        &self.facts.agent_id
    }

    /// When it began.
    pub fn started(&self) -> SystemTime {
        self.facts.started
    }

    /// Steers it and watches it.
    pub fn handle(&self) -> &CallHandle {
        &self.handle
    }

    /// Its record so far, or the whole of it when it is over by now.
    pub async fn record(&self) -> CallRecord {
        let report = async {
            match self.handle.report().await {
                Some(account) => self.facts.live(&account),
                None => self.over(&*self.handle.ended().await),
            }
        };
        match tokio::time::timeout(Self::PATIENCE, report).await {
            Ok(record) => record,
            // A driver that does not answer is late, not gone: show what is known without it.
            Err(_) => self.facts.live(&Default::default()),
        }
    }

    /// Its whole record, once it is over.
    pub async fn ended(&self) -> CallRecord {
        self.over(&*self.handle.ended().await)
    }

    /// Its events: those that were, as they are told, and those to come; `None` when it is over.
    pub async fn subscribe(&self) -> Option<Subscription> {
        self.handle.subscribe().await
    }

    /// An event as it is told; `None` for the end, which [`wire::Ended`](super::wire::Ended) tells.
    pub fn tell(&self, event: &crate::engine::Event) -> Option<EventRecord> {
        self.facts.event(event)
    }

    fn over(&self, outcome: &Outcome) -> CallRecord {
        self.facts.over(outcome, SystemTime::now())
    }
}

impl Found {
    fn id(&self) -> &str {
        match self {
            Self::Live(call) => call.id(),
            Self::Over(record) => &record.id,
        }
    }

    fn started(&self) -> SystemTime {
        match self {
            Self::Live(call) => call.started(),
            Self::Over(record) => record.started,
        }
    }

    /// The call's record, so far or whole.
    pub async fn record(&self) -> Arc<CallRecord> {
        match self {
            Self::Live(call) => Arc::new(call.record().await),
            Self::Over(record) => Arc::clone(record),
        }
    }
}

impl Filter {
    fn wants(&self, call: &CallRecord) -> bool {
        self.wants_of(&call.status, &call.direction, &call.agent_id, [&call.from, &call.to])
    }

    fn wants_live(&self, facts: &Facts) -> bool {
        self.wants_of("in-progress", facts.direction, &facts.agent_id, [facts.from.reveal(), facts.to.reveal()])
    }

    fn wants_of(&self, status: &str, direction: &str, agent: &str, numbers: [&String; 2]) -> bool {
        self.status.as_ref().is_none_or(|wanted| wanted == status)
            && self.direction.as_ref().is_none_or(|wanted| wanted == direction)
            && self.web.is_none_or(|web| web == (direction == "web"))
            && self.agent.as_ref().is_none_or(|wanted| wanted == agent)
            && self.search.as_ref().is_none_or(|part| numbers.iter().any(|number| number.contains(part.reveal())))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is done under these locks is a single insert or remove: a panic elsewhere leaves them whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
