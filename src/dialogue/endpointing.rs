//! Is the caller done?

use std::time::{Duration, Instant};

use crate::conversation::{Transcript, TranscriptKind};

use super::Timing;
use super::words;

/// Voice shorter than this is not yet somebody speaking.
pub(super) const CONFIRMED: Duration = Duration::from_millis(60);
/// End of turn after a yes or no to a closed question.
const YES_NO: Duration = Duration::from_millis(200);
/// End of turn while something is spelled or counted out.
const ENTITY: Duration = Duration::from_millis(900);
/// A number or address asked for may be spoken with this many words before it is taken for one unasked.
const SPELLED_UNASKED: usize = 3;

/// The caller's voice, as the detector tells it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Voice {
    /// The stretch of voice that is going on: when it began and how much of it was voiced.
    pub(super) current: Option<(Instant, Duration)>,
    /// The end of the last voiced sample.
    pub(super) stopped: Option<Instant>,
    /// The last stretch, when it was confirmed.
    pub(super) last_voiced: Duration,
    /// Voice that has gone on for long without a word: it is not the caller.
    pub(super) is_noise: bool,
}

impl Voice {
    /// Whether somebody is speaking.
    pub(super) fn is_confirmed(&self) -> bool {
        !self.is_noise && self.current.is_some_and(|(_, voiced)| voiced >= CONFIRMED)
    }
}

/// What the caller has said since the last turn was committed.
#[derive(Clone, Debug, Default)]
pub(super) struct Turn {
    /// Words of a turn that was taken back because the caller went on.
    pub(super) carried: String,
    finals: String,
    interim: String,
    /// Keys pressed.
    pub(super) keys: String,
    /// When they are taken to be all.
    pub(super) keys_until: Option<Instant>,
    confidence: Option<f32>,
    /// When the caller's voice first came up.
    pub(super) began: Option<Instant>,
    /// The end of its last voiced sample.
    pub(super) stopped: Option<Instant>,
    /// When the detector said so.
    pub(super) quiet_at: Option<Instant>,
    /// The longest stretch of voice …
    pub(super) voiced: Duration,
    /// … and when it began.
    pub(super) longest: Option<Instant>,
    final_at: Option<Instant>,
    text_at: Option<Instant>,
    end_of_turn: Option<Instant>,
    /// Whether the recogniser was asked for what it has since the voice stopped.
    pub(super) finalized: bool,
    /// Whether it was given to a recogniser once more.
    pub(super) reheard: bool,
    /// Whether somebody was told that the caller began.
    pub(super) announced: bool,
}

/// When a turn is over, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Endpoint {
    /// When the caller is taken to be done.
    pub(super) decided: Instant,
    /// When the words are settled; not before `decided`.
    pub(super) settled: Instant,
    /// The rule.
    pub(super) rule: &'static str,
    /// The wait after the last voiced sample that the rule asks for.
    pub(super) delay: Duration,
    /// Whether words that may still change are taken as they are.
    pub(super) promoted: bool,
}

impl Turn {
    /// The most text of one turn, in bytes; what comes after is dropped.
    pub(super) const MAX_TEXT: usize = 8 * 1024;

    /// Takes the recogniser's words.
    pub(super) fn hear(&mut self, transcript: &Transcript, now: Instant) {
        let text = transcript.text.trim();
        let room = Self::MAX_TEXT.saturating_sub(self.finals.len());
        let end = (0..=room.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        let text = text.get(..end).filter(|text| text.contains(char::is_alphanumeric)).unwrap_or_default();
        match transcript.kind {
            TranscriptKind::Interim | TranscriptKind::Eager => {
                if self.interim != text {
                    self.text_at = Some(now);
                    self.end_of_turn = None;
                }
                self.interim = text.to_owned();
            }
            TranscriptKind::Resumed => {
                self.end_of_turn = None;
                if !text.is_empty() {
                    self.interim = text.to_owned();
                    self.text_at = Some(now);
                }
            }
            TranscriptKind::Final | TranscriptKind::EndOfTurn => {
                self.interim.clear();
                self.final_at = Some(now);
                if !text.is_empty() {
                    append(&mut self.finals, text);
                    self.text_at = Some(now);
                    let confidence = transcript.confidence.clamp(0.0, 1.0);
                    self.confidence = Some(self.confidence.map_or(confidence, |other| other.min(confidence)));
                }
                if transcript.kind == TranscriptKind::EndOfTurn {
                    self.end_of_turn = Some(now);
                }
            }
        }
    }

    /// All words so far, without those of a turn taken back.
    pub(super) fn text(&self) -> String {
        let mut text = self.finals.clone();
        append(&mut text, &self.interim);
        text
    }

    /// When the words last changed.
    pub(super) fn text_at(&self) -> Option<Instant> {
        self.text_at
    }

    /// When the last settled words came.
    pub(super) fn final_at(&self) -> Option<Instant> {
        self.final_at
    }

    /// The words that may still change.
    pub(super) fn interim(&self) -> &str {
        &self.interim
    }

    /// Whether any words were heard.
    pub(super) fn has_text(&self) -> bool {
        !self.finals.is_empty() || !self.interim.is_empty()
    }

    /// Whether there is anything at all: words, keys, or words taken back.
    pub(super) fn is_open(&self) -> bool {
        self.has_text() || !self.keys.is_empty() || !self.carried.is_empty()
    }

    /// Whether something is still to come from the recogniser.
    pub(super) fn is_pending(&self) -> bool {
        !self.interim.is_empty() || (self.began.is_some() && self.final_at.is_none())
    }

    /// From when on the caller's voice has not become final words; `None`: nothing is open.
    pub(super) fn unsettled_since(&self) -> Option<Instant> {
        let from = self.began?;
        match self.final_at {
            None => Some(from),
            Some(at) => self.is_pending().then_some(at.max(from)),
        }
    }

    /// The recogniser's confidence: that of its least certain final, or 0.5 when there was only an interim.
    pub(super) fn confidence(&self) -> f32 {
        self.confidence.unwrap_or(if self.interim.is_empty() { 1.0 } else { 0.5 })
    }

    /// New voice: whatever was settled may change.
    pub(super) fn voice(&mut self, began: Instant, voiced: Duration) {
        self.began.get_or_insert(began);
        if voiced >= self.voiced {
            (self.voiced, self.longest) = (voiced, Some(began));
        }
        self.stopped = None;
        self.finalized = false;
        self.end_of_turn = None;
    }

    /// Drops the words, keeping those of a turn taken back.
    pub(super) fn forget_words(&mut self, now: Instant) {
        *self = Self { carried: std::mem::take(&mut self.carried), text_at: Some(now), ..Self::default() };
    }

    /// Keeps the settled words and the keys of a turn that is broken off, to go on with it later.
    pub(super) fn keep_settled(&mut self, now: Instant) {
        if self.carried.len() < Self::MAX_TEXT {
            append(&mut self.carried, &std::mem::take(&mut self.finals));
        }
        let (keys, keys_until) = (std::mem::take(&mut self.keys), self.keys_until);
        self.forget_words(now);
        (self.keys, self.keys_until) = (keys, keys_until);
    }

    /// A turn that was broken off may go on: whoever wants to has as long as after any pause.
    pub(super) fn go_on(&mut self, timing: &Timing, now: Instant) {
        self.text_at = Some(now);
        self.keys_until = self.keys_until.map(|_| now + timing.key_wait);
    }

    /// When this turn is over if nothing more comes; `None`: not while the caller speaks, and not without words.
    pub(super) fn endpoint(&self, timing: &Timing, agent_said: Option<&str>) -> Option<Endpoint> {
        if let Some(decided) = self.keys_until {
            let delay = timing.key_wait;
            return Some(Endpoint { decided, settled: decided, rule: "endpoint.keys", delay, promoted: false });
        }
        let text = self.text();
        if text.is_empty() {
            // Nothing new came after a turn was taken back: it stands as it was.
            let anchor = self.stopped.or(self.text_at).filter(|_| !self.carried.is_empty())?;
            let decided = anchor + timing.endpoint_normal.max(timing.final_wait + timing.interim_grace);
            let (rule, delay) = ("endpoint.taken-back", timing.endpoint_normal);
            return Some(Endpoint { decided, settled: decided, rule, delay, promoted: false });
        }
        let (rule, delay) = self.profile(&text, timing, agent_said);
        let anchor = self.stopped.or(self.text_at)?;
        let mut decided = anchor + delay;
        if let Some(told) = self.end_of_turn {
            decided = if self.stopped.is_some() { decided.max(told) } else { told };
        }
        let promoted = !self.interim.is_empty();
        let settled = if promoted {
            let from = anchor + timing.final_wait + timing.interim_grace;
            self.text_at.map_or(from, |at| from.max(at + timing.interim_grace))
        } else {
            match self.final_at {
                Some(at) if self.stopped.is_none_or(|stopped| at >= stopped) => at,
                _ => anchor + timing.final_wait,
            }
        };
        Some(Endpoint { decided, settled: settled.max(decided), rule, delay, promoted })
    }

    /// How long the recogniser is left alone after the detector's silence before it is asked for what it has. Words that
    /// sound finished are wanted at once; others are left whole, for it hears worse when it is hurried.
    pub(super) fn finalize_delay(&self, timing: &Timing, agent_said: Option<&str>) -> Duration {
        let (_, delay) = self.profile(&self.text(), timing, agent_said);
        if delay <= timing.endpoint_confident { Duration::ZERO } else { Duration::from_millis(100) }
    }

    /// Whether the recogniser's final for this stretch of voice has already come.
    pub(super) fn is_final(&self) -> bool {
        self.interim.is_empty() && self.final_at.is_some_and(|at| self.stopped.is_some_and(|stopped| at >= stopped))
    }

    fn profile(&self, text: &str, timing: &Timing, agent_said: Option<&str>) -> (&'static str, Duration) {
        let said = words::normalise(text);
        let spelled = words::spelled_tail(&said);
        let asked = agent_said.is_some_and(words::asks_for_entity);
        if self.end_of_turn.is_some() {
            ("endpoint.recogniser", timing.endpoint_confident)
        } else if words::ends_in_filler(&said) {
            ("endpoint.filler", timing.endpoint_cap)
        } else if agent_said.is_some_and(words::is_closed_question) && words::is_yes_or_no(&said) {
            ("endpoint.yes-no", YES_NO.min(timing.endpoint_confident))
        } else if spelled >= SPELLED_UNASKED || (asked && spelled > 0) {
            (
                "endpoint.entity",
                if text.ends_with(['@']) || self.ends_between(&said) { timing.endpoint_cap } else { ENTITY },
            )
        } else if (words::ends_unfinished(&said) && !text.ends_with('?'))
            || text.ends_with([',', '…', '-', '—', ':'])
            || text.ends_with("...")
        {
            ("endpoint.unsure", timing.endpoint_unsure)
        } else if text.ends_with(['.', '!', '?', '。', '！', '？']) {
            ("endpoint.complete", timing.endpoint_confident)
        } else {
            ("endpoint.normal", timing.endpoint_normal)
        }
    }

    /// Whether a spelled value stands between two of its parts ("john at").
    fn ends_between(&self, said: &[String]) -> bool {
        said.last()
            .is_some_and(|word| matches!(word.as_str(), "at" | "dot" | "dash" | "hyphen" | "underscore" | "slash"))
    }
}

/// Appends words with a space between.
pub(super) fn append(text: &mut String, more: &str) {
    if !text.is_empty() && !more.is_empty() {
        text.push(' ');
    }
    text.push_str(more);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialogue::tests::{base, transcript};

    const MS: fn(u64) -> Duration = Duration::from_millis;

    /// A turn whose voice stopped at 1000 ms and whose final came at `at`.
    fn turn(text: &str, kind: TranscriptKind, at: u64) -> Turn {
        let mut turn = Turn::default();
        turn.voice(base(), MS(1_000));
        turn.stopped = Some(base() + MS(1_000));
        turn.hear(&transcript(kind, text), base() + MS(at));
        turn
    }

    #[test]
    fn the_wait_follows_the_words() {
        let timing = Timing::default();
        for (text, asked, rule, delay) in [
            ("book a table for two", None, "endpoint.normal", 500),
            ("Book a table for two.", None, "endpoint.complete", 250),
            ("I would like to", None, "endpoint.unsure", 1_200),
            ("I would like to.", None, "endpoint.unsure", 1_200),
            ("Who should I give it to?", None, "endpoint.complete", 250),
            ("my name is um", None, "endpoint.filler", 2_500),
            ("yeah", Some("Shall I book it?"), "endpoint.yes-no", 200),
            ("yeah", Some("How many people?"), "endpoint.normal", 500),
            ("four one five", None, "endpoint.entity", 900),
            ("415", Some("What is your phone number?"), "endpoint.entity", 900),
            ("415", Some("How many people?"), "endpoint.normal", 500),
            ("j o h n at", Some("What is your email?"), "endpoint.entity", 2_500),
            ("well...", None, "endpoint.unsure", 1_200),
        ] {
            let endpoint = turn(text, TranscriptKind::Final, 1_200).endpoint(&timing, asked).unwrap();
            assert_eq!((endpoint.rule, endpoint.delay), (rule, MS(delay)), "{text:?} after {asked:?}");
            assert_eq!(endpoint.decided, base() + MS(1_000 + delay), "{text:?}");
        }
    }

    #[test]
    fn a_recogniser_that_says_so_ends_the_turn() {
        let timing = Timing::default();
        let early = turn("I would like to", TranscriptKind::EndOfTurn, 1_100).endpoint(&timing, None).unwrap();
        assert_eq!(early.decided, base() + MS(1_250));
        let late = turn("I would like to", TranscriptKind::EndOfTurn, 1_600).endpoint(&timing, None).unwrap();
        assert_eq!((late.decided, late.settled), (base() + MS(1_600), base() + MS(1_600)));
    }

    #[test]
    fn words_are_settled_by_the_final_or_by_waiting_for_it() {
        let timing = Timing::default();
        let late = turn("Two people.", TranscriptKind::Final, 1_900).endpoint(&timing, None).unwrap();
        assert_eq!((late.decided, late.settled), (base() + MS(1_250), base() + MS(1_900)));
        let interim = turn("Two people.", TranscriptKind::Interim, 900).endpoint(&timing, None).unwrap();
        assert_eq!(
            (interim.decided, interim.settled, interim.promoted),
            (base() + MS(1_250), base() + MS(1_500), true)
        );
        // A final of words spoken earlier does not settle what was spoken last.
        let early = turn("Two people.", TranscriptKind::Final, 700).endpoint(&timing, None).unwrap();
        assert_eq!(early.settled, base() + MS(1_350));
        let mut early = turn("Two people.", TranscriptKind::Final, 700);
        early.hear(&transcript(TranscriptKind::Final, ""), base() + MS(1_200));
        assert_eq!(early.endpoint(&timing, None).unwrap().settled, base() + MS(1_250));
    }

    #[test]
    fn a_turn_is_bounded() {
        let mut turn = Turn::default();
        for _ in 0..2_000 {
            turn.hear(&transcript(TranscriptKind::Final, "more and more words"), base());
        }
        assert!(turn.text().len() <= Turn::MAX_TEXT + 20);
    }
}
