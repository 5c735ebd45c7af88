//! The seal: the digest of every file of a finished run, in the format of `sha256sum`, so that `sha256sum -c SEALED` in
//! the run directory checks it without this program.

use std::fs::File;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::{RunDirectory, RunError};
use crate::digest::Digest;
use crate::files::{self, FileError};

/// Digests every file of the run and writes `SEALED`.
pub fn seal(run: &RunDirectory) -> Result<(), RunError> {
    let lines: Vec<_> = digests(run.path())?.into_iter().map(|(name, digest)| format!("{digest}  {name}\n")).collect();
    Ok(files::commit_bytes(&run.file(RunDirectory::SEALED), lines.concat().as_bytes())?)
}

/// Removes the seal, before something in the run changes.
pub fn unseal(run: &RunDirectory) -> Result<(), RunError> {
    let path = run.file(RunDirectory::SEALED);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(FileError::new("remove", path)(error).into()),
        _ => Ok(files::sync_dir(run.path())?),
    }
}

/// The sealed names and digests of a run. Fails with [`RunError::File`] when the seal cannot be read,
/// [`RunError::Seal`] when it is not one.
fn sealed(run: &RunDirectory) -> Result<Vec<(String, Digest)>, RunError> {
    let path = run.file(RunDirectory::SEALED);
    let text = files::read(&path)?;
    let bad = |line: usize| RunError::Seal { path: path.clone(), line };
    let text = String::from_utf8(text).map_err(|_| bad(1))?;
    let line = |(i, line): (usize, &str)| {
        let (digest, name) = line.split_once("  ").ok_or_else(|| bad(i + 1))?;
        Ok((name.to_owned(), digest.parse::<Digest>().map_err(|_| bad(i + 1))?))
    };
    text.lines().enumerate().map(line).collect()
}

/// Whether a run is sealed without a file: not lost, but never written.
pub fn sealed_without(run: &RunDirectory, name: &str) -> bool {
    sealed(run).is_ok_and(|files| files.iter().all(|(sealed, _)| sealed != name))
}

/// The first sealed file that `asked` accepts and that has changed; `None` if all are intact.
pub fn first_broken(run: &RunDirectory, asked: impl Fn(&str) -> bool) -> Result<Option<String>, RunError> {
    let asked: Vec<_> = sealed(run)?.into_iter().filter(|(name, _)| asked(name)).collect();
    let intact = |(name, digest): &(String, Digest)| {
        File::open(run.file(name)).and_then(Digest::of_reader).is_ok_and(|found| found == *digest)
    };
    Ok(asked.into_par_iter().find_first(|file| !intact(file)).map(|(name, _)| name))
}

/// Differences between the seal and the files, one line each. Fails with [`RunError::File`] when the seal cannot be
/// read, [`RunError::Seal`] when it is not one.
pub fn broken(run: &RunDirectory) -> Result<Vec<String>, RunError> {
    let sealed = sealed(run)?;
    let found = digests(run.path())?;
    let mut lines = Vec::new();
    for (name, digest) in &sealed {
        match found.binary_search_by(|(other, _)| other.cmp(name)) {
            Err(_) => lines.push(format!("{name}: sealed, now missing")),
            Ok(i) if found[i].1 != *digest => {
                lines.push(format!("{name}: sealed as {}…, now {}…", digest.short(12), found[i].1.short(12)));
            }
            Ok(_) => {}
        }
    }
    for (name, _) in &found {
        if !sealed.iter().any(|(other, _)| other == name) {
            lines.push(format!("{name}: added after the run was sealed"));
        }
    }
    Ok(lines)
}

/// Relative names (`/`-separated, sorted) and digests of all files under a folder, except the seal and hidden files.
fn digests(root: &Path) -> Result<Vec<(String, Digest)>, RunError> {
    let mut names = Vec::new();
    list(root, Path::new(""), &mut names)?;
    names.sort();
    names
        .into_par_iter()
        .map(|name| {
            let path = root.join(&name);
            let digest = File::open(&path).and_then(Digest::of_reader).map_err(FileError::new("read", path))?;
            Ok((name, digest))
        })
        .collect()
}

fn list(root: &Path, below: &Path, names: &mut Vec<String>) -> Result<(), FileError> {
    let folder: PathBuf = root.join(below);
    for entry in std::fs::read_dir(&folder).map_err(FileError::new("list", &folder))? {
        let entry = entry.map_err(FileError::new("list", &folder))?;
        let name = entry.file_name();
        let relative = below.join(&name);
        let kind = entry.file_type().map_err(FileError::new("list", entry.path()))?;
        let ignored = name.to_string_lossy().starts_with('.') || relative == Path::new(RunDirectory::SEALED);
        if kind.is_dir() {
            list(root, &relative, names)?;
        } else if !ignored {
            names.push(relative.to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_seal_notices_a_changed_a_missing_and_a_new_file() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDirectory::new(folder.path().into());
        fs::create_dir(run.file("chunks")).unwrap();
        for name in ["a", "b", "chunks/0"] {
            fs::write(run.file(name), name).unwrap();
        }
        seal(&run).unwrap();
        assert_eq!(broken(&run).unwrap(), Vec::<String>::new());
        fs::write(run.file("a"), "A").unwrap();
        fs::remove_file(run.file("chunks/0")).unwrap();
        fs::write(run.file("c"), "c").unwrap();
        insta::assert_snapshot!(broken(&run).unwrap().join("\n"), @r"
        a: sealed as ca978112ca1b…, now 559aead08264…
        chunks/0: sealed, now missing
        c: added after the run was sealed
        ");
    }

    #[test]
    fn sha256sum_reads_the_seal() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDirectory::new(folder.path().into());
        fs::write(run.file("a"), "abc").unwrap();
        seal(&run).unwrap();
        let text = fs::read_to_string(run.file(RunDirectory::SEALED)).unwrap();
        assert_eq!(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  a\n");
    }
}
