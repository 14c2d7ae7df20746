//! What an engine has done, in numbers.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::call::{Quality, Report};
use crate::gateway::LegCounters;

/// A snapshot of an engine's numbers. Everything but `live` and `capacity` only grows.
#[derive(Clone, PartialEq, Debug)]
pub struct EngineStats {
    /// Calls admitted and not over.
    pub live: usize,
    /// The most there may be.
    pub capacity: usize,
    /// Whether new calls are refused because the engine is stopping.
    pub draining: bool,
    /// Calls started.
    pub started: u64,
    /// Calls refused because there was no room.
    pub refused: u64,
    /// Calls that are over.
    pub ended: u64,
    /// Calls that ended by a bug of ours.
    pub panicked: u64,
    /// Pieces of recordings and call logs that the disk was too slow for.
    pub writes_dropped: u64,
    /// What happened on all lines and in all calls, up to a few seconds ago for live ones.
    pub totals: Totals,
    /// From the caller's last word to the agent's first packet.
    pub answer_delay: Histogram,
    /// From the caller's first sample to the agent's first silent packet.
    pub silence_delay: Histogram,
    /// How late packets left.
    pub pacing_lateness: Histogram,
    /// How good the callers sounded, over the calls that are over.
    pub mos_inbound: Scores,
    /// How good the agents sounded, over the calls that are over and were reported on.
    pub mos_outbound: Scores,
}

/// Mean opinion scores, summed up.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub struct Scores {
    /// How many.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
}

impl Scores {
    fn add(&mut self, score: Option<f32>) {
        if let Some(score) = score {
            self.count += 1;
            self.sum += f64::from(score);
        }
    }
}

/// How the services of one call did, in numbers.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ServiceCounters {
    /// Caller's sound that no recogniser was given, or that was lost with a connection.
    pub unheard: Duration,
    /// Recogniser connections that were lost and came back.
    pub reconnects: u64,
    /// Times a recogniser was handed the last seconds again.
    pub rehears: u64,
    /// Answers the model that stands by was asked for.
    pub llm_standby: u64,
    /// Replies the voice that stands by was asked for.
    pub tts_standby: u64,
    /// Voices that were connected ahead of words that never came.
    pub tts_unused: u64,
    /// Times a service was not asked because too many replies were under way.
    pub refused: u64,
}

/// Declares [`Totals`] with its arithmetic, so that a field is named once.
macro_rules! totals {
    ($($(#[$doc:meta])* $field:ident = $from:expr;)*) => {
        /// Sums over calls.
        #[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
        pub struct Totals {
            $($(#[$doc])* pub $field: u64,)*
            /// Caller's sound made up for sound that did not come.
            pub concealed: Duration,
        }

        impl Totals {
            /// The numbers of one call.
            pub(super) fn of(report: &Report, leg: &LegCounters) -> Self {
                Self { $($field: $from(report, leg),)* concealed: report.inbound.concealed }
            }

            /// Adds what one call's numbers have grown by from `before` to `after`.
            pub(super) fn grow(&mut self, before: &Self, after: &Self) {
                $(self.$field += after.$field.saturating_sub(before.$field);)*
                self.concealed += after.concealed.saturating_sub(before.concealed);
            }
        }
    };
}

totals! {
    /// RTP packets accepted.
    packets_received = |report: &Report, _: &LegCounters| report.inbound.received;
    /// RTP packets sent.
    packets_sent = |report: &Report, _: &LegCounters| report.outbound.sent;
    /// Packets that never came.
    packets_lost = |report: &Report, _: &LegCounters| report.inbound.lost;
    /// Packets that came too late.
    packets_late = |report: &Report, _: &LegCounters| report.inbound.late;
    /// Packets that came twice.
    packets_duplicate = |report: &Report, _: &LegCounters| report.inbound.duplicate;
    /// Packets that came out of order but in time.
    packets_reordered = |report: &Report, _: &LegCounters| report.inbound.reordered;
    /// Datagrams and messages that were not understood.
    malformed = |report: &Report, leg: &LegCounters| report.inbound.malformed + leg.malformed;
    /// Packets of another SSRC than the one listened to.
    foreign_ssrc = |report: &Report, _: &LegCounters| report.inbound.foreign;
    /// Datagrams of another address than the other side's.
    foreign_source = |_: &Report, leg: &LegCounters| leg.foreign_source;
    /// Packets over a line's rate limit.
    rate_limited = |_: &Report, leg: &LegCounters| leg.rate_limited;
    /// Packets of encrypted lines whose tag was wrong.
    srtp_bad_tag = |_: &Report, leg: &LegCounters| leg.bad_tag;
    /// Packets of encrypted lines that came before.
    srtp_replayed = |_: &Report, leg: &LegCounters| leg.replayed;
    /// RTCP reports sent.
    reports_sent = |report: &Report, _: &LegCounters| report.quality.reports_sent;
    /// RTCP reports of the other sides that were understood.
    reports_received = |report: &Report, _: &LegCounters| report.quality.reports_received;
    /// Packets of ours that the other sides say were lost.
    remote_lost = |report: &Report, _: &LegCounters| report.quality.remote_lost;
    /// Packets that could not be sent.
    send_failed = |_: &Report, leg: &LegCounters| leg.send_failed;
    /// Times speech was due but had not come.
    underruns = |report: &Report, _: &LegCounters| report.outbound.underruns;
    /// Turns answered.
    turns = |report: &Report, _: &LegCounters| report.turns.len() as u64;
    /// Times an agent was silenced for the moment.
    holds = |report: &Report, _: &LegCounters| u64::from(report.holds);
    /// Times an agent was cut.
    interruptions = |report: &Report, _: &LegCounters| u64::from(report.interruptions);
    /// Runs of the model begun before a turn was over.
    thoughts = |report: &Report, _: &LegCounters| u64::from(report.speculation.tries);
    /// Those that became the answer.
    thoughts_kept = |report: &Report, _: &LegCounters| u64::from(report.speculation.adopted);
    /// Tokens of those that were of no use, estimated.
    thought_tokens_wasted = |report: &Report, _: &LegCounters| report.speculation.tokens_wasted;
    /// Late or unknown results of services that were dropped.
    results_dropped = |report: &Report, _: &LegCounters| report.dropped;
}

/// How often something took how long.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Histogram {
    /// Upper bounds of the buckets, inclusive, ascending.
    pub bounds: &'static [Duration],
    /// One count a bucket, and one more for what was over the last bound. Not cumulative.
    pub counts: Vec<u64>,
    /// The sum of everything observed.
    pub sum: Duration,
}

impl Histogram {
    /// How many were observed.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// The live numbers behind [`EngineStats`], shared by all drivers.
#[derive(Debug)]
pub(super) struct Counters {
    pub(super) started: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) ended: AtomicU64,
    pub(super) panicked: AtomicU64,
    pub(super) totals: Mutex<Totals>,
    pub(super) answer_delay: LiveHistogram,
    pub(super) silence_delay: LiveHistogram,
    pub(super) pacing_lateness: LiveHistogram,
    /// Of both directions, inbound first.
    scores: Mutex<(Scores, Scores)>,
}

const ANSWER_BOUNDS: [Duration; 10] = millis([200, 400, 600, 800, 1_000, 1_250, 1_500, 2_000, 3_000, 5_000]);
const SILENCE_BOUNDS: [Duration; 8] = millis([60, 80, 100, 120, 150, 200, 300, 500]);
const PACING_BOUNDS: [Duration; 11] = [
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_millis(2),
    Duration::from_millis(3),
    Duration::from_millis(4),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(20),
    Duration::from_millis(50),
    Duration::from_millis(100),
];

const fn millis<const N: usize>(values: [u64; N]) -> [Duration; N] {
    let mut bounds = [Duration::ZERO; N];
    let mut index = 0;
    while index < N {
        bounds[index] = Duration::from_millis(values[index]);
        index += 1;
    }
    bounds
}

impl Counters {
    pub(super) fn new() -> Self {
        Self {
            started: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            panicked: AtomicU64::new(0),
            totals: Mutex::default(),
            answer_delay: LiveHistogram::new(&ANSWER_BOUNDS),
            silence_delay: LiveHistogram::new(&SILENCE_BOUNDS),
            pacing_lateness: LiveHistogram::new(&PACING_BOUNDS),
            scores: Mutex::default(),
        }
    }

    /// Takes in how good a call has sounded that is over.
    pub(super) fn score(&self, quality: &Quality) {
        let mut scores = self.scores.lock().unwrap_or_else(PoisonError::into_inner);
        scores.0.add(quality.inbound);
        scores.1.add(quality.outbound);
    }

    pub(super) fn scores(&self) -> (Scores, Scores) {
        *self.scores.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what one call's numbers have grown by.
    pub(super) fn grow(&self, before: &Totals, after: &Totals) {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner).grow(before, after);
    }

    pub(super) fn totals(&self) -> Totals {
        *self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A histogram that many threads add to without waiting for each other.
#[derive(Debug)]
pub(super) struct LiveHistogram {
    bounds: &'static [Duration],
    counts: Vec<AtomicU64>,
    sum_nanos: AtomicU64,
}

impl LiveHistogram {
    fn new(bounds: &'static [Duration]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum_nanos: AtomicU64::new(0) }
    }

    pub(super) fn observe(&self, value: Duration) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Relaxed);
        }
        self.sum_nanos.fetch_add(u64::try_from(value.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    pub(super) fn snapshot(&self) -> Histogram {
        Histogram {
            bounds: self.bounds,
            counts: self.counts.iter().map(|count| count.load(Relaxed)).collect(),
            sum: Duration::from_nanos(self.sum_nanos.load(Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_on_a_bound_belongs_to_its_bucket() {
        let live = LiveHistogram::new(&PACING_BOUNDS);
        for millis in [0, 1, 2, 6, 1_000] {
            live.observe(Duration::from_millis(millis));
        }
        let histogram = live.snapshot();
        assert_eq!(histogram.counts, [1, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1]);
        assert_eq!((histogram.count(), histogram.sum), (5, Duration::from_millis(1_009)));
    }

    #[test]
    fn scores_are_summed_where_they_are_known() {
        let counters = Counters::new();
        for (inbound, outbound) in [(Some(4.0), None), (Some(3.0), Some(2.5)), (None, None)] {
            counters.score(&Quality { inbound, outbound, ..Quality::default() });
        }
        assert_eq!(counters.scores(), (Scores { count: 2, sum: 7.0 }, Scores { count: 1, sum: 2.5 }));
    }

    #[test]
    fn a_calls_numbers_are_added_once_however_often_they_are_told() {
        let counters = Counters::new();
        let mut report = Report { holds: 2, ..Report::default() };
        report.inbound.received = 100;
        report.inbound.concealed = Duration::from_millis(40);
        let first = Totals::of(&report, &LegCounters::default());
        report.inbound.received = 150;
        let second = Totals::of(&report, &LegCounters { malformed: 3, ..LegCounters::default() });
        counters.grow(&Totals::default(), &first);
        counters.grow(&first, &second);
        assert_eq!(counters.totals(), second);
        assert_eq!((second.packets_received, second.holds, second.malformed), (150, 2, 3));
        assert_eq!(second.concealed, Duration::from_millis(40));
    }
}
