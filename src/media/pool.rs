//! Sample memory shared by the replies of a call.

use std::collections::VecDeque;
use std::time::Duration;

use crate::audio::{SampleRate, level};

/// Blocks of 20 ms of sound, lent to tapes. Allocated as speech comes and, but for [`Pool::SPARE`] of them, given back when a
/// tape is over: of many calls few hold their longest answer at one time. Taking sound out never touches the heap.
#[derive(Debug)]
pub(super) struct Pool {
    /// Those that are lent, those that are free, and the places of those that were given back.
    blocks: Vec<Box<[i16]>>,
    free: Vec<u16>,
    given_back: Vec<u16>,
    /// Samples a block.
    block: usize,
    /// The most blocks there may be.
    most: usize,
    /// How many sent samples a tape keeps.
    history: u64,
}

/// A run of sound, written at its end and read anywhere it is kept.
#[derive(Debug, Default)]
pub(super) struct Tape {
    blocks: VecDeque<u16>,
    begin: u64,
    end: u64,
}

impl Pool {
    /// So many blocks stay when nothing is kept: half a second.
    const SPARE: usize = 25;

    /// Room for `most` of sound to come and, for several tapes at once, `history` of sound gone by.
    pub(super) fn new(rate: SampleRate, most: Duration, history: Duration) -> Self {
        let block = rate.samples_in(Duration::from_millis(20)).max(1);
        let kept = rate.samples_in(history);
        // A tape's first and last block may be used in part only.
        let blocks = rate.samples_in(most).div_ceil(block) + 2 * (kept.div_ceil(block) + 2) + 16;
        Self {
            blocks: Vec::new(),
            free: Vec::new(),
            given_back: Vec::new(),
            block,
            most: blocks.min(usize::from(u16::MAX)),
            history: kept as u64,
        }
    }

    /// A block for a tape, if there may be one more.
    fn take(&mut self) -> Option<u16> {
        let again = || {
            let place = self.given_back.pop()?;
            *self.blocks.get_mut(usize::from(place))? = vec![0; self.block].into_boxed_slice();
            Some(place)
        };
        self.free.pop().or_else(again).or_else(|| {
            let next = u16::try_from(self.blocks.len()).ok().filter(|_| self.blocks.len() < self.most)?;
            self.blocks.push(vec![0; self.block].into_boxed_slice());
            // So that giving back never allocates.
            self.free.reserve(self.blocks.len() - self.free.len());
            self.given_back.reserve(self.blocks.len() - self.given_back.len());
            Some(next)
        })
    }

    /// Appends what there is room for and says how much that was.
    pub(super) fn write(&mut self, tape: &mut Tape, sound: &[i16]) -> usize {
        let mut written = 0;
        while written < sound.len() {
            let offset = (tape.end % self.block as u64) as usize;
            if offset == 0 {
                let Some(block) = self.take() else { break };
                tape.blocks.push_back(block);
            }
            let last = tape.blocks.back().and_then(|&block| self.blocks.get_mut(usize::from(block)));
            let Some(room) = last.and_then(|block| block.get_mut(offset..)) else { break };
            let length = (sound.len() - written).min(room.len());
            room[..length].copy_from_slice(&sound[written..written + length]);
            written += length;
            tape.end += length as u64;
        }
        written
    }

    /// Gives back what lies further before `position` than the history.
    pub(super) fn trim(&mut self, tape: &mut Tape, position: u64) {
        while tape.begin + self.block as u64 + self.history <= position
            && tape.begin + self.block as u64 <= tape.end
            && let Some(block) = tape.blocks.pop_front()
        {
            self.free.push(block);
            tape.begin += self.block as u64;
        }
    }

    /// Gives back everything.
    pub(super) fn free(&mut self, tape: &mut Tape) {
        self.free.extend(tape.blocks.drain(..));
        (tape.begin, tape.end) = (0, 0);
        for place in self.free.drain(Self::SPARE.min(self.free.len())..) {
            if let Some(block) = self.blocks.get_mut(usize::from(place)) {
                *block = Box::default();
                self.given_back.push(place);
            }
        }
    }

    /// The samples of a tape from `position` to the end of their block.
    fn run(&self, tape: &Tape, position: u64) -> &[i16] {
        if position < tape.begin || position >= tape.end {
            return &[];
        }
        let index = ((position - tape.begin) / self.block as u64) as usize;
        let offset = (position % self.block as u64) as usize;
        let length = (self.block - offset).min((tape.end - position) as usize);
        let block = tape.blocks.get(index).and_then(|&block| self.blocks.get(usize::from(block)));
        block.and_then(|block| block.get(offset..offset + length)).unwrap_or_default()
    }
}

impl Tape {
    /// The first sample still kept.
    pub(super) const fn begin(&self) -> u64 {
        self.begin
    }

    /// The end of what was written.
    pub(super) const fn end(&self) -> u64 {
        self.end
    }

    /// Copies sound from `position` on and says how much there was.
    pub(super) fn read(&self, pool: &Pool, position: u64, out: &mut [i16]) -> usize {
        let mut done = 0;
        while done < out.len() {
            let run = pool.run(self, position + done as u64);
            let length = run.len().min(out.len() - done);
            if length == 0 {
                break;
            }
            out[done..done + length].copy_from_slice(&run[..length]);
            done += length;
        }
        done
    }

    /// The largest magnitude of the `samples` from `position` on, as far as they are there.
    pub(super) fn peak(&self, pool: &Pool, position: u64, samples: usize) -> u16 {
        let (mut at, to, mut peak) = (position, position.saturating_add(samples as u64), 0);
        while at < to {
            let run = pool.run(self, at);
            let length = run.len().min((to - at) as usize);
            if length == 0 {
                break;
            }
            peak = peak.max(level::peak(&run[..length]));
            at += length as u64;
        }
        peak
    }

    /// Sum of the squares from `from` to `to`, as far as they are kept.
    pub(super) fn energy(&self, pool: &Pool, from: u64, to: u64) -> u64 {
        let (mut at, mut sum) = (from.max(self.begin), 0);
        while at < to {
            let run = pool.run(self, at);
            let length = run.len().min((to - at) as usize);
            if length == 0 {
                break;
            }
            sum += level::energy(&run[..length]);
            at += length as u64;
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_and_memory_comes_back() {
        let mut pool = Pool::new(SampleRate::HZ_8000, Duration::from_secs(1), Duration::from_millis(100));
        let mut tape = Tape::default();
        assert!(pool.blocks.is_empty(), "nothing is held before there is speech");
        let sound: Vec<i16> = (0..4_000).collect();
        for piece in sound.chunks(77) {
            assert_eq!(pool.write(&mut tape, piece), piece.len());
        }
        let mut back = vec![0; 4_000];
        assert_eq!(tape.read(&pool, 0, &mut back), 4_000);
        assert_eq!(back, sound);
        pool.trim(&mut tape, 2_000);
        assert_eq!(tape.begin(), 1_120, "1 200 rounded down to a block");
        assert_eq!(tape.read(&pool, 1_000, &mut back), 0);
        assert_eq!(tape.read(&pool, 3_999, &mut back[..10]), 1);
        assert_eq!(
            (tape.peak(&pool, 3_000, 500), tape.peak(&pool, 3_990, 160), tape.peak(&pool, 0, 9)),
            (3_499, 3_999, 0)
        );
        assert_eq!(tape.energy(&pool, 3_998, 9_999), 3_998 * 3_998 + 3_999 * 3_999);
        pool.free(&mut tape);
        assert_eq!(pool.free.len() + pool.given_back.len(), pool.blocks.len());
    }

    #[test]
    fn a_full_pool_takes_what_fits() {
        let mut pool = Pool::new(SampleRate::HZ_8000, Duration::from_secs(1), Duration::ZERO);
        let (mut tape, room) = (Tape::default(), pool.most * pool.block);
        assert_eq!(pool.write(&mut tape, &vec![1; room + 5]), room);
    }

    #[test]
    fn no_more_is_held_than_is_needed_at_once() {
        let mut pool = Pool::new(SampleRate::HZ_8000, Duration::from_secs(5), Duration::ZERO);
        let (mut long, mut short) = (Tape::default(), Tape::default());
        for _ in 0..3 {
            pool.write(&mut long, &[1; 32_000]);
            pool.write(&mut short, &[2; 160]);
            assert_eq!((pool.blocks.len(), pool.free.len()), (201, 0));
            pool.free(&mut long);
            pool.free(&mut short);
            assert_eq!((pool.blocks.len(), pool.free.len()), (201, Pool::SPARE));
            let held = pool.blocks.iter().filter(|block| !block.is_empty()).count();
            assert_eq!((held, pool.given_back.len()), (Pool::SPARE, 201 - Pool::SPARE));
        }
        assert_eq!(pool.write(&mut short, &[3; 32_000]), 32_000);
        let mut back = [0; 160];
        assert_eq!((short.read(&pool, 31_840, &mut back), back), (160, [3; 160]));
    }
}
