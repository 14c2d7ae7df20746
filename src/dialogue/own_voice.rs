//! The agent's own voice, come back from the caller's side: as sound, and as words.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::conversation::Backdrop;

use super::DialogueEvent;
use super::endpointing::CONFIRMED;
use super::machine::{Dialogue, Floor, why};
use super::words::{Meaning, normalise};

/// What the agent has said of late, word by word.
///
/// Words come back as an echo and then through the recogniser within a second or two, so ten seconds are plenty; a short
/// phrase is only compared with what was said in the last three.
#[derive(Clone, Debug, Default)]
pub(super) struct OwnWords {
    said: VecDeque<(Instant, Vec<String>)>,
    /// What was being heard when the caller's turn began, up to then.
    before: Option<(Instant, Vec<String>)>,
    /// Whether the line has sent the agent's voice back in this call.
    echoes: bool,
}

/// How many words of a transcript are the agent's own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Own {
    /// None, or too few to tell.
    None,
    /// So many at the beginning; what follows is the caller's.
    First(usize),
    /// All of them.
    All,
}

impl OwnWords {
    /// How long they are remembered.
    const KEPT: Duration = Duration::from_secs(10);
    /// How long a phrase of one or two words is.
    const KEPT_SHORT: Duration = Duration::from_secs(3);
    /// The most contributions, and the most words of each; the first ones go.
    const MOST: usize = 8;
    const MOST_WORDS: usize = 64;
    /// A run of this many words is no coincidence.
    const RUN: usize = 3;
    /// Who speaks fast still needs this long for a word.
    const WORD: Duration = Duration::from_millis(100);

    /// The agent has said this up to `now`.
    pub(super) fn said(&mut self, text: &str, now: Instant) {
        self.said.retain(|(at, _)| *at + Self::KEPT > now);
        if self.said.len() == Self::MOST {
            self.said.pop_front();
        }
        self.said.push_back((now, tail(text)));
    }

    /// When the agent was last heard to its end.
    fn ended(&self) -> Option<Instant> {
        self.said.back().map(|(at, _)| *at)
    }

    /// How much of `words` is the agent's own; `saying` is what is heard at this moment.
    fn find(&self, words: &[String], saying: &str, now: Instant) -> Own {
        let kept = if words.len() < Self::RUN { Self::KEPT_SHORT } else { Self::KEPT };
        let recent = self.said.iter().filter(|(at, _)| *at + kept > now).flat_map(|(_, words)| words.iter().cloned());
        let mut own: Vec<String> = recent.collect();
        own.extend(tail(saying));
        if words.len() < Self::RUN {
            let is_own = !words.is_empty() && own.windows(words.len()).any(|window| window == words);
            return if is_own { Own::All } else { Own::None };
        }
        if is_among(words, &own) {
            return Own::All;
        }
        let run = |from: usize| own[from..].iter().zip(words).take_while(|(own, heard)| own == heard).count();
        match (0..own.len()).map(run).max() {
            Some(run) if run >= Self::RUN => Own::First(run),
            _ => Own::None,
        }
    }

    /// Whether a voice of this length repeats `words` after the agent rather than sending them back: they had all been
    /// heard when the turn `began`, and the voice is long enough for them. An echo begins with the words it brings.
    fn repeats(&self, words: &[String], voiced: Duration, began: Instant) -> bool {
        let Some((_, before)) = self.before.as_ref().filter(|(at, _)| *at == began) else { return false };
        let recent = self.said.iter().filter(|(at, _)| *at <= began && *at + Self::KEPT > began);
        let mut own: Vec<String> = recent.flat_map(|(_, words)| words.iter().cloned()).collect();
        own.extend(before.iter().cloned());
        let spoken = Self::WORD * u32::try_from(words.len()).unwrap_or(u32::MAX);
        !self.echoes && voiced >= spoken && is_among(words, &own)
    }
}

/// Whether `words` stand in `own` in their order. A recogniser that hears an echo mishears a word here and there.
fn is_among(words: &[String], own: &[String]) -> bool {
    let missable = words.len() / 5;
    let is_alike = |window: &[String]| window.iter().zip(words).filter(|(own, heard)| own != heard).count() <= missable;
    own.windows(words.len()).any(is_alike)
}

/// The last words of a text.
fn tail(text: &str) -> Vec<String> {
    let mut words = normalise(text);
    words.drain(..words.len().saturating_sub(OwnWords::MOST_WORDS));
    words
}

/// An echo's words come at the latest so long after the agent has fallen silent: the way there and back, and the
/// recogniser's.
const LATE: Duration = Duration::from_millis(1_500);
/// The recogniser may be this much ahead of where the sound is reckoned to be.
const AHEAD: Duration = Duration::from_millis(300);

impl Dialogue {
    /// A voice comes up, over this: whatever of the agent was heard before a turn began cannot come back in it.
    pub(super) fn note_heard_before(&mut self, began: Instant, over: Backdrop) {
        self.own_words.echoes |= over == Backdrop::Echo;
        if self.turn.began.is_none() {
            let front = self.replies.front();
            let heard = front.and_then(|front| Some(front.heard_by(front.position(began)?)));
            self.own_words.before = Some((began, tail(heard.unwrap_or_default())));
        }
    }

    /// The voice that was told of was the agent's own.
    pub(super) fn own_echo(&mut self, now: Instant) {
        self.own_words.echoes = true;
        let Some((_, voiced)) = self.voice.current.take() else { return };
        self.voice.is_noise = false;
        self.voice.stopped = Some(now);
        self.voice.last_voiced = Duration::ZERO;
        if !self.turn.has_text() && self.turn.keys.is_empty() {
            self.turn.forget_words(now);
            self.withheld = false;
        }
        let is_wordless = Meaning::of(&self.turn.text(), self.language).real == 0;
        let inputs = format!("voiced {} ms", voiced.as_millis());
        self.tell(DialogueEvent::Ignored { why: why("echo.sound", inputs) });
        match self.floor {
            Floor::Held { since, .. } if is_wordless && !self.is_on_hold() => self.resume("barge-in.echo", since, now),
            _ => self.decide(now),
        }
    }

    /// What of the recogniser's words the caller has said: all but the agent's own, come back.
    ///
    /// Three words or more in the agent's order are its own while it speaks and for [`LATE`] after, unless the caller's
    /// voice began when it had fallen silent, or is heard clearly over a line on which the echo is known. One or two are
    /// its own only while nobody's voice is heard: a caller who asks "Tuesday?" back is not lost. Nor is one who repeats
    /// more, over a line that has shown no echo: such a voice comes up when the words it repeats have been heard.
    pub(super) fn without_own_words(&mut self, text: String, now: Instant) -> String {
        let saying = self.being_heard(now);
        let ended = self.own_words.ended();
        let is_near = saying.is_some() || ended.is_some_and(|at| now <= at + LATE);
        let words = normalise(&text);
        if !is_near || words.is_empty() {
            return text;
        }
        let is_quiet = self.voice.stopped.is_none_or(|at| at + LATE < now);
        let voiced = match self.voice.current {
            Some((_, voiced)) => voiced,
            None if is_quiet => Duration::ZERO,
            None => self.voice.last_voiced,
        };
        let began = self.voice.current.map(|(began, _)| began).or(self.turn.began);
        let is_after = saying.is_none() && ended.zip(began).is_some_and(|(ended, began)| began > ended);
        let is_clear = voiced >= self.spec.timing.hold_echo && self.voice.over == Backdrop::Echo;
        let is_short = words.len() < OwnWords::RUN;
        if is_after || is_clear || (is_short && voiced >= CONFIRMED) {
            return text;
        }
        let is_repeated = |own: usize| {
            let own = words.get(..own).unwrap_or_default();
            self.turn.began.is_some_and(|began| self.own_words.repeats(own, voiced.max(self.turn.voiced), began))
        };
        let inputs = |own: usize| format!("words {}, own {own}, voiced {} ms", words.len(), voiced.as_millis());
        match self.own_words.find(&words, saying.as_deref().unwrap_or_default(), now) {
            Own::None => text,
            Own::All if is_repeated(words.len()) => text,
            Own::First(own) if is_repeated(own) => text,
            Own::All => {
                self.tell(DialogueEvent::Ignored { why: why("echo.words", inputs(words.len())) });
                String::new()
            }
            Own::First(own) => {
                self.tell(DialogueEvent::Ignored { why: why("echo.words", inputs(own)) });
                let spoken = text.split_whitespace().filter(|word| !normalise(word).is_empty());
                spoken.skip(own).collect::<Vec<_>>().join(" ")
            }
        }
    }

    /// What the caller has heard of the reply that is being heard.
    fn being_heard(&self, now: Instant) -> Option<String> {
        let front = self.replies.front()?;
        let position = front.position(now)? + AHEAD;
        Some(front.heard_by(position).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialogue::tests::base;

    fn found(words: &str, saying: &str) -> Own {
        let mut own = OwnWords::default();
        own.said("How can I help you today?", base());
        own.find(&normalise(words), saying, base() + Duration::from_secs(2))
    }

    #[test]
    fn the_agents_own_words_are_known_however_they_are_written() {
        assert_eq!(found("How can I help you today", ""), Own::All);
        assert_eq!(found("can I help", ""), Own::All);
        assert_eq!(found("today we are open until six", "We are open until six."), Own::All);
        assert_eq!(found("we are open and till six", "We are open until six."), Own::First(3));
        assert_eq!(found("we are open under six", "We are open until six."), Own::All, "one misheard word of five");
    }

    #[test]
    fn what_follows_them_is_the_callers() {
        assert_eq!(found("how can I help you I need a room", ""), Own::First(5));
        assert_eq!(found("I need a room", ""), Own::None);
        assert_eq!(found("I help myself", ""), Own::None);
    }

    #[test]
    fn short_phrases_count_only_for_a_moment_and_all_words_not_for_long() {
        let mut own = OwnWords::default();
        own.said("Tuesday at seven it is", base());
        let at = |seconds| base() + Duration::from_secs(seconds);
        let find = |text: &str, seconds| own.find(&normalise(text), "", at(seconds));
        assert_eq!((find("Tuesday?", 2), find("Tuesday?", 4)), (Own::All, Own::None));
        assert_eq!((find("Tuesday at seven?", 9), find("Tuesday at seven?", 11)), (Own::All, Own::None));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut own = OwnWords::default();
        (0..50).for_each(|_| own.said(&"word ".repeat(1_000), base()));
        assert_eq!(own.said.iter().map(|(_, words)| words.len()).sum::<usize>(), 8 * 64);
    }
}
