//! What single words and short phrases tell about the floor. English; other languages pass through as plain words.

/// Words in lower case without punctuation.
pub(super) fn normalise(text: &str) -> Vec<String> {
    text.split_whitespace()
        .map(|word| {
            let word = word.trim_matches(|c: char| !c.is_alphanumeric());
            word.chars().flat_map(char::to_lowercase).map(|c| if c == '’' { '\'' } else { c }).collect::<String>()
        })
        .filter(|word| !word.is_empty())
        .collect()
}

/// What the caller's words mean while the agent has the floor.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Meaning {
    /// Words that are not backchannel.
    pub(super) real: usize,
    /// Words that only say "go on".
    pub(super) backchannel: usize,
    /// Whether there is a phrase that always stops the agent.
    pub(super) stop: bool,
}

impl Meaning {
    /// Counts the words of a text.
    pub(super) fn of(text: &str) -> Self {
        let words = normalise(text);
        let mut meaning = Self { stop: has_phrase(&words, &STOP), ..Self::default() };
        let mut rest = words.as_slice();
        while !rest.is_empty() {
            match phrase_at(rest, &BACKCHANNEL) {
                Some(len) => {
                    meaning.backchannel += len;
                    rest = rest.get(len..).unwrap_or_default();
                }
                None => {
                    meaning.real += 1;
                    rest = rest.get(1..).unwrap_or_default();
                }
            }
        }
        meaning
    }

    /// Whether there are words and all of them say "go on".
    pub(super) fn is_backchannel(self) -> bool {
        self.real == 0 && self.backchannel > 0
    }
}

/// Whether the last word is one that holds the floor: "um".
pub(super) fn ends_in_filler(words: &[String]) -> bool {
    words.last().is_some_and(|word| FILLERS.contains(&word.as_str()))
}

/// Whether the last word needs another: a conjunction, preposition, article, possessive or auxiliary.
pub(super) fn ends_unfinished(words: &[String]) -> bool {
    words.last().is_some_and(|word| UNFINISHED.contains(&word.as_str()))
}

/// Whether a text is nothing but a yes or a no.
pub(super) fn is_yes_or_no(words: &[String]) -> bool {
    !words.is_empty() && words.len() <= 4 && words.iter().all(|word| YES_NO.contains(&word.as_str()))
}

/// Whether the end of a text is a question that yes or no answers.
pub(super) fn is_closed_question(text: &str) -> bool {
    let Some(body) = text.trim_end().strip_suffix('?') else { return false };
    let sentence = body.rsplit(['.', '!', '?']).next().unwrap_or_default();
    let words = normalise(sentence.rsplit([',', ';', '—']).next().unwrap_or_default());
    let whole = normalise(sentence);
    let opens = |words: &[String]| words.first().is_some_and(|word| CLOSED.contains(&word.as_str()));
    opens(&words) || opens(&whole)
}

/// Whether words are a question without a question mark: they hold a question word, or begin as such a question does.
pub(super) fn sounds_like_question(words: &[String]) -> bool {
    let asks = |word: &String| QUESTION.contains(&word.as_str());
    let first = words.iter().find(|word| !OPENERS.contains(&word.as_str()) && !FILLERS.contains(&word.as_str()));
    words.iter().any(asks) || first.is_some_and(|word| CLOSED.contains(&word.as_str()))
}

/// Whether the agent has asked for something that is spelled or counted out.
pub(super) fn asks_for_entity(text: &str) -> bool {
    text.contains('?') && normalise(text).iter().any(|word| ENTITY_NOUNS.contains(&word.as_str()))
}

/// How many words at the end are digits, spelled letters, or what stands between them ("dot", "dash").
pub(super) fn spelled_tail(words: &[String]) -> usize {
    words.iter().rev().take_while(|word| is_spelled(word)).count()
}

fn is_spelled(word: &str) -> bool {
    SPELLED.contains(&word)
        || word.chars().all(|c| c.is_ascii_digit() || c == '-')
        || (word.chars().count() == 1 && word != "i" && word != "a")
        || word.contains('@')
}

fn phrase_at(words: &[String], phrases: &[&str]) -> Option<usize> {
    phrases
        .iter()
        .filter_map(|phrase| {
            let len = phrase.split(' ').count();
            let head = words.get(..len)?;
            phrase.split(' ').eq(head.iter().map(String::as_str)).then_some(len)
        })
        .max()
}

fn has_phrase(words: &[String], phrases: &[&str]) -> bool {
    (0..words.len()).any(|at| words.get(at..).is_some_and(|rest| phrase_at(rest, phrases).is_some()))
}

const STOP: [&str; 18] = [
    "stop",
    "wait",
    "hold on",
    "hang on",
    "hold up",
    "one moment",
    "one second",
    "just a moment",
    "just a second",
    "excuse me",
    "no no",
    "shut up",
    "be quiet",
    "pause",
    "enough",
    "listen",
    "let me talk",
    "never mind",
];

const BACKCHANNEL: [&str; 40] = [
    "mm-hmm",
    "mm hmm",
    "mhm",
    "mmhmm",
    "mm",
    "mmm",
    "hm",
    "hmm",
    "uh-huh",
    "uh huh",
    "uhhuh",
    "yeah",
    "yep",
    "yup",
    "yes",
    "ya",
    "okay",
    "ok",
    "'kay",
    "right",
    "sure",
    "i see",
    "got it",
    "gotcha",
    "good",
    "great",
    "cool",
    "nice",
    "alright",
    "all right",
    "oh",
    "ah",
    "aha",
    "um",
    "uh",
    "er",
    "huh",
    "wow",
    "of course",
    "fine",
];

const FILLERS: [&str; 10] = ["um", "uh", "er", "erm", "uhm", "umm", "uhh", "hmm", "hm", "mm"];

const UNFINISHED: [&str; 62] = [
    "and", "or", "but", "so", "because", "since", "although", "though", "if", "when", "while", "unless", "until",
    "that", "which", "than", "as", "the", "a", "an", "my", "your", "his", "her", "our", "their", "its", "to", "of",
    "in", "on", "at", "for", "with", "from", "by", "about", "into", "onto", "between", "under", "near", "is", "are",
    "was", "were", "am", "i'm", "be", "will", "would", "could", "should", "can", "i", "like", "maybe", "also", "it's",
    "i'd", "i'll", "not",
];

const YES_NO: [&str; 22] = [
    "yes",
    "yeah",
    "yep",
    "yup",
    "no",
    "nope",
    "nah",
    "sure",
    "okay",
    "ok",
    "correct",
    "right",
    "please",
    "absolutely",
    "exactly",
    "definitely",
    "uh-huh",
    "mm-hmm",
    "mhm",
    "thanks",
    "sir",
    "ma'am",
];

const CLOSED: [&str; 29] = [
    "shall", "should", "do", "does", "did", "is", "are", "am", "was", "were", "can", "could", "will", "would", "have",
    "has", "had", "may", "right", "correct", "okay", "ok", "yes", "isn't", "aren't", "don't", "doesn't", "won't",
    "ready",
];

const QUESTION: [&str; 9] = ["who", "whom", "whose", "what", "which", "when", "where", "why", "how"];

const OPENERS: [&str; 12] = ["hi", "hello", "hey", "okay", "ok", "so", "and", "but", "well", "yes", "yeah", "no"];

const ENTITY_NOUNS: [&str; 21] = [
    "number",
    "numbers",
    "phone",
    "card",
    "code",
    "zip",
    "postcode",
    "email",
    "e-mail",
    "spell",
    "spelling",
    "address",
    "account",
    "digits",
    "pin",
    "reference",
    "birth",
    "birthday",
    "serial",
    "confirmation",
    "id",
];

const SPELLED: [&str; 27] = [
    "zero",
    "oh",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "double",
    "triple",
    "hundred",
    "dot",
    "dash",
    "hyphen",
    "underscore",
    "slash",
    "plus",
    "at",
    "twenty",
    "thirty",
    "forty",
    "fifty",
    "sixty",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backchannels_are_told_from_words() {
        for (text, real, stop) in [
            ("Mm-hmm.", 0, false),
            ("yeah, okay, I see", 0, false),
            ("Uh huh", 0, false),
            ("I see a problem", 2, false),
            ("No wait, I meant Tuesday", 5, true),
            ("Stop!", 1, true),
            ("hold on", 2, true),
            ("", 0, false),
        ] {
            let meaning = Meaning::of(text);
            assert_eq!((meaning.real, meaning.stop), (real, stop), "{text:?}");
        }
        assert!(!Meaning::of("").is_backchannel());
        assert!(Meaning::of("Okay.").is_backchannel());
    }

    #[test]
    fn closed_questions_are_recognised() {
        for (text, closed) in [
            ("Shall I book it?", true),
            ("I have a table at eight. Would that work for you?", true),
            ("So that is Tuesday, right?", true),
            ("How many people?", false),
            ("Okay. Goodbye.", false),
            ("When would you like to come?", false),
        ] {
            assert_eq!(is_closed_question(text), closed, "{text:?}");
        }
    }

    #[test]
    fn spelled_out_values_are_counted_from_the_end() {
        let tail = |text| spelled_tail(&normalise(text));
        assert_eq!(tail("it's four one five 555-0100"), 4);
        assert_eq!(tail("j o h n at"), 5);
        assert_eq!(tail("i have two"), 1);
        assert_eq!(tail("a table please"), 0);
    }
}
