//! HTTP requests: retried after transient failures, and interruptible at any time.

use std::fmt::{self, Write as _};
use std::io::{self, Read};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ureq::http::{HeaderMap, Response, StatusCode};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, BodyReader};

use super::{Hub, HubError, HubFile, HubSettings, NamedProxy, RepoKind, Service, rate_limit, roots};
use crate::progress::{Cancel, Progress};

/// Maximum number of redirects.
pub(super) const MAX_HOPS: usize = 10;

/// Maximum size of an API response in bytes; the Hub's largest are listings of 1,000 entries of some 300 bytes.
const MAX_BODY: u64 = 64 << 20;

/// Interval at which a wait checks for cancellation.
const CANCEL_POLL: Duration = Duration::from_millis(50);

/// The HTTP agents for one URL scheme.
pub(super) struct Agents {
    direct: Agent,
    proxied: Option<Agent>,
    /// The root certificates, for messages.
    roots: String,
}

impl Agents {
    /// Redirects are followed manually: the token must not leave the endpoint, and their headers describe the file.
    fn new(settings: &HubSettings, https: bool) -> Result<Self, HubError> {
        let proxy = if https { &settings.proxies.https } else { &settings.proxies.http };
        // Loading the root certificates is slow, and http does not need them.
        let secure = https || proxy.as_ref().is_some_and(|proxy| proxy.address.0.starts_with("https:"));
        let (roots, named) = if secure { settings.roots.load()? } else { (RootCerts::WebPki, String::new()) };
        let read_timeout = Some(settings.read_timeout);
        let config = |proxy| {
            Agent::config_builder()
                .max_redirects(0)
                .max_redirects_will_error(false)
                .http_status_as_error(false)
                .user_agent(concat!("facevault/", env!("CARGO_PKG_VERSION")))
                .max_idle_connections_per_host(16)
                .timeout_resolve(read_timeout)
                .timeout_connect(read_timeout)
                .timeout_recv_response(read_timeout)
                .timeout_per_read(read_timeout)
                .tls_config(TlsConfig::builder().root_certs(roots.clone()).build())
                .proxy(proxy)
                .build()
        };
        let proxied = proxy.as_ref().map(|proxy| proxy.agent(config, https)).transpose()?;
        Ok(Self { direct: config(None).into(), proxied, roots: named })
    }
}

/// `scheme://host:port` of a URL.
pub(super) fn origin(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    url[start..].find(['/', '?', '#']).map_or(url, |at| &url[..start + at])
}

/// Host and port of a URL.
fn host(url: &str) -> &str {
    let origin = origin(url);
    let place = origin.split_once("://").map_or(origin, |(_, place)| place);
    place.rsplit_once('@').map_or(place, |(_, host)| host)
}

/// Resolves the URL of a `Location` or `Link` header.
pub(super) fn join(base: &str, reference: &str) -> String {
    if reference.contains("://") {
        reference.to_owned()
    } else if let Some(rest) = reference.strip_prefix("//") {
        format!("{}://{rest}", base.split_once("://").map_or("https", |(scheme, _)| scheme))
    } else if reference.starts_with('/') {
        format!("{}{reference}", origin(base))
    } else {
        let path = base.split(['?', '#']).next().unwrap_or(base);
        let folder = path.rfind('/').filter(|&at| at >= origin(base).len()).map_or(path, |at| &path[..at]);
        format!("{folder}/{reference}")
    }
}

/// Percent-encodes a path; `/` is kept.
pub(super) fn escape(path: &str) -> String {
    path.bytes().fold(String::with_capacity(path.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

/// The text of a header.
pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// A GET.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub url: &'a str,
    /// The first byte that is wanted.
    pub from: u64,
    /// The entity tag of the bytes before it: if the file has another one by now, it is sent from its start.
    pub if_range: Option<&'a str>,
    pub service: Service,
}

impl<'a> Request<'a> {
    /// One to the Hub, for the bytes from `from` on.
    pub fn of_hub(url: &'a str, from: u64) -> Self {
        Self { url, from, if_range: None, service: Service::Hub }
    }
}

impl Hub {
    /// Repeats `attempt` with exponential backoff while it fails with a transient error.
    pub(super) fn with_retries<T>(
        &self,
        progress: &dyn Progress,
        cancel: &Cancel,
        mut attempt: impl FnMut() -> Result<T, HubError>,
    ) -> Result<T, HubError> {
        let mut made = 1;
        loop {
            let error = match attempt() {
                Err(error) if made < error.attempts(self.settings.attempts) => error,
                result => return result,
            };
            let mut pause = self.settings.backoff * 2u32.saturating_pow(made - 1);
            // The remedy after the semicolon does not apply: the request is retried.
            let message = error.to_string();
            let problem = message.split("; ").next().unwrap_or(&message);
            if let HubError::RateLimited { wait, service, .. } = error {
                match wait {
                    Some(wait) if wait > self.settings.max_wait => return Err(error),
                    // A server that says "now" and refuses again must not be asked forever.
                    wait => pause = pause.max(wait.unwrap_or_default()),
                }
                let helps = service == Service::Hub && self.settings.token.is_none();
                let remedy = if helps { "; set HF_TOKEN for a higher limit" } else { "" };
                if self.pause.at_least(pause) {
                    progress.say(&format!("{problem}; continuing in {pause:.0?}{remedy}"));
                }
            } else {
                progress.say(&format!("{problem}; retrying in {pause:.0?}"));
                sleep(pause, cancel)?;
            }
            made += 1;
        }
    }

    /// The response to a GET after redirects, and its URL. `what` names it in messages.
    pub(super) fn whole_body(
        &self,
        mut url: String,
        subject: &HubFile,
        what: &str,
        cancel: &Cancel,
    ) -> Result<(String, HeaderMap, Vec<u8>), HubError> {
        for _ in 0..MAX_HOPS {
            let response = self.get(Request::of_hub(&url, 0), subject, cancel)?;
            let (status, headers) = (response.status(), response.headers().clone());
            if let Some(location) = header(&headers, "location").filter(|_| status.is_redirection()) {
                url = join(&url, location);
                continue;
            }
            if !status.is_success() {
                return Err(self.refusal(&url, status, &headers, subject));
            }
            let announced = header(&headers, "content-length").and_then(|text| text.parse().ok());
            let mut body = Vec::new();
            let (body, result) = interruptible(cancel, move || {
                let result = response.into_body().into_reader().take(MAX_BODY).read_to_end(&mut body);
                (body, result)
            })?;
            let got = body.len() as u64;
            if result.is_err() || announced.is_some_and(|size| got < size) {
                let (reason, host) = (result.err().map(|error| error.to_string()), self.host(&url));
                return Err(HubError::Truncated { subject: what.to_owned(), host, got, size: announced, reason });
            }
            return Ok((url, headers, body));
        }
        Err(self.unexpected(&url, &what, "too many redirects"))
    }

    /// A single GET without redirects. The token is sent to the endpoint only, and only by requests to the Hub.
    pub(super) fn get(
        &self,
        Request { url, from, if_range, service }: Request<'_>,
        subject: &dyn fmt::Display,
        cancel: &Cancel,
    ) -> Result<Response<Body>, HubError> {
        self.pause.wait(cancel)?;
        // Digests cover the bytes of the file, so compression is not allowed.
        let (agents, proxy) = self.agents(url)?;
        let agent = agents.proxied.as_ref().filter(|_| proxy.is_some()).unwrap_or(&agents.direct);
        let mut request = agent.get(url).header("accept-encoding", "identity");
        if from > 0 {
            request = request.header("range", format!("bytes={from}-"));
            if let Some(etag) = if_range {
                request = request.header("if-range", etag);
            }
        }
        let token = self.settings.token.as_ref().filter(|_| service == Service::Hub && self.is_endpoint(url));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {}", token.0));
        }
        let response = interruptible(cancel, move || request.call())?;
        response.map_err(|error| {
            let (subject, reason) = (subject.to_string(), error.to_string());
            if let Some(problem) = roots::certificate_error(&error, &agents.roots) {
                return HubError::Untrusted { subject, host: self.host(url), problem };
            }
            let host_and_proxy = self.host(url);
            match (error, proxy) {
                // Its text contains the whole URL, which may be signed.
                (ureq::Error::BadUri(_), _) if service == Service::Url => {
                    let reason = "not a valid URL".into();
                    HubError::Unexpected { subject, host: host_and_proxy, reason, service }
                }
                (ureq::Error::BadUri(_) | ureq::Error::Http(_) | ureq::Error::Protocol(_), _) => {
                    HubError::Unexpected { subject, host: host_and_proxy, reason, service }
                }
                (ureq::Error::ConnectProxyFailed(reason), Some(proxy)) => proxy.refusal(host(url), subject, &reason),
                _ => HubError::Unreachable { subject, host: host_and_proxy, reason, service },
            }
        })
    }

    /// The agents for a URL, and its proxy.
    fn agents(&self, url: &str) -> Result<(&Agents, Option<&NamedProxy>), HubError> {
        let https = url.starts_with("https:");
        let known = &self.agents[usize::from(https)];
        let agents = if let Some(agents) = known.get() {
            agents
        } else {
            let made = Agents::new(&self.settings, https)?;
            known.get_or_init(|| made)
        };
        Ok((agents, self.settings.proxies.of(url)))
    }

    /// Host and port of a URL, and its proxy, for messages.
    pub(super) fn host(&self, url: &str) -> String {
        match self.settings.proxies.of(url) {
            Some(proxy) => format!("{} through {}", host(url), proxy.name()),
            None => host(url).to_owned(),
        }
    }

    /// The error for a response that the Hub would not send.
    pub(super) fn unexpected(&self, url: &str, subject: &impl ToString, reason: impl Into<String>) -> HubError {
        let (subject, host, reason) = (subject.to_string(), self.host(url), reason.into());
        HubError::Unexpected { subject, host, reason, service: Service::Hub }
    }

    /// Whether a URL belongs to the endpoint.
    pub(super) fn is_endpoint(&self, url: &str) -> bool {
        origin(url).eq_ignore_ascii_case(origin(&self.settings.endpoint))
    }

    /// The error for an unsuccessful status of the Hub.
    pub(super) fn refusal(&self, url: &str, status: StatusCode, headers: &HeaderMap, subject: &HubFile) -> HubError {
        let (kind, repo, revision) = (subject.kind, subject.repo.clone(), subject.revision.clone());
        let (host, name) = (self.host(url), subject.to_string());
        let page = match kind {
            RepoKind::Model => format!("{}/{repo}", self.settings.endpoint),
            RepoKind::Dataset => format!("{}/datasets/{repo}", self.settings.endpoint),
        };
        match (status.as_u16(), header(headers, "x-error-code")) {
            (401, _) => HubError::Unauthorized { subject: name, host, token: self.settings.token.is_some() },
            (403, _) => HubError::Forbidden { subject: name, host, page },
            (404, Some("RepoNotFound")) => HubError::NoRepository { host, kind, repo },
            (404, Some("RevisionNotFound")) => HubError::NoRevision { kind, repo, revision, page },
            (404, _) => HubError::NoEntry { subject: name, revision, page },
            _ => self.failed_status(url, status, headers, name, Service::Hub),
        }
    }

    /// The error for an unsuccessful status that says nothing about the file itself.
    pub(super) fn failed_status(
        &self,
        url: &str,
        status: StatusCode,
        headers: &HeaderMap,
        subject: String,
        service: Service,
    ) -> HubError {
        let host = self.host(url);
        match (status.as_u16(), self.settings.proxies.of(url)) {
            (407, Some(proxy)) => proxy.refusal(self::host(url), subject, status.as_str()),
            (429, _) => HubError::RateLimited { subject, host, wait: rate_limit::pause(headers), service },
            (status @ 500..=599, _) => HubError::Server { subject, host, status },
            (status, _) => HubError::Unexpected { subject, host, reason: format!("status {status}"), service },
        }
    }
}

/// A pause that applies to the requests of all threads.
#[derive(Default)]
pub(super) struct Pause(Mutex<Option<Instant>>);

impl Pause {
    /// Extends the pause to at least this long from now; returns whether a new one begins.
    fn at_least(&self, pause: Duration) -> bool {
        let now = Instant::now();
        let mut until = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let begins = until.is_none_or(|until| until <= now);
        *until = until.max(Some(now + pause));
        begins
    }

    /// Waits until it is over.
    fn wait(&self, cancel: &Cancel) -> Result<(), HubError> {
        loop {
            let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match until.and_then(|until| until.checked_duration_since(Instant::now())) {
                Some(left) if !left.is_zero() => sleep(left, cancel)?,
                _ => return Ok(()),
            }
        }
    }
}

/// A body that is received in the background, so that a stalled connection does not prevent cancellation.
pub(super) struct Chunks(Receiver<io::Result<Vec<u8>>>);

impl Chunks {
    pub fn of(body: Body) -> Result<Self, HubError> {
        let (sender, receiver) = mpsc::sync_channel(8);
        spawn(move || send_all(body.into_reader(), &sender))?;
        Ok(Self(receiver))
    }

    /// The next bytes; `None` at the end.
    pub fn next(&self, cancel: &Cancel) -> Result<Option<io::Result<Vec<u8>>>, HubError> {
        wait_for(&self.0, cancel)
    }
}

fn send_all(mut body: BodyReader<'static>, sender: &SyncSender<io::Result<Vec<u8>>>) {
    let mut buffer = vec![0; 128 * 1024];
    loop {
        let chunk = match body.read(&mut buffer) {
            Ok(0) => return,
            Ok(n) => Ok(buffer[..n].to_vec()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let failed = chunk.is_err();
        if sender.send(chunk).is_err() || failed {
            return;
        }
    }
}

/// Runs blocking work on another thread and abandons it on cancellation.
pub(super) fn interruptible<T: Send + 'static>(
    cancel: &Cancel,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, HubError> {
    let (sender, receiver) = mpsc::sync_channel(1);
    spawn(move || drop(sender.send(work())))?;
    wait_for(&receiver, cancel)?.ok_or(HubError::Interrupted)
}

fn spawn(work: impl FnOnce() + Send + 'static) -> Result<(), HubError> {
    let thread = thread::Builder::new().name("hub".into()).spawn(work);
    thread.map(drop).map_err(|error| crate::files::FileError::new("start a thread for", "the Hub")(error).into())
}

fn wait_for<T>(receiver: &Receiver<T>, cancel: &Cancel) -> Result<Option<T>, HubError> {
    loop {
        if cancel.requested() {
            return Err(HubError::Interrupted);
        }
        match receiver.recv_timeout(CANCEL_POLL) {
            Ok(value) => return Ok(Some(value)),
            Err(RecvTimeoutError::Disconnected) => return Ok(None),
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

fn sleep(pause: Duration, cancel: &Cancel) -> Result<(), HubError> {
    let end = Instant::now() + pause;
    loop {
        if cancel.requested() {
            return Err(HubError::Interrupted);
        }
        match end.checked_duration_since(Instant::now()) {
            Some(left) if !left.is_zero() => thread::sleep(left.min(CANCEL_POLL)),
            _ => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_resolved_like_in_browsers() {
        let base = "http://hub:80/a/b?c=/d";
        assert_eq!(join(base, "https://cdn/x"), "https://cdn/x");
        assert_eq!(join(base, "//cdn/x"), "http://cdn/x");
        assert_eq!(join(base, "/x?y"), "http://hub:80/x?y");
        assert_eq!(join(base, "x"), "http://hub:80/a/x");
        assert_eq!(join("http://hub", "x"), "http://hub/x");
    }

    #[test]
    fn an_origin_ends_where_the_path_begins() {
        assert_eq!(origin("http://hub:80/a"), "http://hub:80");
        assert_eq!(origin("http://hub?a"), "http://hub");
        assert_eq!(host("https://hub/a"), "hub");
        assert_eq!(host("https://me:secret@hub:80/a"), "hub:80");
        assert_ne!(origin("http://hub.evil/a"), origin("http://hub/a"));
    }

    #[test]
    fn paths_are_escaped() {
        assert_eq!(escape("a b/ü#?.png"), "a%20b/%C3%BC%23%3F.png");
    }
}
