//! The events of one answer, put together from the chunks of its stream.

use serde_json::Value;

use crate::conversation::{Failure, GenerationEnd, ToolCall};
use crate::provider::exchange::Reader;
use crate::provider::meter::Meter;
use crate::provider::{LlmEvent, ProviderError, Secret, http};

use super::CHAT;
use super::reasoning::ReasoningFilter;
use super::wire::{Chunk, ChunkUsage, Delta, ToolDelta};

/// The most tools one answer may call.
const TOOLS: usize = 32;
/// The most bytes the arguments of all its calls may have.
const ARGUMENTS: usize = 256 * 1024;

/// What is known of an answer so far.
#[derive(Default, Debug)]
pub(super) struct Answer {
    meter: Meter,
    reasoning: ReasoningFilter,
    tools: Vec<(u32, ToolCall)>,
    arguments: usize,
    called: bool,
    end: Option<GenerationEnd>,
    begun: bool,
    done: bool,
    understood: bool,
}

impl Reader for Answer {
    fn begun(&self) -> bool {
        self.begun
    }

    fn ended(&self) -> bool {
        self.end.is_some()
    }

    fn done(&self) -> bool {
        self.done
    }

    fn take(&mut self, data: &str, key: &Secret, events: &mut Vec<LlmEvent>) -> Result<(), ProviderError> {
        let data = data.trim();
        if data == "[DONE]" {
            self.done = true;
            return Ok(());
        }
        let Ok(chunk) = serde_json::from_str::<Chunk>(data) else {
            http::count_garbage(&CHAT);
            return Ok(());
        };
        let groq = chunk.x_groq.unwrap_or_default();
        if let Some(error) = chunk.error.or(groq.error).filter(|error| !error.is_null()) {
            return Err(http::failed_inside(&CHAT, &error, key));
        }
        if chunk.object.as_ref().and_then(Value::as_str) == Some("error") {
            return Err(http::failed_inside(&CHAT, &serde_json::from_str(data).unwrap_or_default(), key));
        }
        let choices = chunk.choices.unwrap_or_default();
        let is_last = choices.is_empty();
        // The chunk with the usage may have no choices; more than one was never asked for.
        for choice in choices.into_iter().filter(|choice| choice.index.unwrap_or(0) == 0) {
            self.understood = true;
            if let Some(delta) = choice.delta {
                self.take_delta(delta, events)?;
            }
            if let Some(reason) = choice.finish_reason.filter(|reason| !reason.is_empty()) {
                self.finish(&reason, events)?;
            }
        }
        if let Some(usage) = chunk.usage.or(groq.usage) {
            self.understood = true;
            self.take_usage(usage, is_last);
        }
        Ok(())
    }

    fn close(mut self, events: &mut Vec<LlmEvent>) -> Result<GenerationEnd, ProviderError> {
        if self.done && self.understood {
            self.flush(events);
        }
        let kind = if self.understood || self.done { Failure::Unavailable } else { Failure::Protocol };
        let end = self.end.or((self.done && self.understood).then_some(GenerationEnd::Stop));
        let end = end.ok_or_else(|| CHAT.failure(kind, "the answer broke off before its end"))?;
        // Some servers say `stop` after a tool call, and some say `tool_calls` after none.
        Ok(match end {
            GenerationEnd::Stop if self.called => GenerationEnd::ToolCalls,
            GenerationEnd::ToolCalls if !self.called => GenerationEnd::Stop,
            end => end,
        })
    }
}

impl Answer {
    /// An answer that begins; what is written of it goes to `meter`.
    pub(super) fn new(meter: Meter) -> Self {
        Self { meter, ..Self::default() }
    }

    /// Some servers count in every chunk: only what comes with the end or after it is the whole.
    fn take_usage(&self, usage: ChunkUsage, is_last: bool) {
        if let Some(tokens) = usage.prompt_tokens {
            self.meter.tell_prompt(tokens);
        }
        if let Some(tokens) = usage.completion_tokens {
            self.meter.tell_completion(tokens, is_last || self.end.is_some());
        }
    }

    fn take_delta(&mut self, delta: Delta, events: &mut Vec<LlmEvent>) -> Result<(), ProviderError> {
        for thought in [delta.reasoning, delta.reasoning_content].into_iter().flatten().take(1) {
            self.meter.write(thought.as_str().unwrap_or_default());
        }
        let content = delta.content.map(|content| content.into_text()).unwrap_or_default();
        self.meter.write(&content);
        let refusal = delta.refusal.unwrap_or_default();
        self.meter.write(&refusal);
        for text in [self.reasoning.push(&content), refusal] {
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
    /// call anew: by its id, or, where there is none either, by its tool.
    fn take_tool(&mut self, piece: ToolDelta) -> Result<(), ProviderError> {
        let too_much = || CHAT.failure(Failure::Protocol, "the answer calls too many tools or with too much");
        let id = piece.id.filter(|id| !id.is_empty());
        let function = piece.function.unwrap_or_default();
        let name = function.name.filter(|name| !name.is_empty());
        let last = self.tools.last();
        let begins = piece.index.is_none()
            && id.is_none()
            && name.is_some()
            && last.is_some_and(|(_, call)| !call.name.is_empty());
        let index = piece.index.unwrap_or(last.map_or(0, |(index, _)| *index));
        let is_same = |(known, call): &(u32, ToolCall)| {
            *known == index && id.as_ref().is_none_or(|id| call.id.is_empty() || *id == call.id)
        };
        if begins || !self.tools.iter().any(is_same) {
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
        if let Some(name) = name.filter(|_| call.name.is_empty()) {
            self.meter.write(&name);
            call.name = name;
        }
        let arguments = match function.arguments {
            Some(Value::String(text)) => text,
            Some(Value::Null) | None => String::new(),
            Some(whole) => whole.to_string(),
        };
        self.arguments += arguments.len();
        if self.arguments > ARGUMENTS {
            return Err(too_much());
        }
        self.meter.write(&arguments);
        call.arguments.push_str(&arguments);
        Ok(())
    }

    fn finish(&mut self, reason: &str, events: &mut Vec<LlmEvent>) -> Result<(), ProviderError> {
        self.end = Some(match reason {
            // OpenRouter's and vLLM's words for an answer that somebody else broke off.
            "error" | "abort" => return Err(CHAT.failure(Failure::Unavailable, "the answer failed midway")),
            "length" | "max_tokens" => GenerationEnd::Length,
            "tool_calls" | "function_call" => GenerationEnd::ToolCalls,
            "content_filter" => GenerationEnd::Filtered,
            _ => GenerationEnd::Stop,
        });
        self.flush(events);
        Ok(())
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

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
