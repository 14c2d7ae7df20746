//! What the dialogue decides.

use std::time::Duration;

use super::AnsweredBy;
use crate::conversation::{Digit, Failure, Message, ReplyId, Service, ToolCall, TransferEnd};

/// Something to be done, now.
#[derive(Clone, Debug)]
pub enum Action {
    /// Ask the recogniser for what it has: the caller has stopped.
    Finalize,
    /// Hand the caller's sound since then to another recogniser, or to the same one over a new connection, and go on with
    /// that one.
    Rehear {
        /// From where on, since the call began; the body keeps some 20 s.
        since: Duration,
    },
    /// Run the language model.
    Generate {
        /// The reply it writes.
        reply: ReplyId,
        /// Which of the configured models: 0 is the first choice, 1 its backup.
        rank: u8,
        /// What it is told, system prompt first.
        messages: Vec<Message>,
    },
    /// Speak this. Pieces of one reply follow one another; together they are the reply's text, byte for byte.
    Synthesize {
        /// Which reply.
        reply: ReplyId,
        /// Which of the configured voices: 0 is the first choice, 1 its backup. The same for all pieces of a reply.
        rank: u8,
        /// The piece, with its own trailing space.
        text: String,
    },
    /// No more text will come for a reply.
    EndSpeech {
        /// Which reply.
        reply: ReplyId,
    },
    /// Let the reply's sound be heard from its beginning as soon as there is some.
    Play {
        /// Which reply.
        reply: ReplyId,
    },
    /// Play on, but softly: perhaps the caller is about to speak.
    Duck,
    /// Play on at full level.
    Unduck,
    /// Fall silent with the next packet, and keep what was not heard.
    Hold,
    /// Go on from where it was held, stepped back to the word's beginning.
    Resume {
        /// Where in the reply's sound its word begins; `None`: not known.
        from: Option<Duration>,
        /// How far to step back at the most, and where `from` is not known; the playout clips it to what it kept.
        rewind: Duration,
    },
    /// Throw away what was not heard of a reply, end a hold or a duck of it, and report what was heard
    /// ([`Fact::Flushed`](super::Fact::Flushed)).
    Flush {
        /// Which reply.
        reply: ReplyId,
    },
    /// Stop the model and the voice of a reply; whatever they still send is dropped.
    Cancel {
        /// Which reply.
        reply: ReplyId,
    },
    /// Stop the model of a reply: what it has written is still spoken.
    CancelModel {
        /// Which reply.
        reply: ReplyId,
    },
    /// Stop the voice of a reply: its model writes on, for another voice.
    CancelVoice {
        /// Which reply.
        reply: ReplyId,
    },
    /// Let the sound kept for the case that every voice is down be the whole sound of this reply.
    PlayKept {
        /// Which reply.
        reply: ReplyId,
    },
    /// Run a tool.
    Invoke {
        /// For which reply.
        reply: ReplyId,
        /// What to run.
        call: ToolCall,
    },
    /// Stop a tool: its result is not waited for any more.
    CancelTool {
        /// The id of its [`ToolCall`].
        call: String,
    },
    /// Listen for an answering machine's beep from here on, or no longer.
    ListenForBeep(bool),
    /// Send keys to the other side.
    SendDigits(Vec<Digit>),
    /// Hand the caller to someone else; answered with [`Fact::TransferEnded`](super::Fact::TransferEnded).
    Transfer {
        /// Whom to.
        to: crate::conversation::Pii<String>,
    },
    /// End the call.
    HangUp(EndReason),
    /// Tell whoever watches.
    Event(DialogueEvent),
}

/// Why something was decided: the rule and what it saw.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Why {
    /// The rule's name, stable: `endpoint.normal`, `barge-in.words` …
    pub rule: &'static str,
    /// The inputs and the timer it looked at, in words; never what the caller said.
    pub inputs: String,
}

/// A decision, for whoever watches the call.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum DialogueEvent {
    /// The caller began to speak (confirmed voice or first words).
    CallerStarted,
    /// What the recogniser makes of the caller's words.
    CallerHeard {
        /// The words.
        text: String,
        /// Whether they will not change any more.
        settled: bool,
    },
    /// The caller's turn is over and the agent answers it.
    TurnCommitted {
        /// Counts turns from 1.
        turn: u32,
        /// The reply that answers.
        reply: ReplyId,
        /// The caller's words.
        text: String,
        /// Words of the turn before, which was taken back, that these replace: the recogniser had not settled them.
        replaces: Option<String>,
        /// The recogniser's confidence, 0 to 1.
        confidence: f32,
        /// The end of the caller's last voiced sample, since the call began; `None` when only text opened the turn.
        stopped: Option<Duration>,
        /// When endpointing had decided that the caller was done, since the call began.
        decided: Duration,
        /// When the words were settled, since the call began.
        settled: Duration,
        /// Why.
        why: Why,
    },
    /// The model begins on an answer before the caller's turn is over.
    ThoughtAhead {
        /// The reply it writes; nothing of it is heard before the turn is committed.
        reply: ReplyId,
        /// Why.
        why: Why,
    },
    /// What was thought ahead answers the turn that was committed.
    ThoughtKept {
        /// Which reply.
        reply: ReplyId,
        /// The tokens sent and received for it by then, estimated.
        tokens: u64,
        /// How much longer the caller would have waited without: the part of the model's time to its first piece of text
        /// worth speaking (or tool), and of the voice's time to its first sound, that lies before the commit.
        saved: Duration,
        /// Why.
        why: Why,
    },
    /// What was thought ahead is of no use.
    ThoughtDropped {
        /// Which reply.
        reply: ReplyId,
        /// The tokens sent and received for it, estimated.
        tokens: u64,
        /// Why.
        why: Why,
    },
    /// The agent was made softer.
    Ducked {
        /// Which reply.
        reply: ReplyId,
        /// Why.
        why: Why,
    },
    /// The agent was silenced for the moment.
    Held {
        /// Which reply.
        reply: ReplyId,
        /// When the caller's voice began, since the call began.
        voice_began: Duration,
        /// Why.
        why: Why,
    },
    /// The agent goes on: it was no interruption.
    Resumed {
        /// Which reply.
        reply: ReplyId,
        /// Why.
        why: Why,
    },
    /// The caller took the floor; the reply is cut.
    Interrupted {
        /// Which reply.
        reply: ReplyId,
        /// Why.
        why: Why,
    },
    /// The caller goes on before the answer was heard: it is dropped, and its turn goes on.
    TakenBack {
        /// Which reply.
        reply: ReplyId,
        /// Why.
        why: Why,
    },
    /// The caller said "mm-hmm" and meant: go on.
    Backchannel {
        /// The words.
        text: String,
        /// Why.
        why: Why,
    },
    /// The agent said "mm-hmm" while the caller spoke: no turn, and no part of history.
    AgentBackchannel {
        /// Which reply.
        reply: ReplyId,
        /// The words.
        text: String,
        /// Why.
        why: Why,
    },
    /// The agent's words, written to history as they were heard.
    AgentSaid {
        /// Which reply.
        reply: ReplyId,
        /// What was heard.
        text: String,
        /// Whether more had been meant.
        interrupted: bool,
        /// How much of it was heard, and by what that is known.
        why: Why,
    },
    /// A tool runs.
    ToolStarted {
        /// Its name.
        name: String,
        /// Why.
        why: Why,
    },
    /// A tool has answered.
    ToolEnded {
        /// Its name.
        name: String,
        /// How long it took.
        took: Duration,
        /// Why.
        why: Why,
    },
    /// The caller is being handed to someone else: it rings there.
    TransferStarted {
        /// Why.
        why: Why,
    },
    /// The caller was not handed on, and stays with the agent.
    TransferFailed {
        /// How it ended.
        end: TransferEnd,
        /// Why, and what is done about it.
        why: Why,
    },
    /// A service failed; what was done about it is in `why`.
    ServiceFailed {
        /// Which.
        service: Service,
        /// In which way.
        failure: Failure,
        /// What is done about it.
        why: Why,
    },
    /// Something that was heard was not the caller's, or not for the agent now: its own echo, noise, a word against a
    /// line that may not be talked down.
    Ignored {
        /// What it was taken for.
        why: Why,
    },
    /// A backup was asked to do the same as a service that is late, or to go on for one that failed.
    Hedged {
        /// Which service.
        service: Service,
        /// The reply it works for; `None` for the recogniser.
        reply: Option<ReplyId>,
        /// The id under which the backup works; `None` for the recogniser.
        backup: Option<ReplyId>,
        /// Why.
        why: Why,
    },
    /// A wait took too long and something was said or done to end it.
    Unstuck {
        /// Which wait and what was done.
        why: Why,
    },
    /// Something late or unknown was dropped.
    Dropped {
        /// What.
        what: &'static str,
        /// Why.
        why: Why,
    },
    /// The other side has put us on hold, or has taken us back.
    LineHeld {
        /// Whether it holds us.
        held: bool,
        /// Why, and what becomes of what was under way.
        why: Why,
    },
    /// A reply that could be heard waits: the caller may be speaking, or the line is held.
    Withheld {
        /// Which reply.
        reply: ReplyId,
        /// Why.
        why: Why,
    },
    /// Who has answered the call, as far as is known; told again when it turns out to be somebody else.
    AnsweredBy {
        /// Who.
        by: AnsweredBy,
        /// Why.
        why: Why,
    },
    /// The call is about to end.
    Ending {
        /// Why it ends, as the API has it.
        reason: EndReason,
        /// The rule that decided so, what was waited for since, and for how long.
        why: Why,
    },
}

/// Why a call ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum EndReason {
    /// The other side hung up.
    UserHangup,
    /// The agent hung up.
    AgentHangup,
    /// Someone outside ended it.
    Ended,
    /// The caller was silent for too long.
    Inactivity,
    /// The call had lasted as long as it may.
    MaxDuration,
    /// No sound came from the line for too long.
    MediaLost,
    /// The caller was handed to someone else.
    Transferred,
    /// No service was left to hold the conversation with.
    ServiceFailure,
    /// A voicemail answered; the message was left, if there is one.
    VoicemailReached,
    /// A machine answered that leads to nobody.
    MachineDetected,
    /// The engine was asked to stop.
    Shutdown,
}

impl EndReason {
    /// The stable name of the API (`disconnectionReason`).
    pub const fn name(self) -> &'static str {
        match self {
            Self::UserHangup => "user_hangup",
            Self::AgentHangup | Self::Ended => "agent_hangup",
            Self::Inactivity => "inactivity",
            Self::MaxDuration => "max_duration_reached",
            Self::MediaLost => "error_media_lost",
            Self::Transferred => "call_transfer",
            Self::ServiceFailure => "error_service",
            Self::VoicemailReached => "voicemail_reached",
            Self::MachineDetected => "machine_detected",
            Self::Shutdown => "error_shutdown",
        }
    }
}
