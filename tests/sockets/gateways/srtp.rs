//! Encrypted lines, and reports on a port of their own.

use std::net::SocketAddr;
use std::time::Duration;

use agentphone::audio::Codec;
use agentphone::gateway::{Gateway, Leg, LegError, LegEvent, LegSpec, RtpConfig, RtpGateway, SrtpSpec};
use agentphone::rtp::{Header, Packet, PacketBuf, PayloadType, RtcpBuf, SdesCrypto, SrtpReceiver, SrtpSender, Ssrc};
use tokio::net::UdpSocket;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(5);
const THEIRS: &str =
    "3 AES_256_CM_HMAC_SHA1_80 inline:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkqKywtLg==";

fn gateway() -> RtpGateway {
    RtpGateway::new(RtpConfig { ports: 23_100..=23_999, ..RtpConfig::default() })
}

fn packet(sequence: u16) -> PacketBuf {
    let timestamp = u32::from(sequence) * 160;
    let header = Header { marker: false, payload_type: PayloadType(0), sequence, timestamp, ssrc: Ssrc(7) };
    PacketBuf::write(header, |room| {
        room[..160].fill(0xFF);
        160
    })
}

fn report() -> RtcpBuf {
    RtcpBuf::write(Ssrc(7), None, None, "them", false)
}

fn protect(bytes: &[u8], with: impl FnOnce(&mut [u8], usize) -> usize) -> Vec<u8> {
    let mut room = bytes.to_vec();
    room.resize(bytes.len() + SrtpSender::OVERHEAD, 0);
    let length = with(&mut room, bytes.len());
    room.truncate(length);
    room
}

async fn heard(leg: &mut Leg) -> Vec<u8> {
    let mut buffer = [0; 2_048];
    match timeout(PATIENCE, leg.line.recv(&mut buffer)).await.expect("something comes from the line") {
        LegEvent::Packet(length) => buffer[..length].to_vec(),
        event => panic!("{event:?}"),
    }
}

async fn got(peer: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 2_048];
    let (length, from) = timeout(PATIENCE, peer.recv_from(&mut buffer)).await.expect("something comes back").unwrap();
    (buffer[..length].to_vec(), from)
}

#[tokio::test]
async fn an_encrypted_line_carries_sound_and_reports_both_ways_and_lets_nothing_else_in() {
    let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let theirs = SdesCrypto::parse(THEIRS).unwrap();
    let mut spec = LegSpec::new(Codec::Pcmu, Some(peer.local_addr().unwrap()));
    spec.srtp = Some(SrtpSpec { receive: theirs.clone(), send: None });
    spec.rtcp_mux = true;
    let mut leg = gateway().open(spec).await.unwrap();
    let (local, ours) = (leg.local.unwrap(), leg.srtp.clone().expect("a fresh key"));
    assert_eq!((ours.tag, ours.key.suite()), (3, theirs.key.suite()));
    assert_ne!(ours.reveal(), theirs.reveal());

    let mut receiver = SrtpReceiver::new(&ours.key);
    leg.line.send(&packet(9));
    let mut sound = got(&peer).await.0;
    assert_ne!(sound[12..172], packet(9).as_bytes()[12..]);
    assert_eq!(receiver.open(&mut sound), Ok(172));
    assert_eq!(sound[..172], *packet(9).as_bytes());
    leg.line.send_report(&report());
    let mut told = got(&peer).await.0;
    let length = receiver.open_rtcp(&mut told).unwrap();
    assert_eq!(told[..length], *report().as_bytes());

    let mut sender = SrtpSender::new(&theirs.key);
    peer.send_to(packet(1).as_bytes(), local).await.unwrap();
    let good = protect(packet(2).as_bytes(), |room, length| sender.protect(room, length).unwrap());
    let mut bad = good.clone();
    bad[30] ^= 4;
    for bytes in [&bad, &good, &good] {
        peer.send_to(bytes, local).await.unwrap();
    }
    let told = protect(report().as_bytes(), |room, length| sender.protect_rtcp(room, length).unwrap());
    peer.send_to(&told, local).await.unwrap();
    assert_eq!(heard(&mut leg).await, packet(2).as_bytes(), "the others were not heard");
    assert_eq!(heard(&mut leg).await, report().as_bytes());
    let counters = leg.line.counters();
    assert_eq!((counters.bad_tag, counters.replayed), (2, 1));
}

#[tokio::test]
async fn reports_that_do_not_share_the_port_have_the_next_one() {
    let (peer, beside) = loop {
        let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut next = peer.local_addr().unwrap();
        next.set_port(next.port().wrapping_add(1));
        if let Ok(beside) = UdpSocket::bind(next).await {
            break (peer, beside);
        }
    };
    let mut spec = LegSpec::new(Codec::Pcmu, Some(peer.local_addr().unwrap()));
    spec.rtcp_mux = false;
    let mut leg = gateway().open(spec).await.unwrap();
    let local = leg.local.unwrap();
    let reports = SocketAddr::new(local.ip(), local.port() + 1);
    leg.line.send(&packet(9));
    assert_eq!(got(&peer).await, (packet(9).as_bytes().to_vec(), local));
    leg.line.send_report(&report());
    assert_eq!(got(&beside).await, (report().as_bytes().to_vec(), reports));

    // Not from the port of the sound, and no sound on the port of the reports.
    peer.send_to(report().as_bytes(), reports).await.unwrap();
    beside.send_to(packet(1).as_bytes(), reports).await.unwrap();
    beside.send_to(report().as_bytes(), reports).await.unwrap();
    assert_eq!(heard(&mut leg).await, report().as_bytes());
    peer.send_to(packet(2).as_bytes(), local).await.unwrap();
    let sound = heard(&mut leg).await;
    assert_eq!(Packet::parse(&sound).unwrap().header.sequence, 2);
    assert_eq!((leg.line.counters().foreign_source, leg.line.counters().malformed), (1, 1));
}

#[tokio::test]
async fn where_encryption_is_required_a_line_without_keys_is_refused() {
    let gateway = RtpGateway::new(RtpConfig { require_srtp: true, ..RtpConfig::default() });
    assert!(matches!(gateway.open(LegSpec::new(Codec::Pcmu, None)).await, Err(LegError::KeysWanted)));
}
