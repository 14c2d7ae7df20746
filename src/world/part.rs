//! A scenario as a body in real time needs it: the caller's part, the services' lines, and the judgement at the end.

use std::time::Duration;

use crate::call::{DialogueEvent, KeyRules, Update};
use crate::conversation::{Digit, Failure, Pii, TranscriptKind, TransferEnd};

use super::scenario::{Deed, Ear, Fault, ReplyScript, Scenario};
use super::{Outcome, check, moment};

/// What happens in a scenario and how its services behave, in the open.
#[derive(Clone, Debug)]
pub struct Part {
    /// What is done, in the order of the file.
    pub acts: Vec<Act>,
    /// The model's answers, in the order it is asked.
    pub answers: Vec<Answered>,
    /// How the services are paced.
    pub pace: Pace,
    /// What tools answer.
    pub tools: Vec<ToolAnswer>,
    /// What there is to fall back on.
    pub backups: BackupPart,
    /// What comes of each transfer in turn; `None`: nobody ever says. Beyond them the line has no way to hand a caller on.
    pub transfers: Vec<Option<TransferEnd>>,
}

/// What a call falls back on.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct BackupPart {
    /// Another recogniser.
    pub recogniser: Option<BackupEar>,
    /// Another model.
    pub model: Option<BackupModel>,
    /// Another voice: from the first text to its first sound; `None` within: never.
    pub voice: Option<Option<Duration>>,
}

/// How another recogniser hears.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BackupEar {
    /// Like the first when it is well.
    Well,
    /// Nothing.
    Deaf,
    /// It refuses.
    Fails,
}

/// How another model answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BackupModel {
    /// From the request to its first token; `None`: never.
    pub first_token: Option<Duration>,
    /// Its answers; empty: those of the first choice.
    pub answers: Vec<Answered>,
}

/// Something that is done at a moment.
#[derive(Clone, PartialEq, Debug)]
pub struct Act {
    /// The agent's n-th utterance, from 1, that the moment counts from; 0: the answer.
    pub anchor: usize,
    /// How long after that.
    pub after: Duration,
    /// What is done.
    pub what: What,
}

/// What is done.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum What {
    /// The caller speaks.
    Says {
        /// For how long.
        length: Duration,
        /// The words.
        text: String,
        /// How long after the voice the recogniser's final comes; `None`: never.
        final_lag: Option<Duration>,
    },
    /// The caller coughs.
    Cough(Duration),
    /// The caller makes a voice without words.
    Hum(Duration),
    /// Noise from the caller's side.
    Noise {
        /// For how long.
        length: Duration,
        /// How loud.
        dbfs: f64,
    },
    /// Other people talk at the caller's side.
    Babble {
        /// For how long.
        length: Duration,
        /// How loud.
        dbfs: f64,
    },
    /// One tone from the caller's side, or several at once.
    Beep {
        /// For how long.
        length: Duration,
        /// How high, in hertz.
        hz: Vec<f32>,
    },
    /// The caller makes a recorded sound.
    Plays(Recorded),
    /// The recogniser says this, whatever it heard.
    Hears(TranscriptKind, String),
    /// The caller presses a key.
    Digit(Digit),
    /// The caller presses keys one after the other.
    Keys {
        /// Which.
        keys: Vec<Digit>,
        /// As telephone events (RFC 4733).
        events: bool,
        /// As tones in the sound.
        tones: bool,
    },
    /// Somebody outside has the agent say this.
    Say {
        /// The words.
        text: String,
        /// Whether the caller may talk it down.
        interruptible: bool,
    },
    /// Somebody outside hands the caller on, to this number; `None`: to the agent's.
    Transfer(Option<Pii<String>>),
    /// Somebody outside changes settings of the agent.
    Update(Update),
    /// Somebody outside asks for keys.
    Collect(KeyRules),
    /// Somebody outside silences the agent.
    Interrupt,
    /// Somebody outside ends the call.
    End,
    /// The caller hangs up.
    Hangup,
    /// No packet comes from the caller any more.
    LineDead,
    /// The caller's first packet comes only then.
    LineUp,
    /// The caller's stream begins anew.
    LineRestarts,
    /// The caller's side puts us on hold, or takes us back.
    Hold(bool),
    /// From here on a voice is well, or not.
    Voice {
        /// The backup, not the first choice.
        backup: bool,
        /// What ails it; `None`: nothing any more.
        trouble: Option<VoiceTrouble>,
    },
    /// The recogniser's connection is reset; the next one comes up so late.
    RecogniserDrops(Duration),
    /// The recogniser's connection hears nothing any more; a new one does.
    RecogniserDeaf,
    /// The recogniser fails for good.
    RecogniserFails(Failure),
}

/// A recorded sound of the caller.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recorded {
    /// What it is, for the timeline.
    pub name: String,
    /// Its samples, of 8 kHz.
    pub samples: Vec<i16>,
    /// Its words; empty: none.
    pub text: String,
    /// When each word ends, from the beginning of the sound; empty: they take equal shares of it.
    pub word_ends: Vec<Duration>,
    /// How long after a pause of the voice the recogniser's final comes; `None`: never.
    pub final_lag: Option<Duration>,
}

/// What ails the voice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VoiceTrouble {
    /// It takes text and says nothing.
    Silent,
    /// It refuses.
    Fails(Failure),
    /// It says nothing after so much sound of an utterance.
    Stalls(Duration),
    /// It breaks off after so much sound of an utterance.
    Breaks(Duration),
}

/// One answer of the model.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answered {
    /// What it says.
    pub text: String,
    /// The tools it asks for after that, with their arguments.
    pub tools: Vec<(String, String)>,
    /// How it ends.
    pub end: AnswerEnd,
}

/// How an answer of the model ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AnswerEnd {
    /// It is given whole.
    Whole,
    /// After its text nothing comes any more.
    Stall,
    /// There is none: the model fails.
    Fails(Failure),
}

/// What a tool answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ToolAnswer {
    /// Its name.
    pub name: String,
    /// How long it takes; `None`: for ever.
    pub takes: Option<Duration>,
    /// What it answers.
    pub answer: String,
}

/// How the services of a scenario are paced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pace {
    /// How far an interim is behind the end of its last word.
    pub interim_lag: Duration,
    /// From the request to the model's first token.
    pub first_token: Duration,
    /// From one token to the next.
    pub per_token: Duration,
    /// From the first text to the voice's first sound.
    pub first_sound: Duration,
    /// How long the voice takes for a word.
    pub per_word: Duration,
    /// Whether the voice tells when its words are spoken.
    pub word_times: bool,
}

impl Scenario {
    /// The scenario in the open, for a body that plays it in real time.
    pub fn part(&self) -> Part {
        let acts = self.steps.iter().map(|step| Act {
            anchor: step.when.anchor,
            after: step.when.offset,
            what: self.what(&step.deed),
        });
        let answers = self.llm.replies.iter().map(answered);
        let tools = self.tools.iter().map(|tool| ToolAnswer {
            name: tool.name.clone(),
            takes: tool.takes,
            answer: tool.answer.clone(),
        });
        Part {
            acts: acts.collect(),
            answers: answers.collect(),
            pace: Pace {
                interim_lag: self.stt.interim_lag,
                first_token: self.llm.first_token,
                per_token: self.llm.per_token,
                first_sound: self.tts.first_byte,
                per_word: self.tts.per_word,
                word_times: self.tts.word_times,
            },
            tools: tools.collect(),
            backups: self.backups(),
            transfers: self.transfers.iter().map(|transfer| transfer.end).collect(),
        }
    }

    fn backups(&self) -> BackupPart {
        let has = self.spec.dialogue.backups;
        let ear = |ear| match ear {
            Ear::Well => BackupEar::Well,
            Ear::Deaf => BackupEar::Deaf,
            Ear::Fails => BackupEar::Fails,
        };
        let answers = self.llm.backup_replies.iter().map(answered).collect();
        BackupPart {
            recogniser: self.stt.backup.map(ear).filter(|_| has.stt),
            model: has.llm.then_some(BackupModel { first_token: self.llm.backup, answers }),
            voice: has.tts.then_some(self.tts.backup),
        }
    }

    fn what(&self, deed: &Deed) -> What {
        match deed {
            Deed::Says { length, text, final_lag } => {
                let final_lag = if *final_lag == Some(Duration::MAX) { self.stt.final_lag } else { *final_lag };
                What::Says { length: *length, text: text.clone(), final_lag }
            }
            Deed::Cough(length) => What::Cough(*length),
            Deed::Hum(length) => What::Hum(*length),
            Deed::Noise { length, dbfs } => What::Noise { length: *length, dbfs: *dbfs },
            Deed::Hears(kind, text) => What::Hears(*kind, text.clone()),
            Deed::Babble { length, dbfs } => What::Babble { length: *length, dbfs: *dbfs },
            Deed::Beep { length, hz } => What::Beep { length: *length, hz: hz.clone() },
            Deed::Digit(digit) => What::Digit(*digit),
            Deed::Keys { keys, events, tones } => What::Keys { keys: keys.clone(), events: *events, tones: *tones },
            Deed::Transfer(to) => What::Transfer(to.clone()),
            Deed::Update(update) => What::Update(update.clone()),
            Deed::Collect(rules) => What::Collect(*rules),
            Deed::Say { text, interruptible } => What::Say { text: text.clone(), interruptible: *interruptible },
            Deed::Interrupt => What::Interrupt,
            Deed::End => What::End,
            Deed::Hangup => What::Hangup,
            Deed::LineDead => What::LineDead,
            Deed::LineUp => What::LineUp,
            Deed::LineRestarts => What::LineRestarts,
            Deed::Hold(held) => What::Hold(*held),
            Deed::Tts { rank, fault } => {
                let trouble = match fault {
                    Fault::None => None,
                    Fault::Blackhole => Some(VoiceTrouble::Silent),
                    Fault::Fail(failure) => Some(VoiceTrouble::Fails(*failure)),
                    Fault::Stall(after) => Some(VoiceTrouble::Stalls(*after)),
                    Fault::Break(after) => Some(VoiceTrouble::Breaks(*after)),
                };
                What::Voice { backup: *rank > 0, trouble }
            }
            Deed::SttDrops(outage) => What::RecogniserDrops(*outage),
            Deed::SttDeaf => What::RecogniserDeaf,
            Deed::SttFails(failure) => What::RecogniserFails(*failure),
        }
    }

    /// Adds to the failures of `outcome`, however it was come by, what was expected and did not happen.
    pub fn judge(&self, outcome: &mut Outcome) {
        check::check(self, outcome);
    }
}

/// How a decision reads in a timeline: its kind and the rest; `None`: it is left out.
pub fn read(event: &DialogueEvent) -> Option<(&'static str, String)> {
    moment::describe(event)
}

fn answered(reply: &ReplyScript) -> Answered {
    let (text, tools, end) = match reply {
        ReplyScript::Text(text) => (text.clone(), Vec::new(), AnswerEnd::Whole),
        ReplyScript::TextThenStall(text) => (text.clone(), Vec::new(), AnswerEnd::Stall),
        ReplyScript::Tools { text, calls } => (text.clone(), calls.clone(), AnswerEnd::Whole),
        ReplyScript::Fail(failure) => (String::new(), Vec::new(), AnswerEnd::Fails(*failure)),
    };
    Answered { text, tools, end }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_of_a_scenario_says_all_that_is_done() {
        let file = "stt final=300\nreply \"Well\" then-stall\nreply tool look \"{}\"\ntool look 2s \"found\"\n\
                    0 says 1s \"hello\"\na1+200 says 500 \"you\" final=never\n900 tts blackhole\n";
        let part = Scenario::parse("t", file).unwrap().part();
        let says = |length, text: &str, lag: Option<u64>| What::Says {
            length: Duration::from_millis(length),
            text: text.into(),
            final_lag: lag.map(Duration::from_millis),
        };
        let acts: Vec<_> = part.acts.iter().map(|act| (act.anchor, act.after.as_millis(), act.what.clone())).collect();
        let silent = What::Voice { backup: false, trouble: Some(VoiceTrouble::Silent) };
        let expected = [(0, 0, says(1_000, "hello", Some(300))), (1, 200, says(500, "you", None)), (0, 900, silent)];
        assert_eq!(acts, expected);
        assert_eq!((part.answers[0].end, part.answers[1].tools.len() == 1), (AnswerEnd::Stall, true));
        assert_eq!(part.tools[0].takes, Some(Duration::from_secs(2)));
    }
}
