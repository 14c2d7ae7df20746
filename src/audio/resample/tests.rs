//! Ripple, aliases, images, cuts and delays.

use std::f64::consts::PI;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::audio::frame::SampleRate;
use crate::audio::level;
use crate::audio::tone::Tone;
use crate::audio::wav::Wav;

/// The pairs a call uses: recognisers at 16 kHz, voices at 16 to 48 kHz, lines at 8 and 16 kHz.
const PAIRS: [(u32, u32); 10] = [
    (8_000, 16_000),
    (16_000, 8_000),
    (8_000, 24_000),
    (24_000, 8_000),
    (24_000, 16_000),
    (16_000, 24_000),
    (48_000, 8_000),
    (22_050, 8_000),
    (44_100, 8_000),
    (8_000, 48_000),
];

fn rates((from, to): (u32, u32)) -> (SampleRate, SampleRate) {
    (SampleRate::new(from).unwrap(), SampleRate::new(to).unwrap())
}

fn stream(resampler: &mut Resampler, samples: &[i16], piece: usize) -> Vec<i16> {
    let mut out = Vec::new();
    samples.chunks(piece).for_each(|piece| resampler.process(piece, |samples| out.extend_from_slice(samples)));
    out
}

fn tone(hz: f32, rate: SampleRate) -> Vec<i16> {
    let mut samples = vec![0; rate.hz() as usize / 2];
    Tone::single(hz, -9.0, rate).fill(&mut samples);
    samples
}

/// How much louder a tone leaves a resampler than it came, with the ends left out.
fn gain_db(hz: f32, pair: (u32, u32)) -> f32 {
    let (from, to) = rates(pair);
    let out = stream(&mut Resampler::new(from, to), &tone(hz, from), 160);
    level::dbfs(&out[out.len() / 4..out.len() * 3 / 4]) - -9.0
}

#[test]
fn the_telephone_band_passes_without_ripple() {
    for pair in PAIRS {
        let lower = pair.0.min(pair.1) as f32;
        for part in [0.01, 0.05, 0.125, 0.2, 0.3, 0.35, 0.4, 0.425] {
            let gain = gain_db(part * lower, pair);
            assert!(gain.abs() < 0.05, "{pair:?} at {part}: {gain} dB");
        }
    }
}

#[test]
fn what_does_not_fit_the_lower_rate_is_gone() {
    for pair in PAIRS.into_iter().filter(|(from, to)| from > to) {
        let (from, to) = (pair.0 as f32, pair.1 as f32);
        for part in [0.58, 0.7, 0.9, 1.0, 1.3] {
            if part * to < 0.49 * from {
                let gain = gain_db(part * to, pair);
                // What is left is the rounding to 16 bits.
                assert!(gain < -80.0, "{pair:?} at {part}: {gain} dB");
            }
        }
    }
}

#[test]
fn nothing_appears_above_the_band_of_the_lower_rate() {
    for pair in PAIRS.into_iter().filter(|(from, to)| from < to) {
        let (from, to) = rates(pair);
        for part in [0.1, 0.25, 0.4] {
            let hz = part * from.hz() as f32;
            let out = stream(&mut Resampler::new(from, to), &tone(hz, from), 160);
            let middle = &out[out.len() / 4..out.len() * 3 / 4];
            // Take the tone itself away, by its sine and cosine.
            let turn = |n: usize| 2.0 * PI * f64::from(hz) * n as f64 / f64::from(to.hz());
            let (mut sine, mut cosine) = (0.0, 0.0);
            for (n, &sample) in middle.iter().enumerate() {
                sine += f64::from(sample) * turn(n).sin() * 2.0 / middle.len() as f64;
                cosine += f64::from(sample) * turn(n).cos() * 2.0 / middle.len() as f64;
            }
            let rest: f64 = middle
                .iter()
                .enumerate()
                .map(|(n, &sample)| (f64::from(sample) - sine * turn(n).sin() - cosine * turn(n).cos()).powi(2))
                .sum();
            let rest = level::rms_to_dbfs((rest / middle.len() as f64).sqrt() as f32) - -9.0;
            assert!(rest < -70.0, "{pair:?} at {hz} Hz: {rest} dB");
        }
    }
}

#[test]
fn how_the_stream_is_cut_makes_no_difference() {
    for pair in PAIRS {
        let (from, to) = rates(pair);
        let sound: Vec<i16> = (0..4_000i32).map(|n| (n * n % 20_011 - 10_000) as i16).collect();
        let whole = stream(&mut Resampler::new(from, to), &sound, sound.len());
        for piece in [1, 7, 160, 255, 256, 257, 480] {
            assert_eq!(stream(&mut Resampler::new(from, to), &sound, piece), whole, "{pair:?} by {piece}");
        }
    }
}

#[test]
fn a_frame_in_is_a_frame_out() {
    for pair in PAIRS {
        let (from, to) = rates(pair);
        let mut resampler = Resampler::new(from, to);
        let mut out = 0;
        for n in 1..=200 {
            resampler.process(&vec![0; from.hz() as usize / 50], |samples| out += samples.len());
            let exact = n as f64 * f64::from(to.hz()) / 50.0 * (from.hz() / 50 * 50) as f64 / f64::from(from.hz());
            assert!((out as f64 - exact).abs() <= 1.0, "{pair:?}: {out} for {exact}");
        }
    }
}

#[test]
fn equal_rates_pass_untouched_and_at_once() {
    let mut resampler = Resampler::new(SampleRate::HZ_8000, SampleRate::HZ_8000);
    assert_eq!(stream(&mut resampler, &[1, -2, i16::MAX, i16::MIN], 3), [1, -2, i16::MAX, i16::MIN]);
    assert_eq!(resampler.delay(), Duration::ZERO);
    resampler.finish(|_| panic!("nothing is held"));
}

#[test]
fn the_delay_is_what_it_says_and_the_end_can_be_had() {
    for pair in PAIRS {
        let (from, to) = rates(pair);
        let mut resampler = Resampler::new(from, to);
        assert!(resampler.delay() <= Duration::from_micros(3_050), "{pair:?}: {:?}", resampler.delay());
        let at = from.hz() as usize / 10;
        let mut pulse = vec![0; at + 1];
        pulse[at] = 20_000;
        let mut out = stream(&mut resampler, &pulse, 160);
        resampler.finish(|samples| out.extend_from_slice(samples));
        let loudest = (0..out.len()).max_by_key(|&n| out[n]).unwrap();
        let expected = (0.1 + resampler.delay().as_secs_f64()) * f64::from(to.hz());
        assert!((loudest as f64 - expected).abs() <= 1.0, "{pair:?}: {loudest} for {expected}");
    }
}

#[test]
fn after_a_reset_it_is_as_new() {
    let mut resampler = Resampler::new(SampleRate::HZ_24000, SampleRate::HZ_8000);
    let sound: Vec<i16> = (0..1_000).map(|n| (n * 31 % 9_000) as i16).collect();
    let first = stream(&mut resampler, &sound, 100);
    resampler.reset();
    assert_eq!(stream(&mut resampler, &sound, 100), first);
    resampler.finish(|_| ());
    assert_eq!(stream(&mut resampler, &sound, 100), first);
}

#[test]
fn full_scale_is_clipped_not_wrapped() {
    let square: Vec<i16> = (0..8_000).map(|n| if n / 20 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
    let out = stream(&mut Resampler::new(SampleRate::HZ_8000, SampleRate::HZ_16000), &square, 160);
    // A wrap would jump from one rail to the other between two samples.
    assert!(out.windows(2).all(|pair| i32::from(pair[0]).abs_diff(i32::from(pair[1])) < 60_000));
    assert!(out.contains(&i16::MAX) && out.contains(&i16::MIN));
}

#[test]
fn rates_with_little_in_common_still_come_out_right() {
    let (from, to) = rates((44_101, 8_000));
    let out = stream(&mut Resampler::new(from, to), &tone(1_000.0, from), 441);
    assert!((level::dbfs(&out[1_000..3_000]) - -9.0).abs() < 0.05);
}

#[test]
fn a_whole_recording_keeps_its_length_and_its_place() {
    for pair in PAIRS {
        let (from, to) = rates(pair);
        let sound = tone(440.0, from);
        let out = resample_all(&sound, from, to);
        let expected = tone(440.0, to);
        assert!(out.len().abs_diff(expected.len()) <= 1, "{pair:?}: {} for {}", out.len(), expected.len());
        let middle = out.len() / 4..out.len() * 3 / 4;
        let off = out[middle.clone()].iter().zip(&expected[middle]).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(off <= 40, "{pair:?}: off by {off}");
    }
    assert!(resample_all(&[], SampleRate::HZ_8000, SampleRate::HZ_16000).is_empty());
}

#[test]
fn speech_brought_down_is_the_speech_recorded_below() {
    let read = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/audio").join(name);
        Wav::parse(&std::fs::read(path).unwrap()).unwrap()
    };
    let (high, low) = (read("caller-booking-24k.wav"), read("caller-booking.wav").into_mono());
    let mut resampler = Resampler::new(high.rate(), SampleRate::HZ_8000);
    let out = stream(&mut resampler, &high.into_mono(), 480);
    // Loudness over time agrees, 20 ms by 20 ms; the waveform was filtered and coded in between.
    let late = SampleRate::HZ_8000.samples_in(resampler.delay());
    let pairs = out[late..].chunks_exact(160).zip(low.chunks_exact(160));
    let (mut close, mut all) = (0, 0);
    for (a, b) in pairs.filter(|(_, b)| level::dbfs(b) > -45.0) {
        close += i32::from((level::dbfs(a) - level::dbfs(b)).abs() < 1.5);
        all += 1;
    }
    assert!(all > 100 && close * 10 >= all * 9, "{close} of {all}");
}
