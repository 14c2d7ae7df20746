//! The vectors of the RFCs, packets that libsrtp made, and what must never be heard.

use proptest::prelude::*;

use super::session::{Protocol, Session};
use super::*;
use crate::rtp::{Header, Packet, PacketBuf, PayloadType, Ssrc};

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn key(suite: SrtpSuite) -> SrtpKey {
    let secret: Vec<u8> = (0..SrtpKey::LONGEST as u8).map(|n| n.wrapping_mul(37) ^ 0x5A).collect();
    SrtpKey::new(suite, &secret).unwrap()
}

fn packet(sequence: u16, ssrc: u32) -> PacketBuf {
    let header = Header {
        marker: false,
        payload_type: PayloadType(0),
        sequence,
        timestamp: u32::from(sequence) * 160,
        ssrc: Ssrc(ssrc),
    };
    PacketBuf::write(header, |room| {
        room[..160].fill(sequence as u8);
        160
    })
}

fn protect(sender: &mut SrtpSender, packet: &PacketBuf) -> Vec<u8> {
    let mut buffer = packet.as_bytes().to_vec();
    buffer.resize(buffer.len() + SrtpSender::OVERHEAD, 0);
    let length = sender.protect(&mut buffer, packet.as_bytes().len()).unwrap();
    buffer.truncate(length);
    buffer
}

fn open(receiver: &mut SrtpReceiver, protected: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut buffer = protected.to_vec();
    let length = receiver.open(&mut buffer)?;
    buffer.truncate(length);
    Ok(buffer)
}

#[test]
fn the_key_stream_of_rfc_3711_b_2_comes_out() {
    let mut salt = [0; 14];
    salt.copy_from_slice(&hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD"));
    let session = Session::with_keys(SrtpSuite::Aes128Sha1Tag80, &hex("2B7E151628AED2A6ABF7158809CF4F3C"), salt);
    let mut stream = vec![0; 0xFF02 * 16];
    session.xor(0, 0, &mut stream);
    assert_eq!(
        stream[..48],
        hex("E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB
         41E95B3BB0A2E8DD477901E4FCA894C0")[..]
    );
    assert_eq!(
        stream[0xFEFF * 16..],
        hex("EC8CDF7398607CB0F2D21675EA9EA1E4 362B7C3C6773516318A077D7FC5073AE
         6A2CC3787889374FBEB4C81B17BA6C44")[..]
    );
}

/// What is derived, seen through what it does: no session key is ever told.
fn derives(suite: SrtpSuite, master: &str, cipher: &str, salt: &str, auth: &str) {
    let session = Session::new(&SrtpKey::new(suite, &hex(master)).unwrap(), Protocol::Rtp);
    assert_eq!(session.salt()[..], hex(salt)[..]);
    let mut expected = [0; 32];
    Session::with_keys(suite, &hex(cipher), session.salt()).xor(7, 9, &mut expected);
    let mut stream = [0; 32];
    session.xor(7, 9, &mut stream);
    assert_eq!(stream, expected);
    use hmac::Mac;
    let mut mac = <hmac::Hmac<sha1::Sha1> as Mac>::new_from_slice(&hex(auth)).unwrap();
    mac.update(b"sound\0\0\0\x05");
    let tag: [u8; 20] = mac.finalize().into_bytes().into();
    assert_eq!(session.tag(b"sound", Some(5)), tag);
}

#[test]
fn the_keys_of_rfc_3711_b_3_are_derived() {
    derives(
        SrtpSuite::Aes128Sha1Tag80,
        "E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6",
        "C61E7A93744F39EE10734AFE3FF7A087",
        "30CBBC08863D8C85D49DB34A9AE1",
        "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4",
    );
}

#[test]
fn the_keys_of_rfc_6188_7_2_are_derived() {
    derives(
        SrtpSuite::Aes256Sha1Tag80,
        "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6 3b04803de51ee7c96423ab5b78d2",
        "5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4",
        "fa31791685ca444a9e07c6c64e93",
        "fd9c32d39ed5fbb5a9dc96b30818454d1313dc05",
    );
}

/// `fixtures/rtp/libsrtp.txt`: key lines, then plain and protected packets as libsrtp made them, in its order.
#[test]
fn packets_of_libsrtp_open_and_ours_are_the_same_bytes() {
    let (mut sender, mut receiver) = (None, None);
    let (mut rtp, mut rtcp) = (0, 0);
    for line in include_str!("../../../fixtures/rtp/libsrtp.txt").lines().filter(|line| !line.starts_with('#')) {
        let (kind, rest) = line.split_once(' ').unwrap();
        if kind == "key" {
            let crypto = SdesCrypto::parse(rest).unwrap();
            (sender, receiver) = (Some(SrtpSender::new(&crypto.key)), Some(SrtpReceiver::new(&crypto.key)));
            continue;
        }
        let (sender, receiver) = (sender.as_mut().unwrap(), receiver.as_mut().unwrap());
        let (plain, protected) = rest.split_once(' ').unwrap();
        let (plain, protected) = (hex(plain), hex(protected));
        let mut opened = protected.clone();
        let mut ours = plain.clone();
        ours.resize(plain.len() + SrtpSender::OVERHEAD, 0);
        let (length, written) = match kind {
            "rtp" => {
                rtp += 1;
                (receiver.open(&mut opened), sender.protect(&mut ours, plain.len()))
            }
            _ => {
                rtcp += 1;
                // libsrtp counts its RTCP packets from 1, we from 0.
                if rtcp % 2 == 1 {
                    let mut skipped = [0x80, 201, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
                    sender.protect_rtcp(&mut skipped, 8).unwrap();
                }
                (receiver.open_rtcp(&mut opened), sender.protect_rtcp(&mut ours, plain.len()))
            }
        };
        assert_eq!(length.map(|length| &opened[..length]), Ok(&plain[..]), "{line}");
        assert_eq!(written.map(|length| &ours[..length]), Ok(&protected[..]), "{line}");
    }
    assert!(rtp >= 20 && rtcp == 4, "{rtp} and {rtcp} packets");
}

#[test]
fn the_line_of_rfc_4568_is_read_and_written() {
    let line = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20 WSH=64";
    let crypto = SdesCrypto::parse(line).unwrap();
    assert_eq!((crypto.tag, crypto.key.suite(), crypto.key.lifetime()), (1, SrtpSuite::Aes128Sha1Tag80, 1 << 20));
    assert_eq!(crypto.reveal(), "1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj");
    for suite in SrtpSuite::ALL {
        let written = SdesCrypto { tag: 7, key: key(suite) }.reveal();
        assert_eq!(SdesCrypto::parse(&written).unwrap().reveal(), written);
    }
}

#[test]
fn attributes_that_would_not_be_kept_to_are_refused_without_repeating_them() {
    let good = "inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
    for (line, why) in [
        (format!("1 AES_CM_128_HMAC_SHA1_80 {good}|2^20|1:4"), BadCrypto::Mki),
        (format!("1 AES_CM_128_HMAC_SHA1_80 {good}|1:4"), BadCrypto::Mki),
        (format!("1 AES_CM_128_HMAC_SHA1_80 {good};{good}"), BadCrypto::ManyKeys),
        (format!("1 AES_CM_128_HMAC_SHA1_80 {good}|2^49"), BadCrypto::Lifetime),
        (format!("1 AES_CM_128_HMAC_SHA1_80 {good}|0"), BadCrypto::Lifetime),
        (format!("1 AES_CM_128_HMAC_SHA1_80 {good} UNENCRYPTED_SRTP"), BadCrypto::Session),
        (format!("1 AES_CM_128_HMAC_SHA1_80 {good} KDR=1"), BadCrypto::Session),
        (format!("1 F8_128_HMAC_SHA1_80 {good}"), BadCrypto::Suite),
        (format!("1 AES_256_CM_HMAC_SHA1_80 {good}"), BadCrypto::Secret),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:???".into(), BadCrypto::Secret),
        (format!("1 AES_CM_128_HMAC_SHA1_80 prf:{}", &good[7..]), BadCrypto::Shape),
        (format!("AES_CM_128_HMAC_SHA1_80 {good}"), BadCrypto::Shape),
        (String::new(), BadCrypto::Shape),
    ] {
        let error = SdesCrypto::parse(&line).unwrap_err();
        assert_eq!(error, why, "{line}");
        assert!(!error.to_string().contains("d0Rm"), "{error}");
    }
}

#[test]
fn keys_do_not_print() {
    let crypto = SdesCrypto { tag: 1, key: key(SrtpSuite::Aes128Sha1Tag80) };
    let printed = format!("{crypto:?} {:?} {:?}", SrtpSender::new(&crypto.key), SrtpReceiver::new(&crypto.key));
    let secret = crypto.reveal().split_once("inline:").unwrap().1.to_owned();
    assert!(!printed.contains(&secret) && !printed.contains("90, 127"), "{printed}");
    assert!(printed.contains("SrtpKey(AES_CM_128_HMAC_SHA1_80)"), "{printed}");
}

#[test]
fn sound_and_reports_come_through_in_every_suite_across_the_wrap_of_the_numbers() {
    for suite in SrtpSuite::ALL {
        let (mut sender, mut receiver) = (SrtpSender::new(&key(suite)), SrtpReceiver::new(&key(suite)));
        for n in 0..200_000u32 {
            if !(65_400..65_700).contains(&n) && n % 1_000 != 0 {
                continue;
            }
            let plain = packet(n as u16, 5);
            let protected = protect(&mut sender, &plain);
            assert_eq!(protected.len(), 172 + suite.tag_len());
            assert_ne!(protected[12..172], plain.as_bytes()[12..]);
            assert_eq!(open(&mut receiver, &protected).unwrap(), plain.as_bytes(), "{n}");
        }
        let report = [0x80, 201, 0, 1, 1, 2, 3, 4];
        let mut buffer = [0; 8 + SrtpSender::OVERHEAD];
        buffer[..8].copy_from_slice(&report);
        let length = sender.protect_rtcp(&mut buffer, 8).unwrap();
        let mut again = buffer;
        assert_eq!(receiver.open_rtcp(&mut buffer[..length]), Ok(8));
        assert_eq!(buffer[..8], report);
        assert_eq!(receiver.open_rtcp(&mut again[..length]), Err(SrtpError::Replayed));
    }
}

#[test]
fn order_may_change_on_the_way_but_nothing_is_heard_twice() {
    let secret = key(SrtpSuite::Aes128Sha1Tag32);
    let (mut sender, mut receiver) = (SrtpSender::new(&secret), SrtpReceiver::new(&secret));
    let sent: Vec<_> = (65_530..65_545u32).map(|n| protect(&mut sender, &packet(n as u16, 5))).collect();
    for n in [1, 0, 3, 2, 9, 4, 14, 5, 6, 7, 8] {
        assert!(open(&mut receiver, &sent[n]).is_ok(), "{n}");
        assert_eq!(open(&mut receiver, &sent[n]), Err(SrtpError::Replayed), "{n}");
    }
}

#[test]
fn one_changed_bit_a_strangers_packet_and_another_key_are_refused_and_change_nothing() {
    let secret = key(SrtpSuite::Aes128Sha1Tag80);
    let (mut sender, mut receiver) = (SrtpSender::new(&secret), SrtpReceiver::new(&secret));
    let good = protect(&mut sender, &packet(100, 5));
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(open(&mut receiver, &bad).is_err(), "bit {bit}");
    }
    for ssrc in 0..1_000 {
        assert_eq!(open(&mut receiver, packet(60_000, ssrc).as_bytes()), Err(SrtpError::BadTag));
    }
    let mut other = SrtpSender::new(&SrtpKey::new(secret.suite(), &[9; 30]).unwrap());
    assert_eq!(open(&mut receiver, &protect(&mut other, &packet(100, 5))), Err(SrtpError::BadTag));
    assert!(open(&mut receiver, &good).is_ok(), "no source was remembered, no number was moved");
}

#[test]
fn a_number_is_never_sent_twice_and_a_key_not_beyond_its_life() {
    let crypto = SdesCrypto::parse("1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|3");
    let mut sender = SrtpSender::new(&crypto.unwrap().key);
    let mut send = |sequence| {
        let mut buffer = [0; 200];
        let bytes = packet(sequence, 5);
        buffer[..172].copy_from_slice(bytes.as_bytes());
        sender.protect(&mut buffer, 172)
    };
    assert_eq!([send(1), send(1), send(2), send(3)], [Ok(182), Err(SrtpError::Replayed), Ok(182), Ok(182)]);
    assert_eq!(send(4), Err(SrtpError::Expired));
    let mut sender = SrtpSender::new(&key(SrtpSuite::Aes128Sha1Tag80));
    let mut tight = [0; 181];
    tight[..172].copy_from_slice(packet(1, 5).as_bytes());
    assert_eq!(sender.protect(&mut tight, 172), Err(SrtpError::Room));
    assert_eq!(sender.protect(&mut tight, 500), Err(SrtpError::Malformed));
}

proptest! {
    #[test]
    fn no_bytes_whatever_open_or_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..80), plausible: bool) {
        if plausible && let Some(first) = bytes.first_mut() {
            *first = 0x80 | *first & 0x3F;
        }
        let mut receiver = SrtpReceiver::new(&key(SrtpSuite::Aes128Sha1Tag80));
        prop_assert!(receiver.open(&mut bytes.clone()).is_err());
        prop_assert!(receiver.open_rtcp(&mut bytes).is_err());
    }

    #[test]
    fn headers_of_any_shape_stay_readable_and_payloads_come_back(
        csrcs in 0u8..16,
        words in prop::option::of(0u8..5),
        payload in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let mut plain = vec![0x80 | csrcs, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 5];
        plain.resize(12 + usize::from(csrcs) * 4, 3);
        if let Some(words) = words {
            plain[0] |= 0x10;
            plain.extend([0xBE, 0xDE, 0, words]);
            plain.resize(plain.len() + usize::from(words) * 4, 7);
        }
        let header = plain.len();
        plain.extend(payload);
        let secret = key(SrtpSuite::Aes256Sha1Tag32);
        let mut buffer = plain.clone();
        buffer.resize(plain.len() + 4, 0);
        prop_assert_eq!(SrtpSender::new(&secret).protect(&mut buffer, plain.len()), Ok(plain.len() + 4));
        prop_assert_eq!(&buffer[..header], &plain[..header]);
        prop_assert_eq!(SrtpReceiver::new(&secret).open(&mut buffer), Ok(plain.len()));
        prop_assert_eq!(&buffer[..plain.len()], &plain[..]);
        prop_assert!(Packet::parse(&buffer[..plain.len()]).is_ok());
    }
}
