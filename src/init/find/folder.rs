//! A folder: pictures of people in folders or under names that tell, or one of the files that hold a dataset.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{Content, Found, Hints, Paths, ends, file, shards, table};
use crate::dataset::look;
use crate::dataset::pattern::Pattern;
use crate::files;
use crate::init::InitError;
use crate::init::scalar::scalar;

/// Names of folders that hold folders of people, rather than pictures of a person.
const PARTS: [&str; 12] = [
    "train",
    "test",
    "val",
    "valid",
    "validation",
    "gallery",
    "probe",
    "probes",
    "query",
    "images",
    "imgs",
    "distractors",
];

/// Patterns of the names in one folder, the most usual first.
const FLAT: [&str; 4] = ["{identity}_{n}.*", "{identity}-{n}.*", "{identity}.{n}.*", "{identity} {n}.*"];

/// Lists of pairs that datasets ship with.
const PAIRS: [&str; 2] = ["pairs.txt", "pairs.csv"];

/// Tables of faces, in the order in which they are looked for.
const PHASE1: &str = "face_metadata.csv";

/// The table of an image folder.
const METADATA: &str = "metadata.csv";

/// Names of pictures that an error counts and shows are checked at most.
const SHOWN_OF: usize = 100_000;

pub(super) fn find(root: &Path, hints: &Hints, paths: Paths) -> Result<Found, InitError> {
    if let Some(named) = &hints.table {
        return table::pictures(named, Some(root), paths);
    }
    if root.join(PHASE1).is_file() {
        return table::pictures(&root.join(PHASE1), None, paths);
    }
    let pictures = look::pictures(root)?;
    let Some(first) = pictures.first() else { return of_files(root, hints, paths) };
    let metadata = root.join(METADATA);
    if names_pictures(&metadata) && hints.pattern.is_none() {
        if !table::has_usual_identity(&metadata)? {
            return table::pictures(&metadata, None, paths);
        }
        let found = Found::new("an image folder, whose metadata.csv names the pictures", Content::Pictures, "folders");
        return Ok(with_pairs(found.with("root", paths.yaml(root), "holds metadata.csv"), root, root, paths));
    }
    if let Some(inner) = shared(&pictures).filter(|_| hints.pattern.is_none()) {
        let inner = root.join(inner);
        let found = find(&inner, hints, paths)?;
        let has = |key| found.lines.iter().any(|line| line.key == key);
        let takes = has("root") && !has("csv") && !has("pairs");
        return Ok(if takes { with_pairs(found, &inner, root, paths) } else { found });
    }
    let outermost: BTreeSet<&str> = pictures.iter().filter_map(|path| Some(path.split_once('/')?.0)).collect();
    let with_tables: Vec<String> = outermost
        .into_iter()
        .filter(|folder| hints.pattern.is_none() && names_pictures(&root.join(folder).join(METADATA)))
        .map(|folder| format!("`{folder}`"))
        .collect();
    if !with_tables.is_empty() {
        let what = format!("image folders, each with its own {METADATA}: {}", with_tables.join(", "));
        return Err(InitError::Several { path: root.into(), what });
    }
    let depths: BTreeSet<usize> = pictures.iter().map(|path| path.matches('/').count()).collect();
    let pattern = match (&hints.pattern, depths.first(), depths.last()) {
        (Some(pattern), ..) => pattern.clone(),
        // What lies beside people's folders, or deeper, is left out and counted.
        (None, Some(0), Some(2..)) | (None, _, Some(1)) if depths.contains(&1) => {
            let found = Found::new("identity folders", Content::Pictures, "folders");
            let found = found.with("root", paths.yaml(root), "<identity>/<picture> inside");
            return Ok(with_pairs(found, root, root, paths));
        }
        (None, Some(0), Some(2..)) => {
            let stray = pictures.iter().find(|path| !path.contains('/')).unwrap_or(first).clone();
            return Err(InitError::Stray { path: root.into(), stray });
        }
        (None, _, Some(0)) => flat(&pictures).ok_or_else(|| InitError::NoIdentity {
            path: root.into(),
            example: first.clone(),
            pictures: pictures.len(),
        })?,
        (None, Some(2), Some(2)) if all_in_parts(&pictures) => "{part}/{identity}/*".into(),
        (None, Some(2), Some(2)) => "{identity}/*/*".into(),
        _ => "{identity}/**/*".into(),
    };
    let kind = if depths.last() == Some(&0) { "one folder of pictures" } else { "nested folders" };
    let found = Found::new(kind, Content::Pictures, "files")
        .with("root", paths.yaml(root), "the folder that the pictures are in")
        .with("pattern", scalar(&pattern), "what the parts of a path are; every picture must fit");
    Ok(with_pairs(found, root, root, paths))
}

/// Whether a table is that of an image folder.
fn names_pictures(table: &Path) -> bool {
    table.is_file()
        && look::first_lines(table, 0).is_ok_and(|table| table.headers.iter().any(|name| name == "file_name"))
}

/// The outermost folders that all pictures, in byte order, share although there are folders below: those are the people's.
fn shared(pictures: &[String]) -> Option<String> {
    let (first, last) = (pictures.first()?.rsplit_once('/')?.0, pictures.last()?.rsplit_once('/')?.0);
    let both = first.split('/').zip(last.split('/')).take_while(|(one, other)| one == other);
    let mut shared: Vec<&str> = both.map(|(folder, _)| folder).collect();
    if pictures.iter().all(|path| path.matches('/').count() == shared.len()) {
        shared.pop();
    }
    (!shared.is_empty()).then(|| shared.join("/"))
}

/// Whether the outermost folders are parts of a dataset.
fn all_in_parts(pictures: &[String]) -> bool {
    let outermost: BTreeSet<String> =
        pictures.iter().filter_map(|path| Some(path.split_once('/')?.0.to_lowercase())).collect();
    outermost.iter().all(|name| PARTS.contains(&name.as_str()))
}

/// The pattern that all names fit, and that finds several people of whom one has several pictures.
fn flat(names: &[String]) -> Option<String> {
    let fits = |pattern: &&&str| {
        let Ok(pattern) = Pattern::read(pattern) else { return false };
        let people: Option<Vec<&str>> =
            names.iter().take(SHOWN_OF).map(|name| pattern.values(name)?.first().copied()).collect();
        let Some(people) = people else { return false };
        let distinct = people.iter().collect::<BTreeSet<_>>().len();
        distinct > 1 && distinct < people.len()
    };
    FLAT.iter().find(fits).map(|pattern| (*pattern).to_owned())
}

/// Adds the list of pairs in the pictures' folder, or in one above it up to the one that was named.
fn with_pairs(found: Found, pictures: &Path, named: &Path, paths: Paths) -> Found {
    let folders = pictures.ancestors().take_while(|folder| folder.starts_with(named));
    let list = folders.flat_map(|folder| PAIRS.map(|name| folder.join(name))).find(|path| path.is_file());
    let Some(list) = list else { return found };
    // A name is looked for in the pictures' folder and in the one above.
    let beside = [Some(pictures), pictures.parent()].contains(&list.parent());
    let value = match list.file_name() {
        Some(name) if beside => scalar(&name.to_string_lossy()),
        _ => paths.file(&list),
    };
    found.with("pairs", value, "the list of pairs beside the pictures")
}

/// A folder without pictures: one of the files that hold a dataset, or several that do together.
fn of_files(root: &Path, hints: &Hints, paths: Paths) -> Result<Found, InitError> {
    let mut entries: Vec<PathBuf> = files::list(root)?.into_iter().map(|entry| entry.path()).collect();
    entries.sort();
    let of = |endings: &[&str]| -> Vec<&PathBuf> {
        entries.iter().filter(|path| path.is_file() && ends(path, endings)).collect()
    };
    match of(&[".parquet"])[..] {
        [] => {}
        [only] => return file(only, hints, paths),
        [first, ..] => {
            // What one is, all are; embeddings are one file.
            let found = table::parquet(first, hints, paths)?;
            if found.content == Content::Embeddings {
                let what = format!("{} `.parquet` files with embeddings", of(&[".parquet"]).len());
                return Err(InitError::Several { path: root.into(), what });
            }
            return Ok(table::pictures_in_parquet(root, paths));
        }
    }
    if let [first, _, ..] = of(&[".tar"])[..]
        && look::has_samples(first)?
    {
        return Ok(shards(root, paths));
    }
    for endings in [&[".npy"][..], &[".tar", ".tar.gz", ".tgz"], &[".bin"], &[".csv", ".tsv"]] {
        match of(endings)[..] {
            [] => {}
            [only] => return file(only, hints, paths),
            [first, ..] => {
                let [count, ending] = [of(endings).len().to_string(), endings[0].to_owned()];
                let first = first.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let what = format!("{count} `{ending}` files, the first is `{first}`");
                return Err(InitError::Several { path: root.into(), what });
            }
        }
    }
    Err(InitError::NoFaces { path: root.into(), what: "a folder without pictures".into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_that_hold_all_people_are_not_people() {
        let of = |paths: &[&str]| shared(&paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>());
        assert_eq!(of(&["lfw/ada/1.png", "lfw/bo/1.png"]).as_deref(), Some("lfw"));
        assert_eq!(
            of(&["data/lfw/ada/1.png", "data/lfw/ada/a/2.png", "data/lfw/bo/1.png"]).as_deref(),
            Some("data/lfw")
        );
        assert_eq!(of(&["lfw/ada/1.png", "lfw/ada/2.png"]).as_deref(), Some("lfw"), "one person");
        assert_eq!(of(&["ada/1.png", "ada/2.png"]), None);
        assert_eq!(of(&["ada/1.png", "ada/2.png", "bo/1.png"]), None);
        assert_eq!(of(&["a/b/1.png", "ab/b/1.png"]), None);
        assert_eq!(of(&["lfw/ada/1.png", "lfw.png"]), None);
        assert_eq!(of(&["1.png", "2.png"]), None);
    }
}
