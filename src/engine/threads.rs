//! Threads that drive calls and do nothing else.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::mpsc;

/// Media threads: each runs the calls it was given, their sockets, timers and services, from beginning to end.
///
/// A call's packets, its deadline and its recogniser wake one task after another; on one thread that is a walk through a
/// queue, across threads each wake may have to rouse a sleeping one. Calls share nothing, so nothing is gained by moving them.
#[derive(Debug)]
pub(super) struct Threads {
    threads: Vec<MediaThread>,
}

#[derive(Debug)]
struct MediaThread {
    handle: Handle,
    /// Each call holds a clone; the thread ends with the last of them.
    calls: mpsc::Sender<Infallible>,
}

impl Threads {
    /// Starts `count` threads.
    pub(super) fn start(count: usize) -> io::Result<Self> {
        Ok(Self { threads: (0..count).map(MediaThread::start).collect::<io::Result<_>>()? })
    }

    /// No threads: calls run where they are started.
    pub(super) const fn none() -> Self {
        Self { threads: Vec::new() }
    }

    /// Runs `call` on the thread with the fewest calls, or in the runtime this is called in when there are no threads.
    pub(super) fn spawn(&self, call: impl Future<Output = ()> + Send + 'static) {
        match self.threads.iter().min_by_key(|thread| thread.calls.strong_count()) {
            Some(thread) => {
                let alive = thread.calls.clone();
                thread.handle.spawn(async move {
                    call.await;
                    drop(alive);
                });
            }
            None => drop(tokio::spawn(call)),
        }
    }
}

impl MediaThread {
    fn start(n: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (calls, mut over) = mpsc::channel::<Infallible>(1);
        thread::Builder::new().name(format!("media-{n}")).spawn(move || {
            // Nothing is ever sent: it ends when the engine and all calls of this thread are gone.
            runtime.block_on(async { while over.recv().await.is_some() {} });
        })?;
        Ok(Self { handle, calls })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    /// The name of the thread that `spawn`ed work runs on; the work goes on until its sender is dropped.
    async fn place(threads: &Threads) -> (String, oneshot::Sender<()>) {
        let (tell, told) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        threads.spawn(async move {
            let _ = tell.send(thread::current().name().unwrap_or_default().to_owned());
            let _ = stopped.await;
        });
        (told.await.unwrap(), stop)
    }

    #[tokio::test]
    async fn calls_are_spread_and_an_ended_one_makes_room_where_it_was() {
        let threads = Threads::start(2).unwrap();
        let (first, stop) = place(&threads).await;
        let (second, _stop) = place(&threads).await;
        assert_ne!(first, second);
        let _ = stop.send(());
        let thread = threads.threads.iter().position(|thread| thread.calls.strong_count() <= 2);
        assert!(thread.is_some());
        // It has room as soon as its call is over.
        while threads.threads.iter().all(|thread| thread.calls.strong_count() > 1) {
            tokio::task::yield_now().await;
        }
        assert_eq!(place(&threads).await.0, first);
    }

    #[tokio::test]
    async fn a_thread_outlives_the_engine_until_its_last_call_is_over() {
        let threads = Threads::start(1).unwrap();
        let (tell, told) = oneshot::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        threads.spawn(async move {
            let _ = stopped.await;
            let _ = tell.send(());
        });
        let handle = threads.threads[0].handle.clone();
        drop(threads);
        let _ = stop.send(());
        assert_eq!(told.await, Ok(()));
        // The runtime is gone with its thread: what is spawned then never runs.
        while !handle.spawn(std::future::pending::<()>()).is_finished() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn without_threads_a_call_runs_where_it_was_started() {
        let here = thread::current().name().unwrap_or_default().to_owned();
        assert_eq!(place(&Threads::start(0).unwrap()).await.0, here);
    }
}
