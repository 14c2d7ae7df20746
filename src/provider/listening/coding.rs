//! Samples as the bytes a recogniser takes.

use std::time::Duration;

use crate::audio::g711::linear_to_ulaw;
use crate::audio::{Resampler, SampleRate};

/// How one sample is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::provider) enum Coding {
    /// G.711 µ-law, one byte.
    Mulaw,
    /// Signed 16-bit, little-endian.
    Pcm16,
    /// 32-bit floating point from −1 to 1, little-endian.
    #[allow(dead_code, reason = "what local recognisers take")]
    Float32,
}

impl Coding {
    /// The coding of telephone sound as it came: µ-law at 8 kHz, 16-bit samples at any other rate.
    pub(in crate::provider) fn of(rate: SampleRate) -> Self {
        if rate == SampleRate::HZ_8000 { Self::Mulaw } else { Self::Pcm16 }
    }

    /// Bytes of one sample.
    pub(super) const fn bytes(self) -> u32 {
        match self {
            Self::Mulaw => 1,
            Self::Pcm16 => 2,
            Self::Float32 => 4,
        }
    }

    /// So many bytes of silence, in whole samples.
    pub(super) fn silence(self, samples: usize) -> impl Iterator<Item = u8> {
        let byte = if self == Self::Mulaw { linear_to_ulaw(0) } else { 0 };
        std::iter::repeat_n(byte, samples * self.bytes() as usize)
    }

    fn write(self, samples: &[i16], bytes: &mut Vec<u8>) {
        match self {
            Self::Mulaw => bytes.extend(samples.iter().map(|&sample| linear_to_ulaw(sample))),
            Self::Pcm16 => bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes())),
            Self::Float32 => {
                bytes.extend(samples.iter().flat_map(|&sample| (f32::from(sample) / 32_768.0).to_le_bytes()));
            }
        }
    }
}

/// Writes a call's sound as one vendor takes it.
#[derive(Debug)]
pub(super) struct Writer {
    coding: Coding,
    rate: SampleRate,
    resampler: Resampler,
    /// What was written last; kept for its room.
    bytes: Vec<u8>,
}

impl Writer {
    /// A writer of sound that comes at `from` and goes out at `to`.
    pub(super) fn new(coding: Coding, from: SampleRate, to: SampleRate) -> Self {
        Self { coding, rate: to, resampler: Resampler::new(from, to), bytes: Vec::new() }
    }

    /// `samples` as bytes.
    pub(super) fn write(&mut self, samples: &[i16]) -> &[u8] {
        let Self { coding, resampler, bytes, .. } = self;
        bytes.clear();
        resampler.process(samples, |samples| coding.write(samples, bytes));
        bytes
    }

    /// How long `bytes` of its sound take.
    pub(super) fn duration(&self, bytes: usize) -> Duration {
        self.rate.duration_of(bytes / self.coding.bytes() as usize)
    }

    /// Silence of `length`.
    pub(super) fn silence(&self, length: Duration) -> impl Iterator<Item = u8> + use<> {
        self.coding.silence(self.rate.samples_in(length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(coding: Coding, samples: &[i16]) -> Vec<u8> {
        Writer::new(coding, SampleRate::HZ_8000, SampleRate::HZ_8000).write(samples).to_vec()
    }

    #[test]
    fn each_coding_writes_silence_and_the_loudest_samples_as_its_readers_expect() {
        assert_eq!(write(Coding::Mulaw, &[0, i16::MAX, i16::MIN]), [0xFF, 0x80, 0x00]);
        assert_eq!(write(Coding::Pcm16, &[1, -2]), [1, 0, 0xFE, 0xFF]);
        assert_eq!(write(Coding::Float32, &[0, i16::MIN]), [0, 0, 0, 0, 0, 0, 0x80, 0xBF], "-1.0");
        for coding in [Coding::Mulaw, Coding::Pcm16, Coding::Float32] {
            assert_eq!(coding.silence(3).collect::<Vec<_>>(), write(coding, &[0; 3]), "{coding:?}");
        }
    }

    #[test]
    fn sound_of_another_rate_comes_out_at_the_vendors() {
        let mut writer = Writer::new(Coding::Pcm16, SampleRate::HZ_8000, SampleRate::HZ_24000);
        let bytes: usize = (0..50).map(|_| writer.write(&[1_000; 160]).len()).sum();
        let length = writer.duration(bytes);
        assert!((990..=1_000).contains(&length.as_millis()), "{length:?} of one second");
        assert_eq!(writer.silence(Duration::from_millis(10)).count(), 480);
    }
}
