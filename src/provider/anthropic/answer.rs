//! The events of one answer, put together from those of its stream.

use crate::conversation::{Failure, GenerationEnd, ToolCall};
use crate::provider::exchange::Reader;
use crate::provider::meter::Meter;
use crate::provider::{LlmEvent, ProviderError, Secret, http};

use super::VENDOR;
use super::wire::{ContentBlock, Delta, Event, EventUsage};

/// The most tools one answer may call.
const TOOLS: usize = 32;
/// The most bytes the arguments of all its calls may have.
const ARGUMENTS: usize = 256 * 1024;

/// What is known of an answer so far.
#[derive(Default, Debug)]
pub(super) struct Answer {
    meter: Meter,
    /// The calls, by the index of their block.
    tools: Vec<(u32, ToolCall)>,
    arguments: usize,
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

    fn take(&mut self, data: &str, key: &Secret, news: &mut Vec<LlmEvent>) -> Result<(), ProviderError> {
        let Ok(event) = serde_json::from_str::<Event>(data) else {
            http::count_garbage(&VENDOR);
            return Ok(());
        };
        // New kinds of events may be added at any time, and are to be left alone.
        match event.kind.as_str() {
            "message_start" => {
                self.understood = true;
                self.count(event.message.and_then(|message| message.usage));
            }
            "content_block_start" => self.begin_block(event.index.unwrap_or(0), event.content_block, news)?,
            "content_block_delta" => self.take_delta(event.index.unwrap_or(0), event.delta, news)?,
            "message_delta" => {
                if let Some(reason) = event.delta.and_then(|delta| delta.stop_reason) {
                    self.finish(&reason, news);
                }
                self.count(event.usage);
            }
            "message_stop" => self.done = true,
            "error" => return Err(http::failed_inside(&VENDOR, &event.error.unwrap_or_default(), key)),
            _ => {}
        }
        Ok(())
    }

    fn close(self, _news: &mut Vec<LlmEvent>) -> Result<GenerationEnd, ProviderError> {
        let kind = if self.understood { Failure::Unavailable } else { Failure::Protocol };
        self.end.ok_or_else(|| VENDOR.failure(kind, "the answer broke off before its end"))
    }
}

impl Answer {
    /// An answer that begins; what is written of it goes to `meter`.
    pub(super) fn new(meter: Meter) -> Self {
        Self { meter, ..Self::default() }
    }

    fn begin_block(
        &mut self,
        index: u32,
        block: Option<ContentBlock>,
        news: &mut Vec<LlmEvent>,
    ) -> Result<(), ProviderError> {
        let block = block.unwrap_or_default();
        match block.kind.as_str() {
            "text" => self.say(block.text, news),
            "tool_use" => {
                if self.tools.len() >= TOOLS {
                    return Err(too_much());
                }
                self.begun = true;
                let name = block.name.unwrap_or_default();
                self.meter.write(&name);
                let whole = block.input.filter(|input| input.as_object().is_some_and(|fields| !fields.is_empty()));
                let arguments = whole.map(|input| input.to_string()).unwrap_or_default();
                let id = block.id.unwrap_or_default();
                self.tools.push((index, ToolCall { id, name, arguments: String::new() }));
                self.add_arguments(index, &arguments)?;
            }
            // Thoughts, and what the vendor runs by itself: not spoken.
            _ => {}
        }
        Ok(())
    }

    fn take_delta(&mut self, index: u32, delta: Option<Delta>, news: &mut Vec<LlmEvent>) -> Result<(), ProviderError> {
        let delta = delta.unwrap_or_default();
        match delta.kind.as_str() {
            "text_delta" => self.say(delta.text, news),
            "input_json_delta" => return self.add_arguments(index, &delta.partial_json.unwrap_or_default()),
            "thinking_delta" => self.meter.write(&delta.thinking.unwrap_or_default()),
            _ => {}
        }
        Ok(())
    }

    fn say(&mut self, text: Option<String>, news: &mut Vec<LlmEvent>) {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            self.begun = true;
            self.meter.write(&text);
            news.push(LlmEvent::Token(text));
        }
    }

    fn add_arguments(&mut self, index: u32, piece: &str) -> Result<(), ProviderError> {
        // Of a tool that the vendor runs itself, say: not ours.
        let Some((_, call)) = self.tools.iter_mut().rev().find(|(known, _)| *known == index) else { return Ok(()) };
        self.arguments += piece.len();
        if self.arguments > ARGUMENTS {
            return Err(too_much());
        }
        self.meter.write(piece);
        call.arguments.push_str(piece);
        Ok(())
    }

    fn finish(&mut self, reason: &str, news: &mut Vec<LlmEvent>) {
        let mut end = match reason {
            "max_tokens" | "model_context_window_exceeded" => GenerationEnd::Length,
            "refusal" => GenerationEnd::Filtered,
            _ => GenerationEnd::Stop,
        };
        if end == GenerationEnd::Length {
            // Arguments cut in the middle are of no use.
            self.tools.clear();
        }
        for (number, (_, mut call)) in std::mem::take(&mut self.tools).into_iter().enumerate() {
            if call.name.is_empty() {
                http::count_garbage(&VENDOR);
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

    /// Counts are of everything so far; those of the last event are of the whole.
    fn count(&self, usage: Option<EventUsage>) {
        let usage = usage.unwrap_or_default();
        if let Some(tokens) = usage.read() {
            self.meter.tell_prompt(tokens);
        }
        if let Some(tokens) = usage.output_tokens {
            self.meter.tell_completion(tokens, self.end.is_some());
        }
    }
}

fn too_much() -> ProviderError {
    VENDOR.failure(Failure::Protocol, "the answer calls too many tools or with too much")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Usage;

    const START: &str = r#"{"type":"message_start","message":{"id":"msg_1","role":"assistant","content":[],"usage":{"input_tokens":5,"cache_read_input_tokens":20,"output_tokens":1}}}"#;
    const TEXT: &str = r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;
    const HELLO: &str = r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}"#;
    const STOP: &str = r#"{"type":"message_stop"}"#;

    fn end(reason: &str) -> String {
        format!(r#"{{"type":"message_delta","delta":{{"stop_reason":"{reason}"}},"usage":{{"output_tokens":15}}}}"#)
    }

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

    fn call(id: &str, name: &str, arguments: &str) -> LlmEvent {
        LlmEvent::ToolCall(ToolCall { id: id.into(), name: name.into(), arguments: arguments.into() })
    }

    #[test]
    fn an_answer_is_its_words_its_end_and_its_cost() {
        let (news, ended, usage) =
            read(&[START, r#"{"type":"ping"}"#, TEXT, HELLO, r#"{"type":"new_kind"}"#, &end("end_turn"), STOP]);
        assert_eq!(news, [LlmEvent::Token("Hello".into())]);
        assert_eq!(ended, Ok(GenerationEnd::Stop));
        assert_eq!(usage, Usage { prompt: 25, completion: 15, is_estimate: false });
    }

    #[test]
    fn calls_come_in_pieces_and_may_have_no_arguments() {
        let (news, ended, _) = read(&[
            START,
            TEXT,
            HELLO,
            r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t1","name":"f","input":{}}}"#,
            r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":""}}"#,
            r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"x\":"}}"#,
            r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"1}"}}"#,
            r#"{"type":"content_block_stop","index":1}"#,
            r#"{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"t2","name":"g","input":{}}}"#,
            r#"{"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"t3","name":"h","input":{"y":2}}}"#,
            &end("tool_use"),
            STOP,
        ]);
        let calls = [call("t1", "f", r#"{"x":1}"#), call("t2", "g", "{}"), call("t3", "h", r#"{"y":2}"#)];
        assert_eq!(news[1..], calls);
        assert_eq!(ended, Ok(GenerationEnd::ToolCalls));
    }

    #[test]
    fn thoughts_are_counted_and_never_told() {
        let meter = Meter::default();
        let (mut answer, mut news) = (Answer::new(meter.clone()), Vec::new());
        for event in [
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"What would she want?"}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"c2ln"}}"#,
            r#"{"type":"content_block_start","index":1,"content_block":{"type":"redacted_thinking","data":"x"}}"#,
            r#"{"type":"content_block_start","index":2,"content_block":{"type":"server_tool_use","id":"s","name":"web_search","input":{}}}"#,
            r#"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{}"}}"#,
        ] {
            answer.take(event, &Secret::default(), &mut news).unwrap();
        }
        assert!(news.is_empty() && !answer.begun());
        assert_eq!(meter.usage().completion, 5);
    }

    #[test]
    fn ends_mean_what_they_say() {
        let tool =
            r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"f"}}"#;
        for (reason, expected) in [
            ("end_turn", GenerationEnd::ToolCalls),
            ("tool_use", GenerationEnd::ToolCalls),
            ("max_tokens", GenerationEnd::Length),
            ("model_context_window_exceeded", GenerationEnd::Length),
            ("refusal", GenerationEnd::Filtered),
        ] {
            let (news, ended, _) = read(&[START, tool, &end(reason), STOP]);
            assert_eq!(ended, Ok(expected), "{reason}");
            assert_eq!(news.is_empty(), expected == GenerationEnd::Length, "{reason}");
        }
        assert_eq!(read(&[START, TEXT, HELLO, &end("tool_use"), STOP]).1, Ok(GenerationEnd::Stop));
        assert_eq!(read(&[START, TEXT, HELLO, &end("pause_turn")]).1, Ok(GenerationEnd::Stop));
    }

    #[test]
    fn what_breaks_off_or_fails_inside_is_a_failure() {
        assert_eq!(read(&[START, TEXT, HELLO]).1.unwrap_err().kind, Failure::Unavailable);
        assert_eq!(read(&["not json", "{}"]).1.unwrap_err().kind, Failure::Protocol);
        let error = |body: &str| read(&[START, TEXT, HELLO, body]).1.unwrap_err();
        let overloaded = error(
            r#"{"type":"error","error":{"type":"overloaded_error","message":"said: 4111"},"request_id":"req_1"}"#,
        );
        assert_eq!(overloaded.kind, Failure::Unavailable);
        assert!(overloaded.message.contains("(overloaded_error)") && !overloaded.message.contains("4111"));
        assert_eq!(error(r#"{"type":"error","error":{"type":"rate_limit_error"}}"#).kind, Failure::RateLimit);
        assert_eq!(error(r#"{"type":"error"}"#).kind, Failure::Unavailable);
    }

    #[test]
    fn an_endless_list_of_tools_is_refused() {
        let tool = |n| {
            format!(r#"{{"type":"content_block_start","index":{n},"content_block":{{"type":"tool_use","name":"f"}}}}"#)
        };
        let tools: Vec<String> = (0..=TOOLS).map(tool).collect();
        let tools: Vec<&str> = tools.iter().map(String::as_str).collect();
        assert!(read(&tools[..TOOLS]).1.is_err_and(|error| error.message.contains("broke off")));
        assert_eq!(read(&tools).1.unwrap_err().kind, Failure::Protocol);
    }
}
