//! The caller: sounds laid out in time, sent as RTP packets.

use std::time::Duration;

use crate::audio::tone::Tone;
use crate::audio::{Encoder, SampleRate};
use crate::call::LineSpec;
use crate::conversation::Digit;
use crate::rtp::{Header, PacketBuf, PayloadType, Ssrc, TelephoneEvent};

use super::sound;

/// A caller whose phone sends one packet every 20 ms for as long as it is on the line.
#[derive(Debug)]
pub(super) struct Caller {
    sounds: Vec<Sound>,
    encoder: Encoder,
    payload_type: PayloadType,
    telephone_event: Option<PayloadType>,
    presses: Vec<Press>,
    sequence: u16,
    timestamp: u32,
    seed: u64,
}

/// A key that is sent as telephone events.
#[derive(Debug)]
struct Press {
    start: Duration,
    key: Digit,
    /// The timestamp of its beginning, once that was sent.
    timestamp: Option<u32>,
}

/// How long a key is held down, and from one key to the next.
const KEY: Duration = Duration::from_millis(100);
const KEYS_APART: Duration = Duration::from_millis(200);

#[derive(Debug)]
struct Sound {
    start: Duration,
    samples: Vec<i16>,
}

/// What one packet of the caller lasts.
pub(super) const PTIME: Duration = Duration::from_millis(20);

impl Caller {
    pub(super) fn new(line: LineSpec, seed: u64) -> Self {
        Self {
            sounds: Vec::new(),
            encoder: Encoder::new(line.codec),
            payload_type: line.payload_type,
            telephone_event: line.telephone_event,
            presses: Vec::new(),
            sequence: seed as u16,
            timestamp: (seed >> 16) as u32,
            seed,
        }
    }

    /// Voice from `start` on.
    pub(super) fn speak(&mut self, start: Duration, length: Duration) {
        let seed = self.next_seed();
        self.add(start, sound::voice(samples(length), seed));
    }

    /// A cough from `start` on.
    pub(super) fn cough(&mut self, start: Duration, length: Duration) {
        let seed = self.next_seed();
        self.add(start, sound::cough(samples(length), seed));
    }

    /// Noise from `start` on.
    pub(super) fn noise(&mut self, start: Duration, length: Duration, dbfs: f64) {
        let seed = self.next_seed();
        self.add(start, sound::noise(samples(length), dbfs, seed));
    }

    /// Keys from `start` on, as telephone events, as tones in the sound, or both.
    pub(super) fn press(&mut self, start: Duration, keys: &[Digit], events: bool, tones: bool) {
        let mut start = start;
        for &key in keys {
            if events {
                self.presses.push(Press { start, key, timestamp: None });
            }
            if let Some(mut tone) = Tone::key(key.as_char(), SampleRate::HZ_8000).filter(|_| tones) {
                let mut sound = vec![0; samples(KEY)];
                tone.fill(&mut sound);
                self.add(start, sound);
            }
            start += KEYS_APART;
        }
    }

    /// The telephone event that is sent at `now`, behind the packet of sound, if a key is down or its end is repeated.
    pub(super) fn event(&mut self, now: Duration) -> Option<PacketBuf> {
        let payload_type = self.telephone_event?;
        self.presses.retain(|press| now <= press.start + KEY + 2 * PTIME);
        let press = self.presses.iter_mut().find(|press| now > press.start)?;
        let timestamp = *press.timestamp.get_or_insert(self.timestamp.wrapping_sub(160));
        let held = now.saturating_sub(press.start);
        let duration = u16::try_from(samples(held.min(KEY))).unwrap_or(u16::MAX);
        let event = TelephoneEvent { event: press.key.event_code(), end: held >= KEY, volume: 10, duration };
        let header =
            Header { marker: held <= PTIME, payload_type, sequence: self.sequence, timestamp, ssrc: Ssrc(0x5ca1_ab1e) };
        self.sequence = self.sequence.wrapping_add(1);
        Some(PacketBuf::write(header, |payload| {
            let bytes = event.to_bytes();
            payload[..bytes.len()].copy_from_slice(&bytes);
            bytes.len()
        }))
    }

    /// Whether the caller makes any sound at this moment.
    pub(super) fn is_sounding(&self, now: Duration) -> bool {
        let lasts = |sound: &Sound| Duration::from_micros(sound.samples.len() as u64 * 125);
        self.sounds.iter().any(|sound| sound.start <= now && now < sound.start + lasts(sound))
    }

    /// The packet that is sent at `now`: it holds the 20 ms before.
    pub(super) fn packet(&mut self, now: Duration) -> PacketBuf {
        let start = now.saturating_sub(PTIME);
        let mut mixed = [0i32; 160];
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
        let header = Header {
            marker: false,
            payload_type: self.payload_type,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: Ssrc(0x5ca1_ab1e),
        };
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(160);
        PacketBuf::write(header, |payload| self.encoder.encode(&clipped, &mut payload[..160]))
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
