//! The recogniser of one call, and the sound it may have to hear again.

use std::task::{Context, Poll};
use std::time::Duration;

use super::quiet::{Moment, Quiet};
use super::replies::poll_once;
use super::ring::Ring;
use crate::audio::{Frame, SampleRate};
use crate::provider::{SttEvent, SttStream};

/// Everything a caller says goes through here on its way to a recogniser: soon while that one keeps up, from the [`Ring`]
/// when it does not or when another one has to hear the last seconds again.
///
/// Each message costs a wake of the recogniser's task and a system call, more than all else on the packet's way, so sound
/// goes in pieces. The beginning of a voice, its end and a question leave at once; only what nobody waits for is kept back:
///
/// ```text
/// caller   ······▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇·····································
/// piece     120 │↑        60 ms    │↑     40 ms for 1.5 s     │ 120 ms
///              onset              end
/// ```
#[derive(Debug)]
pub(super) struct Hearing {
    ring: Ring,
    /// What came since `next`, as it came; empty when the recogniser is behind by more than this holds.
    fresh: Frame,
    /// `None`: no recogniser is at work.
    stream: Option<SttStream>,
    /// Which recogniser that is.
    rank: u8,
    /// The sound of the call before the first the stream was given: the stream counts from there.
    base: Duration,
    /// The position of the next sound for the stream.
    next: u64,
    /// The stream is to be asked for what it has once it has been given all there is.
    finalize: bool,
    quiet: Quiet,
    /// What waits is not to go yet: it is no whole piece.
    held: bool,
    /// Sound that no recogniser was given and none can be given any more, in samples.
    missed: u64,
}

impl Hearing {
    /// Sound handed over at a time, when it is not handed over as it comes.
    const PIECE: Duration = Duration::from_millis(120);

    /// How much of a voice is handed over at once: the words of a part of it may come so much later.
    const VOICE_PIECE: Duration = Duration::from_millis(60);

    /// How much of the silence after it, in which the recogniser finds the end of a turn.
    const PAUSE_PIECE: Duration = Duration::from_millis(40);

    /// How much of a quiet caller.
    const QUIET_PIECE: Duration = Duration::from_millis(120);

    /// The first choice hears the call from its beginning.
    pub(super) fn new(rate: SampleRate, stream: SttStream) -> Self {
        Self {
            ring: Ring::new(rate),
            fresh: Frame::empty(rate),
            stream: Some(stream),
            rank: 0,
            base: Duration::ZERO,
            next: 0,
            finalize: false,
            quiet: Quiet::new(),
            held: false,
            missed: 0,
        }
    }

    /// Which recogniser is at work, or was last.
    pub(super) const fn rank(&self) -> u8 {
        self.rank
    }

    /// Caller's sound that no recogniser was given.
    pub(super) fn unheard(&self) -> Duration {
        let waiting = if self.stream.is_none() { self.ring.end() - self.next } else { 0 };
        self.ring.time(self.missed + waiting)
    }

    /// Hands over sound that came `at`, since the call began, as soon as it is a whole piece. Never waits: what the recogniser
    /// has no room for is kept for it.
    pub(super) fn hear<const N: usize>(&mut self, frame: &Frame<N>, at: Duration) {
        if self.fresh.samples().len() + frame.samples().len() > Frame::CAPACITY {
            self.feed();
        }
        let follows = self.next + self.fresh.samples().len() as u64 == self.ring.end();
        let moment = self.quiet.hear(frame.samples());
        self.ring.push(frame, self.quiet.is_still(), at);
        if follows && frame.rate() == self.fresh.rate() {
            self.fresh.push(frame.samples());
        }
        let piece = match moment {
            Moment::Onset | Moment::End => Duration::ZERO,
            Moment::Voice => Self::VOICE_PIECE,
            Moment::Pause => Self::PAUSE_PIECE,
            Moment::Quiet => Self::QUIET_PIECE,
        };
        self.held = self.ring.time(self.ring.end() - self.next) < piece && !self.finalize;
        if !self.held {
            self.feed();
        }
    }

    /// Asks the recogniser for what it has, behind the sound that waits for it.
    pub(super) fn finalize(&mut self) {
        self.finalize = self.stream.is_some();
        self.held = false;
        self.feed();
    }

    /// Hands over what waits, as much as there is room for.
    pub(super) fn feed(&mut self) {
        // A recogniser that is further behind than the ring is long has missed what is gone.
        self.skip_to(self.ring.begin());
        let Some(stream) = &mut self.stream else { return self.fresh.clear() };
        if stream.has_room()
            && self.next + self.fresh.samples().len() as u64 == self.ring.end()
            && !self.fresh.is_empty()
        {
            stream.send(&self.fresh);
            self.next = self.ring.end();
        }
        self.fresh.clear();
        while self.next < self.ring.end() && stream.has_room() {
            let frame = self.ring.read(self.next, Self::PIECE);
            self.next += frame.samples().len() as u64;
            stream.send(&frame);
        }
        if self.finalize && self.next == self.ring.end() && stream.has_room() {
            stream.finalize();
            self.finalize = false;
        }
    }

    /// Lets the recogniser of `rank` hear everything since then and go on with what comes. The one before is dropped, and
    /// whatever it still had to say.
    pub(super) fn rehear(&mut self, rank: u8, stream: SttStream, since: Duration) {
        let position = self.ring.position(since);
        self.skip_to(position);
        self.next = position;
        self.base = self.ring.time(self.next);
        (self.stream, self.rank, self.finalize, self.held) = (Some(stream), rank, false, false);
        self.fresh.clear();
        self.feed();
    }

    /// Drops the recogniser: it has failed.
    pub(super) fn stop(&mut self) {
        (self.stream, self.finalize) = (None, false);
    }

    /// What the recogniser says, its times counted from the beginning of the call; `None`: its stream has ended. Pending
    /// forever when there is none.
    pub(super) fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<SttEvent>> {
        let Some(stream) = &mut self.stream else { return Poll::Pending };
        poll_once(stream.recv(), cx).map(|mut event| {
            if let Some(SttEvent::Transcript(transcript)) = &mut event {
                transcript.audio_end = transcript.audio_end.map(|end| end + self.base);
            }
            event
        })
    }

    /// Waits until the recogniser has room for what waits; `None` when nothing does. To be kept while it waits.
    pub(super) fn room(&self) -> Option<impl Future<Output = ()> + Send + use<>> {
        let waits = (self.next < self.ring.end() && !self.held) || self.finalize;
        self.stream.as_ref().filter(|_| waits).map(SttStream::room)
    }

    /// What lies before `position` and was not handed over is not handed over any more.
    fn skip_to(&mut self, position: u64) {
        let missed = position.saturating_sub(self.next);
        (self.missed, self.next) = (self.missed + missed, self.next + missed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::g711::ulaw_to_linear;
    use crate::conversation::{Transcript, TranscriptKind};
    use crate::provider::SttCommand;
    use std::future::poll_fn;
    use tokio::sync::mpsc;

    const PTIME: Duration = Duration::from_millis(20);

    fn frame(n: u32) -> Frame {
        Frame::from_samples(SampleRate::HZ_8000, &[ulaw_to_linear((n % 120) as u8); 160]).unwrap()
    }

    /// A recogniser that passes on what it is told, as long as `told` has room.
    fn ears(told: mpsc::Sender<SttCommand>) -> SttStream {
        SttStream::spawn(|mut commands, events| async move {
            while let Some(command) = commands.recv().await {
                told.send(command).await.unwrap();
            }
            drop(events);
        })
    }

    /// A recogniser that takes nothing.
    fn stuck() -> SttStream {
        SttStream::spawn(|commands, events| async move {
            let _held = (commands, events);
            std::future::pending().await
        })
    }

    fn hear(hearing: &mut Hearing, frames: std::ops::Range<u32>) {
        for n in frames {
            hearing.hear(&frame(n), PTIME * (n + 1));
        }
    }

    /// Takes `count` samples from a recogniser, feeding it as a driver does.
    async fn samples(hearing: &mut Hearing, told: &mut mpsc::Receiver<SttCommand>, count: usize) -> Vec<i16> {
        let mut samples = Vec::new();
        while samples.len() < count {
            let room = hearing.room();
            tokio::select! {
                () = async { room.unwrap().await }, if room.is_some() => hearing.feed(),
                command = told.recv() => match command.unwrap() {
                    SttCommand::Audio { samples: sound, .. } => samples.extend_from_slice(&sound),
                    SttCommand::Finalize => panic!("before all sound was handed over"),
                },
            }
        }
        samples
    }

    fn values(range: std::ops::Range<u32>) -> Vec<i16> {
        range.flat_map(|n| [ulaw_to_linear((n % 120) as u8); 160]).collect()
    }

    #[tokio::test]
    async fn another_recogniser_hears_the_last_seconds_again_and_then_what_comes() {
        let (told, mut heard) = mpsc::channel(1);
        let mut hearing = Hearing::new(SampleRate::HZ_8000, stuck());
        hear(&mut hearing, 0..900);
        hearing.rehear(1, ears(told), PTIME * 100);
        hear(&mut hearing, 900..905);
        hearing.finalize();
        assert_eq!(hearing.rank(), 1);
        let sound = samples(&mut hearing, &mut heard, 805 * 160).await;
        assert!(sound == values(100..905), "from that moment on, without gap or repetition");
        assert!(matches!(heard.recv().await, Some(SttCommand::Finalize)));
        assert!(hearing.room().is_none());
        hear(&mut hearing, 905..910);
        assert!(samples(&mut hearing, &mut heard, 480).await == values(905..908), "as it comes");
        assert_eq!(hearing.unheard(), Duration::ZERO);
    }

    #[tokio::test]
    async fn a_recogniser_that_falls_behind_loses_only_what_the_ring_cannot_keep() {
        let (told, mut heard) = mpsc::channel(1);
        let mut hearing = Hearing::new(SampleRate::HZ_8000, ears(told));
        // Nothing yields: the recogniser's task does not run meanwhile.
        hear(&mut hearing, 0..900);
        assert!(samples(&mut hearing, &mut heard, 900 * 160).await == values(0..900));
        assert_eq!(hearing.unheard(), Duration::ZERO);
        hear(&mut hearing, 900..2_500);
        let kept = 1_000;
        let missed = (hearing.unheard().as_millis() / PTIME.as_millis()) as u32;
        let queued = 1_600 - kept - missed;
        assert!((SttStream::COMMANDS as u32..1_600 - kept).contains(&queued), "{queued} frames were taken at once");
        let mut expected = values(900..900 + queued);
        expected.extend(values(2_500 - kept..2_500));
        assert!(samples(&mut hearing, &mut heard, expected.len()).await == expected);
        assert_eq!(hearing.unheard(), PTIME * missed);
    }

    #[tokio::test]
    async fn a_voice_begins_and_ends_at_once_and_a_quiet_caller_is_heard_in_larger_pieces() {
        let (told, mut heard) = mpsc::channel(256);
        let mut hearing = Hearing::new(SampleRate::HZ_8000, ears(told));
        let loud: Frame = Frame::from_samples(SampleRate::HZ_8000, &[2_000; 160]).unwrap();
        let mut pieces = async |hearing: &mut Hearing, frame: &Frame, frames: u32| {
            for _ in 0..frames {
                hearing.hear(frame, Duration::ZERO);
                tokio::task::yield_now().await;
            }
            let mut lengths = Vec::new();
            while let Ok(SttCommand::Audio { samples, .. }) = heard.try_recv() {
                lengths.push(samples.len() / 160);
            }
            lengths
        };
        let silence = Frame::silence(SampleRate::HZ_8000, PTIME);
        assert_eq!(pieces(&mut hearing, &loud, 10).await, [1, 3, 3, 3], "its beginning at once");
        assert_eq!(pieces(&mut hearing, &silence, 5).await, [3, 2], "its end at once");
        assert_eq!(pieces(&mut hearing, &silence, 70).await, [2; 35], "a recogniser waits for the end of the turn");
        assert_eq!(pieces(&mut hearing, &silence, 12).await, [6, 6]);
        assert_eq!(pieces(&mut hearing, &silence, 2).await, [0; 0]);
        assert!(hearing.room().is_none(), "it is not for want of room");
        assert_eq!(pieces(&mut hearing, &loud, 2).await, [3], "with the voice all of it");
        pieces(&mut hearing, &silence, 89).await;
        hearing.finalize();
        tokio::task::yield_now().await;
        assert_eq!(pieces(&mut hearing, &silence, 0).await, [2], "all there is before the question");
        assert_eq!(hearing.unheard(), Duration::ZERO);
    }

    #[tokio::test]
    async fn a_recogniser_that_keeps_up_hears_wideband_sound_as_it_came() {
        let (told, mut heard) = mpsc::channel(1);
        let mut hearing = Hearing::new(SampleRate::HZ_16000, ears(told));
        // µ-law would make other values of them.
        let sound: Vec<i16> = (0..320 * 12).map(|n| (n % 1_999) * 13).collect();
        for (n, samples) in sound.chunks(320).enumerate() {
            let frame: Frame = Frame::from_samples(SampleRate::HZ_16000, samples).unwrap();
            hearing.hear(&frame, PTIME * n as u32);
            tokio::task::yield_now().await;
        }
        hearing.finalize();
        assert!(samples(&mut hearing, &mut heard, sound.len()).await == sound);
    }

    #[tokio::test]
    async fn nothing_of_a_recogniser_that_was_replaced_is_told() {
        let says = |text: &str| {
            SttEvent::Transcript(Transcript {
                kind: TranscriptKind::Final,
                text: text.into(),
                confidence: 0.9,
                audio_end: Some(PTIME * 3),
            })
        };
        let speaker = |event: SttEvent| {
            SttStream::spawn(|commands, events| async move {
                events.send(event).await.unwrap();
                drop(commands);
            })
        };
        let mut hearing = Hearing::new(SampleRate::HZ_8000, speaker(says("old")));
        hear(&mut hearing, 0..50);
        tokio::task::yield_now().await;
        hearing.rehear(1, speaker(says("new")), PTIME * 40);
        let event = poll_fn(|cx| hearing.poll_event(cx)).await;
        let Some(SttEvent::Transcript(told)) = event else { panic!("{event:?}") };
        assert_eq!((told.text.as_str(), told.audio_end), ("new", Some(PTIME * 43)), "in sound of the call");
        assert_eq!(poll_fn(|cx| hearing.poll_event(cx)).await, None, "its stream has ended");
    }

    #[tokio::test]
    async fn sound_between_two_recognisers_can_still_be_heard() {
        let (told, mut heard) = mpsc::channel(1);
        let mut hearing = Hearing::new(SampleRate::HZ_8000, stuck());
        hearing.stop();
        hear(&mut hearing, 0..50);
        assert!(hearing.room().is_none());
        assert_eq!(hearing.unheard(), PTIME * 50);
        hearing.finalize();
        hearing.rehear(0, ears(told), Duration::ZERO);
        assert!(samples(&mut hearing, &mut heard, 50 * 160).await == values(0..50));
        assert_eq!(hearing.unheard(), Duration::ZERO);
    }
}
