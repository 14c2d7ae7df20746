//! What a recording holds: to the sample what was sent and what was heard.

use super::tests::{GREETING, drain, ms, start, wait};
use super::*;
use crate::audio::tone::Tone;
use crate::audio::{Codec, Encoder, Frame};
use crate::call::DialogueSpec;
use crate::rtp::{Header, PacketBuf, PayloadType, Ssrc};

/// What came of a call: what was sent, what the recogniser was given, and both sides of the recording.
#[derive(Default)]
struct Kept {
    sent: Vec<u8>,
    heard: Vec<i16>,
    caller: Vec<i16>,
    agent: Vec<i16>,
    held: u32,
}

impl Kept {
    fn keep(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Transmit(packet) => self.sent.extend_from_slice(&packet.as_bytes()[12..]),
                Output::Transcribe(frame) => self.heard.extend_from_slice(frame.samples()),
                Output::Record(Stereo { caller, agent }) => {
                    assert_eq!(caller.samples().len(), agent.samples().len());
                    self.caller.extend_from_slice(caller.samples());
                    self.agent.extend_from_slice(agent.samples());
                }
                _ => {}
            }
        }
    }
}

fn voice() -> Vec<i16> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/audio/talk.wav");
    crate::audio::wav::Wav::parse(&std::fs::read(path).unwrap()).unwrap().into_mono()
}

/// A call whose agent talks for 6 s; the caller's sound begins a second after the answer, in packets of which `lost` do not
/// come.
fn held(dialogue: DialogueSpec, sound: &[i16], lost: impl Fn(u16) -> bool) -> Kept {
    let t = start();
    let dialogue = DialogueSpec { begin_message: "Hello there.".into(), ..dialogue };
    let (mut call, mut kept) = (Call::new(CallSpec { record: true, ..CallSpec::new(dialogue) }, t), Kept::default());
    call.handle_input(Input::Answered, t);
    kept.keep(drain(&mut call));
    let agent = voice();
    for (piece, n) in agent[8_000..56_000].chunks(800).zip(0u32..) {
        let now = t + ms(10) * n;
        call.handle_input(Input::Speech { reply: GREETING, samples: piece, rate: SampleRate::HZ_8000 }, now);
        kept.keep(drain(&mut call));
        kept.keep(wait(&mut call, now));
    }
    let mut encoder = Encoder::new(Codec::Pcmu);
    let from = t + ms(1_000);
    for (samples, n) in sound.chunks_exact(160).zip(0u16..) {
        let now = from + ms(20) * u32::from(n);
        kept.keep(wait(&mut call, now));
        let (payload_type, timestamp) = (PayloadType(0), u32::from(n) * 160);
        let header = Header { marker: false, payload_type, sequence: n, timestamp, ssrc: Ssrc(7) };
        let packet = PacketBuf::write(header, |payload| encoder.encode(samples, &mut payload[..160]));
        if !lost(n) {
            call.handle_input(Input::Packet(packet.as_bytes()), now);
            kept.keep(drain(&mut call));
        }
    }
    let end = from + RATE.duration_of(sound.len()) + ms(200);
    kept.keep(wait(&mut call, end));
    kept.held = call.report().holds;
    call.handle_input(Input::Closed, end);
    kept.keep(drain(&mut call));
    kept.keep(wait(&mut call, end + ms(5_000)));
    assert!(call.is_over());
    kept
}

const RATE: SampleRate = SampleRate::HZ_8000;

/// Where in `whole` the samples of `part` stand, all of them that fit.
fn place(whole: &[i16], part: &[i16]) -> Option<usize> {
    (0..8_000)
        .find(|&at| whole.get(at..).is_some_and(|rest| !rest.is_empty() && rest.iter().zip(part).all(|(a, b)| a == b)))
}

#[test]
fn both_sides_are_what_was_sent_and_heard_ducks_fades_holds_and_concealment_included() {
    // 300 ms of a voice that breaks off, twice, then a packet in ten is lost.
    let voice = voice();
    let pause = vec![0; 12_000];
    let sound = [&voice[8_000..10_400], &pause, &voice[8_000..10_400], &pause, &voice[8_000..16_000]].concat();
    let kept = held(DialogueSpec::default(), &sound, |n| n > 100 && n % 10 == 3);
    assert!(kept.held >= 1, "it was held and went on");
    assert!(kept.sent.len() > 3 * 8_000 && kept.agent.len() >= kept.sent.len());
    let coded: Vec<i16> = kept.sent.iter().map(|&byte| g711::ulaw_to_linear(byte)).collect();
    let agent: Vec<i16> = kept.agent.iter().map(|&sample| g711::ulaw_to_linear(g711::linear_to_ulaw(sample))).collect();
    assert_eq!(place(&agent, &coded), Some(0), "the first packet left at the answer");
    // The first frame of the caller is as old as its packet: 20 ms before it came.
    let at = RATE.samples_in(ms(980));
    assert_eq!(place(&kept.caller, &kept.heard), Some(at));
    assert!(kept.heard.len() >= sound.len() - 320, "what was lost was made up");
    assert!(kept.caller[..at].iter().all(|&sample| sample == 0));
}

/// The loudest sample of the caller's side while they press keys as tones in the sound.
fn loudest_key(redact_keys: bool) -> i16 {
    let mut sound = vec![0i16; 8_000];
    for key in "4111".chars() {
        let (mut tone, mut frame) = (Tone::key(key, RATE).unwrap(), <Frame>::silence(RATE, ms(100)));
        tone.fill(frame.samples_mut());
        sound.extend_from_slice(frame.samples());
        sound.extend([0; 800]);
    }
    sound.extend([0; 4_000]);
    let kept = held(DialogueSpec { redact_keys, ..DialogueSpec::default() }, &sound, |_| false);
    assert!(kept.caller.len() > 8_000);
    kept.caller.iter().map(|sample| sample.saturating_abs()).max().unwrap()
}

#[test]
fn keys_that_are_to_be_hidden_are_not_in_the_recording_from_their_first_sample_on() {
    assert_eq!(loudest_key(true), 0);
    assert!(loudest_key(false) > 1_000, "otherwise what came before a key was certain is there");
}
