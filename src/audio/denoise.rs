//! Takes noise out of a stream.

use std::fmt;
use std::time::Duration;

use nnnoiseless::DenoiseState;

use super::frame::{Frame, SampleRate};
use super::resample::Resampler;

/// Noise suppressor of one stream: RNNoise (Valin, 2018), which works at 48 kHz, between two resamplers.
///
/// What comes out is [`delay`](Self::delay) older than what goes in, and as long. It keeps some 45 kB and costs far more
/// than all the rest of a call's sound, so have one only where it is needed. [`new`](Self::new) allocates;
/// [`process`](Self::process) does only the first time on another thread (23 kB that the thread keeps).
///
/// What RNNoise knows is noise against speech, not one voice against another: a second person who speaks up stays.
#[derive(Clone)]
pub struct Denoiser {
    rate: SampleRate,
    up: Resampler,
    down: Resampler,
    network: Box<DenoiseState<'static>>,
    /// 10 ms at 48 kHz, filled so far; what the network made of the last full one.
    piece: [f32; PIECE],
    filled: usize,
    /// What is made and not yet handed out. Never more than [`READY`](Self::READY).
    ready: Vec<i16>,
    /// Silence that was handed out because nothing was ready.
    behind: usize,
}

impl Denoiser {
    /// A suppressor for sound of this rate.
    pub fn new(rate: SampleRate) -> Self {
        let network = DenoiseState::new();
        // The first piece on each thread plans the transforms for all that follow there: here rather than under a packet.
        let sound: [f32; PIECE] = std::array::from_fn(|n| if n % 7 < 3 { 900.0 } else { -700.0 });
        network.clone().process_frame(&mut [0.0; PIECE], &sound);
        Self {
            rate,
            up: Resampler::new(rate, SampleRate::HZ_48000),
            down: Resampler::new(SampleRate::HZ_48000, rate),
            network,
            piece: [0.0; PIECE],
            filled: 0,
            ready: Vec::with_capacity(Self::READY),
            behind: 0,
        }
    }

    /// How much older what comes out is than what goes in: what the two resamplers and the network hold back, 16 ms at
    /// 8 kHz, and at most one piece of 10 ms more after a frame that was no whole number of pieces.
    pub fn delay(&self) -> Duration {
        self.up.delay() + Self::PIECE + self.down.delay() + self.rate.duration_of(self.behind)
    }

    /// Replaces the frame's sound by the stream's, without noise, of [`delay`](Self::delay) ago. A frame of another rate
    /// than the suppressor's is left as it is.
    pub fn process(&mut self, frame: &mut Frame) {
        if frame.rate() != self.rate {
            return;
        }
        let Self { up, down, network, piece, filled, ready, .. } = self;
        up.process(frame.samples(), |samples| {
            for &sample in samples {
                piece[*filled] = f32::from(sample);
                *filled += 1;
                if *filled == PIECE {
                    *filled = 0;
                    clean(network, piece, |samples| {
                        down.process(samples, |samples| {
                            let room = Self::READY - ready.len();
                            ready.extend_from_slice(&samples[..samples.len().min(room)]);
                        });
                    });
                }
            }
        });
        let samples = frame.samples_mut();
        let count = samples.len().min(ready.len());
        let (missing, rest) = samples.split_at_mut(samples.len() - count);
        missing.fill(0);
        rest.copy_from_slice(&ready[..count]);
        self.behind += missing.len();
        ready.copy_within(count.., 0);
        ready.truncate(ready.len() - count);
    }

    /// What the network takes at once, and how much older what it gives back is.
    const PIECE: Duration = Duration::from_millis(10);
    /// The most samples that can wait: a frame and two pieces of the highest rate.
    const READY: usize = 2 * Frame::CAPACITY + 2 * PIECE;
}

/// 10 ms at 48 kHz without noise.
fn clean(network: &mut DenoiseState<'static>, piece: &[f32; PIECE], mut emit: impl FnMut(&[i16])) {
    let mut cleaned = [0.0; PIECE];
    network.process_frame(&mut cleaned, piece);
    emit(&cleaned.map(|sample| sample.round().clamp(-32_768.0, 32_767.0) as i16));
}

impl fmt::Debug for Denoiser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Denoiser({:?}, {} ms behind)", self.rate, self.delay().as_millis())
    }
}

/// Samples in 10 ms at 48 kHz.
const PIECE: usize = DenoiseState::FRAME_SIZE;

#[cfg(test)]
mod tests;
