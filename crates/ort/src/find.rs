//! Where the library is: the file that the user names, else that of Python's package, else what the loader finds.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// The environment variable that names the library's file. Other bindings of ONNX Runtime read it, too.
pub const PATH: &str = "ORT_DYLIB_PATH";

/// What the system's loader is asked for.
pub(crate) const LIBRARY: &str = if cfg!(windows) {
    "onnxruntime.dll"
} else if cfg!(target_os = "macos") {
    "libonnxruntime.dylib"
} else {
    "libonnxruntime.so"
};

/// A place of the library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// The file that the user names.
    Named(PathBuf),
    /// A file of Python's package.
    Python(PathBuf),
    /// Whatever the loader knows by the library's name.
    System,
}

/// The place that this process's environment gives.
pub(crate) fn place() -> Place {
    place_of(|name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from))
}

fn place_of(variable: impl Fn(&str) -> Option<PathBuf>) -> Place {
    if let Some(path) = variable(PATH) {
        // A name without a slash would be looked for by the loader, in other folders than this one.
        return Place::Named(std::path::absolute(&path).unwrap_or(path));
    }
    let environments = ["VIRTUAL_ENV", "CONDA_PREFIX"].into_iter().filter_map(variable);
    environments
        .filter_map(|environment| in_environment(&environment))
        .map(Place::Python)
        .next()
        .unwrap_or(Place::System)
}

/// The newest library in the package `onnxruntime` of a Python environment, without running Python.
fn in_environment(environment: &Path) -> Option<PathBuf> {
    let entries = |folder: PathBuf| fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let pythons =
        entries(environment.join("lib")).filter(|entry| starts(&entry.file_name(), "python")).map(|e| e.path());
    // Windows has one Python for each environment.
    let packages = pythons.chain([environment.join("Lib")]).map(|python| python.join("site-packages/onnxruntime/capi"));
    let libraries = packages.flat_map(entries).filter(|entry| is_library(&entry.file_name())).map(|entry| entry.path());
    libraries.filter(|path| path.is_file()).max_by_key(|path| numbers(&path.to_string_lossy()))
}

fn starts(name: &OsStr, start: &str) -> bool {
    name.to_str().is_some_and(|name| name.starts_with(start))
}

/// `libonnxruntime.so.1.32.0`, `libonnxruntime.1.32.0.dylib` or `onnxruntime.dll`, but not `libonnxruntime_providers_shared.so`.
fn is_library(name: &OsStr) -> bool {
    let (stem, _) = LIBRARY.rsplit_once('.').unwrap_or((LIBRARY, ""));
    name.to_str().and_then(|name| name.strip_prefix(stem)).is_some_and(|rest| rest.starts_with('.'))
}

/// The numbers in a name, to compare versions by.
fn numbers(name: &str) -> Vec<u64> {
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_file_comes_before_pythons_and_pythons_before_the_systems() {
        let folder = tempfile::tempdir().unwrap();
        let put = |environment: &str, python: &str, name: &str| {
            let capi = folder.path().join(environment).join("lib").join(python).join("site-packages/onnxruntime/capi");
            fs::create_dir_all(&capi).unwrap();
            fs::write(capi.join(name), "").unwrap();
            capi.join(name)
        };
        let name = |version: &str| match LIBRARY.rsplit_once('.') {
            Some((stem, "so")) => format!("{stem}.so.{version}"),
            Some((stem, ending)) => format!("{stem}.{version}.{ending}"),
            None => unreachable!(),
        };
        put("venv", "python3.11", &name("1.9.2"));
        put("venv", "python3.11", "libonnxruntime_providers_shared.so");
        put("venv", "python3.11", "onnxruntime_validation.py");
        let newest = put("venv", "python3.11", &name("1.32.0"));
        let conda = put("conda", "python3.14", &name("1.20.1"));
        let place = |set: &[(&str, &str)]| {
            place_of(|name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| folder.path().join(value)))
        };
        assert_eq!(place(&[]), Place::System);
        assert_eq!(place(&[("VIRTUAL_ENV", "none")]), Place::System);
        assert_eq!(place(&[("VIRTUAL_ENV", "none"), ("CONDA_PREFIX", "conda")]), Place::Python(conda));
        assert_eq!(place(&[("VIRTUAL_ENV", "venv"), ("CONDA_PREFIX", "conda")]), Place::Python(newest));
        // A name without a slash is a file of this folder, and nothing that the loader looks for.
        let here = std::env::current_dir().unwrap().join("mine.so");
        assert_eq!(place_of(|name| (name == PATH).then(|| "mine.so".into())), Place::Named(here));
        let named = Place::Named(folder.path().join("mine.so"));
        assert_eq!(place(&[(PATH, "mine.so"), ("VIRTUAL_ENV", "venv")]), named);
    }
}
