//! A piece of mono sound with its rate.

use std::fmt;
use std::time::Duration;

/// Samples per second of a mono signal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SampleRate(u32);

impl SampleRate {
    /// Narrowband telephony (G.711).
    pub const HZ_8000: Self = Self(8_000);
    /// Wideband telephony (G.722, L16).
    pub const HZ_16000: Self = Self(16_000);
    /// What most neural voices produce.
    pub const HZ_24000: Self = Self(24_000);
    /// Opus and browsers.
    pub const HZ_48000: Self = Self(48_000);

    /// A rate between 4 and 192 kHz; anything else is `None`.
    pub const fn new(hz: u32) -> Option<Self> {
        if hz >= 4_000 && hz <= 192_000 { Some(Self(hz)) } else { None }
    }

    /// The rate in hertz.
    pub const fn hz(self) -> u32 {
        self.0
    }

    /// How many samples `duration` holds, rounded down to whole samples.
    pub const fn samples_in(self, duration: Duration) -> usize {
        let whole = duration.as_secs().wrapping_mul(self.0 as u64);
        whole.wrapping_add(duration.subsec_nanos() as u64 * self.0 as u64 / 1_000_000_000) as usize
    }

    /// How long `samples` last, to the nanosecond below.
    pub const fn duration_of(self, samples: usize) -> Duration {
        let nanos = match (samples as u64).checked_mul(1_000_000_000) {
            Some(product) => product / self.0 as u64,
            None => (samples as u128 * 1_000_000_000 / self.0 as u128) as u64,
        };
        Duration::from_nanos(nanos)
    }
}

impl fmt::Debug for SampleRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} Hz", self.0)
    }
}

/// Mono PCM samples with their rate, owned and inline: a frame moves through the call without touching the heap.
///
/// Holds at most `N` samples; [`Frame::CAPACITY`] unless said otherwise: 60 ms at 16 kHz, 120 ms at 8 kHz, 20 ms at 48 kHz.
#[derive(Clone, Copy)]
pub struct Frame<const N: usize = 960> {
    rate: SampleRate,
    len: u16,
    samples: [i16; N],
}

/// A frame of at most 20 ms at 16 kHz, 40 ms at 8 kHz: a third of the bytes to move.
pub type Piece = Frame<320>;

impl Frame {
    /// The most samples one frame holds.
    pub const CAPACITY: usize = 960;

    /// The same sound in pieces.
    pub fn pieces(&self) -> impl Iterator<Item = Piece> {
        self.samples().chunks(Piece::MOST).filter_map(|samples| Piece::from_samples(self.rate, samples))
    }
}

impl<const N: usize> Frame<N> {
    /// The most samples one of this size holds.
    pub const MOST: usize = N;

    /// A frame with no samples yet.
    pub const fn empty(rate: SampleRate) -> Self {
        Self { rate, len: 0, samples: [0; N] }
    }

    /// Digital silence of `duration`, cut at the capacity.
    pub const fn silence(rate: SampleRate, duration: Duration) -> Self {
        let wanted = rate.samples_in(duration);
        let len = if wanted < N { wanted } else { N };
        Self { rate, len: len as u16, samples: [0; N] }
    }

    /// A frame of `samples`; `None` when they are more than the capacity.
    pub fn from_samples(rate: SampleRate, samples: &[i16]) -> Option<Self> {
        let mut frame = Self::empty(rate);
        (frame.push(samples) == samples.len()).then_some(frame)
    }

    /// Appends as many of `samples` as still fit and says how many did.
    pub fn push(&mut self, samples: &[i16]) -> usize {
        let start = usize::from(self.len);
        let taken = samples.len().min(N - start);
        self.samples[start..start + taken].copy_from_slice(&samples[..taken]);
        self.len += taken as u16;
        taken
    }

    /// Appends `count` samples of silence, as many as still fit, and lends them out to be written.
    pub fn grow(&mut self, count: usize) -> &mut [i16] {
        let start = usize::from(self.len);
        let end = start.saturating_add(count).min(N);
        self.len = end as u16;
        let room = &mut self.samples[start..end];
        room.fill(0);
        room
    }

    /// Forgets the samples; what comes next has this rate.
    pub fn restart(&mut self, rate: SampleRate) {
        (self.rate, self.len) = (rate, 0);
    }

    /// Forgets the samples, keeps the rate.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Samples per second.
    pub const fn rate(&self) -> SampleRate {
        self.rate
    }

    /// The samples, oldest first.
    pub fn samples(&self) -> &[i16] {
        &self.samples[..usize::from(self.len)]
    }

    /// The samples, to be changed in place.
    pub fn samples_mut(&mut self) -> &mut [i16] {
        &mut self.samples[..usize::from(self.len)]
    }

    /// How long the frame lasts.
    pub const fn duration(&self) -> Duration {
        self.rate.duration_of(self.len as usize)
    }

    /// Whether there are no samples.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<const N: usize> PartialEq for Frame<N> {
    fn eq(&self, other: &Self) -> bool {
        self.rate == other.rate && self.samples() == other.samples()
    }
}

impl<const N: usize> fmt::Debug for Frame<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Samples are caller speech: their count and rate are enough for a log.
        write!(f, "Frame({} samples at {:?})", self.len, self.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sample_counts_agree() {
        assert_eq!(SampleRate::HZ_8000.samples_in(Duration::from_millis(20)), 160);
        assert_eq!(SampleRate::HZ_8000.duration_of(160), Duration::from_millis(20));
        assert_eq!(SampleRate::HZ_48000.samples_in(Duration::from_millis(20)), 960);
        assert_eq!(SampleRate::new(3_999), None);
    }

    #[test]
    fn a_frame_takes_what_fits_and_says_so() {
        let mut frame: Frame = Frame::empty(SampleRate::HZ_8000);
        assert_eq!(frame.push(&[7; 900]), 900);
        assert_eq!(frame.push(&[8; 900]), 60);
        assert_eq!(frame.samples().len(), Frame::CAPACITY);
        assert_eq!(Frame::<960>::from_samples(SampleRate::HZ_8000, &[0; 961]), None);
    }

    #[test]
    fn what_a_frame_grows_by_is_silence_even_where_it_held_sound_before() {
        let mut frame: Frame = Frame::empty(SampleRate::HZ_8000);
        frame.push(&[7; 900]);
        frame.clear();
        assert_eq!(frame.grow(500), [0; 500]);
        assert_eq!(frame.grow(500).len(), 460);
        assert_eq!(frame.grow(1).len(), 0);
    }

    #[test]
    fn pieces_are_the_frame_in_order() {
        let samples: Vec<i16> = (0..700).collect();
        let frame = Frame::from_samples(SampleRate::HZ_16000, &samples).unwrap();
        let pieces: Vec<Piece> = frame.pieces().collect();
        assert_eq!(pieces.iter().map(|piece| piece.samples().len()).collect::<Vec<_>>(), [320, 320, 60]);
        assert_eq!(pieces.iter().flat_map(Piece::samples).copied().collect::<Vec<_>>(), samples);
        assert!(pieces.iter().all(|piece| piece.rate() == SampleRate::HZ_16000));
    }

    #[test]
    fn a_frame_does_not_print_its_samples() {
        let frame: Frame = Frame::from_samples(SampleRate::HZ_8000, &[12_345; 2]).unwrap();
        assert_eq!(format!("{frame:?}"), "Frame(2 samples at 8000 Hz)");
    }
}
