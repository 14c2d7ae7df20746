//! The open stream as a line.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::task::{Context, Poll};

use futures_util::{SinkExt, StreamExt};

use super::super::{WsFrame, WsSocket};
use super::wire::{self, Incoming, Malformed, Media, Writer};
use crate::gateway::{LegCounters, LegEvent, Line};
use crate::rtp::{Header, PacketBuf, PayloadType, Ssrc};

/// One media stream over a WebSocket. Its sound looks like RTP to the call, so that the call has one door.
pub(super) struct TwilioLine<S, E> {
    socket: S,
    writer: Writer,
    queue: VecDeque<Queued>,
    counters: LegCounters,
    closing: bool,
    closed: bool,
    _error: PhantomData<fn() -> E>,
}

enum Queued {
    Media(String),
    Control(String),
    Close,
}

/// Messages that may wait while the socket does not take them: two seconds of 20 ms packets. More sound is dropped and
/// counted; marks and clears still fit, up to twice this.
const QUEUE: usize = 100;
/// Messages that are refused before the driver gets its turn.
const REFUSED_PER_WAKE: u32 = 32;
/// There is one source on this wire and it has no SSRC of its own.
const SSRC: Ssrc = Ssrc(0x5457_494C);
/// µ-law counts 8 units a millisecond.
const UNITS_PER_MS: u64 = 8;

impl<S: WsSocket<E>, E: 'static> TwilioLine<S, E> {
    /// A line on an open stream that has started.
    pub(super) fn new(socket: S, writer: Writer, counters: LegCounters) -> Self {
        let queue = VecDeque::with_capacity(QUEUE);
        Self { socket, writer, queue, counters, closing: false, closed: false, _error: PhantomData }
    }

    /// Sends what waits and reads one event. All its state is in `self`, so a dropped wait loses nothing.
    fn poll_event(&mut self, buffer: &mut [u8], cx: &mut Context<'_>) -> Poll<LegEvent> {
        let mut refused = 0;
        while !self.closed {
            self.poll_send(cx);
            match self.socket.poll_next_unpin(cx) {
                Poll::Pending => return if self.closed { Poll::Ready(LegEvent::Closed) } else { Poll::Pending },
                Poll::Ready(Some(Ok(WsFrame::Text(text)))) if !self.closing => match event(&text, buffer) {
                    Ok(Some(event)) => {
                        self.closed = event == LegEvent::Closed;
                        return Poll::Ready(event);
                    }
                    Ok(None) => {}
                    Err(Malformed) => self.counters.malformed += 1,
                },
                Poll::Ready(Some(Ok(WsFrame::Binary(_)))) => self.counters.malformed += 1,
                Poll::Ready(Some(Ok(WsFrame::Text(_) | WsFrame::Other))) => {}
                Poll::Ready(Some(Ok(WsFrame::Close) | Err(_)) | None) => self.closed = true,
            }
            refused += 1;
            if refused % REFUSED_PER_WAKE == 0 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
        Poll::Ready(LegEvent::Closed)
    }

    /// Hands to the socket what it will take.
    fn poll_send(&mut self, cx: &mut Context<'_>) {
        while !self.queue.is_empty() {
            match self.socket.poll_ready_unpin(cx) {
                Poll::Pending => return,
                Poll::Ready(Err(_)) => return self.closed = true,
                Poll::Ready(Ok(())) => {}
            }
            let frame = match self.queue.pop_front() {
                Some(Queued::Media(text) | Queued::Control(text)) => WsFrame::Text(text.into()),
                Some(Queued::Close) => WsFrame::Close,
                None => break,
            };
            if self.socket.start_send_unpin(frame).is_err() {
                return self.closed = true;
            }
        }
        if let Poll::Ready(Err(_)) = self.socket.poll_flush_unpin(cx) {
            self.closed = true;
        }
    }

    fn push(&mut self, message: Queued, bound: usize) {
        if self.closing || self.closed {
            return;
        }
        if self.queue.len() >= bound {
            self.counters.send_failed += 1;
        } else {
            self.queue.push_back(message);
        }
    }
}

impl<S: WsSocket<E>, E: 'static> Line for TwilioLine<S, E> {
    fn poll_recv(&mut self, buffer: &mut [u8], cx: &mut Context<'_>) -> Poll<LegEvent> {
        self.poll_event(buffer, cx)
    }

    fn send(&mut self, packet: &PacketBuf) {
        let message = Queued::Media(self.writer.media(packet.payload()));
        self.push(message, QUEUE);
    }

    fn clear(&mut self) {
        // What has not left needs no help of the far side. Marks stay: the far side answers them all on `clear`.
        self.queue.retain(|message| !matches!(message, Queued::Media(_)));
        let message = Queued::Control(self.writer.clear());
        self.push(message, 2 * QUEUE);
    }

    fn mark(&mut self, mark: u32) {
        let message = Queued::Control(self.writer.mark(mark));
        self.push(message, 2 * QUEUE);
    }

    fn close(&mut self) {
        self.push(Queued::Close, usize::MAX);
        self.closing = true;
    }

    fn counters(&self) -> LegCounters {
        self.counters
    }
}

/// What a text message means to the call; `None`: nothing.
fn event(text: &[u8], buffer: &mut [u8]) -> Result<Option<LegEvent>, Malformed> {
    Ok(match wire::parse(text)? {
        Incoming::Media(media) => Some(LegEvent::Packet(datagram(&media, buffer)?)),
        Incoming::Dtmf(key) => Some(LegEvent::Digit(key)),
        Incoming::Mark(mark) => Some(LegEvent::Played(mark)),
        Incoming::Stop => Some(LegEvent::Closed),
        Incoming::Connected | Incoming::Start(_) => None,
    })
}

/// Writes a piece of sound as an RTP packet and says how long it is.
fn datagram(media: &Media<'_>, buffer: &mut [u8]) -> Result<usize, Malformed> {
    let header = Header {
        marker: false,
        payload_type: PayloadType(0),
        sequence: media.chunk()? as u16,
        timestamp: media.timestamp()?.wrapping_mul(UNITS_PER_MS) as u32,
        ssrc: SSRC,
    };
    let head = PacketBuf::write(header, |_| 0);
    let (front, rest) = buffer.split_at_mut_checked(head.as_bytes().len()).ok_or(Malformed)?;
    front.copy_from_slice(head.as_bytes());
    Ok(front.len() + media.payload(rest)?)
}
