//! When somebody speaks, in call time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::audio::{Frame, SampleRate, Vad};
use crate::conversation::Backdrop;

use super::echo::{Echo, Judgement};

/// Turns the voice detector's hops into stretches of voice with call times.
///
/// A sample's call time follows from the frame that holds it: the frame's last sample is as old as the packet that
/// brought it. Pauses shorter than [`Activity::HANGOVER`] do not end a stretch; the detector's own, shorter hangover
/// ([`Vad::HANGOVER`]) is not used: it would only blur where the voice ended and how much of it there was.
#[derive(Debug)]
pub(super) struct Activity {
    vad: Vad,
    timeline: Timeline,
    ground: Ground,
    stretch: Option<Stretch>,
}

/// What changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Change {
    /// A voiced hop: when the stretch began, how much of it was voiced, and what lies under it.
    Voice { began: Instant, voiced: Duration, over: Backdrop },
    /// The stretch is over since then.
    Silence { since: Instant },
    /// The stretch was our own voice: what was told of it is void.
    Echo,
}

impl Activity {
    /// Unvoiced for this long ends a stretch of voice.
    pub(super) const HANGOVER: Duration = Duration::from_millis(200);
    /// The most changes one frame can bring: one per hop of the longest frame at the lowest rate, and one end.
    pub(super) const MOST_CHANGES: usize = 32;
    /// A stretch of more voice than this is somebody's, whatever comes back at its end.
    const OURS: Duration = Duration::from_millis(600);

    /// Nobody has spoken yet.
    pub(super) fn new(rate: SampleRate) -> Self {
        Self { vad: Vad::new(rate), timeline: Timeline::new(rate), ground: Ground::default(), stretch: None }
    }

    /// Takes the next frame of the stream, whose last sample is as old as `end`; `echo` has taken it already.
    pub(super) fn push(
        &mut self,
        frame: &Frame,
        end: Instant,
        mut echo: Option<&mut Echo>,
        mut tell: impl FnMut(Change),
    ) {
        self.timeline.push(frame.samples().len(), end);
        let Self { vad, timeline, ground, stretch } = self;
        vad.push(frame, |hop| {
            let judged = match &mut echo {
                Some(echo) if hop.heard => echo.voiced_hop(),
                Some(echo) => echo.quiet_hop(),
                None => Judgement::Clear,
            };
            let is_ours = judged == Judgement::Echo;
            if is_ours && stretch.is_some_and(|stretch| stretch.voiced <= Self::OURS) {
                *stretch = None;
                tell(Change::Echo);
            }
            let is_voiced = hop.heard && !is_ours;
            let over = match (judged, is_voiced.then(|| stretch.map(|stretch| stretch.over))) {
                (Judgement::Over, _) => Backdrop::Echo,
                // What lies under a voice was there before it.
                (_, Some(Some(over))) => over,
                (_, Some(None)) => ground.backdrop(),
                (_, None) => Backdrop::Quiet,
            };
            ground.take(hop.level_dbfs);
            if let Some(change) = Stretch::take(stretch, hop.end, is_voiced, over, timeline) {
                tell(change);
            }
        });
    }

    /// Ends a stretch that is still open: what sounded was no voice.
    pub(super) fn break_off(&mut self) -> Option<Change> {
        self.stretch.take().map(|stretch| Change::Silence { since: stretch.ended })
    }

    /// Ends a stretch that is still open and forgets the stream.
    pub(super) fn reset(&mut self) -> Option<Change> {
        self.vad.reset();
        self.timeline.reset();
        self.stretch.take().map(|stretch| Change::Silence { since: stretch.ended })
    }
}

/// Voice with pauses shorter than the hangover.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    began: Instant,
    voiced: Duration,
    /// The end of its last voiced hop, as a sample count and as a call time.
    end: u64,
    ended: Instant,
    /// What lay under it when it began.
    over: Backdrop,
}

impl Stretch {
    /// Takes one hop, which ends at this sample.
    fn take(stretch: &mut Option<Self>, end: u64, voiced: bool, over: Backdrop, timeline: &Timeline) -> Option<Change> {
        if voiced {
            let ended = timeline.time_of(end)?;
            let begin = end.saturating_sub(timeline.rate.samples_in(Vad::HOP) as u64);
            let current = stretch.get_or_insert_with(|| Self {
                began: timeline.time_of_first(begin).unwrap_or(ended),
                voiced: Duration::ZERO,
                end,
                ended,
                over: if over == Backdrop::Echo { Backdrop::Quiet } else { over },
            });
            current.voiced += Vad::HOP;
            (current.end, current.ended) = (end, ended);
            return Some(Change::Voice { began: current.began, voiced: current.voiced, over });
        }
        let hangover = timeline.rate.samples_in(Activity::HANGOVER) as u64;
        let over = stretch.filter(|current| end.saturating_sub(current.end) >= hangover)?;
        *stretch = None;
        Some(Change::Silence { since: over.ended })
    }
}

/// How quiet it gets: the least loudness of each tenth of the last second.
#[derive(Clone, Debug)]
struct Ground {
    least: [f32; Ground::PIECES],
    hops: u32,
}

impl Ground {
    const PIECES: usize = 10;
    const PIECE: u32 = 10;
    /// A line that is never quieter than this for a second is a noisy one.
    const NOISY_DBFS: f32 = -50.0;

    fn take(&mut self, dbfs: f32) {
        if self.hops.is_multiple_of(Self::PIECE) {
            self.least.rotate_left(1);
            self.least[Self::PIECES - 1] = f32::MAX;
        }
        self.hops = self.hops.wrapping_add(1);
        self.least[Self::PIECES - 1] = self.least[Self::PIECES - 1].min(dbfs);
    }

    fn backdrop(&self) -> Backdrop {
        let is_noisy = self.least.iter().all(|&least| least > Self::NOISY_DBFS);
        if is_noisy { Backdrop::Noise } else { Backdrop::Quiet }
    }
}

impl Default for Ground {
    fn default() -> Self {
        Self { least: [f32::MIN; Self::PIECES], hops: 0 }
    }
}

/// Which sample is how old.
#[derive(Debug)]
struct Timeline {
    rate: SampleRate,
    pushed: u64,
    /// Where recent frames end, as sample counts and as call times. At most [`Timeline::FRAMES`].
    frames: VecDeque<(u64, Instant)>,
}

impl Timeline {
    /// How many frames back the detector's hops may reach.
    const FRAMES: usize = 32;

    fn new(rate: SampleRate) -> Self {
        Self { rate, pushed: 0, frames: VecDeque::with_capacity(Self::FRAMES) }
    }

    fn push(&mut self, samples: usize, end: Instant) {
        self.pushed += samples as u64;
        if self.frames.len() == Self::FRAMES {
            self.frames.pop_front();
        }
        self.frames.push_back((self.pushed, end));
    }

    fn reset(&mut self) {
        self.pushed = 0;
        self.frames.clear();
    }

    /// When the sound up to sample `count` ended: counted back from the end of the frame that holds sample `count - 1`.
    fn time_of(&self, count: u64) -> Option<Instant> {
        self.dated(count, count)
    }

    /// When sample `index` began: counted back from the end of the frame that holds it.
    fn time_of_first(&self, index: u64) -> Option<Instant> {
        self.dated(index + 1, index)
    }

    fn dated(&self, within: u64, index: u64) -> Option<Instant> {
        let (end, at) = self.frames.iter().find(|(end, _)| *end >= within).or(self.frames.back())?;
        let back = usize::try_from(end.saturating_sub(index)).unwrap_or(usize::MAX);
        Some(at.checked_sub(self.rate.duration_of(back)).unwrap_or(*at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::wav::Wav;

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
        let mut timeline = Timeline::new(RATE);
        for arrival in [20, 45, 60] {
            timeline.push(160, t + ms(arrival));
        }
        for (count, at) in [(80, 10), (160, 20), (240, 35), (320, 45), (400, 50), (480, 60)] {
            assert_eq!(timeline.time_of(count), Some(t + ms(at)), "the end of {count} samples");
        }
        for (index, at) in [(0, 0), (80, 10), (160, 25), (240, 35), (320, 40)] {
            assert_eq!(timeline.time_of_first(index), Some(t + ms(at)), "the beginning of sample {index}");
        }
    }

    /// Feeds one hop of 10 ms per character, `v` voiced, in frames of 20 ms that come in time. Times in ms.
    fn told(hops: &str) -> Vec<String> {
        let t = start();
        let (mut timeline, mut stretch) = (Timeline::new(RATE), None);
        let since = |at: Instant| at.saturating_duration_since(t).as_millis();
        let mut told = Vec::new();
        for (n, hop) in hops.chars().enumerate() {
            if n % 2 == 0 {
                timeline.push(160, t + ms(20) + ms(10) * n as u32);
            }
            match Stretch::take(&mut stretch, 80 * (n as u64 + 1), hop == 'v', Backdrop::Quiet, &timeline) {
                Some(Change::Voice { began, voiced, .. }) => {
                    told.push(format!("{}+{}", since(began), voiced.as_millis()))
                }
                Some(Change::Silence { since: at }) => told.push(format!("silent since {} at hop {n}", since(at))),
                Some(Change::Echo) | None => {}
            }
        }
        told
    }

    #[test]
    fn every_voiced_hop_is_told_with_its_beginning_and_the_end_once() {
        let told = told(&("...".to_owned() + "vvvvvvvvv" + &".".repeat(50)));
        assert_eq!(told[..4], ["30+10", "30+20", "30+30", "30+40"]);
        assert_eq!(told[8..], ["30+90", "silent since 120 at hop 31"]);
    }

    #[test]
    fn a_pause_below_the_hangover_keeps_the_stretch_and_one_as_long_ends_it() {
        // 190 or 200 ms of pause.
        let pause = |hops: usize| told(&("vvvvvvv".to_owned() + &".".repeat(hops) + "v"));
        assert_eq!(pause(19)[6..], ["0+70", "0+80"]);
        assert_eq!(pause(20)[6..], ["0+70", "silent since 70 at hop 26", "270+10"]);
    }

    #[test]
    fn a_line_is_noisy_when_it_has_not_been_quiet_for_a_second() {
        let mut ground = Ground::default();
        let mut after = |dbfs: f32, hops| {
            (0..hops).for_each(|_| ground.take(dbfs));
            ground.backdrop()
        };
        assert_eq!(after(-30.0, 85), Backdrop::Quiet, "the beginning counts as quiet");
        assert_eq!(after(-30.0, 15), Backdrop::Noise);
        assert_eq!(after(-60.0, 1), Backdrop::Quiet);
        assert_eq!(after(-30.0, 90), Backdrop::Quiet);
        assert_eq!(after(-30.0, 20), Backdrop::Noise);
    }

    #[test]
    fn silence_alone_tells_nothing() {
        assert_eq!(told(&".".repeat(100)).len(), 0);
    }

    #[test]
    fn real_speech_begins_and_ends_where_its_labels_say() {
        let path = |name| format!("{}/fixtures/audio/{name}", env!("CARGO_MANIFEST_DIR"));
        for (name, length) in [("caller-time", 1_950u64), ("stop", 480), ("hello", 460)] {
            let voice = Wav::parse(&std::fs::read(path(format!("{name}.wav"))).unwrap()).unwrap().into_mono();
            let mut sound = vec![0i16; 8_000];
            sound.extend(voice);
            sound.extend([0i16; 8_000]);
            let (t, mut activity) = (start(), Activity::new(RATE));
            let (mut began, mut ended) = (None, Vec::new());
            for (n, samples) in sound.chunks_exact(160).enumerate() {
                let end = ms(20) * (n as u32 + 1);
                let frame = Frame::from_samples(RATE, samples).unwrap();
                activity.push(&frame, t + end, None, |change| match change {
                    Change::Voice { began: at, .. } => _ = began.get_or_insert(at.saturating_duration_since(t)),
                    Change::Echo => {}
                    Change::Silence { since } => ended.push((since.saturating_duration_since(t), end)),
                });
            }
            let began = began.unwrap();
            assert!(began.abs_diff(ms(1_000)) <= ms(60), "{name} began at {began:?}");
            let [(since, told)] = ended[..] else { panic!("{name} ended {ended:?}") };
            let label = ms(1_000 + length);
            assert!(since.abs_diff(label) <= ms(60), "{name} ended at {since:?}, labelled {label:?}");
            assert!(told >= since + Activity::HANGOVER && told <= since + Activity::HANGOVER + ms(30), "{told:?}");
        }
    }
}
