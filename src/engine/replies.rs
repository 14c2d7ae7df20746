//! The services at work for one call's replies.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll};

use crate::conversation::{Failure, ReplyId};
use crate::provider::{LlmEvent, LlmStream, ProviderError, TtsEvent, TtsStream, Usage};

/// The open streams of the replies that are alive. Dropping a stream cancels what is behind it.
#[derive(Debug, Default)]
pub(super) struct Replies {
    alive: Vec<Reply>,
    /// Whose turn it is to be asked first, so that one chatty stream does not keep the others waiting.
    turn: usize,
    refused: u64,
}

#[derive(Debug)]
struct Reply {
    id: ReplyId,
    llm: Option<LlmStream>,
    tts: Option<TtsStream>,
}

/// What a service says about a reply.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum ReplyEvent {
    /// From the model.
    Llm(LlmEvent),
    /// From the voice.
    Tts(TtsEvent),
}

impl Replies {
    /// Replies that may be alive at once; one more is refused. A dialogue has fewer: those that wait to be heard, a second
    /// model and a second voice, and something said in between.
    pub(super) const MAX: usize = 16;

    /// The model works for this reply from here on. An earlier stream of it is dropped. `Err`: there are too many replies,
    /// and the model is not asked.
    pub(super) fn generate(&mut self, id: ReplyId, open: impl FnOnce() -> LlmStream) -> Result<(), ProviderError> {
        // In two steps: the model must not be asked before there is room.
        let reply = self.reply(id)?;
        reply.llm = Some(open());
        Ok(())
    }

    /// Whether nobody works for any reply.
    pub(super) const fn is_empty(&self) -> bool {
        self.alive.is_empty()
    }

    /// Times a service was not asked because too many replies were alive.
    pub(super) const fn refusals(&self) -> u64 {
        self.refused
    }

    /// Hands text to the reply's voice, opening it first when it has none; `Err`: the voice did not take it and is
    /// dropped, or there are too many replies.
    pub(super) fn speak(
        &mut self,
        id: ReplyId,
        text: String,
        open: impl FnOnce() -> TtsStream,
    ) -> Result<(), ProviderError> {
        let reply = self.reply(id)?;
        if reply.tts.get_or_insert_with(open).speak(text) { Ok(()) } else { Err(self.refused(id)) }
    }

    /// Tells the reply's voice that no more text comes. A reply that never spoke has nothing to end.
    pub(super) fn end(&mut self, id: ReplyId) -> Result<(), ProviderError> {
        let voice = self.alive.iter_mut().find(|reply| reply.id == id).and_then(|reply| reply.tts.as_mut());
        if voice.is_none_or(TtsStream::end) { Ok(()) } else { Err(self.refused(id)) }
    }

    /// What the answer under way for a reply has cost so far; `None`: no model works for it.
    pub(super) fn usage(&self, id: ReplyId) -> Option<Usage> {
        self.alive.iter().find(|reply| reply.id == id)?.llm.as_ref().map(LlmStream::usage)
    }

    /// Drops everything at work for a reply.
    pub(super) fn cancel(&mut self, id: ReplyId) {
        self.alive.retain(|reply| reply.id != id);
    }

    /// Drops the model at work for a reply; its voice goes on.
    pub(super) fn cancel_model(&mut self, id: ReplyId) {
        for reply in self.alive.iter_mut().filter(|reply| reply.id == id) {
            reply.llm = None;
        }
        self.forget_idle();
    }

    /// Drops the voice at work for a reply; its model writes on.
    pub(super) fn cancel_voice(&mut self, id: ReplyId) {
        for reply in self.alive.iter_mut().filter(|reply| reply.id == id) {
            reply.tts = None;
        }
        self.forget_idle();
    }

    /// Forgets the replies nobody works for.
    fn forget_idle(&mut self) {
        self.alive.retain(|reply| reply.llm.is_some() || reply.tts.is_some());
    }

    /// The next event of any reply; pending forever when no stream is open. A voice whose reply
    /// `wants_speech` no more stays unread. After its last event a stream is dropped; one that ends without it has failed.
    ///
    /// Nothing is lost between two polls: an event is taken only when it is returned.
    pub(super) fn poll_event(
        &mut self,
        wants_speech: impl Fn(ReplyId) -> bool,
        cx: &mut Context<'_>,
    ) -> Poll<(ReplyId, ReplyEvent)> {
        let count = self.alive.len();
        for step in 0..count {
            let index = (self.turn + step) % count;
            let Some(reply) = self.alive.get_mut(index) else { continue };
            if let Poll::Ready(event) = reply.poll_event(&wants_speech, cx) {
                let id = reply.id;
                self.turn = index + 1;
                self.alive.retain(|reply| reply.llm.is_some() || reply.tts.is_some());
                return Poll::Ready((id, event));
            }
        }
        Poll::Pending
    }

    /// The voice's own word on why it takes no more text, if it left one.
    fn refused(&mut self, id: ReplyId) -> ProviderError {
        let mut error = ended_early("the voice takes no more text");
        let voice = self.alive.iter_mut().find(|reply| reply.id == id).and_then(|reply| reply.tts.take());
        if let Some(mut voice) = voice {
            let mut cx = Context::from_waker(std::task::Waker::noop());
            while let Poll::Ready(Some(event)) = poll_once(voice.recv(), &mut cx) {
                if let TtsEvent::Failed(reason) = event {
                    error = reason;
                }
            }
        }
        self.alive.retain(|reply| reply.llm.is_some() || reply.tts.is_some());
        error
    }

    /// A reply, made if need be; `Err`: there is no room for another. Those that are alive lose nothing to it.
    fn reply(&mut self, id: ReplyId) -> Result<&mut Reply, ProviderError> {
        let index = match self.alive.iter().position(|reply| reply.id == id) {
            Some(index) => index,
            None if self.alive.len() >= Self::MAX => {
                self.refused += 1;
                return Err(ProviderError::new(Failure::Unavailable, "too many replies are under way"));
            }
            None => {
                self.alive.push(Reply { id, llm: None, tts: None });
                self.alive.len() - 1
            }
        };
        Ok(&mut self.alive[index])
    }
}

impl Reply {
    fn poll_event(&mut self, wants_speech: impl Fn(ReplyId) -> bool, cx: &mut Context<'_>) -> Poll<ReplyEvent> {
        if let Some(stream) = &mut self.llm
            && let Poll::Ready(event) = poll_once(stream.recv(), cx)
        {
            let event = event.unwrap_or_else(|| LlmEvent::Failed(ended_early("the model's stream ended early")));
            if matches!(event, LlmEvent::Ended { .. } | LlmEvent::Failed(_)) {
                self.llm = None;
            }
            return Poll::Ready(ReplyEvent::Llm(event));
        }
        if let Some(stream) = &mut self.tts
            && wants_speech(self.id)
            && let Poll::Ready(event) = poll_once(stream.recv(), cx)
        {
            let event = event.unwrap_or_else(|| TtsEvent::Failed(ended_early("the voice's stream ended early")));
            if matches!(event, TtsEvent::Ended | TtsEvent::Failed(_)) {
                self.tts = None;
            }
            return Poll::Ready(ReplyEvent::Tts(event));
        }
        Poll::Pending
    }
}

/// Polls a wait for a channel once and drops it. The channel remembers whom to wake.
pub(super) fn poll_once<T>(wait: impl Future<Output = T>, cx: &mut Context<'_>) -> Poll<T> {
    pin!(wait).poll(cx)
}

fn ended_early(what: &str) -> ProviderError {
    ProviderError::new(Failure::Unavailable, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::SampleRate;
    use crate::conversation::GenerationEnd;
    use crate::provider::TtsCommand;
    use std::future::poll_fn;
    use tokio::sync::oneshot;

    fn audio(sample: i16) -> TtsEvent {
        TtsEvent::Audio { samples: vec![sample], rate: SampleRate::HZ_8000 }
    }

    async fn next(replies: &mut Replies, wants_speech: bool) -> (ReplyId, ReplyEvent) {
        poll_fn(|cx| replies.poll_event(|_| wants_speech, cx)).await
    }

    /// A voice that answers each text with one sample and ends when told.
    fn voice() -> TtsStream {
        TtsStream::spawn(|mut commands, events| async move {
            while let Some(command) = commands.recv().await {
                let event = if command == TtsCommand::End { TtsEvent::Ended } else { audio(1) };
                if events.send(event).await.is_err() {
                    return;
                }
            }
        })
    }

    #[tokio::test]
    async fn a_stream_that_ends_without_its_last_event_has_failed() {
        let mut replies = Replies::default();
        let hi = || LlmStream::spawn(|events| async move { events.send(LlmEvent::Token("Hi".into())).await.unwrap() });
        replies.generate(ReplyId(1), hi).unwrap();
        assert_eq!(next(&mut replies, true).await, (ReplyId(1), ReplyEvent::Llm(LlmEvent::Token("Hi".into()))));
        let (id, ReplyEvent::Llm(LlmEvent::Failed(error))) = next(&mut replies, true).await else { panic!() };
        assert_eq!((id, error.kind), (ReplyId(1), Failure::Unavailable));
        assert!(replies.alive.is_empty());
    }

    #[tokio::test]
    async fn a_full_playout_leaves_the_voice_unread_but_hears_the_model() {
        let mut replies = Replies::default();
        let ended = LlmEvent::Ended { end: GenerationEnd::Stop, usage: None };
        let (go, gone) = oneshot::channel::<()>();
        let last = ended.clone();
        let waiting = || {
            LlmStream::spawn(|events| async move {
                let _ = gone.await;
                events.send(last).await.unwrap();
            })
        };
        replies.generate(ReplyId(1), waiting).unwrap();
        replies.speak(ReplyId(1), "Hello. ".into(), voice).unwrap();
        assert_eq!(next(&mut replies, true).await, (ReplyId(1), ReplyEvent::Tts(audio(1))));
        replies.speak(ReplyId(1), "Bye. ".into(), || panic!("a second voice")).unwrap();
        replies.end(ReplyId(1)).unwrap();
        go.send(()).unwrap();
        assert_eq!(next(&mut replies, false).await, (ReplyId(1), ReplyEvent::Llm(ended)));
        assert_eq!(next(&mut replies, true).await, (ReplyId(1), ReplyEvent::Tts(audio(1))));
        assert_eq!(next(&mut replies, true).await, (ReplyId(1), ReplyEvent::Tts(TtsEvent::Ended)));
        assert!(replies.alive.is_empty());
    }

    #[tokio::test]
    async fn a_reply_that_has_enough_does_not_keep_the_next_one_unread() {
        let mut replies = Replies::default();
        replies.speak(ReplyId(1), "A long answer. ".into(), voice).unwrap();
        replies.speak(ReplyId(2), "The next one. ".into(), voice).unwrap();
        let next = poll_fn(|cx| replies.poll_event(|reply| reply == ReplyId(2), cx)).await;
        assert_eq!(next, (ReplyId(2), ReplyEvent::Tts(audio(1))));
    }

    #[tokio::test]
    async fn cancelling_a_reply_stops_its_services_and_no_other() {
        let (held, dropped) = oneshot::channel::<()>();
        let mut replies = Replies::default();
        let endless = || {
            LlmStream::spawn(|_events| async move {
                let _held = held;
                std::future::pending().await
            })
        };
        replies.generate(ReplyId(1), endless).unwrap();
        replies.speak(ReplyId(2), "Hello".into(), voice).unwrap();
        replies.cancel(ReplyId(1));
        assert!(dropped.await.is_err(), "the model's task is gone");
        assert_eq!(next(&mut replies, true).await.0, ReplyId(2));
    }

    #[tokio::test]
    async fn a_model_or_a_voice_is_cancelled_without_the_other() {
        let mut replies = Replies::default();
        let forever = || {
            let (held, dropped) = oneshot::channel::<()>();
            let stream = LlmStream::spawn(|_events| async move {
                let _held = held;
                std::future::pending().await
            });
            (stream, dropped)
        };
        let (stream, dropped) = forever();
        replies.generate(ReplyId(1), || stream).unwrap();
        replies.speak(ReplyId(1), "Hello. ".into(), voice).unwrap();
        replies.cancel_model(ReplyId(1));
        assert!(dropped.await.is_err(), "the model's task is gone");
        assert_eq!(next(&mut replies, true).await, (ReplyId(1), ReplyEvent::Tts(audio(1))));
        let (stream, mut dropped) = forever();
        replies.generate(ReplyId(1), || stream).unwrap();
        replies.cancel_voice(ReplyId(1));
        assert!(replies.alive.iter().all(|reply| reply.tts.is_none() && reply.llm.is_some()));
        assert!(matches!(dropped.try_recv(), Err(oneshot::error::TryRecvError::Empty)), "the model works on");
        replies.cancel_model(ReplyId(1));
        assert!(replies.alive.is_empty());
    }

    #[tokio::test]
    async fn a_voice_that_failed_before_the_next_text_gives_its_own_reason() {
        let mut replies = Replies::default();
        let (done, over) = oneshot::channel::<()>();
        let open = || {
            TtsStream::spawn(|commands, events| async move {
                events.send(TtsEvent::Failed(ProviderError::new(Failure::Auth, "key refused"))).await.unwrap();
                drop(commands);
                done.send(()).unwrap();
            })
        };
        replies.speak(ReplyId(1), "One. ".into(), open).unwrap();
        over.await.unwrap();
        let error = replies.speak(ReplyId(1), "Two. ".into(), || panic!("a second voice")).unwrap_err();
        assert_eq!(error.kind, Failure::Auth);
        assert!(replies.alive.is_empty());
    }

    #[tokio::test]
    async fn a_reply_too_many_is_refused_and_the_others_lose_nothing() {
        let mut replies = Replies::default();
        let ids = || (0..Replies::MAX as u32).map(ReplyId);
        for id in ids() {
            replies.speak(id, "Hello".into(), voice).unwrap();
        }
        let late = ReplyId(Replies::MAX as u32);
        assert_eq!(replies.speak(late, "Hello".into(), || panic!("no voice")).unwrap_err().kind, Failure::Unavailable);
        assert_eq!(replies.generate(late, || panic!("no model")).unwrap_err().kind, Failure::Unavailable);
        assert_eq!(replies.refusals(), 2);
        let mut heard = Vec::new();
        for _ in ids() {
            heard.push(next(&mut replies, true).await.0);
        }
        heard.sort();
        assert!(heard.into_iter().eq(ids()), "each of the others is heard");
        replies.cancel(ReplyId(3));
        replies.speak(late, "Hello".into(), voice).unwrap();
    }
}
