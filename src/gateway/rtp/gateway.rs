//! The gateway: a port per call.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use super::super::{Gateway, Leg, LegError, LegFuture, LegMedia, LegSpec, SrtpSpec};
use super::gate::Gate;
use super::latch::Latch;
use super::line::RtpLine;
use super::ports::Ports;
use crate::rtp::{PayloadType, SdesCrypto, SrtpKey, SrtpReceiver, SrtpSender};

/// How RTP is received and sent.
#[derive(Clone, Debug)]
pub struct RtpConfig {
    /// The address our sockets are bound to.
    pub address: IpAddr,
    /// The address the other side is told, when it differs from `address` (we are behind a NAT, or bound to all).
    pub advertised: Option<IpAddr>,
    /// The ports; each call takes one even port. RTCP shares it (RFC 5761) or has the odd one after it.
    pub ports: RangeInclusive<u16>,
    /// How long a closed port rests before another call may have it.
    pub rest: Duration,
    /// How long after opening a source that was not signalled may be learned from its packets.
    pub learn: Duration,
    /// Whether sound follows the learned source even when another address was signalled (RFC 4961; for callers behind
    /// NATs). A stranger who guesses the port within the learning window could then divert it: leave it off where the
    /// signalled address is right.
    pub symmetric: bool,
    /// What one of our packets holds where the leg does not say, if its codec has packets of this length: 10, 20, 30, 40
    /// or 60 ms.
    pub ptime: Duration,
    /// The most packets a second the other side may send; more are dropped unread. G.711 in 20 ms packets is 50.
    pub packets_per_second: u32,
    /// Whether lines without keys are refused.
    pub require_srtp: bool,
}

impl Default for RtpConfig {
    fn default() -> Self {
        Self {
            address: Ipv4Addr::LOCALHOST.into(),
            advertised: None,
            ports: 10_000..=19_999,
            rest: Duration::from_secs(30),
            learn: Duration::from_secs(10),
            symmetric: false,
            ptime: LegMedia::PTIME,
            packets_per_second: 500,
            require_srtp: false,
        }
    }
}

/// Opens RTP lines: one UDP port each. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RtpGateway {
    config: Arc<RtpConfig>,
    ports: Arc<Ports>,
}

impl RtpGateway {
    /// A gateway with no line yet. Binds nothing before the first call.
    pub fn new(config: RtpConfig) -> Self {
        let ports = Arc::new(Ports::new(&config.ports, config.rest));
        Self { config: Arc::new(config), ports }
    }

    /// Binds one socket on the address of the media ports and lets it go again.
    ///
    /// # Errors
    ///
    /// The system's, when the address is not one of this machine.
    pub fn check(&self) -> io::Result<()> {
        bind(SocketAddr::new(self.config.address, 0)).map(drop)
    }

    fn open_line(&self, spec: &LegSpec) -> Result<Leg, LegError> {
        let config = &*self.config;
        if spec.remote.is_some_and(|remote| remote.is_ipv4() != config.address.is_ipv4()) {
            return Err(LegError::Unsupported("an address of the other IP version than ours"));
        }
        // Nothing sent from a loopback address leaves the machine: the call would be silent both ways.
        if config.address.is_loopback() && spec.remote.is_some_and(|remote| !remote.ip().to_canonical().is_loopback()) {
            return Err(LegError::Unsupported(
                "the media ports are on a loopback address, and the remote is not; set `[rtp] address`",
            ));
        }
        if config.require_srtp && spec.srtp.is_none() {
            return Err(LegError::KeysWanted);
        }
        let send = spec.srtp.as_ref().map(own_key).transpose()?;
        let mut seed = [0; 2];
        fill(&mut seed)?;
        let now = Instant::now();
        let bind = |port| bind(SocketAddr::new(config.address, port));
        let bind = |port: u16| {
            // The port is even: it has one after it.
            let rtcp = if spec.rtcp_mux { None } else { Some(bind(port | 1)?) };
            Ok((bind(port)?, rtcp))
        };
        let ((socket, rtcp), lease) = self.ports.lease(u16::from_ne_bytes(seed), now, bind)?;
        let bound = socket.local_addr().map_err(LegError::Io)?;
        let payload_type = spec.payload_type.unwrap_or(PayloadType(spec.codec.usual_payload_type()));
        let usual = if spec.codec.can_send(config.ptime) { config.ptime } else { LegMedia::PTIME };
        let ptime = spec.media.ptime.unwrap_or(usual);
        let others = spec.media.others.iter().map(|(payload_type, _)| *payload_type);
        let agreed = std::iter::once(payload_type).chain(spec.telephone_event).chain(others).collect();
        let latch = Latch::new(spec.remote, config.symmetric, agreed, now + config.learn);
        let receiver = spec.srtp.as_ref().map(|srtp| SrtpReceiver::new(&srtp.receive.key));
        let gate = Gate::new(latch, config.packets_per_second, receiver, now);
        let sender = send.as_ref().map(|send| SrtpSender::new(&send.key));
        Ok(Leg {
            codec: spec.codec,
            payload_type,
            telephone_event: spec.telephone_event,
            media: LegMedia { ptime: Some(ptime), ..spec.media.clone() },
            lead: Duration::ZERO,
            far_buffer: false,
            ringing: false,
            local: Some(SocketAddr::new(config.advertised.unwrap_or(bound.ip()), bound.port())),
            rtcp: true,
            srtp: send,
            line: Box::new(RtpLine::new((socket, rtcp), gate, sender, lease)),
        })
    }
}

impl Gateway for RtpGateway {
    fn open(&self, spec: LegSpec) -> LegFuture<'_> {
        Box::pin(std::future::ready(self.open_line(&spec)))
    }
}

/// What we protect with: what was agreed, or a fresh key that answers the other side's.
fn own_key(srtp: &SrtpSpec) -> Result<SdesCrypto, LegError> {
    if let Some(send) = &srtp.send {
        return Ok(send.clone());
    }
    let mut secret = [0; SrtpKey::LONGEST];
    fill(&mut secret)?;
    let key = SrtpKey::new(srtp.receive.key.suite(), &secret).ok_or(LegError::KeysWanted)?;
    Ok(SdesCrypto { tag: srtp.receive.tag, key })
}

fn fill(bytes: &mut [u8]) -> Result<(), LegError> {
    getrandom::fill(bytes).map_err(|error| LegError::Io(io::Error::other(error)))
}

/// What the kernel may hold for us while our thread is busy: seconds of a call, a few milliseconds of a flood.
const RECEIVE_BUFFER: usize = 512 * 1024;
/// Expedited forwarding (RFC 3246), as IPv4 type of service.
const EXPEDITED: u32 = 0xB8;

fn bind(address: SocketAddr) -> io::Result<std::net::UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    // Neither is worth refusing a call for.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    if address.is_ipv4() {
        let _ = socket.set_tos_v4(EXPEDITED);
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::Codec;

    #[tokio::test]
    async fn a_remote_that_a_loopback_socket_cannot_reach_is_refused() {
        for (ours, theirs, opens) in [
            ("127.0.0.1", "127.0.0.2:4000", true),
            ("127.0.0.1", "192.0.2.1:4000", false),
            ("::1", "[2001:db8::1]:4000", false),
            ("0.0.0.0", "192.0.2.1:4000", true),
        ] {
            let config = RtpConfig {
                address: ours.parse().unwrap(),
                ports: 30_000..=30_999,
                rest: Duration::ZERO,
                ..RtpConfig::default()
            };
            let spec = LegSpec::new(Codec::Pcmu, Some(theirs.parse().unwrap()));
            match RtpGateway::new(config).open(spec).await {
                Ok(_) => assert!(opens, "{ours} {theirs}"),
                Err(error) => {
                    assert!(!opens, "{ours} {theirs}: {error}");
                    assert!(error.to_string().contains("`[rtp] address`"), "{error}");
                }
            }
        }
    }

    #[test]
    fn an_address_of_another_machine_fails_the_check() {
        let gateway =
            |address: &str| RtpGateway::new(RtpConfig { address: address.parse().unwrap(), ..RtpConfig::default() });
        gateway("127.0.0.1").check().unwrap();
        // Of the block for documentation (RFC 5737): nobody has it.
        assert_eq!(gateway("192.0.2.1").check().unwrap_err().kind(), io::ErrorKind::AddrNotAvailable);
    }
}
