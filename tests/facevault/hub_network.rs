//! The Hub where it is hard to reach: behind an own CA, behind proxies, and by mirrors that are not quite it.

use std::fs;

use facevault::digest::Digest;
use facevault::hub::{Hub, HubError, HubFile, HubSettings, NamedProxy, Proxies, RepoKind, Roots, Token};
use facevault::progress::{Cancel, Silent};

use crate::support::fake_hub::{COMMIT, FakeHub, Fault};
use crate::support::network::{self, certificate, tls_in_front_of};
use crate::support::workspace::Workspace;

const REPO: &str = "a/faces";

fn note() -> HubFile {
    let (repo, revision, path) = (REPO.to_owned(), COMMIT.to_owned(), "note.txt".to_owned());
    HubFile { kind: RepoKind::Model, repo, revision, path, size: None, sha256: None }
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

fn proxy(variable: &'static str, address: &str) -> Option<NamedProxy> {
    Some(NamedProxy { variable, address: Token(address.into()) })
}

#[test]
fn an_own_ca_is_trusted_where_it_is_named_and_nowhere_else() {
    let hub = hub();
    let address = tls_in_front_of(&hub.address, "server.pem");
    assert_eq!(get(trusting(&hub, &address, "ca.pem")).unwrap(), b"a note");
    let plain = |error: HubError| error.to_string().replace(&address, "hub").replace(env!("CARGO_MANIFEST_DIR"), "ROOT");
    let another = HubSettings { cache: hub.cache.path().join("other"), ..trusting(&hub, &address, "selfsigned.pem") };
    insta::assert_snapshot!(plain(get(another.clone()).unwrap_err()), @"cannot trust hub for `note.txt` of a/faces@c42f4c2: its certificate is signed by none of the 1 root certificate in SSL_CERT_FILE=ROOT/tests/fixtures/tls/selfsigned.pem; where a proxy or mirror has a CA of its own, name the file with that CA's certificate (PEM) in SSL_CERT_FILE, its folder in SSL_CERT_DIR, or either in REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE");
    // Whatever the system trusts, it is not this CA.
    let by_system = plain(get(HubSettings { roots: Roots::default(), ..another.clone() }).unwrap_err());
    assert!(by_system.contains("SSL_CERT_FILE") && by_system.contains("REQUESTS_CA_BUNDLE"), "{by_system}");
    let unreadable = Roots(vec![("CURL_CA_BUNDLE", "/nowhere/ca.pem".into())]);
    insta::assert_snapshot!(plain(get(HubSettings { roots: unreadable, ..another }).unwrap_err()), @"CURL_CA_BUNDLE names /nowhere/ca.pem, but it cannot be read: No such file or directory (os error 2); correct it, or unset it to trust the system's root certificates");
}

#[test]
fn a_certificate_that_proves_nothing_is_named_with_its_remedy() {
    let hub = hub();
    let message = |name: &str, authority: &str| {
        let address = tls_in_front_of(&hub.address, name);
        get(trusting(&hub, &address, authority)).unwrap_err().to_string().replace(&address, "hub")
    };
    insta::assert_snapshot!(message("elsewhere.pem", "ca.pem"), @"cannot trust hub for `note.txt` of a/faces@c42f4c2: its certificate is for another name; use a name that stands in its subjectAltName, or have this one added there");
    insta::assert_snapshot!(message("selfsigned.pem", "selfsigned.pem"), @"cannot trust hub for `note.txt` of a/faces@c42f4c2: it shows a CA's certificate as its own; sign a certificate for the server with that CA, without `CA:TRUE`, and name the CA's file in SSL_CERT_FILE");
}

#[test]
fn the_environment_of_a_process_says_whom_to_trust() {
    let hub = hub();
    let address = tls_in_front_of(&hub.address, "server.pem");
    let place = Workspace::synthetic(2, 2, "");
    let weights = fs::read(place.path("weights.safetensors")).unwrap();
    hub.put("me/weights", "w.safetensors", &weights, false);
    let source = format!("weights={{source: hub, repo: me/weights, revision: {COMMIT}, file: w.safetensors}}");
    let fetch = |authority: &str| {
        let mut command = place.command(&["fetch", "config.yaml", "--set", &source]);
        command.env("HF_HUB_OFFLINE", "0").env("HF_ENDPOINT", format!("https://{address}"));
        command.env("NO_PROXY", "*").env("SSL_CERT_FILE", certificate(authority)).output().unwrap()
    };
    let refused = fetch("selfsigned.pem");
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("SSL_CERT_FILE"));
    let fetched = fetch("ca.pem");
    assert!(fetched.status.success(), "{}", String::from_utf8(fetched.stderr).unwrap());
}

#[test]
fn each_scheme_goes_by_its_own_proxy() {
    let hub = hub();
    let (for_http, for_https) = (network::Proxy::new(None), network::Proxy::new(None));
    let proxies = Proxies {
        http: proxy("HTTP_PROXY", &format!("http://me:secret@{}", for_http.address)),
        https: proxy("HTTPS_PROXY", &format!("http://{}", for_https.address)),
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

#[test]
fn a_proxy_that_fails_is_named_without_its_password() {
    let hub = hub();
    let message = |proxies: Proxies, https: bool| {
        let endpoint = format!("{}://{}", if https { "https" } else { "http" }, hub.address);
        let error = get(HubSettings { endpoint, proxies, attempts: 1, ..hub.settings() }).unwrap_err();
        hub.plain(&error)
    };
    let refusing = network::Proxy::new(Some(407));
    let address = format!("http://me:secret@{}", refusing.address);
    let plain = |message: String, proxy: &str| message.replace(proxy, "proxy");
    let http = Proxies { http: proxy("http_proxy", &address), ..Proxies::default() };
    insta::assert_snapshot!(plain(message(http, false), &refusing.address), @"the proxy http://proxy (http_proxy) does not let `note.txt` of a/faces@c42f4c2 through from hub: status 407; it wants to know who asks: set http_proxy=http://user:password@host:port");
    let https = Proxies { https: proxy("HTTPS_PROXY", &address), ..Proxies::default() };
    insta::assert_snapshot!(plain(message(https, true), &refusing.address), @"the proxy http://proxy (HTTPS_PROXY) does not let `note.txt` of a/faces@c42f4c2 through from hub: proxy server responded 407/407; it wants to know who asks: set HTTPS_PROXY=http://user:password@host:port");
    let busy = network::Proxy::new(Some(502));
    let https = Proxies { https: proxy("ALL_PROXY", &busy.address), ..Proxies::default() };
    insta::assert_snapshot!(plain(message(https, true), &busy.address), @"the proxy http://proxy (ALL_PROXY) does not let `note.txt` of a/faces@c42f4c2 through from hub: proxy server responded 502/502; ask who runs it, correct ALL_PROXY, or list the host in NO_PROXY if it is reached without a proxy");
    // Bound and dropped: nobody listens there.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let https = Proxies { https: proxy("HTTPS_PROXY", &nobody), ..Proxies::default() };
    insta::assert_snapshot!(plain(message(https, true), &nobody), @"cannot reach hub through the proxy http://proxy (HTTPS_PROXY) for `note.txt` of a/faces@c42f4c2: io: Connection refused (os error 111); check the network, the proxy and HF_ENDPOINT, or set HF_HUB_OFFLINE=1 to use only what is in the cache");
    let strange = Proxies { http: proxy("HTTP_PROXY", "ftp://me:secret@proxy"), ..Proxies::default() };
    insta::assert_snapshot!(message(strange, false), @"HTTP_PROXY is no address of a proxy; write http://host:port, http://user:password@host:port or socks5h://host:port");
}
