//! What a call is told.

use crate::audio::SampleRate;
use crate::conversation::{
    Digit, Failure, GenerationEnd, ReplyId, Service, ToolCall, ToolResult, Transcript, TransferEnd, WordTime,
};
use crate::dialogue::Command;

/// Something that happened outside the call.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// The line is up: the other side hears us from now on.
    Answered,
    /// One datagram from the line: an RTP packet, or what pretends to be one.
    Packet(&'a [u8]),
    /// A gateway that buffers has played everything sent before this mark, or has thrown it away.
    Played {
        /// The number given in [`Output::Mark`](super::Output::Mark).
        mark: u32,
    },
    /// A key that the gateway tells us outside the sound.
    Digit(Digit),
    /// Words from the recogniser.
    Transcript(&'a Transcript),
    /// Text from the language model.
    Token {
        /// For which reply.
        reply: ReplyId,
        /// The piece.
        text: &'a str,
    },
    /// The model asks for a tool.
    ToolCall {
        /// For which reply.
        reply: ReplyId,
        /// Which tool, with complete arguments.
        call: &'a ToolCall,
    },
    /// The model is done with a reply.
    GenerationEnded {
        /// Which reply.
        reply: ReplyId,
        /// How it ended.
        end: GenerationEnd,
    },
    /// Sound from the voice.
    Speech {
        /// For which reply.
        reply: ReplyId,
        /// Mono samples.
        samples: &'a [i16],
        /// Their rate.
        rate: SampleRate,
    },
    /// When the words of a reply are spoken.
    WordTimes {
        /// Which reply.
        reply: ReplyId,
        /// The words, in order.
        words: &'a [WordTime],
    },
    /// The voice has delivered everything of a reply.
    SpeechEnded {
        /// Which reply.
        reply: ReplyId,
    },
    /// A tool has answered.
    ToolResult(&'a ToolResult),
    /// How [`Output::Transfer`](super::Output::Transfer) ended.
    TransferEnded(TransferEnd),
    /// A service has failed.
    Failed {
        /// Which.
        service: Service,
        /// The reply that needed it; `None` for the recogniser.
        reply: Option<ReplyId>,
        /// In which way.
        failure: Failure,
    },
    /// Someone outside steers the call.
    Command(&'a Command),
    /// The other side has put us on hold, or has taken us back.
    Held(bool),
    /// The line is gone.
    Closed,
}
