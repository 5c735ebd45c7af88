//! Selects the proxy for a URL: `HTTPS_PROXY` for https, `HTTP_PROXY` for http, `ALL_PROXY` as the fallback for both;
//! `NO_PROXY` lists hosts that are reached directly. Lower-case variables take precedence, as in curl and requests.

use std::fmt;
use std::net::IpAddr;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, TcpConnector, Transport};
use ureq::{Agent, Error, Proxy, ProxyProtocol};

use super::HubError;
use super::address::{origin, without_credentials};
use super::settings::Token;

/// A proxy and the environment variable that sets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedProxy {
    /// `HTTPS_PROXY`, …
    pub variable: &'static str,
    /// `http://user:password@host:port`.
    pub address: Token,
}

/// The proxies of the environment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Proxies {
    /// For `https://` URLs.
    pub https: Option<NamedProxy>,
    /// For `http://` URLs.
    pub http: Option<NamedProxy>,
    /// Hosts that are reached directly.
    pub except: Vec<String>,
}

impl Proxies {
    /// Reads the environment; `get` returns non-empty variables.
    pub(super) fn from_lookup(get: impl Fn(&str) -> Option<String>) -> Self {
        let first = |variables: [&'static str; 4]| {
            let found = variables.into_iter().find_map(|variable| Some((variable, get(variable)?)));
            found.map(|(variable, address)| NamedProxy { variable, address: Token(address) })
        };
        let except = get("no_proxy").or_else(|| get("NO_PROXY")).unwrap_or_default();
        Self {
            https: first(["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]),
            http: first(["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]),
            except: except.split([',', ' ']).filter(|entry| !entry.is_empty()).map(str::to_owned).collect(),
        }
    }

    /// The proxy for a URL.
    pub(super) fn of(&self, url: &str) -> Option<&NamedProxy> {
        let named = if url.starts_with("https:") { &self.https } else { &self.http };
        let (_, place) = origin(url).split_once("://")?;
        named.as_ref().filter(|_| !self.except.iter().any(|entry| covers(entry, place)))
    }
}

/// `host` and, if present, `port` of `host:port`, `[v6]:port` or `v6`.
fn split_port(place: &str) -> (&str, Option<&str>) {
    let whole = |host: &str| host.ends_with(']') || !host.contains(':');
    let (host, port) = match place.rsplit_once(':').filter(|(host, _)| whole(host)) {
        Some((host, port)) => (host, Some(port)),
        None => (place, None),
    };
    (host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.'), port)
}

/// Whether an entry of `NO_PROXY` (`host`, `.domain`, `host:port`, `10.0.0.0/8`, `*`) covers `host` or `host:port`.
fn covers(entry: &str, place: &str) -> bool {
    let (host, port) = split_port(place);
    if let Some((network, bits)) = entry.split_once('/') {
        return match (network.parse(), host.parse(), bits.parse::<u32>()) {
            (Ok(IpAddr::V4(network)), Ok(IpAddr::V4(host)), Ok(bits @ 0..=32)) => {
                (network.to_bits() ^ host.to_bits()).checked_shr(32 - bits).unwrap_or(0) == 0
            }
            (Ok(IpAddr::V6(network)), Ok(IpAddr::V6(host)), Ok(bits @ 0..=128)) => {
                (network.to_bits() ^ host.to_bits()).checked_shr(128 - bits).unwrap_or(0) == 0
            }
            _ => false,
        };
    }
    let (name, only) = split_port(entry);
    if only.is_some() && only != port {
        return false;
    }
    let (name, host) =
        (name.trim_start_matches('*').trim_start_matches('.').to_ascii_lowercase(), host.to_ascii_lowercase());
    // `*`, with or without a port.
    name.is_empty() || host == name || host.strip_suffix(&name).is_some_and(|before| before.ends_with('.'))
}

impl NamedProxy {
    /// Its address without credentials, and its variable.
    pub(super) fn name(&self) -> String {
        let (address, _) = without_credentials(&self.address.0);
        let (scheme, place) = origin(&address).split_once("://").unwrap_or(("http", origin(&address)));
        format!("the proxy {scheme}://{place} ({})", self.variable)
    }

    /// The error for its refusal to connect to a host.
    pub(super) fn refusal(&self, host: &str, subject: String, reason: &str) -> HubError {
        let variable = self.variable;
        // `proxy server responded 407/407`
        let status = reason.rsplit('/').next().filter(|status| status.parse::<u16>().is_ok());
        let problem = if status == Some("407") {
            format!("it requires a user name and password (407); set {variable}=http://user:password@host:port")
        } else {
            let said = status.map_or_else(|| reason.to_owned(), |status| format!("it responded with status {status}"));
            format!(
                "{said}; contact whoever runs it, correct {variable}, or add the host to NO_PROXY if it is reachable directly"
            )
        };
        HubError::Proxy { subject, host: host.to_owned(), proxy: self.name(), problem }
    }

    /// An agent that uses this proxy. https, and everything over SOCKS, goes through a tunnel; http requests are sent to an
    /// HTTP proxy itself, because many refuse tunnels to ports other than 443.
    ///
    /// # Errors
    /// [`HubError::BadProxy`].
    pub(super) fn agent(&self, config: impl Fn(Option<Proxy>) -> Config, https: bool) -> Result<Agent, HubError> {
        let unusable = |_| HubError::BadProxy { variable: self.variable };
        let proxy = Proxy::new(&self.address.0).map_err(unusable)?;
        if https || proxy.protocol() != ProxyProtocol::Http {
            return Ok(config(Some(proxy)).into());
        }
        let credentials = proxy.username().map(|user| format!("{user}:{}", proxy.password().unwrap_or_default()));
        let authorization = credentials.map(|text| format!("Proxy-Authorization: Basic {}\r\n", base64(&text)));
        let connector = ().chain(TcpConnector::default()).chain(AbsoluteUrl(authorization.unwrap_or_default()));
        let resolver = ToProxy(proxy.uri().clone(), DefaultResolver::default());
        Ok(Agent::with_parts(config(None), connector, resolver))
    }
}

/// Resolves every host to the proxy.
#[derive(Debug)]
struct ToProxy(Uri, DefaultResolver);

impl Resolver for ToProxy {
    fn resolve(&self, _: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        self.1.resolve(&self.0, config, timeout)
    }
}

/// Puts the absolute URL into the request line, as proxies require (RFC 9112, 3.2.2), followed by this header.
struct AbsoluteUrl(String);

impl fmt::Debug for AbsoluteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AbsoluteUrl(…)")
    }
}

impl<In: Transport> Connector<In> for AbsoluteUrl {
    type Out = Rewriting<In>;

    fn connect(&self, details: &ConnectionDetails, chained: Option<In>) -> Result<Option<Self::Out>, Error> {
        let origin = origin(&details.uri.to_string()).to_owned();
        Ok(chained.map(|inner| Rewriting { inner, origin, header: self.0.clone() }))
    }
}

/// The connection of [`AbsoluteUrl`].
struct Rewriting<In> {
    inner: In,
    origin: String,
    header: String,
}

impl<In> fmt::Debug for Rewriting<In> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rewriting").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl<In: Transport> Transport for Rewriting<In> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    /// All requests are GETs without a body, so each piece is the head of one.
    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let output = self.inner.buffers().output();
        let head = output.get(..amount).and_then(|head| rewritten(head, &self.origin, &self.header));
        let Some(head) = head else { return self.inner.transmit_output(amount, timeout) };
        let room = output.get_mut(..head.len()).ok_or(Error::LargeResponseHeader(head.len(), amount))?;
        room.copy_from_slice(&head);
        self.inner.transmit_output(head.len(), timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.inner.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }
}

/// `GET /path HTTP/1.1 …` as `GET http://host/path HTTP/1.1 …` with an additional header.
fn rewritten(head: &[u8], origin: &str, header: &str) -> Option<Vec<u8>> {
    let path = head.strip_prefix(b"GET ").filter(|path| path.starts_with(b"/"))?;
    let end = path.windows(2).position(|two| two == b"\r\n")? + 2;
    Some([b"GET ", origin.as_bytes(), &path[..end], header.as_bytes(), &path[end..]].concat())
}

/// RFC 4648.
pub(super) fn base64(text: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in text.as_bytes().chunks(3) {
        let bits = group.iter().fold(0u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - group.len()));
        for at in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * at) & 63) as usize];
            out.push(if at <= group.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(environment: &[(&str, &str)], url: &str) -> Option<String> {
        let get =
            |name: &str| environment.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned());
        Proxies::from_lookup(get).of(url).map(NamedProxy::name)
    }

    /// Fault (hub): a user name and password in the address of a proxy, also one with `/` or `@` → never shown
    #[test]
    fn each_scheme_has_its_own_proxy() {
        let (secure, plain) = ("https://huggingface.co/a", "http://mirror:8080/a");
        let only_http = [("HTTP_PROXY", "http://me:secret@p:3128/")];
        assert_eq!(by(&only_http, secure), None);
        assert_eq!(by(&only_http, plain).unwrap(), "the proxy http://p:3128 (HTTP_PROXY)", "without its password");
        for address in ["me:secret@p:3128", "http://me:sec/ret@p:3128", "http://me:sec@ret@p:3128"] {
            assert_eq!(by(&[("HTTP_PROXY", address)], plain).unwrap(), "the proxy http://p:3128 (HTTP_PROXY)");
        }
        let only_https = [("HTTPS_PROXY", "p:3128")];
        assert_eq!(by(&only_https, secure).unwrap(), "the proxy http://p:3128 (HTTPS_PROXY)");
        assert_eq!(by(&only_https, plain), None);
        let all = [("ALL_PROXY", "socks5h://s"), ("https_proxy", "http://small"), ("HTTPS_PROXY", "http://LARGE")];
        assert_eq!(by(&all, secure).unwrap(), "the proxy http://small (https_proxy)");
        assert_eq!(by(&all, plain).unwrap(), "the proxy socks5h://s (ALL_PROXY)");
        assert!(
            !format!("{:?}", Proxies::from_lookup(|name| (name == "HTTPS_PROXY").then(|| "http://me:secret@p".into())))
                .contains("secret")
        );
    }

    #[test]
    fn no_proxy_lists_hosts_domains_ports_and_networks() {
        for (entry, place, expected) in [
            ("*", "a.b:80", true),
            ("a.b", "a.b", true),
            ("a.b", "A.B:443", true),
            ("a.b", "x.a.b", true),
            ("a.b", "xa.b", false),
            (".a.b", "x.a.b:1", true),
            (".a.b", "a.b", true),
            ("*.a.b", "x.a.b", true),
            ("a.b:80", "a.b:80", true),
            ("a.b:80", "a.b:443", false),
            ("a.b:80", "a.b", false),
            ("127.0.0.1", "127.0.0.1:8080", true),
            ("10.0.0.0/8", "10.1.2.3:80", true),
            ("10.0.0.0/8", "11.1.2.3", false),
            ("0.0.0.0/0", "11.1.2.3", true),
            ("10.0.0.0/99", "10.0.0.0", false),
            ("::1", "[::1]:80", true),
            ("[::1]:80", "[::1]:80", true),
            ("fd00::/8", "[fd12::1]", true),
            ("fd00::/8", "10.0.0.1", false),
        ] {
            assert_eq!(covers(entry, place), expected, "{entry} {place}");
        }
        let environment = [("HTTP_PROXY", "p"), ("NO_PROXY", "localhost, .corp,10.0.0.0/8")];
        assert_eq!(by(&environment, "http://mirror.corp/x"), None);
        assert_eq!(by(&environment, "http://10.0.0.7:8081/x"), None);
        assert!(by(&environment, "http://mirror/x").is_some());
    }

    #[test]
    fn a_request_line_gets_the_absolute_url() {
        let head = b"GET /a?b HTTP/1.1\r\nhost: h:1\r\n\r\n";
        let sent = rewritten(head, "http://h:1", "Proxy-Authorization: Basic eA==\r\n").unwrap();
        let expected = "GET http://h:1/a?b HTTP/1.1\r\nProxy-Authorization: Basic eA==\r\nhost: h:1\r\n\r\n";
        assert_eq!(String::from_utf8(sent).unwrap(), expected);
        assert_eq!(rewritten(b"\r\nrest", "http://h:1", ""), None);
    }

    #[test]
    fn base64_is_that_of_the_rfc() {
        let texts = ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(base64);
        assert_eq!(texts, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]);
    }
}
