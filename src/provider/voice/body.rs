//! A streamed body of 16-bit sound to samples.

use crate::audio::SampleRate;
use crate::provider::pcm::SampleReader;

/// The most bytes a WAV file may have before its samples.
const HEADER: usize = 4 * 1024;

/// Turns the bytes of a body, in pieces that may split a sample, into samples. A WAV header is read for the rate and
/// left out; the lengths in it are not believed, since a streamed file does not know them.
#[derive(Debug)]
pub(in crate::provider) struct BodyReader {
    rate: SampleRate,
    /// Whether it must be a WAV file.
    strict: bool,
    /// What has come before it was clear whether there is a header.
    begin: Option<Vec<u8>>,
    samples: SampleReader,
}

impl BodyReader {
    /// A reader for raw samples at `rate`, unless a header says otherwise.
    pub(in crate::provider) fn new(rate: SampleRate) -> Self {
        Self { rate, strict: false, begin: Some(Vec::new()), samples: SampleReader::default() }
    }

    /// A reader for WAV files, which refuses anything else.
    pub(in crate::provider) fn wav() -> Self {
        Self { strict: true, ..Self::new(SampleRate::HZ_16000) }
    }

    /// The rate of the samples given so far and from here on.
    pub(in crate::provider) const fn rate(&self) -> SampleRate {
        self.rate
    }

    /// Takes the next bytes; the error says what is wrong with them.
    pub(in crate::provider) fn push(&mut self, bytes: &[u8]) -> Result<Vec<i16>, &'static str> {
        let Some(mut begin) = self.begin.take() else { return Ok(self.samples.push(bytes)) };
        begin.extend_from_slice(bytes);
        let magic = begin.get(..4).unwrap_or(&begin);
        if !b"RIFF".starts_with(magic) {
            if self.strict {
                return Err("the sound is not a WAV file");
            }
            return Ok(self.samples.push(&begin));
        }
        match header(&begin)? {
            Some((rate, start)) => {
                self.rate = rate;
                Ok(self.samples.push(begin.get(start..).unwrap_or_default()))
            }
            None if begin.len() > HEADER => Err("a WAV header without an end"),
            None => {
                self.begin = Some(begin);
                Ok(Vec::new())
            }
        }
    }

    /// The body is over: gives what was held back. A file cut inside its header holds no sound.
    pub(in crate::provider) fn finish(&mut self) -> Vec<i16> {
        let begin = self.begin.take().unwrap_or_default();
        if self.strict || begin.len() >= 4 { Vec::new() } else { self.samples.push(&begin) }
    }
}

/// The rate and the place of the first sample of a WAV file; `None` while its header is incomplete.
fn header(file: &[u8]) -> Result<Option<(SampleRate, usize)>, &'static str> {
    let word = |at: usize| file.get(at..at + 2).map(|b| u16::from_le_bytes([b[0], b[1]]));
    let long = |at: usize| file.get(at..at + 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    let mut rate = None;
    let mut at = 12;
    while let (Some(name), Some(length)) = (file.get(at..at + 4), long(at + 4)) {
        let body = at + 8;
        if name == b"data" {
            return rate.map(|rate| Some((rate, body))).ok_or("a WAV file without a format");
        }
        if name == b"fmt " {
            let (Some(channels), Some(hz), Some(bits)) = (word(body + 2), long(body + 4), word(body + 14)) else {
                return Ok(None);
            };
            if channels != 1 || bits != 16 {
                return Err("a WAV file that is not 16-bit mono");
            }
            rate = Some(SampleRate::new(hz).ok_or("a WAV file at an impossible rate")?);
        }
        // Chunks are padded to even lengths; one longer than any header ends the search above.
        at = body + (length as usize).min(HEADER) + (length & 1) as usize;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&[u8]]) -> (Vec<i16>, SampleRate) {
        let mut reader = BodyReader::new(SampleRate::HZ_24000);
        let mut samples: Vec<i16> = pieces.iter().flat_map(|piece| reader.push(piece).unwrap()).collect();
        samples.extend(reader.finish());
        (samples, reader.rate())
    }

    fn wav(samples: &[i16]) -> Vec<u8> {
        let mut file =
            b"RIFF\xFF\xFF\xFF\xFFWAVELIST\x03\x00\x00\x00abc\0fmt \x10\x00\x00\x00\x01\x00\x01\x00".to_vec();
        file.extend(22_050u32.to_le_bytes());
        file.extend(44_100u32.to_le_bytes());
        file.extend(b"\x02\x00\x10\x00data\xFF\xFF\xFF\xFF");
        file.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
        file
    }

    #[test]
    fn samples_are_whole_wherever_the_bytes_split() {
        let samples: Vec<i16> = (-20..20).map(|n| n * 771).collect();
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        for at in 0..bytes.len() {
            let (front, back) = bytes.split_at(at);
            assert_eq!(read(&[front, back]), (samples.clone(), SampleRate::HZ_24000), "split at {at}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(read(&single).0, samples);
    }

    #[test]
    fn a_wav_header_gives_the_rate_and_is_not_heard() {
        let samples: Vec<i16> = (1..9).collect();
        let file = wav(&samples);
        for at in 0..file.len() {
            let (front, back) = file.split_at(at);
            assert_eq!(read(&[front, back]), (samples.clone(), SampleRate::new(22_050).unwrap()), "split at {at}");
        }
    }

    #[test]
    fn where_files_are_expected_nothing_else_is_played() {
        let file = wav(&[1, 2]);
        let mut reader = BodyReader::wav();
        assert_eq!(reader.push(&file), Ok(vec![1, 2]));
        assert!(BodyReader::wav().push(b"<html>").is_err());
        assert_eq!(BodyReader::wav().push(b"RI").map(|samples| samples.len()), Ok(0));
    }

    #[test]
    fn a_file_that_cannot_be_played_is_refused() {
        let mut stereo = wav(&[1]);
        let channels = stereo.iter().position(|&byte| byte == b'f').unwrap() + 10;
        stereo[channels] = 2;
        assert!(BodyReader::new(SampleRate::HZ_8000).push(&stereo).is_err());
        let mut endless = b"RIFF\0\0\0\0WAVE".to_vec();
        endless.extend(b"junk\x02\0\0\0xx".repeat(500));
        assert!(BodyReader::new(SampleRate::HZ_8000).push(&endless).is_err());
    }
}
