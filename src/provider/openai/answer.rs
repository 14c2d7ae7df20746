//! The events of one answer, put together from the chunks of its stream.

use crate::conversation::{Failure, GenerationEnd, ToolCall};
use crate::provider::{LlmEvent, ProviderError, Secret, Usage, http};

use super::CHAT;
use super::reasoning::ReasoningFilter;
use super::wire::{Chunk, Delta, ToolDelta};

/// The most tools one answer may call.
const TOOLS: usize = 32;
/// The most bytes the arguments of all its calls may have.
const ARGUMENTS: usize = 256 * 1024;

/// What is known of an answer so far.
#[derive(Default, Debug)]
pub(super) struct Answer {
    reasoning: ReasoningFilter,
    tools: Vec<(u32, ToolCall)>,
    arguments: usize,
    called: bool,
    end: Option<GenerationEnd>,
    usage: Option<Usage>,
    begun: bool,
    done: bool,
    understood: bool,
}

impl Answer {
    /// Whether the first word or tool has come.
    pub(super) const fn begun(&self) -> bool {
        self.begun
    }

    /// Whether everything has been said and only the count of tokens may follow.
    pub(super) const fn ended(&self) -> bool {
        self.end.is_some()
    }

    /// Whether the stream has said that nothing follows.
    pub(super) const fn done(&self) -> bool {
        self.done
    }

    /// Takes the data of one event and appends what it means to `events`. An error in it does not repeat `key`.
    pub(super) fn take(&mut self, data: &str, key: &Secret, events: &mut Vec<LlmEvent>) -> Result<(), ProviderError> {
        let data = data.trim();
        if data == "[DONE]" {
            self.done = true;
            return Ok(());
        }
        let Ok(chunk) = serde_json::from_str::<Chunk>(data) else {
            http::count_garbage(&CHAT);
            return Ok(());
        };
        if let Some(error) = chunk.error.filter(|error| !error.is_null()) {
            return Err(failed_inside(&error, key));
        }
        if let Some(usage) = chunk.usage {
            self.understood = true;
            self.usage = Some(Usage {
                prompt: usage.prompt_tokens.unwrap_or_default(),
                completion: usage.completion_tokens.unwrap_or_default(),
            });
        }
        // The chunk with the usage has no choices; more than one was never asked for.
        for choice in chunk.choices.unwrap_or_default().into_iter().filter(|choice| choice.index.unwrap_or(0) == 0) {
            self.understood = true;
            if let Some(delta) = choice.delta {
                self.take_delta(delta, events)?;
            }
            if let Some(reason) = choice.finish_reason.filter(|reason| !reason.is_empty()) {
                self.finish(&reason, events);
            }
        }
        Ok(())
    }

    /// How the answer ended, when its stream did. A stream that broke off before the end has failed.
    pub(super) fn close(mut self, events: &mut Vec<LlmEvent>) -> Result<(GenerationEnd, Option<Usage>), ProviderError> {
        if self.done && self.understood {
            self.flush(events);
        }
        let kind = if self.understood || self.done { Failure::Unavailable } else { Failure::Protocol };
        let end = self.end.or((self.done && self.understood).then_some(GenerationEnd::Stop));
        let end = end.ok_or_else(|| CHAT.failure(kind, "the answer broke off before its end"))?;
        // Some servers say `stop` after a tool call, and some say `tool_calls` after none.
        let end = match end {
            GenerationEnd::Stop if self.called => GenerationEnd::ToolCalls,
            GenerationEnd::ToolCalls if !self.called => GenerationEnd::Stop,
            end => end,
        };
        Ok((end, self.usage))
    }

    fn take_delta(&mut self, delta: Delta, events: &mut Vec<LlmEvent>) -> Result<(), ProviderError> {
        let content = delta.content.map(|content| content.into_text()).unwrap_or_default();
        for text in [self.reasoning.push(&content), delta.refusal.unwrap_or_default()] {
            if !text.is_empty() {
                self.begun = true;
                events.push(LlmEvent::Token(text));
            }
        }
        for piece in delta.tool_calls.unwrap_or_default() {
            self.begun = true;
            self.take_tool(piece)?;
        }
        Ok(())
    }

    /// Pieces belong together by index. Servers that leave the index out, or give every call the same one, name each
    /// call anew.
    fn take_tool(&mut self, piece: ToolDelta) -> Result<(), ProviderError> {
        let too_much = || CHAT.failure(Failure::Protocol, "the answer calls too many tools or with too much");
        let id = piece.id.filter(|id| !id.is_empty());
        let last = self.tools.last().map_or(0, |(index, _)| *index);
        let index = piece.index.unwrap_or(last);
        let is_same = |(known, call): &(u32, ToolCall)| {
            *known == index && id.as_ref().is_none_or(|id| call.id.is_empty() || *id == call.id)
        };
        if !self.tools.iter().any(is_same) {
            if self.tools.len() >= TOOLS {
                return Err(too_much());
            }
            let call = ToolCall { id: String::new(), name: String::new(), arguments: String::new() };
            self.tools.push((index, call));
        }
        let Some((_, call)) = self.tools.iter_mut().rev().find(|known| is_same(known)) else { return Ok(()) };
        if let Some(id) = id {
            call.id = id;
        }
        let function = piece.function.unwrap_or_default();
        if let Some(name) = function.name.filter(|name| call.name.is_empty() && !name.is_empty()) {
            call.name = name;
        }
        let arguments = match function.arguments {
            Some(serde_json::Value::String(text)) => text,
            Some(serde_json::Value::Null) | None => String::new(),
            Some(whole) => whole.to_string(),
        };
        self.arguments += arguments.len();
        if self.arguments > ARGUMENTS {
            return Err(too_much());
        }
        call.arguments.push_str(&arguments);
        Ok(())
    }

    fn finish(&mut self, reason: &str, events: &mut Vec<LlmEvent>) {
        self.end = Some(match reason {
            "length" | "max_tokens" => GenerationEnd::Length,
            "tool_calls" | "function_call" => GenerationEnd::ToolCalls,
            "content_filter" => GenerationEnd::Filtered,
            _ => GenerationEnd::Stop,
        });
        self.flush(events);
    }

    /// Gives out what was held back: the end of the text and the complete calls.
    fn flush(&mut self, events: &mut Vec<LlmEvent>) {
        let rest = self.reasoning.finish();
        if !rest.is_empty() {
            events.push(LlmEvent::Token(rest));
        }
        if self.end == Some(GenerationEnd::Length) {
            // Arguments cut in the middle are of no use.
            self.tools.clear();
        }
        for (number, (_, mut call)) in std::mem::take(&mut self.tools).into_iter().enumerate() {
            if call.name.is_empty() {
                http::count_garbage(&CHAT);
                continue;
            }
            if call.id.is_empty() {
                call.id = format!("call_{number}");
            }
            if call.arguments.trim().is_empty() {
                call.arguments = "{}".to_owned();
            }
            self.called = true;
            events.push(LlmEvent::ToolCall(call));
        }
    }
}

/// An error inside a stream that began well.
fn failed_inside(error: &serde_json::Value, key: &Secret) -> ProviderError {
    let codes = http::codes_of(error);
    let status =
        error["code"].as_u64().or_else(|| error["status"].as_u64()).and_then(|status| u16::try_from(status).ok());
    match status.filter(|status| (400..600).contains(status)) {
        Some(status) => CHAT.refusal(status, &codes, key),
        None => {
            let kind = http::failure_named(&codes).unwrap_or(Failure::Unavailable);
            let codes = http::listed(&codes, key).unwrap_or_else(|| "no code".to_owned());
            CHAT.failure(kind, &format!("the answer failed midway ({codes})"))
        }
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
