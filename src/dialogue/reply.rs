//! One reply on its way from the model to the caller's ear.

use std::time::{Duration, Instant};

use crate::conversation::{ReplyId, WordTime};

use super::hedging::Backup;
use super::segment::Segmenter;
use super::spoken::Wording;
use super::{EndReason, Timing};

/// What a fast speaker needs for a byte of text.
const FASTEST: Duration = Duration::from_millis(60);
/// The most that is taken as heard of a text whose sound is still coming.
const UNFINISHED: f32 = 0.99;

/// What a reply is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    /// The model answers the caller.
    Answer,
    /// The agent's first words.
    Greeting,
    /// Words from outside.
    Say,
    /// No answer could be made.
    Apology,
    /// "Are you still there?", "I didn't catch that".
    Prompt,
    /// The caller waits for a tool.
    Filler,
    /// Who calls and why, for a call screening.
    Screening,
    /// The message for a machine that takes messages.
    Voicemail,
    /// The last words.
    Goodbye,
}

/// One reply on its way from the model to the caller's ear.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) id: ReplyId,
    /// Under which id its sound comes: its own, or its backup voice's.
    pub(super) voice: ReplyId,
    pub(super) backup: Backup,
    pub(super) purpose: Purpose,
    /// Whether the caller may talk it down.
    pub(super) interruptible: bool,
    /// The call ends when it has been heard; whether the caller may talk the agent out of that.
    pub(super) hangs_up: Option<(EndReason, bool)>,
    pub(super) segmenter: Segmenter,
    /// What was handed to the voice, as it was written and as it is spoken.
    pub(super) text: Wording,
    pub(super) words: Vec<WordTime>,
    /// When it was last handed some.
    pub(super) spoken: Option<Instant>,
    /// Whether the model is still writing.
    pub(super) generating: bool,
    /// Tools it asked for.
    pub(super) calls: usize,
    /// Whether a service failed it, so that what is heard is not the whole.
    pub(super) broken: bool,
    /// Whether its voice has failed and what had come of it is being heard.
    pub(super) is_last_of_voice: bool,
    /// Whether the voice was told that no more text comes.
    pub(super) closed: bool,
    /// Whether there is sound.
    pub(super) ready: bool,
    /// Whether the playout was told to play it.
    pub(super) playing: bool,
    /// When its first packet left …
    pub(super) sounding: Option<Instant>,
    /// … and the first one of the voice that speaks.
    pub(super) started: Option<Instant>,
    /// Whether the playout has run dry.
    pub(super) starved: Option<Instant>,
    /// The whole length of its sound.
    pub(super) length: Option<Duration>,
    /// How long it was held or had run dry in all.
    pub(super) held: Duration,
    /// The model is given up then, unless there is something new to speak.
    pub(super) token_due: Option<Instant>,
    /// The model is given up then.
    pub(super) answer_due: Option<Instant>,
    /// What is pending is spoken then.
    pub(super) flush_due: Option<Instant>,
    /// Since when its sound is waited for.
    pub(super) awaits: Option<Instant>,
    /// When it came to be the one that is heard next.
    pub(super) first_since: Option<Instant>,
}

impl Reply {
    /// The most word times kept of one reply.
    pub(super) const MAX_WORDS: usize = 8 * 1024;

    pub(super) fn new(id: ReplyId, purpose: Purpose) -> Self {
        Self {
            id,
            voice: id,
            backup: Backup::default(),
            purpose,
            interruptible: true,
            hangs_up: None,
            segmenter: Segmenter::default(),
            text: Wording::default(),
            words: Vec::new(),
            spoken: None,
            generating: false,
            calls: 0,
            broken: false,
            is_last_of_voice: false,
            closed: false,
            ready: false,
            playing: false,
            sounding: None,
            started: None,
            starved: None,
            length: None,
            held: Duration::ZERO,
            token_due: None,
            answer_due: None,
            flush_due: None,
            awaits: None,
            first_since: None,
        }
    }

    /// An answer that the model is asked for now.
    pub(super) fn answer(id: ReplyId, timing: &Timing, now: Instant) -> Self {
        Self {
            generating: true,
            token_due: Some(now + timing.first_token),
            answer_due: Some(now + timing.whole_answer),
            ..Self::new(id, Purpose::Answer)
        }
    }

    /// Takes word times; beyond the bound the oldest stay.
    pub(super) fn add_words(&mut self, words: &[WordTime]) {
        let room = Self::MAX_WORDS.saturating_sub(self.words.len());
        self.words.extend(words.iter().take(room));
    }

    /// What was heard of it, as it was written: what an earlier voice was heard saying, and of the present one's sound
    /// `heard`. `share`: of its sound that had come.
    ///
    /// While more sound is to come, how long it all will be is not known: it is taken to be as long as a fast speaker needs,
    /// and its last word is still to come.
    pub(super) fn heard(&self, heard: Duration, share: f32) -> &str {
        let from = self.text.to_spoken(self.backup.from);
        let rest = self.text.spoken_from(self.backup.from);
        let heard = if self.length.is_some() {
            super::history::heard_text(rest, &self.words, heard, share)
        } else {
            let rest = rest.trim_end();
            let least = FASTEST.as_secs_f32() * rest.len() as f32;
            let share = share.min(heard.as_secs_f32() / least.max(f32::MIN_POSITIVE)).min(UNFINISHED);
            super::history::heard_text(rest, &self.words, heard, share)
        };
        if heard.is_empty() {
            return self.text.written().get(..self.backup.from).unwrap_or_default().trim_end();
        }
        self.text.written().get(..self.text.to_written(from + heard.len())).unwrap_or_default().trim_end()
    }

    /// How much of its sound has left by now, as far as the clock tells; `None`: none.
    pub(super) fn position(&self, now: Instant) -> Option<Duration> {
        let starved = self.starved.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        Some(now.saturating_duration_since(self.sounding?).saturating_sub(self.held + starved))
    }

    /// What was heard of it when so much of its sound had left, as far as words and length tell.
    pub(super) fn heard_by(&self, position: Duration) -> &str {
        let share = self.length.map_or(1.0, |length| position.as_secs_f32() / length.as_secs_f32().max(0.001));
        self.heard(position, share.min(1.0))
    }

    /// Where the word begins in which it was held at `position`: the last one that begins there, at most `rewind` before.
    /// `None`: no word does, or their times are not known.
    pub(super) fn word_before(&self, position: Duration, rewind: Duration) -> Option<Duration> {
        let starts = self.words.iter().map(|word| word.start);
        starts.filter(|start| *start <= position && *start + rewind >= position).max()
    }

    /// Whether `text` is all that was meant, and the voice has shown so.
    pub(super) fn is_whole(&self, text: &str) -> bool {
        let is_known = self.length.is_some() || !self.words.is_empty();
        self.closed && !self.broken && is_known && text.trim_end() == self.text.written().trim_end()
    }

    /// Whether the caller hears it, or heard it until it was held.
    pub(super) fn is_sounding(&self) -> bool {
        self.sounding.is_some()
    }

    /// When a voice that has given no sound is given up. One that waits behind another reply is not hurried: its sound may
    /// be left unread until there is room for it.
    pub(super) fn audio_due(&self, timing: &Timing) -> Option<Instant> {
        Some(self.awaits?.max(self.first_since?) + timing.first_audio)
    }

    /// When a voice that has run dry is given up. While the model still writes, it is the model that is waited for; and
    /// what was handed over last has as long as a first sound, since a voice may make a request of it; with a backup, as
    /// long as that waits.
    pub(super) fn stall_due(&self, timing: &Timing, has_backup: bool) -> Option<Instant> {
        let can_move = has_backup && self.backup.has_voice_left();
        let since = self.starved.filter(|_| self.closed && self.length.is_none())?;
        let due = since + timing.audio_stall;
        let patience = if can_move { timing.hedge_first_audio } else { timing.first_audio };
        Some(self.spoken.map_or(due, |at| due.max(at + patience)))
    }

    /// The time it had run dry counts like a hold; whether it had.
    pub(super) fn end_starving(&mut self, now: Instant) -> bool {
        let since = self.starved.take();
        self.held += since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        since.is_some()
    }

    /// When it should long have been heard: its own length and some seconds, or, while that is not known, a third of the
    /// pace of slow speech.
    pub(super) fn overdue(&self) -> Option<Instant> {
        self.closed.then(|| self.lasts_until())?
    }

    /// The same of what there is of it, whether or not more is to come.
    pub(super) fn lasts_until(&self) -> Option<Instant> {
        const SLOWEST: Duration = Duration::from_millis(200);
        let begun = self.started? + self.held;
        Some(match self.length {
            Some(length) => begun + length + Duration::from_secs(2),
            None => {
                begun + SLOWEST * u32::try_from(self.text.spoken().len()).unwrap_or(u32::MAX) + Duration::from_secs(5)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_gone_back_to_when_it_began_not_too_long_before() {
        let ms = Duration::from_millis;
        let mut reply = Reply::new(ReplyId(1), Purpose::Answer);
        assert_eq!(reply.word_before(ms(500), ms(300)), None, "no times are known");
        let word = |start| WordTime { text_end: 0, start: ms(start), end: ms(start + 200) };
        reply.add_words(&[word(0), word(400), word(700), word(1_500)]);
        for (position, from) in [(0, Some(0)), (399, None), (400, Some(400)), (900, Some(700)), (1_100, None)] {
            assert_eq!(reply.word_before(ms(position), ms(300)), from.map(ms), "held at {position}");
        }
    }
}
