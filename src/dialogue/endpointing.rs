//! Is the caller done?

use std::time::{Duration, Instant};

use crate::conversation::{Backdrop, Transcript, TranscriptKind};

use super::known::{Grounds, Known};
use super::profile::{Manner, Profile, Sounds};
use super::{SttMode, Timing};

/// Voice shorter than this is not yet somebody speaking.
pub(super) const CONFIRMED: Duration = Duration::from_millis(60);
/// In accurate mode an interim is answered no sooner than this after the final's own time.
const ACCURATE_GRACE: Duration = Duration::from_millis(200);
/// A voice that goes on so much longer than the recogniser's end of turn contradicts it.
const TAIL: Duration = Duration::from_millis(200);

/// The caller's voice, as the detector tells it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Voice {
    /// The stretch of voice that is going on: when it began and how much of it was voiced.
    pub(super) current: Option<(Instant, Duration)>,
    /// The end of the last voiced sample.
    pub(super) stopped: Option<Instant>,
    /// The last stretch, when it was confirmed.
    pub(super) last_voiced: Duration,
    /// What lay under it when it was last told of.
    pub(super) over: Backdrop,
    /// Voice that has gone on for long without a word: it is not the caller.
    pub(super) is_noise: bool,
    /// A run of stretches with hardly a pause between: since when, and how much of it was voiced before this one.
    pub(super) run: Option<(Instant, Duration)>,
    /// So long voice that comes up is the same noise.
    pub(super) noise_until: Option<Instant>,
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
    /// Words of such a turn that come again in this one, as they are recognised now.
    pub(super) replaces: Option<String>,
    finals: String,
    interim: String,
    /// Keys pressed.
    pub(super) keys: String,
    /// When the first of them was pressed.
    pub(super) keys_since: Option<Instant>,
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
    /// When the recogniser last said that the caller goes on.
    resumed: Option<Instant>,
    /// The longest pause inside a value.
    gap: Duration,
    /// Whether the recogniser was asked for what it has since the voice stopped.
    pub(super) finalized: bool,
    /// Whether it was given to a recogniser once more.
    pub(super) reheard: bool,
    /// Whether somebody was told that the caller began.
    pub(super) announced: bool,
    /// Whether somebody was told that it wanted to stop a line that may not be stopped.
    pub(super) objected: bool,
    /// What its words were found to say.
    known: Known,
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
    /// How the words sound.
    pub(super) sounds: Sounds,
}

impl Endpoint {
    /// The end of a turn that is over then whatever was said.
    pub(super) fn at(decided: Instant, rule: &'static str, delay: Duration) -> Self {
        Self { decided, settled: decided, rule, delay, promoted: false, sounds: Sounds::Unfinished }
    }
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
                self.resumed = Some(now);
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
                    self.resumed = None;
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

    /// Whether words of the voice that has stopped are still to come, or may still change.
    pub(super) fn awaits_words(&self) -> bool {
        let is_open = self.stopped.is_some_and(|stopped| self.final_at.is_none_or(|told| told < stopped));
        !self.interim.is_empty() || is_open
    }

    /// Keeps all words of a turn that is broken off, also those that might still have changed.
    pub(super) fn keep_words(&mut self, now: Instant) {
        let interim = std::mem::take(&mut self.interim);
        append(&mut self.finals, &interim);
        self.keep_settled(now);
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
    pub(super) fn voice(&mut self, began: Instant, voiced: Duration, now: Instant) {
        self.began.get_or_insert(began);
        if voiced >= self.voiced {
            (self.voiced, self.longest) = (voiced, Some(began));
        }
        self.stopped = None;
        self.finalized = false;
        // The detector may see the last of a voice after the recogniser has seen its end.
        self.end_of_turn = self.end_of_turn.filter(|&told| began < told && now < told + TAIL);
    }

    /// The pause that a voice which began then ends, if it is one, and how the words before it sounded.
    pub(super) fn pause(&self, began: Instant, manner: &Manner<'_>) -> Option<(Duration, Sounds)> {
        let stopped = self.stopped.filter(|_| self.has_text())?;
        Some((began.saturating_duration_since(stopped), self.profile(manner).sounds))
    }

    /// The caller has paused so long inside a value and gone on with it.
    pub(super) fn paused_in_value(&mut self, gap: Duration) {
        self.gap = self.gap.max(gap);
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
        let (keys, since, until) = (std::mem::take(&mut self.keys), self.keys_since, self.keys_until);
        self.forget_words(now);
        (self.keys, self.keys_since, self.keys_until) = (keys, since, until);
    }

    /// A turn that was broken off may go on: whoever wants to has as long as after any pause.
    pub(super) fn go_on(&mut self, timing: &Timing, now: Instant) {
        self.text_at = Some(now);
        self.keys_until = self.keys_until.map(|_| now + timing.key_wait);
    }

    /// When this turn is over if nothing more comes; `None`: not while the caller speaks, and not without words.
    pub(super) fn endpoint(&self, manner: &Manner<'_>) -> Option<Endpoint> {
        let timing = manner.timing;
        if let Some(decided) = self.keys_until {
            return Some(Endpoint::at(decided, "endpoint.keys", timing.key_wait));
        }
        if !self.has_text() {
            // Nothing new came after a turn was taken back: it stands as it was.
            let anchor = self.stopped.or(self.text_at).filter(|_| !self.carried.is_empty())?;
            let delay = manner.pauses.outlast(timing.endpoint_normal, timing);
            let decided = anchor + delay.max(timing.final_wait + timing.interim_grace);
            return Some(Endpoint::at(decided, "endpoint.taken-back", delay));
        }
        let Profile { rule, delay, sounds, is_delicate } = self.profile(manner);
        // A recogniser that hears the caller go on where the detector does not is believed.
        let anchor = self.stopped.or(self.text_at)?;
        let anchor = self.resumed.map_or(anchor, |resumed| anchor.max(resumed));
        let mut decided = anchor + delay;
        if let Some(told) = self.end_of_turn.filter(|_| sounds == Sounds::Finished) {
            decided = if self.stopped.is_some() { decided.max(told) } else { told };
        }
        let promoted = !self.interim.is_empty();
        let settled = match (promoted, manner.mode) {
            (true, SttMode::Fast) => {
                let from = anchor + timing.final_wait + timing.interim_grace;
                self.text_at.map_or(from, |at| from.max(at + timing.interim_grace))
            }
            (true, SttMode::Accurate) => {
                let from = self.text_at.map_or(anchor, |at| at.max(anchor)) + timing.final_wait + ACCURATE_GRACE;
                if is_delicate { from.max(anchor + timing.endpoint_cap) } else { from }
            }
            (false, _) => match self.end_of_turn.or(self.final_at) {
                Some(told) if self.end_of_turn.is_some() => told,
                Some(at) if self.stopped.is_none_or(|stopped| at >= stopped) => at,
                _ => anchor + timing.final_wait,
            },
        };
        Some(Endpoint { decided, settled: settled.max(decided), rule, delay, promoted, sounds })
    }

    /// How long the recogniser is left alone after the detector's silence before it is asked for what it has. Words that
    /// sound finished are wanted at once; others are left whole, for it hears worse when it is hurried.
    pub(super) fn finalize_delay(&self, manner: &Manner<'_>) -> Duration {
        let is_wanted = manner.mode == SttMode::Fast && self.profile(manner).delay <= manner.timing.endpoint_confident;
        if is_wanted { Duration::ZERO } else { Duration::from_millis(100) }
    }

    /// How long to wait after the words so far; those of a turn taken back count, since a value may go on in them.
    pub(super) fn profile(&self, manner: &Manner<'_>) -> Profile {
        self.known.profile(self.grounds(manner)).unwrap_or_else(|| self.work_out(manner))
    }

    /// Works out once what will be asked for again and again until there are other words.
    pub(super) fn read(&mut self, manner: &Manner<'_>) {
        let grounds = self.grounds(manner);
        let matters = self.is_open() || self.stopped.is_some();
        if matters && self.known.profile(grounds).is_none() {
            self.known = Known::of(grounds, self.work_out(manner));
        }
    }

    fn grounds<'a>(&'a self, manner: &Manner<'a>) -> Grounds<'a> {
        Grounds {
            words: [&self.carried, &self.finals, &self.interim],
            agent_said: manner.agent_said,
            ended: self.end_of_turn.is_some(),
            gap: self.gap,
            longer: manner.pauses.longer(),
        }
    }

    fn work_out(&self, manner: &Manner<'_>) -> Profile {
        let mut text = self.carried.clone();
        append(&mut text, &self.text());
        manner.profile(&text, self.end_of_turn.is_some(), self.gap)
    }

    /// Whether the recogniser's final for this stretch of voice has already come.
    pub(super) fn is_final(&self) -> bool {
        self.interim.is_empty() && self.final_at.is_some_and(|at| self.stopped.is_some_and(|stopped| at >= stopped))
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
    use crate::dialogue::language::Language;
    use crate::dialogue::pauses::Pauses;
    use crate::dialogue::tests::{base, transcript};

    const MS: fn(u64) -> Duration = Duration::from_millis;

    /// A turn whose voice stopped at 1000 ms and whose final came at `at`.
    fn turn(text: &str, kind: TranscriptKind, at: u64) -> Turn {
        let mut turn = Turn::default();
        turn.voice(base(), MS(1_000), base() + MS(1_000));
        turn.stopped = Some(base() + MS(1_000));
        turn.hear(&transcript(kind, text), base() + MS(at));
        turn
    }

    fn end(turn: &Turn, mode: SttMode) -> Endpoint {
        let (timing, pauses) = (Timing::default(), Pauses::default());
        let language = Language::of("en");
        turn.endpoint(&Manner { timing: &timing, language, mode, pauses: &pauses, agent_said: None }).unwrap()
    }

    #[test]
    fn a_recogniser_that_says_so_ends_the_turn() {
        let early = end(&turn("book a table", TranscriptKind::EndOfTurn, 1_100), SttMode::Fast);
        assert_eq!((early.rule, early.decided), ("endpoint.recogniser", base() + MS(1_250)));
        let late = end(&turn("book a table", TranscriptKind::EndOfTurn, 1_600), SttMode::Fast);
        assert_eq!((late.decided, late.settled), (base() + MS(1_600), base() + MS(1_600)));
    }

    #[test]
    fn words_that_lack_something_go_before_a_recogniser_that_says_it_is_over() {
        for (text, rule, at) in [("I would like to", "endpoint.unsure", 2_200), ("4. 1. 5.", "endpoint.digits", 1_900)]
        {
            let end = end(&turn(text, TranscriptKind::EndOfTurn, 1_300), SttMode::Fast);
            assert_eq!((end.rule, end.decided), (rule, base() + MS(at)), "{text:?}");
        }
    }

    #[test]
    fn the_detectors_tail_does_not_unsay_the_end_of_turn_but_new_voice_does() {
        let told = |voice: (u64, u64)| {
            let mut turn = Turn::default();
            turn.voice(base(), MS(1_000), base() + MS(1_000));
            turn.hear(&transcript(TranscriptKind::EndOfTurn, "book a table"), base() + MS(1_000));
            let (began, at) = voice;
            turn.voice(base() + MS(began), MS(at - began), base() + MS(at));
            turn.stopped = Some(base() + MS(at));
            end(&turn, SttMode::Fast).rule
        };
        assert_eq!(told((0, 1_100)), "endpoint.recogniser");
        assert_eq!(told((0, 1_200)), "endpoint.normal");
        assert_eq!(told((1_050, 1_120)), "endpoint.normal");
    }

    #[test]
    fn a_recogniser_that_hears_the_caller_go_on_starts_the_wait_again() {
        let mut turn = turn("Book a table.", TranscriptKind::Eager, 1_100);
        assert_eq!(end(&turn, SttMode::Fast).decided, base() + MS(1_250));
        turn.hear(&transcript(TranscriptKind::Resumed, ""), base() + MS(1_200));
        assert_eq!(end(&turn, SttMode::Fast).decided, base() + MS(1_450));
        turn.hear(&transcript(TranscriptKind::EndOfTurn, "Book a table."), base() + MS(1_300));
        assert_eq!(end(&turn, SttMode::Fast).decided, base() + MS(1_300));
    }

    #[test]
    fn words_are_settled_by_the_final_or_by_waiting_for_it() {
        let late = end(&turn("Two people.", TranscriptKind::Final, 1_900), SttMode::Fast);
        assert_eq!((late.decided, late.settled), (base() + MS(1_250), base() + MS(1_900)));
        let interim = end(&turn("Two people.", TranscriptKind::Interim, 900), SttMode::Fast);
        assert_eq!(
            (interim.decided, interim.settled, interim.promoted),
            (base() + MS(1_250), base() + MS(1_500), true)
        );
        // A final of words spoken earlier does not settle what was spoken last.
        let mut early = turn("Two people.", TranscriptKind::Final, 700);
        assert_eq!(end(&early, SttMode::Fast).settled, base() + MS(1_350));
        early.hear(&transcript(TranscriptKind::Final, ""), base() + MS(1_200));
        assert_eq!(end(&early, SttMode::Fast).settled, base() + MS(1_250));
    }

    #[test]
    fn in_accurate_mode_the_final_has_its_whole_time() {
        for (text, at, settled) in [("Two people.", 900, 1_550), ("Two people.", 1_300, 1_850), ("4 1 5", 900, 3_500)] {
            let interim = end(&turn(text, TranscriptKind::Interim, at), SttMode::Accurate);
            assert_eq!((interim.settled, interim.promoted), (base() + MS(settled), true), "{text:?} at {at}");
        }
        // A final is as good as in fast mode.
        let settled = turn("Two people.", TranscriptKind::Final, 1_100);
        assert_eq!(end(&settled, SttMode::Accurate), end(&settled, SttMode::Fast));
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
