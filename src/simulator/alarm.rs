//! Waits that end on time.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::future::{Future, pending};
use std::io;
use std::pin::Pin;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Instant;

use tokio::sync::oneshot;

/// A thread that wakes tasks at an instant, late by about 0.1 ms.
///
/// A simulator is told how long to take, and measurements subtract that figure. The runtime's own timer has a granularity
/// of 1 ms and would add its lateness to whoever is measured. The thread ends with its last [`Alarm`].
#[derive(Clone, Debug)]
pub(super) struct Alarm {
    orders: SyncSender<Order>,
}

impl Alarm {
    /// Orders under way to the thread; beyond it a waiter uses the runtime's timer.
    const ORDERS: usize = 1_024;
    /// Waits the thread keeps; beyond it a waiter uses the runtime's timer.
    const WAITING: usize = 65_536;

    /// Starts the thread.
    pub(super) fn start() -> io::Result<Self> {
        let (orders, receiver) = sync_channel(Self::ORDERS);
        thread::Builder::new().name("simulator-alarm".into()).spawn(move || ring(&receiver))?;
        Ok(Self { orders })
    }

    /// Waits until `due`. Cancel-safe.
    pub(super) async fn until(&self, due: Instant) {
        if due <= Instant::now() {
            return;
        }
        let (bell, rung) = oneshot::channel();
        if self.orders.try_send(Order { due, bell }).is_ok() && rung.await.is_ok() {
            return;
        }
        tokio::time::sleep_until(due.into()).await;
    }

    /// Waits until `due`, for ever when there is none. Cancel-safe.
    pub(super) async fn until_some(&self, due: Option<Instant>) {
        match due {
            Some(due) => self.until(due).await,
            None => pending().await,
        }
    }
}

/// A wait that is asked for again and again: it is ordered once for each instant.
pub(super) struct Standing {
    alarm: Alarm,
    due: Option<Instant>,
    wait: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Standing {
    /// Waits for nothing yet.
    pub(super) fn new(alarm: &Alarm) -> Self {
        Self { alarm: alarm.clone(), due: None, wait: Box::pin(pending()) }
    }

    /// Waits until `due`, for ever when there is none. Cancel-safe.
    pub(super) async fn until_some(&mut self, due: Option<Instant>) {
        if due != self.due {
            let alarm = self.alarm.clone();
            (self.due, self.wait) = (due, Box::pin(async move { alarm.until_some(due).await }));
        }
        self.wait.as_mut().await;
        (self.due, self.wait) = (None, Box::pin(pending()));
    }
}

/// One wait.
#[derive(Debug)]
struct Order {
    due: Instant,
    bell: oneshot::Sender<()>,
}

/// The thread: rings every bell at its time, until nobody can order any more.
fn ring(orders: &Receiver<Order>) {
    let mut waiting = Waiting::default();
    loop {
        let now = Instant::now();
        for bell in waiting.due(now) {
            // The waiter may be gone: then nobody is late.
            let _ = bell.send(());
        }
        let next = match waiting.next() {
            Some(due) => orders.recv_timeout(due.saturating_duration_since(now)),
            None => orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match next {
            Ok(order) => waiting.push(order),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// The waits under way.
#[derive(Debug, Default)]
struct Waiting(BinaryHeap<Order>);

impl Waiting {
    /// Keeps a wait. Beyond [`Alarm::WAITING`] its bell is dropped, which sends the waiter to the runtime's timer.
    fn push(&mut self, order: Order) {
        if self.0.len() < Alarm::WAITING {
            self.0.push(order);
        }
    }

    /// The bells of the waits that are over by `now`, in the order of their instants.
    fn due(&mut self, now: Instant) -> impl Iterator<Item = oneshot::Sender<()>> {
        std::iter::from_fn(move || {
            self.next().filter(|due| *due <= now)?;
            Some(self.0.pop()?.bell)
        })
    }

    /// When the next wait is over.
    fn next(&self) -> Option<Instant> {
        self.0.peek().map(|order| order.due)
    }
}

impl Ord for Order {
    /// The earliest is the greatest: a `BinaryHeap` gives the greatest first.
    fn cmp(&self, other: &Self) -> Ordering {
        other.due.cmp(&self.due)
    }
}

impl PartialOrd for Order {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Order {
    fn eq(&self, other: &Self) -> bool {
        self.due == other.due
    }
}

impl Eq for Order {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn waits_end_in_the_order_of_their_instants_and_never_early() {
        let (start, mut waiting) = (Instant::now(), Waiting::default());
        let mut bells: Vec<_> = [30, 10, 20, 0]
            .map(|ms| {
                let (bell, rung) = oneshot::channel();
                waiting.push(Order { due: start + ms * MS, bell });
                (ms, rung)
            })
            .into();
        let mut rung = Vec::new();
        for now in [0, 9, 10, 25, 30] {
            for bell in waiting.due(start + now * MS) {
                bell.send(()).unwrap();
                bells.retain_mut(|(ms, bell)| {
                    let is_rung = bell.try_recv().is_ok();
                    rung.extend(is_rung.then_some((now, *ms)));
                    !is_rung
                });
            }
        }
        assert_eq!(rung, [(0, 0), (10, 10), (25, 20), (30, 30)]);
        assert_eq!(waiting.next(), None);
    }

    #[test]
    fn waits_beyond_the_bound_are_sent_away() {
        let (start, mut waiting) = (Instant::now(), Waiting::default());
        let mut last = None;
        for _ in 0..=Alarm::WAITING {
            let (bell, rung) = oneshot::channel();
            waiting.push(Order { due: start, bell });
            last = Some(rung);
        }
        assert_eq!(waiting.0.len(), Alarm::WAITING);
        assert!(last.unwrap().try_recv().is_err_and(|error| error == oneshot::error::TryRecvError::Closed));
    }

    #[tokio::test]
    async fn a_standing_wait_that_is_given_up_goes_on_and_a_new_instant_replaces_it() {
        let (alarm, start) = (Alarm::start().unwrap(), Instant::now());
        let mut standing = Standing::new(&alarm);
        let due = |ms: u32| Some(start + ms * MS);
        for _ in 0..3 {
            assert!(futures_util::FutureExt::now_or_never(standing.until_some(due(20_000))).is_none());
        }
        standing.until_some(due(20)).await;
        assert!((20 * MS..20_000 * MS).contains(&start.elapsed()));
        // The same instant again has passed already, and nothing is pending for ever.
        standing.until_some(due(20)).await;
        assert!(futures_util::FutureExt::now_or_never(standing.until_some(None)).is_none());
    }

    #[tokio::test]
    async fn every_wait_ends_and_none_early() {
        let alarm = Alarm::start().unwrap();
        let start = Instant::now();
        let wait = |ms: u32| {
            let alarm = alarm.clone();
            async move {
                alarm.until(start + ms * MS).await;
                (ms, start.elapsed())
            }
        };
        for (ms, took) in futures_util::future::join_all([wait(30), wait(10), wait(20), wait(0)]).await {
            assert!(took >= ms * MS, "{ms} ms took {took:?}");
        }
    }
}
