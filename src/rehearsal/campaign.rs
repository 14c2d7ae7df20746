//! A few situations with recorded voices, many times each: what a caller does to an agent that speaks, and how a slow
//! speaker is waited for.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::engine::{Engine, EngineConfig, EngineStats, Histogram};
use crate::world::{Act, Random, Recorded, Scenario, What};

use super::rehearse::{RehearsalError, Rehearsed, Settings, perform};
use super::stage::Voice;
use super::telephone::recording;

/// How a campaign is run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Campaign {
    /// Calls of each situation.
    pub repeat: u32,
    /// Calls at once, all on one engine.
    pub at_once: usize,
    /// Only situations whose name contains this; empty: all.
    pub only: String,
    /// How each call is judged.
    pub settings: Settings,
}

impl Default for Campaign {
    fn default() -> Self {
        Self { repeat: 50, at_once: 16, only: String::new(), settings: Settings::default() }
    }
}

/// The median, by the caller's ear, from the first sample of an interruption to the first silent packet must not be longer.
const SILENT_WITHIN: Duration = Duration::from_millis(130);

/// Runs the campaign, prints its table to `out`, and says whether everything came out as it must.
pub async fn campaign(campaign: &Campaign, out: &mut (impl Write + Send)) -> Result<bool, RehearsalError> {
    let engine = Engine::new(EngineConfig { max_calls: campaign.at_once.max(1), ..EngineConfig::default() });
    let began = Instant::now();
    let mut tallies = Vec::new();
    for situation in SITUATIONS.iter().filter(|situation| situation.name.contains(&campaign.only)) {
        let tally = repeat(situation, campaign, &engine).await?;
        writeln!(out, "{:<14} {}", situation.name, tally.summary())?;
        for failure in tally.failures.iter().take(MOST_FAILURES) {
            writeln!(out, "    {failure}")?;
        }
        out.flush()?;
        tallies.push((situation, tally));
    }
    table(out, &tallies, &engine.stats(), began.elapsed())?;
    Ok(!tallies.is_empty() && tallies.iter().all(|(situation, tally)| tally.holds(situation)))
}

/// One situation.
struct Situation {
    name: &'static str,
    /// What must come of it.
    goal: &'static str,
    /// Whether the caller's last sound must silence the agent.
    silences: bool,
    /// The scenario's file and what the caller plays, for one call.
    make: fn(&mut Random) -> Made,
}

/// A scenario's file and what the caller does in it.
type Made = io::Result<(String, Vec<Act>)>;

const SITUATIONS: [Situation; 5] = [
    Situation { name: "cough", goal: "the answer goes on to its end", silences: false, make: cough },
    Situation { name: "mm-hmm", goal: "the answer goes on to its end", silences: false, make: mm_hmm },
    Situation { name: "babble 5 dB", goal: "the answer goes on to its end", silences: false, make: babble },
    Situation { name: "interruption", goal: "the agent falls silent", silences: true, make: interruption },
    Situation { name: "slow digits", goal: "ten digits are one turn", silences: false, make: digits },
];

macro_rules! sound {
    ($file:literal) => {
        include_bytes!(concat!("../../fixtures/audio/", $file))
    };
}

/// The answer during which things happen: about ten seconds.
const ANSWER: &str = "Very well, tomorrow evening at seven thirty, a table for two. The kitchen is open until ten, the \
    terrace until eleven if the weather is fine, and we hold every table for a quarter of an hour.";
/// What the caller asks for it.
const QUESTION: &str = "Hi, I'd like to book a table for two, please.";

/// A question and an answer, and something that happens during the answer which must not end it.
fn undisturbed(random: &mut Random, disturbance: Recorded, from_ms: u64, span_ms: u64) -> Made {
    let file = format!(
        "reply \"{ANSWER}\"\nrun 22000\nexpect never interrupted\nexpect generations 1\n\
         expect line 1 caller \"{QUESTION}\"\nexpect line 2 agent \"{ANSWER}\" whole\nexpect lines 2\n"
    );
    let acts = vec![question()?, during_answer(random, disturbance, from_ms, span_ms)];
    Ok((file, acts))
}

fn question() -> io::Result<Act> {
    let what = What::Plays(recorded("a question", sound!("caller-booking.wav"), QUESTION)?);
    Ok(Act { anchor: 0, after: Duration::from_millis(300), what })
}

fn during_answer(random: &mut Random, sound: Recorded, from_ms: u64, span_ms: u64) -> Act {
    let after = Duration::from_millis(from_ms + random.below(span_ms));
    Act { anchor: 1, after, what: What::Plays(sound) }
}

fn recorded(name: &str, file: &[u8], text: &str) -> io::Result<Recorded> {
    Ok(Recorded {
        name: name.to_owned(),
        samples: recording(file)?,
        text: text.to_owned(),
        word_ends: Vec::new(),
        final_lag: Some(FINAL_LAG),
    })
}

fn cough(random: &mut Random) -> Made {
    let cough = recorded("a cough", sound!("cough.wav"), "")?;
    undisturbed(random, cough, 500, 7_500)
}

fn mm_hmm(random: &mut Random) -> Made {
    let hum = recorded("mm-hmm", sound!("mm-hmm.wav"), "mm-hmm")?;
    undisturbed(random, hum, 500, 7_500)
}

/// Six voices at once, 5 dB below the caller's own level, under the whole rest of the answer. No word of it is recognised.
fn babble(random: &mut Random) -> Made {
    let mut noise = recorded("babble, 5 dB below the voice", sound!("babble-5db.wav"), "")?;
    let turn = random.below(noise.samples.len() as u64) as usize;
    noise.samples.rotate_left(turn);
    let more = noise.samples.clone();
    noise.samples.extend(more);
    undisturbed(random, noise, 200, 1_500)
}

fn interruption(random: &mut Random) -> Made {
    let words = "No wait, I meant Tuesday.";
    let file = format!(
        "reply \"{ANSWER}\"\nreply \"Tuesday it is.\"\nrun 18000\nexpect interrupted a1+0..\nexpect silent a1+0..\n\
         expect line 1 caller \"{QUESTION}\"\nexpect line 2 agent ~\"\" cut\nexpect line 3 caller \"{words}\"\n\
         expect line 4 agent \"Tuesday it is.\" whole\n"
    );
    let sound = recorded("an interruption", sound!("caller-interrupt.wav"), words)?;
    Ok((file, vec![question()?, during_answer(random, sound, 1_200, 5_000)]))
}

fn digits(random: &mut Random) -> Made {
    let text = "4 1 5 5 5 5 0 1 3 4";
    let mut sound = recorded("ten digits, 700 ms apart", sound!("digits-slow.wav"), text)?;
    // Each voiced stretch of the labels is a digit.
    let labels = include_str!("../../fixtures/audio/digits-slow.txt");
    sound.word_ends = labels.lines().filter_map(voiced_end).collect();
    let after = 2_600 + random.below(1_200);
    let lasts = sound.samples.len() as u64 / 8;
    let end = after + lasts;
    let file = format!(
        "agent begin=\"What is your telephone number, please?\"\nreply \"Thank you.\"\nrun {}\nexpect never interrupted\n\
         expect never taken-back\nexpect commit a1+{end}..\nexpect audio #2 a1+{end}..\nexpect line 2 caller \"{text}\"\n\
         expect line 3 agent \"Thank you.\" whole\nexpect lines 3\n",
        end + 6_500
    );
    Ok((file, vec![Act { anchor: 1, after: Duration::from_millis(after), what: What::Plays(sound) }]))
}

/// Where a line of labels ends, if it is voiced: `start_ms end_ms voiced`.
fn voiced_end(line: &str) -> Option<Duration> {
    let mut fields = line.split_whitespace().skip(1);
    let end = fields.next()?.parse().ok()?;
    (fields.next() == Some("1")).then_some(Duration::from_millis(end))
}

/// How long after a pause of the voice a final comes.
const FINAL_LAG: Duration = Duration::from_millis(250);
/// Calls begin this far apart, so that their packets do not all fall together.
const STAGGER: Duration = Duration::from_millis(37);
/// Failures that are told of each situation.
const MOST_FAILURES: usize = 6;

async fn repeat(situation: &Situation, campaign: &Campaign, engine: &Engine) -> Result<Tally, RehearsalError> {
    let room = Arc::new(Semaphore::new(campaign.at_once.max(1)));
    let mut calls = JoinSet::new();
    for nth in 1..=campaign.repeat {
        let (file, acts) = (situation.make)(&mut Random::new(u64::from(nth)))?;
        let name = format!("{}-{nth}", situation.name.replace(' ', "-"));
        let mut scenario = Scenario::parse(&name, &file).map_err(io::Error::other)?;
        scenario.spec.seed = u64::from(nth);
        let mut part = scenario.part();
        part.acts = acts;
        let (room, engine, settings) = (Arc::clone(&room), engine.clone(), campaign.settings.clone());
        calls.spawn(async move {
            // The semaphore is never closed.
            let _place = room.acquire().await;
            tokio::time::sleep(STAGGER * (nth % 16)).await;
            (nth, perform(&scenario, &part, Voice::Murmur, &engine, &settings).await)
        });
    }
    let mut tally = Tally::default();
    while let Some(call) = calls.join_next().await {
        let (nth, rehearsed) = call.map_err(io::Error::other)?;
        tally.count(nth, situation, &rehearsed?);
    }
    Ok(tally)
}

/// What came of the calls of one situation.
#[derive(Debug, Default)]
struct Tally {
    calls: u32,
    /// Calls in which all was as it must be.
    good: u32,
    /// Calls in which the agent's speech was ended by the caller.
    ended: u32,
    /// Calls in which the agent was held at least once.
    held: u32,
    /// From the caller's last sound to silence, by ear.
    silences: Vec<Duration>,
    /// The longest silence within what the agent said.
    gaps: Vec<Duration>,
    /// How late the callers' packets were: the worst of each call's 99th percentile.
    late: Duration,
    failures: Vec<String>,
}

impl Tally {
    fn count(&mut self, nth: u32, situation: &Situation, rehearsed: &Rehearsed) {
        self.calls += 1;
        self.good += u32::from(rehearsed.passed);
        self.late = self.late.max(rehearsed.sending.quantile(0.99));
        if let Some(outcome) = &rehearsed.outcome {
            self.ended += u32::from(outcome.report.interruptions > 0);
            self.held += u32::from(outcome.report.holds > 0);
            self.gaps.push(outcome.longest_gap);
            self.failures.extend(outcome.failures.iter().map(|failure| format!("call {nth}: {failure}")));
        }
        match rehearsed.silences.last() {
            Some(Some(silence)) if situation.silences => self.silences.push(*silence),
            _ if situation.silences => self.failures.push(format!("call {nth}: the ear heard no silence")),
            _ => {}
        }
    }

    fn holds(&self, situation: &Situation) -> bool {
        let quick = !situation.silences
            || (self.silences.len() as u32 == self.calls && quantile(&self.silences, 0.5) <= SILENT_WITHIN);
        self.calls > 0 && self.good == self.calls && quick
    }

    fn summary(&self) -> String {
        format!("{} of {} as it must be, the agent's speech ended in {}", self.good, self.calls, self.ended)
    }
}

fn table(out: &mut impl Write, tallies: &[(&Situation, Tally)], stats: &EngineStats, took: Duration) -> io::Result<()> {
    writeln!(
        out,
        "\n  situation      what must happen                 calls   good   held   ended   silent after     longest gap\n  \
         {:>80}   p50 / p95 ms     p50 / p95 ms",
        ""
    )?;
    for (situation, tally) in tallies {
        let pair = |all: &[Duration]| match all {
            [] => "–".to_owned(),
            all => format!("{:.0} / {:.0}", ms(quantile(all, 0.5)), ms(quantile(all, 0.95))),
        };
        writeln!(
            out,
            "  {:<14} {:<32} {:>5}  {:>5}  {:>5}   {:>5}   {:>12}     {:>12}  {}",
            situation.name,
            situation.goal,
            tally.calls,
            tally.good,
            tally.held,
            tally.ended,
            pair(&tally.silences),
            pair(&tally.gaps),
            if tally.holds(situation) { "✔" } else { "✘" },
        )?;
    }
    let late = tallies.iter().map(|(_, tally)| tally.late).max().unwrap_or_default();
    writeln!(
        out,
        "\n  in {:.0} s; the engine's packets left p50 {}, p99 {} after their deadline, the callers' p99 {:.1} ms late at the \
         worst\n  silent after: from the first sample of the caller's sound to the first silent packet, by the caller's ear",
        took.as_secs_f64(),
        bucket(&stats.pacing_lateness, 0.50),
        bucket(&stats.pacing_lateness, 0.99),
        ms(late),
    )
}

fn quantile(all: &[Duration], q: f64) -> Duration {
    let mut sorted = all.to_vec();
    sorted.sort_unstable();
    let index = ((sorted.len() as f64 * q).ceil() as usize).clamp(1, sorted.len().max(1)) - 1;
    sorted.get(index).copied().unwrap_or_default()
}

fn bucket(histogram: &Histogram, q: f64) -> String {
    let total = histogram.count();
    let mut seen = 0;
    for (bound, count) in histogram.bounds.iter().zip(&histogram.counts) {
        seen += count;
        if seen as f64 >= total as f64 * q {
            return format!("≤ {} ms", bound.as_millis());
        }
    }
    format!("> {} ms", histogram.bounds.last().copied().unwrap_or_default().as_millis())
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_situation_makes_a_scenario_that_reads() {
        for situation in &SITUATIONS {
            let (file, acts) = (situation.make)(&mut Random::new(3)).unwrap();
            let scenario = Scenario::parse(situation.name, &file).unwrap();
            assert!(!scenario.expectations.is_empty() && !acts.is_empty(), "{}", situation.name);
            let ends = acts.iter().all(|act| act.after < scenario.length);
            assert!(ends, "{}", situation.name);
        }
    }

    #[test]
    fn each_digit_of_the_labels_has_its_time() {
        let (_, acts) = digits(&mut Random::new(1)).unwrap();
        let What::Plays(sound) = &acts[0].what else { panic!("{acts:?}") };
        assert_eq!(sound.word_ends.len(), sound.text.split_whitespace().count());
        assert!(sound.word_ends.is_sorted());
    }

    #[test]
    fn a_median_that_is_too_long_or_a_missing_silence_does_not_hold() {
        let situation = &SITUATIONS[3];
        let tally = |silences: &[u64]| Tally {
            calls: 2,
            good: 2,
            silences: silences.iter().map(|ms| Duration::from_millis(*ms)).collect(),
            ..Tally::default()
        };
        assert!(tally(&[130, 900]).holds(situation));
        assert!(!tally(&[131, 900]).holds(situation) && !tally(&[100]).holds(situation));
        assert!(!Tally::default().holds(&SITUATIONS[0]));
    }
}
