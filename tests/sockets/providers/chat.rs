use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use agentphone::conversation::{Failure, GenerationEnd, Message, Role, ToolCall, ToolSpec};
use agentphone::provider::{Llm, LlmEvent, LlmRequest, LlmStream, OpenAiChat, OpenAiChatConfig, Secret, Usage};
use tokio::sync::{mpsc, oneshot};

use super::server::{Server, bounded};

fn config(server: &Server) -> OpenAiChatConfig {
    OpenAiChatConfig { base_url: server.url(), key: Secret::new("k-1"), model: "m".into(), ..Default::default() }
}

fn ask(config: OpenAiChatConfig) -> LlmStream {
    OpenAiChat::new(config).unwrap().open(request())
}

fn request() -> LlmRequest {
    let messages = vec![Message::text(Role::System, "be kind"), Message::text(Role::User, "hello")];
    LlmRequest { model: None, messages, tools: Vec::new(), max_tokens: None, temperature: None }
}

async fn all(mut stream: LlmStream) -> Vec<LlmEvent> {
    let mut events = Vec::new();
    while let Some(event) = bounded(stream.recv()).await {
        events.push(event);
    }
    events
}

fn text(events: &[LlmEvent]) -> String {
    events
        .iter()
        .filter_map(|event| if let LlmEvent::Token(text) = event { Some(text.as_str()) } else { None })
        .collect()
}

fn failure(events: &[LlmEvent]) -> Failure {
    match events.last() {
        Some(LlmEvent::Failed(error)) => error.kind,
        other => panic!("a failure expected, not {other:?}"),
    }
}

fn delta(text: &str) -> String {
    format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}},\"finish_reason\":null}}]}}\n\n")
}

const STOP: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";

#[tokio::test]
async fn an_answer_is_whole_however_the_network_cuts_it() {
    let stream = format!(
        ": warming up\r\n\r\n{}: still here\r\n{}{}data: {{\"choices\":[],\"usage\":{{\"prompt_tokens\":9,\
         \"completion_tokens\":3}}}}\r\n\r\ndata: [DONE]\r\n\r\n",
        delta("Grüß").replace('\n', "\r\n"),
        delta(" Gott 😀"),
        STOP
    );
    let (seen, mut requests) = mpsc::channel(1);
    let server = Server::http(move |_, request, mut connection| {
        let (stream, seen) = (stream.clone(), seen.clone());
        async move {
            seen.send(request).await.unwrap();
            connection.begin("text/event-stream; charset=utf-8").await;
            for byte in stream.as_bytes() {
                connection.piece(&[*byte]).await;
            }
            connection.end().await;
        }
    })
    .await;
    let events = all(ask(config(&server))).await;
    assert_eq!(text(&events), "Grüß Gott 😀");
    let usage = Some(Usage { prompt: 9, completion: 3, is_estimate: false });
    assert_eq!(events.last(), Some(&LlmEvent::Ended { end: GenerationEnd::Stop, usage }));

    let request = requests.recv().await.unwrap();
    assert_eq!(request.target, "/v1/chat/completions");
    assert_eq!(request.headers["authorization"], "Bearer k-1");
    let body = request.json();
    assert_eq!(body["model"], "m");
    assert_eq!(body["stream"], true);
    assert_eq!(body["stream_options"], serde_json::json!({"include_usage": true}));
    assert_eq!(body["messages"][0], serde_json::json!({"role": "system", "content": "be kind"}));
    assert_eq!(body.get("tools"), None);
}

#[tokio::test]
async fn tools_and_their_results_are_told_as_the_protocol_wants() {
    let (seen, mut requests) = mpsc::channel(1);
    let server = Server::http(move |_, request, mut connection| {
        let seen = seen.clone();
        async move {
            seen.send(request).await.unwrap();
            connection.begin("text/event-stream").await;
            connection
                .piece(b"data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c2\",\"function\":")
                .await;
            connection
                .piece(b"{\"name\":\"book\",\"arguments\":\"{}\"}}]},\"finish_reason\":\"tool_calls\"}]}\n\n")
                .await;
            connection.end().await;
        }
    })
    .await;
    let call = ToolCall { id: "c1".into(), name: "find".into(), arguments: "{\"q\":1}".into() };
    let mut asked = Message::text(Role::Assistant, "");
    asked.tool_calls = vec![call];
    let mut result = Message::text(Role::Tool, "none");
    result.tool_call_id = Some("c1".into());
    let mut request = request();
    request.messages.extend([asked, result]);
    request.max_tokens = Some(200);
    request.temperature = Some(0.5);
    let spec = |parameters: &str| ToolSpec {
        name: "book".into(),
        description: "Books a table.".into(),
        parameters: parameters.into(),
    };
    request.tools = vec![spec(r#"{"type":"object"}"#)];
    let mut config = config(&server);
    config.extra.insert("reasoning_effort".into(), "low".into());
    config.key = Secret::default();
    let llm = OpenAiChat::new(config).unwrap();
    let events = all(llm.open(request.clone())).await;
    let call = ToolCall { id: "c2".into(), name: "book".into(), arguments: "{}".into() };
    assert_eq!(events[0], LlmEvent::ToolCall(call));
    assert!(matches!(events[1..], [LlmEvent::Ended { end: GenerationEnd::ToolCalls, .. }]), "{events:?}");

    let seen = requests.recv().await.unwrap();
    assert!(!seen.headers.contains_key("authorization"), "no key, no header");
    let body = seen.json();
    assert_eq!(
        body["messages"][2],
        serde_json::json!({"role": "assistant", "content": null, "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "find", "arguments": "{\"q\":1}"}}]})
    );
    assert_eq!(body["messages"][3], serde_json::json!({"role": "tool", "content": "none", "tool_call_id": "c1"}));
    assert_eq!(body["tools"][0]["function"]["parameters"], serde_json::json!({"type": "object"}));
    assert_eq!((&body["max_tokens"], &body["temperature"]), (&200.into(), &0.5.into()));
    assert_eq!(body["reasoning_effort"], "low");

    request.tools = vec![spec("not json")];
    assert_eq!(failure(&all(llm.open(request)).await), Failure::BadRequest);
}

#[tokio::test]
async fn refusals_say_what_kind_they_are_and_repeat_nothing() {
    let cases = [
        ("401 Unauthorized", r#"{"error":{"message":"bad key k-1","code":"invalid_api_key"}}"#, Failure::Auth),
        ("404 Not Found", r#"{"error":{"message":"no m","code":"model_not_found"}}"#, Failure::BadRequest),
        ("429 Too Many Requests", r#"{"error":{"code":"rate_limit_exceeded"}}"#, Failure::RateLimit),
        ("429 Too Many Requests", r#"{"error":{"type":"insufficient_quota"}}"#, Failure::Quota),
        ("500 Internal Server Error", "<html>said hello</html>", Failure::Unavailable),
        ("307 Temporary Redirect", "", Failure::BadRequest),
    ];
    let server = Server::http(move |number, _, connection| async move {
        connection.answer(cases[number].0, "location: /elsewhere\r\nx-request-id: r7\r\n", cases[number].1).await;
    })
    .await;
    for (status, _, kind) in cases {
        let events = all(ask(config(&server))).await;
        let [LlmEvent::Failed(error)] = events.as_slice() else { panic!("{events:?}") };
        assert_eq!(error.kind, kind, "{status}");
        assert!(error.message.contains("request r7"), "{error}");
        assert!(!error.message.contains("k-1") && !error.message.contains("hello"), "{error}");
    }
}

#[tokio::test]
async fn nobody_at_the_address_is_a_failure_at_once() {
    let server = Server::http(|_, _, _| async {}).await;
    let config = config(&server);
    let address = server.address;
    drop(server);
    // The port is free as soon as connecting to it is refused.
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert_eq!(failure(&all(ask(config)).await), Failure::Unavailable);
}

#[tokio::test]
async fn an_error_inside_the_stream_follows_the_words_before_it() {
    let server = Server::http(|_, _, mut connection| async move {
        connection.begin("text/event-stream").await;
        connection.piece(delta("Hel").as_bytes()).await;
        connection.piece(b"data: {\"error\":{\"message\":\"m\",\"code\":\"rate_limit_exceeded\"}}\n\n").await;
        connection.closed().await;
    })
    .await;
    let events = all(ask(config(&server))).await;
    assert_eq!((text(&events).as_str(), failure(&events)), ("Hel", Failure::RateLimit));
}

#[tokio::test]
async fn a_stream_that_breaks_off_has_failed_and_one_that_only_forgot_to_say_done_has_not() {
    let server = Server::http(|number, _, mut connection| async move {
        connection.begin("text/event-stream").await;
        connection.piece(delta("Hello").as_bytes()).await;
        match number {
            0 => drop(connection),
            1 => connection.end().await,
            _ => {
                connection.piece(STOP.trim_end().as_bytes()).await;
                drop(connection);
            }
        }
    })
    .await;
    for _ in 0..2 {
        let events = all(ask(config(&server))).await;
        assert_eq!((text(&events).as_str(), failure(&events)), ("Hello", Failure::Unavailable));
    }
    let server = Server::http(|_, _, mut connection| async move {
        connection.begin("text/event-stream").await;
        connection.piece(delta("Hello").as_bytes()).await;
        connection.piece(STOP.as_bytes()).await;
        drop(connection);
    })
    .await;
    let events = all(ask(config(&server))).await;
    let Some(LlmEvent::Ended { end: GenerationEnd::Stop, usage: Some(usage) }) = events.last() else {
        panic!("{events:?}")
    };
    assert!(usage.is_estimate && usage.prompt > 0 && usage.completion > 0, "nobody has told: {usage:?}");
}

#[tokio::test]
async fn a_server_that_says_nothing_or_stops_saying_is_too_slow() {
    let server = Server::http(|number, _, mut connection| async move {
        if number > 0 {
            connection.begin("text/event-stream").await;
            connection.piece(b": queued\n\n").await;
        }
        if number > 1 {
            connection.piece(delta("Hel").as_bytes()).await;
        }
        connection.closed().await;
    })
    .await;
    for said in ["", "", "Hel"] {
        let short = Duration::from_millis(150);
        let events = all(ask(OpenAiChatConfig { first_token: short, idle: short, ..config(&server) })).await;
        assert_eq!((text(&events).as_str(), failure(&events)), (said, Failure::Timeout));
    }
}

#[tokio::test]
async fn an_answer_in_one_piece_will_do() {
    let server = Server::http(|_, _, connection| async move {
        let body = r#"{"choices":[{"index":0,"message":{"content":"Hello"},"finish_reason":"stop"}]}"#;
        connection.answer("200 OK", "content-type: application/json\r\n", body).await;
    })
    .await;
    let events = all(ask(config(&server))).await;
    assert_eq!(text(&events), "Hello");
    assert!(matches!(events.last(), Some(LlmEvent::Ended { .. })));
}

#[tokio::test]
async fn dropping_the_stream_closes_the_connection() {
    let (sender, closed) = oneshot::channel();
    let sender = Arc::new(std::sync::Mutex::new(Some(sender)));
    let server = Server::http(move |_, _, mut connection| {
        let sender = sender.lock().unwrap().take();
        async move {
            connection.begin("text/event-stream").await;
            connection.piece(delta("Hel").as_bytes()).await;
            connection.closed().await;
            let _ = sender.unwrap().send(());
        }
    })
    .await;
    let mut stream = ask(config(&server));
    assert_eq!(bounded(stream.recv()).await, Some(LlmEvent::Token("Hel".into())));
    drop(stream);
    bounded(closed).await.unwrap();
}

#[tokio::test]
async fn a_slow_listener_holds_the_server_back() {
    let written = Arc::new(AtomicUsize::new(0));
    let (stuck, mut is_stuck) = mpsc::channel(1);
    let counter = Arc::clone(&written);
    let server = Server::http(move |_, _, mut connection| {
        let (written, stuck) = (Arc::clone(&counter), stuck.clone());
        async move {
            connection.begin("text/event-stream").await;
            let event = delta(&"x".repeat(4_000));
            // As many as the two sockets take, and a few that the client holds: the next write does not end.
            while let Ok(true) =
                tokio::time::timeout(Duration::from_millis(500), connection.piece(event.as_bytes())).await
            {
                written.fetch_add(event.len(), Ordering::Relaxed);
            }
            stuck.send(()).await.unwrap();
            connection.closed().await;
        }
    })
    .await;
    let mut stream = ask(config(&server));
    bounded(is_stuck.recv()).await.unwrap();
    let sent = written.load(Ordering::Relaxed);
    assert!(sent < 32 * 1024 * 1024, "{sent} bytes were taken without a listener");
    assert!(matches!(bounded(stream.recv()).await, Some(LlmEvent::Token(_))), "what was taken is not lost");
}
