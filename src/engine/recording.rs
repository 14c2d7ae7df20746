//! The stereo recording of one call: caller left, agent right.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::files::{FileSink, Files};
use crate::audio::{Piece, SampleRate};
use crate::call::Stereo;

/// Where the recording of a call goes, and as what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordingSpec {
    /// The file; its directory is made when it is missing.
    pub path: PathBuf,
    /// How its sound is written.
    pub format: RecordingFormat,
}

impl RecordingSpec {
    /// A recording in the usual format.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self { path: path.as_ref().to_owned(), format: RecordingFormat::default() }
    }
}

/// How the sound of a recording is written.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum RecordingFormat {
    /// WAV, 16 bits a sample: 32 kB a second at 8 kHz.
    #[default]
    Pcm16,
    /// WAV, µ-law: half of that, and what was sent and heard to the bit on a µ-law line.
    Ulaw,
    /// Opus in Ogg, 4 kB a second at the most. Costs work: one core codes some sixty calls at a time, and what it cannot
    /// is silence in the recording, counted as dropped.
    Opus,
}

impl RecordingFormat {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pcm16, Self::Ulaw, Self::Opus];

    /// The name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcm16 => "pcm16",
            Self::Ulaw => "ulaw",
            Self::Opus => "opus",
        }
    }

    /// What its files end with.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Pcm16 | Self::Ulaw => "wav",
            Self::Opus => "ogg",
        }
    }
}

/// What is recorded of one call, on its way to the thread that writes it: handed over twice a second, never waited for.
#[derive(Debug)]
pub(super) struct Recording {
    sink: FileSink,
    rate: SampleRate,
    /// Sound that was not handed over: caller, agent.
    pending: [Vec<i16>; 2],
    /// Samples a side before `pending`.
    told: u64,
    /// Samples a side that were dropped because the writer was too slow; silence stands for them.
    lost: u64,
}

/// What is handed over at a time, and lost when the process dies.
const PIECE: Duration = Duration::from_millis(500);

impl Recording {
    /// A recording with no sound yet, of a line that works at `rate`.
    pub(super) fn new(files: &Files, spec: RecordingSpec, rate: SampleRate) -> Self {
        let sink = files.create_sound(spec.path, spec.format, rate);
        Self { sink, rate, pending: empty(rate), told: 0, lost: 0 }
    }

    /// Appends one ptime of both sides. The shorter side is filled up with silence.
    pub(super) fn write(&mut self, sound: &Stereo) {
        // One call has one rate; anything else would play at the wrong speed.
        let side = |piece: &Piece| if piece.rate() == self.rate { *piece } else { Piece::empty(self.rate) };
        let (caller, agent) = (side(&sound.caller), side(&sound.agent));
        let length = self.pending[0].len() + caller.samples().len().max(agent.samples().len());
        for (pending, frame) in self.pending.iter_mut().zip([caller, agent]) {
            pending.extend_from_slice(frame.samples());
            pending.resize(length, 0);
        }
        if length >= self.rate.samples_in(PIECE) {
            self.flush();
        }
    }

    /// How much sound was dropped because the disk or the coder was too slow: it is silent in the recording.
    pub(super) fn lost(&self) -> Duration {
        self.rate.duration_of(usize::try_from(self.lost).unwrap_or(usize::MAX))
    }

    /// Hands over the rest.
    pub(super) fn end(&mut self) {
        if !self.pending[0].is_empty() {
            self.flush();
        }
    }

    /// Completes the file.
    pub(super) async fn finish(mut self) {
        self.end();
        self.sink.close().await;
    }

    /// Hands over what is pending. A dropped piece stays silent.
    fn flush(&mut self) {
        let sides = std::mem::replace(&mut self.pending, empty(self.rate));
        let length = sides[0].len() as u64;
        if !self.sink.sound(self.told, sides) {
            self.lost += length;
        }
        self.told += length;
    }
}

/// Room for one piece.
fn empty(rate: SampleRate) -> [Vec<i16>; 2] {
    [(); 2].map(|()| Vec::with_capacity(rate.samples_in(PIECE) + Piece::MOST))
}

#[cfg(test)]
mod tests {
    use super::super::files::tests::TestFile;
    use super::*;

    const RATE: SampleRate = SampleRate::HZ_8000;

    fn stereo(caller: &[i16], agent: &[i16]) -> Stereo {
        let frame = |samples| Piece::from_samples(RATE, samples).unwrap();
        Stereo { caller: frame(caller), agent: frame(agent) }
    }

    #[tokio::test]
    async fn the_caller_is_left_the_agent_right_and_any_wav_reader_agrees() {
        let path = TestFile::new("stereo.wav");
        let mut recording = Recording::new(&Files::start(), RecordingSpec::new(&path.0), RATE);
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
        for format in RecordingFormat::ALL {
            let path = TestFile::new(&format!("empty-{}", format.name()));
            let spec = RecordingSpec { path: path.0.clone(), format };
            Recording::new(&Files::start(), spec, RATE).finish().await;
            let bytes = std::fs::read(&path.0).unwrap();
            match format {
                RecordingFormat::Opus => assert!(bytes.starts_with(b"OggS") && bytes[5] == 2, "a first page"),
                _ => assert_eq!(crate::audio::wav::Wav::parse(&bytes).unwrap().duration(), Duration::ZERO),
            }
        }
    }

    #[tokio::test]
    async fn what_a_slow_disk_costs_is_silent_counted_and_shifts_nothing() {
        let path = TestFile::new("slow.wav");
        // A thread that is held up while the call goes on.
        let (files, gate) = Files::held_up(3);
        let mut recording = Recording::new(&files, RecordingSpec::new(&path.0), RATE);
        let second = |recording: &mut Recording, value: i16| {
            (0..50).for_each(|_| recording.write(&stereo(&[value; 160], &[-value; 160])));
        };
        second(&mut recording, 1);
        // There is no room any more.
        second(&mut recording, 2);
        gate.open().await;
        second(&mut recording, 3);
        assert_eq!(recording.lost(), Duration::from_secs(1));
        assert_eq!(files.dropped(), 2);
        recording.finish().await;
        let wav = crate::audio::wav::Wav::parse(&std::fs::read(&path.0).unwrap()).unwrap();
        let truth: Vec<i16> = [1, 0, 3].into_iter().flat_map(|value| vec![value; 8_000]).collect();
        assert_eq!(wav.channels()[0], truth);
        assert_eq!(wav.channels()[1], truth.iter().map(|value| -value).collect::<Vec<_>>());
    }
}
