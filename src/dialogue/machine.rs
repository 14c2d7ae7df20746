//! The dialogue itself: facts in, actions out.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::conversation::{Failure, ReplyId, Service};

use super::answer::Answer;
use super::backchannel::Backchannel;
use super::barge_in::BargeIn;
use super::collect::Collect;
use super::ending::Ending;
use super::endpointing::{Turn, Voice};
use super::hedging::Slow;
use super::history::History;
use super::keys::Keys;
use super::language::Language;
use super::own_voice::OwnWords;
use super::pauses::Pauses;
use super::profile::Sounds;
use super::reply::Reply;
use super::speculation::Thinking;
use super::spoken::Normaliser;
use super::timer::{Timer, Timers};
use super::tools::Tools;
use super::transfer::Transfer;
use super::{Action, Command, DialogueEvent, DialogueSpec, Direction, EndReason, Fact, Update, Why};

/// One conversation: who has the floor, what is said next, and when it is over.
///
/// After every `handle…` drain [`poll`](Dialogue::poll) until it is empty, carrying out each action, then wait for the
/// next fact or until [`poll_timeout`](Dialogue::poll_timeout). [`Action::Flush`] is answered with [`Fact::Flushed`]
/// before anything else is told. Nothing comes after [`Action::HangUp`], and nothing is heard after it.
///
/// The caller's side is in `listening`, the agent's in `speaking`, who gives way in `floor`, services that fail in
/// `failing`, tools in `tools`, `keys` and `transfer`, the end in `ending`, thinking ahead in `speculation`; this file holds
/// the state they share, passes facts to them, and derives every deadline from that state after each fact, so that none
/// can be forgotten.
#[derive(Clone, Debug)]
pub struct Dialogue {
    pub(super) spec: DialogueSpec,
    pub(super) language: &'static Language,
    /// Puts the agent's text into spoken words.
    pub(super) normaliser: Normaliser,
    begun: Instant,
    pub(super) barge_in: BargeIn,
    actions: VecDeque<Action>,
    pub(super) timers: Timers,
    pub(super) voice: Voice,
    /// When the detector last told of a voice.
    pub(super) voice_told: Option<Instant>,
    pub(super) turn: Turn,
    /// What the agent has said of late, to be known when it comes back.
    pub(super) own_words: OwnWords,
    /// The caller's own pauses.
    pub(super) pauses: Pauses,
    /// What the agent says while the caller speaks.
    pub(super) backchannel: Backchannel,
    /// The turn committed last, for words that come too late.
    pub(super) committed: Option<Committed>,
    pub(super) history: History,
    /// Replies under way, in the order they are to be heard. Only the first one plays.
    pub(super) replies: VecDeque<Reply>,
    pub(super) floor: Floor,
    /// Whether the first reply is kept from sounding because the caller may be speaking.
    pub(super) withheld: bool,
    /// A reply that was flushed, until it is known what was heard of it.
    pub(super) cut: Option<Cut>,
    pub(super) tools: Tools,
    pub(super) thinking: Thinking,
    /// The caller is to be handed to someone else, or it rings there.
    pub(super) transfer: Option<Transfer>,
    /// Keys that are to be sent.
    pub(super) keys: Keys,
    /// The caller's keys.
    pub(super) collect: Collect,
    /// A turn or a tool's result that the model has not been given yet.
    pub(super) owed: Option<ReplyId>,
    pub(super) ending: Option<Ending>,
    is_over: bool,
    last_reply: u32,
    pub(super) turns: u32,
    pub(super) answered: Option<Instant>,
    /// Since when the other side holds us.
    pub(super) line_held: Option<Instant>,
    /// Since when nobody has spoken.
    pub(super) quiet_since: Instant,
    /// Since when the caller could have said something: their last words, or the end of what the agent last said.
    pub(super) words_at: Instant,
    pub(super) idle_prompts: u32,
    /// Whether the caller was told that the longest call is about to end.
    pub(super) is_warned: bool,
    /// Services that failed since an answer was last heard.
    pub(super) failures: u32,
    /// Whether the caller was handed to a person because they failed.
    pub(super) has_handed_over: bool,
    /// Whether the model was asked again because it gave nothing to speak.
    pub(super) has_asked_again: bool,
    pub(super) slow: Slow,
    /// Whether the caller has talked the agent out of hanging up.
    pub(super) has_stayed: bool,
    pub(super) has_stt: bool,
    pub(super) answer: Answer,
    /// Whether a recogniser that fails can be replaced.
    pub(super) has_spare_stt: bool,
}

/// How the reply that is heard is heard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Floor {
    /// At full level, or nothing is heard.
    Free,
    /// Softly.
    Ducked,
    /// Not at all, for the moment.
    Held { since: Instant, began: Instant },
}

/// A turn that was committed.
#[derive(Clone, Debug)]
pub(super) struct Committed {
    pub(super) at: Instant,
    /// Those of its words that had not been final.
    pub(super) promoted: String,
    /// The end of its last voiced sample.
    pub(super) stopped: Option<Instant>,
    /// How its words sounded.
    pub(super) sounds: Sounds,
    /// Whether the caller was cut in on and speaks on.
    pub(super) goes_on: bool,
}

/// A reply that was flushed.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    pub(super) reply: Reply,
    /// Whether the caller may be going on with the turn it answers; then how long agent and caller spoke at once.
    pub(super) takes_back: Option<Duration>,
}

/// A voice of which nothing more is told for this long has ended.
const VOICE_LOST: Duration = Duration::from_secs(1);

impl Dialogue {
    /// A conversation whose line is not up yet. The greeting is already asked for.
    pub fn new(spec: DialogueSpec, now: Instant) -> Self {
        let answer = Answer::new(spec.answer_detection && spec.direction == Direction::Outbound);
        let mut dialogue = Self {
            barge_in: BargeIn::new(spec.interruption_sensitivity, &spec.timing),
            history: History::new(spec.system_prompt.clone()),
            has_spare_stt: spec.backups.stt,
            language: Language::of(&spec.language),
            normaliser: Normaliser::new(&spec),
            spec,
            begun: now,
            actions: VecDeque::new(),
            timers: Timers::default(),
            voice: Voice::default(),
            voice_told: None,
            turn: Turn::default(),
            own_words: OwnWords::default(),
            pauses: Pauses::default(),
            backchannel: Backchannel::default(),
            committed: None,
            replies: VecDeque::new(),
            floor: Floor::Free,
            withheld: false,
            cut: None,
            tools: Tools::default(),
            thinking: Thinking::default(),
            transfer: None,
            keys: Keys::default(),
            collect: Collect::default(),
            owed: None,
            ending: None,
            is_over: false,
            last_reply: 0,
            turns: 0,
            answered: None,
            line_held: None,
            quiet_since: now,
            words_at: now,
            idle_prompts: 0,
            is_warned: false,
            failures: 0,
            has_handed_over: false,
            has_asked_again: false,
            slow: Slow::default(),
            has_stayed: false,
            has_stt: true,
            answer,
        };
        dialogue.greet(now);
        dialogue.settle(now);
        dialogue
    }

    /// Something happened.
    pub fn handle(&mut self, fact: Fact<'_>, now: Instant) {
        if self.is_over {
            return;
        }
        self.thinking.received(&fact);
        match fact {
            fact if self.thinking.is_about(&fact) => self.thought(fact, now),
            Fact::Answered => self.answered(now),
            Fact::MediaUp => self.media_up(now),
            Fact::Beep { length, ended } => self.beeped(length, ended, now),
            Fact::Voice { began, voiced, over } => self.voice(began, voiced, over, now),
            Fact::Echo => self.own_echo(now),
            Fact::Silence { since } => self.silence(since, now),
            Fact::Transcript(transcript) => self.transcript(transcript, now),
            Fact::Digit(digit) => self.digit(digit, now),
            Fact::Token { reply, text } => self.token(reply, text, now),
            Fact::ToolCall { reply, call } => self.tool_call(reply, call, now),
            Fact::GenerationEnded { reply, end } => self.generation_ended(reply, end, now),
            Fact::SpeechReady { reply } => self.speech_ready(reply, now),
            Fact::SpeechStarved { reply } => self.speech_starved(reply, now),
            Fact::WordTimes { reply, words } => self.word_times(reply, words),
            Fact::SpeechEnded { reply, length } => self.speech_ended(reply, length, now),
            Fact::PlayoutStarted { reply } => self.playout_started(reply, now),
            Fact::PlayoutEnded { reply, heard } => self.playout_ended(reply, heard, now),
            Fact::Flushed { reply, heard, share } => self.flushed(reply, heard, share, now),
            Fact::ToolResult(result) => self.tool_result(result, now),
            Fact::TransferEnded(end) => self.transfer_ended(end, now),
            Fact::Failed { service, reply, failure } => self.failed(service, reply, failure, now),
            Fact::Command(command) => self.command(command, now),
            Fact::Hold { held } => self.line_hold(held, now),
            Fact::Closed => self.close(EndReason::UserHangup, "line.closed", true, now),
            Fact::MediaLost => self.close(EndReason::MediaLost, "media.lost", true, now),
        }
        self.settle(now);
    }

    /// The deadline of [`poll_timeout`](Dialogue::poll_timeout) has come. Early calls do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.is_over || self.timers.next().is_none_or(|next| next > now) {
            return;
        }
        // Whoever flushes tells at once what was heard; after that, nothing was.
        if let Some(id) = self.cut.as_ref().map(|cut| cut.reply.voice).or(self.moving_voice()) {
            self.flushed(id, Duration::ZERO, 0.0, now);
        }
        // Each timer that fires changes what it was derived from; the bound only guards against a mistake in that.
        for _ in 0..64 {
            let Some(timer) = self.timers.pop_due(now) else { return };
            self.fire(timer, now);
            self.settle(now);
            if self.is_over {
                return;
            }
        }
    }

    /// The next thing to carry out.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to call [`handle_timeout`](Dialogue::handle_timeout) at the latest; `None`: nothing is pending.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Whether the conversation is over: [`Action::HangUp`] was given out.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// What events say of a moment: the time since the call began.
    pub(super) fn since_begin(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.begun)
    }

    fn fire(&mut self, timer: Timer, now: Instant) {
        match timer {
            Timer::Finalize => {
                self.turn.finalized = true;
                self.act(Action::Finalize);
            }
            Timer::Endpoint => self.endpoint_reached(now),
            Timer::ThinkAhead => {}
            Timer::Verdict => self.decide(now),
            Timer::Rehear => self.hear_again(now),
            Timer::TurnLimit => self.cut_in(now),
            Timer::Backchannel => self.say_in_between(now),
            Timer::Stuck => self.ask_to_repeat(now),
            Timer::VoiceLost => self.silence(self.voice_told.unwrap_or(now), now),
            Timer::HedgeModel => self.hedge_models(now),
            Timer::FirstToken => self.model_late(|reply| reply.token_due, "llm.first-token", now),
            Timer::WholeAnswer => self.model_late(|reply| reply.answer_due, "llm.whole-answer", now),
            Timer::SegmentFlush => self.flush_segments(now),
            Timer::HedgeVoice => self.hedge_voices(now),
            Timer::FirstAudio => self.voice_late("tts.first-audio", now),
            Timer::Stall => self.voice_late("tts.stall", now),
            Timer::Overdue => self.playout_late(now),
            Timer::Tool => self.tools_late(now),
            Timer::Filler => self.fill(now),
            Timer::Collect => self.no_keys(now),
            Timer::Keys => self.press_keys(now),
            Timer::Transfer => self.transfer_late(now),
            Timer::Comfort => self.comfort(now),
            Timer::Greeting => {}
            Timer::Answer => self.answer_is_due(now),
            Timer::Idle => self.idle(now),
            Timer::MaxSilence => self.say_goodbye(EndReason::Inactivity, "silence.max", true, now),
            Timer::DurationWarning => self.warn_of_end(now),
            Timer::MaxDuration => self.say_goodbye(EndReason::MaxDuration, "duration.max", false, now),
            Timer::Drain => self.drained(now),
        }
    }

    /// Does what the state now allows, and derives the deadlines from it.
    fn settle(&mut self, now: Instant) {
        self.settle_floor(now);
        if !self.is_over {
            self.think_ahead(now);
        }
    }

    fn settle_floor(&mut self, now: Instant) {
        // A turn that is over is answered in the same breath; twice is enough for what the first brings about.
        for _ in 0..2 {
            self.drop_in_between();
            self.transfer_next(now);
            self.answer_owed(now);
            self.play_next(now);
            self.end_if_done(now);
            if self.is_over {
                return;
            }
            self.arm(now);
            if self.timers.at(Timer::Endpoint).is_none_or(|at| at > now) {
                return;
            }
            self.timers.stop(Timer::Endpoint);
            self.endpoint_reached(now);
        }
        self.arm(now);
    }

    fn arm(&mut self, now: Instant) {
        self.read_words();
        self.arm_goodbye();
        if let Some(ending) = &self.ending
            && !ending.may_stay()
        {
            let drain = self.timers.at(Timer::Drain);
            self.timers.clear();
            self.timers.set(Timer::Drain, drain);
            return self.arm_replies(now);
        }
        self.arm_listening(now);
        self.arm_turn_limit(now);
        self.arm_backchannel(now);
        self.arm_replies(now);
        self.arm_tools();
        self.arm_transfer();
        self.arm_collect();
        self.timers.set(Timer::Keys, self.keys.due());
        self.arm_answer(now);
        let timing = &self.spec.timing;
        let is_quiet = self.is_idle();
        let idle = self.idle_at().filter(|_| is_quiet && self.answered.is_some());
        let silence =
            (self.answered.is_some() && self.ending.is_none() && !self.is_on_hold() && self.replies.is_empty())
                .then_some(self.words_at + timing.max_silence)
                .filter(|_| self.transfer.is_none());
        let duration = self.answered.filter(|_| self.ending.is_none()).map(|answered| answered + timing.max_duration);
        let warning = self.duration_warning_at().filter(|_| is_quiet).map(|at| at.max(now));
        let greeting = self.greeting_at().filter(|&at| at > now);
        self.timers.set(Timer::Rehear, self.rehear_at().map(|at| at.max(now)));
        self.timers.set(Timer::Idle, idle);
        self.timers.set(Timer::MaxSilence, silence);
        self.timers.set(Timer::DurationWarning, warning);
        self.timers.set(Timer::MaxDuration, duration);
        self.timers.set(Timer::Greeting, greeting);
    }

    /// Whether nobody speaks and nothing is under way.
    fn is_idle(&self) -> bool {
        self.replies.is_empty()
            && self.tools.is_empty()
            && self.transfer.is_none()
            && self.owed.is_none()
            && self.cut.is_none()
            && self.ending.is_none()
            && !self.turn.is_open()
            && !self.voice.is_confirmed()
            && !self.is_on_hold()
            && !self.answer.is_machine()
    }

    fn answered(&mut self, now: Instant) {
        if self.answered.is_none() {
            self.answered = Some(now);
            self.quiet_since = now;
            self.words_at = now;
        }
    }

    fn command(&mut self, command: &Command, now: Instant) {
        match command {
            Command::Say { text, interruptible } => self.say(text, *interruptible, now),
            Command::Interrupt => self.fall_silent(now),
            Command::Update(update) => self.update(update),
            Command::Collect(rules) => self.collect_keys(*rules, now),
            Command::Transfer { to } => self.transfer_ordered(to.clone(), now),
            Command::End => self.close(EndReason::Ended, "command.end", false, now),
        }
    }

    fn update(&mut self, update: &Update) {
        if let Some(prompt) = &update.system_prompt {
            self.history.instruct(prompt.clone());
            self.spec.system_prompt.clone_from(prompt);
        }
        if let Some(sensitivity) = update.interruption_sensitivity {
            self.spec.interruption_sensitivity = sensitivity;
            self.barge_in = BargeIn::new(sensitivity, &self.spec.timing);
        }
    }

    fn failed(&mut self, service: Service, reply: Option<ReplyId>, failure: Failure, now: Instant) {
        if let Some(reply) = reply.filter(|_| service == Service::Tts) {
            self.in_between_failed(reply);
        }
        match (service, reply) {
            (Service::Stt, _) => self.stt_failed(failure, now),
            (Service::Llm, Some(reply)) => {
                if !self.second_failed(
                    reply,
                    failure,
                    "llm.failed",
                    "it was the backup: the first choice is waited for",
                ) && let Some(reply) = self.written_by(reply)
                {
                    self.llm_failed(reply, failure, "llm.failed", now);
                }
            }
            (Service::Tts, Some(reply)) => self.tts_failed(reply, failure, "tts.failed", now),
            (Service::Tool, reply) => self.tools_failed(reply, failure, now),
            _ => {
                let inputs = format!("{} {}, no reply named", service.name(), failure.name());
                self.drop_event("failure of no reply", "late.no-reply", inputs);
            }
        }
    }

    /// Asks for something to be done.
    pub(super) fn act(&mut self, action: Action) {
        if let Action::Generate { messages, .. } = &action {
            self.thinking.sent(messages, &self.spec.tools);
        }
        self.actions.push_back(action);
    }

    /// Tells whoever watches.
    pub(super) fn tell(&mut self, event: DialogueEvent) {
        self.actions.push_back(Action::Event(event));
    }

    /// Tells that something late or unknown was dropped, and why.
    pub(super) fn drop_event(&mut self, what: &'static str, rule: &'static str, inputs: impl Into<String>) {
        self.tell(DialogueEvent::Dropped { what, why: why(rule, inputs) });
    }

    /// The next reply's id.
    pub(super) fn next_id(&mut self) -> ReplyId {
        self.last_reply = self.last_reply.saturating_add(1);
        ReplyId(self.last_reply)
    }

    /// A reply under way.
    pub(super) fn reply(&mut self, id: ReplyId) -> Option<&mut Reply> {
        self.replies.iter_mut().find(|reply| reply.id == id)
    }

    /// The reply under way that is spoken by this voice.
    pub(super) fn voiced(&mut self, voice: ReplyId) -> Option<&mut Reply> {
        self.replies.iter_mut().find(|reply| reply.voice == voice)
    }

    /// Ends the conversation: the last action.
    pub(super) fn hang_up(&mut self, reason: EndReason, why: Why) {
        self.drop_thought("speculation.overtaken", "the call ends");
        self.tell(DialogueEvent::Ending { reason, why });
        self.act(Action::HangUp(reason));
        self.is_over = true;
        self.timers.clear();
        self.replies.clear();
        self.backchannel = Backchannel::default();
        self.tools = Tools::default();
        self.transfer = None;
        self.keys = Keys::default();
    }

    /// Waits for the voice detector that may have been lost.
    pub(super) fn voice_lost_at(&self) -> Option<Instant> {
        self.voice.current.and(self.voice_told).map(|told| told + VOICE_LOST)
    }
}

/// Why something was decided.
pub(super) fn why(rule: &'static str, inputs: impl Into<String>) -> Why {
    Why { rule, inputs: inputs.into() }
}
