//! The record of one call.

use std::fmt;
use std::time::{Duration, SystemTime};

/// One call, live or over, as plain values. Times are counted from its start unless they are [`SystemTime`]s.
#[derive(Clone, PartialEq)]
pub struct CallRecord {
    /// Its name.
    pub id: String,
    /// The agent that answered.
    pub agent_id: String,
    /// That agent's name for people.
    pub agent_name: String,
    /// `inbound`, `outbound` or `web`.
    pub direction: String,
    /// The calling number; empty when it is not known.
    pub from: String,
    /// The called number; empty when it is not known.
    pub to: String,
    /// How its sound travelled: `rtp`, `twilio` …
    pub transport: String,
    /// The codec's name.
    pub codec: String,
    /// Where we received its sound, for transports with an address of their own.
    pub local: Option<String>,
    /// What the carrier calls its stream, for transports that have such a name.
    pub stream_sid: Option<String>,
    /// What the carrier calls the call.
    pub call_sid: Option<String>,
    /// `in-progress`, `completed` or `failed`.
    pub status: String,
    /// Why it ended (`disconnectionReason`).
    pub reason: Option<String>,
    /// When it began.
    pub started: SystemTime,
    /// When it was over.
    pub ended: Option<SystemTime>,
    /// How long after its start the line was up.
    pub answered: Option<Duration>,
    /// Who answered an outbound call, as thought last: `human`, `voicemail`, `screening`, `ivr` or `hold`.
    pub answered_by: Option<String>,
    /// What was said.
    pub lines: Vec<LineRecord>,
    /// The answered turns.
    pub turns: Vec<TurnRecord>,
    /// Times the agent was held for the moment.
    pub holds: u32,
    /// Times the agent was cut.
    pub interruptions: u32,
    /// From the caller's first sample to the first silent packet, for each hold.
    pub silenced: Vec<Duration>,
    /// What thinking ahead has cost and saved.
    pub speculation: Vec<Counter>,
    /// Times a backup service was asked.
    pub hedges: Vec<Counter>,
    /// Late or unknown results that were dropped.
    pub dropped: u64,
    /// What happened to the caller's sound.
    pub inbound: Vec<Counter>,
    /// What happened to the agent's sound.
    pub outbound: Vec<Counter>,
    /// What happened on the line.
    pub line: Vec<Counter>,
    /// How good both directions sounded, where that is known.
    pub quality: Vec<Counter>,
    /// How its services did.
    pub services: Vec<Counter>,
    /// What it has used of its services.
    pub costs: Vec<CostRecord>,
    /// The currency of their prices; `None`: there are none.
    pub currency: Option<String>,
    /// Time missing from its recording.
    pub unrecorded: Duration,
    /// File name of its recording.
    pub recording: Option<String>,
    /// Its events, oldest first; empty while it is live.
    pub events: Vec<EventRecord>,
}

/// A named number; names that end in `Ms` are milliseconds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Counter {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: Value,
}

/// The value of a [`Counter`].
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Value {
    /// So many.
    Count(u64),
    /// So long.
    Time(Duration),
    /// A mean opinion score, 1 to 5.
    Score(f32),
}

/// What a call has used of one model of one vendor.
#[derive(Clone, PartialEq, Debug)]
pub struct CostRecord {
    /// `stt`, `llm` or `tts`.
    pub service: &'static str,
    /// Whose.
    pub vendor: String,
    /// Which model.
    pub model: String,
    /// How often it was asked.
    pub requests: u64,
    /// Tokens read.
    pub prompt_tokens: u64,
    /// Tokens written.
    pub completion_tokens: u64,
    /// Of the tokens those that are estimated.
    pub estimated_tokens: u64,
    /// Characters spoken.
    pub characters: u64,
    /// Sound heard or spoken.
    pub audio: Duration,
    /// What that cost, where the price is known.
    pub price: Option<f64>,
}

/// Who spoke.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// The caller.
    Caller,
    /// The agent.
    Agent,
}

/// One line of the transcript.
#[derive(Clone, PartialEq)]
pub struct LineRecord {
    /// Who spoke.
    pub side: Side,
    /// What was said; of the agent's words, what was heard.
    pub text: String,
    /// When it was settled.
    pub at: Duration,
    /// The recogniser's confidence, 0 to 1.
    pub confidence: f32,
    /// Whether the agent was cut.
    pub interrupted: bool,
}

/// The latency of one answered turn.
#[derive(Clone, PartialEq, Debug)]
pub struct TurnRecord {
    /// Counts from 1.
    pub turn: u32,
    /// The reply that answered it.
    pub reply: u32,
    /// When the caller stopped.
    pub stopped: Duration,
    /// How many words the first speakable segment had.
    pub segment_words: u32,
    /// Where the time went, part by part, in order.
    pub waterfall: Vec<(&'static str, Duration)>,
}

/// One event as it was told: its name and its JSON.
#[derive(Clone, PartialEq, Eq)]
pub struct EventRecord {
    /// Its name.
    pub name: &'static str,
    /// Its data, one line of ASCII JSON.
    pub data: String,
}

impl CallRecord {
    /// About how many bytes it holds.
    pub(super) fn weight(&self) -> usize {
        let texts = [&self.id, &self.agent_id, &self.agent_name, &self.from, &self.to, &self.codec, &self.transport];
        let texts: usize = texts.iter().map(|text| text.len()).sum();
        let sids: usize =
            [&self.stream_sid, &self.call_sid].iter().map(|sid| sid.as_ref().map_or(0, String::len)).sum();
        let lines: usize = self.lines.iter().map(|line| line.text.len() + size_of::<LineRecord>()).sum();
        let events: usize = self.events.iter().map(|event| event.data.len() + size_of::<EventRecord>()).sum();
        let turns: usize = self.turns.iter().map(|turn| size_of::<TurnRecord>() + turn.waterfall.len() * 32).sum();
        let counters =
            (self.hedges.len() + self.inbound.len() + self.outbound.len() + self.line.len() + self.quality.len())
                * size_of::<Counter>();
        size_of::<Self>()
            + texts
            + sids
            + lines
            + events
            + turns
            + counters
            + self
                .costs
                .iter()
                .map(|cost| cost.vendor.len() + cost.model.len() + size_of::<CostRecord>())
                .sum::<usize>()
            + self.silenced.len() * size_of::<Duration>()
    }
}

impl fmt::Debug for CallRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Numbers and words of people stay out of logs.
        f.debug_struct("CallRecord").field("id", &self.id).field("status", &self.status).finish_non_exhaustive()
    }
}

impl fmt::Debug for LineRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LineRecord").field("side", &self.side).field("at", &self.at).finish_non_exhaustive()
    }
}

impl fmt::Debug for EventRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventRecord").field("name", &self.name).finish_non_exhaustive()
    }
}
