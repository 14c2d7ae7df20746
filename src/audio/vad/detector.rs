//! The decision, two hops at a time.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use super::kernel::{Machine, Width, Work};
use super::readout::{Chances, Inputs};
use super::silero::{self, Memory, WINDOW};
use super::spectrum::Spectrum;
use super::surroundings::{Levels, QUIETEST, Surroundings};
use crate::audio::frame::{Frame, SampleRate};
use crate::audio::level;
use crate::audio::resample::Resampler;

/// What the detector says of one hop of sound.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Hop {
    /// Where the hop ends: samples pushed since the stream began, at the input's rate.
    pub end: u64,
    /// How likely it is speech, 0 to 1.
    pub probability: f32,
    /// How loud it is: root mean square in decibels below full scale.
    pub level_dbfs: f32,
    /// Whether speech is heard in it.
    pub heard: bool,
    /// Whether it counts as speech: it is heard, is a short closure within a word, or was less than [`Vad::HANGOVER`] ago.
    pub voiced: bool,
}

/// Voice activity detector of one stream.
///
/// Hops are told two at a time, every 20 ms. What is quieter than any voice on a line, and what has been so even for
/// more than half a second as no voice is (hiss, hum, comfort noise), is dismissed by its level, at almost no cost. The rest
/// is looked at by a network (Silero VAD 6.2 for 8 kHz, MIT licence) in windows of 36 ms: two memories take turns, so
/// that each is given windows about as far apart as those it was trained with. A small layer of our own reads from both what is
/// wanted here: whether the voice that the line is for, rather than one behind it, sounds in this hop; it also sees how
/// loud each band is beside how quiet it gets, so what is called speech follows the noise. Speech lasts
/// [`HANGOVER`](Self::HANGOVER) longer than it is heard.
///
/// Whatever the rate, only the telephone band is looked at. The network's result is the same with and without vector
/// instructions, to the bit.
/// [`push`](Self::push) allocates nothing.
#[derive(Clone)]
pub struct Vad {
    rate: SampleRate,
    to_narrowband: Resampler,
    width: Width,
    spectrum: &'static Spectrum,
    /// The last 40 ms at 8 kHz; the two newest hops, at its end, are filled so far.
    window: [i16; KEPT],
    filled: usize,
    pushed: u64,
    /// How many times it was decided.
    turns: u64,
    surroundings: Surroundings,
    /// One for each turn, in turn.
    memories: [Memory; 2],
    /// Whether the two hops before were loud enough to be a voice.
    was_loud: bool,
    /// How likely somebody was speaking when it was looked at last.
    likely: f32,
    /// For how many more hops speech lasts.
    hangover: u32,
}

impl Vad {
    /// How much sound one decision is about.
    pub const HOP: Duration = Duration::from_millis(10);
    /// How much longer than it is heard speech counts as such: the closure of a "t", the fading of a word.
    pub const HANGOVER: Duration = Duration::from_millis(10 * HANGOVER_HOPS as u64);

    /// A detector for sound of this rate.
    pub fn new(rate: SampleRate) -> Self {
        static SPECTRUM: OnceLock<Spectrum> = OnceLock::new();
        Self {
            rate,
            to_narrowband: Resampler::new(rate, SampleRate::HZ_8000),
            width: Width::best(),
            spectrum: SPECTRUM.get_or_init(Spectrum::new),
            window: [0; KEPT],
            filled: 0,
            pushed: 0,
            turns: 0,
            surroundings: Surroundings::new(),
            memories: [Memory::new(); 2],
            was_loud: false,
            likely: 0.0,
            hangover: 0,
        }
    }

    /// Takes the next piece of the stream and reports the hops that it completes, two at a time. A frame of another rate
    /// than the detector's is left out.
    pub fn push(&mut self, frame: &Frame, hop: impl FnMut(Hop)) {
        if frame.rate() != self.rate {
            return;
        }
        self.pushed += frame.samples().len() as u64;
        if self.rate == SampleRate::HZ_8000 {
            return self.take(frame.samples(), hop);
        }
        let mut narrow = [0i16; NARROW];
        let mut count = 0;
        self.to_narrowband.process(frame.samples(), |samples| {
            let room = &mut narrow[count..];
            let taken = samples.len().min(room.len());
            room[..taken].copy_from_slice(&samples[..taken]);
            count += taken;
        });
        self.take(&narrow[..count], hop);
    }

    /// Takes sound at 8 kHz.
    fn take(&mut self, mut rest: &[i16], mut hop: impl FnMut(Hop)) {
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(TURN - self.filled));
            let start = KEPT - TURN + self.filled;
            self.window[start..start + now.len()].copy_from_slice(now);
            self.filled += now.len();
            if self.filled == TURN {
                self.decide().into_iter().for_each(&mut hop);
                self.window.copy_within(TURN.., 0);
                self.filled = 0;
            }
            rest = later;
        }
    }

    /// How loud the background is, in decibels below full scale; −64 when it is quieter than that.
    pub const fn noise_floor_dbfs(&self) -> f32 {
        self.surroundings.floor()
    }

    /// Forgets the stream so far. Allocates nothing.
    pub fn reset(&mut self) {
        self.to_narrowband.reset();
        self.window = [0; KEPT];
        (self.filled, self.pushed, self.turns) = (0, 0, 0);
        self.surroundings = Surroundings::new();
        self.memories = [Memory::new(); 2];
        (self.was_loud, self.likely, self.hangover) = (false, 0.0, 0);
    }

    /// The decision about the two hops that are full.
    fn decide(&mut self) -> [Hop; 2] {
        let hops = [&self.window[KEPT - 2 * HOP..KEPT - HOP], &self.window[KEPT - HOP..]];
        let dbfs = hops.map(level::dbfs);
        let is_loud = dbfs.iter().any(|&level| level >= QUIETEST);
        let levels = self.surroundings.take(dbfs);
        let is_nothing = self.likely < UNLIKELY && self.surroundings.is_even();
        let chances = if (is_loud || self.was_loud) && !is_nothing {
            self.look(levels)
        } else {
            self.surroundings.pass_bands();
            Chances::NONE
        };
        self.was_loud = is_loud;
        self.likely = chances.speaking[1];
        self.turns += 1;
        [0, 1].map(|hop| {
            let (speaking, level_dbfs) = (chances.speaking[hop], dbfs[hop]);
            let heard = chances.sounding[hop] > HEARD;
            let voiced = heard || speaking > SPEAKING || self.hangover > 0;
            self.hangover = if heard { HANGOVER_HOPS } else { self.hangover.saturating_sub(1) };
            let count = 2 * (self.turns - 1) + hop as u64 + 1;
            let end = count * HOP as u64 * u64::from(self.rate.hz()) / u64::from(SampleRate::HZ_8000.hz());
            // A resampler completes a hop up to a few samples before the input does.
            Hop { end: end.min(self.pushed), probability: speaking, level_dbfs, heard, voiced }
        })
    }

    /// Whether nothing has ever been looked at.
    #[cfg(test)]
    pub(super) fn remembers_nothing(&self) -> bool {
        self.memories == [Memory::new(); 2]
    }

    /// The second stage: what the network makes of the newest window.
    fn look(&mut self, levels: Levels) -> Chances {
        let mut window = [0.0; WINDOW];
        for (value, &sample) in window.iter_mut().zip(&self.window[KEPT - WINDOW..]) {
            *value = f32::from(sample) / 32_768.0;
        }
        let newest = usize::from(self.turns % 2 == 1);
        let Self { width, spectrum, surroundings, memories, .. } = self;
        width.run(Look { window, levels, newest, spectrum, surroundings, memories })
    }
}

impl fmt::Debug for Vad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vad({:?}, {} hops, floor {:.0} dBFS)", self.rate, 2 * self.turns, self.noise_floor_dbfs())
    }
}

/// A look at one window.
struct Look<'a> {
    window: [f32; WINDOW],
    levels: Levels,
    /// Whose turn it is.
    newest: usize,
    spectrum: &'static Spectrum,
    surroundings: &'a mut Surroundings,
    memories: &'a mut [Memory; 2],
}

impl Work for Look<'_> {
    type Result = Chances;

    #[inline(always)]
    fn run(self, machine: impl Machine) -> Chances {
        let (encoded, magnitudes) = silero::encode(self.spectrum, &self.window, machine);
        let [first, second] = self.memories;
        let (newest, before) = if self.newest == 0 { (first, second) } else { (second, first) };
        newest.take(&encoded, machine);
        let bands = self.surroundings.take_bands(&magnitudes);
        Chances::read(&Inputs { cells: [newest.said, before.said], levels: self.levels, bands }, machine)
    }
}

/// Samples at 8 kHz in a hop, and in the two that are decided together.
const HOP: usize = 80;
const TURN: usize = 2 * HOP;
/// Samples at 8 kHz that are kept: the window, in whole turns.
const KEPT: usize = WINDOW.next_multiple_of(TURN);
/// The most samples at 8 kHz a frame can become: from 4 kHz twice its own.
const NARROW: usize = 2 * Frame::CAPACITY;
/// How likely a voice must be to be heard, and somebody to be speaking.
const HEARD: f32 = 0.5;
const SPEAKING: f32 = 0.35;
/// As unlikely somebody must be speaking for even sound to be no voice.
const UNLIKELY: f32 = 0.05;
const HANGOVER_HOPS: u32 = 6;
