//! Reads UDP datagrams out of a classic pcap capture: enough for what `fixtures/rtp` holds, and nothing more.
//!
//! Link types NULL (0), EN10MB (1), RAW (101), LINUX_SLL (113) and LINUX_SLL2 (276); microsecond and nanosecond files of
//! either byte order; IPv4 without fragments and IPv6 without extension headers. Anything that is not UDP is skipped.
//! Format: <https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-04.html>.
#![allow(dead_code, reason = "each test that includes this file uses its part of it")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// One UDP datagram of a capture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Datagram {
    /// When it was captured, counted from the capture's first packet.
    pub at: Duration,
    /// Who sent it.
    pub from: SocketAddr,
    /// To whom.
    pub to: SocketAddr,
    /// What it carries.
    pub payload: Vec<u8>,
}

/// What is wrong with a capture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Malformed {
    /// Neither of pcap's four magic numbers.
    Magic,
    /// A link type this reader does not know.
    LinkType(u32),
    /// The file ends within a header or a packet.
    Truncated,
    /// A packet was captured before the first one.
    Time,
}

/// The UDP datagrams of a capture, in the order of the file.
pub fn datagrams(file: &[u8]) -> Result<Vec<Datagram>, Malformed> {
    let order = Order::of(file)?;
    let link = order.u32(file, 20).ok_or(Malformed::Truncated)? & 0x0FFF_FFFF;
    let mut found = Vec::new();
    let mut first = None;
    let mut rest = &file[24..];
    while !rest.is_empty() {
        let seconds = order.u32(rest, 0).ok_or(Malformed::Truncated)?;
        let fraction = order.u32(rest, 4).ok_or(Malformed::Truncated)?;
        let length = order.u32(rest, 8).ok_or(Malformed::Truncated)? as usize;
        let packet = rest.get(16..16 + length).ok_or(Malformed::Truncated)?;
        let time = Duration::from_secs(seconds.into()) + order.fraction * fraction;
        let at = time.checked_sub(*first.get_or_insert(time)).ok_or(Malformed::Time)?;
        if let Some((from, to, payload)) = ip_of(packet, link, order)?.and_then(udp_of) {
            found.push(Datagram { at, from, to, payload: payload.to_vec() });
        }
        rest = &rest[16 + length..];
    }
    Ok(found)
}

/// The byte order and the time unit of a file.
#[derive(Clone, Copy)]
struct Order {
    little: bool,
    fraction: Duration,
}

impl Order {
    fn of(file: &[u8]) -> Result<Self, Malformed> {
        let (header, _) = file.split_first_chunk::<24>().ok_or(Malformed::Truncated)?;
        let (little, fraction) = match header[..4] {
            [0xD4, 0xC3, 0xB2, 0xA1] => (true, Duration::from_micros(1)),
            [0x4D, 0x3C, 0xB2, 0xA1] => (true, Duration::from_nanos(1)),
            [0xA1, 0xB2, 0xC3, 0xD4] => (false, Duration::from_micros(1)),
            [0xA1, 0xB2, 0x3C, 0x4D] => (false, Duration::from_nanos(1)),
            _ => return Err(Malformed::Magic),
        };
        Ok(Self { little, fraction })
    }

    fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let (word, _) = bytes.get(at..)?.split_first_chunk()?;
        Some(if self.little { u32::from_le_bytes(*word) } else { u32::from_be_bytes(*word) })
    }
}

/// The IP packet within a link layer frame; `None` if it carries something else.
fn ip_of(frame: &[u8], link: u32, order: Order) -> Result<Option<&[u8]>, Malformed> {
    let ethertype = |at: usize| frame.get(at..at + 2).is_some_and(|kind| matches!(kind, [0x08, 0x00] | [0x86, 0xDD]));
    let (carries_ip, header) = match link {
        0 => (order.u32(frame, 0).is_some_and(|family| matches!(family, 2 | 10 | 24 | 28 | 30)), 4),
        1 => (ethertype(12), 14),
        101 => (true, 0),
        113 => (ethertype(14), 16),
        276 => (ethertype(0), 20),
        other => return Err(Malformed::LinkType(other)),
    };
    Ok(frame.get(header..).filter(|_| carries_ip))
}

/// Addresses and payload of the UDP datagram within an IP packet; `None` if it is another protocol, a fragment or cut.
fn udp_of(ip: &[u8]) -> Option<(SocketAddr, SocketAddr, &[u8])> {
    const UDP: u8 = 17;
    let word = |bytes: &[u8], at: usize| Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
    let (from, to, udp): (IpAddr, IpAddr, &[u8]) = match ip.first()? >> 4 {
        4 => {
            let header = usize::from(ip[0] & 0x0F) * 4;
            let fragmented = word(ip, 6)? & 0x3FFF != 0;
            let (from, rest) = ip.get(12..)?.split_first_chunk::<4>()?;
            let (to, _) = rest.split_first_chunk::<4>()?;
            let udp = ip.get(header..usize::from(word(ip, 2)?))?;
            if ip[9] != UDP || fragmented {
                return None;
            }
            (Ipv4Addr::from(*from).into(), Ipv4Addr::from(*to).into(), udp)
        }
        6 => {
            let (from, rest) = ip.get(8..)?.split_first_chunk::<16>()?;
            let (to, udp) = rest.split_first_chunk::<16>()?;
            if ip[6] != UDP {
                return None;
            }
            (Ipv6Addr::from(*from).into(), Ipv6Addr::from(*to).into(), udp)
        }
        _ => return None,
    };
    let payload = udp.get(8..usize::from(word(udp, 4)?))?;
    Some((SocketAddr::new(from, word(udp, 0)?), SocketAddr::new(to, word(udp, 2)?), payload))
}

mod tests {
    use super::*;

    const WORDS: &[u8] = b"words";

    #[test]
    fn a_datagram_is_found_behind_every_link_layer() {
        let links: [(u32, Vec<u8>); 5] = [
            (0, vec![2, 0, 0, 0]),
            (1, [&[0; 12][..], &[0x08, 0x00]].concat()),
            (101, vec![]),
            (113, [&[0; 14][..], &[0x08, 0x00]].concat()),
            (276, [&[0x08, 0x00][..], &[0; 18]].concat()),
        ];
        for (link, head) in links {
            let frame = [head, ipv4(17, WORDS)].concat();
            let found = datagrams(&capture(link, &[(7, 5, &frame)])).unwrap();
            assert_eq!(found.len(), 1, "link type {link}");
            assert_eq!(found[0].payload, WORDS);
            assert_eq!(found[0].from, "10.0.0.1:40000".parse().unwrap());
            assert_eq!(found[0].to, "10.0.0.2:10000".parse().unwrap());
        }
    }

    #[test]
    fn ipv6_carries_datagrams_too() {
        let udp = udp(WORDS);
        let mut ip = vec![0x60, 0, 0, 0, 0, udp.len() as u8, 17, 64];
        ip.extend([[0; 15].as_slice(), &[1], &[0; 15], &[1]].concat());
        ip.extend(udp);
        let found = datagrams(&capture(101, &[(0, 0, &ip)])).unwrap();
        assert_eq!((found[0].payload.as_slice(), found[0].to), (WORDS, "[::1]:10000".parse().unwrap()));
    }

    #[test]
    fn times_count_from_the_first_packet_in_micro_and_nanoseconds() {
        let ip = ipv4(17, WORDS);
        let mut file = capture(101, &[(7, 999_000, &ip), (8, 19_500, &ip)]);
        assert_eq!(datagrams(&file).unwrap()[1].at, Duration::from_micros(20_500));
        file[0] = 0x4D;
        file[1] = 0x3C;
        assert_eq!(datagrams(&file).unwrap()[1].at, Duration::from_nanos(1_000_000_000 - 979_500));
    }

    #[test]
    fn other_protocols_and_fragments_are_skipped() {
        let tcp = ipv4(6, WORDS);
        let mut fragment = ipv4(17, WORDS);
        fragment[6] = 0x20;
        let arp = [0x08, 0x06];
        assert_eq!(datagrams(&capture(101, &[(0, 0, &tcp), (0, 0, &fragment)])), Ok(vec![]));
        assert_eq!(datagrams(&capture(1, &[(0, 0, &[&[0; 12][..], &arp, &[0; 28]].concat())])), Ok(vec![]));
    }

    #[test]
    fn a_file_that_is_cut_or_foreign_is_refused() {
        let ip = ipv4(17, WORDS);
        let whole = capture(101, &[(0, 0, &ip)]);
        for length in (0..24).chain(25..whole.len()) {
            assert_eq!(datagrams(&whole[..length]), Err(Malformed::Truncated), "cut at {length}");
        }
        assert_eq!(datagrams(&[0; 24]), Err(Malformed::Magic));
        assert_eq!(datagrams(&capture(147, &[(0, 0, &ip)])), Err(Malformed::LinkType(147)));
        assert_eq!(datagrams(&capture(101, &[(1, 0, &ip), (0, 0, &ip)])), Err(Malformed::Time));
    }

    fn capture(link: u32, packets: &[(u32, u32, &[u8])]) -> Vec<u8> {
        let mut file = [0xD4, 0xC3, 0xB2, 0xA1, 2, 0, 4, 0].to_vec();
        file.extend([0, 0, 65_535, link].iter().flat_map(|word: &u32| word.to_le_bytes()));
        for (seconds, fraction, packet) in packets {
            let length = packet.len() as u32;
            file.extend([*seconds, *fraction, length, length].iter().flat_map(|word| word.to_le_bytes()));
            file.extend(*packet);
        }
        file
    }

    fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
        let udp = udp(payload);
        let mut ip = vec![0x45, 0, 0, 20 + udp.len() as u8, 0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        ip.extend(udp);
        ip
    }

    fn udp(payload: &[u8]) -> Vec<u8> {
        let ports = [40_000u16, 10_000, 8 + payload.len() as u16, 0];
        ports.iter().flat_map(|word| word.to_be_bytes()).chain(payload.iter().copied()).collect()
    }
}
