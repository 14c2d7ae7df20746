//! What the first words of a call tell about who says them.

use super::AnsweredBy;
use super::english::ENGLISH;
use crate::dialogue::words::normalise;

/// What a stretch of the callee's words tells about who says them.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(in crate::dialogue) struct Signs {
    /// The machine that speaks so, if any does.
    pub(in crate::dialogue) machine: Option<AnsweredBy>,
    /// Whether no person would say it.
    pub(in crate::dialogue) is_certain: bool,
    /// Whether a machine's announcement may begin so.
    pub(in crate::dialogue) is_hint: bool,
    /// Whether there is nothing but a greeting.
    pub(in crate::dialogue) is_hello: bool,
    /// Whether it begins with a greeting.
    pub(in crate::dialogue) greets: bool,
    /// Whether a person speaks, after the machine if there was one.
    pub(in crate::dialogue) is_person: bool,
    /// Whether the words end in a question.
    pub(in crate::dialogue) asks: bool,
    /// How many words there are.
    pub(in crate::dialogue) words: usize,
    /// How many words a person has said, after the machine if there was one.
    pub(in crate::dialogue) tail: usize,
    /// How many words follow the last phrase of a machine.
    pub(in crate::dialogue) rest: usize,
    /// How many phrases told of the machine.
    pub(in crate::dialogue) phrases: usize,
}

impl Signs {
    /// Reads a text. Of a long one only the end counts.
    pub(in crate::dialogue) fn of(text: &str) -> Self {
        let words = normalise(text);
        let words = words.get(words.len().saturating_sub(MOST_WORDS)..).unwrap_or_default();
        let mut signs = Self { words: words.len(), asks: text.trim_end().ends_with('?'), ..Self::default() };
        let mut found = Found::default();
        let (mut at, mut greeting) = (0, 0);
        let mut person = None;
        while let Some(rest) = words.get(at..).filter(|rest| !rest.is_empty()) {
            let Some((kind, len)) = longest(rest) else {
                at += 1;
                continue;
            };
            match kind {
                Kind::Person => {
                    person.get_or_insert(at);
                    greeting += len;
                }
                Kind::Hello => {
                    // After an announcement a greeting is that of somebody who picks up.
                    if found.all() > 0 {
                        person.get_or_insert(at);
                    }
                    greeting += len;
                    signs.greets |= at == 0;
                }
                Kind::Hint => signs.is_hint = true,
                machine => {
                    found.count(machine);
                    person = None;
                    signs.rest = words.len() - (at + len);
                }
            }
            at += len;
        }
        signs.phrases = found.all();
        (signs.machine, signs.is_certain) = found.machine();
        signs.tail = person.map_or(0, |at| words.len() - at);
        signs.is_person = person.is_some();
        signs.is_hello = signs.machine.is_none() && !words.is_empty() && greeting == words.len();
        signs
    }

    /// Whether somebody opens a conversation so and expects to be told who calls, rather than to be answered.
    pub(in crate::dialogue) fn is_opening(self) -> bool {
        self.machine.is_none() && (self.is_person || self.words <= OPENING_WORDS)
    }
}

/// A phrase of the callee and whom it tells of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// An assistant that says what it is.
    Assistant,
    Voicemail,
    /// Of a voicemail, or of a person who speaks of somebody else.
    Absence,
    Screening,
    Menu,
    Hold,
    /// What an announcement may begin with.
    Hint,
    Person,
    Hello,
}

/// How many phrases of each machine there are.
#[derive(Clone, Copy, Default)]
struct Found {
    assistant: usize,
    voicemail: usize,
    absence: usize,
    screening: usize,
    menu: usize,
    hold: usize,
}

impl Found {
    fn count(&mut self, kind: Kind) {
        match kind {
            Kind::Assistant => self.assistant += 1,
            Kind::Voicemail => self.voicemail += 1,
            Kind::Absence => self.absence += 1,
            Kind::Screening => self.screening += 1,
            Kind::Menu => self.menu += 1,
            Kind::Hold => self.hold += 1,
            Kind::Hint | Kind::Person | Kind::Hello => {}
        }
    }

    const fn all(&self) -> usize {
        self.assistant + self.voicemail + self.absence + self.screening + self.menu + self.hold
    }

    /// Whom the phrases tell of, and whether it can be nobody else. A menu may offer a mailbox, a mailbox may offer a key,
    /// and a mailbox may ask for the reason of the call, as a screening does.
    const fn machine(&self) -> (Option<AnsweredBy>, bool) {
        if self.assistant > 0 {
            (Some(AnsweredBy::Screening), true)
        } else if self.voicemail > 0 && self.menu < 2 {
            (Some(AnsweredBy::Voicemail), true)
        } else if self.screening > 0 && self.menu < 2 {
            (Some(AnsweredBy::Screening), true)
        } else if self.menu > 0 {
            (Some(AnsweredBy::Ivr), true)
        } else if self.hold > 0 {
            (Some(AnsweredBy::Hold), true)
        } else if self.absence > 0 {
            (Some(AnsweredBy::Voicemail), self.absence > 1)
        } else {
            (None, false)
        }
    }
}

/// The longest phrase of any language that a text begins with, and its words.
fn longest(words: &[String]) -> Option<(Kind, usize)> {
    let tables = LANGUAGES.iter().flat_map(|language| language.tables());
    let matches = tables.flat_map(|(kind, phrases)| phrases.iter().map(move |phrase| (kind, phrase)));
    let lengths = matches.filter_map(|(kind, phrase)| begins_with(words, phrase).map(|len| (kind, len)));
    // Of equal ones the first: the tables stand in the order of their weight.
    lengths.fold(None, |best, found| if best.is_some_and(|(_, len)| len >= found.1) { best } else { Some(found) })
}

/// How many words a phrase has when the text begins with it; `#` stands for any key of a telephone.
fn begins_with(words: &[String], phrase: &str) -> Option<usize> {
    let mut len = 0;
    for wanted in phrase.split(' ') {
        let word = words.get(len)?;
        let fits = if wanted == "#" { KEYS.contains(&word.as_str()) } else { wanted == word };
        if !fits {
            return None;
        }
        len += 1;
    }
    Some(len)
}

/// What is said in one language.
pub(super) struct Language {
    pub(super) assistant: &'static [&'static str],
    pub(super) voicemail: &'static [&'static str],
    pub(super) absence: &'static [&'static str],
    pub(super) screening: &'static [&'static str],
    pub(super) menu: &'static [&'static str],
    pub(super) hold: &'static [&'static str],
    pub(super) hint: &'static [&'static str],
    pub(super) person: &'static [&'static str],
    pub(super) hello: &'static [&'static str],
}

impl Language {
    const fn tables(&self) -> [(Kind, &'static [&'static str]); 9] {
        [
            (Kind::Assistant, self.assistant),
            (Kind::Voicemail, self.voicemail),
            (Kind::Screening, self.screening),
            (Kind::Menu, self.menu),
            (Kind::Hold, self.hold),
            (Kind::Absence, self.absence),
            (Kind::Person, self.person),
            (Kind::Hello, self.hello),
            (Kind::Hint, self.hint),
        ]
    }
}

/// The languages that are known; words of any of them count.
const LANGUAGES: &[Language] = &[ENGLISH];

/// Some greetings last half a minute; what was said before that is known by then.
const MOST_WORDS: usize = 120;
/// A person who says no more than this has only opened the conversation.
const OPENING_WORDS: usize = 6;

const KEYS: [&str; 26] = [
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "zero", "one", "two", "three", "four", "five", "six", "seven",
    "eight", "nine", "star", "pound", "hash", "*", "any", "ten",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements_tell_which_machine_speaks() {
        use AnsweredBy::*;
        for (text, machine) in [
            ("Hi, you've reached John Smith, please leave a message after the tone.", Voicemail),
            (
                "Your call has been forwarded to an automatic voice message system. At the tone, please record your message.",
                Voicemail,
            ),
            ("I can't come to the phone right now, but I'll get back to you.", Voicemail),
            ("Please leave your name, number and a brief reason for your call.", Voicemail),
            ("Leave a message after the beep, or press 1 for more options.", Voicemail),
            ("The mailbox of 5 5 5 is full.", Voicemail),
            ("Hi, if you record your name and reason for calling, I'll see if this person is available.", Screening),
            (
                "The person you're calling is using a screening service from Google, and will get a copy of this \
              conversation. Go ahead and say your name and why you're calling.",
                Screening,
            ),
            ("Please state your name and why you are calling.", Screening),
            ("Thank you for calling Acme. For sales, press 1. For support, press two.", Ivr),
            ("For sales press one, to leave a message press two, for the voicemail of an employee press three", Ivr),
            ("Please listen carefully as our menu options have changed.", Ivr),
            ("In a few words, tell me what you are calling about.", Ivr),
            ("All of our agents are busy. Please stay on the line.", Hold),
            ("Your call is important to us.", Hold),
            ("Sure, one moment please, I'll put you through.", Hold),
            ("Thank you for holding. Your call is important to us.", Hold),
        ] {
            let signs = Signs::of(text);
            assert_eq!(signs.machine, Some(machine), "{text}");
            assert!(signs.is_certain, "{text}");
            assert!(!signs.is_person && !signs.is_hello && !signs.is_opening(), "{text}: {signs:?}");
        }
        let absent = Signs::of("He is not available right now.");
        assert_eq!((absent.machine, absent.is_certain), (Some(Voicemail), false));
    }

    #[test]
    fn people_answer_the_phone_in_many_ways() {
        for text in [
            "Hello?",
            "Hi",
            "Yes, hello.",
            "Hello, who is this?",
            "Good morning",
            "John Smith speaking.",
            "Smith residence",
            "Acme Plumbing, this is Dave.",
            "Thank you for calling the Grand Hotel, Maria speaking, how may I help you today?",
            "Hello, good afternoon, you have reached the front desk of the Grand Hotel, how can I help you?",
        ] {
            let signs = Signs::of(text);
            assert_eq!(signs.machine, None, "{text}");
            assert!(signs.is_opening(), "{text}: {signs:?}");
        }
        for (text, is_hello) in [("Hello?", true), ("hi, good morning", true), ("hi this is john", false), ("", false)]
        {
            assert_eq!(Signs::of(text).is_hello, is_hello, "{text}");
        }
        assert!(Signs::of("You have reached the office of Doctor Brown.").is_hint);
        let busy = Signs::of("listen I am driving right now so can you call me again tomorrow");
        assert!(busy.machine.is_none() && !busy.is_opening());
    }

    #[test]
    fn somebody_who_picks_up_is_told_from_the_machine_before() {
        for (text, tail) in [
            ("Hi you've reached John leave a message after the- Hello? Hello, sorry.", 3),
            ("Please hold. Hello, thanks for waiting, this is Ann.", 7),
            ("leave a message after the tone who is this", 3),
        ] {
            let signs = Signs::of(text);
            assert!(signs.is_person, "{text}: {signs:?}");
            assert_eq!(signs.tail, tail, "{text}");
        }
        for text in ["leave a message after the tone thank you", "Hello, leave a message", "please hold goodbye"] {
            assert!(!Signs::of(text).is_person, "{text}");
        }
    }

    #[test]
    fn every_phrase_is_written_as_it_will_be_compared_and_stands_once() {
        for language in LANGUAGES {
            let mut seen = std::collections::HashSet::new();
            for (_, phrases) in language.tables() {
                for phrase in phrases {
                    let words = normalise(&phrase.replace('#', "1")).join(" ").replace('1', "#");
                    assert_eq!(words, *phrase);
                    assert!(seen.insert(*phrase), "{phrase} stands twice");
                }
            }
        }
    }

    #[test]
    fn a_text_of_any_length_is_read_in_bounded_work() {
        let long = "please ".repeat(100_000);
        assert_eq!(Signs::of(&long).words, MOST_WORDS);
        assert_eq!(Signs::of("… — !"), Signs { asks: false, ..Signs::default() });
    }
}
