//! Recorded speech over a bad line: what is made up for what is lost, and what a drifting clock leaves of a recording.

use std::time::{Duration, Instant};

use crate::audio::wav::Wav;
use crate::audio::{Codec, Encoder, Frame, SampleRate};
use crate::rtp::{Header, PacketBuf, PayloadType, Ssrc};

use super::{Heard, Inbound, InboundSpec, Recorder};

const RATE: SampleRate = SampleRate::HZ_8000;
const PTIME: Duration = Duration::from_millis(20);
const SAMPLES: usize = 160;

#[expect(clippy::disallowed_methods, reason = "a test needs some instant to begin with")]
fn start() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

fn talk() -> Vec<i16> {
    Wav::parse(include_bytes!("../../fixtures/audio/talk.wav")).unwrap().into_mono()
}

/// Numbers from 0 to 1 that are the same every time.
fn random(state: &mut u64) -> f64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 40) as f64 / (1u64 << 24) as f64
}

/// What of the sound's packets arrives, and when.
fn packets(sound: &[i16], loss: f64, jitter: Duration, fast: f64) -> (Vec<(Duration, PacketBuf)>, Vec<usize>) {
    let (mut encoder, mut seed) = (Encoder::new(Codec::Pcmu), 7);
    let (mut sent, mut lost) = (Vec::new(), Vec::new());
    for (n, samples) in sound.chunks_exact(SAMPLES).enumerate() {
        let header = Header {
            marker: false,
            payload_type: PayloadType(0),
            sequence: n as u16,
            timestamp: (n * SAMPLES) as u32,
            ssrc: Ssrc(7),
        };
        let packet = PacketBuf::write(header, |room| encoder.encode(samples, room));
        let late = jitter.mul_f64(random(&mut seed));
        if n > 0 && random(&mut seed) < loss {
            lost.push(n);
        } else {
            sent.push((PTIME.mul_f64((n + 1) as f64 / fast) + late, packet));
        }
    }
    sent.sort_by_key(|(at, _)| *at);
    (sent, lost)
}

/// Hears the packets as they come; `tell` is given each frame and its time.
fn hear(packets: &[(Duration, PacketBuf)], mut tell: impl FnMut(&Frame, Instant)) -> Inbound {
    let begin = start();
    let spec = InboundSpec::new(Codec::Pcmu, PayloadType(0));
    let mut inbound = Inbound::new(spec, begin);
    let mut drain = |inbound: &mut Inbound, now| {
        while let Some(heard) = inbound.poll() {
            if let Heard::Frame(frame) = heard {
                tell(&frame, now);
            }
        }
    };
    for (at, packet) in packets {
        let now = begin + *at;
        while let Some(due) = inbound.poll_timeout().filter(|due| *due <= now) {
            inbound.handle_timeout(due);
            drain(&mut inbound, due);
        }
        inbound.handle_packet(packet.as_bytes(), now);
        drain(&mut inbound, now);
    }
    inbound
}

fn largest_step(sound: &[i16]) -> i32 {
    sound.windows(2).map(|pair| (i32::from(pair[0]) - i32::from(pair[1])).abs()).max().unwrap_or(0)
}

/// As the codec leaves it.
fn coded(sound: &[i16]) -> Vec<i16> {
    let mut heard = Vec::new();
    hear(&packets(sound, 0.0, Duration::ZERO, 1.0).0, |frame, _| heard.extend_from_slice(frame.samples()));
    heard
}

#[test]
fn what_is_made_up_for_five_percent_of_speech_is_as_loud_as_what_was_lost() {
    let sound = talk();
    let (packets, lost) = packets(&sound, 0.05, Duration::ZERO, 1.0);
    let mut heard = Vec::new();
    hear(&packets, |frame, _| heard.extend_from_slice(frame.samples()));
    assert!(lost.len() > 20, "only {} packets are lost", lost.len());
    let energy = |sound: &[i16]| -> f64 {
        let places = lost.iter().filter_map(|n| sound.get(n * SAMPLES..(n + 1) * SAMPLES));
        places.flatten().map(|sample| f64::from(*sample).powi(2)).sum()
    };
    let off = 10.0 * (energy(&heard) / energy(&sound)).log10();
    assert!(off.abs() < 3.0, "{off:.2} dB");
}

#[test]
fn loss_and_jitter_leave_no_step_that_the_speech_has_not_itself() {
    let sound = talk();
    let natural = largest_step(&coded(&sound));
    let (packets, _) = packets(&sound, 0.05, Duration::from_millis(40), 1.0);
    let mut heard = Vec::new();
    let inbound = hear(&packets, |frame, _| heard.extend_from_slice(frame.samples()));
    let step = largest_step(&heard);
    assert!(step <= natural, "a step of {step}, by itself {natural}: {:?}", inbound.report());
}

#[test]
fn a_recording_of_a_drifting_caller_has_no_hole_no_click_and_ends_with_the_clock() {
    // As much in three minutes as 100 ppm in a quarter of an hour: without care that would be a hole of 100 ms.
    let tone: Vec<i16> = (0..8_000 * 180)
        .map(|n| (8_000.0 * (f64::from(n) * 220.0 / 8_000.0 * std::f64::consts::TAU).sin()) as i16)
        .collect();
    let natural = largest_step(&coded(&tone[..16_000]));
    for fast in [0.999_5, 1.000_5] {
        let (packets, _) = packets(&tone, 0.0, Duration::from_millis(10), fast);
        let mut recorded = Vec::new();
        let mut recorder: Option<Recorder> = None;
        let mut last = None;
        let inbound = hear(&packets, |frame, now| {
            let recorder = recorder.get_or_insert_with(|| Recorder::new(RATE, now - PTIME));
            recorder.caller(frame, now);
            while let Some((caller, _)) = recorder.poll() {
                recorded.extend_from_slice(caller.samples());
            }
            last = Some(now);
        });
        let mut recorder = recorder.unwrap();
        recorder.finish(last.unwrap());
        while let Some((caller, _)) = recorder.poll() {
            recorded.extend_from_slice(caller.samples());
        }
        let lasted = RATE.duration_of(recorded.len());
        let passed = Duration::from_secs(180).mul_f64(1.0 / fast);
        assert!(lasted.abs_diff(passed) <= PTIME * 2, "{fast}: {lasted:?} of {passed:?}");
        let end = recorded.len() - 2 * SAMPLES;
        assert!(largest_step(&recorded[..end]) <= natural, "{fast}: {}", largest_step(&recorded[..end]));
        let silent =
            recorded[..end].chunks_exact(SAMPLES).filter(|piece| piece.iter().all(|sample| sample.abs() < 500));
        assert_eq!(silent.count(), 0, "{fast}: holes");
        assert!(inbound.report().adjusted.abs_diff(720) < 120, "{:?}", inbound.report());
    }
}
