//! The tables beside an image folder's pictures: boxes for its faces, and the pairs that it is compared by.

use std::path::{Path, PathBuf};

use super::pair_list::read_pair_list;
use super::scan::Context;
use super::{DatasetError, Manifest, boxes, normalisation};
use crate::dataset::Tables;
use crate::protocol::DATASET_PAIRS;

/// The files of a dataset's tables, once they are here.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub pairs: Option<PathBuf>,
    pub boxes: Option<PathBuf>,
}

/// Reads them, and says what a reader of the results has to know.
pub(super) fn attach(manifest: &mut Manifest, files: &Files, context: &Context<'_>) -> Result<(), DatasetError> {
    // Before anybody asks whether two faces are one person.
    normalisation::unite_identities(&mut manifest.faces, context.progress);
    let say = |line: &str| context.progress.say(line);
    if let Some(file) = &files.boxes {
        let boxes::Applied { without, elsewhere } = boxes::apply(&mut manifest.faces, file)?;
        if without > 0 {
            say(&format!("{without} of {} faces have no box in {}", manifest.len(), file.display()));
        }
        if elsewhere > 0 {
            let boxes = if elsewhere == 1 { "1 box is".to_owned() } else { format!("{elsewhere} boxes are") };
            say(&format!("{boxes} for pictures that are not in the dataset, in {}", file.display()));
        }
    }
    if let Some(file) = &files.pairs {
        let list = read_pair_list(DATASET_PAIRS, file, manifest)?;
        let (contradictions, pairs) = (super::contradictions(&list, &manifest.faces), list.pairs.len());
        if contradictions > 0 {
            say(&format!(
                "{contradictions} of {pairs} pairs in {} contradict the identities of their faces; the list counts",
                file.display()
            ));
        }
        manifest.lists.push(list);
    }
    Ok(())
}

/// The tables for people: ", pairs from `pairs.csv`".
pub(super) fn describe(tables: &Tables) -> String {
    let named = [("pairs", &tables.pairs), ("boxes", &tables.boxes)];
    let named =
        named.into_iter().filter_map(|(what, file)| Some(format!(", {what} from `{}`", file.as_ref()?.display())));
    named.collect()
}

/// Finds a table of a local dataset: an absolute path as it is, a name in the dataset's folder or the one above, where
/// datasets of several parts keep what is for all of them.
pub(super) fn find(key: &'static str, table: &Path, root: &Path) -> Result<PathBuf, DatasetError> {
    if table.is_absolute() {
        return Ok(table.into());
    }
    let found = [Some(root), root.parent()].into_iter().flatten().map(|folder| folder.join(table));
    found.into_iter().find(|path| path.is_file()).ok_or_else(|| DatasetError::NoTable {
        key,
        name: table.display().to_string(),
        folder: root.display().to_string(),
    })
}
