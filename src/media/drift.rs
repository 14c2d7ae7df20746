//! The sender's clock against ours.

use std::time::{Duration, Instant};

use crate::audio::Frame;

/// Keeps what is handed on in step with our clock although the sender's runs a little faster or slower: now and then one
/// sample is left out or put in, where the sound is smoothest, so that nothing is heard of it.
///
/// Packets are early or late by more than clocks drift, but the least late one of a [`Drift::WINDOW`] was hardly held up.
/// Where that one comes against what was handed on until then is compared with the first window; what it is off by is
/// made good in the next, at most a sample every other frame.
///
/// ```text
///   lag      ·  · ·    ·   ·  ·  · ·  ·   packets
///   0 ms  ──────────────────────·──·──    the least late of each window rises: the sender is slow
///         └─ reference ─┘       └ put in a sample or two
/// ```
#[derive(Clone, Debug, Default)]
pub(super) struct Drift {
    /// When the first sample handed on belonged, and how much was handed on since.
    begun: Option<Instant>,
    handed: Duration,
    /// The least lag of this window, in nanoseconds, and when it ends.
    least: Option<i64>,
    window_ends: Option<Instant>,
    /// That of the first window.
    reference: Option<i64>,
    /// Samples to put in; below zero to leave out.
    owed: i32,
    /// Whether the frame before was changed.
    changed: bool,
    adjusted: u64,
}

impl Drift {
    /// How long packets are watched for one that was hardly held up.
    pub(super) const WINDOW: Duration = Duration::from_secs(4);
    /// Less than this is left alone.
    const DEAD: i64 = 3_000_000;

    /// Changes a frame that was received, if something is owed. It is handed on next; its packet came at `at`.
    pub(super) fn received(&mut self, frame: &mut Frame, at: Instant) {
        self.watch(frame.duration(), at);
        let pays = self.owed != 0 && !self.changed;
        self.changed = pays && if self.owed > 0 { put_in(frame) } else { leave_out(frame) };
        if self.changed {
            self.owed -= self.owed.signum();
            self.adjusted += 1;
        }
        self.handed += frame.duration();
    }

    /// Sound that was made up is handed on next.
    pub(super) fn made_up(&mut self, length: Duration) {
        self.handed += length;
    }

    /// How many samples were put in or left out.
    pub(super) const fn adjusted(&self) -> u64 {
        self.adjusted
    }

    /// Begins anew: another stream, or sound after a pause that was not followed.
    pub(super) fn reset(&mut self) {
        *self = Self { adjusted: self.adjusted, ..Self::default() };
    }

    fn watch(&mut self, length: Duration, at: Instant) {
        let begun = *self.begun.get_or_insert_with(|| at.checked_sub(length).unwrap_or(at));
        let ends = *self.window_ends.get_or_insert(at + Self::WINDOW);
        let due = begun + self.handed + length;
        let lag = nanos(at.saturating_duration_since(due)) - nanos(due.saturating_duration_since(at));
        if at >= ends {
            self.window_ends = Some(at + Self::WINDOW);
            if let Some(least) = self.least.take() {
                let off = least - *self.reference.get_or_insert(least);
                // Samples of the frame's own length, so that every rate is served.
                let samples = off.abs() / SAMPLE_NANOS;
                let samples = if off.abs() < Self::DEAD { 0 } else { i32::try_from(samples).unwrap_or(i32::MAX) };
                self.owed = if off < 0 { -samples } else { samples };
            }
        }
        self.least = Some(self.least.map_or(lag, |least| least.min(lag)));
    }
}

/// A sample at 8 kHz. At higher rates what is owed is made good in more than one window.
const SAMPLE_NANOS: i64 = 125_000;

fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

/// Puts a sample in between the two neighbours that differ least; `false`: there is no room.
fn put_in(frame: &mut Frame) -> bool {
    let samples = frame.samples();
    let Some((place, mean)) = samples
        .windows(2)
        .enumerate()
        .min_by_key(|(_, pair)| (i32::from(pair[0]) - i32::from(pair[1])).abs())
        .map(|(place, pair)| (place + 1, ((i32::from(pair[0]) + i32::from(pair[1])) / 2) as i16))
    else {
        return false;
    };
    if samples.len() == Frame::CAPACITY {
        return false;
    }
    let mut longer = Frame::empty(frame.rate());
    longer.push(&samples[..place]);
    longer.push(&[mean]);
    longer.push(&samples[place..]);
    *frame = longer;
    true
}

/// Leaves out the sample whose neighbours differ least; `false`: there are too few.
fn leave_out(frame: &mut Frame) -> bool {
    let samples = frame.samples();
    let Some(place) = samples
        .windows(3)
        .enumerate()
        .min_by_key(|(_, three)| (i32::from(three[0]) - i32::from(three[2])).abs())
        .map(|(place, _)| place + 1)
    else {
        return false;
    };
    let mut shorter = Frame::empty(frame.rate());
    shorter.push(&samples[..place]);
    shorter.push(&samples[place + 1..]);
    *frame = shorter;
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::SampleRate;

    const RATE: SampleRate = SampleRate::HZ_8000;
    const FRAMES_PER_HOUR: u64 = 180_000;

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to begin with")]
    fn start() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    /// Noise that is the same every time.
    fn random(state: &mut u64) -> u64 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *state >> 33
    }

    /// Sends an hour of 300 Hz at a clock that is `ppm` fast, each packet up to `jitter` late; says the furthest that what
    /// was handed on was off our clock, but for the jitter, and the largest step between two samples.
    fn an_hour(ppm: f64, jitter: Duration) -> (Duration, i32, u64) {
        let (begin, mut drift) = (start(), Drift::default());
        let mut seed = 1;
        let (mut handed, mut worst, mut step, mut last) = (Duration::ZERO, Duration::ZERO, 0, 0_i16);
        for n in 0..FRAMES_PER_HOUR {
            let sent = Duration::from_secs_f64((n + 1) as f64 * 0.02 / (1.0 + ppm * 1e-6));
            let late = jitter.mul_f64((random(&mut seed) % 1_000) as f64 / 1_000.0);
            let mut frame = Frame::empty(RATE);
            for (at, sample) in frame.grow(160).iter_mut().enumerate() {
                let phase = (n * 160 + at as u64) as f64 * 300.0 / 8_000.0;
                *sample = (12_000.0 * (phase.fract() * std::f64::consts::TAU).sin()) as i16;
            }
            drift.received(&mut frame, begin + sent + late);
            handed += frame.duration();
            worst = worst.max(handed.abs_diff(sent));
            for sample in frame.samples() {
                step = step.max((i32::from(*sample) - i32::from(last)).abs());
                last = *sample;
            }
        }
        (worst, step, drift.adjusted())
    }

    #[test]
    fn an_hour_of_drift_either_way_stays_within_a_frame_and_clicks_nowhere() {
        // The steepest step of the tone itself: 2 π · 300 / 8 000 · 12 000.
        let steepest = 2_828;
        for ppm in [-100.0, 100.0] {
            for jitter in [0, 40] {
                let (worst, step, adjusted) = an_hour(ppm, Duration::from_millis(jitter));
                assert!(worst < Duration::from_millis(10), "{ppm} ppm, {jitter} ms: {worst:?} off");
                assert!(step <= steepest, "{ppm} ppm, {jitter} ms: a step of {step}");
                // 100 ppm of an hour are 2 880 samples.
                assert!(adjusted.abs_diff(2_880) < 120, "{adjusted}");
            }
        }
    }

    #[test]
    fn without_drift_jitter_changes_next_to_nothing() {
        assert_eq!(an_hour(0.0, Duration::ZERO).2, 0);
        let adjusted = an_hour(0.0, Duration::from_millis(40)).2;
        assert!(adjusted < 60, "{adjusted} samples in an hour");
    }

    #[test]
    fn a_step_of_the_networks_delay_is_followed_slowly() {
        let (begin, mut drift) = (start(), Drift::default());
        let mut handed = Duration::ZERO;
        for n in 1..=3_000_u32 {
            let delay = if n > 500 { Duration::from_millis(60) } else { Duration::ZERO };
            let mut frame = Frame::silence(RATE, Duration::from_millis(20));
            drift.received(&mut frame, begin + Duration::from_millis(20) * n + delay);
            assert!(frame.samples().len().abs_diff(160) <= 1);
            handed += frame.duration();
        }
        let off = handed.abs_diff(Duration::from_secs(60) + Duration::from_millis(60));
        assert!(off < Duration::from_millis(4), "{off:?}");
    }

    #[test]
    fn frames_too_short_or_too_long_to_change_stay_as_they_are() {
        let mut full = Frame::silence(SampleRate::HZ_48000, Duration::from_millis(20));
        assert!(!put_in(&mut full) && full.samples().len() == Frame::CAPACITY);
        assert!(leave_out(&mut full) && full.samples().len() == Frame::CAPACITY - 1);
        let mut two = Frame::from_samples(RATE, &[1, 9]).unwrap();
        assert!(!leave_out(&mut two));
        assert!(put_in(&mut two));
        assert_eq!(two.samples(), [1, 5, 9]);
    }
}
