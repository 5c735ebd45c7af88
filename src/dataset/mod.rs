//! Turns a dataset into a [`Manifest`]: one row per face, in input order. Each kind of source has its own file.

mod anywhere;
mod array;
mod boxes;
pub(crate) mod braces;
mod changes;
mod columns;
mod container;
mod coordinates;
mod csv_lines;
mod error;
mod face_names;
mod fault;
mod folders;
pub(crate) mod forget;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod given;
mod given_columns;
mod hand_over;
mod hub_folders;
mod ijb;
mod image_folder;
mod left_out;
mod listing;
pub(crate) mod look;
mod manifest_file;
mod normalisation;
mod object_tree;
mod objects;
mod other_kind;
mod pair_list;
mod pair_lists_file;
mod pair_plain;
mod pair_table;
mod pair_text;
mod pairs_builder;
mod part;
mod paths;
pub(crate) mod pattern;
mod phase1;
mod procedural;
mod read_ahead;
mod role_table;
mod roles_file;
mod scan;
mod scan_cache;
pub(crate) mod sealed_json;
mod self_digest;
mod short_name;
mod source;
pub mod synthetic;
mod table;
mod table_columns;
mod table_file;
mod tables;
mod templates_file;
mod text_lines;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io::{BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::digest::{Digest, Hasher};
use crate::files::{self, FileError};
use crate::identification::{RoleEntry, RoleTable};
use crate::objects::ObjectError;
use crate::preprocess::{BoundingBox, Crop, Landmarks};
use crate::progress::{Cancel, Progress, Silent};
use crate::protocol::{ABSENT, ListedPair, PairList};
use crate::similarity::Labelled;
use crate::table::Table;
use crate::templates::{TemplatePair, TemplateSet};
use crate::text::counted;
use crate::transient;

pub(crate) use columns::{IDENTITIES as IDENTITY_COLUMNS, landmarks as landmark_columns};
pub use container::{ContainerFile, ContainerProblem};
pub use error::{CsvProblem, DatasetError, ReadError};
pub use fault::{Fault, FaultIn};
pub(crate) use hand_over::METADATA;
pub use left_out::{LeftOut, LeftOutReason};
pub(crate) use objects::is_remote;
pub use pair_list::{contradictions, read_pair_list};
pub use part::Part;
pub(crate) use read_ahead::ReadAhead;
pub use role_table::read_roles;
pub(crate) use short_name::short_name;
pub use source::{Container, DatasetSource, HubFiles, IjbSet, PathRewrite, Phase1Image, RowTable, Tables};
pub use table::{SourceTable, TextColumn};

/// The tables that a run keeps of its dataset.
pub(crate) const TABLES: [&Table; 6] = [
    &manifest_file::MANIFEST,
    &pair_lists_file::PAIR_LISTS,
    &roles_file::ROLES,
    &templates_file::TEMPLATES,
    &templates_file::TEMPLATE_PAIRS,
    &METADATA,
];

/// Maximum size of an encoded picture in bytes; anything larger would only fill the memory.
const LARGEST_PICTURE: u64 = 1 << 29;

/// Maximum length of an id, an identity, a path and a column's name in bytes: that of a path on Linux.
const LONGEST_NAME: usize = 4096;

/// One face, before it is embedded.
#[derive(Debug, Clone, PartialEq)]
pub struct Face {
    /// Its id, unique in the manifest.
    pub face_id: String,
    /// Its identity, if known.
    pub identity_id: Option<String>,
    /// The photo it comes from; two faces of one photo are never compared.
    pub image_id: String,
    /// Where its pixels come from.
    pub pixels: PixelSource,
    /// Box of the face in the picture at `pixels`, in pixels; `None`: the whole picture.
    pub bbox: Option<BoundingBox>,
    /// Its landmarks in the picture at `pixels`, in pixels, which aligning needs.
    pub landmarks: Option<Landmarks>,
    /// The detector's confidence as recorded, usually in 0..=1.
    pub detector_score: Option<f32>,
    /// Digest of the picture at `pixels`; `None` if it could not be read (embedding reports why).
    pub content: Option<Digest>,
    /// An invalid row in the source, which embedding reports as a failure.
    pub fault: Option<Fault>,
}

impl Face {
    /// A whole picture that is its own photo: its path is both ids.
    pub(crate) fn of_picture(path: impl Into<String>) -> Self {
        let path = path.into();
        Self {
            face_id: path.clone(),
            identity_id: None,
            image_id: path.clone(),
            pixels: PixelSource::File { path, size: 0, modified: 0 },
            bbox: None,
            landmarks: None,
            detector_score: None,
            content: None,
            fault: None,
        }
    }

    /// The fault that fails the face under this crop.
    pub(crate) fn failing(&self, crop: Crop) -> Option<&Fault> {
        self.fault.as_ref().filter(|fault| match fault.part {
            FaultIn::Face | FaultIn::Detection => true,
            FaultIn::Box => match crop {
                Crop::Box { .. } => true,
                // A line with too few values, for example, has neither.
                Crop::Align => self.landmarks.is_none(),
                Crop::Whole | Crop::Centre { .. } => false,
            },
            FaultIn::Landmarks => crop == Crop::Align,
        })
    }
}

/// Where a face's pixels come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PixelSource {
    /// An encoded picture.
    File {
        /// Path relative to [`Manifest::root`], `/`-separated.
        path: String,
        /// Its size in bytes when it was digested.
        size: u64,
        /// Its modification time when it was digested, ns since the epoch.
        modified: i64,
    },
    /// A picture within a larger file.
    Part(Part),
    /// No pixels: the embedding is given.
    Given {
        /// Its row of the matrix.
        row: u32,
    },
    /// A procedural face.
    Synthetic {
        /// Which identity of the dataset's universe.
        identity: u32,
        /// Which sample of it.
        sample: u32,
    },
}

impl<'a> From<&'a Face> for Labelled<'a> {
    fn from(face: &'a Face) -> Self {
        let bbox = face.bbox.map(|bbox| [bbox.x1, bbox.y1, bbox.x2, bbox.y2].map(f32::to_bits));
        Self {
            face_id: &face.face_id,
            identity: face.identity_id.as_deref(),
            image_id: &face.image_id,
            content: face.content.map(|digest| (digest, bbox)),
        }
    }
}

/// All faces of a dataset in input order, with the source's own columns kept for the hand-over.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Manifest {
    /// The faces; a face's index here is its row everywhere.
    pub faces: Vec<Face>,
    /// Folder that file paths are relative to; empty for synthetic faces.
    pub root: PathBuf,
    /// The source's own columns, unchanged, if it has a table: Phase-1's, `metadata.csv`, parquet.
    pub table: SourceTable,
    /// Pairs that protocols compare; the dataset's own list first, if it has one.
    pub lists: Vec<PairList>,
    /// The templates that protocols compare, if the dataset has any.
    pub templates: Option<TemplateSet>,
    /// Roles that tables of identification protocols give to faces.
    pub roles: Vec<RoleTable>,
    /// Commit of the Hub repository of the pictures.
    pub commit: Option<String>,
    /// The container files of the dataset.
    pub containers: Vec<ContainerFile>,
    /// Entries of the dataset's folders that are not faces.
    pub left_out: LeftOut,
}

/// Opens a dataset: finds its faces, reads each picture once for its digest. The folder `cache` holds the digests of
/// unchanged files and the content of unpacked containers, which require it.
///
/// # Errors
/// [`DatasetError`]: the source is invalid, cannot be read or fetched, or opening was cancelled.
pub fn open(
    source: &DatasetSource,
    cache: Option<&Path>,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Manifest, DatasetError> {
    cache.into_iter().for_each(container::sweep_unpacked);
    let context = scan::OpenContext { cache, progress, cancel };
    let mut manifest = match source {
        DatasetSource::Phase1 { csv, root, rewrite, image } => phase1::open(csv, root, rewrite, *image, &context),
        DatasetSource::Folders { root, parts, tables } => folders::open(root, parts, tables, &context),
        DatasetSource::HubFolders { repo, revision, folder, tables } => {
            hub_folders::open(&hub_folders::HubFolder { repo, revision, folder }, tables, &context)
        }
        DatasetSource::Archive { archive, tables } => archived(archive, tables, &context),
        DatasetSource::Webdataset { .. } => container::webdataset::open(source, &context),
        DatasetSource::InsightfaceBin { file } => container::insightface(file, &context),
        DatasetSource::Parquet { shards } => container::parquet(shards, &context),
        DatasetSource::Vggface2 { archive, boxes } => container::vggface2(archive, boxes, &context),
        DatasetSource::Ijb { root, set } => ijb::open(root, *set, &context),
        DatasetSource::Embeddings { .. } => given::open(source, &context),
        DatasetSource::Array { array, table } => array::open(array, table, &context),
        DatasetSource::Files { .. } => anywhere::open(source, &context),
        &DatasetSource::Synthetic { seed, identities, samples, size } => {
            procedural::open(seed, identities, samples, size)
        }
    }?;
    if !manifest.left_out.is_empty() {
        progress.say(&format!("left out: {}", manifest.left_out));
    }
    normalisation::unite_identities(&mut manifest.faces, progress);
    coordinates::refuse_relative(&manifest.faces)?;
    coordinates::warn_of_swapped_sides(&manifest.faces, progress);
    match u32::try_from(manifest.len()) {
        Ok(_) => Ok(manifest),
        Err(_) => Err(DatasetError::TooMany(manifest.len() as u64)),
    }
}

/// A matrix of embeddings on this machine: one of an object store is fetched into `cache` unless it is there.
pub(crate) fn matrix_here(
    path: &Path,
    cache: &Path,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<PathBuf, DatasetError> {
    objects::matrix(path, &scan::OpenContext { cache: Some(cache), progress, cancel })
}

/// Faces in files of their own, whose paths are absolute or start in the current folder.
pub(crate) fn of_files(faces: Vec<Face>, cancel: &Cancel) -> Result<Manifest, DatasetError> {
    let mut manifest = Manifest { faces, ..Manifest::default() };
    scan::fill_folder(&mut manifest, &scan::OpenContext { cache: None, progress: &Silent, cancel })?;
    Ok(manifest)
}

/// The pictures of an archive with the tables next to it.
fn archived(archive: &Container, tables: &Tables, context: &scan::OpenContext<'_>) -> Result<Manifest, DatasetError> {
    let (mut manifest, beside) = container::archive(archive, context)?;
    let files = tables::Files::find(tables, &beside)?;
    tables::attach(&mut manifest, &files, context)?;
    Ok(manifest)
}

/// The faces of a local dataset without reading their pictures, so without digests unless they are drawn; `None` if the
/// pictures are remote or in a container.
pub(crate) fn list(source: &DatasetSource, progress: &dyn Progress) -> Option<Result<Manifest, DatasetError>> {
    if source.remote().is_some() {
        return None;
    }
    let context = scan::OpenContext { cache: None, progress, cancel: &Cancel::default() };
    let listed = match source {
        DatasetSource::Phase1 { csv, root, rewrite, image } => {
            Some(phase1::list(csv, root, rewrite, *image, &context).map(|(manifest, _)| manifest))
        }
        DatasetSource::Ijb { root, set } => Some(ijb::list(root, *set, &context)),
        DatasetSource::Folders { root, parts, tables } => Some(folders::list(root, parts, tables, &context)),
        DatasetSource::Embeddings { .. } => Some(given::open(source, &context)),
        DatasetSource::Array { array, table } => Some(array::list(array, table, &context)),
        DatasetSource::Files { .. } => Some(anywhere::list(source, &context)),
        DatasetSource::Webdataset { .. } => Some(container::webdataset::list(source, &context)),
        &DatasetSource::Synthetic { seed, identities, samples, size } => {
            Some(procedural::open(seed, identities, samples, size))
        }
        _ => None,
    };
    listed.map(|listed| {
        let manifest = listed?;
        coordinates::refuse_relative(&manifest.faces)?;
        coordinates::warn_of_swapped_sides(&manifest.faces, progress);
        Ok(manifest)
    })
}

/// Size and modification time of a picture, as in a manifest; `None` if it cannot be looked at.
pub(crate) fn stamp(path: &Path) -> Option<(u64, i64)> {
    let files::Stamp { size, modified, .. } = files::Stamp::of(&std::fs::metadata(path).ok()?);
    Some((size, modified))
}

/// Describes a dataset, its location, and what would be downloaded. Checks local paths only and cannot fail.
pub(crate) fn describe(source: &DatasetSource) -> String {
    let described = describe_local(source);
    match source.remote() {
        Some(_) => described.replace("; nothing to download", "; what is in an object store was not looked at"),
        None => described,
    }
}

fn describe_local(source: &DatasetSource) -> String {
    let there = |path: &Path, is_there: bool| {
        let shown = path.display();
        if is_there || objects::is_remote(path) { shown.to_string() } else { format!("{shown} (missing)") }
    };
    match source {
        DatasetSource::Phase1 { csv, root, rewrite, image } => format!(
            "Phase-1 table {}, {} in {}{}; nothing to download",
            there(csv, csv.is_file()),
            match image {
                Phase1Image::Crop => "crops",
                Phase1Image::Photo => "boxes cropped from photos",
            },
            there(root, root.is_dir()),
            match rewrite.len() {
                0 => String::new(),
                1 => " after 1 path rewrite".into(),
                n => format!(" after {n} path rewrites"),
            }
        ),
        DatasetSource::Folders { root, parts, tables } => {
            format!(
                "identity folders or image folder {}{}{}; nothing to download",
                there(root, root.is_dir()),
                if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) },
                tables::describe(tables)
            )
        }
        DatasetSource::HubFolders { repo, revision, folder, tables } => format!(
            "identity folders or image folder of {} on the Hugging Face Hub{}; `facevault fetch` downloads the files that are not in the Hub cache",
            hub_folders::HubFolder { repo, revision, folder },
            tables::describe(tables)
        ),
        DatasetSource::Archive { archive, tables } => {
            format!("identity folders in {}{}", container::describe(archive), tables::describe(tables))
        }
        DatasetSource::Webdataset { shards, tables, .. } => {
            let is_there =
                container::webdataset::files_of(shards).is_ok_and(|files| files.iter().all(|file| file.is_file()));
            format!("WebDataset {}{}; nothing to download", there(shards, is_there), tables::describe(tables))
        }
        DatasetSource::InsightfaceBin { file } => format!("insightface pairs, {}", container::describe(file)),
        DatasetSource::Parquet { shards } => format!("pictures in parquet, {}", container::describe(shards)),
        DatasetSource::Vggface2 { archive, boxes } => {
            format!("VGGFace2: photos {}; boxes {}", container::describe(archive), container::describe(boxes))
        }
        DatasetSource::Ijb { root, set } => {
            format!("{} in insightface's layout, {}; nothing to download", set.title(), there(root, root.is_dir()))
        }
        DatasetSource::Files { root, pattern, list, table, tables, .. } => {
            let file = |what: &str, path: &Option<PathBuf>| {
                path.as_ref().map_or_else(String::new, |path| format!(" of the {what} {}", there(path, path.is_file())))
            };
            let pattern = pattern.as_ref().map_or_else(String::new, |pattern| format!(", each `{pattern}`"));
            format!(
                "pictures{}{} in {}{pattern}{}; nothing to download",
                file("list", list),
                file("table", table),
                there(root, root.is_dir()),
                tables::describe(tables)
            )
        }
        DatasetSource::Embeddings { matrix, table, .. } => format!(
            "given embeddings {}, of the faces in {}; nothing to download",
            there(matrix, matrix.is_file()),
            if table.faces.as_os_str().is_empty() {
                "its other columns".into()
            } else {
                there(&table.faces, table.faces.is_file())
            }
        ),
        DatasetSource::Array { array, table } => format!(
            "crops in the array {}, of the faces in {}; nothing to download",
            there(array, array.is_file()),
            there(&table.faces, table.faces.is_file())
        ),
        DatasetSource::Synthetic { seed, identities, samples, size } => format!(
            "{} ({} × {}, {size}×{size} pixels, seed {seed}, generator {}); nothing to download",
            counted(u64::from(*identities) * u64::from(*samples), "synthetic face"),
            counted(*identities, "identity"),
            counted(*samples, "sample"),
            synthetic::GENERATOR_VERSION
        ),
    }
}

/// The encoded picture of a row, unchanged since the manifest was made: its digest is the manifest's, whatever the file's size
/// and time say. So a row never stands for another picture than its digest names.
///
/// # Errors
/// [`ReadError`].
pub fn bytes(manifest: &Manifest, row: usize) -> Result<Vec<u8>, ReadError> {
    let face = &manifest.faces[row];
    let (path, part) = match &face.pixels {
        PixelSource::File { path, .. } => (path, None),
        PixelSource::Part(part) => (&part.path, Some(part)),
        PixelSource::Given { .. } | PixelSource::Synthetic { .. } => return Err(ReadError::Drawn { row }),
    };
    if objects::is_remote(&manifest.root) {
        return unchanged(manifest, row, objects::folder(&manifest.root)?.read(path, None, LARGEST_PICTURE));
    }
    let path = manifest.root.join(path);
    let failed = |error| FileError::new("read", &path)(error);
    let metadata = transient::retry(|| std::fs::metadata(&path)).map_err(|error| match std::fs::read_link(&path) {
        Ok(target) if error.kind() == ErrorKind::NotFound => ReadError::dangling(&path, target),
        _ => failed(error).into(),
    })?;
    // Opening a pipe would wait for its writer.
    if !metadata.is_file() {
        return Err(ReadError::NotAFile { path });
    }
    let read = || match part {
        Some(part) if part.size > LARGEST_PICTURE => Ok((part.size, Vec::new())),
        Some(part) => Ok((part.size, part.read(&manifest.root)?)),
        None => {
            let file = files::open(&path)?;
            let (size, mut bytes) = (file.metadata()?.len(), Vec::new());
            if size <= LARGEST_PICTURE {
                // One more, to see the end: so it is read at once.
                bytes.try_reserve_exact(size as usize + 1).map_err(|_| ErrorKind::OutOfMemory)?;
                file.take(LARGEST_PICTURE).read_to_end(&mut bytes)?;
            }
            Ok((size, bytes))
        }
    };
    let (size, bytes) = match transient::retry(read) {
        // A file that was cut.
        Err(error) if part.is_some() && error.kind() == ErrorKind::UnexpectedEof => {
            return Err(ReadError::Changed { path });
        }
        other => other.map_err(failed)?,
    };
    if size > LARGEST_PICTURE {
        return Err(ReadError::TooLarge { path, size });
    }
    if face.content == Some(Digest::of(&bytes)) { Ok(bytes) } else { Err(ReadError::Changed { path }) }
}

/// The bytes of an object if they are those of the manifest's row.
fn unchanged(manifest: &Manifest, row: usize, read: Result<Vec<u8>, ObjectError>) -> Result<Vec<u8>, ReadError> {
    let face = &manifest.faces[row];
    let path = || match &face.pixels {
        PixelSource::File { path, .. } => manifest.root.join(path),
        _ => manifest.root.clone(),
    };
    match read {
        Ok(bytes) if face.content == Some(Digest::of(&bytes)) => Ok(bytes),
        Ok(_) => Err(ReadError::Changed { path: path() }),
        Err(ObjectError::TooLarge { bytes: size, .. }) => Err(ReadError::TooLarge { path: path(), size }),
        Err(error) => Err(FileError::from(error).into()),
    }
}

/// Digest over some faces of a manifest, of what [`Manifest::digest`] takes of each.
pub(crate) fn digest_of_faces(faces: &[Face]) -> Digest {
    let mut hasher = Hasher::default();
    for face in faces {
        hash_face(face, &mut hasher);
    }
    hasher.finish()
}

fn hash_face(face: &Face, hasher: &mut Hasher) {
    let Face { face_id, identity_id, image_id, bbox, landmarks, content, fault, pixels, .. } = face;
    hasher.field(face_id.as_bytes());
    // Which optional values are present: an empty identity differs from none.
    let there = [identity_id.is_some(), content.is_some(), bbox.is_some()].map(u8::from);
    // Faces without landmarks are hashed as they were before there were any.
    let there = [&there[..], if landmarks.is_some() { &[1] } else { &[] }].concat();
    match fault {
        None => hasher.field(&there[..]),
        // The reason is written to the run's failures: a different one makes a different run.
        Some(Fault { part, reason }) => {
            hasher.field(&[&there[..], part.name().as_bytes()].concat());
            hasher.field(reason.as_bytes());
        }
    }
    hasher.field(identity_id.as_deref().unwrap_or_default().as_bytes());
    hasher.field(image_id.as_bytes());
    hasher.field(content.as_ref().map_or(&[], |content| &content.bytes()[..]));
    let edges = bbox.iter().flat_map(|bbox| [bbox.x1, bbox.y1, bbox.x2, bbox.y2]);
    for number in edges.chain(landmarks.iter().flat_map(Landmarks::numbers)) {
        hasher.update(&number.to_le_bytes());
    }
    if let PixelSource::Given { row } = pixels {
        hasher.update(&row.to_le_bytes());
    }
}

impl Manifest {
    /// Number of faces.
    #[must_use]
    pub fn len(&self) -> usize {
        self.faces.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.faces.is_empty()
    }

    /// Describes how many faces fail under this crop because of invalid rows; `None` if none does.
    pub(crate) fn wrong_rows(&self, crop: Crop) -> Option<String> {
        // What a detector did not find is no invalid row.
        let invalid = |face: &&Face| face.failing(crop).is_some_and(|fault| fault.part != FaultIn::Detection);
        let wrong = self.faces.iter().filter(invalid).count();
        let all = self.len();
        match wrong {
            0 => None,
            1 => Some(format!(
                "1 of {} has an invalid row and fails; see failures.csv for the reason",
                counted(all, "face")
            )),
            _ => Some(format!("{wrong} of {all} faces have invalid rows and fail; see failures.csv for the reasons")),
        }
    }

    /// The shorter sides, in pixels, of up to `most` evenly spaced pictures, where their headers tell.
    pub(crate) fn shorter_sides(&self, most: usize) -> Vec<u32> {
        if objects::is_remote(&self.root) {
            return read_ahead::shorter_sides(self, most);
        }
        let side = |face: &Face| match &face.pixels {
            PixelSource::File { path, .. } => {
                let file = files::open(&self.root.join(path)).ok()?;
                crate::preprocess::size(BufReader::new(file))?.into_iter().min()
            }
            PixelSource::Part(part) => part.shorter_side(&self.root),
            PixelSource::Given { .. } | PixelSource::Synthetic { .. } => None,
        };
        self.some(most).filter_map(side).collect()
    }

    /// Up to `most` evenly spaced faces.
    fn some(&self, most: usize) -> impl Iterator<Item = &Face> {
        let usable = self.faces.iter().filter(|face| face.fault.is_none());
        usable.step_by(self.len().div_ceil(most.max(1)).max(1))
    }

    /// The distinct identities, sorted.
    #[must_use]
    pub fn identities(&self) -> Vec<&str> {
        let distinct: BTreeSet<_> = self.faces.iter().filter_map(|face| face.identity_id.as_deref()).collect();
        distinct.into_iter().collect()
    }

    /// Digest over everything that can change a result: the order of the rows, and the ids, content, box, landmarks and fault of each.
    /// Paths and modification times are not part of it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut hasher = Hasher::default();
        hasher.field(b"facevault manifest 1");
        self.faces.iter().for_each(|face| hash_face(face, &mut hasher));
        for PairList { name, pairs, .. } in &self.lists {
            hasher.field(b"pairs");
            hasher.field(name.as_bytes());
            for ListedPair { a, b, same, fold } in pairs {
                let fold = fold.map_or(u64::MAX, u64::from);
                hasher
                    .field(&[&a.to_le_bytes()[..], &b.to_le_bytes(), &[u8::from(*same)], &fold.to_le_bytes()].concat());
            }
        }
        for RoleTable { protocol, entries } in &self.roles {
            hasher.field(b"roles");
            hasher.field(protocol.as_bytes());
            for RoleEntry { row, role, identity } in entries {
                hasher.field(&[&row.unwrap_or(ABSENT).to_le_bytes()[..], &[u8::from(identity.is_some())]].concat());
                hasher.field(role.name().as_bytes());
                hasher.field(identity.as_deref().unwrap_or_default().as_bytes());
            }
        }
        if let Some(set) = &self.templates {
            self.digest_templates(set, &mut hasher);
        }
        hasher.finish()
    }

    /// Adds the templates, and the faces' scores, by which they may count.
    fn digest_templates(&self, set: &TemplateSet, hasher: &mut Hasher) {
        hasher.field(b"templates");
        let mut numbers = |name: &[u8], numbers: &mut dyn Iterator<Item = u32>| {
            hasher.field(name);
            numbers.for_each(|number| hasher.update(&number.to_le_bytes()));
        };
        let name = |template: u32| set.names[template as usize];
        numbers(b"names", &mut set.names.iter().copied());
        numbers(b"subjects", &mut set.subject_of.iter().copied());
        numbers(b"template of each face", &mut set.template_of.iter().copied());
        numbers(b"media of each face", &mut set.media_of.iter().copied());
        let scores = self.faces.iter().map(|face| face.detector_score.map_or(u32::MAX, f32::to_bits));
        numbers(b"score of each face", &mut { scores });
        let pair = |pair: &TemplatePair| [name(pair.a()), name(pair.b()), u32::from(pair.same())];
        numbers(b"pairs", &mut set.pairs.iter().flat_map(pair));
        for gallery in &set.galleries {
            numbers(b"gallery", &mut gallery.iter().copied().map(name));
        }
        numbers(b"probes", &mut set.probes.iter().copied().map(name));
    }
}
