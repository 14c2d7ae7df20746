//! Two ends of a line in virtual time: every codec, packet times, formats that change, silence that is not sent.
#![expect(clippy::disallowed_methods, reason = "virtual time is counted from some instant")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use agentphone::audio::tone::{Goertzel, Tone};
use agentphone::audio::wav::Wav;
use agentphone::audio::{Codec, Encoder, Frame, LinearRate, SampleRate, level, resample_all};
use agentphone::conversation::ReplyId;
use agentphone::media::{
    Format, Formats, Heard, Inbound, InboundReport, InboundSpec, Outbound, OutboundReport, OutboundSpec, Sent,
};
use agentphone::rtp::{Header, Packet, PacketBuf, PayloadType, Ssrc};
use agentphone::world::{Network, NetworkSpec};
use proptest::prelude::*;

const REPLY: ReplyId = ReplyId(1);

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn voice(rate: SampleRate) -> Vec<i16> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/audio/caller-booking-16k.wav");
    let wav = Wav::parse(&std::fs::read(path).expect("a fixture")).expect("a WAV file");
    resample_all(&wav.into_mono(), SampleRate::HZ_16000, rate)
}

fn tone(rate: SampleRate, length: Duration) -> Vec<i16> {
    let mut samples = vec![0; rate.samples_in(length)];
    Tone::single(1_000.0, -20.0, rate).fill(&mut samples);
    samples
}

/// What came of a sound that was sent over a line.
#[derive(Default)]
struct Came {
    samples: Vec<i16>,
    /// Voiced sound told of, each stretch as long as it became.
    voiced: Duration,
    /// When a silence was told, and since when it was.
    silences: Vec<(Duration, Duration)>,
    packets: Vec<(Duration, Header, usize)>,
    inbound: InboundReport,
    outbound: OutboundReport,
}

/// Plays `sound` 500 ms after the line is up, over `network`, and listens until `length`.
fn over(outbound: OutboundSpec, network: NetworkSpec, sound: &[i16], length: Duration) -> Came {
    let start = Instant::now();
    let rate = outbound.rate;
    let inbound = InboundSpec::new(outbound.codec, outbound.payload_type);
    let (mut ours, mut theirs) = (Outbound::new(outbound, start), Inbound::new(inbound, start));
    let mut network = Network::new(network);
    let mut way: BTreeMap<(Duration, usize), PacketBuf> = BTreeMap::new();
    let (mut came, mut said) = (Came::default(), false);
    let (mut voiced, mut now) = (Duration::ZERO, Duration::ZERO);
    ours.answer(start);
    ours.expect(REPLY);
    ours.play(REPLY, start);
    while now <= length {
        let at = start + now;
        if now >= ms(500) && !std::mem::replace(&mut said, true) {
            ours.speech(REPLY, sound, rate, at);
            ours.speech_ended(REPLY, at);
        }
        ours.handle_timeout(at);
        while let Some(sent) = ours.poll() {
            if let Sent::Packet(packet) = sent {
                let parsed = Packet::parse(packet.as_bytes()).expect("what we send is RTP");
                came.packets.push((now, parsed.header, parsed.payload.len()));
                for delay in network.send().into_iter().flatten() {
                    way.insert((now + delay, came.packets.len()), packet);
                }
            }
        }
        while let Some(entry) = way.first_entry().filter(|entry| entry.key().0 <= now) {
            theirs.handle_packet(entry.remove().as_bytes(), at);
        }
        theirs.handle_timeout(at);
        while let Some(heard) = theirs.poll() {
            match heard {
                Heard::Frame(frame) => {
                    assert_eq!(frame.rate(), rate);
                    came.samples.extend_from_slice(frame.samples());
                }
                Heard::Voice { voiced: so_far, .. } => {
                    if so_far < voiced {
                        came.voiced += voiced;
                    }
                    voiced = so_far;
                }
                Heard::Silence { since } => came.silences.push((now, since.saturating_duration_since(start))),
                _ => {}
            }
        }
        now += ms(1);
    }
    came.voiced += voiced;
    (came.inbound, came.outbound) = (theirs.report(), ours.report());
    came
}

fn largest_step(samples: &[i16]) -> i32 {
    samples.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max().unwrap_or(0)
}

const BAD: NetworkSpec =
    NetworkSpec { seed: 5, loss: 0.05, duplicate: 0.0, delay: ms_const(20), jitter: ms_const(40), echo: None };
const GOOD: NetworkSpec =
    NetworkSpec { seed: 5, loss: 0.0, duplicate: 0.0, delay: ms_const(20), jitter: Duration::ZERO, echo: None };

const fn ms_const(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn spec(codec: Codec, ptime: u64) -> Option<OutboundSpec> {
    let payload_type = PayloadType(codec.usual_payload_type());
    codec.can_send(ms(ptime)).then(|| OutboundSpec {
        ptime: ms(ptime),
        seed: 7,
        ..OutboundSpec::new(codec, payload_type)
    })
}

#[test]
fn a_voice_comes_through_loss_and_jitter_in_every_codec() {
    for codec in Codec::ALL {
        for ptime in [10, 20, 40, 60] {
            let Some(spec) = spec(codec, ptime) else { continue };
            let sound = voice(spec.rate);
            let clean = over(spec, GOOD, &sound, ms(4_500));
            let lossy = over(spec, BAD, &sound, ms(4_500));
            let name = format!("{} at {ptime} ms", codec.name());
            assert_eq!(
                (clean.inbound.lost, clean.inbound.concealed, clean.inbound.undecodable),
                (0, Duration::ZERO, 0),
                "{name}"
            );
            assert!(lossy.inbound.lost > 0 && lossy.inbound.undecodable == 0, "{name}: {:?}", lossy.inbound);
            let energy = |came: &Came| 10.0 * (level::energy(&came.samples) as f64).log10();
            let off = energy(&lossy) - energy(&clean);
            assert!(off.abs() < 3.0, "{name}: {off:.1} dB");
            let original = 10.0 * (level::energy(&sound) as f64).log10();
            assert!((energy(&clean) - original).abs() < 1.5, "{name}: {:.1} dB", energy(&clean) - original);
            let heard = lossy.voiced.as_secs_f64() / clean.voiced.as_secs_f64();
            assert!((0.85..1.15).contains(&heard), "{name}: {:?} of {:?} voiced", lossy.voiced, clean.voiced);
            assert!(clean.voiced > ms(1_800), "{name}: {:?}", clean.voiced);
            // As much sound as time has passed, less what is on its way.
            for came in [&clean, &lossy] {
                let length = spec.rate.duration_of(came.samples.len());
                assert!(length.abs_diff(ms(4_500)) < ms(200), "{name}: {length:?}");
            }
            let (step, own) = (largest_step(&lossy.samples), largest_step(&clean.samples).max(largest_step(&sound)));
            assert!(step <= own * 11 / 10, "{name}: a step of {step}, of the clean voice {own}");
        }
    }
}

#[test]
fn a_tone_comes_through_loss_in_every_codec() {
    for codec in Codec::ALL {
        let Some(spec) = spec(codec, 20).or_else(|| spec(codec, 10)) else { continue };
        let came = over(spec, BAD, &tone(spec.rate, ms(3_000)), ms(3_400));
        let (from, to) = (spec.rate.samples_in(ms(700)), spec.rate.samples_in(ms(3_300)));
        let pieces = came.samples[from..to].chunks_exact(spec.rate.samples_in(ms(20)));
        let pure = pieces.clone().filter(|piece| {
            let mut goertzel = Goertzel::new(1_000.0, spec.rate);
            piece.iter().for_each(|&sample| goertzel.push(f32::from(sample)));
            goertzel.power(piece.len()) > 0.7 * level::energy(piece) as f32 / piece.len() as f32
        });
        let (pure, all) = (pure.count(), pieces.count());
        assert!(pure * 100 >= all * 93, "{}: {pure} of {all}", codec.name());
    }
}

#[test]
fn packets_leave_as_far_apart_as_they_last() {
    for codec in [Codec::Pcmu, Codec::G722, Codec::Opus, Codec::L16(LinearRate::Hz16000)] {
        for ptime in [10, 20, 30, 40, 60] {
            let Some(spec) = spec(codec, ptime) else { continue };
            let came = over(spec, GOOD, &voice(spec.rate), ms(3_000));
            let units = codec.clock_rate() * ptime as u32 / 1_000;
            for pair in came.packets.windows(2) {
                assert_eq!(pair[1].1.timestamp.wrapping_sub(pair[0].1.timestamp), units, "{codec:?} {ptime}");
                assert_eq!(pair[1].1.sequence, pair[0].1.sequence.wrapping_add(1));
                assert!(pair[1].0 - pair[0].0 <= ms(2 * ptime) && pair[1].2 <= Codec::LONGEST_SENT);
            }
            let expected = 3_000 / ptime;
            assert!((expected..=expected + 2).contains(&(came.packets.len() as u64)), "{codec:?} {ptime}");
            assert_eq!((came.outbound.skipped, came.outbound.underruns, came.outbound.late), (0, 0, 0));
        }
    }
    // What a codec cannot send it is not asked to.
    let odd = OutboundSpec { ptime: ms(15), ..OutboundSpec::new(Codec::Pcmu, PayloadType(0)) };
    assert_eq!(over(odd, GOOD, &[0; 160], ms(1_000)).packets.len(), 51);
    let long = Codec::L16(LinearRate::Hz48000);
    let long = OutboundSpec { ptime: ms(60), ..OutboundSpec::new(long, PayloadType(96)) };
    assert_eq!(over(long, GOOD, &[0; 160], ms(1_000)).packets.len(), 101, "10 ms fit into a datagram");
}

#[test]
fn silence_that_is_not_sent_is_heard_as_silence_all_the_same() {
    for codec in [Codec::Pcmu, Codec::G722, Codec::Opus, Codec::L16(LinearRate::Hz16000)] {
        let Some(spec) = spec(codec, 20) else { continue };
        let sound = voice(spec.rate);
        let full = over(spec, GOOD, &sound, ms(10_000));
        let came = over(OutboundSpec { dtx: true, ..spec }, GOOD, &sound, ms(10_000));
        let name = codec.name();
        // 3.3 s of sound, a hangover, and a word now and then.
        assert!(came.packets.len() < full.packets.len() / 2, "{name}: {} packets", came.packets.len());
        assert_eq!((came.inbound.lost, came.inbound.late, came.inbound.restarts), (0, 0, 0), "{name}");
        assert_eq!(came.silences.len(), full.silences.len(), "{name}");
        for ((told, since), (full_told, full_since)) in came.silences.iter().zip(&full.silences) {
            assert!(
                since.abs_diff(*full_since) <= ms(20) && told.abs_diff(*full_told) <= ms(60),
                "{name}: {told:?} {since:?}"
            );
        }
        assert!(came.voiced.abs_diff(full.voiced) <= ms(60), "{name}: {:?} {:?}", came.voiced, full.voiced);
        let length = spec.rate.duration_of(came.samples.len());
        assert!(length.abs_diff(ms(10_000)) < ms(200), "{name}: {length:?}");
        for pair in came.packets.windows(2) {
            assert_eq!(pair[1].1.sequence, pair[0].1.sequence.wrapping_add(1), "{name}");
            assert!(pair[1].0 - pair[0].0 <= ms(420), "{name}");
        }
        // The timestamps go on with the time, and sound behind a pause is marked.
        let (first, last) = (&came.packets[0], &came.packets[came.packets.len() - 1]);
        let passed = f64::from(last.1.timestamp.wrapping_sub(first.1.timestamp)) / f64::from(codec.clock_rate());
        assert!((passed - (last.0 - first.0).as_secs_f64()).abs() < 0.021, "{name}: {passed}");
        assert_eq!(came.packets.iter().filter(|packet| packet.1.marker).count(), 1, "{name}");
    }
}

/// A line that is sent packets by hand, one after the other.
struct Hand {
    inbound: Inbound,
    start: Instant,
    now: Duration,
    sequence: u16,
    heard: Vec<Heard>,
}

impl Hand {
    fn new(formats: &[(u8, Codec)]) -> Self {
        let start = Instant::now();
        let format = |&(payload_type, codec): &(u8, Codec)| Format { payload_type: PayloadType(payload_type), codec };
        let others: Formats = formats[1..].iter().map(format).collect();
        let first = format(&formats[0]);
        let spec = InboundSpec { others, ..InboundSpec::new(first.codec, first.payload_type) };
        Self { inbound: Inbound::new(spec, start), start, now: Duration::ZERO, sequence: 0, heard: Vec::new() }
    }

    fn send(&mut self, payload_type: u8, timestamp: u32, payload: &[u8]) {
        let (payload_type, sequence) = (PayloadType(payload_type), self.sequence);
        let header = Header { marker: false, payload_type, sequence, timestamp, ssrc: Ssrc(9) };
        self.sequence = self.sequence.wrapping_add(1);
        let packet = PacketBuf::write(header, |room| {
            room[..payload.len()].copy_from_slice(payload);
            payload.len()
        });
        self.inbound.handle_packet(packet.as_bytes(), self.start + self.now);
        self.heard.extend(std::iter::from_fn(|| self.inbound.poll()));
    }

    fn wait(&mut self, length: Duration) {
        self.now += length;
        while let Some(due) = self.inbound.poll_timeout().filter(|due| *due <= self.start + self.now) {
            self.inbound.handle_timeout(due);
            self.heard.extend(std::iter::from_fn(|| self.inbound.poll()));
        }
    }

    fn frames(&self) -> impl Iterator<Item = &Frame> {
        self.heard.iter().filter_map(|heard| if let Heard::Frame(frame) = heard { Some(frame) } else { None })
    }
}

#[test]
fn a_sender_may_change_its_packet_time_whenever_it_likes() {
    for codec in [Codec::Pcmu, Codec::G722, Codec::Opus, Codec::L16(LinearRate::Hz16000)] {
        let (mut hand, mut encoder) = (Hand::new(&[(96, codec)]), Encoder::new(codec));
        let (mut sound, mut timestamp, mut sent) =
            (Tone::single(1_000.0, -20.0, codec.sample_rate()), 0u32, Duration::ZERO);
        for ptime in [20, 20, 60, 10, 40, 10, 20, 60, 60, 30, 20].into_iter().cycle().take(110) {
            if !codec.can_send(ms(ptime)) {
                continue;
            }
            let mut frame: Frame = Frame::silence(codec.sample_rate(), ms(ptime));
            sound.fill(frame.samples_mut());
            let mut payload = [0; Codec::LONGEST_SENT];
            let length = encoder.encode(frame.samples(), &mut payload);
            hand.wait(ms(ptime));
            hand.send(96, timestamp, &payload[..length]);
            timestamp += codec.clock_rate() * ptime as u32 / 1_000;
            sent += ms(ptime);
        }
        let report = hand.inbound.report();
        assert_eq!(
            (report.lost, report.concealed, report.filled, report.restarts),
            (0, Duration::ZERO, Duration::ZERO, 0)
        );
        assert_eq!(hand.frames().map(Frame::duration).sum::<Duration>(), sent, "{codec:?}");
        let samples: Vec<i16> = hand.frames().flat_map(|frame| frame.samples().to_vec()).collect();
        assert!((-21.0..-19.0).contains(&level::dbfs(&samples[8_000..])), "{codec:?}");
    }
}

#[test]
fn any_packet_may_be_in_any_format_that_was_agreed() {
    let formats = [(0, Codec::Pcmu), (9, Codec::G722), (111, Codec::Opus), (96, Codec::L16(LinearRate::Hz44100))];
    let mut hand = Hand::new(&formats);
    let mut senders = formats.map(|(payload_type, codec)| {
        (payload_type, codec, Encoder::new(codec), Tone::single(500.0, -20.0, codec.sample_rate()))
    });
    for n in 0..600u32 {
        // Two seconds of each, then every packet another.
        let which = if n < 400 { n as usize / 100 } else { n as usize % 4 };
        let (payload_type, codec, encoder, sound) = &mut senders[which];
        let ptime = if codec.can_send(ms(20)) { 20 } else { 10 };
        let mut payload = [0; Codec::LONGEST_SENT];
        let mut frame: Frame = Frame::silence(codec.sample_rate(), ms(ptime));
        sound.fill(frame.samples_mut());
        let length = encoder.encode(frame.samples(), &mut payload);
        hand.wait(ms(ptime));
        hand.send(*payload_type, n * codec.clock_rate() * ptime as u32 / 1_000, &payload[..length]);
    }
    let report = hand.inbound.report();
    assert_eq!((report.received, report.unknown_payload, report.undecodable), (600, 0, 0));
    assert_eq!((report.lost, report.restarts), (0, 0));
    assert!(hand.frames().all(|frame| frame.rate() == SampleRate::HZ_16000), "the widest of them");
    let samples: Vec<i16> = hand.frames().flat_map(|frame| frame.samples().to_vec()).collect();
    for (n, second) in samples[..7 * 16_000].chunks_exact(16_000).enumerate() {
        assert!((-21.5..-18.5).contains(&level::dbfs(second)), "second {n}: {}", level::dbfs(second));
    }
    // What was not agreed is counted and heard by nobody.
    let before = hand.frames().count();
    hand.wait(ms(20));
    hand.send(77, 0, &[1; 160]);
    assert_eq!((hand.inbound.report().unknown_payload, hand.frames().count()), (1, before));
}

#[test]
fn comfort_noise_stands_for_a_pause_as_loud_as_the_sender_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/audio/caller-time.wav");
    let speech = Wav::parse(&std::fs::read(path).expect("a fixture")).expect("a WAV file").into_mono();
    for level_dbov in [45u8, 55, 127] {
        let (mut hand, mut encoder) = (Hand::new(&[(0, Codec::Pcmu)]), Encoder::new(Codec::Pcmu));
        let mut timestamp = 0u32;
        let mut noise = 1u32;
        let amplitude = 32_768.0 * 10f32.powf(-f32::from(level_dbov) / 20.0) * 3f32.sqrt();
        let mut told = Vec::new();
        for spurt in 0..3 {
            let spurt_began = hand.heard.len();
            // The caller's background lies under the voice and 100 ms behind it.
            for piece in speech.chunks_exact(160).chain(std::iter::repeat_n(&[0i16; 160][..], 5)) {
                let samples: Vec<i16> = piece
                    .iter()
                    .map(|&sample| {
                        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        sample.saturating_add((amplitude * (noise as i32 as f32 / i32::MAX as f32)) as i16)
                    })
                    .collect();
                let mut payload = [0; 160];
                encoder.encode(&samples, &mut payload);
                hand.wait(ms(20));
                hand.send(0, timestamp, &payload);
                timestamp += 160;
            }
            let (before, began) = (hand.heard.len(), hand.now);
            for _ in 0..5 {
                hand.wait(ms(20));
                hand.send(13, timestamp, &[level_dbov]);
                hand.wait(ms(380));
                timestamp += 3_200;
            }
            let pause: Vec<Heard> = hand.heard[before..].to_vec();
            told.extend(hand.heard[spurt_began..].iter().filter_map(|heard| match heard {
                Heard::Silence { since } => Some(since.saturating_duration_since(hand.start)),
                _ => None,
            }));
            let samples: Vec<i16> = pause
                .iter()
                .filter_map(|heard| if let Heard::Frame(frame) = heard { Some(frame.samples().to_vec()) } else { None })
                .flatten()
                .collect();
            assert!(
                samples.len().abs_diff(8 * 2_000) <= 8 * 140,
                "{} samples in {:?}",
                samples.len(),
                hand.now - began
            );
            let heard = level::dbfs(&samples[1_600..]);
            let expected = f32::from(level_dbov).min(96.0);
            assert!(
                (heard + expected).abs() < 1.0 || (heard < -90.0 && level_dbov == 127),
                "spurt {spurt}: {heard} dBFS"
            );
            let voiced = pause.iter().filter(|heard| matches!(heard, Heard::Voice { .. })).count();
            assert!(voiced <= 3, "spurt {spurt}: {voiced} voiced hops in a pause");
        }
        assert_eq!(told.len(), 3, "every pause is told once: {told:?}");
        let report = hand.inbound.report();
        assert_eq!((report.lost, report.concealed, report.comfort_noise), (0, Duration::ZERO, 15));
        assert_eq!((report.unknown_payload, report.restarts, report.late), (0, 0, 0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_comes_on_a_line_of_many_formats_is_handled_or_counted(
        packets in prop::collection::vec(
            (0usize..6, prop::collection::vec(any::<u8>(), 0..700), any::<bool>(), 0u64..90), 1..120,
        ),
    ) {
        let mut hand = Hand::new(&[
            (0, Codec::Pcmu), (9, Codec::G722), (111, Codec::Opus), (96, Codec::L16(LinearRate::Hz24000)),
        ]);
        let mut sent = 0;
        for (which, payload, skipped, wait) in packets {
            hand.wait(ms(wait));
            hand.sequence = hand.sequence.wrapping_add(u16::from(skipped));
            hand.send([0, 9, 111, 96, 13, 50][which], (hand.now.as_millis() as u32).wrapping_mul(8), &payload);
            sent += 1;
        }
        hand.wait(ms(400));
        let report = hand.inbound.report();
        let known = report.received + report.comfort_noise + report.unknown_payload + report.undecodable + report.foreign;
        prop_assert!(known >= sent, "{report:?} of {sent}");
        prop_assert!(hand.frames().all(|frame| frame.rate() == SampleRate::HZ_16000));
    }
}
