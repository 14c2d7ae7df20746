//! The account of one call in real time: its moments, and what should not have happened.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::engine::{DialogueEvent, Event, EventKind, Report};
use crate::world::{Failure, Moment, Outcome, read};

use super::ear::Ear;

/// What happened so far, with times since the answer.
#[derive(Debug)]
pub(super) struct Account {
    began: Instant,
    moments: Vec<Moment>,
    violations: Vec<Failure>,
    answered: BTreeSet<u32>,
    /// What the agent is said to have said, as words.
    said: Vec<usize>,
    resumes: u32,
    /// When the engine says that the agent fell silent.
    silenced: Vec<Instant>,
    /// When it went on, or something else was heard of it.
    sounded: Vec<Instant>,
    ended: bool,
    /// How long it went on.
    lasted: Duration,
}

/// Moments one account keeps.
const MOST_MOMENTS: usize = 10_000;
/// What may still be heard after the engine says it is silent: the packet under way.
const UNDER_WAY: Duration = Duration::from_millis(30);

impl Account {
    /// An empty account of a call that began, and was answered, at `began`.
    pub(super) fn new(began: Instant) -> Self {
        Self {
            began,
            moments: Vec::new(),
            violations: Vec::new(),
            answered: BTreeSet::new(),
            said: Vec::new(),
            resumes: 0,
            silenced: Vec::new(),
            sounded: Vec::new(),
            ended: false,
            lasted: Duration::ZERO,
        }
    }

    /// How many of the agent's utterances are written down.
    pub(super) fn said(&self) -> usize {
        self.said.len()
    }

    /// Whether the call is over.
    pub(super) fn is_over(&self) -> bool {
        self.ended
    }

    /// The scenario is over.
    pub(super) fn end(&mut self, now: Instant) {
        self.lasted = now.saturating_duration_since(self.began);
    }

    /// Something happened at `at`.
    pub(super) fn note(&mut self, at: Instant, kind: &'static str, text: String) {
        if self.moments.len() < MOST_MOMENTS {
            let at = at.saturating_duration_since(self.began).as_millis() as i64;
            self.moments.push(Moment { at, kind, text });
        }
    }

    /// The agent's n-th utterance was first heard at `at`.
    pub(super) fn audio(&mut self, at: Instant, nth: usize) {
        self.sounded.push(at);
        self.note(at, "audio", format!("utterance {nth} is first heard"));
    }

    /// The call tells something.
    pub(super) fn watch(&mut self, event: &Event) {
        let at = self.began + event.at;
        match &event.kind {
            EventKind::Dialogue(decision) => {
                match decision {
                    DialogueEvent::AgentSaid { text, .. } => self.said.push(text.split_whitespace().count()),
                    DialogueEvent::Resumed { .. } => {
                        self.resumes += 1;
                        self.sounded.push(at);
                    }
                    _ => {}
                }
                if let Some((kind, text)) = read(decision) {
                    self.note(at, kind, text);
                }
            }
            EventKind::TurnAnswered(turn) => {
                if !self.answered.insert(turn.turn) {
                    self.violations.push(format!("turn {} is answered twice", turn.turn).into());
                }
                let parts = turn.waterfall.parts().map(|part| part.as_millis().to_string()).join(" + ");
                let total = turn.waterfall.total().as_millis();
                self.note(at, "answered", format!("turn {}: {parts} = {total} ms", turn.turn));
            }
            EventKind::Silenced { reply, after } => {
                self.silenced.push(at);
                self.note(at, "silent", format!("reply {reply}, {} ms after the voice began", after.as_millis()));
            }
            EventKind::SoundWithoutVoice { since, why } => {
                let ago = event.at.saturating_sub(*since).as_millis();
                self.note(at, "voiceless", format!("sound for {ago} ms, no voice in it [{}]", why.rule));
            }
            EventKind::Ended { reason } => {
                self.ended = true;
                self.note(at, "ended", reason.name().into());
            }
            _ => {}
        }
    }

    /// What came of it all, the expectations not yet judged. `word`: how long the voice sounds for a word.
    pub(super) fn close(
        mut self,
        ear: &Ear,
        report: Report,
        generations: usize,
        word: Duration,
        word_times: bool,
        tolerance: Duration,
    ) -> Outcome {
        self.violations.extend(ear.problems().iter().cloned().map(Failure::from));
        self.check_silences(ear);
        self.check_history(ear, word, word_times, tolerance);
        self.moments.sort_by_key(|moment| moment.at);
        let began = self.began;
        let lasted = self.lasted;
        let heard = ear.utterances().iter().map(|utterance| utterance.began.saturating_duration_since(began));
        Outcome {
            moments: self.moments,
            decisions: Vec::new(),
            report,
            generations,
            // Counted in virtual time alone.
            model_text: 0,
            longest_gap: ear.longest_gap(),
            utterances: heard.collect(),
            tolerance,
            digest: 0,
            lasted,
            log: String::new(),
            failures: self.violations,
        }
    }

    /// Silent means silent: once the engine says so nothing of the agent is heard until it goes on or says something else.
    fn check_silences(&mut self, ear: &Ear) {
        for &silent in &self.silenced {
            let until = self.sounded.iter().copied().filter(|&at| at > silent).min();
            let heard = ear.packets().iter().find(|(at, audible)| *audible && *at > silent + UNDER_WAY);
            if let Some((at, _)) = heard
                && until.is_none_or(|until| *at + UNDER_WAY < until)
            {
                let since = |at: Instant| at.saturating_duration_since(self.began).as_millis() as i64;
                let text = format!("silent at {}, but still heard at {}", since(silent), since(*at));
                self.violations.push(Failure { at: Some(since(*at)), text });
            }
        }
    }

    /// History is what was heard: the words written down and the sound the ear got of them agree within a word, two where
    /// the text had to be guessed from the sound, and one more for each resume, which repeats a word.
    fn check_history(&mut self, ear: &Ear, word: Duration, word_times: bool, tolerance: Duration) {
        let heard = ear.utterances();
        // What was taken back, or heard and kept out of history on purpose, leaves no line to compare with.
        if heard.len() != self.said.len() || word.is_zero() {
            return;
        }
        let off = tolerance.as_secs_f64() / word.as_secs_f64();
        let slack = 1.3 + f64::from(self.resumes) + if word_times { 0.0 } else { 1.0 } + off;
        for (nth, (utterance, &written)) in heard.iter().zip(&self.said).enumerate() {
            let sounded = utterance.sounded.as_secs_f64() / word.as_secs_f64();
            if (sounded - written as f64).abs() > slack {
                let nth = nth + 1;
                self.violations
                    .push(format!("history has {written} words of utterance {nth}, {sounded:.1} were heard").into());
            }
        }
    }
}
