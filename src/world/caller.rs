//! The caller: sounds and keys laid out in time, sent as RTP packets.

use std::collections::VecDeque;
use std::time::Duration;

use crate::audio::tone::Tone;
use crate::audio::{Codec, Encoder, Frame, Resampler, SampleRate};
use crate::conversation::Digit;
use crate::rtp::{Header, PacketBuf, PayloadType, Ssrc, TelephoneEvent};

use super::sound;

/// A caller whose phone sends one packet every 20 ms for as long as it is on the line. Told the time, counted from any one
/// moment: in virtual time and in real time it is the same caller.
#[derive(Debug)]
pub struct Caller {
    sounds: Vec<Sound>,
    /// Keys to be pressed, in order.
    presses: VecDeque<(Duration, Digit)>,
    pressing: Option<Press>,
    keypad: Vec<KeyDown>,
    encoder: Encoder,
    /// From 8 kHz to the codec's rate; `None`: they are one.
    resampler: Option<Resampler>,
    /// What a packet counts in timestamps.
    units: u32,
    payload_type: PayloadType,
    telephone_event: PayloadType,
    ssrc: Ssrc,
    sequence: u16,
    timestamp: u32,
    seed: u64,
}

#[derive(Debug)]
struct Sound {
    start: Duration,
    samples: Vec<i16>,
}

/// A key being held down.
#[derive(Clone, Copy, Debug)]
struct Press {
    event: u8,
    /// Of its beginning: all its packets carry it.
    timestamp: u32,
    /// Packets sent of it.
    sent: u16,
}

impl Press {
    /// A key is held for 100 ms.
    const PACKETS: u16 = 5;
    /// Its end is sent three times (RFC 4733 section 2.5.1.4).
    const ENDS: u16 = 3;
}

/// A key that is sent as telephone events beside the sound.
#[derive(Debug)]
struct KeyDown {
    start: Duration,
    key: Digit,
    /// The timestamp of its beginning, once that was sent.
    timestamp: Option<u32>,
}

/// How long a key is held down, and from one key to the next.
const KEY: Duration = Duration::from_millis(100);
const KEYS_APART: Duration = Duration::from_millis(200);

/// What one packet of the caller lasts.
pub(super) const PTIME: Duration = Duration::from_millis(20);
/// How loud each tone of a beep is.
const BEEP_DBFS: f32 = -16.0;
/// Samples of one packet at 8 kHz.
const SAMPLES: usize = 160;

impl Caller {
    /// A silent caller that speaks `codec`, in sound of 8 kHz. Its sounds, first sequence number and timestamp come from `seed`.
    pub fn new(codec: Codec, payload_type: PayloadType, seed: u64) -> Self {
        Self {
            sounds: Vec::new(),
            presses: VecDeque::new(),
            pressing: None,
            keypad: Vec::new(),
            encoder: Encoder::new(codec),
            resampler: (codec.sample_rate() != SampleRate::HZ_8000)
                .then(|| Resampler::new(SampleRate::HZ_8000, codec.sample_rate())),
            units: codec.clock_rate() / 50,
            payload_type,
            telephone_event: PayloadType(101),
            ssrc: Ssrc(0x5ca1_ab1e),
            sequence: seed as u16,
            timestamp: (seed >> 16) as u32,
            seed,
        }
    }

    /// Voice from `start` on.
    pub fn speak(&mut self, start: Duration, length: Duration) {
        let seed = self.next_seed();
        self.add(start, sound::voice(samples(length), seed));
    }

    /// A cough from `start` on.
    pub fn cough(&mut self, start: Duration, length: Duration) {
        let seed = self.next_seed();
        self.add(start, sound::cough(samples(length), seed));
    }

    /// A tone from `start` on, or several at once.
    pub fn beep(&mut self, start: Duration, length: Duration, hz: &[f32]) {
        for &hz in hz {
            let mut tone = vec![0; samples(length)];
            Tone::single(hz, BEEP_DBFS, SampleRate::HZ_8000).fill(&mut tone);
            self.add(start, tone);
        }
    }

    /// Noise from `start` on.
    pub fn noise(&mut self, start: Duration, length: Duration, dbfs: f64) {
        let seed = self.next_seed();
        self.add(start, sound::noise(samples(length), dbfs, seed));
    }

    /// Other people talking from `start` on.
    pub fn babble(&mut self, start: Duration, length: Duration, dbfs: f64) {
        let seed = self.next_seed();
        self.add(start, sound::babble(samples(length), dbfs, seed));
    }

    /// A sound of 8 kHz from `start` on, over whatever else is heard.
    pub fn play(&mut self, start: Duration, samples: Vec<i16>) {
        self.add(start, samples);
    }

    /// A key pressed at `start`, for 100 ms, as telephone events (RFC 4733): no sound is sent meanwhile.
    pub fn press(&mut self, start: Duration, key: Digit) {
        self.presses.push_back((start, key));
    }

    /// The payload type of telephone events, when it is not 101.
    pub fn with_telephone_event(mut self, payload_type: PayloadType) -> Self {
        self.telephone_event = payload_type;
        self
    }

    /// Whether it has nothing left to play or press.
    pub fn is_idle(&self) -> bool {
        self.sounds.is_empty() && self.presses.is_empty() && self.pressing.is_none()
    }

    /// The stream begins anew, as when a gateway moves the call: another source, sequence and timestamps far off.
    pub fn restart(&mut self) {
        self.ssrc = Ssrc(self.ssrc.0.wrapping_add(0x1357_9bdf));
        self.sequence = self.sequence.wrapping_sub(20_011);
        self.timestamp = self.timestamp.wrapping_sub(0x6000_0001);
    }

    /// Whether the caller makes any sound at this moment.
    pub(super) fn is_sounding(&self, now: Duration) -> bool {
        let lasts = |sound: &Sound| Duration::from_micros(sound.samples.len() as u64 * 125);
        self.sounds.iter().any(|sound| sound.start <= now && now < sound.start + lasts(sound))
    }

    /// Keys from `start` on, 200 ms apart, as telephone events behind the sound, as tones in it, or both.
    pub fn press_keys(&mut self, start: Duration, keys: &[Digit], events: bool, tones: bool) {
        let mut start = start;
        for &key in keys {
            if events {
                self.keypad.push(KeyDown { start, key, timestamp: None });
            }
            if let Some(mut tone) = Tone::key(key.as_char(), SampleRate::HZ_8000).filter(|_| tones) {
                let mut sound = vec![0; samples(KEY)];
                tone.fill(&mut sound);
                self.add(start, sound);
            }
            start += KEYS_APART;
        }
    }

    /// The telephone event that is sent at `now`, behind the packet of sound, if a key of
    /// [`press_keys`](Caller::press_keys) is down or its end is repeated.
    pub fn event(&mut self, now: Duration) -> Option<PacketBuf> {
        self.keypad.retain(|key| now <= key.start + KEY + 2 * PTIME);
        let down = self.keypad.iter_mut().find(|key| now > key.start)?;
        let timestamp = *down.timestamp.get_or_insert(self.timestamp.wrapping_sub(self.units));
        let held = now.saturating_sub(down.start);
        let clock = u128::from(self.units) * 50;
        let duration = u16::try_from(held.min(KEY).as_micros() * clock / 1_000_000).unwrap_or(u16::MAX);
        let event = TelephoneEvent { event: down.key.event_code(), end: held >= KEY, volume: 10, duration };
        let header = Header {
            marker: held <= PTIME,
            payload_type: self.telephone_event,
            sequence: self.sequence,
            timestamp,
            ssrc: self.ssrc,
        };
        self.sequence = self.sequence.wrapping_add(1);
        Some(PacketBuf::write(header, |payload| {
            payload[..TelephoneEvent::LEN].copy_from_slice(&event.to_bytes());
            TelephoneEvent::LEN
        }))
    }

    /// The packet that is sent at `now`: it holds the 20 ms before.
    pub fn packet(&mut self, now: Duration) -> PacketBuf {
        let start = now.saturating_sub(PTIME);
        if self.pressing.is_none()
            && let Some(&(at, key)) = self.presses.front()
            && at < now
        {
            self.presses.pop_front();
            self.pressing = Some(Press { event: key.event_code(), timestamp: self.timestamp, sent: 0 });
        }
        let mut mixed = [0i32; SAMPLES];
        for sound in &self.sounds {
            // Either the sound begins within this packet, or the packet within the sound.
            let skipped = samples(sound.start.saturating_sub(start)).min(mixed.len());
            let offset = samples(start.saturating_sub(sound.start)).min(sound.samples.len());
            for (mixed, &sample) in mixed[skipped..].iter_mut().zip(&sound.samples[offset..]) {
                *mixed += i32::from(sample);
            }
        }
        self.sounds.retain(|sound| sound.start + Duration::from_micros(sound.samples.len() as u64 * 125) > start);
        let clipped = mixed.map(|sample| sample.clamp(-32_768, 32_767) as i16);
        let mut header = Header {
            marker: false,
            payload_type: self.payload_type,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
        };
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(self.units);
        let Some(press) = &mut self.pressing else {
            return PacketBuf::write(header, |payload| {
                let Some(resampler) = &mut self.resampler else { return self.encoder.encode(&clipped, payload) };
                let mut wide: Frame = Frame::empty(resampler.to());
                resampler.process(&clipped, |piece| _ = wide.push(piece));
                self.encoder.encode(wide.samples(), payload)
            });
        };
        header.payload_type = self.telephone_event;
        header.timestamp = press.timestamp;
        header.marker = press.sent == 0;
        press.sent += 1;
        let event = TelephoneEvent {
            event: press.event,
            end: press.sent >= Press::PACKETS,
            volume: 10,
            duration: press.sent.min(Press::PACKETS).saturating_mul(self.units as u16),
        };
        if press.sent == Press::PACKETS + Press::ENDS - 1 {
            self.pressing = None;
        }
        PacketBuf::write(header, |payload| {
            payload[..TelephoneEvent::LEN].copy_from_slice(&event.to_bytes());
            TelephoneEvent::LEN
        })
    }

    fn add(&mut self, start: Duration, samples: Vec<i16>) {
        self.sounds.push(Sound { start, samples });
    }

    fn next_seed(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(1);
        self.seed
    }
}

fn samples(length: Duration) -> usize {
    length.as_micros() as usize / 125
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::Packet;

    #[test]
    fn a_key_is_an_event_with_one_timestamp_and_three_ends_and_then_the_sound_goes_on() {
        let mut caller = Caller::new(Codec::Pcmu, PayloadType(0), 3);
        let key = Digit::new('5').unwrap();
        caller.press(Duration::from_millis(30), key);
        caller.press(Duration::from_millis(30), key);
        let mut seen = Vec::new();
        for n in 1..=18u32 {
            let packet = caller.packet(PTIME * n);
            let packet = Packet::parse(packet.as_bytes()).unwrap();
            if packet.header.payload_type == PayloadType(101) {
                let event = TelephoneEvent::parse(packet.payload).unwrap();
                seen.push((n, packet.header.timestamp, packet.header.marker, event.end, event.duration));
            } else {
                assert_eq!(packet.payload.len(), 160);
            }
        }
        let first: Vec<_> = seen.iter().take(7).map(|s| (s.0, s.2, s.3, s.4)).collect();
        let expected = [
            (2, true, false, 160),
            (3, false, false, 320),
            (4, false, false, 480),
            (5, false, false, 640),
            (6, false, true, 800),
            (7, false, true, 800),
            (8, false, true, 800),
        ];
        assert_eq!(first, expected);
        assert_eq!(seen.len(), 14);
        assert!(seen[..7].iter().all(|s| s.1 == seen[0].1) && seen[7..].iter().all(|s| s.1 == seen[7].1));
        assert!(caller.is_idle());
    }
}
