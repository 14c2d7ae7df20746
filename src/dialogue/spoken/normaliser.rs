//! Puts one segment after the other into words.

use super::dictionary::Dictionary;
use super::grammar::Grammar;
use super::site::{Found, Site};
use super::wording::Wording;
use super::{abbreviation, address, calendar, codes, fraction, ordinal, quantity};
use crate::dialogue::DialogueSpec;

/// How much of the agent's text is put into words before the voice is given it.
///
/// Pronunciations hold on every level, and markup is never spoken.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Normalise {
    /// Numbers, money, dates, times, abbreviations and everything of [`Normalise::Light`].
    #[default]
    Full,
    /// Only what voices get wrong that read numbers well: telephone and order numbers, links and e-mail addresses.
    Light,
    /// Nothing: the voice reads what is written.
    Off,
}

impl Normalise {
    /// The stable name of the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Light => "light",
            Self::Off => "off",
        }
    }

    /// The level of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Full, Self::Light, Self::Off].into_iter().find(|level| level.name() == name)
    }
}

/// What puts the text of one call into words.
#[derive(Clone, Debug)]
pub(in crate::dialogue) struct Normaliser {
    level: Normalise,
    grammar: Option<&'static Grammar>,
    region: String,
    dictionary: Dictionary,
}

type Rule = for<'a> fn(&Site<'a>) -> Option<Found>;

/// What is looked for at each word, in this order; the first that fits holds.
const FULL: [Rule; 10] = [
    address::find,
    calendar::date,
    calendar::time,
    codes::telephone,
    codes::dotted,
    ordinal::find,
    fraction::find,
    codes::mixed,
    quantity::find,
    abbreviation::find,
];
const LIGHT: [Rule; 3] = [address::find, codes::telephone, codes::mixed];

impl Normaliser {
    /// By the settings of a call.
    pub(in crate::dialogue) fn new(spec: &DialogueSpec) -> Self {
        Self {
            level: spec.normalise,
            grammar: Grammar::of(&spec.language),
            region: spec.language.split(['-', '_']).nth(1).unwrap_or_default().to_ascii_uppercase(),
            dictionary: Dictionary::new(&spec.pronunciations),
        }
    }

    /// The language's grammar, if it is known.
    pub(in crate::dialogue) fn grammar(&self) -> Option<&'static Grammar> {
        self.grammar
    }

    /// Puts a segment into words. Segments stand for themselves: none ends inside of what is put into words as one.
    pub(in crate::dialogue) fn put(&self, text: &str) -> Wording {
        let mut wording = Wording::default();
        let (mut at, mut kept) = (0, 0);
        while let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
            let found = if Site::is_word_start(text, at) { self.find(text, at) } else { None };
            match found.filter(|found| found.len() > 0) {
                Some(found) => {
                    wording.keep(text.get(kept..at).unwrap_or_default());
                    for (len, spoken) in found.parts {
                        let written = text.get(at..at + len).unwrap_or_default();
                        wording.replace(written, spoken.as_deref().unwrap_or(written));
                        at += written.len();
                    }
                    kept = at;
                }
                None => at += c.len_utf8(),
            }
        }
        wording.keep(text.get(kept..).unwrap_or_default());
        wording
    }

    fn find(&self, text: &str, at: usize) -> Option<Found> {
        let listed = self.dictionary.find(text.get(at..)?);
        if listed.is_some() {
            return listed;
        }
        let site = Site { text, at, grammar: self.grammar?, region: &self.region };
        let rules: &[Rule] = match self.level {
            Normalise::Full => &FULL,
            Normalise::Light => &LIGHT,
            Normalise::Off => &[],
        };
        rules.iter().find_map(|rule| rule(&site))
    }
}
