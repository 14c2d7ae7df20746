//! What the server's conversation holds, held against what was really said and heard.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{Value, json};

use crate::conversation::{Message, Role};

use super::wire::{result_item, text_item};

/// The server keeps the conversation; the call knows what of it the caller has heard. Before each answer the one is brought
/// in line with the other: an answer that was cut is truncated where the caller stopped hearing it, one that was never
/// heard is deleted, and what the server does not know of (greetings, apologies, keys, results of tools) is put in its place.
#[derive(Debug, Default)]
pub(super) struct Mirror {
    /// The conversation as of the last answer, and the server's item of each message, where it has one.
    known: Vec<(Message, Option<String>)>,
    /// What the caller said since, committed and not claimed by a message yet.
    heard: VecDeque<String>,
    /// What the model answered since.
    answered: VecDeque<Answered>,
    /// Items made here so far.
    made: u32,
}

/// An answer of the model, as it was given.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Answered {
    /// The server's item.
    pub(super) item: String,
    /// Its words.
    pub(super) transcript: String,
    /// How long its sound is.
    pub(super) sound: Duration,
}

impl Mirror {
    /// Committed sounds and answers that wait to be claimed; more push out the oldest.
    const MOST: usize = 64;

    /// A new connection: the server knows nothing.
    pub(super) fn forget(&mut self) {
        (self.known, self.heard, self.answered) = Default::default();
    }

    /// Something of the caller has become an item.
    pub(super) fn heard(&mut self, item: String) {
        push(&mut self.heard, item);
    }

    /// The model has answered, or has been stopped while it did.
    pub(super) fn answered(&mut self, answer: Answered) {
        push(&mut self.answered, answer);
    }

    /// The events that bring the server's conversation in line with `messages`. Instructions are not part of it.
    pub(super) fn sync(&mut self, messages: &[Message]) -> Vec<Value> {
        let messages: Vec<_> = messages.iter().filter(|message| message.role != Role::System).collect();
        let same = self.known.iter().zip(&messages).take_while(|((known, _), message)| known == **message).count();
        // What follows was said again otherwise. Its items stay claimed, by the messages that have taken its place.
        let mut old: VecDeque<String> = self.known.drain(same..).filter_map(|(_, item)| item).collect();
        let mut events = Vec::new();
        let newest = messages.iter().rposition(|message| message.role == Role::User);
        for (at, message) in messages.into_iter().enumerate().skip(same) {
            let item = match message.role {
                Role::User => (newest == Some(at))
                    .then(|| self.claim_heard())
                    .flatten()
                    .or_else(|| old.pop_front())
                    .or_else(|| self.make(&mut events, message)),
                Role::Assistant => match self.claim_answer(message, &mut events) {
                    Some(item) => Some(item),
                    // Only what it asked for: the server has it.
                    None if message.content.is_empty() => None,
                    None => self.make(&mut events, message),
                },
                Role::Tool | Role::System => self.make(&mut events, message),
            };
            self.known.push((message.clone(), item));
        }
        for unheard in self.answered.drain(..).filter(|answer| !answer.transcript.is_empty()) {
            events.push(json!({"type": "conversation.item.delete", "item_id": unheard.item}));
        }
        events
    }

    /// All that was heard since, as one message; its last item.
    fn claim_heard(&mut self) -> Option<String> {
        let last = self.heard.pop_back();
        self.heard.clear();
        last
    }

    /// The answer that `message` is the heard part of, truncated to it.
    fn claim_answer(&mut self, message: &Message, events: &mut Vec<Value>) -> Option<String> {
        let heard = letters(&message.content);
        if heard.is_empty() {
            return None;
        }
        let at = self.answered.iter().position(|answer| letters(&answer.transcript).starts_with(&heard))?;
        let answer = self.answered.remove(at)?;
        let all = letters(&answer.transcript).chars().count();
        let part = heard.chars().count();
        if part < all {
            let end = answer.sound.mul_f64(part as f64 / all as f64).min(answer.sound);
            let end = u64::try_from(end.as_millis()).unwrap_or(u64::MAX);
            let event = "conversation.item.truncate";
            events.push(json!({"type": event, "item_id": answer.item, "content_index": 0, "audio_end_ms": end}));
        }
        Some(answer.item)
    }

    /// Has the server take up a message it does not know of, in its place.
    fn make(&mut self, events: &mut Vec<Value>, message: &Message) -> Option<String> {
        self.made += 1;
        let id = format!("ap_{}", self.made);
        let item = match (message.role, &message.tool_call_id) {
            (Role::Tool, Some(call)) => result_item(&id, call, &message.content),
            (Role::Assistant, _) => text_item(&id, "assistant", &message.content),
            (Role::System, _) => text_item(&id, "system", &message.content),
            _ => text_item(&id, "user", &message.content),
        };
        let mut event = json!({"type": "conversation.item.create", "item": item});
        // A result follows its call, which the server has put at the end itself.
        if message.role != Role::Tool {
            let before = self.known.iter().rev().find_map(|(_, item)| item.as_deref());
            event["previous_item_id"] = before.unwrap_or("root").into();
        }
        events.push(event);
        Some(id)
    }
}

fn push<T>(queue: &mut VecDeque<T>, value: T) {
    if queue.len() >= Mirror::MOST {
        queue.pop_front();
    }
    queue.push_back(value);
}

/// Letters and digits alone: marks and blanks differ between what was written and what was spoken.
pub(super) fn letters(text: &str) -> String {
    text.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::ToolCall;

    fn user(text: &str) -> Message {
        Message::text(Role::User, text)
    }

    fn agent(text: &str) -> Message {
        Message::text(Role::Assistant, text)
    }

    fn answered(item: &str, transcript: &str) -> Answered {
        Answered { item: item.into(), transcript: transcript.into(), sound: Duration::from_secs(2) }
    }

    fn kinds(events: &[Value]) -> Vec<&str> {
        events.iter().filter_map(|event| event["type"].as_str()?.rsplit('.').next()).collect()
    }

    #[test]
    fn what_the_server_has_is_left_alone_and_a_greeting_is_put_before_what_followed_it() {
        let mut mirror = Mirror::default();
        mirror.heard("item_1".into());
        let mut history = vec![Message::text(Role::System, "Be brief."), agent("Hello!"), user("Hi.")];
        let events = mirror.sync(&history);
        assert_eq!(kinds(&events), ["create"]);
        assert_eq!(
            (&events[0]["previous_item_id"], &events[0]["item"]["content"][0]["text"]),
            (&json!("root"), &json!("Hello!"))
        );
        mirror.answered(answered("item_2", "How can I help?"));
        mirror.heard("item_3".into());
        history.extend([agent("How can I help?"), user("A table, please.")]);
        assert_eq!(mirror.sync(&history), Vec::<Value>::new());
    }

    #[test]
    fn an_answer_that_was_cut_is_truncated_to_what_was_heard_of_it() {
        let mut mirror = Mirror::default();
        mirror.heard("item_1".into());
        mirror.sync(&[user("When?")]);
        mirror.answered(answered("item_2", "We are open until ten."));
        mirror.heard("item_3".into());
        let events = mirror.sync(&[user("When?"), agent("We are op—"), user("Thanks.")]);
        assert_eq!(
            events,
            [json!({
                "type": "conversation.item.truncate", "item_id": "item_2", "content_index": 0, "audio_end_ms": 823,
            })]
        );
    }

    #[test]
    fn an_answer_nobody_heard_is_deleted() {
        let mut mirror = Mirror::default();
        mirror.heard("item_1".into());
        mirror.sync(&[user("When?")]);
        mirror.answered(answered("item_2", "We are open until ten."));
        mirror.heard("item_3".into());
        let events = mirror.sync(&[user("When? And where?")]);
        assert_eq!(events, [json!({"type": "conversation.item.delete", "item_id": "item_2"})]);
        assert_eq!(mirror.known[0].1.as_deref(), Some("item_3"));
    }

    #[test]
    fn keys_and_results_of_tools_are_told_and_calls_are_not_repeated() {
        let mut mirror = Mirror::default();
        mirror.heard("item_1".into());
        mirror.sync(&[user("Book it.")]);
        let mut asks = agent("");
        asks.tool_calls = vec![ToolCall { id: "call_1".into(), name: "book".into(), arguments: "{}".into() }];
        let mut result = Message::text(Role::Tool, "done");
        result.tool_call_id = Some("call_1".into());
        let events = mirror.sync(&[user("Book it."), asks, result, user("[The caller pressed 1]")]);
        assert_eq!(kinds(&events), ["create", "create"]);
        assert_eq!((&events[0]["item"]["call_id"], &events[0]["item"]["output"]), (&json!("call_1"), &json!("done")));
        assert_eq!(events[1]["item"]["role"], json!("user"));
    }

    #[test]
    fn a_new_connection_is_told_everything() {
        let mut mirror = Mirror::default();
        mirror.heard("item_1".into());
        mirror.sync(&[user("When?")]);
        mirror.answered(answered("item_2", "At ten."));
        mirror.forget();
        mirror.heard("item_1".into());
        let events = mirror.sync(&[user("When?"), agent("At ten."), user("Thanks.")]);
        assert_eq!(kinds(&events), ["create", "create"]);
        let text = |n: usize| events[n]["item"]["content"][0]["text"].as_str();
        assert_eq!((text(0), text(1)), (Some("When?"), Some("At ten.")), "the newest is there as it was heard");
    }
}
