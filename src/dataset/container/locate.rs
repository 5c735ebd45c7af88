//! Locates container files: local ones in place, those of the Hub in its cache, where they are downloaded to.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::{ContainerFile, ContainerProblem, Located, Place, Task};
use crate::dataset::objects;
use crate::dataset::scan::OpenContext;
use crate::dataset::{Container, DatasetError, HubFiles};
use crate::digest::{Digest, Hasher};
use crate::files::{self, FileError};
use crate::hub::{self, Hub, HubError, HubFile, RepoKind};

/// Downloads of more bytes are announced.
const LARGE: u64 = 50_000_000;

/// Extension of the files that are read from a folder.
const SHARD: &str = ".parquet";

/// The local files, at least one, downloaded if necessary.
pub(super) fn files(container: &Container, context: &OpenContext<'_>) -> Result<Vec<Located>, DatasetError> {
    match container {
        Container::Local { path, sha256 } => paths(path)?.iter().map(|path| local(path, *sha256, context)).collect(),
        Container::Hub { repo, revision, files, sha256 } => {
            let files = listed(repo, revision, files, *sha256, context)?;
            announce(&files, context);
            downloaded(files, context)
        }
    }
}

/// The file at a path, or the shards in a folder, by name; at least one.
pub(super) fn paths(path: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    let is_folder = if objects::is_remote(path) { objects::look(path)?.is_none() } else { path.is_dir() };
    if is_folder { files_in(path, SHARD) } else { Ok(vec![path.to_owned()]) }
}

/// Describes the files for `check`. Checks local paths only.
pub(in crate::dataset) fn describe(container: &Container) -> String {
    match container {
        Container::Local { path, .. } if path.exists() || objects::is_remote(path) => {
            format!("{}; nothing to download", path.display())
        }
        Container::Local { path, .. } => format!("{} (missing)", path.display()),
        Container::Hub { repo, revision, files: HubFiles::Named(files), sha256 } => {
            let describe = |path: &String| Hub::shared().describe(&file(repo, revision, path, *sha256));
            files.iter().map(describe).collect::<Vec<_>>().join("; ")
        }
        Container::Hub { repo, revision, files: HubFiles::Below(folder), .. } => format!(
            "{}; `facevault fetch` downloads the {SHARD} files that are not in the Hub cache",
            file(repo, revision, folder, None)
        ),
    }
}

/// Whether a path from a folder is that of a file that is read from it.
pub(in crate::dataset) fn is_shard(path: &str, ending: &str) -> bool {
    !path.contains('/') && !path.starts_with('.') && path.ends_with(ending)
}

/// The files directly in a folder whose names end like this, by name; at least one.
pub(super) fn files_in(folder: &Path, ending: &'static str) -> Result<Vec<PathBuf>, DatasetError> {
    let paths = if objects::is_remote(folder) {
        objects::files_in(folder, ending)?
    } else {
        let is_wanted = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            is_shard(&name, ending) && path.is_file()
        };
        let mut paths: Vec<_> = files::list(folder)?.into_iter().map(|entry| entry.path()).filter(is_wanted).collect();
        paths.sort();
        paths
    };
    if paths.is_empty() {
        let (name, problem) = (folder.display().to_string(), Box::new(ContainerProblem::NoShards { ending }));
        return Err(DatasetError::Container { name, problem });
    }
    Ok(paths)
}

fn local(path: &Path, pinned: Option<Digest>, context: &OpenContext<'_>) -> Result<Located, DatasetError> {
    let name = path.display().to_string();
    let path = objects::here(path, context)?;
    let (bytes, sha256) = digest(&path, context)?;
    let record = ContainerFile { path: name.clone(), commit: None, bytes, sha256 };
    let located = Located { place: Place { name, path, bytes }, sha256, record };
    match pinned {
        Some(expected) if expected != sha256 => {
            Err(located.problem(ContainerProblem::OtherContent { found: sha256, expected }))
        }
        _ => Ok(located),
    }
}

/// Size and digest.
fn digest(path: &Path, context: &OpenContext<'_>) -> Result<(u64, Digest), DatasetError> {
    let failed = |error| FileError::new("read", path)(error);
    // Opening a pipe would wait for its writer.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(failed(std::io::Error::other("not a regular file")).into());
    }
    let mut file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let task = Task::start(context, "checking", path, "bytes", length);
    let (mut hasher, mut buffer, mut total) = (Hasher::default(), vec![0; 1 << 20], 0);
    loop {
        if context.cancel.requested() {
            return Err(DatasetError::Interrupted);
        }
        match file.read(&mut buffer).map_err(failed)? {
            0 => break,
            n => {
                if total == 0 {
                    files::refuse_pointer(path, &buffer[..n])?;
                }
                hasher.update(&buffer[..n]);
                task.advance(n as u64);
                total += n as u64;
            }
        }
    }
    Ok((total, hasher.finish()))
}

fn file(repo: &str, revision: &str, path: &str, sha256: Option<Digest>) -> HubFile {
    HubFile { sha256, ..HubFile::new(RepoKind::Dataset, repo, revision, path) }
}

/// The files with the facts from the Hub's listing: sizes, and digests of large files.
fn listed(
    repo: &str,
    revision: &str,
    files: &HubFiles,
    pinned: Option<Digest>,
    context: &OpenContext<'_>,
) -> Result<Vec<HubFile>, DatasetError> {
    let list = |folder: &str| Hub::shared().list(RepoKind::Dataset, repo, revision, folder, context.cancel);
    match files {
        HubFiles::Below(folder) => {
            let mut shards = list(folder)?;
            // As in a local folder.
            let is_inside = |file: &HubFile| {
                let folder = folder.trim_matches('/');
                let below = match folder {
                    "" => Some(file.path.as_str()),
                    folder => file.path.strip_prefix(folder).and_then(|below| below.strip_prefix('/')),
                };
                below.is_some_and(|name| is_shard(name, SHARD))
            };
            shards.retain(is_inside);
            if shards.is_empty() {
                let name = file(repo, revision, folder, None).to_string();
                return Err(DatasetError::Container {
                    name,
                    problem: Box::new(ContainerProblem::NoShards { ending: SHARD }),
                });
            }
            Ok(shards)
        }
        HubFiles::Named(paths) => {
            let listing = match list(common_folder(paths)) {
                // The listing only gives sizes early: cached files do not need it.
                Err(HubError::NotCached { .. }) => Vec::new(),
                other => other?,
            };
            let known = |path: &String| listing.iter().find(|listed| listed.path == *path);
            // An unlisted file is requested nevertheless: the Hub's answer is the best error.
            let with_facts = |path| {
                let listed = known(path);
                let sha256 = pinned.or(listed.and_then(|listed| listed.sha256));
                let git_id = listed.and_then(|listed| listed.git_id.clone());
                HubFile { size: listed.and_then(|listed| listed.size), git_id, ..file(repo, revision, path, sha256) }
            };
            Ok(paths.iter().map(with_facts).collect())
        }
    }
}

/// The deepest common folder of all files.
fn common_folder(paths: &[String]) -> &str {
    let parent = |path| str::rsplit_once(path, '/').map_or("", |(parent, _)| parent);
    let mut folder = paths.first().map_or("", |path| parent(path));
    while !folder.is_empty() && !paths.iter().all(|path| Path::new(path).starts_with(folder)) {
        folder = parent(folder);
    }
    folder
}

fn announce(files: &[HubFile], context: &OpenContext<'_>) {
    let missing: Vec<_> = files.iter().filter(|file| !matches!(Hub::shared().cached(file), Ok(Some(_)))).collect();
    let bytes: u64 = missing.iter().filter_map(|file| file.size).fold(0, u64::saturating_add);
    if let ([first, rest @ ..], LARGE..) = (&missing[..], bytes) {
        let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
        context.progress.say(&format!("downloading {first}{more} ({:.0} MB) into the Hub cache", bytes as f64 / 1e6));
    }
}

fn downloaded(files: Vec<HubFile>, context: &OpenContext<'_>) -> Result<Vec<Located>, DatasetError> {
    let mut commit = None::<String>;
    let mut located = Vec::new();
    for mut file in files {
        let asked = file.revision.clone();
        // A branch may move between two files.
        file.revision = commit.clone().unwrap_or(file.revision);
        let path = Hub::shared().download(&file, context.progress, context.cancel)?;
        let known = commit_of(&path, &file)?;
        if commit.is_none() && !hub::is_commit(&asked) {
            context.progress.say(&format!(
                "`{asked}` of {} is currently commit {known}; set `revision` to that to keep this config reproducible",
                file.repo
            ));
        }
        commit = Some(known);
        let failed = FileError::new("read", &path);
        let bytes = fs::metadata(&path).map_err(failed)?.len();
        let sha256 = match file.sha256 {
            Some(checked) => checked,
            None => digest(&path, context)?.1,
        };
        let record = ContainerFile { path: file.path.clone(), commit: commit.clone(), bytes, sha256 };
        located.push(Located { place: Place { name: file.to_string(), path, bytes }, sha256, record });
    }
    Ok(located)
}

/// The commit in `<repository>/snapshots/<commit>/<file>`.
fn commit_of(path: &Path, file: &HubFile) -> Result<String, DatasetError> {
    let depth = file.path.split('/').count();
    let commit = path.ancestors().nth(depth).and_then(Path::file_name).and_then(|name| name.to_str());
    let commit = commit.filter(|commit| commit.len() == 40 && hub::is_commit(commit) && path.ends_with(&file.path));
    commit.map(str::to_owned).ok_or_else(|| DatasetError::HubLayout { path: path.into(), file: file.path.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_common_folder_contains_all_files() {
        let common = |paths: &[&str]| {
            let paths: Vec<_> = paths.iter().map(ToString::to_string).collect();
            common_folder(&paths).to_owned()
        };
        assert_eq!(common(&["lfw.bin"]), "");
        assert_eq!(common(&["a/b/c.parquet", "a/b/d.parquet"]), "a/b");
        assert_eq!(common(&["a/b/c.parquet", "a/bc/d.parquet"]), "a");
        assert_eq!(common(&["a/b/c.parquet", "x.parquet"]), "");
    }

    #[test]
    fn the_commit_is_taken_from_the_snapshots_path() {
        let sha = "c42f4c2771b043bb5c461093664d016ff4298224";
        let file = file("a/b", "main", "x/y.bin", None);
        let read = |path: &str| commit_of(Path::new(path), &file).ok();
        assert_eq!(read(&format!("/hub/snapshots/{sha}/x/y.bin")).as_deref(), Some(sha));
        assert_eq!(read("/hub/snapshots/main/x/y.bin"), None);
        assert_eq!(read("/y.bin"), None);
    }
}
