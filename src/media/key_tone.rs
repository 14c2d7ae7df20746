//! A key as sound, on lines without telephone events.

use std::time::Duration;

use crate::audio::level::{Ramp, Shape};
use crate::audio::tone::Tone;
use crate::audio::{Frame, SampleRate};
use crate::conversation::Digit;
use crate::rtp::TelephoneEvent;

/// The tones of one key after the other, each coming and going without a click (ITU-T Q.23 and Q.24).
#[derive(Debug)]
pub(super) struct KeyTone {
    rate: SampleRate,
    tone: Option<Tone>,
}

impl KeyTone {
    /// How long a tone takes to come and to go: less than the 5 ms that receivers are built for.
    const EDGE: Duration = Duration::from_millis(3);

    pub(super) const fn new(rate: SampleRate) -> Self {
        Self { rate, tone: None }
    }

    /// Writes one packet of a key that is held down; `first` and `last` of its packets have an edge.
    pub(super) fn fill(&mut self, frame: &mut Frame, event: TelephoneEvent, first: bool, last: bool) {
        if first {
            let key = Digit::from_event_code(event.event).map(Digit::as_char);
            self.tone = key.and_then(|key| Tone::key(key, self.rate));
        }
        let Some(tone) = &mut self.tone else { return };
        tone.fill(frame.samples_mut());
        if first {
            Ramp::new(0.0, 1.0, Self::EDGE, self.rate, Shape::RaisedCosine).apply(frame.samples_mut());
        }
        if last {
            let samples = frame.samples_mut();
            let edge = samples.len().saturating_sub(self.rate.samples_in(Self::EDGE));
            let end = samples.get_mut(edge..).unwrap_or_default();
            Ramp::new(1.0, 0.0, Self::EDGE, self.rate, Shape::RaisedCosine).apply(end);
            self.tone = None;
        }
    }
}
