//! What a call wants done.

use std::time::Duration;

use crate::audio::Piece;
use crate::conversation::{Message, Pii, ReplyId, ToolCall};
use crate::dialogue::{DialogueEvent, EndReason, Why};
use crate::rtp::{PacketBuf, RtcpBuf};

use super::timeline::TurnReport;

/// Something the body has to carry out. Owned and inline: nothing on the packet path touches the heap.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send this packet now.
    Transmit(PacketBuf),
    /// Send this report now.
    Report(RtcpBuf),
    /// Throw away what the far side has buffered (gateways that buffer).
    ClearFar,
    /// Ask the far side to tell when everything sent so far was played (gateways that buffer).
    Mark(u32),
    /// Give this sound of the caller to the recogniser. A packet of more than 20 ms at 16 kHz comes in pieces.
    Transcribe(Piece),
    /// Ask the recogniser for what it has.
    Finalize,
    /// Hand the caller's sound since then to another recogniser, or to the same one over a new connection, and go on with
    /// that one.
    Rehear {
        /// From where on, since the call began; keep some 20 s.
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
    /// Speak this text.
    Synthesize {
        /// Which reply.
        reply: ReplyId,
        /// Which of the configured voices: 0 is the first choice, 1 its backup. The same for all pieces of a reply.
        rank: u8,
        /// The next piece of its text.
        text: String,
    },
    /// No more text comes for a reply.
    EndSpeech {
        /// Which reply.
        reply: ReplyId,
    },
    /// Drop the model's and the voice's streams of a reply.
    Cancel {
        /// Which reply.
        reply: ReplyId,
    },
    /// Drop the model's stream of a reply; its voice goes on with what it was given.
    CancelModel {
        /// Which reply.
        reply: ReplyId,
    },
    /// Drop the voice's stream of a reply; its model writes on, for another voice.
    CancelVoice {
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
    /// Write this to the recording.
    Record(Stereo),
    /// Hand the caller to someone else; answered with [`Input::TransferEnded`](super::Input::TransferEnded).
    Transfer {
        /// Whom to.
        to: Pii<String>,
    },
    /// Close the line. Nothing but events comes after it.
    Close {
        /// Why.
        reason: EndReason,
    },
    /// Tell whoever watches.
    Event(Event),
}

/// One ptime of both sides, aligned by the call's clock: caller left, agent right.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Stereo {
    /// What was heard from the caller.
    pub caller: Piece,
    /// What was sent to the caller.
    pub agent: Piece,
}

/// Something worth telling, with its time since the call began.
#[derive(Clone, PartialEq, Debug)]
pub struct Event {
    /// Time since [`Call::new`](super::Call::new).
    pub at: Duration,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum EventKind {
    /// The line is up.
    Answered,
    /// A decision of the dialogue.
    Dialogue(DialogueEvent),
    /// The first packet of an answer has left: the turn's latency, part by part.
    TurnAnswered(TurnReport),
    /// After a hold or an interruption the first silent packet has left.
    Silenced {
        /// Which reply fell silent.
        reply: ReplyId,
        /// From the first sample the detector heard as voice to that packet.
        after: Duration,
    },
    /// The caller's line has sounded for 5 s without a voice in it: whoever says that they were not heard may find their
    /// reason here.
    SoundWithoutVoice {
        /// Since when, since the call began.
        since: Duration,
        /// The rule, and how loud it is.
        why: Why,
    },
    /// The caller pressed a key (which one is in the transcript of keys, not here).
    DigitPressed,
    /// The call is over.
    Ended {
        /// Why.
        reason: EndReason,
    },
}
