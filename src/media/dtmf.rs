//! Keys in RTP (RFC 4733): received once each, sent so that they arrive.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::conversation::Digit;
use crate::rtp::TelephoneEvent;

/// Recognises each pressed key once, on the first packet of it that comes.
///
/// All packets of one event carry the timestamp of its beginning (RFC 4733 section 2.2.1), so (timestamp, event) names
/// it. The marker bit is not looked at, an end that never comes is not waited for, and events that belong to an earlier
/// one are no new key: the next segment of a long press (section 2.5.1.3), and packets of senders that move the timestamp
/// while the duration grows.
#[derive(Clone, Debug, Default)]
pub(super) struct DtmfReceiver {
    last: Option<Press>,
}

#[derive(Clone, Copy, Debug)]
struct Press {
    event: u8,
    timestamp: u32,
    duration: u16,
    ended: bool,
    seen: Instant,
}

impl DtmfReceiver {
    /// A key not updated for this long is over though its end never came.
    const FORGOTTEN: Duration = Duration::from_millis(150);

    /// Takes one event packet; a key when it is the first of its event.
    pub(super) fn handle(&mut self, event: TelephoneEvent, timestamp: u32, now: Instant) -> Option<Digit> {
        let digit = Digit::from_event_code(event.event)?;
        let press = Press { event: event.event, timestamp, duration: event.duration, ended: event.end, seen: now };
        if let Some(last) = &mut self.last {
            let step = timestamp.wrapping_sub(last.timestamp) as i32;
            let alive = !last.ended && now.saturating_duration_since(last.seen) < Self::FORGOTTEN;
            let same = last.event == event.event;
            if step == 0 && same {
                last.duration = last.duration.max(event.duration);
                last.ended |= event.end;
                last.seen = now;
                return None;
            }
            // Late packets of an earlier event; a jump far back is a restarted clock.
            if (-MISORDER..0).contains(&step) {
                return None;
            }
            let grown = event.duration > last.duration && step > 0 && step <= i32::from(event.duration);
            let next_segment =
                step >= i32::from(u16::MAX) - SEGMENT_SLACK && last.duration > u16::MAX - SEGMENT_SLACK as u16;
            if same && alive && (grown || next_segment) {
                *last = press;
                return None;
            }
        }
        self.last = Some(press);
        Some(digit)
    }

    /// The stream restarted: its timestamps say nothing about those before.
    pub(super) fn reset(&mut self) {
        self.last = None;
    }
}

/// How old a late packet may be, in timestamp units: 20 s at 8 kHz.
const MISORDER: i32 = 160_000;
/// How much earlier than the longest duration a sender may begin the next segment: 60 ms at 8 kHz.
const SEGMENT_SLACK: i32 = 480;

/// Sends keys one after the other: 100 ms each and 100 ms of silence behind it, or the whole packets that hold so much,
/// the end three times (RFC 4733 section 2.5.1.4): its repetitions lie in the silence.
#[derive(Debug)]
pub(super) struct DtmfSender {
    /// At most [`DtmfSender::MOST`].
    waiting: VecDeque<Digit>,
    /// Packets with a growing duration, and silent packets after each key.
    on: u16,
    pause: u16,
    step: u16,
    start: u32,
}

/// What the next packet is, as far as keys are concerned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum KeyPacket {
    /// A telephone event.
    Event {
        /// Whether it is the first of its event.
        first: bool,
        /// Whether the key is held down during it; its last packets only repeat the end.
        sounds: bool,
        /// The timestamp of its beginning.
        timestamp: u32,
        /// The payload.
        event: TelephoneEvent,
    },
    /// Silence between two keys.
    Pause,
}

impl DtmfSender {
    /// The most keys that wait.
    pub(super) const MOST: usize = 64;
    /// How long a key is held down, and how long it is silent after it: twice what ITU-T Q.24 lets a receiver ask for.
    const ON: Duration = Duration::from_millis(100);
    const SILENCE: Duration = Duration::from_millis(100);
    /// The last of them and two repetitions carry the end.
    const ENDS: u16 = 3;
    /// −10 dBm0.
    const VOLUME: u8 = 10;

    /// No key waits; a packet holds `ptime`.
    pub(super) fn new(ptime: Duration) -> Self {
        let packets = |time: Duration| time.as_nanos().div_ceil(ptime.as_nanos().max(1)).min(100) as u16;
        let (on, silent) = (packets(Self::ON).max(1), packets(Self::SILENCE));
        let pause = silent.saturating_sub(Self::ENDS - 1);
        Self { waiting: VecDeque::with_capacity(Self::MOST), on, pause, step: 0, start: 0 }
    }

    /// Queues keys and says how many found room.
    pub(super) fn push(&mut self, digits: &[Digit]) -> usize {
        let taken = digits.len().min(Self::MOST - self.waiting.len());
        self.waiting.extend(digits.iter().take(taken));
        taken
    }

    /// Whether no key is being sent or waits.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether the next packet is the first of a key.
    pub(super) fn begins(&self) -> bool {
        self.step == 0 && !self.waiting.is_empty()
    }

    /// The next packet, if it belongs to a key; `timestamp` is the stream's, `units` what one packet counts.
    pub(super) fn next(&mut self, timestamp: u32, units: u16) -> Option<KeyPacket> {
        let digit = *self.waiting.front()?;
        if self.step == 0 {
            self.start = timestamp;
        }
        self.step += 1;
        let step = self.step;
        let last_event = self.on + Self::ENDS - 1;
        if step == last_event + self.pause {
            self.waiting.pop_front();
            self.step = 0;
        }
        if step > last_event {
            return Some(KeyPacket::Pause);
        }
        let duration = units.saturating_mul(step.min(self.on));
        let event = TelephoneEvent { event: digit.event_code(), end: step >= self.on, volume: Self::VOLUME, duration };
        let (first, sounds) = (step == 1, step <= self.on);
        Some(KeyPacket::Event { first, sounds, timestamp: self.start, event })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to begin with")]
    fn start() -> Instant {
        Instant::now()
    }

    const MS: Duration = Duration::from_millis(1);

    fn event(event: u8, duration: u16, end: bool) -> TelephoneEvent {
        TelephoneEvent { event, end, volume: 10, duration }
    }

    fn keys(packets: &[(u32, u8, u16, bool)]) -> String {
        let (t, mut receiver) = (start(), DtmfReceiver::default());
        let mut now = t;
        packets
            .iter()
            .filter_map(|&(timestamp, code, duration, end)| {
                now += 20 * MS;
                receiver.handle(event(code, duration, end), timestamp, now).map(Digit::as_char)
            })
            .collect()
    }

    #[test]
    fn a_key_is_told_once_however_often_it_is_sent() {
        let press = [(8_000, 5, 160, false), (8_000, 5, 320, false), (8_000, 5, 480, true), (8_000, 5, 480, true)];
        assert_eq!(keys(&press), "5");
    }

    #[test]
    fn the_same_key_twice_is_two_keys_even_without_an_end() {
        assert_eq!(keys(&[(8_000, 1, 160, true), (9_000, 1, 160, true)]), "11");
        assert_eq!(keys(&[(8_000, 1, 800, false), (9_600, 1, 160, false)]), "11");
    }

    #[test]
    fn lost_first_packets_do_not_lose_the_key() {
        assert_eq!(keys(&[(8_000, 11, 480, true)]), "#");
    }

    #[test]
    fn late_repetitions_of_an_earlier_key_are_no_new_key() {
        assert_eq!(keys(&[(8_000, 1, 480, true), (9_600, 2, 160, false), (8_000, 1, 480, true)]), "12");
    }

    #[test]
    fn a_long_press_in_two_segments_is_one_key() {
        assert_eq!(keys(&[(8_000, 1, 65_440, false), (8_000 + 65_535, 1, 160, false)]), "1");
    }

    #[test]
    fn a_moving_timestamp_with_a_growing_duration_is_one_key() {
        assert_eq!(keys(&[(8_000, 1, 160, false), (8_160, 1, 320, false), (8_320, 1, 480, true)]), "1");
    }

    #[test]
    fn flash_is_no_key() {
        assert_eq!(keys(&[(8_000, 16, 160, false)]), "");
    }

    #[test]
    fn however_much_a_packet_holds_a_key_is_as_long_and_as_far_from_the_next() {
        for (ptime, down, silent) in [(10, 100, 100), (20, 100, 100), (30, 120, 120), (40, 120, 120), (60, 120, 120)] {
            let mut sender = DtmfSender::new(ptime * MS);
            sender.push(&[Digit::new('9').unwrap()]);
            assert!(sender.begins());
            let packets: Vec<_> = std::iter::from_fn(|| sender.next(0, 80)).collect();
            let sounds = |packet: &&KeyPacket| matches!(packet, KeyPacket::Event { sounds: true, .. });
            let ends = |packet: &&KeyPacket| matches!(packet, KeyPacket::Event { event, .. } if event.end);
            let sounding = packets.iter().filter(sounds).count() as u32;
            assert_eq!((sounding * ptime, (packets.len() as u32 - sounding) * ptime), (down, silent), "{ptime} ms");
            assert_eq!(packets.iter().filter(ends).count(), 3, "{ptime} ms");
        }
    }

    #[test]
    fn a_sent_key_has_one_timestamp_a_growing_duration_and_three_ends() {
        let mut sender = DtmfSender::new(20 * MS);
        assert_eq!(sender.push(&[Digit::new('4').unwrap(), Digit::new('2').unwrap()]), 2);
        let mut sent = Vec::new();
        let mut timestamp = 1_000u32;
        while let Some(packet) = sender.next(timestamp, 160) {
            sent.push(packet);
            timestamp += 160;
        }
        assert_eq!(sent.len(), 20);
        for (key, packets) in [4u8, 2].into_iter().zip(sent.chunks(10)) {
            let events: Vec<_> = packets
                .iter()
                .filter_map(|packet| match *packet {
                    KeyPacket::Event { first, timestamp, event, .. } => Some((first, timestamp, event)),
                    KeyPacket::Pause => None,
                })
                .collect();
            assert_eq!(events.len(), 7);
            assert!(events.iter().all(|(_, timestamp, event)| *timestamp == events[0].1 && event.event == key));
            assert_eq!(
                events.iter().map(|(_, _, event)| event.duration).collect::<Vec<_>>(),
                [160, 320, 480, 640, 800, 800, 800]
            );
            assert_eq!(events.iter().filter(|(_, _, event)| event.end).count(), 3);
            assert_eq!(
                events.iter().map(|(first, ..)| *first).collect::<Vec<_>>(),
                [true, false, false, false, false, false, false]
            );
        }
    }
}
