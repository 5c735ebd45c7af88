//! The tables next to the pictures of a folder: boxes of its faces, and its pair list.

use std::path::{Path, PathBuf};

use super::pair_list::read_pair_list;
use super::scan::OpenContext;
use super::{DatasetError, Manifest, boxes, normalisation, objects};
use crate::dataset::Tables;
use crate::protocol::DATASET_PAIRS;
use crate::text;

/// Local files of a dataset's tables.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub pairs: Option<PathBuf>,
    pub boxes: Option<PathBuf>,
}

impl Files {
    /// Finds the tables of a dataset on this machine.
    pub fn find(tables: &Tables, root: &Path) -> Result<Self, DatasetError> {
        let find = |key, table: &Option<_>| table.as_deref().map(|table| find(key, table, root)).transpose();
        Ok(Self { pairs: find("pairs", &tables.pairs)?, boxes: find("boxes", &tables.boxes)? })
    }
}

/// Reads the tables and reports what affects the results.
pub(super) fn attach(manifest: &mut Manifest, files: &Files, context: &OpenContext<'_>) -> Result<(), DatasetError> {
    // Before identities are compared.
    normalisation::unite_identities(&mut manifest.faces, context.progress);
    let say = |line: &str| context.progress.say(line);
    if let Some(file) = &files.boxes {
        let boxes::Applied { without, elsewhere } = boxes::apply(&mut manifest.faces, file)?;
        if without > 0 {
            say(&without_box(without, manifest.len(), &file.display().to_string()));
        }
        if elsewhere > 0 {
            let boxes = if elsewhere == 1 { "1 box is".to_owned() } else { format!("{elsewhere} boxes are") };
            say(&format!("{boxes} for pictures that are not in the dataset ({})", file.display()));
        }
    }
    if let Some(file) = &files.pairs {
        let list = read_pair_list(DATASET_PAIRS, file, manifest)?;
        let (contradictions, pairs) = (super::contradictions(&list, &manifest.faces), list.pairs.len());
        if contradictions > 0 {
            say(&format!(
                "{contradictions} of {} in {} {} the identities of their faces; the list takes precedence",
                text::counted(pairs, "pair"),
                file.display(),
                if contradictions == 1 { "contradicts" } else { "contradict" }
            ));
        }
        manifest.lists.push(list);
    }
    Ok(())
}

/// How many faces a table of boxes has none for.
pub(super) fn without_box(without: usize, faces: usize, table: &str) -> String {
    let have = if without == 1 { "has" } else { "have" };
    format!("{without} of {} {have} no box in {table}", text::counted(faces, "face"))
}

/// The tables for messages: ", pairs from `pairs.csv`".
pub(super) fn describe(tables: &Tables) -> String {
    let named = [("pairs", &tables.pairs), ("boxes", &tables.boxes)];
    let named =
        named.into_iter().filter_map(|(what, file)| Some(format!(", {what} from `{}`", file.as_ref()?.display())));
    named.collect()
}

/// Finds a table of a dataset: an absolute path or an address unchanged, a name in the dataset's folder or in the one above,
/// where datasets of several parts keep common files.
fn find(key: &'static str, table: &Path, root: &Path) -> Result<PathBuf, DatasetError> {
    if table.is_absolute() || objects::is_remote(table) {
        return Ok(table.into());
    }
    // Above a bucket is nothing.
    let above = root.parent().filter(|above| !objects::is_remote(root) || objects::is_remote(above));
    for folder in [Some(root), above].into_iter().flatten() {
        let path = folder.join(table);
        if objects::is_file(&path)? {
            return Ok(path);
        }
    }
    Err(DatasetError::NoTable { key, name: table.display().to_string(), folder: root.display().to_string() })
}
