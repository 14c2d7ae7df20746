//! How late the packets of a stream come.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How late each packet of a stream is, by its arrival against its timestamp.
///
/// A sender may move its whole stream by a part of a packet where a reply begins, and back after it; that is no lateness. So
/// a packet is compared with the earliest one of the half second before it and with the earliest of the half second after
/// it, and the later of the two is its schedule:
///
/// ```text
///   arrival − timestamp   ____           ________      a reply that leaves at once, and is paid back: nothing is late
///                             |_________|
///                              |
///   arrival − timestamp   _____|_______________        one packet that is late
/// ```
#[derive(Clone, Debug)]
pub(super) struct Lateness {
    first: Option<Instant>,
    /// Extended by the caller: timestamps wrap.
    last: Option<(u32, u64)>,
    /// Arrival less timestamp, in microseconds plus a constant, of the newest packets; the one to be judged in the middle.
    offsets: VecDeque<i64>,
}

/// Packets on either side.
const HALF: usize = 25;

impl Lateness {
    /// A stream that has not begun.
    pub(super) fn new() -> Self {
        Self { first: None, last: None, offsets: VecDeque::with_capacity(2 * HALF + 1) }
    }

    /// Takes the packet of `timestamp` (8 kHz) that came at `now`; tells how late the packet 25 before it was.
    pub(super) fn arrived(&mut self, timestamp: u32, now: Instant) -> Option<Duration> {
        let first = *self.first.get_or_insert(now);
        let extended = match self.last {
            None => 0,
            Some((last, extended)) => extended.wrapping_add_signed(i64::from(timestamp.wrapping_sub(last) as i32)),
        };
        self.last = Some((timestamp, extended));
        let arrived = now.saturating_duration_since(first).as_micros() as i64;
        if self.offsets.len() > 2 * HALF {
            self.offsets.pop_front();
        }
        self.offsets.push_back(arrived - (extended as i64).wrapping_mul(125));
        if self.offsets.len() <= 2 * HALF {
            return None;
        }
        let earliest = |range: &mut dyn Iterator<Item = &i64>| range.copied().min().unwrap_or_default();
        let before = earliest(&mut self.offsets.iter().take(HALF + 1));
        let after = earliest(&mut self.offsets.iter().skip(HALF));
        let offset = self.offsets.get(HALF).copied().unwrap_or_default();
        Some(Duration::from_micros(offset.saturating_sub(before.max(after)).max(0) as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of packets whose arrivals are `late` their timestamps, in ms.
    fn judged(late: &[u64]) -> Vec<u128> {
        let start = Instant::now();
        let mut lateness = Lateness::new();
        let packets = late.iter().enumerate().map(|(n, late)| {
            let at = start + Duration::from_millis(100 + 20 * n as u64 + late);
            lateness.arrived((u32::MAX - 3_000).wrapping_add(160 * n as u32), at)
        });
        packets.flatten().map(|late| late.as_millis()).collect()
    }

    #[test]
    fn a_late_packet_is_late_by_what_it_is_late() {
        let mut late = vec![0; 200];
        (late[60], late[100], late[101], late[102]) = (7, 50, 30, 10);
        let judged = judged(&late);
        assert_eq!(judged.len(), 150);
        let found: Vec<_> = judged.iter().filter(|late| **late > 0).copied().collect();
        assert_eq!(found, [7, 50, 30, 10]);
    }

    #[test]
    fn a_stream_that_moves_ahead_for_a_reply_and_back_is_not_late() {
        let mut late = vec![15; 200];
        late[50..120].fill(0);
        assert!(judged(&late).iter().all(|late| *late == 0));
        late[80] = 6;
        assert_eq!(judged(&late).iter().max(), Some(&6));
    }

    #[test]
    fn packets_that_never_came_are_not_late() {
        let start = Instant::now();
        let mut lateness = Lateness::new();
        let numbers = (0..300u32).filter(|n| n % 7 != 3);
        let late = numbers.filter_map(|n| lateness.arrived(160 * n, start + Duration::from_millis(20) * n));
        assert!(late.into_iter().all(|late| late.is_zero()));
    }
}
