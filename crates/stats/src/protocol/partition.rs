//! How a list is cut into training and test pairs.

use std::collections::BTreeSet;

use super::ListedPair;
use super::folds::Fold;
use crate::protocol::Split;
use facevault_base::text::counted;

/// Number of blocks for a list without folds.
const BLOCKS: u32 = 10;

/// Why a list cannot be cut into a protocol's folds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what the fields are")]
pub enum PartitionError {
    /// More blocks than pairs.
    #[error("{} cannot be cut into {folds} folds; give the protocol fewer `folds`, or a longer list", counted(*pairs, "pair"))]
    TooFew { pairs: usize, folds: u32 },
    /// The list has no folds, and the protocol needs its own.
    #[error(
        "`split: train-test` needs a list whose pairs are in fold 0 (training) or 1 (test); this list has {found}; use \
         `split: folds`, or a list with a column `fold` or `split`"
    )]
    NoTrainTest { found: String },
    /// Some pairs have a fold and others have none.
    #[error(
        "{without} of the list's {} {} no fold and the others have one; give `folds` to cut blocks",
        counted(*pairs, "pair"), if *without == 1 { "has" } else { "have" }
    )]
    Mixed { without: usize, pairs: usize },
    /// The pairs that thresholds come from do not show both kinds.
    #[error(
        "the training pairs of fold {fold} are {genuine} of one person and {impostor} of two; a threshold needs both \
         kinds: give another list, or other `folds`"
    )]
    OneKind { fold: u32, genuine: usize, impostor: usize },
    /// A single fold has no other to take a threshold from.
    #[error("all pairs are in one fold, so no threshold can be taken from another; give `folds` to cut blocks")]
    OneFold,
}

/// The fold of each pair of the whole list: faces without an embedding do not move the folds' borders.
pub(super) fn numbers(pairs: &[ListedPair], split: Split) -> Result<Vec<u32>, PartitionError> {
    let own: Vec<u32> = pairs.iter().filter_map(|pair| pair.fold).collect();
    match split {
        Split::Folds { count: Some(folds) } => blocks(pairs.len(), folds),
        Split::Folds { count: None } if own.is_empty() => blocks(pairs.len(), BLOCKS),
        Split::TrainTest if own.is_empty() => Err(PartitionError::NoTrainTest { found: "no folds".into() }),
        _ if own.len() < pairs.len() => {
            Err(PartitionError::Mixed { without: pairs.len() - own.len(), pairs: pairs.len() })
        }
        Split::TrainTest => {
            let distinct: BTreeSet<u32> = own.iter().copied().collect();
            if distinct == BTreeSet::from([0, 1]) {
                return Ok(own);
            }
            let names: Vec<_> = distinct.iter().take(12).map(ToString::to_string).collect();
            Err(PartitionError::NoTrainTest { found: format!("the folds {}", names.join(", ")) })
        }
        Split::Folds { count: None } => Ok(own),
    }
}

/// scikit-learn's `KFold(n_splits, shuffle=False)`: blocks in order, the first ones longer by one where it does not come
/// out even. Numbered from 1, as LFW's folds are.
fn blocks(pairs: usize, folds: u32) -> Result<Vec<u32>, PartitionError> {
    let count = folds as usize;
    if pairs < count {
        return Err(PartitionError::TooFew { pairs, folds });
    }
    let sizes = (0..count).map(|fold| pairs / count + usize::from(fold < pairs % count));
    Ok((1..).zip(sizes).flat_map(|(fold, size)| std::iter::repeat_n(fold, size)).collect())
}

/// Training and test pairs by index, from the fold of each pair.
pub(super) fn folds(numbers: &[u32], same: &[bool], split: Split) -> Result<Vec<Fold>, PartitionError> {
    let distinct: BTreeSet<u32> = numbers.iter().copied().collect();
    let tested: Vec<u32> = match split {
        Split::TrainTest => vec![1],
        Split::Folds { .. } => distinct.iter().copied().collect(),
    };
    if distinct.len() < 2 {
        return Err(PartitionError::OneFold);
    }
    tested
        .into_iter()
        .map(|number| {
            let (test, train): (Vec<usize>, Vec<usize>) = (0..numbers.len()).partition(|&pair| numbers[pair] == number);
            let genuine = train.iter().filter(|&&pair| same[pair]).count();
            let impostor = train.len() - genuine;
            if genuine == 0 || impostor == 0 {
                return Err(PartitionError::OneKind { fold: number, genuine, impostor });
            }
            Ok(Fold { number, train, test })
        })
        .collect()
}
