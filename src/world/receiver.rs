//! What the other end of a line plays.

use crate::audio::{Codec, Decoder, Frame, Resampler, SampleRate};

/// Decodes the payloads of one codec to sound of 8 kHz, at which callers and agents of scenarios are told apart.
#[derive(Debug)]
pub struct Receiver {
    decoder: Decoder,
    /// `None`: the codec is as narrow.
    resampler: Option<Resampler>,
}

impl Receiver {
    /// A receiver that has heard nothing.
    pub fn new(codec: Codec) -> Self {
        let (own, narrow) = (codec.sample_rate(), SampleRate::HZ_8000);
        Self { decoder: Decoder::new(codec), resampler: (own != narrow).then(|| Resampler::new(own, narrow)) }
    }

    /// What a packet of 20 ms counts in timestamps.
    pub fn units(&self) -> u32 {
        self.decoder.codec().clock_rate() / 50
    }

    /// The sound of a payload; `None`: it is nothing this codec sends.
    pub fn hear(&mut self, payload: &[u8]) -> Option<Frame> {
        let frame = self.decoder.decode(payload).ok()?;
        let Some(resampler) = &mut self.resampler else { return Some(frame) };
        let mut narrow = Frame::empty(SampleRate::HZ_8000);
        resampler.process(frame.samples(), |piece| _ = narrow.push(piece));
        Some(narrow)
    }
}
