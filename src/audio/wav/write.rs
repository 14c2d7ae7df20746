//! Writing of WAV files.

use std::io::{self, Seek, SeekFrom, Write};

use crate::audio::frame::SampleRate;

/// A whole WAV file of 16-bit PCM; channels shorter than the longest end in silence.
pub fn to_bytes(rate: SampleRate, channels: &[&[i16]]) -> Vec<u8> {
    let frames = channels.iter().map(|channel| channel.len()).max().unwrap_or(0);
    let mut bytes = Vec::with_capacity(HEADER_LEN + frames * channels.len() * 2);
    bytes.extend_from_slice(&header(rate, channels.len() as u16, (frames * channels.len() * 2) as u64));
    for frame in 0..frames {
        for channel in channels {
            bytes.extend_from_slice(&channel.get(frame).copied().unwrap_or(0).to_le_bytes());
        }
    }
    bytes
}

/// Writes a stereo recording bit by bit so that it can be played whenever it is cut short.
///
/// Each second of sound is written together with a header that is true for what is there so far: a killed process loses
/// at most the last second. After [`new`](Self::new) nothing is allocated.
#[derive(Debug)]
pub struct StereoWriter<W: Write + Seek> {
    file: W,
    rate: SampleRate,
    written: u64,
    pending: Vec<u8>,
    /// Pending bytes at which they are written.
    enough: usize,
}

impl<W: Write + Seek> StereoWriter<W> {
    /// Starts a recording at the present position of `file`, which should be its beginning.
    pub fn new(mut file: W, rate: SampleRate) -> io::Result<Self> {
        file.write_all(&header(rate, 2, 0))?;
        let enough = rate.hz() as usize * BYTES_PER_FRAME;
        Ok(Self { file, rate, written: 0, pending: Vec::with_capacity(enough), enough })
    }

    /// Appends sound to both channels; the shorter one is filled up with silence.
    pub fn write(&mut self, left: &[i16], right: &[i16]) -> io::Result<()> {
        for at in 0..left.len().max(right.len()) {
            for channel in [left, right] {
                self.pending.extend_from_slice(&channel.get(at).copied().unwrap_or(0).to_le_bytes());
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
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&header(self.rate, 2, self.written))?;
        self.file.seek(SeekFrom::End(0))?;
        self.file.flush()
    }

    /// How much sound has been taken so far.
    pub fn duration(&self) -> std::time::Duration {
        self.rate.duration_of((self.written as usize + self.pending.len()) / BYTES_PER_FRAME)
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

const HEADER_LEN: usize = 44;
const BYTES_PER_FRAME: usize = 4;

/// The 44 bytes before the sound. Sizes beyond 4 GiB are written as the largest there is.
fn header(rate: SampleRate, channels: u16, data: u64) -> [u8; HEADER_LEN] {
    let size = |bytes: u64| u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes();
    let block = channels.saturating_mul(2);
    let fields: [&[u8]; 13] = [
        b"RIFF",
        &size(data + HEADER_LEN as u64 - 8),
        b"WAVE",
        b"fmt ",
        &16u32.to_le_bytes(),
        &1u16.to_le_bytes(),
        &channels.to_le_bytes(),
        &rate.hz().to_le_bytes(),
        &(rate.hz() * u32::from(block)).to_le_bytes(),
        &block.to_le_bytes(),
        &16u16.to_le_bytes(),
        b"data",
        &size(data),
    ];
    let mut header = [0; HEADER_LEN];
    let mut at = 0;
    for field in fields {
        header[at..at + field.len()].copy_from_slice(field);
        at += field.len();
    }
    header
}
