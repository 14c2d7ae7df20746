//! A line inside the process: the linked library, tests.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::sync::mpsc;

use super::{CannotTransfer, Leg, LegCounters, LegEvent, LegMedia, LegTransfer, Line};
use crate::audio::Codec;
use crate::rtp::{PacketBuf, PayloadType};

/// Datagrams that may wait in one direction: more than a second of 20 ms packets. More are dropped and counted.
pub const QUEUE: usize = 64;

/// A call has one transfer under way; what is asked beyond this before the peer looks is refused.
const TRANSFERS: usize = 4;

/// A line and the other side of it, in plain RTP datagrams of `codec` with telephone events on payload type 101.
pub fn pair(codec: Codec) -> (Leg, LoopbackPeer) {
    let (to_leg, from_peer) = mpsc::channel(QUEUE);
    let (to_peer, from_leg) = mpsc::channel(QUEUE);
    let (wishes, transfers) = mpsc::channel(TRANSFERS);
    let line = LoopbackLine { from_peer, to_peer: Some(to_peer), wishes, counters: LegCounters::default() };
    let leg = Leg {
        codec,
        payload_type: PayloadType(codec.usual_payload_type()),
        telephone_event: Some(PayloadType(101)),
        media: LegMedia::default(),
        lead: Duration::ZERO,
        far_buffer: false,
        ringing: false,
        local: None,
        rtcp: false,
        srtp: None,
        line: Box::new(line),
    };
    (leg, LoopbackPeer { to_leg, from_leg, transfers })
}

/// A line that rings until its other side [answers](LoopbackPeer::answer).
pub fn ringing(codec: Codec) -> (Leg, LoopbackPeer) {
    let (leg, peer) = pair(codec);
    (Leg { ringing: true, ..leg }, peer)
}

/// The other side of a line inside the process. Dropping it hangs up.
#[derive(Debug)]
pub struct LoopbackPeer {
    to_leg: mpsc::Sender<FromPeer>,
    from_leg: mpsc::Receiver<PacketBuf>,
    transfers: mpsc::Receiver<String>,
}

#[derive(Debug)]
enum FromPeer {
    Datagram(Vec<u8>),
    Event(LegEvent),
}

impl LoopbackPeer {
    /// Answers a line that rings; `false` when the queue is full or the line is closed.
    pub fn answer(&self) -> bool {
        self.to_leg.try_send(FromPeer::Event(LegEvent::Answered)).is_ok()
    }

    /// Sends one datagram; `false` when the queue is full or the line is closed.
    pub fn send(&self, datagram: &[u8]) -> bool {
        self.to_leg.try_send(FromPeer::Datagram(datagram.to_vec())).is_ok()
    }

    /// Presses a key outside the sound; `false` when the queue is full or the line is closed.
    pub fn press(&self, key: char) -> bool {
        self.to_leg.try_send(FromPeer::Event(LegEvent::Digit(key))).is_ok()
    }

    /// Puts the line on hold, or takes it back; `false` when the queue is full or the line is closed.
    pub fn hold(&self, held: bool) -> bool {
        self.to_leg.try_send(FromPeer::Event(LegEvent::Held(held))).is_ok()
    }

    /// Whom the agent wants the peer to be handed to; `None` once the line is closed. Cancel-safe. Answer with
    /// [`end_transfer`](LoopbackPeer::end_transfer).
    pub async fn transfer_wanted(&mut self) -> Option<String> {
        self.transfers.recv().await
    }

    /// Tells how the transfer ended; `false` when the queue is full or the line is closed.
    pub fn end_transfer(&self, end: LegTransfer) -> bool {
        self.to_leg.try_send(FromPeer::Event(LegEvent::TransferEnded(end))).is_ok()
    }

    /// The next packet of the agent; `None` once the line is closed. Cancel-safe.
    pub async fn recv(&mut self) -> Option<PacketBuf> {
        self.from_leg.recv().await
    }
}

struct LoopbackLine {
    from_peer: mpsc::Receiver<FromPeer>,
    to_peer: Option<mpsc::Sender<PacketBuf>>,
    wishes: mpsc::Sender<String>,
    counters: LegCounters,
}

impl Line for LoopbackLine {
    fn poll_recv(&mut self, buffer: &mut [u8], cx: &mut Context<'_>) -> Poll<LegEvent> {
        if self.to_peer.is_none() {
            return Poll::Ready(LegEvent::Closed);
        }
        loop {
            match ready!(self.from_peer.poll_recv(cx)) {
                None => return Poll::Ready(LegEvent::Closed),
                Some(FromPeer::Event(event)) => return Poll::Ready(event),
                Some(FromPeer::Datagram(datagram)) => match buffer.get_mut(..datagram.len()) {
                    Some(room) => {
                        room.copy_from_slice(&datagram);
                        return Poll::Ready(LegEvent::Packet(datagram.len()));
                    }
                    None => self.counters.malformed += 1,
                },
            }
        }
    }

    fn sends_at_once(&self) -> bool {
        true
    }

    fn send(&mut self, packet: &PacketBuf) {
        if self.to_peer.as_ref().is_some_and(|peer| peer.try_send(*packet).is_err()) {
            self.counters.send_failed += 1;
        }
    }

    fn can_transfer(&self) -> bool {
        true
    }

    fn transfer(&mut self, to: &str) -> Result<(), CannotTransfer> {
        self.wishes.try_send(to.to_owned()).map_err(|_| CannotTransfer)
    }

    fn close(&mut self) {
        self.to_peer = None;
        self.from_peer.close();
    }

    fn counters(&self) -> LegCounters {
        self.counters
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::{Header, Ssrc};

    fn packet() -> PacketBuf {
        let header = Header { marker: false, payload_type: PayloadType(0), sequence: 1, timestamp: 160, ssrc: Ssrc(1) };
        PacketBuf::write(header, |room| {
            room[..160].fill(0xFF);
            160
        })
    }

    #[tokio::test]
    async fn datagrams_keys_and_holds_pass_in_order_and_dropping_the_peer_hangs_up() {
        let (mut leg, mut peer) = pair(Codec::Pcmu);
        assert!(peer.send(b"not RTP at all") && peer.press('7') && peer.hold(true));
        leg.line.send(&packet());
        assert_eq!(peer.recv().await.unwrap().as_bytes(), packet().as_bytes());
        drop(peer);
        let mut buffer = [0; 64];
        assert_eq!(leg.line.recv(&mut buffer).await, LegEvent::Packet(14));
        assert_eq!(&buffer[..14], b"not RTP at all");
        assert_eq!(leg.line.recv(&mut buffer).await, LegEvent::Digit('7'));
        assert_eq!(leg.line.recv(&mut buffer).await, LegEvent::Held(true));
        assert_eq!(leg.line.recv(&mut buffer).await, LegEvent::Closed);
    }

    #[tokio::test]
    async fn the_peer_sees_whom_it_is_handed_to_and_says_what_came_of_it() {
        let (mut leg, mut peer) = pair(Codec::Pcmu);
        assert!(leg.line.can_transfer());
        assert_eq!(leg.line.transfer("+14155550100"), Ok(()));
        assert_eq!(peer.transfer_wanted().await.as_deref(), Some("+14155550100"));
        assert!(peer.end_transfer(LegTransfer::NoAnswer));
        assert_eq!(leg.line.recv(&mut [0; 64]).await, LegEvent::TransferEnded(LegTransfer::NoAnswer));
        drop(peer);
        assert_eq!(leg.line.transfer("+14155550100"), Err(CannotTransfer));
    }

    #[tokio::test]
    async fn closing_the_line_ends_the_peers_stream_and_refuses_its_packets() {
        let (mut leg, mut peer) = pair(Codec::Pcmu);
        leg.line.close();
        assert_eq!(peer.recv().await.map(|packet| packet.as_bytes().len()), None);
        assert!(!peer.send(&[0; 12]));
        assert_eq!(leg.line.recv(&mut [0; 64]).await, LegEvent::Closed);
    }

    #[test]
    fn a_peer_that_does_not_read_costs_packets_and_they_are_counted() {
        let (mut leg, _peer) = pair(Codec::Pcmu);
        for _ in 0..QUEUE + 3 {
            leg.line.send(&packet());
        }
        assert_eq!(leg.line.counters().send_failed, 3);
    }
}
