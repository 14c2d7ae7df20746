//! The sound that is left when every voice is down.

/// An English voice saying "I'm sorry, I'm having technical trouble right now.", in µ-law at 8 kHz.
///
/// Made by `fixtures/audio/last_resort.sh`; who wants another voice or language gives the call a sound of their own.
pub const LAST_RESORT: &[u8] = include_bytes!("last_resort.ulaw");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{g711, level};

    #[test]
    fn it_is_a_short_sound_at_the_level_of_speech() {
        let mut samples = vec![0; LAST_RESORT.len()];
        assert_eq!(g711::decode_ulaw(LAST_RESORT, &mut samples), LAST_RESORT.len());
        assert!((8_000..=24_000).contains(&samples.len()), "{} samples", samples.len());
        let power = level::energy(&samples) as f64 / samples.len() as f64;
        let dbfs = 10.0 * (power / 32_768f64.powi(2)).log10();
        assert!((-30.0..=-10.0).contains(&dbfs), "{dbfs:.1} dBFS");
    }
}
