//! How long to wait after what the caller has said.

use std::time::Duration;

use super::entity::{self, Asked, State};
use super::language::Language;
use super::pauses::Pauses;
use super::words::{self, normalise};
use super::{SttMode, Timing};

/// What the wait depends on besides the caller's words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner<'a> {
    pub(super) timing: &'a Timing,
    pub(super) language: &'a Language,
    pub(super) mode: SttMode,
    pub(super) pauses: &'a Pauses,
    /// What the agent was last heard saying.
    pub(super) agent_said: Option<&'a str>,
}

/// How long to wait, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Profile {
    /// The rule.
    pub(super) rule: &'static str,
    /// The wait after the last voiced sample.
    pub(super) delay: Duration,
    /// How the words sound.
    pub(super) sounds: Sounds,
    /// Whether what is missing may be misheard in an interim: a value, or a name that was asked for.
    pub(super) is_delicate: bool,
}

/// How words sound at their end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sounds {
    /// Perhaps finished, perhaps not: a pause here is the caller's own.
    Finished,
    /// More must follow.
    Unfinished,
    /// In the middle of a value.
    Value,
}

impl Manner<'_> {
    /// The wait after `text`. `ended`: the recogniser says that the turn is over; `gap`: the longest pause the caller
    /// has made inside a value in this turn.
    ///
    /// What the words plainly lack goes before what the recogniser says: many a recogniser only means a pause.
    pub(super) fn profile(&self, text: &str, ended: bool, gap: Duration) -> Profile {
        let Self { timing, language, pauses, .. } = *self;
        let text = tail(text);
        let said = normalise(text);
        let agent_said = self.agent_said.map(tail);
        let asked = agent_said.and_then(|said| Asked::by(said, language));
        let value = entity::value(&said, asked, language);
        let profile = |rule, delay, sounds| Profile {
            rule,
            delay,
            sounds,
            is_delicate: value.is_some() || asked.is_some_and(Asked::is_name),
        };
        let outlast = |delay| pauses.outlast(delay, timing);
        if words::ends_in(&said, language.fillers) {
            return profile("endpoint.filler", timing.endpoint_cap, Sounds::Unfinished);
        }
        let is_closed = || agent_said.is_some_and(|said| words::is_closed_question(said, language));
        if words::is_yes_or_no(&said, language) && is_closed() {
            return profile("endpoint.yes-no", timing.endpoint_yes_no, Sounds::Finished);
        }
        if let Some((kind, state)) = value {
            let (delay, sounds) = match state {
                State::Complete => (outlast(timing.endpoint_normal), Sounds::Finished),
                State::Open => (timing.endpoint_entity.max(gap + GAP_MARGIN), Sounds::Value),
                State::Between => (timing.endpoint_entity_cap, Sounds::Value),
            };
            return profile(kind.rule(), delay.min(timing.endpoint_entity_cap), sounds);
        }
        if self.is_unfinished(text, &said) {
            return profile("endpoint.unsure", timing.endpoint_unsure, Sounds::Unfinished);
        }
        if ended {
            profile("endpoint.recogniser", timing.endpoint_confident, Sounds::Finished)
        } else if text.ends_with(FULL_STOPS) {
            profile("endpoint.complete", timing.endpoint_confident, Sounds::Finished)
        } else {
            profile("endpoint.normal", outlast(timing.endpoint_normal), Sounds::Finished)
        }
    }

    /// Whether words want others to follow, by their last word or mark.
    fn is_unfinished(&self, text: &str, said: &[String]) -> bool {
        if text.ends_with([',', '、', '，', '…', '-', '–', '—', ':', ';']) || text.ends_with("...") {
            return true;
        }
        if text.ends_with(['?', '？', '¿']) {
            return false;
        }
        let is_stopped = text.ends_with(FULL_STOPS);
        let is_answer = words::is_short_answer(said, self.language);
        (words::ends_in(said, self.language.unfinished) && !is_answer)
            || (words::ends_in(said, self.language.loose) && !is_stopped)
    }
}

/// The end of a text, which is all that tells whether it is finished.
fn tail(text: &str) -> &str {
    const MOST: usize = 1_024;
    let from = (text.len().saturating_sub(MOST)..text.len()).find(|&at| text.is_char_boundary(at));
    text.get(from.unwrap_or_default()..).unwrap_or_default()
}

/// A gap inside a value may be followed by one that is longer by this.
const GAP_MARGIN: Duration = Duration::from_millis(150);

const FULL_STOPS: [char; 9] = ['.', '!', '?', '。', '！', '？', '؟', '।', '።'];

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn profile_in(tag: &str, text: &str, asked: Option<&str>) -> (&'static str, u64) {
        let (timing, pauses) = (Timing::default(), Pauses::default());
        let manner = Manner {
            timing: &timing,
            language: Language::of(tag),
            mode: SttMode::Fast,
            pauses: &pauses,
            agent_said: asked,
        };
        let profile = manner.profile(text, false, Duration::ZERO);
        (profile.rule, profile.delay.as_millis() as u64)
    }

    #[test]
    fn the_wait_follows_the_words() {
        let phone = Some("What is your phone number?");
        for (text, asked, rule, delay) in [
            ("book a table for two", None, "endpoint.normal", 500),
            ("Book a table for two.", None, "endpoint.complete", 250),
            ("I would like to", None, "endpoint.unsure", 1_200),
            ("I would like to.", None, "endpoint.unsure", 1_200),
            ("I was", None, "endpoint.unsure", 1_200),
            ("I can't come because", None, "endpoint.unsure", 1_200),
            ("my name is", None, "endpoint.unsure", 1_200),
            ("it's", None, "endpoint.unsure", 1_200),
            ("and then my", None, "endpoint.unsure", 1_200),
            ("at half past", None, "endpoint.unsure", 1_200),
            ("on Tuesday, so", None, "endpoint.unsure", 1_200),
            ("I think so.", None, "endpoint.complete", 250),
            ("Come in.", None, "endpoint.complete", 250),
            ("Yes, I would.", None, "endpoint.complete", 250),
            ("yes I would", None, "endpoint.normal", 500),
            ("Yes, but.", None, "endpoint.unsure", 1_200),
            ("on Tuesday,", None, "endpoint.unsure", 1_200),
            ("Who should I give it to?", None, "endpoint.complete", 250),
            ("my name is um", None, "endpoint.filler", 2_500),
            ("let me see", None, "endpoint.filler", 2_500),
            ("yeah", Some("Shall I book it?"), "endpoint.yes-no", 200),
            ("yeah", Some("How many people?"), "endpoint.normal", 500),
            ("four one five", None, "endpoint.digits", 900),
            ("4. 1. 5.", None, "endpoint.digits", 900),
            ("415", phone, "endpoint.phone", 900),
            ("415 555 0100.", phone, "endpoint.phone", 500),
            ("415", Some("How many people?"), "endpoint.normal", 500),
            ("j o h n at", None, "endpoint.email", 3_500),
            ("j o h n at example dot com", None, "endpoint.email", 500),
            ("well...", None, "endpoint.unsure", 1_200),
        ] {
            assert_eq!(profile_in("en", text, asked), (rule, delay), "{text:?} after {asked:?}");
        }
    }

    #[test]
    fn of_a_long_text_the_end_counts() {
        let long = "é and so on ".repeat(200) + "that is what I would like to";
        assert_eq!(profile_in("en", &long, None), ("endpoint.unsure", 1_200));
        assert_eq!((tail("ab"), tail(""), tail(&long).len() <= 1_024), ("ab", "", true));
    }

    #[test]
    fn other_languages_have_their_own_words_or_none() {
        for (tag, text, asked, rule) in [
            ("de", "ich möchte einen Tisch für", None, "endpoint.unsure"),
            ("de", "ähm", None, "endpoint.filler"),
            ("de-AT", "ja genau", Some("Soll ich den Tisch reservieren?"), "endpoint.yes-no"),
            ("es", "quiero cambiar mi", None, "endpoint.unsure"),
            ("fr", "je voudrais réserver une", None, "endpoint.unsure"),
            ("it", "vorrei prenotare un", None, "endpoint.unsure"),
            ("nl", "ik wil graag een", None, "endpoint.unsure"),
            ("pt", "eu gostaria de", None, "endpoint.unsure"),
            ("ja", "はい。", None, "endpoint.complete"),
            ("pl", "chciałbym zarezerwować dla", None, "endpoint.normal"),
            ("pl", "chciałbym zarezerwować,", None, "endpoint.unsure"),
        ] {
            assert_eq!(profile_in(tag, text, asked).0, rule, "{tag}: {text:?}");
        }
    }

    #[test]
    fn learned_pauses_lengthen_the_normal_wait_and_nothing_else() {
        let timing = Timing::default();
        let mut pauses = Pauses::default();
        pauses.went_on(MS(700), &timing);
        let manner = Manner {
            timing: &timing,
            language: Language::of("en"),
            mode: SttMode::Fast,
            pauses: &pauses,
            agent_said: None,
        };
        for (text, ended, delay) in [
            ("Book a table.", false, 250),
            ("book a table", false, 550),
            ("book a table", true, 250),
            ("I would like to", true, 1_200),
            ("four one five", true, 900),
        ] {
            assert_eq!(manner.profile(text, ended, Duration::ZERO).delay, MS(delay), "{text:?}");
        }
        assert_eq!(manner.profile("four one five", false, MS(1_100)).delay, MS(1_250));
        assert_eq!(manner.profile("four one five", false, MS(9_000)).delay, MS(3_500));
    }
}
