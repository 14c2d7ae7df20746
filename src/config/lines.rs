//! `[agents.lines]`: what the agent says that is not the model's.

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
