//! Waits that end on time.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::io;
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
            None => std::future::pending().await,
        }
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
    let mut waiting: BinaryHeap<Order> = BinaryHeap::new();
    loop {
        let now = Instant::now();
        while waiting.peek().is_some_and(|order| order.due <= now) {
            if let Some(order) = waiting.pop() {
                // The waiter may be gone: then nobody is late.
                let _ = order.bell.send(());
            }
        }
        let next = match waiting.peek() {
            Some(order) => orders.recv_timeout(order.due.saturating_duration_since(now)),
            None => orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match next {
            Ok(order) if waiting.len() < Alarm::WAITING => waiting.push(order),
            // Dropping the bell sends the waiter to the runtime's timer.
            Ok(_) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
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

    #[tokio::test]
    async fn waits_end_in_the_order_of_their_instants_and_never_early() {
        let alarm = Alarm::start().unwrap();
        let start = Instant::now();
        let wait = |ms: u64| {
            let alarm = alarm.clone();
            async move {
                alarm.until(start + Duration::from_millis(ms)).await;
                (ms, start.elapsed())
            }
        };
        let mut rung = futures_util::future::join_all([wait(30), wait(10), wait(20), wait(0)]).await;
        for &(ms, took) in &rung {
            assert!(took >= Duration::from_millis(ms), "{ms} ms took {took:?}");
        }
        rung.sort_by_key(|&(_, took)| took);
        assert_eq!(rung.iter().map(|&(ms, _)| ms).collect::<Vec<_>>(), [0, 10, 20, 30]);
    }
}
