//! Both sides of a call, aligned by its clock.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::audio::{Frame, Piece, SampleRate};

/// Pairs what was heard from the caller with what was sent to the caller, in pieces of 20 ms at the line's rate.
///
/// Each side is written where the clock says, but never with a seam: a frame that comes up to [`Recorder::SLACK`] early
/// or late joins the one before it; only a larger gap becomes silence, and only sound that runs further ahead is left
/// out. What the agent's side skipped, because it was far too late to send it, is silence of just that length: the
/// recording has the samples where their timestamps say. A piece is complete when both sides have it, or [`Recorder::PATIENCE`] after its time.
///
/// The clock of a recording stands still while the process does: when nothing at all was told for more than
/// [`Recorder::MOST`] (a suspended machine), what passed meanwhile is left out and [counted](Recorder::skipped). So a
/// drain never gives out more than about that much.
#[derive(Debug)]
pub struct Recorder {
    rate: SampleRate,
    /// When the recording would have begun if it had run without a gap.
    began: Instant,
    caller: Side,
    agent: Side,
    /// How many samples were handed out.
    done: u64,
    now: Instant,
    finished: bool,
    skipped: Duration,
    /// How much sound stays here for the time being, so that it can still be muted.
    held_back: Duration,
}

/// One side: the samples not handed out yet. At most [`Recorder::MOST`].
#[derive(Debug)]
struct Side {
    samples: VecDeque<i16>,
    most: usize,
}

impl Recorder {
    /// How long one piece is.
    pub const PIECE: Duration = Duration::from_millis(20);
    /// How far a frame may be off its time.
    pub const SLACK: Duration = Duration::from_millis(100);
    /// How long a side is waited for.
    pub const PATIENCE: Duration = Duration::from_millis(250);
    /// The most sound that waits on one side, and the longest gap that becomes silence.
    pub const MOST: Duration = Duration::from_secs(1);

    /// A recording that begins now.
    pub fn new(rate: SampleRate, now: Instant) -> Self {
        let (caller, agent) = (Side::new(rate), Side::new(rate));
        Self {
            rate,
            began: now,
            caller,
            agent,
            done: 0,
            now,
            finished: false,
            skipped: Duration::ZERO,
            held_back: Duration::ZERO,
        }
    }

    /// From here on the last `length` of sound is kept back, so that [`mute_caller`](Recorder::mute_caller) can still
    /// reach it. At most [`Recorder::SLACK`].
    pub fn hold_back(&mut self, length: Duration) {
        self.held_back = length.min(Self::SLACK);
    }

    /// Silences the last `length` of the caller's side, as far as it was not handed out.
    pub fn mute_caller(&mut self, length: Duration) {
        let from = self.caller.samples.len().saturating_sub(self.rate.samples_in(length));
        self.caller.samples.range_mut(from..).for_each(|sample| *sample = 0);
    }

    /// A frame of the caller, whose last sample is as old as `now`.
    pub fn caller(&mut self, frame: &Frame, now: Instant) {
        self.tell(now);
        let begins = self.samples_at(self.now).saturating_sub(frame.samples().len() as u64);
        self.caller.write(frame, begins, self.done, self.slack());
    }

    /// A frame of the agent, whose first sample is sent `now`.
    pub fn agent(&mut self, frame: &Frame, now: Instant) {
        self.tell(now);
        let begins = self.samples_at(self.now);
        self.agent.write(frame, begins, self.done, self.slack());
    }

    /// The agent's next frame is stamped this much later than the one before it: the packets between them never were.
    pub fn agent_skipped(&mut self, length: Duration, now: Instant) {
        self.tell(now);
        let latest = self.samples_at(self.now) + self.slack();
        self.agent.skip(self.rate.samples_in(length), latest, self.done);
    }

    /// The call is over: whatever is there is handed out, the shorter side filled with silence.
    pub fn finish(&mut self, now: Instant) {
        self.tell(now);
        self.finished = true;
    }

    /// How much time was left out of the recording because the process stood still.
    pub const fn skipped(&self) -> Duration {
        self.skipped
    }

    /// The next piece: caller, agent.
    pub fn poll(&mut self) -> Option<(Piece, Piece)> {
        let piece = self.rate.samples_in(Self::PIECE);
        let least = piece + self.rate.samples_in(self.held_back);
        let both = self.caller.samples.len() >= least && self.agent.samples.len() >= least;
        let patience = self.now.checked_sub(Self::PATIENCE).unwrap_or(self.began);
        let overdue = self.done + piece as u64 <= self.samples_at(patience);
        let rest = self.finished && !(self.caller.samples.is_empty() && self.agent.samples.is_empty());
        if !both && !overdue && !rest {
            return None;
        }
        self.done += piece as u64;
        Some((self.caller.take(self.rate, piece), self.agent.take(self.rate, piece)))
    }

    /// Moves on to `now`, past a gap that is too long to be recorded.
    fn tell(&mut self, now: Instant) {
        self.now = self.now.max(now);
        let written = self.done + self.caller.samples.len().max(self.agent.samples.len()) as u64;
        let behind = self.rate.duration_of(usize::try_from(written).unwrap_or(usize::MAX));
        let gap = self.now.saturating_duration_since(self.began).saturating_sub(behind);
        if gap > Self::MOST {
            self.began += gap;
            self.skipped += gap;
        }
    }

    fn samples_at(&self, at: Instant) -> u64 {
        self.rate.samples_in(at.saturating_duration_since(self.began)) as u64
    }

    fn slack(&self) -> u64 {
        self.rate.samples_in(Self::SLACK) as u64
    }
}

impl Side {
    fn new(rate: SampleRate) -> Self {
        let most = rate.samples_in(Recorder::MOST);
        Self { samples: VecDeque::with_capacity(most), most }
    }

    fn write(&mut self, frame: &Frame, begins: u64, done: u64, slack: u64) {
        let end = done + self.samples.len() as u64;
        if end > begins + slack {
            return;
        }
        if end + slack < begins {
            self.silence(usize::try_from(begins - end).unwrap_or(usize::MAX));
        }
        let room = self.most - self.samples.len();
        self.samples.extend(frame.samples().iter().take(room));
    }

    /// Silence of this length, but no further than up to `latest`.
    fn skip(&mut self, length: usize, latest: u64, done: u64) {
        let room = latest.saturating_sub(done + self.samples.len() as u64);
        self.silence(length.min(usize::try_from(room).unwrap_or(usize::MAX)));
    }

    fn silence(&mut self, length: usize) {
        let length = length.min(self.most - self.samples.len());
        self.samples.extend(std::iter::repeat_n(0, length));
    }

    fn take(&mut self, rate: SampleRate, piece: usize) -> Piece {
        let mut frame = Piece::silence(rate, Recorder::PIECE);
        let there = piece.min(self.samples.len());
        if let Some(room) = frame.samples_mut().get_mut(..there) {
            let (first, second) = self.samples.as_slices();
            let (head, tail) = room.split_at_mut(there.min(first.len()));
            head.copy_from_slice(&first[..head.len()]);
            tail.copy_from_slice(&second[..tail.len()]);
            self.samples.drain(..there);
        }
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: SampleRate = SampleRate::HZ_8000;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to begin with")]
    fn start() -> Instant {
        Instant::now()
    }

    fn frame(value: i16) -> Frame {
        Frame::from_samples(RATE, &[value; 160]).unwrap()
    }

    fn drain(recorder: &mut Recorder) -> Vec<(i16, i16)> {
        std::iter::from_fn(|| recorder.poll().map(|(caller, agent)| (caller.samples()[0], agent.samples()[0])))
            .collect()
    }

    #[test]
    fn frames_of_the_same_time_are_paired() {
        let t = start();
        let mut recorder = Recorder::new(RATE, t);
        let mut pieces = Vec::new();
        for n in 0..50i16 {
            recorder.agent(&frame(-n), t + ms(20) * n as u32);
            recorder.caller(&frame(n), t + ms(20) * (n + 1) as u32);
            pieces.extend(drain(&mut recorder));
        }
        assert_eq!(pieces, (0..50).map(|n| (n, -n)).collect::<Vec<_>>());
    }

    #[test]
    fn a_side_that_is_not_there_yet_is_silence_and_a_late_start_is_in_its_place() {
        let t = start();
        let mut recorder = Recorder::new(RATE, t);
        let mut pieces = Vec::new();
        for n in 0..100u32 {
            recorder.agent(&frame(7), t + ms(20) * n);
            if n >= 50 {
                recorder.caller(&frame(9), t + ms(20) * n + ms(20));
            }
            pieces.extend(drain(&mut recorder));
        }
        recorder.finish(t + ms(2_000));
        pieces.extend(drain(&mut recorder));
        assert_eq!(pieces.len(), 100);
        assert!(pieces.iter().all(|(_, agent)| *agent == 7));
        assert_eq!(pieces.iter().position(|(caller, _)| *caller == 9), Some(50));
    }

    #[test]
    fn jitter_makes_no_seam() {
        let t = start();
        let mut recorder = Recorder::new(RATE, t);
        let mut caller = Vec::new();
        for n in 0..200u32 {
            recorder.caller(&frame(5), t + ms(20) * n + ms(20 + u64::from(n * 37 % 60)));
            recorder.agent(&frame(0), t + ms(20) * n + ms(60));
            caller.extend(drain(&mut recorder).into_iter().map(|(caller, _)| caller));
        }
        let first = caller.iter().position(|value| *value == 5).unwrap();
        assert!(caller[first..].iter().all(|value| *value == 5));
        assert!(caller.len() >= 190);
    }

    #[test]
    fn a_process_that_stood_still_leaves_no_flood_of_silence() {
        let t = start();
        let mut recorder = Recorder::new(RATE, t);
        for n in 0..10u32 {
            recorder.caller(&frame(1), t + ms(20) * n);
            recorder.agent(&frame(1), t + ms(20) * n);
        }
        let before = drain(&mut recorder).len();
        let woken = t + Duration::from_secs(600);
        recorder.caller(&frame(2), woken);
        recorder.agent(&frame(2), woken);
        let pieces = drain(&mut recorder);
        assert!(pieces.len() <= 50, "{} pieces in one drain", pieces.len());
        assert_eq!(recorder.skipped().as_secs(), 599);
        let mut after = pieces;
        for n in 1..10u32 {
            recorder.caller(&frame(2), woken + ms(20) * n);
            recorder.agent(&frame(2), woken + ms(20) * n);
            after.extend(drain(&mut recorder));
        }
        recorder.finish(woken + ms(200));
        after.extend(drain(&mut recorder));
        assert!((19..=21).contains(&(before + after.len())), "{before} and {}", after.len());
        assert!(after.iter().filter(|piece| **piece == (2, 2)).count() >= 9, "{after:?}");
    }

    #[test]
    fn packets_that_were_skipped_are_silence_of_just_their_length() {
        let t = start();
        let mut recorder = Recorder::new(RATE, t);
        let mut agent = Vec::new();
        let mut keep = |recorder: &mut Recorder| {
            agent.extend(std::iter::from_fn(|| recorder.poll()).flat_map(|(_, agent)| agent.samples().to_vec()));
        };
        // Late by up to 90 ms each, as nothing is skipped for; then held up for 315 ms, of which 15 packets are skipped.
        for n in 0..10u32 {
            recorder.agent(&frame(1), t + ms(20) * n + ms(u64::from(n) * 10));
            keep(&mut recorder);
        }
        let woken = t + ms(200) + ms(315);
        recorder.agent_skipped(ms(300), woken);
        for n in 0..10u32 {
            recorder.agent(&frame(2), woken + ms(20) * n);
            keep(&mut recorder);
        }
        recorder.finish(woken + ms(200));
        keep(&mut recorder);
        let first = agent.iter().position(|sample| *sample == 1).unwrap();
        let last = agent.iter().rposition(|sample| *sample == 1).unwrap();
        let next = agent.iter().position(|sample| *sample == 2).unwrap();
        assert_eq!((last + 1 - first, next - last - 1), (1_600, 2_400));
    }

    #[test]
    fn neither_side_grows_without_bound() {
        let t = start();
        let mut recorder = Recorder::new(RATE, t);
        for _ in 0..1_000 {
            recorder.caller(&frame(1), t + ms(20));
        }
        assert!(recorder.caller.samples.len() <= 1_120);
    }
}
