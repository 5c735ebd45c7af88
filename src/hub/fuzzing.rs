//! A Hub that answers with the fuzzer's bytes. It is the proxy of every request, so nothing leaves this machine.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::{Hub, HubFile, HubSettings, RepoKind, UrlFile};
use crate::digest::Digest;
use crate::progress::{Cancel, Silent};

/// What stands between two answers.
const NEXT: &[u8] = b"\n----\n";

const ENDPOINT: &str = "http://hub.test";
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const PINNED: &[u8] = b"pinned\n";

/// The answers to come, each for one request, and the requests so far.
#[derive(Default)]
struct Script {
    answers: VecDeque<Vec<u8>>,
    requests: Vec<String>,
}

static SCRIPT: Mutex<Option<Script>> = Mutex::new(None);

fn script<T>(act: impl FnOnce(&mut Script) -> T) -> T {
    act(SCRIPT.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default())
}

fn answer(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let mut request = String::new();
    while let Some(line) = lines.next().transpose()?.filter(|line| !line.is_empty()) {
        request.extend([&line, "\n"]);
    }
    let answer = script(|script| {
        script.requests.push(request);
        script.answers.pop_front()
    });
    stream.write_all(&answer.unwrap_or_default())
}

/// The address of the server, which is started with the first input.
fn server() -> &'static str {
    static ADDRESS: OnceLock<String> = OnceLock::new();
    ADDRESS.get_or_init(|| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on this machine");
        let address = format!("http://{}", listener.local_addr().expect("its address"));
        std::thread::spawn(move || listener.incoming().flatten().for_each(|mut stream| drop(answer(&mut stream))));
        address
    })
}

/// Answers of a Hub: the first byte chooses what is asked for, the others are the raw answers, one after the other.
///
/// Whatever they are, asking ends; nothing is written outside the cache; a pinned file has its digest; a listed path
/// stays in its folder; the token goes to the endpoint alone.
pub(crate) fn answers(data: &[u8]) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let Some((asked, mut rest)) = data.split_first() else { return };
    let mut answers = VecDeque::new();
    while let Some(at) = rest.windows(NEXT.len()).position(|window| window == NEXT) {
        answers.push_back(rest[..at].to_vec());
        rest = &rest[at + NEXT.len()..];
    }
    answers.push_back(rest.to_vec());
    script(|script| *script = Script { answers, requests: Vec::new() });

    let folder = tempfile::tempdir().expect("a temporary folder");
    let cache = folder.path().join("cache");
    std::fs::create_dir(&cache).expect("a folder for the cache");
    let proxy = server();
    let settings = HubSettings::from_lookup(|name| match name {
        "HF_ENDPOINT" => Some(ENDPOINT.into()),
        "HF_HUB_CACHE" => Some(cache.display().to_string()),
        "HF_TOKEN" => Some("hf_secret".into()),
        "http_proxy" | "https_proxy" => Some(proxy.into()),
        _ => None,
    });
    let settings = HubSettings {
        attempts: 1,
        backoff: Duration::ZERO,
        max_wait: Duration::ZERO,
        read_timeout: Duration::from_secs(2),
        ..settings
    };
    let hub = Hub::new(settings);
    let (progress, cancel) = (Silent, Cancel::default());
    let pinned = Digest::of(PINNED);
    let got = match asked % 5 {
        0 => hub.list(RepoKind::Dataset, "owner/name", COMMIT, "data", &cancel).map(|files| {
            for file in files {
                let inside = |part: &str| !matches!(part, "" | "." | "..");
                assert!(file.path.split('/').all(inside), "a listed path that leads elsewhere: {:?}", file.path);
            }
        }),
        1 => {
            hub.download(&HubFile::new(RepoKind::Model, "owner/name", COMMIT, "a/b.bin"), &progress, &cancel).map(drop)
        }
        2 => {
            let file = HubFile::new(RepoKind::Model, "owner/name", COMMIT, "a/b.bin");
            let file = HubFile { sha256: Some(pinned), size: Some(PINNED.len() as u64), ..file };
            hub.read(&file, &progress, &cancel).map(|(bytes, _)| assert_eq!(bytes, PINNED))
        }
        3 => {
            let file = UrlFile { url: "http://files.test/a/b.bin".into(), sha256: Some(pinned) };
            hub.read(&file, &progress, &cancel).map(|(bytes, _)| assert_eq!(bytes, PINNED))
        }
        _ => hub.resolve(RepoKind::Model, "owner/name", "main", &progress, &cancel).map(|commit| {
            assert!(super::is_whole_commit(&commit), "not a commit: {commit:?}");
        }),
    };
    if let Err(error) = got {
        assert!(!error.to_string().contains("hf_secret"), "the token is in {error}");
    }
    for request in script(|script| std::mem::take(&mut script.requests)) {
        let target = request.split(' ').nth(1).unwrap_or_default();
        let ours = target.strip_prefix(ENDPOINT).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
        assert!(ours || !request.contains("hf_secret"), "the token goes elsewhere: {target}");
    }
    let beside: Vec<_> = folder.path().read_dir().expect("the folder").flatten().collect();
    assert_eq!(beside.len(), 1, "something is beside the cache: {beside:?}");
}
