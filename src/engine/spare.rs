//! A voice that is connected before there is anything to say.

use std::task::Context;
use std::time::{Duration, Instant};

use super::replies::poll_once;
use crate::provider::TtsStream;

/// One stream of the first voice, opened when the model is asked, so that the answer's first words need not wait for a
/// connection. Whichever reply speaks first takes it; one that nobody takes is dropped, and was no failure.
#[derive(Debug, Default)]
pub(super) struct Spare {
    stream: Option<(TtsStream, Instant)>,
    unused: u64,
}

impl Spare {
    /// How long it waits to be taken: longer than a model may take to its first token, and half of the shortest time after
    /// which a voice closes a connection nobody uses (ElevenLabs: 20 s).
    pub(super) const IDLE: Duration = Duration::from_secs(10);

    /// Opens one, unless one is there that will last another [`Spare::IDLE`] / 2.
    pub(super) fn prepare(&mut self, open: impl FnOnce() -> TtsStream, now: Instant) {
        self.drop_older_than(Self::IDLE / 2, now);
        self.stream.get_or_insert_with(|| (open(), now));
    }

    /// Drops the one that is there: it would speak with another voice.
    pub(super) fn discard(&mut self) {
        self.stream = None;
    }

    /// The one that is there, if any.
    pub(super) fn take(&mut self, now: Instant) -> Option<TtsStream> {
        self.expire(now);
        self.stream.take().map(|(stream, _)| stream)
    }

    /// Drops one that has waited for too long.
    pub(super) fn expire(&mut self, now: Instant) {
        self.drop_older_than(Self::IDLE, now);
    }

    /// Drops one whose connection did not come up or was closed. Never ready.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) {
        // Without text there is no sound: whatever it says is its end.
        if let Some((stream, _)) = &mut self.stream
            && poll_once(stream.recv(), cx).is_ready()
        {
            self.waste();
        }
    }

    /// How many were opened in vain.
    pub(super) fn unused(&self) -> u64 {
        self.unused + u64::from(self.stream.is_some())
    }

    fn drop_older_than(&mut self, age: Duration, now: Instant) {
        if self.stream.as_ref().is_some_and(|(_, at)| now.saturating_duration_since(*at) >= age) {
            self.waste();
        }
    }

    fn waste(&mut self) {
        self.stream = None;
        self.unused += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Failure;
    use crate::provider::{ProviderError, TtsEvent};
    use std::future::poll_fn;
    use std::task::Poll;
    use tokio::sync::oneshot;

    /// A voice that waits for text, and tells when it is dropped.
    fn voice() -> (TtsStream, oneshot::Receiver<()>) {
        let (alive, dropped) = oneshot::channel();
        let stream = TtsStream::spawn(|commands, events| async move {
            let _held = (alive, commands, events);
            std::future::pending().await
        });
        (stream, dropped)
    }

    #[tokio::test]
    async fn the_next_question_keeps_the_voice_the_last_one_did_not_need() {
        let (mut spare, now) = (Spare::default(), Instant::now());
        spare.prepare(|| voice().0, now);
        spare.prepare(|| panic!("a second one"), now + Spare::IDLE / 2 - Duration::from_millis(1));
        assert!(spare.take(now + Spare::IDLE - Duration::from_millis(1)).is_some());
        assert!(spare.take(now).is_none(), "there is one");
        assert_eq!(spare.unused(), 0);
    }

    #[tokio::test]
    async fn a_voice_nobody_needs_is_closed_before_its_vendor_closes_it() {
        let (mut spare, now) = (Spare::default(), Instant::now());
        let (stream, dropped) = voice();
        spare.prepare(|| stream, now);
        assert_eq!(spare.unused(), 1);
        assert!(spare.take(now + Spare::IDLE).is_none());
        assert!(dropped.await.is_err(), "its task is gone");
        let (stream, dropped) = voice();
        spare.prepare(|| stream, now);
        spare.prepare(|| voice().0, now + Spare::IDLE / 2);
        assert!(dropped.await.is_err(), "it would not have lasted");
        assert!(spare.take(now + Spare::IDLE).is_some());
        assert_eq!(spare.unused(), 2);
    }

    #[tokio::test]
    async fn a_voice_that_fails_before_it_is_needed_has_not_failed() {
        let (mut spare, now) = (Spare::default(), Instant::now());
        let (done, over) = oneshot::channel();
        let refused = TtsStream::spawn(|commands, events| async move {
            let error = ProviderError::new(Failure::Unavailable, "no connection in time");
            events.send(TtsEvent::Failed(error)).await.unwrap();
            drop(commands);
            done.send(()).unwrap();
        });
        spare.prepare(|| refused, now);
        over.await.unwrap();
        poll_fn(|cx| {
            spare.poll(cx);
            Poll::Ready(())
        })
        .await;
        assert!(spare.take(now).is_none());
        assert_eq!(spare.unused(), 1);
    }
}
