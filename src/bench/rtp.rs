//! Callers on RTP: one clock for all of them, a few sockets, an ear at each.
//!
//! The measuring side has to cost little and be on time, or it measures itself. So many callers share a socket (told apart by
//! the engine's port, which is each call's own), what they send lies ready, one thread sends for all on absolute deadlines,
//! and one thread a socket receives, so that an arrival is stamped as soon as the system delivers it.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use crate::rtp::{Header, Packet, PacketBuf, PayloadType, Ssrc};

use super::lateness::Lateness;
use super::sound::{PTIME, SAMPLES, Script};
use super::spread::Spread;
use super::talk::{Talk, Tally};

/// Callers on RTP.
#[derive(Debug)]
pub(super) struct Callers {
    script: Arc<Script>,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// What was measured since it was last asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Measured {
    pub(super) tally: Tally,
    /// How late the engine's packets came, against their timestamps.
    pub(super) lateness: Spread,
    /// How late the callers' own packets left.
    pub(super) own_lateness: Spread,
    /// Packets that came.
    pub(super) received: u64,
    /// Packets that never came.
    pub(super) lost: u64,
    /// Packets that came more than 5 ms late.
    pub(super) late: u64,
}

#[derive(Debug)]
struct Shared {
    /// Callers by the phase at which they send.
    slots: Vec<Mutex<Vec<Arc<Line>>>>,
    sockets: Vec<Ears>,
    own_lateness: Mutex<Spread>,
    stop: AtomicBool,
}

/// One socket and who is heard on it.
#[derive(Debug)]
struct Ears {
    socket: std::net::UdpSocket,
    lines: RwLock<HashMap<SocketAddr, Arc<Line>>>,
    heard: Mutex<Heard>,
}

#[derive(Debug, Default)]
struct Heard {
    lateness: Spread,
    received: u64,
    lost: u64,
    late: u64,
}

/// One caller.
#[derive(Debug)]
struct Line {
    far: SocketAddr,
    socket: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    talk: Talk,
    header: Header,
    arrivals: Lateness,
    /// The sequence number of the last packet that came, and when.
    last: Option<u16>,
    last_at: Instant,
    is_dropped: bool,
}

/// Phases in a packet's time: callers of one phase send in one go.
const SLOTS: u32 = 40;
/// Callers on a socket.
const PER_SOCKET: usize = 250;
/// What the system may keep while a thread waits for its turn; it gives what it allows.
const BUFFER: usize = 4 << 20;
/// An agent that sends nothing for so long is gone.
const GONE: Duration = Duration::from_secs(2);
/// What counts as late.
const LATE: Duration = Duration::from_millis(5);
/// How often a receiving thread looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(200);

impl Callers {
    /// Nobody yet, room for `calls`.
    pub(super) fn start(script: Arc<Script>, calls: usize) -> io::Result<Self> {
        let sockets = (0..calls.div_ceil(PER_SOCKET).max(1)).map(|_| Ears::new()).collect::<io::Result<Vec<_>>>()?;
        let slots = (0..SLOTS).map(|_| Mutex::default()).collect();
        let shared = Shared { slots, sockets, own_lateness: Mutex::default(), stop: AtomicBool::new(false) };
        let mut callers = Self { script, shared: Arc::new(shared), threads: Vec::new() };
        for n in 0..callers.shared.sockets.len() {
            let shared = Arc::clone(&callers.shared);
            callers.threads.push(thread::Builder::new().name(format!("ears-{n}")).spawn(move || receive(&shared, n))?);
        }
        let shared = Arc::clone(&callers.shared);
        callers.threads.push(thread::Builder::new().name("voices".into()).spawn(move || send(&shared))?);
        Ok(callers)
    }

    /// Where the `n`-th caller receives.
    pub(super) fn address(&self, n: usize) -> io::Result<SocketAddr> {
        let ears = self.shared.sockets.get(n % self.shared.sockets.len()).ok_or(io::ErrorKind::NotFound)?;
        ears.socket.local_addr()
    }

    /// The `n`-th caller picks up; the engine's side of the call is at `far`.
    pub(super) fn pick_up(&self, n: usize, far: SocketAddr) {
        let now = Instant::now();
        let socket = n % self.shared.sockets.len();
        let seed = (n as u32).wrapping_mul(0x9E37_79B9);
        let header = Header {
            marker: false,
            payload_type: PayloadType(0),
            sequence: seed as u16,
            timestamp: seed.rotate_left(16),
            ssrc: Ssrc(seed ^ 0x5ca1_ab1e),
        };
        let talk = Talk::new(Arc::clone(&self.script), now);
        let state = State { talk, header, arrivals: Lateness::new(), last: None, last_at: now, is_dropped: false };
        let line = Arc::new(Line { far, socket, state: Mutex::new(state) });
        if let Some(ears) = self.shared.sockets.get(socket) {
            ears.lines.write().unwrap_or_else(PoisonError::into_inner).insert(far, Arc::clone(&line));
        }
        // Neighbours in time lie far apart in phase: 17 and 40 have no divisor in common.
        let slot = (n * 17) % SLOTS as usize;
        if let Some(slot) = self.shared.slots.get(slot) {
            lock(slot).push(line);
        }
    }

    /// The caller whose call is at `far` hangs up; what it measured is returned.
    pub(super) fn hang_up(&self, far: SocketAddr) -> Tally {
        let mut tally = Tally::default();
        for slot in &self.shared.slots {
            lock(slot).retain(|line| line.far != far);
        }
        for ears in &self.shared.sockets {
            let line = ears.lines.write().unwrap_or_else(PoisonError::into_inner).remove(&far);
            if let Some(line) = line {
                tally.add(&lock(&line.state).talk.take());
            }
        }
        tally
    }

    /// Takes what was measured; measuring begins anew.
    pub(super) fn take(&self) -> Measured {
        let mut measured =
            Measured { own_lateness: std::mem::take(&mut *lock(&self.shared.own_lateness)), ..Measured::default() };
        for ears in &self.shared.sockets {
            let heard = std::mem::take(&mut *lock(&ears.heard));
            measured.lateness.add(&heard.lateness);
            measured.received += heard.received;
            measured.lost += heard.lost;
            measured.late += heard.late;
            for line in ears.lines.read().unwrap_or_else(PoisonError::into_inner).values() {
                measured.tally.add(&lock(&line.state).talk.take());
            }
        }
        measured
    }
}

impl Drop for Callers {
    fn drop(&mut self) {
        self.shared.stop.store(true, Relaxed);
        for thread in self.threads.drain(..) {
            // One that has panicked has nothing more to say.
            let _ = thread.join();
        }
    }
}

impl Ears {
    fn new() -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        // A smaller one will do on a machine that is not full.
        let _ = socket.set_recv_buffer_size(BUFFER);
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        socket.set_read_timeout(Some(LOOK))?;
        Ok(Self { socket: socket.into(), lines: RwLock::default(), heard: Mutex::default() })
    }

    fn hear(&self, datagram: &[u8], from: SocketAddr, now: Instant) {
        if Packet::is_rtcp(datagram) {
            return;
        }
        let line = self.lines.read().unwrap_or_else(PoisonError::into_inner).get(&from).cloned();
        let (Some(line), Ok(packet)) = (line, Packet::parse(datagram)) else { return };
        let mut state = lock(&line.state);
        let late = state.arrivals.arrived(packet.header.timestamp, now);
        let step = state.last.map_or(1, |last| packet.header.sequence.wrapping_sub(last) as i16);
        if step > 0 {
            state.last = Some(packet.header.sequence);
        }
        state.last_at = now;
        state.talk.hear(packet.payload, now);
        drop(state);
        let mut heard = lock(&self.heard);
        heard.received += 1;
        match step {
            1.. => heard.lost += step as u64 - 1,
            // It had been taken for lost.
            _ => heard.lost = heard.lost.saturating_sub(1),
        }
        if let Some(late) = late {
            heard.late += u64::from(late > LATE);
            heard.lateness.note(late);
        }
    }
}

impl Line {
    /// The packet that is due at `due`.
    fn packet(&self, due: Instant) -> PacketBuf {
        let mut state = lock(&self.state);
        if !state.is_dropped && due.saturating_duration_since(state.last_at) >= GONE {
            state.is_dropped = true;
            state.talk.dropped();
        }
        let payload = state.talk.packet(due);
        let header = state.header;
        state.header.sequence = header.sequence.wrapping_add(1);
        state.header.timestamp = header.timestamp.wrapping_add(SAMPLES as u32);
        drop(state);
        PacketBuf::write(header, |room| {
            let room = room.get_mut(..SAMPLES).unwrap_or_default();
            room.copy_from_slice(payload.get(..room.len()).unwrap_or_default());
            room.len()
        })
    }
}

/// The ears' thread.
fn receive(shared: &Shared, socket: usize) {
    let Some(ears) = shared.sockets.get(socket) else { return };
    let mut buffer = [0; 2_048];
    while !shared.stop.load(Relaxed) {
        // An error is a look whether to stop, or repeats what an earlier packet met with.
        if let Ok((length, from)) = ears.socket.recv_from(&mut buffer) {
            ears.hear(buffer.get(..length).unwrap_or_default(), from, Instant::now());
        }
    }
}

/// The voices' thread: slot by slot, on absolute deadlines.
fn send(shared: &Shared) {
    let step = PTIME / SLOTS;
    let mut due = Instant::now() + PTIME;
    let mut lateness = Spread::new();
    while !shared.stop.load(Relaxed) {
        for slot in &shared.slots {
            let wait = due.saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                thread::sleep(wait);
            }
            for line in lock(slot).iter() {
                let packet = line.packet(due);
                lateness.note(Instant::now().saturating_duration_since(due));
                if let Some(ears) = shared.sockets.get(line.socket) {
                    // A full buffer or a refused port is a lost packet, as on any network.
                    let _ = ears.socket.send_to(packet.as_bytes(), line.far);
                }
            }
            due += step;
        }
        lock(&shared.own_lateness).add(&lateness);
        lateness = Spread::new();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
