//! The latency of a turn, part by part, and the record of a call.

use std::time::Duration;

use crate::conversation::{ReplyId, Service};
use crate::dialogue::{AnsweredBy, DialogueEvent, EndReason};
use crate::media::{InboundReport, OutboundReport, Quality};

use super::voiceless::Voiceless;

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
    /// How many words the first speakable segment had: what the model had to write before the voice could begin.
    pub segment_words: u32,
}

/// What thinking ahead has cost and saved: runs of the model begun before the caller's turn was over.
///
/// Tokens are estimated, sent and received alike: one for four bytes of text.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct SpeculationReport {
    /// Runs begun. Those neither adopted nor dropped are under way.
    pub tries: u32,
    /// Runs that became the answer.
    pub adopted: u32,
    /// Runs that were of no use.
    pub dropped: u32,
    /// The tokens of all these runs until they were adopted or dropped.
    pub tokens_spent: u64,
    /// Those of the runs that were dropped.
    pub tokens_wasted: u64,
    /// How much longer callers would have waited for the answers adopted, had their runs begun at the commit: the part of
    /// the model's time to its first speakable piece (or tool), and of the voice's time to its first sound, that lay before
    /// it.
    pub saved: Duration,
}

impl SpeculationReport {
    /// Takes a decision into account.
    pub(super) fn note(&mut self, event: &DialogueEvent) {
        match event {
            DialogueEvent::ThoughtAhead { .. } => self.tries += 1,
            DialogueEvent::ThoughtKept { tokens, saved, .. } => {
                self.adopted += 1;
                self.tokens_spent += tokens;
                self.saved += *saved;
            }
            DialogueEvent::ThoughtDropped { tokens, .. } => {
                self.dropped += 1;
                self.tokens_spent += tokens;
                self.tokens_wasted += tokens;
            }
            _ => {}
        }
    }
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
    /// Who answered an outbound call, as thought last; `None`: nobody asked, or it never showed.
    pub answered_by: Option<AnsweredBy>,
    /// The transcript.
    pub lines: Vec<Line>,
    /// The answered turns.
    pub turns: Vec<TurnReport>,
    /// Times the agent was held for the moment.
    pub holds: u32,
    /// Times it was cut.
    pub interruptions: u32,
    /// From the first sample the detector heard as voice to the first silent packet, for each hold and interruption.
    pub silenced: Vec<Duration>,
    /// What thinking ahead has cost and saved.
    pub speculation: SpeculationReport,
    /// Times a backup was asked.
    pub hedges: Hedges,
    /// Late or unknown results that were dropped.
    pub dropped: u64,
    /// What happened to the caller's sound.
    pub inbound: InboundReport,
    /// What happened to ours.
    pub outbound: OutboundReport,
    /// When the caller's line sounded without a voice in it.
    pub voiceless: Voiceless,
    /// How good both sound, where the line carries reports.
    pub quality: Quality,
    /// Time that passed unrecorded: the machine stood still, or (in the engine's record of an ended call) the disk or the
    /// coder was too slow and it is silent in the recording.
    pub unrecorded: Duration,
    /// How loud the first voice and its backup were found to be by themselves, in dBFS of active speech; `None`: too
    /// little was heard.
    pub voices: [Option<f32>; 2],
}

/// How often a backup was asked, or the same recogniser once more.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Hedges {
    /// To recognise.
    pub stt: u32,
    /// To write.
    pub llm: u32,
    /// To speak.
    pub tts: u32,
}

impl Hedges {
    pub(super) fn count(&mut self, service: Service) {
        let count = match service {
            Service::Stt => &mut self.stt,
            Service::Llm => &mut self.llm,
            Service::Tts => &mut self.tts,
            Service::Tool => return,
        };
        *count = count.saturating_add(1);
    }
}

/// Takes the stamps of the turn under way. Stamps that come early (thinking ahead) or never (a scripted answer has no
/// tokens) leave their part at zero, so that the parts always sum to the whole.
#[derive(Debug, Default)]
pub(super) struct Stopwatch {
    turn: Option<Pending>,
    /// The stamps of a reply that is thought ahead: they belong to the turn that it will answer, and to no earlier one.
    ahead: Option<(ReplyId, Stamps)>,
}

#[derive(Debug)]
struct Pending {
    turn: u32,
    reply: ReplyId,
    stopped: Duration,
    decided: Duration,
    settled: Duration,
    stamps: Stamps,
}

#[derive(Clone, Copy, Default, Debug)]
struct Stamps {
    token: Option<Duration>,
    segment: Option<Duration>,
    segment_words: u32,
    audio: Option<Duration>,
}

impl Stopwatch {
    /// A reply is thought ahead; an earlier one is forgotten.
    pub(super) fn ahead(&mut self, reply: ReplyId) {
        self.ahead = Some((reply, Stamps::default()));
    }

    /// The caller's turn is over and `reply` answers it. A turn that was still unanswered is extended by this one.
    pub(super) fn committed(
        &mut self,
        turn: u32,
        reply: ReplyId,
        stopped: Duration,
        decided: Duration,
        settled: Duration,
    ) {
        let stamps = self.ahead.take().filter(|(ahead, _)| *ahead == reply).map(|(_, stamps)| stamps);
        self.turn = Some(Pending { turn, reply, stopped, decided, settled, stamps: stamps.unwrap_or_default() });
    }

    /// A token (or tool call) of a reply has come.
    pub(super) fn token(&mut self, reply: ReplyId, now: Duration) {
        if let Some(stamps) = self.stamps(reply) {
            stamps.token.get_or_insert(now);
        }
    }

    /// A piece of a reply's text goes to the voice.
    pub(super) fn segment(&mut self, reply: ReplyId, text: &str, now: Duration) {
        if let Some(stamps) = self.stamps(reply)
            && stamps.segment.is_none()
        {
            stamps.segment = Some(now);
            stamps.segment_words = u32::try_from(text.split_whitespace().count()).unwrap_or(u32::MAX);
        }
    }

    /// Sound of a reply has come.
    pub(super) fn audio(&mut self, reply: ReplyId, now: Duration) {
        if let Some(stamps) = self.stamps(reply) {
            stamps.audio.get_or_insert(now);
        }
    }

    /// The first packet of a reply has left: the turn is answered.
    pub(super) fn packet(&mut self, reply: ReplyId, now: Duration) -> Option<TurnReport> {
        // The reply it was committed with, or a later one: after a tool, or an apology in its place.
        let turn = self.turn.take_if(|turn| reply >= turn.reply)?;
        let mut last = turn.stopped;
        let mut part = |stamp: Option<Duration>| {
            let stamp = stamp.unwrap_or(last).max(last).min(now);
            let part = stamp.saturating_sub(last);
            last = last.max(stamp);
            part
        };
        let waterfall = Waterfall {
            endpoint: part(Some(turn.decided)),
            transcript: part(Some(turn.settled)),
            first_token: part(turn.stamps.token),
            first_segment: part(turn.stamps.segment),
            first_audio: part(turn.stamps.audio),
            first_packet: part(Some(now)),
        };
        let stopped = turn.stopped;
        Some(TurnReport { turn: turn.turn, reply, stopped, waterfall, segment_words: turn.stamps.segment_words })
    }

    /// Where the stamps of a reply go.
    fn stamps(&mut self, reply: ReplyId) -> Option<&mut Stamps> {
        match &mut self.ahead {
            Some((ahead, stamps)) if *ahead == reply => Some(stamps),
            _ => self.turn.as_mut().filter(|turn| reply >= turn.reply).map(|turn| &mut turn.stamps),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn parts_sum_to_the_whole() {
        let mut watch = Stopwatch::default();
        watch.committed(2, ReplyId(7), at(1_000), at(1_500), at(1_540));
        watch.token(ReplyId(7), at(1_840));
        watch.token(ReplyId(7), at(1_860));
        watch.segment(ReplyId(7), "On Monday,", at(1_900));
        watch.audio(ReplyId(7), at(2_020));
        assert_eq!(watch.packet(ReplyId(6), at(2_030)), None);
        let turn = watch.packet(ReplyId(7), at(2_031)).unwrap();
        assert_eq!(turn.waterfall.parts().map(|part| part.as_millis()), [500, 40, 300, 60, 120, 11]);
        assert_eq!(turn.waterfall.total(), Duration::from_millis(1_031));
        assert_eq!((turn.turn, turn.stopped, turn.segment_words), (2, Duration::from_millis(1_000), 2));
        assert_eq!(watch.packet(ReplyId(7), at(2_050)), None);
    }

    #[test]
    fn what_was_thought_ahead_costs_its_turn_nothing_and_an_earlier_turn_has_no_part_in_it() {
        let mut watch = Stopwatch::default();
        watch.committed(1, ReplyId(1), at(100), at(600), at(600));
        watch.ahead(ReplyId(2));
        watch.token(ReplyId(2), at(1_350));
        watch.segment(ReplyId(2), "On Monday,", at(1_420));
        watch.committed(2, ReplyId(2), at(1_000), at(1_500), at(1_500));
        watch.audio(ReplyId(2), at(1_540));
        let turn = watch.packet(ReplyId(2), at(1_550)).unwrap();
        assert_eq!(turn.waterfall.parts().map(|part| part.as_millis()), [500, 0, 0, 0, 40, 10]);
        assert_eq!(turn.waterfall.total(), at(550));
        assert_eq!((turn.turn, turn.segment_words), (2, 2));
    }

    #[test]
    fn a_thought_that_was_dropped_leaves_no_stamps() {
        let mut watch = Stopwatch::default();
        watch.ahead(ReplyId(2));
        watch.token(ReplyId(2), at(1_350));
        watch.committed(1, ReplyId(3), at(1_000), at(1_500), at(1_500));
        watch.token(ReplyId(3), at(1_800));
        let turn = watch.packet(ReplyId(3), at(1_900)).unwrap();
        assert_eq!(turn.waterfall.parts().map(|part| part.as_millis()), [500, 0, 300, 0, 0, 100]);
    }

    #[test]
    fn early_and_missing_stamps_leave_their_part_at_zero() {
        let mut watch = Stopwatch::default();
        watch.committed(1, ReplyId(1), at(100), at(600), at(600));
        watch.audio(ReplyId(3), at(400));
        let turn = watch.packet(ReplyId(3), at(605)).unwrap();
        assert_eq!(turn.waterfall.parts().map(|part| part.as_millis()), [500, 0, 0, 0, 0, 5]);
    }
}
