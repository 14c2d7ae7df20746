//! Scripted services and a scripted caller around one dialogue.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::conversation::{
    Backdrop, Failure, GenerationEnd, Message, ReplyId, Service, ToolCall, ToolResult, Transcript, TranscriptKind,
    WordTime,
};
use crate::dialogue::{Action, Command, Dialogue, DialogueEvent, DialogueSpec, EndReason, Fact};

use super::{base, transcript};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// Something that will happen.
#[derive(Clone, Debug)]
pub(super) enum Coming {
    Answered,
    MediaUp,
    Beep {
        length: u64,
    },
    Voice {
        began: u64,
    },
    Echo,
    Silence {
        since: u64,
    },
    Words(Transcript),
    Token(ReplyId, String),
    Call(ReplyId, ToolCall),
    Ended(ReplyId, GenerationEnd),
    Ready(ReplyId),
    Times(ReplyId, Vec<WordTime>),
    Delivered(ReplyId),
    Heard(ReplyId, u32),
    /// What had come of a reply was heard, and its voice is dead.
    Dry(ReplyId, u32),
    Failed(Service, ReplyId),
    Result(ToolResult),
    Command(Command),
    Closed,
}

/// What the model answers to one prompt.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    pub text: &'static str,
    pub tools: Vec<(&'static str, u64)>,
    /// Never answers.
    pub hangs: bool,
}

/// From when on a service is dead, and whether it says so.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Death {
    pub from: Option<u64>,
    pub is_told: bool,
}

impl Death {
    fn has_come(self, now: u64) -> bool {
        self.from.is_some_and(|from| now >= from)
    }
}

#[derive(Default)]
struct Sound {
    rank: u8,
    /// Its voice died before it had delivered everything.
    is_cut_short: bool,
    text: String,
    words: usize,
    ready: bool,
    closed: bool,
    started: Option<u64>,
    position: u64,
    holding: bool,
    version: u32,
}

/// A dialogue on its stage: first token after 300 ms, first sound after 120 ms, 300 ms a word.
pub(super) struct Stage {
    pub dialogue: Dialogue,
    pub now: u64,
    coming: BTreeMap<(u64, u32), Coming>,
    count: u32,
    pub answers: VecDeque<Answer>,
    pub log: Vec<(u64, String)>,
    pub prompts: Vec<Vec<Message>>,
    pub events: Vec<(u64, DialogueEvent)>,
    pub ended: Option<(u64, EndReason)>,
    sounds: HashMap<ReplyId, Sound>,
    playing: Option<ReplyId>,
    pub mute_voice: bool,
    /// The voice never says that it has delivered everything.
    pub stalls_voice: bool,
    /// The voice tells no word times.
    pub wordless_voice: bool,
    /// What lies under the caller's voice.
    pub over: Backdrop,
    /// The voices and the models that die, by rank.
    pub voices: [Death; 2],
    pub models: [Death; 2],
    /// The first voice delivers this many words of each reply, then nothing.
    pub voice_limit: Option<usize>,
}

pub(super) fn says(text: &'static str) -> Answer {
    Answer { text, ..Answer::default() }
}

impl Stage {
    /// A call answered at 0, its first packet 20 ms later, whose model gives these answers and does not think ahead: it
    /// begins when a turn is over.
    pub fn new(mut spec: DialogueSpec, answers: &[&'static str]) -> Self {
        spec.speculation.enabled = false;
        Self::thinking(spec, answers)
    }

    /// The same with the spec's own way of thinking ahead. A thought takes an answer, whether or not it is used.
    pub fn thinking(spec: DialogueSpec, answers: &[&'static str]) -> Self {
        let mut stage = Self::unheard(spec, answers);
        stage.at(20, Coming::MediaUp);
        stage
    }

    /// A call answered at 0 on whose line nothing comes, whose model gives these answers.
    pub fn unheard(spec: DialogueSpec, answers: &[&'static str]) -> Self {
        let mut stage = Self {
            dialogue: Dialogue::new(spec, base()),
            now: 0,
            coming: BTreeMap::new(),
            count: 0,
            answers: answers.iter().map(|text| says(text)).collect(),
            log: Vec::new(),
            prompts: Vec::new(),
            events: Vec::new(),
            ended: None,
            sounds: HashMap::new(),
            playing: None,
            mute_voice: false,
            stalls_voice: false,
            wordless_voice: false,
            over: Backdrop::Quiet,
            voices: Default::default(),
            models: Default::default(),
            voice_limit: None,
        };
        stage.carry();
        stage.at(0, Coming::Answered);
        stage
    }

    pub fn at(&mut self, at: u64, coming: Coming) {
        self.count += 1;
        self.coming.insert((at, self.count), coming);
    }

    /// The caller's voice from `from` to `to`, told by the detector hop by hop.
    pub fn voice(&mut self, from: u64, to: u64) {
        for at in (from + 32..=to).step_by(32) {
            self.at(at, Coming::Voice { began: from });
        }
        self.at(to + 200, Coming::Silence { since: to });
    }

    /// Voice and words: interims 200 ms behind, the final 250 ms after the voice.
    pub fn says(&mut self, from: u64, to: u64, text: &str) {
        self.voice(from, to);
        let words: Vec<&str> = text.split(' ').collect();
        let each = (to - from) / words.len() as u64;
        for n in 1..words.len() {
            self.words(from + each * n as u64 + 200, TranscriptKind::Interim, &words[..n].join(" "));
        }
        self.words(to + 250, TranscriptKind::Final, text);
    }

    pub fn words(&mut self, at: u64, kind: TranscriptKind, text: &str) {
        self.at(at, Coming::Words(transcript(kind, text)));
    }

    /// Tells a fact at once.
    pub fn tell(&mut self, fact: Fact<'_>) {
        let now = self.instant();
        self.dialogue.handle(fact, now);
        self.carry();
    }

    /// Runs until `until`, events before timers.
    pub fn run(&mut self, until: u64) {
        for _ in 0..200_000 {
            let timeout = self.dialogue.poll_timeout().map(Self::ms_up);
            let event = self.coming.keys().next().map(|&(at, _)| at);
            let next = match (timeout, event) {
                (Some(t), Some(e)) => t.min(e),
                (Some(t), None) | (None, Some(t)) => t,
                (None, None) => break,
            };
            if next > until {
                break;
            }
            self.now = self.now.max(next);
            if event.is_some_and(|at| at <= self.now) {
                if let Some((_, coming)) = self.coming.pop_first() {
                    self.happen(coming);
                }
            } else {
                self.dialogue.handle_timeout(self.instant());
            }
            self.carry();
            let due = self.dialogue.poll_timeout();
            assert!(due.is_none_or(|at| at + MS(1_000) >= self.instant()), "a deadline has been made up in the past");
        }
        self.now = self.now.max(until);
    }

    /// What had come of a reply has been heard, and more is to come.
    pub fn starve(&mut self, reply: ReplyId) {
        let sound = self.sounds.entry(reply).or_default();
        sound.position += self.now - sound.started.take().unwrap_or(self.now);
        sound.holding = true;
        sound.version += 1;
        self.tell(Fact::SpeechStarved { reply });
    }

    /// More has come.
    pub fn feed(&mut self, reply: ReplyId) {
        let sound = self.sounds.entry(reply).or_default();
        sound.started = Some(self.now);
        sound.holding = false;
        self.plan_end(reply);
        self.tell(Fact::SpeechReady { reply });
    }

    fn ms_up(at: Instant) -> u64 {
        at.saturating_duration_since(base()).as_micros().div_ceil(1_000) as u64
    }

    pub fn instant(&self) -> Instant {
        base() + MS(self.now)
    }

    fn happen(&mut self, coming: Coming) {
        let now = self.instant();
        let d = &mut self.dialogue;
        match coming {
            Coming::Answered => d.handle(Fact::Answered, now),
            Coming::MediaUp => d.handle(Fact::MediaUp, now),
            Coming::Beep { length } => d.handle(Fact::Beep { length: MS(length), ended: now }, now),
            Coming::Voice { began } => {
                d.handle(Fact::Voice { began: base() + MS(began), voiced: MS(self.now - began), over: self.over }, now);
            }
            Coming::Echo => d.handle(Fact::Echo, now),
            Coming::Silence { since } => d.handle(Fact::Silence { since: base() + MS(since) }, now),
            Coming::Words(transcript) => d.handle(Fact::Transcript(&transcript), now),
            Coming::Token(reply, text) => d.handle(Fact::Token { reply, text: &text }, now),
            Coming::Call(reply, call) => d.handle(Fact::ToolCall { reply, call }, now),
            Coming::Ended(reply, end) => d.handle(Fact::GenerationEnded { reply, end }, now),
            Coming::Ready(reply) => {
                self.sounds.entry(reply).or_default().ready = true;
                d.handle(Fact::SpeechReady { reply }, now);
            }
            Coming::Times(reply, words) => d.handle(Fact::WordTimes { reply, words: &words }, now),
            Coming::Delivered(_) if self.stalls_voice => {}
            Coming::Delivered(reply) if self.sounds.get(&reply).is_some_and(|sound| sound.is_cut_short) => {}
            Coming::Delivered(reply) => {
                let length = MS(self.sounds.get(&reply).map_or(0, |sound| sound.words as u64 * 300));
                d.handle(Fact::SpeechEnded { reply, length }, now);
            }
            Coming::Heard(reply, version) => {
                if self.playing == Some(reply) && self.sounds[&reply].version == version {
                    self.playing = None;
                    let heard = MS(self.sounds[&reply].words as u64 * 300);
                    self.note(format!("heard {reply}"));
                    self.dialogue.handle(Fact::PlayoutEnded { reply, heard }, now);
                }
            }
            Coming::Dry(reply, version) => {
                if self.playing == Some(reply) && self.sounds[&reply].version == version {
                    self.starve(reply);
                }
            }
            Coming::Failed(service, reply) => {
                let reply = Some(reply).filter(|_| service != Service::Stt);
                d.handle(Fact::Failed { service, reply, failure: Failure::Unavailable }, now);
            }
            Coming::Result(result) => d.handle(Fact::ToolResult(&result), now),
            Coming::Command(command) => d.handle(Fact::Command(&command), now),
            Coming::Closed => d.handle(Fact::Closed, now),
        }
    }

    fn note(&mut self, what: String) {
        self.log.push((self.now, what));
    }

    fn carry(&mut self) {
        while let Some(action) = self.dialogue.poll() {
            assert!(self.ended.is_none(), "nothing comes after the end: {action:?}");
            self.carry_one(action);
        }
    }

    fn carry_one(&mut self, action: Action) {
        let (now, at) = (self.instant(), self.now);
        match action {
            Action::Finalize => self.note("finalize".into()),
            Action::Generate { reply, rank, messages } => {
                self.note(format!("generate {reply}{}", if rank == 0 { "" } else { " by the backup" }));
                self.prompts.push(messages);
                let death = self.models[usize::from(rank)];
                if death.has_come(at) {
                    if death.is_told {
                        self.at(at + 100, Coming::Failed(Service::Llm, reply));
                    }
                    return;
                }
                let answer = self.answers.pop_front().unwrap_or_else(|| says("All right then."));
                if answer.hangs {
                    return;
                }
                for (n, word) in answer.text.split_inclusive(' ').enumerate() {
                    self.at(at + 300 + 10 * n as u64, Coming::Token(reply, word.into()));
                }
                let done = at + 300 + 10 * answer.text.split(' ').count() as u64;
                for (n, (name, takes)) in answer.tools.iter().enumerate() {
                    let id = format!("{reply}-{n}");
                    let call = ToolCall { id: id.clone(), name: (*name).into(), arguments: "{}".into() };
                    self.at(done, Coming::Call(reply, call));
                    self.at(done + takes, Coming::Result(ToolResult { id, content: "42".into() }));
                }
                let end = if answer.tools.is_empty() { GenerationEnd::Stop } else { GenerationEnd::ToolCalls };
                self.at(done, Coming::Ended(reply, end));
            }
            Action::Synthesize { reply, rank, text } => {
                self.note(format!("speak {reply} {text:?}{}", if rank == 0 { "" } else { " by the backup" }));
                let death = self.voices[usize::from(rank)];
                if death.has_come(at) {
                    self.sounds.entry(reply).or_default().is_cut_short = true;
                    if death.is_told {
                        self.at(at + 100, Coming::Failed(Service::Tts, reply));
                    }
                    return;
                }
                let sound = self.sounds.entry(reply).or_default();
                let is_first = sound.text.is_empty();
                let mut times = Vec::new();
                sound.rank = rank;
                for word in text.split_inclusive(' ') {
                    if rank == 0 && self.voice_limit.is_some_and(|limit| sound.words >= limit) {
                        sound.is_cut_short = true;
                        break;
                    }
                    let start = MS(sound.words as u64 * 300);
                    sound.text.push_str(word);
                    sound.words += 1;
                    times.push(WordTime { text_end: sound.text.len(), start, end: start + MS(300) });
                }
                if !self.mute_voice {
                    if is_first {
                        self.at(at + 120, Coming::Ready(reply));
                    }
                    if !self.wordless_voice {
                        self.at(at + 120, Coming::Times(reply, times));
                    }
                }
            }
            Action::EndSpeech { reply } => {
                if !self.mute_voice {
                    self.at(at + 120, Coming::Delivered(reply));
                }
                let sound = self.sounds.entry(reply).or_default();
                sound.closed = true;
                let death = self.voices[usize::from(sound.rank)];
                if death.has_come(at) && !sound.is_cut_short {
                    sound.is_cut_short = true;
                    if death.is_told {
                        self.at(at + 100, Coming::Failed(Service::Tts, reply));
                    }
                }
                self.plan_end(reply);
            }
            Action::Play { reply } => {
                assert!(self.playing.is_none(), "two replies would be heard at once");
                self.note(format!("play {reply}"));
                self.playing = Some(reply);
                let sound = self.sounds.entry(reply).or_default();
                assert!(sound.ready, "the stage is only told to play what has sound");
                sound.started = Some(at);
                self.plan_end(reply);
                self.dialogue.handle(Fact::PlayoutStarted { reply }, now);
            }
            Action::Duck => self.note("duck".into()),
            Action::Unduck => self.note("unduck".into()),
            Action::Hold => {
                self.note("hold".into());
                if let Some(sound) = self.playing.and_then(|reply| self.sounds.get_mut(&reply)) {
                    sound.position += at - sound.started.take().unwrap_or(at);
                    sound.holding = true;
                    sound.version += 1;
                }
            }
            Action::Resume { from, rewind } => {
                self.note("resume".into());
                if let Some(reply) = self.playing {
                    let sound = self.sounds.entry(reply).or_default();
                    let back = sound.position.saturating_sub(rewind.as_millis() as u64);
                    let from = from.map_or(back, |from| from.as_millis() as u64);
                    sound.position = from.clamp(back, sound.position);
                    sound.started = Some(at);
                    sound.holding = false;
                    self.plan_end(reply);
                }
            }
            Action::Flush { reply } => {
                self.note(format!("flush {reply}"));
                let mut heard = 0;
                if self.playing == Some(reply) {
                    self.playing = None;
                    let sound = &self.sounds[&reply];
                    heard = sound.position + sound.started.map_or(0, |started| at - started);
                    heard = heard.min(sound.words as u64 * 300);
                }
                let share = 1.0;
                self.dialogue.handle(Fact::Flushed { reply, heard: MS(heard), share }, now);
            }
            Action::CancelModel { reply } => self.note(format!("cancel the model of {reply}")),
            Action::CancelVoice { reply } => self.note(format!("cancel the voice of {reply}")),
            Action::PlayKept { reply } => {
                self.note(format!("kept {reply}"));
                let sound = self.sounds.entry(reply).or_default();
                (sound.words, sound.closed) = (8, true);
                self.at(at, Coming::Ready(reply));
                self.at(at, Coming::Delivered(reply));
            }
            Action::Cancel { reply } => self.note(format!("cancel {reply}")),
            Action::Invoke { call, .. } => self.note(format!("invoke {}", call.name)),
            Action::CancelTool { call } => self.note(format!("cancel tool {call}")),
            Action::HangUp(reason) => {
                self.note(format!("hang up {reason:?}"));
                self.ended = Some((at, reason));
            }
            Action::Event(event) => self.events.push((at, event)),
            other => self.note(format!("{other:?}")),
        }
    }

    fn plan_end(&mut self, reply: ReplyId) {
        let at = self.now;
        let Some(sound) = self.sounds.get_mut(&reply) else { return };
        if let (true, Some(started), false) = (sound.closed, sound.started, sound.holding) {
            sound.version += 1;
            let (end, version) = (started + sound.words as u64 * 300 - sound.position, sound.version);
            let is_cut_short = sound.is_cut_short;
            let end = end.max(at);
            self.at(end, if is_cut_short { Coming::Dry(reply, version) } else { Coming::Heard(reply, version) });
        }
    }

    /// When a line of the log that begins so was written.
    pub fn when(&self, what: &str) -> Vec<u64> {
        self.log.iter().filter(|(_, line)| line.starts_with(what)).map(|&(at, _)| at).collect()
    }

    /// The turns: when committed, the rule, the words.
    pub fn commits(&self) -> Vec<(u64, &'static str, String)> {
        let commit = |(at, event): &(u64, DialogueEvent)| match event {
            DialogueEvent::TurnCommitted { text, why, .. } => Some((*at, why.rule, text.clone())),
            _ => None,
        };
        self.events.iter().filter_map(commit).collect()
    }

    /// What the caller heard the agent say, and whether it was cut.
    pub fn said(&self) -> Vec<(String, bool)> {
        let said = |(_, event): &(u64, DialogueEvent)| match event {
            DialogueEvent::AgentSaid { text, interrupted, .. } => Some((text.clone(), *interrupted)),
            _ => None,
        };
        self.events.iter().filter_map(said).collect()
    }

    /// The rules of all decisions that carry one, in order.
    pub fn rules(&self) -> Vec<&'static str> {
        let rule = |(_, event): &(u64, DialogueEvent)| match event {
            DialogueEvent::TurnCommitted { why, .. }
            | DialogueEvent::Ducked { why, .. }
            | DialogueEvent::Held { why, .. }
            | DialogueEvent::Resumed { why, .. }
            | DialogueEvent::Interrupted { why, .. }
            | DialogueEvent::ServiceFailed { why, .. }
            | DialogueEvent::Ignored { why }
            | DialogueEvent::AnsweredBy { why, .. }
            | DialogueEvent::Unstuck { why } => Some(why.rule),
            _ => None,
        };
        self.events.iter().filter_map(rule).collect()
    }
}
