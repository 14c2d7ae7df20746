//! Ended calls, in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::CallRecord;

/// How much is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The most calls.
    pub calls: usize,
    /// About the most bytes.
    pub bytes: usize,
}

impl Default for Limits {
    /// 10 000 calls or 64 MB: a day of a busy engine, or a few hundred calls at their longest.
    fn default() -> Self {
        Self { calls: 10_000, bytes: 64 << 20 }
    }
}

/// The newest ended calls. What does not fit any more is dropped, oldest first, and counted.
#[derive(Debug, Default)]
pub struct Store {
    limits: Limits,
    shelf: Mutex<Shelf>,
}

#[derive(Debug, Default)]
struct Shelf {
    /// By the order in which calls were stored.
    calls: BTreeMap<u64, Arc<CallRecord>>,
    order: HashMap<String, u64>,
    next: u64,
    bytes: usize,
    dropped: u64,
}

impl Store {
    /// An empty store.
    pub fn new(limits: Limits) -> Self {
        Self { limits, shelf: Mutex::default() }
    }

    /// Keeps a call. A call of the same name is replaced.
    pub fn insert(&self, call: CallRecord) {
        let mut shelf = self.lock();
        if let Some(number) = shelf.order.get(&call.id).copied() {
            shelf.remove(number);
        }
        let number = shelf.next;
        shelf.next += 1;
        shelf.bytes += call.weight();
        shelf.order.insert(call.id.clone(), number);
        shelf.calls.insert(number, Arc::new(call));
        while shelf.calls.len() > self.limits.calls || shelf.bytes > self.limits.bytes {
            let Some(oldest) = shelf.calls.keys().next().copied() else { break };
            shelf.remove(oldest);
            shelf.dropped += 1;
        }
    }

    /// The call of this name.
    pub fn call(&self, id: &str) -> Option<Arc<CallRecord>> {
        let shelf = self.lock();
        shelf.order.get(id).and_then(|number| shelf.calls.get(number)).cloned()
    }

    /// All calls that `wanted` accepts, last ended first.
    pub fn calls(&self, wanted: impl Fn(&CallRecord) -> bool) -> Vec<Arc<CallRecord>> {
        let all: Vec<_> = self.lock().calls.values().rev().cloned().collect();
        all.into_iter().filter(|call| wanted(call)).collect()
    }

    /// How many calls are kept.
    pub fn len(&self) -> usize {
        self.lock().calls.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many calls had to make room.
    pub fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    fn lock(&self) -> MutexGuard<'_, Shelf> {
        // Nothing that runs under the lock can leave the shelf half changed in a way that matters to a reader.
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    fn remove(&mut self, number: u64) {
        if let Some(call) = self.calls.remove(&number) {
            self.order.remove(&call.id);
            self.bytes = self.bytes.saturating_sub(call.weight());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::super::{LineRecord, Side};
    use super::*;

    #[test]
    fn the_oldest_call_makes_room_and_is_counted() {
        let store = Store::new(Limits { calls: 2, bytes: usize::MAX });
        for id in ["a", "b", "c"] {
            store.insert(call(id, 10));
        }
        assert_eq!(store.call("a"), None);
        let ids: Vec<_> = store.calls(|_| true).iter().map(|call| call.id.clone()).collect();
        assert_eq!(ids, ["c", "b"]);
        assert_eq!((store.len(), store.dropped()), (2, 1));
    }

    #[test]
    fn long_calls_are_weighed() {
        let store = Store::new(Limits { calls: 100, bytes: 10_000 });
        store.insert(call("a", 5_000));
        store.insert(call("b", 5_000));
        assert!(store.call("a").is_none() && store.call("b").is_some());
        store.insert(call("huge", 20_000));
        assert!(store.is_empty(), "what is larger than the store is not kept, and nothing is left half removed");
        store.insert(call("c", 10));
        assert_eq!(store.len(), 1);
        assert_eq!(store.dropped(), 3);
    }

    #[test]
    fn a_call_of_the_same_name_is_replaced() {
        let store = Store::default();
        store.insert(call("a", 10));
        store.insert(call("a", 20));
        assert_eq!(store.len(), 1);
        assert_eq!(store.call("a").unwrap().lines[0].text.len(), 20);
        assert_eq!(store.dropped(), 0);
    }

    #[test]
    fn records_do_not_print_numbers_or_words() {
        let printed = format!("{:?} {:?}", call("a", 10), call("a", 10).lines);
        assert!(!printed.contains("+1415") && !printed.contains("xxxx"), "{printed}");
    }

    fn call(id: &str, words: usize) -> CallRecord {
        CallRecord {
            id: id.into(),
            agent_id: "desk".into(),
            agent_name: "Desk".into(),
            direction: "inbound".into(),
            from: "+14155550100".into(),
            to: "+14155550101".into(),
            transport: "rtp".into(),
            codec: "PCMU".into(),
            local: None,
            stream_sid: None,
            call_sid: None,
            status: "completed".into(),
            reason: None,
            started: SystemTime::UNIX_EPOCH,
            ended: None,
            answered: None,
            answered_by: None,
            lines: vec![LineRecord {
                side: Side::Caller,
                text: "x".repeat(words),
                at: Duration::ZERO,
                confidence: 1.0,
                interrupted: false,
            }],
            turns: Vec::new(),
            holds: 0,
            interruptions: 0,
            speculation: Vec::new(),
            silenced: Vec::new(),
            hedges: Vec::new(),
            dropped: 0,
            inbound: Vec::new(),
            outbound: Vec::new(),
            line: Vec::new(),
            quality: Vec::new(),
            services: Vec::new(),
            costs: Vec::new(),
            currency: None,
            unrecorded: Duration::ZERO,
            recording: None,
            events: Vec::new(),
        }
    }
}
