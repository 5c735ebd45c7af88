//! A folder of its own for one test: a config, narrow formula weights, and the binary run inside it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use facevault::digest::Digest;
use facevault::model;
use facevault::model::weights::Tensors;
use facevault::model::{ModelSpec, Network};

use super::fake_hub::FakeHub;
use super::formula;

/// Channel multiplier of the tests' network: small enough for hundreds of faces a second.
pub const WIDTH: f64 = 0.125;

/// A temporary folder with `weights.safetensors`; gone when dropped.
pub struct Workspace {
    folder: tempfile::TempDir,
}

impl Workspace {
    /// A workspace with nothing in it.
    pub fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A workspace with nothing in it, in a folder of the caller's choice.
    pub fn within(parent: &Path) -> Self {
        Self { folder: tempfile::tempdir_in(parent).unwrap() }
    }

    /// A workspace with formula weights of [`WIDTH`].
    pub fn new() -> Self {
        let workspace = Self::empty();
        write_weights(&workspace.path("weights.safetensors"), WIDTH);
        workspace
    }

    /// A workspace with `config.yaml` over synthetic faces.
    pub fn synthetic(identities: u32, samples: u32, more: &str) -> Self {
        let workspace = Self::new();
        workspace.config(&format!(
            "dataset: {{source: synthetic, seed: 5, identities: {identities}, samples: {samples}, size: 96}}\n{more}"
        ));
        workspace
    }

    /// Writes `config.yaml`: the given lines and the tests' network on one CPU thread.
    pub fn config(&self, lines: &str) {
        let network = format!(
            "name: small\npreprocess: {{profile: facevault-notebook, resize: {{size: 96}}}}\nmodel: {{width: {WIDTH}}}\n\
             weights: {{source: file, path: weights.safetensors}}\nsimilarity: {{replicates: 100}}\n"
        );
        let embed = if lines.contains("embed:") {
            ""
        } else {
            "embed: {device: cpu, batch_size: 4, chunk_size: 5, threads: 1}\n"
        };
        fs::write(self.path("config.yaml"), format!("{network}{embed}{lines}\n")).unwrap();
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The binary, about to run in this folder, cut off from the user's own Hub cache.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let built = || assert_cmd::cargo::cargo_bin!("facevault").into();
        let binary = std::env::var_os("FACEVAULT_BIN")
            .map_or_else(built, |path| std::path::absolute(path).expect("FACEVAULT_BIN is a path"));
        let mut command = Command::new(binary);
        command.args(arguments).current_dir(self.folder.path());
        for name in ["HF_TOKEN", "HF_ENDPOINT", "HF_HUB_CACHE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_DIR"]
        {
            command.env_remove(name);
        }
        command.env("HF_HOME", self.path("hub")).env("HF_HUB_OFFLINE", "1").env("HOME", self.folder.path());
        // What these tests ask for is on this machine.
        command.env("NO_PROXY", "*").env("no_proxy", "*");
        command
    }

    /// Runs the binary; asserts its exit code and gives its standard output and error.
    #[track_caller]
    pub fn run(&self, code: i32, arguments: &[&str]) -> (String, String) {
        outcome(self.command(arguments), code)
    }

    /// Runs a command on `config.yaml` against this Hub, whose address is `hub` in what it says on standard error.
    #[track_caller]
    pub fn online(&self, hub: &FakeHub, code: i32, verb: &str) -> (String, String) {
        let (stdout, stderr) = outcome(self.online_command(hub, &[verb, "config.yaml"]), code);
        (stdout, hub.plain(&stderr))
    }

    /// The binary, about to run in this folder against this Hub.
    pub fn online_command(&self, hub: &FakeHub, arguments: &[&str]) -> Command {
        let mut command = self.command(arguments);
        command.env("HF_ENDPOINT", format!("http://{}", hub.address)).env_remove("HF_HUB_OFFLINE");
        for name in ["ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY"] {
            command.env_remove(name).env_remove(name.to_lowercase());
        }
        command
    }

    /// Runs the binary with `--json` and parses what it prints.
    #[track_caller]
    pub fn json(&self, code: i32, arguments: &[&str]) -> serde_json::Value {
        let (stdout, _) = self.run(code, &[arguments, &["--json"]].concat());
        serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error} in {stdout}"))
    }

    /// Whether a run directory has come to be.
    pub fn has_run(&self) -> bool {
        fs::read_dir(self.path("experiments"))
            .is_ok_and(|runs| runs.filter_map(Result::ok).any(|run| run.path().join("plan.json").is_file()))
    }

    /// The only run directory.
    #[track_caller]
    pub fn only_run(&self) -> PathBuf {
        let mut runs: Vec<_> = fs::read_dir(self.path("experiments"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.join("plan.json").is_file())
            .collect();
        assert_eq!(runs.len(), 1, "{runs:?}");
        runs.remove(0)
    }
}

#[track_caller]
pub fn outcome(mut command: Command, code: i32) -> (String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let (stdout, stderr) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    assert_eq!(status.code(), Some(code), "{command:?}\nstdout:\n{stdout}\nstderr:\n{stderr}");
    (stdout, stderr)
}

/// The digests in the seal, by name.
pub fn sealed(run: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(run.join("SEALED")).unwrap();
    text.lines().map(|line| line.split_once("  ").unwrap()).map(|(digest, name)| (name.into(), digest.into())).collect()
}

/// Seals a run as it is, as an older version did with what it found.
pub fn seal_as_good(run: &Path) {
    let line = |name: &String| format!("{}  {name}\n", Digest::of(&fs::read(run.join(name)).unwrap()));
    fs::write(run.join("SEALED"), sealed(run).keys().map(line).collect::<String>()).unwrap();
}

/// The unit rows of a run.
pub fn embeddings(run: &Path) -> Vec<Vec<f32>> {
    let bytes = fs::read(run.join("face_embeddings.npy")).unwrap();
    let data = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let numbers: Vec<f32> = bytes[data..].as_chunks().0.iter().map(|number| f32::from_le_bytes(*number)).collect();
    numbers.chunks_exact(512).map(<[f32]>::to_vec).collect()
}

/// Formula weights of FaceNet at a width, as safetensors.
pub fn write_weights(path: &Path, width: f64) {
    let spec = ModelSpec { width, ..ModelSpec::of(Network::InceptionResnetV1) };
    write_tensors(path, &formula::checkpoint(&model::parameters(&spec)));
}

/// A checkpoint, as safetensors.
pub fn write_tensors(path: &Path, tensors: &Tensors) {
    let bytes: Vec<(&String, Vec<u8>, &[usize])> = tensors
        .iter()
        .map(|(key, tensor)| (key, tensor.data.iter().flat_map(|v| v.to_le_bytes()).collect(), &tensor.shape[..]))
        .collect();
    let views = bytes.iter().map(|(key, data, shape)| {
        let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.to_vec(), data).unwrap();
        (key.as_str(), view)
    });
    safetensors::serialize_to_file(views, None, path).unwrap();
}
