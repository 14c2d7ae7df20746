//! L16: linear 16-bit sound in network byte order (RFC 3551 section 4.5.11).

use super::frame::{Frame, SampleRate};
use super::resample::Resampler;

/// A rate of L16 that we take and send.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub enum LinearRate {
    Hz8000,
    Hz16000,
    Hz24000,
    Hz44100,
    Hz48000,
}

impl LinearRate {
    /// Samples per second on the wire.
    pub const fn hz(self) -> u32 {
        match self {
            Self::Hz8000 => 8_000,
            Self::Hz16000 => 16_000,
            Self::Hz24000 => 24_000,
            Self::Hz44100 => 44_100,
            Self::Hz48000 => 48_000,
        }
    }

    /// The codec's name at this rate, as SDP writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hz8000 => "L16/8000",
            Self::Hz16000 => "L16/16000",
            Self::Hz24000 => "L16/24000",
            Self::Hz44100 => "L16/44100",
            Self::Hz48000 => "L16/48000",
        }
    }

    /// How many samples a payload of this length decodes to, give or take one where the rates do not divide; `None`: it
    /// ends inside a sample, or holds less than one of ours.
    pub(super) const fn samples(self, bytes: usize) -> Option<usize> {
        let samples = bytes / 2 * self.ours().hz() as usize / self.hz() as usize;
        if bytes.is_multiple_of(2) && samples > 0 { Some(samples) } else { None }
    }

    /// The rate the sound has with us: no more than 16 kHz.
    const fn ours(self) -> SampleRate {
        match self {
            Self::Hz8000 => SampleRate::HZ_8000,
            _ => SampleRate::HZ_16000,
        }
    }

    /// From the wire's rate to ours or back; `None`: they are one.
    fn resampler(self, to_wire: bool) -> Option<Box<Resampler>> {
        let (wire, ours) = (SampleRate::new(self.hz())?, self.ours());
        let (from, to) = if to_wire { (ours, wire) } else { (wire, ours) };
        (wire != ours).then(|| Box::new(Resampler::new(from, to)))
    }
}

/// Wire to frames.
#[derive(Debug)]
pub(super) struct LinearDecoder {
    resampler: Option<Box<Resampler>>,
}

impl LinearDecoder {
    pub(super) fn new(rate: LinearRate) -> Self {
        Self { resampler: rate.resampler(false) }
    }

    /// Appends what `payload` holds to `frame`, whose rate is that of the codec; says how many bytes it took.
    pub(super) fn decode(&mut self, payload: &[u8], frame: &mut Frame) -> usize {
        let mut block = [0i16; BLOCK];
        for bytes in payload.chunks(2 * BLOCK) {
            let (pairs, _) = bytes.as_chunks::<2>();
            let samples = block.iter_mut().zip(pairs).map(|(sample, pair)| *sample = i16::from_be_bytes(*pair)).count();
            let samples = block.get(..samples).unwrap_or_default();
            match &mut self.resampler {
                Some(resampler) => resampler.process(samples, |piece| _ = frame.push(piece)),
                None => _ = frame.push(samples),
            }
        }
        payload.len()
    }

    pub(super) fn reset(&mut self) {
        if let Some(resampler) = &mut self.resampler {
            resampler.reset();
        }
    }
}

/// Frames to wire.
#[derive(Debug)]
pub(super) struct LinearEncoder {
    resampler: Option<Box<Resampler>>,
}

impl LinearEncoder {
    pub(super) fn new(rate: LinearRate) -> Self {
        Self { resampler: rate.resampler(true) }
    }

    /// Writes the samples to the front of `payload`, as many as fit, and says how many bytes that is.
    pub(super) fn encode(&mut self, samples: &[i16], payload: &mut [u8]) -> usize {
        let mut written = 0;
        let mut write = |samples: &[i16]| {
            let room = payload.get_mut(written..).unwrap_or_default().as_chunks_mut::<2>().0;
            written += 2 * room.iter_mut().zip(samples).map(|(to, sample)| *to = sample.to_be_bytes()).count();
        };
        match &mut self.resampler {
            Some(resampler) => resampler.process(samples, write),
            None => write(samples),
        }
        written
    }
}

/// Samples taken at a time.
const BLOCK: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_big_endian() {
        let mut frame = Frame::empty(SampleRate::HZ_16000);
        LinearDecoder::new(LinearRate::Hz16000).decode(&[0x12, 0x34, 0xFF, 0xFE], &mut frame);
        assert_eq!(frame.samples(), [0x1234, -2]);
        let mut payload = [0; 6];
        assert_eq!(LinearEncoder::new(LinearRate::Hz16000).encode(&[0x1234, -2], &mut payload), 4);
        assert_eq!(payload, [0x12, 0x34, 0xFF, 0xFE, 0, 0]);
        assert_eq!(LinearEncoder::new(LinearRate::Hz16000).encode(&[1; 9], &mut payload), 6);
    }

    #[test]
    fn a_packet_of_any_rate_lasts_as_long_with_us() {
        for (rate, bytes, samples) in [
            (LinearRate::Hz8000, 320, Some(160)),
            (LinearRate::Hz16000, 640, Some(320)),
            (LinearRate::Hz24000, 960, Some(320)),
            (LinearRate::Hz44100, 882, Some(160)),
            (LinearRate::Hz48000, 1_920, Some(320)),
            (LinearRate::Hz48000, 1_922, Some(320)),
            (LinearRate::Hz44100, 1_024, Some(185)),
            (LinearRate::Hz48000, 4, None),
            (LinearRate::Hz8000, 321, None),
        ] {
            assert_eq!(rate.samples(bytes), samples, "{rate:?}");
            let mut frame = Frame::empty(rate.ours());
            LinearDecoder::new(rate).decode(&vec![1; bytes], &mut frame);
            assert!(samples.is_none_or(|samples| frame.samples().len().abs_diff(samples) <= 1), "{rate:?}");
        }
    }
}
