use std::time::Duration;

use super::*;
use crate::audio::wav::Wav;
use crate::audio::{Vad, g711, level};

const RATE: SampleRate = SampleRate::HZ_8000;
/// Their pitches and speeds differ.
const VOICES: [&str; 6] = [
    "voice-gb-male",
    "voice-gb-female-fast",
    "voice-us-male-slow",
    "voice-nyc-female",
    "caller-booking",
    "caller-interrupt",
];

#[expect(clippy::disallowed_methods, reason = "a test needs some instant to begin with")]
fn start() -> Instant {
    Instant::now()
}

fn voice(name: &str) -> Vec<i16> {
    let path = format!("{}/fixtures/audio/{name}.wav", env!("CARGO_MANIFEST_DIR"));
    let mut sound = Wav::parse(&std::fs::read(path).unwrap()).unwrap().into_mono();
    // All are as loud: -20 dBFS.
    let gain = level::gain(-20.0 - level::dbfs(&sound));
    level::scale(&mut sound, gain);
    sound
}

/// The voices one after the other, beginning with the `first`, as long as asked for.
fn talk(first: usize, samples: usize) -> Vec<i16> {
    let voices = VOICES.iter().cycle().skip(first).flat_map(|name| voice(name));
    voices.take(samples).collect()
}

/// What comes back: later, softer, through a room whose sound dies away by 60 dB in 0.3 s, and through µ-law.
fn echoed(sound: &[i16], lag_samples: usize, decibels: f32, room: bool) -> Vec<i16> {
    let mut random = 7u32;
    let taps: Vec<f32> = (0..if room { 800 } else { 1 })
        .map(|n| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = random as f32 / u32::MAX as f32 - 0.5;
            if n == 0 { 1.0 } else { noise * 0.12 * (-6.9 * n as f32 / 2_400.0).exp() }
        })
        .collect();
    let mut heard = vec![0.0f32; sound.len() + lag_samples + taps.len()];
    for (n, &sample) in sound.iter().enumerate().filter(|(_, sample)| **sample != 0) {
        for (at, tap) in taps.iter().enumerate() {
            heard[n + lag_samples + at] += f32::from(sample) * tap;
        }
    }
    let gain = level::gain(decibels);
    heard.iter().map(|&value| g711::ulaw_to_linear(g711::linear_to_ulaw((value * gain) as i16))).collect()
}

/// What was found of each hop that a detector calls voiced, with the time of its frame's end in ms.
fn judge(sent: &[i16], came: &[i16]) -> Vec<(u64, Judgement)> {
    let (t, mut echo, mut vad) = (start(), Echo::new(RATE, start()).unwrap(), Vad::new(RATE));
    let mut found = Vec::new();
    let frames = sent.len().max(came.len()) / 160;
    for n in 0..frames {
        let at = t + Duration::from_millis(20) * n as u32;
        let piece = |sound: &[i16]| {
            let mut piece = [0i16; 160];
            let from = sound.get(n * 160..).unwrap_or_default();
            piece.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
            Frame::from_samples(RATE, &piece).unwrap()
        };
        let frame = piece(came);
        echo.came(&frame, at + Duration::from_millis(20));
        vad.push(&frame, |hop| {
            if hop.heard {
                found.push((20 * (n as u64 + 1), echo.voiced_hop()));
            } else {
                let _ = echo.quiet_hop();
            }
        });
        // Our packet of this moment leaves after the caller's was looked at.
        echo.sent(&piece(sent), at + Duration::from_millis(20));
    }
    found
}

/// Adds one sound to another, from a sample on.
fn over(mut sound: Vec<i16>, other: &[i16], from: usize) -> Vec<i16> {
    sound.resize(sound.len().max(from + other.len()), 0);
    level::mix(&mut sound[from..], other);
    sound
}

fn share(found: &[(u64, Judgement)], what: Judgement) -> f64 {
    found.iter().filter(|(_, judged)| *judged == what).count() as f64 / found.len().max(1) as f64
}

#[test]
fn our_own_voice_is_known_within_a_quarter_of_a_second_from_near_and_far_through_any_room() {
    for (voice, lag, decibels, room) in [(0, 1_440, -12.0, true), (2, 333, -20.0, false), (4, 3_601, -6.0, true)] {
        let sent = talk(voice, 14_000);
        let found = judge(&sent, &echoed(&sent, lag, decibels, room));
        let began = found[0].0;
        let known = found.iter().find(|(_, judged)| *judged == Judgement::Echo).expect("an echo").0;
        assert!(known - began <= 250, "voice {voice}: known {} ms after it began", known - began);
        let after: Vec<_> = found.iter().copied().filter(|(at, _)| *at > known).collect();
        assert!(share(&after, Judgement::Echo) > 0.9, "voice {voice}: {}", share(&after, Judgement::Echo));
    }
}

#[test]
fn a_caller_over_the_echo_is_heard() {
    let sent = talk(0, 26_000);
    for (caller, decibels, within) in [(3, 0.0, 500), (5, 0.0, 500), (3, -6.0, 700)] {
        let mut voice = talk(caller, 10_000);
        level::scale(&mut voice, level::gain(decibels));
        let found = judge(&sent, &over(echoed(&sent, 1_440, -12.0, true), &voice, 12_000));
        let during = |from, to| {
            let hops = found.iter().filter(|(at, _)| (from..to).contains(at));
            hops.filter(|(_, judged)| *judged != Judgement::Echo).count()
        };
        assert!(during(700, 1_500) <= 8, "the echo before is known: {}", during(700, 1_500));
        // 320 ms of voice make a hold.
        let heard = during(1_500, 1_500 + within);
        assert!(heard >= 32, "caller {caller} at {decibels} dB: {heard} hops");
    }
}

#[test]
fn somebody_else_while_we_speak_is_no_echo() {
    for (ours, theirs) in [(0, 3), (4, 1), (2, 0)] {
        let found = judge(&talk(ours, 20_000), &over(vec![0; 2_777], &talk(theirs, 16_000), 2_777));
        assert!(share(&found, Judgement::Echo) < 0.05, "{ours} and {theirs}: {}", share(&found, Judgement::Echo));
        assert!(share(&found, Judgement::Clear) > 0.5, "{ours} and {theirs}: {}", share(&found, Judgement::Clear));
    }
}

#[test]
fn while_we_are_silent_everybody_is_heard_clearly() {
    let found = judge(&[0; 16_000], &talk(1, 16_000));
    assert!(found.len() > 100 && share(&found, Judgement::Clear) == 1.0);
}

#[test]
fn a_rate_it_cannot_work_at_is_left_alone() {
    assert!(Echo::new(SampleRate::new(11_025).unwrap(), start()).is_none());
}
