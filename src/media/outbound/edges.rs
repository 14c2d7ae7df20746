//! No edge of what is sent is a click: wherever speech starts, is cut, breaks off, gives way or ends.

use std::f32::consts::TAU;

use proptest::prelude::*;

use super::*;
use crate::audio::ambience;
use crate::audio::level;

const RATE: SampleRate = SampleRate::HZ_8000;
/// A voice of 200 Hz: from one sample to the next it moves by 1 885 at the most.
const PEAK: f32 = 12_000.0;
const NATURAL: u32 = 1_885;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[expect(clippy::disallowed_methods, reason = "a test needs some instant to begin with")]
fn start() -> Instant {
    Instant::now() + Duration::from_secs(100)
}

/// A line whose every sample is kept.
struct Line {
    outbound: Outbound,
    now: Instant,
    sent: Vec<i16>,
    packets: usize,
}

impl Line {
    fn new(ptime: Duration, telephone_event: Option<PayloadType>, ambience: Ambience, dtx: bool) -> Self {
        let now = start();
        let plain = OutboundSpec::new(Codec::Pcmu, PayloadType(0));
        let mut outbound = Outbound::new(OutboundSpec { ptime, telephone_event, ambience, dtx, seed: 3, ..plain }, now);
        outbound.answer(now);
        Self { outbound, now, sent: Vec::new(), packets: 0 }
    }

    fn with<T>(&mut self, operation: impl FnOnce(&mut Outbound, Instant) -> T) -> T {
        let result = operation(&mut self.outbound, self.now);
        self.drain();
        result
    }

    fn run(&mut self, time: u64) {
        let until = self.now + ms(time);
        while let Some(due) = self.outbound.poll_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.outbound.handle_timeout(self.now);
            self.drain();
        }
        self.now = until;
        self.with(|outbound, now| outbound.handle_timeout(now));
    }

    fn drain(&mut self) {
        while let Some(sent) = self.outbound.poll() {
            match sent {
                Sent::Frame(frame) => self.sent.extend_from_slice(frame.samples()),
                Sent::Packet(_) => self.packets += 1,
                _ => {}
            }
        }
    }

    fn steepest(&self) -> u32 {
        self.sent.windows(2).map(|pair| i32::from(pair[0]).abs_diff(i32::from(pair[1]))).max().unwrap_or(0)
    }
}

/// A voice that begins at its loudest, from its nth sample on.
fn voice(from: usize, samples: usize) -> Vec<i16> {
    (from..from + samples).map(|n| (PEAK * (TAU * n as f32 / 40.0).cos()) as i16).collect()
}

fn key(key: char) -> Digit {
    Digit::new(key).unwrap()
}

#[test]
fn a_voice_that_begins_and_ends_in_the_middle_of_a_wave_does_not_click() {
    // Its end lies in a packet, at its end, and just before it.
    for samples in [1_000, 1_120, 1_113, 1_600] {
        let mut line = Line::new(ms(20), None, Ambience::None, false);
        line.run(50);
        line.with(|outbound, now| {
            outbound.play(ReplyId(1), now);
            outbound.speech(ReplyId(1), &voice(0, samples), RATE, now);
            outbound.speech_ended(ReplyId(1), now);
        });
        line.run(400);
        assert!(line.steepest() <= 2 * NATURAL, "{samples}: {}", line.steepest());
        let first = line.sent.iter().position(|sample| *sample != 0).unwrap();
        assert_eq!(
            line.sent[first - 1 + 24..first - 1 + samples],
            voice(0, samples)[24..],
            "between its edges it is as it was"
        );
        let after = &line.sent[first - 1 + samples..];
        assert!(after[40..].iter().all(|sample| *sample == 0), "it has died away within 5 ms");
    }
}

#[test]
fn a_voice_that_begins_softly_is_left_as_it_is() {
    let mut line = Line::new(ms(20), None, Ambience::None, false);
    let soft: Vec<i16> = voice(0, 1_600).iter().enumerate().map(|(n, s)| s / 40 * (n.min(40) as i16)).collect();
    line.with(|outbound, now| {
        outbound.play(ReplyId(1), now);
        outbound.speech(ReplyId(1), &soft, RATE, now);
    });
    line.run(150);
    assert!(line.sent.windows(800).any(|sent| *sent == soft[1..801]));
}

#[test]
fn a_voice_that_is_too_slow_by_a_whole_packet_does_not_click() {
    for samples in [320, 321, 325, 400, 470] {
        let mut line = Line::new(ms(20), None, Ambience::None, false);
        line.with(|outbound, now| outbound.play(ReplyId(1), now));
        for piece in 0..3 {
            line.with(|outbound, now| outbound.speech(ReplyId(1), &voice(piece * samples, samples), RATE, now));
            line.run(300);
        }
        assert!(line.outbound.report().underruns > 0);
        assert!(line.steepest() <= 2 * NATURAL, "{samples}: {}", line.steepest());
    }
}

#[test]
fn what_a_key_cuts_dies_away_before_it_and_comes_back_behind_it() {
    for events in [Some(PayloadType(101)), None] {
        for cut in [0, 1, 2] {
            let mut line = Line::new(ms(20), events, Ambience::None, false);
            line.with(|outbound, now| {
                outbound.play(ReplyId(1), now);
                outbound.speech(ReplyId(1), &voice(0, 8_000), RATE, now);
                outbound.speech_ended(ReplyId(1), now);
            });
            line.run(110);
            let before = line.sent.len();
            line.with(|outbound, now| {
                match cut {
                    0 => {}
                    1 => outbound.hold(now),
                    _ => _ = outbound.flush(ReplyId(1), now),
                }
                outbound.send_digits(&[key('1'), key('2')], now)
            });
            line.run(2_000);
            let cut_off = &line.sent[before..before + 160];
            assert!(cut_off[..20].iter().any(|sample| sample.unsigned_abs() > 4_000), "{events:?} {cut}");
            assert!(cut_off[40..].iter().all(|sample| *sample == 0), "{events:?} {cut}");
            if events.is_some() {
                assert!(line.steepest() <= 2 * NATURAL, "{events:?} {cut}: {}", line.steepest());
                let behind = line.sent[before + 160..].iter().any(|sample| *sample != 0);
                assert_eq!(behind, cut == 0, "{cut}: only what was not cut goes on");
            }
        }
    }
}

#[test]
fn a_bed_lies_under_everything_but_keys_and_is_no_silence() {
    for events in [Some(PayloadType(101)), None] {
        let mut line = Line::new(ms(20), events, Ambience::Office, true);
        line.run(3_000);
        assert_eq!(line.packets, line.sent.len() / 160, "nothing is left out");
        assert!((level::dbfs(&line.sent[8_000..]) - ambience::LEVEL_DBFS).abs() < 4.0);
        line.with(|outbound, now| {
            outbound.play(ReplyId(1), now);
            outbound.speech(ReplyId(1), &voice(0, 8_000), RATE, now);
            outbound.speech_ended(ReplyId(1), now);
        });
        line.run(600);
        line.with(|outbound, now| outbound.send_digits(&[key('1'), key('2')], now));
        let before = line.sent.len();
        line.run(300);
        // The packet in which the speech dies away, then the first key.
        let keys = &line.sent[before + 160..before + 160 + 800];
        assert_eq!(keys.iter().all(|sample| *sample == 0), events.is_some(), "an event has no sound");
        line.run(2_000);
        let last = &line.sent[line.sent.len() - 4_000..];
        assert!((level::dbfs(last) - ambience::LEVEL_DBFS).abs() < 5.0, "it goes on: {}", level::dbfs(last));
        line.with(|outbound, _| outbound.set_ambience(Ambience::None));
        line.run(2_000);
        let packets = line.packets;
        line.run(1_000);
        assert!(line.packets < packets + 10, "silence is left out again");
    }
}

#[test]
fn with_a_bed_the_words_are_as_they_were() {
    let sent = |ambience| {
        let mut line = Line::new(ms(20), None, ambience, false);
        line.run(2_000);
        line.with(|outbound, now| {
            outbound.play(ReplyId(1), now);
            outbound.speech(ReplyId(1), &voice(0, 4_000), RATE, now);
            outbound.speech_ended(ReplyId(1), now);
        });
        line.run(2_000);
        line.sent
    };
    let (plain, over) = (sent(Ambience::None), sent(Ambience::CoffeeShop));
    let under: Vec<i16> = over.iter().zip(&plain).map(|(over, plain)| over - plain).collect();
    assert!((level::dbfs(&under[8_000..]) - ambience::LEVEL_DBFS).abs() < 4.0);
    let natural = ambience::coffee_shop(RATE).unwrap().windows(2).map(|p| i32::from(p[0]).abs_diff(i32::from(p[1])));
    let steepest = under.windows(2).map(|p| i32::from(p[0]).abs_diff(i32::from(p[1])));
    assert!(steepest.max() <= natural.max(), "nothing moves it");
}

/// What may happen to a line.
#[derive(Clone, Debug)]
enum Deed {
    Speech(usize),
    End,
    Next,
    Duck(bool),
    Hold,
    Resume(u64),
    Flush,
    Keys,
    Ambience(usize),
    Wait(u64),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        3 => (1usize..4_000).prop_map(Deed::Speech),
        1 => Just(Deed::End),
        2 => Just(Deed::Next),
        1 => any::<bool>().prop_map(Deed::Duck),
        2 => Just(Deed::Hold),
        2 => (0u64..400).prop_map(Deed::Resume),
        2 => Just(Deed::Flush),
        1 => Just(Deed::Keys),
        1 => (0usize..4).prop_map(Deed::Ambience),
        8 => (0u64..150).prop_map(Deed::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_edge_of_what_is_sent_is_a_click(
        ptime in prop::sample::select(vec![10u64, 20, 30, 40, 60]),
        deeds in prop::collection::vec(deed(), 1..80),
    ) {
        let mut line = Line::new(ms(ptime), Some(PayloadType(101)), Ambience::None, false);
        let (mut reply, mut spoken) = (0, 0);
        for deed in deeds {
            match deed {
                Deed::Speech(samples) => {
                    let piece = voice(spoken, samples);
                    spoken += samples;
                    line.with(|outbound, now| outbound.speech(ReplyId(reply), &piece, RATE, now));
                }
                Deed::End => line.with(|outbound, now| outbound.speech_ended(ReplyId(reply), now)),
                Deed::Next => {
                    line.with(|outbound, now| outbound.speech_ended(ReplyId(reply), now));
                    (reply, spoken) = (reply + 1, 0);
                    line.with(|outbound, now| outbound.play(ReplyId(reply), now));
                }
                Deed::Duck(true) => line.with(|outbound, now| outbound.duck(now)),
                Deed::Duck(false) => line.with(|outbound, now| outbound.unduck(now)),
                Deed::Hold => line.with(|outbound, now| outbound.hold(now)),
                Deed::Resume(back) => line.with(|outbound, now| outbound.resume(None, ms(back), now)),
                Deed::Flush => {
                    line.with(|outbound, now| outbound.flush(ReplyId(reply), now));
                    (reply, spoken) = (reply + 1, 0);
                    line.with(|outbound, now| outbound.play(ReplyId(reply), now));
                }
                Deed::Keys => _ = line.with(|outbound, now| outbound.send_digits(&[key('5')], now)),
                Deed::Ambience(n) => line.with(|outbound, _| outbound.set_ambience(Ambience::ALL[n])),
                Deed::Wait(time) => line.run(time),
            }
        }
        line.run(500);
        // Twice what the voice does by itself, and what the liveliest bed does.
        prop_assert!(line.steepest() <= 2 * NATURAL + 1_600, "a step of {}", line.steepest());
    }
}
