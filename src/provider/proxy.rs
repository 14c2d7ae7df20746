//! The way to vendors through a proxy, for WebSockets: as `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` say.
//!
//! Requests over HTTP take the same way, by the same variables, within their own client. Addresses of this machine are
//! always reached directly.

use std::fmt;
use std::io;
use std::net::IpAddr;

use tokio::net::TcpStream;
use url::{Host, Url};

/// Longer answers of proxies are not read.
const ANSWER: usize = 8 * 1024;

/// A proxy that tunnels, and its password.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Proxy {
    host: String,
    port: u16,
    /// The value of `Proxy-Authorization`.
    authorization: Option<String>,
}

/// Why a proxy did not let us through.
#[derive(Debug)]
pub(super) enum ProxyError {
    /// The variable is no address of a proxy that tunnels.
    Address,
    /// It could not be reached, or the connection to it broke.
    Io(io::Error),
    /// It answered with this status, or with something that is no answer.
    Refused(Option<u16>),
}

impl Proxy {
    /// The proxy on the way to `url`; `None`: there is none, the way is direct. `env` is asked for the variables, in lower
    /// and upper case.
    pub(super) fn on_the_way(url: &Url, env: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, ProxyError> {
        let var = |name: &str| {
            let value = env(&name.to_ascii_lowercase()).or_else(|| env(name));
            value.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
        };
        let Some(host) = url.host() else { return Ok(None) };
        if is_near(&host) || var("NO_PROXY").is_some_and(|list| is_listed(&host, &list)) {
            return Ok(None);
        }
        let named = if matches!(url.scheme(), "wss" | "https") { "HTTPS_PROXY" } else { "HTTP_PROXY" };
        var(named).or_else(|| var("ALL_PROXY")).map(|address| Self::parse(&address)).transpose()
    }

    /// `http://user:password@host:port`; the scheme may be left out.
    fn parse(address: &str) -> Result<Self, ProxyError> {
        let address = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
        let url = Url::parse(&address).map_err(|_| ProxyError::Address)?;
        let host = url.host_str().filter(|_| url.scheme() == "http").ok_or(ProxyError::Address)?;
        let user = (!url.username().is_empty()).then(|| {
            let password = url.password().unwrap_or_default();
            let pair = [decoded(url.username()), vec![b':'], decoded(password)].concat();
            format!("Basic {}", base64_simd::STANDARD.encode_to_string(pair))
        });
        let host = host.trim_matches(['[', ']']).to_owned();
        Ok(Self { host, port: url.port_or_known_default().unwrap_or(80), authorization: user })
    }

    /// A connection to `host` through it (RFC 9110 section 9.3.6).
    pub(super) async fn tunnel(&self, host: &str, port: u16) -> Result<TcpStream, ProxyError> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(ProxyError::Io)?;
        let mut request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n");
        if let Some(authorization) = &self.authorization {
            request.push_str(&format!("Proxy-Authorization: {authorization}\r\n"));
        }
        request.push_str("\r\n");
        write_all(&stream, request.as_bytes()).await.map_err(ProxyError::Io)?;
        match head(&stream).await.map_err(ProxyError::Io)? {
            Some(200..=299) => Ok(stream),
            status => Err(ProxyError::Refused(status)),
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address => f.write_str("HTTPS_PROXY, HTTP_PROXY or ALL_PROXY is not of the form http://host:port"),
            Self::Io(error) => write!(f, "cannot connect to the proxy ({error})"),
            Self::Refused(Some(407)) => f.write_str("the proxy wants another user and password (407)"),
            Self::Refused(Some(status)) => write!(f, "the proxy answered {status}"),
            Self::Refused(None) => f.write_str("the proxy does not speak HTTP"),
        }
    }
}

/// Whether that is this machine.
fn is_near(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.to_canonical().is_loopback(),
    }
}

/// Whether `NO_PROXY` has it: names with all that ends in them, addresses, networks like `10.0.0.0/8`, or `*`.
fn is_listed(host: &Host<&str>, list: &str) -> bool {
    let ip = match host {
        Host::Domain(_) => None,
        Host::Ipv4(ip) => Some(IpAddr::V4(*ip)),
        Host::Ipv6(ip) => Some(IpAddr::V6(*ip)),
    };
    let name = host.to_string().to_ascii_lowercase();
    list.split(',').map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| match ip {
        _ if entry == "*" => true,
        Some(ip) => match entry.split_once('/') {
            Some((network, bits)) => network.parse().is_ok_and(|network| is_within(ip, network, bits)),
            None => entry.trim_matches(['[', ']']).parse() == Ok(ip),
        },
        None => {
            let entry = entry.trim_start_matches('.').to_ascii_lowercase();
            name.strip_suffix(&entry).is_some_and(|front| front.is_empty() || front.ends_with('.'))
        }
    })
}

fn is_within(ip: IpAddr, network: IpAddr, bits: &str) -> bool {
    let (ip, network, length) = match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(network)) => {
            (u128::from(ip.to_bits()) << 96, u128::from(network.to_bits()) << 96, 32)
        }
        (IpAddr::V6(ip), IpAddr::V6(network)) => (ip.to_bits(), network.to_bits(), 128),
        _ => return false,
    };
    let Some(bits) = bits.parse::<u32>().ok().filter(|bits| *bits <= length) else { return false };
    bits == 0 || (ip ^ network) >> (128 - bits) == 0
}

/// What percent signs stand for; one that stands for nothing stays.
fn decoded(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, behind @ ..] = rest {
        let pair = behind.get(..2).and_then(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        (bytes, rest) = match pair.filter(|_| *first == b'%') {
            Some(byte) => ([bytes, vec![byte]].concat(), behind.get(2..).unwrap_or_default()),
            None => ([bytes, vec![*first]].concat(), behind),
        };
    }
    bytes
}

async fn write_all(stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.writable().await?;
        match stream.try_write(bytes) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads the head of an answer and nothing behind it: its status, `None` when it is none.
async fn head(stream: &TcpStream) -> io::Result<Option<u16>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= ANSWER {
            return Ok(None);
        }
        stream.readable().await?;
        let mut byte = [0];
        match stream.try_read(&mut byte) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => head.extend(byte),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    let line = head.split(|byte| *byte == b'\r').next().and_then(|line| std::str::from_utf8(line).ok());
    let status = line.filter(|line| line.starts_with("HTTP/1.")).and_then(|line| line.split(' ').nth(1));
    Ok(status.and_then(|status| status.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    fn way(url: &str, env: &[(&str, &str)]) -> Option<String> {
        let env = |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let proxy = Proxy::on_the_way(&Url::parse(url).unwrap(), env).unwrap();
        proxy.map(|proxy| format!("{}:{}", proxy.host, proxy.port))
    }

    #[test]
    fn the_variables_say_which_way_to_go() {
        let env = [("HTTPS_PROXY", "http://one:3128"), ("http_proxy", "two:3129"), ("ALL_PROXY", "three")];
        assert_eq!(way("wss://api.example.com", &env).as_deref(), Some("one:3128"));
        assert_eq!(way("ws://api.example.com", &env).as_deref(), Some("two:3129"));
        assert_eq!(way("wss://api.example.com", &env[2..]).as_deref(), Some("three:80"));
        assert_eq!(way("wss://api.example.com", &[]), None);
        for near in ["ws://localhost:9", "ws://127.0.0.1:9", "ws://[::1]:9"] {
            assert_eq!(way(near, &env), None, "{near}");
        }
        let without = |list: &str, url: &str| way(url, &[env[0], ("NO_PROXY", list)]).is_none();
        assert!(without("example.com", "wss://api.example.com") && without(".EXAMPLE.com, x", "wss://api.example.com"));
        assert!(!without("ample.com", "wss://api.example.com") && without("*", "wss://api.example.com"));
        assert!(without("10.0.0.0/8", "wss://10.9.8.7") && !without("10.0.0.0/8", "wss://11.9.8.7"));
        assert!(without("192.0.2.1", "wss://192.0.2.1") && !without("192.0.2.1/x", "wss://192.0.2.1"));
    }

    #[test]
    fn what_is_no_proxy_is_told_and_its_password_is_not() {
        let told = |address: &str| Proxy::parse(address).unwrap_err().to_string();
        for address in ["socks5://h:1", "https://h:1", "http://", "http://user:secret@"] {
            assert!(told(address).contains("is not of the form http://host:port"), "{address}");
        }
        let proxy = Proxy::parse("http://me:p%40ss@h:8080").unwrap();
        assert_eq!(proxy.authorization.as_deref(), Some("Basic bWU6cEBzcw=="));
        assert!(!format!("{proxy:?}").contains("bWU6"));
    }

    /// A proxy that answers each connection with `answer`, echoes what comes then, and says what it was asked.
    async fn proxy(answer: &'static str) -> (Proxy, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let task = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                asked.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            let mut byte = [0];
            while stream.read_exact(&mut byte).await.is_ok() && stream.write_all(&byte).await.is_ok() {}
            String::from_utf8(asked).unwrap()
        });
        (Proxy::parse(&format!("http://me:pw@127.0.0.1:{port}")).unwrap(), task)
    }

    #[tokio::test]
    async fn a_tunnel_leads_to_the_vendor_and_nothing_is_lost_of_what_comes() {
        let (proxy, task) = proxy("HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\nfirst").await;
        let mut stream = proxy.tunnel("api.example.com", 443).await.unwrap();
        let mut bytes = [0; 5];
        stream.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"first");
        stream.write_all(b"hello").await.unwrap();
        stream.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"hello");
        drop(stream);
        let asked = task.await.unwrap();
        assert!(asked.starts_with("CONNECT api.example.com:443 HTTP/1.1\r\nHost: api.example.com:443\r\n"), "{asked}");
        assert!(asked.contains("Proxy-Authorization: Basic bWU6cHc=\r\n"), "{asked}");
    }

    #[tokio::test]
    async fn a_proxy_that_refuses_or_talks_nonsense_is_told() {
        for (answer, told) in [
            ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "wants another user and password"),
            ("HTTP/1.1 502 Bad Gateway\r\n\r\n", "the proxy answered 502"),
            ("220 mail.example.com\r\n\r\n", "does not speak HTTP"),
        ] {
            let (proxy, _task) = proxy(answer).await;
            let error = proxy.tunnel("api.example.com", 443).await.unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }
}
