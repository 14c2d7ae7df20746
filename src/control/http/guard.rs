//! What stands before every path: the key, the origin, the request id.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::control::Api;

use super::Refusal;

/// Lets a request pass, or refuses it; either way the answer has an `x-request-id`.
pub(super) async fn guard(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let id = request_id();
    let method = request.method().clone();
    let mut response = match check(&api, &request) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    // The path may hold a key or a number: it is not logged.
    tracing::debug!(request = %id, %method, status = response.status().as_u16(), "request");
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-request-id", value);
    }
    response
}

fn check(api: &Api, request: &Request) -> Result<(), Refusal> {
    let path = request.uri().path();
    if matches!(path, "/healthz" | "/readyz") {
        return Ok(());
    }
    if api.keys.is_open() {
        return local(request.headers());
    }
    // Media streams may bring their key as the last segment of the path, since carriers drop headers and queries.
    let key = path.strip_prefix("/v1/streams/twilio/").and_then(|rest| rest.split_once('/')).map(|(_, key)| key);
    let authorization = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    if key.is_some_and(|key| api.keys.accept(key)) || api.keys.accept_header(authorization) {
        return Ok(());
    }
    Err(Refusal::unauthorized())
}

/// Without a key the server trusts this machine, not the web pages that are open on it: what a browser sends on behalf
/// of a page says where the page is from, and a name made to point at 127.0.0.1 stands in `Host`.
fn local(headers: &HeaderMap) -> Result<(), Refusal> {
    let host = headers.get(HOST).map(HeaderValue::as_bytes);
    let origin = headers.get(ORIGIN).map(HeaderValue::as_bytes);
    let origin = origin.map(|origin| origin.rsplit(|byte| *byte == b'/').next().unwrap_or_default());
    for authority in [host, origin].into_iter().flatten() {
        if !std::str::from_utf8(authority).is_ok_and(is_loopback) {
            let message = "without an API key this server answers only what comes from this machine itself; \
                           set AGENTPHONE_API_KEY to open it to others";
            return Err(Refusal::forbidden(message));
        }
    }
    Ok(())
}

/// Whether `host`, `host:port` or `[host]:port` is this machine.
fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    };
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn request_id() -> String {
    let mut bytes = [0; 12];
    // Without randomness ids repeat, and nothing else breaks.
    let _ = getrandom::fill(&mut bytes);
    bytes.iter().fold(String::from("req_"), |id, byte| id + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_keys_only_this_machine_is_answered() {
        for (host, origin, passes) in [
            (Some("127.0.0.1:8080"), None, true),
            (Some("localhost"), None, true),
            (Some("[::1]:8080"), None, true),
            (None, None, true),
            (Some("localhost:8080"), Some("http://localhost:3000"), true),
            (Some("localhost:8080"), Some("https://evil.example"), false),
            (Some("localhost:8080"), Some("null"), false),
            (Some("rebound.example:8080"), None, false),
            (Some("127.0.0.1.evil.example"), None, false),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in [(HOST, host), (ORIGIN, origin)] {
                if let Some(value) = value {
                    headers.insert(name, HeaderValue::from_static(value));
                }
            }
            assert_eq!(local(&headers).is_ok(), passes, "{host:?} {origin:?}");
        }
    }
}
