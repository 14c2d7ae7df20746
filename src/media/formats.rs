//! The ways sound may come on one line.

use crate::audio::{Codec, SampleRate};
use crate::rtp::PayloadType;

/// A codec under the payload type it was agreed with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Format {
    /// The payload type on this line.
    pub payload_type: PayloadType,
    /// What it means.
    pub codec: Codec,
}

/// Up to [`Formats::MOST`] formats, each payload type once.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Formats {
    list: [Option<Format>; Self::MOST],
}

impl Formats {
    /// The most a line has.
    pub const MOST: usize = 6;

    /// No format.
    pub const NONE: Self = Self { list: [None; Self::MOST] };

    /// Adds a format; `false`: its payload type is taken or there is no room.
    pub fn push(&mut self, format: Format) -> bool {
        if self.iter().any(|known| known.payload_type == format.payload_type) {
            return false;
        }
        let free = self.list.iter_mut().find(|place| place.is_none());
        free.map(|place| *place = Some(format)).is_some()
    }

    /// The formats, in the order they were added.
    pub fn iter(&self) -> impl Iterator<Item = Format> {
        self.list.iter().flatten().copied()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.iter().all(Option::is_none)
    }

    /// The rate at which a line with these formats works: that of the widest, so that no voice is narrowed.
    pub fn rate(&self) -> SampleRate {
        self.iter().map(|format| format.codec.sample_rate()).max().unwrap_or(SampleRate::HZ_8000)
    }
}

impl FromIterator<Format> for Formats {
    /// The first [`Formats::MOST`] of different payload types.
    fn from_iter<T: IntoIterator<Item = Format>>(formats: T) -> Self {
        let mut all = Self::NONE;
        for format in formats {
            all.push(format);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_type_means_one_thing_and_the_widest_sets_the_rate() {
        let format = |payload_type, codec| Format { payload_type: PayloadType(payload_type), codec };
        let mut formats = Formats::NONE;
        assert!(formats.is_empty() && formats.push(format(0, Codec::Pcmu)));
        assert_eq!(formats.rate(), SampleRate::HZ_8000);
        assert!(!formats.push(format(0, Codec::G722)), "taken");
        assert!(formats.push(format(9, Codec::G722)));
        assert_eq!(formats.rate(), SampleRate::HZ_16000);
        let more: Formats = (96..120).map(|payload_type| format(payload_type, Codec::Opus)).collect();
        assert_eq!(more.iter().count(), Formats::MOST);
    }
}
