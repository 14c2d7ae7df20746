//! Which calls are live, and whether there is room for one more.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::{CallHandle, CallId};

/// Admission and the list of live calls.
#[derive(Debug)]
pub(super) struct Registry {
    capacity: usize,
    slots: watch::Sender<Slots>,
    calls: Mutex<HashMap<CallId, Entry>>,
}

#[derive(Clone, Copy, Debug)]
struct Slots {
    taken: usize,
    open: bool,
}

#[derive(Debug)]
struct Entry {
    handle: CallHandle,
    serial: u64,
}

impl Registry {
    /// Room for `capacity` calls.
    pub(super) fn new(capacity: usize) -> Arc<Self> {
        let slots = watch::Sender::new(Slots { taken: 0, open: true });
        Arc::new(Self { capacity, slots, calls: Mutex::default() })
    }

    pub(super) const fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn live(&self) -> usize {
        self.slots.borrow().taken
    }

    pub(super) fn is_draining(&self) -> bool {
        !self.slots.borrow().open
    }

    /// Takes a slot; `None` when all are taken or none is given any more.
    pub(super) fn reserve(self: &Arc<Self>) -> Option<Permit> {
        let admitted = self.slots.send_if_modified(|slots| {
            let admitted = slots.open && slots.taken < self.capacity;
            slots.taken += usize::from(admitted);
            admitted
        });
        admitted.then(|| Permit { registry: Arc::clone(self) })
    }

    /// Gives no slot any more.
    pub(super) fn close(&self) {
        self.slots.send_modify(|slots| slots.open = false);
    }

    /// Waits until no slot is taken, at most until `deadline`; `false` when some still are.
    pub(super) async fn emptied(&self, deadline: Instant) -> bool {
        let mut slots = self.slots.subscribe();
        let empty = slots.wait_for(|slots| slots.taken == 0);
        matches!(tokio::time::timeout_at(deadline.into(), empty).await, Ok(Ok(_)))
    }

    pub(super) fn insert(&self, handle: CallHandle, serial: u64) {
        self.calls().insert(handle.id().clone(), Entry { handle, serial });
    }

    /// Forgets a call; a later call of the same name stays.
    pub(super) fn remove(&self, id: &CallId, serial: u64) {
        let mut calls = self.calls();
        if calls.get(id).is_some_and(|entry| entry.serial == serial) {
            calls.remove(id);
        }
    }

    pub(super) fn get(&self, id: &CallId) -> Option<CallHandle> {
        self.calls().get(id).map(|entry| entry.handle.clone())
    }

    /// The live calls, oldest first.
    pub(super) fn list(&self) -> Vec<CallHandle> {
        let calls = self.calls();
        let mut entries: Vec<_> = calls.values().collect();
        entries.sort_by_key(|entry| entry.serial);
        entries.into_iter().map(|entry| entry.handle.clone()).collect()
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<CallId, Entry>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Room for one call. Dropping it gives the room back.
#[derive(Debug)]
pub struct Permit {
    registry: Arc<Registry>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.registry.slots.send_modify(|slots| slots.taken = slots.taken.saturating_sub(1));
    }
}

/// There is no room for another call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Busy {
    /// When it is worth asking again.
    pub retry_after: Duration,
}

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no room for another call, try again in {} s", self.retry_after.as_secs().max(1))
    }
}

impl std::error::Error for Busy {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_calls_than_the_limit_and_a_dropped_permit_makes_room() {
        let registry = Registry::new(2);
        let first = registry.reserve().unwrap();
        let _second = registry.reserve().unwrap();
        assert!(registry.reserve().is_none());
        drop(first);
        assert!(registry.reserve().is_some());
        assert_eq!(registry.live(), 1);
    }

    #[tokio::test]
    async fn a_closed_registry_admits_nobody_and_is_empty_once_the_last_permit_is_gone() {
        let registry = Registry::new(2);
        let permit = registry.reserve().unwrap();
        registry.close();
        assert!(registry.is_draining() && registry.reserve().is_none());
        assert!(!registry.emptied(Instant::now()).await);
        drop(permit);
        assert!(registry.emptied(Instant::now() + Duration::from_secs(5)).await);
    }
}
