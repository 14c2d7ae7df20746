//! A stereo recording as it lies on the disk, and what is left of one whose writer was killed.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::RecordingFormat;
use crate::audio::wav::{Encoding, StereoWriter, repaired_header};
use crate::audio::{OggStereoWriter, SampleRate};

/// The file of a recording, written from its beginning to its end.
#[derive(Debug)]
pub(super) struct SoundFile {
    writer: Writer,
    /// How many samples a side are in it.
    written: u64,
}

#[derive(Debug)]
enum Writer {
    Wav(StereoWriter<File>),
    Ogg(Box<OggStereoWriter<File>>),
}

impl SoundFile {
    /// A recording with no sound yet, in an empty file.
    pub(super) fn new(file: File, format: RecordingFormat, rate: SampleRate) -> io::Result<Self> {
        let writer = match format {
            RecordingFormat::Pcm16 => Writer::Wav(StereoWriter::new(file, rate, Encoding::Pcm16)?),
            RecordingFormat::Ulaw => Writer::Wav(StereoWriter::new(file, rate, Encoding::Ulaw)?),
            RecordingFormat::Opus => Writer::Ogg(Box::new(OggStereoWriter::new(file, rate)?)),
        };
        Ok(Self { writer, written: 0 })
    }

    /// Writes both sides from sample `at` on, silence before it if some is missing. The file is whole afterwards.
    pub(super) fn write(&mut self, at: u64, left: &[i16], right: &[i16]) -> io::Result<()> {
        let missing = at.saturating_sub(self.written);
        match &mut self.writer {
            Writer::Wav(wav) => {
                let mut left_out = missing;
                while left_out > 0 {
                    let piece = left_out.min(SILENCE.len() as u64);
                    wav.write(SILENCE.get(..piece as usize).unwrap_or_default(), &[])?;
                    left_out -= piece;
                }
                wav.write(left, right)?;
                wav.sync()?;
            }
            Writer::Ogg(ogg) => {
                ogg.silence(missing)?;
                ogg.write(left, right)?;
            }
        }
        self.written += missing + left.len().max(right.len()) as u64;
        Ok(())
    }

    /// Completes the file.
    pub(super) fn finish(self) -> io::Result<()> {
        match self.writer {
            Writer::Wav(wav) => wav.finish(),
            Writer::Ogg(ogg) => ogg.finish().and_then(|mut file| file.flush()),
        }
    }
}

/// Makes the headers of the recordings in `directory` true whose writer was killed, so that any player finds all of their
/// sound; says how many there were. Files that somebody may still be writing are left alone: those touched within
/// ten seconds. What is no recording of ours is not looked into.
///
/// # Errors
///
/// When the directory cannot be read. A file that cannot be is passed over.
pub fn repair_recordings(directory: &Path) -> io::Result<usize> {
    let settled = SystemTime::now().checked_sub(SETTLED).unwrap_or(SystemTime::UNIX_EPOCH);
    let mut repaired = 0;
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|kind| kind == "wav") {
            match repair(&path, settled) {
                Ok(was_wrong) => repaired += usize::from(was_wrong),
                Err(error) => tracing::warn!(path = %path.display(), %error, "a recording could not be looked into"),
            }
        }
    }
    Ok(repaired)
}

fn repair(path: &Path, settled: SystemTime) -> io::Result<bool> {
    let file = File::open(path)?;
    let about = file.metadata()?;
    if !about.is_file() || about.modified()? > settled {
        return Ok(false);
    }
    let mut beginning = Vec::with_capacity(LONGEST_HEADER);
    (&file).take(LONGEST_HEADER as u64).read_to_end(&mut beginning)?;
    let Some(header) = repaired_header(&beginning, about.len()) else { return Ok(false) };
    let mut file = OpenOptions::new().write(true).open(path)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&header)?;
    Ok(true)
}

/// Whoever writes a recording touches it twice a second.
const SETTLED: Duration = Duration::from_secs(10);
/// More than any header of ours has, in bytes.
const LONGEST_HEADER: usize = 64;
/// Silence, to be written in pieces.
static SILENCE: [i16; 4_000] = [0; 4_000];

#[cfg(test)]
mod tests {
    use super::super::files::tests::TestFile;
    use super::*;
    use crate::audio::wav::Wav;

    fn create(path: &Path, format: RecordingFormat) -> SoundFile {
        SoundFile::new(File::create(path).unwrap(), format, SampleRate::HZ_8000).unwrap()
    }

    #[test]
    fn a_gap_is_silence_in_any_format_so_that_what_follows_is_in_its_place() {
        for format in [RecordingFormat::Pcm16, RecordingFormat::Ulaw] {
            let path = TestFile::new(&format!("gap-{}.wav", format.name()));
            let mut sound = create(&path.0, format);
            sound.write(0, &[924; 160], &[-924; 160]).unwrap();
            sound.write(9_160, &[924; 160], &[-924; 160]).unwrap();
            // A killed process completes nothing; what was written is there.
            std::mem::forget(sound);
            let wav = Wav::parse(&std::fs::read(&path.0).unwrap()).unwrap();
            let truth = |value| [vec![value; 160], vec![0; 9_000], vec![value; 160]].concat();
            assert_eq!(wav.channels(), [truth(924), truth(-924)], "{format:?}");
        }
        let path = TestFile::new("gap.ogg");
        let mut sound = create(&path.0, RecordingFormat::Opus);
        sound.write(0, &[924; 160], &[-924; 160]).unwrap();
        sound.write(9_160, &[924; 160], &[-924; 160]).unwrap();
        sound.finish().unwrap();
        let bytes = std::fs::read(&path.0).unwrap();
        let last = bytes.windows(4).rposition(|four| four == b"OggS").unwrap();
        let granule = u64::from_le_bytes(bytes[last + 6..last + 14].try_into().unwrap());
        assert_eq!(granule, (160 + 9_000 + 160) * 6 + 312);
    }

    #[test]
    fn a_recording_of_a_killed_process_is_repaired_once_it_has_settled_and_nothing_else_is_touched() {
        let directory = TestFile::new("repair");
        std::fs::create_dir_all(&directory.0).unwrap();
        let (cut, live, foreign) =
            (directory.0.join("cut.wav"), directory.0.join("live.wav"), directory.0.join("music.wav"));
        for path in [&cut, &live] {
            let mut sound = create(path, RecordingFormat::Pcm16);
            sound.write(0, &[1; 800], &[2; 800]).unwrap();
            sound.finish().unwrap();
            // Killed between the sound and the header that counts it.
            let mut file = OpenOptions::new().append(true).open(path).unwrap();
            file.write_all(&[0x11; 403]).unwrap();
        }
        std::fs::write(&foreign, b"RIFF\xff\xff\xff\xffWAVEjunk").unwrap();
        for path in [&cut, &foreign] {
            let past = SystemTime::now() - 2 * SETTLED;
            OpenOptions::new().write(true).open(path).unwrap().set_modified(past).unwrap();
        }
        let untouched = [&live, &foreign].map(|path| std::fs::read(path).unwrap());
        assert_eq!(hound::WavReader::open(&cut).unwrap().duration(), 800);
        assert_eq!(repair_recordings(&directory.0).unwrap(), 1);
        assert_eq!(hound::WavReader::open(&cut).unwrap().duration(), 900, "the half frame is left out");
        assert_eq!([&live, &foreign].map(|path| std::fs::read(path).unwrap()), untouched);
        assert_eq!(repair_recordings(&directory.0).unwrap(), 0);
        std::fs::remove_dir_all(&directory.0).unwrap();
        assert!(repair_recordings(&directory.0).is_err());
    }
}
