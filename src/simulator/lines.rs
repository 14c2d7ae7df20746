//! The place in a script of lines, and the words of a line in time.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::prompter::Cue;
use super::script::{Line, LineScript};
use super::voice::syllables;

/// A script and which of its lines are used up. Clones share the place.
#[derive(Clone, Debug)]
pub(super) struct Lines {
    script: Arc<LineScript>,
    place: Arc<Mutex<Place>>,
}

/// What is used up.
#[derive(Clone, Debug, Default)]
struct Place {
    used: Vec<bool>,
    generic: usize,
    /// What the caller was last heard to be about to say, and how many cues there were.
    cue: Option<Cue>,
    cues: usize,
}

/// One line of a script.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum LineId {
    /// Of the script itself.
    Scripted(usize),
    /// Of the generic sentences that may follow it.
    Generic(usize),
    /// Told as it is said.
    Cued(usize),
}

impl Lines {
    /// The whole of `script`.
    pub(super) fn new(script: Arc<LineScript>) -> Self {
        let place = Place { used: vec![false; script.lines.len()], generic: 0, cue: None, cues: 0 };
        Self { script, place: Arc::new(Mutex::new(place)) }
    }

    /// The line of an utterance of `duration`: the first unused one whose window holds it.
    pub(super) fn fit(&self, duration: Duration) -> Option<LineId> {
        self.first(|line| line.fits(duration))
    }

    /// The line a voice that has lasted `duration` so far may be: the first unused one that is not too short for it.
    pub(super) fn may_become(&self, duration: Duration) -> Option<LineId> {
        self.first(|line| line.max.is_none_or(|max| duration <= max))
    }

    /// Whether the lines are told as they are said.
    pub(super) fn is_prompted(&self) -> bool {
        self.script.prompted
    }

    /// The caller begins to say this.
    pub(super) fn cue(&self, cue: Cue) {
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        place.cue = Some(cue);
        place.cues += 1;
    }

    /// What the caller is saying and has not been heard to the end yet.
    pub(super) fn cued(&self) -> Option<LineId> {
        let place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        place.cue.as_ref().map(|_| LineId::Cued(place.cues))
    }

    /// The words of a line and their times; of a cue that is over nothing is known.
    pub(super) fn plan(&self, id: LineId) -> WordPlan {
        let LineId::Cued(n) = id else { return WordPlan::of(&self.line(id)) };
        let place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        let cue = place.cue.as_ref().filter(|_| place.cues == n);
        cue.map_or_else(|| WordPlan::of(&Line::new("")), WordPlan::of_cue)
    }

    /// The first unused line that `suits`.
    fn first(&self, suits: impl Fn(&Line) -> bool) -> Option<LineId> {
        if self.is_prompted() {
            return self.cued();
        }
        let place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        let mut unused =
            self.script.lines.iter().zip(&place.used).enumerate().filter(|(_, (_, used))| !**used).peekable();
        if unused.peek().is_none() {
            let fits = self.script.generic && suits(&LineScript::generic(place.generic));
            return fits.then_some(LineId::Generic(place.generic));
        }
        unused.find(|(_, (line, _))| suits(line)).map(|(n, _)| LineId::Scripted(n))
    }

    /// The line itself.
    pub(super) fn line(&self, id: LineId) -> Line {
        match id {
            LineId::Scripted(n) => self.script.lines.get(n).cloned().unwrap_or_else(|| Line::new("")),
            LineId::Generic(n) => LineScript::generic(n),
            LineId::Cued(_) => Line::new(""),
        }
    }

    /// Uses a line up.
    pub(super) fn take(&self, id: LineId) {
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        match id {
            LineId::Scripted(n) => {
                if let Some(used) = place.used.get_mut(n) {
                    *used = true;
                }
                if self.script.endless && place.used.iter().all(|used| *used) {
                    place.used.fill(false);
                }
            }
            LineId::Generic(n) => place.generic = n + 1,
            LineId::Cued(n) if n == place.cues => place.cue = None,
            LineId::Cued(_) => {}
        }
    }
}

/// A word and when it was said, in audio time.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Word {
    /// As written in the script.
    pub(super) text: String,
    pub(super) start: Duration,
    pub(super) end: Duration,
}

/// The words of a line and about when in it each of them ends.
#[derive(Clone, Debug)]
pub(super) struct WordPlan {
    words: Vec<String>,
    ends: Vec<Duration>,
    /// How long the line takes, when the script says so.
    lasts: Option<Duration>,
    /// The shortest voice that may say it.
    min: Duration,
    /// When its final comes, of a line that was told as it was said.
    cued: Option<CuedFinal>,
}

/// How long after the voice the final of a cue comes; `None`: never.
type CuedFinal = Option<Duration>;

impl WordPlan {
    /// The plan of `line`.
    pub(super) fn of(line: &Line) -> Self {
        let words: Vec<String> = line.text.split_whitespace().map(str::to_owned).collect();
        let mut end = Duration::ZERO;
        let mut ends: Vec<Duration> = Vec::with_capacity(words.len());
        for word in &words {
            end += Duration::from_millis(u64::from(syllables(word).max(1)) * 180 + 45);
            ends.push(end);
        }
        if let Some(lasts) = line.lasts {
            let scale = lasts.as_secs_f64() / end.as_secs_f64().max(0.001);
            ends.iter_mut().for_each(|end| *end = end.mul_f64(scale));
        }
        Self { words, ends, lasts: line.lasts, min: line.min, cued: None }
    }

    /// The plan of `cue`.
    pub(super) fn of_cue(cue: &Cue) -> Self {
        let (words, ends) = cue.words();
        Self { words, ends, lasts: Some(cue.lasts), min: Duration::ZERO, cued: Some(cue.final_after) }
    }

    /// When the final comes and how long the sound is, of a line that was told as it was said.
    pub(super) fn cued(&self) -> Option<(Option<Duration>, Duration)> {
        self.cued.map(|final_after| (final_after, self.lasts.unwrap_or_default()))
    }

    /// How many words a voice that has ended after `spoken` has said.
    pub(super) fn said_by_end(&self, spoken: Duration) -> usize {
        self.said(if self.cued.is_some() { spoken + CUE_SLACK } else { spoken })
    }

    /// How many words there are.
    pub(super) fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether a voice of `duration` is long enough for the line.
    pub(super) fn holds(&self, duration: Duration) -> bool {
        self.min <= duration
    }

    /// How many words have been said after `spoken` of voice.
    pub(super) fn said(&self, spoken: Duration) -> usize {
        self.ends.iter().take_while(|&&end| end <= spoken).count()
    }

    /// Whether a silence after `spoken` of voice is a pause within the line.
    pub(super) fn is_pause(&self, spoken: Duration) -> bool {
        let whole = |lasts: Duration| if self.cued.is_some() { lasts.saturating_sub(CUE_SLACK) } else { lasts * 3 / 4 };
        self.lasts.is_some_and(|lasts| spoken < whole(lasts))
    }

    /// The words of `range`, spread over `from` to `to` by their length.
    pub(super) fn spread(&self, range: Range<usize>, from: Duration, to: Duration) -> Vec<Word> {
        let before = |n: usize| n.checked_sub(1).and_then(|n| self.ends.get(n)).copied().unwrap_or_default();
        let (first, whole) = (before(range.start), before(range.end).saturating_sub(before(range.start)));
        let place = |n: usize| {
            let share = before(n).saturating_sub(first).as_secs_f64() / whole.as_secs_f64().max(0.001);
            from + to.saturating_sub(from).mul_f64(share.min(1.0))
        };
        let words = self.words.iter().enumerate().skip(range.start).take(range.len());
        words.map(|(n, text)| Word { text: text.clone(), start: place(n), end: place(n + 1) }).collect()
    }
}

/// How far the ear may be from a cue: what a lost packet or a soft ending takes from a voice.
const CUE_SLACK: Duration = Duration::from_millis(150);

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn an_utterance_takes_the_first_unused_line_it_fits() {
        let script = LineScript::new([
            Line::new("a long sentence").between(ms(900), ms(9_000)),
            Line::new("mm-hmm").between(ms(150), ms(700)),
            Line::new("another long sentence").between(ms(900), ms(9_000)),
        ]);
        let lines = Lines::new(Arc::new(script));
        assert_eq!(lines.fit(ms(100)), None, "a click is nothing");
        assert_eq!(lines.fit(ms(2_000)), Some(LineId::Scripted(0)));
        assert_eq!(lines.may_become(ms(400)), Some(LineId::Scripted(0)), "it may go on");
        lines.take(LineId::Scripted(0));
        assert_eq!(lines.fit(ms(2_000)), Some(LineId::Scripted(2)), "a missed mm-hmm shifts nothing");
        assert_eq!(lines.fit(ms(400)), Some(LineId::Scripted(1)));
        lines.take(LineId::Scripted(1));
        lines.take(LineId::Scripted(2));
        assert_eq!(lines.fit(ms(2_000)), None, "a script that is over stays over");
    }

    #[test]
    fn generic_sentences_follow_a_script_that_asks_for_them() {
        let lines = Lines::new(Arc::new(LineScript { generic: true, ..LineScript::new([Line::new("one")]) }));
        lines.take(LineId::Scripted(0));
        assert_eq!(lines.fit(ms(100)), None);
        assert_eq!(lines.fit(ms(1_000)), Some(LineId::Generic(0)));
        lines.take(LineId::Generic(0));
        assert_eq!(lines.fit(ms(1_000)), Some(LineId::Generic(1)));
    }

    #[test]
    fn an_endless_script_begins_again() {
        let script = LineScript { endless: true, ..LineScript::new([Line::new("one"), Line::new("two")]) };
        let lines = Lines::new(Arc::new(script));
        for expected in [0, 1, 0, 1, 0] {
            let fit = lines.fit(ms(1_000)).unwrap();
            assert_eq!(fit, LineId::Scripted(expected));
            lines.take(fit);
        }
    }

    #[test]
    fn words_fill_the_voice_they_were_said_in() {
        let plan = WordPlan::of(&Line::new("hello there my friend").lasting(ms(2_000)));
        assert_eq!((plan.said(ms(0)), plan.said(ms(2_000))), (0, 4));
        assert!(plan.is_pause(ms(1_000)) && !plan.is_pause(ms(1_900)));
        let words = plan.spread(1..4, ms(500), ms(2_000));
        assert_eq!((words[0].start, words[2].end), (ms(500), ms(2_000)));
        assert!(words.windows(2).all(|pair| pair[0].end == pair[1].start));
    }
}
