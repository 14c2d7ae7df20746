//! What one level of load came to, and which promises it breaks.

use std::time::Duration;

use super::rtp::Measured;
use super::spread::Spread;
use super::talk::Fault;

/// What was measured with so many calls at once.
#[derive(Clone, Debug)]
pub struct Level {
    /// Calls at once.
    pub calls: usize,
    /// How long it was measured.
    pub measured: Duration,
    /// From the caller's last voiced sample to the first audible sample of the answer in its ear.
    pub response: Spread,
    /// From the first voiced sample of an interruption to the agent's last audible sample.
    pub silenced: Spread,
    /// How late the agent's packets reached the caller, against their timestamps.
    pub lateness: Spread,
    /// How late the callers' own packets left: the measuring side's share in every figure.
    pub own_lateness: Spread,
    /// How late packets left by the engine's own account: half, 99 % and 99.9 % of them no later than this.
    pub engine_lateness: Option<[Duration; 3]>,
    /// Turns that were answered.
    pub turns: u64,
    /// Turns that were not as they should be, by kind.
    pub failed: Vec<(Fault, u64)>,
    /// Packets of the agent that came.
    pub received: u64,
    /// Packets of the agent that never came.
    pub lost: u64,
    /// Packets of the agent that came more than 5 ms late.
    pub late: u64,
    /// Times speech was due in the engine and had not come.
    pub underruns: Option<u64>,
    /// What the engine's process cost.
    pub engine: Option<Cost>,
    /// Processor time of the services and of the callers, as a share of one core.
    pub services_cores: Option<f64>,
    /// As above.
    pub callers_cores: Option<f64>,
    /// The promises that are broken.
    pub broken: Vec<Broken>,
}

/// What a process cost.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Cost {
    /// CPU seconds for a minute of a call.
    pub cpu_per_call_minute: f64,
    /// CPU time as a share of one core.
    pub cores: f64,
    /// Resident memory in bytes.
    pub resident: u64,
    /// Resident memory of each call beyond the first, in bytes; `None` where there was but one.
    pub resident_per_call: Option<f64>,
    /// Open file descriptors.
    pub descriptors: usize,
}

/// A promise that does not hold at a level.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Broken {
    /// 1 packet in 100 reached the callers later than 5 ms.
    LateAtCaller(Duration),
    /// 1 packet in 100 left the engine later than 5 ms, by its own account.
    LateInEngine(Duration),
    /// Turns failed.
    Failed(u64),
    /// 1 answer in 20 came this much later than with the fewest calls, and that is more than 100 ms.
    Slow(Duration),
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::LateAtCaller(late) => write!(f, "packets reach the caller late: p99 {:.1} ms", ms(*late)),
            Self::LateInEngine(late) => write!(f, "packets leave the engine late: p99 {:.1} ms", ms(*late)),
            Self::Failed(turns) => write!(f, "{turns} turns failed"),
            Self::Slow(more) => write!(f, "answers are {:.0} ms later (p95)", ms(*more)),
        }
    }
}

/// The latest a hundredth of all packets may be.
pub const LATEST: Duration = Duration::from_millis(5);
/// How much later than with the fewest calls a twentieth of all answers may come.
pub const SLOWEST: Duration = Duration::from_millis(100);
/// An answer may be shorter or longer than the usual one to the same line by these factors.
const USUAL: std::ops::RangeInclusive<f64> = 0.75..=1.5;

/// What later levels are compared with: the first.
#[derive(Clone, Debug)]
pub(super) struct Reference {
    response: Option<Duration>,
    /// The usual length of the answer to each line, in ms.
    answers: Vec<Option<f64>>,
}

impl Reference {
    /// What the first level says is usual.
    pub(super) fn of(measured: &Measured) -> Self {
        let median = |lengths: &Vec<u32>| {
            let mut sorted = lengths.clone();
            sorted.sort_unstable();
            sorted.get(sorted.len() / 2).map(|length| f64::from(*length))
        };
        Self {
            response: measured.tally.response.quantile(0.95),
            answers: measured.tally.answers.iter().map(median).collect(),
        }
    }

    /// Counts answers of an unusual length as failed.
    pub(super) fn judge_answers(&self, measured: &mut Measured) {
        let answers = std::mem::take(&mut measured.tally.answers);
        for (lengths, usual) in answers.iter().zip(&self.answers) {
            let Some(usual) = usual else { continue };
            let wrong = lengths.iter().filter(|&&length| !USUAL.contains(&(f64::from(length) / usual))).count();
            (0..wrong).for_each(|_| measured.tally.fail(Fault::WrongAnswer));
        }
    }

    /// The promises that `level` breaks.
    pub(super) fn broken(&self, level: &Level) -> Vec<Broken> {
        let mut broken = Vec::new();
        broken.extend(level.lateness.quantile(0.99).filter(|late| *late > LATEST).map(Broken::LateAtCaller));
        let engine = level.engine_lateness.map(|[_, p99, _]| p99);
        broken.extend(engine.filter(|late| *late > LATEST).map(Broken::LateInEngine));
        let failed = level.failed.iter().map(|(_, count)| count).sum();
        broken.extend((failed > 0).then_some(Broken::Failed(failed)));
        let slower = level.response.quantile(0.95).zip(self.response).map(|(p95, usual)| p95.saturating_sub(usual));
        broken.extend(slower.filter(|more| *more > SLOWEST).map(Broken::Slow));
        broken
    }
}

impl Level {
    /// What was measured at the callers' end in `measured` time.
    pub(super) fn of(calls: usize, measured: Duration, found: Measured) -> Self {
        let failed = Fault::ALL.into_iter().zip(found.tally.failed).filter(|(_, count)| *count > 0).collect();
        Self {
            calls,
            measured,
            response: found.tally.response,
            silenced: found.tally.silenced,
            lateness: found.lateness,
            own_lateness: found.own_lateness,
            engine_lateness: None,
            turns: found.tally.turns,
            failed,
            received: found.received,
            lost: found.lost,
            late: found.late,
            underruns: None,
            engine: None,
            services_cores: None,
            callers_cores: None,
            broken: Vec::new(),
        }
    }

    /// Whether the callers themselves were so late that the figures say nothing of the engine.
    pub fn is_saturated(&self) -> bool {
        self.own_lateness.quantile(0.99).is_some_and(|late| late > LATEST)
    }

    /// What it came to, in words.
    pub fn verdict(&self) -> String {
        let broken: Vec<String> = self.broken.iter().map(ToString::to_string).collect();
        match (broken.is_empty(), self.is_saturated()) {
            (true, false) => "holds".into(),
            (true, true) => "holds, though the callers themselves were late".into(),
            (false, false) => broken.join("; "),
            (false, true) => {
                format!("the callers themselves were late: no verdict on the engine ({})", broken.join("; "))
            }
        }
    }
}

pub(super) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(response: u64, late: u64, own: u64) -> Measured {
        let mut measured = Measured::default();
        measured.tally.response.note(Duration::from_millis(response));
        measured.tally.answers = vec![vec![2_000, 2_100, 2_050], vec![]];
        measured.lateness.note(Duration::from_millis(late));
        measured.own_lateness.note(Duration::from_millis(own));
        measured
    }

    #[test]
    fn a_level_is_held_against_the_first() {
        let reference = Reference::of(&measured(900, 1, 0));
        let judge = |mut found: Measured| {
            reference.judge_answers(&mut found);
            let mut level = Level::of(10, Duration::from_secs(1), found);
            level.broken = reference.broken(&level);
            level
        };
        assert_eq!(judge(measured(980, 4, 1)).verdict(), "holds");
        let slow = judge(measured(1_200, 7, 1));
        assert!(matches!(slow.broken[..], [Broken::LateAtCaller(_), Broken::Slow(_)]), "{:?}", slow.broken);
        assert!(!slow.is_saturated());
        assert!(
            judge(measured(1_200, 7, 9)).verdict().starts_with("the callers themselves"),
            "who is late is not to judge"
        );
        let mut cut = measured(900, 1, 0);
        cut.tally.answers = vec![vec![2_000, 700, 3_500], vec![100]];
        let cut = judge(cut);
        assert_eq!(
            (cut.failed.as_slice(), cut.broken.as_slice()),
            ([(Fault::WrongAnswer, 2)].as_slice(), [Broken::Failed(2)].as_slice())
        );
    }
}
