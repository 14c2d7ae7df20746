//! What was said, and of the agent's words what was heard.

use std::collections::VecDeque;
use std::time::Duration;

use crate::conversation::{Message, ReplyId, Role, ToolCall, ToolResult, WordTime};

/// The conversation as the language model is told it.
///
/// A reply is written when it has been heard, or cut where it was heard; nothing heard, nothing written. A cut one ends
/// in [`History::CUT`], and as long as there is one the system prompt says what that means. Tool calls and their results are kept whatever
/// was heard. The oldest entries are dropped beyond [`History::MAX_ENTRIES`] or [`History::MAX_BYTES`]; the system prompt
/// never is.
#[derive(Clone, Debug)]
pub(super) struct History {
    system: String,
    entries: VecDeque<Entry>,
    bytes: usize,
    /// Whether the model's last answer held nothing that could be spoken.
    is_asked_again: bool,
}

/// Tools a reply asked for, with what they answered.
type Calls = Vec<(ToolCall, Option<String>)>;

/// One contribution to the conversation.
#[derive(Clone, Debug)]
enum Entry {
    User(String),
    /// `cut`: more of it had been meant.
    Agent {
        reply: ReplyId,
        text: String,
        calls: Calls,
        cut: bool,
    },
}

impl Entry {
    fn bytes(&self) -> usize {
        match self {
            Self::User(text) => text.len(),
            Self::Agent { text, calls, .. } => {
                let size = |(call, result): &(ToolCall, Option<String>)| {
                    call.id.len() + call.name.len() + call.arguments.len() + result.as_ref().map_or(0, String::len)
                };
                text.len() + calls.iter().map(size).sum::<usize>()
            }
        }
    }
}

impl History {
    /// The mark at the end of a message that the caller talked down.
    pub(super) const CUT: &str = "—";
    /// What the model is told of it.
    pub(super) const CUT_NOTE: &str = "A message of yours that ends in \"—\" was interrupted there by the caller, who has \
         not heard the rest of it. Do not write that mark yourself.";
    /// What it is told when its last answer held nothing that could be spoken.
    pub(super) const AGAIN_NOTE: &str = "Your last answer held nothing that can be spoken. Answer in plain words, without \
         symbols or markup.";
    /// What a model is told that goes on with an answer which another one broke off.
    pub(super) const CONTINUE_NOTE: &str = "Your last message was broken off and has been spoken already. Go on with its \
         next word, so that both read as one; repeat nothing of it.";
    /// The most contributions kept.
    pub(super) const MAX_ENTRIES: usize = 200;
    /// The most text kept, in bytes.
    pub(super) const MAX_BYTES: usize = 96 * 1024;
    /// The most of one tool's result, in bytes; the rest is cut off.
    pub(super) const MAX_RESULT: usize = 16 * 1024;

    /// A conversation that has not begun.
    pub(super) fn new(system: String) -> Self {
        Self { system, entries: VecDeque::new(), bytes: 0, is_asked_again: false }
    }

    /// Other instructions to the model from here on.
    pub(super) fn instruct(&mut self, system: String) {
        self.system = system;
    }

    /// Whether the model is asked again for an answer that can be spoken.
    pub(super) fn ask_again(&mut self, again: bool) {
        self.is_asked_again = again;
    }

    /// The caller said this.
    pub(super) fn user(&mut self, text: String) {
        match self.entries.back_mut() {
            // Models want the roles to take turns.
            Some(Entry::User(earlier)) if earlier.len() + text.len() < Self::MAX_RESULT => {
                earlier.push(' ');
                earlier.push_str(&text);
                self.bytes += text.len() + 1;
            }
            _ => {
                self.bytes += text.len();
                self.entries.push_back(Entry::User(text));
            }
        }
        self.bound();
    }

    /// Takes back the caller's last words, if nothing has been said since.
    pub(super) fn take_user(&mut self) -> Option<String> {
        let Some(Entry::User(_)) = self.entries.back() else { return None };
        let Some(Entry::User(text)) = self.entries.pop_back() else { return None };
        self.bytes = self.bytes.saturating_sub(text.len());
        Some(text)
    }

    /// The caller has heard this of a reply; `cut`: more had been meant.
    pub(super) fn heard(&mut self, reply: ReplyId, heard: &str, cut: bool) {
        let heard = heard.trim();
        let mut text = heard.to_owned();
        if cut && !heard.is_empty() {
            text.push_str(Self::CUT);
        }
        let added = text.len();
        let cut = cut && !text.is_empty();
        match self.agent(reply) {
            Some((place, _, was_cut)) => {
                *was_cut = cut;
                let removed = std::mem::replace(place, text).len();
                self.bytes = (self.bytes + added).saturating_sub(removed);
            }
            None if text.is_empty() => {}
            None => {
                self.bytes += added;
                self.entries.push_back(Entry::Agent { reply, text, calls: Vec::new(), cut });
            }
        }
        self.bound();
    }

    /// A reply asked for a tool. `text` is what it has said so far; [`History::heard`] puts it right later.
    pub(super) fn called(&mut self, reply: ReplyId, text: &str, call: ToolCall) {
        let mut added = call.id.len() + call.name.len() + call.arguments.len();
        match self.agent(reply) {
            Some((_, calls, _)) => calls.push((call, None)),
            None => {
                let text = text.trim().to_owned();
                added += text.len();
                self.entries.push_back(Entry::Agent { reply, text, calls: vec![(call, None)], cut: false });
            }
        }
        self.bytes += added;
        self.bound();
    }

    /// A tool answered the call of a reply.
    pub(super) fn result(&mut self, reply: ReplyId, result: &ToolResult) {
        let mut content = result.content.clone();
        if content.len() > Self::MAX_RESULT {
            let at = (0..=Self::MAX_RESULT).rev().find(|&at| content.is_char_boundary(at)).unwrap_or(0);
            content.truncate(at);
        }
        let added = content.len();
        let Some((_, calls, _)) = self.agent(reply) else { return };
        let open = calls.iter_mut().find(|(call, answer)| call.id == result.id && answer.is_none());
        if let Some((_, answer)) = open {
            *answer = Some(content);
            self.bytes += added;
        }
        self.bound();
    }

    /// What the model is told: the system prompt and the conversation.
    pub(super) fn prompt(&self) -> Vec<Message> {
        self.told(false)
    }

    /// The same for a model that goes on behind what was said of an answer.
    pub(super) fn prompt_behind(&self, said: String) -> Vec<Message> {
        let mut messages = self.told(true);
        messages.push(Message::text(Role::Assistant, said));
        messages
    }

    fn told(&self, goes_on: bool) -> Vec<Message> {
        let mut messages = Vec::with_capacity(self.entries.len() + 2);
        let mut system = self.system.clone();
        let notes =
            [(self.has_cut(), Self::CUT_NOTE), (self.is_asked_again, Self::AGAIN_NOTE), (goes_on, Self::CONTINUE_NOTE)];
        for (_, note) in notes.into_iter().filter(|(applies, _)| *applies) {
            if !system.is_empty() {
                system.push_str("\n\n");
            }
            system.push_str(note);
        }
        if !system.is_empty() {
            messages.push(Message::text(Role::System, system));
        }
        for entry in &self.entries {
            match entry {
                Entry::User(text) => messages.push(Message::text(Role::User, text.clone())),
                Entry::Agent { text, calls, .. } if calls.is_empty() => {
                    messages.push(Message::text(Role::Assistant, text.clone()));
                }
                Entry::Agent { text, calls, .. } => {
                    let mut message = Message::text(Role::Assistant, text.clone());
                    message.tool_calls = calls.iter().map(|(call, _)| call.clone()).collect();
                    messages.push(message);
                    for (call, result) in calls {
                        let content = result.clone().unwrap_or_else(|| "no answer yet".into());
                        let mut message = Message::text(Role::Tool, content);
                        message.tool_call_id = Some(call.id.clone());
                        messages.push(message);
                    }
                }
            }
        }
        messages
    }

    /// The last thing the agent was heard saying.
    pub(super) fn last_said(&self) -> Option<&str> {
        self.entries.iter().rev().find_map(|entry| match entry {
            Entry::Agent { text, .. } if !text.is_empty() => Some(text.as_str()),
            _ => None,
        })
    }

    fn has_cut(&self) -> bool {
        self.entries.iter().any(|entry| matches!(entry, Entry::Agent { cut: true, .. }))
    }

    fn agent(&mut self, of: ReplyId) -> Option<(&mut String, &mut Calls, &mut bool)> {
        self.entries.iter_mut().rev().find_map(|entry| match entry {
            Entry::Agent { reply, text, calls, cut } if *reply == of => Some((text, calls, cut)),
            _ => None,
        })
    }

    fn bound(&mut self) {
        while self.entries.len() > 1 && (self.entries.len() > Self::MAX_ENTRIES || self.bytes > Self::MAX_BYTES) {
            if let Some(entry) = self.entries.pop_front() {
                self.bytes = self.bytes.saturating_sub(entry.bytes());
            }
        }
    }
}

/// What of `text` was heard when `heard` of its sound was: up to the last whole word.
///
/// With word times, what had ended, and of a piece of several words that was being heard (a voice may time whole segments)
/// as many whole words as fit its pace. Without, the `share` of the text, cut back to a word's end.
pub(super) fn heard_text<'a>(text: &'a str, words: &[WordTime], heard: Duration, share: f32) -> &'a str {
    if heard.is_zero() {
        return "";
    }
    if !words.is_empty() {
        return text.get(..heard_by_words(text, words, heard)).unwrap_or_default().trim_end();
    }
    if share >= 1.0 {
        return text.trim_end();
    }
    text.get(..whole_words(text, share)).unwrap_or_default()
}

/// Where in `text` what was heard ends, by the times of its words.
fn heard_by_words(text: &str, words: &[WordTime], heard: Duration) -> usize {
    let ended = words.iter().take_while(|word| word.end <= heard).count();
    let last = ended.checked_sub(1).and_then(|last| words.get(last));
    let end = last.map_or(0, |word| with_marks(text, word.text_end.min(text.len())));
    let share = |of: &WordTime, from: Duration| {
        let lasts = of.end.saturating_sub(of.start).as_secs_f32();
        heard.saturating_sub(from).as_secs_f32() / lasts.max(f32::MIN_POSITIVE)
    };
    let more = match words.get(ended) {
        Some(word) => {
            let piece = text.get(end..word.text_end.min(text.len())).unwrap_or_default().trim_end();
            whole_words(piece, share(word, word.start))
        }
        // The voice has not told of what follows. One that times single words tells in time; one that times segments tells
        // when a segment is complete, and goes on at the pace of the last one.
        None => last.map_or(0, |last| {
            let begin =
                ended.checked_sub(2).and_then(|at| words.get(at)).map_or(0, |word| with_marks(text, word.text_end));
            let piece = text.get(begin..end).unwrap_or_default().trim();
            let rest = text.get(end..).unwrap_or_default().trim_end();
            if !piece.contains(' ') || rest.is_empty() {
                return 0;
            }
            whole_words(rest, share(last, last.end) * piece.len() as f32 / rest.len() as f32)
        }),
    };
    end + more
}

/// `end`, the end of a word in `text`, moved behind the marks that close it. Vendors that time words leave the full stop
/// and the quotation mark out of them; what opens the next word ("$5") stands behind white space and stays.
fn with_marks(text: &str, end: usize) -> usize {
    let Some(rest) = text.get(end..) else { return end };
    let behind = rest.trim_start_matches(|c: char| !c.is_alphanumeric() && !c.is_whitespace());
    if behind.is_empty() || behind.starts_with(char::is_whitespace) { text.len() - behind.len() } else { end }
}

/// Where the last word ends that lies within the first `share` of a text and has another behind it, or 0.
fn whole_words(text: &str, share: f32) -> usize {
    let most = (text.len() as f32 * share.max(0.0)) as usize;
    let mut end = 0;
    let mut in_word = false;
    for (at, c) in text.char_indices() {
        if c.is_whitespace() && in_word {
            if at > most {
                break;
            }
            end = at;
        }
        in_word = !c.is_whitespace();
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    const R: ReplyId = ReplyId(1);

    fn call(id: &str) -> ToolCall {
        ToolCall { id: id.into(), name: "look_up".into(), arguments: "{}".into() }
    }

    fn words(text: &str, each: u64) -> Vec<WordTime> {
        let ms = Duration::from_millis;
        let ends = text.match_indices(' ').map(|(at, _)| at).chain([text.len()]);
        ends.zip(0..).map(|(text_end, i)| WordTime { text_end, start: ms(i * each), end: ms((i + 1) * each) }).collect()
    }

    #[test]
    fn a_cut_falls_after_the_last_whole_word_heard() {
        let text = "one two three";
        let times = words(text, 300);
        for (heard, expected) in [(0, ""), (299, ""), (300, "one"), (650, "one two"), (900, text), (5_000, text)] {
            assert_eq!(heard_text(text, &times, Duration::from_millis(heard), 1.0), expected, "{heard} ms");
        }
    }

    #[test]
    fn a_piece_of_several_words_is_heard_word_by_word() {
        let ms = Duration::from_millis;
        let text = "one two three. four five six seven.";
        let first = WordTime { text_end: 15, start: Duration::ZERO, end: ms(1_500) };
        let second = WordTime { text_end: 35, start: ms(1_500), end: ms(3_500) };
        let cases = [
            (200, ""),
            (400, "one"),
            (900, "one two"),
            (1_499, "one two"),
            (1_500, "one two three."),
            (2_000, "one two three. four"),
            (3_000, "one two three. four five six"),
            (3_499, "one two three. four five six"),
            (3_500, text),
        ];
        for (heard, expected) in cases {
            assert_eq!(heard_text(text, &[first, second], ms(heard), 1.0), expected, "{heard} ms");
        }
        // The second piece is heard before the voice has told when it ends: it is taken to go on at the same pace.
        assert_eq!(heard_text(text, &[first], ms(2_500), 1.0), "one two three. four five");
        assert_eq!(heard_text(text, &[first], ms(60_000), 1.0), "one two three. four five six");
    }

    #[test]
    fn the_marks_behind_a_word_are_heard_with_it() {
        let text = "She said \"one.\" That costs $5, or -7!";
        let ends = [3, 8, 13, 20, 26, 30, 34, 37];
        let ms = Duration::from_millis;
        let times: Vec<WordTime> = (0..)
            .zip(ends)
            .map(|(i, text_end)| WordTime { text_end, start: ms(i * 300), end: ms((i + 1) * 300) })
            .collect();
        for (heard, expected) in [(900, &text[..15]), (1_500, &text[..26]), (1_800, &text[..30]), (2_400, text)] {
            assert_eq!(heard_text(text, &times, ms(heard), 1.0), expected, "{heard} ms");
        }
    }

    #[test]
    fn without_word_times_the_share_decides() {
        let text = "one two three ";
        for (share, expected) in [(0.1, ""), (0.25, "one"), (0.5, "one two"), (0.9, "one two"), (1.0, "one two three")]
        {
            assert_eq!(heard_text(text, &[], Duration::from_millis(500), share), expected, "{share}");
        }
        assert_eq!(heard_text("äöü äöü", &[], Duration::from_millis(500), f32::NAN), "");
    }

    #[test]
    fn word_times_beyond_the_text_or_inside_a_character_do_no_harm() {
        let word = |text_end| WordTime { text_end, start: Duration::ZERO, end: Duration::from_millis(1) };
        assert_eq!(heard_text("one", &[word(99)], Duration::from_millis(5), 0.0), "one");
        assert_eq!(heard_text("ä", &[word(1)], Duration::from_millis(5), 0.0), "");
    }

    #[test]
    fn nothing_heard_is_nothing_written_and_a_cut_is_marked() {
        let mut history = History::new("be kind".into());
        history.user("hello".into());
        history.heard(R, " ", true);
        assert_eq!(history.prompt().len(), 2);
        assert_eq!(history.prompt()[0].content, "be kind");
        history.heard(R, "I can book ", true);
        assert_eq!(history.prompt()[2], Message::text(Role::Assistant, "I can book—"));
        assert_eq!(history.prompt()[0].content, format!("be kind\n\n{}", History::CUT_NOTE));
        assert_eq!(history.last_said(), Some("I can book—"));
    }

    #[test]
    fn words_that_follow_words_are_one_message_and_can_be_taken_back() {
        let mut history = History::new(String::new());
        history.user("book a table".into());
        history.user("for three".into());
        assert_eq!(history.prompt(), [Message::text(Role::User, "book a table for three")]);
        assert_eq!(history.take_user().as_deref(), Some("book a table for three"));
        assert_eq!(history.take_user(), None);
        assert_eq!(history.bytes, 0);
    }

    #[test]
    fn a_result_stands_right_behind_its_call_even_when_the_words_were_cut() {
        let mut history = History::new(String::new());
        history.user("how much?".into());
        history.called(R, "Let me see. One moment. ", call("a"));
        history.called(R, "", call("b"));
        history.user("hurry".into());
        history.heard(R, "Let me", true);
        history.result(R, &ToolResult { id: "b".into(), content: "42".into() });
        history.result(R, &ToolResult { id: "b".into(), content: "again".into() });
        let prompt = history.prompt();
        let roles: Vec<Role> = prompt.iter().map(|message| message.role).collect();
        assert_eq!(roles, [Role::System, Role::User, Role::Assistant, Role::Tool, Role::Tool, Role::User]);
        assert_eq!(prompt[2].content, "Let me—");
        assert_eq!(prompt[2].tool_calls.len(), 2);
        assert_eq!((prompt[4].content.as_str(), prompt[4].tool_call_id.as_deref()), ("42", Some("b")));
    }

    #[test]
    fn the_oldest_words_go_first_and_the_system_prompt_stays() {
        let mut history = History::new("system".into());
        for i in 0..1_000 {
            history.user(format!("question {i}"));
            history.heard(ReplyId(i), &"x".repeat(1_000), false);
        }
        let prompt = history.prompt();
        assert!(prompt.len() <= History::MAX_ENTRIES + 1);
        assert!(prompt.iter().map(|message| message.content.len()).sum::<usize>() <= History::MAX_BYTES + 10);
        assert_eq!(prompt[0].content, "system");
        assert_eq!(history.bytes, history.entries.iter().map(Entry::bytes).sum::<usize>());
    }
}
