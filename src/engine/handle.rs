//! Commands into a live call, events out of it.

use std::fmt;
use std::time::Instant;

use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::call::{Command, Event, Report};
use crate::gateway::LegCounters;

use super::{Cost, ServiceCounters};

/// The name of a call, unique in an engine: `call_` and 20 characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CallId(String);

impl CallId {
    /// A call name from outside, or from [`CallId::random`].
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// A name nobody can guess.
    pub fn random() -> Self {
        // 32 letters and digits, without those that are easily confused: 5 bits each.
        const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let letters = random_bytes::<20>().map(|byte| char::from(LETTERS[usize::from(byte % 32)]));
        Self(format!("call_{}", String::from_iter(letters)))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Bytes nobody can guess.
pub(super) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    bytes
}

/// A finished call: what [`CallHandle::ended`] gives.
#[derive(Clone, PartialEq, Debug)]
pub struct Outcome {
    /// The call's record.
    pub report: Report,
    /// What happened on its line.
    pub leg: LegCounters,
    /// How its services did.
    pub services: ServiceCounters,
    /// What it has used of its services, one entry a vendor and model.
    pub costs: Vec<Cost>,
    /// All its events, bounded like [`Subscription::past`].
    pub events: Vec<Event>,
}

/// The events of a call: those that were, and those to come.
#[derive(Debug)]
pub struct Subscription {
    /// When the call began: every [`Event::at`] counts from here.
    pub began: Instant,
    /// What happened so far, oldest first; at most [`CallHandle::PAST_EVENTS`] of them.
    pub past: Vec<Event>,
    /// What happens from here on. A subscriber that falls more than [`CallHandle::LIVE_EVENTS`] behind misses the oldest
    /// and is told how many. Closed when the call is over.
    pub live: broadcast::Receiver<Event>,
}

/// What a handle asks of the driver.
#[derive(Debug)]
pub(super) enum Request {
    /// Steer the call.
    Command(Command),
    /// The other side is gone.
    HangUp,
    /// Tell its record so far.
    Report(oneshot::Sender<Account>),
    /// Watch it.
    Subscribe(oneshot::Sender<Subscription>),
}

/// A call so far: its record, what happened on its line, how its services did, and what it has used of them.
pub type Account = (Report, LegCounters, ServiceCounters, Vec<Cost>);

/// A live call, as the outside sees it. Cloning it is cheap; dropping it does not end the call.
#[derive(Clone, Debug)]
pub struct CallHandle {
    pub(super) id: CallId,
    pub(super) requests: mpsc::Sender<Request>,
    pub(super) outcome: watch::Receiver<Option<std::sync::Arc<Outcome>>>,
}

impl CallHandle {
    /// Commands and questions that may wait; more are refused.
    pub const REQUESTS: usize = 32;
    /// How many past events a call keeps for late subscribers.
    pub const PAST_EVENTS: usize = 2_048;
    /// How far a live subscriber may fall behind.
    pub const LIVE_EVENTS: usize = 512;

    /// The call's name.
    pub fn id(&self) -> &CallId {
        &self.id
    }

    /// Steers the call; `false` when it is over or its queue of commands is full.
    pub fn command(&self, command: Command) -> bool {
        self.requests.try_send(Request::Command(command)).is_ok()
    }

    /// Says that the other side has hung up, for lines whose sound does not tell (plain RTP: its signalling does);
    /// `false` when the call is over or its queue of commands is full.
    pub fn hang_up(&self) -> bool {
        self.requests.try_send(Request::HangUp).is_ok()
    }

    /// The call's record so far, the counters of its line and its services, and what they will be billed for; `None` when it is over (then see
    /// [`CallHandle::ended`]).
    pub async fn report(&self) -> Option<Account> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(Request::Report(reply)).await.ok()?;
        answer.await.ok()
    }

    /// Past and coming events; `None` when the call is over.
    pub async fn subscribe(&self) -> Option<Subscription> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(Request::Subscribe(reply)).await.ok()?;
        answer.await.ok()
    }

    /// Waits for the end of the call.
    pub async fn ended(&self) -> std::sync::Arc<Outcome> {
        let mut outcome = self.outcome.clone();
        loop {
            if let Some(outcome) = outcome.borrow_and_update().clone() {
                return outcome;
            }
            if outcome.changed().await.is_err() {
                // The driver is gone without an outcome: only a panic inside the engine does that.
                return std::sync::Arc::new(Outcome {
                    report: Report::default(),
                    leg: LegCounters::default(),
                    services: ServiceCounters::default(),
                    costs: Vec::new(),
                    events: Vec::new(),
                });
            }
        }
    }
}
