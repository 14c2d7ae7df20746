//! What the recogniser hears and the model answers.

use std::time::Duration;

/// One thing the caller says, as the recogniser will report it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// The words; empty: a sound without words (a cough), reported as an empty transcript.
    pub text: String,
    /// The shortest utterance this line may be, from its first voiced sound to its last.
    pub min: Duration,
    /// The longest; `None`: no limit.
    pub max: Option<Duration>,
    /// How long the caller takes to say it, pauses within counted out. With it, an utterance that ends before three
    /// quarters of it is taken for a pause: only the words spoken so far become final, and the next utterance goes on with
    /// the rest. `None`: the utterance's end is the line's end, and interims follow a usual speaking rate.
    pub lasts: Option<Duration>,
}

impl Line {
    /// What is shorter than this is a cough, unless a line says otherwise.
    pub const COUGH: Duration = Duration::from_millis(350);

    /// A line for any utterance of at least [`Line::COUGH`]; an empty one for any utterance at all.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        let min = if text.trim().is_empty() { Duration::ZERO } else { Self::COUGH };
        Self { text, min, max: None, lasts: None }
    }

    /// Only for utterances of `min` to `max`.
    #[must_use]
    pub fn between(mut self, min: Duration, max: Duration) -> Self {
        (self.min, self.max) = (min, Some(max));
        self
    }

    /// Said in `lasts`.
    #[must_use]
    pub fn lasting(mut self, lasts: Duration) -> Self {
        self.lasts = Some(lasts);
        self
    }

    /// Whether an utterance of `duration` may be this line.
    pub(super) fn fits(&self, duration: Duration) -> bool {
        self.min <= duration && self.max.is_none_or(|max| duration <= max)
    }
}

/// The lines of the caller.
///
/// Each utterance is given **the first line that is still unused and whose window (`min` to `max`) holds the utterance's
/// duration**. A line passed over stays for later. So with one sentence of at least 900 ms, one `mm-hmm` of 150 to 700 ms
/// and the sentence after it, the caller may cough (shorter than any window: no words, no line used up), and a missed
/// `mm-hmm` does not shift what follows. Where sounds of different kinds are mixed, give every line a window.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LineScript {
    /// In the order they are said.
    pub lines: Vec<Line>,
    /// When no line fits: go on with generic sentences for ever. Otherwise the sound has no words.
    pub generic: bool,
    /// All connections share one place in the script, so that a client that reconnects goes on where it was. Otherwise
    /// every connection begins at the first line.
    pub shared: bool,
    /// There are no lines: what is said is told with [`Simulators::cue`](super::Simulators::cue), for all connections.
    pub prompted: bool,
    /// After the last line it begins again from the first.
    pub endless: bool,
}

impl LineScript {
    /// A script of `lines`, each connection from the first; nothing after the last.
    pub fn new(lines: impl IntoIterator<Item = Line>) -> Self {
        Self { lines: lines.into_iter().collect(), generic: false, shared: false, prompted: false, endless: false }
    }

    /// No lines: what is said is told as it is said.
    pub fn prompted() -> Self {
        Self { shared: true, prompted: true, ..Self::new([]) }
    }

    /// What a caller might say to anybody; the n-th of an endless series.
    pub(super) fn generic(n: usize) -> Line {
        let text = GENERIC_LINES.get(n % GENERIC_LINES.len()).copied().unwrap_or_default();
        Line::new(text)
    }
}

impl Default for LineScript {
    /// Generic sentences for ever.
    fn default() -> Self {
        Self { lines: Vec::new(), generic: true, shared: false, prompted: false, endless: false }
    }
}

const GENERIC_LINES: [&str; 6] = [
    "Hello, I have a question.",
    "Can you tell me a little more about that?",
    "Okay, and how does it work?",
    "That sounds good to me.",
    "What would be the next step?",
    "Thank you, that is all I needed.",
];

/// When an answer is given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum When {
    /// The last user message contains this, upper or lower case.
    Says(String),
    /// The last message is the result of a tool and contains this, upper or lower case.
    ToolResult(String),
    /// It is the n-th turn: the request holds `n` user messages. The first is 1.
    Turn(usize),
    /// It is the n-th request since the simulators started, the first being 1; the same messages once more are the same
    /// request, and one taken back ([`Simulators::forget_request`](super::Simulators::forget_request)) does not count.
    Request(usize),
}

/// How an answer ends.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Ending {
    /// It is given whole.
    #[default]
    Whole,
    /// After its text nothing comes any more.
    Stall,
    /// The request is refused with this HTTP status, when the first token would have come.
    Refusal(u16),
}

/// A tool the model asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScriptedToolCall {
    /// Which one; it is only asked for when the request offers it, or when the answer is that of [`When::Request`].
    pub name: String,
    /// Its arguments, JSON.
    pub arguments: String,
}

/// One answer of the model.
#[derive(Clone, PartialEq, Debug)]
pub struct Answer {
    /// When it is given.
    pub when: When,
    /// What it says.
    pub text: String,
    /// What it wants done, after the text.
    pub tool_calls: Vec<ScriptedToolCall>,
    /// From the request to the first token; `None`: as configured for the model.
    pub first_token: Option<Duration>,
    /// How it ends.
    pub ending: Ending,
}

impl Answer {
    /// A spoken answer.
    pub fn new(when: When, text: impl Into<String>) -> Self {
        Self { when, text: text.into(), tool_calls: Vec::new(), first_token: None, ending: Ending::Whole }
    }

    /// The same, with another ending.
    #[must_use]
    pub fn ending(mut self, ending: Ending) -> Self {
        self.ending = ending;
        self
    }

    /// The same, and a tool is called.
    #[must_use]
    pub fn calling(mut self, name: impl Into<String>, arguments: impl Into<String>) -> Self {
        self.tool_calls.push(ScriptedToolCall { name: name.into(), arguments: arguments.into() });
        self
    }
}

/// The answers of the model, chosen by the request alone, so that any number of calls share one script; only
/// [`When::Request`] counts requests, and is for one call.
///
/// The first answer whose [`When`] holds wins: [`When::Request`] before those about words ([`When::Says`],
/// [`When::ToolResult`]), these before [`When::Turn`]. When none holds, the answer is generic.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct AnswerScript {
    /// In order of preference.
    pub answers: Vec<Answer>,
}

impl AnswerScript {
    /// A script of `answers`.
    pub fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self { answers: answers.into_iter().collect() }
    }

    /// Whether answers are counted.
    pub(super) fn is_counted(&self) -> bool {
        self.answers.iter().any(|answer| matches!(answer.when, When::Request(_)))
    }

    /// The answer to the `request`-th request, in the `turn`-th turn (both from 1), to what was said or, after a tool, to
    /// its result.
    pub(super) fn choose(&self, request: usize, turn: usize, said: &str, tool_result: Option<&str>) -> Answer {
        let by_count = self.answers.iter().find(|answer| answer.when == When::Request(request));
        if let Some(answer) = by_count {
            return answer.clone();
        }
        let said = said.to_lowercase();
        let result = tool_result.map(str::to_lowercase);
        let by_words = self.answers.iter().find(|answer| match (&answer.when, &result) {
            (When::ToolResult(part), Some(result)) => result.contains(&part.to_lowercase()),
            (When::Says(part), None) => said.contains(&part.to_lowercase()),
            _ => false,
        });
        let by_order = || {
            // What follows a tool is a second answer in the same turn: repeating the first would call the tool again.
            let nth = |answer: &&Answer| result.is_none() && answer.when == When::Turn(turn);
            self.answers.iter().find(nth)
        };
        by_words.or_else(by_order).cloned().unwrap_or_else(|| {
            let n = turn.saturating_sub(1) % GENERIC_ANSWERS.len();
            let text = match result {
                Some(_) => "All right, that is done. Is there anything else?",
                None => GENERIC_ANSWERS.get(n).copied().unwrap_or_default(),
            };
            Answer::new(When::Turn(turn), text)
        })
    }
}

const GENERIC_ANSWERS: [&str; 4] = [
    "Thank you for calling. I am happy to help you with that. What would you like to know first?",
    "Of course. Let me explain it in a few words. It is quite simple, and we can do it right away.",
    "Good question. Most people start with a short conversation, and then decide. Shall we do the same?",
    "I understand. I have noted that for you. Is there anything else I can do?",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> When {
        When::Says(text.into())
    }

    #[test]
    fn words_decide_before_order_and_any_case_fits() {
        let script = AnswerScript::new([Answer::new(When::Turn(1), "first"), Answer::new(said("price"), "ten euros")]);
        assert_eq!(script.choose(1, 1, "What is the PRICE?", None).text, "ten euros");
        assert_eq!(script.choose(1, 1, "hello", None).text, "first");
        assert_eq!(script.choose(1, 2, "hello", None).text, GENERIC_ANSWERS[1]);
    }

    #[test]
    fn the_answer_after_a_tool_is_not_the_one_that_called_it() {
        let script = AnswerScript::new([
            Answer::new(said("book"), "One moment.").calling("book", "{}"),
            Answer::new(When::ToolResult("confirmed".into()), "It is booked."),
        ]);
        assert_eq!(script.choose(1, 1, "please book it", None).tool_calls.len(), 1);
        assert_eq!(script.choose(1, 1, "please book it", Some("Confirmed")).text, "It is booked.");
        assert!(script.choose(1, 1, "please book it", Some("refused")).tool_calls.is_empty());
    }

    #[test]
    fn coughs_fit_no_line_of_words() {
        assert!(!Line::new("hello").fits(Duration::from_millis(200)));
        assert!(Line::new("").fits(Duration::from_millis(200)));
        let hum = Line::new("mm-hmm").between(Duration::from_millis(150), Duration::from_millis(700));
        assert!(hum.fits(Duration::from_millis(400)) && !hum.fits(Duration::from_millis(900)));
    }
}
