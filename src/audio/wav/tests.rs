//! WAV files of every kind we read, written by us, by hound and by hand.

use std::io::{Cursor, Seek, SeekFrom, Write};

use super::*;
use crate::audio::frame::SampleRate;
use crate::audio::g711;

const SOUND: [i16; 6] = [0, 1_000, -1_000, i16::MAX, i16::MIN, 5];

/// A file with one format chunk and one data chunk.
fn file(tag: u16, channels: u16, hz: u32, bits: u16, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0".to_vec();
    bytes.extend_from_slice(&tag.to_le_bytes());
    bytes.extend_from_slice(&channels.to_le_bytes());
    bytes.extend_from_slice(&hz.to_le_bytes());
    bytes.extend_from_slice(&[0; 6]);
    bytes.extend_from_slice(&bits.to_le_bytes());
    bytes.extend_from_slice(b"data");
    bytes.extend_from_slice(&(data.len() as u32).to_le_bytes());
    bytes.extend_from_slice(data);
    let riff = bytes.len() as u32 - 8;
    bytes[4..8].copy_from_slice(&riff.to_le_bytes());
    bytes
}

fn mono(bytes: &[u8]) -> Vec<i16> {
    Wav::parse(bytes).unwrap().into_mono()
}

#[test]
fn what_we_write_reads_back_here_and_in_hound() {
    let bytes = to_bytes(SampleRate::HZ_16000, &[&SOUND, &SOUND[..2]]);
    let wav = Wav::parse(&bytes).unwrap();
    assert_eq!((wav.rate(), wav.channels().len()), (SampleRate::HZ_16000, 2));
    assert_eq!(wav.channels()[0], SOUND);
    assert_eq!(wav.channels()[1], [0, 1_000, 0, 0, 0, 0]);
    let mut hound = hound::WavReader::new(Cursor::new(&bytes)).unwrap();
    assert_eq!((hound.spec().channels, hound.spec().sample_rate), (2, 16_000));
    assert_eq!(hound.samples::<i16>().map(Result::unwrap).step_by(2).collect::<Vec<_>>(), SOUND);
}

#[test]
fn what_hound_writes_in_every_width_reads_back_here() {
    for bits in [8, 16, 24, 32] {
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 8_000,
            bits_per_sample: bits,
            sample_format: hound::SampleFormat::Int,
        };
        let mut bytes = Cursor::new(Vec::new());
        let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
        for sample in SOUND {
            let sample = i32::from(sample);
            writer.write_sample(if bits < 16 { sample >> (16 - bits) } else { sample << (bits - 16) }).unwrap();
        }
        writer.finalize().unwrap();
        let expected: Vec<i16> =
            SOUND.iter().map(|&sample| if bits == 8 { sample >> 8 << 8 } else { sample }).collect();
        assert_eq!(mono(bytes.get_ref()), expected, "{bits} bits");
    }
}

#[test]
fn floats_are_scaled_and_clipped() {
    let floats: Vec<u8> = [0.0f32, 0.5, -1.0, 1.5, f32::NAN].iter().flat_map(|sample| sample.to_le_bytes()).collect();
    assert_eq!(mono(&file(3, 1, 48_000, 32, &floats)), [0, 16_384, -32_768, 32_767, 0]);
    let doubles: Vec<u8> = [0.25f64, -2.0].iter().flat_map(|sample| sample.to_le_bytes()).collect();
    assert_eq!(mono(&file(3, 1, 48_000, 64, &doubles)), [8_192, -32_768]);
}

#[test]
fn telephone_encodings_are_decoded() {
    let codes: Vec<u8> = (0..=255).collect();
    let ulaw: Vec<i16> = codes.iter().map(|&code| g711::ulaw_to_linear(code)).collect();
    let alaw: Vec<i16> = codes.iter().map(|&code| g711::alaw_to_linear(code)).collect();
    assert_eq!(mono(&file(7, 1, 8_000, 8, &codes)), ulaw);
    assert_eq!(mono(&file(6, 1, 8_000, 8, &codes)), alaw);
}

#[test]
fn the_extensible_format_is_looked_into() {
    let mut bytes =
        b"RIFF\0\0\0\0WAVEfmt \x28\0\0\0\xFE\xFF\x01\0\x40\x1F\0\0\0\0\0\0\0\0\x10\0\x16\0\x10\0\0\0\0\0".to_vec();
    bytes.extend_from_slice(b"\x01\0\0\0\0\0\x10\0\x80\0\0\xAA\0\x38\x9B\x71data\x02\0\0\0\x07\0");
    assert_eq!(mono(&bytes), [7]);
}

#[test]
fn other_chunks_are_passed_over_even_odd_ones() {
    let plain = to_bytes(SampleRate::HZ_8000, &[&SOUND]);
    let mut bytes = plain[..36].to_vec();
    bytes.extend_from_slice(b"LIST\x03\0\0\0abc\0");
    bytes.extend_from_slice(&plain[36..]);
    bytes.extend_from_slice(b"id3 \x02\0\0\0xy");
    assert_eq!(mono(&bytes), SOUND);
}

#[test]
fn a_length_that_cannot_be_true_means_to_the_end() {
    let good = to_bytes(SampleRate::HZ_8000, &[&SOUND]);
    for length in [0, u32::MAX, 13, 1_000_000] {
        let mut bytes = good.clone();
        bytes[4..8].copy_from_slice(&0u32.to_le_bytes());
        bytes[40..44].copy_from_slice(&length.to_le_bytes());
        assert_eq!(mono(&bytes), SOUND, "length {length}");
    }
    let mut cut = good;
    cut.truncate(44 + 5);
    assert_eq!(mono(&cut), SOUND[..2], "half a sample is left out");
}

#[test]
fn an_empty_recording_is_empty_although_more_chunks_follow() {
    let mut bytes = to_bytes(SampleRate::HZ_8000, &[&[]]);
    bytes.extend_from_slice(b"LIST\x04\0\0\0abcd");
    let riff = bytes.len() as u32 - 8;
    bytes[4..8].copy_from_slice(&riff.to_le_bytes());
    assert!(mono(&bytes).is_empty());
}

#[test]
fn channels_mix_to_their_mean() {
    let bytes = to_bytes(SampleRate::HZ_8000, &[&[i16::MAX, 100], &[i16::MAX, -50], &[i16::MAX, 10]]);
    assert_eq!(mono(&bytes), [i16::MAX, 20]);
}

#[test]
fn what_is_no_wav_is_refused_with_its_reason() {
    assert!(matches!(Wav::parse(b""), Err(WavError::NotWav)));
    assert!(matches!(Wav::parse(b"ID3\x04 an mp3 file, say"), Err(WavError::NotWav)));
    assert!(matches!(Wav::parse(b"RIFF\0\0\0\0WAVE"), Err(WavError::NoFormat)));
    assert!(matches!(Wav::parse(b"RIFF\0\0\0\0WAVEdata\0\0\0\0"), Err(WavError::NoFormat)));
    assert!(matches!(Wav::parse(b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0"), Err(WavError::NoFormat)));
    assert!(matches!(Wav::parse(&file(1, 1, 8_000, 16, &[])[..36]), Err(WavError::NoData)));
    assert!(matches!(Wav::parse(&file(0x55, 1, 8_000, 0, &[])), Err(WavError::Encoding { tag: 0x55, bits: 0 })));
    assert!(matches!(Wav::parse(&file(1, 1, 8_000, 12, &[])), Err(WavError::Encoding { tag: 1, bits: 12 })));
    assert!(matches!(Wav::parse(&file(1, 0, 8_000, 16, &[])), Err(WavError::Channels(0))));
    assert!(matches!(Wav::parse(&file(1, 1, 12, 16, &[])), Err(WavError::Rate(12))));
}

#[test]
fn a_recording_cut_short_keeps_all_but_its_last_second() {
    let mut file = Cursor::new(Vec::new());
    let second = vec![3i16; 8_000];
    let mut writer = StereoWriter::new(&mut file, SampleRate::HZ_8000, Encoding::Pcm16).unwrap();
    for piece in second.chunks(160).chain(second.chunks(160)).chain(second[..4_000].chunks(160)) {
        writer.write(piece, &[]).unwrap();
    }
    assert_eq!(writer.duration().as_millis(), 2_500);
    // A killed process runs no destructor.
    std::mem::forget(writer);
    let hound = hound::WavReader::new(Cursor::new(file.get_ref())).unwrap();
    assert_eq!(hound.duration(), 16_000);
    assert_eq!(Wav::parse(file.get_ref()).unwrap().channels()[0], [second.clone(), second].concat());
}

#[test]
fn a_recording_that_ends_or_is_dropped_is_whole() {
    for finish in [true, false] {
        let mut file = Cursor::new(Vec::new());
        let mut writer = StereoWriter::new(&mut file, SampleRate::HZ_8000, Encoding::Pcm16).unwrap();
        writer.write(&SOUND, &SOUND[1..]).unwrap();
        if finish {
            writer.finish().unwrap()
        } else {
            drop(writer)
        }
        let wav = Wav::parse(file.get_ref()).unwrap();
        assert_eq!(wav.channels()[0], SOUND);
        assert_eq!(wav.channels()[1], [&SOUND[1..], &[0]].concat());
    }
}

#[test]
fn a_full_disk_is_an_error_and_not_a_growing_buffer() {
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(std::io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    impl Seek for Full {
        fn seek(&mut self, _: SeekFrom) -> std::io::Result<u64> {
            Ok(0)
        }
    }
    let mut writer = StereoWriter::new(Full(1_000), SampleRate::HZ_8000, Encoding::Pcm16).unwrap();
    let errors = (0..300).filter(|_| writer.write(&[1; 160], &[2; 160]).is_err()).count();
    assert_eq!(errors, 6, "one for each second");
    assert!(writer.duration().as_millis() == 6_000);
}

#[test]
fn a_recording_in_mu_law_is_what_others_read_as_mu_law() {
    let mut file = Cursor::new(Vec::new());
    let mut writer = StereoWriter::new(&mut file, SampleRate::HZ_8000, Encoding::Ulaw).unwrap();
    let (left, right): (Vec<i16>, Vec<i16>) = (-4_000..4_000).map(|n| (n * 8, -n)).unzip();
    writer.write(&left, &right).unwrap();
    assert_eq!(writer.duration().as_millis(), 1_000);
    writer.finish().unwrap();
    let bytes = file.into_inner();
    assert_eq!(bytes.len(), 58 + 16_000);
    let coded = |samples: &[i16]| -> Vec<i16> {
        samples.iter().map(|&sample| g711::ulaw_to_linear(g711::linear_to_ulaw(sample))).collect()
    };
    let wav = Wav::parse(&bytes).unwrap();
    assert_eq!(wav.channels(), [coded(&left), coded(&right)]);
    // The chunk that every format but PCM must have: how many samples there are in a channel.
    assert_eq!(bytes[38..50], *b"fact\x04\0\0\0\x40\x1f\0\0");
}

#[test]
fn a_header_that_counts_too_little_or_too_much_is_repaired_and_no_other() {
    for encoding in [Encoding::Pcm16, Encoding::Ulaw] {
        let mut file = Cursor::new(Vec::new());
        let mut writer = StereoWriter::new(&mut file, SampleRate::HZ_16000, encoding).unwrap();
        writer.write(&[5; 1_000], &[-5; 1_000]).unwrap();
        writer.finish().unwrap();
        let good = file.into_inner();
        assert_eq!(repaired_header(&good, good.len() as u64), None, "{encoding:?}: nothing to repair");
        let frame = if encoding == Encoding::Pcm16 { 4 } else { 2 };
        // Behind the header came sound that it does not count, the last frame of it cut off; or the end was lost.
        for length in [good.len() + 40 * frame + 1, good.len() - 600 * frame] {
            let mut bytes = good.clone();
            bytes.resize(length, 0x55);
            let header = repaired_header(&bytes, length as u64).unwrap();
            bytes[..header.len()].copy_from_slice(&header);
            assert_eq!(repaired_header(&bytes, length as u64), None, "once is enough");
            let frames = (length - header.len()) / frame;
            let data = u32::from_le_bytes(header[header.len() - 4..].try_into().unwrap()) as usize;
            assert_eq!(data, frames * frame);
            assert_eq!(Wav::parse(&bytes).unwrap().channels()[1].len(), frames);
        }
    }
    let mono = to_bytes(SampleRate::HZ_8000, &[&SOUND]);
    assert_eq!(repaired_header(&mono, 1_000), None, "none of ours");
    assert_eq!(repaired_header(b"OggS", 1_000), None);
}

proptest::proptest! {
    #[test]
    fn no_bytes_whatever_make_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200), cut in 0usize..60) {
        let _ = Wav::parse(&bytes);
        let _ = repaired_header(&bytes, 1_000);
        let mut wav = to_bytes(SampleRate::HZ_8000, &[&SOUND]);
        wav.splice(cut.min(44)..cut.min(44), bytes);
        let _ = Wav::parse(&wav);
        let _ = repaired_header(&wav, 1_000);
    }
}
