//! HTTP requests: retried after transient failures, and interruptible at any time.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ureq::http::{HeaderMap, Response, StatusCode};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body};

use super::address::{host, join, origin};
use super::body::{Chunks, Ended, interruptible, sleep};
use super::proxy::{NamedProxy, base64};
use super::{Hub, HubError, HubFile, HubSettings, RepoKind, Service, Token, is_commit, rate_limit, roots};
use crate::progress::{Cancel, Progress};
use crate::text;

/// Maximum number of redirects.
pub(super) const MAX_HOPS: usize = 10;

/// Maximum size of the headers of a response in bytes.
const MAX_HEADERS: usize = 64 << 10;

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
                .max_response_header_size(MAX_HEADERS)
                .timeout_resolve(read_timeout)
                .timeout_connect(read_timeout)
                .timeout_send_request(read_timeout)
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

/// The text of a header.
pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// Whether the end of the body shows, although its length is not announced.
pub(super) fn is_chunked(headers: &HeaderMap) -> bool {
    header(headers, "transfer-encoding").is_some_and(|coding| coding.to_ascii_lowercase().contains("chunked"))
}

/// The `Authorization` header for the endpoint: a user name and password in its URL go before the token, as in Python.
pub(super) fn authorization(settings: &HubSettings) -> Option<Token> {
    let basic = settings.credentials.as_ref().map(|Token(credentials)| {
        let colon = if credentials.contains(':') { "" } else { ":" };
        Token(format!("Basic {}", base64(&format!("{credentials}{colon}"))))
    });
    basic.or_else(|| settings.token.as_ref().map(|Token(token)| Token(format!("Bearer {token}"))))
}

fn is_http(url: &str) -> bool {
    url.starts_with("http://") || url.starts_with("https://")
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

    /// The response to a GET of the API after redirects, and its URL. `what` names it in messages; it must be complete at
    /// `end`, which is some time after the work began that it is part of.
    pub(super) fn whole_body(
        &self,
        mut url: String,
        subject: &HubFile,
        what: &str,
        end: (Instant, Duration),
        cancel: &Cancel,
    ) -> Result<(String, HeaderMap, Vec<u8>), HubError> {
        for _ in 0..MAX_HOPS {
            let response = self.get(Request::of_hub(&url, 0), subject, cancel)?;
            let (status, headers) = (response.status(), response.headers().clone());
            if let Some(location) = header(&headers, "location").filter(|_| status.is_redirection()) {
                url = self.redirected(&url, location, &what)?;
                continue;
            }
            if !status.is_success() {
                return Err(self.refusal(&url, status, &headers, subject));
            }
            self.require_commit(&url, &headers, subject)?;
            self.require_plain(&url, &headers, subject)?;
            let size = header(&headers, "content-length").and_then(|text| text.parse().ok());
            let body = self.api_body(response, &url, what, size, end, cancel)?;
            return Ok((url, headers, body));
        }
        Err(self.unexpected(&url, &what, "too many redirects"))
    }

    /// Where a redirect of the Hub leads.
    pub(super) fn redirected(
        &self,
        url: &str,
        location: &str,
        subject: &impl fmt::Display,
    ) -> Result<String, HubError> {
        let next = join(url, location);
        let elsewhere = || self.unexpected(url, subject, "it leads to a URL that is neither http nor https");
        if is_http(&next) { Ok(next) } else { Err(elsewhere()) }
    }

    /// The bytes of an answer of the API.
    fn api_body(
        &self,
        response: Response<Body>,
        url: &str,
        what: &str,
        size: Option<u64>,
        end: (Instant, Duration),
        cancel: &Cancel,
    ) -> Result<Vec<u8>, HubError> {
        let limits = &self.settings.limits;
        let most = limits.answer_bytes;
        let answer_end = Instant::now() + limits.answer_time;
        let end = if end.0 < answer_end { end } else { (answer_end, limits.answer_time) };
        if let Some(size) = size.filter(|&size| size > most) {
            return Err(self.too_large(url, what, (size, most), "bytes"));
        }
        let mut chunks = Chunks::of(response.into_body(), limits, end)?;
        let mut body = Vec::new();
        loop {
            match chunks.next(cancel) {
                Ok(Some(chunk)) => {
                    body.extend(chunk);
                    let got = body.len() as u64;
                    if got > most {
                        return Err(self.too_large(url, what, (got, most), "bytes"));
                    }
                }
                Ok(None) if size.is_some_and(|size| (body.len() as u64) < size) => {
                    return Err(self.ended(None, url, what, body.len() as u64, size));
                }
                Ok(None) => return Ok(body),
                Err(ended) => return Err(self.ended(Some(ended), url, what, body.len() as u64, size)),
            }
        }
    }

    /// The error for a body that ended early.
    pub(super) fn ended(
        &self,
        ended: Option<Ended>,
        url: &str,
        subject: &(impl ToString + ?Sized),
        got: u64,
        size: Option<u64>,
    ) -> HubError {
        let (subject, host) = (subject.to_string(), self.host(url));
        match ended {
            Some(Ended::Cancelled) => HubError::Interrupted,
            Some(Ended::TooSlow(limit)) => HubError::TooSlow { subject, host, got, size, limit },
            Some(Ended::Broken(reason)) => {
                HubError::Truncated { subject, host, got, size, reason: Some(text::quoted(&reason).into_owned()) }
            }
            None => HubError::Truncated { subject, host, got, size, reason: None },
        }
    }

    /// The error for more bytes (or another `unit`) than are taken; `got` of them arrived or were announced.
    pub(super) fn too_large(
        &self,
        url: &str,
        subject: &(impl ToString + ?Sized),
        (got, most): (u64, u64),
        unit: &'static str,
    ) -> HubError {
        HubError::TooLarge { subject: subject.to_string(), host: self.host(url), got, most, unit }
    }

    /// Refuses an answer about another commit than the one that is pinned. Many mirrors do not say.
    pub(super) fn require_commit(&self, url: &str, headers: &HeaderMap, file: &HubFile) -> Result<(), HubError> {
        let found = header(headers, "x-repo-commit").unwrap_or_default().to_ascii_lowercase();
        let pinned = file.revision.to_ascii_lowercase();
        // Either may be abbreviated.
        let same = || is_commit(&found) && (found.starts_with(&pinned) || pinned.starts_with(&found));
        if found.is_empty() || !is_commit(&pinned) || same() {
            return Ok(());
        }
        let (subject, host) = (file.to_string(), self.host(url));
        Err(HubError::OtherCommit { subject, host, found: text::quoted(&found).into_owned(), pinned })
    }

    /// Refuses a body that is compressed although it was asked for as it is, unless a digest will tell: some servers call the
    /// compression of the file itself so.
    pub(super) fn require_plain(&self, url: &str, headers: &HeaderMap, file: &HubFile) -> Result<(), HubError> {
        let coding = header(headers, "content-encoding").filter(|coding| !coding.eq_ignore_ascii_case("identity"));
        let itself = file.sha256.is_some() || [".gz", ".tgz"].iter().any(|end| file.path.ends_with(end));
        match coding.filter(|coding| !coding.is_empty() && !itself) {
            Some(coding) => {
                let reason = format!("compressed on the way (Content-Encoding: {coding}), which was not asked for");
                Err(self.unexpected(url, file, reason))
            }
            None => Ok(()),
        }
    }

    /// A single GET without redirects. The token is sent to the endpoint only, and only by requests to the Hub.
    pub(super) fn get(
        &self,
        Request { url, from, if_range, service }: Request<'_>,
        subject: &dyn fmt::Display,
        cancel: &Cancel,
    ) -> Result<Response<Body>, HubError> {
        if !is_http(url) {
            return Err(self.unexpected_of(url, subject, "its URL begins with neither http:// nor https://", service));
        }
        let for_endpoint = service == Service::Hub && self.is_endpoint(url);
        if let Some(place) = self.settings.odd_token.as_ref().filter(|_| for_endpoint && self.authorization.is_none()) {
            return Err(HubError::OddToken { place: place.clone() });
        }
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
        let authorization = self.authorization.as_ref().filter(|_| for_endpoint);
        if let Some(authorization) = authorization {
            request = request.header("authorization", &*authorization.0);
        }
        let response = interruptible(cancel, move || request.call())?;
        response.map_err(|error| {
            let (subject, reason) = (subject.to_string(), error.to_string());
            if let Some(problem) = roots::certificate_error(&error, &agents.roots) {
                return HubError::Untrusted { subject, host: self.host(url), problem };
            }
            match (error, proxy) {
                // Its text contains the whole URL, which may be signed.
                (ureq::Error::BadUri(_) | ureq::Error::RequireHttpsOnly(_), _) => {
                    self.unexpected_of(url, &subject, "not a valid URL", service)
                }
                (ureq::Error::LargeResponseHeader(..), _) => {
                    let reason = format!("its headers are longer than {MAX_HEADERS} bytes");
                    self.unexpected_of(url, &subject, &reason, service)
                }
                (ureq::Error::Http(_) | ureq::Error::Protocol(_), _) => {
                    self.unexpected_of(url, &subject, &reason, service)
                }
                (ureq::Error::ConnectProxyFailed(reason), Some(proxy)) => {
                    proxy.refusal(host(url), subject, &text::quoted(&reason))
                }
                _ => {
                    let (host, reason) = (self.host(url), text::quoted(&reason).into_owned());
                    HubError::Unreachable { subject, host, reason, service }
                }
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
        let host = text::quoted(host(url));
        match self.settings.proxies.of(url) {
            Some(proxy) => format!("{host} through {}", proxy.name()),
            None => host.into_owned(),
        }
    }

    /// The error for a response that the Hub would not send.
    pub(super) fn unexpected(&self, url: &str, subject: &impl fmt::Display, reason: impl AsRef<str>) -> HubError {
        self.unexpected_of(url, subject, reason.as_ref(), Service::Hub)
    }

    /// The error for a response that a server of such files would not send; the reason may quote it.
    pub(super) fn unexpected_of(
        &self,
        url: &str,
        subject: &dyn fmt::Display,
        reason: &str,
        service: Service,
    ) -> HubError {
        let (subject, host, reason) = (subject.to_string(), self.host(url), text::quoted(reason).into_owned());
        HubError::Unexpected { subject, host, reason, service }
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
            (407, Some(proxy)) => proxy.refusal(super::address::host(url), subject, status.as_str()),
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
