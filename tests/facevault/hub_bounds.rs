//! Servers that send without end, too much, too slowly or in circles, for files of the Hub, listings and URLs.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use facevault::digest::Digest;
use facevault::hub::{Hub, HubError, HubFile, HubSettings, Limits, RepoKind};
use facevault::progress::{Cancel, Silent};
use facevault::weights::{self, WeightsSource};

use crate::support::fake_hub::{COMMIT, FakeHub};
use crate::support::network::raw;
use crate::support::workspace::Workspace;

const REPO: &str = "a/faces";

/// Limits that a test can wait for.
fn low() -> Limits {
    Limits {
        window: Duration::from_millis(300),
        answer_bytes: 4_000,
        list_bytes: 10_000,
        list_entries: 50,
        list_pages: 30,
        file_bytes: 200_000,
        unsized_bytes: 100_000,
        ..Limits::default()
    }
}

fn client(address: &str, cache: &FakeHub, limits: Limits) -> Hub {
    let endpoint = format!("http://{address}");
    // Longer than a machine with other work needs to answer.
    let read_timeout = Duration::from_secs(10);
    Hub::new(HubSettings { endpoint, limits, read_timeout, attempts: 2, ..cache.settings() })
}

fn file() -> HubFile {
    HubFile::new(RepoKind::Dataset, REPO, COMMIT, "w.bin")
}

type Serve = fn(&str, &mut TcpStream) -> std::io::Result<()>;

/// What a file of the Hub, a list of its files, and a file at a URL end with; nothing of it is kept. Also how many requests
/// each took.
fn ends(serve: Serve, limits: Limits) -> [(String, usize); 3] {
    let (address, requests) = raw(serve);
    let pinned = HubFile { sha256: Some(Digest::of(b"w")), ..file() };
    let url = WeightsSource::Url { url: format!("http://{address}/w.bin?key=s3cret"), sha256: pinned.sha256 };
    let cancel = Cancel::default();
    let cache = FakeHub::new();
    let client = client(&address, &cache, limits);
    let ended = |result: Result<(), String>| {
        let message = result.expect_err("it ends").replace(&address, "server");
        assert!(!message.contains("s3cret"), "{message}");
        let kept: Vec<_> = cache.cached().into_iter().filter(|name| !name.contains("/blobs/")).collect();
        assert_eq!(kept, [""; 0], "{message}");
        (message, requests.log().len())
    };
    [
        ended(client.download(&pinned, &Silent, &cancel).map(drop).map_err(|error| error.to_string())),
        ended(client.list(RepoKind::Dataset, REPO, COMMIT, "", &cancel).map(drop).map_err(|error| error.to_string())),
        ended(weights::load_with(&client, &url, &Silent, &cancel).map(drop).map_err(|error| error.to_string())),
    ]
}

/// Pieces until the client hangs up, or for ten seconds.
fn pour(stream: &mut TcpStream, piece: &[u8], pause: Duration) -> std::io::Result<()> {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(10) {
        stream.write_all(piece)?;
        std::thread::sleep(pause);
    }
    Ok(())
}

/// Fault (hub): a body without a length that never ends → ended at the limit for such bodies, and removed
/// Fault (hub): a chunked body that never ends → ended at the limit for such bodies, and removed
#[test]
fn a_body_without_an_end_ends_at_a_limit() {
    let no_length: Serve = |_, stream| {
        stream.write_all(b"HTTP/1.1 200 ok\r\nETag: \"x\"\r\nConnection: close\r\n\r\n")?;
        pour(stream, &[b'x'; 1_000], Duration::ZERO)
    };
    let chunked: Serve = |_, stream| {
        stream.write_all(b"HTTP/1.1 200 ok\r\nETag: \"x\"\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        pour(stream, &[&b"3e8\r\n"[..], &[b'x'; 1_000], b"\r\n"].concat(), Duration::ZERO)
    };
    for serve in [no_length, chunked] {
        let [(hub, one), (list, _), (url, _)] = ends(serve, low());
        let shown = |text: &str| {
            let (before, after) = text.split_once(": ").unwrap();
            let (got, after) = after.split_once(' ').unwrap();
            assert!(got.parse::<u64>().unwrap() < 400_000, "ended at the limit, not by the server: {text}");
            format!("{before}: N {after}")
        };
        insta::allow_duplicates! {
            insta::assert_snapshot!(shown(&hub), @"server sends too much for `w.bin` of a/faces@c42f4c2: N bytes without a Content-Length, and at most 100000 are accepted; check that it is the right server and file");
            insta::assert_snapshot!(shown(&list), @"server sends too much for the list of files of a/faces@c42f4c2: N bytes, and at most 4000 are accepted; check that it is the right server and file");
        }
        assert!(url.contains("sends too much for http") && url.contains("at most 100000"), "{url}");
        assert_eq!(one, 1, "not tried again");
    }
}

/// Fault (hub): a body without a length whose end cannot be recognised → refused before a byte is kept
#[test]
fn a_body_whose_end_nothing_tells_is_refused() {
    let (address, _) =
        raw(|_, stream| stream.write_all(b"HTTP/1.1 200 ok\r\nETag: \"x\"\r\nConnection: close\r\n\r\nhalf of"));
    let cache = FakeHub::new();
    let message = client(&address, &cache, low()).download(&file(), &Silent, &Cancel::default()).unwrap_err();
    insta::assert_snapshot!(message.to_string().replace(&address, "server"), @"unexpected response of server for `w.bin` of a/faces@c42f4c2: no Content-Length header; for a mirror that sends none, set `sha256`; check HF_ENDPOINT and the proxy");
    assert_eq!(cache.cached(), [""; 0]);
}

/// Fault (hub): a `Content-Length` of exabytes → refused before a byte is kept
#[test]
fn an_announced_size_beyond_the_limit_is_refused_at_once() {
    let [(hub, _), (list, _), (url, _)] = ends(
        |_, stream| {
            stream.write_all(
                b"HTTP/1.1 200 ok\r\nETag: \"x\"\r\nConnection: close\r\nContent-Length: 9000000000000000000\r\n\r\n",
            )?;
            pour(stream, b"x", Duration::from_millis(1))
        },
        low(),
    );
    for message in [hub, list, url] {
        assert!(message.contains(": 9000000000000000000 bytes, and at most "), "{message}");
    }
}

/// Fault (hub): an answer of the API of more than its limit, announced or not → ended at the limit
#[test]
fn a_page_is_bounded() {
    let page = |_: &str, stream: &mut TcpStream| {
        let body = format!("[{}]", " ".repeat(5_000));
        write!(stream, "HTTP/1.1 200 ok\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    let (address, _) = raw(page);
    let cache = FakeHub::new();
    let list = |limits| client(&address, &cache, limits).list(RepoKind::Dataset, REPO, COMMIT, "", &Cancel::default());
    assert!(matches!(list(low()), Err(HubError::TooLarge { got: 5_002, most: 4_000, .. })));
    assert_eq!(list(Limits { answer_bytes: 5_002, ..low() }).unwrap(), []);
}

/// A page of files, and a link to the next one.
fn page(stream: &mut TcpStream, files: impl Iterator<Item = String>, next: &str) -> std::io::Result<()> {
    let entries: Vec<_> = files.map(|name| format!(r#"{{"type":"file","path":"{name}","size":1}}"#)).collect();
    let body = format!("[{}]", entries.join(","));
    write!(
        stream,
        "HTTP/1.1 200 ok\r\nLink: <{next}>; rel=\"next\"\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn cursor(path: &str) -> usize {
    path.split("cursor=").nth(1).map_or(0, |number| number.parse().unwrap())
}

/// What a list of files ends with, and after how many requests.
fn list(serve: Serve, limits: Limits) -> (String, usize) {
    let (address, requests) = raw(serve);
    let cache = FakeHub::new();
    let result = client(&address, &cache, limits).list(RepoKind::Dataset, REPO, COMMIT, "", &Cancel::default());
    let message = result.unwrap_err().to_string().replace(&address, "server");
    assert_eq!(cache.cached(), [""; 0], "{message}");
    (message, requests.log().len())
}

/// Fault (hub): a listing that links to itself, or in a circle → refused; no part of it is taken for the whole
/// Fault (hub): a listing each of whose pages is new, with files, without any, or large → ended by entries, pages or bytes
#[test]
fn a_listing_without_an_end_ends() {
    let itself: Serve = |path, stream| page(stream, ["a".to_owned()].into_iter(), path);
    insta::assert_snapshot!(list(itself, low()).0, @"unexpected response of server for the list of files of a/faces@c42f4c2: the list does not end: its page 1 repeats an earlier one; check HF_ENDPOINT and the proxy");
    let circle: Serve = |path, stream| {
        let at = cursor(path);
        page(stream, [format!("{}", at % 3)].into_iter(), &format!("?cursor={}", at + 1))
    };
    let (message, requests) = list(circle, low());
    assert!(message.contains("its page 4 repeats an earlier one"), "{message}");
    assert_eq!(requests, 4);
    let new: Serve = |path, stream| {
        let at = cursor(path);
        page(stream, (0..10).map(|i| format!("{at}-{i}")), &format!("?cursor={}", at + 1))
    };
    insta::assert_snapshot!(list(new, low()).0, @"server sends too much for the list of files of a/faces@c42f4c2: 60 entries, and at most 50 are accepted; check that it is the right server and file");
    let (message, _) = list(new, Limits { list_bytes: 1_000, ..low() });
    assert!(message.contains(" bytes, and at most 1000 are accepted"), "{message}");
    let empty: Serve = |path, stream| page(stream, std::iter::empty(), &format!("?cursor={}", cursor(path) + 1));
    let (message, requests) = list(empty, low());
    assert!(message.contains(": 31 pages, and at most 30 are accepted"), "{message}");
    assert_eq!(requests, 30);
}

/// Fault (hub): 1 byte a second, of a file, a listing or a file at a URL → given up after 30 s, tried once more
#[test]
fn a_drip_is_given_up() {
    let start = Instant::now();
    let ended = ends(
        |_, stream| {
            stream.write_all(b"HTTP/1.1 200 ok\r\nETag: \"x\"\r\nConnection: close\r\nContent-Length: 3000\r\n\r\n")?;
            pour(stream, b"[", Duration::from_millis(20))
        },
        low(),
    );
    for (message, requests) in ended {
        assert!(message.contains(" too slowly: "), "{message}");
        assert!(
            message.contains(" of 3000 bytes arrived, fewer than 500 a second over the last 0.3 s; try again"),
            "{message}"
        );
        // A server that ignores ranges is asked for the rest and then for the whole.
        assert!((2..=3).contains(&requests), "{requests} {message}");
    }
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

/// Fault (hub): an answer that comes fast enough and is never complete → ended by the total time of an answer, of a listing and of a transfer
#[test]
fn a_total_time_ends_what_is_fast_enough() {
    let serve: Serve = |_, stream| {
        stream.write_all(b"HTTP/1.1 200 ok\r\nETag: \"x\"\r\nConnection: close\r\nContent-Length: 199999\r\n\r\n")?;
        pour(stream, &[b'['; 50], Duration::from_millis(10))
    };
    let time = Duration::from_millis(500);
    let limits = Limits { answer_bytes: 1 << 20, answer_time: time, transfer_time: time, list_time: time * 9, ..low() };
    for (message, _) in ends(serve, limits) {
        assert!(message.contains(" bytes arrived, and it is not complete after 0.5 s; try again later"), "{message}");
    }
    let limits = Limits { answer_time: time * 9, list_time: time, ..limits };
    assert!(ends(serve, limits)[1].0.contains("not complete after 0.5 s"));
}

/// Fault (hub): a slow but honest line of 20 KB/s → goes on to its end
#[test]
fn a_slow_honest_line_goes_on() {
    let bytes = vec![7; 20_000];
    let digest = Digest::of(&bytes);
    let (address, _) = raw(move |_, stream| {
        write!(
            stream,
            "HTTP/1.1 200 ok\r\nETag: \"x\"\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            bytes.len()
        )?;
        for piece in bytes.chunks(2_000) {
            std::thread::sleep(Duration::from_millis(100));
            stream.write_all(piece)?;
        }
        Ok(())
    });
    let (cache, file) = (FakeHub::new(), HubFile { sha256: Some(digest), ..file() });
    client(&address, &cache, low()).download(&file, &Silent, &Cancel::default()).unwrap();
}

/// Fault (hub): headers without an end, one or many → refused at 64 KiB or by their number
/// Fault (hub): informational answers without an end → ended by the time for headers
#[test]
fn headers_without_an_end_are_refused() {
    let long: Serve = |_, stream| {
        stream.write_all(b"HTTP/1.1 200 ok\r\nX: ")?;
        pour(stream, &[b'x'; 1_000], Duration::ZERO)
    };
    let many: Serve = |_, stream| {
        stream.write_all(b"HTTP/1.1 200 ok\r\n")?;
        pour(stream, b"X: y\r\n", Duration::ZERO)
    };
    for serve in [long, many] {
        for (message, requests) in ends(serve, low()) {
            assert!(message.starts_with("unexpected response of server for "), "{message}");
            assert_eq!(requests, 1, "{message}");
        }
    }
    let informing: Serve = |_, stream| pour(stream, b"HTTP/1.1 103 hints\r\n\r\n", Duration::from_millis(5));
    let ((address, requests), cache) = (raw(informing), FakeHub::new());
    let read_timeout = Duration::from_millis(300);
    let endpoint = format!("http://{address}");
    let client = Hub::new(HubSettings { endpoint, read_timeout, ..cache.settings() });
    let start = Instant::now();
    client.download(&file(), &Silent, &Cancel::default()).unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    assert!(requests.log().len() <= 2);
}

/// Fault (hub): redirects in a circle, or each to a new address → refused after 10
/// Fault (hub): a redirect to a URL that is neither http nor https → refused without a request
#[test]
fn redirects_end() {
    let round: Serve = |_, stream| {
        stream.write_all(b"HTTP/1.1 302 x\r\nLocation: /again\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    };
    let on: Serve = |path, stream| {
        write!(stream, "HTTP/1.1 302 x\r\nLocation: {path}x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    };
    for serve in [round, on] {
        for (message, requests) in ends(serve, low()) {
            assert!(message.contains(": too many redirects; "), "{message}");
            assert_eq!(requests, 10, "{message}");
        }
    }
    let away: Serve = |_, stream| {
        stream.write_all(
            b"HTTP/1.1 302 x\r\nLocation: file:///etc/passwd\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        )
    };
    for (message, requests) in ends(away, low()) {
        assert!(message.contains("neither http"), "{message}");
        assert_eq!(requests, 1);
    }
}

/// Fault (hub): a `Location` with `://` in its query → followed on the same server
#[test]
fn a_redirect_with_an_address_in_its_query_is_relative() {
    let (address, requests) = raw(|path, stream| {
        let answer = if path.starts_with("/file?") {
            "HTTP/1.1 200 ok\r\nETag: \"x\"\r\nConnection: close\r\nContent-Length: 1\r\n\r\nw"
        } else {
            "HTTP/1.1 302 x\r\nLocation: /file?next=https://other.invalid/x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        };
        stream.write_all(answer.as_bytes())
    });
    let (cache, file) = (FakeHub::new(), HubFile { sha256: Some(Digest::of(b"w")), ..file() });
    client(&address, &cache, low()).download(&file, &Silent, &Cancel::default()).unwrap();
    assert!(requests.log()[1].starts_with("GET /file?next=https://other.invalid/x "));
}

/// Fault (hub): an answer compressed to a thousandth of its size, which nobody asked for → not unpacked
#[test]
fn a_compressed_answer_is_not_unpacked() {
    // `head -c 1000000 /dev/zero | gzip -9 | head -c 12`: a head is enough, as nothing reads it.
    let (address, _) = raw(|_, stream| {
        stream.write_all(
            b"HTTP/1.1 200 ok\r\nETag: \"x\"\r\nContent-Encoding: gzip\r\nConnection: close\r\nContent-Length: 12\r\n\r\n\
              \x1f\x8b\x08\0\0\0\0\0\x02\x03\xed\xc1",
        )
    });
    let packed = b"\x1f\x8b\x08\0\0\0\0\0\x02\x03\xed\xc1";
    let (cache, file) = (FakeHub::new(), HubFile { sha256: Some(Digest::of(packed)), ..file() });
    let client = client(&address, &cache, low());
    let path = client.download(&file, &Silent, &Cancel::default()).unwrap();
    assert_eq!(std::fs::read(path).unwrap(), packed);
    let message = client.list(RepoKind::Dataset, REPO, COMMIT, "x", &Cancel::default()).unwrap_err().to_string();
    assert!(message.contains("compressed on the way (Content-Encoding: gzip)"), "{message}");
}

/// Fault (hub): Ctrl-C while a server stalls before or in its headers, in a body, drips, or lists without an end → ends within 100 ms
#[test]
fn cancelling_ends_every_wait() {
    let silent: Serve = |_, _| {
        std::thread::sleep(Duration::from_secs(10));
        Ok(())
    };
    let in_headers: Serve = |_, stream| {
        stream.write_all(b"HTTP/1.1 200 ok\r\n")?;
        silent_for_ten_seconds(stream)
    };
    let in_body: Serve = |_, stream| {
        stream.write_all(b"HTTP/1.1 200 ok\r\nETag: \"x\"\r\nConnection: close\r\nContent-Length: 3000\r\n\r\n[")?;
        silent_for_ten_seconds(stream)
    };
    let drip: Serve = |_, stream| {
        stream.write_all(b"HTTP/1.1 200 ok\r\nETag: \"x\"\r\nConnection: close\r\nContent-Length: 3000\r\n\r\n")?;
        pour(stream, b"[", Duration::from_millis(5))
    };
    let endless: Serve = |path, stream| {
        let at = cursor(path);
        page(stream, [format!("{at}")].into_iter(), &format!("?cursor={}", at + 1))
    };
    let start_again: Serve =
        |_, stream| stream.write_all(b"HTTP/1.1 503 x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    for serve in [silent, in_headers, in_body, drip, endless, start_again] {
        let (address, _) = raw(serve);
        let cache = FakeHub::new();
        let patient = HubSettings {
            endpoint: format!("http://{address}"),
            read_timeout: Duration::from_mins(1),
            backoff: Duration::from_mins(1),
            ..cache.settings()
        };
        let (client, cancel) = (Hub::new(patient), Cancel::default());
        let (stop, pinned) = (cancel.clone(), HubFile { sha256: Some(Digest::of(b"w")), ..file() });
        let asked = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(150));
            stop.request();
            Instant::now()
        });
        let listing = client.list(RepoKind::Dataset, REPO, COMMIT, "", &cancel);
        assert!(matches!(listing, Err(HubError::Interrupted)), "{listing:?}");
        let took = asked.join().unwrap().elapsed();
        // Twice as long as promised, for a machine with other work.
        assert!(took < Duration::from_millis(200), "{took:?}");
        assert!(matches!(client.download(&pinned, &Silent, &cancel), Err(HubError::Interrupted)));
    }
}

fn silent_for_ten_seconds(stream: &mut TcpStream) -> std::io::Result<()> {
    std::thread::sleep(Duration::from_secs(10));
    stream.flush()
}

/// Fault (processes): Ctrl-C while the server of the weights is silent → the command ends within 100 ms, with exit code 130
#[test]
#[cfg(unix)]
fn a_command_that_waits_for_a_server_ends_at_once() {
    let (address, requests) = raw(|_, stream| silent_for_ten_seconds(stream));
    let workspace = Workspace::synthetic(2, 2, "");
    let weights = format!("weights={{source: hub, repo: a/b, revision: {COMMIT}, file: w.pth}}");
    let mut command = workspace.command(&["fetch", "config.yaml", "--set", &weights]);
    command.env("HF_ENDPOINT", format!("http://{address}")).env_remove("HF_HUB_OFFLINE");
    let mut child = command.stderr(std::process::Stdio::null()).stdout(std::process::Stdio::null()).spawn().unwrap();
    while requests.log().is_empty() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let start = Instant::now();
    std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let status = child.wait().unwrap();
    // With the start of `kill`, on a machine with other work.
    assert!(start.elapsed() < Duration::from_millis(300), "{:?}", start.elapsed());
    assert_eq!(status.code(), Some(130));
}
