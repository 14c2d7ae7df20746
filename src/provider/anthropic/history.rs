//! A conversation in the shape that Messages demands.
//!
//! The system prompt stands apart; the roles alternate, beginning and ending with the user; what a tool answered comes
//! first in the user's message after the call; no text is empty.

use serde_json::{Map, Value};

use crate::conversation::{Message, Role, ToolCall};

use super::wire::{Block, CacheControl, RequestMessage};

/// What stands for the caller when the agent spoke first.
const BEGINNING: &str = "(The call begins.)";
/// What stands for the caller when the agent is to go on behind its own words: not every model continues a message.
const GO_ON: &str = "(Go on exactly where you stopped.)";

/// The system prompt, to be kept between turns if `cache`.
pub(super) fn system(messages: &[Message], cache: bool) -> Vec<Block<'_>> {
    let texts = messages.iter().filter(|message| message.role == Role::System).map(|message| message.content.as_str());
    let mut blocks: Vec<Block<'_>> = texts.filter_map(text).collect();
    if let (true, Some(Block::Text { cache_control, .. })) = (cache, blocks.last_mut()) {
        *cache_control = Some(CacheControl { kind: "ephemeral" });
    }
    blocks
}

/// The conversation.
pub(super) fn messages(messages: &[Message]) -> Vec<RequestMessage<'_>> {
    let mut told: Vec<RequestMessage<'_>> = Vec::new();
    for message in messages {
        match message.role {
            Role::System => {}
            Role::User => add(&mut told, USER, text(&message.content)),
            Role::Assistant => {
                add(&mut told, ASSISTANT, text(&message.content));
                add(&mut told, ASSISTANT, message.tool_calls.iter().map(tool_use));
            }
            Role::Tool => {
                let id = tool_id(message.tool_call_id.as_deref().unwrap_or_default());
                match is_open(&told, &id) {
                    true => add(&mut told, USER, [Block::ToolResult { tool_use_id: id, content: &message.content }]),
                    // An answer to nothing would be refused, and what it says is worth knowing all the same.
                    false => add(&mut told, USER, text(&message.content)),
                }
            }
        }
    }
    close_calls(&mut told);
    if told.first().is_none_or(|first| first.role != USER) {
        told.insert(0, RequestMessage { role: USER, content: Vec::from_iter(text(BEGINNING)) });
    }
    if told.last().is_some_and(|last| last.role == ASSISTANT) {
        add(&mut told, USER, text(GO_ON));
    }
    told
}

const USER: &str = "user";
const ASSISTANT: &str = "assistant";

/// Adds to what `role` did last, or begins a message of it.
fn add<'a>(told: &mut Vec<RequestMessage<'a>>, role: &'static str, blocks: impl IntoIterator<Item = Block<'a>>) {
    let mut blocks = blocks.into_iter().peekable();
    if blocks.peek().is_none() {
        return;
    }
    match told.last_mut().filter(|last| last.role == role) {
        Some(last) => last.content.extend(blocks),
        None => told.push(RequestMessage { role, content: blocks.collect() }),
    }
}

/// Whether a call of this id was the last thing the agent did and has no answer yet.
fn is_open(told: &[RequestMessage<'_>], id: &str) -> bool {
    let (calls, answers): (&[Block<'_>], &[Block<'_>]) = match told {
        [.., last] if last.role == ASSISTANT => (&last.content, &[]),
        [.., call, last] => (&call.content, &last.content),
        _ => return false,
    };
    calls.iter().any(|block| matches!(block, Block::ToolUse { id: known, .. } if known == id))
        && !answers.iter().any(|block| matches!(block, Block::ToolResult { tool_use_id, .. } if tool_use_id == id))
}

/// Answers what nobody has answered, and moves all answers to the front of their messages: the protocol demands both.
fn close_calls(told: &mut Vec<RequestMessage<'_>>) {
    let mut at = 0;
    while let Some(message) = told.get(at) {
        let calls: Vec<String> = message.content.iter().filter_map(call_id).map(str::to_owned).collect();
        at += 1;
        if calls.is_empty() {
            continue;
        }
        if told.get(at).is_none() {
            told.push(RequestMessage { role: USER, content: Vec::new() });
        }
        let Some(next) = told.get_mut(at) else { return };
        for id in calls {
            let answers =
                |block: &Block<'_>| matches!(block, Block::ToolResult { tool_use_id, .. } if *tool_use_id == id);
            if !next.content.iter().any(answers) {
                next.content.push(Block::ToolResult { tool_use_id: id, content: "no answer yet" });
            }
        }
        // Stable: the order among answers and among words stays.
        next.content.sort_by_key(|block| !matches!(block, Block::ToolResult { .. }));
    }
}

fn call_id<'b>(block: &'b Block<'_>) -> Option<&'b str> {
    if let Block::ToolUse { id, .. } = block { Some(id) } else { None }
}

/// A block of text, unless it is blank.
fn text(text: &str) -> Option<Block<'_>> {
    let text = text.trim_end();
    (!text.trim().is_empty()).then_some(Block::Text { text, cache_control: None })
}

fn tool_use(call: &ToolCall) -> Block<'_> {
    // Arguments that are no object were of no use to the tool either, which has said so.
    let input: Map<String, Value> = serde_json::from_str(&call.arguments).unwrap_or_default();
    Block::ToolUse { id: tool_id(&call.id), name: &call.name, input }
}

/// The id of a call in the letters this vendor takes: another vendor may have made it.
fn tool_id(id: &str) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || letter == '-' { letter } else { '_' };
    if id.is_empty() { "call".to_owned() } else { id.chars().map(plain).collect() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(role: Role, content: &str) -> Message {
        Message::text(role, content)
    }

    fn calling(content: &str, ids: &[&str]) -> Message {
        let call = |id: &&str| ToolCall { id: (*id).into(), name: "f".into(), arguments: r#"{"x":1}"#.into() };
        Message { tool_calls: ids.iter().map(call).collect(), ..said(Role::Assistant, content) }
    }

    fn result(id: &str, content: &str) -> Message {
        Message { tool_call_id: Some(id.into()), ..said(Role::Tool, content) }
    }

    fn shape(history: &[Message]) -> Value {
        serde_json::to_value(messages(history)).unwrap()
    }

    fn words(text: &str) -> Value {
        json!({"type": "text", "text": text})
    }

    #[test]
    fn the_system_prompt_stands_apart_and_is_kept() {
        let history = [said(Role::System, "be kind"), said(Role::User, "hello"), said(Role::System, "be brief ")];
        let blocks = serde_json::to_value(system(&history, true)).unwrap();
        let kept = json!({"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}});
        assert_eq!(blocks, json!([words("be kind"), kept]));
        assert_eq!(serde_json::to_value(system(&history, false)).unwrap()[1], words("be brief"));
        assert_eq!(shape(&history), json!([{"role": "user", "content": [words("hello")]}]));
        assert!(system(&history[1..2], true).is_empty());
    }

    #[test]
    fn roles_alternate_and_begin_and_end_with_the_user() {
        let history = [
            said(Role::Assistant, "Hello, this is the clinic. "),
            said(Role::User, "Hi."),
            said(Role::User, "It is me."),
            said(Role::Assistant, ""),
            said(Role::Assistant, "One. "),
            said(Role::Assistant, "Two. "),
        ];
        assert_eq!(
            shape(&history),
            json!([
                {"role": "user", "content": [words(BEGINNING)]},
                {"role": "assistant", "content": [words("Hello, this is the clinic.")]},
                {"role": "user", "content": [words("Hi."), words("It is me.")]},
                {"role": "assistant", "content": [words("One."), words("Two.")]},
                {"role": "user", "content": [words(GO_ON)]},
            ])
        );
        assert_eq!(shape(&[]), json!([{"role": "user", "content": [words(BEGINNING)]}]));
    }

    #[test]
    fn answers_of_tools_come_first_and_none_is_missing() {
        let history = [
            said(Role::User, "book it"),
            calling("One moment.", &["call_1", "fc:2"]),
            result("fc:2", "done"),
            said(Role::User, "and?"),
        ];
        let used = |id: &str| json!({"type": "tool_use", "id": id, "name": "f", "input": {"x": 1}});
        let answered = |id: &str, content: &str| json!({"type": "tool_result", "tool_use_id": id, "content": content});
        assert_eq!(
            shape(&history),
            json!([
                {"role": "user", "content": [words("book it")]},
                {"role": "assistant", "content": [words("One moment."), used("call_1"), used("fc_2")]},
                {"role": "user", "content": [answered("fc_2", "done"), answered("call_1", "no answer yet"), words("and?")]},
            ])
        );
        let open = shape(&history[..2]);
        assert_eq!(open[2]["content"], json!([answered("call_1", "no answer yet"), answered("fc_2", "no answer yet")]));
    }

    #[test]
    fn an_answer_to_nothing_is_told_as_words() {
        let history = [said(Role::User, "hm"), result("lost", "late news"), result("lost", " ")];
        assert_eq!(shape(&history), json!([{"role": "user", "content": [words("hm"), words("late news")]}]));
        let twice = [calling("", &["a"]), result("a", "one"), result("a", "two")];
        assert_eq!(shape(&twice)[2]["content"][1], words("two"));
    }

    #[test]
    fn arguments_that_are_no_object_are_none() {
        let mut message = calling("", &[""]);
        message.tool_calls[0].arguments = "[1".into();
        let block = &shape(&[message])[1]["content"][0];
        assert_eq!(*block, json!({"type": "tool_use", "id": "call", "name": "f", "input": {}}));
    }
}
