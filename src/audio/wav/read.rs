//! Reading of WAV files.

use std::fmt;
use std::io::{self, Read};
use std::time::Duration;

use dasp_sample::Sample;

use crate::audio::frame::SampleRate;
use crate::audio::g711;

/// The sound of a WAV file, as 16-bit samples.
///
/// Reads PCM of 8, 16, 24 and 32 bits, floats of 32 and 64, µ-law and A-law, plain or as `WAVE_FORMAT_EXTENSIBLE`, with
/// any number of channels. A data length that cannot be true (zero, `0xFFFFFFFF`, longer than the file: what a recorder
/// leaves behind when it is killed, or a stream that could not know) is taken as "to the end of the file".
#[derive(Clone, PartialEq, Eq)]
pub struct Wav {
    rate: SampleRate,
    channels: Vec<Vec<i16>>,
}

impl Wav {
    /// Reads a whole file from memory.
    pub fn parse(bytes: &[u8]) -> Result<Self, WavError> {
        let (format, data) = chunks(bytes)?;
        let count = usize::from(format.channels);
        let width = format.encoding.width();
        let frames = data.len() / (width * count);
        let mut channels = vec![Vec::with_capacity(frames); count];
        // A last frame that is cut off is left out.
        for frame in data.chunks_exact(width * count) {
            for (channel, sample) in channels.iter_mut().zip(frame.chunks_exact(width)) {
                channel.push(format.encoding.decode(sample));
            }
        }
        Ok(Self { rate: format.rate, channels })
    }

    /// Reads a whole file from a reader.
    pub fn read(mut reader: impl Read) -> Result<Self, WavError> {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).map_err(WavError::Io)?;
        Self::parse(&bytes)
    }

    /// Samples per second of each channel.
    pub const fn rate(&self) -> SampleRate {
        self.rate
    }

    /// The channels, at least one and all of the same length: left, right and so on.
    pub fn channels(&self) -> &[Vec<i16>] {
        &self.channels
    }

    /// How long the sound lasts.
    pub fn duration(&self) -> Duration {
        self.rate.duration_of(self.channels.first().map_or(0, Vec::len))
    }

    /// All channels as one: their mean.
    pub fn into_mono(mut self) -> Vec<i16> {
        if self.channels.len() == 1 {
            return self.channels.pop().unwrap_or_default();
        }
        let count = self.channels.len() as i32;
        let frames = self.channels.first().map_or(0, Vec::len);
        let mut sums = vec![0i32; frames];
        for channel in &self.channels {
            for (sum, &sample) in sums.iter_mut().zip(channel) {
                *sum += i32::from(sample);
            }
        }
        sums.into_iter().map(|sum| (sum / count) as i16).collect()
    }
}

impl fmt::Debug for Wav {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wav({} channels, {:?}, {:?})", self.channels.len(), self.duration(), self.rate)
    }
}

/// Why bytes are not a WAV file we can read.
#[derive(Debug)]
#[non_exhaustive]
pub enum WavError {
    /// The reader failed.
    Io(io::Error),
    /// It does not begin as a WAV file does.
    NotWav,
    /// It has no format chunk, or none before its sound, or a format chunk cut short.
    NoFormat,
    /// It has no data chunk.
    NoData,
    /// Samples in an encoding that is not supported.
    Encoding {
        /// The format tag: 1 is PCM, 3 float, 6 A-law, 7 µ-law.
        tag: u16,
        /// Bits per sample.
        bits: u16,
    },
    /// A number of channels outside 1 to 64.
    Channels(u16),
    /// A sample rate outside 4 to 192 kHz.
    Rate(u32),
}

impl fmt::Display for WavError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(_) => write!(f, "the WAV file could not be read"),
            Self::NotWav => write!(f, "not a WAV file: no RIFF/WAVE header"),
            Self::NoFormat => write!(f, "WAV file without a format chunk before its sound"),
            Self::NoData => write!(f, "WAV file without a data chunk"),
            Self::Encoding { tag, bits } => write!(
                f,
                "WAV encoding {tag:#06x} with {bits} bits, expected PCM (8 to 32), float (32, 64), A-law or µ-law"
            ),
            Self::Channels(channels) => write!(f, "WAV file with {channels} channels, expected 1 to {MAX_CHANNELS}"),
            Self::Rate(hz) => write!(f, "WAV file at {hz} Hz, expected 4000 to 192000"),
        }
    }
}

impl std::error::Error for WavError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

const MAX_CHANNELS: u16 = 64;
const TAG_PCM: u16 = 1;
const TAG_FLOAT: u16 = 3;
const TAG_ALAW: u16 = 6;
const TAG_ULAW: u16 = 7;
/// The real tag is then the beginning of the sub-format's GUID.
const TAG_EXTENSIBLE: u16 = 0xFFFE;

/// What a format chunk says.
struct Format {
    rate: SampleRate,
    channels: u16,
    encoding: Coding,
}

impl Format {
    fn parse(chunk: &[u8]) -> Result<Self, WavError> {
        let u16_at = |at: usize| {
            let bytes = chunk.get(at..at + 2).and_then(|bytes| bytes.try_into().ok());
            bytes.map(u16::from_le_bytes).ok_or(WavError::NoFormat)
        };
        let mut tag = u16_at(0)?;
        if tag == TAG_EXTENSIBLE {
            tag = u16_at(24)?;
        }
        let channels = u16_at(2)?;
        let hz = u32::from(u16_at(4)?) | u32::from(u16_at(6)?) << 16;
        let bits = u16_at(14)?;
        if !(1..=MAX_CHANNELS).contains(&channels) {
            return Err(WavError::Channels(channels));
        }
        let rate = SampleRate::new(hz).ok_or(WavError::Rate(hz))?;
        Ok(Self { rate, channels, encoding: Coding::new(tag, bits).ok_or(WavError::Encoding { tag, bits })? })
    }
}

/// How one sample is written.
#[derive(Clone, Copy)]
enum Coding {
    Pcm8,
    Pcm16,
    Pcm24,
    Pcm32,
    Float32,
    Float64,
    Alaw,
    Ulaw,
}

impl Coding {
    fn new(tag: u16, bits: u16) -> Option<Self> {
        Some(match (tag, bits) {
            (TAG_PCM, 8) => Self::Pcm8,
            (TAG_PCM, 16) => Self::Pcm16,
            (TAG_PCM, 24) => Self::Pcm24,
            (TAG_PCM, 32) => Self::Pcm32,
            (TAG_FLOAT, 32) => Self::Float32,
            (TAG_FLOAT, 64) => Self::Float64,
            (TAG_ALAW, 8) => Self::Alaw,
            (TAG_ULAW, 8) => Self::Ulaw,
            _ => return None,
        })
    }

    /// Bytes per sample.
    const fn width(self) -> usize {
        match self {
            Self::Pcm8 | Self::Alaw | Self::Ulaw => 1,
            Self::Pcm16 => 2,
            Self::Pcm24 => 3,
            Self::Pcm32 | Self::Float32 => 4,
            Self::Float64 => 8,
        }
    }

    /// One sample of [`width`](Self::width) bytes.
    fn decode(self, bytes: &[u8]) -> i16 {
        match (self, bytes) {
            (Self::Pcm8, &[a]) => a.to_sample(),
            (Self::Alaw, &[a]) => g711::alaw_to_linear(a),
            (Self::Ulaw, &[a]) => g711::ulaw_to_linear(a),
            (Self::Pcm16, &[a, b]) => i16::from_le_bytes([a, b]),
            (Self::Pcm24, &[_, b, c]) => i16::from_le_bytes([b, c]),
            (Self::Pcm32, &[_, _, c, d]) => i16::from_le_bytes([c, d]),
            (Self::Float32, &[a, b, c, d]) => from_float(f64::from(f32::from_le_bytes([a, b, c, d]))),
            (Self::Float64, &[a, b, c, d, e, f, g, h]) => from_float(f64::from_le_bytes([a, b, c, d, e, f, g, h])),
            _ => 0,
        }
    }
}

/// A float whose full scale is ±1; what is beyond is clipped, what is no number is silence.
fn from_float(sample: f64) -> i16 {
    (sample * 32_768.0).round() as i16
}

/// Finds the format and the sound among the chunks of a file.
fn chunks(bytes: &[u8]) -> Result<(Format, &[u8]), WavError> {
    let Some((riff, mut rest)) = bytes.split_first_chunk::<12>() else { return Err(WavError::NotWav) };
    if riff[..4] != *b"RIFF" || riff[8..] != *b"WAVE" {
        return Err(WavError::NotWav);
    }
    let riff_size = u32::from_le_bytes([riff[4], riff[5], riff[6], riff[7]]);
    let whole = usize::try_from(riff_size).is_ok_and(|size| size.checked_add(8) == Some(bytes.len()));
    let mut format = None;
    while let Some((head, body)) = rest.split_first_chunk::<8>() {
        let size = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        if head[..4] == *b"data" {
            let format = format.ok_or(WavError::NoFormat)?;
            // Zero is believed only where the file's own length is right too.
            let untrue = size > body.len() || (size == 0 && !whole);
            return Ok((format, if untrue { body } else { &body[..size] }));
        }
        if head[..4] == *b"fmt " {
            format = Some(Format::parse(body.get(..size).unwrap_or(body))?);
        }
        // Chunks begin at even offsets.
        rest = body.get(size.saturating_add(size & 1)..).unwrap_or_default();
    }
    Err(if format.is_some() { WavError::NoData } else { WavError::NoFormat })
}
