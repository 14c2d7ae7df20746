//! The latency of a turn, part by part, and the record of a call.

use std::time::Duration;

use crate::conversation::ReplyId;
use crate::dialogue::EndReason;
use crate::media::{InboundReport, OutboundReport};

/// Where the time between the caller's last word and the agent's first went. The parts follow one another and sum to
/// [`Waterfall::total`].
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Waterfall {
    /// The caller's last voiced sample → endpointing decided that the turn is over.
    pub endpoint: Duration,
    /// → the words were settled (zero when they already were).
    pub transcript: Duration,
    /// → the model's first token.
    pub first_token: Duration,
    /// → the first piece of text worth speaking.
    pub first_segment: Duration,
    /// → the voice's first sound.
    pub first_audio: Duration,
    /// → the first packet with that sound left.
    pub first_packet: Duration,
}

impl Waterfall {
    /// The names of the parts, in order.
    pub const NAMES: [&'static str; 6] =
        ["endpoint", "transcript", "first_token", "first_segment", "first_audio", "first_packet"];

    /// The parts, in order.
    pub const fn parts(&self) -> [Duration; 6] {
        [self.endpoint, self.transcript, self.first_token, self.first_segment, self.first_audio, self.first_packet]
    }

    /// The whole delay: the sum of the parts.
    pub fn total(&self) -> Duration {
        self.parts().iter().sum()
    }
}

/// One answered turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TurnReport {
    /// Counts from 1.
    pub turn: u32,
    /// The reply that answered it.
    pub reply: ReplyId,
    /// When the caller stopped, since the call began.
    pub stopped: Duration,
    /// Where the time went.
    pub waterfall: Waterfall,
}

/// Who said a line of the transcript.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Speaker {
    /// The caller.
    Caller,
    /// The agent.
    Agent,
}

/// One line of the transcript.
#[derive(Clone, PartialEq, Debug)]
pub struct Line {
    /// Who said it.
    pub speaker: Speaker,
    /// What was said; for the agent, what was heard.
    pub text: String,
    /// When it was settled, since the call began.
    pub at: Duration,
    /// The recogniser's confidence; 1 for the agent.
    pub confidence: f32,
    /// Whether the agent was cut.
    pub interrupted: bool,
}

/// The record of a call, live or over.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Report {
    /// When the line came up, since the call began.
    pub answered: Option<Duration>,
    /// When and why it ended.
    pub ended: Option<(Duration, EndReason)>,
    /// The transcript.
    pub lines: Vec<Line>,
    /// The answered turns.
    pub turns: Vec<TurnReport>,
    /// Times the agent was held for the moment.
    pub holds: u32,
    /// Times it was cut.
    pub interruptions: u32,
    /// From the caller's first sample to the first silent packet, for each hold.
    pub silenced: Vec<Duration>,
    /// Late or unknown results that were dropped.
    pub dropped: u64,
    /// What happened to the caller's sound.
    pub inbound: InboundReport,
    /// What happened to ours.
    pub outbound: OutboundReport,
}
