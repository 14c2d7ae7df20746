//! The caller's telephone: one UDP socket, a seeded network in front of it, two clocks and an ear.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;

use crate::audio::wav::Wav;
use crate::audio::{Resampler, SampleRate};
use crate::rtp::PacketBuf;
use crate::world::{Caller, Network};

use super::ear::Ear;

/// A telephone in real time: sends one packet of its caller every 20 ms on absolute deadlines, through a network that may
/// lose, delay and double it, and hears what comes back.
pub struct Telephone {
    socket: UdpSocket,
    far: Option<SocketAddr>,
    caller: Caller,
    network: Network,
    ear: Ear,
    began: Instant,
    due: Instant,
    on_line: bool,
    /// Packets the network is holding back.
    under_way: BinaryHeap<Reverse<Delayed>>,
    buffer: Box<[u8]>,
    sent: u64,
    lateness: Lateness,
}

/// What happened at a telephone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Happened {
    /// A packet came; with the number of the agent's utterance (from 1) when one began.
    Heard(Option<usize>),
    /// The caller's next packet was sent.
    Sent,
}

/// How late a clock was, each time it ticked: the machine's own share in every figure.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Lateness {
    all: Vec<Duration>,
}

impl Lateness {
    /// Ticks that are remembered: four hours of them.
    const MOST: usize = 720_000;

    fn note(&mut self, late: Duration) {
        if self.all.len() < Self::MOST {
            self.all.push(late);
        }
    }

    /// The worst.
    pub fn worst(&self) -> Duration {
        self.all.iter().copied().max().unwrap_or_default()
    }

    /// What the share `q` (0 to 1) of all ticks did not exceed.
    pub fn quantile(&self, q: f64) -> Duration {
        let mut sorted = self.all.clone();
        sorted.sort_unstable();
        let index = (sorted.len() as f64 * q).ceil() as usize;
        sorted.get(index.clamp(1, sorted.len().max(1)) - 1).copied().unwrap_or_default()
    }
}

#[derive(Debug)]
struct Delayed {
    at: Instant,
    order: u64,
    packet: PacketBuf,
}

impl PartialEq for Delayed {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

impl Eq for Delayed {}

impl PartialOrd for Delayed {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Delayed {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// What one packet of the caller lasts.
const PTIME: Duration = Duration::from_millis(20);
/// The largest datagram that is heard whole.
const DATAGRAM: usize = 2_048;
/// Packets a network may hold back: seconds of them.
const MOST_UNDER_WAY: usize = 4_096;

impl Telephone {
    /// A telephone on a free loopback port, its receiver still on the hook.
    pub async fn new(caller: Caller, network: Network, ear: Ear) -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let now = Instant::now();
        Ok(Self {
            socket,
            far: None,
            caller,
            network,
            ear,
            began: now,
            due: now + PTIME,
            on_line: false,
            under_way: BinaryHeap::new(),
            buffer: vec![0; DATAGRAM].into_boxed_slice(),
            sent: 0,
            lateness: Lateness::default(),
        })
    }

    /// Where it receives.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Picks up: from `now` on the caller's clock runs and its packets go to `far`.
    pub fn pick_up(&mut self, far: SocketAddr, now: Instant) {
        (self.far, self.began, self.due, self.on_line) = (Some(far), now, now + PTIME, true);
    }

    /// Sends nothing any more; what is on its way still arrives.
    pub fn fall_silent(&mut self) {
        self.on_line = false;
    }

    /// Sends again, from the packet on that is due next after `now`.
    pub fn speak_up(&mut self, now: Instant) {
        if !self.on_line {
            (self.on_line, self.due) = (true, now + PTIME);
        }
    }

    /// Has the caller do something at the instant `at`, counted on its own clock; what should have begun before the packet
    /// under way begins with it, so that nothing is cut off. Gives the instant of its first sample.
    pub fn act(&mut self, at: Instant, deed: impl FnOnce(&mut Caller, Duration)) -> Instant {
        let at = at.max(self.due - PTIME);
        deed(&mut self.caller, at.saturating_duration_since(self.began));
        at
    }

    /// The caller.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Its ear.
    pub fn ear(&self) -> &Ear {
        &self.ear
    }

    /// Its ear, to be told what to expect.
    pub fn ear_mut(&mut self) -> &mut Ear {
        &mut self.ear
    }

    /// Packets sent, those the network lost among them.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// How late its packets were sent.
    pub fn lateness(&self) -> &Lateness {
        &self.lateness
    }

    /// Waits for the next thing to happen. Cancel-safe.
    pub async fn next(&mut self) -> Happened {
        loop {
            let held_until = self.under_way.peek().map(|Reverse(delayed)| delayed.at);
            let tick = self.on_line.then_some(self.due);
            let wake = held_until.into_iter().chain(tick).min();
            tokio::select! {
                biased;
                () = until(wake) => {
                    let now = Instant::now();
                    self.deliver(now);
                    if self.on_line && self.due <= now {
                        self.send(now);
                        return Happened::Sent;
                    }
                }
                received = self.socket.recv_from(&mut self.buffer) => {
                    // An error repeats what an earlier packet met with.
                    if let Ok((length, _)) = received {
                        let datagram = self.buffer.get(..length).unwrap_or_default();
                        return Happened::Heard(self.ear.hear(datagram, Instant::now()));
                    }
                }
            }
        }
    }

    /// The caller's packet that was due.
    fn send(&mut self, now: Instant) {
        self.lateness.note(now.saturating_duration_since(self.due));
        let at = self.due - self.began;
        let packet = self.caller.packet(at);
        // Telephone events go behind the sound, in packets of their own.
        let event = self.caller.event(at);
        self.due += PTIME;
        self.dispatch(packet, now);
        if let Some(event) = event {
            self.dispatch(event, now);
        }
    }

    /// Gives a packet to the network.
    fn dispatch(&mut self, packet: PacketBuf, now: Instant) {
        self.sent += 1;
        for delay in self.network.send().into_iter().flatten() {
            if delay.is_zero() {
                self.transmit(&packet);
            } else if self.under_way.len() < MOST_UNDER_WAY {
                let order = self.sent;
                self.under_way.push(Reverse(Delayed { at: now + delay, order, packet }));
            }
        }
    }

    /// What the network has held back long enough.
    fn deliver(&mut self, now: Instant) {
        while self.under_way.peek().is_some_and(|Reverse(delayed)| delayed.at <= now) {
            if let Some(Reverse(delayed)) = self.under_way.pop() {
                self.transmit(&delayed.packet);
            }
        }
    }

    fn transmit(&self, packet: &PacketBuf) {
        if let Some(far) = self.far {
            // A full buffer or a refused port is a lost packet, as on any network.
            let _ = self.socket.try_send_to(packet.as_bytes(), far);
        }
    }
}

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant.into()).await,
        None => std::future::pending().await,
    }
}

/// The samples of a WAV file as a telephone sends them: mono, 8 kHz.
pub fn recording(file: &[u8]) -> io::Result<Vec<i16>> {
    let wav = Wav::parse(file).map_err(io::Error::other)?;
    let mut samples = Vec::new();
    let mut resampler = Resampler::new(wav.rate(), SampleRate::HZ_8000);
    resampler.process(&wav.into_mono(), |piece| samples.extend_from_slice(piece));
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_lateness_are_those_of_what_was_noted() {
        let mut lateness = Lateness::default();
        assert_eq!((lateness.worst(), lateness.quantile(0.5)), (Duration::ZERO, Duration::ZERO));
        for ms in (1..=100).rev() {
            lateness.note(Duration::from_millis(ms));
        }
        let of = |q| lateness.quantile(q).as_millis();
        assert_eq!((of(0.0), of(0.5), of(0.95), of(1.0), lateness.worst().as_millis()), (1, 50, 95, 100, 100));
    }
}
