//! The lists of pairs that protocols name, read beside those that the dataset ships with.

use std::path::PathBuf;

use super::RunError;
use crate::config::{PairsSource, Protocol};
use crate::dataset::{DATASET_PAIRS, Manifest, PairList, read_pair_list};
use crate::progress::Progress;

/// Reads each protocol's own list into the manifest; several files of one protocol become one list, in their order. Says
/// where a list contradicts the identities of the faces.
pub(super) fn read(manifest: &mut Manifest, protocols: &[Protocol], progress: &dyn Progress) -> Result<(), RunError> {
    for Protocol { name, pairs, .. } in protocols {
        match pairs {
            PairsSource::Files { paths } => {
                let read = |path: &PathBuf| Ok(read_pair_list(name, path, manifest)?.pairs);
                let pairs = paths.iter().map(read).collect::<Result<Vec<_>, RunError>>()?.concat();
                manifest.lists.push(PairList { name: name.clone(), pairs });
            }
            PairsSource::Dataset if manifest.lists.iter().any(|list| list.name == DATASET_PAIRS) => {}
            // Known before anything is embedded.
            PairsSource::Dataset => {
                return Err(crate::evaluate::EvaluateError::NoPairs { protocol: name.clone() }.into());
            }
        }
    }
    for list in &manifest.lists {
        let (wrong, all) = (list.contradictions(&manifest.faces), list.pairs.len());
        if wrong > 0 {
            progress.say(&format!(
                "{wrong} of the {all} pairs of the list `{}` contradict the faces' identities; the list is followed",
                list.name
            ));
        }
    }
    Ok(())
}
