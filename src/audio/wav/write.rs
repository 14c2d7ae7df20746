//! Writing of WAV files.

use std::io::{self, Seek, SeekFrom, Write};

use crate::audio::frame::SampleRate;
use crate::audio::g711;

/// How the samples of a WAV file are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encoding {
    /// 16 bits a sample, as they are (format tag 1).
    Pcm16,
    /// G.711 µ-law, 8 bits a sample (format tag 7): half the size, and no loss on a line that is µ-law itself.
    Ulaw,
}

/// A whole WAV file of 16-bit PCM; channels shorter than the longest end in silence.
pub fn to_bytes(rate: SampleRate, channels: &[&[i16]]) -> Vec<u8> {
    let frames = channels.iter().map(|channel| channel.len()).max().unwrap_or(0);
    let mut bytes = Vec::with_capacity(Encoding::Pcm16.header_len() + frames * channels.len() * 2);
    let data = (frames * channels.len() * 2) as u64;
    Encoding::Pcm16.header(rate, channels.len() as u16, data, &mut bytes);
    for frame in 0..frames {
        for channel in channels {
            bytes.extend_from_slice(&channel.get(frame).copied().unwrap_or(0).to_le_bytes());
        }
    }
    bytes
}

/// The header a stereo recording of `length` bytes should have, given how it begins; `None`: it has it, or it is none of
/// [`StereoWriter`]'s. Sound behind what the header counts is counted, sound the header counts and that is not there is
/// not: what a process leaves that was killed, or a machine that lost power.
pub fn repaired_header(beginning: &[u8], length: u64) -> Option<Vec<u8>> {
    let rate = beginning.get(24..28).and_then(|hz| hz.try_into().ok()).map(u32::from_le_bytes);
    let rate = SampleRate::new(rate?)?;
    for encoding in [Encoding::Pcm16, Encoding::Ulaw] {
        let length_at = encoding.header_len() - 4;
        let counted = beginning.get(length_at..encoding.header_len()).and_then(|data| data.try_into().ok());
        let Some(counted) = counted.map(u32::from_le_bytes) else { continue };
        let mut header = Vec::with_capacity(encoding.header_len());
        encoding.header(rate, 2, u64::from(counted), &mut header);
        if !is_same_kind(beginning, &header, encoding) {
            continue;
        }
        let block = encoding.bytes_per_frame() as u64;
        let there = length.saturating_sub(encoding.header_len() as u64) / block * block;
        header.clear();
        encoding.header(rate, 2, there, &mut header);
        return (!beginning.starts_with(&header)).then_some(header);
    }
    None
}

/// Whether two headers differ in nothing but how much they count.
fn is_same_kind(one: &[u8], other: &[u8], encoding: Encoding) -> bool {
    let counts = |at: usize| (4..8).contains(&at) || encoding.counts().any(|count| (count..count + 4).contains(&at));
    let mut pairs = one.iter().zip(other).enumerate();
    one.len() >= other.len() && pairs.all(|(at, (one, other))| one == other || counts(at))
}

/// Writes a stereo recording bit by bit so that it can be played whenever it is cut short.
///
/// Each second of sound is written together with a header that is true for what is there so far: a killed process loses
/// at most the last second. After [`new`](Self::new) nothing is allocated.
#[derive(Debug)]
pub struct StereoWriter<W: Write + Seek> {
    file: W,
    rate: SampleRate,
    encoding: Encoding,
    written: u64,
    pending: Vec<u8>,
    /// Pending bytes at which they are written.
    enough: usize,
    header: Vec<u8>,
}

impl<W: Write + Seek> StereoWriter<W> {
    /// Starts a recording at the present position of `file`, which should be its beginning.
    pub fn new(mut file: W, rate: SampleRate, encoding: Encoding) -> io::Result<Self> {
        let mut header = Vec::with_capacity(encoding.header_len());
        encoding.header(rate, 2, 0, &mut header);
        file.write_all(&header)?;
        let enough = rate.hz() as usize * encoding.bytes_per_frame();
        Ok(Self { file, rate, encoding, written: 0, pending: Vec::with_capacity(enough), enough, header })
    }

    /// Appends sound to both channels; the shorter one is filled up with silence.
    pub fn write(&mut self, left: &[i16], right: &[i16]) -> io::Result<()> {
        for at in 0..left.len().max(right.len()) {
            for channel in [left, right] {
                let sample = channel.get(at).copied().unwrap_or(0);
                match self.encoding {
                    Encoding::Pcm16 => self.pending.extend_from_slice(&sample.to_le_bytes()),
                    Encoding::Ulaw => self.pending.push(g711::linear_to_ulaw(sample)),
                }
            }
            if self.pending.len() >= self.enough {
                self.sync()?;
            }
        }
        Ok(())
    }

    /// Writes what is pending and makes the header true.
    pub fn sync(&mut self) -> io::Result<()> {
        if !self.pending.is_empty() {
            // What cannot be written is given up: a full disk must not become a full memory.
            let result = self.file.write_all(&self.pending);
            self.written += self.pending.len() as u64;
            self.pending.clear();
            result?;
        }
        self.header.clear();
        self.encoding.header(self.rate, 2, self.written, &mut self.header);
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&self.header)?;
        self.file.seek(SeekFrom::End(0))?;
        self.file.flush()
    }

    /// How much sound has been taken so far.
    pub fn duration(&self) -> std::time::Duration {
        self.rate.duration_of((self.written as usize + self.pending.len()) / self.encoding.bytes_per_frame())
    }

    /// Ends the recording.
    pub fn finish(mut self) -> io::Result<()> {
        self.sync()
    }
}

impl<W: Write + Seek> Drop for StereoWriter<W> {
    fn drop(&mut self) {
        // Whoever wants to know whether it worked calls `finish`.
        if !self.pending.is_empty() {
            let _ = self.sync();
        }
    }
}

impl Encoding {
    const fn bytes_per_sample(self) -> usize {
        match self {
            Self::Pcm16 => 2,
            Self::Ulaw => 1,
        }
    }

    /// Of a stereo recording.
    const fn bytes_per_frame(self) -> usize {
        2 * self.bytes_per_sample()
    }

    const fn header_len(self) -> usize {
        match self {
            Self::Pcm16 => 44,
            // A longer format chunk, and a chunk that counts the samples.
            Self::Ulaw => 58,
        }
    }

    /// Where in the header it is counted how much there is, besides the length of the whole.
    fn counts(self) -> impl Iterator<Item = usize> {
        let (samples, data) = match self {
            Self::Pcm16 => (None, 40),
            Self::Ulaw => (Some(46), 54),
        };
        samples.into_iter().chain([data])
    }

    /// Appends what stands before `data` bytes of sound. Sizes beyond 4 GiB are written as the largest there is.
    fn header(self, rate: SampleRate, channels: u16, data: u64, header: &mut Vec<u8>) {
        let size = |bytes: u64| u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes();
        let block = channels.saturating_mul(self.bytes_per_sample() as u16);
        let (tag, format_len) = match self {
            Self::Pcm16 => (1u16, 16u32),
            Self::Ulaw => (7, 18),
        };
        header.extend_from_slice(b"RIFF");
        header.extend_from_slice(&size(data + self.header_len() as u64 - 8));
        header.extend_from_slice(b"WAVEfmt ");
        header.extend_from_slice(&format_len.to_le_bytes());
        header.extend_from_slice(&tag.to_le_bytes());
        header.extend_from_slice(&channels.to_le_bytes());
        header.extend_from_slice(&rate.hz().to_le_bytes());
        header.extend_from_slice(&(rate.hz() * u32::from(block)).to_le_bytes());
        header.extend_from_slice(&block.to_le_bytes());
        header.extend_from_slice(&(8 * self.bytes_per_sample() as u16).to_le_bytes());
        if self == Self::Ulaw {
            header.extend_from_slice(&0u16.to_le_bytes());
            header.extend_from_slice(b"fact\x04\0\0\0");
            header.extend_from_slice(&size(data / u64::from(block.max(1))));
        }
        header.extend_from_slice(b"data");
        header.extend_from_slice(&size(data));
    }
}
