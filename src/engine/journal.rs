//! The events of one call: kept for late subscribers, passed on to live ones.

use std::collections::VecDeque;
use std::time::Instant;

use tokio::sync::broadcast;

use super::{CallHandle, Subscription};
use crate::call::Event;

/// Past events, bounded, and the way to whoever watches.
#[derive(Debug)]
pub(super) struct Journal {
    began: Instant,
    past: VecDeque<Event>,
    /// `None` until somebody watches: a channel has room for all it may ever hold, more than the rest of a call.
    live: Option<broadcast::Sender<Event>>,
}

impl Journal {
    /// A journal with no event, of a call that began then.
    pub(super) fn new(began: Instant) -> Self {
        Self { began, past: VecDeque::new(), live: None }
    }

    /// Writes an event down and tells it. The oldest makes room.
    pub(super) fn push(&mut self, event: Event) {
        if self.past.len() >= CallHandle::PAST_EVENTS {
            self.past.pop_front();
        }
        if let Some(live) = &self.live {
            // Whoever watched may have gone.
            let _ = live.send(event.clone());
        }
        self.past.push_back(event);
    }

    /// What was and what will be, without gap or overlap.
    pub(super) fn subscribe(&mut self) -> Subscription {
        let live = self.live.get_or_insert_with(|| broadcast::Sender::new(CallHandle::LIVE_EVENTS));
        Subscription { began: self.began, past: self.past.iter().cloned().collect(), live: live.subscribe() }
    }

    /// Ends the live subscriptions and gives what was kept.
    pub(super) fn close(self) -> Vec<Event> {
        self.past.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::EventKind;
    use std::time::Duration;
    use tokio::sync::broadcast::error::TryRecvError;

    fn event(millis: u64) -> Event {
        Event { at: Duration::from_millis(millis), kind: EventKind::Answered }
    }

    #[test]
    fn a_subscriber_gets_the_past_then_the_future_then_the_end() {
        let mut journal = Journal::new(Instant::now());
        journal.push(event(1));
        let mut subscription = journal.subscribe();
        journal.push(event(2));
        assert_eq!(subscription.past, [event(1)]);
        assert_eq!(subscription.live.try_recv(), Ok(event(2)));
        assert_eq!(journal.close(), [event(1), event(2)]);
        assert_eq!(subscription.live.try_recv(), Err(TryRecvError::Closed));
    }

    #[test]
    fn the_past_is_bounded_and_keeps_the_newest() {
        let mut journal = Journal::new(Instant::now());
        for n in 0..CallHandle::PAST_EVENTS as u64 + 10 {
            journal.push(event(n));
        }
        let past = journal.close();
        assert_eq!((past.len(), past.first()), (CallHandle::PAST_EVENTS, Some(&event(10))));
    }
}
