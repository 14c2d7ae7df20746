//! Payloads of every agreed format to sound at the line's one rate, and sound in the place of what did not come.

use std::time::Duration;

use crate::audio::{Codec, Concealer, DecodeError, Decoder, Frame, Resampler, SampleRate};

use super::formats::Formats;

/// The decoders of a line, one for each format, and what fills the gaps between what they decode.
///
/// Any packet may be in any format. What one format's decoder remembers is forgotten when another's turn comes. What was
/// made last stays [here](Decoders::frame): frames are large, and most of one is empty. Allocates nothing after `new`.
#[derive(Debug)]
pub(super) struct Decoders {
    rate: SampleRate,
    /// The sound that was made last.
    frame: Frame,
    formats: Vec<Format>,
    /// The format of the packet before.
    current: usize,
    concealer: Concealer,
    /// How far a gap is.
    gap: Duration,
    /// The sender has said that it sends nothing, and how loud the background is.
    pause: Option<f32>,
}

#[derive(Debug)]
struct Format {
    decoder: Decoder,
    /// From the codec's rate to the line's; `None`: they are one.
    resampler: Option<Resampler>,
}

impl Decoders {
    /// Decoders that have heard nothing.
    pub(super) fn new(formats: &Formats) -> Self {
        let rate = formats.rate();
        let formats = formats.iter().map(|format| {
            let own = format.codec.sample_rate();
            let resampler = (own != rate).then(|| Resampler::new(own, rate));
            Format { decoder: Decoder::new(format.codec), resampler }
        });
        Self {
            rate,
            frame: Frame::empty(rate),
            formats: formats.collect(),
            current: 0,
            concealer: Concealer::new(rate),
            gap: Duration::ZERO,
            pause: None,
        }
    }

    /// Samples a second of everything that comes from here.
    pub(super) const fn rate(&self) -> SampleRate {
        self.rate
    }

    /// The sound that was made last.
    pub(super) const fn frame(&self) -> &Frame {
        &self.frame
    }

    /// The sound that was made last, to be changed.
    pub(super) const fn frame_mut(&mut self) -> &mut Frame {
        &mut self.frame
    }

    /// The codec of a format.
    pub(super) fn codec(&self, format: u8) -> Option<Codec> {
        self.formats.get(usize::from(format)).map(|format| format.decoder.codec())
    }

    /// How much sound a payload holds, without decoding it.
    pub(super) fn length(&self, format: u8, payload: &[u8]) -> Result<Duration, DecodeError> {
        let Some(format) = self.formats.get(usize::from(format)) else { return Err(DecodeError::Empty) };
        let samples = format.decoder.samples(payload)?;
        let length = format.decoder.codec().sample_rate().duration_of(samples);
        let here = self.rate.samples_in(length);
        if here > Frame::CAPACITY {
            return Err(DecodeError::TooLong { samples: here, most: Frame::CAPACITY });
        }
        Ok(length)
    }

    /// Whether a lost packet may be in the one behind it.
    pub(super) fn has_copies(&self, format: u8) -> bool {
        self.codec(format) == Some(Codec::Opus)
    }

    /// Decodes a payload. The first one after a gap is joined to what was made up.
    pub(super) fn decode(&mut self, format: u8, payload: &[u8]) -> Result<(), DecodeError> {
        self.turn_to(format);
        self.make(|decoder, frame| decoder.decode_into(payload, frame))?;
        self.concealer.good(&mut self.frame);
        (self.gap, self.pause) = (Duration::ZERO, None);
        Ok(())
    }

    /// Decodes a payload whose place was filled, so that the decoder is where the sender is.
    pub(super) fn catch_up(&mut self, format: u8, payload: &[u8]) {
        self.turn_to(format);
        // What does not decode moves nothing.
        let _ = self.make(|decoder, frame| decoder.decode_into(payload, frame));
    }

    /// Makes up the next `duration` of sound, at most 60 ms; `next` is the packet behind the gap if it follows at once and
    /// the gap is as long as it.
    pub(super) fn lost(&mut self, duration: Duration, next: Option<(u8, &[u8])>) {
        if self.pause.is_some() {
            return self.quiet(duration);
        }
        let made = |made: Option<Frame>, frame: &mut Frame| {
            *frame = made.ok_or(DecodeError::Empty)?;
            Ok(())
        };
        let own = match next {
            Some((format, payload)) => {
                self.turn_to(format);
                self.make(|decoder, frame| made(decoder.recover(payload), frame))
            }
            None if self.gap < Self::OWN => self.make(|decoder, frame| made(decoder.conceal(duration), frame)),
            None => Err(DecodeError::Empty),
        };
        self.gap = self.gap.saturating_add(duration);
        if own.is_ok() && self.frame.samples().len() == self.rate.samples_in(duration) {
            return self.concealer.heard(&self.frame);
        }
        self.frame = self.concealer.lost(duration);
        if let Some(format) = self.formats.get_mut(self.current) {
            format.decoder.follow(&self.frame);
        }
    }

    /// The sender will send nothing for a while: its background, in decibels below overload (RFC 3389), stands for it.
    pub(super) fn pause(&mut self, below_overload: u8) {
        let level = below_overload.clamp(Self::LOUDEST_NOISE, 127);
        self.pause = Some(32_768.0 * 10f32.powf(-f32::from(level) / 20.0));
    }

    /// Whether the sender has said that it sends nothing.
    pub(super) const fn is_paused(&self) -> bool {
        self.pause.is_some()
    }

    /// The next `duration` of a pause: comfort noise as loud as the sender said, or silence.
    pub(super) fn quiet(&mut self, duration: Duration) {
        self.frame = match self.pause {
            Some(rms) => self.concealer.noise(duration, rms),
            None => Frame::silence(self.rate, duration),
        };
    }

    /// Another stream begins: what the decoders remember is not of it.
    pub(super) fn restart(&mut self) {
        self.formats.iter_mut().for_each(Format::reset);
        self.pause = None;
    }

    /// Forgets everything.
    pub(super) fn reset(&mut self) {
        self.restart();
        self.concealer.reset();
        self.gap = Duration::ZERO;
    }

    fn turn_to(&mut self, format: u8) {
        let format = usize::from(format);
        if self.current != format
            && let Some(turned) = self.formats.get_mut(format)
        {
            turned.reset();
            self.current = format;
        }
    }

    /// Has the current decoder make sound, at the line's rate.
    fn make(
        &mut self,
        make: impl FnOnce(&mut Decoder, &mut Frame) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        let Some(format) = self.formats.get_mut(self.current) else { return Err(DecodeError::Empty) };
        let Some(resampler) = &mut format.resampler else { return make(&mut format.decoder, &mut self.frame) };
        let mut own = Frame::empty(self.rate);
        make(&mut format.decoder, &mut own)?;
        self.frame.restart(self.rate);
        resampler.process(own.samples(), |piece| _ = self.frame.push(piece));
        Ok(())
    }

    /// How long a codec's own concealment is preferred.
    const OWN: Duration = Duration::from_millis(60);
    /// −30 dBov: a background louder than this is not believed.
    const LOUDEST_NOISE: u8 = 30;
}

impl Format {
    fn reset(&mut self) {
        self.decoder.reset();
        if let Some(resampler) = &mut self.resampler {
            resampler.reset();
        }
    }
}
