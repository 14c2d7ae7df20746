//! Stereo recordings as Opus in Ogg (RFC 6716, RFC 3533, RFC 7845).

use std::fmt;
use std::io::{self, Write};

use opus_pure::{Application, MAX_PACKET_BYTES, OggOpusWriter, OpusHead, Signal};

use super::frame::SampleRate;

/// Writes a stereo recording as Opus bit by bit so that it can be played whenever it is cut short.
///
/// Each [`write`](Self::write) ends a page with all its sound but the last 20 to 40 ms: a killed process loses little more
/// than what it had not written. A file that ends without its last page, or in the middle of one, is played up to there by
/// any player. Left and right are coded as one stereo
/// stream: of a side that is alone, a little is heard on the other (some −30 dB).
pub struct OggStereoWriter<W: Write> {
    coder: opus_pure::OpusEncoder,
    ogg: OggOpusWriter<W>,
    rate: SampleRate,
    /// Interleaved samples that do not fill a packet yet.
    pending: Vec<i16>,
    packet: Vec<u8>,
    /// Samples a side that were taken.
    taken: u64,
}

impl<W: Write> OggStereoWriter<W> {
    /// Bits a second for both sides together, where there is sound in them.
    pub const BITRATE: u32 = 32_000;

    /// Starts a recording of 8, 12, 16, 24 or 48 kHz.
    ///
    /// # Errors
    ///
    /// Those of `file`; a rate that Opus has not.
    pub fn new(file: W, rate: SampleRate) -> io::Result<Self> {
        let hz = i32::try_from(rate.hz()).unwrap_or(i32::MAX);
        let mut coder = opus_pure::OpusEncoder::new(hz, CHANNELS, Application::Voip).map_err(failed)?;
        coder.bitrate_bps = Self::BITRATE as i32;
        coder.complexity = COMPLEXITY;
        coder.signal_type = Some(Signal::Voice);
        let head = OpusHead::for_encoder(&coder, rate.hz());
        let mut ogg = OggOpusWriter::new(file, head).map_err(failed)?;
        ogg.set_page_target(usize::MAX);
        let (pending, packet) = (Vec::with_capacity(2 * packet_samples(rate)), vec![0; MAX_PACKET_BYTES]);
        Ok(Self { coder, ogg, rate, pending, packet, taken: 0 })
    }

    /// Appends sound to both channels, and a page to the file; the shorter channel is filled up with silence.
    ///
    /// # Errors
    ///
    /// Those of the file.
    pub fn write(&mut self, left: &[i16], right: &[i16]) -> io::Result<()> {
        let (length, whole) = (left.len().max(right.len()), packet_samples(self.rate));
        for at in 0..length {
            self.pending.extend([left, right].map(|side| side.get(at).copied().unwrap_or(0)));
            self.taken += 1;
            if self.pending.len() == CHANNELS * whole {
                // A page goes out when a packet finds it full: the last packet finds any page full.
                let is_last = length - at <= whole;
                self.ogg.set_page_target(if is_last { 1 } else { usize::MAX });
                self.code(PACKET)?;
            }
        }
        Ok(())
    }

    /// Appends `samples` of silence to both channels, at next to no cost.
    ///
    /// # Errors
    ///
    /// Those of the file.
    pub fn silence(&mut self, mut samples: u64) -> io::Result<()> {
        let whole = packet_samples(self.rate) as u64;
        while samples > 0 {
            if self.pending.is_empty() && samples >= whole {
                self.ogg.set_page_target(usize::MAX);
                self.ogg.write_packet(&SILENCE).map_err(failed)?;
                (self.taken, samples) = (self.taken + whole, samples - whole);
                if samples < whole {
                    // What the coder knows of the sound before is of no use behind it.
                    self.coder.reset_state().map_err(failed)?;
                }
                continue;
            }
            self.write(&[0], &[])?;
            samples -= 1;
        }
        Ok(())
    }

    /// Samples a side that were taken so far.
    pub const fn samples(&self) -> u64 {
        self.taken
    }

    /// Ends the recording where its sound ends, to the sample (RFC 7845 section 4.4), and gives the file back.
    ///
    /// # Errors
    ///
    /// Those of the file.
    pub fn finish(mut self) -> io::Result<W> {
        let end = self.granule_of_end();
        self.ogg.set_page_target(usize::MAX);
        // The coder still holds the end of the sound: silence brings it out.
        while self.ogg.granule() < end {
            self.pending.resize(CHANNELS * packet_samples(self.rate), 0);
            let duration = u32::try_from(end - self.ogg.granule()).unwrap_or(PACKET).min(PACKET);
            self.code(duration)?;
        }
        self.ogg.finish().map_err(failed)
    }

    /// What a player has played at the end, counted at 48 kHz, with what it skips at the beginning.
    fn granule_of_end(&self) -> i64 {
        let skipped = OpusHead::for_encoder(&self.coder, self.rate.hz()).pre_skip;
        let sound = u128::from(self.taken) * GRANULES / u128::from(self.rate.hz());
        if self.taken == 0 { 0 } else { i64::try_from(sound).unwrap_or(i64::MAX).saturating_add(i64::from(skipped)) }
    }

    /// Codes what is pending, a whole packet, of which `duration` counts, at 48 kHz.
    fn code(&mut self, duration: u32) -> io::Result<()> {
        let samples = packet_samples(self.rate);
        let length = self.coder.encode_s16(&self.pending, samples, &mut self.packet).map_err(failed)?;
        self.pending.clear();
        let packet = self.packet.get(..length).unwrap_or_default();
        self.ogg.write_packet_with_duration(packet, duration).map_err(failed)
    }
}

impl<W: Write> fmt::Debug for OggStereoWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OggStereoWriter({:?})", self.rate.duration_of(usize::try_from(self.taken).unwrap_or(usize::MAX)))
    }
}

fn failed(error: opus_pure::Error) -> io::Error {
    match error {
        opus_pure::Error::Io(error) => error,
        other => io::Error::other(other),
    }
}

/// Samples a side in one packet of 20 ms.
const fn packet_samples(rate: SampleRate) -> usize {
    rate.hz() as usize / 50
}

const CHANNELS: usize = 2;
/// Ogg counts Opus at 48 kHz, whatever the rate of its sound (RFC 7845 section 4).
const GRANULES: u128 = 48_000;
/// A packet of 20 ms, counted so.
const PACKET: u32 = 960;
/// Of 10: the work a recording is worth.
const COMPLEXITY: i32 = 3;
/// 20 ms of CELT, fullband and stereo, that code silence.
const SILENCE: [u8; 3] = [0xFC, 0xFF, 0xFE];

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use opus_pure::{OggOpusReader, OpusDecoder, OpusHead, Trim};

    use super::*;
    use crate::audio::level;
    use crate::audio::wav::Wav;

    fn fixture(name: &str) -> Vec<u8> {
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)).unwrap()
    }

    /// Some seconds of a voice at 8 kHz.
    fn voice() -> Vec<i16> {
        Wav::parse(&fixture("audio/talk.wav")).unwrap().into_mono()[..8_000 * 6].to_vec()
    }

    /// A recording whose sides are written in pieces of half a second.
    fn record(rate: SampleRate, left: &[i16], right: &[i16]) -> OggStereoWriter<Vec<u8>> {
        let mut writer = OggStereoWriter::new(Vec::new(), rate).unwrap();
        let piece = rate.samples_in(Duration::from_millis(500));
        for (left, right) in left.chunks(piece).zip(right.chunks(piece)) {
            writer.write(left, right).unwrap();
        }
        writer
    }

    /// Both sides as a player plays them, at `rate`, up to where the file can be read.
    fn play(bytes: &[u8], rate: SampleRate) -> [Vec<i16>; 2] {
        let mut reader = OggOpusReader::new(std::io::Cursor::new(bytes)).unwrap();
        let head: OpusHead = reader.head().clone();
        assert_eq!((head.channel_count, head.mapping_family, head.input_sample_rate), (2, 0, rate.hz()));
        let mut decoder = OpusDecoder::new(rate.hz() as i32, 2).unwrap();
        let mut trim = Trim::new(&head, rate.hz() as i32, 2).unwrap();
        let (mut room, mut sides) = (vec![0i16; 2 * 5_760], [Vec::new(), Vec::new()]);
        while let Ok(Some(packet)) = reader.read_packet() {
            let samples = decoder.decode_s16(&packet.data, 5_760, &mut room).unwrap();
            for pair in trim.keep(&packet, &room[..2 * samples]).chunks_exact(2) {
                sides[0].push(pair[0]);
                sides[1].push(pair[1]);
            }
        }
        sides
    }

    fn decibels(samples: &[i16]) -> f32 {
        10.0 * (level::energy(samples).max(1) as f32 / samples.len() as f32).log10()
    }

    /// At which shift, in samples, `heard` resembles `truth` most.
    fn shift(heard: &[i16], truth: &[i16]) -> isize {
        let likeness = |shift: isize| -> f64 {
            let pairs = truth.iter().enumerate().skip(200).take(truth.len() - 400);
            pairs.map(|(at, &b)| f64::from(heard[at.wrapping_add_signed(shift)]) * f64::from(b)).sum()
        };
        (-100..=100).max_by(|&a, &b| likeness(a).total_cmp(&likeness(b))).unwrap()
    }

    #[test]
    fn both_sides_come_back_in_their_place_as_long_as_they_were_and_apart() {
        let voice = voice();
        let half = voice.len() / 2;
        let silence = vec![0; half];
        // Each side speaks in turn; the end is no whole packet.
        let left = [&voice[..half], &silence, &voice[..77]].concat();
        let right = [&silence[..], &voice[half..], &silence[..77]].concat();
        let bytes = record(SampleRate::HZ_8000, &left, &right).finish().unwrap();
        let [heard_left, heard_right] = play(&bytes, SampleRate::HZ_8000);
        assert_eq!((heard_left.len(), heard_right.len()), (left.len(), right.len()));
        assert!(shift(&heard_left[..half], &left[..half]).abs() <= 2, "{}", shift(&heard_left[..half], &left[..half]));
        assert!(shift(&heard_right[half..2 * half], &right[half..2 * half]).abs() <= 2);
        for (loud, quiet, from) in [(&heard_left, &heard_right, 0), (&heard_right, &heard_left, half)] {
            let (loud, quiet) = (decibels(&loud[from..from + half]), decibels(&quiet[from + 800..from + half]));
            assert!(quiet < loud - 20.0, "{quiet:.1} dB beside {loud:.1} dB");
        }
        assert!((decibels(&heard_left[..half]) - decibels(&left[..half])).abs() < 1.5);
    }

    #[test]
    fn a_recording_that_is_killed_holds_all_but_what_the_coder_held() {
        let voice = voice();
        let writer = record(SampleRate::HZ_8000, &voice, &voice);
        let bytes = writer.ogg.get_ref().unwrap();
        let played = play(bytes, SampleRate::HZ_8000)[0].len();
        assert!((voice.len() - played) < 2 * 160 + 60, "{played} of {}", voice.len());
        // Cut off in the middle of its last page, it is there up to the page before.
        let cut = play(&bytes[..bytes.len() - 100], SampleRate::HZ_8000)[0].len();
        assert!((voice.len() - cut) < 4_000 + 2 * 160 + 60 && cut < played, "{cut} of {}", voice.len());
    }

    #[test]
    fn a_gap_is_silence_of_its_length() {
        let voice = voice();
        let (before, after) = (&voice[..16_000], &voice[16_000..]);
        for gap in [160 * 125, 4_001, 33] {
            let mut writer = OggStereoWriter::new(Vec::new(), SampleRate::HZ_8000).unwrap();
            writer.write(before, before).unwrap();
            writer.silence(gap).unwrap();
            writer.write(after, after).unwrap();
            assert_eq!(writer.samples(), voice.len() as u64 + gap);
            let truth = [before, &vec![0; gap as usize], after].concat();
            let [heard, _] = play(&writer.finish().unwrap(), SampleRate::HZ_8000);
            assert_eq!(heard.len(), truth.len());
            let from = 16_000 + gap as usize;
            assert!(shift(&heard[from..], after).abs() <= 2);
            if gap > 2_000 {
                assert!(decibels(&heard[16_800..from - 400]) < 10.0, "{}", decibels(&heard[16_800..from - 400]));
            }
        }
    }

    #[test]
    fn a_wide_line_is_recorded_wide_and_one_without_sound_is_a_file_too() {
        let wide: Vec<i16> = fixture("codecs/voice.s16").as_chunks().0.iter().map(|b| i16::from_le_bytes(*b)).collect();
        let bytes = record(SampleRate::HZ_16000, &wide, &wide).finish().unwrap();
        assert_eq!(play(&bytes, SampleRate::HZ_16000)[1].len(), wide.len());
        let empty = OggStereoWriter::new(Vec::new(), SampleRate::HZ_8000).unwrap().finish().unwrap();
        assert!(play(&empty, SampleRate::HZ_8000)[0].is_empty());
        let odd = SampleRate::new(11_025).unwrap();
        assert!(OggStereoWriter::new(Vec::new(), odd).is_err());
    }

    /// The pages of a file, each with its checksum as it is and as RFC 3533 section 6 has it computed.
    fn pages(mut bytes: &[u8]) -> Vec<(i64, u32, u32)> {
        let mut found = Vec::new();
        while !bytes.is_empty() {
            assert_eq!(&bytes[..5], b"OggS\0");
            let segments = usize::from(bytes[26]);
            let body: usize = bytes[27..27 + segments].iter().map(|&length| usize::from(length)).sum();
            let (page, rest) = bytes.split_at(27 + segments + body);
            let granule = i64::from_le_bytes(page[6..14].try_into().unwrap());
            let told = u32::from_le_bytes(page[22..26].try_into().unwrap());
            let crc = page.iter().enumerate().fold(0u32, |crc, (at, &byte)| {
                let byte = if (22..26).contains(&at) { 0 } else { byte };
                (0..8).fold(crc ^ u32::from(byte) << 24, |crc, _| {
                    (crc << 1) ^ if crc >> 31 == 1 { 0x04C1_1DB7 } else { 0 }
                })
            });
            found.push((granule, told, crc));
            bytes = rest;
        }
        found
    }

    #[test]
    fn every_page_has_the_checksum_that_a_known_file_has_and_there_is_one_each_half_second() {
        let known = pages(&fixture("codecs/voice-fec.opus"));
        assert!(known.len() >= 3 && known.iter().all(|(_, told, crc)| told == crc), "our way to compute it is right");
        let voice = voice();
        let ours = pages(&record(SampleRate::HZ_8000, &voice, &voice).finish().unwrap());
        assert!(ours.iter().all(|(_, told, crc)| told == crc));
        // Two of headers, then one for each piece, and the last.
        assert_eq!(ours.len(), 2 + 12 + 1);
        assert!(ours[2..].windows(2).all(|pair| pair[1].0 - pair[0].0 <= 24_000), "{ours:?}");
        assert_eq!(ours.last().unwrap().0, 48_000 * 6 + 312, "the sound and what a player skips");
    }
}
