//! The stereo recording of one call: caller left, agent right.

use super::files::FileSink;
use crate::audio::{Piece, SampleRate};
use crate::call::Stereo;

/// A WAV file (PCM, 16 bit, two channels) that is valid at any moment, also when the process dies.
#[derive(Debug)]
pub(super) struct Recording {
    sink: FileSink,
    rate: Option<SampleRate>,
    /// Sound that was not handed over, as it goes to the file.
    pending: Vec<u8>,
    /// Bytes of sound before `pending`.
    written: u64,
}

/// Half a second at 8 kHz: what is lost when the process dies.
const PIECE: usize = 16_000;
const HEADER: u64 = 44;
const BLOCK: u32 = 4;

impl Recording {
    /// A recording with no sound yet.
    pub(super) const fn new(sink: FileSink) -> Self {
        Self { sink, rate: None, pending: Vec::new(), written: 0 }
    }

    /// Appends one ptime of both sides. The shorter side is filled up with silence.
    pub(super) fn write(&mut self, sound: &Stereo) {
        let rate = *self.rate.get_or_insert(sound.caller.rate());
        // One call has one rate; anything else would play at the wrong speed.
        let side = |piece: &Piece| if piece.rate() == rate { *piece } else { Piece::empty(rate) };
        let (caller, agent) = (side(&sound.caller), side(&sound.agent));
        let (caller, agent) = (caller.samples(), agent.samples());
        for index in 0..caller.len().max(agent.len()) {
            for side in [caller, agent] {
                self.pending.extend_from_slice(&side.get(index).copied().unwrap_or(0).to_le_bytes());
            }
        }
        if self.pending.len() >= PIECE {
            self.flush();
        }
    }

    /// Completes the file.
    pub(super) async fn finish(mut self) {
        self.flush();
        self.sink.close().await;
    }

    /// Hands over what is pending: first the sound, then the header that counts it. A dropped piece stays silent.
    fn flush(&mut self) {
        let rate = self.rate.unwrap_or(SampleRate::HZ_8000);
        let piece = std::mem::replace(&mut self.pending, Vec::with_capacity(PIECE + 4 * Piece::MOST));
        let length = piece.len() as u64;
        if length > 0 {
            self.sink.write_at(HEADER + self.written, piece);
        }
        self.written += length;
        self.sink.write_at(0, header(rate, self.written).to_vec());
    }
}

/// The RIFF header of `data` bytes of sound.
fn header(rate: SampleRate, data: u64) -> [u8; HEADER as usize] {
    let data = u32::try_from(data).unwrap_or(u32::MAX).min(u32::MAX - HEADER as u32);
    let mut header = [0; HEADER as usize];
    let mut fields = header.chunks_exact_mut(4);
    let words = [
        *b"RIFF",
        (data + HEADER as u32 - 8).to_le_bytes(),
        *b"WAVE",
        *b"fmt ",
        16u32.to_le_bytes(),
        // PCM, two channels.
        [1, 0, 2, 0],
        rate.hz().to_le_bytes(),
        (rate.hz() * BLOCK).to_le_bytes(),
        // Bytes a block, bits a sample.
        [BLOCK as u8, 0, 16, 0],
        *b"data",
        data.to_le_bytes(),
    ];
    for (field, word) in fields.by_ref().zip(words) {
        field.copy_from_slice(&word);
    }
    header
}

#[cfg(test)]
mod tests {
    use super::super::files::{Files, tests::TestFile};
    use super::*;

    fn stereo(caller: &[i16], agent: &[i16]) -> Stereo {
        let frame = |samples| Piece::from_samples(SampleRate::HZ_8000, samples).unwrap();
        Stereo { caller: frame(caller), agent: frame(agent) }
    }

    #[tokio::test]
    async fn the_caller_is_left_the_agent_right_and_any_wav_reader_agrees() {
        let path = TestFile::new("stereo.wav");
        let mut recording = Recording::new(Files::start().create(path.0.clone()));
        for _ in 0..100 {
            recording.write(&stereo(&[1, 2, 3], &[-1, -2]));
        }
        recording.finish().await;
        let mut reader = hound::WavReader::open(&path.0).unwrap();
        let spec = reader.spec();
        assert_eq!((spec.channels, spec.sample_rate, spec.bits_per_sample), (2, 8_000, 16));
        let samples: Vec<i16> = reader.samples().map(Result::unwrap).collect();
        assert_eq!(samples.len(), 600);
        assert_eq!(samples[594..], [1, -1, 2, -2, 3, 0]);
    }

    #[tokio::test]
    async fn a_call_without_sound_leaves_an_empty_but_valid_file() {
        let path = TestFile::new("empty.wav");
        Recording::new(Files::start().create(path.0.clone())).finish().await;
        assert_eq!(hound::WavReader::open(&path.0).unwrap().len(), 0);
    }
}
