//! The payload of a named telephone event (RFC 4733 section 2.3).

use std::fmt;

/// One report of a telephone event: a key held down, as the packets of its train repeat it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TelephoneEvent {
    /// Which event: 0–15 are the keys (RFC 4733 section 3.2).
    pub event: u8,
    /// Whether the event is over.
    pub end: bool,
    /// How loud, 0–63, as dBm0 without its minus sign. Senders give 10 for a key.
    pub volume: u8,
    /// How long it has lasted, in units of the RTP clock; zero means for an unknown time.
    pub duration: u16,
}

impl TelephoneEvent {
    /// How many bytes one report takes.
    pub const LEN: usize = 4;

    /// Reads the first report of a payload. What follows it (redundancy, section 2.5.1.4) repeats older events and is
    /// left unread; the reserved bit is ignored, as section 2.3.3 demands.
    pub fn parse(payload: &[u8]) -> Result<Self, TelephoneEventError> {
        let Some(&[event, flags, high, low]) = payload.first_chunk::<{ Self::LEN }>() else {
            return Err(TelephoneEventError::Truncated { bytes: payload.len() });
        };
        Ok(Self { event, end: flags & END != 0, volume: flags & VOLUME, duration: u16::from_be_bytes([high, low]) })
    }

    /// The report as it goes on the wire; a volume above 63 is sent as 63.
    pub const fn to_bytes(self) -> [u8; Self::LEN] {
        let volume = if self.volume > VOLUME { VOLUME } else { self.volume };
        let [high, low] = self.duration.to_be_bytes();
        [self.event, volume | if self.end { END } else { 0 }, high, low]
    }
}

impl fmt::Debug for TelephoneEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Which key it is may be part of a card number.
        write!(f, "TelephoneEvent(end: {}, duration: {})", self.end, self.duration)
    }
}

const END: u8 = 0x80;
const VOLUME: u8 = 0x3F;

/// Why a payload is not a telephone event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TelephoneEventError {
    /// Shorter than one report.
    Truncated {
        /// How long it was.
        bytes: usize,
    },
}

impl fmt::Display for TelephoneEventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { bytes } => {
                write!(f, "telephone event of {bytes} bytes, expected {}", TelephoneEvent::LEN)
            }
        }
    }
}

impl std::error::Error for TelephoneEventError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_example_of_the_rfc_reads_back() {
        // RFC 4733 figure 5: digit 1, end, volume 7 dBm0 down, 1 600 timestamp units.
        let event = TelephoneEvent::parse(&[1, 0x87, 0x06, 0x40]).unwrap();
        assert_eq!(event, TelephoneEvent { event: 1, end: true, volume: 7, duration: 1_600 });
        assert_eq!(event.to_bytes(), [1, 0x87, 0x06, 0x40]);
    }

    #[test]
    fn the_reserved_bit_and_redundant_reports_are_ignored() {
        let event = TelephoneEvent::parse(&[11, 0x40 | 10, 0, 160, 9, 0x8A, 3, 0]).unwrap();
        assert_eq!(event, TelephoneEvent { event: 11, end: false, volume: 10, duration: 160 });
    }

    #[test]
    fn a_short_payload_is_refused() {
        assert_eq!(TelephoneEvent::parse(&[1, 2, 3]), Err(TelephoneEventError::Truncated { bytes: 3 }));
        assert_eq!(TelephoneEvent::parse(&[]), Err(TelephoneEventError::Truncated { bytes: 0 }));
    }

    #[test]
    fn the_key_does_not_print() {
        let text = format!("{:?}", TelephoneEvent { event: 7, end: true, volume: 63, duration: 800 });
        assert!(!text.contains('7'), "{text}");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(event: u8, end: bool, volume in 0u8..64, duration: u16) {
            let report = TelephoneEvent { event, end, volume, duration };
            prop_assert_eq!(TelephoneEvent::parse(&report.to_bytes()), Ok(report));
        }
    }
}
