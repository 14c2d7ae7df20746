//! The forms of sound that voices are asked for.

use std::time::Duration;

use crate::audio::{Codec, Decoder, Frame, SampleRate};
use crate::provider::pcm::SampleReader;

/// The form in which sound comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::provider) enum Format {
    /// µ-law at 8 kHz.
    Ulaw,
    /// 16-bit samples at 16 kHz.
    Wide,
    /// 16-bit samples at 24 kHz, the voices' own.
    Full,
}

impl Format {
    /// What suits a line at `rate` best.
    pub(in crate::provider) fn nearest(rate: SampleRate) -> Self {
        match rate {
            SampleRate::HZ_8000 => Self::Ulaw,
            SampleRate::HZ_16000 => Self::Wide,
            _ => Self::Full,
        }
    }

    /// Samples per second.
    pub(in crate::provider) const fn rate(self) -> SampleRate {
        match self {
            Self::Ulaw => SampleRate::HZ_8000,
            Self::Wide => SampleRate::HZ_16000,
            Self::Full => SampleRate::HZ_24000,
        }
    }
}

/// The sound of a reply as it comes in.
#[derive(Debug)]
pub(in crate::provider) struct Sound {
    format: Format,
    linear: SampleReader,
    samples: usize,
}

impl Sound {
    /// No sound yet.
    pub(in crate::provider) fn new(format: Format) -> Self {
        Self { format, linear: SampleReader::default(), samples: 0 }
    }

    /// The samples that `bytes` complete.
    pub(in crate::provider) fn decode(&mut self, bytes: &[u8]) -> Vec<i16> {
        let samples = match self.format {
            Format::Ulaw => ulaw(bytes),
            Format::Wide | Format::Full => self.linear.push(bytes),
        };
        self.samples += samples.len();
        samples
    }

    /// Samples per second.
    pub(in crate::provider) const fn rate(&self) -> SampleRate {
        self.format.rate()
    }

    /// How much sound has come.
    pub(in crate::provider) const fn length(&self) -> Duration {
        self.format.rate().duration_of(self.samples)
    }
}

/// The samples of G.711 µ-law.
pub(in crate::provider) fn ulaw(bytes: &[u8]) -> Vec<i16> {
    let mut decoder = Decoder::new(Codec::Pcmu);
    let mut samples = Vec::with_capacity(bytes.len());
    for payload in bytes.chunks(Frame::CAPACITY) {
        // Never refused: the pieces are neither empty nor longer than a frame.
        if let Ok(frame) = decoder.decode(payload) {
            samples.extend_from_slice(frame.samples());
        }
    }
    samples
}
