//! A driver without a card: `tests/fake_cuda`, built where there is a C++ compiler.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::{env, fs};

use facevault::digest::Hasher;

/// The folder that holds the fake `libcuda.so.1` and `libnvidia-ml.so.1`, for `FACEVAULT_CUDA_LIBS`. `None`, and a line
/// that says so, where they cannot be built.
pub fn folder() -> Option<&'static Path> {
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOLDER.get_or_init(|| cfg!(target_os = "linux").then(build).flatten()).as_deref().or_else(|| {
        println!("SKIPPED: no C++ compiler, so no driver to test with");
        None
    })
}

/// The command line of a child process, with the fake driver as the only one and no settings of the caller's.
pub fn steer<'a>(command: &'a mut Command, folder: &Path, settings: &[(&str, &str)]) -> &'a mut Command {
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("FAKE_CUDA_")) {
        command.env_remove(name);
    }
    command.env("FACEVAULT_CUDA_LIBS", folder).envs(settings.iter().copied())
}

/// Builds the library once for each state of its sources.
fn build() -> Option<PathBuf> {
    let compiler = compiler()?;
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let (sources, kernels) = (root.join("tests/fake_cuda"), root.join("crates/cuda/kernels"));
    let mut hasher = Hasher::default();
    for folder in [&sources, &kernels] {
        for path in files(folder) {
            hasher.field(&fs::read(path).unwrap());
        }
    }
    let state = hasher.finish().short(16);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fake_cuda-{state}"));
    if folder.join("libcuda.so.1").is_file() {
        return Some(folder);
    }
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let library = |name: &str, inputs: &[&str]| {
        let inputs: Vec<_> = inputs.iter().map(|name| sources.join(name)).collect();
        compile(&compiler, &inputs, &kernels, &place.path().join(name));
    };
    library("libcuda.so.1", &["driver.cpp", "kernels.cpp"]);
    library("libnvidia-ml.so.1", &["nvml.cpp"]);
    // Another process may have been faster.
    if fs::rename(place.path(), &folder).is_ok() {
        let _ = place.keep();
    }
    Some(folder)
}

/// Makes a library of sources.
fn compile(compiler: &str, sources: &[PathBuf], headers: &Path, library: &Path) {
    // Fibers jump between stacks, which the fortified longjmp takes for an attack.
    let flags = ["-std=c++17", "-O3", "-U_FORTIFY_SOURCE", "-shared", "-fPIC", "-o"];
    let status = Command::new(compiler).args(flags).arg(library).args(sources).arg("-I").arg(headers).status().unwrap();
    assert!(status.success(), "{} does not compile", library.display());
}

/// A folder with a `libcuda.so.1` made of this text, where [`folder`] gives one.
pub fn library(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("driver.cpp");
    fs::write(&source, text).unwrap();
    compile(&compiler().unwrap(), &[source], folder.path(), &folder.path().join("libcuda.so.1"));
    folder
}

/// What compiles C++ here.
fn compiler() -> Option<String> {
    let wished = env::var("CXX").ok();
    let candidates = wished.into_iter().chain(["c++", "g++", "clang++"].map(String::from));
    candidates
        .into_iter()
        .find(|name| Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success()))
}

/// The files of a folder, by name; none where there is no folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    paths.sort();
    paths
}
