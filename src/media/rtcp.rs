//! Reports to the other side, and from it.

use std::time::{Duration, Instant};

use crate::audio::Codec;
use crate::rtp::{Packet, PacketBuf, ReportBlock, Rtcp, RtcpBuf, SenderInfo, Ssrc};

use super::Quality;
use super::inbound::Inbound;
use super::quality::Path;

/// What reporting is told once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RtcpSpec {
    /// The wall clock at the beginning of the call, as an NTP timestamp: seconds since 1900 in 32.32 bits.
    pub ntp: u64,
}

/// RTCP of one call (RFC 3550 section 6): a report every 5 s or so while the line is up, a goodbye at its end.
///
/// The interval is that of two participants: 5 s, half of it before the first report, times a random factor of 0.5 to
/// 1.5, divided by e − 3/2 (section 6.3.1).
#[derive(Debug)]
pub struct Reports {
    spec: RtcpSpec,
    codec: Codec,
    begun: Instant,
    name: [u8; RtcpBuf::NAME],
    random: u64,
    due: Option<Instant>,
    /// Our own stream, as its last packet told.
    sending: Option<Sending>,
    /// The other side's last report on its own stream: the middle of its NTP timestamp, and when it came.
    last_report: Option<(Ssrc, u32, Instant)>,
    /// What the other side said last of our stream.
    heard: Option<ReportBlock>,
    round_trip: Option<Duration>,
    sent: u64,
    received: u64,
}

#[derive(Clone, Copy, Debug)]
struct Sending {
    ssrc: Ssrc,
    timestamp: u32,
    at: Instant,
    packets: u32,
    octets: u32,
}

impl Reports {
    /// From one report to the next, before it is made random.
    pub const INTERVAL: Duration = Duration::from_secs(5);
    /// A longer way than this is a mistake of somebody's clock.
    const LONGEST: Duration = Duration::from_secs(10);
    /// Fewer packets than a second's say nothing about a line.
    const LEAST: u64 = 50;

    /// Nothing was sent. The random parts, the canonical name among them (RFC 7022), come from `seed`.
    pub fn new(spec: RtcpSpec, codec: Codec, seed: u64, now: Instant) -> Self {
        let mut random = seed ^ 0x5254_4350_5254_4350;
        let mut name = [0; RtcpBuf::NAME];
        for byte in &mut name {
            *byte = LETTERS[next_random(&mut random) as usize % LETTERS.len()];
        }
        Self {
            spec,
            codec,
            begun: now,
            name,
            random,
            due: None,
            sending: None,
            last_report: None,
            heard: None,
            round_trip: None,
            sent: 0,
            received: 0,
        }
    }

    /// The line is up.
    pub fn answer(&mut self, now: Instant) {
        if self.due.is_none() {
            self.due = Some(now + self.wait() / 2);
        }
    }

    /// This packet leaves now.
    pub fn transmitted(&mut self, packet: &PacketBuf, now: Instant) {
        let Ok(Packet { header, payload }) = Packet::parse(packet.as_bytes()) else { return };
        let before = self.sending.filter(|sending| sending.ssrc == header.ssrc);
        let (packets, octets) = before.map_or((0, 0), |sending| (sending.packets, sending.octets));
        // The packets of a key carry the timestamp of its beginning.
        let repeats = before.filter(|sending| sending.timestamp == header.timestamp);
        self.sending = Some(Sending {
            ssrc: header.ssrc,
            timestamp: header.timestamp,
            at: repeats.map_or(now, |sending| sending.at),
            packets: packets.wrapping_add(1),
            octets: octets.wrapping_add(payload.len() as u32),
        });
    }

    /// Takes one RTCP datagram of the other side. What is not understood is left alone.
    pub fn handle(&mut self, datagram: &[u8], source: Option<Ssrc>, now: Instant) {
        let Ok(packets) = Rtcp::parse(datagram) else { return };
        self.received += 1;
        for packet in packets {
            let blocks = match packet {
                Rtcp::Sender { ssrc, info, blocks } => {
                    if source.is_none_or(|source| source == ssrc) {
                        self.last_report = Some((ssrc, (info.ntp >> 16) as u32, now));
                    }
                    blocks
                }
                Rtcp::Receiver { blocks, .. } => blocks,
                Rtcp::Bye(_) | Rtcp::Other(_) => continue,
            };
            let ours = self.sending.map(|sending| sending.ssrc);
            for block in blocks.iter().filter(|block| Some(block.ssrc) == ours) {
                self.measure(&block, now);
                self.heard = Some(block);
            }
        }
    }

    /// The deadline of [`poll_timeout`](Reports::poll_timeout) has come: the next report. Early calls do nothing.
    pub fn handle_timeout(&mut self, inbound: &mut Inbound, now: Instant) -> Option<RtcpBuf> {
        let due = self.due.filter(|due| *due <= now)?;
        // Whoever is called far too late does not send what it has missed.
        self.due = Some((due + self.wait()).max(now));
        self.write(inbound, false, now)
    }

    /// When the next report is due.
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// The last report, with a goodbye; `None` when nothing was ever sent.
    pub fn leave(&mut self, inbound: &mut Inbound, now: Instant) -> Option<RtcpBuf> {
        self.due = None;
        self.write(inbound, true, now)
    }

    /// How good the call sounds, as far as is known.
    pub fn quality(&self, inbound: &Inbound) -> Quality {
        let on_the_way = self.round_trip.unwrap_or_default() / 2;
        let report = inbound.report();
        let missed = report.lost + report.late;
        let expected = report.received + report.lost;
        let here = Path {
            codec: self.codec,
            // Our listener waits for nothing: what a packet holds, and the way.
            delay: on_the_way + PTIME,
            loss: if expected == 0 { 0.0 } else { missed as f64 / expected as f64 },
            burst: inbound.burst().unwrap_or(1.0),
        };
        let jitter =
            |block: &ReportBlock| Duration::from_secs_f64(f64::from(block.jitter) / f64::from(self.codec.clock_rate()));
        let there = self.heard.zip(self.sending).map(|(block, sending)| Path {
            codec: self.codec,
            // A far side that plays to a person waits for about twice the jitter.
            delay: on_the_way + PTIME + (jitter(&block) * 2).clamp(PTIME, MOST_BUFFER),
            loss: f64::from(block.lost.max(0)) / f64::from(sending.packets.max(1)),
            burst: 1.0,
        });
        Quality {
            inbound: (report.received >= Self::LEAST).then(|| here.mos()),
            outbound: there.map(|path| path.mos()),
            round_trip: self.round_trip,
            remote_lost: self.heard.map_or(0, |block| block.lost.max(0).unsigned_abs().into()),
            remote_jitter: self.heard.as_ref().map_or(Duration::ZERO, jitter),
            reports_sent: self.sent,
            reports_received: self.received,
        }
    }

    fn write(&mut self, inbound: &mut Inbound, leaves: bool, now: Instant) -> Option<RtcpBuf> {
        let sending = self.sending?;
        let info = SenderInfo {
            ntp: self.ntp(now),
            timestamp: sending.timestamp.wrapping_add(self.units(now.saturating_duration_since(sending.at))),
            packets: sending.packets,
            octets: sending.octets,
        };
        let block = inbound.report_block().map(|block| match self.last_report {
            Some((ssrc, last_report, at)) if ssrc == block.ssrc => {
                ReportBlock { last_report, since: compact(now.saturating_duration_since(at)), ..block }
            }
            _ => block,
        });
        self.sent += 1;
        let name = std::str::from_utf8(&self.name).unwrap_or_default();
        Some(RtcpBuf::write(sending.ssrc, Some(info), block, name, leaves))
    }

    /// The way there and back (RFC 3550 section 6.4.1): what passed since our report, but for what it waited there.
    fn measure(&mut self, block: &ReportBlock, now: Instant) {
        if block.last_report == 0 {
            return;
        }
        let passed = ((self.ntp(now) >> 16) as u32).wrapping_sub(block.last_report);
        let Some(trip) = passed.checked_sub(block.since) else { return };
        let trip = Duration::from_secs_f64(f64::from(trip) / 65_536.0);
        if trip <= Self::LONGEST {
            self.round_trip = Some(self.round_trip.map_or(trip, |before| (before * 3 + trip) / 4));
        }
    }

    fn ntp(&self, now: Instant) -> u64 {
        let passed = now.saturating_duration_since(self.begun);
        let fraction = (u64::from(passed.subsec_nanos()) << 32) / 1_000_000_000;
        self.spec.ntp.wrapping_add(passed.as_secs() << 32).wrapping_add(fraction)
    }

    fn units(&self, time: Duration) -> u32 {
        (time.as_nanos() * u128::from(self.codec.clock_rate()) / 1_000_000_000) as u32
    }

    fn wait(&mut self) -> Duration {
        let unit = (next_random(&mut self.random) >> 11) as f64 / (1u64 << 53) as f64;
        Self::INTERVAL.mul_f64((0.5 + unit) / (std::f64::consts::E - 1.5))
    }
}

/// What one packet holds.
const PTIME: Duration = Duration::from_millis(20);
/// The most a far side is thought to buffer.
const MOST_BUFFER: Duration = Duration::from_millis(200);
/// Of canonical names.
const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// In 65 536ths of a second.
fn compact(time: Duration) -> u32 {
    (time.as_nanos() * 65_536 / 1_000_000_000) as u32
}

/// SplitMix64 (Steele, Lea, Flood 2014).
fn next_random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests;
