//! Who has answered an outbound call, and what follows from it.
//!
//! The first words decide, and the voice, its length, a beep and the time where there are none; a decision is revised when
//! something speaks against it. This file holds what is known; `signs` reads the words, `policy` acts,
//! `voicemail` leaves a message.
//!
//! ```text
//!              ┌─> Human <──────────────┬───────────┬─────────┐   somebody greets, asks, or waits for an answer
//! (answered) ──┼─> Voicemail: message after the beep, hang up │
//!              ├─> Screening: who calls and why, then wait ───┤
//!              ├─> Ivr: the model is given the menu, keys ────┤
//!              └─> Hold: silence ─────────────────────────────┘
//! ```

mod english;
mod policy;
mod signs;
mod voicemail;

use std::time::{Duration, Instant};

pub(super) use signs::Signs;

/// Who has answered a call.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
#[non_exhaustive]
pub enum AnsweredBy {
    /// Not known yet.
    #[default]
    Unknown,
    /// A person.
    Human,
    /// A machine that takes messages.
    Voicemail,
    /// A machine that asks who calls and why before it lets the call through.
    Screening,
    /// A menu that wants keys or words.
    Ivr,
    /// Music and announcements until somebody comes.
    Hold,
}

impl AnsweredBy {
    /// The stable name of the API (`answeredBy`).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Human => "human",
            Self::Voicemail => "voicemail",
            Self::Screening => "screening",
            Self::Ivr => "ivr",
            Self::Hold => "hold",
        }
    }

    /// Whether it is known to be no person.
    pub const fn is_machine(self) -> bool {
        !matches!(self, Self::Unknown | Self::Human)
    }
}

/// What a call screening is told: who calls, and what for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Screening {
    /// Who calls: "Anna from Acme Dental".
    pub identity: String,
    /// What for: "your appointment on Tuesday", or "to confirm your appointment".
    pub purpose: String,
}

impl Screening {
    /// What is said: `This is <identity>, calling about <purpose>.`, without "about" before a purpose that begins with its
    /// own ("to", "about", "regarding", "because", "on behalf of", "for", "with").
    pub fn line(&self) -> String {
        let [identity, purpose] = [&self.identity, &self.purpose].map(|text| text.trim().trim_end_matches(['.', ',']));
        let first = purpose.split_whitespace().next().unwrap_or_default().to_lowercase();
        let joins =
            ["to", "about", "regarding", "concerning", "because", "on", "for", "with"].contains(&first.as_str());
        match (identity, purpose) {
            ("", "") => String::new(),
            (identity, "") => format!("This is {identity}."),
            ("", purpose) if joins => format!("I'm calling {purpose}."),
            ("", purpose) => format!("I'm calling about {purpose}."),
            (identity, purpose) if joins => format!("This is {identity}, calling {purpose}."),
            (identity, purpose) => format!("This is {identity}, calling about {purpose}."),
        }
    }
}

/// What is known of whoever answered.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// Whether anybody wants to know: outbound calls whose spec says so.
    is_on: bool,
    by: AnsweredBy,
    /// Since when that is thought.
    since: Option<Instant>,
    /// Whether it can be nobody else.
    is_certain: bool,
    /// How often it was thought otherwise. Bounded: whoever is taken for a machine that often is treated as a person.
    changes: u32,
    /// When the line's first sound came.
    media_up: Option<Instant>,
    /// Whether the greeting was heard by somebody who may be a person.
    is_greeted: bool,
    /// Whether a person was heard and answered: from then on words like a machine's are a person's.
    is_settled: bool,
    /// When words like a voicemail's were last heard of a person.
    suspected: Option<Instant>,
    /// When the last beep ended.
    beeped: Option<Instant>,
    /// Whether beeps are listened for.
    listens: bool,
    /// Whether the message for the machine may be heard.
    may_leave: bool,
    /// Whether it was begun again because the beep came late.
    was_again: bool,
    /// How often the screening was told who calls.
    told: u32,
    /// Whether a machine answered before.
    was_machine: bool,
    menu: Menu,
}

/// The menu that was heard last.
#[derive(Clone, Debug, Default)]
struct Menu {
    words: Vec<String>,
    repeats: u32,
}

impl Answer {
    /// Nobody has answered yet. `is_on`: it matters who does.
    pub(super) fn new(is_on: bool) -> Self {
        Self {
            is_on,
            by: AnsweredBy::Unknown,
            since: None,
            is_certain: false,
            changes: 0,
            media_up: None,
            is_greeted: false,
            is_settled: false,
            suspected: None,
            beeped: None,
            listens: false,
            may_leave: false,
            was_again: false,
            told: 0,
            was_machine: false,
            menu: Menu::default(),
        }
    }

    /// Whether a machine has answered: silence means nothing then.
    pub(super) fn is_machine(&self) -> bool {
        self.by.is_machine()
    }

    /// Whether nobody is spoken to for the moment: there is only a machine that listens to nothing.
    pub(super) fn is_mute(&self) -> bool {
        matches!(self.by, AnsweredBy::Voicemail | AnsweredBy::Hold)
    }

    /// Whether it is not known yet who has answered: what is said is not yet an answer to us.
    pub(super) fn is_open(&self) -> bool {
        self.is_on && self.by == AnsweredBy::Unknown
    }

    /// Whether a menu has answered.
    pub(super) fn is_menu(&self) -> bool {
        self.by == AnsweredBy::Ivr
    }
}

impl Menu {
    /// Takes a menu that was heard to its end, and says how often in a row it has come again.
    fn hear(&mut self, words: Vec<String>) -> u32 {
        if Self::are_alike(&self.words, &words) {
            self.repeats += 1;
        } else {
            self.repeats = 0;
        }
        self.words = words;
        self.words.truncate(MOST_MENU_WORDS);
        self.repeats
    }

    /// Whether one is the other as a recogniser may hear it another time: six of seven words are the same.
    fn are_alike(one: &[String], other: &[String]) -> bool {
        let (shorter, longer) = if one.len() < other.len() { (one, other) } else { (other, one) };
        let mut left: Vec<&String> = longer.iter().collect();
        let common = shorter.iter().filter(|word| {
            let place = left.iter().position(|other| other == word);
            place.map(|place| left.swap_remove(place)).is_some()
        });
        longer.len() >= LEAST_MENU_WORDS && common.count() * 7 >= longer.len() * 6
    }
}

/// Whoever is taken for something else more often than this is treated as a person.
const MOST_CHANGES: u32 = 8;
/// The same menu again so often is a loop.
const MENU_REPEATS: u32 = 3;
/// What is shorter is no menu that could be told from another.
const LEAST_MENU_WORDS: usize = 3;
const MOST_MENU_WORDS: usize = 200;
/// A machine that does not stop talking is spoken to after this.
const LONGEST_ANNOUNCEMENT: Duration = Duration::from_secs(30);
/// Beeps are listened for this long after the answer, or after words like a voicemail's.
const BEEP_WAIT: Duration = Duration::from_secs(45);
/// A beep this soon after the message began means that it began too early.
const LATE_BEEP: Duration = Duration::from_secs(5);
/// A shorter voice without words is no "hello".
const LEAST_HELLO: Duration = Duration::from_millis(200);
/// A person who says more than this after asking to hold goes on with the conversation.
const MOST_AFTER_HOLD: usize = 2;
/// How often a screening is told who calls.
const MOST_TOLD: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialogue::words::normalise;

    #[test]
    fn a_screening_is_told_who_calls_and_why() {
        let line =
            |identity: &str, purpose: &str| Screening { identity: identity.into(), purpose: purpose.into() }.line();
        assert_eq!(
            line("Anna from Acme", "your appointment."),
            "This is Anna from Acme, calling about your appointment."
        );
        assert_eq!(line("Anna", "To confirm a visit"), "This is Anna, calling To confirm a visit.");
        assert_eq!(line("Anna", ""), "This is Anna.");
        assert_eq!(line("", "a delivery"), "I'm calling about a delivery.");
        assert_eq!(line(" ", ""), "");
    }

    #[test]
    fn a_menu_that_comes_again_is_recognised_though_a_word_is_misheard() {
        let mut menu = Menu::default();
        let mut hear = |text| menu.hear(normalise(text));
        let first = "for sales press one for support press two for billing press three or stay on the line";
        assert_eq!(hear(first), 0);
        assert_eq!(hear("for sails press one for support press two for billing press three or stay on the line"), 1);
        assert_eq!(hear(first), 2);
        assert_eq!(hear("for new orders press one for returns press two"), 0);
        assert_eq!(hear("for old orders press one for returns press two"), 1);
        assert_eq!(hear("for sales press two"), 0);
        assert_eq!(hear("for sales press one"), 0, "one word of few makes another menu");
        assert_eq!(hear("okay"), 0);
        assert_eq!(hear("okay"), 0, "too short to tell");
    }
}
