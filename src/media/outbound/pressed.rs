//! Keys we press, as the other side gets them: over a line that loses packets, and in another implementation's eyes.

use ::rtp::packet::Packet as TheirPacket;
use webrtc_util::marshal::Unmarshal;

use super::*;
use crate::media::{Heard, InboundSpec};
use crate::rtp::TelephoneEvent;

const KEYS: &str = "0123456789*#ABCD";
const EVENTS: PayloadType = PayloadType(101);

#[expect(clippy::disallowed_methods, reason = "a test needs some instant to begin with")]
fn start() -> Instant {
    Instant::now() + Duration::from_secs(100)
}

fn digits(keys: &str) -> Vec<Digit> {
    keys.chars().map(|key| Digit::new(key).unwrap()).collect()
}

/// A number from 0 to 99 that looks random.
fn percent(seed: &mut u64) -> u64 {
    next_random(seed) % 100
}

/// Sends keys in the middle of speech; every packet with its time.
fn pressed(spec: OutboundSpec, keys: &str) -> Vec<(Instant, PacketBuf)> {
    let mut now = start();
    let mut outbound = Outbound::new(spec, now);
    let speech: Vec<i16> = (0..spec.rate.hz()).map(|n| (6_000.0 * (n as f32 * 0.13).sin()) as i16).collect();
    outbound.answer(now);
    outbound.play(ReplyId(1), now);
    outbound.speech(ReplyId(1), &speech, spec.rate, now);
    let (mut packets, begins) = (Vec::new(), now + Duration::from_millis(230));
    let until = now + Duration::from_millis(1_500 + 260 * keys.len() as u64);
    let mut waiting = Some(digits(keys));
    while now < until {
        outbound.handle_timeout(now);
        if now >= begins
            && let Some(keys) = waiting.take()
        {
            assert_eq!(outbound.send_digits(&keys, now), keys.len());
        }
        while let Some(sent) = outbound.poll() {
            if let Sent::Packet(packet) = sent {
                packets.push((now, packet));
            }
        }
        now = outbound.poll_timeout().unwrap_or(until).max(now);
    }
    packets
}

/// The keys that the other side takes out of these packets when so many of a hundred are lost.
fn received(spec: OutboundSpec, packets: &[(Instant, PacketBuf)], loss: u64, seed: u64) -> String {
    let from = packets.first().map_or_else(start, |(at, _)| *at);
    let listener =
        InboundSpec { telephone_event: spec.telephone_event, ..InboundSpec::new(spec.codec, spec.payload_type) };
    let (mut inbound, mut seed, mut keys) = (Inbound::new(listener, from), seed, String::new());
    let mut hear = |inbound: &mut Inbound| {
        while let Some(heard) = inbound.poll() {
            if let Heard::Digit(digit) = heard {
                keys.push(digit.as_char());
            }
        }
    };
    for (at, packet) in packets {
        while let Some(due) = inbound.poll_timeout().filter(|due| due < at) {
            inbound.handle_timeout(due);
            hear(&mut inbound);
        }
        if percent(&mut seed) >= loss {
            inbound.handle_packet(packet.as_bytes(), *at);
        }
        hear(&mut inbound);
    }
    keys
}

fn line(ptime: u64, telephone_event: Option<PayloadType>) -> OutboundSpec {
    let ptime = Duration::from_millis(ptime);
    OutboundSpec { ptime, telephone_event, seed: 5, ..OutboundSpec::new(Codec::Pcmu, PayloadType(0)) }
}

#[test]
fn every_key_arrives_once_at_five_percent_of_loss() {
    for (ptime, events) in [(20, Some(EVENTS)), (10, Some(EVENTS)), (60, Some(EVENTS)), (20, None), (10, None)] {
        let spec = line(ptime, events);
        let (mut wrong, packets) = (Vec::new(), pressed(spec, KEYS));
        for seed in 1..=25 {
            let told = received(spec, &packets, 5, seed);
            if told != KEYS {
                wrong.push((seed, told));
            }
        }
        assert!(wrong.is_empty(), "{ptime} ms, {events:?}: {wrong:?}");
    }
}

#[test]
fn over_the_bed_of_a_busy_room_tones_are_heard_as_well() {
    for ambience in Ambience::ALL {
        let spec = OutboundSpec { ambience, ..line(20, None) };
        assert_eq!(received(spec, &pressed(spec, KEYS), 0, 1), KEYS, "{ambience:?}");
    }
}

#[test]
fn events_are_what_rfc_4733_asks_for_in_another_implementations_eyes() {
    let spec = line(20, Some(EVENTS));
    let sent = pressed(spec, "5#");
    let packets: Vec<TheirPacket> =
        sent.iter().map(|(_, packet)| TheirPacket::unmarshal(&mut packet.as_bytes()).unwrap()).collect();
    for pair in packets.windows(2) {
        assert_eq!(pair[1].header.sequence_number, pair[0].header.sequence_number.wrapping_add(1));
        assert_eq!(pair[1].header.ssrc, pair[0].header.ssrc);
    }
    let first = packets.iter().position(|packet| packet.header.payload_type == EVENTS.0).unwrap();
    let sound_before = &packets[first - 1].header;
    let events: Vec<&TheirPacket> = packets.iter().filter(|packet| packet.header.payload_type == EVENTS.0).collect();
    assert_eq!(events.len(), 14);
    for (n, (train, code)) in events.chunks(7).zip([5u8, 11]).enumerate() {
        let begun = train[0].header.timestamp;
        // Each key begins when its first packet's sound would have: 200 ms behind the one before.
        assert_eq!(begun, sound_before.timestamp.wrapping_add(160 + 1_600 * n as u32));
        let markers: Vec<bool> = train.iter().map(|packet| packet.header.marker).collect();
        assert_eq!(markers, [true, false, false, false, false, false, false]);
        for (packet, (duration, ends)) in
            train.iter().zip([(160, 0), (320, 0), (480, 0), (640, 0), (800, 1), (800, 1), (800, 1)])
        {
            assert_eq!(packet.header.timestamp, begun);
            let [event, flags, high, low] = packet.payload[..] else { panic!("{} bytes", packet.payload.len()) };
            assert_eq!((event, flags >> 7, flags & 0x3F), (code, ends, 10), "−10 dBm0");
            assert_eq!(u16::from_be_bytes([high, low]), duration);
        }
    }
    let last = packets.iter().rposition(|packet| packet.header.payload_type == EVENTS.0).unwrap();
    let begun = events[13].header.timestamp;
    assert_eq!(packets[last + 1].header.timestamp, begun.wrapping_add(7 * 160), "the sound's clock ran on");
}

#[test]
fn the_clock_of_an_event_is_that_of_its_line() {
    for (codec, units) in [(Codec::G722, 160), (Codec::Opus, 960), (Codec::Pcma, 160)] {
        let payload_type = PayloadType(codec.usual_payload_type());
        let spec = OutboundSpec { telephone_event: Some(EVENTS), ..OutboundSpec::new(codec, payload_type) };
        let sent = pressed(spec, "0");
        let durations: Vec<u16> = sent
            .iter()
            .filter(|(_, packet)| packet.as_bytes()[1] & 0x7F == EVENTS.0)
            .map(|(_, packet)| TelephoneEvent::parse(packet.payload()).unwrap().duration)
            .collect();
        assert_eq!(durations, [1, 2, 3, 4, 5, 5, 5].map(|n| n * units), "{}", codec.name());
    }
}

#[test]
fn tones_have_the_levels_and_the_length_of_a_telephones_keys() {
    use crate::audio::tone::Goertzel;
    use crate::audio::{Decoder, level};
    let rate = SampleRate::HZ_8000;
    let (mut decoder, mut sound) = (Decoder::new(Codec::Pcmu), Vec::new());
    for (_, packet) in pressed(line(20, None), "5") {
        sound.extend_from_slice(decoder.decode(packet.payload()).unwrap().samples());
    }
    // The key lies between the speech that dies away before it and what goes on behind it.
    let silent = |from: usize| sound[from..from + 100].iter().all(|sample| sample.unsigned_abs() < 16);
    let before = (0..sound.len() - 100).find(|from| silent(*from) && *from > 1_800).unwrap() + 100;
    let begins = (before..).find(|at| sound[*at].unsigned_abs() > 60).unwrap();
    let ends = (begins..).find(|from| silent(*from)).unwrap();
    let length = rate.duration_of(ends - begins);
    assert!(length.abs_diff(Duration::from_millis(100)) < Duration::from_millis(4), "{length:?}");
    let steady = &sound[begins + 100..ends - 100];
    let power = |hz: f32| {
        let mut goertzel = Goertzel::new(hz, rate);
        steady.iter().for_each(|sample| goertzel.push(f32::from(*sample)));
        level::rms_to_dbfs(goertzel.power(steady.len()).sqrt())
    };
    // 0 dBm0 is a sine 3.17 dB below overload, which is 6.18 dB below full scale here.
    let (low, high) = (power(770.0) + 6.18, power(1_336.0) + 6.18);
    assert!((-9.0..-6.5).contains(&low) && (-7.0..-4.5).contains(&high), "{low} and {high} dBm0");
    assert!((1.0..3.0).contains(&(high - low)), "a twist of {}", high - low);
}
