//! Tools of an agent's own, each an HTTPS request: the model's arguments go out, the answer's text comes back.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::{Action, Attempt, Policy};
use reqwest::{Client, Method, Response};
use serde_json::{Map, Value};
use url::{Host, Url};

use crate::conversation::{Failure, ToolCall, ToolResult, Variables};

use super::http::{CONNECT_TIMEOUT, install_crypto, root_cause};
use super::{ProviderError, Secret, ToolStream, Tools};

/// The most of an answer that the model is given; the rest is left unread.
const LONGEST_ANSWER: usize = 8 * 1024;
/// The most of a refusal's text that the model is given.
const LONGEST_REFUSAL: usize = 512;
/// Redirects within one host that are followed.
const REDIRECTS: usize = 3;

/// One tool behind an address.
#[derive(Clone, PartialEq, Debug)]
pub struct HttpTool {
    /// The name the model calls it by.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// How it is asked.
    pub method: ToolMethod,
    /// Headers of the request; values may hold `{{variables}}`.
    pub headers: Vec<(String, Secret)>,
    /// How long the whole answer may take.
    pub timeout: Duration,
}

/// How a tool is asked.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum ToolMethod {
    /// The arguments are the query.
    Get,
    /// The arguments are the body, as JSON.
    #[default]
    Post,
}

/// What tools' addresses may be. By default only `https` and only hosts of the public internet: an address in the
/// configuration must not open a way into the network the engine runs in.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ToolPolicy {
    /// Plain `http` too.
    pub allow_http: bool,
    /// Loopback, private and other addresses that are not public too.
    pub allow_private: bool,
}

/// The tools of one agent.
///
/// Each call of the model is one request, never repeated: whether a tool may run twice only its owner knows. Redirects
/// are followed within the host only. No proxy is used, since the check of addresses must be ours. Whatever goes wrong is a
/// result too: text that begins with `error:`.
#[derive(Clone)]
pub struct HttpTools {
    client: Client,
    tools: Arc<[Ready]>,
}

/// A tool that was checked.
#[derive(Clone)]
struct Ready {
    name: String,
    url: Url,
    method: Method,
    headers: Vec<(HeaderName, Secret)>,
    timeout: Duration,
}

impl fmt::Debug for HttpTools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.tools.iter().map(|tool| &tool.name)).finish()
    }
}

impl HttpTools {
    /// The tools of an agent; nothing is connected yet.
    ///
    /// # Errors
    ///
    /// What is wrong with one of them: its address, its scheme or host under `policy`, a header.
    pub fn new(tools: &[HttpTool], policy: ToolPolicy) -> Result<Self, ProviderError> {
        let tools: Arc<[Ready]> = tools.iter().map(|tool| Ready::new(tool, policy)).collect::<Result<_, _>>()?;
        install_crypto();
        let mut builder = Client::builder()
            .user_agent(concat!("agentphone/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .retry(reqwest::retry::never())
            .redirect(Policy::custom(within_the_host))
            .no_proxy();
        if !policy.allow_private {
            builder = builder.dns_resolver(Arc::new(PublicOnly));
        }
        if tools.iter().all(|tool| tool.url.scheme() == "http") {
            // Nothing is encrypted, so a machine without root certificates will do.
            builder = builder.tls_certs_only([]);
        }
        let client = builder.build().map_err(|error| {
            let what = format!("no client for tools could be made ({}), root certificates?", root_cause(&error));
            ProviderError::new(Failure::Unavailable, what)
        })?;
        Ok(Self { client, tools })
    }
}

impl Tools for HttpTools {
    fn open(&self, call: ToolCall) -> ToolStream {
        let tool = self.tools.iter().find(|tool| tool.name == call.name).cloned();
        let client = self.client.clone();
        ToolStream::spawn(move |result| async move {
            let content = match tool {
                Some(tool) => tool.run(&client, &call.arguments).await,
                None => "error: there is no such tool; answer without it".to_owned(),
            };
            let outcome = if content.starts_with("error:") { "error" } else { "ok" };
            metrics::counter!("agentphone_tool_runs_total", "outcome" => outcome).increment(1);
            // Fails only when nobody waits for the result.
            let _ = result.send(ToolResult { id: call.id, content }).await;
        })
    }

    fn for_call(&self, variables: &Variables) -> Option<Arc<dyn Tools>> {
        let filled = |tool: &Ready| {
            let value = |value: &Secret| Secret::new(variables.fill(value.reveal()).text);
            let headers = tool.headers.iter().map(|(name, text)| (name.clone(), value(text))).collect();
            Ready { headers, ..tool.clone() }
        };
        Some(Arc::new(Self { client: self.client.clone(), tools: self.tools.iter().map(filled).collect() }))
    }
}

impl Ready {
    fn new(tool: &HttpTool, policy: ToolPolicy) -> Result<Self, ProviderError> {
        let wrong = |what: &str| ProviderError::new(Failure::BadRequest, format!("tool {}: {what}", tool.name));
        let url = Url::parse(&tool.url).map_err(|error| wrong(&format!("its url is none ({error})")))?;
        match url.scheme() {
            "https" => {}
            "http" if policy.allow_http => {}
            _ => return Err(wrong("its url must begin with https://")),
        }
        let is_private = match url.host() {
            None => return Err(wrong("its url names no host")),
            Some(Host::Domain(_)) => false,
            Some(Host::Ipv4(address)) => !is_public(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => !is_public(IpAddr::V6(address)),
        };
        if is_private && !policy.allow_private {
            return Err(wrong("its url leads to an address that is not public"));
        }
        let headers = tool.headers.iter().map(|(name, value)| {
            let name = HeaderName::try_from(name).map_err(|_| wrong(&format!("\"{name}\" is no name of a header")))?;
            HeaderValue::from_str(value.reveal()).map_err(|_| wrong(&format!("the value of {name} is none")))?;
            Ok((name, value.clone()))
        });
        Ok(Self {
            name: tool.name.clone(),
            headers: headers.collect::<Result<_, ProviderError>>()?,
            method: if tool.method == ToolMethod::Get { Method::GET } else { Method::POST },
            timeout: tool.timeout,
            url,
        })
    }

    /// Runs once; what the model is told.
    async fn run(&self, client: &Client, arguments: &str) -> String {
        let arguments = match arguments.trim() {
            "" => Map::new(),
            text => match serde_json::from_str(text) {
                Ok(Value::Object(arguments)) => arguments,
                _ => return "error: the arguments must be a JSON object; nothing was run".to_owned(),
            },
        };
        let Some(headers) = self.headers() else {
            return "error: a variable of this tool holds what no header may hold; nothing was run".to_owned();
        };
        match tokio::time::timeout(self.timeout, self.ask(client, arguments, headers)).await {
            Ok(content) => content,
            Err(_) => "error: the tool did not answer in time".to_owned(),
        }
    }

    async fn ask(&self, client: &Client, arguments: Map<String, Value>, headers: HeaderMap) -> String {
        let request = match self.method {
            Method::GET => {
                let mut url = self.url.clone();
                if !arguments.is_empty() {
                    let text = |value: Value| match value {
                        Value::String(text) => text,
                        other => other.to_string(),
                    };
                    url.query_pairs_mut().extend_pairs(arguments.into_iter().map(|(name, value)| (name, text(value))));
                }
                client.get(url)
            }
            _ => client.post(self.url.clone()).json(&Value::Object(arguments)),
        };
        match request.headers(headers).send().await {
            Ok(response) => answer(response).await,
            Err(error) => {
                tracing::debug!(tool = %self.name, error = %root_cause(&error), "a tool could not be reached");
                "error: the tool could not be reached".to_owned()
            }
        }
    }

    fn headers(&self) -> Option<HeaderMap> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let mut value = HeaderValue::from_str(value.reveal()).ok()?;
            value.set_sensitive(true);
            headers.append(name, value);
        }
        Some(headers)
    }
}

/// An answer's text, cut at its bound.
async fn answer(mut response: Response) -> String {
    let status = response.status();
    let most = if status.is_success() { LONGEST_ANSWER } else { LONGEST_REFUSAL };
    let mut body = Vec::new();
    let is_whole = loop {
        match response.chunk().await {
            Ok(None) => break true,
            Ok(Some(chunk)) => {
                let room = most - body.len();
                body.extend_from_slice(chunk.get(..room.min(chunk.len())).unwrap_or_default());
                if chunk.len() > room {
                    break false;
                }
            }
            Err(_) => return "error: the tool's answer broke off".to_owned(),
        }
    };
    let text = text_of(&body, is_whole);
    match (status.is_success(), text.trim().is_empty()) {
        (true, true) => "done (the answer is empty)".to_owned(),
        (true, false) => text,
        (false, true) => format!("error: the tool answered {}", status.as_u16()),
        (false, false) => format!("error: the tool answered {}: {}", status.as_u16(), text.trim()),
    }
}

fn text_of(body: &[u8], is_whole: bool) -> String {
    if is_whole {
        return String::from_utf8_lossy(body).into_owned();
    }
    // The cut may have gone through a character.
    let end = std::str::from_utf8(body).map_or_else(
        |error| if error.error_len().is_none() { error.valid_up_to() } else { body.len() },
        |text| text.len(),
    );
    format!("{}… (cut here)", String::from_utf8_lossy(body.get(..end).unwrap_or_default()))
}

/// Follows a redirect to the same host, port and scheme; shows any other as what was answered.
fn within_the_host(attempt: Attempt<'_>) -> Action {
    let is_within = attempt.previous().last().is_some_and(|from| from.origin() == attempt.url().origin());
    if is_within && attempt.previous().len() <= REDIRECTS { attempt.follow() } else { attempt.stop() }
}

/// Finds only public addresses, at the moment of connecting: a name that later leads elsewhere gains nothing.
#[derive(Debug)]
struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err("the name leads to no public address".into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// Whether an address belongs to the public internet (IANA special-purpose registries, RFC 6890 and its successors).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19)))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match (a, b) {
        // IPv4 in IPv6: mapped, translated (RFC 6052), 6to4.
        (0, 0) if (c, d, e, f) == (0, 0, 0, 0xFFFF) => is_public_v4(v4(g, h)),
        (0x64, 0xFF9B) if (c, d, e, f) == (0, 0, 0, 0) => is_public_v4(v4(g, h)),
        (0x2002, _) => is_public_v4(v4(b, c)),
        // Documentation, Teredo and the other protocol assignments.
        (0x2001, 0xDB8) => false,
        (0x2001, 0..=0x1FF) => false,
        // What is left of global unicast.
        _ => (0x2000..0x4000).contains(&a) && a != 0x3FFF,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(url: &str) -> HttpTool {
        HttpTool {
            name: "look_up".into(),
            url: url.into(),
            method: ToolMethod::Post,
            headers: Vec::new(),
            timeout: Duration::from_secs(1),
        }
    }

    #[test]
    fn only_the_public_internet_is_public() {
        for address in ["8.8.8.8", "100.63.0.1", "172.15.0.1", "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::1"]
        {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.0.0.8",
            "192.168.0.1",
            "192.88.99.1",
            "198.18.0.1",
            "203.0.113.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::7f00:1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "100::1",
            "3fff::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn an_address_outside_the_policy_is_refused_before_anything_is_asked() {
        let open = ToolPolicy { allow_http: true, allow_private: true };
        for (url, is_fine) in [
            ("http://127.0.0.1:1/x", true),
            ("https://10.0.0.1/x", true),
            ("ftp://example.com/x", false),
            ("file:///etc/passwd", false),
            ("nonsense", false),
        ] {
            assert_eq!(Ready::new(&tool(url), open).is_ok(), is_fine, "{url}");
        }
        for url in [
            "http://example.com/x",
            "https://127.0.0.1/x",
            "https://[::1]/x",
            "https://169.254.169.254/latest",
            "https://2130706433/x",
            "https://0x7f.1/x",
            "https://[::ffff:10.0.0.1]/x",
        ] {
            assert!(Ready::new(&tool(url), ToolPolicy::default()).is_err(), "{url}");
        }
        assert!(Ready::new(&tool("https://example.com/x"), ToolPolicy::default()).is_ok());
    }

    #[test]
    fn a_long_answer_is_cut_between_characters() {
        assert_eq!(text_of("na\u{ef}ve".as_bytes(), true), "naïve");
        assert_eq!(text_of(&"na\u{ef}ve".as_bytes()[..3], false), "na… (cut here)");
    }
}
