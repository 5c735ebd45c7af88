//! Reads the lists of pairs that protocols name, in addition to the dataset's own.

use super::{RunError, pairs_left_out};
use crate::dataset::{Manifest, read_pair_list};
use crate::evaluate;
use crate::progress::Progress;
use crate::protocol::{AbsentPair, DATASET_PAIRS, PairList, PairsSource, Protocol};
use crate::text::counted;

/// Reads each protocol's own list into the manifest; several files of one protocol form one list, in order. Reports
/// lists that contradict the identities of the faces.
pub(super) fn read(manifest: &mut Manifest, protocols: &[Protocol], progress: &dyn Progress) -> Result<(), RunError> {
    for Protocol { name, pairs, .. } in protocols {
        match pairs {
            PairsSource::Files { paths } => {
                let mut whole = PairList { name: name.clone(), ..PairList::default() };
                for path in paths {
                    let PairList { pairs, absent, .. } = read_pair_list(name, path, manifest)?;
                    let before = whole.pairs.len() as u32;
                    whole.pairs.extend(pairs);
                    whole
                        .absent
                        .extend(absent.into_iter().map(|absent| AbsentPair { pair: before + absent.pair, ..absent }));
                }
                manifest.lists.push(whole);
            }
            PairsSource::Dataset if manifest.lists.iter().any(|list| list.name == DATASET_PAIRS) => {}
            // Fail before anything is embedded.
            PairsSource::Dataset => {
                return Err(crate::evaluate::EvaluateError::NoPairs { protocol: name.clone() }.into());
            }
        }
    }
    for list in manifest.lists.iter().filter(|list| !list.absent.is_empty()) {
        let of = |protocol: &&Protocol| evaluate::list_of(protocol) == list.name;
        for protocol in protocols.iter().filter(of) {
            evaluate::check_left_out(protocol, list.absent.len(), list.pairs.len())
                .map_err(|error| pairs_left_out::absent(error, list))?;
        }
        let (name, are) = match list.absent.len() {
            1 => ("names a face", "it is"),
            _ => ("name faces", "they are"),
        };
        progress.say(&format!(
            "{} of the {} in list `{}` {name} that the dataset does not have; {are} left out",
            list.absent.len(),
            counted(list.pairs.len(), "pair"),
            list.name
        ));
    }
    for list in &manifest.lists {
        let (wrong, all) = (crate::dataset::contradictions(list, &manifest.faces), list.pairs.len());
        if wrong > 0 {
            progress.say(&format!(
                "{wrong} of the {} in list `{}` {} the faces' identities; the list takes precedence",
                counted(all, "pair"),
                list.name,
                if wrong == 1 { "contradicts" } else { "contradict" }
            ));
        }
    }
    Ok(())
}
