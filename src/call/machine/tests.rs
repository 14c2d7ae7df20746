use super::*;
use crate::call::{Command, DialogueSpec, Timing};
use crate::conversation::{Failure, Transcript, TranscriptKind};
use crate::rtp::{Header, PacketBuf, PayloadType, Ssrc};

pub(super) const GREETING: ReplyId = ReplyId(1);

pub(super) fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[expect(clippy::disallowed_methods, reason = "a test needs some instant to begin with")]
pub(super) fn start() -> Instant {
    Instant::now() + Duration::from_secs(100)
}

/// A call that was answered at `now`, its greeting asked for.
fn answered(now: Instant) -> Call {
    let dialogue = DialogueSpec { begin_message: "Hello there.".into(), ..DialogueSpec::default() };
    let mut call = Call::new(CallSpec { record: true, ..CallSpec::new(dialogue) }, now);
    call.handle_input(Input::Answered, now);
    drain(&mut call);
    call
}

pub(super) fn drain(call: &mut Call) -> Vec<Output> {
    std::iter::from_fn(|| call.poll_output()).collect()
}

/// A packet of the caller's silence.
fn packet(n: u16) -> PacketBuf {
    let header = Header {
        marker: false,
        payload_type: PayloadType(0),
        sequence: n,
        timestamp: u32::from(n) * 160,
        ssrc: Ssrc(7),
    };
    PacketBuf::write(header, |payload| {
        payload[..160].fill(0xFF);
        160
    })
}

fn speech(call: &mut Call, reply: ReplyId, length: Duration, now: Instant) -> Vec<Output> {
    let samples = vec![1_000; SampleRate::HZ_8000.samples_in(length)];
    call.handle_input(Input::Speech { reply, samples: &samples, rate: SampleRate::HZ_8000 }, now);
    drain(call)
}

/// Runs the call's deadlines up to `until`.
pub(super) fn wait(call: &mut Call, until: Instant) -> Vec<Output> {
    let mut outputs = Vec::new();
    while let Some(due) = call.poll_timeout().filter(|due| *due <= until) {
        call.handle_timeout(due);
        outputs.extend(drain(call));
    }
    outputs
}

#[test]
fn a_process_that_stood_still_for_minutes_wakes_up_to_a_bounded_amount_of_work() {
    let t = start();
    let mut call = answered(t);
    speech(&mut call, GREETING, ms(3_000), t);
    for n in 0..50 {
        call.handle_input(Input::Packet(packet(n).as_bytes()), t + ms(20) * u32::from(n));
        wait(&mut call, t + ms(20) * u32::from(n));
    }
    let woken = t + Duration::from_secs(600);
    let mut most = 0;
    let mut all = 0;
    for _ in 0..200 {
        if call.poll_timeout().is_none_or(|due| due > woken) {
            break;
        }
        call.handle_timeout(woken);
        let outputs = drain(&mut call).len();
        (most, all) = (most.max(outputs), all + outputs);
    }
    assert!(most <= 150, "{most} outputs at once");
    assert!(all <= 300, "{all} outputs in all");
    assert!(call.poll_timeout().is_none_or(|due| due > woken), "a deadline does not go away");
}

#[test]
fn a_long_answer_does_not_keep_the_first_sound_of_the_next_reply_unread() {
    let t = start();
    let mut call = answered(t);
    speech(&mut call, GREETING, ms(6_000), t);
    assert!(!call.wants_speech(GREETING));
    let say = Command::Say { text: "One more thing.".into(), interruptible: true };
    call.handle_input(Input::Command(&say), t);
    let outputs = drain(&mut call);
    let next = outputs.iter().find_map(|output| match output {
        Output::Synthesize { reply, .. } => Some(*reply),
        _ => None,
    });
    let next = next.unwrap();
    assert!(call.wants_speech(next));
    speech(&mut call, next, ms(20), t);
    assert!(!call.wants_speech(next), "only its first chunk");
    wait(&mut call, t + ms(1_500));
    assert!(call.wants_speech(next) && call.wants_speech(GREETING));
}

#[test]
fn what_a_service_says_of_a_reply_that_was_heard_in_full_is_late_and_counted_once() {
    let t = start();
    let mut call = answered(t);
    speech(&mut call, GREETING, ms(200), t);
    call.handle_input(Input::SpeechEnded { reply: GREETING }, t);
    wait(&mut call, t + ms(1_500));
    assert!(call.report().lines.iter().any(|line| line.text == "Hello there."), "it was heard");
    assert_eq!(call.report().dropped, 0);
    speech(&mut call, GREETING, ms(20), t + ms(1_500));
    let failure = Input::Failed { service: Service::Tts, reply: Some(GREETING), failure: Failure::Unavailable };
    call.handle_input(failure, t + ms(1_500));
    assert_eq!(call.report().dropped, 2);
    assert_eq!(call.report().outbound.stale_samples, 0, "it never reached the playout");
}

/// The caller's voice, loud: a fixture of real speech, as packets.
fn voice() -> Vec<PacketBuf> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/audio/talk.wav");
    let samples = crate::audio::wav::Wav::parse(&std::fs::read(path).unwrap()).unwrap().into_mono();
    let mut encoder = crate::audio::Encoder::new(crate::audio::Codec::Pcmu);
    let packets = samples.chunks_exact(160).zip(0u16..).map(|(samples, n)| {
        let (payload_type, sequence, timestamp) = (PayloadType(0), n, u32::from(n) * 160);
        let header = Header { marker: false, payload_type, sequence, timestamp, ssrc: Ssrc(7) };
        PacketBuf::write(header, |payload| encoder.encode(samples, &mut payload[..160]))
    });
    packets.collect()
}

fn silenced(outputs: &[Output]) -> Vec<Duration> {
    let events = outputs.iter().filter_map(|output| match output {
        Output::Event(Event { kind: EventKind::Silenced { after, .. }, .. }) => Some(*after),
        _ => None,
    });
    events.collect()
}

/// Plays a long greeting while the caller talks; after the first voiced hop come `words`, or a command to be silent.
fn cut_by(words: Option<&str>) -> (Vec<Duration>, u32) {
    let t = start();
    let mut call = answered(t);
    speech(&mut call, GREETING, ms(4_000), t);
    let mut outputs = wait(&mut call, t + ms(1_500));
    let mut is_cut = false;
    for (packet, n) in voice().iter().zip(0u32..150) {
        let now = t + ms(1_500) + ms(20) * n;
        call.handle_input(Input::Packet(packet.as_bytes()), now);
        outputs.extend(drain(&mut call));
        if call.voice.is_some() && !is_cut {
            is_cut = true;
            match words {
                Some(text) => {
                    let (kind, text) = (TranscriptKind::Interim, text.to_owned());
                    let transcript = Transcript { kind, text, confidence: 0.9, audio_end: None };
                    call.handle_input(Input::Transcript(&transcript), now);
                }
                None => call.handle_input(Input::Command(&Command::Interrupt), now),
            }
            outputs.extend(drain(&mut call));
        }
        outputs.extend(wait(&mut call, now));
    }
    assert!(is_cut, "no voice was heard");
    (silenced(&outputs), call.report().interruptions)
}

#[test]
fn an_interruption_by_words_before_a_hold_is_measured_from_the_voice() {
    let (silenced, interruptions) = cut_by(Some("wait, stop, I have a question"));
    assert_eq!(interruptions, 1);
    assert!(matches!(silenced[..], [after] if after > Duration::ZERO && after < ms(300)), "{silenced:?}");
}

#[test]
fn a_silence_that_no_voice_brought_about_is_not_measured() {
    assert_eq!(cut_by(None).0, []);
}

#[test]
fn a_line_that_went_dead_says_media_lost_in_every_event() {
    let t = start();
    let dialogue =
        DialogueSpec { timing: Timing { idle_prompt: ms(300_000), ..Timing::default() }, ..Default::default() };
    let mut call = Call::new(CallSpec::new(dialogue), t);
    call.handle_input(Input::Answered, t);
    call.handle_input(Input::Packet(packet(0).as_bytes()), t);
    let mut outputs = drain(&mut call);
    outputs.extend(wait(&mut call, t + Duration::from_secs(40)));
    let reasons = outputs.iter().filter_map(|output| match output {
        Output::Event(Event { kind: EventKind::Dialogue(DialogueEvent::Ending { reason, .. }), .. })
        | Output::Event(Event { kind: EventKind::Ended { reason }, .. })
        | Output::Close { reason } => Some(*reason),
        _ => None,
    });
    let reasons: Vec<_> = reasons.collect();
    assert_eq!(reasons, [EndReason::MediaLost; 3]);
    assert_eq!(call.report().ended, Some((Duration::from_secs(15), EndReason::MediaLost)));
}
