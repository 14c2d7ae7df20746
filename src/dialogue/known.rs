//! What the words so far were found to say, kept for as long as they stand.

use std::time::Duration;

use super::profile::Profile;

/// The profile worked out last, and what it was worked out from.
///
/// How long to wait is asked for several times with every hop of voice and at every deadline; words come a few times a
/// second. Reading them again costs more than the rest of a packet's way through the call.
#[derive(Clone, Default, Debug)]
pub(super) struct Known(Option<(Kept, Profile)>);

/// What a profile depends on, but for what stays the same all call long: its language and its times.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Grounds<'a> {
    /// The caller's words: those of a turn taken back, those that stand, those that may still change.
    pub(super) words: [&'a str; 3],
    /// What the agent was last heard saying.
    pub(super) agent_said: Option<&'a str>,
    /// Whether the recogniser says that the turn is over.
    pub(super) ended: bool,
    /// The longest pause the caller has made inside a value.
    pub(super) gap: Duration,
    /// By how much this caller's pauses lengthen a wait.
    pub(super) longer: Duration,
}

#[derive(Clone, Debug)]
struct Kept {
    words: [String; 3],
    agent_said: Option<String>,
    ended: bool,
    gap: Duration,
    longer: Duration,
}

impl Known {
    /// What was worked out on these grounds.
    pub(super) fn of(grounds: Grounds<'_>, profile: Profile) -> Self {
        Self(Some((Kept::of(grounds), profile)))
    }

    /// The profile, if it was worked out on these grounds.
    pub(super) fn profile(&self, grounds: Grounds<'_>) -> Option<Profile> {
        let (kept, profile) = self.0.as_ref()?;
        (kept.grounds() == grounds).then_some(*profile)
    }
}

impl Kept {
    fn of(grounds: Grounds<'_>) -> Self {
        let Grounds { words, agent_said, ended, gap, longer } = grounds;
        Self { words: words.map(str::to_owned), agent_said: agent_said.map(str::to_owned), ended, gap, longer }
    }

    fn grounds(&self) -> Grounds<'_> {
        let Self { words, agent_said, ended, gap, longer } = self;
        let words = words.each_ref().map(String::as_str);
        Grounds { words, agent_said: agent_said.as_deref(), ended: *ended, gap: *gap, longer: *longer }
    }
}

#[cfg(test)]
mod tests {
    use super::super::profile::Sounds;
    use super::*;

    #[test]
    fn it_is_known_on_the_same_grounds_and_on_no_others() {
        let grounds = Grounds {
            words: ["", "four one", "five"],
            agent_said: Some("What is your number?"),
            ended: false,
            gap: Duration::ZERO,
            longer: Duration::ZERO,
        };
        let second = Duration::from_secs(1);
        let others = [
            Grounds { words: ["four", "one", "five"], ..grounds },
            Grounds { words: ["", "four one", ""], ..grounds },
            Grounds { agent_said: None, ..grounds },
            Grounds { ended: true, ..grounds },
            Grounds { gap: second, ..grounds },
            Grounds { longer: second, ..grounds },
        ];
        let profile = Profile { rule: "endpoint.digits", delay: second, sounds: Sounds::Value, is_delicate: true };
        assert_eq!(Known::default().profile(grounds), None);
        let known = Known::of(grounds, profile);
        assert_eq!(known.profile(grounds), Some(profile));
        for other in others {
            assert_eq!(known.profile(other), None, "{other:?}");
        }
    }
}
