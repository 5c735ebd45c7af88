//! Weights at a URL, such as a release's, against a server whose storage is elsewhere, with injected faults.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use facevault::digest::Digest;
use facevault::hub::{Hub, HubError, HubSettings};
use facevault::model::weights::{Checkpoint, Tensor};
use facevault::progress::{Cancel, KeptLines, Silent};
use facevault::weights::{self, WeightsError, WeightsSource};

use crate::support::fake_hub::{FakeHub, Fault, git_tag};
use crate::support::workspace::{WIDTH, Workspace, write_tensors, write_weights};

const RELEASE: &str = "owner/net/releases/download/v1";
const SIZE: usize = 300_072;

/// A checkpoint of [`SIZE`] bytes, all of whose values are `value`.
fn content(value: f32) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let tensor = Tensor { shape: vec![75_000], data: vec![value; 75_000], dtype: "F32".into() };
    write_tensors(&path, &BTreeMap::from([("a".into(), tensor)]));
    fs::read(path).unwrap()
}

/// A server with `w.safetensors` on its storage and `small.safetensors` itself.
fn server() -> FakeHub {
    let hub = FakeHub::new();
    hub.put(RELEASE, "w.safetensors", &content(1.0), true).put(RELEASE, "small.safetensors", &content(2.0), false);
    hub
}

fn at(hub: &FakeHub, file: &str, sha256: Option<Digest>) -> WeightsSource {
    WeightsSource::Url { url: format!("http://{}/{RELEASE}/{file}", hub.address), sha256 }
}

fn pinned(hub: &FakeHub) -> WeightsSource {
    at(hub, "w.safetensors", Some(Digest::of(&content(1.0))))
}

fn load(client: &Hub, source: &WeightsSource) -> Result<Checkpoint, WeightsError> {
    weights::load_with(client, source, &Silent, &Cancel::default())
}

/// The message of a load that must fail, and which must not show what the storage signed.
fn failure(hub: &FakeHub, client: &Hub, source: &WeightsSource) -> String {
    let message = hub.plain(&load(client, source).unwrap_err());
    assert!(!message.contains("signature") && !message.contains("secret"), "{message}");
    let whole: Vec<_> = hub.cached().into_iter().filter(|name| !name.contains("/blobs/download.")).collect();
    assert_eq!(whole, [""; 0], "{message}");
    message
}

/// The folder of the only URL in the cache.
fn folder(hub: &FakeHub) -> PathBuf {
    let mut folders = fs::read_dir(hub.cache.path()).unwrap().map(|entry| entry.unwrap().path());
    folders.find(|path| path.file_name().unwrap().to_str().unwrap().starts_with("urls--")).unwrap()
}

/// Fault (hub): a file at a URL that redirects to a signed one → the token goes nowhere, and no signature is kept
#[test]
fn a_release_comes_from_its_storage_and_the_token_goes_nowhere() {
    let hub = server();
    let url = format!("http://{}/{RELEASE}/w.safetensors?key=secret", hub.address);
    let source = WeightsSource::Url { url: url.clone(), sha256: None };
    let found = load(&hub.client_with_token(), &source).unwrap();
    let sha = Digest::of(&content(1.0));
    // The server is the endpoint of the Hub as well; the token is for repositories alone.
    assert_eq!(
        hub.log(),
        [format!("hub /{RELEASE}/w.safetensors?key=secret"), format!("cdn /blob/{sha}?signature=x")],
        "no header of ours"
    );
    assert_eq!((found.digest, found.weights["a"].data.len()), (sha, 75_000));
    assert_eq!((found.origin.source.as_str(), found.origin.revision, found.origin.bytes), ("url", None, SIZE as u64));
    assert_eq!(hub.plain(&found.origin.location), format!("http://hub/{RELEASE}/w.safetensors"));

    let key = Digest::of(url.as_bytes()).short(32);
    let place = format!("urls--w.safetensors--{key}");
    let tag = format!("{place}/blobs/download.etag");
    let refs = ["covered", "latest"].map(|name| format!("{place}/refs/{name}"));
    assert_eq!(hub.cached(), [&[format!("{place}/blobs/{sha}"), tag.clone()], &refs[..]].concat());
    assert_eq!(fs::read_to_string(hub.cache.path().join(tag)).unwrap(), "\"cdn-own\"");

    for client in [hub.client(), hub.offline()] {
        assert_eq!(load(&client, &source).unwrap().digest, sha);
        // Pinning what is there needs no download.
        assert_eq!(load(&client, &WeightsSource::Url { url: url.clone(), sha256: Some(sha) }).unwrap().digest, sha);
    }
    assert_eq!(hub.log(), [""; 0], "what is cached needs no network");
}

/// Fault (hub): a connection that is dropped within a file at a URL → resumed if the entity tag is the same
#[test]
fn a_dropped_connection_is_resumed_if_the_file_is_still_the_same() {
    let hub = server();
    hub.cdn_faults(&[Fault::HangUp(100_000), Fault::Silence(50_000)]);
    let source = at(&hub, "w.safetensors", None);
    assert_eq!(load(&hub.client(), &source).unwrap().digest, Digest::of(&content(1.0)));
    let asked: Vec<_> =
        hub.log().into_iter().filter_map(|line| line.split_once("signature=x").map(|(_, r)| r.to_owned())).collect();
    assert_eq!(asked, ["", " bytes=100000- if \"cdn-own\"", " bytes=150000- if \"cdn-own\""]);

    // Another start resumes, too.
    let small = at(&hub, "small.safetensors", None);
    let once = || Hub::new(HubSettings { attempts: 1, ..hub.settings() });
    hub.hub_faults(&[Fault::HangUp(1_000)]);
    insta::assert_snapshot!(hub.plain(&load(&once(), &small).unwrap_err()), @"hub stopped after 1000 of 300072 bytes of http://hub/owner/net/releases/download/v1/small.safetensors (Peer disconnected); start again to resume the download");
    hub.log();
    assert_eq!(load(&once(), &small).unwrap().digest, Digest::of(&content(2.0)));
    let tag = git_tag(&content(2.0));
    assert_eq!(hub.log(), [format!("hub /{RELEASE}/small.safetensors bytes=1000- if \"{tag}\"")]);
}

/// Fault (hub): a file at a URL that is replaced between two parts → received from its start, never joined
#[test]
fn bytes_of_two_files_are_never_joined() {
    // A server that knows If-Range, and one that does not; one without ranges.
    for fault in [Fault::None, Fault::IgnoreIfRange, Fault::IgnoreRange] {
        let hub = server();
        let source = at(&hub, "small.safetensors", None);
        hub.hub_faults(&[Fault::HangUp(100_000)]);
        load(&Hub::new(HubSettings { attempts: 1, ..hub.settings() }), &source).unwrap_err();
        hub.replace("small.safetensors", &content(3.0)).hub_faults(&[fault]);
        assert_eq!(load(&hub.client(), &source).unwrap().digest, Digest::of(&content(3.0)));
    }
    // Bytes of which nobody knows what they are of.
    for length in [1_000, SIZE, SIZE + 1] {
        for sha256 in [None, Some(Digest::of(&content(1.0)))] {
            let hub = server();
            let source = at(&hub, "w.safetensors", sha256);
            load(&hub.client(), &source).unwrap();
            fs::remove_dir_all(folder(&hub).join("refs")).unwrap();
            fs::remove_dir_all(folder(&hub).join("blobs")).unwrap();
            fs::create_dir(folder(&hub).join("blobs")).unwrap();
            fs::write(folder(&hub).join("blobs/download.incomplete"), vec![7; length]).unwrap();
            assert_eq!(load(&hub.client(), &source).unwrap().digest, Digest::of(&content(1.0)), "{length}");
        }
    }
}

/// Fault (hub): a file at a URL with another sha256 than pinned → refused and removed
#[test]
fn another_file_than_pinned_is_refused() {
    let hub = server();
    let other = at(&hub, "w.safetensors", Some(Digest::of(b"another")));
    insta::assert_snapshot!(failure(&hub, &hub.client(), &other), @"http://hub/owner/net/releases/download/v1/w.safetensors has sha256 c656367153865fe25bd076e57071c3363953af38ede1e54fa320a97e66aaef63, but ae448ac86c4e8e4dec645729708ef41873ae79c6dff84eff73360989487f08e5 is pinned: it was replaced, or damaged on the way; it was discarded: start again, and if it has the same sha256 again, find out why it was replaced before you correct `sha256`");
    assert_eq!(hub.cached().len(), 1, "only the tag");
    // And of two contents of one URL each config gets its own.
    let first = load(&hub.client(), &at(&hub, "w.safetensors", None)).unwrap();
    hub.replace("w.safetensors", &content(3.0));
    let second = load(&hub.client(), &at(&hub, "w.safetensors", Some(Digest::of(&content(3.0))))).unwrap();
    assert_eq!(load(&hub.offline(), &pinned(&hub)).unwrap().digest, first.digest);
    assert_eq!(load(&hub.offline(), &at(&hub, "w.safetensors", None)).unwrap().digest, second.digest, "the last one");
}

/// Fault (hub): a damaged file of a URL in the cache → downloaded again, once
#[test]
fn a_damaged_file_in_the_cache_is_downloaded_again_once() {
    let hub = server();
    for source in [at(&hub, "w.safetensors", None), pinned(&hub)] {
        load(&hub.client(), &source).unwrap();
        let blob = folder(&hub).join("blobs").join(Digest::of(&content(1.0)).to_string());
        fs::write(&blob, "short").unwrap();
        let said = KeptLines::default();
        hub.log();
        let found = weights::load_with(&hub.client(), &source, &said, &Cancel::default()).unwrap();
        assert_eq!(found.digest, Digest::of(&content(1.0)));
        assert_eq!(hub.log().len(), 2);
        let said = hub.plain(&said.into_lines().join("\n"));
        assert_eq!(said, format!("http://hub/{RELEASE}/w.safetensors is damaged in the cache; downloading it again"));
        assert_eq!(fs::read(blob).unwrap(), content(1.0));
    }
}

/// Fault (hub): a file at a URL that is denied, gone, a web page, or whose server fails → an error with its remedy, without a signature
#[test]
fn failures_offline_and_by_status() {
    let failing = |file: &str, of_hub: &[Fault], of_cdn: &[Fault]| {
        let hub = server();
        hub.hub_faults(of_hub).cdn_faults(of_cdn);
        failure(&hub, &hub.client_with_token(), &at(&hub, file, None))
    };
    let hub = server();
    insta::assert_snapshot!(failure(&hub, &hub.offline(), &at(&hub, "w.safetensors", None)), @"http://hub/owner/net/releases/download/v1/w.safetensors is not in the cache CACHE and HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE prevents its download; set HF_HUB_OFFLINE=0, or set HF_HUB_CACHE to a cache that contains it");
    insta::assert_snapshot!(failing("gone.safetensors", &[], &[]), @"http://hub/owner/net/releases/download/v1/gone.safetensors does not exist (404 from hub); check the URL: the file may have been moved or removed");
    insta::assert_snapshot!(failing("w.safetensors", &[], &[Fault::Status(403, &[])]), @"cdn denies access to http://hub/owner/net/releases/download/v1/w.safetensors (403); no password or token is sent to a URL: if the file requires one, download it yourself and use `source: file`");
    let limit = [Fault::Status(429, &[("Retry-After", "900")])];
    insta::assert_snapshot!(failing("w.safetensors", &limit, &[]), @"hub refuses http://hub/owner/net/releases/download/v1/w.safetensors because of too many requests (429) and asks to wait 900 s; try again later");
    let broken = [503, 500, 502].map(|status| Fault::Status(status, &[]));
    insta::assert_snapshot!(failing("w.safetensors", &[], &broken), @"cdn failed to serve http://hub/owner/net/releases/download/v1/w.safetensors (502); this is a problem of the server: try again later");
    insta::assert_snapshot!(failing("w.safetensors", &[Fault::Portal], &[]), @"unexpected response of hub for http://hub/owner/net/releases/download/v1/w.safetensors: a web page, not a file; check the URL and the proxy");
    insta::assert_snapshot!(failing("w.safetensors", &[], &[1_000; 3].map(Fault::HangUp)), @"cdn stopped after 3000 of 300072 bytes of http://hub/owner/net/releases/download/v1/w.safetensors (Peer disconnected); start again to resume the download");
    let round = vec![Fault::Status(302, &[("Location", "/round?signature=x")]); 20];
    insta::assert_snapshot!(failing("w.safetensors", &round, &[]), @"unexpected response of hub for http://hub/owner/net/releases/download/v1/w.safetensors: too many redirects; check the URL and the proxy");
}

/// Fault (hub): a redirect to a URL with a password, without encryption, of another scheme or without a host → refused; its address is not shown
#[test]
fn redirects_lead_to_no_place_that_is_unsafe() {
    let leading_to = |headers: &'static [(&'static str, &'static str)]| {
        let hub = server();
        hub.hub_faults(&[Fault::Status(302, headers), Fault::Status(302, headers)]);
        failure(&hub, &hub.client_with_token(), &at(&hub, "w.safetensors", None))
    };
    insta::assert_snapshot!(leading_to(&[("Location", "https://me:secret@storage.invalid/w?signature=x")]), @"unexpected response of hub for http://hub/owner/net/releases/download/v1/w.safetensors: it leads to a URL with a user name or password; check the URL and the proxy");
    insta::assert_snapshot!(leading_to(&[("Location", "http://storage.invalid/w?signature=x")]), @"unexpected response of hub for http://hub/owner/net/releases/download/v1/w.safetensors: it leads to a URL that is neither https nor on this machine; check the URL and the proxy");
    insta::assert_snapshot!(leading_to(&[("Location", "ftp://storage.invalid/w?signature=x")]), @"unexpected response of hub for http://hub/owner/net/releases/download/v1/w.safetensors: it leads to a URL that is neither https nor on this machine; check the URL and the proxy");
    insta::assert_snapshot!(leading_to(&[("Location", "https:///w?signature=x")]), @"unexpected response of hub for http://hub/owner/net/releases/download/v1/w.safetensors: it leads to an invalid URL; check the URL and the proxy");
}

/// Fault (hub): a file at a URL without a length → refused unless its sha256 is pinned
#[test]
fn a_body_without_an_end_needs_a_pin() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 ok\r\nConnection: close\r\n\r\n");
            let _ = stream.write_all(&content(1.0));
        }
    });
    let hub = server();
    let source = |sha256| WeightsSource::Url { url: format!("http://{address}/w.safetensors"), sha256 };
    let message = failure(&hub, &hub.client(), &source(None)).replace(&address.to_string(), "server");
    insta::assert_snapshot!(message, @"unexpected response of server for http://server/w.safetensors: no Content-Length header; for a server that sends none, set `sha256`; check the URL and the proxy");
    load(&hub.client(), &source(Some(Digest::of(&content(1.0))))).unwrap();
}

/// Fault (processes): four loads of one URL at a time → one transfer
#[test]
fn two_loads_of_one_file_are_one_transfer() {
    let hub = server();
    hub.cdn_faults(&[Fault::Slow]);
    let source = at(&hub, "w.safetensors", None);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| load(&hub.client(), &source).unwrap())).collect();
        for thread in threads {
            thread.join().unwrap();
        }
    });
    assert_eq!(hub.log().len(), 2, "one request, redirected");
}

/// Fault (hub): Ctrl-C while a file at a URL stalls → ends; the next start resumes
#[test]
fn a_stalled_download_is_cancelled_and_resumed() {
    let hub = server();
    hub.cdn_faults(&[Fault::Silence(1_000)]);
    let client = Hub::new(HubSettings { read_timeout: Duration::from_secs(100), ..hub.settings() });
    let (cancel, start) = (Cancel::default(), Instant::now());
    let stop = cancel.clone();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        stop.request();
    });
    let result = weights::load_with(&client, &at(&hub, "w.safetensors", None), &Silent, &cancel);
    assert!(matches!(result, Err(WeightsError::Hub(HubError::Interrupted))), "{result:?}");
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    thread.join().unwrap();
    hub.log();
    load(&hub.client(), &at(&hub, "w.safetensors", None)).unwrap();
    assert!(hub.log()[1].contains("bytes=1000-"));
}

#[test]
fn weights_that_nothing_pins_are_reported_everywhere() {
    let hub = FakeHub::new();
    let workspace = Workspace::empty();
    write_weights(&workspace.path("w.safetensors"), WIDTH);
    let bytes = fs::read(workspace.path("w.safetensors")).unwrap();
    let sha = Digest::of(&bytes);
    hub.put(RELEASE, "w.safetensors", &bytes, true);
    let url = format!("http://{}/{RELEASE}/w.safetensors?key=secret", hub.address);
    let config = |pin: &str| {
        workspace.config("dataset: {source: synthetic, seed: 5, identities: 2, samples: 2, size: 96}");
        let path = workspace.path("config.yaml");
        let text = fs::read_to_string(&path).unwrap();
        let weights = format!("{{source: url, url: \"{url}\"{pin}}}");
        fs::write(path, text.replace("{source: file, path: weights.safetensors}", &weights)).unwrap();
    };
    let report = |workspace: &Workspace| {
        let name = workspace.only_run().file_name().unwrap().to_str().unwrap().to_owned();
        fs::read_to_string(workspace.path(format!("reports/{name}.html"))).unwrap()
    };
    let provenance = |workspace: &Workspace| -> serde_json::Value {
        serde_json::from_slice(&fs::read(workspace.only_run().join("provenance.json")).unwrap()).unwrap()
    };
    let last_lines = |text: String, n: usize| {
        let lines: Vec<_> = text.lines().collect();
        hub.plain(&lines[lines.len() - n..].join("\n"))
    };

    config("");
    let (out, _) = workspace.online(&hub, 0, "check");
    assert!(
        hub.plain(&out).contains(&format!("http://hub/{RELEASE}/w.safetensors: to be downloaded from hub\n")),
        "{out}"
    );
    insta::assert_snapshot!(last_lines(out, 1), @"the weights are not pinned: whatever file is at their place will be used; `facevault fetch` prints the `sha256` to add to `weights`");
    let (out, _) = workspace.online(&hub, 0, "fetch");
    insta::assert_snapshot!(last_lines(out, 3), @r"
    weights  http://hub/owner/net/releases/download/v1/w.safetensors, 1971032 bytes, sha256 c865e967b56655bc64913495d64a885c433cb7a5b2daacae9fc5ee761816eabb
    dataset  4 faces, 2 identities, manifest c0b6415d998a8df8ea61be6db72a3f77d2d1bd3814a2a38a480c6e1d72835c55
    the weights are not pinned: whatever file is at their place will be used; to pin these, add `sha256: c865e967b56655bc64913495d64a885c433cb7a5b2daacae9fc5ee761816eabb` to `weights`
    ");
    let (out, _) = workspace.online(&hub, 0, "check");
    assert!(out.contains(&format!(": cached, {} bytes\n", bytes.len())), "{out}");
    // From here on offline.
    workspace.run(0, &["experiment", "config.yaml", "-q"]);
    assert!(report(&workspace).contains("The weights are not pinned: "), "the report does not say it");
    let weights = &provenance(&workspace)["weights"];
    let found = ["source", "location", "sha256", "pinned_by"].map(|key| hub.plain(&weights[key].as_str().unwrap()));
    assert_eq!(found, ["url", &format!("http://hub/{RELEASE}/w.safetensors"), &sha.to_string(), "none"]);
    let recorded = fs::read_to_string(workspace.only_run().join("provenance.json")).unwrap() + &report(&workspace);
    assert!(!recorded.contains("secret") && !recorded.contains("signature"), "a key is recorded");

    // Pinned, it is the same run and says nothing.
    config(&format!(", sha256: {sha}"));
    for verb in ["check", "fetch"] {
        let (out, _) = workspace.run(0, &[verb, "config.yaml"]);
        assert!(!out.contains("not pinned"), "{out}");
    }
    workspace.run(0, &["experiment", "config.yaml", "-q"]);
    assert_eq!(provenance(&workspace)["weights"]["pinned_by"], "sha256");
    workspace.run(0, &["report", workspace.only_run().to_str().unwrap(), "-q"]);
    assert!(!report(&workspace).contains("not pinned"));

    // A local file is held to the same rule.
    let local = ["--set", "weights={source: file, path: w.safetensors}"];
    let (out, _) = workspace.run(0, &[&["check", "config.yaml"], &local[..]].concat());
    assert!(out.contains("the weights are not pinned"), "{out}");
    assert!(Path::new(&workspace.path("hub")).exists(), "in the Hub's cache");
}
