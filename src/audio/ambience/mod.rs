//! Beds of sound that make a call seem to come from somewhere.
//!
//! Each is made by our own code from noise and a few events, the same every time, [`LENGTH`] long and without a seam:
//! whoever plays one begins anywhere in it and goes round and round. It is made once for each rate when it is first asked
//! for, which takes a few tenths of a second, and from then on shared.

mod canvas;
mod places;
mod talker;
#[cfg(test)]
mod tests;

use std::sync::OnceLock;
use std::time::Duration;

use super::frame::SampleRate;

use canvas::Canvas;

/// How loud a bed is, as [`level::dbfs`](super::level::dbfs) has it: well under a voice, above a line's own noise.
pub const LEVEL_DBFS: f32 = -38.0;

/// How long a bed is before it begins again.
pub const LENGTH: Duration = Duration::from_secs(24);

/// An office: air conditioning, somebody typing, paper, voices behind a wall. `None` at rates no line works at.
pub fn office(rate: SampleRate) -> Option<&'static [i16]> {
    static BEDS: Beds = Beds::new();
    BEDS.at(rate, places::office)
}

/// A coffee shop: a room full of talk, cups, the steam of the machine. `None` at rates no line works at.
pub fn coffee_shop(rate: SampleRate) -> Option<&'static [i16]> {
    static BEDS: Beds = Beds::new();
    BEDS.at(rate, places::coffee_shop)
}

/// Out of doors: wind, leaves, birds, a car that passes. `None` at rates no line works at.
pub fn outdoor(rate: SampleRate) -> Option<&'static [i16]> {
    static BEDS: Beds = Beds::new();
    BEDS.at(rate, places::outdoor)
}

/// One place at the rates lines work at. What is in it follows from the code alone, whoever asks first.
struct Beds {
    narrow: OnceLock<Box<[i16]>>,
    wide: OnceLock<Box<[i16]>>,
}

impl Beds {
    const fn new() -> Self {
        Self { narrow: OnceLock::new(), wide: OnceLock::new() }
    }

    fn at(&'static self, rate: SampleRate, paint: fn(&mut Canvas)) -> Option<&'static [i16]> {
        let place = match rate {
            SampleRate::HZ_8000 => &self.narrow,
            SampleRate::HZ_16000 => &self.wide,
            _ => return None,
        };
        Some(place.get_or_init(|| {
            let mut canvas = Canvas::new(rate, LENGTH);
            paint(&mut canvas);
            canvas.finish(LEVEL_DBFS)
        }))
    }
}
