//! Keys the agent presses: runs of them, with pauses between.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::conversation::{Digit, ReplyId, ToolCall};

use super::Action;
use super::arguments;
use super::builtin::SEND_DTMF;
use super::machine::Dialogue;

/// The most keys and pauses of one request.
const MOST: usize = 32;
/// How long the line needs for a key and the silence after it.
const KEY: Duration = Duration::from_millis(200);

/// Keys that are to be sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    /// At most [`Keys::MOST_WAITING`].
    waiting: VecDeque<Step>,
    next: Option<Instant>,
}

/// What is done next: a key is pressed, or nothing for a while.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Key(Digit),
    Pause(Duration),
}

impl Keys {
    /// The most keys and pauses that wait: two requests' worth.
    const MOST_WAITING: usize = 2 * MOST;

    /// When the next of them are due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.next
    }
}

impl Dialogue {
    /// The model wants keys pressed.
    pub(super) fn keys_asked(&mut self, reply: ReplyId, call: &ToolCall, now: Instant) {
        let steps = arguments::text_of(&call.arguments, "digits").as_deref().and_then(steps);
        let (content, is_sent) = match steps {
            Some(steps) if self.keys.waiting.len() + steps.len() > Keys::MOST_WAITING => {
                let inputs = format!("{} of {} wait", self.keys.waiting.len(), Keys::MOST_WAITING);
                self.drop_event("keys beyond the limit", "limit.keys", inputs);
                ("error: too many keys are waiting to be sent", false)
            }
            Some(steps) => {
                self.keys.waiting.extend(steps);
                self.keys.next.get_or_insert(now);
                self.press_keys(now);
                ("sent", true)
            }
            None => ("error: `digits` must be 1 to 32 of 0-9, *, #, w and comma", false),
        };
        // After keys it is the other side's turn: only a mistake is given back to the model at once.
        self.built_in_result(reply, &call.id, SEND_DTMF, content, !is_sent);
    }

    /// Sends the keys that are due, up to the next pause.
    pub(super) fn press_keys(&mut self, now: Instant) {
        let Some(at) = self.keys.next.filter(|&at| at <= now) else { return };
        let mut run = Vec::new();
        while let Some(Step::Key(digit)) = self.keys.waiting.front() {
            run.push(*digit);
            self.keys.waiting.pop_front();
        }
        let mut busy = KEY * u32::try_from(run.len()).unwrap_or(u32::MAX);
        while let Some(Step::Pause(pause)) = self.keys.waiting.front() {
            busy += *pause;
            self.keys.waiting.pop_front();
        }
        self.keys.next = (!self.keys.waiting.is_empty()).then_some(at.max(now) + busy);
        if !run.is_empty() {
            self.act(Action::SendDigits(run));
        }
    }
}

/// Keys and pauses in order; `None` when there are none, too many, or something else among them. The pauses are those of
/// telephony APIs (`w`, `W`) and of dialling strings (a comma, `p`).
fn steps(text: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    for character in text.chars() {
        match character {
            'w' => steps.push(Step::Pause(Duration::from_millis(500))),
            'W' => steps.push(Step::Pause(Duration::from_secs(1))),
            ',' | 'p' | 'P' => steps.push(Step::Pause(Duration::from_secs(2))),
            ' ' | '-' => {}
            key => steps.push(Step::Key(Digit::new(key)?)),
        }
    }
    let has_key = steps.iter().any(|step| matches!(step, Step::Key(_)));
    (has_key && steps.len() <= MOST).then_some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_pauses_are_read_and_anything_else_is_refused() {
        let shape = |text: &str| -> Option<String> {
            let told = |step| match step {
                Step::Key(digit) => digit.as_char().to_string(),
                Step::Pause(pause) => format!("<{}>", pause.as_millis()),
            };
            Some(steps(text)?.into_iter().map(told).collect())
        };
        assert_eq!(shape("1w2#").as_deref(), Some("1<500>2#"));
        assert_eq!(shape("555-01 00,*").as_deref(), Some("5550100<2000>*"));
        assert_eq!(shape("W1p").as_deref(), Some("<1000>1<2000>"));
        for text in ["", "w", ",", "1x", "one", &"1".repeat(33)] {
            assert_eq!(shape(text), None, "{text}");
        }
    }
}
