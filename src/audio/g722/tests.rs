use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::audio::{Concealer, Frame, SampleRate, level};

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/codecs").join(name)).unwrap()
}

fn sound(name: &str) -> Vec<i16> {
    bytes(name).as_chunks().0.iter().map(|bytes| i16::from_le_bytes(*bytes)).collect()
}

fn decoded(payload: &[u8]) -> Vec<i16> {
    let mut samples = vec![0; 2 * payload.len()];
    assert_eq!(G722Decoder::new().decode(payload, &mut samples), payload.len());
    samples
}

fn voice() -> Vec<i16> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/audio/caller-booking-16k.wav");
    crate::audio::wav::Wav::parse(&std::fs::read(path).unwrap()).unwrap().into_mono()
}

#[test]
fn what_another_coder_sent_is_decoded_to_the_bit() {
    assert_eq!(decoded(&bytes("voice.g722"))[..16_000], sound("voice.s16"));
    assert_eq!(decoded(&bytes("harsh.g722")), sound("harsh.decoded.s16"));
}

#[test]
fn what_is_coded_is_to_the_bit_what_another_coder_sends() {
    for (original, coded) in [(voice(), "voice.g722"), (sound("harsh.s16"), "harsh.g722")] {
        let mut payload = vec![0; original.len() / 2];
        G722Encoder::new().encode(&original, &mut payload);
        let theirs = bytes(coded);
        assert_eq!(payload[..], theirs[..payload.len()], "{coded}");
    }
}

#[test]
fn what_does_not_fit_is_left_out() {
    let mut payload = [0; 4];
    assert_eq!(G722Encoder::new().encode(&[0; 7], &mut payload), 3, "a sample without a partner");
    assert_eq!(G722Encoder::new().encode(&[0; 100], &mut payload), 4);
    assert_eq!(G722Decoder::new().decode(&[0; 100], &mut [0; 5]), 2);
}

/// After each loss of 60 ms: how much what is decoded in the 40 ms behind it differs from what would have been, in dB.
fn error_behind_losses(follow: bool) -> f64 {
    const PACKET: usize = 160;
    const MS_20: Duration = Duration::from_millis(20);
    let payload = bytes("voice.g722");
    let packets: Vec<&[u8]> = payload.chunks_exact(PACKET).collect();
    let hear = |decoder: &mut G722Decoder, concealer: &mut Concealer, packet: &[u8]| {
        let mut frame = Frame::silence(SampleRate::HZ_16000, MS_20);
        decoder.decode(packet, frame.samples_mut());
        concealer.good(&mut frame);
        frame
    };
    let (mut whole, mut heard) = (G722Decoder::new(), Concealer::new(SampleRate::HZ_16000));
    let truth = decoded(&payload);
    let (mut error, mut energy) = (0f64, 0f64);
    for (n, packet) in packets[..packets.len() - 5].iter().enumerate() {
        hear(&mut whole, &mut heard, packet);
        let (mut decoder, mut concealer) = (whole.clone(), heard.clone());
        for _ in 0..3 {
            let made_up = concealer.lost(MS_20);
            if follow {
                decoder.follow(made_up.samples());
            }
        }
        for late in n + 4..n + 6 {
            let frame = hear(&mut decoder, &mut concealer, packets[late]);
            let truth = &truth[2 * PACKET * late..2 * PACKET * (late + 1)];
            let pairs = frame.samples().iter().zip(truth);
            error += pairs.map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum::<f64>();
            energy += level::energy(truth) as f64;
        }
    }
    10.0 * (error / energy).log10()
}

#[test]
fn a_decoder_that_follows_what_was_made_up_comes_back_sooner() {
    let (frozen, followed) = (error_behind_losses(false), error_behind_losses(true));
    assert!(followed < frozen - 0.5 && followed < -3.0, "{followed:.1} dB, frozen {frozen:.1} dB");
}

#[test]
fn after_a_long_gap_the_decoder_begins_anew() {
    let payload = bytes("voice.g722");
    let mut decoder = G722Decoder::new();
    let mut samples = vec![0; 16_000];
    decoder.decode(&payload[..8_000], &mut samples);
    for _ in 0..20 {
        decoder.follow(&[0; 320]);
    }
    let mut fresh = vec![0; 16_000];
    decoder.decode(&payload, &mut samples);
    G722Decoder::new().decode(&payload, &mut fresh);
    assert_eq!(samples, fresh);
}

proptest! {
    #[test]
    fn any_bytes_are_sound_and_any_sound_can_be_coded(
        payload in prop::collection::vec(any::<u8>(), 0..600),
        samples in prop::collection::vec(any::<i16>(), 0..600),
    ) {
        let (mut decoder, mut encoder) = (G722Decoder::new(), G722Encoder::new());
        let mut room = vec![0; 1_200];
        prop_assert_eq!(decoder.decode(&payload, &mut room), payload.len());
        decoder.follow(&samples);
        decoder.decode(&payload, &mut room);
        let mut coded = vec![0; 300];
        prop_assert_eq!(encoder.encode(&samples, &mut coded), samples.len() / 2);
    }
}
