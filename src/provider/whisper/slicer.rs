//! A call's sound to utterances.

use std::collections::VecDeque;
use std::time::Duration;

use crate::audio::{SampleRate, level};

/// An utterance, with a little of the silence around it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Utterance {
    pub(super) samples: Vec<i16>,
    /// Where it ends, in sound of the call.
    pub(super) end: Duration,
}

/// Cuts a call's sound where nobody speaks, and leaves out what is silence.
///
/// A gate on the level over a tracked noise floor: it lets too much through rather than too little.
///
/// ```text
/// level        ▁▁▁▁▂▇▇▇▅▇▇▂▁▁▁▁▁▁▁▁▁▁▁▁▂▇▇▂▁▁▁
/// utterance      ├ lead ┤▇▇▇├ pause ┤
/// ```
#[derive(Debug)]
pub(super) struct Slicer {
    rate: SampleRate,
    /// Sound of a block that is not complete yet.
    partial: Vec<i16>,
    /// All sound so far.
    heard: Duration,
    /// The noise, in dBFS.
    floor: f32,
    /// Sound before an utterance.
    lead: VecDeque<i16>,
    /// The utterance under way; empty: there is none.
    samples: Vec<i16>,
    /// The level of each of its blocks.
    levels: Vec<f32>,
    /// Blocks with a voice in it.
    voiced: u32,
    /// Blocks without one since the last.
    silent: u32,
}

impl Slicer {
    /// A slicer of sound of this rate.
    pub(super) fn new(rate: SampleRate) -> Self {
        Self {
            rate,
            partial: Vec::new(),
            heard: Duration::ZERO,
            floor: LOUDEST_FLOOR,
            lead: VecDeque::new(),
            samples: Vec::new(),
            levels: Vec::new(),
            voiced: 0,
            silent: 0,
        }
    }

    /// Takes more sound; gives an utterance that is over with it.
    pub(super) fn push(&mut self, samples: &[i16]) -> Option<Utterance> {
        self.partial.extend_from_slice(samples);
        let size = self.rate.samples_in(BLOCK).max(1);
        let whole = self.partial.len() / size * size;
        let rest = self.partial.split_off(whole);
        let blocks = std::mem::replace(&mut self.partial, rest);
        let mut ended = None;
        for block in blocks.chunks_exact(size) {
            // A frame is shorter than a pause: no two utterances end in one.
            ended = self.block(block).or(ended);
        }
        ended
    }

    /// Gives the utterance under way, as it is; `None` when there is none.
    pub(super) fn cut(&mut self) -> Option<Utterance> {
        let end = self.heard;
        let samples = std::mem::take(&mut self.samples);
        let voiced = std::mem::take(&mut self.voiced);
        self.levels.clear();
        self.silent = 0;
        self.lead.clear();
        (voiced >= LEAST_VOICED).then_some(Utterance { samples, end })
    }

    fn block(&mut self, block: &[i16]) -> Option<Utterance> {
        self.heard += BLOCK;
        let level = level::dbfs(block);
        // The floor follows quickly down and slowly up: a voice has gaps, noise has none.
        self.floor = (self.floor + FLOOR_RISE).min(level.max(QUIETEST_FLOOR)).min(LOUDEST_FLOOR);
        let is_voiced = level > (self.floor + ABOVE_FLOOR).max(QUIETEST_VOICE);
        if self.samples.is_empty() {
            if !is_voiced {
                self.lead.extend(block);
                let most = self.rate.samples_in(LEAD);
                self.lead.drain(..self.lead.len().saturating_sub(most));
                return None;
            }
            self.samples.extend(self.lead.drain(..));
        }
        self.samples.extend_from_slice(block);
        self.levels.push(level);
        if is_voiced {
            self.voiced += 1;
            self.silent = 0;
        } else {
            self.silent += 1;
        }
        if BLOCK * self.silent >= PAUSE {
            return self.cut();
        }
        (self.rate.duration_of(self.samples.len()) >= LONGEST).then(|| self.split()).flatten()
    }

    /// Ends an utterance that has become too long at its quietest moment of the last seconds; the rest goes on.
    fn split(&mut self) -> Option<Utterance> {
        let recent = (SEARCHED.as_millis() / BLOCK.as_millis()) as usize;
        let blocks = self.levels.len();
        let quietest = (blocks.saturating_sub(recent)..blocks)
            .min_by(|&a, &b| self.levels.get(a).unwrap_or(&0.0).total_cmp(self.levels.get(b).unwrap_or(&0.0)));
        let after = blocks - quietest.map_or(blocks, |block| block + 1);
        let after_samples = (after * self.rate.samples_in(BLOCK)).min(self.samples.len());
        let rest = self.samples.split_off(self.samples.len() - after_samples);
        let levels = self.levels.split_off(blocks - after);
        let mut utterance = self.cut();
        if let Some(utterance) = &mut utterance {
            utterance.end -= BLOCK * after as u32;
        }
        // What is left is of a voice that goes on.
        self.voiced = after as u32;
        (self.samples, self.levels) = (rest, levels);
        utterance
    }
}

/// What is judged at once.
const BLOCK: Duration = Duration::from_millis(20);
/// Sound before the first voiced block that belongs to an utterance: soft beginnings.
const LEAD: Duration = Duration::from_millis(300);
/// The silence that ends an utterance if nobody asks for it before: the caller's pauses are noticed elsewhere, and sooner.
const PAUSE: Duration = Duration::from_millis(800);
/// Fewer voiced blocks are a click.
const LEAST_VOICED: u32 = 5;
/// The longest utterance: what the model hears at once is 30 s.
const LONGEST: Duration = Duration::from_secs(28);
/// Where a pause is looked for in one that is too long.
const SEARCHED: Duration = Duration::from_secs(4);
/// How far a voice is above the noise, in dB.
const ABOVE_FLOOR: f32 = 8.0;
/// The floor's rise in a block, in dB.
const FLOOR_RISE: f32 = 0.06;
/// Below this nothing is a voice, in dBFS.
const QUIETEST_VOICE: f32 = -52.0;
const QUIETEST_FLOOR: f32 = -75.0;
/// Where the floor begins, and above which nothing is taken for noise.
const LOUDEST_FLOOR: f32 = -30.0;

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: SampleRate = SampleRate::HZ_8000;
    const MS: Duration = Duration::from_millis(1);

    /// A voice of `syllables`, 150 ms each, with 50 ms between them.
    fn voice(syllables: usize) -> Vec<i16> {
        let syllable = (0..1_600).map(|n: i32| if n < 1_200 { ((n % 57) - 28) as i16 * 200 } else { 0 });
        std::iter::repeat_n(syllable, syllables).flatten().collect()
    }

    fn silence(length: Duration) -> Vec<i16> {
        vec![0; RATE.samples_in(length)]
    }

    /// What the gate makes of some sound in frames of 20 ms.
    fn utterances(slicer: &mut Slicer, sound: &[i16]) -> Vec<Utterance> {
        sound.chunks(160).filter_map(|frame| slicer.push(frame)).collect()
    }

    #[test]
    fn silence_is_no_utterance_and_a_click_neither() {
        let mut slicer = Slicer::new(RATE);
        let mut sound = silence(5_000 * MS);
        sound[20_000..20_400].fill(12_000);
        assert_eq!(utterances(&mut slicer, &sound), []);
        assert_eq!(slicer.cut(), None);
    }

    #[test]
    fn steady_noise_is_no_utterance_for_long() {
        let mut slicer = Slicer::new(RATE);
        let mut seed = 1u32;
        let mut noise = |_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((seed >> 20) as i16 - 2_048) / 4
        };
        let sound: Vec<i16> = (0..8_000 * 20).map(&mut noise).collect();
        assert_eq!(utterances(&mut slicer, &sound), []);
    }

    #[test]
    fn an_utterance_has_its_beginning_and_ends_with_the_pause() {
        let mut slicer = Slicer::new(RATE);
        let sound = [silence(1_000 * MS), voice(10), silence(2_000 * MS)].concat();
        let all = utterances(&mut slicer, &sound);
        assert_eq!(all.len(), 1, "{all:?}");
        let length = RATE.duration_of(all[0].samples.len());
        assert!((2_950 * MS..=3_150 * MS).contains(&length), "300 ms before, 1 950 of voice, 800 behind: {length:?}");
        assert!((3_700 * MS..=3_800 * MS).contains(&all[0].end), "{:?}", all[0].end);
        assert_eq!(slicer.cut(), None, "it was given already");
    }

    #[test]
    fn whoever_asks_gets_what_there_is_and_nothing_of_it_again() {
        let mut slicer = Slicer::new(RATE);
        assert_eq!(utterances(&mut slicer, &[silence(500 * MS), voice(5), silence(200 * MS)].concat()), []);
        let first = slicer.cut().unwrap();
        assert_eq!(RATE.duration_of(first.samples.len()), 1_500 * MS);
        let second = [voice(2), silence(1_000 * MS)].concat();
        let second = utterances(&mut slicer, &second);
        assert!(RATE.duration_of(second[0].samples.len()) < 1_300 * MS, "nothing of the first");
    }

    #[test]
    fn whoever_does_not_stop_is_cut_where_it_is_quietest_and_loses_nothing() {
        let mut slicer = Slicer::new(RATE);
        let sound = voice(400);
        let mut all = utterances(&mut slicer, &sound);
        all.extend(slicer.cut());
        assert!(all.len() >= 3, "{}", all.len());
        assert!(all.iter().all(|utterance| RATE.duration_of(utterance.samples.len()) <= LONGEST));
        let joined: Vec<i16> = all.iter().flat_map(|utterance| utterance.samples.iter().copied()).collect();
        assert_eq!(joined.len(), sound.len());
        assert!(joined == sound, "every sample once");
        for utterance in &all[..all.len() - 1] {
            assert!(level::dbfs(&utterance.samples[utterance.samples.len() - 160..]) < -50.0, "cut between syllables");
        }
    }

    #[test]
    fn frames_of_any_size_do() {
        let sound = [silence(700 * MS), voice(4), silence(1_500 * MS)].concat();
        let expected = utterances(&mut Slicer::new(RATE), &sound);
        for size in [1, 80, 161, 960] {
            let mut slicer = Slicer::new(RATE);
            let cut: Vec<_> = sound.chunks(size).filter_map(|frame| slicer.push(frame)).collect();
            assert_eq!(cut, expected, "frames of {size}");
        }
    }
}
