//! The caller's side of one session: sound on its way up, utterances on their way back.

use std::collections::VecDeque;
use std::time::Duration;

use crate::audio::{Codec, Encoder, Frame, Resampler, SampleRate};
use crate::conversation::{Transcript, TranscriptKind};
use crate::provider::listening::ReplayBuffer;
use crate::provider::stt::count_dropped_audio;

/// Sound that was not understood yet, and the utterances that were committed.
pub(super) struct Hearing {
    rate: SampleRate,
    encoder: Encoder,
    resampler: Option<Resampler>,
    buffer: ReplayBuffer,
    /// Where the next sound to be sent stands in the call, and where what was committed last ends.
    sent: Duration,
    committed: Duration,
    /// The caller wants what there is.
    asked: bool,
    /// Since where in the call nothing was heard but silence.
    quiet_since: Duration,
    /// Commits the server has not confirmed: where each ends.
    commits: VecDeque<Duration>,
    utterances: VecDeque<Utterance>,
}

/// One committed stretch of sound.
#[derive(Debug)]
struct Utterance {
    item: String,
    ends: Duration,
    words: String,
    is_done: bool,
}

impl Hearing {
    /// Less than this the server does not take.
    const LEAST: Duration = Duration::from_millis(100);
    /// So much silence is let go when the server has so much sound nobody asked about.
    const IDLE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(15));
    /// Utterances that wait for their words; more than these are not waited for.
    const MOST: usize = 32;

    /// Nothing was heard yet, on a line at `rate`.
    pub(super) fn new(rate: SampleRate) -> Self {
        let out = Self::wire_rate(rate);
        let bytes = if out == SampleRate::HZ_8000 { 1 } else { 2 };
        Self {
            rate,
            encoder: Encoder::new(Codec::Pcmu),
            resampler: (out != rate).then(|| Resampler::new(rate, out)),
            buffer: ReplayBuffer::new(out.hz(), bytes),
            sent: Duration::ZERO,
            committed: Duration::ZERO,
            asked: false,
            quiet_since: Duration::ZERO,
            commits: VecDeque::new(),
            utterances: VecDeque::new(),
        }
    }

    /// The rate of a line's sound on the wire: µ-law at 8 kHz as it is, 24 kHz for all others.
    pub(super) fn wire_rate(line: SampleRate) -> SampleRate {
        if line == SampleRate::HZ_8000 { line } else { SampleRate::HZ_24000 }
    }

    /// The rate of the line.
    pub(super) const fn rate(&self) -> SampleRate {
        self.rate
    }

    /// Keeps more of the caller's sound.
    pub(super) fn push(&mut self, samples: &[i16]) {
        let is_quiet = samples.iter().all(|sample| sample.unsigned_abs() < QUIET);
        let mut bytes = Vec::with_capacity(2 * samples.len());
        match &mut self.resampler {
            Some(resampler) => {
                let mut wide = Vec::new();
                resampler.process(samples, |more| wide.extend_from_slice(more));
                bytes.extend(wide.into_iter().flat_map(i16::to_le_bytes));
            }
            None => {
                for piece in samples.chunks(Frame::CAPACITY) {
                    let at = bytes.len();
                    bytes.resize(at + piece.len(), 0);
                    self.encoder.encode(piece, bytes.get_mut(at..).unwrap_or_default());
                }
            }
        }
        if !self.buffer.push(&bytes) {
            count_dropped_audio();
        }
        if !is_quiet {
            self.quiet_since = Duration::MAX;
        } else if self.quiet_since == Duration::MAX {
            self.quiet_since = self.sent;
        }
    }

    /// The caller wants what there is.
    pub(super) fn ask(&mut self) {
        self.asked = true;
    }

    /// The next sound to be sent.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let sound = self.buffer.take(PIECE);
        let rate = Self::wire_rate(self.rate);
        let samples = if rate == SampleRate::HZ_8000 { sound.len() } else { sound.len() / 2 };
        self.sent += rate.duration_of(samples);
        sound
    }

    /// What is to be asked behind the sound that was sent.
    pub(super) fn wish(&mut self) -> Wish {
        let waiting = self.sent.saturating_sub(self.committed);
        if std::mem::take(&mut self.asked) {
            if waiting < Self::LEAST {
                return Wish::Nothing { settled: true };
            }
            self.committed = self.sent;
            self.commits.push_back(self.sent);
            return Wish::Commit;
        }
        let (quiet, most) = Self::IDLE;
        if waiting >= most && self.sent.saturating_sub(self.quiet_since) >= quiet {
            self.committed = self.sent;
            self.buffer.settle(self.sent);
            return Wish::Clear;
        }
        Wish::Nothing { settled: false }
    }

    /// The server has made an item of what was committed.
    pub(super) fn is_item(&mut self, item: String) {
        let ends = self.commits.pop_front().unwrap_or(self.sent);
        if self.utterances.len() >= Self::MOST {
            self.utterances.pop_front();
        }
        self.utterances.push_back(Utterance { item, ends, words: String::new(), is_done: false });
    }

    /// The server had nothing to commit.
    pub(super) fn is_empty(&mut self) -> Transcript {
        self.commits.pop_front();
        transcript(TranscriptKind::Final, String::new(), None)
    }

    /// More words of an item: those of the oldest are told as they come.
    pub(super) fn words(&mut self, item: &str, delta: &str) -> Option<Transcript> {
        let is_first = self.utterances.front().is_some_and(|first| first.item == item);
        let utterance = self.utterances.iter_mut().find(|utterance| utterance.item == item)?;
        utterance.words.push_str(delta);
        let is_told = is_first && !utterance.words.trim().is_empty();
        is_told.then(|| transcript(TranscriptKind::Interim, utterance.words.clone(), Some(utterance.ends)))
    }

    /// All words of an item, `None` if there are none to be had; gives what may be told now, in the order it was said.
    pub(super) fn complete(&mut self, item: &str, words: Option<String>) -> Vec<Transcript> {
        if let Some(utterance) = self.utterances.iter_mut().find(|utterance| utterance.item == item) {
            utterance.words = words.unwrap_or_default();
            utterance.is_done = true;
        }
        let mut told = Vec::new();
        while self.utterances.front().is_some_and(|first| first.is_done) {
            if let Some(first) = self.utterances.pop_front() {
                self.buffer.settle(first.ends);
                told.push(transcript(TranscriptKind::Final, first.words.trim().to_owned(), Some(first.ends)));
            }
        }
        told
    }

    /// A new connection takes all that was not understood; how much was lost meanwhile, of the whole call.
    pub(super) fn rewind(&mut self) -> Duration {
        let begins = self.buffer.rewind();
        self.asked |= !self.commits.is_empty() || !self.utterances.is_empty();
        (self.sent, self.committed) = (begins, begins);
        self.quiet_since = Duration::MAX;
        self.commits.clear();
        self.utterances.clear();
        self.buffer.lost()
    }
}

/// What is to be asked of the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wish {
    /// Nothing; `settled`: though the caller asked, for there is nothing to be had.
    Nothing { settled: bool },
    /// To make an item of what it has.
    Commit,
    /// To forget what it has.
    Clear,
}

fn transcript(kind: TranscriptKind, text: String, audio_end: Option<Duration>) -> Transcript {
    Transcript { kind, text, confidence: 1.0, audio_end }
}

/// How much sound one message carries at most.
const PIECE: Duration = Duration::from_millis(100);
/// What stays below this has no voice in it (−36 dBFS peak).
const QUIET: u16 = 512;
