//! One call's socket.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::Instant;

use socket2::SockRef;
use tokio::net::UdpSocket;

use super::super::{LegCounters, LegEvent, Line};
use super::latch::Latch;
use super::ports::Lease;
use crate::rtp::PacketBuf;

/// One UDP socket for one call.
pub(super) struct RtpLine {
    socket: Port,
    latch: Latch,
    rate: RateLimit,
    counters: LegCounters,
    errors: u32,
    closed: bool,
    // After the socket: the port rests only once it is closed.
    _lease: Lease,
}

/// A socket and whose runtime wakes it.
enum Port {
    /// Nobody's yet.
    Bound(std::net::UdpSocket),
    /// That of the task that first received.
    Watched(UdpSocket),
    /// It could not be watched.
    Dead,
}

/// Datagrams that are refused before the driver gets its turn: a flood never keeps a call from its pacer, nor its
/// worker thread from other calls.
const REFUSED_PER_WAKE: u32 = 32;
/// Errors in a row after which a socket is taken for dead. ICMP answers to what we sent are not counted.
const MAX_ERRORS: u32 = 16;

impl RtpLine {
    /// A line on `socket`. More than `packets_per_second` of the other side's packets are dropped unread.
    pub(super) fn new(socket: std::net::UdpSocket, latch: Latch, packets_per_second: u32, lease: Lease) -> Self {
        let rate = RateLimit::new(packets_per_second, Instant::now());
        let counters = LegCounters::default();
        Self { socket: Port::Bound(socket), latch, rate, counters, errors: 0, closed: false, _lease: lease }
    }

    async fn next(&mut self, buffer: &mut [u8]) -> LegEvent {
        let mut refused = 0;
        while !self.closed {
            let Some(socket) = self.socket.watch() else { break };
            match socket.recv_from(buffer).await {
                Ok((length, from)) => {
                    self.errors = 0;
                    let now = Instant::now();
                    let datagram = buffer.get(..length).unwrap_or_default();
                    if !self.latch.accepts(from, datagram, now) {
                        self.counters.foreign_source += 1;
                    } else if !self.rate.admits(now) {
                        self.counters.rate_limited += 1;
                    } else {
                        return LegEvent::Packet(length);
                    }
                }
                Err(error) if is_icmp(&error) => {}
                Err(_) => {
                    self.errors += 1;
                    if self.errors >= MAX_ERRORS {
                        self.closed = true;
                    }
                }
            }
            refused += 1;
            if refused % REFUSED_PER_WAKE == 0 {
                tokio::task::yield_now().await;
            }
        }
        LegEvent::Closed
    }
}

impl Port {
    /// The socket, watched from here on by the runtime of the task that asks first: the one that drives the call. `None`
    /// when that runtime cannot.
    fn watch(&mut self) -> Option<&UdpSocket> {
        if matches!(self, Self::Bound(_))
            && let Self::Bound(socket) = std::mem::replace(self, Self::Dead)
            && let Ok(socket) = UdpSocket::from_std(socket)
        {
            *self = Self::Watched(socket);
        }
        match self {
            Self::Watched(socket) => Some(socket),
            Self::Bound(_) | Self::Dead => None,
        }
    }
}

impl Line for RtpLine {
    fn recv<'a>(&'a mut self, buffer: &'a mut [u8]) -> Pin<Box<dyn Future<Output = LegEvent> + Send + 'a>> {
        Box::pin(self.next(buffer))
    }

    fn send(&mut self, packet: &PacketBuf) {
        if self.closed {
            return;
        }
        // Until the other side is known there is nobody to send to: that is no failure.
        let Some(target) = self.latch.target() else { return };
        // Without asking the runtime whether it may: it only knows once it has looked, and a packet does not wait.
        let sent = match &self.socket {
            Port::Bound(socket) => socket.send_to(packet.as_bytes(), target),
            Port::Watched(socket) => SockRef::from(socket).send_to(packet.as_bytes(), &target.into()),
            Port::Dead => return,
        };
        match sent {
            Ok(_) => {}
            Err(error) if is_icmp(&error) => {}
            Err(_) => self.counters.send_failed += 1,
        }
    }

    fn close(&mut self) {
        self.closed = true;
    }

    fn counters(&self) -> LegCounters {
        self.counters
    }
}

/// Whether an error only repeats what a router or the other host said about an earlier packet.
fn is_icmp(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable};
    matches!(error.kind(), ConnectionRefused | ConnectionReset | HostUnreachable | NetworkUnreachable)
}

/// A token bucket that holds one second's worth of packets.
#[derive(Debug)]
struct RateLimit {
    per_second: f64,
    tokens: f64,
    filled: Instant,
}

impl RateLimit {
    fn new(per_second: u32, now: Instant) -> Self {
        Self { per_second: per_second.into(), tokens: per_second.into(), filled: now }
    }

    fn admits(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.filled = now;
        self.tokens = (self.tokens + passed * self.per_second).min(self.per_second);
        let admitted = self.tokens >= 1.0;
        if admitted {
            self.tokens -= 1.0;
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_burst_of_one_second_passes_and_then_only_the_rate() {
        let begin = Instant::now();
        let mut limit = RateLimit::new(500, begin);
        assert_eq!((0..10_000).filter(|_| limit.admits(begin)).count(), 500);
        let later = begin + Duration::from_millis(100);
        assert_eq!((0..10_000).filter(|_| limit.admits(later)).count(), 50);
    }

    #[test]
    fn a_caller_at_fifty_packets_a_second_is_never_limited() {
        let begin = Instant::now();
        let mut limit = RateLimit::new(500, begin);
        assert!((0..10_000u32).all(|n| limit.admits(begin + Duration::from_millis(20) * n)));
    }
}
