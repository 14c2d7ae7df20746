//! What an answer costs, counted while it is written.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::{LlmRequest, Usage};

/// Counts the tokens of one answer: what the vendor says, and until it does what the text lets one estimate. Its owner
/// may ask at any moment, so that an answer broken off in the middle is not taken for free.
#[derive(Clone, Default, Debug)]
pub(super) struct Meter(Arc<Counts>);

#[derive(Default, Debug)]
struct Counts {
    /// Of the request, in quarters of a token.
    asked: AtomicU64,
    /// Of the answer so far, in quarters of a token.
    written: AtomicU64,
    /// Told by the vendor; 0: nothing yet.
    told_prompt: AtomicU64,
    told_completion: AtomicU64,
    /// Whether what was told of the answer is of all of it.
    complete: AtomicBool,
}

impl Meter {
    /// The request is on its way: from here on it is to be paid.
    pub(super) fn ask(&self, request: &LlmRequest) {
        let messages = request.messages.iter().map(|message| {
            let calls = message.tool_calls.iter().map(|call| quarters(&call.name) + quarters(&call.arguments));
            PER_MESSAGE + quarters(&message.content) + calls.sum::<u64>()
        });
        let tools = request
            .tools
            .iter()
            .map(|tool| PER_MESSAGE + quarters(&tool.name) + quarters(&tool.description) + quarters(&tool.parameters));
        self.0.asked.store(messages.chain(tools).sum(), Ordering::Relaxed);
    }

    /// The request was refused or did not arrive: nobody is paid for it.
    pub(super) fn refused(&self) {
        self.0.asked.store(0, Ordering::Relaxed);
    }

    /// The model has written this: words, thoughts, or a piece of a tool call.
    pub(super) fn write(&self, text: &str) {
        self.0.written.fetch_add(quarters(text), Ordering::Relaxed);
    }

    /// The vendor says how much was read.
    pub(super) fn tell_prompt(&self, tokens: u64) {
        self.0.told_prompt.store(tokens, Ordering::Relaxed);
    }

    /// The vendor says how much has been written: by the end of the answer, or, if not `complete`, so far.
    pub(super) fn tell_completion(&self, tokens: u64, complete: bool) {
        self.0.told_completion.store(tokens, Ordering::Relaxed);
        self.0.complete.fetch_or(complete, Ordering::Relaxed);
    }

    /// What it has cost so far.
    pub(super) fn usage(&self) -> Usage {
        let counts = &*self.0;
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (prompt, completion) = (load(&counts.told_prompt), load(&counts.told_completion));
        let (asked, written) = (load(&counts.asked).div_ceil(4), load(&counts.written).div_ceil(4));
        let is_complete = counts.complete.load(Ordering::Relaxed);
        Usage {
            prompt: if prompt > 0 { prompt } else { asked },
            completion: if is_complete { completion } else { completion.max(written) },
            is_estimate: asked > 0 && (prompt == 0 || !is_complete),
        }
    }
}

/// What a message costs besides its text, in quarters of a token.
const PER_MESSAGE: u64 = 16;

/// About how many quarters of a token `text` is: four letters of English make one, two of Greek or Cyrillic, and every
/// sign of Chinese is one.
fn quarters(text: &str) -> u64 {
    let of = |letter: char| match letter {
        '\0'..='\x7f' => 1,
        '\u{80}'..='\u{7ff}' => 2,
        _ => 4,
    };
    text.chars().map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::{Message, Role};

    fn asked() -> Meter {
        let messages = vec![Message::text(Role::System, "Be kind to me."), Message::text(Role::User, "Hello you")];
        let request = LlmRequest { model: None, messages, tools: Vec::new(), max_tokens: None, temperature: None };
        let meter = Meter::default();
        meter.ask(&request);
        meter
    }

    #[test]
    fn what_nobody_told_is_estimated_and_marked() {
        let meter = asked();
        meter.write("Grüß ");
        meter.write("Gott");
        assert_eq!(meter.usage(), Usage { prompt: 14, completion: 3, is_estimate: true });
        meter.tell_prompt(20);
        assert_eq!(meter.usage(), Usage { prompt: 20, completion: 3, is_estimate: true });
        meter.tell_completion(5, true);
        assert_eq!(meter.usage(), Usage { prompt: 20, completion: 5, is_estimate: false });
    }

    #[test]
    fn a_count_on_the_way_is_a_lower_bound() {
        let meter = asked();
        meter.tell_prompt(20);
        meter.tell_completion(1, false);
        meter.write("eight letters and more");
        assert_eq!(meter.usage(), Usage { prompt: 20, completion: 6, is_estimate: true });
    }

    #[test]
    fn a_request_that_was_refused_or_never_made_costs_nothing() {
        assert_eq!(Meter::default().usage(), Usage::default());
        let meter = asked();
        meter.refused();
        assert_eq!(meter.usage(), Usage::default());
    }

    #[test]
    fn signs_count_more_than_letters() {
        assert_eq!((quarters("word"), quarters("слово"), quarters("你好")), (4, 10, 8));
    }
}
