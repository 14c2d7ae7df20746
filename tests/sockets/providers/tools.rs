//! Tools over HTTP: asked once, answered with text, and never a way into places they should not reach.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use agentphone::conversation::{ToolCall, Variables};
use agentphone::provider::{HttpTool, HttpTools, Secret, ToolMethod, ToolPolicy, Tools};
use tokio::sync::mpsc;

use super::server::{Request, Server, bounded};

const NEARBY: ToolPolicy = ToolPolicy { allow_http: true, allow_private: true };

fn tool(url: &str, method: ToolMethod) -> HttpTool {
    HttpTool {
        name: "look_up".into(),
        url: url.into(),
        method,
        headers: vec![("x-api-key".into(), Secret::new("k-{{tenant}}"))],
        timeout: Duration::from_secs(5),
    }
}

fn tools(url: &str, method: ToolMethod) -> HttpTools {
    HttpTools::new(&[tool(url, method)], NEARBY).unwrap()
}

async fn run(tools: &dyn Tools, arguments: &str) -> String {
    let call = ToolCall { id: "call-7".into(), name: "look_up".into(), arguments: arguments.into() };
    let result = bounded(tools.open(call).recv()).await;
    let result = result.unwrap();
    assert_eq!(result.id, "call-7");
    result.content
}

/// A server that answers every request alike and tells what it was asked.
async fn answering(status: &'static str, headers: String, body: String) -> (Server, mpsc::Receiver<Request>) {
    let (asked, requests) = mpsc::channel(8);
    let server = Server::http(move |_, request, connection| {
        let (asked, headers, body) = (asked.clone(), headers.clone(), body.clone());
        async move {
            asked.send(request).await.unwrap();
            connection.answer(status, &headers, &body).await;
        }
    })
    .await;
    (server, requests)
}

#[tokio::test]
async fn the_arguments_are_the_body_and_the_answers_text_the_result() {
    let (server, mut requests) = answering("200 OK", String::new(), r#"{"free":2}"#.into()).await;
    let mut variables = Variables::default();
    variables.set("tenant", "acme");
    let tools = tools(&format!("{}/look?fixed=1", server.url()), ToolMethod::Post).for_call(&variables).unwrap();
    assert_eq!(run(&*tools, r#"{"day":"Friday","guests":2}"#).await, r#"{"free":2}"#);
    let request = requests.recv().await.unwrap();
    assert_eq!(request.target, "/look?fixed=1");
    assert_eq!(request.json(), serde_json::json!({"day": "Friday", "guests": 2}));
    assert_eq!(request.headers.get("x-api-key").map(String::as_str), Some("k-acme"));
    assert_eq!(request.headers.get("content-type").map(String::as_str), Some("application/json"));
    assert_eq!(format!("{tools:?}"), "[\"look_up\"]", "neither address nor key");
}

#[tokio::test]
async fn with_get_the_arguments_are_the_query() {
    let (server, mut requests) = answering("200 OK", String::new(), "yes".into()).await;
    let tools = tools(&format!("{}/look?fixed=1", server.url()), ToolMethod::Get);
    assert_eq!(run(&tools, r#"{"day":"Fri & Sat","guests":2,"tags":["a"]}"#).await, "yes");
    let query = requests.recv().await.unwrap().query();
    let value = |name: &str| query.get(name).map(String::as_str);
    assert_eq!((value("fixed"), value("day")), (Some("1"), Some("Fri & Sat")));
    assert_eq!((value("guests"), value("tags")), (Some("2"), Some("[\"a\"]")));
}

#[tokio::test]
async fn a_refusal_an_empty_answer_and_a_long_one_are_text_the_model_can_read() {
    let (server, _requests) = answering("503 Service Unavailable", String::new(), "x".repeat(2_000)).await;
    let refusal = run(&tools(&server.url(), ToolMethod::Post), "{}").await;
    assert!(refusal.starts_with("error: the tool answered 503: xxx") && refusal.len() < 600, "{refusal}");
    let (server, _requests) = answering("204 No Content", String::new(), String::new()).await;
    assert_eq!(run(&tools(&server.url(), ToolMethod::Post), "").await, "done (the answer is empty)");
    let (server, _requests) = answering("200 OK", String::new(), "é".repeat(10_000)).await;
    let long = run(&tools(&server.url(), ToolMethod::Post), "{}").await;
    assert!(long.ends_with("é… (cut here)") && long.len() < 8_300, "{}", long.len());
}

#[tokio::test]
async fn a_tool_whose_connection_breaks_after_the_request_is_not_asked_again() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let server = Server::http(move |_, _, connection| {
        counted.fetch_add(1, SeqCst);
        drop(connection);
        std::future::ready(())
    })
    .await;
    let tools = tools(&server.url(), ToolMethod::Post);
    for runs in 1..=3 {
        assert_eq!(run(&tools, "{}").await, "error: the tool could not be reached");
        assert_eq!(count.load(SeqCst), runs);
    }
}

#[tokio::test]
async fn a_tool_that_is_slow_is_given_up_at_its_own_time() {
    let server = Server::http(|_, _, mut connection| async move { connection.closed().await }).await;
    let slow = HttpTool { timeout: Duration::from_millis(300), ..tool(&server.url(), ToolMethod::Post) };
    let tools = HttpTools::new(&[slow], NEARBY).unwrap();
    let before = Instant::now();
    assert_eq!(run(&tools, "{}").await, "error: the tool did not answer in time");
    assert!(before.elapsed() >= Duration::from_millis(300) && before.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_redirect_to_another_host_is_not_followed() {
    let (elsewhere, mut strayed) = answering("200 OK", String::new(), "secret".into()).await;
    let (server, mut asked) =
        answering("307 Temporary Redirect", format!("location: {}/\r\n", elsewhere.url()), String::new()).await;
    assert_eq!(run(&tools(&server.url(), ToolMethod::Post), "{}").await, "error: the tool answered 307");
    assert!(asked.recv().await.is_some() && strayed.try_recv().is_err());
}

#[tokio::test]
async fn a_redirect_within_the_host_is_followed_a_few_times() {
    let server = Server::http(|_, request, connection| async move {
        match request.target.as_str() {
            "/old" => connection.answer("307 Temporary Redirect", "location: /new\r\n", "").await,
            "/new" => connection.answer("200 OK", "", "moved").await,
            _ => connection.answer("307 Temporary Redirect", "location: /round\r\n", "").await,
        }
    })
    .await;
    assert_eq!(run(&tools(&format!("{}/old", server.url()), ToolMethod::Post), "{}").await, "moved");
    let round = run(&tools(&format!("{}/round", server.url()), ToolMethod::Post), "{}").await;
    assert_eq!(round, "error: the tool answered 307");
}

#[tokio::test]
async fn arguments_that_are_no_object_and_names_that_are_no_tool_ask_nobody() {
    let (server, mut requests) = answering("200 OK", String::new(), "yes".into()).await;
    let tools = tools(&server.url(), ToolMethod::Post);
    for arguments in ["[1]", "{", "\"x\"", "null"] {
        assert!(run(&tools, arguments).await.starts_with("error: the arguments must be a JSON object"), "{arguments}");
    }
    let call = ToolCall { id: "1".into(), name: "other".into(), arguments: "{}".into() };
    assert!(bounded(tools.open(call).recv()).await.unwrap().content.starts_with("error: there is no such tool"));
    assert!(requests.try_recv().is_err());
}

#[tokio::test]
async fn a_name_that_leads_into_the_private_network_is_not_connected_to() {
    let (server, mut requests) = answering("200 OK", String::new(), "secret".into()).await;
    let policy = ToolPolicy { allow_http: true, allow_private: false };
    let url = format!("http://localhost:{}/", server.address.port());
    let tools = HttpTools::new(&[tool(&url, ToolMethod::Post)], policy).unwrap();
    assert_eq!(run(&tools, "{}").await, "error: the tool could not be reached");
    assert!(requests.try_recv().is_err());
    let literal = HttpTools::new(&[tool(&server.url(), ToolMethod::Post)], policy).unwrap_err();
    assert!(literal.message.contains("not public"), "{literal}");
}
