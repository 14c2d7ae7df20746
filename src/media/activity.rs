//! When somebody speaks, in call time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::audio::{Frame, SampleRate, Vad};

/// Turns the voice detector's hops into stretches of voice with call times.
///
/// A sample's call time follows from the frame that holds it: the frame's last sample is as old as the packet that
/// brought it. Pauses shorter than [`Activity::HANGOVER`] do not end a stretch.
#[derive(Debug)]
pub(super) struct Activity {
    vad: Vad,
    rate: SampleRate,
    pushed: u64,
    /// Where recent frames end, as sample counts and as call times. At most [`Activity::ANCHORS`].
    anchors: VecDeque<(u64, Instant)>,
    stretch: Option<Stretch>,
}

#[derive(Clone, Copy, Debug)]
struct Stretch {
    began: Instant,
    voiced: Duration,
    /// The end of its last voiced hop.
    end: u64,
    ended: Instant,
}

/// What changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Change {
    /// A voiced hop: when the stretch began and how much of it was voiced.
    Voice { began: Instant, voiced: Duration },
    /// The stretch is over since then.
    Silence { since: Instant },
}

impl Activity {
    /// Unvoiced for this long ends a stretch of voice.
    pub(super) const HANGOVER: Duration = Duration::from_millis(200);
    /// The most changes one frame can bring: one per hop of the longest frame at the lowest rate, and one end.
    pub(super) const MOST_CHANGES: usize = 32;
    /// How many frames back the detector's hops may reach.
    const ANCHORS: usize = 32;

    /// Nobody has spoken yet.
    pub(super) fn new(rate: SampleRate) -> Self {
        let anchors = VecDeque::with_capacity(Self::ANCHORS);
        Self { vad: Vad::new(rate), rate, pushed: 0, anchors, stretch: None }
    }

    /// Takes the next frame of the stream, whose last sample is as old as `end`.
    pub(super) fn push(&mut self, frame: &Frame, end: Instant, mut tell: impl FnMut(Change)) {
        self.pushed += frame.samples().len() as u64;
        if self.anchors.len() == Self::ANCHORS {
            self.anchors.pop_front();
        }
        self.anchors.push_back((self.pushed, end));
        let hop_length = self.rate.samples_in(Vad::HOP) as u64;
        let hangover = self.rate.samples_in(Self::HANGOVER) as u64;
        let Self { vad, rate, anchors, stretch, .. } = self;
        vad.push(frame, |hop| {
            // Our own hangover bridges the pauses; the detector's would only blur where the voice ended.
            if hop.heard {
                let ended = time_of(anchors, *rate, hop.end).unwrap_or(end);
                let current = stretch.get_or_insert_with(|| Stretch {
                    began: time_of(anchors, *rate, hop.end.saturating_sub(hop_length)).unwrap_or(ended),
                    voiced: Duration::ZERO,
                    end: hop.end,
                    ended,
                });
                current.voiced += Vad::HOP;
                (current.end, current.ended) = (hop.end, ended);
                tell(Change::Voice { began: current.began, voiced: current.voiced });
            } else if let Some(current) = *stretch
                && hop.end.saturating_sub(current.end) >= hangover
            {
                *stretch = None;
                tell(Change::Silence { since: current.ended });
            }
        });
    }

    /// Ends a stretch that is still open and forgets the stream.
    pub(super) fn reset(&mut self) -> Option<Change> {
        self.vad.reset();
        self.pushed = 0;
        self.anchors.clear();
        self.stretch.take().map(|stretch| Change::Silence { since: stretch.ended })
    }
}

/// The call time of the moment `index` samples into the stream: counted back from the end of the frame that holds the
/// sample before it.
fn time_of(anchors: &VecDeque<(u64, Instant)>, rate: SampleRate, index: u64) -> Option<Instant> {
    let (end, at) = anchors.iter().find(|(end, _)| *end >= index.max(1)).or(anchors.back())?;
    let back = usize::try_from(end.saturating_sub(index)).unwrap_or(usize::MAX);
    Some(at.checked_sub(rate.duration_of(back)).unwrap_or(*at))
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
        Instant::now() + Duration::from_secs(100)
    }

    #[test]
    fn a_moment_is_dated_by_the_frame_that_holds_it() {
        let t = start();
        // Frames of 20 ms that came at 20, 45 and 60 ms.
        let anchors: VecDeque<_> = [(160, t + ms(20)), (320, t + ms(45)), (480, t + ms(60))].into();
        for (index, at) in [(0, ms(0)), (80, ms(10)), (160, ms(20)), (240, ms(35)), (320, ms(45)), (480, ms(60))] {
            assert_eq!(time_of(&anchors, RATE, index), Some(t + at), "sample {index}");
        }
        assert_eq!(time_of(&anchors, RATE, 161), Some(t + ms(25) + RATE.duration_of(1) - Duration::ZERO));
    }

    /// Pushes 20 ms frames of a 200 Hz pulse train where `loud` says so; frame n comes at 20·(n + 1) ms.
    fn changes(frames: usize, loud: impl Fn(usize) -> bool) -> Vec<(usize, Change, Instant)> {
        let t = start();
        let mut activity = Activity::new(RATE);
        let mut seen = Vec::new();
        for n in 0..frames {
            let mut samples = [0i16; 160];
            if loud(n) {
                for (at, sample) in samples.iter_mut().enumerate() {
                    let phase = (at % 40) as f32;
                    *sample = (9_000.0 * (-phase / 12.0).exp() * (phase * 0.45).cos()) as i16;
                }
            }
            let frame = Frame::from_samples(RATE, &samples).unwrap();
            activity.push(&frame, t + ms(20) * (n as u32 + 1), |change| seen.push((n, change, t)));
        }
        seen
    }

    #[test]
    fn a_stretch_begins_at_its_first_sample_and_ends_once() {
        let seen = changes(150, |n| (50..100).contains(&n));
        let Some((_, Change::Voice { began, .. }, t)) = seen.first().copied() else { panic!("no voice: {seen:?}") };
        let onset = began.saturating_duration_since(t);
        assert!((ms(970)..=ms(1_060)).contains(&onset), "{onset:?}");
        let ends: Vec<_> = seen.iter().filter(|(_, change, _)| matches!(change, Change::Silence { .. })).collect();
        let [(frame, Change::Silence { since }, _)] = ends[..] else { panic!("ends: {ends:?}") };
        let since = since.saturating_duration_since(t);
        assert!((ms(1_950)..=ms(2_120)).contains(&since), "{since:?}");
        let told = ms(20) * (*frame as u32 + 1);
        assert!((ms(200)..=ms(260)).contains(&(told - since)), "told at {told:?} of {since:?}");
    }

    #[test]
    fn the_voiced_time_grows_hop_by_hop_and_short_pauses_keep_the_stretch() {
        // A pause of 100 ms in the middle.
        let seen = changes(150, |n| (50..70).contains(&n) || (75..100).contains(&n));
        let mut before = Duration::ZERO;
        let mut begins = Vec::new();
        for (_, change, _) in &seen {
            if let Change::Voice { began, voiced } = change {
                assert_eq!(*voiced, before + Vad::HOP);
                before = *voiced;
                begins.push(*began);
            }
        }
        begins.dedup();
        assert_eq!(begins.len(), 1);
        assert!(before >= ms(700), "{before:?}");
    }

    #[test]
    fn silence_alone_tells_nothing() {
        assert_eq!(changes(200, |_| false).len(), 0);
    }
}
