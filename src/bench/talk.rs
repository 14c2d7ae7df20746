//! One caller's part in the conversation, and what its ear makes of the agent's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::audio::g711::ulaw_to_linear;

use super::sound::{PTIME, Payload, Script};
use super::spread::Spread;

/// A caller that follows a [`Script`]: told when its next packet is due and what it hears, it knows what to send and whether
/// the agent did its part. It needs to know nothing of how the sound travels.
#[derive(Debug)]
pub(super) struct Talk {
    script: Arc<Script>,
    /// The line that is said next, or being said.
    line: usize,
    doing: Doing,
    /// Packets of the room so far.
    quiet: usize,
    /// When the agent's present or last utterance began, and its last audible sample.
    heard: Option<(Instant, Instant)>,
    tally: Tally,
}

/// What a caller is at.
#[derive(Debug)]
enum Doing {
    /// It hears the agent out, since then.
    Listening(Instant),
    /// It says its line, the first sample of which was at `began`.
    Saying { began: Instant, packet: usize, over: Over },
    /// It has said its line, the last voiced sample of which was at `spoken`, and waits for the answer.
    Waiting { spoken: Instant, over: Over },
}

/// How the caller's voice and the agent's lie over one another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Over {
    /// The agent had finished.
    Not,
    /// It interrupts; its voice began then, and the agent is yet to fall silent.
    Interrupting(Instant),
    /// It interrupted and the agent fell silent.
    Interrupted,
    /// The turn is counted as failed already.
    Failed,
}

/// Why a turn did not happen as it should.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fault {
    /// No answer came in 5 s.
    NoAnswer,
    /// The agent spoke into the caller's line.
    TalkedOver,
    /// The agent went on though it was interrupted.
    NotSilenced,
    /// The answer ended before it could be interrupted, or was much shorter or longer than it should be.
    WrongAnswer,
    /// The call is gone.
    Dropped,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::NoAnswer, Self::TalkedOver, Self::NotSilenced, Self::WrongAnswer, Self::Dropped];

    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoAnswer => "no answer",
            Self::TalkedOver => "talked over",
            Self::NotSilenced => "not silenced",
            Self::WrongAnswer => "wrong answer",
            Self::Dropped => "dropped",
        }
    }
}

/// What a caller, or many of them, went through.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// From the caller's last voiced sample to the first audible sample of the answer.
    pub(super) response: Spread,
    /// From the first voiced sample of an interruption to the agent's last audible one.
    pub(super) silenced: Spread,
    /// Turns that were answered.
    pub(super) turns: u64,
    /// Turns that failed, by [`Fault::ALL`].
    pub(super) failed: [u64; Fault::ALL.len()],
    /// How long the answers to each line were, in ms.
    pub(super) answers: Vec<Vec<u32>>,
}

impl Tally {
    /// All of another.
    pub(super) fn add(&mut self, other: &Self) {
        self.response.add(&other.response);
        self.silenced.add(&other.silenced);
        self.turns += other.turns;
        self.failed.iter_mut().zip(other.failed).for_each(|(count, more)| *count += more);
        self.answers.resize_with(self.answers.len().max(other.answers.len()), Vec::new);
        self.answers.iter_mut().zip(&other.answers).for_each(|(all, more)| all.extend(more));
    }

    /// Counts a failed turn.
    pub(super) fn fail(&mut self, fault: Fault) {
        if let Some(count) = Fault::ALL.iter().position(|known| *known == fault).and_then(|n| self.failed.get_mut(n)) {
            *count += 1;
        }
    }

    /// Failed turns of all kinds.
    pub(super) fn failures(&self) -> u64 {
        self.failed.iter().sum()
    }
}

/// Silence after which the agent has finished; the pauses inside an answer are shorter.
const PAUSE: Duration = Duration::from_millis(700);
/// Silence after which an interrupted agent has stopped: longer than a gap between two words and a sentence's end.
const STOPPED: Duration = Duration::from_millis(400);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long an interrupted agent may go on.
const STOP_PATIENCE: Duration = Duration::from_secs(2);
/// How long the agent may speak.
const LONGEST_ANSWER: Duration = Duration::from_secs(45);
/// What counts as the agent's voice: above the last steps of a µ-law fade.
const AUDIBLE: u16 = 120;
/// A sound that dies away is no beginning: an answer has more than this.
const CLICK: usize = 24;

impl Talk {
    /// A caller who has just picked up.
    pub(super) fn new(script: Arc<Script>, now: Instant) -> Self {
        let answers = vec![Vec::new(); script.lines.len()];
        Self {
            script,
            line: 0,
            doing: Doing::Listening(now),
            quiet: 0,
            heard: None,
            tally: Tally { answers, ..Tally::default() },
        }
    }

    /// Takes what was counted so far; counting begins anew.
    pub(super) fn take(&mut self) -> Tally {
        let answers = vec![Vec::new(); self.script.lines.len()];
        std::mem::replace(&mut self.tally, Tally { answers, ..Tally::default() })
    }

    /// Counts the call as dropped.
    pub(super) fn dropped(&mut self) {
        self.tally.fail(Fault::Dropped);
    }

    /// The packet that is due at `due` and holds the 20 ms before.
    pub(super) fn packet(&mut self, due: Instant) -> Payload {
        self.judge(due);
        if let Doing::Listening(since) = self.doing
            && self.is_cued(since, due)
        {
            self.begin(due);
        }
        let Doing::Saying { began, packet, over } = &mut self.doing else { return self.room() };
        let Some(line) = self.script.lines.get(self.line) else { return self.room() };
        let payload = line.packets.get(*packet).copied();
        *packet += 1;
        if *packet >= line.packets.len() {
            self.doing = Doing::Waiting { spoken: *began + line.voiced.1, over: *over };
        }
        payload.unwrap_or_else(|| self.room())
    }

    /// The agent's sound, µ-law, whose first sample is heard at `now`.
    pub(super) fn hear(&mut self, sound: &[u8], now: Instant) {
        let is_audible = |byte: &u8| ulaw_to_linear(*byte).unsigned_abs() > AUDIBLE;
        let Some(first) = sound.iter().position(is_audible) else { return };
        let last = sound.iter().rposition(is_audible).unwrap_or(first);
        let at = |sample: usize| now + Duration::from_micros(sample as u64 * 125);
        match &mut self.heard {
            Some((_, until)) if at(first).saturating_duration_since(*until) < PAUSE => *until = (*until).max(at(last)),
            // What only dies away.
            _ if last - first < CLICK => return,
            heard => *heard = Some((at(first), at(last))),
        }
        match self.doing {
            Doing::Waiting { spoken, over } if !matches!(over, Over::Interrupting(_)) => {
                self.heard = Some((at(first), at(last)));
                if over != Over::Failed {
                    self.tally.turns += 1;
                    self.tally.response.note(at(first).saturating_duration_since(spoken));
                }
                self.line = (self.line + 1) % self.script.lines.len().max(1);
                self.doing = Doing::Listening(now);
            }
            // The agent may still be finishing while the caller begins.
            Doing::Saying { began, ref mut over, .. }
                if *over == Over::Not && at(first) > began + PTIME * 5 && last - first >= CLICK =>
            {
                *over = Over::Failed;
                self.tally.fail(Fault::TalkedOver);
            }
            _ => {}
        }
    }

    /// Looks at what is due by now.
    fn judge(&mut self, now: Instant) {
        let last = self.heard.map(|(_, last)| last);
        if let Doing::Saying { over, .. } | Doing::Waiting { over, .. } = &mut self.doing
            && let Over::Interrupting(began) = *over
        {
            let last = last.unwrap_or(began);
            if now.saturating_duration_since(last.max(began)) >= STOPPED {
                *over = Over::Interrupted;
                self.tally.silenced.note(last.saturating_duration_since(began));
            } else if now.saturating_duration_since(began) >= STOP_PATIENCE {
                *over = Over::Failed;
                self.tally.fail(Fault::NotSilenced);
            }
        }
        if let Doing::Waiting { spoken, over } = self.doing
            && now.saturating_duration_since(spoken) >= PATIENCE
        {
            if over != Over::Failed {
                self.tally.fail(Fault::NoAnswer);
            }
            self.line = (self.line + 1) % self.script.lines.len().max(1);
            self.doing = Doing::Listening(now);
            // Nothing to hear out: the next line follows.
            self.heard = None;
        }
    }

    /// Whether the next line is to be said, by one who listens since then.
    fn is_cued(&mut self, since: Instant, now: Instant) -> bool {
        let Some((began, last)) = self.heard else {
            // Nobody speaks: a caller who waits long enough says something.
            let waited = now.saturating_duration_since(since) >= PATIENCE;
            if waited {
                self.tally.fail(Fault::NoAnswer);
            }
            return waited;
        };
        let finished = now.saturating_duration_since(last) >= PAUSE;
        let interrupts = self.script.lines.get(self.line).and_then(|line| line.interrupts_after);
        let before = self.line.checked_sub(1).unwrap_or(self.script.lines.len().saturating_sub(1));
        match interrupts {
            Some(after) if !finished => {
                // In the middle of a word, so that falling silent can be heard.
                now.saturating_duration_since(began) >= after && now.saturating_duration_since(last) <= PTIME * 2
            }
            Some(_) => {
                self.tally.fail(Fault::WrongAnswer);
                true
            }
            None if finished => {
                let length = last.saturating_duration_since(began).as_millis();
                if let Some(answers) = self.tally.answers.get_mut(before) {
                    answers.push(u32::try_from(length).unwrap_or(u32::MAX));
                }
                true
            }
            None => {
                let endless = now.saturating_duration_since(began) >= LONGEST_ANSWER;
                if endless {
                    self.tally.fail(Fault::WrongAnswer);
                }
                endless
            }
        }
    }

    /// Begins its line with the packet that is due at `due`.
    fn begin(&mut self, due: Instant) {
        let Some(line) = self.script.lines.get(self.line) else { return };
        let began = due.checked_sub(PTIME).unwrap_or(due);
        let talks = self.heard.is_some_and(|(_, last)| due.saturating_duration_since(last) < PAUSE);
        let over = if talks && line.interrupts_after.is_some() {
            Over::Interrupting(began + line.voiced.0)
        } else {
            Over::Not
        };
        self.doing = Doing::Saying { began, packet: 0, over };
    }

    fn room(&mut self) -> Payload {
        self.quiet += 1;
        let room = &self.script.room;
        room.get(self.quiet % room.len().max(1)).copied().unwrap_or([0xFF; _])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An agent in virtual time: what it says in each packet, by what it knows of the caller.
    struct Stage {
        talk: Talk,
        now: Instant,
        /// How long the caller has been quiet, and whether its line has been heard since the agent spoke.
        quiet: Duration,
        heard_line: bool,
    }

    const LOUD: Payload = [0x90; 160];

    impl Stage {
        fn new() -> Self {
            let now = Instant::now();
            let talk = Talk::new(Script::prepare().unwrap(), now);
            Self { talk, now, quiet: Duration::ZERO, heard_line: false }
        }

        /// One packet each way; whether the caller's voice was in it.
        fn step(&mut self, agent: bool) -> bool {
            self.now += PTIME;
            let sent = self.talk.packet(self.now);
            if agent {
                self.talk.hear(&LOUD, self.now);
            }
            let voice = sent.iter().any(|&byte| ulaw_to_linear(byte).unsigned_abs() > 1_000);
            self.quiet = if voice { Duration::ZERO } else { self.quiet + PTIME };
            self.heard_line |= voice;
            voice
        }

        fn speak(&mut self, length: Duration) {
            for _ in 0..length.as_millis() / 20 {
                self.step(true);
            }
        }

        /// Waits until the caller has spoken and been quiet for `quiet`.
        fn hear_line(&mut self, quiet: Duration) {
            self.heard_line = false;
            while !self.heard_line || self.quiet < quiet {
                self.step(false);
            }
        }
    }

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_good_agent_has_all_its_turns_answered_and_measured() {
        let mut stage = Stage::new();
        stage.speak(ms(2_000));
        for _ in 0..2 {
            stage.hear_line(ms(500));
            stage.speak(ms(2_500));
            stage.hear_line(ms(500));
            // Interrupted after 3 s; gives in 200 ms after the caller's first sample.
            stage.heard_line = false;
            while !stage.heard_line {
                stage.step(true);
            }
            stage.speak(ms(180));
            stage.hear_line(ms(500));
            for _ in 0..2 {
                stage.speak(ms(2_500));
                stage.hear_line(ms(500));
            }
            stage.speak(ms(2_500));
        }
        let tally = stage.talk.take();
        assert_eq!((tally.failures(), tally.turns), (0, 10), "{tally:?}");
        assert_eq!(tally.silenced.count(), 2);
        let (response, silenced) = (tally.response.quantile(0.5).unwrap(), tally.silenced.quantile(0.5).unwrap());
        assert!((400..=560).contains(&response.as_millis()), "{response:?}");
        assert!((180..=240).contains(&silenced.as_millis()), "{silenced:?}");
        assert!(tally.answers[0].iter().all(|length| (2_480..=2_500).contains(length)), "{:?}", tally.answers);
        assert!(tally.answers[1].is_empty(), "an interrupted answer has no length of its own");
        assert_eq!(stage.talk.take().turns, 0);
    }

    #[test]
    fn an_agent_that_does_not_answer_fails_and_the_caller_goes_on() {
        let mut stage = Stage::new();
        stage.speak(ms(1_000));
        stage.hear_line(ms(6_000));
        let tally = stage.talk.take();
        assert_eq!((tally.turns, tally.failed), (0, [1, 0, 0, 0, 0]));
        stage.hear_line(ms(100));
        assert_eq!(stage.talk.line, 1, "it says its next line");
    }

    #[test]
    fn an_agent_that_cannot_be_interrupted_fails() {
        let mut stage = Stage::new();
        stage.speak(ms(1_000));
        stage.hear_line(ms(500));
        stage.speak(ms(1_000));
        stage.hear_line(ms(500));
        stage.speak(ms(8_000));
        assert_eq!(stage.talk.take().failed, [0, 0, 1, 0, 0]);
    }

    #[test]
    fn an_agent_that_speaks_into_a_line_fails() {
        let mut stage = Stage::new();
        stage.speak(ms(1_000));
        while !stage.step(false) {}
        for _ in 0..50 {
            stage.step(false);
        }
        stage.speak(ms(200));
        assert_eq!(stage.talk.take().failed, [0, 1, 0, 0, 0]);
    }

    #[test]
    fn an_answer_too_short_to_be_interrupted_fails() {
        let mut stage = Stage::new();
        stage.speak(ms(1_000));
        stage.hear_line(ms(500));
        stage.speak(ms(1_000));
        stage.hear_line(ms(500));
        stage.speak(ms(1_000));
        stage.hear_line(ms(100));
        assert_eq!(stage.talk.take().failed, [0, 0, 0, 1, 0]);
    }
}
