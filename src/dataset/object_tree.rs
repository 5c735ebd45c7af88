//! A folder of an object store as a tree of folders, from one listing. There are no links; a key is a path.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::left_out::LeftOutReason;
use super::listing::{self, EntryKind, NameKind};
use super::normalisation::composed;
use super::objects;
use super::scan::OpenContext;
use super::{DatasetError, LARGEST_PICTURE};
use crate::digest::Digest;
use crate::files::{FileError, Stamp};
use crate::objects::{Ahead, Folder, Object, ObjectError, Wanted};
use crate::preprocess::HEAD;

/// All objects of a folder.
pub(super) struct ObjectTree {
    address: PathBuf,
    pub folder: Folder,
    objects: BTreeMap<String, Stamp>,
    /// Of those whose names do not tell what they are, why they are left out; `None` of pictures.
    reasons: HashMap<String, Option<LeftOutReason>>,
}

impl ObjectTree {
    /// Lists the folder, and looks into objects whose names do not tell whether they are pictures.
    pub fn open(address: &Path, context: &OpenContext<'_>) -> Result<Self, DatasetError> {
        let folder = objects::folder(address)?;
        let listed = folder.list().map_err(FileError::from)?;
        let objects = listed.into_iter().map(|object| (object.name.clone(), stamp(&object))).collect();
        let mut tree = Self { address: address.to_owned(), folder, objects, reasons: HashMap::new() };
        tree.reasons = tree.look_into(context)?;
        Ok(tree)
    }

    fn look_into(&self, context: &OpenContext<'_>) -> Result<HashMap<String, Option<LeftOutReason>>, DatasetError> {
        let is_unknown = |path: &str| listing::named(path.rsplit('/').next().unwrap_or(path)) == NameKind::Unknown;
        let unknown: Vec<_> = self.objects.iter().filter(|(path, _)| is_unknown(path)).collect();
        // A range of nothing is an error.
        let (empty, unknown): (Vec<_>, Vec<_>) = unknown.into_iter().partition(|(_, stamp)| stamp.size == 0);
        let wanted = unknown.iter().map(|(path, stamp)| {
            let size = stamp.size.min(HEAD as u64);
            Wanted { name: (*path).clone(), range: Some(0..size), size }
        });
        let heads = Ahead::new(self.folder.clone(), wanted.collect(), HEAD as u64).until(context.cancel);
        let mut reasons: HashMap<_, _> =
            empty.into_iter().map(|(path, _)| (path.clone(), listing::reason(&[]))).collect();
        for (index, (path, _)) in unknown.into_iter().enumerate() {
            let reason = match heads.take(index) {
                Ok(head) => listing::reason(&head),
                Err(error) if error.is_missing() => Some(LeftOutReason::Unreadable),
                Err(ObjectError::Interrupted { .. }) => return Err(DatasetError::Interrupted),
                Err(error) => return Err(FileError::from(error).into()),
            };
            reasons.insert(path.clone(), reason);
        }
        Ok(reasons)
    }

    /// Its address.
    pub fn address(&self) -> &Path {
        &self.address
    }

    /// Whether there is an object of this name.
    pub fn is_file(&self, path: &str) -> bool {
        self.objects.contains_key(path)
    }

    /// Whether objects are in this folder of it; `""` is the whole.
    pub fn is_folder(&self, path: &str) -> bool {
        if path.is_empty() { !self.objects.is_empty() } else { self.first_at(&format!("{path}/")) }
    }

    fn first_at(&self, prefix: &str) -> bool {
        self.objects.range(prefix.to_owned()..).next().is_some_and(|(first, _)| first.starts_with(prefix))
    }

    /// The names in a folder of it, in byte order of their objects, and whether each is a folder.
    pub fn names(&self, below: &str) -> Vec<(String, bool)> {
        let prefix = if below.is_empty() { String::new() } else { format!("{below}/") };
        let (mut names, mut from) = (Vec::new(), prefix.clone());
        while let Some((path, stamp)) = self.objects.range(from..).next().filter(|(path, _)| path.starts_with(&prefix))
        {
            let rest = &path[prefix.len()..];
            if let Some((name, _)) = rest.split_once('/') {
                names.push((name.to_owned(), true));
                // `0` follows `/`: past all that is in the folder.
                from = format!("{prefix}{name}0");
            } else {
                // Empty objects stand for folders, as consoles make them.
                if stamp.size > 0 || !self.is_folder(path) {
                    names.push((rest.to_owned(), false));
                }
                from = format!("{path}\0");
            }
        }
        names
    }

    /// Classifies an object, or a folder, by its path.
    pub fn look(&self, path: &str, is_folder: bool) -> EntryKind {
        match listing::named(path.rsplit('/').next().unwrap_or(path)) {
            NameKind::Hidden => EntryKind::Left(LeftOutReason::Hidden),
            _ if is_folder => EntryKind::Folder,
            NameKind::Picture => EntryKind::Picture,
            NameKind::Other => EntryKind::Left(LeftOutReason::OtherEnding),
            NameKind::Unknown => match self.reasons.get(path) {
                Some(None) => EntryKind::Picture,
                Some(Some(reason)) => EntryKind::Left(*reason),
                None => EntryKind::Left(LeftOutReason::Unreadable),
            },
        }
    }

    /// The stamp of an object.
    pub fn stamp(&self, path: &str) -> Option<Stamp> {
        self.objects.get(path).copied()
    }

    /// The objects by the composed form of their names, the first of several.
    pub fn by_composed(&self) -> HashMap<String, &str> {
        let mut names = HashMap::new();
        for path in self.objects.keys().filter(|path| !path.is_ascii()) {
            names.entry(composed(path)).or_insert(path.as_str());
        }
        names
    }

    /// Reads whole objects ahead of those who take them.
    pub fn ahead<'a>(&'a self, paths: &'a [&'a str], context: &OpenContext<'_>) -> Ahead<'a> {
        let wanted = |index: usize| {
            let name = (*paths.get(index)?).to_owned();
            Some(Wanted { size: self.stamp(&name).map_or(0, |stamp| stamp.size), name, range: None })
        };
        Ahead::of(self.folder.clone(), wanted, LARGEST_PICTURE).until(context.cancel)
    }
}

/// What a listing says of an object. Its tag, which tells contents apart, takes the place of the time of its last change.
fn stamp(object: &Object) -> Stamp {
    let mut tag = [0; 8];
    if let Some(text) = &object.tag {
        tag.copy_from_slice(&Digest::of(text.as_bytes()).bytes()[..8]);
    }
    Stamp { size: object.size, modified: object.modified, changed: i64::from_le_bytes(tag) }
}
