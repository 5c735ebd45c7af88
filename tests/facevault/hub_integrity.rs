//! What the Hub, a mirror or the cache gives is the pinned content, also outside LFS.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use facevault::digest::Digest;
use facevault::hub::{Hub, HubError, HubFile, HubSettings, RepoKind, git_blob_id};
use facevault::progress::{Cancel, Silent};

use crate::support::fake_hub::{COMMIT, FakeHub};
use crate::support::network::{Answer, Canned, raw};

const REPO: &str = "a/faces";
const OTHER: &str = "0123456789abcdef0123456789abcdef01234567";

fn note() -> HubFile {
    HubFile::new(RepoKind::Dataset, REPO, COMMIT, "note.txt")
}

/// A mirror that lists `note.txt` as `listed`, and sends these bytes with these headers.
fn mirror(listed: &[u8], bytes: &'static [u8], headers: &[String]) -> Canned {
    let (headers, oid, size) = (headers.to_vec(), git_blob_id(listed), listed.len());
    Canned::new(move |path| {
        let list = format!(r#"[{{"type":"file","path":"note.txt","size":{size},"oid":"{oid}"}}]"#);
        let (headers, body) =
            if path.contains("/tree/") { (Vec::new(), list.into_bytes()) } else { (headers.clone(), bytes.to_vec()) };
        Some(Answer { headers, body })
    })
}

/// A client of the mirror with an empty cache.
fn client(mirror: &Canned, cache: &FakeHub) -> Hub {
    let endpoint = format!("http://{}", mirror.address);
    Hub::new(HubSettings { endpoint, attempts: 1, ..cache.settings() })
}

fn listed(client: &Hub) -> Result<HubFile, HubError> {
    client.list(RepoKind::Dataset, REPO, COMMIT, "", &Cancel::default()).map(|mut files| files.remove(0))
}

fn get(client: &Hub, file: &HubFile) -> Result<Vec<u8>, HubError> {
    client.download(file, &Silent, &Cancel::default()).map(|path: PathBuf| fs::read(path).unwrap())
}

fn etag(text: &str) -> String {
    format!("ETag: \"{text}\"")
}

/// Fault (hub): another file of the same size under a pinned commit, with an entity tag of its own → refused by the git id of the listing; nothing is kept
#[test]
fn another_file_of_the_same_size_is_refused() {
    let cache = FakeHub::new();
    let mirror = mirror(b"a note", b"b note", &[etag(&git_blob_id(b"b note"))]);
    let client = client(&mirror, &cache);
    let file = listed(&client).unwrap();
    let message = get(&client, &file).unwrap_err().to_string();
    insta::assert_snapshot!(message, @"`note.txt` of a/faces@c42f4c2 is damaged: its git blob id is 55077088807457162e6973fa4adf3a280cea22b0, expected 4fb6e84e02b3c0d7113d7bb723398fddf04b2519; it was discarded: start again; if it is damaged again, contact whoever runs the proxy or mirror, or, if the content is right, pin its sha256, which takes precedence");
    assert!(cache.cached().iter().all(|name| name.contains("/listings/")), "{:?}", cache.cached());
}

/// Fault (hub): a mirror whose entity tags are MD5, SHA-1 or parts of an upload, or which sends none → accepted if the content has the git id of the listing
#[test]
fn the_listing_takes_precedence_over_a_mirrors_tags() {
    let tags = [
        etag(&git_blob_id(b"a note")),
        etag("d4ac2ff0c48b5b6b4dbcb1a9a1ea4b3a7e1a1a1a"),
        etag("0123456789abcdef0123456789abcdef"),
        etag("0123456789abcdef0123456789abcdef-12"),
        "X-Powered-By: none".into(),
    ];
    for tag in tags {
        let cache = FakeHub::new();
        let mirror = mirror(b"a note", b"a note", std::slice::from_ref(&tag));
        let client = client(&mirror, &cache);
        let file = listed(&client).unwrap();
        for _ in 0..2 {
            assert_eq!(get(&client, &file).unwrap(), b"a note", "{tag}");
        }
        assert_eq!(mirror.log().len(), 2, "a list and one download, then the cache: {tag}");
    }
}

/// Fault (hub): a damaged file outside LFS in the cache, of the same size → downloaded again; offline, an error names both ids
#[test]
fn a_damaged_small_file_in_the_cache_is_downloaded_again() {
    let hub = FakeHub::new();
    hub.put("datasets/a/faces", "note.txt", b"a note", false);
    let listed = listed(&hub.client()).unwrap();
    assert_eq!(listed.git_id.as_deref(), Some(git_blob_id(b"a note").as_str()));
    // Also one that no listing describes: the name of its blob tells.
    for file in [listed, note()] {
        let path = hub.client().download(&file, &Silent, &Cancel::default()).unwrap();
        fs::write(&path, b"b note").unwrap();
        hub.log();
        assert_eq!(get(&hub.client(), &file).unwrap(), b"a note");
        assert_eq!(hub.log().len(), 1);
        fs::write(&path, b"b note").unwrap();
        let offline = get(&hub.offline(), &file).unwrap_err();
        assert!(
            matches!(offline, HubError::DamagedOffline { .. }) && fs::read(&path).unwrap() == b"b note",
            "{offline}"
        );
        get(&hub.client(), &file).unwrap();
    }
}

/// Fault (hub): the cache links to somebody's own file, which is not the pinned one → the file stays; the link is replaced by a
/// download
/// Fault (hub): a file in the cache is not the pinned one, offline → nothing is removed; the error names the file and both digests
/// Fault (hub): `sha256` has a typo, and the file in the cache is intact → it stays, and the error says that they are different files
#[cfg(unix)]
#[test]
fn nothing_is_removed_that_is_not_of_the_cache() {
    let hub = FakeHub::new();
    hub.put("datasets/a/faces", "note.txt", b"a note", false);
    let repository = hub.cache.path().join("datasets--a--faces");
    let snapshot = repository.join("snapshots").join(COMMIT);
    let own = tempfile::tempdir().unwrap();
    let mine = own.path().join("mine.txt");
    fs::write(&mine, b"my note").unwrap();
    fs::create_dir_all(&snapshot).unwrap();
    fs::create_dir_all(repository.join("blobs")).unwrap();
    std::os::unix::fs::symlink(&mine, snapshot.join("note.txt")).unwrap();
    let pinned = HubFile { sha256: Some(Digest::of(b"a note")), ..note() };
    let refused = |file: &HubFile| hub.plain(&get(&hub.offline(), file).unwrap_err());
    insta::assert_snapshot!(refused(&pinned), @"`note.txt` of a/faces@c42f4c2 is damaged: its sha256 is cec25c1af6f55332088bea53dfdbff1a7c168a11e6054208a288d8bacf778a90, expected f63e34a034f19a24438f2d74b242bc96682abd843ecc4ea63fefed4006d860a3; HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE prevents its download, so CACHE/datasets--a--faces/snapshots/c42f4c2771b043bb5c461093664d016ff4298224/note.txt stays as it is: set HF_HUB_OFFLINE=0 to download the file again, or, if it is the right one, correct `sha256` in the config");
    assert!(snapshot.join("note.txt").is_symlink());
    assert_eq!(get(&hub.client(), &pinned).unwrap(), b"a note");
    assert_eq!(fs::read(&mine).unwrap(), b"my note");
    let typo = HubFile { sha256: Some(Digest::of(b"another")), ..note() };
    for client in [hub.client(), hub.offline()] {
        insta::allow_duplicates! {
            insta::assert_snapshot!(hub.plain(&get(&client, &typo).unwrap_err()), @"`note.txt` of a/faces@c42f4c2 has sha256 f63e34a034f19a24438f2d74b242bc96682abd843ecc4ea63fefed4006d860a3 on the Hub, but ae448ac86c4e8e4dec645729708ef41873ae79c6dff84eff73360989487f08e5 is pinned: they are different files; correct `sha256` or `revision`");
        }
    }
    assert_eq!(get(&hub.offline(), &pinned).unwrap(), b"a note", "it is still there");
}

/// Fault (hub): another replica behind a mirror has the rest of another file, and does not know If-Range → the download starts
/// over; no file is put together from two
#[test]
fn a_download_goes_on_with_the_same_file_only() {
    const WHOLE: &str = "the file of one replica";
    let asked = AtomicUsize::new(0);
    let (address, requests) = raw(move |_, stream| {
        let (status, tag, more, body) = match asked.fetch_add(1, Ordering::Relaxed) {
            1 => ("206 x", "b-2", "Content-Range: bytes 3-22/23\r\n", &"THE FILE OF ANOTHER ONE"[3..]),
            _ => ("200 x", "a-1", "", WHOLE),
        };
        let length = body.len();
        write!(
            stream,
            "HTTP/1.1 {status}\r\nConnection: close\r\nETag: \"{tag}\"\r\n{more}Content-Length: {length}\r\n\r\n{body}"
        )
    });
    let cache = FakeHub::new();
    let blobs = cache.cache.path().join("datasets--a--faces/blobs");
    fs::create_dir_all(&blobs).unwrap();
    fs::write(blobs.join("a-1.incomplete"), &WHOLE[..3]).unwrap();
    let client = Hub::new(HubSettings { endpoint: format!("http://{address}"), attempts: 1, ..cache.settings() });
    assert_eq!(get(&client, &note()).unwrap(), WHOLE.as_bytes());
    assert_eq!(fs::read_dir(&blobs).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>(), ["a-1"]);
    let heads = requests.log().into_iter().map(|head| head.to_lowercase());
    let of = |head: String| {
        let lines = head.lines().filter(|line| line.starts_with("range:") || line.starts_with("if-range:"));
        lines.map(str::to_owned).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(heads.map(of).collect::<Vec<_>>(), ["", "range: bytes=3- if-range: \"a-1\"", ""]);
}

/// Fault (hub): a branch that moves while a small file stays the same → the cached file is used, after it was checked
#[test]
fn a_known_small_file_of_another_commit_is_not_downloaded_again() {
    let hub = FakeHub::new();
    hub.put("datasets/a/faces", "note.txt", b"a note", false).move_main(OTHER);
    get(&hub.client(), &listed(&hub.client()).unwrap()).unwrap();
    hub.log();
    let moved = HubFile { revision: OTHER.into(), git_id: Some(git_blob_id(b"a note")), ..note() };
    assert_eq!(get(&hub.client(), &moved).unwrap(), b"a note");
    assert_eq!(hub.log(), [""; 0]);
}

/// Fault (hub): an answer whose `X-Repo-Commit` is not the pinned commit → refused, for a file and for a listing
#[test]
fn an_answer_about_another_commit_is_refused() {
    let tag = etag(&git_blob_id(b"a note"));
    let found = |commit: &str, revision: &str| {
        let cache = FakeHub::new();
        let mirror = mirror(b"a note", b"a note", &[tag.clone(), format!("X-Repo-Commit: {commit}")]);
        let client = client(&mirror, &cache);
        get(&client, &HubFile { revision: revision.into(), ..note() }).map_err(|error| {
            assert_eq!(cache.cached(), [""; 0]);
            error.to_string().replace(&mirror.address, "mirror")
        })
    };
    insta::assert_snapshot!(found(OTHER, COMMIT).unwrap_err(), @"mirror answers for `note.txt` of a/faces@c42f4c2 with commit 0123456789abcdef0123456789abcdef01234567, but c42f4c2771b043bb5c461093664d016ff4298224 is pinned; correct `revision`, or contact whoever runs the proxy or mirror");
    assert!(found(OTHER, &COMMIT[..7]).is_err());
    assert!(found("main", COMMIT).is_err());
    // Abbreviated, in upper case, not sent; and a branch may be at any commit.
    for (commit, revision) in [
        (&COMMIT[..7], COMMIT),
        (&COMMIT.to_uppercase(), COMMIT),
        (COMMIT, &COMMIT[..7]),
        ("", COMMIT),
        (OTHER, "main"),
    ] {
        assert_eq!(found(commit, revision).unwrap(), b"a note", "{commit} {revision}");
    }

    let cache = FakeHub::new();
    let elsewhere = Canned::new(|_| {
        let headers = vec![format!("X-Repo-Commit: {OTHER}")];
        Some(Answer { headers, body: b"[]".to_vec() })
    });
    assert!(matches!(listed(&client(&elsewhere, &cache)), Err(HubError::OtherCommit { .. })));
    assert_eq!(cache.cached(), [""; 0]);
}
