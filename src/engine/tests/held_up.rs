//! A process that was held up: the machine slept, a hypervisor took its cores away.

use super::*;
use crate::gateway::{Gateway, LegSpec, RtpConfig, RtpGateway};

#[tokio::test]
async fn what_came_while_the_process_stood_still_is_heard_and_not_given_up() {
    let engine = engine(1);
    let (providers, _backstage) = backstage();
    let (mut start, _) = start(providers);
    let caller = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let gateway = RtpGateway::new(RtpConfig { ports: 23_000..=23_199, ..RtpConfig::default() });
    start.leg = gateway.open(LegSpec::new(Codec::Pcmu, caller.local_addr().ok())).await.unwrap();
    let there = start.leg.local.unwrap();
    let handle = engine.start(engine.reserve().unwrap(), start);
    for sequence in 0..100 {
        caller.send_to(quiet_packet(sequence).as_bytes(), there).unwrap();
        if sequence % 10 == 9 {
            // The call is driven again, its deadlines and its socket ready at the same moment.
            while handle.report().await.unwrap().0.inbound.received <= u64::from(sequence) {}
        }
        // Nothing of this process runs meanwhile; the line goes on.
        std::thread::sleep(Duration::from_millis(20));
    }
    let inbound = handle.report().await.unwrap().0.inbound;
    assert_eq!((inbound.received, inbound.late, inbound.gaps, inbound.concealed), (100, 0, 0, Duration::ZERO));
    assert!(handle.hang_up());
    ended(&handle).await;
}
