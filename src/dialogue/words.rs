//! What words and short phrases tell about the floor, by the lists of a [`Language`].

use super::language::Language;

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
    /// Whether it is a yes to the question that the agent is still asking.
    pub(super) answer: bool,
}

impl Meaning {
    /// Counts the words of a text.
    pub(super) fn of(text: &str, language: &Language) -> Self {
        let words = normalise(text);
        let mut meaning = Self { stop: has_phrase(&words, language.stop), ..Self::default() };
        let mut rest = words.as_slice();
        while !rest.is_empty() {
            match phrase_at(rest, language.backchannel) {
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

/// Whether a text is nothing but a yes or a no.
pub(super) fn is_yes_or_no(words: &[String], language: &Language) -> bool {
    !words.is_empty() && words.len() <= 4 && words.iter().all(|word| language.yes_no.contains(&word.as_str()))
}

/// Whether a text is a short answer like "yes, I would".
pub(super) fn is_short_answer(words: &[String], language: &Language) -> bool {
    let [first, .., last] = words else { return false };
    words.len() <= 4 && language.yes_no.contains(&first.as_str()) && language.auxiliaries.contains(&last.as_str())
}

/// Whether the end of a text is a question that yes or no answers.
pub(super) fn is_closed_question(text: &str, language: &Language) -> bool {
    let Some(body) = text.trim_end().strip_suffix('?') else { return false };
    // A point inside a number ends no sentence.
    let mut stops = body.rmatch_indices(['.', '!', '?']).map(|(at, stop)| at + stop.len());
    let from = stops.find(|&at| body.get(at..).is_some_and(|rest| rest.starts_with(char::is_whitespace)));
    let sentence = body.get(from.unwrap_or(0)..).unwrap_or_default();
    let words = normalise(sentence.rsplit([',', ';', '—']).next().unwrap_or_default());
    let whole = normalise(sentence);
    let opens = |words: &[String]| words.first().is_some_and(|word| language.closed.contains(&word.as_str()));
    opens(&words) || opens(&whole)
}

/// Whether words are a question without a question mark: they hold a question word, or begin as such a question does.
pub(super) fn sounds_like_question(words: &[String], language: &Language) -> bool {
    let is_in = |list: &[&str], word: &String| list.contains(&word.as_str());
    let first = words.iter().find(|word| !is_in(&OPENERS, word) && !is_in(language.fillers, word));
    words.iter().any(|word| is_in(&QUESTION, word)) || first.is_some_and(|word| is_in(language.closed, word))
}

/// The longest of the phrases that words begin with, in words.
pub(super) fn phrase_at(words: &[String], phrases: &[&str]) -> Option<usize> {
    let is_at = |phrase: &&str| {
        let mut said = words.iter();
        phrase.split(' ').try_fold(0, |len, word| said.next().is_some_and(|said| said == word).then_some(len + 1))
    };
    phrases.iter().filter_map(is_at).max()
}

/// Whether one of the phrases is anywhere in the words.
pub(super) fn has_phrase(words: &[String], phrases: &[&str]) -> bool {
    (0..words.len()).any(|at| words.get(at..).is_some_and(|rest| phrase_at(rest, phrases).is_some()))
}

/// Whether the words end in one of the phrases.
pub(super) fn ends_in(words: &[String], phrases: &[&str]) -> bool {
    phrases.iter().any(|phrase| {
        let mut said = words.iter().rev();
        phrase.rsplit(' ').all(|word| said.next().is_some_and(|said| said == word))
    })
}

/// What makes a question in English, wherever it stands. (In other languages the question mark has to say so.)
const QUESTION: [&str; 9] = ["who", "whom", "whose", "what", "which", "when", "where", "why", "how"];

/// What may stand before a question.
const OPENERS: [&str; 12] = ["hi", "hello", "hey", "okay", "ok", "so", "and", "but", "well", "yes", "yeah", "no"];

#[cfg(test)]
mod tests {
    use super::*;

    fn english() -> &'static Language {
        Language::of("en")
    }

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
            ("'kay", 0, false),
            ("", 0, false),
        ] {
            let meaning = Meaning::of(text, english());
            assert_eq!((meaning.real, meaning.stop), (real, stop), "{text:?}");
        }
        assert!(!Meaning::of("", english()).is_backchannel());
        assert!(Meaning::of("Okay.", english()).is_backchannel());
    }

    #[test]
    fn each_language_has_its_own_sounds_and_stops() {
        for (tag, text, backchannel, stop) in [
            ("de", "Genau, alles klar", true, false),
            ("de", "Moment, warten Sie", false, true),
            ("es", "sí, claro, de acuerdo", true, false),
            ("fr", "Attendez !", false, true),
            ("fr", "d’accord", true, false),
            ("it", "Va bene", true, false),
            ("nl", "Wacht even", false, true),
            ("pt-BR", "tá bom", true, false),
            ("en", "genau", false, false),
            ("ja", "mm-hmm", true, false),
        ] {
            let meaning = Meaning::of(text, Language::of(tag));
            assert_eq!((meaning.is_backchannel(), meaning.stop), (backchannel, stop), "{tag}: {text:?}");
        }
    }

    #[test]
    fn closed_questions_are_recognised() {
        for (text, closed) in [
            ("Shall I book it?", true),
            ("Shall I book it for 7.30 on Tuesday?", true),
            ("I have a table at eight. Would that work for you?", true),
            ("So that is Tuesday, right?", true),
            ("How many people?", false),
            ("Okay. Goodbye.", false),
            ("When would you like to come?", false),
        ] {
            assert_eq!(is_closed_question(text, english()), closed, "{text:?}");
        }
        assert!(is_closed_question("Passt Ihnen das?", Language::of("de")));
        assert!(!is_closed_question("Passt Ihnen das?", english()));
    }

    #[test]
    fn an_end_is_matched_by_whole_words() {
        let ends = |text: &str| ends_in(&normalise(text), &["to", "half past"]);
        assert!(ends("I want to") && ends("at half past"));
        assert!(!ends("into") && !ends("past") && !ends(""));
    }
}
