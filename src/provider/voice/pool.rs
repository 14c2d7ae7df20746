//! Connections that are kept open between the replies of calls.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::provider::AbortOnDrop;
use crate::provider::websocket::{Received, Socket};

/// Open connections that nobody speaks over, each lent to one reply at a time: so that a listener who does not read holds
/// up nobody else. What still comes for a reply that is over is read and thrown away. Bounded: the oldest one goes.
#[derive(Debug)]
pub(in crate::provider) struct Pool {
    idle: Mutex<Vec<Idle>>,
    patience: Duration,
}

/// A connection nobody uses, with its keeper.
#[derive(Debug)]
struct Idle {
    /// Where it leads, parameters included.
    address: String,
    /// Asks the keeper to hand it over; closed once the connection is.
    ask: oneshot::Sender<oneshot::Sender<Socket>>,
    /// Ends with this entry, and closes the connection then.
    keeper: AbortOnDrop,
}

impl Pool {
    /// Connections kept at most; as many calls as this may be between two replies.
    const MOST: usize = 128;

    /// A pool that closes a connection nobody wanted for `patience`: less than the vendor's own.
    pub(in crate::provider) fn new(patience: Duration) -> Self {
        Self { idle: Mutex::default(), patience }
    }

    /// A connection to `address` that is open as far as is known.
    pub(in crate::provider) async fn take(&self, address: &str) -> Option<Socket> {
        loop {
            let Idle { ask, keeper, .. } = self.newest(address)?;
            let (give, given) = oneshot::channel();
            if ask.send(give).is_ok()
                && let Ok(socket) = given.await
            {
                return Some(socket);
            }
            drop(keeper);
        }
    }

    /// Keeps a connection to `address`. Outside a runtime it is closed.
    pub(in crate::provider) fn put(&self, address: String, socket: Socket) {
        if tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let (ask, asked) = oneshot::channel();
        let until = Instant::now() + self.patience;
        let keeper = AbortOnDrop::spawn(keep(socket, asked, until));
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|kept| !kept.ask.is_closed());
        if idle.len() >= Self::MOST {
            idle.remove(0);
        }
        idle.push(Idle { address, ask, keeper });
    }

    fn newest(&self, address: &str) -> Option<Idle> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|kept| !kept.ask.is_closed());
        let at = idle.iter().rposition(|kept| kept.address == address)?;
        Some(idle.remove(at))
    }
}

/// Reads a connection until it is asked for, closed by its server, or `until`: so are pings answered, and what comes late
/// is not taken for the next reply.
async fn keep(mut socket: Socket, mut asked: oneshot::Receiver<oneshot::Sender<Socket>>, until: Instant) {
    loop {
        tokio::select! {
            give = &mut asked => {
                if let Ok(give) = give {
                    // Nobody takes it when the reply has been cancelled meanwhile: then it is closed.
                    let _ = give.send(socket);
                }
                return;
            }
            received = socket.receive() => if matches!(received, Received::Closed { .. }) {
                return;
            },
            () = tokio::time::sleep_until(until) => return,
        }
    }
}
