//! A store of our own for tests: it answers as S3 does, as far as folders ask, on a port of this machine, and fails as told.
//! `.ci/objects` runs the same tests against another's server, so that both know the same store.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use facevault_base::digest::Digest;
use object_store::aws::AmazonS3Builder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::{BackoffConfig, ClientOptions, RetryConfig};

use crate::Folder;

/// Keys of a page of a listing; S3 has 1,000.
const PAGE: usize = 100;

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// This status instead of an answer; nothing is done.
    Status(u16),
    /// The connection ends before anything is done.
    HangUp,
    /// It is done, and the connection ends without an answer.
    LoseAnswer,
    /// The connection ends in the middle of the body.
    Cut,
}

#[derive(Debug, Clone)]
struct Stored {
    bytes: Vec<u8>,
    tag: String,
    /// Seconds of 2026 after which it was written.
    written: u64,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<String, Stored>,
    uploads: HashMap<String, BTreeMap<u32, Vec<u8>>>,
    writes: u64,
    /// Faults for requests of this method whose key has this text, in order.
    faults: Vec<(String, String, Fault)>,
    delay: Duration,
    /// Method and key of every request.
    log: Vec<(String, String)>,
    /// Whether `If-None-Match` is not known, as in some servers.
    unconditional: bool,
}

/// A store with one bucket, `faces`.
#[derive(Debug, Clone)]
pub struct FakeStore {
    port: u16,
    state: Arc<Mutex<State>>,
}

/// The bucket.
pub const BUCKET: &str = "faces";

impl FakeStore {
    /// Starts it.
    ///
    /// # Panics
    /// Without a port.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("a port").port();
        let state: Arc<Mutex<State>> = Arc::default();
        let of_all = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&of_all);
                thread::spawn(move || {
                    let _ = Connection { state, stream }.serve();
                });
            }
        });
        Self { port, state }
    }

    /// The variables that lead a process to it.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, String); 4] {
        [
            ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.port)),
            ("AWS_ACCESS_KEY_ID", "key".into()),
            ("AWS_SECRET_ACCESS_KEY", "a-very-secret-key".into()),
            ("AWS_REGION", "us-east-1".into()),
        ]
    }

    /// A folder in it, whose client is as patient as a test.
    ///
    /// # Panics
    /// For a prefix that is none.
    #[must_use]
    pub fn folder(&self, prefix: &str) -> Folder {
        let [(_, endpoint), ..] = self.environment();
        folder_at(&endpoint, prefix)
    }

    /// [`Self::folder`] through Google's client, which asks with other conditions.
    ///
    /// # Panics
    /// For a prefix that is none.
    #[must_use]
    pub fn google_folder(&self, prefix: &str) -> Folder {
        let key = format!(
            r#"{{"gcs_base_url": "http://127.0.0.1:{}", "disable_oauth": true, "client_email": "", "private_key": "", "private_key_id": ""}}"#,
            self.port
        );
        let client = GoogleCloudStorageBuilder::new()
            .with_bucket_name(BUCKET)
            .with_service_account_key(key)
            .with_client_options(ClientOptions::new().with_allow_http(true))
            .with_retry(retries())
            .build()
            .expect("a client");
        Folder::open(&format!("s3://{BUCKET}/{prefix}")).expect("a folder").through(Arc::new(client))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next request of this method whose key has this text fails.
    pub fn fail(&self, method: &str, key: &str, fault: Fault) {
        self.lock().faults.push((method.into(), key.into(), fault));
    }

    /// Nothing fails from now on.
    pub fn mend(&self) {
        self.lock().faults.clear();
    }

    /// All answers come this much later.
    pub fn delay(&self, by: Duration) {
        self.lock().delay = by;
    }

    /// Ignores `If-None-Match` from now on.
    pub fn forget_conditions(&self) {
        self.lock().unconditional = true;
    }

    /// Puts an object.
    pub fn put(&self, key: &str, bytes: impl Into<Vec<u8>>) {
        self.lock().put(key, bytes.into());
    }

    /// Removes an object.
    pub fn remove(&self, key: &str) {
        self.lock().objects.remove(key);
    }

    /// An object's bytes.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Vec<u8>> {
        self.lock().objects.get(key).map(|stored| stored.bytes.clone())
    }

    /// All keys.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        self.lock().objects.keys().cloned().collect()
    }

    /// How many requests of this method there were whose key has this text.
    #[must_use]
    pub fn requests(&self, method: &str, key: &str) -> usize {
        self.lock().log.iter().filter(|(known, of)| known == method && of.contains(key)).count()
    }

    /// Forgets the requests so far.
    pub fn clear_log(&self) {
        self.lock().log.clear();
    }
}

/// A folder of the bucket of a store at this address, whose client is as patient as a test.
///
/// # Panics
/// For a prefix that is none.
#[must_use]
pub fn folder_at(endpoint: &str, prefix: &str) -> Folder {
    let client = AmazonS3Builder::new()
        .with_bucket_name(BUCKET)
        .with_endpoint(endpoint)
        .with_allow_http(true)
        .with_access_key_id("key")
        .with_secret_access_key("a-very-secret-key")
        .with_retry(retries())
        .build()
        .expect("a client");
    Folder::open(&format!("s3://{BUCKET}/{prefix}")).expect("a folder").through(Arc::new(client))
}

fn retries() -> RetryConfig {
    let (init_backoff, max_backoff) = (Duration::from_millis(5), Duration::from_millis(20));
    let backoff = BackoffConfig { init_backoff, max_backoff, base: 2.0 };
    RetryConfig { backoff, max_retries: 3, retry_timeout: Duration::from_secs(5) }
}

impl State {
    fn put(&mut self, key: &str, bytes: Vec<u8>) -> String {
        self.writes += 1;
        let tag = format!("\"{}\"", &Digest::of(&bytes).to_string()[..32]);
        self.objects.insert(key.into(), Stored { bytes, tag: tag.clone(), written: self.writes });
        tag
    }
}

struct Request {
    method: String,
    key: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn of(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    fn xml(text: String) -> Self {
        Self { body: text.into_bytes(), ..Self::of(200) }.with("content-type", "application/xml")
    }

    fn error(status: u16, code: &str) -> Self {
        Self { status, ..Self::xml(format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>")) }
    }

    fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

struct Connection {
    state: Arc<Mutex<State>>,
    stream: TcpStream,
}

impl Connection {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(mut self) -> std::io::Result<()> {
        self.stream.set_nodelay(true)?;
        let mut reader = BufReader::new(self.stream.try_clone()?);
        while let Some(request) = read(&mut reader)? {
            let (fault, delay) = {
                let mut state = self.lock();
                state.log.push((request.method.clone(), request.key.clone()));
                let at = state
                    .faults
                    .iter()
                    .position(|(method, key, _)| *method == request.method && request.key.contains(key.as_str()));
                (at.map(|at| state.faults.remove(at).2), state.delay)
            };
            thread::sleep(delay);
            let (answer, cut) = match fault {
                None => (self.answer(&request), false),
                Some(Fault::Cut) => (self.answer(&request), true),
                Some(Fault::Status(status)) => (Answer::error(status, "SlowDown"), false),
                Some(Fault::HangUp) => return Ok(()),
                Some(Fault::LoseAnswer) => {
                    self.answer(&request);
                    return Ok(());
                }
            };
            let Answer { status, headers, body } = answer;
            let mut head = format!("HTTP/1.1 {status} -\r\n");
            // The length of a HEAD's answer is that of the object.
            if !headers.iter().any(|(name, _)| name == "content-length") {
                let _ = write!(head, "content-length: {}\r\n", body.len());
            }
            for (name, value) in headers {
                let _ = write!(head, "{name}: {value}\r\n");
            }
            head += "\r\n";
            let sent = if cut { &body[..body.len() / 2] } else { &body[..] };
            self.stream.write_all(&[head.as_bytes(), sent].concat())?;
            if cut {
                return Ok(());
            }
        }
        Ok(())
    }

    fn answer(&self, request: &Request) -> Answer {
        let mut state = self.lock();
        let Request { method, key, query, headers, body } = request;
        let has = |name: &str| query.contains_key(name);
        match method.as_str() {
            "GET" if key.is_empty() => list(&state, query),
            "GET" | "HEAD" => get(&state, key, headers, method == "HEAD"),
            "PUT" if has("uploadId") => {
                let number = query["partNumber"].parse().unwrap_or(0);
                match state.uploads.get_mut(&query["uploadId"]) {
                    Some(parts) => {
                        parts.insert(number, body.clone());
                        Answer::of(200).with("etag", format!("\"part-{number}\""))
                    }
                    None => Answer::error(404, "NoSuchUpload"),
                }
            }
            "PUT" => {
                let there = state.objects.get(key).map(|stored| stored.tag.clone());
                if headers.contains_key("if-none-match") && there.is_some() && !state.unconditional {
                    return Answer::error(412, "PreconditionFailed");
                }
                if let Some(tag) = headers.get("if-match") {
                    match there {
                        None => return Answer::error(404, "NoSuchKey"),
                        Some(there) if there != *tag => return Answer::error(412, "PreconditionFailed"),
                        Some(_) => {}
                    }
                }
                // Google's condition: the object's version, or 0 for none.
                if let Some(version) = headers.get("x-goog-if-generation-match") {
                    let there = state.objects.get(key).map_or(0, |stored| stored.written);
                    if *version != there.to_string() {
                        return Answer::error(412, "PreconditionFailed");
                    }
                }
                let tag = state.put(key, body.clone());
                Answer::of(200).with("etag", tag).with("x-goog-generation", state.writes.to_string())
            }
            "POST" if has("uploads") => {
                let id = format!("upload-{}", state.uploads.len());
                state.uploads.insert(id.clone(), BTreeMap::new());
                Answer::xml(format!(
                    "<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
                ))
            }
            "POST" if has("uploadId") => match state.uploads.remove(&query["uploadId"]) {
                Some(parts) => {
                    let tag = state.put(key, parts.into_values().flatten().collect());
                    Answer::xml(format!(
                        "<CompleteMultipartUploadResult><ETag>{}</ETag></CompleteMultipartUploadResult>",
                        tag.replace('"', "&quot;")
                    ))
                }
                None => Answer::error(404, "NoSuchUpload"),
            },
            "POST" if has("delete") => {
                let text = String::from_utf8_lossy(body).into_owned();
                let mut deleted = String::new();
                for part in text.split("<Key>").skip(1) {
                    let key = part.split("</Key>").next().unwrap_or_default();
                    state.objects.remove(&unescaped(key));
                    let _ = write!(deleted, "<Deleted><Key>{key}</Key></Deleted>");
                }
                Answer::xml(format!("<DeleteResult>{deleted}</DeleteResult>"))
            }
            "DELETE" => {
                state.uploads.remove(query.get("uploadId").unwrap_or(&String::new()));
                state.objects.remove(key);
                Answer::of(204)
            }
            _ => Answer::error(405, "MethodNotAllowed"),
        }
    }
}

fn get(state: &State, key: &str, headers: &BTreeMap<String, String>, head: bool) -> Answer {
    let Some(stored) = state.objects.get(key) else { return Answer::error(404, "NoSuchKey") };
    if headers.get("if-match").is_some_and(|tag| *tag != stored.tag) {
        return Answer::error(412, "PreconditionFailed");
    }
    let size = stored.bytes.len();
    let (day, time) = clock(stored.written);
    let written = format!("{day:02} Jan 2026 {time} GMT");
    let answer = |status| {
        let answer = Answer::of(status).with("etag", stored.tag.clone()).with("last-modified", written.clone());
        answer.with("x-goog-generation", stored.written.to_string())
    };
    if head {
        return answer(200).with("content-length", size.to_string());
    }
    let range = headers.get("range").and_then(|range| {
        let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
        match (from.parse::<usize>(), to.parse::<usize>()) {
            (Ok(from), Ok(to)) => Some((from, to.min(size.checked_sub(1)?))),
            (Ok(from), Err(_)) => Some((from, size.checked_sub(1)?)),
            (Err(_), Ok(last)) => Some((size.saturating_sub(last), size.checked_sub(1)?)),
            _ => None,
        }
    });
    match range {
        Some((from, to)) if from <= to => {
            let answer = answer(206).with("content-range", format!("bytes {from}-{to}/{size}"));
            Answer { body: stored.bytes[from..=to].to_vec(), ..answer }
        }
        Some(_) => Answer::error(416, "InvalidRange"),
        None => Answer { body: stored.bytes.clone(), ..answer(200) },
    }
}

fn list(state: &State, query: &BTreeMap<String, String>) -> Answer {
    let of = |name: &str| query.get(name).map_or("", String::as_str);
    let (prefix, delimiter) = (of("prefix"), of("delimiter"));
    let after = of("continuation-token").max(of("start-after"));
    let (mut contents, mut folders, mut last, mut more) = (String::new(), Vec::<String>::new(), String::new(), false);
    let mut count = 0;
    for (key, stored) in state.objects.range(prefix.to_owned()..) {
        if !key.starts_with(prefix) {
            break;
        }
        let folder = (!delimiter.is_empty())
            .then(|| key[prefix.len()..].split_once(delimiter))
            .flatten()
            .map(|(name, _)| format!("{prefix}{name}{delimiter}"));
        let shown = folder.as_deref().unwrap_or(key);
        if shown <= after || folders.last().is_some_and(|known| known == shown) {
            continue;
        }
        if count == PAGE {
            more = true;
            break;
        }
        count += 1;
        shown.clone_into(&mut last);
        match folder {
            Some(folder) => folders.push(folder),
            None => contents += &content(key, stored),
        }
    }
    for folder in folders {
        let _ = write!(contents, "<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>", escaped(&folder));
    }
    if more {
        let _ = write!(contents, "<NextContinuationToken>{}</NextContinuationToken>", escaped(&last));
    }
    Answer::xml(format!("<ListBucketResult><IsTruncated>{more}</IsTruncated>{contents}</ListBucketResult>"))
}

/// An object in a listing.
fn content(key: &str, stored: &Stored) -> String {
    let (day, time) = clock(stored.written);
    format!(
        "<Contents><Key>{}</Key><Size>{}</Size><ETag>{}</ETag><LastModified>2026-01-{day:02}T{time}.000Z</LastModified></Contents>",
        escaped(key),
        stored.bytes.len(),
        // As Azure does; its other answers have quotes around it.
        stored.tag.trim_matches('"'),
    )
}

/// Day of January and time, so many seconds after its beginning.
fn clock(seconds: u64) -> (u64, String) {
    let time = format!("{:02}:{:02}:{:02}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    (1 + seconds / 86400 % 28, time)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'").replace("&amp;", "&")
}

fn read(reader: &mut BufReader<TcpStream>) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(None) };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let decoded = |text: &str| {
        let bytes = text.replace('+', "%20");
        percent_decoded(&bytes)
    };
    let key = decoded(path.trim_start_matches('/'));
    let key = key.strip_prefix(BUCKET).unwrap_or(&key).trim_start_matches('/').to_owned();
    let query = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    });
    let (method, query) = (method.to_owned(), query.collect());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.trim().to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(Request { method, key, query, headers, body }))
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let hex = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok()))
            .flatten();
        out.push(hex.unwrap_or(bytes[at]));
        at += if hex.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}
