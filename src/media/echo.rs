//! Our own voice, come back from the caller's side.

use std::time::Instant;

use crate::audio::{Frame, SampleRate};

use super::lowband::Lowband;

/// Tells our own voice from the caller's in what comes from the line.
///
/// What came is compared with what was sent 10–550 ms earlier: where their normalised cross-correlation stays high at one
/// lag, there is an echo. Its lag, coherence and strength are kept, and from then on a sound that they explain is
/// [`Judgement::Echo`], while one that is louder, or half of which they leave unexplained, is the caller's all the same:
/// never deaf. Nothing is compared while nobody is heard or nothing was sent, and nothing allocates after `new`.
#[derive(Debug)]
pub(super) struct Echo {
    ours: Lowband,
    theirs: Lowband,
    path: Option<Path>,
    /// The lag that was found last, and how often in a row.
    candidate: Option<(usize, u32)>,
    /// Voiced hops of late, one bit each, the newest lowest.
    hops: u32,
    /// What was found of the newest frame.
    judged: Option<Judgement>,
    /// Whether it was looked at for an echo that is not there.
    noted: bool,
    /// Up to where the two sides were compared.
    compared: u64,
    likeness: Likeness,
    /// Pieces of both sides, laid out for comparison.
    came: Box<[f32]>,
    sent: Box<[f32]>,
}

/// What a voiced hop is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Judgement {
    /// Somebody speaks, and no echo of ours is to be expected.
    Clear,
    /// Somebody speaks while an echo of ours comes back.
    Over,
    /// It is our own voice.
    Echo,
}

/// How our voice comes back.
#[derive(Clone, Copy, Debug)]
struct Path {
    lag: usize,
    /// The squared correlation that the echo alone has.
    coherence: f32,
    /// Energy that comes back for energy sent.
    gain: f32,
    /// Frames in a row that were somebody else's.
    foreign: u32,
    /// Frames in which an echo should have been heard and was not.
    absent: u32,
}

impl Echo {
    /// Nothing sent, nothing heard. `None` at a rate it cannot work at.
    pub(super) fn new(rate: SampleRate, now: Instant) -> Option<Self> {
        Some(Self {
            ours: Lowband::new(rate, now)?,
            theirs: Lowband::new(rate, now)?,
            path: None,
            candidate: None,
            hops: 0,
            judged: None,
            noted: false,
            compared: 0,
            likeness: Likeness::new(),
            came: nothing(SHORT),
            sent: nothing(SHORT + LAGS),
        })
    }

    /// What we send, from `now` on.
    pub(super) fn sent(&mut self, frame: &Frame, now: Instant) {
        self.ours.push(frame, now);
    }

    /// What came, up to `end`.
    pub(super) fn came(&mut self, frame: &Frame, end: Instant) {
        let begins = end.checked_sub(frame.duration()).unwrap_or(end);
        (self.judged, self.noted) = (None, false);
        if self.ours.is_empty() {
            // Nothing was sent that could come back.
            self.theirs.pass(frame, begins);
            self.compared = self.theirs.count();
            return self.likeness.clear();
        }
        self.theirs.push(frame, begins);
        self.compare();
    }

    /// An unvoiced hop of the newest frame.
    pub(super) fn quiet_hop(&mut self) -> Judgement {
        self.hops <<= 1;
        let at = self.theirs.count();
        if let Some(path) = &mut self.path
            && self.judged.is_none()
            && !std::mem::replace(&mut self.noted, true)
        {
            let ours = self.ours.energy(at.saturating_sub(path.lag as u64), SHORT);
            if ours * path.gain > AUDIBLE * SHORT as f32 {
                path.absent += 1;
                if path.absent >= GONE {
                    self.path = None;
                }
            }
        }
        Judgement::Clear
    }

    /// What a voiced hop of the newest frame is.
    pub(super) fn voiced_hop(&mut self) -> Judgement {
        self.hops = self.hops << 1 | 1;
        if let Some(judged) = self.judged {
            return judged;
        }
        let judged = match self.path {
            Some(path) => self.weigh(path),
            None => self.search(),
        };
        self.judged = Some(judged);
        judged
    }

    /// Forgets what came.
    pub(super) fn reset(&mut self) {
        (self.candidate, self.hops, self.judged) = (None, 0, None);
    }

    /// Looks for a path.
    fn search(&mut self) -> Judgement {
        let at = self.theirs.count();
        if self.hops.count_ones() < ENOUGH_HOPS {
            return Judgement::Clear;
        }
        let Some((lag, score)) = self.best_lag() else {
            self.candidate = None;
            return Judgement::Clear;
        };
        let agreed = match self.candidate {
            Some((before, agreed)) if before.abs_diff(lag) <= SAME => agreed + 1,
            _ => 1,
        };
        self.candidate = Some((lag, agreed));
        if agreed < AGREED && (agreed < 2 || score < SURE) {
            return Judgement::Clear;
        }
        let (came, sent) = (self.theirs.energy(at, SHORT), self.ours.energy(at.saturating_sub(lag as u64), SHORT));
        let gain = came / sent.max(1.0);
        self.path = Some(Path { lag, coherence: score * score, gain, foreign: 0, absent: 0 });
        self.candidate = None;
        Judgement::Echo
    }

    /// Follows how what comes resembles what was sent, at every lag. The past fades, by half in 140 ms: that way a frame
    /// costs its own samples and not those of the whole window.
    fn compare(&mut self) {
        let at = self.theirs.count();
        let new = usize::try_from(at.saturating_sub(self.compared)).unwrap_or(usize::MAX);
        self.compared = at;
        if self.path.is_some() || self.hops == 0 || new > SHORT {
            return self.likeness.clear();
        }
        let reach = self.ours.energy(at.saturating_sub(SHORTEST as u64), new + LAGS);
        if reach < AUDIBLE * PIECE as f32 {
            return self.likeness.clear();
        }
        let (came, sent) = (&mut self.came[..new], &mut self.sent[..new + LAGS]);
        // What has not been sent yet cannot have come back.
        let until = at.saturating_sub(SHORTEST as u64);
        let ahead = usize::try_from(until.saturating_sub(self.ours.count())).unwrap_or(usize::MAX).min(sent.len());
        let (there, ahead) = sent.split_at_mut(sent.len() - ahead);
        ahead.fill(0.0);
        if self.theirs.copy(at, came) && self.ours.copy(until - ahead.len() as u64, there) {
            self.likeness.take(came, sent);
        }
    }

    /// The lag at which what came resembles most what was sent, with their correlation.
    fn best_lag(&self) -> Option<(usize, f32)> {
        let (step, score) = self.likeness.best()?;
        let score = score.sqrt();
        (score >= LIKELY).then_some((SHORTEST + LAGS - step, score))
    }

    /// Looks at a voiced frame with a path known.
    fn weigh(&mut self, mut path: Path) -> Judgement {
        let at = self.theirs.count();
        let sent_until = at.saturating_sub(path.lag as u64);
        // What the room keeps of our sound dies away by 3 dB in 20 ms.
        let (mut expected, mut weight) = (0.0f32, 1.0f32);
        for back in 0..TAIL {
            let piece = self.ours.energy(sent_until.saturating_sub((back * PIECE) as u64), PIECE);
            expected = expected.max(piece * weight);
            weight *= 0.5;
        }
        expected *= path.gain;
        if expected < AUDIBLE * PIECE as f32 {
            // Nothing of ours comes back at this moment; between two words of ours it soon will.
            let recent = self.ours.energy(at, RECENT);
            return if recent > AUDIBLE * SHORT as f32 { Judgement::Over } else { Judgement::Clear };
        }
        let came = self.theirs.energy(at, PIECE);
        let now = self.ours.energy(sent_until, PIECE) * path.gain;
        let (lag, coherence) = self.coherence(at, path.lag);
        let is_louder = came > 4.0 * expected;
        let is_tail = now < expected / 4.0;
        let is_other = is_louder || (!is_tail && coherence < path.coherence / 2.0);
        if is_other {
            path.foreign += 1;
            self.path = Some(path);
            // Somebody speaks; or it was no path, or it has changed: a search will tell.
            if path.foreign >= FOREIGN {
                self.path = None;
            }
            return Judgement::Over;
        }
        (path.foreign, path.absent) = (0, 0);
        if !is_tail {
            path.lag = lag;
            let towards = |from: f32, to: f32, pace: f32| from + pace * (to - from);
            path.coherence = towards(path.coherence, coherence, if coherence > path.coherence { 0.2 } else { 0.02 });
            let short = self.ours.energy(at.saturating_sub(lag as u64), SHORT);
            let gain = self.theirs.energy(at, SHORT) / short.max(1.0);
            path.gain = towards(path.gain, gain.min(4.0 * path.gain), 0.1);
        }
        self.path = Some(path);
        Judgement::Echo
    }

    /// The squared correlation of the last moments with what was sent about `lag` ago, and where it is best.
    fn coherence(&mut self, at: u64, lag: usize) -> (usize, f32) {
        let nearest = lag.saturating_sub(SAME).max(at.saturating_sub(self.ours.count()) as usize);
        let steps = (lag + SAME).saturating_sub(nearest);
        let (came, sent) = (&mut self.came[..SHORT], &mut self.sent[..SHORT + steps]);
        if !self.theirs.copy(at, came) || !self.ours.copy(at.saturating_sub(nearest as u64), sent) {
            return (lag, 0.0);
        }
        let energy = dot(came, came);
        (0..=steps)
            .map(|step| {
                let window = &sent[step..step + SHORT];
                let product = dot(came, window);
                (nearest + steps - step, product * product / (energy * dot(window, window)).max(1.0))
            })
            .fold((lag, 0.0), |best, one| if one.1 > best.1 { one } else { best })
    }
}

/// How what came resembles what was sent, at each lag; the longest comes first.
#[derive(Debug)]
struct Likeness {
    products: Box<[f32]>,
    energies: Box<[f32]>,
    energy: f32,
}

impl Likeness {
    fn new() -> Self {
        Self { products: nothing(LAGS + 1), energies: nothing(LAGS + 1), energy: 0.0 }
    }

    fn clear(&mut self) {
        if self.energy > 0.0 {
            self.products.fill(0.0);
            self.energies.fill(0.0);
            self.energy = 0.0;
        }
    }

    /// Takes what came, and what was sent from the longest lag before it to the shortest.
    fn take(&mut self, came: &[f32], sent: &[f32]) {
        let fade = 0.5f32.powf(came.len() as f32 / HALF);
        self.energy = fade * self.energy + dot(came, came) + f32::MIN_POSITIVE;
        let mut energy: f32 = sent.iter().take(came.len()).map(|value| value * value).sum();
        let places = self.products.iter_mut().zip(self.energies.iter_mut());
        for (step, (product, total)) in places.enumerate() {
            let Some(window) = sent.get(step..step + came.len()) else { return };
            *product = fade * *product + dot(came, window);
            *total = fade * *total + energy;
            if let (Some(next), Some(first)) = (sent.get(step + came.len()), window.first()) {
                energy = (energy + next * next - first * first).max(0.0);
            }
        }
    }

    /// The place of the highest squared correlation, and that.
    fn best(&self) -> Option<(usize, f32)> {
        let places = self.products.iter().zip(self.energies.iter()).enumerate();
        let scores = places
            .filter(|(_, (_, energy))| **energy > AUDIBLE * SHORT as f32)
            .map(|(step, (product, energy))| (step, product * product / (self.energy * energy).max(1.0)));
        scores.max_by(|a, b| a.1.total_cmp(&b.1))
    }
}

/// Memory for so many numbers, which nobody touches before it is needed: in most calls the two never speak at once.
fn nothing(numbers: usize) -> Box<[f32]> {
    vec![0.0; numbers].into_boxed_slice()
}

/// The sum of products, in lanes that the compiler can keep side by side.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 8;
    let mut sums = [0.0f32; LANES];
    for (a, b) in a.chunks_exact(LANES).zip(b.chunks_exact(LANES)) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum()
}

/// 96 ms are compared once a path is known.
const SHORT: usize = 192;
/// Within 256 ms of our last sound the next word of ours may come.
const RECENT: usize = 512;
/// One piece of what the room keeps: 20 ms; and how many of them.
const PIECE: usize = 40;
const TAIL: usize = 8;
/// The likeness fades by half in so many samples: 140 ms.
const HALF: f32 = 280.0;
/// An echo comes back after 10 ms at the soonest, and within so much more.
const SHORTEST: usize = 20;
const LAGS: usize = 1_080;
/// Lags within 1 ms are the same.
const SAME: usize = 2;
/// How well two sounds must correlate to resemble each other, and to do so beyond doubt.
const LIKELY: f32 = 0.7;
const SURE: f32 = 0.93;
/// How often in a row the same lag must be found.
const AGREED: u32 = 6;
/// So many of the last 32 hops must be voiced before it is worth looking.
const ENOUGH_HOPS: u32 = 8;
/// Mean energy of a sample that is worth comparing: about −64 dBFS.
const AUDIBLE: f32 = 400.0;
/// After so many frames in a row of somebody else a path is no longer relied on.
const FOREIGN: u32 = 16;
/// After so many frames without the echo that was to be expected there is none any more.
const GONE: u32 = 75;

#[cfg(test)]
mod tests;
