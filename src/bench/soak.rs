//! Many short calls beside a few long ones: what memory and file descriptors do in the end.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::BenchError;
use super::rtp::Callers;
use super::sound::Script;
use super::subject::{Attached, Subject};
use super::talk::Tally;

/// What is soaked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Soak {
    /// For how long.
    pub lasts: Duration,
    /// Short calls at once, one after another.
    pub short: usize,
    /// Calls that last from the beginning to the end.
    pub long: usize,
    /// How long a short call is.
    pub call: Duration,
    /// How often memory is looked at.
    pub every: Duration,
    /// This program, to start the engine and its services with.
    pub binary: PathBuf,
    /// Where their configuration and logs go.
    pub directory: PathBuf,
}

/// One look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sample {
    /// Since the beginning.
    pub at: Duration,
    /// Calls that are over.
    pub ended: u64,
    /// Resident memory of the engine in bytes.
    pub resident: u64,
    /// Its open file descriptors.
    pub descriptors: usize,
    /// Turns that failed so far.
    pub failed: u64,
    /// Turns answered so far.
    pub turns: u64,
}

/// What memory and descriptors did in the second half, when everything that fills up once is full.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Slope {
    /// Bytes in a minute.
    pub resident: f64,
    /// Descriptors in a minute.
    pub descriptors: f64,
    /// Bytes for each call that ended.
    pub resident_per_call: f64,
}

/// Soaks the engine; tells each look as it is taken.
pub async fn soak(plan: &Soak, mut tell: impl FnMut(&Sample)) -> Result<Vec<Sample>, BenchError> {
    // Whoever comes second finds it done.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let places = plan.short + plan.long;
    let subject = Subject::start(&plan.binary, places + SPARE, None, &plan.directory).await?;
    let callers = Callers::start(Script::prepare()?, places)?;
    let began = Instant::now();
    let mut calls: VecDeque<(Instant, usize, Attached)> = VecDeque::with_capacity(plan.short);
    let mut tally = Tally::default();
    let (mut ended, mut samples) = (0, Vec::new());
    for n in plan.short..places {
        let call = subject.attach(callers.address(n)?).await?;
        callers.pick_up(n, call.far);
    }
    // Spread over a call's length, and from then on each place's next call begins when its last one ends.
    let mut begin =
        (0..plan.short).map(|n| (began + plan.call * n as u32 / plan.short.max(1) as u32, n)).collect::<VecDeque<_>>();
    let mut look = began + plan.every;
    loop {
        let now = Instant::now();
        if let Some((_, n)) = due(&mut begin, |(at, _)| *at <= now) {
            let call = subject.attach(callers.address(n)?).await?;
            callers.pick_up(n, call.far);
            calls.push_back((now + plan.call, n, call));
        } else if let Some((_, n, call)) = due(&mut calls, |(at, ..)| *at <= now) {
            tally.add(&callers.hang_up(call.far));
            subject.detach(&call.id).await?;
            ended += 1;
            begin.push_back((Instant::now(), n));
        } else if look <= now {
            tally.add(&callers.take().tally);
            // The answers' lengths are of no use here, and would be what grows.
            tally.answers.clear();
            let usage =
                subject.usage().ok_or_else(|| BenchError::Start("the engine", plan.directory.join("engine.log")))?;
            let (resident, descriptors) = (usage.resident, usage.descriptors);
            let (failed, turns) = (tally.failures(), tally.turns);
            let sample = Sample { at: now - began, ended, resident, descriptors, failed, turns };
            tell(&sample);
            samples.push(sample);
            look += plan.every;
        } else if now - began >= plan.lasts {
            return Ok(samples);
        } else {
            let next =
                begin.front().map(|(at, _)| *at).into_iter().chain(calls.front().map(|(at, ..)| *at)).chain([look]);
            tokio::time::sleep_until(next.min().unwrap_or(look).into()).await;
        }
    }
}

/// Takes the first of `queue` if it `is_due`.
fn due<T>(queue: &mut VecDeque<T>, is_due: impl Fn(&T) -> bool) -> Option<T> {
    queue.front().is_some_and(is_due).then(|| queue.pop_front()).flatten()
}

/// The slopes of the second half, by least squares; `None` when there are too few looks.
pub fn slope(samples: &[Sample]) -> Option<Slope> {
    let half = samples.get(samples.len() / 2..).filter(|half| half.len() >= 3)?;
    let minutes = |sample: &Sample| sample.at.as_secs_f64() / 60.0;
    let resident = |sample: &Sample| sample.resident as f64;
    Some(Slope {
        resident: least_squares(half, &minutes, &resident),
        descriptors: least_squares(half, &minutes, &|sample| sample.descriptors as f64),
        resident_per_call: least_squares(half, &|sample| sample.ended as f64, &resident),
    })
}

fn least_squares(samples: &[Sample], x: &dyn Fn(&Sample) -> f64, y: &dyn Fn(&Sample) -> f64) -> f64 {
    let count = samples.len() as f64;
    let mean = |of: &dyn Fn(&Sample) -> f64| samples.iter().map(of).sum::<f64>() / count;
    let (mean_x, mean_y) = (mean(x), mean(y));
    let both: f64 = samples.iter().map(|sample| (x(sample) - mean_x) * (y(sample) - mean_y)).sum();
    let square: f64 = samples.iter().map(|sample| (x(sample) - mean_x).powi(2)).sum();
    if square > 0.0 { both / square } else { 0.0 }
}

const SPARE: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leak_is_seen_and_what_fills_up_once_is_not() {
        let sample = |n: u64, resident| Sample {
            at: Duration::from_secs(30 * n),
            ended: 100 * n,
            resident,
            descriptors: 50 + (n % 2) as usize,
            failed: 0,
            turns: 0,
        };
        let leaking: Vec<_> = (0..20).map(|n| sample(n, 10_000_000 + n * 50_000)).collect();
        let found = slope(&leaking).unwrap();
        assert!(
            (found.resident - 100_000.0).abs() < 1.0 && (found.resident_per_call - 500.0).abs() < 0.01,
            "{found:?}"
        );
        assert!(found.descriptors.abs() < 0.2, "{found:?}");
        let filling: Vec<_> = (0..20).map(|n| sample(n, 10_000_000 + n.min(10) * 50_000)).collect();
        assert!(slope(&filling).unwrap().resident.abs() < 1.0);
        assert_eq!(slope(&filling[..4]), None);
    }
}
