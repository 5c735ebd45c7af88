//! The Hub client against a fake Hub with injected faults.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use facevault::digest::Digest;
use facevault::hub::{Hub, HubError, HubFile, HubSettings, RepoKind};
use facevault::progress::{Cancel, Progress, Silent};

use crate::support::fake_hub::{COMMIT, FakeHub, Fault, git_tag};

const REPO: &str = "py-feat/facenet";
const BLOB: &str = "models--py-feat--facenet/blobs";

fn content() -> Vec<u8> {
    (0..300_000u32).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).take(300_000).collect()
}

fn file(path: &str) -> HubFile {
    HubFile::new(RepoKind::Model, REPO, COMMIT, path)
}

fn weights() -> HubFile {
    HubFile { sha256: Some(Digest::of(&content())), ..file("w.bin") }
}

/// A Hub that has `w.bin` on its CDN and `note.txt` itself.
fn hub() -> FakeHub {
    let hub = FakeHub::new();
    hub.put(REPO, "w.bin", &content(), true).put(REPO, "note.txt", b"a note", false);
    hub
}

fn get(client: &Hub, file: &HubFile) -> Result<PathBuf, HubError> {
    client.download(file, &Silent, &Cancel::default())
}

/// The message of a download that must fail without leaving complete files.
fn failure(hub: &FakeHub, client: &Hub, file: &HubFile) -> String {
    let message = hub.plain(&get(client, file).unwrap_err());
    let whole: Vec<_> = hub.cached().into_iter().filter(|name| !name.ends_with(".incomplete")).collect();
    assert_eq!(whole, Vec::<String>::new(), "{message}");
    message
}

fn partial(hub: &FakeHub) -> PathBuf {
    hub.cache.path().join(format!("{BLOB}/{}.incomplete", Digest::of(&content())))
}

#[test]
fn a_large_file_comes_from_the_cdn_and_is_stored_where_python_looks() {
    let hub = hub();
    let path = get(&hub.client_with_token(), &weights()).unwrap();
    assert_eq!(fs::read(&path).unwrap(), content());
    let sha = Digest::of(&content());
    assert_eq!(hub.cached(), [format!("{BLOB}/{sha}"), format!("models--py-feat--facenet/snapshots/{COMMIT}/w.bin")]);
    assert_eq!(fs::read_link(&path).unwrap(), Path::new(&format!("../../blobs/{sha}")));
    assert_eq!(
        hub.log(),
        [format!("hub /{REPO}/resolve/{COMMIT}/w.bin authorized"), format!("cdn /blob/{sha}?signature=x"),],
        "the token is for the Hub alone"
    );
    assert_eq!(get(&hub.client(), &weights()).unwrap(), path);
    assert_eq!(get(&hub.offline(), &weights()).unwrap(), path);
    assert_eq!(hub.log(), [""; 0], "what is cached needs no network");
}

#[test]
fn a_small_file_takes_one_request_and_may_be_in_folders() {
    let hub = hub();
    hub.put(REPO, "a/b c/d.txt", b"deep", false);
    let path = get(&hub.client(), &file("a/b c/d.txt")).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"deep");
    assert_eq!(fs::read_link(&path).unwrap(), Path::new(&format!("../../../../blobs/{}", git_tag(b"deep"))));
    assert_eq!(hub.log().len(), 1);
}

#[test]
fn files_that_python_downloaded_are_found() {
    let hub = hub();
    let repo = hub.cache.path().join("models--py-feat--facenet");
    fs::create_dir_all(repo.join("blobs")).unwrap();
    fs::create_dir_all(repo.join("refs")).unwrap();
    fs::create_dir_all(repo.join("snapshots").join(COMMIT)).unwrap();
    fs::write(repo.join("blobs").join(git_tag(b"a note")), "a note").unwrap();
    fs::write(repo.join("refs/main"), COMMIT).unwrap();
    std::os::unix::fs::symlink(
        format!("../../blobs/{}", git_tag(b"a note")),
        repo.join("snapshots").join(COMMIT).join("note.txt"),
    )
    .unwrap();
    for revision in [COMMIT, &COMMIT[..7], "main"] {
        let file = HubFile { revision: revision.into(), ..file("note.txt") };
        assert_eq!(fs::read(get(&hub.offline(), &file).unwrap()).unwrap(), b"a note", "{revision}");
    }
    assert_eq!(hub.log(), [""; 0]);
}

#[test]
fn a_short_revision_is_resolved_by_the_hub_and_cached() {
    let hub = hub();
    let file = HubFile { revision: COMMIT[..7].into(), ..weights() };
    let path = get(&hub.client(), &file).unwrap();
    assert!(path.ends_with(format!("snapshots/{COMMIT}/w.bin")), "{}", path.display());
    hub.log();
    assert_eq!(get(&hub.client(), &file).unwrap(), path);
    assert_eq!(get(&hub.client(), &weights()).unwrap(), path);
    assert_eq!(hub.log(), [""; 0]);
}

/// Fault (hub): a connection that is dropped, or falls silent, within a large file → resumed where it ended
#[test]
fn a_dropped_connection_is_resumed() {
    let hub = hub();
    hub.cdn_faults(&[Fault::HangUp(100_000), Fault::Silence(50_000)]);
    let path = get(&hub.client(), &weights()).unwrap();
    assert_eq!(fs::read(path).unwrap(), content());
    let asked: Vec<_> =
        hub.log().into_iter().filter_map(|line| line.split_once("signature=x").map(|(_, r)| r.to_owned())).collect();
    assert_eq!(asked, ["", " bytes=100000-", " bytes=150000-"]);
}

/// Fault (hub): a connection that is dropped within a small file → resumed where it ended
#[test]
fn a_small_file_is_resumed_too() {
    let hub = hub();
    hub.hub_faults(&[Fault::HangUp(2)]);
    assert_eq!(fs::read(get(&hub.client(), &file("note.txt")).unwrap()).unwrap(), b"a note");
    let tag = git_tag(b"a note");
    assert_eq!(hub.log().last().unwrap(), &format!("hub /{REPO}/resolve/{COMMIT}/note.txt bytes=2- if \"{tag}\""));
}

/// Fault (hub): a server that sends the whole file where the rest was asked for → received from its start
#[test]
fn a_server_that_ignores_ranges_restarts_the_file() {
    let hub = hub();
    hub.cdn_faults(&[Fault::HangUp(100_000), Fault::IgnoreRange]);
    assert_eq!(fs::read(get(&hub.client(), &weights()).unwrap()).unwrap(), content());
}

/// Fault (hub): a partial download of other bytes, shorter, as long as or longer than the file → detected, discarded and downloaded again
#[test]
fn a_partial_file_of_other_content_is_detected_and_discarded() {
    let hub = hub();
    fs::create_dir_all(partial(&hub).parent().unwrap()).unwrap();
    for length in [1_000, 300_000, 400_000] {
        fs::write(partial(&hub), vec![7; length]).unwrap();
        let path = get(&hub.client(), &weights()).unwrap();
        assert_eq!(fs::read(&path).unwrap(), content(), "{length}");
        fs::remove_file(fs::canonicalize(&path).unwrap()).unwrap();
        fs::remove_file(path).unwrap();
    }
}

/// Fault (hub): a damaged or truncated file in the cache → downloaded again
#[test]
fn a_damaged_file_in_the_cache_is_downloaded_again() {
    let hub = hub();
    let path = get(&hub.client(), &weights()).unwrap();
    fs::write(&path, vec![0; 300_000]).unwrap();
    assert_eq!(fs::read(get(&hub.client(), &weights()).unwrap()).unwrap(), content());
    fs::write(&path, "short").unwrap();
    let sized = HubFile { size: Some(300_000), sha256: None, ..weights() };
    assert_eq!(fs::read(get(&hub.client(), &sized).unwrap()).unwrap(), content());
}

/// Fault (hub): a server that fails once (503), or limits the rate (429) → asked again
#[test]
fn transient_failures_are_retried() {
    let hub = hub();
    hub.hub_faults(&[Fault::Status(503, &[]), Fault::Status(429, &[("Retry-After", "0")])]);
    get(&hub.client(), &weights()).unwrap();
}

/// A Hub whose next requests, and those of its CDN, end like this, and the message of the failing download.
fn failing(client: fn(&FakeHub) -> Hub, file: &HubFile, of_hub: &[Fault], of_cdn: &[Fault]) -> (FakeHub, String) {
    let hub = hub();
    hub.hub_faults(of_hub).cdn_faults(of_cdn);
    let message = failure(&hub, &client(&hub), file);
    (hub, message)
}

/// Fault (hub): 401 and 403 with and without a token → an error that says what to set, without the token
/// Fault (hub): a pause of 900 s that a server asks for → not waited out; the error says so
/// Fault (hub): a server that fails each time (5xx) → an error after three tries
#[test]
fn failures_by_status() {
    const DENIED: &[Fault] = &[Fault::Status(401, &[])];
    insta::assert_snapshot!(failing(FakeHub::client, &weights(), DENIED, &[]).1, @"hub denies access to `w.bin` of py-feat/facenet@c42f4c2 (401): it is private, gated or does not exist, and no token was sent; check the spelling of the repository, and set HF_TOKEN to a token with read access (or log in with `hf auth login`)");
    insta::assert_snapshot!(failing(FakeHub::client_with_token, &weights(), DENIED, &[]).1, @"hub denies access to `w.bin` of py-feat/facenet@c42f4c2 (401): the token is not accepted; check the spelling of the repository, and set HF_TOKEN to a token with read access (or log in with `hf auth login`)");
    let gated = [Fault::Status(403, &[("X-Error-Code", "GatedRepo")])];
    insta::assert_snapshot!(failing(FakeHub::client, &weights(), &gated, &[]).1, @"hub denies access to `w.bin` of py-feat/facenet@c42f4c2 (403); set HF_TOKEN to a token with read access, and if the repository is gated, accept its conditions at http://hub/py-feat/facenet");
    let limit = [Fault::Status(429, &[("Retry-After", "900")])];
    let (hub, message) = failing(FakeHub::client, &weights(), &limit, &[]);
    insta::assert_snapshot!(message, @"hub refuses `w.bin` of py-feat/facenet@c42f4c2 because of too many requests (429) and asks to wait 900 s; try again later, and set HF_TOKEN: authenticated users have a higher limit");
    assert_eq!(hub.log().len(), 1, "a pause beyond max_wait is not waited out");
    let (hub, message) =
        failing(FakeHub::client, &weights(), &[503, 500, 502].map(|status| Fault::Status(status, &[])), &[]);
    insta::assert_snapshot!(message, @"hub failed to serve `w.bin` of py-feat/facenet@c42f4c2 (502); this is a problem of the server: try again later");
    assert_eq!(hub.log().len(), 3);
}

/// Fault (hub): a repository, revision or file that does not exist → an error that says which of them
#[test]
fn failure_404() {
    let hub = hub();
    let client = hub.client();
    insta::assert_snapshot!(failure(&hub, &client, &HubFile { repo: "py-feat/facent".into(), ..weights() }), @"hub has no model repository py-feat/facent (404); check the spelling of `repo`; a private repository requires HF_TOKEN");
    insta::assert_snapshot!(failure(&hub, &client, &HubFile { revision: "0123456".into(), ..weights() }), @"model repository py-feat/facenet has no revision `0123456` (404); http://hub/py-feat/facenet/commits/main lists its commits");
    insta::assert_snapshot!(failure(&hub, &client, &file("w.safetensors")), @"`w.safetensors` of py-feat/facenet@c42f4c2 does not exist (404); http://hub/py-feat/facenet/tree/c42f4c2771b043bb5c461093664d016ff4298224 lists the files");
}

/// Fault (hub): a refused connection, or an unknown host → an error that names the host and `HF_ENDPOINT`
#[test]
fn failure_no_network() {
    let hub = hub();
    // Bound and dropped: nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = Hub::new(HubSettings { endpoint: format!("http://{port}"), ..hub.settings() });
    insta::assert_snapshot!(failure(&hub, &refused, &weights()).replace(&port.to_string(), "nobody"), @"cannot reach nobody for `w.bin` of py-feat/facenet@c42f4c2: io: Connection refused (os error 111); check the network, the proxy and HF_ENDPOINT, or set HF_HUB_OFFLINE=1 to use cached files only");
    let unknown = Hub::new(HubSettings { endpoint: "http://hub.invalid".into(), ..hub.settings() });
    let message = failure(&hub, &unknown, &weights());
    assert!(message.starts_with("cannot reach hub.invalid for `w.bin` of"), "{message}");
}

/// Fault (hub): `HF_HUB_OFFLINE` without a cached file or list → an error without a request
#[test]
fn failure_offline() {
    let hub = hub();
    insta::assert_snapshot!(failure(&hub, &hub.offline(), &weights()), @"`w.bin` of py-feat/facenet@c42f4c2 is not in the cache CACHE and HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE prevents its download; set HF_HUB_OFFLINE=0, or set HF_HUB_CACHE to a cache that contains it");
    let listed = hub.offline().list(RepoKind::Model, REPO, COMMIT, "", &Cancel::default());
    insta::assert_snapshot!(hub.plain(&listed.unwrap_err()), @"the list of files of py-feat/facenet@c42f4c2 is not in the cache CACHE and HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE prevents its download; set HF_HUB_OFFLINE=0, or set HF_HUB_CACHE to a cache that contains it");
    assert_eq!(hub.log(), [""; 0]);
}

/// Fault (hub): a connection that breaks each time → an error; what arrived is kept for the next start
/// Fault (hub): a wrong byte in a large file → refused by its sha256 and removed
#[test]
fn failures_of_a_transfer() {
    let hang_up = [1_000; 3].map(Fault::HangUp);
    let (hub, message) = failing(FakeHub::client, &weights(), &[], &hang_up);
    insta::assert_snapshot!(message, @"cdn stopped after 3000 of 300000 bytes of `w.bin` of py-feat/facenet@c42f4c2 (Peer disconnected); start again to resume the download");
    assert_eq!(fs::metadata(partial(&hub)).unwrap().len(), 3_000);
    let once = |hub: &FakeHub| Hub::new(HubSettings { attempts: 1, ..hub.settings() });
    insta::assert_snapshot!(failing(once, &weights(), &[], &[Fault::Silence(1_000)]).1, @"cdn stopped after 1000 of 300000 bytes of `w.bin` of py-feat/facenet@c42f4c2 (timeout: per read); start again to resume the download");
    // The Hub's own header tells the digest, also where the config does not.
    let (hub, message) = failing(FakeHub::client, &file("w.bin"), &[], &[Fault::WrongByte]);
    insta::assert_snapshot!(message, @"`w.bin` of py-feat/facenet@c42f4c2 is damaged: its sha256 is 135a0f9cf1b05dfd0448874c21b09f6cc834b2a3dafc89c065a45740e8090f91, expected e496e24b4de3ed92e3247412ae0a588a002b2e209bff58a8a138020cc8e75fed; it was discarded: start again, and if it is damaged again, contact whoever runs the proxy or mirror");
    assert_eq!(hub.cached(), [""; 0], "what fails the check is removed");
}

/// Fault (hub): another file than the pinned one → refused before it is transferred; a cached one is kept
#[test]
fn failure_other_file_than_pinned() {
    let hub = hub();
    let pinned = HubFile { sha256: Some(Digest::of(b"another")), ..weights() };
    insta::assert_snapshot!(failure(&hub, &hub.client(), &pinned), @"`w.bin` of py-feat/facenet@c42f4c2 has sha256 e496e24b4de3ed92e3247412ae0a588a002b2e209bff58a8a138020cc8e75fed on the Hub, but ae448ac86c4e8e4dec645729708ef41873ae79c6dff84eff73360989487f08e5 is pinned: they are different files; correct `sha256` or `revision`");
    assert_eq!(hub.log().len(), 1, "nothing was transferred");
    let path = get(&hub.client(), &weights()).unwrap();
    assert!(matches!(get(&hub.client(), &pinned), Err(HubError::OtherContent { .. })));
    assert!(path.exists(), "a wrong pin is no reason to delete a sound file");
}

/// Fault (hub): a file of another size than listed, or longer than announced → refused and removed
#[test]
fn failure_wrong_size() {
    let hub = hub();
    insta::assert_snapshot!(failure(&hub, &hub.client(), &HubFile { size: Some(5), ..file("note.txt") }), @"`note.txt` of py-feat/facenet@c42f4c2 has 6 bytes, but 5 were announced; it was discarded: start again");
    hub.cdn_faults(&[Fault::TooLong]);
    insta::assert_snapshot!(failure(&hub, &hub.client(), &weights()), @"`w.bin` of py-feat/facenet@c42f4c2 has 300001 bytes, but 300000 were announced; it was discarded: start again");
    assert_eq!(hub.cached(), [""; 0]);
}

/// Fault (hub): a download's place in a shared cache is a link to a file elsewhere → refused with the link's name; the file is
/// as it was
#[test]
#[cfg(unix)]
fn failure_link_in_place_of_a_download() {
    let hub = hub();
    let elsewhere = tempfile::tempdir().unwrap();
    let mine = elsewhere.path().join("mine");
    fs::write(&mine, "mine").unwrap();
    fs::create_dir_all(partial(&hub).parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(&mine, partial(&hub)).unwrap();
    let said = failure(&hub, &hub.client(), &weights());
    let link = format!(".incomplete: it is a link to {}, and links are not followed here", mine.display());
    assert!(said.contains(&link), "{said}");
    assert_eq!(fs::read_to_string(mine).unwrap(), "mine");
}

/// Fault (hub): a status that does not exist, a redirect without an address, or one in a circle → an error
/// Fault (hub): a path that leads out of the cache → refused
#[test]
fn failure_unexpected_responses() {
    let hub = hub();
    hub.hub_faults(&[Fault::Status(418, &[]), Fault::Status(302, &[])]);
    insta::assert_snapshot!(failure(&hub, &hub.client(), &weights()), @"unexpected response of hub for `w.bin` of py-feat/facenet@c42f4c2: status 418; check HF_ENDPOINT and the proxy");
    insta::assert_snapshot!(failure(&hub, &hub.client(), &weights()), @"unexpected response of hub for `w.bin` of py-feat/facenet@c42f4c2: status 302; check HF_ENDPOINT and the proxy");
    hub.hub_faults(&vec![Fault::Status(302, &[("Location", "/round/and/round")]); 20]);
    insta::assert_snapshot!(failure(&hub, &hub.client(), &weights()), @"unexpected response of hub for `w.bin` of py-feat/facenet@c42f4c2: too many redirects; check HF_ENDPOINT and the proxy");
    insta::assert_snapshot!(failure(&hub, &hub.client(), &file("../../w.bin")), @"invalid path `../../w.bin`: expected names separated by `/`, none of them empty, `.` or `..`");
}

/// Fault (hub): Ctrl-C while the rate limit is waited out, or a transfer stalls → ends; what arrived is used
#[test]
fn cancelling_ends_waiting_and_transfer() {
    for (hub_fault, cdn_fault) in
        [(Fault::Status(429, &[("Retry-After", "60")]), Fault::None), (Fault::None, Fault::Silence(1_000))]
    {
        let hub = hub();
        hub.hub_faults(&[hub_fault]).cdn_faults(&[cdn_fault]);
        let client = Hub::new(HubSettings {
            max_wait: Duration::from_secs(100),
            read_timeout: Duration::from_secs(100),
            ..hub.settings()
        });
        let cancel = Cancel::default();
        let stop = cancel.clone();
        let start = Instant::now();
        let thread = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(200));
            stop.request();
        });
        let result = client.download(&weights(), &Silent, &cancel);
        assert!(matches!(result, Err(HubError::Interrupted)), "{result:?}");
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
        thread.join().unwrap();
        // And what came before is used.
        assert_eq!(fs::read(get(&hub.client(), &weights()).unwrap()).unwrap(), content());
    }
}

/// Fault (processes): four downloads of one file at a time → one transfer
#[test]
fn two_downloads_of_one_file_are_one_transfer() {
    let hub = hub();
    let paths: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| get(&hub.client(), &weights()).unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(paths.iter().all(|path| fs::read(path).unwrap() == content()));
    let log = hub.log();
    assert_eq!(log.iter().filter(|line| line.starts_with("cdn")).count(), 1, "{log:?}");
}

#[test]
fn progress_counts_every_byte_once() {
    #[derive(Default)]
    struct Recorder(std::sync::Mutex<Vec<String>>, std::sync::atomic::AtomicU64);
    impl Progress for Recorder {
        fn start(&self, task: &str, unit: &'static str, total: Option<u64>, resumed: u64) {
            self.0.lock().unwrap().push(format!("{task}: {resumed} of {total:?} {unit}"));
        }
        fn advance(&self, n: u64) {
            self.1.fetch_add(n, std::sync::atomic::Ordering::Relaxed);
        }
        fn remark(&self, _: &str) {}
        fn finish(&self) {
            self.0.lock().unwrap().push("finished".into());
        }
        fn say(&self, line: &str) {
            self.0.lock().unwrap().push(line.into());
        }
    }
    let hub = hub();
    hub.cdn_faults(&[Fault::HangUp(100_000)]);
    let recorder = Recorder::default();
    hub.client().download(&weights(), &recorder, &Cancel::default()).unwrap();
    assert_eq!(recorder.1.into_inner(), 300_000);
    insta::assert_snapshot!(hub.plain(&recorder.0.into_inner().unwrap().join("\n")), @r"
    downloading w.bin: 0 of Some(300000) bytes
    finished
    cdn stopped after 100000 of 300000 bytes of `w.bin` of py-feat/facenet@c42f4c2 (Peer disconnected); retrying in 1ms
    downloading w.bin: 100000 of Some(300000) bytes
    finished
    ");
}

#[test]
fn a_listing_is_read_page_by_page_sorted_and_cached() {
    let hub = hub();
    hub.put("datasets/a/faces", "lfw/B/2.jpg", b"22", false)
        .put("datasets/a/faces", "lfw/A/1.jpg", b"1", false)
        .put("datasets/a/faces", "lfw/big.bin", &content(), true)
        .put("datasets/a/faces", "readme.md", b"x", false);
    let list = |client: Hub, folder: &str| {
        client.list(RepoKind::Dataset, "a/faces", &COMMIT[..8], folder, &Cancel::default()).unwrap()
    };
    let files = list(hub.client(), "lfw");
    let lines: Vec<_> = files.iter().map(|file| format!("{} {:?} {:?}", file.path, file.size, file.sha256)).collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    lfw/A/1.jpg Some(1) None
    lfw/B/2.jpg Some(2) None
    lfw/big.bin Some(300000) Some(sha256:e496e24b4de3ed92e3247412ae0a588a002b2e209bff58a8a138020cc8e75fed)
    ");
    assert_eq!(hub.log().len(), 2, "two pages");
    assert_eq!(list(hub.offline(), "lfw"), files);
    assert_eq!(hub.log(), [""; 0]);
    assert_eq!(list(hub.client(), "").len(), 4);
    for file in &files {
        assert!(get(&hub.client(), file).unwrap().ends_with(&file.path));
    }
}

/// Fault (hub): a listing of a repository, revision or folder that does not exist → an error that says which
#[test]
fn failures_of_listing() {
    let hub = hub();
    let list = |repo: &str, revision: &str, folder: &str| {
        hub.plain(&hub.client().list(RepoKind::Dataset, repo, revision, folder, &Cancel::default()).unwrap_err())
    };
    hub.put("datasets/a/faces", "lfw/A/1.jpg", b"1", false);
    insta::assert_snapshot!(list("a/facs", COMMIT, ""), @"hub has no dataset repository a/facs (404); check the spelling of `repo`; a private repository requires HF_TOKEN");
    insta::assert_snapshot!(list("a/faces", "0123456", ""), @"dataset repository a/faces has no revision `0123456` (404); http://hub/datasets/a/faces/commits/main lists its commits");
    insta::assert_snapshot!(list("a/faces", COMMIT, "lwf"), @"`lwf` of a/faces@c42f4c2 does not exist (404); http://hub/datasets/a/faces/tree/c42f4c2771b043bb5c461093664d016ff4298224 lists the files");
}
