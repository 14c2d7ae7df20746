//! What the words so far were found to say, kept for as long as they stand.

use std::cell::RefCell;
use std::time::Duration;

use super::profile::Profile;

/// The profile worked out last, and what it was worked out from.
///
/// How long to wait is asked for several times with every hop of voice and at every deadline; words come a few times a
/// second. Reading them again costs more than the rest of a packet's way through the call.
#[derive(Clone, Default, Debug)]
pub(super) struct Known(RefCell<Option<(Kept, Profile)>>);

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
    /// The profile on these grounds: what was found before, or what `work_out` finds.
    pub(super) fn or(&self, grounds: Grounds<'_>, work_out: impl FnOnce() -> Profile) -> Profile {
        if let Some((kept, profile)) = &*self.0.borrow()
            && kept.grounds() == grounds
        {
            return *profile;
        }
        let profile = work_out();
        *self.0.borrow_mut() = Some((Kept::of(grounds), profile));
        profile
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
    fn it_is_worked_out_anew_whenever_anything_it_depends_on_is_different() {
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
        let profile = |rule| Profile { rule, delay: second, sounds: Sounds::Finished, is_delicate: false };
        for other in others {
            let known = Known::default();
            assert_eq!(known.or(grounds, || profile("first")).rule, "first");
            assert_eq!(known.or(grounds, || profile("again")).rule, "first");
            assert_eq!(known.clone().or(grounds, || profile("again")).rule, "first");
            assert_eq!(known.or(other, || profile("other")).rule, "other", "{other:?}");
            assert_eq!(known.or(grounds, || profile("back")).rule, "back");
        }
    }
}
