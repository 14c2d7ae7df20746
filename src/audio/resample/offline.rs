//! Change of the sample rate of a whole recording.

use rubato::audioadapter::Adapter;
use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{Fft, FixedSync, Resampler as _, WindowFunction};

use super::stream::{Resampler, gcd};
use crate::audio::frame::SampleRate;

/// Resamples a whole recording at once, without delay and at the quality of files, between any two rates.
///
/// For sound that is there in full. Allocates; live streams take a [`Resampler`].
pub fn resample_all(samples: &[i16], from: SampleRate, to: SampleRate) -> Vec<i16> {
    if from == to || samples.is_empty() {
        return samples.to_vec();
    }
    offline(samples, from, to).unwrap_or_else(|| {
        // The library refused the ratio: our own filter takes any.
        let mut resampler = Resampler::new(from, to);
        let mut resampled = Vec::new();
        resampler.process(samples, |piece| resampled.extend_from_slice(piece));
        resampler.finish(|piece| resampled.extend_from_slice(piece));
        let delay = to.samples_in(resampler.delay()).min(resampled.len());
        resampled.split_off(delay)
    })
}

fn offline(samples: &[i16], from: SampleRate, to: SampleRate) -> Option<Vec<i16>> {
    let input: Vec<f32> = samples.iter().map(|&sample| f32::from(sample)).collect();
    let input = SequentialSlice::new(&input, 1, samples.len()).ok()?;
    // Whole, even chunks on both sides: the delay that is taken off is then a whole number of samples.
    let even = 2 * (from.hz() / gcd(from.hz(), to.hz())) as usize;
    let chunk = OFFLINE_CHUNK.next_multiple_of(even);
    let (from, to) = (from.hz() as usize, to.hz() as usize);
    let window = WindowFunction::BlackmanHarris2;
    let mut resampler = Fft::<f32>::new_custom(from, to, chunk, 1, 1, window, FixedSync::Input).ok()?;
    let output = resampler.process_all(&input, samples.len(), None).ok()?;
    Some((0..output.frames()).map(|at| output.read_sample(0, at).unwrap_or(0.0).round() as i16).collect())
}

/// About how many samples the library takes at a time.
const OFFLINE_CHUNK: usize = 1_024;
