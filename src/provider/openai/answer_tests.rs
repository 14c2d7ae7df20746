use super::*;
use crate::provider::Usage;

type End = Result<(GenerationEnd, Usage), ProviderError>;

fn answer(events: &[&str]) -> (Vec<LlmEvent>, End) {
    let meter = Meter::default();
    let mut answer = Answer::new(meter.clone());
    let mut news = Vec::new();
    for event in events {
        if let Err(error) = answer.take(event, &Secret::default(), &mut news) {
            return (news, Err(error));
        }
    }
    let end = answer.close(&mut news);
    (news, end.map(|end| (end, meter.usage())))
}

fn told(prompt: u64, completion: u64) -> Usage {
    Usage { prompt, completion, is_estimate: false }
}

fn tokens(events: &[LlmEvent]) -> String {
    events
        .iter()
        .filter_map(|event| if let LlmEvent::Token(text) = event { Some(text.as_str()) } else { None })
        .collect()
}

fn calls(events: &[LlmEvent]) -> Vec<(&str, &str, &str)> {
    let mut calls = Vec::new();
    for event in events {
        if let LlmEvent::ToolCall(call) = event {
            calls.push((call.id.as_str(), call.name.as_str(), call.arguments.as_str()));
        }
    }
    calls
}

const STOP: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
const ROLE: &str = r#"{"id":"c1","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"x"}"#;
const HELLO: &str = r#"{"choices":[{"index":0,"delta":{"content":"Hello"},"finish_reason":null}]}"#;
const USAGE: &str =
    r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":12,"total_tokens":21},"timings":{"x":1}}"#;

#[test]
fn an_answer_is_its_words_its_end_and_its_cost() {
    let meter = Meter::default();
    let mut answer = Answer::new(meter.clone());
    let mut news = Vec::new();
    answer.take(ROLE, &Secret::default(), &mut news).unwrap();
    assert!(!answer.begun(), "a role is not a first word");
    for event in [HELLO, STOP, USAGE, "[DONE]"] {
        answer.take(event, &Secret::default(), &mut news).unwrap();
    }
    assert!(answer.begun() && answer.done());
    let end = answer.close(&mut news).unwrap();
    assert_eq!(news, [LlmEvent::Token("Hello".into())]);
    assert_eq!((end, meter.usage()), (GenerationEnd::Stop, told(9, 12)));
}

#[test]
fn a_missing_done_is_forgiven_but_a_missing_end_is_not() {
    assert_eq!(answer(&[HELLO, STOP]).1.unwrap().0, GenerationEnd::Stop);
    assert_eq!(answer(&[HELLO, "[DONE]"]).1.unwrap().0, GenerationEnd::Stop);
    assert_eq!(answer(&[HELLO]).1.unwrap_err().kind, Failure::Unavailable);
    assert_eq!(answer(&[]).1.unwrap_err().kind, Failure::Protocol);
    assert_eq!(answer(&["<html>", "[DONE"]).1.unwrap_err().kind, Failure::Protocol);
}

#[test]
fn tool_calls_are_put_together_by_index_however_they_interleave() {
    let (events, end) = answer(&[
        r#"{"choices":[{"index":0,"delta":{"content":"One moment."}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"b","type":"function","function":{"name":"g","arguments":"{"}}]}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"x\":"}},{"index":1,"function":{"arguments":"}"}}]}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]}}]}"#,
        r#"{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#,
        "[DONE]",
    ]);
    assert_eq!(tokens(&events), "One moment.");
    assert_eq!(calls(&events), [("a", "f", "{\"x\":1}"), ("b", "g", "{}")]);
    assert_eq!(end.unwrap().0, GenerationEnd::ToolCalls);
}

#[test]
fn tool_calls_of_lenient_servers_are_understood() {
    // Whole calls that all have index 0, an object for arguments, an end that says `stop`.
    let (events, end) = answer(&[
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"b","function":{"name":"g","arguments":{"x":1}}}]},"finish_reason":"stop"}]}"#,
    ]);
    assert_eq!(calls(&events), [("a", "f", "{}"), ("b", "g", "{\"x\":1}")]);
    assert_eq!(end.unwrap().0, GenerationEnd::ToolCalls);
    // No index, no id, no arguments.
    let (events, _) = answer(&[r#"{"choices":[{"delta":{"tool_calls":[{"function":{"name":"f"}}]}}]}"#, "[DONE]"]);
    assert_eq!(calls(&events), [("call_0", "f", "{}")]);
    // Several of that kind; a name repeated under its index is no new call.
    let (events, _) = answer(&[
        r#"{"choices":[{"delta":{"tool_calls":[{"function":{"name":"f","arguments":{"x":1}}}]}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"function":{"name":"f","arguments":{}}}]}}]}"#,
        "[DONE]",
    ]);
    assert_eq!(calls(&events), [("call_0", "f", "{\"x\":1}"), ("call_1", "f", "{}")]);
    let (events, _) = answer(&[
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}]}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"f","arguments":"}"}}]}}]}"#,
        "[DONE]",
    ]);
    assert_eq!(calls(&events), [("a", "f", "{}")]);
    // An end that says `tool_calls` without any.
    let (_, end) = answer(&[HELLO, r#"{"choices":[{"delta":null,"finish_reason":"tool_calls"}]}"#]);
    assert_eq!(end.unwrap().0, GenerationEnd::Stop);
}

#[test]
fn a_call_cut_by_the_limit_of_tokens_is_not_made() {
    let (events, end) = answer(&[
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x"}}]}}]}"#,
        r#"{"choices":[{"delta":{},"finish_reason":"length"}]}"#,
    ]);
    assert_eq!(calls(&events), []);
    assert_eq!(end.unwrap().0, GenerationEnd::Length);
}

#[test]
fn reasoning_is_never_told() {
    let (events, _) = answer(&[
        r#"{"choices":[{"delta":{"reasoning_content":"hmm","reasoning":"hmm","content":null}}]}"#,
        r#"{"choices":[{"delta":{"content":"<thi"}}]}"#,
        r#"{"choices":[{"delta":{"content":"nk>hmm</think> Hello"}}]}"#,
        r#"{"choices":[{"delta":{"content":[{"type":"thinking","thinking":[]},{"type":"text","text":" you"}]}}]}"#,
        STOP,
    ]);
    assert_eq!(events, [LlmEvent::Token("Hello".into()), LlmEvent::Token(" you".into())]);
}

#[test]
fn an_answer_in_one_piece_is_understood() {
    let (events, end) = answer(&[
        r#"{"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"length"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#,
    ]);
    assert_eq!(tokens(&events), "Hello");
    assert_eq!(end, Ok((GenerationEnd::Length, told(1, 2))));
}

#[test]
fn errors_inside_a_stream_are_told_by_kind() {
    let kind = |event| answer(&[HELLO, event]).1.unwrap_err().kind;
    assert_eq!(
        kind(r#"{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}"#),
        Failure::Unavailable
    );
    assert_eq!(kind(r#"{"error":{"code":"rate_limit_exceeded","message":"m"}}"#), Failure::RateLimit);
    assert_eq!(kind(r#"{"error":{"type":"insufficient_quota"}}"#), Failure::Quota);
    assert_eq!(kind(r#"{"error":"something went wrong"}"#), Failure::Unavailable);
    assert_eq!(answer(&[r#"{"error":null,"choices":[]}"#, HELLO, STOP]).1.unwrap().0, GenerationEnd::Stop);
}

#[test]
fn errors_of_lenient_servers_are_no_ends() {
    let kind = |event| answer(&[HELLO, event, "[DONE]"]).1.unwrap_err().kind;
    // vLLM: the event itself is the error, and a `[DONE]` may follow.
    assert_eq!(kind(r#"{"object":"error","message":"m","type":"BadRequestError","code":400}"#), Failure::BadRequest);
    assert_eq!(kind(r#"{"choices":[{"delta":{},"finish_reason":"abort"}]}"#), Failure::Unavailable);
    // OpenRouter: with and without an object.
    assert_eq!(
        kind(r#"{"error":{"code":429,"message":"m"},"choices":[{"delta":{"content":""},"finish_reason":"error"}]}"#),
        Failure::RateLimit
    );
    assert_eq!(kind(r#"{"choices":[{"delta":{"content":""},"finish_reason":"error"}]}"#), Failure::Unavailable);
    // Groq: a word beside the choices.
    let error = answer(&[HELLO, r#"{"choices":[],"x_groq":{"id":"r","error":"over_capacity"}}"#]).1.unwrap_err();
    assert_eq!(error.kind, Failure::Unavailable);
    assert!(error.message.contains("(over_capacity)"), "{error}");
}

#[test]
fn usage_is_understood_wherever_it_stands() {
    let told_with = |event| answer(&[HELLO, event]).1.unwrap().1;
    // Together: with the end. Groq: in a field of its own.
    let together = r#"{"choices":[{"delta":{"content":""},"finish_reason":"eos"}],"usage":{"prompt_tokens":9,"completion_tokens":3}}"#;
    assert_eq!(told_with(together), told(9, 3));
    let groq = r#"{"choices":[{"delta":{},"finish_reason":"stop"}],"x_groq":{"usage":{"prompt_tokens":9,"completion_tokens":3}}}"#;
    assert_eq!(told_with(groq), told(9, 3));
    // OpenRouter: after the end, with a choice.
    let openrouter = r#"{"choices":[{"delta":{"role":"assistant","content":""}}],"usage":{"prompt_tokens":9,"completion_tokens":3}}"#;
    assert_eq!(answer(&[HELLO, STOP, openrouter, "[DONE]"]).1.unwrap().1, told(9, 3));
    // vLLM, when told to count in every chunk: what was told before the end was not the whole.
    let meter = Meter::default();
    let mut begun = Answer::new(meter.clone());
    let counted = r#"{"choices":[{"delta":{"content":"Hello"}}],"usage":{"prompt_tokens":9,"completion_tokens":1}}"#;
    begun.take(counted, &Secret::default(), &mut Vec::new()).unwrap();
    assert_eq!((meter.usage().prompt, meter.usage().completion), (9, 2));
}

#[test]
fn an_error_does_not_repeat_what_was_said() {
    let error = answer(&[r#"{"error":{"message":"cannot process: my card is 4111","code":"bad"}}"#]).1.unwrap_err();
    assert!(!error.message.contains("4111"), "{error}");
}

#[test]
fn garbage_and_other_choices_are_skipped() {
    let (events, end) = answer(&[
        "not json",
        "{}",
        "[]",
        r#"{"choices":[{"index":1,"delta":{"content":"other"}}]}"#,
        r#"{"choices":null}"#,
        HELLO,
        STOP,
    ]);
    assert_eq!(tokens(&events), "Hello");
    assert!(end.is_ok());
}

#[test]
fn an_endless_list_of_tools_is_refused() {
    let mut answer = Answer::default();
    let mut news = Vec::new();
    let call = |n| {
        format!(
            r#"{{"choices":[{{"delta":{{"tool_calls":[{{"index":{n},"id":"i{n}","function":{{"name":"f"}}}}]}}}}]}}"#
        )
    };
    for n in 0..TOOLS {
        answer.take(&call(n), &Secret::default(), &mut news).unwrap();
    }
    assert_eq!(answer.take(&call(TOOLS), &Secret::default(), &mut news).unwrap_err().kind, Failure::Protocol);
}
