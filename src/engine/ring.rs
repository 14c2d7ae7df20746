//! The last seconds of a caller's sound, kept to be heard again.

use std::collections::VecDeque;
use std::time::Duration;

use crate::audio::g711::{linear_to_ulaw, ulaw_to_linear};
use crate::audio::{Frame, SampleRate};

/// Sound of one call with its time, from up to [`Ring::LENGTH`] ago to the newest. Positions count samples since the call
/// began. The oldest sound makes room for the newest.
///
/// It is kept as µ-law, half the room of its samples: what comes from a telephone has been that before, and a recogniser that
/// hears wideband again does not mind. A second in which nothing was louder than [`Ring::FAINT`] or than the noise of the
/// line takes no room and is heard again as silence: most of a call is the other side speaking.
#[derive(Debug)]
pub(super) struct Ring {
    rate: SampleRate,
    /// Seconds of µ-law; `None`: nothing was to be heard.
    seconds: Box<[Option<Box<[u8]>>]>,
    /// Whether something was to be heard in the second that is being written.
    audible: bool,
    /// Where the next sample goes.
    end: u64,
    /// Where each frame ended and when it came, oldest first.
    frames: VecDeque<(u64, Duration)>,
}

impl Ring {
    /// How much sound is kept: what [`Output::Rehear`](crate::call::Output::Rehear) counts on.
    pub(super) const LENGTH: Duration = Duration::from_secs(20);
    /// Frames whose time is known: all of [`Ring::LENGTH`] in frames of 10 ms, the shortest a telephone line has.
    const FRAMES: usize = 2_000;
    /// About −63 dBFS, the smallest steps of µ-law: no voice is as faint as this at its loudest.
    const FAINT: u16 = 24;

    /// An empty ring for sound at `rate`.
    pub(super) fn new(rate: SampleRate) -> Self {
        let seconds = vec![None; Self::LENGTH.as_secs() as usize].into_boxed_slice();
        Self { rate, seconds, audible: false, end: 0, frames: VecDeque::new() }
    }

    /// Keeps a frame that came `at`, since the call began; `is_still`: it is no more than the noise of the line. Sound at
    /// another rate than the ring's is not kept.
    pub(super) fn push<const N: usize>(&mut self, frame: &Frame<N>, is_still: bool, at: Duration) {
        if frame.rate() != self.rate || frame.is_empty() {
            return;
        }
        let mut samples = frame.samples();
        while !samples.is_empty() {
            let (second, offset) = self.place(self.end);
            let (now, later) = samples.split_at(samples.len().min(self.second() - offset));
            self.write(second, offset, is_still, now);
            self.end += now.len() as u64;
            samples = later;
        }
        // Of sound that is gone nobody asks; one older end tells where the oldest sound begins.
        while self.frames.len() == Self::FRAMES || self.frames.get(1).is_some_and(|(end, _)| *end <= self.begin()) {
            self.frames.pop_front();
        }
        self.frames.push_back((self.end, at));
    }

    /// Writes within one second.
    fn write(&mut self, second: usize, offset: usize, is_still: bool, samples: &[i16]) {
        let length = self.second();
        let Some(kept) = self.seconds.get_mut(second) else { return };
        let audible = !is_still && samples.iter().any(|sample| sample.unsigned_abs() > Self::FAINT);
        self.audible = audible || (self.audible && offset > 0);
        if audible && kept.is_none() {
            *kept = Some(vec![SILENCE; length].into_boxed_slice());
        }
        if let Some(room) = kept.as_mut().and_then(|kept| kept.get_mut(offset..offset + samples.len())) {
            room.iter_mut().zip(samples).for_each(|(kept, &sample)| *kept = linear_to_ulaw(sample));
        }
        if offset + samples.len() == length && !self.audible {
            *kept = None;
        }
    }

    /// Which second a position lies in, and where in it.
    fn place(&self, position: u64) -> (usize, usize) {
        let second = self.second() as u64;
        ((position / second % self.seconds.len() as u64) as usize, (position % second) as usize)
    }

    /// Samples a second.
    const fn second(&self) -> usize {
        self.rate.hz() as usize
    }

    /// The position behind the newest sample.
    pub(super) const fn end(&self) -> u64 {
        self.end
    }

    /// The position of the oldest sample that is kept.
    pub(super) const fn begin(&self) -> u64 {
        self.end.saturating_sub((self.seconds.len() * self.second()) as u64)
    }

    /// The position of the sound that came at `since`; the oldest kept when that is gone, the end when none came since.
    pub(super) fn position(&self, since: Duration) -> u64 {
        let index = self.frames.partition_point(|&(_, at)| at <= since);
        let Some(&(end, at)) = self.frames.get(index) else { return self.end };
        // A frame's sound lasted from its length before it came until it came; silence on the line has no frames.
        let before = index.checked_sub(1).and_then(|index| self.frames.get(index)).map(|&(end, _)| end);
        let wanted = end.saturating_sub(self.rate.samples_in(at - since) as u64);
        wanted.max(before.unwrap_or(self.begin())).max(self.begin())
    }

    /// The sound from `position` on, as much as one frame of at most `length` holds; empty at the end.
    pub(super) fn read(&self, position: u64, length: Duration) -> Frame {
        let mut frame = Frame::empty(self.rate);
        let position = position.max(self.begin());
        let mut left = (self.end.saturating_sub(position)).min(self.rate.samples_in(length) as u64) as usize;
        let mut at = position;
        left = left.min(Frame::CAPACITY);
        while left > 0 {
            let (second, offset) = self.place(at);
            let here = left.min(self.second() - offset);
            let kept =
                self.seconds.get(second).and_then(Option::as_ref).and_then(|kept| kept.get(offset..offset + here));
            let room = frame.grow(here);
            if let Some(kept) = kept {
                room.iter_mut().zip(kept).for_each(|(sample, &kept)| *sample = ulaw_to_linear(kept));
            }
            (left, at) = (left - here, at + here as u64);
        }
        frame
    }

    /// How long the sound before `position` lasted.
    pub(super) fn time(&self, position: u64) -> Duration {
        self.rate.duration_of(position as usize)
    }
}

/// Silence in µ-law.
const SILENCE: u8 = 0xFF;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::Piece;

    const RATE: SampleRate = SampleRate::HZ_8000;
    const PTIME: Duration = Duration::from_millis(20);

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// 20 ms of one value, one of the 256 a telephone has.
    fn frame(n: u32) -> Frame {
        Frame::from_samples(RATE, &[ulaw_to_linear(n as u8); 160]).unwrap()
    }

    /// A ring with frames 0, 1, 2 … that came each 20 ms, the first at 20 ms.
    fn ring(frames: u32) -> Ring {
        let mut ring = Ring::new(RATE);
        for n in 0..frames {
            ring.push(&frame(n), false, PTIME * (n + 1));
        }
        ring
    }

    #[test]
    fn sound_is_found_again_by_the_time_it_came() {
        let ring = ring(100);
        assert_eq!(ring.position(ms(0)), 0);
        assert_eq!(ring.position(ms(20)), 160);
        assert_eq!(ring.position(ms(25)), 160 + 40, "to the sample");
        assert_eq!(ring.position(ms(1_999)), ring.end() - 8);
        assert_eq!(ring.position(ms(2_000)), ring.end(), "nothing came since");
        assert_eq!(ring.position(ms(9_000)), ring.end());
        assert_eq!(ring.time(ring.position(ms(1_500))), ms(1_500));
    }

    #[test]
    fn a_line_that_was_silent_has_no_sound_for_that_time() {
        let mut ring = ring(2);
        ring.push(&frame(7), false, ms(5_000));
        assert_eq!(ring.position(ms(100)), 320, "the next that came after it");
        assert_eq!(ring.position(ms(4_990)), 320 + 80);
    }

    #[test]
    fn frames_that_came_together_lie_one_behind_the_other() {
        let mut ring = ring(1);
        for value in [7, 8, 9] {
            ring.push(&frame(value), false, ms(80));
        }
        assert_eq!(ring.position(ms(20)), 160);
        assert_eq!(ring.position(ms(79)), 160 + 152, "of the first of them");
    }

    #[test]
    fn only_the_last_seconds_are_kept_and_reading_goes_around_the_end() {
        let ring = ring(1_500);
        assert_eq!(ring.end() - ring.begin(), 160_000);
        assert_eq!(ring.position(ms(0)), ring.begin(), "what is gone begins with the oldest kept");
        let (mut position, mut value) = (ring.begin(), 500);
        while position < ring.end() {
            let read = ring.read(position, PTIME);
            assert_eq!(read, frame(value), "at {position}");
            position += read.samples().len() as u64;
            value += 1;
        }
        assert_eq!(value, 1_500);
        assert!(ring.read(position, PTIME).is_empty());
        assert_eq!(ring.read(0, PTIME), frame(500));
        assert_eq!(ring.read(ring.begin(), ms(1_000)).samples().len(), Frame::CAPACITY, "as much as a frame holds");
    }

    #[test]
    fn seconds_in_which_nobody_was_heard_take_no_room() {
        let mut ring = Ring::new(RATE);
        let mut say = |seconds: u32, value: i16| {
            for _ in 0..seconds * 50 {
                ring.push(&Piece::from_samples(RATE, &[value; 160]).unwrap(), false, ring.time(ring.end()));
            }
            let held = ring.seconds.iter().flatten().count();
            (held, ring.read(ring.end() - 160, PTIME).samples().to_vec())
        };
        assert_eq!(say(3, 8), (0, vec![0; 160]));
        assert_eq!(say(4, 716), (4, vec![716; 160]));
        assert_eq!(say(13, 8), (4, vec![0; 160]));
        assert_eq!(say(3, 8), (4, vec![0; 160]), "the first silence is overwritten");
        assert_eq!(say(4, 8), (0, vec![0; 160]), "and then the voice");
        // A voice that begins within a second has silence before it.
        ring.push(&Piece::from_samples(RATE, &[8; 100]).unwrap(), false, ring.time(ring.end()));
        ring.push(&Piece::from_samples(RATE, &[716; 100]).unwrap(), false, ring.time(ring.end()));
        let read = ring.read(ring.end() - 200, PTIME + PTIME);
        assert_eq!((&read.samples()[..100], &read.samples()[100..]), (&[0; 100][..], &[716; 100][..]));
    }

    #[test]
    fn the_noise_of_the_line_takes_no_room_but_beside_a_voice() {
        let mut ring = Ring::new(RATE);
        for n in 0..200 {
            ring.push(&frame(100), n != 120, PTIME * (n + 1));
        }
        assert_eq!(ring.seconds.iter().flatten().count(), 1);
        assert_eq!(ring.read(8_000, PTIME), Frame::silence(RATE, PTIME));
        assert_eq!(ring.read(120 * 160, PTIME), frame(100));
        assert_eq!(ring.read(149 * 160, PTIME), frame(100), "with what follows it");
        assert_eq!(ring.end(), 200 * 160);
    }

    #[test]
    fn keeping_sound_takes_no_more_room() {
        let mut ring = ring(2_000);
        let room = ring.frames.capacity();
        assert!(room <= 1_024 && ring.frames.len() <= 1_001, "{room} for {}", ring.frames.len());
        for n in 0..9_000u32 {
            // Frames of 2 ms: more of them than have room.
            ring.push(&Piece::from_samples(RATE, &[1; 16]).unwrap(), false, ms(40_000) + ms(2) * n);
        }
        assert_eq!(ring.frames.len(), Ring::FRAMES);
        let end = ring.end();
        ring.push(&Piece::empty(SampleRate::HZ_16000), false, ms(60_000));
        ring.push(&Piece::silence(SampleRate::HZ_16000, PTIME), false, ms(60_000));
        assert_eq!(ring.end(), end, "sound at another rate is not kept");
    }
}
