//! A stranger floods one call's port: the others do not notice, and that call stays with its caller.
#![expect(clippy::print_stdout, reason = "how hard the flood was belongs to the result")]

use std::net::{SocketAddr, UdpSocket as Socket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use agentphone::engine::Histogram;
use agentphone::rtp::{Header, Packet, PacketBuf, PayloadType, Ssrc};
use serde_json::json;
use tokio::net::UdpSocket;

use super::client::{get, post};
use super::door::Door;

/// What is more than anything the histogram tells apart.
const BEYOND: Duration = Duration::from_secs(1);

/// A flood of packets that look like a caller's, `per_second` of them; gives how many were sent.
fn flood(target: SocketAddr, per_second: u64, stop: Arc<AtomicBool>) -> thread::JoinHandle<u64> {
    thread::spawn(move || {
        // Another host than the caller's: another port of that one may be believed.
        let socket = Socket::bind("127.0.0.2:0").unwrap();
        let (begin, mut sent) = (Instant::now(), 0);
        while !stop.load(Ordering::Relaxed) {
            let due = begin.elapsed().as_micros() as u64 * per_second / 1_000_000;
            while sent < due {
                let sequence = sent as u16;
                let header = Header {
                    marker: false,
                    payload_type: PayloadType(0),
                    sequence,
                    timestamp: u32::from(sequence) * 160,
                    ssrc: Ssrc(66),
                };
                let packet = PacketBuf::write(header, |room| {
                    room[..160].fill(0x80);
                    160
                });
                let _ = socket.send_to(packet.as_bytes(), target);
                sent += 1;
            }
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(
            socket.set_nonblocking(true).and_then(|()| socket.recv(&mut [0; 64])).ok(),
            None,
            "the stranger hears something"
        );
        sent
    })
}

async fn attach(door: &Door, caller: &UdpSocket) -> serde_json::Value {
    let wish = json!({"agentId": "front-desk", "transport": "rtp", "remote": caller.local_addr().unwrap()});
    let answer = post(door.address, "/v1/media/legs", &wish.to_string()).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.json()
}

/// What the other calls sent in some time.
#[derive(Debug)]
struct Others {
    /// Packets.
    sent: u64,
    /// The upper bound of the bucket in which the lateness of the 99th of 100 lies.
    p99: Duration,
}

impl Others {
    fn between(before: &Histogram, after: &Histogram) -> Self {
        let counts: Vec<u64> = after.counts.iter().zip(&before.counts).map(|(after, before)| after - before).collect();
        let sent: u64 = counts.iter().sum();
        let mut so_far = 0;
        let bounds = after.bounds.iter().copied().chain([BEYOND]);
        let within = bounds.zip(counts).find(|(_, count)| {
            so_far += count;
            so_far * 100 >= sent * 99
        });
        Self { sent, p99: within.map_or(BEYOND, |(bound, _)| bound) }
    }
}

/// The others before and while the flood comes.
async fn flooded(calls: usize, per_second: u64, length: Duration) -> (Others, Others) {
    let (flooded, others) = (Door::open(&[], 1).await, Door::open(&[], calls).await);
    let caller = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let leg = attach(&flooded, &caller).await;
    let mut callers = Vec::new();
    for _ in 0..calls {
        let caller = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        attach(&others, &caller).await;
        callers.push(caller);
    }
    let lateness = || others.api.calls().engine().stats().pacing_lateness;
    let begin = lateness();
    tokio::time::sleep(length).await;
    let quiet = lateness();

    let stop = Arc::new(AtomicBool::new(false));
    let stranger = flood(leg["local"].as_str().unwrap().parse().unwrap(), per_second, Arc::clone(&stop));
    tokio::time::sleep(length).await;
    let loud = lateness();
    // The caller is still spoken to, in one stream, and nobody else is.
    let mut buffer = [0; 2_048];
    while caller.try_recv(&mut buffer).is_ok() {}
    for _ in 0..10 {
        let length = tokio::time::timeout(Duration::from_secs(5), caller.recv(&mut buffer)).await;
        let length = length.expect("the flooded call goes on").unwrap();
        assert!(Packet::parse(&buffer[..length]).is_ok());
    }
    stop.store(true, Ordering::Relaxed);
    let sent = stranger.join().unwrap();
    let record = get(flooded.address, &format!("/v1/calls/{}", leg["callId"].as_str().unwrap())).await.json();
    let foreign = record["engine"]["leg"]["foreignSource"].as_u64().unwrap();
    println!("{sent} packets of a stranger in {length:?}, {foreign} of them read");
    assert!(foreign > sent / 100, "the flood was not looked at");
    assert_eq!(record["engine"]["inbound"]["received"], 0, "nothing of it was heard");
    (Others::between(&begin, &quiet), Others::between(&quiet, &loud))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_on_one_port_keeps_nobody_else_from_being_spoken_to() {
    let (quiet, loud) = flooded(10, 20_000, Duration::from_secs(3)).await;
    // How little they wait for it, the full size below says, on a machine of its own.
    assert!(loud.sent * 4 >= quiet.sent * 3, "{loud:?} in the flood, {quiet:?} without");
}

/// The full size. `cargo test --release --test wire -- --ignored --nocapture flood`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a machine of its own"]
async fn a_flood_of_100_000_a_second_leaves_the_others_p99_below_5_ms() {
    let (quiet, loud) = flooded(100, 100_000, Duration::from_secs(10)).await;
    println!("100 other calls: {quiet:?} without the flood, {loud:?} within it");
    assert!(loud.p99 <= Duration::from_millis(5), "{loud:?}");
}
