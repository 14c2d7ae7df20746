//! A language's small words: what they tell about the floor.
//!
//! Lists, not grammar: they know which last words want another, which sounds hold the floor and which only say "go on".
//! A language without a list is judged by punctuation and time alone.

mod de;
mod en;
mod es;
mod fr;
mod it;
mod nl;
mod pt;

use super::entity::Kind;

/// A language's small words, in lower case; phrases are words with one space between.
#[derive(Debug)]
pub(super) struct Language {
    /// The primary subtag.
    tag: &'static str,
    /// Sounds that hold the floor.
    pub(super) fillers: &'static [&'static str],
    /// Last words that want another: conjunctions, prepositions, articles, possessives, auxiliaries.
    pub(super) unfinished: &'static [&'static str],
    /// The same, unless the recogniser has set a full stop behind them.
    pub(super) loose: &'static [&'static str],
    /// Those of them that end a short answer all the same: "yes, I would".
    pub(super) auxiliaries: &'static [&'static str],
    /// What always stops the agent.
    pub(super) stop: &'static [&'static str],
    /// What only says "go on".
    pub(super) backchannel: &'static [&'static str],
    /// What a yes or a no is made of.
    pub(super) yes_no: &'static [&'static str],
    /// First (or last) words of a question that yes or no answers.
    pub(super) closed: &'static [&'static str],
    /// Words of somebody who does not give what was asked for.
    pub(super) refusals: &'static [&'static str],
    /// Words that make a sentence without a question mark ask for something.
    pub(super) requests: &'static [&'static str],
    /// What stands between a value's name and the value.
    pub(super) copulas: &'static [&'static str],
    /// Nouns that name a kind of value; the first kind that is named counts.
    pub(super) values: &'static [(Kind, &'static [&'static str])],
    /// The words of each digit, from 0, with spaces between.
    pub(super) digits: &'static [&'static str],
    /// Numbers of two digits; one of the tens takes the digit behind it in.
    pub(super) teens: &'static [&'static str],
    /// Twenty, thirty …
    pub(super) tens: &'static [&'static str],
    /// Words that repeat the next digit, with how often it then stands.
    pub(super) repeats: &'static [(&'static str, usize)],
    /// "at" in an e-mail address.
    pub(super) at: &'static [&'static str],
    /// "dot" in an e-mail address.
    pub(super) dot: &'static [&'static str],
    /// What else stands between the parts of a value.
    pub(super) joiners: &'static [&'static str],
    /// The months.
    pub(super) months: &'static [&'static str],
    /// Digits of a telephone number: how many, and what they then begin with.
    pub(super) phone: &'static [(usize, &'static str)],
    /// What the agent says that is not the model's.
    pub(super) lines: Lines,
}

/// What the agent says that is not the model's, by the names of [`DialogueSpec`](super::DialogueSpec).
#[derive(Clone, Copy, Debug)]
pub(super) struct Lines {
    pub(super) apology: &'static str,
    pub(super) repeat_request: &'static str,
    pub(super) idle_prompt: &'static str,
    pub(super) goodbye: &'static str,
    pub(super) filler: &'static str,
    pub(super) transfer_failed: &'static str,
    pub(super) transfer_wait: &'static str,
    pub(super) handing_over: &'static str,
    pub(super) welcome_back: &'static str,
    pub(super) duration_warning: &'static str,
    pub(super) cut_in: &'static str,
    pub(super) backchannels: [&'static str; 3],
}

impl Language {
    /// The language of a BCP 47 tag, by its primary subtag; one that is not known has only sounds that all share.
    pub(super) fn of(tag: &str) -> &'static Self {
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        KNOWN.into_iter().find(|language| primary.eq_ignore_ascii_case(language.tag)).unwrap_or(&OTHER)
    }
}

const KNOWN: [&Language; 7] =
    [&en::LANGUAGE, &de::LANGUAGE, &es::LANGUAGE, &fr::LANGUAGE, &it::LANGUAGE, &nl::LANGUAGE, &pt::LANGUAGE];

/// A language that is not known.
static OTHER: Language = Language {
    tag: "",
    fillers: &["um", "uh", "hm", "hmm", "mm", "eh", "äh", "ähm"],
    unfinished: &[],
    loose: &[],
    auxiliaries: &[],
    stop: &["stop"],
    backchannel: &["mm-hmm", "mhm", "mm", "hm", "hmm", "uh-huh", "aha", "ah", "oh", "ok", "okay"],
    yes_no: &["ok", "okay"],
    closed: &[],
    refusals: &[],
    requests: &[],
    copulas: &[],
    values: &[],
    digits: &[],
    teens: &[],
    tens: &[],
    repeats: &[],
    at: &[],
    dot: &[],
    joiners: &[],
    months: &[],
    phone: &[],
    lines: en::LANGUAGE.lines,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_known_by_its_primary_subtag() {
        for (tag, primary) in [("en", "en"), ("en-US", "en"), ("DE_at", "de"), ("pt-BR", "pt"), ("ja-JP", ""), ("", "")]
        {
            assert_eq!(Language::of(tag).tag, primary, "{tag:?}");
        }
    }

    #[test]
    fn words_are_written_as_they_are_compared() {
        for language in KNOWN.into_iter().chain([&OTHER]) {
            let lists = [
                language.fillers,
                language.unfinished,
                language.loose,
                language.auxiliaries,
                language.stop,
                language.backchannel,
                language.yes_no,
                language.closed,
                language.refusals,
                language.requests,
                language.copulas,
                language.digits,
                language.teens,
                language.tens,
                language.at,
                language.dot,
                language.joiners,
                language.months,
            ];
            let nouns = language.values.iter().flat_map(|(_, nouns)| nouns.iter());
            for word in lists.into_iter().flatten().chain(nouns) {
                let normal = crate::dialogue::words::normalise(word).join(" ");
                assert_eq!(*word, normal, "{}", language.tag);
            }
        }
    }
}
