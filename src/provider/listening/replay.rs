//! The last seconds of a caller's sound, kept to be sent again.

use std::collections::VecDeque;
use std::time::Duration;

/// Encoded sound of a call, from the oldest moment that may have to be sent again to the newest.
///
/// Bounded: beyond [`ReplayBuffer::CAPACITY`] the oldest sound is dropped and counted.
#[derive(Clone, Debug)]
pub(in crate::provider) struct ReplayBuffer {
    bytes: VecDeque<u8>,
    /// How many bytes of the call lie before the first one kept.
    start: u64,
    /// The same for the first one not yet sent over the present connection.
    unsent: u64,
    bytes_per_second: u32,
    bytes_per_sample: u32,
    lost: u64,
}

impl ReplayBuffer {
    /// How much sound is kept: a long utterance without settled words, and an outage at the end of it.
    pub(in crate::provider) const CAPACITY: Duration = Duration::from_secs(20);

    /// An empty buffer for sound of `samples_per_second` with `bytes_per_sample`.
    pub(in crate::provider) fn new(samples_per_second: u32, bytes_per_sample: u32) -> Self {
        let bytes_per_second = samples_per_second * bytes_per_sample;
        Self { bytes: VecDeque::new(), start: 0, unsent: 0, bytes_per_second, bytes_per_sample, lost: 0 }
    }

    /// Keeps newly captured sound; `false` when sound that no connection took had to make room for it.
    pub(in crate::provider) fn push(&mut self, sound: &[u8]) -> bool {
        let lost = self.lost;
        if self.bytes.capacity() - self.bytes.len() < sound.len() {
            // In steps: doubling would take half as much again as is ever kept.
            self.bytes.reserve_exact(sound.len().max(STEP));
        }
        self.bytes.extend(sound);
        let most = self.bytes_at(Self::CAPACITY) as usize;
        let excess = self.bytes.len().saturating_sub(most);
        if excess > 0 {
            let oldest = self.start + excess as u64;
            self.lost += oldest.saturating_sub(self.unsent);
            self.forget(oldest);
        }
        self.lost == lost
    }

    /// Everything before `moment` of the call is settled and never sent again.
    pub(in crate::provider) fn settle(&mut self, moment: Duration) {
        // What was not sent cannot be settled, whatever the vendor says.
        self.forget(self.bytes_at(moment).min(self.unsent));
        if self.bytes.len() < STEP {
            self.bytes.shrink_to(STEP);
        }
    }

    /// A new connection takes all that is kept; says which moment of the call that begins with.
    pub(in crate::provider) fn rewind(&mut self) -> Duration {
        self.unsent = self.start;
        self.duration(self.start)
    }

    /// The next sound to send, at most `length` of it; empty when all is sent.
    pub(in crate::provider) fn take(&mut self, length: Duration) -> Vec<u8> {
        let from = (self.unsent - self.start) as usize;
        let count = (self.bytes.len() - from).min(self.bytes_at(length) as usize);
        self.unsent += count as u64;
        self.bytes.range(from..from + count).copied().collect()
    }

    /// How much is left to be sent over the present connection.
    pub(in crate::provider) fn unsent(&self) -> Duration {
        self.duration((self.start + self.bytes.len() as u64).saturating_sub(self.unsent))
    }

    /// Which moment of the call the present connection has been sent the sound up to.
    pub(in crate::provider) fn sent(&self) -> Duration {
        self.duration(self.unsent)
    }

    /// How much sound was dropped before a connection took it.
    pub(in crate::provider) fn lost(&self) -> Duration {
        Duration::from_millis(self.lost * 1_000 / u64::from(self.bytes_per_second))
    }

    fn forget(&mut self, before: u64) {
        let count = before.saturating_sub(self.start).min(self.bytes.len() as u64);
        self.bytes.drain(..count as usize);
        self.start += count;
        self.unsent = self.unsent.max(self.start);
    }

    fn duration(&self, bytes: u64) -> Duration {
        Duration::from_nanos((u128::from(bytes) * 1_000_000_000 / u128::from(self.bytes_per_second)) as u64)
    }

    /// The position of a moment, on a whole sample.
    fn bytes_at(&self, moment: Duration) -> u64 {
        let samples = moment.as_nanos() * u128::from(self.bytes_per_second / self.bytes_per_sample) / 1_000_000_000;
        u64::try_from(samples).unwrap_or(u64::MAX).saturating_mul(u64::from(self.bytes_per_sample))
    }
}

/// How much room is taken at a time, in bytes.
const STEP: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn unsettled_sound_is_sent_again_and_settled_sound_is_not() {
        let mut buffer = ReplayBuffer::new(1_000, 2);
        assert_eq!(buffer.rewind(), Duration::ZERO);
        buffer.push(&[1; 4_000]);
        assert_eq!(buffer.take(SECOND).len(), 2_000);
        assert_eq!((buffer.sent(), buffer.unsent()), (SECOND, SECOND));
        buffer.settle(Duration::from_millis(500));
        assert_eq!(buffer.rewind(), Duration::from_millis(500));
        assert_eq!(buffer.take(SECOND * 9).len(), 3_000);
        assert_eq!(buffer.take(SECOND), Vec::<u8>::new());
    }

    #[test]
    fn no_more_room_is_taken_than_sound_is_kept_and_settled_sound_gives_it_back() {
        let mut buffer = ReplayBuffer::new(8_000, 1);
        for _ in 0..3_000 {
            buffer.push(&[1; 160]);
            buffer.take(SECOND);
        }
        let most = 160_000 + STEP;
        assert!(buffer.bytes.capacity() <= most, "{}", buffer.bytes.capacity());
        buffer.settle(SECOND * 60);
        assert!(buffer.bytes.capacity() <= STEP, "{}", buffer.bytes.capacity());
    }

    #[test]
    fn what_was_not_sent_cannot_be_settled() {
        let mut buffer = ReplayBuffer::new(1_000, 1);
        buffer.push(&[1; 3_000]);
        buffer.take(SECOND);
        buffer.settle(SECOND * 60);
        assert_eq!(buffer.rewind(), SECOND);
    }

    #[test]
    fn the_oldest_sound_is_dropped_when_a_connection_stays_away() {
        let mut buffer = ReplayBuffer::new(1_000, 1);
        for second in 0..22u8 {
            assert_eq!(buffer.push(&[second; 1_000]), second < 20, "second {second}");
        }
        assert_eq!(buffer.lost(), SECOND * 2);
        assert_eq!(buffer.rewind(), SECOND * 2);
        assert_eq!(buffer.take(SECOND), vec![2; 1_000]);
        buffer.take(SECOND * 60);
        assert!(buffer.push(&[22; 1_000]));
        assert_eq!(buffer.lost(), SECOND * 2, "sound that was sent once is not lost");
    }
}
