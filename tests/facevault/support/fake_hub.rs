//! A Hub of our own: it answers as huggingface.co and its CDN do, on two ports of this machine, and fails as told.
//!
//! Plain sockets and not an HTTP crate: a server that hangs up in the middle of a body is what must be tested.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use facevault::digest::Digest;
use facevault::hub::{Hub, HubSettings, Limits, Proxies, Roots, Token};

/// The one commit of every repository.
pub const COMMIT: &str = "c42f4c2771b043bb5c461093664d016ff4298224";

/// What goes wrong with one request.
#[derive(Clone)]
pub enum Fault {
    /// Nothing.
    None,
    /// This status with these headers instead of an answer.
    Status(u16, &'static [(&'static str, &'static str)]),
    /// The connection ends after this many bytes of the body.
    HangUp(usize),
    /// The connection falls silent after this many bytes of the body.
    Silence(usize),
    /// One byte of the body is wrong.
    WrongByte,
    /// The whole file, whatever range was asked for.
    IgnoreRange,
    /// The range that was asked for, whatever tag it was to be of.
    IgnoreIfRange,
    /// More bytes than announced before.
    TooLong,
    /// The body comes in small pieces, with pauses between.
    Slow,
    /// A page of the network's owner instead of an answer.
    Portal,
}

struct Stored {
    repo: &'static str,
    path: &'static str,
    bytes: Vec<u8>,
    lfs: bool,
}

#[derive(Default)]
struct State {
    files: Mutex<Vec<Stored>>,
    /// Where `main` has moved to.
    moved: Mutex<Option<&'static str>>,
    /// Whether small files come by way of the Hub's own cache.
    by_cache: AtomicBool,
    faults_at: Mutex<Vec<(String, VecDeque<Fault>)>>,
    hub_faults: Mutex<VecDeque<Fault>>,
    cdn_faults: Mutex<VecDeque<Fault>>,
    log: Mutex<Vec<String>>,
}

/// A Hub, its CDN and a cache folder.
pub struct FakeHub {
    pub cache: tempfile::TempDir,
    pub address: String,
    pub cdn: String,
    state: Arc<State>,
}

impl FakeHub {
    pub fn new() -> Self {
        let state = Arc::new(State::default());
        let hub = TcpListener::bind("127.0.0.1:0").unwrap();
        let cdn = TcpListener::bind("127.0.0.1:0").unwrap();
        let [address, cdn_address] = [&hub, &cdn].map(|listener| listener.local_addr().unwrap().to_string());
        for (listener, is_hub) in [(hub, true), (cdn, false)] {
            let (state, cdn_address) = (state.clone(), cdn_address.clone());
            // Ends with the test process; each test has its own ports.
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let (state, cdn_address) = (state.clone(), cdn_address.clone());
                    thread::spawn(move || state.serve(&stream, is_hub, &cdn_address));
                }
            });
        }
        Self { cache: tempfile::tempdir().unwrap(), address, cdn: cdn_address, state }
    }

    /// Stores a file. Large files (`lfs`) are on the CDN.
    pub fn put(&self, repo: &'static str, path: &'static str, bytes: &[u8], lfs: bool) -> &Self {
        self.state.files.lock().unwrap().push(Stored { repo, path, bytes: bytes.to_vec(), lfs });
        self
    }

    /// Stores another content under the name of a file.
    pub fn replace(&self, path: &str, bytes: &[u8]) -> &Self {
        let mut files = self.state.files.lock().unwrap();
        files.iter_mut().find(|file| file.path == path).unwrap().bytes = bytes.to_vec();
        drop(files);
        self
    }

    /// Stores all files below a local folder; `lfs` says which of them are large.
    pub fn put_folder(&self, repo: &'static str, folder: &Path, lfs: impl Fn(&str) -> bool) -> &Self {
        let mut folders = vec![folder.to_owned()];
        while let Some(below) = folders.pop() {
            for entry in std::fs::read_dir(below).unwrap().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned().leak();
                self.put(repo, name, &std::fs::read(&path).unwrap(), lfs(name));
            }
        }
        self
    }

    /// Lets `main` be another commit from now on; the old one stays.
    pub fn move_main(&self, commit: &'static str) -> &Self {
        *self.state.moved.lock().unwrap() = Some(commit);
        self
    }

    /// Lets small files come as the Hub gives them today: by a redirect to `/api/resolve-cache/`.
    pub fn with_resolve_cache(&self) -> &Self {
        self.state.by_cache.store(true, Ordering::Relaxed);
        self
    }

    /// Faults of the next requests whose line in the log contains `part`, one each; they go before the others.
    pub fn faults_at(&self, part: &str, faults: &[Fault]) -> &Self {
        self.state.faults_at.lock().unwrap().push((part.to_owned(), faults.iter().cloned().collect()));
        self
    }

    /// Nothing goes wrong from now on.
    pub fn forget_faults(&self) -> &Self {
        self.state.faults_at.lock().unwrap().clear();
        self.state.hub_faults.lock().unwrap().clear();
        self.state.cdn_faults.lock().unwrap().clear();
        self
    }

    /// Faults of the next requests to the Hub, one each.
    pub fn hub_faults(&self, faults: &[Fault]) -> &Self {
        self.state.hub_faults.lock().unwrap().extend(faults.iter().cloned());
        self
    }

    /// Faults of the next requests to the CDN, one each.
    pub fn cdn_faults(&self, faults: &[Fault]) -> &Self {
        self.state.cdn_faults.lock().unwrap().extend(faults.iter().cloned());
        self
    }

    /// Requests since the last call: `hub /path range, tag, auth`.
    pub fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.state.log.lock().unwrap())
    }

    pub fn settings(&self) -> HubSettings {
        HubSettings {
            endpoint: format!("http://{}", self.address),
            credentials: None,
            token: None,
            odd_token: None,
            unreadable: None,
            cache: self.cache.path().to_owned(),
            offline: false,
            attempts: 3,
            backoff: Duration::from_millis(1),
            max_wait: Duration::from_secs(1),
            read_timeout: Duration::from_secs(2),
            limits: Limits::default(),
            proxies: Proxies::default(),
            roots: Roots::default(),
        }
    }

    pub fn client(&self) -> Hub {
        Hub::new(self.settings())
    }

    pub fn client_with_token(&self) -> Hub {
        Hub::new(HubSettings { token: Some(Token("hf_secret".into())), ..self.settings() })
    }

    pub fn offline(&self) -> Hub {
        Hub::new(HubSettings { offline: true, ..self.settings() })
    }

    /// A message without what differs from run to run.
    pub fn plain(&self, message: &impl ToString) -> String {
        let message = message.to_string();
        let message = message.replace(&self.address, "hub").replace(&self.cdn, "cdn");
        message.replace(&self.cache.path().display().to_string(), "CACHE")
    }

    /// All files in the cache, relative, sorted; locks left out.
    pub fn cached(&self) -> Vec<String> {
        fn walk(folder: &std::path::Path, root: &std::path::Path, names: &mut Vec<String>) {
            for entry in std::fs::read_dir(folder).unwrap().flatten() {
                if entry.path().is_dir() && !entry.path().is_symlink() {
                    walk(&entry.path(), root, names);
                } else {
                    names.push(entry.path().strip_prefix(root).unwrap().display().to_string());
                }
            }
        }
        let mut names = Vec::new();
        walk(self.cache.path(), self.cache.path(), &mut names);
        names.retain(|name| !name.starts_with(".locks"));
        names.sort();
        names
    }
}

/// An entity tag as git makes it.
pub fn git_tag(bytes: &[u8]) -> String {
    facevault::hub::git_blob_id(bytes)
}

impl State {
    fn serve(&self, stream: &TcpStream, is_hub: bool, cdn: &str) {
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
        let Some(request) = lines.next() else { return };
        let target = request.split(' ').nth(1).unwrap_or_default().to_owned();
        let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).map(|line| line.to_lowercase()).collect();
        let value = |name: &str| headers.iter().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        let range = value("range").map(str::to_owned);
        let if_range = value("if-range");
        let mut line = format!("{} {target}", if is_hub { "hub" } else { "cdn" });
        line.extend(range.iter().map(|range| format!(" {range}")));
        line.extend(if_range.map(|tag| format!(" if {tag}")));
        line.extend(value("authorization").map(|_| " authorized"));
        let fault = self.fault(&line, is_hub);
        self.log.lock().unwrap().push(line);
        let if_range = if_range.filter(|_| !matches!(fault, Fault::IgnoreIfRange));
        let range = range.as_deref();
        let range_of = |tag: &str| range.filter(|_| if_range.is_none_or(|asked| asked == tag));
        let _ = if let Fault::Portal = fault {
            let page = b"<html>Welcome to our network. Please log in.</html>";
            send(stream, 200, &["Content-Type: text/html".into()], page, page.len())
        } else if let Fault::Status(status, headers) = fault {
            let headers: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
            send(stream, status, &headers, b"refused", 7)
        } else if is_hub {
            self.hub(stream, &target, &range_of, &fault, cdn)
        } else {
            let sha = target.trim_start_matches("/blob/").split('?').next().unwrap_or_default();
            let is_asked = |file: &&Stored| Digest::of(&file.bytes).to_string() == sha;
            let bytes = self.files.lock().unwrap().iter().find(is_asked).map(|file| file.bytes.clone());
            match bytes {
                Some(bytes) => {
                    let tag = "\"cdn-own\"";
                    send_file(stream, &bytes, range_of(tag), vec![format!("ETag: {tag}")], &fault)
                }
                None => send(stream, 404, &[], b"", 0),
            }
        };
    }

    fn fault(&self, line: &str, is_hub: bool) -> Fault {
        let mut placed = self.faults_at.lock().unwrap();
        let mut here = placed.iter_mut().filter(|(part, _)| line.contains(part.as_str()));
        let general = if is_hub { &self.hub_faults } else { &self.cdn_faults };
        here.find_map(|(_, faults)| faults.pop_front())
            .or_else(|| general.lock().unwrap().pop_front())
            .unwrap_or(Fault::None)
    }

    /// The commit that a revision means.
    fn commit(&self, revision: &str) -> Option<&'static str> {
        let moved = *self.moved.lock().unwrap();
        if revision == "main" {
            return Some(moved.unwrap_or(COMMIT));
        }
        let fits = |commit: &&str| revision.len() >= 7 && commit.starts_with(revision);
        [Some(COMMIT), moved].into_iter().flatten().find(fits)
    }

    fn hub<'r>(
        &self,
        stream: &TcpStream,
        target: &str,
        range_of: &dyn Fn(&str) -> Option<&'r str>,
        fault: &Fault,
        cdn: &str,
    ) -> std::io::Result<()> {
        let files = self.files.lock().unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let not = |code: &str| send(stream, 404, &[format!("X-Error-Code: {code}")], b"", 0);
        let known = |repo: &str| files.iter().any(|file| file.repo == repo);
        // A file at a URL of its own, as of a release: large ones are on the storage behind a signed URL.
        if let Some(file) = files.iter().find(|file| path == format!("/{}/{}", file.repo, file.path)) {
            if file.lfs {
                let location = format!("Location: http://{cdn}/blob/{}?signature=x", Digest::of(&file.bytes));
                return send(stream, 302, &["ETag: \"of-the-redirect\"".into(), location], b"", 0);
            }
            let (bytes, tag) = (file.bytes.clone(), format!("\"{}\"", git_tag(&file.bytes)));
            drop(files);
            return send_file(stream, &bytes, range_of(&tag), vec![format!("ETag: {tag}")], fault);
        }
        let commit = |revision| self.commit(revision).map(|commit| format!("X-Repo-Commit: {commit}"));
        if let Some((repo, revision)) = path.split_once("/revision/") {
            let repo = repo.trim_start_matches("/api/").trim_start_matches("models/");
            if !known(repo) {
                return not("RepoNotFound");
            }
            let Some(sha) = self.commit(revision) else { return not("RevisionNotFound") };
            let body = format!(r#"{{"_id":"0","id":"{}","sha":"{sha}"}}"#, repo.trim_start_matches("datasets/"));
            return send_file(stream, body.as_bytes(), None, Vec::new(), fault);
        }
        if let Some((repo, rest)) = path.split_once("/tree/") {
            let repo = repo.trim_start_matches("/api/").trim_start_matches("models/");
            let (revision, folder) = rest.split_once('/').unwrap_or((rest, ""));
            if !known(repo) {
                return not("RepoNotFound");
            }
            let Some(commit) = commit(revision) else { return not("RevisionNotFound") };
            let below: Vec<_> =
                files.iter().filter(|file| file.repo == repo && file.path.starts_with(folder)).collect();
            if below.is_empty() {
                return not("EntryNotFound");
            }
            // Two entries a page.
            let page = query.split("cursor=").nth(1).map_or(0, |page| page.parse().unwrap());
            let mut entries = vec![r#"{"type":"directory","oid":"0","size":0,"path":"some"}"#.to_owned()];
            entries.extend(below.iter().skip(2 * page).take(2).map(|file| {
                let (size, tag, path) = (file.bytes.len(), git_tag(&file.bytes), file.path);
                let sha = Digest::of(&file.bytes);
                let lfs = format!(r#","lfs":{{"oid":"{sha}","size":{size},"pointerSize":134}}"#);
                let (size, lfs) = if file.lfs { (134, lfs) } else { (size, String::new()) };
                format!(r#"{{"type":"file","oid":"{tag}","size":{size},"path":"{path}"{lfs}}}"#)
            }));
            let mut headers = vec![commit];
            if below.len() > 2 * (page + 1) {
                headers.push(format!("Link: <{path}?recursive=true&cursor={}>; rel=\"next\"", page + 1));
            }
            let body = format!("[{}]", entries.join(","));
            return send_file(stream, body.as_bytes(), None, headers, fault);
        }
        let (path, cached) = match path.strip_prefix("/api/resolve-cache") {
            Some(path) => (path, true),
            None => (path, false),
        };
        let Some((repo, rest)) = path.split_once("/resolve/") else { return not("RepoNotFound") };
        let repo = repo.trim_start_matches('/');
        let (revision, path) = rest.split_once('/').unwrap_or((rest, ""));
        if !known(repo) {
            return not("RepoNotFound");
        }
        let Some(commit) = commit(revision) else { return not("RevisionNotFound") };
        let path = path.replace("%20", " ");
        let Some(file) = files.iter().find(|file| file.repo == repo && file.path == path) else {
            return not("EntryNotFound");
        };
        if file.lfs {
            let sha = Digest::of(&file.bytes);
            let headers = [
                commit,
                "ETag: \"of-the-redirect\"".into(),
                format!("Location: http://{cdn}/blob/{sha}?signature=x"),
                format!("X-Linked-Size: {}", file.bytes.len()),
                format!("X-Linked-ETag: \"{sha}\""),
            ];
            send(stream, 302, &headers, b"", 0)
        } else if self.by_cache.load(Ordering::Relaxed) && !cached {
            let headers = [
                commit,
                format!("Location: /api/resolve-cache{target}"),
                format!("X-Linked-Size: {}", file.bytes.len()),
                format!("X-Linked-ETag: \"{}\"", git_tag(&file.bytes)),
            ];
            send(stream, 307, &headers, b"", 0)
        } else {
            let bytes = file.bytes.clone();
            // A slow answer keeps nobody else waiting.
            drop(files);
            let tag = format!("\"{}\"", git_tag(&bytes));
            send_file(stream, &bytes, range_of(&tag), vec![commit, format!("ETag: {tag}")], fault)
        }
    }
}

fn send_file(
    stream: &TcpStream,
    bytes: &[u8],
    range: Option<&str>,
    mut headers: Vec<String>,
    fault: &Fault,
) -> std::io::Result<()> {
    let mut bytes = bytes.to_vec();
    match fault {
        Fault::WrongByte => *bytes.last_mut().unwrap() ^= 1,
        Fault::TooLong => bytes.push(0),
        _ => {}
    }
    let total = bytes.len();
    let from = range.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    let from = from.filter(|_| !matches!(fault, Fault::IgnoreRange));
    let status = match from {
        Some(from) if from >= total => return send(stream, 416, &headers, b"", 0),
        Some(from) => {
            headers.push(format!("Content-Range: bytes {from}-{}/{total}", total - 1));
            206
        }
        None => 200,
    };
    let body = &bytes[from.unwrap_or(0)..];
    match fault {
        Fault::HangUp(at) => send(stream, status, &headers, &body[..body.len().min(*at)], body.len()),
        Fault::Silence(at) => {
            send(stream, status, &headers, &body[..body.len().min(*at)], body.len())?;
            thread::sleep(Duration::from_secs(6));
            Ok(())
        }
        Fault::Slow => {
            send(stream, status, &headers, b"", body.len())?;
            let mut stream = stream;
            for piece in body.chunks(body.len().div_ceil(5).max(1)) {
                thread::sleep(Duration::from_millis(30));
                stream.write_all(piece)?;
            }
            stream.flush()
        }
        _ => send(stream, status, &headers, body, body.len()),
    }
}

fn send(mut stream: &TcpStream, status: u16, headers: &[String], body: &[u8], length: usize) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {status} x\r\nConnection: close\r\nContent-Length: {length}\r\n");
    for line in headers {
        head += line;
        head += "\r\n";
    }
    head += "\r\n";
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    stream.flush()
}
