//! `[agents.lines]`: what the agent says that is not the model's; and `[[agents.pronunciations]]`: how it says words.

use super::document::Section;

/// `[agents.lines]`: lines that take the place of those of the agent's language; each by the name of its setting.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Lines {
    /// Names and texts; a text may be empty, and nothing is said then.
    pub texts: Vec<(&'static str, String)>,
    /// What the agent says while the caller speaks at length, one after the other.
    pub backchannels: Option<Vec<String>>,
}

/// The lines there are.
pub const LINES: [&str; 11] = [
    "apology",
    "repeat_request",
    "idle_prompt",
    "goodbye",
    "filler",
    "transfer_failed",
    "transfer_wait",
    "handing_over",
    "welcome_back",
    "duration_warning",
    "cut_in",
];

/// The longest line, in characters.
const LONGEST: usize = 500;

pub(super) fn lines(mut section: Section<'_>) -> Lines {
    let texts = LINES.iter().filter_map(|name| Some((*name, section.short_text(name, LONGEST)?))).collect();
    let backchannels = section.words("backchannels");
    section.finish();
    Lines { texts, backchannels }
}

/// The most words of one agent's dictionary.
const PRONUNCIATIONS: usize = 1_000;
/// The longest word or phrase of it, and the longest way to say one, in characters.
const PHRASE: usize = 100;

/// `[[agents.pronunciations]]`: `written` as the model writes it, `spoken` as the voice is given it.
pub(super) fn pronunciations(agent: &mut Section<'_>) -> Vec<(String, String)> {
    let sections = agent.sections("pronunciations");
    if sections.len() > PRONUNCIATIONS {
        let found = sections.len();
        agent.wrong("pronunciations", format!("found {found} of them, expected at most {PRONUNCIATIONS}"));
    }
    let mut all = Vec::new();
    for mut section in sections {
        let mut phrase = |key: &'static str, expected: &str| {
            let text = section.short_text(key, PHRASE);
            match &text {
                None if !section.has(key) => section.missing(key, expected),
                Some(text) if !text.contains(char::is_alphanumeric) => {
                    section.wrong(key, format!("found \"{text}\", expected {expected}"));
                }
                _ => {}
            }
            text
        };
        let written = phrase("written", "a word or some words, as the model writes them");
        let spoken = phrase("spoken", "what the voice is to say in their place");
        section.finish();
        if let (Some(written), Some(spoken)) = (written, spoken) {
            all.push((written, spoken));
        }
    }
    all
}
