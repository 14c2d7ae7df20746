//! Thinking ahead: the model begins on an answer before the caller's turn is over.
//!
//! A *thought* is one run of the model for the turn as it stands, begun when the recogniser announces the end or settles
//! words, or when words that sound whole stay unchanged while it is quiet; words of which that cannot be said must stay so
//! in a silence that has lasted, and words that sound unfinished are not thought about. It is given exactly the
//! messages the committed turn would give. What comes of it is kept here: nobody hears it, no tool of it runs, nothing of
//! it is written to history. When the turn is committed the thought becomes its answer if its input is the committed one;
//! otherwise, and as soon as the caller goes on, it is dropped. There is never more than one.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::conversation::{GenerationEnd, Message, ReplyId, Role, ToolCall, ToolSpec, TranscriptKind};

use super::endpointing::{Turn, append};
use super::language::Language;
use super::machine::{Dialogue, why};
use super::profile::Sounds;
use super::reply::Reply;
use super::segment::Segmenter;
use super::timer::Timer;
use super::tools::MAX_CALLS;
use super::words;
use super::{Action, DialogueEvent, Fact};

/// What a token is taken to be, sent or received: models of today make one of some four bytes of English.
const TOKEN_BYTES: u64 = 4;
/// What a message costs beside its text: its role and its marks.
const MESSAGE_BYTES: usize = 16;
/// What is thought ahead, and what that has cost.
#[derive(Clone, Debug, Default)]
pub(super) struct Thinking {
    thought: Option<Thought>,
    /// What speaks for beginning one.
    cue: Option<Cue>,
    /// The caller's words when they were last looked at.
    words: Words,
    /// Whether the recogniser has announced the end of the turn after these words.
    eager: bool,
    /// Thoughts begun in this turn.
    tries: u32,
    /// Text sent to the model and received from it in the whole call.
    bytes: u64,
    /// That of thoughts which came to nothing.
    wasted: u64,
}

/// An occasion to begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Cue {
    kind: CueKind,
    at: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum CueKind {
    /// The recogniser expects no more words.
    Eager,
    /// Words are settled.
    Settled,
    /// New words, not settled.
    Changed,
}

/// What the words so far say of the end of the turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outlook {
    /// More must follow, or may: a value whose parts are told one by one.
    Unfinished,
    /// Perhaps it is over.
    Open,
    /// The words are whole, or the recogniser has announced the end.
    Whole,
}

/// One run of the model for a turn that is not committed.
#[derive(Clone, Debug)]
pub(super) struct Thought {
    reply: Reply,
    /// What the model was given: kept whole, so that nothing is taken for equal that is not.
    messages: Vec<Message>,
    tools: Vec<ToolSpec>,
    words: Words,
    begun: Instant,
    /// Text worth speaking that the voice was not given.
    segments: VecDeque<String>,
    calls: Vec<ToolCall>,
    end: Option<GenerationEnd>,
    /// When there was first something to speak or to do.
    first: Option<Instant>,
    /// When the voice was given the first piece, and when its first sound came.
    spoken: Option<Instant>,
    sounded: Option<Instant>,
    /// Text sent and received.
    bytes: u64,
}

impl Thinking {
    /// The model was given this.
    pub(super) fn sent(&mut self, messages: &[Message], tools: &[ToolSpec]) {
        self.bytes += size(messages, tools);
    }

    /// Something came from the model.
    pub(super) fn received(&mut self, fact: &Fact<'_>) {
        self.bytes += received(fact);
    }

    /// Whether there is a thought.
    pub(super) fn is_under_way(&self) -> bool {
        self.thought.is_some()
    }

    /// Whether a fact is about the thought under way.
    pub(super) fn is_about(&self, fact: &Fact<'_>) -> bool {
        let reply = match fact {
            Fact::Token { reply, .. }
            | Fact::ToolCall { reply, .. }
            | Fact::GenerationEnded { reply, .. }
            | Fact::SpeechReady { reply }
            | Fact::SpeechStarved { reply }
            | Fact::WordTimes { reply, .. }
            | Fact::SpeechEnded { reply, .. }
            | Fact::Failed { reply: Some(reply), .. } => *reply,
            _ => return false,
        };
        self.thought.as_ref().is_some_and(|thought| thought.reply.id == reply)
    }
}

impl Thought {
    /// The reply it writes.
    pub(super) fn id(&self) -> ReplyId {
        self.reply.id
    }

    /// Whether it was given what the model would be given now. The caller's last message is compared by its words, the
    /// rest to the byte.
    fn is_for(&self, messages: &[Message], tools: &[ToolSpec], language: &Language) -> bool {
        let (Some((own, earlier)), Some((last, others))) = (self.messages.split_last(), messages.split_last()) else {
            return false;
        };
        let is_same = own.role == Role::User
            && last.role == Role::User
            && Words::of(&own.content, language) == Words::of(&last.content, language);
        is_same && earlier == others && self.tools == tools
    }

    /// How much longer the caller would have waited, had it begun at `now`: the part of the model's time to its first
    /// words and of the voice's time to its first sound that lies before.
    fn saved(&self, now: Instant) -> Duration {
        let until = |at: Option<Instant>, from: Instant| at.unwrap_or(now).min(now).saturating_duration_since(from);
        until(self.first, self.begun) + self.spoken.map_or(Duration::ZERO, |spoken| until(self.sounded, spoken))
    }
}

impl Dialogue {
    /// The recogniser's words have been taken into the turn.
    pub(super) fn cue(&mut self, kind: TranscriptKind, now: Instant) {
        let words = Words::of(&self.turn.text(), self.language);
        let is_empty = words.words.is_empty();
        let has_changed = self.thinking.words != words;
        if has_changed {
            self.thinking.words = words;
            (self.thinking.eager, self.thinking.cue) = (false, None);
        }
        let cue = match kind {
            TranscriptKind::Eager => CueKind::Eager,
            TranscriptKind::Final | TranscriptKind::EndOfTurn => CueKind::Settled,
            TranscriptKind::Interim if has_changed => CueKind::Changed,
            TranscriptKind::Interim => return,
            TranscriptKind::Resumed => {
                (self.thinking.eager, self.thinking.cue) = (false, None);
                return self.drop_thought("speculation.resumed", "the recogniser hears the caller go on");
            }
        };
        self.thinking.eager |= cue == CueKind::Eager;
        self.thinking.cue = (!is_empty).then_some(Cue { kind: cue, at: now });
    }

    /// Begins, keeps up or drops the thought, as the state has it.
    pub(super) fn think_ahead(&mut self, now: Instant) {
        if !self.turn.has_text() {
            self.thinking.words = Words::default();
        }
        if !self.turn.is_open() && self.turn.began.is_none() {
            // Whatever was said is no turn, or is one already: the next has a budget of its own.
            self.thinking.tries = 0;
        }
        if let Some(thought) = &self.thinking.thought {
            if !self.may_think() {
                self.drop_thought("speculation.overtaken", "the floor is not the caller's alone");
            } else if thought.words != Words::of(&message(&self.turn), self.language) {
                self.drop_thought("speculation.other-words", "the caller's words have changed");
            }
        }
        let mut due = None;
        if self.thinking.thought.is_none() {
            due = self.think_at();
            if let Some((at, rule)) = due
                && at <= now
            {
                due = None;
                self.think(rule, now);
            }
        } else {
            self.thinking.cue = None;
            self.speak_ahead(now);
        }
        self.timers.set(Timer::ThinkAhead, due.map(|(at, _)| at));
    }

    /// Whether a turn that ended now would be answered at once.
    fn may_think(&self) -> bool {
        self.spec.speculation.enabled
            && self.answered.is_some()
            && self.ending.is_none()
            && !self.is_on_hold()
            // What a machine says is no turn, or one for a scripted line.
            && !self.answer.is_machine()
            && self.replies.is_empty()
            && self.tools.is_empty()
            && self.owed.is_none()
            && self.transfer.is_none()
            && self.cut.is_none()
            && self.turn.has_text()
            && self.turn.keys.is_empty()
    }

    /// When to begin, and by which rule.
    fn think_at(&self) -> Option<(Instant, &'static str)> {
        let cue = self.thinking.cue?;
        let (limits, timing) = (self.spec.speculation, self.spec.timing);
        let is_affordable = self.thinking.wasted * 100 <= self.thinking.bytes * u64::from(limits.share);
        if !self.may_think() || self.thinking.tries >= limits.tries || !is_affordable {
            return None;
        }
        let spoken = self.turn.began.map(|began| self.turn.stopped.unwrap_or(cue.at).saturating_duration_since(began));
        if spoken.is_some_and(|spoken| spoken > timing.think_speech) {
            return None;
        }
        if cue.kind == CueKind::Eager {
            return Some((cue.at, "speculation.eager"));
        }
        let is_settled = cue.kind == CueKind::Settled;
        let rule = if is_settled { "speculation.settled" } else { "speculation.unchanged" };
        let unchanged = if is_settled { cue.at } else { cue.at + timing.think_after };
        let voice = self.voice.current.filter(|_| !self.voice.is_noise).and(self.voice_told);
        let at = match self.outlook() {
            Outlook::Unfinished => return None,
            // A recogniser tells words some 200 ms after they are spoken: what is unchanged so soon may not be all.
            Outlook::Open if voice.is_some() => return None,
            Outlook::Open if is_settled => unchanged,
            Outlook::Open => unchanged.max(self.turn.quiet_at? + timing.think_after),
            Outlook::Whole => {
                let heard = voice.or(self.turn.stopped);
                heard.map_or(unchanged, |heard| unchanged.max(heard + timing.think_quiet))
            }
        };
        Some((at.max(cue.at), rule))
    }

    /// What the words so far say of the end of the turn.
    fn outlook(&self) -> Outlook {
        match self.endpoint() {
            _ if self.thinking.eager => Outlook::Whole,
            None => Outlook::Unfinished,
            Some(endpoint) => match endpoint.sounds {
                Sounds::Unfinished | Sounds::Value => Outlook::Unfinished,
                Sounds::Finished if endpoint.delay <= self.spec.timing.endpoint_confident => Outlook::Whole,
                Sounds::Finished => Outlook::Open,
            },
        }
    }

    /// Begins a thought.
    fn think(&mut self, rule: &'static str, now: Instant) {
        // The turn looks over: it is no time to nod.
        self.cut_in_between();
        let text = message(&self.turn);
        let words = Words::of(&text, self.language);
        let mut history = self.history.clone();
        history.user(text);
        let messages = history.prompt();
        let id = self.next_id();
        self.thinking.tries += 1;
        self.thinking.cue = None;
        let inputs = format!(
            "try {} of {}, words {}, dropped {} of {} tokens",
            self.thinking.tries,
            self.spec.speculation.tries,
            words.words.len(),
            tokens(self.thinking.wasted),
            tokens(self.thinking.bytes),
        );
        self.thinking.thought = Some(Thought {
            reply: Reply { segmenter: Segmenter::new(&self.normaliser), ..Reply::answer(id, &self.spec.timing, now) },
            messages: messages.clone(),
            tools: self.spec.tools.clone(),
            words,
            begun: now,
            segments: VecDeque::new(),
            calls: Vec::new(),
            end: None,
            first: None,
            spoken: None,
            sounded: None,
            bytes: size(&messages, &self.spec.tools),
        });
        self.tell(DialogueEvent::ThoughtAhead { reply: id, why: why(rule, inputs) });
        self.act(Action::Generate { reply: id, rank: 0, messages });
    }

    /// Something came of the thought.
    pub(super) fn thought(&mut self, fact: Fact<'_>, now: Instant) {
        let flush = self.spec.timing.segment_flush;
        let Some(thought) = &mut self.thinking.thought else { return };
        let reply = &mut thought.reply;
        thought.bytes += received(&fact);
        match fact {
            Fact::Token { text, .. } if thought.end.is_none() => {
                thought.segments.extend(reply.segmenter.push(text));
                reply.flush_due = reply.segmenter.is_waiting().then_some(now + flush);
            }
            Fact::ToolCall { call, .. } if thought.end.is_none() => {
                if thought.calls.len() < MAX_CALLS {
                    thought.calls.push(call);
                } else {
                    let inputs = format!("{MAX_CALLS} a reply");
                    self.drop_event("tool call beyond the limit", "limit.tool-calls", inputs);
                    return;
                }
            }
            Fact::GenerationEnded { end, .. } => {
                thought.segments.extend(reply.segmenter.finish());
                reply.flush_due = None;
                thought.end.get_or_insert(end);
                if thought.segments.is_empty() && thought.calls.is_empty() && reply.text.is_empty() {
                    return self.drop_thought("speculation.failed", "the model ended without a word");
                }
            }
            Fact::SpeechReady { .. } if thought.spoken.is_some() => {
                reply.ready = true;
                reply.awaits = None;
                thought.sounded.get_or_insert(now);
            }
            Fact::WordTimes { words, .. } => reply.add_words(words),
            Fact::SpeechEnded { .. } => {
                return self.drop_thought("speculation.failed", "the voice ended before it was told to");
            }
            Fact::Failed { service, failure, .. } => {
                let inputs = format!("{} {}", service.name(), failure.name());
                return self.drop_thought("speculation.failed", inputs);
            }
            _ => {}
        }
        if !thought.segments.is_empty() || !thought.calls.is_empty() {
            thought.first.get_or_insert(now);
        }
    }

    /// Has the first piece synthesised when the end of the turn looks certain: the recogniser has announced it, or the
    /// words are whole.
    fn speak_ahead(&mut self, now: Instant) {
        let waits = |thought: &Thought| thought.spoken.is_none() && !thought.segments.is_empty();
        if !self.thinking.thought.as_ref().is_some_and(waits) {
            return;
        }
        if self.outlook() != Outlook::Whole {
            return;
        }
        let Some(thought) = &mut self.thinking.thought else { return };
        let Some(text) = thought.segments.pop_front() else { return };
        let reply = &mut thought.reply;
        let wording = self.normaliser.put(&text);
        reply.text.push(&wording);
        (reply.spoken, reply.awaits, thought.spoken) = (Some(now), Some(now), Some(now));
        let reply = reply.id;
        self.act(Action::Synthesize { reply, rank: 0, text: wording.spoken().to_owned() });
    }

    /// The turn is committed and in history: the thought, if it answers just that. Any other is dropped, and each when the
    /// turn `is_answered` already.
    pub(super) fn keep_thought(&mut self, is_answered: bool) -> Option<Thought> {
        (self.thinking.tries, self.thinking.eager, self.thinking.cue) = (0, false, None);
        let thought = self.thinking.thought.as_ref()?;
        if is_answered || !thought.is_for(&self.history.prompt(), &self.spec.tools, self.language) {
            self.drop_thought(
                "speculation.other-input",
                "the committed turn is another, or is answered without the model",
            );
            return None;
        }
        self.thinking.thought.take()
    }

    /// The thought is the answer: what has come of it counts.
    pub(super) fn answer_with(&mut self, thought: Thought, now: Instant) {
        let saved = thought.saved(now);
        let Thought { mut reply, segments, calls, end, begun, bytes, .. } = thought;
        let id = reply.id;
        let inputs = format!(
            "begun {} ms ago, pieces {}, tools {}{}",
            now.saturating_duration_since(begun).as_millis(),
            segments.len() + usize::from(!reply.text.is_empty()),
            calls.len(),
            if reply.ready { ", sound is there" } else { "" },
        );
        let why = why("speculation.same-input", inputs);
        self.tell(DialogueEvent::ThoughtKept { reply: id, tokens: tokens(bytes), saved, why });
        if !reply.text.is_empty() {
            reply.token_due = Some(now + self.spec.timing.first_token);
        }
        self.replies.push_back(reply);
        for segment in segments {
            self.speak(id, segment, now);
        }
        for call in calls {
            self.tool_call(id, call, now);
        }
        if let Some(end) = end {
            self.generation_ended(id, end, now);
        }
    }

    /// The thought is of no use any more.
    pub(super) fn drop_thought(&mut self, rule: &'static str, inputs: impl Into<String>) {
        let Some(thought) = self.thinking.thought.take() else { return };
        self.thinking.wasted += thought.bytes;
        let reply = thought.reply.id;
        if thought.spoken.is_some() {
            self.act(Action::Flush { reply });
        }
        self.act(Action::Cancel { reply });
        self.tell(DialogueEvent::ThoughtDropped { reply, tokens: tokens(thought.bytes), why: why(rule, inputs) });
    }
}

/// What the caller's message would be if the turn ended as it stands.
fn message(turn: &Turn) -> String {
    let mut text = turn.carried.clone();
    append(&mut text, &turn.text());
    text
}

/// How much text a request to the model carries.
fn size(messages: &[Message], tools: &[ToolSpec]) -> u64 {
    let call = |call: &ToolCall| call.name.len() + call.arguments.len();
    let message =
        |message: &Message| message.content.len() + message.tool_calls.iter().map(call).sum::<usize>() + MESSAGE_BYTES;
    let tool = |tool: &ToolSpec| tool.name.len() + tool.description.len() + tool.parameters.len();
    (messages.iter().map(message).sum::<usize>() + tools.iter().map(tool).sum::<usize>()) as u64
}

/// How much text of the model a fact brings.
fn received(fact: &Fact<'_>) -> u64 {
    match fact {
        Fact::Token { text, .. } => text.len() as u64,
        Fact::ToolCall { call, .. } => (call.name.len() + call.arguments.len()) as u64,
        _ => 0,
    }
}

fn tokens(bytes: u64) -> u64 {
    bytes.div_ceil(TOKEN_BYTES)
}

/// What of a text matters to its answer: the words without case and sentence marks, which recognisers add when they settle.
/// Signs that belong to a word ("$5", "50%", "-5", "3.50") stay, and so does the mark of a question that only its tone shows.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
struct Words {
    words: Vec<String>,
    rises: bool,
}

impl Words {
    fn of(text: &str, language: &Language) -> Self {
        const MARKS: [char; 17] =
            ['.', ',', '!', '?', ';', ':', '…', '"', '“', '”', '(', ')', '—', '。', '，', '？', '！'];
        let words: Vec<String> = text
            .split_whitespace()
            .map(|word| word.trim_matches(MARKS).trim_end_matches('-').replace('’', "'").to_lowercase())
            .filter(|word| !word.is_empty())
            .collect();
        let rises = text.trim_end().ends_with(['?', '？']) && !words::sounds_like_question(&words, language);
        Self { words, rises }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_sentence_marks_change_no_answer() {
        let english = Language::of("en");
        for (a, b) in [
            ("book a table for two", "Book a table for two."),
            ("what time do you open", "What time do you open?"),
            ("hi can you help me", "Hi, can you help me?"),
            ("no wait", "No — wait!"),
            ("it’s me", "It's me"),
            ("twenty-five", "Twenty-five..."),
        ] {
            assert_eq!(Words::of(a, english), Words::of(b, english), "{a:?} {b:?}");
        }
    }

    #[test]
    fn whatever_changes_the_meaning_is_another_input() {
        let english = Language::of("en");
        for (a, b) in [
            ("for two", "for 2"),
            ("that is 5", "that is $5"),
            ("that is 5", "that is 5%"),
            ("minus 5", "minus -5"),
            ("3.50", "350"),
            ("you open on Sunday", "you open on Sunday?"),
            ("book a table", "book the table"),
            ("book a table", "book a table please"),
            ("", "yes"),
        ] {
            assert_ne!(Words::of(a, english), Words::of(b, english), "{a:?} {b:?}");
        }
    }

    #[test]
    fn tokens_are_estimated_from_the_text_sent_and_received() {
        let messages = [Message::text(Role::System, "be kind"), Message::text(Role::User, "hello")];
        let tool = ToolSpec { name: "end".into(), description: "ends it".into(), parameters: "{}".into() };
        assert_eq!(size(&messages, &[tool]), 7 + 5 + 2 * 16 + 3 + 7 + 2);
        assert_eq!(received(&Fact::Token { reply: ReplyId(1), text: "Sure" }), 4);
        assert_eq!((tokens(0), tokens(1), tokens(8), tokens(9)), (0, 1, 2, 3));
    }
}
