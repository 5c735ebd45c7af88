//! Identity folders, or an image folder, in a dataset repository on the Hugging Face Hub: listed at a pinned revision,
//! downloaded file by file, and read where the Hub's cache keeps them.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use serde::{Deserialize, Serialize};

use super::folders;
use super::image_folder::{self, METADATA};
use super::left_out::{LeftOut, Reason};
use super::listing::{self, Named};
use super::normalisation::composed;
use super::scan::{self, Context};
use super::{DatasetError, Face, Manifest, PixelSource, SourceTable, sealed_json, tables};
use crate::dataset::Tables;
use crate::digest::Digest;
use crate::hub::{self, HubError, HubFile, RepoKind};
use crate::progress::LinesOnly;

/// Downloads at a time: small files wait for the network, not for its bandwidth.
const PARALLEL: usize = 8;

/// From here on the size is announced first.
const LARGE: u64 = 50_000_000;

/// Where pictures are on the Hub.
pub(super) struct Place<'a> {
    pub repo: &'a str,
    pub revision: &'a str,
    /// "" for the repository's root.
    pub folder: &'a str,
}

/// Downloads what is not in the local cache, then reads all of it.
pub(super) fn open(place: &Place<'_>, tables: &Tables, context: &Context<'_>) -> Result<Manifest, DatasetError> {
    let commit = commit(place, context)?;
    // All that follows is of one commit, also when the branch moves meanwhile.
    let place = &Place { revision: &commit, ..*place };
    let listing = listing(place, context)?;
    let prefix = match place.folder.trim_matches('/') {
        "" => String::new(),
        folder => format!("{folder}/"),
    };
    let find = |key, table: &Option<_>| {
        table.as_deref().map(|name| table_file(key, name, place, &listing, context)).transpose()
    };
    let files = tables::Files { pairs: find("pairs", &tables.pairs)?, boxes: find("boxes", &tables.boxes)? };
    let metadata = listing.iter().find(|file| file.path.strip_prefix(&prefix) == Some(METADATA));
    let metadata =
        metadata.map(|file| hub::download(file, &LinesOnly(context.progress), context.cancel)).transpose()?;
    let by_table = match &metadata {
        Some(table) => image_folder::names_pictures(table, context)?,
        None => false,
    };
    let is_table = |name: &str| {
        let used = [&tables.pairs, &tables.boxes].into_iter().flatten();
        by_table && name == METADATA || used.into_iter().any(|table| table == Path::new(name))
    };
    let below = |file: &HubFile| file.path.strip_prefix(&prefix).is_some_and(|name| !is_table(name));
    let listing: Vec<_> = listing.into_iter().filter(below).collect();
    let mut left_out = LeftOut::default();
    let (faces, table, pictures) = match &metadata {
        Some(table) if by_table => named(table, &listing, &prefix, &mut left_out)?,
        _ => {
            let listed = in_folders(listing, &prefix, &mut left_out);
            let (names, pictures) = only_pictures(listed, &prefix, &mut left_out, context)?.into_iter().unzip();
            let faces = folders::faces(names, &place.to_string(), &left_out);
            let explain = |error| match &metadata {
                Some(table) => image_folder::explain(error, table),
                None => error,
            };
            (faces.map_err(explain)?, SourceTable::default(), pictures)
        }
    };
    let mut manifest = Manifest { faces, table, commit: Some(commit.clone()), left_out, ..Manifest::default() };
    // Before the pictures are downloaded: a wrong table is told at once.
    tables::attach(&mut manifest, &files, context)?;
    let root = download(&pictures, &prefix, context)?;
    manifest.root = root;
    scan::fill_folder(&mut manifest, context)?;
    Ok(manifest)
}

/// The commit that the place's revision means.
fn commit(place: &Place<'_>, context: &Context<'_>) -> Result<String, DatasetError> {
    let Place { repo, revision, .. } = *place;
    let commit = hub::resolve(RepoKind::Dataset, repo, revision, context.progress, context.cancel)?;
    if !commit.starts_with(revision) {
        context.progress.say(&format!(
            "`{revision}` of dataset `{repo}` is commit {commit} now and may move: another day the same config may \
             give other numbers; pin it with `revision: {commit}`"
        ));
    }
    Ok(commit)
}

/// Brings a table here: a local file as it is, a name of the dataset's folder or of the one above.
fn table_file(
    key: &'static str,
    table: &Path,
    place: &Place<'_>,
    listing: &[HubFile],
    context: &Context<'_>,
) -> Result<PathBuf, DatasetError> {
    if table.is_absolute() {
        return Ok(table.into());
    }
    let name = table.to_string_lossy();
    let folder = place.folder.trim_matches('/');
    let below = if folder.is_empty() { name.to_string() } else { format!("{folder}/{name}") };
    let progress = &LinesOnly(context.progress);
    if let Some(file) = listing.iter().find(|file| file.path == below) {
        return Ok(hub::download(file, progress, context.cancel)?);
    }
    let missing = || DatasetError::NoTable { key, name: name.to_string(), folder: place.to_string() };
    if folder.is_empty() {
        return Err(missing());
    }
    let path = match folder.rsplit_once('/') {
        Some((above, _)) => format!("{above}/{name}"),
        None => name.to_string(),
    };
    let file = Entry { path, size: None, sha256: None }.at(place);
    hub::download(&file, progress, context.cancel).map_err(|error| match error {
        HubError::NoEntry { .. } => missing(),
        error => error.into(),
    })
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.folder {
            "" => write!(f, "dataset `{}` at {}", self.repo, self.revision),
            folder => write!(f, "dataset `{}` at {}, folder `{folder}`,", self.repo, self.revision),
        }
    }
}

/// The faces that a `metadata.csv` names, in its order, the table, and the faces' files.
fn named(
    table: &Path,
    listing: &[HubFile],
    prefix: &str,
    left_out: &mut LeftOut,
) -> Result<(Vec<Face>, SourceTable, Vec<HubFile>), DatasetError> {
    let path = |file: &HubFile| composed(file.path.strip_prefix(prefix).unwrap_or_default());
    let listed: HashMap<String, &HubFile> = listing.iter().map(|file| (path(file), file)).collect();
    let (mut faces, source) = image_folder::faces(table, |picture| listed.contains_key(&composed(picture)))?;
    let mut named = HashSet::new();
    let mut pictures = Vec::new();
    for face in &mut faces {
        let Some(&file) = listed.get(&composed(&face.face_id)) else { continue };
        // As the repository writes it, which may be in another normalisation.
        if let PixelSource::File { path, .. } = &mut face.pixels {
            file.path.strip_prefix(prefix).unwrap_or_default().clone_into(path);
        }
        named.insert(&file.path);
        pictures.push(file.clone());
    }
    for file in listing.iter().filter(|file| !named.contains(&file.path)) {
        left_out.add(by_name(&file.path[prefix.len()..], Reason::NotInTable));
    }
    Ok((faces, source, pictures))
}

/// A file in an identity folder: identity and name, and the file.
type Listed = ((String, String), HubFile);

/// The files that are `<identity>/<file>` after the prefix and may be pictures by their names.
fn in_folders(listing: Vec<HubFile>, prefix: &str, left_out: &mut LeftOut) -> Vec<Listed> {
    let mut files = Vec::new();
    for file in listing {
        let below = file.path.strip_prefix(prefix).unwrap_or_default();
        let reason = match below.split('/').collect::<Vec<_>>()[..] {
            [_] => by_name(below, Reason::InRoot),
            [identity, name] if matches!(listing::named(name), Named::Picture | Named::Unknown) && !hidden(below) => {
                files.push(((identity.to_owned(), name.to_owned()), file));
                continue;
            }
            _ => by_name(below, Reason::TooDeep),
        };
        left_out.add(reason);
    }
    files
}

/// Whether a file or a folder above it is hidden.
fn hidden(path: &str) -> bool {
    path.split('/').any(|part| part.starts_with('.'))
}

/// Why a file that is not downloaded is left out; `picture`: when it is a picture by its name.
fn by_name(path: &str, picture: Reason) -> Reason {
    match listing::named(path.rsplit('/').next().unwrap_or(path)) {
        _ if hidden(path) => Reason::Hidden,
        Named::Picture => picture,
        _ => Reason::OtherEnding,
    }
}

/// Without the files that their content makes no pictures; those whose names do not tell are downloaded for it.
fn only_pictures(
    mut listed: Vec<Listed>,
    prefix: &str,
    left_out: &mut LeftOut,
    context: &Context<'_>,
) -> Result<Vec<Listed>, DatasetError> {
    let doubtful = |((_, name), _): &&Listed| listing::named(name) == Named::Unknown;
    let files: Vec<HubFile> = listed.iter().filter(doubtful).map(|(_, file)| file.clone()).collect();
    if files.is_empty() {
        return Ok(listed);
    }
    let root = download(&files, prefix, context)?;
    listed.retain(|entry @ ((identity, name), _)| {
        let reason = doubtful(&entry).then(|| listing::reason_of(&root.join(identity).join(name))).flatten();
        reason.map(|reason| left_out.add(reason)).is_none()
    });
    Ok(listed)
}

/// Downloads all; gives the folder in the local cache that stands for the prefix.
fn download(pictures: &[HubFile], prefix: &str, context: &Context<'_>) -> Result<PathBuf, DatasetError> {
    let Context { progress, cancel, .. } = *context;
    let bytes: u64 = pictures.iter().filter_map(|picture| picture.size).sum();
    if bytes > LARGE {
        progress.say(&format!(
            "the dataset is {} pictures, {:.0} MB in all; what is not in the Hub cache is downloaded",
            pictures.len(),
            bytes as f64 / 1e6
        ));
    }
    progress.start("downloading", "files", Some(pictures.len() as u64), 0);
    let (next, failure, first) = (AtomicUsize::new(0), Mutex::new(None::<HubError>), OnceLock::new());
    let work = || {
        while let Some((index, picture)) = {
            let index = next.fetch_add(1, Ordering::Relaxed);
            pictures.get(index).map(|picture| (index, picture))
        } {
            match hub::download(picture, &LinesOnly(progress), cancel) {
                Ok(path) if index == 0 => drop(first.set(path)),
                Ok(_) => {}
                Err(error) => {
                    // The others stop too; the first error is the one that is told.
                    next.store(pictures.len(), Ordering::Relaxed);
                    if let Ok(mut failure) = failure.lock() {
                        failure.get_or_insert(error);
                    }
                    return;
                }
            }
            progress.advance(1);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..PARALLEL.min(pictures.len()) {
            scope.spawn(work);
        }
    });
    progress.finish();
    if let Some(error) = failure.into_inner().unwrap_or_default() {
        return Err(error.into());
    }
    match (first.into_inner(), pictures.first()) {
        (Some(path), Some(picture)) => root_of(&path, picture, prefix),
        _ => Err(DatasetError::Interrupted),
    }
}

/// `<snapshot>/<prefix><below>` without what is below the prefix.
fn root_of(path: &Path, picture: &HubFile, prefix: &str) -> Result<PathBuf, DatasetError> {
    let below = Path::new(picture.path.strip_prefix(prefix).unwrap_or_default()).components().count();
    path.ancestors()
        .nth(below)
        .filter(|_| path.ends_with(&picture.path))
        .map(Path::to_owned)
        .ok_or_else(|| DatasetError::HubLayout { path: path.into(), file: picture.path.clone() })
}

/// What a pinned revision holds never changes, so it is asked for once: a run resumes without a network.
fn listing(place: &Place<'_>, context: &Context<'_>) -> Result<Vec<HubFile>, DatasetError> {
    let name = Digest::of(format!("{}\n{}\n{}", place.repo, place.revision, place.folder).as_bytes()).short(16);
    let remembered = context.cache.map(|folder| folder.join(format!("listing-{name}.json")));
    if let Some(entries) = remembered.as_deref().and_then(sealed_json::read::<Vec<Entry>>) {
        return Ok(entries.into_iter().map(|entry| entry.at(place)).collect());
    }
    let listing = hub::list(RepoKind::Dataset, place.repo, place.revision, place.folder, context.cancel)?;
    if let Some(path) = remembered {
        let entries: Vec<Entry> = listing.iter().map(Entry::from).collect();
        if let Err(error) = sealed_json::write(&path, &entries) {
            context.progress.say(&format!("{error}; the next start asks the Hub again"));
        }
    }
    Ok(listing)
}

/// A remembered file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Entry {
    path: String,
    size: Option<u64>,
    sha256: Option<Digest>,
}

impl Entry {
    fn at(self, place: &Place<'_>) -> HubFile {
        HubFile {
            kind: RepoKind::Dataset,
            repo: place.repo.into(),
            revision: place.revision.into(),
            path: self.path,
            size: self.size,
            sha256: self.sha256,
        }
    }
}

impl From<&HubFile> for Entry {
    fn from(file: &HubFile) -> Self {
        Self { path: file.path.clone(), size: file.size, sha256: file.sha256 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> HubFile {
        Entry { path: path.into(), size: Some(7), sha256: None }.at(&Place { repo: "a/b", revision: "c", folder: "" })
    }

    #[test]
    fn only_pictures_in_identity_folders_are_faces() {
        let listing = [
            "data/z/1.jpg",
            "data/a/2.PNG",
            "data/readme.md",
            "data/a/deep/3.jpg",
            "data/4.jpg",
            "data/a/._5.jpg",
            "data/.git/6.jpg",
            "data/a/notes.txt",
            "data/a/0007",
        ];
        let mut left_out = LeftOut::default();
        let listed = in_folders(listing.map(file).to_vec(), "data/", &mut left_out);
        let (names, pictures): (Vec<_>, Vec<_>) = listed.into_iter().unzip();
        let expected = [("z", "1.jpg"), ("a", "2.PNG"), ("a", "0007")];
        assert_eq!(names, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
        let told = "1 picture beside the identity folders, 1 picture deeper than <identity>/<image>, \
                    2 files that are not pictures by their endings, 2 hidden";
        assert_eq!(left_out.to_string(), told);
        let root = |path: &str, prefix| root_of(Path::new(path), &pictures[0], prefix).ok();
        let expected = |path: &str| Some(PathBuf::from(path));
        assert_eq!(root("/cache/snapshots/c/data/z/1.jpg", "data/"), expected("/cache/snapshots/c/data"));
        assert_eq!(root("/cache/snapshots/c/data/z/1.jpg", ""), expected("/cache/snapshots/c"));
        assert_eq!(root("/cache/blobs/77", "data/"), None);
    }

    #[test]
    fn a_listing_is_remembered_unless_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("listing.json");
        let entries = vec![Entry { path: "a/é.jpg".into(), size: None, sha256: Some(Digest::of(b"")) }];
        sealed_json::write(&path, &entries).unwrap();
        assert_eq!(sealed_json::read::<Vec<Entry>>(&path), Some(entries));
        let text = std::fs::read_to_string(&path).unwrap().replace("é", "e");
        std::fs::write(&path, text).unwrap();
        assert_eq!(sealed_json::read::<Vec<Entry>>(&path), None);
    }
}
