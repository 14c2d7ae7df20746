//! What all vendors over HTTP share: the client, addresses, headers, and the table from answers to failures.

use std::error::Error;
use std::time::Duration;

use reqwest::header::HeaderValue;
use serde_json::Value;
use url::{Host, Url};

use crate::conversation::Failure;

use super::{ProviderError, Secret};

/// How long a connection may take to come up, TLS included.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long an idle connection stays open for the next turn.
const POOL_IDLE: Duration = Duration::from_secs(120);
/// The most of a refusal's body that is read.
const ERROR_BODY: usize = 16 * 1024;
/// How long a refusal's body may take: its status has already said the most important thing.
const ERROR_BODY_WAIT: Duration = Duration::from_secs(1);
/// The longest time a vendor's wish to be left alone is granted.
const LONGEST_RETRY: Duration = Duration::from_secs(3_600);
/// The longest code of a vendor that is repeated in an error.
const CODE_LENGTH: usize = 64;
/// From this length on a code with a digit in it is taken for a key: names that long are words.
const KEY_LENGTH: usize = 20;

/// Whom an error is about, and which settings mend it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vendor {
    /// The name in messages.
    pub name: &'static str,
    /// The setting that holds the key.
    pub key: &'static str,
    /// The setting that holds the address.
    pub base_url: &'static str,
}

impl Vendor {
    /// A failure in words that say who and what to do.
    pub(super) fn failure(&self, kind: Failure, what: &str) -> ProviderError {
        let advice = match kind {
            Failure::Auth => format!("check {} and what the key is allowed to use", self.key),
            Failure::Quota => "add credit or raise the account's quota".to_owned(),
            Failure::RateLimit => {
                "too many requests at once: raise the plan's limit or lower the number of calls".into()
            }
            Failure::BadRequest => format!("check model, voice and language, and {}", self.base_url),
            Failure::Unavailable => format!("check the network, the vendor's status page and {}", self.base_url),
            Failure::Timeout => "the service is slow or unreachable: check its load and the network".to_owned(),
            Failure::Protocol => format!("{} may point at another kind of server", self.base_url),
        };
        ProviderError::new(kind, format!("{}: {what}; {advice}", self.name))
    }

    /// A refusal by status, with the vendor's own short codes. Its sentences are left out: they may repeat what was said;
    /// and so are codes that repeat `key`.
    pub(super) fn refusal(&self, status: u16, codes: &[String], key: &Secret) -> ProviderError {
        let kind = failure_of(status, codes);
        let codes = listed(codes, key).map_or_else(String::new, |codes| format!(" ({codes})"));
        self.failure(kind, &format!("answered {status}{codes}"))
    }

    /// What became of a request that got no complete answer.
    pub(super) fn transport(&self, error: &reqwest::Error) -> ProviderError {
        if error.is_timeout() {
            self.failure(Failure::Timeout, "no connection in time")
        } else if error.is_builder() {
            self.failure(Failure::BadRequest, "the request could not be built")
        } else if error.is_connect() {
            self.failure(Failure::Unavailable, &format!("cannot connect ({})", root_cause(error)))
        } else {
            self.failure(Failure::Unavailable, &format!("the connection was lost ({})", root_cause(error)))
        }
    }

    /// A header with the key in it, marked so that it does not print.
    pub(super) fn key_header(&self, scheme: &str, key: &Secret) -> Result<HeaderValue, ProviderError> {
        let mut value = HeaderValue::from_str(&format!("{scheme}{}", key.reveal()))
            .map_err(|_| self.failure(Failure::Auth, "the key holds characters that no HTTP header may hold"))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// A base address, parsed: `http`, `https`, `ws` or `wss`, with a host.
    pub(super) fn base(&self, address: &str) -> Result<Url, ProviderError> {
        let wrong =
            |what: &str| ProviderError::new(Failure::BadRequest, format!("{}: {} {what}", self.name, self.base_url));
        let url = Url::parse(address.trim()).map_err(|error| wrong(&format!("is not a URL ({error})")))?;
        if !matches!(url.scheme(), "http" | "https" | "ws" | "wss") || url.host().is_none() {
            return Err(wrong("must begin with https://, http://, wss:// or ws:// and name a host"));
        }
        Ok(url)
    }
}

/// `base` with `path` behind it. A path of `v1/…` is not doubled when the base already ends in `/v1`.
pub(super) fn endpoint(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    let front = base.path().trim_end_matches('/');
    let path = if front.ends_with("/v1") { path.strip_prefix("v1/").unwrap_or(path) } else { path };
    url.set_path(&format!("{front}/{path}"));
    url
}

/// `url` as an address for requests: `http` in place of `ws`.
pub(super) fn as_http(url: Url) -> Url {
    with_scheme(url, &[("ws", "http"), ("wss", "https")])
}

/// `url` as an address for WebSockets: `ws` in place of `http`.
pub(super) fn as_websocket(url: Url) -> Url {
    with_scheme(url, &[("http", "ws"), ("https", "wss")])
}

fn with_scheme(mut url: Url, table: &[(&str, &str)]) -> Url {
    if let Some((_, to)) = table.iter().find(|(from, _)| *from == url.scheme()) {
        // Between the four special schemes of the URL standard the change always succeeds.
        let _ = url.set_scheme(to);
    }
    url
}

/// A client for requests to `base`: pooled and kept warm, no redirects (a key must not travel), no total timeout (each
/// exchange has its own).
pub(super) fn client(vendor: &Vendor, base: &Url) -> Result<reqwest::Client, ProviderError> {
    install_crypto();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("agentphone/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(POOL_IDLE)
        .http2_keep_alive_interval(Duration::from_secs(20))
        .http2_keep_alive_while_idle(true)
        .tcp_nodelay(true)
        .redirect(reqwest::redirect::Policy::none());
    if is_loopback(base) {
        builder = builder.no_proxy();
    }
    if matches!(base.scheme(), "http" | "ws") {
        // Nothing is encrypted, so a machine without root certificates will do.
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|error| {
        vendor.failure(
            Failure::Unavailable,
            &format!("no client could be made ({}), root certificates?", root_cause(&error)),
        )
    })
}

/// Makes ring the process's cryptography, unless the process has chosen already.
pub(super) fn install_crypto() {
    // An error only says that a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A request that was refused.
#[derive(Debug)]
pub(super) struct Refused {
    /// What to say of it.
    pub error: ProviderError,
    /// The answer's status.
    pub status: u16,
    /// The beginning of its body. It may repeat what was said: for looking things up in, not for showing.
    pub body: Vec<u8>,
}

/// Reads a refusal to its end, within bounds, and maps it.
pub(super) async fn refusal(vendor: &Vendor, response: reqwest::Response, key: &Secret) -> ProviderError {
    refused(vendor, response, key).await.error
}

/// The same, with what it was made of.
pub(super) async fn refused(vendor: &Vendor, mut response: reqwest::Response, key: &Secret) -> Refused {
    let status = response.status().as_u16();
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    let request = header("x-request-id").or_else(|| header("request-id")).and_then(request_id);
    let retry_after = retry_after(header("retry-after-ms"), header("retry-after"));
    let mut body = Vec::new();
    let read = async {
        while let Ok(Some(chunk)) = response.chunk().await {
            let room = ERROR_BODY.saturating_sub(body.len());
            body.extend(chunk.iter().take(room));
            if room < chunk.len() {
                break;
            }
        }
    };
    // Whatever has come by then is enough.
    let _ = tokio::time::timeout(ERROR_BODY_WAIT, read).await;
    tracing::debug!(vendor = vendor.name, status, body = %String::from_utf8_lossy(&body), "request refused");
    let mut codes = codes_in(&body);
    codes.extend(request.map(|id| format!("request {id}")));
    let error = ProviderError { retry_after, ..vendor.refusal(status, &codes, key) };
    Refused { error, status, body }
}

/// An error inside a stream that began well.
pub(super) fn failed_inside(vendor: &Vendor, error: &Value, key: &Secret) -> ProviderError {
    let mut codes = codes_of(error);
    // Where the error is but a word, that is its code.
    codes.extend(error.as_str().and_then(code));
    let status =
        error["code"].as_u64().or_else(|| error["status"].as_u64()).and_then(|status| u16::try_from(status).ok());
    match status.filter(|status| (400..600).contains(status)) {
        Some(status) => vendor.refusal(status, &codes, key),
        None => {
            let kind = failure_named(&codes).unwrap_or(Failure::Unavailable);
            let codes = listed(&codes, key).unwrap_or_else(|| "no code".to_owned());
            vendor.failure(kind, &format!("the answer failed midway ({codes})"))
        }
    }
}

/// How long a vendor asks to be left alone: milliseconds, or the seconds of RFC 9110 section 10.2.3, here with a fraction
/// as some write it. A date is not read: it would need the vendor's clock.
fn retry_after(milliseconds: Option<&str>, seconds: Option<&str>) -> Option<Duration> {
    let number = |text: &str| text.trim().parse::<f64>().ok();
    let seconds = milliseconds.and_then(number).map(|ms| ms / 1_000.0).or_else(|| seconds.and_then(number))?;
    Duration::try_from_secs_f64(seconds).ok().map(|wait| wait.min(LONGEST_RETRY))
}

/// The codes to be shown, those left out that repeat `key`; `None` when there are none.
pub(super) fn listed(codes: &[String], key: &Secret) -> Option<String> {
    let shown: Vec<&str> = codes.iter().map(String::as_str).filter(|code| !repeats(code, key)).collect();
    (!shown.is_empty()).then(|| shown.join(", "))
}

fn repeats(text: &str, key: &Secret) -> bool {
    !key.is_empty() && text.contains(key.reveal())
}

/// The short codes in a vendor's error body: `error.code`, `error.type`, `err_code`, `detail.status` and their like.
pub(super) fn codes_in(body: &[u8]) -> Vec<String> {
    serde_json::from_slice(body).map_or_else(|_| Vec::new(), |value| codes_of(&value))
}

/// The short codes in an error already parsed.
pub(super) fn codes_of(value: &Value) -> Vec<String> {
    const FIELDS: [&str; 9] =
        ["code", "type", "status", "param", "err_code", "error_code", "error", "variant", "reason"];
    let mut codes: Vec<String> = Vec::new();
    for part in [value, &value["error"], &value["detail"]] {
        for field in FIELDS {
            // `error` is the type of any error, and says nothing.
            if let Some(code) = part[field].as_str().and_then(code).filter(|code| code != "error")
                && !codes.contains(&code)
            {
                codes.push(code);
            }
        }
    }
    codes
}

/// `text` if it is a code and not a sentence, a number or a key.
pub(super) fn code(text: &str) -> Option<String> {
    let like_a_key = text.starts_with("sk-")
        || text.starts_with("sk_")
        || (text.len() >= KEY_LENGTH && text.chars().any(|c| c.is_ascii_digit()));
    (is_plain(text) && !like_a_key).then(|| text.to_owned())
}

/// `text` if it is a vendor's name for a request: a code, a UUID, or `req_` and more.
pub(super) fn request_id(text: &str) -> Option<String> {
    let hex = |part: &str| part.chars().all(|c| c.is_ascii_hexdigit());
    let is_uuid = text.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && text.split('-').all(hex);
    if is_plain(text) && (is_uuid || text.starts_with("req_")) { Some(text.to_owned()) } else { code(text) }
}

/// Whether `text` is one short word of letters, digits and the few signs of codes.
fn is_plain(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.[]:".contains(c);
    text.len() <= CODE_LENGTH && text.chars().all(plain) && text.chars().any(|c| c.is_ascii_alphabetic())
}

/// The table: what a status and the vendor's codes mean.
pub(super) fn failure_of(status: u16, codes: &[String]) -> Failure {
    match status {
        402 => Failure::Quota,
        // Groq's own for a tier that is full.
        498 => Failure::RateLimit,
        429 => failure_named(codes).filter(|kind| *kind == Failure::Quota).unwrap_or(Failure::RateLimit),
        401 | 403 | 407 => failure_named(codes).unwrap_or(Failure::Auth),
        408 | 504 => Failure::Timeout,
        300..=499 => failure_named(codes).unwrap_or(Failure::BadRequest),
        500..=599 => Failure::Unavailable,
        _ => Failure::Protocol,
    }
}

/// What the vendors' codes mean by themselves; `None` when none is known.
pub(super) fn failure_named(codes: &[String]) -> Option<Failure> {
    const NAMES: [(Failure, &[&str]); 6] = [
        (Failure::Quota, &["quota", "credit", "billing", "payment", "character_limit"]),
        (Failure::RateLimit, &["rate_limit", "too_many", "concurrent", "system_busy"]),
        (Failure::Auth, &["api_key", "invalid_auth", "authentication", "unauthorized", "permission", "forbidden"]),
        (Failure::Timeout, &["timeout", "timed_out"]),
        (Failure::Unavailable, &["server_error", "internal", "overloaded", "unavailable", "over_capacity"]),
        (Failure::BadRequest, &["invalid", "not_found", "does_not_exist", "unsupported", "bad_request"]),
    ];
    let codes: Vec<String> = codes.iter().map(|code| code.to_ascii_lowercase()).collect();
    NAMES
        .iter()
        .find(|(_, names)| codes.iter().any(|code| names.iter().any(|name| code.contains(name))))
        .map(|(kind, _)| *kind)
}

/// The innermost cause of an error, which says the most and repeats no address.
pub(super) fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    if cause.is::<reqwest::Error>() { "no further cause".to_owned() } else { cause.to_string() }
}

/// Counts a message that was not of the vendor's protocol and was skipped.
pub(super) fn count_garbage(vendor: &Vendor) {
    metrics::counter!("agentphone_provider_garbage_total", "vendor" => vendor.name).increment(1);
    tracing::debug!(vendor = vendor.name, "skipped a message that could not be read");
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VENDOR: Vendor = Vendor { name: "vendor", key: "VENDOR_API_KEY", base_url: "VENDOR_BASE_URL" };

    fn kind(status: u16, body: &str) -> Failure {
        VENDOR.refusal(status, &codes_in(body.as_bytes()), &Secret::default()).kind
    }

    #[test]
    fn answers_map_to_the_few_kinds_of_failure() {
        assert_eq!(kind(401, r#"{"err_code":"INVALID_AUTH","err_msg":"x"}"#), Failure::Auth);
        assert_eq!(kind(401, r#"{"detail":{"status":"quota_exceeded","message":"x"}}"#), Failure::Quota);
        assert_eq!(kind(402, ""), Failure::Quota);
        assert_eq!(kind(403, "<html>"), Failure::Auth);
        assert_eq!(kind(404, r#"{"error":{"code":"model_not_found"}}"#), Failure::BadRequest);
        assert_eq!(kind(429, r#"{"error":{"code":"rate_limit_exceeded"}}"#), Failure::RateLimit);
        assert_eq!(kind(429, r#"{"error":{"type":"insufficient_quota"}}"#), Failure::Quota);
        assert_eq!(kind(429, ""), Failure::RateLimit);
        assert_eq!(kind(500, ""), Failure::Unavailable);
        assert_eq!(kind(503, r#"{"error":{"code":503,"message":"Loading model"}}"#), Failure::Unavailable);
        assert_eq!(kind(302, ""), Failure::BadRequest);
        assert_eq!(kind(101, ""), Failure::Protocol);
    }

    #[test]
    fn a_refusal_repeats_codes_but_never_sentences_or_keys() {
        let body = r#"{"error":{"code":"invalid_api_key","message":"Incorrect key sk-live-1","param":"sk-live-1"}}"#;
        let message = VENDOR.refusal(401, &codes_in(body.as_bytes()), &Secret::default()).message;
        assert_eq!(
            message,
            "vendor: answered 401 (invalid_api_key); check VENDOR_API_KEY and what the key is allowed to use"
        );
        assert_eq!(code("+14155550100"), None);
        assert_eq!(code("14155550100"), None);
    }

    #[test]
    fn a_vendor_may_ask_to_be_left_alone() {
        let wait = |ms, seconds| retry_after(ms, seconds).map(|wait| wait.as_millis());
        assert_eq!(wait(Some("250"), Some("9")), Some(250));
        assert_eq!(wait(None, Some("2")), Some(2_000));
        assert_eq!(wait(Some("x"), Some("0.5")), Some(500));
        assert_eq!(wait(None, Some("1e300")), None);
        assert_eq!(wait(None, Some("999999")), Some(3_600_000));
        for odd in ["", "-1", "NaN", "Wed, 21 Oct 2026 07:28:00 GMT"] {
            assert_eq!(wait(None, Some(odd)), None, "{odd}");
        }
    }

    #[test]
    fn what_looks_like_a_key_is_no_code() {
        assert_eq!(code("abcdefabcdefabcdef0"), Some("abcdefabcdefabcdef0".to_owned()), "19 characters");
        assert_eq!(code("abcdefabcdefabcdef01"), None);
        assert_eq!(code("0123456789abcdef0123456789abcdef01234567"), None);
        assert_eq!(code("insufficient_permissions_for_model"), Some("insufficient_permissions_for_model".to_owned()));
    }

    #[test]
    fn a_code_that_repeats_the_configured_key_counts_but_is_not_shown() {
        let key = Secret::new("quota-pass");
        let shown = |body: &str| VENDOR.refusal(429, &codes_in(body.as_bytes()), &key);
        let error = shown(r#"{"error":{"code":"quota-pass","type":"key:quota-pass.","status":"slow_down"}}"#);
        assert!(error.message.starts_with("vendor: answered 429 (slow_down); "), "{error}");
        assert_eq!(error.kind, Failure::Quota);
        let error = shown(r#"{"code":"quota-pass"}"#);
        assert!(error.message.starts_with("vendor: answered 429; "), "{error}");
    }

    #[test]
    fn a_request_is_named_by_what_cannot_be_a_key() {
        for id in ["r7", "req_0123456789abcdef0123456789abcdef", "6bb0b6a4-3d1c-4d6e-9f5b-0a1b2c3d4e5f"] {
            assert_eq!(request_id(id).as_deref(), Some(id));
        }
        for id in ["0123456789abcdef0123456789abcdef", "req_ two", "sk-live-1", "6bb0b6a4-3d1c-4d6e-9f5b"] {
            assert_eq!(request_id(id), None);
        }
    }

    #[test]
    fn a_base_address_may_hold_a_path_and_the_version() {
        let path = |base: &str, path: &str| endpoint(&VENDOR.base(base).unwrap(), path).to_string();
        assert_eq!(path("https://h", "v1/listen"), "https://h/v1/listen");
        assert_eq!(path("https://h/v1/", "v1/listen"), "https://h/v1/listen");
        assert_eq!(path("https://h:8/proxy/dg", "v1/listen"), "https://h:8/proxy/dg/v1/listen");
        assert!(VENDOR.base("h:80").is_err());
        assert!(VENDOR.base("ftp://h").is_err());
        assert_eq!(as_websocket(VENDOR.base("https://h").unwrap()).scheme(), "wss");
        assert_eq!(as_http(VENDOR.base("ws://h").unwrap()).scheme(), "http");
    }
}
