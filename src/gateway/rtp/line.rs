//! One call's sockets.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::ReadBuf;
use tokio::net::UdpSocket;

use super::super::{LegCounters, LegEvent, Line};
use super::gate::{Gate, Port};
use super::ports::Lease;
use super::socket::MediaSocket;
use crate::rtp::{PacketBuf, RtcpBuf, SrtpError, SrtpSender};

/// One UDP socket for one call, two where RTCP has a port of its own.
pub(super) struct RtpLine {
    socket: MediaSocket,
    rtcp: Option<MediaSocket>,
    gate: Gate,
    srtp: Option<Box<Protection>>,
    send_failed: u64,
    errors: u32,
    /// Whether the reports' socket was looked at first, the last time.
    reports_first: bool,
    closed: bool,
    // After the sockets: the port rests only once they are closed.
    _lease: Lease,
}

/// Where what leaves an encrypted line is protected.
struct Protection {
    sender: SrtpSender,
    buffer: [u8; PROTECTED],
}

/// Datagrams that are refused before the driver gets its turn: a flood never keeps a call from its pacer, nor its
/// worker thread from other calls.
const REFUSED_PER_WAKE: u32 = 32;
/// Errors in a row after which a socket is taken for dead. ICMP answers to what we sent are not counted.
const MAX_ERRORS: u32 = 16;
/// The longest packet and what protection adds.
const PROTECTED: usize = 2_048;

impl RtpLine {
    /// A line on `socket`, with `rtcp` for the reports when they have a port of their own.
    pub(super) fn new(
        (socket, rtcp): (std::net::UdpSocket, Option<std::net::UdpSocket>),
        gate: Gate,
        srtp: Option<SrtpSender>,
        lease: Lease,
    ) -> Self {
        let srtp = srtp.map(|sender| Box::new(Protection { sender, buffer: [0; PROTECTED] }));
        let (socket, rtcp) = (MediaSocket::Bound(socket), rtcp.map(MediaSocket::Bound));
        Self { socket, rtcp, gate, srtp, send_failed: 0, errors: 0, reports_first: false, closed: false, _lease: lease }
    }

    /// The next datagram of either socket, which take turns; `None`: there is no socket.
    fn poll_either(&mut self, buffer: &mut [u8], cx: &mut Context<'_>) -> Option<Poll<(Port, Datagram)>> {
        let socket = self.socket.watch()?;
        // Without reports there is still sound.
        let rtcp = self.rtcp.as_mut().and_then(MediaSocket::watch);
        self.reports_first = !self.reports_first;
        let mut order = [(Port::Media, Some(socket)), (Port::Rtcp, rtcp)];
        if self.reports_first {
            order.reverse();
        }
        for (port, socket) in order {
            let Some(socket) = socket else { continue };
            if let Poll::Ready(received) = poll_datagram(socket, buffer, cx) {
                return Some(Poll::Ready((port, received)));
            }
        }
        Some(Poll::Pending)
    }

    fn sent(&mut self, result: io::Result<usize>) {
        match result {
            Ok(_) => {}
            Err(error) if is_icmp(&error) => {}
            Err(_) => self.send_failed += 1,
        }
    }
}

/// The length of what came, and from where.
type Datagram = io::Result<(usize, SocketAddr)>;

/// The next datagram of a socket.
fn poll_datagram(socket: &UdpSocket, buffer: &mut [u8], cx: &mut Context<'_>) -> Poll<Datagram> {
    let mut room = ReadBuf::new(buffer);
    socket.poll_recv_from(cx, &mut room).map_ok(|from| (room.filled().len(), from))
}

impl Protection {
    /// Protects a packet; the result is in the buffer.
    fn protect(
        &mut self,
        packet: &[u8],
        with: fn(&mut SrtpSender, &mut [u8], usize) -> Result<usize, SrtpError>,
    ) -> Result<&[u8], SrtpError> {
        self.buffer.get_mut(..packet.len()).ok_or(SrtpError::Room)?.copy_from_slice(packet);
        let length = with(&mut self.sender, &mut self.buffer, packet.len())?;
        self.buffer.get(..length).ok_or(SrtpError::Room)
    }
}

impl Line for RtpLine {
    fn poll_recv(&mut self, buffer: &mut [u8], cx: &mut Context<'_>) -> Poll<LegEvent> {
        let mut refused = 0;
        while !self.closed {
            let Some(received) = self.poll_either(buffer, cx) else { break };
            match ready!(received) {
                (port, Ok((length, from))) => {
                    self.errors = 0;
                    let datagram = buffer.get_mut(..length).unwrap_or_default();
                    if let Some(length) = self.gate.admit(from, port, datagram, Instant::now()) {
                        return Poll::Ready(LegEvent::Packet(length));
                    }
                }
                (_, Err(error)) if is_icmp(&error) => {}
                (_, Err(_)) => {
                    self.errors += 1;
                    if self.errors >= MAX_ERRORS {
                        self.closed = true;
                    }
                }
            }
            refused += 1;
            if refused % REFUSED_PER_WAKE == 0 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
        Poll::Ready(LegEvent::Closed)
    }

    fn sends_at_once(&self) -> bool {
        true
    }

    fn send(&mut self, packet: &PacketBuf) {
        if self.closed {
            return;
        }
        // Until the other side is known there is nobody to send to: that is no failure.
        let Some(target) = self.gate.target() else { return };
        let sent = match &mut self.srtp {
            None => self.socket.send_to(packet.as_bytes(), target),
            Some(srtp) => match srtp.protect(packet.as_bytes(), SrtpSender::protect) {
                Ok(protected) => self.socket.send_to(protected, target),
                Err(error) => Err(io::Error::other(error)),
            },
        };
        self.sent(sent);
    }

    fn send_report(&mut self, report: &RtcpBuf) {
        if self.closed {
            return;
        }
        let Some(mut target) = self.gate.target() else { return };
        let socket = match &self.rtcp {
            None => &self.socket,
            Some(rtcp) => {
                let Some(port) = target.port().checked_add(1) else { return };
                target.set_port(port);
                rtcp
            }
        };
        let sent = match &mut self.srtp {
            None => socket.send_to(report.as_bytes(), target),
            Some(srtp) => match srtp.protect(report.as_bytes(), SrtpSender::protect_rtcp) {
                Ok(protected) => socket.send_to(protected, target),
                Err(error) => Err(io::Error::other(error)),
            },
        };
        self.sent(sent);
    }

    fn close(&mut self) {
        self.closed = true;
    }

    fn counters(&self) -> LegCounters {
        LegCounters { send_failed: self.send_failed, ..self.gate.counters() }
    }
}

/// Whether an error only repeats what a router or the other host said about an earlier packet.
fn is_icmp(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable};
    matches!(error.kind(), ConnectionRefused | ConnectionReset | HostUnreachable | NetworkUnreachable)
}
