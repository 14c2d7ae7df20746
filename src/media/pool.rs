//! Sample memory shared by the replies of a call.

use std::collections::VecDeque;
use std::time::Duration;

use crate::audio::{SampleRate, level};

/// Blocks of 20 ms of sound, all allocated at once, lent to tapes.
#[derive(Debug)]
pub(super) struct Pool {
    samples: Box<[i16]>,
    free: Vec<u16>,
    block: usize,
    blocks: usize,
    /// How many sent samples a tape keeps.
    history: u64,
}

/// A run of sound, written at its end and read anywhere it is kept.
#[derive(Debug)]
pub(super) struct Tape {
    blocks: VecDeque<u16>,
    begin: u64,
    end: u64,
}

impl Pool {
    /// Room for `most` of sound to come and, for several tapes at once, `history` of sound gone by.
    pub(super) fn new(rate: SampleRate, most: Duration, history: Duration) -> Self {
        let block = rate.samples_in(Duration::from_millis(20)).max(1);
        let kept = rate.samples_in(history);
        // A tape's first and last block may be used in part only.
        let blocks = rate.samples_in(most).div_ceil(block) + 2 * (kept.div_ceil(block) + 2) + 16;
        let blocks = blocks.min(usize::from(u16::MAX));
        Self {
            samples: vec![0; blocks * block].into_boxed_slice(),
            free: (0..blocks as u16).collect(),
            block,
            blocks,
            history: kept as u64,
        }
    }

    /// A tape with nothing on it, with room for every block there is.
    pub(super) fn tape(&self) -> Tape {
        Tape { blocks: VecDeque::with_capacity(self.blocks), begin: 0, end: 0 }
    }

    /// Appends what there is room for and says how much that was.
    pub(super) fn write(&mut self, tape: &mut Tape, sound: &[i16]) -> usize {
        let mut written = 0;
        while written < sound.len() {
            let offset = (tape.end % self.block as u64) as usize;
            if offset == 0 {
                let Some(block) = self.free.pop() else { break };
                tape.blocks.push_back(block);
            }
            let Some(&block) = tape.blocks.back() else { break };
            let length = (sound.len() - written).min(self.block - offset);
            let start = usize::from(block) * self.block + offset;
            self.samples[start..start + length].copy_from_slice(&sound[written..written + length]);
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
    }

    /// The samples of a tape from `position` to the end of their block.
    fn run(&self, tape: &Tape, position: u64) -> &[i16] {
        if position < tape.begin || position >= tape.end {
            return &[];
        }
        let index = ((position - tape.begin) / self.block as u64) as usize;
        let offset = (position % self.block as u64) as usize;
        let length = (self.block - offset).min((tape.end - position) as usize);
        tape.blocks.get(index).map_or(&[], |&block| {
            let start = usize::from(block) * self.block + offset;
            &self.samples[start..start + length]
        })
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
        let (all, mut tape) = (pool.free.len(), pool.tape());
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
        assert_eq!(tape.energy(&pool, 3_998, 9_999), 3_998 * 3_998 + 3_999 * 3_999);
        pool.free(&mut tape);
        assert_eq!(pool.free.len(), all);
    }

    #[test]
    fn a_full_pool_takes_what_fits() {
        let mut pool = Pool::new(SampleRate::HZ_8000, Duration::from_secs(1), Duration::ZERO);
        let (mut tape, room) = (pool.tape(), pool.samples.len());
        assert_eq!(pool.write(&mut tape, &vec![1; room + 5]), room);
    }
}
