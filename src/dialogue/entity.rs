//! Values that are spelled or counted out: has the caller given all of it?

use super::language::Language;
use super::words::{has_phrase, is_yes_or_no, normalise};

/// A kind of value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// A number said digit by digit, or a code.
    Digits,
    /// A telephone number.
    Phone,
    /// The number of a payment card.
    Card,
    /// A word that is spelled.
    Spelling,
    /// An e-mail address.
    Email,
    /// A postal address.
    Address,
    /// A date.
    Date,
    /// Somebody's name; it is not waited for longer, but in accurate mode heard out.
    Name,
}

/// How much of a value has been said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// More may come.
    Open,
    /// More must come: it stands between two of its parts.
    Between,
    /// It has all its parts.
    Complete,
}

/// What the agent has asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Asked {
    kind: Kind,
    /// How many digits, if it has said so.
    digits: Option<usize>,
}

impl Asked {
    /// The value that the last question or request of the agent asks for. One that was cut off counts as one.
    pub(super) fn by(said: &str, language: &Language) -> Option<Self> {
        let sentence = said.split_inclusive(['.', '!', '?', '—']).rev().find_map(|sentence| {
            let words = normalise(sentence);
            let asks = sentence.ends_with(['?', '—'])
                || (has_phrase(&words, language.requests) && named(&words, language).is_some());
            (asks && !words.is_empty()).then_some(words)
        })?;
        Some(Self { kind: named(&sentence, language)?, digits: count_asked(&sentence, language) })
    }

    /// Whether it is a name.
    pub(super) fn is_name(self) -> bool {
        self.kind == Kind::Name
    }
}

impl Kind {
    /// The rule that waits for it.
    pub(super) const fn rule(self) -> &'static str {
        match self {
            Self::Digits => "endpoint.digits",
            Self::Phone => "endpoint.phone",
            Self::Card => "endpoint.card",
            Self::Spelling => "endpoint.spelling",
            Self::Email => "endpoint.email",
            Self::Address => "endpoint.address",
            Self::Date => "endpoint.date",
            Self::Name => "endpoint.name",
        }
    }
}

/// The value that the caller is giving, asked for or not; `None`: these are ordinary words.
pub(super) fn value(said: &[String], asked: Option<Asked>, language: &Language) -> Option<(Kind, State)> {
    let asked = asked.or_else(|| announced(said, language).map(|kind| Asked { kind, digits: None }));
    let run = Run::at_end(said, asked.map(|asked| asked.kind), language);
    let refuses = || has_phrase(said, language.refusals) || is_yes_or_no(said, language);
    if let Some(state) = email(said, &run, asked, language) {
        return (state != State::Open || !refuses()).then_some((Kind::Email, state));
    }
    let dangling = if run.is_dangling { State::Between } else { State::Open };
    match asked {
        Some(Asked { kind: Kind::Address, .. }) if !said.is_empty() && !refuses() => {
            // A postal code behind the street.
            let is_whole = run.digits == POSTAL_CODE && said.len() >= run.tokens + 3 && !run.is_dangling;
            Some((Kind::Address, if is_whole { State::Complete } else { dangling }))
        }
        Some(Asked { kind: Kind::Date, .. }) => date(said, language).map(|state| (Kind::Date, state)),
        Some(Asked { kind: Kind::Spelling, .. }) if run.tokens > 0 => Some((Kind::Spelling, dangling)),
        Some(Asked { kind: kind @ (Kind::Phone | Kind::Card | Kind::Digits), digits }) if run.tokens > 0 => {
            let is_whole = match (digits, kind) {
                (Some(count), _) => run.digits == count,
                (None, Kind::Phone) => run.is_phone(language),
                (None, Kind::Card) => run.is_card(),
                (None, _) => false,
            };
            Some((kind, if is_whole && !run.is_dangling { State::Complete } else { dangling }))
        }
        _ if run.one_by_one >= UNASKED || run.digits >= UNASKED_DIGITS => {
            let kind = if run.digits > 0 { Kind::Digits } else { Kind::Spelling };
            Some((kind, dangling))
        }
        _ => None,
    }
}

/// So many digits or letters one by one are a value although nobody has asked for one …
const UNASKED: usize = 3;
/// … or so many digits however they are said.
const UNASKED_DIGITS: usize = 6;
/// The digits of a postal code that end an address.
const POSTAL_CODE: usize = 5;

/// The digits, letters and what stands between them at the end of a text.
#[derive(Clone, Debug, Default)]
struct Run {
    /// How many words.
    tokens: usize,
    /// How many of them are one digit or one letter.
    one_by_one: usize,
    /// How many digits they make.
    digits: usize,
    /// The first of those; `?` for one that is not known.
    head: String,
    /// Whether the last word wants another.
    is_dangling: bool,
}

/// One word of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Token<'a> {
    /// One digit as a word.
    Digit(char),
    /// Digits written as such.
    Numeral(&'a str),
    /// Ten to nineteen.
    Teen,
    /// Twenty, thirty …: a digit behind it is its second.
    Tens,
    Letter,
    /// What stands between two parts.
    Joiner,
    /// The next digit stands so often.
    Repeat(usize),
}

impl Run {
    /// The most digits that are looked at.
    const HEAD: usize = 4;

    fn at_end(said: &[String], asked: Option<Kind>, language: &Language) -> Self {
        let mut tokens = Vec::new();
        let mut rest = said;
        while let Some((word, before)) = rest.split_last() {
            // "b as in boy": the letter is what counts.
            if let [head @ .., letter, like, within, _] = rest
                && is_letter(letter)
                && (like.as_str(), within.as_str()) == ("as", "in")
            {
                tokens.push((letter.as_str(), Token::Letter));
                rest = head;
                continue;
            }
            match token(word, language) {
                Some(token) => tokens.push((word.as_str(), token)),
                None if language.fillers.contains(&word.as_str()) => {}
                None => break,
            }
            rest = before;
        }
        tokens.reverse();
        // A run begins with a digit or a letter. A letter that is also a word is one only before another.
        let is_spelled = matches!(asked, Some(Kind::Spelling | Kind::Email));
        let begins = tokens.iter().enumerate().position(|(at, &(word, token))| match token {
            Token::Joiner => false,
            Token::Letter => {
                let is_followed = matches!(tokens.get(at + 1), Some((_, Token::Letter)));
                is_spelled || is_followed || !["a", "i", "y", "e", "o", "u", "à"].contains(&word)
            }
            _ => true,
        });
        Self::of(tokens.get(begins.unwrap_or(tokens.len())..).unwrap_or_default())
    }

    fn of(tokens: &[(&str, Token<'_>)]) -> Self {
        let mut run = Self { tokens: tokens.len(), ..Self::default() };
        let mut repeat = 1;
        let mut is_after_tens = false;
        for &(_, token) in tokens {
            let times = std::mem::replace(&mut repeat, 1);
            let was_after_tens = std::mem::take(&mut is_after_tens);
            match token {
                Token::Digit(digit) => {
                    run.one_by_one += 1;
                    if !was_after_tens || digit == '0' {
                        (0..times).for_each(|_| run.digit(digit));
                    }
                }
                Token::Numeral(numeral) => {
                    let digits = || numeral.chars().filter(char::is_ascii_digit);
                    run.one_by_one += usize::from(digits().count() == 1);
                    digits().for_each(|digit| run.digit(digit));
                }
                Token::Teen | Token::Tens => {
                    (0..2).for_each(|_| run.digit('?'));
                    is_after_tens = token == Token::Tens;
                }
                Token::Letter => run.one_by_one += 1,
                Token::Repeat(count) => repeat = count,
                Token::Joiner => {}
            }
        }
        run.is_dangling = matches!(tokens.last(), Some((_, Token::Joiner | Token::Repeat(_))));
        run
    }

    fn digit(&mut self, digit: char) {
        self.digits += 1;
        if self.head.len() < Self::HEAD {
            self.head.push(digit);
        }
    }

    /// Whether it is as long as a telephone number of the language, and begins like one.
    fn is_phone(&self, language: &Language) -> bool {
        let first = self.head.chars().next().unwrap_or('?');
        language.phone.iter().any(|&(digits, begins)| digits == self.digits && (first == '?' || begins.contains(first)))
    }

    /// Whether it is as long as a card's number: 16 digits, or 15 of one kind.
    fn is_card(&self) -> bool {
        self.digits == 16 || (self.digits == 15 && (self.head.starts_with("34") || self.head.starts_with("37")))
    }
}

fn token<'a>(word: &'a str, language: &Language) -> Option<Token<'a>> {
    if let Some(digit) =
        ('0'..='9').zip(language.digits).find_map(|(digit, words)| words.split(' ').any(|w| w == word).then_some(digit))
    {
        return Some(Token::Digit(digit));
    }
    if let Some(&(_, times)) = language.repeats.iter().find(|&&(repeat, _)| repeat == word) {
        return Some(Token::Repeat(times));
    }
    if language.teens.contains(&word) {
        return Some(Token::Teen);
    }
    if language.tens.contains(&word) {
        return Some(Token::Tens);
    }
    if [language.at, language.dot, language.joiners].iter().any(|joiners| joiners.contains(&word)) {
        return Some(Token::Joiner);
    }
    // A date with two strokes, an amount with commas and a time with a colon are values, but whole ones.
    let is_numeral = word.starts_with(|c: char| c.is_ascii_digit())
        && word.chars().all(|c| c.is_ascii_digit() || "-./()".contains(c))
        && word.matches('/').count() < 2;
    if is_numeral {
        return Some(Token::Numeral(word));
    }
    is_letter(word).then_some(Token::Letter)
}

fn is_letter(word: &str) -> bool {
    let mut characters = word.chars();
    characters.next().is_some_and(char::is_alphabetic) && characters.next().is_none()
}

/// The kind of value that words name.
fn named(words: &[String], language: &Language) -> Option<Kind> {
    let is_named = |nouns: &[&str]| {
        words.iter().enumerate().any(|(at, word)| {
            // "What number of people" asks for none.
            nouns.contains(&word.as_str()) && words.get(at + 1).is_none_or(|next| next != "of" || word == "date")
        })
    };
    language.values.iter().find(|(_, nouns)| is_named(nouns)).map(|&(kind, _)| kind)
}

/// The kind of value that the caller says is coming: "my number is …".
fn announced(said: &[String], language: &Language) -> Option<Kind> {
    let at = said.iter().rposition(|word| language.copulas.contains(&word.as_str()))?;
    let (before, behind) = (said.get(..at)?, said.get(at + 1..)?);
    let kind = named(before.get(before.len().saturating_sub(4)..)?, language)?;
    let is_value = !behind.is_empty() && !matches!(kind, Kind::Address | Kind::Date | Kind::Name);
    is_value.then_some(kind)
}

/// How many digits were asked for: "the last four digits", "your 6-digit code".
fn count_asked(words: &[String], language: &Language) -> Option<usize> {
    let number = |word: &str| match token(word, language)? {
        Token::Digit(digit) => digit.to_digit(10).map(|digit| digit as usize),
        Token::Numeral(numeral) => numeral.parse().ok(),
        _ => None,
    };
    let is_digits =
        |word: &str| matches!(word, "digit" | "digits" | "ziffern" | "dígitos" | "chiffres" | "cifre" | "cijfers");
    words.iter().enumerate().find_map(|(at, word)| {
        let count = match word.split_once('-') {
            Some((count, noun)) if is_digits(noun) => number(count)?,
            _ if is_digits(word) => at.checked_sub(1).and_then(|before| number(words.get(before)?))?,
            _ => return None,
        };
        (1..=32).contains(&count).then_some(count)
    })
}

/// How much of an e-mail address has been said; `None`: these words are none.
fn email(said: &[String], run: &Run, asked: Option<Asked>, language: &Language) -> Option<State> {
    let last = said.last()?.as_str();
    let is_asked = asked.is_some_and(|asked| asked.kind == Kind::Email);
    let at = said.iter().rposition(|word| word.contains('@') || language.at.contains(&word.as_str()));
    let has_at = at.is_some_and(|at| {
        let is_sign = said.get(at).is_some_and(|word| word.contains('@'));
        // Nobody asked: what stands before the "at" must be spelled.
        is_sign || is_asked || Run::at_end(said.get(..at).unwrap_or_default(), None, language).one_by_one >= 2
    });
    let is_domain = match said {
        [.., dot, top] if language.dot.contains(&dot.as_str()) => is_top_level(top),
        _ => last.rsplit_once('.').is_some_and(|(name, top)| !name.is_empty() && is_top_level(top)),
    };
    if !(has_at || is_asked) {
        return None;
    }
    Some(if has_at && is_domain {
        State::Complete
    } else if run.is_dangling
        || language.at.contains(&last)
        || language.dot.contains(&last)
        || language.joiners.contains(&last)
    {
        State::Between
    } else {
        State::Open
    })
}

/// Whether a name is the last part of a domain and not likely to be followed by another ("co" is).
fn is_top_level(name: &str) -> bool {
    const GENERIC: [&str; 14] =
        ["com", "net", "org", "edu", "gov", "info", "biz", "io", "me", "app", "dev", "ai", "eu", "us"];
    const COUNTRIES: [&str; 22] = [
        "uk", "de", "fr", "es", "it", "nl", "pt", "br", "at", "ch", "be", "ie", "ca", "au", "nz", "in", "mx", "ar",
        "pl", "se", "dk", "no",
    ];
    GENERIC.contains(&name) || COUNTRIES.contains(&name)
}

/// How much of a date has been said; `None`: it is whole without more, or none.
fn date(said: &[String], language: &Language) -> Option<State> {
    let month = said.iter().rposition(|word| language.months.contains(&word.as_str()))?;
    let is_day = |word: &String| match token(word, language) {
        Some(Token::Digit(_) | Token::Teen | Token::Tens) => true,
        Some(Token::Numeral(numeral)) => numeral.len() <= 2,
        _ => is_ordinal(word),
    };
    let has_day = said.iter().enumerate().any(|(at, word)| at != month && is_day(word));
    Some(if has_day { State::Complete } else { State::Open })
}

/// English ordinals, written or as words.
fn is_ordinal(word: &str) -> bool {
    const WORDS: [&str; 6] = ["first", "second", "third", "twelfth", "fifth", "ninth"];
    let digits = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let is_written = matches!(word.strip_prefix(digits), Some("st" | "nd" | "rd" | "th")) && digits.len() <= 2;
    let is_number = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit());
    (is_written && is_number) || WORDS.contains(&word) || (word.len() > 4 && word.ends_with("th"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn english() -> &'static Language {
        Language::of("en-US")
    }

    fn value_of(text: &str, asked: &str) -> Option<(Kind, State)> {
        value(&normalise(text), Asked::by(asked, english()), english())
    }

    #[test]
    fn the_last_question_tells_what_was_asked_for() {
        for (said, kind, digits) in [
            ("What is your phone number?", Some(Kind::Phone), None),
            ("Thanks for the number. How many people?", None, None),
            ("Could you spell that for me? I am listening.", Some(Kind::Spelling), None),
            ("Please tell me your e-mail address.", Some(Kind::Email), None),
            ("I have your number.", None, None),
            ("What number of guests is it?", None, None),
            ("What are the last four digits of your card?", Some(Kind::Card), Some(4)),
            ("Please give me the 6-digit code.", Some(Kind::Digits), Some(6)),
            ("And your date of birth?", Some(Kind::Date), None),
            ("Can I have your account number—", Some(Kind::Digits), None),
            ("May I have your name?", Some(Kind::Name), None),
        ] {
            let asked = Asked::by(said, english());
            assert_eq!((asked.map(|asked| asked.kind), asked.and_then(|asked| asked.digits)), (kind, digits), "{said}");
        }
        assert_eq!(
            Asked::by("Wie lautet Ihre Telefonnummer?", Language::of("de")).map(|asked| asked.kind),
            Some(Kind::Phone)
        );
    }

    #[test]
    fn numbers_are_whole_when_they_have_all_their_digits() {
        use Kind::{Card, Digits, Phone};
        use State::{Between, Complete, Open};
        let phone = "What is your phone number?";
        for (text, asked, expected) in [
            ("four one five", "", Some((Digits, Open))),
            ("4. 1. 5.", "", Some((Digits, Open))),
            ("415", "How many people?", None),
            ("415", "What is your account number?", Some((Digits, Open))),
            ("415 555.", "", Some((Digits, Open))),
            ("four one five um five five five", phone, Some((Phone, Open))),
            ("415-555-0100.", phone, Some((Phone, Complete))),
            ("It's four one five, five five five, oh one oh oh.", phone, Some((Phone, Complete))),
            ("four one five double five five oh one double oh", phone, Some((Phone, Complete))),
            ("four fifteen five fifty five twenty twenty one", phone, Some((Phone, Complete))),
            ("four one five double", phone, Some((Phone, Between))),
            ("one four one five five five five oh one oh oh", phone, Some((Phone, Complete))),
            ("4111 1111 1111 1111", "What is the card number?", Some((Card, Complete))),
            ("4111 1111 1111", "What is the card number?", Some((Card, Open))),
            ("3782 822463 10005", "What is the card number?", Some((Card, Complete))),
            ("4242", "The last four digits of your card, please?", Some((Card, Complete))),
            ("my number is 415", "", Some((Digits, Open))),
            ("my phone number is 415 555 0100", "", Some((Phone, Complete))),
            ("i have two", "", None),
            ("at five thirty", "", None),
            ("a table for two", "", None),
            ("on 12/05/1990.", "", None),
            ("it costs 1,250,000", "", None),
            ("at 5:30", "", None),
            ("0171/555-0100", "", Some((Digits, Open))),
            ("can i", "", None),
        ] {
            assert_eq!(value_of(text, asked), expected, "{text:?} after {asked:?}");
        }
    }

    #[test]
    fn addresses_are_whole_when_they_end_like_one() {
        use Kind::{Address, Email, Spelling};
        use State::{Between, Complete, Open};
        let email = "What's your email address?";
        for (text, asked, expected) in [
            ("j o h n at", "", Some((Email, Between))),
            ("j o h n at example", "", Some((Email, Open))),
            ("j o h n at example dot", "", Some((Email, Between))),
            ("j o h n at example dot com", "", Some((Email, Complete))),
            ("john.smith@example.com", "", Some((Email, Complete))),
            ("john smith", email, Some((Email, Open))),
            ("john at example dot co", email, Some((Email, Open))),
            ("john at example dot co dot uk", email, Some((Email, Complete))),
            ("I don't have one", email, None),
            ("no", email, None),
            ("meet me at noon", "", None),
            ("s m i", "", Some((Spelling, Open))),
            ("s as in sam m as in mike", "Could you spell that?", Some((Spelling, Open))),
            ("forty two main street", "What is your address?", Some((Address, Open))),
            ("42 Main Street, Springfield, 62701.", "What is your address?", Some((Address, Complete))),
            ("I want to change my address", "", None),
        ] {
            assert_eq!(value_of(text, asked), expected, "{text:?} after {asked:?}");
        }
    }

    #[test]
    fn a_date_is_whole_with_its_day_and_month() {
        use State::{Complete, Open};
        let birth = "What is your date of birth?";
        for (text, asked, state) in [
            ("in may", birth, Some(Open)),
            ("the fifth of may", birth, Some(Complete)),
            ("May 5th, 1980.", birth, Some(Complete)),
            ("tuesday", "What day suits you?", None),
            ("may", "", None),
        ] {
            assert_eq!(value_of(text, asked), state.map(|state| (Kind::Date, state)), "{text:?} after {asked:?}");
        }
    }

    #[test]
    fn values_are_told_in_other_languages() {
        let of = |tag, text: &str, asked: &str| {
            let language = Language::of(tag);
            value(&normalise(text), Asked::by(asked, language), language)
        };
        assert_eq!(of("de", "null eins sieben", ""), Some((Kind::Digits, State::Open)));
        assert_eq!(
            of("fr", "zéro six douze", "Quel est votre numéro de téléphone ?"),
            Some((Kind::Phone, State::Open))
        );
        assert_eq!(of("es", "juan arroba ejemplo punto", "¿Cuál es su correo?"), Some((Kind::Email, State::Between)));
        assert_eq!(of("ja", "4 1 5 5", ""), Some((Kind::Digits, State::Open)));
        assert_eq!(of("ja", "one two three", ""), None);
    }
}
