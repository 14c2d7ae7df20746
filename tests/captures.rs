//! The captures of `fixtures/rtp` are what their README says: real senders, with their real habits.
#![expect(clippy::disallowed_methods, reason = "virtual time is counted from some instant")]

#[path = "support/pcap.rs"]
mod pcap;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use agentphone::call::{Call, CallSpec, DialogueSpec, Input, Output};
use agentphone::rtp::{Packet, PayloadType};
use pcap::Datagram;

#[test]
fn ffmpeg_paced_sends_one_packet_each_ptime() {
    let capture = rtp_of("ffmpeg-pcmu.pcap");
    let stream = packets(&capture);
    assert_eq!(stream.len(), 98);
    assert_eq!(reports_of("ffmpeg-pcmu.pcap"), 1);
    assert!(in_order(&stream));
    assert!(stream.iter().all(|packet| packet.payload.len() == 160 && !packet.header.marker));
    assert!(longest_wait(&capture) < Duration::from_millis(60));
    assert!(sounds_like(&stream, "caller-time.wav"));
}

#[test]
fn ffmpeg_unpaced_sends_long_packets_in_bursts() {
    let capture = rtp_of("ffmpeg-pcmu-bursts.pcap");
    let stream = packets(&capture);
    assert_eq!(stream.len(), 12);
    assert!(in_order(&stream));
    assert_eq!(stream.iter().map(|packet| packet.payload.len()).max(), Some(1460));
    assert!(longest_wait(&capture) > Duration::from_millis(500));
    assert!(sounds_like(&stream, "caller-time.wav"));
}

#[test]
fn gstreamer_marks_its_first_packet_and_ends_with_a_short_one() {
    let capture = rtp_of("gstreamer-pcmu.pcap");
    let stream = packets(&capture);
    assert_eq!(stream.len(), 163);
    assert!(in_order(&stream));
    assert!(stream[0].header.marker && stream[1..].iter().all(|packet| !packet.header.marker));
    assert_eq!(stream.last().map(|packet| packet.payload.len()), Some(136));
    assert!(sounds_like(&stream, "caller-booking.wav"));
}

#[test]
fn sipp_counts_from_zero() {
    let capture = rtp_of("sipp-pcmu.pcap");
    let stream = packets(&capture);
    assert_eq!(stream.len(), 163);
    assert!(in_order(&stream));
    assert_eq!(stream[0].header.sequence, 0);
    assert!(sounds_like(&stream, "caller-booking.wav"));
}

#[test]
fn sipp_ends_each_digit_three_times_with_one_sequence_number() {
    let capture = rtp_of("sipp-digits.pcap");
    let stream = packets(&capture);
    assert!(stream.iter().all(|packet| packet.header.payload_type == PayloadType(101) && packet.payload.len() == 4));
    let mut ends = BTreeMap::new();
    for packet in stream.iter().filter(|packet| packet.payload[1] & 0x80 != 0) {
        *ends.entry((packet.header.timestamp, packet.header.sequence, packet.payload[0])).or_insert(0) += 1;
    }
    let digits: Vec<u8> = ends.keys().map(|(_, _, event)| *event).collect();
    assert_eq!(digits, [2, 4, 11]);
    assert!(ends.values().all(|copies| *copies == 3), "{ends:?}");
    assert_eq!(stream.iter().filter(|packet| packet.header.marker).count(), 3);
}

#[test]
fn the_impaired_stream_is_the_real_one_with_loss_reordering_and_copies() {
    let (real, impaired) = (rtp_of("gstreamer-pcmu.pcap"), rtp_of("impaired-pcmu.pcap"));
    let (sent, arrived) = (packets(&real), packets(&impaired));
    let sent: BTreeMap<u16, &[u8]> = sent.iter().map(|packet| (packet.header.sequence, packet.payload)).collect();
    assert!(arrived.iter().all(|packet| sent.get(&packet.header.sequence) == Some(&packet.payload)));

    let distinct: BTreeSet<u16> = arrived.iter().map(|packet| packet.header.sequence).collect();
    assert_eq!((sent.len(), arrived.len(), distinct.len()), (163, 157, 152));
    let overtaken = arrived.windows(2).filter(|pair| pair[1].header.sequence < pair[0].header.sequence).count();
    assert!(overtaken >= 4, "{overtaken} packets came after their successor");
    assert!(impaired.windows(2).all(|pair| pair[0].at <= pair[1].at));
}

/// What a call makes of a capture that arrives as it was recorded, and 400 ms more.
fn heard(name: &str) -> (agentphone::call::Report, usize) {
    let capture = rtp_of(name);
    let begun = Instant::now();
    let mut call = Call::new(CallSpec::new(DialogueSpec::default()), begun);
    call.handle_input(Input::Answered, begun);
    let first = capture.first().map_or(Duration::ZERO, |datagram| datagram.at);
    let mut transcribed = 0;
    let mut drain = |call: &mut Call| {
        while let Some(output) = call.poll_output() {
            if let Output::Transcribe(frame) = output {
                transcribed += frame.samples().len();
            }
        }
    };
    let mut run = |call: &mut Call, until: Instant| {
        while let Some(due) = call.poll_timeout().filter(|due| *due <= until) {
            call.handle_timeout(due);
            drain(call);
        }
    };
    let mut now = begun;
    for datagram in &capture {
        now = begun + datagram.at.saturating_sub(first);
        run(&mut call, now);
        call.handle_input(Input::Packet(&datagram.payload), now);
    }
    run(&mut call, now + Duration::from_millis(400));
    let report = call.report();
    (report, transcribed)
}

#[test]
fn real_senders_are_heard_whole_by_a_call() {
    for (name, packets) in [("ffmpeg-pcmu.pcap", 98), ("gstreamer-pcmu.pcap", 163), ("sipp-pcmu.pcap", 163)] {
        let (report, transcribed) = heard(name);
        let inbound = report.inbound;
        assert_eq!((inbound.received, inbound.lost, inbound.late, inbound.malformed), (packets, 0, 0, 0), "{name}");
        assert_eq!((inbound.foreign, inbound.unknown_payload, inbound.restarts), (0, 0, 0), "{name}");
        // The recogniser gets every sample, and after the last one silence by the clock.
        assert!(transcribed as u64 >= (packets - 1) * 160 + 1_600, "{name}: {transcribed} samples");
    }
}

#[test]
fn loss_reordering_and_copies_are_counted_and_concealed_by_a_call() {
    let (report, transcribed) = heard("impaired-pcmu.pcap");
    let inbound = report.inbound;
    assert_eq!(inbound.lost, 11);
    assert_eq!(inbound.duplicate, 5);
    assert!(inbound.reordered > 0 && inbound.late == 0, "{inbound:?}");
    // Eleven packets, and what the clock asks for after the last one, up to 60 ms before it turns into silence.
    let concealed = inbound.concealed.saturating_sub(Duration::from_millis(20) * 11);
    assert!(concealed <= Duration::from_millis(60), "{inbound:?}");
    assert!(transcribed >= 162 * 160, "{transcribed} samples");
}

#[test]
fn keys_of_a_real_sender_are_heard_once_each_by_a_call() {
    let (report, _) = heard("sipp-digits.pcap");
    assert_eq!(report.inbound.digits, 3);
}

fn capture(name: &str) -> Vec<Datagram> {
    pcap::datagrams(&fixture("rtp", name)).expect("a capture of fixtures/rtp is well formed")
}

fn rtp_of(name: &str) -> Vec<Datagram> {
    capture(name).into_iter().filter(|datagram| !Packet::is_rtcp(&datagram.payload)).collect()
}

fn reports_of(name: &str) -> usize {
    capture(name).iter().filter(|datagram| Packet::is_rtcp(&datagram.payload)).count()
}

fn packets(capture: &[Datagram]) -> Vec<Packet<'_>> {
    capture.iter().map(|datagram| Packet::parse(&datagram.payload).expect("a sender's packet is valid RTP")).collect()
}

/// One source, sequence numbers without a hole, and timestamps that advance by the samples sent.
fn in_order(stream: &[Packet<'_>]) -> bool {
    stream.windows(2).all(|pair| {
        let (before, after) = (pair[0].header, pair[1].header);
        before.ssrc == after.ssrc
            && after.sequence == before.sequence.wrapping_add(1)
            && after.timestamp == before.timestamp.wrapping_add(pair[0].payload.len() as u32)
    })
}

fn longest_wait(capture: &[Datagram]) -> Duration {
    capture.windows(2).map(|pair| pair[1].at - pair[0].at).max().unwrap_or_default()
}

/// Whether the payloads are the µ-law samples of a WAV file, up to the last packet's padding. Either sign of zero will
/// do: ffmpeg decodes and encodes again.
fn sounds_like(stream: &[Packet<'_>], name: &str) -> bool {
    const HEADER: usize = 58;
    let unsigned_zero = |byte: &u8| if *byte == 0x7F { 0xFF } else { *byte };
    let file = fixture("audio", name);
    assert_eq!(&file[HEADER - 8..HEADER - 4], b"data", "{name} has a plain µ-law header");
    let length = u32::from_le_bytes([file[HEADER - 4], file[HEADER - 3], file[HEADER - 2], file[HEADER - 1]]) as usize;
    let said: Vec<u8> = file[HEADER..HEADER + length].iter().map(unsigned_zero).collect();
    let sent: Vec<u8> = stream.iter().flat_map(|packet| packet.payload).map(unsigned_zero).collect();
    sent.len().abs_diff(said.len()) < 160 && sent.iter().zip(&said).all(|(sent, said)| sent == said)
}

fn fixture(room: &str, name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(room).join(name);
    fs::read(&path).expect(name)
}
