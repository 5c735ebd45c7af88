//! Identity folders, or an image folder, in a dataset repository on the Hugging Face Hub: listed at a pinned revision,
//! downloaded file by file, and read from the Hub cache.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use super::image_folder::{self, METADATA};
use super::left_out::{LeftOut, LeftOutReason};
use super::listing::{self, NameKind};
use super::normalisation::composed;
use super::scan::{self, OpenContext};
use super::{DatasetError, Face, LARGEST_PICTURE, Manifest, PixelSource, SourceTable, folders, objects, tables};
use crate::dataset::Tables;
use crate::hub::{Hub, HubError, HubFile, RepoKind};
use crate::progress::LinesOnly;
use crate::text;

/// Concurrent downloads: small files are bound by latency, not by bandwidth.
const PARALLEL: usize = 8;

/// Downloads of more bytes are announced.
const LARGE: u64 = 50_000_000;

/// A folder of a dataset repository.
pub(super) struct HubFolder<'a> {
    pub repo: &'a str,
    pub revision: &'a str,
    /// "" for the repository's root.
    pub folder: &'a str,
}

impl HubFolder<'_> {
    fn file(&self, path: &str) -> HubFile {
        HubFile::new(RepoKind::Dataset, self.repo, self.revision, path)
    }
}

/// Downloads the files that are not cached, then reads all of them.
pub(super) fn open(
    place: &HubFolder<'_>,
    tables: &Tables,
    context: &OpenContext<'_>,
) -> Result<Manifest, DatasetError> {
    let commit = commit(place, context)?;
    // Everything below uses one commit, even if the branch moves meanwhile.
    let place = &HubFolder { revision: &commit, ..*place };
    let listing = Hub::shared().list(RepoKind::Dataset, place.repo, place.revision, place.folder, context.cancel)?;
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
        metadata.map(|file| Hub::shared().download(file, &LinesOnly(context.progress), context.cancel)).transpose()?;
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
            no_image_folders(&listing, &prefix, context)?;
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
    // Before the download of the pictures: an invalid table is reported at once.
    tables::attach(&mut manifest, &files, context)?;
    let root = download(&pictures, &prefix, context)?;
    manifest.root = root;
    scan::fill_folder(&mut manifest, context)?;
    Ok(manifest)
}

/// The commit that the revision refers to.
fn commit(place: &HubFolder<'_>, context: &OpenContext<'_>) -> Result<String, DatasetError> {
    let HubFolder { repo, revision, .. } = *place;
    let commit = Hub::shared().resolve(RepoKind::Dataset, repo, revision, context.progress, context.cancel)?;
    if !commit.starts_with(revision) {
        context.progress.say(&format!(
            "`{revision}` of dataset `{repo}` is currently commit {commit} and may move, which would change the results of \
             this config; pin it with `revision: {commit}`"
        ));
    }
    Ok(commit)
}

/// The path of a table: an absolute path or an address unchanged, a name downloaded from the dataset's folder or the one above.
fn table_file(
    key: &'static str,
    table: &Path,
    place: &HubFolder<'_>,
    listing: &[HubFile],
    context: &OpenContext<'_>,
) -> Result<PathBuf, DatasetError> {
    if table.is_absolute() || objects::is_remote(table) {
        return Ok(table.into());
    }
    let name = table.to_string_lossy();
    let folder = place.folder.trim_matches('/');
    let below = if folder.is_empty() { name.to_string() } else { format!("{folder}/{name}") };
    let progress = &LinesOnly(context.progress);
    if let Some(file) = listing.iter().find(|file| file.path == below) {
        return Ok(Hub::shared().download(file, progress, context.cancel)?);
    }
    let missing = || DatasetError::NoTable { key, name: name.to_string(), folder: place.to_string() };
    if folder.is_empty() {
        return Err(missing());
    }
    let path = match folder.rsplit_once('/') {
        Some((above, _)) => format!("{above}/{name}"),
        None => name.to_string(),
    };
    let file = place.file(&path);
    Hub::shared().download(&file, progress, context.cancel).map_err(|error| match error {
        HubError::NoEntry { .. } => missing(),
        error => error.into(),
    })
}

impl std::fmt::Display for HubFolder<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.folder {
            "" => write!(f, "dataset `{}` at {}", self.repo, self.revision),
            folder => write!(f, "dataset `{}` at {}, folder `{folder}`,", self.repo, self.revision),
        }
    }
}

/// The faces in a `metadata.csv`, in its order, the table, and the files of the faces.
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
        // As spelled in the repository, which may use a different normalisation.
        if let PixelSource::File { path, .. } = &mut face.pixels {
            file.path.strip_prefix(prefix).unwrap_or_default().clone_into(path);
        }
        named.insert(&file.path);
        pictures.push(file.clone());
    }
    for file in listing.iter().filter(|file| !named.contains(&file.path)) {
        left_out.add(by_name(&file.path[prefix.len()..], LeftOutReason::NotInTable));
    }
    Ok((faces, source, pictures))
}

/// Refuses folders with a table of their own where those of people are expected.
fn no_image_folders(listing: &[HubFile], prefix: &str, context: &OpenContext<'_>) -> Result<(), DatasetError> {
    for file in listing {
        let below = file.path.strip_prefix(prefix).unwrap_or_default();
        if let Some((folder, METADATA)) = below.split_once('/')
            && !hidden(below)
        {
            let table = Hub::shared().download(file, &LinesOnly(context.progress), context.cancel)?;
            image_folder::refuse_as_person(&table, format!("{prefix}{folder}"), "folder")?;
        }
    }
    Ok(())
}

/// A file in an identity folder: (identity, name) and the file.
type FolderFile = ((String, String), HubFile);

/// The files at `<identity>/<file>` below the prefix whose names allow for pictures.
fn in_folders(listing: Vec<HubFile>, prefix: &str, left_out: &mut LeftOut) -> Vec<FolderFile> {
    let mut files = Vec::new();
    for file in listing {
        let below = file.path.strip_prefix(prefix).unwrap_or_default();
        let reason = match below.split('/').collect::<Vec<_>>()[..] {
            [_] => by_name(below, LeftOutReason::InRoot),
            [identity, name]
                if matches!(listing::named(name), NameKind::Picture | NameKind::Unknown) && !hidden(below) =>
            {
                files.push(((identity.to_owned(), name.to_owned()), file));
                continue;
            }
            _ => by_name(below, LeftOutReason::TooDeep),
        };
        left_out.add(reason);
    }
    files
}

/// Whether a file or a folder above it is hidden.
fn hidden(path: &str) -> bool {
    path.split('/').any(|part| part.starts_with('.'))
}

/// Why a file is not downloaded; `picture` is the reason for one with the name of a picture.
fn by_name(path: &str, picture: LeftOutReason) -> LeftOutReason {
    match listing::named(path.rsplit('/').next().unwrap_or(path)) {
        _ if hidden(path) => LeftOutReason::Hidden,
        NameKind::Picture => picture,
        _ => LeftOutReason::OtherEnding,
    }
}

/// Leaves out files that are not pictures by content; for this, those with inconclusive names are downloaded.
fn only_pictures(
    mut listed: Vec<FolderFile>,
    prefix: &str,
    left_out: &mut LeftOut,
    context: &OpenContext<'_>,
) -> Result<Vec<FolderFile>, DatasetError> {
    let doubtful = |((_, name), _): &&FolderFile| listing::named(name) == NameKind::Unknown;
    listed.retain(|entry| {
        let keep = !(doubtful(&entry) && is_too_large(&entry.1));
        if !keep {
            left_out.add(LeftOutReason::NoPicture);
        }
        keep
    });
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

/// Whether a file is larger than a picture may be, according to the listing.
fn is_too_large(file: &HubFile) -> bool {
    file.size.is_some_and(|size| size > LARGEST_PICTURE)
}

/// Downloads all files; gives the folder in the local cache that corresponds to the prefix.
fn download(pictures: &[HubFile], prefix: &str, context: &OpenContext<'_>) -> Result<PathBuf, DatasetError> {
    let OpenContext { progress, cancel, .. } = *context;
    if let Some(large) = pictures.iter().find(|picture| is_too_large(picture)) {
        return Err(DatasetError::LargePicture { name: large.to_string(), bytes: large.size.unwrap_or_default() });
    }
    let bytes: u64 = pictures.iter().filter_map(|picture| picture.size).fold(0, u64::saturating_add);
    if bytes > LARGE {
        progress.say(&format!(
            "the dataset has {}, {:.0} MB in total; files that are not in the Hub cache are downloaded",
            text::counted(pictures.len(), "picture"),
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
            match Hub::shared().download(picture, &LinesOnly(progress), cancel) {
                Ok(path) if index == 0 => drop(first.set(path)),
                Ok(_) => {}
                Err(error) => {
                    // The other threads stop too; the first error is reported.
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

/// `<snapshot>/<prefix><below>` without the part below the prefix.
fn root_of(path: &Path, picture: &HubFile, prefix: &str) -> Result<PathBuf, DatasetError> {
    let below = Path::new(picture.path.strip_prefix(prefix).unwrap_or_default()).components().count();
    path.ancestors()
        .nth(below)
        .filter(|_| path.ends_with(&picture.path))
        .map(Path::to_owned)
        .ok_or_else(|| DatasetError::HubLayout { path: path.into(), file: picture.path.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> HubFile {
        HubFolder { repo: "a/b", revision: "c", folder: "" }.file(path)
    }

    /// Fault (hub): a picture of more than 512 MiB in a repository → refused from the listing; nothing is downloaded
    /// Fault (hub): a file of any size without a picture's name among the pictures of a repository → left out from the listing
    #[test]
    fn what_is_too_large_for_a_picture_is_not_downloaded() {
        let large = |path: &str| HubFile { size: Some(LARGEST_PICTURE + 1), ..file(path) };
        let cancel = crate::progress::Cancel::default();
        let context = OpenContext { cache: None, progress: &crate::progress::Silent, cancel: &cancel };
        let error = download(&[file("a/1.jpg"), large("a/2.jpg")], "", &context).unwrap_err().to_string();
        insta::assert_snapshot!(error, @"`a/2.jpg` of a/b@c has 536870913 bytes, and a picture at most 512 MiB; pin a revision or choose a folder without it");
        let mut left_out = LeftOut::default();
        let doubtful = vec![(("a".to_owned(), "weights".to_owned()), large("a/weights"))];
        assert!(only_pictures(doubtful, "", &mut left_out, &context).unwrap().is_empty());
        assert_eq!(left_out.to_string(), "1 file that is not a picture by name or content");
    }

    #[test]
    fn only_pictures_in_identity_folders_become_faces() {
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
        let expected = "1 picture next to the identity folders, 1 picture deeper than <identity>/<image>, \
                        2 files that are not pictures by extension, 2 hidden entries";
        assert_eq!(left_out.to_string(), expected);
        let root = |path: &str, prefix| root_of(Path::new(path), &pictures[0], prefix).ok();
        let expected = |path: &str| Some(PathBuf::from(path));
        assert_eq!(root("/cache/snapshots/c/data/z/1.jpg", "data/"), expected("/cache/snapshots/c/data"));
        assert_eq!(root("/cache/snapshots/c/data/z/1.jpg", ""), expected("/cache/snapshots/c"));
        assert_eq!(root("/cache/blobs/77", "data/"), None);
    }
}
