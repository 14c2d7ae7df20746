//! Opus (RFC 6716) as telephony uses it: mono at 16 kHz, in RTP by RFC 7587.

use std::fmt;
use std::time::Duration;

use opus_pure::{Application, Bandwidth, MAX_PACKET_BYTES, Signal, packet};

use super::frame::{Frame, SampleRate};

/// What the other side asked for and what we spend, as the parameters of RFC 7587 section 6.1 name it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpusSettings {
    /// Bits a second we aim at, 6 000 to 128 000 (`maxaveragebitrate` caps it).
    pub bitrate: u32,
    /// The most the other side can play, in hertz (`maxplaybackrate`); no more than 16 000 is sent.
    pub playback_rate: u32,
    /// Whether each packet carries a copy of the one before (`useinbandfec`).
    pub fec: bool,
    /// The share of packets that is expected to be lost, in percent: how much is spent on FEC.
    pub loss: u8,
    /// How much work goes into coding, 0 to 10.
    pub complexity: u8,
}

impl OpusSettings {
    /// A wideband voice at 24 kbit/s, protected against some loss.
    pub const USUAL: Self = Self { bitrate: 24_000, playback_rate: 16_000, fec: true, loss: 5, complexity: 4 };
}

impl Default for OpusSettings {
    fn default() -> Self {
        Self::USUAL
    }
}

/// Codes sound of 16 kHz. The library copies its state a few times a packet, in some 3 kB on the heap that are freed at
/// once; nothing else is allocated after [`new`](OpusEncoder::new).
pub struct OpusEncoder {
    coder: Option<Box<opus_pure::OpusEncoder>>,
}

impl OpusEncoder {
    /// A coder that has sent nothing.
    pub fn new(settings: OpusSettings) -> Self {
        let mut coder = opus_pure::OpusEncoder::new(HZ, 1, Application::Voip).ok().map(Box::new);
        if let Some(coder) = &mut coder {
            coder.bitrate_bps = settings.bitrate.clamp(6_000, 128_000) as i32;
            coder.complexity = i32::from(settings.complexity.min(10));
            coder.use_inband_fec = settings.fec;
            coder.packet_loss_perc = if settings.fec { i32::from(settings.loss.clamp(1, 50)) } else { 0 };
            coder.signal_type = Some(Signal::Voice);
            coder.max_bandwidth = match settings.playback_rate {
                0..=11_999 => Bandwidth::Narrowband,
                12_000..=15_999 => Bandwidth::Mediumband,
                _ => Bandwidth::Wideband,
            };
            warm_up(coder);
        }
        Self { coder }
    }

    /// Codes 10, 20, 40 or 60 ms into the front of `payload` and says how many bytes it wrote; none for any other length.
    pub fn encode(&mut self, samples: &[i16], payload: &mut [u8]) -> usize {
        let coder = self.coder.as_mut();
        coder.and_then(|coder| coder.encode_s16(samples, samples.len(), payload).ok()).unwrap_or(0)
    }
}

impl fmt::Debug for OpusEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpusEncoder")
    }
}

/// Decodes to sound of 16 kHz, conceals what is missing, and reads the copy of a lost packet from the one behind it.
/// After [`new`](OpusDecoder::new) what comes is decoded without allocating; to conceal, the library takes some 5 kB and
/// gives them back.
pub struct OpusDecoder {
    decoder: Option<Box<opus_pure::OpusDecoder>>,
}

impl OpusDecoder {
    /// The sound is decoded at this rate.
    pub const RATE: SampleRate = SampleRate::HZ_16000;
    /// Sound is concealed in steps of this.
    pub const STEP: Duration = Duration::from_millis(10);

    /// A decoder that has heard nothing.
    pub fn new() -> Self {
        let mut decoder = opus_pure::OpusDecoder::new(HZ, 1).ok().map(Box::new);
        if let Some(decoder) = &mut decoder {
            warm_up_decoder(decoder);
        }
        Self { decoder }
    }

    /// How many samples a packet holds by its first bytes; `None`: it is no packet of Opus.
    pub fn samples(payload: &[u8]) -> Option<usize> {
        packet::samples(payload, HZ).ok().filter(|&samples| samples > 0)
    }

    /// Decodes a packet into a frame; `None`: it cannot be decoded, and the decoder is as if it had been lost.
    pub fn decode(&mut self, payload: &[u8]) -> Option<Frame> {
        let samples = Self::samples(payload).filter(|&samples| samples <= Frame::CAPACITY)?;
        self.fill(samples, |decoder, room| decoder.decode_s16(payload, samples, room))
    }

    /// Makes up `duration` of sound, to a [`STEP`](Self::STEP); `None` where that is nothing, or more than a frame holds.
    pub fn conceal(&mut self, duration: Duration) -> Option<Frame> {
        let steps = duration.as_nanos().div_ceil(Self::STEP.as_nanos()) as usize;
        let samples = steps.saturating_mul(Self::RATE.samples_in(Self::STEP));
        let wanted = Self::RATE.samples_in(duration);
        if wanted == 0 || samples > Frame::CAPACITY {
            return None;
        }
        let made_up = self.fill(samples, |decoder, room| decoder.decode_s16(&[], samples, room))?;
        made_up.samples().get(..wanted).and_then(|samples| Frame::from_samples(Self::RATE, samples))
    }

    /// The packet before `next`, from the copy in it; where there is none, it is concealed.
    pub fn recover(&mut self, next: &[u8]) -> Option<Frame> {
        let samples = Self::samples(next).filter(|&samples| samples <= Frame::CAPACITY)?;
        self.fill(samples, |decoder, room| decoder.decode_fec_s16(next, samples, room))
    }

    /// Forgets the stream.
    pub fn reset(&mut self) {
        // What cannot be forgotten is left behind.
        if self.decoder.as_mut().is_some_and(|decoder| decoder.reset_state().is_err()) {
            self.decoder = None;
        }
    }

    fn fill(
        &mut self,
        samples: usize,
        decode: impl FnOnce(&mut opus_pure::OpusDecoder, &mut [i16]) -> opus_pure::Result<usize>,
    ) -> Option<Frame> {
        let mut frame = Frame::empty(Self::RATE);
        let room = frame.grow(samples);
        let made = decode(self.decoder.as_mut()?, room).ok()?;
        (made == samples).then_some(frame)
    }
}

impl Default for OpusDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for OpusDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpusDecoder")
    }
}

/// Lets a coder allocate what it will need: every length, tones and noise, whichever way it codes them.
fn warm_up(coder: &mut opus_pure::OpusEncoder) {
    let mut payload = [0; MAX_PACKET_BYTES];
    let mut sound = [0i16; Frame::CAPACITY];
    let mut noise = 1u32;
    for (n, sample) in sound.iter_mut().enumerate() {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *sample = ((n % 80) as i16 - 40) * 200 + (noise >> 24) as i16;
    }
    for samples in [960, 640, 320, 160] {
        for _ in 0..2 {
            // The sound is thrown away and the coder reset: an error would come again, and is told then.
            let _ = coder.encode_s16(&sound, samples, &mut payload);
        }
    }
    let _ = coder.reset_state();
}

/// The same for a decoder: packets of both kinds, lost ones, and copies.
fn warm_up_decoder(decoder: &mut opus_pure::OpusDecoder) {
    let mut sound = [0i16; Frame::CAPACITY];
    // 60 ms of SILK and 20 ms of CELT, both wideband and mono, that code silence.
    for packet in [&[0x58u8, 0, 0, 0][..], &[0xB8, 0xFF, 0xFE], &[0x48, 0, 0, 0]] {
        let samples = OpusDecoder::samples(packet).unwrap_or(0);
        let _ = decoder.decode_s16(packet, samples, &mut sound);
        let _ = decoder.decode_s16(&[], Frame::CAPACITY, &mut sound);
        let _ = decoder.decode_fec_s16(packet, samples, &mut sound);
    }
    let _ = decoder.reset_state();
}

/// Hertz.
const HZ: i32 = 16_000;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use opus_pure::OggOpusReader;
    use proptest::prelude::*;

    use super::*;
    use crate::audio::level;

    fn fixture(name: &str) -> Vec<u8> {
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/codecs").join(name)).unwrap()
    }

    fn sound(name: &str) -> Vec<i16> {
        fixture(name).as_chunks().0.iter().map(|bytes| i16::from_le_bytes(*bytes)).collect()
    }

    fn packets(name: &str) -> Vec<Vec<u8>> {
        let mut reader = OggOpusReader::new(std::io::Cursor::new(fixture(name))).unwrap();
        reader.packets().map(|packet| packet.unwrap().data).collect()
    }

    /// How far `heard` is from `truth`, in decibels, at the shift of up to 10 ms that fits best.
    fn error_db(heard: &[i16], truth: &[i16]) -> f32 {
        let off = |shift: usize| {
            let pairs = heard.iter().skip(shift).zip(truth);
            let error: f32 = pairs.map(|(&a, &b)| (f32::from(a) - f32::from(b)).powi(2)).sum();
            10.0 * (error / level::energy(truth).max(1) as f32).log10()
        };
        (0..160).map(off).fold(f32::MAX, f32::min)
    }

    #[test]
    fn what_libopus_coded_is_decoded_as_libopus_does() {
        for (name, most) in [("voice-fec", 320), ("voice-60ms", 960)] {
            let mut decoder = OpusDecoder::new();
            let mut heard = Vec::new();
            for packet in packets(&format!("{name}.opus")) {
                assert_eq!(OpusDecoder::samples(&packet), Some(most), "{name}");
                heard.extend_from_slice(decoder.decode(&packet).unwrap().samples());
            }
            // Theirs leaves out the coder's delay.
            let error = error_db(&heard[..16_000 + 160], &sound(&format!("{name}.s16"))[..15_000]);
            assert!(error < -25.0, "{name}: {error:.1} dB");
        }
    }

    #[test]
    fn a_copy_of_a_lost_packet_is_closer_than_concealment() {
        let packets = packets("voice-fec.opus");
        let mut whole = OpusDecoder::new();
        let truth: Vec<Frame> = packets.iter().map(|packet| whole.decode(packet).unwrap()).collect();
        let (mut copied, mut concealed, mut energy) = (0f64, 0f64, 0f64);
        for lost in (10..packets.len() - 1).step_by(7) {
            for recover in [true, false] {
                let mut decoder = OpusDecoder::new();
                for packet in &packets[..lost] {
                    decoder.decode(packet).unwrap();
                }
                let made_up = match recover {
                    true => decoder.recover(&packets[lost + 1]),
                    false => decoder.conceal(Duration::from_millis(20)),
                };
                let made_up = made_up.unwrap();
                assert_eq!(made_up.duration(), Duration::from_millis(20));
                let pairs = made_up.samples().iter().zip(truth[lost].samples());
                let error: f64 = pairs.map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum();
                *(if recover { &mut copied } else { &mut concealed }) += error;
            }
            energy += level::energy(truth[lost].samples()) as f64;
        }
        let db = |error: f64| 10.0 * (error / energy).log10();
        assert!(db(copied) < db(concealed) - 3.0, "{:.1} and {:.1} dB", db(copied), db(concealed));
    }

    #[test]
    fn every_length_we_send_comes_back_as_long() {
        for samples in [160, 320, 640, 960] {
            let (mut coder, mut decoder) = (OpusEncoder::new(OpusSettings::default()), OpusDecoder::new());
            let mut payload = [0; 1_275];
            for _ in 0..5 {
                let length = coder.encode(&[1_000; Frame::CAPACITY][..samples], &mut payload);
                assert!(length > 0);
                assert_eq!(decoder.decode(&payload[..length]).unwrap().samples().len(), samples);
            }
        }
        let mut coder = OpusEncoder::new(OpusSettings::default());
        assert_eq!(coder.encode(&[0; 480], &mut [0; 1_275]), 0, "30 ms is no length of Opus");
    }

    #[test]
    fn a_narrow_listener_is_sent_no_more_than_it_plays() {
        let packets = |playback_rate| {
            let mut coder = OpusEncoder::new(OpusSettings { playback_rate, ..OpusSettings::default() });
            let mut payload = [0; 1_275];
            let voice = sound("voice.s16");
            let mut widest = None;
            for piece in voice.chunks_exact(320) {
                let length = coder.encode(piece, &mut payload);
                widest = widest.max(packet::bandwidth(&payload[..length]).ok().map(|bandwidth| bandwidth as i32));
            }
            widest
        };
        assert_eq!(packets(8_000), Some(Bandwidth::Narrowband as i32));
        assert_eq!(packets(16_000), Some(Bandwidth::Wideband as i32));
    }

    proptest! {
        #[test]
        fn nothing_that_comes_breaks_the_decoder(payloads in prop::collection::vec(
            (prop::collection::vec(any::<u8>(), 0..200), 0u8..3), 1..30,
        )) {
            let mut decoder = OpusDecoder::new();
            for (payload, way) in payloads {
                let _ = match way {
                    0 => decoder.decode(&payload),
                    1 => decoder.recover(&payload),
                    _ => decoder.conceal(Duration::from_millis(payload.len() as u64 / 3)),
                };
            }
        }
    }
}
