//! Samples as the bytes a client asked for.

use crate::audio::{Codec, Encoder, SampleRate};

/// How sound is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SoundFormat {
    pub(super) coding: Coding,
    pub(super) rate: SampleRate,
}

/// How one sample is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Coding {
    /// G.711, one byte a sample.
    G711(Codec),
    /// Signed 16-bit little-endian.
    Pcm16,
}

impl SoundFormat {
    /// The formats of [`SoundFormat::from_elevenlabs`], for error texts.
    pub(super) const ELEVENLABS: &'static str = "ulaw_8000, alaw_8000, pcm_8000, pcm_16000, pcm_22050, pcm_24000, pcm_32000, \
                                                 pcm_44100, pcm_48000";

    /// The format of an ElevenLabs `output_format`; compressed ones are `None`.
    pub(super) fn from_elevenlabs(name: &str) -> Option<Self> {
        let (coding, hz) = name.split_once('_')?;
        let rate = SampleRate::new(hz.parse().ok()?)?;
        let coding = match (coding, rate.hz()) {
            ("ulaw", 8_000) => Coding::G711(Codec::Pcmu),
            ("alaw", 8_000) => Coding::G711(Codec::Pcma),
            ("pcm", 8_000 | 16_000 | 22_050 | 24_000 | 32_000 | 44_100 | 48_000) => Coding::Pcm16,
            _ => return None,
        };
        Some(Self { coding, rate })
    }

    /// What OpenAI calls pcm: 24 kHz, 16-bit little-endian, no header.
    pub(super) const OPENAI_PCM: Self = Self { coding: Coding::Pcm16, rate: SampleRate::HZ_24000 };

    /// The bytes of `samples`.
    pub(super) fn encode(self, samples: &[i16]) -> Vec<u8> {
        match self.coding {
            Coding::Pcm16 => samples.iter().flat_map(|sample| sample.to_le_bytes()).collect(),
            Coding::G711(codec) => {
                let mut bytes = vec![0; samples.len()];
                Encoder::new(codec).encode(samples, &mut bytes);
                bytes
            }
        }
    }

    /// The 44 bytes before a WAV stream of PCM whose length is not known: both lengths say 0xFFFFFFFF.
    pub(super) fn wav_header(self) -> Vec<u8> {
        let hz = self.rate.hz();
        let mut header = Vec::with_capacity(44);
        header.extend(b"RIFF\xFF\xFF\xFF\xFFWAVEfmt \x10\0\0\0\x01\0\x01\0");
        header.extend(hz.to_le_bytes());
        header.extend((hz * 2).to_le_bytes());
        header.extend(b"\x02\0\x10\0data\xFF\xFF\xFF\xFF");
        header
    }
}

/// Bytes as samples, across chunks that may cut a sample in two.
#[derive(Clone, Debug)]
pub(super) struct SoundReader {
    coding: Coding,
    odd: Option<u8>,
}

impl SoundReader {
    /// A reader at the start of a stream.
    pub(super) const fn new(coding: Coding) -> Self {
        Self { coding, odd: None }
    }

    /// The samples that are complete with `bytes`.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Vec<i16> {
        match self.coding {
            Coding::G711(codec) => {
                let mut decoder = crate::audio::Decoder::new(codec);
                let mut samples = Vec::with_capacity(bytes.len());
                for piece in bytes.chunks(crate::audio::Frame::CAPACITY) {
                    if let Ok(frame) = decoder.decode(piece) {
                        samples.extend_from_slice(frame.samples());
                    }
                }
                samples
            }
            Coding::Pcm16 => {
                let mut all: Vec<u8> = self.odd.take().into_iter().collect();
                all.extend_from_slice(bytes);
                if !all.len().is_multiple_of(2) {
                    self.odd = all.pop();
                }
                all.chunks_exact(2)
                    .map(|pair| pair.iter().rev().fold(0u16, |v, &b| v << 8 | u16::from(b)) as i16)
                    .collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_survive_the_wire_however_it_is_cut() {
        let samples: Vec<i16> = (0..500).map(|n| (n * 131 % 4_001 - 2_000) as i16).collect();
        let bytes = SoundFormat::OPENAI_PCM.encode(&samples);
        let mut reader = SoundReader::new(Coding::Pcm16);
        let read: Vec<i16> = bytes.chunks(7).flat_map(|chunk| reader.read(chunk)).collect();
        assert_eq!(read, samples);
    }

    #[test]
    fn only_uncompressed_formats_are_offered() {
        for name in SoundFormat::ELEVENLABS.split(", ") {
            assert!(SoundFormat::from_elevenlabs(name).is_some(), "{name}");
        }
        for name in ["mp3_44100_128", "opus_48000_32", "ulaw_16000", "pcm_11025", "pcm", ""] {
            assert_eq!(SoundFormat::from_elevenlabs(name), None, "{name}");
        }
        assert_eq!(SoundFormat::OPENAI_PCM.wav_header().len(), 44);
    }
}
