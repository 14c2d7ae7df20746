//! The caller's keys, whichever way they come: as telephone events, in the sound, or told by a gateway.

use std::time::{Duration, Instant};

use crate::audio::tone::KeyDetector;
use crate::audio::{Frame, SampleRate};
use crate::conversation::Digit;

/// Hears keys in the sound, keeps their tones out of it, and tells a key that comes in two ways once.
///
/// Events are believed before tones: while they come, tones are only kept out of the sound. A key that was told from one
/// source is not told again from another within [`KeyEar::SAME`].
#[derive(Debug)]
pub(super) struct KeyEar {
    rate: SampleRate,
    detector: KeyDetector,
    /// The last key heard in the sound.
    tone: Option<(Digit, Instant)>,
    /// When the last event packet came, or the last key told by a gateway.
    event: Option<Instant>,
    is_sounding: bool,
}

impl KeyEar {
    /// The same key from two sources within this is one key.
    const SAME: Duration = Duration::from_millis(150);
    /// So much lost sound does not end a key.
    const BRIDGED: Duration = Duration::from_millis(60);

    pub(super) fn new(rate: SampleRate) -> Self {
        Self { rate, detector: KeyDetector::new(rate), tone: None, event: None, is_sounding: false }
    }

    /// A packet of a telephone event came, whatever its key.
    pub(super) fn event_came(&mut self, now: Instant) {
        self.event = Some(now);
    }

    /// Whether a key that came outside the sound is new: not the one that was just heard in it.
    pub(super) fn is_new(&mut self, digit: Digit, now: Instant) -> bool {
        self.event = Some(now);
        let heard = self.tone.take();
        heard.is_none_or(|(tone, at)| tone != digit || now.saturating_duration_since(at) > Self::SAME)
    }

    /// Takes the next frame of the sound, silences it where a key sounds, and gives the key that begins in it. `missing`
    /// is how much sound up to the frame's end was made up: for a packet or three nothing follows from it, so that a key
    /// goes on over a loss.
    pub(super) fn hear(&mut self, frame: &mut Frame, missing: Duration, now: Instant) -> Option<Digit> {
        let was_sounding = self.detector.is_sounding();
        let mut key = None;
        if missing > Duration::ZERO && missing <= Self::BRIDGED {
            self.detector.skip();
        } else {
            self.detector.push(frame, |begun| key = Digit::new(begun));
        }
        self.is_sounding = was_sounding || self.detector.is_sounding();
        if self.is_sounding {
            frame.samples_mut().fill(0);
        }
        let digit = key?;
        if self.event.is_some_and(|at| now.saturating_duration_since(at) <= Self::SAME) {
            return None;
        }
        self.tone = Some((digit, now));
        Some(digit)
    }

    /// Whether a key sounded in the frame that was heard last.
    pub(super) const fn is_sounding(&self) -> bool {
        self.is_sounding
    }

    /// What comes next has nothing to do with what was heard.
    pub(super) fn reset(&mut self) {
        self.detector = KeyDetector::new(self.rate);
        self.is_sounding = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::tone::Tone;

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to begin with")]
    fn start() -> Instant {
        Instant::now()
    }

    const RATE: SampleRate = SampleRate::HZ_8000;
    const MS: Duration = Duration::from_millis(1);

    /// Hears 100 ms of a key's tones from `from` on; the keys told, and how many of the frames kept some sound.
    fn tones(ear: &mut KeyEar, key: char, from: Instant) -> (String, usize) {
        let mut tone = Tone::key(key, RATE).unwrap();
        let (mut keys, mut loud) = (String::new(), 0);
        for n in 0..8 {
            let mut frame = Frame::silence(RATE, 20 * MS);
            if n < 5 {
                tone.fill(frame.samples_mut());
            }
            keys.extend(ear.hear(&mut frame, Duration::ZERO, from + (n + 1) * 20 * MS).map(Digit::as_char));
            loud += usize::from(frame.samples().iter().any(|&sample| sample != 0));
        }
        (keys, loud)
    }

    #[test]
    fn a_key_in_the_sound_is_told_once_and_its_tones_are_kept_out() {
        let (t, mut ear) = (start(), KeyEar::new(RATE));
        assert_eq!(tones(&mut ear, '7', t), ("7".into(), 1), "what came before it was certain is left");
        assert!(!ear.is_sounding());
        assert_eq!(tones(&mut ear, '7', t + 200 * MS).0, "7", "pressed again");
    }

    #[test]
    fn a_key_that_comes_in_two_ways_is_one_key_whichever_is_first() {
        let five = Digit::new('5').unwrap();
        let (t, mut ear) = (start(), KeyEar::new(RATE));
        assert!(ear.is_new(five, t + 10 * MS));
        let (keys, loud) = tones(&mut ear, '5', t);
        assert_eq!((keys.as_str(), loud), ("", 1), "the event came first; its tones are still kept out");
        let mut ear = KeyEar::new(RATE);
        assert_eq!(tones(&mut ear, '5', t).0, "5");
        assert!(!ear.is_new(five, t + 120 * MS), "the tones came first");
        assert!(ear.is_new(five, t + 320 * MS), "the next press of it");
    }

    #[test]
    fn an_event_that_lasts_keeps_its_tones_from_being_told() {
        let (t, mut ear) = (start(), KeyEar::new(RATE));
        assert!(ear.is_new(Digit::new('5').unwrap(), t));
        ear.event_came(t + 380 * MS);
        assert_eq!(tones(&mut ear, '5', t + 400 * MS).0, "", "the tone broke off and came back while the key was down");
        assert_eq!(tones(&mut ear, '6', t + 700 * MS).0, "6", "a key of which no event came");
    }
}
