//! The caller: sounds laid out in time, sent as RTP packets.

use std::time::Duration;

use crate::audio::tone::Tone;
use crate::audio::{Codec, Encoder, SampleRate};
use crate::rtp::{Header, PacketBuf, PayloadType, Ssrc};

use super::sound;

/// A caller whose phone sends one packet every 20 ms for as long as it is on the line.
#[derive(Debug)]
pub(super) struct Caller {
    sounds: Vec<Sound>,
    encoder: Encoder,
    payload_type: PayloadType,
    sequence: u16,
    timestamp: u32,
    seed: u64,
}

#[derive(Debug)]
struct Sound {
    start: Duration,
    samples: Vec<i16>,
}

/// What one packet of the caller lasts.
pub(super) const PTIME: Duration = Duration::from_millis(20);
/// How loud each tone of a beep is.
const BEEP_DBFS: f32 = -16.0;

impl Caller {
    pub(super) fn new(codec: Codec, payload_type: PayloadType, seed: u64) -> Self {
        Self {
            sounds: Vec::new(),
            encoder: Encoder::new(codec),
            payload_type,
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

    /// A tone from `start` on, or several at once.
    pub(super) fn beep(&mut self, start: Duration, length: Duration, hz: &[f32]) {
        for &hz in hz {
            let mut tone = vec![0; samples(length)];
            Tone::single(hz, BEEP_DBFS, SampleRate::HZ_8000).fill(&mut tone);
            self.add(start, tone);
        }
    }

    /// Noise from `start` on.
    pub(super) fn noise(&mut self, start: Duration, length: Duration, dbfs: f64) {
        let seed = self.next_seed();
        self.add(start, sound::noise(samples(length), dbfs, seed));
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
