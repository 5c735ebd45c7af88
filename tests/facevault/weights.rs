//! Checkpoints that torch wrote (`crates/nn/tests/fixtures/weights/make.py`), and where weights come from.

use std::fs;
use std::path::{Path, PathBuf};

use facevault::digest::Digest;
use facevault::hub::HubError;
use facevault::model::weights::{Checkpoint, Parameter, require, strip_prefix};
use facevault::progress::{Cancel, KeptLines, Silent};
use facevault::weights::{self, WeightsError, WeightsSource};

use crate::support::fake_hub::{COMMIT, FakeHub, Fault};

const REPO: &str = "py-feat/facenet";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/nn/tests/fixtures/weights").join(name)
}

fn load(source: &WeightsSource) -> Result<Checkpoint, WeightsError> {
    weights::load(source, &Silent, &Cancel::default())
}

fn load_fixture(name: &str) -> Result<Checkpoint, WeightsError> {
    load(&WeightsSource::File { path: fixture(name), sha256: None })
}

fn load_file(path: &Path) -> Result<Checkpoint, WeightsError> {
    load(&WeightsSource::File { path: path.to_owned(), sha256: None })
}

/// The message without the path of this checkout.
fn refusal(name: &str) -> String {
    load_fixture(name).unwrap_err().to_string().replace(&fixture(name).display().to_string(), name)
}

#[test]
fn every_form_of_torch_save_gives_the_same_tensors() {
    let expected: [(&str, &str, &[usize], &[f32]); 12] = [
        ("bfloat", "BF16", &[3], &[1.5, -2.0, 0.25]),
        ("double", "F64", &[3], &[1.5, -2.0, 0.25]),
        ("empty", "F32", &[0, 3], &[]),
        ("half", "F16", &[3], &[1.5, -2.0, 0.25]),
        ("num_batches_tracked", "I64", &[], &[]),
        ("parameter", "F32", &[2], &[1.0, 1.0]),
        ("plain", "F32", &[2, 3], &[0.0, 0.25, 0.5, 0.75, 1.0, 1.25]),
        ("scalar", "F32", &[], &[0.5]),
        ("shared", "F32", &[10], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]),
        ("slice", "F32", &[3], &[2.0, 3.0, 4.0]),
        ("strided", "F32", &[2, 2, 2], &[4.0, 6.0, 8.0, 10.0, 16.0, 18.0, 20.0, 22.0]),
        ("transposed", "F32", &[3, 2], &[0.0, 3.0, 1.0, 4.0, 2.0, 5.0]),
    ];
    for name in ["zip.pth", "legacy.pth", "protocol4.pth", "nested.pth", "nested_legacy.pth"] {
        let found = load_fixture(name).unwrap();
        let tensors: Vec<_> = found
            .weights
            .iter()
            .map(|(key, tensor)| (key.as_str(), tensor.dtype.as_str(), tensor.shape.as_slice(), tensor.data.as_slice()))
            .collect();
        assert_eq!(tensors, expected, "{name}");
        assert_eq!(found.digest, Digest::of(&fs::read(fixture(name)).unwrap()));
    }
}

/// Fault (weights): a checkpoint with a whole module or other objects inside → refused by the name of the class;
/// nothing is run
#[test]
fn anything_but_a_state_dict_is_refused_by_name() {
    insta::assert_snapshot!(refusal("module.pth"), @"cannot load module.pth: its pickle refers to `torch.nn.modules.linear.Linear` at byte 2, and loading that could run any code; save only the `state_dict()`, or convert the file to .safetensors on a machine where you trust it");
    insta::assert_snapshot!(refusal("module_legacy.pth"), @"cannot load module_legacy.pth: its pickle refers to `torch.nn.modules.linear.Linear` at byte 16, and loading that could run any code; save only the `state_dict()`, or convert the file to .safetensors on a machine where you trust it");
    insta::assert_snapshot!(refusal("mixed.pth"), @"cannot load mixed.pth: its entry `epoch` is a number, not a tensor; save only the `state_dict()`");
    insta::assert_snapshot!(refusal("bare.pth"), @"cannot load bare.pth: it contains a tensor, not a `state_dict`");
    insta::assert_snapshot!(refusal("expanded.pth"), @"cannot load expanded.pth: tensor expanded has more elements than its storage");
    insta::assert_snapshot!(refusal("make.py"), @r#"cannot load make.py: it is a file that begins with the bytes \"\"\"W, expected .safetensors, or .pth, .pt or .bin as saved by torch; download the file itself, or convert it"#);
}

#[test]
fn the_dict_that_contains_the_network_is_found_and_reported() {
    let load = |name: &str| {
        let said = KeptLines::default();
        let source = WeightsSource::File { path: fixture(name), sha256: None };
        let mut tensors = weights::load(&source, &said, &Cancel::default()).unwrap().weights;
        let needed = [Parameter { key: "a".into(), shape: vec![2] }];
        assert_eq!(strip_prefix(&mut tensors, &needed).as_deref(), Some("module."));
        assert_eq!(tensors.into_values().map(|tensor| tensor.data).collect::<Vec<_>>(), [[1.0, 1.0]], "{name}");
        said.into_lines().join("\n")
    };
    insta::assert_snapshot!(load("wrapped.pth"), @"using `model` of the checkpoint's dicts of tensors, not `ema`");
    insta::assert_snapshot!(load("encoder.pth"), @"using the tensors in the checkpoint's entry `encoder`");
    insta::assert_snapshot!(refusal("several.pth"), @"cannot load several.pth: it contains several dicts of tensors, `student`, `teacher`; save only the `state_dict()` of the network");
    let folder = tempfile::tempdir().unwrap();
    let refused = |bytes: &str| {
        let path = folder.path().join("w.pt");
        fs::write(&path, bytes).unwrap();
        let error = load_file(&path).unwrap_err().to_string();
        error.replace(&path.display().to_string(), "w.pt")
    };
    insta::assert_snapshot!(refused(""), @"cannot load w.pt: it is empty; download or copy it again");
    insta::assert_snapshot!(refused("<html>"), @"cannot load w.pt: it is a web page, expected .safetensors, or .pth, .pt or .bin as saved by torch; download the file itself, or convert it");
    insta::assert_snapshot!(refused("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"), @"cannot read w.pt: it is a Git LFS pointer, not the file: run `git lfs pull` in its clone");
}

/// Fault (weights): a truncated checkpoint → refused with the remedy
#[test]
fn a_truncated_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.pth");
    for name in ["zip.pth", "legacy.pth"] {
        let bytes = fs::read(fixture(name)).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        let error = load(&WeightsSource::File { path: path.clone(), sha256: None }).unwrap_err().to_string();
        let error = error.replace(&path.display().to_string(), name);
        let expected = match name {
            "zip.pth" => "cannot load zip.pth: damaged .pth file (a zip archive): ",
            _ => "cannot load legacy.pth: it ends inside storage ",
        };
        assert!(error.starts_with(expected), "{error}");
    }
}

/// Fault (weights): a local file that is not the pinned one → refused with both digests
#[test]
fn a_local_file_must_match_its_pin() {
    let digest = load_fixture("zip.pth").unwrap().digest;
    load(&WeightsSource::File { path: fixture("zip.pth"), sha256: Some(digest) }).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.pth");
    let missing = WeightsSource::File { path: path.clone(), sha256: Some(digest) };
    let plain = |error: WeightsError| error.to_string().replace(&folder.path().display().to_string(), "FOLDER");
    insta::assert_snapshot!(plain(load(&missing).unwrap_err()), @"cannot read FOLDER/w.pth: No such file or directory (os error 2)");
    fs::write(&path, "x").unwrap();
    insta::assert_snapshot!(plain(load(&missing).unwrap_err()), @"the sha256 of FOLDER/w.pth is 2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881, but a00d2f18ef07e2844a2e64d6dc23ed0245b22e0c9eb101f65aa093f5a5376b83 is pinned: it is damaged or a different file; replace it, or correct `weights.sha256`");
}

/// Fault (weights): a downloaded file that differs from its pinned digest → refused with both digests
#[test]
fn weights_from_the_hub_match_their_pin() {
    let bytes = fs::read(fixture("zip.pth")).unwrap();
    let hub = FakeHub::new();
    hub.put(REPO, "w.pth", &bytes, true);
    let source =
        |sha256| WeightsSource::Hub { repo: REPO.into(), revision: COMMIT.into(), file: "w.pth".into(), sha256 };
    let load = |sha256| weights::load_with(&hub.client(), &source(sha256), &Silent, &Cancel::default());
    let found = load(Some(Digest::of(&bytes))).unwrap();
    assert_eq!(found.weights.len(), 12);
    assert_eq!((found.origin.location.as_str(), found.origin.bytes), ("py-feat/facenet/w.pth", bytes.len() as u64));
    assert_eq!(found.origin.revision.as_deref(), Some(COMMIT));

    // A bit flips in the cache: downloaded again, once.
    let blob = hub.cache.path().join(format!("models--py-feat--facenet/blobs/{}", Digest::of(&bytes)));
    let mut flipped = bytes.clone();
    flipped[2_000] ^= 1;
    fs::write(&blob, &flipped).unwrap();
    load(Some(Digest::of(&bytes))).unwrap();
    assert_eq!(fs::read(&blob).unwrap(), bytes);

    // And when the second is damaged too, it does not stay.
    fs::write(&blob, &flipped).unwrap();
    hub.cdn_faults(&[Fault::WrongByte]);
    let error = load(Some(Digest::of(&bytes))).unwrap_err();
    assert!(matches!(error, WeightsError::Hub(HubError::Damaged { .. })), "{error}");
    assert_eq!(hub.cached(), [""; 0]);

    // A wrong pin.
    load(Some(Digest::of(&bytes))).unwrap();
    let error = load(Some(Digest::of(b"another"))).unwrap_err();
    assert!(matches!(error, WeightsError::Hub(HubError::OtherContent { .. })), "{error}");
    assert!(blob.exists());
}

#[test]
fn without_a_pin_weights_match_the_digest_of_the_hub() {
    let bytes = fs::read(fixture("zip.pth")).unwrap();
    let hub = FakeHub::new();
    hub.put(REPO, "w.bin", &bytes, true).put(REPO, "small.bin", &bytes, false);
    let source =
        |file: &str| WeightsSource::Hub { repo: REPO.into(), revision: COMMIT.into(), file: file.into(), sha256: None };
    let load = |file| weights::load_with(&hub.client(), &source(file), &Silent, &Cancel::default());

    // Wrong bytes on the way do not pass, and the digest of what does is recorded.
    hub.cdn_faults(&[Fault::WrongByte]);
    let error = load("w.bin").unwrap_err();
    assert!(matches!(error, WeightsError::Hub(HubError::Damaged { .. })), "{error}");
    assert_eq!(load("w.bin").unwrap().digest, Digest::of(&bytes));

    // Nor does what was damaged in the cache: it is downloaded again.
    let blob = hub.cache.path().join(format!("models--py-feat--facenet/blobs/{}", Digest::of(&bytes)));
    let mut flipped = bytes.clone();
    flipped[2_000] ^= 1;
    fs::write(&blob, &flipped).unwrap();
    assert_eq!(load("w.bin").unwrap().digest, Digest::of(&bytes));
    assert_eq!(fs::read(&blob).unwrap(), bytes);

    // Of a file that git keeps itself the Hub states no sha256; what came is recorded all the same.
    assert_eq!(load("small.bin").unwrap().digest, Digest::of(&bytes));
}

#[test]
fn a_cancelled_download_is_interrupted() {
    let hub = FakeHub::new();
    let source = WeightsSource::Hub { repo: REPO.into(), revision: COMMIT.into(), file: "w.pth".into(), sha256: None };
    let cancel = Cancel::default();
    cancel.request();
    let error = weights::load_with(&hub.client(), &source, &Silent, &cancel).unwrap_err();
    assert!(matches!(error, WeightsError::Hub(HubError::Interrupted)), "{error}");
}

#[test]
fn embedded_weights_are_found() {
    let found = load(&WeightsSource::Embedded { name: "demo".into() }).unwrap();
    assert_eq!(found.origin.source, "embedded");
    assert!(weights::describe(&WeightsSource::Embedded { name: "demo".into() }).starts_with("`demo`, embedded, "));
}

/// Fault (weights): missing, extra or wrongly shaped parameters → refused with their names and shapes
#[test]
fn a_checkpoint_must_match_its_network() {
    let found = load_fixture("zip.pth").unwrap();
    let needed = |key: &str, shape: &[usize]| Parameter { key: key.into(), shape: shape.to_vec() };
    let all: Vec<_> = found.weights.iter().map(|(key, tensor)| needed(key, &tensor.shape)).collect();
    let floats: Vec<_> = all.iter().filter(|parameter| parameter.key != "num_batches_tracked").cloned().collect();
    require(&found, &floats, &["*num_batches_tracked"]).unwrap();
    assert!(require(&found, &floats, &[]).is_err(), "a key that nobody knows");
    assert!(require(&found, &all, &[]).is_err(), "an integer is no parameter");
}
