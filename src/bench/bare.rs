//! The least an engine could do: receive what has come, send a packet, 50 times a second for each stream.
//!
//! Machines are noisy and differ; a lateness means something beside that of a loop that does nothing else, run in turn on the
//! same machine. One thread with a socket a stream and absolute deadlines: no runtime, no decoding, no decision.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::rtp::{Header, PacketBuf, PayloadType, Ssrc};

use super::BenchError;
use super::level::{Cost, Level};
use super::process::{Running, Usage, usage};
use super::rtp::Callers;
use super::sound::{PTIME, SAMPLES, Script};

/// Runs the loop in a process of its own with `streams` streams, and callers who get no answer; their turns are not counted.
pub async fn bare(
    streams: usize,
    warm_up: Duration,
    measure: Duration,
    binary: &Path,
    directory: &Path,
) -> Result<Level, BenchError> {
    std::fs::create_dir_all(directory)?;
    let callers = Callers::start(Script::prepare()?, streams)?;
    let far: Vec<String> = (0..streams).map(|n| Ok(callers.address(n)?.to_string())).collect::<io::Result<_>>()?;
    let list = directory.join("streams");
    std::fs::write(&list, far.join("\n"))?;
    let log: PathBuf = directory.join("bare.log");
    let arguments = ["bench".as_ref(), "--bare-loop".as_ref(), list.as_os_str()];
    let mut child = Running::start(binary, &arguments, &[], &log)?;
    let mut ports = Vec::new();
    let told = child.read_until(|line| {
        ports.push(line.parse::<SocketAddr>().ok()?);
        (ports.len() == streams).then_some(())
    });
    told.ok_or(BenchError::Start("the bare loop", log))?;
    for (n, far) in ports.into_iter().enumerate() {
        callers.pick_up(n, far);
    }
    tokio::time::sleep(warm_up).await;
    drop(callers.take());
    let (began, before) = (Instant::now(), usage(child.id()));
    tokio::time::sleep(measure).await;
    let (lasted, after) = (began.elapsed(), usage(child.id()));
    let mut measured = callers.take();
    // Nobody answers here: that is no failure.
    measured.tally = Default::default();
    let mut level = Level::of(streams, lasted, measured);
    level.engine = before.zip(after).map(|(before, after)| cost(before, after, streams, lasted));
    Ok(level)
}

fn cost(before: Usage, after: Usage, streams: usize, lasted: Duration) -> Cost {
    let cores = after.cpu.saturating_sub(before.cpu).as_secs_f64() / lasted.as_secs_f64().max(0.001);
    Cost {
        cpu_per_call_minute: cores * 60.0 / streams.max(1) as f64,
        cores,
        resident: after.resident,
        resident_per_call: None,
        descriptors: after.descriptors,
    }
}

/// The loop itself, for ever: a stream to each of `far`. `tell` is told the address each is to send to.
pub fn bare_loop(far: &[SocketAddr], mut tell: impl FnMut(SocketAddr)) -> io::Result<()> {
    let mut streams = Vec::with_capacity(far.len());
    for (n, far) in far.iter().enumerate() {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.connect(far)?;
        socket.set_nonblocking(true)?;
        tell(socket.local_addr()?);
        let header = Header {
            marker: false,
            payload_type: PayloadType(0),
            sequence: n as u16,
            timestamp: n as u32,
            ssrc: Ssrc(n as u32),
        };
        streams.push((socket, header));
    }
    let count = streams.len().max(1) as u32;
    let begin = Instant::now();
    let mut buffer = [0; 2_048];
    for packet in 0.. {
        for (n, (socket, header)) in streams.iter_mut().enumerate() {
            let due = begin + PTIME * packet + PTIME * n as u32 / count;
            let wait = due.saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                std::thread::sleep(wait);
            }
            while socket.recv(&mut buffer).is_ok() {}
            let datagram =
                PacketBuf::write(*header, |room| room.iter_mut().take(SAMPLES).map(|byte| *byte = 0xFF).count());
            // What cannot be sent is lost.
            let _ = socket.send(datagram.as_bytes());
            header.sequence = header.sequence.wrapping_add(1);
            header.timestamp = header.timestamp.wrapping_add(SAMPLES as u32);
        }
    }
    Ok(())
}
