//! A media socket.

use std::io;
use std::net::SocketAddr;

use socket2::SockRef;
use tokio::net::UdpSocket;

/// A UDP socket, watched by the runtime of the task that first receives: the one that drives the call, whoever opened it.
pub(super) enum MediaSocket {
    /// Nobody's yet.
    Bound(std::net::UdpSocket),
    /// That task's.
    Watched(UdpSocket),
    /// It could not be watched.
    Dead,
}

impl MediaSocket {
    /// The socket, watched from here on. `None` when the runtime cannot.
    pub(super) fn watch(&mut self) -> Option<&UdpSocket> {
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

    /// Sends a datagram now, without asking the runtime whether it may: that only knows once it has looked, and a packet does
    /// not wait.
    ///
    /// # Errors
    ///
    /// The system's.
    pub(super) fn send_to(&self, datagram: &[u8], target: SocketAddr) -> io::Result<usize> {
        match self {
            Self::Bound(socket) => socket.send_to(datagram, target),
            Self::Watched(socket) => SockRef::from(socket).send_to(datagram, &target.into()),
            Self::Dead => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}
