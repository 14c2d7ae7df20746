//! Sounds made ready before the clock runs: a caller copies packets and encodes nothing.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::audio::g711::{linear_to_ulaw, ulaw_to_linear};
use crate::audio::wav::Wav;
use crate::audio::{Resampler, SampleRate};

use super::script::{EXCHANGES, Exchange};

/// One packet of µ-law.
pub(super) type Payload = [u8; SAMPLES];
/// Samples of one packet.
pub(super) const SAMPLES: usize = 160;
/// What one packet lasts.
pub(super) const PTIME: Duration = Duration::from_millis(20);

/// Everything the callers of a benchmark say, shared by all of them.
#[derive(Debug)]
pub(super) struct Script {
    /// In order, then from the first again.
    pub(super) lines: Vec<Spoken>,
    /// A quiet room, over and over: no line is ever digitally silent, so no detector has it easy.
    pub(super) room: Vec<Payload>,
}

/// One prepared line.
#[derive(Debug)]
pub(super) struct Spoken {
    pub(super) packets: Vec<Payload>,
    /// From the first packet's first sample to the first and the last of the voice.
    pub(super) voiced: (Duration, Duration),
    pub(super) interrupts_after: Option<Duration>,
}

impl Script {
    /// The conversation of a benchmark.
    pub(super) fn prepare() -> io::Result<Arc<Self>> {
        let lines = EXCHANGES.iter().map(Spoken::prepare).collect::<io::Result<_>>()?;
        Ok(Arc::new(Self { lines, room: room() }))
    }
}

impl Spoken {
    fn prepare(exchange: &Exchange) -> io::Result<Self> {
        let wav = Wav::parse(exchange.file).map_err(io::Error::other)?;
        let mut samples = Vec::new();
        let mut resampler = Resampler::new(wav.rate(), SampleRate::HZ_8000);
        resampler.process(&wav.into_mono(), |piece| samples.extend_from_slice(piece));
        let voiced = voiced(&samples).ok_or_else(|| io::Error::other("a line without voice"))?;
        let room = room();
        let packets = samples.chunks(SAMPLES).zip(room.iter().cycle()).map(|(chunk, room)| {
            let mut packet = *room;
            for (byte, sample) in packet.iter_mut().zip(chunk) {
                *byte = linear_to_ulaw(sample.saturating_add(ulaw_to_linear(*byte)));
            }
            packet
        });
        Ok(Self { packets: packets.collect(), voiced, interrupts_after: exchange.interrupts_after })
    }
}

/// Where the voice begins and ends, in steps of 5 ms: within 40 dB of the loudest step.
fn voiced(samples: &[i16]) -> Option<(Duration, Duration)> {
    let power = |step: &[i16]| step.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / step.len().max(1) as f64;
    let powers: Vec<f64> = samples.chunks(STEP).map(power).collect();
    let loudest = powers.iter().copied().fold(0.0, f64::max);
    let is_voiced = |power: &f64| *power > 0.0 && *power >= loudest * 1e-4;
    let (first, last) = (powers.iter().position(is_voiced)?, powers.iter().rposition(is_voiced)?);
    let at = |step: usize| Duration::from_millis(5) * step as u32;
    Some((at(first), at(last + 1)))
}

/// Noise of about −62 dBFS, always the same.
fn room() -> Vec<Payload> {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut noise = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        linear_to_ulaw((state % 89) as i16 - 44)
    };
    (0..ROOM_PACKETS).map(|_| std::array::from_fn(|_| noise())).collect()
}

/// Two seconds of room.
const ROOM_PACKETS: usize = 100;
/// Samples of 5 ms.
const STEP: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    /// The labels of `fixtures/audio` say where the voice of each line is, to 10 ms.
    #[test]
    fn the_voice_of_every_line_is_found_where_its_label_has_it() {
        let script = Script::prepare().unwrap();
        let labels = [(0, 3_257), (0, 1_950), (0, 1_970), (0, 1_510), (0, 2_100)];
        assert_eq!(script.lines.len(), labels.len());
        for (line, (begin, end)) in script.lines.iter().zip(labels) {
            let (from, to) = (line.voiced.0.as_millis() as i64, line.voiced.1.as_millis() as i64);
            assert!((from - begin).abs() <= 15 && (to - end).abs() <= 15, "{from} to {to}, not {begin} to {end}");
        }
    }

    #[test]
    fn the_room_is_quiet_and_not_silent() {
        let samples: Vec<f64> = room().concat().iter().map(|&byte| f64::from(ulaw_to_linear(byte))).collect();
        let power = samples.iter().map(|s| (s / 32_768.0).powi(2)).sum::<f64>() / samples.len() as f64;
        let level = 10.0 * power.log10();
        assert!((-66.0..-58.0).contains(&level), "{level}");
    }
}
