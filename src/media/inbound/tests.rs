use proptest::prelude::*;

use super::*;
use crate::audio::tone::Tone;
use crate::audio::{Encoder, SampleRate};
use crate::rtp::{PacketBuf, Ssrc};

const SPEC: InboundSpec =
    InboundSpec { telephone_event: Some(PayloadType(101)), ..InboundSpec::new(Codec::Pcmu, PayloadType(0)) };
const OURS: Ssrc = Ssrc(7);

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[expect(clippy::disallowed_methods, reason = "a test needs some instant to begin with")]
fn start() -> Instant {
    Instant::now() + Duration::from_secs(100)
}

/// A line and its virtual time. Frames are told apart by their first sample.
struct Bench {
    inbound: Inbound,
    start: Instant,
}

impl Bench {
    fn new() -> Self {
        let start = start();
        Self { inbound: Inbound::new(SPEC, start), start }
    }

    /// A packet of 20 ms at `at` ms; returns what is heard.
    fn packet(&mut self, sequence: u16, at: u64) -> Vec<Heard> {
        self.packet_of(OURS, sequence, u32::from(sequence) * 160, at)
    }

    fn packet_of(&mut self, ssrc: Ssrc, sequence: u16, timestamp: u32, at: u64) -> Vec<Heard> {
        let header = Header { marker: false, payload_type: PayloadType(0), sequence, timestamp, ssrc };
        // 0x80 + n decodes to a large value that n tells.
        self.send(header, &[0x80 | (sequence as u8 & 0x3F); 160], at)
    }

    fn event(&mut self, sequence: u16, timestamp: u32, event: TelephoneEvent, at: u64) -> Vec<Heard> {
        let header = Header { marker: false, payload_type: PayloadType(101), sequence, timestamp, ssrc: OURS };
        self.send(header, &event.to_bytes(), at)
    }

    fn send(&mut self, header: Header, payload: &[u8], at: u64) -> Vec<Heard> {
        let packet = PacketBuf::write(header, |room| {
            room[..payload.len()].copy_from_slice(payload);
            payload.len()
        });
        self.inbound.handle_packet(packet.as_bytes(), self.start + ms(at));
        self.drain()
    }

    fn wait(&mut self, at: u64) -> Vec<Heard> {
        let mut heard = Vec::new();
        while let Some(deadline) = self.inbound.poll_timeout()
            && deadline <= self.start + ms(at)
        {
            self.inbound.handle_timeout(deadline);
            heard.extend(self.drain());
        }
        heard
    }

    fn drain(&mut self) -> Vec<Heard> {
        std::iter::from_fn(|| self.inbound.poll()).collect()
    }

    fn deadline(&self) -> Option<u64> {
        self.inbound.poll_timeout().map(|at| at.saturating_duration_since(self.start).as_millis() as u64)
    }
}

/// Which of our packets a frame is: the low six bits of its sequence number; `None`: made up.
fn tag(frame: &Frame) -> Option<u8> {
    let first = *frame.samples().get(80)?;
    (0..64).find(|n| crate::audio::g711::ulaw_to_linear(0x80 | n) == first)
}

fn tags(heard: &[Heard]) -> Vec<Option<u8>> {
    heard.iter().filter_map(|heard| if let Heard::Frame(frame) = heard { Some(tag(frame)) } else { None }).collect()
}

fn length(heard: &[Heard]) -> Duration {
    heard.iter().filter_map(|heard| if let Heard::Frame(frame) = heard { Some(frame.duration()) } else { None }).sum()
}

#[test]
fn an_in_order_packet_is_heard_in_the_same_call() {
    let mut bench = Bench::new();
    for n in 0..60u16 {
        assert_eq!(tags(&bench.packet(n, 20 * u64::from(n))), [Some(n as u8)]);
    }
    let report = bench.inbound.report();
    assert_eq!((report.received, report.lost, report.concealed), (60, 0, Duration::ZERO));
    assert_eq!(report.jitter, Duration::ZERO);
}

#[test]
fn a_lost_packet_is_concealed_at_its_deadline_and_counted() {
    let mut bench = Bench::new();
    bench.packet(0, 0);
    assert_eq!(tags(&bench.packet(2, 40)), []);
    assert_eq!(tags(&bench.packet(3, 60)), []);
    assert_eq!(bench.deadline(), Some(90));
    let heard = bench.wait(90);
    assert_eq!(tags(&heard)[1..], [Some(2), Some(3)]);
    assert_eq!(length(&heard), ms(60));
    assert_eq!(tags(&bench.packet(4, 90)), [Some(4)]);
    let report = bench.inbound.report();
    assert_eq!((report.lost, report.concealed), (1, ms(20)));
    assert_eq!(tags(&bench.packet(1, 95)), []);
    let report = bench.inbound.report();
    assert_eq!((report.late, report.lost, report.duplicate), (1, 0, 0));
}

#[test]
fn a_reordered_packet_is_put_in_its_place() {
    let mut bench = Bench::new();
    bench.packet(0, 0);
    assert_eq!(tags(&bench.packet(2, 25)), []);
    assert_eq!(tags(&bench.packet(1, 30)), [Some(1), Some(2)]);
    let report = bench.inbound.report();
    assert_eq!((report.reordered, report.lost, report.received), (1, 0, 3));
}

#[test]
fn every_kind_of_refuse_is_counted_once_and_loses_nothing_else() {
    let mut bench = Bench::new();
    bench.packet(0, 0);
    bench.packet(0, 1);
    bench.inbound.handle_packet(&[0x80, 0], bench.start + ms(2));
    bench.inbound.handle_packet(&[0x40; 40], bench.start + ms(2));
    bench.inbound.handle_packet(&[0x80, 200, 0, 1, 0, 0, 0, 0], bench.start + ms(2));
    bench.packet_of(Ssrc(99), 500, 0, 3);
    let unknown = Header { marker: false, payload_type: PayloadType(96), sequence: 9, timestamp: 0, ssrc: Ssrc(99) };
    bench.send(unknown, &[1; 160], 3);
    let unknown = Header { sequence: 1, ssrc: OURS, ..unknown };
    bench.send(unknown, &[1; 160], 4);
    let empty = Header { sequence: 2, payload_type: PayloadType(0), timestamp: 320, ..unknown };
    bench.send(empty, &[], 5);
    assert_eq!(tags(&bench.packet(3, 60)), [Some(3)], "a stranger's payload took a number, so nothing is missing");
    let report = bench.inbound.report();
    assert_eq!((report.duplicate, report.malformed, report.rtcp, report.foreign), (1, 2, 1, 1));
    assert_eq!((report.unknown_payload, report.undecodable, report.lost, report.restarts), (2, 1, 0, 0));
}

#[test]
fn a_new_source_takes_over_with_its_second_packet_and_loses_none() {
    let mut bench = Bench::new();
    for n in 0..5u16 {
        bench.packet(n, 20 * u64::from(n));
    }
    assert_eq!(tags(&bench.packet_of(Ssrc(8), 33, 5_000_000, 100)), []);
    assert_eq!(tags(&bench.packet_of(Ssrc(8), 34, 5_000_160, 120)), [Some(33), Some(34)]);
    assert_eq!(tags(&bench.packet_of(Ssrc(8), 35, 5_000_320, 140)), [Some(35)]);
    let report = bench.inbound.report();
    assert_eq!((report.restarts, report.foreign, report.received, report.lost), (1, 0, 8, 0));
}

#[test]
fn a_clock_that_jumps_changes_nothing_but_a_counter() {
    let mut bench = Bench::new();
    bench.packet_of(OURS, 0, 0, 0);
    bench.packet_of(OURS, 1, 160, 20);
    let heard = bench.packet_of(OURS, 2, 3_000_000_000, 40);
    assert_eq!((tags(&heard), length(&heard)), (vec![Some(2)], ms(20)));
    assert_eq!(bench.inbound.report().restarts, 1);
}

#[test]
fn packets_of_any_length_are_taken_as_long_as_they_are() {
    for samples in [80usize, 160, 240, 320, 480] {
        let mut bench = Bench::new();
        for n in 0..10u16 {
            // A sender that counts 160 whatever it sends.
            let header = Header {
                marker: false,
                payload_type: PayloadType(0),
                sequence: n,
                timestamp: u32::from(n) * 160,
                ssrc: OURS,
            };
            let heard = bench.send(header, &vec![0x85; samples], u64::from(n) * samples as u64 / 8);
            assert_eq!(length(&heard), SPEC.codec.sample_rate().duration_of(samples));
        }
        assert_eq!(bench.inbound.report().restarts, 0);
    }
}

#[test]
fn when_packets_stop_the_sound_goes_on_by_the_clock() {
    let mut bench = Bench::new();
    bench.packet(0, 0);
    assert_eq!(bench.deadline(), Some(120));
    assert_eq!(length(&bench.wait(119)), Duration::ZERO);
    assert_eq!(length(&bench.wait(120)), ms(120));
    assert_eq!(length(&bench.wait(1_000)), ms(880));
    let report = bench.inbound.report();
    assert_eq!((report.concealed, report.filled), (ms(60), ms(940)));
    // A talkspurt after it is heard from its first packet, in its time.
    for n in 1..20u16 {
        let heard = bench.packet_of(OURS, n, 160 * u32::from(n) + 8_000, 1_000 + 20 * u64::from(n));
        assert_eq!(tags(&heard), [Some(n as u8)]);
    }
}

#[test]
fn a_burst_after_a_stall_does_not_make_the_sound_run_behind() {
    let mut bench = Bench::new();
    bench.packet(0, 0);
    let mut heard = length(&bench.wait(400));
    for n in 1..=20u16 {
        heard += length(&bench.packet(n, 400));
    }
    for n in 21..=50u16 {
        let packet = bench.packet(n, 20 * u64::from(n));
        assert_eq!(tags(&packet), [Some((n & 0x3F) as u8)]);
        heard += length(&packet);
    }
    assert!(heard <= ms(1_060), "{heard:?} in 1 000 ms");
    let report = bench.inbound.report();
    assert_eq!(report.late, 17, "three packets fit into the slack");
    assert_eq!(report.lost, 0);
}

#[test]
fn a_key_is_told_at_once_and_the_sound_goes_on_as_silence() {
    let mut bench = Bench::new();
    bench.packet(0, 0);
    let press = |duration, end| TelephoneEvent { event: 5, end, volume: 10, duration };
    let mut heard = Vec::new();
    for n in 1..=5u16 {
        heard.extend(bench.event(n, 160, press(160 * n, n >= 3), 20 * u64::from(n)));
    }
    assert!(matches!(heard.first(), Some(Heard::Digit(digit)) if digit.as_char() == '5'));
    assert_eq!(heard.iter().filter(|heard| matches!(heard, Heard::Digit(_))).count(), 1);
    assert_eq!(length(&heard), ms(100));
    assert_eq!(tags(&bench.packet_of(OURS, 6, 960, 120)), [Some(6)]);
    let report = bench.inbound.report();
    assert_eq!((report.digits, report.lost, report.concealed, report.late), (1, 0, Duration::ZERO, 0));
}

#[test]
fn lost_media_is_told_once_and_again_after_it_came_back() {
    let lost = |heard: &[Heard]| heard.iter().filter(|heard| matches!(heard, Heard::Lost)).count();
    let mut bench = Bench::new();
    assert_eq!(bench.deadline(), Some(30_000));
    assert_eq!(lost(&bench.wait(60_000)), 1);
    bench.packet(0, 60_000);
    assert_eq!(lost(&bench.wait(74_999)), 0);
    assert_eq!(lost(&bench.wait(75_000)), 1);
    assert_eq!(lost(&bench.wait(200_000)), 0);
}

#[test]
fn the_first_packet_is_told_once() {
    let mut bench = Bench::new();
    assert_eq!(bench.wait(500), []);
    let up = |heard: &[Heard]| heard.iter().filter(|heard| **heard == Heard::Up).count();
    assert_eq!(up(&bench.packet(1, 500)), 1);
    assert_eq!((up(&bench.packet(2, 520)), up(&bench.packet_of(Ssrc(9), 70, 0, 540))), (0, 0));
}

#[test]
fn a_beep_is_told_while_it_is_listened_for_and_dated_by_its_packets() {
    for listens in [false, true] {
        let mut bench = Bench::new();
        let start = bench.start;
        bench.inbound.listen_for_beep(listens);
        let (mut tone, mut encoder) = (Tone::single(1_000.0, -15.0, SampleRate::HZ_8000), Encoder::new(Codec::Pcmu));
        let mut beeps = Vec::new();
        for n in 0..50_u16 {
            let (mut samples, mut payload) = ([0; 160], [0; 160]);
            if (10..30).contains(&n) {
                tone.fill(&mut samples);
            }
            encoder.encode(&samples, &mut payload);
            let header = Header {
                marker: false,
                payload_type: PayloadType(0),
                sequence: n,
                timestamp: u32::from(n) * 160,
                ssrc: OURS,
            };
            let at = 1_000 + u64::from(n) * 20;
            let heard = bench.send(header, &payload, at);
            beeps.extend(heard.into_iter().filter_map(|heard| match heard {
                Heard::Beep { length, ended } => Some((at, length, ended.saturating_duration_since(start))),
                _ => None,
            }));
        }
        // The packets 10 to 29: their sound ended at 1580.
        match (listens, &beeps[..]) {
            (false, []) => {}
            (true, &[(told, length, ended)]) => {
                assert!(length.abs_diff(ms(400)) <= ms(25) && ended.abs_diff(ms(1_580)) <= ms(20), "{beeps:?}");
                assert!(told <= 1_720, "{told}");
            }
            _ => panic!("{listens}: {beeps:?}"),
        }
    }
}

#[test]
fn rtcp_is_a_sign_of_life() {
    let mut bench = Bench::new();
    let report = [0x80, 201, 0, 1, 0, 0, 0, 7];
    let lost = |heard: &[Heard]| heard.iter().filter(|heard| matches!(heard, Heard::Lost)).count();
    bench.inbound.handle_packet(&report, bench.start + ms(1_000));
    assert_eq!(bench.deadline(), Some(30_000), "it never shortens the first wait");
    bench.packet(0, 2_000);
    for n in 0..12 {
        assert_eq!(lost(&bench.wait(5_000 * (n + 1))), 0);
        bench.inbound.handle_packet(&report, bench.start + ms(5_000 * (n + 1)));
    }
    assert_eq!(lost(&bench.wait(74_999)), 0);
    assert_eq!(lost(&bench.wait(75_000)), 1);
    bench.inbound.handle_packet(&report, bench.start + ms(80_000));
    assert_eq!(lost(&bench.wait(95_000)), 1, "it came back, and was lost again");
}

#[test]
fn on_hold_nothing_is_produced_and_nothing_is_missed() {
    let mut bench = Bench::new();
    bench.packet(0, 0);
    bench.inbound.set_held(true, bench.start + ms(10));
    let heard = bench.packet(1, 20);
    assert!(matches!(heard[..], [] | [Heard::Silence { .. }]), "a stretch of voice ends, nothing else: {heard:?}");
    assert_eq!(bench.packet(3, 60), []);
    assert_eq!(bench.deadline(), None);
    assert_eq!(bench.packet(900, 20_000), []);
    bench.inbound.set_held(false, bench.start + ms(20_010));
    assert_eq!(tags(&bench.packet(901, 20_020)), [Some((901u16 & 0x3F) as u8)]);
    assert_eq!(bench.deadline(), Some(20_140));
}

#[test]
fn voice_is_dated_by_the_packets_that_bring_it() {
    let path = format!("{}/fixtures/audio/caller-time.wav", env!("CARGO_MANIFEST_DIR"));
    let voice = crate::audio::wav::Wav::parse(&std::fs::read(path).unwrap()).unwrap().into_mono();
    let mut sound = vec![0i16; 8_000];
    sound.extend(voice);
    sound.extend([0i16; 8_000]);
    let mut bench = Bench::new();
    let (mut began, mut ended) = (None, Vec::new());
    for (n, samples) in sound.chunks_exact(160).enumerate() {
        let mut payload = [0xFF; 160];
        payload.iter_mut().zip(samples).for_each(|(byte, sample)| *byte = crate::audio::g711::linear_to_ulaw(*sample));
        let (sequence, timestamp) = (n as u16, 160 * n as u32);
        let header = Header { marker: false, payload_type: PayloadType(0), sequence, timestamp, ssrc: OURS };
        // Every packet arrives 33 ms after its last sample was spoken.
        for heard in bench.send(header, &payload, 20 * n as u64 + 20 + 33) {
            match heard {
                Heard::Voice { began: at, .. } => _ = began.get_or_insert(at.saturating_duration_since(bench.start)),
                Heard::Silence { since } => ended.push(since.saturating_duration_since(bench.start)),
                _ => {}
            }
        }
    }
    assert!(began.is_some_and(|began| began.abs_diff(ms(1_033)) <= ms(60)), "{began:?}");
    assert!(matches!(ended[..], [since] if since.abs_diff(ms(2_983)) <= ms(60)), "{ended:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn random_bytes_do_no_harm(datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..100)) {
        let mut bench = Bench::new();
        for (n, bytes) in datagrams.iter().enumerate() {
            let mut bytes = bytes.clone();
            if n % 2 == 0 && let Some(first) = bytes.first_mut() {
                *first = 0x80;
            }
            bench.inbound.handle_packet(&bytes, bench.start + ms(n as u64));
            bench.drain();
        }
    }

    /// Loss, delay and duplication as a network makes them; the sound keeps to the clock.
    #[test]
    fn the_sound_is_as_long_as_the_clock_says_whatever_the_network_does(
        fates in prop::collection::vec((0u64..150, 0u8..20), 100..400),
    ) {
        let mut bench = Bench::new();
        let mut arrivals: Vec<(u64, u16)> = Vec::new();
        for (n, (delay, fate)) in fates.iter().enumerate() {
            let at = 20 * n as u64 + if *fate < 4 { *delay } else { 5 };
            if *fate != 19 {
                arrivals.push((at, n as u16));
            }
            if *fate == 18 {
                arrivals.push((at + 3, n as u16));
            }
        }
        arrivals.sort();
        let end = 20 * fates.len() as u64 + 200;
        let first = arrivals[0].0;
        let mut heard = Duration::ZERO;
        for (at, sequence) in arrivals {
            heard += length(&bench.wait(at));
            heard += length(&bench.packet(sequence, at));
        }
        heard += length(&bench.wait(end));
        let passed = ms(end - first);
        prop_assert!(heard <= passed + ms(140), "{heard:?} in {passed:?}");
        prop_assert!(heard + ms(240) >= passed, "{heard:?} in {passed:?}");
        let report = bench.inbound.report();
        prop_assert_eq!(report.malformed + report.foreign + report.overflow + report.restarts, 0);
    }

    #[test]
    fn random_operations_keep_the_bounds(
        operations in prop::collection::vec((0u8..8, any::<u16>(), any::<u32>(), 0u64..400), 0..200),
    ) {
        let mut bench = Bench::new();
        let mut at = 0;
        for (kind, sequence, timestamp, wait) in operations {
            at += wait;
            let mut heard = bench.wait(at);
            match kind {
                0 => bench.inbound.set_held(true, bench.start + ms(at)),
                1 => bench.inbound.set_held(false, bench.start + ms(at)),
                2 => heard.extend(bench.packet_of(Ssrc(u32::from(sequence % 3)), sequence, timestamp, at)),
                3 => heard.extend(bench.event(sequence, timestamp, TelephoneEvent { event: 1, end: false, volume: 0, duration: 1 }, at)),
                _ => heard.extend(bench.packet((at / 20) as u16, at)),
            }
            heard.extend(bench.drain());
            prop_assert!(length(&heard) <= ms(wait) + ms(2_500));
            prop_assert!(bench.inbound.poll_timeout().is_none_or(|deadline| deadline > bench.start + ms(at)), "a spin");
        }
    }
}
