//! The seal: the digest of every file of a finished run, in the format of `sha256sum`, so that `sha256sum -c SEALED` in
//! the run directory checks it without this program.
//!
//! While a run is worked on, `.unsealed` has the digests of the files that the work leaves alone. The next seal takes
//! them over and digests only what is new: damage in between is never sealed as good. `.checked` has size and times of
//! each file when its digest was last seen, so that commands that only read need not digest gigabytes; losing it costs
//! nothing but time.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{RunDirectory, RunError, mend};
use crate::digest::Digest;
use crate::files::{self, FileError};
use crate::progress::{Cancel, Progress};
use crate::text::counted;

/// Digests of the files that work on an unsealed run leaves alone, in the format of the seal.
const UNSEALED: &str = ".unsealed";

/// What each file looked like when it was last digested.
pub(super) const CHECKED: &str = ".checked";

/// Bytes whose digesting takes long enough to show how far it is.
const WORTH_TELLING: u64 = 64 << 20;

/// Digest of each file, by its relative name (`/`-separated).
pub type Digests = BTreeMap<String, Digest>;

/// Which files a check digests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Every file.
    Every,
    /// Those whose size or times are not what they were when they had the right digest.
    Changed,
}

/// Whom a pass over all files tells how far it is, and asks whether to stop.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    pub progress: &'a dyn Progress,
    pub cancel: &'a Cancel,
}

/// How a file differs from the seal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its relative name.
    pub name: String,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Changed { sealed: Digest, now: Digest },
    Resized { sealed: i64, now: i64 },
    Missing,
    Added,
}

impl Difference {
    /// Whether it is a file that the seal does not know.
    pub fn added(&self) -> bool {
        self.kind == Kind::Added
    }

    /// Whether it is a file that is gone.
    pub fn missing(&self) -> bool {
        self.kind == Kind::Missing
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, kind } = self;
        match kind {
            Kind::Changed { sealed, now } => {
                write!(f, "{name}: sealed as {}…, now {}…", sealed.short(12), now.short(12))
            }
            Kind::Resized { sealed, now } => {
                write!(f, "{name}: sealed with {}, now it has {now}", counted(*sealed, "byte"))
            }
            Kind::Missing => write!(f, "{name}: sealed, now missing"),
            Kind::Added => write!(f, "{name}: added after the run was sealed"),
        }
    }
}

/// Writes `SEALED`. Files that were left alone since the last seal keep their digests of then.
pub fn seal(run: &RunDirectory, watch: Watch<'_>) -> Result<(), RunError> {
    write(run, RunDirectory::SEALED, watch)?;
    Ok(remove(run, UNSEALED)?)
}

/// Records the digests of a run that is embedded but not evaluated, so that its evaluation can check them.
pub fn record(run: &RunDirectory, watch: Watch<'_>) -> Result<(), RunError> {
    write(run, UNSEALED, watch)
}

/// Opens the seal before something in the run changes; the digests of the files that `keep` accepts stay in force. Fails
/// with [`RunError::Damaged`] if files were added, because the next seal would take them in.
pub fn unseal(run: &RunDirectory, keep: impl Fn(&str) -> bool) -> Result<(), RunError> {
    let Some(mut digests) = recorded(run)? else { return Ok(()) };
    if run.has(RunDirectory::SEALED) {
        let added = |name: &String| !digests.contains_key(name);
        let added = names(run.path())?.into_iter().filter(added).map(|name| Difference { name, kind: Kind::Added });
        let added: Vec<_> = added.collect();
        if !added.is_empty() {
            return Err(mend::damaged(run, &added));
        }
    }
    digests.retain(|name, _| keep(name));
    commit(run, UNSEALED, &digests)?;
    Ok(remove(run, RunDirectory::SEALED)?)
}

/// Removes the seal and every digest: all files are about to be made again.
pub fn discard(run: &RunDirectory) -> Result<(), FileError> {
    remove(run, UNSEALED)?;
    remove(run, RunDirectory::SEALED)
}

/// Removes a file, unless it is gone already.
pub fn remove(run: &RunDirectory, name: &str) -> Result<(), FileError> {
    let path = run.file(name);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(FileError::new("remove", path)(error)),
        _ => files::sync_dir(run.path()),
    }
}

/// The digests in force: those of the seal, or of a run that is worked on. `None` if there are none. Fails with
/// [`RunError::File`] when the seal cannot be read, [`RunError::Seal`] when it is not one.
pub fn recorded(run: &RunDirectory) -> Result<Option<Digests>, RunError> {
    for name in [RunDirectory::SEALED, UNSEALED] {
        if run.has(name) {
            return read(run, name).map(Some);
        }
    }
    Ok(None)
}

/// Whether any digests are in force.
pub fn is_recorded(run: &RunDirectory) -> bool {
    run.has(RunDirectory::SEALED) || run.has(UNSEALED)
}

fn read(run: &RunDirectory, name: &str) -> Result<Digests, RunError> {
    let path = run.file(name);
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
    run.has(RunDirectory::SEALED) && read(run, RunDirectory::SEALED).is_ok_and(|files| !files.contains_key(name))
}

/// Writes the digests in force, and those of all other files.
fn write(run: &RunDirectory, to: &str, watch: Watch<'_>) -> Result<(), RunError> {
    let mut digests = if run.has(UNSEALED) { read(run, UNSEALED)? } else { Digests::new() };
    let new = names(run.path())?.into_iter().filter(|name| !digests.contains_key(name)).collect();
    let mut checked = Checked::read(run);
    for (name, seen) in seen(run.path(), new, watch)? {
        digests.insert(name.clone(), seen.digest);
        checked.0.insert(name, seen);
    }
    commit(run, to, &digests)?;
    checked.write(run);
    Ok(())
}

fn commit(run: &RunDirectory, to: &str, digests: &Digests) -> Result<(), FileError> {
    let lines: Vec<_> = digests.iter().map(|(name, digest)| format!("{digest}  {name}\n")).collect();
    files::commit_bytes(&run.file(to), lines.concat().as_bytes())
}

/// The first sealed file that `asked` accepts and that has changed; `None` if all are intact.
pub fn first_broken(
    run: &RunDirectory,
    asked: impl Fn(&str) -> bool,
    cancel: &Cancel,
) -> Result<Option<String>, RunError> {
    let asked: Vec<_> = read(run, RunDirectory::SEALED)?.into_iter().filter(|(name, _)| asked(name)).collect();
    let intact = |(name, digest): &(String, Digest)| {
        let found = files::open(&run.file(name)).and_then(|file| Digest::of_reader(cancel.guard(file)));
        found.is_ok_and(|found| found == *digest)
    };
    let broken = asked.into_par_iter().find_first(|file| !intact(file)).map(|(name, _)| name);
    if cancel.requested() { Err(interrupted()) } else { Ok(broken) }
}

/// What differs from the digests in force; `None` if there are none. Only a seal knows what was added. Fails with
/// [`RunError::File`] when the seal or a file cannot be read, [`RunError::Seal`] when the seal is not one.
pub fn check(run: &RunDirectory, depth: Depth, watch: Watch<'_>) -> Result<Option<Vec<Difference>>, RunError> {
    let Some(sealed) = recorded(run)? else { return Ok(None) };
    let found = names(run.path())?;
    let mut checked = Checked::read(run);
    let mut differences = Vec::new();
    let mut asked = Vec::new();
    for name in found.iter().filter(|name| sealed.contains_key(*name)) {
        let as_sealed = checked.0.get(name).filter(|seen| sealed.get(name) == Some(&seen.digest));
        let Some((seen, now)) = as_sealed.zip(fs::symlink_metadata(run.file(name)).ok()) else {
            asked.push(name.clone());
            continue;
        };
        if now.len() > WORTH_TELLING && now.len().cast_signed() != seen.size() {
            // It may claim any size, and nothing of it needs to be read.
            let kind = Kind::Resized { sealed: seen.size(), now: now.len().cast_signed() };
            differences.push(Difference { name: name.clone(), kind });
        } else if depth == Depth::Every || seen.stamp != stamp(&now) {
            asked.push(name.clone());
        }
    }
    let seen = seen(run.path(), asked, watch)?;
    for (name, now) in &seen {
        if now.digest != sealed[name] {
            let kind = Kind::Changed { sealed: sealed[name], now: now.digest };
            differences.push(Difference { name: name.clone(), kind });
        }
    }
    let missing = sealed.keys().filter(|name| found.binary_search(name).is_err());
    differences.extend(missing.map(|name| Difference { name: name.clone(), kind: Kind::Missing }));
    differences.sort_by(|a, b| a.name.cmp(&b.name));
    if run.has(RunDirectory::SEALED) {
        let added = found.iter().filter(|name| !sealed.contains_key(*name));
        differences.extend(added.map(|name| Difference { name: name.clone(), kind: Kind::Added }));
    }
    if !seen.is_empty() {
        checked.0.extend(seen);
        checked.write(run);
    }
    Ok(Some(differences))
}

/// A file when it was digested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    digest: Digest,
    /// [`stamp`] of the file.
    stamp: Vec<i64>,
}

impl Seen {
    /// The size that [`stamp`] puts first.
    fn size(&self) -> i64 {
        self.stamp.first().copied().unwrap_or_default()
    }
}

/// What changes when a file does: its size, first, times and number.
#[cfg(unix)]
fn stamp(of: &Metadata) -> Vec<i64> {
    use std::os::unix::fs::MetadataExt;
    vec![of.size().cast_signed(), of.ino().cast_signed(), of.mtime(), of.mtime_nsec(), of.ctime(), of.ctime_nsec()]
}

/// What changes when a file does: its size, first, and time.
#[cfg(not(unix))]
fn stamp(of: &Metadata) -> Vec<i64> {
    let modified = of.modified().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    vec![of.len().cast_signed(), modified.map_or(-1, |at| at.as_nanos() as i64)]
}

/// The files of a run as they were when they were last digested.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Checked(BTreeMap<String, Seen>);

impl Checked {
    /// Empty if it cannot be read: then every file is digested.
    fn read(run: &RunDirectory) -> Self {
        files::read(&run.file(CHECKED)).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// A run that cannot be written is digested again next time.
    fn write(&self, run: &RunDirectory) {
        if let Ok(bytes) = serde_json::to_vec(self) {
            let _ = files::commit_bytes(&run.file(CHECKED), &bytes);
        }
    }
}

/// Digests files of a run, which may be gigabytes.
fn seen(
    root: &Path,
    names: Vec<String>,
    Watch { progress, cancel }: Watch<'_>,
) -> Result<Vec<(String, Seen)>, RunError> {
    let bytes = |name: &String| fs::symlink_metadata(root.join(name)).map_or(0, |found| found.len());
    let total = names.iter().map(bytes).sum();
    if total > WORTH_TELLING {
        progress.start("checking", "bytes", Some(total), 0);
    }
    let seen = names
        .into_par_iter()
        .map(|name| {
            let path = root.join(&name);
            // The times of before the digest: a file that changes meanwhile is digested again.
            let digested = fs::symlink_metadata(&path).and_then(|before| {
                let digest = Digest::of_reader(cancel.guard(files::open(&path)?))?;
                if total > WORTH_TELLING {
                    progress.advance(before.len());
                }
                Ok(Seen { digest, stamp: stamp(&before) })
            });
            match digested {
                Err(_) if cancel.requested() => Err(interrupted()),
                digested => Ok((name, digested.map_err(FileError::new("read", path))?)),
            }
        })
        .collect();
    if total > WORTH_TELLING {
        progress.finish();
    }
    seen
}

fn interrupted() -> RunError {
    RunError::Interrupted { resume: "nothing was changed; run it again".into() }
}

/// Relative names (`/`-separated, sorted) of all files under a folder, except the seal and what is hidden.
pub(super) fn names(root: &Path) -> Result<Vec<String>, FileError> {
    let mut names = Vec::new();
    list(root, Path::new(""), &mut names)?;
    names.sort();
    Ok(names)
}

fn list(root: &Path, below: &Path, names: &mut Vec<String>) -> Result<(), FileError> {
    let folder: PathBuf = root.join(below);
    for entry in files::list(&folder)? {
        let name = entry.file_name();
        let relative = below.join(&name);
        let kind = entry.file_type().map_err(FileError::new("list", entry.path()))?;
        if name.to_string_lossy().starts_with('.') || relative == Path::new(RunDirectory::SEALED) {
            continue;
        }
        if kind.is_dir() {
            list(root, &relative, names)?;
        } else {
            names.push(relative.to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    fn watch(cancel: &Cancel) -> Watch<'_> {
        Watch { progress: &Silent, cancel }
    }

    /// Fault (runs): a sealed file that has become a sparse one of 8 TB → reported by its size; nothing of it is read
    /// Fault (runs): a pipe in place of a file of a run → named, and nothing waits for a writer
    #[test]
    #[cfg(unix)]
    fn what_became_of_a_file_is_told_before_it_is_read() {
        let (_folder, run) = sealed(&["a", "b"]);
        fs::File::options().write(true).open(run.file("a")).unwrap().set_len(8 << 40).unwrap();
        assert_eq!(broken(&run), "a: sealed with 1 byte, now it has 8796093022208");
        fs::remove_file(run.file("b")).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(run.file("b")).status().unwrap().success());
        let error = check(&run, Depth::Every, watch(&Cancel::default())).unwrap_err().to_string();
        assert!(error.ends_with("b: it is a pipe, not a file"), "{error}");
    }

    /// Fault (processes): Ctrl-C while all files of a run are digested → it stops within 256 KiB, and nothing is written
    #[test]
    fn a_request_to_stop_ends_every_pass() {
        let (_folder, run) = sealed(&["a"]);
        let cancel = Cancel::default();
        cancel.request();
        let before = fs::metadata(run.file(CHECKED)).unwrap().modified().unwrap();
        assert!(check(&run, Depth::Every, watch(&cancel)).unwrap_err().interrupted());
        assert!(first_broken(&run, |_| true, &cancel).unwrap_err().interrupted());
        assert_eq!(fs::metadata(run.file(CHECKED)).unwrap().modified().unwrap(), before);
        discard(&run).unwrap();
        assert!(seal(&run, watch(&cancel)).unwrap_err().interrupted());
        assert!(!run.has(RunDirectory::SEALED));
    }

    fn broken(run: &RunDirectory) -> String {
        let lines = |depth| {
            check(run, depth, watch(&Cancel::default()))
                .unwrap()
                .unwrap()
                .iter()
                .map(Difference::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(lines(Depth::Changed), lines(Depth::Every));
        lines(Depth::Every).join("\n")
    }

    fn sealed(files: &[&str]) -> (tempfile::TempDir, RunDirectory) {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDirectory::new(folder.path().into());
        for name in files {
            fs::write(run.file(name), name).unwrap();
        }
        seal(&run, watch(&Cancel::default())).unwrap();
        (folder, run)
    }

    /// Fault (runs): a file is damaged while its run is worked on → the next seal keeps the digest of before, so the
    /// damage is found
    #[test]
    fn what_is_sealed_again_keeps_the_digests_of_what_was_left_alone() {
        let (_folder, run) = sealed(&["made", "kept", "lost"]);
        unseal(&run, |name| name != "made").unwrap();
        assert!(is_recorded(&run) && !run.has(RunDirectory::SEALED));
        // Damage before and after an interruption, and what was to change.
        fs::write(run.file("kept"), "damage").unwrap();
        fs::remove_file(run.file("lost")).unwrap();
        unseal(&run, |name| name != "made").unwrap();
        fs::write(run.file("made"), "again").unwrap();
        seal(&run, watch(&Cancel::default())).unwrap();
        insta::assert_snapshot!(broken(&run), @r"
        kept: sealed as 79f076abdd19…, now 6f5a5c61ccdb…
        lost: sealed, now missing
        ");
    }

    /// Fault (runs): a file is added before a run is sealed again → sealing is refused with its name
    #[test]
    fn what_was_added_is_not_sealed() {
        let (_folder, run) = sealed(&["a"]);
        fs::write(run.file("b"), "b").unwrap();
        let error = unseal(&run, |_| true).unwrap_err().to_string();
        assert!(error.contains("b: added after the run was sealed"), "{error}");
        assert!(run.has(RunDirectory::SEALED));
    }

    /// Fault (runs): the list of checked files is wrong or unreadable → files are digested again
    #[test]
    fn a_quick_check_digests_only_what_looks_changed() {
        let (_folder, run) = sealed(&["a", "b"]);
        // As if `a` had been digested as something else, with the same size and times.
        let text = fs::read_to_string(run.file(CHECKED)).unwrap();
        fs::write(run.file(CHECKED), text.replace(&Digest::of(b"b").to_string(), &Digest::of(b"c").to_string()))
            .unwrap();
        assert_eq!(broken(&run), "", "what the list says counts only where it is what was sealed");
        fs::write(run.file("b"), "c").unwrap();
        assert!(broken(&run).starts_with("b: sealed as"), "same size, another time");
        fs::write(run.file(CHECKED), "no list").unwrap();
        assert!(broken(&run).starts_with("b: sealed as"));
    }

    /// Fault (runs): a sealed file is changed, missing or new → each is named with what differs
    #[test]
    fn a_seal_notices_a_changed_a_missing_and_a_new_file() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDirectory::new(folder.path().into());
        fs::create_dir(run.file("chunks")).unwrap();
        for name in ["a", "b", "chunks/0"] {
            fs::write(run.file(name), name).unwrap();
        }
        seal(&run, watch(&Cancel::default())).unwrap();
        assert_eq!(broken(&run), "");
        fs::write(run.file("a"), "A").unwrap();
        fs::remove_file(run.file("chunks/0")).unwrap();
        fs::write(run.file("c"), "c").unwrap();
        insta::assert_snapshot!(broken(&run), @r"
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
        seal(&run, watch(&Cancel::default())).unwrap();
        let text = fs::read_to_string(run.file(RunDirectory::SEALED)).unwrap();
        assert_eq!(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  a\n");
    }
}
