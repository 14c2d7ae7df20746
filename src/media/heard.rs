//! What the inbound side tells.

use std::time::{Duration, Instant};

use crate::audio::Frame;
use crate::conversation::{Backdrop, Digit};

/// What was heard, in order. `F` is what comes with a frame: the frame itself, or nothing where it is
/// [left in its place](super::Inbound::poll_in_place).
#[derive(Clone, Copy, PartialEq, Debug)]
#[non_exhaustive]
pub enum Heard<F = Frame> {
    /// The first packet of the line has come. Told once.
    Up,
    /// The next piece of sound: received, concealed, or comfort noise. Frames follow one another without a gap, from the
    /// first packet on, and keep to the clock.
    Frame(F),
    /// The caller's voice goes on; told for every voiced hop.
    Voice {
        /// The call time of the stretch's first voiced sample.
        began: Instant,
        /// How much of it was voiced so far.
        voiced: Duration,
        /// What lies under it.
        over: Backdrop,
    },
    /// The voice that was told of last was our own, come back: there was none.
    Echo,
    /// The caller has been quiet for 200 ms.
    Silence {
        /// The call time of the end of the last voiced sample.
        since: Instant,
    },
    /// The caller pressed a key: a telephone event, or tones in the sound, told once when it is both.
    Digit(Digit),
    /// An answering machine's beep has ended; told only while [`Inbound::listen_for_beep`](super::Inbound::listen_for_beep) asks for it.
    Beep {
        /// How long it lasted.
        length: Duration,
        /// The call time of its end, some 100 ms ago.
        ended: Instant,
    },
    /// Nothing came for 15 s, or for 30 s from the beginning: neither sound nor RTCP. Told once, until something comes
    /// again.
    Lost,
}

impl Heard<()> {
    /// The same with the frame.
    pub(super) fn with(self, frame: impl FnOnce() -> Frame) -> Heard {
        match self {
            Self::Up => Heard::Up,
            Self::Frame(()) => Heard::Frame(frame()),
            Self::Voice { began, voiced, over } => Heard::Voice { began, voiced, over },
            Self::Echo => Heard::Echo,
            Self::Silence { since } => Heard::Silence { since },
            Self::Digit(digit) => Heard::Digit(digit),
            Self::Beep { length, ended } => Heard::Beep { length, ended },
            Self::Lost => Heard::Lost,
        }
    }
}
