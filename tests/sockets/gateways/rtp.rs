//! RTP over UDP.

use std::net::{Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use agentphone::audio::Codec;
use agentphone::gateway::{Gateway, Leg, LegError, LegEvent, LegSpec, RtpConfig, RtpGateway};
use agentphone::rtp::{Header, Packet, PacketBuf, PayloadType, Ssrc};
use tokio::net::UdpSocket;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(5);
const PORTS: RangeInclusive<u16> = 22_000..=22_999;

fn gateway() -> RtpGateway {
    RtpGateway::new(RtpConfig { ports: PORTS, ..RtpConfig::default() })
}

async fn socket() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").await.unwrap()
}

fn packet(ssrc: u32, sequence: u16) -> PacketBuf {
    let timestamp = u32::from(sequence) * 160;
    let header = Header { marker: false, payload_type: PayloadType(0), sequence, timestamp, ssrc: Ssrc(ssrc) };
    PacketBuf::write(header, |room| {
        room[..160].fill(0xFF);
        160
    })
}

async fn recv(leg: &mut Leg, buffer: &mut [u8]) -> LegEvent {
    timeout(PATIENCE, leg.line.recv(buffer)).await.expect("something comes from the line")
}

async fn recv_sequence(leg: &mut Leg) -> u16 {
    let mut buffer = [0; 2_048];
    let LegEvent::Packet(length) = recv(leg, &mut buffer).await else { panic!("not a packet") };
    Packet::parse(&buffer[..length]).unwrap().header.sequence
}

async fn heard(peer: &UdpSocket) -> SocketAddr {
    timeout(PATIENCE, peer.recv_from(&mut [0; 2_048])).await.expect("a packet comes back").unwrap().1
}

#[tokio::test]
async fn sound_travels_both_ways_between_us_and_the_signalled_address() {
    let peer = socket().await;
    let mut leg = gateway().open(LegSpec::new(Codec::Pcmu, Some(peer.local_addr().unwrap()))).await.unwrap();
    let local = leg.local.unwrap();
    assert!(local.port() % 2 == 0 && PORTS.contains(&local.port()), "{local}");
    leg.line.send(&packet(9, 1));
    assert_eq!(heard(&peer).await, local, "we send from the port we receive on");
    peer.send_to(packet(7, 42).as_bytes(), local).await.unwrap();
    assert_eq!(recv_sequence(&mut leg).await, 42, "the first packet is heard");
    leg.line.close();
    assert_eq!(recv(&mut leg, &mut [0; 64]).await, LegEvent::Closed);
}

#[tokio::test]
async fn an_unsignalled_source_is_learned_and_strangers_never_move_it() {
    let (peer, stranger) = (socket().await, socket().await);
    let mut leg = gateway().open(LegSpec::new(Codec::Pcmu, None)).await.unwrap();
    let local = leg.local.unwrap();
    leg.line.send(&packet(9, 1));
    for sequence in 0..5 {
        peer.send_to(packet(7, sequence).as_bytes(), local).await.unwrap();
    }
    assert_eq!(recv_sequence(&mut leg).await, 4, "the fifth packet of the run");
    for sequence in 0..100 {
        stranger.send_to(packet(8, sequence).as_bytes(), local).await.unwrap();
    }
    peer.send_to(packet(7, 5).as_bytes(), local).await.unwrap();
    assert_eq!(recv_sequence(&mut leg).await, 5);
    leg.line.send(&packet(9, 2));
    assert_eq!(heard(&peer).await, local);
    assert!(stranger.try_recv_from(&mut [0; 64]).is_err(), "the stranger hears nothing");
    assert_eq!(leg.line.counters().foreign_source, 104);
}

#[tokio::test]
async fn a_flood_of_garbage_keeps_nobody_from_the_pacer_and_the_call_survives_it() {
    let peer = socket().await;
    let mut leg = gateway().open(LegSpec::new(Codec::Pcmu, Some(peer.local_addr().unwrap()))).await.unwrap();
    let local = leg.local.unwrap();
    peer.send_to(packet(7, 0).as_bytes(), local).await.unwrap();
    assert_eq!(recv_sequence(&mut leg).await, 0);

    let flood = std::thread::spawn(move || {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        (0..100_000).filter(|_| socket.send_to(&[0xFF; 172], local).is_ok()).count()
    });
    // As a driver does: the line and a deadline, in one task.
    let mut ticks = 0;
    let mut tick = tokio::time::interval(Duration::from_millis(2));
    let mut buffer = [0; 2_048];
    while !flood.is_finished() {
        tokio::select! {
            biased;
            event = leg.line.recv(&mut buffer) => panic!("a stranger was heard: {event:?}"),
            _ = tick.tick() => ticks += 1,
        }
    }
    assert_eq!(flood.join().unwrap(), 100_000);
    assert!(ticks >= 5, "the deadline was served only {ticks} times");
    // The kernel's queue may still be full: a packet of the peer gets in as soon as we have read on.
    let mut sequence = 0;
    let again = loop {
        sequence += 1;
        peer.send_to(packet(7, sequence).as_bytes(), local).await.unwrap();
        if let Ok(event) = timeout(Duration::from_millis(20), leg.line.recv(&mut buffer)).await {
            break event;
        }
        assert!(sequence < 100, "the call is deaf");
    };
    assert_eq!(again, LegEvent::Packet(172));
    assert!(leg.line.counters().foreign_source > 1_000, "{:?}", leg.line.counters());
}

#[tokio::test]
async fn more_than_the_agreed_rate_is_dropped_and_counted() {
    let peer = socket().await;
    let gateway = RtpGateway::new(RtpConfig { ports: PORTS, packets_per_second: 100, ..RtpConfig::default() });
    let mut leg = gateway.open(LegSpec::new(Codec::Pcmu, Some(peer.local_addr().unwrap()))).await.unwrap();
    let mut heard = 0;
    let mut buffer = [0; 2_048];
    for sequence in 0..400 {
        peer.send_to(packet(7, sequence).as_bytes(), leg.local.unwrap()).await.unwrap();
    }
    while heard + leg.line.counters().rate_limited < 400 {
        // Ends without an event once everything that waits has been refused.
        match timeout(Duration::from_millis(50), leg.line.recv(&mut buffer)).await {
            Ok(LegEvent::Packet(_)) => heard += 1,
            Ok(event) => panic!("{event:?}"),
            Err(_) => break,
        }
    }
    let limited = leg.line.counters().rate_limited;
    assert_eq!(heard + limited, 400);
    assert!(heard >= 100 && limited > 100, "heard {heard}, refused {limited}");
}

#[tokio::test]
async fn a_closed_port_rests_before_another_call_gets_it() {
    let (port, config) = (23_000, RtpConfig { ports: 23_000..=23_001, ..RtpConfig::default() });
    let gateway = RtpGateway::new(config.clone());
    let spec = LegSpec::new(Codec::Pcmu, None);
    let leg = gateway.open(spec.clone()).await.unwrap();
    assert_eq!(leg.local.unwrap().port(), port);
    assert!(matches!(gateway.open(spec.clone()).await, Err(LegError::NoPort)), "in use");
    drop(leg);
    assert!(matches!(gateway.open(spec.clone()).await, Err(LegError::NoPort)), "resting");

    let restless = RtpGateway::new(RtpConfig { rest: Duration::ZERO, ..config });
    drop(restless.open(spec.clone()).await.unwrap());
    assert_eq!(restless.open(spec).await.unwrap().local.unwrap().port(), port);
}

#[tokio::test]
async fn a_peer_that_is_not_there_yet_is_no_error() {
    let peer = socket().await;
    let remote = peer.local_addr().unwrap();
    drop(peer);
    let mut leg = gateway().open(LegSpec::new(Codec::Pcmu, Some(remote))).await.unwrap();
    let mut buffer = [0; 2_048];
    for sequence in 0..5 {
        leg.line.send(&packet(9, sequence));
        assert!(timeout(Duration::from_millis(5), leg.line.recv(&mut buffer)).await.is_err());
    }
    let peer = UdpSocket::bind(remote).await.unwrap();
    peer.send_to(packet(7, 3).as_bytes(), leg.local.unwrap()).await.unwrap();
    assert_eq!(recv_sequence(&mut leg).await, 3);
    assert_eq!(leg.line.counters().send_failed, 0);
}

#[tokio::test]
async fn an_address_of_the_other_ip_version_is_refused() {
    let remote = SocketAddr::from((Ipv6Addr::LOCALHOST, 4_000));
    let refused = gateway().open(LegSpec::new(Codec::Pcmu, Some(remote))).await;
    assert!(matches!(refused, Err(LegError::Unsupported(_))));
}
