//! The Hub behind private CAs and proxies, and mirrors that deviate from it.

use std::fs;
use std::os::unix::ffi::OsStrExt;

use facevault::digest::Digest;
use facevault::hub::{Hub, HubError, HubFile, HubSettings, NamedProxy, Proxies, RepoKind, Roots, Token};
use facevault::progress::{Cancel, Silent};

use crate::support::fake_hub::{COMMIT, FakeHub};
use crate::support::network::{self, certificate, tls_in_front_of};
use crate::support::workspace::Workspace;

const REPO: &str = "a/faces";

fn note() -> HubFile {
    HubFile::new(RepoKind::Model, REPO, COMMIT, "note.txt")
}

fn hub() -> FakeHub {
    let hub = FakeHub::new();
    hub.put(REPO, "note.txt", b"a note", false);
    hub
}

fn get(settings: HubSettings) -> Result<Vec<u8>, HubError> {
    Hub::new(settings).download(&note(), &Silent, &Cancel::default()).map(|path| fs::read(path).unwrap())
}

fn trusting(hub: &FakeHub, address: &str, authority: &str) -> HubSettings {
    let roots = Roots(vec![("SSL_CERT_FILE", certificate(authority))]);
    HubSettings { endpoint: format!("https://{address}"), roots, ..hub.settings() }
}

fn proxy(variable: &'static str, address: &str) -> NamedProxy {
    NamedProxy { variable, address: Token(address.into()) }
}

/// Fault (hub): a certificate of an authority that is not trusted → refused, with the variables that name one
#[test]
fn a_private_ca_is_trusted_only_if_configured() {
    let hub = hub();
    let address = tls_in_front_of(&hub.address, "server.pem");
    assert_eq!(get(trusting(&hub, &address, "ca.pem")).unwrap(), b"a note");
    let plain = |error: HubError| {
        error.to_string().replace(&address, "hub").replace(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."), "ROOT")
    };
    let another = HubSettings { cache: hub.cache.path().join("other"), ..trusting(&hub, &address, "selfsigned.pem") };
    insta::assert_snapshot!(plain(get(another.clone()).unwrap_err()), @"cannot trust hub for `note.txt` of a/faces@c42f4c2: its certificate is not signed by any of the root certificates in SSL_CERT_FILE=ROOT/tests/fixtures/tls/selfsigned.pem (1); if a proxy or mirror has its own CA, set SSL_CERT_FILE to that CA's certificate (PEM), SSL_CERT_DIR to its folder, or REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE to either");
    // Whatever the system trusts, it is not this CA.
    let by_system = plain(get(HubSettings { roots: Roots::default(), ..another.clone() }).unwrap_err());
    assert!(by_system.contains("SSL_CERT_FILE") && by_system.contains("REQUESTS_CA_BUNDLE"), "{by_system}");
    let unreadable = Roots(vec![("CURL_CA_BUNDLE", "/nowhere/ca.pem".into())]);
    insta::assert_snapshot!(plain(get(HubSettings { roots: unreadable, ..another }).unwrap_err()), @"CURL_CA_BUNDLE is set to /nowhere/ca.pem, but it cannot be read: No such file or directory (os error 2); correct it, or unset it to use the system's root certificates");
}

/// Fault (hub): a certificate of another host, or of an authority itself → refused with the reason
#[test]
fn an_invalid_certificate_is_reported_with_a_remedy() {
    let hub = hub();
    let message = |name: &str, authority: &str| {
        let address = tls_in_front_of(&hub.address, name);
        get(trusting(&hub, &address, authority)).unwrap_err().to_string().replace(&address, "hub")
    };
    insta::assert_snapshot!(message("elsewhere.pem", "ca.pem"), @"cannot trust hub for `note.txt` of a/faces@c42f4c2: its certificate is for a different name; use a name in its subjectAltName, or have this one added to it");
    insta::assert_snapshot!(message("selfsigned.pem", "selfsigned.pem"), @"cannot trust hub for `note.txt` of a/faces@c42f4c2: its certificate is that of a CA; sign a certificate for the server with that CA, without `CA:TRUE`, and set SSL_CERT_FILE to the certificate of the CA");
}

#[test]
fn the_environment_configures_the_trusted_cas() {
    let hub = hub();
    let address = tls_in_front_of(&hub.address, "server.pem");
    let place = Workspace::synthetic(2, 2, "");
    let weights = fs::read(place.path("weights.safetensors")).unwrap();
    hub.put("me/weights", "w.safetensors", &weights, false);
    let source = format!("weights={{source: hub, repo: me/weights, revision: {COMMIT}, file: w.safetensors}}");
    let fetch = |authority: &str| {
        let mut command = place.command(&["fetch", "config.yaml", "--set", &source]);
        command.env("HF_HUB_OFFLINE", "0").env("HF_ENDPOINT", format!("https://{address}"));
        command.env("SSL_CERT_FILE", certificate(authority)).output().unwrap()
    };
    let refused = fetch("selfsigned.pem");
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("SSL_CERT_FILE"));
    let fetched = fetch("ca.pem");
    assert!(fetched.status.success(), "{}", String::from_utf8(fetched.stderr).unwrap());
}

#[test]
fn each_scheme_uses_its_own_proxy() {
    let hub = hub();
    let (for_http, for_https) = (network::Proxy::new(None), network::Proxy::new(None));
    let proxies = Proxies {
        http: Some(proxy("HTTP_PROXY", &format!("http://me:secret@{}", for_http.address))),
        https: Some(proxy("HTTPS_PROXY", &format!("http://{}", for_https.address))),
        except: Vec::new(),
    };
    assert_eq!(get(HubSettings { proxies: proxies.clone(), ..hub.settings() }).unwrap(), b"a note");
    let asked = format!("GET http://{}/{REPO}/resolve/{COMMIT}/note.txt HTTP/1.1", hub.address);
    assert_eq!(for_http.log(), [format!("{asked} Proxy-Authorization: Basic bWU6c2VjcmV0")]);
    assert_eq!(for_https.log(), [""; 0]);

    let address = tls_in_front_of(&hub.address, "server.pem");
    let settings = HubSettings { cache: hub.cache.path().join("other"), ..trusting(&hub, &address, "ca.pem") };
    assert_eq!(get(HubSettings { proxies: proxies.clone(), ..settings.clone() }).unwrap(), b"a note");
    assert_eq!(for_https.log(), [format!("CONNECT {address} HTTP/1.1")]);
    assert_eq!(for_http.log(), [""; 0]);

    let except = Proxies { except: vec!["127.0.0.0/8".into()], ..proxies };
    let settings = HubSettings { proxies: except, cache: hub.cache.path().join("third"), ..settings };
    assert_eq!(get(settings).unwrap(), b"a note");
    assert_eq!((for_http.log(), for_https.log()), (vec![], vec![]));
}

/// Fault (hub): a proxy that refuses, is not there or has no valid address → named without its password
#[test]
fn a_failing_proxy_is_named_without_its_password() {
    let hub = hub();
    let message = |proxies: Proxies, https: bool| {
        let endpoint = format!("{}://{}", if https { "https" } else { "http" }, hub.address);
        let error = get(HubSettings { endpoint, proxies, attempts: 1, ..hub.settings() }).unwrap_err();
        hub.plain(&error)
    };
    let refusing = network::Proxy::new(Some(407));
    let address = format!("http://me:secret@{}", refusing.address);
    let plain = |message: String, proxy: &str| message.replace(proxy, "proxy");
    let http = Proxies { http: Some(proxy("http_proxy", &address)), ..Proxies::default() };
    insta::assert_snapshot!(plain(message(http, false), &refusing.address), @"the proxy http://proxy (http_proxy) refuses to connect to hub for `note.txt` of a/faces@c42f4c2: it requires a user name and password (407); set http_proxy=http://user:password@host:port");
    let https = Proxies { https: Some(proxy("HTTPS_PROXY", &address)), ..Proxies::default() };
    insta::assert_snapshot!(plain(message(https, true), &refusing.address), @"the proxy http://proxy (HTTPS_PROXY) refuses to connect to hub for `note.txt` of a/faces@c42f4c2: it requires a user name and password (407); set HTTPS_PROXY=http://user:password@host:port");
    let busy = network::Proxy::new(Some(502));
    let https = Proxies { https: Some(proxy("ALL_PROXY", &busy.address)), ..Proxies::default() };
    insta::assert_snapshot!(plain(message(https, true), &busy.address), @"the proxy http://proxy (ALL_PROXY) refuses to connect to hub for `note.txt` of a/faces@c42f4c2: it responded with status 502; contact whoever runs it, correct ALL_PROXY, or add the host to NO_PROXY if it is reachable directly");
    // Bound and dropped: nobody listens there.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let https = Proxies { https: Some(proxy("HTTPS_PROXY", &nobody)), ..Proxies::default() };
    insta::assert_snapshot!(plain(message(https, true), &nobody), @"cannot reach hub through the proxy http://proxy (HTTPS_PROXY) for `note.txt` of a/faces@c42f4c2: io: Connection refused (os error 111); check the network, the proxy and HF_ENDPOINT, or set HF_HUB_OFFLINE=1 to use cached files only");
    let strange = Proxies { http: Some(proxy("HTTP_PROXY", "ftp://me:secret@proxy")), ..Proxies::default() };
    insta::assert_snapshot!(message(strange, false), @"HTTP_PROXY is not a valid proxy address; expected http://host:port, http://user:password@host:port or socks5h://host:port");
}

/// Fault (hub): a token with a typographic quote, or a variable that is not UTF-8 → nothing is sent; the error names it
#[test]
fn what_is_wrong_with_a_variable_is_said_as_it_is() {
    let hub = hub();
    let place = Workspace::synthetic(2, 2, "");
    let source = format!("weights={{source: hub, repo: {REPO}, revision: {COMMIT}, file: w.safetensors}}");
    let refused = |variables: &[(&str, &[u8])]| {
        let mut command = place.online_command(&hub, &["fetch", "config.yaml", "--set", &source, "--quiet"]);
        command.env_remove("NO_PROXY").env_remove("no_proxy");
        for (name, value) in variables {
            command.env(name, std::ffi::OsStr::from_bytes(value));
        }
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = hub.plain(&String::from_utf8(output.stderr).unwrap());
        said.lines().find(|line| line.starts_with("error")).unwrap().to_owned()
    };
    insta::assert_snapshot!(refused(&[("HF_TOKEN", "“hf_secret”".as_bytes())]), @"error: the token in HF_TOKEN has a space, a typographic quote or another character that no token has, so nothing was sent; copy it again from your account's settings, or remove it");
    insta::assert_snapshot!(refused(&[("HF_HOME", b"/data/\xff")]), @"error: the environment variable HF_HOME is not UTF-8; correct it, or unset it");
    // What the remedy shows is no password.
    let proxy = network::Proxy::new(Some(407));
    let address = format!("http://me:secret@{}", proxy.address);
    let said = refused(&[("HTTP_PROXY", address.as_bytes())]).replace(&proxy.address, "proxy");
    insta::assert_snapshot!(said, @"error: the proxy http://proxy (HTTP_PROXY) refuses to connect to hub for `w.safetensors` of a/faces@c42f4c2: it requires a user name and password (407); set HTTP_PROXY=http://user:password@host:port");
    assert_eq!(hub.log(), [""; 0]);
}

/// A mirror that sends these headers with every file.
fn mirror(headers: &[&str]) -> network::Canned {
    let headers: Vec<_> = headers.iter().map(|line| (*line).to_owned()).collect();
    network::Canned::new(move |_| Some(network::Answer { headers: headers.clone(), body: b"a note".to_vec() }))
}

/// Fault (hub): a mirror whose entity tags are no digests → accepted if the content has the pinned sha256, refused if not
#[test]
fn a_pinned_digest_takes_precedence_over_a_mirrors_tags() {
    let pinned = HubFile { sha256: Some(Digest::of(b"a note")), ..note() };
    let tags = [
        // SHA-1 of the bytes and not of git's blob; MD5; parts of an upload; another's SHA-256; none.
        "ETag: \"d4ac2ff0c48b5b6b4dbcb1a9a1ea4b3a7e1a1a1a\"",
        "ETag: \"0123456789abcdef0123456789abcdef\"",
        "ETag: \"0123456789abcdef0123456789abcdef-12\"",
        "ETag: \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"",
        "X-Powered-By: none",
    ];
    for tag in tags {
        let (mirror, hub) = (mirror(&[tag]), hub());
        let client = || {
            let endpoint = format!("http://{}", mirror.address);
            Hub::new(HubSettings { endpoint, attempts: 1, ..hub.settings() })
        };
        let get = |file: &HubFile| client().download(file, &Silent, &Cancel::default());
        for _ in 0..2 {
            assert_eq!(fs::read(get(&pinned).unwrap()).unwrap(), b"a note", "{tag}");
        }
        assert_eq!(mirror.log().len(), 1, "the second time from the cache");
        let other = HubFile { sha256: Some(Digest::of(b"another")), path: "b.txt".into(), ..note() };
        assert!(matches!(get(&other), Err(HubError::Damaged { .. } | HubError::OtherContent { .. })), "{tag}");
    }
}

/// Fault (hub): a mirror without `ETag` or `X-Repo-Commit`, or the login page of a network → an error with what to set
/// Fault (hub): an entity tag that cannot be a file name, or a body that is compressed on the way → an error that quotes it
/// Fault (hub): a small file whose git id is not that of its entity tag → refused and removed
#[test]
fn headers_missing_from_a_mirror_are_reported_with_a_remedy() {
    let hub = hub();
    let message = |headers: &[&str], file: &HubFile| {
        let mirror = mirror(headers);
        let endpoint = format!("http://{}", mirror.address);
        let client = Hub::new(HubSettings { endpoint, attempts: 1, ..hub.settings() });
        let error = client.download(file, &Silent, &Cancel::default()).unwrap_err();
        error.to_string().replace(&mirror.address, "mirror")
    };
    insta::assert_snapshot!(message(&[], &note()), @"unexpected response of mirror for `note.txt` of a/faces@c42f4c2: no ETag header; for a mirror that sends none, set `sha256` in the config; check HF_ENDPOINT and the proxy");
    insta::assert_snapshot!(message(&["ETag: \"x\""], &HubFile { revision: COMMIT[..7].into(), ..note() }), @"unexpected response of mirror for `note.txt` of a/faces@c42f4c2: no X-Repo-Commit header; for a mirror that sends none, set `revision` to a full commit hash; check HF_ENDPOINT and the proxy");
    insta::assert_snapshot!(message(&["ETag: \"a/b\""], &note()), @"unexpected response of mirror for `note.txt` of a/faces@c42f4c2: the ETag \"a/b\" cannot name a file in the cache; for a mirror that sends such, set `sha256` in the config; check HF_ENDPOINT and the proxy");
    insta::assert_snapshot!(message(&["ETag: \"x\"", "Content-Encoding: gzip"], &note()), @"unexpected response of mirror for `note.txt` of a/faces@c42f4c2: compressed on the way (Content-Encoding: gzip), which was not asked for; check HF_ENDPOINT and the proxy");
    insta::assert_snapshot!(message(&["Content-Type: text/html"], &note()), @"unexpected response of mirror for `note.txt` of a/faces@c42f4c2: a web page, such as the login page of a network; check HF_ENDPOINT and the proxy");
    insta::assert_snapshot!(message(&["ETag: \"d4ac2ff0c48b5b6b4dbcb1a9a1ea4b3a7e1a1a1a\""], &note()), @"`note.txt` of a/faces@c42f4c2 is damaged: its git blob id is 4fb6e84e02b3c0d7113d7bb723398fddf04b2519, expected d4ac2ff0c48b5b6b4dbcb1a9a1ea4b3a7e1a1a1a; it was discarded: start again; if it is damaged again, contact whoever runs the proxy or mirror, or, if the content is right, pin its sha256, which takes precedence");
}

/// A mirror with a listing of two pages; the first links to `next`.
fn paged(next: String) -> network::Canned {
    network::Canned::new(move |path| {
        let page = |name: &str| format!(r#"[{{"type":"file","path":"{name}","size":1,"oid":"0"}}]"#).into_bytes();
        let (headers, body) = match path {
            path if path.contains("cursor=two") => (Vec::new(), page("b.png")),
            _ => (vec![format!("Link: <{next}>; rel=\"next\"")], page("a.png")),
        };
        Some(network::Answer { headers, body })
    })
}

/// Fault (hub): a listing that continues on another server → refused; the token stays at the endpoint
/// Fault (hub): a mirror that starts a listing over → refused
#[test]
fn a_listing_continues_at_the_endpoint_only() {
    let hub = hub();
    let elsewhere = mirror(&[]);
    let list = |mirror: &network::Canned| {
        let token = Some(Token("hf_secret".into()));
        let endpoint = format!("http://{}/hub", mirror.address);
        let client = Hub::new(HubSettings { endpoint, token, attempts: 1, ..hub.settings() });
        let listed = client.list(RepoKind::Dataset, REPO, COMMIT, "", &Cancel::default());
        let plain = |error: HubError| error.to_string().replace(&mirror.address, "mirror");
        listed.map(|files| files.into_iter().map(|file| file.path).collect::<Vec<_>>()).map_err(plain)
    };
    let tree = format!("/api/datasets/{REPO}/tree/{COMMIT}");
    // The Hub's own address of the next page, passed on: its cursor is asked for at the mirror.
    let passing = paged(format!("http://{}{tree}?recursive=true&cursor=two", elsewhere.address));
    assert_eq!(list(&passing).unwrap(), ["a.png", "b.png"]);
    let asked = ["", "&cursor=two"].map(|cursor| format!("/hub{tree}?recursive=true{cursor} authorized"));
    assert_eq!(passing.log(), asked);
    fs::remove_dir_all(hub.cache.path()).unwrap();

    let leading_away = paged(format!("http://{}/other?cursor=two", elsewhere.address));
    let message = list(&leading_away).unwrap_err().replace(&elsewhere.address, "elsewhere");
    insta::assert_snapshot!(message, @"unexpected response of mirror for the list of files of a/faces@c42f4c2: the list continues at http://elsewhere/other, which is not on http://mirror/hub; check HF_ENDPOINT and the proxy");
    // One that knows no cursors would be listed once and taken for whole.
    let beginning_again = paged(format!("{tree}?cursor=three"));
    insta::assert_snapshot!(list(&beginning_again).unwrap_err(), @"unexpected response of mirror for the list of files of a/faces@c42f4c2: the list does not end: its page 2 repeats an earlier one; check HF_ENDPOINT and the proxy");
    assert_eq!(elsewhere.log(), [""; 0]);
}
