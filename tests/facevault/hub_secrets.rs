//! User names, passwords and signatures in addresses: used, and neither shown nor kept.

use std::fs;
use std::io::Write;
use std::path::Path;

use facevault::digest::Digest;
use facevault::hub::{Hub, HubFile, HubSettings, RepoKind};
use facevault::progress::{Cancel, Silent};

use crate::support::fake_hub::{COMMIT, FakeHub};
use crate::support::network::raw;
use crate::support::workspace::{WIDTH, Workspace, write_weights};

const RELEASE: &str = "owner/net/releases/download/v1";

/// Fault (hub): a user name and password in `HF_ENDPOINT` → sent to the endpoint alone, and never shown
#[test]
fn the_password_of_the_endpoint_is_used_and_never_shown() {
    let (elsewhere, others) =
        raw(|_, stream| stream.write_all(b"HTTP/1.1 404 x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"));
    let away = elsewhere.clone();
    let (address, requests) = raw(move |path, stream| {
        let answer = match path {
            path if path.ends_with("/away.bin") => format!("302 x\r\nLocation: http://{away}/w?signature=s1gned"),
            path if path.ends_with("/here.bin") => "302 x\r\nLocation: /moved?signature=s1gned".to_owned(),
            path if path.contains("/tree/") => {
                format!("200 ok\r\nLink: <http://u:s3cret@{away}/x?cursor=s1gned>; rel=\"next\"")
            }
            _ => "403 x".to_owned(),
        };
        let body = if answer.starts_with("200") { "[]" } else { "" };
        write!(stream, "HTTP/1.1 {answer}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    });
    let cache = FakeHub::new();
    let folder = cache.cache.path().display().to_string();
    let endpoint = format!("http://me:p%40s3cret@{address}/hf/");
    let environment = [("HF_ENDPOINT", endpoint.as_str()), ("HF_HOME", &folder), ("HF_TOKEN", "hf_s3cret")];
    let settings = HubSettings::from_lookup(|name| {
        environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    });
    assert!(!format!("{settings:?}").contains("s3cret"));
    let client = Hub::new(HubSettings { attempts: 1, ..settings });
    let get = |path: &str| {
        let file = HubFile::new(RepoKind::Model, "a/b", COMMIT, path);
        client.download(&file, &Silent, &Cancel::default()).unwrap_err().to_string()
    };
    let listed = client.list(RepoKind::Model, "a/b", COMMIT, "", &Cancel::default()).unwrap_err().to_string();
    let said = [get("gone.bin"), get("here.bin"), get("away.bin"), listed];
    for message in &said {
        assert!(!message.contains("s3cret") && !message.contains("s1gned") && !message.contains("me:"), "{message}");
    }
    assert!(said[0].contains(&format!("accept its conditions at http://{address}/hf/a/b")), "{}", said[0]);
    // "me:p@s3cret", in each request to the endpoint, also where a redirect leads back to it.
    for request in requests.log() {
        let lines: Vec<_> = request.lines().filter(|line| line.to_lowercase().starts_with("authorization")).collect();
        assert_eq!(lines, ["authorization: Basic bWU6cEBzM2NyZXQ="], "{request}");
    }
    for request in others.log() {
        assert!(!request.to_lowercase().contains("authorization"), "{request}");
    }
}

/// All files below a folder that contain a text.
fn containing(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(containing(&path, text));
        } else if fs::read(&path).is_ok_and(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes())) {
            found.push(path.display().to_string());
        }
    }
    found
}

/// Fault (hub): a key in the query of `weights.url` → used; neither shown nor in the run, its copy of the config or its report
#[test]
fn a_key_in_the_query_of_a_url_is_used_and_kept_nowhere() {
    let (hub, workspace) = (FakeHub::new(), Workspace::empty());
    write_weights(&workspace.path("w.safetensors"), WIDTH);
    let bytes = fs::read(workspace.path("w.safetensors")).unwrap();
    hub.put(RELEASE, "w.safetensors", &bytes, false);
    workspace.config("dataset: {source: synthetic, seed: 5, identities: 2, samples: 2, size: 96}");
    let url = format!("http://{}/{RELEASE}/w.safetensors?key=s3cret", hub.address);
    let (sha, config) = (Digest::of(&bytes), workspace.path("config.yaml"));
    let weights = format!("{{source: url, url: {url}, sha256: {sha}}}");
    let text = fs::read_to_string(&config).unwrap();
    let by_config = text.replace("{source: file, path: weights.safetensors}", &weights);
    let set = format!("weights={weights}");
    for (text, more) in [(&by_config, &[][..]), (&text, &["--set", &set])] {
        fs::write(&config, text).unwrap();
        for verb in [&["check", "config.yaml", "--json"][..], &["fetch", "config.yaml"], &["experiment", "config.yaml"]]
        {
            let mut command = workspace.command(&[verb, more].concat());
            let output = command.env_remove("HF_HUB_OFFLINE").output().unwrap();
            let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            assert!(output.status.success(), "{verb:?} {said}");
            assert!(!said.contains("s3cret"), "{verb:?} {said}");
        }
        for folder in ["experiments", "reports"] {
            assert_eq!(containing(&workspace.path(folder), "s3cret"), [""; 0]);
        }
        // And the run says what it was made from, and can be evaluated again.
        let kept = ["config.yaml", "provenance.json"].map(|name| fs::read_to_string(workspace.only_run().join(name)));
        assert!(kept.into_iter().any(|text| text.unwrap().contains("/w.safetensors?**********, sha256")));
        let run = workspace.only_run();
        let name = run.file_name().unwrap().to_str().unwrap();
        workspace.run(0, &["evaluate", name]);
        // And resumed by its name, with what the cache has.
        fs::remove_file(run.join("chunks/00000.json")).unwrap();
        workspace.run(0, &["embed", name]);
        let cache = workspace.path("hub");
        fs::rename(&cache, workspace.path("gone")).unwrap();
        fs::remove_file(run.join("chunks/00000.json")).unwrap();
        let mut online = workspace.command(&["embed", name]);
        let output = online.env_remove("HF_HUB_OFFLINE").output().unwrap();
        assert!(String::from_utf8_lossy(&output.stderr).contains("start from a config with the whole URL"));
        let _ = fs::remove_dir_all(&cache);
        fs::rename(workspace.path("gone"), cache).unwrap();
        fs::remove_dir_all(run).unwrap();
    }
    assert!(hub.log().iter().all(|line| line.contains("?key=s3cret")));
    // A mistake elsewhere in the line shows the line.
    fs::write(&config, by_config.replace("sha256: ", "sha257: ")).unwrap();
    let (_, said) = workspace.run(2, &["check", "config.yaml"]);
    assert!(said.contains("sha257") && !said.contains("s3cret"), "{said}");
    fs::write(&config, by_config.replace("http://", "http://me:s3cret@")).unwrap();
    let (_, said) = workspace.run(2, &["check", "config.yaml"]);
    assert!(said.contains("must not contain a user name or password") && !said.contains("s3cret"), "{said}");
}
