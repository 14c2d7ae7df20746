//! English.

use super::{Kind, Language, Lines};

#[rustfmt::skip]
pub(super) static LANGUAGE: Language = Language {
    tag: "en",
    fillers: &[
        "um", "uh", "er", "erm", "uhm", "umm", "uhh", "hmm", "hm", "mm", "uhhh", "ummm", "let me see",
        "let me think", "you know",
    ],
    unfinished: &[
        "and", "or", "but", "because", "cause", "since", "although", "if", "when", "while", "unless", "until",
        "whether", "which", "than", "as", "the", "a", "an", "my", "your", "his", "her", "our", "their", "its", "to",
        "of", "at", "for", "with", "from", "by", "about", "into", "onto", "between", "during", "is", "are", "was",
        "were", "am", "i'm", "be", "been", "will", "would", "could", "should", "can", "might", "must", "have",
        "has", "had", "i", "we", "they", "he", "she", "it's", "that's", "there's", "he's", "she's", "we're",
        "they're", "you're", "i'd", "i'll", "i've", "we'd", "we'll", "we've", "you'd", "you'll", "it'll",
        "half past", "quarter to", "quarter past", "such", "every", "let me", "let's",
    ],
    loose: &[
        "so", "in", "on", "like", "also", "do", "does", "did", "this", "that", "these", "those", "some", "any",
        "each", "very", "really", "just", "what", "where", "how", "why", "who", "want", "need", "around", "over",
        "under", "near", "without", "before", "after", "not", "maybe", "though", "may",
    ],
    auxiliaries: &[
        "am", "is", "are", "was", "were", "do", "does", "did", "will", "would", "could", "should", "can", "might", "must",
        "have", "has", "had",
    ],
    stop: &[
        "stop", "wait", "hold on", "hang on", "hold up", "one moment", "one second", "just a moment",
        "just a second", "excuse me", "no no", "shut up", "be quiet", "pause", "enough", "listen", "let me talk",
        "never mind",
    ],
    backchannel: &[
        "mm-hmm", "mm hmm", "mhm", "mmhmm", "mm", "mmm", "hm", "hmm", "uh-huh", "uh huh", "uhhuh", "yeah", "yep",
        "yup", "yes", "ya", "okay", "ok", "kay", "right", "sure", "i see", "got it", "gotcha", "good", "great",
        "cool", "nice", "alright", "all right", "oh", "ah", "aha", "um", "uh", "er", "huh", "wow", "of course",
        "fine",
    ],
    yes_no: &[
        "yes", "yeah", "yep", "yup", "no", "nope", "nah", "sure", "okay", "ok", "correct", "right", "please",
        "absolutely", "exactly", "definitely", "uh-huh", "mm-hmm", "mhm", "thanks", "sir", "ma'am", "perfect",
        "that's", "fine", "alright", "great", "good",
    ],
    closed: &[
        "shall", "should", "do", "does", "did", "is", "are", "am", "was", "were", "can", "could", "will", "would",
        "have", "has", "had", "may", "right", "correct", "okay", "ok", "yes", "isn't", "aren't", "don't", "doesn't",
        "won't", "ready",
    ],
    refusals: &[
        "no", "don't", "not", "can't", "won't", "why", "none", "sorry", "pardon", "repeat", "what", "never",
        "rather", "question",
    ],
    requests: &["please", "tell", "give", "spell", "say", "read", "provide", "need", "confirm", "share"],
    copulas: &["is", "it's", "are"],
    values: &[
        (Kind::Email, &["email", "e-mail", "mail"]),
        (Kind::Card, &["card"]),
        (Kind::Spelling, &["spell", "spelling", "spelled", "letters"]),
        (Kind::Phone, &["phone", "telephone", "mobile", "cell", "callback"]),
        (Kind::Address, &["address", "street"]),
        (Kind::Date, &["birth", "birthday", "born", "date", "day", "when"]),
        (Kind::Digits, &[
            "number", "numbers", "code", "zip", "postcode", "account", "digits", "digit", "pin", "reference",
            "serial", "confirmation", "id", "passport", "ssn",
        ]),
        (Kind::Name, &["name", "names", "surname", "called"]),
    ],
    digits: &["zero oh o", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
    teens: &[
        "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
        "nineteen",
    ],
    tens: &["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"],
    repeats: &[("double", 2), ("triple", 3), ("treble", 3)],
    at: &["at"],
    dot: &["dot", "point"],
    joiners: &["dash", "hyphen", "underscore", "slash", "plus", "minus"],
    months: &[
        "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
        "november", "december",
    ],
    // North America (no area code begins with 0 or 1; 1 is its country code) and Britain.
    phone: &[(10, "23456789"), (11, "10")],
    lines: Lines {
        apology: "I'm sorry, I'm having trouble right now. Could you say that again?",
        repeat_request: "Sorry, I didn't catch that. Could you say it again?",
        idle_prompt: "Are you still there?",
        goodbye: "I'll let you go now. Goodbye.",
        filler: "One moment, please.",
        transfer_failed: "I'm sorry, I couldn't reach anyone. You are still with me. How else can I help?",
        transfer_wait: "I'm still trying to reach someone for you.",
        handing_over: "Let me connect you with someone who can help.",
        welcome_back: "I'm still here.",
        duration_warning: "We have about half a minute left on this call.",
        cut_in: "Sorry to interrupt you. Let me answer that first.",
        backchannels: ["mm-hmm", "uh-huh", "right"],
    },
};
