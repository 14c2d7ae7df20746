use proptest::prelude::*;

use super::*;
use crate::audio::Decoder;
use crate::audio::tone::KeyDetector;
use crate::rtp::Packet;

const A: ReplyId = ReplyId(1);
const B: ReplyId = ReplyId(2);
const RATE: SampleRate = SampleRate::HZ_8000;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[expect(clippy::disallowed_methods, reason = "a test needs some instant to begin with")]
fn start() -> Instant {
    Instant::now() + Duration::from_secs(100)
}

/// A line in virtual time.
struct Bench {
    outbound: Outbound,
    start: Instant,
    at: u64,
    /// Everything sent, with the time in ms.
    sent: Vec<(u64, Sent)>,
}

impl Bench {
    fn new() -> Self {
        Self::of(Duration::ZERO, false)
    }

    fn of(lead: Duration, far_buffer: bool) -> Self {
        let start = start();
        let spec = OutboundSpec {
            telephone_event: Some(PayloadType(101)),
            lead,
            far_buffer,
            seed: 42,
            ..OutboundSpec::new(Codec::Pcmu, PayloadType(0))
        };
        Self { outbound: Outbound::new(spec, start), start, at: 0, sent: Vec::new() }
    }

    fn answered() -> Self {
        let mut bench = Self::new();
        bench.with(|outbound, now| outbound.answer(now));
        bench
    }

    fn far() -> Self {
        let mut bench = Self::of(ms(60), true);
        bench.with(|outbound, now| outbound.answer(now));
        bench
    }

    fn with<T>(&mut self, operation: impl FnOnce(&mut Outbound, Instant) -> T) -> T {
        let result = operation(&mut self.outbound, self.start + ms(self.at));
        self.drain();
        result
    }

    fn speech(&mut self, reply: ReplyId, length: u64, value: i16) {
        let samples = vec![value; RATE.samples_in(ms(length))];
        self.with(|outbound, now| outbound.speech(reply, &samples, RATE, now));
    }

    /// Plays a reply of a constant value to its end.
    fn whole(&mut self, reply: ReplyId, length: u64, value: i16) {
        self.with(|outbound, now| {
            outbound.expect(reply);
            outbound.play(reply, now);
        });
        self.speech(reply, length, value);
        self.with(|outbound, now| outbound.speech_ended(reply, now));
    }

    fn run_to(&mut self, until: u64) {
        while let Some(deadline) = self.outbound.poll_timeout()
            && deadline <= self.start + ms(until)
        {
            self.at = self.at.max(deadline.saturating_duration_since(self.start).as_millis() as u64);
            self.outbound.handle_timeout(deadline);
            self.drain();
        }
        self.at = self.at.max(until);
        self.with(|outbound, now| outbound.handle_timeout(now));
    }

    fn drain(&mut self) {
        while let Some(sent) = self.outbound.poll() {
            self.sent.push((self.at, sent));
        }
    }

    fn packets(&self) -> Vec<(u64, Header, Vec<u8>)> {
        let packets = self.sent.iter().filter_map(|(at, sent)| match sent {
            Sent::Packet(packet) => Some((*at, packet.as_bytes().to_vec())),
            _ => None,
        });
        packets
            .map(|(at, bytes)| {
                let packet = Packet::parse(&bytes).unwrap();
                (at, packet.header, packet.payload.to_vec())
            })
            .collect()
    }

    /// When a packet with anything but silence left.
    fn sounding(&self) -> Vec<u64> {
        let sounding = self.packets().into_iter().filter(|(_, _, payload)| payload.iter().any(|byte| *byte != 0xFF));
        sounding.map(|(at, ..)| at).collect()
    }

    /// The samples that left, in order.
    fn sound(&self) -> Vec<i16> {
        let frames = self.sent.iter().filter_map(|(_, sent)| match sent {
            Sent::Frame(frame) => Some(frame.samples().to_vec()),
            _ => None,
        });
        frames.flatten().collect()
    }

    fn when(&self, what: impl Fn(&Sent) -> bool) -> Vec<u64> {
        self.sent.iter().filter(|(_, sent)| what(sent)).map(|(at, _)| *at).collect()
    }
}

#[test]
fn from_the_answer_on_silence_is_sent_every_20_ms() {
    let mut bench = Bench::new();
    assert_eq!(bench.outbound.poll_timeout(), None);
    bench.at = 7;
    bench.with(|outbound, now| outbound.answer(now));
    bench.run_to(107);
    let packets = bench.packets();
    assert_eq!(packets.iter().map(|(at, ..)| *at).collect::<Vec<_>>(), [7, 27, 47, 67, 87, 107]);
    for pair in packets.windows(2) {
        assert_eq!(pair[1].1.sequence, pair[0].1.sequence.wrapping_add(1));
        assert_eq!(pair[1].1.timestamp, pair[0].1.timestamp.wrapping_add(160));
        assert_eq!(pair[1].1.ssrc, pair[0].1.ssrc);
    }
    assert!(packets.iter().all(|(_, header, payload)| !header.marker && *payload == [0xFF; 160]));
}

#[test]
fn a_reply_does_not_wait_for_the_tick_and_the_grid_comes_back() {
    let mut bench = Bench::answered();
    bench.run_to(105);
    bench.whole(A, 100, 5_000);
    bench.run_to(300);
    assert_eq!(bench.sounding(), [105, 125, 145, 165, 185, 220], "the last dies away");
    assert_eq!(bench.when(|sent| matches!(sent, Sent::Started { reply: A })), [105]);
    assert_eq!(bench.when(|sent| matches!(sent, Sent::Ended { reply: A, heard } if *heard == ms(100))), [185]);
    let packets = bench.packets();
    let after: Vec<_> = packets.iter().map(|(at, ..)| *at).filter(|at| *at > 185).collect();
    assert_eq!(after, [220, 240, 260, 280, 300], "silence is on the grid again");
    let marked: Vec<_> = packets.iter().filter(|(_, header, _)| header.marker).map(|(at, ..)| *at).collect();
    assert_eq!(marked, [105]);
    assert!(packets.windows(2).all(|pair| pair[1].1.timestamp == pair[0].1.timestamp.wrapping_add(160)));
}

#[test]
fn what_is_sent_is_the_speech_sample_for_sample() {
    let mut bench = Bench::answered();
    let speech: Vec<i16> = (0..1_000).map(|n| n * 13 % 3_000 + 1).collect();
    bench.with(|outbound, now| {
        outbound.play(A, now);
        for piece in speech.chunks(333) {
            outbound.speech(A, piece, RATE, now);
        }
        outbound.speech_ended(A, now);
    });
    bench.run_to(400);
    let sound = bench.sound();
    let first = sound.iter().position(|sample| *sample != 0).unwrap();
    assert_eq!(sound[first..first + 1_000], speech);
    assert!(sound[first + 1_000..first + 1_040].iter().any(|sample| *sample != 0), "a last value of 988 dies away");
    assert!(sound[first + 1_040..].iter().all(|sample| *sample == 0));
    assert_eq!(bench.outbound.heard(A), RATE.duration_of(1_000));
}

#[test]
fn an_expected_reply_is_not_heard_before_it_is_played_and_then_at_once() {
    let mut bench = Bench::answered();
    bench.with(|outbound, _| outbound.expect(A));
    bench.speech(A, 500, 3_000);
    bench.run_to(211);
    assert!(bench.sounding().is_empty());
    bench.with(|outbound, now| outbound.play(A, now));
    assert_eq!(bench.sounding(), [211]);
}

#[test]
fn the_packet_after_a_hold_dies_away_and_the_reply_goes_on_where_it_was() {
    let mut bench = Bench::answered();
    bench.run_to(99);
    bench.whole(A, 1_000, 4_000);
    bench.run_to(310);
    assert_eq!(bench.sounding().last(), Some(&299));
    bench.with(|outbound, now| outbound.hold(now));
    bench.run_to(800);
    assert_eq!(bench.sounding().last(), Some(&320), "5 ms of it");
    let sound = bench.sound();
    let last = sound.iter().rposition(|sample| *sample != 0).unwrap();
    let edge = &sound[last - 60..=last];
    assert!(edge.windows(2).all(|pair| pair[0] >= pair[1] && pair[0] - pair[1] < 400), "no click: {edge:?}");
    assert!(edge[10] == 4_000 && edge[60] < 100 && edge[30] < 4_000, "40 samples: {edge:?}");
    let silenced = bench.when(|sent| matches!(sent, Sent::Silenced));
    assert_eq!(silenced, [320], "back on the grid");
    assert_eq!(bench.outbound.heard(A), ms(220));
    bench.with(|outbound, now| outbound.resume(None, Duration::ZERO, now));
    bench.run_to(2_000);
    assert_eq!(bench.when(|sent| matches!(sent, Sent::Ended { reply: A, heard } if *heard == ms(1_000))).len(), 1);
    let sounding = bench.sound().iter().filter(|sample| **sample != 0).count();
    assert!((8_020..=8_080).contains(&sounding), "{sounding} samples, but for the fades' ends");
}

#[test]
fn a_resume_steps_back_as_far_as_asked_and_kept_and_fades_in() {
    let mut bench = Bench::answered();
    let speech: Vec<i16> = (0..8_000).map(|n| n + 1).collect();
    bench.with(|outbound, now| {
        outbound.play(A, now);
        outbound.speech(A, &speech, RATE, now);
        outbound.speech_ended(A, now);
    });
    bench.run_to(510);
    let sent = bench.outbound.heard(A);
    bench.with(|outbound, now| outbound.hold(now));
    bench.run_to(700);
    let before = bench.sound().len();
    bench.with(|outbound, now| outbound.resume(None, ms(5_000), now));
    bench.run_to(800);
    assert_eq!(bench.outbound.heard(A), sent, "what is heard again was heard already");
    let sound = bench.sound();
    let again = &sound[before..];
    let expected = RATE.samples_in(sent - ms(300));
    // After the fade of 20 ms the samples are those of 300 ms before.
    assert_eq!(again[160..320], speech[expected + 160..expected + 320]);
    assert!(again[..160].iter().zip(&speech[expected..]).all(|(faded, full)| faded <= full));
}

#[test]
fn a_flush_tells_what_was_heard_and_the_rest_is_never_sent() {
    let mut bench = Bench::answered();
    bench.run_to(99);
    bench.with(|outbound, now| outbound.play(A, now));
    bench.speech(A, 400, 4_000);
    bench.run_to(210);
    let cut = bench.with(|outbound, now| outbound.flush(A, now));
    assert_eq!(cut.heard, ms(120));
    assert!((cut.share - 0.3).abs() < 1e-6, "{cut:?}");
    bench.speech(A, 100, 4_000);
    bench.run_to(600);
    assert_eq!(bench.sounding().last(), Some(&220), "5 ms in which it dies away");
    assert_eq!(bench.when(|sent| matches!(sent, Sent::Silenced)).len(), 1);
    assert_eq!(bench.when(|sent| matches!(sent, Sent::Ended { .. })).len(), 0);
    assert_eq!(bench.outbound.report().stale_samples, 800);
    assert_eq!(bench.outbound.flush(A, bench.start), cut, "asked again it answers the same");
    assert_eq!(bench.outbound.flush(B, bench.start), Cut::default());
}

#[test]
fn speech_that_comes_while_held_is_kept() {
    let mut bench = Bench::answered();
    bench.with(|outbound, now| outbound.play(A, now));
    bench.speech(A, 100, 4_000);
    bench.run_to(50);
    bench.with(|outbound, now| outbound.hold(now));
    bench.speech(A, 100, 4_000);
    bench.with(|outbound, now| outbound.speech_ended(A, now));
    bench.run_to(400);
    bench.with(|outbound, now| outbound.resume(None, Duration::ZERO, now));
    bench.run_to(800);
    assert_eq!(bench.when(|sent| matches!(sent, Sent::Ended { heard, .. } if *heard == ms(200))).len(), 1);
}

#[test]
fn a_slow_voice_is_an_underrun_once_and_starts_again_with_more_in_hand() {
    let mut bench = Bench::answered();
    bench.with(|outbound, now| outbound.play(A, now));
    bench.speech(A, 50, 4_000);
    bench.run_to(200);
    assert_eq!(bench.when(|sent| matches!(sent, Sent::Underrun { reply: A })).len(), 1);
    assert_eq!(bench.outbound.report().underruns, 1);
    assert_eq!(bench.outbound.heard(A), ms(50));
    bench.speech(A, 50, 4_000);
    let sounding = bench.sounding().len();
    bench.run_to(250);
    assert_eq!(bench.sounding().len(), sounding, "50 ms are less than the 60 it waits for");
    bench.speech(A, 20, 4_000);
    assert_eq!(bench.sounding().len(), sounding + 1);
}

#[test]
fn a_first_piece_too_short_to_start_with_starts_when_its_time_is_up() {
    let mut bench = Bench::answered();
    bench.run_to(105);
    bench.with(|outbound, now| outbound.play(A, now));
    bench.speech(A, 30, 4_000);
    assert!(bench.sounding().is_empty());
    bench.run_to(145);
    assert_eq!(bench.sounding(), [145]);
}

#[test]
fn a_reply_without_sound_ends_without_starting() {
    let mut bench = Bench::answered();
    bench.with(|outbound, now| {
        outbound.play(A, now);
        outbound.speech_ended(A, now);
    });
    assert_eq!(bench.when(|sent| matches!(sent, Sent::Ended { reply: A, heard } if heard.is_zero())), [0]);
    assert_eq!(bench.when(|sent| matches!(sent, Sent::Started { .. })).len(), 0);
}

#[test]
fn replies_are_played_in_the_order_they_were_asked_for() {
    let mut bench = Bench::answered();
    bench.with(|outbound, now| {
        outbound.expect(B);
        outbound.play(A, now);
        outbound.play(B, now);
    });
    bench.speech(B, 60, 2_000);
    bench.with(|outbound, now| outbound.speech_ended(B, now));
    bench.run_to(100);
    assert!(bench.sounding().is_empty());
    bench.speech(A, 60, 1_000);
    bench.with(|outbound, now| outbound.speech_ended(A, now));
    bench.run_to(400);
    let started: Vec<_> = bench
        .sent
        .iter()
        .filter_map(|(_, sent)| if let Sent::Started { reply } = sent { Some(*reply) } else { None })
        .collect();
    assert_eq!(started, [A, B]);
    let sound: Vec<i16> = bench.sound().into_iter().filter(|sample| *sample != 0).collect();
    assert_eq!(sound[..480], [1_000; 480]);
    // What ended loud dies away within 5 ms.
    assert_eq!(sound[520..960], [2_000; 440]);
}

#[test]
fn ducked_speech_is_12_db_softer_and_comes_back_without_a_step() {
    let mut bench = Bench::answered();
    bench.whole(A, 400, 10_000);
    bench.run_to(90);
    bench.with(|outbound, now| outbound.duck(now));
    bench.run_to(190);
    bench.with(|outbound, now| outbound.unduck(now));
    bench.run_to(390);
    let sound: Vec<i16> = bench.sound().into_iter().filter(|sample| *sample != 0).collect();
    assert!(sound.contains(&2_512), "10 000 · 10^(−12/20)");
    let between = &sound[24..3_150];
    assert!(between.windows(2).all(|pair| pair[0].abs_diff(pair[1]) <= 120), "no click");
    assert_eq!(between.last(), Some(&10_000));
}

#[test]
fn speech_of_another_rate_is_as_long_and_begins_where_it_began() {
    let mut bench = Bench::answered();
    let rate = SampleRate::HZ_24000;
    let speech: Vec<i16> = (0..24_000).map(|n| (8_000.0 * (n as f32 * 0.1).sin()) as i16).collect();
    bench.with(|outbound, now| {
        outbound.play(A, now);
        for piece in speech.chunks(1_000) {
            outbound.speech(A, piece, rate, now);
        }
        outbound.speech_ended(A, now);
    });
    bench.run_to(1_300);
    let ended: Vec<_> = bench
        .sent
        .iter()
        .filter_map(|(_, sent)| if let Sent::Ended { heard, .. } = sent { Some(*heard) } else { None })
        .collect();
    assert!(matches!(ended[..], [heard] if heard.abs_diff(ms(1_000)) <= Duration::from_micros(250)), "{ended:?}");
}

#[test]
fn the_playout_is_bounded_and_says_when_it_has_enough() {
    let mut bench = Bench::answered();
    bench.with(|outbound, _| outbound.expect(A));
    bench.speech(A, 4_999, 1);
    assert!(bench.outbound.wants_speech(A));
    bench.speech(A, 1, 1);
    assert!(!bench.outbound.wants_speech(A));
    bench.speech(A, 6_000, 1);
    assert_eq!(bench.outbound.report().overflow_samples, 8_000);
}

#[test]
fn sound_that_waits_behind_a_reply_does_not_starve_it() {
    let mut bench = Bench::answered();
    bench.with(|outbound, now| {
        outbound.play(A, now);
        outbound.play(B, now);
    });
    bench.speech(A, 100, 1);
    bench.speech(B, 6_000, 1);
    assert!(bench.outbound.wants_speech(A), "its turn, and it has little");
    assert!(!bench.outbound.wants_speech(B));
    bench.speech(A, 2_000, 1);
    assert!(!bench.outbound.wants_speech(A));
}

#[test]
fn a_little_late_is_caught_up_and_much_too_late_is_skipped() {
    let mut bench = Bench::answered();
    bench.whole(A, 2_000, 5_000);
    bench.at = 65;
    bench.with(|outbound, now| outbound.handle_timeout(now));
    assert_eq!(bench.packets().len(), 5, "silence at 0, speech at 2, 22, 42, 62");
    assert_eq!(bench.outbound.report().skipped, 0);
    bench.at = 365;
    bench.with(|outbound, now| outbound.handle_timeout(now));
    let packets = bench.packets();
    assert_eq!(packets.len(), 6);
    let skipped = bench.outbound.report().skipped;
    assert_eq!(skipped, 14);
    assert_eq!(packets[5].1.timestamp, packets[4].1.timestamp.wrapping_add(160 * (1 + skipped as u32)));
    assert_eq!(packets[5].1.sequence, packets[4].1.sequence.wrapping_add(1));
    assert_eq!(bench.outbound.heard(A), ms(100), "no speech is skipped");
    assert!(bench.outbound.report().worst_lateness < ms(100));
}

#[test]
fn keys_go_out_between_the_sound_and_the_speech_waits() {
    let mut bench = Bench::answered();
    bench.whole(A, 200, 5_000);
    bench.run_to(50);
    let keys = [Digit::new('1').unwrap()];
    assert_eq!(bench.with(|outbound, now| outbound.send_digits(&keys, now)), 1);
    bench.run_to(1_000);
    let packets = bench.packets();
    let events: Vec<_> = packets.iter().filter(|(_, header, _)| header.payload_type == PayloadType(101)).collect();
    assert_eq!(events.len(), 7);
    assert!(events.iter().all(|(_, header, _)| header.timestamp == events[0].1.timestamp));
    assert_eq!(events.iter().filter(|(_, header, _)| header.marker).count(), 1);
    assert!(packets.windows(2).all(|pair| pair[1].1.sequence == pair[0].1.sequence.wrapping_add(1)));
    assert!(packets.windows(2).all(|pair| pair[1].0 - pair[0].0 <= 40));
    assert_eq!(bench.when(|sent| matches!(sent, Sent::Ended { heard, .. } if *heard == ms(200))).len(), 1);
    let sound: Vec<_> = packets.iter().filter(|(_, header, _)| header.payload_type == PayloadType(0)).collect();
    assert_eq!(sound[5].1.timestamp, sound[4].1.timestamp.wrapping_add(8 * 160), "the clock ran on");
}

#[test]
fn without_telephone_events_keys_go_out_as_tones() {
    let mut bench = Bench::answered();
    bench.outbound.spec.telephone_event = None;
    bench.whole(A, 200, 5_000);
    bench.run_to(50);
    let keys = ['1', '#'].map(|key| Digit::new(key).unwrap());
    assert_eq!(bench.with(|outbound, now| outbound.send_digits(&keys, now)), 2);
    bench.run_to(1_000);
    let packets = bench.packets();
    assert!(packets.iter().all(|(_, header, _)| header.payload_type == PayloadType(0)));
    assert!(packets.windows(2).all(|pair| pair[1].1.timestamp == pair[0].1.timestamp.wrapping_add(160)));
    let (mut decoder, mut ear, mut heard) = (Decoder::new(Codec::Pcmu), KeyDetector::new(RATE), String::new());
    for (_, _, payload) in &packets {
        ear.push(&decoder.decode(payload).unwrap(), |key| heard.push(key));
    }
    assert_eq!(heard, "1#");
    assert_eq!(bench.when(|sent| matches!(sent, Sent::Ended { heard, .. } if *heard == ms(200))).len(), 1);
}

#[test]
fn a_buffering_line_runs_60_ms_ahead_only_while_it_speaks() {
    let mut bench = Bench::far();
    bench.run_to(110);
    bench.whole(A, 200, 5_000);
    bench.run_to(1_000);
    assert_eq!(bench.sounding(), [110, 110, 110, 110, 130, 150, 170, 190, 210, 230, 320], "the last dies away");
    assert_eq!(bench.when(|sent| matches!(sent, Sent::Mark(_))), [230]);
    assert_eq!(bench.when(|sent| matches!(sent, Sent::Ended { .. })), [310], "when the far side has played it");
    let silence: Vec<_> = bench.packets().iter().map(|(at, ..)| *at).filter(|at| *at > 230).take(3).collect();
    assert_eq!(silence, [320, 340, 360]);
}

#[test]
fn a_hold_on_a_buffering_line_clears_it_and_keeps_what_was_not_heard() {
    let mut bench = Bench::far();
    bench.run_to(99);
    bench.whole(A, 1_000, 5_000);
    bench.run_to(209);
    assert_eq!(bench.outbound.heard(A), ms(110), "not what was sent ahead");
    bench.with(|outbound, now| outbound.hold(now));
    assert_eq!(bench.when(|sent| matches!(sent, Sent::ClearFar)), [209]);
    assert_eq!(bench.when(|sent| matches!(sent, Sent::Silenced)), [209]);
    bench.run_to(500);
    assert_eq!(bench.outbound.heard(A), ms(110));
    bench.with(|outbound, now| outbound.resume(None, Duration::ZERO, now));
    bench.run_to(3_000);
    let sent = bench.sound().iter().filter(|sample| **sample != 0).count();
    let cleared = bench.sounding().iter().filter(|at| **at <= 209).count() * 160 - RATE.samples_in(ms(110));
    assert!(sent.abs_diff(8_040 + cleared) <= 20, "{sent} with {cleared} sent twice, and 5 ms in which it dies away");
}

#[test]
fn what_was_heard_on_a_buffering_line_does_not_shrink_when_it_is_played_again() {
    let mut bench = Bench::far();
    bench.run_to(99);
    bench.with(|outbound, now| outbound.play(A, now));
    bench.speech(A, 2_000, 5_000);
    bench.run_to(609);
    bench.with(|outbound, now| outbound.hold(now));
    let heard = bench.outbound.heard(A);
    assert_eq!(heard, ms(510));
    bench.run_to(800);
    bench.with(|outbound, now| outbound.resume(None, ms(300), now));
    for at in (800..1_300).step_by(10) {
        bench.run_to(at);
        assert!(bench.outbound.heard(A) >= heard, "{:?} at {at} ms", bench.outbound.heard(A));
    }
    assert!(bench.outbound.heard(A) > heard, "it goes on");
    // Held and flushed while the same 300 ms are played a second time: still heard, and counted once.
    bench.with(|outbound, now| outbound.hold(now));
    let second = bench.outbound.heard(A);
    bench.with(|outbound, now| outbound.resume(None, ms(300), now));
    bench.run_to(1_400);
    bench.with(|outbound, now| outbound.hold(now));
    let cut = bench.with(|outbound, now| outbound.flush(A, now));
    assert_eq!(cut.heard, second);
    assert!((cut.share - second.as_secs_f32() / 2.0).abs() < 0.001, "{cut:?}");
}

#[test]
fn a_flush_on_a_buffering_line_counts_only_what_was_heard() {
    let mut bench = Bench::far();
    bench.run_to(99);
    bench.with(|outbound, now| outbound.play(A, now));
    bench.speech(A, 1_000, 5_000);
    bench.run_to(209);
    let cut = bench.with(|outbound, now| outbound.flush(A, now));
    assert_eq!(cut.heard, ms(110));
    assert!((cut.share - 0.11).abs() < 0.001, "{cut:?}");
    assert_eq!(bench.when(|sent| matches!(sent, Sent::ClearFar)).len(), 1);
}

#[test]
fn marks_of_a_slow_far_side_move_what_was_heard() {
    let mut bench = Bench::far();
    bench.run_to(99);
    bench.with(|outbound, now| outbound.play(A, now));
    bench.speech(A, 3_000, 5_000);
    bench.run_to(700);
    let marks: Vec<_> = bench
        .sent
        .iter()
        .filter_map(|(at, sent)| if let Sent::Mark(mark) = sent { Some((*at, *mark)) } else { None })
        .collect();
    let (_, mark) = marks[0];
    // 500 ms of the reply end at 599; the far side says so 150 ms later.
    bench.run_to(749);
    bench.with(|outbound, now| outbound.handle_played(mark, now));
    assert_eq!(bench.outbound.heard(A), ms(500));
    bench.run_to(849);
    assert_eq!(bench.outbound.heard(A), ms(600));
}

/// What a random test may do.
#[derive(Clone, Debug)]
enum Operation {
    Expect(u32),
    Play(u32),
    Speech(u32, usize),
    End(u32),
    Duck(bool),
    Hold,
    Resume(u64),
    Flush(u32),
    Digits,
    Played(u32),
    Wait(u64),
    Stall(u64),
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        (0u32..6).prop_map(Operation::Expect),
        (0u32..6).prop_map(Operation::Play),
        (0u32..6, 0usize..4_000).prop_map(|(reply, samples)| Operation::Speech(reply, samples)),
        (0u32..6, 0usize..4_000).prop_map(|(reply, samples)| Operation::Speech(reply, samples)),
        (0u32..6).prop_map(Operation::End),
        any::<bool>().prop_map(Operation::Duck),
        Just(Operation::Hold),
        (0u64..500).prop_map(Operation::Resume),
        (0u32..6).prop_map(Operation::Flush),
        Just(Operation::Digits),
        (0u32..20).prop_map(Operation::Played),
        (0u64..100).prop_map(Operation::Wait),
        (0u64..100).prop_map(Operation::Wait),
        (0u64..400).prop_map(Operation::Stall),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn random_operations_keep_the_stream_whole(far in any::<bool>(), operations in prop::collection::vec(operation(), 1..120)) {
        let mut bench = if far { Bench::far() } else { Bench::answered() };
        // Replies get fresh ids as they are used up, so that ids stay monotonic.
        let mut ids = [0u32, 1, 2, 3, 4, 5];
        let mut next = 6;
        for operation in operations {
            match operation {
                Operation::Expect(n) => bench.with(|outbound, _| outbound.expect(ReplyId(ids[n as usize]))),
                Operation::Play(n) => bench.with(|outbound, now| outbound.play(ReplyId(ids[n as usize]), now)),
                Operation::Speech(n, samples) => bench.with(|outbound, now| {
                    outbound.speech(ReplyId(ids[n as usize]), &vec![900; samples], RATE, now);
                }),
                Operation::End(n) => bench.with(|outbound, now| outbound.speech_ended(ReplyId(ids[n as usize]), now)),
                Operation::Duck(ducked) => bench.with(|outbound, now| if ducked { outbound.duck(now) } else { outbound.unduck(now) }),
                Operation::Hold => bench.with(|outbound, now| outbound.hold(now)),
                Operation::Resume(rewind) => bench.with(|outbound, now| outbound.resume(None, ms(rewind), now)),
                Operation::Flush(n) => {
                    let cut = bench.with(|outbound, now| outbound.flush(ReplyId(ids[n as usize]), now));
                    prop_assert!((0.0..=1.0).contains(&cut.share));
                    ids[n as usize] = next;
                    next += 1;
                }
                Operation::Digits => { bench.with(|outbound, now| outbound.send_digits(&[Digit::new('7').unwrap()], now)); }
                Operation::Played(mark) => bench.with(|outbound, now| outbound.handle_played(mark, now)),
                Operation::Wait(time) => bench.run_to(bench.at + time),
                Operation::Stall(time) => {
                    bench.at += time;
                    bench.with(|outbound, now| outbound.handle_timeout(now));
                }
            }
            let now = bench.start + ms(bench.at);
            prop_assert!(bench.outbound.poll_timeout().is_some_and(|deadline| deadline > now), "a spin or a stop");
        }
        let packets = bench.packets();
        let mut clock = packets[0].1.timestamp;
        for pair in packets.windows(2) {
            prop_assert_eq!(pair[1].1.sequence, pair[0].1.sequence.wrapping_add(1));
            prop_assert_eq!(pair[1].1.ssrc, pair[0].1.ssrc);
            prop_assert!(pair[1].0 >= pair[0].0);
            if pair[1].1.payload_type == PayloadType(0) {
                let step = pair[1].1.timestamp.wrapping_sub(clock);
                prop_assert!(step > 0 && step.is_multiple_of(160), "timestamps are contiguous but for skipped ticks: {}", step);
                clock = pair[1].1.timestamp;
            }
        }
        if !far {
            // Never more than one packet ahead of the clock.
            let skipped = bench.outbound.report().skipped as usize;
            prop_assert!(packets.len() + skipped <= bench.at as usize / 20 + 2, "{} packets in {} ms", packets.len(), bench.at);
        }
        // Whatever was started comes to its end or was flushed; nothing is heard twice.
        let ended: Vec<_> = bench.sent.iter().filter_map(|(_, sent)| if let Sent::Ended { reply, .. } = sent { Some(*reply) } else { None }).collect();
        let mut unique = ended.clone();
        unique.sort();
        unique.dedup();
        prop_assert_eq!(unique.len(), ended.len());
    }
}
