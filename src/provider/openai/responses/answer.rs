//! The events of one answer, put together from those of its stream.

use serde_json::Value;

use crate::conversation::{Failure, GenerationEnd, ToolCall};
use crate::provider::exchange::Reader;
use crate::provider::meter::Meter;
use crate::provider::openai::RESPONSES;
use crate::provider::{LlmEvent, ProviderError, Secret, http};

use super::wire::{Event, OutputItem, Whole};

/// The most tools one answer may call.
const TOOLS: usize = 32;
/// The most bytes the arguments of all its calls may have.
const ARGUMENTS: usize = 256 * 1024;

/// What is known of an answer so far.
#[derive(Default, Debug)]
pub(super) struct Answer {
    meter: Meter,
    /// The calls, by their place in the output.
    tools: Vec<(u32, ToolCall)>,
    end: Option<GenerationEnd>,
    begun: bool,
    understood: bool,
}

impl Reader for Answer {
    fn begun(&self) -> bool {
        self.begun
    }

    fn ended(&self) -> bool {
        self.end.is_some()
    }

    /// The event that ends the answer is the last.
    fn done(&self) -> bool {
        self.end.is_some()
    }

    fn take(&mut self, data: &str, key: &Secret, news: &mut Vec<LlmEvent>) -> Result<(), ProviderError> {
        let Ok(event) = serde_json::from_str::<Event>(data) else {
            http::count_garbage(&RESPONSES);
            return Ok(());
        };
        let index = event.output_index.unwrap_or(0);
        let delta = event.delta.as_ref().and_then(Value::as_str).unwrap_or_default();
        self.understood |= event.kind.starts_with("response.");
        // There are dozens of kinds, and new ones are to be left alone.
        match event.kind.as_str() {
            "response.output_text.delta" | "response.refusal.delta" => self.say(delta, news),
            "response.reasoning_text.delta" => self.meter.write(delta),
            "response.output_item.added" => self.begin_item(index, event.item.unwrap_or_default())?,
            "response.function_call_arguments.delta" => self.add_arguments(index, delta)?,
            "response.function_call_arguments.done" => self.set_arguments(index, event.arguments)?,
            "response.output_item.done" => {
                let item = event.item.unwrap_or_default();
                let arguments = item.arguments.clone();
                self.begin_item(index, item)?;
                self.set_arguments(index, arguments)?;
            }
            "response.completed" => self.finish(GenerationEnd::Stop, event.response, news),
            "response.incomplete" => {
                let details = event.response.as_ref().and_then(|whole| whole.incomplete_details.as_ref());
                let reason = details.and_then(|details| details.reason.as_deref());
                let is_filtered = reason == Some("content_filter");
                let end = if is_filtered { GenerationEnd::Filtered } else { GenerationEnd::Length };
                self.finish(end, event.response, news);
            }
            "response.failed" => {
                let whole = event.response.unwrap_or_default();
                self.count(&whole);
                return Err(http::failed_inside(&RESPONSES, &whole.error.unwrap_or_default(), key));
            }
            // Here the event itself is the error, or holds it.
            "error" => {
                let event: Value = serde_json::from_str(data).unwrap_or_default();
                let inner = event.get("error").filter(|error| error.is_object());
                return Err(http::failed_inside(&RESPONSES, inner.unwrap_or(&event), key));
            }
            _ => {}
        }
        Ok(())
    }

    fn close(self, _news: &mut Vec<LlmEvent>) -> Result<GenerationEnd, ProviderError> {
        let kind = if self.understood { Failure::Unavailable } else { Failure::Protocol };
        self.end.ok_or_else(|| RESPONSES.failure(kind, "the answer broke off before its end"))
    }
}

impl Answer {
    /// An answer that begins; what is written of it goes to `meter`.
    pub(super) fn new(meter: Meter) -> Self {
        Self { meter, ..Self::default() }
    }

    fn say(&mut self, text: &str, news: &mut Vec<LlmEvent>) {
        if !text.is_empty() {
            self.begun = true;
            self.meter.write(text);
            news.push(LlmEvent::Token(text.to_owned()));
        }
    }

    /// A call begins, or is told again with everything in it.
    fn begin_item(&mut self, index: u32, item: OutputItem) -> Result<(), ProviderError> {
        if item.kind != "function_call" || self.tools.iter().any(|(known, _)| *known == index) {
            return Ok(());
        }
        if self.tools.len() >= TOOLS {
            return Err(too_much());
        }
        self.begun = true;
        let (id, name) = (item.call_id.unwrap_or_default(), item.name.unwrap_or_default());
        self.meter.write(&name);
        self.tools.push((index, ToolCall { id, name, arguments: String::new() }));
        Ok(())
    }

    fn add_arguments(&mut self, index: u32, piece: &str) -> Result<(), ProviderError> {
        let so_far: usize = self.tools.iter().map(|(_, call)| call.arguments.len()).sum();
        let Some((_, call)) = self.tools.iter_mut().find(|(known, _)| *known == index) else { return Ok(()) };
        if so_far + piece.len() > ARGUMENTS {
            return Err(too_much());
        }
        self.meter.write(piece);
        call.arguments.push_str(piece);
        Ok(())
    }

    /// The arguments as a whole, which settles what the pieces made.
    fn set_arguments(&mut self, index: u32, whole: Option<String>) -> Result<(), ProviderError> {
        let Some(whole) = whole.filter(|whole| !whole.is_empty()) else { return Ok(()) };
        let Some((_, call)) = self.tools.iter_mut().find(|(known, _)| *known == index) else { return Ok(()) };
        if call.arguments == whole {
            return Ok(());
        }
        call.arguments.clear();
        self.add_arguments(index, &whole)
    }

    fn finish(&mut self, mut end: GenerationEnd, whole: Option<Whole>, news: &mut Vec<LlmEvent>) {
        self.count(&whole.unwrap_or_default());
        if end == GenerationEnd::Length {
            // Arguments cut in the middle are of no use.
            self.tools.clear();
        }
        for (number, (_, mut call)) in std::mem::take(&mut self.tools).into_iter().enumerate() {
            if call.name.is_empty() {
                http::count_garbage(&RESPONSES);
                continue;
            }
            if call.id.is_empty() {
                call.id = format!("call_{number}");
            }
            if call.arguments.trim().is_empty() {
                call.arguments = "{}".to_owned();
            }
            if end == GenerationEnd::Stop {
                end = GenerationEnd::ToolCalls;
            }
            news.push(LlmEvent::ToolCall(call));
        }
        self.end = Some(end);
    }

    fn count(&self, whole: &Whole) {
        let usage = whole.usage.unwrap_or_default();
        if let Some(tokens) = usage.input_tokens {
            self.meter.tell_prompt(tokens);
        }
        if let Some(tokens) = usage.output_tokens {
            self.meter.tell_completion(tokens, true);
        }
    }
}

fn too_much() -> ProviderError {
    RESPONSES.failure(Failure::Protocol, "the answer calls too many tools or with too much")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Usage;

    fn read(events: &[&str]) -> (Vec<LlmEvent>, Result<GenerationEnd, ProviderError>, Usage) {
        let meter = Meter::default();
        let (mut answer, mut news) = (Answer::new(meter.clone()), Vec::new());
        for event in events {
            if let Err(error) = answer.take(event, &Secret::default(), &mut news) {
                return (news, Err(error), meter.usage());
            }
        }
        let end = answer.close(&mut news);
        (news, end, meter.usage())
    }

    const CREATED: &str = r#"{"type":"response.created","sequence_number":0,"response":{"id":"r","status":"in_progress","usage":null,"error":null}}"#;
    const HELLO: &str = r#"{"type":"response.output_text.delta","item_id":"m","output_index":0,"content_index":0,"delta":"Hello","logprobs":[]}"#;
    const DONE: &str = r#"{"type":"response.completed","response":{"status":"completed","usage":{"input_tokens":9,"output_tokens":12,"output_tokens_details":{"reasoning_tokens":10}}}}"#;

    fn added(index: u32, id: &str) -> String {
        format!(
            r#"{{"type":"response.output_item.added","output_index":{index},"item":{{"type":"function_call","id":"fc_{id}","call_id":"{id}","name":"f","arguments":""}}}}"#
        )
    }

    #[test]
    fn an_answer_is_its_words_its_end_and_its_cost() {
        let done = r#"{"type":"response.output_text.done","output_index":0,"text":"Hello"}"#;
        let thought = r#"{"type":"response.reasoning_summary_text.delta","output_index":0,"delta":"hmm"}"#;
        let (news, ended, usage) = read(&[CREATED, thought, HELLO, done, r#"{"type":"response.new_kind"}"#, DONE]);
        assert_eq!(news, [LlmEvent::Token("Hello".into())]);
        assert_eq!(ended, Ok(GenerationEnd::Stop));
        assert_eq!(usage, Usage { prompt: 9, completion: 12, is_estimate: false });
    }

    #[test]
    fn calls_are_put_together_from_pieces_or_taken_whole() {
        let (news, ended, _) = read(&[
            CREATED,
            &added(0, "a"),
            &added(1, "b"),
            r#"{"type":"response.function_call_arguments.delta","output_index":0,"delta":"{\"x\":"}"#,
            r#"{"type":"response.function_call_arguments.delta","output_index":1,"delta":"{"}"#,
            r#"{"type":"response.function_call_arguments.delta","output_index":0,"delta":"1}"}"#,
            r#"{"type":"response.function_call_arguments.done","output_index":1,"arguments":"{\"y\":2}"}"#,
            r#"{"type":"response.output_item.done","output_index":2,"item":{"type":"function_call","call_id":"c","name":"g","arguments":"{\"z\":3}"}}"#,
            r#"{"type":"response.output_item.done","output_index":3,"item":{"type":"function_call","name":"h"}}"#,
            DONE,
        ]);
        let call = |id: &str, name: &str, arguments: &str| {
            LlmEvent::ToolCall(ToolCall { id: id.into(), name: name.into(), arguments: arguments.into() })
        };
        let expected = [
            call("a", "f", r#"{"x":1}"#),
            call("b", "f", r#"{"y":2}"#),
            call("c", "g", r#"{"z":3}"#),
            call("call_3", "h", "{}"),
        ];
        assert_eq!(news, expected);
        assert_eq!(ended, Ok(GenerationEnd::ToolCalls));
    }

    #[test]
    fn an_incomplete_answer_says_why() {
        let incomplete = |reason: &str| {
            format!(
                r#"{{"type":"response.incomplete","response":{{"status":"incomplete","incomplete_details":{{"reason":"{reason}"}}}}}}"#
            )
        };
        let (news, ended, _) = read(&[CREATED, HELLO, &added(1, "a"), &incomplete("max_output_tokens")]);
        assert_eq!((news.len(), ended), (1, Ok(GenerationEnd::Length)));
        assert_eq!(read(&[CREATED, HELLO, &incomplete("content_filter")]).1, Ok(GenerationEnd::Filtered));
    }

    #[test]
    fn what_breaks_off_or_fails_inside_is_a_failure() {
        assert_eq!(read(&[CREATED, HELLO]).1.unwrap_err().kind, Failure::Unavailable);
        assert_eq!(read(&["<html>", "{}"]).1.unwrap_err().kind, Failure::Protocol);
        let error = |body: &str| read(&[CREATED, HELLO, body]).1.unwrap_err();
        let failed = error(
            r#"{"type":"response.failed","response":{"status":"failed","error":{"code":"server_error","message":"said 4111"}}}"#,
        );
        assert_eq!(failed.kind, Failure::Unavailable);
        assert!(failed.message.contains("(server_error)") && !failed.message.contains("4111"), "{failed}");
        assert_eq!(error(r#"{"type":"error","code":"rate_limit_exceeded","message":"m"}"#).kind, Failure::RateLimit);
        assert_eq!(error(r#"{"type":"error","error":{"type":"insufficient_quota"}}"#).kind, Failure::Quota);
    }

    #[test]
    fn too_much_is_refused() {
        let tools: Vec<String> = (0..=TOOLS as u32).map(|n| added(n, "a")).collect();
        let tools: Vec<&str> = tools.iter().map(String::as_str).collect();
        assert_eq!(read(&tools).1.unwrap_err().kind, Failure::Protocol);
        let piece = "x".repeat(ARGUMENTS / 2);
        let piece =
            format!(r#"{{"type":"response.function_call_arguments.delta","output_index":0,"delta":"{piece}"}}"#);
        assert!(read(&[tools[0], &piece, &piece]).1.unwrap_err().message.contains("broke off"));
        assert!(read(&[tools[0], &piece, &piece, &piece]).1.unwrap_err().message.contains("too much"));
    }
}
