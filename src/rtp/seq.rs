//! Sequence numbers that do not wrap (RFC 3550 appendix A.1).

/// An extended sequence number: its low 16 bits are the number on the wire, the rest count the wraps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SeqNo(pub u64);

impl SeqNo {
    /// The number after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// How many packets after `earlier` this one is; zero when it is not after it.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The number on the wire.
    pub const fn wire(self) -> u16 {
        self.0 as u16
    }
}

/// Where a packet belongs in the stream, as [`SeqExtender::extend`] decides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sequenced {
    /// In order, or late, or twice: at this place. Numbers below the highest are late or duplicates.
    At(SeqNo),
    /// Too far from the others to be believed; a second packet right behind it will restart the stream.
    Suspect,
    /// The sender restarted its numbers and this is the second packet of the new run. The number is above every earlier
    /// one, so what is buffered of the old run sorts before it.
    Restarted(SeqNo),
}

/// Extends the 16-bit sequence numbers of one source to 64 bits by the rules of RFC 3550 appendix A.1.
///
/// Unlike the RFC's receiver it believes the very first packet: whoever listens has no time to wait for a second one.
#[derive(Clone, Debug, Default)]
pub struct SeqExtender {
    highest: Option<SeqNo>,
    expected_restart: Option<u16>,
}

impl SeqExtender {
    /// A jump ahead of this many packets or more is not loss but a restart (RFC 3550: 3 000, a minute at 50 a second).
    pub const MAX_DROPOUT: u16 = 3_000;
    /// A packet up to this far behind the highest is merely late (RFC 3550: 100, two seconds).
    pub const MAX_MISORDER: u16 = 100;

    /// An extender that has seen no packet.
    pub const fn new() -> Self {
        Self { highest: None, expected_restart: None }
    }

    /// Says where the packet with this number on the wire belongs.
    pub fn extend(&mut self, sequence: u16) -> Sequenced {
        let Some(highest) = self.highest else {
            // One cycle up, so that packets a little older than the first one have numbers too.
            let first = SeqNo(CYCLE + u64::from(sequence));
            self.highest = Some(first);
            return Sequenced::At(first);
        };
        let ahead = sequence.wrapping_sub(highest.wire());
        if ahead < Self::MAX_DROPOUT {
            let number = SeqNo(highest.0 + u64::from(ahead));
            self.highest = Some(number);
            self.expected_restart = None;
            Sequenced::At(number)
        } else if ahead > u16::MAX - Self::MAX_MISORDER {
            // 65 536 − ahead is how far behind it is: 1 to MAX_MISORDER.
            Sequenced::At(SeqNo(highest.0 - (CYCLE - u64::from(ahead))))
        } else if self.expected_restart == Some(sequence) {
            let number = SeqNo((highest.0 / CYCLE + 2) * CYCLE + u64::from(sequence));
            self.highest = Some(number);
            self.expected_restart = None;
            Sequenced::Restarted(number)
        } else {
            self.expected_restart = Some(sequence.wrapping_add(1));
            Sequenced::Suspect
        }
    }

    /// The highest number so far; `None` before the first packet.
    pub const fn highest(&self) -> Option<SeqNo> {
        self.highest
    }
}

/// How many numbers there are on the wire.
const CYCLE: u64 = 1 << 16;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(number: u64) -> Sequenced {
        Sequenced::At(SeqNo(number))
    }

    #[test]
    fn numbers_go_on_across_the_wrap() {
        let mut extender = SeqExtender::new();
        assert_eq!(extender.extend(65_534), at(0x1_FFFE));
        assert_eq!(extender.extend(65_535), at(0x1_FFFF));
        assert_eq!(extender.extend(0), at(0x2_0000));
        assert_eq!(extender.extend(65_535), at(0x1_FFFF), "late across the wrap");
        assert_eq!(extender.extend(1), at(0x2_0001));
        assert_eq!(extender.highest(), Some(SeqNo(0x2_0001)));
    }

    #[test]
    fn packets_older_than_the_first_have_numbers() {
        let mut extender = SeqExtender::new();
        assert_eq!(extender.extend(3), at(0x1_0003));
        assert_eq!(extender.extend(65_535), at(0x0_FFFF));
        assert_eq!(extender.highest(), Some(SeqNo(0x1_0003)));
    }

    #[test]
    fn the_limits_of_dropout_and_misorder_are_those_of_the_rfc() {
        let start = |sequence| {
            let mut extender = SeqExtender::new();
            extender.extend(10_000);
            extender.extend(sequence)
        };
        assert_eq!(start(12_999), at(0x1_0000 + 12_999));
        assert_eq!(start(13_000), Sequenced::Suspect);
        assert_eq!(start(9_900), at(0x1_0000 + 9_900));
        assert_eq!(start(9_899), Sequenced::Suspect);
    }

    #[test]
    fn two_in_order_restart_the_stream_above_all_that_came_before() {
        let mut extender = SeqExtender::new();
        extender.extend(50_000);
        assert_eq!(extender.extend(7), Sequenced::Suspect);
        assert_eq!(extender.extend(8), Sequenced::Restarted(SeqNo(0x3_0008)));
        assert_eq!(extender.extend(9), at(0x3_0009));
        assert_eq!(extender.extend(7), at(0x3_0007), "the suspect itself has a place when it comes again");
    }

    #[test]
    fn one_stray_packet_moves_nothing() {
        let mut extender = SeqExtender::new();
        extender.extend(100);
        assert_eq!(extender.extend(40_000), Sequenced::Suspect);
        assert_eq!(extender.extend(101), at(0x1_0065));
        assert_eq!(extender.extend(40_001), Sequenced::Suspect, "the run was broken by a packet in order");
    }

    proptest! {
        #[test]
        fn the_low_bits_are_always_those_of_the_wire(numbers in prop::collection::vec(any::<u16>(), 1..200)) {
            let mut extender = SeqExtender::new();
            let mut highest = SeqNo(0);
            for wire in numbers {
                match extender.extend(wire) {
                    Sequenced::At(number) => prop_assert_eq!(number.wire(), wire),
                    Sequenced::Restarted(number) => {
                        prop_assert_eq!(number.wire(), wire);
                        prop_assert!(number > highest);
                    }
                    Sequenced::Suspect => {}
                }
                let now = extender.highest().unwrap();
                prop_assert!(now >= highest);
                highest = now;
            }
        }
    }
}
