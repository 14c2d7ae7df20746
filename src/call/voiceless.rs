//! Sound of the caller in which no voice is found: what tells a user why the agent "did not hear" somebody.

use std::time::Duration;

use crate::audio::{Frame, level};
use crate::dialogue::Why;

/// How often, and for how long in all, the caller's line sounded without a voice in it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Voiceless {
    /// Stretches of 5 s and more.
    pub stretches: u32,
    /// How long they lasted together, the pauses within them included.
    pub total: Duration,
}

/// Listens for long stretches of sound without a voice: a microphone in a noise, a voice too soft or too odd for the
/// detector, music. What the agent's own sound may have brought back does not count.
#[derive(Clone, Debug, Default)]
pub(super) struct VoicelessEar {
    /// A voice is being heard.
    voice: bool,
    stretch: Option<Stretch>,
    /// Until when sound may be the agent's own.
    own: Duration,
    heard: Voiceless,
}

/// Sound that goes on.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    began: Duration,
    /// The end of its last sound.
    last: Duration,
    /// How much of it sounded, and the sum of its frames' levels.
    sound: Duration,
    decibels: f32,
    frames: u32,
    is_told: bool,
}

impl VoicelessEar {
    /// What is softer is the silence of a line.
    pub(super) const LEAST_DBFS: f32 = -50.0;
    /// A stretch this long is told.
    pub(super) const LONG: Duration = Duration::from_secs(5);
    /// A longer silence ends a stretch.
    const PAUSE: Duration = Duration::from_secs(1);
    /// An echo of the agent comes back within this.
    const ECHO: Duration = Duration::from_millis(500);

    /// A voice is heard: whatever sounded before it was no such stretch.
    pub(super) fn voice(&mut self) {
        self.voice = true;
        self.end();
    }

    /// The voice is over.
    pub(super) fn silence(&mut self) {
        self.voice = false;
    }

    /// A frame of the agent was sent.
    pub(super) fn agent(&mut self, frame: &Frame, at: Duration) {
        if frame.samples().iter().any(|&sample| sample != 0) {
            self.own = at + Self::ECHO;
        }
    }

    /// A frame of the caller was heard. When a stretch has become long it is told: since when, and why.
    pub(super) fn caller(&mut self, frame: &Frame, at: Duration) -> Option<(Duration, Why)> {
        if self.voice || at < self.own {
            return None;
        }
        let level = level::dbfs(frame.samples());
        if level < Self::LEAST_DBFS {
            if self.stretch.is_some_and(|stretch| at.saturating_sub(stretch.last) >= Self::PAUSE) {
                self.end();
            }
            return None;
        }
        let begins = at.saturating_sub(frame.duration());
        let new = Stretch { began: begins, last: at, sound: Duration::ZERO, decibels: 0.0, frames: 0, is_told: false };
        // What was not listened to in between may have been anything.
        if self.stretch.is_some_and(|stretch| at.saturating_sub(stretch.last) >= Self::PAUSE) {
            self.end();
        }
        let stretch = self.stretch.get_or_insert(new);
        stretch.last = at;
        stretch.sound += frame.duration();
        stretch.decibels += level;
        stretch.frames = stretch.frames.saturating_add(1);
        let lasted = at.saturating_sub(stretch.began);
        if stretch.is_told || lasted < Self::LONG || stretch.sound * 2 < lasted {
            return None;
        }
        stretch.is_told = true;
        let mean = stretch.decibels / stretch.frames.max(1) as f32;
        let inputs = format!("{} of {} ms at {mean:.0} dBFS", stretch.sound.as_millis(), lasted.as_millis());
        Some((stretch.began, Why { rule: "media.sound-without-voice", inputs }))
    }

    /// What was heard so far.
    pub(super) fn heard(&self) -> Voiceless {
        let Some(stretch) = self.stretch.filter(|stretch| stretch.is_told) else { return self.heard };
        let Voiceless { stretches, total } = self.heard;
        let lasted = stretch.last.saturating_sub(stretch.began);
        Voiceless { stretches: stretches.saturating_add(1), total: total.saturating_add(lasted) }
    }

    fn end(&mut self) {
        self.heard = self.heard();
        self.stretch = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::SampleRate;

    const PTIME: Duration = Duration::from_millis(20);

    /// Hears so many seconds of this amplitude; when something was told, and since when.
    fn hear(ear: &mut VoicelessEar, at: &mut Duration, seconds: u32, amplitude: i16) -> Vec<(u64, u64)> {
        let frame = Frame::from_samples(SampleRate::HZ_8000, &[amplitude; 160]).unwrap();
        let mut told = Vec::new();
        for _ in 0..seconds * 50 {
            *at += PTIME;
            if let Some((since, why)) = ear.caller(&frame, *at) {
                assert_eq!(why.rule, "media.sound-without-voice");
                told.push((at.as_millis() as u64, since.as_millis() as u64));
            }
        }
        told
    }

    #[test]
    fn a_long_sound_without_a_voice_is_told_once_and_counted_to_its_end() {
        let (mut ear, mut at) = (VoicelessEar::default(), Duration::ZERO);
        assert_eq!(hear(&mut ear, &mut at, 3, 5), [], "the silence of a line");
        assert_eq!(hear(&mut ear, &mut at, 8, 900), [(8_000, 3_000)]);
        assert_eq!(ear.heard(), Voiceless { stretches: 1, total: Duration::from_secs(8) });
        assert_eq!(hear(&mut ear, &mut at, 2, 5), []);
        assert_eq!(hear(&mut ear, &mut at, 6, 900), [(18_000, 13_000)]);
        assert_eq!(ear.heard(), Voiceless { stretches: 2, total: Duration::from_secs(14) });
    }

    #[test]
    fn a_voice_the_agents_own_sound_and_short_noises_are_no_such_stretch() {
        let (mut ear, mut at) = (VoicelessEar::default(), Duration::ZERO);
        for _ in 0..5 {
            assert_eq!(hear(&mut ear, &mut at, 3, 900), []);
            hear(&mut ear, &mut at, 2, 5);
        }
        hear(&mut ear, &mut at, 4, 900);
        ear.voice();
        assert_eq!(hear(&mut ear, &mut at, 10, 900), []);
        ear.silence();
        let agent = Frame::from_samples(SampleRate::HZ_8000, &[900; 160]).unwrap();
        for _ in 0..500 {
            ear.agent(&agent, at);
            at += PTIME;
            assert_eq!(ear.caller(&agent, at), None, "an echo");
        }
        assert_eq!(ear.heard(), Voiceless::default());
    }
}
