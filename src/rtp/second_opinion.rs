//! Our packets against an independent implementation, both ways, and against random bytes.

use ::rtp::header::Header as TheirHeader;
use ::rtp::packet::Packet as TheirPacket;
use proptest::prelude::*;
use webrtc_util::marshal::{Marshal, Unmarshal};

use super::*;

prop_compose! {
    fn headers()(marker: bool, payload_type in 0u8..128, sequence: u16, timestamp: u32, ssrc: u32) -> Header {
        Header { marker, payload_type: PayloadType(payload_type), sequence, timestamp, ssrc: Ssrc(ssrc) }
    }
}

fn write(header: Header, payload: &[u8]) -> PacketBuf {
    PacketBuf::write(header, |room| {
        let filled = payload.len().min(room.len());
        room[..filled].copy_from_slice(&payload[..filled]);
        filled
    })
}

/// What both implementations must agree on.
fn same(ours: &Header, theirs: &TheirHeader) -> bool {
    (ours.marker, ours.payload_type.0, ours.sequence, ours.timestamp, ours.ssrc.0)
        == (theirs.marker, theirs.payload_type, theirs.sequence_number, theirs.timestamp, theirs.ssrc)
}

#[test]
fn the_bytes_of_a_packet_are_those_of_the_rfc() {
    let header = Header {
        marker: true,
        payload_type: PayloadType(8),
        sequence: 0x1234,
        timestamp: 0x89AB_CDEF,
        ssrc: Ssrc(0xDEAD_BEEF),
    };
    let packet = write(header, &[1, 2, 3]);
    let expected = [0x80, 0x88, 0x12, 0x34, 0x89, 0xAB, 0xCD, 0xEF, 0xDE, 0xAD, 0xBE, 0xEF, 1, 2, 3];
    assert_eq!(packet.as_bytes(), expected);
    assert_eq!(packet.payload(), [1, 2, 3]);
    let read = Packet::parse(&expected).unwrap();
    assert_eq!((read.header, read.payload), (header, &[1, 2, 3][..]));
}

#[test]
fn a_payload_too_long_to_send_is_cut() {
    let header = Packet::parse(&[0x80; 12]).unwrap().header;
    assert_eq!(write(header, &[7; 2_000]).payload(), [7; PacketBuf::MAX_PAYLOAD]);
    assert_eq!(PacketBuf::write(header, |_| usize::MAX).payload().len(), PacketBuf::MAX_PAYLOAD);
}

#[test]
fn what_is_no_packet_is_refused_with_its_reason() {
    let good = [0x80, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
    let with = |first: u8, more: &[u8]| {
        let mut bytes = good.to_vec();
        bytes[0] = first;
        bytes.extend_from_slice(more);
        Packet::parse(&bytes).map(|packet| packet.payload.len())
    };
    assert_eq!(Packet::parse(&good[..11]), Err(ParseError::Truncated { bytes: 11 }));
    assert_eq!(Packet::parse(&[]), Err(ParseError::Truncated { bytes: 0 }));
    assert_eq!(with(0x40, &[]), Err(ParseError::Version(1)));
    assert_eq!(with(0x80, &[]), Ok(0));
    assert_eq!(with(0x82, &[0; 7]), Err(ParseError::Truncated { bytes: 19 }), "two contributing sources");
    assert_eq!(with(0x82, &[0; 9]), Ok(1));
    assert_eq!(with(0x90, &[0, 0, 0]), Err(ParseError::Truncated { bytes: 15 }), "half an extension header");
    assert_eq!(with(0x90, &[0, 0, 0, 2, 0, 0, 0]), Err(ParseError::Truncated { bytes: 19 }), "half an extension");
    assert_eq!(with(0x90, &[0, 0, 0, 1, 9, 9, 9, 9, 5]), Ok(1));
    assert_eq!(with(0xA0, &[]), Err(ParseError::Padding { padding: 0, payload: 0 }));
    assert_eq!(with(0xA0, &[1, 0]), Err(ParseError::Padding { padding: 0, payload: 2 }));
    assert_eq!(with(0xA0, &[1, 3]), Err(ParseError::Padding { padding: 3, payload: 2 }));
    assert_eq!(with(0xA0, &[1, 2, 1]), Ok(2));
    assert_eq!(with(0xA0, &[0, 2]), Ok(0), "nothing but padding");
}

#[test]
fn rtcp_on_the_media_port_is_told_apart() {
    assert!(Packet::is_rtcp(&[0x80, 200, 0, 6, 0, 0, 0, 1]));
    assert!(Packet::is_rtcp(&[0x81, 201, 0, 7, 0, 0, 0, 1]));
    assert!(!Packet::is_rtcp(&[0x80, 0x80, 0, 6, 0, 0, 0, 1]), "PCMU with its marker");
    assert!(!Packet::is_rtcp(&[0x80, 200, 0]));
}

proptest! {
    #[test]
    fn they_read_what_we_write(header in headers(), payload in prop::collection::vec(any::<u8>(), 0..640)) {
        let ours = write(header, &payload);
        let theirs = TheirPacket::unmarshal(&mut ours.as_bytes()).unwrap();
        prop_assert!(same(&header, &theirs.header) && !theirs.header.padding && !theirs.header.extension);
        prop_assert_eq!(&theirs.payload[..], &payload[..]);
        prop_assert_eq!(&theirs.marshal().unwrap()[..], ours.as_bytes());
        let back = Packet::parse(ours.as_bytes()).unwrap();
        prop_assert_eq!((back.header, back.payload), (header, &payload[..]));
    }

    #[test]
    fn we_read_what_they_write(
        header in headers(),
        csrc in prop::collection::vec(any::<u32>(), 0..16),
        extension in prop::option::of(prop::collection::vec(any::<u8>(), 1..17)),
        payload in prop::collection::vec(any::<u8>(), 1..200),
        padding in 0u8..8,
    ) {
        let mut theirs = TheirHeader {
            version: 2,
            padding: padding > 0,
            marker: header.marker,
            payload_type: header.payload_type.0,
            sequence_number: header.sequence,
            timestamp: header.timestamp,
            ssrc: header.ssrc.0,
            csrc,
            ..TheirHeader::default()
        };
        if let Some(extension) = extension {
            theirs.set_extension(1, extension.into()).unwrap();
        }
        // Their header, and the padding by hand: it belongs to the payload.
        let mut bytes = theirs.marshal().unwrap().to_vec();
        bytes.extend_from_slice(&payload);
        bytes.extend(std::iter::repeat_n(padding, padding.into()));
        let ours = Packet::parse(&bytes).unwrap();
        prop_assert!(same(&ours.header, &theirs));
        prop_assert_eq!(ours.payload, &payload[..]);
    }

    #[test]
    fn no_bytes_whatever_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..100), first: u8) {
        let _ = (Packet::parse(&bytes), Packet::is_rtcp(&bytes), TelephoneEvent::parse(&bytes));
        let mut likely = bytes;
        if let Some(byte) = likely.first_mut() {
            *byte = 0x80 | first & 0x3F;
        }
        if let Ok(packet) = Packet::parse(&likely) {
            prop_assert!(packet.payload.len() + 12 <= likely.len());
        }
    }
}
