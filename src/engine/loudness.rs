//! How loud each voice is, from call to call.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// The active speech levels of the voices heard last, so that a voice's next call begins with the right gain. Looked at
/// when a call begins and when it ends.
#[derive(Debug, Default)]
pub(super) struct VoiceLevels {
    /// Names with their levels in dBFS, the one learned last at the end. At most [`VoiceLevels::MOST`].
    known: Mutex<VecDeque<(String, f32)>>,
}

impl VoiceLevels {
    /// More voices than one server speaks with.
    const MOST: usize = 64;
    /// How much what was known before counts.
    const PAST: f32 = 0.5;

    /// What is known of a voice.
    pub(super) fn level(&self, name: Option<&String>) -> Option<f32> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let name = name?;
        known.iter().find(|(other, _)| other == name).map(|(_, level)| *level)
    }

    /// A call has found a voice to be so loud. With no room left, the voice learned longest ago is forgotten.
    pub(super) fn learn(&self, name: String, level: f32) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.iter().position(|(other, _)| *other == name).and_then(|at| known.remove(at));
        if known.len() == Self::MOST {
            known.pop_front();
        }
        let level = before.map_or(level, |(_, before)| before * Self::PAST + level * (1.0 - Self::PAST));
        known.push_back((name, level));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(n: usize) -> String {
        format!("voice {n}")
    }

    #[test]
    fn a_voice_is_known_again_and_the_one_not_heard_for_longest_is_forgotten() {
        let levels = VoiceLevels::default();
        assert_eq!((levels.level(None), levels.level(Some(&name(0)))), (None, None));
        for n in 0..VoiceLevels::MOST {
            levels.learn(name(n), -20.0 - n as f32);
        }
        levels.learn(name(0), -30.0);
        assert_eq!(levels.level(Some(&name(0))), Some(-25.0), "between what it was and what it was before");
        levels.learn(name(1_000), -18.0);
        assert_eq!(levels.level(Some(&name(1))), None);
        assert_eq!((levels.level(Some(&name(0))), levels.level(Some(&name(1_000)))), (Some(-25.0), Some(-18.0)));
    }
}
